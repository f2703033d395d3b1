"""Which stored responses an invalidation is about: a closed union of selectors, each a plain value.

A selector that names exactly what it covers has an `index`: the tuple under which the log files it and under which a lookup asks. The first
member of an index is the kind, so that selectors of two kinds never meet there.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar, assert_never

from edgecache.caching.stored import Key

Index = tuple[str | bytes, ...]


class Kind(enum.StrEnum):
    """What a selector selects by; the value is the member's name in the native API and in the journal."""

    URL = "url"  # one URL under http and https, with all its variants
    GROUP = "group"  # what one origin put into a group of this name (RFC 9875)
    ALL = "all"  # everything that is stored


@dataclass(frozen=True, slots=True)
class UrlSelector:
    """Every stored response of one URL, whatever its variant and whether it was asked for by http or https.

    `host` and `target` are in the form that a `Key` has them: a normalised authority, and path and query byte for byte.
    """

    host: bytes
    target: bytes
    kind: ClassVar[Kind] = Kind.URL

    @property
    def index(self) -> Index:
        """Where the log files it: the same tuple as `url_index` of every key that it covers."""
        return ("url", self.host, self.target)

    @property
    def value(self) -> str:
        """The URL for people and JSON; shown with http, which stands for both schemes."""
        return Key(b"http", self.host, self.target).url


@dataclass(frozen=True, slots=True)
class GroupSelector:
    """Every stored response that the origin `scheme`://`host` put into the group `name` (RFC 9875 2: an exact string, per origin)."""

    scheme: bytes
    host: bytes
    name: str
    kind: ClassVar[Kind] = Kind.GROUP

    @property
    def index(self) -> Index:
        """Where the log files it: the same tuple as `group_index` of every key of this origin."""
        return ("group", self.scheme, self.host, self.name)

    @property
    def value(self) -> str:
        """Origin and name for people."""
        return f"{self.scheme.decode()}://{self.host.decode()} {self.name}"


@dataclass(frozen=True, slots=True)
class AllSelector:
    """Everything that is stored."""

    kind: ClassVar[Kind] = Kind.ALL

    @property
    def value(self) -> str:
        """Nothing is left to choose; JSON has `true` in the place of a list, people read "everything"."""
        return "everything"


Selector = UrlSelector | GroupSelector | AllSelector


def url_index(key: Key) -> Index:
    """Under which index would a URL selector that covers `key` be filed?"""
    return ("url", key.host, key.target)


def group_index(key: Key, name: str) -> Index:
    """Under which index would a selector for this group of the key's origin be filed?"""
    return ("group", key.scheme, key.host, name)


def pack(selector: Selector) -> list[str | bytes]:
    """A selector as the log file keeps it."""
    match selector:
        case UrlSelector(host, target):
            return ["url", host, target]
        case GroupSelector(scheme, host, name):
            return ["group", scheme, host, name]
        case AllSelector():
            return ["all"]
        case _:
            assert_never(selector)


def unpack(packed: list[str | bytes]) -> Selector:
    """The selector that `pack` made this of. ValueError when it is none."""
    match packed:
        case ["url", bytes(host), bytes(target)]:
            return UrlSelector(host, target)
        case ["group", bytes(scheme), bytes(host), str(name)]:
            return GroupSelector(scheme, host, name)
        case ["all"]:
            return AllSelector()
        case _:
            raise ValueError(f"no selector: {packed[:1]}")
