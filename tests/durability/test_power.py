"""The power goes: the end of the invalidation log may be lost, while what was stored at its positions is still there.

The model: the folder as it is at one moment, the log cut back to an earlier length, and another run of the machine.
"""

from __future__ import annotations

import errno
import itertools
import os

import pytest
from wirekit import fresh
from wirestage import advance, api, purge, settled

from edgecache.invalidation.logfile import Files as LogFiles
from edgecache.invalidation.reserve import STEP

HEAD_BYTES = 48


class Machine:
    """Runs of the machine, as the system tells them apart."""

    def __init__(self, folder, monkeypatch) -> None:
        self.file = folder / "boot_id"
        self.number = 0
        monkeypatch.setattr("edgecache.invalidation.reserve.BOOT_ID", self.file)
        self.boot()

    def boot(self) -> None:
        self.number += 1
        self.file.write_text(f"run {self.number}\n")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


async def some_life(lives, tmp_path, purges: int = 3):
    """A life broken off after /a was stored, purged with others, and stored again. How long the log was after each of its records."""
    kit = await lives.start()
    lives.origin.answer("/a", [fresh(b"old"), fresh(b"new"), fresh(b"newer")])
    lives.origin.answer("/b", fresh(b"other"))
    await kit.get("/b")
    lengths = [HEAD_BYTES]
    for number in range(purges):
        await kit.get("/a") if number in (0, 2) else None
        await purge(kit)
        lengths.append(lives.log.stat().st_size)
    await lives.freeze(tmp_path / "after the power cut")
    return lengths


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
@pytest.mark.parametrize("more", [0, 7], ids=["whole records", "a part of the next"])
async def test_when_the_end_of_the_log_may_be_lost_everything_counts_as_purged(lives, machine, tmp_path, said, kept, more):
    lengths = await some_life(lives, tmp_path)
    os.truncate(lives.log, min(lengths[kept] + more, lengths[-1]))
    machine.boot()
    lives.origin.answer("/a", fresh(b"newest"))
    kit = await lives.start()
    assert len(said().about("lost with the power", "counts as purged")) == 1
    assert (await api(kit, "/api/v1/objects"))[1]["objects"] == []
    assert [(await kit.get(name)).hit for name in ("/a", "/b")] == [False, False]
    assert [(await kit.get(name)).hit for name in ("/a", "/b")] == [True, True]
    assert kit.edge.log.head == STEP + 1  # above all that may have been given to somebody
    assert int((await kit.request("PURGE", "/b")).get("edgecache-position")) == STEP + 2
    kit = await lives.start()
    assert len(said().about("lost with the power")) == 1
    assert [(await kit.get(name)).hit for name in ("/a", "/b")] == [True, False]


async def test_a_second_power_cut_goes_on_above_the_second_mark(lives, machine, tmp_path):
    await some_life(lives, tmp_path)
    heads = []
    for number in range(3):
        machine.boot()
        kit = await lives.start()
        heads.append(kit.edge.log.head)
        await purge(kit)
        await purge(kit)
        await kit.get("/b")
        await lives.freeze(tmp_path / f"again {number}")
        os.truncate(lives.log, HEAD_BYTES)  # all that this life wrote is lost, and more
    assert heads[0] == STEP + 1
    assert all(later > earlier + STEP for earlier, later in itertools.pairwise(heads))


async def test_many_positions_are_reserved_ahead(lives, machine, tmp_path, monkeypatch):
    """So many purges that the mark has to move: it is ahead of what is handed out, whenever the power goes."""
    monkeypatch.setattr("edgecache.invalidation.reserve.STEP", 100)
    kit = await lives.start()
    for _ in range(30):
        status, _ = await api(kit, "/api/v1/invalidations", {"urls": [f"http://example.test/{number}" for number in range(20)]})
        assert status == 201
    lives.origin.answer("/a", [fresh(b"old"), fresh(b"new")])
    await kit.get("/a")
    await lives.freeze(tmp_path / "after the power cut")
    os.truncate(lives.log, HEAD_BYTES)
    machine.boot()
    kit = await lives.start()
    assert kit.edge.log.head > 600
    assert (await kit.get("/a")).body == b"new"


