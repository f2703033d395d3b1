"""The second decision: what an origin's answer, or its failure to answer, comes to (RFC 9111 3, 4.2.4, 4.3).

`conclude` is a pure function like its twin `decide`. It runs as soon as the head of the answer is there: the content is stored as it comes.
What is then kept is made of its outcome in caching.keeping.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from edgecache.caching.answer import can_answer
from edgecache.caching.conclusion import (
    Answer,
    Combine,
    Conclusion,
    Failure,
    Forward,
    Freshen,
    Keep,
    RepeatUnconditionally,
    Selected,
    ServeStale,
    Store,
)
from edgecache.caching.directives import NO_DIRECTIVES, response_directives
from edgecache.caching.freshen import agrees, merged
from edgecache.caching.freshness import HEURISTIC_STATUSES, Derived, derive, is_forced
from edgecache.caching.parts import completes, is_whole, part_of, same_representation, union
from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.request import PresentedRequest
from edgecache.caching.stand_in import ERROR_STATUSES, after_failure, error_window, why_no_stand_in
from edgecache.caching.stored import Part, StoredResponse, soft_cover
from edgecache.caching.storing import dated, is_shareable, refusal, refusal_of_directives, sets_cookie, storable_fields
from edgecache.caching.tags import TooManyTags, tags_of
from edgecache.caching.vary import vary_of
from edgecache.caching.verdict import HardCovered, Verdict
from edgecache.semantics.cache_control import CacheControl
from edgecache.semantics.fields import without
from edgecache.semantics.groups import groups_of
from edgecache.semantics.message import Fields, ResponseHead, field, first
from edgecache.semantics.validators import has_validator


def conclude(
    request: PresentedRequest,
    selected: Selected | None,
    outcome: Answer | Failure,
    verdict: Verdict,
    profile: Profile,
    now: float,
    *,
    completing: bool = False,
) -> Conclusion:
    """What is done with what the origin answered to the request of a Validate, a Miss or a Pass, or with its failure to answer?

    `selected` is what `decide` selected, with what the log says about it now, by its own fields and position; `now` is edge time. `verdict`
    is what the log says, now, about a response to this request at the position of this fetch: whatever covers it came while the answer was
    on its way. After an answer to an unsafe request that is at the position of the entries which that answer itself caused. `completing`:
    the client wants the whole, and the origin was asked for the rest of the part `selected`, by the `rest` of a Miss.
    """
    gone = isinstance(verdict, HardCovered) or (selected is not None and isinstance(selected[1], HardCovered))
    if gone and selected is not None:
        if isinstance(outcome, Answer) and request.method == b"GET" and _is_about_stored(outcome.head.status, completing):
            return RepeatUnconditionally(Reason.PURGED)  # it says that something still holds which does not exist any more
        selected = None
    match outcome:
        case Failure():
            return after_failure(request, selected, gone, profile, now)
        case Answer():
            return _after_answer(request, selected, outcome, verdict, profile, now, completing)
        case _:
            assert_never(outcome)


def _is_about_stored(status: int, completing: bool) -> bool:
    """Does an answer with this status mean something only together with the stored response that was asked about?"""
    return status == 304 or (completing and status in (206, 416))


def _after_answer(
    request: PresentedRequest,
    selected: Selected | None,
    answer: Answer,
    verdict: Verdict,
    profile: Profile,
    now: float,
    completing: bool,
) -> Conclusion:
    status = answer.head.status
    if completing and selected is not None and _is_about_stored(status, completing):
        return _after_rest(request, selected, answer, verdict, profile, now)
    if selected is not None and status == 304 and request.method == b"GET":
        return _not_modified(request, selected, answer, profile)
    if selected is not None and status == 200 and request.method == b"HEAD":
        return _after_head(request, selected, answer, profile)
    judged = _judge(request, selected, answer, verdict, profile, now, ranged=first(request.fields, b"range") is not None)
    if selected is None or status not in ERROR_STATUSES:
        return judged
    stored, standing = selected
    if stored.status in ERROR_STATUSES or why_no_stand_in(request, stored, standing, profile, now) is not None:
        return judged
    # RFC 9111 4.3.3 lets a cache forward the error or act as if there were no answer. The second is done where somebody asked for it.
    if not stored.terms.forbids_stale and error_window(request, stored, profile) is not None:
        return ServeStale(stored, Reason.STALE_IF_ERROR)
    # To store an error, as its own freshness may have it, would be to lose what can stand in once the origin does not answer at all.
    return Forward(Reason.ERROR_KEPT_OUT) if isinstance(judged, Store) else judged


# Answers that may be stored.


def _judge(
    request: PresentedRequest,
    selected: Selected | None,
    answer: Answer,
    verdict: Verdict,
    profile: Profile,
    now: float,
    *,
    ranged: bool,
) -> Store | Combine | Forward:
    """RFC 9111 3, in its order, then what only this cache asks. `ranged`: the origin was asked for a part."""
    head = answer.head
    cache_control = response_directives(head.fields, profile).cache_control
    refused = refusal(request, head, cache_control, profile)
    if refused is not None:
        return Forward(refused, supersedes=_supersedes(request, head, refused))
    part = part_of(head) if head.status == 206 and ranged else None
    if head.status == 206 and part is None:
        return Forward(Reason.PARTIAL)
    fields = dated(storable_fields(head.fields, cache_control, profile), answer.response_time, answer.offset_s)
    vary = vary_of(fields, request.fields, profile)
    if vary is None:
        return Forward(Reason.VARY_ANY, supersedes=_supersedes(request, head, Reason.VARY_ANY))
    derived = _derive(fields, head.status, request, answer, profile)
    useless = _why_useless(request, head, derived, fields, b"public" in cache_control, answer, now)
    if useless is not None:
        return Forward(useless, supersedes=_supersedes(request, head, useless))
    tags = tags_of(fields, profile)
    if isinstance(tags, TooManyTags):
        return Forward(Reason.TOO_MANY_TAGS, supersedes=_supersedes(request, head, Reason.TOO_MANY_TAGS))
    if isinstance(verdict, HardCovered):
        return Forward(Reason.OVERTAKEN)
    reason = _why_stored(head.fields, derived, answer, profile, now)
    whole = Store(head.status, head.reason, fields, vary, derived, None, groups_of(fields), tags, reason)
    return whole if part is None else _judge_part(request, selected, answer, part, whole, profile)


def _judge_part(
    request: PresentedRequest, selected: Selected | None, answer: Answer, part: Part, plan: Store, profile: Profile
) -> Store | Combine | Forward:
    """A part, alone or together with a stored one of the same representation (RFC 9111 3.4). `plan` is that of the answer as it came."""
    fields = without(plan.fields, _OF_A_PART)
    if (
        selected is not None
        and soft_cover(*selected) is None
        and same_representation(selected[0], fields)
        and plan.vary == selected[0].vary
    ):
        stored = selected[0]
        if stored.part is None:  # the whole is there already, and the part proves that it is still current
            return Forward(Reason.VALIDATED, update=_freshen(request, selected, answer, profile, Reason.VALIDATED, raises_position=False))
        both = union(stored.part, part)
        if both is not None:
            fields, _ = _updated_fields(stored, fields, answer, profile)
            tags = tags_of(fields, profile)
            if isinstance(tags, TooManyTags):
                return Forward(Reason.TOO_MANY_TAGS)
            status, phrase, place = _as_stored(both)
            derived = _derive(fields, status, request, answer, profile)
            return Combine(stored, part, status, phrase, fields, derived, place, groups_of(fields), tags, Reason.COMBINED)
    if first(request.fields, b"if-range") is not None:
        return Forward(Reason.PARTIAL_ALONE)
    status, phrase, place = _as_stored(part)
    return replace(plan, status=status, phrase=phrase, fields=fields, part=place)


# Fields of a 206 that are about the part: what is stored knows its own place and length.
_OF_A_PART = frozenset({b"content-length", b"content-range"})


def _as_stored(part: Part) -> tuple[int, bytes, Part | None]:
    """Status, phrase and place with which a part is stored: one that is all there is, as the whole (RFC 9111 3.4)."""
    return (200, b"OK", None) if is_whole(part) else (206, b"Partial Content", part)


def _derive(fields: Fields, status: int, request: PresentedRequest, answer: Answer, profile: Profile) -> Derived:
    return derive(
        fields,
        status,
        profile,
        request.rule,
        request_time=answer.request_time,
        response_time=answer.response_time,
        offset_s=answer.offset_s,
    )


def _why_useless(
    request: PresentedRequest, head: ResponseHead, derived: Derived, fields: Fields, public: bool, answer: Answer, now: float
) -> Reason | None:
    """Why would an answer that nothing forbids to store never be used? None when it could be: fresh, validated, or within its windows."""
    if derived.source is Reason.NO_EXPLICIT_FRESHNESS and not (public or head.status in HEURISTIC_STATUSES):
        return derived.source  # RFC 9111 3: nothing says that it may be stored at all
    if request.method == b"POST" and derived.source not in _EXPLICIT:
        return Reason.NO_EXPLICIT_FRESHNESS  # RFC 9110 9.3.3
    if has_validator(fields):
        return None
    if derived.terms.must_validate:
        return Reason.NO_CACHE
    stale_for_s = _stale_for(derived, answer, now)
    windows_s = 0.0 if derived.terms.forbids_stale else max(derived.terms.swr_s, derived.terms.sie_s or 0.0)
    if stale_for_s < windows_s:
        return None
    return derived.source if derived.source in (Reason.NO_EXPLICIT_FRESHNESS, Reason.INVALID_FRESHNESS) else Reason.STALE_ON_ARRIVAL


_EXPLICIT = (Reason.S_MAXAGE, Reason.MAX_AGE, Reason.EXPIRES)


def _why_stored(fields: Fields, derived: Derived, answer: Answer, profile: Profile, now: float) -> Reason:
    """The most telling reason: that it sets a cookie, that it is only kept to be validated, or what makes it fresh."""
    if sets_cookie(fields):
        return Reason.COOKIE_STORED if profile.set_cookie == "store" else Reason.COOKIE_STRIPPED
    if derived.terms.must_validate:
        return Reason.NO_CACHE
    telling = derived.source in (Reason.NO_EXPLICIT_FRESHNESS, Reason.INVALID_FRESHNESS)
    return derived.source if telling or _stale_for(derived, answer, now) < 0 else Reason.STALE_ON_ARRIVAL


def _stale_for(derived: Derived, answer: Answer, now: float) -> float:
    """Seconds since the answer's expiry; negative while it is fresh."""
    return derived.initial_age_s + max(0.0, now - answer.response_time) - derived.lifetime_s


