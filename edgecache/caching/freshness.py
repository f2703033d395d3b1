"""How long is a response fresh, and how old is it (RFC 9111 4.2)? Plain arithmetic over edge time; nothing here reads a clock."""

from __future__ import annotations

from math import floor
from typing import NamedTuple

from edgecache.caching.reasons import Reason
from edgecache.caching.stored import StoredResponse
from edgecache.caching.verdict import SoftCovered, Verdict
from edgecache.semantics.cache_control import CacheControl, delta_seconds, parse_cache_control
from edgecache.semantics.dates import parse_http_date
from edgecache.semantics.fields import list_members
from edgecache.semantics.message import Fields, first, values

# Directives of a response that forbid a shared cache to use it stale (RFC 9111 4.2.4, 5.2.2.2, 5.2.2.4, 5.2.2.8, 5.2.2.10).
_FORBID_STALE = (b"must-revalidate", b"proxy-revalidate", b"s-maxage")


class Freshness(NamedTuple):
    """How a stored response stands at one moment, in whole seconds as fields say it.

    age_s  for Age (RFC 9111 5.1)
    ttl_s  for the ttl of Cache-Status (RFC 9211 2.4): what is left of its lifetime, negative once that is over
    """

    age_s: int
    ttl_s: int


def freshness_lifetime(fields: Fields, cache_control: CacheControl, response_time: float, offset_s: float) -> tuple[float | None, Reason]:
    """For how many seconds from its generation is a response fresh in a shared cache, and what says so (RFC 9111 4.2.1)?

    The first that is there of s-maxage, max-age, and Expires less Date; None when none is. One that is not valid counts as already expired
    rather than making room for the next. `response_time` is edge time when the head arrived, `offset_s` the clock's offset then: an Expires
    without a valid Date is held against it, after the origin's date was moved into edge time.
    """
    for directive, reason in ((b"s-maxage", Reason.S_MAXAGE), (b"max-age", Reason.MAX_AGE)):
        if directive in cache_control:
            seconds = delta_seconds(cache_control[directive])
            return (0.0, Reason.INVALID_FRESHNESS) if seconds is None else (float(seconds), reason)
    expires = first(fields, b"expires")
    if expires is None:
        return None, Reason.NO_EXPLICIT_FRESHNESS
    origin_now = response_time - offset_s
    expiry = parse_http_date(expires, origin_now)
    if expiry is None:
        return 0.0, Reason.INVALID_FRESHNESS
    generated = _date(fields, origin_now)
    return max(0.0, expiry - (origin_now if generated is None else generated)), Reason.EXPIRES


def initial_age(fields: Fields, request_time: float, response_time: float, offset_s: float) -> float:
    """How old was a response when its head arrived, in seconds: corrected_initial_age (RFC 9111 4.2.3)?

    Times are edge time; their difference is the response delay, which is to be real time: whoever takes them keeps a moved clock out of it.
    Never negative: a Date in the future is no apparent age. Age counts by its first member, and not at all when that is not a number
    of seconds (RFC 9111 5.1). Without a valid Date only Age and the delay count.
    """
    generated = _date(fields, response_time - offset_s)
    apparent_age = 0.0 if generated is None else max(0.0, response_time - offset_s - generated)
    corrected_age = _age(fields) + max(0.0, response_time - request_time)
    return max(apparent_age, corrected_age)


def current_age(stored: StoredResponse, now: float) -> float:
    """Seconds since the origin generated or validated `stored` (RFC 9111 4.2.3). `now` is edge time. Never negative."""
    return stored.initial_age_s + max(0.0, now - stored.response_time)


def freshness(stored: StoredResponse, verdict: Verdict, now: float) -> Freshness:
    """Age and ttl of `stored` at edge time `now`. A soft purge ends the lifetime at the purge; both change at the same moment otherwise."""
    age_s = floor(current_age(stored, now))
    ttl_s = floor(stored.lifetime_s) - age_s
    if isinstance(verdict, SoftCovered):
        ttl_s = min(ttl_s, -floor(max(0.0, now - verdict.since)))
    return Freshness(age_s, ttl_s)


def forbids_stale(fields: Fields) -> bool:
    """Do these response fields forbid a shared cache to use the response once it is stale (RFC 9111 4.2.4)?

    s-maxage does, since it implies proxy-revalidate (RFC 9111 5.2.2.10).
    """
    cache_control = parse_cache_control(values(fields, b"cache-control"))
    return any(directive in cache_control for directive in _FORBID_STALE) or cache_control.unqualified(b"no-cache")


def _date(fields: Fields, origin_now: float) -> float | None:
    """The Date of a response, by the origin's clock; None when it is absent or none."""
    value = first(fields, b"date")
    return None if value is None else parse_http_date(value, origin_now)


def _age(fields: Fields) -> int:
    members = list_members(values(fields, b"age"))
    return (delta_seconds(members[0]) or 0) if members else 0
