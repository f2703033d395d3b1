"""The files that are made from the closed lists in the code: `make docs` writes them, tests/test_docs.py compares them.

Nothing that runs imports this module. A list that grows is written down by the next `make docs`; one that has no sentence for a new member
fails there, and not in front of a reader.
"""

from __future__ import annotations

import enum
import inspect
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar, get_args

from edgecache import config
from edgecache.caching.decide import Fwd
from edgecache.caching.reasons import Reason
from edgecache.control.dialects.akamai.page import render_akamai
from edgecache.control.dialects.cloudflare.page import render_cloudflare
from edgecache.control.dialects.cloudfront.page import render_cloudfront
from edgecache.control.dialects.fastly.page import render_fastly
from edgecache.control.dialects.pages import render_purge_apis
from edgecache.control.dialects.transparent_edge.page import render_transparent_edge
from edgecache.edge.purging.forms import FORMS, HOWS, Asked, Form, read_purge
from edgecache.edge.purging.request import PurgeRules, shown
from edgecache.invalidation.entry import Cause
from edgecache.profiles.standard import TAG_FIELDS
from edgecache.record import Flag, Handled, Records
from edgecache.semantics.message import RequestHead, field, first
from edgecache.semantics.proxy_status import ProxyError
from edgecache.semantics.urls import parse_url

Member = TypeVar("Member", bound=enum.Enum)

# Where each chapter of the list of reasons begins, in the order of the list, and what its sentences answer.
CHAPTERS = (
    (Reason.FRESH, "The store answered", "The client did not wait for the origin, because …"),
    (
        Reason.NO_STORED_RESPONSE,
        "The origin was asked",
        "For a response that may be stored, or whether the stored one still holds. What is stored was not used as it was, because …",
    ),
    (Reason.METHOD, "The cache took no part", "The request was passed on as it is, or refused, because …"),
    (
        Reason.S_MAXAGE,
        "What makes an answer storable",
        "It is stored, because … No field shows these: it says `stored`, and `detail` says why the origin was asked.",
    ),
    (
        Reason.VALIDATED,
        "The answer is about what is stored",
        "It says something about the stored response, because … After a validation these are in the terminal and in the statistics, and "
        "`detail` says why the origin was asked.",
    ),
    (Reason.HEAD_NOT_STORED, "The answer is not stored", "It was passed on and not kept, because …"),
    (Reason.STALE_ORIGIN_UNREACHABLE, "There was no answer", "What the client got, it got because …"),
)

# Why a request was forwarded (RFC 9211 2.2).
FWD = {
    "bypass": "the cache does not handle such a request",
    "method": "the method is one whose answers are not taken from a store",
    "uri-miss": "nothing usable is stored under this URL",
    "vary-miss": "something is stored under this URL, but for other values of the fields that Vary names",
    "stale": "what is stored is not fresh any more",
    "request": "what is stored is fresh, but the request's own directives do not want it",
    "partial": "a part is stored, and not the one that was asked for",
    "miss": "nothing stored can be used; the general word, where none of the others says it better",
}

# Members of `Records.stats`.
COUNTERS = {
    "requests": "requests that are over",
    "handled": "those by what was done with them, see below; members that did not occur are there, too",
    "reasons": "those by reason, as far as they had one; only reasons that occurred",
    "status": "those by class of the answer's status (`2xx`); `none` counts clients that left without an answer",
    "bytes_in": "bytes of content that requests had, without framing",
    "bytes_out": "bytes of content that was sent in answers, without framing",
    "hit_ratio": "the share of `hit` and `stale` in `hit`, `stale`, `miss` and `pass`, from 0 to 1; `null` while there were none of these",
    "errors": "answers with a 5xx status that the edge made itself, and answers that broke off",
}

