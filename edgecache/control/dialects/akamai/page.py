"""docs/purge-akamai.md, made from this dialect's tables. Nothing that runs imports this."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from edgecache.control.dialects.akamai.dialect import ESTIMATED_S, Akamai
from edgecache.control.dialects.akamai.edgegrid import SKEW_S
from edgecache.control.dialects.akamai.errors import CONTENT_TYPE, Problem
from edgecache.control.dialects.akamai.limits import CALLS, OBJECTS
from edgecache.control.dialects.akamai.reading import CONTENT_BYTES, TAG_CHARACTERS
from edgecache.control.dialects.buckets import Buckets, Rate
from edgecache.control.dialects.dialect import DialectParts
from edgecache.control.dialects.pages import calls_of, code, table, word

_BEGINNING = """\
# Akamai

Fast Purge, CCU v3. The base URL of clients is `http://127.0.0.1:8081`. With Akamai's Python package the URL is the
caller's; that of JavaScript speaks https only, and needs something that ends TLS before the edge.

```python
import requests
from akamai.edgegrid import EdgeGridAuth

auth = EdgeGridAuth(client_token="ANY", client_secret="ANY", access_token="ANY")
requests.post("http://127.0.0.1:8081/ccu/v3/delete/tag", json={"objects": ["t1"]}, auth=auth)
```

What holds for all vendors, and what the fields are that begin with `Edgecache-`, is in [purge-apis.md](purge-apis.md).

## Calls
"""

_CONTENT = """\
Content is a JSON object with `objects`, an array, all of the kind that the path says. One bad object fails the whole call.
"""

_KINDS = (
    (
        "`url`",
        "URLs in full; http and https are one. With `hostname` beside `objects`: paths with their queries. There are no wildcards",
    ),
    (
        "`tag`",
        f"tags of `Edge-Cache-Tag` or another tag field, of at most {TAG_CHARACTERS} characters. At Akamai upper and lower case differ; "
        "here the profile decides, and `standard` takes them for one",
    ),
    (
        "`cpcode`",
        "CP codes, as numbers or texts of digits: everything of the site that a `[[vendor]]` table gives the code to; while there is none, "
        "every code means all sites",
    ),
)

_MORE = f"""\
`invalidate` is soft, `delete` hard. What is invalidated stays, and the origin is asked whether it still holds before it is
sent again, unless the response itself allows `stale-while-revalidate`, of which Akamai's documentation says nothing; it
stands in when the origin cannot be reached.

Without a network it is production. **The staging network** holds other responses than production does. An edge has no
such thing, so these calls are read, counted, acknowledged and noted in the journal (`elsewhere`), and change nothing,
with a warning: whoever purges staging by mistake finds out here.

`accountSwitchKey` is ignored; other members of the content are, with a warning. Content of another type than
application/json is refused; without any it is taken, with a warning, since whether Akamai takes it is not known.
Content has at most {CONTENT_BYTES:,} bytes.

The answer has `httpStatus`, `detail`, `purgeId`, `supportId`, and `estimatedSeconds`, which is always {ESTIMATED_S}: here a purge is
in effect when it is acknowledged. There is no call for its status, at Akamai neither. Of CCU v2 nothing is here.
What `rate-limit-status` answers with besides the fields is of our making.

## Credentials

A `[[credential]]` has the client token as `id`, the client secret as `secret`, and the access token. Then every call has to
bring an EdgeGrid signature (EG1-HMAC-SHA256) by it: over method, host, path, query and the content's first 128 KiB, as
http or as https, and over no fields. Its time may be off by {SKEW_S:g} seconds of real time, wherever the edge's clock was moved
to, and its nonce is good for once; the latest 10,000 are remembered. That Akamai allows {SKEW_S:g} seconds is not confirmed.

## Limits

Token buckets on the edge's clock: one for all calls, and one for the objects of each kind. A call that is denied takes
nothing. Answers say in `X-Ratelimit-Limit`, `-Remaining`, `-Limit-Per-Second` and `-Seconds-To-Refresh-Limit` how it is, and with
`-Objects` behind that of the objects; how exactly these names go is not confirmed. There is no `Retry-After`, unless a
fault says so.
"""

_ERRORS = f"""\
## Errors

The content is a problem (`{CONTENT_TYPE}`; some of Akamai's pages say application/api-problem+json) with `title`, `httpStatus`,
`detail`, `supportId` and `describedBy`, which is a name of ours. With 429 come `rateLimit`, `rateLimitCurrentRequestSize` and
`rateLimitRemaining`. Details are always of our making. Akamai also refuses URLs that an account has no right to (403,
"unauthorized arl"); here every URL is allowed.
"""


def render_akamai() -> str:
    """The page."""
    parts = cast(DialectParts, SimpleNamespace(buckets=Buckets()))  # its operations are made without looking at the rest
    lines = [_BEGINNING, *calls_of(Akamai(parts).operations), _CONTENT, *table(("kind", "objects"), _KINDS), _MORE]
    lines += table(("bucket", "what it holds"), [("calls", _rate(CALLS)), *((code(kind), _rate(rate)) for kind, rate in OBJECTS.items())])
    lines.append(_ERRORS)
    rows = ((str(one.status), one.title, one.when, code(word(one.known)), code(word(one.status_known))) for one in Problem)
    lines += table(("status", "title", "when", "title known from", "status known from"), rows)
    return "\n".join(lines).rstrip() + "\n"


def _rate(rate: Rate) -> str:
    per = f"{rate.per_s:g} a second" if rate.per_s >= 10 else f"{rate.per_s * 60:g} a minute"
    return f"{per}, {rate.size:,.0f} at once"
