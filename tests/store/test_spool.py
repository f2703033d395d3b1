"""The spool: nothing lost, nothing waited for that will not come, and no more held than the mode allows. Coroutines are driven by hand."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Coroutine
from typing import Any

import pytest
import storekit
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.store.files import SPOOL, Shelf
from edgecache.store.spool import JOIN_BYTES, Lagging, Spool, SpoolFiles
from edgecache.store.workers import Workers

TRAILERS = [(b"Digest: x", b"digest", b"x")]
BIG = JOIN_BYTES  # pieces that are not joined with others


class Torn(Exception):
    """What a fetch fails with."""


class Driven:
    """A coroutine under the test's control: it runs until it waits, and goes on only when what it waited for has happened."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.coroutine = coroutine
        self.result: Any = None
        self.done = False
        self.future: asyncio.Future[None] | None = None
        self._step()

    @property
    def woken(self) -> bool:
        return self.future is not None and self.future.done()

    def _step(self) -> None:
        try:
            self.future = self.coroutine.send(None)
        except StopIteration as end:
            self.result, self.done, self.future = end.value, True, None

    def go_on(self) -> None:
        if self.woken:
            self._step()

    def cancel(self) -> None:
        with pytest.raises(asyncio.CancelledError):
            self.coroutine.throw(asyncio.CancelledError())
        self.done = True


def held(spool: Spool) -> int:
    return sum(map(len, spool._pieces))


async def read_all(reader) -> bytes:
    content = b""
    while piece := await reader.read():
        content += piece
    return content


def letters(*names: bytes) -> list[bytes]:
    return [name * BIG for name in names]


# One reader, in memory.


async def test_what_was_appended_is_read_and_stored():
    spool = Spool(10, 10 * BIG)
    reader = spool.reader()
    pieces = [*letters(b"a", b"b"), b"c"]
    for piece in pieces:
        spool.append(piece)
        await spool.room()
    spool.finish(TRAILERS)
    assert await read_all(reader) == b"".join(pieces)
    assert await reader.read() == b""
    assert (spool.trailers, spool.size_bytes, spool.complete) == (TRAILERS, 2 * BIG + 1, True)
    await spool.filed()
    assert b"".join(spool.body().pieces) == b"".join(pieces)


async def test_empty_content():
    spool = Spool(10, 100)
    reader = spool.reader()
    spool.append(b"")
    spool.finish([])
    assert await reader.read() == b""
    assert spool.body().pieces == ()


async def test_a_reader_waits_for_the_next_piece_and_for_the_end():
    spool = Spool(10, 100)
    reader = spool.reader()
    reading = Driven(reader.read())
    assert not reading.done
    spool.append(b"one")
    reading.go_on()
    assert reading.result == b"one"
    reading = Driven(reader.read())
    assert not reading.done
    spool.finish([])
    reading.go_on()
    assert (reading.done, reading.result) == (True, b"")


async def test_what_is_at_hand_is_taken_without_waiting():
    spool = Spool(10, 100)
    reader = spool.reader()
    assert reader.take() == b""
    spool.append(b"one")
    assert reader.take() == b"one"
    assert reader.take() == b""
    spool.append(b"two")
    assert await reader.read() == b"two"


async def test_a_small_piece_joins_one_that_was_read_already_without_being_read_twice():
    spool = Spool(10, 100)
    reader = spool.reader()
    spool.append(b"one")
    assert await reader.read() == b"one"
    spool.append(b"two")
    spool.append(b"three")
    assert await reader.read() == b"twothree"
    spool.finish([])
    assert spool.body().pieces == (b"onetwothree",)


async def test_a_million_tiny_pieces_are_few_objects():
    spool = Spool(10, 10_000_000)
    reader = spool.reader()
    for _ in range(100_000):
        spool.append(b"xy")
        await reader.read()
    assert len(spool._pieces) <= 200_000 // JOIN_BYTES + 1


