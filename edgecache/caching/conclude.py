"""The second decision: what an origin's answer, or its failure to answer, comes to (RFC 9111 3, 4.2.4).

`conclude` is a pure function like its twin `decide`. It runs as soon as the head of the answer is there: the content is stored as it comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from edgecache.caching.freshness import forbids_stale, freshness_lifetime, initial_age
from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.request import PresentedRequest
from edgecache.caching.stored import StoredResponse
from edgecache.caching.storing import refusal, storable_fields
from edgecache.caching.vary import Variant, vary_of
from edgecache.caching.verdict import Clean, HardCovered, SoftCovered, Verdict
from edgecache.semantics.cache_control import parse_cache_control
from edgecache.semantics.dates import format_http_date
from edgecache.semantics.message import Fields, ResponseHead, field, first, values


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of the origin's final answer.

    request_time, response_time   edge time; their difference is real time, so that a clock moved in between is no delay (RFC 9111 4.2.3)
    offset_s                      the clock's offset in force at response_time
    """

    head: ResponseHead
    request_time: float
    response_time: float
    offset_s: float


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer came: the origin could not be reached, fell silent, or sent no HTTP."""


Outcome = Answer | Failure


@dataclass(frozen=True, slots=True)
class Store:
    """Forward the answer and store it once it is complete, with these properties of a StoredResponse; `reason` says what makes it fresh."""

    fields: Fields
    vary: Variant
    lifetime_s: float
    initial_age_s: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class ServeStale:
    """Answer with `stored` in place of the answer that did not come."""

    stored: StoredResponse
    reason: Reason


@dataclass(frozen=True, slots=True)
class Forward:
    """Forward the answer without storing it; after a Failure, answer with the error that it was."""

    reason: Reason


Conclusion = Store | ServeStale | Forward


def conclude(
    request: PresentedRequest, selected: StoredResponse | None, outcome: Answer | Failure, verdict: Verdict, profile: Profile, now: float
) -> Conclusion:
    """What is done with what the origin answered to the request of a Miss, or with its failure to answer?

    `selected` is the Miss's, `now` edge time. `verdict` is what the log says, now, about a response to this request at the position of this
    fetch: whatever covers it came while the answer was on its way. After a failure a hard entry there covers `selected` as well, which is
    older; whoever gives `selected` to a later request, one that joined the fetch, asks the log about `selected` itself.
    """
    match outcome:
        case Answer():
            return _judge(request, outcome, verdict, profile, now)
        case Failure():
            return _stand_in(selected, verdict)
        case _:
            assert_never(outcome)


def _judge(request: PresentedRequest, answer: Answer, verdict: Verdict, profile: Profile, now: float) -> Store | Forward:
    """RFC 9111 3, in its order, then what only this cache asks."""
    head = answer.head
    cache_control = parse_cache_control(values(head.fields, b"cache-control"))
    refused = refusal(request, head, cache_control, profile)
    if refused is not None:
        return Forward(refused)
    lifetime_s, source = freshness_lifetime(head.fields, cache_control, answer.response_time, answer.offset_s)
    if lifetime_s is None or source is Reason.INVALID_FRESHNESS:
        return Forward(source)
    initial_age_s = initial_age(head.fields, answer.request_time, answer.response_time, answer.offset_s)
    if lifetime_s <= initial_age_s + max(0.0, now - answer.response_time):
        return Forward(Reason.STALE_ON_ARRIVAL)
    vary = vary_of(head.fields, request.fields)
    if vary is None:
        return Forward(Reason.VARY_ANY)
    match verdict:
        case Clean():
            return Store(_dated(storable_fields(head.fields, cache_control), answer), vary, lifetime_s, initial_age_s, source)
        case HardCovered() | SoftCovered():
            return Forward(Reason.OVERTAKEN)
        case _:
            assert_never(verdict)


def _dated(fields: Fields, answer: Answer) -> Fields:
    """The fields with a Date: who has a clock adds one to a response that is stored without (RFC 9110 6.6.1). By the origin's clock."""
    if first(fields, b"date") is not None:
        return fields
    return [*fields, field(b"Date", format_http_date(answer.response_time - answer.offset_s))]


def _stand_in(selected: StoredResponse | None, verdict: Verdict) -> ServeStale | Forward:
    """The stored response in place of an answer, as far as RFC 9111 4.2.4 lets a cache that cannot reach the origin."""
    if selected is None:
        return Forward(Reason.ORIGIN_FAILED)
    match verdict:
        case HardCovered():
            return Forward(Reason.PURGED)
        case Clean() | SoftCovered():
            if forbids_stale(selected.fields):
                return Forward(Reason.STALE_FORBIDDEN)
            return ServeStale(selected, Reason.STALE_ORIGIN_UNREACHABLE)
        case _:
            assert_never(verdict)
