"""Peers for tests on real sockets: an origin that follows a script byte for byte, clients that send anything, and a clock that stands
still.

Order is made by gates and by waiting for a state (`until`), never by sleeping. Nothing here uses edgecache's own parsers: they are what is
tested.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import msgspec

from edgecache.app import Edge
from edgecache.clock import Clock
from edgecache.config import load
from edgecache.config.tables import TABLES

EMPTY_POOL = {"open": 0, "idle": 0, "connecting": 0, "queued": 0}
PATIENCE_S = 20.0  # how long a test waits for what must come; a failure then says what it waited for


class StandingClock(Clock):
    """Time that moves only when a test says so. Edge time begins at `START`, a whole second."""

    START = 1_900_000_000.0

    def __init__(self) -> None:
        super().__init__()
        self.wall = self.START
        self.up_s = 1000.0
        self._ns = 0

    def now(self) -> float:
        return self.wall + self.offset_s

    def real_ns(self) -> int:
        self._ns += 1  # two fetches never start at the same nanosecond
        return int(self.wall * 1e9) + self._ns

    def monotonic(self) -> float:
        return self.up_s

    def pass_time(self, seconds: float) -> None:
        """Time goes by, for everybody."""
        self.wall += seconds
        self.up_s += seconds


@dataclasses.dataclass
class Seen:
    """A request as the origin got it."""

    head: bytes
    body: bytes = b""
    trailers: bytes = b""

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n")[0]

    @property
    def method(self) -> bytes:
        return self.line.split(b" ")[0]

    @property
    def target(self) -> bytes:
        return self.line.split(b" ")[1]

    @property
    def lines(self) -> list[bytes]:
        """The field lines as they came."""
        return self.head.split(b"\r\n")[1:]

    def all(self, name: str) -> list[bytes]:
        """The values of a field, one per line."""
        wanted = name.lower().encode()
        return [line.partition(b":")[2].strip() for line in self.lines if line.partition(b":")[0].lower() == wanted]

    def get(self, name: str) -> bytes | None:
        found = self.all(name)
        return found[0] if found else None


@dataclasses.dataclass
class Reply:
    """A response as a client got it."""

    head: bytes
    body: bytes = b""
    trailers: bytes = b""
    interims: list[bytes] = dataclasses.field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1][:3])

    @property
    def reason(self) -> bytes:
        return self.head.split(b"\r\n")[0].split(b" ", 2)[2]

    @property
    def lines(self) -> list[bytes]:
        return self.head.split(b"\r\n")[1:]

    def all(self, name: str) -> list[bytes]:
        wanted = name.lower().encode()
        return [line.partition(b":")[2].strip() for line in self.lines if line.partition(b":")[0].lower() == wanted]

    def get(self, name: str) -> bytes | None:
        found = self.all(name)
        return found[0] if found else None

    @property
    def cache_status(self) -> str:
        """Our member of Cache-Status, or "" when there is none."""
        values = self.all("cache-status")
        return values[-1].decode() if values else ""

    @property
    def error(self) -> str:
        """The error type in Proxy-Status, or ""."""
        value = (self.get("proxy-status") or b"").decode()
        return value.partition("error=")[2].partition(";")[0]

    @property
    def hit(self) -> bool:
        return "; hit" in self.cache_status


class Cut(Exception):
    """The connection ended before the message did. `got` is what came of it."""

    def __init__(self, got: bytes, by_reset: bool = False) -> None:
        super().__init__(f"connection {'reset' if by_reset else 'closed'} after {got[:200]!r}")
        self.got = got
        self.by_reset = by_reset


class Wire:
    """One end of a TCP connection, for either side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.held = b""

    async def send(self, data: bytes) -> None:
        if self.writer.transport.is_closing():
            return  # the edge has gone; uvloop would raise, asyncio's own loop complain
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(self.writer.drain(), PATIENCE_S)

    def half_close(self) -> None:
        self.writer.write_eof()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Close with RST."""
        handle = self.writer.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def more(self) -> bytes:
        """Whatever comes next; b"" at the end."""
        if self.held:
            data, self.held = self.held, b""
            return data
        try:
            return await asyncio.wait_for(self.reader.read(65536), PATIENCE_S)
        except ConnectionError as error:
            raise Cut(b"", by_reset=True) from error

    async def until(self, mark: bytes) -> bytes:
        """Everything up to and with `mark`."""
        got = b""
        while mark not in got:
            data = await self.more()
            if not data:
                raise Cut(got)
            got += data
        end = got.index(mark) + len(mark)
        self.held = got[end:] + self.held
        return got[:end]

    async def exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            data = await self.more()
            if not data:
                raise Cut(got)
            got += data
        self.held = got[count:] + self.held
        return got[:count]

    async def to_end(self) -> bytes:
        got = b""
        while data := await self.more():
            got += data
        return got

    async def ended(self) -> bool:
        """The peer has closed: nothing more came, by FIN or by RST."""
        try:
            return await self.more() == b""
        except Cut:
            return True

    async def chunks(self) -> tuple[bytes, bytes]:
        """A chunked body: content and trailer section."""
        body = b""
        while True:
            at_hand = b""  # what of a chunk may count as content when it is cut; a size line may not
            try:
                size = int((await self.until(b"\r\n")).split(b";")[0], 16)
                if size == 0:
                    break
                try:
                    at_hand = await self.exactly(size)
                except Cut as cut:
                    at_hand = cut.got
                    raise
                assert await self.exactly(2) == b"\r\n"
                body += at_hand
            except Cut as cut:
                raise Cut(body + at_hand, cut.by_reset) from None
        trailers = b""
        while (line := await self.until(b"\r\n")) != b"\r\n":
            trailers += line
        return body, trailers


class Client(Wire):
    """A client's connection to the edge."""

    def listen(self, limited: bool = False) -> None:
        """Take what comes, after `connect_deaf`; `limited`: with the kernel's small buffer still, so that it comes slowly."""
        if not limited:
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self.writer.transport.resume_reading()

    async def request(self, method: str, target: str, *lines: str, body: bytes = b"") -> Reply:
        """Send a simple request and take its reply. Without a Host line one is added."""
        raw = [f"{method} {target} HTTP/1.1"]
        if not any(line.lower().startswith("host:") for line in lines):
            raw.append("Host: example.test")
        raw.extend(lines)
        if body:
            raw.append(f"Content-Length: {len(body)}")
        await self.send("\r\n".join(raw).encode("latin-1") + b"\r\n\r\n" + body)
        return await self.reply(method)

    async def get(self, target: str, *lines: str) -> Reply:
        return await self.request("GET", target, *lines)

    async def reply(self, method: str = "GET") -> Reply:
        """The next response. Raises Cut when its content is cut off, with what came of it."""
        interims = []
        head = (await self.until(b"\r\n\r\n"))[:-4]
        while head[8:10] == b" 1" and head[9:12] != b"101":
            interims.append(head)
            head = (await self.until(b"\r\n\r\n"))[:-4]
        reply = Reply(head, interims=interims)
        if method == "HEAD" or reply.status in (204, 304, 101):
            return reply
        coding, length = reply.get("transfer-encoding"), reply.get("content-length")
        if coding is not None:
            assert (coding.lower(), length) == (b"chunked", None)
            reply.body, reply.trailers = await self.chunks()
        elif length is not None:
            reply.body = await self.exactly(int(length))
        else:
            reply.body = await self.to_end()
        return reply


