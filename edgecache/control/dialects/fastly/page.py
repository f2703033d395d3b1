"""docs/purge-fastly.md, made from this dialect's tables. Nothing that runs imports this."""

from __future__ import annotations

from typing import cast

from edgecache.control.dialects.dialect import DialectParts
from edgecache.control.dialects.fastly.dialect import WRITES, Fastly
from edgecache.control.dialects.fastly.errors import Problem
from edgecache.control.dialects.fastly.reading import KEY_BYTES, KEYS
from edgecache.control.dialects.pages import calls_of, code, table, word

_BEGINNING = """\
# Fastly

The base URL of clients is `http://127.0.0.1:8081`. Fastly's Python SDK takes it as `fastly.Configuration(host=…)`. Its
JavaScript SDK ignores `ApiClient.basePath`; a plug-in that rewrites `r.url` helps. Its command line wants two variables:

```sh
export FASTLY_API_ENDPOINT=http://127.0.0.1:8081 FASTLY_ACCOUNT_ENDPOINT=http://127.0.0.1:8081
curl -X POST http://127.0.0.1:8081/purge/www.example.com/a -H 'Fastly-Key: ANY'
curl -X POST http://127.0.0.1:8081/service/ANY/purge/t1 -H 'Fastly-Key: ANY'
```

What holds for all vendors, and what the fields are that begin with `Edgecache-`, is in [purge-apis.md](purge-apis.md).
`PURGE` sent to the site itself is another way, and in [purge-methods.md](purge-methods.md).

## Calls
"""

_CONTENT = f"""\
- **By URL**: what follows `/purge/` is the URL, with its query, with a scheme or without; both schemes are covered. It is
  taken byte for byte: `//` and percent-encodings stay. It is about all services.
- **By key**: what follows `/service/…/purge/` is a surrogate key, whatever it looks like, slashes included. A URL or the
  name of a file there is a key that nothing has; the call succeeds, as at Fastly, and a warning says what would be right.
- **By many keys**: an array `surrogate_keys` in JSON, whatever the Content-Type says, or the field `Surrogate-Key` with
  spaces between them; at most {KEYS} in a call. Keys from both are all purged, with a warning: what Fastly does is not known.
- **Everything**: `purge_all`. `Fastly-Soft-Purge` means nothing there.

Hard is the default. `Fastly-Soft-Purge` makes a purge soft by being there, whatever its value; `0` gets a warning.
A soft purge makes stale: the origin is asked whether it still holds, and what is stored stands in when the origin
cannot be reached.

A key has at most {KEY_BYTES:,} bytes. At Fastly upper and lower case differ; here the profile decides, and `standard`
takes them for one. A key with a space, or in `standard` with a comma, is one that no response can have: it is taken, and
selects nothing, with a warning.

`PURGE` in the place of `POST` gets a warning: whether Fastly's API takes it is not known.

**The staging environment** (`Fastly-Purge-Environment: staging`) holds other responses than production does. An edge has
no such thing, so these calls are read, acknowledged and noted in the journal (`elsewhere`), and change nothing, with a
warning: whoever purges staging by mistake finds out here. Other names of environments are ignored, with a warning.

A service is a `[[vendor]]` table, with its `name`. While there is none, the list of services has one for each public
host, and a search finds one of any name, always with the same id. `tokens/self` says of every token that it is there; the
command line's question for OpenID Connect is answered, and nobody can log in.

The `id` of a purge is made up in the form of Fastly's, and leads nowhere.

## Limits

{WRITES.size:,.0f} writes an hour, on the edge's clock, as a bucket that is filled evenly (whether Fastly's is one is not known).
Only `purge_all` counts; purges by URL and key do not. Every answer to a purge has `Fastly-RateLimit-Remaining`, and
`Fastly-RateLimit-Reset`: when all of them are there again, in seconds since the epoch. There is no `Retry-After`, unless
a fault says so.

## Errors

The content is `msg`, in the table, and `detail`, which is always of our making. Beyond {KEYS} keys it is `status` and
`reason`, as documented for that case.
"""


def render_fastly() -> str:
    """The page."""
    operations = Fastly(cast(DialectParts, None)).operations  # made without looking at the parts
    lines = [_BEGINNING, *calls_of(operations), _CONTENT]
    rows = ((str(one.status), one.message, one.when, code(word(one.known)), code(word(one.status_known))) for one in Problem)
    lines += table(("status", "msg", "when", "msg known from", "status known from"), rows)
    return "\n".join(lines).rstrip() + "\n"
