"""The log on disk: what was acknowledged is there after any end, and damage is noticed rather than guessed around."""

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.caching.stored import Key
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered
from edgecache.invalidation.entry import Cause, Entry
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.logfile import Files, LogUnwritable, open_log
from edgecache.invalidation.packing import pack, unpack
from edgecache.invalidation.selectors import AllSelector, GroupSelector, UrlSelector

A, B = Key(b"http", b"h", b"/a\xff"), Key(b"https", b"h:81", b"/b")
URL_A, URL_B, ALL = UrlSelector(A.host, A.target), UrlSelector(B.host, B.target), AllSelector()
GROUP = GroupSelector(b"http", b"h", "scripts é")


def opened(path, files=None, limit=1000, file_bytes=1 << 20):
    file, recovered = open_log(path, files)
    log = InvalidationLog(limit, file, file_bytes)
    log.recover(recovered)
    return log, file, recovered


def append(log, *selectors, soft=False, now=5.0, cause=Cause.API):
    return log.append(list(selectors), soft=soft, now=now, cause=cause)


@pytest.mark.parametrize("selector", [URL_A, GROUP, ALL])
def test_selectors_come_back(selector):
    assert unpack(pack(selector)) == selector


def test_what_was_appended_is_there_after_a_restart(tmp_path):
    path = tmp_path / "log"
    log, file, first = opened(path)
    append(log, URL_A)
    append(log, URL_B, GROUP, soft=True, now=9.5)
    file.close()
    log, _, again = opened(path)
    assert first.fresh
    assert (again.fresh, again.sentence, again.log_id) == (False, None, first.log_id)
    assert log.head == 3
    assert log.verdict(A, 0) == HardCovered(1)
    assert log.verdict(B, 0) == SoftCovered(2, 9.5)
    assert log.verdict(A, 1, ["scripts é"]) == SoftCovered(3, 9.5)
    assert append(log, ALL) == 4


def test_a_torn_end_is_cut_and_what_came_before_stays(tmp_path):
    path = tmp_path / "log"
    log, file, _ = opened(path)
    append(log, URL_A)
    sound = file.size
    append(log, URL_B, GROUP)
    file.close()
    whole = path.read_bytes()
    for end in range(sound + 1, len(whole)):
        for tail in (b"", bytes(len(whole) - end)):  # cut short, or its last blocks lost and read as zeros
            path.write_bytes(whole[:end] + tail)
            log, file, recovered = opened(path)
            if log.head == 3:  # the zeros are what stood there anyway
                assert whole[end:] == tail
                continue
            if tail and recovered.fresh:  # a record of full length that is wrong may have been acknowledged: all that was stored goes
                assert "damaged" in recovered.sentence
                file.close()
                continue
            assert (log.head, recovered.fresh) == (1, False)
            assert "torn" in recovered.sentence
            assert append(log, URL_B) == 2
            file.close()
            assert opened(path)[0].verdict(B, 0) == HardCovered(2)


def test_damage_before_the_end_begins_a_new_log(tmp_path):
    path = tmp_path / "log"
    log, file, first = opened(path)
    append(log, URL_A)
    sound = file.size
    append(log, URL_B)
    file.close()
    whole = path.read_bytes()
    for at in range(sound):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        log, file, recovered = opened(path)
        file.close()
        assert recovered.fresh, at
        assert recovered.log_id != first.log_id
        assert "set aside" in recovered.sentence
        assert (tmp_path / "log.aside").exists()


def test_another_format_version_is_set_aside(tmp_path):
    import struct
    import zlib

    path = tmp_path / "log"
    _, file, _ = opened(path)
    file.close()
    data = bytearray(path.read_bytes())
    data[8] = 99
    data[-4:] = struct.pack("<I", zlib.crc32(data[:-4]))
    path.write_bytes(data)
    _, _, recovered = opened(path)
    assert recovered.fresh
    assert "format version 99" in recovered.sentence


class Failing(Files):
    """Writes only so many bytes, then says that the disk is full; truncating may fail as well."""

    def __init__(self):
        self.room = 1 << 30
        self.short = False
        self.truncating_fails = False

    def write(self, handle, data, at):
        if len(data) > self.room:
            if self.short:
                return super().write(handle, data[: self.room], at)
            os.pwrite(handle, data[: self.room], at)
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(handle, data, at)

    def truncate(self, handle, size):
        if self.truncating_fails:
            raise OSError(errno.EIO, "Input/output error")
        super().truncate(handle, size)


