"""A request as the cache looks at it."""

from __future__ import annotations

from edgecache.caching.stored import Key
from edgecache.semantics.cache_control import CacheControl
from edgecache.semantics.message import Fields


class PresentedRequest:
    """What `decide` and `conclude` know of a request (RFC 9111 4: "the presented request").

    fields         as the origin will get them: Vary compares these; Connection and Upgrade are among them only when the edge forwards them
    has_content    it has content, of whatever length
    cache_control  its Cache-Control, parsed
    """

    __slots__ = ("cache_control", "fields", "has_content", "key", "method")

    def __init__(self, method: bytes, key: Key, fields: Fields, has_content: bool, cache_control: CacheControl) -> None:
        self.method = method
        self.key = key
        self.fields = fields
        self.has_content = has_content
        self.cache_control = cache_control

    def __repr__(self) -> str:
        return f"<PresentedRequest {self.method!r} {self.key.url}>"
