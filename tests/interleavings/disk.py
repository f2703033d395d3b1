"""A disk that survives the process, without files and threads: rows in a dictionary, a log file in a list, and jobs that are choices.

Rows are the real ones, written and read by store.row; which may replace which is as in store.disk.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

from interleavings.awaiting import READ, WRITE, Awaits, Future, touch
from interleavings.watching import watched

from edgecache.caching.stored import Key, StoredResponse
from edgecache.invalidation.entry import Entry
from edgecache.invalidation.logfile import Recovered
from edgecache.store.database import Meta
from edgecache.store.disk import Written
from edgecache.store.row import decode, encode, frame, is_row_of, row_name
from edgecache.store.tiers import Store

LOG_ID = b"the log's own id"


@dataclass
class Disk:
    """What a crash leaves: rows, and the log file's entries and what its head says. `synced`: up to which position an fsync has seen it."""

    rows: dict[str, bytes] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    base: int = 0
    dropped: int = 0
    swept: int = 0
    synced: int = 0

    def copy(self) -> Disk:
        """As it is now."""
        return Disk(dict(self.rows), list(self.entries), self.base, self.dropped, self.swept)

    def recovered(self) -> Recovered:
        """What the next start finds of the log."""
        return Recovered(LOG_ID, self.base, self.dropped, list(self.entries), False, None, self.swept)

    def look(self) -> tuple[Any, ...]:
        """For comparing."""
        return tuple(sorted(self.rows.items())), tuple(self.entries), self.base, self.dropped, self.swept


def left_changes() -> None:
    """What a crash would leave changes now, or what the next process has to keep to: each order of such steps leaves something else."""
    touch("left", WRITE)


class LogPaper:
    """The log's file. It is written anew at every append, with no more than is still remembered: what was forgotten too early is missed."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.size = 1

    def write(self, entries: Sequence[Entry]) -> None:
        left_changes()
        touch("paper", WRITE)
        self._disk.entries.extend(entries)
        self.size += 1_000_000

    def note_swept(self, position: int) -> None:
        left_changes()
        touch("paper", WRITE)
        self._disk.swept = position

    def replace(self, log_id: bytes, base: int, dropped: int, swept: int, entries: Iterable[Entry]) -> None:
        left_changes()
        touch("paper", WRITE)
        self._disk.base, self._disk.dropped, self._disk.swept, self._disk.entries = base, dropped, swept, list(entries)
        self.size = 1

    def sync(self) -> None:
        left_changes()
        touch("paper", WRITE)
        self._disk.synced = max((entry.position for entry in self._disk.entries), default=self._disk.base)


class Threads:
    """Stands for Workers. In order: the next job is a choice; else each is. What a job came to is told on the loop, another choice."""

    def __init__(self, awaits: Awaits, name: str, *, in_order: bool) -> None:
        self._awaits = awaits
        self._name = name
        self._in_order = in_order
        self._jobs: list[Callable[[], None]] = []

    def call(self, work: Callable[[], Any]) -> Future:
        future = self._awaits.create_future()

        def job() -> None:
            result = work()
            self._awaits.call_soon(lambda: future.done() or future.set_result(result))

        self.post(job)
        return future

    def post(self, job: Callable[[], Any]) -> None:
        if not self._in_order:
            self._awaits.open(self._awaits.name(self._name), job)
            return
        touch(self._name, WRITE)
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._awaits.open(self._name, self._next)

    def tell_loop(self, told: Callable[[], Any]) -> None:
        self._awaits.call_soon(told)

    def _next(self) -> None:
        touch(self._name, WRITE)
        self._jobs.pop(0)()
        if self._jobs:
            self._awaits.open(self._name, self._next)


class Tier:
    """Stands for DiskTier."""

    def __init__(self, disk: Disk, tags_of: Callable[[Any], tuple[str, ...]]) -> None:
        self._rows = disk.rows
        self._tags_of = tags_of

    def put(self, stored: StoredResponse) -> Written:
        left_changes()
        touch("disk", WRITE)
        name = row_name(stored.key, stored.vary)
        held = frame(self._rows.get(name, b""))
        if held is not None and held.order > (stored.position, stored.start):
            return Written.OLDER
        self._rows[name] = encode(stored, LOG_ID, stored.body)  # type: ignore[arg-type]
        return Written.KEPT

    def replace(self, old: StoredResponse, new: StoredResponse, *, in_memory: bool) -> Written:
        left_changes()
        touch("disk", WRITE)
        name = row_name(old.key, old.vary)
        if in_memory and name not in self._rows:
            return self.put(new)
        if not is_row_of(self._rows.get(name, b""), old):
            return Written.OLDER
        del self._rows[name]
        self._rows[row_name(new.key, new.vary)] = encode(new, LOG_ID, new.body)  # type: ignore[arg-type]
        return Written.KEPT

    def remove(self, stored: StoredResponse) -> None:
        left_changes()
        touch("disk", WRITE)
        name = row_name(stored.key, stored.vary)
        if is_row_of(self._rows.get(name, b""), stored):
            del self._rows[name]

    def leave_out(self, stored: StoredResponse) -> Written:
        left_changes()
        touch("disk", WRITE)
        name = row_name(stored.key, stored.vary)
        held = frame(self._rows.get(name, b""))
        if held is not None and held.order <= (stored.position, stored.start):
            del self._rows[name]
        return Written.NOT_KEPT

    def remove_all(self) -> None:
        left_changes()
        touch("disk", WRITE)
        self._rows.clear()

    def load(self, key: Key) -> list[StoredResponse]:
        return [stored for stored in self._all() if stored.key == key]

    def load_urls(self, urls: Collection[tuple[bytes, bytes]]) -> list[StoredResponse]:
        return [stored for stored in self._all() if (stored.key.host, stored.key.target) in urls]

    def walk(self, name: str, count: int) -> tuple[list[StoredResponse], str | None]:
        return self._all(), None

    def _all(self) -> list[StoredResponse]:
        touch("disk", READ)
        found = []
        for row in self._rows.values():
            known = frame(row)
            assert known is not None
            found.append(decode(row, known, _no_file, self._tags_of))
        return found


class DiskStore(Store):
    """The store's own memory tier over this disk."""

    disk_below: Disk  # set by whoever makes it

    async def open(self) -> Meta:
        """Take the disk."""
        awaits: Awaits = self.awaits  # type: ignore[attr-defined]
        self._writer = Threads(awaits, "writer", in_order=True)  # type: ignore[assignment]
        self._readers = Threads(awaits, "reader", in_order=False)  # type: ignore[assignment]
        self._keeper = SimpleNamespace(usable=True, generation="", rows=0, bytes=0)  # type: ignore[assignment]
        self._teller = SimpleNamespace(tell=_told)  # type: ignore[assignment]
        self.disk = Tier(self.disk_below, self._tags_of)  # type: ignore[assignment]
        return Meta()


def _told(*what: object) -> None:
    raise AssertionError(f"there is no trouble here: {what}")


def _no_file(note: object) -> Any:
    raise AssertionError("content is small here")


_Watched = watched(DiskStore)


def disk_store(awaits: Awaits, disk: Disk) -> Callable[..., Store]:
    """Makes stores over this disk."""
    return partial(_over, awaits, disk)


def _over(awaits: Awaits, disk: Disk, *args: Any, **named: Any) -> Store:
    store = _Watched(*args, **named)
    store.disk_below, store.awaits = disk, awaits  # type: ignore[attr-defined]
    return store
