"""The sweeper: what it removes, writes and counts, when it works and when it waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from invalidationkit import ListStore, doors_of, stored_at
from plainmodel import GatedStore, Steps, pause

from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered
from edgecache.clock import Clock
from edgecache.invalidation.bans import Ban, parse_ban
from edgecache.invalidation.doors import Call
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.journal import Journal
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.selectors import AllSelector, BanSelector, HostSelector, Selector, TagSelector, UrlSelector
from edgecache.invalidation.sweeping import StoreSweeper

NEWS, FRONT, HOST, ALL = TagSelector("news"), TagSelector("front"), HostSelector(b"h"), AllSelector()


def ban(text: str) -> BanSelector:
    found = parse_ban(text)
    assert isinstance(found, Ban)
    return BanSelector(found)


TAGGED, PNG = ban("obj.tags == news"), ban("req.url ~ \\.png$")


class Stage:
    """A log, a store with some responses, and a sweeper whose pauses are noted."""

    def __init__(self, *stored: Any, limit: int = 1000, limit_bans: int = 1000, delay_s: float = 1.0) -> None:
        self.log = InvalidationLog(limit, limit_bans=limit_bans)
        self.store = ListStore(*stored)
        self.pauses: list[float] = []
        self.arriving: list[Any] = []
        self.up_s = 0.0
        self.work_s = 0.0  # how long it takes to look at one response
        self.doors = doors_of(self.log, self.store, Clock())
        self.sweeper = StoreSweeper(
            self.log, self.store, self.doors.journal, lambda: self.arriving, self.monotonic, self.pause, delay_s=delay_s, budget=0.1
        )

    def monotonic(self) -> float:
        self.up_s += self.work_s
        return self.up_s

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def call(self, *selectors: Selector, soft: bool = False) -> None:
        await self.doors.call(Call("test", "", selectors, soft=soft))

    def counted(self) -> list[tuple[int | None, bool]]:
        return [(one.matched, one.at_least) for one in reversed(list(self.doors.journal.newest_first()))]


def three() -> list[Any]:
    return [stored_at(0, "http://h/a.png", tags=("news",)), stored_at(0, "http://h/b", tags=("news", "front")), stored_at(0, "http://g/c")]


@pytest.mark.parametrize(
    "calls, counts",
    [
        ([([NEWS], False)], [2]),
        ([([ALL], False)], [3]),
        ([([PNG], False)], [1]),
        ([([TagSelector("old")], False)], [0]),
        ([([NEWS, FRONT, HOST], False)], [2]),  # each response once for a list
        ([([NEWS], True), ([NEWS], True)], [2, 2]),
        ([([NEWS], True), ([FRONT], False)], [2, 1]),
        ([([NEWS], False), ([NEWS], False)], [2, 0]),
        ([([NEWS], False), ([NEWS], False), ([NEWS], False), ([NEWS], False)], [2, 0, 0, 0]),
        ([([FRONT], False), ([HOST], False), ([ALL], False)], [1, 1, 1]),
        ([([ALL], False), ([NEWS], False), ([HOST], True)], [3, 0, 0]),
        ([([TAGGED], False), ([TAGGED], False), ([TAGGED], False)], [2, 0, 0]),
        ([([TAGGED], True), ([PNG], False), ([HOST], False)], [2, 1, 1]),
    ],
)
async def test_whom_a_covered_response_counts_for(calls: list[tuple[list[Selector], bool]], counts: list[int]) -> None:
    stage = Stage(*three())
    for selectors, soft in calls:
        await stage.call(*selectors, soft=soft)
    assert stage.counted() == [(None, False)] * len(counts)
    assert await stage.sweeper.sweep() == stage.log.head
    assert stage.counted() == [(count, True) for count in counts]


async def test_what_is_counted_in_two_sweeps_is_counted_once() -> None:
    """A fetch holds the log back, so that the first sweep cannot finish with what it has counted; then a second entry comes."""
    stage = Stage(*three())
    await stage.call(TagSelector("other"))
    stage.log.begin_asking(1)
    await stage.call(NEWS, soft=True)
    assert await stage.sweeper.sweep() == 1
    await stage.call(FRONT, soft=True)
    await stage.call(NEWS)
    stage.log.end_asking(1)
    assert await stage.sweeper.sweep() == 4
    assert stage.counted() == [(0, True), (2, True), (1, True), (2, True)]
    assert (stage.log.swept, stage.log.held, len(stage.store.stored)) == (4, 0, 1)


async def test_what_left_the_journal_is_counted_for_nobody() -> None:
    stage = Stage(*three())
    stage.doors.journal = stage.sweeper._journal = Journal(1)
    stage.log.begin_asking(0)
    await stage.call(NEWS, soft=True)
    stage.log.end_asking(0)
    stage.log.begin_asking(1)
    await stage.call(FRONT, soft=True)
    await stage.sweeper.sweep()
    assert stage.sweeper._counted == {2: 1}
    await stage.call(HOST, soft=True)
    stage.log.end_asking(1)
    await stage.sweeper.sweep()
    assert stage.sweeper._counted == {}


async def test_the_edges_own_entries_are_swept_and_counted_for_nobody() -> None:
    stage = Stage(*three())
    await stage.doors.invalidate([ALL], soft=False, cause=Cause.RESET)
    await stage.sweeper.sweep()
    (own,) = stage.doors.journal.newest_first(own=True)
    assert (own.matched, stage.store.stored, stage.sweeper.removed) == (None, [], 3)


async def test_soft_is_written_into_what_is_stored_and_forgotten() -> None:
    stage = Stage(*three())
    await stage.call(NEWS, soft=True)
    at = next(stage.log.entries()).time
    await stage.sweeper.sweep()
    assert list(stage.log.entries()) == []
    assert [(one.soft_position, one.soft_since) for one in stage.store.stored] == [(1, at), (1, at), (0, None)]
    assert [stage.log.judge(one) for one in stage.store.stored] == [SoftCovered(1, at), SoftCovered(1, at), CLEAN]


async def test_what_arrives_is_tested_before_anything_is_forgotten() -> None:
    stage = Stage()
    stage.arriving = [stored_at(0, tags=("news",)), stored_at(0, tags=("front",))]
    await stage.call(NEWS)
    await stage.sweeper.sweep()
    assert list(stage.log.entries()) == []
    assert [stage.log.judge(one) for one in stage.arriving] == [HardCovered(1), CLEAN]


async def test_a_fetch_without_a_head_holds_it_back_and_only_as_far_as_it_must() -> None:
    stage = Stage(*three())
    stage.log.begin_asking(0)
    await stage.call(NEWS)
    assert await stage.sweeper.sweep() == 0
    assert (len(stage.store.stored), stage.sweeper.sweeps) == (3, 0)
    assert stage.log.verdict(stored_at(0).key, 0, tags=["news"]) == HardCovered(1)
    stage.log.begin_asking(1)
    stage.log.end_asking(0)
    await stage.call(FRONT)
    assert await stage.sweeper.sweep() == 1
    assert stage.log.verdict(stored_at(0).key, 1, tags=["front"]) == HardCovered(2)
    stage.log.end_asking(1)
    assert await stage.sweeper.sweep() == 2


# ---- When ----


async def run(stage: Stage, until: Any) -> None:
    """Let it run until something is so."""
    task = asyncio.get_running_loop().create_task(stage.sweeper.run())
    for _ in range(10_000):
        if until():
            break
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert until()


async def test_it_waits_a_while_after_the_first_append_and_sweeps_once_for_all_that_came() -> None:
    stage = Stage(*three())
    stage.doors.appended = stage.sweeper.wake
    await stage.call(NEWS)
    await stage.call(FRONT)
    await run(stage, lambda: stage.sweeper.sweeps == 1)
    assert stage.pauses == [1.0]


async def test_what_comes_while_it_sweeps_is_swept_afterwards() -> None:
    stage = Stage(*three(), delay_s=5.0)
    stage.doors.appended = stage.sweeper.wake
    await stage.call(NEWS)
    settled = stage.store.settled

    async def meanwhile() -> None:
        stage.store.settled = settled  # type: ignore[method-assign]
        await stage.call(ALL)

    stage.store.settled = meanwhile  # type: ignore[method-assign]
    await run(stage, lambda: stage.sweeper.sweeps == 2)
    assert (stage.pauses, stage.log.swept, stage.store.stored) == ([5.0, 5.0], 2, [])


async def test_it_looks_again_while_a_fetch_holds_it_back() -> None:
    stage = Stage(*three())
    stage.doors.appended = stage.sweeper.wake
    stage.log.begin_asking(0)
    await stage.call(NEWS)
    await run(stage, lambda: len(stage.pauses) == 5)
    assert (stage.pauses, stage.sweeper.sweeps) == ([1.0] * 5, 0)


async def test_held_back_it_does_not_spin_even_when_it_need_not_wait() -> None:
    stage = Stage(*three(), delay_s=0.0)
    stage.log.begin_asking(0)
    await stage.call(NEWS)
    stage.sweeper.wake()
    await run(stage, lambda: len(stage.pauses) == 2)
    assert min(stage.pauses) > 0


@pytest.mark.parametrize(
    "selectors", [[UrlSelector(b"h", b"/%d" % number) for number in range(6)], [ban(f"obj.http.x == {n}") for n in range(6)]]
)
async def test_it_does_not_wait_when_the_log_fills_up(selectors: list[Selector]) -> None:
    stage = Stage(*three(), limit=10, limit_bans=10)
    stage.work_s = 0.005
    await stage.call(*selectors)
    stage.sweeper.wake()
    await run(stage, lambda: stage.sweeper.sweeps == 1)
    assert set(stage.pauses) == {0.0}


@pytest.mark.parametrize("work_s, pauses", [(0.0005, []), (0.001, [0.027]), (0.005, [0.045] * 3)])
async def test_it_takes_its_part_of_the_time_and_no_more(work_s: float, pauses: list[float]) -> None:
    stage = Stage(*three())
    stage.work_s = work_s
    await stage.call(NEWS)
    await stage.sweeper.sweep()
    assert stage.pauses == pytest.approx(pauses)


async def test_an_edge_that_starts_with_entries_that_were_never_swept_sweeps_them() -> None:
    stage = Stage(*three())
    await stage.call(ALL)
    await run(stage, lambda: stage.sweeper.sweeps == 1)
    assert stage.store.stored == []


def test_a_sweep_that_ends_too_soon_has_done_nothing_wrong() -> None:
    """Interrupted at each of its steps, and begun anew: the count and what is left are as if it had not been."""
    for stop in range(12):
        log, store, journal = InvalidationLog(1000), GatedStore(), Journal(10)
        for one in three():
            store.put(one)
        doors = doors_of(log, store, Clock())
        doors.journal = journal
        for selectors, soft in (([NEWS], True), ([FRONT], False), ([HOST], True)):
            Steps(doors.call(Call("test", "", selectors, soft=soft))).finish()
        sweeper = StoreSweeper(log, store, journal, lambda: [], lambda: 0.0, pause, delay_s=0.0, budget=0.1)
        first = Steps(sweeper.sweep())
        for _ in range(stop):
            first.step()
        first.abandon()
        Steps(sweeper.sweep()).finish()
        assert [one.matched for one in journal.newest_first()] == [1, 1, 2]
        assert [(key.url, one.soft_position) for (key, _), one in store.held.items()] == [("http://h/a.png", 3), ("http://g/c", 0)]
        assert (log.swept, log.held) == (3, 0)
