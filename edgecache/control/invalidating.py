"""`POST /api/v1/invalidations`: the native way to invalidate, by each selector there is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from edgecache.control.objects import StoredObject, describe
from edgecache.control.operations import Asked, Body, Operation
from edgecache.control.parts import ControlParts
from edgecache.control.problems import Kind, Problem, readable
from edgecache.control.shapes import Flag, Format, ListOf, Member, Record, Shape, Text, TextMap
from edgecache.invalidation.doors import Call, Outcome
from edgecache.invalidation.logfile import LogUnwritable
from edgecache.invalidation.reading import BadItem, Item
from edgecache.invalidation.selectors import Kind as By
from edgecache.invalidation.selectors import Selector

NOTED_OF_TOO_MANY = 10  # items of a list that is too long which the journal keeps


class Given(NamedTuple):
    """What can be given: one in the member `one`, or a list in the member `many`."""

    by: By
    one: str
    many: str
    shape: Shape
    meaning: str


KEY = Record(
    (
        Member("url", Text(Format.URL), "The URL.", required=True),
        Member("headers", TextMap(), "The request's fields, of which the rules of the key take those that they name."),
    )
)
GROUP = Record(
    (
        Member("origin", Text(Format.URL), "The origin that names the group, as a URL.", required=True),
        Member("name", Text(pattern="[ -~]+", filled=True), "The group's name, exactly.", required=True),
    )
)
GIVEN = (
    Given(By.URL, "url", "urls", Text(Format.URL), "One URL under http and https, with all its variants."),
    Given(By.KEY, "key", "keys", KEY, "One cache key, which rules may have made of more than the URL, with all its variants."),
    Given(By.HOST, "host", "hosts", Text(Format.HOST), "Everything of one host."),
    Given(By.PREFIX, "prefix", "prefixes", Text(Format.PREFIX), "A path and all below it, in whole segments, on one host or on any."),
    Given(By.PATH, "path", "paths", Text(Format.PATH), "One path and query on any host, or all that begin with it when it ends in *."),
    Given(By.TAG, "tag", "tags", Text(Format.TAG), "What its origin gave this tag."),
    Given(By.GROUP, "group", "groups", GROUP, "What one origin put into this group (RFC 9875)."),
    Given(By.BAN, "ban", "bans", Text(Format.BAN), "What this expression is true of."),
)
ALL = Member("all", Flag(only_true=True), "Everything.")
UNFETCHABLE = frozenset(("prefix", "prefixes", "ban", "bans"))


class Selected(msgspec.Struct):
    """One selector, normalised."""

    kind: Annotated[str, Meta(description="By what it selects: the name of the member that says it.")]
    value: Annotated[str, Meta(description="What it selects, in the edge's own form; a URL is shown with http, for both schemes.")]
    site: Annotated[str | None, Meta(description="The only site that it is for; null for all.")]


class Hit(Selected):
    """One selector, and what it hit."""

    matched: Annotated[int | None, Meta(description="How many stored responses this selector covers; null: not counted.")]


class Invalidated(msgspec.Struct):
    """It is invalidated: no request after this answer gets what is covered."""

    position: Annotated[int, Meta(description="Of the last entry in the log.")]
    selectors: Annotated[list[Hit], Meta(description="What was invalidated, normalised, each once.")]
    matched: Annotated[int | None, Meta(description="How many stored responses it covers that nothing covered before; null: not counted.")]
    hints: Annotated[list[str], Meta(description="What was probably meant, when nothing matched.")]


class Looked(msgspec.Struct):
    """What an invalidation would cover. Nothing was changed."""

    matched: Annotated[int | None, Meta(description="How many stored responses it would cover; null when there was not time to see all.")]
    responses: Annotated[list[StoredObject], Meta(description="The first thousand of them, as /api/v1/objects shows them.")]
    selectors: Annotated[list[Hit], Meta(description="What would be invalidated, normalised, each once.")]
    hints: Annotated[list[str], Meta(description="What was probably meant, when nothing matched.")]


INVALIDATE = Operation(
    "POST",
    "/api/v1/invalidations",
    "invalidate",
    "Invalidate by url, key, host, prefix, path, tag, group, ban, a list of one of these, or all; soft, or as a dry run",
    {201: Invalidated, 200: Looked},
    body=Body(
        exactly_one=(
            *(Member(given.one, given.shape, given.meaning) for given in GIVEN),
            *(
                Member(given.many, ListOf(given.shape), f"A list of what `{given.one}` takes: one write, all of it or nothing.")
                for given in GIVEN
            ),
            ALL,
        ),
        options=(
            Member("soft", Flag(), "Make it stale instead of gone."),
            Member("dry_run", Flag(), "Change nothing, and list what would be covered."),
            Member("refetch", Flag(), "Fetch again what was covered."),
            Member("count", Flag(), "Wait until what is covered is counted, also where the store has to be searched for that."),
            Member("site", Text(Format.SITE), "Only what is stored for this site."),
        ),
        not_with={"refetch": UNFETCHABLE},
    ),
    refusals=(Kind.TOO_MANY_ITEMS, Kind.LOG_UNWRITABLE),
)


async def invalidate(parts: ControlParts, asked: Asked) -> Invalidated | Looked:
    """Read what is to be invalidated, and hand it to the doors. Returns when it may be acknowledged."""
    members = asked.members
    call = Call(
        "api",
        asked.who,
        _items(asked.chosen, members),
        soft=members.get("soft", False),
        dry_run=members.get("dry_run", False),
        refetch=members.get("refetch", False),
        count=members.get("count", False),
        site=members.get("site", ""),
    )
    limit = parts.settings.api_items
    if len(call.items) > limit:
        said = f"Member {asked.chosen!r} has {len(call.items)} items; at most {limit} are taken at once (setting api_items)."
        parts.doors.refuse(dataclasses.replace(call, items=call.items[:NOTED_OF_TOO_MANY]), said)
        raise Problem(Kind.TOO_MANY_ITEMS, said, member=asked.chosen)
    try:
        outcome = await parts.doors.call(call)
    except BadItem as bad:
        said = f"Member {bad.item.member!r}: {bad.sentence.rstrip('.')}."
        raise Problem(Kind.BAD_VALUE, said, member=bad.item.member, column=bad.column) from bad
    except LogUnwritable as failure:
        raise Problem(Kind.LOG_UNWRITABLE, f"Nothing was invalidated: {failure}.") from failure
    return _looked(parts, outcome) if call.dry_run else _invalidated(outcome)


def note_unread(parts: ControlParts, who: str, problem: Problem) -> None:
    """A call that could not be read is in the journal, too: a test of a client wants to see it."""
    parts.doors.refuse(Call("api", who, ()), problem.detail)


def selected(selectors: Sequence[Selector]) -> list[Selected]:
    """Selectors for JSON."""
    return [Selected(one.kind.value, readable(one.value), one.site or None) for one in selectors]


def _hits(outcome: Outcome) -> list[Hit]:
    each = outcome.each or [None] * len(outcome.selectors)
    return [Hit(one.kind, one.value, one.site, matched) for one, matched in zip(selected(outcome.selectors), each, strict=True)]


def _items(chosen: str, members: Mapping[str, Any]) -> list[Item]:
    if chosen == ALL.name:
        return [Item(By.ALL, member=chosen)]
    for given in GIVEN:
        if chosen == given.one:
            return [_item(given.by, members[chosen], chosen)]
        if chosen == given.many:
            return [_item(given.by, value, f"{chosen}[{index}]") for index, value in enumerate(members[chosen])]
    raise AssertionError(chosen)


def _item(by: By, value: Any, member: str) -> Item:
    match by:
        case By.KEY:
            return Item(by, value["url"], fields=value.get("headers", {}), member=member)
        case By.GROUP:
            return Item(by, value["name"], origin=value["origin"], member=member)
        case _:
            return Item(by, value, member=member)


def _invalidated(outcome: Outcome) -> Invalidated:
    return Invalidated(outcome.position, _hits(outcome), outcome.matched, [readable(hint) for hint in outcome.hints])


def _looked(parts: ControlParts, outcome: Outcome) -> Looked:
    now = parts.clock.now()
    shown = [describe(stored, parts.log.judge(stored), now) for stored in outcome.responses]
    hints = [readable(hint) for hint in outcome.hints]
    return Looked(outcome.matched, [one for one in shown if one is not None], _hits(outcome), hints)
