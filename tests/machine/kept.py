"""A stored response of the model: the messages that it was made of, from which everything else is derived each time anew.

Sections are those of RFC 9111 unless another RFC is named. "Here:" is what docs/architecture.md says where the RFCs leave a choice.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from functools import cached_property
from math import floor, inf

from tests.machine.messages import (
    Asked,
    Directives,
    Fields,
    Sent,
    codings,
    content_range,
    date,
    directives,
    end_to_end,
    http_date,
    lines,
    members,
    one,
    seconds,
    without,
)

BY_DEFAULT = {200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501}  # RFC 9110 15.1
UNDERSTOOD = {200, 201, 203, 204, 206, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 500, 501, 502, 503, 504}
TAG_FIELDS = ("surrogate-key", "cache-tag")  # here: meant for the edge, and kept from clients
OF_THE_BYTES = ("content-length", "content-encoding", "content-range")


class Role(enum.Enum):
    """What a message did for a stored response."""

    CONTENT = "it brought the content, or a part of it"
    VALIDATED = "a 304: the origin vouched for the whole at that time"
    DESCRIBED = "an answer to HEAD, or a part of what is stored as a whole: fields alone"


@dataclass(frozen=True)
class Entry:
    """An invalidation. `number` counts fetches and entries together, `at` is edge time; `what`: a kind, and what of that kind.

    ("all",) · ("url", host, target) · ("host", host) · ("prefix", host, path) · ("path", target, or its beginning and "*") ·
    ("tag", tag) · ("group", host, name) · ("status", status), which is a ban
    """

    number: int
    at: float
    soft: bool
    what: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """One message of a stored response: how it came in, and as which number in the order of fetches and entries."""

    number: int
    sent: Sent
    role: Role
    asked: Asked  # for which request


def said_to_caches(fields: Fields) -> tuple[Directives, bool]:
    """RFC 9213 2.2: a valid targeted field counts alone, without Cache-Control and Expires; one that is not valid is ignored."""
    targeted = directives(fields, "cdn-cache-control")
    numbers = [targeted[name] for name in ("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error") if name in targeted]
    if targeted and all(seconds(number) is not None for number in numbers):
        return targeted, True
    return directives(fields, "cache-control"), False


def may_be_kept(fields: Fields) -> Fields:
    """3.1, 5.2.2.4, 5.2.2.7: neither what is for this hop, nor what a qualified no-cache or private names."""
    said, _ = said_to_caches(fields)
    named = [name.strip().lower() for one in ("no-cache", "private") for name in (said.get(one) or "").split(",")]
    return without(end_to_end(fields), *named)


def updated(fields: Fields, newer: Fields) -> Fields:
    """3.2: each field of the newer message replaces the stored one, but for what is about the stored bytes. Here: the entity tag stays.

    Age and Date are those of the newer message, or none.
    """
    newer = without(end_to_end(newer), *OF_THE_BYTES, *(["etag"] if one(fields, "etag") else []))
    return (*without(fields, "age", "date", *(name for name, _ in newer)), *newer)


def dated(fields: Fields, sent: Sent) -> Fields:
    """RFC 9110 6.6.1: a recipient with a clock adds a Date, by the origin's clock."""
    return fields if lines(fields, "date") else (*fields, ("date", http_date(sent.at - sent.offset)))


def groups(fields: Fields) -> list[str]:
    """RFC 9875 2."""
    return [member.strip('"') for member in members(fields, "cache-groups")]


def tags(fields: Fields) -> set[str]:
    """Here: commas and white space separate tags, and their case does not count."""
    return {tag.lower() for name in TAG_FIELDS for value in lines(fields, name) for tag in value.replace(",", " ").split()}


def unqualified(said: Directives, directive: str) -> bool:
    return directive in said and not said[directive]


