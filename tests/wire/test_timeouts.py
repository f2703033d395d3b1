"""Peers that are slow, silent or take nothing: each phase has its own time, counted from where it should be, and its own end.

Time is the clock's; nobody waits for it. `pass_time` goes just below the limit first, where that tells something.
"""

from __future__ import annotations

import asyncio
import re

import pytest
from wirekit import EMPTY_POOL, Cut, filled_backlog, fresh, ok

HEAD = b"GET /a HTTP/1.1\r\nHost: a.test\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a.test\r\n"


def said(reply):
    """Status, error type and the setting that the detail names."""
    named = re.search(rb"\(([a-z_]+_s)\)", reply.get("proxy-status") or b"")
    return reply.status, reply.error, named[1].decode() if named else ""


async def asked(kit):
    """The edge has its connection to the origin and has sent there what it has."""
    await kit.until(lambda: kit.edge.pool.figures()["open"] == 1 and kit.edge.pool.figures()["connecting"] == 0)


# a client that is slow in its head


async def test_a_slow_head_gets_408(kit):
    client = await kit.connect()
    await client.send(HEAD)
    await kit.taken(len(HEAD))
    kit.pass_time(29.9)
    assert not client.reader.at_eof()
    kit.pass_time(0.2)
    reply = await client.reply()
    assert said(reply) == (408, "http_request_error", "head_timeout_s")
    assert reply.get("connection") == b"close"
    assert await client.ended()
    assert kit.origin.connections == 0


async def test_dribbling_does_not_win_time(kit):
    client = await kit.connect()
    for count in range(1, 7):
        await client.send(HEAD[count - 1 : count])
        await kit.taken(count)
        kit.pass_time(5.1)
    assert said(await client.reply()) == (408, "http_request_error", "head_timeout_s")


async def test_the_time_for_a_head_begins_with_its_first_byte(kit):
    """Not with the connection, and not with the request before."""
    kit.origin.answer("/next", ok(b"next"))
    client = await kit.connect()
    for _ in range(2):
        kit.pass_time(60)
        await client.send(NEXT[:10])
        await client.send(NEXT[10:])
        assert (await client.reply()).body == b"next"


async def test_a_slow_head_behind_an_answer(kit):
    """Its time is counted from the answer: before that the edge did not look at it."""
    gate = kit.origin.answer("/next", ok(b"next"), gate=True)
    client = await kit.connect()
    await client.send(NEXT + HEAD)
    await asked(kit)
    kit.pass_time(45)
    gate.set()
    assert (await client.reply()).body == b"next"
    kit.pass_time(29)
    assert len(kit.edge.server.connections) == 1
    kit.pass_time(1.1)
    assert said(await client.reply()) == (408, "http_request_error", "head_timeout_s")


async def test_a_client_that_connects_and_is_silent_is_let_go_without_a_word(kit):
    client = await kit.connect()
    await kit.until(lambda: kit.edge.server.connections)
    kit.pass_time(74.9)
    assert len(kit.edge.server.connections) == 1
    kit.pass_time(0.2)
    assert await client.to_end() == b""


async def test_a_connection_between_requests_is_closed_without_a_word(kit):
    kit.origin.answer("/next", ok(b"next"))
    client = await kit.connect()
    await client.send(NEXT)
    await client.reply()
    kit.pass_time(74.9)
    assert len(kit.edge.server.connections) == 1
    kit.pass_time(0.2)
    assert await client.to_end() == b""


async def test_empty_lines_are_no_request(kit):
    """They neither make a head of which the rest is missing (408) nor win time."""
    client = await kit.connect()
    for count in range(1, 16):
        await client.send(b"\r\n")
        await kit.taken(2 * count)
        kit.pass_time(5.1)
    assert await client.to_end() == b""


# a client that is slow in its content


@pytest.mark.parametrize("framing", [b"Content-Length: 100\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n64\r\n"])
async def test_slow_content_gets_408(kit, framing):
    client = await kit.connect()
    sent = POST + framing + b"hello"
    await client.send(sent)
    await asked(kit)
    kit.pass_time(59.9)
    assert len(kit.edge.server.connections) == 1
    kit.pass_time(0.2)
    reply = await client.reply()
    assert said(reply) == (408, "http_request_error", "body_timeout_s")
    assert reply.get("connection") == b"close"
    assert await client.ended()
    assert kit.origin.seen == []  # it never got a complete request
    await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL)


