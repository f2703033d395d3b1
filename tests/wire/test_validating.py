"""Validation on the wire: what the origin is asked about a stored response, and what its answer does to it (RFC 9111 4.3)."""

from __future__ import annotations

import pytest
from wirekit import fresh, ok
from wirestage import HeldOrigin, conditions, purge, replies, settled, soft_purge, start, told

MODIFIED = "Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT"
NOT_MODIFIED = "304 Not Modified"


def not_modified(*lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {NOT_MODIFIED}", *lines]).encode() + b"\r\n\r\n"


async def make_stale(kit, *lines: str, body: bytes = b"old", then: bytes = b"", target: str = "/a") -> None:
    """Store a response with these fields for a minute, and let two go by. `then` is the origin's next answer."""
    kit.origin.answer(target, [fresh(body, *lines), then] if then else fresh(body, *lines))
    await kit.get(target)
    kit.clock.pass_time(120)


# what is asked


@pytest.mark.parametrize(
    ("validators", "asked"),
    [
        (['ETag: "a"'], [b'If-None-Match: "a"']),
        (['ETag: W/"a"'], [b'If-None-Match: W/"a"']),
        ([MODIFIED], [b"If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT"]),
        (['ETag: "a"', MODIFIED], [b"If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT", b'If-None-Match: "a"']),
        ([], []),
    ],
)
@pytest.mark.parametrize(
    "own",
    [[], ['If-None-Match: "mine"'], ["If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"], ['If-None-Match: "x", "y"', "If-None-Match: *"]],
)
async def test_the_origin_is_asked_about_what_is_stored_and_nothing_else(kit, validators, asked, own):
    """Each validator once; a client's own conditions are about its own copy, and answered here."""
    await make_stale(kit, *validators, then=fresh(b"new"))
    await kit.get("/a", *own)
    assert conditions(kit.origin.seen[1]) == asked


async def test_a_fetch_in_the_background_asks_the_same(kit):
    kit.origin.answer("/a", [ok(b"old", "Cache-Control: max-age=60, stale-while-revalidate=600", 'ETag: "a"'), not_modified()])
    await kit.get("/a")
    kit.clock.pass_time(120)
    assert (await kit.get("/a", 'If-None-Match: "mine"')).body == b"old"
    await settled(kit)
    assert conditions(kit.origin.seen[1]) == [b'If-None-Match: "a"']


# what the answer does


async def test_304_gives_the_stored_content_and_starts_its_age_again(kit):
    await make_stale(kit, 'ETag: "a"', "Age: 7", then=not_modified('ETag: "a"'))
    reply = await kit.get("/a")
    assert (reply.status, reply.body, reply.get("age"), reply.get("content-length")) == (200, b"old", b"0", b"3")
    assert reply.cache_status == "edgecache; fwd=stale; fwd-status=304; ttl=60; detail=expired"
    assert reply.get("server-timing").startswith(b'edge;desc="validated", origin;dur=')
    kit.clock.pass_time(59)
    reply = await kit.get("/a")
    assert (reply.hit, reply.get("age")) == (True, b"59")
    kit.clock.pass_time(1)
    assert not (await kit.get("/a")).hit


@pytest.mark.parametrize(
    ("lines", "lifetime_s"),
    [
        ([], 60),
        (["Cache-Control: max-age=10"], 10),
        (["Cache-Control: s-maxage=300, max-age=10"], 300),
        (["CDN-Cache-Control: max-age=20"], 20),
        (["Age: 15"], 45),
        (["Cache-Control: max-age=0"], 0),
        (["Cache-Control: max-age=600, no-cache"], 0),
    ],
)
async def test_the_freshness_of_the_304_counts(kit, lines, lifetime_s):
    await make_stale(kit, 'ETag: "a"', then=not_modified('ETag: "a"', *lines))
    await kit.get("/a")
    kit.clock.pass_time(lifetime_s - 1 if lifetime_s else 0)
    assert (await kit.get("/a")).hit is (lifetime_s > 0)
    kit.clock.pass_time(1)
    assert not (await kit.get("/a")).hit


@pytest.mark.parametrize(
    ("stored", "said", "name", "merged"),
    [
        (["X-A: 1", "X-A: 2"], ["X-A: 3"], "x-a", [b"3"]),
        (["X-A: 1"], ["X-B: 3"], "x-a", [b"1"]),
        ([], ["X-A: 3", "X-A: 4"], "x-a", [b"3", b"4"]),
        (["Content-Encoding: gzip"], ["Content-Encoding: br"], "content-encoding", [b"gzip"]),
        ([], ["Content-Length: 999"], "content-length", [b"3"]),
        ([], ["Content-Range: bytes 0-0/9"], "content-range", []),
        ([], ["Connection: X-A", "X-A: hop"], "x-a", []),
        ([], ['ETag: W/"a"'], "etag", [b'"a"']),
        ([], ["Content-Type: text/css"], "content-type", [b"text/css"]),
    ],
)
async def test_the_fields_of_the_304_are_merged(kit, stored, said, name, merged):
    await make_stale(kit, 'ETag: "a"', *stored, then=not_modified(*said))
    first, second = await kit.get("/a"), await kit.get("/a")
    assert (first.all(name), second.all(name), second.hit) == (merged, merged, True)
    assert first.body == second.body == b"old"


async def test_200_replaces(kit):
    await make_stale(kit, 'ETag: "a"', "X-Old: 1", then=fresh(b"new content", 'ETag: "b"'))
    first, second = await kit.get("/a"), await kit.get("/a")
    assert (first.body, first.get("x-old"), first.cache_status) == (
        b"new content",
        None,
        "edgecache; fwd=stale; fwd-status=200; stored; detail=expired",
    )
    assert (second.body, second.hit, second.get("etag")) == (b"new content", True, b'"b"')
    assert kit.edge.store.responses == 1


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (['ETag: "a"'], ['ETag: "a-gzip"']),
        (['ETag: W/"a"'], ['ETag: "a"']),
        ([MODIFIED], ["Last-Modified: Sat, 02 Jan 2010 00:00:00 GMT"]),
    ],
)
async def test_a_304_is_about_what_was_asked_whatever_it_calls_it(kit, stored, said):
    """One response was asked about. Servers that compress on the fly name another tag than the one they compared; the stored one stays."""
    await make_stale(kit, *stored)
    kit.origin.answer("/a", not_modified(*said))
    assert [(await kit.get("/a")).body for _ in range(2)] == [b"old", b"old"]
    kit.clock.pass_time(120)
    await kit.get("/a")
    assert [len(conditions(seen)) for seen in kit.origin.seen] == [0, 1, 1]
    tag = [line for line in stored if line.startswith("ETag")]
    assert (await kit.get("/a")).all("etag") == [line.removeprefix("ETag: ").encode() for line in tag]


