"""Byte ranges (RFC 9110 14): what a Range asks for, what a Content-Range says, and which spans of some content that comes to.

Positions are those of the whole representation, counted from 0, both ends included, as the fields have them. Numbers come from outside:
they are ASCII digits of bounded length, looked at before any conversion.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

# 10^18 - 1 is more than any content has, and far from what conversion would cost anything for.
_DIGITS = 18
_SPEC = re.compile(rb"(?P<first>[0-9]*)-(?P<last>[0-9]*)")
_CONTENT_RANGE = re.compile(rb"bytes +(?:(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})|\*)/(?P<length>[0-9]{1,18}|\*)", re.IGNORECASE)


class Span(NamedTuple):
    """Bytes `first` to `last` of a representation, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes that is."""
        return self.last - self.first + 1


class RangeSpec(NamedTuple):
    """One member of a Range: from `first` to `last`; `last` None: to the end; `first` None: the `last` last bytes (RFC 9110 14.1.2)."""

    first: int | None
    last: int | None


class ContentRange(NamedTuple):
    """What a Content-Range says (RFC 9110 14.4); `complete_length` None: the sender does not know how long the whole is."""

    first: int
    last: int
    complete_length: int | None


def parse_range(value: bytes) -> tuple[RangeSpec, ...] | None:
    """Which byte ranges does this Range ask for? None: none that is understood, and the field is ignored (RFC 9110 14.2).

    Another unit, a member that is no range, and `first` behind `last` make the whole field one that is not understood.
    """
    unit, equals, listed = value.partition(b"=")
    if not equals or unit.strip(b" \t").lower() != b"bytes":
        return None
    specs = []
    for member in listed.split(b","):
        stripped = member.strip(b" \t")
        if not stripped:
            continue  # empty members of a list count for nothing (RFC 9110 5.6.1.2)
        found = _SPEC.fullmatch(stripped)
        if found is None or stripped == b"-":
            return None
        first, last = _number(found["first"]), _number(found["last"])
        if first is not None and last is not None and first > last:
            return None
        specs.append(RangeSpec(first, last))
    return tuple(specs) or None


def satisfiable(specs: Sequence[RangeSpec], complete_length: int) -> list[Span]:
    """The spans that `specs` come to in a representation of `complete_length` bytes, in their order, without what lies beyond its end."""
    spans = []
    for first, last in specs:
        if first is None:
            wanted = min(last or 0, complete_length)
            if wanted:
                spans.append(Span(complete_length - wanted, complete_length - 1))
        elif first < complete_length:
            spans.append(Span(first, complete_length - 1 if last is None else min(last, complete_length - 1)))
    return spans


def coalesced(spans: Sequence[Span]) -> list[Span]:
    """The same bytes with spans that overlap or touch made one (RFC 9110 15.3.7.2), each in the place of its earliest."""
    merged: list[tuple[int, Span]] = []  # (place, span), by position
    for place, span in sorted(enumerate(spans), key=lambda one: one[1]):
        if merged and span.first <= merged[-1][1].last + 1:
            earliest, before = merged[-1]
            merged[-1] = (min(earliest, place), Span(before.first, max(before.last, span.last)))
        else:
            merged.append((place, span))
    return [span for _, span in sorted(merged)]


def parse_content_range(value: bytes) -> ContentRange | None:
    """Which part of the whole is this, by its Content-Range? None: in another unit, of no part (`bytes */10`), or not valid."""
    found = _CONTENT_RANGE.fullmatch(value)
    if found is None or found["first"] is None:
        return None
    first, last = int(found["first"]), int(found["last"])
    complete_length = None if found["length"] == b"*" else int(found["length"])
    if first > last or (complete_length is not None and last >= complete_length):
        return None
    return ContentRange(first, last, complete_length)


def format_content_range(span: Span, complete_length: int | None) -> bytes:
    """The value of Content-Range for these bytes."""
    return b"bytes %d-%d/%s" % (*span, b"*" if complete_length is None else b"%d" % complete_length)


def format_unsatisfied(complete_length: int) -> bytes:
    """The value of Content-Range in a 416 (RFC 9110 15.5.17)."""
    return b"bytes */%d" % complete_length


def _number(digits: bytes) -> int | None:
    """None for no digits. A number too long for any content is as good as the largest that is not."""
    if not digits:
        return None
    digits = digits.lstrip(b"0") or b"0"
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS
