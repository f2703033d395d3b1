"""Which fields of an answer are stored (RFC 9111 3.1). What may be stored at all is in test_conclude."""

from __future__ import annotations

import pytest

from edgecache.caching.storing import UNDERSTOOD_STATUSES, storable_fields
from edgecache.semantics.cache_control import parse_cache_control
from edgecache.semantics.message import Fields, field, values


def fields(*lines: str) -> Fields:
    return [field(*(part.strip().encode() for part in line.split(":", 1))) for line in lines]


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
    assert storable_fields(own, parse_cache_control(values(own, b"cache-control"))) == fields(*kept)


def test_statuses_that_are_not_understood() -> None:
    assert UNDERSTOOD_STATUSES.isdisjoint({101, 103, 206, 299, 304, 306, 418, 599})
