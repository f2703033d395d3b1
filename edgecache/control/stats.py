"""`GET /api/v1/stats`: every counter, and what runs."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edgecache import __version__
from edgecache.control.clock import Time, time_of
from edgecache.control.operations import Asked, Operation
from edgecache.control.parts import ControlParts


class EdgeFigures(msgspec.Struct):
    """What runs."""

    version: str
    origin: Annotated[str, Meta(description="The setting `origin`.")]
    profile: Annotated[str, Meta(description="The setting `profile`.")]
    store: Annotated[str, Meta(description="The setting `store`.")]


class StoreFigures(msgspec.Struct):
    """How full the store is."""

    responses: Annotated[int, Meta(description="How many are stored, wherever they are.")]
    memory_bytes: Annotated[int, Meta(description="What those in memory cost.")]
    memory_limit_bytes: Annotated[int, Meta(description="The setting `memory_bytes`.")]
    evicted: Annotated[int, Meta(description="How many had to leave memory; with a folder they stay there.")]
    folder: Annotated[str | None, Meta(description="Where the others are; null when the store is in memory.")]
    disk_bytes: Annotated[int, Meta(description="What those in the folder cost, content and all; 0 without a folder.")]
    disk_limit_bytes: Annotated[int, Meta(description="The setting `disk_bytes`; 0 without a folder.")]
    disk_evicted: Annotated[int, Meta(description="How many had to leave the folder.")]


class LogFigures(msgspec.Struct):
    """Where the invalidation log is."""

    position: Annotated[int, Meta(description="The position of its newest entry.")]
    by_cause: Annotated[dict[str, int], Meta(description="How many entries were appended since the start, by cause.")]


class FaultFigures(msgspec.Struct):
    """Faults of vendors' purge APIs that somebody asked for (/api/v1/faults)."""

    active: Annotated[list[str], Meta(description="Those that are on, in words.")]
    struck: Annotated[int, Meta(description="Calls that were struck since the start, or the last reset.")]
    delayed: Annotated[int, Meta(description="Invalidations that were acknowledged and have yet to take effect.")]


class ConnectionFigures(msgspec.Struct):
    """The connections to one origin."""

    open: int
    idle: int
    connecting: int
    queued: Annotated[int, Meta(description="Requests that wait for a connection.")]


class OriginFigures(msgspec.Struct):
    """One site's origin."""

    site: str
    origin: str
    connections: ConnectionFigures


class Stats(msgspec.Struct):
    """Every counter, and what runs. Counters count since the edge started, or was reset."""

    edge: EdgeFigures
    clock: Time
    requests: Annotated[int, Meta(description="Requests that are over.")]
    handled: Annotated[dict[str, int], Meta(description="Those by what was done with them.")]
    reasons: Annotated[dict[str, int], Meta(description="Those by reason, as far as they had one.")]
    status: Annotated[dict[str, int], Meta(description="Those by class of the answer's status; `none` left without an answer.")]
    bytes_in: Annotated[int, Meta(description="Bytes of content that requests had.")]
    bytes_out: Annotated[int, Meta(description="Bytes of content that was sent.")]
    hit_ratio: Annotated[float | None, Meta(description="From 0 to 1; null while no request could have been a hit.")]
    errors: Annotated[int, Meta(description="Answers with a 5xx status that the edge made itself, and answers that broke off.")]
    store: StoreFigures
    invalidations: LogFigures
    faults: FaultFigures
    origins: list[OriginFigures]


STATS = Operation("GET", "/api/v1/stats", "stats", "Every counter, and what runs", {200: Stats})


async def stats(parts: ControlParts, asked: Asked) -> Stats:
    """Every counter, as it is now."""
    settings, store = parts.settings, parts.store
    counted: dict[str, Any] = parts.records.stats()
    return Stats(
        edge=EdgeFigures(__version__, settings.origin, settings.profile, settings.store),
        clock=time_of(parts.clock),
        store=StoreFigures(
            responses=store.responses,
            memory_bytes=store.memory.bytes,
            memory_limit_bytes=settings.memory_bytes,
            evicted=store.memory.evicted,
            folder=store.folder,
            disk_bytes=store.disk_bytes,
            disk_limit_bytes=settings.disk_bytes if store.folder else 0,
            disk_evicted=store.disk_evicted,
        ),
        invalidations=LogFigures(parts.log.head, {cause.value: number for cause, number in parts.log.by_cause.items()}),
        faults=FaultFigures(
            [one.sentence for one in parts.desk.faults.active(parts.clock.now())], parts.desk.faults.struck, len(parts.desk.delays)
        ),
        origins=msgspec.convert(list(parts.origins()), list[OriginFigures]),
        **counted,
    )
