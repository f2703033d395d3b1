"""Keeps one folder's database usable: opens it, begins it anew when it cannot be believed, and sees to it that nothing outdated comes back.

Whatever goes wrong with file or database, the edge goes on with its memory tier, the terminal gets one sentence, and the folder is tried
again by itself. When something that is out of date cannot be removed, it is *owed*: nobody sees it, the folder counts as unsure until it
is removed, and what is unsure when the process ends is emptied at the next start.

What changes something runs in one thread, the writer; `read` runs in others.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec

from edgecache.store.database import Database, Meta, Row
from edgecache.store.files import Shelf
from edgecache.store.folder import DATABASE, Folder, FolderError
from edgecache.store.queues import Queues
from edgecache.store.row import file_note
from edgecache.store.trouble import OUTSIDE, Teller, Trouble, kind_of
from edgecache.store.workers import Workers

T = TypeVar("T")

RETRY_S = 30.0  # between attempts to use a folder again
MOST_OWED = 1000  # rows; beyond that the folder is given up and begun anew
MOST_FAILURES = 50  # in a row


@dataclass(frozen=True, slots=True)
class KeeperParts:
    """What a folder is kept with.

    monotonic  real seconds
    lost       hears, in the writer, which generation is of no use any more: nothing of what was stored there is there
    """

    folder: Folder
    shelf: Shelf
    writer: Workers
    readers: Workers
    teller: Teller
    queues: Queues
    monotonic: Callable[[], float]
    lost: Callable[[str], None]


class _Mine(threading.local):
    """What belongs to the calling thread: the database that it has a connection to."""

    database: Database | None = None


class Keeper:
    """The database of one folder, as long as there is one.

    meta    what is kept beside responses
    bytes, rows   costs of all responses, and how many; as of the last change
    owed    names of rows that are out of date and could not be removed yet
    ending  what can wait for the next start is not begun any more
    """

    def __init__(self, parts: KeeperParts) -> None:
        self.meta = Meta()
        self.bytes = 0
        self.rows = 0
        self.owed: set[str] = set()
        self.ending = False
        self._parts = parts
        self._database: Database | None = None
        self._mine = _Mine()
        self._deleted: list[Row] = []  # in the transaction that is open
        self._retry_at = 0.0
        self._failures = 0  # in a row, of the writer
        self._unread = 0  # in a row, of the readers
        self._stays_unsure = False
        self._closed = False

    # Life, in the writer.

    def open(self) -> Meta:
        """Take the folder and see what is in it. Raises FolderError; any other trouble is told, and it is tried again later."""
        folder, tell = self._parts.folder, self._parts.teller.tell
        empty = False
        try:
            self._take_folder()
            generation = folder.believed()
            if generation is None:
                empty = True
                if begun := folder.begun():
                    tell(Trouble.UNSURE)
                    self.meta = Meta(offset_s=self._offset_left(begun))
            else:
                database = self._open_generation(generation)
                self.meta = database.meta()
                self._use(database)
        except OUTSIDE as error:
            kind = kind_of(error)
            tell(kind, error)
            self._give_up()
            empty = kind is Trouble.DAMAGED
        if empty:
            self.begin_anew()
        return self.meta

    def _offset_left(self, begun: list[str]) -> float:
        """The clock's offset as it was left in generations that are otherwise not believed."""
        for generation in begun:
            try:
                database = self._open_generation(generation)
                try:
                    meta = database.meta()
                finally:
                    database.close()
            except OUTSIDE:
                continue
            if meta.log_id is not None:
                return meta.offset_s
        return 0.0

    def use_log(self, log_id: bytes) -> None:
        """Positions are those of this log from now on. What belongs to another one's is removed."""
        if self.meta.log_id not in (None, log_id):
            self._parts.teller.tell(Trouble.OTHER_LOG)
            self.meta = Meta(offset_s=self.meta.offset_s)
            self.begin_anew()
        self.write_meta(msgspec.structs.replace(self.meta, log_id=log_id), durable=False)

    def leave(self) -> None:
        """A reading thread ends: close its connection."""
        if self._mine.database is not None:
            self._mine.database.close()

    def close(self) -> None:
        """The writer ends, as the last of the threads: the folder is free for others."""
        self.ending = self._closed = True
        if self._database is not None:
            with contextlib.suppress(*OUTSIDE):
                self._database.close()
        self._database = None
        self._parts.folder.release()

    def begin_anew(self) -> None:
        """Begin another generation, with nothing stored. Then nothing is owed."""
        self._give_up()
        folder = self._parts.folder
        try:
            if not folder.taken:
                self._take_folder()
            database = self._open_generation(folder.begin())
            database.write_meta(self.meta, durable=False)
            self.owed.clear()
            self._mark_clean()
            self._parts.queues.clear()
            self._use(database)
        except (FolderError, *OUTSIDE) as error:
            self._give_up()
            self._parts.teller.tell(Trouble.UNUSABLE, error)

    def write_meta(self, meta: Meta, *, durable: bool) -> bool:
        """Keep `meta` from now on; `durable`: also through a power cut. False when it could not be written."""
        self.meta = meta

        def write(database: Database) -> bool:
            database.write_meta(meta, durable=durable)
            return True

        return self.attempt(write, ()) or False

    def keep_unsure(self) -> None:
        """Whatever happens from here on, the next start empties the folder. Raises OSError."""
        self._stays_unsure = True
        self._parts.folder.mark_unsure()

    def doubt(self) -> None:
        """The next start empties the store, unless it is emptied before. From any thread."""
        with contextlib.suppress(OSError):
            self._parts.folder.mark_unsure()

    @property
    def generation(self) -> str:
        """The part of the folder that is in use, or was last."""
        return self._parts.shelf.generation

    @property
    def usable(self) -> bool:
        """Is there a database now? When not, nothing is stored on disk: whatever the folder holds is emptied before it is used again."""
        return self._database is not None

    @property
    def log_id(self) -> bytes:
        """Of the log that positions belong to. Nothing is stored or loaded before there is one."""
        assert self.meta.log_id is not None
        return self.meta.log_id

    # Work.

    def attempt(self, work: Callable[[Database], T], names: Iterable[str]) -> T | None:
        """What `work` brings about, in the writer; None when there was trouble. Then rows called `names` may be out of date, and go."""
        if self._closed:
            return None
        if self._database is None and self._parts.monotonic() >= self._retry_at:
            self.begin_anew()
        database = self._database
        if database is None:
            return None
        try:
            self._remove_owed(database)
            done = work(database)
        except OUTSIDE as error:
            self._failed(database, error, names)
            return None
        self._failures = 0
        return done

    def read(self, work: Callable[[Database], T]) -> T | None:
        """What `work` finds, in a reading thread; None when there is trouble, or the database was begun anew meanwhile."""
        database = self._database
        if self._mine.database not in (None, database):
            self._mine.database.close()
        self._mine.database = database
        if database is None:
            return None
        try:
            found = work(database)
        except OUTSIDE as error:
            if self._database is not database:
                return None
            kind = kind_of(error)
            self._parts.teller.tell(kind, error)
            self._unread += 1
            if kind is Trouble.DAMAGED or self._unread > MOST_FAILURES:
                self._parts.writer.post(partial(self._abandon, database, kind))
            return None
        self._unread = 0
        return found if self._database is database else None

    @contextlib.contextmanager
    def transaction(self, database: Database) -> Iterator[None]:
        """What is done inside happens whole or not at all. Files of rows that were deleted inside go afterwards."""
        self._deleted = []
        try:
            with database.transaction():
                yield
        except BaseException:
            self._parts.queues.recount()
            raise
        for row in self._deleted:
            self.release(row, "")
        self._measure(database)

    def delete(self, database: Database, row: Row) -> None:
        """Delete a row, inside a transaction."""
        database.delete(row.name)
        if row.queue is not None:
            self._parts.queues.count(row.queue, -row.cost)
        self._deleted.append(row)

    def release(self, row: Row, still: str) -> None:
        """The row is gone, or has other content: nothing refers to its file any more, unless it is the one at `still`."""
        if row.frame is not None:
            note = file_note(row.value, row.frame)
            if note is not None and note.place != still:
                self._parts.shelf.release(note.place)

    # Trouble, and getting out of it.

    def _failed(self, database: Database, error: BaseException, names: Iterable[str]) -> None:
        kind = kind_of(error)
        self._parts.teller.tell(kind, error)
        if kind is Trouble.DAMAGED:
            self.begin_anew()
            return
        self._failures += 1
        self.owed.update(names)
        try:
            self._remove_owed(database)
        except OUTSIDE:
            self.doubt()
            if len(self.owed) > MOST_OWED or self._failures > MOST_FAILURES:
                self._give_up()

    def _abandon(self, database: Database, kind: Trouble) -> None:
        """Nobody can read this database."""
        if self._database is database and not self._closed:
            if kind is Trouble.DAMAGED:
                self.begin_anew()
            else:
                self._give_up()

    def _remove_owed(self, database: Database) -> None:
        if self.owed:
            with self.transaction(database):
                for name in self.owed:
                    row = database.find(name)
                    if row is not None:
                        self.delete(database, row)
            self.owed.clear()
            self._mark_clean()

    def _mark_clean(self) -> None:
        folder, generation = self._parts.folder, self._parts.shelf.generation
        if not self._stays_unsure and folder.believed() != generation:
            folder.mark_clean(generation)

    def _give_up(self) -> None:
        """Use the folder no more, until it can be begun anew."""
        if self._database is not None:
            with contextlib.suppress(*OUTSIDE):
                self._database.close()
        self._database = None
        self.doubt()  # the next process may be able to read it
        self._retry_at = self._parts.monotonic() + RETRY_S
        self.bytes = self.rows = 0
        self._parts.lost(self._parts.shelf.generation)

    def _take_folder(self) -> None:
        folder = self._parts.folder
        folder.take()
        if folder.set_aside is not None:
            self._parts.teller.tell(Trouble.OTHER_FORMAT, folder.set_aside)
        folder.discard_arriving()

    def _open_generation(self, generation: str) -> Database:
        shelf = self._parts.shelf
        path = shelf.path(f"{generation}/{DATABASE}")
        shelf.files.make_folder(path)
        shelf.generation = generation
        return Database(path)

    def _use(self, database: Database) -> None:
        self._measure(database)
        self._failures = self._unread = 0
        self._database = database
        self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        """Remove in the background what is of no use any more; if there is no time for it, the next start does it."""
        shelf = self._parts.shelf
        for path in self._parts.folder.leftovers(shelf.generation):
            self._parts.readers.post(partial(self._remove_folder, path))

    def _remove_folder(self, path: str) -> None:
        if not self.ending:
            self._parts.shelf.files.remove_tree(path)

    def _measure(self, database: Database) -> None:
        self.bytes = database.bytes
        self.rows = max(0, database.rows - 1)
