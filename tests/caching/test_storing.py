"""Which fields of an answer are stored (RFC 9111 3.1). What may be stored at all is in test_conclude."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cachingkit import NOW, fields, request

from edgecache.caching.storing import UNDERSTOOD_STATUSES, dated, is_shareable, storable_fields
from edgecache.profiles.standard import STANDARD
from edgecache.semantics.cache_control import parse_cache_control
from edgecache.semantics.message import values


@pytest.mark.parametrize(
    "lines, kept",
    [
        (["A: 1", "Set-Cookie: a=1", "Set-Cookie: b=2"], ["A: 1", "Set-Cookie: a=1", "Set-Cookie: b=2"]),
        (["Connection: a, b", "a: 1", "b: 2", "c: 3"], ["c: 3"]),
        (
            ["TE: x", "Upgrade: x", "Keep-Alive: x", "Proxy-Authenticate: x", "Proxy-Authentication-Info: x", "Transfer-Encoding: chunked"],
            [],
        ),
        (['Cache-Control: no-cache="a, b"', "a: 1", "B: 2", "c: 3"], ['Cache-Control: no-cache="a, b"', "c: 3"]),
        (
            ['Cache-Control: private="a"', 'Cache-Control: no-cache="b"', "a: 1", "b: 2"],
            ['Cache-Control: private="a"', 'Cache-Control: no-cache="b"'],
        ),
        (["Cache-Control: max-age=60", "a: 1"], ["Cache-Control: max-age=60", "a: 1"]),
        (["Age: 5", "Trailer: x"], ["Age: 5", "Trailer: x"]),
    ],
)
def test_storable_fields(lines: list[str], kept: list[str]) -> None:
    own = fields(*lines)
    assert storable_fields(own, parse_cache_control(values(own, b"cache-control")), STANDARD) == fields(*kept)


@pytest.mark.parametrize("set_cookie, kept", [("store", ["A: 1", "Set-Cookie: a=1"]), ("strip", ["A: 1"]), ("refuse", ["A: 1"])])
def test_cookies_are_kept_where_the_profile_has_it_so(set_cookie: str, kept: list[str]) -> None:
    profile = replace(STANDARD, set_cookie=set_cookie)
    assert storable_fields(fields("A: 1", "Set-Cookie: a=1"), parse_cache_control([]), profile) == fields(*kept)


@pytest.mark.parametrize("offset_s", [0.0, 3600.0])
def test_a_date_is_added_once(offset_s: float) -> None:
    added = dated(fields("A: 1"), NOW + offset_s, offset_s)
    assert added == fields("A: 1", "Date: {0}")
    assert dated(added, NOW + 50, 0.0) is added


@pytest.mark.parametrize(
    "cache_control, shareable",
    [("", False), ("max-age=60", False), ("public", True), ("must-revalidate", True), ("s-maxage=0", True), ("proxy-revalidate", False)],
)
def test_answers_to_authorization(cache_control: str, shareable: bool) -> None:
    directives = parse_cache_control([cache_control.encode()])
    assert is_shareable(request("Authorization: x"), directives) is shareable
    assert is_shareable(request(), directives)


def test_statuses_that_are_not_understood() -> None:
    assert UNDERSTOOD_STATUSES.isdisjoint({101, 103, 299, 304, 306, 418, 599})
