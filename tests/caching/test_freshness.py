"""Freshness lifetime and age (RFC 9111 4.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.caching.freshness import Freshness, current_age, forbids_stale, freshness, freshness_lifetime, initial_age
from edgecache.caching.reasons import Reason
from edgecache.caching.stored import Key, StoredResponse
from edgecache.caching.verdict import CLEAN, SoftCovered, Verdict
from edgecache.semantics.cache_control import parse_cache_control
from edgecache.semantics.dates import format_http_date
from edgecache.semantics.message import Fields, field, values

NOW = 1_800_000_000.0  # when the response's head arrived, by the origin's clock


def fields(*lines: str) -> Fields:
    """Field lines; {-10} in one is the HTTP date ten seconds before NOW."""
    made = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.strip()
        if value.startswith("{"):
            value = format_http_date(NOW + int(value.strip("{}"))).decode()
        made.append(field(name.encode(), value.encode()))
    return made


def lifetime(own: Fields, offset_s: float = 0.0) -> tuple[float | None, Reason]:
    return freshness_lifetime(own, parse_cache_control(values(own, b"cache-control")), NOW + offset_s, offset_s)


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
        (["Last-Modified: {-3600}"], None, Reason.NO_EXPLICIT_FRESHNESS),
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
    ],
)
def test_freshness_lifetime(lines: list[str], lifetime_s: float | None, reason: Reason) -> None:
    assert lifetime(fields(*lines)) == (lifetime_s, reason)


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


def stored(lifetime_s: float = 60.0, initial_age_s: float = 0.0) -> StoredResponse:
    return StoredResponse(
        key=Key(b"http", b"h", b"/"),
        status=200,
        reason=b"OK",
        fields=[],
        vary=(),
        body=(),
        request_time=NOW,
        response_time=NOW,
        offset_s=0.0,
        position=1,
        start=1,
        lifetime_s=lifetime_s,
        initial_age_s=initial_age_s,
    )


def test_age_grows_with_the_time_it_is_stored() -> None:
    assert current_age(stored(initial_age_s=30.0), NOW + 12.5) == 42.5
    assert current_age(stored(initial_age_s=30.0), NOW - 1000.0) == 30.0


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
    assert freshness(stored(lifetime_s, initial_age_s), verdict, NOW + after_s) == Freshness(age_s, ttl_s)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_fresh_means_something_left(lifetime_s: float, initial_age_s: float, after_s: float) -> None:
    own = stored(lifetime_s, initial_age_s)
    found = freshness(own, CLEAN, NOW + after_s)
    if lifetime_s > current_age(own, NOW + after_s):
        assert found.ttl_s >= 0
    else:
        assert found.ttl_s <= 0


@pytest.mark.parametrize(
    "cache_control, forbidden",
    [
        ("", False),
        ("max-age=60", False),
        ("max-age=60, public, stale-if-error=5", False),
        ("max-age=60, must-revalidate", True),
        ("max-age=60, proxy-revalidate", True),
        ("s-maxage=60", True),
        ("no-cache", True),
        ('no-cache="set-cookie"', False),
        ('ext="must-revalidate"', False),
    ],
)
def test_forbids_stale(cache_control: str, forbidden: bool) -> None:
    assert forbids_stale(fields(f"Cache-Control: {cache_control}")) is forbidden
