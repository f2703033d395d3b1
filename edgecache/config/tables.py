"""Reads the tables of a settings file: [[site]], [[rule]], [[vendor]] and [[credential]]."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

import msgspec

from edgecache.config.read import read
from edgecache.config.sites import RULE_SETTINGS, SITE_SETTINGS, RuleSettings, SiteSettings
from edgecache.config.table import Setting
from edgecache.config.values import ConfigError, shown
from edgecache.config.vendors import CREDENTIAL_SETTINGS, VENDOR_SETTINGS, CredentialSettings, VendorSettings

TABLES = ("site", "rule", "vendor", "credential")
# Of what has no default.
EXAMPLES = {
    "origin": '"http://localhost:3000"',
    "path": '"/images/*"',
    "name": '"shop"',
    "vendor": '"cloudflare"',
    "id": '"023e105f4ecef8ad9ca31a8372d0c353"',
    "secret": '"a long random text"',
}
CALLED = {"site": ("name",), "rule": ("path",), "vendor": ("vendor", "id"), "credential": ("vendor", "id")}  # what errors name a table by

S = TypeVar("S", SiteSettings, RuleSettings, VendorSettings, CredentialSettings)


class Placed(NamedTuple):
    """The tables that a file has, and where in it each of them stands, as errors name it."""

    sites: tuple[SiteSettings, ...] = ()
    rules: tuple[RuleSettings, ...] = ()
    site_places: tuple[str, ...] = ()
    rule_places: tuple[str, ...] = ()
    vendors: tuple[VendorSettings, ...] = ()
    vendor_places: tuple[str, ...] = ()
    credentials: tuple[CredentialSettings, ...] = ()
    credential_places: tuple[str, ...] = ()


def read_tables(content: dict[str, object], file: str) -> Placed:
    """Which tables does a file's content have? ConfigError for what cannot be used."""
    sites = _structs("site", content.get("site", []), file, SiteSettings, SITE_SETTINGS)
    rules = _structs("rule", content.get("rule", []), file, RuleSettings, RULE_SETTINGS)
    vendors = _structs("vendor", content.get("vendor", []), file, VendorSettings, VENDOR_SETTINGS)
    credentials = _structs("credential", content.get("credential", []), file, CredentialSettings, CREDENTIAL_SETTINGS)
    return Placed(
        tuple(site for site, _ in sites),
        tuple(rule for rule, _ in rules),
        tuple(place for _, place in sites),
        tuple(place for _, place in rules),
        tuple(vendor for vendor, _ in vendors),
        tuple(place for _, place in vendors),
        tuple(credential for credential, _ in credentials),
        tuple(place for _, place in credentials),
    )


def _structs(table: str, value: object, file: str, struct: type[S], rows: tuple[Setting, ...]) -> list[tuple[S, str]]:
    if isinstance(value, dict):
        raise ConfigError(f"{file}: [{table}] is one table, but there may be several; write [[{table}]]")
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ConfigError(f"{file}, {table}: {shown(value)} is not a table; write [[{table}]], and its keys below that")
    return [_struct(table, one, file, number, struct, rows) for number, one in enumerate(value, 1)]


def _struct(table: str, keys: dict[str, object], file: str, number: int, struct: type[S], rows: tuple[Setting, ...]) -> tuple[S, str]:
    names: list[object] = [keys.get(key) for key in CALLED[table]]
    place = " ".join([f"{file}, [[{table}]] {number}", *(shown(name) for name in names if isinstance(name, str) and name)])
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
