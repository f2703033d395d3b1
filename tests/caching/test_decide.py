"""The first decision: every path from a request to what is done about it."""

from __future__ import annotations

import pytest

from edgecache.caching.decide import Hit, Miss, Pass, Refuse, decide
from edgecache.caching.key import cache_key
from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.request import PresentedRequest
from edgecache.caching.stored import StoredResponse
from edgecache.caching.vary import Variant
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered, Verdict
from edgecache.profiles.standard import STANDARD
from edgecache.semantics.cache_control import parse_cache_control
from edgecache.semantics.message import Fields, field, values

KEY = cache_key(b"http", b"h", b"/a", STANDARD)
ARRIVED = 1_800_000_000.0  # when what is stored arrived
VENDOR = Profile(name="vendor", obeys_request_directives=False, stores_set_cookie=False)

PURGED = HardCovered(7)
SOFT = SoftCovered(7, ARRIVED + 1.0)


def fields(*lines: str) -> Fields:
    return [field(*(part.strip().encode() for part in line.split(":", 1))) for line in lines]


def request(*lines: str, method: bytes = b"GET", has_content: bool = False) -> PresentedRequest:
    own = fields("Host: h", "Accept: */*", *lines)
    return PresentedRequest(method, KEY, own, has_content, parse_cache_control(values(own, b"cache-control")))


def stored(
    lifetime_s: float = 60.0, *, vary: Variant = (), position: int = 1, start: int = 1, initial_age_s: float = 0.0
) -> StoredResponse:
    return StoredResponse(
        key=KEY,
        status=200,
        reason=b"OK",
        fields=[],
        vary=vary,
        body=(b"hello",),
        request_time=ARRIVED,
        response_time=ARRIVED,
        offset_s=0.0,
        position=position,
        start=start,
        lifetime_s=lifetime_s,
        initial_age_s=initial_age_s,
    )


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_fresh_is_a_hit(method: bytes) -> None:
    own = stored(60.0)
    assert decide(request(method=method), [(own, CLEAN)], STANDARD, ARRIVED + 59.9) == Hit(own, Reason.FRESH)


def test_nothing_stored() -> None:
    assert decide(request(), [], STANDARD, ARRIVED) == Miss(None, Reason.NO_STORED_RESPONSE, "uri-miss")


@pytest.mark.parametrize(
    "lifetime_s, initial_age_s, after_s, verdict, reason",
    [
        (60.0, 0.0, 60.0, CLEAN, Reason.EXPIRED),  # fresh means younger than, not as old as
        (60.0, 0.0, 61.0, CLEAN, Reason.EXPIRED),
        (60.0, 59.0, 1.0, CLEAN, Reason.EXPIRED),
        (60.0, 0.0, 2.0, SOFT, Reason.SOFT_PURGED),
        (60.0, 0.0, 61.0, SOFT, Reason.EXPIRED),
        (60.0, 0.0, -1.0, CLEAN, Reason.CLOCK_MOVED_BACK),
    ],
)
def test_stale_may_stand_in(lifetime_s: float, initial_age_s: float, after_s: float, verdict: Verdict, reason: Reason) -> None:
    own = stored(lifetime_s, initial_age_s=initial_age_s)
    assert decide(request(), [(own, verdict)], STANDARD, ARRIVED + after_s) == Miss(own, reason, "stale")


@pytest.mark.parametrize(
    "lines, method, has_content, decision",
    [
        ([], b"POST", True, Pass(Reason.METHOD, "method")),
        ([], b"POST", False, Pass(Reason.METHOD, "method")),
        ([], b"OPTIONS", False, Pass(Reason.METHOD, "method")),
        ([], b"QUERY", True, Pass(Reason.METHOD, "method")),
        ([], b"get", False, Pass(Reason.METHOD, "method")),  # methods are case-sensitive
        ([], b"GET", True, Pass(Reason.REQUEST_CONTENT, "bypass")),
        ([], b"HEAD", True, Pass(Reason.REQUEST_CONTENT, "bypass")),
        (["Range: bytes=0-4"], b"GET", False, Pass(Reason.RANGE, "bypass")),
        (['If-Match: "a"'], b"GET", False, Pass(Reason.PRECONDITION, "bypass")),
        (["If-Unmodified-Since: x"], b"GET", False, Pass(Reason.PRECONDITION, "bypass")),
        (['If-Range: "a"'], b"GET", False, Pass(Reason.PRECONDITION, "bypass")),
        (["Connection: Upgrade", "Upgrade: websocket"], b"GET", False, Pass(Reason.UPGRADE, "bypass")),
        (["Connection: keep-alive, upgrade", "Connection: TE"], b"GET", False, Pass(Reason.UPGRADE, "bypass")),
        (["Cache-Control: no-store"], b"GET", False, Pass(Reason.REQUEST_NO_STORE, "bypass")),
    ],
)
def test_the_cache_takes_no_part(lines: list[str], method: bytes, has_content: bool, decision: Pass) -> None:
    assert decide(request(*lines, method=method, has_content=has_content), [(stored(), CLEAN)], STANDARD, ARRIVED) == decision


@pytest.mark.parametrize(
    "line", ["Connection: keep-alive", "Upgrade: websocket", "If-None-Match: *", "If-Modified-Since: x", "Cookie: a=1"]
)
def test_these_are_answered_from_the_store(line: str) -> None:
    own = stored()
    assert decide(request(line), [(own, CLEAN)], STANDARD, ARRIVED) == Hit(own, Reason.FRESH)


AFTER_10_S = ARRIVED + 10.0  # 50 s left of 60