def _supersedes(request: PresentedRequest, head: ResponseHead, refused: Reason) -> bool:
    """Does an answer that is not stored show that the origin has gone on since what is stored, or is being stored, was asked for?

    Kept, that could come back for others, or for the same client: new, old, new. What was meant for one user alone, and errors, show
    nothing.
    """
    if request.method != b"GET" or refused is Reason.AUTHORIZATION or not is_shareable(request, NO_DIRECTIVES):
        return False
    moved_on = 200 <= head.status < 400 and head.status not in (206, 304)
    return moved_on or head.status in (404, 410)


# Answers about what is stored.


def _after_rest(
    request: PresentedRequest, selected: Selected, answer: Answer, verdict: Verdict, profile: Profile, now: float
) -> Combine | RepeatUnconditionally:
    """The rest of a part was asked for, and something came that is not the whole: does it, with the part, come to that?

    What does not is of no use to a client that wants the whole: not a part of something else, not one that has to be for one user alone,
    and not the word that there is no such range.
    """
    stored = selected[0]
    judged = _judge(request, selected, answer, verdict, profile, now, ranged=True)
    if not isinstance(judged, Combine) or not completes(judged.part, stored, judged.answered):
        return RepeatUnconditionally(Reason.PART_NOT_STORED)
    length = judged.answered.last + 1
    return replace(judged, fields=[*judged.fields, field(b"Content-Length", b"%d" % length)])


