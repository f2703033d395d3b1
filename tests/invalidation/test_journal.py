"""The journal: bounded, the edge's own doings apart, and never a part of the log."""

from __future__ import annotations

import tracemalloc

import pytest
from invalidationkit import ListStore, doors_of, stored_at

from edgecache.clock import Clock
from edgecache.invalidation.doors import Call
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.journal import Came, Journal, Noted
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.selectors import AllSelector, TagSelector, UrlSelector


def noted(journal: Journal, *, own: bool = False, first: int = 0, position: int | None = None, matched: int | None = None) -> Noted:
    one = Noted(journal.next_number(), 0.0, "test", "", [], Came.DONE, own=own, matched=matched)
    one.first_position, one.position = first, position
    journal.note(one)
    return one


def numbers(journal: Journal, *, own: bool = False) -> list[int]:
    return [one.number for one in journal.newest_first(own=own)]


def test_the_oldest_goes() -> None:
    journal = Journal(3)
    for _ in range(5):
        noted(journal)
    assert (len(journal), numbers(journal)) == (3, [5, 4, 3])


def test_the_edges_own_doings_are_apart_and_neither_pushes_out_the_other() -> None:
    journal = Journal(2)
    for own in (False, True, True, True, False, True):
        noted(journal, own=own)
    assert numbers(journal) == [5, 1]
    assert numbers(journal, own=True) == [6, 5, 4, 1]


def test_a_journal_of_nothing() -> None:
    journal = Journal(0)
    noted(journal, first=1, position=1)
    assert (len(journal), numbers(journal, own=True), journal.at(1)) == (0, [], None)


def listing(journal: Journal, items: int, *, own: bool = False) -> None:
    urls = [f"http://h/{number:060}" for number in range(items)]
    selectors = tuple(UrlSelector(b"h", url[8:].encode()) for url in urls)
    given = [("url", url) for url in urls]
    journal.note(Noted(journal.next_number(), 0.0, "test", "", given, Came.DONE, own=own, selectors=selectors))


def test_long_lists_are_bounded_in_memory_and_the_latest_call_stays() -> None:
    tracemalloc.start()
    journal = Journal(1000, 2**20)
    for _ in range(100):
        listing(journal, 200)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 5 <= len(journal) < 20
    assert held < 1.5 * 2**20
    listing(journal, 1, own=True)
    listing(journal, 10_000)
    assert numbers(journal, own=True) == [102, 101]
    listing(journal, 1)
    assert numbers(journal) == [103], "what was too long alone goes for the next"
    journal.clear()
    for _ in range(3):
        listing(journal, 1)
    assert numbers(journal) == [106, 105, 104]


@pytest.mark.parametrize("position, number", [(0, None), (1, 1), (2, 2), (4, 2), (5, 3), (6, None)])
def test_which_call_appended_an_entry(position: int, number: int | None) -> None:
    journal = Journal(10)
    noted(journal, first=1, position=1)
    noted(journal, first=2, position=4)
    noted(journal, own=True, first=5, position=5)
    noted(journal, first=6, position=5)  # appended nothing
    noted(journal)
    found = journal.at(position)
    assert (None if found is None else found.number) == number


def test_calls_that_nobody_has_counted() -> None:
    journal = Journal(10)
    for position, matched in ((1, None), (2, 0), (3, None), (4, None), (None, None)):
        noted(journal, first=position or 0, position=position, matched=matched)
    noted(journal, own=True, first=2, position=2)
    assert [one.number for one in journal.uncounted(3)] == [1, 3]


def test_emptied_it_counts_on_and_the_log_is_as_it_was() -> None:
    journal = Journal(10)
    noted(journal)
    noted(journal, own=True)
    journal.clear()
    assert (len(journal), numbers(journal, own=True)) == (0, [])
    assert noted(journal).number == 3


async def test_what_is_in_it() -> None:
    log = InvalidationLog(100)
    doors = doors_of(log, ListStore(stored_at(0)), Clock())
    await doors.call(Call("api", "127.0.0.1", [UrlSelector(b"h", b"/a"), TagSelector("news")], soft=True, vendor="acme"))
    await doors.invalidate([AllSelector()], soft=False, cause=Cause.RESET)
    doors.refuse(Call("PURGE", "10.0.0.1", [UrlSelector(b"h", b"/b")]), "not allowed from 10.0.0.1")
    refused, call = doors.journal.newest_first()
    assert (call.number, call.door, call.who, call.vendor, call.soft, call.came) == (1, "api", "127.0.0.1", "acme", True, Came.DONE)
    assert call.given == [("url", "http://h/a"), ("tag", "news")]
    assert (call.first_position, call.position, call.matched, call.at_least) == (1, 2, None, False)
    assert (refused.came, refused.position, refused.sentence) == (Came.REFUSED, None, "not allowed from 10.0.0.1")
    own = next(one for one in doors.journal.newest_first(own=True) if one.own)
    assert (own.door, own.position, own.came, own.selectors) == ("reset", 3, Came.DONE, (AllSelector(),))
    assert log.head == 3
