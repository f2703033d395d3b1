"""The spool: the content of one origin answer on its way from the fetch that receives it to those who read and store it.

While it may be stored everything is kept, in memory up to a limit and beyond that in a file, and the origin is read as fast as it sends,
however slow the clients are. Once it is not to be stored, only what some reader has not taken yet is kept, nobody can join any more, and
the writer waits while the slowest reader is further behind than the buffer limit.

Waiting is on conditions that are looked at again after each waking, and nothing is taken before the last await: whoever is cancelled
while waiting has taken nothing. Each reader is an object of its own, at its own pace.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from edgecache.semantics.message import Fields
from edgecache.store.body import PIECE_BYTES, FileBody, MemoryBody
from edgecache.store.files import Shelf
from edgecache.store.filing import Filing
from edgecache.store.workers import Workers

# Neighbouring pieces are joined up to this length: a million tiny chunks must not cost a million objects that nobody accounts for.
JOIN_BYTES = 16 * 1024


class Lagging(Exception):
    """A reader took nothing for so long that the others were not made to wait for it any longer."""


class ReaderGone(RuntimeError):
    """The reader has left, on behalf of somebody who is gone; whoever still reads for him may stop."""


@dataclass(frozen=True, slots=True)
class SpoolFiles:
    """Where content goes that outgrows `memory_bytes`. `failed` hears, on the loop, why a file could not be written."""

    shelf: Shelf
    writer: Workers
    readers: Workers
    memory_bytes: int
    failed: Callable[[OSError], None]


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


class Reader:
    """Somebody who reads a spool from its beginning.

    taken_bytes  how far it has come
    gone         it left, or was cut: it holds up nobody
    """

    __slots__ = ("_on_cut", "_seen_at", "_seen_bytes", "_spool", "cut", "gone", "taken_bytes")

    def __init__(self, spool: Spool, on_cut: Callable[[], None] | None) -> None:
        self._spool = spool
        self._on_cut = on_cut
        self._seen_bytes = 0  # what it had taken when the writer was first seen waiting for it,
        self._seen_at: float | None = None  # and when that was
        self.taken_bytes = 0
        self.gone = False
        self.cut = False

    def take(self) -> bytes:
        """What is at hand in memory, without waiting; b"" when nothing is. That is no end: `read` says so."""
        return b"" if self.gone else self._spool._take(self)

    async def read(self) -> bytes:
        """The next piece of the content, b"" at its end.

        Raises what `Spool.fail` was given, after everything that had arrived; Lagging when this reader was cut; OSError when what was
        written to the spool's file cannot be read back.
        """
        return await self._spool._read(self)

    def leave(self) -> None:
        """The reader will not come back: the writer no longer waits for it."""
        self._spool._left(self)

    def _lags(self, now: float, stall_s: float) -> bool:
        """The writer waits for this reader at `now`: has it done so for `stall_s` without the reader taking anything?"""
        if self._seen_at is None or self._seen_bytes != self.taken_bytes:
            self._seen_at, self._seen_bytes = now, self.taken_bytes
        return now - self._seen_at >= stall_s


class Spool:
    """Content between one writer, the fetch, and its readers.

    buffer_bytes  how far the writer may be ahead of the slowest reader when the content is not stored
    object_bytes  up to how many bytes content may be stored
    storable      whether all of it is still kept; once False never True again
    size_bytes    how much was appended
    trailers      fields after the content; empty until it is complete
    files         None: everything is kept in memory
    """

    def __init__(self, buffer_bytes: int, object_bytes: int, *, storable: bool = True, files: SpoolFiles | None = None) -> None:
        self.buffer_bytes = buffer_bytes
        self.object_bytes = object_bytes
        self.storable = storable
        self.size_bytes = 0
        self.trailers: Fields = []
        self.complete = False
        self.on_given_up: Callable[[], None] | None = None  # told once, when content that was to be stored is not any more
        self._failure: Exception | None = None
        self._readers: list[Reader] = []
        # What is in memory: pieces, and where in the content each begins. It always reaches to the end of what has arrived.
        self._pieces: list[bytes] = []
        self._begins: list[int] = []
        self._arrived = _Bell()
        self._freed = _Bell()
        self._files = files
        self._filing: Filing | None = None  # since the content outgrew the memory
        self._filed_bytes = 0  # how much of the content is in the file
        self._given_bytes = 0  # how much of it was given to the thread that writes

    # The writer's side.

    def append(self, piece: bytes) -> None:
        """Add the next piece of the content. Never waits: await `room()` before reading more from the origin. Ignored after the end."""
        if not piece or self._ended:
            return
        begin = self.size_bytes
        self.size_bytes += len(piece)
        if self.storable and self.size_bytes > self.object_bytes:
            self.give_up()
        if self.abandoned:
            return
        if self._pieces and len(self._pieces[-1]) + len(piece) <= JOIN_BYTES:
            self._pieces[-1] += piece
        else:
            self._pieces.append(piece)
            self._begins.append(begin)
        if self.storable and self._files is not None and self._held_bytes > self._files.memory_bytes:
            self._write()
        self._arrived.ring()

    async def room(self) -> None:
        """Return when the writer may go on: at once while the content is storable and the disk keeps up; else when all readers are near."""
        while not (self._ended or self._has_room()):
            await self._freed.wait()

    def finish(self, trailers: Fields) -> None:
        """The content is complete. The first end counts: nothing after `fail`."""
        if not self._ended:
            self.complete = True
            self.trailers = trailers
            if self._filing is not None and self.storable:
                self._write()
            self._ring_all()

    def fail(self, failure: Exception) -> None:
        """The content ends here, torn: readers get what arrived, then `failure`; it is never stored. Nothing after `finish`."""
        if not self._ended:
            self._failure = failure
            self.give_up()
            self._ring_all()

    def give_up(self) -> None:
        """The content is not to be stored: forget what was read; from now on the writer keeps to the slowest reader's pace."""
        if self.storable and self.on_given_up is not None:
            self.on_given_up()
        self.storable = False
        self._drop()
        self._freed.ring()

    @property
    def abandoned(self) -> bool:
        """Nobody reads it and nobody stores it: the fetch may as well be cancelled. A new spool has no readers."""
        return not self._readers and not self.storable

    @property
    def is_filed(self) -> bool:
        """Is nothing on its way to the file any more?"""
        return not self.storable or self._filing is None or self._filed_bytes == self.size_bytes

    async def filed(self) -> None:
        """For complete content: return when nothing is on its way to the file any more. Whether it is storable is settled then."""
        while not self.is_filed:
            await self._freed.wait()

    def body(self) -> MemoryBody | FileBody:
        """All of the content, to be stored. Only for one that is complete, storable and filed; anything else is a defect."""
        if not (self.complete and self.storable):
            raise RuntimeError("only complete, storable content has a body to store")
        if self._filing is None:
            return MemoryBody(self._pieces)
        if self._filed_bytes < self.size_bytes:
            raise RuntimeError("the content is still on its way to its file: await filed()")
        assert self._files is not None
        return self._filing.body(self._files.readers)

    def cut_laggards(self, now: float, stall_s: float) -> int:
        """Cut the readers that have made the writer wait for `stall_s` and took nothing meanwhile; says how many. `now`: real seconds.

        For the sweeper: a reader is cut between `stall_s` and that plus the time between two calls.
        """
        laggards = []
        for reader in self._readers:
            if self._ended or self._has_room_for(reader):
                reader._seen_at = None
            elif reader._lags(now, stall_s):
                laggards.append(reader)
        for reader in laggards:
            reader.cut = True
            self._left(reader)
            if reader._on_cut is not None:
                reader._on_cut()
        if laggards:
            self._arrived.ring()
        return len(laggards)

    # The readers' side.

    @property
    def joinable(self) -> bool:
        """May somebody begin to read now? Only while all of the content is kept; not once it is known not to be stored."""
        return self.storable

    def reader(self, on_cut: Callable[[], None] | None = None) -> Reader:
        """A reader, at the beginning of the content. `on_cut` is called when `cut_laggards` cuts it; `read` raises then.

        For a spool that is not storable all readers have to ask before the first `append`; later it is a defect.
        """
        if not (self.storable or self.size_bytes == 0):
            raise RuntimeError("the beginning of the content is not kept: nobody can join")
        reader = Reader(self, on_cut)
        self._readers.append(reader)
        return reader

    @property
    def readers(self) -> int:
        """How many read it now."""
        return len(self._readers)

    @property
    def unread_bytes(self) -> int:
        """How far the writer is ahead of the slowest reader; 0 without readers."""
        return max((self.size_bytes - reader.taken_bytes for reader in self._readers), default=0)

    async def _read(self, reader: Reader) -> bytes:
        while True:
            if reader.cut:
                raise Lagging
            if reader.gone:
                raise ReaderGone("a reader that left reads on")  # an end without a sound would look like the end of the content
            piece = self._take(reader)
            if piece:
                return piece
            if reader.taken_bytes < self.size_bytes:
                return await self._read_back(reader)
            if self._failure is not None:
                raise self._failure
            if self.complete:
                return b""
            await self._arrived.wait()

    def _take(self, reader: Reader) -> bytes:
        """What comes next for `reader`, who moves on; b"" when it is not in memory."""
        taken = reader.taken_bytes
        if taken == self.size_bytes or not self._begins or taken < self._begins[0]:
            return b""
        index = bisect_right(self._begins, taken) - 1
        piece = self._pieces[index]
        offset = taken - self._begins[index]
        if offset:
            piece = piece[offset:]
        self._moved(reader, len(piece))
        return piece

    async def _read_back(self, reader: Reader) -> bytes:
        """What comes next for `reader` from the file; memory holds only later pieces."""
        assert self._filing is not None
        assert self._files is not None
        filing, offset = self._filing, reader.taken_bytes
        length = min(PIECE_BYTES, self._filed_bytes - offset)
        piece = await self._files.readers.call(lambda: filing.read(offset, length))
        if reader.cut:
            raise Lagging
        self._moved(reader, len(piece))
        return piece

    def _moved(self, reader: Reader, size: int) -> None:
        reader.taken_bytes += size
        if not self.storable:
            self._drop()
            self._freed.ring()

    def _left(self, reader: Reader) -> None:
        if not reader.gone:
            reader.gone = True
            self._readers.remove(reader)
            self._drop()
            self._freed.ring()
            self._arrived.ring()  # it may be waiting itself

    # Both.

    @property
    def _ended(self) -> bool:
        return self.complete or self._failure is not None

    @property
    def _held_bytes(self) -> int:
        return self.size_bytes - self._begins[0] if self._begins else 0

    def _has_room(self) -> bool:
        if self.storable:
            # What the thread has not written yet is in memory, and a disk can be slower than an origin.
            return self._filing is None or self.size_bytes - self._filed_bytes <= 2 * max(self.buffer_bytes, self._memory_bytes)
        return all(self._has_room_for(reader) for reader in self._readers)

    def _has_room_for(self, reader: Reader) -> bool:
        return self.storable or self.size_bytes - reader.taken_bytes <= self.buffer_bytes

    @property
    def _memory_bytes(self) -> int:
        return 0 if self._files is None else self._files.memory_bytes

    def _ring_all(self) -> None:
        self._arrived.ring()
        self._freed.ring()

    def _drop(self) -> None:
        """Forget what nobody will ask for again, or is in the file as well."""
        if self.storable:
            # The latest part stays in memory, for readers who keep up.
            needed_from = min(self._filed_bytes, max(0, self.size_bytes - self._memory_bytes)) if self._filing is not None else 0
        elif self._readers:
            needed_from = max(self._filed_bytes, min(reader.taken_bytes for reader in self._readers))
        else:
            needed_from = self.size_bytes
            self._filing = None
        count = bisect_right(self._begins, needed_from) - 1
        if count >= 0 and needed_from >= self._begins[count] + len(self._pieces[count]):
            count += 1
        if count > 0:
            del self._pieces[:count]
            del self._begins[:count]

    # The file.

    def _write(self) -> None:
        """Give the thread what is not in the file yet, unless it is still busy with what it got before."""
        assert self._files is not None
        if self._given_bytes > self._filed_bytes or self._given_bytes == self.size_bytes:
            return
        if self._filing is None:
            self._filing = Filing(self._files.shelf)
        first = bisect_right(self._begins, self._given_bytes) - 1
        pieces = self._pieces[first:]
        pieces[0] = pieces[0][self._given_bytes - self._begins[first] :]
        self._given_bytes = self.size_bytes
        filing, writer = self._filing, self._files.writer

        def write() -> None:
            try:
                filing.write(pieces)
            except OSError as error:
                # Without its traceback, which would keep the file for as long as somebody has the error.
                writer.tell_loop(partial(self._wrote, error.with_traceback(None)))
            else:
                writer.tell_loop(partial(self._wrote, None))

        writer.post(write)

    def _wrote(self, failure: OSError | None) -> None:
        if failure is not None:
            assert self._files is not None
            self._files.failed(failure)
            self._given_bytes = self._filed_bytes
            self.give_up()
        else:
            self._filed_bytes = self._given_bytes
            if self.storable and (self.complete or self._held_bytes > self._memory_bytes):
                self._write()
            self._drop()
        self._freed.ring()
