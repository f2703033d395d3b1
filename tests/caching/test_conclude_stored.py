"""The second decision, about what is stored: validated, updated, or standing in for an answer (RFC 9111 4.2.4, 4.3; RFC 5861 4)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cachingkit import DATE, NOW, answer, fields, request, stored

from edgecache.caching.conclude import conclude
from edgecache.caching.conclusion import Answer, Conclusion, Failure, Forward, Freshen, Keep, RepeatUnconditionally, ServeStale, Store
from edgecache.caching.freshness import Derived
from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.request import PresentedRequest
from edgecache.caching.rules import Rule
from edgecache.caching.stored import Part, ReuseTerms, StoredResponse
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered, Verdict
from edgecache.profiles.standard import STANDARD

ETAG = 'ETag: "a"'
MINUTE = "Cache-Control: max-age=60"
LATER = NOW + 100.0  # when what was fresh for a minute is not any more
HARD, SOFT = HardCovered(5), SoftCovered(5, NOW)
VENDOR = Profile(name="vendor", obeys_request_directives=False, set_cookie="store")


def end(
    own: StoredResponse,
    outcome: Answer | Failure,
    asked: PresentedRequest | None = None,
    *,
    standing: Verdict = CLEAN,
    verdict: Verdict = CLEAN,
    profile: Profile = STANDARD,
    now: float = LATER,
) -> Conclusion:
    return conclude(asked or request(), (own, standing), outcome, verdict, profile, now)


# 304


def test_a_304_freshens() -> None:
    own = stored(MINUTE, ETAG, "Date: {0}", "Age: 7", "A: 1", "B: 1", "Content-Length: 10", 'Cache-Groups: "x"')
    came = answer(
        "Cache-Control: max-age=30, stale-while-revalidate=5",
        ETAG,
        "Date: {100}",
        "B: 2",
        "Content-Length: 0",
        status=304,
        at=LATER,
        delay_s=1,
    )
    got = end(own, came)
    assert isinstance(got, Freshen)
    assert sorted(got.fields) == sorted(
        fields(
            ETAG,
            "A: 1",
            "B: 2",
            "Content-Length: 10",
            'Cache-Groups: "x"',
            "Cache-Control: max-age=30, stale-while-revalidate=5",
            "Date: {100}",
        )
    )
    assert got.derived == Derived(30.0, 1.0, ReuseTerms(swr_s=5.0), Reason.MAX_AGE)
    assert (got.stored, got.keep, got.raises_position, got.groups, got.vary) == (own, Keep.UPDATED, True, ("x",), ())
    assert got.reason is Reason.VALIDATED


def test_a_304_without_a_date_is_as_new_as_its_arrival() -> None:
    got = end(stored(MINUTE, ETAG, "Date: {0}"), answer(status=304, at=LATER))
    assert isinstance(got, Freshen)
    assert got.fields == fields(MINUTE, ETAG, "Date: {100}")
    assert (got.derived.lifetime_s, got.derived.initial_age_s) == (60.0, 0.0)


@pytest.mark.parametrize(
    "held, said",
    [
        ([ETAG], [ETAG]),
        ([ETAG], []),
        ([ETAG], ['ETag: "b"']),  # compressing servers do that; the one validator that was sent is what the 304 is about
        (["Last-Modified: {-600}"], ["Last-Modified: {-600}"]),
        (["Last-Modified: {-600}"], ["Last-Modified: {-500}"]),
        ([], []),
    ],
)
def test_a_304_is_about_the_response_that_was_asked_about(held: list[str], said: list[str]) -> None:
    got = end(stored(MINUTE, *held), answer(*said, status=304, at=LATER))
    assert isinstance(got, Freshen)
    assert (got.keep, got.reason) == (Keep.UPDATED, Reason.VALIDATED)
    assert [line for line, name, _ in got.fields if name == b"etag"] == [ETAG.encode()] * (held == [ETAG])


@pytest.mark.parametrize("standing, verdict", [(HARD, CLEAN), (CLEAN, HARD), (HARD, HARD)])
def test_a_purge_meanwhile_voids_a_304(standing: Verdict, verdict: Verdict) -> None:
    got = end(stored(MINUTE, ETAG), answer(ETAG, status=304, at=LATER), standing=standing, verdict=verdict)
    assert got == RepeatUnconditionally(Reason.PURGED)


def test_a_soft_purge_goes_with_what_is_freshened() -> None:
    got = end(stored(MINUTE, ETAG), answer(ETAG, status=304, at=LATER), standing=SOFT)
    assert isinstance(got, Freshen)
    assert got.verdict is SOFT  # keeping.freshened judges it by the positions


def test_a_304_to_nobodys_question() -> None:
    assert conclude(request(), None, answer(ETAG, status=304), CLEAN, STANDARD, NOW) == Forward(Reason.NOT_MODIFIED)
    got = end(stored(MINUTE, ETAG), answer(ETAG, status=304, at=LATER), request(method=b"HEAD"))
    assert got == Forward(Reason.HEAD_NOT_STORED)  # it answers the client's own condition


@pytest.mark.parametrize(
    "held, said, asked, keep",
    [
        ([MINUTE], [], [], Keep.UPDATED),
        ([MINUTE], ["Cache-Control: no-cache"], [], Keep.UPDATED),
        ([MINUTE], ["Cache-Control: max-age=0"], [], Keep.UPDATED),
        ([MINUTE], ["Cache-Control: no-store"], [], Keep.DROPPED),
        ([MINUTE], ["Cache-Control: private"], [], Keep.DROPPED),
        ([MINUTE], ["Vary: *"], [], Keep.DROPPED),
        ([MINUTE], ["CDN-Cache-Control: no-store"], [], Keep.DROPPED),
        (["CDN-Cache-Control: max-age=60"], ["Cache-Control: no-store"], [], Keep.UPDATED),
        ([MINUTE], [MINUTE], ["Authorization: Basic x"], Keep.UNCHANGED),
        ([MINUTE], ["Cache-Control: s-maxage=60"], ["Authorization: Basic x"], Keep.UPDATED),
        (["Cache-Control: max-age=60, public"], [], ["Authorization: Basic x"], Keep.UPDATED),
    ],
)
def test_what_becomes_of_a_validated_response(held: list[str], said: list[str], asked: list[str], keep: Keep) -> None:
    got = end(stored(*held, ETAG), answer(*said, ETAG, status=304, at=LATER), request(*asked))
    assert isinstance(got, Freshen)
    assert got.keep is keep


def test_a_rule_that_forces_keeps_what_is_validated() -> None:
    asked = request(rule=Rule("/a", ttl_s=300.0, force=True))
    got = end(stored(MINUTE, ETAG), answer("Cache-Control: no-store", ETAG, status=304, at=LATER), asked)
    assert isinstance(got, Freshen)
    assert (got.keep, got.derived.lifetime_s, got.derived.source) == (Keep.UPDATED, 300.0, Reason.RULE_FORCED)


def test_a_304_with_another_vary_makes_another_variant() -> None:
    own = stored(MINUTE, ETAG, "Vary: Foo", vary=((b"foo", b"1"),))
    got = end(own, answer("Vary: Bar", ETAG, status=304, at=LATER), request("Foo: 1", "Bar: 2"))
    assert isinstance(got, Freshen)
    assert got.vary == ((b"bar", b"2"),)


@pytest.mark.parametrize("set_cookie, kept", [("store", ["Set-Cookie: b=1"]), ("strip", []), ("refuse", [])])
def test_cookies_of_a_304(set_cookie: str, kept: list[str]) -> None:
    profile = replace(STANDARD, set_cookie=set_cookie)
    got = end(stored(MINUTE, ETAG), answer("Set-Cookie: b=1", DATE, status=304, at=LATER), profile=profile)
    assert isinstance(got, Freshen)
    assert [line for line in got.fields if line[1] == b"set-cookie"] == fields(*kept)


# HEAD


@pytest.mark.parametrize(
    "lines, status, reason, updated, outdated",
    [
        ([ETAG, "Content-Length: 10", "Cache-Control: max-age=1000", "A: 2"], 200, Reason.HEAD_UPDATED, True, False),
        ([], 200, Reason.HEAD_UPDATED, True, False),
        (['ETag: "b"'], 200, Reason.HEAD_OUTDATED, False, True),
        (["Content-Length: 11"], 200, Reason.HEAD_OUTDATED, False, True),
        (["Last-Modified: {-5}"], 200, Reason.HEAD_OUTDATED, False, True),
        (["Cache-Control: no-store"], 200, Reason.HEAD_OUTDATED, False, True),
        ([ETAG], 304, Reason.HEAD_NOT_STORED, False, False),
        ([ETAG], 410, Reason.HEAD_NOT_STORED, False, False),
        ([ETAG], 503, Reason.HEAD_NOT_STORED, False, False),
    ],
)
def test_an_answer_to_head(lines: list[str], status: int, reason: Reason, updated: bool, outdated: bool) -> None:
    own = stored(MINUTE, ETAG, "A: 1")
    got = end(own, answer(*lines, status=status, at=LATER), request(method=b"HEAD"))
    assert isinstance(got, Forward)
    assert (got.reason, got.update is not None, got.outdated) == (reason, updated, own if outdated else None)
    if got.update is not None:
        assert (got.update.stored, got.update.raises_position, got.update.keep) == (own, False, Keep.UPDATED)


@pytest.mark.parametrize("lines", [[ETAG], ['ETag: "b"']])
def test_an_answer_to_one_users_head_says_nothing_to_the_others(lines: list[str]) -> None:
    asked = request("Authorization: Basic x", method=b"HEAD")
    assert end(stored(MINUTE, ETAG), answer(*lines, at=LATER), asked) == Forward(Reason.AUTHORIZATION)


@pytest.mark.parametrize("standing, verdict", [(HARD, CLEAN), (CLEAN, HARD)])
def test_an_answer_to_head_updates_nothing_that_was_purged(standing: Verdict, verdict: Verdict) -> None:
    got = end(stored(MINUTE, ETAG), answer(ETAG, at=LATER), request(method=b"HEAD"), standing=standing, verdict=verdict)
    assert got == Forward(Reason.HEAD_NOT_STORED)


# No answer

GONE, TOO_LONG, FORBIDDEN = Reason.PURGED, Reason.STALE_TOO_LONG, Reason.STALE_FORBIDDEN
SERVED = Reason.STALE_ORIGIN_UNREACHABLE


@pytest.mark.parametrize(
    "cache_control, asked, standing, now, reason",
    [
        ("max-age=60", "", CLEAN, LATER, SERVED),
        ("max-age=60", "", CLEAN, NOW + 1e6, SERVED),  # nothing says for how long at the most
        ("max-age=60", "", SOFT, LATER, SERVED),
        ("max-age=60", "", HARD, LATER, GONE),  # purged while the origin was being asked
        # forbidden
        ("max-age=60, must-revalidate", "", CLEAN, LATER, FORBIDDEN),
        ("max-age=60, proxy-revalidate", "", CLEAN, LATER, FORBIDDEN),
        ("s-maxage=60", "", CLEAN, LATER, FORBIDDEN),
        ("max-age=60, no-cache", "", CLEAN, LATER, FORBIDDEN),
        ("max-age=600, no-cache", "", CLEAN, LATER, FORBIDDEN),  # also while it is fresh
        ("max-age=600, must-revalidate", "max-age=0", CLEAN, LATER, SERVED),  # it is fresh; the client wanted better
        ("max-age=600, must-revalidate", "max-age=0", SOFT, LATER, FORBIDDEN),
        # stale-if-error says how long
        ("max-age=60, stale-if-error=41", "", CLEAN, LATER, SERVED),
        ("max-age=60, stale-if-error=40", "", CLEAN, LATER, TOO_LONG),
        ("max-age=60, stale-if-error=0", "", CLEAN, LATER, TOO_LONG),
        ("max-age=60, stale-if-error=x", "", CLEAN, LATER, SERVED),
        ("max-age=60, stale-if-error=90", "", SOFT, LATER, TOO_LONG),  # since the purge
        ("max-age=60, stale-if-error=41, must-revalidate", "", CLEAN, LATER, FORBIDDEN),
        ("max-age=60", "stale-if-error=41", CLEAN, LATER, SERVED),
        ("max-age=60", "stale-if-error=40", CLEAN, LATER, TOO_LONG),
        ("max-age=60, stale-if-error=10", "stale-if-error=41", CLEAN, LATER, SERVED),
        ("max-age=60, stale-if-error=41", "stale-if-error=10", CLEAN, LATER, SERVED),
        # who wants to know what the origin says now
        ("max-age=600", "no-cache", CLEAN, LATER, Reason.REQUEST_NO_CACHE),
        ("max-age=60", "max-age=0", CLEAN, LATER, SERVED),
        # the clock was moved back: the windows are used up, but nothing is forbidden
        ("max-age=60", "", CLEAN, NOW - 5, SERVED),
        ("max-age=60, stale-if-error=1000", "", CLEAN, NOW - 5, TOO_LONG),
    ],
)
def test_the_origin_gave_no_answer(cache_control: str, asked: str, standing: Verdict, now: float, reason: Reason) -> None:
    own = stored(f"Cache-Control: {cache_control}")
    got = end(own, Failure(), request(*([f"Cache-Control: {asked}"] if asked else [])), standing=standing, now=now)
    assert got == (ServeStale(own, reason) if reason is SERVED else Forward(reason))


def test_directives_of_the_request_that_the_profile_does_not_obey() -> None:
    own = stored(MINUTE)
    assert end(own, Failure(), request("Cache-Control: no-cache"), profile=VENDOR) == ServeStale(own, SERVED)
    assert end(own, Failure(), request("Cache-Control: stale-if-error=1"), profile=VENDOR) == ServeStale(own, SERVED)


def test_a_soft_purge_that_is_written_into_the_response() -> None:
    own = stored("Cache-Control: max-age=1000, stale-if-error=50", soft_since=NOW + 10, soft_position=3)
    assert end(own, Failure(), now=NOW + 59) == ServeStale(own, SERVED)
    assert end(own, Failure(), now=NOW + 60) == Forward(TOO_LONG)


def test_a_part_stands_in_for_no_more_than_it_holds() -> None:
    own = stored(MINUTE, ETAG, status=206, part=Part(0, 4, 10), length=5)
    assert end(own, Failure()) == Forward(Reason.PART_NOT_STORED)
    assert end(own, Failure(), request("Range: bytes=5-")) == Forward(Reason.PART_NOT_STORED)
    assert end(own, Failure(), request("Range: bytes=0-1")) == ServeStale(own, SERVED)


def test_it_stands_in_for_an_answer_to_head_too() -> None:
    own = stored(MINUTE)
    assert end(own, Failure(), request(method=b"HEAD")) == ServeStale(own, SERVED)


def test_the_origin_gave_no_answer_and_nothing_stands_in() -> None:
    assert conclude(request(), None, Failure(), CLEAN, STANDARD, NOW) == Forward(Reason.ORIGIN_FAILED)
    assert conclude(request(), None, Failure(), HARD, STANDARD, NOW) == Forward(GONE)
    assert end(stored(MINUTE), Failure(), verdict=HARD) == Forward(GONE)


# Errors


@pytest.mark.parametrize(
    "cache_control, asked, now, served",
    [
        ("max-age=60, stale-if-error=41", "", LATER, True),
        ("max-age=60, stale-if-error=40", "", LATER, False),
        ("max-age=60", "", LATER, False),
        ("max-age=60", "stale-if-error=41", LATER, True),
        ("max-age=60", "stale-if-error=40", LATER, False),
        ("max-age=60, stale-if-error=90", "no-cache", LATER, False),
        ("max-age=60, stale-if-error=90, must-revalidate", "", LATER, False),
        ("s-maxage=60, stale-if-error=90", "", LATER, False),
        ("no-cache, stale-if-error=90", "", NOW, False),
        ("max-age=600, stale-if-error=90", "max-age=0", LATER, True),
        ("max-age=60, stale-if-error=90", "", NOW - 5, False),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_stale_if_error(cache_control: str, asked: str, now: float, served: bool, method: bytes) -> None:
    own = stored(f"Cache-Control: {cache_control}", ETAG)
    got = end(own, answer(status=503, at=LATER), request(*([f"Cache-Control: {asked}"] if asked else []), method=method), now=now)
    if served:
        assert got == ServeStale(own, Reason.STALE_IF_ERROR)
    else:
        assert got == Forward(Reason.NO_EXPLICIT_FRESHNESS if method == b"GET" else Reason.HEAD_NOT_STORED)


@pytest.mark.parametrize("status, is_error", [(500, True), (502, True), (503, True), (504, True), (501, False), (505, False), (404, False)])
def test_which_answers_are_errors(status: int, is_error: bool) -> None:
    own = stored("Cache-Control: max-age=60, stale-if-error=90")
    assert isinstance(end(own, answer(status=status, at=LATER)), ServeStale) is is_error


@pytest.mark.parametrize("standing, verdict", [(HARD, CLEAN), (CLEAN, HARD)])
def test_what_was_purged_stands_in_for_no_error(standing: Verdict, verdict: Verdict) -> None:
    own = stored("Cache-Control: max-age=60, stale-if-error=90")
    assert isinstance(end(own, answer(status=503, at=LATER), standing=standing, verdict=verdict), Forward)


def test_an_error_does_not_take_the_place_of_what_can_stand_in() -> None:
    error = answer("Cache-Control: max-age=10", status=503, at=LATER)
    assert end(stored(MINUTE, ETAG), error) == Forward(Reason.ERROR_KEPT_OUT)
    assert isinstance(end(stored("Cache-Control: max-age=60, must-revalidate", ETAG), error), Store)
    assert isinstance(end(stored("Cache-Control: max-age=60, stale-if-error=1"), error), Store)
    assert isinstance(end(stored(MINUTE), error, standing=HARD), Store)
    assert isinstance(conclude(request(), None, error, CLEAN, STANDARD, LATER), Store)


def test_an_error_takes_the_place_of_an_older_error() -> None:
    error = answer("Cache-Control: max-age=10", status=503, at=LATER)
    assert isinstance(end(stored(MINUTE, status=502), error), Store)
    assert isinstance(end(stored("Cache-Control: max-age=60, stale-if-error=900", status=503), error), Store)


def test_an_answer_that_is_no_error_replaces_what_is_stored() -> None:
    assert isinstance(end(stored(MINUTE, ETAG), answer("Cache-Control: max-age=10", status=404, at=LATER)), Store)
    assert isinstance(end(stored(MINUTE, ETAG), answer(MINUTE, 'ETag: "b"', at=LATER)), Store)
