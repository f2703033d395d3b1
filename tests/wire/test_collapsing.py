"""Many requests for one thing: one fetch where the answer may be shared, and nobody waits twice where it may not."""

from __future__ import annotations

import asyncio

import pytest
from wirekit import Cut, fresh, ok
from wirestage import (
    HeldOrigin,
    advance,
    all_wait,
    api,
    conditions,
    purge,
    replies,
    rounds,
    settled,
    several,
    soft_purge,
    start,
    told,
    waiting,
)

COOKIE = "Set-Cookie: session=of-the-leader"


def not_modified(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 304 Not Modified", *lines]).encode() + b"\r\n\r\n"


async def held(start_kit, **settings: object):
    origin = HeldOrigin()
    return await start_kit(origin, **settings), origin


async def lead_and_follow(start_kit, count: int, *lines: str, **settings: object):
    """A client whose request is at the origin, and `count` more that wait for the same answer."""
    kit, origin = await held(start_kit, **settings)
    leader = await start(kit, "/a", *lines)
    await origin.nth(0)
    followers = await several(kit, count, "/a", *lines)
    await all_wait(kit, count)
    return kit, origin, leader, followers


# one fetch


async def test_a_hundred_misses_are_one_request_and_everybody_reads_as_the_body_arrives(start_kit):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 99)
    one = origin.asked[0]
    await one.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 20\r\n\r\nfirst half")
    heads = [await client.until(b"first half") for client in (leader, *followers)]
    newcomer = await start(kit)
    heads.append(await newcomer.until(b"first half"))
    await one.send(b"other half")
    assert [await client.exactly(10) for client in (leader, *followers, newcomer)] == [b"other half"] * 101
    assert sum(b"; collapsed" in head for head in heads) == 100
    assert len(origin.asked) == 1
    assert (await kit.get("/a")).hit


async def test_what_those_are_told_who_read_along(start_kit):
    _, origin, leader, followers = await lead_and_follow(start_kit, 1)
    await origin.asked[0].send(fresh(b"x", "Age: 5", "X-Own: 1", "Cache-Status: up; hit"))
    first, second = await leader.reply(), await followers[0].reply()
    assert told(first) == {"fwd": "uri-miss", "fwd-status": 200, "stored": True, "detail": "no-stored-response"}
    assert told(second) == {"fwd": "uri-miss", "fwd-status": 200, "collapsed": True, "detail": "no-stored-response"}
    assert second.all("cache-status")[0] == b"up; hit"
    assert (second.get("age"), second.get("x-own"), second.body) == (b"5", b"1", b"x")
    assert second.get("server-timing").startswith(b'edge;desc="collapsed"')


