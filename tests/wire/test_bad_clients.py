"""Clients that send what HTTP does not allow: each gets the right status, nothing of it reaches the origin, and where the end of the
request is in doubt the connection is closed."""

from __future__ import annotations

import pytest
from wirekit import Cut, Kit, fresh, ok

HOST = b"Host: a.test\r\n"
GET = b"GET /a HTTP/1.1\r\n" + HOST
POST = b"POST /a HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n"

REFUSED = [
    # what · bytes · status
    ("no version", b"GET /a\r\n\r\n", 400),
    ("HTTP/0.9 with Host", b"GET /a\r\n" + HOST + b"\r\n", 400),
    ("HTTP/0.9 said", b"GET /a HTTP/0.9\r\n" + HOST + b"\r\n", 505),
    ("HTTP/2.0", b"GET /a HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 505),
    ("HTTP/3.0", b"GET /a HTTP/3.0\r\n" + HOST + b"\r\n", 505),
    ("HTTP/11.1", b"GET /a HTTP/11.1\r\n" + HOST + b"\r\n", 400),
    ("version in lower case", b"GET /a http/1.1\r\n" + HOST + b"\r\n", 400),
    ("version of another protocol", b"GET /a RTSP/1.0\r\n" + HOST + b"\r\n", 400),
    ("non-ASCII digit in the version", b"GET /a HTTP/1.\xb9\r\n" + HOST + b"\r\n", 400),
    ("two spaces", b"GET  /a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("tab for space", b"GET\t/a\tHTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("space in the target", b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("space before the method", b" GET /a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("space after the version", b"GET /a HTTP/1.1 \r\n" + HOST + b"\r\n", 400),
    ("method that is no token", b"G(T /a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("method beyond ASCII", b"G\xc9T /a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("empty method", b" /a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("NUL in the target", b"GET /a\0 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("tab in the target", b"GET /a\t HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("bare CR in the target", b"GET /a\rb HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(0x40, 0x80)), 400),
    ("text", b"hello\r\n\r\n", 400),
    ("a response", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 400),
    ("target over the limit", b"GET /" + b"x" * 16384 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    ("target without an end", b"GET /" + b"x" * 70000, 414),
    ("head over the limit", GET + b"A: " + b"x" * 65536 + b"\r\n\r\n", 431),
    ("head over the limit in many fields", GET + (b"A: " + b"x" * 600 + b"\r\n") * 110 + b"\r\n", 431),
    ("head without an end", GET + b"A: " + b"x" * 70000, 431),
    ("too many fields", GET + b"A: b\r\n" * 200 + b"\r\n", 431),
    # lengths
    ("two different lengths", POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
    ("two equal lengths", POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    ("a list of lengths", POST + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    ("plus sign", POST + b"Content-Length: +5\r\n\r\nhello", 400),
    ("minus sign", POST + b"Content-Length: -5\r\n\r\nhello", 400),
    ("minus zero", POST + b"Content-Length: -0\r\n\r\n", 400),
    ("underscore", POST + b"Content-Length: 1_0\r\n\r\nhellohello", 400),
    ("hexadecimal length", POST + b"Content-Length: 0x5\r\n\r\nhello", 400),
    ("fraction", POST + b"Content-Length: 5.0\r\n\r\nhello", 400),
    ("empty length", POST + b"Content-Length:\r\n\r\nhello", 400),
    ("length with a blank", POST + b"Content-Length: 1 0\r\n\r\nhellohello", 400),
    ("length beyond 18 digits", POST + b"Content-Length: 9223372036854775808\r\n\r\nhello", 400),
    ("length of 5,000 digits", POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nhello", 400),
    ("Arabic digit", POST + "Content-Length: ٥\r\n\r\nhello".encode(), 400),
    ("full-width digit", POST + "Content-Length: ５\r\n\r\nhello".encode(), 400),
    ("superscript digit", POST + b"Content-Length: \xb2\r\n\r\nhe", 400),
    ("length in a GET, malformed", GET + b"Content-Length: x\r\n\r\n", 400),
    # transfer codings
    ("length with chunked", POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked with length", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    ("zero length with chunked", POST + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("unknown coding before chunked", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("unknown coding on a line before", POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
    ("chunked not last", POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    ("unknown coding alone", POST + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 400),
    ("identity", POST + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    ("chunked twice", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked on two lines", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("xchunked", POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked with a parameter", POST + b"Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", 400),
    ("chunked in quotes", POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', 400),
    ("chunked behind a vertical tab", POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked with a comma", POST + b"Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", 400),
    ("empty coding", POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
    ("chunked in HTTP/1.0", b"POST /a HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    # field lines
    ("space before the colon", GET + b"A : b\r\n\r\n", 400),
    ("space before the colon of a length", POST + b"Content-Length : 5\r\n\r\nhello", 400),
    ("tab before the colon of a coding", POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400),
    ("continued line", GET + b"A: b\r\n c\r\n\r\n", 400),
    ("continued line with a tab", GET + b"A: b\r\n\tc\r\n\r\n", 400),
    ("continued coding", POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    ("first line continued", b"GET /a HTTP/1.1\r\n Host: a.test\r\n\r\n", 400),
    ("bare CR", GET + b"A: b\rc\r\n\r\n", 400),
    ("bare CR that hides a field", GET + b"A: b\rTransfer-Encoding: chunked\r\n\r\n", 400),
    ("CR CR LF", GET + b"A: b\r\r\n\r\n", 400),
    ("bare LF", GET + b"A: b\nContent-Length: 5\r\n\r\nhello", 400),
    ("bare LF everywhere", b"GET /a HTTP/1.1\nHost: a.test\n\n", 400),
    ("bare LF as the empty line", GET + b"\n" + NEXT, 400),
    ("NUL in a value", GET + b"A: b\0c\r\n\r\n", 400),
    ("NUL in a name", GET + b"A\0: b\r\n\r\n", 400),
    ("escape in a value", GET + b"A: \x1b[2J\r\n\r\n", 400),
    ("DEL in a value", GET + b"A: \x7f\r\n\r\n", 400),
    ("no colon", GET + b"A\r\n\r\n", 400),
    ("no name", GET + b": b\r\n\r\n", 400),
    ("name that is no token", GET + b"A(b): c\r\n\r\n", 400),
    ("name beyond ASCII", GET + b"\xc9: b\r\n\r\n", 400),
    ("name with a space", GET + b"A b: c\r\n\r\n", 400),
    # chunks that arrive with the head
    ("chunk size that is no number", CHUNKED + b"g\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk size with 0x", CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk size with a sign", CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n", 400),
    ("negative chunk size", CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk size with an underscore", CHUNKED + b"1_0\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk size behind a space", CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n", 400),
    ("empty chunk size", CHUNKED + b"\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk size beyond 15 digits", CHUNKED + b"ffffffffffffffff0\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk size beyond ASCII", CHUNKED + "٥\r\nhello\r\n0\r\n\r\n".encode(), 400),
    ("chunk size with bare LF", CHUNKED + b"5\nhello\r\n0\r\n\r\n", 400),
    ("chunk size with bare CR", CHUNKED + b"5\rhello\r\n0\r\n\r\n", 400),
    ("chunk without CRLF", CHUNKED + b"5\r\nhello0\r\n\r\n", 400),
    ("chunk longer than it says", CHUNKED + b"5\r\nhello world\r\n0\r\n\r\n", 400),
    ("chunk shorter than it says", CHUNKED + b"6\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk with bare LF behind", CHUNKED + b"5\r\nhello\n0\r\n\r\n", 400),
    ("extension with a control byte", CHUNKED + b"5;a=\0\r\nhello\r\n0\r\n\r\n", 400),
    ("extension with bare CR", CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n", 400),
    ("extension with bare LF", CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n", 400),
    ("extension without a name", CHUNKED + b"5;=b\r\nhello\r\n0\r\n\r\n", 400),
    ("extension with an open quote", CHUNKED + b'5;a="b\r\nhello\r\n0\r\n\r\n', 400),
    ("something else behind the size", CHUNKED + b"5 6\r\nhello\r\n0\r\n\r\n", 400),
    ("endless extension", CHUNKED + b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n", 400),
    ("length as a trailer", CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n", 400),
    ("coding as a trailer", CHUNKED + b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("Host as a trailer", CHUNKED + b"5\r\nhello\r\n0\r\nHost: b.test\r\n\r\n", 400),
    ("Connection as a trailer", CHUNKED + b"5\r\nhello\r\n0\r\nConnection: close\r\n\r\n", 400),
    ("malformed trailer", CHUNKED + b"5\r\nhello\r\n0\r\nA : b\r\n\r\n", 400),
    ("trailer without a colon", CHUNKED + b"5\r\nhello\r\n0\r\nGET / HTTP/1.1\r\n\r\n", 400),
    ("trailer with bare LF", CHUNKED + b"5\r\nhello\r\n0\r\nA: b\n\r\n", 400),
    ("trailers over the limit", CHUNKED + b"5\r\nhello\r\n0\r\nA: " + b"x" * 66000 + b"\r\n\r\n", 400),
    ("too many trailers", CHUNKED + b"5\r\nhello\r\n0\r\n" + b"A: b\r\n" * 201 + b"\r\n", 400),
]
IDS = [row[0] for row in REFUSED]


async def barrier(kit: Kit) -> None:
    """Nothing of what came before is on its way to the origin any more."""
    kit.origin.answer("/barrier", ok())
    await kit.get("/barrier")
    assert [seen.target for seen in kit.origin.seen] == [b"/barrier"]
    assert kit.origin.connections == 1


def is_ours(reply, status):
    """One of the edge's own answers, complete, after which it closes?"""
    return (reply.status, reply.error, reply.get("connection"), reply.get("cache-control"), reply.cache_status) == (
        status,
        "http_request_error",
        b"close",
        b"no-store",
        "",
    )


@pytest.mark.parametrize(("what", "data", "status"), REFUSED, ids=IDS)
async def test_refused_and_closed(kit, what, data, status):
    client = await kit.connect()
    await client.send(data + NEXT)
    reply = await client.reply()
    assert is_ours(reply, status), reply
    assert await client.to_end() == b"", "something came behind the last answer"
    await barrier(kit)


SHORT = [row for row in REFUSED if len(row[1]) < 150]


@pytest.mark.parametrize(("what", "data", "status"), SHORT, ids=[row[0] for row in SHORT])
async def test_refused_byte_by_byte(kit, what, data, status):
    client = await kit.connect()
    for index in range(len(data)):
        await client.send(data[index : index + 1])
        await kit.turns(3)
    await client.send(NEXT)
    reply = await client.reply()
    assert is_ours(reply, status), reply
    assert await client.to_end() == b""
    assert not [seen for seen in kit.origin.seen if seen.target != b"/a"]


async def test_bytes_that_can_be_no_method_are_refused_at_once(kit):
    """A browser that was told https:// for a plain port: no line end ever comes, and nobody should wait for the time-out."""
    client = await kit.connect()
    await client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(0x40, 0x80)))
    reply = await client.reply()
    assert is_ours(reply, 400)
    assert b"TLS" in reply.body


# Host: the framing is not in doubt, so the connection goes on


HOSTS = [
    ("missing", b""),
    ("twice", b"Host: a.test\r\nHost: a.test\r\n"),
    ("twice, different", b"Host: a.test\r\nHost: b.test\r\n"),
    ("empty", b"Host:\r\n"),
    ("with a space", b"Host: a b\r\n"),
    ("a list", b"Host: a.test, b.test\r\n"),
    ("with a path", b"Host: a.test/b\r\n"),
    ("with a scheme", b"Host: http://a.test\r\n"),
    ("with a user", b"Host: u@a.test\r\n"),
    ("with a query", b"Host: a.test?b\r\n"),
    ("with a fragment", b"Host: a.test#b\r\n"),
    ("with a backslash", b"Host: a.test\\b\r\n"),
    ("port that is no number", b"Host: a.test:http\r\n"),
    ("port above 65535", b"Host: a.test:65536\r\n"),
    ("two ports", b"Host: a.test:80:80\r\n"),
    ("only a port", b"Host: :80\r\n"),
    ("beyond ASCII", b"Host: \xe4.test\r\n"),
    ("bad escape", b"Host: %zz.test\r\n"),
    ("open bracket", b"Host: [::1\r\n"),
    ("no IPv6 address", b"Host: [::g]\r\n"),
    ("something behind the bracket", b"Host: [::1]a\r\n"),
    ("300 bytes", b"Host: " + b"a" * 300 + b"\r\n"),
]


@pytest.mark.parametrize(("what", "lines"), HOSTS, ids=[row[0] for row in HOSTS])
async def test_host_is_refused_and_the_connection_goes_on(kit, what, lines):
    kit.origin.answer("/next", ok(b"next"))
    client = await kit.connect()
    await client.send(b"GET /a HTTP/1.1\r\n" + lines + b"\r\n" + NEXT)
    reply = await client.reply()
    assert (reply.status, reply.error, reply.get("connection")) == (400, "http_request_error", None)
    assert (await client.reply()).body == b"next"
    assert [seen.target for seen in kit.origin.seen] == [b"/next"]


@pytest.mark.parametrize("lines", [row[1] for row in HOSTS if b"%" not in row[1]], ids=[row[0] for row in HOSTS if b"%" not in row[1]])
async def test_a_bad_host_is_refused_in_absolute_form_too(kit, lines):
    """RFC 9112 3.2.2 lets the target win over Host, but 3.2 wants 400 for whatever is wrong with Host itself."""
    reply = await kit.raw(b"GET http://a.test/a HTTP/1.1\r\n" + lines + b"\r\n")
    assert (reply.status, reply.error) == (400, "http_request_error")
    await barrier(kit)


@pytest.mark.parametrize(
    "target",
    [b"*", b"a", b"a.test:80", b"http://", b"http:///a", b"http://u@a.test/", b"ftp://a.test/", b"http:/a", b"?a", b"http://a.test:x/"],
)
async def test_targets_in_no_form(kit, target):
    reply = await kit.raw(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (reply.status, reply.error, reply.get("connection")) == (400, "http_request_error", None)
    await barrier(kit)


# what is refused in the middle


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize(("what", "data", "status"), REFUSED[::7], ids=[row[0] for row in REFUSED[::7]])
async def test_a_good_request_before_a_bad_one_is_answered_first(kit, stored, what, data, status):
    kit.origin.answer("/next", fresh(b"good") if stored else ok(b"good"))
    if stored:
        await kit.get("/next", "Host: a.test")
    client = await kit.connect()
    await client.send(NEXT + data + NEXT)
    good, bad = await client.reply(), await client.reply()
    assert (good.status, good.body, good.hit) == (200, b"good", stored)
    assert is_ours(bad, status)
    assert await client.to_end() == b""
    assert [seen.target for seen in kit.origin.seen] == [b"/next"]


async def test_a_smuggled_request_is_not_seen_by_anybody(kit):
    """What a front end that believes Content-Length takes for content, and one that believes the coding takes for a request."""
    inner = b"GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"
    content = b"0\r\n\r\n" + inner
    reply = await kit.raw(POST + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(content) + content)
    assert is_ours(reply, 400)
    await barrier(kit)


BAD_LATER = [
    ("size", b"zz\r\n"),
    ("no CRLF behind a chunk", b"3\r\nabcdef\r\n"),
    ("trailer", b"0\r\nContent-Length: 3\r\n\r\n"),
]


@pytest.mark.parametrize(("what", "data"), BAD_LATER, ids=[row[0] for row in BAD_LATER])
async def test_chunks_that_turn_bad_later(kit, what, data):
    """The origin has part of the request by then: its connection is closed inside the content, so it cannot take that for all of it."""
    bodies = []

    async def script(peer):
        bodies.append((await peer.head()).target)
        try:
            await peer.chunks()
        except Cut as cut:
            bodies.append(cut.got)

    kit.origin.script = script
    client = await kit.connect()
    await client.send(CHUNKED + b"5\r\nhello\r\n")
    await kit.until(lambda: bodies)
    await client.send(data + NEXT)
    assert is_ours(await client.reply(), 400)
    assert await client.to_end() == b""
    await kit.until(lambda: len(bodies) == 2)
    assert bodies[0] == b"/a"
    assert bodies[1].startswith(b"hello")
    assert b"0\r\n" not in bodies[1]
    assert kit.edge.pool.figures()["open"] == 0


@pytest.mark.parametrize("framing", [b"Content-Length: 10\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"])
@pytest.mark.parametrize("how", ["half_close", "close", "reset"])
async def test_a_request_that_ends_too_early_is_not_completed_for_the_origin(kit, framing, how):
    ends = []

    async def script(peer):
        try:
            await peer.request()
        except Cut:
            ends.append("cut")
        else:
            ends.append("complete")

    kit.origin.script = script
    client = await kit.connect()
    await client.send(POST + framing)
    await kit.until(lambda: kit.origin.connections == 1)
    getattr(client, how)()
    if how == "half_close":
        assert is_ours(await client.reply(), 400)
        assert await client.ended()
    await kit.until(lambda: ends == ["cut"])
    await kit.until(lambda: not kit.edge.server.connections and kit.edge.pool.figures()["open"] == 0)


async def test_a_head_that_ends_too_early_is_dropped(kit):
    client = await kit.connect()
    await client.send(GET)
    client.half_close()
    assert await client.to_end() == b""
    await barrier(kit)


# lingering close


async def test_an_answer_is_seen_behind_much_that_nobody_reads(kit):
    """Closing with unread bytes would reset the connection and take the answer with it."""
    client = await kit.connect()
    await client.send(GET + b"A: " + b"x" * 65536 + b"\r\n\r\n" + b"y" * 200 * 1024)
    assert is_ours(await client.reply(), 431)
    assert await client.to_end() == b""  # a clean end, no reset


async def test_what_comes_while_lingering_is_dropped_and_not_answered(kit):
    client = await kit.connect()
    await client.send(GET + b"A : b\r\n\r\n")
    assert is_ours(await client.reply(), 400)
    assert await client.to_end() == b""
    for _ in range(10):
        await client.send(NEXT)
    await kit.taken(len(GET) + 9 + 10 * len(NEXT))
    assert len(kit.edge.server.connections) == 1
    client.close()
    await kit.until(lambda: not kit.edge.server.connections)
    await barrier(kit)


async def test_lingering_ends_after_its_time(kit):
    client = await kit.connect()
    await client.send(GET + b"A : b\r\n\r\n")
    assert is_ours(await client.reply(), 400)
    assert await client.to_end() == b""
    kit.pass_time(0.9)
    assert len(kit.edge.server.connections) == 1
    kit.pass_time(0.2)
    await kit.until(lambda: not kit.edge.server.connections)


async def test_lingering_is_not_prolonged_by_bytes(kit):
    client = await kit.connect()
    await client.send(GET + b"A : b\r\n\r\n")
    assert is_ours(await client.reply(), 400)
    for count in range(1, 4):
        kit.pass_time(0.3)
        await client.send(b"x" * 100)
        await kit.taken(len(GET) + 9 + count * 100)
    kit.pass_time(0.2)
    await kit.until(lambda: not kit.edge.server.connections)


async def test_lingering_ends_after_its_bytes(kit):
    client = await kit.connect()
    await client.send(GET + b"A : b\r\n\r\n")
    assert is_ours(await client.reply(), 400)
    for _ in range(256):
        client.writer.write(b"x" * 1024)
    await kit.taken(len(GET) + 9 + 256 * 1024)
    assert len(kit.edge.server.connections) == 1
    client.writer.write(b"x")
    await kit.until(lambda: not kit.edge.server.connections)


async def test_an_answer_that_closes_is_not_reset_by_the_next_request(kit):
    """The edge decides to close (the answer came before the content ended); what the client sends by then must not cost it the answer."""

    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")

    kit.origin.script = script
    client = await kit.connect()
    await client.send(POST + b"Content-Length: 200000\r\n\r\n" + b"x" * 1000)
    reply = await client.reply()
    assert (reply.status, reply.body, reply.get("connection")) == (413, b"big", b"close")
    await client.send(b"x" * 199000 + NEXT)
    assert await client.to_end() == b""
    await kit.taken(len(POST) + 26 + 200000 + len(NEXT))


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_who_sends_everything_before_listening_gets_the_answer(start_kit, framing):
    """Most libraries do. The content of a request that was understood is read to its end, however much it is."""
    kit = await start_kit(linger_bytes=1000)
    content = b"x" * 20_000_000
    client = await kit.connect()
    client.writer.transport.pause_reading()
    if framing == "length":
        raw = b"POST /a HTTP/1.1\r\nHost: a b\r\nContent-Length: %d\r\n\r\n" % len(content) + content
    else:
        raw = b"POST /a HTTP/1.1\r\nHost: a b\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(content) + content + b"\r\n0\r\n\r\n"
    await client.send(raw)
    await kit.taken(len(raw))
    (connection,) = kit.edge.server.connections
    assert connection.content is None
    client.writer.transport.resume_reading()
    reply = await client.reply()
    assert (reply.status, reply.get("connection")) == (400, b"close")
    assert await client.to_end() == b""


async def test_content_that_nobody_wants_may_not_pause(kit):
    client = await kit.connect()
    await client.send(b"POST /a HTTP/1.1\r\nHost: a b\r\nContent-Length: 1000\r\n\r\nhello")
    assert (await client.reply()).status == 400
    kit.pass_time(1.1)
    await kit.until(lambda: not kit.edge.server.connections)


async def test_content_that_nobody_wants_may_not_go_on_for_ever(kit):
    client = await kit.connect()
    head = b"POST /a HTTP/1.1\r\nHost: a b\r\nContent-Length: 1000\r\n\r\n"
    await client.send(head)
    assert (await client.reply()).status == 400
    for count in range(67):
        await kit.until(lambda: not kit.edge.server.connections or next(iter(kit.edge.server.connections)).bytes_in == len(head) + count)  # noqa: B023
        kit.pass_time(0.9)
        await client.send(b"x")
    await kit.until(lambda: not kit.edge.server.connections)


# requests that are merely odd


@pytest.mark.parametrize("blank", [b"\r\n", b"\r\n\r\n\r\n"])
async def test_empty_lines_between_requests_are_ignored(kit, blank):
    """RFC 9112 2.2: old clients send one behind a POST."""
    kit.origin.answer("/next", ok(b"next"))
    client = await kit.connect()
    await client.send(blank + NEXT + blank + NEXT + blank)
    assert [(await client.reply()).body for _ in range(2)] == [b"next", b"next"]
    await kit.until(lambda: len(kit.edge.server.idle) == 1)  # still a connection without a request
    await client.send(NEXT)
    assert (await client.reply()).body == b"next"


async def test_an_empty_line_in_two_pieces(kit):
    kit.origin.answer("/next", ok(b"next"))
    client = await kit.connect()
    for piece in (b"\r", b"\n", b"\r", b"\n" + NEXT):
        await client.send(piece)
        await kit.turns(5)
    assert (await client.reply()).body == b"next"


async def test_a_bare_lf_between_requests_is_refused(kit):
    kit.origin.answer("/next", ok(b"next"))
    client = await kit.connect()
    await client.send(NEXT + b"\n" + NEXT)
    assert (await client.reply()).body == b"next"
    assert is_ours(await client.reply(), 400)


@pytest.mark.parametrize("size", [b"5", b"05", b"0000000000005", b"5 ", b"5;a", b"5;a=b", b'5;a="b;\\"c"', b"5 ; a = b ;c", b"5\t;a"])
async def test_chunk_sizes_that_are_odd_but_good(kit, size):
    kit.origin.answer("/a", ok(b"done"))
    client = await kit.connect()
    await client.send(CHUNKED + size + b"\r\nhello\r\n000;x\r\n\r\n")
    assert (await client.reply()).body == b"done"
    assert kit.origin.seen[0].body == b"hello"


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("target of 16 KiB", b"GET /" + b"x" * 16383 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
        ("head of 64 KiB", GET + b"A: " + b"x" * (65536 - len(GET) - 3) + b"\r\n\r\n"),
        ("200 fields", GET + b"A: b\r\n" * 199 + b"\r\n"),
    ],
)
async def test_limits_themselves_are_allowed(kit, what, data):
    reply = await kit.raw(data)
    assert (reply.status, len(kit.origin.seen)) == (404, 1)


async def test_one_tiny_chunk_after_the_other(kit):
    """Many tiny chunks are no reason to make as many objects, writes or chunks towards the origin."""
    kit.origin.answer("/a", ok(b"done"))
    client = await kit.connect()
    await client.send(CHUNKED + b"2\r\nab\r\n" * 50_000 + b"0\r\n\r\n")
    assert (await client.reply()).body == b"done"
    assert kit.origin.seen[0].body == b"ab" * 50_000
