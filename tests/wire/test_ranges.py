"""Parts of what is stored, parts that are stored, and what several of them come to (RFC 9110 14, RFC 9111 3.3, 3.4)."""

from __future__ import annotations

import email.message
import email.parser
import email.policy
import re

import pytest
from wirekit import Reply, fresh, ok
from wirestage import HeldOrigin, purge, soft_purge, start, told

TEN = b"0123456789"
TAG = 'ETag: "a"'
MODIFIED = "Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT"
LATER = "Date: Sat, 01 Jan 2028 00:00:00 GMT"  # long after: Last-Modified is a strong validator then


def parts_of(reply: Reply) -> list[tuple[str | None, str, bytes]]:
    """The parts of a multipart/byteranges answer, as the parser of email reads them: type, Content-Range and content."""
    kind = reply.get("content-type")
    assert kind is not None
    assert kind.startswith(b"multipart/byteranges")
    raw = b"Content-Type: " + kind + b"\r\n\r\n" + reply.body
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(raw)
    assert not message.defects
    found = []
    for part in message.iter_parts():
        assert isinstance(part, email.message.EmailMessage)
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found.append((part["Content-Type"], part["Content-Range"], content))
    return found


def a_part(content: bytes, first: int, length: int | str, *lines: str, cache: str = "Cache-Control: max-age=60") -> bytes:
    place = f"Content-Range: bytes {first}-{first + len(content) - 1}/{length}"
    return ok(content, place, cache, *lines, status="206 Partial Content")


# out of a stored whole


@pytest.mark.parametrize(
    ("asked", "content", "place"),
    [
        ("bytes=0-0", b"0", b"bytes 0-0/10"),
        ("bytes=2-4", b"234", b"bytes 2-4/10"),
        ("bytes=7-", b"789", b"bytes 7-9/10"),
        ("bytes=-3", b"789", b"bytes 7-9/10"),
        ("bytes=-99", TEN, b"bytes 0-9/10"),
        ("bytes=5-99", b"56789", b"bytes 5-9/10"),
        ("bytes=0-9", TEN, b"bytes 0-9/10"),
        ("BYTES=2-4", b"234", b"bytes 2-4/10"),
        ("bytes= 2-4 , ", b"234", b"bytes 2-4/10"),
        ("bytes=2-3,4-5", b"2345", b"bytes 2-5/10"),
        ("bytes=2-4,99-", b"234", b"bytes 2-4/10"),
    ],
)
async def test_one_part(kit, asked, content, place):
    kit.origin.answer("/a", fresh(TEN, TAG, "Content-Type: text/x", "X-Own: 1"))
    await kit.get("/a")
    reply = await kit.get("/a", f"Range: {asked}")
    assert (reply.status, reply.body, reply.all("content-range")) == (206, content, [place])
    assert reply.all("content-length") == [b"%d" % len(content)]
    assert (reply.get("content-type"), reply.get("etag"), reply.get("x-own"), reply.get("age")) == (b"text/x", b'"a"', b"1", b"0")
    assert reply.hit
    assert len(kit.origin.seen) == 1


@pytest.mark.parametrize(
    ("asked", "pieces"),
    [
        ("bytes=0-1,5-6", [(b"01", "bytes 0-1/10"), (b"56", "bytes 5-6/10")]),
        ("bytes=-1,0-0", [(b"9", "bytes 9-9/10"), (b"0", "bytes 0-0/10")]),
        ("bytes=0-0, 4-4 ,8-", [(b"0", "bytes 0-0/10"), (b"4", "bytes 4-4/10"), (b"89", "bytes 8-9/10")]),
        ("bytes=0-0,99-,5-5", [(b"0", "bytes 0-0/10"), (b"5", "bytes 5-5/10")]),
    ],
)
async def test_several_parts(kit, asked, pieces):
    kit.origin.answer("/a", fresh(TEN, "Content-Type: text/x"))
    await kit.get("/a")
    client = await kit.connect()
    reply = await client.get("/a", f"Range: {asked}")
    found = parts_of(reply)
    assert reply.status == 206
    assert sorted((content, place) for _, place, content in found) == sorted(pieces)
    assert {kind for kind, _, _ in found} == {"text/x"}
    assert reply.all("content-range") == []
    assert (await client.get("/a")).body == TEN  # the length was right: the connection goes on


