"""What a stored response comes to as the answer to one request (RFC 9110 13.2.2, 14)."""

from __future__ import annotations

import pytest
from cachingkit import fields, request, stored
from hypothesis import given
from hypothesis import strategies as st

from edgecache.caching.answer import WHOLE, Multipart, NotModified, Partial, Unsatisfiable, answer_from_store, can_answer
from edgecache.caching.stored import Part, StoredResponse

ETAG = 'ETag: "a"'
TYPE = "Content-Type: text/plain"
BOUNDARY = b"between"


def part(first: int, last: int, complete_length: int | None, *lines: str) -> StoredResponse:
    return stored(ETAG, *lines, status=206, part=Part(first, last, complete_length), length=last - first + 1)


@pytest.mark.parametrize(
    "asked, found",
    [
        ([], "whole"),
        (["Range: bytes=0-4"], (0, 5)),
        (["Range: bytes=5-"], (5, 5)),
        (["Range: bytes=-3"], (7, 3)),
        (["Range: bytes=0-99"], (0, 10)),
        (["Range: bytes=0-1, 2-3"], (0, 4)),  # coalesced
        (["Range: bytes=20-30, 3-4"], (3, 2)),  # what is beyond the end does not count
        (["Range: bytes=10-"], "unsatisfiable"),
        (["Range: bytes=-0"], "unsatisfiable"),
        # a Range that is not understood is ignored (RFC 9110 14.2)
        (["Range: items=0-4"], "whole"),
        (["Range: bytes=4-0"], "whole"),
        (["Range: bytes=0-4", "Range: bytes=5-9"], "whole"),
        (["Range: bytes=" + ", ".join(f"{2 * n}-{2 * n}" for n in range(5))], "multipart"),
        (["Range: bytes=" + ",".join(["0-0"] * 16)], (0, 1)),
        (["Range: bytes=" + ",".join(["0-0"] * 17)], "whole"),
        # If-Range
        (["Range: bytes=0-4", 'If-Range: "a"'], (0, 5)),
        (["Range: bytes=0-4", 'If-Range: "b"'], "whole"),
        (["Range: bytes=0-4", 'If-Range: W/"a"'], "whole"),
        (["Range: bytes=10-", 'If-Range: "b"'], "whole"),
        (['If-Range: "b"'], "whole"),
        # preconditions come first
        (['If-None-Match: "a"', "Range: bytes=0-4"], "304"),
        (['If-None-Match: "b"', "Range: bytes=0-4"], (0, 5)),
        (['If-None-Match: "a"', "Range: bytes=10-"], "304"),
    ],
)
def test_of_a_whole_response(asked: list[str], found: object) -> None:
    got = answer_from_store(request(*asked), stored(ETAG, TYPE, "Cache-Control: max-age=60"), BOUNDARY)
    match got:
        case Partial(offset=offset, length=length):
            assert (offset, length) == found
        case Multipart():
            assert found == "multipart"
        case Unsatisfiable():
            assert found == "unsatisfiable"
        case NotModified():
            assert found == "304"
        case _:
            assert found == "whole"


def test_head_has_no_ranges() -> None:
    assert answer_from_store(request("Range: bytes=0-4", method=b"HEAD"), stored(), BOUNDARY) is WHOLE


@pytest.mark.parametrize("status", [404, 301, 203])
def test_only_a_200_has_ranges_and_304s(status: int) -> None:
    own = stored(ETAG, status=status)
    assert answer_from_store(request("Range: bytes=0-4"), own, BOUNDARY) is WHOLE
    assert answer_from_store(request('If-None-Match: "a"'), own, BOUNDARY) is WHOLE


def test_of_empty_content() -> None:
    own = stored(length=0)
    assert isinstance(answer_from_store(request("Range: bytes=0-"), own, BOUNDARY), Unsatisfiable)
    assert answer_from_store(request("Range: bytes=-5"), own, BOUNDARY) is WHOLE
    assert isinstance(answer_from_store(request("Range: bytes=-0"), own, BOUNDARY), Unsatisfiable)


def test_fields_of_a_part() -> None:
    own = stored(TYPE, "Content-Length: 10", ETAG, "Cache-Control: max-age=60", "A: 1")
    got = answer_from_store(request("Range: bytes=2-4"), own, BOUNDARY)
    assert got == Partial(fields(TYPE, ETAG, "Cache-Control: max-age=60", "A: 1", "Content-Range: bytes 2-4/10"), 2, 3)


def test_fields_of_a_416_make_nobody_store_it() -> None:
    own = stored(TYPE, "Content-Length: 10", ETAG, "Cache-Control: max-age=60", "Expires: {60}", "Date: {0}")
    got = answer_from_store(request("Range: bytes=10-"), own, BOUNDARY)
    assert got == Unsatisfiable(fields(ETAG, "Date: {0}", "Content-Range: bytes */10"))


def test_several_parts() -> None:
    own = stored(TYPE, "Content-Length: 10", ETAG)
    got = answer_from_store(request("Range: bytes=7-8,0-1"), own, BOUNDARY)
    assert isinstance(got, Multipart)
    assert got.fields == fields(ETAG, "Content-Type: multipart/byteranges; boundary=between")
    content = b"0123456789"
    written = b"".join(piece if isinstance(piece, bytes) else content[piece[0] : piece[0] + piece[1]] for piece in got.pieces)
    assert written == (
        b"--between\r\nContent-Type: text/plain\r\nContent-Range: bytes 7-8/10\r\n\r\n78"
        b"\r\n--between\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01"
        b"\r\n--between--\r\n"
    )
    assert got.length == len(written)


