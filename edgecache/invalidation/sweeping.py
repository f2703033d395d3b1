"""The sweeper: tests all that is stored against the log, so that covered responses free their room and spent entries can be forgotten.

Never needed for correctness: a lookup asks the log itself. It walks the store behind everything else, within a budget of time, some time
after entries were appended, and sooner when the log is filling up. What it finds covered hard it removes; what is covered soft gets its
stale-since written into it. Only when all of that is written does the log forget. What is being fetched meanwhile counts as stored as soon
as its head is there, and holds the sweep back until then.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from edgecache.caching.keeping import with_soft
from edgecache.caching.stored import StoredResponse
from edgecache.caching.verdict import HardCovered, SoftCovered
from edgecache.invalidation.journal import Journal, Noted
from edgecache.invalidation.log import InvalidationLog

FORGOTTEN_AT_ONCE = 2000
HELD_BACK_S = 0.05  # how soon it looks again at the earliest when it was held back
URGENT = 0.5  # of the log's limits: filled beyond that, the sweep does not wait


class Sweepable(Protocol):
    """A store whose responses can be walked, replaced and removed."""

    def objects(self) -> AsyncIterator[StoredResponse]:
        """Every stored response; gives way to the loop."""
        ...

    def replace(self, old: StoredResponse, new: StoredResponse) -> bool:
        """Put `new` in the place of exactly `old`."""
        ...

    def discard(self, stored: StoredResponse) -> bool:
        """Remove exactly `stored`."""
        ...

    async def settled(self) -> None:
        """Return when all that was changed so far is written."""
        ...


class StoreSweeper:
    """Sweeps one store for one log.

    arriving  the responses that are being stored just now
    pause     waits so many seconds of real time
    delay_s   how long after an append a sweep begins: the purges of one deployment are swept together
    budget    which part of the time a sweep may take; an urgent one takes what it needs
    """

    def __init__(
        self,
        log: InvalidationLog,
        store: Sweepable,
        journal: Journal,
        arriving: Callable[[], Iterable[StoredResponse]],
        monotonic: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        delay_s: float,
        budget: float,
    ) -> None:
        self.sweeps = 0
        self.removed = 0
        self._log = log
        self._store = store
        self._journal = journal
        self._arriving = arriving
        self._monotonic = monotonic
        self._pause = pause
        self._delay_s = delay_s
        self._budget = budget
        self._woken = asyncio.Event()
        self._counted: dict[int, int] = {}  # stored responses counted so far for calls that are not swept to their end

    def wake(self) -> None:
        """Something was appended."""
        self._woken.set()

    async def run(self) -> None:
        """Sweep whenever there is something to sweep, for ever."""
        log = self._log
        while True:
            self._woken.clear()
            while log.swept < log.head:
                if log.sweepable() <= log.swept:  # held back by a fetch whose head is not there yet
                    await self._pause(max(self._delay_s, HELD_BACK_S))
                elif not self._is_urgent:
                    await self._pause(self._delay_s)
                await self.sweep()
            await self._woken.wait()

    async def sweep(self) -> int:
        """Test all that is stored and all that arrives; returns up to which position everything was tested."""
        log, store = self._log, self._store
        before, target = log.swept, log.sweepable()
        if target <= before:
            return before
        for arriving in self._arriving():
            log.judge(arriving)
        calls = sorted(self._journal.uncounted(log.head), key=lambda call: call.first_position)
        resumed = self._monotonic()
        async for stored in store.objects():
            match log.judge(stored):
                case HardCovered():
                    self._credit(calls, log.covering(stored, max(before, stored.soft_position)))
                    self.removed += store.discard(stored)
                case SoftCovered(position) as verdict if position > stored.soft_position:
                    self._credit(calls, log.covering(stored, max(before, stored.soft_position)))
                    store.replace(stored, with_soft(stored, verdict))
                case _:
                    pass
            worked = self._monotonic() - resumed
            if worked > 0.002:
                await self._pause(0.0 if self._is_urgent else worked * (1 / self._budget - 1))
                resumed = self._monotonic()
        await store.settled()
        log.note_swept(target)
        while log.forget(FORGOTTEN_AT_ONCE):
            await self._pause(0.0)
        for call in calls:
            if call.position is not None and call.position <= target and call.matched is None:
                call.matched, call.at_least = self._counted.get(call.number, 0), True
        going_on = {call.number for call in self._journal.uncounted(log.head)}
        self._counted = {number: count for number, count in self._counted.items() if number in going_on}
        self.sweeps += 1
        return target

    @property
    def _is_urgent(self) -> bool:
        log = self._log
        return log.held > URGENT * log.limit_entries or len(log.bans) > URGENT * log.bans.limit

    def _credit(self, calls: Sequence[Noted], positions: Iterable[int]) -> None:
        """Count a covered response for the calls whose entries these are, each once. What is written into a response was counted before."""
        covering = set()
        for position in positions:
            at = bisect_right(calls, position, key=lambda call: call.first_position) - 1
            if at >= 0 and calls[at].covers(position):
                covering.add(calls[at].number)
        for number in covering:
            self._counted[number] = self._counted.get(number, 0) + 1
