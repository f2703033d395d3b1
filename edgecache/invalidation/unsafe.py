"""What an unsafe request changed, by the answer to it (RFC 9111 4.4, RFC 9875 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edgecache.caching.stored import Key
from edgecache.invalidation.selectors import GroupSelector, Selector, UrlSelector
from edgecache.semantics.urls import resolve_reference


def as_it_is(key: Key) -> Key:
    """Every URL is held under itself."""
    return key


def selectors_after_unsafe(
    key: Key, status: int, references: Iterable[bytes], groups: Iterable[str] = (), held_under: Callable[[Key], Key] = as_it_is
) -> list[Selector]:
    """What does the answer `status` to a request for `key` with an unsafe or unknown method invalidate?

    For a non-error answer, 2xx or 3xx: the target URI, and what `references`, the Location and Content-Location values, name as far as they
    are of the same origin. `held_under` gives the key under which a URL is held. Others may not be touched, or one site could empty
    another's cache. What is not a URL is passed over. `groups` are what its Cache-Group-Invalidation names: of the same origin, whatever
    the status. Each once.
    """
    found: list[Selector] = []
    if 200 <= status < 400:
        own = held_under(key)
        found.append(UrlSelector(own.host, own.target))
        for reference in references:
            named = resolve_reference(key, reference)
            named = None if named is None else held_under(named)
            if named is not None and named.scheme == own.scheme and named.host == own.host:
                found.append(UrlSelector(named.host, named.target))
    found.extend(GroupSelector(key.scheme, key.host, group) for group in groups)
    return list(dict.fromkeys(found))
