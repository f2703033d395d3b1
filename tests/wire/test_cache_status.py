"""What the fields of an answer say about it: Cache-Status for each outcome, Age, Proxy-Status, Server-Timing (RFC 9211, RFC 9209)."""

from __future__ import annotations

import http_sf
import pytest
from wirekit import fresh, ok
from wirestage import HeldOrigin, purge, replies, several, soft_purge, start, told

TAG = 'ETag: "a"'
NOT_MODIFIED = b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'
PART = ok(b"2345", "Content-Range: bytes 2-5/10", TAG, "Cache-Control: max-age=60", status="206 Partial Content")


async def dead(kit) -> None:
    await kit.origin.stop()
    await kit.until(lambda: kit.edge.pool.figures()["open"] == 0)


async def later(kit) -> None:
    kit.clock.pass_time(70)


@pytest.mark.parametrize(
    ("answers", "before", "between", "asked", "said"),
    [
        # from the store
        ([fresh()], [], None, [], {"hit": True, "ttl": 60, "detail": "fresh"}),
        ([fresh()], [], None, ["Range: bytes=0-1"], {"hit": True, "ttl": 60, "detail": "fresh"}),
        (
            [ok(b"x", "Cache-Control: max-age=60, stale-while-revalidate=60")],
            [],
            later,
            [],
            {"hit": True, "ttl": -10, "detail": "stale-while-revalidate"},
        ),
        ([fresh()], [], later, ["Cache-Control: max-stale"], {"hit": True, "ttl": -10, "detail": "request-max-stale"}),
        # asked and stored
        ([fresh(), fresh()], [], later, [], {"fwd": "stale", "fwd-status": 200, "stored": True, "detail": "expired"}),
        ([fresh(), fresh()], [], purge, [], {"fwd": "uri-miss", "fwd-status": 200, "stored": True, "detail": "purged"}),
        ([fresh(), fresh()], [], soft_purge, [], {"fwd": "stale", "fwd-status": 200, "stored": True, "detail": "soft-purged"}),
        (
            [fresh(b"x", "Vary: Accept-Language"), fresh(b"x", "Vary: Accept-Language")],
            [],
            None,
            ["Accept-Language: de"],
            {"fwd": "vary-miss", "fwd-status": 200, "stored": True, "detail": "vary-mismatch"},
        ),
        (
            [fresh(), fresh()],
            [],
            None,
            ["Cache-Control: no-cache"],
            {"fwd": "request", "fwd-status": 200, "stored": True, "detail": "request-no-cache"},
        ),
        (
            [PART, fresh(b"0123456789", TAG)],
            ["Range: bytes=2-5"],
            None,
            [],
            {"fwd": "partial", "fwd-status": 200, "stored": True, "detail": "part-not-stored"},
        ),
        # asked and validated
        ([fresh(b"x", TAG), NOT_MODIFIED], [], later, [], {"fwd": "stale", "fwd-status": 304, "ttl": 60, "detail": "expired"}),
        (
            [fresh(b"x", TAG), NOT_MODIFIED],
            [],
            None,
            ["Cache-Control: max-age=0, no-cache"],
            {"fwd": "request", "fwd-status": 304, "ttl": 60, "detail": "request-no-cache"},
        ),
        # asked and not stored
        ([ok(b"x", "Cache-Control: no-store")], [], None, [], {"fwd": "uri-miss", "fwd-status": 200, "detail": "no-store"}),
        ([ok(b"x", "Cache-Control: private")], [], None, [], {"fwd": "uri-miss", "fwd-status": 200, "detail": "private"}),
        ([ok(b"x")], [], None, [], {"fwd": "uri-miss", "fwd-status": 200, "detail": "no-explicit-freshness"}),
        ([ok(b"x", status="500 X")], [], None, [], {"fwd": "uri-miss", "fwd-status": 500, "detail": "no-explicit-freshness"}),
        ([fresh(b"x", "Vary: *")], [], None, [], {"fwd": "uri-miss", "fwd-status": 200, "detail": "vary-any"}),
        # passed
        ([fresh(), fresh()], [], None, ["Cache-Control: no-store"], {"fwd": "bypass", "fwd-status": 200, "detail": "request-no-store"}),
        ([fresh(), fresh()], [], None, ['If-Match: "x"'], {"fwd": "bypass", "fwd-status": 200, "detail": "precondition"}),
        # the origin failed
        ([fresh()], [], dead, ["Cache-Control: no-cache"], None),
        (
            [ok(b"x", "Cache-Control: max-age=60, stale-if-error=60"), ok(b"x", status="503 X")],
            [],
            later,
            [],
            {"fwd": "stale", "fwd-status": 503, "ttl": -10, "detail": "stale-if-error"},
        ),
    ],
)
async def test_what_a_second_request_is_told(kit, answers, before, between, asked, said):
    kit.origin.answer("/a", list(answers))
    await kit.get("/a", *before)
    if between is not None:
        await between(kit)
    reply = await kit.get("/a", *asked)
    assert (told(reply) if reply.all("cache-status") else None) == said
    assert bool(reply.all("proxy-status")) is (said is None)


