"""A control plane over real parts, with a clock that stands still, and a store to put responses into."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from dialectkit import desk_of
from invalidationkit import doors_of

from edgecache.caching.stored import Key, StoredResponse
from edgecache.clock import Clock
from edgecache.config import Settings
from edgecache.control.app import control_app
from edgecache.control.parts import ControlParts
from edgecache.invalidation.log import InvalidationLog
from edgecache.record import Records
from edgecache.semantics.urls import parse_url
from edgecache.store.body import MemoryBody
from edgecache.store.tiers import Store, StoreLimits

NOW = 1_700_000_000.0
CONNECTIONS = {"open": 2, "idle": 1, "connecting": 0, "queued": 0}
ORIGIN = {"site": "default", "origin": "http://localhost:3000", "connections": CONNECTIONS}


class StillClock(Clock):
    """Edge time stands still at NOW plus the offset; real time runs."""

    def now(self) -> float:
        return NOW + self.offset_s


@dataclass
class Plane:
    """The parts, and how tests fill them."""

    settings: Settings
    clock: Clock = field(default_factory=StillClock)
    why_not_ready: str | None = None

    def __post_init__(self) -> None:
        self.log = InvalidationLog(1000)
        limit = self.settings.memory_bytes
        limits = StoreLimits(limit, 0, self.settings.variants, limit, limit, limit, limit)
        self.store = Store(None, limits, self.clock, print, lambda name, defect: None)
        self.moved: list[float] = []
        self.cleared = 0
        self.records = Records(16)
        self.doors = doors_of(self.log, self.store, self.clock)
        self.parts = ControlParts(
            settings=self.settings,
            clock=self.clock,
            log=self.log,
            doors=self.doors,
            store=self.store,
            records=self.records,
            origins=lambda: [ORIGIN],
            ready=lambda: self.why_not_ready,
            keyed=lambda key: key,
            tag=str.lower,
            moved=self.keep_offset,
            settled=self.settled,
            cleared=self.forget,
            desk=desk_of(self.settings, self.clock, self.doors, self.records),
        )

    async def settled(self, timeout_s: float) -> bool:
        """Nothing is ever in flight here, but for a timeout of one second."""
        return timeout_s != 1.0

    async def keep_offset(self) -> None:
        """The offset is kept."""
        self.moved.append(self.clock.offset_s)
        await self.parts.desk.delays.append_due()

    def forget(self) -> None:
        """Reset came by."""
        self.cleared += 1
        self.parts.desk.forget()

    def put(self, url: str, **differently: Any) -> StoredResponse:
        """Store a response for `url`, received now and fresh for a minute, at the log's head."""
        key = parse_url(url)
        assert isinstance(key, Key), key
        what: dict[str, Any] = {
            "status": 200,
            "reason": b"OK",
            "fields": [],
            "vary": (),
            "body": MemoryBody((b"hello",)),
            "request_time": self.clock.now(),
            "response_time": self.clock.now(),
            "offset_s": self.clock.offset_s,
            "position": self.log.head,
            "start": self.clock.real_ns(),
            "lifetime_s": 60.0,
            "initial_age_s": 0.0,
        }
        stored = StoredResponse(key=key, **{**what, **differently})
        assert self.store.put(stored)
        return stored


@pytest.fixture
def make_plane() -> Callable[..., Plane]:
    """A plane with other settings than the defaults."""

    def make(**settings: Any) -> Plane:
        return Plane(Settings(origin="http://localhost:3000", **settings))

    return make


@pytest.fixture
def plane(make_plane: Callable[..., Plane]) -> Plane:
    return make_plane()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Plane], Any]]:
    """A client of the control plane of a `Plane`: `client = await serve(plane)`."""
    async with AsyncExitStack() as stack:

        async def start(plane: Plane) -> TestClient[Any, Any]:
            return await stack.enter_async_context(TestClient(TestServer(control_app(plane.parts))))

        yield start


@pytest.fixture
async def client(serve: Callable[[Plane], Any], plane: Plane) -> TestClient[Any, Any]:
    return await serve(plane)
