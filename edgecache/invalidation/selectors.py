"""Which stored responses an invalidation is about: a closed union of selectors, each a plain value.

A selector is (scope, kind, value). The scope is the name of one site, or "" for all of them. A selector that names exactly what it covers
has an `index`: the tuple under which the log files it and under which a lookup asks. The first member of an index is the kind and the
second the scope, so that selectors of two kinds or two sites never meet there. Only ban expressions have none: they are tested one by one.

`selects` says the same in the plainest way, for whatever walks the store (counting, dry runs) and as what the log is tested against.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from edgecache.caching.stored import Key, StoredResponse
from edgecache.invalidation.bans import Ban

Index = tuple[str | bytes, ...]


class Kind(enum.StrEnum):
    """What a selector selects by; the value is the member's name in the native API and in the journal."""

    URL = "url"  # one URL under http and https, with all its variants
    KEY = "key"  # one cache key: the URL with the fields that the key is made of
    PATH = "path"  # one path and query on any host, or all that begin with it when it ends in *
    PREFIX = "prefix"  # a path and all below it, in whole segments, on one host or on any
    HOST = "host"  # all of one host
    TAG = "tag"  # what the origin gave this tag
    GROUP = "group"  # what one origin put into a group of this name (RFC 9875)
    ALL = "all"  # everything that is stored
    BAN = "ban"  # what an expression is true of


@dataclass(frozen=True, slots=True)
class UrlSelector:
    """Every stored response of one URL, whatever its variant and whether it was asked for by http or https.

    `host` and `target` are in the form that a `Key` has them: a normalised authority, and path and query byte for byte.
    """

    host: bytes
    target: bytes
    site: str = ""
    kind: ClassVar[Kind] = Kind.URL

    @property
    def index(self) -> Index:
        """Where the log files it."""
        return ("url", self.site, self.host, self.target)

    @property
    def value(self) -> str:
        """The URL for people and JSON; shown with http, which stands for both schemes."""
        return Key(b"http", self.host, self.target).url

    def selects(self, stored: StoredResponse, at: float) -> bool:
        """Is `stored` meant?"""
        return (stored.key.host, stored.key.target) == (self.host, self.target)


@dataclass(frozen=True, slots=True)
class KeySelector:
    """Every variant that is stored under exactly this key."""

    key: Key
    site: str = ""
    kind: ClassVar[Kind] = Kind.KEY

    @property
    def index(self) -> Index:
        """Where the log files it."""
        return ("key", self.site, *self.key)

    @property
    def value(self) -> str:
        """The key's URL for people, with how much else is in the key; what says who someone is is not shown."""
        fields = [_without_secrets(line) for line in self.key.extra.decode("utf-8", "backslashreplace").split("\n")[1:] if line]
        return f"{self.key.url} ({', '.join(fields)})" if fields else self.key.url

    def selects(self, stored: StoredResponse, at: float) -> bool:
        """Is `stored` meant?"""
        return stored.key == self.key


@dataclass(frozen=True, slots=True)
class PathSelector:
    """One path and query on any host; with `wildcard`, everything whose path and query begin with these bytes."""

    target: bytes
    wildcard: bool = False
    site: str = ""
    kind: ClassVar[Kind] = Kind.PATH

    @property
    def index(self) -> Index:
        """Where the log files it."""
        return ("path*" if self.wildcard else "path", self.site, self.target)

    @property
    def value(self) -> str:
        """The path for people."""
        return shown(self.target) + ("*" if self.wildcard else "")

    def selects(self, stored: StoredResponse, at: float) -> bool:
        """Is `stored` meant?"""
        return stored.key.target.startswith(self.target) if self.wildcard else stored.key.target == self.target


@dataclass(frozen=True, slots=True)
class PrefixSelector:
    """A path and everything below it, on one host or (host b"") on any. Segments are whole: /a covers /a, /a?q and /a/b, not /ab.

    With a slash at its end only what is below: /a/ covers /a/ and /a/b, not /a. An empty path is the whole host.
    """

    host: bytes
    path: bytes
    site: str = ""
    kind: ClassVar[Kind] = Kind.PREFIX

    @property
    def index(self) -> Index:
        """Where the log files it: with how many slashes are in the path before that, for lookups ask by that number."""
        return ("prefix", self.site, self.host, self.path)

    @property
    def depth(self) -> int:
        """How many slashes its path has: only those prefixes of a target are looked for."""
        return self.path.count(b"/")

    @property
    def value(self) -> str:
        """Host and path for people."""
        return shown(self.host + self.path)

    def selects(self, stored: StoredResponse, at: float) -> bool:
        """Is `stored` meant?"""
        if self.host not in (b"", stored.key.host):
            return False
        path = stored.key.target.partition(b"?")[0]
        return path == self.path or path.startswith(self.path if self.path.endswith(b"/") else self.path + b"/")


