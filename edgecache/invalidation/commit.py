"""Group commit: with `log_sync = disk` an invalidation is acknowledged only when its record would survive a power cut.

The record is written and counts for every lookup at once; only the acknowledgement waits. One fsync runs at a time, in a thread, and
serves all who had written before it began.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edgecache.invalidation.logfile import LogUnwritable


class GroupCommit:
    """Answers "is this position on disk for good?", waiting for it. `head` says up to where records are written, `sync` is blocking."""

    def __init__(self, sync: Callable[[], None], head: Callable[[], int]) -> None:
        self._sync = sync
        self._head = head
        self._durable = head()
        self._running: asyncio.Task[None] | None = None

    async def durable(self, position: int) -> None:
        """Return when everything up to `position` is durable. Raises LogUnwritable when that cannot be had."""
        while self._durable < position:
            if self._running is None:
                self._running = asyncio.get_running_loop().create_task(self._commit(), name="log fsync")
            await asyncio.shield(self._running)  # who waits may leave; the others still wait for the same fsync

    async def _commit(self) -> None:
        reached = self._head()
        try:
            await asyncio.to_thread(self._sync)
        except OSError as error:
            raise LogUnwritable(f"the invalidation log cannot be made durable: {error.strerror}") from None
        finally:
            self._running = None
        self._durable = max(self._durable, reached)
