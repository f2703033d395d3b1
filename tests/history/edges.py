"""The edge's processes, one after the other, on the same ports and the same store."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.history.pages import CONFIG
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
READY_S = 20.0

# Small, so that what happens at limits happens: eviction, files, a log that is written anew, bans and entries that are let go.
SETTINGS = {
    "log": "off",
    "memory-bytes": "2MiB",
    "disk-bytes": "12MiB",
    "spool-bytes": "60KiB",
    "log-bytes": "64KiB",
    "log-entries": "400",
    "bans": "60",
    "sweep-delay-s": "0.05s",
}


class Spawner:
    """A process with everything imported, which others are forked from (spawner.py). May serve several runs."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.history.spawner"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    async def command(self, what: object) -> int:
        """The process that was started or killed."""
        return await asyncio.to_thread(self._command, json.dumps(what).encode() + b"\n")

    def close(self) -> None:
        """End it, and what it started."""
        self._process.communicate()

    def _command(self, line: bytes) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


class Edges:
    """The edges of one run. `switch`: a guarantee that is broken in all of them (switches.py); "" for none."""

    def __init__(self, spawner: Spawner, folder: Path, origin: int, switch: str = "") -> None:
        self.port, self.control = free_port(), free_port()
        self._spawner = spawner
        self._switch = switch
        self._ready = folder / "ready.json"
        self._stderr = folder / "stderr.txt"
        config = folder / "edgecache.toml"
        config.write_text(CONFIG.format(origin=f"http://127.0.0.1:{origin}"))
        self._arguments = ["run", "--config", str(config), "--store", str(folder / "store"), "--ready-file", str(self._ready)]
        self._arguments += ["--listen", f"127.0.0.1:{self.port}", "--control", f"127.0.0.1:{self.control}"]
        for name, value in SETTINGS.items():
            self._arguments += [f"--{name}", value]

    async def begin(self, *more: str) -> int:
        """Start one; its process id."""
        return await self._spawner.command({"start": [*self._arguments, *more], "switch": self._switch, "stderr": str(self._stderr)})

    async def kill(self, pid: int) -> None:
        """Return when it is gone."""
        await self._spawner.command({"kill": pid})

    async def ready(self, pid: int) -> None:
        """Return when it takes requests."""
        async with asyncio.timeout(READY_S):
            while True:
                with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                    if json.loads(self._ready.read_bytes())["pid"] == pid:
                        return
                await asyncio.sleep(0.005)

    @property
    def said(self) -> str:
        """What all of them said on stderr."""
        return self._stderr.read_text()
