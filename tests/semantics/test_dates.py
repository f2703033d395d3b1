"""HTTP dates: what a cache takes for one, and what it writes (RFC 9110 5.6.7, RFC 9111 4.2)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.semantics.dates import format_http_date, parse_http_date


def at(year: int, month: int = 1, day: int = 1, hour: int = 0, minute: int = 0, second: int = 0) -> float:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()


NOW = at(2026, 6, 1)


@pytest.mark.parametrize(
    "value, moment",
    [
        (b"Sun, 06 Nov 1994 08:49:37 GMT", at(1994, 11, 6, 8, 49, 37)),  # IMF-fixdate
        (b"Sunday, 06-Nov-94 08:49:37 GMT", at(1994, 11, 6, 8, 49, 37)),  # RFC 850
        (b"Sun Nov  6 08:49:37 1994", at(1994, 11, 6, 8, 49, 37)),  # asctime, day with one digit
        (b"Wed Nov 16 08:49:37 1994", at(1994, 11, 16, 8, 49, 37)),  # asctime, day with two
        (b"Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        (b"Tue, 29 Feb 2028 12:00:00 GMT", at(2028, 2, 29, 12)),
        (b"Wed, 06 Nov 1994 08:49:37 GMT", at(1994, 11, 6, 8, 49, 37)),  # it was a Sunday: no matter
        (b"SUN, 06 nov 1994 08:49:37 gmt", at(1994, 11, 6, 8, 49, 37)),  # RFC 9111 4.2: caches do not look at case
        (b"Sat, 31 Dec 2016 23:59:60 GMT", at(2016, 12, 31, 23, 59, 59)),  # a leap second: the nearest moment before it
        (b"Fri, 31 Dec 9999 23:59:59 GMT", at(9999, 12, 31, 23, 59, 59)),
    ],
)
def test_it_is_a_date(value: bytes, moment: float) -> None:
    assert parse_http_date(value, NOW) == moment


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"0",
        b"-1",
        b"1994-11-06T08:49:37Z",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 06 Nov 1994 08:49:37 AEST",
        b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Nov 94 08:49:37 GMT",  # two digits only in the RFC 850 form
        b"Sun 06 Nov 1994 08:49:37 GMT",  # no comma
        b"Sun,06 Nov 1994 08:49:37 GMT",  # no space
        b"Sun, 06  Nov  1994 08:49:37 GMT",  # more than one space
        b"Sun, 06-Nov-1994 08:49:37 GMT",  # dashes
        b"Sun, 06 Nov 1994 08.49.37 GMT",  # full stops in the time
        b"Sun, 06 Nov 1994 8:49:37 GMT",  # hour with one digit
        b"Sun, 6 Nov 1994 08:49:37 GMT",  # day with one digit
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 Nov 1994 08:60:00 GMT",
        b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Mon, 31 Feb 2022 00:00:00 GMT",
        b"Tue, 29 Feb 2022 00:00:00 GMT",
        b"Sat, 01 Jan 0000 00:00:00 GMT",
        b"Foo, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 November 1994 08:49:37 GMT",
        b" Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT ",
        b"Sun, 06 Nov 1994 08:49:37 GMT\n",
        b"Sun, 06-Nov-94 08:49:37 GMT",  # RFC 850 spells the day out
        b"Sun Nov 6 08:49:37 1994",  # asctime pads the day
        b"Sun Nov  6 08:49:37 1994 GMT",
        b"Sun, \xd9\xa0\xd9\xa6 Nov 1994 08:49:37 GMT",  # digits, but not ASCII
    ],
)
def test_it_is_no_date(value: bytes) -> None:
    assert parse_http_date(value, NOW) is None


@pytest.mark.parametrize(
    "value, now, moment",
    [
        (b"Thursday, 18-Aug-50 02:01:18 GMT", at(2026), at(2050, 8, 18, 2, 1, 18)),
        (b"Thursday, 31-Dec-75 00:00:00 GMT", at(2026), at(2075, 12, 31)),  # not quite 50 years ahead
        (b"Friday, 31-Dec-76 00:00:00 GMT", at(2026), at(1976, 12, 31)),  # more than 50 years ahead: the century before
        (b"Friday, 31-Dec-99 00:00:00 GMT", at(2026), at(1999, 12, 31)),
        (b"Friday, 01-Jan-10 00:00:00 GMT", at(2095), at(2110)),
        (b"Tuesday, 29-Feb-00 00:00:00 GMT", at(2060), at(2000, 2, 29)),  # 2100 has no such day
    ],
)
def test_a_two_digit_year_is_at_most_fifty_years_ahead(value: bytes, now: float, moment: float) -> None:
    assert parse_http_date(value, now) == moment


def test_written_as_imf_fixdate() -> None:
    assert format_http_date(at(1994, 11, 6, 8, 49, 37)) == b"Sun, 06 Nov 1994 08:49:37 GMT"
    assert format_http_date(at(2026, 1, 2) + 0.999) == b"Fri, 02 Jan 2026 00:00:00 GMT"
    assert format_http_date(-0.5) == b"Wed, 31 Dec 1969 23:59:59 GMT"
    assert format_http_date(-1e18) == b"Mon, 01 Jan 0001 00:00:00 GMT"
    assert format_http_date(1e18) == b"Fri, 31 Dec 9999 23:59:59 GMT"


@given(st.integers(min_value=int(at(1)), max_value=int(at(9999, 12, 31))))
def test_what_is_written_is_read_back(seconds: int) -> None:
    assert parse_http_date(format_http_date(seconds), NOW) == seconds


@given(st.binary(max_size=40))
def test_no_bytes_raise(value: bytes) -> None:
    parse_http_date(value, NOW)