async def test_while_storable_the_writer_never_waits():
    spool = Spool(1, 100 * BIG)
    for piece in letters(*[b"x"] * 100):
        spool.append(piece)
        assert Driven(spool.room()).done
    assert spool.storable


@pytest.mark.parametrize("how", ["outgrown", "given up", "never"])
async def test_not_storable_the_writer_keeps_within_the_buffer(how):
    spool = Spool(BIG, 2 * BIG, storable=how != "never")
    reader = spool.reader()
    for piece in letters(b"a", b"b", b"c")[: 3 if how == "outgrown" else 2]:
        spool.append(piece)
    if how == "given up":
        spool.give_up()
    assert not spool.storable
    writing = Driven(spool.room())
    assert not writing.done
    while spool.unread_bytes > BIG:
        assert not writing.woken
        await reader.read()
        writing.go_on()  # woken at each read; it looks again
    assert writing.done
    assert held(spool) == BIG
    await reader.read()
    assert held(spool) == 0


async def test_outgrowing_keeps_what_was_not_read_and_forgets_the_rest():
    spool = Spool(BIG, 3 * BIG)
    reader = spool.reader()
    for piece in letters(b"a", b"b", b"c"):
        spool.append(piece)
    assert await reader.read() == b"a" * BIG
    spool.append(b"d" * BIG)
    assert not spool.storable
    assert held(spool) == 3 * BIG
    spool.finish([])
    assert await read_all(reader) == b"".join(letters(b"b", b"c", b"d"))
    assert held(spool) == 0


@pytest.mark.parametrize("end", ["torn", "outgrown", "not finished"])
async def test_only_complete_storable_content_has_a_body(end):
    spool = Spool(10, 5)
    spool.append(b"123456" if end == "outgrown" else b"12345")
    if end == "torn":
        spool.fail(Torn())
    elif end == "outgrown":
        spool.finish([])
    with pytest.raises(RuntimeError, match="complete"):
        spool.body()


async def test_content_of_exactly_the_limit_is_storable():
    spool = Spool(10, 5)
    spool.append(b"12")
    spool.append(b"345")
    spool.finish([])
    assert spool.body().pieces == (b"12345",)


async def test_a_failure_comes_after_everything_that_had_arrived():
    spool = Spool(10, 100)
    reader = spool.reader()
    spool.append(b"some")
    spool.fail(Torn())
    assert await reader.read() == b"some"
    for _ in range(2):
        with pytest.raises(Torn):
            await reader.read()
    assert not spool.storable


async def test_a_failure_wakes_who_waits():
    spool = Spool(1, 1)
    reader = spool.reader()
    spool.append(b"too much")
    writing = Driven(spool.room())
    assert await reader.read()
    reading = Driven(reader.read())
    spool.fail(Torn())
    writing.go_on()
    assert writing.done
    with pytest.raises(Torn):
        reading.go_on()


async def test_the_first_end_counts():
    torn, whole = Spool(10, 100), Spool(10, 100)
    torn_reader, whole_reader = torn.reader(), whole.reader()
    torn.fail(Torn())
    torn.finish(TRAILERS)
    torn.append(b"late")
    with pytest.raises(Torn):
        await torn_reader.read()
    whole.append(b"content")
    whole.finish(TRAILERS)
    whole.fail(Torn())
    whole.append(b"late")
    assert await read_all(whole_reader) == b"content"
    assert whole.body().pieces == (b"content",)


async def test_a_reader_that_left_holds_up_nobody():
    spool = Spool(1, 1)
    reader = spool.reader()
    spool.append(b"too much")
    writing = Driven(spool.room())
    assert not writing.done
    reader.leave()
    writing.go_on()
    assert writing.done
    assert spool.abandoned
    spool.append(b"more")
    assert Driven(spool.room()).done
    assert held(spool) == 0
    with pytest.raises(RuntimeError, match="left"):
        await reader.read()
    assert reader.take() == b""


