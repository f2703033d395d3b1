"""Reads [[site]] and [[rule]] of a settings file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

import msgspec

from edgecache.config.read import read
from edgecache.config.sites import RULE_SETTINGS, SITE_SETTINGS, RuleSettings, SiteSettings
from edgecache.config.table import Setting
from edgecache.config.values import ConfigError, shown

TABLES = ("site", "rule")
EXAMPLES = {"origin": '"http://localhost:3000"', "path": '"/images/*"', "name": '"shop"'}  # of what has no default

S = TypeVar("S", SiteSettings, RuleSettings)


class Placed(NamedTuple):
    """The tables that a file has, and where in it each of them stands, as errors name it."""

    sites: tuple[SiteSettings, ...] = ()
    rules: tuple[RuleSettings, ...] = ()
    site_places: tuple[str, ...] = ()
    rule_places: tuple[str, ...] = ()


def read_tables(content: dict[str, object], file: str) -> Placed:
    """Which sites and rules does a file's content have? ConfigError for what cannot be used."""
    sites = _structs("site", content.get("site", []), file, SiteSettings, SITE_SETTINGS)
    rules = _structs("rule", content.get("rule", []), file, RuleSettings, RULE_SETTINGS)
    return Placed(
        tuple(site for site, _ in sites),
        tuple(rule for rule, _ in rules),
        tuple(place for _, place in sites),
        tuple(place for _, place in rules),
    )


def _structs(table: str, value: object, file: str, struct: type[S], rows: tuple[Setting, ...]) -> list[tuple[S, str]]:
    if isinstance(value, dict):
        raise ConfigError(f"{file}: [{table}] is one table, but there may be several; write [[{table}]]")
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ConfigError(f"{file}, {table}: {shown(value)} is not a table; write [[{table}]], and its keys below that")
    return [_struct(table, one, file, number, struct, rows) for number, one in enumerate(value, 1)]


def _struct(table: str, keys: dict[str, object], file: str, number: int, struct: type[S], rows: tuple[Setting, ...]) -> tuple[S, str]:
    called = keys.get("name" if table == "site" else "path")
    place = f"{file}, [[{table}]] {number}" + (f" {shown(called)}" if isinstance(called, str) and called else "")
    by_name = {row.name: row for row in rows}
    values: dict[str, object] = {}
    for key, value in keys.items():
        if key not in by_name:
            raise ConfigError(f"{place}: there is no {shown(key)} in a {table}; {_hint(key, by_name)}")
        row = by_name[key]
        try:
            if row.required and value == "":
                raise ConfigError(f"'' is not enough; write {row.name} = {EXAMPLES[row.name]} or the like")
            values[key] = read(row, value)
        except ConfigError as error:
            raise ConfigError(f"{place}, {key}: {error}") from None
    for row in rows:
        if row.required and row.name not in values:
            raise ConfigError(f"{place}: {row.name} is missing; write {row.name} = {EXAMPLES[row.name]} or the like")
    return msgspec.convert(values, struct), place


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.replace("-", "_").lower(), known := list(known), 1, 0.5)
    return f"did you mean {near[0]}?" if near else f"write one of {', '.join(known)}"
