"""Collapsing: many requests that need the same answer cause one fetch (RFC 9111 4, last paragraph but two).

A *flight* is a fetch that others may join. How it lands decides what its waiters do, and every landing is a value of one closed type:

    Joinable        the answer may be stored and is arriving: who `decide` would answer with it reads along
    LookAgain       the store has changed: decide anew; after a purge the next fetch is shared, after a 304 nobody waits once more
    Alone           the answer cannot be shared: everyone asks for himself, and a hit-for-miss mark spares later requests the wait
    StandIn         the origin answered with an error, and a stale response stood in for it: the others decide by themselves
    Failed          there was no answer: one failure is the answer to all who waited for it
    waited too long and gone are ends of the wait, not of the flight

A flight whose position a purge has overtaken takes no more passengers; the next request makes a new one. Waiting happens before the head is
there, and never twice for an answer that could not be shared: a waiter loses at most one time to first byte. Who wants a part also waits
until content that has arrived is stored.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from edgecache.caching.conclusion import Answer
from edgecache.caching.reasons import Reason
from edgecache.caching.stored import Key, StoredResponse, Variant
from edgecache.caching.verdict import Clean
from edgecache.edge.fetch import Fetch
from edgecache.http1.problem import Problem
from edgecache.invalidation.log import InvalidationLog

HINTS = 10_000  # keys whose Vary is remembered, and marks kept


@dataclass(frozen=True, slots=True)
class Joinable:
    """The answer is being stored. `arriving` is what the store will hold, all but its content; that comes from the fetch's spool."""

    arriving: StoredResponse
    fetch: Fetch


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Decide anew: the store has changed. `overtaken`: by an invalidation, so that the answer is only for who asked."""

    overtaken: bool


@dataclass(frozen=True, slots=True)
class Alone:
    """The answer is only for who asked."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class StandIn:
    """The origin answered with an error, for which something stale stood in: what stands in for others, each decides for himself."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer came."""

    problem: Problem


Landing = Joinable | LookAgain | Alone | StandIn | Failed


@dataclass(frozen=True, slots=True)
class WaitedTooLong:
    """The wait was over before the answer had begun: ask for oneself."""


@dataclass(frozen=True, slots=True)
class WaiterGone:
    """The waiter's client has left."""


@dataclass(frozen=True, slots=True)
class Full:
    """So many wait already that no more may."""


_K = TypeVar("_K")
_V = TypeVar("_V")

FlightKey = tuple[Key, Variant]
_Waiters = set["asyncio.Future[Landing | WaitedTooLong | WaiterGone]"]


class Flight:
    """One fetch that others may join, from before its head is there until all of its content is."""

    def __init__(self, key: FlightKey, position: int) -> None:
        self.key = key
        self.position = position
        self.landing: Landing | None = None
        self.waiters: _Waiters = set()  # for its head
        self.waiters_for_all: _Waiters = set()
        self.over = False

    def land(self, landing: Landing) -> None:
        """The head is there, or there will be none: tell who waits. The first landing counts."""
        if self.landing is None:
            self.landing = landing
            _tell(self.waiters, landing)

    def end(self) -> None:
        """Nothing more comes of it that is not in the store."""
        self.over = True
        _tell(self.waiters_for_all, LookAgain(overtaken=False))


