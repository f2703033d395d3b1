"""Cache-Status as structured-field parsers read it (RFC 9211)."""

from __future__ import annotations

from typing import Any

import http_sf
import pytest

from edgecache.caching.cache_status import cache_status
from edgecache.caching.reasons import Reason


def parsed(value: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Members of a list: (name, parameters), tokens as text."""
    members: Any = http_sf.parse(value, tltype="list")
    return [
        (str(item), {key: str(own) if isinstance(own, http_sf.Token) else own for key, own in parameters.items()})
        for item, parameters in members
    ]


@pytest.mark.parametrize(
    "value, text, parameters",
    [
        (cache_status(Reason.FRESH, ttl_s=30), b"edgecache; hit; ttl=30; detail=fresh", {"hit": True, "ttl": 30, "detail": "fresh"}),
        (
            cache_status(Reason.STALE_ORIGIN_UNREACHABLE, ttl_s=-15),
            b"edgecache; hit; ttl=-15; detail=origin-unreachable",
            {"hit": True, "ttl": -15, "detail": "origin-unreachable"},
        ),
        (
            cache_status(Reason.NO_STORED_RESPONSE, fwd="uri-miss", fwd_status=200, stored=True),
            b"edgecache; fwd=uri-miss; fwd-status=200; stored; detail=no-stored-response",
            {"fwd": "uri-miss", "fwd-status": 200, "stored": True, "detail": "no-stored-response"},
        ),
        (
            cache_status(Reason.NO_STORE, fwd="stale", fwd_status=200),
            b"edgecache; fwd=stale; fwd-status=200; detail=no-store",
            {"fwd": "stale", "fwd-status": 200, "detail": "no-store"},
        ),
        (
            cache_status(Reason.EXPIRED, fwd="stale", fwd_status=304, ttl_s=60, stored=True),
            b"edgecache; fwd=stale; fwd-status=304; ttl=60; stored; detail=expired",
            {"fwd": "stale", "fwd-status": 304, "ttl": 60, "stored": True, "detail": "expired"},
        ),
        (
            cache_status(Reason.NO_STORED_RESPONSE, fwd="uri-miss", stored=True, collapsed=True),
            b"edgecache; fwd=uri-miss; stored; collapsed; detail=no-stored-response",
            {"fwd": "uri-miss", "stored": True, "collapsed": True, "detail": "no-stored-response"},
        ),
        (
            cache_status(Reason.PART_NOT_STORED, fwd="partial", fwd_status=206),
            b"edgecache; fwd=partial; fwd-status=206; detail=part-not-stored",
            {"fwd": "partial", "fwd-status": 206, "detail": "part-not-stored"},
        ),
        (
            cache_status(Reason.FRESH, ttl_s=0, key='http://h/a"\\?b=1'),
            b'edgecache; hit; ttl=0; key="http://h/a\\"\\\\?b=1"; detail=fresh',
            {"hit": True, "ttl": 0, "key": 'http://h/a"\\?b=1', "detail": "fresh"},
        ),
        (
            cache_status(Reason.FRESH, key="ä\r\n"),
            b'edgecache; hit; key="???"; detail=fresh',
            {"hit": True, "key": "???", "detail": "fresh"},
        ),
        (cache_status(Reason.METHOD, fwd="method"), b"edgecache; fwd=method; detail=method", {"fwd": "method", "detail": "method"}),
    ],
)
def test_value(value: bytes, text: bytes, parameters: dict[str, Any]) -> None:
    assert value == text
    assert parsed(value) == [("edgecache", parameters)]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_a_detail(reason: Reason) -> None:
    assert parsed(b"Origin; hit, " + cache_status(reason, fwd="miss"))[1] == ("edgecache", {"fwd": "miss", "detail": reason.token})
