"""What somebody asks to be invalidated, read into selectors: the syntax of each kind, and a sentence for what is none.

URL-like values go through the rules of the cache key first, as a request would: public names, and parameters that are left out or sorted.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from edgecache.invalidation.bans import BanError, parse_ban
from edgecache.invalidation.selectors import (
    AllSelector,
    BanSelector,
    GroupSelector,
    HostSelector,
    KeySelector,
    Kind,
    PathSelector,
    PrefixSelector,
    Selector,
    TagSelector,
    UrlSelector,
)
from edgecache.semantics.fields import is_token
from edgecache.semantics.message import Fields, field
from edgecache.semantics.urls import Key, parse_url

NAME_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to invalidate, as it was given.

    value    text of the kind: a URL, path, prefix, host, tag, the name of a group, an expression; "" for everything
    fields   for a key: the request's fields, name and value
    origin   for a group: the origin that it is of, as a URL
    member   how the caller calls it, for sentences about it: urls[3]
    """

    kind: Kind
    value: str = ""
    fields: Mapping[str, str] = dataclasses.field(default_factory=dict)
    origin: str = ""
    member: str = ""


class BadItem(Exception):
    """What was given is no selector. `sentence` says what is wrong with it and what would be right; `column` where, for expressions."""

    def __init__(self, item: Item, sentence: str, column: int | None = None) -> None:
        super().__init__(sentence)
        self.item = item
        self.sentence = sentence
        self.column = column


@dataclass(frozen=True, slots=True)
class KeyRules:
    """How this edge names things, handed in by who knows sites, rules and profile.

    keyed            the key under which it holds what people call by this URL
    keyed_with       the same for a request with these fields
    paths            what a path on any host of the site ("" for all sites) is called in keys: as many forms as there are rules
    tag              a tag in the form in which the profile compares it, and whether that is without case
    sites            names of the sites
    tag_bytes        no response that is stored has a longer tag
    """

    keyed: Callable[[Key], Key]
    keyed_with: Callable[[Key, Fields], Key]
    paths: Callable[[bytes, str], Sequence[bytes]]
    tag: Callable[[str], str]
    sites: Sequence[str]
    tags_ignore_case: bool = True
    tag_bytes: int = 16 * 1024


class Reader:
    """Reads items into selectors."""

    def __init__(self, rules: KeyRules) -> None:
        self._rules = rules

    def read(self, item: Item, site: str) -> Sequence[Selector]:
        """What `item` selects within `site`, "" for all of them; most often one selector. Raises BadItem."""
        value = item.value
        match item.kind:
            case Kind.URL:
                keyed = self._rules.keyed(_url(item, value))
                return [UrlSelector(keyed.host, keyed.target, site)]
            case Kind.KEY:
                return [KeySelector(self._rules.keyed_with(_url(_member(item, "url"), value), _fields(_member(item, "headers"))), site)]
            case Kind.PATH:
                return self._path(item, site)
            case Kind.PREFIX:
                return [self._prefix(item, site)]
            case Kind.HOST:
                return [HostSelector(self._host(item, value), site)]
            case Kind.TAG:
                return [TagSelector(self._rules.tag(_tag(item, self._rules.tag_bytes)), site)]
            case Kind.GROUP:
                origin = self._rules.keyed(_url(_member(item, "origin"), item.origin))
                item = _member(item, "name")
                if not value:
                    raise BadItem(item, "the name of a group cannot be empty")
                if not (value.isascii() and value.isprintable()):  # RFC 9875 2.1: a String of RFC 9651
                    raise BadItem(item, f"{value[:200]!r} is the name of no group: these are of printable ASCII characters")
                return [GroupSelector(origin.scheme, origin.host, value, site)]
            case Kind.ALL:
                return [AllSelector(site)]
            case Kind.BAN:
                ban = parse_ban(value, tags_ignore_case=self._rules.tags_ignore_case)
                if isinstance(ban, BanError):
                    raise BadItem(item, ban.message, ban.column)
                return [BanSelector(ban, site)]
            case _:
                assert_never(item.kind)

    def check_site(self, site: str) -> None:
        """Is there a site of this name? Raises BadItem."""
        if site and site not in self._rules.sites:
            near = difflib.get_close_matches(site, self._rules.sites, n=1)
            said = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(self._rules.sites)}"
            raise BadItem(Item(Kind.ALL, member="site"), f"there is no site {site[:80]!r}; {said}")

    def _path(self, item: Item, site: str) -> Sequence[Selector]:
        target = _target(item, item.value, "a path begins with /, as in /news/* or /a?b=1; a full URL is a url")
        if target.endswith(b"*"):
            return [PathSelector(target[:-1], True, site)]
        return [PathSelector(form, False, site) for form in dict.fromkeys(self._rules.paths(target, site))]

    def _prefix(self, item: Item, site: str) -> Selector:
        value = item.value
        if "://" in value:
            raise BadItem(item, f"{value[:200]!r} has a scheme; a prefix is a host and a path, as in www.example.com/news, or a path alone")
        if "?" in value:
            raise BadItem(item, f"{value[:200]!r} has a query; a prefix ends before it, and covers every query under its path")
        if value.endswith("*"):
            raise BadItem(item, f"{value[:200]!r} ends in *; a prefix covers what is below it anyway, and a path may end in *")
        host, slash, path = value.partition("/")
        if not host and not slash:
            raise BadItem(item, "a prefix cannot be empty; it is a host and a path, as in www.example.com/news, or a path alone")
        target = _target(item, slash + path, "") if slash else b""
        return PrefixSelector(self._host(item, host) if host else b"", target, site)

    def _host(self, item: Item, value: str) -> bytes:
        if any(character in value for character in "/?#"):
            raise BadItem(item, f"{value[:200]!r} is no host: leave out scheme and path, as in www.example.com or 127.0.0.1:8080")
        if "*" in value:
            raise BadItem(item, f"{value[:200]!r} is no host: * stands for nothing in it; name each host, or the site as a whole")
        key = parse_url(f"http://{value}/") if value else ""
        if isinstance(key, str):
            raise BadItem(item, f"{value[:200]!r} is no host: it is a name or address with an optional port")
        return self._rules.keyed(key).host


