"""Edge time at a moment, as far as a client can know it: between two bounds while somebody moves the clock."""

from __future__ import annotations

from bisect import bisect_right

from edgecache.lab.history.events import ClockKnown, ClockMoving, Moment

NANOSECOND = 1e-9


class EdgeTime:
    """Answers "what did the edge's clock show?", in seconds from the moment 0 and the wall clock's time then."""

    def __init__(self) -> None:
        self._from: list[Moment] = [0]
        self._offsets: list[tuple[float, float]] = [(0.0, 0.0)]  # lowest and highest from each moment on

    def moving(self, event: ClockMoving) -> None:
        """From now on it may be moved already, or not yet."""
        low, high = self._offsets[-1]
        self._from.append(event.at)
        self._offsets.append((min(low, event.offset_s), max(high, event.offset_s)))

    def known(self, event: ClockKnown) -> None:
        """By now it is."""
        self._from.append(event.at)
        self._offsets.append((event.offset_s, event.offset_s))

    def bounds(self, begin: Moment, end: Moment) -> tuple[float, float]:
        """Edge time of something that happened from `begin` to `end`: not before, and not after."""
        first = bisect_right(self._from, begin) - 1
        found = self._offsets[first : bisect_right(self._from, end)]
        return begin * NANOSECOND + min(low for low, _ in found), end * NANOSECOND + max(high for _, high in found)
