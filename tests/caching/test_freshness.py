"""Freshness lifetime and age (RFC 9111 4.2)."""

from __future__ import annotations

import pytest
from cachingkit import NOW, fields, stored
from hypothesis import given
from hypothesis import strategies as st

from edgecache.caching.directives import response_directives
from edgecache.caching.freshness import (
    Derived,
    Freshness,
    current_age,
    derive,
    freshness,
    freshness_lifetime,
    initial_age,
    reuse_terms,
    staleness,
)
from edgecache.caching.reasons import Reason
from edgecache.caching.rules import Rule
from edgecache.caching.stored import PLAIN_TERMS, ReuseTerms, StoredResponse, soft_cover
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered, Verdict
from edgecache.profiles.standard import STANDARD
from edgecache.semantics.cache_control import parse_cache_control
from edgecache.semantics.message import Fields


def lifetime(own: Fields, offset_s: float = 0.0, status: int = 200) -> tuple[float | None, Reason]:
    return freshness_lifetime(own, status, response_directives(own, STANDARD), STANDARD, None, NOW + offset_s, offset_s)


@pytest.mark.parametrize(
    "lines, lifetime_s, reason",
    [
        # first s-maxage, then max-age, then Expires
        (["Cache-Control: max-age=60"], 60, Reason.MAX_AGE),
        (["Cache-Control: max-age=60, s-maxage=5"], 5, Reason.S_MAXAGE),
        (["Cache-Control: s-maxage=600, max-age=0", "Expires: {-10}"], 600, Reason.S_MAXAGE),
        (["Cache-Control: max-age=60", "Expires: {-10}"], 60, Reason.MAX_AGE),
        (["Cache-Control: max-age=60", "Expires: 0"], 60, Reason.MAX_AGE),
        (["Cache-Control: max-age=0", "Expires: {3600}"], 0, Reason.MAX_AGE),
        (["Cache-Control: max-age=99999999999"], 2**31, Reason.MAX_AGE),
        (["Cache-Control: max-age=60", "Cache-Control: max-age=5"], 60, Reason.MAX_AGE),
        (["Cache-Control: public"], None, Reason.NO_EXPLICIT_FRESHNESS),
        ([], None, Reason.NO_EXPLICIT_FRESHNESS),
        # invalid: expired, rather than the next in the row
        (["Cache-Control: max-age=-60"], 0, Reason.INVALID_FRESHNESS),
        (["Cache-Control: max-age=60.5", "Expires: {3600}"], 0, Reason.INVALID_FRESHNESS),
        (["Cache-Control: s-maxage=a, max-age=60"], 0, Reason.INVALID_FRESHNESS),
        (["Cache-Control: max-age"], 0, Reason.INVALID_FRESHNESS),
        (["Expires: 0", "Date: {0}"], 0, Reason.INVALID_FRESHNESS),
        (["Expires:"], 0, Reason.INVALID_FRESHNESS),
        # Expires less Date, both by the origin's clock
        (["Expires: {60}", "Date: {0}"], 60, Reason.EXPIRES),
        (["Expires: {60}", "Date: {-30}"], 90, Reason.EXPIRES),
        (["Expires: {300}", "Date: {400}"], 0, Reason.EXPIRES),
        (["Expires: {0}", "Date: {0}"], 0, Reason.EXPIRES),
        (["Expires: {-60}", "Date: {0}"], 0, Reason.EXPIRES),
        (["Expires: {60}"], 60, Reason.EXPIRES),  # without Date: from its arrival
        (["Expires: {60}", "Date: foo"], 60, Reason.EXPIRES),
        (["Expires: {60}", "Expires: {600}", "Date: {0}"], 60, Reason.EXPIRES),  # the first of two
        # a targeted field alone counts
        (["CDN-Cache-Control: max-age=5", "Cache-Control: s-maxage=60", "Expires: {600}"], 5, Reason.MAX_AGE),
        (["CDN-Cache-Control: s-maxage=5, max-age=7"], 5, Reason.S_MAXAGE),
        (["CDN-Cache-Control: public", "Cache-Control: max-age=60", "Expires: {600}"], None, Reason.NO_EXPLICIT_FRESHNESS),
        (["CDN-Cache-Control: max-age=x", "Cache-Control: max-age=60"], 60, Reason.MAX_AGE),
        # heuristics: a tenth of the time since the last modification, a day at the most
        (["Last-Modified: {-3600}", "Date: {0}"], 360, Reason.HEURISTIC),
        (["Last-Modified: {-3600}"], 360, Reason.HEURISTIC),
        (["Last-Modified: {-3600}", "Date: {400}"], 400, Reason.HEURISTIC),
        (["Last-Modified: {-8640000}", "Date: {0}"], 86400, Reason.HEURISTIC),
        (["Last-Modified: {0}", "Date: {0}"], None, Reason.NO_EXPLICIT_FRESHNESS),
        (["Last-Modified: {60}", "Date: {0}"], None, Reason.NO_EXPLICIT_FRESHNESS),
        (["Last-Modified: yesterday"], None, Reason.NO_EXPLICIT_FRESHNESS),
        (["Last-Modified: {-3600}", "Cache-Control: max-age=5"], 5, Reason.MAX_AGE),
        (["Last-Modified: {-3600}", "Expires: 0"], 0, Reason.INVALID_FRESHNESS),
    ],
)
def test_freshness_lifetime(lines: list[str], lifetime_s: float | None, reason: Reason) -> None:
    assert lifetime(fields(*lines)) == (lifetime_s, reason)


@pytest.mark.parametrize(
    "status, lines, reason",
    [
        *((status, [], Reason.HEURISTIC) for status in (200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501)),
        *((status, [], Reason.NO_EXPLICIT_FRESHNESS) for status in (201, 202, 302, 307, 400, 403, 500, 502, 503, 504, 599)),
        (599, ["Cache-Control: public"], Reason.HEURISTIC),
        (302, ["CDN-Cache-Control: public"], Reason.HEURISTIC),
    ],
)
def test_which_status_codes_have_heuristics(status: int, lines: list[str], reason: Reason) -> None:
    assert lifetime(fields("Last-Modified: {-3600}", *lines), status=status)[1] is reason


@pytest.mark.parametrize("lines", [["Last-Modified: {-3600}"], ["Last-Modified: {-3600}", "Date: {0}"]])
def test_a_moved_clock_leaves_heuristics_alone(lines: list[str]) -> None:
    assert lifetime(fields(*lines), offset_s=7200.0) == (360.0, Reason.HEURISTIC)


@pytest.mark.parametrize("lines", [["Expires: {60}"], ["Expires: {60}", "Date: {0}"], ["Expires: {60}", "Date: foo"]])
def test_a_moved_clock_leaves_the_lifetime_of_what_is_fetched_then(lines: list[str]) -> None:
    assert lifetime(fields(*lines), offset_s=3600.0) == (60.0, Reason.EXPIRES)


@pytest.mark.parametrize(
    "lines, delay_s, age_s",
    [
        ([], 0, 0),
        ([], 2, 2),  # the time that the answer took
        (["Date: {0}"], 0, 0),
        (["Date: {-10}"], 0, 10),  # apparent age
        (["Date: {-10}"], 2, 10),
        (["Date: {10}"], 0, 0),  # in the future: no age
        (["Date: foo"], 0, 0),
        (["Age: 30"], 0, 30),
        (["Age: 30"], 2, 32),
        (["Age: 30", "Date: {-10}"], 0, 30),  # the larger
        (["Age: 5", "Date: {-10}"], 1, 10),
        # Age: the first member, or nothing
        (["Age: 7200, 0"], 0, 7200),
        (["Age: 0,7200"], 0, 0),
        (["Age: 7200", "Age: 0"], 0, 7200),
        (["Age: 0", "Age: 7200"], 0, 0),
        (["Age: abc"], 0, 0),
        (["Age: -7200"], 0, 0),
        (["Age: 7200.0"], 0, 0),
        (["Age: 7200;foo=bar"], 0, 0),
        (["Age:"], 0, 0),
        (["Age: 99999999999"], 0, 2**31),
    ],
)
@pytest.mark.parametrize("offset_s", [0.0, 3600.0])
def test_initial_age(lines: list[str], delay_s: float, age_s: float, offset_s: float) -> None:
    assert initial_age(fields(*lines), NOW + offset_s - delay_s, NOW + offset_s, offset_s) == age_s


def aged(lifetime_s: float = 60.0, initial_age_s: float = 0.0, **differently: object) -> StoredResponse:
    return stored(lifetime_s=lifetime_s, initial_age_s=initial_age_s, **differently)


def test_age_grows_with_the_time_it_is_stored() -> None:
    assert current_age(aged(initial_age_s=30.0), NOW + 12.5) == 42.5
    assert current_age(aged(initial_age_s=30.0), NOW - 1000.0) == 30.0


@pytest.mark.parametrize(
    "lifetime_s, initial_age_s, after_s, verdict, age_s, ttl_s",
    [
        (60.0, 0.0, 0.0, CLEAN, 0, 60),
        (60.0, 0.0, 0.9, CLEAN, 0, 60),
        (60.0, 0.0, 1.0, CLEAN, 1, 59),  # Age and ttl change at the same moment
        (60.0, 30.5, 0.5, CLEAN, 31, 29),
        (60.7, 0.0, 59.9, CLEAN, 59, 1),
        (60.0, 0.0, 75.0, CLEAN, 75, -15),
        (60.0, 0.0, 20.0, SoftCovered(2, NOW + 10.0), 20, -10),  # over since the purge
        (60.0, 0.0, 20.0, SoftCovered(2, NOW + 30.0), 20, 0),
        (60.0, 0.0, 75.0, SoftCovered(2, NOW + 70.0), 75, -15),  # or since its expiry, whichever was first
    ],
)
def test_age_and_ttl(lifetime_s: float, initial_age_s: float, after_s: float, verdict: Verdict, age_s: int, ttl_s: int) -> None:
    assert freshness(aged(lifetime_s, initial_age_s), verdict, NOW + after_s) == Freshness(age_s, ttl_s)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_fresh_means_something_left(lifetime_s: float, initial_age_s: float, after_s: float) -> None:
    own = aged(lifetime_s, initial_age_s)
    found = freshness(own, CLEAN, NOW + after_s)
    if lifetime_s > current_age(own, NOW + after_s):
        assert found.ttl_s >= 0
    else:
        assert found.ttl_s <= 0


