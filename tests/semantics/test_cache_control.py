"""Cache-Control as it is sent, not only as it should be (RFC 9111 5.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.semantics.cache_control import delta_seconds, parse_cache_control


@pytest.mark.parametrize(
    "lines, directives",
    [
        ([], {}),
        ([b""], {}),
        ([b"no-store"], {b"no-store": None}),
        ([b"public, max-age=60"], {b"public": None, b"max-age": b"60"}),
        ([b"public", b"max-age=60"], {b"public": None, b"max-age": b"60"}),
        ([b"MaX-AgE=60, PUBLIC"], {b"max-age": b"60", b"public": None}),
        ([b" , ,max-age=60 ,\t,"], {b"max-age": b"60"}),  # empty members
        ([b'max-age="60"'], {b"max-age": b"60"}),  # RFC 9111 5.2: both forms
        ([b"max-age='60'"], {b"max-age": b"'60'"}),  # but ' is no quote
        ([b'ext="max-age=60, no-store", max-age=1'], {b"ext": b"max-age=60, no-store", b"max-age": b"1"}),
        ([rb'ext="a\"b,c", public'], {b"ext": b'a"b,c', b"public": None}),
        ([b"max-age="], {b"max-age": b""}),
        # bent, and read as other caches read it
        ([b"max-age=60;"], {b"max-age": b"60"}),
        ([b"max-age=60; private"], {b"max-age": b"60", b"private": None}),
        ([b"max-age=60 private"], {b"max-age": b"60", b"private": None}),
        ([b"max-age= 60"], {b"max-age": b"", b"60": None}),
        ([b"max-age =60"], {b"max-age": None}),
        ([b"=60, @no-store, public"], {b"public": None}),  # what does not begin with a name says nothing
        ([b"max-age=60\xff, public"], {b"max-age": b"60", b"public": None}),
        # a quote that never closes swallows nothing
        ([b'ext="a, no-store'], {b"ext": b"", b"a": None, b"no-store": None}),
        ([b'max-age="60', b"public"], {b"max-age": b"", b"60": None, b"public": None}),
        # repeated: the first one
        ([b"max-age=60, max-age=5"], {b"max-age": b"60"}),
        ([b"max-age=5", b"max-age=60"], {b"max-age": b"5"}),
    ],
)
def test_directives(lines: list[bytes], directives: dict[bytes, bytes | None]) -> None:
    assert parse_cache_control(lines) == directives


@pytest.mark.parametrize(
    "lines, field_names, unqualified",
    [
        ([b"max-age=60"], (), False),
        ([b"private"], (), True),
        ([b'private="Set-Cookie"'], (b"set-cookie",), False),
        ([b'private="a, B ,,c"'], (b"a", b"b", b"c"), False),
        ([b"private=Set-Cookie"], (b"set-cookie",), False),  # the token form
        ([b'private="a"', b'private="b"'], (b"a", b"b"), False),  # lists add up
        ([b'private="a", private'], (), True),  # the unqualified form restricts more, wherever it stands
        ([b'private, private="a"'], (), True),
        ([b'private=""'], (), True),  # names nothing: meant for the whole
        ([b"private="], (), True),
        ([b'private="a b"'], (), True),  # no field name
        ([b'private="a'], (), True),
    ],
)
def test_qualified_forms(lines: list[bytes], field_names: tuple[bytes, ...], unqualified: bool) -> None:
    cache_control = parse_cache_control(lines)
    assert cache_control.field_names(b"private") == field_names
    assert cache_control.unqualified(b"private") is unqualified


@pytest.mark.parametrize(
    "value, seconds",
    [
        (b"0", 0),
        (b"60", 60),
        (b"003600", 3600),
        (b"2147483647", 2147483647),
        (b"2147483648", 2147483648),
        (b"2147483649", 2147483648),
        (b"99999999999", 2147483648),
        (b"9" * 10_000, 2147483648),
        (b"0" * 10_000 + b"5", 5),
        (None, None),
        (b"", None),
        (b"-60", None),
        (b"+60", None),
        (b"60.0", None),
        (b"6e1", None),
        (b"60s", None),
        (b"a60", None),
        (b"'60'", None),
        (b" 60", None),
        (b"1_000", None),
        ("٦٠".encode(), None),
    ],
)
def test_delta_seconds(value: bytes | None, seconds: int | None) -> None:
    assert delta_seconds(value) == seconds


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_no_bytes_raise(lines: list[bytes]) -> None:
    cache_control = parse_cache_control(lines)
    for name, argument in cache_control.items():
        assert name != b""
        assert name == name.lower()
        delta_seconds(argument)
        cache_control.field_names(name)


@given(st.lists(st.sampled_from([b'"', b"\\", b",", b";", b" ", b"=", b"a", b"no-store", b"\xff"]), max_size=30).map(b"".join))
def test_no_quoting_raises(line: bytes) -> None:
    parse_cache_control([line])


@given(st.text(st.sampled_from('ab"\\,= '), max_size=20))
def test_no_store_behind_anything_on_a_line_of_its_own_counts(line: str) -> None:
    assert b"no-store" in parse_cache_control([line.encode(), b"no-store"])
