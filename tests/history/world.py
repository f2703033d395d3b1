"""What origin and clients share: the moments, what is held back, what was invalidated just now, and the checker that judges it all."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from edgecache.lab.history.checker import Checker, Violation
from edgecache.lab.history.events import Answer, ClockKnown, ClockMoving, Event, Invalidation, Moment, Read, Restarted, Selector, Stale
from tests.history.connection import Reply
from tests.history.pages import BANS, Place, places

PURGES_PER_READ = 0.12
IDLE_S = 0.004  # when for so long nothing has happened, something that is held back goes on


@dataclass(eq=False)
class Held:
    """An answer, or the rest of one, that the origin holds back until something happens; `go` lets it on."""

    place: Place
    answer: Answer
    go: Callable[[], None]
    patience: int  # so many things may happen meanwhile


@dataclass
class World:
    """One run: what is known over all lives of the edge."""

    rng: Random
    reads_wanted: int
    violations_wanted: int = 1
    checker: Checker = field(default_factory=lambda: Checker(BANS))
    violations: list[Violation] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    places: list[Place] = field(default_factory=lambda: [one for one in places() for _ in range(one.policy.weight)])
    held: list[Held] = field(default_factory=list)
    hot: deque[Place] = field(default_factory=lambda: deque(maxlen=6))  # invalidated just now
    latest: dict[Place, deque[Answer]] = field(default_factory=dict)  # what the origin said of each lately
    posts: dict[int, tuple[Moment, tuple[Selector, ...]]] = field(default_factory=dict)
    up: asyncio.Event = field(default_factory=asyncio.Event)
    may_invalidate: asyncio.Event = field(default_factory=asyncio.Event)
    life: int = 0
    first_of_life: int = 0  # number of the first answer that was given in this life
    reads_before: int = 0  # in earlier lives
    port: int = 0
    control: int = 0
    on_acknowledged: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._moment = 0
        self._numbers = 0
        self._credit = 0.0
        self._happened = 0
        self._happened_before = 0

    # time and numbers

    def moment(self) -> Moment:
        """Now. No two moments are alike."""
        self._moment = max(self._moment + 1, time.monotonic_ns())
        self._happen()
        return self._moment

    def number(self) -> int:
        """A number for an event."""
        self._numbers += 1
        return self._numbers

    # what happens

    def take(self, event: Event) -> None:
        """Something happened: it is judged at once."""
        violation = self.checker.take(event)
        if violation is not None:
            self.violations.append(violation)

    def answered(self, place: Place, answer: Answer) -> None:
        """The origin answers now."""
        self.take(answer)
        self.latest.setdefault(place, deque(maxlen=3)).append(answer)

    def read(self, read: Read) -> None:
        """A client got an answer."""
        self.take(read)
        self.tally["reads"] += 1
        self._credit += PURGES_PER_READ
        if self._credit >= 1:
            self.may_invalidate.set()

    def count(self, read: Read, reply: Reply, hit: bool) -> None:
        """What kinds of reads there were: a run in which something did not happen has not tested it."""
        tally = self.tally
        tally["hits"] += hit
        tally["content that an earlier life stored"] += 0 < min(read.content, default=0) < self.first_of_life
        tally["collapsed"] += "; collapsed" in read.head
        tally["marked stale"] += read.stale is not Stale.NO
        tally["vouched for by a 304"] += bool(read.vouched and read.brought and read.vouched != read.brought)
        tally["fields of a HEAD or a part"] += bool(read.vouched and read.state != read.vouched)
        tally["of several parts"] += len(read.content) > 1
        tally["cut off"] += not read.whole
        tally[f"status {reply.status}"] += 1

    def invalidated(self, entry: Invalidation, place: Place | None) -> None:
        """An invalidation was acknowledged."""
        self.take(entry)
        self.tally["soft" if entry.soft else "hard"] += 1
        for selector in entry.selectors:
            self.tally[f"by {selector.by.value}"] += 1
        if place is not None:
            self.hot.append(place)
            self.let_go(place)
        self.on_acknowledged()

    def restarted(self) -> None:
        """Another edge runs."""
        self.life += 1
        self.first_of_life = self._numbers + 1
        self.reads_before = self.tally["reads"]
        self.take(Restarted(self.moment()))
        self.up.set()

    def clock_moving(self, offset_s: float) -> None:
        self.take(ClockMoving(self.moment(), offset_s))

    def clock_known(self, offset_s: float) -> None:
        self.take(ClockKnown(self.moment(), offset_s))

    @property
    def young(self) -> bool:
        """Does this edge run since a moment ago?"""
        return self.life > 1 and self.tally["reads"] - self.reads_before < 300

    @property
    def done(self) -> bool:
        """Has there been enough, or too much?"""
        return self.tally["reads"] >= self.reads_wanted or len(self.violations) >= self.violations_wanted

    async def wait_to_invalidate(self) -> None:
        """There shall be so many invalidations for so many reads, and no more."""
        while self._credit < 1:
            self.may_invalidate.clear()
            await self.may_invalidate.wait()
        self._credit -= 1

    # what is held back

    def hold(self, held: Held) -> None:
        self.held.append(held)

    def let_go(self, place: Place) -> None:
        """What is held back of this place goes on, now and then not all of it."""
        for held in [one for one in self.held if one.place == place]:
            if self.rng.random() < 0.5:
                self._go(held)

    def overtake(self, place: Place) -> bool:
        """Another request has come for what is held back: that goes on soon after its answer, perhaps. False: nothing is held back."""
        older = [one for one in self.held if one.place == place]
        for held in older:
            held.patience = self.rng.choice([6, 12, 24, 100])
        if older:
            self.hot.append(place)
        return bool(older)

    def drop_held(self) -> None:
        """The edge is gone, and with it whoever waits for these."""
        self.held.clear()

    def _go(self, held: Held) -> None:
        if held in self.held:
            self.held.remove(held)
            held.go()

    def _happen(self) -> None:
        self._happened += 1
        for held in self.held:
            held.patience -= 1
            if held.patience == 0:
                asyncio.get_running_loop().call_soon(self._go, held)

    async def keep_going(self) -> None:
        """Whenever everybody waits for everybody else, let something go."""
        while True:
            await asyncio.sleep(IDLE_S)
            if self._happened == self._happened_before and self.held:
                self._go(self.rng.choice(self.held))
            self._happened_before = self._happened
