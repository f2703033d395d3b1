"""Durations and sizes as people write them."""

from __future__ import annotations

import pytest

from edgecache.config import ConfigError, parse_bytes, parse_duration

MIB = 1024 * 1024


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("5", 5.0),
        ("0", 0.0),
        ("0.25", 0.25),
        ("250ms", 0.25),
        ("5s", 5.0),
        ("5 s", 5.0),
        ("10m", 600.0),
        ("10min", 600.0),
        ("1h", 3600.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("2d", 172800.0),
        ("0.1s", 0.1),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "soon",
        "5x",
        "-5s",
        "+5s",
        "1h30",
        "1h,30m",
        "5 5s",
        "1e3",
        "nan",
        "inf",
        ".5s",
        "5.s",
        "٥s",
        "5s\n",
        "9" * 400,
        "9" * 400 + "s",
    ],
)
def test_no_durations(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a duration; write"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text, size",
    [
        ("0", 0),
        ("65536", 65536),
        ("64KiB", 65536),
        ("16 KiB", 16384),
        ("64mib", 64 * MIB),
        ("1.5MiB", 3 * MIB // 2),
        ("2GiB", 2048 * MIB),
        ("10MB", 10_000_000),
        ("7B", 7),
        ("0.0001KiB", 0),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "KiB", "64K", "64 Ki B", "-1", "1e6", "1KiB2", "0x10", "９KiB", "9" * 5000])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a size; write"):
        parse_bytes(text)
