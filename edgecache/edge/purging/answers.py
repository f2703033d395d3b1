"""Acknowledgements of invalidations, as the programs need them that send them.

Known clients look at the status alone, and some take nothing but 200. People look at the reason phrase and the page, which they know from a
Varnish; who asks for JSON gets JSON. Neither Cache-Status nor Proxy-Status: nobody asked for content.
"""

from __future__ import annotations

import html
import json

from edgecache.edge.purging.door import Done
from edgecache.http1.exchange import Exchange
from edgecache.invalidation.doors import Outcome
from edgecache.semantics.dates import format_http_date
from edgecache.semantics.message import combined

MOST_SHOWN = 20  # selectors on the page; JSON has them all

_PAGE = """\
<!DOCTYPE html>
<html>
  <head>
    <meta charset="utf-8">
    <title>{title}</title>
  </head>
  <body>
    <h1>{title}</h1>
{lines}
  </body>
</html>
"""


def acknowledge(exchange: Exchange, done: Done, not_stored_status: int, now: float) -> None:
    """Say that it is done: 200, or `not_stored_status` where it is known that nothing was stored under the one URL that was named.

    `now` is real time, for Date.
    """
    outcome = done.outcome
    status, phrase = 200, done.phrase
    if done.form.one_url and outcome.matched == 0 and not_stored_status != 200:
        status, phrase = not_stored_status, "Not in cache"
    wants_json = b"application/json" in (combined(exchange.request.fields, b"accept") or b"").lower()
    text = _json(outcome) if wants_json else _page(f"{status} {phrase}", done)
    body = text.encode("utf-8", "backslashreplace")
    lines = [
        f"HTTP/1.1 {status} {phrase}\r\n".encode("ascii"),
        b"Date: %s\r\n" % format_http_date(now),
        b"Content-Type: %s\r\n" % (b"application/json" if wants_json else b"text/html; charset=utf-8"),
        b"Cache-Control: no-store\r\n",
        b"Edgecache-Position: %d\r\n" % outcome.position,
        b"Edgecache-Matched: %s\r\n" % _number(outcome).encode("ascii"),
        b"Content-Length: %d\r\n" % len(body),
    ]
    exchange.write_head(status, lines, len(body), (body,))
    exchange.finish()


def _number(outcome: Outcome) -> str:
    return "null" if outcome.matched is None else str(outcome.matched)


def _json(outcome: Outcome) -> str:
    selectors = [{"kind": one.kind.value, "value": one.value} for one in outcome.selectors]
    said = {"status": "ok", "position": outcome.position, "matched": outcome.matched, "selectors": selectors, "hints": list(outcome.hints)}
    return json.dumps(said) + "\n"


def _page(title: str, done: Done) -> str:
    outcome = done.outcome
    said = [f"{one.kind.value} {one.value}" if one.kind.value != "all" else one.value for one in outcome.selectors[:MOST_SHOWN]]
    if len(outcome.selectors) > MOST_SHOWN:
        said.append(f"and {len(outcome.selectors) - MOST_SHOWN} more")
    said.append(f"position {outcome.position}, matched {'not counted' if outcome.matched is None else outcome.matched}")
    said += outcome.hints
    return _PAGE.format(title=title, lines="\n".join(f"    <p>{html.escape(line, quote=False)}</p>" for line in said))