async def test_purged_while_validating_the_304_means_nothing(start_kit):
    """The 304 says that something holds which does not exist any more: it is asked for again, as if nothing had been stored."""
    origin = HeldOrigin()
    kit = await start_kit(origin)
    client = await start(kit)
    await (await origin.nth(0)).send(fresh(b"old", 'ETag: "a"'))
    await client.reply()
    kit.clock.pass_time(120)
    client = await start(kit)
    await origin.nth(1)
    await purge(kit)
    await origin.asked[1].send(not_modified('ETag: "a"'))
    again = await origin.nth(2)
    assert (conditions(origin.asked[1].seen), conditions(again.seen)) == ([b'If-None-Match: "a"'], [])
    await again.send(fresh(b"new", 'ETag: "a"'))
    reply = await client.reply()
    assert (reply.status, reply.body, told(reply)["fwd-status"]) == (200, b"new", 200)
    assert (await kit.get("/a")).body == b"new"


async def test_purged_by_the_group_it_had_before_the_304_took_it_away(start_kit):
    """A stored response is judged by the names that it had when the purge came, not by those that the answer gives it."""
    origin = HeldOrigin()
    kit = await start_kit(origin)
    client = await start(kit)
    await (await origin.nth(0)).send(fresh(b"old", 'ETag: "a"', 'Cache-Groups: "g"'))
    await client.reply()
    kit.clock.pass_time(120)
    client = await start(kit)
    await origin.nth(1)
    poster = await start(kit, "/post", "Content-Length: 0", method="POST")
    await (await origin.nth(2)).send(ok(b"", 'Cache-Group-Invalidation: "g"'))
    await poster.reply()
    await origin.asked[1].send(not_modified('Cache-Groups: "other"'))
    again = await origin.nth(3)
    assert conditions(again.seen) == []
    await again.send(fresh(b"new"))
    assert (await client.reply()).body == b"new"


async def test_soft_purged_while_validating_it_stays_stale(start_kit):
    """The origin may have judged before the purge: its 304 answers who asked, and the next one asks again."""
    origin = HeldOrigin()
    kit = await start_kit(origin)
    client = await start(kit)
    await (await origin.nth(0)).send(fresh(b"old", 'ETag: "a"'))
    await client.reply()
    kit.clock.pass_time(120)
    client = await start(kit)
    await origin.nth(1)
    await soft_purge(kit)
    await origin.asked[1].send(not_modified('ETag: "a"'))
    assert (await client.reply()).body == b"old"
    client = await start(kit)
    await (await origin.nth(2)).send(not_modified('ETag: "a"'))
    assert (await client.reply()).body == b"old"
    assert (await kit.get("/a")).hit


