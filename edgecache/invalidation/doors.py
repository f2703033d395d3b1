"""The doors to the log: every invalidation, whoever asks for it, is counted, appended and reported by `Doors`.

PURGE on the data plane, the native API, unsafe requests, clock and reset all come through here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgecache.caching.stored import Key, StoredResponse
from edgecache.clock import Clock
from edgecache.invalidation.commit import GroupCommit
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.logfile import LogUnwritable
from edgecache.invalidation.selectors import GroupSelector, Selector, UrlSelector
from edgecache.semantics.urls import resolve_reference


class CountsMatching(Protocol):
    """A store that can say how many of its responses belong to one URL."""

    async def count_url(self, host: bytes, target: bytes, predicate: Callable[[StoredResponse], bool]) -> int:
        """How many stored responses of this URL, of any variant and of both schemes, satisfy `predicate`?"""


def _as_it_is(key: Key) -> Key:
    """Every URL is held under itself."""
    return key


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an invalidation did.

    position   of its last entry: a response fetched at or above it is not covered
    selectors  normalised, each once, in the order given
    matched    stored responses that it covers and that no hard entry covered before; None when that was not counted
    """

    position: int
    selectors: tuple[Selector, ...]
    matched: int | None


class Doors:
    """Appends to the log on behalf of whoever is allowed to; permission was judged before."""

    def __init__(self, log: InvalidationLog, store: CountsMatching, clock: Clock, commit: GroupCommit | None = None) -> None:
        self._commit = commit
        self._log = log
        self._store = store
        self._clock = clock

    async def invalidate(self, selectors: Sequence[Selector], *, soft: bool, cause: Cause) -> Outcome:
        """Invalidate what `selectors` select, in one write, and count what that covered.

        Acknowledge to the outside only after this returned: the entry would survive the end of the process, or with log_sync = disk a power
        cut. It counts from the first step on; what it covers is counted afterwards, for a disk may be slow and a purge must not be.

        Raises LogUnwritable: not acknowledged, although with log_sync = disk it may count all the same.
        """
        once = tuple(dict.fromkeys(selectors))
        gone = [self._log.hard_position(selector) for selector in once]  # what is below was covered before
        outcome = self.invalidate_now(once, soft=soft, cause=cause)
        if self._commit is not None:
            try:
                await self._commit.durable(outcome.position)
            except LogUnwritable as failure:
                if not cause.must_happen:
                    raise
                self._log.on_unwritten(failure)  # as when the write fails: it counts, and the next start drops the store
        return Outcome(outcome.position, once, await self._count(once, gone, outcome.position))

    def invalidate_now(self, selectors: Sequence[Selector], *, soft: bool, cause: Cause) -> Outcome:
        """Invalidate in this very step, without counting. For what the edge does by itself: nobody is told how much was hit."""
        once = tuple(dict.fromkeys(selectors))
        position = self._log.append(once, soft=soft, now=self._clock.now(), cause=cause)
        return Outcome(position, once, None)

    def invalidate_after_unsafe(
        self, key: Key, status: int, references: Iterable[bytes], groups: Iterable[str] = (), held_under: Callable[[Key], Key] = _as_it_is
    ) -> Outcome | None:
        """Invalidate what a successful request with an unsafe or unknown method changed; None when it changed nothing.

        `references` are the response's Location and Content-Location values, `groups` what its Cache-Group-Invalidation names (RFC 9875 3:
        of the same origin, whatever the status). Must be called before the first byte of that response goes to the client, who may read
        what it wrote right afterwards.
        """
        named = [GroupSelector(key.scheme, key.host, group) for group in groups]
        selectors: list[Selector] = [*selectors_after_unsafe(key, status, references, held_under), *named]
        return self.invalidate_now(selectors, soft=False, cause=Cause.RESPONSE) if selectors else None

    async def _count(self, selectors: tuple[Selector, ...], gone: Sequence[int], position: int) -> int | None:
        """How many responses that existed before does this write, which ends at `position`, cover? None when not all of it is URLs."""
        total = 0
        for number, (selector, before) in enumerate(zip(selectors, gone, strict=True)):
            if not isinstance(selector, UrlSelector):
                return None
            own = position - len(selectors) + 1 + number
            total += await self._store.count_url(
                selector.host,
                selector.target,
                lambda stored, before=before, own=own: before <= stored.position < own,  # type: ignore[misc]
            )
        return total


def selectors_after_unsafe(
    key: Key, status: int, references: Iterable[bytes], held_under: Callable[[Key], Key] = _as_it_is
) -> list[UrlSelector]:
    """Which URLs does the answer `status` to an unsafe request for `key` invalidate (RFC 9111 4.4)?

    For a non-error answer, 2xx or 3xx: the target URI, and what Location and Content-Location name, as far as they are of the same origin.
    `held_under` gives the key under which a URL is held. Others may not be touched, or one site could empty another's cache. What is not a
    URL is passed over. Each URL once.
    """
    if not 200 <= status < 400:
        return []
    own = held_under(key)
    found = [UrlSelector(own.host, own.target)]
    for reference in references:
        named = resolve_reference(key, reference)
        named = None if named is None else held_under(named)
        if named is not None and named.scheme == own.scheme and named.host == own.host:
            found.append(UrlSelector(named.host, named.target))
    return list(dict.fromkeys(found))
