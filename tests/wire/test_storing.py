"""What is stored of which answer: directives for this kind of cache, cookies, answers to POST, groups (RFC 9111 3, 9213, 9875)."""

from __future__ import annotations

import pytest
from wirekit import StandingClock, fresh, ok
from wirestage import HeldOrigin, api, conditions, purge, soft_purge, start, told

from edgecache.semantics.dates import format_http_date

# CDN-Cache-Control (RFC 9213)


@pytest.mark.parametrize(
    ("lines", "age_s", "hit"),
    [
        (["CDN-Cache-Control: max-age=60"], 59, True),
        (["CDN-Cache-Control: max-age=60", "Cache-Control: no-store"], 59, True),
        (["CDN-Cache-Control: max-age=60", "Cache-Control: max-age=600"], 60, False),
        (["CDN-Cache-Control: no-store", "Cache-Control: max-age=60"], 0, False),
        (["CDN-Cache-Control: no-cache", "Cache-Control: max-age=60", 'ETag: "a"'], 0, False),
        (["CDN-Cache-Control: max-age=60", "CDN-Cache-Control: s-maxage=30"], 30, False),
        (["CDN-Cache-Control: max-age=60,", "Cache-Control: max-age=10"], 11, False),
        (['CDN-Cache-Control: max-age="60"', "Cache-Control: max-age=10"], 11, False),
        (["CDN-Cache-Control: max-age=60.0", "Cache-Control: max-age=10"], 9, True),
        (["CDN-Cache-Control: no-store=?0, max-age=60"], 59, True),
        (["CDN-Cache-Control: ", "Cache-Control: max-age=60"], 59, True),
        (["CDN-Cache-Control: foo", "Cache-Control: max-age=60"], 0, False),
        (["Surrogate-Control: max-age=600", "Cache-Control: max-age=60"], 61, False),
    ],
)
async def test_targeted_directives(kit, lines, age_s, hit):
    kit.origin.answer("/a", ok(b"x", *lines))
    assert (await kit.get("/a")).all("cdn-cache-control") == [line[19:].encode() for line in lines if line.startswith("CDN")]
    kit.clock.pass_time(age_s)
    assert (await kit.get("/a")).hit is hit


# heuristics and odd directives


@pytest.mark.parametrize(
    ("modified_s", "age_s", "hit"),
    [(1000, 99, True), (1000, 100, False), (10_000_000, 86399, True), (10_000_000, 86400, False), (-5, 0, False)],
)
async def test_heuristic_freshness(kit, modified_s, age_s, hit):
    date, modified = (format_http_date(StandingClock.START - ago).decode() for ago in (0, modified_s))
    kit.origin.answer("/a", ok(b"x", f"Date: {date}", f"Last-Modified: {modified}"))
    await kit.get("/a")
    kit.clock.pass_time(age_s)
    assert (await kit.get("/a")).hit is hit


@pytest.mark.parametrize(
    ("lines", "hit"),
    [
        (['Cache-Control: max-age="60"'], True),
        (["Cache-Control: max-age=60, max-age=1"], True),
        (["cache-control: MAX-AGE=60"], True),
        (["Cache-Control: max-age =60"], False),
        (["Cache-Control: max-age=-1"], False),
        (["Cache-Control: max-age=60.5"], False),
        (["Cache-Control: max-age=99999999999999999999"], True),
        (["Cache-Control: max-age=60", "Expires: 0"], True),
        (["Expires: Thu, 18 Aug 2050 02:01:18 GMT"], True),
        (["Expires: Thu, 18 Aug 2050 2:01:18 GMT"], False),
        (["Cache-Control: max-age=60", "Pragma: no-cache"], True),
        (["Cache-Control: max-age=60, no-store, must-understand"], True),
        (['Cache-Control: max-age=60, private="X-A"'], True),
        (['Cache-Control: max-age=60, extension="no-store"'], True),
    ],
)
async def test_odd_directives(kit, lines, hit):
    kit.origin.answer("/a", ok(b"x", *lines))
    await kit.get("/a")
    assert (await kit.get("/a")).hit is hit


# cookies


@pytest.mark.parametrize(
    ("setting", "stored", "in_the_first", "in_the_second"),
    [("store", True, 1, 1), ("refuse", False, 1, 1), ("strip", True, 1, 0)],
)
async def test_set_cookie(start_kit, setting, stored, in_the_first, in_the_second):
    kit = await start_kit(set_cookie=setting)
    kit.origin.answer("/a", fresh(b"x", "Set-Cookie: a=1"))
    first, second = await kit.get("/a"), await kit.get("/a")
    assert ("stored" in told(first), second.hit) == (stored, stored)
    assert (len(first.all("set-cookie")), len(second.all("set-cookie"))) == (in_the_first, in_the_second)


