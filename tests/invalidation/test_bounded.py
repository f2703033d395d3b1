"""The log stays bounded whatever is purged: purges of a great many distinct URLs, in memory and with a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from invalidationkit import ListStore, stored_at
from plainmodel import Steps, pause

from edgecache.caching.stored import Key
from edgecache.caching.verdict import CLEAN, HardCovered
from edgecache.invalidation.bans import Ban, parse_ban
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.journal import Journal
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.logfile import open_log
from edgecache.invalidation.selectors import BanSelector, KeySelector, PathSelector, PrefixSelector, Selector, TagSelector, UrlSelector
from edgecache.invalidation.sweeping import StoreSweeper

PURGES = int(os.environ.get("EDGECACHE_TEST_PURGES", "60000"))  # a million take a minute
LIMIT = 5000
FILE_BYTES = 256 * 1024
AT_ONCE = 100  # in one write

KINDS: dict[str, Callable[[int], Selector]] = {
    "url": lambda number: UrlSelector(b"h", b"/%d" % number),
    "key": lambda number: KeySelector(Key(b"http", b"h", b"/%d" % number)),
    "path*": lambda number: PathSelector(b"/%d" % number, wildcard=True),
    "prefix": lambda number: PrefixSelector(b"h", b"/%d" % number),
    "tag": lambda number: TagSelector(f"t{number}"),
}


class Purged:
    """A log at work: so many distinct selectors, and a store of a few responses."""

    def __init__(self, path: Path | None, kind: str, soft: bool) -> None:
        self.path, self.kind, self.soft = path, kind, soft
        self.log = InvalidationLog(LIMIT, file_bytes=FILE_BYTES)
        self.largest = 0
        if path is not None:
            file, recovered = open_log(path)
            self.log.recover(recovered)
            self.log.write_to(file)
        self.file = None if path is None else file
        self.store = ListStore(*(stored_at(0, f"http://h/none/{number}") for number in range(10)))
        self.sweeper = StoreSweeper(self.log, self.store, Journal(10), lambda: [], lambda: 0.0, pause, delay_s=0.0, budget=0.5)

    def purge(self, count: int, *, sweep_at: int) -> None:
        made = 0
        while made < count:
            selectors = [KINDS[self.kind](made + number) for number in range(AT_ONCE)]
            self.log.append(selectors, soft=self.soft, now=1.0, cause=Cause.API)
            made += AT_ONCE
            assert self.log.held <= LIMIT
            if self.file is not None:
                self.largest = max(self.largest, self.file.size)
            if sweep_at and self.log.held > sweep_at:
                Steps(self.sweeper.sweep()).finish()
                assert self.log.held == 0


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("kind", KINDS)
def test_in_memory_without_a_sweep_more_is_covered_and_never_less(kind: str, soft: bool) -> None:
    purged = Purged(None, kind, soft)
    count = PURGES // 10
    purged.purge(count, sweep_at=0)
    log = purged.log
    assert (log.held, log.head) == (LIMIT, count)
    assert log.dropped == count - LIMIT
    assert all(isinstance(log.judge(one), HardCovered) for one in purged.store.stored)
    new = stored_at(log.head, f"http://h/{count - 1}", tags=(f"t{count - 1}",))
    assert log.judge(new) == CLEAN
    older = stored_at(log.head - 1, f"http://h/{count - 1}", tags=(f"t{count - 1}",))
    assert log.judge(older) != CLEAN


def test_with_sweeps_nothing_is_covered_that_was_not_meant(tmp_path: Path) -> None:
    for path in (None, tmp_path / "log"):
        purged = Purged(path, "url", False)
        purged.purge(PURGES, sweep_at=LIMIT // 2)
        assert (purged.log.dropped, purged.log.head) == (0, PURGES)
        assert [purged.log.judge(one) for one in purged.store.stored] == [CLEAN] * 10
        if purged.file is not None:
            purged.file.close()


@pytest.mark.parametrize("sweep_at", [0, LIMIT // 2], ids=["never swept", "swept"])
def test_the_file_is_bounded_and_a_start_finds_what_was_there(tmp_path: Path, sweep_at: int) -> None:
    path = tmp_path / "log"
    purged = Purged(path, "url", False)
    purged.purge(PURGES, sweep_at=sweep_at)
    log, file = purged.log, purged.file
    assert file is not None
    record = 16 * 1024  # of one write
    assert purged.largest <= max(FILE_BYTES, 2 * LIMIT * 80) + record
    file.close()
    again = Purged(path, "url", False)
    assert (again.log.head, again.log.swept) == (log.head, log.swept)
    assert again.log.held <= LIMIT
    assert again.log.dropped == log.dropped == (0 if sweep_at else PURGES - LIMIT)
    for number in (0, 7, PURGES - LIMIT, PURGES - 1):
        key = Key(b"http", b"h", b"/%d" % number)
        for position in (log.dropped, log.swept, log.head - 1, log.head):
            assert again.log.verdict(key, position) == log.verdict(key, position)
    for one in purged.store.stored:
        assert again.log.judge(stored_at(0, one.key.url)) == log.judge(one)
    assert again.file is not None
    again.file.close()


def test_bans_are_bounded_by_a_limit_of_their_own() -> None:
    log = InvalidationLog(LIMIT, limit_bans=50)
    for number in range(1000):
        found = parse_ban(f"obj.http.x == {number}")
        assert isinstance(found, Ban)
        log.append([BanSelector(found)], soft=number % 2 == 0, now=1.0, cause=Cause.API)
        assert len(log.bans) <= 50
    assert (log.dropped, log.held) == (950, 0)
    assert log.judge(stored_at(949)) == HardCovered(950)
    assert log.judge(stored_at(950)) == CLEAN


def test_bans_with_the_same_words_are_one_when_they_are_hard() -> None:
    log = InvalidationLog(LIMIT, limit_bans=50)
    found = parse_ban("req.url ~ ^/a")
    assert isinstance(found, Ban)
    for _ in range(1000):
        log.append([BanSelector(found)], soft=False, now=1.0, cause=Cause.API)
    assert (len(log.bans), log.dropped) == (1, 0)
    assert log.judge(stored_at(998)) == HardCovered(1000)


def test_one_record_is_not_longer_than_a_start_would_believe(tmp_path: Path) -> None:
    from edgecache.invalidation.logfile import RECORD_BYTES, LogUnwritable

    purged = Purged(tmp_path / "log", "url", False)
    long = [UrlSelector(b"h", b"/" + b"x" * 1_000_000 + b"%d" % number) for number in range(17)]
    with pytest.raises(LogUnwritable, match=f"{RECORD_BYTES} are the most"):
        purged.log.append(long, soft=False, now=1.0, cause=Cause.API)
    assert purged.log.head == 0
    purged.log.append(long[:16], soft=False, now=1.0, cause=Cause.API)
    assert purged.file is not None
    purged.file.close()
    assert open_log(tmp_path / "log")[1].entries[-1].position == 16