@pytest.mark.parametrize(
    "lines, reason",
    [
        (["Cache-Control: max-age=10"], Reason.FRESH),
        (["Cache-Control: max-age=9"], Reason.REQUEST_MAX_AGE),
        (["Cache-Control: max-age=0"], Reason.REQUEST_MAX_AGE),
        (["Cache-Control: max-age=x"], Reason.FRESH),
        (["Cache-Control: min-fresh=50"], Reason.FRESH),
        (["Cache-Control: min-fresh=51"], Reason.REQUEST_MIN_FRESH),
        (["Cache-Control: no-cache"], Reason.REQUEST_NO_CACHE),
        (["Pragma: no-cache"], Reason.REQUEST_NO_CACHE),
        (["Pragma: foo, No-Cache"], Reason.REQUEST_NO_CACHE),
        (["Pragma: foo"], Reason.FRESH),
        (["Pragma: no-cache", "Cache-Control: max-age=10"], Reason.FRESH),  # Cache-Control alone counts
        (["Cache-Control: only-if-cached"], Reason.FRESH),
        (["Cache-Control: max-stale=100, foo"], Reason.FRESH),
    ],
)
def test_request_directives(lines: list[str], reason: Reason) -> None:
    own = stored(60.0)
    expected: Hit | Miss = Miss(own, reason, "request")
    if reason is Reason.FRESH:
        expected = Hit(own, reason)
    elif reason is Reason.REQUEST_NO_CACHE:
        expected = Miss(None, reason, "request")  # an old answer would hide what the origin says now
    assert decide(request(*lines), [(own, CLEAN)], STANDARD, AFTER_10_S) == expected
    assert decide(request(*lines), [(own, CLEAN)], VENDOR, AFTER_10_S) == Hit(own, Reason.FRESH)


def test_no_cache_and_stale() -> None:
    assert decide(request("Cache-Control: no-cache"), [(stored(5.0), CLEAN)], STANDARD, AFTER_10_S) == Miss(None, Reason.EXPIRED, "stale")


@pytest.mark.parametrize(
    "lines, method, verdict, after_s",
    [
        ([], b"GET", PURGED, 0.0),
        ([], b"GET", SOFT, 0.0),
        ([], b"GET", CLEAN, 61.0),
        (["Range: bytes=0-4"], b"GET", CLEAN, 0.0),
        ([], b"POST", CLEAN, 0.0),
    ],
)
def test_only_if_cached_and_nothing_to_use(lines: list[str], method: bytes, verdict: Verdict, after_s: float) -> None:
    asked = request("Cache-Control: only-if-cached", *lines, method=method)
    assert decide(asked, [(stored(), verdict)], STANDARD, ARRIVED + after_s) == Refuse(504, Reason.ONLY_IF_CACHED)
    assert not isinstance(decide(asked, [(stored(), verdict)], VENDOR, ARRIVED + after_s), Refuse)


ONE: Variant = ((b"foo", b"1"),)
TWO: Variant = ((b"foo", b"2"),)


@pytest.mark.parametrize(
    "candidates, reason, fwd",
    [
        ([(TWO, CLEAN)], Reason.VARY_MISMATCH, "vary-miss"),
        ([(ONE, PURGED)], Reason.PURGED, "uri-miss"),
        ([(TWO, PURGED)], Reason.NO_STORED_RESPONSE, "uri-miss"),  # what is purged is not there, whatever it was
        ([(ONE, PURGED), (TWO, CLEAN)], Reason.PURGED, "vary-miss"),
        ([(TWO, CLEAN), (ONE, PURGED)], Reason.PURGED, "vary-miss"),
    ],
)
def test_none_of_the_variants(candidates: list[tuple[Variant, Verdict]], reason: Reason, fwd: str) -> None:
    held = [(stored(vary=variant), verdict) for variant, verdict in candidates]
    assert decide(request("Foo: 1"), held, STANDARD, ARRIVED) == Miss(None, reason, fwd)  # type: ignore[arg-type]


def test_the_variant_for_this_request() -> None:
    one, two = stored(vary=ONE), stored(vary=TWO)
    held: list[tuple[StoredResponse, Verdict]] = [(one, CLEAN), (two, CLEAN)]
    assert decide(request("Foo: 1"), held, STANDARD, ARRIVED) == Hit(one, Reason.FRESH)
    assert decide(request("Foo: 2"), held, STANDARD, ARRIVED) == Hit(two, Reason.FRESH)


@pytest.mark.parametrize("older, newer", [((1, 9), (2, 1)), ((2, 1), (2, 2))])
def test_the_newest_of_those_that_match(older: tuple[int, int], newer: tuple[int, int]) -> None:
    old, new = stored(position=older[0], start=older[1]), stored(5.0, vary=ONE, position=newer[0], start=newer[1])
    held: list[tuple[StoredResponse, Verdict]] = [(old, CLEAN), (new, CLEAN)]
    for order in (held, held[::-1]):
        assert decide(request("Foo: 1"), order, STANDARD, ARRIVED) == Hit(new, Reason.FRESH)
        # also when it is stale and an older one is not: an answer once replaced never comes back
        assert decide(request("Foo: 1"), order, STANDARD, ARRIVED + 10.0) == Miss(new, Reason.EXPIRED, "stale")


def test_a_purged_one_does_not_hide_an_older_one_that_is_not() -> None:
    old, new = stored(position=1), stored(position=2)
    assert decide(request(), [(old, CLEAN), (new, PURGED)], STANDARD, ARRIVED) == Hit(old, Reason.FRESH)
