"""A purge covers what was asked for before it, wherever that is by now: stored, on its way, or half delivered."""

from __future__ import annotations

import aiohttp
import pytest
from wirekit import fresh, ok


async def api(kit, path: str, body: object):
    async with aiohttp.ClientSession() as session, session.post(kit.edge.control_url + path, json=body) as response:
        return response.status, await response.json(content_type=None)


async def purge_by_method(kit):
    assert (await kit.request("PURGE", "/a")).status == 200


async def purge_by_api(kit):
    status, body = await api(kit, "/api/v1/invalidations", {"url": "http://example.test/a"})
    assert (status, body["selectors"][0]["value"]) == (201, "http://example.test/a")


async def purge_all(kit):
    assert (await api(kit, "/api/v1/invalidations", {"all": True}))[0] == 201


async def soft_purge(kit):
    assert (await api(kit, "/api/v1/invalidations", {"url": "http://example.test/a", "soft": True}))[0] == 201


async def soft_purge_all(kit):
    assert (await api(kit, "/api/v1/invalidations", {"all": True, "soft": True}))[0] == 201


async def reset(kit):
    assert (await api(kit, "/api/v1/reset", {}))[0] == 200


async def clock_back(kit):
    await api(kit, "/api/v1/clock", {"advance": "1h"})
    await api(kit, "/api/v1/clock", {"reset": True})


async def unsafe_request(kit):
    kit.origin.answer("/post", ok(b"", "Location: /a", status="303 See Other"))
    assert (await kit.request("POST", "/post")).status == 303


DOORS = [purge_by_method, purge_by_api, purge_all, soft_purge, soft_purge_all, reset, clock_back, unsafe_request]


@pytest.mark.parametrize("invalidate", DOORS)
async def test_invalidated_when_stored(kit, invalidate):
    kit.origin.answer("/a", [fresh(b"old"), fresh(b"new")])
    await kit.get("/a")
    assert (await kit.get("/a")).hit
    await invalidate(kit)
    reply = await kit.get("/a")
    assert (reply.body, reply.hit) == (b"new", False)
    assert (await kit.get("/a")).body == b"new"


@pytest.mark.parametrize("invalidate", DOORS)
async def test_invalidated_while_the_origin_thinks(kit, invalidate):
    """The origin has read the old state, the purge comes, the answer comes: the answer is old and must not be given to the next client."""
    thinking = kit.origin.answer("/a", [fresh(b"old"), fresh(b"new")], gate=True)
    client = await kit.connect()
    await client.send(b"GET /a HTTP/1.1\r\nHost: example.test\r\n\r\n")
    await kit.until(lambda: len(kit.origin.seen) == 1)
    await invalidate(kit)
    thinking.set()
    reply = await client.reply()
    soft = invalidate in (soft_purge, soft_purge_all, clock_back)  # then it is stored, stale from the start
    assert (reply.body, "detail=overtaken" in reply.cache_status) == (b"old", not soft)
    assert (await kit.get("/a")).body == b"new"


@pytest.mark.parametrize("invalidate", DOORS)
async def test_invalidated_while_the_body_arrives(kit, invalidate):
    kit.origin.answer("/a", fresh(b"new"))
    half_way = []

    async def script(peer):
        seen = await peer.request()
        if seen.target != b"/a":
            await peer.send(kit.origin.answers[seen.target])
        elif half_way:
            await peer.send(fresh(b"new"))
        else:
            half_way.append(True)
            await peer.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\n\r\no")
            await kit.until(lambda: len(half_way) == 2)
            await peer.send(b"ld")
        await peer.ended()

    kit.origin.script = script
    client = await kit.connect()
    await client.send(b"GET /a HTTP/1.1\r\nHost: example.test\r\n\r\n")
    await client.until(b"\r\n\r\no")
    await invalidate(kit)
    half_way.append(True)
    await client.until(b"ld")
    assert (await kit.get("/a")).body == b"new"


async def test_soft_purged_is_stale_but_there_when_the_origin_is_dead(kit):
    kit.origin.answer("/a", fresh(b"old"))
    await kit.get("/a")
    await soft_purge(kit)
    await kit.origin.stop()
    reply = await kit.get("/a")
    assert (reply.body, reply.cache_status) == (b"old", "edgecache; fwd=stale; ttl=0; detail=origin-unreachable")
    await purge_by_method(kit)
    assert (await kit.get("/a")).status == 502


async def test_purged_while_it_would_stand_in_for_a_dead_origin(kit):
    """The stale response was selected, the origin was asked, the purge came, the origin failed: the stale response is gone."""
    kit.origin.answer("/a", fresh(b"old"))
    await kit.get("/a")
    kit.clock.pass_time(100)
    asked = []

    async def script(peer):
        asked.append(await peer.head())
        await kit.until(lambda: len(asked) == 2)
        peer.reset()

    kit.origin.script = script
    for connection in list(kit.edge.pool._idle):
        connection.abort()
    client = await kit.connect()
    await client.send(b"GET /a HTTP/1.1\r\nHost: example.test\r\n\r\n")
    await kit.until(lambda: len(asked) == 1)
    await purge_by_method(kit)
    asked.append(None)
    assert (await client.reply()).status == 502


async def test_all_variants_and_both_schemes_go(start_kit):
    kit = await start_kit(trusted_proxies=["127.0.0.1/32"])
    kit.origin.answer("/a", fresh(b"x", "Vary: Accept-Language"))
    asks = [("Accept-Language: de",), ("Accept-Language: fr",), ("Accept-Language: de", "X-Forwarded-Proto: https")]
    for ask in asks:
        await kit.get("/a", *ask)
    assert (await kit.request("PURGE", "/a")).get("edgecache-matched") == b"3"
    assert [(await kit.get("/a", *ask)).hit for ask in asks] == [False] * 3


