"""The origin's side: one connection to the origin, one request at a time on it, and what can go wrong mapped to RFC 9209's error types.

A connection is used again only after a clean end of both messages, and a byte that arrives on an idle one closes it: it would become
the beginning of the next request's answer (RFC 9112 9.3).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from collections.abc import Callable
from dataclasses import dataclass

from edgecache.http1.chunked import last_chunk
from edgecache.http1.connection import Connection
from edgecache.http1.framing import CHUNKED, UNTIL_CLOSE, keeps_alive, response_framing
from edgecache.http1.head import HeadLimits, parse_response_head
from edgecache.http1.incoming import Incoming
from edgecache.http1.problem import Broken, PeerGone, Problem, failed
from edgecache.http1.sweeper import NEVER, Sweeper
from edgecache.semantics.message import Fields, RequestHead, ResponseHead, values
from edgecache.semantics.proxy_status import ProxyError

LAST_WORDS_BYTES = 64 * 1024
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
        self._may_switch = False
        self._waits_for_100 = False

    # asking

    def ask(self, request: RequestHead, request_framing: int, on_interim: Callable[[ResponseHead], None] | None) -> None:
        """Send a request's head. Content follows by `send` and `end_request` when `request_framing` says that there is some."""
        self._method = request.method
        self._may_switch = any(name == b"upgrade" for _, name, _ in request.fields)
        self._waits_for_100 = request_framing != 0 and any(name == b"expect" for _, name, _ in request.fields)
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
        self.transport.write(render_request_head(request))
        self._await_answer()

    async def send(self, piece: bytes) -> None:
        """A piece of the request's content, not empty; waits while the origin reads slowly. Raises PeerGone."""
        if self.closed or self.transport.is_closing():
            raise PeerGone
        if self._waits_for_100:
            self._waits_for_100 = False
            self._await_answer()
        if self._request_chunked:
            self.transport.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))
        else:
            self.transport.write(piece)
        if not self.can_write:
            await self.drain()

    def end_request(self, trailers: Fields) -> None:
        """The request's content is complete."""
        self._request_sent = True
        if self._request_chunked and not self.closed:
            self.transport.write(last_chunk(trailers))
        self._await_answer()

    def _await_answer(self) -> None:
        """It is the origin's turn once it has all of the request, or its consent is waited for. Until then nobody can blame it: a client
        that sends slowly has a deadline of its own, and an origin that does not read has `write_by`."""
        if self._waits_for_answer:
            theirs = self._request_sent or self._waits_for_100
            self.set_read_by(self.origin_limits.first_byte_timeout_s if theirs else NEVER)

    async def response(self) -> ResponseHead:
        """The final response's head; its content is `incoming` (None: there is none). Raises Broken when none came."""
        assert self._answer is not None
        return await self._answer

    @property
    def _waits_for_answer(self) -> bool:
        return self._answer is not None and not self._answer.done()

    @property
    def untouched(self) -> bool:
        """Has the origin sent nothing at all in answer to this request? Then a reused connection may simply have been closed before."""
        return not self._any_byte

    @property
    def reads_on(self) -> bool:
        """Will the origin take what is left of the request after this answer? Not when it closes, and not when it has answered in place of
        the 100 that the client waits for: that may not send its content any more, or not know whether to (RFC 9110 10.1.1)."""
        return self._persistent and not self.peer_ended and not self.closed and not self._waits_for_100

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

    @property
    def is_quiet(self) -> bool:
        """Is there nothing to read, neither bytes nor an end? What came before a request was sent is no answer to it, and the loop may not
        have looked yet. With TLS only the loop can tell: the server's tickets are bytes, too."""
        if self.closed or self.peer_ended or self.transport.is_closing():
            return False
        handle = self.transport.get_extra_info("socket")
        if handle is None or self.transport.get_extra_info("ssl_object") is not None:
            return True
        poll = select.poll()
        poll.register(handle.fileno(), select.POLLIN)
        return not poll.poll(0)

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
        if len(self.buffer) > self.limits.head_bytes + 3 or end >= 0:  # of the empty line, three bytes may be here already
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
        if head.status == 100:
            self._waits_for_100 = False
        self._await_answer()
        if self._on_interim is not None:
            self._on_interim(head)

    def _final(self, head: ResponseHead) -> None:
        assert self._answer is not None
        if head.status == 101 and not self._may_switch:
            self._fail(failed(ProxyError.HTTP_UPGRADE_FAILED))
            return
        if head.status == 101 and not self._request_sent:  # RFC 9110 7.8: what is content and what is the new protocol's, nobody could tell
            self._fail(failed(ProxyError.HTTP_UPGRADE_FAILED, "the origin switched protocols before it had the whole request"))
            return
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
            self.set_read_by(self.read_timeout_s)  # unless the client has left and there is nothing to join
        elif framing != 0:
            rest = bytes(self.buffer)
            self.buffer.clear()
            self.incoming = self.expect_content(framing)
            self.set_read_by(self.read_timeout_s)
            if rest and self.content_received(rest):
                self._persistent = False
            if self.incoming.problem is not None:  # known before anything was passed on: an error says more than a torn answer
                self._fail(self.incoming.problem)
                return
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

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is gone. When a write failed, the origin's last words may not have been read yet."""
        if exc is not None and not self.peer_ended and self.tunnel is None and (self.content is not None or self._waits_for_answer):
            self._read_last_words()
        super().connection_lost(exc)

    def _read_last_words(self) -> None:
        """An origin that refuses an upload answers, closes, and resets the connection when more comes. The loop gives up as soon as a write
        meets that reset, while the answer still lies in the kernel: one upload in four would end with 502 in place of the 413."""
        handle = self.transport.get_extra_info("socket")
        if handle is None or self.transport.get_extra_info("ssl_object") is not None:
            return
        with contextlib.suppress(OSError):
            while data := os.read(handle.fileno(), LAST_WORDS_BYTES):
                self.data_received(data)

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
            begun = failed(ProxyError.HTTP_RESPONSE_INCOMPLETE, "the origin closed the connection inside the head of its answer")
            self._answer.set_exception(Broken(begun if self.buffer else failed(ProxyError.CONNECTION_TERMINATED)))
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
            what = "the head of the origin's answer was not complete after" if self.buffer else "no answer from the origin for"
            self._fail(failed(ProxyError.HTTP_RESPONSE_TIMEOUT, f"{what} {limit:g} s (first_byte_timeout_s)"))
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
