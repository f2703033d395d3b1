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

from edgecache.http1.connection import Connection
from edgecache.http1.exchange import Exchange
from edgecache.http1.framing import keeps_alive, request_framing
from edgecache.http1.head import TOKEN, HeadLimits, judge_unfinished, parse_request_head
from edgecache.http1.incoming import Incoming
from edgecache.http1.problem import Problem, refused
from edgecache.http1.sweeper import NEVER, Sweeper
from edgecache.http1.tasks import Tasks
from edgecache.semantics.message import RequestHead

AT_ONCE = 64  # pipelined requests of one connection that are answered before the other connections have their turn


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
        """The protocol for a new connection."""
        return ServerConnection(self)

    def admit(self, connection: ServerConnection) -> bool:
        """Count a new connection. Above the limit the one that has been idle longest goes; False when none is idle, so the newest must."""
        self.connections.add(connection)
        if len(self.connections) > self.limits.connections:
            if not self.idle:
                return False
            oldest = next(iter(self.idle))
            del self.idle[oldest]  # at once, not when it has closed: of several that come together each is given another's place
            oldest.close()
        return True

    def drain(self) -> asyncio.Future[None]:
        """Answer what is being asked, take nothing new. The future is done when the last connection has closed."""
        self.draining = True
        if self.emptied is None:
            self.emptied = self.loop.create_future()
        for connection in list(self.idle):
            connection.close()
        for connection in list(self.connections):
            if connection.is_endless:  # it would not end by itself: waiting would only cost the time that others have
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
        self._resting = False
        self._answered_early = False
        self._lingering = False
        self._linger_left = 0
        self._linger_until = NEVER
        self._doubtful = False  # a request was refused: where the next one would begin is unknown
        self._watching_for_end = False
        self._seen = 0  # bytes of an unfinished head that were judged already

    # life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: a client has connected."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.peer_ip = peer[0] if isinstance(peer, tuple) else "unix"
        if self.server.admit(self):
            self._become_idle()
        else:
            self.abort()  # nobody was idle: the newest gives way, those who are being answered keep their connections

    def lost(self) -> None:
        """The client has gone: whoever reads its content or answers it is told."""
        self.server.connections.discard(self)
        self.server.idle.pop(self, None)
        self.fail_content(refused(400, "the client closed the connection before its request was complete"))
        if self.on_gone is not None:
            self.on_gone()
        if self.server.emptied is not None and not self.server.connections and not self.server.emptied.done():
            self.server.emptied.set_result(None)

    def abort(self) -> None:
        """Close at once. An answer that only the end of the connection completes must not look complete: RST."""
        if self.exchange is not None and self.exchange.ends_with_connection:
            self.reset()
        else:
            super().abort()

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
            if data.startswith(b"\r\n") and not (data := _without_empty_lines(data)):
                return
            self.server.idle.pop(self, None)
            self.set_read_by(self.server.limits.head_timeout_s)  # the whole head, counted from its first byte
        self.buffer += data
        self._advance()
        if self._has_to_wait and len(self.buffer) > self.limits.head_bytes:
            self.pause_reading()

    @property
    def _has_to_wait(self) -> bool:
        """Can what is in the buffer not be looked at now?"""
        return self.exchange is not None or self._resting or not self.can_write

    def _advance(self) -> None:
        """Begin the requests that are complete in the buffer, one after the other, as long as each is answered at once."""
        if self._advancing or self._resting:
            return
        self._advancing = True
        answered = 0
        try:
            while self.exchange is None and self.buffer and self.can_write and not self.transport.is_closing() and not self._lingering:
                if answered == AT_ONCE:
                    self._resting = True
                    self.loop.call_soon(self._rested)
                    break
                if not self._begin_request():
                    break
                answered += 1
        finally:
            self._advancing = False

    def _rested(self) -> None:
        """The other connections have had their turn."""
        self._resting = False
        if not self.closed:
            self._advance()
            self._between_requests()

    def _begin_request(self) -> bool:
        """Begin the next request in the buffer; False when its head is not complete yet, or was refused."""
        buffer = self.buffer
        if buffer[:2] == b"\r\n":
            buffer[:] = _without_empty_lines(bytes(buffer))
            self._seen = 0
            if not buffer:
                self._become_idle()
                return False
        end = buffer.find(b"\r\n\r\n", max(0, self._seen - 3))
        if end < 0 or end > self.limits.head_bytes:
            problem = judge_unfinished(buffer, self.limits, min(self._seen, len(buffer))) or _judge_first_byte(buffer)
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
            self.resume_reading()  # it stopped when much waited behind the request before: what this one waits for would never come
            if not _waits_for_100(head):  # who does is not slow: its time begins when it is told to go on
                self.set_read_by(self.read_timeout_s)
            if buffer:
                here = bytes(buffer)
                buffer.clear()
                buffer += self.content_received(here)
            if content.problem is not None:  # known before anything was forwarded
                self._refuse(head, content.problem)
                return False
        exchange = Exchange(self, head, content, keeps_alive(head.minor, head.fields) and not self.server.draining)
        self.exchange = exchange
        self.task = self.server.tasks.start(self.server.serve(exchange), "exchange")
        return True

    def content_asked_for(self) -> None:
        """The client was told to go on with its content (100): from now on it may be slow."""
        if self.content is not None and self._reading:
            self.set_read_by(self.read_timeout_s)

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
        return self.exchange is not None or (bool(self.buffer) and self._has_to_wait)

    @property
    def is_endless(self) -> bool:
        """Does it carry another protocol, or a stream of events?"""
        return self.tunnel is not None or self._watching_for_end

    def close_when_client_ends(self) -> None:
        """Take the end of the client's side as its leaving. For event streams, which may be silent for hours and whose readers never
        close half a connection: nothing else would tell that they are gone."""
        self._watching_for_end = True
        if self.peer_ended:
            self.close()

    def read_deadline_passed(self) -> None:
        """Too slow: in its head, in its content, between requests, or in taking note of a close."""
        if self._lingering:
            self.close()
        elif self.content is not None:
            self.fail_content(refused(408, f"no content came for {self.read_timeout_s:g} s (body_timeout_s)"))
        elif self.exchange is None and self.buffer:
            if not self.can_write:
                return  # it takes no answers, so its requests were not looked at; the deadline for that is `write_by`
            self._refuse(
                _unread(bytes(self.buffer[:200])),
                refused(408, f"the head was not complete after {self.server.limits.head_timeout_s:g} s (head_timeout_s)"),
            )
        elif self.exchange is None:
            self.close()

    def writable(self) -> None:
        """The client takes answers again: go on with what it has pipelined."""
        if self.exchange is None and self.buffer and not self._lingering:
            self.set_read_by(self.server.limits.head_timeout_s)
        self._advance()
        self._between_requests()

    # after an answer

    def exchange_over(self, exchange: Exchange) -> None:
        """The answer has been written: next request, or the end."""
        content = exchange.content
        self._answered_early = False
        if exchange.keep_alive and content is not None and not content.complete and not self.closed:
            if content.wanted and not content.failed:
                self._answered_early = True  # the rest of the request is on its way yet; with its end this begins again
                return
            exchange.keep_alive = False
        self.exchange = None
        self.task = None
        self.on_gone = None
        if self.closed:
            return
        if not exchange.keep_alive:
            unread = exchange.content is not None and not exchange.content.complete
            # a client that did not want the end itself may be sending its next request just now
            unexpected = keeps_alive(exchange.request.minor, exchange.request.fields)
            self._end(lingering=unread or unexpected or self._doubtful or bool(self.buffer))
            return
        if self.buffer:
            self.set_read_by(self.server.limits.head_timeout_s)
            self._advance()
        else:
            self._become_idle()
        self._between_requests()

    def _become_idle(self) -> None:
        """No request, not even part of one: the first to go when there are too many, or when the edge shuts down."""
        self.server.idle[self] = None
        self.set_read_by(self.server.limits.idle_timeout_s)

    def _between_requests(self) -> None:
        """Nothing is being answered and nothing complete waits: read on, or close when nothing can come any more."""
        if self._advancing or self._has_to_wait or self._lingering:
            return
        if self.peer_ended or self.server.draining:
            self.close()
        else:
            self.resume_reading()

    def _end(self, lingering: bool) -> None:
        """Close after the answer. Closing with unread bytes would make the kernel send a reset, which can destroy the answer on its way.

        The content of a request that was understood is read to its end, since many clients send all of it before they look for an answer;
        it may not pause, and not go on for longer than a pause in it might have taken. All else is read within the limits for lingering.
        """
        if not lingering or self.peer_ended:
            self.close()
            return
        self._lingering = True
        self.buffer.clear()
        self._linger_left = self.server.limits.linger_bytes
        if self.content is not None:
            self.content.drop(refused(400, "the answer was complete before the request"))
            self.read_timeout_s = self.server.limits.linger_s
            self._linger_until = self.sweeper.monotonic() + self.server.limits.body_timeout_s
        self.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.set_read_by(self.server.limits.linger_s)

    def content_received(self, data: bytes) -> bytes:
        """Content has come; after the answer it is only dropped, and not for ever."""
        rest = super().content_received(data)
        if self._lingering and self.sweeper.monotonic() > self._linger_until:
            self.close()
        return rest

    def content_ended(self) -> None:
        """The request is complete, or broken: what comes now belongs to the next one, or to nobody."""
        if self._lingering:
            self.set_read_by(self.server.limits.linger_s)
        elif self._answered_early and self.exchange is not None:
            self.exchange_over(self.exchange)

    def content_unwanted(self) -> None:
        """The origin takes no more of the request."""
        if self._answered_early and self.exchange is not None:
            self.exchange_over(self.exchange)


