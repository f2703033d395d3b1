"""The memory tier against a naive model: exact accounting, never above its limit, never an older response in the place of a newer."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edgecache.caching.stored import OVERHEAD_BYTES, Key, StoredResponse
from edgecache.store.memory import MemoryStore

A, B = Key(b"http", b"h", b"/a"), Key(b"http", b"h", b"/b")
PLAIN: tuple[tuple[bytes, bytes | None], ...] = ()
GERMAN, FRENCH = (((b"accept-language", value),) for value in (b"de", b"fr"))


def stored(key: Key = A, position: int = 0, start: int = 0, vary=PLAIN, content: int = 0) -> StoredResponse:
    return StoredResponse(
        key=key,
        status=200,
        reason=b"OK",
        fields=[],
        vary=vary,
        body=(bytes(content),),
        request_time=0.0,
        response_time=0.0,
        offset_s=0.0,
        position=position,
        start=start,
        lifetime_s=60.0,
        initial_age_s=0.0,
    )


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


def test_the_longest_stored_makes_room():
    size = OVERHEAD_BYTES + len(A.target) + 100
    kept = store(limit_bytes=3 * size)
    responses = [stored(Key(b"http", b"h", b"/%d" % number), content=100) for number in range(5)]
    for response in responses:
        assert kept.put(response)
    assert list(kept.objects()) == responses[2:]
    assert figures(kept) == (3, 3 * size, 2)


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


def test_count_url_takes_every_variant_and_both_schemes():
    kept = store()
    secure = stored(A._replace(scheme=b"https"), 3)
    for response in (stored(A, 1), stored(A, 2, 0, GERMAN), secure, stored(B), stored(A._replace(host=b"other"))):
        kept.put(response)
    assert kept.count_url(b"h", b"/a", lambda response: True) == 3
    assert kept.count_url(b"h", b"/a", lambda response: response is secure) == 1
    assert kept.count_url(b"h", b"/nothing", lambda response: True) == 0


def order(response: StoredResponse) -> tuple[int, int]:
    return response.position, response.start


class AgainstModel(RuleBasedStateMachine):
    """The model is one list, in the order in which responses were put."""

    LIMIT, VARIANTS = 5 * OVERHEAD_BYTES, 2
    keys = st.sampled_from([A, B, A._replace(scheme=b"https")])

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore(self.LIMIT, self.VARIANTS)
        self.kept: list[StoredResponse] = []
        self.seen: list[StoredResponse] = []
        self.evicted = 0

    def model_put(self, new: StoredResponse) -> bool:
        same_key = [one for one in self.kept if one.key == new.key]
        twins = [one for one in same_key if one.vary == new.vary]
        if any(order(twin) > order(new) for twin in twins):
            return False
        if not twins and len(same_key) == self.VARIANTS:
            oldest = min(same_key, key=order)
            if order(new) < order(oldest):
                return False
            if new.size_bytes <= self.LIMIT:
                self.kept.remove(oldest)
                self.evicted += 1
        for twin in twins:
            self.kept.remove(twin)
        if new.size_bytes > self.LIMIT:
            return False
        while sum(one.size_bytes for one in self.kept) + new.size_bytes > self.LIMIT:
            self.kept.pop(0)
            self.evicted += 1
        self.kept.append(new)
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
        assert self.store.put(response) is self.model_put(response)

    @rule(data=st.data())
    def put_or_discard_what_was_seen_before(self, data):
        if not self.seen:
            return
        response = data.draw(st.sampled_from(self.seen))
        if data.draw(st.booleans()):
            assert self.store.put(response) is self.model_put(response)
        else:
            assert self.store.discard(response) is (response in self.kept)
            self.kept = [one for one in self.kept if one is not response]

    @rule()
    def clear(self):
        self.store.clear()
        self.kept = []

    @invariant()
    def agrees(self):
        assert figures(self.store) == (len(self.kept), sum(one.size_bytes for one in self.kept), self.evicted)
        assert self.store.bytes <= self.LIMIT
        assert set(self.store.objects()) == set(self.kept)
        for key in (A, B, A._replace(scheme=b"https")):
            candidates = self.store.candidates(key)
            assert set(candidates) == {one for one in self.kept if one.key == key}
            assert [order(one) for one in candidates] == sorted(map(order, candidates), reverse=True)


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
