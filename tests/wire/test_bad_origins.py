"""Origins that break off, contradict themselves or send what is not HTTP: the client gets an error that says why, or an answer that
visibly has no end; nothing of it is stored, and the edge goes on."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
from wirekit import EMPTY_POOL, Client, Cut, Kit, Origin, ok

STORABLE = b"Cache-Control: max-age=60\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + STORABLE
NEXT = b"GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n"


async def still_works(kit: Kit) -> None:
    """Nothing was kept, no connection is left over, and the next request is answered."""
    assert kit.edge.store.responses == 0
    await kit.until(lambda: kit.edge.pool.figures() == EMPTY_POOL, "the pool to be empty")
    kit.origin.script = kit.origin.follow
    kit.origin.answer("/next", ok(b"next"))
    assert (await kit.get("/next")).body == b"next"


def says(*pieces: bytes, then: str = "close"):
    """A script: take a request's head, send these bytes, and close, reset or stay."""

    async def script(peer):
        await peer.head()
        for piece in pieces:
            await peer.send(piece)
        if then == "reset":
            peer.reset()
        elif then == "stay":
            await peer.ended()

    return script


PROTOCOL = "http_protocol_error"
CODING = "http_response_transfer_coding"
SIZE = "http_response_header_section_size"
INCOMPLETE = "http_response_incomplete"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
TERMINATED = "connection_terminated"

