"""`GET /api/v1/objects`: which responses are stored, and would they be used?

The whole store is walked for each page, a page being the first `limit` matches after a cursor in a fixed order. So paging stays right while
responses come and go: what is stored all the time is listed once. The store's walk gives way to the loop every 2 ms.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edgecache.caching.freshness import current_age, freshness
from edgecache.caching.stored import StoredResponse
from edgecache.caching.verdict import HardCovered, SoftCovered, Verdict
from edgecache.clock import Clock
from edgecache.control.operations import Asked, Operation, Parameter
from edgecache.control.parts import ControlParts
from edgecache.control.problems import Kind, Problem, readable
from edgecache.control.shapes import Choice, Format, Text, WholeNumber
from edgecache.invalidation.log import InvalidationLog
from edgecache.semantics.urls import Key, parse_url

LIMIT_DEFAULT = 100
LIMIT_MAX = 1000
STATES = ("fresh", "stale")

# Where a response stands in the list: the start of its URL, then a digest of URL and variant. Bounded, because it becomes the cursor, and a
# target may be longer than a query string can be.
Place = tuple[bytes, bytes]
PLACE_URL_BYTES = 500

# Fields whose values say who someone is. Vary may name them; their values are shown to nobody.
SECRET_FIELDS = frozenset({b"authorization", b"proxy-authorization", b"cookie"})
HIDDEN = "(not shown)"


class StoredObject(msgspec.Struct):
    """One stored response."""

    key: Annotated[str, Meta(description="The URL under which it is stored, by the public name of its site.")]
    status: Annotated[int, Meta(description="Its status; 206 when only a part is stored.")]
    variant: Annotated[dict[str, str | None], Meta(description="The request fields that its Vary names, with the values that it is for.")]
    tags: Annotated[list[str], Meta(description="Its cache tags, in the form in which they are compared.")]
    groups: Annotated[list[str], Meta(description="The groups that its origin put it into (RFC 9875).")]
    age: Annotated[int, Meta(description="Whole seconds since it was generated.")]
    ttl: Annotated[int, Meta(description="Whole seconds until it is stale; negative afterwards.")]
    size: Annotated[int, Meta(description="What it costs in the store, in bytes.")]
    hits: Annotated[int, Meta(description="How often it answered, since it was last stored or read from the folder.")]
    position: Annotated[int, Meta(description="The position of the log at which it was asked for, or last validated.")]
    state: Annotated[str, Meta(description="`fresh`, or `stale`.")]


class ObjectsPage(msgspec.Struct):
    """One page of the stored responses."""

    objects: list[StoredObject]
    total: Annotated[int, Meta(description="How many match, on all pages.")]
    next: Annotated[str | None, Meta(description="What to send as `after` for the next page; null on the last one.")]


OBJECTS = Operation(
    "GET",
    "/api/v1/objects",
    "objects",
    "Stored responses, filtered, page by page",
    {200: ObjectsPage},
    parameters=(
        Parameter("url", Text(Format.URL), "Those of exactly this URL, by any name of its site; http and https are one."),
        Parameter("prefix", Text(), "Those whose URL begins like this, scheme included."),
        Parameter("q", Text(), "Those whose URL contains this."),
        Parameter("tag", Text(), "Those with this cache tag."),
        Parameter("state", Choice(STATES), "Those that are in this state."),
        Parameter("limit", WholeNumber(1, LIMIT_MAX), "How many on a page.", str(LIMIT_DEFAULT)),
        Parameter("after", Text(Format.CURSOR), "The page after this one: what `next` said on the page before."),
    ),
)


async def objects(parts: ControlParts, asked: Asked) -> ObjectsPage:
    """The stored responses that are asked for."""
    filters = Filters.of(asked.parameters, parts.keyed, parts.tag)
    return await page(parts.store.objects(), parts.log, parts.clock, filters)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which stored responses are asked for; "" or None where everything goes."""

    host_and_target: tuple[bytes, bytes] | None
    prefix: str
    q: str
    tag: str
    state: str
    limit: int
    after: Place | None

    @classmethod
    def of(cls, asked: Mapping[str, Any], keyed: Callable[[Key], Key], tag: Callable[[str], str]) -> Filters:
        """The filters that the parameters say. Raises Problem."""
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
            tag=tag(asked.get("tag", "")),
            state=asked.get("state", ""),
            limit=asked["limit"],
            after=place_of(asked["after"]) if "after" in asked else None,
        )

    def match(self, stored: StoredResponse) -> bool:
        """Is `stored` asked for by its URL and tags? Both schemes match `url`, as they do in an invalidation."""
        if self.tag and self.tag not in stored.tags and self.tag not in map(readable, stored.tags):
            return False
        if self.host_and_target is not None and self.host_and_target != (stored.key.host, stored.key.target):
            return False
        if not (self.prefix or self.q):
            return True
        url = stored.key.url
        return url.startswith(self.prefix) and self.q in url

    def match_state(self, state: str | None) -> bool:
        """Is a response in this state asked for? Never when it does not exist."""
        return state is not None and self.state in ("", state)


async def page(objects: AsyncIterable[StoredResponse], log: InvalidationLog, clock: Clock, filters: Filters) -> ObjectsPage:
    """The page that `filters` ask for."""
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
    return ObjectsPage([one for one in shown if one is not None], total, cursor(found[-1][0]) if more else None)


def state(stored: StoredResponse, verdict: Verdict, now: float) -> str | None:
    """Would `stored` be used as it is ("fresh"), or only after validation or for want of better ("stale")? None: it does not exist."""
    match verdict:
        case HardCovered():
            return None
        case SoftCovered():
            return "stale"
        case _:
            return "fresh" if current_age(stored, now) < stored.lifetime_s else "stale"


def describe(stored: StoredResponse, verdict: Verdict, now: float) -> StoredObject | None:
    """One stored response for JSON, or None when a hard entry covers it: then it does not exist."""
    shown_state = state(stored, verdict, now)
    if shown_state is None:
        return None
    age_s, ttl_s = freshness(stored, verdict, now)
    return StoredObject(
        key=stored.key.url,
        status=stored.status,
        variant={_text(name): _shown(name, value) for name, value in stored.vary},
        tags=[readable(tag) for tag in stored.tags],
        groups=list(stored.groups),
        age=age_s,
        ttl=ttl_s,
        size=stored.size_bytes,
        hits=stored.hits,
        position=stored.position,
        state=shown_state,
    )


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
