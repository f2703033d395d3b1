"""Varnish's management protocol for tests: a listener before a door that keeps what it is told, and clients that send any bytes."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import ipaddress
from collections.abc import AsyncIterator, Sequence
from typing import Any

from edgecache.control.varnish_bans import BanOutcome, BanRefused, LiveBan
from edgecache.control.varnishadm import AdminParts, VarnishAdmin
from edgecache.edge.forward import is_within
from edgecache.http1.sweeper import Sweeper
from edgecache.http1.tasks import Tasks

NOW = 1_700_000_000.25
SECRET = b"not to be guessed\n"
LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]
PATIENCE_S = 30


class Bans:
    """A door that takes every expression, but for those that a test makes it refuse. `asked` is what it was told, by whom."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.live: list[LiveBan] = []
        self.failure: Exception | None = None
        self.gate: asyncio.Event | None = None  # a ban waits for it, as for a disk

    async def ban(self, text: str, who: str) -> BanOutcome:
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        if "nope" in text:
            raise BanRefused("There is no field nope.", text.index("nope") + 1)
        self.asked.append((text, who))
        self.live.insert(0, LiveBan(len(self.asked), NOW, False, text, 0))
        return BanOutcome(len(self.asked), text)

    def bans(self) -> Sequence[LiveBan]:
        return self.live


@dataclasses.dataclass
class Reply:
    """An answer as it came; `line` is its first one."""

    status: int
    text: str
    line: bytes = b""


class Client:
    """A connection that sends what a test says, and reads answers by the length that they tell."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> Reply | None:
        """The next answer; None when the connection ended instead."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = await self.reader.readexactly(13)
                body = await self.reader.readexactly(int(line[4:12]) + 1)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        assert line[12:] + body[-1:] == b"\n\n", (line, body)
        return Reply(int(line[:3]), body[:-1].decode(), line)

    async def send(self, *lines: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self.writer.write(b"".join(line + b"\n" for line in lines))
            await self.writer.drain()

    async def ask(self, *lines: bytes | str) -> Reply | None:
        """The answer to one command."""
        await self.send(*(line.encode() if isinstance(line, str) else line for line in lines))
        return await self.reply()

    async def authenticate(self, secret: bytes = SECRET) -> Reply | None:
        """Read the challenge and respond to it."""
        greeting = await self.reply()
        assert greeting is not None
        assert greeting.status == 107
        return await self.ask(f"auth {response(greeting, secret)}")


def response(greeting: Reply, secret: bytes = SECRET) -> str:
    """What to answer to a challenge, as varnish-cli(7) says."""
    challenge = greeting.text[:32].encode() + b"\n"
    return hashlib.sha256(challenge + secret + challenge).hexdigest()


class Admin:
    """A listener on a free port. `monotonic` is its time, which stands still until a test moves it; defects are kept."""

    def __init__(self, **parts: Any) -> None:
        self.monotonic = 1000.0
        self.now = NOW
        self.defects: list[tuple[str, BaseException]] = []
        self.bans = Bans()
        self._parts = parts
        self.port = 0
        self.clients: list[Client] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.sweeper = Sweeper(loop, lambda: self.monotonic)
        self.tasks = Tasks(loop, self.report)
        given: dict[str, Any] = {
            "door": self.bans,
            "now": lambda: self.now,
            "secret": None,
            "allows": lambda address: is_within(address, LOOPBACK),
            "line_bytes": 4096,
            "connections": 4,
            "idle_timeout_s": 600.0,
            "tasks": self.tasks,
            "sweeper": self.sweeper,
            "report": self.report,
        }
        self.listener = VarnishAdmin(AdminParts(**{**given, **self._parts}))
        self.server = await loop.create_server(self.listener.accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    def report(self, name: str, defect: BaseException) -> None:
        self.defects.append((name, defect))

    async def stop(self) -> None:
        self.server.close()
        for client in self.clients:
            client.writer.transport.abort()
        self.listener.abort()
        await self.tasks.cancel_all()
        assert not self.listener._open

    async def connect(self, host: str = "127.0.0.1") -> Client:
        """A connection from `host`."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, local_addr=(host, 0)))
        self.clients.append(client)
        return client

    async def greeted(self) -> Client:
        """A connection without a secret, whose greeting was read and which has proved itself."""
        client = await self.connect()
        for reply in (await client.reply(), await client.ask("ping")):
            assert reply is not None
            assert reply.status == 200
        return client

    async def until(self, condition: Any) -> None:
        """Let everybody go on until it is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0)

    def pass_time(self, seconds: float) -> None:
        """Move real time, and let the sweeper look."""
        self.monotonic += seconds
        self.sweeper.sweep()


@contextlib.asynccontextmanager
async def running_admin(**parts: Any) -> AsyncIterator[Admin]:
    """A listener with these parts instead of the usual ones. At its end there must have been no defect, unless the test took it away."""
    admin = Admin(**parts)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.stop()
    assert admin.defects == []