@pytest.mark.parametrize("framing", ["chunked", "close"])
async def test_reading_along_without_a_known_length(start_kit, framing):
    _, origin, leader, followers = await lead_and_follow(start_kit, 3)
    head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n"
    one = origin.asked[0]
    if framing == "chunked":
        await one.send(head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
    else:
        await one.send(head + b"Connection: close\r\n\r\nhello")
        one.peer.close()
    got = await replies([leader, *followers])
    assert {reply.body for reply in got} == {b"hello"}
    assert {reply.trailers for reply in got} == {b"X-Sum: 1\r\n" if framing == "chunked" else b""}


@pytest.mark.parametrize("cut", [False, True])
async def test_an_old_client_reads_along_without_chunks(start_kit, cut):
    """HTTP/1.0 knows the end only by the close, so that a cut has to look different: it is a reset."""
    kit, origin, leader, _ = await lead_and_follow(start_kit, 0)
    old = await kit.connect()
    await old.send(b"GET /a HTTP/1.0\r\nHost: example.test\r\n\r\n")
    await all_wait(kit, 1)
    one = origin.asked[0]
    await one.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    await old.until(b"hello")
    await leader.until(b"hello")
    if cut:
        one.peer.close()
        with pytest.raises(Cut) as caught:
            await old.to_end()
        assert caught.value.by_reset
    else:
        await one.send(b"0\r\n\r\n")
        assert await old.to_end() == b""


async def test_spellings_of_accept_encoding_that_come_to_the_same_are_one_fetch(start_kit):
    """And the origin sees the one by which the variants are told apart."""
    kit, origin = await held(start_kit)
    spellings = ["gzip, br", "br,gzip", "gzip;q=1.0, br;q=1", "br, gzip, identity"]
    clients = [await start(kit, "/a", f"Accept-Encoding: {spelling}") for spelling in spellings]
    await origin.nth(0)
    await all_wait(kit, 3)
    await origin.asked[0].send(fresh(b"x", "Vary: Accept-Encoding", "Content-Encoding: gzip"))
    assert {reply.body for reply in await replies(clients)} == {b"x"}
    assert len(origin.asked) == 1


async def test_other_urls_do_not_wait(start_kit):
    kit, origin, *_ = await lead_and_follow(start_kit, 1)
    await start(kit, "/b")
    await start(kit, "/a", "Host: other.test")
    assert (await origin.nth(2)).seen.method == b"GET"


async def test_many_validations_are_one_and_those_who_waited_hit(start_kit):
    kit, origin = await held(start_kit)
    client = await start(kit)
    await (await origin.nth(0)).send(fresh(b"x", 'ETag: "a"'))
    await client.reply()
    kit.clock.pass_time(120)
    clients = await several(kit, 20)
    await origin.nth(1)
    await all_wait(kit, 19)
    await origin.asked[1].send(not_modified('ETag: "a"'))
    got = await replies(clients)
    assert {reply.body for reply in got} == {b"x"}
    assert (sum(reply.hit for reply in got), len(origin.asked)) == (19, 2)


@pytest.mark.parametrize("lines", [['If-None-Match: "a"'], ["If-None-Match: *"]])
async def test_who_has_it_already_hears_so_when_the_head_is_there(start_kit, lines):
    kit, origin = await held(start_kit)
    await start(kit)
    await origin.nth(0)
    follower = await start(kit, "/a", *lines)
    await all_wait(kit, 1)
    await origin.asked[0].send(b'HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: "a"\r\nContent-Length: 10\r\n\r\nhalf.')
    assert (await follower.reply()).status == 304


async def test_those_who_read_along_get_the_fields_that_are_for_everybody(start_kit):
    """What `private` names is for the one who asked."""
    _, origin, leader, followers = await lead_and_follow(start_kit, 2)
    await origin.asked[0].send(fresh(b"x", 'Cache-Control: private="X-User"', "X-User: leader", "X-All: 1"))
    got = await replies([leader, *followers])
    assert [reply.get("x-user") for reply in got] == [b"leader", None, None]
    assert {reply.get("x-all") for reply in got} == {b"1"}


async def test_those_who_read_along_do_not_get_a_cookie_that_is_not_stored(start_kit):
    _, origin, leader, followers = await lead_and_follow(start_kit, 2, set_cookie="strip")
    await origin.asked[0].send(fresh(b"x", COOKIE))
    got = await replies([leader, *followers])
    assert [len(reply.all("set-cookie")) for reply in got] == [1, 0, 0]


# who leaves


async def test_the_first_client_leaves_before_the_head_is_there(start_kit):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 3)
    leader.reset()
    await kit.until(lambda: len(kit.edge.server.connections) == 3)
    await origin.asked[0].send(fresh(b"x"))
    assert {reply.body for reply in await replies(followers)} == {b"x"}
    assert (len(origin.asked), (await kit.get("/a")).hit) == (1, True)


async def test_the_first_client_leaves_in_the_body(start_kit):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 3)
    await origin.asked[0].send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nfirst")
    await leader.until(b"first")
    leader.reset()
    await kit.until(lambda: len(kit.edge.server.connections) == 3)
    await origin.asked[0].send(b"other")
    assert {reply.body for reply in await replies(followers)} == {b"firstother"}
    assert (len(origin.asked), (await kit.get("/a")).hit) == (1, True)


async def test_everybody_leaves_and_it_is_stored_all_the_same(start_kit):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 3)
    await origin.asked[0].send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nfirst")
    await leader.until(b"first")
    for client in (leader, *followers):
        client.reset()
    await kit.until(lambda: not kit.edge.server.connections)
    await origin.asked[0].send(b"other")
    await settled(kit)
    reply = await kit.get("/a")
    assert (reply.body, reply.hit) == (b"firstother", True)


async def test_one_who_waits_leaves(start_kit):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 3)
    followers[1].reset()
    await all_wait(kit, 2)
    await origin.asked[0].send(fresh(b"x"))
    assert {reply.body for reply in await replies([leader, followers[0], followers[2]])} == {b"x"}
    assert kit.edge.records.stats()["requests"] == 4


async def test_the_first_client_leaves_and_the_answer_is_not_for_sharing(start_kit):
    """Nobody reads it, nobody keeps it: it is broken off, and those who waited ask for themselves."""
    kit, origin, leader, followers = await lead_and_follow(start_kit, 2)
    leader.reset()
    await kit.until(lambda: len(kit.edge.server.connections) == 2)
    await origin.asked[0].send(b"HTTP/1.1 200 OK\r\nCache-Control: private\r\nContent-Length: 1000\r\n\r\nsecret")
    await kit.until(lambda: origin.asked[0].closed)
    for number in (1, 2):
        await (await origin.nth(number)).send(ok(b"own"))
    assert {reply.body for reply in await replies(followers)} == {b"own"}


# answers that cannot be shared