@dataclass(eq=False)
class Kept:
    """A stored response, of the messages `parts`. It never changes; what updates it makes another one."""

    url: tuple[str, str]
    parts: list[Part] = field(default_factory=list)
    numbered: int | None = None  # the number that it counts under, when it is not that of its messages

    def with_part(self, part: Part) -> Kept:
        return Kept(self.url, [*self.parts, part], self.numbered)

    # What it is.

    @property
    def last(self) -> Part:
        return self.parts[-1]

    @cached_property
    def fields(self) -> Fields:
        return self.fields_after(len(self.parts))

    def fields_after(self, count: int) -> Fields:
        fields: Fields = ()
        for index, part in enumerate(self.parts[:count]):
            new = without(part.sent.fields, "content-length", "content-range") if part.sent.status == 206 else part.sent.fields
            fields = dated(may_be_kept(new if index == 0 else updated(fields, new)), part.sent)
        return fields

    @cached_property
    def bytes_held(self) -> dict[int, int]:
        """The content: each byte by its place in the whole, where two messages have one the newer's."""
        held: dict[int, int] = {}
        for part in self.parts:
            if part.role is Role.CONTENT:
                span = (
                    content_range(one(part.sent.fields, "content-range") or "")[0]
                    if part.sent.status == 206
                    else range(len(part.sent.content))
                )
                held.update(zip(span, part.sent.content, strict=True))
        return held

    @property
    def length(self) -> int:
        """Of the whole content."""
        first = self.parts[0].sent
        return content_range(one(first.fields, "content-range") or "")[1] if first.status == 206 else len(first.content)

    @property
    def is_whole(self) -> bool:
        return self.parts[0].sent.status != 206 or len(self.bytes_held) == self.length

    @property
    def status(self) -> int:
        """3.4: a part that is all there is, and parts that make up the whole, are the whole."""
        first = self.parts[0].sent
        return first.status if first.status != 206 else 200 if self.is_whole else 206

    @cached_property
    def variant(self) -> tuple[tuple[str, object], ...]:
        """The fields that Vary nominates, as they were in the request that it is for (4.1)."""
        return variant(self.fields, self.last.asked)

    def is_for(self, asked: Asked) -> bool:
        return all(selecting(name, asked) == value for name, value in self.variant)

    # Positions.

    @property
    def place(self) -> int:
        """Where it stands in the order of fetches and entries: newer ones may replace or cover it.

        Here: a 304 raises it, what only described it does not, and two parts have that of the older.
        """
        number = self.parts[0].number
        for part in self.parts[1:]:
            if part.role is Role.VALIDATED:
                number = max(number, part.number)
            elif part.role is Role.CONTENT:
                number = min(number, part.number)
        return number if self.numbered is None else max(number, self.numbered)

    def is_covered_by(self, entry: Entry) -> bool:
        """Is the entry newer, and does it name what this is, or is a member of, at that time or since?"""
        if entry.number <= self.place:
            return False
        host, target = self.url
        match entry.what:
            case ("all",):
                return True
            case ("url", *url):
                return tuple(url) == self.url
            case ("host", named):
                return named == host
            case ("prefix", named, path):  # in whole segments
                own = target.partition("?")[0]
                return named in ("", host) and (own == path or own.startswith(path.rstrip("/") + "/"))
            case ("path", pattern):
                return target.startswith(pattern[:-1]) if pattern.endswith("*") else target == pattern
            case ("status", status):
                return str(self.status) == status
            case ("tag", tag):
                return any(tag in tags(fields) for fields in self.fields_since(entry.number))
            case ("group", named, group):
                return named == host and any(group in groups(fields) for fields in self.fields_since(entry.number))
        raise AssertionError(entry)

    def fields_since(self, number: int) -> list[Fields]:
        """The fields that it had at that time, and those that it got since."""
        ends = [part.number for part in self.parts[1:]]
        return [*(self.fields_after(count) for count, end in enumerate(ends, 1) if end > number), self.fields]

    def is_gone(self, entries: list[Entry]) -> bool:
        return any(not entry.soft and self.is_covered_by(entry) for entry in entries)

    def soft_since(self, entries: list[Entry]) -> float | None:
        """Here: stale since the first soft purge; a second one changes nothing."""
        return next((entry.at for entry in entries if entry.soft and self.is_covered_by(entry)), None)

    # 4.2: freshness.

    @cached_property
    def lifetime(self) -> float:
        """4.2.1, 4.2.2."""
        fields = self.fields
        said, targeted = said_to_caches(fields)
        for directive in ("s-maxage", "max-age"):
            if directive in said:
                return seconds(said[directive]) or 0  # invalid: "considered to be stale"
        generated = date(one(fields, "date"))
        assert generated is not None
        if not targeted and one(fields, "expires") is not None:
            return max(0.0, (date(one(fields, "expires")) or generated) - generated)  # 5.3: invalid is in the past
        modified = date(one(fields, "last-modified"))
        if modified is not None and modified < generated and (self.status in BY_DEFAULT or "public" in said):
            return min((generated - modified) / 10, 86400)  # here: a tenth, a day at the most
        return 0

    @cached_property
    def initial_age(self) -> float:
        """4.2.3, by the clock that the origin has, which is `offset` behind."""
        sent = self.last.sent
        generated = date(one(self.fields, "date"))
        assert generated is not None
        apparent_age = max(0, sent.at - sent.offset - generated)
        corrected_age_value = (seconds(one(self.fields, "age")) or 0) + (sent.at - sent.asked_at)
        return max(apparent_age, corrected_age_value)

    def age(self, now: float) -> float:
        return self.initial_age + max(0, now - self.last.sent.at)

    def staleness(self, entries: list[Entry], now: float) -> float | None:
        """For how many seconds it has been stale; None while it is fresh.

        Here: infinitely long, when it arrived or was purged at a time that has not come yet, because the clock was moved back.
        """
        soft = self.soft_since(entries)
        if now < self.last.sent.at or (soft is not None and now < soft):
            return inf
        over = self.age(now) - self.lifetime
        if soft is None:
            return over if over >= 0 else None
        return max(over, now - soft)

    def ttl(self, entries: list[Entry], now: float) -> int:
        """RFC 9211 2.4, in whole seconds."""
        left = floor(self.lifetime) - floor(self.age(now))
        soft = self.soft_since(entries)
        return left if soft is None else min(left, -floor(max(0.0, now - soft)))

    # 5.2.2: what it says about its use.

    @cached_property
    def said(self) -> Directives:
        return said_to_caches(self.fields)[0]

    @property
    def must_be_validated(self) -> bool:
        return unqualified(self.said, "no-cache")

    @property
    def forbids_stale(self) -> bool:
        """4.2.4."""
        return self.must_be_validated or any(one in self.said for one in ("must-revalidate", "proxy-revalidate", "s-maxage"))

    def window(self, directive: str) -> int | None:
        """RFC 5861."""
        return seconds(self.said.get(directive))


def variant(fields: Fields, asked: Asked) -> tuple[tuple[str, object], ...]:
    return tuple((name, selecting(name, asked)) for name in sorted({member.lower() for member in members(fields, "vary")}))


def selecting(name: str, asked: Asked) -> object:
    """A field as Vary compares it. Here: white space around commas makes no difference, but in Cookie; nor does case in Accept-Language,
    and of Accept-Encoding counts which codings it takes."""
    found = lines(asked.fields, name)
    if not found or name == "cookie":
        return tuple(found)
    if name == "accept-encoding":
        return codings(asked.fields) - {"identity"}
    listed = [member.strip() for line in found for member in line.split(",")]
    return tuple(member.lower() for member in listed) if name == "accept-language" else tuple(listed)
