"""What is still going on: `GET /api/v1/settled` returns when nothing is, so that no test has to sleep."""

from __future__ import annotations

import asyncio


class Activity:
    """Counts what is in flight.

    Passes, event streams and tunnels are not counted: they may last for ever, and change nothing in the store.
    """

    def __init__(self) -> None:
        self.busy = 0  # how much is in flight
        self._waiting: set[asyncio.Future[None]] = set()

    def begin(self) -> None:
        """Something has begun."""
        self.busy += 1

    def end(self) -> None:
        """Something has ended."""
        self.busy -= 1
        if not self.busy:
            for waiter in self._waiting:
                if not waiter.done():
                    waiter.set_result(None)

    async def settled(self, timeout_s: float) -> bool:
        """Return True as soon as nothing is in flight, False when that took longer than `timeout_s`."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + timeout_s
        while self.busy:
            waiter = loop.create_future()
            self._waiting.add(waiter)
            timer = loop.call_at(give_up, _give_up, waiter)
            try:
                await waiter
            except TimeoutError:
                return not self.busy
            finally:
                timer.cancel()
                self._waiting.discard(waiter)
        return True


def _give_up(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
