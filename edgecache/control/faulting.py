"""`/api/v1/faults`: purge APIs of vendors that misbehave on demand, so that what calls them can be tested."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edgecache.config import ConfigError, parse_duration
from edgecache.control.dialects.faults import MOST, Active, Fault, Wanted, complaint
from edgecache.control.operations import Asked, Body, Operation, Parameter
from edgecache.control.parts import ControlParts
from edgecache.control.problems import Kind, Problem
from edgecache.control.shapes import Flag, Format, Member, Shape, Text, WholeNumber

MOST_NUMBER = 10**9
YEAR_S = 365 * 86400.0

_TIME = Text(Format.DURATION)
# What each fault is given as: the shape of the member that is named like it, and what that says.
FAULTS: dict[Fault, tuple[Shape, str]] = {
    Fault.DELAY: (_TIME, "Acknowledged at once; takes effect when this much edge time has passed, also over a restart."),
    Fault.RATE_LIMIT: (_TIME, "429 in the vendor's words, with this in Retry-After."),
    Fault.ERROR: (Flag(only_true=True), "500 in the vendor's words."),
    Fault.UNAVAILABLE: (_TIME, "503 in the vendor's words, with this in Retry-After."),
    Fault.ERROR_IN_BODY: (Flag(only_true=True), "200, with the vendor's error as content; nothing is invalidated."),
    Fault.LOST: (Flag(only_true=True), "Acknowledged, and nothing is invalidated."),
    Fault.PARTIAL: (WholeNumber(0, MOST_NUMBER), "Acknowledged, and only so many items are invalidated, always one less than all at most."),
}


class FaultOn(msgspec.Struct):
    """A fault that is on."""

    number: Annotated[int, Meta(description="By which it is turned off.")]
    fault: Annotated[str, Meta(description="What goes wrong.")]
    call: Annotated[str | None, Meta(description="Whose calls, or which one; null for the purges of all vendors.")]
    sentence: Annotated[str, Meta(description="What it does, in words.")]
    struck: Annotated[int, Meta(description="How many calls it has struck.")]
    since: Annotated[float, Meta(description="When it was turned on: edge time, seconds since the epoch.")]


class FaultList(msgspec.Struct):
    """The faults that are on, oldest first: of those that are meant for a call, the first one strikes, alone."""

    faults: list[FaultOn]
    struck: Annotated[int, Meta(description="How many calls were struck since the start, or the last reset.")]
    delayed: Annotated[int, Meta(description="Invalidations that were acknowledged and have yet to take effect.")]
    next_due: Annotated[float | None, Meta(description="When the next one does: edge time; null when there is none.")]


class FaultsOff(msgspec.Struct):
    """They are off. What they delayed takes effect at its time."""

    ended: Annotated[int, Meta(description="How many were on.")]


LIST = Operation("GET", "/api/v1/faults", "faults", "The faults of vendors' purge APIs that are on", {200: FaultList})
ADD = Operation(
    "POST",
    "/api/v1/faults",
    "addFault",
    "Turn a fault of vendors' purge APIs on",
    {201: FaultOn},
    body=Body(
        exactly_one=tuple(Member(fault.replace("-", "_"), shape, meaning) for fault, (shape, meaning) in FAULTS.items()),
        options=(
            Member("call", Text(Format.CALL), "Whose purges, or which call; left out: the purges of all vendors."),
            Member("after", WholeNumber(0, MOST_NUMBER), "Calls that it lets pass first; none by default."),
            Member("count", WholeNumber(1, MOST_NUMBER), "Calls that it strikes; left out: all."),
            Member("for", Text(Format.DURATION), "How long it lasts, in edge time; left out: until it is turned off."),
        ),
    ),
)
END = Operation(
    "DELETE",
    "/api/v1/faults/{number}",
    "endFault",
    "Turn one fault off",
    {200: FaultsOff},
    parameters=(Parameter("number", WholeNumber(1, MOST_NUMBER), "Its number.", in_path=True),),
    body=Body(),
    refusals=(Kind.NOT_FOUND,),
)
CLEAR = Operation("DELETE", "/api/v1/faults", "clearFaults", "Turn all faults off", {200: FaultsOff}, body=Body())


async def list_faults(parts: ControlParts, asked: Asked) -> FaultList:
    """What is on."""
    desk = parts.desk
    active = desk.faults.active(parts.clock.now())
    return FaultList([shown(one) for one in active], desk.faults.struck, len(desk.delays), desk.delays.next_due)


async def add_fault(parts: ControlParts, asked: Asked) -> FaultOn:
    """{"delay": "5s", "call": "fastly"} and the like."""
    wanted = _wanted(asked)
    wrong = complaint(wanted, parts.desk.calls)
    if wrong is not None:
        raise Problem(Kind.BAD_VALUE, f"Member 'call': {wrong}.", member="call")
    added = parts.desk.faults.add(wanted, parts.clock.now())
    if added is None:
        raise Problem(Kind.BAD_VALUE, f"{MOST} faults are on already; turn some of them off.")
    return shown(added)


async def end_fault(parts: ControlParts, asked: Asked) -> FaultsOff:
    """One goes."""
    number = asked.parameters["number"]
    if not parts.desk.faults.end(number, parts.clock.now()):
        raise Problem(Kind.NOT_FOUND, f"No fault {number} is on.")
    return FaultsOff(1)


async def clear_faults(parts: ControlParts, asked: Asked) -> FaultsOff:
    """All go; how many calls they struck is still counted."""
    active = parts.desk.faults.active(parts.clock.now())
    for one in active:
        parts.desk.faults.end(one.number, parts.clock.now())
    return FaultsOff(len(active))


def shown(one: Active) -> FaultOn:
    """A fault for JSON."""
    call = "/".join(filter(None, (one.wanted.vendor, one.wanted.call))) or None
    return FaultOn(one.number, one.wanted.fault, call, one.sentence, one.struck, one.since)


def _wanted(asked: Asked) -> Wanted:
    given = asked.members
    fault = Fault(asked.chosen.replace("_", "-"))
    value: Any = given[asked.chosen]
    vendor, _, call = given.get("call", "").partition("/")
    return Wanted(
        fault,
        vendor,
        call,
        after=int(given.get("after", 0)),
        count=int(given["count"]) if "count" in given else None,
        for_s=_seconds("for", given["for"]) if "for" in given else None,
        wait_s=_seconds(asked.chosen, value) if isinstance(value, str) else 1.0,
        keep=int(value) if fault is Fault.PARTIAL else 1,
    )


def _seconds(member: str, text: str) -> float:
    try:
        found = parse_duration(text)
    except ConfigError as error:
        raise Problem(Kind.BAD_VALUE, f"Member {member!r}: {error}.", member=member) from error
    if found > YEAR_S:
        raise Problem(Kind.BAD_VALUE, f"Member {member!r}: at most a year.", member=member)
    return found