async def test_storable_content_goes_on_without_readers_until_it_outgrows():
    spool = Spool(1, 10)
    spool.append(b"12345")
    assert not spool.abandoned
    spool.append(b"67890")
    assert Driven(spool.room()).done
    spool.append(b"1")
    assert spool.abandoned
    assert held(spool) == 0


async def test_a_cancelled_reader_has_taken_nothing():
    spool = Spool(10, 100)
    reader = spool.reader()
    waiting, woken = Driven(reader.read()), Driven(reader.read())
    waiting.cancel()  # of two who wait, the other is still woken
    spool.append(b"one")
    assert woken.woken
    woken.cancel()  # between waking and running
    assert await reader.read() == b"one"
    assert not spool._arrived._waiting


async def test_a_cancelled_writer_leaves_no_trace():
    spool = Spool(1, 1)
    reader = spool.reader()
    spool.append(b"too much")
    writing = Driven(spool.room())
    writing.cancel()
    assert await reader.read() == b"too much"
    assert not spool._freed._waiting


# Several readers.


async def test_each_reader_has_its_own_pace_and_gets_all_of_it():
    spool = Spool(10, 10 * BIG)
    first = spool.reader()
    spool.append(b"a" * BIG)
    assert await first.read() == b"a" * BIG
    second = spool.reader()
    reading = Driven(first.read())
    spool.append(b"b" * BIG)
    reading.go_on()
    assert reading.result == b"b" * BIG
    spool.finish([])
    third = spool.reader()
    whole = b"".join(letters(b"a", b"b"))
    assert [await read_all(reader) for reader in (first, second, third)] == [b"", whole, whole]


async def test_newcomers_join_only_while_everything_is_kept():
    spool = Spool(10, 10)
    spool.reader()
    spool.append(b"1234567890")
    assert spool.joinable
    spool.reader()
    spool.append(b"1")
    assert not spool.joinable
    with pytest.raises(RuntimeError, match="join"):
        spool.reader()


async def test_a_spool_that_is_not_storable_takes_its_readers_before_it_begins():
    spool = Spool(10, 10, storable=False)
    assert (spool.joinable, spool.abandoned) == (False, True)
    first, second = spool.reader(), spool.reader()
    assert not spool.abandoned
    spool.append(b"one")
    assert (await first.read(), await second.read()) == (b"one", b"one")


async def test_the_slowest_reader_sets_the_pace():
    spool = Spool(BIG, 0, storable=False)
    fast, slow = spool.reader(), spool.reader()
    for piece in letters(b"a", b"b"):
        spool.append(piece)
    writing = Driven(spool.room())
    await fast.read()
    await fast.read()
    writing.go_on()
    assert not writing.done
    assert (held(spool), spool.unread_bytes) == (2 * BIG, 2 * BIG)
    await slow.read()
    writing.go_on()
    assert writing.done
    assert held(spool) == BIG
    slow.leave()
    assert (held(spool), spool.unread_bytes) == (0, 0)


async def test_who_makes_the_others_wait_for_too_long_is_cut():
    cut = []
    spool = Spool(BIG, 0, storable=False)
    fast, slow = spool.reader(), spool.reader(lambda: cut.append("slow"))
    for piece in letters(b"a", b"b"):
        spool.append(piece)
    for _ in range(2):
        await fast.read()
    writing = Driven(spool.room())
    assert spool.cut_laggards(100.0, 10.0) == 0  # seen for the first time
    assert spool.cut_laggards(109.0, 10.0) == 0
    assert spool.cut_laggards(110.0, 10.0) == 1
    assert cut == ["slow"]
    writing.go_on()
    assert writing.done
    with pytest.raises(Lagging):
        await slow.read()
    spool.append(b"c")
    assert await fast.read() == b"c"


