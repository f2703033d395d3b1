"""Trouble with the invalidation log: damaged, foreign, of another version, or without room. Nothing that was purged comes back."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import threading

import pytest
from wirekit import fresh, ok
from wirestage import advance, api, purge, settled, soft_purge

from edgecache.invalidation.logfile import Files as LogFiles

HEAD_BYTES = 48  # of the log file, before its first record


async def stored_and_purged(lives, **settings):
    """A life that ended: /a and /b were stored, then /a was purged, and something else before and after it."""
    kit = await lives.start(**settings)
    lives.origin.answer("/a", [fresh(b"old"), fresh(b"new")])
    lives.origin.answer("/b", fresh(b"other"))
    await kit.get("/a")
    await kit.get("/b")
    await purge(kit, "/before")
    await purge(kit, "/a")
    await purge(kit, "/after")
    await lives.stop()


async def serves(kit, target: str = "/serves"):
    """The edge does all that an edge does."""
    kit.origin.answer(target, [fresh(b"one"), fresh(b"two")])
    assert [(await kit.get(target)).hit for _ in range(2)] == [False, True]
    await purge(kit, target)
    assert (await kit.get(target)).body == b"two"


# damage


def record_ends(data: bytes) -> list[int]:
    """Where each record of a log file ends, the head first."""
    ends = [HEAD_BYTES]
    while ends[-1] < len(data):
        ends.append(ends[-1] + 12 + int.from_bytes(data[ends[-1] : ends[-1] + 4], "little"))
    return ends


@pytest.mark.parametrize("written", [1, 5, 11, 12, 13, 30, -1])
async def test_a_torn_end_is_cut_off(lives, said, written):
    """The process ended inside a write: that entry was acknowledged to nobody, all others count."""
    await stored_and_purged(lives)
    whole = lives.log.read_bytes()
    record = whole[record_ends(whole)[-2] :]
    lives.log.write_bytes(whole + record[:written])
    kit = await lives.start()
    assert len(said().about(str(lives.log), "torn", "not been acknowledged")) == 1
    assert lives.log.read_bytes() == whole
    assert (await kit.get("/b")).hit
    assert (await kit.get("/a")).body == b"new"
    assert (await kit.request("PURGE", "/x")).get("edgecache-position") == b"4"
    await serves(kit)
    kit = await lives.start()
    assert kit.edge.log.head == 5
    assert len(said().about("torn")) == 1


async def test_a_torn_end_of_zeros_is_cut_off(lives, said):
    await stored_and_purged(lives)
    whole = lives.log.read_bytes()
    lives.log.write_bytes(whole + bytes(5000))
    kit = await lives.start()
    assert len(said().about("torn")) == 1
    assert (await kit.get("/b")).hit
    assert (await kit.get("/a")).body == b"new"


@pytest.mark.parametrize("record", [0, 1, 2], ids=["before", "the purge", "after"])
@pytest.mark.parametrize("offset", [0, 4, 8, 12, 20, -1], ids=["length", "checksum", "own checksum", "payload", "middle", "last byte"])
async def test_damage_in_a_record_drops_the_store(lives, said, record, offset):
    """Nobody knows what the record said: what is stored may have been purged by it."""
    await stored_and_purged(lives)
    data = bytearray(lives.log.read_bytes())
    ends = record_ends(data)
    at = ends[record] + offset if offset >= 0 else ends[record + 1] + offset
    data[at] ^= 0x10
    lives.log.write_bytes(data)
    kit = await lives.start()
    assert len(said().about(str(lives.log), "damaged", "set aside", "dropped")) == 1
    assert lives.log.with_suffix(".aside").read_bytes() == data
    assert (await api(kit, "/api/v1/objects"))[1]["objects"] == []
    assert (await kit.get("/a")).body == b"new"
    assert not (await kit.get("/b")).hit
    await serves(kit)
    kit = await lives.start()
    assert (await kit.get("/a")).hit


async def test_damage_in_the_last_record_is_no_torn_end(lives):
    """The purge that was acknowledged last is there in full length, and one byte of it has changed."""
    kit = await lives.start()
    lives.origin.answer("/a", [fresh(b"old"), fresh(b"new")])
    await kit.get("/a")
    await purge(kit, "/a")
    await lives.stop()
    data = bytearray(lives.log.read_bytes())
    data[-3] ^= 1
    lives.log.write_bytes(data)
    kit = await lives.start()
    assert (await kit.get("/a")).body == b"new"


@pytest.mark.parametrize("at", range(0, HEAD_BYTES, 3))
async def test_damage_in_the_head_drops_the_store(lives, said, at):
    await stored_and_purged(lives)
    data = bytearray(lives.log.read_bytes())
    data[at] ^= 0x40
    lives.log.write_bytes(data)
    kit = await lives.start()
    assert len(said().about(str(lives.log), "set aside")) == 1
    assert (await kit.get("/a")).body == b"new"
    await serves(kit)


async def test_another_format_version_is_set_aside(lives, said, monkeypatch):
    monkeypatch.setattr("edgecache.invalidation.logfile.VERSION", 7)
    await stored_and_purged(lives)
    monkeypatch.undo()
    written = lives.log.read_bytes()
    kit = await lives.start()
    assert len(said().about(str(lives.log), "format version 7", "set aside")) == 1
    assert len(said().about(str(lives.folder), "another invalidation log", "emptied")) == 1
    assert lives.log.with_suffix(".aside").read_bytes() == written
    assert (await kit.get("/a")).body == b"new"
    await serves(kit)


@pytest.mark.parametrize("left", [None, 0, 10, HEAD_BYTES - 1])
async def test_a_log_that_is_gone_takes_the_store_with_it(lives, said, left):
    await stored_and_purged(lives)
    if left is None:
        lives.log.unlink()
    else:
        os.truncate(lives.log, left)
    kit = await lives.start()
    assert len(said().about(str(lives.folder), "another invalidation log", "emptied")) == 1
    assert (await kit.get("/a")).body == b"new"
    assert not (await kit.get("/b")).hit
    await serves(kit)
    kit = await lives.start()
    assert (await kit.get("/b")).hit
    assert len(said().about("another invalidation log")) == 1


async def test_the_log_of_another_store_is_not_believed(lives, tmp_path, said):
    """What is stored has positions of a log that is not there: whatever the other log says, it says nothing of them."""
    await stored_and_purged(lives)
    mine, lives.folder = lives.folder, tmp_path / "another"
    kit = await lives.start()
    for number in range(20):
        await purge(kit, f"/{number}")
    await lives.stop()
    shutil.copy(lives.log, mine / lives.log.name)
    lives.folder = mine
    kit = await lives.start()
    assert len(said().about(str(mine), "another invalidation log", "emptied")) == 1
    assert kit.edge.log.head == 20
    assert (await kit.get("/a")).body == b"new"
    assert not (await kit.get("/b")).hit
    await serves(kit)


async def test_a_log_that_cannot_be_opened_is_kept_in_memory(lives, said):
    await stored_and_purged(lives)
    lives.log.unlink()
    lives.log.mkdir()
    kit = await lives.start()
    assert len(said().about(str(lives.folder), "invalidation log", "cannot be used", "in memory")) == 1
    assert (await kit.get("/a")).body == b"new"
    assert not (await kit.get("/b")).hit
    await serves(kit)
    await purge(kit, "/b")
    await lives.stop()
    lives.log.rmdir()
    kit = await lives.start()  # nobody knows any more what was purged
    assert not (await kit.get("/a")).hit
    await serves(kit)


async def test_the_clock_is_where_it_was_after_the_log_was_lost(lives, said):
    """The offset is in the store: this life and the next agree on whether it counts."""
    kit = await lives.start()
    await advance(kit, "1h")
    await lives.stop()
    lives.log.unlink()
    offsets = []
    for _ in range(3):
        kit = await lives.start()
        offsets.append(kit.clock.offset_s)
    assert len(set(offsets)) == 1, offsets


# a full disk


class FullDisk:
    """Lets the log's file take only so many more bytes, for all edges of a test."""

    def __init__(self, monkeypatch) -> None:
        self.room: int | None = None  # None: as much as there is
        self.truncates = True
        self.syncs = True
        write, truncate, sync = LogFiles.write, LogFiles.truncate, LogFiles.sync

        def full_write(files, handle, data, at):
            if self.room is None:
                return write(files, handle, data, at)
            some = data[: self.room]
            self.room -= len(some)
            if not some:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(files, handle, some, at)

        def full_truncate(files, handle, size):
            if not self.truncates:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            truncate(files, handle, size)

        def full_sync(files, handle):
            if not self.syncs:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            sync(files, handle)

        monkeypatch.setattr(LogFiles, "write", full_write)
        monkeypatch.setattr(LogFiles, "truncate", full_truncate)
        monkeypatch.setattr(LogFiles, "sync", full_sync)