def _not_modified(request: PresentedRequest, selected: Selected, answer: Answer, profile: Profile) -> Freshen | RepeatUnconditionally:
    """RFC 9111 4.3.3, 4.3.4: the 304 updates the stored response that was selected.

    4.3.4 finds the response to update by the validators that the 304 carries, for caches that ask about several at once. Here one
    validator was sent, that of one response: that the condition did not hold is about it, also when the 304 names another entity tag, as
    servers do that compress on the fly. The stored tag stays in any case.
    """
    if not can_answer(request, selected[0]):
        return RepeatUnconditionally(Reason.PART_NOT_STORED)  # nobody asked whether the part holds: it is not what is wanted
    return _freshen(request, selected, answer, profile, Reason.VALIDATED, raises_position=True)


def _after_head(request: PresentedRequest, selected: Selected, answer: Answer, profile: Profile) -> Forward:
    """RFC 9111 4.3.5: an answer to HEAD updates the stored response that it describes, or shows that it is out of date."""
    stored = selected[0]
    if agrees(stored, answer.head.status, answer.head.fields):
        update = _freshen(request, selected, answer, profile, Reason.HEAD_UPDATED, raises_position=False)
        match update.keep:
            case Keep.UPDATED:
                return Forward(Reason.HEAD_UPDATED, update=update)
            case Keep.UNCHANGED:
                return Forward(Reason.AUTHORIZATION)
            case Keep.DROPPED:
                return Forward(Reason.HEAD_OUTDATED, outdated=stored)
            case _:
                assert_never(update.keep)
    shared = is_shareable(request, response_directives(answer.head.fields, profile).cache_control)
    return Forward(Reason.HEAD_OUTDATED, outdated=stored) if shared else Forward(Reason.AUTHORIZATION)


