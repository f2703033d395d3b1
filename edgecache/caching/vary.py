"""Which stored variant is for this request: Vary (RFC 9111 4.1, RFC 9110 12.5.5)."""

from __future__ import annotations

from edgecache.caching.stored import StoredResponse
from edgecache.semantics.fields import is_token, list_members, split_list
from edgecache.semantics.message import Fields, values

# What the fields named by Vary were: (lower-case name, normalised value, or None where the request had no such field), in order of name.
Variant = tuple[tuple[bytes, bytes | None], ...]

# Not lists, and they tell users or their programs apart: a space after a comma is part of the value.
_COMPARED_EXACTLY = frozenset({b"authorization", b"cookie", b"origin", b"referer", b"user-agent"})


def vary_of(response_fields: Fields, request_fields: Fields) -> Variant | None:
    """The variant that a response to this request is; empty when it has no Vary.

    None when no later request can match: `*` anywhere in Vary, or a member that is no field name, since whatever it was meant to keep apart
    must not be mixed up.
    """
    nominated = {member.lower() for member in list_members(values(response_fields, b"vary"))}
    if not nominated:
        return ()
    if b"*" in nominated or not all(map(is_token, nominated)):
        return None
    return tuple((name, _normalised(name, request_fields)) for name in sorted(nominated))


def vary_matches(stored: StoredResponse, request_fields: Fields) -> bool:
    """Is `stored` for requests like this one: is every field that its Vary names the same, or absent in both (RFC 9111 4.1)?"""
    return not stored.vary or all(_normalised(name, request_fields) == value for name, value in stored.vary)


def _normalised(name: bytes, request_fields: Fields) -> bytes | None:
    """The field's lines combined, without white space around commas; None when it is absent."""
    lines = values(request_fields, name)
    if not lines:
        return None
    if name in _COMPARED_EXACTLY:
        return b", ".join(lines)
    if len(lines) == 1 and b"," not in lines[0]:
        return lines[0]
    return b",".join([member for line in lines for member in split_list(line)])
