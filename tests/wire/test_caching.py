"""First caching on the wire: what is stored, who gets it, what its answers look like. The rules themselves are tested in tests/caching."""

from __future__ import annotations

import http_sf
import pytest
from wirekit import Cut, StandingClock, fresh, ok

from edgecache.semantics.dates import format_http_date


@pytest.mark.parametrize(
    ("lines", "age_s", "hit"),
    [
        (["Cache-Control: max-age=60"], 59, True),
        (["Cache-Control: max-age=60"], 60, False),
        (["Cache-Control: max-age=1, s-maxage=60"], 59, True),
        (["Cache-Control: s-maxage=1, max-age=60"], 2, False),
        (["Cache-Control: max-age=60", "Age: 50"], 9, True),
        (["Cache-Control: max-age=60", "Age: 50"], 10, False),
        (["Date: {now}", "Expires: {in_a_minute}"], 59, True),
        (["Date: {now}", "Expires: {in_a_minute}"], 60, False),
        (["Expires: 0"], 0, False),
        (["Cache-Control: max-age=0"], 0, False),
        (["Cache-Control: no-store, max-age=60"], 0, False),
        (["Cache-Control: private, max-age=60"], 0, False),
        (["Cache-Control: no-cache, max-age=60"], 0, False),
        (["Cache-Control: public"], 0, False),
        ([], 0, False),
    ],
)
async def test_freshness(kit, lines, age_s, hit):
    dates = {
        "now": format_http_date(StandingClock.START).decode(),
        "in_a_minute": format_http_date(StandingClock.START + 60).decode(),
    }
    kit.origin.answer("/f", ok(b"x", *(line.format(**dates) for line in lines)))
    await kit.get("/f")
    kit.clock.pass_time(age_s)
    assert (await kit.get("/f")).hit is hit


async def test_a_hit_has_the_origins_fields_and_ours(kit):
    date = format_http_date(StandingClock.START).decode()
    kit.origin.answer(
        "/f",
        fresh(
            b"x", "X-Kept: 1", "x-kept: 2", "Set-Cookie: a=1", f"Date: {date}", "Connection: x-hop", "X-Hop: no", "Cache-Status: up; hit"
        ),
    )
    await kit.get("/f")
    kit.clock.pass_time(3.7)
    reply = await kit.get("/f")
    assert reply.all("x-kept") == [b"1", b"2"]
    assert reply.all("set-cookie") == [b"a=1"]
    assert reply.all("date") == [date.encode()]
    assert reply.all("x-hop") == []
    assert reply.all("age") == [b"3"]
    assert reply.all("content-length") == [b"1"]
    assert reply.all("cache-status") == [b"up; hit", b"edgecache; hit; ttl=57; detail=fresh"]
    assert reply.all("proxy-status") == []
    members = http_sf.parse(b", ".join(reply.all("cache-status")), tltype="list")
    assert [str(member) for member, _ in members] == ["up", "edgecache"]


async def test_the_origins_age_goes_through_on_a_miss(kit):
    kit.origin.answer("/f", fresh(b"x", "Age: 7"))
    assert (await kit.get("/f")).all("age") == [b"7"]


async def test_a_miss_says_how_long_the_origin_took(kit):
    async def script(peer):
        await peer.request()
        kit.clock.pass_time(0.25)
        await peer.send(fresh(b"x"))

    kit.origin.script = script
    reply = await kit.get("/f")
    assert reply.get("server-timing") == b'edge;desc="miss", origin;dur=250.0'
    assert (await kit.get("/f")).get("age") == b"0"


async def test_head_is_answered_from_a_stored_get(kit):
    kit.origin.answer("/f", fresh(b"hello"))
    await kit.get("/f")
    client = await kit.connect()
    reply = await client.request("HEAD", "/f")
    assert (reply.hit, reply.get("content-length")) == (True, b"5")
    assert (await client.get("/f")).body == b"hello"
    assert len(kit.origin.seen) == 1


