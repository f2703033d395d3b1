"""The two kinds of connection on a transport that is only a list: what do they make of bytes that come in these pieces?"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterable
from random import Random

from edgecache.http1.exchange import Exchange
from edgecache.http1.head import HeadLimits
from edgecache.http1.origin import OriginConnection, OriginLimits
from edgecache.http1.problem import Broken, Problem
from edgecache.http1.server import Server, ServerLimits
from edgecache.http1.sweeper import Sweeper
from edgecache.http1.tasks import Tasks
from edgecache.semantics.message import Fields, RequestHead, ResponseHead, field
from tests.http1.messages import Case
from tests.http1.parsers import LIMITS, Pairs

TURNS = 50  # of the loop; nothing here takes that many
FAULTS = ("400", "414", "431", "501", "505", "http_protocol_error", "http_response_header_section_size")
SMALL = 48  # buffer_bytes: so small that reading pauses often


@dataclasses.dataclass
class Message:
    """A message as it came out of a connection. `end` is "complete", "cut", or the status or error with which it was refused.

    Of what was refused only that is said: whether its head went through before may depend on the pieces.
    """

    start: tuple[object, ...] = ()
    fields: Pairs = dataclasses.field(default_factory=list)
    content: bytes = b""
    trailers: Pairs = dataclasses.field(default_factory=list)
    end: str = "complete"


@dataclasses.dataclass
class Seen:
    """All that came out of a connection, in order. `clean`: would the connection be used for another message?"""

    messages: list[Message] = dataclasses.field(default_factory=list)
    clean: bool = False


class Pipe(asyncio.Transport):
    """A transport whose other end is the test."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.paused = False
        self.closing = False
        self.ended = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True

    def pause_reading(self) -> None:
        assert not self.paused
        self.paused = True

    def resume_reading(self) -> None:
        assert self.paused
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        for data in list_of_data:
            self.written += data


async def _feed(protocol: asyncio.Protocol, pipe: Pipe, pieces: Iterable[bytes]) -> None:
    """Deliver the pieces as a loop would: nothing while reading is paused, nothing once the transport is closing."""
    for piece in pieces:
        await _while_paused(pipe)
        if pipe.paused or pipe.closing:
            break
        if piece:
            protocol.data_received(piece)
    await _while_paused(pipe)


async def _while_paused(pipe: Pipe) -> None:
    for _ in range(TURNS):
        if not pipe.paused or pipe.closing:
            break
        await asyncio.sleep(0)


async def _end(protocol: asyncio.Protocol, pipe: Pipe, open_tasks: Tasks) -> None:
    if not pipe.closing and not protocol.eof_received():
        pipe.close()
    await _settled(open_tasks, lambda: False)
    protocol.connection_lost(None)
    await _settled(open_tasks, lambda: False)
    assert not len(open_tasks), "something still waits on a connection that is gone"


async def _settled(tasks: Tasks, enough: Callable[[], bool]) -> None:
    for _ in range(TURNS):
        if not len(tasks) or enough():
            break
        await asyncio.sleep(0)


def _raise(name: str, defect: BaseException) -> None:
    raise AssertionError(f"a defect in {name}") from defect


def _pairs(fields: Fields) -> Pairs:
    return [(name, value) for _, name, value in fields]


# the client's side


