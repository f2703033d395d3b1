"""Parts of representations: what a 206 holds, when two are of one representation, how one is completed (RFC 9111 3.3, 3.4)."""

from __future__ import annotations

from edgecache.caching.freshen import merged
from edgecache.caching.stored import Part, StoredResponse
from edgecache.semantics.message import Fields, ResponseHead, combined, field, first, values
from edgecache.semantics.ranges import parse_content_range
from edgecache.semantics.validators import has_validator, is_strong, same_strongly


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


def asking_for_the_rest(stored: StoredResponse, *, usable: bool) -> Fields:
    """The fields that ask an origin for what comes after `stored`, a part from the first byte on; empty where the whole is to be asked for.

    With a strong entity tag nothing is lost: If-Range has the origin send the whole when it has changed since (RFC 9110 13.1.5).

    Without one nothing proves that the rest is of the same representation (RFC 9111 3.4): a 200 is as good as ever, but a 206 is thrown
    away, and the whole is asked for after all. The public tests of caches want to see the question, and RFC 9111 3.3 allows it. So it is
    asked where it costs least: of a part without any validator, which hardly any origin that knows ranges sends; when the part is `usable`
    as it is, without a validation; and once, since a part that could not be completed is dropped.
    """
    part = stored.part
    if part is None or part.first:
        return []
    rest = field(b"Range", b"bytes=%d-" % (part.last + 1))
    etag = first(stored.fields, b"etag")
    if etag is not None and is_strong(etag):
        return [rest, field(b"If-Range", etag)]
    return [rest] if usable and not has_validator(stored.fields) else []


def completes(both: Part | None, stored: StoredResponse, rest: Part) -> bool:
    """Is `rest` all that `stored` lacks, and not a byte more or less, so that it can be sent on right behind it? `both` is their union."""
    return stored.part is not None and both is None and rest.first == stored.part.last + 1


def completed_head(stored: StoredResponse, rest: ResponseHead, length: int) -> ResponseHead:
    """The head of the whole, `length` bytes long, for the client whose request brought the rest of `stored` (RFC 9110 15.3.7.3)."""
    return ResponseHead(200, b"OK", rest.minor, [*merged(stored, rest.fields), field(b"Content-Length", b"%d" % length)])