def test_several_parts_of_no_known_type() -> None:
    got = answer_from_store(request("Range: bytes=0-1,7-8"), stored(), BOUNDARY)
    assert isinstance(got, Multipart)
    assert got.pieces[0] == b"--between\r\nContent-Range: bytes 0-1/10\r\n\r\n"


@pytest.mark.parametrize(
    "asked, held, can",
    [
        (["Range: bytes=4-9"], (4, 9, 10), True),
        (["Range: bytes=5-7"], (4, 9, 10), True),
        (["Range: bytes=4-"], (4, 9, 10), True),
        (["Range: bytes=-2"], (4, 9, 10), True),
        (["Range: bytes=8-99"], (4, 9, 10), True),
        (["Range: bytes=4-4, 6-7"], (4, 9, 10), True),
        (["Range: bytes=10-"], (4, 9, 10), True),  # of nothing
        (["Range: bytes=3-9"], (4, 9, 10), False),
        (["Range: bytes=4-5, 0-0"], (4, 9, 10), False),
        (["Range: bytes=-7"], (4, 9, 10), False),
        (["Range: bytes=0-"], (0, 4, 10), False),
        ([], (4, 9, 10), False),
        (["Range: items=4-9"], (4, 9, 10), False),
        (["Range: bytes=5-7", 'If-Range: "a"'], (4, 9, 10), True),
        (["Range: bytes=5-7", 'If-Range: "b"'], (4, 9, 10), False),  # it wants the whole
        (["Range: bytes=" + ",".join(["5-5"] * 17)], (4, 9, 10), False),
        # nobody said how long the whole is
        (["Range: bytes=5-7"], (4, 9, None), True),
        (["Range: bytes=5-10"], (4, 9, None), False),
        (["Range: bytes=5-"], (4, 9, None), False),
        (["Range: bytes=-1"], (4, 9, None), False),
    ],
)
def test_what_a_part_can_answer(asked: list[str], held: tuple[int, int, int | None], can: bool) -> None:
    assert can_answer(request(*asked), part(*held)) is can


def test_head_wants_the_length_of_the_whole() -> None:
    assert not can_answer(request("Range: bytes=5-7", method=b"HEAD"), part(4, 9, 10))


@pytest.mark.parametrize(
    "asked, held, content_range, offset, length",
    [
        ("bytes=5-7", (4, 9, 10), "bytes 5-7/10", 1, 3),
        ("bytes=-2", (4, 9, 10), "bytes 8-9/10", 4, 2),
        ("bytes=5-7", (4, 9, None), "bytes 5-7/*", 1, 3),
    ],
)
def test_of_a_part(asked: str, held: tuple[int, int, int | None], content_range: str, offset: int, length: int) -> None:
    got = answer_from_store(request(f"Range: {asked}"), part(*held), BOUNDARY)
    assert got == Partial(fields(ETAG, f"Content-Range: {content_range}"), offset, length)


def test_a_304_of_a_part() -> None:
    got = answer_from_store(request("Range: bytes=5-7", 'If-None-Match: "a"'), part(4, 9, 10), BOUNDARY)
    assert got == NotModified(fields(ETAG))


def test_nothing_satisfiable_of_a_part() -> None:
    got = answer_from_store(request("Range: bytes=10-"), part(4, 9, 10), BOUNDARY)
    assert got == Unsatisfiable(fields(ETAG, "Content-Range: bytes */10"))


SPEC = st.one_of(
    st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda one: f"{min(one)}-{max(one)}"),
    st.integers(0, 30).map(lambda first: f"{first}-"),
    st.integers(0, 30).map(lambda count: f"-{count}"),
)


@given(st.lists(SPEC, min_size=1, max_size=6), st.integers(1, 25), st.data())
def test_the_bytes_are_those_that_were_asked_for(specs: list[str], complete_length: int, data: st.DataObject) -> None:
    """Against the plainest reading: each member by itself, as a slice of the whole."""
    whole = bytes(range(65, 65 + complete_length))
    first = data.draw(st.integers(0, complete_length - 1))
    last = data.draw(st.integers(first, complete_length - 1))
    wanted: set[int] = set()
    for spec in specs:
        start, _, end = spec.partition("-")
        if start:
            wanted |= set(range(int(start), min(int(end) + 1 if end else complete_length, complete_length)))
        else:
            wanted |= set(range(max(0, complete_length - int(end)), complete_length))
    asked = request("Range: bytes=" + ", ".join(specs))
    held = part(first, last, complete_length) if (first, last) != (0, complete_length - 1) else stored(ETAG, length=complete_length)
    assert can_answer(asked, held) is (wanted <= set(range(first, last + 1)))
    if not can_answer(asked, held):
        return
    content = whole[first : last + 1]
    got = answer_from_store(asked, held, BOUNDARY)
    match got:
        case Partial(offset=offset, length=length):
            assert content[offset : offset + length] == bytes(whole[place] for place in sorted(wanted))
        case Multipart(pieces=pieces):
            spans = [piece for piece in pieces if not isinstance(piece, bytes)]
            assert {place for offset, length in spans for place in range(first + offset, first + offset + length)} == wanted
        case Unsatisfiable():
            assert not wanted
        case _:
            raise AssertionError(got)
