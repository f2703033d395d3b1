"""Ways to break the edge, each in one guarantee: what the explorer has to notice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from edgecache.caching.verdict import CLEAN, SoftCovered
from edgecache.edge import collapse, flow, leading, order
from edgecache.invalidation import commit, log, sweeping
from edgecache.store import memory, spool, tiers

Place = tuple[Any, str, Any]


def position_when_the_head_comes() -> list[Place]:
    """The position is taken when the answer arrives, not before the origin is asked."""
    on_head = leading.Lead._on_head

    def late(self: Any, head: Any) -> bool:
        self._fetch.position = self._parts.log.head
        return on_head(self, head)

    return [(leading.Lead, "_on_head", late)]


def joining_after_a_purge() -> list[Place]:
    """A flight takes passengers also after an invalidation has overtaken it, and they take what it brings."""

    def find(self: Any, key: Any) -> Any:
        return self._flying.get(key)

    return [(collapse.Flights, "find", find), *followers_take_what_is_covered()]


def followers_take_what_is_covered() -> list[Place]:
    """Who waited reads along without asking the log about what arrives."""
    read_along = flow.Flow._read_along

    def unjudged(self: Any, visit: Any, request: Any, wanted: Any, arriving: Any, *others: Any) -> Any:
        arriving.tested, arriving.standing = self.log.head, CLEAN
        return read_along(self, visit, request, wanted, arriving, *others)

    return [(flow.Flow, "_read_along", unjudged)]


def a_304_is_not_judged() -> list[Place]:
    """A 304 freshens what it selected, whatever came while it was asked for."""
    conclude = leading.conclude

    def unjudged(request: Any, selected: Any, outcome: Any, verdict: Any, *others: Any, **named: Any) -> Any:
        if selected is not None and getattr(getattr(outcome, "head", None), "status", 0) == 304:
            selected, verdict = (selected[0], CLEAN), CLEAN
        return conclude(request, selected, outcome, verdict, *others, **named)

    return [(leading, "conclude", unjudged)]


def acknowledged_before_it_counts() -> list[Place]:
    """An append returns before look-ups see the entry."""
    append = log.InvalidationLog.append

    def later(self: Any, selectors: Sequence[Any], **named: Any) -> int:
        asyncio.get_running_loop().call_soon(lambda: append(self, selectors, **named))
        return self.head + len(selectors)  # type: ignore[no-any-return]

    return [(log.InvalidationLog, "append", later)]


def acknowledged_before_it_is_written() -> list[Place]:
    """The log's file is not written."""
    return [(log.InvalidationLog, "_write", lambda self, file, entries: None)]


def swept_before_rows_are_written() -> list[Place]:
    """The sweeper does not wait until what it has found is on disk."""

    async def settled(self: Any) -> None:
        pass

    return [(tiers.Store, "settled", settled)]


def arriving_is_not_swept() -> list[Place]:
    """The sweeper looks at what is stored, and not at what is being stored."""
    sweep = sweeping.StoreSweeper.sweep

    def without(self: Any) -> Any:
        self._arriving = tuple
        return sweep(self)

    return [(sweeping.StoreSweeper, "sweep", without)]


def what_is_asked_for_does_not_hold_the_log() -> list[Place]:
    """The sweeper does not wait for fetches whose head has not come."""
    return [(log.InvalidationLog, "sweepable", lambda self: self.head)]


def older_replaces_newer() -> list[Place]:
    """What is stored last counts, also when it was asked for first."""
    forgetful = (order.Order, "outdate", lambda self, key, place, fields: None)  # it is told, too, when a newer one has been seen
    return [(memory.MemoryStore, "outdated", lambda self, stored: False), forgetful]


def nobody_is_woken() -> list[Place]:
    """A flight lands, and who waits is not told."""

    def land(self: Any, landing: Any) -> None:
        self.landing = landing

    return [(collapse.Flight, "land", land)]


def followers_take_what_is_stale() -> list[Place]:
    """Who waited reads along what was soft purged on its way, if `decide` would serve it stale."""
    read_along = flow.Flow._read_along

    async def lenient(self: Any, visit: Any, request: Any, wanted: Any, arriving: Any, *others: Any) -> Any:
        standing = self.log.judge(arriving)
        if isinstance(standing, SoftCovered):
            arriving.soft_since, arriving.soft_position, arriving.standing = standing.since, standing.position, CLEAN
        return await read_along(self, visit, request, wanted, arriving, *others)

    return [(flow.Flow, "_read_along", lenient)]


def acknowledged_before_it_is_durable() -> list[Place]:
    """Whoever comes while an fsync runs is content with that one, which may have begun before."""

    async def durable(self: Any, position: int) -> None:
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._commit(), name="log fsync")
        await asyncio.shield(self._running)

    return [(commit.GroupCommit, "durable", durable)]


def what_waiters_hold_is_not_judged() -> list[Place]:
    """When a fetch has ended, what it brought is not compared with the log once more for those who have not had their turn yet."""
    ended = leading.Lead._ended

    def forgetful(self: Any, fetch: Any) -> None:
        if self._arriving is not None:
            self._parts.arriving.discard(self._arriving)
            self._arriving = None
        ended(self, fetch)

    return [(leading.Lead, "_ended", forgetful)]


def everyone_asks_for_himself() -> list[Place]:
    """Who waited for what cannot be his waits for nobody else."""
    read_along = flow.Flow._read_along

    async def alone(self: Any, visit: Any, *others: Any) -> Any:
        read = await read_along(self, visit, *others)
        visit.waited = True
        return read

    return [(flow.Flow, "_read_along", alone)]


def a_torn_answer_is_stored() -> list[Place]:
    """What the origin breaks off counts as complete."""
    return [(spool.Spool, "fail", lambda self, failure: self.finish([]))]
