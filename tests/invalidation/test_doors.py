"""The doors: counted before the append, appended once, and what an unsafe request may invalidate."""

import pytest
from invalidationkit import ListStore, doors_of, stored_at

from edgecache.caching.stored import Key, StoredResponse
from edgecache.caching.verdict import HardCovered, SoftCovered
from edgecache.clock import Clock
from edgecache.invalidation.doors import Call, Doors
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.selectors import AllSelector, UrlSelector
from edgecache.invalidation.unsafe import selectors_after_unsafe

A = Key(b"http", b"h", b"/a")
URL_A, URL_B = UrlSelector(b"h", b"/a"), UrlSelector(b"h", b"/b")


class FixedClock(Clock):
    def now(self) -> float:
        return 1000.0


def stored(key: Key, position: int = 0) -> StoredResponse:
    return stored_at(position, key.url)


def doors(*responses: StoredResponse) -> tuple[Doors, InvalidationLog]:
    log = InvalidationLog(1000)
    return doors_of(log, ListStore(*responses), FixedClock()), log


def call(*selectors, soft=False):
    return Call("test", "127.0.0.1", selectors, soft=soft)


async def test_matched_counts_variants_and_schemes_before_the_append():
    door, log = doors(stored(A), stored(A), stored(A._replace(scheme=b"https")), stored(A._replace(target=b"/b")))
    outcome = await door.call(call(*[URL_A], soft=False))
    assert (outcome.position, outcome.selectors, outcome.matched) == (1, (URL_A,), 3)
    assert log.verdict(A, 0) == HardCovered(1)


async def test_what_is_hard_covered_does_not_exist_and_is_not_matched_again():
    door, _ = doors(stored(A))
    assert (await door.call(call(*[URL_A], soft=True))).matched == 1
    assert (await door.call(call(*[URL_A], soft=True))).matched == 1
    assert (await door.call(call(*[URL_A], soft=False))).matched == 1
    assert (await door.call(call(*[URL_A], soft=False))).matched == 0


@pytest.mark.parametrize(
    "selectors, position, matched",
    [
        ([], 0, 0),
        ([URL_B], 1, 0),
        ([URL_A, URL_A], 1, 1),  # each once
        ([URL_A, URL_B], 2, 1),
        ([AllSelector()], 1, None),
        ([URL_A, AllSelector()], 2, None),
    ],
)
async def test_lists_are_one_write(selectors, position, matched):
    door, log = doors(stored(A))
    outcome = await door.call(call(*selectors))
    assert (outcome.position, outcome.matched) == (position, matched)
    assert outcome.selectors == tuple(dict.fromkeys(selectors))
    assert log.by_cause[Cause.API] == position


def test_soft_entries_carry_edge_time():
    door, log = doors()
    door.invalidate_now([AllSelector()], soft=True, cause=Cause.CLOCK)
    assert log.verdict(A, 0) == SoftCovered(1, 1000.0)


@pytest.mark.parametrize("status", [200, 201, 204, 299, 301, 303, 304, 399])
def test_a_successful_unsafe_request_invalidates_its_target(status):
    door, log = doors(stored(A))
    outcome = door.invalidate_after_unsafe(A, status, [])
    assert outcome is not None
    assert (outcome.position, outcome.selectors, outcome.matched) == (1, (URL_A,), None)
    assert log.by_cause[Cause.RESPONSE] == 1


@pytest.mark.parametrize("status", [100, 101, 199, 400, 404, 412, 500, 599, 999])
def test_a_failed_unsafe_request_invalidates_nothing(status):
    door, log = doors(stored(A))
    assert door.invalidate_after_unsafe(A, status, [b"/b"]) is None
    assert log.head == 0


@pytest.mark.parametrize(
    "reference, also",
    [
        (b"/b", b"/b"),
        (b"http://h/b", b"/b"),
        (b"HTTP://H:80/b#part", b"/b"),
        (b"//h/b", b"/b"),
        (b"http://h", b"/"),
        (b"http://h?q", b"/?q"),
        (b"c", b"/dir/c"),
        (b"c?x=1", b"/dir/c?x=1"),
        (b"./c", b"/dir/c"),
        (b"../c", b"/c"),
        (b"../../../c/.", b"/c/"),
        (b"..", b"/"),
        (b"?", b"/dir/page?"),
        (b"?y", b"/dir/page?y"),
        (b"/b?", b"/b?"),
        (b"/b;", b"/b;"),
        (b"//h//x//y", b"//x//y"),
        (b"/caf\xc3\xa9/\xff", b"/caf\xc3\xa9/\xff"),
        (b"/%7Eb", b"/%7Eb"),
        (b"", b"/dir/page?q"),
        (b"#part", b"/dir/page?q"),
        # Of another origin, or nothing that could be stored.
        (b"https://h/b", None),
        (b"http://h:81/b", None),
        (b"//other/b", None),
        (b"http://h.other/b", None),
        (b"http://other@h/b", None),
        (b"http:b", None),
        (b"mailto:h", None),
        (b"javascript:alert(1)", None),
        (b"http://", None),
        (b"http://[/b", None),
        (b"http://h\\@other/b", None),
        (b"http://h:99999/b", None),
    ],
)
def test_location_and_content_location_of_the_same_origin(reference, also):
    key = Key(b"http", b"h", b"/dir/page?q")
    own = UrlSelector(b"h", b"/dir/page?q")
    expected = [own] if also in (None, own.target) else [own, UrlSelector(b"h", also)]
    assert selectors_after_unsafe(key, 201, [reference]) == expected


def test_relative_references_of_a_target_that_is_no_path():
    assert selectors_after_unsafe(Key(b"http", b"h", b"*"), 200, [b"b"]) == [UrlSelector(b"h", b"*"), UrlSelector(b"h", b"/b")]


def test_default_port_of_the_scheme_of_the_key():
    key = Key(b"https", b"h", b"/a")
    assert selectors_after_unsafe(key, 200, [b"https://h:443/b", b"https://h:80/b"]) == [URL_A, URL_B]
