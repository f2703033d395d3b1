"""Connections that were upgraded: whatever comes on either side goes out on the other, until both have ended or nobody says anything."""

from __future__ import annotations

import asyncio

import pytest
from wirekit import EMPTY_POOL

HEAD = b"GET /a HTTP/1.1\r\nHost: a.test\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a.test\r\n"


async def open_tunnel(kit):
    """A client and the origin's end of its tunnel."""
    peers = []

    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
        peers.append(peer)
        await asyncio.Event().wait()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(HEAD + b"Connection: upgrade\r\nUpgrade: raw\r\n\r\n")
    assert (await client.reply()).status == 101
    await kit.until(lambda: peers)
    return client, peers[0]


async def test_a_silent_tunnel_is_closed_on_both_sides(kit):
    client, peer = await open_tunnel(kit)
    kit.pass_time(3599)
    assert len(kit.edge.server.connections) == 1
    kit.pass_time(1.1)
    assert await client.to_end() == b""
    assert await peer.to_end() == b""
    await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL)


@pytest.mark.parametrize("side", ["client", "origin"])
async def test_traffic_either_way_keeps_a_tunnel_open(kit, side):
    client, peer = await open_tunnel(kit)
    sender, receiver = (client, peer) if side == "client" else (peer, client)
    for _ in range(4):
        kit.pass_time(3000)
        await sender.send(b"ping")
        assert await receiver.exactly(4) == b"ping"


async def test_a_tunnel_to_a_client_that_takes_nothing(kit):
    client, peer = await open_tunnel(kit)
    client.writer.transport.pause_reading()
    peer.writer.write(b"x" * 30_000_000)
    await kit.pass_send_timeouts(lambda: not kit.edge.server.connections and kit.edge.pool.figures() == EMPTY_POOL)


async def test_a_half_closed_tunnel_still_carries_the_other_way(kit):
    client, peer = await open_tunnel(kit)
    client.half_close()
    assert await peer.more() == b""
    await peer.send(b"last words")
    assert await client.exactly(10) == b"last words"
    peer.close()
    assert await client.to_end() == b""
    await kit.until(lambda: not kit.edge.server.connections and kit.edge.pool.figures() == EMPTY_POOL)


async def test_a_client_that_ended_its_side_before_the_tunnel_was_there(kit):
    """The origin learns it all the same, and the bytes that came before."""
    got = []

    async def script(peer):
        await peer.head()
        await kit.turns(20)
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
        got.append(await peer.to_end())
        await peer.send(b"bye")

    kit.origin.script = script
    client = await kit.connect()
    await client.send(HEAD + b"Connection: upgrade\r\nUpgrade: raw\r\n\r\nearly")
    client.half_close()
    assert (await client.reply()).status == 101
    assert await client.to_end() == b"bye"
    assert got == [b"early"]


async def test_an_origin_that_ends_with_its_101(kit):
    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nhello and goodbye")

    kit.origin.script = script
    client = await kit.connect()
    await client.send(HEAD + b"Connection: upgrade\r\nUpgrade: raw\r\n\r\n")
    assert (await client.reply()).status == 101
    assert await client.to_end() == b"hello and goodbye"
    client.close()
    await kit.until(lambda: not kit.edge.server.connections and kit.edge.pool.figures() == EMPTY_POOL)


async def test_much_that_comes_before_the_tunnel_is_there(kit):
    """The other protocol's first megabytes, sent without waiting for the 101: in order, and not all held at once."""
    early = bytes(range(256)) * 8000
    got = []

    async def script(peer):
        await peer.head()
        await kit.settled()
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
        got.append(await peer.exactly(len(early)))

    kit.origin.script = script
    client = await kit.connect()
    client.writer.write(HEAD + b"Connection: upgrade\r\nUpgrade: raw\r\n\r\n" + early)
    assert (await client.reply()).status == 101
    assert await client.to_end() == b""
    assert got == [early]


async def test_a_switch_before_the_request_is_complete_is_refused(kit):
    """Its content and the other protocol's bytes could not be told apart."""

    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
        await peer.ended()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(POST + b"Connection: upgrade\r\nUpgrade: raw\r\nContent-Length: 10\r\n\r\nhello")
    reply = await client.reply()
    assert (reply.status, reply.error, reply.get("connection")) == (502, "http_upgrade_failed", b"close")


async def test_a_switch_after_content(kit):
    async def script(peer):
        assert (await peer.request()).body == b"hello"
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
        await peer.send(await peer.exactly(3))

    kit.origin.script = script
    client = await kit.connect()
    await client.send(POST + b"Connection: upgrade\r\nUpgrade: raw\r\nContent-Length: 5\r\n\r\nhelloabc")
    assert (await client.reply()).status == 101
    assert await client.to_end() == b"abc"