@pytest.mark.parametrize(
    "lines",
    [
        ["Cache-Control: private, max-age=60"],
        ["Cache-Control: no-store"],
        ["Cache-Control: max-age=60", "Vary: *"],
        ["X-Says: nothing"],
        ["Cache-Control: no-cache", 'ETag: "a"'],
        ["Cache-Control: max-age=0", 'ETag: "a"'],
    ],
)
async def test_when_the_answer_cannot_be_shared_everyone_asks_at_once(start_kit, lines):
    """Nobody queues: once the first answer is there, all others are at the origin at the same time, and each gets his own."""
    kit, origin, leader, followers = await lead_and_follow(start_kit, 20)
    await origin.asked[0].send(ok(b"0", *lines))
    assert (await leader.reply()).body == b"0"
    await origin.nth(20)
    for number in range(1, 21):
        await origin.asked[number].send(ok(b"%d" % number, *lines))
    got = await replies(followers)
    assert sorted(int(reply.body) for reply in got) == list(range(1, 21))
    assert not any("collapsed" in told(reply) for reply in got)
    assert len(origin.asked) == 21
    # And nobody waits any more: what could not be shared is remembered.
    more = await several(kit, 2)
    await origin.nth(22)
    for one in origin.asked[21:]:
        await one.send(ok(b"x", *lines))
    await replies(more)


async def test_two_hundred_clients_of_a_private_page(start_kit):
    kit, origin = await held(start_kit, origin_connections=250)
    clients = [await start(kit, "/a", f"Cookie: user={number}") for number in range(200)]
    await all_wait(kit, 199)
    await origin.asked[0].send(ok(b"for user=%s" % origin.asked[0].seen.get("cookie")[5:], "Cache-Control: private"))
    await origin.nth(199)
    await asyncio.gather(*(one.send(ok(b"for " + one.seen.get("cookie"), "Cache-Control: private")) for one in origin.asked[1:]))
    assert [reply.body for reply in await replies(clients)] == [b"for user=%d" % number for number in range(200)]


async def test_reloads_that_wait_for_a_validation_are_not_answered_one_after_the_other(start_kit):
    """Each asks for an answer of its own: they go to the origin together."""
    kit, origin = await held(start_kit)
    client = await start(kit)
    await (await origin.nth(0)).send(fresh(b"x", 'ETag: "a"'))
    await client.reply()
    clients = await several(kit, 12, "/a", "Cache-Control: no-cache")
    await origin.nth(1)
    await rounds(kit)
    await origin.asked[1].send(not_modified('ETag: "a"'))
    await origin.nth(12)
    for one in origin.asked[2:]:
        assert conditions(one.seen) == [b'If-None-Match: "a"']
        await one.send(not_modified('ETag: "a"'))
    assert {reply.body for reply in await replies(clients)} == {b"x"}


async def test_reloads_of_a_page_with_variants_are_not_answered_one_after_the_other(start_kit):
    kit, origin = await held(start_kit)
    reload = ("Accept-Language: de", "Cache-Control: no-cache")
    clients = await several(kit, 12, "/a", *reload)
    await origin.nth(0)
    await rounds(kit)
    await origin.asked[0].send(fresh(b"x", "Vary: Accept-Language"))
    await origin.nth(11)
    for one in origin.asked[1:]:
        await one.send(fresh(b"x", "Vary: Accept-Language"))
    assert {reply.body for reply in await replies(clients)} == {b"x"}


# the mark


async def mark(kit, origin) -> None:
    """An answer that is not for sharing."""
    client = await start(kit)
    number = len(origin.asked)
    await (await origin.nth(number)).send(ok(b"mine", "Cache-Control: private", 'Cache-Groups: "g"'))
    await client.reply()


async def is_marked(kit, origin) -> bool:
    """Do two requests go to the origin at the same time? They are answered afterwards, with what may not be shared."""
    before = len(origin.asked)
    clients = await several(kit, 2)
    await kit.until(lambda: len(origin.asked) == before + 2 or waiting(kit) == 1, "both to be at the origin, or one to wait for the other")
    marked = len(origin.asked) == before + 2
    answered = before
    while answered < before + 2:
        await (await origin.nth(answered)).send(ok(b"mine", "Cache-Control: private", 'Cache-Groups: "g"'))
        answered += 1
    await replies(clients)
    return marked


async def test_a_mark_lets_requests_through_until_its_time_is_over(start_kit):
    kit, origin = await held(start_kit, hit_for_miss_s=100)
    await mark(kit, origin)
    kit.clock.pass_time(99)
    assert await is_marked(kit, origin)
    kit.clock.pass_time(100)
    assert not await is_marked(kit, origin)