async def test_a_head_answer_is_not_stored_for_get(kit):
    kit.origin.answer("/f", [b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\n\r\n", fresh(b"hello")])
    reply = await kit.request("HEAD", "/f")
    assert "detail=head-not-stored" in reply.cache_status
    assert (await kit.get("/f")).body == b"hello"


async def test_variants_are_kept_apart(kit):
    async def script(peer):
        while True:
            seen = await peer.request()
            kit.origin.seen.append(seen)
            await peer.send(fresh(b"in " + (seen.get("accept-language") or b"none"), "Vary: Accept-Language"))

    kit.origin.script = script
    for _ in range(2):
        assert (await kit.get("/v", "Accept-Language: de")).body == b"in de"
        assert (await kit.get("/v", "Accept-Language: fr")).body == b"in fr"
        assert (await kit.get("/v")).body == b"in none"
    assert len(kit.origin.seen) == 3
    assert (await kit.get("/v", "Accept-Language: it")).cache_status.startswith("edgecache; fwd=vary-miss")


async def test_vary_star_is_never_reused(kit):
    kit.origin.answer("/v", fresh(b"x", "Vary: *"))
    assert [(await kit.get("/v")).hit for _ in range(2)] == [False, False]


@pytest.mark.parametrize(
    ("lines", "hit"),
    [
        (["Cache-Control: max-age=60"], False),
        (["Cache-Control: max-age=60, public"], True),
        (["Cache-Control: max-age=60, must-revalidate"], True),
        (["Cache-Control: s-maxage=60"], True),
    ],
)
async def test_what_was_authorized_is_shared_only_when_the_origin_says_so(kit, lines, hit):
    kit.origin.answer("/a", ok(b"for alice", *lines))
    await kit.get("/a", "Authorization: Basic YWxpY2U6eA==")
    assert (await kit.get("/a")).hit is hit


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("/a", []), ("/a?", [])),
        (("/a?x=1", []), ("/a?x=2", [])),
        (("/a", []), ("/A", [])),
        (("/a%2Fb", []), ("/a/b", [])),
        (("/a", ["Host: one.test"]), ("/a", ["Host: two.test"])),
        (("/a", ["Host: one.test"]), ("/a", ["Host: one.test:8080"])),
    ],
)
async def test_different_keys(kit, first, second):
    for target in {first[0], second[0]}:
        kit.origin.answer(target, fresh())
    await kit.get(first[0], *first[1])
    assert not (await kit.get(second[0], *second[1])).hit


@pytest.mark.parametrize(
    "twin",
    [
        "GET /a HTTP/1.1\r\nHost: EXAMPLE.test\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost:example.test.:80\r\n\r\n",
        "GET http://example.test/a HTTP/1.1\r\nHost: other.test\r\n\r\n",
    ],
)
async def test_one_key_however_the_host_is_spelt(kit, twin):
    kit.origin.answer("/a", fresh())
    await kit.get("/a")
    assert (await kit.raw(twin.encode())).hit


async def test_get_with_content_is_neither_answered_from_the_store_nor_stored(kit):
    kit.origin.answer("/a", [fresh(b"plain"), fresh(b"with content"), fresh(b"again")])
    await kit.get("/a")
    reply = await kit.request("GET", "/a", body=b"query")
    assert (reply.body, "detail=request-content" in reply.cache_status) == (b"with content", True)
    assert (await kit.get("/a")).body == b"plain"


async def test_a_range_is_the_origins_to_answer(kit):
    part = ok(b"el", "Content-Range: bytes 1-2/5", "Cache-Control: max-age=60", status="206 Partial Content")
    kit.origin.answer("/a", [part, fresh(b"hello"), part])
    assert (await kit.get("/a", "Range: bytes=1-2")).status == 206
    assert (await kit.get("/a")).body == b"hello"
    assert (await kit.get("/a", "Range: bytes=1-2")).body == b"el"
    assert (await kit.get("/a")).hit


@pytest.mark.parametrize(
    ("line", "hit"),
    [
        ("Cache-Control: no-cache", False),
        ("Pragma: no-cache", False),
        ("Cache-Control: max-age=5", False),
        ("Cache-Control: max-age=20", True),
        ("Cache-Control: min-fresh=55", False),
        ("Cache-Control: no-store", False),
        ("Cache-Control: only-if-cached", True),
    ],
)
async def test_request_directives(kit, line, hit):
    kit.origin.answer("/a", fresh())
    await kit.get("/a")
    kit.clock.pass_time(10)
    assert (await kit.get("/a", line)).hit is hit


async def test_only_if_cached_with_nothing_stored(kit):
    reply = await kit.get("/a", "Cache-Control: only-if-cached")
    assert (reply.status, reply.error, kit.origin.seen) == (504, "proxy_internal_response", [])


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (['If-None-Match: "a"'], 304),
        (['If-None-Match: "b", W/"a"'], 304),
        (["If-None-Match: *"], 304),
        (['If-None-Match: "b"'], 200),
        (['If-None-Match: "b"', "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"], 200),
        (["If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"], 304),
    ],
)
@pytest.mark.parametrize("warm", [True, False])
async def test_a_client_that_has_it_already(kit, lines, status, warm):
    """From the store and on a miss alike; and a miss fills the store, so the origin is asked without the client's conditions."""
    kit.origin.answer("/a", fresh(b"hello", 'ETag: "a"', "Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT", "Content-Type: text/plain"))
    if warm:
        await kit.get("/a")
    client = await kit.connect()
    reply = await client.get("/a", *lines)
    assert (reply.status, reply.hit) == (status, warm)
    assert reply.body == (b"hello" if status == 200 else b"")
    assert (reply.get("content-type") is None) == (status == 304)
    assert reply.get("etag") == b'"a"'
    again = await client.get("/a")
    assert (again.hit, again.body) == (True, b"hello")
    assert [seen.get("if-none-match") for seen in kit.origin.seen] == [None]


