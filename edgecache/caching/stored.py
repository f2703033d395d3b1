"""A stored response: what the origin sent, when, and at which log position it was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from edgecache.semantics.message import Fields
from edgecache.semantics.urls import Key as Key


class StoredResponse:
    """A complete response in the store. Fields are the origin's, less the hop-by-hop ones; nothing here changes after it was made.

    key              what it answers
    status, reason   of the status line
    fields           as received, less those of RFC 9111 3.1
    vary             ((lower-case field name, normalised request value or None), …) nominated by Vary; empty without one
    body             pieces of the content, in order
    size_bytes       what it costs in the store: body, fields and a fixed overhead
    request_time     edge time when the origin request was sent
    response_time    edge time when its head arrived
    offset_s         clock offset in force then; origin dates are moved by it for arithmetic
    position, start  log position at which the origin request was sent, and real time in ns taken together with it
    lifetime_s       freshness lifetime in seconds (RFC 9111 4.2.1), derived once by the profile
    initial_age_s    corrected_initial_age in seconds (RFC 9111 4.2.3)
    """

    __slots__ = (
        "body",
        "fields",
        "head",
        "hits",
        "initial_age_s",
        "key",
        "lifetime_s",
        "offset_s",
        "position",
        "reason",
        "request_time",
        "response_time",
        "size_bytes",
        "start",
        "status",
        "vary",
    )

    def __init__(
        self,
        *,
        key: Key,
        status: int,
        reason: bytes,
        fields: Fields,
        vary: tuple[tuple[bytes, bytes | None], ...],
        body: Sequence[bytes],
        request_time: float,
        response_time: float,
        offset_s: float,
        position: int,
        start: int,
        lifetime_s: float,
        initial_age_s: float,
    ) -> None:
        self.key = key
        self.status = status
        self.reason = reason
        self.fields = fields
        self.vary = vary
        self.body = body
        self.request_time = request_time
        self.response_time = response_time
        self.offset_s = offset_s
        self.position = position
        self.start = start
        self.lifetime_s = lifetime_s
        self.initial_age_s = initial_age_s
        self.hits = 0
        self.head: bytes | None = None  # rendered by edge.deliver at the first hit: what no two hits differ in
        self.size_bytes = sum(map(len, body)) + sum(len(line) for line, _, _ in fields) + len(key.target) + OVERHEAD_BYTES

    @property
    def body_bytes(self) -> int:
        """Length of the content."""
        return sum(map(len, self.body))

    def __repr__(self) -> str:
        return f"<StoredResponse {self.key.url} {self.status} position={self.position} lifetime={self.lifetime_s:g}s>"


# What a stored response costs beside its bytes: the object, its tuples and its place in two dictionaries. Measured on CPython 3.11.
OVERHEAD_BYTES = 1024