_INTRODUCTION = """\
# Cache-Status, Proxy-Status, and what is counted

What the edge did with a request, and why, is said in the same words everywhere: in a response field, in the line in the terminal, in
`/api/v1/stats` and in `edgecache stats`. This page has all of them. It is made from the lists in the code by `make docs`.

## Cache-Status

Every final response that comes from the origin or from the store carries `Cache-Status` (RFC 9211). Caches add their members at the end,
so the edge's own is the last one:

    Cache-Status: edgecache; hit; ttl=53; detail=fresh
    Cache-Status: edgecache; fwd=uri-miss; fwd-status=200; stored; detail=no-stored-response
    Cache-Status: edgecache; fwd=stale; fwd-status=304; ttl=60; detail=expired

| parameter | meaning |
|---|---|
| `hit` | the store answered; never together with `fwd` |
| `fwd` | the origin was asked; the value says why, see below |
| `fwd-status` | the status that the origin answered with |
| `ttl` | when the content came from the store: whole seconds until the stored response stops being fresh, negative when it is stale |
| `stored` | the answer is being stored |
| `collapsed` | the request waited for the answer to another one, and got it too; the origin was asked once |
| `key` | the URL under which it is stored; only with the setting `debug`, and only for clients in `debug_allow` |
| `detail` | the reason, a token of the [list](#reasons) below: why the answer was not stored, else why the store did or did not answer |

`hit` with a negative `ttl` is a stale response that was used at once, as `stale-while-revalidate` and a request's `max-stale` allow.
A stale response that stands in for an answer which failed has `fwd` and no `hit`, since the origin was asked: `detail` says
`origin-unreachable` and [`Proxy-Status`](#proxy-status) what failed, or `stale-if-error` and `fwd-status` the error.

A response that the edge makes itself has `Proxy-Status` and no `Cache-Status`. The answer to `PURGE` has neither: it says
`Edgecache-Position` and `Edgecache-Matched`. What the origin was asked for also has `Server-Timing`: what was done (`miss`, `pass`,
`collapsed`, `validated`), and the milliseconds until the origin's head was there.
"""

_REASONS = """\
## Reasons

The sentences complete "because …". The source is an RFC with its section, or a rule of edgecache's own.
"""

_PROXY_STATUS = """\
## Proxy-Status

Answers that the edge makes itself carry `Proxy-Status` (RFC 9209), with the error type and, in `details`, a sentence about this very
request; so do stored responses that stand in where the origin gave no answer. The edge's own answers are never stored. Browsers get a
page, everyone else a line of text. (Where `Max-Forwards` ends an `OPTIONS` or `TRACE` at the edge, its answer is an ordinary one, and has
neither field.)

    Proxy-Status: edgecache; error=connection_refused; details="nothing listens at localhost:3000"

The status is what clients get when nothing stored can stand in. What is wrong with a request itself (`http_request_error`) has the status
that names it best: 400, 404 (no site answers to its host), 405, 408, 414, 431, 501 or 505. A purge that could not be written to the log
gets 507.
"""

_COUNTED = """\
## What is counted

`/api/v1/stats` has these members about requests, since the edge started or was reset. `edgecache stats` shows them, and the total
line when an edge ends is made from them. What else that resource says is in [api.md](api.md#get-apiv1stats).
"""

_HANDLED = """\
### handled

Each request is exactly one of these. The line in the terminal has the word behind the status, in a colour of its own.
"""

_FLAGS = """\
### flags

What else is worth knowing of a request. `--log json` lists them, all but `cut`, which is about the row that is kept in memory; the short
line says when a client left and when an answer broke off.
"""

_CAUSES = """\
### Why entries were appended to the invalidation log

`invalidations.by_cause` in `/api/v1/stats` counts them.
"""


