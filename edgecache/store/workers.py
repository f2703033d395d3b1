"""Threads for what must not run on the event loop: file work and the database.

Jobs of one `Workers` begin in the order in which they were given; with one thread they also end in that order, which is what keeps
writes in order. Own threads, because a database connection belongs to the thread that opened it and has to be closed there, and because a
job may be given by a finaliser, at any moment: SimpleQueue allows that.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")

Report = Callable[[str, BaseException], None]


class Workers:
    """`count` threads of one edge. `leaving` is the last act of each; `report` hears of what escapes from a posted job: a defect."""

    def __init__(self, name: str, count: int, report: Report, leaving: Callable[[], None] | None = None) -> None:
        self._name = name
        self._report = report
        self._leaving = leaving
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._threads = [threading.Thread(target=self._work, name=f"edgecache-{name}-{number}", daemon=True) for number in range(count)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Jobs that no thread has begun."""
        return self._jobs.qsize()

    def post(self, job: Callable[[], object]) -> None:
        """Do `job` some time. From any thread, also from a finaliser; after `stop` it is done at once, here."""
        if self._threads:
            self._jobs.put(job)
        else:
            self._run(job)

    def call(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Do `work` in a thread; the future gets what it returns or raises. Who no longer waits may cancel it: the work is done anyway."""
        future: asyncio.Future[T] = self._loop.create_future()

        def job() -> None:
            try:
                result = work()
            except BaseException as error:
                self.tell_loop(partial(_fail, future, error))
            else:
                self.tell_loop(partial(_succeed, future, result))

        self.post(job)
        return future

    def tell_loop(self, told: Callable[[], object]) -> None:
        """From a thread: run `told` on the loop. Not at all when the loop has been closed meanwhile."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(told)

    async def stop(self) -> None:
        """Do what is waiting, then end the threads."""
        threads, self._threads = self._threads, []
        for _ in threads:
            self._jobs.put(None)
        for thread in threads:
            await self._loop.run_in_executor(None, thread.join)
        while not self._jobs.empty():  # given while the last thread was leaving
            job = self._jobs.get()
            if job is not None:
                self._run(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._run(job)
            del job  # what it holds on to, such as a body, is not to wait for the next one
        if self._leaving is not None:
            self._run(self._leaving)

    def _run(self, job: Callable[[], object]) -> None:
        try:
            job()
        except Exception as defect:
            self._report(self._name, defect)


# No closures: an error that its own frame refers to would keep alive, until somebody collects garbage, all that the frame has.


def _succeed(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[T], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
