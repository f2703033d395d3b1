"""The first decision: every path from a request to what is done about it."""

from __future__ import annotations

import pytest
from cachingkit import NOW, fields, request, stored

from edgecache.caching.decide import Hit, Miss, Pass, Refuse, StaleHit, Validate, decide
from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.rules import Rule
from edgecache.caching.stored import Part, StoredResponse, Variant
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered, Verdict
from edgecache.profiles.standard import STANDARD

VENDOR = Profile(name="vendor", obeys_request_directives=False, set_cookie="refuse")
MINUTE = "Cache-Control: max-age=60"
ETAG = 'ETag: "a"'
MODIFIED = "Last-Modified: {-600}"

PURGED = HardCovered(7)
SOFT = SoftCovered(7, NOW + 1.0)


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_fresh_is_a_hit(method: bytes) -> None:
    own = stored(MINUTE)
    assert decide(request(method=method), [(own, CLEAN)], STANDARD, NOW + 59.9) == Hit(own, Reason.FRESH)


def test_nothing_stored() -> None:
    assert decide(request(), [], STANDARD, NOW) == Miss(None, Reason.NO_STORED_RESPONSE, "uri-miss")


@pytest.mark.parametrize(
    "lines, after_s, verdict, reason",
    [
        ([MINUTE], 60.0, CLEAN, Reason.EXPIRED),  # fresh means younger than, not as old as
        ([MINUTE], 61.0, CLEAN, Reason.EXPIRED),
        ([MINUTE, "Age: 59"], 1.0, CLEAN, Reason.EXPIRED),
        ([MINUTE, "Age: 90"], 0.0, CLEAN, Reason.EXPIRED),
        ([MINUTE], 2.0, SOFT, Reason.SOFT_PURGED),
        ([MINUTE], 61.0, SOFT, Reason.EXPIRED),
        ([MINUTE], -1.0, CLEAN, Reason.CLOCK_MOVED_BACK),
        (["Cache-Control: max-age=60, no-cache"], 0.0, CLEAN, Reason.NO_CACHE),
        ([], 0.0, CLEAN, Reason.EXPIRED),
    ],
)
def test_stale_is_validated_or_asked_for_anew(lines: list[str], after_s: float, verdict: Verdict, reason: Reason) -> None:
    without, tagged = stored(*lines), stored(*lines, ETAG)
    now = NOW + after_s
    assert decide(request(), [(without, verdict)], STANDARD, now) == Miss(without, reason, "stale")
    assert decide(request(), [(tagged, verdict)], STANDARD, now) == Validate(tagged, fields('If-None-Match: "a"'), reason, "stale")
    # a HEAD is asked as it is
    assert decide(request(method=b"HEAD"), [(tagged, verdict)], STANDARD, now) == Miss(tagged, reason, "stale")


@pytest.mark.parametrize(
    "validators, conditions",
    [
        ([ETAG], ['If-None-Match: "a"']),
        (['ETag: W/"a"'], ['If-None-Match: W/"a"']),
        (["ETag: odd"], ["If-None-Match: odd"]),  # as the origin sent it
        ([MODIFIED], ["If-Modified-Since: {-600}"]),
        ([MODIFIED, ETAG], ['If-None-Match: "a"', "If-Modified-Since: {-600}"]),
    ],
)
def test_conditions_of_a_validation(validators: list[str], conditions: list[str]) -> None:
    own = stored("Cache-Control: max-age=0", *validators)
    asked = request('If-None-Match: "client"', "If-Modified-Since: {-5}")
    assert decide(asked, [(own, CLEAN)], STANDARD, NOW) == Validate(own, fields(*conditions), Reason.EXPIRED, "stale")


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
        (['If-Match: "a"'], b"GET", False, Pass(Reason.PRECONDITION, "bypass")),
        (["If-Unmodified-Since: x"], b"GET", False, Pass(Reason.PRECONDITION, "bypass")),
        (["Range: bytes=0-4", 'If-Match: "a"'], b"GET", False, Pass(Reason.PRECONDITION, "bypass")),
        (["Connection: Upgrade", "Upgrade: websocket"], b"GET", False, Pass(Reason.UPGRADE, "bypass")),
        (["Connection: keep-alive, upgrade", "Connection: TE"], b"GET", False, Pass(Reason.UPGRADE, "bypass")),
        (["Cache-Control: no-store"], b"GET", False, Pass(Reason.REQUEST_NO_STORE, "bypass")),
    ],
)
def test_the_cache_takes_no_part(lines: list[str], method: bytes, has_content: bool, decision: Pass) -> None:
    assert decide(request(*lines, method=method, has_content=has_content), [(stored(MINUTE), CLEAN)], STANDARD, NOW) == decision


