"""The spool: the content of one origin answer on its way from the fetch that receives it to those who read and store it.

While it may be stored everything is kept, and the origin is read as fast as it sends, however slow the client is. Once it is not to be
stored, only what the reader has not taken yet is kept, and the writer waits while that is more than the buffer limit.

Waiting is on conditions that are looked at again after each waking, and nothing is taken before the last await: whoever is cancelled
while waiting has taken nothing. The reader's place is an object of its own, so that several can read.
"""

from __future__ import annotations

import asyncio

from edgecache.semantics.message import Fields

# Neighbouring pieces are joined up to this length: a million tiny chunks must not cost a million objects that nobody accounts for.
JOIN_BYTES = 16 * 1024


class _Bell:
    """Wakes all who wait. Each has a future of its own: cancelling one waiter must not cancel the others."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)


class _Place:
    """How far a reader has come: in the piece with this index, `offset` bytes of it are taken."""

    __slots__ = ("gone", "index", "offset", "taken_bytes")

    def __init__(self) -> None:
        self.index = 0
        self.offset = 0
        self.taken_bytes = 0
        self.gone = False


class Spool:
    """Content between one writer, the fetch, and one reader.

    buffer_bytes  how far the writer may be ahead of the reader when the content is not stored
    object_bytes  up to how many bytes content may be stored
    storable      whether all of it is still kept; once False never True again
    size_bytes    how much was appended
    trailers      fields after the content; empty until it is complete
    """

    def __init__(self, buffer_bytes: int, object_bytes: int, *, storable: bool = True) -> None:
        self.buffer_bytes = buffer_bytes
        self.object_bytes = object_bytes
        self.storable = storable
        self.size_bytes = 0
        self.trailers: Fields = []
        self.complete = False
        self._failure: Exception | None = None
        self._pieces: list[bytes] = []
        self._place = _Place()
        self._arrived = _Bell()
        self._freed = _Bell()

    # The writer's side.

    def append(self, piece: bytes) -> None:
        """Add the next piece of the content. Never waits: await `room()` before reading more from the origin. Ignored after the end."""
        if not piece or self._ended:
            return
        self.size_bytes += len(piece)
        if self.storable and self.size_bytes > self.object_bytes:
            self.give_up()
        if self.abandoned:
            return
        if self._pieces and len(self._pieces[-1]) + len(piece) <= JOIN_BYTES:
            self._pieces[-1] += piece
        else:
            self._pieces.append(piece)
        self._arrived.ring()

    async def room(self) -> None:
        """Return when the writer may go on: at once while the content is storable, else when the reader is near enough or has left."""
        while not (self.storable or self._ended or self._place.gone or self.unread_bytes <= self.buffer_bytes):
            await self._freed.wait()

    def finish(self, trailers: Fields) -> None:
        """The content is complete. The first end counts: nothing after `fail`."""
        if not self._ended:
            self.complete = True
            self.trailers = trailers
            self._ring_all()

    def fail(self, failure: Exception) -> None:
        """The content ends here, torn: the reader gets what arrived, then `failure`; it is never stored. Nothing after `finish`."""
        if not self._ended:
            self._failure = failure
            self.give_up()
            self._ring_all()

    def give_up(self) -> None:
        """The content is not to be stored: forget what was read; from now on the writer keeps to the reader's pace."""
        self.storable = False
        self._drop()

    @property
    def abandoned(self) -> bool:
        """Nobody reads it and nobody stores it: the fetch may as well be cancelled."""
        return self._place.gone and not self.storable

    def body(self) -> tuple[bytes, ...]:
        """All of the content, in pieces, to be stored. Only for one that is complete and storable; anything else is a defect."""
        if not (self.complete and self.storable):
            raise RuntimeError("only complete, storable content has a body to store")
        return tuple(self._pieces)

    # The reader's side.

    async def read(self) -> bytes:
        """The next piece of the content, b"" at its end. Raises what `fail` was given, after everything that had arrived."""
        place = self._place
        while True:
            piece = self._take(place)
            if piece:
                return piece
            if self._failure is not None:
                raise self._failure
            if self.complete:
                return b""
            await self._arrived.wait()

    def take(self) -> bytes:
        """What is at hand for the reader, without waiting; b"" when nothing is."""
        return self._take(self._place)

    def reader_left(self) -> None:
        """The reader will not come back: the writer no longer waits for it."""
        self._place.gone = True
        self._drop()
        self._freed.ring()

    @property
    def unread_bytes(self) -> int:
        """How far the writer is ahead of the reader."""
        return self.size_bytes - self._place.taken_bytes

    # Both.

    @property
    def _ended(self) -> bool:
        return self.complete or self._failure is not None

    def _ring_all(self) -> None:
        self._arrived.ring()
        self._freed.ring()

    def _take(self, place: _Place) -> bytes:
        """What comes after `place`, which moves on; b"" when nothing has arrived."""
        if place.index == len(self._pieces):
            return b""
        # A reader stays at the last piece even when it took all of it, since the piece may still grow.
        if place.offset == len(self._pieces[place.index]):
            if place.index + 1 == len(self._pieces):
                return b""
            place.index += 1
            place.offset = 0
        piece = self._pieces[place.index]
        if place.offset:
            piece = piece[place.offset :]
        place.offset += len(piece)
        place.taken_bytes += len(piece)
        self._drop()
        self._freed.ring()
        return piece

    def _drop(self) -> None:
        """Forget what nobody will ask for again."""
        if self.storable:
            return
        place = self._place
        if place.gone:
            self._pieces.clear()
            return
        passed = place.index
        if passed < len(self._pieces) and place.offset == len(self._pieces[passed]):
            passed += 1
            place.offset = 0
        del self._pieces[:passed]
        place.index = 0
