"""The one place where time is read. Everything else gets a `Clock`, or a number that came from one.

Edge time (`now`) is wall-clock time plus an offset that users move: it drives freshness and windows. Real time
(`monotonic`, `real_ns`) drives time-outs, drains and the order of fetches, and nobody moves it.
"""

from __future__ import annotations

import time


class Clock:
    """Answers "what time is it?" for one edge. Built by app.py and handed to whoever needs it."""

    def __init__(self, offset_s: float = 0.0) -> None:
        self.offset_s = offset_s

    def now(self) -> float:
        """Edge time in seconds since the epoch: the wall clock plus the offset."""
        return time.time() + self.offset_s

    def real_ns(self) -> int:
        """Real wall-clock time in nanoseconds since the epoch; orders fetches, never moved."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Real seconds from an arbitrary start, never running backwards: for deadlines and durations."""
        return time.monotonic()

    def advance(self, seconds: float) -> None:
        """Move edge time. Whoever moves it backwards must also append a soft `all` to the log (docs/architecture.md, Clock)."""
        self.offset_s += seconds

    def reset(self) -> None:
        """Edge time is wall-clock time again."""
        self.offset_s = 0.0
