"""The ban expressions that the log remembers. They are the only entries that are tested one by one, each response against each ban once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgecache.caching.stored import Key, StoredResponse
from edgecache.invalidation.coverage import first_of
from edgecache.invalidation.entry import Entry
from edgecache.invalidation.selectors import BanSelector


@dataclass(slots=True, eq=False)
class LiveBan:
    """A ban in force. `tested`: how many times it was compared with a response so far.

    A hard one stands for those with the same words that it has superseded: `first` is the first of them, `before` the last; 0 without any.
    """

    position: int
    time: float
    soft: bool
    selector: BanSelector
    first: int = 0
    before: int = 0
    tested: int = 0

    def first_hard(self, above: int) -> int | None:
        """The first position above this one of a hard ban with these words; 0: none, None: not known. Asked of hard bans."""
        return first_of(self.first or self.position, self.before, self.position, above)

    def has_hard(self, above: int, below: int) -> bool:
        """Is there a hard ban with these words between these positions, as far as that is remembered?"""
        return not self.soft and any(above < position < below for position in (self.first, self.before, self.position))


class LiveBans:
    """The bans of one log, ascending by position, at most `limit` of them."""

    def __init__(self, limit: int, site_of: Callable[[bytes], str]) -> None:
        self.limit = limit
        self._site_of = site_of
        self._bans: list[LiveBan] = []
        self._positions: list[int] = []
        self._same: dict[BanSelector, list[LiveBan]] = {}  # those with the same words, which a hard one supersedes

    def __len__(self) -> int:
        return len(self._bans)

    def __iter__(self) -> Iterator[LiveBan]:
        return iter(self._bans)

    def __reversed__(self) -> Iterator[LiveBan]:
        return reversed(self._bans)

    def add(self, entry: Entry, selector: BanSelector) -> None:
        """Take in a ban above all the earlier ones. A hard one with the same words makes them redundant: it covers all that they cover.

        A soft one does not: the older one's time counts for what it covers. What is true at one time need not be at another, so bans that
        look at age or ttl stand each for itself.
        """
        ban = LiveBan(entry.position, entry.time, entry.soft, selector)
        if not selector.ban.moves_with_time:
            if not entry.soft:
                for older in self._same.pop(selector, ()):
                    self._remove(older)
                    if not older.soft:
                        ban.first, ban.before = older.first or older.position, older.position
            self._same.setdefault(selector, []).append(ban)
        self._bans.append(ban)
        self._positions.append(ban.position)

    def above(self, position: int) -> Iterator[LiveBan]:
        """Those above this position, ascending."""
        for number in range(bisect_right(self._positions, position), len(self._bans)):
            yield self._bans[number]

    def covers(self, ban: LiveBan, stored: StoredResponse) -> bool:
        """Is the ban true of `stored`?"""
        ban.tested += 1
        selector = ban.selector
        return selector.ban.matches(stored, ban.time) and (not selector.site or selector.site == self._site_of(stored.key.host))

    def covers_request(self, ban: LiveBan, key: Key) -> bool | None:
        """Is it true of every response for this key? None when that depends on the response."""
        selector = ban.selector
        if selector.site and selector.site != self._site_of(key.host):
            return False
        return selector.ban.matches_request(key)

    def forget_spent(self, up_to: int) -> int:
        """Forget those at or below this position, which say nothing any more. The newest that looked at more than the key; 0: none did."""
        count = bisect_right(self._positions, up_to)
        newest = 0
        for ban in self._bans[:count]:
            self._forget_same(ban)
            if ban.selector.ban.needs_response:
                newest = ban.position
        del self._bans[:count], self._positions[:count]
        return newest

    def over_limit(self) -> int:
        """Forget the oldest until the limit is kept. Below which position is something forgotten? 0 when nothing."""
        excess = len(self._bans) - self.limit
        if excess <= 0:
            return 0
        dropped = self._positions[excess - 1]
        self.forget_spent(dropped)
        return dropped

    def _remove(self, ban: LiveBan) -> None:
        at = bisect_right(self._positions, ban.position) - 1
        del self._bans[at], self._positions[at]

    def _forget_same(self, ban: LiveBan) -> None:
        same = self._same.get(ban.selector)
        if same is not None and ban in same:
            same.remove(ban)
            if not same:
                del self._same[ban.selector]
