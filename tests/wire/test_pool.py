"""Connections to the origin: used again, limited, queued for, and what becomes of a request when there is none."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl

import pytest
import trustme
from ports import closed_port
from wirekit import EMPTY_POOL, Cut, Origin, filled_backlog, ok

NEXT = b"GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n"


def numbered(origin):
    """Answer every request with the number of its connection, and of the request on it: `2.1`."""
    count = 0

    async def script(peer):
        nonlocal count
        count += 1
        mine, asked = count, 0
        while True:
            seen = await peer.request()
            asked += 1
            origin.seen.append(seen)
            if seen.target in origin.gates:
                await origin.gates[seen.target].wait()
            await peer.send(ok(b"%d.%d" % (mine, asked), "Cache-Control: no-store"))

    origin.script = script


def gate(origin, target):
    origin.gates[target] = asyncio.Event()
    return origin.gates[target]


async def send(kit, target):
    """A GET on a connection of its own, sent and not waited for."""
    client = await kit.connect()
    await client.send(b"GET %s HTTP/1.1\r\nHost: a.test\r\n\r\n" % target)
    return client


# reuse


async def test_one_connection_serves_one_request_after_the_other(kit):
    numbered(kit.origin)
    assert [(await kit.get("/a")).body for _ in range(4)] == [b"1.1", b"1.2", b"1.3", b"1.4"]


async def test_the_connection_used_last_is_used_next(kit):
    numbered(kit.origin)
    gates = [gate(kit.origin, b"/%d" % number) for number in range(3)]
    clients = [await send(kit, b"/%d" % number) for number in range(3)]
    await kit.until(lambda: len(kit.origin.seen) == 3)
    last = [None] * 3
    for number in (2, 0, 1):
        gates[number].set()
        last[number] = (await clients[number].reply()).body.partition(b".")[0]
    assert kit.edge.pool.figures()["idle"] == 3
    assert (await kit.get("/a")).body == last[1] + b".2"
    assert (await kit.get("/a")).body == last[1] + b".3"


@pytest.mark.parametrize(
    "lines",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, Close\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\n",
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\n",
    ],
)
async def test_a_connection_that_will_not_stay_is_not_kept(kit, lines):
    async def script(peer):
        while True:
            await peer.request()
            await peer.send(lines + b"Content-Length: 2\r\n\r\nok")

    kit.origin.script = script
    assert (await kit.get("/a")).body == b"ok"
    await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL)
    assert (await kit.get("/a")).body == b"ok"
    assert kit.origin.connections == 2


@pytest.mark.parametrize(
    ("line", "kept_s"),
    [
        ("Keep-Alive: timeout=5", 4),
        ("Keep-Alive: max=100, timeout=10", 9),
        ("Keep-Alive: Timeout=5", 4),
        ("Keep-Alive: timeout=500", 30),
        ("Keep-Alive: timeout=x", 30),
        ("Keep-Alive: timeout=99999999999999999999", 30),
        ("Keep-Alive: timeout=-5", 30),
        ("X: y", 30),
    ],
)
async def test_how_long_an_idle_connection_is_kept(kit, line, kept_s):
    """What the origin says, less a second: closing first avoids asking on a connection that is being closed."""
    kit.origin.answer("/a", ok(b"x", line))
    await kit.get("/a")
    kit.pass_time(kept_s - 0.1)
    assert kit.edge.pool.figures()["idle"] == 1
    kit.pass_time(0.2)
    await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL)


async def test_an_upload_that_was_not_finished_leaves_no_connection(kit):
    """What is left of the content would be taken for the next request."""

    async def script(peer):
        await peer.head()
        await peer.send(ok(b"enough"))
        await peer.ended()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(b"POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhello")
    assert (await client.reply()).body == b"enough"
    await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL)


# the limit


async def test_requests_beyond_the_limit_queue_in_order(start_kit):
    kit = await start_kit(origin_connections=2)
    numbered(kit.origin)
    gates = [gate(kit.origin, b"/%d" % number) for number in range(6)]
    clients = []
    for number in range(6):
        clients.append(await send(kit, b"/%d" % number))
        await kit.until(lambda: len(kit.origin.seen) + kit.edge.pool.figures()["queued"] == len(clients))
    await kit.until(lambda: kit.edge.pool.figures() == {"open": 2, "idle": 0, "connecting": 0, "queued": 4})
    for number in range(6):
        gates[number].set()
        assert (await clients[number].reply()).status == 200
        await kit.until(lambda: len(kit.origin.seen) == min(6, number + 3))  # noqa: B023
    assert [seen.target for seen in kit.origin.seen] == [b"/%d" % number for number in range(6)]
    assert kit.origin.connections == 2


async def test_who_waits_too_long_in_the_queue_gets_503(start_kit):
    kit = await start_kit(origin_connections=1)
    numbered(kit.origin)
    held = gate(kit.origin, b"/held")
    holder = await send(kit, b"/held")
    await kit.until(lambda: len(kit.origin.seen) == 1)
    early = await send(kit, b"/early")
    await kit.until(lambda: kit.edge.pool.figures()["queued"] == 1)
    kit.pass_time(3)
    late = await send(kit, b"/late")
    await kit.until(lambda: kit.edge.pool.figures()["queued"] == 2)
    kit.pass_time(2.1)
    reply = await early.reply()
    assert (reply.status, reply.error) == (503, "connection_limit_reached")
    assert b"origin_connections" in reply.body
    held.set()
    assert (await holder.reply()).body == b"1.1"
    assert (await late.reply()).body == b"1.2"
    assert [seen.target for seen in kit.origin.seen] == [b"/held", b"/late"]


@pytest.mark.parametrize("lines", [b"", b"Cache-Control: no-store\r\n"], ids=["storable", "not storable"])
@pytest.mark.parametrize("method", [b"POST", b"GET"])
async def test_a_client_that_leaves_the_queue_gives_its_place_back(start_kit, method, lines):
    kit = await start_kit(origin_connections=1)
    numbered(kit.origin)
    held = gate(kit.origin, b"/held")
    holder = await send(kit, b"/held")
    await kit.until(lambda: len(kit.origin.seen) == 1)
    leaver = await kit.connect()
    await leaver.send(method + b" /leaver HTTP/1.1\r\nHost: a.test\r\n" + lines + b"\r\n")
    await kit.until(lambda: kit.edge.pool.figures()["queued"] == 1)
    other = await send(kit, b"/other")
    await kit.until(lambda: kit.edge.pool.figures()["queued"] == 2)
    leaver.reset()
    await kit.until(lambda: kit.edge.pool.figures()["queued"] == 1)
    held.set()
    assert (await holder.reply()).body == b"1.1"
    assert (await other.reply()).body == b"1.2"
    assert [seen.target for seen in kit.origin.seen] == [b"/held", b"/other"]


async def test_a_thousand_clients_that_come_and_go_leave_nothing_in_the_queue(start_kit):
    kit = await start_kit(origin_connections=1)
    numbered(kit.origin)
    held = gate(kit.origin, b"/held")
    holder = await send(kit, b"/held")
    await kit.until(lambda: len(kit.origin.seen) == 1)
    for _ in range(10):
        clients = [await kit.connect() for _ in range(100)]
        for client in clients:
            client.writer.write(b"POST /leaver HTTP/1.1\r\nHost: a.test\r\n\r\n")
        await kit.until(lambda: kit.edge.pool.figures()["queued"] == 100)
        for client in clients:
            client.reset()
        await kit.until(lambda: kit.edge.pool.figures()["queued"] == 0)
    held.set()
    assert (await holder.reply()).body == b"1.1"
    assert len(kit.origin.seen) == 1
    assert len(kit.edge.server.connections) == 1


async def test_a_client_that_leaves_while_a_connection_is_made_leaves_it_to_the_next(start_kit):
    async with filled_backlog() as origin:
        kit = await start_kit(origin)
        leaver = await kit.connect()
        await leaver.send(b"POST /leaver HTTP/1.1\r\nHost: a.test\r\n\r\n")
        await kit.until(lambda: kit.edge.pool.figures()["connecting"] == 1)
        leaver.reset()
        await kit.until(lambda: kit.edge.pool.figures()["queued"] == 0)
        await send(kit, b"/next")
        await kit.until(lambda: kit.edge.pool.figures()["queued"] == 1)
        assert kit.edge.pool.figures()["connecting"] == 1


async def test_connections_that_die_free_their_places(start_kit):
    """Everybody in the queue is served although no connection is ever given back."""
    kit = await start_kit(origin_connections=2)
    kit.origin.answer("/a", ok(b"once", "Connection: close"))
    replies = await asyncio.gather(*(kit.get("/a") for _ in range(50)))
    assert {(reply.status, reply.body) for reply in replies} == {(200, b"once")}
    assert kit.origin.connections == 50


async def test_the_limit_is_never_exceeded(start_kit):
    kit = await start_kit(origin_connections=3)
    at_once = most = 0
    dice = random.Random(7)

    async def script(peer):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            for _ in range(dice.randint(1, 4)):
                await peer.request()
                await kit.turns(dice.randint(0, 5))
                await peer.send(ok(b"x", "Cache-Control: no-store"))
        finally:
            at_once -= 1

    kit.origin.script = script
    replies = await asyncio.gather(*(kit.get("/a") for _ in range(200)))
    assert {reply.status for reply in replies} == {200}
    assert most == 3


@pytest.mark.parametrize("kind", ["upgrade", "events"])
async def test_tunnels_and_event_streams_do_not_count(start_kit, kind):
    kit = await start_kit(origin_connections=1)

    async def script(peer):
        await peer.head()
        if kind == "upgrade":
            await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
        else:
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await peer.ended()

    kit.origin.script = script
    clients = []
    for _ in range(3):
        clients.append(await kit.connect())
        await clients[-1].send(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n")
        await clients[-1].until(b"\r\n\r\n")
    assert kit.edge.pool.figures()["open"] == 3
    kit.origin.script = kit.origin.follow
    kit.origin.answer("/next", ok(b"next"))
    assert (await kit.get("/next")).body == b"next"
    for client in clients:
        client.close()
    await kit.until(lambda: kit.edge.pool.figures() == {"open": 1, "idle": 1, "connecting": 0, "queued": 0})
    assert (await kit.get("/next")).body == b"next"


# connections that died


def dies_after(origin, answers, how="close", partly=b""):
    """Each connection answers that many requests and then takes one more, closing in place of an answer (or inside one)."""
    origin.asked = []

    async def script(peer):
        for _ in range(answers):
            origin.asked.append((await peer.request()).method)
            await peer.send(ok(b"fine"))
        origin.asked.append((await peer.request()).method)
        if partly:
            await peer.send(partly)
        if how == "reset":
            peer.reset()

    origin.script = script


SECOND_TRY = [
    # method · lines · content · answered in the end?
    ("GET", (), b"", True),
    ("HEAD", (), b"", True),
    ("OPTIONS", (), b"", True),
    ("TRACE", (), b"", True),
    ("PUT", (), b"", True),
    ("DELETE", (), b"", True),
    ("POST", (), b"", False),
    ("PATCH", (), b"", False),
    ("FROBNICATE", (), b"", False),
    ("GET", (), b"content", False),
    ("PUT", (), b"content", False),
    ("DELETE", (), b"content", False),
    ("GET", ("Content-Length: 0",), b"", True),
]


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(("method", "lines", "body", "answered"), SECOND_TRY)
async def test_a_used_connection_that_dies_is_retried_when_nothing_can_happen_twice(kit, how, method, lines, body, answered):
    dies_after(kit.origin, 1, how)
    await kit.get("/warm")
    reply = await kit.request(method, "/a", *lines, body=body)
    if answered:
        assert (reply.status, kit.origin.connections) == (200, 2)
        assert kit.origin.asked == [b"GET", method.encode(), method.encode()]
    else:
        assert (reply.status, reply.error, kit.origin.connections) == (502, "connection_terminated", 1)
        assert kit.origin.asked == [b"GET", method.encode()]


async def test_a_new_connection_that_dies_is_not_retried(kit):
    dies_after(kit.origin, 0)
    reply = await kit.get("/a")
    assert (reply.status, reply.error, kit.origin.connections) == (502, "connection_terminated", 1)


async def test_there_is_one_second_try_and_no_third(kit):
    dies_after(kit.origin, 1)
    await kit.get("/warm")
    dies_after(kit.origin, 0)
    reply = await kit.get("/a")
    assert (reply.status, reply.error, kit.origin.connections) == (502, "connection_terminated", 2)


@pytest.mark.parametrize("partly", [b"H", b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
async def test_no_second_try_once_the_origin_has_begun_to_answer(kit, partly):
    dies_after(kit.origin, 1, partly=partly)
    await kit.get("/warm")
    reply = await kit.get("/a")
    assert (reply.status, kit.origin.connections) == (502, 1)


async def test_the_second_try_does_not_wait_behind_the_queue(start_kit):
    """Nor does it get another old connection, which may be dead as well."""
    kit = await start_kit(origin_connections=2)
    at = {}

    async def script(peer):
        mine = len(at)
        at[mine] = 0
        while True:
            seen = await peer.request()
            at[mine] += 1
            if seen.target in kit.origin.gates:
                await kit.origin.gates[seen.target].wait()
            if seen.target == b"/dies" and at[mine] > 1:
                return
            await peer.send(ok(b"%d" % mine, "Cache-Control: no-store"))

    kit.origin.script = script
    held = gate(kit.origin, b"/held")
    holder = await send(kit, b"/held")
    await kit.until(lambda: len(at) == 1)
    await kit.get("/warm")
    dies = gate(kit.origin, b"/dies")
    first = await send(kit, b"/dies")
    await kit.until(lambda: at.get(1) == 2)
    queued = [await send(kit, b"/queued?%d" % number) for number in range(5)]
    await kit.until(lambda: kit.edge.pool.figures()["queued"] == 5)
    dies.set()
    assert (await first.reply()).body == b"2"
    held.set()
    await holder.reply()
    for client in queued:
        assert (await client.reply()).status == 200


async def test_an_idle_connection_that_the_origin_closes_is_noticed(kit):
    peers = []

    async def script(peer):
        peers.append(peer)
        await kit.origin.follow(peer)

    kit.origin.script = script
    kit.origin.answer("/a", ok(b"fine"))
    await kit.get("/a")
    peers[0].close()
    await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL)
    reply = await kit.request("POST", "/a")
    assert (reply.status, kit.origin.connections) == (200, 2)


async def used_connection(kit):
    """The origin's end of a connection that is idle."""
    peers = []

    async def script(peer):
        peers.append(peer)
        await kit.origin.follow(peer)

    kit.origin.script = script
    kit.origin.answer("/a", ok(b"fine", "Cache-Control: no-store"))
    await kit.get("/a")
    return peers[0]


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize("what", ["an end", "an answer", "a byte"])
async def test_what_lies_unread_on_an_idle_connection_is_noticed_before_it_is_used(kit, what, method):
    """It came before the request went out, but the loop has yet to look at it: the request came first in the same turn."""
    peer = await used_connection(kit)
    client = await kit.connect()
    client.writer.write(method + b" /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx")
    if what == "an end":
        with socket.socket(fileno=os.dup(peer.writer.get_extra_info("socket").fileno())) as handle:
            handle.shutdown(socket.SHUT_WR)
    else:
        peer.writer.write(b"x" if what == "a byte" else ok(b"poison"))
    reply = await client.reply()
    assert (reply.status, reply.body) == (200, b"fine")
    assert kit.origin.connections == 2


