"""Messages as the model sees them: text, with fields read in the plainest way that does for what the machine sends.

Nothing here knows edgecache. Field names are lower case, values well-formed but for those that a test means to be odd.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

Fields = tuple[tuple[str, str], ...]
Directives = dict[str, str | None]


@dataclass(frozen=True)
class Asked:
    """A request: as its client sent it, or as the origin got it."""

    method: str
    host: str
    target: str
    fields: Fields = ()
    has_content: bool = False

    @property
    def url(self) -> tuple[str, str]:
        return self.host, self.target


@dataclass(frozen=True)
class Sent:
    """An answer of the origin: what it was asked, its head and content, and when it was there.

    asked_at, at  edge time when the origin was asked, and when the head of its answer arrived
    offset        by how much edge time was ahead of the origin's clock then
    cut           the content ended before it was complete
    """

    question: Asked
    status: int
    fields: Fields
    content: bytes
    asked_at: float
    at: float
    offset: float
    cut: bool = False


# Fields.


def lines(fields: Fields, name: str) -> list[str]:
    return [value for own, value in fields if own == name]


def one(fields: Fields, name: str) -> str | None:
    """The value of a field that has at most one line."""
    found = lines(fields, name)
    assert len(found) < 2, f"{name} has {len(found)} lines"
    return found[0] if found else None


def without(fields: Fields, *names: str) -> Fields:
    return tuple(own for own in fields if own[0] not in names)


def only(fields: Fields, *names: str) -> Fields:
    return tuple(own for own in fields if own[0] in names)


def members(fields: Fields, name: str) -> list[str]:
    """A list over all lines of a field. Commas in quotes separate nothing."""
    found = [part.strip() for line in lines(fields, name) for part in re.findall(r'(?:[^,"]|"[^"]*")+', line)]
    return [member for member in found if member]


def directives(fields: Fields, name: str) -> Directives:
    """RFC 9111 5.2: `name` or `name=argument`, the argument as token or in quotes; of one that is there twice the first counts (4.2.1)."""
    found: Directives = {}
    for member in members(fields, name):
        directive, equals, argument = member.partition("=")
        found.setdefault(directive.lower(), argument.strip('"') if equals else None)
    return found


def seconds(argument: str | None) -> int | None:
    """RFC 9111 1.2.2: delta-seconds."""
    return int(argument) if argument is not None and re.fullmatch("[0-9]+", argument) else None


def end_to_end(fields: Fields) -> Fields:
    """RFC 9110 7.6.1: what is for this hop only, and what Connection names, goes no further."""
    return without(fields, "connection", "keep-alive", "transfer-encoding", *(option.lower() for option in members(fields, "connection")))


def codings(fields: Fields) -> frozenset[str]:
    """Which codings Accept-Encoding takes (RFC 9110 12.5.3). Weights other than 0 are wishes."""
    return frozenset(member.partition(";")[0] for member in members(fields, "accept-encoding") if not member.endswith("q=0"))


# Dates.

_FORM = "%a, %d %b %Y %H:%M:%S GMT"


def http_date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime(_FORM)


def date(value: str | None) -> float | None:
    """None when it is no date."""
    if value is None:
        return None
    try:
        return datetime.strptime(value, _FORM).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


# Validators.


def is_strong(tag: str | None) -> bool:
    return tag is not None and tag.startswith('"')


def opaque(tag: str) -> str:
    """What the weak comparison compares (RFC 9110 8.8.3.2)."""
    return tag.removeprefix("W/")


def holds(asked: Fields, *, tag: str | None, modified: str | None) -> bool:
    """Does the client have what has these validators already (RFC 9110 13.1.2, 13.1.3)? If-None-Match counts alone when it is there."""
    listed = members(asked, "if-none-match")
    if listed:
        return "*" in listed or (tag is not None and opaque(tag) in map(opaque, listed))
    since, moment = date(one(asked, "if-modified-since")), date(modified)
    return since is not None and moment is not None and moment <= since


# Ranges.


def ranges(value: str, length: int) -> list[range] | None:
    """The bytes that a Range names in content of this length, in its order and as far as they are there (RFC 9110 14.1.2).

    None when it is to be ignored: another unit, or a member that is no range.
    """
    unit, _, listed = value.partition("=")
    if unit != "bytes":
        return None
    found = []
    for member in listed.split(","):
        match = re.fullmatch("([0-9]*)-([0-9]*)", member.strip())
        if match is None or not any(match.groups()):
            return None
        first, last = match.groups()
        if not first and not length and int(last):
            return None  # the last bytes of nothing are all of it, and no Content-Range can say so
        if not first:
            found.append(range(max(0, length - int(last)), length))
        elif last and int(first) > int(last):
            return None
        else:
            found.append(range(int(first), min(int(last) + 1 if last else length, length)))
    return [span for span in found if span]


def content_range(value: str) -> tuple[range, int]:
    """Which bytes of the whole, and how long that is (RFC 9110 14.4)."""
    match = re.fullmatch("bytes ([0-9]+)-([0-9]+)/([0-9]+)", value)
    assert match is not None, value
    first, last, length = map(int, match.groups())
    return range(first, last + 1), length
