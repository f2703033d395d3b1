"""How long is a response fresh, how old is it, and on which terms may it be used (RFC 9111 4.2)? Arithmetic over edge time; nothing here
reads a clock.

Everything is derived from the fields as they are stored, so that a response that is read from disk, perhaps under another profile, comes to
what it would have come to when it arrived.
"""

from __future__ import annotations

from math import floor, inf
from typing import NamedTuple

from edgecache.caching.directives import Directives, response_directives
from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.rules import Rule
from edgecache.caching.stored import PLAIN_TERMS, ReuseTerms, StoredResponse, soft_cover
from edgecache.caching.verdict import CLEAN, SoftCovered, Verdict
from edgecache.semantics.cache_control import CacheControl, delta_seconds
from edgecache.semantics.dates import parse_http_date
from edgecache.semantics.fields import list_members
from edgecache.semantics.message import Fields, first, values

# Status codes that may be stored without explicit freshness (RFC 9110 15.1).
HEURISTIC_STATUSES = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})
# What a rule may force into the store: these, and redirects that are for now only.
FORCIBLE_STATUSES = HEURISTIC_STATUSES | {302, 303, 307}

# Directives of a response that forbid a shared cache to use it stale (RFC 9111 4.2.4, 5.2.2.2, 5.2.2.8, 5.2.2.10).
_FORBID_STALE = (b"must-revalidate", b"proxy-revalidate", b"s-maxage")


class Derived(NamedTuple):
    """What a response comes to in the store. `source` says where the lifetime is from, or what is wrong with it."""

    lifetime_s: float
    initial_age_s: float
    terms: ReuseTerms
    source: Reason


class Freshness(NamedTuple):
    """How a stored response stands at one moment, in whole seconds as fields say it.

    age_s  for Age (RFC 9111 5.1)
    ttl_s  for the ttl of Cache-Status (RFC 9211 2.4): what is left of its lifetime, negative once that is over
    """

    age_s: int
    ttl_s: int


def derive(
    fields: Fields,
    status: int,
    profile: Profile,
    rule: Rule | None = None,
    *,
    request_time: float,
    response_time: float,
    offset_s: float,
) -> Derived:
    """Lifetime, age and terms of a response that is stored with these fields, by the profile and the rule in force now.

    Times and offset as in StoredResponse. A response without a lifetime has one of 0 s.
    """
    directives = response_directives(fields, profile)
    lifetime_s, source = freshness_lifetime(fields, status, directives, profile, rule, response_time, offset_s)
    forced = source is Reason.RULE_FORCED
    return Derived(
        lifetime_s or 0.0,
        initial_age(fields, request_time, response_time, offset_s),
        PLAIN_TERMS if forced else reuse_terms(directives.cache_control),
        source,
    )


def freshness_lifetime(
    fields: Fields,
    status: int,
    directives: Directives,
    profile: Profile,
    rule: Rule | None,
    response_time: float,
    offset_s: float,
) -> tuple[float | None, Reason]:
    """For how many seconds from its generation is a response fresh in a shared cache, and what says so (RFC 9111 4.2.1)?

    A rule that forces; then the first that is there of s-maxage, max-age, and Expires less Date; then, for the status codes that allow it,
    a rule's ttl and heuristics; None when nothing says so. A directive that is not valid counts as already expired rather than making room
    for the next. `response_time` is edge time when the head arrived, `offset_s` the clock's offset then: an Expires without a valid Date is
    held against it, after the origin's date was moved into edge time.
    """
    if is_forced(rule, status):
        assert rule is not None
        return rule.ttl_s, Reason.RULE_FORCED
    cache_control = directives.cache_control
    for directive, reason in ((b"s-maxage", Reason.S_MAXAGE), (b"max-age", Reason.MAX_AGE)):
        if directive in cache_control:
            seconds = delta_seconds(cache_control[directive])
            return (0.0, Reason.INVALID_FRESHNESS) if seconds is None else (float(seconds), reason)
    origin_now = response_time - offset_s
    expires = None if directives.targeted else first(fields, b"expires")
    if expires is not None:
        expiry = parse_http_date(expires, origin_now)
        if expiry is None:
            return 0.0, Reason.INVALID_FRESHNESS
        generated = _date(fields, origin_now)
        return max(0.0, expiry - (origin_now if generated is None else generated)), Reason.EXPIRES
    if status in HEURISTIC_STATUSES or b"public" in cache_control:
        if rule is not None and rule.ttl_s is not None:
            return rule.ttl_s, Reason.RULE_TTL
        heuristic_s = _heuristic_lifetime(fields, profile, origin_now)
        if heuristic_s is not None:
            return heuristic_s, Reason.HEURISTIC
    return None, Reason.NO_EXPLICIT_FRESHNESS


def is_forced(rule: Rule | None, status: int) -> bool:
    """Does a rule have responses with this status stored whatever they say themselves?"""
    return rule is not None and rule.force and rule.ttl_s is not None and status in FORCIBLE_STATUSES


def reuse_terms(cache_control: CacheControl) -> ReuseTerms:
    """On which terms may a shared cache use a response with these directives? Windows without a valid number of seconds are none."""
    must_validate = cache_control.unqualified(b"no-cache")
    sie_s = delta_seconds(cache_control.get(b"stale-if-error"))
    return ReuseTerms(
        must_validate,
        must_validate or any(directive in cache_control for directive in _FORBID_STALE),
        float(delta_seconds(cache_control.get(b"stale-while-revalidate")) or 0),
        None if sie_s is None else float(sie_s),
    )


def initial_age(fields: Fields, request_time: float, response_time: float, offset_s: float) -> float:
    """How old was a response when its head arrived, in seconds: corrected_initial_age (RFC 9111 4.2.3)?

    Times are edge time; their difference is the response delay, which is to be real time: whoever takes them keeps a moved clock out of it.
    Never negative: a Date in the future is no apparent age. Age counts by its first member, and not at all when that is not a number
    of seconds (RFC 9111 5.1 asks to ignore it; older tests of caches want such a response stale). Without a valid Date only Age and the
    delay count.
    """
    generated = _date(fields, response_time - offset_s)
    apparent_age = 0.0 if generated is None else max(0.0, response_time - offset_s - generated)
    corrected_age = _age(fields) + max(0.0, response_time - request_time)
    return max(apparent_age, corrected_age)


def current_age(stored: StoredResponse, now: float) -> float:
    """Seconds since the origin generated or validated `stored` (RFC 9111 4.2.3). `now` is edge time. Never negative."""
    return stored.initial_age_s + max(0.0, now - stored.response_time)


def staleness(stored: StoredResponse, soft: SoftCovered | None, now: float) -> float:
    """For how many seconds has `stored` been stale, at edge time `now`? Not positive while it is fresh.

    Since its expiry or the first soft purge, whichever was first; both windows for stale use count from there, and a later soft purge
    extends none. Infinite when that, or its arrival, lies in the future because the clock was moved back: its windows are used up.
    """
    if now < stored.response_time or (soft is not None and now < soft.since):
        return inf
    expiry = stored.response_time + stored.lifetime_s - stored.initial_age_s
    return now - (expiry if soft is None else min(expiry, soft.since))


def freshness(stored: StoredResponse, verdict: Verdict, now: float) -> Freshness:
    """Age and ttl of `stored` at edge time `now`. A soft purge ends the lifetime at the purge; both change at the same moment otherwise."""
    age_s = floor(current_age(stored, now))
    ttl_s = floor(stored.lifetime_s) - age_s
    soft = None if verdict is CLEAN and stored.soft_since is None else soft_cover(stored, verdict)
    if soft is not None:
        ttl_s = min(ttl_s, -floor(max(0.0, now - soft.since)))
    return Freshness(age_s, ttl_s)


def _heuristic_lifetime(fields: Fields, profile: Profile, origin_now: float) -> float | None:
    """RFC 9111 4.2.2: a fraction of the time between Last-Modified and Date; None when either is no date, or they are not in that order."""
    value = first(fields, b"last-modified")
    modified = None if value is None else parse_http_date(value, origin_now)
    if modified is None:
        return None
    generated = _date(fields, origin_now)
    since = (origin_now if generated is None else generated) - modified
    return min(since * profile.heuristic_fraction, profile.heuristic_cap_s) if since > 0 else None


def _date(fields: Fields, origin_now: float) -> float | None:
    """The Date of a response, by the origin's clock; None when it is absent or none."""
    value = first(fields, b"date")
    return None if value is None else parse_http_date(value, origin_now)


def _age(fields: Fields) -> int:
    members = list_members(values(fields, b"age"))
    return (delta_seconds(members[0]) or 0) if members else 0