@pytest.fixture
def disk(monkeypatch):
    return FullDisk(monkeypatch)


async def stored(lives, **settings):
    kit = await lives.start(**settings)
    lives.origin.answer("/a", [fresh(b"old", 'ETag: "1"'), fresh(b"new")])
    await kit.get("/a")
    await settled(kit)
    return kit


async def refused_purge(kit):
    reply = await kit.request("PURGE", "/a")
    assert (reply.status, reply.error) == (507, "proxy_internal_error")
    assert reply.get("edgecache-position") is None
    return reply.body.decode()


@pytest.mark.parametrize("room", [0, 1, 20])
async def test_a_purge_that_cannot_be_written_is_not_acknowledged_and_has_not_happened(lives, disk, room):
    kit = await stored(lives)
    disk.room = room
    assert "No space left" in await refused_purge(kit) or room
    for body in ({"url": "http://example.test/a"}, {"all": True}, {"url": "http://example.test/a", "soft": True}):
        status, problem = await api(kit, "/api/v1/invalidations", body)
        assert (status, problem["status"]) == (507, 507)
        assert "Nothing was invalidated" in problem["detail"]
    assert (await kit.get("/a")).hit
    assert kit.edge.log.head == 0
    disk.room = None
    reply = await kit.request("PURGE", "/a")
    assert (reply.status, reply.get("edgecache-position"), reply.get("edgecache-matched")) == (200, b"1", b"1")
    kit = await lives.start()
    assert (await kit.get("/a")).body == b"new"


