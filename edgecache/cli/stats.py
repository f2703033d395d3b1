"""`edgecache stats`: the counters of a running edge."""

from __future__ import annotations

from typing import Any

import click

from edgecache.cli.banner import size
from edgecache.cli.client import EdgeClient, client_options, print_json, print_table

EPILOG = """\b
Examples:
  edgecache stats
  edgecache stats --json | jq .hit_ratio
  watch -n1 edgecache stats

Counters count since the edge started, or since it was reset. The hit ratio is the share of requests answered from the store
among those that could have been."""

CHAPTERS = ("handled", "status", "reasons")


@click.command(epilog=EPILOG)
@client_options
def stats(edge: EdgeClient, as_json: bool) -> None:
    """Show the counters of a running edge."""
    answer = edge.get("/api/v1/stats")
    if as_json:
        print_json(answer)
    else:
        print_table(["counter", "value"], [[name, value] for name, value in rows(answer)])


def rows(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and value of each counter, for people: the ones everyone looks for first, then what else is not zero, as the edge names it."""
    store, clock = answer["store"], answer["clock"]
    ratio = answer["hit_ratio"]
    faults = answer["faults"]
    table = [
        *(("FAULT IS ON", sentence) for sentence in faults["active"]),
        ("origin", answer["edge"]["origin"]),
        ("requests", f"{answer['requests']:,}"),
        ("hit ratio", "-" if ratio is None else f"{ratio:.1%}"),
        ("stored responses", f"{store['responses']:,}"),
        ("in memory", f"{size(store['memory_bytes'])} of {size(store['memory_limit_bytes'])}"),
        ("on disk", f"{size(store['disk_bytes'])} of {size(store['disk_limit_bytes'])}" if store["folder"] else "nothing"),
        ("folder", store["folder"] or "none: the store is in memory"),
        ("evicted", f"{store['evicted']:,}"),
        ("log position", f"{answer['invalidations']['position']:,}"),
        ("clock offset", f"{clock['offset_s']:+g} s" if clock["offset_s"] else "none"),
        *([("calls struck by faults", f"{faults['struck']:,}")] if faults["struck"] else []),
        *([("delayed invalidations", f"{faults['delayed']:,}")] if faults["delayed"] else []),
        ("errors", f"{answer['errors']:,}"),
        ("bytes in", f"{answer['bytes_in']:,}"),
        ("bytes out", f"{answer['bytes_out']:,}"),
    ]
    for chapter, counts in (*((name, answer[name]) for name in CHAPTERS), ("invalidations", answer["invalidations"]["by_cause"])):
        table += [(f"{chapter}: {name}", f"{count:,}") for name, count in counts.items() if count]
    for origin in answer["origins"]:
        table += _flat("origin", {name: value for name, value in origin.items() if name != "origin"})
    return table


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    """`value` as rows, the names of nested objects put before those in them."""
    if isinstance(value, dict):
        return [row for member, inner in value.items() for row in _flat(f"{name} {member.replace('_', ' ')}", inner)]
    return [(name, str(value))]
