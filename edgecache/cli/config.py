"""`edgecache config`: is this configuration file usable, and what does it change?"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecache.cli.client import print_table, printable

if TYPE_CHECKING:
    from edgecache.config import RuleSettings, SiteSettings


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
    """Read FILE as `edgecache run --config FILE` would, and list the settings that differ from their defaults, and the tables."""
    from edgecache.config import SETTINGS, ConfigError, Kind, load, sites_of

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
    if settings.site:
        click.echo()
        print_table(["site", "origin", "answers to"], [[site.name, site.origin, _answers_to(site)] for site in sites_of(settings)])
    if settings.rule:
        click.echo()
        print_table(["rule", "site", "what holds"], [[rule.path, rule.site or "(all)", _what_holds(rule)] for rule in settings.rule])
    if settings.vendor:
        click.echo()
        print_table(
            ["vendor", "id", "site", "name"],
            [[vendor.vendor, vendor.id, vendor.site or "(all)", vendor.name or "-"] for vendor in settings.vendor],
        )
    if settings.credential:
        click.echo()
        print_table(["credential", "id", "secret"], [[one.vendor, one.id or "-", "(set)"] for one in settings.credential])


def _answers_to(site: SiteSettings) -> str:
    """The hosts of a site; the one that the others are kept under first."""
    public = [site.public_url] if site.public_url else []
    return ", ".join([*public, *site.aliases, *site.hosts])


def _what_holds(rule: RuleSettings) -> str:
    """What a rule says, as it is written in a file."""
    from edgecache.config import RULE_SETTINGS

    said = [dataclasses.replace(row, default=getattr(rule, row.name)) for row in RULE_SETTINGS if getattr(rule, row.name) != row.default]
    return ", ".join(f"{row.name} = {row.default_text}" for row in said if row.name not in ("path", "site")) or "nothing special"
