"""The JSON object that a request holds, read within a limit of size and time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
from aiohttp import web

from edgecache.control.problems import Kind, Problem, too_large
from edgecache.control.shapes import word_for


async def json_object(request: web.Request, timeout_s: float) -> dict[str, Any]:
    """The members of the request's JSON object. No content at all counts as {}.

    `timeout_s` bounds the wait for all of it. Raises Problem.
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
        raise Problem(Kind.MALFORMED_JSON, f"The content must be a JSON object, not {word_for(value)}.")
    twice = _member_given_twice(content)
    if twice is not None:
        # The decoder takes the last of them (RFC 8259 4 leaves it open), and half of what was asked for would be acknowledged as the whole.
        raise Problem(Kind.BAD_VALUE, f"Member {twice[:80]!r} is given twice; several values are a list.")
    return value


def _member_given_twice(content: bytes) -> str | None:
    """A member that one object of this JSON has more than once; None when there is none."""
    found: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        names: set[str] = set()
        for name, _ in pairs:
            if name in names:
                found.append(name)
            names.add(name)

    json.loads(content, object_pairs_hook=look)
    return found[0] if found else None


async def _content(request: web.Request, timeout_s: float) -> bytes:
    limit = request.client_max_size
    if (request.content_length or 0) > limit:
        raise Problem(Kind.CONTENT_TOO_LARGE, too_large(limit))  # at once: the client need not send it first
    try:
        async with asyncio.timeout(timeout_s):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:  # content without a length
        raise Problem(Kind.CONTENT_TOO_LARGE, too_large(limit)) from error
    except TimeoutError as error:
        raise Problem(Kind.CONTENT_TIMEOUT, f"The content did not arrive within {timeout_s:g} s.") from error
