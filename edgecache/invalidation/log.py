"""The invalidation log: append-only, and the only way to invalidate anything.

Every entry has a position, counted from 1. Whoever starts a fetch notes the head of the log first; what the fetch brings is covered by
exactly those matching entries whose position is higher. So a response that was under way when a purge came is covered like any other,
and an append costs the same whether it hits nothing or everything.

The log reads no clock: an entry's time is handed in, and may lie before that of an older entry, because edge time can be moved.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import assert_never

from edgecache.caching.stored import Key
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered, Verdict
from edgecache.invalidation.entry import Cause, Entry
from edgecache.invalidation.logfile import LogFile, LogUnwritable, Recovered
from edgecache.invalidation.selectors import AllSelector, GroupSelector, Index, Selector, UrlSelector, group_index, url_index

# Soft entries remembered one by one for one selector; older ones are merged (see _Coverage.add).
SOFT_PER_SELECTOR = 64


class _Coverage:
    """What the log remembers of one selector: its last hard position, and (position, time) of each soft entry above that, ascending.

    A tuple, since nearly all selectors have no soft entries and an empty tuple costs nothing.
    """

    __slots__ = ("hard", "selector", "soft")

    def __init__(self, selector: Selector | None = None) -> None:
        self.selector = selector
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
    file           where entries are written before they count; None keeps the log in memory only
    on_unwritten   called when an entry that must happen could not be written: it counts, and the next start must not trust the store
    """

    def __init__(self, limit_entries: int, file: LogFile | None = None, file_bytes: int = 64 * 1024 * 1024) -> None:
        self.head = 0
        self.dropped = 0
        self.by_cause = dict.fromkeys(Cause, 0)
        self.log_id = bytes(16)
        self.on_unwritten: Callable[[LogUnwritable], None] = _ignore
        self.on_head: Callable[[int], None] = _ignore_head  # told of every new head
        self._file = file
        self._file_bytes = file_bytes
        self._next_rewrite = file_bytes
        self._limit = limit_entries
        self._soft_limit = max(1, min(SOFT_PER_SELECTOR, limit_entries // 4))
        self._all = _Coverage()
        self._exact: OrderedDict[Index, _Coverage] = OrderedDict()  # least recently appended to first
        self._held = 0

    @property
    def held(self) -> int:
        """Entries remembered for exact selectors: never above the limit."""
        return self._held

    def write_to(self, file: LogFile) -> None:
        """From now on entries are written to `file` before they count."""
        self._file = file

    def recover(self, recovered: Recovered) -> None:
        """Take in what a file held. Before anything else is asked of the log."""
        self.log_id = recovered.log_id
        self.dropped = recovered.dropped
        for entry in recovered.entries:
            self._apply(entry)
        self.head = max(self.head, recovered.base)

    def continue_above(self, mark: int, now: float) -> bool:
        """Entries up to `mark` may have been lost: go on above it, with everything covered. False when none can be missing.

        Raises LogUnwritable.
        """
        if self.head >= mark:
            return False
        self.head = mark
        self.append([AllSelector()], soft=False, now=now, cause=Cause.RECOVERY)
        return True

    def append(self, selectors: Sequence[Selector], *, soft: bool, now: float, cause: Cause) -> int:
        """Append one entry for each selector in one write; returns the position of the last (the head, when there are no selectors).

        `now` is edge time. What is covered is covered when this returns. Raises LogUnwritable when it could not be written: then nothing
        has happened; only what a response, the clock or a reset caused counts all the same: nobody could be told to try again.
        """
        position = self.head
        entries = [Entry(position + number, now, soft, selector, cause) for number, selector in enumerate(selectors, 1)]
        if self._file is not None and entries:
            try:
                self._write(self._file, entries)
            except LogUnwritable as failure:
                if not cause.must_happen:
                    raise
                self.on_unwritten(failure)
        for entry in entries:
            self._apply(entry)
        self.by_cause[cause] += len(entries)
        self.on_head(self.head)
        return self.head

    def hard_position(self, selector: Selector) -> int:
        """Below which position does nothing of what `selector` selects exist, by its own entries and those for everything?"""
        own = None if isinstance(selector, AllSelector) else self._exact.get(selector.index)
        return max(self.dropped, self._all.hard, 0 if own is None else own.hard)

    def entries(self) -> Iterator[Entry]:
        """What is still remembered, as entries in the order of their positions; enough to remember it again."""
        remembered = [(AllSelector(), self._all), *((coverage.selector, coverage) for coverage in self._exact.values())]
        found: list[Entry] = []
        for selector, coverage in remembered:
            assert selector is not None
            if coverage.hard:
                found.append(Entry(coverage.hard, 0.0, False, selector, Cause.API))
            found.extend(Entry(position, time, True, selector, Cause.API) for position, time in coverage.soft)
        return iter(sorted(found, key=lambda entry: entry.position))

    def _write(self, file: LogFile, entries: list[Entry]) -> None:
        if file.size > self._next_rewrite:
            try:
                file.replace(self.log_id, self.head, self.dropped, self.entries())
            except LogUnwritable:
                self._next_rewrite = file.size + self._file_bytes  # another time; there may be room for one more record in the old one
            else:
                self._next_rewrite = max(self._file_bytes, 2 * file.size)
        file.write(entries)

    def verdict(self, key: Key, position: int, groups: Sequence[str] = ()) -> Verdict:
        """Does any entry above `position` cover what is stored, or being fetched, for `key`?

        `position` is the head of the log when the origin request was sent, `groups` are those that its response named (RFC 9875). The
        answer's `position` is that of the newest entry that covers; only what was fetched at or above it is clean.
        """
        if position == self.head:
            return CLEAN
        found = [self._all]
        if (exact := self._exact.get(url_index(key))) is not None:
            found.append(exact)
        for group in groups:
            if (exact := self._exact.get(group_index(key, group))) is not None:
                found.append(exact)
        hard = max(self.dropped, max(coverage.hard for coverage in found))
        if hard > position:
            return HardCovered(hard)
        since: float | None = None
        newest = 0
        for coverage in found:
            stale = coverage.stale_since(position)
            if stale is not None:
                newest = max(newest, coverage.newest)
                since = stale if since is None else min(since, stale)
        return CLEAN if since is None else SoftCovered(newest, since)

    def _apply(self, entry: Entry) -> None:
        """Make the entry count for every lookup from now on."""
        self.head = entry.position
        match entry.selector:
            case AllSelector():
                self._all.add(entry, SOFT_PER_SELECTOR)
            case UrlSelector() | GroupSelector() as selector:
                self._apply_exact(selector.index, entry)
            case _:
                assert_never(entry.selector)
        self._forget()

    def _apply_exact(self, index: Index, entry: Entry) -> None:
        coverage = self._exact.get(index)
        if coverage is None:
            coverage = self._exact[index] = _Coverage(entry.selector)
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


def _ignore(failure: LogUnwritable) -> None:
    """A log in memory cannot fail."""


def _ignore_head(head: int) -> None:
    """Nobody keeps a high-water mark for a log in memory."""
