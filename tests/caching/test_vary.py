"""Variants (RFC 9111 4.1)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cachingkit import fields, stored

from edgecache.caching.stored import Variant
from edgecache.caching.vary import normalised_for_origin, vary_matches, vary_of
from edgecache.profiles.standard import STANDARD


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
    assert vary_of(fields(*vary), fields(*asked), STANDARD) == variant


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
        # codings: which of the known ones are taken
        ("Accept-Encoding", ["Accept-Encoding: gzip, br"], ["Accept-Encoding: gzip,br"], True),
        ("Accept-Encoding", ["Accept-Encoding: gzip, deflate, br"], ["Accept-Encoding: br;q=1, gzip;q=0.5"], True),
        ("Accept-Encoding", ["Accept-Encoding: gzip", "Accept-Encoding: br"], ["Accept-Encoding: br, gzip"], True),
        ("Accept-Encoding", ["Accept-Encoding: deflate"], ["Accept-Encoding: identity"], True),
        ("Accept-Encoding", ["Accept-Encoding: gzip"], ["Accept-Encoding: gzip, br"], False),
        ("Accept-Encoding", ["Accept-Encoding: gzip"], ["Accept-Encoding: gzip;q=0"], False),
        ("Accept-Encoding", ["Accept-Encoding: gzip"], [], False),
        ("Accept-Encoding", ["Accept-Encoding: identity"], [], False),
        # languages: case and white space say nothing
        ("Accept-Language", ["Accept-Language: en, de"], ["Accept-Language: eN,  De"], True),
        ("Accept-Language", ["Accept-Language: en;q=0.5"], ["Accept-Language: en ; q=0.5"], True),
        ("Accept-Language", ["Accept-Language: en", "Accept-Language: de"], ["Accept-Language: en,de"], True),
        ("Accept-Language", ["Accept-Language: en, de"], ["Accept-Language: de, en"], False),
        # fields that are no lists tell users apart to the last byte
        ("Cookie", ["Cookie: a=1, 2"], ["Cookie: a=1,2"], False),
        ("Cookie", ["Cookie: a=1"], ["Cookie: a=1"], True),
        ("Authorization", ["Authorization: x a, b"], ["Authorization: x a,b"], False),
    ],
)
def test_same_variant(vary: str, first: list[str], second: list[str], same: bool) -> None:
    for one, other in ((first, second), (second, first)):
        variant = vary_of(fields(f"Vary: {vary}"), fields(*one), STANDARD)
        assert variant is not None
        assert vary_matches(stored(vary=variant), fields(*other), STANDARD) is same


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("en, de", "de, EN", True),
        ("en;q=0.8, de", "de, en;q=0.8", True),
        ("en;q=0.8, de;q=0.9", "de;q=0.9, en;q=0.8", True),
        ("en;q=0.8, de;q=0.9", "de;q=0.8, en;q=0.9", False),
        ("en;q=0.8", "en;q=0.7", False),
        ("en;q=x, de", "de, en;q=x", True),
    ],
)
def test_languages_in_any_order_where_the_profile_has_it_so(one: str, other: str, same: bool) -> None:
    profile = replace(STANDARD, sorts_languages=True)
    variant = vary_of(fields("Vary: Accept-Language"), fields(f"Accept-Language: {one}"), profile)
    assert variant is not None
    assert vary_matches(stored(vary=variant), fields(f"Accept-Language: {other}"), profile) is same


@pytest.mark.parametrize(
    "asked, sent",
    [
        (["A: 1"], ["A: 1"]),
        (["Accept-Encoding: gzip"], ["Accept-Encoding: gzip"]),
        (["Accept-Encoding: gzip, deflate, br", "A: 1"], ["A: 1", "Accept-Encoding: br, gzip"]),
        (["Accept-Encoding: gzip", "A: 1", "Accept-Encoding: br"], ["A: 1", "Accept-Encoding: br, gzip"]),
        (["Accept-Encoding: deflate"], ["Accept-Encoding: identity"]),
        (["Accept-Encoding: gzip, identity;q=0"], ["Accept-Encoding: gzip, identity;q=0"]),
    ],
)
def test_what_the_origin_is_sent(asked: list[str], sent: list[str]) -> None:
    before = fields(*asked)
    after = normalised_for_origin(before)
    assert after == fields(*sent)
    assert normalised_for_origin(after) is after
    if asked == sent:
        assert after is before
    # and it is what variants are told apart by
    vary = fields("Vary: Accept-Encoding")
    assert vary_of(vary, before, STANDARD) == vary_of(vary, after, STANDARD)