async def test_a_slow_reader_that_goes_on_reading_is_not_cut():
    spool = Spool(BIG, 0, storable=False)
    reader = spool.reader()
    for piece in letters(b"a", b"b", b"c", b"d"):
        spool.append(piece)
    for now in (0.0, 9.0, 18.0):
        assert spool.cut_laggards(now, 10.0) == 0
        await reader.read()
    assert spool.cut_laggards(1000.0, 10.0) == 0  # near enough: nobody waits for it
    spool.append(b"e" * BIG)
    assert spool.cut_laggards(2000.0, 10.0) == 0  # and begins again
    assert spool.cut_laggards(2010.0, 10.0) == 1


@pytest.mark.parametrize("ended", [False, True])
async def test_nobody_is_cut_when_nobody_waits(ended):
    spool = Spool(BIG, 10 * BIG, storable=not ended)
    reader = spool.reader()
    for piece in letters(b"a", b"b"):
        spool.append(piece)
    if ended:
        spool.finish([])
    for now in (0.0, 100.0):
        assert spool.cut_laggards(now, 10.0) == 0
    assert await reader.read() == b"a" * BIG


async def test_who_is_cut_while_it_waits_hears_of_it():
    spool = Spool(0, 0, storable=False)
    reader = spool.reader()
    reading = Driven(reader.read())
    spool.append(b"a")
    assert spool.cut_laggards(0.0, 0.0) == 1
    with pytest.raises(Lagging):
        reading.go_on()


# In a file, beyond some memory.


@pytest.fixture
async def files(tmp_path):
    """A function that gives what a spool needs to write a file, and a list that gets the errors."""
    made: list[SpoolFiles] = []
    defects: list[BaseException] = []

    def files(memory_bytes: int) -> tuple[SpoolFiles, list[OSError]]:
        writer, readers = (Workers(name, 1, lambda name, defect: defects.append(defect)) for name in ("writer", "reader"))
        failed: list[OSError] = []
        made.append(SpoolFiles(Shelf(str(tmp_path), storekit.FaultyFiles(), writer.post), writer, readers, memory_bytes, failed.append))
        return made[-1], failed

    yield files
    for one in made:
        await one.readers.stop()
        await one.writer.stop()
    assert defects == []


def whole(length: int) -> bytes:
    return storekit.content(storekit.key(), (), 0, 0, length)


async def fill(spool: Spool, content: bytes, step: int = 3000) -> None:
    for begin in range(0, len(content), step):
        spool.append(content[begin : begin + step])
        await spool.room()


async def read_until(reader, length: int, turns: int = 0) -> bytes:
    """The next `length` bytes, letting the others run for some turns before each piece."""
    content = b""
    while len(content) < length:
        for _ in range(turns):
            await asyncio.sleep(0)
        content += await reader.read()
    return content


async def no_files(tmp_path) -> None:
    async with asyncio.timeout(10):
        while (tmp_path / SPOOL).exists() and os.listdir(tmp_path / SPOOL):
            await asyncio.sleep(0.001)


async def test_beyond_its_memory_content_is_in_a_file_and_readers_notice_nothing(files):
    content = whole(40 * BIG)
    spool = Spool(BIG, 100 * BIG, files=files(2 * BIG)[0])
    early, late = spool.reader(), spool.reader()
    reading = asyncio.create_task(read_all(early))
    await fill(spool, content)
    assert held(spool) < 10 * BIG
    spool.finish(TRAILERS)
    await spool.filed()
    assert held(spool) <= 3 * BIG
    assert spool.joinable
    assert await read_all(late) == content
    assert await reading == content
    assert await read_all(spool.reader()) == content
    body = spool.body()
    assert body.length == len(content)
    assert await storekit.all_of(body) == content


async def test_content_within_its_memory_needs_no_file(files, tmp_path):
    spool = Spool(BIG, 100 * BIG, files=files(2 * BIG)[0])
    await fill(spool, whole(2 * BIG))
    spool.finish([])
    await spool.filed()
    assert b"".join(spool.body().pieces) == whole(2 * BIG)
    assert not (tmp_path / SPOOL).exists()


