"""HTTP dates (RFC 9110 5.6.7), read strictly and written in the one preferred form.

The standard library's parsers accept what a cache has to reject: other zones, two-digit years without a comma, offsets. An `Expires` that
is no HTTP date means "already expired" (RFC 9111 5.3), so taking a bad one for a date would keep what the origin wanted gone.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")

_NUMBER_OF_MONTH = {name.lower(): number for number, name in enumerate(MONTHS, 1)}

_DAY = rb"(?:mon|tue|wed|thu|fri|sat|sun)"
_DAY_LONG = rb"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_MONTH = rb"(?P<month>" + b"|".join(MONTHS).lower() + rb")"
_TIME = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"

# RFC 9110 makes dates case-sensitive and RFC 9111 4.2 asks caches to read them without regard to case: the pattern is that of a cache.
_HTTP_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        _DAY + rb", (?P<day>[0-9]{2}) " + _MONTH + rb" (?P<year>[0-9]{4}) " + _TIME + rb" GMT",  # IMF-fixdate
        _DAY_LONG + rb", (?P<day>[0-9]{2})-" + _MONTH + rb"-(?P<year>[0-9]{2}) " + _TIME + rb" GMT",  # rfc850-date
        _DAY + rb" " + _MONTH + rb" (?P<day>[0-9]{2}| [0-9]) " + _TIME + rb" (?P<year>[0-9]{4})",  # asctime-date
    )
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_S = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()
_LATEST_S = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH).total_seconds()
_FIFTY_YEARS_S = 50 * 365.2425 * 86400


def parse_http_date(value: bytes, now: float) -> float | None:
    """Which moment does this HTTP date name, in seconds since the epoch? None when it is not one (RFC 9110 5.6.7).

    All three forms are read; GMT only (RFC 9111 4.2). A day of the week that does not fit the date is no error: the grammar does not relate
    them. `now`, in seconds since the epoch, places a two-digit year: more than 50 years ahead means the century before.
    """
    for form in _HTTP_DATES:
        found = form.fullmatch(value)
        if found is not None:
            break
    else:
        return None
    year, day = int(found["year"]), int(found["day"])
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"])
    if hour > 23 or minute > 59 or second > 60:
        return None
    # A leap second has no number of its own; a cache takes the nearest one before it (RFC 9111 4.2).
    moment = (_NUMBER_OF_MONTH[found["month"].lower()], day, hour, minute, min(second, 59))
    if len(found["year"]) == 2:
        return _near(year, moment, now)
    return _seconds(year, moment)


def format_http_date(seconds: float) -> bytes:
    """The moment as IMF-fixdate, fractions cut off. What lies outside the years 1 to 9999 becomes the nearest date that can be written."""
    whole = min(max(seconds, _EARLIEST_S), _LATEST_S) // 1
    moment = _EPOCH + timedelta(seconds=whole)
    return b"%b, %02d %b %04d %02d:%02d:%02d GMT" % (
        DAYS[moment.weekday()],
        moment.day,
        MONTHS[moment.month - 1],
        moment.year,
        moment.hour,
        moment.minute,
        moment.second,
    )


def _near(two_digits: int, moment: tuple[int, int, int, int, int], now: float) -> float | None:
    """`moment` in the latest year that ends in `two_digits` and is not more than 50 years after `now` (RFC 9110 5.6.7)."""
    century = (_EPOCH + timedelta(seconds=min(max(now, 0.0), _LATEST_S))).year // 100 * 100
    for year in (century + 100 + two_digits, century + two_digits, century - 100 + two_digits):
        seconds = _seconds(year, moment)
        if seconds is not None and seconds <= now + _FIFTY_YEARS_S:
            return seconds
    return None


def _seconds(year: int, moment: tuple[int, int, int, int, int]) -> float | None:
    """Seconds since the epoch of (month, day, hour, minute, second) in `year`; None when the calendar has no such day."""
    month, day, hour, minute, second = moment
    try:
        days = date(year, month, day).toordinal() - _EPOCH.toordinal()
    except ValueError:
        return None
    return float(((days * 24 + hour) * 60 + minute) * 60 + second)
