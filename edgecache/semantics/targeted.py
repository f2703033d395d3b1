"""Targeted cache control (RFC 9213): fields such as CDN-Cache-Control, meant for some caches, in the place of Cache-Control.

Unlike Cache-Control they are structured fields, and one that is not exactly that is ignored as a whole: a cache then goes by the next
target, and at last by Cache-Control (RFC 9213 2.1, 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import http_sf

from edgecache.semantics.cache_control import CacheControl

# The directives that caches know, by the structured type that their argument has (RFC 9213 2.1).
_SECONDS = frozenset({"max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"})
_FLAGS = frozenset({"immutable", "must-revalidate", "must-understand", "no-store", "no-transform", "proxy-revalidate", "public"})
_FLAGS_OR_FIELDS = frozenset({"no-cache", "private"})


def parse_targeted(lines: Sequence[bytes]) -> CacheControl | None:
    """What do these lines of one targeted field say? None: the field is absent, empty or not valid, and does not count.

    Directives that are not known are kept as they are and never make the field invalid; of known ones the argument must have the right
    type. A flag that is false (`no-store=?0`) is as good as absent. Parameters mean nothing.
    """
    if not lines:
        return None
    try:
        members = http_sf.parse(b", ".join(lines), tltype="dictionary")
    except http_sf.StructuredFieldError:
        return None
    assert isinstance(members, dict)
    if not members:
        return None
    directives = CacheControl()
    for name, member in members.items():
        value = member[0] if isinstance(member, tuple) else member
        if not _right_type(name, value):
            return None
        if value is not False:
            directives[name.encode("ascii")] = _argument(value)
    return directives


def _right_type(name: str, value: object) -> bool:
    if name in _SECONDS:
        return type(value) is int
    if name in _FLAGS:
        return type(value) is bool
    if name in _FLAGS_OR_FIELDS:
        return type(value) is bool or type(value) is str
    return True


def _argument(value: object) -> bytes | None:
    """The argument as Cache-Control would have it; None for a directive without one, and for types that it has no form for."""
    if isinstance(value, bool):
        return None
    return str(value).encode("ascii", "replace") if isinstance(value, (str, http_sf.Token, int, Decimal)) else None