_PURGE_METHODS = """\
# Purging by request, as with Varnish, nginx and Squid

Programs that know how to purge a Varnish, an nginx or a Squid can do it their way, on the site's own port: with the methods `PURGE`,
`SOFTPURGE`, `BAN`, `PURGEKEYS`, `PURGETAGS` and `REFRESH`. None of them ever reaches the origin. This page has all that such requests
can say. It is made from the table in the code by `make docs`; above each command stands what it comes to.

- **Who may.** Clients in `purge_allow` (loopback by default), with `purge_token` if that is set: as `Authorization: Bearer TOKEN`, or alone
  in `X-Invalidate-Token` or `Fastly-Key`. Web pages never may: a request with `Origin` or `Sec-Fetch-Site` gets 403, and so does the
  preflight for one.
- **Which host.** What names a URL or a path is about the host of the request. Tags, bans and "everything" are for all sites whatever Host
  says, as in a Varnish.
- **The answer** is 200, also where nothing was stored (the setting `purge_not_stored_status` says otherwise), with a reason phrase and a
  page as from a Varnish; with `Accept: application/json` it is JSON. `Edgecache-Position` is the position in the log, and
  `Edgecache-Matched` how many stored responses it covers, `null` where nobody counted. The page says what the request came to, and what
  was probably meant when nothing was matched. The invalidation counts before the answer is sent.
- **What is refused.** A request says one thing. What could be read in two ways, fields that go with another method, an expression that is
  none, and a `BAN` that says nothing get 400 with a sentence, more items than `api_items` 413; a log that cannot be written is 507. Then
  nothing was invalidated.
- **Regular expressions** are those of [bans](bans.md): found anywhere unless anchored, in linear time, with what PCRE has beyond that
  refused by name.
- **Soft** invalidation leaves a response in the store, stale. For `PURGE` the field `Fastly-Soft-Purge` says so by being there.
- **Content** of such a request is not looked at.
"""

_PURGE_GET = """\
## GET

With the setting `purge_get` a `GET` below that path is a purge of what follows it, and so is a `PURGE`, for nginx-helper and others that
purge an nginx. It is off by default, as a page can make a browser send a GET; one with `Referer`, `Origin` or `Sec-Fetch-Site` is refused.

```sh
# --purge-get /purge: url http://127.0.0.1:8080/news/
curl http://127.0.0.1:8080/purge/news/
```

## What is not understood

- `PURGE /site`, by which one of Drupal's purgers means everything, is a purge of that URL. Purge the host with `PURGE /.*`.
- `X-Refresh`, by which FOSHttpCache refreshes an nginx, is a field like any other. `REFRESH`, or GET with `Cache-Control: no-cache`, is
  the same here.
- Tags in a field of a name of your own. `X-Ban: obj.http.my-tags ~ …` looks into any field.
"""


def render_cache_status() -> str:
    """docs/cache-status.md: every word by which the edge says what it did and why."""
    parts = [_INTRODUCTION, *_table(("fwd=", "the origin was asked, because …"), ((_code(fwd), FWD[fwd]) for fwd in get_args(Fwd)))]
    parts.append(_REASONS)
    for title, question, reasons in _chapters():
        rows = ((_code(reason.token), reason.sentence, reason.source) for reason in reasons)
        parts += [f"### {title}\n\n{question}\n", *_table(("reason", "because …", "source"), rows)]
    parts.append(_PROXY_STATUS)
    parts += _table(("error type", "status", "what happened"), ((_code(one.token), str(one.status), one.sentence) for one in ProxyError))
    parts.append(_COUNTED)
    parts += _table(("counter", "what it counts"), ((_code(name), COUNTERS[name]) for name in Records(1).stats()))
    parts.append(_HANDLED)
    parts += _table(("handled", "what was done"), ((_code(one.name.lower()), one.sentence) for one in Handled))
    parts.append(_FLAGS)
    parts += _table(("flag", "what it says"), ((_code(one.name.lower()), meaning) for one, meaning in _commented(Flag)))
    parts.append(_CAUSES)
    parts += _table(("cause", "why"), ((_code(one.value), meaning) for one, meaning in _commented(Cause)))
    return "\n".join(parts)


def render_purge_methods() -> str:
    """docs/purge-methods.md: every form that a request with an invalidation method can have."""
    parts = [_PURGE_METHODS]
    for methods in dict.fromkeys(_methods(form) for form in FORMS):
        parts.append(f"## {methods}\n")
        for form in FORMS:
            if _methods(form) == methods:
                parts += _form(form)
    parts.append(_PURGE_GET)
    return "\n".join(parts)