async def test_replaced_while_validating_the_304_gives_what_it_was_about_and_stores_nothing(start_kit):
    """A slower 304 does not bring back what a faster 200 has replaced."""
    origin = HeldOrigin()
    kit = await start_kit(origin, collapse_wait_s=0.001)
    client = await start(kit)
    await (await origin.nth(0)).send(fresh(b"old", 'ETag: "a"'))
    await client.reply()
    kit.clock.pass_time(120)
    slow = await start(kit)
    await origin.nth(1)
    fast = await start(kit)
    await (await origin.nth(2)).send(fresh(b"new", 'ETag: "b"'))
    assert (await fast.reply()).body == b"new"
    await origin.asked[1].send(not_modified('ETag: "a"'))
    assert (await slow.reply()).body == b"old"
    reply = await kit.get("/a")
    assert (reply.body, reply.hit, reply.get("etag")) == (b"new", True, b'"b"')


@pytest.mark.parametrize("status", ["500 X", "502 X", "503 X", "504 X", "400 X", "429 X"])
async def test_an_error_while_validating_goes_to_the_client_and_the_stored_response_stays(kit, status):
    await make_stale(kit, 'ETag: "a"', then=ok(b"oops", status=status))
    reply = await kit.get("/a")
    assert (reply.status, reply.body) == (int(status[:3]), b"oops")
    kit.origin.answer("/a", not_modified('ETag: "a"'))
    reply = await kit.get("/a")
    assert (reply.status, reply.body, conditions(kit.origin.seen[2])) == (200, b"old", [b'If-None-Match: "a"'])


@pytest.mark.parametrize("status", ["404 X", "410 X", "200 OK", "302 X"])
async def test_what_shows_that_the_origin_went_on_removes_the_stored_response_even_unstored(kit, status):
    await make_stale(kit, 'ETag: "a"', then=ok(b"gone", "Cache-Control: no-store", status=status))
    assert (await kit.get("/a")).body == b"gone"
    await kit.origin.stop()
    assert (await kit.get("/a")).status == 502


# no-cache


async def test_no_cache_is_stored_and_validated_each_time(kit):
    kit.origin.answer("/a", [ok(b"x", "Cache-Control: no-cache", 'ETag: "a"'), not_modified('ETag: "a"')])
    seen = [await kit.get("/a") for _ in range(3)]
    assert [(reply.status, reply.body) for reply in seen] == [(200, b"x")] * 3
    assert [conditions(one) for one in kit.origin.seen] == [[], [b'If-None-Match: "a"'], [b'If-None-Match: "a"']]
    assert [told(reply).get("fwd-status") for reply in seen] == [200, 304, 304]
    assert "stored" in told(seen[0])


async def test_no_cache_is_not_served_when_the_origin_is_dead(kit):
    kit.origin.answer("/a", ok(b"x", "Cache-Control: no-cache, max-age=60, stale-if-error=60", 'ETag: "a"'))
    await kit.get("/a")
    await kit.origin.stop()
    assert (await kit.get("/a")).status == 502


async def test_no_cache_that_names_a_field_keeps_only_that_field_out(kit):
    kit.origin.answer("/a", ok(b"x", 'Cache-Control: max-age=60, no-cache="X-Mine"', "X-Mine: 1", "X-Yours: 2"))
    assert (await kit.get("/a")).get("x-mine") == b"1"
    reply = await kit.get("/a")
    assert (reply.hit, reply.get("x-mine"), reply.get("x-yours")) == (True, None, b"2")


async def test_a_reload_validates_what_is_fresh(kit):
    kit.origin.answer("/a", [fresh(b"x", 'ETag: "a"'), not_modified('ETag: "a"')])
    await kit.get("/a")
    reply = await kit.get("/a", "Cache-Control: no-cache")
    assert (reply.body, told(reply)["fwd"], conditions(kit.origin.seen[1])) == (b"x", "request", [b'If-None-Match: "a"'])


# HEAD (RFC 9111 4.3.5)


def head_answer(*lines: str, length: int = 3) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, f"Content-Length: {length}"]).encode() + b"\r\n\r\n"


@pytest.mark.parametrize("said", [['ETag: "a"', "X-New: 1", "Cache-Control: max-age=60"], ["X-New: 1", "Cache-Control: max-age=60"]])
async def test_an_answer_to_head_updates_the_stored_get(kit, said):
    await make_stale(kit, 'ETag: "a"', then=head_answer(*said))
    head = await kit.request("HEAD", "/a")
    assert (head.status, told(head)["detail"]) == (200, "head-updated")
    reply = await kit.get("/a")
    assert (reply.hit, reply.body, reply.get("x-new"), reply.get("age")) == (True, b"old", b"1", b"0")
    assert conditions(kit.origin.seen[1]) == []


