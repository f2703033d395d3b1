"""One run: an origin, clients, and an edge that is killed again and again; and what came of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from edgecache.lab.history.checker import Violation
from tests.history.clients import ClockMover, Invalidator, Reader
from tests.history.edges import Edges, Spawner
from tests.history.origin import OriginConnection, Site
from tests.history.world import World

READERS = 20
INVALIDATORS = 3
STUCK_S = 30.0


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    reads, kills   in all
    violations     the run ends earlier when there were so many
    switch         the guarantee that is broken; "" for none
    seed           of all that is left to chance here; what happens when is not
    clock_every    reads from one move of the clock to the next
    """

    reads: int
    kills: int
    seed: int
    violations: int = 1
    switch: str = ""
    clock_every: int = 400


@dataclass(frozen=True)
class Outcome:
    """What came of a run: violations, counts, and what the edges said on stderr."""

    violations: list[Violation]
    tally: Counter[str]
    said: str


async def run(plan: Plan, spawner: Spawner, folder: Path, progress: Callable[[Counter[str]], None] = lambda tally: None) -> Outcome:
    """Carry it out in `folder`. Raises what went wrong with the run itself."""
    world = World(Random(plan.seed), plan.reads, plan.violations)
    site = Site(world, Random(plan.seed + 1))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: OriginConnection(site), "127.0.0.1", 0)
    edges = Edges(spawner, folder, server.sockets[0].getsockname()[1], plan.switch)
    world.port, world.control = edges.port, edges.control
    clients = [
        *(Reader(world, site, number) for number in range(READERS)),
        *(Invalidator(world, site, READERS + number) for number in range(INVALIDATORS)),
        ClockMover(world, site, READERS + INVALIDATORS, plan.clock_every),
    ]
    lives = asyncio.create_task(_lives(world, edges, plan))
    others = [world.keep_going(), _watch(world, progress), *(client.run() for client in clients)]
    tasks = {lives, *map(asyncio.create_task, others)}
    try:
        while not lives.done():
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
            tasks -= done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in clients:
            client.leave()
        server.close()
    return Outcome(world.violations, world.tally, edges.said)


async def _lives(world: World, edges: Edges, plan: Plan) -> None:
    """Start the edge, and kill it at some moment, as often as is planned; the last one lives until all is read."""
    rng = world.rng
    for number in range(plan.kills + 1):
        pid = await edges.begin("--log-sync", rng.choice(["os", "os", "disk"]))
        if number < plan.kills and rng.random() < 0.1:
            await asyncio.sleep(rng.random() * 0.2)  # killed while it starts
        else:
            await edges.ready(pid)
            world.restarted()
            last = number == plan.kills
            share = world.reads_wanted - world.tally["reads"]
            until = world.tally["reads"] + (share if last else int(share / (plan.kills - number + 1) * (0.5 + rng.random())))
            while world.tally["reads"] < until and not world.done:
                await asyncio.sleep(0.002)
            if rng.random() < 0.6 and not world.done:
                await _acknowledgement(world)  # the moment at which most is at stake
        world.up.clear()
        await edges.kill(pid)  # the last one, too
        world.drop_held()
        world.tally["kills"] += 1
        if world.done:
            return


async def _acknowledgement(world: World) -> None:
    happened = asyncio.Event()
    world.on_acknowledged = happened.set
    await happened.wait()


async def _watch(world: World, progress: Callable[[Counter[str]], None]) -> None:
    """Tell how far it is, and give up when nothing goes on."""
    reads, quiet = -1, 0.0
    while True:
        await asyncio.sleep(0.25)
        progress(world.tally)
        quiet = quiet + 0.25 if world.tally["reads"] == reads else 0.0
        reads = world.tally["reads"]
        if quiet > STUCK_S:
            raise TimeoutError(f"nothing was read for {STUCK_S:g} s; held back: {len(world.held)}, so far: {dict(world.tally)}")
