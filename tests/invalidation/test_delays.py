"""Delayed invalidations: when they come, and that neither a crash nor a damaged file takes one away unseen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invalidationkit import ListStore, doors_of, stored_at
from wirekit import StandingClock

from edgecache.invalidation.bans import Ban, parse_ban
from edgecache.invalidation.delayfile import MAGIC, SPARE_BYTES, DelayFile, Waiting, open_delays
from edgecache.invalidation.delays import MOST, Delays
from edgecache.invalidation.doors import Call
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.logfile import Files, LogUnwritable
from edgecache.invalidation.selectors import AllSelector, BanSelector, HostSelector, Selector, TagSelector, UrlSelector


def call(*selectors: Selector, soft: bool = False) -> Call:
    return Call("fastly", "127.0.0.1", selectors, soft=soft, vendor="fastly")


A, B, C = (UrlSelector(b"h", path) for path in (b"/a", b"/b", b"/c"))


class World:
    """Delays over a log of their own, which tell what was appended."""

    def __init__(self, path: Path | None = None, files: Files | None = None) -> None:
        self.clock = StandingClock()
        self.log = InvalidationLog(1000)
        self.doors = doors_of(self.log, ListStore(stored_at(0)), self.clock)
        file, waiting, self.wrong = (None, [], None) if path is None else open_delays(path, files)
        self.file = file
        self.delays = Delays(self.doors, self.clock, file=file, waiting=waiting)

    @property
    def appended(self) -> list[tuple[Selector, bool]]:
        calls = reversed(list(self.doors.journal.newest_first()))
        return [(selector, noted.soft) for noted in calls if noted.position for selector in noted.selectors]

    async def pass_time(self, seconds: float) -> None:
        """As the sweeper does it."""
        self.clock.pass_time(seconds)
        if self.delays.deadline < self.clock.monotonic():
            await self.delays.append_due()


async def test_they_come_in_the_order_in_which_they_are_due() -> None:
    on = World()
    await on.delays.add(call(A), 5)
    number = await on.delays.add(call(B, soft=True), 2)
    await on.delays.add(call(C), 2)
    assert (on.delays.next_due, len(on.delays)) == (on.clock.now() + 2, 3)
    await on.pass_time(1.9)
    assert on.appended == []
    assert on.delays.is_pending(number)
    await on.pass_time(0.1)
    assert on.appended == [(B, True), (C, False)]
    assert not on.delays.is_pending(number)
    await on.pass_time(100)
    assert on.appended[2:] == [(A, False)]
    assert on.delays.next_due is None


async def test_time_travel_brings_them_and_no_step_back_keeps_them_longer() -> None:
    on = World()
    await on.delays.add(call(A), 3600)
    on.clock.advance(3600)
    await on.delays.append_due()
    assert on.appended == [(A, False)]
    await on.delays.add(call(B), 5)
    on.clock.reset()  # an hour back
    await on.delays.append_due()
    assert len(on.appended) == 1
    await on.pass_time(5)
    assert on.appended[1:] == [(B, False)]


async def test_reset_drops_them(tmp_path: Path) -> None:
    on = World(tmp_path / "delayed.log")
    await on.delays.add(call(A), 5)
    on.delays.clear()
    await on.pass_time(10)
    assert on.appended == []
    assert not len(World(tmp_path / "delayed.log").delays)


async def test_too_many_make_the_oldest_come_early() -> None:
    on = World()
    for number in range(MOST + 1):
        await on.delays.add(call(UrlSelector(b"h", b"/%d" % number)), 1000)
    await on.pass_time(0.1)
    assert on.appended == [(UrlSelector(b"h", b"/0"), False)]


async def test_a_log_that_cannot_be_written_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    on = World()
    await on.delays.add(call(A), 1)

    def full(*_: object, **__: object) -> int:
        raise LogUnwritable("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(on.log, "append", full)
        await on.pass_time(1)
        assert on.delays.deadline > on.clock.monotonic(), "not in every sweep"
    await on.pass_time(6)
    assert on.appended == [(A, False)]


# -- The file -----------------------------------------------------------------------------------------------------------------------------


BAN = parse_ban("obj.http.content-type ~ ^image/")
assert isinstance(BAN, Ban)
SELECTORS = (A, AllSelector("shop"), TagSelector("t\udcff"), HostSelector(b"h:8080"), BanSelector(BAN))


async def test_they_survive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "delayed.log"
    first = World(path)
    await first.delays.add(call(*SELECTORS, soft=True), 5)
    await first.delays.add(call(B), 1)
    await first.pass_time(1)
    again = World(path)
    assert (again.wrong, len(again.delays)) == (None, 1)
    await again.delays.add(call(C), 1)
    await again.pass_time(5)
    assert {(one.value, soft) for one, soft in again.appended} == {(one.value, True) for one in SELECTORS} | {(C.value, False)}
    assert path.read_bytes() == MAGIC, "as soon as nothing waits it is empty"


@pytest.mark.parametrize("cut", range(1, 60))
async def test_a_torn_end_was_never_acknowledged(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "delayed.log"
    first = World(path)
    await first.delays.add(call(A), 5)
    size = path.stat().st_size
    await first.delays.add(call(B), 5)
    os.truncate(path, max(size, path.stat().st_size - cut))
    again = World(path)
    assert (again.wrong, len(again.delays)) == (None, 1)
    await again.delays.add(call(C), 5)
    assert len(World(path).delays) == 2


@pytest.mark.parametrize("at", [0, len(MAGIC), len(MAGIC) + 5, len(MAGIC) + 14, len(MAGIC) + 30])
async def test_damage_is_told(tmp_path: Path, at: int) -> None:
    path = tmp_path / "delayed.log"
    first = World(path)
    await first.delays.add(call(A), 5)
    await first.delays.add(call(B), 5)
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)
    again = World(path)
    assert again.wrong is not None
    assert not len(again.delays)
    assert path.read_bytes() == MAGIC
    assert path.with_suffix(".aside").read_bytes() == data


class FullDisk(Files):
    """Writes fail, or fall short, as long as `full`."""

    def __init__(self) -> None:
        self.full: str = ""

    def write(self, handle: int, data: bytes, at: int) -> int:
        if self.full == "fails":
            raise OSError(28, "No space left on device")
        return super().write(handle, data[:5] if self.full == "short" else data, at)


@pytest.mark.parametrize("how", ["fails", "short"])
async def test_a_full_disk_refuses_visibly(tmp_path: Path, how: str) -> None:
    path, files = tmp_path / "delayed.log", FullDisk()
    on = World(path, files)
    await on.delays.add(call(A), 5)
    files.full = how
    with pytest.raises(LogUnwritable):
        await on.delays.add(call(B), 5)
    files.full = ""
    await on.delays.add(call(C), 5)
    assert [one.call.items for one in World(path).delays._waiting.values()] == [(A,), (C,)]


async def test_the_file_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "delayed.log"
    on = World(path)
    await on.delays.add(call(A), 10**6)
    for _ in range(6000):
        await on.delays.add(call(B), 0)
        await on.delays.append_due()
    assert path.stat().st_size < SPARE_BYTES + 1000
    assert len(World(path).delays) == 1


class Model:
    """What a file must hold."""

    def __init__(self) -> None:
        self.waiting: dict[int, Waiting] = {}


@given(st.lists(st.tuples(st.sampled_from(["add", "done", "clear", "reopen"]), st.integers(0, 9)), max_size=40))
def test_the_file_holds_what_waits(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    path = tmp_path_factory.mktemp("delays") / "delayed.log"
    file: DelayFile = open_delays(path)[0]
    model = Model()
    for step, number in steps:
        match step:
            case "add" if number not in model.waiting:
                one = Waiting(number, 1.5, 2.0, "fastly", "127.0.0.1", "fastly", False, False, (A, B))
                file.add(one)
                model.waiting[number] = one
            case "done" if number in model.waiting:
                del model.waiting[number]
                file.done(number, lambda: list(model.waiting.values()), not model.waiting)
            case "clear":
                model.waiting.clear()
                file.clear()
            case "reopen":
                file.close()
                file, waiting, wrong = open_delays(path)
                assert (waiting, wrong) == (list(model.waiting.values()), None)
    file.close()
