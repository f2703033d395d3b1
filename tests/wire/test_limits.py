"""What is bounded: connections, what a pipelining client can make the edge hold, and the time that an orderly end takes."""

from __future__ import annotations

import asyncio
import time

import pytest
from wirekit import Cut, fresh, ok

REQUEST = b"GET /%d HTTP/1.1\r\nHost: a.test\r\n\r\n"
HELD = b"GET /held HTTP/1.1\r\nHost: a.test\r\nCache-Control: no-store\r\n\r\n"  # no-store: nobody waits for another one's answer


async def open_clients(kit, count):
    clients = []
    for number in range(count):
        clients.append(await kit.connect())
        await kit.until(lambda: len(kit.edge.server.connections) == number + 1)  # noqa: B023
    return clients


# client connections


async def test_the_connection_that_was_idle_longest_makes_room(start_kit):
    kit = await start_kit(client_connections=3)
    kit.origin.answer("/0", ok(b"fine"))
    first, second, third = await open_clients(kit, 3)
    await first.send(REQUEST % 0)  # now the second is the one that did nothing for longest
    await first.reply()
    newest = await kit.connect()
    await newest.send(REQUEST % 0)
    assert (await newest.reply()).body == b"fine"
    assert await second.to_end() == b""
    for client in (first, third, newest):
        await client.send(REQUEST % 0)
        assert (await client.reply()).body == b"fine"


async def test_several_that_come_at_once_get_a_place_each(start_kit):
    kit = await start_kit(client_connections=4)
    kit.origin.answer("/0", ok(b"fine"))
    old = await open_clients(kit, 4)
    new = await asyncio.gather(*(kit.connect() for _ in range(4)))
    for client in new:
        await client.send(REQUEST % 0)
    assert [(await client.reply()).body for client in new] == [b"fine"] * 4
    for client in old:
        assert await client.ended()


async def test_the_newest_is_refused_when_nobody_is_idle(start_kit):
    """Who is being answered keeps the connection, and so does who is in the middle of a head."""
    kit = await start_kit(client_connections=2)
    gate = kit.origin.answer("/held", ok(b"fine"), gate=True)
    kit.origin.answer("/0", ok(b"fine"))
    busy, beginning = await open_clients(kit, 2)
    await busy.send(HELD)
    await beginning.send((REQUEST % 0)[:20])
    await kit.taken(len(HELD) + 20)
    for _ in range(3):
        newest = await kit.connect()
        assert await newest.ended()
    await beginning.send((REQUEST % 0)[20:])
    assert (await beginning.reply()).body == b"fine"
    gate.set()
    assert (await busy.reply()).body == b"fine"
    newest = await kit.connect()
    await newest.send(REQUEST % 0)
    assert (await newest.reply()).body == b"fine"


# pipelining


async def test_ten_thousand_requests_in_one_go_are_answered_in_order(kit):
    for number in range(10):
        kit.origin.answer(f"/{number}", fresh(b"page %d" % number))
        await kit.get(f"/{number}", "Host: a.test")
    client = await kit.connect()
    client.writer.write(b"".join(REQUEST % (number % 10) for number in range(10_000)))
    for number in range(10_000):
        reply = await client.reply()
        assert (reply.status, reply.body) == (200, b"page %d" % (number % 10))
    assert len(kit.origin.seen) == 10


async def test_a_thousand_requests_that_go_to_the_origin_are_answered_in_order(kit):
    for number in range(10):
        kit.origin.answer(f"/{number}", ok(b"page %d" % number))
    client = await kit.connect()
    client.writer.write(b"".join(REQUEST % (number % 10) for number in range(1000)))
    for number in range(1000):
        assert (await client.reply()).body == b"page %d" % (number % 10)
    assert [seen.target for seen in kit.origin.seen] == [b"/%d" % (number % 10) for number in range(1000)]
    assert kit.origin.connections == 1


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_pipelined_content_is_kept_apart(kit, framing):
    kit.origin.answer("/a", ok(b"thanks"))
    bodies = [b"%d" % number * (number % 50) for number in range(500)]
    head = b"POST /a HTTP/1.1\r\nHost: a.test\r\n"
    client = await kit.connect()
    for body in bodies:
        if framing == "length":
            client.writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        else:
            chunk = b"%x\r\n" % len(body) + body + b"\r\n" if body else b""
            client.writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n")
    assert [(await client.reply()).body for _ in bodies] == [b"thanks"] * 500
    assert [seen.body for seen in kit.origin.seen] == bodies


