"""The second decision: what an answer, or none, comes to (RFC 9111 3, 4.2.4)."""

from __future__ import annotations

import pytest

from edgecache.caching.conclude import Answer, Failure, Forward, ServeStale, Store, conclude
from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.request import PresentedRequest
from edgecache.caching.stored import Key, StoredResponse
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered, Verdict
from edgecache.profiles.standard import STANDARD
from edgecache.semantics.cache_control import CacheControl
from edgecache.semantics.dates import format_http_date
from edgecache.semantics.message import Fields, ResponseHead, field

NOW = 1_800_000_000.0
KEY = Key(b"http", b"h", b"/a")
DATE = "Date: " + format_http_date(NOW).decode()
NO_COOKIES = Profile(name="no-cookies", obeys_request_directives=True, stores_set_cookie=False)


def fields(*lines: str) -> Fields:
    return [field(*(part.strip().encode() for part in line.split(":", 1))) for line in lines]


def request(*lines: str, method: bytes = b"GET") -> PresentedRequest:
    return PresentedRequest(method, KEY, fields("Host: h", *lines), False, CacheControl())


def answer(*lines: str, status: int = 200, delay_s: float = 0.0, offset_s: float = 0.0) -> Answer:
    return Answer(ResponseHead(status, b"", 1, fields(*lines)), NOW + offset_s - delay_s, NOW + offset_s, offset_s)


def why(outcome: Answer, asked: PresentedRequest | None = None, profile: Profile = STANDARD, verdict: Verdict = CLEAN) -> Reason | str:
    """The reason for not storing, or "stored"."""
    conclusion = conclude(asked or request(), None, outcome, verdict, profile, outcome.response_time)
    if isinstance(conclusion, Store):
        return "stored"
    assert isinstance(conclusion, Forward)
    return conclusion.reason


STORED = "stored"


@pytest.mark.parametrize(
    "cache_control, reason",
    [
        ("max-age=60", STORED),
        ("s-maxage=60", STORED),
        ("public, max-age=60, immutable", STORED),
        ("max-age=60, must-revalidate", STORED),
        ("max-age=60, foo=bar", STORED),
        ("public", Reason.NO_EXPLICIT_FRESHNESS),
        ("", Reason.NO_EXPLICIT_FRESHNESS),
        ("max-age=0", Reason.STALE_ON_ARRIVAL),
        ("max-age=60, s-maxage=0", Reason.STALE_ON_ARRIVAL),
        ("max-age=x", Reason.INVALID_FRESHNESS),
        ("no-store, max-age=60", Reason.NO_STORE),
        ("max-age=60, no-store=1", Reason.NO_STORE),
        ("private, max-age=60", Reason.PRIVATE),
        ("max-age=60; private", Reason.PRIVATE),
        ("private, s-maxage=60", Reason.PRIVATE),
        ('private="set-cookie", max-age=60', STORED),
        ('private="set-cookie", private, max-age=60', Reason.PRIVATE),
        ("no-cache, max-age=60", Reason.NO_CACHE),
        ('no-cache="set-cookie", max-age=60', STORED),
        ("no-store, private, no-cache", Reason.NO_STORE),
        ("must-understand, no-store, max-age=60", STORED),
        ("must-understand, max-age=60", STORED),
        ("must-understand, no-store, private", Reason.PRIVATE),
        ('ext="no-store", max-age=60', STORED),
    ],
)
def test_directives(cache_control: str, reason: Reason | str) -> None:
    assert why(answer(f"Cache-Control: {cache_control}", DATE)) == reason


@pytest.mark.parametrize(
    "status, reason",
    [
        *((status, STORED) for status in (200, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 404, 410, 418, 500, 502, 503, 599, 999)),
        (100, Reason.INTERIM),
        (103, Reason.INTERIM),
        (206, Reason.PARTIAL),
        (304, Reason.NOT_MODIFIED),
    ],
)
def test_status(status: int, reason: Reason | str) -> None:
    assert why(answer("Cache-Control: max-age=60", status=status)) == reason


