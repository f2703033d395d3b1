"""GET /api/v1/settled: it returns when nothing is in flight that changes the store, so that no test has to sleep."""

from __future__ import annotations

import asyncio
import json

import pytest
from wirekit import Client, fresh, ok, until
from wirestage import HeldOrigin, api, ask_control, replies, rounds, settled, several, start


async def held(start_kit, **settings: object):
    origin = HeldOrigin()
    return await start_kit(origin, **settings), origin


async def still_waits(kit) -> Client:
    """A call that has not been answered although everything happened that could happen by itself."""
    client = await ask_control(kit, "/api/v1/settled?timeout=20s")
    await until(lambda: bool(kit.edge.activity._waiting), "the call to be waiting")
    await rounds(kit)
    assert kit.edge.activity._waiting
    return client


async def is_answered(client: Client) -> None:
    reply = await client.reply()
    assert (reply.status, json.loads(reply.body)) == (200, {"settled": True})


async def test_nothing_in_flight(kit):
    await settled(kit)
    kit.origin.answer("/a", fresh())
    await kit.get("/a")
    await settled(kit)


async def test_it_waits_for_a_fetch_until_all_of_it_is_stored(start_kit):
    kit, origin = await held(start_kit)
    client = await start(kit)
    await origin.nth(0)
    call = await still_waits(kit)
    await origin.asked[0].send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nfirst")
    await client.until(b"first")
    await rounds(kit)
    assert kit.edge.activity._waiting
    await origin.asked[0].send(b"other")
    await is_answered(call)
    assert (await kit.get("/a")).hit


async def test_it_waits_for_a_fetch_whose_client_has_left(start_kit):
    kit, origin = await held(start_kit)
    client = await start(kit)
    await origin.nth(0)
    client.reset()
    await until(lambda: not kit.edge.server.connections)
    call = await still_waits(kit)
    await origin.asked[0].send(fresh())
    await is_answered(call)
    assert (await kit.get("/a")).hit


async def test_it_waits_for_a_refresh_in_the_background(start_kit):
    kit, origin = await held(start_kit)
    client = await start(kit)
    await (await origin.nth(0)).send(ok(b"old", "Cache-Control: max-age=60, stale-while-revalidate=60"))
    await client.reply()
    kit.clock.pass_time(70)
    assert (await kit.get("/a")).body == b"old"
    call = await still_waits(kit)
    await (await origin.nth(1)).send(fresh(b"new"))
    await is_answered(call)
    assert (await kit.get("/a")).body == b"new"


async def test_it_waits_for_the_second_question_when_the_first_came_to_nothing(start_kit):
    """A 304 that a purge voided is asked again; between the two there is no moment at which nothing is in flight."""
    kit, origin = await held(start_kit)
    client = await start(kit)
    await (await origin.nth(0)).send(fresh(b"old", 'ETag: "a"'))
    await client.reply()
    kit.clock.pass_time(120)
    client = await start(kit)
    await origin.nth(1)
    await kit.request("PURGE", "/a")
    call = await still_waits(kit)
    await origin.asked[1].send(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')
    await origin.nth(2)
    await rounds(kit)
    assert kit.edge.activity._waiting
    await origin.asked[2].send(fresh(b"new"))
    await is_answered(call)
    assert (await client.reply()).body == b"new"


async def test_it_waits_for_all_of_several(start_kit):
    kit, origin = await held(start_kit)
    clients = [await start(kit, target) for target in ("/a", "/b")]
    await origin.nth(1)
    call = await still_waits(kit)
    await origin.asked[0].send(fresh())
    await rounds(kit)
    assert kit.edge.activity._waiting
    await origin.asked[1].send(fresh())
    await is_answered(call)
    await replies(clients)


async def test_a_fetch_that_fails_is_over(start_kit):
    kit, origin = await held(start_kit)
    clients = await several(kit, 3)
    await origin.nth(0)
    call = await still_waits(kit)
    await origin.asked[0].fail()
    await is_answered(call)
    assert {reply.status for reply in await replies(clients)} == {502}


async def test_what_lasts_longer_than_the_time_given(start_kit):
    kit, origin = await held(start_kit)
    await start(kit)
    await origin.nth(0)
    status, body = await api(kit, "/api/v1/settled?timeout=10ms")
    assert (status, body["detail"]) == (504, "Something is still in flight after 0.01 s.")


# what it does not wait for


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /a HTTP/1.1\r\nHost: example.test\r\nContent-Length: 0\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: example.test\r\nCache-Control: no-store\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: example.test\r\nContent-Length: 1\r\n\r\nx",
        b"OPTIONS /a HTTP/1.1\r\nHost: example.test\r\n\r\n",
    ],
)
async def test_passes(start_kit, request_bytes):
    kit, origin = await held(start_kit)
    client = await kit.connect()
    await client.send(request_bytes)
    await origin.nth(0)
    await settled(kit)


async def test_a_stream_of_events(start_kit):
    """A page that is open in some browser must not keep a test from going on."""
    kit, origin = await held(start_kit)
    client = await start(kit, "/events", "Accept: text/event-stream")
    await (await origin.nth(0)).send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
    await client.until(b"data: 1")
    await settled(kit)
    await origin.asked[0].send(b"data: 2\n\n")
    await client.until(b"data: 2")


@pytest.mark.parametrize("lines", [b"Cache-Control: no-store", b"X-Says: nothing", b"Cache-Control: private"])
async def test_an_answer_that_is_not_stored_once_its_head_is_there(start_kit, lines):
    """How long a client takes to read a download changes nothing in the store."""
    kit, origin = await held(start_kit)
    client = await start(kit)
    await (await origin.nth(0)).send(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\nContent-Length: 10\r\n\r\nfirst")
    await client.until(b"first")
    await settled(kit)
    await origin.asked[0].send(b"other")
    assert await client.exactly(5) == b"other"


async def test_what_outgrew_the_limit_while_it_arrived(start_kit):
    kit, origin = await held(start_kit, object_bytes=100_000)
    client = await start(kit)
    await (await origin.nth(0)).send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 200000\r\n\r\n" + b"x" * 150_000)
    await client.until(b"\r\n\r\n")
    await client.exactly(150_000)
    await settled(kit)


async def test_a_tunnel(start_kit):
    kit, origin = await held(start_kit)
    client = await start(kit, "/ws", "Connection: Upgrade", "Upgrade: websocket")
    await (await origin.nth(0)).send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
    await client.until(b"hello")
    await settled(kit)


async def test_requests_that_wait_are_not_counted_twice(start_kit):
    """The fetch is over and stored; that the slow ones of those who read along are still reading is their affair."""
    kit, origin = await held(start_kit)
    clients = await several(kit, 3)
    await origin.nth(0)
    await rounds(kit)
    sending = asyncio.ensure_future(origin.asked[0].send(fresh(b"x" * 8_000_000)))
    await settled(kit)
    await sending
    assert (await kit.get("/a")).hit
    assert {len(reply.body) for reply in await replies(clients)} == {8_000_000}
