"""`edgecache purge`: invalidate in a running edge."""

from __future__ import annotations

from typing import Any

import click

from edgecache.cli.client import EdgeClient, client_options, print_json, print_table

EPILOG = """\b
Examples:
  edgecache purge http://127.0.0.1:8080/          # gone: the next request goes to the origin
  edgecache purge --soft http://127.0.0.1:8080/   # stale: revalidated, and served if the origin is away
  edgecache purge --all

A URL is written as clients ask the edge for it. It covers http and https, and every variant under that URL; several URLs
are one write: all of them or, when one is not usable, none."""


@click.command(epilog=EPILOG)
@click.argument("urls", metavar="[URL]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Invalidate everything that is stored.")
@click.option("--soft", is_flag=True, help="Make it stale instead of gone.")
@client_options
def purge(urls: tuple[str, ...], everything: bool, soft: bool, edge: EdgeClient, as_json: bool) -> None:
    """Invalidate URLs, or everything, in a running edge.

    Once this returns, no request gets what was stored before: also not when the origin's answer was already on its way.
    """
    if everything == bool(urls):
        both = "Name URLs or say --all, not both." if everything else "Name the URLs to invalidate, or say --all."
        raise click.UsageError(both)
    what: dict[str, Any] = {"all": True} if everything else {"urls": list(urls)}
    answer = edge.post("/api/v1/invalidations", {**what, "soft": soft})
    if as_json:
        print_json(answer)
        return
    print_table(["selector", "value"], [[selector["kind"], selector["value"] or ""] for selector in answer["selectors"]])
    click.echo(summary(answer["matched"], soft, answer["position"]))


def summary(matched: int | None, soft: bool, position: int) -> str:
    """What the invalidation did, in a line. `matched` is None when the edge does not count (everything)."""
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