@pytest.mark.parametrize("status, reason", [(200, STORED), (404, STORED), (299, Reason.MUST_UNDERSTAND), (599, Reason.MUST_UNDERSTAND)])
def test_must_understand(status: int, reason: Reason | str) -> None:
    assert why(answer("Cache-Control: max-age=60, must-understand, no-store", status=status)) == reason


@pytest.mark.parametrize("method, reason", [(b"GET", STORED), (b"HEAD", Reason.HEAD_NOT_STORED), (b"POST", Reason.METHOD)])
def test_method(method: bytes, reason: Reason | str) -> None:
    assert why(answer("Cache-Control: max-age=60"), request(method=method)) == reason


@pytest.mark.parametrize(
    "cache_control, reason",
    [
        ("max-age=60", Reason.AUTHORIZATION),
        ("max-age=60, proxy-revalidate", Reason.AUTHORIZATION),
        ("max-age=60, public", STORED),
        ("max-age=60, must-revalidate", STORED),
        ("s-maxage=60", STORED),
        ("public, private, max-age=60", Reason.PRIVATE),
    ],
)
def test_authorization(cache_control: str, reason: Reason | str) -> None:
    assert why(answer(f"Cache-Control: {cache_control}"), request("Authorization: Basic Zm9vOmJhcg==")) == reason


def test_cookies_are_the_profiles_choice() -> None:
    sets_one = answer("Cache-Control: max-age=60", "Set-Cookie: a=1")
    assert why(sets_one) == STORED
    assert why(sets_one, profile=NO_COOKIES) is Reason.SET_COOKIE
    assert why(answer("Cache-Control: max-age=60"), request("Cookie: a=1"), NO_COOKIES) == STORED


@pytest.mark.parametrize(
    "vary, reason", [("Accept", STORED), ("*", Reason.VARY_ANY), ("Accept, *", Reason.VARY_ANY), ("a b", Reason.VARY_ANY)]
)
def test_vary(vary: str, reason: Reason | str) -> None:
    assert why(answer("Cache-Control: max-age=60", f"Vary: {vary}")) == reason


@pytest.mark.parametrize(
    "lines, delay_s, reason",
    [
        (["Cache-Control: max-age=60", "Age: 59"], 0.0, STORED),
        (["Cache-Control: max-age=60", "Age: 60"], 0.0, Reason.STALE_ON_ARRIVAL),
        (["Cache-Control: max-age=60", "Age: 7200, 0"], 0.0, Reason.STALE_ON_ARRIVAL),
        (["Cache-Control: max-age=60", "Age: 59"], 1.0, Reason.STALE_ON_ARRIVAL),
        (["Cache-Control: max-age=60", "Date: " + format_http_date(NOW - 61).decode()], 0.0, Reason.STALE_ON_ARRIVAL),
        (["Expires: " + format_http_date(NOW + 60).decode(), DATE], 0.0, STORED),
        (["Expires: " + format_http_date(NOW).decode(), DATE], 0.0, Reason.STALE_ON_ARRIVAL),
        (["Expires: 0", DATE], 0.0, Reason.INVALID_FRESHNESS),
    ],
)
def test_stale_on_arrival(lines: list[str], delay_s: float, reason: Reason | str) -> None:
    assert why(answer(*lines, delay_s=delay_s)) == reason


@pytest.mark.parametrize("verdict", [HardCovered(5), SoftCovered(5, NOW)])
def test_overtaken_by_an_invalidation(verdict: Verdict) -> None:
    assert why(answer("Cache-Control: max-age=60"), verdict=verdict) is Reason.OVERTAKEN
    assert why(answer("Cache-Control: no-store"), verdict=verdict) is Reason.NO_STORE  # it would not have been stored anyway


