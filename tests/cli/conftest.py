"""Client commands against a real control plane on a free port, run as `edgecache` would run them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result
from dialectkit import desk_of
from invalidationkit import doors_of

from edgecache.caching.stored import Key, StoredResponse
from edgecache.cli import main
from edgecache.clock import Clock
from edgecache.config import Settings
from edgecache.control.app import control_app
from edgecache.control.parts import ControlParts
from edgecache.invalidation.log import InvalidationLog
from edgecache.record import Records
from edgecache.store.body import MemoryBody
from edgecache.store.tiers import Store, StoreLimits

CONNECTIONS = {"open": 2, "idle": 1, "connecting": 0, "queued": 0}


class Plane:
    """The parts behind the control plane, and its address."""

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(origin="http://localhost:3000", **settings)
        self.clock = Clock()
        self.log = InvalidationLog(1000)
        self.store = Store(None, StoreLimits(2**20, 0, 10, 2**20, 2**20, 2**20, 2**20), self.clock, print, lambda name, defect: None)
        self.doors = doors_of(self.log, self.store, self.clock)
        self.url = ""
        records = Records(16)
        self.desk = desk_of(self.settings, self.clock, self.doors, records)
        self.app = control_app(
            ControlParts(
                settings=self.settings,
                clock=self.clock,
                log=self.log,
                doors=self.doors,
                store=self.store,
                records=records,
                origins=lambda: [{"site": "default", "origin": "http://localhost:3000", "connections": CONNECTIONS}],
                ready=lambda: None,
                keyed=lambda key: key,
                tag=str.lower,
                moved=self.moved,
                settled=self.settled,
                cleared=lambda: None,
                desk=self.desk,
            )
        )

    async def moved(self) -> None:
        """Nothing is kept here."""

    async def settled(self, timeout_s: float) -> bool:
        """Nothing is ever in flight here."""
        return True

    def put(self, host: bytes, target: bytes, **differently: Any) -> None:
        now = self.clock.now()
        what: dict[str, Any] = {
            "status": 200, "reason": b"OK", "fields": [], "vary": (), "body": MemoryBody((b"x",)), "request_time": now,
            "response_time": now, "offset_s": 0.0, "position": self.log.head, "start": 1, "lifetime_s": 60.0, "initial_age_s": 0.0,
        }  # fmt: skip
        self.store.put(StoredResponse(key=Key(b"http", host, target), **{**what, **differently}))


@pytest.fixture
async def make_plane() -> AsyncIterator[Callable[..., Awaitable[Plane]]]:
    servers = []

    async def make(**settings: Any) -> Plane:
        plane = Plane(**settings)
        server = TestServer(plane.app)
        await server.start_server()
        servers.append(server)
        plane.url = f"http://127.0.0.1:{server.port}"
        return plane

    yield make
    for server in servers:
        await server.close()


@pytest.fixture
async def plane(make_plane: Callable[..., Awaitable[Plane]]) -> Plane:
    return await make_plane()


@pytest.fixture
def invoke() -> Callable[..., Awaitable[Result]]:
    """`await invoke("purge", url, edge=plane.url)`: the command in a thread, because the control plane answers from this loop."""

    async def call(*arguments: str, edge: str | None = None, env: dict[str, str] | None = None, stdin: str | bytes | None = None) -> Result:
        variables: dict[str, str | None] = {"EDGECACHE_URL": edge, "EDGECACHE_TOKEN": None, **(env or {})}
        return await asyncio.to_thread(CliRunner().invoke, main, list(arguments), input=stdin, env=variables, prog_name="edgecache")

    return call