def _without_empty_lines(data: bytes) -> bytes:
    """RFC 9112 2.2: empty lines before the request line are ignored."""
    at = 0
    while data.startswith(b"\r\n", at):
        at += 2
    return data[at:]


def _judge_first_byte(start: bytearray) -> Problem | None:
    """What can be no method is refused before the head is complete: who speaks TLS to this port would never complete one."""
    if start[0] in TOKEN or start[0] == 0x0D:
        return None
    if start[0] == 0x16:
        return refused(400, "the connection begins with TLS, but plain HTTP is spoken here: the URL begins with http://")
    return refused(400, f"a request begins with the byte 0x{start[0]:02x}, which is in no method (RFC 9110 9.1)")


def _waits_for_100(head: RequestHead) -> bool:
    """Does the client wait to be told before it sends its content (RFC 9110 10.1.1)?"""
    return head.minor >= 1 and any(name == b"expect" and value.lower() == b"100-continue" for _, name, value in head.fields)


def _unread(start: bytes) -> RequestHead:
    """Stands for a request whose head could not be read, as far as its first line shows a method and a target."""
    parts = start.split(b"\r\n")[0].split(b"\n")[0].split(b" ")
    method = parts[0] if len(parts) > 1 and parts[0].isalpha() else b"-"
    return RequestHead(method[:20], parts[1] if len(parts) > 1 else b"-", 1, [])