def test_a_rule_can_bypass() -> None:
    rule = Rule("/a", bypass=True)
    assert decide(request(rule=rule), [(stored(MINUTE), CLEAN)], STANDARD, NOW) == Pass(Reason.RULE_BYPASS, "bypass")
    assert decide(request(rule=rule, method=b"POST"), [], STANDARD, NOW) == Pass(Reason.METHOD, "method")
    own = stored(MINUTE)
    assert decide(request(rule=Rule("/a", ttl_s=5)), [(own, CLEAN)], STANDARD, NOW) == Hit(own, Reason.FRESH)


@pytest.mark.parametrize(
    "line",
    [
        "Connection: keep-alive",
        "Upgrade: websocket",
        "If-None-Match: *",
        "If-Modified-Since: x",
        "Cookie: a=1",
        "Range: bytes=0-4",
        "Range: bytes=100-",
        "Range: items=1",
        'If-Range: "x"',
        "Authorization: Basic x",  # what is stored was shareable
    ],
)
def test_these_are_answered_from_the_store(line: str) -> None:
    own = stored(MINUTE)
    assert decide(request(line), [(own, CLEAN)], STANDARD, NOW) == Hit(own, Reason.FRESH)


# Parts


def part(*lines: str, held: tuple[int, int, int | None] = (0, 4, 10)) -> StoredResponse:
    return stored(*lines, status=206, part=Part(*held), length=held[1] - held[0] + 1)


@pytest.mark.parametrize("asked, hit", [("bytes=0-4", True), ("bytes=1-2", True), ("bytes=0-5", False), ("bytes=-1", False)])
def test_a_part_answers_what_it_holds(asked: str, hit: bool) -> None:
    own = part(MINUTE, ETAG)
    expected: Hit | Miss = Hit(own, Reason.FRESH) if hit else Miss(own, Reason.PART_NOT_STORED, "partial")
    assert decide(request(f"Range: {asked}"), [(own, CLEAN)], STANDARD, NOW) == expected


def test_a_part_is_not_the_whole() -> None:
    own = part(MINUTE, MODIFIED)
    assert decide(request(), [(own, CLEAN)], STANDARD, NOW) == Miss(own, Reason.PART_NOT_STORED, "partial")
    assert decide(request(method=b"HEAD"), [(own, CLEAN)], STANDARD, NOW) == Miss(own, Reason.PART_NOT_STORED, "partial")


def test_a_stale_part() -> None:
    own = part(MINUTE, ETAG)
    then = NOW + 61
    assert decide(request("Range: bytes=0-1"), [(own, CLEAN)], STANDARD, then) == Validate(
        own, fields('If-None-Match: "a"'), Reason.EXPIRED, "stale"
    )
    # to know that the part still holds would not help whoever wants more
    assert decide(request("Range: bytes=5-"), [(own, CLEAN)], STANDARD, then) == Miss(own, Reason.EXPIRED, "stale")
    assert decide(request(method=b"HEAD"), [(own, CLEAN)], STANDARD, then) == Miss(own, Reason.EXPIRED, "stale")
    rest = fields("Range: bytes=5-", 'If-Range: "a"')  # but to have the rest, if it does
    assert decide(request(), [(own, CLEAN)], STANDARD, then) == Miss(own, Reason.EXPIRED, "stale", rest)


UNLESS_CHANGED, PLAIN = ["Range: bytes=5-", 'If-Range: "a"'], ["Range: bytes=5-"]


@pytest.mark.parametrize(
    "lines, asked, rest",
    [
        ([MINUTE, ETAG], [], UNLESS_CHANGED),
        ([MINUTE, ETAG, MODIFIED], ['If-None-Match: "a"'], UNLESS_CHANGED),
        (["Cache-Control: max-age=60, must-revalidate", ETAG], [], UNLESS_CHANGED),
        (["Cache-Control: no-cache", ETAG], [], UNLESS_CHANGED),
        (["Cache-Control: max-age=0", ETAG], [], UNLESS_CHANGED),
        ([MINUTE, ETAG], ["Cache-Control: no-cache"], UNLESS_CHANGED),
        ([MINUTE, ETAG], ["Authorization: Basic x"], []),
        ([MINUTE, ETAG], ["Range: items=1"], []),
        ([MINUTE, ETAG], ["Range: bytes=2-"], []),
        ([MINUTE, ETAG], ['If-Range: "a"'], []),
        # nothing will prove that the rest is of the same representation
        ([MINUTE], [], PLAIN),
        ([MINUTE], ["Cache-Control: max-age=30"], PLAIN),
        ([MINUTE], ["Cache-Control: no-cache"], []),
        ([MINUTE], ["Cache-Control: min-fresh=90"], []),
        (["Cache-Control: max-age=0"], [], []),
        (["Cache-Control: no-cache"], [], []),
        ([MINUTE, MODIFIED], [], []),
        ([MINUTE, 'ETag: W/"a"'], [], []),
        ([MINUTE, "ETag: a"], [], []),
    ],
)
def test_who_wants_the_whole_is_brought_the_rest(lines: list[str], asked: list[str], rest: list[str]) -> None:
    decision = decide(request(*asked), [(part(*lines), CLEAN)], STANDARD, NOW)
    assert isinstance(decision, Miss)
    assert decision.rest == fields(*rest)


