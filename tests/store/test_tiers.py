"""Both tiers together: what was stored is found wherever it is, no change is lost on its way to the disk, and the past never comes back."""

from __future__ import annotations

import asyncio
import random
import threading

import pytest
import storekit
from storekit import FRENCH, GERMAN, PLAIN, all_of, is_whole, key, stored

from edgecache.caching.stored import OVERHEAD_BYTES, Part
from edgecache.semantics.message import field
from edgecache.store import tiers
from edgecache.store.body import FileBody, MemoryBody
from edgecache.store.database import Database
from edgecache.store.row import INLINE_BYTES, same

FIELDS = [field(b"X-New", b"yes")]


def forget(store) -> None:
    """Let memory know nothing: what is asked for has to come from disk."""
    store.memory.clear()
    store._partial.clear()
    store._nothing.clear()


class Gate:
    """Holds up the thread that writes."""

    def __init__(self, store) -> None:
        self._gate = threading.Event()
        store._writer.post(lambda: self._gate.wait(10))

    def open(self) -> None:
        self._gate.set()


async def spooled(store, content: bytes):
    """The body of content that arrived through the store's spool."""
    spool = store.spool(storable=True)
    for begin in range(0, len(content), 50_000):
        spool.append(content[begin : begin + 50_000])
        await spool.room()
    spool.finish([])
    await spool.filed()
    return spool.body()


async def all_done(store) -> None:
    """Written, told to memory, and what that left behind removed."""
    for _ in range(3):
        await store.settled()


def files_of(tmp_path) -> list:
    return list((tmp_path / "store").glob("kept-*/bodies/*/*"))


# What is asked for.


async def test_in_memory_only_every_answer_is_at_once(open_store):
    store = await open_store(None)
    assert store.candidates(key()) == ()
    one = stored()
    assert store.put(one)
    assert store.candidates(key()) == (one,)
    assert await store.load(key()) == (one,)
    assert not store.put(stored(position=-1))
    new = stored(fields=FIELDS)
    assert store.replace(one, new)
    assert not store.replace(one, new)
    assert store.discard(new)
    assert not store.discard(new)
    assert store.candidates(key()) == ()
    store.put(one)
    store.clear()
    assert store.candidates(key()) == ()
    await store.settled()
    assert await store.reserve_positions(5)
    assert store.responses == 0


async def test_what_nobody_asked_for_yet_has_to_be_loaded_and_then_is_known(open_store):
    store = await open_store()
    assert store.candidates(key()) is None
    assert list(await store.load(key())) == []
    assert list(store.candidates(key())) == []
    one = stored()
    assert store.put(one)
    assert store.candidates(key()) == (one,)


@pytest.mark.parametrize("length", [0, 1, INLINE_BYTES, INLINE_BYTES + 1, 2**20 + 1])
async def test_what_was_stored_is_there_after_a_restart(open_store, length):
    store = await open_store()
    kept = [stored(key(1), 5, 6, vary, length, part=Part(0, 5, 9) if vary else None) for vary in (PLAIN, GERMAN, FRENCH)]
    for one in kept:
        store.put(one)
    await store.close()
    store = await open_store()
    assert store.candidates(key(1)) is None
    found = await store.load(key(1))
    assert len(found) == 3
    for one in kept:
        (again,) = (other for other in found if other.vary == one.vary)
        assert again is not one
        assert same(again, one)
        assert await is_whole(again)
    assert store.responses == 3
    assert store.loaded == 3


async def test_spooled_content_becomes_the_stored_file(open_store, tmp_path):
    store = await open_store(spool_memory_bytes=100_000)
    content = storekit.content(key(), PLAIN, 0, 0, 3_000_000)
    body = await spooled(store, content)
    assert isinstance(body, FileBody)
    one = stored(body=body)
    store.put(one)
    assert await all_of(one.body) == content  # wherever it is at this moment
    await store.settled()
    assert await all_of(one.body, 5, 2_000_000) == content[5:2_000_001]
    assert not list((tmp_path / "store" / "spool").iterdir())
    await store.close()
    store = await open_store()
    (again,) = await store.load(key())
    assert await is_whole(again)


