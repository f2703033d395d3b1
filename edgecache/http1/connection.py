"""What both sides of the edge share: one connection, the content of the message that arrives on it, backpressure and deadlines.

Rules of this file
- Reading stops when what has arrived but was not taken exceeds `buffer_bytes`, and goes on when half of it was taken. So a slow peer
  on one side slows the other down, and memory stays bounded.
- Time-outs are numbers: `read_by` and `write_by`. The sweeper looks at the nearer of the two (`deadline`).
- Writing waits (`drain`) while the transport holds more than its high-water mark.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import sys
import termios
from typing import Final, cast

from edgecache.http1.chunked import ChunkedDecoder
from edgecache.http1.framing import CHUNKED, UNTIL_CLOSE
from edgecache.http1.head import HeadLimits
from edgecache.http1.incoming import Incoming
from edgecache.http1.problem import PeerGone, Problem
from edgecache.http1.sweeper import NEVER, Sweeper
from edgecache.semantics.message import Fields

LINGER_ZERO: Final = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """One connection, either side. Subclasses say what a head means and what happens when a deadline passes or the peer leaves."""

    transport: asyncio.Transport

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sweeper: Sweeper, limits: HeadLimits, buffer_bytes: int, send_timeout_s: float
    ) -> None:
        self.loop = loop
        self.sweeper = sweeper
        self.limits = limits
        self.buffer_bytes = buffer_bytes
        self.send_timeout_s = send_timeout_s
        self.buffer = bytearray()  # bytes that belong to no message yet: an unfinished head, or messages behind the current one
        self.content: Incoming | None = None  # of the message that is arriving
        self.closed = False
        self.tunnel: Connection | None = None  # the other side, once both speak another protocol
        self.read_by = NEVER
        self.write_by = NEVER
        self.deadline = NEVER
        self.peer_ended = False  # the peer has closed its sending side
        self.bytes_in = 0
        self._left = 0
        self._decoder: ChunkedDecoder | None = None
        self._reading = True
        self._drain_waiter: asyncio.Future[None] | None = None
        self._write_paused = False
        self._unsent = 0
        self.read_timeout_s = NEVER

    # the life of the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection is up."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports have its methods, not its class
        self.sweeper.watch(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is gone, by whomever."""
        self.closed = True
        self.sweeper.forget(self)
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)
        if self.tunnel is not None:
            other, self.tunnel = self.tunnel, None
            other.tunnel = None
            other.close()
        self.lost()

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes have come."""
        self.bytes_in += len(data)
        if self.tunnel is not None:
            self._tunnel_received(data)
            return
        if self.content is not None:
            data = self.content_received(data)
            if not data:
                return
        self.head_received(data)

    def eof_received(self) -> bool | None:
        """asyncio: the peer will send no more. True keeps our side open for the answer."""
        self.peer_ended = True
        keep = self.ended() if self.tunnel is None else self._tunnel_ended(self.tunnel)
        if not keep:
            self.close()  # asyncio would close by itself, but without a deadline for a peer that takes nothing more
        return keep

    def pause_writing(self) -> None:
        """asyncio: the peer takes less than we write."""
        self._write_paused = True
        self._unsent = self._untaken_bytes()
        self.write_by = self.sweeper.monotonic() + self.send_timeout_s
        self._nearer_deadline()
        if self.tunnel is not None:
            self.tunnel.pause_reading()

    def resume_writing(self) -> None:
        """asyncio: the peer has caught up."""
        self._write_paused = False
        self.write_by = NEVER
        self._nearer_deadline()
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)
        if self.tunnel is not None:
            self.tunnel.resume_reading()
        else:
            self.writable()

    # for subclasses to say

    def head_received(self, data: bytes) -> None:
        """Bytes that are not content have come: (part of) a head, or something behind the message in hand."""
        raise AssertionError("subclass")

    def ended(self) -> bool:
        """The peer will send no more; True keeps our side open."""
        raise AssertionError("subclass")

    def lost(self) -> None:
        """The connection is gone: fail what depends on it."""
        raise AssertionError("subclass")

    def read_deadline_passed(self) -> None:
        """The peer did not send in time."""
        raise AssertionError("subclass")

    def write_deadline_passed(self) -> None:
        """The peer did not take anything for too long."""
        self.abort()

    def content_ended(self) -> None:
        """The content in hand is complete or broken."""

    def content_unwanted(self) -> None:
        """Nobody takes the content in hand any more."""

    def writable(self) -> None:
        """The peer takes bytes again."""

    # deadlines

    def set_read_by(self, seconds: float) -> None:
        """The peer must send something (or finish its head) within `seconds` from now; NEVER: it need not."""
        self.read_by = self.sweeper.monotonic() + seconds
        self.deadline = self.read_by if self.read_by < self.write_by else self.write_by

    def _nearer_deadline(self) -> None:
        self.deadline = self.read_by if self.read_by < self.write_by else self.write_by

    def deadline_passed(self, now: float) -> None:
        """The sweeper: a deadline lies behind `now`."""
        if self.write_by < now:
            unsent = self._untaken_bytes()
            if unsent < self._unsent:  # slow but alive: the time-out is for peers that take nothing at all
                self._unsent = unsent
                self.write_by = now + self.send_timeout_s
            else:
                self.write_by = NEVER
                self.write_deadline_passed()
        if self.read_by < now:
            self.read_by = NEVER
            if self.tunnel is not None:
                self.tunnel.close()
                self.close()
            else:
                self.read_deadline_passed()
        self._nearer_deadline()

    # the content of the message that arrives

    def expect_content(self, framing: int) -> Incoming:
        """From now on bytes are content, framed like this, until its end."""
        self.content = Incoming(self)
        self._left = framing
        self._decoder = ChunkedDecoder(self.limits.head_bytes, self.limits.fields) if framing == CHUNKED else None
        return self.content

    def content_received(self, data: bytes) -> bytes:
        """Take what belongs to the content from `data`; returns what lies behind its end."""
        content = self.content
        assert content is not None
        if self._decoder is not None:
            rest = self._chunks_received(content, self._decoder, data)
        elif self._left == UNTIL_CLOSE:
            content.feed(data)
            rest = b""
        else:
            rest = b""
            if len(data) > self._left:
                data, rest = data[: self._left], data[self._left :]
            self._left -= len(data)
            if data:
                content.feed(data)
            if not self._left:
                self._end_content(content, [])
        if self.content is not None:
            if content.held_bytes > self.buffer_bytes:
                self.pause_reading()
            else:
                self.set_read_by(self.read_timeout_s)
        return rest

    def _chunks_received(self, content: Incoming, decoder: ChunkedDecoder, data: bytes) -> bytes:
        pieces: list[bytes] = []
        wrong = decoder.feed(data, pieces)
        if pieces:  # as one: a peer that sends chunks of two bytes must not cause an object and a write for each
            content.feed(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if wrong is not None:
            self.fail_content(self.bad_chunks(wrong))
            return b""
        if decoder.done:
            self._end_content(content, decoder.trailers)
            return decoder.rest
        return b""

    def bad_chunks(self, wrong: str) -> Problem:
        """The Problem for content whose chunks are malformed."""
        raise AssertionError("subclass")

    def end_of_stream(self) -> None:
        """The peer has ended its side: the clean end of close-delimited content, a broken end of any other (then the caller fails it)."""
        if self.content is not None and self._decoder is None and self._left == UNTIL_CLOSE:
            self._end_content(self.content, [])

    def _end_content(self, content: Incoming, trailers: Fields) -> None:
        self.content = None
        self._decoder = None
        self.set_read_by(NEVER)
        content.finish(trailers)
        self.resume_reading()
        self.content_ended()

    def fail_content(self, problem: Problem) -> None:
        """The content in hand has no clean end; nothing that follows on this connection can be trusted."""
        content, self.content = self.content, None
        self._decoder = None
        self.set_read_by(NEVER)
        if content is not None:
            content.fail(problem)
            self.content_ended()

    def content_taken(self, held_bytes: int) -> None:
        """The reader took a piece; `held_bytes` still wait for it."""
        if not self._reading and held_bytes <= self.buffer_bytes // 2:
            self.resume_reading()
            self.set_read_by(self.read_timeout_s)

    def pause_reading(self) -> None:
        """Take nothing from the peer for now. Then a deadline for its sending would blame it for our slowness: none."""
        if self._reading and not self.closed:
            self._reading = False
            self.set_read_by(NEVER)
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take from the peer again."""
        if not self._reading and not self.closed and not self.transport.is_closing():
            self._reading = True
            self.transport.resume_reading()

    # writing

    @property
    def can_write(self) -> bool:
        """Would a write go out without waiting?"""
        return not self._write_paused

    def _untaken_bytes(self) -> int:
        """What was written and the peer has not taken yet, here and in the kernel.

        The kernel holds megabytes and asks for more only when a third of them has gone: of a slow peer nothing else is seen for minutes.
        """
        in_kernel = 0
        handle = self.transport.get_extra_info("socket")
        if handle is not None:
            with contextlib.suppress(OSError, ValueError):  # where sockets do not say (macOS), the transport's own bytes must do
                in_kernel = int.from_bytes(fcntl.ioctl(handle.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        return self.transport.get_write_buffer_size() + in_kernel

    async def drain(self) -> None:
        """Wait until the peer has taken enough of what was written. Raises PeerGone when it has left."""
        if self._write_paused and not self.closed:
            self._drain_waiter = self.loop.create_future()
            try:
                await self._drain_waiter
            finally:
                self._drain_waiter = None
        if self.closed or self.transport.is_closing():
            raise PeerGone

    def close(self) -> None:
        """Close once everything written has gone out; a peer that takes nothing more is cut off after the send time-out."""
        if not self.closed and not self.transport.is_closing():
            self._unsent = self._untaken_bytes()
            self.write_by = self.sweeper.monotonic() + self.send_timeout_s
            self.set_read_by(NEVER)
            self.transport.close()

    def abort(self) -> None:
        """Close at once; what was written but not sent is lost, and the peer is told so."""
        if not self.closed:
            if self.transport.get_write_buffer_size():
                self.reset()
            else:
                self.transport.abort()

    def reset(self) -> None:
        """Close at once and so that the peer notices: RST instead of FIN.

        A close-delimited message that is cut must not look complete, and FIN is just what completes it.
        """
        if not self.closed:
            handle = self.transport.get_extra_info("socket")
            if handle is not None and handle.family in (socket.AF_INET, socket.AF_INET6):
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
            self.transport.abort()

    # another protocol

    def join_tunnel(self, other: Connection, timeout_s: float) -> None:
        """From now on whatever arrives on either side goes out on the other, byte for byte, both ways, until both have ended."""
        self.tunnel, other.tunnel = other, self
        for one, two in ((self, other), (other, self)):
            one.read_timeout_s = timeout_s
            one.set_read_by(timeout_s)
            early = bytes(one.buffer)
            one.buffer.clear()
            if early:
                one._tunnel_received(early)
            if two._write_paused:
                one.pause_reading()
            else:
                one.resume_reading()
            if one.peer_ended and not one._tunnel_ended(two):
                one.close()

    def _tunnel_received(self, data: bytes) -> None:
        other = self.tunnel
        assert other is not None
        other.transport.write(data)
        # traffic in either direction keeps both alive
        self.set_read_by(self.read_timeout_s)
        other.set_read_by(self.read_timeout_s)

    def _tunnel_ended(self, other: Connection) -> bool:
        """The peer sends no more through the tunnel: pass that on. True keeps our side open for what still comes the other way."""
        if other.peer_ended or not (self.transport.can_write_eof() and other.transport.can_write_eof()):
            other.close()  # both directions have ended; or TLS, which has no half close
            return False
        other.transport.write_eof()
        return True
