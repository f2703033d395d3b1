"""Variants (RFC 9111 4.1)."""

from __future__ import annotations

import pytest

from edgecache.caching.stored import Key, StoredResponse
from edgecache.caching.vary import Variant, vary_matches, vary_of
from edgecache.semantics.message import Fields, field


def fields(*lines: str) -> Fields:
    return [field(*(part.strip().encode() for part in line.split(":", 1))) for line in lines]


def stored(vary: Variant) -> StoredResponse:
    return StoredResponse(
        key=Key(b"http", b"h", b"/"),
        status=200,
        reason=b"OK",
        fields=[],
        vary=vary,
        body=(),
        request_time=0.0,
        response_time=0.0,
        offset_s=0.0,
        position=1,
        start=1,
        lifetime_s=60.0,
        initial_age_s=0.0,
    )


@pytest.mark.parametrize(
    "vary, asked, variant",
    [
        ([], ["Foo: 1"], ()),
        (["Vary:"], ["Foo: 1"], ()),
        (["Vary: Foo"], ["Foo: 1"], ((b"foo", b"1"),)),
        (["Vary: Foo"], [], ((b"foo", None),)),
        (["Vary: Foo"], ["Foo:"], ((b"foo", b""),)),
        (["Vary: Foo, Bar"], ["Foo: 1", "Bar: 2"], ((b"bar", b"2"), (b"foo", b"1"))),
        (["Vary: Foo", "Vary: bar,,FOO"], ["Foo: 1", "Bar: 2"], ((b"bar", b"2"), (b"foo", b"1"))),
        (["Vary: *"], ["Foo: 1"], None),
        (["Vary: *, *"], [], None),
        (["Vary: , *"], [], None),
        (["Vary: Foo, *"], [], None),
        (["Vary: *, Foo"], [], None),
        (["Vary:", "Vary: *"], [], None),
        (["Vary: Foo; Bar"], [], None),  # names no field: nobody knows what it keeps apart
        (["Vary: Foo Bar"], [], None),
    ],
)
def test_which_variant_a_response_is(vary: list[str], asked: list[str], variant: Variant | None) -> None:
    assert vary_of(fields(*vary), fields(*asked)) == variant


@pytest.mark.parametrize(
    "vary, first, second, same",
    [
        ("Foo", ["Foo: 1"], ["Foo: 1"], True),
        ("Foo", ["Foo: 1"], ["Foo: 2"], False),
        ("Foo", ["Foo: a"], ["Foo: A"], False),
        ("Foo", [], [], True),
        ("Foo", [], ["Foo: 1"], False),
        ("Foo", ["Foo: 1"], [], False),
        ("Foo", ["Foo:"], [], False),  # empty is not absent
        ("Foo", ["foo: 1"], ["FOO: 1", "Bar: 2"], True),
        ("Foo, Bar", ["Foo: 1", "Bar: 2"], ["Bar: 2", "Foo: 1"], True),
        ("Foo, Bar", ["Foo: 1"], ["Foo: 1", "Bar: 2"], False),
        # lines combine, white space around commas is nothing
        ("Foo", ["Foo: 1, 2"], ["Foo: 1", "Foo: 2"], True),
        ("Foo", ["Foo: 1,2"], ["Foo: 1 ,\t2"], True),
        ("Foo", ["Foo: 1, 2"], ["Foo: 2, 1"], False),
        ("Foo", ["Foo: 1"], ["Foo: 1, 1"], False),
        ("Foo", ["Foo: 1"], ["Foo: 1,"], False),
        ("Foo", ['Foo: "1, 2"'], ['Foo: "1,2"'], False),  # inside quotes it is something
        ("Foo", ["Foo: 1 2"], ["Foo: 12"], False),
        ("Accept-Encoding", ["Accept-Encoding: gzip, br"], ["Accept-Encoding: gzip,br"], True),
        # fields that are no lists tell users apart to the last byte
        ("Cookie", ["Cookie: a=1, 2"], ["Cookie: a=1,2"], False),
        ("Cookie", ["Cookie: a=1"], ["Cookie: a=1"], True),
        ("Authorization", ["Authorization: x a, b"], ["Authorization: x a,b"], False),
    ],
)
def test_same_variant(vary: str, first: list[str], second: list[str], same: bool) -> None:
    for one, other in ((first, second), (second, first)):
        variant = vary_of(fields(f"Vary: {vary}"), fields(*one))
        assert variant is not None
        assert vary_matches(stored(variant), fields(*other)) is same
