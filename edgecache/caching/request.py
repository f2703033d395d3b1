"""A request as the cache looks at it."""

from __future__ import annotations

from edgecache.caching.rules import Rule
from edgecache.caching.stored import Key
from edgecache.semantics.cache_control import CacheControl
from edgecache.semantics.message import Fields


class PresentedRequest:
    """What `decide` and `conclude` know of a request (RFC 9111 4: "the presented request").

    fields         as the origin will get them: Vary compares these; Connection and Upgrade are among them only when the edge forwards them
    has_content    it has content, of whatever length
    cache_control  its Cache-Control, parsed
    target         path and query as the client sent them: what the origin gets, while the key may lack some of it
    rule           the rule of the configuration for its URL, None without one
    ranges_max     of so many ranges at most parts are made; beyond it the whole is sent (RFC 9110 14.2 warns of many small ones)
    """

    __slots__ = ("cache_control", "fields", "has_content", "key", "method", "ranges_max", "rule", "target")

    def __init__(
        self,
        method: bytes,
        key: Key,
        fields: Fields,
        has_content: bool,
        cache_control: CacheControl,
        *,
        target: bytes | None = None,
        rule: Rule | None = None,
        ranges_max: int = 16,
    ) -> None:
        self.method = method
        self.key = key
        self.fields = fields
        self.has_content = has_content
        self.cache_control = cache_control
        self.target = key.target if target is None else target
        self.rule = rule
        self.ranges_max = ranges_max

    def __repr__(self) -> str:
        return f"<PresentedRequest {self.method!r} {self.key.url}>"
