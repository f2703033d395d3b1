"""What was done with each request: one row of fixed size in a preallocated ring, and counters.

Writing a row is part of every request, so it makes no objects that stay: numbers and the first bytes of three strings are packed into a
bytearray, and a handful of counters rise. Rows are decoded when somebody looks. No request or response fields come here, so neither do
Authorization and Cookie.

A few figures are also kept for each minute of edge time in which there were requests, for whoever draws curves: the latest `MINUTES` of
these.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from edgecache.caching.reasons import Reason

METHOD_BYTES = 16
HOST_BYTES = 64
TARGET_BYTES = 128
MINUTES = 24 * 60
MINUTE_S = 60

# request id · started · duration · origin · bytes in · bytes out · status · reason · handled · flags · method · host · target
_ROW = struct.Struct(f"<QdQQQQHHBB2x{METHOD_BYTES}s{HOST_BYTES}s{TARGET_BYTES}s")
_REASONS: list[Reason | None] = [None, *Reason]
# By identity, because an enum's own hash is a Python function and this is looked up for every request.
_REASON_INDEX = {id(reason): index for index, reason in enumerate(_REASONS)}


class Handled(enum.IntEnum):
    """What was done with a request: every request is exactly one of these."""

    HIT = (0, "answered from the store, fresh")
    STALE = (1, "answered from the store, stale")
    MISS = (2, "the origin was asked, because nothing stored could be used as it was")
    PASS = (3, "handed to the origin without looking into the store")
    OWN = (4, "answered by the edge itself, such as an error page")
    INVALIDATION = (5, "an invalidation method, or the refusal of one")
    TUNNEL = (6, "switched to another protocol, such as WebSocket: from then on bytes are passed in both directions")

    sentence: str

    def __new__(cls, value: int, sentence: str) -> Handled:
        """The row holds the number; people read the sentence."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member


_HANDLED = list(Handled)


class Flag(enum.IntEnum):
    """What else is worth knowing of a request; members are combined with `|` into one number (IntFlag would take 1 µs for that)."""

    CLIENT_LEFT = 1  # the client closed before it had the whole answer
    ORIGIN_REUSED = 2  # the origin was asked on a connection that had been used before
    BODY_BROKEN = 4  # the answer ended before it was complete, and the client was shown that
    KEPT_ALIVE = 8  # the client's connection stayed open after the answer
    CUT = 16  # method, host or target did not fit the row; set by `Records.add`


class Row(NamedTuple):
    """One request that is over.

    request_id   from `Records.next_id`
    started      edge time when its head was complete
    duration_us  from then until the last byte was written or the client had left
    origin_us    of that, waiting for the origin's head; 0 when the origin was not asked
    status       of the final answer; 0 when the client got none
    method, host, target    as they came; the ring keeps their first bytes, see `Flag.CUT`
    bytes_in     content bytes of the request, `bytes_out` those of the answer, without framing
    flags        members of `Flag`, combined
    """

    request_id: int
    started: float
    duration_us: int
    origin_us: int
    status: int
    handled: Handled
    reason: Reason | None
    method: bytes
    host: bytes
    target: bytes
    bytes_in: int
    bytes_out: int
    flags: int


@dataclass(slots=True)
class Minute:
    """What was done in one minute of edge time, invalidation methods left out.

    requests      that began in it and are over
    bytes_out     content bytes of answers to GET and HEAD
    cacheable     GET and HEAD that were answered and did not fail; `hits` those of them that the store answered
    errors_4xx, errors_5xx    by the status of the answer
    """

    requests: int = 0
    bytes_out: int = 0
    cacheable: int = 0
    hits: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0

    def add(self, cells: Sequence[int]) -> None:
        """Count these too."""
        for handled in Handled:
            if handled is Handled.INVALIDATION:
                continue
            of_gets, of_others = (cells[first : first + 10] for first in (10 * handled, _OTHERS + 10 * handled))
            self.requests += sum(of_gets) + sum(of_others)
            self.errors_4xx += of_gets[4] + of_others[4]
            self.errors_5xx += sum(of_gets[5:]) + sum(of_others[5:])
            if handled <= Handled.PASS:
                answered = sum(of_gets[1:4])
                self.cacheable += answered
                self.hits += answered if handled <= Handled.STALE else 0
        self.bytes_out += cells[_BYTES_OF_GETS]


# What is counted of each request is one cell: by what was done with it and its status class, GET and HEAD (no invalidations) apart from
# others. Sums of cells are made when somebody looks, and when a minute is over.
_OTHERS = 10 * len(Handled)
_BYTES_OF_GETS = 2 * _OTHERS
_BYTES_OF_OTHERS = _BYTES_OF_GETS + 1
_CELLS = _BYTES_OF_OTHERS + 1