@pytest.mark.parametrize(
    "held, rest",
    [
        ((0, 4, 10), UNLESS_CHANGED),
        ((0, 4, None), UNLESS_CHANGED),
        ((0, 0, 10), ["Range: bytes=1-", 'If-Range: "a"']),
        ((1, 4, 10), []),
    ],
)
def test_which_parts_are_completed(held: tuple[int, int, int | None], rest: list[str]) -> None:
    decision = decide(request(), [(part(MINUTE, ETAG, held=held), CLEAN)], STANDARD, NOW)
    assert isinstance(decision, Miss)
    assert decision.rest == fields(*rest)


def test_a_part_that_was_purged_is_not_completed() -> None:
    own = part(MINUTE, ETAG)
    assert decide(request(), [(own, SOFT)], STANDARD, NOW) == Miss(own, Reason.SOFT_PURGED, "stale")
    assert decide(request(), [(own, PURGED)], STANDARD, NOW) == Miss(None, Reason.PURGED, "uri-miss")


# Stale use

WINDOW = "Cache-Control: max-age=60, stale-while-revalidate=30"


@pytest.mark.parametrize(
    "cache_control, after_s, verdict, stale_hit",
    [
        ("max-age=60, stale-while-revalidate=30", 60.0, CLEAN, True),
        ("max-age=60, stale-while-revalidate=30", 89.9, CLEAN, True),
        ("max-age=60, stale-while-revalidate=30", 90.0, CLEAN, False),
        ("max-age=0, stale-while-revalidate=30", 0.0, CLEAN, True),
        ("max-age=60, stale-while-revalidate", 60.0, CLEAN, False),  # without a number it means nothing
        ("max-age=60, stale-while-revalidate=x", 60.0, CLEAN, False),
        ("max-age=60, stale-while-revalidate=0", 60.0, CLEAN, False),
        ("max-age=60, stale-if-error=30", 60.0, CLEAN, False),
        # what forbids it
        ("max-age=60, stale-while-revalidate=30, must-revalidate", 60.0, CLEAN, False),
        ("max-age=60, stale-while-revalidate=30, proxy-revalidate", 60.0, CLEAN, False),
        ("s-maxage=60, stale-while-revalidate=30", 60.0, CLEAN, False),
        ("max-age=60, stale-while-revalidate=30, no-cache", 60.0, CLEAN, False),
        ("max-age=60, stale-while-revalidate=30, no-cache", 0.0, CLEAN, False),
        # from the soft purge or the expiry on, whichever was first
        ("max-age=60, stale-while-revalidate=30", 30.0, SOFT, True),
        ("max-age=60, stale-while-revalidate=30", 31.0, SOFT, False),
        ("max-age=60, stale-while-revalidate=30", 89.0, SoftCovered(7, NOW + 80), True),
        ("max-age=60, stale-while-revalidate=30", 95.0, SoftCovered(7, NOW + 80), False),
        # what lies in the future has used up its windows
        ("max-age=60, stale-while-revalidate=30", -1.0, CLEAN, False),
        ("max-age=60, stale-while-revalidate=30", 5.0, SoftCovered(7, NOW + 10), False),
    ],
)
def test_stale_while_revalidate(cache_control: str, after_s: float, verdict: Verdict, stale_hit: bool) -> None:
    own = stored(f"Cache-Control: {cache_control}", ETAG)
    decision = decide(request(), [(own, verdict)], STANDARD, NOW + after_s)
    if stale_hit:
        assert isinstance(decision, StaleHit)
        assert (decision.stored, decision.reason) == (own, Reason.STALE_WHILE_REVALIDATE)
        assert isinstance(decision.refresh, Validate)
        assert decision.refresh.conditions == fields('If-None-Match: "a"')
        assert decision.refresh.reason in (Reason.EXPIRED, Reason.SOFT_PURGED)
    else:
        assert isinstance(decision, Validate)


