"""What of an edge the control plane shows and moves. Filled in by app.py, the only module that knows every part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgecache.clock import Clock
from edgecache.config import Settings
from edgecache.invalidation.doors import Doors
from edgecache.invalidation.log import InvalidationLog
from edgecache.record import Records
from edgecache.store.memory import MemoryStore


@dataclass(frozen=True, slots=True)
class ControlParts:
    """The parts of one edge.

    origins  figures of each origin and its connections, for /api/v1/stats: names and numbers that JSON can hold
    ready    None when the edge takes requests; otherwise a sentence that says why not, for /readyz
    """

    settings: Settings
    clock: Clock
    log: InvalidationLog
    doors: Doors
    store: MemoryStore
    records: Records
    origins: Callable[[], Sequence[Mapping[str, object]]]
    ready: Callable[[], str | None]