@pytest.mark.parametrize("killed", [False, True])
async def test_a_refused_purge_does_not_happen_in_the_next_life_either(lives, disk, tmp_path, said, killed):
    kit = await stored(lives)
    disk.room = 20
    await refused_purge(kit)
    disk.room = None
    if killed:
        await lives.freeze(tmp_path / "after the kill")
    kit = await lives.start()
    assert (await kit.get("/a")).hit
    assert said().lines == []


async def test_a_log_that_cannot_be_mended_takes_nothing_more(lives, disk, said):
    """Half a record stands there and cannot be cut off: what is written behind it could not be read again."""
    kit = await stored(lives)
    disk.room, disk.truncates = 20, False
    await refused_purge(kit)
    disk.room = None
    assert "takes nothing more" in await refused_purge(kit)
    assert (await kit.get("/a")).hit
    await lives.stop()
    disk.truncates = True
    kit = await lives.start()
    assert len(said().about("torn")) == 1
    assert (await kit.get("/a")).hit
    await purge(kit, "/a")
    assert (await kit.get("/a")).body == b"new"


async def write(kit):
    kit.origin.answer("/write", ok(b"", "Location: /a"))
    assert (await kit.request("POST", "/write")).status == 200


async def reset(kit):
    assert (await api(kit, "/api/v1/reset", {}))[0] == 200


async def clock_back(kit):
    await advance(kit, "1h")
    await advance(kit, "-1h")


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("invalidate", [write, reset, clock_back])
async def test_what_nobody_can_be_told_counts_in_memory_and_the_next_life_begins_with_nothing(
    lives, disk, tmp_path, said, invalidate, killed
):
    kit = await stored(lives)
    disk.room = 0
    await invalidate(kit)
    assert len(said().about(str(lives.log), "No space left", "dropped at the next start")) == 1
    reply = await kit.get("/a")
    assert (reply.body, reply.hit) == (b"new", False)
    lives.origin.answer("/kept", fresh(b"kept"))
    await kit.get("/kept")
    assert (await kit.get("/kept")).hit
    disk.room = None
    if killed:
        await lives.freeze(tmp_path / "after the kill")
    lives.origin.answer("/a", fresh(b"newer"))
    kit = await lives.start()
    assert len(said().about(str(lives.folder), "emptied")) == 1
    assert [(await kit.get(name)).hit for name in ("/a", "/kept")] == [False, False]
    await serves(kit)
    kit = await lives.start()
    assert [(await kit.get(name)).hit for name in ("/a", "/kept")] == [True, True]
    assert len(said().about("emptied")) == 1


async def test_purges_after_one_that_counts_in_memory_only_are_found_again(lives, disk):
    kit = await stored(lives)
    disk.room = 0
    await write(kit)
    disk.room = None
    assert (await kit.request("PURGE", "/b")).get("edgecache-position") == b"3"  # /write and /a came before
    kit = await lives.start()
    assert kit.edge.log.head == 3
    await serves(kit)


