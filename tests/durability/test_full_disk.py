"""A disk that is really full: a small one in memory, in a mount namespace of the edge's own. Skipped where that is not allowed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from durabilitykit import content
from wirekit import Client, Origin, fresh, until

SIZE = 3 * 1024 * 1024
ROOT = str(Path(__file__).parents[2])


def can_mount(folder: Path) -> bool:
    """May this user have a mount namespace with a disk in it?"""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class SmallDisk:
    """An edge on a disk of 3 MiB, and that disk from outside."""

    def __init__(self, folder: Path, origin: Origin, ready: Path) -> None:
        self.folder = folder
        self.origin = origin
        self.ready = ready
        self.said = ready.with_name("stderr.txt")
        self.keeper: subprocess.Popen[bytes]
        self.edge: subprocess.Popen[bytes] | None = None
        self.clients: list[Client] = []

    def mount(self) -> None:
        script = f"mount -t tmpfs -o size={SIZE} none {self.folder} && echo mounted && exec cat"
        command = ["unshare", "-rm", "sh", "-c", script]
        self.keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.keeper.stdout is not None
        assert self.keeper.stdout.readline() == b"mounted\n"

    async def start(self) -> dict[str, int]:
        """Start the edge in there, and give its ports."""
        command = [sys.executable, "-m", "edgecache", "run", f"http://127.0.0.1:{self.origin.port}", "--store", f"{self.folder}/store"]
        command += [
            "--ready-file",
            str(self.ready),
            "--listen",
            "127.0.0.1:0",
            "--control",
            "127.0.0.1:0",
            "--log",
            "off",
            "--spool-bytes",
            "100KiB",
        ]
        inside = ["nsenter", "-t", str(self.keeper.pid), "-U", "-m", "--preserve-credentials", f"--wd={ROOT}", *command]
        with self.said.open("ab") as said:
            self.edge = subprocess.Popen(inside, stderr=said, env={**os.environ, "PYTHONPATH": ROOT})
        await until(self.ready.exists, "the edge")
        return json.loads(self.ready.read_bytes())["ports"]

    def kill(self) -> None:
        assert self.edge is not None
        self.edge.kill()
        self.edge.wait()
        self.ready.unlink(missing_ok=True)

    @property
    def inside(self) -> Path:
        return Path(f"/proc/{self.keeper.pid}/root{self.folder}")

    def fill(self) -> None:
        """Not a byte is left."""
        with (self.inside / "ballast").open("wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        (self.inside / "ballast").unlink()

    async def ask(self, port: int, method: str, target: str, *lines: str, body: bytes = b""):
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        self.clients.append(client)
        return await client.request(method, target, *lines, body=body)

    async def close(self) -> None:
        for client in self.clients:
            client.writer.transport.abort()
        if self.edge is not None and self.edge.poll() is None:
            self.kill()
        self.keeper.stdin.close()
        self.keeper.wait()
        self.keeper.stdout.close()
        await self.origin.stop()


@pytest.fixture
async def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if not can_mount(folder):
        pytest.skip("this user may not mount a disk of its own (unshare -rm)")
    origin = Origin()
    await origin.start()
    disk = SmallDisk(folder, origin, tmp_path / "ready.json")
    disk.mount()
    yield disk
    await disk.close()


async def test_an_edge_on_a_disk_that_fills_and_is_emptied(disk):
    port = (await disk.start())["listen"]
    disk.origin.answer("/a", [fresh(b"old"), fresh(b"new"), fresh(b"newer")])
    await disk.ask(port, "GET", "/a")
    assert (await disk.ask(port, "GET", "/a")).hit
    disk.fill()

    # Nothing more can be written: purges say so and do nothing; answers reach their clients whole.
    while (reply := await disk.ask(port, "PURGE", "/" + "x" * 3000)).status == 200:
        pass  # into what is left of the log's last page
    assert reply.status == 507
    for number in range(60):
        size = [100, 5_000, 30_000, 200_000][number % 4]
        disk.origin.answer(f"/{number}", fresh(content(str(number), size)))
        reply = await disk.ask(port, "GET", f"/{number}")
        assert (reply.status, reply.body == content(str(number), size)) == (200, True)
    assert (await disk.ask(port, "PURGE", "/" + "a" * 5000)).status == 507
    reply = await disk.ask(port, "GET", "/a")
    assert (reply.body, reply.hit) == (b"old", True)
    said = disk.said.read_text()
    assert said.count("is full") == 1
    assert "memory only" in said

    # There is room again: everything works without anybody's help.
    disk.empty()
    reply = await disk.ask(port, "PURGE", "/a")
    assert reply.status == 200
    assert (await disk.ask(port, "GET", "/a")).body == b"new"
    disk.kill()
    port = (await disk.start())["listen"]
    assert (await disk.ask(port, "GET", "/a")).body in (b"new", b"newer")
    for number in range(60):
        size = [100, 5_000, 30_000, 200_000][number % 4]
        assert (await disk.ask(port, "GET", f"/{number}")).body == content(str(number), size)
    said = disk.said.read_text()
    assert "Traceback" not in said
    assert "defect" not in said


async def test_what_an_answer_invalidated_on_a_full_disk_is_not_served_by_the_next_edge(disk):
    port = (await disk.start())["listen"]
    disk.origin.answer("/a", [fresh(b"old"), fresh(b"new")])
    disk.origin.answer("/" + "x" * 9000, fresh(b""))
    await disk.ask(port, "GET", "/a")
    disk.fill()
    while (await disk.ask(port, "PURGE", "/")).status == 200:
        pass
    disk.origin.answer("/write", b"HTTP/1.1 200 OK\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n")
    assert (await disk.ask(port, "POST", "/write")).status == 200
    assert (await disk.ask(port, "GET", "/a")).body == b"new"
    disk.origin.answer("/a", fresh(b"newest"))
    await until(lambda: not (disk.inside / "store" / "clean").exists(), "the store to be unsure")
    disk.kill()
    port = (await disk.start())["listen"]  # still full
    assert (await disk.ask(port, "GET", "/a")).body == b"newest"
    disk.kill()
    disk.empty()
    port = (await disk.start())["listen"]
    assert (await disk.ask(port, "GET", "/a")).body == b"newest"
    assert (await disk.ask(port, "PURGE", "/a")).status == 200
    assert "Traceback" not in disk.said.read_text()


async def test_an_edge_that_starts_on_a_full_disk(disk):
    disk.fill()
    port = (await disk.start())["listen"]
    disk.origin.answer("/a", [fresh(b"old"), fresh(b"new"), fresh(b"newer")])
    assert [(await disk.ask(port, "GET", "/a")).hit for _ in range(2)] == [False, True]
    assert (await disk.ask(port, "PURGE", "/a")).status == 200
    assert (await disk.ask(port, "GET", "/a")).body == b"new"
    said = disk.said.read_text()
    assert "in memory" in said
    disk.empty()
    disk.kill()
    port = (await disk.start())["listen"]
    assert (await disk.ask(port, "GET", "/a")).body == b"newer"
    assert "Traceback" not in disk.said.read_text()
