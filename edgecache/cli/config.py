"""`edgecache config`: is this configuration file usable, and what does it change?"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from edgecache.cli.client import print_table, printable


@click.group(epilog="\b\nExample:\n  edgecache config check edgecache.toml")
def config() -> None:
    """Check a configuration file."""


EPILOG = """\b
Example:
  edgecache config check edgecache.toml && edgecache run --config edgecache.toml

`edgecache run --help` lists every setting; in the file, names are written with underscores: drain_timeout_s = "5s"."""


@config.command(epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Read FILE as `edgecache run --config FILE` would, and list the settings that differ from their defaults."""
    from edgecache.config import SETTINGS, ConfigError, Kind, load

    try:
        settings = load(file, {})
    except ConfigError as error:
        raise click.ClickException(printable(str(error))) from None
    changed = [setting for setting in SETTINGS if getattr(settings, setting.name) != setting.default]
    count = f"{len(changed)} setting{'' if len(changed) == 1 else 's'}"
    click.echo(f"{printable(str(file))}: ok, {count} differ{'s' if len(changed) == 1 else ''} from the defaults")
    if changed:
        rows = []
        for setting in changed:
            here = dataclasses.replace(setting, default=getattr(settings, setting.name))  # written as a default would be
            rows.append([setting.name, "(set)" if setting.kind is Kind.SECRET else here.default_text, setting.default_text])
        print_table(["setting", "value", "default"], rows)
