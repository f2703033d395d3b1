"""Whatever happens to the folder: the edge keeps serving, never what is wrong or outdated, says one sentence, and recovers by itself."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import contextmanager

import pytest
import storekit
from storekit import all_of, is_whole, key, stored

from edgecache.semantics.message import field
from edgecache.store import database, keeper
from edgecache.store.body import CHECKED_BYTES, BrokenStored
from edgecache.store.database import Meta
from edgecache.store.folder import FolderError, FolderTaken
from edgecache.store.row import INLINE_BYTES
from edgecache.store.tiers import Store
from edgecache.store.trouble import Teller, Trouble, kind_of

LONG = 3 * INLINE_BYTES  # content that goes to a file
OTHER_LOG = b"another log's id"


def forget(store) -> None:
    """Let memory know nothing: what is asked for has to come from disk."""
    store.memory.clear()
    store._partial.clear()
    store._nothing.clear()


async def all_done(store) -> None:
    for _ in range(3):
        await store.settled()


async def on_disk(store, *keys) -> list[int]:
    """Positions of what is found when memory knows nothing; all of it whole."""
    await all_done(store)
    forget(store)
    found = []
    for of in keys or [key()]:
        for one in await store.load(of):
            assert await is_whole(one)
            found.append(one.position)
    return found


def one_of(tmp_path, pattern: str):
    (path,) = (tmp_path / "store").glob(pattern)
    return path


def database_of(tmp_path):
    return one_of(tmp_path, "kept-*/db/cache.db")


def body_of(tmp_path):
    return one_of(tmp_path, "kept-*/bodies/*/*")


def failing_database(store, monkeypatch, code: int):
    """From now on every write to the database fails with this SQLite code."""
    error = sqlite3.OperationalError("as the test wants it")
    error.sqlite_errorcode = code

    @contextmanager
    def transaction():
        raise error
        yield

    monkeypatch.setattr(store._keeper._database, "transaction", transaction)


# The disk is full, or does not take what it should.


@pytest.mark.parametrize("operation", ["create", "write", "room", "rename"])
async def test_a_file_that_cannot_be_written(open_store, operation):
    files = storekit.FaultyFiles()
    store = await open_store(files=files)
    for number in range(2):
        await store.load(key(number))
    store.put(stored(position=1, length=LONG))
    await store.settled()
    if operation == "room":
        files.room = LONG // 2
    else:
        files.failing[operation] = errno.ENOSPC
    new = stored(position=2, length=LONG)
    store.put(new)
    store.put(stored(key(1), length=LONG))
    await all_done(store)
    assert store.candidates(key()) == (new,)
    assert len(store.said) == 1
    assert "is full" in store.said[0]
    assert {one.position async for one in store.objects()} == {2, 0}
    assert await on_disk(store, key(), key(1)) == []  # neither the new one nor the one that it replaced
    files.failing.clear()
    files.room = None
    store.put(stored(position=3, length=LONG))
    assert await on_disk(store) == [3]
    assert len(store.said) == 1


async def test_a_full_disk_while_content_arrives(open_store):
    files = storekit.FaultyFiles()
    store = await open_store(files=files, spool_memory_bytes=1000, buffer_bytes=10**6)
    files.room = 50_000
    spool = store.spool(storable=True)
    reader = spool.reader()
    content = storekit.content(key(), (), 0, 0, 200_000)
    got = b""
    for begin in range(0, len(content), 1000):
        spool.append(content[begin : begin + 1000])
        await spool.room()
        got += reader.take()
    spool.finish([])
    await spool.filed()
    assert not spool.storable
    while piece := await reader.read():
        got += piece
    assert got == content
    await all_done(store)
    assert len(store.said) == 1
    assert "is full" in store.said[0]


async def test_a_full_database(open_store):
    store = await open_store()
    await store.load(key())
    for number in range(10):
        store.put(stored(key(number), position=1, length=20_000))
    await store.settled()

    def bounded(pages: int) -> None:
        used = store._keeper._database._number("PRAGMA page_count")
        store._keeper._database._number(f"PRAGMA max_page_count = {used + pages}")

    await store._writer.call(lambda: bounded(2))
    for number in range(10):
        store.put(stored(key(number), position=2, length=30_000))
    await all_done(store)
    assert len(store.said) == 1
    assert "is full" in store.said[0]
    assert 1 not in await on_disk(store, *map(key, range(10)))
    await store._writer.call(lambda: bounded(10_000))
    for number in range(10):
        store.put(stored(key(number), position=3, length=30_000))
    assert await on_disk(store, *map(key, range(10))) == [3] * 10


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY])
@pytest.mark.parametrize("change", ["put", "replace", "discard"])
async def test_what_could_not_be_removed_is_not_seen_and_not_forgotten(open_store, monkeypatch, code, change):
    store = await open_store()
    old = stored(position=1)
    other = stored(key(1), position=1)
    for one in (old, other):
        store.put(one)
    await store.settled()
    with monkeypatch.context() as broken:
        failing_database(store, broken, code)
        match change:
            case "put":
                store.put(stored(position=2))
            case "replace":
                store.replace(old, stored(position=1, body=old.body, fields=[field(b"X", b"new")]))
            case "discard":
                store.discard(old)
        assert await on_disk(store) == []
        assert await on_disk(store, key(1)) == [1]
        assert store._keeper._parts.folder.believed() is None
        assert len(store.said) == 1
    store.put(stored(key(2), position=3))  # any write removes what is owed first
    assert await on_disk(store, key(), key(1), key(2)) == [1, 3]
    assert store._keeper.owed == set()
    assert store._keeper._parts.folder.believed() is not None


async def test_what_could_not_be_removed_before_the_end_empties_the_store(open_store, monkeypatch):
    store = await open_store()
    store.put(stored(position=1))
    store.put(stored(key(1), position=1))
    await store.settled()
    with monkeypatch.context() as broken:
        failing_database(store, broken, sqlite3.SQLITE_IOERR)
        store.put(stored(position=2))
        await store.close()
    store = await open_store()
    assert await on_disk(store, key(), key(1)) == []
    assert len(store.said) == 1
    assert "could not be" in store.said[0]
    store.put(stored(position=3))
    await store.close()
    assert (await on_disk(await open_store())) == [3]


async def test_a_database_that_goes_on_failing_is_given_up_and_begun_anew_later(open_store, monkeypatch, clock):
    monkeypatch.setattr(keeper, "MOST_FAILURES", 3)
    store = await open_store()
    store.put(stored(key(0), position=1))
    await store.settled()
    failing_database(store, monkeypatch, sqlite3.SQLITE_IOERR)
    for number in range(1, 6):
        store.put(stored(key(number), position=1))
    await all_done(store)
    assert store._keeper._database is None
    assert len(store.said) == 1
    assert "cannot be used now" in store.said[0]
    for number in range(6, 9):
        await store.load(key(number))
        store.put(stored(key(number), position=1))
        assert len(store.candidates(key(number))) == 1  # from memory
    await all_done(store)
    assert store.responses == 3
    clock.real_s += keeper.RETRY_S
    store.put(stored(key(9), position=1))
    assert await on_disk(store, *map(key, range(10))) == [1]
    assert len(store.said) == 1


async def test_a_database_that_somebody_else_holds(open_store, monkeypatch, tmp_path):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.02)
    store = await open_store()
    store.put(stored(position=1))
    await store.settled()
    holder = sqlite3.connect(database_of(tmp_path), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    store.put(stored(position=2))
    assert await on_disk(store) == []
    assert "database is locked" in store.said[0]
    holder.execute("ROLLBACK")
    holder.close()
    store.put(stored(position=3))
    assert await on_disk(store) == [3]


@pytest.mark.parametrize("operation", ["make_folder", "create"])
async def test_a_folder_that_cannot_be_made(open_store, operation, clock):
    files = storekit.FaultyFiles()
    files.failing[operation] = errno.EACCES
    store = await open_store(files=files)
    assert list(await store.load(key())) == []
    store.put(stored(position=1))
    await all_done(store)
    assert len(store.said) == 1
    assert "Permission denied" in store.said[0]
    files.failing.clear()
    clock.real_s += keeper.RETRY_S
    store.put(stored(position=2))
    assert await on_disk(store) == [2]
    assert len(store.said) == 1


async def test_beside_the_responses_nothing_is_lost_either(open_store, monkeypatch):
    store = await open_store()
    assert store.meta == Meta()
    assert await store.reserve_positions(1000)
    assert await store.keep_offset(3600.0)
    await store.close()
    store = await open_store()
    assert store.meta == Meta(storekit.LOG, 1000, 3600.0)
    with monkeypatch.context() as broken:
        broken.setattr(store._keeper._database, "write_meta", lambda *_, **__: (_ for _ in ()).throw(sqlite3.OperationalError("no")))
        assert not await store.reserve_positions(2000)
    store.clear()
    await store.close()
    store = await open_store()
    assert store.meta == Meta(storekit.LOG, 2000, 3600.0)


# The database is damaged.

DAMAGE = {
    "no database": lambda path: path.write_bytes(b"not a database at all, but a text" * 100),
    "cut short": lambda path: os.truncate(path, path.stat().st_size // 2),
    "header": lambda path: overwrite(path, 16, b"\xff" * 80),
    "pages": lambda path: overwrite(path, 4096, b"\xff" * 60_000),
    "empty": lambda path: os.truncate(path, 0),
}


def overwrite(path, offset: int, content: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(content)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
async def test_a_database_that_was_damaged_before_the_start(open_store, tmp_path, damage):
    store = await open_store()
    for number in range(20):
        store.put(stored(key(number), position=1, length=10_000))
    await store.close()
    damage(database_of(tmp_path))
    store = await open_store()
    assert await on_disk(store, *map(key, range(20))) in ([], [1] * 20)
    for number in range(20):
        store.put(stored(key(number), position=2))
    await all_done(store)
    for number in range(20):
        store.put(stored(key(number), position=3))
    assert await on_disk(store, *map(key, range(20))) == [3] * 20
    assert len(store.said) <= 1


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
async def test_a_database_that_is_damaged_while_it_is_used(open_store, tmp_path, damage):
    store = await open_store()
    for number in range(20):
        store.put(stored(key(number), position=1, length=10_000))
    await all_done(store)
    await store._writer.call(lambda: store._keeper._database._sql("PRAGMA wal_checkpoint(TRUNCATE)"))
    damage(database_of(tmp_path))
    assert set(await on_disk(store, *map(key, range(20)))) <= {1}
    for position in (2, 3, 4):
        for number in range(20):
            store.put(stored(key(number), position=position))
        await all_done(store)
    assert await on_disk(store, *map(key, range(20))) == [4] * 20
    assert len(store.said) <= 2


async def test_rows_that_were_damaged_are_dropped(open_store, tmp_path):
    store = await open_store()
    for number in range(8):
        store.put(stored(key(number), position=1, length=1000))
    await store.close()
    connection = sqlite3.connect(database_of(tmp_path))
    rows = connection.execute("SELECT rowid, value FROM Cache WHERE key >= 'r' ORDER BY rowid").fetchall()
    for (rowid, value), at in zip(rows, (0, 4, 6, 22, 30, 45, 500, -1), strict=True):
        changed = bytearray(value)
        changed[at] ^= 4
        connection.execute("UPDATE Cache SET value = ? WHERE rowid = ?", (bytes(changed), rowid))
    connection.commit()
    connection.close()
    store = await open_store()
    assert [one async for one in store.objects()] == []
    await all_done(store)
    assert store.responses == 0
    assert len(store.said) == 1
    assert "A stored response" in store.said[0]


async def test_a_database_that_is_lost_takes_with_it_what_had_its_content_beside_it(open_store, clock):
    store = await open_store()
    for number, length in enumerate((100, LONG, 2 * CHECKED_BYTES)):
        store.put(stored(key(number), position=1, length=length))
    await all_done(store)
    forget(store)
    for number in range(3):
        await store.load(key(number))
    while store._promotions:
        await store._readers.call(lambda: None)
    (streamed,) = store.candidates(key(2))
    reading = streamed.body.read()
    got = await anext(reading)
    await store._writer.call(store._keeper.begin_anew)
    await all_done(store)
    assert [len(await store.load(key(number))) for number in range(3)] == [1, 1, 0]
    assert {one.key async for one in store.objects()} == {key(0), key(1)}
    async for piece in reading:  # who reads it goes on
        got += piece
    assert got == storekit.content(key(2), (), 1, 0, 2 * CHECKED_BYTES)
    for number in range(3):
        (one,) = await store.load(key(number)) or [streamed]
        store.put(stored(key(number), position=2, body=one.body))
    await all_done(store)
    assert store.said == []
    forget(store)
    assert [len(await store.load(key(number))) for number in range(3)] == [1, 1, 0]


async def test_a_defect_costs_nobody_an_answer(tmp_path, clock, monkeypatch):
    defects = []
    store = Store(str(tmp_path / "store"), storekit.limits(), clock, print, lambda *defect: defects.append(defect))
    await store.open()
    await store.use_log(storekit.LOG)
    monkeypatch.setattr(store.disk, "load", lambda key: 1 / 0)
    assert list(await store.load(key())) == []
    await store.close()
    assert [type(defect) for _, defect in defects] == [ZeroDivisionError]


# Files are damaged.


@pytest.mark.parametrize("at", [0, CHECKED_BYTES - 1, CHECKED_BYTES, 3 * CHECKED_BYTES // 2, -1])
async def test_a_file_that_was_damaged_gives_no_wrong_byte(open_store, tmp_path, at):
    length = 2 * CHECKED_BYTES + 5000
    store = await open_store()
    store.put(stored(position=1, length=length))
    await store.close()
    path = body_of(tmp_path)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    store = await open_store()
    (found,) = await store.load(key())
    with pytest.raises(BrokenStored) as broken:
        await all_of(found.body)
    store.broken(found, broken.value)
    assert list(store.candidates(key())) == []
    del found, broken
    assert await on_disk(store) == []
    assert len(store.said) == 1
    assert "A stored response" in store.said[0]


@pytest.mark.parametrize("damage", [os.unlink, lambda path: os.truncate(path, 5000)], ids=["gone", "cut short"])
async def test_a_response_whose_file_is_not_as_it_was_does_not_exist(open_store, tmp_path, damage):
    store = await open_store()
    store.put(stored(position=1, length=LONG))
    store.put(stored(key(1), position=1))
    await store.close()
    damage(body_of(tmp_path))
    store = await open_store()
    assert await on_disk(store, key(), key(1)) == [1]
    await all_done(store)
    assert store.responses == 1
    assert len(store.said) == 1


async def test_damage_that_is_found_when_content_is_taken_into_memory(open_store, tmp_path):
    store = await open_store()
    store.put(stored(position=1, length=LONG))
    await all_done(store)
    overwrite(body_of(tmp_path), 70_000, b"!")
    forget(store)
    assert len(await store.load(key())) == 1
    while store._promotions:
        await store._readers.call(lambda: None)
    assert list(await store.load(key())) == []
    await all_done(store)
    assert len(store.said) == 1


async def test_files_without_a_row_are_removed_after_a_start(open_store, tmp_path):
    store = await open_store()
    for number in range(100):
        store.put(stored(key(number), length=LONG))
    await store.close()
    folder = one_of(tmp_path, "kept-*")
    ours = {path.relative_to(folder) for path in folder.glob("bodies/*/*")}
    for name in ("bodies/00/stray", "bodies/zz/r00.11", f"bodies/{next(iter(ours)).parts[1]}/{next(iter(ours)).name}1"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"stray")
    (tmp_path / "store" / "spool").mkdir(exist_ok=True)
    (tmp_path / "store" / "spool" / "arriving").write_bytes(b"torn")
    (tmp_path / "store" / "kept-older").mkdir()
    store = await open_store()
    for _ in range(10):
        await store.settled()
    for _ in range(8):
        await store._readers.call(lambda: None)
    assert {path.relative_to(folder) for path in folder.glob("bodies/*/*")} == ours
    names = {path.name for path in (tmp_path / "store").iterdir()}
    assert names - {folder.name, "edgecache-store", "lock", "clean", "spool"} == set()
    assert not (tmp_path / "store" / "spool" / "arriving").exists()
    assert store.said == []


# It is not ours, or not of this time.


async def test_what_belongs_to_another_log_does_not_exist(open_store):
    store = await open_store()
    store.put(stored(position=5, length=LONG))
    await store.keep_offset(60.0)
    await store.reserve_positions(100)
    await store.close()
    store = await open_store(log_id=OTHER_LOG)
    assert store.meta == Meta(storekit.LOG, 100, 60.0)
    assert await on_disk(store) == []
    assert len(store.said) == 1
    assert "another invalidation log" in store.said[0]
    store.put(stored(position=1))
    await store.close()
    store = await open_store(log_id=OTHER_LOG)
    assert store.meta == Meta(OTHER_LOG, 0, 60.0)
    assert await on_disk(store) == [1]
    assert store.said == []


async def test_a_row_of_another_log_does_not_exist(open_store, tmp_path):
    store = await open_store()
    store.put(stored(position=5))
    await store._writer.call(lambda: store._keeper.write_meta(Meta(OTHER_LOG), durable=False))
    assert await on_disk(store) == []
    assert [one async for one in store.objects()] == []
    store.put(stored(position=1))
    assert await on_disk(store) == [1]


async def test_a_store_of_another_format_is_set_aside(open_store, tmp_path):
    store = await open_store()
    store.put(stored(position=1))
    await store.close()
    (tmp_path / "store" / "edgecache-store").write_text("edgecache store, format 77\n")
    store = await open_store()
    await all_done(store)
    assert len(store.said) == 1
    assert f"{tmp_path / 'store.format-77'}" in store.said[0]
    assert (tmp_path / "store.format-77" / "clean").exists()
    assert await on_disk(store) == []
    store.put(stored(position=2))
    assert await on_disk(store) == [2]


async def test_one_edge_for_one_folder(open_store):
    store = await open_store()
    with pytest.raises(FolderTaken, match=str(os.getpid())):
        await open_store()
    store.put(stored(position=1))
    assert await on_disk(store) == [1]


async def test_a_folder_of_somebody_elses_is_an_error_for_who_starts(open_store, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "thesis.tex").write_text("mine")
    with pytest.raises(FolderError, match="no store of edgecache"):
        await open_store()
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["thesis.tex"]


async def test_a_store_that_was_said_to_be_unsure_is_emptied_by_the_next_start(open_store):
    store = await open_store()
    store.put(stored(position=1))
    await store.settled()
    await store.keep_offset(60.0)
    store.keep_unsure()
    assert await on_disk(store) == [1]  # until then it goes on
    store.clear()
    store.put(stored(position=2))
    await store.close()
    store = await open_store()
    assert store.meta == Meta(offset_s=60.0)  # the clock has nothing to do with it
    assert await on_disk(store) == []
    assert "could not be" in store.said[0]
    store.put(stored(position=3))
    await store.close()
    assert await on_disk(await open_store()) == [3]


# What is said.


@pytest.mark.parametrize(
    "error, kind",
    [
        (OSError(errno.ENOSPC, ""), Trouble.FULL),
        (OSError(errno.EDQUOT, ""), Trouble.FULL),
        (OSError(errno.EIO, ""), Trouble.UNUSABLE),
        (sqlite3.SQLITE_FULL, Trouble.FULL),
        (sqlite3.SQLITE_CORRUPT, Trouble.DAMAGED),
        (sqlite3.SQLITE_NOTADB, Trouble.DAMAGED),
        (sqlite3.SQLITE_CORRUPT_INDEX, Trouble.DAMAGED),  # an extended code
        (sqlite3.SQLITE_BUSY, Trouble.UNUSABLE),
        (sqlite3.SQLITE_ERROR, Trouble.DAMAGED),  # no such table
    ],
)
def test_the_kind_of_an_error_is_found_under_what_hides_it(error, kind):
    if not isinstance(error, OSError):
        code, error = error, sqlite3.DatabaseError("what SQLite said")
        error.sqlite_errorcode = code
    assert kind_of(error) is kind
    hiding = sqlite3.OperationalError("cannot rollback")
    hiding.sqlite_errorcode = sqlite3.SQLITE_ERROR
    hiding.__context__ = error
    assert kind_of(hiding) is kind


def test_each_kind_is_said_once_in_one_sentence():
    said: list[str] = []
    teller = Teller("/the/folder", said.append)
    for trouble in Trouble:
        for detail in (OSError(errno.EIO, "Input/output error"), "something else"):
            teller.tell(trouble, detail)
    assert len(said) == len(Trouble)
    assert all("/the/folder" in sentence and sentence.endswith(".") and "{" not in sentence for sentence in said)
    assert sum("Input/output error" in sentence for sentence in said) == 4
