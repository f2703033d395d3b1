"""The memory tier: exact accounting, never above its limit, never an older response in the place of a newer."""

from __future__ import annotations

import pytest
import storekit
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from storekit import FRENCH, GERMAN, PLAIN

from edgecache.caching.stored import OVERHEAD_BYTES, Key, StoredResponse
from edgecache.store.body import FileBody, MemoryBody
from edgecache.store.memory import FILE_BODY_BYTES, MemoryStore, memory_cost

A, B = Key(b"http", b"h", b"/a"), Key(b"http", b"h", b"/b")


def stored(key: Key = A, position: int = 0, start: int = 0, vary=PLAIN, content: int = 0) -> StoredResponse:
    return storekit.stored(key, position, start, vary, content, fields=[])


def in_file(key: Key = A, position: int = 0, length: int = 10**9) -> StoredResponse:
    return storekit.stored(key, position, body=FileBody(None, None, "", length, (), outlives=True), fields=[])


def store(limit_bytes: int = 1_000_000, variants: int = 100) -> MemoryStore:
    return MemoryStore(limit_bytes, variants)


def figures(kept: MemoryStore) -> tuple[int, int, int]:
    return kept.responses, kept.bytes, kept.evicted


@pytest.mark.parametrize(
    "first, second, replaced",
    [
        ((0, 0), (0, 1), True),
        ((0, 1), (1, 0), True),  # the position counts before the start
        ((0, 1), (0, 0), False),
        ((1, 0), (0, 1), False),
        ((1, 1), (1, 1), True),  # the same fetch with fields updated by a HEAD
    ],
)
def test_a_variant_is_replaced_by_a_newer_one_only(first, second, replaced):
    kept, older, newer = store(), stored(A, *first), stored(A, *second, content=5)
    assert kept.put(older)
    assert kept.put(newer) is replaced
    assert kept.candidates(A) == ((newer,) if replaced else (older,))
    assert figures(kept) == (1, (newer if replaced else older).size_bytes, 0)


def test_candidates_are_all_variants_newest_first_and_nothing_for_another_key():
    kept = store()
    responses = [stored(A, 2, 0, GERMAN), stored(A, 1, 9, FRENCH), stored(A, 2, 1, PLAIN)]
    for response in responses:
        assert kept.put(response)
    assert kept.candidates(A) == (responses[2], responses[0], responses[1])
    assert not kept.candidates(B)
    assert not kept.candidates(A._replace(scheme=b"https"))


def test_candidates_that_were_handed_out_do_not_change():
    kept, first = store(), stored(A, 0)
    kept.put(first)
    candidates = kept.candidates(A)
    kept.put(stored(A, 1))
    kept.put(stored(A, 1, 0, GERMAN))
    assert candidates == (first,)
    assert kept.candidates(A) is kept.candidates(A)


def test_beyond_the_variants_of_a_key_the_oldest_goes():
    kept = store(variants=2)
    german, french, plain = stored(A, 1, 0, GERMAN), stored(A, 2, 0, FRENCH), stored(A, 3)
    for response in (french, german, stored(B), plain):
        assert kept.put(response)
    assert kept.candidates(A) == (plain, french)
    assert not kept.put(german)  # it would be the one to go
    assert kept.put(stored(A, 3, 1, FRENCH))  # in the place of its own variant there is room
    assert (kept.responses, kept.evicted) == (3, 1)


def test_what_is_used_stays_and_the_rest_makes_room():
    gone: list[StoredResponse] = []
    size = OVERHEAD_BYTES + len(A.target) + 100
    kept = MemoryStore(3 * size, 100, gone.append)
    responses = [stored(Key(b"http", b"h", b"/%d" % number), content=100) for number in range(5)]
    for response in responses[:3]:
        assert kept.put(response)
    responses[0].hits = 2
    for response in responses[3:]:
        assert kept.put(response)
    assert set(kept.objects()) == {responses[0], *responses[3:]}
    assert gone == responses[1:3]
    assert figures(kept) == (3, 3 * size, 2)


def test_a_replaced_response_keeps_the_turn_and_the_uses_of_its_variant():
    size = OVERHEAD_BYTES + len(A.target)
    kept = store(limit_bytes=3 * size)
    old, new = stored(A, 0), stored(A, 1)
    assert kept.put(old)
    old.hits = 2
    assert kept.put(new)
    for number in range(5):
        kept.put(stored(Key(b"http", b"h", b"/%d" % number)))
    assert kept.candidates(A) == (new,)


def test_a_freshened_response_takes_the_place_of_that_very_one():
    kept, old, new, newer = store(), stored(A, 0), stored(A, 0), stored(A, 1)
    kept.put(old)
    old.hits = 3
    assert kept.swap(old, new)
    assert (kept.candidates(A), new.hits) == ((new,), 3)
    assert not kept.swap(old, newer)
    assert figures(kept) == (1, new.size_bytes, 0)


def test_content_in_a_file_costs_next_to_nothing_until_it_is_taken_in():
    kept, large = store(limit_bytes=10_000), in_file(length=50_000)
    assert memory_cost(large) == OVERHEAD_BYTES + len(A.target) + FILE_BODY_BYTES
    other = stored(B, content=1000)
    assert kept.put(large)
    assert kept.put(other)
    large.body = MemoryBody((bytes(1000),))
    large.size_bytes -= 49_000
    kept.weigh(large)
    assert figures(kept) == (2, large.size_bytes + other.size_bytes, 0)
    large.body = MemoryBody((bytes(9_000),))
    large.size_bytes += 8000
    kept.weigh(large)
    assert kept.bytes <= 10_000
    assert kept.evicted == 1


