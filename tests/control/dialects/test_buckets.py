"""Token buckets on edge time: when may the next call come?"""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.control.dialects.buckets import Bucket, Buckets, Rate

# A line of a table: at this time, so many are asked for, and so long one has to wait (None: taken).
Steps = list[tuple[float, float, float | None]]


@pytest.mark.parametrize(
    "rate, steps",
    [
        (Rate(2, 1), [(0, 1, None), (0, 1, None), (0, 1, 1.0), (0.25, 1, 0.75), (1, 1, None), (1, 1, 1.0)]),
        (Rate(2, 1), [(0, 2, None), (100, 2, None), (100, 1, 1.0)]),  # never more than it holds
        (Rate(2, 1), [(0, 3, math.inf), (0, 2, None)]),  # what never fits takes nothing
        (Rate(10, 5), [(0, 10, None), (0, 10, 2.0), (1, 10, 1.0), (1, 5, None)]),
        (Rate(25, 5 / 60), [(0, 25, None), (0, 1, 12.0), (12, 1, None)]),
        (Rate(1, 0), [(0, 1, None), (10**9, 1, math.inf)]),
        (Rate(2, 1), [(100, 2, None), (0, 1, 1.0), (1, 1, None)]),  # time was moved back: nothing is filled, nobody waits for ever
        (Rate(1, 10), [(0, 1, None), *((0.1 * step, 1, None) for step in range(1, 100))]),  # rounding refuses nobody
    ],
)
def test_takes(rate: Rate, steps: Steps) -> None:
    bucket = Bucket(rate, steps[0][0])
    for now, n, wait in steps:
        assert bucket.take(n, now) == (pytest.approx(wait) if wait is not None else None), (now, n)


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 12)), max_size=40))
def test_no_more_than_the_rate_is_ever_taken(steps: list[tuple[int, int]]) -> None:
    """In milliseconds since the step before; a bucket of 10 that gets 4 a second."""
    bucket = Bucket(Rate(10, 4), 0)
    now, taken = 0.0, []
    for pause, n in steps:
        now += pause / 1000
        wait = bucket.take(n, now)
        if wait is None:
            taken.append((now, n))
        elif wait < math.inf:
            assert Bucket.take(bucket, n, now + wait - 1e-3) is not None
            assert bucket.take(n, now + wait + 1e-6) is None
            now += wait + 1e-6
            taken.append((now, n))
    for start, _ in taken:
        for end, _ in taken:
            if end >= start:
                assert sum(n for at, n in taken if start <= at <= end) <= 10 + 4 * (end - start) + 1e-3


def test_buckets_are_bounded_and_their_own() -> None:
    buckets = Buckets(2)
    rate = Rate(1, 1)
    assert buckets.get("a", rate, 0).take(1, 0) is None
    assert buckets.get("a", rate, 0).take(1, 0) is not None
    assert buckets.get("b", rate, 0).take(1, 0) is None
    buckets.get("a", rate, 0)
    buckets.get("c", rate, 0)  # b goes, which was not asked for longest
    assert len(buckets) == 2
    assert buckets.get("a", rate, 0).take(1, 0) is not None
    assert buckets.get("b", rate, 0).take(1, 0) is None
    assert buckets.get("a", Rate(2, 1), 0).take(2, 0) is None  # another plan, another bucket
    buckets.clear()
    assert not len(buckets)


def test_what_is_left_and_when_it_is_full() -> None:
    bucket = Bucket(Rate(10, 2), 0)
    assert (bucket.left(0), bucket.full_in(0)) == (10, 0)
    bucket.take(6, 0)
    assert (bucket.left(1), bucket.full_in(1)) == (6, 2)


def test_what_is_given_back_is_there_again() -> None:
    bucket = Bucket(Rate(10, 2), 0)
    bucket.take(6, 0)
    bucket.give_back(6, 0)
    assert bucket.left(0) == 10
    bucket.take(6, 0)
    bucket.give_back(6, 3)  # it was filled meanwhile, and is never more than full
    assert bucket.left(3) == 10
