"""The second decision, when the edge asked for the rest of a stored part because somebody wants the whole (RFC 9111 3.3, 3.4)."""

from __future__ import annotations

import pytest
from cachingkit import DATE, NOW, answer, fields, request, stored

from edgecache.caching.conclude import conclude
from edgecache.caching.conclusion import Answer, Combine, Conclusion, Failure, Forward, RepeatUnconditionally, Store
from edgecache.caching.freshness import Derived
from edgecache.caching.parts import completed_head
from edgecache.caching.reasons import Reason
from edgecache.caching.stored import PLAIN_TERMS, Part, StoredResponse
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered, Verdict
from edgecache.profiles.standard import STANDARD

ETAG = 'ETag: "a"'
MINUTE = "Cache-Control: max-age=60"
SECOND = ["Content-Range: bytes 5-9/10", "Content-Length: 5", MINUTE, DATE]


def part(first: int, last: int, complete_length: int | None, *lines: str) -> StoredResponse:
    return stored(*lines, status=206, part=Part(first, last, complete_length), length=last - first + 1)


PART = ("Cache-Control: max-age=5", ETAG, "Date: {-90}", "A: 1", "B: 1")


def after_rest(came: Answer, own: StoredResponse, standing: Verdict = CLEAN, verdict: Verdict = CLEAN) -> Conclusion:
    return conclude(request(), (own, standing), came, verdict, STANDARD, NOW, completing=True)


@pytest.mark.parametrize("complete_length", [10, None])
def test_the_rest_completes_a_part(complete_length: int | None) -> None:
    own = part(0, 4, complete_length, *PART)
    conclusion = after_rest(answer(*SECOND, ETAG, "B: 2", status=206), own)
    assert isinstance(conclusion, Combine)
    assert (conclusion.stored, conclusion.answered, conclusion.part, conclusion.status) == (own, Part(5, 9, 10), None, 200)
    assert sorted(conclusion.fields) == sorted(fields("A: 1", "B: 2", ETAG, MINUTE, DATE, "Content-Length: 10"))
    assert conclusion.derived == Derived(60.0, 0.0, PLAIN_TERMS, Reason.MAX_AGE)


@pytest.mark.parametrize(
    "lines, status",
    [
        ([*SECOND, 'ETag: "b"'], 206),
        ([*SECOND, 'ETag: W/"a"'], 206),
        (SECOND, 206),
        ([*SECOND, ETAG, "Vary: A"], 206),
        ([*SECOND, ETAG, "Vary: *"], 206),
        ([ETAG, "Cache-Control: private", "Content-Range: bytes 5-9/10"], 206),
        ([ETAG, MINUTE, "Content-Range: bytes 4-9/10"], 206),  # a byte that is there already
        ([ETAG, MINUTE, "Content-Range: bytes 6-9/10"], 206),
        ([ETAG, MINUTE, "Content-Range: bytes 5-8/10"], 206),
        ([ETAG, MINUTE, "Content-Range: bytes 5-9/11"], 206),
        ([ETAG, MINUTE, "Content-Range: bytes 0-9/10"], 206),
        ([ETAG, MINUTE, "Content-Range: bytes 5-9/10", "Content-Length: 4"], 206),
        ([ETAG, MINUTE], 206),
        ([MINUTE, "Content-Range: bytes */5"], 416),
        ([ETAG], 304),
    ],
)
def test_what_is_not_the_rest_is_asked_for_as_a_whole(lines: list[str], status: int) -> None:
    assert after_rest(answer(*lines, status=status), part(0, 4, 10, *PART)) == RepeatUnconditionally(Reason.PART_NOT_STORED)


def test_the_rest_without_the_length_of_the_whole_may_not_be_all() -> None:
    came = answer(ETAG, MINUTE, "Content-Range: bytes 5-9/*", status=206)
    assert after_rest(came, part(0, 4, None, *PART)) == RepeatUnconditionally(Reason.PART_NOT_STORED)
    assert isinstance(after_rest(came, part(0, 4, 10, *PART)), Combine)


def test_parts_without_a_validator_are_not_joined() -> None:
    assert after_rest(answer(*SECOND, status=206), part(0, 4, 10, MINUTE)) == RepeatUnconditionally(Reason.PART_NOT_STORED)


@pytest.mark.parametrize(
    "standing, verdict, reason",
    [
        (HardCovered(7), CLEAN, Reason.PURGED),
        (CLEAN, HardCovered(7), Reason.PURGED),
        (SoftCovered(7, NOW), CLEAN, Reason.PART_NOT_STORED),
    ],
)
@pytest.mark.parametrize("status", [206, 416, 304])
def test_a_purge_meanwhile_voids_the_rest(standing: Verdict, verdict: Verdict, reason: Reason, status: int) -> None:
    came = answer(*SECOND, ETAG, status=status)
    assert after_rest(came, part(0, 4, 10, *PART), standing, verdict) == RepeatUnconditionally(reason)


def test_other_answers_to_the_question_for_the_rest_are_the_clients() -> None:
    own = part(0, 4, 10, *PART)
    assert isinstance(after_rest(answer(MINUTE, 'ETag: "b"'), own), Store)
    assert after_rest(answer("Cache-Control: no-store"), own) == Forward(Reason.NO_STORE, supersedes=True)
    assert isinstance(after_rest(answer(status=503), own), Forward)
    failed = conclude(request(), (own, CLEAN), Failure(), CLEAN, STANDARD, NOW, completing=True)
    assert failed == Forward(Reason.PART_NOT_STORED)


def test_a_304_that_nobody_asked_for_does_not_make_a_part_the_whole() -> None:
    conclusion = conclude(request(), (part(0, 4, 10, *PART), CLEAN), answer(ETAG, status=304), CLEAN, STANDARD, NOW)
    assert conclusion == RepeatUnconditionally(Reason.PART_NOT_STORED)


def test_the_head_of_the_whole_for_the_one_who_asked() -> None:
    """Of both messages, the newer before the older; also what is not stored of it."""
    came = answer(MINUTE, ETAG, "Content-Range: bytes 5-9/10", "Content-Length: 5", "B: 2", "Set-Cookie: a=1", "Age: 3", status=206)
    head = completed_head(part(0, 4, 10, *PART, "Age: 9"), came.head, 10)
    assert (head.status, head.reason) == (200, b"OK")
    assert sorted(head.fields) == sorted(fields(MINUTE, ETAG, "A: 1", "B: 2", "Set-Cookie: a=1", "Age: 3", "Content-Length: 10"))
