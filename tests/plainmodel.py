"""Invalidation as one would write it without a log: everything that is stored is looked at for every entry, at once, and what is covered
hard is gone. And what drives the real log, sweeper and doors by hand, from gate to gate.
"""

from __future__ import annotations

import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any

from invalidationkit import stored_at

from edgecache.caching.stored import Key, StoredResponse, soft_cover
from edgecache.caching.verdict import HardCovered
from edgecache.invalidation.entry import Entry
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.selectors import (
    AllSelector,
    BanSelector,
    GroupSelector,
    HostSelector,
    KeySelector,
    PathSelector,
    PrefixSelector,
    Selector,
    TagSelector,
    UrlSelector,
)

Name = tuple[Key, Any]


def site_of(host: bytes) -> str:
    """The shop has the host h, the blog all others."""
    return "shop" if host == b"h" else "blog"


def means(selector: Selector, stored: StoredResponse, at: float) -> bool:
    """Is `stored` meant by an entry of the time `at`? Said once more, and without any index."""
    if selector.site and selector.site != site_of(stored.key.host):
        return False
    scheme, host, target, _ = stored.key
    match selector:
        case UrlSelector():
            return host == selector.host and target == selector.target
        case KeySelector():
            return stored.key == selector.key
        case PathSelector(wildcard=True):
            return target[: len(selector.target)] == selector.target
        case PathSelector():
            return target == selector.target
        case PrefixSelector():
            if selector.host and selector.host != host:
                return False
            path, wanted = target.split(b"?")[0].split(b"/"), selector.path.split(b"/")
            if wanted[-1] == b"" and len(wanted) > 1:
                return path[: len(wanted) - 1] == wanted[:-1] and len(path) >= len(wanted)
            return path[: len(wanted)] == wanted
        case HostSelector():
            return host == selector.host
        case TagSelector():
            return selector.tag in stored.tags
        case GroupSelector():
            return (scheme, host) == (selector.scheme, selector.host) and selector.name in stored.groups
        case AllSelector():
            return True
        case BanSelector():
            return selector.ban.matches(stored, at)


@dataclass
class Plain:
    """A response as the model has it. `soft`: (position, time) of the soft entries that cover it, ascending."""

    stored: StoredResponse
    soft: list[tuple[int, float]] = field(default_factory=list)
    gone: bool = False

    def apply(self, entry: Entry) -> None:
        if entry.position > self.stored.position and means(entry.selector, self.stored, entry.time):
            if not entry.soft:
                self.gone = True
            elif not self.gone and entry.position not in [position for position, _ in self.soft]:
                self.soft = sorted([*self.soft, (entry.position, entry.time)])


class Gate:
    """One place where a coroutine waits for the test to let it go on."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Steps:
    """A coroutine that a test drives by hand, from gate to gate."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self.done = False
        self.result: Any = None

    def step(self) -> bool:
        """Go on to the next gate; True when it has ended."""
        if not self.done:
            try:
                self._coroutine.send(None)
            except StopIteration as end:
                self.done, self.result = True, end.value
        return self.done

    def finish(self) -> Any:
        while not self.step():
            pass
        return self.result

    def abandon(self) -> None:
        self._coroutine.close()


class GatedStore:
    """What is stored, by name, in the order of responses; who walks it waits at a gate before each response.

    With `from_disk` what is walked comes as other objects than those that are held, as rows that are read from a folder do.
    """

    def __init__(self) -> None:
        self.held: dict[Name, StoredResponse] = {}
        self.from_disk = False

    def put(self, stored: StoredResponse) -> bool:
        twin = self.held.get(name_of(stored))
        if twin is not None and (twin.position, twin.start) > (stored.position, stored.start):
            return False
        self.held[name_of(stored)] = stored
        return True

    def replace(self, old: StoredResponse, new: StoredResponse) -> bool:
        if not same(self.held.get(name_of(old)), old):
            return False
        self.held[name_of(new)] = new
        return True

    def discard(self, stored: StoredResponse) -> bool:
        if not same(self.held.get(name_of(stored)), stored):
            return False
        del self.held[name_of(stored)]
        return True

    async def objects(self) -> AsyncIterator[StoredResponse]:
        for name in list(self.held):
            await Gate()
            if name in self.held:
                yield again(self.held[name]) if self.from_disk else self.held[name]

    async def count_urls(self, urls: Iterable[tuple[bytes, bytes]], predicate: Callable[[StoredResponse], bool]) -> int:
        named = set(urls)
        await Gate()
        return sum(predicate(one) for one in list(self.held.values()) if (one.key.host, one.key.target) in named)

    async def settled(self) -> None:
        await Gate()


def name_of(stored: StoredResponse) -> Name:
    return stored.key, stored.vary


def same(one: StoredResponse | None, other: StoredResponse) -> bool:
    """Is it the same row? As the folder tells them apart."""
    return one is not None and (one.position, one.start, one.soft_position, one.response_time) == (
        other.position,
        other.start,
        other.soft_position,
        other.response_time,
    )


def again(stored: StoredResponse, **differently: Any) -> StoredResponse:
    """The response as it is read from disk: without what was kept beside it in memory."""
    names = ("key", "fields", "vary", "start", "tags", "groups", "soft_since", "soft_position", "response_time", "lifetime_s")
    return stored_at(stored.position, **{**{name: getattr(stored, name) for name in names}, **differently})


def standing(log: InvalidationLog, stored: StoredResponse) -> float | str:
    """What a request would find: "gone", "clean", or since when it is stale."""
    verdict = log.judge(stored)
    if isinstance(verdict, HardCovered):
        return "gone"
    soft = soft_cover(stored, verdict)
    return "clean" if soft is None else soft.since


def awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits at nothing but gates."""
    return Steps(coroutine).finish()


@types.coroutine
def _no_pause(seconds: float) -> Generator[None, None, None]:
    yield


async def pause(seconds: float) -> None:
    """Waits at a gate, however long that is."""
    await _no_pause(seconds)


def entries_up_to(entries: Iterable[Entry], position: int) -> list[Entry]:
    return [entry for entry in entries if entry.position <= position]