class Records:
    """The latest `capacity` requests, counters of all since the start or the last reset, and figures for each of the latest minutes."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._ring = bytearray(capacity * _ROW.size)
        self._last_id = 0
        self.reset()

    def reset(self) -> None:
        """Forget rows and counters. Request ids go on, so that no two requests of one run share one."""
        self._requests = 0
        self._by_reason = [0] * len(_REASONS)
        self._bytes_in = 0
        self._errors = 0
        self._minutes: dict[int, Minute] = {}  # those that are over
        self._minute, self._next_minute = 0, 0  # when the present one began, and when it ends; edge time
        self._cells = [0] * _CELLS  # of the present one
        self._before = [0] * _CELLS  # of all others

    def next_id(self) -> int:
        """A number for a request that has just begun, counted from 1."""
        self._last_id += 1
        return self._last_id

    def add(self, row: Row) -> None:
        """Record a request that is over."""
        request_id, started, duration_us, origin_us, status, handled, reason, method, host, target, bytes_in, bytes_out, flags = row
        if len(target) > TARGET_BYTES or len(host) > HOST_BYTES or len(method) > METHOD_BYTES:
            flags |= 16
        index = _REASON_INDEX[id(reason)]
        _ROW.pack_into(  # longer strings are cut, shorter ones filled with NUL, which none of them can contain
            self._ring,
            self._requests % self._capacity * _ROW.size,
            request_id,
            started,
            duration_us,
            origin_us,
            bytes_in,
            bytes_out,
            status,
            index,
            handled,
            flags,
            method,
            host,
            target,
        )
        self._requests += 1
        self._by_reason[index] += 1
        self._bytes_in += bytes_in
        if not self._minute <= started < self._next_minute:
            self._turn_to(started)
        cells = self._cells
        cell = 10 * handled + status // 100
        if (method == b"GET" or method == b"HEAD") and handled != 5:
            cells[cell] += 1
            cells[_BYTES_OF_GETS] += bytes_out
        else:
            cells[_OTHERS + cell] += 1
            cells[_BYTES_OF_OTHERS] += bytes_out
        if flags & 4 or (status >= 500 and handled == 4):
            self._errors += 1

    def minutes(self, start: float, end: float) -> Iterator[tuple[int, Minute]]:
        """When each minute began in which there were requests, and what was done in it; of those that began in [start, end)."""
        self._end_minute()
        return ((began, minute) for began, minute in sorted(self._minutes.items()) if start <= began < end and minute.requests)

    def recent(self, n: int) -> list[Row]:
        """The latest `n` requests that are still in the ring, newest first."""
        count = min(n, self._requests, self._capacity)
        return [self._view(self._requests - 1 - back) for back in range(count)]

    def stats(self) -> dict[str, Any]:
        """The counters, ready for JSON.

        requests      all of them
        handled       by what was done with them, every member of `Handled`
        reasons       by the reason's token, those that occurred
        status        by class of the final answer; "none" are those who left without one
        hit_ratio     HIT and STALE among HIT, STALE, MISS and PASS, from 0 to 1; None before the first of these
        errors        answers that the edge made for want of a better one (5xx), and those that broke off
        """
        self._end_minute()
        cells = self._before
        by_handled = [sum(cells[10 * handled : 10 * handled + 10] + cells[_OTHERS + 10 * handled :][:10]) for handled in Handled]
        by_class = [sum(cells[number:_BYTES_OF_GETS:10]) for number in range(10)]
        hits = by_handled[Handled.HIT] + by_handled[Handled.STALE]
        asked = hits + by_handled[Handled.MISS] + by_handled[Handled.PASS]
        return {
            "requests": self._requests,
            "handled": {handled.name.lower(): by_handled[handled] for handled in Handled},
            "reasons": {reason.token: count for reason, count in zip(_REASONS, self._by_reason, strict=True) if reason and count},
            "status": {f"{number}xx" if number else "none": count for number, count in enumerate(by_class) if count},
            "bytes_in": self._bytes_in,
            "bytes_out": cells[_BYTES_OF_GETS] + cells[_BYTES_OF_OTHERS],
            "hit_ratio": hits / asked if asked else None,
            "errors": self._errors,
        }

    def _turn_to(self, started: float) -> None:
        """Requests of another minute come now."""
        self._end_minute()
        self._minute = int(started // MINUTE_S) * MINUTE_S
        self._next_minute = self._minute + MINUTE_S

    def _end_minute(self) -> None:
        """Add what was counted in the present minute to the others; it may go on. The minute that was begun longest ago goes."""
        self._minutes.setdefault(self._minute, Minute()).add(self._cells)
        if len(self._minutes) > MINUTES:
            del self._minutes[next(iter(self._minutes))]
        self._before = [before + now for before, now in zip(self._before, self._cells, strict=True)]
        self._cells = [0] * _CELLS

    def _view(self, number: int) -> Row:
        row = _ROW.unpack_from(self._ring, number % self._capacity * _ROW.size)
        request_id, started, duration_us, origin_us, bytes_in, bytes_out, status, reason, handled, flags, method, host, target = row
        return Row(
            request_id=request_id,
            started=started,
            duration_us=duration_us,
            origin_us=origin_us,
            status=status,
            handled=_HANDLED[handled],
            reason=_REASONS[reason],
            method=method.rstrip(b"\0"),
            host=host.rstrip(b"\0"),
            target=target.rstrip(b"\0"),
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            flags=flags,
        )
