"""The invalidation log: append-only, and the only way to invalidate anything.

Every entry has a position, counted from 1. Whoever starts a fetch notes the head of the log first; what the fetch brings is covered by
exactly those matching entries whose position is higher. So a response that was under way when a purge came is covered like any other,
and an append costs the same whether it hits nothing or everything.

A stored response remembers how far it was tested: asked about again, it is compared with newer entries only. That is also what lets entries
go. Once all that is stored, or is being stored, was tested up to a position (`swept`), entries up to there say nothing any more. Where the
limits are reached before that, the oldest entries go nevertheless, and what was not tested up to there (`dropped`) counts as covered.

The log reads no clock: an entry's time is handed in, and may lie before that of an older entry, because edge time can be moved.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from edgecache.caching.stored import Key, StoredResponse
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered, Verdict
from edgecache.invalidation.coverage import Coverage, Coverages, SoftEntry
from edgecache.invalidation.entry import Cause, Entry
from edgecache.invalidation.livebans import LiveBan, LiveBans
from edgecache.invalidation.logfile import LogFile, LogUnwritable, Recovered
from edgecache.invalidation.selectors import AllSelector, BanSelector, Selector

# Soft entries remembered one by one for one selector; older ones are merged (see Coverage.add).
SOFT_PER_SELECTOR = 64
# Spent selectors forgotten at each append, not all at once: a purge of everything costs the same however long the log is.
FORGOTTEN_PER_APPEND = 2


class InvalidationLog:
    """Answers "is what was fetched at this position still usable?" for one edge, in memory.

    head           position of the newest entry; 0 while there is none
    swept          all that is stored was tested up to here; entries up to here may be forgotten
    dropped        what was tested less far than this counts as hard covered, because entries up to here were forgotten; 0 while none were
    by_cause       entries appended since the start, by cause
    bans           the ban expressions in force
    limit_entries  how many entries are remembered for exact selectors. Beyond it, the selectors that were least recently appended to
                   are forgotten and `dropped` rises: more is purged than was asked for, never less. `all` comes on top, bounded by itself
    limit_bans     the same for ban expressions, the oldest first
    file           where entries are written before they count; None keeps the log in memory only
    on_unwritten   called when an entry that must happen could not be written: it counts, and the next start must not trust the store
    on_dropped     called when `dropped` rises for the first time
    site_of        which site a host belongs to, for entries that are for one site
    """

    def __init__(
        self,
        limit_entries: int,
        file: LogFile | None = None,
        file_bytes: int = 64 * 1024 * 1024,
        *,
        limit_bans: int = 10_000,
        site_of: Callable[[bytes], str] | None = None,
    ) -> None:
        self.head = 0
        self.swept = 0
        self.dropped = 0
        self.by_cause = dict.fromkeys(Cause, 0)
        self.log_id = bytes(16)
        self.on_unwritten: Callable[[LogUnwritable], None] = _ignore
        self.on_head: Callable[[int], None] = _ignore_head  # told of every new head
        self.on_dropped: Callable[[int], None] = _ignore_head
        self.site_of: Callable[[bytes], str] = site_of or _no_site
        self._file = file
        self._file_bytes = file_bytes
        self._next_rewrite = file_bytes
        self._soft_limit = max(1, min(SOFT_PER_SELECTOR, limit_entries // 4))
        self._all = Coverage(AllSelector())
        self._exact = Coverages(limit_entries, self._soft_limit, lambda host: self.site_of(host))
        self.limit_entries = limit_entries
        self.bans = LiveBans(limit_bans, lambda host: self.site_of(host))
        self._swept_ban = 0  # the newest ban on fields of responses that was forgotten
        self._lost = 0  # entries up to here may have been forgotten before the sweeper had counted what they cover
        self._asking: Counter[int] = Counter()  # positions of fetches whose answer is not known yet

    @property
    def held(self) -> int:
        """Entries remembered for exact selectors: never above the limit."""
        return self._exact.held

    # Life.

    def write_to(self, file: LogFile) -> None:
        """From now on entries are written to `file` before they count."""
        self._file = file

    def recover(self, recovered: Recovered) -> None:
        """Take in what a file held. Before anything else is asked of the log."""
        self.log_id = recovered.log_id
        self.dropped = self._lost = recovered.dropped
        self.swept = self._swept_ban = recovered.swept
        for entry in recovered.entries:
            if entry.position > self.swept:
                self._apply(entry)
        self.head = max(self.head, recovered.base, recovered.swept)

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

    def entries(self) -> Iterator[Entry]:
        """What is still remembered, as entries in the order of their positions; enough to remember it again."""
        found = [Entry(ban.position, ban.time, ban.soft, ban.selector, Cause.API) for ban in self.bans]
        for coverage in (self._all, *self._exact):
            if coverage.hard:
                found.append(Entry(coverage.hard, 0.0, False, coverage.selector, Cause.API))
            found.extend(Entry(position, time, True, coverage.selector, Cause.API) for position, time, _ in coverage.soft)
        return iter(sorted(found, key=lambda entry: entry.position))

    # Verdicts.

    def judge(self, stored: StoredResponse) -> Verdict:
        """Does any entry above its position cover `stored`? What was found before is not looked for again.

        A soft verdict's `since` is the time of the first soft entry that covers it, and `position` that of the newest one.
        """
        if stored.tested == self.head:
            return stored.standing
        standing = stored.standing
        if not isinstance(standing, HardCovered):
            found = self._find(stored.key, stored.tested, stored.tags, stored.groups, stored)
            if isinstance(found, SoftCovered) and isinstance(standing, SoftCovered):
                found = SoftCovered(found.position, standing.since)  # what was found before is the first
            if found is not CLEAN:
                standing = stored.standing = found
        stored.tested = self.head
        return standing

    def verdict(
        self, key: Key, position: int, groups: Sequence[str] = (), tags: Sequence[str] = (), *, unknown_covers: bool = False
    ) -> Verdict:
        """Does any entry above `position` cover what is being fetched for `key`, or what was learnt about it?

        `position` is the head of the log when the origin request was sent, `groups` and `tags` are those that its response named. The
        answer's `position` is that of the newest entry that covers; only what was fetched at or above it is clean. Whether a ban covers may
        depend on more than that: such a ban counts when `unknown_covers`, for whom it does no harm to be too careful; and so does what was
        swept, and forgotten, since `position`. Whoever asks without it is being fetched, or is among what arrives.
        """
        if position == self.head:
            return CLEAN
        if unknown_covers and position < self.swept:
            return HardCovered(self.swept)
        return self._find(key, position, tags, groups, None, unknown_covers)

    def existed(self, stored: StoredResponse, below: int) -> bool:
        """Was `stored` there just before the entry at `below` came? Not when it was fetched later or a hard entry covered it by then."""
        if stored.position >= below:
            return False
        above = stored.position
        if stored.tested < below:
            above = stored.tested
            if isinstance(stored.standing, HardCovered):
                return False
        elif not isinstance(stored.standing, HardCovered):
            return True
        elif stored.standing.position < below:
            return False
        if above < self._lost:
            return False  # what covered it before may be among those
        if any(coverage.has_hard(above, below) for coverage in (self._all, *self._exact.about(stored.key, stored.tags, stored.groups))):
            return False
        return not any(ban.has_hard(above, below) and self.bans.covers(ban, stored) for ban in self.bans.above(above))

    def covering(self, stored: StoredResponse, above: int) -> list[int]:
        """Positions of entries above this one that cover `stored`, up to the first hard one: after that it was gone.

        For counting: all are such entries, but not all such entries are there, for some are not remembered one by one.
        """
        above = max(above, stored.position)
        if above < self._lost:
            return []  # the first that covered it may be among those
        found: list[int] = []
        hard = self.head + 1
        for coverage in (self._all, *self._exact.about(stored.key, stored.tags, stored.groups)):
            first = coverage.first_hard(above)
            if first is None:
                return []
            hard = min(hard, first or hard)
            found.extend(position for position, _, _ in coverage.soft if position > above)
        for ban in self.bans.above(above):
            if not self.bans.covers(ban, stored):
                continue
            if ban.soft:
                found.append(ban.position)
            elif (first := ban.first_hard(above)) is None:
                return []
            else:
                hard = min(hard, first)
        return sorted(position for position in {*found, hard} if position <= min(hard, self.head))

    def inherit(self, old: StoredResponse, new: StoredResponse) -> None:
        """`new` is `old` with other fields, perhaps at the same place in the order of responses: then it stands as far as `old` did.

        When it has names that `old` had not, or fields that a ban may look at, and entries about these that are above its position may have
        been forgotten, it counts as covered.
        """
        if new.position != old.position or new.position >= self.swept:
            return  # all entries above its position are remembered
        if {*new.tags, *new.groups} <= {*old.tags, *old.groups} and new.position >= self._swept_ban:
            new.tested, new.standing = self.swept, old.standing
        else:
            new.tested, new.standing = self.head, HardCovered(self.swept)

    def _find(
        self,
        key: Key,
        above: int,
        tags: Sequence[str],
        groups: Sequence[str],
        stored: StoredResponse | None,
        unknown_covers: bool = False,
    ) -> Verdict:
        hard = self.dropped
        soft: list[SoftEntry] = []
        newest = 0
        for coverage in (self._all, *self._exact.about(key, tags, groups)):
            hard = max(hard, coverage.hard)
            first = coverage.first_soft(above)
            if first is not None:
                soft.append(first)
                newest = max(newest, coverage.newest)
        if hard > above:
            return HardCovered(hard)
        for ban in self.bans.above(above):
            if self._ban_covers(ban, key, stored, unknown_covers):
                if not ban.soft:
                    return HardCovered(ban.position)
                soft.append(SoftEntry(ban.position, ban.time))
                newest = max(newest, ban.position)
        return SoftCovered(newest, _since(soft)) if soft else CLEAN

    def _ban_covers(self, ban: LiveBan, key: Key, stored: StoredResponse | None, unknown_covers: bool) -> bool:
        if stored is not None:
            return self.bans.covers(ban, stored)
        covers = self.bans.covers_request(ban, key)
        return unknown_covers if covers is None else covers

    # What may be forgotten.

    def begin_asking(self, position: int) -> None:
        """A fetch with this position has been sent whose answer may be stored: until its head is there, nobody can tell what covers it."""
        self._asking[position] += 1

    def end_asking(self, position: int) -> None:
        """Its head is there, or there will be none."""
        self._asking[position] -= 1
        if not self._asking[position]:
            del self._asking[position]

    def sweepable(self) -> int:
        """Up to which position can all that is stored be tested now? What is still being asked for holds it back."""
        return min(self._asking, default=self.head)

    def note_swept(self, position: int) -> None:
        """All that is stored, or is being stored, was tested up to here, and says so itself wherever it is kept."""
        self.swept = max(self.swept, position)
        self._swept_ban = max(self._swept_ban, self.bans.forget_spent(self.swept))
        if self._file is not None:
            with contextlib.suppress(LogUnwritable):
                self._file.note_swept(self.swept)

    def forget(self, most: int) -> bool:
        """Forget some of what says nothing any more; False when there is no more of it."""
        return self._forget(most) == most

    def _forget(self, most: int) -> int:
        count, newest = self._exact.forget_spent(self._spent, most)
        if newest > self.swept:
            self._lost = max(self._lost, newest)
        return count

    @property
    def _spent(self) -> int:
        """Entries up to here say nothing any more: everything was purged, swept or dropped since."""
        return max(self._all.hard, self.dropped, self.swept)

    def _apply(self, entry: Entry) -> None:
        """Make the entry count for every lookup from now on."""
        self.head = entry.position
        match entry.selector:
            case AllSelector(site=""):
                self._all.add(entry, SOFT_PER_SELECTOR, self.swept)
            case BanSelector() as selector:
                self.bans.add(entry, selector)
            case selector:
                self._exact.add(selector, entry, self.swept)
        if self._spent < self.head:  # not at the purge of everything itself: what it counts depends on what came before it
            self._forget(FORGOTTEN_PER_APPEND)
        dropped = max(self._exact.over_limit(), self.bans.over_limit())
        self._lost = max(self._lost, dropped)
        if dropped > self._spent:
            self.dropped = dropped
            self.on_dropped(dropped)

    def _write(self, file: LogFile, entries: list[Entry]) -> None:
        if file.size > self._next_rewrite:
            try:
                file.replace(self.log_id, self.head, self.dropped, self.swept, self.entries())
            except LogUnwritable:
                self._next_rewrite = file.size + self._file_bytes  # another time; there may be room for one more record in the old one
            else:
                self._next_rewrite = max(self._file_bytes, 2 * file.size)
        file.write(entries)


def _since(soft: Sequence[SoftEntry]) -> float:
    """The time of the first of these entries, whichever times the others have: the clock may have been moved back between them.

    Of merged entries nobody knows which was the first; then the earliest time counts: stale for longer, never for less.
    """
    if any(one.merged for one in soft):
        return min(one.time for one in soft)
    return min(soft).time


def _ignore(failure: LogUnwritable) -> None:
    """A log in memory cannot fail."""


def _ignore_head(head: int) -> None:
    """Nobody wants to know."""


def _no_site(host: bytes) -> str:
    """There is one site, and no entry is for one of several."""
    return ""
