"""Which stored variant is for this request: Vary (RFC 9111 4.1, RFC 9110 12.5.5)."""

from __future__ import annotations

import re

from edgecache.caching.profile import Profile
from edgecache.caching.stored import StoredResponse, Variant
from edgecache.semantics.codings import normalise_accept_encoding
from edgecache.semantics.fields import is_token, list_members, split_list
from edgecache.semantics.message import Fields, combined, field, values

# Not lists, and they tell users or their programs apart: a space after a comma is part of the value.
_COMPARED_EXACTLY = frozenset({b"authorization", b"cookie", b"origin", b"referer", b"user-agent"})

_WEIGHT = re.compile(rb"[01](?:\.[0-9]{0,3})?")


def vary_of(response_fields: Fields, request_fields: Fields, profile: Profile) -> Variant | None:
    """The variant that a response to this request is; empty when it has no Vary.

    None when no later request can match: `*` anywhere in Vary, or a member that is no field name, since whatever it was meant to keep apart
    must not be mixed up.
    """
    nominated = {member.lower() for member in list_members(values(response_fields, b"vary"))}
    if not nominated:
        return ()
    if b"*" in nominated or not all(map(is_token, nominated)):
        return None
    return tuple((name, _normalised(name, request_fields, profile)) for name in sorted(nominated))


def vary_matches(stored: StoredResponse, request_fields: Fields, profile: Profile) -> bool:
    """Is `stored` for requests like this one: is every field that its Vary names the same, or absent in both (RFC 9111 4.1)?"""
    return not stored.vary or all(_normalised(name, request_fields, profile) == value for name, value in stored.vary)


def normalised_for_origin(request_fields: Fields) -> Fields:
    """The fields of a request whose answer may be stored: with Accept-Encoding in the spelling by which variants are told apart.

    The origin must not see more than the cache compares, or what it chose by the difference would be given to clients that cannot read it.
    The very same list when there is nothing to change.
    """
    said = combined(request_fields, b"accept-encoding")
    if said is None:
        return request_fields
    normalised = normalise_accept_encoding(said)
    if said == normalised:
        return request_fields
    kept = [own for own in request_fields if own[1] != b"accept-encoding"]
    return [*kept, field(b"Accept-Encoding", normalised)]


def _normalised(name: bytes, request_fields: Fields, profile: Profile) -> bytes | None:
    """The field's lines combined, without white space around commas; None when it is absent.

    Accept-Encoding comes to the codings that are taken, in one order. In Accept-Language case says nothing (RFC 4647 2).
    """
    lines = values(request_fields, name)
    if not lines:
        return None
    if name in _COMPARED_EXACTLY:
        return b", ".join(lines)
    if name == b"accept-encoding":
        return normalise_accept_encoding(lines[0] if len(lines) == 1 else b", ".join(lines))
    if name == b"accept-language":
        return _languages(b",".join(lines), profile)
    if len(lines) == 1 and b"," not in lines[0]:
        return lines[0]
    return b",".join([member for line in lines for member in split_list(line)])


def _languages(value: bytes, profile: Profile) -> bytes:
    """Accept-Language in lower case and without white space; where the profile has it so, languages of one weight in order of name."""
    value = value.lower().replace(b" ", b"").replace(b"\t", b"")
    if not profile.sorts_languages:
        return value
    members = [member for member in value.split(b",") if member]
    members.sort(key=_by_weight)
    return b",".join(members)


def _by_weight(member: bytes) -> tuple[float, bytes]:
    """The heaviest first. What is no weight counts as the weight 1 that a member without one has (RFC 9110 12.4.2)."""
    digits = member.partition(b";q=")[2]
    return (-float(digits) if _WEIGHT.fullmatch(digits) else -1.0), member
