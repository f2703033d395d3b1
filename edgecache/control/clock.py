"""`/api/v1/clock`: edge time, which decides what is fresh, and moving it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edgecache.clock import Clock
from edgecache.config import ConfigError, parse_duration
from edgecache.control.operations import Asked, Body, Operation
from edgecache.control.parts import ControlParts
from edgecache.control.problems import Kind, Problem
from edgecache.control.shapes import Flag, Format, Member, Text
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.selectors import AllSelector

# How far edge time may be moved. A hundred years ahead is enough for any TTL, and every date can still be written (RFC 9110 5.6.7).
OFFSET_LIMIT_S = 100 * 365 * 86400.0


class Time(msgspec.Struct):
    """Edge time."""

    now: Annotated[float, Meta(description="Seconds since the epoch.")]
    offset_s: Annotated[float, Meta(description="How far that is from the wall clock.")]


CLOCK = Operation("GET", "/api/v1/clock", "clock", "Edge time, and how far it is from the wall clock", {200: Time})
MOVE_CLOCK = Operation(
    "POST",
    "/api/v1/clock",
    "moveClock",
    "Move edge time, or set it to the wall clock's; a step back makes all that is stored stale",
    {200: Time},
    body=Body(
        exactly_one=(
            Member("advance", Text(Format.STEP), "By how much; at most 100 years from the wall clock."),
            Member("reset", Flag(only_true=True), "Back to the wall clock."),
        )
    ),
)


def time_of(clock: Clock) -> Time:
    """What a clock shows."""
    return Time(clock.now(), clock.offset_s)


async def show_clock(parts: ControlParts, asked: Asked) -> Time:
    """What time is it?"""
    return time_of(parts.clock)


async def move_clock(parts: ControlParts, asked: Asked) -> Time:
    """{"advance": "1h"}, also "-10s", or {"reset": true}."""
    clock = parts.clock
    step = _step(asked.members["advance"]) if asked.chosen == "advance" else -clock.offset_s
    if abs(clock.offset_s + step) > OFFSET_LIMIT_S:
        raise Problem(Kind.BAD_VALUE, "Edge time cannot be more than 100 years from the wall clock.", member="advance")
    if step < 0:
        # Nothing becomes fresh by going back: all that is stored now is stale since now, which the step makes a time to come.
        await parts.doors.invalidate([AllSelector()], soft=True, cause=Cause.CLOCK)
    clock.advance(step)
    await parts.moved()
    return time_of(clock)


def _step(text: str) -> float:
    """Seconds by which "1h", "+90s" or "-10s" moves edge time."""
    sign = -1 if text.startswith("-") else 1
    try:
        return sign * parse_duration(text[1:] if text[:1] in ("+", "-") else text)
    except ConfigError as error:
        raise Problem(Kind.BAD_VALUE, f"Member 'advance': {error}.", member="advance") from error
