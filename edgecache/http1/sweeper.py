"""Deadlines: one number per connection, looked at by one sweeper. A timer per phase would cost more than parsing the request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

NEVER = float("inf")
INTERVAL_S = 0.25


class Watched(Protocol):
    """What the sweeper looks at, and what is to happen when its deadline has passed."""

    @property
    def deadline(self) -> float:
        """In monotonic seconds; NEVER: there is none."""

    def deadline_passed(self, now: float) -> None:
        """The deadline lies behind `now`: act, and set another one or NEVER."""


class Sweeper:
    """Calls `deadline_passed` of whatever it watches, a quarter of a second late at most."""

    def __init__(self, loop: asyncio.AbstractEventLoop, monotonic: Callable[[], float]) -> None:
        self._loop = loop
        self._watched: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.monotonic = monotonic

    def watch(self, watched: Watched) -> None:
        """Look at `watched` from now on."""
        self._watched.add(watched)

    def forget(self, watched: Watched) -> None:
        """Look at `watched` no longer."""
        self._watched.discard(watched)

    def run(self) -> None:
        """Sweep now, and again every quarter of a second until `stop`."""
        self._timer = self._loop.call_later(INTERVAL_S, self.run)
        self.sweep()

    def sweep(self) -> None:
        """Look at every deadline once. A defect in what one of them does is told to the loop, and takes no deadline from the others."""
        now = self.monotonic()
        for watched in [watched for watched in self._watched if watched.deadline < now]:
            if watched.deadline >= now or watched not in self._watched:  # by what was done for another, a tunnel's other side for instance
                continue
            try:
                watched.deadline_passed(now)
            except Exception as defect:
                self._loop.call_exception_handler({"message": "a defect when a deadline had passed", "exception": defect})

    def stop(self) -> None:
        """No more sweeps."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
