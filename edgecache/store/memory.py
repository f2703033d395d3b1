"""The memory tier: stored responses bounded by bytes; who makes room is decided by S3-FIFO (eviction.py).

Stored responses of one variant are ordered by (position, start): none is replaced by an older one that took longer to arrive, so no
client sees new, old, new. What is held for a key is a tuple that is replaced as a whole: who has got one can go on using it.

A hit costs nothing here: whoever answers from a stored response counts it in `stored.hits`, and that is read when room has to be made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from edgecache.caching.stored import Key, StoredResponse, Variant
from edgecache.store.body import FileBody
from edgecache.store.eviction import S3Fifo

_NOTHING: tuple[StoredResponse, ...] = ()

Name = tuple[Key, Variant]
Raw = bytes  # the class has a property of that name
FILE_BODY_BYTES = 512  # what content in a file costs in memory


class MemoryStore:
    """Keeps responses for one edge.

    limit_bytes  of what all of them cost here; never exceeded
    variants     how many responses one key may have; beyond it the oldest goes
    bytes        sum of what those cost that are held: `size_bytes`, less content that is in a file
    evicted      how many had to make room since the start, for bytes or for variants
    on_evict     called with each of these
    """

    def __init__(self, limit_bytes: int, variants: int, on_evict: Callable[[StoredResponse], None] | None = None) -> None:
        self.limit_bytes = limit_bytes
        self.evicted = 0
        self._variants = variants
        self._on_evict = on_evict
        self._by_key: dict[Key, tuple[StoredResponse, ...]] = {}  # newest first
        # Keys that are more than a URL, by their URL; the others are found without.
        self._more_keys: dict[tuple[bytes, bytes], set[Key]] = {}
        self._queue: S3Fifo[Name] = S3Fifo(limit_bytes, self._hits)

    @property
    def responses(self) -> int:
        """How many responses are held."""
        return len(self._queue)

    @property
    def bytes(self) -> int:
        return self._queue.bytes

    def candidates(self, key: Key) -> Sequence[StoredResponse]:
        """What is held for `key`, newest first by (position, start). Covered or not, fresh or not: the caller judges."""
        return self._by_key.get(key, _NOTHING)

    def find(self, key: Key, vary: Variant) -> StoredResponse | None:
        """What is held for one variant of `key`."""
        return next((stored for stored in self._by_key.get(key, _NOTHING) if stored.vary == vary), None)

    def outdated(self, stored: StoredResponse) -> bool:
        """Is `stored` older than its variant here, or would it be the oldest variant of a full key?"""
        held = self._by_key.get(stored.key, _NOTHING)
        twin = self.find(stored.key, stored.vary)
        if twin is not None:
            return age_order(twin) > age_order(stored)
        return len(held) >= self._variants and age_order(stored) < age_order(held[-1])

    def put(self, stored: StoredResponse) -> bool:
        """Hold `stored` in the place of an older one of the same variant; False when it is not held.

        Not held is what is outdated, and what costs more than the whole limit. The last still removes the variant that it is newer than:
        answering with that one later would be going back.
        """
        if self.outdated(stored):
            return False
        twin = self.find(stored.key, stored.vary)
        if memory_cost(stored) > self.limit_bytes:
            if twin is not None:
                self._remove(twin)
            return False
        if twin is None:
            while len(held := self._by_key.get(stored.key, _NOTHING)) >= self._variants:
                self._evict(held[-1])
        else:
            self._queue.recount((stored.key, stored.vary))
        self._place(stored, twin)
        return True

    def swap(self, old: StoredResponse, new: StoredResponse) -> bool:
        """Hold `new` in the very place of `old`, of whose variant it is; False, and nothing happens, when `old` is not held."""
        if self.find(old.key, old.vary) is not old or memory_cost(new) > self.limit_bytes:
            return False
        new.hits += old.hits
        self._place(new, old)
        return True

    def weigh(self, stored: StoredResponse) -> None:
        """The content of `stored`, which is held, has been taken into memory."""
        if memory_cost(stored) > self.limit_bytes:
            self._evict(stored)
        else:
            self._make_room(self._queue.admit((stored.key, stored.vary), memory_cost(stored)))

    def discard(self, stored: StoredResponse) -> bool:
        """Remove this very object; False, and nothing happens, when it is no longer held (another may be in its place)."""
        if self.find(stored.key, stored.vary) is not stored:
            return False
        self._remove(stored)
        return True

    def clear(self) -> None:
        """Remove everything. Not an invalidation: a fetch that is under way may store again."""
        self._by_key.clear()
        self._more_keys.clear()
        self._queue.clear()

    def objects(self) -> Iterator[StoredResponse]:
        """Every response whose key is held now and still there when the iterator comes to it; changes meanwhile do no harm."""
        keys = list(self._by_key)
        return (stored for key in keys for stored in self._by_key.get(key, _NOTHING))

    def of_url(self, host: Raw, target: Raw) -> Iterator[StoredResponse]:
        """What is held for a URL, of any variant and of both schemes."""
        keys = {Key(scheme, host, target) for scheme in (b"http", b"https")} | self._more_keys.get((host, target), set())
        return (stored for key in keys for stored in self._by_key.get(key, _NOTHING))

    def count_url(self, host: Raw, target: Raw, predicate: Callable[[StoredResponse], bool]) -> int:
        """How many of the responses of this URL satisfy `predicate`?"""
        return sum(predicate(stored) for stored in self.of_url(host, target))

    def _hits(self, name: Name) -> int:
        stored = self.find(*name)
        return 0 if stored is None else stored.hits

    def _place(self, stored: StoredResponse, twin: StoredResponse | None) -> None:
        """Put `stored` where `twin` was, and let others make room for it."""
        self._hold(stored.key, tuple(sorted((stored, *self._without(stored.key, twin)), key=age_order, reverse=True)))
        self._make_room(self._queue.admit((stored.key, stored.vary), memory_cost(stored)))

    def _make_room(self, victims: Sequence[Name]) -> None:
        for key, vary in victims:
            victim = self.find(key, vary)
            assert victim is not None
            self._hold(key, self._without(key, victim))
            self._tell_evicted(victim)

    def _evict(self, stored: StoredResponse) -> None:
        self._remove(stored)
        self._tell_evicted(stored)

    def _tell_evicted(self, stored: StoredResponse) -> None:
        self.evicted += 1
        if self._on_evict is not None:
            self._on_evict(stored)

    def _remove(self, stored: StoredResponse) -> None:
        self._queue.remove((stored.key, stored.vary))
        self._hold(stored.key, self._without(stored.key, stored))

    def _without(self, key: Key, stored: StoredResponse | None) -> tuple[StoredResponse, ...]:
        return tuple(other for other in self._by_key.get(key, _NOTHING) if other is not stored)

    def _hold(self, key: Key, held: tuple[StoredResponse, ...]) -> None:
        if held:
            if key.extra and key not in self._by_key:
                self._more_keys.setdefault((key.host, key.target), set()).add(key)
            self._by_key[key] = held
        elif self._by_key.pop(key, None) is not None and key.extra:
            keys = self._more_keys[key.host, key.target]
            keys.discard(key)
            if not keys:
                del self._more_keys[key.host, key.target]


def memory_cost(stored: StoredResponse) -> int:
    """What a stored response costs in memory, in bytes."""
    if isinstance(stored.body, FileBody):
        return stored.size_bytes - stored.body.length + FILE_BODY_BYTES
    return stored.size_bytes


def age_order(stored: StoredResponse) -> tuple[int, int]:
    """None replaces a stored response that is higher."""
    return stored.position, stored.start
