"""Validators (RFC 9110 8.8): entity tags and modification dates, strong and weak, and how they are compared.

Tags are compared as the bytes they are. One that is not in the form of an entity tag still says whether two responses are the same to the
origin that invented it; it only never counts as a strong one.
"""

from __future__ import annotations

import re

from edgecache.semantics.dates import parse_http_date
from edgecache.semantics.message import Fields, first

_STRONG = re.compile(rb'"[\x21\x23-\x7e\x80-\xff]*"')


def is_strong(etag: bytes | None) -> bool:
    """Is this a strong entity tag (RFC 9110 8.8.3)? Not when it is absent, weak, or not in the form of one."""
    return etag is not None and _STRONG.fullmatch(etag) is not None


def same_strongly(one: bytes | None, other: bytes | None) -> bool:
    """Strong comparison (RFC 9110 8.8.3.2): both are strong, and the same."""
    return one == other and is_strong(one)


def same_weakly(one: bytes | None, other: bytes | None) -> bool:
    """Weak comparison (RFC 9110 8.8.3.2): the same, W/ aside. Never for an absent or empty one."""
    opaque = (one or b"").removeprefix(b"W/")
    return opaque != b"" and other is not None and other.removeprefix(b"W/") == opaque


def strong_last_modified(fields: Fields) -> bytes | None:
    """The Last-Modified of a stored response, when it may count as a strong validator (RFC 9110 8.8.2.2); None otherwise.

    It may when the response was sent at least a second after it: a second change within the same second would have shown.
    """
    value, date = first(fields, b"last-modified"), first(fields, b"date")
    if value is None or date is None:
        return None
    sent = parse_http_date(date, 0.0)
    modified = None if sent is None else parse_http_date(value, sent)
    return value if sent is not None and modified is not None and sent - modified >= 1.0 else None


def has_validator(fields: Fields) -> bool:
    """Could an origin be asked whether a response with these fields is still current?"""
    return any(value for _, name, value in fields if name == b"etag" or name == b"last-modified")


def if_range_holds(value: bytes, fields: Fields) -> bool:
    """Is the representation that the client has a part of the one with these fields (RFC 9110 13.1.5)? Then its Range counts.

    A tag by strong comparison, a date when it is exactly the Last-Modified and that is a strong validator.
    """
    if value.startswith((b'"', b"W/")):
        return same_strongly(value, first(fields, b"etag"))
    return value != b"" and value == strong_last_modified(fields)
