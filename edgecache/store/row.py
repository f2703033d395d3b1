"""A stored response as bytes in the database, and back: the only file that knows how.

A row is a frame of fixed length, the head, and the content or where it is. The frame begins with a checksum of all that follows it, since
SQLite does not notice when a byte of a value has changed; then come format, log id and (position, start), so that rows can be compared
without decoding them. Nothing in a row is executable or self-describing: msgpack with one known shape.

What a profile derived is kept as it was derived (lifetime, terms, groups), but for tags: they are derived of the fields when a row is read,
by the profile that is in force then.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from edgecache.caching.stored import Key, Part, ReuseTerms, StoredResponse, Variant
from edgecache.semantics.message import Field, Fields
from edgecache.store.body import Body, FileBody, MemoryBody

FORMAT = 1  # of rows, files and folder together: whoever changes any of them counts on
INLINE_BYTES = 32 * 1024  # content up to here is in the row

TagsOf = Callable[[Fields], tuple[str, ...]]  # the tags of a stored response with these fields; called in any thread

NAME_PREFIX = "r"
NAMES_FROM, NAMES_TO = "r", "s"  # every row's name lies between them

_FRAME = struct.Struct(">IH16sQQBI")  # checksum · format · log id · position · start · content is in a file · length of the head
_CHECKED_FROM = 4
_INLINE, _FILED = 0, 1


class Frame(NamedTuple):
    """What a row says of itself before it is decoded."""

    log_id: bytes
    position: int
    start: int
    filed: bool
    head_from: int
    head_to: int

    @property
    def order(self) -> tuple[int, int]:
        """None replaces a stored response of a higher one."""
        return self.position, self.start


class FileNote(msgspec.Struct, array_like=True, frozen=True):
    """Where content is that is not in its row."""

    place: str
    length: int
    checksums: tuple[int, ...]


class _Head(msgspec.Struct, array_like=True, frozen=True):
    key: Key
    status: int
    reason: bytes
    fields: list[bytes | tuple[bytes, bytes, bytes]]
    vary: tuple[tuple[bytes, bytes | None], ...]
    request_time: float
    response_time: float
    offset_s: float
    lifetime_s: float
    initial_age_s: float
    terms: ReuseTerms
    part: Part | None
    groups: tuple[str, ...]
    soft_since: float | None
    soft_position: int


_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_decode_note = msgspec.msgpack.Decoder(FileNote).decode


def row_name(key: Key, vary: Variant) -> str:
    """The name of the row for one variant of a key: what its URL's, its key's and its own name begin with, in that order."""
    return key_prefix(key) + _digest(8, *(part for name, value in vary for part in (name, b"-" if value is None else b"+" + value)))


def key_prefix(key: Key) -> str:
    """What the names of all rows of a key begin with."""
    return url_prefix(key.host, key.target) + _digest(12, *key)


def url_prefix(host: bytes, target: bytes) -> str:
    """What the names of all rows of a URL begin with, of either scheme and whatever else is in their keys."""
    return NAME_PREFIX + _digest(12, host, target)


def encode(stored: StoredResponse, log_id: bytes, body: Body) -> bytes:
    """The row for `stored`, its content being `body`: inline for a MemoryBody, else a note of where the file is."""
    if isinstance(body, FileBody):
        return _row(stored, log_id, _FILED, (_encode(FileNote(body.place, body.length, body.checksums)),))
    return _row(stored, log_id, _INLINE, body.pieces)


def encode_beside(stored: StoredResponse, log_id: bytes, row: bytes, known: Frame, note: FileNote | None) -> bytes:
    """The row for `stored`, whose content is that of another sound row: in there, or where `note` says."""
    if note is None:
        return _row(stored, log_id, _INLINE, (row[known.head_to :],))
    return _row(stored, log_id, _FILED, (_encode(note),))


def frame(row: bytes) -> Frame | None:
    """What the row says of itself, or None when it is damaged or of another format."""
    if len(row) < _FRAME.size:
        return None
    checksum, written_format, log_id, position, start, kind, head_length = _FRAME.unpack_from(row)
    head_to = _FRAME.size + head_length
    if written_format != FORMAT or head_to > len(row) or zlib.crc32(memoryview(row)[_CHECKED_FROM:]) != checksum:
        return None
    return Frame(log_id, position, start, kind == _FILED, _FRAME.size, head_to)


def is_row_of(row: bytes, stored: StoredResponse) -> bool:
    """Does this sound row hold exactly `stored`: the same fetch, fields and times?"""
    known = frame(row)
    return (
        known is not None
        and known.order == (stored.position, stored.start)
        and row[known.head_from : known.head_to] == _encode(_head(stored))
    )


def same(one: StoredResponse, other: StoredResponse) -> bool:
    """Are they one and the same stored response, perhaps read from the database twice?"""
    if one is other:
        return True
    return (one.position, one.start) == (other.position, other.start) and _head(one) == _head(other)


def file_note(row: bytes, known: Frame) -> FileNote | None:
    """Where the content of a row is, unless it is in the row itself."""
    return _decode_note(memoryview(row)[known.head_to :]) if known.filed else None


def decode(row: bytes, known: Frame, filed: Callable[[FileNote], FileBody], tags_of: TagsOf) -> StoredResponse:
    """The stored response in a sound row. `filed` gives the body for content in a file.

    Raises msgspec.DecodeError, which for a row with a good checksum is a defect of whoever wrote it.
    """
    head = _decode_head(memoryview(row)[known.head_from : known.head_to])
    note = file_note(row, known)
    fields = [_field(one) if isinstance(one, bytes) else one for one in head.fields]
    return StoredResponse(
        key=head.key,
        status=head.status,
        reason=head.reason,
        fields=fields,
        vary=head.vary,
        body=MemoryBody((row[known.head_to :],)) if note is None else filed(note),
        request_time=head.request_time,
        response_time=head.response_time,
        offset_s=head.offset_s,
        position=known.position,
        start=known.start,
        lifetime_s=head.lifetime_s,
        initial_age_s=head.initial_age_s,
        terms=head.terms,
        part=head.part,
        groups=head.groups,
        tags=tags_of(fields),
        soft_since=head.soft_since,
        soft_position=head.soft_position,
    )


def _row(stored: StoredResponse, log_id: bytes, kind: int, content: Sequence[bytes]) -> bytes:
    head = _encode(_head(stored))
    framed = _FRAME.pack(0, FORMAT, log_id, stored.position, stored.start, kind, len(head))[_CHECKED_FROM:]
    row = b"".join((framed, head, *content))
    return zlib.crc32(row).to_bytes(4, "big") + row


def _head(stored: StoredResponse) -> _Head:
    """As it is written. Numbers are made floats: a row read and written again must be the same bytes (see is_row_of)."""
    terms = stored.terms
    return _Head(
        key=stored.key,
        status=stored.status,
        reason=stored.reason,
        fields=[one[0] if _field(one[0]) == one else one for one in stored.fields],
        vary=stored.vary,
        request_time=float(stored.request_time),
        response_time=float(stored.response_time),
        offset_s=float(stored.offset_s),
        lifetime_s=float(stored.lifetime_s),
        initial_age_s=float(stored.initial_age_s),
        terms=terms._replace(swr_s=float(terms.swr_s), sie_s=None if terms.sie_s is None else float(terms.sie_s)),
        part=stored.part,
        groups=stored.groups,
        soft_since=None if stored.soft_since is None else float(stored.soft_since),
        soft_position=stored.soft_position,
    )


def _field(line: bytes) -> Field:
    """The field of a line, as nearly all are: then the line is enough to keep."""
    name, _, value = line.partition(b":")
    return line, name.lower(), value.strip(b" \t")


def _digest(size: int, *parts: bytes) -> str:
    """One name for these bytes and their bounds."""
    digest = hashlib.blake2b(digest_size=size)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.hexdigest()
