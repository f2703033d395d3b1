"""A site must not notice the edge: whatever HTTP/1.1 allows passes both ways, byte for byte, as it comes."""

from __future__ import annotations

import asyncio

import pytest
from wirekit import Cut, ok

CHUNKED_HELLO = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "method",
    ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH", "QUERY", "get", "x" * 40, "!#$%&'*+-.^_`|~"],
)
async def test_any_method_passes(kit, method):
    kit.origin.answer("/m", ok(b"done"))
    reply = await kit.request(method, "/m")
    assert (reply.status, reply.body) == (200, b"done")
    assert [seen.line for seen in kit.origin.seen] == [f"{method} /m HTTP/1.1".encode()]


TARGETS = [
    "/",
    "/a%2fb%2F..",
    "//x//y",
    "/../a/./b",
    "/a;b=c?d;e",
    "/?",
    "/a?",
    "/a??b=?",
    "/%zz",
    '/[]|^{}"<>\\`',
    "/\xe9\xff",
    "/gr\xfc\xdfe?q=\xe4",
    "/a#fragment",
    "/" + "x" * 8000,
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: ascii(target[:20]))
async def test_targets_pass_byte_for_byte(kit, target):
    kit.origin.answer(target, ok(b"here"))
    reply = await kit.get(target)
    assert (reply.status, reply.body) == (200, b"here")
    assert kit.origin.seen[0].target == target.encode("latin-1")


@pytest.mark.parametrize(
    ("method", "target", "sent", "host"),
    [
        ("GET", "http://site.test/a?b", b"/a?b", b"site.test"),
        ("GET", "HTTP://Site.Test:80/a", b"/a", b"site.test"),
        ("GET", "http://site.test:8080?b", b"/?b", b"site.test:8080"),
        ("GET", "http://site.test", b"/", b"site.test"),
        ("OPTIONS", "http://site.test", b"*", b"site.test"),
        ("OPTIONS", "*", b"*", b"example.test"),
    ],
)
async def test_absolute_form_and_asterisk(kit, method, target, sent, host):
    kit.origin.answer(sent.decode(), ok())
    assert (await kit.request(method, target, "Host: example.test")).status == 200
    seen = kit.origin.seen[0]
    assert (seen.target, seen.get("host")) == (sent, host)


async def test_request_fields_keep_case_order_repetition_and_bytes(kit):
    kit.origin.answer("/f", ok())
    await kit.get("/f", "X-One: 1", "x-tWo:2", "X-One:   3  ", "X-Empty:", "X-Bytes: \xe9\xff", "Cookie: a=1", "Cookie: b=2")
    lines = kit.origin.seen[0].lines
    start = lines.index(b"X-One: 1")
    assert lines[start : start + 7] == [
        b"X-One: 1", b"x-tWo:2", b"X-One:   3  ", b"X-Empty:", b"X-Bytes: \xe9\xff", b"Cookie: a=1", b"Cookie: b=2"
    ]  # fmt: skip


async def test_response_fields_keep_case_order_repetition_and_bytes(kit):
    kit.origin.answer("/f", ok(b"", "Set-Cookie: a=1", "set-cookie: b=2", "X-Bytes: \xe9\xff", "X-Empty:", 'ETAG: "x"'))
    reply = await kit.get("/f")
    assert reply.lines[:5] == [b"Set-Cookie: a=1", b"set-cookie: b=2", b"X-Bytes: \xe9\xff", b"X-Empty:", b'ETAG: "x"']


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        ("200 Fine, thanks", 200, b"Fine, thanks"),
        ("299 Odd", 299, b"Odd"),
        ("599 ", 599, b""),
        ("999 Made up", 999, b"Made up"),
        ("404 Pas trouv\xe9", 404, b"Pas trouv\xe9"),
        ("418 I'm a teapot", 418, b"I'm a teapot"),
    ],
)
async def test_status_and_reason_pass(kit, line, status, reason):
    kit.origin.answer("/s", ok(b"x", status=line))
    reply = await kit.get("/s")
    assert (reply.status, reply.reason, reply.body) == (status, reason, b"x")


