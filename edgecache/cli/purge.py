"""`edgecache purge`: invalidate URLs, tags, prefixes, hosts, paths, keys, groups or everything, in a running edge."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TextIO

import click

from edgecache.cli.client import EdgeClient, EdgeRefused, client_options, print_json, printable
from edgecache.cli.invalidated import show, together
from edgecache.config import Settings

EPILOG = """\b
Examples:
  edgecache purge http://127.0.0.1:8080/          # gone: the next request goes to the origin
  edgecache purge --soft http://127.0.0.1:8080/   # stale: revalidated, and served if the origin is away
  edgecache purge --tag product-42 --tag product-43
  edgecache purge --prefix www.example.com/news   # /news, /news?page=2 and /news/today, not /newsletter
  edgecache purge --path '/assets/*' --dry-run    # on any host; only lists what would go
  edgecache purge --group https://www.example.com scripts
  edgecache purge --refetch --file urls.txt       # one per line, lines with # in front are comments; - is stdin
  edgecache purge --all

A URL is written as clients ask the edge for it. It covers http and https, and every variant under that URL. Several of
one kind are one write: all of them or, when one is not usable, none; a list that is too long for one write goes in
several, one after the other."""

# Of one call: as many items as the edge takes by default, and what surely fits into the content that it takes by default.
BATCH_ITEMS = Settings().api_items
BATCH_BYTES = Settings().api_body_bytes * 3 // 4


class Source(NamedTuple):
    """One thing to invalidate: what is sent, and how a sentence calls it."""

    value: Any
    called: str


@click.command(epilog=EPILOG)
@click.argument("urls", metavar="[URL]...", nargs=-1)
@click.option("--file", "file", type=click.File(encoding="utf-8"), metavar="FILE", help="Take URLs from a file, one per line; - is stdin.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="What the origin gave this cache tag.")
@click.option("--prefix", "prefixes", metavar="PREFIX", multiple=True, help="[HOST]/PATH and all below it, in whole segments.")
@click.option("--host", "hosts", metavar="HOST", multiple=True, help="Everything of a host.")
@click.option("--path", "paths", metavar="PATH", multiple=True, help="A path with its query on any host; ending in *, all that begin so.")
@click.option("--key", "keys", metavar="URL", multiple=True, help="One cache key: the URL with the fields given by --header.")
@click.option("--header", "-H", "headers", metavar="'NAME: VALUE'", multiple=True, help="A field of the request, for --key.")
@click.option("--group", "groups", metavar="ORIGIN NAME", nargs=2, multiple=True, help="What an origin put into a group (RFC 9875).")
@click.option("--all", "everything", is_flag=True, help="Everything that is stored.")
@click.option("--soft", is_flag=True, help="Make it stale instead of gone.")
@click.option("--dry-run", is_flag=True, help="Change nothing; list what would be covered.")
@click.option("--refetch", is_flag=True, help="Fetch again what was covered; not with --prefix.")
@click.option("--count", is_flag=True, help="Wait until what is covered is counted; URLs are counted anyway.")
@click.option("--site", metavar="NAME", help="Only what is stored for this site.")
@client_options
def purge(
    urls: tuple[str, ...], file: TextIO | None, tags: tuple[str, ...], prefixes: tuple[str, ...], hosts: tuple[str, ...],
    paths: tuple[str, ...], keys: tuple[str, ...], headers: tuple[str, ...], groups: tuple[tuple[str, str], ...], everything: bool,
    soft: bool, dry_run: bool, refetch: bool, count: bool, site: str | None, edge: EdgeClient, as_json: bool,
) -> None:  # fmt: skip
    """Invalidate URLs, or whatever else is named, in a running edge.

    Once this returns, no request gets what was stored before: also not when the origin's answer was already on its way.
    """
    if headers and not keys:
        raise click.UsageError("--header is for --key: nothing else is about a request's fields.")
    fields = _fields(headers)
    kinds: dict[str, list[Source]] = {
        "urls": [*_named(urls), *(_lines(file) if file else ())],
        "tags": _named(tags),
        "prefixes": _named(prefixes),
        "hosts": _named(hosts),
        "paths": _named(paths),
        "keys": [Source({"url": key, "headers": fields}, key) for key in keys],
        "groups": [Source({"origin": origin, "name": name}, name) for origin, name in groups],
    }
    given = [name for name, sources in kinds.items() if sources] + (["all"] if everything else [])
    if not given and file is not None:
        raise click.ClickException(f"{printable(file.name)} has no URL.")
    if len(given) != 1:
        raise click.UsageError(
            f"One kind at a time: these are {' and '.join(given)}." if given else "Name URLs, or what else to invalidate, or say --all."
        )
    options = {"soft": soft, "dry_run": dry_run, "refetch": refetch, "count": count, **({"site": site} if site else {})}
    if everything:
        answers = [edge.post("/api/v1/invalidations", {"all": True, **options})]
    else:
        answers = list(_in_batches(edge, given[0], kinds[given[0]], options))
    if as_json:
        for answer in answers:
            print_json(answer)
    else:
        show(together(answers), soft=soft, dry_run=dry_run)


def _in_batches(edge: EdgeClient, name: str, sources: Sequence[Source], options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answers to as many calls as it takes, with progress for who watches."""
    items, done = BATCH_ITEMS, 0
    with _progress(len(sources), len(sources) > items or _size(sources) > BATCH_BYTES) as advance:
        while done < len(sources):
            batch = _batch(sources[done : done + items])
            try:
                answer = edge.post("/api/v1/invalidations", {name: [source.value for source in batch], **options})
            except EdgeRefused as refused:
                if refused.status == 413 and len(batch) > 1:
                    items = len(batch) // 2  # this edge takes less; nothing of the batch was carried out
                    continue
                refused.more = _explained(refused, name, batch, done, len(sources))
                raise
            yield answer
            done += len(batch)
            advance(len(batch))