# what · what the origin sends, and does then · Proxy-Status error; all are 502
NO_ANSWER = [
    ("garbage", b"\x00\x01garbage", "stay", PROTOCOL),
    ("text", b"hello\r\n", "stay", PROTOCOL),
    ("an HTTP/0.9 answer", b"<html>hello</html>", "close", PROTOCOL),
    ("HTTP/2 frames", b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x64\0\4\0\x10\0\0\0\6\0\1\0\0", "stay", PROTOCOL),
    ("HTTP/2 in the status line", b"HTTP/2 200\r\n\r\n", "stay", PROTOCOL),
    ("HTTP/2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "stay", PROTOCOL),
    ("TLS alert", b"\x15\x03\x03\x00\x02\x02\x0a", "stay", PROTOCOL),
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n", "stay", PROTOCOL),
    ("lower case", b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "stay", PROTOCOL),
    ("empty lines first", b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "stay", PROTOCOL),
    ("bare LF", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "stay", PROTOCOL),
    ("one bare LF", b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 5\r\n\r\nhello", "stay", PROTOCOL),
    ("bare CR", b"HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 5\r\n\r\nhello", "stay", PROTOCOL),
    ("NUL", b"HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 5\r\n\r\nhello", "stay", PROTOCOL),
    ("NUL in the reason", b"HTTP/1.1 200 O\0K\r\nContent-Length: 5\r\n\r\nhello", "stay", PROTOCOL),
    ("continued line", OK + b"A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello", "stay", PROTOCOL),
    ("space before the colon", OK + b"Content-Length : 5\r\n\r\nhello", "stay", PROTOCOL),
    ("no colon", OK + b"hello\r\nContent-Length: 5\r\n\r\nhello", "stay", PROTOCOL),
    ("name that is no token", OK + b"a(b): c\r\nContent-Length: 5\r\n\r\nhello", "stay", PROTOCOL),
    ("status of two digits", b"HTTP/1.1 20 OK\r\n\r\n", "stay", PROTOCOL),
    ("status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n", "stay", PROTOCOL),
    ("status below 100", b"HTTP/1.1 099 OK\r\n\r\n", "stay", PROTOCOL),
    ("no status", b"HTTP/1.1\r\n\r\n", "stay", PROTOCOL),
    ("two lengths", OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "stay", PROTOCOL),
    ("two equal lengths", OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "stay", PROTOCOL),
    ("a list of lengths", OK + b"Content-Length: 5, 6\r\n\r\nhello!", "stay", PROTOCOL),
    ("length with a sign", OK + b"Content-Length: +5\r\n\r\nhello", "stay", PROTOCOL),
    ("negative length", OK + b"Content-Length: -1\r\n\r\nhello", "close", PROTOCOL),
    ("empty length", OK + b"Content-Length:\r\n\r\nhello", "close", PROTOCOL),
    ("huge length", OK + b"Content-Length: 99999999999999999999\r\n\r\nhello", "stay", PROTOCOL),
    ("length and chunked", OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "stay", CODING),
    ("unknown coding", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "stay", CODING),
    ("unknown coding alone", OK + b"Transfer-Encoding: gzip\r\n\r\nhello", "close", CODING),
    ("chunked twice", OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "stay", CODING),
    ("chunked in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "close", CODING),
    ("2 MiB of fields", OK + (b"A: " + b"x" * 1000 + b"\r\n") * 2090, "stay", SIZE),
    ("2 MiB in one field", OK + b"A: " + b"x" * 2 * 1024 * 1024, "stay", SIZE),
    ("too many fields", OK + b"A: b\r\n" * 200 + b"Content-Length: 0\r\n\r\n", "stay", SIZE),
    ("endless status line", b"HTTP/1.1 200 " + b"x" * 70000, "stay", SIZE),
    ("65 interim answers", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 65 + OK + b"Content-Length: 0\r\n\r\n", "stay", PROTOCOL),
    ("nothing, and an end", b"", "close", TERMINATED),
    ("nothing, and a reset", b"", "reset", TERMINATED),
    ("half a status line", b"HTTP/1.", "close", INCOMPLETE),
    ("half a head", OK + b"Content-Len", "close", INCOMPLETE),
    ("half a head, and a reset", OK + b"Content-Len", "reset", INCOMPLETE),
    ("only an interim answer", b"HTTP/1.1 100 Continue\r\n\r\n", "close", TERMINATED),
    ("an interim answer and half a head", b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200", "close", INCOMPLETE),
    (
        "101 that nobody asked for",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello",
        "stay",
        "http_upgrade_failed",
    ),
]


@pytest.mark.parametrize(("what", "data", "then", "error"), NO_ANSWER, ids=[row[0] for row in NO_ANSWER])
async def test_no_usable_answer(kit, what, data, then, error):
    kit.origin.script = says(data, then=then)
    client = await kit.connect()
    reply = await client.get("/a")
    assert (reply.status, reply.error, reply.cache_status) == (502, error, "")
    assert (reply.get("cache-control"), reply.get("connection")) == (b"no-store", None)
    assert b"details=" in reply.get("proxy-status")
    assert kit.origin.connections == 1, "asked twice"
    await client.send(NEXT)  # this side is in order: its connection goes on
    kit.origin.answer("/next", ok(b"next"))
    kit.origin.script = kit.origin.follow
    assert (await client.reply()).body == b"next"


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
async def test_no_usable_answer_to_other_methods(kit, method):
    kit.origin.script = says(b"garbage")
    client = await kit.connect()
    reply = await client.request(method, "/a", body=b"x" if method == "POST" else b"")
    assert (reply.status, reply.error) == (502, PROTOCOL)
    await still_works(kit)


async def test_an_error_is_shown_safely(kit):
    """What an origin sends may end up in the page and in a field: never as markup, as a line end or as the end of a quoted string."""
    kit.origin.script = says(b'HTTP/1.1 "\\<b>\xff\r\n\r\n')
    reply = await kit.get("/a", "Accept: text/html")
    assert (reply.status, reply.error) == (502, PROTOCOL)
    assert b"<b>" not in reply.body
    value = reply.get("proxy-status")
    assert value.isascii()
    details = value.partition(b"details=")[2]
    assert details[:1] == details[-1:] == b'"'
    assert b'"' not in details[1:-1].replace(b"\\\\", b"").replace(b'\\"', b"")


# what · head · content, and what the origin does then · the content that reaches the client
LENGTH = OK + b"Content-Length: 10\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
TORN = [
    ("short body", LENGTH + b"hello", "close", b"hello"),
    ("short body and a reset", LENGTH + b"hello", "reset", b"hello"),
    ("no body at all", LENGTH, "close", b""),
    ("one byte short", LENGTH + b"hello6789", "close", b"hello"),
    ("no last chunk", CHUNKED + b"5\r\nhello\r\n", "close", b"hello"),
    ("no last chunk, and a reset", CHUNKED + b"5\r\nhello\r\n", "reset", b"hello"),
    ("a chunk in the middle", CHUNKED + b"a\r\nhello", "close", b"hello"),
    ("end before the trailers' end", CHUNKED + b"5\r\nhello\r\n0\r\n", "close", b"hello"),
    ("end inside the trailers", CHUNKED + b"5\r\nhello\r\n0\r\nA: b\r\n", "close", b"hello"),
    ("no chunk at all", CHUNKED, "close", b""),
    ("bad chunk size", CHUNKED + b"5\r\nhello\r\nxyz\r\n", "stay", b"hello"),
    ("negative chunk size", CHUNKED + b"5\r\nhello\r\n-1\r\n", "stay", b"hello"),
    ("huge chunk size", CHUNKED + b"5\r\nhello\r\n" + b"f" * 17 + b"\r\n", "stay", b"hello"),
    ("bare LF behind a chunk size", CHUNKED + b"5\r\nhello\r\n5\nhello\r\n", "stay", b"hello"),
    ("chunk longer than it says", CHUNKED + b"5\r\nhello world\r\n", "stay", b"hello"),
    ("endless chunk extension", CHUNKED + b"5\r\nhello\r\n5;" + b"x" * 5000, "stay", b"hello"),
    ("length as a trailer", CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", "stay", b"hello"),
    ("malformed trailer", CHUNKED + b"5\r\nhello\r\n0\r\nA : b\r\n\r\n", "stay", b"hello"),
    ("endless trailers", CHUNKED + b"5\r\nhello\r\n0\r\nA: " + b"x" * 70000, "stay", b"hello"),
    ("reset where the end would be", OK + b"\r\nhello", "reset", b"hello"),
]
TORN_IDS = [row[0] for row in TORN]


@pytest.mark.parametrize(("what", "data", "then", "content"), TORN, ids=TORN_IDS)
async def test_a_torn_answer_looks_torn(kit, what, data, then, content):
    kit.origin.script = torn_when_told(kit, data, then)
    client = await kit.connect()
    await client.send(b"GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n")
    if content:
        head = await client.until(content)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        client.held = head + client.held
    kit.origin.gates["tear"].set()
    with pytest.raises(Cut) as cut:
        await client.reply()
    assert content.startswith(cut.value.got) or cut.value.got.startswith(content)
    await still_works(kit)


@pytest.mark.parametrize(("what", "data", "then", "content"), TORN, ids=TORN_IDS)
async def test_a_torn_answer_looks_torn_to_an_http_1_0_client(kit, what, data, then, content):
    """Without chunks only the length, or a reset in place of a clean end, can tell."""
    kit.origin.script = torn_when_told(kit, data, then)
    client = await kit.connect()
    await client.send(b"GET /a HTTP/1.0\r\nHost: a.test\r\n\r\n")
    if content:
        client.held = await client.until(content) + client.held
    kit.origin.gates["tear"].set()
    with pytest.raises(Cut) as cut:
        await client.reply()
    assert cut.value.by_reset == (b"Content-Length" not in data.partition(b"\r\n\r\n")[0])
    await still_works(kit)


def torn_when_told(kit, data, then):
    """Send what is good, wait for the gate, and only then send what is not, and close or reset."""
    gate = kit.origin.gates["tear"] = asyncio.Event()
    end = data.find(b"hello") + 5 if b"hello" in data else data.index(b"\r\n\r\n") + 4
    end = max(end, data.find(b"hello\r\n") + 7)

    async def script(peer):
        await peer.head()
        await peer.send(data[:end])
        await gate.wait()
        await peer.send(data[end:])
        if then == "reset":
            peer.reset()
        elif then == "stay":
            await peer.ended()

    return script


@pytest.mark.parametrize(("what", "data", "then", "content"), TORN, ids=TORN_IDS)
async def test_a_torn_answer_at_once(kit, what, data, then, content):
    """All of it in one go: the client gets an error or a cut, never an answer that looks complete."""
    kit.origin.script = says(data, then=then)
    client = await kit.connect()
    try:
        reply = await client.get("/a")
    except Cut as cut:
        torn = cut.got
    else:
        torn = None
        assert reply.status == 502
    assert torn is None or content.startswith(torn) or torn.startswith(content)
    await still_works(kit)


# answers that are complete, from origins that go on talking

EXTRA = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
COMPLETE = [
    # what · method · answer · status · content
    ("behind a length", "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello"),
    ("behind the last chunk", "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, b"hello"),
    ("behind no content", "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b""),
    ("content in a 204", "GET", b"HTTP/1.1 204 No Content\r\n\r\nhello", 204, b""),
    ("length and content in a 204", "GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", 204, b""),
    ("chunks in a 204", "GET", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 204, b""),
    ("content in a 304", "GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", 304, b""),
    ("content for HEAD", "HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b""),
    ("chunks for HEAD", "HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, b""),
]


@pytest.mark.parametrize("extra", [b"", b"\r\n", b"x", EXTRA], ids=["nothing", "empty line", "a byte", "a response"])
@pytest.mark.parametrize(("what", "method", "answer", "status", "content"), COMPLETE, ids=[row[0] for row in COMPLETE])
@pytest.mark.parametrize("pieces", [1, 2], ids=["at once", "later"])
async def test_what_follows_an_answer_is_nobodys(kit, pieces, what, method, answer, status, content, extra):
    """The answer is delivered; the connection to the origin is used again only when nothing came behind it."""
    lines = answer.partition(b"\r\n\r\n")
    behind = b"" if status == 200 and method == "GET" else lines[2]

    async def script(peer):
        await peer.head()
        if pieces == 1:
            await peer.send(answer + extra)
        else:
            await peer.send(answer)
            await kit.turns(20)
            await peer.send(extra)
        await kit.origin.follow(peer)

    kit.origin.script = script
    client = await kit.connect()
    reply = await client.request(method, "/a", "Cache-Control: no-store")
    assert (reply.status, reply.body) == (status, content)
    await kit.turns(30)
    if behind or extra:
        await kit.until(lambda: kit.edge.pool.figures()["open"] == 0)
    kit.origin.script = kit.origin.follow
    kit.origin.answer("/next", ok(b"next"))
    await client.send(NEXT)
    reply = await client.reply()
    assert (reply.status, reply.body) == (200, b"next")
    assert kit.origin.connections == (2 if behind or extra else 1)


@pytest.mark.parametrize("data", [EXTRA, b"\r\n", b"x", b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"])
async def test_bytes_on_an_idle_connection_close_it(kit, data):
    """They would become the next request's answer (another user's page, in the worst case)."""
    peers = []

    async def script(peer):
        peers.append(peer)
        await kit.origin.follow(peer)

    kit.origin.script = script
    kit.origin.answer("/a", ok(b"mine"))
    assert (await kit.get("/a")).body == b"mine"
    assert kit.edge.pool.figures()["idle"] == 1
    await peers[0].send(data)
    await kit.until(lambda: kit.edge.pool.figures()["idle"] == 0)
    assert (await kit.get("/a")).body == b"mine"
    assert kit.origin.connections == 2


async def test_an_unasked_response_that_crosses_the_next_request(kit):
    """Sent while the connection was idle, but not noticed yet when the next request goes out: its answer may not be taken for ours.

    Nothing can tell the two apart once the request is on its way; what counts is that bytes which had arrived before are noticed.
    """

    async def script(peer):
        await peer.request()
        await peer.send(ok(b"mine") + EXTRA)

    kit.origin.script = script
    client = await kit.connect()
    await client.send(b"GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n" * 2)
    assert [(await client.reply()).body for _ in range(2)] == [b"mine", b"mine"]
    assert kit.origin.connections == 2


async def test_an_origin_that_speaks_first(kit):
    """SSH, SMTP, FTP: somebody gave the wrong port. That is said at once, and not tried again and again."""

    async def script(peer):
        await peer.send(b"220 mail.test ESMTP\r\n")
        await peer.ended()

    kit.origin.script = script
    reply = await kit.get("/a")
    assert (reply.status, reply.error in (PROTOCOL, TERMINATED)) == (502, True)
    assert kit.origin.connections == 1
    await still_works(kit)


async def test_a_304_that_nobody_asked_for_passes_and_is_not_stored(kit):
    """Strange, but an answer. It is no representation, so it is neither stored nor made into one."""
    kit.origin.answer("/a", b'HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\nETag: "x"\r\n\r\n')
    for _ in range(2):
        reply = await kit.get("/a")
        assert (reply.status, reply.body, reply.get("etag")) == (304, b"", b'"x"')
    assert len(kit.origin.seen) == 2
    assert kit.edge.store.responses == 0


async def test_interim_answers_up_to_the_limit(kit):
    kit.origin.script = says(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 64 + ok(b"done"), then="stay")
    reply = await kit.get("/a")
    assert (reply.status, reply.body, len(reply.interims)) == (200, b"done", 64)


# uploads


def upload(size: int) -> bytes:
    return b"POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n" % size


@pytest.mark.parametrize("then", ["stay", "close"])
@pytest.mark.parametrize("read", [0, 100_000])
async def test_an_origin_that_refuses_an_upload_is_heard(kit, read, then):
    """It answers, does not read on and closes: its kernel resets the connection, which must not cost the client the answer."""

    async def script(peer):
        await peer.head()
        await peer.exactly(read)
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\nConnection: close\r\n\r\ntoo big")
        if then == "stay":
            await peer.ended()

    kit.origin.script = script
    client = await kit.connect()
    client.writer.write(upload(20_000_000) + b"x" * 1_000_000)
    reply = await client.reply()
    assert (reply.status, reply.body, reply.get("connection")) == (413, b"too big", b"close")
    await still_works(kit)


async def test_an_upload_that_is_refused_while_it_flows(start_kit):
    """An origin that does not share the edge's loop can reset the connection just before the edge's next write. That write then met the
    reset before the answer was read, and one client in four got 502."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        origin = Origin()
        origin.port = listener.getsockname()[1]
        kit = await start_kit(origin)
        refusing = threading.Thread(target=refuse_uploads, args=(listener, 30))
        refusing.start()
        statuses = []
        for _ in range(30):
            client = await kit.connect()
            pump = asyncio.get_running_loop().create_task(flow(client))
            statuses.append((await client.reply()).status)
            pump.cancel()
            client.reset()
        refusing.join()
    assert statuses == [413] * 30


def refuse_uploads(listener: socket.socket, count: int) -> None:
    """In a thread: take the beginning of an upload, refuse it, close with the rest unread."""
    while count:
        peer, _ = listener.accept()
        with peer:
            if peer.recv(65536):  # else it was the edge's look at its start
                count -= 1
                peer.recv(300_000)
                peer.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\nConnection: close\r\n\r\ntoo big")


async def flow(client: Client) -> None:
    client.writer.write(upload(50_000_000))
    while not client.writer.transport.is_closing():
        await client.send(b"x" * 2000)
        await asyncio.sleep(0)


async def test_an_origin_that_ends_an_upload_without_a_word(kit):
    async def script(peer):
        await peer.head()
        await peer.exactly(100_000)

    kit.origin.script = script
    client = await kit.connect()
    client.writer.write(upload(20_000_000) + b"x" * 1_000_000)
    reply = await client.reply()
    assert (reply.status, reply.error) == (502, TERMINATED)
    assert kit.origin.connections == 1
    await still_works(kit)


async def test_an_origin_that_resets_during_an_upload(kit):
    async def script(peer):
        await peer.head()
        await peer.exactly(100_000)
        peer.reset()

    kit.origin.script = script
    client = await kit.connect()
    client.writer.write(upload(20_000_000) + b"x" * 1_000_000)
    reply = await client.reply()
    assert (reply.status, reply.error) == (502, TERMINATED)
    assert kit.origin.connections == 1
    await still_works(kit)


async def test_an_answer_is_cut_while_the_upload_goes_on(kit):
    async def script(peer):
        await peer.head()
        await peer.exactly(5)
        await peer.send(LENGTH + b"hello")

    kit.origin.script = script
    client = await kit.connect()
    await client.send(upload(10) + b"12345")
    with pytest.raises(Cut) as cut:
        await client.reply()
    assert cut.value.got == b"hello"
    await still_works(kit)


async def test_one_origin_breaks_for_one_client_only(kit):
    """Torn and whole answers side by side: nobody gets another's bytes or another's end."""

    async def script(peer):
        seen = await peer.head()
        number = int(seen.target[1:])
        body = b"%03d" % number * 1000
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        await peer.send(head + (body if number % 3 else body[: number * 10]))

    kit.origin.script = script

    async def one(number):
        client = await kit.connect()
        try:
            return number, (await client.get(f"/{number}")).body
        except Cut as cut:
            return number, cut.got

    for number, body in await asyncio.gather(*(one(number) for number in range(1, 61))):
        whole = b"%03d" % number * 1000
        assert body == (whole if number % 3 else whole[: number * 10])
    await still_works(kit)


# origins that answer before they have read the request


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_an_origin_that_answers_first_and_reads_then_gets_everything(kit, framing):
    """`response.end()` before the upload has been stored: its answer is delivered, and what it goes on reading is the whole request."""
    read_on = asyncio.Event()
    got = []

    async def script(peer):
        seen = await peer.head()
        await peer.send(ok(b"thanks"))
        await read_on.wait()
        got.append(await peer.exactly(1_000_000) if framing == "length" else (await peer.chunks())[0])
        assert seen.method == b"POST"
        await kit.origin.follow(peer)

    kit.origin.script = script
    kit.origin.answer("/next", ok(b"next"))
    content = bytes(range(250)) * 4000
    client = await kit.connect()
    if framing == "length":
        await client.send(upload(len(content)) + content[:1000])
    else:
        await client.send(b"POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + content[:1000] + b"\r\n")
    reply = await client.reply()
    assert (reply.status, reply.body, reply.get("connection")) == (200, b"thanks", None)
    read_on.set()
    if framing == "length":
        await client.send(content[1000:] + NEXT)
    else:
        await client.send(b"%x\r\n" % (len(content) - 1000) + content[1000:] + b"\r\n0\r\n\r\n" + NEXT)
    assert (await client.reply()).body == b"next"
    assert got == [content]


async def test_an_origin_that_answers_first_and_closes_then(kit):
    """Without having said that it would. The client keeps its answer, and is not left with half a request nobody reads."""

    async def script(peer):
        await peer.head()
        await peer.send(ok(b"thanks"))
        await peer.exactly(1000)

    kit.origin.script = script
    client = await kit.connect()
    await client.send(upload(1_000_000) + b"x" * 1000)
    assert (await client.reply()).body == b"thanks"
    await kit.until(lambda: kit.edge.pool.figures()["open"] == 0)
    await client.send(b"x" * 999_000 + NEXT)
    assert await client.to_end() == b""
    client.close()
    await kit.until(lambda: not kit.edge.server.connections)
    await still_works(kit)


@pytest.mark.parametrize("how", ["half_close", "close", "reset"])
async def test_a_client_that_has_its_answer_and_leaves_its_request_unfinished(kit, how):
    """The origin must not take what came for all of it."""
    ends = []

    async def script(peer):
        await peer.head()
        await peer.send(ok(b"thanks"))
        try:
            await peer.exactly(1_000_000)
        except Cut as cut:
            ends.append(len(cut.got) < 1_000_000)

    kit.origin.script = script
    client = await kit.connect()
    await client.send(upload(1_000_000) + b"x" * 1000)
    assert (await client.reply()).body == b"thanks"
    getattr(client, how)()
    await kit.until(lambda: ends == [True])
    client.close()
    await kit.until(lambda: not kit.edge.server.connections and len(kit.edge.tasks) == 0)
    await still_works(kit)


async def test_a_client_that_has_its_answer_and_is_slow_with_the_rest(kit):
    async def script(peer):
        await peer.head()
        await peer.send(ok(b"thanks"))
        await peer.to_end()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(upload(1_000_000) + b"x" * 1000)
    assert (await client.reply()).body == b"thanks"
    kit.pass_time(59)
    assert kit.edge.pool.figures()["open"] == 1
    kit.pass_time(1.1)
    await kit.until(lambda: kit.edge.pool.figures()["open"] == 0)
    assert await client.to_end() == b""
