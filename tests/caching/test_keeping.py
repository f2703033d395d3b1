"""What a conclusion becomes in the store: times, positions, and the soft purges that stay (docs/architecture.md, Positions)."""

from __future__ import annotations

import pytest
from cachingkit import DATE, KEY, NOW, Held, answer, fields, request, stored

from edgecache.caching.conclude import conclude
from edgecache.caching.conclusion import Answer, Combine, Forward, Freshen, Store
from edgecache.caching.keeping import combined, freshened, stored_response
from edgecache.caching.stored import Part, StoredResponse
from edgecache.caching.verdict import CLEAN, SoftCovered, Verdict
from edgecache.profiles.standard import STANDARD

ETAG = 'ETag: "a"'
MINUTE = "Cache-Control: max-age=60"
LATER = NOW + 100.0


def test_a_stored_response() -> None:
    came = answer(MINUTE, DATE, "Vary: Foo", 'Cache-Groups: "x"', delay_s=2.0, offset_s=10.0)
    asked = request("Foo: 1")
    plan = conclude(asked, None, came, CLEAN, STANDARD, NOW + 10)
    assert isinstance(plan, Store)
    body = Held(7)
    own = stored_response(plan, asked, came, body, 4, 99)
    assert own is not None
    assert (own.key, own.status, own.vary, own.groups, own.part) == (KEY, 200, ((b"foo", b"1"),), ("x",), None)
    assert (own.body, own.body_bytes, own.complete_length) == (body, 7, 7)
    assert (own.request_time, own.response_time, own.offset_s) == (NOW + 8, NOW + 10, 10.0)
    assert (own.position, own.start, own.lifetime_s, own.initial_age_s) == (4, 99, 60.0, 2.0)
    assert (own.soft_since, own.soft_position) == (None, 0)


@pytest.mark.parametrize("length, kept", [(5, True), (4, False), (6, False)])
def test_a_part_is_as_long_as_it_says(length: int, kept: bool) -> None:
    came = answer(MINUTE, ETAG, "Content-Range: bytes 5-9/20", status=206)
    asked = request("Range: bytes=5-9")
    plan = conclude(asked, None, came, CLEAN, STANDARD, NOW)
    assert isinstance(plan, Store)
    own = stored_response(plan, asked, came, Held(length), 1, 1)
    assert (own is not None) is kept
    if own is not None:
        assert (own.status, own.part, own.complete_length) == (206, Part(5, 9, 20), 20)


def validated(own: StoredResponse, verdict: Verdict) -> tuple[Freshen, Answer]:
    came = answer(MINUTE, ETAG, "Date: {100}", status=304, at=LATER)
    plan = conclude(request(), (own, verdict), came, CLEAN, STANDARD, LATER)
    assert isinstance(plan, Freshen)
    return plan, came


@pytest.mark.parametrize(
    "old, fetch, place",
    [
        ((3, 10), (3, 20), (3, 20)),
        ((3, 10), (7, 20), (7, 20)),
        ((3, 30), (3, 20), (3, 30)),  # overtaken by a later fetch
        ((9, 10), (7, 20), (9, 10)),
    ],
)
def test_a_validation_raises_the_position(old: tuple[int, int], fetch: tuple[int, int], place: tuple[int, int]) -> None:
    own = stored("Cache-Control: max-age=5", ETAG, "A: 1", position=old[0], start=old[1])
    own.hits = 12
    new = freshened(*validated(own, CLEAN), *fetch)
    assert (new.position, new.start) == place
    assert (new.response_time, new.lifetime_s, new.initial_age_s, new.hits, new.body) == (LATER, 60.0, 0.0, 12, own.body)
    assert sorted(new.fields) == sorted(fields("A: 1", MINUTE, ETAG, "Date: {100}"))


@pytest.mark.parametrize(
    "written, verdict, position, soft",
    [
        # a purge before the validation was asked for is over, one that came later stays
        (None, SoftCovered(5, NOW + 9), 5, None),
        (None, SoftCovered(5, NOW + 9), 4, (NOW + 9, 5)),
        ((NOW + 2, 3), CLEAN, 3, None),
        ((NOW + 2, 3), CLEAN, 2, (NOW + 2, 3)),
        ((NOW + 2, 3), SoftCovered(5, NOW + 9), 4, (NOW + 9, 5)),
        ((NOW + 2, 3), SoftCovered(5, NOW + 9), 2, (NOW + 2, 5)),
        ((NOW + 9, 3), SoftCovered(5, NOW + 2), 2, (NOW + 9, 5)),  # the clock was moved back in between
        (None, CLEAN, 9, None),
    ],
)
def test_a_soft_purge_stays_until_a_validation_has_seen_it(
    written: tuple[float, int] | None, verdict: Verdict, position: int, soft: tuple[float, int] | None
) -> None:
    since, at = written or (None, 0)
    own = stored("Cache-Control: max-age=5", ETAG, position=1, soft_since=since, soft_position=at)
    new = freshened(*validated(own, verdict), position, 50)
    assert (new.soft_since, new.soft_position) == (soft or (None, 0))


def test_an_answer_to_head_raises_no_position() -> None:
    own = stored("Cache-Control: max-age=5", ETAG, position=3, start=10)
    came = answer(MINUTE, ETAG, at=LATER)
    plan = conclude(request(method=b"HEAD"), (own, SoftCovered(5, NOW + 9)), came, CLEAN, STANDARD, LATER)
    assert isinstance(plan, Forward)
    assert plan.update is not None
    new = freshened(plan.update, came, 9, 90)
    assert (new.position, new.start, new.soft_since, new.soft_position) == (3, 10, NOW + 9, 5)
    assert new.lifetime_s == 60.0


@pytest.mark.parametrize("old, fetch, place", [((3, 10), (5, 5), (3, 10)), ((5, 5), (3, 10), (3, 10)), ((3, 10), (3, 20), (3, 10))])
@pytest.mark.parametrize("content_range, length, part", [("bytes 5-7/10", 8, Part(0, 7, 10)), ("bytes 3-9/10", 10, None)])
def test_what_is_combined_is_as_old_as_the_older(
    old: tuple[int, int], fetch: tuple[int, int], place: tuple[int, int], content_range: str, length: int, part: Part | None
) -> None:
    own = stored(MINUTE, ETAG, status=206, part=Part(0, 4, 10), length=5, position=old[0], start=old[1])
    came = answer(MINUTE, ETAG, f"Content-Range: {content_range}", status=206, at=LATER)
    plan = conclude(request("Range: bytes=3-"), (own, CLEAN), came, CLEAN, STANDARD, LATER)
    assert isinstance(plan, Combine)
    new = combined(plan, came, Held(length), *fetch)
    assert new is not None
    assert (new.position, new.start) == place
    assert (new.part, new.status, new.response_time) == (part, 206 if part else 200, LATER)
    assert combined(plan, came, Held(length - 1), *fetch) is None