@dataclass(frozen=True, slots=True)
class HostSelector:
    """Everything that is stored for one host, with its port when it has another than its scheme's."""

    host: bytes
    site: str = ""
    kind: ClassVar[Kind] = Kind.HOST

    @property
    def index(self) -> Index:
        """Where the log files it."""
        return ("host", self.site, self.host)

    @property
    def value(self) -> str:
        """The host for people."""
        return shown(self.host)

    def selects(self, stored: StoredResponse, at: float) -> bool:
        """Is `stored` meant?"""
        return stored.key.host == self.host


@dataclass(frozen=True, slots=True)
class TagSelector:
    """Everything that its origin gave this tag, in the form that the profile compares tags in."""

    tag: str
    site: str = ""
    kind: ClassVar[Kind] = Kind.TAG

    @property
    def index(self) -> Index:
        """Where the log files it."""
        return ("tag", self.site, self.tag)

    @property
    def value(self) -> str:
        """The tag."""
        return self.tag

    def selects(self, stored: StoredResponse, at: float) -> bool:
        """Is `stored` meant?"""
        return self.tag in stored.tags


@dataclass(frozen=True, slots=True)
class GroupSelector:
    """Every stored response that the origin `scheme`://`host` put into the group `name` (RFC 9875 2: an exact string, per origin)."""

    scheme: bytes
    host: bytes
    name: str
    site: str = ""
    kind: ClassVar[Kind] = Kind.GROUP

    @property
    def index(self) -> Index:
        """Where the log files it."""
        return ("group", self.site, self.scheme, self.host, self.name)

    @property
    def value(self) -> str:
        """Origin and name for people."""
        return f"{self.scheme.decode()}://{self.host.decode()} {self.name}"

    def selects(self, stored: StoredResponse, at: float) -> bool:
        """Is `stored` meant?"""
        return (stored.key.scheme, stored.key.host) == (self.scheme, self.host) and self.name in stored.groups


@dataclass(frozen=True, slots=True)
class AllSelector:
    """Everything that is stored, or everything of one site."""

    site: str = ""
    kind: ClassVar[Kind] = Kind.ALL

    @property
    def index(self) -> Index:
        """Where the log files it."""
        return ("all", self.site)

    @property
    def value(self) -> str:
        """Nothing is left to choose; JSON has `true` in the place of a list, people read "everything"."""
        return "everything"

    def selects(self, stored: StoredResponse, at: float) -> bool:
        """Is `stored` meant?"""
        return True


@dataclass(frozen=True, slots=True)
class BanSelector:
    """Everything that a ban expression is true of, at the time of its entry."""

    ban: Ban
    site: str = ""
    kind: ClassVar[Kind] = Kind.BAN

    @property
    def value(self) -> str:
        """The expression in its normal form."""
        return self.ban.text

    def selects(self, stored: StoredResponse, at: float) -> bool:
        """Is the expression true of `stored`? `at`: the time of the ban's entry, edge time."""
        return self.ban.matches(stored, at)


ExactSelector = UrlSelector | KeySelector | PathSelector | PrefixSelector | HostSelector | TagSelector | GroupSelector | AllSelector
Selector = ExactSelector | BanSelector


def prefixes(path: bytes, depths: Iterator[int]) -> Iterator[bytes]:
    """Which paths of prefixes cover `path`, among those with so many slashes? `depths` ascending."""
    ends = [at for at, byte in enumerate(path) if byte == 0x2F]
    for depth in depths:
        if depth > len(ends):
            return
        if depth:
            yield path[: ends[depth - 1] + 1]  # /a/ of /a/b
        yield path[: ends[depth]] if depth < len(ends) else path  # /a of /a/b, and /a of /a


def shown(raw: bytes) -> str:
    """Bytes of a URL for people and JSON; those beyond ASCII are shown percent-encoded."""
    return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw)


def _without_secrets(line: str) -> str:
    """A line of a key, "name: value" or "cookie name=value", less the value of what people log in with."""
    name, mark, _ = line.partition("=" if line.startswith("cookie ") else ":")
    secret = name.startswith("cookie ") or name.lower() in ("authorization", "proxy-authorization", "cookie")
    return f"{name}{mark}(not shown)" if secret and mark else line
