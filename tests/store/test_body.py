"""Content in memory and in files: any range of it, and never a byte that was not stored."""

from __future__ import annotations

import gc
import os

import pytest
import storekit
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.store.body import CHECKED_BYTES, JOINED_BYTES, PIECE_BYTES, BrokenStored, FileBody, MemoryBody
from edgecache.store.files import Shelf
from edgecache.store.filing import Filing
from edgecache.store.workers import Workers

LENGTH = 2 * CHECKED_BYTES + PIECE_BYTES + 100  # two checked pieces and the beginning of a third
CONTENT = storekit.content(storekit.key(), (), 0, 0, LENGTH)
ROW = "r" + "0" * 64


@pytest.fixture
async def workers():
    defects: list[BaseException] = []
    workers = Workers("test", 2, lambda name, defect: defects.append(defect))
    yield workers
    await workers.stop()
    assert defects == []


@pytest.fixture
def shelf(tmp_path, workers):
    shelf = Shelf(str(tmp_path), storekit.FaultyFiles(), workers.post)
    shelf.generation = "kept-1"
    return shelf


@pytest.fixture
def filed(shelf, workers):
    """A function that writes content to a file, in pieces of odd lengths."""

    def filed(content: bytes = CONTENT) -> FileBody:
        filing = Filing(shelf)
        for begin in range(0, len(content), 100_003):
            filing.write([content[begin : begin + 7], content[begin + 7 : begin + 100_003]])
        return filing.body(workers)

    return filed


async def settled(workers: Workers) -> None:
    """Finalisers run where the last reference goes, which may be a thread: let each thread finish what it does, twice."""
    for _ in range(4):
        await workers.call(lambda: None)


def test_content_in_memory_is_one_piece_when_it_is_short():
    short, long = MemoryBody((b"a", b"b")), MemoryBody((b"a", b"b" * JOINED_BYTES))
    assert (short.pieces, short.length) == ((b"ab",), 2)
    assert len(long.pieces) == 2
    assert (MemoryBody(()).pieces, MemoryBody(()).length) == ((), 0)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=5), max_size=6), st.integers(0, 35), st.integers(0, 35))
def test_any_range_of_content_in_memory(pieces, first, last):
    body = MemoryBody(pieces)
    body.pieces = tuple(pieces)  # also when it would have been joined
    content = b"".join(pieces)
    assert b"".join(body.cut(first, last)) == content[first : last + 1]
    assert b"".join(body.cut()) == content


async def test_content_in_memory_is_read_in_pieces_too():
    body = MemoryBody((CONTENT,))
    pieces = [piece async for piece in body.read(5, LENGTH - 3)]
    assert b"".join(pieces) == CONTENT[5 : LENGTH - 2]
    assert max(map(len, pieces)) == PIECE_BYTES


@pytest.mark.parametrize(
    "first, last",
    [
        (0, None),
        (0, 0),
        (LENGTH - 1, None),
        (1, LENGTH - 2),
        (PIECE_BYTES - 1, PIECE_BYTES),
        (CHECKED_BYTES - 1, CHECKED_BYTES),
        (2 * CHECKED_BYTES + PIECE_BYTES, 2 * CHECKED_BYTES + PIECE_BYTES + 5),
        (5, LENGTH + 1000),
    ],
)
async def test_any_range_of_content_in_a_file(filed, first, last):
    body = filed()
    for _ in range(2):  # the second time by the checksums noted the first time
        pieces = [piece async for piece in body.read(first, last)]
        assert b"".join(pieces) == CONTENT[first : LENGTH if last is None else last + 1]
        assert max(map(len, pieces)) <= PIECE_BYTES
    assert b"".join(body.load()) == CONTENT


@pytest.mark.parametrize("length", [1, PIECE_BYTES, CHECKED_BYTES, CHECKED_BYTES + 1])
async def test_content_of_any_length(filed, length):
    body = filed(CONTENT[:length])
    assert await storekit.all_of(body) == CONTENT[:length]
    assert len(body.checksums) == -(-length // CHECKED_BYTES)


@pytest.mark.parametrize("checked_before", [False, True])
@pytest.mark.parametrize("at", [0, PIECE_BYTES + 3, CHECKED_BYTES - 1, CHECKED_BYTES, 2 * CHECKED_BYTES, LENGTH - 1])
async def test_a_changed_byte_is_never_given_out(shelf, filed, at, checked_before):
    body = filed()
    if checked_before:
        await storekit.all_of(body)
    with open(shelf.path(body.place), "r+b") as file:
        file.seek(at)
        file.write(bytes([CONTENT[at] ^ 1]))
    got = b""
    reading = body.read()
    with pytest.raises(BrokenStored):  # noqa: PT012
        while True:
            got += await anext(reading)
    assert CONTENT.startswith(got)
    assert len(got) <= at
    with pytest.raises(BrokenStored):
        await storekit.all_of(body, at, at)
    with pytest.raises(BrokenStored):
        body.load()


@pytest.mark.parametrize("length", [0, 1, CHECKED_BYTES, LENGTH - 1])
async def test_a_file_that_is_too_short_never_ends_well(shelf, filed, length):
    body = filed()
    os.truncate(shelf.path(body.place), length)
    with pytest.raises(BrokenStored):
        await storekit.all_of(body)


@pytest.mark.parametrize("operation", ["open", "read"])
async def test_a_file_that_cannot_be_read_is_broken(shelf, filed, operation):
    body = filed()
    shelf.files.failing[operation] = 5
    with pytest.raises(BrokenStored, match="Input/output"):
        await storekit.all_of(body)


async def test_who_reads_goes_on_when_the_file_is_moved_or_removed(shelf, filed):
    body = filed()
    reading = body.read()
    got = await anext(reading)
    shelf.keep(body, ROW)
    assert await storekit.all_of(body) == CONTENT
    os.unlink(shelf.path(body.place))
    async for piece in reading:
        got += piece
    assert got == CONTENT


async def test_the_file_goes_with_who_holds_it_unless_a_row_refers_to_it(shelf, filed, workers):
    body, kept = filed(), filed()
    shelf.keep(kept, ROW)
    shelf.kept(kept)
    places = [body.place, kept.place]
    del body, kept
    await settled(workers)
    assert [os.path.exists(shelf.path(place)) for place in places] == [False, True]
    shelf.release(places[1])
    assert not os.path.exists(shelf.path(places[1]))
    shelf.release(places[1])  # gone already: no matter


async def test_a_file_without_a_row_stays_while_somebody_holds_it(shelf, filed, workers):
    body = filed()
    shelf.keep(body, ROW)
    shelf.kept(body)
    place = body.place
    assert shelf.body(place, lambda: pytest.fail("there is one already")) is body
    shelf.release(place)
    assert await storekit.all_of(body) == CONTENT
    del body
    await settled(workers)
    assert not os.path.exists(shelf.path(place))


async def test_a_file_that_nobody_took_over_goes(shelf, workers):
    filing = Filing(shelf)
    filing.write([b"abc"])
    place = filing._place
    assert filing.read(1, 2) == b"bc"
    with pytest.raises(OSError, match="shorter"):
        filing.read(2, 2)
    del filing
    await settled(workers)
    assert not os.path.exists(shelf.path(place))


async def test_files_are_closed(shelf, filed, workers):
    gc.collect()  # what earlier tests left behind
    before = len(os.listdir("/dev/fd"))
    body = filed()
    readers = [body.read() for _ in range(5)]
    for reader in readers:
        await anext(reader)
    del readers, reader
    await storekit.all_of(body)
    await settled(workers)
    assert len(os.listdir("/dev/fd")) == before