def _batch(sources: Sequence[Source]) -> Sequence[Source]:
    """As many of them, from the first, as one call surely holds; at least one."""
    total = 0
    for number, source in enumerate(sources):
        total += _size([source])
        if total > BATCH_BYTES and number:
            return sources[:number]
    return sources


def _size(sources: Sequence[Source]) -> int:
    """About how many bytes of JSON they are, at the most: json.dumps writes what is not ASCII as escapes."""
    return sum(len(ascii(source.value)) + 8 for source in sources)


def _explained(refused: EdgeRefused, name: str, batch: Sequence[Source], done: int, total: int) -> str:
    """Where the item came from that the edge's sentence names, and what had been carried out before."""
    said = ""
    index = str(refused.problem.get("member", "")).removeprefix(f"{name}[").partition("]")[0]
    if index.isascii() and index.isdigit() and int(index) < len(batch) and len(batch) > 1:
        said += f" ({printable(batch[int(index)].called)})"
    if done:
        said += f" The first {done:,} of {total:,} were carried out before that."
    return said


def _named(values: Sequence[str]) -> list[Source]:
    return [Source(value, value) for value in values]


def _lines(file: TextIO) -> Iterator[Source]:
    """The URLs in a file: a line each, without empty ones and comments."""
    try:
        for number, line in enumerate(file, 1):
            text = line.strip().removeprefix("\ufeff")
            if text and not text.startswith("#"):
                yield Source(text, f"line {number} of {file.name}")
    except (OSError, UnicodeDecodeError) as error:
        why = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise click.ClickException(f"{printable(file.name)} cannot be read: {why}.") from None


def _fields(headers: Sequence[str]) -> dict[str, str]:
    found = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise click.UsageError(f"{printable(header)!r} is no field: write it as 'Name: value'.")
        found[name.strip()] = value.strip()
    return found


@contextmanager
def _progress(total: int, long: bool) -> Iterator[Callable[[int], None]]:
    """A bar on stderr while several calls are made, for who watches a terminal. Gives what is to be told of how many more are done."""
    if not (long and sys.stderr.isatty()):
        yield lambda number: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("invalidating", total=total)
        yield lambda number: bar.advance(task, number)