async def test_reading_pauses_while_the_client_takes_no_answers(kit):
    """Ten thousand answers of 60 kB are asked for: neither they nor the requests may pile up."""
    kit.origin.answer("/0", fresh(b"x" * 60_000))
    await kit.get("/0", "Host: a.test")
    client = await kit.connect_deaf()
    client.writer.write((REQUEST % 0) * 30_000)
    await kit.settled()
    (connection,) = kit.edge.server.connections
    assert connection.bytes_in < 600_000
    assert len(connection.buffer) < 400_000
    assert connection.transport.get_write_buffer_size() < 300_000
    client.listen()
    for _ in range(300):
        assert len((await client.reply()).body) == 60_000


async def test_reading_pauses_while_an_answer_is_waited_for(kit):
    gate = kit.origin.answer("/held", ok(b"held"), gate=True)
    kit.origin.answer("/0", fresh(b"page"))
    await kit.get("/0", "Host: a.test")
    client = await kit.connect()
    client.writer.write(HELD + (REQUEST % 0) * 30_000)
    await kit.settled()
    (connection,) = kit.edge.server.connections
    assert len(connection.buffer) < 400_000
    gate.set()
    assert (await client.reply()).body == b"held"
    for _ in range(30_000):
        assert (await client.reply()).body == b"page"


async def test_one_pipelining_client_does_not_starve_the_others(start_kit):
    """It sent thousands of requests before the other's one; but only some of them are answered before that."""
    kit = await start_kit(records=30_000)
    for number in range(2):
        kit.origin.answer(f"/{number}", fresh(b"page"))
        await kit.get(f"/{number}", "Host: a.test")
    greedy, modest = await kit.connect(), await kit.connect()
    greedy.writer.write((REQUEST % 0) * 20_000)
    await modest.send(REQUEST % 1)
    assert (await modest.reply()).body == b"page"
    for _ in range(20_000):
        await greedy.until(b"page")
    targets = [row.target for row in reversed(kit.edge.records.recent(20_001))]
    assert targets.index(b"/1") < 1000


# an orderly end


async def refused(kit):
    try:
        await kit.connect()
    except ConnectionRefusedError:
        return True
    return False


async def test_an_idle_edge_ends_at_once(kit):
    clients = await open_clients(kit, 3)
    await clients[0].send(b"\r\n")
    await kit.taken(2)
    await asyncio.wait_for(kit.edge.drain(), 5)
    for client in clients:
        assert await client.to_end() == b""
    assert await refused(kit)


async def test_a_download_under_way_is_finished(kit):
    gate = asyncio.Event()

    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await gate.wait()
        await peer.send(b"world")

    kit.origin.script = script
    client = await kit.connect()
    idle = await kit.connect()
    await client.send(HELD)
    client.held = await client.until(b"hello") + client.held
    drained = asyncio.get_running_loop().create_task(kit.edge.drain())
    assert await idle.to_end() == b""
    assert await refused(kit)
    assert not drained.done()
    gate.set()
    assert (await client.reply()).body == b"helloworld"
    assert await client.to_end() == b""
    await asyncio.wait_for(drained, 5)


