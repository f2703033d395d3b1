"""One question to the origin and its answer: a life of its own, so that a client who leaves does not end what is worth storing.

Rules of this file
- Position and start are taken before a connection is asked for: an invalidation that comes later covers what this fetch brings
  (docs/architecture.md, Positions).
- Content goes through a spool: at the origin's pace while it may be stored, at the client's otherwise.
- What nobody stores and nobody reads is cancelled.
- A connection is given back only after a clean end of both messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from edgecache.clock import Clock
from edgecache.http1.incoming import Incoming
from edgecache.http1.origin import OriginConnection
from edgecache.http1.pool import Pool
from edgecache.http1.problem import Broken, PeerGone, Problem, failed
from edgecache.http1.sweeper import NEVER, Sweeper
from edgecache.http1.tasks import Tasks
from edgecache.semantics.message import Fields, RequestHead, ResponseHead, first
from edgecache.semantics.proxy_status import ProxyError
from edgecache.store.spool import Spool

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))  # RFC 9110 9.2.2


@dataclass(frozen=True, slots=True)
class FetchParts:
    """What every fetch of an edge needs."""

    tasks: Tasks
    clock: Clock
    loop: asyncio.AbstractEventLoop
    sweeper: Sweeper
    object_bytes: int
    stall_s: float
    new_spool: Callable[[bool], Spool]  # storable or not


class Fetch:
    """A request on its way to the origin and back.

    arrived        done when the origin has answered or failed: the final response's head, or the Problem
    head           the final response's head, from the step in which it arrives
    spool          the content, from when `arrived` holds a head
    reader         this fetch's own client's place in it
    position, start, request_time, response_time, offset_s    see StoredResponse
    on_head        called with the head, in the step in which it arrives and whether or not the client is still there: shall the content be
                   kept? Then `spooling` is called once the spool is there, `all_came` once all of the content is in it, so that readers
                   may have it, and `completed` once it can be stored: in the same step, unless a file is still being written. Without it
                   the fetch ends when the client leaves. It may call `goes_behind`.
    ended          called once nothing more will come of it, whatever it came to
    """

    def __init__(
        self,
        parts: FetchParts,
        pool: Pool,
        position: int,
        head: RequestHead,
        framing: int,
        content: Incoming | None,
        on_interim: Callable[[ResponseHead], None] | None,
    ) -> None:
        self._parts = parts
        self._pool = pool
        self._head = head
        self._framing = framing
        self._content = content
        self._on_interim = on_interim
        self._client_problem: Problem | None = None
        self._upload: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.position = position
        self.start = parts.clock.real_ns()
        self.offset_s = parts.clock.offset_s
        self.request_time = parts.clock.now()
        self.response_time = self.request_time
        self.began = parts.clock.monotonic()
        self.origin_s = 0.0  # from asking for a connection until the head was there
        self.shared = False  # others may be waiting for it
        self.deadline = NEVER
        self.on_head: Callable[[ResponseHead], bool] | None = None
        self.spooling: Callable[[], None] | None = None
        self.all_came: Callable[[], None] | None = None
        self.completed: Callable[[ResponseHead], None] | None = None
        self.ended: Callable[[], None] | None = None
        self.head: ResponseHead | None = None
        self.arrived: asyncio.Future[ResponseHead | Problem] = parts.loop.create_future()
        self.connection: OriginConnection | None = None
        self.framing = 0  # of the content in the spool
        self.spool = parts.new_spool(False)
        self.reader = self.spool.reader()
        self.reused = False
        self.torn = False  # its content has broken off, or will never come
        self._before: AsyncGenerator[bytes, None] | None = None
        self._length: int | None = None  # what the content has to come to, where the framing of the answer does not say it

    def begin(self) -> None:
        """Ask. The answer's head comes with `arrived`."""
        self._task = self._parts.tasks.start(self._run(), f"fetch {self._head.method.decode('latin-1')}")

    async def over(self) -> None:
        """Return when nothing more will come of it."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def client_left(self) -> None:
        """Its own client does not read any more; it goes on while its head is waited for, others read, or its content is to be stored.

        One that still waits for a connection has asked nothing and changed nothing: unless others wait for it, it gives its place back.
        """
        self.reader.leave()
        undecided = self.on_head is not None and not self.arrived.done() and (self.connection is not None or self.shared)
        if not undecided and self.spool.abandoned and not self.spool.complete:
            self.cancel()

    @property
    def all_arrived(self) -> bool:
        """Has all of the content come that is to be stored? It is stored a little later, when the last of it is in its file."""
        return self.spool.storable and (self.spool.complete or self.spool.size_bytes == self.framing)

    def goes_behind(self, before: AsyncGenerator[bytes, None], length: int) -> None:
        """The answer's content goes behind that of `before`, which may raise Broken; both come to `length` bytes, or are broken off."""
        self._before = before
        self._length = self.framing = length

    def deadline_passed(self, now: float) -> None:
        """The sweeper: has somebody been holding up the others for too long?"""
        if self.spool.readers > 1:  # one alone holds up nobody; the send time-out is for him
            self.spool.cut_laggards(now, self._parts.stall_s)
        self.deadline = now + 1.0

    def cancel(self) -> None:
        """Nobody wants the answer."""
        if self._task is not None:
            self._task.cancel()

    # the life of a fetch

    async def _run(self) -> None:
        clean = False
        try:
            head = await self._ask()
            self._note_answer(head)
            self.arrived.set_result(head)
            if head.status == 101:
                clean = True  # the connection is the tunnel's now
                return
            await self._receive()
            if self._upload is not None and self._content is not None and self._content.wanted:
                await self._upload  # the answer was complete before the request: an origin that stays open takes the rest
            self._end_upload()
            assert self.connection is not None
            self._pool.release(self.connection)
            clean = True
            await self._keep(head)
        except Broken as broken:
            self._failed(self._client_problem or broken.problem)
        except asyncio.CancelledError:
            self._failed(failed(ProxyError.CONNECTION_TERMINATED, "the client left before the answer"))
        finally:
            if not clean:
                self._end_upload()
                self._failed(failed(ProxyError.PROXY_INTERNAL_ERROR))  # says something only if nothing was said above: a defect
                if self.connection is not None:
                    self.connection.abort()
            self._parts.sweeper.forget(self)
            if self.ended is not None:
                self.ended()
            # Who was told refers to this fetch as this fetch to him: without the cut each miss would leave work for the garbage collector.
            self.on_head = self.spooling = self.all_came = self.completed = self.ended = self._on_interim = self._before = None

    async def _ask(self) -> ResponseHead:
        """The head of the final answer; on a reused connection that turned out to be dead an idempotent request is sent once more.

        RFC 9110 9.2.2, 9112 9.3.1: not a request with content, which is gone, and not one that the origin has begun to answer.
        """
        connection = await self._pool.acquire()
        try:
            return await self._ask_on(connection)
        except Broken as broken:
            died = connection.reused and connection.untouched and broken.problem.error is ProxyError.CONNECTION_TERMINATED
            if not died or self._framing != 0 or self._head.method not in IDEMPOTENT:
                raise
        return await self._ask_on(await self._pool.acquire(fresh=True))

    async def _ask_on(self, connection: OriginConnection) -> ResponseHead:
        self.connection = connection
        self.reused = connection.reused
        connection.ask(self._head, self._framing, self._on_interim)
        if self._content is not None:
            self._content.wanted = True
            self._upload = self._parts.tasks.start(self._send_content(connection, self._content), "upload")
        return await connection.response()

    async def _send_content(self, connection: OriginConnection, content: Incoming) -> None:
        try:
            while piece := await content.read():
                await connection.send(piece)
            connection.end_request(content.trailers)
        except PeerGone:
            return  # the origin reads no further; its answer, or the end of the connection, says why
        except Broken as broken:
            self._client_problem = broken.problem
            connection.abort()

    def _note_answer(self, head: ResponseHead) -> None:
        parts = self._parts
        connection = self.connection
        assert connection is not None
        self.origin_s = parts.clock.monotonic() - self.began
        self.offset_s = parts.clock.offset_s
        self.response_time = parts.clock.now()
        self.request_time = self.response_time - self.origin_s  # the delay is real time: a clock moved meanwhile is not in it
        self.framing = connection.framing
        self.head = head
        if self._content is not None:
            self._content.wanted = connection.reads_on
        keep = self.on_head is not None and self.on_head(head) and self.framing <= parts.object_bytes
        left = self.reader.gone
        self.spool = parts.new_spool(keep)
        self.reader = self.spool.reader()
        if left:
            self.reader.leave()
        if self.spooling is not None:
            self.spooling()
        if self.shared:  # one who reads slowly may hold up others, once the content is not stored any more
            self.deadline = parts.sweeper.monotonic() + 1.0
            parts.sweeper.watch(self)
        if head.status == 101:
            self._pool.discount(connection)
        elif is_event_stream(head.fields):
            # Events may be hours apart, and a page holds one stream each: neither the silence nor the number is a fault.
            connection.read_timeout_s = NEVER
            connection.set_read_by(NEVER)
            self._pool.discount(connection)

    async def _receive(self) -> None:
        assert self.connection is not None
        incoming = self.connection.incoming
        spool = self.spool
        if self._before is not None:
            async with aclosing(self._before) as before:
                async for piece in before:
                    await self._take(piece)
        while incoming is not None and (piece := await incoming.read()):
            await self._take(piece)
        if self._length is not None and spool.size_bytes != self._length:
            raise Broken(failed(ProxyError.HTTP_RESPONSE_INCOMPLETE))
        spool.finish([] if incoming is None else incoming.trailers)

    async def _take(self, piece: bytes) -> None:
        """Put a piece of the content where it is read and kept; return when more may come."""
        spool = self.spool
        if self._length is not None and spool.size_bytes + len(piece) > self._length:
            raise Broken(failed(ProxyError.HTTP_PROTOCOL_ERROR, "the origin sent more than the part that it announced"))
        spool.append(piece)
        if spool.abandoned:
            raise asyncio.CancelledError
        await spool.room()

    async def _keep(self, head: ResponseHead) -> None:
        """All of the content is there. It is stored in the same step, unless a part of it is still on its way to a file."""
        if self.spool.storable and self.completed is not None:
            if self.all_came is not None:
                self.all_came()
            await self.spool.filed()
            if self.spool.storable:
                self.completed(head)

    def _failed(self, problem: Problem) -> None:
        if not self.arrived.done():
            self.arrived.set_result(problem)
        self.torn = not self.spool.complete
        self.spool.fail(Broken(problem))

    def _end_upload(self) -> None:
        """What the origin has not read of the request by now it does not want."""
        if self._upload is not None and not self._upload.done():
            self._upload.cancel()
        if self._content is not None:
            self._content.unwanted()


def is_event_stream(fields: Fields) -> bool:
    """Is this an endless stream of server-sent events (WHATWG HTML, 9.2)?"""
    kind = first(fields, b"content-type")
    return kind is not None and kind[:17].lower() == b"text/event-stream"
