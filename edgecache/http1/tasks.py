"""The one place where tasks are made: each has a name, a reference that keeps it alive, and somebody who hears of its failure."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any


class Tasks:
    """The tasks of one edge. `report(name, exception)` is called for every exception that escapes: it is a defect."""

    def __init__(self, loop: asyncio.AbstractEventLoop, report: Callable[[str, BaseException], None]) -> None:
        self._loop = loop
        self._report = report
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        """Run `work` at once up to where it first waits; only then does it become a task. None when it never waited.

        An answer from memory never waits, and a task would be a fifth of its cost. What runs before the first wait has no current
        task, so asyncio.timeout() must not be entered there.
        """
        try:
            awaited = work.send(None)
        except StopIteration:
            return None
        except Exception as defect:
            self._report(name, defect)
            return None
        return self._keep(_resumed(work, awaited), name)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` as a task, beginning with the next turn of the loop."""
        return self._keep(work, name)

    def _keep(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self._loop.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (defect := task.exception()) is not None:
            self._report(task.get_name(), defect)

    async def cancel_all(self) -> None:
        """End every task and wait until each has ended."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@types.coroutine
def _resumed(work: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that was started by hand and waits for `awaited`."""
    while True:
        try:
            value = yield awaited
        except GeneratorExit:
            work.close()
            raise
        except BaseException as thrown:
            failure: BaseException | None = thrown
        else:
            failure = None
        try:
            awaited = work.send(value) if failure is None else work.throw(failure)
        except StopIteration:
            return