async def test_other_urls_stay(kit):
    kept = ["/b", "/a?", "/a/", "/A"]
    for target in ["/a", *kept]:
        kit.origin.answer(target, fresh())
        await kit.get(target)
    await kit.get("/a", "Host: other.test")
    await purge_by_method(kit)
    assert [(await kit.get(target)).hit for target in kept] == [True] * 4
    assert (await kit.get("/a", "Host: other.test")).hit


@pytest.mark.parametrize(("status", "hit"), [(200, False), (204, False), (302, False), (400, True), (404, True), (500, True)])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "X-UNKNOWN"])
async def test_unsafe_requests_that_succeed_invalidate_their_url(kit, method, status, hit):
    kit.origin.answer("/a", [fresh(b"old"), ok(b"", status=f"{status} X"), fresh(b"new")])
    await kit.get("/a")
    await kit.request(method, "/a")
    assert (await kit.get("/a")).hit is hit


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND", "QUERY"])
async def test_safe_requests_invalidate_nothing(kit, method):
    kit.origin.answer("/a", fresh())
    await kit.get("/a")
    await kit.request(method, "/a")
    assert (await kit.get("/a")).hit


@pytest.mark.parametrize(
    ("line", "hit"),
    [
        ("Location: /b", False),
        ("Content-Location: http://example.test/b", False),
        ("Location: ../b?x#y", True),
        ("Location: //other.test/b", True),
        ("Location: https://example.test/b", True),
    ],
)
async def test_location_of_an_unsafe_answer_is_invalidated_on_the_same_origin_only(kit, line, hit):
    kit.origin.answer("/b", fresh())
    kit.origin.answer("/a", ok(b"", line))
    await kit.get("/b")
    await kit.request("POST", "/a")
    assert (await kit.get("/b")).hit is hit


async def test_invalidation_comes_before_the_answer(kit):
    """Who sees the answer to a POST and asks again at once never gets the old page, however the loop is scheduled."""
    kit.origin.answer("/a", [item for _ in range(20) for item in (fresh(b"x"), ok(b""))])
    client = await kit.connect()
    for _ in range(10):
        await client.get("/a")
        await client.send(
            b"POST /a HTTP/1.1\r\nHost: example.test\r\nContent-Length: 0\r\n\r\nGET /a HTTP/1.1\r\nHost: example.test\r\n\r\n"
        )
        assert (await client.reply()).status == 200
        assert not (await client.reply()).hit
        await client.request("POST", "/a")


async def test_an_unsafe_request_invalidates_even_when_its_client_has_left(kit):
    kit.origin.answer("/a", fresh())
    slow = kit.origin.answer("/post", ok(b"", "Location: /a"), gate=True)
    await kit.get("/a")
    client = await kit.connect()
    await client.send(b"POST /post HTTP/1.1\r\nHost: example.test\r\nContent-Length: 0\r\n\r\n")
    await kit.until(lambda: len(kit.origin.seen) == 2)
    client.reset()
    await kit.until(lambda: len(kit.edge.server.connections) == 1)
    slow.set()
    await kit.until(lambda: kit.edge.log.head > 0)
    assert not (await kit.get("/a")).hit


# who may


@pytest.mark.parametrize(
    ("settings", "lines", "status"),
    [
        ({}, [], 200),
        ({}, ["Origin: http://evil.test"], 403),
        ({}, ["Origin: null"], 403),
        ({"purge_allow": ["10.0.0.0/8"]}, [], 403),
        ({"purge_token": "secret"}, [], 403),
        ({"purge_token": "secret"}, ["Authorization: Bearer wrong"], 403),
        ({"purge_token": "secret"}, ["Authorization: Bearer secret"], 200),
    ],
)
async def test_who_may_purge(start_kit, settings, lines, status):
    kit = await start_kit(**settings)
    kit.origin.answer("/a", fresh())
    await kit.get("/a")
    reply = await kit.request("PURGE", "/a", *lines)
    assert (reply.status, reply.error) == (status, "" if status == 200 else "http_request_denied")
    assert (await kit.get("/a")).hit is (status == 403)
    assert [seen.method for seen in kit.origin.seen if seen.method != b"GET"] == []


async def test_a_preflight_for_a_purge_is_refused_here(kit):
    kit.origin.answer("/a", ok(b"", "Access-Control-Allow-Origin: *", "Access-Control-Allow-Methods: *"))
    reply = await kit.request("OPTIONS", "/a", "Origin: http://evil.test", "Access-Control-Request-Method: PURGE")
    assert (reply.status, reply.get("access-control-allow-origin"), kit.origin.seen) == (403, None, [])
    reply = await kit.request("OPTIONS", "/a", "Origin: http://evil.test", "Access-Control-Request-Method: PUT")
    assert reply.get("access-control-allow-origin") == b"*"


async def test_purging_what_is_not_stored_succeeds(kit):
    reply = await kit.request("PURGE", "/nothing")
    assert (reply.status, reply.get("edgecache-matched"), reply.get("proxy-status"), reply.get("cache-status")) == (200, b"0", None, None)


async def test_purge_in_absolute_form(kit):
    kit.origin.answer("/a", fresh())
    await kit.get("/a", "Host: site.test")
    assert (await kit.request("PURGE", "http://site.test/a", "Host: 127.0.0.1")).get("edgecache-matched") == b"1"
    assert not (await kit.get("/a", "Host: site.test")).hit