async def test_content_that_keeps_coming_may_take_long(kit):
    """An hour in pieces: the limit is for the pauses, on this side and on the origin's, which has nothing to answer yet."""
    kit.origin.answer("/a", ok(b"thanks"))
    client = await kit.connect()
    sent = POST + b"Content-Length: 72\r\n\r\n"
    await client.send(sent)
    await asked(kit)
    for count in range(72):
        await kit.taken(len(sent) + count)
        kit.pass_time(50)
        await client.send(b"x")
    assert (await client.reply()).body == b"thanks"


async def test_a_pause_in_an_upload_is_not_the_origins_fault(start_kit):
    """first_byte_timeout_s begins with the end of the request."""
    kit = await start_kit(body_timeout_s=300, first_byte_timeout_s=10)
    gate = kit.origin.answer("/a", ok(b"thanks"), gate=True)
    client = await kit.connect()
    sent = POST + b"Content-Length: 10\r\n\r\nhello"
    await client.send(sent)
    await asked(kit)
    kit.pass_time(200)
    await client.send(b"world")
    await kit.until(lambda: kit.origin.seen)
    kit.pass_time(9)
    gate.set()
    assert (await client.reply()).body == b"thanks"


async def test_a_client_that_waits_for_100_is_not_slow(start_kit):
    """The origin has to say whether it wants the content; if it says nothing, it is the one that is late."""
    kit = await start_kit(body_timeout_s=5, first_byte_timeout_s=10)

    async def script(peer):
        await peer.head()
        await peer.ended()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    await asked(kit)
    kit.pass_time(9)
    kit.pass_time(1.1)
    assert said(await client.reply()) == (504, "http_response_timeout", "first_byte_timeout_s")


async def test_once_told_to_go_on_it_is_slow(start_kit):
    kit = await start_kit(body_timeout_s=5, first_byte_timeout_s=10)

    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await peer.ended()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    kit.pass_time(5.1)
    assert said(await client.reply()) == (408, "http_request_error", "body_timeout_s")


async def test_a_client_is_not_blamed_while_the_edge_does_not_read(start_kit):
    """The origin takes nothing, so the edge does not read from the client, so the client cannot send."""
    kit = await start_kit(send_timeout_s=600)
    go_on = asyncio.Event()

    async def script(peer):
        await peer.head()
        await go_on.wait()
        await peer.exactly(30_000_000)
        await peer.send(ok(b"thanks"))

    kit.origin.script = script
    client = await kit.connect()
    client.writer.write(POST + b"Content-Length: 30000000\r\n\r\n" + b"x" * 30_000_000)
    await kit.settled()
    kit.pass_time(300)
    kit.pass_time(290)
    go_on.set()
    assert (await client.reply()).body == b"thanks"


async def test_an_origin_that_takes_nothing_of_an_upload(kit):
    async def script(peer):
        await peer.head()
        peer.writer.transport.pause_reading()
        await asyncio.Event().wait()

    kit.origin.script = script
    client = await kit.connect()
    client.writer.write(POST + b"Content-Length: 30000000\r\n\r\n" + b"x" * 20_000_000)
    await kit.settled()
    kit.pass_time(59)
    assert kit.edge.pool.figures()["open"] == 1
    replying = asyncio.get_running_loop().create_task(client.reply())
    await kit.pass_send_timeouts(replying.done)
    reply = await replying
    assert (reply.status, reply.error) == (504, "connection_write_timeout")
    await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL)


# a client that takes nothing


def large(framing: str, size: int = 30_000_000) -> bytes:
    if framing == "chunked":
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"
    return ok(b"x" * size)


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_client_that_takes_nothing_is_cut_off(kit, framing):
    kit.origin.answer("/next", large(framing))
    client = await kit.connect_deaf()
    await client.send(NEXT)
    await kit.settled()
    kit.pass_time(59)
    assert len(kit.edge.server.connections) == 1
    await kit.pass_send_timeouts(lambda: not kit.edge.server.connections)
    await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL)
    await kit.until(lambda: len(kit.edge.tasks) == 0)


