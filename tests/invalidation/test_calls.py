"""Calls at the doors: what is appended, counted, noted and answered, and when nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from invalidationkit import ListStore, doors_of, stored_at
from plainmodel import GatedStore, Steps, awaited

from edgecache.caching.stored import Key, StoredResponse
from edgecache.caching.verdict import CLEAN, HardCovered
from edgecache.clock import Clock
from edgecache.invalidation.commit import GroupCommit
from edgecache.invalidation.doors import MOST_LISTED, Call, Doors
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.journal import Came
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.logfile import LogFile, LogUnwritable
from edgecache.invalidation.reading import BadItem, Item
from edgecache.invalidation.selectors import AllSelector, HostSelector, Kind, PrefixSelector, Selector, TagSelector, UrlSelector

A = UrlSelector(b"h", b"/a")
NEWS = TagSelector("news")


class MovingClock(Clock):
    """Real time goes on by a second whenever it is asked; edge time stands still."""

    def __init__(self, step_s: float = 0.0) -> None:
        super().__init__()
        self.up_s, self.step_s = 0.0, step_s

    def now(self) -> float:
        return 1000.0

    def monotonic(self) -> float:
        self.up_s += self.step_s
        return self.up_s


class Unwritable(LogFile):
    """A log file on a full disk."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, entries: object) -> None:
        raise LogUnwritable("the disk is full")


def call(*items: Item | Selector, **how: bool) -> Call:
    return Call("test", "127.0.0.1", items, **how)  # type: ignore[arg-type]


def doors(*stored: StoredResponse, clock: Clock | None = None, file: LogFile | None = None) -> tuple[Doors, InvalidationLog]:
    log = InvalidationLog(1000, file)
    return doors_of(log, ListStore(*stored), clock or MovingClock()), log


def some() -> list[StoredResponse]:
    return [stored_at(0), stored_at(0, "http://h/b", tags=("news",)), stored_at(0, "https://g/c", tags=("news",))]


@pytest.mark.parametrize(
    "items, matched",
    [
        ([A], 1),
        ([NEWS], 2),
        ([HostSelector(b"h")], 2),
        ([PrefixSelector(b"", b"/b"), NEWS], 2),
        ([A, NEWS], 3),
        ([AllSelector()], 3),
        ([Item(Kind.BAN, "obj.tags ~ ^ne && req.url ~ c")], 1),
        ([TagSelector("old")], 0),
        ([], 0),
    ],
)
@pytest.mark.parametrize("soft", [False, True])
async def test_a_dry_run_lists_and_appends_nothing_and_counting_says_the_same(
    items: list[Item | Selector], matched: int, soft: bool
) -> None:
    door, log = doors(*some())
    dry = await door.call(call(*items, soft=soft, dry_run=True))
    assert (dry.position, dry.matched, len(dry.responses), log.head) == (0, matched, matched, 0)
    (noted,) = door.journal.newest_first()
    assert (noted.came, noted.position, noted.matched, noted.selectors) == (Came.DRY_RUN, None, matched, dry.selectors)
    done = await door.call(call(*items, soft=soft, count=True))
    assert (done.position, done.matched, done.selectors) == (len(items), matched, dry.selectors)
    assert next(door.journal.newest_first()).matched == matched
    again = await door.call(call(*items, soft=soft, count=True))
    assert again.matched == (matched if soft else 0)


async def test_a_dry_run_lists_the_first_of_many_and_counts_all() -> None:
    door, _ = doors(*(stored_at(0, f"http://h/{number}") for number in range(MOST_LISTED + 5)))
    dry = await door.call(call(AllSelector(), dry_run=True))
    assert (dry.matched, len(dry.responses)) == (MOST_LISTED + 5, MOST_LISTED)


async def test_who_counts_gives_up_after_a_while_and_the_purge_counts_all_the_same() -> None:
    door, log = doors(*some(), clock=MovingClock(step_s=6.0))
    assert (await door.call(call(NEWS, count=True))).matched is None
    assert (await door.call(call(NEWS, dry_run=True))).matched is None
    assert log.verdict(Key(b"http", b"h", b"/b"), 0, tags=["news"]) == HardCovered(1)


@pytest.mark.parametrize(
    "items, how, said",
    [
        ([A, Item(Kind.URL, "h/a")], {}, "not a full URL"),
        ([Item(Kind.TAG, "a b"), A], {}, "separates tags"),
        ([Item(Kind.BAN, "req.url ~")], {}, "column"),
        ([A], {"site": "shop"}, "there is no site 'shop'"),
        ([Item(Kind.BAN, "req.url ~ a")], {"refetch": True}, "refetch cannot be had with a ban"),
        ([A, Item(Kind.PREFIX, "/a")], {"refetch": True}, "refetch cannot be had with a prefix"),
        ([A, PrefixSelector(b"", b"/")], {"refetch": True, "dry_run": True}, "refetch cannot be had with a prefix"),
    ],
)
async def test_a_list_with_one_that_is_none_does_nothing_and_is_noted(
    items: list[Item | Selector], how: dict[str, bool], said: str
) -> None:
    door, log = doors(*some())
    with pytest.raises(BadItem) as refused:
        await door.call(call(*items, **how))
    assert said in refused.value.sentence
    (noted,) = door.journal.newest_first()
    assert (noted.came, noted.sentence, noted.position, log.head) == (Came.REFUSED, refused.value.sentence, None, 0)
    assert len(noted.given) == len(items)