@pytest.mark.parametrize(("clients", "connections"), [(1, 64), (20, 64), (20, 3)])
async def test_a_thousand_requests_to_an_origin_that_closes_as_it_likes(start_kit, clients, connections):
    """After every first to fifth answer, without saying so before: nobody sees a 502."""
    kit = await start_kit(origin_connections=connections)
    dice = random.Random(11)

    async def script(peer):
        for _ in range(dice.randint(1, 5)):
            await peer.request()
            await kit.turns(dice.randint(0, 3))
            await peer.send(ok(b"fine", "Cache-Control: no-store"))
            await kit.turns(dice.randint(0, 3))
        if dice.random() < 0.3:
            peer.reset()

    kit.origin.script = script

    async def ask(count):
        client = await kit.connect()
        return [(await client.get("/a")).status for _ in range(count)]

    replies = await asyncio.gather(*(ask(1000 // clients) for _ in range(clients)))
    statuses = [status for several in replies for status in several]
    assert len(statuses) == 1000
    assert statuses.count(200) == 1000, {status: statuses.count(status) for status in set(statuses)}


# connections that cannot be made


@pytest.fixture(scope="module")
def authority():
    """A certificate authority, as PEM bytes in a file when asked for."""
    return trustme.CA()


def server_tls(authority, *names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def closed():
    with closed_port() as port:
        yield port


def elsewhere(url):
    origin = Origin()
    origin.url = url
    return origin


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:{closed}", "connection_refused"),
        ("http://localhost:{closed}", "connection_refused"),
        ("https://127.0.0.1:{closed}", "connection_refused"),
        ("http://nonexistent.invalid", "dns_error"),
        ("https://nonexistent.invalid", "dns_error"),
        ("unix:{tmp}/missing.sock", "connection_refused"),
        ("unix:{tmp}/a-file", "connection_refused"),
        ("unix:{tmp}/a-file/x.sock", "connection_refused"),
    ],
)
async def test_why_there_is_no_connection(start_kit, tmp_path, closed, url, error, method):
    (tmp_path / "a-file").write_text("")
    url = url.format(closed=closed, tmp=tmp_path)
    kit = await start_kit(elsewhere(url))
    reply = await kit.request(method, "/a", "Accept: text/html")
    assert (reply.status, reply.error) == (502, error)
    assert b'http-equiv="refresh"' in reply.body or method == "POST"
    assert kit.edge.pool.figures() == EMPTY_POOL
    assert not kit.edge.origin_reachable


async def tls_kit(start_kit, context, host="localhost", **settings):
    origin = Origin()
    await origin.start(tls=context)
    origin.url = f"https://{host}:{origin.port}"
    return await start_kit(origin, **settings)


async def test_tls(start_kit, authority, ca_file):
    kit = await tls_kit(start_kit, server_tls(authority, "localhost"), origin_ca_file=ca_file)
    kit.origin.answer("/a", ok(b"x" * 300_000, "Cache-Control: no-store"))
    for _ in range(2):
        assert (await kit.get("/a")).body == b"x" * 300_000
    assert kit.origin.connections == 1
    assert (await kit.request("POST", "/a", body=b"y" * 300_000)).status == 200
    assert kit.origin.seen[-1].body == b"y" * 300_000


async def test_tls_is_not_verified_when_told_so(start_kit, authority):
    kit = await tls_kit(start_kit, server_tls(authority, "elsewhere.test"), origin_verify=False)
    kit.origin.answer("/a", ok(b"fine"))
    assert (await kit.get("/a")).body == b"fine"


@pytest.mark.parametrize(
    ("name", "host", "trusted", "why"),
    [
        ("localhost", "localhost", False, "self-signed certificate in certificate chain|unable to get local issuer certificate"),
        ("elsewhere.test", "localhost", True, "Hostname mismatch"),
        ("localhost", "127.0.0.1", True, "IP address mismatch"),
    ],
)
async def test_certificates_that_are_not_trusted(start_kit, authority, ca_file, name, host, trusted, why):
    settings = {"origin_ca_file": ca_file} if trusted else {}
    kit = await tls_kit(start_kit, server_tls(authority, name), host, **settings)
    reply = await kit.get("/a")
    assert (reply.status, reply.error) == (502, "tls_certificate_error")
    assert any(one.encode() in reply.body for one in why.split("|")), reply.body
    assert kit.origin.seen == []
    assert kit.edge.pool.figures() == EMPTY_POOL


async def test_an_expired_certificate(start_kit, authority, ca_file):
    import datetime

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", not_after=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)).configure_cert(context)
    kit = await tls_kit(start_kit, context, origin_ca_file=ca_file)
    reply = await kit.get("/a")
    assert (reply.status, reply.error) == (502, "tls_certificate_error")
    assert b"expired" in reply.body


async def test_plain_text_on_a_tls_port(start_kit):
    origin = Origin()
    await origin.start()
    origin.url = f"https://127.0.0.1:{origin.port}"

    async def script(peer):
        await peer.more()
        await peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    origin.script = script
    kit = await start_kit(origin)
    reply = await kit.get("/a")
    assert (reply.status, reply.error) == (502, "tls_protocol_error")
    assert kit.edge.pool.figures() == EMPTY_POOL


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_an_end_inside_the_handshake(start_kit, how):
    origin = Origin()
    await origin.start()
    origin.url = f"https://127.0.0.1:{origin.port}"

    async def script(peer):
        await peer.more()
        getattr(peer, how)()

    origin.script = script
    kit = await start_kit(origin)
    reply = await kit.get("/a")
    assert reply.status == 502
    assert reply.error in ("connection_terminated", "tls_protocol_error")
    assert kit.edge.pool.figures() == EMPTY_POOL


async def test_silence_inside_the_handshake(start_kit):
    origin = Origin()
    await origin.start()
    origin.url = f"https://127.0.0.1:{origin.port}"

    async def script(peer):
        while await peer.more():
            pass

    origin.script = script
    kit = await start_kit(origin)
    client = await send(kit, b"/next")
    await kit.until(lambda: kit.edge.pool.figures()["connecting"] == 1)
    kit.pass_time(5.1)
    reply = await client.reply()
    assert (reply.status, reply.error) == (504, "connection_timeout")
    await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL)


async def test_http_to_a_tls_port(start_kit, authority):
    origin = Origin()
    await origin.start(tls=server_tls(authority, "localhost"))
    kit = await start_kit(origin)
    reply = await kit.get("/a")
    assert (reply.status, reply.error) in [(502, "http_protocol_error"), (502, "connection_terminated")]


async def test_a_tls_origin_that_ends_inside_its_answer(start_kit, authority, ca_file):
    kit = await tls_kit(start_kit, server_tls(authority, "localhost"), origin_ca_file=ca_file)

    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhello")

    kit.origin.script = script
    client = await kit.connect()
    with pytest.raises(Cut):
        await client.get("/a")
    assert kit.edge.store.responses == 0


async def test_a_tunnel_to_a_tls_origin(start_kit, authority, ca_file):
    kit = await tls_kit(start_kit, server_tls(authority, "localhost"), origin_ca_file=ca_file)

    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nhi")
        assert await peer.exactly(5) == b"hello"
        await peer.send(b"bye")

    kit.origin.script = script
    client = await kit.connect()
    await client.send(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n")
    assert (await client.reply()).status == 101
    await client.send(b"hello")
    assert await client.to_end() == b"hibye"
    client.close()
    await kit.until(lambda: not kit.edge.server.connections and kit.edge.pool.figures() == EMPTY_POOL)


async def test_many_waiting_requests_and_a_dead_origin(start_kit, closed):
    """Each gets its error at once, not one after the other by time-out."""
    kit = await start_kit(elsewhere(f"http://127.0.0.1:{closed}"), origin_connections=2)
    replies = await asyncio.gather(*(kit.get("/a") for _ in range(50)))
    assert {(reply.status, reply.error) for reply in replies} == {(502, "connection_refused")}
    assert kit.edge.pool.figures() == EMPTY_POOL


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_connections_that_end_as_soon_as_they_are_made_cost_no_place(start_kit, how):
    kit = await start_kit(origin_connections=2)

    async def script(peer):
        getattr(peer, how)()

    kit.origin.script = script
    make = kit.edge.pool._make

    async def make_slowly():
        connection = await make()
        await kit.until(lambda: connection.closed)
        return connection

    kit.edge.pool._make = make_slowly
    replies = await asyncio.gather(*(kit.get("/a") for _ in range(20)))
    assert {(reply.status, reply.error) for reply in replies} == {(502, "connection_terminated")}
    assert kit.edge.pool.figures() == EMPTY_POOL
    kit.edge.pool._make = make
    kit.origin.script = kit.origin.follow
    kit.origin.answer("/a", ok(b"fine"))
    assert (await kit.get("/a")).status == 200
