"""The invalidation log: append-only, and the only way to invalidate anything.

Every entry has a position, counted from 1. Whoever starts a fetch notes the head of the log first; what the fetch brings is covered by
exactly those matching entries whose position is higher. So a response that was under way when a purge came is covered like any other,
and an append costs the same whether it hits nothing or everything.

The log reads no clock: an entry's time is handed in, and may lie before that of an older entry, because edge time can be moved.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import assert_never

from edgecache.caching.stored import Key
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered, Verdict
from edgecache.invalidation.selectors import AllSelector, Index, Selector, UrlSelector, url_index

# Soft entries remembered one by one for one selector; older ones are merged (see _Coverage.add).
SOFT_PER_SELECTOR = 64


class Cause(enum.Enum):
    """Why an entry was appended."""

    API = "api"  # somebody asked for it on the control plane
    METHOD = "method"  # an invalidation method (PURGE) on the data plane
    RESPONSE = "response"  # an unsafe request succeeded (RFC 9111 4.4)
    CLOCK = "clock"  # edge time was moved backwards
    RESET = "reset"  # the whole edge was reset, as between two tests


@dataclass(frozen=True, slots=True)
class Entry:
    """One invalidation of one selector: hard (covered responses do not exist) or soft (they are stale since `time`, edge time)."""

    position: int
    time: float
    soft: bool
    selector: Selector
    cause: Cause


class _Coverage:
    """What the log remembers of one selector: its last hard position, and (position, time) of each soft entry above that, ascending.

    A tuple, since nearly all selectors have no soft entries and an empty tuple costs nothing.
    """

    __slots__ = ("hard", "soft")

    def __init__(self) -> None:
        self.hard = 0
        self.soft: tuple[tuple[int, float], ...] = ()

    @property
    def held(self) -> int:
        """How many entries this stands for in memory."""
        return (self.hard > 0) + len(self.soft)

    @property
    def newest(self) -> int:
        """Position of the selector's newest entry; 0 when it has none."""
        return self.soft[-1][0] if self.soft else self.hard

    def add(self, entry: Entry, soft_limit: int) -> None:
        """Take in an entry above all the earlier ones."""
        if not entry.soft:
            # Whatever an older soft entry covers is below this position too, and hard beats soft in either order.
            self.hard = entry.position
            self.soft = ()
            return
        self.soft += ((entry.position, entry.time),)
        if len(self.soft) > soft_limit:
            # The two oldest become one with the reach of the later and the time of the earlier: what lies between them counts as stale for
            # longer than it was, never for less. Making it hard would be as safe, but would take away what may still be served stale.
            (_, earlier), (reach, later), *others = self.soft
            self.soft = ((reach, min(earlier, later)), *others)

    def stale_since(self, position: int) -> float | None:
        """Time of the first soft entry above `position`, or None when there is none."""
        if not self.soft or self.soft[-1][0] <= position:
            return None
        return self.soft[bisect_right(self.soft, position, key=itemgetter(0))][1]


class InvalidationLog:
    """Answers "is what was fetched at this position still usable?" for one edge, in memory.

    head           position of the newest entry; 0 while there is none
    dropped        responses below this position count as hard covered, because entries up to it were forgotten; 0 while none were
    by_cause       entries appended since the start, by cause
    limit_entries  how many entries are remembered for exact selectors. Beyond it, the selectors that were least recently appended to
                   are forgotten and `dropped` rises: more is purged than was asked for, never less. `all` comes on top, bounded by itself
    """

    def __init__(self, limit_entries: int) -> None:
        self.head = 0
        self.dropped = 0
        self.by_cause = dict.fromkeys(Cause, 0)
        self._limit = limit_entries
        self._soft_limit = max(1, min(SOFT_PER_SELECTOR, limit_entries // 4))
        self._all = _Coverage()
        self._exact: OrderedDict[Index, _Coverage] = OrderedDict()  # least recently appended to first
        self._held = 0

    @property
    def held(self) -> int:
        """Entries remembered for exact selectors: never above the limit."""
        return self._held

    def append(self, selectors: Sequence[Selector], *, soft: bool, now: float, cause: Cause) -> int:
        """Append one entry for each selector in one write; returns the position of the last (the head, when there are no selectors).

        `now` is edge time. What is covered is covered when this returns.
        """
        position = self.head
        entries = [Entry(position + number, now, soft, selector, cause) for number, selector in enumerate(selectors, 1)]
        for entry in entries:
            self._apply(entry)
        self.by_cause[cause] += len(entries)
        return self.head

    def verdict(self, key: Key, position: int) -> Verdict:
        """Does any entry above `position` cover what is stored, or being fetched, for `key`?

        `position` is the head of the log when the origin request was sent. The answer's `position` is that of the newest entry that
        covers; only what was fetched at or above it is clean.
        """
        if position == self.head:
            return CLEAN
        everything = self._all
        exact = self._exact.get(url_index(key))
        hard = max(everything.hard, self.dropped)
        if exact is not None and exact.hard > hard:
            hard = exact.hard
        if hard > position:
            return HardCovered(hard)
        since = everything.stale_since(position)
        newest = everything.newest
        if exact is not None:
            exact_since = exact.stale_since(position)
            if exact_since is not None:
                newest = max(newest, exact.newest)
                since = exact_since if since is None else min(since, exact_since)
        return CLEAN if since is None else SoftCovered(newest, since)

    def _apply(self, entry: Entry) -> None:
        """Make the entry count for every lookup from now on."""
        self.head = entry.position
        match entry.selector:
            case AllSelector():
                self._all.add(entry, SOFT_PER_SELECTOR)
            case UrlSelector() as selector:
                self._apply_exact(selector.index, entry)
            case _:
                assert_never(entry.selector)
        self._forget()

    def _apply_exact(self, index: Index, entry: Entry) -> None:
        coverage = self._exact.get(index)
        if coverage is None:
            coverage = self._exact[index] = _Coverage()
        else:
            self._exact.move_to_end(index)
        self._held -= coverage.held
        coverage.add(entry, self._soft_limit)
        self._held += coverage.held

    def _forget(self) -> None:
        """Free what says nothing any more, a little at each append, and then what exceeds the limit."""
        spent = max(self._all.hard, self.dropped)
        for _ in range(2):
            # Two for each append, not all at once: a purge of everything costs the same however long the log is.
            if not self._exact or next(iter(self._exact.values())).newest > spent:
                break
            self._held -= self._exact.popitem(last=False)[1].held
        while self._held > self._limit:
            coverage = self._exact.popitem(last=False)[1]
            self._held -= coverage.held
            self.dropped = max(self.dropped, coverage.newest)