async def test_the_time_of_a_mark_is_edge_time(start_kit):
    kit, origin = await held(start_kit, hit_for_miss_s=100)
    await mark(kit, origin)
    await advance(kit, "100s")
    assert not await is_marked(kit, origin)


async def post_that_invalidates_the_group(kit, origin) -> None:
    number = len(origin.asked)
    client = await start(kit, "/post", "Content-Length: 0", method="POST")
    await (await origin.nth(number)).send(ok(b"", 'Cache-Group-Invalidation: "g"'))
    await client.reply()


@pytest.mark.parametrize("how", ["hard", "soft", "all", "group", "reset"])
async def test_an_invalidation_that_covers_it_ends_a_mark(start_kit, how):
    kit, origin = await held(start_kit)
    await mark(kit, origin)
    match how:
        case "hard":
            await purge(kit)
        case "soft":
            await soft_purge(kit)
        case "all":
            await api(kit, "/api/v1/invalidations", {"all": True})
        case "group":
            await post_that_invalidates_the_group(kit, origin)
        case "reset":
            await api(kit, "/api/v1/reset", {})
    assert not await is_marked(kit, origin)


async def test_another_urls_purge_does_not_end_a_mark(start_kit):
    kit, origin = await held(start_kit)
    await mark(kit, origin)
    await purge(kit, "/b")
    assert await is_marked(kit, origin)


async def test_an_answer_that_is_stored_ends_a_mark(start_kit):
    kit, origin = await held(start_kit, hit_for_miss_s=1000)
    await mark(kit, origin)
    client = await start(kit)
    await (await origin.nth(1)).send(fresh(b"x"))
    await client.reply()
    kit.clock.pass_time(100)
    assert not await is_marked(kit, origin)


async def test_what_lies_in_one_request_marks_nothing(start_kit):
    kit, origin = await held(start_kit)
    client = await start(kit, "/a", "Authorization: Basic eDp5")
    await (await origin.nth(0)).send(fresh(b"for one user"))
    await client.reply()
    assert not await is_marked(kit, origin)


async def test_nobody_reads_along_what_is_older_than_what_is_stored(start_kit):
    """An answer hangs half-way, a reload brings a newer one, that goes stale: whoever asks now does not get the one that still hangs."""
    kit, origin = await held(start_kit)
    slow = await start(kit)
    await (await origin.nth(0)).send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 6\r\n\r\nold")
    await slow.until(b"old")
    reload = await start(kit, "/a", "Cache-Control: no-cache")
    await (await origin.nth(1)).send(fresh(b"new", max_age=5))
    assert (await reload.reply()).body == b"new"
    await settled_but_for(kit, 0)  # nothing that hangs will come into the store
    kit.clock.pass_time(10)
    client = await start(kit)
    await (await origin.nth(2)).send(fresh(b"newer"))
    assert (await client.reply()).body == b"newer"
    await origin.asked[0].send(b"old")
    assert await slow.exactly(3) == b"old"
    await settled(kit)
    assert (await kit.get("/a")).body == b"newer"


async def test_nothing_older_is_stored_after_the_newer_one_was_purged(start_kit):
    """An answer hangs half-way, a reload brings a newer one, whose tag is purged: who has got that one must not get the other."""
    kit, origin = await held(start_kit)
    slow = await start(kit)
    await (await origin.nth(0)).send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 6\r\n\r\nold")
    await slow.until(b"old")
    reload = await start(kit, "/a", "Cache-Control: no-cache")
    await (await origin.nth(1)).send(fresh(b"new", "Surrogate-Key: t"))
    assert (await reload.reply()).body == b"new"
    await settled_but_for(kit, 0)  # nothing that hangs will come into the store
    await api(kit, "/api/v1/invalidations", {"tag": "t"})
    first = await start(kit)  # finds out that what is stored was purged, and asks
    await origin.nth(2)
    await origin.asked[0].send(b"old")
    assert await slow.exactly(3) == b"old"
    await settled_but_for(kit, 1)
    second = await start(kit)
    await all_wait(kit, 1)
    await origin.asked[2].send(fresh(b"newer"))
    assert {reply.body for reply in await replies([first, second])} == {b"newer"}


async def test_nothing_older_stays_when_the_newer_one_was_purged_before_all_of_it_was_there(start_kit):
    """By a tag that the older one has not. Nothing is left, although only one of them was purged."""
    kit, origin = await held(start_kit)
    client = await start(kit)
    await (await origin.nth(0)).send(fresh(b"old"))
    await client.reply()
    reload = await start(kit, "/a", "Cache-Control: no-cache")
    head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nSurrogate-Key: t\r\nContent-Length: 6\r\n\r\n"
    await (await origin.nth(1)).send(head + b"new")
    await reload.until(b"new")
    await api(kit, "/api/v1/invalidations", {"tag": "t"})
    await origin.asked[1].send(b"new")
    assert await reload.exactly(3) == b"new"
    await settled(kit)
    client = await start(kit)
    await (await origin.nth(2)).send(fresh(b"newer"))
    assert (await client.reply()).body == b"newer"