async def test_the_body_is_not_there_before_all_of_it_is_in_the_file(files):
    spool = Spool(BIG, 100 * BIG, files=files(0)[0])
    spool.append(b"x" * BIG)
    spool.finish([])
    with pytest.raises(RuntimeError, match="filed"):
        spool.body()
    await spool.filed()
    assert await storekit.all_of(spool.body()) == b"x" * BIG


async def test_a_disk_that_is_slower_than_the_origin_makes_the_writer_wait(files):
    parts, _ = files(BIG)
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()
    parts.writer.post(lambda: asyncio.run_coroutine_threadsafe(gate.wait(), loop).result())
    spool = Spool(BIG, 100 * BIG, files=parts)
    for piece in letters(b"a", b"b", b"c", b"d"):
        spool.append(piece)
    writing = Driven(spool.room())
    assert not writing.done
    gate.set()
    while not writing.woken:
        await asyncio.sleep(0)
    writing.go_on()
    assert writing.done


async def test_outgrown_in_a_file_it_is_kept_for_those_who_read(files, tmp_path):
    content = whole(20 * BIG)
    spool = Spool(BIG, 10 * BIG, files=files(2 * BIG)[0])
    reader, other = spool.reader(), spool.reader()
    filling = asyncio.create_task(fill(spool, content))
    got = b""
    while len(got) < 12 * BIG:
        got += await reader.read()
        await other.read()
    assert not spool.joinable
    other.leave()
    got += await asyncio.wait_for(read_until(reader, len(content) - len(got)), 10)
    await filling
    spool.finish([])
    assert got == content
    assert held(spool) == 0
    reader.leave()
    await no_files(tmp_path)


@pytest.mark.parametrize("failing", ["create", "write", "room"])
async def test_a_full_disk_makes_it_not_storable_and_nobody_loses_a_byte(files, tmp_path, failing):
    content = whole(20 * BIG)
    parts, failed = files(2 * BIG)
    if failing == "room":
        parts.shelf.files.room = 5 * BIG
    else:
        parts.shelf.files.failing[failing] = errno.ENOSPC
    spool = Spool(BIG, 100 * BIG, files=parts)
    readers = [spool.reader(), spool.reader()]
    filling = asyncio.create_task(fill(spool, content))
    reading = (read_until(reader, len(content), turns) for reader, turns in zip(readers, (0, 5), strict=True))
    assert await asyncio.wait_for(asyncio.gather(*reading), 10) == [content, content]
    await filling
    spool.finish([])
    await spool.filed()
    assert not spool.joinable
    with pytest.raises(RuntimeError):
        spool.body()
    assert [error.errno for error in failed] == [errno.ENOSPC]
    for reader in readers:
        reader.leave()
    await no_files(tmp_path)


async def test_a_file_that_cannot_be_read_back_is_an_error_for_that_reader(files):
    parts, _ = files(0)
    spool = Spool(BIG, 100 * BIG, files=parts)
    reader, other = spool.reader(), spool.reader()
    await fill(spool, whole(5 * BIG), BIG)
    spool.finish([])
    await spool.filed()
    parts.shelf.files.failing["read"] = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        await reader.read()
    parts.shelf.files.failing.clear()
    assert await read_all(other) == whole(5 * BIG)


@pytest.mark.parametrize("how", ["torn", "given up", "not stored"])
async def test_the_file_goes_when_nobody_needs_it(files, tmp_path, how):
    spool = Spool(BIG, 100 * BIG, files=files(0)[0])
    await fill(spool, whole(5 * BIG))
    async with asyncio.timeout(10):
        while not (tmp_path / SPOOL).exists() or not os.listdir(tmp_path / SPOOL):
            await asyncio.sleep(0.001)
    match how:
        case "torn":
            spool.fail(Torn())
        case "given up":
            spool.give_up()
        case "not stored":
            spool.finish([])
            await spool.filed()
            spool.body()
            del spool
    await no_files(tmp_path)


