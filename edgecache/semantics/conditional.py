"""Conditional requests, as far as they can be answered from a response at hand (RFC 9110 13; RFC 9111 4.3.2)."""

from __future__ import annotations

import re

from edgecache.semantics.dates import parse_http_date
from edgecache.semantics.fields import without
from edgecache.semantics.message import Fields, combined, field, first, values
from edgecache.semantics.validators import same_weakly

# Conditions about the state of the origin, which only the origin can judge (RFC 9111 4.3.2).
ORIGIN_PRECONDITIONS = frozenset({b"if-match", b"if-unmodified-since"})

# Representation metadata, of which a 304 carries only what RFC 9110 15.4.5 lists: the receiver has the rest beside its content. To repeat
# it risks more than it helps: some caches write what a 304 says over what they hold, Content-Length included.
_NOT_IN_304 = frozenset(
    {
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-md5",
        b"content-range",
        b"content-type",
        b"content-digest",
        b"repr-digest",
    }
)

# A member of If-None-Match up to its comma. Quotes hide commas; unlike in quoted strings a backslash escapes nothing (RFC 9110 8.8.3).
_MEMBER = re.compile(rb'(?:[^,"]|"[^"]*+"|")++')


def not_modified(request_fields: Fields, status: int, response_fields: Fields) -> bool:
    """Is 304 the answer to this GET or HEAD, when the response at hand has these fields (RFC 9110 13.2.2)?

    Only a 200 is ever turned into a 304. If-None-Match counts alone when it is there, compared weakly (RFC 9110 13.1.2); without it,
    If-Modified-Since is held against Last-Modified, or in its absence Date (RFC 9110 13.1.3, RFC 9111 4.3.2). What is not a valid single
    date is ignored.
    """
    if status != 200:
        return False
    listed = combined(request_fields, b"if-none-match")
    if listed is not None:
        return _lists(listed, first(response_fields, b"etag"))
    since = values(request_fields, b"if-modified-since")
    if len(since) != 1:
        return False
    last_modified = first(response_fields, b"last-modified") or first(response_fields, b"date")
    return last_modified is not None and _not_later(last_modified, since[0], first(response_fields, b"date"))


def validating(fields: Fields) -> Fields:
    """The conditions that ask an origin whether a response with these fields still holds (RFC 9111 4.3.1); empty without a validator.

    Both, where it has both: which one counts is the origin's affair. They are sent back as they came, also where they are odd.
    """
    etag, last_modified = first(fields, b"etag"), first(fields, b"last-modified")
    conditions = []
    if etag:
        conditions.append(field(b"If-None-Match", etag))
    if last_modified:
        conditions.append(field(b"If-Modified-Since", last_modified))
    return conditions


def fields_of_304(fields: Fields) -> Fields:
    """The fields of a 200 that its 304 carries (RFC 9110 15.4.5): all but representation metadata.

    Content-Location, Date, ETag, Vary, Cache-Control and Expires have to be there; Last-Modified stays only where no ETag does its work.
    What is no representation metadata (Set-Cookie, security fields, those of other caches) says something about this answer, and stays.
    """
    dropped = _NOT_IN_304
    if first(fields, b"etag") is not None:
        dropped = dropped | {b"last-modified"}
    return without(fields, dropped)


def _lists(listed: bytes, etag: bytes | None) -> bool:
    """Does the value of If-None-Match hold `etag`, or is it `*`? Tags are compared as bytes, W/ aside; so nobody's odd tags are judged."""
    if listed == b"*":
        return True
    return any(same_weakly(member.strip(b" \t"), etag) for member in _MEMBER.findall(listed))


def _not_later(value: bytes, since: bytes, date: bytes | None) -> bool:
    """Is the date `value` not after the date `since`? False when either is no date.

    A two-digit year in either is read as seen from the response's own Date, not from now: it came from a response like this one.
    """
    seen_from = parse_http_date(date, 0.0) if date is not None else None
    if seen_from is None:
        seen_from = parse_http_date(value, 0.0) or 0.0
    modified, asked = parse_http_date(value, seen_from), parse_http_date(since, seen_from)
    return modified is not None and asked is not None and modified <= asked
