"""`edgecache clock`: time travel for a running edge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from edgecache.cli.client import EdgeClient, client_options, print_json

EPILOG = """\b
Examples:
  edgecache clock                  # edge time, and how far it is from the wall clock
  edgecache clock advance 1h       # what was fresh for less than an hour is stale now
  edgecache clock advance 250ms
  edgecache clock advance -10s     # back; everything stored is stale then, so that nothing becomes fresh by it
  edgecache clock reset            # edge time is the wall clock's again

A DURATION is a number with ms, s, m, h or d; without a unit it counts seconds. Freshness follows edge time; time-outs
follow real time."""


# One command and not a group: --edge means the same wherever it stands. Unknown options are let through because "-10s" looks like one.
@click.command(epilog=EPILOG, context_settings={"ignore_unknown_options": True}, options_metavar="[OPTIONS] [advance DURATION | reset]")
@click.argument("action", type=click.Choice(["advance", "reset"]), metavar="", required=False)
@click.argument("duration", metavar="", required=False)
@client_options
def clock(action: str | None, duration: str | None, edge: EdgeClient, as_json: bool) -> None:
    """Show or move the time of a running edge: nobody waits for a TTL."""
    if action == "advance" and duration is None:
        raise click.UsageError("Say by how much: edgecache clock advance 1h.")
    if action != "advance" and duration is not None:
        raise click.UsageError(f"{action} takes nothing more; {duration!r} is too much.")
    match action:
        case "advance":
            answer = edge.post("/api/v1/clock", {"advance": duration})
        case "reset":
            answer = edge.post("/api/v1/clock", {"reset": True})
        case _:
            answer = edge.get("/api/v1/clock")
    show(answer, as_json)


def show(answer: Any, as_json: bool) -> None:
    """Print what the edge says about its time."""
    if as_json:
        print_json(answer)
        return
    now = datetime.fromtimestamp(answer["now"], UTC)
    click.echo(f"edge time  {now:%Y-%m-%d %H:%M:%S} UTC")
    click.echo(f"offset     {offset(answer['offset_s'])}")


def offset(seconds: float) -> str:
    """How far edge time is from the wall clock, for people: "none", "+1:30:00 (5400 s)", "-1 day, …"."""
    if seconds == 0:
        return "none: edge time is wall-clock time"
    sign = "+" if seconds > 0 else "-"
    return f"{sign}{timedelta(seconds=abs(round(seconds, 3)))} ({seconds:+g} s)"