async def test_hop_by_hop_fields_stay_on_their_hop(kit):
    kit.origin.answer(
        "/h",
        ok(
            b"x",
            "Connection: X-Mine, keep-alive",
            "X-Mine: secret",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "X-Other: kept",
        ),
    )
    reply = await kit.get(
        "/h", "Connection: X-Hop, close", "X-Hop: secret", "TE: gzip", "Proxy-Connection: close", "Keep-Alive: 5", "X-End: kept"
    )
    seen = kit.origin.seen[0]
    assert [seen.get(name) for name in ("x-hop", "te", "proxy-connection", "keep-alive", "connection", "x-end")] == [None] * 5 + [b"kept"]
    assert [reply.get(name) for name in ("x-mine", "keep-alive", "proxy-connection", "x-other")] == [None] * 3 + [b"kept"]
    assert reply.get("connection") == b"close"


async def test_connection_cannot_name_away_what_matters(kit):
    kit.origin.answer("/h", ok())
    await kit.get(
        "/h",
        "Connection: Host, Authorization, Cookie, X-Forwarded-For, Cache-Control",
        "Authorization: x",
        "Cookie: y",
        "Cache-Control: no-cache",
    )
    seen = kit.origin.seen[0]
    assert [seen.get(name) for name in ("authorization", "cookie", "cache-control", "host")] == [b"x", b"y", b"no-cache", b"example.test"]


