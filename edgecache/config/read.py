"""One value from a file or a flag: is it what its setting asks for, and what does it become?"""

from __future__ import annotations

import re
from typing import assert_never

from edgecache.config.hosts import authority, host, host_pattern, host_port, network, parse_listen
from edgecache.config.origin import parse_origin, parse_public_url
from edgecache.config.table import Kind, Setting
from edgecache.config.values import (
    WORD,
    ConfigError,
    items,
    number,
    parse_bytes,
    parse_duration,
    secret,
    shown,
    switch,
    toml_value,
    whole,
)


def read(setting: Setting, value: object) -> object:
    """The value as `Settings` holds it; ConfigError says what is wrong with it."""
    match setting.kind:
        case Kind.SECONDS:
            return _bounded(setting, parse_duration(value) if isinstance(value, str) else number(value, 'a duration such as 5 or "250ms"'))
        case Kind.BYTES:
            return _bounded(setting, parse_bytes(value) if isinstance(value, str) else whole(value, 'a size such as 65536 or "64KiB"'))
        case Kind.COUNT:
            return _bounded(setting, whole(value, "a whole number such as 100"))
        case Kind.STATUS:
            return _chosen(setting, whole(value, "a status code"))
        case Kind.SWITCH:
            return switch(value)
        case Kind.NETWORKS:
            return tuple(network(item) for item in items(value))
        case Kind.HOSTS:
            return tuple(host(item) for item in items(value))
        case Kind.AUTHORITIES:
            return tuple(authority(item) for item in items(value))
        case Kind.PATTERNS:
            return tuple(host_pattern(item) for item in items(value))
        case Kind.PARAMETERS:
            return tuple(_parameter(item) for item in items(value))
        case Kind.FIELDS:
            return tuple(_field_name(item) for item in items(value))
        case Kind.COOKIES:
            return tuple(_cookie_name(item) for item in items(value))
        case Kind.SECRET:
            return secret(value)
        case (
            Kind.STORE
            | Kind.CHOICE
            | Kind.FILE
            | Kind.ADDRESS
            | Kind.ORIGIN
            | Kind.AUTHORITY
            | Kind.PSEUDONYM
            | Kind.ID
            | Kind.PUBLIC_URL
            | Kind.PATH
            | Kind.PREFIX
        ):
            if not isinstance(value, str):
                raise ConfigError(f"{shown(value)} is not a text; write it in quotes")
            if complaint := _complaint(setting, value):
                raise ConfigError(f"{shown(value)} {complaint}")
            return value
        case _:
            assert_never(setting.kind)


def _complaint(setting: Setting, text: str) -> str | None:
    """What is wrong with the text of a textual setting, to be read after the text itself; None when it can be used."""
    match setting.kind:
        case Kind.ADDRESS if text or setting.default:  # without a default it may be off
            parse_listen(text)
        case Kind.ORIGIN if text:
            parse_origin(text)
        case Kind.PUBLIC_URL if text:
            parse_public_url(text)
        case Kind.CHOICE if text not in setting.choices:
            return f"is not known; write {' or '.join(setting.choices)}"
        case Kind.STORE if "\0" in text:
            return "holds a NUL; write memory, or the path of a folder"
        case Kind.STORE if text not in ("", "memory", ".", "..", "~") and "/" not in text:  # a slip must not make a folder of its name
            return f"is not known; write memory, or the path of a folder with a slash in it, such as ./{text}"
        case Kind.FILE if "\0" in text:
            return "holds a NUL; write the path of a file"
        case Kind.PATH if not re.fullmatch(r"/[!-~]*", text) or "?" in text or "#" in text:
            return "is not a path; write it as in URLs and without a query, * standing for any characters, such as /images/*"
        case Kind.PREFIX if text and not re.fullmatch(r"(?:/[A-Za-z0-9._~-]{1,100}){1,10}", text):
            return "is not the beginning of a path; write it without a slash at the end, such as /purge"
        case Kind.AUTHORITY if text and not host_port(text):
            return "is not a host; write HOST or HOST:PORT, such as www.example.com"
        case Kind.ID if text and not re.fullmatch(r"[!-~]{1,200}", text):
            return "is not an id; write up to 200 visible ASCII characters without spaces"
        case Kind.PSEUDONYM if (text or setting.required) and not WORD.fullmatch(text):
            return "is not one word; write letters, digits, dots, dashes and underscores only, such as edge-1"
    return None


def _chosen(setting: Setting, value: int) -> int:
    """The number itself if it is one of the setting's choices."""
    if str(value) not in setting.choices:
        raise ConfigError(f"{value} is not known; write {' or '.join(setting.choices)}")
    return value


def _bounded(setting: Setting, value: float) -> float:
    """The number itself if it lies within the setting's limits."""
    if value < setting.least:
        raise ConfigError(
            f"{value:.15g} {setting.unit} is too little; write {toml_value(setting.least, setting.kind is Kind.BYTES)} or more"
        )
    if value > setting.most:
        raise ConfigError(f"{value:.15g} {setting.unit} is too much; write {toml_value(setting.most, setting.kind is Kind.BYTES)} or less")
    return value


_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}")  # RFC 9110 5.6.2


def _parameter(text: str) -> str:
    if not re.fullmatch(r"[!-~]{1,200}", text) or re.search(r"[&=#?]", text):
        raise ConfigError(f"{shown(text)} is not the name of a query parameter; write it as in URLs, * standing for any characters: utm_*")
    return text


def _field_name(text: str) -> str:
    if text.lower() == "cookie":
        raise ConfigError(
            "the whole Cookie field makes nearly every request a key of its own; write the cookies that matter in key_cookies"
        )
    if not _TOKEN.fullmatch(text):
        raise ConfigError(f"{shown(text)} is not the name of a request field; write it without colon and value, such as X-Device")
    return text.lower()


def _cookie_name(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ConfigError(f"{shown(text)} is not the name of a cookie; write it without its value, such as theme")
    return text
