"""Validators (RFC 9110 8.8)."""

from __future__ import annotations

import pytest
from cachingkit import fields

from edgecache.semantics.validators import (
    has_validator,
    if_range_holds,
    is_strong,
    same_strongly,
    same_weakly,
    strong_last_modified,
)


@pytest.mark.parametrize(
    "etag, strong",
    [
        (b'"a"', True),
        (b'""', True),
        (b'"\xfc"', True),
        (b'"a\\"', True),
        (b'W/"a"', False),
        (b'w/"a"', False),
        (b"a", False),
        (b'"a', False),
        (b'"a" ', False),
        (b'"a b"', False),
        (b'"a", "b"', False),
        (b"", False),
        (None, False),
    ],
)
def test_strong(etag: bytes | None, strong: bool) -> None:
    assert is_strong(etag) is strong


@pytest.mark.parametrize(
    "one, other, strongly, weakly",
    [
        # the table of RFC 9110 8.8.3.2
        (b'W/"1"', b'W/"1"', False, True),
        (b'W/"1"', b'W/"2"', False, False),
        (b'W/"1"', b'"1"', False, True),
        (b'"1"', b'"1"', True, True),
        # what is no entity tag
        (b"1", b"1", False, True),
        (b"1", b'"1"', False, False),
        (b"", b"", False, False),
        (None, None, False, False),
        (b'"1"', None, False, False),
    ],
)
def test_comparison(one: bytes | None, other: bytes | None, strongly: bool, weakly: bool) -> None:
    for first, second in ((one, other), (other, one)):
        assert same_strongly(first, second) is strongly
        assert same_weakly(first, second) is weakly


@pytest.mark.parametrize(
    "lines, strong",
    [
        (["Last-Modified: {-1}", "Date: {0}"], True),
        (["Last-Modified: {0}", "Date: {0}"], False),
        (["Last-Modified: {5}", "Date: {0}"], False),
        (["Last-Modified: {-60}"], False),
        (["Date: {0}"], False),
        (["Last-Modified: yesterday", "Date: {0}"], False),
        (["Last-Modified: {-60}", "Date: now"], False),
    ],
)
def test_a_date_is_a_strong_validator_when_it_is_older_than_the_response(lines: list[str], strong: bool) -> None:
    own = fields(*lines)
    assert strong_last_modified(own) == (own[0][2] if strong else None)


ETAG = 'ETag: "a"'
OLD = ["Last-Modified: {-60}", "Date: {0}"]


@pytest.mark.parametrize(
    "if_range, held, holds",
    [
        ('"a"', [ETAG], True),
        ('"b"', [ETAG], False),
        ('W/"a"', [ETAG], False),
        ('"a"', ['ETag: W/"a"'], False),
        ('W/"a"', ['ETag: W/"a"'], False),  # strong comparison
        ('"a"', OLD, False),
        ("{-60}", OLD, True),
        ("{-60}", [*OLD, ETAG], True),
        ("{-59}", OLD, False),  # no later date either: it is exact
        ("{-61}", OLD, False),
        ("{0}", ["Last-Modified: {0}", "Date: {0}"], False),  # it could have changed within that second
        ("{-60}", [ETAG], False),
        ("rubbish", [ETAG, *OLD], False),
        ("", [], False),
    ],
)
def test_if_range(if_range: str, held: list[str], holds: bool) -> None:
    value = fields(f"If-Range: {if_range}")[0][2]
    assert if_range_holds(value, fields(*held)) is holds


def test_something_to_validate_with() -> None:
    assert has_validator(fields("A: 1", ETAG))
    assert has_validator(fields("Last-Modified: x"))
    assert not has_validator(fields("A: 1", "ETag:"))
