"""An edge for a world: built by app.py, with other things where app.py hands in the outside, and watched where coroutines share state."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec
from interleavings.awaiting import ADD, READ, WRITE, Awaits, Noting, touch
from interleavings.disk import Disk, LogPaper, disk_store
from interleavings.origin import OriginSide, StillSweeper
from interleavings.peers import SITE
from interleavings.scenario import Scenario
from interleavings.watching import in_place_of, watched, watched_container
from wirekit import StandingClock

from edgecache import app
from edgecache.config.settings import Settings
from edgecache.edge import collapse, flow, leading, refetch
from edgecache.edge.refetch import Refetch
from edgecache.http1 import connection, server
from edgecache.http1.tasks import Tasks
from edgecache.invalidation import log
from edgecache.invalidation.commit import GroupCommit
from edgecache.invalidation.log import InvalidationLog
from edgecache.store import spool, tiers

SETTINGS = Settings(origin="http://origin.test", store="memory", log="off", records=1, via="edge", memory_bytes=10_000_000)
SWEEPER = "start/store sweeper"  # the task's name


class TouchedClock(StandingClock):
    """Says when it is looked at; and the order in which fetches start is something that they share."""

    def now(self) -> float:
        touch("time", READ)
        return super().now()

    def monotonic(self) -> float:
        touch("time", READ)
        return super().monotonic()

    def real_ns(self) -> int:
        touch("starts", WRITE)
        return super().real_ns()


class Log(watched(InvalidationLog)):  # type: ignore[misc]
    """Who asks is counted: the order of those who only count makes no difference."""

    __slots__ = ()

    def begin_asking(self, position: int) -> None:
        with self._only_counting():
            super().begin_asking(position)

    def end_asking(self, position: int) -> None:
        with self._only_counting():
            super().end_asking(position)

    def sweepable(self) -> int:
        touch("asking", READ)
        return super().sweepable()  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def _only_counting(self) -> Iterator[None]:
        touched, Noting.touched = Noting.touched, None
        try:
            yield
        finally:
            Noting.touched = touched
        touch("asking", ADD)


class NoLines:
    """The terminal."""

    def line(self, row: object) -> None:
        pass


_WATCHED = (
    (app, "Store"),
    (app, "Flights"),
    (app, "Flow"),
    (tiers, "MemoryStore"),
    (tiers, "Load"),
    (tiers, "Spool"),
    (spool, "Reader"),
    (log, "Coverages"),
    (collapse, "Flight"),
    (flow, "Lead"),
    (refetch, "Lead"),
    (flow, "Fetch"),
    (leading, "Fetch"),
    (leading, "Underway"),
    (connection, "Incoming"),
)
_PLACES = ((app, "InvalidationLog", Log), *((module, name, watched(getattr(module, name))) for module, name in _WATCHED))
_LEAVING = ((server, "ServerConnection", watched(server.ServerConnection)),)
_WatchedOrder = watched(leading.Order)


@contextlib.contextmanager
def no_loop_runs(scenario: Scenario) -> Iterator[None]:
    """Worlds of this scenario can be made and stepped while this lasts."""
    before = asyncio._get_running_loop()
    may_leave = any(client.may_leave for client in scenario.clients)  # else nobody but the answering coroutine looks at the connection
    with in_place_of(*_PLACES, *(_LEAVING if may_leave else ())):
        try:
            yield
        finally:
            asyncio._set_running_loop(before)


def build(scenario: Scenario, awaits: Awaits, clock: TouchedClock, disk: Disk, origin: OriginSide) -> app.Edge:
    """What `Edge.start` makes, less listeners and control plane."""
    log_bytes = 1 if scenario.disk else SETTINGS.log_bytes  # then it is written anew each time
    settings = msgspec.structs.replace(SETTINGS, log_bytes=log_bytes, **scenario.settings)
    edge = app.Edge(settings, clock)
    paper = LogPaper(disk)
    places: list[Any] = []
    if scenario.disk:
        edge.log.recover(disk.recovered())
        edge.log.write_to(paper)  # type: ignore[arg-type]
        places.append((app, "Store", disk_store(awaits, disk)))
    edge.url = SITE
    edge.places = app.Sites([edge._site(one) for one in edge.sites], frozenset())
    edge.naming = app.Naming(edge.places, edge.rules, edge.profile)
    edge.log.site_of = edge.naming.site_of
    edge.tasks = Tasks(awaits, lambda name, defect: awaits.defects.append(f"{name}: {defect!r}"))  # type: ignore[arg-type]
    edge.sweeper = StillSweeper()  # type: ignore[assignment]
    with in_place_of(*places):
        _finish(edge._open_store())
    if not scenario.sweeps:
        edge.doors.appended = lambda: None
        for name in [name for name in awaits.choices if name.startswith(SWEEPER)]:
            awaits.withdraw(name)
    if settings.log_sync == "disk":
        edge.doors._commit = GroupCommit(paper.sync, lambda: edge.log.head)
    edge.arriving = watched_container(edge.arriving, "arriving", ("Edge", "arriving"))
    edge.pools = {"default": origin}  # type: ignore[dict-item]
    edge.flow = edge._flow(awaits, NoLines())  # type: ignore[arg-type]
    object.__setattr__(edge.flow.parts.lead, "order", _WatchedOrder())
    limits = edge._head_limits(), edge._server_limits()
    edge.server = app.Server(awaits, edge.sweeper, edge.tasks, *limits, edge.flow.serve, edge.flow.reject)  # type: ignore[arg-type]
    edge.refetch = Refetch(edge.flow, edge.tasks)
    edge.doors.refetch = edge.refetch.begin
    return edge


def left_over(edge: app.Edge, origin: OriginSide) -> Iterator[str]:
    """What should not be there when nothing can happen any more: nobody would ever wake it."""
    for what, left in (
        ("flights", len(edge.flights)),
        ("refreshes", len(edge.flow.refreshing)),
        ("leads", edge.activity.busy),
        ("fetches that hold the log back", len(edge.log._asking)),
        ("arriving responses", len(edge.arriving)),
        ("fetches in order", len(edge.flow.parts.lead.order._underway)),
        ("origin connections", len(origin.out)),
        ("refetches", edge.refetch.left),
        ("tasks", len(edge.tasks)),
    ):
        if left:
            yield f"{left} {what} are left over"


def _finish(work: Any) -> None:
    """Run a coroutine that waits for nothing."""
    with contextlib.suppress(StopIteration):
        work.send(None)
        raise AssertionError("it waits")
