"""The first decision: what is done about a request, before anything is sent to the origin (RFC 9111 4).

`decide` is a pure function of what was asked, what is stored, what the log says about it, the profile and the time. It is on the way of
every hit: the request's fields are walked once, and what is usually absent costs one look-up in a dictionary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from edgecache.caching.answer import can_answer
from edgecache.caching.directives import NO_DIRECTIVES, request_directives
from edgecache.caching.freshness import current_age, staleness
from edgecache.caching.parts import asking_for_the_rest
from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.request import PresentedRequest
from edgecache.caching.stored import StoredResponse, soft_cover
from edgecache.caching.vary import vary_matches
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered, Verdict
from edgecache.semantics.cache_control import CacheControl, delta_seconds
from edgecache.semantics.conditional import ORIGIN_PRECONDITIONS, validating
from edgecache.semantics.fields import connection_options
from edgecache.semantics.message import Fields

# Why a request is forwarded, in the words of RFC 9211 2.2.
Fwd = Literal["bypass", "method", "uri-miss", "vary-miss", "stale", "request", "partial", "miss"]


@dataclass(frozen=True, slots=True)
class Hit:
    """Answer with `stored`, the whole or what caching.answer makes of it; the origin is not asked."""

    stored: StoredResponse
    reason: Reason


@dataclass(frozen=True, slots=True)
class Validate:
    """Ask the origin, with `conditions` in the place of the client's own, whether `stored` still holds; `conclude` judges its answer.

    The request's Range and If-Range go with it: they count when the representation has changed (RFC 9110 13.2.2).
    """

    stored: StoredResponse
    conditions: Fields
    reason: Reason
    fwd: Fwd


@dataclass(frozen=True, slots=True)
class Miss:
    """Ask the origin for an answer that may be stored; `conclude` judges it. `selected` is what the answer may concern, or stand in for.

    With `rest`, fields that are added to the request, only for what the part `selected` lacks of the whole that is wanted.
    """

    selected: StoredResponse | None
    reason: Reason
    fwd: Fwd
    rest: Fields = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StaleHit:
    """Answer with `stored` although it is stale.

    `refresh` is carried out in the background, with GET whatever this request's method is, and without its Range unless a part is stored;
    None when the request took a stale response of its own accord (max-stale).
    """

    stored: StoredResponse
    reason: Reason
    refresh: Validate | Miss | None


@dataclass(frozen=True, slots=True)
class Pass:
    """Forward the request as it is; nobody else waits for its answer. Only an answer to POST may be worth storing: `conclude` says so."""

    reason: Reason
    fwd: Fwd


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with `status`; the origin is not asked."""

    status: int
    reason: Reason


Decision = Hit | StaleHit | Validate | Miss | Pass | Refuse

# Fields that may take a request out of the cache's hands. `pragma` and `connection` need a look at their value.
_TELLING: dict[bytes, Reason | None] = {
    b"connection": Reason.UPGRADE,
    b"pragma": None,
    **dict.fromkeys(ORIGIN_PRECONDITIONS, Reason.PRECONDITION),
}


def decide(request: PresentedRequest, candidates: Sequence[tuple[StoredResponse, Verdict]], profile: Profile, now: float) -> Decision:
    """What is done about this request?

    `candidates` are all stored responses of its key, each with what the log says about it; `now` is edge time, taken after the look-up.
    Of several that match the newest counts, by (position, start) (RFC 9111 4: the most recent).
    """
    telling = [name for _, name, _ in request.fields if name in _TELLING]
    directives = NO_DIRECTIVES
    if request.cache_control or telling:
        directives = request_directives(request, profile)
    decision = _bypass(request, telling, directives) or _select(request, candidates, directives, profile, now)
    if directives and b"only-if-cached" in directives and not isinstance(decision, (Hit, StaleHit)):
        return Refuse(504, Reason.ONLY_IF_CACHED)  # RFC 9111 5.2.1.7
    return decision


def _bypass(request: PresentedRequest, telling: list[bytes], directives: CacheControl) -> Pass | None:
    """Why the cache takes no part in this request, or None."""
    if request.method != b"GET" and request.method != b"HEAD":
        return Pass(Reason.METHOD, "method")
    if request.has_content:
        return Pass(Reason.REQUEST_CONTENT, "bypass")
    if b"#" in request.target:
        return Pass(Reason.FRAGMENT, "bypass")
    if request.rule is not None and request.rule.bypass:
        return Pass(Reason.RULE_BYPASS, "bypass")
    for name in telling:
        reason = _TELLING[name]
        if reason is Reason.PRECONDITION or (reason is Reason.UPGRADE and b"upgrade" in connection_options(request.fields)):
            return Pass(reason, "bypass")
    if directives and b"no-store" in directives:
        return Pass(Reason.REQUEST_NO_STORE, "bypass")
    return None


