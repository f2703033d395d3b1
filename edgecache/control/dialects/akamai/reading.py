"""The content of a purge call: its objects, each read as what the path says that they are. One bad object fails the whole call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from edgecache.control.dialects.akamai.errors import AkamaiRefusal, Problem
from edgecache.control.dialects.call import Asked, Refused
from edgecache.control.dialects.ids import Ids
from edgecache.invalidation.reading import Item
from edgecache.invalidation.selectors import AllSelector, Kind, Selector
from edgecache.semantics.urls import parse_url

CONTENT_BYTES = 50_000
TAG_CHARACTERS = 128
CPCODE_DIGITS = 18
SHOWN = 200

Warn = Callable[[str], None]


class Given:
    """What a call has. `hostname` is "" where none is given."""

    def __init__(self, asked: Asked) -> None:
        """Read the content. Raises AkamaiRefusal."""
        _check_type(asked)
        if len(asked.content) > CONTENT_BYTES:
            said = f"the content has {len(asked.content)} bytes, where a call takes {CONTENT_BYTES} at most"
            raise AkamaiRefusal(Problem.TOO_LARGE, said, why=Refused.CONTENT_TOO_LARGE)
        value = _json_object(asked.content)
        for name in value:
            if name not in ("objects", "hostname"):
                asked.warnings.append(f"{name[:40]!r} is no member of this call; it was ignored")
        objects, hostname = value.get("objects"), value.get("hostname", "")
        if not isinstance(objects, list) or not objects:
            raise AkamaiRefusal(Problem.BAD_CONTENT, "objects is missing, empty, or no array")
        if not isinstance(hostname, str):
            raise AkamaiRefusal(Problem.BAD_HOSTNAME, "hostname is no text")
        self.objects: list[Any] = objects
        self.hostname = hostname


def urls(given: Given, warn: Warn) -> Sequence[Item]:
    """URLs in full; with a hostname, paths with their queries. http and https are one. Raises AkamaiRefusal."""
    if given.hostname and ("/" in given.hostname or isinstance(parse_url(f"http://{given.hostname}/"), str)):
        raise AkamaiRefusal(Problem.BAD_HOSTNAME, given.hostname[:SHOWN])
    items = []
    for index, one in enumerate(given.objects):
        if not isinstance(one, str):
            raise AkamaiRefusal(Problem.BAD_URL, f"objects[{index}] is no text")
        if given.hostname and not one.startswith("/"):
            raise AkamaiRefusal(Problem.BAD_URL, f"{one[:SHOWN]}: beside hostname, objects are paths that begin with /")
        url = f"http://{given.hostname}{one}" if given.hostname else one
        wrong = parse_url(url)
        if isinstance(wrong, str):
            raise AkamaiRefusal(Problem.BAD_HOSTNAME if "no usable host" in wrong else Problem.BAD_URL, wrong)
        if "*" in one:
            warn(f"objects[{index}]: a * stands for itself; there are no wildcards in this API, many URLs at once are purged by a tag")
        items.append(Item(Kind.URL, url, member=f"objects[{index}]"))
    return items


def tags(given: Given, warn: Warn) -> Sequence[Item]:
    """Tags. Raises AkamaiRefusal; what else no response can have, the doors refuse."""
    _warn_of_hostname(given, warn)
    items = []
    for index, one in enumerate(given.objects):
        if not isinstance(one, str) or not one:
            raise AkamaiRefusal(Problem.BAD_TAG, f"objects[{index}] is no text, or an empty one")
        if len(one) > TAG_CHARACTERS:
            raise AkamaiRefusal(Problem.BAD_TAG, f"objects[{index}] has {len(one)} characters, where a tag has {TAG_CHARACTERS} at most")
        items.append(Item(Kind.TAG, one, member=f"objects[{index}]"))
    return items


def cpcodes(given: Given, warn: Warn, ids: Ids) -> Sequence[Selector]:
    """CP codes, as numbers or as texts: everything of the sites that they stand for. Raises AkamaiRefusal."""
    _warn_of_hostname(given, warn)
    selectors = []
    for index, one in enumerate(given.objects):
        code = str(one) if isinstance(one, int) and not isinstance(one, bool) else one
        if not isinstance(code, str) or not (code.isascii() and code.isdigit() and len(code) <= CPCODE_DIGITS):
            raise AkamaiRefusal(Problem.BAD_CPCODE, f"objects[{index}] is no CP code: a number, or a text of digits")
        row = ids.get(code)
        if row is None:
            raise AkamaiRefusal(Problem.UNAUTHORIZED_CPCODE, code, why=Refused.NO_SUCH_ID)
        selectors.append(AllSelector(row.site))
    return selectors


def _warn_of_hostname(given: Given, warn: Warn) -> None:
    if given.hostname:
        warn("hostname means something beside URLs only, and was ignored")


def _check_type(asked: Asked) -> None:
    given = asked.headers.get("Content-Type")
    if given is None:
        asked.warnings.append("there is no Content-Type in this call; whether Akamai takes it without is not known: send application/json")
    elif given.partition(";")[0].strip().lower() != "application/json":
        said = f"Content-Type is {given[:80]!r}, where this API takes application/json"
        raise AkamaiRefusal(Problem.WRONG_TYPE, said, why=Refused.CONTENT_CODED)


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AkamaiRefusal(Problem.BAD_CONTENT, f"the content is no JSON: {str(error) or 'it is nested too deeply'}") from error
    if not isinstance(value, dict):
        raise AkamaiRefusal(Problem.BAD_CONTENT, 'the content is no object; it is as in {"objects": ["https://www.example.com/a"]}')
    return value
