"""Cache-Control (RFC 9111 5.2): directives by name, from any bytes, never an error.

What origins send is often not what the grammar allows, and a parser for structured fields refuses much of it. The rules for what is bent:

- A directive is a name, or a name, "=" and a token or quoted string. Both forms of the argument count (RFC 9111 5.2).
- Semicolons and white space separate directives as commas do: a `private` counts in `max-age=60; private`, as it does in nginx and Varnish.
- Whatever else stands before the next separator is passed over.
- A quote that never closes opens nothing: it must not swallow a `no-store` behind it.
- So white space around "=" leaves `max-age= 60` with an argument that is no number, which makes the response stale.
- Repeated: the first one counts (RFC 9111 4.2.1). Only `no-cache` and `private` gather, because there the unqualified form restricts
  more: it wins wherever it stands, and lists of field names add up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from edgecache.semantics.fields import is_token, list_members

DELTA_MAX = 2**31  # what a larger number counts as (RFC 9111 1.2.2)

# One member: the name, its argument in either form, and what is passed over up to the next separator outside of a quoted string. The
# repetitions are possessive: nothing that a client sends makes them try twice.
_QUOTED = rb'"(?:[^"\\]|\\.)*+"'
_MEMBER = re.compile(
    rb"[ \t,;]*+"
    rb"(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]*+)"
    rb"(?:=(?:(?P<quoted>" + _QUOTED + rb")|(?P<token>[!#$%&'*+\-.^_`|~0-9A-Za-z]*+)))?"
    rb'(?:[^ \t,;"]|' + _QUOTED + rb")*+",
    re.DOTALL,
)
_QUOTES_CLOSE = re.compile(rb'(?:[^"]|' + _QUOTED + rb")*+", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


class CacheControl(dict[bytes, bytes | None]):
    """Directives by lower-case name: the argument without quotes, or None for a directive without one."""

    __slots__ = ()

    def field_names(self, directive: bytes) -> tuple[bytes, ...]:
        """The fields, in lower case, to which a qualified `no-cache` or `private` is limited (RFC 9111 5.2.2.4, 5.2.2.7).

        Empty when the directive is absent or unqualified, and when what it lists are not all field names: then it is meant for the whole.
        """
        listed = self.get(directive)
        if not listed:
            return ()
        names = tuple(name.lower() for name in list_members([listed]))
        return names if all(map(is_token, names)) else ()

    def unqualified(self, directive: bytes) -> bool:
        """Is `no-cache` or `private` there, and about the whole response rather than some of its fields?"""
        return directive in self and not self.field_names(directive)


def parse_cache_control(values: Iterable[bytes]) -> CacheControl:
    """What do these Cache-Control lines say? One value per field line, in order; never raises."""
    directives = CacheControl()
    for value in values:
        if b'"' in value and not _QUOTES_CLOSE.fullmatch(value):
            value = value.replace(b'"', b";")
        for member in _MEMBER.finditer(value):
            name = member["name"].lower()
            if not name:
                continue
            quoted = member["quoted"]
            argument = member["token"] if quoted is None else _ESCAPED.sub(rb"\1", quoted[1:-1])
            if name not in directives:
                directives[name] = argument
            elif name in (b"no-cache", b"private"):
                known = directives[name]
                directives[name] = known + b"," + argument if known and argument else None
    return directives


def delta_seconds(value: bytes | None) -> int | None:
    """The number of seconds that an argument names (RFC 9111 1.2.2); None when it is not one: the caller then takes the response as stale.

    ASCII digits only, no sign, no fraction. Above 2**31 counts as 2**31.
    """
    if not value or not value.isdigit():  # isdigit() of bytes is ASCII only
        return None
    digits = value.lstrip(b"0")
    if len(digits) > 10:  # before the conversion: its cost grows with the square of the length
        return DELTA_MAX
    return min(int(digits or b"0"), DELTA_MAX)