async def test_with_log_sync_disk_what_the_disk_does_not_take_is_not_acknowledged(lives, disk):
    kit = await stored(lives, log_sync="disk")
    disk.syncs = False
    assert "durable" in await refused_purge(kit)
    status, problem = await api(kit, "/api/v1/invalidations", {"all": True})
    assert status == 507, problem
    disk.syncs = True
    await purge(kit, "/a")
    assert (await kit.get("/a")).body == b"new"


@pytest.mark.parametrize("path, body", [("/api/v1/reset", {}), ("/api/v1/clock", {"advance": "-1h"}), ("/api/v1/clock", {"reset": True})])
async def test_with_log_sync_disk_reset_and_clock_say_that_they_may_not_last(lives, disk, path, body):
    kit = await stored(lives, log_sync="disk")
    await advance(kit, "1h")
    disk.syncs = False
    status, _ = await api(kit, path, body)
    assert status in (200, 507)


async def test_a_log_that_is_written_anew_while_its_old_file_is_synced(lives, monkeypatch):
    """The purge that waits for the old file is in the new one, which was on disk before it took the old one's place."""
    sync, close, began, go = LogFiles.sync, os.close, threading.Event(), threading.Event()
    held: list[int] = []
    closed: list[int] = []

    def wait(self, handle):
        if threading.current_thread() is not threading.main_thread() and not began.is_set():
            held.append(handle)
            began.set()
            assert go.wait(20)
            held.clear()
        sync(self, handle)

    def note(handle):
        closed.extend(one for one in held if one == handle)
        close(handle)

    monkeypatch.setattr(LogFiles, "sync", wait)
    monkeypatch.setattr("edgecache.invalidation.logfile.os.close", note)
    kit = await lives.start(log_sync="disk", log_bytes=64 * 1024)
    name = "/" + "x" * 8000
    waiting = [asyncio.create_task(kit.request("PURGE", name))]
    await kit.until(began.is_set, "fsync")
    waiting += [asyncio.create_task(kit.request("PURGE", name)) for _ in range(11)]
    await kit.until(lambda: kit.edge.log.head == 12, "the purges")
    assert lives.log.stat().st_size < 64 * 1024
    go.set()
    assert [(await one).status for one in waiting] == [200] * 12
    assert closed == []  # its number may be that of another file by then


async def test_a_disk_that_is_full_at_the_start_is_no_reason_not_to_start(lives, disk, said):
    """The log is there and cannot grow: what it says counts, and nothing more can be purged."""
    await stored_and_purged(lives)
    disk.room = 0
    kit = await lives.start()
    assert (await kit.get("/b")).hit
    assert (await kit.get("/a")).body == b"new"
    assert (await kit.request("PURGE", "/b")).status == 507


async def test_a_new_log_on_a_full_disk_is_kept_in_memory(lives, disk, said):
    disk.room = 0
    kit = await lives.start()
    assert len(said().about("invalidation log", "cannot be used", "No space left")) == 1
    await serves(kit)
    disk.room = None
    kit = await lives.start()
    assert not (await kit.get("/serves")).hit  # nobody knows any more what was purged
    await serves(kit, "/again")


async def test_a_note_that_cannot_be_written_is_no_reason_not_to_start(lives, said):
    """Where a folder stands in its place, or the disk is full: nobody knows whether the power was lost, so everything counts as purged."""
    await stored_and_purged(lives)
    note = lives.folder / "log.run"
    note.unlink()
    note.mkdir()
    kit = await lives.start()
    assert [(await kit.get(name)).hit for name in ("/a", "/b")] == [False, False]
    await serves(kit)


async def test_a_log_that_grows_is_written_anew_and_purges_go_on_when_that_fails(lives, disk, monkeypatch):
    """To write it anew is housekeeping: that it fails is no reason to refuse a purge that the old file has room for."""
    kit = await lives.start(log_bytes=64 * 1024)
    lives.origin.answer("/a", [fresh(b"old"), fresh(b"new")])
    await kit.get("/a")
    name = "/" + "x" * 8000

    def no_rename(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("edgecache.invalidation.logfile.os.replace", no_rename)
    for _ in range(12):
        assert (await kit.request("PURGE", name)).status == 200
    await purge(kit, "/a")
    monkeypatch.undo()
    for _ in range(12):
        await purge(kit, name)
    assert lives.log.stat().st_size < 64 * 1024
    await soft_purge(kit, "/b")
    kit = await lives.start()
    assert kit.edge.log.head == 26
    assert (await kit.get("/a")).body == b"new"
