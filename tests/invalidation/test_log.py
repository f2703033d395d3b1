"""The log against a list of all entries ever appended, and against the cases that are easy to get wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.caching.stored import Key
from edgecache.caching.verdict import CLEAN, Clean, HardCovered, SoftCovered, Verdict
from edgecache.invalidation.entry import Cause, Entry
from edgecache.invalidation.log import SOFT_PER_SELECTOR, InvalidationLog
from edgecache.invalidation.selectors import AllSelector, Selector, UrlSelector

A, B, C = (Key(b"http", b"h", b"/" + name) for name in (b"a", b"b", b"c"))
URL_A, URL_B, URL_C = (UrlSelector(key.host, key.target) for key in (A, B, C))
ALL = AllSelector()


def covers(selector: Selector, key: Key) -> bool:
    return isinstance(selector, AllSelector) or (selector.host, selector.target) == (key.host, key.target)


def naive_verdict(entries: list[Entry], key: Key, position: int) -> Verdict:
    """What the rules say, by looking at every entry ever appended."""
    covering = [entry for entry in entries if entry.position > position and covers(entry.selector, key)]
    hard = [entry.position for entry in covering if not entry.soft]
    if hard:
        return HardCovered(max(hard))
    if not covering:
        return CLEAN
    return SoftCovered(max(entry.position for entry in covering), covering[0].time)


def log_of(*appends: tuple[Selector, bool, float], limit: int = 1000) -> InvalidationLog:
    log = InvalidationLog(limit)
    for selector, soft, now in appends:
        log.append([selector], soft=soft, now=now, cause=Cause.API)
    return log


HARD, SOFT = False, True


@pytest.mark.parametrize(
    "appends, key, position, verdict",
    [
        ([], A, 0, CLEAN),
        ([(URL_A, HARD, 10)], A, 0, HardCovered(1)),
        ([(URL_A, HARD, 10)], A._replace(scheme=b"https"), 0, HardCovered(1)),
        ([(URL_A, HARD, 10)], A, 1, CLEAN),
        ([(URL_A, HARD, 10)], B, 0, CLEAN),
        ([(ALL, HARD, 10)], B, 0, HardCovered(1)),
        ([(URL_A, SOFT, 10)], A, 0, SoftCovered(1, 10)),
        # A later soft purge does not extend the windows of what the first made stale ...
        ([(URL_A, SOFT, 10), (URL_A, SOFT, 20)], A, 0, SoftCovered(2, 10)),
        # ... but what was fetched between the two is stale since the second.
        ([(URL_A, SOFT, 10), (URL_A, SOFT, 20)], A, 1, SoftCovered(2, 20)),
        ([(URL_A, SOFT, 10), (ALL, SOFT, 20)], A, 0, SoftCovered(2, 10)),
        ([(ALL, SOFT, 10), (URL_A, SOFT, 20)], A, 0, SoftCovered(2, 10)),
        ([(ALL, SOFT, 10), (URL_A, SOFT, 20)], A, 1, SoftCovered(2, 20)),
        ([(URL_A, SOFT, 10), (ALL, SOFT, 20)], A, 1, SoftCovered(2, 20)),
        # Edge time was moved back between them: the first one's time counts all the same.
        ([(URL_A, SOFT, 20), (ALL, SOFT, 10)], A, 0, SoftCovered(2, 20)),
        ([(ALL, SOFT, 20), (URL_A, SOFT, 10)], A, 0, SoftCovered(2, 20)),
        # Hard beats soft in either order, within a selector and between two.
        ([(URL_A, SOFT, 10), (URL_A, HARD, 20)], A, 0, HardCovered(2)),
        ([(URL_A, HARD, 10), (URL_A, SOFT, 20)], A, 0, HardCovered(1)),
        ([(URL_A, HARD, 10), (URL_A, SOFT, 20)], A, 1, SoftCovered(2, 20)),
        ([(URL_A, HARD, 10), (ALL, SOFT, 20)], A, 0, HardCovered(1)),
        ([(ALL, SOFT, 10), (URL_A, HARD, 20)], A, 0, HardCovered(2)),
        ([(ALL, HARD, 10), (URL_A, SOFT, 20)], A, 0, HardCovered(1)),
        ([(ALL, HARD, 10), (URL_A, SOFT, 20)], A, 1, SoftCovered(2, 20)),
        ([(ALL, HARD, 10), (URL_A, HARD, 20)], A, 0, HardCovered(2)),
    ],
)
def test_verdict(appends, key, position, verdict):
    assert log_of(*appends).verdict(key, position) == verdict


def test_one_write_has_consecutive_positions_and_returns_the_last():
    log = InvalidationLog(1000)
    assert log.append([URL_A, URL_B, URL_A], soft=False, now=1, cause=Cause.API) == log.head == 3
    assert log.append([], soft=False, now=2, cause=Cause.API) == log.head == 3
    assert log.append([ALL], soft=True, now=3, cause=Cause.CLOCK) == log.head == 4
    assert log.verdict(A, 0) == HardCovered(3)
    assert log.verdict(B, 2) == SoftCovered(4, 3)
    assert (log.by_cause[Cause.API], log.by_cause[Cause.CLOCK], log.by_cause[Cause.RESET]) == (3, 1, 0)


appended = st.lists(
    st.tuples(st.sampled_from([URL_A, URL_B, URL_C, ALL]), st.booleans(), st.integers(0, 50).map(float)), max_size=SOFT_PER_SELECTOR - 4
)


@given(appended)
def test_agrees_with_the_list_of_all_entries(appends):
    log = InvalidationLog(10_000)
    entries: list[Entry] = []
    for selector, soft, now in appends:
        position = log.append([selector], soft=soft, now=now, cause=Cause.API)
        entries.append(Entry(position, now, soft, selector, Cause.API))
        for key in (A, B, C):
            for fetched in range(position + 1):
                assert log.verdict(key, fetched) == naive_verdict(entries, key, fetched)


def severity(verdict: Verdict) -> tuple[int, float]:
    match verdict:
        case Clean():
            return 0, 0.0
        case SoftCovered(_, since):
            return 1, -since
        case HardCovered():
            return 2, 0.0


@given(appended, st.integers(1, 12))
def test_at_its_limit_it_may_purge_more_but_never_less(appends, limit):
    log = InvalidationLog(limit)
    entries: list[Entry] = []
    for selector, soft, now in appends:
        position = log.append([selector], soft=soft, now=now, cause=Cause.API)
        entries.append(Entry(position, now, soft, selector, Cause.API))
        assert log.held <= limit
        assert log.dropped <= log.head
        for key in (A, B, C):
            assert log.verdict(key, position) == CLEAN
            for fetched in range(position):
                verdict, naive = log.verdict(key, fetched), naive_verdict(entries, key, fetched)
                assert severity(verdict) >= severity(naive)
                if fetched >= log.dropped:
                    # Merging soft entries moves a time, it never makes hard what was soft, nor stale what was clean.
                    assert type(verdict) is type(naive)


def test_the_selector_least_recently_appended_to_is_dropped_first():
    log = log_of((URL_A, HARD, 1), (URL_B, HARD, 2), (URL_A, HARD, 3), (URL_C, HARD, 4), limit=2)
    assert log.dropped == 2
    assert log.verdict(A, 2) == HardCovered(3)
    assert log.verdict(A, 3) == CLEAN
    assert log.verdict(B, 1) == HardCovered(2)
    assert log.verdict(B, 2) == CLEAN
    assert log.verdict(Key(b"http", b"h", b"/never-purged"), 1) == HardCovered(2)
    assert log.verdict(Key(b"http", b"h", b"/never-purged"), 2) == CLEAN


@pytest.mark.parametrize("selector", [URL_A, ALL])
def test_soft_entries_of_one_selector_are_bounded_and_stay_soft(selector):
    count = 10 * SOFT_PER_SELECTOR
    log = log_of(*((selector, SOFT, float(now)) for now in range(1, count + 1)))
    assert log.held <= SOFT_PER_SELECTOR
    assert log.dropped == 0
    assert log.verdict(A, 0) == SoftCovered(count, 1.0)
    assert log.verdict(A, count // 2) == SoftCovered(count, 1.0)  # merged: stale for longer than it was
    assert log.verdict(A, count - 3) == SoftCovered(count, count - 2.0)  # a recent one is exact
    assert log.verdict(A, count) == CLEAN


def test_what_a_purge_of_everything_covers_is_freed_by_the_appends_that_follow():
    log = log_of(*((UrlSelector(b"h", b"/%d" % number), HARD, 1.0) for number in range(100)), (ALL, HARD, 2.0))
    for number in range(60):
        log.append([UrlSelector(b"h", b"/%d" % number)], soft=False, now=3.0, cause=Cause.API)
    assert log.held == 60
    assert log.dropped == 0


def test_one_write_larger_than_the_limit_covers_all_it_names():
    log = InvalidationLog(10)
    keys = [Key(b"http", b"h", b"/%d" % number) for number in range(50)]
    log.append([UrlSelector(key.host, key.target) for key in keys], soft=True, now=1, cause=Cause.API)
    assert log.held <= 10
    assert all(log.verdict(key, 0) != CLEAN for key in keys)
