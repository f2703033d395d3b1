"""Tasks: run at once up to the first wait, then a task like any other; nobody's failure is lost, nobody's cancellation either."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from edgecache.http1.tasks import Tasks


class Log:
    """What happened, and the defects that were reported."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.defects: list[tuple[str, BaseException]] = []
        self.tasks = Tasks(asyncio.get_running_loop(), lambda name, defect: self.defects.append((name, defect)))

    async def work(self, *awaited: Awaitable[str]) -> None:
        """Waits for one after the other, and says how each wait ended."""
        self.lines.append("begun")
        try:
            for one in awaited:
                self.lines.append(await one)
        except asyncio.CancelledError:
            self.lines.append("cancelled")
            raise
        finally:
            self.lines.append("ended")


@pytest.fixture
async def log() -> Log:
    return Log()


def future() -> asyncio.Future[str]:
    return asyncio.get_running_loop().create_future()


def done(result: str) -> asyncio.Future[str]:
    ready = future()
    ready.set_result(result)
    return ready


async def turns(number: int = 3) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_what_never_waits_is_no_task(log: Log) -> None:
    assert log.tasks.start(log.work(), "a") is None
    assert log.tasks.start(log.work(done("x")), "a") is None
    assert log.lines == ["begun", "ended", "begun", "x", "ended"]
    assert (len(log.tasks), log.defects) == (0, [])


async def test_what_waits_goes_on_as_a_task(log: Log) -> None:
    first, second = future(), future()
    task = log.tasks.start(log.work(first, second), "a")
    assert task is not None
    assert (task.get_name(), len(log.tasks), log.lines) == ("a", 1, ["begun"])
    first.set_result("x")
    await turns()
    second.set_result("y")
    await task
    assert log.lines == ["begun", "x", "y", "ended"]
    await turns(1)
    assert (len(log.tasks), log.defects) == (0, [])


@pytest.mark.parametrize("first", ["sleep", "future", "done before its turn"])
async def test_after_the_first_wait_there_is_a_current_task(log: Log, first: str) -> None:
    waited = future()

    async def work() -> None:
        await (asyncio.sleep(0) if first == "sleep" else waited)
        current = asyncio.current_task()
        assert current is not None
        log.lines.append(current.get_name())
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
        log.lines.append("ended")

    task = log.tasks.start(work(), "a")
    assert task is not None
    if first != "future":
        waited.set_result("")
    else:
        asyncio.get_running_loop().call_soon(waited.set_result, "")
    await task
    assert log.lines == ["a", "ended"]


@pytest.mark.parametrize("before_its_first_turn", [True, False])
async def test_cancelled_work_hears_of_it(log: Log, before_its_first_turn: bool) -> None:
    """A task that was cancelled before its first turn once just dropped what it had begun."""
    waited = future()
    task = log.tasks.start(log.work(waited), "a")
    assert task is not None
    if not before_its_first_turn:
        await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log.lines == ["begun", "cancelled", "ended"]
    await turns(1)
    assert (len(log.tasks), log.defects) == (0, [])


async def test_work_may_outlive_its_cancellation(log: Log) -> None:
    async def work() -> None:
        try:
            await future()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            log.lines.append("cleaned up")

    task = log.tasks.start(work(), "a")
    assert task is not None
    task.cancel()
    await task
    assert log.lines == ["cleaned up"]


async def test_waiting_for_what_was_cancelled_is_an_end_and_no_defect(log: Log) -> None:
    """It must not reach the caller either: that is a transport's callback."""
    gone = future()
    gone.cancel()
    assert log.tasks.start(log.work(gone), "a") is None
    assert log.lines == ["begun", "cancelled", "ended"]
    assert log.defects == []


@pytest.mark.parametrize("waits", [0, 1, 2])
@pytest.mark.parametrize("how", ["start", "spawn"])
async def test_a_failure_is_reported_once(log: Log, how: str, waits: int) -> None:
    async def work() -> None:
        for _ in range(waits):
            await asyncio.sleep(0)
        raise ValueError("x")

    getattr(log.tasks, how)(work(), "a")
    await turns(5)
    assert [(name, type(defect), str(defect)) for name, defect in log.defects] == [("a", ValueError, "x")]
    assert len(log.tasks) == 0


async def test_a_failed_wait_reaches_the_work(log: Log) -> None:
    waited = future()

    async def work() -> None:
        try:
            await waited
        except ValueError as error:
            log.lines.append(str(error))

    task = log.tasks.start(work(), "a")
    assert task is not None
    waited.set_exception(ValueError("x"))
    await task
    assert log.lines == ["x"]
    assert log.defects == []


async def test_spawn_begins_with_the_next_turn(log: Log) -> None:
    task = log.tasks.spawn(log.work(done("x")), "a")
    assert (log.lines, task.get_name(), len(log.tasks)) == ([], "a", 1)
    await task
    assert log.lines == ["begun", "x", "ended"]


async def test_cancel_all(log: Log) -> None:
    for number in range(3):
        log.tasks.start(log.work(future()), f"{number}")
        log.tasks.spawn(log.work(future()), f"{number}")
    await turns()
    await log.tasks.cancel_all()
    assert (log.lines.count("cancelled"), log.lines.count("ended")) == (6, 6)
    await turns(1)
    assert (len(log.tasks), log.defects) == (0, [])


async def test_cancel_all_when_there_is_none(log: Log) -> None:
    await log.tasks.cancel_all()
