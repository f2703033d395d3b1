"""Rules of the configuration for some URLs: how long, whether at all, and under which key.

The first rule whose pattern matches applies, alone, as with CloudFront's behaviours: who reads a list from the top knows what holds without
adding anything up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from edgecache.semantics.fields import is_token


@dataclass(frozen=True)
class Rule:
    """What is special about the URLs that `pattern` matches.

    pattern       host and path, or a path alone when it begins with a slash; `*` stands for any characters, slashes included. The query is
                  not looked at. Hosts in lower case
    ttl_s         how long a response is fresh that does not say so itself; None: the profile's heuristics
    force         `ttl_s` holds for every response with a cacheable status, and what it says about caching is not asked
    bypass        requests are passed to the origin and nothing is stored
    ignore_query  names of query parameters that count for nothing in the key; `*` as in `utm_*`
    sort_query    the order of parameters counts for nothing in the key
    key_headers   request fields that are part of the key, lower case
    key_cookies   cookies that are part of the key
    """

    pattern: str
    ttl_s: float | None = None
    force: bool = False
    bypass: bool = False
    ignore_query: tuple[str, ...] = ()
    sort_query: bool = False
    key_headers: tuple[str, ...] = ()
    key_cookies: tuple[str, ...] = ()

    def problem(self) -> str | None:
        """What is wrong with this rule, in words that complete "the rule …", naming the member; None when nothing is."""
        if not self.pattern:
            return "has no pattern"
        if "?" in self.pattern:
            return f"has the pattern {self.pattern!r} with a query, which no pattern looks at"
        if "://" in self.pattern:
            return f"has the pattern {self.pattern!r} with a scheme; it is a host and path, or a path alone"
        host = self.pattern.partition("/")[0]
        if host != host.lower():
            return f"has the pattern {self.pattern!r}; hosts are in lower case"
        if self.ttl_s is not None and not self.ttl_s >= 0:
            return "has a negative ttl"
        if self.force and self.ttl_s is None:
            return "says force and not for how long: it needs a ttl"
        if self.bypass and (self.force or self.ttl_s is not None):
            return "says bypass as well as ttl or force: nothing is stored of what bypasses the store"
        return self._problem_of_names()

    def _problem_of_names(self) -> str | None:
        for name in self.key_headers:
            if not is_token(name.encode("utf-8", "replace")) or name != name.lower():
                return f"has {name!r} in key_headers, which is no field name in lower case"
        for name in self.key_cookies:
            if not is_token(name.encode("utf-8", "replace")):
                return f"has {name!r} in key_cookies, which is no name of a cookie"
        if "" in self.ignore_query:
            return "has an empty name in ignore_query"
        return None

    @cached_property
    def key_digest(self) -> bytes:
        """Stands in the key for what this rule says about keys; empty when it says nothing, so that other changes leave URLs warm."""
        said = (sorted(self.ignore_query), self.sort_query, sorted(self.key_headers), sorted(self.key_cookies))
        if said == ([], False, [], []):
            return b""
        return hashlib.blake2b(repr(said).encode(), digest_size=6).hexdigest().encode()

    @cached_property
    def pieces(self) -> tuple[tuple[bytes, ...] | None, tuple[bytes, ...]]:
        """`pattern` as globs of the host (None: any) and of the path."""
        host, slash, path = self.pattern.partition("/")
        return (_glob(host) if host else None), _glob(slash + path if slash else "*")

    @cached_property
    def ignored(self) -> tuple[tuple[bytes, ...], ...]:
        """`ignore_query` as globs."""
        return tuple(map(_glob, self.ignore_query))


class RuleSet:
    """The rules of a configuration, in order."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self.rules = tuple(rules)

    def match(self, host: bytes, target: bytes) -> Rule | None:
        """The rule for this URL, or None. `host` as a key has it, `target` with or without a query."""
        if not self.rules:
            return None
        path = target.partition(b"?")[0]
        for rule in self.rules:
            host_glob, path_glob = rule.pieces
            if (host_glob is None or _matches(host_glob, host)) and _matches(path_glob, path):
                return rule
        return None


NO_RULES = RuleSet()


def normalised_target(target: bytes, rule: Rule | None) -> bytes:
    """The target as it stands in keys: without the query parameters that `rule` ignores, and sorted by name when it says so.

    Parameters of one name keep their order. A query of which nothing is left goes with its question mark.
    """
    if rule is None or not (rule.ignored or rule.sort_query):
        return target
    path, mark, query = target.partition(b"?")
    if not query:
        return target
    parameters = query.split(b"&")
    kept = [one for one in parameters if not any(_matches(glob, _name(one)) for glob in rule.ignored)]
    if rule.sort_query:
        kept.sort(key=_name)
    return path + mark + b"&".join(kept) if kept else path


def _name(parameter: bytes) -> bytes:
    return parameter.partition(b"=")[0]


def _glob(pattern: str) -> tuple[bytes, ...]:
    """The literal pieces between the stars."""
    return tuple(pattern.encode("utf-8", "surrogateescape").split(b"*"))


def _matches(glob: Sequence[bytes], text: bytes) -> bool:
    """Is `text` the pieces of `glob` in order with anything between them? Linear: each piece is taken where it first fits."""
    if len(glob) == 1:
        return text == glob[0]
    head, *middle, tail = glob
    if len(text) < len(head) + len(tail) or not text.startswith(head) or not text.endswith(tail):
        return False
    place, end = len(head), len(text) - len(tail)
    for piece in middle:
        found = text.find(piece, place, end)
        if found < 0:
            return False
        place = found + len(piece)
    return True


def cookies_named(cookie_lines: Iterable[bytes], names: Sequence[str]) -> dict[bytes, bytes]:
    """The cookies of a request with one of these names (RFC 6265 4.2.1); of several with one name the first counts."""
    wanted = {name.encode("utf-8", "surrogateescape") for name in names}
    found: dict[bytes, bytes] = {}
    for line in cookie_lines:
        for pair in line.split(b";"):
            name, equals, value = pair.strip(b" \t").partition(b"=")
            if equals and name in wanted:
                found.setdefault(name, value)
    return found