def _freshen(
    request: PresentedRequest, selected: Selected, answer: Answer, profile: Profile, reason: Reason, *, raises_position: bool
) -> Freshen:
    """The stored response with the fields of a newer message about it (RFC 9111 3.2), judged again as a whole."""
    stored, standing = selected
    fields, cache_control = _updated_fields(stored, answer.head.fields, answer, profile)
    vary = vary_of(fields, request.fields, profile)
    derived = _derive(fields, stored.status, request, answer, profile)
    tags = tags_of(fields, profile)
    forced = is_forced(request.rule, stored.status)
    if vary is None or isinstance(tags, TooManyTags) or not (forced or refusal_of_directives(stored.status, cache_control) is None):
        keep = Keep.DROPPED
    else:
        keep = Keep.UPDATED if is_shareable(request, cache_control) else Keep.UNCHANGED
    return Freshen(
        stored=stored,
        verdict=standing,
        fields=fields,
        vary=stored.vary if vary is None else vary,
        derived=derived,
        groups=groups_of(fields),
        tags=tags.tags if isinstance(tags, TooManyTags) else tags,
        keep=keep,
        raises_position=raises_position,
        reason=reason,
    )


def _updated_fields(stored: StoredResponse, newer: Fields, answer: Answer, profile: Profile) -> tuple[Fields, CacheControl]:
    """The fields of `stored` with those of a newer message (RFC 9111 3.2), as far as what both come to lets them be kept (3.1), and what
    that says to caches."""
    fields = merged(stored, newer)
    cache_control = response_directives(fields, profile).cache_control
    return dated(storable_fields(fields, cache_control, profile), answer.response_time, answer.offset_s), cache_control
