"""`edgecache demo`: an origin with interesting pages and an edge in front of it, in one command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import click
import msgspec

from edgecache.cli.flags import SettingsCommand, read_settings


@click.command(cls=SettingsCommand, without=("origin",), context_settings={"max_content_width": 120})
def demo(config_file: Path | None, **flags: str | None) -> None:
    """Try it: start an origin whose pages each show one thing that an edge does, and an edge in front of it.

    \b
      edgecache demo                           # then open http://127.0.0.1:8080/
      edgecache demo --listen 127.0.0.1:9000 --log json

    Each page says what to watch. The settings are those of `edgecache run`, without the origin; the store is in memory.
    """
    settings = read_settings(config_file, {**flags, "origin": None})
    from edgecache.cli.serve import run_edge

    if not settings.store:
        # The demo's origin is another one each time: a folder for each would only pile up.
        settings = msgspec.structs.replace(settings, store="memory")
    run_edge(settings, demo_origin)


@asynccontextmanager
async def demo_origin(control_url: Callable[[], str]) -> AsyncIterator[str]:
    """The demo origin, for the time of the context; gives its URL. Its pages name `control_url` in what they tell people to try."""
    from edgecache.clock import Clock
    from edgecache.lab.demo import start_demo

    try:
        origin = await start_demo(Clock(), control_url=control_url)  # a clock of its own: an origin's time does not travel with the edge's
    except OSError as error:
        raise click.ClickException(f"the demo's origin cannot listen on 127.0.0.1 ({error.strerror}).") from None
    try:
        yield origin.url
    finally:
        await origin.stop()