class Flights:
    """The flights of one edge, and what was learnt from those that have landed.

    wait_s           how long a request waits for another one's head
    waiters          how many may wait for one flight
    hit_for_miss_s   for how long an answer that could not be shared keeps later requests from waiting, edge time
    """

    def __init__(
        self,
        log: InvalidationLog,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float],
        *,
        wait_s: float,
        waiters: int,
        hit_for_miss_s: float,
    ) -> None:
        self._log = log
        self._loop = loop
        self._now = now
        self._wait_s = wait_s
        self._waiters = waiters
        self._hit_for_miss_s = hit_for_miss_s
        self._flying: dict[FlightKey, Flight] = {}
        self._nominated: OrderedDict[Key, tuple[bytes, ...]] = OrderedDict()
        self._marks: OrderedDict[FlightKey, tuple[float, int, Sequence[str], Sequence[str]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._flying)

    def nominated(self, key: Key) -> tuple[bytes, ...]:
        """The field names that this key's latest answer named in Vary, as far as is known: variants fly apart."""
        return self._nominated.get(key, ())

    def note_vary(self, key: Key, variant: Variant) -> None:
        """An answer for `key` has this variant: from now on requests are told apart by its fields."""
        names = tuple(name for name, _ in variant)
        if names:
            _remember(self._nominated, key, names)
        else:
            self._nominated.pop(key, None)

    def find(self, key: FlightKey) -> Flight | None:
        """A flight for this key and variant that may still be joined: no purge has overtaken it."""
        flight = self._flying.get(key)
        if flight is None or not isinstance(self._log.verdict(key[0], flight.position), Clean):
            return None
        landing = flight.landing
        if not isinstance(landing, Joinable):
            return flight
        # What overtook it may be swept and forgotten by now; what arrives has been tested against it.
        overtaken = not isinstance(self._log.judge(landing.arriving), Clean)
        return None if overtaken or not landing.fetch.spool.joinable else flight

    def begin(self, key: FlightKey, position: int) -> Flight:
        """A flight of one's own. One that was overtaken goes on for those who are in it."""
        flight = Flight(key, position)
        self._flying[key] = flight
        return flight

    def end(self, flight: Flight) -> None:
        """All of the content is there, or there is nothing to join: newcomers look into the store."""
        flight.end()
        if self._flying.get(flight.key) is flight:
            del self._flying[flight.key]

    async def wait(self, flight: Flight, on_gone: Callable[[Callable[[], None]], None]) -> Landing | WaitedTooLong | WaiterGone | Full:
        """How the flight lands; or that it took too long, or that the client has left, of which `on_gone` takes the callback."""
        return flight.landing or await self._wait(flight.waiters, on_gone)

    async def over(self, flight: Flight, on_gone: Callable[[Callable[[], None]], None]) -> Landing | WaitedTooLong | WaiterGone | Full:
        """Return when there is nothing to wait for any more: what came of the flight is stored, or will not be. As `wait` otherwise."""
        return LookAgain(overtaken=False) if flight.over else await self._wait(flight.waiters_for_all, on_gone)

    async def _wait(self, waiters: _Waiters, on_gone: Callable[[Callable[[], None]], None]) -> Landing | WaitedTooLong | WaiterGone | Full:
        if len(waiters) >= self._waiters:
            return Full()
        waiter: asyncio.Future[Landing | WaitedTooLong | WaiterGone] = self._loop.create_future()
        waiters.add(waiter)

        def end_with(outcome: WaitedTooLong | WaiterGone) -> None:
            if not waiter.done():
                waiter.set_result(outcome)

        timer = self._loop.call_later(self._wait_s, end_with, WaitedTooLong())
        on_gone(lambda: end_with(WaiterGone()))
        try:
            return await waiter
        finally:
            timer.cancel()
            waiters.discard(waiter)

    # hit-for-miss

    def mark(self, key: FlightKey, position: int, groups: Sequence[str], tags: Sequence[str]) -> None:
        """What came for this key, in these groups and with these tags, could not be shared: for a while nobody waits for it."""
        _remember(self._marks, key, (self._now() + self._hit_for_miss_s, position, groups, tags))

    def unmark(self, key: FlightKey) -> None:
        """What came for this key can be shared after all."""
        self._marks.pop(key, None)

    def is_marked(self, key: FlightKey) -> bool:
        """Is there a mark that is still in force? An invalidation that covers the key ends it: the answer may be another now."""
        mark = self._marks.get(key)
        if mark is None:
            return False
        until, position, groups, tags = mark
        verdict = self._log.verdict(key[0], position, groups, tags, unknown_covers=True)  # to end a mark too early does no harm
        if self._now() < until and isinstance(verdict, Clean):
            return True
        del self._marks[key]
        return False

    def forget(self) -> None:
        """Nothing was ever learnt: for reset."""
        self._marks.clear()
        self._nominated.clear()


def _tell(waiters: _Waiters, landing: Landing) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(landing)
    waiters.clear()


def _remember(table: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    """Keep the latest; the table is bounded."""
    table[key] = value
    table.move_to_end(key)
    if len(table) > HINTS:
        table.popitem(last=False)
