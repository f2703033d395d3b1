"""Cache groups (RFC 9875)."""

from __future__ import annotations

import pytest
from cachingkit import fields
from hypothesis import given
from hypothesis import strategies as st

from edgecache.semantics.groups import groups_of, invalidated_groups
from edgecache.semantics.message import field


@pytest.mark.parametrize(
    "lines, groups",
    [
        ([], ()),
        ([""], ()),
        (['"scripts"'], ("scripts",)),
        (['"one", "two"'], ("one", "two")),
        (['"one"', '"two"'], ("one", "two")),
        (['"one", "one"'], ("one",)),
        (['"One", "one"'], ("One", "one")),
        (['"a, b"'], ("a, b",)),
        (['"a\\"b"'], ('a"b',)),
        (['"one";weight=2, "two"'], ("one", "two")),
        # not a list of strings: ignored as a whole
        (["one"], ()),
        (['"one", two'], ()),
        (['"one", 2'], ()),
        (['("one" "two")'], ()),
        (['"one'], ()),
        (['"one",'], ()),
        (['"ü"'], ()),
        (["?1"], ()),
    ],
)
def test_groups(lines: list[str], groups: tuple[str, ...]) -> None:
    assert groups_of(fields("A: 1", *(f"Cache-Groups: {line}" for line in lines))) == groups
    assert invalidated_groups(fields("A: 1", *(f"Cache-Group-Invalidation: {line}" for line in lines))) == groups


def test_many_and_long_ones() -> None:
    names = [f"group-{number}-" + "x" * 100 for number in range(64)]
    assert groups_of(fields("Cache-Groups: " + ", ".join(f'"{name}"' for name in names))) == tuple(names)


@given(st.binary(max_size=30))
def test_any_bytes_are_read(value: bytes) -> None:
    groups_of([field(b"Cache-Groups", value)])
