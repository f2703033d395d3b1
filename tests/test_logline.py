"""Lines in the terminal: nothing waits for the stream, what is dropped is counted, and nothing from the network steers the terminal."""

from __future__ import annotations

import json
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.caching.reasons import Reason
from edgecache.logline import HOST_BYTES, METHOD_BYTES, TARGET_BYTES, LogMode, LogWriter, json_line, printable, short_line
from edgecache.record import Flag, Handled, Row

REASON = next(iter(Reason))
GENEROUS_S = 30  # how long a test waits for a thread that is going to answer at once


def fields(**changes: object) -> dict[str, object]:
    return {
        "request_id": 7,
        "started": 1_700_000_000.125,
        "duration_us": 1234,
        "origin_us": 1000,
        "status": 200,
        "handled": Handled.HIT,
        "reason": REASON,
        "method": b"GET",
        "host": b"localhost:8080",
        "target": b"/a?b=c",
        "bytes_in": 0,
        "bytes_out": 1500,
        "flags": 0,
        **changes,
    }


class Gated:
    """A stream whose writes stand still until the gate is opened."""

    def __init__(self, *, tty: bool = False, is_open: bool = True, encoding: str = "utf-8") -> None:
        self.text = ""
        self.entered, self.gate = threading.Event(), threading.Event()
        self.tty, self.encoding = tty, encoding
        if is_open:
            self.gate.set()

    def write(self, text: str) -> int:
        self.entered.set()
        assert self.gate.wait(GENEROUS_S)
        text.encode(self.encoding)
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return self.tty

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