async def test_short_content_of_a_loaded_response_is_taken_into_memory(open_store):
    store = await open_store()
    for number, length in enumerate((INLINE_BYTES + 1, tiers.PROMOTED_BYTES, tiers.PROMOTED_BYTES + 1)):
        store.put(stored(key(number), length=length))
    await store.settled()
    forget(store)
    found = []
    for number in range(3):
        found += await store.load(key(number))
        assert isinstance(found[-1].body, FileBody)  # the first answer does not wait for it
    async with asyncio.timeout(10):
        while store._promotions:
            await asyncio.sleep(0)
    assert [type(one.body) for one in found] == [MemoryBody, MemoryBody, FileBody]
    assert store.memory.bytes > tiers.PROMOTED_BYTES + INLINE_BYTES
    for one in found:
        assert await is_whole(one)
    new = stored(key(0), body=found[0].body, fields=FIELDS)
    assert store.replace(found[0], new)  # its content stays where it is on disk
    await store.settled()
    forget(store)
    (again,) = await store.load(key(0))
    assert (again.fields, again.body.length) == (FIELDS, INLINE_BYTES + 1)
    assert await is_whole(again)


async def test_many_who_wait_for_one_key_cause_one_read(open_store):
    store = await open_store()
    store.put(stored())
    await store.settled()
    forget(store)
    reads = []
    load = store.disk.load
    store.disk.load = lambda of: reads.append(of) or load(of)
    waiting = [asyncio.create_task(store.load(key())) for _ in range(10)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    found = await asyncio.gather(*waiting[1:])
    assert reads == [key()]
    assert all(one == found[0] for one in found)
    assert not store._loads


async def test_that_nothing_is_stored_is_remembered_for_so_many_keys(open_store, monkeypatch):
    monkeypatch.setattr(tiers, "NOTHING_KNOWN", 3)
    store = await open_store()
    for number in range(5):
        await store.load(key(number))
    assert [store.candidates(key(number)) is None for number in range(5)] == [True, True, False, False, False]
    store.put(stored(key(4)))
    assert len(store._nothing) == 2


# What has left memory, or does not fit.


async def test_a_key_of_which_one_variant_left_memory_is_loaded_again(open_store):
    store = await open_store(memory_bytes=2 * OVERHEAD_BYTES + 600)
    german, french, other = stored(vary=GERMAN), stored(vary=FRENCH), stored(key(1))
    for one in (german, french):
        await store.load(one.key)
        store.put(one)
    assert len(store.candidates(key())) == 2
    await store.load(key(1))
    store.put(other)  # german leaves
    assert store.memory.candidates(key()) == (french,)
    assert store.candidates(key()) is None
    found = await store.load(key())
    assert {one.vary for one in found} == {GERMAN, FRENCH}
    assert len(store._partial) <= store.memory.responses


async def test_what_does_not_fit_memory_is_on_disk(open_store):
    store = await open_store(memory_bytes=OVERHEAD_BYTES + 500)
    small, large = stored(position=1), stored(position=2, length=5000)
    await store.load(key())
    store.put(small)
    store.put(large)
    assert store.candidates(key()) is None
    (found,) = await store.load(key())
    assert same(found, large)


async def test_an_older_one_never_replaces_a_newer_one_that_is_only_on_disk(open_store):
    store = await open_store()
    new, old = stored(position=2), stored(position=1)
    store.put(new)
    await store.settled()
    forget(store)
    assert store.put(old)  # nobody knows better here
    (found,) = await store.load(key())
    assert same(found, new)
    await store.settled()
    forget(store)
    (found,) = await store.load(key())
    assert same(found, new)


async def test_an_older_one_never_replaces_a_newer_one_that_is_being_loaded(open_store):
    store = await open_store()
    store.put(stored(position=2))
    await store.settled()
    forget(store)
    loading = asyncio.create_task(store.load(key()))
    await asyncio.sleep(0)
    store.put(stored(position=1))
    assert [one.position for one in await loading] == [2]


# Changes that are not written yet.


@pytest.mark.parametrize("known", [True, False])
async def test_a_change_that_waits_to_be_written_is_seen(open_store, known):
    store = await open_store()
    first, second = stored(position=1), stored(position=2)
    freshened = stored(position=3, body=second.body, fields=FIELDS)
    store.put(first)
    await store.settled()
    await store.load(key())
    for change, expected in [
        (lambda: store.put(second), second),
        (lambda: store.replace(second, freshened), freshened),
        (lambda: store.discard(freshened), None),
        (lambda: store.put(second), second),
        (store.clear, None),
        (lambda: store.put(first), first),
    ]:
        if not known:
            forget(store)
        gate = Gate(store)
        change()
        if not known:
            forget(store)
        loading = asyncio.create_task(store.load(key()))
        await asyncio.sleep(0)
        assert loading.done() is (known or change == store.clear)  # else it waits behind the change
        gate.open()
        assert [one.fields for one in await loading] == ([] if expected is None else [expected.fields])
        await store.settled()
        forget(store)
        found = await store.load(key())
        assert len(found) == (expected is not None)
        assert not found or same(found[0], expected)
    assert store._unwritten == {}
    assert store.unwritten == 0


@pytest.mark.parametrize("change", ["put", "replace", "discard", "clear"])
async def test_a_change_while_a_key_is_loaded_is_not_lost(open_store, change):
    store = await open_store()
    first, second = stored(position=1), stored(position=2, fields=FIELDS)
    store.put(first)
    await store.settled()
    forget(store)
    loading = asyncio.create_task(store.load(key()))
    await asyncio.sleep(0)
    match change:
        case "put":
            store.put(second)
        case "replace":
            assert store.replace(first, second)
        case "discard":
            assert store.discard(first)
        case "clear":
            store.clear()
    expected = [2] if change in ("put", "replace") else []
    for found in (await loading, await store.load(key())):
        assert [one.position for one in found] == expected
    await store.settled()
    forget(store)
    assert [one.position for one in await store.load(key())] == expected


async def test_a_load_for_which_nobody_waits_any_more_brings_nothing_back(open_store):
    """Its waiters had left when it ended; a load and a clear later it put into memory what had been removed."""
    store = await open_store()
    store.put(stored())
    await store.settled()
    forget(store)
    leaving = asyncio.create_task(store.load(key()))
    await asyncio.sleep(0)
    (load,) = store._loads.values()
    while not load.future.done():
        await asyncio.sleep(0)
    leaving.cancel()
    store.clear()
    assert list(await store.load(key())) == []
    await all_done(store)
    assert list(await store.load(key())) == []


async def test_who_joins_a_load_that_has_just_ended_gets_what_it_found(open_store):
    """A future that is done is not waited for, and what was to happen first had not happened yet."""
    store = await open_store()
    store.put(stored())
    await store.settled()
    forget(store)
    first = asyncio.create_task(store.load(key()))
    await asyncio.sleep(0)
    (load,) = store._loads.values()
    load.future.get_loop().call_soon(lambda: None)
    joined = []
    while not load.future.done():
        joined.append(asyncio.create_task(store.load(key())))  # one of them comes in the very turn
        await asyncio.sleep(0)
    for found in await asyncio.gather(first, *joined):
        assert len(found) == 1


@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize("known", [True, False])
async def test_what_is_older_goes_before_the_newer_one_is_there(open_store, folder, known):
    store = await (open_store() if folder else open_store(None))
    old, other, newer = stored(position=1), stored(position=1, vary=GERMAN), stored(position=3)
    for one in (old, other):
        store.put(one)
    if folder and not known:
        await all_done(store)
        forget(store)
    store.outdate(stored(position=2))
    assert [one.vary for one in await store.load(key())] == [GERMAN]
    store.put(newer)
    store.outdate(stored(position=2))
    await store.settled()
    if folder:
        forget(store)
    assert [(one.vary, one.position) for one in await store.load(key())] == [(PLAIN, 3), (GERMAN, 1)]


async def test_replacing_and_discarding_act_on_that_very_response(open_store):
    store = await open_store()
    old, new, newest = stored(position=1), stored(position=2), stored(position=3)
    await store.load(key())
    store.put(old)
    store.put(new)
    assert not store.replace(old, newest)
    assert not store.discard(old)
    await store.settled()
    forget(store)
    store.replace(old, newest)  # not known here: the row says no
    store.discard(old)
    await store.settled()
    (found,) = await store.load(key())
    assert same(found, new)
    assert store.replace(new, newest)  # the same, though read from disk since
    await store.settled()
    forget(store)
    (found,) = await store.load(key())
    assert same(found, newest)


async def test_what_is_not_stored_is_not_replaced(open_store):
    store = await open_store()
    store.replace(stored(position=1), stored(position=2))
    await store.settled()
    assert list(await store.load(key())) == []


@pytest.mark.parametrize("length", [10, INLINE_BYTES + 1])
async def test_a_response_can_become_another_variant(open_store, length):
    store = await open_store()
    old = stored(vary=GERMAN, length=length)
    store.put(stored(vary=FRENCH, length=length))
    store.put(old)
    new = stored(vary=FRENCH, position=1, body=old.body)
    assert store.replace(old, new)
    await store.settled()
    forget(store)
    (found,) = await store.load(key())
    assert (found.vary, found.position) == (FRENCH, 1)
    assert await all_of(found.body) == storekit.content(key(), GERMAN, 0, 0, length)
    assert store.responses == 1


async def test_beyond_the_variants_of_a_key_the_oldest_goes_in_both_tiers(open_store):
    store = await open_store(variants=2)
    variants = [((b"n", b"%d" % number),) for number in range(4)]
    for position, vary in ((2, variants[0]), (1, variants[1]), (3, variants[2])):
        await store.load(key())
        store.put(stored(vary=vary, position=position))
    store.put(stored(vary=variants[3], position=0))
    await store.settled()
    forget(store)
    assert sorted(one.position for one in await store.load(key())) == [2, 3]


async def test_what_waits_to_be_written_is_bounded(open_store):
    store = await open_store(backlog_bytes=1000 + OVERHEAD_BYTES)
    await store.load(key(1))
    old = stored(key(1), position=1)
    store.put(old)
    await store.settled()
    gate = Gate(store)
    store.put(stored(key(0), length=900))
    new = stored(key(1), position=2, length=200)
    store.put(new)
    assert store.candidates(key(1)) == (new,)
    gate.open()
    await all_done(store)
    assert len(store.said) == 1
    assert "slower" in store.said[0]
    assert store._backlog_bytes == 0
    forget(store)
    assert list(await store.load(key(1))) == []  # the older one may not come back
    assert len(await store.load(key(0))) == 1


async def test_more_changes_than_may_wait_give_up_what_is_on_disk(open_store, monkeypatch):
    monkeypatch.setattr(tiers, "MOST_UNWRITTEN", 10)
    store = await open_store()
    for number in range(3):
        await store.load(key(number))
        store.put(stored(key(number), position=1))
    await store.settled()
    gate = Gate(store)
    store.discard(stored(key(2), position=1))
    for position in range(2, 30):
        store.put(stored(key(0), position=position))
    assert store.unwritten == 10
    assert [one.position for one in store.candidates(key(0))] == [29]
    assert [one.position for one in await store.load(key(1))] == [1]
    assert list(await store.load(key(2))) == list(await store.load(key(3))) == []
    assert sorted([one.position async for one in store.objects()]) == [1, 29]
    while store._keeper._parts.folder.believed() is not None:
        await asyncio.sleep(0)
    gate.open()
    await all_done(store)
    assert len(store.said) == 1
    assert store._keeper._parts.folder.believed() is not None
    store.put(stored(key(4), position=1))
    await store.settled()
    assert store.responses == 3
    forget(store)
    assert [len(await store.load(key(number))) for number in range(5)] == [0, 0, 0, 0, 1]


async def test_counting_and_walking_wait_for_no_write(open_store):
    store = await open_store()
    store.put(stored(key(1), vary=GERMAN))
    store.put(stored(key(2)))
    await store.settled()
    forget(store)
    gate = Gate(store)
    store.put(stored(key(1), vary=FRENCH))
    store.discard(stored(key(1), vary=GERMAN))
    store.put(stored(key(3)))
    assert await store.count_url(b"h", b"/1", lambda one: True) == 1
    assert {(one.key, one.vary) async for one in store.objects()} == {(key(1), FRENCH), (key(2), PLAIN), (key(3), PLAIN)}
    store.clear()
    store.put(stored(key(4)))
    assert await store.count_url(b"h", b"/1", lambda one: True) == 0
    assert {one.key async for one in store.objects()} == {key(4)}
    gate.open()


# Everything at once.


async def test_clear_removes_everything_and_what_comes_after_it_stays(open_store, tmp_path):
    store = await open_store()
    for number in range(20):
        store.put(stored(key(number), length=INLINE_BYTES * 2))
    loading = asyncio.create_task(store.load(key(3)))
    store.clear()
    after = stored(key(1), length=INLINE_BYTES * 2)
    store.put(after)
    assert list(await loading) == []
    await store.settled()
    assert store.responses == 1
    forget(store)
    assert [list(await store.load(key(number))) for number in range(20) if number != 1] == [[]] * 19
    (found,) = await store.load(key(1))
    assert await is_whole(found)
    await store.close()
    assert len(files_of(tmp_path)) == 1
    store = await open_store()
    assert store.responses == 1


async def test_a_walk_finds_everything_once_in_memory_or_not(open_store):
    store = await open_store(memory_bytes=5 * (OVERHEAD_BYTES + 200))
    kept = {number: stored(key(number), length=10) for number in range(200)}
    for one in kept.values():
        store.put(one)
    found = [one async for one in store.objects()]
    assert sorted(one.key for one in found) == sorted(one.key for one in kept.values())
    for one in list(kept.values())[:50]:
        store.discard(one)
    assert len([one async for one in store.objects()]) == 150


async def test_a_walk_sees_what_changes_and_finds_once_what_stays(open_store):
    store = await open_store()
    for number in range(200):
        await store.load(key(number))
        store.put(stored(key(number), position=1, length=10))
    found = []
    async for one in store.objects():
        found.append(one.key)
        if len(found) % 10 == 0:
            store.put(stored(key(len(found) % 200), position=2, length=10))
            store.discard(stored(key(len(found) % 200 + 1), position=1, length=10))
    assert len(set(found)) == len(found) >= 180


async def test_a_walk_gives_way_to_the_loop(open_store, clock):
    store = await open_store(None)
    for number in range(10):
        store.put(stored(key(number)))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    async for _ in store.objects():
        clock.real_s += 0.003
    counting.cancel()
    assert turns >= 9


async def test_the_responses_of_a_url_are_counted_in_both_tiers(open_store):
    store = await open_store()
    for one in (key(1), key(1, scheme=b"https"), key(1, b"more"), key(2)):
        for vary in (PLAIN, GERMAN):
            store.put(stored(one, vary=vary))
    await store.settled()
    assert await store.count_url(b"h", b"/1", lambda one: True) == 6
    forget(store)
    await store.load(key(1))
    store.put(stored(key(1), position=1, vary=FRENCH))
    assert await store.count_url(b"h", b"/1", lambda one: True) == 7
    assert await store.count_url(b"h", b"/1", lambda one: one.vary == GERMAN) == 3
    assert await store.count_url(b"h", b"/3", lambda one: True) == 0


# Room on disk.


async def test_the_disk_keeps_to_its_limit_and_what_goes_there_leaves_memory(open_store, tmp_path):
    store = await open_store(disk_bytes=500_000)
    for number in range(40):
        await store.load(key(number))
        store.put(stored(key(number), length=50_000))
    await all_done(store)
    assert store.disk_bytes <= 500_000
    assert len(files_of(tmp_path)) == store.responses == store.memory.responses
    assert store.disk_evicted == 40 - store.responses
    there = {one.key for one in store.memory.objects()}
    for number in range(40):
        assert len(await store.load(key(number))) == (key(number) in there)


async def test_what_is_used_in_memory_stays_on_disk(open_store):
    store = await open_store(disk_bytes=500_000)
    for number in range(3):
        await store.load(key(number))
        store.put(stored(key(number), length=50_000))
        store.candidates(key(number))[0].hits = 5
    for number in range(10, 40):
        store.put(stored(key(number), length=50_000))
    await store.settled()
    forget(store)
    assert [len(await store.load(key(number))) for number in range(3)] == [1, 1, 1]


async def test_what_is_loaded_again_and_again_stays_on_disk(open_store):
    store = await open_store(disk_bytes=500_000)
    store.put(stored(key(0), length=50_000))
    await store.settled()
    for _ in range(3):
        forget(store)
        await store.load(key(0))
    forget(store)
    for number in range(10, 40):
        store.put(stored(key(number), length=50_000))
    await store.settled()
    forget(store)
    assert len(await store.load(key(0))) == 1


async def test_nobody_stays_for_ever_however_much_used(open_store):
    store = await open_store(disk_bytes=500_000)
    for number in range(40):
        await store.load(key(number))
        one = stored(key(number), length=50_000)
        one.hits = 100
        store.put(one)
    await store.settled()
    assert store.disk_bytes <= 500_000


async def test_a_smaller_limit_is_kept_from_the_next_start_on(open_store):
    store = await open_store()
    for number in range(20):
        store.put(stored(key(number), length=50_000))
    await store.close()
    store = await open_store(disk_bytes=500_000)
    await all_done(store)
    assert store.disk_bytes <= 500_000


async def test_what_is_larger_than_the_disk_tier_is_in_memory_only(open_store):
    store = await open_store(disk_bytes=100_000)
    await store.load(key())
    store.put(stored(position=1))
    large = stored(position=2, length=200_000)
    store.put(large)
    await store.settled()
    assert store.candidates(key()) == (large,)
    assert store.responses == 1
    assert [one async for one in store.objects()] == [large]
    assert await store.count_url(b"h", b"/0", lambda one: True) == 1
    forget(store)
    assert list(await store.load(key())) == []


async def test_who_holds_a_response_can_read_it_although_it_was_replaced(open_store, tmp_path):
    store = await open_store()
    store.put(stored(position=1, length=3 * 2**20))
    await store.settled()
    forget(store)
    (held,) = await store.load(key())
    store.put(stored(position=2, length=3 * 2**20))
    await store.settled()
    assert await is_whole(held)
    assert len(files_of(tmp_path)) == 2
    del held
    await all_done(store)
    assert len(files_of(tmp_path)) == 1


# The loop.


async def test_no_file_and_no_database_is_touched_on_the_loop(open_store, monkeypatch):
    """Each call is noted with its thread; a slow disk is then no matter to who is answered from memory."""
    on_loop, elsewhere = [], set()

    def note(name: str) -> None:
        if threading.current_thread() is threading.main_thread():
            on_loop.append(name)
        elsewhere.add(name)

    class Noted(storekit.FaultyFiles):
        def __getattribute__(self, name: str):
            if not name.startswith("_"):
                note(name)
            return super().__getattribute__(name)

    sql = Database._sql
    monkeypatch.setattr(Database, "_sql", lambda self, *asked: note("sql") or sql(self, *asked))
    store = await open_store(files=Noted(), spool_memory_bytes=1000, disk_bytes=1_000_000)
    on_loop.clear()  # the fixture made it
    for number in range(30):
        await store.load(key(number))
        body = await spooled(store, storekit.content(key(number), PLAIN, 0, 0, 60_000))
        one = stored(key(number), body=body)
        store.put(one)
        store.replace(one, stored(key(number), body=body, fields=FIELDS))
        assert await is_whole(one)
        if number % 3 == 0:
            store.discard(store.candidates(key(number))[0])
    del body, one
    await all_done(store)
    forget(store)
    for number in range(30):
        await store.load(key(number))
    assert await store.count_url(b"h", b"/29", lambda one: True) == 1
    assert [one async for one in store.objects()]
    store.clear()
    await store.reserve_positions(5)
    await all_done(store)
    assert on_loop == []
    assert elsewhere >= {"sql", "create", "write", "read", "rename", "unlink"}


# Any order.

ACTIONS = ["put"] * 3 + ["load"] * 3 + ["old", "replace", "discard", "replace other", "discard other", "turn", "clear"]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("memory_responses", [0, 2, 1000])
async def test_in_any_order_what_is_found_is_what_was_stored_last(open_store, seed, memory_responses):
    """Against a dictionary, with a memory tier that holds nothing, little or all of it, and threads that run when they like."""
    dice = random.Random(seed * 1000 + memory_responses)
    store = await open_store(memory_bytes=memory_responses * (OVERHEAD_BYTES + 300), variants=1000)
    keys = [key(number) for number in range(4)]
    model: dict[tuple, object] = {}
    clients: list[asyncio.Task] = []

    async def look(of) -> None:
        found = await store.load(of)
        expected = {vary: one for (its_key, vary), one in model.items() if its_key == of}  # in the step in which it returns
        assert {one.vary for one in found} == set(expected)
        for one in found:
            assert same(one, expected[one.vary])

    for position in range(1, 401):
        of, vary = dice.choice(keys), dice.choice([PLAIN, GERMAN, FRENCH])
        current = model.get((of, vary))
        match dice.choice(ACTIONS):
            case "put":
                one = stored(of, position, 0, vary, dice.randrange(100))
                store.put(one)
                model[of, vary] = one
            case "old":
                one = stored(of, position // 2, 0, vary, 10)
                store.put(one)
                if current is None or current.position <= one.position:
                    model[of, vary] = one
            case "replace" if current is not None:
                one = stored(of, position, 0, vary, body=current.body, fields=FIELDS)
                store.replace(current, one)
                model[of, vary] = one
            case "discard" if current is not None:
                store.discard(current)
                del model[of, vary]
            case "replace other" if current is not None:
                other = stored(of, current.position, 1, vary)
                store.replace(other, stored(of, position, 0, vary, body=other.body))
            case "discard other":
                store.discard(stored(of, position, 1, vary))
            case "load":
                clients.append(asyncio.create_task(look(of)))
                if len(clients) > 5:
                    dice.choice(clients).cancel()
            case "turn":
                await asyncio.sleep(dice.choice([0, 0, 0.001]))
            case "clear" if dice.random() < 0.2:
                store.clear()
                model.clear()
        clients = [one for one in clients if not one.done() or (not one.cancelled() and one.result())]
    for outcome in await asyncio.gather(*clients, return_exceptions=True):
        assert outcome is None or isinstance(outcome, asyncio.CancelledError)
    await store.settled()
    for of in keys:
        await look(of)
    assert sorted(model) == sorted([(one.key, one.vary) async for one in store.objects()])
    forget(store)
    for of in keys:
        await look(of)
    assert (store._unwritten, store._loads, store._backlog_bytes) == ({}, {}, 0)
    assert len(store._partial) <= store.memory.responses
    assert store.said == []
    await store.close()
    store = await open_store()
    for of in keys:
        await look(of)
