"""What was done with each request: one row of fixed size in a preallocated ring, and counters.

Writing a row is part of every request, so it makes no objects that stay: numbers and the first bytes of three strings are packed into a
bytearray, and a handful of counters rise. Rows are decoded when somebody looks. No request or response fields come here, so neither do
Authorization and Cookie.
"""

from __future__ import annotations

import enum
import struct
from typing import Any, NamedTuple

from edgecache.caching.reasons import Reason

METHOD_BYTES = 16
HOST_BYTES = 64
TARGET_BYTES = 128

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


class Records:
    """The latest `capacity` requests, and counters of all since the start or the last reset."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._ring = bytearray(capacity * _ROW.size)
        self._last_id = 0
        self.reset()

    def reset(self) -> None:
        """Forget rows and counters. Request ids go on, so that no two requests of one run share one."""
        self._requests = 0
        self._by_handled = [0] * len(Handled)
        self._by_reason = [0] * len(_REASONS)
        self._by_class = [0] * 10
        self._bytes_in = 0
        self._bytes_out = 0
        self._errors = 0

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
        self._by_handled[handled] += 1
        self._by_reason[index] += 1
        self._by_class[status // 100] += 1
        self._bytes_in += bytes_in
        self._bytes_out += bytes_out
        if flags & 4 or (status >= 500 and handled == 4):
            self._errors += 1

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
        hits = self._by_handled[Handled.HIT] + self._by_handled[Handled.STALE]
        asked = hits + self._by_handled[Handled.MISS] + self._by_handled[Handled.PASS]
        return {
            "requests": self._requests,
            "handled": {handled.name.lower(): self._by_handled[handled] for handled in Handled},
            "reasons": {reason.token: count for reason, count in zip(_REASONS, self._by_reason, strict=True) if reason and count},
            "status": {f"{number}xx" if number else "none": count for number, count in enumerate(self._by_class) if count},
            "bytes_in": self._bytes_in,
            "bytes_out": self._bytes_out,
            "hit_ratio": hits / asked if asked else None,
            "errors": self._errors,
        }

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