class Peer(Wire):
    """A connection as the scripted origin sees it."""

    async def request(self) -> Seen:
        """The next request with its content. Raises Cut when the edge has closed."""
        seen = Seen((await self.until(b"\r\n\r\n"))[:-4])
        if (seen.get("transfer-encoding") or b"").lower() == b"chunked":
            seen.body, seen.trailers = await self.chunks()
        elif (length := seen.get("content-length")) is not None:
            seen.body = await self.exactly(int(length))
        return seen

    async def head(self) -> Seen:
        """Only the head of the next request."""
        return Seen((await self.until(b"\r\n\r\n"))[:-4])


Script = Callable[[Peer], Awaitable[None]]


class Origin:
    """An origin on a free port. What it does with a connection is a script; by default it answers requests from `answers`."""

    def __init__(self) -> None:
        self.port = 0
        self.url = ""  # as the edge is to ask it; "" for http on the port
        self.seen: list[Seen] = []
        self.connections = 0
        self.answers: dict[bytes, bytes | list[bytes]] = {}
        self.gates: dict[bytes, asyncio.Event] = {}
        self.script: Script = self.follow
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def answer(self, target: str, raw: bytes | list[bytes], gate: bool = False) -> asyncio.Event:
        """What is sent, byte for byte, to who asks for `target`; a list is used up one answer a request (the last one stays).

        With `gate` the answer waits until the event that is returned is set.
        """
        key = target.encode("latin-1")
        self.answers[key] = raw
        event = asyncio.Event()
        if gate:
            self.gates[key] = event
        return event

    async def follow(self, peer: Peer) -> None:
        """Answer one request after the other."""
        while True:
            try:
                seen = await peer.request()
            except Cut:
                return
            self.seen.append(seen)
            if seen.target in self.gates:
                await self.gates[seen.target].wait()
            raw = self.answers.get(seen.target, ok(b"no such page", status="404 Not Found"))
            if isinstance(raw, list):
                raw = raw.pop(0) if len(raw) > 1 else raw[0]
            await peer.send(raw)
            head = raw.split(b"\r\n\r\n")[0].lower()
            framed = b"content-length" in head or b"transfer-encoding" in head or b" 304 " in head
            if b"connection: close" in head or not framed:
                peer.close()
                return

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self.script(Peer(reader, writer))
        except (Cut, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


def ok(body: bytes = b"hello", *lines: str, status: str = "200 OK") -> bytes:
    """A response with a Content-Length. Field lines as given."""
    head = [f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def fresh(body: bytes = b"hello", *lines: str, max_age: int = 60) -> bytes:
    """A response that may be stored."""
    return ok(body, f"Cache-Control: max-age={max_age}", *lines)


@contextlib.asynccontextmanager
async def filled_backlog() -> AsyncIterator[Origin]:
    """An origin that takes no connection: what it would take waits in its full queue already."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        where = listener.getsockname()
        for _ in range(4):  # the kernel takes one or two more than it says
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(where)
        origin = Origin()
        origin.port = where[1]
        yield origin


@dataclasses.dataclass
class Kit:
    """An edge in front of a scripted origin."""

    edge: Edge
    origin: Origin
    clock: StandingClock
    clients: list[Client] = dataclasses.field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.edge.url.rpartition(":")[2])

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def get(self, target: str, *lines: str) -> Reply:
        """One GET on a connection of its own."""
        return await self.request("GET", target, *lines)

    async def request(self, method: str, target: str, *lines: str, body: bytes = b"") -> Reply:
        client = await self.connect()
        try:
            return await client.request(method, target, *lines, body=body)
        finally:
            client.close()

    async def raw(self, data: bytes, method: str = "GET") -> Reply:
        """Send bytes on a connection of their own; one reply, after which the edge must have closed if it says so."""
        client = await self.connect()
        await client.send(data)
        reply = await client.reply(method)
        if b"close" in (reply.get("connection") or b"").lower():
            assert await client.ended(), "the edge said that it would close"
        client.close()
        return reply

    def pass_time(self, seconds: float) -> None:
        """Time goes by, and the edge looks at its deadlines."""
        self.clock.pass_time(seconds)
        self.edge.sweeper.sweep()

    async def until(self, condition: Callable[[], bool], what: str = "") -> None:
        await until(condition, what)

    async def taken(self, count: int) -> None:
        """Wait until the edge has taken `count` bytes in all from those clients that are still connected."""
        await until(lambda: sum(one.bytes_in for one in self.edge.server.connections) == count, f"{count} bytes to be taken")

    async def connect_deaf(self) -> Client:
        """A client that takes nothing of what it is sent until it is told to `listen`; its kernel takes little, too."""
        handle = socket.socket()
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        handle.setblocking(False)
        await asyncio.get_running_loop().sock_connect(handle, ("127.0.0.1", self.port))
        client = Client(*await asyncio.open_connection(sock=handle))
        client.writer.transport.pause_reading()
        self.clients.append(client)
        return client

    async def settled(self) -> None:
        """Wait until the edge has its connections and no bytes move any more: whoever is to be full is full."""
        quiet = 0
        before: object = None
        while quiet < 20 or self.edge.pool.figures()["connecting"]:
            sides = [*self.edge.server.connections, *self.edge.pool.connections]
            now = [(id(one), one.bytes_in, one.closed or one.transport.get_write_buffer_size()) for one in sides]
            quiet = quiet + 1 if now == before else 0
            before = now
            await asyncio.sleep(0.001)

    async def pass_send_timeouts(self, gone: Callable[[], bool]) -> None:
        """Let the time pass in which a peer must take something, until `gone`.

        Once is mostly enough; but what the kernels hand each other for a while after everybody has stopped counts as taken.
        """
        for _ in range(20):
            await self.settled()
            self.pass_time(self.edge.settings.send_timeout_s + 0.1)
            await self.turns(20)
            if gone():
                return
        raise AssertionError("a peer that takes nothing was never given up")

    async def turns(self, count: int) -> None:
        """Let everybody else have `count` turns of the loop: enough for bytes on loopback to arrive one segment at a time."""
        for _ in range(count):
            await asyncio.sleep(0)


async def until(condition: Callable[[], bool], what: str = "") -> None:
    """Let everybody else go on until `condition` holds."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + PATIENCE_S
    turns = 0
    while not condition():
        assert loop.time() < give_up, f"waited in vain for {what or condition}"
        turns += 1
        await asyncio.sleep(0 if turns < 100 else 0.001)  # turns of the loop, not a delay that anything depends on


@contextlib.asynccontextmanager
async def running_kit(settings: Mapping[str, object], origin: Origin | None = None) -> AsyncIterator[Kit]:
    """An edge with these settings in front of a scripted origin, both stopped at the end. The tables (`site`, `rule`, …) are lists."""
    origin = origin or Origin()
    if not origin.port and not origin.url:
        await origin.start()
    clock = StandingClock()
    where = origin.url or f"http://127.0.0.1:{origin.port}"
    defaults = {"store": "memory", "origin": where, "listen": "127.0.0.1:0", "control": "127.0.0.1:0", "log": "off"}
    tables = {name: tuple(settings[name]) for name in TABLES if name in settings}  # type: ignore[call-overload]
    plain = {name: value for name, value in {**defaults, **settings}.items() if name not in tables}
    edge = Edge(msgspec.structs.replace(load(None, plain), **tables), clock)
    await edge.start()
    kit = Kit(edge, origin, clock)
    origin.connections = 0  # the look that the edge takes at its start does not count
    try:
        yield kit
    finally:
        for client in kit.clients:
            client.writer.transport.abort()
        await edge.stop()
        await origin.stop()
