"""What of an edge the control plane shows and moves. Filled in by app.py, the only module that knows every part."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from edgecache.clock import Clock
from edgecache.config import Settings
from edgecache.control.dialects.desk import Desk
from edgecache.invalidation.doors import Doors
from edgecache.invalidation.log import InvalidationLog
from edgecache.record import Records
from edgecache.semantics.urls import Key
from edgecache.store.tiers import Store


@dataclass(frozen=True, slots=True)
class ControlParts:
    """The parts of one edge.

    origins  figures of each origin and its connections, for /api/v1/stats: names and numbers that JSON can hold
    ready    None when the edge takes requests; otherwise a sentence that says why not, for /readyz
    keyed    the key under which the edge holds what people call by this URL: public names and key rules applied
    tag      a cache tag in the form in which stored responses have it
    moved    awaited after the clock was moved: the offset is kept when it returns
    settled  waits until nothing is in flight; False when that took longer than so many seconds
    cleared  called by reset: forget what was learnt beside the store
    desk     answers calls of vendors' purge APIs
    """

    settings: Settings
    clock: Clock
    log: InvalidationLog
    doors: Doors
    store: Store
    records: Records
    origins: Callable[[], Sequence[Mapping[str, object]]]
    ready: Callable[[], str | None]
    keyed: Callable[[Key], Key]
    tag: Callable[[str], str]
    moved: Callable[[], Awaitable[None]]
    settled: Callable[[float], Awaitable[bool]]
    cleared: Callable[[], None]
    desk: Desk
