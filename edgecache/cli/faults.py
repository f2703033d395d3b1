"""`edgecache faults`: purge APIs of vendors that misbehave on demand."""

from __future__ import annotations

from typing import Any

import click

from edgecache.cli.client import EdgeClient, client_options, print_json, print_table
from edgecache.control.dialects.faults import Fault

EPILOG = """\b
Examples:
  edgecache faults                                  # what is on
  edgecache faults on delay 5s                      # purges take effect after 5 seconds of edge time
  edgecache faults on rate-limit 2s --after 10      # ten purges pass, then 429 with Retry-After: 2
  edgecache faults on error --count 3 --call fastly # three of Fastly's purges get 500
  edgecache faults on unavailable 1s --for 1m
  edgecache faults on error-in-body --call cloudflare/purge_cache
  edgecache faults on lost                          # acknowledged, and nothing is invalidated
  edgecache faults on partial 2                     # only the first two items of each purge
  edgecache faults off 1
  edgecache faults off                              # all of them

Of several that are meant for a call, the oldest strikes, alone. Each answer that was struck says so in Edgecache-Fault, the
journal has it as "faulted", and the edge's terminal says when a fault begins and ends. They end with the edge, or a reset."""

TIMED = (Fault.DELAY, Fault.RATE_LIMIT, Fault.UNAVAILABLE)


# One command and not a group: --edge means the same wherever it stands.
@click.command(epilog=EPILOG, options_metavar="[OPTIONS] [on FAULT [VALUE] | off [NUMBER]]")
@click.argument("action", type=click.Choice(["on", "off"]), metavar="", required=False)
@click.argument("which", metavar="", required=False)
@click.argument("value", metavar="", required=False)
@click.option("--call", metavar="VENDOR[/CALL]", help="Whose purges, or which call; by default the purges of all vendors.")
@click.option("--after", type=click.IntRange(0), metavar="NUMBER", help="Calls that it lets pass first.")
@click.option("--count", type=click.IntRange(1), metavar="NUMBER", help="Calls that it strikes; by default all.")
@click.option("--for", "lasts", metavar="DURATION", help="How long it lasts, in edge time; by default until it is turned off.")
@client_options
def faults(
    action: str | None, which: str | None, value: str | None, call: str | None, after: int | None, count: int | None, lasts: str | None,
    edge: EdgeClient, as_json: bool,
) -> None:  # fmt: skip
    """Show the faults of vendors' purge APIs, or turn some on or off."""
    options = {name: given for name, given in (("call", call), ("after", after), ("count", count), ("for", lasts)) if given is not None}
    if options and action != "on":
        raise click.UsageError(f"--{next(iter(options))} is for a fault to turn on.")
    match action:
        case "on":
            answer = edge.post("/api/v1/faults", {**_wanted(which, value), **options})
            said = f"Fault {answer['number']} is on: {answer['sentence']}."
        case "off":
            if value is not None:
                raise click.UsageError(f"off takes one number at most; {value!r} is too much.")
            answer = edge.delete("/api/v1/faults" + (f"/{_number(which)}" if which is not None else ""))
            said = f"{answer['ended']} fault{' is' if answer['ended'] == 1 else 's are'} off."
        case _:
            answer = edge.get("/api/v1/faults")
            said = ""
    if as_json:
        print_json(answer)
    elif said:
        click.echo(said)
    else:
        show(answer)


def show(answer: Any) -> None:
    """The table, and what waits."""
    if answer["faults"]:
        rows = [
            [str(one["number"]), one["fault"], one["call"] or "(all purges)", str(one["struck"]), one["sentence"]]
            for one in answer["faults"]
        ]
        print_table(["number", "fault", "call", "struck", "what it does"], rows)
    else:
        click.echo("No fault is on.")
    if answer["delayed"]:
        click.echo(f"Invalidations that were acknowledged and have yet to take effect: {answer['delayed']:,}.")


def _wanted(which: str | None, value: str | None) -> dict[str, Any]:
    """The fault as the API takes it."""
    names = ", ".join(Fault)
    if which is None:
        raise click.UsageError(f"Say which fault: {names}.")
    if which not in tuple(Fault):
        raise click.UsageError(f"There is no fault {which!r}: write one of {names}.")
    fault = Fault(which)
    member = fault.replace("-", "_")
    if fault in TIMED:
        return {member: value or ("1s" if fault is not Fault.DELAY else _missing("how long, as in: on delay 5s"))}
    if fault is Fault.PARTIAL:
        if value is None or not value.isdecimal() or not value.isascii() or len(value) > 9:
            _missing("how many items are to be invalidated, as in: on partial 2")
        return {member: int(value or 0)}
    if value is not None:
        raise click.UsageError(f"{fault} takes nothing more; {value!r} is too much.")
    return {member: True}


def _missing(what: str) -> str:
    raise click.UsageError(f"Say {what}.")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise click.UsageError(f"{text!r} is no number of a fault; `edgecache faults` lists them.")
    return int(text)
