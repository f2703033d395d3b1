"""Which requests a 304 answers, and what it carries (RFC 9110 13, 15.4.5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.semantics.conditional import fields_of_304, not_modified, validating
from edgecache.semantics.message import Fields, field


def fields(*lines: str) -> Fields:
    return [field(*(part.strip().encode("latin-1") for part in line.split(":", 1))) for line in lines]


MODIFIED = "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT"
SINCE = "If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT"
BEFORE = "If-Modified-Since: Wed, 31 Dec 2025 23:59:59 GMT"
AFTER = "If-Modified-Since: Thu, 01 Jan 2026 00:00:01 GMT"


@pytest.mark.parametrize(
    "asked, held, answer_is_304",
    [
        # no condition
        ([], ['ETag: "a"', MODIFIED], False),
        # If-None-Match: weak comparison, lists, *
        (['If-None-Match: "a"'], ['ETag: "a"'], True),
        (['If-None-Match: "b"'], ['ETag: "a"'], False),
        (['If-None-Match: W/"a"'], ['ETag: "a"'], True),
        (['If-None-Match: "a"'], ['ETag: W/"a"'], True),
        (['If-None-Match: W/"a"'], ['ETag: W/"a"'], True),
        (['If-None-Match: "A"'], ['ETag: "a"'], False),
        (['If-None-Match: "x", W/"y" ,"a"'], ['ETag: "a"'], True),
        (['If-None-Match: "x"', 'If-None-Match: "a"'], ['ETag: "a"'], True),
        (['If-None-Match: "x,a"'], ['ETag: "a"'], False),  # a comma inside a tag
        (['If-None-Match: "x,a"'], ['ETag: "x,a"'], True),
        (['If-None-Match: "x\\", "a"'], ['ETag: "a"'], True),  # a backslash escapes nothing
        (['If-None-Match: "ü"'], ['ETag: "ü"'], True),
        (['If-None-Match: ""'], ['ETag: ""'], True),
        (["If-None-Match: *"], ['ETag: "a"'], True),
        (["If-None-Match: *"], [], True),
        (['If-None-Match: "a"'], [], False),
        (["If-None-Match:"], ["ETag:"], False),
        (["If-None-Match: a"], ['ETag: "a"'], False),
        (['If-None-Match: "a'], ['ETag: "a"'], False),
        # If-None-Match alone counts when it is there
        (['If-None-Match: "b"', AFTER], ['ETag: "a"', MODIFIED], False),
        (['If-None-Match: "a"', BEFORE], ['ETag: "a"', MODIFIED], True),
        (["If-None-Match: rubbish", AFTER], [MODIFIED], False),
        # If-Modified-Since
        ([SINCE], [MODIFIED], True),
        ([AFTER], [MODIFIED], True),
        ([BEFORE], [MODIFIED], False),
        (["If-Modified-Since: Thursday, 01-Jan-26 00:00:00 GMT"], [MODIFIED, "Date: Fri, 02 Jan 2026 00:00:00 GMT"], True),
        (["If-Modified-Since: Thursday, 01-Jan-26 00:00:00 GMT"], [MODIFIED], True),
        (["If-Modified-Since: Thu Jan  1 00:00:00 2026"], [MODIFIED], True),
        (["If-Modified-Since: 1767225600"], [MODIFIED], False),
        (["If-Modified-Since: Thu, 01 Jan 2026 00:00:00 CET"], [MODIFIED], False),
        ([SINCE, SINCE], [MODIFIED], False),  # no single date
        ([SINCE], ["Last-Modified: yesterday"], False),
        ([SINCE], ["Date: Thu, 01 Jan 2026 00:00:00 GMT"], True),  # without Last-Modified, Date
        ([SINCE], ["Date: Thu, 01 Jan 2026 00:00:01 GMT"], False),
        ([SINCE], [], False),
    ],
)
def test_not_modified(asked: list[str], held: list[str], answer_is_304: bool) -> None:
    assert not_modified(fields(*asked), 200, fields(*held)) is answer_is_304


@pytest.mark.parametrize("status", [203, 204, 206, 301, 304, 404, 412, 500])
def test_only_a_200_becomes_a_304(status: int) -> None:
    assert not not_modified(fields("If-None-Match: *"), status, fields('ETag: "a"'))


@given(st.binary(max_size=40), st.binary(max_size=20))
def test_no_bytes_raise(asked: bytes, held: bytes) -> None:
    not_modified([field(b"If-None-Match", asked)], 200, [field(b"ETag", held)])
    not_modified([field(b"If-Modified-Since", asked)], 200, [field(b"Last-Modified", held), field(b"Date", held)])


def test_fields_of_a_304() -> None:
    stays = [
        "Date: Thu, 01 Jan 2026 00:00:00 GMT",
        'ETag: "a"',
        "Content-Location: /a",
        "Vary: Accept",
        "Cache-Control: max-age=60",
        "Expires: 0",
        "Set-Cookie: a=1",
        "Content-Security-Policy: default-src 'self'",
        "X-Own: 1",
    ]
    goes = [
        "Content-Length: 5",
        "Content-Type: text/html",
        "Content-Encoding: gzip",
        "Content-Language: en",
        "Content-Range: bytes 0-4/5",
        "Content-MD5: x",
        "Repr-Digest: x",
        MODIFIED,
    ]
    assert fields_of_304(fields(*stays, *goes)) == fields(*stays)


def test_last_modified_stays_where_it_is_the_only_validator() -> None:
    assert fields_of_304(fields(MODIFIED, "Content-Length: 5")) == fields(MODIFIED)


@pytest.mark.parametrize(
    "held, conditions",
    [
        ([], []),
        (['ETag: "a"'], ['If-None-Match: "a"']),
        (['ETag: W/"a"', MODIFIED], ['If-None-Match: W/"a"', SINCE]),
        ([MODIFIED], [SINCE]),
        (["ETag:", "Last-Modified:"], []),
        (["ETag: odd", "Last-Modified: yesterday"], ["If-None-Match: odd", "If-Modified-Since: yesterday"]),
    ],
)
def test_how_to_ask_whether_it_still_holds(held: list[str], conditions: list[str]) -> None:
    assert validating(fields(*held)) == fields(*conditions)
