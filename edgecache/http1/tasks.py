"""The one place where tasks are made: each has a name, a reference that keeps it alive, and somebody who hears of its failure."""

from __future__ import annotations

import asyncio
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
        except (StopIteration, asyncio.CancelledError):  # it waited for something that had been cancelled already
            return None
        except Exception as defect:
            self._report(name, defect)
            return None
        return self._keep(_Resumed(work, awaited), name)

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


class _Resumed(Coroutine[Any, Any, None]):
    """Goes on with a coroutine that was started by hand and waits for `awaited`.

    Not a generator: a task that is cancelled before its first turn throws into it at once, and a generator that has not begun would let
    `work` end without ever hearing of its cancellation.
    """

    __slots__ = ("_awaited", "_begun", "_work")

    def __init__(self, work: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._work = work
        self._awaited = awaited
        self._begun = False

    def send(self, value: Any) -> Any:
        if self._begun:
            return self._work.send(value)
        self._begun = True
        awaited, self._awaited = self._awaited, None
        return awaited

    def throw(self, *thrown: Any) -> Any:
        self._begun = True
        return self._work.throw(*thrown)

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, None]:
        raise TypeError("is for a task, not to be awaited")
