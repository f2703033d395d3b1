"""The store's file operations, and the shelf: the files of a store folder that hold content.

A file on the shelf has one of two places. `spool/` holds what is arriving, or arrived and is not in the database: nothing in there
outlives the process. `bodies/`, beside the database, holds what a row refers to; a file is moved there just before the row is written, so a
crash in between leaves a file without a row, never a row without its file. The name says which row it belongs to.

A file is removed only when no row refers to it *and* nobody holds its FileBody: who was given a stored response can read it to the end.

Everything here but `new_place` runs in threads.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecache.store.body import FileBody

SPOOL, BODIES = "spool", "bodies"
PIECES_AT_ONCE = 512  # below IOV_MAX everywhere


class Files:
    """What the store asks of the operating system about files. Tests put faults in the place of it. Raises OSError as os does."""

    def create(self, path: str) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def open(self, path: str) -> int:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def write(self, fd: int, pieces: Sequence[bytes]) -> None:
        """Write all of `pieces` where the file stands. On failure some of it may have been written."""
        for begin in range(0, len(pieces), PIECES_AT_ONCE):
            some: list[bytes | memoryview] = list(pieces[begin : begin + PIECES_AT_ONCE])
            while some:
                written = os.writev(fd, some)
                while some and written >= len(some[0]):
                    written -= len(some.pop(0))
                if some and written:
                    some[0] = memoryview(some[0])[written:]

    def read(self, fd: int, length: int, offset: int) -> bytes:
        """Up to `length` bytes from `offset`: fewer only at the end of the file."""
        got = os.pread(fd, length, offset)
        while 0 < len(got) < length and (more := os.pread(fd, length - len(got), offset + len(got))):
            got += more
        return got

    def close(self, fd: int) -> None:
        os.close(fd)

    def size(self, path: str) -> int:
        return os.stat(path).st_size

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def make_folder(self, path: str) -> None:
        """One that is there already is taken as it is."""
        os.makedirs(path, 0o700, exist_ok=True)

    def names(self, path: str) -> list[str]:
        """What is in a folder, in order; nothing when there is no such folder."""
        try:
            return sorted(os.listdir(path))
        except FileNotFoundError:
            return []

    def remove_tree(self, path: str) -> None:
        """Remove a folder with all that is in it, as far as that is possible."""
        shutil.rmtree(path, ignore_errors=True)


class OpenFile:
    """An open file that closes when nobody holds it any more, in a thread: the last close of a removed file can be slow."""

    __slots__ = ("_shelf", "fd")

    def __init__(self, shelf: Shelf, fd: int) -> None:
        self._shelf = shelf
        self.fd = fd

    def __del__(self) -> None:
        shelf, fd = self._shelf, self.fd
        shelf.later(lambda: shelf.files.close(fd))


class Shelf:
    """The content files of one store folder. `later` does a job in the thread that writes, some time; from finalisers, too.

    generation  the part of the folder that the database in use is in (folder.py); files of its rows are beside it
    """

    def __init__(self, folder: str, files: Files, later: Callable[[Callable[[], object]], None]) -> None:
        self.folder = folder
        self.files = files
        self.later = later
        self.generation = ""
        self._lock = threading.RLock()  # re-entered when collecting garbage inside ends a FileBody
        self._alive: weakref.WeakValueDictionary[str, FileBody] = weakref.WeakValueDictionary()

    def new_place(self) -> str:
        """A place that no file has, for content that is arriving."""
        return f"{SPOOL}/{secrets.token_hex(12)}"

    def path(self, place: str) -> str:
        return f"{self.folder}/{place}"

    def create(self, place: str) -> OpenFile:
        path = self.path(place)
        try:
            fd = self.files.create(path)
        except FileNotFoundError:  # somebody cleared the folder
            self.files.make_folder(os.path.dirname(path))
            fd = self.files.create(path)
        return OpenFile(self, fd)

    def open(self, body: FileBody) -> OpenFile:
        """Open the file of `body` for reading, wherever it is by now."""
        with self._lock:
            return OpenFile(self, self.files.open(self.path(body.place)))

    def keep(self, body: FileBody, row: str) -> bool:
        """Move the file of `body` to where the row named `row` will refer to it, `body.place` from then on; False when it is gone."""
        with self._lock:
            if owner(body.place) == row and body.place.startswith(f"{self.generation}/"):
                return True
            place = f"{self.generation}/{BODIES}/{row[1:3]}/{row}.{secrets.token_hex(6)}"
            try:
                self.files.rename(self.path(body.place), self.path(place))
            except FileNotFoundError:
                self.files.make_folder(os.path.dirname(self.path(place)))
                try:
                    self.files.rename(self.path(body.place), self.path(place))
                except FileNotFoundError:
                    return False
            self._alive.pop(body.place, None)
            body.place = place
            self._alive[place] = body
            return True

    def kept(self, body: FileBody) -> None:
        """A row refers to the file of `body` now: it outlives the object."""
        body.outlives = True

    def body(self, place: str, make: Callable[[], FileBody]) -> FileBody:
        """The one FileBody for the file that a row refers to."""
        with self._lock:
            body = self._alive.get(place)
            if body is None:
                body = self._alive[place] = make()
            return body

    def size(self, place: str) -> int:
        """How long the file is. Raises OSError."""
        return self.files.size(self.path(place))

    def release(self, place: str) -> None:
        """No row refers to this file any more."""
        with self._lock:
            body = self._alive.get(place)
            if body is not None:
                body.outlives = False
                return
        self.remove(place)

    def remove(self, place: str) -> None:
        """Remove a file; one that is gone already, or cannot be removed, is left to the next start."""
        try:
            self.files.unlink(self.path(place))
        except OSError:
            return


def owner(place: str) -> str:
    """Name of the row that a file in `bodies/` belongs to; "" for another file."""
    folder, _, name = place.rpartition("/")
    return name.partition(".")[0] if f"/{BODIES}/" in folder else ""