async def settled_but_for(kit, count: int) -> None:
    await kit.until(lambda: kit.edge.activity.busy == count, f"{count} in flight")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_an_error_marks_nothing(start_kit, status):
    """It says nothing about the page: when the origin has recovered, its visitors are one request again."""
    kit, origin = await held(start_kit)
    client = await start(kit)
    await (await origin.nth(0)).send(ok(b"oops", status=f"{status} X"))
    await client.reply()
    assert not await is_marked(kit, origin)


# failures


async def test_one_failure_is_the_answer_to_all_who_waited(start_kit):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 20)
    await origin.asked[0].fail()
    got = await replies([leader, *followers])
    assert {(reply.status, reply.error) for reply in got} == {(502, "http_response_incomplete")}
    assert len(origin.asked) == 1
    clients = await several(kit, 3)  # and the next ones share the next try
    await origin.nth(1)
    await all_wait(kit, 2)
    await origin.asked[1].send(fresh(b"x"))
    assert {reply.body for reply in await replies(clients)} == {b"x"}


async def test_one_silence_is_the_answer_to_all_who_waited(start_kit):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 5)
    kit.pass_time(61)
    assert {(reply.status, reply.error) for reply in await replies([leader, *followers])} == {(504, "http_response_timeout")}
    assert len(origin.asked) == 1


async def test_a_body_that_is_cut_is_cut_for_everybody_and_not_stored(start_kit):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 5)
    await origin.asked[0].send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nfirst")
    for client in (leader, *followers):
        await client.until(b"first")
    origin.asked[0].peer.reset()
    for client in (leader, *followers):
        with pytest.raises(Cut):
            await client.exactly(5)
    client = await start(kit)
    await (await origin.nth(1)).send(fresh(b"whole"))
    reply = await client.reply()
    assert (reply.body, reply.hit, len(origin.asked)) == (b"whole", False, 2)


async def test_an_answer_that_is_cut_at_once_never_ends_cleanly(start_kit):
    """Head, half a body and the end come in one go: who has waited gets a visible cut, or another answer."""
    _, origin, _, followers = await lead_and_follow(start_kit, 5)
    await origin.asked[0].send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhalf")
    origin.asked[0].peer.close()
    asked = asyncio.ensure_future(origin.nth(1))
    got = []
    for follower in followers:
        taken = asyncio.ensure_future(follower.reply())
        while not taken.done():
            for one in origin.asked[1:]:
                if one not in got:
                    got.append(one)
                    await one.send(fresh(b"whole"))
            await asyncio.sleep(0)
        assert isinstance(taken.exception(), Cut) or taken.result().body == b"whole"
    asked.cancel()


# too large


async def test_too_large_by_its_length_everyone_gets_his_own(start_kit):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 5, object_bytes=100_000)
    body = b"x" * 200_000
    await origin.asked[0].send(fresh(body))
    reply = await leader.reply()
    assert (reply.body, told(reply)["detail"], "stored" in told(reply)) == (body, "too-large", False)
    await origin.nth(5)
    for one in origin.asked[1:]:
        await one.send(fresh(body))
    assert {reply.body for reply in await replies(followers)} == {body}
    assert kit.edge.store.responses == 0


async def test_outgrown_while_it_arrives_those_who_read_get_all_and_newcomers_ask_anew(start_kit):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 3, object_bytes=100_000, buffer_bytes=4096)
    one = origin.asked[0]
    await one.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\n" + b"x" * 50_000)
    for client in (leader, *followers):
        await client.until(b"\r\n\r\n")
        assert len(await _dechunked(client, 50_000)) == 50_000
    await one.send(b"y" * 100_000)
    for client in (leader, *followers):
        assert len(await _dechunked(client, 100_000)) == 100_000
    newcomer = await start(kit)
    await (await origin.nth(1)).send(ok(b"own", "Cache-Control: no-store"))
    assert (await newcomer.reply()).body == b"own"
    await one.send(b"z" * 1000)
    one.peer.close()
    for client in (leader, *followers):
        assert len(await _dechunked(client, 1000)) == 1000
        assert await client.chunks() == (b"", b"")
    assert (len(origin.asked), kit.edge.store.responses) == (2, 0)


async def _dechunked(client, count: int) -> bytes:
    """So many bytes of content out of as many chunks as it takes."""
    got = b""
    while len(got) < count:
        size = int((await client.until(b"\r\n")).strip(), 16)
        got += await client.exactly(size)
        await client.exactly(2)
    return got


# waiting


