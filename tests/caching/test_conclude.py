"""The second decision, about answers that may be stored: what becomes of them (RFC 9111 3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cachingkit import DATE, NOW, answer, fields, request, stored

from edgecache.caching.conclude import conclude
from edgecache.caching.conclusion import Answer, Combine, Forward, Store
from edgecache.caching.freshness import Derived
from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.request import PresentedRequest
from edgecache.caching.rules import Rule
from edgecache.caching.stored import PLAIN_TERMS, Part, ReuseTerms, StoredResponse
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered, Verdict
from edgecache.profiles.standard import STANDARD

NO_COOKIES = replace(STANDARD, name="no-cookies", set_cookie="refuse")
STRIPS = replace(STANDARD, name="strips", set_cookie="strip")
ETAG = 'ETag: "a"'
MODIFIED = "Last-Modified: {-600}"
MINUTE = "Cache-Control: max-age=60"


def why(came: Answer, asked: PresentedRequest | None = None, profile: Profile = STANDARD, verdict: Verdict = CLEAN) -> tuple[str, Reason]:
    """What becomes of it, and the reason."""
    conclusion = conclude(asked or request(), None, came, verdict, profile, came.response_time)
    assert isinstance(conclusion, (Store, Forward))
    return type(conclusion).__name__, conclusion.reason


@pytest.mark.parametrize(
    "cache_control, plainly, tagged",
    [
        ("max-age=60", "Store", Reason.MAX_AGE),
        ("s-maxage=60", "Store", Reason.S_MAXAGE),
        ("public, max-age=60, immutable", "Store", Reason.MAX_AGE),
        ("max-age=60, must-revalidate", "Store", Reason.MAX_AGE),
        ("max-age=60, foo=bar", "Store", Reason.MAX_AGE),
        # of no use without a validator
        ("public", "Forward", Reason.NO_EXPLICIT_FRESHNESS),
        ("", "Forward", Reason.NO_EXPLICIT_FRESHNESS),
        ("max-age=0", "Forward", Reason.STALE_ON_ARRIVAL),
        ("max-age=60, s-maxage=0", "Forward", Reason.STALE_ON_ARRIVAL),
        ("max-age=x", "Forward", Reason.INVALID_FRESHNESS),
        ("no-cache", "Forward", Reason.NO_CACHE),
        ("no-cache, max-age=60", "Forward", Reason.NO_CACHE),
        # … but for the windows in which it may be used stale
        ("max-age=0, stale-while-revalidate=30", "Store", Reason.STALE_ON_ARRIVAL),
        ("max-age=0, stale-if-error=30", "Store", Reason.STALE_ON_ARRIVAL),
        ("max-age=0, stale-while-revalidate=0", "Forward", Reason.STALE_ON_ARRIVAL),
        ("s-maxage=0, stale-while-revalidate=30", "Forward", Reason.STALE_ON_ARRIVAL),
        ("max-age=0, must-revalidate, stale-if-error=30", "Forward", Reason.STALE_ON_ARRIVAL),
        ("no-cache, stale-while-revalidate=30", "Forward", Reason.NO_CACHE),
        ('no-cache="set-cookie", max-age=60', "Store", Reason.MAX_AGE),
        ('private="set-cookie", max-age=60', "Store", Reason.MAX_AGE),
        ("must-understand, no-store, max-age=60", "Store", Reason.MAX_AGE),
        ("must-understand, max-age=60", "Store", Reason.MAX_AGE),
        ('ext="no-store", max-age=60', "Store", Reason.MAX_AGE),
    ],
)
def test_directives(cache_control: str, plainly: str, tagged: Reason) -> None:
    line = f"Cache-Control: {cache_control}"
    assert why(answer(line, DATE)) == (plainly, tagged)
    assert why(answer(line, DATE, ETAG)) == ("Store", tagged)  # a validator makes all of these worth storing


@pytest.mark.parametrize(
    "cache_control, reason",
    [
        ("no-store, max-age=60", Reason.NO_STORE),
        ("max-age=60, no-store=1", Reason.NO_STORE),
        ("private, max-age=60", Reason.PRIVATE),
        ("max-age=60; private", Reason.PRIVATE),
        ("private, s-maxage=60", Reason.PRIVATE),
        ('private="set-cookie", private, max-age=60', Reason.PRIVATE),
        ("no-store, private, no-cache", Reason.NO_STORE),
        ("must-understand, no-store, private", Reason.PRIVATE),
    ],
)
def test_directives_that_forbid(cache_control: str, reason: Reason) -> None:
    assert why(answer(f"Cache-Control: {cache_control}", DATE, ETAG)) == ("Forward", reason)


@pytest.mark.parametrize(
    "lines, outcome",
    [
        (["CDN-Cache-Control: max-age=60", "Cache-Control: no-store"], ("Store", Reason.MAX_AGE)),
        (["CDN-Cache-Control: max-age=60", "Cache-Control: private", "Expires: {-60}"], ("Store", Reason.MAX_AGE)),
        (["CDN-Cache-Control: no-store", MINUTE], ("Forward", Reason.NO_STORE)),
        (["CDN-Cache-Control: private", MINUTE], ("Forward", Reason.PRIVATE)),
        (["CDN-Cache-Control: max-age=0", MINUTE], ("Forward", Reason.STALE_ON_ARRIVAL)),
        (["CDN-Cache-Control: no-cache", MINUTE], ("Forward", Reason.NO_CACHE)),
        (["CDN-Cache-Control: max-age=-1", MINUTE], ("Forward", Reason.INVALID_FRESHNESS)),
        # it says nothing about freshness, and neither Cache-Control nor Expires speaks for it
        (["CDN-Cache-Control: public", MINUTE, "Expires: {60}"], ("Forward", Reason.NO_EXPLICIT_FRESHNESS)),
        (["CDN-Cache-Control: ext=1", MINUTE, MODIFIED], ("Store", Reason.HEURISTIC)),
        # not valid: as if it were not there
        (['CDN-Cache-Control: max-age="60"', "Cache-Control: no-store"], ("Forward", Reason.NO_STORE)),
        (["CDN-Cache-Control: max-age=&", MINUTE], ("Store", Reason.MAX_AGE)),
        (["CDN-Cache-Control:", MINUTE], ("Store", Reason.MAX_AGE)),
    ],
)
def test_a_targeted_field_in_the_place_of_cache_control(lines: list[str], outcome: tuple[str, Reason]) -> None:
    assert why(answer(*lines, DATE)) == outcome


def test_a_targeted_field_is_stored_and_counts_for_who_is_its_target() -> None:
    came = answer("CDN-Cache-Control: max-age=60", "Cache-Control: no-store", DATE)
    conclusion = conclude(request(), None, came, CLEAN, STANDARD, NOW)
    assert isinstance(conclusion, Store)
    assert conclusion.fields == came.head.fields
    assert why(came, profile=replace(STANDARD, targeted_fields=())) == ("Forward", Reason.NO_STORE)


@pytest.mark.parametrize(
    "status", [200, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 404, 405, 410, 418, 500, 501, 502, 503, 599, 999]
)
def test_any_final_status_with_explicit_freshness(status: int) -> None:
    assert why(answer(MINUTE, status=status)) == ("Store", Reason.MAX_AGE)
    assert why(answer("Expires: {60}", DATE, status=status)) == ("Store", Reason.EXPIRES)


@pytest.mark.parametrize(
    "status, reason",
    [
        (100, Reason.INTERIM),
        (103, Reason.INTERIM),
        (206, Reason.PARTIAL),  # nobody asked for a part
        (304, Reason.NOT_MODIFIED),  # nobody asked for a validation
        (412, Reason.RANGE_REFUSED),
        (416, Reason.RANGE_REFUSED),
    ],
)
def test_status_that_is_never_stored(status: int, reason: Reason) -> None:
    assert why(answer(MINUTE, ETAG, "Content-Range: bytes */10", status=status)) == ("Forward", reason)


@pytest.mark.parametrize("status", [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
def test_status_that_may_be_stored_by_default(status: int) -> None:
    assert why(answer(MODIFIED, DATE, status=status)) == ("Store", Reason.HEURISTIC)
    assert why(answer(ETAG, DATE, status=status)) == ("Store", Reason.NO_EXPLICIT_FRESHNESS)


@pytest.mark.parametrize("status", [201, 202, 299, 302, 303, 307, 400, 403, 500, 502, 503, 504, 599])
def test_status_that_needs_explicit_freshness(status: int) -> None:
    assert why(answer(MODIFIED, DATE, ETAG, status=status)) == ("Forward", Reason.NO_EXPLICIT_FRESHNESS)
    assert why(answer("Cache-Control: public", MODIFIED, DATE, status=status)) == ("Store", Reason.HEURISTIC)


@pytest.mark.parametrize(
    "status, outcome", [(200, "Store"), (404, "Store"), (299, "Forward"), (599, "Forward"), (418, "Forward"), (306, "Forward")]
)
def test_must_understand(status: int, outcome: str) -> None:
    found, reason = why(answer("Cache-Control: max-age=60, must-understand, no-store", status=status))
    assert (found, reason) == (outcome, Reason.MAX_AGE if outcome == "Store" else Reason.MUST_UNDERSTAND)


OWN = "Content-Location: /a"


@pytest.mark.parametrize(
    "method, lines, status, outcome",
    [
        (b"HEAD", [MINUTE], 200, ("Forward", Reason.HEAD_NOT_STORED)),
        (b"POST", [MINUTE], 200, ("Forward", Reason.METHOD)),
        (b"POST", [MINUTE, OWN], 200, ("Store", Reason.MAX_AGE)),
        (b"POST", ["Expires: {60}", DATE, "Content-Location: http://h/a"], 201, ("Store", Reason.EXPIRES)),
        (b"POST", [MINUTE, "Content-Location: a"], 200, ("Store", Reason.MAX_AGE)),
        (b"POST", [MINUTE, "Content-Location:"], 200, ("Store", Reason.MAX_AGE)),
        (b"POST", [MINUTE, "Content-Location: https://H:443/a"], 200, ("Store", Reason.MAX_AGE)),  # who terminates TLS is not known to it
        (b"POST", [MINUTE, "Content-Location: http://h/b"], 200, ("Forward", Reason.METHOD)),
        (b"POST", [MINUTE, "Content-Location: /a?"], 200, ("Forward", Reason.METHOD)),
        (b"POST", [MINUTE, "Content-Location: http://other/a"], 200, ("Forward", Reason.METHOD)),
        (b"POST", [MINUTE, "Content-Location: mailto:h/a"], 200, ("Forward", Reason.METHOD)),
        (b"POST", [MINUTE, OWN, OWN], 200, ("Forward", Reason.METHOD)),
        (b"POST", [MINUTE, OWN], 303, ("Forward", Reason.METHOD)),
        (b"POST", [MINUTE, OWN], 500, ("Forward", Reason.METHOD)),
        (b"POST", [MODIFIED, DATE, OWN], 200, ("Forward", Reason.NO_EXPLICIT_FRESHNESS)),
        (b"POST", ["Cache-Control: no-cache", ETAG, OWN], 200, ("Forward", Reason.NO_EXPLICIT_FRESHNESS)),
        (b"POST", ["Cache-Control: max-age=60, no-store", OWN], 200, ("Forward", Reason.NO_STORE)),
        (b"PUT", [MINUTE, OWN], 200, ("Forward", Reason.METHOD)),
        (b"QUERY", [MINUTE, OWN], 200, ("Forward", Reason.METHOD)),
    ],
)
def test_method(method: bytes, lines: list[str], status: int, outcome: tuple[str, Reason]) -> None:
    assert why(answer(*lines, status=status), request(method=method, has_content=method == b"POST")) == outcome


def test_an_origin_names_itself_as_it_was_asked() -> None:
    asked = request(method=b"POST")
    asked.fields = fields("Host: localhost:3000")
    assert why(answer(MINUTE, "Content-Location: http://localhost:3000/a"), asked) == ("Store", Reason.MAX_AGE)
    assert why(answer(MINUTE, "Content-Location: http://localhost/a"), asked) == ("Forward", Reason.METHOD)


def test_a_get_with_content_is_not_stored() -> None:
    assert why(answer(MINUTE), request(has_content=True)) == ("Forward", Reason.REQUEST_CONTENT)


def test_a_request_can_forbid_to_store_anything() -> None:
    assert why(answer(MINUTE), request("Cache-Control: no-store")) == ("Forward", Reason.REQUEST_NO_STORE)
    assert why(answer(MINUTE, OWN), request("Cache-Control: no-store", method=b"POST")) == ("Forward", Reason.REQUEST_NO_STORE)
    ignoring = replace(STANDARD, obeys_request_directives=False)
    assert why(answer(MINUTE), request("Cache-Control: no-store"), ignoring) == ("Store", Reason.MAX_AGE)
    assert why(answer(MINUTE, OWN), request(method=b"POST", rule=Rule("/a", bypass=True))) == ("Forward", Reason.RULE_BYPASS)


@pytest.mark.parametrize(
    "cache_control, outcome",
    [
        ("max-age=60", ("Forward", Reason.AUTHORIZATION)),
        ("max-age=60, proxy-revalidate", ("Forward", Reason.AUTHORIZATION)),
        ("max-age=60, public", ("Store", Reason.MAX_AGE)),
        ("max-age=60, must-revalidate", ("Store", Reason.MAX_AGE)),
        ("s-maxage=60", ("Store", Reason.S_MAXAGE)),
        ("public, private, max-age=60", ("Forward", Reason.PRIVATE)),
    ],
)
def test_authorization(cache_control: str, outcome: tuple[str, Reason]) -> None:
    asked = request("Authorization: Basic Zm9vOmJhcg==")
    assert why(answer(f"Cache-Control: {cache_control}"), asked) == outcome


def test_cookies_are_the_profiles_choice() -> None:
    sets_one = answer(MINUTE, "Set-Cookie: a=1", DATE)
    assert why(sets_one) == ("Store", Reason.COOKIE_STORED)
    assert why(sets_one, profile=NO_COOKIES) == ("Forward", Reason.SET_COOKIE)
    assert why(sets_one, profile=STRIPS) == ("Store", Reason.COOKIE_STRIPPED)
    conclusion = conclude(request(), None, sets_one, CLEAN, STRIPS, NOW)
    assert isinstance(conclusion, Store)
    assert conclusion.fields == fields(MINUTE, DATE)
    assert why(answer(MINUTE), request("Cookie: a=1"), NO_COOKIES) == ("Store", Reason.MAX_AGE)


@pytest.mark.parametrize("vary, outcome", [("Accept", "Store"), ("*", "Forward"), ("Accept, *", "Forward"), ("a b", "Forward")])
def test_vary(vary: str, outcome: str) -> None:
    assert why(answer(MINUTE, f"Vary: {vary}")) == (outcome, Reason.MAX_AGE if outcome == "Store" else Reason.VARY_ANY)


@pytest.mark.parametrize(
    "lines, delay_s, outcome",
    [
        ([MINUTE, "Age: 59"], 0.0, ("Store", Reason.MAX_AGE)),
        ([MINUTE, "Age: 60"], 0.0, ("Forward", Reason.STALE_ON_ARRIVAL)),
        ([MINUTE, "Age: 60", ETAG], 0.0, ("Store", Reason.STALE_ON_ARRIVAL)),
        ([MINUTE, "Age: 7200, 0"], 0.0, ("Forward", Reason.STALE_ON_ARRIVAL)),
        ([MINUTE, "Age: 59"], 1.0, ("Forward", Reason.STALE_ON_ARRIVAL)),
        ([MINUTE, "Date: {-61}"], 0.0, ("Forward", Reason.STALE_ON_ARRIVAL)),
        (["Expires: {60}", DATE], 0.0, ("Store", Reason.EXPIRES)),
        (["Expires: {0}", DATE], 0.0, ("Forward", Reason.STALE_ON_ARRIVAL)),
        (["Expires: 0", DATE], 0.0, ("Forward", Reason.INVALID_FRESHNESS)),
        (["Cache-Control: max-age=60, stale-while-revalidate=30", "Age: 89"], 0.0, ("Store", Reason.STALE_ON_ARRIVAL)),
        (["Cache-Control: max-age=60, stale-while-revalidate=30", "Age: 90"], 0.0, ("Forward", Reason.STALE_ON_ARRIVAL)),
    ],
)
def test_stale_on_arrival(lines: list[str], delay_s: float, outcome: tuple[str, Reason]) -> None:
    assert why(answer(*lines, delay_s=delay_s)) == outcome


def test_overtaken_by_an_invalidation() -> None:
    assert why(answer(MINUTE), verdict=HardCovered(5)) == ("Forward", Reason.OVERTAKEN)
    assert why(answer("Cache-Control: no-store"), verdict=HardCovered(5)) == ("Forward", Reason.NO_STORE)  # not stored anyway
    # what a soft purge overtook is stored as stale as its position makes it
    assert why(answer(MINUTE), verdict=SoftCovered(5, NOW)) == ("Store", Reason.MAX_AGE)


def test_what_is_stored() -> None:
    came = answer(
        DATE,
        "Cache-Control: max-age=600, stale-while-revalidate=30, stale-if-error=90",
        'Cache-Control: private="X-User", no-cache="x-nonce, set-cookie"',
        "Vary: Accept, Foo",
        "Age: 30",
        "Connection: close, X-Hop",
        "X-Hop: 1",
        "X-User: me",
        "X-Nonce: 4",
        "Proxy-Authenticate: Basic",
        'Cache-Groups: "one", "two"',
        "Surrogate-Key: News front",
        "X-Own: 1",
        delay_s=2.0,
    )
    assert conclude(request("Foo: 1"), None, came, CLEAN, STANDARD, NOW) == Store(
        status=200,
        phrase=b"",
        fields=fields(
            DATE,
            "Cache-Control: max-age=600, stale-while-revalidate=30, stale-if-error=90",
            'Cache-Control: private="X-User", no-cache="x-nonce, set-cookie"',
            "Vary: Accept, Foo",
            "Age: 30",
            'Cache-Groups: "one", "two"',
            "Surrogate-Key: News front",
            "X-Own: 1",
        ),
        vary=((b"accept", None), (b"foo", b"1")),
        derived=Derived(600.0, 32.0, ReuseTerms(swr_s=30.0, sie_s=90.0), Reason.MAX_AGE),
        part=None,
        groups=("one", "two"),
        tags=("news", "front"),
        reason=Reason.MAX_AGE,
    )


@pytest.mark.parametrize("offset_s", [0.0, 3600.0])
def test_a_missing_date_is_added_by_the_origins_clock(offset_s: float) -> None:
    conclusion = conclude(request(), None, answer(MINUTE, offset_s=offset_s), CLEAN, STANDARD, NOW + offset_s)
    assert isinstance(conclusion, Store)
    assert conclusion.fields == fields(MINUTE, DATE)


def test_after_time_travel_what_is_fetched_is_as_fresh_as_ever() -> None:
    came = answer("Expires: {60}", DATE, offset_s=3600.0)
    conclusion = conclude(request(), None, came, CLEAN, STANDARD, NOW + 3600.0)
    assert isinstance(conclusion, Store)
    assert conclusion.derived == Derived(60.0, 0.0, PLAIN_TERMS, Reason.EXPIRES)


# Rules of the configuration

FORCED = Rule("/a", ttl_s=300.0, force=True)


@pytest.mark.parametrize(
    "rule, lines, status, outcome, lifetime_s",
    [
        (Rule("/a", ttl_s=300.0), [], 200, ("Store", Reason.RULE_TTL), 300.0),
        (Rule("/a", ttl_s=300.0), [MODIFIED, DATE], 404, ("Store", Reason.RULE_TTL), 300.0),
        (Rule("/a", ttl_s=300.0), [MINUTE], 200, ("Store", Reason.MAX_AGE), 60.0),
        (Rule("/a", ttl_s=300.0), ["Cache-Control: no-store"], 200, ("Forward", Reason.NO_STORE), None),
        (Rule("/a", ttl_s=300.0), [], 500, ("Forward", Reason.NO_EXPLICIT_FRESHNESS), None),
        (Rule("/a", ttl_s=0.0), [], 200, ("Forward", Reason.STALE_ON_ARRIVAL), None),
        (FORCED, ["Cache-Control: no-store, private, no-cache"], 200, ("Store", Reason.RULE_FORCED), 300.0),
        (FORCED, [MINUTE, "Expires: 0"], 302, ("Store", Reason.RULE_FORCED), 300.0),
        (FORCED, ["Cache-Control: no-store"], 500, ("Forward", Reason.NO_STORE), None),
        (FORCED, ["Vary: *"], 200, ("Forward", Reason.VARY_ANY), None),
        (Rule("/a", force=True), ["Cache-Control: no-store"], 200, ("Forward", Reason.NO_STORE), None),  # forced for how long?
    ],
)
def test_rules(rule: Rule, lines: list[str], status: int, outcome: tuple[str, Reason], lifetime_s: float | None) -> None:
    asked = request(rule=rule)
    came = answer(*lines, status=status)
    assert why(came, asked) == outcome
    if lifetime_s is not None:
        conclusion = conclude(asked, None, came, CLEAN, STANDARD, NOW)
        assert isinstance(conclusion, Store)
        assert (conclusion.derived.lifetime_s, conclusion.derived.terms) == (lifetime_s, PLAIN_TERMS)


def test_a_rule_forces_no_answer_that_was_for_one_user() -> None:
    assert why(answer(), request("Authorization: Basic x", rule=FORCED)) == ("Forward", Reason.AUTHORIZATION)
    assert why(answer("Set-Cookie: a=1"), request(rule=FORCED), NO_COOKIES) == ("Forward", Reason.SET_COOKIE)


# Parts


def part(first: int, last: int, complete_length: int | None, *lines: str, **differently: object) -> StoredResponse:
    return stored(*lines, status=206, part=Part(first, last, complete_length), length=last - first + 1, **differently)


@pytest.mark.parametrize(
    "content_range, length, status, held",
    [
        ("bytes 0-4/10", "5", 206, (0, 4, 10)),
        ("bytes 5-9/10", None, 206, (5, 9, 10)),
        ("bytes 0-4/*", "005", 206, (0, 4, None)),
        ("bytes 0-9/10", "10", 200, None),  # all there is: the whole
        ("bytes 4-9/10", "5", None, None),  # five bytes are no six
        ("items 0-4/10", "5", None, None),
        ("bytes */10", "5", None, None),
        (None, "5", None, None),
    ],
)
def test_storing_a_part(
    content_range: str | None, length: str | None, status: int | None, held: tuple[int, int, int | None] | None
) -> None:
    lines = [MINUTE, ETAG, DATE]
    about = [f"Content-Range: {content_range}"] if content_range else []
    about += [f"Content-Length: {length}"] if length else []
    conclusion = conclude(request("Range: bytes=0-9"), None, answer(*lines, *about, status=206), CLEAN, STANDARD, NOW)
    if status is None:
        assert conclusion == Forward(Reason.PARTIAL)
        return
    assert isinstance(conclusion, Store)
    assert (conclusion.status, conclusion.part) == (status, None if held is None else Part(*held))
    assert conclusion.fields == fields(*lines)
    assert conclusion.reason is Reason.MAX_AGE


def test_several_parts_in_one_answer_are_not_stored() -> None:
    came = answer(MINUTE, "Content-Type: multipart/byteranges; boundary=x", status=206)
    assert conclude(request("Range: bytes=0-1,5-6"), None, came, CLEAN, STANDARD, NOW) == Forward(Reason.PARTIAL)


SECOND = ["Content-Range: bytes 5-9/10", "Content-Length: 5", MINUTE, DATE]


@pytest.mark.parametrize(
    "held, content_range, together",
    [
        ((0, 4, 10), "bytes 5-7/10", (0, 7, 10)),
        ((0, 4, 10), "bytes 3-7/10", (0, 7, 10)),
        ((0, 4, None), "bytes 5-7/10", (0, 7, 10)),
        ((0, 4, 10), "bytes 5-7/*", (0, 7, 10)),
        ((5, 7, 10), "bytes 2-4/10", (2, 7, 10)),
        ((0, 7, 10), "bytes 2-4/10", (0, 7, 10)),
        ((0, 4, 10), "bytes 5-9/10", None),  # the whole
        ((5, 9, 10), "bytes 0-5/10", None),
    ],
)
def test_combining_parts(held: tuple[int, int, int | None], content_range: str, together: tuple[int, int, int | None] | None) -> None:
    own = part(*held, "Cache-Control: max-age=5", ETAG, "Date: {-90}", "A: 1", "B: 1")
    came = answer(MINUTE, ETAG, DATE, "B: 2", f"Content-Range: {content_range}", status=206)
    conclusion = conclude(request("Range: bytes=0-"), (own, CLEAN), came, CLEAN, STANDARD, NOW)
    assert isinstance(conclusion, Combine)
    assert conclusion.stored is own
    assert conclusion.part == (None if together is None else Part(*together))
    assert conclusion.status == (200 if together is None else 206)
    assert sorted(conclusion.fields) == sorted(fields("A: 1", "B: 2", ETAG, MINUTE, DATE))
    assert conclusion.derived == Derived(60.0, 0.0, PLAIN_TERMS, Reason.MAX_AGE)
    assert conclusion.reason is Reason.COMBINED


@pytest.mark.parametrize("directive", ["no-cache", "private"])
def test_parts_together_have_no_field_that_either_keeps_from_being_stored(directive: str) -> None:
    """The second part says nothing about caching, so what the first said holds for both, and for the fields that came with the second."""
    own = part(0, 4, 10, f'Cache-Control: max-age=60, {directive}="a"', ETAG, DATE, "B: 1")
    came = answer("Content-Range: bytes 5-7/10", ETAG, DATE, "A: 2", "B: 2", status=206)
    conclusion = conclude(request("Range: bytes=5-7"), (own, CLEAN), came, CLEAN, STANDARD, NOW)
    assert isinstance(conclusion, Combine)
    assert sorted(conclusion.fields) == sorted(fields(f'Cache-Control: max-age=60, {directive}="a"', ETAG, DATE, "B: 2"))


@pytest.mark.parametrize(
    "held, etags, standing",
    [
        ((0, 3, 10), (ETAG, ETAG), CLEAN),  # a byte is missing
        ((0, 4, 11), (ETAG, ETAG), CLEAN),  # not of one length
        ((0, 4, 10), (ETAG, 'ETag: "b"'), CLEAN),
        ((0, 4, 10), ('ETag: W/"a"', 'ETag: W/"a"'), CLEAN),
        ((0, 4, 10), (MODIFIED, MODIFIED), CLEAN),
        ((0, 4, 10), ("A: 1", "A: 1"), CLEAN),
        ((0, 4, 10), (ETAG, ETAG), SoftCovered(7, NOW)),
        ((0, 4, 10), (ETAG, ETAG), HardCovered(7)),
    ],
)
def test_parts_that_do_not_combine(held: tuple[int, int, int], etags: tuple[str, str], standing: Verdict) -> None:
    own = part(*held, MINUTE, etags[0])
    conclusion = conclude(request("Range: bytes=5-"), (own, standing), answer(*SECOND, etags[1], status=206), CLEAN, STANDARD, NOW)
    assert isinstance(conclusion, Store)
    assert conclusion.part == Part(5, 9, 10)


def test_a_part_of_another_variant_does_not_combine() -> None:
    own = part(0, 4, 10, MINUTE, ETAG)
    conclusion = conclude(request("Range: bytes=5-"), (own, CLEAN), answer(*SECOND, ETAG, "Vary: A", status=206), CLEAN, STANDARD, NOW)
    assert isinstance(conclusion, Store)


def test_an_answer_to_if_range_is_only_stored_with_what_it_adds_to() -> None:
    asked = request("Range: bytes=5-", 'If-Range: "a"')
    came = answer(*SECOND, ETAG, status=206)
    assert conclude(asked, None, came, CLEAN, STANDARD, NOW) == Forward(Reason.PARTIAL_ALONE)
    assert isinstance(conclude(asked, (part(0, 4, 10, MINUTE, ETAG), CLEAN), came, CLEAN, STANDARD, NOW), Combine)
    assert conclude(asked, (part(0, 3, 10, MINUTE, ETAG), CLEAN), came, CLEAN, STANDARD, NOW) == Forward(Reason.PARTIAL_ALONE)


def test_a_part_of_what_is_stored_whole_says_that_it_is_current() -> None:
    own = stored("Cache-Control: max-age=5", ETAG, "Content-Length: 10")
    conclusion = conclude(request("Range: bytes=5-"), (own, CLEAN), answer(*SECOND, ETAG, status=206), CLEAN, STANDARD, NOW)
    assert isinstance(conclusion, Forward)
    update = conclusion.update
    assert update is not None
    assert (update.stored, update.raises_position, update.derived.lifetime_s) == (own, False, 60.0)
    assert sorted(update.fields) == sorted(fields(ETAG, "Content-Length: 10", MINUTE, DATE))


def test_an_overtaken_part_is_not_stored() -> None:
    came = answer(*SECOND, ETAG, status=206)
    assert conclude(request("Range: bytes=5-"), None, came, HardCovered(7), STANDARD, NOW) == Forward(Reason.OVERTAKEN)


# What is stored and what the answer shows of it


@pytest.mark.parametrize(
    "lines, status, supersedes",
    [
        (["Cache-Control: no-store"], 200, True),
        (["Cache-Control: private"], 200, True),
        ([], 200, True),
        (["Vary: *", MINUTE], 200, True),
        ([], 302, True),
        ([], 404, True),
        ([], 410, True),
        ([], 401, False),
        ([], 403, False),
        ([], 429, False),
        ([], 500, False),
        ([], 503, False),
        (["Content-Range: bytes 0-1/9", "Content-Length: 5"], 206, False),
    ],
)
def test_an_answer_that_is_not_stored_can_outdate_what_is(lines: list[str], status: int, supersedes: bool) -> None:
    own = stored("Cache-Control: max-age=0", ETAG)
    conclusion = conclude(request("Range: bytes=0-1"), (own, CLEAN), answer(*lines, status=status), CLEAN, STANDARD, NOW)
    assert isinstance(conclusion, Forward)
    assert (conclusion.supersedes, conclusion.outdated) == (supersedes, None)
    nothing_selected = conclude(request("Range: bytes=0-1"), None, answer(*lines, status=status), CLEAN, STANDARD, NOW)
    assert nothing_selected == conclusion  # something may be stored by now
    # what one user is told says nothing to the others
    alone = request("Range: bytes=0-1", "Authorization: Basic x")
    told = conclude(alone, (own, CLEAN), answer(*lines, status=status), CLEAN, STANDARD, NOW)
    assert isinstance(told, Forward)
    assert not told.supersedes