def test_what_is_stored() -> None:
    came = answer(
        DATE,
        "Cache-Control: max-age=600",
        'Cache-Control: private="X-User", no-cache="x-nonce, set-cookie"',
        "Vary: Accept, Foo",
        "Age: 30",
        "Connection: close, X-Hop",
        "X-Hop: 1",
        "X-User: me",
        "X-Nonce: 4",
        "Set-Cookie: a=1",
        "Proxy-Authenticate: Basic",
        "X-Own: 1",
        delay_s=2.0,
    )
    assert conclude(request("Foo: 1"), None, came, CLEAN, STANDARD, NOW) == Store(
        fields(
            DATE,
            "Cache-Control: max-age=600",
            'Cache-Control: private="X-User", no-cache="x-nonce, set-cookie"',
            "Vary: Accept, Foo",
            "Age: 30",
            "X-Own: 1",
        ),
        ((b"accept", None), (b"foo", b"1")),
        600.0,
        32.0,
        Reason.MAX_AGE,
    )


@pytest.mark.parametrize("offset_s", [0.0, 3600.0])
def test_a_missing_date_is_added_by_the_origins_clock(offset_s: float) -> None:
    conclusion = conclude(request(), None, answer("Cache-Control: max-age=60", offset_s=offset_s), CLEAN, STANDARD, NOW + offset_s)
    assert isinstance(conclusion, Store)
    assert conclusion.fields == fields("Cache-Control: max-age=60", DATE)


def test_after_time_travel_what_is_fetched_is_as_fresh_as_ever() -> None:
    came = answer("Expires: " + format_http_date(NOW + 60).decode(), DATE, offset_s=3600.0)
    conclusion = conclude(request(), None, came, CLEAN, STANDARD, NOW + 3600.0)
    assert isinstance(conclusion, Store)
    assert (conclusion.lifetime_s, conclusion.initial_age_s, conclusion.reason) == (60.0, 0.0, Reason.EXPIRES)


def stored(cache_control: str) -> StoredResponse:
    return StoredResponse(
        key=KEY,
        status=200,
        reason=b"OK",
        fields=fields(f"Cache-Control: {cache_control}"),
        vary=(),
        body=(),
        request_time=NOW - 100,
        response_time=NOW - 100,
        offset_s=0.0,
        position=1,
        start=1,
        lifetime_s=60.0,
        initial_age_s=0.0,
    )


@pytest.mark.parametrize(
    "cache_control, verdict, reason",
    [
        ("max-age=60", CLEAN, Reason.STALE_ORIGIN_UNREACHABLE),
        ("max-age=60", SoftCovered(5, NOW), Reason.STALE_ORIGIN_UNREACHABLE),
        ("max-age=60", HardCovered(5), Reason.PURGED),  # purged while the origin was being asked
        ("max-age=60, must-revalidate", CLEAN, Reason.STALE_FORBIDDEN),
        ("max-age=60, proxy-revalidate", CLEAN, Reason.STALE_FORBIDDEN),
        ("s-maxage=60", CLEAN, Reason.STALE_FORBIDDEN),
        ("max-age=60, no-cache", CLEAN, Reason.STALE_FORBIDDEN),
    ],
)
def test_the_origin_gave_no_answer(cache_control: str, verdict: Verdict, reason: Reason) -> None:
    own = stored(cache_control)
    expected = ServeStale(own, reason) if reason is Reason.STALE_ORIGIN_UNREACHABLE else Forward(reason)
    assert conclude(request(), own, Failure(), verdict, STANDARD, NOW) == expected


def test_the_origin_gave_no_answer_and_nothing_stands_in() -> None:
    assert conclude(request(), None, Failure(), CLEAN, STANDARD, NOW) == Forward(Reason.ORIGIN_FAILED)


def test_an_error_of_the_origin_is_an_answer() -> None:
    assert conclude(request(), stored("max-age=60"), answer(status=503), CLEAN, STANDARD, NOW) == Forward(Reason.NO_EXPLICIT_FRESHNESS)
