"""What the log remembers of its exact selectors: for each its last hard position and its soft entries, found by what a response is called.

A test of one response costs a few look-ups in one dictionary, however many entries there are: kinds, scopes, lengths and depths for which
no entry is remembered are not asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple, TypeVar

from edgecache.caching.stored import Key
from edgecache.invalidation.entry import Entry
from edgecache.invalidation.selectors import ExactSelector, Index, PathSelector, PrefixSelector, prefixes

_T = TypeVar("_T")


class SoftEntry(NamedTuple):
    """A soft entry: where it is in the log, and since when what it covers is stale, edge time."""

    position: int
    time: float
    merged: bool = False  # it stands for several, of which this is the last position and the earliest time


class Coverage:
    """What the log remembers of one selector: its last hard position, and each soft entry above that, ascending.

    `hard` alone says what is covered. To tell which of several hard entries a response fell to, which is only counted, two more are kept:

    hard_first    the first hard position of those that the sweeper has not dealt with
    hard_before   the one that the last superseded
    """

    __slots__ = ("hard", "hard_before", "hard_first", "selector", "soft")

    def __init__(self, selector: ExactSelector) -> None:
        self.selector = selector
        self.hard = 0
        self.hard_before = 0
        self.hard_first = 0
        self.soft: tuple[SoftEntry, ...] = ()  # nearly all have none, and an empty tuple costs nothing

    @property
    def held(self) -> int:
        """How many entries this stands for in memory."""
        return (self.hard > 0) + len(self.soft)

    @property
    def newest(self) -> int:
        """Position of the selector's newest entry; 0 when it has none."""
        return self.soft[-1].position if self.soft else self.hard

    def add(self, entry: Entry, soft_limit: int, swept: int) -> None:
        """Take in an entry above all the earlier ones. `swept`: what is stored was tested up to there."""
        if not entry.soft:
            # Whatever an older soft entry covers is below this position too, and hard beats soft in either order.
            if self.hard <= swept:
                self.hard_first = entry.position
            self.hard_before, self.hard = self.hard, entry.position
            self.soft = ()
            return
        self.soft += (SoftEntry(entry.position, entry.time),)
        if len(self.soft) > soft_limit:
            # The two oldest become one with the reach of the later and the time of the earlier: what lies between them counts as stale for
            # longer than it was, never for less. Making it hard would be as safe, but would take away what may still be served stale.
            (_, earlier, _), (reach, later, _), *others = self.soft
            self.soft = (SoftEntry(reach, min(earlier, later), True), *others)

    def first_soft(self, above: int) -> SoftEntry | None:
        """The first soft entry above this position, or None."""
        if not self.soft or self.soft[-1].position <= above:
            return None
        return self.soft[bisect_right(self.soft, above, key=itemgetter(0))]

    def first_hard(self, above: int) -> int | None:
        """The first hard position above this one; 0 when there is none, None when nobody remembers which it was."""
        return first_of(self.hard_first, self.hard_before, self.hard, above)

    def has_hard(self, above: int, below: int) -> bool:
        """Is there a hard position between these two, as far as that is remembered?"""
        return any(above < position < below for position in (self.hard_first, self.hard_before, self.hard))


def first_of(first: int, before: int, last: int, above: int) -> int | None:
    """Of ascending positions, of which only the first and the two last are known, the first above this one; 0: none; None: not known."""
    if last <= above:
        return 0
    if before <= above:
        return last
    return first if first > above else None


