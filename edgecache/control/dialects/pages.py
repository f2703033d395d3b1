"""docs/purge-apis.md: what all vendors' purge APIs have in common here, made from the lists in the code. Nothing that runs imports this."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping

from edgecache.config import Vendor
from edgecache.control.dialects.evidence import Evidence
from edgecache.control.dialects.faults import Fault
from edgecache.control.dialects.operation import Operation

# Vendor · its name · its page.
PAGES: Mapping[Vendor, tuple[str, str]] = {
    Vendor.CLOUDFLARE: ("Cloudflare", "purge-cloudflare.md"),
    Vendor.CLOUDFRONT: ("CloudFront", "purge-cloudfront.md"),
    Vendor.FASTLY: ("Fastly", "purge-fastly.md"),
    Vendor.AKAMAI: ("Akamai", "purge-akamai.md"),
    Vendor.TRANSPARENT_EDGE: ("Transparent Edge", "purge-transparent-edge.md"),
}

_BEGINNING = """\
# Purge APIs of CDNs

On the control plane's port (setting `control`, by default <http://127.0.0.1:8081>) the edge answers the purge APIs of
CDNs, each at its vendor's own paths, so that a client only needs another base URL:

{vendors}

What one types with each vendor's tools, and what comes of it, is in [purge-guide.md](purge-guide.md), every command of it
tested. This page has what they share. It is made from the lists in the code by `make docs`.

## What an answer says besides

Status, fields and content are the vendor's. Fields of the edge's own come with them:

{fields}
The journal (`/api/v1/invalidations`) has each call, with its vendor as `door`. A call for a staging network or environment changes
nothing, since an edge has none: it is acknowledged with a warning, and the journal says `elsewhere`.

## Who may call

- **Credentials** are `[[credential]]` tables of the settings file ([settings.md](settings.md#credential)). Without one for a vendor,
  callers on this machine may, whatever they bring, and others get what the vendor answers to wrong credentials. With some, wrong ones get
  that from everywhere. `control_token` is not asked for here.
- **Ids** of zones, services and the like are `[[vendor]]` tables ([settings.md](settings.md#vendor)); each stands for one site, or for all
  of them. Without one for a vendor every id is taken, and means all sites; once there is one, others do not exist.
- **Web pages** may not: a request with `Origin` or `Sec-Fetch-Site` is refused. Any Host is taken, and any Content-Type unless the
  vendor's page says otherwise; content with a content coding is not.

Limits of calls are emulated on the edge's clock: `edgecache clock advance 1m` fills them, and so does a reset.

## Faults

`edgecache faults` and [/api/v1/faults](api.md#get-post-and-delete-apiv1faults) let these APIs misbehave, to see what a
client makes of it. A fault is for the calls that invalidate, of all vendors or one, or for one call by its name. It
lasts for a number of calls, for a time, or until it is turned off; it ends with the edge, and with a reset. Of several
that are meant for a call, the oldest strikes, alone. The terminal says when one begins and ends; statistics, journal
and each answer that was struck say it, too.
"""

_FIELDS = (
    (
        "`Edgecache-Position`",
        "the position in the invalidation log: what is fetched from now on is not covered. Absent while the purge is delayed, and where "
        "nothing was appended",
    ),
    ("`Edgecache-Matched`", "how many stored responses are covered; absent where that was not counted, as by tag or prefix"),
    (
        "`Edgecache-Hint`",
        "what was probably meant, when nothing matched; also that nothing is stored under a host, or that nothing has a tag. May come "
        "several times",
    ),
    (
        "`Edgecache-Warning`",
        "the call was taken, but does something else at the real CDN than one might think, or nothing; may come several times",
    ),
    ("`Edgecache-Fault`", "which [fault](#faults) struck the call"),
)

_DELAY = """\
**Delayed invalidations** are kept in the store folder, beside the log, and are appended to it when they are due in edge
time; that position is theirs, and until then they cover nothing. A restart or `kill -9` loses none of them (one that was
appended just before may be appended once more); a reset drops them; turning the fault off does not. Moving the clock
brings them before that call returns, and moving it back makes none wait longer than it was told. `/api/v1/settled` does
not wait for them. At most 10,000 wait; beyond that the oldest comes early. When the file is damaged, everything stored
counts as purged.
"""

_SURE = """\
## How sure this is

No vendor's service was reachable when this was written. What real clients send was recorded from them, and tests send it
again; what a vendor answers is known as far as its documentation, its clients' code and answers that users have shown
go. The vendors' pages say of each row of their tables where it comes from:
"""


def render_purge_apis() -> str:
    """The page."""
    vendors = "\n".join(f"- [{name}]({page})" for name, page in PAGES.values())
    fields = "\n".join(table(("field", "what it says"), _FIELDS))
    lines = [_BEGINNING.format(vendors=vendors, fields=fields)]
    lines += table(("fault", "what goes wrong"), ((code(fault), _fault(fault)) for fault in Fault))
    lines += [_DELAY, _SURE]
    lines += table(("word", "meaning"), ((code(word(evidence)), evidence.value) for evidence in Evidence))
    return "\n".join(lines).rstrip() + "\n"


def calls_of(operations: Iterable[Operation]) -> list[str]:
    """The table of a dialect's calls; the name is the one that faults have."""
    rows = ((code(one.name), f"{code(' '.join(one.methods))} {code(one.path)}", one.meaning) for one in operations)
    return table(("call", "method and path", "what it does"), rows)


def word(evidence: Evidence) -> str:
    """What tables say for it."""
    return evidence.name.lower()


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A table, with an empty line behind it."""
    lines = [header, ("---",) * len(header), *rows]
    return [*("| " + " | ".join(cell.replace("|", "\\|").replace("*", "\\*") for cell in line) + " |" for line in lines), ""]


def code(text: str) -> str:
    """As a name of something."""
    return f"`{text}`"


def _fault(fault: Fault) -> str:
    """What its comment in the list says."""
    found = re.search(rf'^    {fault.name} = "[^"]+"  # (.+)$', inspect.getsource(Fault), re.MULTILINE)
    assert found is not None, fault
    return found[1]
