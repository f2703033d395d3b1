"""Group commit: one fsync for all who wrote before it, and nobody acknowledged early."""

import asyncio
import threading

import pytest

from edgecache.invalidation.commit import GroupCommit
from edgecache.invalidation.logfile import LogUnwritable


class Disk:
    def __init__(self):
        self.head = 0
        self.syncs = 0
        self.gate = threading.Event()
        self.fails = False

    def sync(self):
        self.syncs += 1
        assert self.gate.wait(10)
        if self.fails:
            raise OSError(5, "Input/output error")


async def test_who_wrote_meanwhile_waits_for_the_next_one():
    disk = Disk()
    commit = GroupCommit(disk.sync, lambda: disk.head)
    disk.head = 1
    first = asyncio.ensure_future(commit.durable(1))
    while not disk.syncs:
        await asyncio.sleep(0)
    disk.head = 3
    others = [asyncio.ensure_future(commit.durable(position)) for position in (2, 3, 3)]
    await asyncio.sleep(0)
    assert not first.done()
    disk.gate.set()
    await asyncio.gather(first, *others)
    assert disk.syncs == 2
    await commit.durable(3)
    assert disk.syncs == 2


async def test_one_who_leaves_does_not_end_it_for_the_others():
    disk = Disk()
    commit = GroupCommit(disk.sync, lambda: disk.head)
    disk.head = 1
    leaver, stayer = (asyncio.ensure_future(commit.durable(1)) for _ in range(2))
    while not disk.syncs:
        await asyncio.sleep(0)
    leaver.cancel()
    disk.gate.set()
    await stayer
    assert disk.syncs == 1


async def test_a_failing_disk_acknowledges_nothing():
    disk = Disk()
    disk.fails = True
    disk.gate.set()
    commit = GroupCommit(disk.sync, lambda: disk.head)
    disk.head = 1
    for _ in range(2):
        with pytest.raises(LogUnwritable, match="durable"):
            await commit.durable(1)
