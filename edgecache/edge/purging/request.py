"""A request with an invalidation method, as its readers see it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from edgecache.edge.purging.patterns import tags_of_list
from edgecache.http1.problem import Problem, refused
from edgecache.invalidation.reading import Item
from edgecache.invalidation.selectors import Selector
from edgecache.semantics.message import RequestHead
from edgecache.semantics.urls import Key


@dataclass(frozen=True, slots=True)
class PurgeRules:
    """How this edge names things, handed in by who knows sites, rules, profile and settings.

    keyed       the key under which it holds what people call by this URL
    tag_fields  from which fields, in lower case, the profile makes tags
    prefix      below this path a GET is a purge of what follows it; b"" for nowhere
    most_items  in one request
    """

    keyed: Callable[[Key], Key]
    tag_fields: frozenset[bytes]
    prefix: bytes = b""
    most_items: int = 10_000


@dataclass(frozen=True, slots=True)
class Step:
    """One write to the log."""

    items: Sequence[Item | Selector]
    soft: bool = False


Steps = Sequence[Step] | Problem


class PurgeRequest:
    """What of a request counts for its meaning. `url` is its target URI as the client named it, less the prefix of purges by GET."""

    __slots__ = ("fields", "method", "rules", "url", "whole_target")

    def __init__(self, head: RequestHead, url: Key, rules: PurgeRules, known: Collection[bytes]) -> None:
        self.method = head.method
        self.rules = rules
        self.whole_target = url.target
        below = below_prefix(url.target, rules.prefix)
        self.url = url if below is None else url._replace(target=below)
        self.fields: dict[bytes, list[bytes]] = {}
        for _, name, value in head.fields:
            if name in known:
                self.fields.setdefault(name, []).append(value)

    def problem(self) -> Problem | None:
        """400 for values that are no text: nobody knows which characters the bytes are to be."""
        for name, values in self.fields.items():
            for value in values:
                try:
                    value.decode()
                except UnicodeDecodeError as error:
                    return refused(400, f"{shown(name)} has the byte 0x{value[error.start]:02x}, which is no UTF-8")
        return None

    def has(self, *names: bytes) -> bool:
        """Does it have one of these fields?"""
        return any(name in self.fields for name in names)

    def lines(self, name: bytes) -> list[str]:
        """The field's values, one for each line."""
        return [value.decode() for value in self.fields.get(name, ())]

    def one(self, name: bytes) -> str | Problem | None:
        """The value of a field that may come once; None when it is absent."""
        values = self.lines(name)
        if len(values) > 1:
            return refused(400, f"{shown(name)} is given more than once; there can be one")
        return values[0] if values else None

    def tags(self, *names: bytes) -> list[str]:
        """The tags that these fields list, each once."""
        return list(dict.fromkeys(tag for name in names for line in self.lines(name) for tag in tags_of_list(line)))


def below_prefix(target: bytes, prefix: bytes) -> bytes | None:
    """What follows the prefix of purges by GET, beginning with a slash; None when the target is not below it."""
    return target[len(prefix) :] if prefix and target.startswith(prefix + b"/") else None


def shown(name: bytes) -> str:
    """A field's name as people write it."""
    text = name.decode()
    return text if text.startswith("xkey") else "-".join(part.capitalize() for part in text.split("-"))
