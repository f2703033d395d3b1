"""docs/purge-transparent-edge.md, made from this dialect's tables. Nothing that runs imports this."""

from __future__ import annotations

from typing import cast

from edgecache.control.dialects.dialect import DialectParts
from edgecache.control.dialects.pages import calls_of, code, table, word
from edgecache.control.dialects.transparent_edge.dialect import TransparentEdge
from edgecache.control.dialects.transparent_edge.errors import ERRORS
from edgecache.control.dialects.transparent_edge.tokens import LIFETIME_S

_BEGINNING = """\
# Transparent Edge

The base URL of clients is `http://127.0.0.1:8081`. The vendor's command line takes it from the environment, as
`TRANSPARENT_API_URL`. Whether its plug-ins for WordPress, PrestaShop and Magento can be given another is not known here.

```sh
curl http://127.0.0.1:8081/v1/oauth2/access_token/ -d 'grant_type=client_credentials&client_id=ANY&client_secret=ANY'
curl http://127.0.0.1:8081/v1/companies/ANY/invalidate/ -H 'Authorization: Bearer ANY' -d '{"urls": ["https://www.example.com/a"]}'
```

What holds for all vendors, and what the fields are that begin with `Edgecache-`, is in [purge-apis.md](purge-apis.md).

## Calls

All of them are there without the slash at the end as well, with a warning: whether the real API takes that is not known.
"""

_MEMBERS = (
    (
        "`invalidate`",
        "`urls`",
        "full URLs, each with all that is stored under it; http and https are one, the query counts",
        "`documented`",
    ),
    ("`invalidate`", "`soft`", "`true`: make stale instead", "`documented`"),
    ("`invalidate`", "`refetch`", "`true`: fetch again what was covered, in the background; not with a ban", "`documented`"),
    (
        "`invalidate`",
        "`ban`",
        '`"1"`: everything whose host and path begin like one of the URLs. Always hard',
        "`documented`; that a query counts as well, that `soft` does not, and that segments need not be whole is `unconfirmed`",
    ),
    ("`invalidate`", "`type`", '`"ban"`: the same. The vendor\'s WordPress plug-in sends this. Warned of', "`unconfirmed`"),
    ("`tag_invalidate`", "`tags`", "tags that the origin gave in `Surrogate-Keys`, or another tag field", "`documented`"),
    ("`tag_invalidate`", "`refetch`", "as above", "`documented`"),
    ("`tag_invalidate`", "`soft`", "as above. The WordPress plug-in sends it. Warned of", "`unconfirmed`"),
    ("`tag_invalidate`", "`soft_purge`", "the same. The Magento module sends it. Warned of", "`unconfirmed`"),
    ("`prefetch`", "`urls`", "full URLs; those of which nothing fresh is stored are fetched in the background", "`documented`"),
)

_TABLE = """\
Content is JSON, whatever its Content-Type says. Other members are ignored, with a warning: the vendor's own plug-ins do not
agree in how they spell them.
"""

_MORE = f"""\
Success is 200, never another status, and answers with the URLs that were accepted as `urls` and `urls_to_send` (two clients
look for one each; that both are in answers of the real API is `unconfirmed`), or with `tags`.

Tags are read from `Surrogate-Keys`, with an s; examples in the vendor's documentation also have `Surrogate-Key`, and the edge
reads both, as well as other vendors' fields ([architecture.md](architecture.md#tags)).

A **company** is a `[[vendor]]` table. If it has `hosts`, URLs of others are left out, of the answer too, with a warning: the
real API accepts only URLs of one's own sites. When none is left it is an error.

**Purge, soft purge, ban** are names of ways to invalidate at this vendor, not methods of HTTP. As methods the edge has them on
the site's own port: [purge-methods.md](purge-methods.md).

## Tokens

A `[[credential]]` has the client id as `id`, and the client secret. The token call takes `grant_type` (`client_credentials`, or
`refresh_token` with a `refresh_token`), `client_id` and `client_secret` as a form, or in the query, as the vendor's PrestaShop
module sends them (warned of, because queries are logged); as JSON too, or with id and secret in `Authorization: Basic`, which
nobody could confirm. Its errors are those of RFC 6749.

A token ends after {LIFETIME_S:,} seconds of real time: clients renew it by a clock of their own, so that moving the edge's
clock ends none. It stays valid when the edge is reset or started again. Without credentials configured any token will do.

## Errors

The content of each is an object with a sentence as `detail`; what the real ones look like is not known, nor whether there are
limits of calls. There are none here, besides the fault `rate-limit`.
"""


def render_transparent_edge() -> str:
    """The page."""
    operations = TransparentEdge(cast(DialectParts, None)).operations  # made without looking at the parts
    lines = [_BEGINNING, *calls_of(one for one in operations if one.path.endswith("/")), _TABLE]
    lines += [*table(("call", "member", "what it says", "known from"), _MEMBERS), _MORE]
    rows = ((str(status), when, code(word(known))) for status, known, when in ERRORS.values() if when != "not sent here")
    lines += table(("status", "when", "status known from"), rows)
    return "\n".join(lines).rstrip() + "\n"
