"""Which stored responses make room? S3-FIFO (Yang et al., SOSP 2023), counted in bytes.

What is new waits in a small queue, a tenth of the room. What was used there more than once moves on to the main queue; the rest, most
of what comes, leaves soon, and for a while its name is remembered: if it comes again, it goes to the main queue at once. In the main
queue an entry that was used goes round again, once for each use, three at most.

A hit moves nothing, so it costs nothing but a counter; and that counter may be somebody else's (`hits`), read only when room is made.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

SMALL_SHARE = 10  # the small queue has one part in ten
PROMOTED_AT = 2  # uses in the small queue that lead to the main queue
MOST_USES = 3
GHOSTS_AT_LEAST = 1024  # names remembered, however few entries there are


class _Entry:
    __slots__ = ("seen", "size", "uses")

    def __init__(self, size: int) -> None:
        self.size = size
        self.uses = 0
        self.seen = 0  # how much of what `hits` counts is in `uses`


class S3Fifo(Generic[K]):
    """Says who has to go. Keeps names and sizes only; what they stand for is the caller's.

    limit_bytes  of all sizes together; never exceeded
    bytes        sum of the sizes of what was admitted and is neither a victim nor removed
    hits         a function that says how often a name was used in all, for callers who count themselves; they need not call `hit`
    """

    def __init__(self, limit_bytes: int, hits: Callable[[K], int] | None = None) -> None:
        self.limit_bytes = limit_bytes
        self.bytes = 0
        self._hits = hits
        self._small: OrderedDict[K, _Entry] = OrderedDict()
        self._main: OrderedDict[K, _Entry] = OrderedDict()
        self._main_bytes = 0
        self._main_limit = limit_bytes - limit_bytes // SMALL_SHARE
        # By hash, since a name may be long. Two names with one hash: one of them may go to the main queue undeserved.
        self._ghosts: OrderedDict[int, int] = OrderedDict()
        self._ghost_bytes = 0

    def __len__(self) -> int:
        return len(self._small) + len(self._main)

    def __contains__(self, key: K) -> bool:
        return key in self._small or key in self._main

    def admit(self, key: K, size: int) -> list[K]:
        """Take in `key` with `size` bytes; the answer names those that had to go for it, in that order.

        A key that is there keeps its place and its uses and gets the new size. `size` may not exceed the limit: then nothing is
        done that would help, so it raises ValueError.
        """
        if size > self.limit_bytes:
            raise ValueError(f"{size} bytes are more than the limit of {self.limit_bytes}")
        entry = self._entry(key)
        if entry is not None:
            self._count(key, size - entry.size)
            entry.size = size
            return self._make_room(0, key)
        ghost = self._forget_ghost(hash(key))
        victims = self._make_room(size, None)
        (self._main if ghost else self._small)[key] = _Entry(size)
        self._count(key, size)
        return victims

    def hit(self, key: K) -> None:
        """`key` was used. Unknown keys are ignored."""
        entry = self._entry(key)
        if entry is not None:
            entry.uses += 1

    def recount(self, key: K) -> None:
        """Take in what `hits` says of `key` now; from here on it counts from zero again, because something new bears the name."""
        entry = self._entry(key)
        if entry is not None:
            self._uses(key, entry)
            entry.seen = 0

    def remove(self, key: K) -> bool:
        """`key` is gone for another reason; False when it was not here. Its name is not remembered."""
        entry = self._entry(key)
        if entry is None:
            return False
        self._count(key, -entry.size)
        if self._small.pop(key, None) is None:
            del self._main[key]
        return True

    def clear(self) -> None:
        """Forget everything, also the names."""
        self._small.clear()
        self._main.clear()
        self._ghosts.clear()
        self.bytes = self._main_bytes = self._ghost_bytes = 0

    def _entry(self, key: K) -> _Entry | None:
        return self._small.get(key) or self._main.get(key)

    def _count(self, key: K, more: int) -> None:
        self.bytes += more
        if key in self._main:
            self._main_bytes += more

    def _uses(self, key: K, entry: _Entry) -> int:
        """How often was `key` used since it last had its turn?"""
        if self._hits is not None:
            total = self._hits(key)
            entry.uses += max(0, total - entry.seen)
            entry.seen = total
        entry.uses = min(entry.uses, MOST_USES)
        return entry.uses

    def _make_room(self, size: int, spared: K | None) -> list[K]:
        victims: list[K] = []
        while self.bytes + size > self.limit_bytes:
            # Where there is nobody but the spared one, nobody's turn would ever end this.
            from_small, from_main = (len(queue) > (spared in queue) for queue in (self._small, self._main))
            if from_small and (self._main_bytes <= self._main_limit or not from_main):
                self._turn_of_small(victims, spared)
            else:
                self._turn_of_main(victims, spared)
        return victims

    def _turn_of_small(self, victims: list[K], spared: K | None) -> None:
        key, entry = self._small.popitem(last=False)
        if key == spared:
            self._small[key] = entry
        elif self._uses(key, entry) >= PROMOTED_AT:
            entry.uses = 0
            self._main[key] = entry
            self._main_bytes += entry.size
        else:
            self.bytes -= entry.size
            victims.append(key)
            self._remember_ghost(hash(key), entry.size)

    def _turn_of_main(self, victims: list[K], spared: K | None) -> None:
        key, entry = next(iter(self._main.items()))
        uses = self._uses(key, entry)
        if uses or key == spared:
            entry.uses = max(0, uses - 1)
            self._main.move_to_end(key)
        else:
            del self._main[key]
            self.bytes -= entry.size
            self._main_bytes -= entry.size
            victims.append(key)

    def _remember_ghost(self, name: int, size: int) -> None:
        self._forget_ghost(name)
        self._ghosts[name] = size
        self._ghost_bytes += size
        most = max(GHOSTS_AT_LEAST, len(self))
        while self._ghost_bytes > self._main_limit or len(self._ghosts) > most:
            self._ghost_bytes -= self._ghosts.popitem(last=False)[1]

    def _forget_ghost(self, name: int) -> bool:
        size = self._ghosts.pop(name, None)
        if size is None:
            return False
        self._ghost_bytes -= size
        return True
