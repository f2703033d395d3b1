"""Fields as lists, and which of them end at this hop (RFC 9110 5.6.1, 7.6.1).

Nothing here knows a cache. `end_to_end` runs for every message that is forwarded, in both directions.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from edgecache.semantics.message import Fields, values

# What concerns one connection only and is not forwarded whether or not Connection names it (RFC 9110 7.6.1; RFC 7540 3.2.1 for
# HTTP2-Settings). The three about proxies are here because the edge is a gateway: it asks nobody for proxy credentials, so those that
# arrive are meant for somebody else, and what an origin says about them would speak for a proxy that does not exist (RFC 9110 11.7).
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    }
)

# What Connection may not take away. A connection option that names a field meant for everybody is forbidden (RFC 9110 7.6.1), and
# following one would let a client strip the fields by which the origin tells users, clients and variants apart.
NEVER_HOP_BY_HOP = frozenset(
    {
        b"age",
        b"authorization",
        b"cache-control",
        b"cdn-cache-control",
        b"cdn-loop",
        b"clear-site-data",
        b"cookie",
        b"date",
        b"etag",
        b"expect",
        b"expires",
        b"forwarded",
        b"from",
        b"host",
        b"last-modified",
        b"location",
        b"max-forwards",
        b"origin",
        b"pragma",
        b"range",
        b"referer",
        b"set-cookie",
        b"strict-transport-security",
        b"surrogate-control",
        b"user-agent",
        b"vary",
        b"via",
        b"www-authenticate",
        b"x-real-ip",
    }
)
NEVER_HOP_BY_HOP_PREFIXES = (b"accept", b"access-control-", b"content-", b"cross-origin-", b"if-", b"sec-", b"x-forwarded-")

TOKEN_BYTES = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# What nearly every Connection says, and what drops no field that is not dropped anyway.
_NAMES_NO_OTHERS = frozenset({b"keep-alive", b"Keep-Alive", b"close", b"Close", b"upgrade", b"Upgrade"})


def is_token(value: bytes) -> bool:
    """Could this be a field name, a method or a directive (RFC 9110 5.6.2)?"""
    return value != b"" and not value.translate(None, TOKEN_BYTES)


def split_list(value: bytes) -> list[bytes]:
    """The members of a comma list (RFC 9110 5.6.1), empty ones included. A comma inside a quoted string separates nothing.

    White space around members is dropped. A quote that never closes reaches to the end of the value.
    """
    if b'"' not in value:
        return [member.strip(b" \t") for member in value.split(b",")]
    members = []
    start = 0
    quoted = escaped = False
    for index, byte in enumerate(value):
        if escaped:
            escaped = False
        elif quoted and byte == 0x5C:  # backslash
            escaped = True
        elif byte == 0x22:  # double quote
            quoted = not quoted
        elif byte == 0x2C and not quoted:  # comma
            members.append(value[start:index].strip(b" \t"))
            start = index + 1
    members.append(value[start:].strip(b" \t"))
    return members


def list_members(lines: Iterable[bytes]) -> list[bytes]:
    """The members of a field that is a list, over all its lines and in order, without the empty ones (RFC 9110 5.6.1.2)."""
    return [member for line in lines for member in split_list(line) if member]


def connection_options(fields: Fields) -> set[bytes]:
    """What Connection says, in lower case: `close`, `keep-alive`, `upgrade`, or names of fields (RFC 9110 7.6.1)."""
    return {option.lower() for option in list_members(values(fields, b"connection"))}


def end_to_end(fields: Fields) -> Fields:
    """The fields that are forwarded: all but those of this hop and those that Connection names (RFC 9110 7.6.1).

    The very same list when there is nothing to drop. Connection does not reach the fields of NEVER_HOP_BY_HOP.
    """
    found = names_others = False
    for _, name, value in fields:
        if name in HOP_BY_HOP:
            found = True
            if name == b"connection" and value not in _NAMES_NO_OTHERS:
                names_others = True
    if not found:
        return fields
    if not names_others:
        return without(fields, HOP_BY_HOP)
    return without(fields, HOP_BY_HOP | {option for option in connection_options(fields) if not _is_for_everybody(option)})


def without(fields: Fields, names: Set[bytes]) -> Fields:
    """A new list of the fields whose lower-case name is not in `names`."""
    return [own for own in fields if own[1] not in names]


def _is_for_everybody(name: bytes) -> bool:
    return name in NEVER_HOP_BY_HOP or name.startswith(NEVER_HOP_BY_HOP_PREFIXES)
