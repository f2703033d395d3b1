"""A line in the terminal for each request, written by a thread of its own: a terminal that stands still never holds up the event loop.

Everything that came from the network is escaped before it is shown: a target may hold terminal sequences, or direction marks that make a
line read as another one.
"""

from __future__ import annotations

import enum
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Protocol, assert_never

import msgspec

from edgecache.record import Flag, Handled, Row

METHOD_BYTES = 32
HOST_BYTES = 255
TARGET_BYTES = 1024
# Lines written at once. Few, so that the thread soon lets go of the interpreter again: formatting is work that the loop must wait for.
GROUP = 32


class LogMode(enum.StrEnum):
    """What the terminal shows of each request."""

    OFF = "off"  # nothing
    SHORT = "short"  # a line for people
    JSON = "json"  # a JSON object


class TextStream(Protocol):
    """What lines are written to: sys.stdout, or anything of that kind."""

    def write(self, text: str, /) -> int | None: ...
    def flush(self) -> None: ...
    def isatty(self) -> bool: ...


class LogWriter:
    """Writes lines to one stream, in the order in which they came.

    limit_lines  how many may wait while as many, at most, are being written; beyond it lines are dropped, and their number is written
    dropped      how many were dropped since the start
    """

    def __init__(self, mode: LogMode, stream: TextStream, limit_lines: int) -> None:
        self.mode = LogMode(mode)
        self.dropped = 0
        self._stream = stream
        self._limit = limit_lines
        self._colour = self.mode is LogMode.SHORT and _wants_colour(stream)
        self._waiting: list[Row] = []
        self._dropped_now = 0
        self._closing = self.mode is LogMode.OFF
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        if self.mode is not LogMode.OFF:
            # A daemon: a terminal that never reads again must not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name="edgecache-log", daemon=True)
            self._thread.start()

    def line(self, row: Row) -> None:
        """Queue the line of a request that is over. Never waits; nothing when off or closed."""
        if self._closing:
            return
        # One byte more than is shown says that there was more; the whole of it would let the queue hold much more than its lines.
        item = row._replace(method=row.method[: METHOD_BYTES + 1], host=row.host[: HOST_BYTES + 1], target=row.target[: TARGET_BYTES + 1])
        with self._changed:
            if len(self._waiting) >= self._limit:
                self.dropped += 1
                self._dropped_now += 1
                return
            self._waiting.append(item)
            if len(self._waiting) == 1:
                self._changed.notify()

    def close(self, timeout_s: float = 1.0) -> bool:
        """Take no more lines and wait until those taken are written, at most `timeout_s`; True when nothing is left unwritten."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        """The thread: take all that waits, write it, again."""
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting or self._closing)
                    lines, self._waiting = self._waiting, []
                    dropped, self._dropped_now = self._dropped_now, 0
                if not lines:
                    return
                for start in range(0, len(lines), GROUP):
                    self._write("".join(self._format(line) + "\n" for line in lines[start : start + GROUP]))
                if dropped:  # all of them after the last of these lines and before whatever waits now
                    self._write(self._format_dropped(dropped) + "\n")
        except (OSError, ValueError):
            # The terminal is gone, or the stream closed. Requests go on without being shown.
            self._closing = True

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except UnicodeEncodeError as error:  # a terminal that cannot show every character
            self._stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
        self._stream.flush()

    def _format(self, line: Row) -> str:
        match self.mode:
            case LogMode.SHORT:
                return short_line(line, colour=self._colour)
            case LogMode.JSON:
                return json_line(line)
            case LogMode.OFF:
                return ""
            case _:
                assert_never(self.mode)

    def _format_dropped(self, count: int) -> str:
        if self.mode is LogMode.JSON:
            return msgspec.json.encode({"dropped": count}).decode()
        return f"({count} lines were dropped: they came faster than they could be written)"


_COLOURS = {
    Handled.HIT: "32",
    Handled.STALE: "33",
    Handled.MISS: "36",
    Handled.PASS: "35",
    Handled.OWN: "31",
    Handled.INVALIDATION: "1;33",
    Handled.TUNNEL: "34",
}
# Flags that people should see; the others are in the JSON line.
_REMARKS = {Flag.BODY_BROKEN: "broken off", Flag.CLIENT_LEFT: "client left"}


def short_line(line: Row, *, colour: bool) -> str:
    """The line for people: local edge time, method, status, what was done, duration, size of the answer's content, URL, reason, remarks."""
    word = f"{line.handled.name.lower():<6}"
    if colour:
        word = f"\x1b[{_COLOURS[line.handled]}m{word}\x1b[0m"
    remarks = [text for flag, text in _REMARKS.items() if line.flags & flag]
    why = ", ".join(([line.reason.token] if line.reason else []) + remarks)
    columns = (
        _local_time(line.started),
        f"{printable(line.method, METHOD_BYTES):<4}",
        str(line.status) if line.status else "---",
        word,
        f"{_duration(line.duration_us):>7}",
        f"{_size(line.bytes_out):>7}",
        printable(line.host, HOST_BYTES) + printable(line.target, TARGET_BYTES),
        f" {why}" if why else "",
    )
    return " ".join(columns).rstrip()