async def test_a_cookie_that_is_stripped_does_not_come_back_with_a_304(start_kit):
    kit = await start_kit(set_cookie="strip")
    kit.origin.answer(
        "/a", [fresh(b"x", 'ETag: "a"'), b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nSet-Cookie: a=1\r\nCache-Control: max-age=60\r\n\r\n']
    )
    await kit.get("/a")
    kit.clock.pass_time(120)
    await kit.get("/a")
    reply = await kit.get("/a")
    assert (reply.hit, reply.all("set-cookie")) == (True, [])


# POST (RFC 9110 9.3.3)


@pytest.mark.parametrize(
    ("lines", "status", "stored"),
    [
        (["Content-Location: /form", "Cache-Control: max-age=60"], 200, True),
        (["Content-Location: http://example.test/form", "Cache-Control: max-age=60"], 201, True),
        (["Content-Location: //EXAMPLE.test:80/form", "Cache-Control: max-age=60"], 200, True),
        (["Content-Location: /form", "Cache-Control: s-maxage=60"], 200, True),
        (["Content-Location: /other", "Cache-Control: max-age=60"], 200, False),
        (["Content-Location: http://other.test/form", "Cache-Control: max-age=60"], 200, False),
        (["Content-Location: /form", "Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT"], 200, False),
        (["Cache-Control: max-age=60"], 200, False),
        (["Content-Location: /form", "Cache-Control: max-age=60"], 404, False),
        (["Content-Location: /form", "Cache-Control: private, max-age=60"], 200, False),
        (["Content-Location: /form", "Cache-Control: max-age=60", "Vary: *"], 200, False),
    ],
)
async def test_what_answers_a_post_and_says_that_it_would_answer_a_get(kit, lines, status, stored):
    kit.origin.answer("/form", [ok(b"posted", *lines, status=f"{status} X"), fresh(b"got")])
    reply = await kit.request("POST", "/form", body=b"x=1")
    assert (reply.body, "stored" in told(reply)) == (b"posted", stored)
    reply = await kit.get("/form")
    assert (reply.body, reply.hit) == (b"posted" if stored else b"got", stored)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "X-UNKNOWN"])
async def test_no_other_method(kit, method):
    kit.origin.answer("/form", [ok(b"x", "Content-Location: /form", "Cache-Control: max-age=60"), fresh(b"got")])
    await kit.request(method, "/form", body=b"x=1")
    assert (await kit.get("/form")).body == b"got"


async def test_what_a_post_brought_takes_the_place_of_what_was_stored(kit):
    kit.origin.answer("/form", [fresh(b"before"), ok(b"posted", "Content-Location: /form", "Cache-Control: max-age=60")])
    await kit.get("/form")
    await kit.request("POST", "/form", body=b"x=1")
    assert (await kit.get("/form")).body == b"posted"


@pytest.mark.parametrize("invalidate", [purge, soft_purge])
async def test_a_purge_while_the_origin_works_on_a_post_covers_its_answer(start_kit, invalidate):
    """Its own invalidation does not, but any other that came after it was sent."""
    origin = HeldOrigin()
    kit = await start_kit(origin)
    client = await kit.connect()
    await client.send(b"POST /a HTTP/1.1\r\nHost: example.test\r\nContent-Length: 3\r\n\r\nx=1")
    await origin.nth(0)
    await invalidate(kit)
    await origin.asked[0].send(ok(b"from before the purge", "Content-Location: /a", "Cache-Control: max-age=60"))
    assert (await client.reply()).body == b"from before the purge"
    client = await start(kit)
    await (await origin.nth(1)).send(fresh(b"new"))
    assert (await client.reply()).body == b"new"


async def test_a_purge_while_the_answer_to_a_post_arrives_covers_it(start_kit):
    origin = HeldOrigin()
    kit = await start_kit(origin)
    client = await kit.connect()
    await client.send(b"POST /a HTTP/1.1\r\nHost: example.test\r\nContent-Length: 3\r\n\r\nx=1")
    await (await origin.nth(0)).send(
        b"HTTP/1.1 200 OK\r\nContent-Location: /a\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nfirst"
    )
    await client.until(b"first")
    await purge(kit)
    await origin.asked[0].send(b"other")
    assert await client.exactly(5) == b"other"
    client = await start(kit)
    await (await origin.nth(1)).send(fresh(b"new"))
    assert (await client.reply()).body == b"new"


