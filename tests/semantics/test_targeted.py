"""CDN-Cache-Control and its like (RFC 9213)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.semantics.targeted import parse_targeted


@pytest.mark.parametrize(
    "lines, directives",
    [
        (["max-age=60"], {b"max-age": b"60"}),
        (["max-age=60, no-store"], {b"max-age": b"60", b"no-store": None}),
        (["max-age=60", "no-store"], {b"max-age": b"60", b"no-store": None}),
        (["max-age=60;a=b"], {b"max-age": b"60"}),
        (["max-age=60, max-age=5"], {b"max-age": b"5"}),  # of a dictionary the last counts
        (["max-age=-1"], {b"max-age": b"-1"}),  # the right type; that it is no age is for who uses it
        (["no-cache"], {b"no-cache": None}),
        (['no-cache="a, b"'], {b"no-cache": b"a, b"}),
        (['private="set-cookie", max-age=60'], {b"private": b"set-cookie", b"max-age": b"60"}),
        (["no-store=?0, max-age=60"], {b"max-age": b"60"}),
        (["no-store=?1"], {b"no-store": None}),
        # directives nobody knows may have any type
        (['ext="x", max-age=60'], {b"ext": b"x", b"max-age": b"60"}),
        (["ext=tok, other=1.5, list=(1 2), max-age=60"], {b"ext": b"tok", b"other": b"1.5", b"list": None, b"max-age": b"60"}),
        # absent, empty, or no dictionary: as if it were not there
        ([], None),
        ([""], None),
        (["  "], None),
        (["max-age=&1"], None),
        (["max-age=60,"], None),
        (["max-age=60; no-store=&"], None),
        (["MAX-AGE=60"], None),
        (["max-age = 60"], None),
        (["max-age=60, no-store", "!"], None),
        # a directive that everybody knows, of the wrong type
        (['max-age="60"'], None),
        (["max-age"], None),
        (["max-age=60.5"], None),
        (["max-age=sixty"], None),
        (["s-maxage=?1"], None),
        (["max-age=(60)"], None),
        (["no-store=1"], None),
        (["no-store=yes, max-age=60"], None),
        (["must-revalidate=tok"], None),
        (["no-cache=tok"], None),
        (["private=1"], None),
        (["max-age=60, stale-while-revalidate=x"], None),
    ],
)
def test_directives(lines: list[str], directives: dict[bytes, bytes | None] | None) -> None:
    assert parse_targeted([line.encode() for line in lines]) == directives


def test_field_lists() -> None:
    found = parse_targeted([b'no-cache="A, b", private'])
    assert found is not None
    assert found.field_names(b"no-cache") == (b"a", b"b")
    assert found.unqualified(b"private")


@given(st.lists(st.binary(max_size=30), max_size=3))
def test_any_bytes_are_read(lines: list[bytes]) -> None:
    parse_targeted(lines)
