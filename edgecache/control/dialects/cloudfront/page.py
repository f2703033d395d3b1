"""docs/purge-cloudfront.md, made from this dialect's tables. Nothing that runs imports this."""

from __future__ import annotations

from typing import cast

from edgecache.clock import Clock
from edgecache.config import Settings, Vendor
from edgecache.control.dialects.buckets import Buckets
from edgecache.control.dialects.cloudfront.batch import MOST_PATHS, MOST_WILDCARDS, PATH_CHARACTERS, TAG_CHARACTERS
from edgecache.control.dialects.cloudfront.codes import Code
from edgecache.control.dialects.cloudfront.dialect import PAGE, CloudFront
from edgecache.control.dialects.cloudfront.distributions import CONFIG_BYTES, MOST_UPDATED
from edgecache.control.dialects.cloudfront.invalidations import MOST, MOST_CHARACTERS
from edgecache.control.dialects.cloudfront.metrics import MOST_POINTS, Metric, WatchCode
from edgecache.control.dialects.cloudfront.sigv4 import SKEW_S
from edgecache.control.dialects.credentials import Credentials
from edgecache.control.dialects.dialect import DialectParts
from edgecache.control.dialects.ids import Ids
from edgecache.control.dialects.pages import calls_of, code, table, word
from edgecache.invalidation.doors import Doors
from edgecache.record import MINUTES, Records

_BEGINNING = """\
# CloudFront

The endpoint of AWS's clients is `http://127.0.0.1:8081`. The CLI and the SDKs take it as an argument
(`aws --endpoint-url URL`, `endpoint_url=`, `endpoint:`), or from the environment:

```sh
export AWS_ENDPOINT_URL_CLOUDFRONT=http://127.0.0.1:8081 AWS_ENDPOINT_URL_CLOUDWATCH=http://127.0.0.1:8081
export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any
aws cloudfront create-invalidation --distribution-id E1234567890ABC --paths "/static/*" "#product:electronics"
```

With another endpoint they refuse to begin without a region ("You must specify a region"), although the real API has none:
any will do, for the edge does not judge it. What holds for all vendors, and what the fields are that begin with
`Edgecache-`, is in [purge-apis.md](purge-apis.md).

## Calls
"""

