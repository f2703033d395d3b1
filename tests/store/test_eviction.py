"""S3-FIFO against a naive model, and what it is chosen for: what is used again stays, what is used once goes."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edgecache.store.eviction import GHOSTS_AT_LEAST, S3Fifo


def test_what_is_new_and_unused_goes_first_in_the_order_in_which_it_came():
    queue: S3Fifo[str] = S3Fifo(10)
    for name in "abcde":
        assert queue.admit(name, 2) == []
    assert queue.admit("f", 3) == ["a", "b"]
    assert (queue.bytes, len(queue)) == (9, 4)


def test_what_was_used_twice_outlives_a_scan():
    queue: S3Fifo[str] = S3Fifo(10)
    queue.admit("used", 1)
    queue.hit("used")
    queue.hit("used")
    gone = [name for number in range(100) for name in queue.admit(f"scan {number}", 1)]
    assert "used" in queue
    assert len(gone) == 91


def test_what_was_used_once_does_not():
    queue: S3Fifo[str] = S3Fifo(10)
    queue.admit("used", 1)
    queue.hit("used")
    gone = [name for number in range(20) for name in queue.admit(f"scan {number}", 1)]
    assert "used" in gone


def test_what_comes_again_soon_after_it_went_is_kept_longer():
    queue: S3Fifo[str] = S3Fifo(10)
    for name in ("again", *map(str, range(10))):
        queue.admit(name, 1)
    assert "again" not in queue
    queue.admit("again", 1)
    gone = [name for number in range(30) for name in queue.admit(f"scan {number}", 1)]
    assert "again" in queue
    assert "again" not in gone


def test_in_the_main_queue_each_use_is_one_more_round():
    queue: S3Fifo[str] = S3Fifo(2)
    for name in "ab":
        queue.admit(name, 1)
        queue.hit(name)
        queue.hit(name)
    assert queue.admit("c", 1) == ["a"]  # both went on to the main queue with no use left, which then had more than its share
    queue.hit("b")
    assert queue.admit("d", 1) == ["c"]
    assert "b" in queue


def test_a_key_that_is_there_keeps_its_place_and_takes_its_new_size():
    queue: S3Fifo[str] = S3Fifo(10)
    for name in "abc":
        queue.admit(name, 2)
    assert queue.admit("a", 8) == ["b"]
    assert (queue.bytes, "a" in queue, "c" in queue) == (10, True, True)
    assert queue.admit("a", 10) == ["c"]
    assert queue.admit("a", 1) == []
    assert queue.bytes == 1


@pytest.mark.parametrize("promoted", ["grows", "other", ""])
def test_what_grows_stays_wherever_it_is_and_the_others_make_room(promoted):
    queue: S3Fifo[str] = S3Fifo(10)
    queue.admit("grows", 5)
    queue.admit("other", 5)
    if promoted:
        queue.hit(promoted)
        queue.hit(promoted)
        queue.admit("third", 5)
    for size in (1, 5, 10):
        queue.admit("grows", size)
        assert "grows" in queue
        assert queue.bytes <= 10
    assert (list(queue._small) + list(queue._main), queue.bytes) == (["grows"], 10)


def test_what_is_larger_than_everything_is_refused():
    queue: S3Fifo[str] = S3Fifo(10)
    queue.admit("a", 10)
    with pytest.raises(ValueError, match="11 bytes"):
        queue.admit("b", 11)
    assert (queue.bytes, "a" in queue) == (10, True)


def test_what_is_removed_is_gone():
    queue: S3Fifo[str] = S3Fifo(10)
    queue.admit("a", 1)
    assert queue.remove("a")
    assert not queue.remove("a")
    assert (queue.bytes, len(queue)) == (0, 0)


def test_uses_may_be_counted_by_somebody_else():
    hits = dict.fromkeys("abcd", 0)
    queue: S3Fifo[str] = S3Fifo(10, lambda name: hits[name])
    queue.admit("a", 5)
    queue.admit("b", 5)
    hits["a"] = 2
    assert queue.admit("c", 5) == ["b"]
    hits["a"] = 3  # one more since it had its turn
    assert queue.admit("d", 5) == ["c"]


def test_what_takes_a_name_over_has_the_uses_so_far_and_its_own():
    hits = dict.fromkeys("abc", 0)
    queue: S3Fifo[str] = S3Fifo(10, lambda name: hits[name])
    queue.admit("a", 5)
    hits["a"] = 1
    queue.recount("a")
    hits["a"] = 1  # of the new one
    queue.admit("b", 5)
    assert queue.admit("c", 5) == ["b"]


def test_few_names_are_remembered():
    queue: S3Fifo[int] = S3Fifo(100 * GHOSTS_AT_LEAST)
    for number in range(50 * GHOSTS_AT_LEAST):
        queue.admit(number, 1)
    queue.admit(-1, 100 * GHOSTS_AT_LEAST)
    assert 0 < len(queue._ghosts) <= GHOSTS_AT_LEAST


class Model:
    """The same in the plainest words: lists, oldest first, of [name, size, uses]."""

    def __init__(self, limit: int) -> None:
        self.limit, self.main_limit = limit, limit - limit // 10
        self.small: list[list[int]] = []
        self.main: list[list[int]] = []
        self.ghosts: list[tuple[int, int]] = []

    def size(self) -> int:
        return sum(one[1] for one in self.small + self.main)

    def find(self, name: int) -> list[int] | None:
        return next((one for one in self.small + self.main if one[0] == name), None)

    def admit(self, name: int, size: int) -> list[int]:
        one = self.find(name)
        if one is not None:
            one[1] = size
            return self.make_room(0, name)
        again = name in [ghost for ghost, _ in self.ghosts]
        self.ghosts = [ghost for ghost in self.ghosts if ghost[0] != name]
        gone = self.make_room(size, None)
        (self.main if again else self.small).append([name, size, 0])
        return gone

    def make_room(self, size: int, spared: int | None) -> list[int]:
        gone = []
        while self.size() + size > self.limit:
            from_small, from_main = ([one for one in queue if one[0] != spared] for queue in (self.small, self.main))
            if from_small and (sum(one[1] for one in self.main) <= self.main_limit or not from_main):
                one = self.small.pop(0)
                if one[0] == spared:
                    self.small.append(one)
                elif one[2] >= 2:
                    self.main.append([one[0], one[1], 0])
                else:
                    gone.append(one[0])
                    self.ghosts = [ghost for ghost in self.ghosts if ghost[0] != one[0]] + [(one[0], one[1])]
                    while sum(ghost[1] for ghost in self.ghosts) > self.main_limit:
                        self.ghosts.pop(0)
            else:
                one = self.main.pop(0)
                if one[0] == spared or one[2]:
                    self.main.append([one[0], one[1], max(0, min(3, one[2]) - 1)])
                else:
                    gone.append(one[0])
        return gone


class AgainstModel(RuleBasedStateMachine):
    names = st.integers(0, 12)

    def __init__(self) -> None:
        super().__init__()
        self.totals = dict.fromkeys(range(13), 0)
        self.queue: S3Fifo[int] = S3Fifo(30)
        self.counted: S3Fifo[int] = S3Fifo(30, lambda name: self.totals[name])
        self.model = Model(30)

    @rule(name=names, size=st.integers(1, 30))
    def admit(self, name, size):
        if name not in self.queue:
            self.totals[name] = 0
        gone = self.model.admit(name, size)
        assert self.queue.admit(name, size) == gone
        assert self.counted.admit(name, size) == gone

    @rule(name=names, times=st.integers(1, 4))
    def hit(self, name, times):
        for _ in range(times):
            self.queue.hit(name)
        self.totals[name] += times
        one = self.model.find(name)
        if one is not None:
            one[2] += times

    @rule(name=names)
    def remove(self, name):
        one = self.model.find(name)
        assert self.queue.remove(name) is self.counted.remove(name) is (one is not None)
        self.model.small = [other for other in self.model.small if other is not one]
        self.model.main = [other for other in self.model.main if other is not one]

    @invariant()
    def agrees(self):
        for queue in (self.queue, self.counted):
            assert queue.bytes == self.model.size() <= 30
            assert list(queue._small) == [one[0] for one in self.model.small]
            assert list(queue._main) == [one[0] for one in self.model.main]


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
