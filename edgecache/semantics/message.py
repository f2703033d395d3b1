"""Heads of messages as the edge holds them: bytes as received, and an index by lower-case name.

A head is kept as raw lines because a proxy forwards nearly all of them: joining lines is cheaper than formatting them, and
case, order, repetition and obs-text survive by construction. Heads are values; who changes one makes a new list of fields.
"""

from __future__ import annotations

from collections.abc import Iterable

# (line as received, without CRLF · field name in lower case · field value without surrounding white space)
Field = tuple[bytes, bytes, bytes]
Fields = list[Field]


class RequestHead:
    """A request's start line and fields (RFC 9112 3). `target` is byte for byte what the client sent."""

    __slots__ = ("fields", "method", "minor", "target")

    def __init__(self, method: bytes, target: bytes, minor: int, fields: Fields) -> None:
        self.method = method
        self.target = target
        self.minor = minor  # of HTTP/1.minor: 0 or 1
        self.fields = fields

    def __repr__(self) -> str:
        return f"<RequestHead {self.method!r} {self.target!r} HTTP/1.{self.minor} {len(self.fields)} fields>"


class ResponseHead:
    """A response's status line and fields (RFC 9112 4). `status` is any three digits, known or not."""

    __slots__ = ("fields", "minor", "reason", "status")

    def __init__(self, status: int, reason: bytes, minor: int, fields: Fields) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.fields = fields

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status} {self.reason!r} HTTP/1.{self.minor} {len(self.fields)} fields>"


def field(name: bytes, value: bytes) -> Field:
    """A field of our own making; `name` in the case it is to be sent with."""
    return name + b": " + value, name.lower(), value


def values(fields: Iterable[Field], name: bytes) -> list[bytes]:
    """Every value of the field `name` (lower case), one per field line, in order."""
    return [value for _, own, value in fields if own == name]


def combined(fields: Iterable[Field], name: bytes) -> bytes | None:
    """The field's lines combined into one value (RFC 9110 5.3), or None when the field is absent.

    Never use it for Set-Cookie, whose lines do not combine.
    """
    found = values(fields, name)
    if not found:
        return None
    return found[0] if len(found) == 1 else b", ".join(found)


def first(fields: Iterable[Field], name: bytes) -> bytes | None:
    """The first value of the field `name`, or None. For singleton fields whose repetition was already judged."""
    for _, own, value in fields:
        if own == name:
            return value
    return None