async def test_the_boundary_is_another_each_time_and_not_in_the_content(kit):
    kit.origin.answer("/a", fresh(b"--\r\n" * 100))
    await kit.get("/a")
    found = {re.search(rb"boundary=(\S+)", (await kit.get("/a", "Range: bytes=0-9,50-59")).get("content-type"))[1] for _ in range(5)}
    assert len(found) == 5


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-20,99-", "bytes=-0"])
async def test_nothing_of_it_is_there(kit, asked):
    kit.origin.answer("/a", fresh(TEN, TAG))
    await kit.get("/a")
    client = await kit.connect()
    reply = await client.get("/a", f"Range: {asked}")
    assert (reply.status, reply.all("content-range"), reply.get("cache-control")) == (416, [b"bytes */10"], None)
    assert (await client.get("/a")).body == TEN


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=4-2",
        "bytes=a-b",
        "bytes=",
        "bytes=1-2;",
        "bytes=0-0,x",
        "lines=1-2",
        "bytes 1-2",
        "bytes=--1",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 34, 2)),
    ],
)
async def test_what_is_no_range_or_too_many_gets_the_whole(kit, asked):
    kit.origin.answer("/a", fresh(TEN * 10))
    await kit.get("/a")
    reply = await kit.get("/a", f"Range: {asked}")
    assert (reply.status, reply.body, reply.hit) == (200, TEN * 10, True)


async def test_sixteen_are_not_too_many(kit):
    kit.origin.answer("/a", fresh(TEN * 10))
    await kit.get("/a")
    reply = await kit.get("/a", "Range: bytes=" + ",".join(f"{n}-{n}" for n in range(0, 32, 2)))
    assert (reply.status, len(parts_of(reply))) == (206, 16)


async def test_the_number_of_ranges_is_a_setting(start_kit):
    kit = await start_kit(ranges=2)
    kit.origin.answer("/a", fresh(TEN))
    await kit.get("/a")
    assert (await kit.get("/a", "Range: bytes=0-0,4-4")).status == 206
    assert (await kit.get("/a", "Range: bytes=0-0,4-4,8-8")).status == 200


async def test_ranges_that_overlap_are_not_sent_twice(kit):
    kit.origin.answer("/a", fresh(TEN * 100))
    await kit.get("/a")
    reply = await kit.get("/a", "Range: bytes=" + ",".join(["0-"] * 16))
    assert len(reply.body) <= 1000


async def test_a_range_means_nothing_to_head(kit):
    kit.origin.answer("/a", fresh(TEN))
    await kit.get("/a")
    reply = await kit.request("HEAD", "/a", "Range: bytes=0-0")
    assert (reply.status, reply.get("content-length"), reply.get("content-range"), reply.hit) == (200, b"10", None, True)


async def test_a_range_means_nothing_to_an_error(kit):
    kit.origin.answer("/a", ok(b"none such", "Cache-Control: max-age=60", status="404 Not Found"))
    await kit.get("/a")
    reply = await kit.get("/a", "Range: bytes=0-0")
    assert (reply.status, reply.body) == (404, b"none such")


async def test_a_range_of_nothing(kit):
    kit.origin.answer("/a", fresh(b""))
    await kit.get("/a")
    assert (await kit.get("/a", "Range: bytes=0-")).status == 416
    assert (await kit.get("/a", "Range: bytes=-1")).status in (200, 416)


@pytest.mark.parametrize(
    ("fields", "if_range", "status"),
    [
        (['ETag: "a"'], '"a"', 206),
        (['ETag: "a"'], '"b"', 200),
        (['ETag: W/"a"'], 'W/"a"', 200),
        (['ETag: W/"a"'], '"a"', 200),
        (['ETag: "a"'], 'W/"a"', 200),
        ([MODIFIED, LATER], "Sat, 01 Jan 2000 00:00:00 GMT", 206),
        ([MODIFIED, LATER], "Saturday, 01-Jan-00 00:00:00 GMT", 200),  # exactly what Last-Modified says, or nothing
        ([MODIFIED, LATER], "Sat, 01 Jan 2000 00:00:01 GMT", 200),
        ([MODIFIED, "Date: Sat, 01 Jan 2000 00:00:00 GMT"], "Sat, 01 Jan 2000 00:00:00 GMT", 200),
        ([], '"a"', 200),
        (['ETag: "a"'], "nonsense", 200),
    ],
)
async def test_if_range(kit, fields, if_range, status):
    """The part only of the very representation that the client has a part of (RFC 9110 13.1.5); a weak validator proves nothing."""
    dated = fields if LATER not in fields else [*fields, "Cache-Control: max-age=1000000000"]
    kit.origin.answer("/a", ok(TEN, *(dated if dated is not fields else [*fields, "Cache-Control: max-age=1000000000"])))
    await kit.get("/a")
    reply = await kit.get("/a", "Range: bytes=2-4", f"If-Range: {if_range}")
    assert (reply.status, reply.body, reply.hit) == (status, b"234" if status == 206 else TEN, True)


