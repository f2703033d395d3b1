"""The settings as flags: one option for each row of the table in edgecache.config, and --help in its chapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgecache.cli.client import printable
from edgecache.config import SETTINGS, ConfigError, Group, Setting, Settings, load

NOTE = (
    "Every setting is a flag here and a key of the file given with --config (drain_timeout_s for --drain-timeout-s); a flag wins. "
    "Durations are seconds or texts such as 250ms and 1h; sizes are bytes or texts such as 64KiB; lists have commas."
)


class SettingOption(click.Option):
    """The flag of one setting. Its value stays text: `config.load` reads it as it reads the file, and words the errors."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        # As it would be typed after the flag, without TOML's quotes; nothing is said of "not set", which the help explains.
        default = setting.default_text.strip('"') if setting.default not in ("", ()) else ""
        facts = ", ".join(fact for fact in (setting.unit, default and f"default: {default}") if fact)
        help_text = f"{setting.help} [{facts}]" if facts else setting.help
        super().__init__([setting.flag, setting.name], metavar=setting.placeholder, help=help_text)


class SettingsCommand(click.Command):
    """A command that runs an edge: a flag for every setting but those in `without`, and --config. --help shows them by chapter.

    The callback gets `config_file` (Path or None) and every flag by the setting's name, as text or None.
    """

    def __init__(self, *args: Any, without: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [SettingOption(setting) for setting in SETTINGS if setting.name not in without]
        self.params.append(
            click.Option(["--config", "config_file"], type=click.Path(path_type=Path), metavar="FILE", help="TOML file with settings.")
        )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The flags: settings in the chapters of the table, then what every command has."""
        formatter.write_paragraph()
        formatter.write_text(NOTE)
        chapters: dict[Group, list[tuple[str, str]]] = {group: [] for group in Group}
        others: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                (chapters[parameter.setting.group] if isinstance(parameter, SettingOption) else others).append(record)
        for group, records in chapters.items():
            with formatter.section(group.value):
                for flag, help_text in records:
                    # The help stands below its flag: the flags are too long for a column of their own.
                    formatter.write(f"{'':{formatter.current_indent}}{flag}\n")
                    with formatter.indentation():
                        formatter.indent()
                        formatter.write_text(help_text)
                        formatter.dedent()
        with formatter.section("Options"):
            formatter.write_dl(others)


def read_settings(config_file: Path | None, flags: dict[str, str | None]) -> Settings:
    """The settings that hold. Raises click's error with one sentence when one cannot be used."""
    try:
        return load(config_file, flags)
    except ConfigError as error:
        raise click.ClickException(printable(str(error))) from None
