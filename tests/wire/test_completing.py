"""A stored part from the first byte on, and somebody who wants the whole: only the rest is asked for (RFC 9111 3.3, 3.4)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from wirekit import Cut, Seen, fresh, ok
from wirestage import HeldOrigin, all_wait, purge, replies, settled, several, soft_purge, start, told

TEN = b"0123456789"
TAG = 'ETag: "a"'
MODIFIED = "Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT"
MINUTE = "Cache-Control: max-age=60"


def a_part(content: bytes, first: int, length: int | str, *lines: str) -> bytes:
    place = f"Content-Range: bytes {first}-{first + len(content) - 1}/{length}"
    cache = [] if any(line.startswith("Cache-Control:") for line in lines) else [MINUTE]
    return ok(content, place, *cache, *lines, status="206 Partial Content")


FIRST, REST = a_part(b"0123", 0, 10, TAG), a_part(b"456789", 4, 10, TAG)


def asked(seen: Seen) -> tuple[list[bytes], list[bytes]]:
    """Range and If-Range, as the origin got them."""
    return seen.all("range"), seen.all("if-range")


FOR_THE_REST = ([b"bytes=4-"], [b'"a"'])
FOR_ALL: tuple[list[bytes], list[bytes]] = ([], [])


async def with_part(start_kit, first: bytes = FIRST, target: str = "/a", **settings: object):
    """An edge that has a part stored, and an origin whose next request is the second."""
    origin = HeldOrigin()
    kit = await start_kit(origin, **settings)
    client = await start(kit, target, "Range: bytes=0-3")
    await (await origin.nth(0)).send(first)
    assert (await client.reply()).status == 206
    await settled(kit)
    return kit, origin


async def part_is_stored(kit) -> bool:
    reply = await kit.get("/a", "Range: bytes=0-3", "Cache-Control: only-if-cached")
    assert reply.status in (206, 504)
    return reply.hit


# the rest, and no more


async def test_the_rest_is_asked_for_and_the_whole_is_given(kit):
    kit.origin.answer("/a", [a_part(b"0123", 0, 10, TAG, "X-Old: 1", "X-Both: old"), a_part(b"456789", 4, 10, TAG, "X-Both: new")])
    await kit.get("/a", "Range: bytes=0-3")
    reply = await kit.get("/a")
    assert (reply.status, reply.reason, reply.body) == (200, b"OK", TEN)
    assert (reply.all("content-length"), reply.get("content-range"), reply.get("transfer-encoding")) == ([b"10"], None, None)
    assert (reply.get("x-old"), reply.all("x-both"), reply.all("etag")) == (b"1", [b"new"], [b'"a"'])
    assert told(reply) == {"fwd": "partial", "fwd-status": 206, "stored": True, "detail": "part-not-stored"}
    assert asked(kit.origin.seen[1]) == FOR_THE_REST
    reply = await kit.get("/a")
    assert (reply.status, reply.body, reply.hit, reply.all("content-length")) == (200, TEN, True, [b"10"])
    assert (await kit.get("/a", "Range: bytes=3-4")).body == b"34"
    assert len(kit.origin.seen) == 2


async def test_what_is_stored_goes_out_at_once_and_the_rest_as_it_arrives(start_kit):
    kit, origin = await with_part(start_kit)
    client = await start(kit)
    one = await origin.nth(1)
    await one.send(REST[:-6])
    await client.until(b"\r\n\r\n0123")
    await one.send(b"456")
    assert await client.exactly(3) == b"456"
    await one.send(b"789")
    assert await client.exactly(3) == b"789"
    assert (await client.get("/a")).hit  # on the same connection: the answer ended where it should


async def test_those_who_wait_read_along_and_newcomers_too(start_kit):
    kit, origin = await with_part(start_kit)
    clients = await several(kit, 5)
    await origin.nth(1)
    await all_wait(kit, 4)
    await origin.asked[1].send(REST[:-3])
    for client in clients:
        await client.until(b"\r\n\r\n0123456")
    newcomer = await start(kit)
    head = await newcomer.until(b"0123456")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-range" not in head.lower()
    await origin.asked[1].send(b"789")
    assert [await client.exactly(3) for client in (*clients, newcomer)] == [b"789"] * 6
    assert len(origin.asked) == 2


@pytest.mark.parametrize("framing", ["chunked", "close"])
async def test_the_length_of_the_whole_is_known_however_the_rest_comes(start_kit, framing):
    kit, origin = await with_part(start_kit)
    client = await start(kit)
    one = await origin.nth(1)
    head = f"HTTP/1.1 206 P\r\n{MINUTE}\r\n{TAG}\r\nContent-Range: bytes 4-9/10\r\n".encode()
    if framing == "chunked":
        await one.send(head + b"Transfer-Encoding: chunked\r\n\r\n6\r\n456789\r\n0\r\n\r\n")
    else:
        await one.send(head + b"Connection: close\r\n\r\n456789")
        one.peer.close()
    reply = await client.reply()
    assert (reply.body, reply.get("content-length"), reply.get("transfer-encoding")) == (TEN, b"10", None)
    await settled(kit)
    assert (await kit.get("/a")).hit


async def test_the_length_of_the_whole_may_be_news(start_kit):
    kit, origin = await with_part(start_kit, a_part(b"0123", 0, "*", TAG))
    client = await start(kit)
    await (await origin.nth(1)).send(REST)
    assert (await client.reply()).body == TEN
    assert asked(origin.seen[1]) == FOR_THE_REST


@pytest.mark.parametrize(
    ("cache", "seconds", "lines"),
    [
        ("max-age=60", 120, []),
        ("max-age=60, must-revalidate", 120, []),
        ("no-cache", 0, []),
        ("max-age=60", 0, ["Cache-Control: no-cache"]),
        ("max-age=60", 30, ["Cache-Control: max-age=10"]),
    ],
)
async def test_a_part_that_may_not_be_used_as_it_is(start_kit, cache, seconds, lines):
    """If-Range asks the origin whether it still holds; the answer says so, and for how long it does from now on."""
    kit, origin = await with_part(start_kit, a_part(b"0123", 0, 10, TAG, f"Cache-Control: {cache}"))
    kit.clock.pass_time(seconds)
    client = await start(kit, "/a", *lines)
    one = await origin.nth(1)
    assert asked(one.seen) == FOR_THE_REST
    await one.send(REST)
    assert (await client.reply()).body == TEN
    kit.clock.pass_time(50)
    reply = await kit.get("/a")
    assert (reply.body, reply.hit) == (TEN, True)


@pytest.mark.parametrize(("lines", "status"), [(['If-None-Match: "a"'], 304), (['If-None-Match: "b"'], 200), (["If-None-Match: *"], 304)])
async def test_a_client_that_may_have_it_already(start_kit, lines, status):
    kit, origin = await with_part(start_kit)
    client = await start(kit, "/a", *lines)
    one = await origin.nth(1)
    assert (asked(one.seen), one.seen.get("if-none-match")) == (FOR_THE_REST, None)
    await one.send(REST)
    reply = await client.reply()
    assert (reply.status, reply.body) == (status, TEN if status == 200 else b"")
    await settled(kit)
    assert (await kit.get("/a")).hit


async def test_a_date_of_a_clients_copy(start_kit):
    kit, origin = await with_part(start_kit, a_part(b"0123", 0, 10, TAG, MODIFIED))
    client = await start(kit, "/a", "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT")
    await (await origin.nth(1)).send(a_part(b"456789", 4, 10, TAG, MODIFIED))
    assert (await client.reply()).status == 304


async def test_the_first_client_leaves_and_the_whole_is_stored(start_kit):
    kit, origin = await with_part(start_kit)
    client = await start(kit)
    await (await origin.nth(1)).send(REST[:-3])
    await client.until(b"0123456")
    client.reset()
    await origin.asked[1].send(b"789")
    await settled(kit)
    assert (await kit.get("/a")).body == TEN
    assert len(origin.asked) == 2


async def test_what_is_for_one_client_alone_is_given_to_that_one(start_kit):
    kit, origin = await with_part(start_kit)
    clients = await several(kit, 2)
    await origin.nth(1)
    await all_wait(kit, 1)
    await origin.asked[1].send(a_part(b"456789", 4, 10, TAG, 'Cache-Control: max-age=60, private="X-User"', "X-User: leader"))
    got = await replies(clients)
    assert ([reply.body for reply in got], [reply.get("x-user") for reply in got]) == ([TEN, TEN], [b"leader", None])
    assert (await kit.get("/a")).get("x-user") is None


# what is not the rest


@pytest.mark.parametrize("etag", ['ETag: "b"', 'ETag: W/"b"', ""])
async def test_an_origin_that_sends_the_whole(start_kit, etag):
    kit, origin = await with_part(start_kit)
    client = await start(kit)
    await (await origin.nth(1)).send(fresh(b"another", *([etag] if etag else [])))
    reply = await client.reply()
    assert (reply.status, reply.body) == (200, b"another")
    assert (await kit.get("/a")).body == b"another"
    assert len(origin.asked) == 2


def parts_in_one_answer() -> bytes:
    body = b"--x\r\nContent-Range: bytes 4-9/10\r\n\r\n456789\r\n--x--\r\n"
    return ok(body, "Content-Type: multipart/byteranges; boundary=x", MINUTE, TAG, status="206 P")


@pytest.mark.parametrize(
    "answer",
    [
        a_part(b"456789", 4, 10, 'ETag: "b"'),
        a_part(b"456789", 4, 10, 'ETag: W/"a"'),
        a_part(b"456789", 4, 10, MODIFIED),
        a_part(b"456789", 4, 10),
        a_part(b"3456789", 3, 10, TAG),
        a_part(b"56789", 5, 10, TAG),
        a_part(b"45678", 4, 10, TAG),
        a_part(b"456789", 4, 11, TAG),
        a_part(b"456789", 4, "*", 'ETag: "b"'),
        a_part(TEN, 0, 10, TAG),
        a_part(b"456789", 4, 10, TAG, "Cache-Control: private"),
        a_part(b"456789", 4, 10, TAG, "Cache-Control: no-store"),
        a_part(b"456789", 4, 10, TAG, "Vary: X-Other"),
        ok(b"456789", MINUTE, TAG, status="206 P"),
        ok(b"456789", MINUTE, TAG, "Content-Range: bytes 4-8/10", status="206 P"),
        parts_in_one_answer(),
        ok(b"no", "Content-Range: bytes */4", status="416 X"),
        b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
    ],
)
async def test_what_is_not_surely_the_rest_is_thrown_away_and_the_whole_is_asked_for(start_kit, answer):
    kit, origin = await with_part(start_kit)
    clients = await several(kit, 3)
    await origin.nth(1)
    await all_wait(kit, 2)
    await origin.asked[1].send(answer)
    again = await origin.nth(2)
    assert [asked(one.seen) for one in origin.asked[1:]] == [FOR_THE_REST, FOR_ALL]
    assert not await part_is_stored(kit)
    await again.send(fresh(b"the whole", 'ETag: "c"'))
    assert {reply.body for reply in await replies(clients)} == {b"the whole"}
    assert (await kit.get("/a")).body == b"the whole"
    assert len(origin.asked) == 3


@pytest.mark.parametrize("status", ["404 Not Found", "302 Found", "401 Unauthorized", "500 Oops"])
async def test_other_answers_are_the_clients(start_kit, status):
    kit, origin = await with_part(start_kit)
    client = await start(kit)
    await (await origin.nth(1)).send(ok(b"other", status=status))
    reply = await client.reply()
    assert (reply.status, reply.body) == (int(status[:3]), b"other")


async def test_no_answer_for_the_rest(start_kit):
    """A part cannot stand in for the whole."""
    kit, origin = await with_part(start_kit)
    client = await start(kit)
    await (await origin.nth(1)).fail()
    assert (await client.reply()).status == 502
    assert await part_is_stored(kit)


async def broken_off(client) -> bytes:
    """What a client gets of an answer that has to look incomplete."""
    with pytest.raises(Cut) as caught:
        await client.reply()
    return caught.value.got


async def test_a_rest_that_is_cut_is_cut_for_everybody_and_the_part_stays(start_kit):
    kit, origin = await with_part(start_kit)
    clients = await several(kit, 3)
    await origin.nth(1)
    await all_wait(kit, 2)
    await origin.asked[1].send(REST[:-3])
    origin.asked[1].peer.close()
    assert [await broken_off(client) for client in clients] == [b"0123456"] * 3
    assert await part_is_stored(kit)
    client = await start(kit)
    again = await origin.nth(2)
    assert asked(again.seen) == FOR_THE_REST
    await again.send(REST)
    assert (await client.reply()).body == TEN


@pytest.mark.parametrize(("chunk", "got"), [(b"5\r\n45678\r\n0\r\n\r\n", b"012345678"), (b"7\r\n456789x\r\n0\r\n\r\n", b"0123")])
async def test_a_rest_that_is_not_as_long_as_it_said_never_ends_cleanly(start_kit, chunk, got):
    kit, origin = await with_part(start_kit)
    client = await start(kit)
    head = f"HTTP/1.1 206 P\r\n{MINUTE}\r\n{TAG}\r\nContent-Range: bytes 4-9/10\r\nTransfer-Encoding: chunked\r\n\r\n"
    await (await origin.nth(1)).send(head.encode() + chunk)
    assert await broken_off(client) == got
    assert await part_is_stored(kit)
    assert (await kit.get("/a", "Cache-Control: only-if-cached")).status == 504


# purges


@pytest.mark.parametrize("invalidate", [purge, soft_purge])
async def test_purged_before_the_rest_is_asked_for(start_kit, invalidate):
    kit, origin = await with_part(start_kit)
    await invalidate(kit)
    client = await start(kit)
    one = await origin.nth(1)
    assert asked(one.seen) == FOR_ALL
    await one.send(fresh(b"new", TAG))
    assert (await client.reply()).body == b"new"
    assert (await kit.get("/a")).body == b"new"


@pytest.mark.parametrize("invalidate", [purge, soft_purge])
async def test_purged_between_the_question_and_its_answer(start_kit, invalidate):
    """Hard: there is no part to go before the rest. Soft: a part that an invalidation covers is dropped, not combined."""
    kit, origin = await with_part(start_kit)
    client = await start(kit)
    one = await origin.nth(1)
    await invalidate(kit)
    await one.send(REST)
    again = await origin.nth(2)
    assert asked(again.seen) == FOR_ALL
    await again.send(fresh(b"new", TAG))
    assert (await client.reply()).body == b"new"
    assert (await kit.get("/a")).body == b"new"


@pytest.mark.parametrize("invalidate", [purge, soft_purge])
async def test_purged_while_the_rest_arrives(start_kit, invalidate):
    """Who asked before the purge gets all of it; nobody else does."""
    kit, origin = await with_part(start_kit)
    client = await start(kit)
    await (await origin.nth(1)).send(REST[:-3])
    await client.until(b"0123456")
    await invalidate(kit)
    late = await start(kit)
    await (await origin.nth(2)).send(fresh(b"new", 'ETag: "b"'))
    assert (await late.reply()).body == b"new"
    await origin.asked[1].send(b"789")
    assert await client.exactly(3) == b"789"
    await settled(kit)
    reply = await kit.get("/a")
    assert (reply.body, reply.hit) == (b"new", True)


async def test_purged_while_the_rest_arrives_and_nobody_asks_before_it_is_there(start_kit):
    kit, origin = await with_part(start_kit)
    client = await start(kit)
    await (await origin.nth(1)).send(REST[:-3])
    await client.until(b"0123456")
    await purge(kit)
    await origin.asked[1].send(b"789")
    assert await client.exactly(3) == b"789"
    await settled(kit)
    late = await start(kit)
    one = await origin.nth(2)
    assert asked(one.seen) == FOR_ALL
    await one.send(fresh(b"new"))
    assert (await late.reply()).body == b"new"


async def test_a_purge_covers_what_was_completed_by_the_age_of_its_part(start_kit):
    kit, origin = await with_part(start_kit)
    await purge(kit, "/other")
    client = await start(kit)
    await (await origin.nth(1)).send(REST)
    await client.reply()
    assert (await kit.get("/a")).hit
    await purge(kit)
    late = await start(kit)
    await (await origin.nth(2)).send(fresh(b"new"))
    assert (await late.reply()).body == b"new"


@pytest.mark.parametrize("swept", [False, True])
async def test_the_rest_brings_a_name_that_was_purged_since_the_part_came(start_kit, swept):
    """The part may have been of that group all along, and nobody knew."""
    kit, origin = await with_part(start_kit)
    poster = await start(kit, "/post", "Content-Length: 0", method="POST")
    await (await origin.nth(1)).send(ok(b"", 'Cache-Group-Invalidation: "g"'))
    await poster.reply()
    if swept:
        await kit.edge.store_sweeper.sweep()
    clients = await several(kit, 3)
    await origin.nth(2)
    await all_wait(kit, 2)
    await origin.asked[2].send(a_part(b"456789", 4, 10, TAG, 'Cache-Groups: "g"'))
    reply = await clients[0].reply()
    assert (reply.body, told(reply)["detail"]) == (TEN, "overtaken")
    one = await origin.nth(3)
    assert asked(one.seen) == FOR_ALL
    await one.send(fresh(b"new", 'Cache-Groups: "g"'))
    assert {reply.body for reply in await replies(clients[1:])} == {b"new"}
    assert (await kit.get("/a")).body == b"new"


# when the whole is asked for at once


@pytest.mark.parametrize(
    ("first", "seconds", "lines"),
    [
        (FIRST, 0, ["Authorization: Basic eDp5"]),
        (a_part(b"3456", 3, 10, TAG), 0, []),
        (a_part(b"0123", 0, 10, 'ETag: W/"a"'), 0, []),
        (a_part(b"0123", 0, 10, MODIFIED), 0, []),
        (a_part(b"0123", 0, 10), 120, []),
        (a_part(b"0123", 0, 10), 0, ["Cache-Control: no-cache"]),
        (a_part(b"0123", 0, 10, "Vary: X-Other"), 0, ["X-Other: 1"]),
    ],
)
async def test_the_whole_is_asked_for_at_once(start_kit, first, seconds, lines):
    kit, origin = await with_part(start_kit, first)
    kit.clock.pass_time(seconds)
    client = await start(kit, "/a", *lines)
    one = await origin.nth(1)
    assert asked(one.seen) == FOR_ALL
    await one.send(ok(b"all"))
    assert (await client.reply()).body == b"all"


async def test_a_head_is_forwarded_as_it_is(start_kit):
    kit, origin = await with_part(start_kit)
    client = await start(kit, method="HEAD")
    one = await origin.nth(1)
    assert (one.seen.method, asked(one.seen)) == (b"HEAD", FOR_ALL)
    await one.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
    assert (await client.reply("HEAD")).get("content-length") == b"10"


@pytest.mark.parametrize("whole", [fresh(TEN), ok(TEN)])
async def test_a_part_without_any_validator_and_an_origin_that_sends_the_whole(start_kit, whole):
    kit, origin = await with_part(start_kit, a_part(b"0123", 0, 10))
    client = await start(kit)
    one = await origin.nth(1)
    assert asked(one.seen) == ([b"bytes=4-"], [])
    await one.send(whole)
    reply = await client.reply()
    assert (reply.status, reply.body) == (200, TEN)
    assert len(origin.asked) == 2


async def test_a_part_without_any_validator_costs_one_answer_at_most(start_kit):
    """Nothing proves that its rest is of the same representation; the next time it is not there to be asked about."""
    kit, origin = await with_part(start_kit, a_part(b"0123", 0, 10))
    client = await start(kit)
    await (await origin.nth(1)).send(a_part(b"456789", 4, 10))
    await (await origin.nth(2)).send(ok(b"abcdefghij", "Cache-Control: no-store"))
    assert (await client.reply()).body == b"abcdefghij"
    client = await start(kit)
    one = await origin.nth(3)
    assert [asked(one.seen) for one in origin.asked[1:]] == [([b"bytes=4-"], []), FOR_ALL, FOR_ALL]
    await one.send(ok(b"abcdefghij", "Cache-Control: no-store"))
    await client.reply()


# sizes


SIZE, KNOWN = 5 * 1024 * 1024 + 12345, 3 * 1024 * 1024 + 1
LARGE = b"".join(n.to_bytes(4, "big") for n in range(SIZE // 4 + 1))[:SIZE]


async def large_part(start_kit, **settings: object):
    kit = await start_kit(**settings)
    kit.origin.answer("/l", [a_part(LARGE[:KNOWN], 0, SIZE, TAG), a_part(LARGE[KNOWN:], KNOWN, SIZE, TAG), fresh(b"new")])
    assert (await kit.get("/l", f"Range: bytes=0-{KNOWN - 1}")).body == LARGE[:KNOWN]
    await settled(kit)
    return kit


@pytest.mark.parametrize("store", ["memory", "disk"])
async def test_large_parts_wherever_they_are(start_kit, store, tmp_path):
    kit = await large_part(start_kit, store="memory" if store == "memory" else str(tmp_path), spool_bytes=256 * 1024)
    reply = await kit.get("/l")
    assert (reply.status, reply.body == LARGE) == (200, True)
    await settled(kit)
    reply = await kit.get("/l")
    assert (reply.body == LARGE, reply.hit, len(kit.origin.seen)) == (True, True, 2)
    assert (await kit.get("/l", f"Range: bytes={KNOWN - 3}-{KNOWN + 3}")).body == LARGE[KNOWN - 3 : KNOWN + 4]


@pytest.mark.parametrize("store", ["memory", "disk"])
async def test_a_whole_that_is_too_large_to_be_stored_is_completed_all_the_same(start_kit, store, tmp_path):
    where = "memory" if store == "memory" else str(tmp_path)
    kit = await large_part(start_kit, store=where, spool_bytes=256 * 1024, object_bytes=4 * 1024 * 1024, buffer_bytes=65536)
    reply = await kit.get("/l")
    assert (reply.status, reply.body == LARGE, told(reply)["detail"], "stored" in told(reply)) == (200, True, "too-large", False)
    assert kit.origin.seen[1].all("range") == [b"bytes=%d-" % KNOWN]
    assert (await kit.get("/l", "Range: bytes=0-9")).hit


async def test_a_part_whose_file_is_damaged_is_dropped_and_never_ends_cleanly(start_kit, tmp_path):
    kit = await large_part(start_kit, store=str(tmp_path))
    file = max((path for path in Path(tmp_path).rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    with open(file, "r+b") as handle:
        handle.seek(2 * 1024 * 1024)
        handle.write(os.urandom(64))
    client = await start(kit, "/l")
    assert await broken_off(client) == LARGE[: 2 * 1024 * 1024]
    reply = await kit.get("/l")
    assert (reply.body, reply.hit, asked(kit.origin.seen[2])) == (b"new", False, FOR_ALL)


async def test_an_old_client_gets_the_whole(start_kit):
    kit, origin = await with_part(start_kit)
    client = await kit.connect()
    await client.send(b"GET /a HTTP/1.0\r\nHost: example.test\r\n\r\n")
    await (await origin.nth(1)).send(REST)
    assert (await client.to_end()).endswith(b"\r\n\r\n" + TEN)
