"""Changes that are made and not yet written: laid over what is read from disk, they show what is stored.

Each is a function from what is stored for a key to what is stored afterwards. Each has to be laid over exactly once, and over what was
there before it: one that was refused, because something newer was there, must not count when that newer one has gone since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from edgecache.caching.stored import StoredResponse
from edgecache.store.memory import age_order
from edgecache.store.row import same

Change = Callable[[list[StoredResponse]], list[StoredResponse]]


def put(stored: StoredResponse) -> Change:
    """`stored` takes the place of an older one of its variant."""
    return partial(_put, stored)


def replace(old: StoredResponse, new: StoredResponse) -> Change:
    """`new` takes the place of exactly `old`."""
    return partial(_replace, old, new)


def outdate(stored: StoredResponse) -> Change:
    """What is older than `stored` and of its variant goes."""
    return lambda held: [other for other in held if other.vary != stored.vary or age_order(other) >= age_order(stored)]


def discard(stored: StoredResponse) -> Change:
    """Exactly `stored` goes."""
    return lambda held: [other for other in held if not same(other, stored)]


def clear() -> Change:
    """All go."""
    return lambda held: []


def lay_over(held: list[StoredResponse], changes: Iterable[Change]) -> list[StoredResponse]:
    """What is stored after these changes."""
    for change in changes:
        held = change(held)
    return held


def _put(stored: StoredResponse, held: list[StoredResponse]) -> list[StoredResponse]:
    twin = next((other for other in held if other.vary == stored.vary), None)
    if twin is not None and age_order(twin) > age_order(stored):
        return held
    return [*(other for other in held if other is not twin), stored]


def _replace(old: StoredResponse, new: StoredResponse, held: list[StoredResponse]) -> list[StoredResponse]:
    if not any(same(other, old) for other in held):
        return held
    return [*(other for other in held if not same(other, old) and other.vary != new.vary), new]


class Load:
    """A key on its way from disk to those who wait for it, and what changes meanwhile.

    future   what was on disk; None when that cannot be said
    ordered  it was asked behind all changes that were made before, so that exactly `changes` are missing in what it finds
    again    it was not, and a change came before it ended: whether that is in what it found nobody knows, so it has to be asked again
    changes  made since
    waiting  how many wait
    taken    whether what was on disk has been taken into memory, as far as there is room
    """

    __slots__ = ("again", "changes", "future", "ordered", "rows", "taken", "waiting")

    def __init__(self) -> None:
        self.future: asyncio.Future[list[StoredResponse] | None]
        self.ordered = True
        self.again = False
        self.changes: list[Change] = []
        self.rows: list[StoredResponse] = []
        self.taken = False
        self.waiting = 0

    def found(self) -> list[StoredResponse]:
        """What is stored, as far as it was not in memory."""
        return lay_over(self.rows, self.changes)

    def change(self, change: Change) -> None:
        """A change was made."""
        self.changes.append(change)
        if not self.ordered and not self.future.done():
            self.again = True