class Gone(Gated):
    """A stream whose other end has left."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self.failure = failure

    def write(self, text: str) -> int:
        raise self.failure


def test_lines_come_in_order():
    stream = Gated()
    writer = LogWriter(LogMode.JSON, stream, 1000)
    for number in range(200):
        writer.line(Row(**fields(request_id=number)))
    assert writer.close(GENEROUS_S)
    assert [json.loads(line)["id"] for line in stream.lines] == list(range(200))
    assert writer.dropped == 0


def test_a_stream_that_stands_still_holds_up_nobody_and_the_dropped_are_counted_in_their_place():
    stream = Gated(is_open=False)
    writer = LogWriter(LogMode.JSON, stream, 3)
    writer.line(Row(**fields(request_id=0)))
    assert stream.entered.wait(GENEROUS_S)
    for number in range(1, 6):  # three may wait
        writer.line(Row(**fields(request_id=number)))
    assert (writer.dropped, stream.text) == (2, "")
    stream.gate.set()
    assert writer.close(GENEROUS_S)
    assert [json.loads(line) for line in stream.lines][4:] == [{"dropped": 2}]
    assert [json.loads(line)["id"] for line in stream.lines[:4]] == [0, 1, 2, 3]


def test_people_are_told_how_many_were_dropped_too():
    stream = Gated(is_open=False)
    writer = LogWriter(LogMode.SHORT, stream, 1)
    writer.line(Row(**fields()))
    assert stream.entered.wait(GENEROUS_S)
    for _ in range(13):
        writer.line(Row(**fields()))
    stream.gate.set()
    assert writer.close(GENEROUS_S)
    assert "12 lines were dropped" in stream.lines[-1]


def test_close_is_bounded_and_nothing_is_taken_after_it():
    stream = Gated(is_open=False)
    writer = LogWriter(LogMode.SHORT, stream, 10)
    writer.line(Row(**fields()))
    assert stream.entered.wait(GENEROUS_S)
    assert not writer.close(0.0)
    writer.line(Row(**fields()))
    stream.gate.set()
    assert writer.close(GENEROUS_S)
    assert len(stream.lines) == 1


def test_close_without_a_line():
    writer = LogWriter(LogMode.SHORT, Gated(), 10)
    assert writer.close(GENEROUS_S)
    assert writer.close(GENEROUS_S)


def test_off_writes_nothing_and_has_no_thread():
    stream, threads = Gated(), threading.active_count()
    writer = LogWriter(LogMode.OFF, stream, 10)
    assert threading.active_count() == threads
    writer.line(Row(**fields()))
    assert writer.close()
    assert not stream.entered.is_set()


@pytest.mark.parametrize("failure", [BrokenPipeError(), OSError("terminal gone"), ValueError("I/O operation on closed file")])
def test_a_stream_that_is_gone_ends_the_log_and_nothing_else(failure):
    writer = LogWriter(LogMode.SHORT, Gone(failure), 10)
    writer.line(Row(**fields()))
    assert writer.close(GENEROUS_S)
    writer.line(Row(**fields()))


def test_a_terminal_that_cannot_show_a_character_gets_it_escaped():
    stream = Gated(encoding="ascii")
    writer = LogWriter(LogMode.SHORT, stream, 10)
    writer.line(Row(**fields(target="/café".encode())))
    assert writer.close(GENEROUS_S)
    assert "localhost:8080/caf\\xe9" in stream.text


@pytest.mark.parametrize(
    "tty, environment, mode, coloured",
    [
        (True, {}, LogMode.SHORT, True),
        (True, {"NO_COLOR": ""}, LogMode.SHORT, True),
        (True, {"NO_COLOR": "1"}, LogMode.SHORT, False),
        (False, {}, LogMode.SHORT, False),
        (True, {}, LogMode.JSON, False),
    ],
)
def test_colour(tty, environment, mode, coloured, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Gated(tty=tty)
    writer = LogWriter(mode, stream, 10)
    writer.line(Row(**fields()))
    assert writer.close(GENEROUS_S)
    assert ("\x1b[" in stream.text) is coloured


def test_every_decision_has_a_colour():
    assert all("\x1b[0m" in short_line(Row(**fields(handled=handled)), colour=True) for handled in Handled)


@pytest.mark.parametrize(
    "changes, shown",
    [
        ({}, f"GET  200 hit     1.2 ms  1.5 kB localhost:8080/a?b=c  {REASON.token}"),
        ({"reason": None}, "GET  200 hit     1.2 ms  1.5 kB localhost:8080/a?b=c"),
        ({"reason": None, "method": b"PROPFIND"}, "PROPFIND 200 hit     1.2 ms  1.5 kB localhost:8080/a?b=c"),
        ({"reason": None, "status": 0, "handled": Handled.MISS}, "GET  --- miss    1.2 ms  1.5 kB localhost:8080/a?b=c"),
        (
            {"reason": None, "flags": Flag.BODY_BROKEN | Flag.KEPT_ALIVE | Flag.CLIENT_LEFT},
            "GET  200 hit     1.2 ms  1.5 kB localhost:8080/a?b=c  broken off, client left",
        ),
        ({"flags": Flag.CLIENT_LEFT}, f"GET  200 hit     1.2 ms  1.5 kB localhost:8080/a?b=c  {REASON.token}, client left"),
        ({"reason": None, "duration_us": 12, "bytes_out": 0}, "GET  200 hit      12 µs     0 B localhost:8080/a?b=c"),
        ({"reason": None, "duration_us": 86_400_000_000, "bytes_out": 10**9}, "GET  200 hit    1440 min  1.0 GB localhost:8080/a?b=c"),
        ({"reason": None, "host": b"h", "target": b"/\x1b[2Jx\r\ny"}, "GET  200 hit     1.2 ms  1.5 kB h/\\x1b[2Jx\\r\\ny"),
    ],
)
def test_short_line(changes, shown):
    clock = time.strftime("%H:%M:%S", time.localtime(1_700_000_000))
    assert short_line(Row(**fields(**changes)), colour=False) == f"{clock} {shown}"


def test_json_line():
    line = json_line(Row(**fields(target=b'/\x1b\xc3\xa9"\xff', flags=Flag.ORIGIN_REUSED | Flag.KEPT_ALIVE)))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.125Z",
        "id": 7,
        "method": "GET",
        "host": "localhost:8080",
        "target": '/\\x1bé"\\xff',
        "status": 200,
        "handled": "hit",
        "reason": REASON.token,
        "duration_ms": 1.234,
        "origin_ms": 1.0,
        "bytes_in": 0,
        "bytes_out": 1500,
        "flags": ["origin_reused", "kept_alive"],
    }


@pytest.mark.parametrize("started", [1e300, -1e300, 1e15])
def test_edge_time_beyond_the_calendar(started):
    assert short_line(Row(**fields(started=started)), colour=False)
    assert "time" in json.loads(json_line(Row(**fields(started=started))))


@pytest.mark.parametrize(
    "raw, text",
    [
        (b"/a b~%20", "/a b~%20"),
        (b"", ""),
        (b"\x00\x07\x1b\x7f\t", "\\x00\\x07\\x1b\\x7f\\t"),
        (b"a\r\nb", "a\\r\\nb"),
        ("é €日本 🎈".encode(), "é €日本 🎈"),
        (b"\xff\xc3(", "\\xff\\xc3("),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),  # a surrogate
        (b"\xc0\xaf", "\\xc0\\xaf"),  # overlong
        (b"\\xff\\", "\\\\xff\\\\"),
        ("\x9b1m\x85".encode(), "\\x9b1m\\x85"),  # C1 controls: CSI in one character, next line
        ("a\u202eb\u2066c\u200f\u061c".encode(), "a\\u202eb\\u2066c\\u200f\\u061c"),
        ("\u2028\u2029\ufeff\u200b\u00a0".encode(), "\\u2028\\u2029\\ufeff\\u200b\\xa0"),
        ("\U000e0041\ue000".encode(), "\\U000e0041\\ue000"),  # tags and private use
    ],
)
def test_printable(raw, text):
    assert printable(raw, 1000) == text


@pytest.mark.parametrize(
    "raw, limit, text",
    [
        (b"abc", 3, "abc"),
        (b"abcd", 3, "abc…"),
        ("aé".encode(), 2, "a…"),
        ("a🎈b".encode(), 4, "a…"),
        ("a🎈b".encode(), 5, "a🎈…"),
        (b"\xbf" * 9, 4, "\\xbf…"),
    ],
)
def test_printable_is_bounded_and_cut_between_characters(raw, limit, text):
    assert printable(raw, limit) == text


@given(st.binary(max_size=200))
def test_printable_shows_only_what_is_safe_and_says_which_bytes_they_were(raw):
    text = printable(raw, 1000)
    assert text.isprintable()
    unescaped = text.encode("unicode_escape").replace(b"\\\\", b"\\").decode("unicode_escape") if "\\" in text else text
    if "\\" not in text:
        assert unescaped.encode() == raw
    assert len(text) <= 10 * len(raw)


def test_long_names_from_the_network_are_bounded():
    line = Row(**fields(method=b"M" * 9999, host=b"h" * 9999, target=b"/" * 16384))
    assert len(short_line(line, colour=False)) < METHOD_BYTES + HOST_BYTES + TARGET_BYTES + 100


def test_lines_that_wait_hold_no_more_than_is_shown():
    stream = Gated(is_open=False)
    writer = LogWriter(LogMode.SHORT, stream, 10)
    writer.line(Row(**fields()))
    assert stream.entered.wait(GENEROUS_S)
    writer.line(Row(**fields(target=b"/" * 16384)))
    assert len(writer._waiting[0].target) == TARGET_BYTES + 1
    stream.gate.set()
    assert writer.close(GENEROUS_S)
