"""kill -9 at any moment, again and again, on one folder: what an edge answers afterwards an origin has sent, and no purge has covered.

The origin counts its answers: each is a version, whose content follows from its path, its variant and its number, so that whatever a client
gets can be checked byte for byte. Everything that matters here happens on one loop: a counter orders requests, purges and answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pytest
from wirekit import Client, Cut, Origin, Peer, until

LIVES = int(os.environ.get("EDGECACHE_KILLS", "50"))  # more of them for a long hunt
CLIENTS = 6
LONG = "/long-" + "x" * 4000  # so that the log grows, and is written anew now and then
PATHS = ["/1", "/2", "/3", "/4", "/5", "/large", "/larger", "/chunks", "/variants", LONG]
KINDS = ["a", "b", "c"]
SIZES = [0, 10, 5_000, 33_000, 120_000]
LARGE = [400_000, 1_100_000, 2_500_000]
SETTINGS = [
    "--log",
    "off",
    "--memory-bytes",
    "3MiB",
    "--disk-bytes",
    "12MiB",
    "--spool-bytes",
    "100KiB",
    "--log-bytes",
    "64KiB",
    "--log-entries",
    "60",
]


@dataclass
class Version:
    """An answer of the origin: for whom, when its request arrived, and whether it was broken off on purpose."""

    path: str
    kind: str
    arrived: int
    torn: bool


@dataclass
class Tally:
    """What happened, so that a run in which nothing was tested fails."""

    reads: int = 0
    hits: int = 0
    hits_from_earlier_lives: int = 0
    purges: int = 0
    cut: int = 0
    killed_before_ready: int = 0


@lru_cache(maxsize=64)
def content(path: str, kind: str, version: int) -> bytes:
    """What the origin sends as this version."""
    numbers = random.Random(f"{path} {kind} {version}")
    return numbers.randbytes(numbers.choice(LARGE if path.startswith("/large") or path == "/chunks" else SIZES))


@dataclass
class World:
    """Origin, clients and what they know, over all lives of the edge."""

    rng: random.Random
    origin: Origin = field(default_factory=Origin)
    versions: dict[int, Version] = field(default_factory=dict)
    covered: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PATHS, 0))  # moment of the latest acknowledged purge
    tally: Tally = field(default_factory=Tally)
    life: int = 0
    first_of_life: int = 0  # number of the first version that may have been asked for in this life
    port: int = 0
    control: int = 0
    up: asyncio.Event = field(default_factory=asyncio.Event)
    die_at: str = ""
    die: asyncio.Event = field(default_factory=asyncio.Event)
    open: list[Client] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.moment = itertools.count(1)
        self.numbers = itertools.count(1)
        self.origin.script = self.answer

    def at(self, what: str) -> None:
        """A moment at which the edge may be told to die."""
        if self.die_at == what:
            self.die.set()

    # the origin

    async def answer(self, peer: Peer) -> None:
        while True:
            seen = await peer.request()
            arrived = next(self.moment)
            path = seen.target.decode()
            if seen.method == b"POST":
                now = next(self.moment)
                await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Moment: %d\r\n\r\n" % now)
                continue
            kind = (seen.get("x-kind") or b"").decode() if path == "/variants" else ""
            number = next(self.numbers)
            body = content(path, kind, number)
            torn = len(body) > 10_000 and self.rng.random() < 0.05
            self.versions[number] = Version(path, kind, arrived, torn)
            lines = ["HTTP/1.1 200 OK", "Cache-Control: max-age=3600", f"X-Version: {number}"]
            if path == "/variants":
                lines.append("Vary: X-Kind")
            chunked = path == "/chunks"
            lines.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}")
            await peer.send("\r\n".join(lines).encode() + b"\r\n\r\n")
            step = self.rng.choice([7_000, 60_000, 500_000])
            if torn:
                body = body[: len(body) // 2]
            for begin in range(0, len(body), step):
                if peer.writer.is_closing():
                    return None
                piece = body[begin : begin + step]
                await peer.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                if begin:
                    self.at("content")
                await asyncio.sleep(0)
            if torn:
                return peer.writer.transport.abort()
            if chunked:
                await peer.send(b"0\r\n\r\n")
            self.at("sent")

    # clients

    async def connect(self, port: int) -> Client:
        self.open.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
        return self.open[-1]

    def disconnect(self, connection: Client | None) -> None:
        if connection is not None:
            connection.writer.transport.abort()
            self.open.remove(connection)

    async def close(self) -> None:
        """Nothing stays open."""
        await self.origin.stop()
        while self.open:
            self.disconnect(self.open[0])
        for _ in range(5):
            await asyncio.sleep(0)

    async def client(self, number: int) -> None:
        rng = random.Random(self.rng.random())
        connection: Client | None = None
        born = 0
        while True:
            await self.up.wait()
            life = self.life
            try:
                if connection is None or born != life:
                    self.disconnect(connection)
                    connection = None
                    connection, born = await self.connect(self.port), life
                path = rng.choice(PATHS)
                act = rng.random()
                if act < 0.15:
                    await self.purge(connection, path)
                elif act < 0.18:
                    await self.post(connection, path)
                elif act < 0.20:
                    await self.purge_by_api(rng)
                else:
                    await self.read(connection, path, rng)
            except (Cut, ConnectionError):
                self.disconnect(connection)
                connection = None
                # Only a kill, or an origin that broke off, cuts an answer. (`read` tells apart what is the origin's.)
                await until(lambda life=life: not self.up.is_set() or self.life != life, "the kill that must have cut a connection")
            except Torn:
                self.disconnect(connection)
                connection = None

    async def read(self, connection: Client, path: str, rng: random.Random) -> None:
        began = next(self.moment)
        covered = self.covered[path]
        kind = rng.choice(KINDS) if path == "/variants" else ""
        lines = [f"GET {path} HTTP/1.1", "Host: example.test"]
        if kind:
            lines.append(f"X-Kind: {kind}")
        if rng.random() < 0.15:
            lines.append(f"Range: bytes={rng.randrange(1000)}-{rng.randrange(1000, 1_500_000)}")
        await connection.send("\r\n".join(lines).encode() + b"\r\n\r\n")
        head = (await connection.until(b"\r\n\r\n")).decode()
        told = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in head.split("\r\n")[1:]}
        status = int(head[9:12])
        if status == 416:
            await connection.exactly(int(told["content-length"]))
            return
        assert status in (200, 206), head
        number = int(told["x-version"])
        version = self.versions[number]
        body = content(path, kind, number)
        what = f"version {number} of {path[:10]} {kind}, asked for at {version.arrived}, in answer to a request at {began}:\n{head}\n"
        assert (version.path, version.kind) == (path, kind), what
        assert version.arrived > covered, f"{what}purged at {covered}"
        if status == 206:
            first, last = told["content-range"].removeprefix("bytes ").partition("/")[0].split("-")
            body = body[int(first) : int(last) + 1]
        got, whole = await self.take(connection, told)
        assert got == body[: len(got)], f"{what}wrong bytes"
        if not whole:
            self.tally.cut += 1
            if version.torn:
                raise Torn
            raise Cut(got)
        assert len(got) == len(body), f"{what}{len(got)} of {len(body)} bytes, and a clean end"
        assert not version.torn, f"{what}it was broken off, and came whole"
        self.tally.reads += 1
        if "; hit" in told["cache-status"]:
            self.tally.hits += 1
            self.tally.hits_from_earlier_lives += number < self.first_of_life

    async def take(self, connection: Client, told: dict[str, str]) -> tuple[bytes, bool]:
        """The content, and whether it came to its end."""
        try:
            if "content-length" in told:
                return await connection.exactly(int(told["content-length"])), True
            return (await connection.chunks())[0], True
        except Cut as cut:
            return cut.got, False

    async def purge(self, connection: Client, path: str) -> None:
        sent = next(self.moment)
        reply = await connection.request("PURGE", path)
        assert reply.status == 200, reply.head
        self.acknowledged([path], sent)

    async def post(self, connection: Client, path: str) -> None:
        """An unsafe request invalidates by its answer: what was asked for before the origin gave it is covered."""
        reply = await connection.request("POST", path)
        assert reply.status == 200, reply.head
        self.acknowledged([path], int(reply.get("x-moment") or b""))

    async def purge_by_api(self, rng: random.Random) -> None:
        sent = next(self.moment)
        some = PATHS if rng.random() < 0.3 else rng.sample(PATHS, 3)
        asked = {"all": True} if some is PATHS else {"urls": [f"http://example.test{path}" for path in some]}
        content = json.dumps({**asked, "soft": rng.random() < 0.5})
        connection = await self.connect(self.control)
        try:
            reply = await connection.request(
                "POST", "/api/v1/invalidations", f"Host: 127.0.0.1:{self.control}", "Content-Type: application/json", body=content.encode()
            )
            assert reply.status == 201, reply.body
            self.acknowledged(some, sent)
        finally:
            self.disconnect(connection)

    def acknowledged(self, paths: list[str], sent: int) -> None:
        for path in paths:
            self.covered[path] = max(self.covered[path], sent)
        self.tally.purges += 1
        self.at("purged")


class Torn(Exception):
    """An answer ended early, as the origin meant it to."""


class Edges:
    """The edge's processes, one after the other."""

    def __init__(self, folder: Path, origin: int) -> None:
        self.ready = folder / "ready.json"
        self.stderr = folder / "stderr.txt"
        self.arguments = ["run", f"http://127.0.0.1:{origin}", "--store", str(folder / "store"), "--ready-file", str(self.ready)]
        self.arguments += ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", *SETTINGS]
        self.spawner: asyncio.subprocess.Process

    async def __aenter__(self) -> Edges:
        script = Path(__file__).with_name("spawner.py")
        root = str(Path(__file__).parents[2])
        with self.stderr.open("wb") as stderr:
            self.spawner = await asyncio.create_subprocess_exec(
                sys.executable,
                str(script),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, "PYTHONPATH": root},
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.spawner.stdin is not None
        self.spawner.stdin.close()
        await self.spawner.wait()

    async def command(self, what: object) -> int:
        assert self.spawner.stdin is not None
        assert self.spawner.stdout is not None
        self.spawner.stdin.write(json.dumps(what).encode() + b"\n")
        return int(await self.spawner.stdout.readline())

    async def begin(self, *more: str) -> int:
        return await self.command([*self.arguments, *more])

    async def kill(self, pid: int) -> None:
        await self.command({"kill": pid})

    async def is_ready(self, pid: int) -> tuple[int, int]:
        """Ports of clients and control plane, once the edge says them."""
        found: list[tuple[int, int]] = []

        def ready() -> bool:
            with contextlib.suppress(FileNotFoundError):
                said = json.loads(self.ready.read_bytes())
                if said["pid"] == pid:
                    found.append((said["ports"]["listen"], said["ports"]["control"]))
            return bool(found)

        await until(ready, f"the edge; it said: {self.stderr.read_text()[-2000:]}")
        return found[0]