async def test_positions_above_the_mark_cover_what_the_lost_ones_had(lives, machine, tmp_path):
    """What was stored at a lost position is older than any purge to come: also after many of them."""
    lengths = await some_life(lives, tmp_path)
    os.truncate(lives.log, lengths[0])
    machine.boot()
    kit = await lives.start()
    for number in range(10):
        await purge(kit, f"/{number}")
    kit = await lives.start()
    assert not (await kit.get("/b")).hit


async def test_after_an_end_in_good_order_nothing_is_lost(lives, machine, said):
    kit = await lives.start()
    lives.origin.answer("/a", fresh(b"hello"))
    await kit.get("/a")
    await purge(kit, "/b")
    await lives.stop()
    machine.boot()
    kit = await lives.start()
    assert (await kit.get("/a")).hit
    assert kit.edge.log.head == 1
    assert said().lines == []


async def test_the_log_is_on_disk_before_anybody_is_told_that_it_is_closed(lives, machine, monkeypatch):
    """ "closed" is believed after a power cut; so what was written before has to be there then."""
    synced: list[int] = []
    sync = LogFiles.sync
    monkeypatch.setattr(LogFiles, "sync", lambda self, handle: (synced.append(os.fstat(handle).st_size), sync(self, handle))[1])
    kit = await lives.start()
    await purge(kit)
    await lives.stop()
    assert (lives.folder / "log.run").read_text() == "closed"
    assert synced[-1:] == [lives.log.stat().st_size]


async def test_a_kill_alone_loses_nothing(lives, machine, tmp_path, said):
    await some_life(lives, tmp_path, purges=2)
    kit = await lives.start()
    assert (await kit.get("/b")).hit
    assert said().lines == []


async def test_a_machine_that_does_not_tell_its_runs_apart(lives, machine, tmp_path, said):
    """Then only an end in good order is believed."""
    machine.file.unlink()
    await some_life(lives, tmp_path, purges=2)
    kit = await lives.start()
    assert not (await kit.get("/b")).hit
    assert len(said().about("lost with the power")) == 1
    kit = await lives.start()
    assert (await kit.get("/b")).hit
    assert len(said().about("lost with the power")) == 1


@pytest.mark.parametrize("left", [0, 20, None])
async def test_a_log_that_is_lost_altogether(lives, machine, tmp_path, said, left):
    await some_life(lives, tmp_path)
    if left is None:
        lives.log.unlink()
    else:
        os.truncate(lives.log, left)
    machine.boot()
    kit = await lives.start()
    assert len(said().about("another invalidation log", "emptied")) == 1
    assert not (await kit.get("/b")).hit


async def test_blocks_of_zeros_at_the_end(lives, machine, tmp_path):
    """The length of the file was on the disk, its last blocks were not."""
    lengths = await some_life(lives, tmp_path)
    data = lives.log.read_bytes()
    lives.log.write_bytes(data[: lengths[1] + 20] + bytes(lengths[-1] - lengths[1] - 20))
    machine.boot()
    kit = await lives.start()
    assert [(await kit.get(name)).hit for name in ("/a", "/b")] == [False, False]
    kit = await lives.start()
    assert (await kit.get("/a")).hit


async def test_the_clock_goes_on_from_its_offset(lives, machine, tmp_path):
    kit = await lives.start()
    await advance(kit, "1h")
    await settled(kit)
    await lives.freeze(tmp_path / "after the power cut")
    machine.boot()
    kit = await lives.start()
    assert kit.clock.offset_s == 3600
    lives.origin.answer("/a", fresh(b"hello"))
    assert [(await kit.get("/a")).hit for _ in range(2)] == [False, True]


async def test_a_disk_that_is_full_after_the_power_cut(lives, machine, tmp_path, said, monkeypatch):
    """That everything is purged cannot be written: it counts all the same, in this life and in the next."""
    lengths = await some_life(lives, tmp_path)
    os.truncate(lives.log, lengths[0])
    machine.boot()
    write = LogFiles.write

    def full(self, handle, data, at):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(LogFiles, "write", full)
    kit = await lives.start()
    assert not (await kit.get("/b")).hit
    assert (await kit.get("/b")).hit
    monkeypatch.setattr(LogFiles, "write", write)
    lives.origin.answer("/a", fresh(b"newest"))
    kit = await lives.start()
    assert not (await kit.get("/a")).hit