@pytest.mark.parametrize(
    ("said", "length"),
    [
        (['ETag: "b"'], 3),
        (['ETag: "a"'], 4),
        ([], 4),
        (['ETag: "a"', "Last-Modified: Sat, 02 Jan 2010 00:00:00 GMT"], 3),
    ],
)
async def test_an_answer_to_head_that_differs_invalidates_the_stored_get(kit, said, length):
    await make_stale(kit, 'ETag: "a"', MODIFIED, then=head_answer(*said, length=length))
    assert told(await kit.request("HEAD", "/a"))["detail"] == "head-outdated"
    kit.origin.answer("/a", fresh(b"new"))
    reply = await kit.get("/a")
    assert (reply.body, conditions(kit.origin.seen[2])) == (b"new", [])


async def test_an_answer_to_head_never_raises_a_position(start_kit):
    """The HEAD is asked after the soft purge, yet the content that it describes was fetched before: the purge stays."""
    origin = HeldOrigin()
    kit = await start_kit(origin)
    client = await start(kit)
    await (await origin.nth(0)).send(fresh(b"old", 'ETag: "a"'))
    await client.reply()
    await soft_purge(kit)
    client = await start(kit, method="HEAD")
    await (await origin.nth(1)).send(head_answer('ETag: "a"', "Cache-Control: max-age=600"))
    await client.reply("HEAD")
    client = await start(kit)
    await (await origin.nth(2)).send(fresh(b"new"))
    assert (await client.reply()).body == b"new"


# what the client has (RFC 9110 13), after a validation


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (['If-None-Match: "a"'], 304),
        (['If-None-Match: W/"a"'], 304),
        (['If-None-Match: "x", W/"y", "a"'], 304),
        (['If-None-Match: "x"', 'If-None-Match: "a"'], 304),
        (["If-None-Match: *"], 304),
        (['If-None-Match: "x,a"'], 200),
        (['If-None-Match: "b"'], 200),
        (["If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT"], 304),
        (["If-Modified-Since: Fri, 31 Dec 1999 23:59:59 GMT"], 200),
        (["If-Modified-Since: yesterday"], 200),
        (['If-None-Match: "b"', "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT"], 200),
    ],
)
@pytest.mark.parametrize("answer", ["304", "200"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_clients_own_conditions_after_a_validation(kit, lines, status, answer, method):
    validators = ['ETag: "a"', MODIFIED, "Content-Type: text/plain"]
    await make_stale(kit, *validators, then=not_modified('ETag: "a"') if answer == "304" else fresh(b"old", *validators))
    if method == "HEAD":  # its answer comes from the store; asked upstream, a HEAD is validated by no condition
        await kit.get("/a")
    reply = await kit.request(method, "/a", *lines)
    assert (reply.status, reply.body) == (status, b"old" if status == 200 and method == "GET" else b"")
    assert (reply.get("etag"), reply.get("content-type")) == (b'"a"', b"text/plain" if status == 200 else None)
    assert (await kit.get("/a")).hit


@pytest.mark.parametrize("line", ['If-Match: "a"', "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT"])
async def test_preconditions_are_the_origins_to_judge(kit, line):
    kit.origin.answer("/a", [fresh(b"x", 'ETag: "a"', MODIFIED), ok(b"no", status="412 Precondition Failed")])
    await kit.get("/a")
    reply = await kit.get("/a", line)
    assert (reply.status, told(reply)["detail"], line.encode() in kit.origin.seen[1].lines) == (412, "precondition", True)
    assert (await kit.get("/a")).hit


async def test_each_variant_is_validated_by_itself(start_kit):
    """Two variants with one entity tag, which is wrong and common: a 304 freshens the one that it was asked for."""
    origin = HeldOrigin()
    kit = await start_kit(origin)
    for number, language in enumerate((b"de", b"fr")):
        client = await start(kit, "/a", f"Accept-Language: {language.decode()}")
        await (await origin.nth(number)).send(fresh(language, 'ETag: "a"', "Vary: Accept-Language"))
        await client.reply()
    kit.clock.pass_time(120)
    client = await start(kit, "/a", "Accept-Language: de")
    await (await origin.nth(2)).send(not_modified('ETag: "a"'))
    assert (await client.reply()).body == b"de"
    assert (await kit.get("/a", "Accept-Language: de")).hit
    client = await start(kit, "/a", "Accept-Language: fr")
    await (await origin.nth(3)).send(not_modified('ETag: "a"'))
    (reply,) = await replies([client])
    assert reply.body == b"fr"