def example_request(arguments: Iterable[str]) -> Asked:
    """What the request that curl makes of these arguments comes to, at an edge with the usual names. Fails for one that is refused."""
    method, options = "GET", list(arguments)
    fields = [field(b"Host", b"127.0.0.1:8080")]
    target = options.pop()
    for option, value in zip(options[::2], options[1::2], strict=True):
        match option:
            case "-X":
                method = value
            case "-H":
                name, _, content = value.partition(": ")
                fields = [one for one in fields if one[1] != name.lower().encode()] + [field(name.encode(), content.encode())]
            case "--request-target":
                target = value
            case _:
                raise ValueError(option)
    host = (first(fields, b"host") or b"").decode()
    url = parse_url(target if "://" in target else f"http://{host}{target}")
    assert not isinstance(url, str), url
    rules = PurgeRules(lambda key: key, frozenset(TAG_FIELDS), b"/purge")
    asked = read_purge(RequestHead(method.encode(), target.encode(), 1, fields), url, rules)
    assert isinstance(asked, Asked), asked
    return asked


def _methods(form: Form) -> str:
    return " and ".join(method.decode() for method in form.methods if method != b"GET")


def _form(form: Form) -> list[str]:
    fields = ", ".join(_code(shown(name)) for name in form.fields)
    title = form.when or "the URL"
    title = title if title.startswith("xkey") else title[0].upper() + title[1:]
    parts = [f"### {title}\n", f"{form.meaning} Sent by: {form.senders}.\n"]
    if form.when and len(form.fields) > 2:
        parts.append(f"Fields: {fields}.\n")
    if not form.when and form.fields:
        parts.append(f"`{shown(form.fields[1])}` may be {', '.join(_code(how) for how in HOWS[:-1])}.\n")
    lines = []
    for example in form.examples:
        asked = example_request(example)
        said = [f"{one.kind.value} {one.value}" for step in asked.steps for one in step.items]
        notes = ["soft"] * all(step.soft for step in asked.steps) + ["fetched again"] * form.refetch
        lines.append(f"# {', '.join([*notes, *said])}")
        lines.append(shlex.join(["curl", *example[:-1], f"http://127.0.0.1:8080{example[-1]}"]))
    return [*parts, "\n".join(["```sh", *lines, "```", ""])]


PAGES: dict[str, Callable[[], str]] = {
    "conf/edgecache.toml": config.render_toml,
    "docs/settings.md": config.render_markdown,
    "docs/cache-status.md": render_cache_status,
    "docs/purge-methods.md": render_purge_methods,
    "docs/purge-apis.md": render_purge_apis,
    "docs/purge-cloudflare.md": render_cloudflare,
    "docs/purge-cloudfront.md": render_cloudfront,
    "docs/purge-fastly.md": render_fastly,
    "docs/purge-akamai.md": render_akamai,
    "docs/purge-transparent-edge.md": render_transparent_edge,
}


def _chapters() -> Iterator[tuple[str, str, list[Reason]]]:
    """Title, question and reasons of each chapter."""
    every = list(Reason)
    starts = [every.index(first) for first, _, _ in CHAPTERS]
    for (_, title, question), start, end in zip(CHAPTERS, starts, [*starts[1:], len(every)], strict=True):
        yield title, question, every[start:end]


def _commented(kind: type[Member]) -> list[tuple[Member, str]]:
    """The members of an enum whose meaning is the comment behind each."""
    meanings = dict(re.findall(r"^    (\w+) = [^#\n]*# (.+)$", inspect.getsource(kind), re.MULTILINE))
    return [(member, meanings[member.name]) for member in kind]


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A table, with an empty line behind it."""
    lines = [header, ("---",) * len(header), *rows]
    return [*("| " + " | ".join(cell.replace("|", "\\|").replace("*", "\\*") for cell in line) + " |" for line in lines), ""]


def _code(text: str) -> str:
    return f"`{text}`"


def main(root: Path) -> None:
    """Write every page below `root`."""
    for path, render in PAGES.items():
        (root / path).write_text(render(), "utf-8")


if __name__ == "__main__":
    main(Path(__file__).parent.parent)
