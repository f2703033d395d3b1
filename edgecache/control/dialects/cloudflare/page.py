"""docs/purge-cloudflare.md, made from this dialect's tables. Nothing that runs imports this."""

from __future__ import annotations

from typing import cast

from edgecache.control.dialects.buckets import Rate
from edgecache.control.dialects.cloudflare.codes import Code
from edgecache.control.dialects.cloudflare.dialect import Cloudflare
from edgecache.control.dialects.cloudflare.limits import ITEMS, PLANS, PREFIX_SLASHES, TAG_CHARACTERS
from edgecache.control.dialects.dialect import DialectParts
from edgecache.control.dialects.pages import calls_of, code, table, word

_BEGINNING = """\
# Cloudflare

The base URL of clients is `http://127.0.0.1:8081/client/v4`. The Python and JavaScript SDKs take it as an argument or
from the environment:

```sh
export CLOUDFLARE_BASE_URL=http://127.0.0.1:8081/client/v4
curl http://127.0.0.1:8081/client/v4/zones/ANY/purge_cache -H 'Authorization: Bearer ANY' -d '{"tags": ["t1"]}'
```

What holds for all vendors, and what the fields are that begin with `Edgecache-`, is in [purge-apis.md](purge-apis.md).

## Calls

All of them are at `/v4/…` as well, as some texts have it; that gets a warning, since Cloudflare has nothing there.
"""

_MEMBERS = (
    (
        "`files`",
        "URLs, with all that is stored under each; of an object of `url` and `headers` only the one cache key of a request with these "
        "fields",
        "a `*` stands for itself; spaces are taken as `%20`",
    ),
    (
        "`tags`",
        "what the origin gave these tags in `Cache-Tag` or another tag field; upper and lower case are one",
        f"more than {TAG_CHARACTERS:,} characters, and what is no printable ASCII, is refused. A tag with a space or comma selects "
        "nothing, and is warned of: whether Cloudflare refuses it is not known",
    ),
    ("`hosts`", "everything of these hosts", ""),
    (
        "`prefixes`",
        "a host and a path, and all below it, in whole segments",
        f"with a scheme, a query or a fragment it is taken, selects nothing, and is warned of; more than {PREFIX_SLASHES} slashes, or no "
        "host, is refused",
    ),
    ("`purge_everything`", "`true`: everything of the zone's site", "`false` counts as left out"),
)

_CONTENT = """\
Content is JSON, whatever its Content-Type says, with exactly one of these members:
"""

_MORE = """\
Members beside these are ignored, with a warning. Calls for an environment are about the whole zone, with a warning.
`invalidate_cache` makes stale what `purge_cache` would purge: the origin is asked whether it still holds, and what is
stored stands in when the origin cannot be reached.

A zone is a `[[vendor]]` table; its `name` is the domain (what is named outside of it is warned of), its `plan` the plan.
While there is none, the list of zones has one for whatever name is asked for, always with the same id.

A credential without an `id` is an API token, and a service key; one with an `id` is an API key, with the email as `id`.

`analytics` answers with what the whole edge has counted since its start, and says in `Edgecache-Hint` that Cloudflare has
taken the call away.

## Limits

Each zone has two token buckets: one for calls by tags, hosts, prefixes and `purge_everything`, hard and soft together,
and one for the URLs of calls by `files`. What is refused takes nothing out of them. Beyond them the answer is 429, with
whole seconds in `Retry-After`. (Cloudflare reckons by account; here it is by zone.)
"""

_LIMITS = f"""\
A call takes at most {ITEMS} tags, hosts or prefixes on every plan. Of files its documentation says 100 for all plans but
Enterprise; users get 30, and so do clients here. How many URLs may come at once is not documented: it is as many as in a
second.

## Errors

Every answer has `success`, `errors`, `messages` and `result`. Where no code of Cloudflare's is known, the status stands
in its place. The message may go on behind a colon, with what is wrong in this very call.

That 1016 is the answer to an item that cannot be used, or to too many of them, is a guess: it was seen around other errors. Errors of
purge calls were also seen with status 200 (the fault `error-in-body` does that). 1107 (purging by tag needs Enterprise) is of the past,
and not sent here.
"""


def render_cloudflare() -> str:
    """The page."""
    operations = Cloudflare(cast(DialectParts, None)).operations  # made without looking at the parts
    lines = [_BEGINNING, *calls_of(one for one in operations if one.path.startswith("/client/")), _CONTENT]
    lines += [*table(("member", "what it invalidates", "warned of, or refused"), _MEMBERS), _MORE]
    rows = [(name, str(plan.files), _rate(plan.calls), _rate(plan.urls)) for name, plan in PLANS.items()]
    lines += [*table(("plan", "files in a call", "calls", "URLs"), rows), _LIMITS]
    lines += table(
        ("code", "status", "when", "message", "code known from", "message known from", "status known from"),
        (
            (
                code(str(one.number)),
                str(one.status),
                one.when,
                one.message.replace("{path}", "…"),
                code(word(one.number_known)),
                code(word(one.message_known)),
                code(word(one.status_known)),
            )
            for one in Code
        ),
    )
    return "\n".join(lines).rstrip() + "\n"


def _rate(rate: Rate) -> str:
    per = f"{rate.per_s:g} a second" if rate.per_s >= 1 else f"{rate.per_s * 60:g} a minute"
    return f"{per}, {rate.size:g} at once"