async def test_of_two_posts_at_once_the_later_one_stays(start_kit):
    """Each invalidates what came before it; the answer that the origin made first may not cover up the second."""
    origin = HeldOrigin()
    kit = await start_kit(origin)
    clients = []
    for number in range(2):
        client = await kit.connect()
        await client.send(b"POST /a HTTP/1.1\r\nHost: example.test\r\nContent-Length: 3\r\n\r\nx=%d" % number)
        await origin.nth(number)
        clients.append(client)
    await origin.asked[1].send(ok(b"second", "Content-Location: /a", "Cache-Control: max-age=60"))
    assert (await clients[1].reply()).body == b"second"
    await origin.asked[0].send(ok(b"first", "Content-Location: /a", "Cache-Control: max-age=60"))
    assert (await clients[0].reply()).body == b"first"
    client = await start(kit)
    await (await origin.nth(2)).send(fresh(b"current"))
    assert (await client.reply()).body == b"current"


# groups (RFC 9875)


@pytest.mark.parametrize(
    ("groups", "invalidates", "hit"),
    [
        ('"scripts"', '"scripts"', False),
        ('"a", "b"', '"b"', False),
        ('"a"', '"b", "a"', False),
        ('"a"', '"A"', True),
        ('"a"', '"ab"', True),
        ('"a";x=1', '"a"', False),
        ("a", '"a"', True),
        ('"a"', "a", True),
        ('"a", 1', '"a"', True),
    ],
)
async def test_groups(kit, groups, invalidates, hit):
    kit.origin.answer("/a", fresh(b"x", f"Cache-Groups: {groups}"))
    kit.origin.answer("/post", ok(b"", f"Cache-Group-Invalidation: {invalidates}"))
    assert (await kit.get("/a")).get("cache-groups") == groups.encode()
    await kit.request("POST", "/post")
    assert (await kit.get("/a")).hit is hit


@pytest.mark.parametrize(
    ("method", "status", "host", "hit"),
    [
        ("POST", 200, "example.test", False),
        ("DELETE", 204, "example.test", False),
        ("X-UNKNOWN", 200, "example.test", False),
        ("GET", 200, "example.test", True),
        ("OPTIONS", 200, "example.test", True),
        ("POST", 200, "other.test", True),
    ],
)
async def test_who_may_invalidate_a_group(kit, method, status, host, hit):
    kit.origin.answer("/a", fresh(b"x", 'Cache-Groups: "g"'))
    kit.origin.answer("/b", ok(b"", 'Cache-Group-Invalidation: "g"', status=f"{status} X"))
    await kit.get("/a")
    await kit.request(method, "/b", f"Host: {host}")
    assert (await kit.get("/a")).hit is hit


async def test_a_group_that_a_304_adds_counts_from_then_on(kit):
    kit.origin.answer("/a", [fresh(b"x", 'ETag: "a"'), b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nCache-Groups: "g"\r\n\r\n'])
    kit.origin.answer("/post", ok(b"", 'Cache-Group-Invalidation: "g"'))
    await kit.get("/a")
    await kit.request("POST", "/post")
    kit.clock.pass_time(120)
    await kit.get("/a")
    assert (await kit.get("/a")).hit
    await kit.request("POST", "/post")
    kit.origin.answer("/a", fresh(b"new"))
    assert (await kit.get("/a")).body == b"new"
    assert conditions(kit.origin.seen[-1]) == []


async def test_a_post_invalidates_a_group_and_its_stored_answer_is_in_it(kit):
    """What the answer itself causes does not cover the answer."""
    kit.origin.answer("/a", fresh(b"old", 'Cache-Groups: "g"'))
    both = ("Content-Location: /form", "Cache-Control: max-age=60", 'Cache-Groups: "g"', 'Cache-Group-Invalidation: "g"')
    kit.origin.answer("/form", ok(b"posted", *both))
    await kit.get("/a")
    await kit.request("POST", "/form")
    assert not (await kit.get("/a")).hit
    assert (await kit.get("/form")).body == b"posted"
    assert (await kit.get("/form")).hit


async def test_the_position_says_that_it_happened(kit):
    kit.origin.answer("/post", ok(b"", 'Cache-Group-Invalidation: "g", "h"'))
    await kit.request("POST", "/post")
    _, stats = await api(kit, "/api/v1/stats")
    assert stats["invalidations"]["position"] == 3  # the URL and both groups
