"""What a call to Fastly's purge API names: the URL behind /purge/, and surrogate keys from paths, fields and JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from urllib.parse import unquote

import msgspec

from edgecache.control.dialects.call import Asked
from edgecache.control.dialects.fastly.errors import FastlyRefusal, Problem
from edgecache.invalidation.reading import Item
from edgecache.invalidation.selectors import Kind, Selector, TagSelector
from edgecache.semantics.urls import parse_url

KEYS = 256  # in one call
KEY_BYTES = 1024
SHOWN = 80

Warn = Callable[[str], None]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CODED_SCHEME = re.compile(r"https?(?::|%3a)(?:/|%2f){2}", re.IGNORECASE)
_ONE_SLASH = re.compile(r"https?:/(?!/)", re.IGNORECASE)
# What people take for a URL where a key is wanted: with a scheme, a path, a host before a path, or the name of a file.
_HOST_AND_PATH = r"[a-z]+://|(?:[a-z0-9-]+\.)+[a-z]{2,}(?::[0-9]+)?/"
_IS_WHOLE = re.compile(_HOST_AND_PATH, re.IGNORECASE)
_LIKE_A_URL = re.compile(
    _HOST_AND_PATH + r"|/|.*\.(?:avif|css|gif|html?|ico|jpe?g|js|json|mjs|pdf|png|svg|txt|webp|woff2?|xml)$", re.IGNORECASE | re.DOTALL
)
_IN_NO_TAG = re.compile("[\x00-\x20\x7f,]")  # they separate tags, or cannot be in a field


def url_item(asked: Asked) -> Item:
    """The URL to purge: all that follows /purge/ in the target, with its query, with or without a scheme. Raises FastlyRefusal."""
    given = asked.target.removeprefix("/purge/")
    if not given:
        raise FastlyRefusal(Problem.BAD_URL, "no URL follows /purge/; it is as in /purge/www.example.com/a?b=1")
    if _CODED_SCHEME.match(given) and not _SCHEME.match(given):
        asked.warnings.append(
            "the URL is percent-encoded as a whole, and was taken as it is: as the name of a host. What Fastly makes of it is not known; "
            f"its own clients send /purge/{unquote(given, errors='replace')[:SHOWN]}"
        )
    elif _ONE_SLASH.match(given):
        raise FastlyRefusal(Problem.BAD_URL, f"{given[:SHOWN]!r} lacks a slash behind its scheme")
    if "*" in given:
        asked.warnings.append("a * in a URL stands for itself; many URLs at once are purged by a surrogate key")
    url = given if _SCHEME.match(given) else f"http://{given}"
    parsed = parse_url(url)
    if isinstance(parsed, str):
        raise FastlyRefusal(Problem.BAD_URL, parsed)
    return Item(Kind.URL, url, member="url")


def path_key(asked: Asked) -> str:
    """The one key in the path; slashes are part of it. Raises FastlyRefusal."""
    key = unquote(asked.parameters["key"], errors="surrogateescape")
    if not key:
        raise FastlyRefusal(Problem.NO_KEYS, "no key follows /purge/ in the path")
    if asked.query and not _LIKE_A_URL.match(key):
        asked.warnings.append("the query of the call is no part of the key, and was ignored")
    return key


def given_keys(asked: Asked) -> Sequence[str]:
    """The keys of a call by many: from the content, from Surrogate-Key, or from both. Raises FastlyRefusal."""
    keys = _keys_of_content(asked.content)
    of_field = " ".join(asked.headers.getall("Surrogate-Key", [])).split()
    if keys and of_field:
        asked.warnings.append("keys came in the content and in Surrogate-Key: all were purged here; what Fastly makes of both is not known")
    keys += of_field
    if not keys:
        raise FastlyRefusal(
            Problem.NO_KEYS, 'there are no keys: send {"surrogate_keys": ["k1", "k2"]}, or the field Surrogate-Key with spaces between them'
        )
    if len(keys) > KEYS:
        raise FastlyRefusal(Problem.TOO_MANY_KEYS, f"{len(keys)} surrogate keys, where a call takes {KEYS} at most")
    return keys


def _keys_of_content(content: bytes) -> list[str]:
    if not content.strip():
        return []
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FastlyRefusal(Problem.MALFORMED, f"the content is no JSON: {str(error) or 'it is nested too deeply'}") from error
    if not isinstance(value, dict):
        raise FastlyRefusal(Problem.MALFORMED, 'the content is no object; it is as in {"surrogate_keys": ["k1", "k2"]}')
    keys = value.get("surrogate_keys", [])
    if not isinstance(keys, list):
        raise FastlyRefusal(Problem.MALFORMED, "surrogate_keys is no array")
    for index, key in enumerate(keys):
        if not isinstance(key, str) or not key:
            raise FastlyRefusal(Problem.MALFORMED, f"surrogate_keys[{index}] is no text, or an empty one")
    return keys


def key_item(key: str, site: str, warn: Warn) -> Item | Selector:
    """What a key selects. Raises FastlyRefusal for one that is too long."""
    size = len(key.encode("utf-8", "surrogatepass"))
    if size > KEY_BYTES:
        raise FastlyRefusal(Problem.KEY_TOO_LONG, f"{key[:SHOWN]!r}… has {size} bytes, where a key has {KEY_BYTES} at most")
    if _LIKE_A_URL.match(key):
        warn(
            f"{key[:SHOWN]!r} was taken as a surrogate key, as Fastly takes it, and looks like a URL: it covers only what has this very "
            f"key. A URL is purged by POST /purge/{_as_url(key)}"
        )
    if _IN_NO_TAG.search(key):
        # Fastly takes it. Nothing can have such a key: spaces separate keys in Surrogate-Key, and here commas do as well.
        warn(f"no response can have the key {key[:SHOWN]!r} here, since spaces and commas separate keys; it selects nothing")
        return TagSelector(key, site)
    return Item(Kind.TAG, key, member="key")


def _as_url(key: str) -> str:
    """The URL that was probably meant."""
    return key[:SHOWN] if _IS_WHOLE.match(key) else f"www.example.com/{key.lstrip('/')[:SHOWN]}"
