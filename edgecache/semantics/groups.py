"""Cache groups (RFC 9875): names that an origin gives to what it sends, so that an unsafe request can invalidate them together.

Both fields are structured: lists of strings. One that is not is ignored as a whole (RFC 9651 4.2). The RFC asks for 32 groups of 32
characters at the least; here the size of a head is the limit, since a group left out would be a group that an invalidation misses.
"""

from __future__ import annotations

from collections.abc import Sequence

import http_sf

from edgecache.semantics.message import Fields, values

Groups = tuple[str, ...]


def groups_of(fields: Fields) -> Groups:
    """The groups that a response is in, each once, as its Cache-Groups has them (RFC 9875 2). Compared as they are, case included."""
    return _strings(values(fields, b"cache-groups"))


def invalidated_groups(fields: Fields) -> Groups:
    """The groups that a response to an unsafe request invalidates, by its Cache-Group-Invalidation (RFC 9875 3). Of its own origin only."""
    return _strings(values(fields, b"cache-group-invalidation"))


def _strings(lines: Sequence[bytes]) -> Groups:
    if not lines:
        return ()
    try:
        members = http_sf.parse(b", ".join(lines), tltype="list")
    except http_sf.StructuredFieldError:
        return ()
    assert isinstance(members, list)
    found: dict[str, None] = {}
    for member in members:
        item = member[0] if isinstance(member, tuple) else member  # parameters mean nothing here
        if not isinstance(item, str):
            return ()
        found[item] = None
    return tuple(found)
