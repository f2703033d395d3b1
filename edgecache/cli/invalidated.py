"""What the commands that invalidate print: what was hit, what a dry run would hit, and hints."""

from __future__ import annotations

import sys
from typing import Any

import click

from edgecache.cli.client import print_table, printable

MOST_ROWS = 20  # of a table on a terminal; a pipe gets all


def show(answer: dict[str, Any], *, soft: bool, dry_run: bool) -> None:
    """Print the edge's answer to an invalidation, or several that were put together, for people and for pipes."""
    if dry_run:
        _table(["key", "status", "age", "ttl", "state", "tags"], [_response(one) for one in answer["responses"]])
    else:
        _table(["selector", "value", "matched"], [_hit(one) for one in answer["selectors"]])
    click.echo(looked(answer["matched"], len(answer["responses"])) if dry_run else summary(answer["matched"], soft, answer["position"]))
    for hint in answer["hints"]:
        click.echo(f"Hint: {printable(hint)}.")


def together(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """One answer for a list that was sent in several calls. What nobody counted in one of them nobody counted."""
    counts = [answer["matched"] for answer in answers]
    return {
        **answers[-1],
        "matched": None if None in counts else sum(counts),
        **{name: [one for answer in answers for one in answer[name]] for name in ("selectors", "hints")},
        **({"responses": [one for answer in answers for one in answer["responses"]]} if "responses" in answers[-1] else {}),
    }


def summary(matched: int | None, soft: bool, position: int) -> str:
    """What the invalidation did, in a line. `matched` is None when the edge did not count."""
    what = "stale now" if soft else "gone now"
    match matched:
        case None:
            count = f"whatever was stored under it is {what}"
        case 0:
            count = "no stored response matched; what is on its way from the origin is covered too"
        case 1:
            count = f"1 stored response is {what}"
        case _:
            count = f"{matched:,} stored responses are {what}"
    return f"Invalidated at log position {position}: {count}."


def looked(matched: int | None, listed: int) -> str:
    """What a dry run found, in a line."""
    match matched:
        case None:
            count = "there was not time to look at all that is stored"
        case 0:
            count = "no stored response would be covered"
        case 1:
            count = "1 stored response would be covered"
        case _:
            count = f"{matched:,} stored responses would be covered"
    if matched is not None and matched > listed:
        count += f", of which {listed:,} were listed"
    return f"Nothing was changed: {count}."


def _table(columns: list[str], rows: list[list[str]]) -> None:
    if not rows:
        return
    most = MOST_ROWS if sys.stdout.isatty() and len(rows) > MOST_ROWS + 1 else len(rows)
    print_table(columns, rows[:most])
    if most < len(rows):
        click.echo(f"… and {len(rows) - most:,} more")


def _response(one: dict[str, Any]) -> list[str]:
    variant = ", ".join(f"{name}: {'(absent)' if value is None else value}" for name, value in one["variant"].items())
    key = f"{one['key']} ({variant})" if variant else one["key"]
    return [key, str(one["status"]), str(one["age"]), str(one["ttl"]), one["state"], " ".join(one["tags"])]


def _hit(one: dict[str, Any]) -> list[str]:
    value = one["value"] if one["site"] is None else f"{one['value']} (site {one['site']})"
    return [one["kind"], value, "-" if one["matched"] is None else f"{one['matched']:,}"]
