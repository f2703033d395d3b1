"""The life of an edge in a terminal: start, banner, ready file, signals, drain, totals. `run` and `demo` share it.

Everything said here goes to stderr: stdout holds the lines of the log and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import click
import msgspec

from edgecache.app import Edge, StartError
from edgecache.cli.banner import banner, totals
from edgecache.cli.client import DEFAULT_EDGE, printable
from edgecache.cli.ready import ready_file, remove_stale
from edgecache.config import Settings

# Runs an origin for the time of the context and gives its URL. It is handed a function that gives the control plane's.
OwnOrigin = Callable[[Callable[[], str]], AbstractAsyncContextManager[str]]


def run_edge(settings: Settings, own_origin: OwnOrigin | None = None) -> None:
    """Run an edge until a signal ends it. `own_origin` replaces the setting origin, as the demo's does.

    Returns after a drain; raises click's error, with one sentence, when the edge could not start or was cut off.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(settings, own_origin))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on every system; everything also works on plain asyncio, only slower
        return None
    return uvloop.new_event_loop


class Phase(enum.Enum):
    """How far the run has come; it decides what a signal means."""

    STARTING = enum.auto()  # end: there is nothing to drain yet
    SERVING = enum.auto()  # drain
    ENDING = enum.auto()  # end at once


class Signals:
    """SIGTERM and Ctrl-C during one run. Made inside the task that runs the edge."""

    def __init__(self) -> None:
        self.phase = Phase.STARTING
        self.cut_off = False
        self._asked_to_end = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._arrived)

    async def wait(self) -> None:
        """Serve until the first signal."""
        self.phase = Phase.SERVING
        await self._asked_to_end.wait()

    def close(self) -> None:
        """Signals mean again what they meant before."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.remove_signal_handler(number)

    def _arrived(self) -> None:
        if self.phase is Phase.SERVING:
            self.phase = Phase.ENDING
            self._asked_to_end.set()
        elif not self.cut_off:
            # Cancelling the one task that waits: no second task has to race with the drain. Once only, because what follows cleans up.
            self.cut_off = True
            assert self._task is not None
            self._task.cancel()


async def serve(settings: Settings, own_origin: OwnOrigin | None) -> None:
    """One run from start to end; see `run_edge`."""
    signals = Signals()
    control_url = DEFAULT_EDGE
    remove_stale(settings.ready_file)
    try:
        async with AsyncExitStack() as stack:
            if own_origin is not None:
                url = await stack.enter_async_context(own_origin(lambda: control_url))
                settings = msgspec.structs.replace(settings, origin=url)
            edge = await stack.enter_async_context(_running(settings))
            control_url = edge.control_url
            stack.enter_context(ready_file(settings.ready_file, edge.url, control_url, edge.varnishadm))
            demo = own_origin is not None
            say(
                banner(
                    settings, edge.url, control_url, edge.origin_reachable, varnishadm=edge.varnishadm, delayed=len(edge.delays), demo=demo
                )
            )
            await signals.wait()
            say(
                f"Ending: requests in progress have {settings.drain_timeout_s:g} s to finish; "
                "another Ctrl-C or SIGTERM ends the edge at once."
            )
            await edge.drain()
            say(totals(edge.records.stats()))
    except asyncio.CancelledError:
        if not signals.cut_off:
            raise
        before = "before it had started" if signals.phase is Phase.STARTING else "at once; requests in progress were cut off"
        raise click.ClickException(f"ended {before}.") from None
    finally:
        signals.close()


@contextlib.asynccontextmanager
async def _running(settings: Settings) -> AsyncIterator[Edge]:
    """An edge that has started, and is stopped at the end however that comes."""
    edge = Edge(settings)
    try:
        try:
            await edge.start()
        except StartError as error:
            raise click.ClickException(printable(str(error))) from None
        yield edge
    finally:
        await edge.stop()


def say(text: str) -> None:
    """Lines for the person who started the edge."""
    click.echo(text, err=True)
