"""The content of a purge call, read into items: the selector that is given, its array, and what Cloudflare takes in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from edgecache.control.dialects.cloudflare.codes import CloudflareRefusal, Code
from edgecache.control.dialects.cloudflare.limits import ITEMS, PREFIX_SLASHES, TAG_CHARACTERS
from edgecache.invalidation.reading import Item
from edgecache.invalidation.selectors import Kind, PrefixSelector, Selector, TagSelector

MEMBERS = ("files", "tags", "hosts", "prefixes", "purge_everything")
SHOWN = 80

Warn = Callable[[str], None]
Read = Item | Selector


def json_object(content: bytes) -> dict[str, Any]:
    """The object that the content is; without content an empty one. Raises CloudflareRefusal."""
    if not content.strip():
        return {}
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CloudflareRefusal(Code.MALFORMED, str(error) or "it is nested too deeply") from error
    if not isinstance(value, dict):
        raise CloudflareRefusal(Code.MALFORMED, "it is no object")
    return value


def selector_of(given: Mapping[str, Any], warn: Warn) -> str:
    """Which of MEMBERS is given? Exactly one has to be. Raises CloudflareRefusal."""
    found = [name for name in MEMBERS if given.get(name) not in (None, False, [])]
    for name in given:
        if name not in MEMBERS:
            warn(f"{name[:SHOWN]!r} is no member of this call; it was ignored")
    if len(found) != 1:
        raise CloudflareRefusal(Code.NOTHING_GIVEN, f"{' and '.join(found)} are given, and it takes one" if found else "")
    return found[0]


def items_of(member: str, value: Any, files_most: int, warn: Warn) -> list[Read]:
    """What is to be invalidated. Raises CloudflareRefusal for what Cloudflare would not take; the rest is for the doors to judge."""
    if member == "purge_everything":
        if value is not True:
            raise CloudflareRefusal(Code.NOTHING_GIVEN, "purge_everything is true, or left out")
        return [Item(Kind.ALL)]
    if not isinstance(value, list):
        raise CloudflareRefusal(Code.NO_ARRAY)
    most = files_most if member == "files" else ITEMS
    if len(value) > most:
        raise CloudflareRefusal(Code.PURGE_ERRORS, f"{len(value)} {member}, where a call takes {most} at most")
    if member == "files":
        return [_file(one, f"files[{index}]", warn) for index, one in enumerate(value)]
    read = {"tags": _tag, "hosts": _host, "prefixes": _prefix}[member]
    items: list[Read] = []
    for index, one in enumerate(value):
        if not isinstance(one, str) or not one:
            raise CloudflareRefusal(Code.PURGE_ERRORS, f"{member}[{index}] is no text, or an empty one")
        items.append(read(one, f"{member}[{index}]", warn))
    return items


def _file(one: Any, member: str, warn: Warn) -> Item:
    """A URL, or an object of a URL and the request fields that are in its cache key."""
    if isinstance(one, dict):
        url, headers = one.get("url"), one.get("headers") or {}
        if not isinstance(url, str):
            raise CloudflareRefusal(Code.PURGE_ERRORS, f"{member}.url is no text")
        if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
            raise CloudflareRefusal(Code.PURGE_ERRORS, f"{member}.headers is no object of texts")
        if headers:
            return Item(Kind.KEY, _spaceless(url, member, warn), headers, member=member)
    elif isinstance(one, str):
        url = one
    else:
        raise CloudflareRefusal(Code.PURGE_ERRORS, f"{member} is neither a text nor an object")
    if "*" in url:
        warn(f"{member}: a * in files stands for itself; prefixes covers what is below a path")
    return Item(Kind.URL, _spaceless(url, member, warn), member=member)


def _spaceless(url: str, member: str, warn: Warn) -> str:
    if " " not in url:
        return url
    warn(f"{member}: spaces were taken as %20, as browsers ask for them")
    return url.replace(" ", "%20")


def _tag(tag: str, member: str, warn: Warn) -> Read:
    if len(tag) > TAG_CHARACTERS:
        raise CloudflareRefusal(Code.TAG_TOO_LONG, member)
    if any(not " " <= character <= "~" for character in tag):
        raise CloudflareRefusal(Code.TAG_NOT_PRINTABLE, member)
    if " " in tag or "," in tag:
        # Whether the real API refuses it is not known. Nothing can have such a tag: commas and spaces separate tags in Cache-Tag.
        warn(f"{member}: no response can have the tag {tag[:SHOWN]!r}, since spaces and commas separate tags; this selects nothing")
        return TagSelector(tag)
    return Item(Kind.TAG, tag, member=member)


def _host(host: str, member: str, warn: Warn) -> Item:
    return Item(Kind.HOST, host, member=member)


def _prefix(prefix: str, member: str, warn: Warn) -> Read:
    if prefix.startswith("/"):
        raise CloudflareRefusal(Code.PURGE_ERRORS, f"{member} begins with a path; a prefix begins with a host, as in www.example.com/news")
    wrong = next((what for mark, what in (("://", "a scheme"), ("?", "a query"), ("#", "a fragment")) if mark in prefix), None)
    if wrong is not None:
        # The real API is said to accept this and to purge nothing, which users find out late.
        warn(f"{member}: {prefix[:SHOWN]!r} has {wrong}, and selects nothing; a prefix is a host and a path, as in www.example.com/news")
        host, slash, path = prefix.partition("/")
        return PrefixSelector(host.encode("utf-8", "replace"), (slash + path).encode("utf-8", "replace") or b"/?")
    if prefix.count("/") > PREFIX_SLASHES:
        raise CloudflareRefusal(Code.PURGE_ERRORS, f"{member} has more than {PREFIX_SLASHES} slashes")
    return Item(Kind.PREFIX, prefix, member=member)
