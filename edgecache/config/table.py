"""What is known of a setting: the row that stands beside its field, and from which flags, files and docs are made."""

from __future__ import annotations

import dataclasses
import enum
import math
import typing

import msgspec

from edgecache.config.values import toml_value


class Group(enum.Enum):
    """The chapters of the table, in the order in which they are shown."""

    RUN = "What runs, and where"
    ORIGIN = "The origin"
    NAMES = "Names and sites"
    CACHING = "Caching"
    STORE = "Store and log"
    CLIENTS = "Clients"
    LIMITS = "Limits"
    SAFETY = "Safety"


class Kind(enum.Enum):
    """What may be written as a setting's value; the text is the placeholder that --help shows."""

    ADDRESS = "HOST:PORT"
    ORIGIN = "URL"
    CHOICE = "NAME"
    STORE = "memory|FOLDER"
    FILE = "FILE"
    SECONDS = "DURATION"
    BYTES = "SIZE"
    COUNT = "NUMBER"
    SWITCH = "true|false"
    NETWORKS = "CIDR,…"
    HOSTS = "HOST,…"
    AUTHORITY = "HOST[:PORT]"
    AUTHORITIES = "HOST[:PORT],…"
    PATTERNS = "PATTERN,…"
    PUBLIC_URL = "https://HOST"
    PATH = "/PATH"
    PREFIX = "/PREFIX"
    STATUS = "CODE"
    PARAMETERS = "NAME,…"
    FIELDS = "FIELD,…"
    COOKIES = "COOKIE,…"
    SECRET = "TOKEN"
    PSEUDONYM = "WORD"
    ID = "ID"


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. `least` and `most` bound the number, both included; `choices` is the closed list of a CHOICE.

    `required`: a key of a site or a rule that has no default.
    """

    group: Group
    kind: Kind
    help: str
    unit: str = ""
    least: float = 0
    most: float = math.inf
    choices: tuple[str, ...] = ()
    name: str = ""
    default: object = None
    required: bool = False

    @property
    def flag(self) -> str:
        """The setting as a flag of `edgecache run`: connect_timeout_s is --connect-timeout-s."""
        return "--" + self.name.replace("_", "-")

    @property
    def placeholder(self) -> str:
        """What stands for the value in --help: HOST:PORT, DURATION, off|short|json, …"""
        return "|".join(self.choices) or self.kind.value

    @property
    def default_text(self) -> str:
        """The default as it is written in TOML: 5, "64KiB", [], true."""
        return toml_value(self.default, self.kind is Kind.BYTES)


YEAR_S = 365 * 86400
TIB = 2**40


def seconds(group: Group, help: str, least: float = 0.001) -> Setting:
    """A row for a time."""
    return Setting(group, Kind.SECONDS, help, "seconds", least, YEAR_S)


def size(group: Group, help: str, least: int = 0, most: int = TIB) -> Setting:
    """A row for a number of bytes."""
    return Setting(group, Kind.BYTES, help, "bytes", least, most)


def count(group: Group, unit: str, help: str, least: int = 1, most: int = 10_000_000) -> Setting:
    """A row for a number of something."""
    return Setting(group, Kind.COUNT, help, unit, least, most)


def choice(group: Group, help: str, *choices: str) -> Setting:
    """A row for one name of a closed list."""
    return Setting(group, Kind.CHOICE, help, choices=choices)


def rows_of(struct: type[msgspec.Struct]) -> tuple[Setting, ...]:
    """The rows of a struct whose fields are annotated with them, in order; fields without a row are left out."""
    hints = typing.get_type_hints(struct, include_extras=True)
    described = [(field, getattr(hints[field.name], "__metadata__", None)) for field in msgspec.structs.fields(struct)]
    return tuple(
        dataclasses.replace(
            notes[0],
            name=field.name,
            default=None if field.required else field.default,
            required=field.required,
        )
        for field, notes in described
        if notes
    )