async def one_life(world: World, edges: Edges) -> None:
    """Start the edge, and kill it at some moment."""
    rng = world.rng
    pid = await edges.begin("--log-sync", rng.choice(["os", "os", "disk"]))
    world.first_of_life = next(world.numbers)
    world.die_at = rng.choice(["time", "time", "content", "sent", "purged", "start"])
    world.die.clear()
    if world.die_at == "start":
        await asyncio.sleep(rng.random() * 0.3)
        world.tally.killed_before_ready += 1
    else:
        world.port, world.control = await edges.is_ready(pid)
        world.life += 1
        world.up.set()
        await asyncio.sleep(rng.random() * 0.25)  # however much can happen in that time
        if world.die_at != "time":
            await world.die.wait()
        world.up.clear()
    await edges.kill(pid)


@pytest.mark.timeout(120 + 2 * LIVES)
async def test_whatever_an_edge_is_doing_when_it_is_killed_the_next_one_answers_right(tmp_path):
    seed = int(os.environ.get("EDGECACHE_SEED") or random.randrange(2**32))
    print(f"EDGECACHE_SEED={seed}")  # shown when it fails
    world = World(random.Random(seed))
    await world.origin.start()
    async with Edges(tmp_path, world.origin.port) as edges:
        clients = [asyncio.create_task(world.client(number)) for number in range(CLIENTS)]
        lives = asyncio.create_task(every_life(world, edges))
        try:
            done, _ = await asyncio.wait([lives, *clients], return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            for one in (lives, *clients):
                one.cancel()
            await asyncio.gather(lives, *clients, return_exceptions=True)
            await world.close()
    said = edges.stderr.read_text()
    assert "Traceback" not in said
    assert "defect" not in said
    print(world.tally)
    assert world.tally.hits_from_earlier_lives > 50
    assert world.tally.purges > 100


async def every_life(world: World, edges: Edges) -> None:
    for _ in range(LIVES):
        await one_life(world, edges)
    pid = await edges.begin()
    world.first_of_life = next(world.numbers)
    world.port, world.control = await edges.is_ready(pid)
    connection = await world.connect(world.port)
    for _ in range(2):
        for path in PATHS:
            with contextlib.suppress(Torn):
                await world.read(connection, path, world.rng)
                continue
            connection = await world.connect(world.port)