async def served(pieces: Iterable[bytes], limits: HeadLimits, buffer_bytes: int = SMALL) -> Seen:
    """What a server connection makes of these pieces; every request is answered once its content has been read."""
    seen = Seen()
    loop = asyncio.get_running_loop()
    tasks = Tasks(loop, _raise)

    async def serve(exchange: Exchange) -> None:
        head = exchange.request
        message = Message((head.method, head.target, head.minor), _pairs(head.fields), end="cut")
        seen.messages.append(message)
        if exchange.content is not None:
            try:
                while piece := await exchange.content.read():
                    message.content += piece
            except Broken as broken:
                if "before its request was complete" not in broken.problem.detail:
                    seen.messages[-1] = Message(end=str(broken.problem.status))
                exchange.cut()
                return
            message.trailers = _pairs(exchange.content.trailers)
        message.end = "complete"
        exchange.write_head(204, [b"HTTP/1.1 204 No Content\r\n"], 0)
        exchange.finish()

    def reject(exchange: Exchange, problem: Problem) -> None:
        seen.messages.append(Message(end=str(problem.status)))
        exchange.write_head(problem.status, [b"HTTP/1.1 %d Refused\r\n" % problem.status], 0)
        exchange.finish()

    server_limits = ServerLimits(1e9, 1e9, 1e9, 1e9, 1e9, 1 << 30, buffer_bytes, 10)
    connection = Server(loop, Sweeper(loop, lambda: 0.0), tasks, limits, server_limits, serve, reject).accept()
    pipe = Pipe()
    connection.connection_made(pipe)
    await _feed(connection, pipe, pieces)
    assert pipe.closing or not pipe.paused, "reading was paused and never went on"
    await _settled(tasks, lambda: connection.exchange is None)
    seen.clean = connection.exchange is None and not connection.buffer and not pipe.closing and not pipe.ended
    await _end(connection, pipe, tasks)
    return seen


# the origin's side


async def answered(method: bytes, pieces: Iterable[bytes], limits: HeadLimits, buffer_bytes: int = SMALL) -> Seen:
    """What an origin connection makes of these pieces, as the answer to a request with this method."""
    seen = Seen()
    loop = asyncio.get_running_loop()
    tasks = Tasks(loop, _raise)
    connection = OriginConnection(loop, Sweeper(loop, lambda: 0.0), limits, OriginLimits(1e9, 1e9, 1e9, 1e9, 1e9, buffer_bytes, 1))

    def interim(head: ResponseHead) -> None:
        seen.messages.append(Message((head.status, head.reason, head.minor), _pairs(head.fields)))

    async def read() -> None:
        message = Message(end="cut")
        try:
            head = await connection.response()
            message.start, message.fields = (head.status, head.reason, head.minor), _pairs(head.fields)
            incoming = connection.incoming
            while incoming is not None and (piece := await incoming.read()):
                message.content += piece
            message.trailers = _pairs(incoming.trailers) if incoming is not None else []
            message.end = "complete"
        except Broken as broken:
            message = Message(end=broken.problem.error.token)
        seen.messages.append(message)

    pipe = Pipe()
    connection.connection_made(pipe)
    connection.ask(RequestHead(method, b"/", 1, [field(b"Upgrade", b"x")]), 0, interim)
    tasks.spawn(read(), "read")
    await asyncio.sleep(0)
    await _feed(connection, pipe, pieces)
    await _settled(tasks, lambda: connection.content is None)
    assert pipe.closing or not pipe.paused or not connection.is_clean, "reading was paused and never went on"
    seen.clean = connection.is_clean
    await _end(connection, pipe, tasks)
    return seen


def cut_up(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """`data` in pieces that begin at `cuts`."""
    ends = sorted({cut for cut in cuts if 0 < cut < len(data)})
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


async def findings_in_pieces(case: Case, rng: Random, limits: HeadLimits = LIMITS) -> list[str]:
    """What comes out otherwise in random pieces, or byte by byte, than in one piece."""

    async def through(pieces: list[bytes], buffer_bytes: int) -> Seen:
        if case.method is None:
            return await served(pieces, limits, buffer_bytes)
        return await answered(case.method, pieces, limits, buffer_bytes)

    data = case.data
    if rng.random() < 0.3:
        data += rng.choice((case.data, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n\0"))
    whole = _tolerant(await through([data], SMALL))
    found = []
    ways = [cut_up(data, [rng.randrange(len(data) + 1) for _ in range(rng.randint(1, 4))]), cut_up(data, range(len(data)))]
    for pieces in ways:
        seen = _tolerant(await through(pieces, rng.choice((1, SMALL, 1 << 20))))
        if seen != whole:
            found.append(
                f"in {len(pieces)} pieces, {[*map(len, pieces[:6])]}\n  {case.method!r} {data!r}\n  whole  {whole}\n  pieces {seen}"
            )
    return found


def _tolerant(seen: Seen) -> Seen:
    """Which of two faults is noticed first may depend on the pieces: a bare LF, for one, is refused as soon as it is there."""
    for message in seen.messages:
        if message.end in FAULTS:
            message.end = "refused"
    return seen
