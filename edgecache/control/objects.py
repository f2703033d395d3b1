"""`GET /api/v1/objects`: which responses are stored, and would they be used?

The whole store is walked for each page, a page being the first `limit` matches after a cursor in a fixed order. So paging stays right while
responses come and go: what is stored all the time is listed once. The store's walk gives way to the loop every 2 ms.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from edgecache.caching.freshness import current_age, freshness
from edgecache.caching.stored import StoredResponse
from edgecache.caching.verdict import HardCovered, SoftCovered, Verdict
from edgecache.clock import Clock
from edgecache.control.asked import one_of, query, whole_number
from edgecache.control.problems import Kind, Problem
from edgecache.invalidation.log import InvalidationLog
from edgecache.semantics.urls import Key, parse_url

LIMIT_DEFAULT = 100
LIMIT_MAX = 1000
STATES = ("fresh", "stale")
PARAMETERS = ("url", "prefix", "q", "state", "limit", "after")

# Where a response stands in the list: the start of its URL, then a digest of URL and variant. Bounded, because it becomes the cursor, and a
# target may be longer than a query string can be.
Place = tuple[bytes, bytes]
PLACE_URL_BYTES = 500

# Fields whose values say who someone is. Vary may name them; their values are shown to nobody.
SECRET_FIELDS = frozenset({b"authorization", b"proxy-authorization", b"cookie"})
HIDDEN = "(not shown)"


@dataclass(frozen=True, slots=True)
class Filters:
    """Which stored responses are asked for; "" or None where everything goes."""

    host_and_target: tuple[bytes, bytes] | None
    prefix: str
    q: str
    state: str
    limit: int
    after: Place | None

    @classmethod
    def of(cls, request: web.Request, keyed: Callable[[Key], Key]) -> Filters:
        """The filters in the request's query. Raises Problem."""
        asked = query(request, PARAMETERS)
        exact = None
        if "url" in asked:
            key = parse_url(asked["url"])
            if isinstance(key, str):
                raise Problem(Kind.BAD_VALUE, f"Parameter 'url': {key}")
            kept_under = keyed(key)
            exact = (kept_under.host, kept_under.target)
        return cls(
            host_and_target=exact,
            prefix=asked.get("prefix", ""),
            q=asked.get("q", ""),
            state=one_of("state", asked["state"], STATES) if "state" in asked else "",
            limit=whole_number("limit", asked.get("limit", str(LIMIT_DEFAULT)), 1, LIMIT_MAX),
            after=place_of(asked["after"]) if "after" in asked else None,
        )

    def match(self, stored: StoredResponse) -> bool:
        """Is `stored` asked for by its URL? Both schemes match `url`, as they do in an invalidation."""
        if self.host_and_target is not None and self.host_and_target != (stored.key.host, stored.key.target):
            return False
        if not (self.prefix or self.q):
            return True
        url = stored.key.url
        return url.startswith(self.prefix) and self.q in url

    def match_state(self, state: str | None) -> bool:
        """Is a response in this state asked for? Never when it does not exist."""
        return state is not None and self.state in ("", state)


async def page(objects: AsyncIterable[StoredResponse], log: InvalidationLog, clock: Clock, filters: Filters) -> dict[str, Any]:
    """The page that `filters` ask for: {"objects": […], "total": matches on all pages, "next": cursor or null}."""
    total = 0
    # The first `limit` + 1 after the cursor; the one too many says that there is a next page.
    found: list[tuple[Place, StoredResponse]] = []
    async for stored in objects:
        if not filters.match(stored):
            continue
        verdict = log.judge(stored)
        if not filters.match_state(state(stored, verdict, clock.now())):
            continue
        total += 1
        place = place_in_list(stored)
        if filters.after is None or place > filters.after:
            found.append((place, stored))
            if len(found) > 4 * LIMIT_MAX:
                found = heapq.nsmallest(filters.limit + 1, found, key=_place)
    found = heapq.nsmallest(filters.limit + 1, found, key=_place)
    more = len(found) > filters.limit
    found = found[: filters.limit]
    # All are described at one moment, after the walk: what was invalidated while it ran is not shown any more.
    now = clock.now()
    shown = [describe(stored, log.judge(stored), now) for _, stored in found]
    return {"objects": [one for one in shown if one is not None], "total": total, "next": cursor(found[-1][0]) if more else None}


def state(stored: StoredResponse, verdict: Verdict, now: float) -> str | None:
    """Would `stored` be used as it is ("fresh"), or only after validation or for want of better ("stale")? None: it does not exist."""
    match verdict:
        case HardCovered():
            return None
        case SoftCovered():
            return "stale"
        case _:
            return "fresh" if current_age(stored, now) < stored.lifetime_s else "stale"


def describe(stored: StoredResponse, verdict: Verdict, now: float) -> dict[str, Any] | None:
    """One stored response for JSON, or None when a hard entry covers it: then it does not exist."""
    shown_state = state(stored, verdict, now)
    if shown_state is None:
        return None
    age_s, ttl_s = freshness(stored, verdict, now)
    return {
        "key": stored.key.url,
        "status": stored.status,
        "variant": {_text(name): _shown(name, value) for name, value in stored.vary},
        "age": age_s,
        "ttl": ttl_s,
        "size": stored.size_bytes,
        "hits": stored.hits,
        "position": stored.position,
        "state": shown_state,
    }


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")


def _shown(name: bytes, value: bytes | None) -> str | None:
    if value is None:
        return None
    return HIDDEN if name in SECRET_FIELDS else _text(value)


def _place(found: tuple[Place, StoredResponse]) -> Place:
    return found[0]


def place_in_list(stored: StoredResponse) -> Place:
    """Where `stored` stands among all: the same as long as its key and variant are stored, also when it is replaced."""
    digest = hashlib.blake2b(repr((stored.key, stored.vary)).encode(), digest_size=12)
    return (b"%s://%s%s" % stored.key[:3])[:PLACE_URL_BYTES], digest.hexdigest().encode()


def cursor(place: Place) -> str:
    """The text that a client gives back as `after`."""
    return base64.urlsafe_b64encode(b"\n".join(place)).decode().rstrip("=")


def place_of(text: str) -> Place:
    """The place that `cursor` wrote. Raises Problem."""
    try:
        url, digest = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).split(b"\n")
    except ValueError as error:
        raise Problem(Kind.BAD_VALUE, "Parameter 'after' must be what 'next' said on the page before.") from error
    return url, digest
