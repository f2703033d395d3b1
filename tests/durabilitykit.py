"""Several lives of an edge on one store folder: stopped and started again, or broken off and gone on with from a copy of the folder."""

from __future__ import annotations

import dataclasses
import shutil
import threading
from pathlib import Path

from wirekit import Kit, Origin, StandingClock
from wirestage import settled

from edgecache.app import Edge
from edgecache.config import load
from edgecache.store.files import Files


class Lives:
    """The edges of one store folder, one after the other, and their origin. Time goes on while none is there.

    kit  the edge that runs now
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.origin = Origin()
        self.kit: Kit | None = None
        self._wall = StandingClock.START
        self._ns = 0

    @property
    def log(self) -> Path:
        """The file of the invalidation log."""
        return self.folder / "invalidations.log"

    @property
    def generation(self) -> Path:
        """Where database and files with content are, in the folder."""
        return self.folder / (self.folder / "clean").read_text()

    @property
    def database(self) -> Path:
        """The database's file."""
        return self.generation / "db" / "cache.db"

    @property
    def bodies(self) -> list[Path]:
        """The files with content, the longest first."""
        files = [path for path in (self.generation / "bodies").rglob("*") if path.is_file()]
        return sorted(files, key=lambda path: -path.stat().st_size)

    async def start(self, *, after_s: float = 0.0, settle: bool = True, files: Files | None = None, **settings: object) -> Kit:
        """Begin the next life, `after_s` seconds after the end of the last one. The one that runs is stopped first."""
        await self.stop(settle=settle)
        if not self.origin.port:
            await self.origin.start()
        clock = StandingClock()
        clock.wall = self._wall + after_s
        clock._ns = self._ns
        defaults = {
            "origin": f"http://127.0.0.1:{self.origin.port}",
            "listen": "127.0.0.1:0",
            "control": "127.0.0.1:0",
            "log": "off",
            "store": str(self.folder),
        }
        edge = Edge(load(None, {**defaults, **settings}), clock, files=files)
        await edge.start()
        self.kit = Kit(edge, self.origin, clock)
        return self.kit

    async def stop(self, *, settle: bool = True) -> None:
        """End the life that runs, in good order; `settle`: once nothing is in flight any more."""
        if self.kit is None:
            return
        if settle:
            await settled(self.kit)
        kit, self.kit = self.kit, None
        self._wall, self._ns = kit.clock.wall, kit.clock._ns
        for client in kit.clients:
            client.writer.transport.abort()
        await kit.edge.stop()

    async def freeze(self, to: Path) -> None:
        """What would be found if the process ended now: the folder as it is, copied to `to`. The next life begins there.

        A kill takes nothing away that was written, so a copy made while nothing is being written is what a kill leaves.
        """
        assert self.kit is not None
        await settled(self.kit)
        believed = self.folder / "clean"
        in_use = believed.read_text() if believed.exists() else ""

        def unused(folder: str, names: list[str]) -> list[str]:
            """What is being removed in the background."""
            top = Path(folder) == self.folder and in_use
            return [name for name in names if top and name.startswith(("kept-", "old-")) and name != in_use]

        shutil.copytree(self.folder, to, ignore=unused)
        await self.stop()
        self.folder = to

    async def close(self) -> None:
        await self.stop(settle=False)
        await self.origin.stop()


def content(name: str, size: int) -> bytes:
    """Content of which every part is different, and different for every name."""
    unit = b"".join(b"%s:%08d;" % (name.encode(), number) for number in range(size // (len(name) + 10) + 1))
    return unit[:size]


class BusyFiles(Files):
    """Writing to files takes until the test says so."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def write(self, fd, pieces):
        if not self.go.is_set():
            self.begun.set()
            assert self.go.wait(60)
        super().write(fd, pieces)


@dataclasses.dataclass
class Heard:
    """What edges said on stderr: whole sentences of theirs."""

    lines: list[str]

    def about(self, *words: str) -> list[str]:
        """The sentences in which all of these words are."""
        return [line for line in self.lines if all(word in line for word in words)]
