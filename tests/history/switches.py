"""Switches that break one guarantee each, thrown in an edge's process before it starts: the checker has to notice.

They replace methods of the edge from outside. Where a guarantee is kept in two places, both are broken: one alone would not show.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import edgecache.caching.decide
import edgecache.caching.storing
from edgecache.caching.verdict import CLEAN
from edgecache.edge.collapse import Flights, Joinable
from edgecache.edge.fetch import Fetch
from edgecache.edge.flow import Flow
from edgecache.edge.leading import Lead
from edgecache.edge.order import Order
from edgecache.http1.problem import Broken
from edgecache.invalidation.doors import Doors
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.sweeping import StoreSweeper
from edgecache.lab.history.checker import Wrong
from edgecache.store.memory import MemoryStore


@dataclass(frozen=True)
class Switch:
    """How one guarantee is broken, and what the checker is to say.

    kills        in how many lives it has to be noticed
    clock_every  reads from one move of the clock to the next
    """

    throw: Callable[[], None]
    noticed_as: tuple[Wrong, ...]
    kills: int = 0
    clock_every: int = 400


def position_late() -> None:
    """The position of a fetch is taken when its answer's head is there."""
    on_head: Any = Lead._on_head

    def late(self: Lead, head: Any) -> Any:
        self._fetch.position = self._parts.log.head
        return on_head(self, head)

    Lead._on_head = late  # type: ignore[method-assign]


def joins_after_purge() -> None:
    """Whoever asks after a purge reads along with a fetch from before it."""

    def find(self: Flights, key: Any) -> Any:
        flight = self._flying.get(key)
        if flight is not None and isinstance(flight.landing, Joinable) and not flight.landing.fetch.spool.joinable:
            return None
        return flight

    verdict: Any = Flow._verdict
    Flights.find = find  # type: ignore[method-assign]
    Flow._verdict = lambda self, stored: CLEAN if stored in self.parts.lead.arriving else verdict(self, stored)  # type: ignore[method-assign]


def unjudged_304() -> None:
    """A 304 freshens what it is about, whatever has covered that by the names that it had until then."""
    verdict: Any = Lead._verdict
    Lead._verdict = lambda self, stored: CLEAN if stored is self._selected else verdict(self, stored)  # type: ignore[method-assign]


def log_after_answer() -> None:
    """An entry is written to the file half a second after it was acknowledged."""
    write: Any = InvalidationLog._write

    def later(self: InvalidationLog, file: Any, entries: Any) -> None:
        asyncio.get_running_loop().call_later(0.5, write, self, file, entries)

    InvalidationLog._write = later  # type: ignore[method-assign]


def swept_early() -> None:
    """The sweeper lets entries go without having tested what is stored."""

    async def sweep(self: StoreSweeper) -> int:
        log = self._log
        log.note_swept(log.head)
        while log.forget(1000):
            pass
        return log.head

    StoreSweeper.sweep = sweep  # type: ignore[method-assign]


def memo_copied() -> None:
    """What was freshened counts as tested with its new names, as it was with the old ones."""

    def inherit(self: InvalidationLog, old: Any, new: Any) -> None:
        new.tested, new.standing = self.head, CLEAN

    InvalidationLog.inherit = inherit  # type: ignore[method-assign]


def soft_is_nothing() -> None:
    """A soft entry has a position and covers nothing."""
    apply: Any = InvalidationLog._apply

    def without_soft(self: InvalidationLog, entry: Any) -> None:
        if entry.soft:
            self.head = entry.position
        else:
            apply(self, entry)

    InvalidationLog._apply = without_soft  # type: ignore[method-assign]


def first_of_list() -> None:
    """Of a list only the first is invalidated."""
    append: Any = InvalidationLog.append
    InvalidationLog.append = lambda self, selectors, **how: append(self, selectors[:1], **how)  # type: ignore[method-assign]


def clock_alone() -> None:
    """The clock goes back and nothing becomes stale."""
    append: Any = InvalidationLog.append

    def without_clock(self: InvalidationLog, selectors: Any, **how: Any) -> Any:
        return self.head if how["cause"] is Cause.CLOCK else append(self, selectors, **how)

    InvalidationLog.append = without_clock  # type: ignore[method-assign]


def windows_without_end() -> None:
    """Stale-while-revalidate is for ever."""
    edgecache.caching.decide.staleness = lambda stored, soft, now: 0.0  # type: ignore[attr-defined]


def unsafe_afterwards() -> None:
    """What an unsafe request changed is invalidated after its client has heard of it."""
    now: Any = Doors.invalidate_after_unsafe

    def later(self: Doors, *what: Any) -> None:
        asyncio.get_running_loop().call_later(0.05, now, self, *what)

    Doors.invalidate_after_unsafe = later  # type: ignore[assignment, method-assign]


def older_replaces_newer() -> None:
    """What comes last is kept, however long ago it was asked for."""
    MemoryStore.outdated = lambda self, stored: False  # type: ignore[method-assign]
    Order.outdate = lambda self, key, place, fields: None  # type: ignore[method-assign]


def vary_ignored() -> None:
    """Every variant is for everybody."""
    edgecache.caching.decide.vary_matches = lambda stored, fields, profile: True  # type: ignore[attr-defined]


def torn_is_whole() -> None:
    """Content that the origin broke off counts as complete."""
    receive: Any = Fetch._receive

    async def lenient(self: Fetch) -> None:
        try:
            await receive(self)
        except Broken:
            self.spool.finish([])

    Fetch._receive = lenient  # type: ignore[method-assign]


SWITCHES = {
    "position-late": Switch(position_late, (Wrong.COVERED, Wrong.NOT_MARKED)),
    "joins-after-purge": Switch(joins_after_purge, (Wrong.COVERED, Wrong.NOT_MARKED)),
    "unjudged-304": Switch(unjudged_304, (Wrong.COVERED, Wrong.NOT_MARKED)),
    "log-after-answer": Switch(log_after_answer, (Wrong.COVERED, Wrong.NOT_MARKED), kills=15),
    "swept-early": Switch(swept_early, (Wrong.COVERED, Wrong.NOT_MARKED)),
    "memo-copied": Switch(memo_copied, (Wrong.COVERED, Wrong.NOT_MARKED)),
    "soft-is-nothing": Switch(soft_is_nothing, (Wrong.NOT_MARKED,)),
    "first-of-list": Switch(first_of_list, (Wrong.COVERED, Wrong.NOT_MARKED)),
    "clock-alone": Switch(clock_alone, (Wrong.NOT_MARKED,), clock_every=100),
    "windows-without-end": Switch(windows_without_end, (Wrong.TOO_STALE,), clock_every=60),
    "unsafe-afterwards": Switch(unsafe_afterwards, (Wrong.COVERED,)),
    "older-replaces-newer": Switch(older_replaces_newer, (Wrong.BACKWARDS,)),
    "vary-ignored": Switch(vary_ignored, (Wrong.CROSSED,)),
    "torn-is-whole": Switch(torn_is_whole, (Wrong.TORN,)),
}
