"""What did the client ask for? JSON objects and query strings, checked member by member against closed lists.

An unknown name is refused rather than ignored: a misspelt `"sof": true` would otherwise purge hard what was to be kept as stale.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from aiohttp import web

from edgecache.control.problems import Kind, Problem, did_you_mean, too_large

# The types a member can have, in the words of the sentence that names a wrong one.
WORDS: dict[type, str] = {bool: "true or false", str: "a string", list: "a list of strings"}


async def json_object(request: web.Request, members: Mapping[str, type], timeout_s: float) -> dict[str, Any]:
    """The members of the request's JSON object, each known and of its type (bool, str, or list for a list of strings).

    No content at all counts as {}. `timeout_s` bounds the wait for all of it. Raises Problem.
    """
    content = await _content(request, timeout_s)
    if not content.strip():
        return {}
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(Kind.MALFORMED_JSON, f"The content is not JSON: {error}.") from error
    except RecursionError as error:
        raise Problem(Kind.MALFORMED_JSON, "The content is nested too deeply.") from error
    if not isinstance(value, dict):
        raise Problem(Kind.MALFORMED_JSON, f"The content must be a JSON object, not {_word(value)}.")
    for name, given in value.items():
        if name not in members:
            raise Problem(Kind.UNKNOWN_MEMBER, f"Member {name!r} is not known: {did_you_mean(name, members)}")
        _check_type(name, given, members[name])
    return value


async def _content(request: web.Request, timeout_s: float) -> bytes:
    limit = request.client_max_size
    if (request.content_length or 0) > limit:
        raise Problem(Kind.CONTENT_TOO_LARGE, too_large(limit))  # at once: the client need not send it first
    try:
        async with asyncio.timeout(timeout_s):
            return await request.read()  # content without a length that outgrows the limit is aiohttp's 413
    except TimeoutError as error:
        raise Problem(Kind.CONTENT_TIMEOUT, f"The content did not arrive within {timeout_s:g} s.") from error


def _check_type(name: str, given: object, wanted: type) -> None:
    if not isinstance(given, wanted):
        raise Problem(Kind.WRONG_TYPE, f"Member {name!r} must be {WORDS[wanted]}, not {_word(given)}.")
    if isinstance(given, list):
        for index, item in enumerate(given):
            if not isinstance(item, str):
                raise Problem(Kind.WRONG_TYPE, f"Member '{name}[{index}]' must be a string, not {_word(item)}.")


def _word(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"


def query(request: web.Request, names: Collection[str]) -> dict[str, str]:
    """The query parameters, each known and given once. Raises Problem."""
    found: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in names:
            raise Problem(Kind.UNKNOWN_PARAMETER, f"Parameter {name!r} is not known: {did_you_mean(name, names)}")
        if name in found:
            raise Problem(Kind.BAD_VALUE, f"Parameter {name!r} is given twice.")
        found[name] = value
    return found


def whole_number(name: str, text: str, low: int, high: int) -> int:
    """`text` as a number from `low` to `high`. Raises Problem that names the parameter."""
    # Bounded length and ASCII before conversion: int() takes other digits, and time for long ones.
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or not low <= int(text) <= high:
        raise Problem(Kind.BAD_VALUE, f"Parameter {name!r} must be a whole number from {low} to {high}, not {text[:40]!r}.")
    return int(text)


def one_of(name: str, text: str, valid: Collection[str]) -> str:
    """`text`, which must be one of `valid`. Raises Problem that names the nearest."""
    if text not in valid:
        raise Problem(Kind.BAD_VALUE, f"Parameter {name!r} cannot be {text[:40]!r}: {did_you_mean(text, valid)}")
    return text
