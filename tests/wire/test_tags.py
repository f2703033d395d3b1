"""Cache tags on the wire: their fields are for the edge, and reach no client by any way, but for those that get debug."""

from __future__ import annotations

import pytest
from wirekit import fresh, ok
from wirestage import HeldOrigin, all_wait, several, start, told

from edgecache.profiles.standard import TAG_FIELDS

ETAG = 'ETag: "a"'
TAGS = ["Surrogate-Key: one two", "CACHE-TAG: Three", "Cache-Tag: four,five", "xkey:"]
OTHERS = ['Cache-Groups: "g"', "CDN-Cache-Control: max-age=60"]  # these are for caches further on, too
OURS = [ETAG, *TAGS, *OTHERS]
NOT_MODIFIED = b"HTTP/1.1 304 Not Modified\r\n" + "".join(f"{line}\r\n" for line in [*OURS, "Cache-Control: max-age=60"]).encode() + b"\r\n"
TAG_NAMES = {name.decode() for name in TAG_FIELDS}


# ways to the client


async def miss(kit):
    kit.origin.answer("/a", fresh(b"0123456789", *OURS))
    return await kit.get("/a")


async def hit(kit):
    await miss(kit)
    return await kit.get("/a")


async def second_hit(kit):
    """The head of the first one is kept."""
    await hit(kit)
    return await kit.get("/a")


async def head_on_a_hit(kit):
    await miss(kit)
    return await kit.request("HEAD", "/a")