async def test_a_cut_off_http_1_0_client_can_tell(kit):
    """The end of the connection is what completes its answer: it must get a reset."""
    kit.origin.answer("/a", large("chunked"))
    client = await kit.connect_deaf()
    await client.send(b"GET /a HTTP/1.0\r\n\r\n")
    await kit.pass_send_timeouts(lambda: not kit.edge.server.connections)
    client.listen()
    with pytest.raises(Cut) as cut:
        await client.reply()
    assert cut.value.by_reset


async def test_a_small_close_delimited_answer_that_is_never_taken(kit):
    """All of it is written, the edge has done its part and closes: also from there it must not end cleanly if it did not all go out."""
    kit.origin.answer("/a", large("chunked", 6_000_000))
    client = await kit.connect_deaf()
    await client.send(b"GET /a HTTP/1.0\r\n\r\n")
    await kit.pass_send_timeouts(lambda: not kit.edge.server.connections)
    client.listen()
    with pytest.raises(Cut) as cut:
        await client.reply()
    assert cut.value.by_reset


async def test_a_slow_but_living_client_is_not_cut_off(kit):
    """100 kB in 50 s: so little that the kernel, with megabytes of its own, asks for no more of the answer between two looks."""
    kit.origin.answer("/next", large("length"))
    client = await kit.connect_deaf()
    await client.send(NEXT)
    await kit.settled()
    client.listen(limited=True)
    for _ in range(20):
        await client.exactly(100_000)
        kit.pass_time(50)
    assert len(kit.edge.server.connections) == 1


async def test_a_stored_answer_that_is_never_taken(kit):
    kit.origin.answer("/next", fresh(b"x" * 20_000_000))
    await kit.get("/next", "Host: a.test")
    client = await kit.connect_deaf()
    await client.send(NEXT)
    await kit.pass_send_timeouts(lambda: not kit.edge.server.connections)
    await kit.until(lambda: len(kit.edge.tasks) == 0)


async def test_who_takes_no_answers_is_not_told_that_its_requests_are_slow(kit):
    """Requests that wait behind an answer nobody takes are complete; the time for heads is not theirs."""
    kit.origin.answer("/next", fresh(b"x" * 60_000))
    await kit.get("/next", "Host: a.test")
    client = await kit.connect_deaf()
    await client.send(NEXT * 200)
    await kit.settled()
    kit.pass_time(31)
    assert len(kit.edge.server.connections) == 1
    client.listen()
    statuses = [(await client.reply()).status for _ in range(200)]
    assert statuses == [200] * 200


async def test_a_client_that_leaves_the_rest_of_a_hit_unread_and_half_closes(kit):
    """After its end nothing more comes from it; the connection must not stay for ever."""
    kit.origin.answer("/next", fresh(b"x" * 60_000))
    await kit.get("/next", "Host: a.test")
    client = await kit.connect_deaf()
    await client.send(NEXT * 45)
    client.half_close()
    await kit.settled()
    await kit.pass_send_timeouts(lambda: not kit.edge.server.connections)


# the origin


async def test_an_origin_that_never_takes_the_connection(start_kit):
    async with filled_backlog() as origin:
        kit = await start_kit(origin)
        client = await kit.connect()
        await client.send(NEXT)
        await kit.until(lambda: kit.edge.pool.figures()["connecting"] == 1)
        kit.pass_time(4.9)
        assert kit.edge.pool.figures()["queued"] == 1
        kit.pass_time(0.2)
        assert said(await client.reply()) == (504, "connection_timeout", "connect_timeout_s")
        await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL)


async def test_each_request_waits_its_own_time_for_a_connection(start_kit):
    async with filled_backlog() as origin:
        kit = await start_kit(origin)
        first, second = await kit.connect(), await kit.connect()
        await first.send(NEXT)
        await kit.until(lambda: kit.edge.pool.figures()["connecting"] == 1)
        kit.pass_time(3)
        await second.send(NEXT.replace(b"/next", b"/another"))
        await kit.until(lambda: kit.edge.pool.figures()["connecting"] == 2)
        kit.pass_time(2.1)
        assert said(await first.reply()) == (504, "connection_timeout", "connect_timeout_s")
        assert kit.edge.pool.figures()["queued"] == 1
        kit.pass_time(3)
        assert said(await second.reply()) == (504, "connection_timeout", "connect_timeout_s")
        await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL)


