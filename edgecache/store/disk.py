"""The disk tier: rows in the database, content above 32 KiB in files beside it.

Rules of this file
- What changes something runs in one thread, the writer; what reads runs in others. `load`, `load_url` and `walk` are the readers'.
- None replaces a row of a higher (position, start); removal and eviction act on the very row that was judged: both inside one transaction.
- No transaction is open while content is written: the file is there first, then the row refers to it, and the file that it replaces goes
  last.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from edgecache.caching.stored import Key, StoredResponse, Variant
from edgecache.store.body import FileBody, MemoryBody
from edgecache.store.database import ROW_OVERHEAD_BYTES, Database, Row
from edgecache.store.files import BODIES, Shelf, owner
from edgecache.store.filing import Filing
from edgecache.store.keeper import Keeper
from edgecache.store.queues import Queues
from edgecache.store.row import (
    INLINE_BYTES,
    FileNote,
    TagsOf,
    decode,
    encode,
    encode_beside,
    file_note,
    is_row_of,
    key_prefix,
    row_name,
    url_prefix,
)
from edgecache.store.trouble import Teller, Trouble
from edgecache.store.workers import Workers

FILES_AT_ONCE = 64  # looked at in one go when files without a row are searched
PAGES_FREED = 256  # given back to the system at once


class Written(enum.Enum):
    """What became of a stored response that was to be written."""

    KEPT = "kept"
    OLDER = "older"  # a newer one is there, or the key is full of newer variants
    NOT_KEPT = "not kept"  # too large for the tier, or trouble; none of its variant is there now


@dataclass(frozen=True, slots=True)
class DiskParts:
    """What the disk tier works with.

    limit_bytes  of rows and files together
    variants     how many responses one key may have
    tags_of      the tags of what is read, by the profile in force. Called in any thread
    uses         how often a response was used in the memory tier; 0 when it is not there. Called in the writer
    evicted      hears which responses had to make room. Called in the writer
    """

    keeper: Keeper
    queues: Queues
    shelf: Shelf
    writer: Workers
    readers: Workers
    teller: Teller
    limit_bytes: int
    variants: int
    tags_of: TagsOf
    uses: Callable[[Key, Variant], int]
    evicted: Callable[[list[StoredResponse]], None]


class DiskTier:
    """Keeps responses in one folder."""

    def __init__(self, parts: DiskParts) -> None:
        self._parts = parts
        self._keeper = parts.keeper

    # Writing.

    def put(self, stored: StoredResponse) -> Written:
        """Write `stored` in the place of an older one of its variant."""
        name = row_name(stored.key, stored.vary)
        return self._keeper.attempt(lambda database: self._put(database, name, stored), [name]) or Written.NOT_KEPT

    def replace(self, old: StoredResponse, new: StoredResponse, *, in_memory: bool) -> Written:
        """Write `new` in the place of `old`, whose content it has, if that is exactly what is there.

        `in_memory`: it is what the memory tier held. Then it may also be that `old` could not be written; perhaps there is room by now.
        """
        names = [row_name(old.key, old.vary), row_name(new.key, new.vary)]

        def replace(database: Database) -> Written:
            if in_memory and database.find(names[0]) is None:
                return self._put(database, names[1], new)
            return self._replace(database, names[0], names[1], old, new)

        return self._keeper.attempt(replace, names) or Written.NOT_KEPT

    def leave_out(self, stored: StoredResponse) -> Written:
        """Do not write `stored`, but remove an older one of its variant: answering with that later would be going back."""
        name = row_name(stored.key, stored.vary)
        self._remove(name, self._not_newer_than(stored))
        return Written.NOT_KEPT

    def remove(self, stored: StoredResponse) -> None:
        """Remove exactly `stored`, if it is there."""
        self._remove(row_name(stored.key, stored.vary), lambda row: is_row_of(row.value, stored))

    def remove_all(self) -> None:
        """Remove every response."""
        self._keeper.begin_anew()

    # Reading, in other threads.

    def load(self, key: Key) -> list[StoredResponse] | None:
        """All variants of a key, unordered; None when that cannot be said now."""
        found = self._keeper.read(lambda database: self._stored(database.below(key_prefix(key))))
        if found:
            self._parts.queues.note_uses(row_name(stored.key, stored.vary) for stored in found)
        # The name is a digest; what counts is what the row says.
        return None if found is None else [stored for stored in found if stored.key == key]

    def load_urls(self, urls: Collection[tuple[bytes, bytes]]) -> list[StoredResponse] | None:
        """All that is stored for these URLs (host, target), of both schemes and whatever else is in the keys."""

        def load(database: Database) -> list[StoredResponse]:
            return [stored for url in urls for stored in self._stored(database.below(url_prefix(*url)))]

        found = self._keeper.read(load)
        return None if found is None else [stored for stored in found if (stored.key.host, stored.key.target) in urls]

    def walk(self, name: str, count: int) -> tuple[list[StoredResponse], str | None]:
        """The next `count` rows after `name`, and the name to go on with; None at the end. What is stored throughout comes exactly once."""

        def walk(database: Database) -> tuple[list[StoredResponse], str | None]:
            rows = database.after(name, count)
            return self._stored(rows), rows[-1].name if len(rows) == count else None

        return self._keeper.read(walk) or ([], None)

    # How things are written.

    def _put(self, database: Database, name: str, stored: StoredResponse) -> Written:
        body = stored.body
        assert isinstance(body, MemoryBody | FileBody)
        if isinstance(body, MemoryBody) and body.length > INLINE_BYTES:
            filing = Filing(self._parts.shelf)
            filing.write(body.pieces)
            body = filing.body(self._parts.readers)
        file = body if isinstance(body, FileBody) else None
        if file is not None and not self._parts.shelf.keep(file, name):
            self._remove_here(database, name, self._not_newer_than(stored))
            return Written.NOT_KEPT
        value = encode(stored, self._keeper.log_id, body)
        cost = _cost(value, 0 if file is None else file.length)
        with self._keeper.transaction(database):
            held = database.find(name)
            order = self._order(held)
            if order is not None and order > (stored.position, stored.start):
                return Written.OLDER
            if held is None and not self._make_room_for_variant(database, stored):
                return Written.OLDER
            if cost > self._parts.limit_bytes:
                if held is not None:  # answering with it later would be going back
                    self._keeper.delete(database, held)
                return Written.NOT_KEPT
            self._write(database, name, value, cost, held)
        if file is not None:
            self._parts.shelf.kept(file)
        if held is not None:
            self._keeper.release(held, still="" if file is None else file.place)
        self._make_room(database)
        return Written.KEPT

    def _replace(self, database: Database, old_name: str, name: str, old: StoredResponse, new: StoredResponse) -> Written:
        other = None
        with self._keeper.transaction(database):
            held = database.find(old_name)
            if held is None or held.frame is None or held.frame.log_id != self._keeper.log_id or not is_row_of(held.value, old):
                return Written.OLDER
            note = file_note(held.value, held.frame)
            if note is not None and name != old_name:
                body = self._filed(note)
                if not self._parts.shelf.keep(body, name):
                    return Written.NOT_KEPT
                note = FileNote(body.place, note.length, note.checksums)
            value = encode_beside(new, self._keeper.log_id, held.value, held.frame, note)
            other = database.find(name) if name != old_name else None
            self._write(database, name, value, _cost(value, note.length if note else 0), held if name == old_name else other)
            if name != old_name:
                database.delete(old_name)
                self._parts.queues.recount()
        if other is not None:
            self._keeper.release(other, still="")
        return Written.KEPT

    def _remove(self, name: str, judged: Callable[[Row], bool]) -> None:
        """Remove the row of this name, if that is what was judged."""
        self._keeper.attempt(lambda database: self._remove_here(database, name, judged), [name])

    def _remove_here(self, database: Database, name: str, judged: Callable[[Row], bool]) -> None:
        with self._keeper.transaction(database):
            row = database.find(name)
            if row is not None and judged(row):
                self._keeper.delete(database, row)

    def _not_newer_than(self, stored: StoredResponse) -> Callable[[Row], bool]:
        return lambda row: (self._order(row) or (-1, -1)) <= (stored.position, stored.start)

    def _write(self, database: Database, name: str, value: bytes, cost: int, held: Row | None) -> None:
        queue = self._parts.queues.queue_for(name) if held is None or held.queue is None else held.queue
        database.put(name, value, cost, queue)
        self._parts.queues.count(queue, cost - (0 if held is None else held.cost))

    def _make_room_for_variant(self, database: Database, stored: StoredResponse) -> bool:
        """Is there room for one more variant of its key, now that older ones have gone? None goes for an older one."""
        prefix = key_prefix(stored.key)
        if database.count_below(prefix) < self._parts.variants:
            return True
        rows = sorted(database.below(prefix), key=lambda row: self._order(row) or (-1, -1))
        surplus = rows[: len(rows) + 1 - self._parts.variants]
        if any((self._order(row) or (-1, -1)) > (stored.position, stored.start) for row in surplus):
            return False
        for row in surplus:
            self._keeper.delete(database, row)
        return True

    def _make_room(self, database: Database) -> None:
        passed: set[str] = set()
        while (surplus := database.bytes - self._parts.limit_bytes) > 0:
            victims: list[Row] = []

            def delete(row: Row, victims: list[Row] = victims) -> None:
                self._keeper.delete(database, row)
                victims.append(row)

            with self._keeper.transaction(database):
                self._parts.queues.take_turns(database, surplus, passed, self._popularity, delete)
                gone = self._stored(victims)
            self._parts.evicted(gone)
            database.free_pages(most=PAGES_FREED)

    def _popularity(self, row: Row) -> int:
        """How often was the response in `row` used in the memory tier?"""
        found = self._stored([row])
        return self._parts.uses(found[0].key, found[0].vary) if found else 0

    # How things are read.

    def _stored(self, rows: Iterable[Row]) -> list[StoredResponse]:
        """The responses in `rows`, less those that do not exist, or are not to be believed: these are removed some time."""
        found = []
        for row in rows:
            if row.name in self._keeper.owed or (row.frame is not None and row.frame.log_id != self._keeper.log_id):
                continue
            try:
                if row.frame is None:
                    raise msgspec.DecodeError("a row does not fit its checksum")
                note = file_note(row.value, row.frame)
                if note is not None and self._parts.shelf.size(note.place) != note.length:
                    raise msgspec.DecodeError("a file is not as long as its content")
                found.append(decode(row.value, row.frame, self._filed, self._parts.tags_of))
            except (msgspec.DecodeError, OSError) as error:
                self._parts.teller.tell(Trouble.BODY, error)
                self._remove_damaged(row)
        return found

    def _remove_damaged(self, row: Row) -> None:
        self._parts.writer.post(lambda: self._remove(row.name, lambda held: held.value == row.value))

    def _filed(self, note: FileNote) -> FileBody:
        shelf, readers = self._parts.shelf, self._parts.readers
        return shelf.body(note.place, lambda: FileBody(shelf, readers, note.place, note.length, note.checksums, outlives=True))

    def _order(self, row: Row | None) -> tuple[int, int] | None:
        """(position, start) of a row; None of one that does not exist or is not to be believed."""
        return None if row is None or row.frame is None or row.frame.log_id != self._keeper.log_id else row.frame.order

    # After a start.

    def tidy(self) -> None:
        """Keep the limit, which may be a smaller one now, and remove files that no row refers to, because a process ended between the two.

        A few files at a time, each time behind what is waiting to be written: in the writer no file is without its row.
        """
        self._keeper.attempt(self._make_room, ())
        found = self._filed_places()

        def look(database: Database) -> bool:
            for _ in range(FILES_AT_ONCE):
                place = next(found, None)
                if place is None:
                    return False
                row = database.find(owner(place))
                note = None if row is None or row.frame is None else file_note(row.value, row.frame)
                if note is None or note.place != place:
                    self._parts.shelf.release(place)
            return True

        def go_on() -> None:
            if self._keeper.attempt(look, ()) and not self._keeper.ending:
                self._parts.writer.post(go_on)

        go_on()

    def _filed_places(self) -> Iterator[str]:
        shelf = self._parts.shelf
        bodies = f"{shelf.generation}/{BODIES}"
        for folder in shelf.files.names(shelf.path(bodies)):
            for name in shelf.files.names(shelf.path(f"{bodies}/{folder}")):
                yield f"{bodies}/{folder}/{name}"


def _cost(value: bytes, filed_bytes: int) -> int:
    return len(value) + filed_bytes + ROW_OVERHEAD_BYTES
