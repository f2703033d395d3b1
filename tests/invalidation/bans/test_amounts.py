"""Durations and sizes in bans: what they come to, and their one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.invalidation.bans.amounts import format_duration, format_size, parse_duration, parse_size

SECOND = 1_000_000
LONGEST = 1000 * 365 * 86_400 * SECOND


@pytest.mark.parametrize(
    "text, microseconds, spelling",
    [
        ("0s", 0, "0s"),
        ("-0y", 0, "0s"),
        ("10s", 10 * SECOND, "10s"),
        ("010s", 10 * SECOND, "10s"),
        ("60s", 60 * SECOND, "1m"),
        ("90m", 5400 * SECOND, "90m"),
        ("24h", 86_400 * SECOND, "1d"),
        ("7d", 604_800 * SECOND, "1w"),
        ("365d", 31_536_000 * SECOND, "1y"),
        ("1.5h", 5400 * SECOND, "90m"),
        (".5s", 500_000, "500ms"),
        ("5.s", 5 * SECOND, "5s"),
        ("-1s", -SECOND, "-1s"),
        ("-1.5s", -1_500_000, "-1500ms"),
        ("250ms", 250_000, "250ms"),
        ("0.25ms", 250, "0.25ms"),
        ("-0.001ms", -1, "-0.001ms"),
        ("1000y", LONGEST, "1000y"),
    ],
)
def test_durations(text, microseconds, spelling):
    assert (parse_duration(text), format_duration(microseconds)) == (microseconds, spelling)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "10",
        "1S",
        "1min",
        "1h30m",
        "+1s",
        "1e3s",
        "1 s",
        ".s",
        "--1s",
        "1001y",
        "1" * 16 + "s",
        "9" * 5000 + "s",
        "٣s",
        "10s ",
        "1.2.3s",
    ],
)
def test_no_durations(text):
    assert parse_duration(text) is None


@given(st.integers(-LONGEST, LONGEST))
def test_a_duration_is_read_as_it_was_written(microseconds):
    assert parse_duration(format_duration(microseconds)) == microseconds


@pytest.mark.parametrize(
    "text, size_bytes, spelling",
    [
        ("0", 0, "0"),
        ("100", 100, "100"),
        ("100B", 100, "100"),
        ("1024b", 1024, "1KiB"),
        ("64KB", 65_536, "64KiB"),
        ("64k", 65_536, "64KiB"),
        ("64KiB", 65_536, "64KiB"),
        ("1.5M", 1_572_864, "1536KiB"),
        ("2gb", 2**31, "2GiB"),
        ("1T", 2**40, "1TiB"),
        ("500TB", 500 * 2**40, "500TiB"),
    ],
)
def test_sizes(text, size_bytes, spelling):
    assert (parse_size(text), format_size(size_bytes)) == (size_bytes, spelling)


@pytest.mark.parametrize("text", ["", "KB", "-1", "1e3", "1 KB", "1PB", "501TB", "1bb", "1bib", "1ib", "9" * 5000, "٣"])
def test_no_sizes(text):
    assert parse_size(text) is None


@given(st.integers(0, 500 * 2**40))
def test_a_size_is_read_as_it_was_written(size_bytes):
    assert parse_size(format_size(size_bytes)) == size_bytes
