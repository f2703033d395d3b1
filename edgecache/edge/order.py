"""The order of answers beyond the store: fetches that are under way, and newer answers that are not stored but show them to be out of date.

What is stored is in order of (position, start), and none replaces a higher one. An answer that is not stored has no place there. It has
been seen all the same, and nobody is to see it and then an older one.
"""

from __future__ import annotations

from collections.abc import Callable

from edgecache.caching.profile import Profile
from edgecache.caching.stored import Key, StoredResponse
from edgecache.caching.vary import vary_matches
from edgecache.semantics.message import Fields


class Underway:
    """One fetch whose answer may come to be stored.

    place     of what it brings in the order of responses: (position, start)
    arriving  what is being stored, once that is known
    """

    def __init__(self, key: Key, place: tuple[int, int], profile: Profile, give_up: Callable[[], None]) -> None:
        self.key = key
        self.place = place
        self.arriving: StoredResponse | None = None
        self._profile = profile
        self._give_up = give_up
        self._newer: list[Fields] = []  # of requests that were asked later, and have been answered

    def is_outdated(self, stored: StoredResponse) -> bool:
        """Has a newer answer shown that `stored`, which this brings, is out of date?"""
        return any(vary_matches(stored, fields, self._profile) for fields in self._newer)

    def outdated_by(self, fields: Fields) -> None:
        """A newer answer, to a request with these fields: what is being stored for such a request is for those only who read it already."""
        self._newer.append(fields)
        if self.arriving is not None and self.is_outdated(self.arriving):
            self._give_up()


class Order:
    """The fetches of one edge that are under way."""

    def __init__(self) -> None:
        self._underway: dict[Key, list[Underway]] = {}

    def begin(self, underway: Underway) -> None:
        """It has been asked."""
        self._underway.setdefault(underway.key, []).append(underway)

    def end(self, underway: Underway) -> None:
        """What it brought is stored, or will not be."""
        left = self._underway[underway.key]
        left.remove(underway)
        if not left:
            del self._underway[underway.key]

    def outdate(self, key: Key, place: tuple[int, int], fields: Fields) -> None:
        """An answer to a request with these fields, asked at `place`, is not stored and shows that what is older is out of date."""
        for underway in self._underway.get(key, ()):
            if underway.place < place:
                underway.outdated_by(fields)
