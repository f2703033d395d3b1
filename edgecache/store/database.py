"""The database of the disk tier: diskcache, held to text names and bytes.

diskcache unpickles what it finds (CVE-2025-69872); this one stores and reads nothing but text keys and bytes, in either direction, and
never touches a file that a row names. Its own eviction, statistics and expiry are off: who goes is decided in disk.py.

diskcache has a connection for each thread that asks; each has to close its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import diskcache  # type: ignore[import-untyped]
import msgspec
from diskcache.core import MODE_RAW, UNKNOWN  # type: ignore[import-untyped]

from edgecache.store.row import NAMES_TO, Frame, frame

BUSY_TIMEOUT_S = 1.0
ROW_OVERHEAD_BYTES = 512  # what a row costs beside its value: columns, its name in two indexes, the unused end of its last page

SETTINGS = {
    "eviction_policy": "none",
    "cull_limit": 0,
    "statistics": 0,
    "tag_index": 1,  # the queue that a row is in (disk.py)
    "size_limit": 2**62,
    "sqlite_auto_vacuum": 2,  # incremental: when we say so
    "sqlite_cache_size": 1024,  # pages, for each thread
    "sqlite_journal_mode": "wal",
    "sqlite_mmap_size": 0,  # a file that is cut short under a mapping ends the process
    "sqlite_synchronous": 1,  # NORMAL: whole after any crash, and up to date after any but a power cut
}

META = "meta"


class Refused(Exception):
    """Something that is no text key, or no bytes, was to be stored or was found."""


class Damaged(sqlite3.DatabaseError):
    """The database holds what was never written: SQLite lets any value stand in any column."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


class Value(bytes):
    """Bytes to be stored, and what they are to count for."""

    cost: int


class PlainDisk(diskcache.Disk):  # type: ignore[misc]
    """Text keys and bytes in the row itself, and nothing else, both ways."""

    def put(self, key: object) -> tuple[str, bool]:
        if type(key) is not str:
            raise Refused(f"a key of type {type(key).__name__}")
        return key, True

    def get(self, key: object, raw: object) -> str:
        if type(key) is not str or not raw:
            raise Refused("a key that is no text")
        return key

    def store(self, value: object, read: bool, key: object = UNKNOWN) -> tuple[int, int, None, memoryview]:
        if type(value) is not Value or read:
            raise Refused(f"a value of type {type(value).__name__}")
        return value.cost, MODE_RAW, None, memoryview(value)

    def fetch(self, mode: object, filename: object, value: object, read: bool) -> bytes:
        if mode != MODE_RAW or filename is not None or type(value) is not bytes or read:
            raise Refused("a value that is not bytes in its row")
        return value

    def filename(self, key: object = UNKNOWN, value: object = UNKNOWN) -> tuple[str, str]:
        raise Refused("a file for a value")

    def remove(self, file_path: object) -> None:
        """Rows have no files: whatever name was found there is not ours to remove."""


class Meta(msgspec.Struct, array_like=True, frozen=True):
    """What the store keeps beside responses.

    log_id     of the invalidation log that its positions belong to; None before the first
    reserved   no position above this one was handed out (rules: written ahead, in steps)
    offset_s   the clock's offset
    """

    log_id: bytes | None = None
    reserved: int = 0
    offset_s: float = 0.0


class Row(NamedTuple):
    """A row as it is found. `frame` is None when the row is not to be believed."""

    rowid: int
    name: str
    queue: str | None
    cost: int
    uses: int
    value: bytes
    frame: Frame | None


_COLUMNS = "rowid, key, tag, size, access_count, mode, filename, value"
_BY_NAME = f"SELECT {_COLUMNS} FROM Cache WHERE raw = 1 AND key = ?"
_BY_PREFIX = f"SELECT {_COLUMNS} FROM Cache WHERE raw = 1 AND key >= ? AND key < ? ORDER BY key"
_COUNT_BY_PREFIX = "SELECT COUNT(*) FROM Cache WHERE raw = 1 AND key >= ? AND key < ?"
_AFTER_NAME = f"SELECT {_COLUMNS} FROM Cache WHERE raw = 1 AND key > ? AND key < ? ORDER BY key LIMIT ?"
_FIRST_OF_QUEUE = f"SELECT {_COLUMNS} FROM Cache WHERE tag = ? ORDER BY rowid LIMIT 1"
_TO_END_OF_QUEUE = "UPDATE Cache SET rowid = (SELECT MAX(rowid) + 1 FROM Cache), tag = ?, access_count = ? WHERE rowid = ?"
_ADD_USES = "UPDATE Cache SET access_count = MIN(3, access_count + ?) WHERE raw = 1 AND key = ?"
_SETTING = "SELECT value FROM Settings WHERE key = ?"
_QUEUE_BYTES = "SELECT COALESCE(SUM(size), 0) FROM Cache WHERE tag = ?"
AFTER_PREFIX = "~"  # sorts after every character of a name


