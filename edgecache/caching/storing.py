"""May this answer be stored, and which of its fields (RFC 9111 3)?"""

from __future__ import annotations

from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.request import PresentedRequest
from edgecache.semantics.cache_control import CacheControl
from edgecache.semantics.fields import end_to_end, without
from edgecache.semantics.message import Fields, ResponseHead

# Status codes whose rules about caching are kept here, for must-understand (RFC 9111 5.2.2.3): the final ones of RFC 9110 15, less 206
# and 304, which no answer is stored with, and 306, which nobody may send.
UNDERSTOOD_STATUSES = frozenset(
    {200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 305, 307, 308, *range(400, 418), 421, 422, 426, *range(500, 506)}
)

# What makes an answer to a request with Authorization shareable (RFC 9111 3.5).
_SHAREABLE = (b"must-revalidate", b"public", b"s-maxage")


def refusal(request: PresentedRequest, head: ResponseHead, cache_control: CacheControl, profile: Profile) -> Reason | None:
    """Why may this answer not be stored (RFC 9111 3)? None when nothing here forbids it; freshness and Vary are judged after it.

    `cache_control` is the answer's.
    """
    if request.method != b"GET":
        return Reason.HEAD_NOT_STORED if request.method == b"HEAD" else Reason.METHOD
    return (
        _refusal_of_status(head.status)
        or _refusal_of_directives(head.status, cache_control)
        or _refusal_of_fields(request, head.fields, cache_control, profile)
    )


def storable_fields(fields: Fields, cache_control: CacheControl) -> Fields:
    """The fields that are kept of an answer (RFC 9111 3.1): the end-to-end ones, less those that a qualified no-cache or private names.

    A field named by `private="…"` is for one user only, one named by `no-cache="…"` may not be reused unvalidated: neither is kept.
    """
    kept = end_to_end(fields)
    named = {*cache_control.field_names(b"no-cache"), *cache_control.field_names(b"private")}
    return without(kept, named) if named else kept


def _refusal_of_status(status: int) -> Reason | None:
    if status < 200:
        return Reason.INTERIM
    if status == 206:
        return Reason.PARTIAL
    if status == 304:
        return Reason.NOT_MODIFIED
    return None


def _refusal_of_directives(status: int, cache_control: CacheControl) -> Reason | None:
    if b"must-understand" in cache_control:
        # A cache that knows the status code disregards the no-store that is there for those that do not (RFC 9111 5.2.2.3).
        if status not in UNDERSTOOD_STATUSES:
            return Reason.MUST_UNDERSTAND
    elif b"no-store" in cache_control:
        return Reason.NO_STORE
    if cache_control.unqualified(b"private"):
        return Reason.PRIVATE
    if cache_control.unqualified(b"no-cache"):
        return Reason.NO_CACHE
    return None


def _refusal_of_fields(request: PresentedRequest, fields: Fields, cache_control: CacheControl, profile: Profile) -> Reason | None:
    if any(name == b"authorization" for _, name, _ in request.fields) and not any(name in cache_control for name in _SHAREABLE):
        return Reason.AUTHORIZATION
    if not profile.stores_set_cookie and any(name == b"set-cookie" for _, name, _ in fields):
        return Reason.SET_COOKIE
    return None
