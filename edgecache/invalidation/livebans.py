"""The ban expressions that the log remembers. They are the only entries that are tested one by one, each response against each ban once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgecache.caching.stored import Key, StoredResponse
from edgecache.invalidation.entry import Entry
from edgecache.invalidation.selectors import BanSelector


@dataclass(slots=True, eq=False)
class LiveBan:
    """A ban in force. `tested`: how many times it was compared with a response so far."""

    position: int
    time: float
    soft: bool
    selector: BanSelector
    tested: int = 0


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

    def forget_spent(self, up_to: int) -> None:
        """Forget those at or below this position, which say nothing any more."""
        count = bisect_right(self._positions, up_to)
        for ban in self._bans[:count]:
            self._forget_same(ban)
        del self._bans[:count], self._positions[:count]

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
