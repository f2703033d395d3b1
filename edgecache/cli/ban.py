"""`edgecache ban`: invalidate what an expression is true of, in a running edge."""

from __future__ import annotations

import click

from edgecache.cli.client import EdgeClient, EdgeRefused, client_options, print_json, printable
from edgecache.cli.invalidated import show

EPILOG = """\b
Examples:
  edgecache ban 'obj.status == 404'
  edgecache ban 'obj.http.content-type ~ "^image/" && req.url ~ "^/a"'
  edgecache ban --dry-run 'obj.age > 1h && obj.size >= 1MB'
  edgecache ban --soft 'obj.tags == product-42'

\b
A ban is FIELD OPERATOR VALUE, and more of them with && between:
  req.url  req.method  req.http.NAME  of the request that a response was stored for
  obj.status  obj.http.NAME  obj.tags of the response
  obj.age  obj.ttl  obj.size          with < <= > >=, and units: 30s, 2h, 10KB
  == !=  ~ !~                         is, is not; matches a regular expression (RE2, anywhere in the text), does not

Put it into single quotes, so that the shell leaves it as it is."""

EXCERPT = 60  # characters to each side of the column that are shown of a long expression


@click.command(epilog=EPILOG)
@click.argument("expression", metavar="EXPR")
@click.argument("more", metavar="", nargs=-1)
@click.option("--soft", is_flag=True, help="Make it stale instead of gone.")
@click.option("--dry-run", is_flag=True, help="Change nothing; list what would be covered.")
@click.option("--count", is_flag=True, help="Wait until what is covered is counted.")
@click.option("--site", metavar="NAME", help="Only what is stored for this site.")
@client_options
def ban(
    expression: str, more: tuple[str, ...], soft: bool, dry_run: bool, count: bool, site: str | None, edge: EdgeClient, as_json: bool
) -> None:
    """Invalidate what an expression is true of, in a running edge.

    Once this returns, no request gets what was stored before and is covered.
    """
    if more:
        raise click.UsageError(f"A ban is one argument; put it into single quotes: '{printable(' '.join((expression, *more)))}'.")
    asked = {"ban": expression, "soft": soft, "dry_run": dry_run, "count": count, **({"site": site} if site else {})}
    try:
        answer = edge.post("/api/v1/invalidations", asked)
    except EdgeRefused as refused:
        column = refused.problem.get("column")
        if isinstance(column, int):
            refused.more = "\n" + pointed(expression, column)
        raise
    if as_json:
        print_json(answer)
    else:
        show(answer, soft=soft, dry_run=dry_run)


def pointed(expression: str, column: int) -> str:
    """The expression, or what is around the column (from 1) in a long one, with a caret below that column."""
    at = min(max(column - 1, 0), len(expression))
    first, last = (0, len(expression)) if len(expression) <= 2 * EXCERPT else (max(at - EXCERPT, 0), at + EXCERPT)
    before = ("…" if first else "") + printable(expression[first:at])
    after = printable(expression[at:last]) + ("…" if last < len(expression) else "")
    return f"  {before}{after}\n  {' ' * _width(before)}^"


def _width(text: str) -> int:
    """How many columns of a terminal it takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
