"""Updating a stored response from a 304 or from an answer to HEAD (RFC 9111 3.2, 4.3.4, 4.3.5)."""

from __future__ import annotations

from edgecache.caching.stored import StoredResponse
from edgecache.semantics.dates import parse_http_date
from edgecache.semantics.fields import end_to_end, without
from edgecache.semantics.message import Fields, combined, first

# What describes the very bytes that are stored, and would be wrong about them if it changed: RFC 9111 3.2 names the first and the last, and
# lets a cache omit others where the integrity of what it holds depends on them.
_OF_THE_BYTES = frozenset(
    {b"content-length", b"content-encoding", b"content-md5", b"content-digest", b"repr-digest", b"digest", b"content-range"}
)
# What was said about one message only: never kept from the older one.
_OF_THE_MESSAGE = frozenset({b"age", b"date"})


def agrees(stored: StoredResponse, status: int, fields: Fields) -> bool:
    """Does an answer to HEAD with these fields describe `stored` (RFC 9111 4.3.5)? Validators that it has, and its length, are the same."""
    if status != 200 or (stored.status != 200 and stored.part is None):
        return False
    etag, modified = first(fields, b"etag"), first(fields, b"last-modified")
    if etag is not None and etag != first(stored.fields, b"etag"):
        return False
    if modified is not None and not _same_date(modified, first(stored.fields, b"last-modified")):
        return False
    length = combined(fields, b"content-length")
    known = stored.complete_length
    return length is None or known is None or length == b"%d" % known


def merged(stored: StoredResponse, fields: Fields) -> Fields:
    """The fields of `stored` after an update with these (RFC 9111 3.2): each field replaces all lines of the stored one.

    Not what describes the stored bytes, nor the entity tag, of which the stored one may be the stronger. Age and Date are those of the
    newer message, or none.
    """
    kept_out = _OF_THE_BYTES | {b"etag"} if first(stored.fields, b"etag") is not None else _OF_THE_BYTES
    newer = without(end_to_end(fields), kept_out)
    return [*without(stored.fields, {name for _, name, _ in newer} | _OF_THE_MESSAGE), *newer]


def _same_date(one: bytes, other: bytes | None) -> bool:
    """The same bytes, or the same moment in two of the forms that dates have."""
    if other is None or one == other:
        return one == other
    moment = parse_http_date(one, 0.0)
    return moment is not None and moment == parse_http_date(other, 0.0)
