"""A purge that was acknowledged and has yet to take effect outlives the edge, however that ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession
from durabilitykit import Lives
from wirekit import Kit, Origin, fresh, until
from wirestage import advance, api, settled

from edgecache.control.dialects.faults import Fault, Wanted
from edgecache.invalidation.delayfile import MAGIC

PURGE = "/client/v4/zones/z/purge_cache"


async def purge(kit: Kit, target: str = "/a") -> None:
    """A purge through Cloudflare's API; its success says nothing about when it takes effect."""
    status, said = await api(kit, PURGE, {"files": [f"http://example.test{target}"]})
    assert (status, said["success"]) == (200, True)


async def stored_and_purged(lives: Lives, **settings: object) -> Kit:
    """/a is stored, and a purge of it waits for ten seconds."""
    kit = await lives.start(**settings)
    lives.origin.answer("/a", [fresh(b"old", max_age=3600), fresh(b"new", max_age=3600)])
    assert (await kit.get("/a")).body == b"old"
    kit.edge.desk.faults.add(Wanted(Fault.DELAY, wait_s=10), kit.clock.now())
    await purge(kit)
    assert (await kit.get("/a")).body == b"old"
    return kit


async def arrives(kit: Kit, after_s: float) -> None:
    """Nothing is purged until so much time has passed, and then it is."""
    assert (await kit.get("/a")).body == b"old"
    kit.pass_time(after_s - 0.5)
    await kit.turns(10)
    assert (await kit.get("/a")).body == b"old"
    kit.pass_time(0.5)
    await kit.until(lambda: not len(kit.edge.delays), "the delayed purge")
    assert (await kit.get("/a")).body == b"new"


async def test_over_a_restart(lives: Lives) -> None:
    await stored_and_purged(lives)
    kit = await lives.start(after_s=4)
    assert len(kit.edge.delays) == 1
    assert not kit.edge.desk.faults.active(kit.clock.now()), "faults end with the edge"
    await arrives(kit, 6)
    kit = await lives.start()
    assert not len(kit.edge.delays)
    assert (lives.folder / "delayed.log").read_bytes() == MAGIC


async def test_over_a_kill(lives: Lives, tmp_path: Path) -> None:
    await stored_and_purged(lives, log_sync="disk")
    await lives.freeze(tmp_path / "after the kill")
    await arrives(await lives.start(), 10)


async def test_what_came_due_while_no_edge_ran(lives: Lives) -> None:
    await stored_and_purged(lives)
    kit = await lives.start(after_s=60)
    kit.edge.sweeper.sweep()
    await kit.until(lambda: not len(kit.edge.delays), "the delayed purge")
    assert (await kit.get("/a")).body == b"new"


async def test_time_travel_brings_it_before_the_call_returns(lives: Lives) -> None:
    kit = await stored_and_purged(lives)
    await advance(kit, "10s")
    assert (await kit.get("/a")).body == b"new"


async def test_a_reset_drops_it_for_good(lives: Lives) -> None:
    kit = await stored_and_purged(lives)
    assert (await api(kit, "/api/v1/reset", {}))[0] == 200
    head = kit.edge.log.head
    kit = await lives.start(after_s=60)
    kit.edge.sweeper.sweep()
    assert not len(kit.edge.delays)
    assert kit.edge.log.head == head


async def test_settled_does_not_wait_for_it(lives: Lives) -> None:
    """It waits for edge time, which a test moves by itself."""
    kit = await stored_and_purged(lives)
    await settled(kit)
    assert len(kit.edge.delays) == 1


@pytest.mark.parametrize("damage", [b"EDGEWAIT\x00\x01" + b"x" * 40, b"something else altogether"])
async def test_a_damaged_file_purges_too_much_and_never_too_little(lives: Lives, said, damage: bytes) -> None:
    await stored_and_purged(lives)
    await lives.stop()
    (lives.folder / "delayed.log").write_bytes(damage)
    kit = await lives.start()
    assert (await kit.get("/a")).body == b"new"
    assert said().about("delayed.log", "everything stored before counts as purged")


async def test_a_full_disk_is_the_vendors_error(lives: Lives, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = await stored_and_purged(lives)

    def full(handle: int, data: bytes, at: int) -> int:
        raise OSError(28, "No space left on device")

    assert kit.edge.delays._file is not None
    monkeypatch.setattr(kit.edge.delays._file._files, "write", full)
    status, refused = await api(kit, PURGE, {"tags": ["t"]})
    assert (status, "No space left" in refused["errors"][0]["message"]) == (503, True)
    assert len(kit.edge.delays) == 1
    noted = next(kit.edge.doors.journal.newest_first())
    assert (noted.came.value, "No space left" in noted.sentence) == ("faulted", True)


class Remote:
    """A process with an edge. The ready file says where it listens."""

    def __init__(self, program: subprocess.Popen[bytes], ready: Path) -> None:
        self.program = program
        self.urls = json.loads(ready.read_text())

    async def get(self, target: str) -> bytes:
        async with ClientSession() as session, session.get(self.urls["listen"] + target, headers={"Host": "example.test"}) as response:
            return await response.read()

    async def ask(self, path: str, content: object) -> None:
        async with ClientSession() as session, session.post(self.urls["control"] + path, json=content) as response:
            assert response.status < 300, await response.text()


async def test_a_process_that_is_killed(tmp_path: Path, process: Callable[..., subprocess.Popen[bytes]]) -> None:
    """kill -9 of `edgecache run`, right after its answer."""
    origin = Origin()
    await origin.start()
    origin.answer("/a", [fresh(b"old", max_age=3600), fresh(b"new", max_age=3600)])
    ready, shown = tmp_path / "ready", tmp_path / "shown"
    command = [sys.executable, "-m", "edgecache", "run", f"http://127.0.0.1:{origin.port}", "--store", str(tmp_path / "store")]
    command += ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--log", "off", "--ready-file", str(ready)]

    async def started() -> Remote:
        with shown.open("wb") as file:
            program = process(*command, stdout=subprocess.DEVNULL, stderr=file)
        await until(lambda: ready.exists() or program.poll() is not None, "the edge")
        return Remote(program, ready)

    edge = await started()
    assert await edge.get("/a") == b"old"
    await edge.ask("/api/v1/faults", {"delay": "1h"})
    assert b"fault 1 is ON" in shown.read_bytes()
    await edge.ask(PURGE, {"files": ["http://example.test/a"]})
    edge.program.kill()
    edge.program.wait(10)
    ready.unlink()
    edge = await started()
    assert b"1 invalidation of an earlier run has yet to take effect" in shown.read_bytes()
    assert await edge.get("/a") == b"old"
    await edge.ask("/api/v1/clock", {"advance": "1h"})
    assert await edge.get("/a") == b"new"
    await origin.stop()
