"""The doors to the log: every invalidation, whoever asks for it, is counted, appended and reported by `Doors`.

PURGE on the data plane, the native API, unsafe requests, clock and reset all come through here. Nothing in this file awaits: what is
counted is what is stored at the very moment of the append.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, assert_never

from edgecache.caching.stored import Key, StoredResponse
from edgecache.caching.verdict import HardCovered
from edgecache.clock import Clock
from edgecache.invalidation.log import Cause, InvalidationLog
from edgecache.invalidation.selectors import AllSelector, Selector, UrlSelector
from edgecache.semantics.urls import normalise_authority


class CountsMatching(Protocol):
    """A store that can say how many of its responses belong to one URL."""

    def count_url(self, host: bytes, target: bytes, predicate: Callable[[StoredResponse], bool]) -> int:
        """How many stored responses of this URL, of any variant and of both schemes, satisfy `predicate`?"""


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

    def __init__(self, log: InvalidationLog, store: CountsMatching, clock: Clock) -> None:
        self._log = log
        self._store = store
        self._clock = clock

    def invalidate(self, selectors: Sequence[Selector], *, soft: bool, cause: Cause) -> Outcome:
        """Invalidate what `selectors` select, in one write. Acknowledge to the outside only after this returned."""
        once = tuple(dict.fromkeys(selectors))
        matched = self._count(once)  # before the append: afterwards all of it is covered
        position = self._log.append(once, soft=soft, now=self._clock.now(), cause=cause)
        return Outcome(position, once, matched)

    def invalidate_after_unsafe(self, key: Key, status: int, references: Iterable[bytes]) -> Outcome | None:
        """Invalidate what a successful request with an unsafe or unknown method changed; None when it changed nothing.

        `references` are the response's Location and Content-Location values. Must be called before the first byte of that response goes to
        the client, who may read what it wrote right afterwards.
        """
        selectors = selectors_after_unsafe(key, status, references)
        return self.invalidate(selectors, soft=False, cause=Cause.RESPONSE) if selectors else None

    def _count(self, selectors: tuple[Selector, ...]) -> int | None:
        total = 0
        for selector in selectors:
            match selector:
                case AllSelector():
                    return None
                case UrlSelector(host, target):
                    total += self._store.count_url(host, target, self._exists)
                case _:
                    assert_never(selector)
        return total

    def _exists(self, stored: StoredResponse) -> bool:
        return not isinstance(self._log.verdict(stored.key, stored.position), HardCovered)


def selectors_after_unsafe(key: Key, status: int, references: Iterable[bytes]) -> list[UrlSelector]:
    """Which URLs does the answer `status` to an unsafe request for `key` invalidate (RFC 9111 4.4)?

    For a non-error answer, 2xx or 3xx: the target URI, and what Location and Content-Location name, as far as they are of the same origin.
    Others may not be touched, or one site could empty another's cache. What is not a URL is passed over. Each URL once.
    """
    if not 200 <= status < 400:
        return []
    found = [UrlSelector(key.host, key.target)]
    for reference in references:
        named = _resolved(key, reference)
        if named is not None and named.scheme == key.scheme and named.host == key.host:
            found.append(UrlSelector(named.host, named.target))
    return list(dict.fromkeys(found))


def _resolved(base: Key, reference: bytes) -> Key | None:
    """The key that `reference`, absolute or relative to `base`, leads to (RFC 3986 5.2.2, strict); None when it is no http or https URL.

    Not urllib.parse.urljoin, which drops an empty query, empty parameters and empty segments: a key's target is byte for byte.
    """
    match = _REFERENCE.fullmatch(reference)
    assert match is not None  # each part may be absent: any bytes are a reference
    scheme, authority, path, query = match.groups()
    if authority is not None:
        scheme = (scheme or base.scheme).lower()
        host = normalise_authority(authority, scheme) if scheme in (b"http", b"https") else None
        return None if host is None else Key(scheme, host, _without_dots(path) + (query or b""))
    if scheme is not None:
        return None  # mailto:… and the like, and http:path, which names no host
    own_path, mark, own_query = base.target.partition(b"?")
    if not path:
        return base._replace(target=own_path + (mark + own_query if query is None else query))
    if not path.startswith(b"/"):
        path = (own_path[: own_path.rfind(b"/") + 1] or b"/") + path
    return base._replace(target=_without_dots(path) + (query or b""))


# RFC 3986 appendix B, without the fragment: scheme, authority, path, and the query with its question mark.
_REFERENCE = re.compile(rb"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(\?[^#]*)?(?:#.*)?", re.DOTALL)


def _without_dots(path: bytes) -> bytes:
    """An absolute path with its "." and ".." segments carried out (RFC 3986 5.2.4); "/" for an empty one."""
    segments = path.split(b"/")
    kept: list[bytes] = []
    for segment in segments[1:]:
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)