async def test_who_leaves_while_it_reads_back_disturbs_nobody(files):
    spool = Spool(BIG, 100 * BIG, files=files(0)[0])
    leaving, staying = spool.reader(), spool.reader()
    await fill(spool, whole(5 * BIG))
    spool.finish([])
    await spool.filed()
    reading = asyncio.create_task(leaving.read())
    await asyncio.sleep(0)
    reading.cancel()
    leaving.leave()
    assert await read_all(staying) == whole(5 * BIG)


# Any order.

actions = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from([1, 7, 100, JOIN_BYTES - 1, JOIN_BYTES, 2 * JOIN_BYTES])),
        st.tuples(st.sampled_from(["read"] * 6 + ["join", "cancel", "give_up", "leave", "finish", "fail"]), st.integers(0, 2)),
    ),
    max_size=60,
)


class Client:
    """A reader in the model, and what it has got."""

    def __init__(self, spool: Spool) -> None:
        self.reader = spool.reader()
        self.got = b""
        self.reading: Driven | None = None


@settings(deadline=None)
@given(actions, st.sampled_from([0, 50, 3 * JOIN_BYTES]), st.sampled_from([0, 300, 4 * JOIN_BYTES, 10**9]))
def test_in_any_order_each_reader_gets_exactly_what_was_appended(actions, buffer_bytes, object_bytes):
    async def run() -> None:
        spool = Spool(buffer_bytes, object_bytes)
        clients = [Client(spool)]
        sent, counter = b"", 0
        writing: Driven | None = None
        ended = torn = False
        for action, number in actions:
            if writing is not None:
                writing.go_on()
                writing = None if writing.done else writing
            client = clients[number % len(clients)] if clients else None
            match action:
                case "append" if writing is None and not ended:  # a writer that waits does not append
                    piece = bytes((counter + index) % 251 for index in range(number))
                    counter += number
                    sent += piece
                    spool.append(piece)
                    room = Driven(spool.room())
                    behind = max((len(sent) - len(one.got) for one in clients), default=0)
                    assert room.done is (spool.storable or behind <= buffer_bytes)
                    writing = None if room.done else room
                case "join":
                    assert spool.joinable is spool.storable
                    if spool.joinable and len(clients) < 3:
                        clients.append(Client(spool))
                case "read" if client is not None:
                    if client.reading is None:
                        client.reading = Driven(client.reader.read()) if not torn else None
                    else:
                        client.reading.go_on()
                    if client.reading is not None and client.reading.done:
                        client.got += client.reading.result
                        assert sent.startswith(client.got)
                        assert client.reading.result or (ended and client.got == sent)
                        client.reading = None
                case "cancel" if client is not None and client.reading is not None:
                    client.reading.cancel()
                    client.reading = None
                case "give_up":
                    spool.give_up()
                case "leave" if client is not None:
                    if client.reading is not None:
                        client.reading.cancel()
                    client.reader.leave()
                    clients.remove(client)
                case "finish" if writing is None:
                    spool.finish([])
                    ended = True
                case "fail" if not ended and all(one.reading is None for one in clients):
                    spool.fail(Torn())
                    ended = torn = True
            assert spool.size_bytes == len(sent)
            assert spool.abandoned is (not clients and not spool.storable)
            if spool.storable:
                assert held(spool) == len(sent) <= object_bytes
            elif not clients:
                assert held(spool) == 0
            else:
                assert held(spool) <= len(sent) - min(len(one.got) for one in clients) + JOIN_BYTES
        if ended and not torn and spool.storable:
            assert b"".join(spool.body().pieces) == sent
        for driven in [writing, *(one.reading for one in clients)]:
            if driven is not None:
                driven.coroutine.close()

    asyncio.run(run())
