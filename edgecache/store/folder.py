"""The store folder: whose it is, which format it has, and whether what is in it can be trusted. Everything here runs in a thread.

    FOLDER/edgecache-store   says that the folder is ours, and its format
    FOLDER/lock              held as long as an edge uses the folder; holds that edge's process id
    FOLDER/clean             is there while what is stored may be believed, and says in which generation that is
    FOLDER/kept-…/           a generation: a database (database.py) and files with content beside it (files.py)
    FOLDER/spool/            files with content that is arriving
    FOLDER/old-…/            what is being removed

To empty the store is to begin another generation. No database ever takes the place of another under one name: SQLite, closing one that was
moved away, would remove the other's log of changes.

That the store may *not* be believed is said by removing a file, because that also works when the disk is full.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Mapping

from edgecache.store.files import SPOOL, Files
from edgecache.store.row import FORMAT

MARKER, LOCK, CLEAN = "edgecache-store", "lock", "clean"
GENERATION, OLD = "kept-", "old-"  # what their names begin with
DATABASE = "db"  # of a generation
_MARKED = "edgecache store, format "
# What may be there without a marker: a process ended while it made the folder, or somebody cleared the folder under a running one.
_OURS = {
    LOCK,
    CLEAN,
    f".{CLEAN}.new",
    f".{MARKER}.new",
    SPOOL,
    "log.run",
    *(f"{name}.{kind}" for name in ("invalidations", "delayed") for kind in ("log", "new", "aside")),
}


class FolderError(Exception):
    """The folder cannot be a store; the message is one sentence that says why and what to do."""


class FolderTaken(FolderError):
    """Another edge uses the folder."""


def default_folder(origin: str, environment: Mapping[str, str], platform: str) -> str:
    """Where does the edge before `origin` (its URL) keep responses when nobody says: below the user's cache folder, one folder per origin.

    `platform` as sys.platform says it. XDG base directories on Linux and the like, ~/Library/Caches on macOS.
    """
    home = environment.get("HOME") or os.path.expanduser("~")
    xdg = environment.get("XDG_CACHE_HOME", "")
    if platform == "darwin":
        caches = os.path.join(home, "Library", "Caches")
    else:
        caches = xdg if os.path.isabs(xdg) else os.path.join(home, ".cache")  # relative ones are to be ignored
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", origin).strip("-.")[:80]
    # Two origins may come to the same words.
    return os.path.join(caches, "edgecache", f"{words}-{hashlib.blake2b(origin.encode(), digest_size=4).hexdigest()}")


class Folder:
    """One store folder, taken by this process."""

    def __init__(self, path: str, files: Files) -> None:
        self.path = path
        self.set_aside: str | None = None  # where the store of another format is now that had this name
        self._files = files
        self._lock: int | None = None

    def take(self) -> None:
        """Make the folder if need be, and have it to ourselves. Raises FolderError, or OSError when the system does not let us."""
        if os.path.expandvars(self.path) != self.path:
            raise FolderError(f"{self.path} has a $ in its name, which the database library would replace; choose another --store folder")
        self._files.make_folder(self.path)
        names = set(self._files.names(self.path))
        written = self._written_format() if MARKER in names else None
        if MARKER not in names and not all(name in _OURS or name.startswith((GENERATION, OLD)) for name in names):
            raise FolderError(f"{self.path} holds files and is no store of edgecache; choose an empty or new folder with --store")
        self._take_lock()
        try:
            if written is not None and written != str(FORMAT):
                self._put_aside(written)
            os.chmod(self.path, 0o700)
            if written != str(FORMAT):
                self.mark_unsure()  # of which format what is there may be, nobody knows
                self._write(MARKER, f"{_MARKED}{FORMAT}\n")
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let others use the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def taken(self) -> bool:
        """Is the folder ours now?"""
        return self._lock is not None

    def believed(self) -> str | None:
        """The generation that may be believed; None when there is none."""
        try:
            with open(self._path(CLEAN), encoding="utf-8", errors="replace") as file:
                generation = file.read(100)
        except FileNotFoundError:
            return None
        return generation if generation in self.begun() else None

    def begun(self) -> list[str]:
        """All generations that are there."""
        return [name for name in self._files.names(self.path) if name.startswith(GENERATION)]

    def begin(self) -> str:
        """Another generation. It counts from `mark_clean` on. Raises OSError."""
        generation = GENERATION + secrets.token_hex(8)
        self._files.make_folder(self._path(generation))
        return generation

    def mark_clean(self, generation: str) -> None:
        """From now on this generation may be believed. Raises OSError."""
        self._write(CLEAN, generation)

    def mark_unsure(self) -> None:
        """From now on none may: the next start empties the store, unless `mark_clean` comes first. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            self._files.unlink(self._path(CLEAN))

    def discard_arriving(self) -> None:
        """Take away what was still arriving when an earlier process ended. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            self._files.rename(self._path(SPOOL), self._path(OLD + secrets.token_hex(8)))

    def leftovers(self, generation: str | None) -> list[str]:
        """Paths of what is to be removed: all but this generation."""
        names = [name for name in self._files.names(self.path) if name.startswith((GENERATION, OLD))]
        return [self._path(name) for name in names if name != generation]

    def _path(self, name: str) -> str:
        return f"{self.path}/{name}"

    def _written_format(self) -> str:
        with open(self._path(MARKER), encoding="utf-8", errors="replace") as file:
            text = file.read(200)
        if not text.startswith(_MARKED):
            raise FolderError(f"{self._path(MARKER)} is not what edgecache writes there; choose another folder with --store")
        return re.sub(r"[^A-Za-z0-9.]+", "-", text.removeprefix(_MARKED).strip())[:20]

    def _take_lock(self) -> None:
        lock = os.open(self._path(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
            os.close(lock)
            raise FolderTaken(
                f"{self.path} is in use by another edge (process {holder or 'unknown'}): end that one, or give this one another folder "
                "with --store, or --store memory"
            ) from None
        except OSError:
            os.close(lock)
            raise
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock

    def _put_aside(self, written: str) -> None:
        """Another version's store keeps all it has, under another name; the lock goes with it."""
        aside = f"{self.path}.format-{written}"
        number = 1
        while os.path.exists(aside):
            number += 1
            aside = f"{self.path}.format-{written}-{number}"
        try:
            self._files.rename(self.path, aside)
        except OSError as error:
            raise FolderError(
                f"{self.path} is a store of format {written}, which this version does not know, and cannot be renamed ({error.strerror}); "
                "choose another folder with --store"
            ) from None
        self.release()
        self._files.make_folder(self.path)
        self._take_lock()
        self.set_aside = aside

    def _write(self, name: str, text: str) -> None:
        """The whole text or nothing."""
        new = self._path(f".{name}.new")
        with contextlib.suppress(FileNotFoundError):
            self._files.unlink(new)
        fd = self._files.create(new)
        try:
            self._files.write(fd, [text.encode()] if text else [])
        finally:
            self._files.close(fd)
        self._files.rename(new, self._path(name))