def test_what_a_refresh_asks() -> None:
    own = stored(WINDOW)
    expected = StaleHit(own, Reason.STALE_WHILE_REVALIDATE, Miss(own, Reason.EXPIRED, "stale"))
    assert decide(request(), [(own, CLEAN)], STANDARD, NOW + 61) == expected
    tagged = stored(WINDOW, ETAG)
    decision = decide(request(method=b"HEAD"), [(tagged, CLEAN)], STANDARD, NOW + 61)
    assert isinstance(decision, StaleHit)
    assert isinstance(decision.refresh, Validate)  # by GET also after a HEAD


@pytest.mark.parametrize("directive", ["no-cache", "max-age=0", "max-age=100", "min-fresh=0"])
def test_who_asks_for_freshness_gets_nothing_stale(directive: str) -> None:
    own = stored(WINDOW)
    asked = request(f"Cache-Control: {directive}")
    assert decide(asked, [(own, CLEAN)], STANDARD, NOW + 61) == Miss(own, Reason.EXPIRED, "stale")
    assert isinstance(decide(asked, [(own, CLEAN)], VENDOR, NOW + 61), StaleHit)


@pytest.mark.parametrize(
    "directive, cache_control, after_s, verdict, taken",
    [
        ("max-stale", "max-age=60", 1000.0, CLEAN, True),
        ("max-stale=10", "max-age=60", 70.0, CLEAN, True),
        ("max-stale=10", "max-age=60", 70.1, CLEAN, False),
        ("max-stale=x", "max-age=60", 61.0, CLEAN, False),
        ("max-stale, max-age=70", "max-age=60", 70.0, CLEAN, True),
        ("max-stale, max-age=70", "max-age=60", 71.0, CLEAN, False),
        ("max-stale, no-cache", "max-age=60", 61.0, CLEAN, False),
        ("max-stale, min-fresh=1", "max-age=60", 61.0, CLEAN, False),
        ("max-stale", "max-age=60, must-revalidate", 61.0, CLEAN, False),
        ("max-stale", "s-maxage=60", 61.0, CLEAN, False),
        ("max-stale", "no-cache, max-age=60", 61.0, CLEAN, False),
        ("max-stale=10", "max-age=60", 11.0, SOFT, True),
        ("max-stale=10", "max-age=60", 12.0, SOFT, False),
        ("max-stale", "max-age=60", -1.0, CLEAN, False),
        ("max-stale=99", "max-age=60", -1.0, CLEAN, False),
    ],
)
def test_max_stale(directive: str, cache_control: str, after_s: float, verdict: Verdict, taken: bool) -> None:
    own = stored(f"Cache-Control: {cache_control}")
    asked = request(f"Cache-Control: {directive}")
    decision = decide(asked, [(own, verdict)], STANDARD, NOW + after_s)
    assert decision == StaleHit(own, Reason.REQUEST_MAX_STALE, None) if taken else isinstance(decision, Miss)
    assert isinstance(decide(asked, [(own, verdict)], VENDOR, NOW + after_s), Miss)


@pytest.mark.parametrize(
    "soft_since, verdict, after_s, stale_hit",
    [
        (NOW + 1, CLEAN, 20.0, True),
        (NOW + 1, CLEAN, 31.0, False),
        (NOW + 5, SoftCovered(9, NOW + 1), 31.0, True),  # the first one counts, though the clock was moved back in between
        (NOW + 1, SoftCovered(9, NOW + 5), 31.0, False),
    ],
)
def test_a_soft_purge_that_is_written_into_the_response(soft_since: float, verdict: Verdict, after_s: float, stale_hit: bool) -> None:
    own = stored(WINDOW, soft_since=soft_since, soft_position=7)
    assert isinstance(decide(request(), [(own, verdict)], STANDARD, NOW + after_s), StaleHit if stale_hit else Miss)


# Directives of the request

AFTER_10_S = NOW + 10.0  # 50 s left of 60


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
        (["Cache-Control: max-stale, max-age=5"], Reason.REQUEST_MAX_AGE),
    ],
)
def test_request_directives(lines: list[str], reason: Reason) -> None:
    without, tagged = stored(MINUTE), stored(MINUTE, ETAG)
    asked = request(*lines)
    if reason is Reason.FRESH:
        assert decide(asked, [(without, CLEAN)], STANDARD, AFTER_10_S) == Hit(without, reason)
    else:
        assert decide(asked, [(without, CLEAN)], STANDARD, AFTER_10_S) == Miss(without, reason, "request")
        validate = Validate(tagged, fields('If-None-Match: "a"'), reason, "request")
        assert decide(asked, [(tagged, CLEAN)], STANDARD, AFTER_10_S) == validate
    assert decide(asked, [(without, CLEAN)], VENDOR, AFTER_10_S) == Hit(without, Reason.FRESH)


