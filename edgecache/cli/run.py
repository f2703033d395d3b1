"""`edgecache run`: an edge in front of an origin."""

from __future__ import annotations

from pathlib import Path

import click

from edgecache.cli.flags import SettingsCommand, read_settings
from edgecache.config import sites_of


@click.command(cls=SettingsCommand, context_settings={"max_content_width": 120})
@click.argument("origin_url", metavar="[ORIGIN]", required=False)
def run(origin_url: str | None, config_file: Path | None, **flags: str | None) -> None:
    """Put a caching edge in front of ORIGIN, and say where it listens.

    \b
      edgecache run http://localhost:3000
      curl -so /dev/null -D- http://127.0.0.1:8080/   # twice; Cache-Status says what was decided and why
      edgecache run --config edgecache.toml --log json --listen 127.0.0.1:0 --ready-file ports.json

    ORIGIN is the setting origin: http://HOST:PORT, https://HOST or unix:/PATH. It need not be up yet. Ctrl-C or SIGTERM lets requests in
    progress finish; a second one ends the edge at once.
    """
    if origin_url is not None:
        if flags["origin"] not in (None, origin_url):
            raise click.UsageError(f"ORIGIN is {origin_url} and --origin is {flags['origin']}: say it once.")
        flags["origin"] = origin_url
    settings = read_settings(config_file, flags)
    if not sites_of(settings):
        raise click.ClickException(
            "no origin is given: write `edgecache run http://localhost:3000` with your site's address, "
            "or try `edgecache demo`, which brings an origin of its own."
        )
    from edgecache.cli.serve import run_edge  # asyncio, aiohttp and the edge: not for --help

    run_edge(settings)