async def head_on_a_miss(kit):
    kit.origin.answer("/a", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" + "".join(f"{line}\r\n" for line in OURS).encode() + b"\r\n")
    return await kit.request("HEAD", "/a")


async def not_modified_from_the_store(kit):
    await miss(kit)
    return await kit.get("/a", 'If-None-Match: "a"')


async def not_modified_on_a_miss(kit):
    kit.origin.answer("/a", fresh(b"0123456789", *OURS))
    return await kit.get("/a", 'If-None-Match: "a"')


async def part(kit):
    await miss(kit)
    return await kit.get("/a", "Range: bytes=2-3")


async def several_parts(kit):
    await miss(kit)
    return await kit.get("/a", "Range: bytes=0-1,8-9")


async def no_such_part(kit):
    await miss(kit)
    return await kit.get("/a", "Range: bytes=50-")


async def part_on_a_miss(kit):
    kit.origin.answer("/a", fresh(b"23", "Content-Range: bytes 2-3/10", *OURS).replace(b"200 OK", b"206 Partial Content"))
    return await kit.get("/a", "Range: bytes=2-3")


async def validated(kit):
    kit.origin.answer("/a", [fresh(b"x", *OURS), NOT_MODIFIED])
    await kit.get("/a")
    kit.pass_time(61)
    reply = await kit.get("/a")
    assert told(reply)["fwd-status"] == 304
    return reply


async def stood_in(kit):
    kit.origin.answer("/a", fresh(b"x", *OURS))
    await kit.get("/a")
    kit.pass_time(61)
    await kit.origin.stop()
    reply = await kit.get("/a")
    assert told(reply)["detail"] == "origin-unreachable"
    return reply


async def not_stored(kit):
    kit.origin.answer("/a", ok(b"x", "Cache-Control: no-store", *OURS))
    return await kit.get("/a")


async def passed(kit):
    kit.origin.answer("/a", ok(b"x", *OURS))
    return await kit.request("POST", "/a", body=b"y")


async def passed_without_content(kit):
    kit.origin.answer(
        "/a", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n" + "".join(f"{line}\r\n" for line in OURS).encode() + b"\r\n"
    )
    return await kit.request("POST", "/a", body=b"y")


async def error(kit):
    kit.origin.answer("/a", ok(b"x", *OURS, status="500 Oh"))
    return await kit.get("/a")


async def by_another_name(kit):
    """Its fields are not those that are stored: the origin's name in them is mapped."""
    kit.origin.answer("/a", fresh(b"x", f"Content-Location: http://127.0.0.1:{kit.origin.port}/b", *OURS))
    await kit.get("/a")
    reply = await kit.get("/a")
    assert reply.get("content-location") == b"http://example.test/b"
    return reply


WAYS = [
    *(miss, hit, second_hit, head_on_a_hit, head_on_a_miss, not_modified_from_the_store, not_modified_on_a_miss, part, several_parts),
    *(part_on_a_miss, validated, stood_in, not_stored, passed, passed_without_content, error, by_another_name),
]


def names(head: bytes) -> list[str]:
    return [line.partition(b":")[0].decode().lower() for line in head.split(b"\r\n")[1:]]


@pytest.mark.parametrize("way", WAYS)
async def test_tag_fields_are_for_the_edge(kit, way):
    reply = await way(kit)
    assert TAG_NAMES.isdisjoint(names(reply.head))
    assert (reply.get("cache-groups"), reply.get("cdn-cache-control")) == (b'"g"', b"max-age=60")


@pytest.mark.parametrize("way", WAYS)
async def test_debug_shows_them_as_they_came(start_kit, way):
    kit = await start_kit(debug=True)
    reply = await way(kit)
    assert (reply.all("surrogate-key"), reply.all("cache-tag"), reply.all("xkey")) == ([b"one two"], [b"Three", b"four,five"], [b""])
    assert (reply.get("cache-groups"), reply.get("cdn-cache-control")) == (b'"g"', b"max-age=60")


@pytest.mark.parametrize("way", WAYS)
async def test_debug_is_for_those_who_may_have_it(start_kit, way):
    kit = await start_kit(debug=True, debug_allow=["10.0.0.0/8"])
    assert TAG_NAMES.isdisjoint(names((await way(kit)).head))


async def test_who_gets_debug_and_who_does_not_share_what_is_stored(kit):
    await miss(kit)
    flow = kit.edge.flow
    for debug in (False, True, False, True):
        object.__setattr__(flow.parts, "sees_debug", lambda peer_ip, debug=debug: debug)
        reply = await kit.get("/a")
        assert (reply.hit, reply.body, "surrogate-key" in names(reply.head)) == (True, b"0123456789", debug)


async def test_a_416_has_none(start_kit):
    kit = await start_kit(debug=True)
    reply = await no_such_part(kit)
    assert reply.status == 416
    assert TAG_NAMES.isdisjoint(names(reply.head))


@pytest.mark.parametrize("debug", [False, True])
async def test_those_who_read_along_get_none_either(start_kit, debug):
    origin = HeldOrigin()
    kit = await start_kit(origin, debug=debug)
    leader = await start(kit)
    one = await origin.nth(0)
    followers = await several(kit, 2)
    await all_wait(kit, 2)
    await one.send(fresh(b"x", *OURS))
    for client in (leader, *followers):
        reply = await client.reply()
        assert ("surrogate-key" in names(reply.head)) is debug
        assert reply.get("cache-groups") == b'"g"'
    assert told(reply)["collapsed"]


@pytest.mark.parametrize("debug", [False, True])
async def test_before_and_behind_the_answer(start_kit, debug):
    kit = await start_kit(debug=debug)
    kit.origin.answer(
        "/a",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nSurrogate-Key: one\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Own: 1\r\nSurrogate-Key: two\r\n\r\n",
    )
    reply = await kit.get("/a", "TE: trailers")
    assert [names(interim) for interim in reply.interims] == [["link", "surrogate-key"] if debug else ["link"]]
    assert reply.trailers == (b"X-Own: 1\r\nSurrogate-Key: two\r\n" if debug else b"X-Own: 1\r\n")


@pytest.mark.parametrize("debug", [False, True])
async def test_the_answer_that_opens_a_tunnel(start_kit, debug):
    kit = await start_kit(debug=debug)
    kit.origin.answer("/a", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\nSurrogate-Key: one\r\n\r\n")
    client = await kit.connect()
    reply = await client.get("/a", "Connection: upgrade", "Upgrade: chat")
    assert reply.status == 101
    assert ("surrogate-key" in names(reply.head)) is debug


# what is stored


def tags(kit):
    return [stored.tags for stored in kit.edge.store.memory.objects()]


async def test_what_is_stored_has_its_tags(kit):
    await miss(kit)
    assert tags(kit) == [("one", "two", "three", "four", "five")]


async def test_a_304_changes_the_tags(kit):
    other = NOT_MODIFIED.replace(b"Surrogate-Key: one two\r\n", b"Surrogate-Key: six\r\n").replace(b"CACHE-TAG: Three\r\n", b"")
    kit.origin.answer("/a", [fresh(b"x", ETAG, "Surrogate-Key: one two", "X-Magento-Tags: m", max_age=0), other])
    await kit.get("/a")
    assert tags(kit) == [("one", "two", "m")]
    await kit.get("/a")
    assert tags(kit) == [("m", "six", "four", "five")]


@pytest.mark.parametrize(
    ("settings", "line", "detail"),
    [
        ({}, "Cache-Tag: " + ",".join(map(str, range(1000))), "fresh"),
        ({}, "Cache-Tag: " + ",".join(map(str, range(1001))), "too-many-tags"),
        ({}, "Cache-Tag: " + "x" * 16_384, "fresh"),
        ({}, "Cache-Tag: " + "x" * 16_385, "too-many-tags"),
        ({"tags": 2}, "Cache-Tag: a b A", "fresh"),
        ({"tags": 2}, "Cache-Tag: a b c", "too-many-tags"),
        ({"tag_bytes": 2}, "Cache-Tag: a b", "fresh"),
        ({"tag_bytes": 2}, "Cache-Tag: a bc", "too-many-tags"),
    ],
)
async def test_more_tags_than_the_limits_allow_are_passed_on_and_not_stored(start_kit, settings, line, detail):
    kit = await start_kit(**settings)
    kit.origin.answer("/a", fresh(b"x", line))
    for _ in range(2):
        reply = await kit.get("/a")
        assert (reply.status, reply.body) == (200, b"x")
    assert told(reply)["detail"] == detail
    assert reply.hit is (detail == "fresh")


async def test_a_304_with_too_many_tags_ends_what_is_stored(start_kit):
    kit = await start_kit(tags=2)
    kit.origin.answer("/a", [fresh(b"x", ETAG, "Cache-Tag: a", max_age=0), NOT_MODIFIED, fresh(b"y")])
    await kit.get("/a")
    reply = await kit.get("/a")
    assert (reply.body, told(reply)["fwd-status"]) == (b"x", 304)
    assert tags(kit) == []
    assert (await kit.get("/a")).body == b"y"