_ITEMS = f"""\
Content is XML, whatever its Content-Type says. A document type, elements more than 20 deep, and more than 50,000 of them
are refused.

## What an invalidation covers

| item of `Paths` | what it invalidates, on every host of the distribution's site |
|---|---|
| `/a?x=1` | this path with this query, and all variants of it |
| `/images/*` | all whose path and query begin with what stands before the `*`; not `/images` itself |
| `/a*b` | the path `/a*b`: a `*` is a wildcard only as the last character. Warned of |
| `/ü` | `/%C3%BC`. CloudFront asks callers to percent-encode what is not ASCII, and only that; so this is warned of |
| `#product:electronics` | what has this cache tag, in any case of letters. It has no wildcard, which is warned of |

Refused, as `InvalidArgument`: a path without a slash at its beginning, with a space, a fragment, or more than {PATH_CHARACTERS:,}
characters; a tag with white space, a comma, or more than {TAG_CHARACTERS} characters. (That CloudFront refuses a path without
its slash has been seen; for the others that is not confirmed.) All of a batch is invalidated in one write, or nothing.

**Where tags are.** CloudFront finds tags only in the one response field that the distribution's configuration names as
`CacheTagConfig.HeaderName`. The same holds here once `UpdateDistribution` has named one: then `#news` covers what has
`news` between commas in that field, also when it was stored before, and in no other field. The field may be any. (In the
log these are bans, so the setting `bans` limits how many are in force; and the field is sent on to clients, unless it is
also one of the tag fields that [the profile knows](architecture.md#tags).) As long as none is named, all tag fields of
the profile count, and the answer warns that CloudFront would find nothing. A distribution tenant never has a named one.
That an object has at most 50 tags at CloudFront is not emulated.

**In progress.** `CreateInvalidation` answers `InProgress`; from then on an invalidation is `Completed`, because it took
effect before it was acknowledged, so that waiting for it (`aws cloudfront wait invalidation-completed`) ends with the first
look. Only a [fault](purge-apis.md#faults) that delays it keeps it in progress, until edge time has come to it. At most
{MOST_PATHS:,} paths and tags and {MOST_WILDCARDS} wildcards of one distribution may be in progress, those of the batch counted.

**CallerReference.** The same one with the same paths in the same order, for the same distribution, returns the earlier
invalidation; nothing is invalidated again, which is warned of. With other paths it is `InvalidationBatchAlreadyExists`.
The edge remembers the latest {MOST:,} invalidations of all distributions, and of these as many as come to about
{MOST_CHARACTERS // 2**20} MiB, until it is reset or ends. What a fault has delayed is done in spite of that.

Lists have at most {PAGE} a page, and `MaxItems` can ask for fewer.

## Distributions

A distribution is a `[[vendor]]` table of the settings file; its `hosts` are the aliases, its `name` the comment. A
distribution tenant is one, too. While there is no such table every id is taken, and `ListDistributions` has none.

`UpdateDistribution` wants the ETag of `GetDistributionConfig` in `If-Match`, and all of the configuration. It is kept as it
was sent, shown from then on, and forgotten with a reset or the edge's end: at most {CONFIG_BYTES // 1024} KiB each, for the
{MOST_UPDATED} distributions that were updated last. `CacheTagConfig` has the effect that is described above. `OriginShield` has
none, for there is no cache between the edge and its origin; nor has anything else. What was changed without effect is
warned of. `Status` is always `Deployed`.

## Signatures

A `[[credential]]` has the access key id as `id`, and the secret access key. Once there is one, requests have to be signed
(Signature Version 4) for `cloudfront`, or for `monitoring` where CloudWatch is asked. Host counts as the client sent it,
and a query in either order. The region is not judged. A session token is not judged either, but has to be signed where
there is one; keys do not expire, so that there is no `ExpiredToken`. `X-Amz-Date` may be {SKEW_S / 60:g} minutes off, by the
machine's own clock: moving edge time does not matter. Signatures in the query and Signature Version 4A are not taken.

## Figures

`GetMetricStatistics` of CloudWatch is `POST /`, as JSON (`X-Amz-Target`) or as a form, which is answered in XML. Other calls
of CloudWatch, and its CBOR protocol, are not there. In the namespace `AWS/CloudFront` there are
"""

_FIGURES = f"""\
- They are counted for each minute of edge time in which requests began, since the start of the edge or its last reset, and
  for at most {MINUTES:,} such minutes. A period without any has no point. Nothing is estimated.
- They are those of the whole edge: requests of several sites are not told apart, and where that matters it is warned of.
- `Period` is a multiple of 60, periods begin with `StartTime`, and there are at most {MOST_POINTS:,} of them. Without
  `DistributionId` there are no points. CloudFront's figures have the dimension `Region=Global`, too, and CloudWatch is said to
  find nothing without it; here it is only warned of (`unconfirmed`).
- A share over several minutes is that of all their requests. `Minimum` and `Maximum` are those of single minutes,
  `SampleCount` is how many minutes there were, `Average` of numbers is per such minute, and shares have no `Sum`.

Its errors are
"""

_ERRORS = """\
## Errors

`Message` is CloudFront's where it is known; what exactly is wrong with a call is then in `Edgecache-Warning`. Every answer
has an `x-amzn-RequestId`. 429 is never sent: too many calls are `Throttling` with 400, which the clients try again.
"""


def render_cloudfront() -> str:
    """The page."""
    ids, credentials = Ids(Vendor.CLOUDFRONT, ()), Credentials(Vendor.CLOUDFRONT, ())
    parts = DialectParts(Settings(), Clock(), cast(Doors, None), Records(1), ids, credentials, Buckets(), lambda number: False)
    lines = [_BEGINNING, *calls_of(CloudFront(parts).operations), _ITEMS]
    lines += table(("metric", "unit", "what it is"), ((code(one.token), one.unit, one.meaning) for one in Metric))
    lines.append(_FIGURES)
    lines += table(("code", "in JSON", "status"), ((code(one.code), code(one.type), str(one.status)) for one in WatchCode))
    lines.append(_ERRORS)
    rows = ((code(one.token), str(one.status), one.when, one.message, code(word(one.evidence))) for one in Code)
    lines += table(("code", "status", "when", "message", "code and status known from"), rows)
    return "\n".join(lines).rstrip() + "\n"
