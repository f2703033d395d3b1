"""Token buckets, by which vendors limit calls. Edge time is an argument: whoever moves the clock fills them."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

MOST = 10_000
ROUNDING = 1e-3  # tokens: edge time is known to a quarter of a microsecond, in which buckets of thousands per second get as much


class Rate(NamedTuple):
    """How many tokens a bucket holds, which is what may come at once, and how many are put in per second."""

    size: float
    per_s: float


class Bucket:
    """One bucket, full at first."""

    __slots__ = ("_left", "_then", "rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self._left = rate.size
        self._then = now

    def left(self, now: float) -> float:
        """How many tokens are in it; a trace less than none after `take` has rounded."""
        # Time that was moved back fills nothing; what comes after it counts from there.
        self._left = min(self.rate.size, self._left + max(0.0, now - self._then) * self.rate.per_s)
        self._then = now
        return self._left

    def take(self, n: float, now: float) -> float | None:
        """Take `n` tokens; None when they were there. Otherwise takes none, and says in how many seconds they will be: inf for never."""
        missing = n - self.left(now)
        if missing <= ROUNDING:
            self._left = -missing
            return None
        if n > self.rate.size or not self.rate.per_s:
            return math.inf
        return missing / self.rate.per_s

    def give_back(self, n: float, now: float) -> None:
        """Put back what was taken for a call that came to nothing."""
        self._left = min(self.rate.size, self.left(now) + n)

    def full_in(self, now: float) -> float:
        """In how many seconds it is full again, if nobody takes anything."""
        missing = self.rate.size - self.left(now)
        return missing / self.rate.per_s if self.rate.per_s else math.inf if missing else 0.0


class Buckets:
    """Buckets by key, at most `most`: beyond them the one that was not asked for longest goes, and is full when it is asked for again."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def get(self, key: Hashable, rate: Rate, now: float) -> Bucket:
        """The bucket of this key. With another rate than before, it is a new one."""
        bucket = self._buckets.get(key)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[key] = Bucket(rate, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        return bucket

    def clear(self) -> None:
        """All are full."""
        self._buckets.clear()
