"""What tests call between two cases: `/api/v1/reset` leaves the edge as after a start, `/api/v1/settled` waits for what is in flight."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edgecache.config import ConfigError, parse_duration
from edgecache.control.operations import Asked, Body, Operation, Parameter
from edgecache.control.parts import ControlParts
from edgecache.control.problems import Kind, Problem
from edgecache.control.shapes import Format, Text
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.selectors import AllSelector

SETTLED_LIMIT_S = 300.0


class ResetDone(msgspec.Struct):
    """The edge is as after a start."""

    position: Annotated[int, Meta(description="Of the entry that covers all that was stored, and what is on its way.")]


class Settled(msgspec.Struct):
    """Nothing is in flight."""

    settled: bool


RESET = Operation(
    "POST",
    "/api/v1/reset",
    "reset",
    "Between two tests: nothing stored, journal empty, no faults, counters at zero, wall-clock time",
    {200: ResetDone},
    body=Body(),
)
SETTLED = Operation(
    "GET",
    "/api/v1/settled",
    "settled",
    "Returns when no fetch, refresh or write is in flight",
    {200: Settled},
    parameters=(Parameter("timeout", Text(Format.DURATION), "How long to wait; at most five minutes.", "5s"),),
    refusals=(Kind.NOT_SETTLED,),
)


async def reset(parts: ControlParts, asked: Asked) -> ResetDone:
    """Store, journal, clock and counters as after a start."""
    # The entry first: what is still on its way from the origin is covered by it, also when it arrives after the store was cleared.
    outcome = await parts.doors.invalidate([AllSelector()], soft=False, cause=Cause.RESET)
    parts.cleared()  # before time is moved, which would have delayed invalidations done
    parts.doors.journal.clear()
    parts.store.clear()
    parts.clock.reset()
    await parts.moved()
    parts.records.reset()
    return ResetDone(outcome.position)


async def settled(parts: ControlParts, asked: Asked) -> Settled:
    """Nothing is in flight, or 504 when that took longer."""
    try:
        timeout_s = parse_duration(asked.parameters["timeout"])
    except ConfigError as error:
        raise Problem(Kind.BAD_VALUE, f"Parameter 'timeout': {error}.") from error
    if timeout_s > SETTLED_LIMIT_S:
        raise Problem(Kind.BAD_VALUE, f"Parameter 'timeout': at most {SETTLED_LIMIT_S:g} s.")
    if not await parts.settled(timeout_s):
        raise Problem(Kind.NOT_SETTLED, f"Something is still in flight after {timeout_s:g} s.")
    return Settled(True)