async def test_a_request_under_way_is_answered_and_told_of_the_end(kit):
    gate = kit.origin.answer("/held", ok(b"fine"), gate=True)
    client = await kit.connect()
    await client.send(HELD)
    await kit.until(lambda: len(kit.origin.seen) == 1)
    drained = asyncio.get_running_loop().create_task(kit.edge.drain())
    await kit.until(lambda: kit.edge.server.draining)
    gate.set()
    reply = await client.reply()
    assert (reply.body, reply.get("connection")) == (b"fine", b"close")
    assert await client.to_end() == b""
    client.close()
    await asyncio.wait_for(drained, 5)


async def test_the_answer_of_a_draining_edge_is_not_reset_by_the_next_request(kit):
    """The client does not know yet that this was the last one."""
    gate = kit.origin.answer("/held", ok(b"fine"), gate=True)
    client = await kit.connect()
    await client.send(HELD)
    await kit.until(lambda: len(kit.origin.seen) == 1)
    drained = asyncio.get_running_loop().create_task(kit.edge.drain())
    await kit.until(lambda: kit.edge.server.draining)
    client.writer.transport.pause_reading()
    gate.set()
    await kit.settled()
    await client.send(REQUEST % 0)
    await kit.turns(20)
    client.writer.transport.resume_reading()
    assert (await client.reply()).body == b"fine"
    assert await client.to_end() == b""
    client.close()
    await asyncio.wait_for(drained, 5)
    assert [seen.target for seen in kit.origin.seen] == [b"/held"]


async def test_a_head_that_has_begun_is_still_answered(kit):
    kit.origin.answer("/0", ok(b"fine"))
    client = await kit.connect()
    await client.send((REQUEST % 0)[:20])
    await kit.taken(20)
    drained = asyncio.get_running_loop().create_task(kit.edge.drain())
    await kit.until(lambda: kit.edge.server.draining)
    await client.send((REQUEST % 0)[20:])
    reply = await client.reply()
    assert (reply.body, reply.get("connection")) == (b"fine", b"close")
    client.close()
    await asyncio.wait_for(drained, 5)


@pytest.mark.parametrize(("version", "by_reset"), [(b"1.1", False), (b"1.0", True)])
async def test_what_takes_too_long_is_cut_off_visibly(start_kit, version, by_reset):
    kit = await start_kit(drain_timeout_s=0.1)

    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await peer.ended()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(b"GET /held HTTP/" + version + b"\r\nHost: a.test\r\n\r\n")
    client.held = await client.until(b"hello") + client.held
    began = time.perf_counter()
    await kit.edge.drain()
    assert time.perf_counter() - began < 5
    with pytest.raises(Cut) as cut:
        await client.reply()
    assert cut.value.by_reset == by_reset
    assert kit.edge.store.responses == 0
    assert len(kit.edge.tasks) == 0


async def test_who_waits_for_the_origin_too_long_is_let_go(start_kit):
    kit = await start_kit(drain_timeout_s=0.1, origin_connections=1)
    kit.origin.answer("/held", ok(b"fine"), gate=True)
    held, queued = await kit.connect(), await kit.connect()
    await held.send(HELD)
    await kit.until(lambda: len(kit.origin.seen) == 1)
    await queued.send(REQUEST % 0)
    await kit.until(lambda: kit.edge.pool.figures()["queued"] == 1)
    await asyncio.wait_for(kit.edge.drain(), 5)
    assert await held.ended()
    assert await queued.ended()
    assert len(kit.edge.tasks) == 0
    assert kit.edge.pool.figures()["queued"] == 0


async def test_a_stop_ends_everything_at_once(start_kit):
    kit = await start_kit()
    kit.origin.answer("/held", ok(b"fine"), gate=True)
    clients = await open_clients(kit, 5)
    for client in clients[:3]:
        await client.send(HELD)
    await clients[3].send(b"POST /held HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhello")
    await kit.until(lambda: len(kit.origin.seen) == 3)
    await asyncio.wait_for(kit.edge.stop(), 5)
    for client in clients:
        assert await client.ended()
    assert len(kit.edge.tasks) == 0
