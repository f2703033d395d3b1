"""Doors and readers for tests: over a store of one's own, with names as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from edgecache.caching.stored import Key, StoredResponse
from edgecache.caching.tags import normalised_tag
from edgecache.clock import Clock
from edgecache.invalidation.commit import GroupCommit
from edgecache.invalidation.doors import Doors
from edgecache.invalidation.journal import Journal
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.reading import KeyRules, Reader
from edgecache.profiles import PROFILES
from edgecache.store.body import MemoryBody


class ListStore:
    """Stored responses in a list."""

    def __init__(self, *stored: StoredResponse) -> None:
        self.stored = list(stored)

    async def objects(self) -> AsyncIterator[StoredResponse]:
        for one in list(self.stored):
            yield one

    async def count_urls(self, urls: Iterable[tuple[bytes, bytes]], predicate: Callable[[StoredResponse], bool]) -> int:
        named = set(urls)
        return sum(predicate(one) for one in self.stored if (one.key.host, one.key.target) in named)

    def replace(self, old: StoredResponse, new: StoredResponse) -> bool:
        if old not in self.stored:
            return False
        self.stored[self.stored.index(old)] = new
        return True

    def discard(self, stored: StoredResponse) -> bool:
        if stored not in self.stored:
            return False
        self.stored.remove(stored)
        return True

    async def settled(self) -> None:
        pass


def reader(sites: tuple[str, ...] = ("default",)) -> Reader:
    """URLs are held under themselves; tags as in the profile `standard`."""
    profile = PROFILES["standard"]
    return Reader(
        KeyRules(
            keyed=lambda key: key,
            keyed_with=lambda key, fields: key._replace(extra=b"".join(b"\n" + line for line, _, _ in fields)),
            paths=lambda target, site: [target],
            tag=lambda text: normalised_tag(text, profile),
            sites=sites,
        )
    )


def doors_of(log: InvalidationLog, store: Any, clock: Clock, commit: GroupCommit | None = None) -> Doors:
    return Doors(log, store, clock, reader(), Journal(100), commit)


def stored_at(position: int, url: str = "http://h/a", **differently: Any) -> StoredResponse:
    """A stored response that was asked for at this position."""
    scheme, _, rest = url.partition("://")
    host, slash, target = rest.partition("/")
    what: dict[str, Any] = {
        "key": Key(scheme.encode(), host.encode(), (slash + target).encode()),
        "status": 200,
        "reason": b"OK",
        "fields": [],
        "vary": (),
        "body": MemoryBody((b"content",)),
        "request_time": 0.0,
        "response_time": 0.0,
        "offset_s": 0.0,
        "position": position,
        "start": position,
        "lifetime_s": 60.0,
        "initial_age_s": 0.0,
    }
    return StoredResponse(**{**what, **differently})