def test_what_is_larger_than_the_store_is_refused_and_its_older_variant_is_gone():
    kept = store(limit_bytes=OVERHEAD_BYTES + 100)
    older = stored(A, 1)
    assert kept.put(older)
    assert not kept.put(stored(A, 0, content=1000))
    assert kept.candidates(A) == (older,)
    assert not kept.put(stored(A, 2, content=1000))
    assert figures(kept) == (0, 0, 0)


def test_discard_removes_that_very_object():
    kept, first, second = store(), stored(A, 0), stored(A, 1)
    kept.put(first)
    kept.put(second)
    assert not kept.discard(first)
    assert kept.candidates(A) == (second,)
    assert kept.discard(second)
    assert not kept.discard(second)
    assert figures(kept) == (0, 0, 0)


def test_objects_can_be_walked_while_the_store_changes():
    kept = store()
    responses = [stored(Key(b"http", b"h", b"/%d" % number)) for number in range(4)]
    for response in responses:
        kept.put(response)
    walk = kept.objects()
    assert next(walk) is responses[0]
    kept.discard(responses[1])
    kept.put(stored(B))
    newer = stored(responses[2].key, 1)
    kept.put(newer)
    assert list(walk) == [newer, responses[3]]
    walk = kept.objects()
    kept.clear()
    assert list(walk) == []
    assert figures(kept) == (0, 0, 0)


def test_count_url_takes_every_variant_both_schemes_and_every_key():
    kept = store()
    secure, more = stored(A._replace(scheme=b"https"), 3), stored(A._replace(extra=b"more"))
    for response in (stored(A, 1), stored(A, 2, 0, GERMAN), secure, more, stored(B), stored(A._replace(host=b"other"))):
        kept.put(response)
    assert kept.count_url(b"h", b"/a", lambda response: True) == 4
    kept.discard(more)
    assert not kept._more_keys
    assert kept.count_url(b"h", b"/a", lambda response: response is secure) == 1
    assert kept.count_url(b"h", b"/nothing", lambda response: True) == 0


def order(response: StoredResponse) -> tuple[int, int]:
    return response.position, response.start


class AgainstModel(RuleBasedStateMachine):
    """The model is a dictionary. Which of them make room is not its business (test_eviction.py): only that as few as possible do."""

    LIMIT, VARIANTS = 5 * OVERHEAD_BYTES, 2
    KEYS = (A, B, A._replace(scheme=b"https"), A._replace(extra=b"more"))
    keys = st.sampled_from(KEYS)

    def __init__(self) -> None:
        super().__init__()
        self.gone: list[StoredResponse] = []
        self.store = MemoryStore(self.LIMIT, self.VARIANTS, self.gone.append)
        self.kept: dict[tuple[Key, object], StoredResponse] = {}
        self.seen: list[StoredResponse] = []
        self.evicted = 0

    def expected(self, new: StoredResponse) -> bool:
        """What is to happen, up to bytes that have to be made room for; those are taken from what the store says."""
        same_key = [one for one in self.kept.values() if one.key == new.key]
        twin = self.kept.get((new.key, new.vary))
        if twin is not None and order(twin) > order(new):
            return False
        full = twin is None and len(same_key) == self.VARIANTS
        oldest = min(same_key, key=order) if full else None
        if oldest is not None and order(new) < order(oldest):
            return False
        if new.size_bytes > self.LIMIT:
            self.kept.pop((new.key, new.vary), None)
            return False
        if oldest is not None:
            assert self.gone.pop(0) is oldest
            del self.kept[oldest.key, oldest.vary]
            self.evicted += 1
        self.kept[new.key, new.vary] = new
        while sum(one.size_bytes for one in self.kept.values()) > self.LIMIT:
            victim = self.gone.pop(0)
            assert victim is not new
            assert self.kept.pop((victim.key, victim.vary)) is victim
            self.evicted += 1
        return True

    @rule(
        key=keys,
        vary=st.sampled_from([PLAIN, GERMAN, FRENCH]),
        position=st.integers(0, 3),
        start=st.integers(0, 3),
        content=st.integers(0, 5 * OVERHEAD_BYTES),
    )
    def put(self, key, vary, position, start, content):
        response = stored(key, position, start, vary, content)
        self.seen.append(response)
        assert self.store.put(response) is self.expected(response)

    @rule(data=st.data())
    def put_discard_or_use_what_was_seen_before(self, data):
        if not self.seen:
            return
        response = data.draw(st.sampled_from(self.seen))
        match data.draw(st.sampled_from(["put", "discard", "use"])):
            case "put":
                assert self.store.put(response) is self.expected(response)
            case "discard":
                there = self.kept.get((response.key, response.vary)) is response
                assert self.store.discard(response) is there
                if there:
                    del self.kept[response.key, response.vary]
            case "use":
                response.hits += 1

    @rule()
    def clear(self):
        self.store.clear()
        self.kept = {}

    @invariant()
    def agrees(self):
        assert self.gone == []
        assert figures(self.store) == (len(self.kept), sum(one.size_bytes for one in self.kept.values()), self.evicted)
        assert self.store.bytes <= self.LIMIT
        assert set(self.store.objects()) == set(self.kept.values())
        assert set(self.store.of_url(b"h", b"/a")) == {one for one in self.kept.values() if one.key.target == b"/a"}
        for key in self.KEYS:
            candidates = self.store.candidates(key)
            assert set(candidates) == {one for one in self.kept.values() if one.key == key}
            assert [order(one) for one in candidates] == sorted(map(order, candidates), reverse=True)


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
