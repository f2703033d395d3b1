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
from collections.abc import Callable
from dataclasses import dataclass

from edgecache.clock import Clock
from edgecache.http1.incoming import Incoming
from edgecache.http1.origin import OriginConnection
from edgecache.http1.pool import Pool
from edgecache.http1.problem import Broken, PeerGone, Problem, failed
from edgecache.http1.sweeper import NEVER
from edgecache.http1.tasks import Tasks
from edgecache.semantics.message import Fields, RequestHead, ResponseHead, first
from edgecache.semantics.proxy_status import ProxyError
from edgecache.store.spool import Spool

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))  # RFC 9110 9.2.2


@dataclass(frozen=True, slots=True)
class FetchParts:
    """What every fetch of an edge needs."""

    pool: Pool
    tasks: Tasks
    clock: Clock
    loop: asyncio.AbstractEventLoop
    buffer_bytes: int
    object_bytes: int


class Fetch:
    """A request on its way to the origin and back.

    arrived        done when the origin has answered or failed: the final response's head, or the Problem
    spool          the content, from when `arrived` holds a head
    position, start, request_time, response_time, offset_s    see StoredResponse
    on_head        called with the head, in the step in which it arrives and whether or not the client is still there: shall the content be
                   kept? Then `completed` is called once all of it has come. Without it the fetch ends when the client leaves.
    """

    def __init__(
        self,
        parts: FetchParts,
        position: int,
        head: RequestHead,
        framing: int,
        content: Incoming | None,
        on_interim: Callable[[ResponseHead], None] | None,
    ) -> None:
        self._parts = parts
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
        self.on_head: Callable[[ResponseHead], bool] | None = None
        self.completed: Callable[[ResponseHead, tuple[bytes, ...]], None] | None = None
        self.arrived: asyncio.Future[ResponseHead | Problem] = parts.loop.create_future()
        self.connection: OriginConnection | None = None
        self.framing = 0  # of the answer's content
        self.spool = Spool(parts.buffer_bytes, parts.object_bytes, storable=False)
        self.reused = False

    def begin(self) -> None:
        """Ask. The answer's head comes with `arrived`."""
        self._task = self._parts.tasks.start(self._run(), f"fetch {self._head.method.decode('latin-1')}")

    def client_left(self) -> None:
        """Nobody reads the answer any more; the fetch goes on while its head is waited for, or its content is to be stored.

        One that still waits for a connection has asked nothing and changed nothing: it gives its place back.
        """
        self.spool.reader_left()
        asked = self.connection is not None
        undecided = asked and self.on_head is not None and not self.arrived.done()
        if not undecided and not self.spool.storable and not self.spool.complete and self._task is not None:
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
            await self._receive(head)
            if self._upload is not None and self._content is not None and self._content.wanted:
                await self._upload  # the answer was complete before the request: an origin that stays open takes the rest
            self._end_upload()
            assert self.connection is not None
            self._parts.pool.release(self.connection)
            clean = True
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

    async def _ask(self) -> ResponseHead:
        """The head of the final answer; on a reused connection that turned out to be dead an idempotent request is sent once more.

        RFC 9110 9.2.2, 9112 9.3.1: not a request with content, which is gone, and not one that the origin has begun to answer.
        """
        connection = await self._parts.pool.acquire()
        try:
            return await self._ask_on(connection)
        except Broken as broken:
            died = connection.reused and connection.untouched and broken.problem.error is ProxyError.CONNECTION_TERMINATED
            if not died or self._framing != 0 or self._head.method not in IDEMPOTENT:
                raise
        return await self._ask_on(await self._parts.pool.acquire(fresh=True))

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
        if self._content is not None:
            self._content.wanted = connection.reads_on
        keep = self.on_head is not None and self.on_head(head) and self.framing <= parts.object_bytes
        left = self.spool.abandoned
        self.spool = Spool(parts.buffer_bytes, parts.object_bytes, storable=keep)
        if left:
            self.spool.reader_left()
        if head.status == 101:
            parts.pool.discount(connection)
        elif is_event_stream(head.fields):
            # Events may be hours apart, and a page holds one stream each: neither the silence nor the number is a fault.
            connection.read_timeout_s = NEVER
            connection.set_read_by(NEVER)
            parts.pool.discount(connection)

    async def _receive(self, head: ResponseHead) -> None:
        assert self.connection is not None
        incoming = self.connection.incoming
        spool = self.spool
        if incoming is None:
            spool.finish([])
        else:
            while piece := await incoming.read():
                spool.append(piece)
                if not spool.storable:
                    if spool.abandoned:
                        raise asyncio.CancelledError
                    await spool.room()
            spool.finish(incoming.trailers)
        if spool.storable and self.completed is not None:
            self.completed(head, spool.body())

    def _failed(self, problem: Problem) -> None:
        if not self.arrived.done():
            self.arrived.set_result(problem)
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
