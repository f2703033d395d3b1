"""The origin's side: one connection to the origin, one request at a time on it, and what can go wrong mapped to RFC 9209's error types.

A connection is used again only after a clean end of both messages, and a byte that arrives on an idle one closes it: it would become
the beginning of the next request's answer (RFC 9112 9.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from edgecache.http1.chunked import last_chunk
from edgecache.http1.connection import Connection, Incoming
from edgecache.http1.framing import CHUNKED, UNTIL_CLOSE, keeps_alive, response_framing
from edgecache.http1.head import HeadLimits, parse_response_head
from edgecache.http1.problem import Broken, PeerGone, Problem, failed
from edgecache.http1.sweeper import NEVER, Sweeper
from edgecache.semantics.message import Fields, RequestHead, ResponseHead, values
from edgecache.semantics.proxy_status import ProxyError

INTERIM_LIMIT = 64  # 1xx responses before the final one; a flood of them is no answer


@dataclass(frozen=True, slots=True)
class OriginLimits:
    """How long an origin may take, and how many connections it gets."""

    connect_timeout_s: float
    first_byte_timeout_s: float
    between_bytes_timeout_s: float
    send_timeout_s: float
    idle_timeout_s: float
    buffer_bytes: int
    connections: int


class OriginConnection(Connection):
    """A connection to the origin. `ask` → `response` → read `incoming` to its end → given back to the pool."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sweeper: Sweeper, head_limits: HeadLimits, limits: OriginLimits) -> None:
        super().__init__(loop, sweeper, head_limits, limits.buffer_bytes, limits.send_timeout_s)
        self.origin_limits = limits
        self.read_timeout_s = limits.between_bytes_timeout_s
        self.reused = False
        self.counted = True  # against the pool's limit; upgraded connections and event streams are not
        self.on_closed: Callable[[OriginConnection], None] | None = None
        self.incoming: Incoming | None = None
        self.framing = 0
        self.idle_timeout_s = limits.idle_timeout_s
        self._method = b""
        self._answer: asyncio.Future[ResponseHead] | None = None
        self._on_interim: Callable[[ResponseHead], None] | None = None
        self._interims = 0
        self._request_chunked = False
        self._request_sent = True
        self._persistent = True
        self._any_byte = False

    # asking

    def ask(self, method: bytes, head: bytes, request_framing: int, on_interim: Callable[[ResponseHead], None] | None) -> None:
        """Send a request's head. Content follows by `send` and `end_request` when `request_framing` says that there is some."""
        self._method = method
        self._on_interim = on_interim
        self._interims = 0
        self._answer = self.loop.create_future()
        self._request_chunked = request_framing == CHUNKED
        self._request_sent = request_framing == 0
        self._persistent = True
        self._any_byte = False
        self.incoming = None
        if self.closed or self.peer_ended or self.transport.is_closing():  # it ended between being handed out and being used
            self._answer.set_exception(Broken(failed(ProxyError.CONNECTION_TERMINATED)))
            return
        self.transport.write(head)
        self.set_read_by(self.origin_limits.first_byte_timeout_s)

    async def send(self, piece: bytes) -> None:
        """A piece of the request's content, not empty; waits while the origin reads slowly. Raises PeerGone."""
        if self.closed:
            raise PeerGone
        if self._request_chunked:
            self.transport.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))
        else:
            self.transport.write(piece)
        if self._answer is not None and not self._answer.done():
            self.set_read_by(self.origin_limits.first_byte_timeout_s)  # counted from the last byte that the origin was sent
        if not self.can_write:
            await self.drain()

    def end_request(self, trailers: Fields) -> None:
        """The request's content is complete."""
        self._request_sent = True
        if self._request_chunked and not self.closed:
            self.transport.write(last_chunk(trailers))

    async def response(self) -> ResponseHead:
        """The final response's head; its content is `incoming` (None: there is none). Raises Broken when none came."""
        assert self._answer is not None
        return await self._answer

    @property
    def untouched(self) -> bool:
        """Has the origin sent nothing at all in answer to this request? Then a reused connection may simply have been closed before."""
        return not self._any_byte

    @property
    def is_clean(self) -> bool:
        """May another request be sent on this connection?"""
        return (
            self._persistent
            and self._request_sent
            and self.content is None
            and (self.incoming is None or self.incoming.complete)
            and not self.buffer
            and not self.closed
            and not self.peer_ended
            and not self.transport.is_closing()
        )

    def rest(self, idle_timeout_s: float) -> None:
        """Idle from now on; closed after `idle_timeout_s`, before the origin would do so."""
        self._answer = None
        self._on_interim = None
        self.incoming = None
        self.resume_reading()
        self.set_read_by(idle_timeout_s)

    # what arrives

    def head_received(self, data: bytes) -> None:
        """Bytes of a response's head, or bytes that nobody asked for."""
        self._any_byte = True
        answer = self._answer
        if answer is None or answer.done():
            if self.incoming is None or self.incoming.complete or self.incoming.failed:
                self._persistent = False
                if answer is None:
                    self.abort()  # on an idle connection: the rule at the top of this file
                else:
                    self.buffer += data[:1]  # behind a complete answer: the connection is not used again
                    self.pause_reading()
            return
        self.buffer += data
        while not answer.done():
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0 or end > self.limits.head_bytes:
                self._judge_unfinished(end)
                return
            head = parse_response_head(bytes(self.buffer[:end]), self.limits)
            del self.buffer[: end + 4]
            if isinstance(head, Problem):
                self._fail(head)
            elif head.status < 200 and head.status != 101:
                self._interim(head)
            else:
                self._final(head)

    def _judge_unfinished(self, end: int) -> None:
        if len(self.buffer) > self.limits.head_bytes or end >= 0:
            limit = self.limits.head_bytes
            self._fail(failed(ProxyError.HTTP_RESPONSE_HEADER_SECTION_SIZE, f"the head of the origin's answer has more than {limit} bytes"))
        elif self.buffer[:5] != b"HTTP/"[: len(self.buffer)]:
            shown = bytes(self.buffer[:20]).decode("latin-1")
            self._fail(failed(ProxyError.HTTP_PROTOCOL_ERROR, f"the origin's answer begins with {shown!a}, which is not HTTP"))
        elif self.buffer.count(b"\n") != self.buffer.count(b"\r\n"):
            self._fail(failed(ProxyError.HTTP_PROTOCOL_ERROR, "the origin ends lines of its head with a bare LF instead of CRLF"))

    def _interim(self, head: ResponseHead) -> None:
        self._interims += 1
        if self._interims > INTERIM_LIMIT:
            self._fail(failed(ProxyError.HTTP_PROTOCOL_ERROR, f"the origin sent more than {INTERIM_LIMIT} interim responses"))
            return
        self.set_read_by(self.origin_limits.first_byte_timeout_s)
        if self._on_interim is not None:
            self._on_interim(head)

    def _final(self, head: ResponseHead) -> None:
        assert self._answer is not None
        framing = 0 if head.status == 101 else response_framing(self._method, head)
        if isinstance(framing, Problem):
            self._fail(framing)
            return
        self.framing = framing
        self._persistent = keeps_alive(head.minor, head.fields) and framing != UNTIL_CLOSE and head.status != 101
        self._note_keep_alive(head)
        self.set_read_by(NEVER)
        if head.status == 101:
            self.pause_reading()  # what follows is another protocol's; join_tunnel takes it from the buffer
        elif framing != 0:
            rest = bytes(self.buffer)
            self.buffer.clear()
            self.incoming = self.expect_content(framing)
            self.set_read_by(self.read_timeout_s)
            if rest and (rest := self.content_received(rest)):
                self._persistent = False
        elif self.buffer:
            self._persistent = False
        self._answer.set_result(head)

    def _note_keep_alive(self, head: ResponseHead) -> None:
        """Node and others say after how many idle seconds they close (`Keep-Alive: timeout=5`); staying below avoids the race."""
        self.idle_timeout_s = self.origin_limits.idle_timeout_s
        for value in values(head.fields, b"keep-alive"):
            for member in value.lower().split(b","):
                name, _, seconds = member.strip().partition(b"=")
                if name == b"timeout" and seconds.isdigit() and len(seconds) < 9:
                    self.idle_timeout_s = min(self.idle_timeout_s, max(0.0, int(seconds) - 1.0))

    # what goes wrong

    def _fail(self, problem: Problem) -> None:
        self._persistent = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Broken(problem))
            self._answer.exception()  # mark as seen: the fetch may be gone already
        self.fail_content(problem)
        self.abort()

    def bad_chunks(self, wrong: str) -> Problem:
        """Malformed chunks from the origin."""
        self._persistent = False
        return failed(ProxyError.HTTP_RESPONSE_TRANSFER_CODING, f"origin: {wrong}")

    def ended(self) -> bool:
        """The origin has closed: the clean end of a close-delimited answer, a broken end of any other."""
        self.end_of_stream()
        self._persistent = False
        return False

    def lost(self) -> None:
        """The connection is gone."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Broken(failed(ProxyError.CONNECTION_TERMINATED)))
            self._answer.exception()
        self.fail_content(failed(ProxyError.HTTP_RESPONSE_INCOMPLETE, "the origin closed the connection inside its answer"))
        if self.on_closed is not None:
            self.on_closed(self)

    def read_deadline_passed(self) -> None:
        """The origin was silent for too long."""
        if self._answer is None:
            self.close()
        elif not self._answer.done():
            limit = self.origin_limits.first_byte_timeout_s
            self._fail(failed(ProxyError.HTTP_RESPONSE_TIMEOUT, f"no answer from the origin for {limit:g} s (first_byte_timeout_s)"))
        else:
            limit = self.read_timeout_s
            self._fail(failed(ProxyError.CONNECTION_READ_TIMEOUT, f"the origin was silent for {limit:g} s inside its answer"))

    def write_deadline_passed(self) -> None:
        """The origin took nothing of the request for too long."""
        self._fail(failed(ProxyError.CONNECTION_WRITE_TIMEOUT, f"the origin took nothing of the request for {self.send_timeout_s:g} s"))


def render_request_head(head: RequestHead) -> bytes:
    """A request head as bytes, always as HTTP/1.1: that is what the edge speaks, whatever its client does (RFC 9110 2.5)."""
    lines = [b"%s %s HTTP/1.1\r\n" % (head.method, head.target)]
    lines.extend(line + b"\r\n" for line, _, _ in head.fields)
    lines.append(b"\r\n")
    return b"".join(lines)