async def test_who_has_waited_too_long_asks_for_himself(start_kit):
    kit, origin = await held(start_kit, collapse_wait_s=0.001)
    clients = [await start(kit)]
    await origin.nth(0)
    clients.append(await start(kit))
    await (await origin.nth(1)).send(fresh(b"second"))
    assert (await clients[1].reply()).body == b"second"
    await origin.asked[0].send(fresh(b"first"))
    assert (await clients[0].reply()).body == b"first"


async def test_waiting_has_a_limit(start_kit):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 2, waiters=2)
    reply = await kit.get("/a")
    assert (reply.status, reply.error) == (503, "connection_limit_reached")
    await origin.asked[0].send(fresh(b"x"))
    assert {reply.body for reply in await replies([leader, *followers])} == {b"x"}


async def test_a_slow_reader_and_a_fast_one_get_the_same(start_kit):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 2, buffer_bytes=65536)
    body = bytes(range(256)) * 32768  # 8 MiB, beyond what the sockets hold
    sending = asyncio.ensure_future(origin.asked[0].send(fresh(body)))
    fast, slow = followers
    assert (await fast.reply()).body == body  # before the others have read a byte
    await sending
    assert (await kit.get("/a")).body == body
    assert (await slow.reply()).body == body
    assert (await leader.reply()).body == body
    assert len(origin.asked) == 1


# purges


@pytest.mark.parametrize("invalidate", [purge, soft_purge])
@pytest.mark.parametrize("first", ["old", "new"])
async def test_purged_before_the_head_is_there(start_kit, invalidate, first):
    """Who came before the purge may get either answer, who came after it only the one that was asked for after it: two requests."""
    kit, origin, leader, early = await lead_and_follow(start_kit, 5)
    await invalidate(kit)
    late = await several(kit, 5)
    await origin.nth(1)
    await rounds(kit)
    order = [(0, b"old"), (1, b"new")]
    for number, body in order if first == "old" else reversed(order):
        await origin.asked[number].send(fresh(body))
        await rounds(kit)
    assert (await leader.reply()).body == b"old"
    assert {reply.body for reply in await replies(late)} == {b"new"}
    assert {reply.body for reply in await replies(early)} <= {b"old", b"new"}
    assert (await kit.get("/a")).body == b"new"
    assert len(origin.asked) == 2


async def test_purged_while_a_validation_is_waited_for(start_kit):
    """Its 304 means nothing any more. It is asked again for those who were there; who came later asks once, for all of them."""
    kit, origin = await held(start_kit)
    client = await start(kit)
    await (await origin.nth(0)).send(fresh(b"old", 'ETag: "a"'))
    await client.reply()
    kit.clock.pass_time(120)
    early = await several(kit, 4)
    await origin.nth(1)
    await all_wait(kit, 3)
    await purge(kit)
    late = await several(kit, 4)
    await origin.nth(2)
    await origin.asked[1].send(not_modified('ETag: "a"'))
    await origin.nth(3)
    assert [conditions(one.seen) for one in origin.asked[1:]] == [[b'If-None-Match: "a"'], [], []]
    for one in origin.asked[2:]:
        await one.send(fresh(b"new", 'ETag: "a"'))
    assert {reply.body for reply in await replies([*early, *late])} == {b"new"}
    assert len(origin.asked) == 4


@pytest.mark.parametrize("invalidate", [purge, soft_purge])
async def test_those_whose_answer_was_overtaken_share_the_next_one(start_kit, invalidate):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 10)
    await invalidate(kit)
    await origin.asked[0].send(fresh(b"old"))
    assert (await leader.reply()).body == b"old"
    await rounds(kit)
    if len(origin.asked) > 1:
        assert len(origin.asked) == 2
        await origin.asked[1].send(fresh(b"new"))
    assert {reply.body for reply in await replies(followers)} <= {b"old", b"new"}
    client = await start(kit)
    if len(origin.asked) == 1:
        await (await origin.nth(1)).send(fresh(b"new"))
    assert (await client.reply()).body == b"new"
    assert len(origin.asked) == 2


@pytest.mark.parametrize("invalidate", [purge, soft_purge])
async def test_purged_while_the_body_arrives(start_kit, invalidate):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 3)
    await origin.asked[0].send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 6\r\n\r\nold")
    for client in (leader, *followers):
        await client.until(b"old")
    await invalidate(kit)
    late = await start(kit)
    await (await origin.nth(1)).send(fresh(b"new"))
    assert (await late.reply()).body == b"new"
    await origin.asked[0].send(b"old")
    for client in (leader, *followers):
        assert await client.exactly(3) == b"old"
    await settled(kit)
    reply = await kit.get("/a")
    assert (reply.body, reply.hit, len(origin.asked)) == (b"new", True, 2)


