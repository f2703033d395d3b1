"""Every setting of an edge: one table, from which --help, conf/edgecache.toml and docs/settings.md are made.

A setting is a field of `Settings` whose annotation says what it is; name, type, default, unit, limits and help stand together and
nowhere else. Values come from a TOML file and from flags, flags win. People may write "64MiB" and "1h"; what they wrote wrongly is
answered by one sentence that names the place, the value and what would be right (`ConfigError`). Nothing here reads time.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import ipaddress
import json
import math
import os
import re
import textwrap
import tomllib
import typing
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, assert_never

import msgspec
import yarl


class ConfigError(Exception):
    """A setting that cannot be used. Its text is one sentence for the user: where, which value, what would be right."""


class Group(enum.Enum):
    """The chapters of the table, in the order in which they are shown."""

    RUN = "What runs, and where"
    ORIGIN = "The origin"
    CLIENTS = "Clients"
    LIMITS = "Limits"
    SAFETY = "Safety"


class Kind(enum.Enum):
    """What may be written as a setting's value; the text is the placeholder that --help shows."""

    ADDRESS = "HOST:PORT"
    ORIGIN = "URL"
    CHOICE = "NAME"
    STORE = "memory"
    FILE = "FILE"
    SECONDS = "DURATION"
    BYTES = "SIZE"
    COUNT = "NUMBER"
    SWITCH = "true|false"
    NETWORKS = "CIDR,…"
    HOSTS = "HOST,…"
    AUTHORITY = "HOST[:PORT]"
    SECRET = "TOKEN"
    PSEUDONYM = "WORD"


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. `least` and `most` bound the number, both included; `choices` is the closed list of a CHOICE."""

    group: Group
    kind: Kind
    help: str
    unit: str = ""
    least: float = 0
    most: float = math.inf
    choices: tuple[str, ...] = ()
    name: str = ""
    default: object = None

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
        return _toml_value(self.kind, self.default)


YEAR_S = 365 * 86400
TIB = 2**40


def _seconds(group: Group, help: str, least: float = 0.001) -> Setting:
    return Setting(group, Kind.SECONDS, help, "seconds", least, YEAR_S)


def _bytes(group: Group, help: str, least: int = 0, most: int = TIB) -> Setting:
    return Setting(group, Kind.BYTES, help, "bytes", least, most)


def _count(group: Group, unit: str, help: str, least: int = 1, most: int = 10_000_000) -> Setting:
    return Setting(group, Kind.COUNT, help, unit, least, most)


def _choice(group: Group, help: str, *choices: str) -> Setting:
    return Setting(group, Kind.CHOICE, help, choices=choices)


RUN, ORIGIN, CLIENTS, LIMITS, SAFETY = Group


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What one edge was told. Never changes; seconds are floats, sizes whole bytes, an empty text means "not set".

    Only `load` checks values: a test that builds Settings by hand may choose any.
    """

    listen: Annotated[str, Setting(RUN, Kind.ADDRESS, "Where clients connect: the site behind the edge. Port 0 takes any free port.")] = (
        "127.0.0.1:8080"
    )
    control: Annotated[
        str,
        Setting(RUN, Kind.ADDRESS, "Where the control plane listens: API, health and statistics. Beyond loopback it needs control_token."),
    ] = "127.0.0.1:8081"
    origin: Annotated[
        str,
        Setting(
            RUN,
            Kind.ORIGIN,
            "The site to put behind the edge: http://HOST:PORT, https://HOST or unix:/PATH. It need not be up when the edge starts; "
            "until it is, clients get 502.",
        ),
    ] = ""
    profile: Annotated[
        str, _choice(RUN, "Whose caching behaviour is followed; standard is what the RFCs say of a shared cache.", "standard")
    ] = "standard"
    store: Annotated[
        str, Setting(RUN, Kind.STORE, "Where responses are kept; in memory they are gone when the edge ends.", choices=("memory",))
    ] = "memory"
    log: Annotated[
        str, _choice(RUN, "What the terminal shows of each request: nothing, a short line, or a JSON object.", "off", "short", "json")
    ] = "short"
    ready_file: Annotated[
        str,
        Setting(
            RUN, Kind.FILE, "File to write, as JSON with both ports and the process id, once the edge accepts connections. Empty: none."
        ),
    ] = ""

    connect_timeout_s: Annotated[
        float,
        _seconds(
            ORIGIN,
            "Time to get a connection to the origin, TLS included; beyond it the client gets 504, or 503 if it waited for one of "
            "origin_connections.",
        ),
    ] = 5.0
    first_byte_timeout_s: Annotated[
        float, _seconds(ORIGIN, "Time from the end of the request to the first byte of the origin's answer; beyond it the client gets 504.")
    ] = 60.0
    between_bytes_timeout_s: Annotated[
        float,
        _seconds(
            ORIGIN,
            "Longest silence inside the origin's answer; beyond it the answer is broken off and not stored. Event streams "
            "(text/event-stream) may be silent for longer.",
        ),
    ] = 60.0
    origin_idle_timeout_s: Annotated[
        float, _seconds(ORIGIN, "How long an unused connection to the origin waits for the next request; then it is closed.", 0)
    ] = 30.0
    origin_connections: Annotated[
        int,
        _count(
            ORIGIN,
            "connections",
            "Connections to the origin at a time, upgraded ones and event streams not counted; beyond them requests queue, and get "
            "503 after connect_timeout_s.",
        ),
    ] = 64
    origin_host: Annotated[
        str,
        Setting(
            ORIGIN,
            Kind.AUTHORITY,
            "Host sent to the origin. Empty: as the client sent it when the origin is on loopback, in a private network or on a unix "
            "socket, and the origin's own otherwise.",
        ),
    ] = ""
    origin_verify: Annotated[
        bool,
        Setting(ORIGIN, Kind.SWITCH, "Whether an https origin must show a certificate trusted for its name; without one clients get 502."),
    ] = True
    origin_ca_file: Annotated[
        str,
        Setting(ORIGIN, Kind.FILE, "PEM file of the authorities trusted for an https origin. Empty: those that the system trusts."),
    ] = ""

    head_timeout_s: Annotated[
        float, _seconds(CLIENTS, "Time for a whole request head, from its first byte; slower clients get 408 and are disconnected.")
    ] = 30.0
    body_timeout_s: Annotated[
        float, _seconds(CLIENTS, "Longest pause between two pieces of a request's content; slower clients get 408 and are disconnected.")
    ] = 60.0
    idle_timeout_s: Annotated[
        float, _seconds(CLIENTS, "How long a connection stays open without a request; then it is closed, without an answer.")
    ] = 75.0
    send_timeout_s: Annotated[
        float, _seconds(CLIENTS, "How long a client may take nothing of an answer that waits for it; then it is disconnected.")
    ] = 60.0
    tunnel_idle_timeout_s: Annotated[
        float, _seconds(CLIENTS, "How long a WebSocket or other upgraded connection may be silent both ways; then both ends are closed.")
    ] = 3600.0
    client_connections: Annotated[
        int, _count(CLIENTS, "connections", "Client connections at a time; beyond them the one that has been idle longest is closed.")
    ] = 20_000
    drain_timeout_s: Annotated[
        float,
        _seconds(
            CLIENTS,
            "Time for requests in progress to end after SIGTERM or Ctrl-C; then they are cut off. A second signal ends the edge at once.",
            0,
        ),
    ] = 10.0
    linger_s: Annotated[
        float,
        _seconds(
            CLIENTS,
            "How long the edge reads on and drops what it reads after it refused a request, so that the client sees the answer and "
            "not a reset; then it disconnects.",
            0,
        ),
    ] = 1.0
    linger_bytes: Annotated[
        int, _bytes(CLIENTS, "How much the edge reads and drops after it refused a request; then it disconnects, even before linger_s.")
    ] = 256 * 1024

    target_bytes: Annotated[int, _bytes(LIMITS, "Longest request target (path and query); beyond it the client gets 414.", 64, 2**24)] = (
        16 * 1024
    )
    head_bytes: Annotated[
        int, _bytes(LIMITS, "Largest head of a request (431 beyond it) or of the origin's answer (502 beyond it).", 256, 2**24)
    ] = 64 * 1024
    head_fields: Annotated[
        int, _count(LIMITS, "fields", "Field lines in the head of a request (431 beyond them) or of the origin's answer (502).", 1, 100_000)
    ] = 200
    buffer_bytes: Annotated[
        int,
        _bytes(
            LIMITS,
            "What is held for one direction of a connection whose reader is slow; beyond it the edge reads no more from the sender.",
            4096,
            2**30,
        ),
    ] = 256 * 1024
    object_bytes: Annotated[
        int, _bytes(LIMITS, "Largest response that is stored; larger ones, and those larger than memory_bytes, are only forwarded.")
    ] = 64 * 1024 * 1024
    memory_bytes: Annotated[int, _bytes(LIMITS, "Memory for stored responses; beyond it the ones stored first make room.")] = (
        256 * 1024 * 1024
    )
    variants: Annotated[
        int, _count(LIMITS, "responses", "Stored responses of one URL that differ by Vary; beyond them the oldest goes.", 1, 100_000)
    ] = 100
    log_entries: Annotated[
        int,
        _count(
            LIMITS,
            "entries",
            "Entries of the invalidation log kept in memory; beyond them the oldest go, and everything that was asked for before "
            "those counts as purged.",
        ),
    ] = 100_000
    records: Annotated[
        int, _count(LIMITS, "requests", "Latest requests whose record is kept; each further one replaces the oldest.", 1, 1_000_000)
    ] = 4096
    log_lines: Annotated[
        int, _count(LIMITS, "lines", "Lines that may wait for a slow terminal; beyond them lines are dropped, and how many is said.")
    ] = 10_000
    api_body_bytes: Annotated[
        int, _bytes(LIMITS, "Largest content of a call to the control plane; beyond it the call gets 413.", 1024, 2**30)
    ] = 1024 * 1024
    api_items: Annotated[
        int, _count(LIMITS, "items", "Items in one invalidation call; beyond them the call gets 413 and none is carried out.")
    ] = 10_000

    trusted_proxies: Annotated[
        tuple[str, ...],
        Setting(SAFETY, Kind.NETWORKS, "Networks of the proxies whose X-Forwarded-* fields are believed; what others send is replaced."),
    ] = ()
    purge_allow: Annotated[
        tuple[str, ...],
        Setting(SAFETY, Kind.NETWORKS, "Networks from which PURGE and its like are taken on the site's own port; others get 403."),
    ] = ("127.0.0.0/8", "::1/128")
    purge_token: Annotated[
        str,
        Setting(
            SAFETY,
            Kind.SECRET,
            "Token that PURGE and its like must bring besides (Authorization: Bearer TOKEN); others get 403. Empty: none. "
            "Better in the file: flags can be seen by other users of the machine.",
        ),
    ] = ""
    control_hosts: Annotated[
        tuple[str, ...],
        Setting(SAFETY, Kind.HOSTS, "Names under which the control plane answers, besides those of loopback; other Host values get 403."),
    ] = ()
    control_token: Annotated[
        str,
        Setting(
            SAFETY,
            Kind.SECRET,
            "Token that calls to the control plane must bring (Authorization: Bearer TOKEN); others get 401. Empty: none, and the control "
            "plane then listens on loopback only. Better in the file: flags can be seen by other users of the machine.",
        ),
    ] = ""
    via: Annotated[
        str,
        Setting(
            SAFETY,
            Kind.PSEUDONYM,
            "The edge's name in Via (RFC 9110 7.6.3); a request that already carries it is a loop and gets 508. Empty: edgecache- "
            "and a random part.",
        ),
    ] = ""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What may be shown: tokens are masked. (msgspec brings both reprs; its own would show them.)"""
        shown = [(setting, getattr(self, setting.name)) for setting in SETTINGS]
        return [(setting.name, "***" if value and setting.kind is Kind.SECRET else value) for setting, value in shown]

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


def _table() -> tuple[Setting, ...]:
    hints = typing.get_type_hints(Settings, include_extras=True)
    return tuple(
        dataclasses.replace(hints[field.name].__metadata__[0], name=field.name, default=field.default)
        for field in msgspec.structs.fields(Settings)
    )


SETTINGS = _table()
_BY_NAME = {setting.name: setting for setting in SETTINGS}


# -- From a file and flags to Settings ------------------------------------------------------------------------------------------------


def load(path: Path | None, overrides: Mapping[str, object]) -> Settings:
    """Which settings hold, given a TOML file and flags?

    `overrides` maps setting names to values, as text or already of their type; None means that the flag was not given. Raises
    ConfigError for anything that cannot be used.
    """
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for name, value in (_read_toml(path) if path else {}).items():
        if isinstance(value, dict):
            raise ConfigError(f"{path}: {_shown(name)} is a table, but settings stand on their own; write NAME = VALUE, without a table")
        setting = _named(name, str(path))
        places[setting.name] = f"{path}, {name}"
        values[setting.name] = _placed(setting, value, places[setting.name])
    for name, value in overrides.items():
        if value is not None:
            setting = _named(name, "flags")
            places[setting.name] = "ORIGIN" if setting.kind is Kind.ORIGIN else setting.flag
            values[setting.name] = _placed(setting, value, places[setting.name])
    settings = Settings(**values)
    _check_together(settings, places)
    if settings.origin_ca_file and not (os.path.isfile(settings.origin_ca_file) and os.access(settings.origin_ca_file, os.R_OK)):
        raise ConfigError(f"{places['origin_ca_file']}: {_shown(settings.origin_ca_file)} cannot be read; name a PEM file")
    return settings


def _check_together(settings: Settings, places: Mapping[str, str]) -> None:
    control = parse_listen(settings.control)
    if control[1] and control == parse_listen(settings.listen):
        place = places.get("control") or places.get("listen", "control")
        raise ConfigError(f"{place}: listen and control are both {settings.control}; give each a port of its own")
    if not settings.control_token and not is_loopback(control[0]):
        raise ConfigError(
            f"{places.get('control', 'control')}: other machines can reach {settings.control}; "
            f"set control_token, or let control listen on 127.0.0.1:{control[1]}"
        )


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
        return _read(setting, value)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


def _named(name: str, place: str) -> Setting:
    if name in _BY_NAME:
        return _BY_NAME[name]
    near = difflib.get_close_matches(name.replace("-", "_").lower(), _BY_NAME, 1, 0.5)
    hint = f"did you mean {near[0]}?" if near else "edgecache run --help lists them all"
    raise ConfigError(f"{place}: there is no setting {_shown(name)}; {hint}")


def _read(setting: Setting, value: object) -> object:
    """The value as `Settings` holds it; ConfigError says what is wrong with it."""
    match setting.kind:
        case Kind.SECONDS:
            return _bounded(setting, parse_duration(value) if isinstance(value, str) else _number(value, 'a duration such as 5 or "250ms"'))
        case Kind.BYTES:
            return _bounded(setting, parse_bytes(value) if isinstance(value, str) else _whole(value, 'a size such as 65536 or "64KiB"'))
        case Kind.COUNT:
            return _bounded(setting, _whole(value, "a whole number such as 100"))
        case Kind.SWITCH:
            return _switch(value)
        case Kind.NETWORKS:
            return tuple(_network(item) for item in _items(value))
        case Kind.HOSTS:
            return tuple(_host(item) for item in _items(value))
        case Kind.SECRET:
            return _secret(value)
        case Kind.STORE | Kind.CHOICE | Kind.FILE | Kind.ADDRESS | Kind.ORIGIN | Kind.AUTHORITY | Kind.PSEUDONYM:
            if not isinstance(value, str):
                raise ConfigError(f"{_shown(value)} is not a text; write it in quotes")
            if complaint := _complaint(setting, value):
                raise ConfigError(f"{_shown(value)} {complaint}")
            return value
        case _:
            assert_never(setting.kind)


def _complaint(setting: Setting, text: str) -> str | None:
    """What is wrong with the text of a textual setting, to be read after the text itself; None when it can be used."""
    match setting.kind:
        case Kind.ADDRESS:
            parse_listen(text)
        case Kind.ORIGIN if text:
            parse_origin(text)
        case Kind.CHOICE if text not in setting.choices:
            return f"is not known; write {' or '.join(setting.choices)}"
        case Kind.STORE if text not in setting.choices:
            return 'cannot be used: only "memory" is available; this version keeps no responses in folders'
        case Kind.FILE if "\0" in text:
            return "holds a NUL; write the path of a file"
        case Kind.AUTHORITY if text and not _host_port(text):
            return "is not a host; write HOST or HOST:PORT, such as www.example.com"
        case Kind.PSEUDONYM if text and not _WORD.fullmatch(text):
            return "is not one word; write letters, digits, dots, dashes and underscores only, such as edge-1"
    return None


def _bounded(setting: Setting, value: float) -> float:
    """The number itself if it lies within the setting's limits."""
    if value < setting.least:
        raise ConfigError(f"{value:.15g} {setting.unit} is too little; write {_toml_value(setting.kind, setting.least)} or more")
    if value > setting.most:
        raise ConfigError(f"{value:.15g} {setting.unit} is too much; write {_toml_value(setting.kind, setting.most)} or less")
    return value


