"""The client's side: connections that are accepted, one request after the other on each, and the way to answer it.

Rules of this file
- One request at a time: what a client sends behind it (pipelining) waits in the buffer, and reading stops when that grows.
- A request whose framing is in doubt is answered, and then the connection is closed (RFC 9112 6.3, 9.6), with a lingering close so that
  the client sees the answer and not a reset.
- A client that has closed its sending side still gets its answers (RFC 9112 9.6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from edgecache.http1.chunked import last_chunk
from edgecache.http1.connection import Connection, Incoming
from edgecache.http1.framing import CHUNKED, UNTIL_CLOSE, keeps_alive, request_framing
from edgecache.http1.head import HeadLimits, judge_unfinished, parse_request_head
from edgecache.http1.problem import Problem, refused
from edgecache.http1.sweeper import NEVER, Sweeper
from edgecache.http1.tasks import Tasks
from edgecache.semantics.message import Fields, RequestHead


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """How long clients may take, and how much of what nobody wants is read before a connection is closed."""

    head_timeout_s: float
    body_timeout_s: float
    idle_timeout_s: float
    send_timeout_s: float
    linger_s: float
    linger_bytes: int
    buffer_bytes: int
    connections: int


class Exchange:
    """One request on a client's connection, and the way to answer it. Every request ends in exactly one of finish, cut and abandon."""

    __slots__ = ("_framing", "_left", "bytes_out", "connection", "content", "keep_alive", "method", "request", "started", "status")

    def __init__(self, connection: ServerConnection, request: RequestHead, content: Incoming | None, keep_alive: bool) -> None:
        self.connection = connection
        self.request = request
        self.method = request.method
        self.content = content
        self.keep_alive = keep_alive
        self.started = False  # has the head of the final response been written?
        self.status = 0
        self.bytes_out = 0
        self._framing = 0
        self._left = 0

    @property
    def stays_open(self) -> bool:
        """May the connection carry another request after this answer? Not while content of this one is still to come."""
        return self.keep_alive and (self.content is None or self.content.complete) and not self.connection.server.draining

    @property
    def chunks_understood(self) -> bool:
        """Can the client read a chunked answer? HTTP/1.0 clients cannot (RFC 9112 6.1)."""
        return self.request.minor >= 1

    def write_interim(self, head: bytes) -> None:
        """A 1xx response, complete with its empty line. HTTP/1.0 clients must not get any (RFC 9110 15.2)."""
        if not self.started and self.request.minor >= 1 and not self.connection.closed:
            self.connection.transport.write(head)

    def write_head(self, status: int, head: list[bytes], framing: int, body: tuple[bytes, ...] = ()) -> None:
        """The final response's head (status line and lines with CRLF, without the empty line), and content that is at hand, in one write.

        `framing` is that of the content which is really sent: 0 for an answer without any, whatever Content-Length it shows (HEAD, 304).
        """
        keep = self.stays_open and framing != UNTIL_CLOSE
        self.keep_alive = keep
        if framing == CHUNKED:
            head.append(b"Transfer-Encoding: chunked\r\n")
        if not keep:
            head.append(b"Connection: close\r\n")
        elif self.request.minor == 0:
            head.append(b"Connection: keep-alive\r\n")
        head.append(b"\r\n")
        self.started = True
        self.status = status
        self._framing = framing
        self._left = framing
        if self.connection.closed:
            return
        if not body:
            self.connection.transport.write(b"".join(head))
        else:
            self.bytes_out = sum(map(len, body))
            self._left -= self.bytes_out
            self.connection.transport.writelines((b"".join(head), *body))

    def write(self, piece: bytes) -> None:
        """A piece of the content, not empty. The caller drains."""
        self.bytes_out += len(piece)
        if self.connection.closed:
            return
        if self._framing == CHUNKED:
            self.connection.transport.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))
        else:
            self._left -= len(piece)
            self.connection.transport.write(piece)

    async def drain(self) -> None:
        """Wait until the client has taken enough. Raises PeerGone when it has left."""
        if not self.connection.can_write or self.connection.closed:
            await self.connection.drain()

    def finish(self, trailers: Fields | None = None) -> None:
        """The answer is complete: the connection goes on with the next request, or closes."""
        if self._framing == CHUNKED and not self.connection.closed:
            self.connection.transport.write(last_chunk(trailers or []))
        self.connection.exchange_over(self)

    def cut(self) -> None:
        """The answer cannot be completed: end it so that the client can tell (RFC 9112 8). What has come so far still goes out."""
        if self._framing == UNTIL_CLOSE:
            self.connection.reset()
        else:
            self.connection.close()

    def abandon(self) -> None:
        """The client has left: nobody is there to be told."""
        self.connection.abort()

    @property
    def peer_ip(self) -> str:
        """The address of the client's end of the connection."""
        return self.connection.peer_ip