async def test_what_the_origin_learns_of_the_client(kit):
    kit.origin.answer("/x", ok())
    await kit.get("/x", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.test", "Forwarded: for=1.2.3.4")
    seen = kit.origin.seen[0]
    assert seen.all("x-forwarded-for") == [b"127.0.0.1"]
    assert seen.all("x-forwarded-proto") == [b"http"]
    assert seen.all("x-forwarded-host") == [b"example.test"]
    assert seen.all("forwarded") == []
    assert seen.get("via").startswith(b"1.1 edgecache-")


async def test_a_trusted_proxy_is_believed(start_kit):
    kit = await start_kit(trusted_proxies=["127.0.0.0/8"])
    kit.origin.answer("/x", ok())
    await kit.get("/x", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: www.test")
    seen = kit.origin.seen[0]
    assert seen.all("x-forwarded-for") == [b"1.2.3.4, 127.0.0.1"]
    assert seen.all("x-forwarded-proto") == [b"https"]
    assert seen.all("x-forwarded-host") == [b"www.test"]


async def test_a_loop_is_noticed(start_kit):
    kit = await start_kit(via="me")
    kit.origin.answer("/x", ok())
    assert (await kit.get("/x", "Via: 1.1 other, 1.1 me2")).status == 200
    reply = await kit.get("/x", "Via: 1.1 other, 1.1 me (comment)")
    assert (reply.status, reply.error) == (508, "proxy_loop_detected")


async def test_an_edge_that_is_its_own_origin_does_not_spin(start_kit):
    first = await start_kit()
    second = await start_kit(origin=first.origin, via="second")
    first.edge.pool.address = type(first.edge.pool.address)("127.0.0.1", second.port)
    second.edge.pool.address = type(second.edge.pool.address)("127.0.0.1", first.port)
    assert (await first.get("/x")).status == 508


@pytest.mark.parametrize(("hops", "status", "passed_on"), [("0", 200, None), ("1", 201, b"0"), ("12", 201, b"11"), ("abc", 201, b"abc")])
@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
async def test_max_forwards(kit, method, hops, status, passed_on):
    kit.origin.answer("/x", ok(status="201 From the origin"))
    reply = await kit.request(method, "/x", f"Max-Forwards: {hops}", "Cookie: secret")
    assert reply.status == status
    assert b"secret" not in reply.body
    assert [seen.get("max-forwards") for seen in kit.origin.seen] == ([passed_on] if passed_on else [])


async def test_connect_is_not_for_a_gateway(kit):
    reply = await kit.raw(b"CONNECT example.test:443 HTTP/1.1\r\nHost: example.test:443\r\n\r\n")
    assert (reply.status, reply.error) == (405, "http_request_error")
    assert b"GET" in reply.get("allow")


# content, down


async def test_chunks_come_down_as_content(kit):
    kit.origin.answer("/c", CHUNKED_HELLO)
    reply = await kit.get("/c")
    assert (reply.body, reply.get("transfer-encoding")) == (b"hello world", b"chunked")


async def test_trailers_come_down(kit):
    kit.origin.answer(
        "/c", b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 7\r\nx-b:\r\n\r\n"
    )
    reply = await kit.get("/c", "TE: trailers")
    assert (reply.body, reply.trailers, reply.get("trailer")) == (b"ab", b"X-Sum: 7\r\nx-b:\r\n", b"X-Sum")
    assert kit.origin.seen[0].get("te") == b"trailers"


async def test_http_1_0_clients_get_close_delimited_content(kit):
    kit.origin.answer("/c", CHUNKED_HELLO)
    reply = await kit.raw(b"GET /c HTTP/1.0\r\n\r\n")
    assert (reply.body, reply.get("transfer-encoding"), reply.get("connection")) == (b"hello world", None, b"close")
    assert kit.origin.seen[0].line == b"GET /c HTTP/1.1"
    assert kit.origin.seen[0].get("host") == f"127.0.0.1:{kit.port}".encode()


async def test_http_1_0_keep_alive(kit):
    kit.origin.answer("/c", ok())
    client = await kit.connect()
    for _ in range(2):
        await client.send(b"GET /c HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        assert (await client.reply()).get("connection") == b"keep-alive"


async def test_http_1_0_origins(kit):
    kit.origin.answer("/a", b"HTTP/1.0 200 OK\r\nX: y\r\n\r\nuntil the end")
    reply = await kit.get("/a")
    assert (reply.body, reply.get("transfer-encoding")) == (b"until the end", b"chunked")
    kit.origin.answer("/b", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nab")
    assert [(await kit.get("/b")).body for _ in range(3)] == [b"ab"] * 3
    assert kit.origin.connections == 2


@pytest.mark.parametrize(
    ("raw", "length"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"1000"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
        (b"HTTP/1.1 404 No\r\n\r\n", None),
    ],
)
async def test_head_has_no_content_whatever_its_fields_say(kit, raw, length):
    kit.origin.answer("/h", raw)
    client = await kit.connect()
    for _ in range(2):
        reply = await client.request("HEAD", "/h")
        assert (reply.status, reply.get("content-length")) == (int(raw[9:12]), length)


async def test_304_keeps_its_length_and_204_has_none(kit):
    kit.origin.answer("/304", b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 77\r\n\r\n')
    kit.origin.answer("/204", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
    client = await kit.connect()
    reply = await client.request("GET", "/304", "Range: bytes=0-1", 'If-None-Match: "a"')
    assert (reply.status, reply.get("content-length")) == (304, b"77")
    reply = await client.get("/204")
    assert (reply.status, reply.get("content-length"), reply.get("transfer-encoding")) == (204, None, None)


async def test_codings_are_untouched(kit):
    kit.origin.answer("/z", ok(b"\x1f\x8b not really gzip", "Content-Encoding: gzip"))
    reply = await kit.get("/z", "Accept-Encoding: gzip, br;q=0.5")
    assert (reply.body, reply.get("content-encoding")) == (b"\x1f\x8b not really gzip", b"gzip")
    assert kit.origin.seen[0].get("accept-encoding") == b"br, gzip"  # as variants are told apart
    await kit.request("POST", "/z", "Accept-Encoding: gzip, br;q=0.5")
    assert kit.origin.seen[1].get("accept-encoding") == b"gzip, br;q=0.5"


async def test_what_the_origin_sends_arrives_as_it_comes(kit):
    """Server-sent events: each event reaches the client before the next one is sent."""
    events = []

    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for number in range(3):
            await peer.send(b"data: %d\n\n" % number)
            while len(events) <= number:
                await kit.until(lambda number=number: len(events) > number, f"event {number}")
        peer.close()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
    await client.until(b"\r\n\r\n")
    for number in range(3):
        await client.until(b"data: %d\n\n" % number)
        events.append(number)
    await client.until(b"0\r\n\r\n")


async def test_an_event_stream_ends_with_its_reader(kit):
    """A browser that closes a page closes its side; nothing else would tell the edge, for events may be hours apart."""
    ended = []

    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        ended.append(await peer.ended())

    kit.origin.script = script
    client = await kit.connect()
    await client.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
    await client.until(b"data: 1\n\n")
    kit.pass_time(4000)  # silence is no fault of an event stream
    assert ended == []
    client.close()
    await kit.until(lambda: ended == [True], "the origin to be told")


# content, up


async def test_content_goes_up_with_its_length(kit):
    kit.origin.answer("/p", ok())
    await kit.request("POST", "/p", body=b"x" * 300_000)
    seen = kit.origin.seen[0]
    assert (seen.body, seen.get("content-length"), seen.get("transfer-encoding")) == (b"x" * 300_000, b"300000", None)


async def test_content_goes_up_in_chunks_with_trailers(kit):
    kit.origin.answer("/p", ok())
    client = await kit.connect()
    await client.send(b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    await client.send(b"3;x=y\r\ndef\r\n0\r\nX-Sum: 7\r\n\r\n")
    assert (await client.reply()).status == 200
    seen = kit.origin.seen[0]
    assert (seen.body, seen.trailers, seen.get("content-length")) == (b"abcdef", b"X-Sum: 7\r\n", None)
    assert (await client.get("/p")).status == 200


async def test_empty_content_is_still_content(kit):
    kit.origin.answer("/p", ok())
    client = await kit.connect()
    await client.send(
        b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    assert [(await client.reply()).status for _ in range(2)] == [200, 200]
    assert [seen.get("content-length") for seen in kit.origin.seen] == [b"0", None]


async def test_expect_100_continue_is_the_origins_to_answer(kit):
    async def script(peer):
        seen = await peer.head()
        assert seen.get("expect") == b"100-continue"
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await peer.exactly(4) == b"data"
        await peer.send(ok(b"thanks"))

    kit.origin.script = script
    client = await kit.connect()
    await client.send(b"PUT /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await client.send(b"data")
    assert (await client.reply()).body == b"thanks"


async def test_expect_refused_by_the_origin(kit):
    async def script(peer):
        await peer.head()
        await peer.send(ok(b"too much", status="417 Expectation Failed"))
        await peer.ended()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(b"PUT /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\nExpect: 100-continue\r\n\r\n")
    reply = await client.reply()
    assert (reply.status, reply.body, reply.get("connection")) == (417, b"too much", b"close")
    assert await client.ended()


async def test_an_early_answer_reaches_a_client_that_still_sends(kit):
    async def script(peer):
        await peer.head()
        await peer.send(ok(b"no more", status="413 Content Too Large"))
        await peer.ended()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000)
    reply = await client.reply()
    assert (reply.status, reply.body) == (413, b"no more")


async def test_both_ways_at_once(kit):
    """An origin that answers while it is still being asked: an echo, piece by piece."""

    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while (size := int(await peer.until(b"\r\n"), 16)) > 0:
            piece = await peer.exactly(size)
            await peer.exactly(2)
            await peer.send(b"%x\r\n%s\r\n" % (size, piece.upper()))
        await peer.exactly(2)
        await peer.send(b"0\r\n\r\n")

    kit.origin.script = script
    client = await kit.connect()
    await client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    await client.until(b"\r\n\r\n")
    for word in (b"one", b"two", b"three"):
        await client.send(b"%x\r\n%s\r\n" % (len(word), word))
        await client.until(word.upper())
    await client.send(b"0\r\n\r\n")
    await client.until(b"0\r\n\r\n")


# interim responses


async def test_early_hints_are_forwarded_and_leave_no_trace(kit):
    kit.origin.answer(
        "/e",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nX-Hint: 1\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        + ok(b"page", "Cache-Control: max-age=60"),
    )
    first, second = await kit.get("/e"), await kit.get("/e")
    assert first.interims == [b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nX-Hint: 1", b"HTTP/1.1 102 Processing"]
    assert (first.body, first.get("x-hint")) == (b"page", None)
    assert (second.hit, second.interims, second.get("x-hint"), second.get("link")) == (True, [], None, None)


async def test_http_1_0_clients_get_no_interim_responses(kit):
    kit.origin.answer("/e", b"HTTP/1.1 103 Early Hints\r\n\r\n" + ok(b"page"))
    reply = await kit.raw(b"GET /e HTTP/1.0\r\nHost: a\r\n\r\n")
    assert (reply.interims, reply.body) == ([], b"page")


# connections


async def test_pipelined_requests_are_answered_in_order(kit):
    slow = kit.origin.answer("/slow", ok(b"slow"), gate=True)
    kit.origin.answer("/fast", ok(b"fast", "Cache-Control: max-age=60"))
    await kit.get("/fast")
    client = await kit.connect()
    request = b"GET %s HTTP/1.1\r\nHost: example.test\r\n\r\n"
    await client.send(
        request % b"/fast"
        + request % b"/slow"
        + request % b"/fast"
        + b"HEAD /fast HTTP/1.1\r\nHost: example.test\r\n\r\n"
        + request % b"/fast"
    )
    assert (await client.reply()).body == b"fast"
    await kit.until(lambda: len(kit.origin.seen) == 2)
    slow.set()
    assert (await client.reply()).body == b"slow"
    assert (await client.reply()).body == b"fast"
    assert (await client.reply("HEAD")).get("content-length") == b"4"
    assert (await client.reply()).body == b"fast"


async def test_a_half_closed_client_is_answered(kit):
    gate = kit.origin.answer("/a", ok(b"answer"), gate=True)
    client = await kit.connect()
    await client.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    client.half_close()
    gate.set()
    assert [(await client.reply()).body for _ in range(2)] == [b"answer", b"answer"]
    assert await client.ended()


async def test_origin_connections_are_used_again(kit):
    kit.origin.answer("/a", ok())
    for _ in range(5):
        assert (await kit.get("/a")).status == 200
    assert kit.origin.connections == 1


async def test_a_body_cut_by_the_origin_is_cut_for_the_client(kit):
    kit.origin.answer("/cut", b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf")
    client = await kit.connect()
    with pytest.raises(Cut) as cut:
        await client.get("/cut")
    assert cut.value.got == b"half"
    assert kit.edge.store.responses == 0


async def test_a_client_that_leaves_ends_a_fetch_that_nobody_stores(kit):
    left = []

    async def script(peer):
        await peer.head()
        left.append(await peer.ended())

    kit.origin.script = script
    client = await kit.connect()
    await client.send(b"GET /long HTTP/1.1\r\nHost: a\r\nCache-Control: no-store\r\n\r\n")
    await kit.until(lambda: kit.origin.connections == 1)
    client.reset()
    await kit.until(lambda: left == [True], "the origin connection to be closed")


async def test_a_fetch_worth_storing_outlives_its_client(kit):
    gate = kit.origin.answer("/a", ok(b"x" * 100_000, "Cache-Control: max-age=60"), gate=True)
    client = await kit.connect()
    await client.send(b"GET /a HTTP/1.1\r\nHost: example.test\r\n\r\n")
    await kit.until(lambda: len(kit.origin.seen) == 1)
    client.reset()
    gate.set()
    await kit.until(lambda: kit.edge.store.responses == 1)
    assert (await kit.get("/a")).hit


# other protocols

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\nX-Kept: yes\r\n\r\n"
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\nSec-Key: k\r\n\r\n"


async def test_an_upgrade_becomes_a_tunnel_with_early_bytes_both_ways(kit):
    async def script(peer):
        seen = await peer.head()
        assert (seen.get("connection"), seen.get("upgrade"), seen.get("sec-key")) == (b"Upgrade", b"echo", b"k")
        await peer.send(SWITCH + b"early from origin")
        assert await peer.exactly(17) == b"early from client"
        while data := await peer.more():
            await peer.send(data.upper())
        peer.half_close()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(UPGRADE + b"early from client")
    reply = await client.reply()
    assert (reply.status, reply.get("upgrade"), reply.get("connection"), reply.get("x-kept")) == (101, b"echo", b"Upgrade", b"yes")
    assert await client.exactly(17) == b"early from origin"
    for word in (b"one", b"\x00\xff two", b"x" * 200_000):
        await client.send(word)
        assert await client.exactly(len(word)) == word.upper()
    client.half_close()
    assert await client.ended()
    assert kit.edge.records.stats()["handled"]["tunnel"] == 1


async def test_a_declined_upgrade_is_an_ordinary_answer(kit):
    kit.origin.answer("/ws", ok(b"no"))
    kit.origin.answer("/next", ok(b"next"))
    client = await kit.connect()
    await client.send(UPGRADE + b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await client.reply()).body == b"no"
    assert (await client.reply()).body == b"next"


async def test_h2c_is_not_passed_on(kit):
    kit.origin.answer("/a", ok())
    await kit.get("/a", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    seen = kit.origin.seen[0]
    assert [seen.get(name) for name in ("upgrade", "http2-settings", "connection")] == [None, None, None]


async def test_a_tunnel_ends_with_either_side(kit):
    gone = []

    async def script(peer):
        await peer.head()
        await peer.send(SWITCH)
        gone.append(await peer.ended())

    kit.origin.script = script
    client = await kit.connect()
    await client.send(UPGRADE)
    await client.reply()
    client.reset()
    await kit.until(lambda: gone == [True])


async def test_a_drain_does_not_wait_for_what_does_not_end(kit):
    async def script(peer):
        seen = await peer.head()
        if seen.target == b"/ws":
            await peer.send(SWITCH)
        else:
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await peer.ended()

    kit.origin.script = script
    tunnel, events = await kit.connect(), await kit.connect()
    await tunnel.send(UPGRADE)
    await tunnel.reply()
    await events.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
    await events.until(b"data: 1\n\n")
    await asyncio.wait_for(kit.edge.drain(), 5)  # drain_timeout_s is 10
    assert await tunnel.ended()


async def test_a_target_with_a_fragment_is_passed_and_not_stored(kit):
    """No purge could name it: fragments are not sent, so a URL in an API call loses its own."""
    kit.origin.answer("/a?q#x", ok(b"odd", "Cache-Control: max-age=60"))
    replies = [await kit.get("/a?q#x") for _ in range(2)]
    assert [(reply.body, reply.hit, "detail=fragment" in reply.cache_status) for reply in replies] == [(b"odd", False, True)] * 2
    assert kit.edge.store.responses == 0


async def test_the_control_plane_says_nothing_in_the_terminal_about_requests_that_it_cannot_read(kit, capsys):
    host, port = kit.edge.control_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nX : y\r\n\r\n")
    assert (await reader.read()).split(b" ")[1] == b"400"
    writer.close()
    assert capsys.readouterr().err == ""