async def test_what_cannot_be_written_is_not_acknowledged() -> None:
    door, log = doors(*some(), file=Unwritable())
    woken: list[int] = []
    door.appended = lambda: woken.append(1)
    with pytest.raises(LogUnwritable):
        await door.call(call(A, NEWS))
    (noted,) = door.journal.newest_first()
    assert (noted.came, noted.sentence, noted.position, log.head, woken) == (Came.FAILED, "the disk is full", None, 0, [])
    assert [log.judge(one) for one in some()] == [CLEAN] * 3
    assert door.invalidate_now([A], soft=False, cause=Cause.RESPONSE).position == 1
    assert woken == [1]


async def test_a_long_list_is_read_in_turn_with_others_and_appended_at_once() -> None:
    door, log = doors(clock=MovingClock(1.0))
    items = [Item(Kind.BAN, f"req.url ~ ^/{number}") for number in range(50)]
    reading = asyncio.get_running_loop().create_task(door.call(call(*items)))
    heads = []
    while not reading.done():
        await asyncio.sleep(0)
        heads.append(log.head)
    assert heads.count(0) >= len(items) - 1
    assert {*heads} == {0, 50}
    with pytest.raises(BadItem):
        await door.call(call(*items, Item(Kind.BAN, "nonsense")))
    assert log.head == 50


async def test_who_waits_for_the_disk_may_leave_and_the_entry_counts() -> None:
    log = InvalidationLog(100)
    commit = GroupCommit(lambda: None, lambda: log.head)
    blocked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    commit.durable = lambda position: blocked  # type: ignore[method-assign,assignment,return-value]
    door = doors_of(log, ListStore(*some()), MovingClock(), commit)
    woken: list[int] = []
    door.appended = lambda: woken.append(1)
    waiting = asyncio.get_running_loop().create_task(door.call(call(A)))
    while not log.head:
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (log.verdict(Key(b"http", b"h", b"/a"), 0), woken) == (HardCovered(1), [1])


async def test_matched_is_exact_whatever_comes_between() -> None:
    """Two purges of one URL, and one of its host, are appended before the first has counted; the response is looked at in between."""
    store, log = GatedStore(), InvalidationLog(100)
    store.put(stored_at(0))
    store.put(stored_at(0, "https://h/a"))
    door = doors_of(log, store, MovingClock())
    running = [Steps(door.call(call(one))) for one in (A, A, A)]
    for one in running:
        one.step()
        log.judge(store.held[Key(b"http", b"h", b"/a"), ()])
    assert [one.finish().matched for one in reversed(running)] == [0, 0, 2]


async def test_matched_is_exact_for_what_was_tested_further_than_the_log_remembers() -> None:
    log = InvalidationLog(2)
    old = stored_at(0)
    door = doors_of(log, ListStore(old), MovingClock())
    for number in range(5):
        log.append([UrlSelector(b"h", b"/%d" % number)], soft=False, now=1.0, cause=Cause.API)
        log.judge(old)
    assert log.dropped == 3
    assert (await door.call(call(A))).matched == 1


async def test_only_what_is_of_the_site() -> None:
    door, log = doors(*some())
    log.site_of = lambda host: "default" if host == b"g" else "other"
    assert (await door.call(call(Item(Kind.TAG, "news"), site="default", count=True))).matched == 1  # type: ignore[arg-type]
    assert (await door.call(call(Item(Kind.URL, "http://h/a"), site="default"))).matched == 0  # type: ignore[arg-type]


# ---- Refetching ----


@pytest.mark.parametrize(
    "items, stored, urls",
    [
        ([A], ["http://h/a"], []),
        ([UrlSelector(b"h", b"/new")], [], ["http://h/new"]),
        ([A, UrlSelector(b"h", b"/new")], ["http://h/a"], ["http://h/new"]),
        ([NEWS], ["http://h/b", "https://g/c"], []),
        ([AllSelector()], ["http://h/a", "http://h/b", "https://g/c"], []),
    ],
)
async def test_what_is_fetched_again(items: list[Selector], stored: list[str], urls: list[str]) -> None:
    door, _ = doors(*some())
    found: list[list[str]] = []
    door.refetch = lambda responses, keys: found.append([one.key.url for one in responses] + ["|"] + [key.url for key in keys])
    await door.call(call(*items, refetch=True))
    assert found == [[*stored, "|", *urls]]
    await door.call(call(*items))
    assert len(found) == 1


async def test_how_many_are_fetched_again_is_bounded_and_said() -> None:
    door, _ = doors(*(stored_at(0, f"http://h/{number}") for number in range(MOST_LISTED + 5)))
    found: list[int] = []
    door.refetch = lambda responses, keys: found.append(len(responses))
    outcome = await door.call(call(AllSelector(), refetch=True))
    assert found == [MOST_LISTED]
    assert outcome.hints == (f"only {MOST_LISTED} of the stored responses are fetched again",)


async def test_a_ban_is_counted_at_its_own_time() -> None:
    """Time goes on while the disk is waited for: what the ban says of ages is as of its append."""
    times = iter([1000.0] * 3 + [5000.0] * 20)
    clock = MovingClock()
    clock.now = lambda: next(times)  # type: ignore[method-assign]
    door, _ = doors(stored_at(0, response_time=990.0), clock=clock)
    assert (await door.call(call(Item(Kind.BAN, "obj.age > 1h"), count=True))).matched == 0


def test_the_helpers_of_these_tests_wait_at_gates_only() -> None:
    predicate: Callable[[StoredResponse], bool] = lambda one: True  # noqa: E731
    store = GatedStore()
    store.put(stored_at(0))
    assert awaited(store.count_urls([(b"h", b"/a")], predicate)) == 1