class Server:
    """What the connections of one listener share. `serve` answers an exchange; `reject` turns a Problem with a head into an answer."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sweeper: Sweeper,
        tasks: Tasks,
        head_limits: HeadLimits,
        limits: ServerLimits,
        serve: Callable[[Exchange], Coroutine[Any, Any, None]],
        reject: Callable[[Exchange, Problem], None],
    ) -> None:
        self.loop = loop
        self.sweeper = sweeper
        self.tasks = tasks
        self.head_limits = head_limits
        self.limits = limits
        self.serve = serve
        self.reject = reject
        self.draining = False
        self.connections: set[ServerConnection] = set()
        self.idle: dict[ServerConnection, None] = {}  # in the order in which they became idle
        self.emptied: asyncio.Future[None] | None = None

    def accept(self) -> ServerConnection:
        """The protocol for a new connection; above the limit the one that has been idle longest goes."""
        if len(self.connections) >= self.limits.connections and self.idle:
            next(iter(self.idle)).close()
        return ServerConnection(self)

    def drain(self) -> asyncio.Future[None]:
        """Answer what is being asked, take nothing new. The future is done when the last connection has closed."""
        self.draining = True
        if self.emptied is None:
            self.emptied = self.loop.create_future()
        for connection in list(self.idle):
            connection.close()
        if not self.connections and not self.emptied.done():
            self.emptied.set_result(None)
        return self.emptied

    def abort(self) -> None:
        """Close every connection at once."""
        for connection in list(self.connections):
            connection.abort()


class ServerConnection(Connection):
    """A client's connection."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.loop, server.sweeper, server.head_limits, server.limits.buffer_bytes, server.limits.send_timeout_s)
        self.server = server
        self.exchange: Exchange | None = None
        self.task: asyncio.Task[None] | None = None
        self.peer_ip = ""
        self.request_framing = 0  # of the request in hand
        self.read_timeout_s = server.limits.body_timeout_s
        self.on_gone: Callable[[], None] | None = None  # told when the client leaves before its answer is complete
        self._advancing = False
        self._lingering = False
        self._linger_left = 0
        self._doubtful = False  # a request was refused: where the next one would begin is unknown
        self._watching_for_end = False
        self._seen = 0  # bytes of an unfinished head that were judged already

    # life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: a client has connected."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.peer_ip = peer[0] if isinstance(peer, tuple) else "unix"
        self.server.connections.add(self)
        if len(self.server.connections) > self.server.limits.connections:
            self.abort()  # nobody was idle: the newest gives way, those who are being answered keep their connections
            return
        self.server.idle[self] = None
        self.set_read_by(self.server.limits.idle_timeout_s)

    def lost(self) -> None:
        """The client has gone: whoever reads its content or answers it is told."""
        self.server.connections.discard(self)
        self.server.idle.pop(self, None)
        self.fail_content(refused(400, "the client closed the connection before its request was complete"))
        if self.on_gone is not None:
            self.on_gone()
        if self.server.emptied is not None and not self.server.connections and not self.server.emptied.done():
            self.server.emptied.set_result(None)

    # reading

    def head_received(self, data: bytes) -> None:
        """Bytes of a head, or behind the request in hand."""
        if self._lingering:
            self._linger_left -= len(data)
            if self._linger_left < 0:
                self.close()
            return
        if self.closed or self.transport.is_closing():
            return
        if not self.buffer and self.exchange is None:
            self.server.idle.pop(self, None)
            self.set_read_by(self.server.limits.head_timeout_s)  # the whole head, counted from its first byte
        self.buffer += data
        self._advance()
        if (self.exchange is not None or not self.can_write) and len(self.buffer) > self.limits.head_bytes:
            self.pause_reading()

    def _advance(self) -> None:
        """Begin the requests that are complete in the buffer, one after the other, as long as each is answered at once."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while self.exchange is None and self.buffer and self.can_write and not self.transport.is_closing() and not self._lingering:
                if not self._begin_request():
                    break
        finally:
            self._advancing = False

    def _begin_request(self) -> bool:
        """Begin the next request in the buffer; False when its head is not complete yet, or was refused."""
        buffer = self.buffer
        while buffer[:2] == b"\r\n":  # RFC 9112 2.2: empty lines before the request line are ignored
            del buffer[:2]
        end = buffer.find(b"\r\n\r\n", max(0, self._seen - 3))
        if end < 0 or end > self.limits.head_bytes:
            problem = judge_unfinished(buffer, self.limits, min(self._seen, len(buffer)))
            self._seen = len(buffer)
            if problem is None:
                return False
            self._refuse(_unread(bytes(buffer[:200])), problem)
            return False
        self._seen = 0
        head = parse_request_head(bytes(buffer[:end]), self.limits)
        if isinstance(head, Problem):
            self._refuse(_unread(bytes(buffer[:200])), head)
            return False
        framing = request_framing(head)
        if isinstance(framing, Problem):
            self._refuse(head, framing)
            return False
        del buffer[: end + 4]
        self.set_read_by(NEVER)
        content: Incoming | None = None
        self.request_framing = framing
        if framing != 0:
            content = self.expect_content(framing)
            self.set_read_by(self.read_timeout_s)
            if buffer:
                here = bytes(buffer)
                buffer.clear()
                buffer += self.content_received(here)
        exchange = Exchange(self, head, content, keeps_alive(head.minor, head.fields) and not self.server.draining)
        self.exchange = exchange
        self.task = self.server.tasks.start(self.server.serve(exchange), "exchange")
        return True

    def _refuse(self, head: RequestHead, problem: Problem) -> None:
        """Answer a request that cannot be understood, and close: where the next one would begin is in doubt."""
        self.buffer.clear()
        self._doubtful = True
        exchange = Exchange(self, head, None, keep_alive=False)
        self.exchange = exchange
        self.server.reject(exchange, problem)

    def bad_chunks(self, wrong: str) -> Problem:
        """Malformed chunks from a client."""
        return refused(400, wrong)

    def ended(self) -> bool:
        """The client sends no more. A request that is cut short cannot be served; one that is complete still gets its answer."""
        self.fail_content(refused(400, "the client ended its side of the connection before its request was complete"))
        if self._lingering or self._watching_for_end:
            return False
        return self.exchange is not None or (bool(self.buffer) and not self.can_write)

    def close_when_client_ends(self) -> None:
        """Take the end of the client's side as its leaving. For event streams, which may be silent for hours and whose readers never
        close half a connection: nothing else would tell that they are gone."""
        self._watching_for_end = True
        if self.peer_ended:
            self.close()

    def content_ended(self) -> None:
        """The request is complete: what comes now belongs to the next one."""

    def read_deadline_passed(self) -> None:
        """Too slow: in its head, in its content, between requests, or in taking note of a close."""
        if self._lingering:
            self.close()
        elif self.content is not None:
            self.fail_content(refused(408, f"no content came for {self.read_timeout_s:g} s (body_timeout_s)"))
        elif self.exchange is None and self.buffer:
            self._refuse(
                _unread(bytes(self.buffer[:200])),
                refused(408, f"the head was not complete after {self.server.limits.head_timeout_s:g} s (head_timeout_s)"),
            )
        elif self.exchange is None:
            self.close()

    def writable(self) -> None:
        """The client takes answers again: go on with what it has pipelined."""
        self._advance()
        self._between_requests()

    # after an answer

    def exchange_over(self, exchange: Exchange) -> None:
        """The answer has been written: next request, or the end."""
        self.exchange = None
        self.task = None
        self.on_gone = None
        if self.closed:
            return
        if not exchange.keep_alive:
            unread = exchange.content is not None and not exchange.content.complete
            self._end(lingering=unread or self._doubtful or bool(self.buffer))
            return
        if self.buffer:
            self.set_read_by(self.server.limits.head_timeout_s)
            self._advance()
        else:
            self.server.idle[self] = None
            self.set_read_by(self.server.limits.idle_timeout_s)
        self._between_requests()

    def _between_requests(self) -> None:
        """Nothing is being answered and nothing complete waits: read on, or close when nothing can come any more."""
        if self._advancing or self.exchange is not None or self._lingering or not self.can_write:
            return
        if self.peer_ended or self.server.draining:
            self.close()
        else:
            self.resume_reading()

    def _end(self, lingering: bool) -> None:
        """Close after the answer. Closing with unread bytes would make the kernel send a reset, which can destroy the answer on its way."""
        if not lingering or self.peer_ended:
            self.close()
            return
        self._lingering = True
        self.buffer.clear()
        self.fail_content(refused(400, "the answer was complete before the request"))
        self._linger_left = self.server.limits.linger_bytes
        self.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.set_read_by(self.server.limits.linger_s)


def _unread(start: bytes) -> RequestHead:
    """Stands for a request whose head could not be read, as far as its first line shows a method and a target."""
    parts = start.split(b"\r\n")[0].split(b"\n")[0].split(b" ")
    method = parts[0] if len(parts) > 1 and parts[0].isalpha() else b"-"
    return RequestHead(method[:20], parts[1] if len(parts) > 1 else b"-", 1, [])