@pytest.mark.parametrize(
    "lines, method, cache_control, verdict, after_s",
    [
        ([], b"GET", "max-age=60", PURGED, 0.0),
        ([], b"GET", "max-age=60", SOFT, 2.0),
        ([], b"GET", "max-age=60", CLEAN, 61.0),
        ([], b"GET", "max-age=60, no-cache", CLEAN, 0.0),
        ([], b"POST", "max-age=60", CLEAN, 0.0),
    ],
)
def test_only_if_cached_and_nothing_to_use(lines: list[str], method: bytes, cache_control: str, verdict: Verdict, after_s: float) -> None:
    asked = request("Cache-Control: only-if-cached", *lines, method=method)
    candidates: list[tuple[StoredResponse, Verdict]] = [(stored(f"Cache-Control: {cache_control}", ETAG), verdict)]
    assert decide(asked, candidates, STANDARD, NOW + after_s) == Refuse(504, Reason.ONLY_IF_CACHED)
    assert not isinstance(decide(asked, candidates, VENDOR, NOW + after_s), Refuse)


def test_only_if_cached_and_something_stale_to_use() -> None:
    assert isinstance(decide(request("Cache-Control: only-if-cached"), [(stored(WINDOW), CLEAN)], STANDARD, NOW + 61), StaleHit)
    asked = request("Cache-Control: only-if-cached, max-stale")
    assert isinstance(decide(asked, [(stored(MINUTE), CLEAN)], STANDARD, NOW + 61), StaleHit)


# Variants

ONE: Variant = ((b"foo", b"1"),)
TWO: Variant = ((b"foo", b"2"),)
OTHER: Variant = ((b"bar", None), (b"foo", b"1"))


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
    held = [(stored(MINUTE, vary=variant), verdict) for variant, verdict in candidates]
    assert decide(request("Foo: 1"), held, STANDARD, NOW) == Miss(None, reason, fwd)  # type: ignore[arg-type]


def test_the_variant_for_this_request() -> None:
    one, two = stored(MINUTE, vary=ONE), stored(MINUTE, vary=TWO)
    held: list[tuple[StoredResponse, Verdict]] = [(one, CLEAN), (two, CLEAN)]
    assert decide(request("Foo: 1"), held, STANDARD, NOW) == Hit(one, Reason.FRESH)
    assert decide(request("Foo: 2"), held, STANDARD, NOW) == Hit(two, Reason.FRESH)


def test_each_variant_has_its_own_list() -> None:
    one, other = stored(MINUTE, vary=ONE), stored(MINUTE, vary=OTHER, position=2)
    held: list[tuple[StoredResponse, Verdict]] = [(one, CLEAN), (other, CLEAN)]
    assert decide(request("Foo: 1"), held, STANDARD, NOW) == Hit(other, Reason.FRESH)
    assert decide(request("Foo: 1", "Bar: 1"), held, STANDARD, NOW) == Hit(one, Reason.FRESH)


@pytest.mark.parametrize("older, newer", [((1, 9), (2, 1)), ((2, 1), (2, 2))])
def test_the_newest_of_those_that_match(older: tuple[int, int], newer: tuple[int, int]) -> None:
    old = stored(MINUTE, position=older[0], start=older[1])
    new = stored("Cache-Control: max-age=5", vary=ONE, position=newer[0], start=newer[1])
    held: list[tuple[StoredResponse, Verdict]] = [(old, CLEAN), (new, CLEAN)]
    for order in (held, held[::-1]):
        assert decide(request("Foo: 1"), order, STANDARD, NOW) == Hit(new, Reason.FRESH)
        # also when it is stale and an older one is not: an answer once replaced never comes back
        assert decide(request("Foo: 1"), order, STANDARD, NOW + 10.0) == Miss(new, Reason.EXPIRED, "stale")


def test_a_purged_one_does_not_hide_an_older_one_that_is_not() -> None:
    old, new = stored(MINUTE, position=1), stored(MINUTE, position=2)
    assert decide(request(), [(old, CLEAN), (new, PURGED)], STANDARD, NOW) == Hit(old, Reason.FRESH)


def test_a_purged_one_has_no_validator_either() -> None:
    own = stored("Cache-Control: max-age=0", ETAG)
    assert decide(request(), [(own, PURGED)], STANDARD, NOW) == Miss(None, Reason.PURGED, "uri-miss")
