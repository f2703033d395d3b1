"""The high-water mark of positions: kept in the store, written ahead in steps, so that no position is ever used for two entries.

A dying process loses nothing that it has written: the system still has it. A power cut may lose the end of the log, and then stored
responses could carry positions that the log will hand out again. So the store says up to where positions may have been used, and a start
after a power cut goes on above that, with everything covered.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from edgecache.invalidation.log import InvalidationLog

STEP = 100_000
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
CLEAN = "closed"


class Reserve:
    """Keeps the mark ahead of the log's head. `keep` writes it; `start` runs that in the background."""

    def __init__(self, keep: Callable[[int], Awaitable[bool]], start: Callable[[Awaitable[bool]], None]) -> None:
        self._keep = keep
        self._start = start
        self._reserved = 0

    async def begin(self, log: InvalidationLog) -> None:
        """Reserve the first step, and go on as the log grows."""
        self._reserved = log.head + STEP
        await self._keep(self._reserved)
        log.on_head = self._grown

    def _grown(self, head: int) -> None:
        if head > self._reserved - STEP // 2:
            self._reserved = head + STEP
            self._start(self._keep(self._reserved))


def nothing_lost(note: Path) -> bool:
    """Was the log closed, or has the machine run without a break since it was last opened? Then its end cannot be missing.

    `note` holds what `note_opened` or `note_closed` wrote. Where the system does not say when it was started, only a clean end counts.
    """
    try:
        said = note.read_text()
    except (OSError, UnicodeDecodeError):
        return False
    return said == CLEAN or (said != "" and said == boot_id())


def note_opened(note: Path) -> None:
    """The log is in use, in this run of the machine. A note that cannot be written says that its end may be lost, which is safe."""
    with contextlib.suppress(OSError):
        note.write_text(boot_id())


def note_closed(note: Path) -> None:
    """The log was closed, and all of it is on the disk."""
    with contextlib.suppress(OSError):
        note.write_text(CLEAN)


def boot_id() -> str:
    """A name for this run of the machine; "" where the system has none."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""