@pytest.mark.parametrize(("condition", "status"), [('If-None-Match: "a"', 304), ('If-None-Match: "b"', 206)])
async def test_conditions_come_before_ranges(kit, condition, status):
    kit.origin.answer("/a", fresh(TEN, TAG))
    await kit.get("/a")
    assert (await kit.get("/a", "Range: bytes=2-4", condition)).status == status


@pytest.mark.parametrize("store", ["memory", "disk"])
async def test_large_contents(start_kit, store, tmp_path):
    """Across the pieces that content is kept in, wherever they are."""
    kit = await start_kit(store="memory" if store == "memory" else str(tmp_path))
    size = 5 * 1024 * 1024 + 12345
    body = b"".join(n.to_bytes(4, "big") for n in range(size // 4 + 1))[:size]
    kit.origin.answer("/l", fresh(body, "Content-Type: video/x"))
    assert (await kit.get("/l")).body == body
    mib = 1024 * 1024
    client = await kit.connect()
    for first, last in [(0, 0), (mib - 1, mib), (mib, 2 * mib - 1), (123_457, 4 * mib + 1), (size - 1, size - 1), (0, size - 1)]:
        reply = await client.get("/l", f"Range: bytes={first}-{last}")
        assert (reply.status, reply.body == body[first : last + 1], reply.hit) == (206, True, True)
    reply = await client.get("/l", f"Range: bytes=0-9,{mib - 5}-{mib + 5},{2 * mib}-{4 * mib},-7")
    assert [
        content == expected
        for (_, _, content), expected in zip(
            parts_of(reply), [body[:10], body[mib - 5 : mib + 6], body[2 * mib : 4 * mib + 1], body[-7:]], strict=True
        )
    ] == [True] * 4
    assert (await client.get("/l")).body == body
    assert len(kit.origin.seen) == 1


# parts that are stored


async def test_a_part_is_stored_and_reused(kit):
    kit.origin.answer("/a", a_part(b"2345", 2, 10, TAG))
    first = await kit.get("/a", "Range: bytes=2-5")
    assert (first.status, first.get("content-range"), "stored" in told(first)) == (206, b"bytes 2-5/10", True)
    for asked, content in [("2-5", b"2345"), ("3-4", b"34"), ("5-5", b"5")]:
        reply = await kit.get("/a", f"Range: bytes={asked}")
        assert (reply.status, reply.body, reply.get("content-range"), reply.hit) == (206, content, f"bytes {asked}/10".encode(), True)
    assert len(kit.origin.seen) == 1


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        ([], fresh(TEN, TAG)),
        (["Range: bytes=0-3"], a_part(b"0123", 0, 10)),
        (["Range: bytes=5-6"], a_part(b"56", 5, 10)),
        (["Range: bytes=-4"], a_part(b"6789", 6, 10)),
        (["Range: bytes=5-"], a_part(b"56789", 5, 10)),
        (["Range: bytes=2-5", 'If-Range: "b"'], fresh(TEN, 'ETag: "b"')),
    ],
)
async def test_more_than_the_stored_part_is_asked_for(kit, lines, answer):
    kit.origin.answer("/a", [a_part(b"2345", 2, 10, TAG), answer])
    await kit.get("/a", "Range: bytes=2-5")
    reply = await kit.get("/a", *lines)
    assert (reply.hit, reply.body) == (False, answer.split(b"\r\n\r\n")[1])
    assert kit.origin.seen[1].all("range") == [line[7:].encode() for line in lines if line.startswith("Range")]


