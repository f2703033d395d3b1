"""Parts of representations in the store: what a 206 holds, and when two parts are of one representation (RFC 9111 3.3, 3.4)."""

from __future__ import annotations

from edgecache.caching.stored import Part, StoredResponse
from edgecache.semantics.message import Fields, ResponseHead, combined, first, values
from edgecache.semantics.ranges import parse_content_range
from edgecache.semantics.validators import same_strongly


def part_of(head: ResponseHead) -> Part | None:
    """Which part does this 206 hold? None when it is not one part with a place: several in a multipart, another unit, or not valid.

    Nor when its Content-Length is not that of the part: then one of the two is wrong, and nobody knows which.
    """
    said = values(head.fields, b"content-range")
    found = parse_content_range(said[0]) if len(said) == 1 else None
    if found is None:
        return None
    length = combined(head.fields, b"content-length")
    if length is not None and length.lstrip(b"0") != b"%d" % (found.last - found.first + 1):
        return None
    return Part(*found)


def is_whole(part: Part) -> bool:
    """Is the part all there is?"""
    return part.first == 0 and part.complete_length == part.last + 1


def union(one: Part, other: Part) -> Part | None:
    """The part that both come to, or None when something is missing between them, or they are not of one length."""
    if one.first > other.last + 1 or other.first > one.last + 1:
        return None
    lengths = {length for length in (one.complete_length, other.complete_length) if length is not None}
    if len(lengths) > 1:
        return None
    last = max(one.last, other.last)
    complete_length = lengths.pop() if lengths else None
    if complete_length is not None and last >= complete_length:
        return None
    return Part(min(one.first, other.first), last, complete_length)


def same_representation(stored: StoredResponse, fields: Fields) -> bool:
    """Is what has these fields of the very representation that `stored` is of? Only a strong entity tag proves it (RFC 9111 3.4)."""
    return same_strongly(first(stored.fields, b"etag"), first(fields, b"etag"))
