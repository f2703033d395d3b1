"""Which rows of the disk tier make room: S3-FIFO as in eviction.py, kept in the database itself.

A row's queue is its tag, its turn its rowid, its uses its access count. So it costs no memory, survives a restart, and a start reads
none of it. Only the names of rows that left the small queue are remembered in memory, and uses that nobody has written down yet.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable

from edgecache.store.database import Database, Row
from edgecache.store.eviction import MOST_USES, PROMOTED_AT, SMALL_SHARE

SMALL, MAIN = "s", "m"
GHOSTS = 65_536
USES_NOTED = 10_000
TURNS = 256  # in one transaction


class Queues:
    """Whose turn is it? Everything but `note_uses` runs in the thread that writes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._main_bytes: int | None = None  # None: nobody has counted
        self._ghosts: OrderedDict[int, None] = OrderedDict()
        self._noted: deque[str] = deque(maxlen=USES_NOTED)

    def clear(self) -> None:
        """There is nothing any more."""
        self._main_bytes = 0
        self._ghosts.clear()
        self._noted.clear()

    def recount(self) -> None:
        """What was counted since may not have come about."""
        self._main_bytes = None

    def count(self, queue: str, more: int) -> None:
        """A queue holds `more` bytes than before."""
        if queue == MAIN and self._main_bytes is not None:
            self._main_bytes += more

    def queue_for(self, name: str) -> str:
        """In which queue does a new row begin? In the main one when it was evicted lately."""
        return SMALL if self._ghosts.pop(hash(name), self) is self else MAIN

    def note_uses(self, names: Iterable[str]) -> None:
        """These rows were used. From any thread; written down when it matters."""
        self._noted.extend(names)

    def take_turns(
        self,
        database: Database,
        surplus: int,
        passed: set[str],
        popularity: Callable[[Row], int],
        delete: Callable[[Row], None],
    ) -> None:
        """Delete rows until `surplus` bytes are free, or some turns were taken. Inside a transaction.

        `popularity` says how often the response in a row was used elsewhere, in the memory tier.
        `passed` is the caller's, empty at first: what went round once for its uses does not do so again, or nobody might ever go.
        """
        self._write_uses(database)
        if self._main_bytes is None:
            self._main_bytes = database.queue_bytes(MAIN)
        for _ in range(TURNS):
            if surplus <= 0:
                break
            row = self._next(database)
            if row is None:
                break
            uses = 0 if row.frame is None or row.name in passed else row.uses + popularity(row)
            if row.queue == SMALL and uses >= PROMOTED_AT:
                database.to_end(row, MAIN, 0)
                self.count(MAIN, row.cost)
            elif row.queue == MAIN and uses:
                database.to_end(row, MAIN, min(uses, MOST_USES) - 1)
                passed.add(row.name)
            else:
                if row.queue == SMALL:
                    self._remember_ghost(hash(row.name))
                surplus -= row.cost
                delete(row)

    def _next(self, database: Database) -> Row | None:
        """The row whose turn it is: of the main queue when that has more than its share."""
        assert self._main_bytes is not None
        main_first = self._main_bytes > self._limit_bytes - self._limit_bytes // SMALL_SHARE
        queues = (MAIN, SMALL) if main_first else (SMALL, MAIN)
        return database.first_of(queues[0]) or database.first_of(queues[1])

    def _remember_ghost(self, name: int) -> None:
        self._ghosts[name] = None
        if len(self._ghosts) > GHOSTS:
            self._ghosts.popitem(last=False)

    def _write_uses(self, database: Database) -> None:
        while self._noted:
            database.add_uses(self._noted.popleft(), 1)