async def test_a_part_answers_no_head_and_no_condition_with_the_whole(kit):
    kit.origin.answer("/a", [a_part(b"2345", 2, 10, TAG), b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"])
    await kit.get("/a", "Range: bytes=2-5")
    reply = await kit.request("HEAD", "/a")
    assert (reply.status, reply.get("content-length")) == (200, b"10")


@pytest.mark.parametrize(
    "said",
    [
        ["Content-Range: bytes 2-6/10"],
        ["Content-Range: bytes 2-5/5"],
        ["Content-Range: lines 2-5/10"],
        ["Content-Range: nonsense"],
        ["Content-Range: bytes 2-5/10", "Content-Range: bytes 2-5/10"],
        [],
    ],
)
async def test_a_part_whose_place_is_not_known_is_not_stored(kit, said):
    kit.origin.answer("/a", ok(b"2345", *said, "Cache-Control: max-age=60", status="206 Partial Content"))
    reply = await kit.get("/a", "Range: bytes=2-5")
    assert (reply.status, reply.body, "stored" in told(reply)) == (206, b"2345", False)
    assert not (await kit.get("/a", "Range: bytes=2-5")).hit


async def test_several_parts_in_one_answer_are_not_stored(kit):
    body = b"--x\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n--x--\r\n"
    kit.origin.answer("/a", ok(body, "Content-Type: multipart/byteranges; boundary=x", "Cache-Control: max-age=60", status="206 P"))
    assert (await kit.get("/a", "Range: bytes=0-0,5-5")).body == body
    assert not (await kit.get("/a", "Range: bytes=0-0")).hit


async def test_a_part_that_is_all_is_the_whole(kit):
    kit.origin.answer("/a", a_part(TEN, 0, 10, TAG))
    assert (await kit.get("/a", "Range: bytes=0-")).status == 206
    reply = await kit.get("/a")
    assert (reply.status, reply.body, reply.hit, reply.get("content-range"), reply.get("content-length")) == (200, TEN, True, None, b"10")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((b"01234", 0), (b"56789", 5)),
        ((b"56789", 5), (b"01234", 0)),
        ((b"0123456", 0), (b"3456789", 3)),
        ((b"3456789", 3), (b"0123456", 0)),
        ((b"345", 3), (TEN, 0)),
    ],
)
async def test_two_parts_of_one_representation_come_to_the_whole(kit, one, other):
    kit.origin.answer("/a", [a_part(*one, 10, TAG), a_part(*other, 10, TAG)])
    for content, first in (one, other):
        assert (await kit.get("/a", f"Range: bytes={first}-{first + len(content) - 1}")).body == content
    reply = await kit.get("/a")
    assert (reply.status, reply.body, reply.hit, reply.get("content-range")) == (200, TEN, True, None)
    assert (await kit.get("/a", "Range: bytes=4-5")).body == b"45"
    assert len(kit.origin.seen) == 2


async def test_two_parts_that_do_not_come_to_the_whole_come_to_a_larger_part(kit):
    kit.origin.answer("/a", [a_part(b"123", 1, 10, TAG), a_part(b"456", 4, 10, TAG), fresh(TEN, TAG)])
    await kit.get("/a", "Range: bytes=1-3")
    await kit.get("/a", "Range: bytes=4-6")
    reply = await kit.get("/a", "Range: bytes=2-5")
    assert (reply.status, reply.body, reply.hit, reply.get("content-range")) == (206, b"2345", True, b"bytes 2-5/10")
    assert not (await kit.get("/a")).hit


@pytest.mark.parametrize(
    ("one", "other", "length"),
    [
        (['ETag: "a"'], ['ETag: "b"'], 10),
        (['ETag: W/"a"'], ['ETag: W/"a"'], 10),
        (['ETag: "a"'], [], 10),
        ([], [], 10),
        ([MODIFIED], [MODIFIED], 10),
        (['ETag: "a"'], ['ETag: "a"'], 11),
    ],
)
async def test_parts_are_not_combined_unless_they_are_surely_of_one_representation(kit, one, other, length):
    kit.origin.answer("/a", [a_part(b"01234", 0, 10, *one), a_part(b"vwxyz", 5, length, *other), fresh(b"whole")])
    await kit.get("/a", "Range: bytes=0-4")
    await kit.get("/a", "Range: bytes=5-9")
    reply = await kit.get("/a")
    assert (reply.body, reply.hit) == (b"whole", False)


async def test_parts_with_a_gap_between_them_are_not_combined(kit):
    kit.origin.answer("/a", [a_part(b"01", 0, 10, TAG), a_part(b"89", 8, 10, TAG), fresh(TEN, TAG)])
    await kit.get("/a", "Range: bytes=0-1")
    await kit.get("/a", "Range: bytes=8-9")
    assert not (await kit.get("/a")).hit


async def test_a_part_of_what_is_stored_whole_leaves_the_whole(kit):
    """A reload of a part proves that the whole is still current; it does not take its place."""
    kit.origin.answer("/a", [fresh(TEN, TAG), a_part(b"234", 2, 10, TAG)])
    await kit.get("/a")
    reply = await kit.get("/a", "Range: bytes=2-4", "Cache-Control: no-cache")
    assert (reply.status, reply.body) == (206, b"234")
    reply = await kit.get("/a")
    assert (reply.body, reply.hit) == (TEN, True)