async def test_an_origin_that_does_not_answer(kit):
    async def script(peer):
        await peer.head()
        await peer.ended()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(NEXT)
    await asked(kit)
    kit.pass_time(59.9)
    assert kit.edge.pool.figures()["open"] == 1
    kit.pass_time(0.2)
    assert said(await client.reply()) == (504, "http_response_timeout", "first_byte_timeout_s")
    assert kit.origin.connections == 1, "asked twice"
    await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL)


async def test_an_origin_that_dribbles_its_head(kit):
    """Neither a byte now and then nor an interim answer makes the wait endless; what came is named."""

    async def script(peer):
        await peer.head()
        for byte in b"HTTP/1.1 200 OK\r\n":
            await peer.send(bytes([byte]))
            await kit.turns(10)
            kit.pass_time(5)
        await peer.ended()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(NEXT)
    reply = await client.reply()
    assert said(reply) == (504, "http_response_timeout", "first_byte_timeout_s")
    assert b"head" in reply.body


async def test_an_interim_answer_wins_time(kit):
    """102 is for just that: the origin is still at it."""

    async def script(peer):
        await peer.head()
        for _ in range(5):
            kit.pass_time(50)
            await peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            await kit.turns(20)
        await peer.send(ok(b"done"))

    kit.origin.script = script
    client = await kit.connect()
    await client.send(NEXT)
    reply = await client.reply()
    assert (reply.status, reply.body, len(reply.interims)) == (200, b"done", 5)


SILENT = [
    ("length", b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhello"),
    ("chunked", b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ("until close", b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n\r\nhello"),
]


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize(("framing", "data"), SILENT, ids=[row[0] for row in SILENT])
async def test_an_origin_that_falls_silent_inside_its_answer(kit, framing, data, version):
    async def script(peer):
        await peer.head()
        await peer.send(data)
        await peer.ended()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(b"GET /a HTTP/" + version + b"\r\nHost: a.test\r\n\r\n")
    client.held = await client.until(b"hello") + client.held
    kit.pass_time(59.9)
    assert kit.edge.pool.figures()["open"] == 1
    kit.pass_time(0.2)
    with pytest.raises(Cut) as cut:
        await client.reply()
    assert cut.value.by_reset == (version == b"1.0" and framing != "length")
    await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL)
    assert kit.edge.store.responses == 0


async def test_an_answer_that_keeps_coming_may_take_long(kit):
    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
        for _ in range(20):
            await kit.turns(20)
            kit.pass_time(50)
            await peer.send(b"x")

    kit.origin.script = script
    client = await kit.connect()
    await client.send(NEXT)
    assert (await client.reply()).body == b"x" * 20


async def test_an_origin_is_not_blamed_while_the_edge_does_not_read(start_kit):
    """The client takes nothing, so the edge does not read from the origin, so the origin cannot send."""
    kit = await start_kit(send_timeout_s=600, between_bytes_timeout_s=10)
    kit.origin.answer("/next", large("length"))
    client = await kit.connect_deaf()
    await client.send(NEXT)
    await kit.settled()
    kit.pass_time(300)
    kit.pass_time(290)
    client.listen()
    assert len((await client.reply()).body) == 30_000_000


async def test_idle_origin_connections_are_closed(kit):
    kit.origin.answer("/next", ok(b"next"))
    await kit.get("/next")
    kit.pass_time(29.9)
    assert kit.edge.pool.figures()["idle"] == 1
    kit.pass_time(0.2)
    await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL)
    assert (await kit.get("/next")).body == b"next"


async def test_an_event_stream_may_be_silent(kit):
    go_on = asyncio.Event()

    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await go_on.wait()
        await peer.send(b"data: 2\n\n")

    kit.origin.script = script
    client = await kit.connect()
    await client.send(NEXT)
    await client.until(b"data: 1\n\n")
    kit.pass_time(100_000)
    go_on.set()
    await client.until(b"data: 2\n\n")
