"""An edge between clients and an origin, without sockets, threads, time and event loop: what could happen next are the open choices.

All of the edge's code runs as it is (`building`). In other places are the loop (`awaiting`), transports (`peers`), the origin (`origin`),
the clock, and for a store with a disk the disk (`disk`).
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence

from interleavings.awaiting import ADD, READ, WRITE, Awaits, Noting, touch
from interleavings.building import SWEEPER, TouchedClock, build, left_over
from interleavings.disk import Disk, left_changes
from interleavings.history import History, Invalidation, Read
from interleavings.origin import OriginSide, variant_of
from interleavings.peers import SITE, Message, Transport, content, generation_of, request, whole_answer
from interleavings.scenario import Client, Purge, Scenario

from edgecache.invalidation.doors import Call
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.reading import Item
from edgecache.invalidation.selectors import AllSelector, Kind
from edgecache.store import changes


class World:
    """One run of a scenario. `survivor`: the process of that world has just ended, and this is the next one."""

    def __init__(self, scenario: Scenario, survivor: World | None = None) -> None:
        self.scenario = scenario
        self.awaits = Awaits({SWEEPER: scenario.sweeps, **dict.fromkeys(scenario.timers, 1)})
        self.history = History() if survivor is None else survivor.history.known()
        self.disk = Disk() if survivor is None else survivor.disk.copy()
        self.clock = TouchedClock() if survivor is None else copy.copy(survivor.clock)
        self.origin = OriginSide(self.awaits, scenario.origin, self.history, 0 if survivor is None else survivor.origin.generation)
        self.crashes: dict[object, list[str]] = {}  # what is wrong after one, by what it left: shared by the runs of an exploration
        self._after_crashes: list[str] = []
        self._waiting: dict[str, list[Callable[[], None]]] = {}
        asyncio._set_running_loop(self.awaits)  # type: ignore[arg-type]
        self._start()
        if survivor is None:
            self._prepare()

    def _start(self) -> None:
        self.edge = build(self.scenario, self.awaits, self.clock, self.disk, self.origin)

    def _prepare(self) -> None:
        """What is before all else; and then everything may happen."""
        scenario = self.scenario
        for client in scenario.warm:
            self._ask(client)
            self.run()
        if scenario.restarted:
            self.awaits.close()
            self._start()
        self.history.reads.clear()
        self.origin.asked = 0
        self.clock.pass_time(scenario.warm_age_s)
        self.awaits.begin()
        for client in scenario.clients:
            self._open_after(client.after, client.name, lambda client=client: self._ask(client))
        for purge in scenario.purges:
            self._open_after(purge.after, purge.name, lambda purge=purge: self._purge(purge))
        if scenario.passes_s:
            self.awaits.open("time passes", self._time_passes)
        if scenario.evicts:
            self.awaits.open("memory evicts", self._evicts)

    def _open_after(self, after: str, name: str, happens: Callable[[], None]) -> None:
        if after:
            self._waiting.setdefault(after, []).append(lambda: self.awaits.open(name, happens))
        else:
            self.awaits.open(name, happens)

    def _is_done(self, name: str) -> None:
        for opens in self._waiting.pop(name, ()):
            opens()

    def _time_passes(self) -> None:
        touch("time", WRITE)
        self.clock.pass_time(self.scenario.passes_s)

    def _evicts(self) -> None:
        memory = self.edge.store.memory
        for stored in list(memory.objects()):
            memory._evict(stored)

    # clients

    def _ask(self, client: Client) -> None:
        read = Read(client.name, Noting.step)
        self.history.reads.append(read)
        touch("acknowledged", READ)
        touch("reads", READ)
        self._send(client, read, lambda answer, body: self._read(client, read, answer, body))

    def _send(self, client: Client, read: Read, answered: Callable[[Message, bytes], None]) -> None:
        got = bytearray()

        def wrote(data: bytes) -> None:
            got.extend(data)
            found = whole_answer(bytes(got), client.method)
            if found is not None and not read.answers:
                over()
                answered(*found)
            elif found is not None:
                read.answers += 1

        def over() -> None:
            read.answers = 1
            self.awaits.withdraw(f"{client.name} leaves")

        def lost() -> None:
            if not read.answers and not read.left:  # cut off, visibly
                read.whole = False
                over()
            connection_lost()

        def leaves() -> None:
            read.left = True
            transport.lose()

        transport = Transport(self.awaits, wrote)
        connection = transport.protocol = self.edge.server.accept()
        connection_lost = connection.lost
        object.__setattr__(connection, "lost", lost)
        connection.connection_made(transport)  # type: ignore[arg-type]
        if client.may_leave:
            self.awaits.open(f"{client.name} leaves", leaves)
        connection.data_received(request(client.method, client.target, client.fields))

    def _read(self, client: Client, read: Read, answer: Message, body: bytes) -> None:
        touch("reads", ADD)
        read.ended = Noting.step
        read.status = answer.status
        read.detail = answer.get("cache-status")
        read.stale = is_stale(read.detail)
        if answer.status in (200, 206):
            read.generation = generation_of(answer)
            read.brought_by = int(answer.get("question"))
            read.whole = client.method == "HEAD" or body == self._expected(client, read.generation, answer)
        if client.method == "POST" and answer.status == 204:
            self._acknowledged(next(one for one in self.history.invalidations if one.name == "POST"))
        self._is_done(client.name)

    def _expected(self, client: Client, generation: int, answer: Message) -> bytes:
        fields = [(name, value) for name, _, value in (line.partition(": ") for line in client.fields)]
        whole = content(generation, variant_of(fields) if self.scenario.origin.vary else "")
        if answer.status == 206:
            first, last = answer.get("content-range").removeprefix("bytes ").partition("/")[0].split("-")
            return whole[int(first) : int(last) + 1]
        return whole

    # invalidations

    def _purge(self, purge: Purge) -> None:
        if self.scenario.disk:
            left_changes()
        if not purge.elsewhere:
            self.origin.publish()
        noted = Invalidation(purge.name, self.origin.generation if self._concerns(purge) else 0, purge.soft or purge.back_s > 0)
        self.history.invalidations.append(noted)
        if purge.method:
            client = Client(purge.name, "PURGE", purge.value.removeprefix(SITE))
            self._send(client, Read(purge.name, Noting.step), lambda answer, body: self._acknowledged(noted))
        else:
            self.edge.tasks.start(self._move_clock(purge, noted) if purge.back_s else self._call(purge, noted), "call")

    async def _call(self, purge: Purge, noted: Invalidation) -> None:
        item = Item(purge.kind, purge.value)
        outcome = await self.edge.doors.call(Call("test", "", [item], soft=purge.soft, refetch=purge.refetch))
        if self.edge.settings.log_sync == "disk" and outcome.position > self.disk.synced:
            self.awaits.defects.append(f"{purge.name} was acknowledged before it was on disk for good")
        self._acknowledged(noted)

    async def _move_clock(self, purge: Purge, noted: Invalidation) -> None:
        """As the control plane does."""
        await self.edge.doors.invalidate([AllSelector()], soft=True, cause=Cause.CLOCK)
        touch("time", WRITE)
        self.clock.advance(-purge.back_s)
        self._acknowledged(noted)

    def _acknowledged(self, noted: Invalidation) -> None:
        if self.scenario.disk:
            left_changes()
        touch("acknowledged", WRITE)
        noted.acknowledged = Noting.step
        self._is_done(noted.name)

    def _concerns(self, purge: Purge) -> bool:
        """Is it for what is stored by now? A 304 may have given that other tags."""
        if purge.elsewhere or purge.kind is not Kind.TAG:
            return not purge.elsewhere
        store = self.edge.store
        stored = list(store.memory.objects())
        if not stored and store.disk is not None:
            unwritten = [change for made in store._unwritten.values() for change in made]
            stored = changes.lay_over(store.disk.walk("", 1)[0], unwritten)
        return not stored or any(purge.value in one.tags for one in stored)

    # the run

    def take(self, name: str) -> None:
        """This happens now."""
        Noting.step += 1
        self.awaits.take(name)

    def run(self) -> None:
        """Take choices in the order in which they came up until none is open."""
        while self.awaits.choices:
            self.take(next(iter(self.awaits.choices)))

    def stepped(self) -> None:
        """Had the process ended just now: what would the next one answer?"""
        if not self.scenario.disk:
            return
        left = (self.disk.look(), self.history.look(), self.origin.generation)
        if left not in self.crashes:
            with elsewhere(self.awaits):
                step = Noting.step
                after = World(self.scenario, self)
                Noting.step = step
                self.crashes[left] = [f"after a crash: {wrong}" for wrong in after.over()]
                after.close()
        self._after_crashes += [wrong for wrong in self.crashes[left] if wrong not in self._after_crashes]

    def over(self) -> list[str]:
        """What is wrong: left over, answered wrongly, or answered wrongly to who comes now."""
        wrong = [*self._after_crashes, *left_over(self.edge, self.origin)]
        if self.origin.asked > self.scenario.asks:
            wrong.append(f"the origin was asked {self.origin.asked} times")
        self.origin.lives()
        for name in ("a later client", "one still later"):
            Noting.step += 1
            self._ask(Client(name))
            self.run()
        return [*wrong, *self.awaits.defects, *self.history.wrong()]

    def outcome(self) -> object:
        """What this run came to, for comparing runs: what the reads got, and what is stored."""
        reads = sorted((read.name, read.status, str(read.generation), read.stale, read.whole, read.detail) for read in self.history.reads)
        stored = [(one.position, one.status, one.fields, one.soft_since) for one in self.edge.store.memory.objects()]
        return reads, stored, self.edge.log.head

    def close(self) -> None:
        """Nothing more happens."""
        self.awaits.close()


def replayed(scenario: Scenario, choices: Sequence[str]) -> list[str]:
    """What is wrong after these choices were taken, as far as they are open, and then whatever comes first."""
    world = World(scenario)
    try:
        for name in choices:
            if name in world.awaits.choices:
                world.take(name)
                world.stepped()
        world.run()
        return world.over()
    finally:
        world.close()


@contextlib.contextmanager
def elsewhere(awaits: Awaits) -> Iterator[None]:
    """Meanwhile another world is made and run."""
    before = Noting.touched, Noting.step, Noting.running, Noting.made.copy()
    Noting.touched = None
    try:
        yield
    finally:
        Noting.touched, Noting.step, Noting.running, made = before
        Noting.made.clear()
        Noting.made.update(made)
        asyncio._set_running_loop(awaits)  # type: ignore[arg-type]


def is_stale(detail: str) -> bool:
    """Does Cache-Status say that the answer is not fresh?"""
    return any(part.startswith("ttl=") and int(part[4:]) <= 0 for part in detail.split("; "))
