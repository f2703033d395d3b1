"""Byte ranges (RFC 9110 14)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.semantics.ranges import (
    ContentRange,
    Span,
    coalesced,
    format_content_range,
    format_unsatisfied,
    parse_content_range,
    parse_range,
    satisfiable,
)


@pytest.mark.parametrize(
    "value, specs",
    [
        (b"bytes=0-4", [(0, 4)]),
        (b"bytes=5-", [(5, None)]),
        (b"bytes=-5", [(None, 5)]),
        (b"bytes=-0", [(None, 0)]),
        (b"bytes=0-0,-1", [(0, 0), (None, 1)]),
        (b"bytes= 0-4 ,\t5-9", [(0, 4), (5, 9)]),
        (b"BYTES=0-4", [(0, 4)]),
        (b"bytes=0-4,,", [(0, 4)]),
        (b"bytes=007-009", [(7, 9)]),
        (b"bytes=0-" + b"9" * 500, [(0, 10**18)]),
        (b"bytes=" + b"9" * 500 + b"-", [(10**18, None)]),
        (b"bytes=9-5", None),
        (b"bytes=0-4, 9-5", None),
        (b"bytes=", None),
        (b"bytes=,", None),
        (b"bytes=-", None),
        (b"bytes=a-b", None),
        (b"bytes=0 - 4", None),
        (b"bytes=-5-9", None),
        (b"bytes=+1-4", None),
        (b"bytes 0-4", None),
        (b"items=0-4", None),
        (b"=0-4", None),
        (b"", None),
        (b"bytes=0-4, bytes=5-9", None),  # two lines of a field that has only one
        ("bytes=٠-٤".encode(), None),
    ],
)
def test_parse_range(value: bytes, specs: list[tuple[int | None, int | None]] | None) -> None:
    assert parse_range(value) == (None if specs is None else tuple(specs))


@pytest.mark.parametrize(
    "value, length, spans",
    [
        (b"bytes=0-4", 10, [(0, 4)]),
        (b"bytes=0-99", 10, [(0, 9)]),
        (b"bytes=5-", 10, [(5, 9)]),
        (b"bytes=9-", 10, [(9, 9)]),
        (b"bytes=10-", 10, []),
        (b"bytes=-3", 10, [(7, 9)]),
        (b"bytes=-99", 10, [(0, 9)]),
        (b"bytes=-0", 10, []),
        (b"bytes=0-", 0, []),
        (b"bytes=-5", 0, []),
        (b"bytes=20-30, 3-4, -1", 10, [(3, 4), (9, 9)]),
    ],
)
def test_satisfiable(value: bytes, length: int, spans: list[tuple[int, int]]) -> None:
    specs = parse_range(value)
    assert specs is not None
    assert satisfiable(specs, length) == [Span(*span) for span in spans]


@pytest.mark.parametrize(
    "spans, together",
    [
        ([(0, 4)], [(0, 4)]),
        ([(0, 4), (6, 9)], [(0, 4), (6, 9)]),
        ([(6, 9), (0, 4)], [(6, 9), (0, 4)]),  # the order of the request stays
        ([(0, 4), (5, 9)], [(0, 9)]),
        ([(0, 4), (2, 9)], [(0, 9)]),
        ([(2, 9), (0, 4)], [(0, 9)]),
        ([(0, 9), (2, 4)], [(0, 9)]),
        ([(8, 9), (0, 1), (2, 3)], [(8, 9), (0, 3)]),
        ([(0, 1), (8, 9), (2, 3)], [(0, 3), (8, 9)]),
        ([(2, 3), (8, 9), (0, 1)], [(0, 3), (8, 9)]),
        ([(5, 5), (5, 5), (5, 5)], [(5, 5)]),
    ],
)
def test_coalesced(spans: list[tuple[int, int]], together: list[tuple[int, int]]) -> None:
    assert coalesced([Span(*span) for span in spans]) == [Span(*span) for span in together]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda one: Span(one[0], one[0] + one[1])), max_size=8))
def test_coalesced_are_the_same_bytes(spans: list[Span]) -> None:
    together = coalesced(spans)
    assert {byte for span in together for byte in range(span.first, span.last + 1)} == {
        byte for span in spans for byte in range(span.first, span.last + 1)
    }
    ordered = sorted(together)
    assert all(one.last + 1 < other.first for one, other in pairwise(ordered))


@pytest.mark.parametrize(
    "value, found",
    [
        (b"bytes 0-4/10", (0, 4, 10)),
        (b"bytes 0-4/*", (0, 4, None)),
        (b"Bytes 0-4/10", (0, 4, 10)),
        (b"bytes 9-9/10", (9, 9, 10)),
        (b"bytes 0-9/10", (0, 9, 10)),
        (b"bytes 0-10/10", None),
        (b"bytes 5-4/10", None),
        (b"bytes */10", None),
        (b"bytes=0-4/10", None),
        (b"bytes 0-4", None),
        (b"bytes 0-4/10 ", None),
        (b"items 0-4/10", None),
        (b"bytes -4/10", None),
        (b"bytes 0-4/10, bytes 5-9/10", None),
        (b"bytes 0-" + b"9" * 19 + b"/*", None),
        (b"", None),
    ],
)
def test_parse_content_range(value: bytes, found: tuple[int, int, int | None] | None) -> None:
    assert parse_content_range(value) == (None if found is None else ContentRange(*found))


def test_what_is_written_is_read_back() -> None:
    assert format_content_range(Span(3, 7), 10) == b"bytes 3-7/10"
    assert parse_content_range(format_content_range(Span(3, 7), None)) == ContentRange(3, 7, None)
    assert format_unsatisfied(10) == b"bytes */10"


@given(st.binary(max_size=40))
def test_any_bytes_are_read(value: bytes) -> None:
    parse_range(value)
    parse_range(b"bytes=" + value)
    parse_content_range(b"bytes " + value)