class Coverages:
    """All exact selectors of one log. `site_of` says which site a host belongs to, for entries that are for one site.

    limit       how many entries are remembered; see `over_limit`
    """

    def __init__(self, limit: int, soft_limit: int, site_of: Callable[[bytes], str]) -> None:
        self._limit = limit
        self._soft_limit = soft_limit
        self._site_of = site_of
        self._held = 0
        self._filed: OrderedDict[Index, Coverage] = OrderedDict()  # least recently appended to first
        self._kinds: Counter[str | bytes] = Counter()  # for how many indexes of each kind, scope, length, depth something is remembered
        self._scopes: Counter[str] = Counter()
        self._lengths: Counter[int] = Counter()
        self._depths: Counter[int] = Counter()

    @property
    def held(self) -> int:
        """Entries remembered."""
        return self._held

    def __iter__(self) -> Iterator[Coverage]:
        return iter(self._filed.values())

    def add(self, selector: ExactSelector, entry: Entry, swept: int) -> None:
        """Take in an entry above all the earlier ones. `swept`: what is stored was tested up to there."""
        index = selector.index
        coverage = self._filed.get(index)
        if coverage is None:
            coverage = self._filed[index] = Coverage(selector)
            self._count(selector, 1)
        else:
            self._filed.move_to_end(index)
        self._held -= coverage.held
        coverage.add(entry, self._soft_limit, swept)
        self._held += coverage.held

    def find(self, selector: ExactSelector) -> Coverage | None:
        """What is remembered of this very selector."""
        return self._filed.get(selector.index)

    def about(self, key: Key, tags: Sequence[str] = (), groups: Sequence[str] = ()) -> Iterator[Coverage]:
        """What is remembered of every selector that covers a response with this key, these tags and groups."""
        filed = self._filed
        if not filed:
            return
        site = self._site_of(key.host) if len(self._scopes) > 1 or "" not in self._scopes else ""
        for scope in ("",) if not site else ("", site):
            for index in self._indexes(scope, key, tags, groups):
                coverage = filed.get(index)
                if coverage is not None:
                    yield coverage

    def forget_spent(self, up_to: int, most: int) -> tuple[int, int]:
        """Forget selectors whose newest entry is at or below this position, which says nothing any more: at most so many.

        How many were forgotten, and the newest position among them.
        """
        newest = 0
        for number in range(most):
            if not self._filed or next(iter(self._filed.values())).newest > up_to:
                return number, newest
            newest = self._drop_oldest().newest
        return most, newest

    def over_limit(self) -> int:
        """Forget what was least recently appended to until the limit is kept. Up to which position? 0: nothing went."""
        dropped = 0
        while self._held > self._limit:
            dropped = max(dropped, self._drop_oldest().newest)
        return dropped

    def _drop_oldest(self) -> Coverage:
        _, coverage = self._filed.popitem(last=False)
        self._held -= coverage.held
        self._count(coverage.selector, -1)
        return coverage

    def _indexes(self, scope: str, key: Key, tags: Sequence[str], groups: Sequence[str]) -> Iterator[Index]:
        kinds = self._kinds
        host, target = key.host, key.target
        if "url" in kinds:
            yield ("url", scope, host, target)
        if "key" in kinds:
            yield ("key", scope, *key)
        if "host" in kinds:
            yield ("host", scope, host)
        if "all" in kinds:
            yield ("all", scope)
        if "path" in kinds:
            yield ("path", scope, target)
        if "path*" in kinds:
            for length in self._lengths:
                if length <= len(target):
                    yield ("path*", scope, target[:length])
        if "prefix" in kinds:
            for path in prefixes(target.partition(b"?")[0], iter(sorted(self._depths))):
                yield ("prefix", scope, host, path)
                yield ("prefix", scope, b"", path)
        if "tag" in kinds:
            for tag in tags:
                yield ("tag", scope, tag)
        if "group" in kinds:
            for group in groups:
                yield ("group", scope, key.scheme, host, group)

    def _count(self, selector: ExactSelector, step: int) -> None:
        _step(self._kinds, selector.index[0], step)
        _step(self._scopes, selector.site, step)
        match selector:
            case PathSelector(target, True):
                _step(self._lengths, len(target), step)
            case PrefixSelector():
                _step(self._depths, selector.depth, step)
            case _:
                pass


def _step(counter: Counter[_T], what: _T, step: int) -> None:
    """Count up or down; what is at zero is not in the counter."""
    counter[what] += step
    if not counter[what]:
        del counter[what]