class Database:
    """The database in one folder. Raises what trouble.OUTSIDE names from every method; `Refused` never leaves it."""

    def __init__(self, folder: str) -> None:
        try:
            self._cache = diskcache.Cache(folder, timeout=BUSY_TIMEOUT_S, disk=PlainDisk, **SETTINGS)
        except (OSError, sqlite3.Error, diskcache.Timeout):
            raise
        except Exception as error:  # it takes its settings from the database as they stand there
            raise Damaged(f"its settings cannot be used: {error}") from error

    def close(self) -> None:
        """Close the connection of this thread; the next call opens another."""
        self._cache.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is done inside happens whole or not at all, and nobody else writes meanwhile."""
        try:
            with self._cache.transact():
                yield
        except BaseException:
            connection = self._cache._con
            if connection.in_transaction:  # a commit that failed leaves it open
                connection.rollback()
            raise

    def find(self, name: str) -> Row | None:
        """The row of this name."""
        return next(self._rows(_BY_NAME, name), None)

    def below(self, prefix: str) -> list[Row]:
        """All rows whose names begin with `prefix`, in one query."""
        return list(self._rows(_BY_PREFIX, prefix, prefix + AFTER_PREFIX))

    def count_below(self, prefix: str) -> int:
        return self._number(_COUNT_BY_PREFIX, prefix, prefix + AFTER_PREFIX)

    def after(self, name: str, count: int) -> list[Row]:
        """The next `count` rows in the order of names; begin with NAMES_FROM."""
        return list(self._rows(_AFTER_NAME, name, NAMES_TO, count))

    def put(self, name: str, value: bytes, cost: int, queue: str | None) -> None:
        """Write a row in the place of the one that has this name. It keeps that one's turn in the queue."""
        row = Value(value)
        row.cost = cost
        self._cache.set(name, row, tag=queue)

    def delete(self, name: str) -> None:
        self._cache.delete(name)

    # the queues that rows wait in to be evicted

    def first_of(self, queue: str) -> Row | None:
        """The row whose turn it is."""
        return next(self._rows(_FIRST_OF_QUEUE, queue), None)

    def to_end(self, row: Row, queue: str, uses: int) -> None:
        self._sql(_TO_END_OF_QUEUE, queue, uses, row.rowid)

    def add_uses(self, name: str, uses: int) -> None:
        self._sql(_ADD_USES, uses, name)

    def queue_bytes(self, queue: str) -> int:
        """Sum of the costs of what is in a queue. Looks at each row."""
        return self._number(_QUEUE_BYTES, queue)

    def free_pages(self, most: int) -> None:
        """Give up to `most` unused pages back to the system, if a good part of the file is unused."""
        unused, pages = self._number("PRAGMA freelist_count"), self._number("PRAGMA page_count")
        if unused > max(most, pages // 4):
            self._cache._con.executescript(f"PRAGMA incremental_vacuum({most})")  # `execute` stops after the first page

    @property
    def bytes(self) -> int:
        """Sum of all costs, as triggers keep it."""
        return self._number(_SETTING, "size")

    @property
    def rows(self) -> int:
        """How many rows there are, the one with the meta data too."""
        return self._number(_SETTING, "count")

    # what is kept beside responses

    def meta(self) -> Meta:
        """What was written last; that of a new store when it is not to be believed."""
        row = self.find(META)
        try:
            return Meta() if row is None else msgspec.msgpack.decode(row.value, type=Meta)
        except msgspec.DecodeError:
            return Meta()

    def write_meta(self, meta: Meta, *, durable: bool) -> None:
        """Write it; `durable`: and return only when a power cut can no longer undo it."""
        if durable:
            self._cache._sql("PRAGMA synchronous = 2")
        try:
            self.put(META, msgspec.msgpack.encode(meta), 0, None)
        finally:
            if durable:
                self._cache._sql("PRAGMA synchronous = 1")

    def _rows(self, query: str, *values: object) -> Iterator[Row]:
        for rowid, key, queue, cost, uses, mode, filename, value in self._sql(query, *values):
            if not (isinstance(cost, int) and isinstance(uses, int) and (queue is None or isinstance(queue, str))):
                raise Damaged("a row makes no sense")
            try:
                name = self._cache.disk.get(key, True)
                raw = self._cache.disk.fetch(mode, filename, value, False)
            except Refused:
                if isinstance(key, str):
                    yield Row(rowid, key, queue, cost, uses, b"", None)
                continue
            yield Row(rowid, name, queue, cost, uses, raw, frame(raw))

    def _number(self, query: str, *values: object) -> int:
        found = self._sql(query, *values)
        if len(found) != 1 or not isinstance(found[0][0], int):
            raise Damaged("a number is missing")
        return found[0][0]

    def _sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask at once for everything: a cursor that is left open holds a snapshot, and with it the log of changes."""
        found: list[tuple[Any, ...]] = self._cache._sql(query, values).fetchall()
        return found
