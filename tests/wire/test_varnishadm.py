"""An edge that speaks Varnish's management protocol beside its other ports: where it listens, whom it takes, and that it ends."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from adminkit import SECRET, Client, running_admin
from wirekit import StandingClock, until

from edgecache.app import Edge, StartError
from edgecache.config import load


async def connect(kit) -> Client:
    host, _, port = kit.edge.varnishadm.rpartition(":")
    client = Client(*await asyncio.open_connection(host.strip("[]"), int(port)))
    kit.clients.append(client)
    return client


async def test_it_is_off_unless_asked_for(kit):
    assert kit.edge.varnishadm == ""
    assert len(kit.edge._listeners) == 2


async def test_edge_time_is_what_it_tells(start_kit):
    kit = await start_kit(varnishadm="127.0.0.1:0")
    client = await connect(kit)
    assert (await client.reply()).status == 200
    assert (await client.ask("status")).text == "Child in state running"
    kit.edge.clock.advance(3600)
    assert (await client.ask("ping")).text == f"PONG {int(kit.edge.clock.now())} 1.0"


async def test_the_secret_of_the_file(start_kit, tmp_path):
    (tmp_path / "secret").write_bytes(SECRET)
    kit = await start_kit(varnishadm="127.0.0.1:0", varnishadm_secret=str(tmp_path / "secret"))
    assert (await (await connect(kit)).authenticate()).status == 200
    assert (await (await connect(kit)).authenticate(b"another")).status == 500


async def test_limits_are_those_of_the_settings(start_kit):
    kit = await start_kit(varnishadm="127.0.0.1:0", varnishadm_connections=1, varnishadm_idle_timeout_s=5, head_bytes=300)
    client = await connect(kit)
    await client.reply()
    assert (await (await connect(kit)).reply()).status == 300
    assert (await client.ask("ping")).status == 200
    assert (await client.ask("ping " + "x" * 300)).status == 106
    await until(lambda: any(one.deadline == kit.clock.monotonic() + 5 for one in kit.edge.sweeper._watched))
    kit.pass_time(6)
    assert await client.reply() is None


async def test_who_may_not_purge_may_not_connect(start_kit):
    kit = await start_kit(varnishadm="127.0.0.1:0", purge_allow="10.0.0.0/8")
    client = await connect(kit)
    assert (await client.reply()).status == 300
    assert await client.reply() is None


async def test_it_ends_with_the_edge(start_kit):
    kit = await start_kit(varnishadm="127.0.0.1:0")
    clients = [await connect(kit) for _ in range(3)]
    for client in clients:
        assert (await client.reply()).status == 200
    await kit.edge.stop()
    for client in clients:
        assert await client.reply() is None
    with pytest.raises(ConnectionRefusedError):
        await connect(kit)


async def test_a_secret_that_went_away_is_one_sentence(tmp_path):
    (tmp_path / "secret").write_bytes(SECRET)
    flags = {"store": "memory", "listen": "127.0.0.1:0", "control": "127.0.0.1:0", "varnishadm": "127.0.0.1:0"}
    settings = load(None, {**flags, "origin": "http://127.0.0.1:9", "varnishadm_secret": str(tmp_path / "secret")})
    (tmp_path / "secret").unlink()
    with pytest.raises(StartError, match=r"varnishadm_secret: .* is no file"):
        await Edge(settings, StandingClock()).start()


@pytest.mark.parametrize("command", [b"ban req.url ~ .", b"quit"])
async def test_who_leaves_before_the_answer_is_no_defect(command: bytes):
    """A reset while the ban waits for the disk: uvloop, on which the wire tests run as well, raises where one writes after it."""
    async with running_admin() as admin:
        client = await admin.greeted()
        gate = admin.bans.gate = asyncio.Event()
        await client.send(b"ban req.url ~ ^/a", command)
        await admin.until(lambda: gate._waiters)
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close is reset
        client.writer.transport.abort()
        (session,) = admin.listener._open
        await admin.until(session._writer.transport.is_closing)
        gate.set()
        await admin.until(lambda: not admin.listener._open)
        assert [text for text, _ in admin.bans.asked] == ["req.url ~ ^/a"], "it was done all the same"
