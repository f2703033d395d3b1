"""Invalidations that were acknowledged and are to take effect later: the emulated propagation of a CDN.

They are kept outside of the log until they are due in edge time, and then appended; the position that they get there is theirs. Until then
they cover nothing. With a store folder they survive the end of the process; one that was appended just before a crash may be appended
again, which purges too much and never too little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgecache.clock import Clock
from edgecache.invalidation.delayfile import DelayFile, Waiting
from edgecache.invalidation.doors import Call, Doors
from edgecache.invalidation.logfile import LogUnwritable

MOST = 10_000
AGAIN_S = 5.0  # real time after which an append that failed is tried again
NEVER = float("inf")

Spawn = Callable[[Any, str], object]


@dataclass(slots=True)
class _Delayed:
    """One that waits. `since` in edge time; items of `call` are selectors."""

    call: Call
    since: float
    wait_s: float

    @property
    def due(self) -> float:
        return self.since + self.wait_s


class Delays:
    """The delayed invalidations of one edge. Watched by the sweeper (http1/sweeper.py), which finds out that one is due.

    file     keeps them beyond the end of the process; None where the log is in memory too
    waiting  what was found in it
    sync     is one acknowledged only once it would survive a power cut?
    spawn    runs a coroutine as a task with a name
    """

    def __init__(
        self,
        doors: Doors,
        clock: Clock,
        *,
        file: DelayFile | None = None,
        waiting: Sequence[Waiting] = (),
        sync: bool = False,
        spawn: Spawn | None = None,
    ) -> None:
        self._doors = doors
        self._clock = clock
        self._file = file
        self._sync = sync
        self._spawn = spawn
        self._waiting: dict[int, _Delayed] = {}
        for one in waiting:
            call = Call(one.door, one.who, one.selectors, soft=one.soft, refetch=one.refetch, vendor=one.vendor)
            self._waiting[one.number] = _Delayed(call, one.since, one.wait_s)
        self._number = max(self._waiting, default=0)
        self._one_at_a_time = asyncio.Lock()
        self._not_before = float("-inf")  # real time, after a failure
        self._running = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def next_due(self) -> float | None:
        """When the next one takes effect, in edge time; None when none waits."""
        return min((one.due for one in self._waiting.values()), default=None)

    def is_pending(self, number: int) -> bool:
        """Is it still to come?"""
        return number in self._waiting

    async def add(self, call: Call, wait_s: float) -> int:
        """Have `call`, whose items are selectors, done in `wait_s` of edge time.

        Returns its number once it is kept: it may be acknowledged then. Raises LogUnwritable; then it is not kept.
        """
        number = self._number + 1
        delayed = _Delayed(call, self._clock.now(), wait_s)
        if self._file is not None:
            self._file.add(_kept(number, delayed))
        self._number = number
        self._waiting[number] = delayed
        if len(self._waiting) > MOST:
            oldest = next(iter(self._waiting.values()))
            oldest.wait_s = 0.0  # early is safe
        if self._file is not None and self._sync:
            try:
                await asyncio.to_thread(self._file.sync)
            except OSError as error:
                raise LogUnwritable(f"{self._file.path} cannot be synced: {error.strerror}") from None
        return number

    async def append_due(self) -> None:
        """Append what is due, in the order in which it is."""
        async with self._one_at_a_time:
            now = self._clock.now()
            for one in self._waiting.values():
                one.since = min(one.since, now)  # the clock was moved back: nobody waits longer than he was told
            due = sorted((one.due, number) for number, one in self._waiting.items() if one.due <= now)
            for _, number in due:
                if number not in self._waiting:
                    continue  # dropped meanwhile, by a reset
                try:
                    await self._doors.call(self._waiting[number].call)
                except LogUnwritable:
                    self._not_before = self._clock.monotonic() + AGAIN_S
                    return
                if self._waiting.pop(number, None) is not None and self._file is not None:
                    self._file.done(number, self._kept, not self._waiting)

    def clear(self) -> None:
        """Drop all of them: the edge was reset."""
        if self._waiting:
            self._waiting.clear()
            if self._file is not None:
                self._file.clear()

    # for the sweeper

    @property
    def deadline(self) -> float:
        """When to look again, in real time as the sweeper has it."""
        if not self._waiting or self._running:
            return NEVER
        now, real = self._clock.now(), self._clock.monotonic()
        due = min(min(one.due, now + one.wait_s) for one in self._waiting.values())
        return max(real + due - now if due > now else float("-inf"), self._not_before)

    def deadline_passed(self, now: float) -> None:
        """One is due."""
        if self._spawn is not None and not self._running:
            self._running = True
            self._spawn(self._run(), "delayed invalidations")

    def _kept(self) -> list[Waiting]:
        return [_kept(number, one) for number, one in self._waiting.items()]

    async def _run(self) -> None:
        try:
            await self.append_due()
        finally:
            self._running = False


def _kept(number: int, one: _Delayed) -> Waiting:
    call = one.call
    selectors: Any = tuple(call.items)
    return Waiting(number, one.since, one.wait_s, call.door, call.who, call.vendor, call.soft, call.refetch, selectors)
