"""Durations and sizes in bans: numbers with a unit, as Varnish writes them."""

from __future__ import annotations

import re
from fractions import Fraction

# In microseconds, largest first. A year is 365 days, as in Varnish.
_DURATIONS = {
    "y": 365 * 86_400_000_000,
    "w": 7 * 86_400_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
}
# In Varnish KB is 1024 bytes, and k alone means the same. KiB says what it is; the normal form has it.
_SIZES = {"TiB": 2**40, "GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "B": 1}
_SIZE_UNITS = {
    spelling: factor for unit, factor in _SIZES.items() for spelling in {unit.lower(), unit[0].lower(), unit[0].lower() + "b"} - {"bb"}
}

_AMOUNT = re.compile(r"(-?)([0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})([A-Za-z]*)")
# What the normal form says, in milliseconds or bytes, has to fit into the digits that are read.
_LONGEST_US = 1000 * _DURATIONS["y"]
_LARGEST_BYTES = 500 * 2**40

DURATION = "a duration up to 1000y, a number with ms, s, m, h, d, w or y"
SIZE = "a size up to 500TB, a number of bytes, or one with KB, MB, GB or TB, of 1024 each"
STATUS = "a status code of three digits"


def parse_duration(text: str) -> int | None:
    """How many microseconds are "10s", "1.5h", "-5m" or "2d"? None if it is no such thing: the unit is never left out."""
    found = _AMOUNT.fullmatch(text)
    if found is None or found[3] not in _DURATIONS:
        return None
    microseconds = round(Fraction(found[2]) * _DURATIONS[found[3]])
    return (-microseconds if found[1] else microseconds) if microseconds <= _LONGEST_US else None


def format_duration(microseconds: int) -> str:
    """The one spelling of a duration: in the largest unit of which it is a whole number, or in decimals of milliseconds."""
    for unit, factor in _DURATIONS.items():
        if microseconds and microseconds % factor == 0:
            return f"{microseconds // factor}{unit}"
    if not microseconds:
        return "0s"
    whole, rest = divmod(abs(microseconds), 1000)
    return f"{'-' if microseconds < 0 else ''}{whole}.{rest:03d}".rstrip("0") + "ms"


def parse_size(text: str) -> int | None:
    """How many bytes are "100", "64KB", "1.5m" or "2GiB"? None if it is no such thing."""
    found = _AMOUNT.fullmatch(text)
    if found is None or found[1] or found[3].lower() not in ("", *_SIZE_UNITS):
        return None
    size_bytes = round(Fraction(found[2]) * _SIZE_UNITS[found[3].lower() or "b"])
    return size_bytes if size_bytes <= _LARGEST_BYTES else None


def format_size(size_bytes: int) -> str:
    """The one spelling of a size: in the largest unit of which it is a whole number; a bare number is bytes."""
    for unit, factor in _SIZES.items():
        if factor > 1 and size_bytes and size_bytes % factor == 0:
            return f"{size_bytes // factor}{unit}"
    return str(size_bytes)


def parse_status(text: str) -> int | None:
    """The status code that three digits are; None for anything else."""
    return int(text) if re.fullmatch("[0-9]{3}", text) else None
