"""The content of a message while it arrives: between the connection that it comes in on and the one who reads it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from edgecache.http1.problem import Broken, Problem
from edgecache.semantics.message import Fields

if TYPE_CHECKING:
    from edgecache.http1.connection import Connection


class Incoming:
    """The content of one message while it arrives. Pieces go out in order, each once; `complete` says that the last one has come."""

    __slots__ = ("_connection", "_failure", "_pieces", "_waiter", "complete", "held_bytes", "total_bytes", "trailers", "wanted")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._failure: Problem | None = None
        self.held_bytes = 0
        self.total_bytes = 0
        self.complete = False
        self.wanted = False  # does somebody take it to its end, even when an answer to it was complete before?
        self.trailers: Fields = []

    async def read(self) -> bytes:
        """The next piece, or b"" at the clean end. Raises Broken when the message ended otherwise."""
        while not self._pieces:
            if self._failure is not None:
                raise Broken(self._failure)
            if self.complete:
                return b""
            self._waiter = self._connection.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        piece = self._pieces.popleft()
        self.held_bytes -= len(piece)
        if not self.complete:
            self._connection.content_taken(self.held_bytes)
        return piece

    def feed(self, piece: bytes) -> None:
        """A piece has arrived."""
        if self._failure is not None:
            return
        self._pieces.append(piece)
        self.held_bytes += len(piece)
        self.total_bytes += len(piece)
        self._wake()

    def unwanted(self) -> None:
        """Whoever took it takes no more."""
        if self.wanted:
            self.wanted = False
            self._connection.content_unwanted()

    def drop(self, problem: Problem) -> None:
        """Nobody is to read it any more: what is here and what comes is thrown away, and whoever still reads gets `problem`."""
        self.fail(problem)
        self._pieces.clear()
        self.held_bytes = 0

    def finish(self, trailers: Fields) -> None:
        """The end has come, cleanly."""
        if self._failure is not None:
            return
        self.trailers = trailers
        self.complete = True
        self._wake()

    def fail(self, problem: Problem) -> None:
        """There will be no clean end. What has arrived can still be read."""
        if not self.complete and self._failure is None:
            self._failure = problem
            self._wake()

    @property
    def failed(self) -> bool:
        """Did the message end before it was complete?"""
        return self._failure is not None

    @property
    def problem(self) -> Problem | None:
        """Why there will be no clean end, as far as that is known already."""
        return self._failure

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