async def test_what_is_said_beside_a_stale_answer_of_a_dead_origin(kit):
    kit.origin.answer("/a", fresh())
    await kit.get("/a")
    await dead(kit)
    await later(kit)
    reply = await kit.get("/a")
    assert (told(reply), reply.error) == ({"fwd": "stale", "ttl": -10, "detail": "origin-unreachable"}, "connection_refused")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "X-UNKNOWN"])
async def test_other_methods(kit, method):
    kit.origin.answer("/a", ok(b""))
    assert told(await kit.request(method, "/a")) == {"fwd": "method", "fwd-status": 200, "detail": "method"}


async def test_an_answer_that_was_overtaken(start_kit):
    origin = HeldOrigin()
    kit = await start_kit(origin)
    client = await start(kit)
    await origin.nth(0)
    await purge(kit)
    await origin.asked[0].send(fresh())
    assert told(await client.reply()) == {"fwd": "uri-miss", "fwd-status": 200, "detail": "overtaken"}


async def test_those_who_waited_and_hit_are_told_so(start_kit):
    origin = HeldOrigin()
    kit = await start_kit(origin)
    client = await start(kit)
    await (await origin.nth(0)).send(fresh(b"x", TAG))
    await client.reply()
    await later(kit)
    clients = await several(kit, 2)
    await (await origin.nth(1)).send(NOT_MODIFIED)
    leader, follower = await replies(clients)
    assert told(leader) == {"fwd": "stale", "fwd-status": 304, "ttl": 60, "detail": "expired"}
    assert told(follower) == {"hit": True, "ttl": 60, "detail": "fresh"}


@pytest.mark.parametrize(
    ("earlier", "names"),
    [
        ([], ["edgecache"]),
        (["Cache-Status: up; hit"], ["up", "edgecache"]),
        (["Cache-Status: far; hit, near; fwd=miss"], ["far", "near", "edgecache"]),
        (["Cache-Status: far; hit", 'Cache-Status: "a, b"; key="x, \\"y"'], ["far", "a, b", "edgecache"]),
    ],
)
async def test_members_of_other_caches_stay_before_ours(kit, earlier, names):
    kit.origin.answer("/a", fresh(b"x", *earlier))
    for _ in range(2):
        reply = await kit.get("/a")
        members = http_sf.parse(b", ".join(reply.all("cache-status")), tltype="list")
        assert [str(name) for name, _ in members] == names


@pytest.mark.parametrize(
    ("settings", "shown"),
    [({}, False), ({"debug": True}, True), ({"debug": True, "debug_allow": ["10.0.0.0/8"]}, False), ({"debug": False}, False)],
)
async def test_the_key_is_for_those_who_may_see_it(start_kit, settings, shown):
    kit = await start_kit(**settings)
    kit.origin.answer('/a?"x"', fresh())
    for _ in range(2):
        assert told(await kit.get('/a?"x"')).get("key") == ('http://example.test/a?"x"' if shown else None)


@pytest.mark.parametrize("target", ["/a?\u00e4", "/a?\\", "/a?%22"])
async def test_a_key_of_any_bytes_parses(start_kit, target):
    kit = await start_kit(debug=True)
    kit.origin.answer(target, fresh())
    assert told(await kit.get(target))["key"].startswith("http://example.test/a?")


async def test_answers_of_the_edges_own_have_no_cache_status(kit):
    await dead(kit)
    replies = [await kit.get("/a"), await kit.get("/a", "Cache-Control: only-if-cached"), await kit.request("CONNECT", "x:1")]
    assert [(reply.get("cache-status"), bool(reply.error)) for reply in replies] == [(None, True)] * 3
    assert (await kit.request("PURGE", "/a")).get("cache-status") is None


# Server-Timing


@pytest.mark.parametrize(
    ("answers", "between", "method", "said"),
    [
        ([fresh()], None, "GET", None),
        ([ok(b"x")], None, "GET", "miss"),
        ([fresh(b"x", TAG), NOT_MODIFIED], later, "GET", "validated"),
        ([ok(b"")], None, "POST", "pass"),
    ],
)
async def test_server_timing_on_what_was_forwarded(kit, answers, between, method, said):
    kit.origin.answer("/a", list(answers))
    first = await kit.request(method, "/a")
    assert first.get("server-timing").endswith(b", origin;dur=0.0")
    if between is not None:
        await between(kit)
    value = (await kit.request(method, "/a")).get("server-timing")
    assert value == (None if said is None else b'edge;desc="%s", origin;dur=0.0' % said.encode())


async def test_the_origins_server_timing_stays_beside_ours(kit):
    kit.origin.answer("/a", ok(b"x", "Server-Timing: db;dur=5"))
    assert (await kit.get("/a")).all("server-timing") == [b"db;dur=5", b'edge;desc="miss", origin;dur=0.0']


async def test_ours_is_not_stored(kit):
    kit.origin.answer("/a", fresh(b"x", "Server-Timing: db;dur=5"))
    await kit.get("/a")
    reply = await kit.get("/a")
    assert (reply.all("server-timing"), len(reply.all("cache-status")), len(reply.all("age"))) == ([b"db;dur=5"], 1, 1)
