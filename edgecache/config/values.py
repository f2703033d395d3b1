"""Amounts, lists and secrets as people write them, the sentences for what cannot be used, and values written as TOML."""

from __future__ import annotations

import json
import re
from fractions import Fraction


class ConfigError(Exception):
    """A setting that cannot be used. Its text is one sentence for the user: where, which value, what would be right."""


_DURATION_UNITS: dict[str, int | Fraction] = {"ms": Fraction(1, 1000), "": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_SIZE_UNITS = {"": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) *([A-Za-z]*)")
WORD = re.compile(r"[A-Za-z0-9._-]{1,100}")  # part of what RFC 9110 5.6.2 calls a token: safe in Via without quoting


def parse_duration(text: str) -> float:
    """How many seconds are "5", "250ms", "10m", "1h30m" or "2d"? ConfigError if it is no such thing. Never negative."""
    parts = _AMOUNT.findall(text)
    known = parts and all(unit in _DURATION_UNITS for _, unit in parts)
    # What remains between the parts is nothing but spaces; a number without unit stands alone.
    if not known or _AMOUNT.sub("", text).strip(" ") or (len(parts) > 1 and any(not unit for _, unit in parts)):
        raise ConfigError(f"{shown(text)} is not a duration; write seconds, or a number with ms, s, m, h or d, such as 250ms or 1h30m")
    return float(sum(Fraction(amount) * _DURATION_UNITS[unit] for amount, unit in parts))


def parse_bytes(text: str) -> int:
    """How many bytes are "65536", "64KiB", "16 MiB" or "1.5GB"? ConfigError if it is no such thing."""
    found = _AMOUNT.fullmatch(text.strip(" "))
    if not found or found[2].lower() not in _SIZE_UNITS:
        raise ConfigError(f"{shown(text)} is not a size; write bytes, or a number with KiB, MiB, GiB or TiB, such as 64KiB")
    return int(Fraction(found[1]) * _SIZE_UNITS[found[2].lower()])


def number(value: object, wanted: str) -> float:
    """The value as a number; otherwise ConfigError says that it is not `wanted`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e18:  # also catches nan
        raise ConfigError(f"{shown(value)} is not {wanted}")
    return float(value)


def whole(value: object, wanted: str) -> int:
    """The value as a whole number; otherwise ConfigError says that it is not `wanted`."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 10**18:
        raise ConfigError(f"{shown(value)} is not {wanted}")
    return value


def switch(value: object) -> bool:
    """Is it true or false? ConfigError when it is neither."""
    word = str(value).lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ConfigError(f"{shown(value)} is not true or false")


def items(value: object) -> list[str]:
    """The members of a list, however it was written: in TOML as an array, in a flag with commas."""
    members = value.split(",") if isinstance(value, str) else value
    if not isinstance(members, list | tuple) or not all(isinstance(member, str) for member in members):
        raise ConfigError(f'{shown(value)} is not a list of texts; write ["…", "…"] in a file, or commas between them in a flag')
    return [item for member in members for item in map(str.strip, member.split(",")) if item]


def secret(value: object) -> str:
    """A token that can stand in a header field. ConfigError does not repeat it."""
    if not isinstance(value, str) or (value and not re.fullmatch(r"[!-~]{1,1024}", value)):
        raise ConfigError("the token (not shown here) is not a text of up to 1024 visible ASCII characters without spaces")
    return value


def shown(value: object) -> str:
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


def toml_value(value: object, sizes: bool = False) -> str:
    """The value as it is written in TOML: 5, "64KiB" with `sizes`, [], true. Nothing for None."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() if sizes and value:
            power = max(power for power in range(5) if value % 1024**power == 0)
            return f'"{value // 1024**power}{("B", "KiB", "MiB", "GiB", "TiB")[power]}"' if power else str(value)
        case tuple():
            return f"[{', '.join(toml_value(item) for item in value)}]"
        case str():
            return json.dumps(value, ensure_ascii=False)  # JSON's texts are TOML's basic strings
        case _:
            return f"{value:.15g}"
