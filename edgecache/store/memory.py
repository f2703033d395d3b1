"""The memory tier: complete stored responses, bounded by bytes, the longest stored evicted first.

Stored responses of one variant are ordered by (position, start): none is replaced by an older one that took longer to arrive, so no
client sees new, old, new. What the store holds for a key is a tuple that is replaced as a whole: who has got one can go on using it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from edgecache.caching.stored import Key, StoredResponse

_NOTHING: tuple[StoredResponse, ...] = ()


class MemoryStore:
    """Keeps responses for one edge.

    limit_bytes  of all `size_bytes` together; never exceeded
    variants     how many responses one key may have; beyond it the oldest goes
    bytes        sum of `size_bytes` of what is stored
    evicted      how many responses had to make room since the start, for bytes or for variants
    """

    def __init__(self, limit_bytes: int, variants: int) -> None:
        self.limit_bytes = limit_bytes
        self.bytes = 0
        self.evicted = 0
        self._variants = variants
        self._by_key: dict[Key, tuple[StoredResponse, ...]] = {}  # newest first
        self._queue: OrderedDict[StoredResponse, None] = OrderedDict()  # by identity, longest stored first

    @property
    def responses(self) -> int:
        """How many responses are stored."""
        return len(self._queue)

    def candidates(self, key: Key) -> Sequence[StoredResponse]:
        """What is stored for `key`, newest first by (position, start). Covered or not, fresh or not: the caller judges."""
        return self._by_key.get(key, _NOTHING)

    def put(self, stored: StoredResponse) -> bool:
        """Keep `stored` in the place of an older one of the same variant; False when it was not kept.

        Not kept is what is older than its stored variant, what would be the oldest variant of a full key, and what is larger than the whole
        limit. The last still removes the variant that it is newer than: answering with that one later would be going back.
        """
        held = self._by_key.get(stored.key, _NOTHING)
        twin = next((other for other in held if other.vary == stored.vary), None)
        if twin is not None:
            if _age_order(twin) > _age_order(stored):
                return False
            self._remove(twin)
        elif len(held) >= self._variants and _age_order(stored) < _age_order(held[-1]):
            return False
        if stored.size_bytes > self.limit_bytes:
            return False
        while len(held := self._by_key.get(stored.key, _NOTHING)) >= self._variants:
            self._evict(held[-1])
        while self.bytes + stored.size_bytes > self.limit_bytes:
            self._evict(next(iter(self._queue)))
        held = self._by_key.get(stored.key, _NOTHING)  # again: eviction may have taken some of them
        self._by_key[stored.key] = tuple(sorted((stored, *held), key=_age_order, reverse=True))
        self._queue[stored] = None
        self.bytes += stored.size_bytes
        return True

    def discard(self, stored: StoredResponse) -> bool:
        """Remove this very object; False, and nothing happens, when it is no longer stored (another may be in its place)."""
        if stored not in self._queue:
            return False
        self._remove(stored)
        return True

    def clear(self) -> None:
        """Remove everything. Not an invalidation: a fetch that is under way may store again."""
        self._by_key.clear()
        self._queue.clear()
        self.bytes = 0

    def objects(self) -> Iterator[StoredResponse]:
        """Every stored response whose key is stored now and still there when the iterator comes to it; changes meanwhile do no harm."""
        keys = list(self._by_key)
        return (stored for key in keys for stored in self._by_key.get(key, _NOTHING))

    def count_url(self, host: bytes, target: bytes, predicate: Callable[[StoredResponse], bool]) -> int:
        """How many stored responses of this URL, of any variant and of both schemes, satisfy `predicate`?"""
        keys = (Key(scheme, host, target) for scheme in (b"http", b"https"))
        return sum(predicate(stored) for key in keys for stored in self._by_key.get(key, _NOTHING))

    def _evict(self, stored: StoredResponse) -> None:
        self._remove(stored)
        self.evicted += 1

    def _remove(self, stored: StoredResponse) -> None:
        held = tuple(other for other in self._by_key[stored.key] if other is not stored)
        if held:
            self._by_key[stored.key] = held
        else:
            del self._by_key[stored.key]
        del self._queue[stored]
        self.bytes -= stored.size_bytes


def _age_order(stored: StoredResponse) -> tuple[int, int]:
    return stored.position, stored.start