@pytest.mark.parametrize(
    "cache_control, terms",
    [
        ("", PLAIN_TERMS),
        ("max-age=60", PLAIN_TERMS),
        ("max-age=60, must-revalidate", ReuseTerms(forbids_stale=True)),
        ("max-age=60, proxy-revalidate", ReuseTerms(forbids_stale=True)),
        ("s-maxage=60", ReuseTerms(forbids_stale=True)),
        ("s-maxage=x", ReuseTerms(forbids_stale=True)),
        ("no-cache", ReuseTerms(must_validate=True, forbids_stale=True)),
        ('no-cache="set-cookie"', PLAIN_TERMS),
        ('ext="must-revalidate"', PLAIN_TERMS),
        ("stale-while-revalidate=30", ReuseTerms(swr_s=30.0)),
        ("stale-while-revalidate", PLAIN_TERMS),
        ("stale-while-revalidate=x", PLAIN_TERMS),
        ("stale-while-revalidate=99999999999", ReuseTerms(swr_s=float(2**31))),
        ("stale-if-error=30", ReuseTerms(sie_s=30.0)),
        ("stale-if-error=0", ReuseTerms(sie_s=0.0)),
        ("stale-if-error", PLAIN_TERMS),
        ("stale-if-error=x", PLAIN_TERMS),
    ],
)
def test_terms(cache_control: str, terms: ReuseTerms) -> None:
    assert reuse_terms(parse_cache_control([cache_control.encode()])) == terms


def test_what_is_derived_again_is_the_same() -> None:
    own = fields("Cache-Control: max-age=60, stale-if-error=5", "Age: 7", "Date: {0}")
    derived = derive(own, 200, STANDARD, request_time=NOW - 2, response_time=NOW, offset_s=0.0)
    assert derived == Derived(60.0, 9.0, ReuseTerms(sie_s=5.0), Reason.MAX_AGE)
    forced = derive(own, 200, STANDARD, Rule("/", ttl_s=5, force=True), request_time=NOW - 2, response_time=NOW, offset_s=0.0)
    assert forced == Derived(5, 9.0, PLAIN_TERMS, Reason.RULE_FORCED)
    none = derive(fields("Date: {0}"), 200, STANDARD, request_time=NOW, response_time=NOW, offset_s=0.0)
    assert none == Derived(0.0, 0.0, PLAIN_TERMS, Reason.NO_EXPLICIT_FRESHNESS)


@pytest.mark.parametrize(
    "lifetime_s, initial_age_s, soft_since, after_s, stale_for_s",
    [
        (60.0, 0.0, None, 0.0, -60.0),
        (60.0, 0.0, None, 60.0, 0.0),
        (60.0, 30.0, None, 60.0, 30.0),
        (60.0, 90.0, None, 0.0, 30.0),  # it was stale before it came
        (60.0, 0.0, 20.0, 30.0, 10.0),
        (60.0, 0.0, 70.0, 80.0, 20.0),  # since its expiry, which was first
        (60.0, 0.0, None, -1.0, float("inf")),
        (60.0, 0.0, 20.0, 10.0, float("inf")),
    ],
)
def test_staleness(lifetime_s: float, initial_age_s: float, soft_since: float | None, after_s: float, stale_for_s: float) -> None:
    soft = None if soft_since is None else SoftCovered(7, NOW + soft_since)
    assert staleness(aged(lifetime_s, initial_age_s), soft, NOW + after_s) == stale_for_s


@pytest.mark.parametrize(
    "written, verdict, position, together",
    [
        (None, CLEAN, -1, None),
        (None, HardCovered(7), -1, None),
        (None, SoftCovered(7, 10.0), -1, (7, 10.0)),
        ((5, 20.0), CLEAN, -1, (5, 20.0)),
        ((5, 20.0), SoftCovered(7, 30.0), -1, (7, 20.0)),
        ((5, 20.0), SoftCovered(7, 10.0), -1, (7, 20.0)),  # the clock was moved back in between: the first one counts all the same
        ((5, 20.0), SoftCovered(7, 30.0), 5, (7, 30.0)),
        ((5, 20.0), SoftCovered(7, 30.0), 7, None),
    ],
)
def test_soft_purges_together(
    written: tuple[int, float] | None, verdict: Verdict, position: int, together: tuple[int, float] | None
) -> None:
    own = aged() if written is None else aged(soft_position=written[0], soft_since=written[1])
    assert soft_cover(own, verdict, position) == (None if together is None else SoftCovered(*together))


def test_a_written_soft_purge_ends_the_ttl() -> None:
    assert freshness(aged(60.0, soft_position=7, soft_since=NOW + 10), CLEAN, NOW + 20.0) == Freshness(20, -10)