def _number(value: object, wanted: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e18:  # also catches nan
        raise ConfigError(f"{_shown(value)} is not {wanted}")
    return float(value)


def _whole(value: object, wanted: str) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 10**18:
        raise ConfigError(f"{_shown(value)} is not {wanted}")
    return value


def _switch(value: object) -> bool:
    word = str(value).lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ConfigError(f"{_shown(value)} is not true or false")


def _items(value: object) -> list[str]:
    """The members of a list, however it was written: in TOML as an array, in a flag with commas."""
    members = value.split(",") if isinstance(value, str) else value
    if not isinstance(members, list | tuple) or not all(isinstance(member, str) for member in members):
        raise ConfigError(f'{_shown(value)} is not a list of texts; write ["…", "…"] in a file, or commas between them in a flag')
    return [item for member in members for item in map(str.strip, member.split(",")) if item]


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ConfigError(f"{_shown(text)} is not a network; write an address or a CIDR such as 10.0.0.0/8 or fd00::/8") from None
    raise ConfigError(f"{_shown(text)} has bits beyond its prefix; write {meant}, or {text.partition('/')[0]} for one address")


def _host(text: str) -> str:
    found = _host_port(text) or _host_port(f"[{text}]")
    if not found or found[1] is not None:
        raise ConfigError(f"{_shown(text)} is not a host name; write it without scheme and port, such as edge.example.com")
    return found[0]


def _secret(value: object) -> str:
    if not isinstance(value, str) or (value and not re.fullmatch(r"[!-~]{1,1024}", value)):
        raise ConfigError("the token (not shown here) is not a text of up to 1024 visible ASCII characters without spaces")
    return value


def _shown(value: object) -> str:
    """A value as an error shows it: on one line, bounded, without credentials."""
    match value:
        case str():
            text = repr(re.sub(r"(^|//).*@", r"\1…@", value, flags=re.DOTALL))
        case bool():
            text = str(value).lower()
        case int() if abs(value) >= 10**18:
            text = "a number of more than 18 digits"
        case list() | tuple():
            text = "a list"
        case dict():
            text = "a table"
        case _:
            text = str(value)
    return text if len(text) <= 100 else text[:99] + "…"


# -- Values as people write them ------------------------------------------------------------------------------------------------------

_DURATION_UNITS: dict[str, int | Fraction] = {"ms": Fraction(1, 1000), "": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_SIZE_UNITS = {"": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) *([A-Za-z]*)")
_WORD = re.compile(r"[A-Za-z0-9._-]{1,100}")  # part of what RFC 9110 5.6.2 calls a token: safe in Via without quoting


def parse_duration(text: str) -> float:
    """How many seconds are "5", "250ms", "10m", "1h30m" or "2d"? ConfigError if it is no such thing. Never negative."""
    parts = _AMOUNT.findall(text)
    known = parts and all(unit in _DURATION_UNITS for _, unit in parts)
    # What remains between the parts is nothing but spaces; a number without unit stands alone.
    if not known or _AMOUNT.sub("", text).strip(" ") or (len(parts) > 1 and any(not unit for _, unit in parts)):
        raise ConfigError(f"{_shown(text)} is not a duration; write seconds, or a number with ms, s, m, h or d, such as 250ms or 1h30m")
    return float(sum(Fraction(amount) * _DURATION_UNITS[unit] for amount, unit in parts))


def parse_bytes(text: str) -> int:
    """How many bytes are "65536", "64KiB", "16 MiB" or "1.5GB"? ConfigError if it is no such thing."""
    found = _AMOUNT.fullmatch(text.strip(" "))
    if not found or found[2].lower() not in _SIZE_UNITS:
        raise ConfigError(f"{_shown(text)} is not a size; write bytes, or a number with KiB, MiB, GiB or TiB, such as 64KiB")
    return int(Fraction(found[1]) * _SIZE_UNITS[found[2].lower()])


def parse_listen(text: str) -> tuple[str, int]:
    """Which host and port are meant by "127.0.0.1:8080", "localhost:0" or "[::1]:8080"? ConfigError if none are."""
    found = _host_port(text)
    if found and found[1] is not None:
        return found[0], found[1]
    hint = "127.0.0.1:8080"
    if re.fullmatch(r":?[0-9]{1,5}", text):
        hint = f"127.0.0.1:{text.lstrip(':')} (this machine only) or 0.0.0.0:{text.lstrip(':')} (every network)"
    elif found:
        hint = f"{text}:8080"
    elif _host_port(f"[{text}]"):
        hint = f"[{text}]:8080"
    raise ConfigError(f"{_shown(text)} is not an address to listen on; write HOST:PORT, such as {hint}")


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where the site is: what to connect to, and what it calls itself.

    scheme     http, https or unix
    host       name or address to connect to, without brackets; empty for unix
    port       port to connect to; 0 for unix
    path       the socket's path for unix; empty otherwise
    authority  its own name as Host carries it, default port left out (RFC 9110 4.2.3); b"localhost" for unix
    """

    scheme: str
    host: str
    port: int
    path: str
    authority: bytes

    @property
    def url(self) -> str:
        """The origin as people write it."""
        return f"unix:{self.path}" if self.scheme == "unix" else f"{self.scheme}://{self.authority.decode()}"


_DEFAULT_PORTS = {"http": 80, "https": 443}
_SOCKET_PATH_BYTES = 107  # what sockaddr_un holds on Linux; macOS takes 103 and says so itself


def parse_origin(text: str) -> Origin:
    """Which origin does "http://localhost:3000", "https://example.com" or "unix:/run/app.sock" name?

    ConfigError for everything else. An origin has no path: targets are forwarded byte for byte, so there is no place for a prefix.
    """
    if text.startswith("unix:"):
        return _unix_origin(text)
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator:
        plain = re.sub(r"[/?#].*", "", text, flags=re.DOTALL)
        meant = f"localhost:{plain}" if re.fullmatch(r":?[0-9]+", plain) else plain
        hint = f"http://{meant.replace('::', ':')}" if _host_port(meant.replace("::", ":")) else "http://localhost:3000"
        raise ConfigError(f"{_shown(text)} is not an origin URL; write {hint}")
    if scheme not in _DEFAULT_PORTS:
        raise ConfigError(f"{_shown(text)} is not an origin that can be used; write http://HOST:PORT, https://HOST or unix:/PATH")
    authority, beyond = re.fullmatch(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    found = _host_port(re.sub(r":$", "", authority.rpartition("@")[2]))
    if not found or found[1] == 0:
        raise ConfigError(
            f"{_shown(text)} has no usable host and port; write {scheme}://HOST or {scheme}://HOST:PORT, ports from 1 to 65535"
        )
    host, port = found[0], found[1] or _DEFAULT_PORTS[scheme]
    name = f"[{host.partition('%')[0]}]" if ":" in host else host
    origin = Origin(scheme, host, port, "", (name if port == _DEFAULT_PORTS[scheme] else f"{name}:{port}").encode())
    if "@" in authority:
        raise ConfigError(f"{_shown(text)} holds credentials, which the edge does not send; write {origin.url}")
    if beyond not in ("", "/"):
        raise ConfigError(f"{_shown(text)} goes on after the host, but paths are forwarded as clients send them; write {origin.url}")
    return origin


def _unix_origin(text: str) -> Origin:
    path = re.sub(r"^//(?=/)", "", text.removeprefix("unix:"))  # unix:///run/app.sock is as common as unix:/run/app.sock
    if not path.startswith("/") or path.startswith("//") or "\0" in path:
        raise ConfigError(f"{_shown(text)} has no absolute path; write unix:/PATH, such as unix:/run/app.sock")
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        raise ConfigError(f"{_shown(text)} is longer than a socket's path can be; use one of at most {_SOCKET_PATH_BYTES} bytes")
    return Origin("unix", "", 0, path, b"localhost")


_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)\]|([^\[\]:/?#@%\\\s]+))(?::([0-9]{1,5}))?")
_HOST_NAME = re.compile(r"(?=.{1,253}\.?\Z)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")


def _host_port(text: str) -> tuple[str, int | None] | None:
    """Host in lower case without brackets, and port or None, of HOST, HOST:PORT, [IPV6] or [IPV6]:PORT; None if it is none of these."""
    found = _HOST_PORT.fullmatch(text)
    if not found or int(found[3] or 0) > 65535:
        return None
    port = int(found[3]) if found[3] else None
    try:
        if found[1]:
            return str(ipaddress.IPv6Address(found[1])), port
        # Names beyond ASCII become what is looked up and sent (IDNA). Labels are checked: the resolver would raise on a bad one.
        name = found[2] if found[2].isascii() else yarl.URL.build(scheme="http", host=found[2]).raw_host or ""
    except ValueError:
        return None
    return (name.lower(), port) if _HOST_NAME.fullmatch(name) else None


def is_loopback(host: str) -> bool:
    """Is the host this machine only? For addresses of IPv4 and IPv6, and localhost (RFC 6761 6.3); any other name counts as "no"."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


# -- The table as files ---------------------------------------------------------------------------------------------------------------


def _toml_value(kind: Kind, value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() if kind is Kind.BYTES and value:
            power = max(power for power in range(5) if value % 1024**power == 0)
            return f'"{value // 1024**power}{("B", "KiB", "MiB", "GiB", "TiB")[power]}"' if power else str(value)
        case tuple():
            return f"[{', '.join(_toml_value(kind, item) for item in value)}]"
        case str():
            return json.dumps(value, ensure_ascii=False)  # JSON's texts are TOML's basic strings
        case _:
            return f"{value:.15g}"


def render_toml() -> str:
    """conf/edgecache.toml: every setting with its default, so that the file changes nothing until it is edited."""
    lines = [
        "# Every setting of edgecache, with its default. Copy the file, keep the lines that you change, and start with",
        "#     edgecache run --config FILE http://localhost:3000",
        '# A flag wins over the file. Durations are seconds or texts such as "250ms" and "1h"; sizes are bytes or texts such as "64KiB".',
        "# Made from the table in edgecache/config.py by `make settings`.",
    ]
    for group in Group:
        lines += ["", "", f"# ---- {group.value} ----"]
        for setting in SETTINGS:
            if setting.group is group:
                choices = f" One of: {', '.join(setting.choices)}." if setting.choices else ""
                lines += ["", *textwrap.wrap(setting.help + choices, 120, initial_indent="# ", subsequent_indent="# ")]
                lines.append(f"# {f'Unit: {setting.unit}. ' if setting.unit else ''}Default: {setting.default_text}.")
                lines.append(f"{setting.name} = {setting.default_text}")
    return "\n".join(lines) + "\n"


def render_markdown() -> str:
    """docs/settings.md: the table for people who read before they run."""
    lines = [
        "# Settings",
        "",
        "Every setting has one name. It is a flag of `edgecache run` (`--connect-timeout-s 2`; the origin is also the command's argument)",
        "and a key of the TOML file given with `--config` (`connect_timeout_s = 2`). A flag wins over the file, the file over the default.",
        "[conf/edgecache.toml](../conf/edgecache.toml) holds them all; `edgecache config check FILE` says what is wrong with a file.",
        "",
        "- **Durations** are seconds (`5`, `0.25`) or texts with a unit: `250ms`, `5s`, `10m`, `1h30m`, `2d`.",
        "- **Sizes** are bytes (`65536`) or texts with a unit: `64KiB`, `16 MiB`, `1GiB`; `kB`, `MB` and `GB` count by 1000.",
        "- **Lists** are arrays in the file and have commas in a flag: `--trusted-proxies 10.0.0.0/8,fd00::/8`.",
        '- An empty text means "not set".',
        "",
        "A setting that does not exist or cannot be used stops the edge before it starts, with one sentence and exit code 1.",
        "",
        "This page is made from the table in `edgecache/config.py` by `make settings`.",
    ]
    for group in Group:
        lines += ["", f"## {group.value}", "", "| setting | default | unit | meaning |", "|---|---|---|---|"]
        for setting in SETTINGS:
            if setting.group is group:
                choices = f" One of {', '.join(f'`{choice}`' for choice in setting.choices)}." if setting.choices else ""
                meaning = setting.help.replace("|", "\\|").replace("*", "\\*")
                lines.append(f"| `{setting.name}` | `{setting.default_text}` | {setting.unit} | {meaning}{choices} |")
    return "\n".join(lines) + "\n"
