"""The content of parts, put together."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from edgecache.caching.stored import Part, StoredResponse
from edgecache.http1.problem import Broken, failed
from edgecache.semantics.proxy_status import ProxyError
from edgecache.store.body import Body, BrokenStored, MemoryBody
from edgecache.store.tiers import Store


async def content_of(part: StoredResponse, store: Store) -> AsyncGenerator[bytes, None]:
    """The content of a stored part, piece by piece. Raises Broken when it turns out to be damaged; then the part has left the store."""
    content: Body = part.body  # type: ignore[assignment]  # the caching layer does not know where content is kept
    try:
        async for piece in content.read():
            yield piece
    except BrokenStored as broken:
        store.broken(part, broken)
        raise Broken(failed(ProxyError.PROXY_INTERNAL_ERROR, "what is stored is damaged; ask again")) from None


def joined(one: object, place: Part, other: object, other_place: Part) -> MemoryBody | None:
    """The content of two parts that touch or overlap: where both have a byte, that of the newer, `other`.

    None when either is in a file: to copy all that there is for each part that a player asks for would cost more than to ask for it again.
    """
    if not isinstance(one, MemoryBody) or not isinstance(other, MemoryBody):
        return None
    before = one.cut(0, other_place.first - place.first - 1) if other_place.first > place.first else ()
    after = one.cut(other_place.last - place.first + 1) if other_place.last < place.last else ()
    return MemoryBody((*before, *other.pieces, *after))
