"""What a condition of a ban can look at, with which operators, and what was probably meant by a name that is none of these fields."""

from __future__ import annotations

import difflib
import enum
from typing import NamedTuple

from edgecache.semantics.fields import is_token


class Op(enum.StrEnum):
    """How a field is compared."""

    EQUAL = "=="
    UNEQUAL = "!="
    MATCHES = "~"  # a regular expression is found in it
    MATCHES_NOT = "!~"
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="

    @property
    def is_regex(self) -> bool:
        """Is its right side a regular expression?"""
        return self in (Op.MATCHES, Op.MATCHES_NOT)


_TEXT = (Op.EQUAL, Op.UNEQUAL, Op.MATCHES, Op.MATCHES_NOT)
_NUMBER = (Op.EQUAL, Op.UNEQUAL, Op.LESS, Op.AT_MOST, Op.GREATER, Op.AT_LEAST)


class Kind(enum.Enum):
    """The fields; the value is the name as users write it, and ends with a dot where a name follows."""

    URL = "req.url"  # path and query of the key, byte for byte
    METHOD = "req.method"
    REQUEST_FIELD = "req.http."  # host, or what a field was that Vary named
    RESPONSE_FIELD = "obj.http."  # of the origin's fields, those kept from clients too
    STATUS = "obj.status"
    AGE = "obj.age"  # at the ban's time
    TTL = "obj.ttl"  # what was left of the lifetime at the ban's time; negative afterwards
    SIZE = "obj.size"  # of the whole content
    TAGS = "obj.tags"  # each of them

    @property
    def ops(self) -> tuple[Op, ...]:
        """The operators that it takes. A status is compared as a number, and as text too, as Varnish has it: `obj.status ~ "^5"`."""
        if self in (Kind.AGE, Kind.TTL, Kind.SIZE):
            return _NUMBER
        return tuple(Op) if self is Kind.STATUS else _TEXT

    @property
    def takes_name(self) -> bool:
        """Does the name of a header field belong to it?"""
        return self in (Kind.REQUEST_FIELD, Kind.RESPONSE_FIELD)


class Field(NamedTuple):
    """A field of a condition; `name` in lower case for those that have one, else empty."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        return self.kind.value + self.name

    @property
    def is_of_key(self) -> bool:
        """Is it known without a response? Whatever is stored answers GET."""
        return self.kind in (Kind.URL, Kind.METHOD) or self == HOST


HOST = Field(Kind.REQUEST_FIELD, "host")

FIELD = "a field: " + ", ".join(kind.value + ("NAME" if kind.takes_name else "") for kind in Kind)

# Varnish's words for a message that is gone by the time of a ban, and what is kept of it.
_KEPT_AS = {
    "beresp.": "obj.",
    "resp.": "obj.",
    "bereq.": "req.",
    "req_top.": "req.",
    "client.": "req.",
    "server.": "req.",
    "local.": "req.",
}
# What spelling does not lead to.
_MEANT = {
    "req.host": "req.http.host",
    "req.path": "req.url",
    "req.request": "req.method",
    "obj.url": "req.url",
    "obj.host": "req.http.host",
    "obj.method": "req.method",
    "obj.length": "obj.size",
    "obj.bytes": "obj.size",
    "obj.grace": "obj.ttl",
    "obj.keep": "obj.ttl",
    "obj.reason": "obj.status",
    "host": "req.http.host",
    "length": "obj.size",
}
_NAMES = sorted({*(str(kind.value) for kind in Kind), "req.http.host"})


def field_named(text: str) -> Field | None:
    """The field that users call so; None when there is none. Names of header fields may be in any case, the rest is in lower case."""
    for kind in Kind:
        if kind.takes_name:
            if text.startswith(kind.value) and is_token(text[len(kind.value) :].encode()):
                return Field(kind, text[len(kind.value) :].lower())
        elif text == kind.value:
            return Field(kind)
    return None


def what_was_meant(text: str) -> str:
    """A sentence's end for a name that is no field: which one is nearest, and what req.* and obj.* are."""
    lower = text.lower()
    for kind in Kind:
        if kind.takes_name and lower in (kind.value, kind.value[:-1]):
            return f"the name of a header field belongs to it, as in {kind.value}{'host' if kind is Kind.REQUEST_FIELD else 'content-type'}"
        if kind.takes_name and text.startswith(kind.value):
            return "a name of a header field has letters, digits and !#$%&'*+-.^_`|~"
    if field_named(lower) is not None:
        return f"fields are in lower case, as {lower}"
    nearest = _nearest(lower)
    hint = f"nearest is {nearest}" if nearest else ""
    explained = _explained(lower)
    return f"{hint}; {explained}" if hint and explained else hint or explained


def _nearest(lower: str) -> str | None:
    if lower in _MEANT:
        return _MEANT[lower]
    for prefix, kept in _KEPT_AS.items():
        if lower.startswith(prefix):
            return _nearest(kept + lower[len(prefix) :])
    found = field_named(lower)
    if found is not None:
        return str(found)
    close = difflib.get_close_matches(lower[:100], _NAMES, n=1, cutoff=0.5)
    return close[0] + ("NAME" if close[0].endswith(".") else "") if close else None


def _explained(lower: str) -> str:
    if lower.startswith(("req.", "bereq.", "req_top.", "client.", "server.", "local.")):
        return "req.* is the request that a response was stored for, of which URL, method, host and the fields named by Vary are known"
    if lower.startswith(("resp.", "beresp.")):
        return "obj.* is the stored response, as the origin sent it"
    return ""
