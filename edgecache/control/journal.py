"""`GET /api/v1/invalidations`: what was asked of all doors, and what came of it. What the tests of a plugin that purges assert on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edgecache.clock import Clock
from edgecache.control.invalidating import Selected, selected
from edgecache.control.operations import Asked, Body, Operation, Parameter
from edgecache.control.parts import ControlParts
from edgecache.control.problems import Kind, Problem, readable
from edgecache.control.shapes import Choice, Flag, Text, WholeNumber
from edgecache.invalidation.journal import Came, Noted
from edgecache.invalidation.selectors import Kind as By

LIMIT_DEFAULT = 100
LIMIT_MAX = 1000
MOST_POSITION = 10**15
PAGE_ITEMS = 10_000  # a page ends early when its calls have more together: what is shown is written in one go, and everybody waits for that
WALK_BUDGET_S = 0.002


class GivenItem(msgspec.Struct):
    """One thing that was asked for."""

    kind: Annotated[str, Meta(description="By what it was to select.")]
    value: Annotated[str, Meta(description="As it was given.")]


class Entry(msgspec.Struct):
    """One call, of somebody or of the edge itself."""

    number: Annotated[int, Meta(description="Counts calls from 1, also those without a position.")]
    time: Annotated[float, Meta(description="When it came: edge time, seconds since the epoch.")]
    door: Annotated[str, Meta(description="Through which door: `api`, an invalidation method, or the cause for what the edge did itself.")]
    who: Annotated[str, Meta(description="From which address.")]
    given: Annotated[list[GivenItem], Meta(description="What was asked for, as it was given; empty when the call could not be read.")]
    came: Annotated[str, Meta(description="What came of it: `done`, `dry-run`, `refused`, `failed`, `elsewhere` or `faulted`.")]
    sentence: Annotated[
        str, Meta(description="Why it was refused or failed, what it was about instead, or what a fault made of it; else empty.")
    ]
    soft: bool
    refetch: bool
    selectors: Annotated[list[Selected], Meta(description="What that came to, normalised; empty when it was refused.")]
    position: Annotated[int | None, Meta(description="Of its last entry in the log; null when nothing was appended.")]
    matched: Annotated[int | None, Meta(description="How many stored responses it covers; null as long as nobody has counted.")]
    at_least: Annotated[bool, Meta(description="Counted afterwards: what was evicted or replaced before that is not in `matched`.")]
    hints: Annotated[list[str], Meta(description="What was probably meant, when nothing matched.")]
    own: Annotated[bool, Meta(description="The edge did it by itself.")]


class Page(msgspec.Struct):
    """One page of the journal, newest first."""

    invalidations: list[Entry]
    total: Annotated[int, Meta(description="How many match, on all pages.")]
    next: Annotated[str | None, Meta(description="What to send as `after` for the next page; null on the last one.")]


class Emptied(msgspec.Struct):
    """The journal is empty; the log is what it was."""

    emptied: Annotated[int, Meta(description="How many calls were in it.")]


JOURNAL = Operation(
    "GET",
    "/api/v1/invalidations",
    "journal",
    "The journal: what was asked of all doors and what came of it, newest first",
    {200: Page},
    parameters=(
        Parameter("door", Text(), "Those that came through this door."),
        Parameter("who", Text(), "Those from this address."),
        Parameter("kind", Choice(tuple(by.value for by in By)), "Those with a selector of this kind."),
        Parameter("q", Text(), "Those with a selector that contains this, as given or normalised."),
        Parameter("came", Choice(tuple(came.value for came in Came)), "Those that came to this."),
        Parameter("soft", Flag(), "Soft ones, or hard ones."),
        Parameter("since", WholeNumber(0, MOST_POSITION), "Those whose position is above this one."),
        Parameter("own", Flag(), "Also what the edge did by itself: for responses, its clock, a reset.", "false"),
        Parameter("limit", WholeNumber(1, LIMIT_MAX), "How many on a page.", str(LIMIT_DEFAULT)),
        Parameter("after", Text(pattern="[0-9]{1,15}"), "The page after this one: what `next` said on the page before."),
    ),
)
ENTRY = Operation(
    "GET",
    "/api/v1/invalidations/{position}",
    "journalEntry",
    "The call that appended the entry at this position of the log",
    {200: Entry},
    parameters=(Parameter("position", WholeNumber(1, MOST_POSITION), "A position of the log.", in_path=True),),
    refusals=(Kind.NOT_FOUND,),
)
EMPTY = Operation(
    "DELETE",
    "/api/v1/invalidations",
    "emptyJournal",
    "Empty the journal; what was invalidated stays so",
    {200: Emptied},
    body=Body(),
)


async def journal(parts: ControlParts, asked: Asked) -> Page:
    """The calls that are asked for, page by page. Numbers only grow, so a page stays where it is while more come."""
    wanted = asked.parameters
    before = _before(wanted.get("after"))
    found = await _found(list(parts.doors.journal.newest_first(own=wanted["own"])), wanted, parts.clock)
    rest = [noted for noted in found if before is None or noted.number < before]
    shown = list(_page(rest, wanted["limit"]))
    return Page([entry(noted) for noted in shown], len(found), str(shown[-1].number) if len(rest) > len(shown) else None)


async def journal_entry(parts: ControlParts, asked: Asked) -> Entry:
    """The call that made the entry at one position."""
    position = asked.parameters["position"]
    noted = parts.doors.journal.at(position)
    if noted is None:
        raise Problem(Kind.NOT_FOUND, f"The journal has nothing at position {position}; the log is at {parts.log.head}.")
    return entry(noted)


async def empty_journal(parts: ControlParts, asked: Asked) -> Emptied:
    """Forget all calls; the log is another matter."""
    kept = parts.doors.journal
    number = sum(1 for _ in kept.newest_first(own=True))
    kept.clear()
    return Emptied(number)


def entry(noted: Noted) -> Entry:
    """One call for JSON."""
    return Entry(
        number=noted.number,
        time=noted.time,
        door=readable(noted.door),
        who=readable(noted.who),
        given=[GivenItem(kind, readable(value)) for kind, value in noted.given],
        came=noted.came.value,
        sentence=readable(noted.sentence),
        soft=noted.soft,
        refetch=noted.refetch,
        selectors=selected(noted.selectors),
        position=noted.position,
        matched=noted.matched,
        at_least=noted.at_least,
        hints=[readable(hint) for hint in noted.hints],
        own=noted.own,
    )


def _before(after: str | None) -> int | None:
    """The number that `after` says."""
    if after is None:
        return None
    if not (after.isascii() and after.isdigit() and len(after) <= 15):
        raise Problem(Kind.BAD_VALUE, "Parameter 'after' must be what 'next' said on the page before.")
    return int(after)


async def _found(calls: list[Noted], wanted: Any, clock: Clock) -> list[Noted]:
    """Those that are asked for. Gives way to the loop every 2 ms."""
    found = []
    until = clock.monotonic() + WALK_BUDGET_S
    for noted in calls:
        if _matches(noted, wanted):
            found.append(noted)
        if clock.monotonic() >= until:
            await asyncio.sleep(0)
            until = clock.monotonic() + WALK_BUDGET_S
    return found


def _page(calls: list[Noted], limit: int) -> Iterator[Noted]:
    """The first of them, as many as go on a page; at least one, if there is one."""
    items = 0
    for noted in calls[:limit]:
        items += max(len(noted.given), len(noted.selectors))
        if items > PAGE_ITEMS and noted is not calls[0]:
            return
        yield noted


def _matches(noted: Noted, wanted: Any) -> bool:
    """Is this call asked for?"""
    if any(name in wanted and wanted[name] != getattr(noted, name) for name in ("door", "who", "came", "soft")):
        return False
    if "since" in wanted and (noted.position is None or noted.position <= wanted["since"]):
        return False
    if "kind" in wanted and wanted["kind"] not in {kind for kind, _ in noted.given} | {one.kind.value for one in noted.selectors}:
        return False
    q = wanted.get("q", "")
    return not q or any(q in readable(value) for value in (*(value for _, value in noted.given), *(one.value for one in noted.selectors)))
