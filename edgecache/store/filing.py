"""Writing content to a file of the shelf, checksums on the way."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from edgecache.store.body import CHECKED_BYTES, FileBody
from edgecache.store.files import OpenFile, Shelf
from edgecache.store.workers import Workers


class Filing:
    """Content on its way into a file in `spool/`. Used by one thread at a time; the file goes with the object unless `body` took it over.

    length  how much of the content is in the file
    """

    def __init__(self, shelf: Shelf) -> None:
        self.length = 0
        self._shelf = shelf
        self._place = shelf.new_place()
        self._file: OpenFile | None = None
        self._checksums: list[int] = []
        self._running = 0  # of the checked MiB that is not complete
        self._taken_over = False

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append to the file. Raises OSError; then the file holds `length` bytes of the content, and perhaps rubbish after them."""
        if self._file is None:
            self._file = self._shelf.create(self._place)
        self._shelf.files.write(self._file.fd, pieces)
        for piece in pieces:
            self._sum(piece)

    def read(self, offset: int, length: int) -> bytes:
        """What was written, read back. Raises OSError."""
        assert self._file is not None
        piece = self._shelf.files.read(self._file.fd, length, offset)
        if len(piece) != length:
            raise OSError("a file is shorter than what was written to it")
        return piece

    def body(self, readers: Workers) -> FileBody:
        """The content as it is stored, asked for once. Nothing may be written any more."""
        assert not self._taken_over
        checksums = (*self._checksums, self._running) if self.length % CHECKED_BYTES else tuple(self._checksums)
        self._taken_over = True
        return FileBody(self._shelf, readers, self._place, self.length, checksums, outlives=False)

    def _sum(self, piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            part = view[: CHECKED_BYTES - self.length % CHECKED_BYTES]
            self._running = zlib.crc32(part, self._running)
            self.length += len(part)
            view = view[len(part) :]
            if self.length % CHECKED_BYTES == 0:
                self._checksums.append(self._running)
                self._running = 0

    def __del__(self) -> None:
        if self._file is not None and not self._taken_over:
            shelf, place = self._shelf, self._place
            shelf.later(lambda: shelf.remove(place))
