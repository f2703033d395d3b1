"""From a TOML file and flags to `Settings`.

Flags win over the file. What cannot be used is answered by one sentence that names the place, the value and what would be right.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecache.config.checks import check_together
from edgecache.config.read import read
from edgecache.config.settings import SETTINGS, Settings
from edgecache.config.table import Kind, Setting
from edgecache.config.tables import TABLES, read_tables
from edgecache.config.values import ConfigError, shown

_BY_NAME = {setting.name: setting for setting in SETTINGS}


def load(path: Path | None, overrides: Mapping[str, object]) -> Settings:
    """Which settings hold, given a TOML file and flags?

    `overrides` maps setting names to values, as text or already of their type; None means that the flag was not given. Raises
    ConfigError for anything that cannot be used.
    """
    content = _read_toml(path) if path else {}
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for name, value in content.items():
        if name in TABLES:
            continue
        if isinstance(value, dict) and not difflib.get_close_matches(name.lower(), TABLES, 1, 0.7):
            raise ConfigError(f"{path}: {shown(name)} is a table, but settings stand on their own; write NAME = VALUE, without a table")
        setting = _named(name, str(path))
        places[setting.name] = f"{path}, {name}"
        values[setting.name] = _placed(setting, value, places[setting.name])
    for name, value in overrides.items():
        if value is not None:
            setting = _named(name, "flags")
            places[setting.name] = "ORIGIN" if setting.kind is Kind.ORIGIN else setting.flag
            values[setting.name] = _placed(setting, value, places[setting.name])
    tables = read_tables(content, str(path))
    settings = Settings(**values, site=tables.sites, rule=tables.rules, vendor=tables.vendors, credential=tables.credentials)
    check_together(settings, places, tables)
    return settings


def _read_toml(path: Path) -> dict[str, object]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; name a TOML file with settings, or leave --config out") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}); name a readable TOML file") from None
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line} is not UTF-8; save the file as UTF-8 text") from None
    except (ValueError, RecursionError) as error:  # ValueError: TOMLDecodeError, and numbers of thousands of digits
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def _placed(setting: Setting, value: object, place: str) -> object:
    try:
        return read(setting, value)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


def _named(name: str, place: str) -> Setting:
    if name in _BY_NAME:
        return _BY_NAME[name]
    near = difflib.get_close_matches(name.replace("-", "_").lower(), [*_BY_NAME, *TABLES], 1, 0.5)
    meant = f"[[{near[0]}]]" if near and near[0] in TABLES else "".join(near)
    hint = f"did you mean {meant}?" if near else "edgecache run --help lists them all"
    raise ConfigError(f"{place}: there is no setting {shown(name)}; {hint}")
