"""The first decision: what is done about a request, before anything is sent to the origin (RFC 9111 4).

`decide` is a pure function of what was asked, what is stored, what the log says about it, the profile and the time. It is on the way of
every hit: the request's fields are walked once, and what is usually absent costs one look-up in a dictionary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from edgecache.caching.freshness import current_age
from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.request import PresentedRequest
from edgecache.caching.stored import StoredResponse
from edgecache.caching.vary import vary_matches
from edgecache.caching.verdict import Clean, HardCovered, SoftCovered, Verdict
from edgecache.semantics.cache_control import CacheControl, delta_seconds
from edgecache.semantics.conditional import ORIGIN_PRECONDITIONS
from edgecache.semantics.fields import connection_options
from edgecache.semantics.message import Fields

# Why a request is forwarded, in the words of RFC 9211 2.2.
Fwd = Literal["bypass", "method", "uri-miss", "vary-miss", "stale", "request", "miss"]


@dataclass(frozen=True, slots=True)
class Hit:
    """Answer with `stored`; the origin is not asked."""

    stored: StoredResponse
    reason: Reason


@dataclass(frozen=True, slots=True)
class Miss:
    """Ask the origin for an answer that may be stored; `conclude` judges it. `selected` is what may stand in if the origin gives none."""

    selected: StoredResponse | None
    reason: Reason
    fwd: Fwd


@dataclass(frozen=True, slots=True)
class Pass:
    """Forward the request as it is; its answer is not stored, and nobody else waits for it."""

    reason: Reason
    fwd: Fwd


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with `status`; the origin is not asked."""

    status: int
    reason: Reason


Decision = Hit | Miss | Pass | Refuse

# Fields that may take a request out of the cache's hands. `pragma` and `connection` need a look at their value.
_TELLING: dict[bytes, Reason] = {
    b"range": Reason.RANGE,
    b"connection": Reason.UPGRADE,
    b"pragma": Reason.REQUEST_NO_CACHE,
    **dict.fromkeys(ORIGIN_PRECONDITIONS, Reason.PRECONDITION),
}
_NO_CACHE = CacheControl({b"no-cache": None})
_NONE = CacheControl()


def decide(request: PresentedRequest, candidates: Sequence[tuple[StoredResponse, Verdict]], profile: Profile, now: float) -> Decision:
    """What is done about this request?

    `candidates` are all stored responses of its key, each with what the log says about it; `now` is edge time, taken after the look-up.
    Of several that match the newest counts, by (position, start) (RFC 9111 4: the most recent).
    """
    telling = _telling(request.fields)
    directives = _directives(request, telling) if profile.obeys_request_directives else _NONE
    decision = _bypass(request, telling, directives) or _select(request, candidates, directives, now)
    if b"only-if-cached" in directives and not isinstance(decision, Hit):
        return Refuse(504, Reason.ONLY_IF_CACHED)  # RFC 9111 5.2.1.7
    return decision


def _telling(fields: Fields) -> dict[Reason, bytes]:
    """Which fields of _TELLING are there, with the value of the last of each."""
    return {_TELLING[name]: value for _, name, value in fields if name in _TELLING}


def _directives(request: PresentedRequest, telling: dict[Reason, bytes]) -> CacheControl:
    """What the request's Cache-Control says, or in its absence Pragma (RFC 9111 5.4, as RFC 7234 5.4 had it)."""
    if request.cache_control or Reason.REQUEST_NO_CACHE not in telling:
        return request.cache_control
    return _NO_CACHE if b"no-cache" in telling[Reason.REQUEST_NO_CACHE].lower() else _NONE


def _bypass(request: PresentedRequest, telling: dict[Reason, bytes], directives: CacheControl) -> Pass | None:
    """Why the cache takes no part in this request, or None."""
    if request.method != b"GET" and request.method != b"HEAD":
        return Pass(Reason.METHOD, "method")
    if request.has_content:
        return Pass(Reason.REQUEST_CONTENT, "bypass")
    for reason in telling:
        match reason:
            case Reason.RANGE | Reason.PRECONDITION:
                return Pass(reason, "bypass")
            case Reason.UPGRADE if b"upgrade" in connection_options(request.fields):
                return Pass(reason, "bypass")
    if b"no-store" in directives:
        return Pass(Reason.REQUEST_NO_STORE, "bypass")
    return None


def _select(
    request: PresentedRequest, candidates: Sequence[tuple[StoredResponse, Verdict]], directives: CacheControl, now: float
) -> Hit | Miss:
    """The newest stored response for this request, if it may be used."""
    selected: tuple[StoredResponse, Clean | SoftCovered] | None = None
    mismatched = purged = False
    for stored, verdict in candidates:
        matches = vary_matches(stored, request.fields)
        if isinstance(verdict, HardCovered):  # it does not exist any more; all that is left of it is the reason
            purged = purged or matches
        elif not matches:
            mismatched = True
        elif selected is None or (stored.position, stored.start) > (selected[0].position, selected[0].start):
            selected = (stored, verdict)
    if selected is None:
        reason = Reason.PURGED if purged else Reason.VARY_MISMATCH if mismatched else Reason.NO_STORED_RESPONSE
        return Miss(None, reason, "vary-miss" if mismatched else "uri-miss")
    newest, standing = selected
    # Whoever asks with no-cache wants to know what the origin says now; an old answer instead of an error would hide it.
    stand_in = None if b"no-cache" in directives else newest
    stale = _why_stale(newest, standing, now)
    if stale is not None:
        return Miss(stand_in, stale, "stale")
    unwanted = _why_unwanted(newest, directives, now) if directives else None
    if unwanted is not None:
        return Miss(stand_in, unwanted, "request")
    return Hit(newest, Reason.FRESH)


def _why_stale(stored: StoredResponse, verdict: Clean | SoftCovered, now: float) -> Reason | None:
    """Why `stored` is not fresh (RFC 9111 4.2), or None when it is."""
    if stored.lifetime_s <= current_age(stored, now):
        return Reason.EXPIRED
    if now < stored.response_time:
        return Reason.CLOCK_MOVED_BACK  # its age cannot be known; nothing becomes fresh by going back
    match verdict:
        case Clean():
            return None
        case SoftCovered():
            return Reason.SOFT_PURGED
        case _:
            assert_never(verdict)


def _why_unwanted(stored: StoredResponse, directives: CacheControl, now: float) -> Reason | None:
    """Which directive of the request keeps the fresh response `stored` from being used (RFC 9111 5.2.1), or None.

    An argument that is no number of seconds asks for nothing.
    """
    if b"no-cache" in directives:
        return Reason.REQUEST_NO_CACHE
    age = current_age(stored, now)
    max_age = delta_seconds(directives.get(b"max-age"))
    if max_age is not None and age > max_age:
        return Reason.REQUEST_MAX_AGE
    min_fresh = delta_seconds(directives.get(b"min-fresh"))
    if min_fresh is not None and stored.lifetime_s - age < min_fresh:
        return Reason.REQUEST_MIN_FRESH
    return None