async def came_after_the_tag(start_kit, *, soft: bool):
    """Somebody's request is at the origin, its tag is invalidated, five more come, and then there is an answer with that tag."""
    kit, origin = await held(start_kit)
    leader = await start(kit)
    await origin.nth(0)
    status, _ = await api(kit, "/api/v1/invalidations", {"tag": "t", "soft": soft})
    assert status == 201
    late = await several(kit, 5)
    await all_wait(kit, 5)
    await origin.asked[0].send(ok(b"old", "Cache-Control: max-age=60, stale-while-revalidate=60", "Surrogate-Key: t"))
    assert (await leader.reply()).body == b"old"
    await (await origin.nth(1)).send(fresh(b"new"))
    return origin, await replies(late)


async def test_who_came_after_a_purge_by_a_tag_that_only_the_head_names_shares_the_next_fetch(start_kit):
    origin, got = await came_after_the_tag(start_kit, soft=False)
    assert {reply.body for reply in got} == {b"new"}
    assert len(origin.asked) == 2


async def test_who_came_after_a_soft_purge_by_such_a_tag_is_told_that_what_he_gets_is_stale(start_kit):
    """To read along would be to get it unmarked, and without a refresh."""
    origin, got = await came_after_the_tag(start_kit, soft=True)
    assert [told(reply) for reply in got if reply.body == b"old"] == [{"hit": True, "ttl": 0, "detail": "stale-while-revalidate"}] * 5
    assert len(origin.asked) == 2


async def test_purged_by_a_group_that_only_the_head_names(start_kit):
    """Nobody can know it before; the moment the head is there everybody who came after the purge does."""
    kit, origin = await held(start_kit)
    leader = await start(kit)
    await origin.nth(0)
    poster = await start(kit, "/post", "Content-Length: 0", method="POST")
    await (await origin.nth(1)).send(ok(b"", 'Cache-Group-Invalidation: "g"'))
    await poster.reply()
    late = await several(kit, 3)
    await all_wait(kit, 3)
    await origin.asked[0].send(fresh(b"old", 'Cache-Groups: "g"'))
    assert (await leader.reply()).body == b"old"
    got = asyncio.ensure_future(replies(late))
    answered = 2
    while not got.done():  # together or each for himself
        if len(origin.asked) > answered:
            await origin.asked[answered].send(fresh(b"new", 'Cache-Groups: "g"'))
            answered += 1
        await asyncio.sleep(0)
    assert {reply.body for reply in await got} == {b"new"}
    assert (await kit.get("/a")).body == b"new"


# who does not get the leader's bytes


async def test_variants_are_told_apart_when_the_head_is_there(start_kit):
    kit, origin = await held(start_kit)
    leader = await start(kit, "/a", "Accept-Language: de")
    await origin.nth(0)
    same = await start(kit, "/a", "Accept-Language: de")
    french = await several(kit, 3, "/a", "Accept-Language: fr")
    italian = await several(kit, 3, "/a", "Accept-Language: it")
    await all_wait(kit, 7)
    await origin.asked[0].send(fresh(b"de", "Vary: Accept-Language"))
    assert {reply.body for reply in await replies([leader, same])} == {b"de"}
    await origin.nth(2)  # both variants at the same time, and each of them once
    await all_wait(kit, 4)
    for one in origin.asked[1:]:
        await one.send(fresh(one.seen.get("accept-language"), "Vary: Accept-Language"))
    assert {reply.body for reply in await replies(french)} == {b"fr"}
    assert {reply.body for reply in await replies(italian)} == {b"it"}
    assert len(origin.asked) == 3


async def test_variants_that_are_known_fly_at_the_same_time(start_kit):
    kit, origin = await held(start_kit)
    client = await start(kit, "/a", "Accept-Language: de")
    await (await origin.nth(0)).send(fresh(b"de", "Vary: Accept-Language"))
    await client.reply()
    await purge(kit)
    clients = [await start(kit, "/a", f"Accept-Language: {language}") for language in ("de", "fr", "DE", "fr")]
    await origin.nth(2)
    await all_wait(kit, 2)
    for one in origin.asked[1:]:
        await one.send(fresh(one.seen.get("accept-language").lower(), "Vary: Accept-Language"))
    assert [reply.body for reply in await replies(clients)] == [b"de", b"fr", b"de", b"fr"]
    assert len(origin.asked) == 3


async def test_a_page_that_varies_otherwise_than_it_did(start_kit):
    """What was learnt about its variants is only a hint: each answer is judged by its own Vary."""
    kit, origin = await held(start_kit)
    client = await start(kit, "/a", "Accept-Language: de")
    await (await origin.nth(0)).send(fresh(b"de", "Vary: Accept-Language"))
    await client.reply()
    await purge(kit)
    leader = await start(kit, "/a", "Accept-Language: de", "Cookie: a=1")
    follower = await start(kit, "/a", "Accept-Language: de", "Cookie: a=2")
    await origin.nth(1)
    await all_wait(kit, 1)
    await origin.asked[1].send(fresh(b"for a=1", "Vary: Cookie"))
    await (await origin.nth(2)).send(fresh(b"for a=2", "Vary: Cookie"))
    assert [reply.body for reply in await replies([leader, follower])] == [b"for a=1", b"for a=2"]