@pytest.mark.parametrize("short", [False, True])
def test_what_could_not_be_written_has_not_happened(tmp_path, short):
    files = Failing()
    files.short = short
    log, file, _ = opened(tmp_path / "log", files)
    append(log, URL_A)
    files.room = 20
    with pytest.raises(LogUnwritable, match=r"(?i)no space left"):
        append(log, URL_B)
    assert (log.head, log.verdict(B, 0)) == (1, CLEAN)
    files.room = 1 << 30
    assert append(log, URL_B) == 2
    file.close()
    assert opened(tmp_path / "log")[0].head == 2


def test_a_log_that_cannot_be_cut_back_takes_nothing_more(tmp_path):
    files = Failing()
    log, file, _ = opened(tmp_path / "log", files)
    append(log, URL_A)
    files.room, files.truncating_fails = 20, True
    for _ in range(2):
        with pytest.raises(LogUnwritable):
            append(log, URL_B)
        files.room = 1 << 30
    file.close()
    assert opened(tmp_path / "log")[0].head == 1


@pytest.mark.parametrize("cause", [Cause.RESPONSE, Cause.CLOCK, Cause.RESET])
def test_what_nobody_could_repeat_counts_all_the_same(tmp_path, cause):
    files = Failing()
    log, _, _ = opened(tmp_path / "log", files)
    told = []
    log.on_unwritten = told.append
    files.room = 20
    assert append(log, URL_A, cause=cause) == 1
    assert log.verdict(A, 0) == HardCovered(1)
    assert len(told) == 1


@pytest.mark.parametrize(("mark", "head"), [(0, 1), (1, 1), (2, 3), (1000, 1001)])
def test_positions_that_may_have_been_lost_are_never_used_again(tmp_path, mark, head):
    log, file, _ = opened(tmp_path / "log")
    append(log, URL_A)
    assert log.continue_above(mark, now=1.0) is (head > 1)
    assert log.head == head
    if head > 1:
        assert log.verdict(B, mark) == HardCovered(head)
    file.close()
    assert opened(tmp_path / "log")[0].head == head


def test_the_file_is_bounded_and_its_answers_stay_the_same(tmp_path):
    path = tmp_path / "log"
    log, file, _ = opened(path, file_bytes=4000)
    for number in range(3000):
        append(log, [URL_A, URL_B, GROUP][number % 3], soft=number % 7 == 0, now=float(number))
    assert path.stat().st_size < 20_000
    questions = [(key, position, ["scripts é"]) for key in (A, B) for position in range(0, 3001, 50)]
    before = [log.verdict(*question) for question in questions]
    file.close()
    again, _, _ = opened(path)
    assert again.head == log.head == 3000
    assert [again.verdict(*question) for question in questions] == before


SELECTORS = st.sampled_from([URL_A, URL_B, GROUP, ALL])
APPENDS = st.lists(st.tuples(st.lists(SELECTORS, min_size=1, max_size=3), st.booleans(), st.floats(0, 100)), max_size=30)


@given(APPENDS, st.integers(200, 3000))
def test_a_restart_changes_no_verdict(tmp_path_factory, appends, file_bytes):
    path = tmp_path_factory.mktemp("log") / "log"
    log, file, _ = opened(path, limit=20, file_bytes=file_bytes)
    for selectors, soft, now in appends:
        append(log, *selectors, soft=soft, now=now)
    file.close()
    again, file, _ = opened(path, limit=20)
    file.close()
    assert again.head == log.head
    for key in (A, B):
        for position in range(log.head + 1):
            assert again.verdict(key, position, ["scripts é"]) == log.verdict(key, position, ["scripts é"])


def test_entries_are_positions_in_order(tmp_path):
    log, _, _ = opened(tmp_path / "log")
    append(log, URL_A, ALL, soft=True)
    append(log, URL_B)
    assert [type(entry) for entry in log.entries()] == [Entry] * 3
    assert [entry.position for entry in log.entries()] == [1, 2, 3]
