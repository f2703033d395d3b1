"""A kill at a moment that is chosen: the client has its answer, and the thread that writes is still busy with something else."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3

import pytest
from durabilitykit import BusyFiles, content
from wirekit import fresh, ok
from wirestage import api, ask_control, purge, rounds, settled, told

from edgecache.invalidation.logfile import Files as LogFiles
from edgecache.store.database import Database


async def busy(lives):
    """A life in which /a is stored and the thread that writes has begun with something that takes long."""
    files = BusyFiles()
    kit = await lives.start(files=files)
    lives.origin.answer("/a", [fresh(b"old"), fresh(b"new")])
    lives.origin.answer("/large", fresh(content("/large", 100_000)))
    await kit.get("/a")
    await settled(kit)
    files.go.clear()
    await kit.get("/large")
    await kit.until(files.begun.is_set, "a write")
    return kit, files


async def killed_now(lives, tmp_path, files):
    """The next life begins with what is on the disk at this moment."""
    to = tmp_path / "after the kill"
    shutil.copytree(lives.folder, to)
    files.go.set()
    await lives.stop()
    lives.folder = to
    return await lives.start()


async def test_a_purge_waits_for_no_write(lives, tmp_path):
    """A disk that is slow for what is stored is no reason to acknowledge late, or to lose what was acknowledged."""
    kit, files = await busy(lives)
    purging = asyncio.create_task(purge(kit))
    await kit.until(purging.done, "the purge")
    await purging
    kit = await killed_now(lives, tmp_path, files)
    assert (await kit.get("/a")).body == b"new"


@pytest.mark.parametrize("cause", ["response", "reset"])
async def test_what_an_answer_invalidated_and_the_log_could_not_take(lives, tmp_path, monkeypatch, cause):
    """Who wrote has the answer, and will look at what it wrote: also when the edge dies in the next moment."""
    kit, files = await busy(lives)

    def full(self, handle, data, at):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    lives.origin.answer("/write", ok(b"", "Location: /a"))
    with monkeypatch.context() as patch:
        patch.setattr(LogFiles, "write", full)
        work = kit.request("POST", "/write") if cause == "response" else api(kit, "/api/v1/reset", {})
        invalidating = asyncio.create_task(work)
        await rounds(kit)
        if cause == "response":
            await kit.until(invalidating.done, "the answer")
    done = invalidating.done()
    kit = await killed_now(lives, tmp_path, files)
    await asyncio.gather(invalidating, return_exceptions=True)
    if done:
        assert (await kit.get("/a")).body == b"new"


@pytest.mark.parametrize("trouble", [False, True], ids=["busy", "full"])
async def test_a_clock_that_was_moved_is_not_moved_back_by_a_kill(lives, tmp_path, monkeypatch, trouble):
    """What had become stale an hour later would be fresh again."""
    kit, files = await busy(lives)
    if trouble:
        files.go.set()

        def full(self, meta, *, durable):
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(Database, "write_meta", full)
    client = await ask_control(kit, "/api/v1/clock", {"advance": "1h"})
    moving = asyncio.create_task(client.reply())
    await rounds(kit)
    if trouble:
        await moving
        await settled(kit)
        monkeypatch.undo()
    done = moving.done()
    kit = await killed_now(lives, tmp_path, files)
    await asyncio.gather(moving, return_exceptions=True)
    if done:
        reply = await kit.get("/a")
        assert (reply.body, told(reply)["fwd"] in ("stale", "uri-miss")) == (b"new", True)
