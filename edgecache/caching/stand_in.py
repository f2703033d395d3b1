"""When a stored response stands in for an answer that did not come, or that is an error (RFC 9111 4.2.4, RFC 5861 4)."""

from __future__ import annotations

from edgecache.caching.answer import can_answer
from edgecache.caching.conclusion import Forward, Selected, ServeStale
from edgecache.caching.directives import request_directives
from edgecache.caching.freshness import staleness
from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.request import PresentedRequest
from edgecache.caching.stored import StoredResponse, soft_cover
from edgecache.caching.verdict import Verdict
from edgecache.semantics.cache_control import delta_seconds

# The errors for which a stored response may stand in (RFC 5861 4).
ERROR_STATUSES = frozenset({500, 502, 503, 504})


def after_failure(request: PresentedRequest, selected: Selected | None, gone: bool, profile: Profile, now: float) -> ServeStale | Forward:
    """The stored response in place of an answer, as far as RFC 9111 4.2.4 lets a cache that cannot reach the origin."""
    if selected is None:
        return Forward(Reason.PURGED if gone else Reason.ORIGIN_FAILED)
    stored, standing = selected
    why_not = why_no_stand_in(request, stored, standing, profile, now)
    return ServeStale(stored, Reason.STALE_ORIGIN_UNREACHABLE) if why_not is None else Forward(why_not)


def why_no_stand_in(request: PresentedRequest, stored: StoredResponse, standing: Verdict, profile: Profile, now: float) -> Reason | None:
    """Why may `stored` not be used in place of an answer that did not come (RFC 9111 4.2.4, RFC 5861 4)? None when it may.

    Without stale-if-error nothing limits for how long; with it, its window does, so that `stale-if-error=0` means never.
    """
    if b"no-cache" in request_directives(request, profile):
        return Reason.REQUEST_NO_CACHE  # who asks so wants to know what the origin says now, and an old answer would hide it
    if not can_answer(request, stored):
        return Reason.PART_NOT_STORED
    if stored.terms.must_validate:
        return Reason.STALE_FORBIDDEN
    stale_for_s = staleness(stored, soft_cover(stored, standing), now)
    if stale_for_s < 0:
        return None
    if stored.terms.forbids_stale:
        return Reason.STALE_FORBIDDEN
    window_s = error_window(request, stored, profile)
    return Reason.STALE_TOO_LONG if window_s is not None and stale_for_s >= window_s else None


def error_window(request: PresentedRequest, stored: StoredResponse, profile: Profile) -> float | None:
    """Up to how much staleness an error lets `stored` be used: what it says itself or what the request says, the longer; None: neither."""
    asked_s = delta_seconds(request_directives(request, profile).get(b"stale-if-error"))
    said_s = stored.terms.sie_s
    if asked_s is None or said_s is None:
        return said_s if asked_s is None else float(asked_s)
    return max(said_s, float(asked_s))
