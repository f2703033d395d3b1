"""A stored response: what the origin sent, when, at which log position it was asked for, and on which terms it may be used again."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from edgecache.caching.verdict import CLEAN, SoftCovered, Verdict
from edgecache.semantics.message import Fields
from edgecache.semantics.urls import Key as Key

# What the fields named by Vary were: (lower-case name, normalised value, or None where the request had no such field), in order of name.
Variant = tuple[tuple[bytes, bytes | None], ...]


class Content(Protocol):
    """Content in the store, wherever its bytes are. Here only its length is looked at."""

    @property
    def length(self) -> int:
        """How many bytes are held."""
        ...


class Part(NamedTuple):
    """Which bytes of the whole are held: `first` to `last`, both included; `complete_length` None: nobody said how long the whole is."""

    first: int
    last: int
    complete_length: int | None


class ReuseTerms(NamedTuple):
    """What a response said about its own use once it is stored, read once and not per request (RFC 9111 5.2.2, RFC 5861).

    must_validate  no-cache: each use needs a successful validation first
    forbids_stale  never used once stale: must-revalidate, proxy-revalidate, s-maxage, no-cache
    swr_s          stale-while-revalidate: for how many seconds of staleness it may be used while it is validated
    sie_s          stale-if-error: up to how much staleness it stands in for an error; None when the response does not say
    """

    must_validate: bool = False
    forbids_stale: bool = False
    swr_s: float = 0.0
    sie_s: float | None = None


PLAIN_TERMS = ReuseTerms()


class StoredResponse:
    """A response in the store. Fields are the origin's, less the hop-by-hop ones; nothing here changes after it was made,
    but for what is kept beside it: `body` (taken into memory), `head`, `hits`, and how far the log has tested it.

    key              what it answers
    status, reason   of the status line: 206 exactly when `part` is not None
    fields           as received, less those of RFC 9111 3.1
    vary             the variant that it is; empty without a Vary
    body             its content
    part             None when the content is the whole; else which part of it
    groups           Cache-Groups that it is in (RFC 9875)
    tags             its cache tags, as caching.tags normalises them
    size_bytes       what it costs in the store: body, fields, groups, tags and a fixed overhead
    request_time     edge time when the origin request was sent
    response_time    edge time when its head arrived
    offset_s         clock offset in force then; origin dates are moved by it for arithmetic
    position, start  log position at which the origin request was sent, and real time in ns taken together with it
    lifetime_s       freshness lifetime in seconds (RFC 9111 4.2.1), derived by the profile in force, as is all that follows
    initial_age_s    corrected_initial_age in seconds (RFC 9111 4.2.3)
    terms            on which it may be used
    soft_since       a soft purge that the log need not be asked about any more: stale since then, edge time; None without one
    soft_position    position of the newest entry that `soft_since` stands for; 0 without one
    tested           up to which log position it was compared with entries, and
    standing         what came of it; both are the log's own notes, kept here because they go when the response goes
    """

    __slots__ = (
        "body",
        "fields",
        "groups",
        "head",
        "hits",
        "initial_age_s",
        "key",
        "lifetime_s",
        "offset_s",
        "part",
        "position",
        "reason",
        "request_time",
        "response_time",
        "size_bytes",
        "soft_position",
        "soft_since",
        "standing",
        "start",
        "status",
        "tags",
        "terms",
        "tested",
        "vary",
    )

    def __init__(
        self,
        *,
        key: Key,
        status: int,
        reason: bytes,
        fields: Fields,
        vary: Variant,
        body: Content,
        request_time: float,
        response_time: float,
        offset_s: float,
        position: int,
        start: int,
        lifetime_s: float,
        initial_age_s: float,
        terms: ReuseTerms = PLAIN_TERMS,
        part: Part | None = None,
        groups: tuple[str, ...] = (),
        tags: tuple[str, ...] = (),
        soft_since: float | None = None,
        soft_position: int = 0,
    ) -> None:
        self.key = key
        self.status = status
        self.reason = reason
        self.fields = fields
        self.vary = vary
        self.body = body
        self.part = part
        self.groups = groups
        self.tags = tags
        self.request_time = request_time
        self.response_time = response_time
        self.offset_s = offset_s
        self.position = position
        self.start = start
        self.lifetime_s = lifetime_s
        self.initial_age_s = initial_age_s
        self.terms = terms
        self.soft_since = soft_since
        self.soft_position = soft_position
        self.tested = position
        self.standing: Verdict = CLEAN
        self.hits = 0
        self.head: bytes | None = None  # rendered by edge.deliver at the first hit: what no two hits differ in
        self.size_bytes = body.length + sum(len(line) for line, _, _ in fields) + len(key.target) + len(key.extra) + OVERHEAD_BYTES
        if groups or tags:
            self.size_bytes += sum(len(name) + NAME_OVERHEAD_BYTES for name in (*groups, *tags))

    @property
    def body_bytes(self) -> int:
        """Length of the content that is held."""
        return self.body.length

    @property
    def complete_length(self) -> int | None:
        """Length of the whole content; None for a part when nobody said it."""
        return self.body.length if self.part is None else self.part.complete_length

    def __repr__(self) -> str:
        return f"<StoredResponse {self.key.url} {self.status} position={self.position} lifetime={self.lifetime_s:g}s>"


# What a stored response costs beside its bytes: the object, its tuples and its place in two dictionaries. Measured on CPython 3.11.
OVERHEAD_BYTES = 1024
NAME_OVERHEAD_BYTES = 64  # of a group or tag: an str, and its place in the tuple


def soft_cover(stored: StoredResponse, verdict: Verdict, position: int = -1) -> SoftCovered | None:
    """How soft purges above `position` stand on `stored`: what the log says of it now and what was written into it, together.

    None when none does. Without `position` all count; with the position of a validation, those that it did not see. What was written stands
    for older entries than what the log says, and the first one's time counts. The log's newest one being above the validation, that may be
    one which it did see: stale for longer than exactly, never for less.
    """
    written = SoftCovered(stored.soft_position, stored.soft_since) if stored.soft_since is not None else None
    found = [one for one in (written, verdict) if isinstance(one, SoftCovered) and one.position > position]
    if not found:
        return None
    return SoftCovered(max(one.position for one in found), found[0].since)