async def test_a_stale_part_is_validated_and_used(kit):
    kit.origin.answer("/a", [a_part(b"2345", 2, 10, TAG), b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'])
    await kit.get("/a", "Range: bytes=2-5")
    kit.clock.pass_time(120)
    reply = await kit.get("/a", "Range: bytes=3-4")
    assert (reply.status, reply.body, reply.get("content-range")) == (206, b"34", b"bytes 3-4/10")
    assert kit.origin.seen[1].get("if-none-match") == b'"a"'


@pytest.mark.parametrize(
    ("answer", "status", "content"),
    [
        (b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n', 206, b"234"),
        (a_part(b"234", 2, 10, TAG), 206, b"234"),
        (a_part(b"cde", 2, 10, 'ETag: "b"'), 206, b"cde"),
        (fresh(b"abcdefghij", 'ETag: "b"'), 200, b"abcdefghij"),
        (ok(b"no", "Content-Range: bytes */10", status="416 X"), 416, b"no"),
    ],
)
async def test_a_part_of_a_whole_that_is_stale(kit, answer, status, content):
    """Condition and range both go to the origin: the range counts when the representation has changed."""
    kit.origin.answer("/a", [fresh(TEN, TAG), answer])
    await kit.get("/a")
    kit.clock.pass_time(120)
    reply = await kit.get("/a", "Range: bytes=2-4")
    assert (reply.status, reply.body) == (status, content)
    seen = kit.origin.seen[1]
    assert (seen.all("if-none-match"), seen.all("range")) == ([b'"a"'], [b"bytes=2-4"])
    if status == 206 and b"cde" not in answer:  # it proves, one way or the other, that the whole is still current
        assert (await kit.get("/a")).body == TEN
        assert len(kit.origin.seen) == 2


async def test_a_part_that_is_cut_short_is_not_stored(kit):
    head = b'HTTP/1.1 206 P\r\nCache-Control: max-age=60\r\nETag: "a"\r\nContent-Range: bytes 2-5/10\r\nTransfer-Encoding: chunked\r\n\r\n'
    torn = head + b"2\r\n23\r\n0\r\n\r\n"
    kit.origin.answer("/a", [torn, a_part(b"2345", 2, 10, TAG)])
    await kit.get("/a", "Range: bytes=2-5")
    assert not (await kit.get("/a", "Range: bytes=2-3")).hit


@pytest.mark.parametrize("invalidate", [purge, soft_purge])
async def test_a_part_from_before_a_purge_is_not_combined_with_one_from_after_it(start_kit, invalidate):
    """The entity tag says that they are of one representation; the purge says that the first is not to be used."""
    origin = HeldOrigin()
    kit = await start_kit(origin)
    for number, (content, first) in enumerate([(b"01234", 0), (b"56789", 5)]):
        client = await start(kit, "/a", f"Range: bytes={first}-{first + 4}")
        await (await origin.nth(number)).send(a_part(content, first, 10, TAG))
        await client.reply()
        if number == 0:
            await invalidate(kit)
    client = await start(kit)
    await (await origin.nth(2)).send(fresh(b"whole", TAG))
    reply = await client.reply()
    assert (reply.body, reply.hit) == (b"whole", False)


async def test_a_purge_while_the_second_part_is_on_its_way_covers_both(start_kit):
    origin = HeldOrigin()
    kit = await start_kit(origin)
    client = await start(kit, "/a", "Range: bytes=0-4")
    await (await origin.nth(0)).send(a_part(b"01234", 0, 10, TAG))
    await client.reply()
    client = await start(kit, "/a", "Range: bytes=5-9")
    await origin.nth(1)
    await purge(kit)
    await origin.asked[1].send(a_part(b"56789", 5, 10, TAG))
    assert (await client.reply()).body == b"56789"
    client = await start(kit)
    await (await origin.nth(2)).send(fresh(b"whole"))
    assert (await client.reply()).body == b"whole"


async def test_a_purge_covers_what_was_combined_however_new_its_newer_part_is(start_kit):
    kit = await start_kit()
    kit.origin.answer("/a", [a_part(b"01234", 0, 10, TAG), a_part(b"56789", 5, 10, TAG), fresh(b"new")])
    await kit.get("/a", "Range: bytes=0-4")
    await purge(kit, "/other")
    await kit.get("/a", "Range: bytes=5-9")
    assert (await kit.get("/a")).hit
    await purge(kit)
    assert (await kit.get("/a")).body == b"new"


async def test_ranges_while_the_whole_is_missing_do_not_fill_the_store_with_the_whole(kit):
    """The origin ignored the range: its 200 is the whole, and is stored as that."""
    kit.origin.answer("/a", fresh(TEN, TAG))
    reply = await kit.get("/a", "Range: bytes=2-4")
    assert (reply.status, reply.body) == (200, TEN)
    assert (await kit.get("/a", "Range: bytes=2-4")).body == b"234"
    assert len(kit.origin.seen) == 1
