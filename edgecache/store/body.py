"""Content of stored responses: in memory, or in a file that is read in pieces and never trusted unread.

A file is checked against a checksum for each MiB of it before any byte of that MiB is given out. So a damaged file shows as
BrokenStored, possibly after some good pieces, but never as wrong content. No more than one piece is held for a reader.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Sequence

from edgecache.store.files import OpenFile, Shelf
from edgecache.store.workers import Workers

PIECE_BYTES = 256 * 1024  # what a reader gets at once, at most
CHECKED_BYTES = 1024 * 1024  # what one checksum covers
JOINED_BYTES = 64 * 1024  # up to here content in memory is one piece: one buffer to write


class BrokenStored(Exception):
    """The file of a stored response is gone, short or damaged. The response is to be dropped and the request answered otherwise."""


class MemoryBody:
    """Content in memory: `pieces` in order, `length` bytes in all."""

    __slots__ = ("length", "pieces")

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.length = sum(map(len, pieces))
        self.pieces: tuple[bytes, ...] = (b"".join(pieces),) if 0 < self.length <= JOINED_BYTES else tuple(pieces)

    def cut(self, first: int = 0, last: int | None = None) -> tuple[bytes, ...]:
        """The bytes `first` to `last`, both included, in pieces; to the end when `last` is None."""
        end = self.length if last is None else min(last + 1, self.length)
        if first == 0 and end == self.length:
            return self.pieces
        found = []
        begin = 0
        for piece in self.pieces:
            stop = begin + len(piece)
            if stop > first and begin < end:
                found.append(piece[max(0, first - begin) : end - begin])
            begin = stop
        return tuple(found)

    async def read(self, first: int = 0, last: int | None = None) -> AsyncIterator[bytes]:
        """As FileBody.read; never waits."""
        for piece in self.cut(first, last):
            for begin in range(0, len(piece), PIECE_BYTES):
                yield piece[begin : begin + PIECE_BYTES]


class FileBody:
    """Content in a file of the store.

    place      where on the shelf; changes when the file is moved
    length     of the content in bytes
    checksums  CRC-32 of each MiB of it
    outlives   whether a row refers to the file. When not, the file goes with this object
    """

    __slots__ = ("__weakref__", "_marks", "_readers", "_shelf", "checksums", "length", "outlives", "place")

    pieces = None  # it has none at hand: MemoryBody has

    def __init__(self, shelf: Shelf, readers: Workers, place: str, length: int, checksums: tuple[int, ...], outlives: bool) -> None:
        self._shelf = shelf
        self._readers = readers
        self.place = place
        self.length = length
        self.checksums = checksums
        self.outlives = outlives
        # For each checked MiB that was found good, the running checksum after each piece of it: a piece is checked by these from then on.
        self._marks: dict[int, tuple[int, ...]] = {}

    def read(self, first: int = 0, last: int | None = None) -> FileReader:
        """The bytes `first` to `last`, both included, in pieces of at most 256 KiB; to the end when `last` is None.

        An asynchronous iterator; raises BrokenStored. Take the first piece before a head is written: mostly it shows then.
        """
        return FileReader(self, self._readers, first, self.length if last is None else min(last + 1, self.length))

    def load(self) -> tuple[bytes, ...]:
        """All of it, checked. In a thread. Raises BrokenStored."""
        file = self.open()
        return tuple(self.piece(file, begin) for begin in range(0, self.length, PIECE_BYTES))

    def open(self) -> OpenFile:
        """In a thread. Raises BrokenStored."""
        try:
            return self._shelf.open(self)
        except OSError as error:
            raise BrokenStored(str(error)) from None

    def piece(self, file: OpenFile, begin: int) -> bytes:
        """The piece that begins at `begin`, a multiple of PIECE_BYTES. In a thread. Raises BrokenStored."""
        checked, number = divmod(begin, CHECKED_BYTES)
        number //= PIECE_BYTES
        marks = self._marks.get(checked)
        if marks is None:
            return self._check(file, checked)[number]
        piece = self._read(file, begin)
        if zlib.crc32(piece, marks[number - 1] if number else 0) != marks[number]:
            raise BrokenStored("the content does not fit its checksum")
        return piece

    def _check(self, file: OpenFile, checked: int) -> list[bytes]:
        """The pieces of one checked MiB, once all of it was found good."""
        begin = checked * CHECKED_BYTES
        pieces = [self._read(file, at) for at in range(begin, min(begin + CHECKED_BYTES, self.length), PIECE_BYTES)]
        marks = []
        running = 0
        for piece in pieces:
            running = zlib.crc32(piece, running)
            marks.append(running)
        if running != self.checksums[checked]:
            raise BrokenStored("the content does not fit its checksum")
        self._marks[checked] = tuple(marks)
        return pieces

    def _read(self, file: OpenFile, begin: int) -> bytes:
        length = min(PIECE_BYTES, self.length - begin)
        try:
            piece = self._shelf.files.read(file.fd, length, begin)
        except OSError as error:
            raise BrokenStored(str(error)) from None
        if len(piece) != length:
            raise BrokenStored("the file is shorter than the content")
        return piece

    def __del__(self) -> None:
        if not self.outlives:
            shelf, place = self._shelf, self.place
            shelf.later(lambda: shelf.remove(place))


class FileReader:
    """Somebody's way through a range of a FileBody. Keeps the file open, so that nothing can come in between after the first piece."""

    __slots__ = ("_at", "_body", "_end", "_file", "_readers")

    def __init__(self, body: FileBody, readers: Workers, first: int, end: int) -> None:
        self._body = body
        self._readers = readers
        self._at = first
        self._end = end
        self._file: OpenFile | None = None

    def __aiter__(self) -> FileReader:
        return self

    async def __anext__(self) -> bytes:
        if self._at >= self._end:
            raise StopAsyncIteration
        piece = await self._readers.call(self._next)
        self._at += len(piece)
        return piece

    def _next(self) -> bytes:
        if self._file is None:
            self._file = self._body.open()
        skipped = self._at % PIECE_BYTES
        piece = self._body.piece(self._file, self._at - skipped)
        return piece[skipped : skipped + self._end - self._at] if skipped or len(piece) > self._end - self._at else piece


Body = MemoryBody | FileBody
