"""Rows: what is written is read back the same, and no changed byte goes unnoticed."""

from __future__ import annotations

import pytest
import storekit
from hypothesis import given
from hypothesis import strategies as st

from edgecache.caching.stored import Key, Part, ReuseTerms, StoredResponse
from edgecache.semantics.message import Fields
from edgecache.store import row
from edgecache.store.body import FileBody, MemoryBody

ODD_FIELDS = [
    (b"Content-Type: text/html", b"content-type", b"text/html"),
    (b"X-Tab:\tvalue  ", b"x-tab", b"value"),
    (b"X-Empty:", b"x-empty", b""),
    (b"X-Obs: \xff\x80", b"x-obs", b"\xff\x80"),
    (b"X: a:b", b"x", b"a:b"),
    (b"Set-Cookie: a=1", b"set-cookie", b"a=1"),
    (b"Set-Cookie: b=2", b"set-cookie", b"b=2"),
    (b"X-Not: what the line says", b"x-other", b"something else"),
    (b"Cache-Tag: A,b", b"cache-tag", b"A,b"),
]
FULL = {
    "part": Part(5, 104, None),
    "groups": ("a", "b c"),
    "tags": ("A", "b"),
    "terms": ReuseTerms(True, False, 30.0, 60.5),
    "soft_since": 12.25,
    "soft_position": 7,
}

cases = pytest.mark.parametrize(
    "stored",
    [
        storekit.stored(),
        storekit.stored(storekit.key(3, b"cookie a=1"), 2**62, 2**63 - 1, storekit.ABSENT, 0),
        storekit.stored(storekit.key(3), 5, 6, storekit.GERMAN, 40_000, fields=ODD_FIELDS, **FULL),
        storekit.stored(fields=[]),
    ],
    ids=["plain", "great numbers", "everything", "empty"],
)


def tags_of(fields: Fields) -> tuple[str, ...]:
    return tuple(tag for _, name, value in fields if name == b"cache-tag" for tag in value.decode("latin-1").split(","))


def written(stored: StoredResponse) -> bytes:
    return row.encode(stored, storekit.LOG, stored.body)


def read(raw: bytes) -> StoredResponse:
    known = row.frame(raw)
    assert known is not None
    return row.decode(raw, known, lambda note: pytest.fail("no file"), tags_of)


@cases
def test_a_row_holds_all_that_is_stored(stored):
    found = read(written(stored))
    for name in StoredResponse.__slots__:
        if name != "body":
            assert getattr(found, name) == getattr(stored, name), name
    assert found.body.pieces == stored.body.pieces
    assert isinstance(found.key, Key)
    assert isinstance(found.terms, ReuseTerms)
    assert type(found.part) is type(stored.part)


@cases
def test_a_row_read_and_written_again_is_the_same(stored):
    raw = written(stored)
    assert written(read(raw)) == raw
    assert row.is_row_of(raw, stored)
    assert row.same(stored, read(raw))


def test_numbers_may_be_whole_ones():
    stored = storekit.stored(soft_since=3, terms=ReuseTerms(swr_s=1, sie_s=2))
    stored.lifetime_s = 60
    raw = written(stored)
    assert written(read(raw)) == raw


@pytest.mark.parametrize(
    "change",
    [
        {"position": 1},
        {"start": 1},
        {"soft_since": 5.0},
        {"fields": [(b"a: b", b"a", b"b")]},
        {"vary": storekit.GERMAN},
        {"terms": ReuseTerms(swr_s=1.0)},
    ],
)
def test_a_row_of_another_response_is_told_apart(change):
    stored = storekit.stored(storekit.key())
    other = storekit.stored(storekit.key(), **change)
    assert not row.is_row_of(written(other), stored)
    assert not row.same(stored, other)


def test_every_changed_byte_is_noticed():
    raw = written(storekit.stored(length=300))
    for at in range(len(raw)):
        for bit in (1, 128):
            changed = raw[:at] + bytes([raw[at] ^ bit]) + raw[at + 1 :]
            assert row.frame(changed) is None


@given(st.integers(0, 800))
def test_a_row_that_was_cut_is_noticed(length):
    raw = written(storekit.stored(length=300))
    assert (row.frame(raw[:length]) is None) is (length < len(raw))


@given(st.binary(max_size=300))
def test_any_bytes_are_no_row(raw):
    assert row.frame(raw) is None


def test_tags_are_derived_when_a_row_is_read():
    stored = storekit.stored(fields=ODD_FIELDS, tags=("of", "another", "profile"))
    raw = written(stored)
    found = read(raw)
    assert found.tags == ("A", "b")
    assert row.is_row_of(raw, found)
    assert row.same(stored, found)


def test_content_in_a_file_is_a_note_of_where_it_is():
    body = FileBody(None, None, "bodies/00/r00.1", 3 * 2**20, (1, 2, 3), outlives=True)
    stored = storekit.stored(body=body)
    raw = row.encode(stored, storekit.LOG, body)
    known = row.frame(raw)
    note = row.FileNote("bodies/00/r00.1", 3 * 2**20, (1, 2, 3))
    assert row.file_note(raw, known) == note
    seen = []
    found = row.decode(raw, known, lambda note: seen.append(note) or MemoryBody(()), tags_of)
    assert seen == [note]
    assert found.fields == stored.fields


def test_other_fields_beside_the_same_content():
    old, new = storekit.stored(position=1, length=50), storekit.stored(position=2, length=0, fields=ODD_FIELDS)
    raw = written(old)
    found = read(row.encode_beside(new, storekit.LOG, raw, row.frame(raw), None))
    assert (found.position, found.fields, found.body.pieces) == (2, ODD_FIELDS, old.body.pieces)


def test_names_are_told_apart_by_every_part_and_sort_by_url_then_key():
    keys = [
        Key(b"http", b"h", b"/a"),
        Key(b"https", b"h", b"/a"),
        Key(b"http", b"h", b"/a", b"x"),
        Key(b"http", b"h/", b"a"),
        Key(b"http", b"", b"h/a"),
    ]
    variants = [(), storekit.GERMAN, storekit.FRENCH, storekit.ABSENT, ((b"a", b"b-"),), ((b"a", b""), (b"b", None))]
    names = {row.row_name(key, vary) for key in keys for vary in variants}
    assert len(names) == len(keys) * len(variants)
    for key in keys:
        for vary in variants:
            assert row.row_name(key, vary).startswith(row.key_prefix(key))
            assert row.key_prefix(key).startswith(row.url_prefix(key.host, key.target))
    assert all(row.NAMES_FROM < name < row.NAMES_TO for name in names)
