"""May this answer be stored, and which of its fields (RFC 9111 3)?"""

from __future__ import annotations

from edgecache.caching.directives import request_directives
from edgecache.caching.freshness import is_forced
from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.request import PresentedRequest
from edgecache.semantics.cache_control import CacheControl
from edgecache.semantics.dates import format_http_date
from edgecache.semantics.fields import end_to_end, without
from edgecache.semantics.message import Fields, ResponseHead, combined, field, first
from edgecache.semantics.urls import normalise_authority, resolve_reference

# Status codes whose rules about caching are kept here, for must-understand (RFC 9111 5.2.2.3): the final ones of RFC 9110 15, less 304,
# which no answer is stored with, and 306, which nobody may send.
UNDERSTOOD_STATUSES = frozenset(
    {200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 305, 307, 308, *range(400, 418), 421, 422, 426, *range(500, 506)}
)

# What makes an answer to a request with Authorization shareable (RFC 9111 3.5).
_SHAREABLE = (b"must-revalidate", b"public", b"s-maxage")
_SET_COOKIE = frozenset({b"set-cookie", b"set-cookie2"})


def refusal(request: PresentedRequest, head: ResponseHead, cache_control: CacheControl, profile: Profile) -> Reason | None:
    """Why may this answer not be stored (RFC 9111 3)? None when nothing here forbids it; freshness, parts and Vary are judged after it.

    `cache_control` is the answer's. A rule that forces overrules what the answer itself says, but not that it was for one user.
    """
    return (
        _refusal_of_request(request, profile)
        or _refusal_of_method(request, head)
        or _refusal_of_status(head.status)
        or (None if is_forced(request.rule, head.status) else refusal_of_directives(head.status, cache_control))
        or _refusal_of_fields(request, head.fields, cache_control, profile)
    )


def refusal_of_directives(status: int, cache_control: CacheControl) -> Reason | None:
    """Why may a response not be stored, by its own directives?"""
    if b"must-understand" in cache_control:
        # A cache that knows the status code disregards the no-store that is there for those that do not (RFC 9111 5.2.2.3).
        if status not in UNDERSTOOD_STATUSES:
            return Reason.MUST_UNDERSTAND
    elif b"no-store" in cache_control:
        return Reason.NO_STORE
    if cache_control.unqualified(b"private"):
        return Reason.PRIVATE
    return None


def is_shareable(request: PresentedRequest, cache_control: CacheControl) -> bool:
    """May a response to this request be used for others, as far as its Authorization goes (RFC 9111 3.5)?"""
    return not any(name == b"authorization" for _, name, _ in request.fields) or any(name in cache_control for name in _SHAREABLE)


def storable_fields(fields: Fields, cache_control: CacheControl, profile: Profile) -> Fields:
    """The fields that are kept of an answer (RFC 9111 3.1): the end-to-end ones, less those that a qualified no-cache or private names.

    A field named by `private="…"` is for one user only, one named by `no-cache="…"` may not be reused unvalidated: neither is kept. Nor is
    Set-Cookie, unless the profile has it so.
    """
    kept = end_to_end(fields)
    named = {*cache_control.field_names(b"no-cache"), *cache_control.field_names(b"private")}
    if profile.set_cookie != "store":
        named |= _SET_COOKIE
    return without(kept, named) if named else kept


def dated(fields: Fields, response_time: float, offset_s: float) -> Fields:
    """The fields with a Date: who has a clock adds one to a response that is stored without (RFC 9110 6.6.1). By the origin's clock."""
    if first(fields, b"date") is not None:
        return fields
    return [*fields, field(b"Date", format_http_date(response_time - offset_s))]


def sets_cookie(fields: Fields) -> bool:
    """Does a response with these fields set cookies?"""
    return any(name in _SET_COOKIE for _, name, _ in fields)


def _refusal_of_request(request: PresentedRequest, profile: Profile) -> Reason | None:
    """Why may no answer to this request be stored, whatever it is?"""
    if request.rule is not None and request.rule.bypass:
        return Reason.RULE_BYPASS
    return Reason.REQUEST_NO_STORE if b"no-store" in request_directives(request, profile) else None


def _refusal_of_method(request: PresentedRequest, head: ResponseHead) -> Reason | None:
    if request.method == b"GET":
        return Reason.REQUEST_CONTENT if request.has_content else None
    if request.method == b"HEAD":
        return Reason.HEAD_NOT_STORED
    return None if request.method == b"POST" and _answers_get(request, head) else Reason.METHOD


def _answers_get(request: PresentedRequest, head: ResponseHead) -> bool:
    """Is this answer to a POST what a GET for the same URL would be answered (RFC 9110 9.3.3)? Its Content-Location says so.

    The origin may name itself as the Host that it was sent, and cannot know by which scheme it was asked at the edge.
    """
    said = combined(head.fields, b"content-location")
    if said is None or not 200 <= head.status < 300:
        return False
    key = request.key
    named = resolve_reference(key._replace(target=request.target), said)
    if named is None or named.target != request.target:
        return False
    asked = combined(request.fields, b"host")
    return named.host == key.host or (asked is not None and named.host == normalise_authority(asked, named.scheme))


def _refusal_of_status(status: int) -> Reason | None:
    if status < 200:
        return Reason.INTERIM
    if status == 304:
        return Reason.NOT_MODIFIED
    if status in (412, 416):
        return Reason.RANGE_REFUSED
    return None


def _refusal_of_fields(request: PresentedRequest, fields: Fields, cache_control: CacheControl, profile: Profile) -> Reason | None:
    if not is_shareable(request, cache_control):
        return Reason.AUTHORIZATION
    if profile.set_cookie == "refuse" and sets_cookie(fields):
        return Reason.SET_COOKIE
    return None
