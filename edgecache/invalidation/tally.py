"""Which of several selectors mean a stored response, and how many responses did each of them mean?

Selectors that name a URL are found by it: a list of ten thousand URLs is not compared with each of ten thousand stored responses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgecache.caching.stored import StoredResponse
from edgecache.invalidation.selectors import KeySelector, Selector, UrlSelector


class Tally:
    """Counts for each selector. `meant` says whether a selector means a stored response."""

    def __init__(self, selectors: Sequence[Selector], meant: Callable[[Selector, StoredResponse], bool]) -> None:
        self._each = dict.fromkeys(selectors, 0)
        self._meant = meant
        self._by_url: dict[tuple[bytes, bytes], list[Selector]] = {}
        self._others: list[Selector] = []
        for one in self._each:
            named = url_of(one)
            if named is None:
                self._others.append(one)
            else:
                self._by_url.setdefault(named, []).append(one)

    @property
    def each(self) -> tuple[int, ...]:
        """How many so far, in the order of the selectors."""
        return tuple(self._each.values())

    def count(self, stored: StoredResponse, counts: Callable[[StoredResponse], bool]) -> bool:
        """Count `stored` for every selector that means it, if it counts at all. Is there one?"""
        named = self._by_url.get((stored.key.host, stored.key.target), ())
        found = [one for one in (*named, *self._others) if self._meant(one, stored)]
        if not found or not counts(stored):
            return False
        for one in found:
            self._each[one] += 1
        return True


def url_of(selector: Selector) -> tuple[bytes, bytes] | None:
    """Host and target of all that it covers, where it names one URL; None where the store would have to be walked."""
    match selector:
        case UrlSelector(host, target):
            return host, target
        case KeySelector(key):
            return key.host, key.target
        case _:
            return None
