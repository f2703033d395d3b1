"""The spool: nothing lost, nothing waited for that will not come, and no more held than the mode allows. Coroutines are driven by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.store.spool import JOIN_BYTES, Spool

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


async def read_all(spool: Spool) -> bytes:
    content = b""
    while piece := await spool.read():
        content += piece
    return content


async def test_what_was_appended_is_read_and_stored():
    spool = Spool(10, 10 * BIG)
    pieces = [b"a" * BIG, b"b" * BIG, b"c"]
    for piece in pieces:
        spool.append(piece)
        await spool.room()
    spool.finish(TRAILERS)
    assert await read_all(spool) == b"".join(pieces)
    assert await spool.read() == b""
    assert (spool.trailers, spool.size_bytes, spool.complete) == (TRAILERS, 2 * BIG + 1, True)
    assert b"".join(spool.body()) == b"".join(pieces)


async def test_empty_content():
    spool = Spool(10, 100)
    spool.append(b"")
    spool.finish([])
    assert await spool.read() == b""
    assert spool.body() == ()


async def test_a_reader_waits_for_the_next_piece_and_for_the_end():
    spool = Spool(10, 100)
    reading = Driven(spool.read())
    assert not reading.done
    spool.append(b"one")
    reading.go_on()
    assert reading.result == b"one"
    reading = Driven(spool.read())
    assert not reading.done
    spool.finish([])
    reading.go_on()
    assert (reading.done, reading.result) == (True, b"")


async def test_what_is_at_hand_is_taken_without_waiting():
    spool = Spool(10, 100)
    assert spool.take() == b""
    spool.append(b"one")
    assert spool.take() == b"one"
    assert spool.take() == b""
    spool.append(b"two")
    assert await spool.read() == b"two"


async def test_a_small_piece_joins_one_that_was_read_already_without_being_read_twice():
    spool = Spool(10, 100)
    spool.append(b"one")
    assert await spool.read() == b"one"
    spool.append(b"two")
    spool.append(b"three")
    assert await spool.read() == b"twothree"
    spool.finish([])
    assert spool.body() == (b"onetwothree",)


async def test_a_million_tiny_pieces_are_few_objects():
    spool = Spool(10, 10_000_000)
    for _ in range(100_000):
        spool.append(b"xy")
        await spool.read()
    spool.finish([])
    assert len(spool.body()) <= 200_000 // JOIN_BYTES + 1


async def test_while_storable_the_writer_never_waits():
    spool = Spool(1, 100 * BIG)
    for _ in range(100):
        spool.append(b"x" * BIG)
        assert Driven(spool.room()).done
    assert spool.storable


@pytest.mark.parametrize("how", ["outgrown", "given up", "never"])
async def test_not_storable_the_writer_keeps_within_the_buffer(how):
    spool = Spool(BIG, 2 * BIG, storable=how != "never")
    if how == "given up":
        spool.append(b"a" * BIG)
        spool.append(b"b" * BIG)
        spool.give_up()
    else:
        for letter in (b"a", b"b", b"c")[: 3 if how == "outgrown" else 2]:
            spool.append(letter * BIG)
    assert not spool.storable
    writing = Driven(spool.room())
    assert not writing.done
    while spool.unread_bytes > BIG:
        assert not writing.woken
        await spool.read()
        writing.go_on()  # woken at each read; it looks again
    assert writing.done
    assert held(spool) == BIG
    await spool.read()
    assert held(spool) == 0


async def test_outgrowing_keeps_what_was_not_read_and_forgets_the_rest():
    spool = Spool(BIG, 3 * BIG)
    for letter in b"abc":
        spool.append(bytes([letter]) * BIG)
    assert await spool.read() == b"a" * BIG
    spool.append(b"d" * BIG)
    assert not spool.storable
    assert held(spool) == 3 * BIG
    spool.finish([])
    assert await read_all(spool) == b"b" * BIG + b"c" * BIG + b"d" * BIG
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
    assert spool.body() == (b"12345",)


async def test_a_failure_comes_after_everything_that_had_arrived():
    spool = Spool(10, 100)
    spool.append(b"some")
    spool.fail(Torn())
    assert await spool.read() == b"some"
    for _ in range(2):
        with pytest.raises(Torn):
            await spool.read()
    assert not spool.storable


async def test_a_failure_wakes_who_waits():
    spool = Spool(1, 1)
    spool.append(b"too much")
    writing = Driven(spool.room())
    assert await spool.read()
    reading = Driven(spool.read())
    spool.fail(Torn())
    writing.go_on()
    assert writing.done
    with pytest.raises(Torn):
        reading.go_on()


async def test_the_first_end_counts():
    torn, whole = Spool(10, 100), Spool(10, 100)
    torn.fail(Torn())
    torn.finish(TRAILERS)
    torn.append(b"late")
    with pytest.raises(Torn):
        await torn.read()
    whole.append(b"content")
    whole.finish(TRAILERS)
    whole.fail(Torn())
    whole.append(b"late")
    assert await read_all(whole) == b"content"
    assert whole.body() == (b"content",)


async def test_a_reader_that_left_holds_up_nobody():
    spool = Spool(1, 1)
    spool.append(b"too much")
    writing = Driven(spool.room())
    assert not writing.done
    spool.reader_left()
    writing.go_on()
    assert writing.done
    assert spool.abandoned
    spool.append(b"more")
    assert Driven(spool.room()).done
    assert held(spool) == 0


async def test_storable_content_goes_on_without_its_reader_until_it_outgrows():
    spool = Spool(1, 10)
    spool.append(b"12345")
    spool.reader_left()
    assert not spool.abandoned
    spool.append(b"67890")
    assert Driven(spool.room()).done
    spool.append(b"1")
    assert spool.abandoned
    assert held(spool) == 0


async def test_a_cancelled_reader_has_taken_nothing():
    spool = Spool(10, 100)
    waiting, woken = Driven(spool.read()), Driven(spool.read())
    waiting.cancel()  # of two who wait, the other is still woken
    spool.append(b"one")
    assert woken.woken
    woken.cancel()  # between waking and running
    assert await spool.read() == b"one"
    assert not spool._arrived._waiting


async def test_a_cancelled_writer_leaves_no_trace():
    spool = Spool(1, 1)
    spool.append(b"too much")
    writing = Driven(spool.room())
    writing.cancel()
    assert await spool.read() == b"too much"
    assert not spool._freed._waiting


async def test_cancelled_through_a_task():
    spool = Spool(10, 100)
    reader = asyncio.create_task(spool.read())
    await asyncio.sleep(0)
    spool.append(b"one")
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    spool.finish([])
    assert await read_all(spool) == b"one"


actions = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from([1, 7, 100, JOIN_BYTES - 1, JOIN_BYTES, 2 * JOIN_BYTES])),
        st.tuples(st.sampled_from(["read"] * 4 + ["cancel", "give_up", "left", "finish", "fail"]), st.just(0)),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(actions, st.sampled_from([0, 50, 3 * JOIN_BYTES]), st.sampled_from([0, 300, 4 * JOIN_BYTES, 10**9]))
def test_in_any_order_the_reader_gets_exactly_what_was_appended(actions, buffer_bytes, object_bytes):
    async def run() -> None:
        spool = Spool(buffer_bytes, object_bytes)
        sent, got, counter = b"", b"", 0
        reading: Driven | None = None
        writing: Driven | None = None
        left = ended = torn = False
        for action, size in actions:
            if writing is not None:
                writing.go_on()
                writing = None if writing.done else writing
            match action:
                case "append" if writing is None and not ended:  # a writer that waits does not append
                    piece = bytes((counter + number) % 251 for number in range(size))
                    counter += size
                    sent += piece
                    spool.append(piece)
                    room = Driven(spool.room())
                    may_go_on = spool.storable or left or len(sent) - len(got) <= buffer_bytes
                    assert room.done is may_go_on
                    writing = None if room.done else room
                case "read" if not left:
                    if reading is None:
                        reading = Driven(spool.read()) if not torn else None
                    else:
                        reading.go_on()
                    if reading is not None and reading.done:
                        got += reading.result
                        assert sent.startswith(got)
                        assert reading.result or (ended and got == sent)
                        reading = None
                case "cancel" if reading is not None:
                    reading.cancel()
                    reading = None
                case "give_up":
                    spool.give_up()
                case "left":
                    if reading is not None:
                        reading.cancel()
                        reading = None
                    spool.reader_left()
                    left = True
                case "finish" if writing is None:
                    spool.finish([])
                    ended = True
                case "fail" if reading is None and not ended:
                    spool.fail(Torn())
                    ended = torn = True
            assert spool.size_bytes == len(sent)
            if spool.storable:
                assert held(spool) == len(sent) <= object_bytes
            elif left:
                assert held(spool) == 0
            else:
                assert held(spool) <= len(sent) - len(got) + JOIN_BYTES
        if ended and not torn and spool.storable:
            assert b"".join(spool.body()) == sent
        for driven in (reading, writing):
            if driven is not None:
                driven.coroutine.close()

    asyncio.run(run())