def json_line(line: Row) -> str:
    """The line for programs: one JSON object. Text from the network is escaped as in the other form; durations in milliseconds."""
    return msgspec.json.encode(
        {
            "time": _utc_time(line.started),
            "id": line.request_id,
            "method": printable(line.method, METHOD_BYTES),
            "host": printable(line.host, HOST_BYTES),
            "target": printable(line.target, TARGET_BYTES),
            "status": line.status,
            "handled": line.handled.name.lower(),
            "reason": line.reason.token if line.reason else None,
            "duration_ms": line.duration_us / 1000,
            "origin_ms": line.origin_us / 1000,
            "bytes_in": line.bytes_in,
            "bytes_out": line.bytes_out,
            "flags": [flag.name.lower() for flag in Flag if line.flags & flag],
        }
    ).decode()


def printable(raw: bytes, limit_bytes: int) -> str:
    r"""Bytes from the network as text that is safe in a terminal and can be told apart: UTF-8 where valid, else \xNN.

    Characters that show nothing or change what is around them (controls, direction marks, zero-width and unassigned ones) are escaped as
    Python writes them, a backslash is doubled. Longer than `limit_bytes`, it is cut before a character and ends in "…".
    """
    cut = len(raw) > limit_bytes
    if cut:
        end = limit_bytes
        while end > limit_bytes - 3 and end > 0 and raw[end] & 0xC0 == 0x80:
            end -= 1
        raw = raw[:end]
    # The raw backslashes first: those that decoding adds for invalid bytes stay single.
    text = raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    if not text.isprintable():
        text = "".join(_escaped(text))
    return text + "…" if cut else text


def _escaped(text: str) -> Iterator[str]:
    for character in text:
        yield character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _wants_colour(stream: TextStream) -> bool:
    # https://no-color.org: set, and not to nothing.
    return stream.isatty() and not os.environ.get("NO_COLOR")


def _local_time(edge_time: float) -> str:
    try:
        return time.strftime("%H:%M:%S", time.localtime(edge_time))
    except (OverflowError, ValueError, OSError):  # users may move edge time out of the calendar
        return "--:--:--"


def _utc_time(edge_time: float) -> str | None:
    try:
        return datetime.fromtimestamp(edge_time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return None


def _duration(us: int) -> str:
    """At most seven characters: 38 µs, 1.4 ms, 17 ms, 2.5 s, 95 s, 12 min."""
    if us < 1000:
        return f"{us} µs"
    if us < 9_950:
        return f"{us / 1000:.1f} ms"
    if us < 999_500:
        return f"{us / 1000:.0f} ms"
    seconds = us / 1e6
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _size(length: int) -> str:
    """At most seven characters: 17 B, 1.5 kB, 250 MB."""
    if length < 1000:
        return f"{length} B"
    power, value = 0, length / 1000
    while value >= 999.5 and power < 3:
        power, value = power + 1, value / 1000
    return f"{value:.{1 if value < 9.95 else 0}f} {('kB', 'MB', 'GB', 'TB')[power]}"