async def test_storable_statuses_with_explicit_freshness(kit):
    for status in (200, 203, 299, 301, 302, 404, 410, 500, 503, 599):
        kit.origin.answer(f"/{status}", ok(b"x", "Cache-Control: max-age=60", status=f"{status} Odd"))
        await kit.get(f"/{status}")
        reply = await kit.get(f"/{status}")
        assert (reply.status, reply.reason, reply.hit) == (status, b"Odd", True)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_large_stored_bodies_come_back_whole(kit, framing):
    body = bytes(range(256)) * 8192  # 2 MiB
    head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n"
    kit.origin.answer(
        "/l",
        {
            "length": head + b"Content-Length: %d\r\n\r\n" % len(body) + body,
            "chunked": head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\nX-Sum: 1\r\n\r\n",
            "close": head + b"Connection: close\r\n\r\n" + body,
        }[framing],
    )
    assert (await kit.get("/l")).body == body
    reply = await kit.get("/l")
    assert (reply.hit, reply.get("content-length"), reply.trailers) == (True, b"%d" % len(body), b"")
    assert reply.body == body


async def test_what_is_larger_than_the_object_limit_passes_unstored(start_kit):
    kit = await start_kit(object_bytes=100_000)
    body = b"x" * 300_000
    kit.origin.answer("/known", fresh(body))
    kit.origin.answer("/unknown", b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\n" + body)
    reply = await kit.get("/known")
    assert (reply.body, "detail=too-large" in reply.cache_status) == (body, True)
    assert (await kit.get("/unknown")).body == body
    assert kit.edge.store.responses == 0


async def test_the_store_makes_room(start_kit):
    kit = await start_kit(memory_bytes=50_000)
    for number in range(10):
        kit.origin.answer(f"/{number}", fresh(b"x" * 10_000))
        await kit.get(f"/{number}")
    assert kit.edge.store.memory.bytes <= 50_000
    assert (await kit.get("/9")).hit
    assert not (await kit.get("/0")).hit


async def test_a_dead_origin_is_not_a_dead_edge(kit):
    """What is stale is served when nobody answers (RFC 9111 4.2.4), unless it forbids that; the rest gets a page that says so."""
    kit.origin.answer("/stale", fresh(b"old"))
    kit.origin.answer("/strict", ok(b"old", "Cache-Control: max-age=60, must-revalidate"))
    await kit.get("/stale")
    await kit.get("/strict")
    await kit.origin.stop()
    await kit.until(lambda: kit.edge.pool.figures()["open"] == 0)
    assert (await kit.get("/stale")).hit
    kit.clock.pass_time(100)
    reply = await kit.get("/stale")
    assert (reply.status, reply.body, reply.get("age")) == (200, b"old", b"100")
    assert reply.cache_status == "edgecache; fwd=stale; ttl=-40; detail=origin-unreachable"
    reply = await kit.get("/strict")
    assert (reply.status, reply.error) == (502, "connection_refused")
    page = await kit.get("/new", "Accept: text/html")
    assert page.status == 502
    assert b'http-equiv="refresh"' in page.body
    assert f"http://127.0.0.1:{kit.origin.port}".encode() in page.body
    assert page.get("cache-control") == b"no-store"
    text = await kit.get("/new")
    assert text.body.startswith(b"502 Bad Gateway: nothing listens at 127.0.0.1:")


async def test_an_origin_that_comes_later(kit):
    port = kit.origin.port
    await kit.origin.stop()
    assert (await kit.get("/a")).status == 502
    kit.origin.answer("/a", ok(b"here I am"))
    await kit.origin.start(port)
    assert (await kit.get("/a")).body == b"here I am"


async def test_nothing_broken_is_stored_and_the_next_fetch_is_whole(kit):
    torn = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhal"
    kit.origin.answer("/t", [torn, fresh(b"whole")])
    with pytest.raises(Cut):
        await kit.get("/t")
    reply = await kit.get("/t")
    assert (reply.body, reply.hit) == (b"whole", False)


async def test_an_older_fetch_that_ends_later_replaces_nothing(start_kit):
    """Two fetches of one page overlap; the one that began first ends last. Clients would see new, then old."""
    kit = await start_kit(collapse_wait_s=0.001)  # else the second request would wait for the first one's answer
    gates = [kit.origin.answer("/a", b"", gate=True)]
    del kit.origin.gates[b"/a"]
    arrived = []

    async def script(peer):
        while True:
            await peer.request()
            number = len(arrived)
            arrived.append(number)
            if number == 0:
                await gates[0].wait()
            await peer.send(fresh(b"version %d" % number))

    kit.origin.script = script
    one, two = await kit.connect(), await kit.connect()
    await one.send(b"GET /a HTTP/1.1\r\nHost: example.test\r\n\r\n")
    await kit.until(lambda: len(arrived) == 1)
    assert (await two.get("/a")).body == b"version 1"
    gates[0].set()
    assert (await one.reply()).body == b"version 0"
    assert (await two.get("/a")).body == b"version 1"
