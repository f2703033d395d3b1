"""Lists in fields, and which fields end at this hop (RFC 9110 5.6.1, 7.6.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.semantics.fields import connection_options, end_to_end, is_token, list_members
from edgecache.semantics.message import Fields, field


def fields(*lines: str) -> Fields:
    return [field(*(part.strip().encode() for part in line.split(":", 1))) for line in lines]


@pytest.mark.parametrize(
    "lines, members",
    [
        ([], []),
        ([b""], []),
        ([b"a"], [b"a"]),
        ([b"a, b", b"c"], [b"a", b"b", b"c"]),
        ([b" ,a,,\tb ,"], [b"a", b"b"]),
        ([b'a, "b, c", d'], [b"a", b'"b, c"', b"d"]),
        ([rb'"a\", b", c'], [rb'"a\", b"', b"c"]),
        ([b'"a, b', b"c"], [b'"a, b', b"c"]),  # never closed: to the end of its own line
        ([b'W/"x,y" , *'], [b'W/"x,y"', b"*"]),
    ],
)
def test_list_members(lines: list[bytes], members: list[bytes]) -> None:
    assert list_members(lines) == members


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_members_are_never_empty_and_stripped(lines: list[bytes]) -> None:
    for member in list_members(lines):
        assert member == member.strip(b" \t") != b""


def test_connection_options_of_all_lines() -> None:
    assert connection_options(fields("Connection: Keep-Alive, UPGRADE", "Host: a", "Connection: x-foo")) == {
        b"keep-alive",
        b"upgrade",
        b"x-foo",
    }
    assert connection_options(fields("Host: a")) == set()


@pytest.mark.parametrize("value, token", [(b"a", True), (b"!#$%&'*+-.^_`|~09azAZ", True), (b"", False), (b"a b", False), (b"a:", False)])
def test_token(value: bytes, token: bool) -> None:
    assert is_token(value) is token


@pytest.mark.parametrize(
    "line",
    [
        "Connection: close",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: trailers",
        "Transfer-Encoding: chunked",
        "Upgrade: websocket",
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        "Proxy-Authorization: Basic Zm9vOmJhcg==",
        "Proxy-Authenticate: Basic",
        "Proxy-Authentication-Info: x",
        "kEEP-aLIVE: timeout=5",
    ],
)
def test_fields_of_this_hop_are_dropped(line: str) -> None:
    assert end_to_end(fields("Host: a", line, "Accept: */*")) == fields("Host: a", "Accept: */*")


@pytest.mark.parametrize(
    "connection, dropped",
    [
        ("x-foo", True),
        ("X-Foo", True),
        ("close, x-foo", True),
        ("close,,X-FOO ,", True),
        ("close", False),
        ("keep-alive", False),
        ("x-foobar", False),
    ],
)
def test_connection_names_further_fields(connection: str, dropped: bool) -> None:
    kept = end_to_end(fields(f"Connection: {connection}", "X-Foo: 1", "X-Bar: 2"))
    assert kept == (fields("X-Bar: 2") if dropped else fields("X-Foo: 1", "X-Bar: 2"))


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "Authorization",
        "Cookie",
        "Set-Cookie",
        "Cache-Control",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Anything",
        "Via",
        "Content-Length",
        "Content-Type",
        "Content-Encoding",
        "Age",
        "Date",
        "Expires",
        "ETag",
        "Last-Modified",
        "Location",
        "Vary",
        "Range",
        "If-None-Match",
        "Origin",
        "Sec-Fetch-Site",
        "Access-Control-Allow-Origin",
        "Accept",
        "Accept-Encoding",
    ],
)
def test_connection_cannot_take_away_what_is_for_everybody(name: str) -> None:
    assert end_to_end(fields(f"Connection: close, {name.lower()}", f"{name}: 1")) == fields(f"{name}: 1")


def test_trailer_and_order_and_repetition_stay() -> None:
    kept = ["Set-Cookie: a=1", "Trailer: x", "Set-Cookie: b=2"]
    assert end_to_end(fields("Connection: close", *kept)) == fields(*kept)


def test_the_same_list_when_there_is_nothing_to_drop() -> None:
    own = fields("Host: a", "Accept: */*")
    assert end_to_end(own) is own
    before = fields("Connection: close", "Host: a")
    end_to_end(before)
    assert before == fields("Connection: close", "Host: a")  # heads are values
