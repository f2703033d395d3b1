"""Stored responses made of what `conclude` decided: the new one, the freshened one, the one combined of two parts.

Here the positions are put together (docs/architecture.md, Positions); whether one replaces another in the store is the store's affair.
"""

from __future__ import annotations

from edgecache.caching.conclusion import Answer, Combine, Freshen, Store
from edgecache.caching.request import PresentedRequest
from edgecache.caching.stored import Content, StoredResponse, soft_cover
from edgecache.caching.verdict import SoftCovered


def stored_response(
    plan: Store, request: PresentedRequest, answer: Answer, body: Content, position: int, start: int
) -> StoredResponse | None:
    """The response to store after a fetch that began at (`position`, `start`) has brought `body`.

    None when the content is not as long as the part that it claimed to be: then nobody knows what it is.
    """
    if plan.part is not None and body.length != plan.part.last - plan.part.first + 1:
        return None
    return StoredResponse(
        key=request.key,
        status=plan.status,
        reason=plan.phrase,
        fields=plan.fields,
        vary=plan.vary,
        body=body,
        request_time=answer.request_time,
        response_time=answer.response_time,
        offset_s=answer.offset_s,
        position=position,
        start=start,
        lifetime_s=plan.derived.lifetime_s,
        initial_age_s=plan.derived.initial_age_s,
        terms=plan.derived.terms,
        part=plan.part,
        groups=plan.groups,
        tags=plan.tags,
    )


def freshened(plan: Freshen, answer: Answer, position: int, start: int) -> StoredResponse:
    """The stored response after a validation, or an answer to HEAD, that was asked for at (`position`, `start`).

    Its place in the order of responses is the higher of the two, where the answer raises it at all. A soft purge that the answer did not
    see stays, with its time, whatever tags the response has now.
    """
    old = plan.stored
    place = (old.position, old.start)
    if plan.raises_position:
        place = max(place, (position, start))
    soft = soft_cover(old, plan.verdict, place[0])
    new = StoredResponse(
        key=old.key,
        status=old.status,
        reason=old.reason,
        fields=plan.fields,
        vary=plan.vary,
        body=old.body,
        request_time=answer.request_time,
        response_time=answer.response_time,
        offset_s=answer.offset_s,
        position=place[0],
        start=place[1],
        lifetime_s=plan.derived.lifetime_s,
        initial_age_s=plan.derived.initial_age_s,
        terms=plan.derived.terms,
        part=old.part,
        groups=plan.groups,
        tags=plan.tags,
        soft_since=None if soft is None else soft.since,
        soft_position=0 if soft is None else soft.position,
    )
    new.hits = old.hits
    return new


def combined(plan: Combine, answer: Answer, body: Content, position: int, start: int) -> StoredResponse | None:
    """The response of two parts, after the second, asked for at (`position`, `start`), has come and `body` is the content of both.

    It is as old as the older of the two: an invalidation that covers either covers both. None when the content is not as long as both are.
    """
    old = plan.stored
    whole = plan.part
    assert old.part is not None
    length = max(old.part.last, plan.answered.last) - min(old.part.first, plan.answered.first) + 1
    if body.length != length:
        return None
    place = min((old.position, old.start), (position, start))
    new = StoredResponse(
        key=old.key,
        status=plan.status,
        reason=plan.phrase,
        fields=plan.fields,
        vary=old.vary,
        body=body,
        request_time=answer.request_time,
        response_time=answer.response_time,
        offset_s=answer.offset_s,
        position=place[0],
        start=place[1],
        lifetime_s=plan.derived.lifetime_s,
        initial_age_s=plan.derived.initial_age_s,
        terms=plan.derived.terms,
        part=whole,
        groups=plan.groups,
        tags=plan.tags,
    )
    new.hits = old.hits
    return new


def with_soft(stored: StoredResponse, soft: SoftCovered) -> StoredResponse:
    """The same stored response with a soft purge written into it, so that the log need not remember that."""
    cover = soft_cover(stored, soft)
    assert cover is not None
    new = StoredResponse(
        key=stored.key,
        status=stored.status,
        reason=stored.reason,
        fields=stored.fields,
        vary=stored.vary,
        body=stored.body,
        request_time=stored.request_time,
        response_time=stored.response_time,
        offset_s=stored.offset_s,
        position=stored.position,
        start=stored.start,
        lifetime_s=stored.lifetime_s,
        initial_age_s=stored.initial_age_s,
        terms=stored.terms,
        part=stored.part,
        groups=stored.groups,
        tags=stored.tags,
        soft_since=cover.since,
        soft_position=cover.position,
    )
    new.hits, new.tested, new.standing = stored.hits, stored.tested, stored.standing
    return new