def _select(
    request: PresentedRequest,
    candidates: Sequence[tuple[StoredResponse, Verdict]],
    directives: CacheControl,
    profile: Profile,
    now: float,
) -> Hit | StaleHit | Validate | Miss:
    """The newest stored response for this request, if it may be used, and how."""
    selected: StoredResponse | None = None
    standing: Verdict = CLEAN
    mismatched = purged = False
    for stored, verdict in candidates:
        matches = not stored.vary or vary_matches(stored, request.fields, profile)
        if isinstance(verdict, HardCovered):  # it does not exist any more; all that is left of it is the reason
            purged = purged or matches
        elif not matches:
            mismatched = True
        elif selected is None or (stored.position, stored.start) > (selected.position, selected.start):
            selected, standing = stored, verdict
    if selected is None:
        reason = Reason.PURGED if purged else Reason.VARY_MISMATCH if mismatched else Reason.NO_STORED_RESPONSE
        return Miss(None, reason, "vary-miss" if mismatched else "uri-miss")
    soft = None if standing is CLEAN and selected.soft_since is None else soft_cover(selected, standing)
    stale = _why_stale(selected, soft, now)
    if selected.part is not None and not can_answer(request, selected):
        rest = [] if soft is not None else _rest(request, selected, directives, stale, now)
        return Miss(selected, stale or Reason.PART_NOT_STORED, "partial" if stale is None else "stale", rest)
    if stale is not None:
        return _stale(request, selected, soft, stale, directives, now)
    if selected.terms.must_validate:
        return _ask(selected, Reason.NO_CACHE, "stale", request.method)
    unwanted = _why_unwanted(selected, directives, now) if directives else None
    if unwanted is not None:
        return _ask(selected, unwanted, "request", request.method)
    return Hit(selected, Reason.FRESH)


def _rest(request: PresentedRequest, part: StoredResponse, directives: CacheControl, stale: Reason | None, now: float) -> Fields:
    """What to add to a request for the whole, so that only what `part` lacks of it comes (RFC 9111 3.3); empty: the whole is asked for.

    An answer that says how the client is known may be for that client alone: it is not joined to what was stored for all.
    """
    if request.method != b"GET" or any(name in _NOT_COMPLETED for _, name, _ in request.fields):
        return []
    usable = stale is None and not part.terms.must_validate and _why_unwanted(part, directives, now) is None
    return asking_for_the_rest(part, usable=usable)


_NOT_COMPLETED = frozenset({b"authorization", b"if-range", b"range"})


def _why_stale(stored: StoredResponse, soft: SoftCovered | None, now: float) -> Reason | None:
    """Why `stored` is not fresh (RFC 9111 4.2), or None when it is."""
    if stored.lifetime_s <= current_age(stored, now):
        return Reason.EXPIRED
    if now < stored.response_time:
        return Reason.CLOCK_MOVED_BACK  # its age cannot be known; nothing becomes fresh by going back
    return None if soft is None else Reason.SOFT_PURGED


def _stale(
    request: PresentedRequest, stored: StoredResponse, soft: SoftCovered | None, why: Reason, directives: CacheControl, now: float
) -> StaleHit | Validate | Miss:
    """What is done when the selected response is stale (RFC 9111 4.2.4, RFC 5861 3)."""
    if not stored.terms.forbids_stale and b"no-cache" not in directives:
        stale_for_s = staleness(stored, soft, now)
        # Who names the age or freshness that it wants does not want a stale response, unless max-stale is there too (RFC 9111 5.2.1.1).
        if stale_for_s < stored.terms.swr_s and not (b"max-age" in directives or b"min-fresh" in directives):
            return StaleHit(stored, Reason.STALE_WHILE_REVALIDATE, _ask(stored, why, "stale", b"GET"))
        if b"max-stale" in directives and _accepts_stale(stored, stale_for_s, directives, now):
            return StaleHit(stored, Reason.REQUEST_MAX_STALE, None)
    return _ask(stored, why, "stale", request.method)


def _accepts_stale(stored: StoredResponse, stale_for_s: float, directives: CacheControl, now: float) -> bool:
    """Does the request's max-stale take `stored` (RFC 9111 5.2.1.2)? Without an argument it takes any staleness, but not an unknown one."""
    if _why_unwanted(stored, directives, now) is not None:
        return False
    argument = directives[b"max-stale"]
    if argument is None:
        return stale_for_s != float("inf")
    limit_s = delta_seconds(argument)
    return limit_s is not None and stale_for_s <= limit_s


def _ask(stored: StoredResponse, reason: Reason, fwd: Fwd, method: bytes) -> Validate | Miss:
    """Ask the origin about `stored`: whether it still holds, if there is a way to ask that, or else anew.

    A HEAD is asked as it is: its answer updates or invalidates what is stored without a condition (RFC 9111 4.3.5).
    """
    conditions = validating(stored.fields) if method == b"GET" else []
    return Validate(stored, conditions, reason, fwd) if conditions else Miss(stored, reason, fwd)


def _why_unwanted(stored: StoredResponse, directives: CacheControl, now: float) -> Reason | None:
    """Which directive of the request keeps the response `stored` from being used (RFC 9111 5.2.1), or None.

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