@pytest.mark.parametrize(
    ("method", "lines"),
    [
        ("GET", ["Cache-Control: no-store"]),
        ("HEAD", ["Cache-Control: no-store"]),
        ("GET", ['If-Match: "x"']),
        ("GET", ["Content-Length: 0", "X-Other: 1"]),
    ],
)
async def test_who_does_not_wait_at_all(start_kit, method, lines):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 1)
    client = await start(kit, "/a", *lines, method=method)
    if "X-Other: 1" in lines:  # an empty content is none: an ordinary request
        await all_wait(kit, 2)
        await origin.asked[0].send(fresh(b"leader"))
        assert (await client.reply()).body == b"leader"
        return
    await (await origin.nth(1)).send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + (b"own" if method == "GET" else b""))
    reply = await client.reply(method)
    assert (reply.status, reply.body) == (200, b"own" if method == "GET" else b"")
    await origin.asked[0].send(fresh(b"leader"))
    assert {reply.body for reply in await replies([leader, *followers])} == {b"leader"}


async def test_get_with_content_is_never_joined_and_joins_nobody(start_kit):
    kit, origin, leader, followers = await lead_and_follow(start_kit, 1)
    client = await kit.connect()
    await client.send(b"GET /a HTTP/1.1\r\nHost: example.test\r\nContent-Length: 5\r\n\r\nquery")
    query = await origin.nth(1)
    assert query.seen.body == b"query"
    await query.send(fresh(b"for the query"))
    assert (await client.reply()).body == b"for the query"
    await origin.asked[0].send(fresh(b"plain"))
    assert {reply.body for reply in await replies([leader, *followers])} == {b"plain"}
    assert (await kit.get("/a")).body == b"plain"


async def test_nobody_joins_a_request_with_no_store(start_kit):
    kit, origin = await held(start_kit)
    clients = [await start(kit, "/a", "Cache-Control: no-store"), await start(kit)]
    await origin.nth(1)
    for one in origin.asked:
        private = b"no-store" in (one.seen.get("cache-control") or b"")
        await one.send(fresh(b"unstored" if private else b"stored"))
    assert [reply.body for reply in await replies(clients)] == [b"unstored", b"stored"]


@pytest.mark.parametrize("line", ["Cache-Control: no-cache", "Pragma: no-cache"])
async def test_a_reload_that_waited_gets_an_answer_of_its_own(start_kit, line):
    kit, origin, leader, _ = await lead_and_follow(start_kit, 0)
    client = await start(kit, "/a", line)
    await rounds(kit)
    await origin.asked[0].send(fresh(b"leader"))
    assert (await leader.reply()).body == b"leader"
    await (await origin.nth(1)).send(fresh(b"own"))
    assert (await client.reply()).body == b"own"


async def test_what_an_authorized_client_gets_is_not_for_those_who_waited(start_kit):
    kit, origin = await held(start_kit)
    alice = await start(kit, "/a", "Authorization: Basic YWxpY2U6eA==")
    await origin.nth(0)
    others = [await start(kit), await start(kit, "/a", "Authorization: Basic Ym9iOng=")]
    await rounds(kit)
    await origin.asked[0].send(fresh(b"for alice"))
    assert (await alice.reply()).body == b"for alice"
    answered = 1
    got = asyncio.ensure_future(replies(others))
    while not got.done():
        if len(origin.asked) > answered:
            await origin.asked[answered].send(fresh(b"for " + (origin.asked[answered].seen.get("authorization") or b"anybody")))
            answered += 1
        await asyncio.sleep(0)
    anybody, bob = await got
    assert anybody.body == b"for anybody"
    assert bob.body in (b"for anybody", b"for Basic Ym9iOng=")  # what anybody may have, he may


async def test_stale_on_arrival_within_its_window_is_shared_too(start_kit):
    """Who would be served it stale from the store a moment later is served it now."""
    kit, origin, leader, followers = await lead_and_follow(start_kit, 10)
    await origin.asked[0].send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=0, stale-while-revalidate=60\r\nContent-Length: 10\r\n\r\nfirst")
    await leader.until(b"first")
    await rounds(kit)
    assert len(origin.asked) <= 2  # and one refresh for all of them
    await origin.asked[0].send(b"other")
    assert {reply.body for reply in await replies(followers)} == {b"firstother"}
