"""The journal: what was asked of the doors and what came of it, for people and for tests. It is not the log: emptying it changes nothing.

A bounded list, in calls and in bytes, for one call may name ten thousand URLs; the oldest goes. Dry runs and refused calls are in it as
well as what was done. What responses, the clock or a reset caused is marked as the edge's own doing, and left out unless asked for.
"""

from __future__ import annotations

import enum
import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgecache.invalidation.selectors import Selector

CALL_BYTES = 500  # about what a call costs in memory, less its items
ITEM_BYTES = 250  # and each of its items or selectors, less its text


class Came(enum.StrEnum):
    """What came of a call."""

    DONE = "done"  # appended to the log, and acknowledged
    DRY_RUN = "dry-run"  # looked only
    REFUSED = "refused"  # the call was not understood, or not allowed: nothing was appended
    FAILED = "failed"  # understood, and the log could not take it
    ELSEWHERE = "elsewhere"  # understood, and about something that this edge has none of, such as a staging network: nothing was appended
    FAULTED = "faulted"  # something else was made of it than the client was told, because somebody asked for such a fault


@dataclass(slots=True)
class Noted:
    """One call.

    number     counts calls from 1, also those without a position
    time       edge time
    door       through which it came, a name of DOORS
    who        from where: an address, never a credential
    given      what was asked for, as (kind, text)
    selectors  what that came to, normalised
    position   of its last entry in the log; None when nothing was appended
    matched    stored responses that it covers; None as long as nobody counted. `at_least`: counted by the sweeper, which does not see what
               was evicted or replaced before it came
    sentence   why it was refused or failed, what it was about instead, or what a fault made of it
    own        the edge did it by itself
    """

    number: int
    time: float
    door: str
    who: str
    given: Sequence[tuple[str, str]]
    came: Came
    soft: bool = False
    refetch: bool = False
    selectors: Sequence[Selector] = ()
    position: int | None = None
    matched: int | None = None
    at_least: bool = False
    hints: Sequence[str] = ()
    sentence: str = ""
    own: bool = False
    vendor: str = ""
    first_position: int = 0

    def covers(self, position: int) -> bool:
        """Is the entry at this position one of this call's?"""
        return self.position is not None and self.first_position <= position <= self.position


class Journal:
    """The latest calls of one edge: at most `limit` that somebody made, and as many that the edge made by itself, for neither may push out
    the other. Together either cost at most about `limit_bytes`; the latest call stays whatever it costs."""

    def __init__(self, limit: int, limit_bytes: int = 32 * 2**20) -> None:
        self._calls = _Latest(limit, limit_bytes)
        self._own = _Latest(limit, limit_bytes)
        self._number = 0

    def __len__(self) -> int:
        return len(self._calls.calls)

    def next_number(self) -> int:
        """The number of the next call."""
        self._number += 1
        return self._number

    def note(self, noted: Noted) -> None:
        """Keep it; the oldest goes when there are too many."""
        (self._own if noted.own else self._calls).add(noted)

    def newest_first(self, *, own: bool = False) -> Iterator[Noted]:
        """All that somebody made, and with `own` those of the edge as well."""
        if not own:
            return reversed(self._calls.calls)
        return heapq.merge(reversed(self._calls.calls), reversed(self._own.calls), key=lambda call: call.number, reverse=True)

    def at(self, position: int) -> Noted | None:
        """The call that appended the entry at this position."""
        return next((call for call in (*self._calls.calls, *self._own.calls) if call.covers(position)), None)

    def uncounted(self, up_to: int) -> Iterator[Noted]:
        """Calls with entries up to this position of which nobody has counted what they cover."""
        for call in self._calls.calls:
            if call.matched is None and call.position is not None and call.position <= up_to:
                yield call

    def clear(self) -> None:
        """Empty it. Numbers go on."""
        self._calls.clear()
        self._own.clear()


class _Latest:
    """Calls, oldest first, within two limits."""

    def __init__(self, limit: int, limit_bytes: int) -> None:
        self.calls: deque[Noted] = deque()
        self._costs: deque[int] = deque()
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._bytes = 0

    def add(self, noted: Noted) -> None:
        """Keep it, and let go of the oldest beyond the limits."""
        self.calls.append(noted)
        self._costs.append(_cost(noted))
        self._bytes += self._costs[-1]
        while len(self.calls) > self._limit or (self._bytes > self._limit_bytes and len(self.calls) > 1):
            self.calls.popleft()
            self._bytes -= self._costs.popleft()

    def clear(self) -> None:
        """Keep none."""
        self.calls.clear()
        self._costs.clear()
        self._bytes = 0


def _cost(noted: Noted) -> int:
    """About how many bytes of memory a call takes. Most selectors repeat the text of what was given."""
    items = max(len(noted.given), len(noted.selectors))
    return CALL_BYTES + len(noted.sentence) + ITEM_BYTES * items + 2 * sum(len(value) for _, value in noted.given)
