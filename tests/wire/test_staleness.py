"""When a stale response is served, and when not: windows, failures, soft purges and a clock that is moved (RFC 9111 4.2.4, RFC 5861)."""

from __future__ import annotations

import http_sf
import pytest
from wirekit import StandingClock, fresh, ok
from wirestage import HeldOrigin, advance, api, conditions, purge, replies, rounds, settled, several, soft_purge, start, told

from edgecache.semantics.dates import format_http_date

SWR = "Cache-Control: max-age=60, stale-while-revalidate=100"
SIE = "Cache-Control: max-age=60, stale-if-error=100"


def not_modified(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 304 Not Modified", *lines]).encode() + b"\r\n\r\n"


async def stored_on(start_kit, *lines: str, **settings: object):
    """A kit whose origin has answered one request for /a with these fields, and holds whatever comes now."""
    origin = HeldOrigin()
    kit = await start_kit(origin, **settings)
    client = await start(kit)
    await (await origin.nth(0)).send(ok(b"old", *lines))
    await client.reply()
    return kit, origin


# stale-while-revalidate


async def test_the_first_stale_request_is_answered_at_once_and_refreshed_behind_its_back(start_kit):
    kit, origin = await stored_on(start_kit, SWR, 'ETag: "a"')
    kit.clock.pass_time(70)
    reply = await kit.get("/a")
    assert (reply.body, reply.get("age")) == (b"old", b"70")
    assert reply.cache_status == "edgecache; hit; ttl=-10; detail=stale-while-revalidate"
    refresh = await origin.nth(1)
    assert conditions(refresh.seen) == [b'If-None-Match: "a"']
    await refresh.send(fresh(b"new"))
    await settled(kit)
    reply = await kit.get("/a")
    assert (reply.body, reply.hit, len(origin.asked)) == (b"new", True, 2)


async def test_many_stale_requests_cause_one_refresh(start_kit):
    kit, origin = await stored_on(start_kit, SWR)
    kit.clock.pass_time(70)
    got = await replies(await several(kit, 30))
    assert {(reply.body, reply.hit) for reply in got} == {(b"old", True)}
    await origin.nth(1)
    assert {reply.body for reply in await replies(await several(kit, 5))} == {b"old"}
    await rounds(kit)
    assert len(origin.asked) == 2


async def test_a_refresh_that_says_that_it_holds_makes_it_fresh(start_kit):
    kit, origin = await stored_on(start_kit, SWR, 'ETag: "a"')
    kit.clock.pass_time(70)
    await kit.get("/a")
    await (await origin.nth(1)).send(not_modified('ETag: "a"'))
    await settled(kit)
    assert (await kit.get("/a")).cache_status == "edgecache; hit; ttl=60; detail=fresh"


@pytest.mark.parametrize("lines", [["Range: bytes=0-0"], ['If-None-Match: "other"'], ["Range: bytes=0-0", 'If-Range: "a"']])
async def test_a_refresh_asks_for_the_whole(start_kit, lines):
    kit, origin = await stored_on(start_kit, SWR, 'ETag: "a"')
    kit.clock.pass_time(70)
    reply = await kit.get("/a", *lines)
    assert reply.body == (b"o" if "Range: bytes=0-0" in lines else b"old")
    refresh = await origin.nth(1)
    assert (refresh.seen.method, refresh.seen.get("range"), refresh.seen.get("if-range")) == (b"GET", None, None)
    await refresh.send(fresh(b"new"))
    await settled(kit)
    assert (await kit.get("/a")).body == b"new"


async def test_a_head_request_is_refreshed_with_get(start_kit):
    kit, origin = await stored_on(start_kit, SWR)
    kit.clock.pass_time(70)
    assert (await kit.request("HEAD", "/a")).hit
    assert (await origin.nth(1)).seen.method == b"GET"


@pytest.mark.parametrize("answer", [ok(b"oops", status="503 X"), b""])
async def test_a_refresh_that_fails_is_tried_again_by_the_next_request(start_kit, answer):
    kit, origin = await stored_on(start_kit, SWR)
    kit.clock.pass_time(70)
    await kit.get("/a")
    refresh = await origin.nth(1)
    if answer:
        await refresh.send(answer)
    else:
        await refresh.fail()
    await settled(kit)
    assert (await kit.get("/a")).body == b"old"
    await (await origin.nth(2)).send(fresh(b"new"))
    await settled(kit)
    assert (await kit.get("/a")).body == b"new"


async def test_after_the_window_requests_wait(start_kit):
    kit, origin = await stored_on(start_kit, SWR)
    kit.clock.pass_time(160)
    client = await start(kit)
    await (await origin.nth(1)).send(fresh(b"new"))
    reply = await client.reply()
    assert (reply.body, reply.hit) == (b"new", False)


async def test_at_the_last_moment_of_the_window_they_do_not(start_kit):
    kit, _ = await stored_on(start_kit, SWR)
    kit.clock.pass_time(159.9)
    assert (await kit.get("/a")).body == b"old"


@pytest.mark.parametrize(
    "line",
    [
        "Cache-Control: max-age=60, stale-while-revalidate",
        "Cache-Control: max-age=60, stale-while-revalidate=soon",
        "Cache-Control: max-age=60, stale-while-revalidate=-1",
        "Cache-Control: max-age=60, stale-while-revalidate=0",
        "Cache-Control: s-maxage=60, stale-while-revalidate=100",
        "Cache-Control: max-age=60, stale-while-revalidate=100, must-revalidate",
        "Cache-Control: max-age=60, stale-while-revalidate=100, proxy-revalidate",
        "Cache-Control: max-age=60, stale-while-revalidate=100, no-cache",
    ],
)
async def test_without_a_valid_window_or_with_a_prohibition_requests_wait(start_kit, line):
    kit, origin = await stored_on(start_kit, line, 'ETag: "a"')
    kit.clock.pass_time(70)
    client = await start(kit)
    await (await origin.nth(1)).send(fresh(b"new"))
    assert (await client.reply()).body == b"new"


@pytest.mark.parametrize("line", ["Cache-Control: no-cache", "Cache-Control: max-age=65", "Cache-Control: min-fresh=1", "Pragma: no-cache"])
async def test_a_request_that_wants_it_fresh_waits(start_kit, line):
    kit, origin = await stored_on(start_kit, SWR)
    kit.clock.pass_time(70)
    client = await start(kit, "/a", line)
    await (await origin.nth(1)).send(fresh(b"new"))
    assert (await client.reply()).body == b"new"


async def test_purged_while_it_is_refreshed_the_result_is_not_used(start_kit):
    """The refresh was asked for before the purge: whatever it brings is what the purge was about."""
    kit, origin = await stored_on(start_kit, SWR)
    kit.clock.pass_time(70)
    await kit.get("/a")
    refresh = await origin.nth(1)
    await purge(kit)
    client = await start(kit)
    await (await origin.nth(2)).send(fresh(b"new"))
    assert (await client.reply()).body == b"new"
    await refresh.send(fresh(b"from before the purge"))
    await settled(kit)
    reply = await kit.get("/a")
    assert (reply.body, reply.hit, len(origin.asked)) == (b"new", True, 3)


async def test_purged_while_it_is_validated_behind_its_back_the_whole_is_asked_for(start_kit):
    kit, origin = await stored_on(start_kit, SWR, 'ETag: "a"')
    kit.clock.pass_time(70)
    await kit.get("/a")
    refresh = await origin.nth(1)
    await purge(kit)
    await refresh.send(not_modified('ETag: "a"'))
    again = await origin.nth(2)
    assert conditions(again.seen) == []
    await again.send(fresh(b"new"))
    await settled(kit)
    assert (await kit.get("/a")).body == b"new"


async def test_soft_purged_while_it_is_refreshed_it_is_refreshed_once_more(start_kit):
    """One refresh suffices, unless a purge came after it was asked for."""
    kit, origin = await stored_on(start_kit, SWR)
    kit.clock.pass_time(70)
    await kit.get("/a")
    first = await origin.nth(1)
    await soft_purge(kit)
    assert (await kit.get("/a")).body == b"old"
    second = await origin.nth(2)
    await first.send(ok(b"from before the purge", SWR))
    await rounds(kit)
    assert (await kit.get("/a")).hit
    await rounds(kit)
    assert len(origin.asked) == 3
    await second.send(fresh(b"new"))
    await settled(kit)
    assert (await kit.get("/a")).body == b"new"


async def test_refreshes_have_a_limit_and_stale_is_served_beyond_it(start_kit):
    origin = HeldOrigin()
    kit = await start_kit(origin, refreshes=1)
    for number, target in enumerate(("/a", "/b")):
        client = await start(kit, target)
        await (await origin.nth(number)).send(ok(b"old", SWR))
        await client.reply()
    kit.clock.pass_time(70)
    assert (await kit.get("/a")).body == b"old"
    await origin.nth(2)
    assert (await kit.get("/b")).body == b"old"
    await rounds(kit)
    assert len(origin.asked) == 3


async def test_without_refreshes_stale_is_served_until_the_window_is_over(start_kit):
    kit, origin = await stored_on(start_kit, SWR, refreshes=0)
    kit.clock.pass_time(70)
    assert {(await kit.get("/a")).body for _ in range(3)} == {b"old"}
    await rounds(kit)
    assert len(origin.asked) == 1
    kit.clock.pass_time(100)
    client = await start(kit)
    await (await origin.nth(1)).send(fresh(b"new"))
    assert (await client.reply()).body == b"new"


async def test_a_request_after_the_window_joins_the_refresh_that_is_under_way(start_kit):
    kit, origin = await stored_on(start_kit, SWR)
    kit.clock.pass_time(150)
    await kit.get("/a")
    refresh = await origin.nth(1)
    kit.clock.pass_time(20)
    clients = await several(kit, 3)
    await rounds(kit)
    await refresh.send(fresh(b"new"))
    assert {reply.body for reply in await replies(clients)} == {b"new"}
    assert len(origin.asked) == 2


# stale-if-error


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize(("age_s", "stale"), [(70, True), (159.9, True), (160, False)])
async def test_stale_if_error_within_its_window(kit, status, age_s, stale):
    kit.origin.answer("/a", [ok(b"old", SIE), ok(b"oops", status=f"{status} X")])
    await kit.get("/a")
    kit.clock.pass_time(age_s)
    reply = await kit.get("/a")
    assert (reply.status, reply.body) == ((200, b"old") if stale else (status, b"oops"))
    assert told(reply)["fwd-status"] == status
    assert (told(reply)["detail"] == "stale-if-error") is stale
    assert "hit" not in told(reply)


@pytest.mark.parametrize("status", [400, 403, 404, 410, 429, 501, 505])
async def test_stale_if_error_is_not_for_other_statuses(kit, status):
    kit.origin.answer("/a", [ok(b"old", SIE), ok(b"oops", status=f"{status} X")])
    await kit.get("/a")
    kit.clock.pass_time(70)
    assert (await kit.get("/a")).status == status


@pytest.mark.parametrize(
    ("lines", "asks", "status"),
    [
        (["Cache-Control: max-age=60"], [], 503),
        (["Cache-Control: max-age=60"], ["Cache-Control: stale-if-error=100"], 200),
        (["Cache-Control: max-age=60"], ["Cache-Control: stale-if-error=5"], 503),
        ([SIE], ["Cache-Control: no-cache"], 503),
        ([SIE + ", must-revalidate"], [], 503),
        ([SIE + ", proxy-revalidate"], [], 503),
        ([SIE + ", no-cache", 'ETag: "a"'], [], 503),
        (["Cache-Control: s-maxage=60, stale-if-error=100"], [], 503),
        (["Cache-Control: max-age=60, stale-if-error"], [], 503),
    ],
)
async def test_who_asked_for_stale_on_error(kit, lines, asks, status):
    kit.origin.answer("/a", [ok(b"old", *lines), ok(b"oops", status="503 X")])
    await kit.get("/a")
    kit.clock.pass_time(70)
    assert (await kit.get("/a", *asks)).status == status


async def test_an_error_that_may_be_stored_does_not_drive_out_what_stands_in_for_it(kit):
    kit.origin.answer("/a", [ok(b"old", "Cache-Control: max-age=60"), ok(b"oops", "Cache-Control: max-age=60", status="503 X")])
    await kit.get("/a")
    kit.clock.pass_time(70)
    reply = await kit.get("/a")
    assert (reply.status, told(reply)["detail"]) == (503, "error-kept-out")
    await kit.origin.stop()
    assert (await kit.get("/a")).body == b"old"


async def test_one_error_is_enough_for_all_who_take_stale(start_kit):
    kit, origin = await stored_on(start_kit, SIE)
    kit.clock.pass_time(70)
    clients = await several(kit, 5)
    await origin.nth(1)
    await rounds(kit)
    strict = await start(kit, "/a", "Cache-Control: no-cache")
    await rounds(kit)
    await origin.asked[1].send(ok(b"oops", status="503 X"))
    got = await replies(clients)
    assert {(reply.status, reply.body, told(reply)["fwd-status"], told(reply)["detail"]) for reply in got} == {
        (200, b"old", 503, "stale-if-error")
    }
    await (await origin.nth(2)).send(ok(b"still", status="503 X"))
    assert (await strict.reply()).body == b"still"
    assert len(origin.asked) == 3


# an origin that gives no answer


async def dead(kit) -> None:
    await kit.origin.stop()
    await kit.until(lambda: kit.edge.pool.figures()["open"] == 0)


@pytest.mark.parametrize(
    ("lines", "age_s", "stale"),
    [
        (["Cache-Control: max-age=60"], 10_000_000, True),
        ([SWR], 161, True),
        ([SIE], 159, True),
        ([SIE], 161, False),
        (["Cache-Control: max-age=60, stale-if-error=0"], 61, False),
        (["Cache-Control: max-age=60, must-revalidate"], 61, False),
        (["Cache-Control: max-age=60, proxy-revalidate"], 61, False),
        (["Cache-Control: s-maxage=60"], 61, False),
        (["Cache-Control: no-cache", 'ETag: "a"'], 1, False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_stale_when_the_origin_is_dead_unless_forbidden(kit, lines, age_s, stale, method):
    kit.origin.answer("/a", ok(b"old", *lines))
    await kit.get("/a")
    await dead(kit)
    kit.clock.pass_time(age_s)
    reply = await kit.request(method, "/a")
    assert (reply.status, reply.error) == (200 if stale else 502, "connection_refused")


async def test_proxy_status_stands_beside_a_stale_answer_and_says_what_failed(kit):
    kit.origin.answer("/a", ok(b"old", "Cache-Control: max-age=60", "Proxy-Status: other; received-status=200"))
    await kit.get("/a")
    await dead(kit)
    kit.clock.pass_time(70)
    reply = await kit.get("/a")
    members = http_sf.parse(b", ".join(reply.all("proxy-status")), tltype="list")
    assert [(str(name), str(parameters.get("error", ""))) for name, parameters in members] == [
        ("other", ""),
        ("edgecache", "connection_refused"),
    ]
    assert told(reply) == {"fwd": "stale", "ttl": -10, "detail": "origin-unreachable"}


async def test_everybody_who_waits_for_a_dead_origin_gets_the_stale_answer_with_the_reason(start_kit):
    """One failure is enough, and each of them is told what failed."""
    kit, origin = await stored_on(start_kit, "Cache-Control: max-age=60")
    kit.clock.pass_time(70)
    clients = await several(kit, 5)
    await origin.nth(1)
    await rounds(kit)
    await origin.asked[1].fail()
    got = await replies(clients)
    assert {(reply.status, reply.body, reply.error) for reply in got} == {(200, b"old", "http_response_incomplete")}
    assert len(origin.asked) == 2


async def test_who_waits_but_does_not_take_stale_gets_the_failure(start_kit):
    """The stale answer is for those who accept one: a reload says that it does not."""
    kit, origin = await stored_on(start_kit, "Cache-Control: max-age=60")
    kit.clock.pass_time(70)
    tolerant = await start(kit)
    await origin.nth(1)
    strict = await start(kit, "/a", "Cache-Control: no-cache")
    await rounds(kit)
    await origin.asked[1].fail()
    assert (await tolerant.reply()).status == 200
    assert (await strict.reply()).status == 502
    assert len(origin.asked) == 2


async def test_a_broken_answer_is_no_answer(start_kit):
    kit, origin = await stored_on(start_kit, "Cache-Control: max-age=60")
    kit.clock.pass_time(70)
    client = await start(kit)
    await (await origin.nth(1)).send(b"nonsense\r\n\r\n")
    reply = await client.reply()
    assert (reply.status, reply.body, reply.error) == (200, b"old", "http_protocol_error")


# soft purges


async def test_windows_count_from_the_first_soft_purge(start_kit):
    kit, origin = await stored_on(start_kit, "Cache-Control: max-age=1000, stale-while-revalidate=100")
    kit.clock.pass_time(10)
    await soft_purge(kit)
    kit.clock.pass_time(99)
    reply = await kit.get("/a")
    assert (reply.body, told(reply)["ttl"], told(reply)["detail"]) == (b"old", -99, "stale-while-revalidate")
    await (await origin.nth(1)).fail()
    await settled(kit)
    await soft_purge(kit)  # a second one extends nothing
    kit.clock.pass_time(1)
    client = await start(kit)
    await (await origin.nth(2)).send(fresh(b"new"))
    assert (await client.reply()).body == b"new"


async def test_a_soft_purge_of_what_was_stale_already_extends_nothing(start_kit):
    kit, origin = await stored_on(start_kit, SWR)
    kit.clock.pass_time(150)
    await soft_purge(kit)
    kit.clock.pass_time(10)
    client = await start(kit)
    await (await origin.nth(1)).send(fresh(b"new"))
    assert (await client.reply()).body == b"new"


@pytest.mark.parametrize("order", ["hard then soft", "soft then hard"])
async def test_hard_beats_soft_in_either_order(start_kit, order):
    kit, origin = await stored_on(start_kit, SWR)
    for kind in order.split(" then "):
        await (purge(kit) if kind == "hard" else soft_purge(kit))
    client = await start(kit)
    await (await origin.nth(1)).fail()
    assert (await client.reply()).status == 502


async def test_a_soft_purge_ends_what_would_be_fresh_for_who_may_not_be_served_stale(start_kit):
    kit, _ = await stored_on(start_kit, "Cache-Control: max-age=60, must-revalidate")
    await soft_purge(kit)
    await dead(kit)
    assert (await kit.get("/a")).status == 502


# the clock


async def test_after_an_hour_ahead_new_urls_are_cached_and_old_ones_validated(kit):
    def now() -> bytes:
        return format_http_date(StandingClock.START)  # the origin's clock, which nobody moves

    date = f"Date: {now().decode()}"
    kit.origin.answer("/old", [fresh(b"old", 'ETag: "a"', date), not_modified('ETag: "a"', date)])
    kit.origin.answer("/new", fresh(b"new", date))
    await kit.get("/old")
    await advance(kit, "1h")
    first, second = await kit.get("/new"), await kit.get("/new")
    assert (told(first)["fwd"], told(second)) == ("uri-miss", {"hit": True, "ttl": 60, "detail": "fresh"})
    reply = await kit.get("/old")
    assert (reply.body, told(reply)["fwd"], conditions(kit.origin.seen[-1])) == (b"old", "stale", [b'If-None-Match: "a"'])
    assert (await kit.get("/old")).hit
    await advance(kit, "59s")
    assert (await kit.get("/new")).hit
    await advance(kit, "1s")
    assert not (await kit.get("/new")).hit


async def test_an_expires_of_the_origins_clock_holds_under_a_moved_one(kit):
    lines = [f"Date: {format_http_date(StandingClock.START).decode()}", f"Expires: {format_http_date(StandingClock.START + 60).decode()}"]
    kit.origin.answer("/a", ok(b"x", *lines))
    await advance(kit, "30d")
    await kit.get("/a")
    reply = await kit.get("/a")
    assert (told(reply)["ttl"], reply.get("date"), reply.get("expires")) == (60, lines[0][6:].encode(), lines[1][9:].encode())


@pytest.mark.parametrize("step", [{"reset": True}, {"advance": "-1h"}, {"advance": "-1s"}])
async def test_going_back_makes_nothing_fresh(kit, step):
    kit.origin.answer("/before", fresh(b"x", 'ETag: "a"'))
    kit.origin.answer("/ahead", fresh(b"x", 'ETag: "a"', max_age=10_000))
    await kit.get("/before")
    await advance(kit, "1h")
    await kit.get("/ahead")
    assert (await kit.get("/ahead")).hit
    assert (await api(kit, "/api/v1/clock", step))[0] == 200
    for target in ("/before", "/ahead"):
        assert not (await kit.get(target)).hit


async def test_going_back_uses_up_the_windows_of_what_lies_ahead(start_kit):
    """It is not known for how long it has been stale: nobody is served it while somebody asks."""
    kit, origin = await stored_on(start_kit)
    await advance(kit, "1h")
    client = await start(kit, "/b")
    await (await origin.nth(1)).send(ok(b"from ahead", "Cache-Control: max-age=60, stale-while-revalidate=100000"))
    await client.reply()
    await api(kit, "/api/v1/clock", {"reset": True})
    client = await start(kit, "/b")
    await (await origin.nth(2)).send(fresh(b"new"))
    assert (await client.reply()).body == b"new"


async def test_a_clock_moved_while_the_origin_thinks_is_no_delay(start_kit):
    origin = HeldOrigin()
    kit = await start_kit(origin)
    client = await start(kit)
    await origin.nth(0)
    await advance(kit, "1h")
    await origin.asked[0].send(fresh(b"x"))
    await client.reply()
    assert told(await kit.get("/a")) == {"hit": True, "ttl": 60, "detail": "fresh"}