def _member(item: Item, name: str) -> Item:
    """The same, for sentences about one of its parts; a caller that has no name for the whole has none for that."""
    return dataclasses.replace(item, member=f"{item.member}.{name}") if item.member else item


def _url(item: Item, text: str) -> Key:
    key = parse_url(text)
    if isinstance(key, str):
        raise BadItem(item, key)
    return key


def _target(item: Item, text: str, otherwise: str) -> bytes:
    """Path and query of a key for what people type: as in a URL, characters beyond ASCII are percent-encoded as UTF-8."""
    if not text.startswith("/"):
        raise BadItem(item, f"{text[:200]!r} is no path: {otherwise}")
    key = parse_url(f"http://h{text}")
    if isinstance(key, str):
        raise BadItem(item, key.replace("http://h", "", 1))
    if "#" in text:
        raise BadItem(item, f"{text[:200]!r} has a fragment, which no request has")
    return key.target


def _tag(item: Item, limit_bytes: int) -> str:
    text = item.value
    if not text:
        raise BadItem(item, "a tag cannot be empty")
    if _LONE.search(text):
        raise BadItem(item, f"{text[:200]!r} contains half of a surrogate pair, which is no character")
    if len(text.encode("utf-8", "surrogateescape")) > limit_bytes:
        raise BadItem(item, f"{text[:40]!r}… is longer than {limit_bytes} bytes; no tag is")
    bad = _NOT_IN_TAGS.search(text)
    if bad is not None:
        raise BadItem(item, f"{text[:200]!r} contains {bad[0]!r}, which separates tags or is in none; give several tags as a list")
    return text


# What fields can say and bytes that are no UTF-8 (PEP 383) are in tags; other halves of surrogate pairs are not.
_NOT_IN_TAGS = re.compile("[\x00-\x20\x7f,]")
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def _fields(item: Item) -> Fields:
    fields: Fields = []
    for name, value in item.fields.items():
        raw_name, raw_value = name.encode("utf-8", "replace"), value.strip(" \t").encode("utf-8", "replace")
        if not is_token(raw_name) or len(name) > NAME_CHARACTERS:
            raise BadItem(item, f"{name[:80]!r} is no field name")
        if any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in raw_value):
            raise BadItem(item, f"the value of {name} has a byte that no field can have")
        fields.append(field(raw_name, raw_value))
    return fields
