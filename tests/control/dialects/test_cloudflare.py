"""Cloudflare's dialect: what each call appends, what it answers, and what it refuses with which code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dialectkit import Stage, fields
from hypothesis import given
from hypothesis import strategies as st
from invalidationkit import stored_at

from edgecache.config import Vendor
from edgecache.control.dialects.call import Refused, Reply
from edgecache.control.dialects.cloudflare import Cloudflare
from edgecache.control.dialects.cloudflare.codes import CODE_OF, Code
from edgecache.control.dialects.cloudflare.limits import PLANS
from edgecache.control.dialects.evidence import Evidence
from edgecache.control.dialects.faults import Fault, Wanted

ZONE = "023e105f4ecef8ad9ca31a8372d0c353"
PURGE = f"/client/v4/zones/{ZONE}/purge_cache"
INVALIDATE = f"/client/v4/zones/{ZONE}/invalidate_cache"
BEARER = {"Authorization": "Bearer made-up"}
A, B = "https://www.example.com/a", "https://www.example.com/b?x=1"


def stage(**configured: Any) -> Stage:
    return Stage(Vendor.CLOUDFLARE, Cloudflare, stored_at(0, A), **configured)


def body(reply: Reply) -> Any:
    assert reply.content_type == "application/json"
    return json.loads(reply.content)


def error(reply: Reply) -> tuple[int, int, str]:
    """Status, code and message; the envelope is checked."""
    value = body(reply)
    assert (value["success"], value["result"], value["messages"]) == (False, None, [])
    (one,) = value["errors"]
    return reply.status, one["code"], one["message"]


@pytest.mark.parametrize(
    "content, appended",
    [
        ({"files": [A, B]}, [("url", "http://www.example.com/a"), ("url", "http://www.example.com/b?x=1")]),
        ({"files": [A, {"url": B}]}, [("url", "http://www.example.com/a"), ("url", "http://www.example.com/b?x=1")]),
        ({"files": [{"url": A, "headers": {}}]}, [("url", "http://www.example.com/a")]),
        (
            {"files": [{"url": A, "headers": {"CF-Device-Type": "mobile", "Origin": "https://o.example"}}]},
            [("key", f"{A} (CF-Device-Type: mobile, Origin: https://o.example)")],
        ),
        ({"files": ["https://www.example.com/ü b"]}, [("url", "http://www.example.com/%C3%BC%20b")]),
        ({"tags": ["One", "t2"]}, [("tag", "one"), ("tag", "t2")]),
        ({"hosts": ["WWW.example.com"]}, [("host", "www.example.com")]),
        ({"prefixes": ["www.example.com/A/b", "www.example.com"]}, [("prefix", "www.example.com/A/b"), ("prefix", "www.example.com")]),
        ({"purge_everything": True}, [("all", "everything")]),
        ({"purge_everything": False, "tags": ["t"]}, [("tag", "t")]),
        ({"files": None, "tags": ["t"]}, [("tag", "t")]),
    ],
)
@pytest.mark.parametrize(
    "method, path, soft",
    [
        ("POST", PURGE, False),
        ("DELETE", PURGE, False),
        ("POST", INVALIDATE, True),
        ("POST", f"/client/v4/zones/{ZONE}/environments/e1/purge_cache", False),
        ("POST", f"/client/v4/zones/{ZONE}/environments/e1/invalidate_cache", True),
        ("POST", f"/v4/zones/{ZONE}/purge_cache", False),
    ],
)
async def test_what_is_purged(method: str, path: str, soft: bool, content: Any, appended: list[tuple[str, str]]) -> None:
    on = stage()
    reply = await on.call(method, path, content, headers=BEARER)
    assert reply.status == 200
    assert body(reply) == {"success": True, "errors": [], "messages": [], "result": {"id": ZONE}}
    assert on.appended == [(kind, value, "", soft) for kind, value in appended]


@pytest.mark.parametrize(
    "content, status, code, words",
    [
        (b"", 400, 1012, "Request must contain one of"),
        ({}, 400, 1012, ""),
        ({"purge_everything": False}, 400, 1012, ""),
        ({"purge_everything": "true"}, 400, 1012, "true, or left out"),
        ({"purge_everything": 1}, 400, 1012, ""),
        ({"tags": ["x"], "purge_everything": True}, 400, 1012, "tags and purge_everything"),
        ({"files": [A], "hosts": ["www.example.com"]}, 400, 1012, "files and hosts"),
        ({"files": []}, 400, 1012, ""),
        ({"file": [A]}, 400, 1012, ""),
        ({"files": A}, 400, 1014, "must be an array"),
        ({"tags": "x"}, 400, 1014, ""),
        ({"tags": {"a": 1}}, 400, 1014, ""),
        ({"prefixes": 5}, 400, 1014, ""),
        ({"tags": ["x" * 1025]}, 400, 1100, "tags[0]"),
        ({"tags": ["ok", "a\nb"]}, 400, 1315, "tags[1]"),
        ({"tags": ["caf\u00e9"]}, 400, 1315, ""),
        ({"tags": ["a\x7f"]}, 400, 1315, ""),
        ({"tags": [1]}, 400, 1016, "tags[0]"),
        ({"tags": [""]}, 400, 1016, "tags[0]"),
        ({"tags": ["x"] * 101}, 400, 1016, "101 tags, where a call takes 100"),
        ({"files": [A] * 31}, 400, 1016, "31 files, where a call takes 30"),
        ({"files": [1]}, 400, 1016, "files[0]"),
        ({"files": [{"headers": {}}]}, 400, 1016, "files[0].url"),
        ({"files": [{"url": A, "headers": {"a": 1}}]}, 400, 1016, "files[0].headers"),
        ({"files": [{"url": A, "headers": ["a"]}]}, 400, 1016, "files[0].headers"),
        ({"files": [A, "www.example.com/a"]}, 400, 1016, "files[1]: 'www.example.com/a' is not a full URL"),
        ({"files": ["/a"]}, 400, 1016, ""),
        ({"files": [""]}, 400, 1016, ""),
        ({"hosts": ["https://www.example.com"]}, 400, 1016, "hosts[0]"),
        ({"hosts": [None]}, 400, 1016, "hosts[0]"),
        ({"prefixes": ["/a"]}, 400, 1016, "begins with a host"),
        ({"prefixes": ["h" + "/x" * 32]}, 400, 1016, "31 slashes"),
        (b"{", 400, 400, "Malformed JSON"),
        (b"\xff", 400, 400, "Malformed JSON"),
        (b"[]", 400, 400, "no object"),
        (b"[" * 100_000, 400, 400, "Malformed JSON"),
    ],
)
async def test_what_is_refused(content: Any, status: int, code: int, words: str) -> None:
    on = stage()
    for path in (PURGE, INVALIDATE):
        found = error(await on.call("POST", path, content, headers=BEARER))
        assert found[:2] == (status, code)
        assert words in found[2]
    assert on.log.head == 0
    assert [came for came, _ in on.journal] == ["refused", "refused"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([A, "www.example.com/a", "t1"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.sampled_from(["url", "headers"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["files", "tags", "hosts", "prefixes", "purge_everything", "x"]), JSON, min_size=1, max_size=2))
async def test_any_content_comes_to_an_answer_and_never_to_a_defect(content: Any) -> None:
    on = stage()
    reply = await on.call("POST", PURGE, json.dumps(content).encode(), headers=BEARER)
    assert reply.status in (200, 400)
    assert body(reply)["success"] is (reply.status == 200)
    assert (on.log.head > 0) is (reply.status == 200)


@pytest.mark.parametrize(
    "content, words",
    [
        ({"prefixes": ["https://www.example.com/a"]}, "has a scheme, and selects nothing"),
        ({"prefixes": ["www.example.com/a?x=1"]}, "has a query, and selects nothing"),
        ({"prefixes": ["www.example.com/a#b"]}, "has a fragment, and selects nothing"),
        ({"tags": ["T 2"]}, "no response can have the tag 'T 2'"),
        ({"tags": ["a,b"]}, "no response can have"),
    ],
)
async def test_what_cloudflare_takes_and_ignores_is_taken_with_a_warning(content: Any, words: str) -> None:
    on = stage()
    on.store.stored.append(stored_at(0, A, tags=frozenset(("t", "2", "a", "b"))))
    reply = await on.call("POST", PURGE, content, headers=BEARER)
    assert reply.status == 200
    assert words in fields(reply, "Edgecache-Warning")[0]
    (selector,) = next(iter(on.doors.journal.newest_first())).selectors
    assert not any(selector.selects(one, on.clock.now()) for one in on.store.stored)
    assert on.log.judge(on.store.stored[0]) == on.log.verdict(on.store.stored[0].key, on.log.head)


@pytest.mark.parametrize(
    "target, content, headers, words",
    [
        (PURGE, {"files": [A]}, {}, "no credentials"),
        (f"/v4/zones/{ZONE}/purge_cache", {"files": [A]}, BEARER, "/client/v4/"),
        (f"/client/v4/zones/{ZONE}/environments/e/purge_cache", {"files": [A]}, BEARER, "environments"),
        (PURGE, {"files": ["https://www.example.com/*"]}, BEARER, "stands for itself"),
        (PURGE, {"files": ["https://www.example.com/a b"]}, BEARER, "%20"),
        (PURGE, {"tags": ["t"], "sof": True}, BEARER, "'sof' is no member"),
    ],
)
async def test_warnings(target: str, content: Any, headers: dict[str, str], words: str) -> None:
    reply = await stage().call("POST", target, content, headers=headers)
    (warning,) = fields(reply, "Edgecache-Warning")
    assert words in warning


async def test_a_call_as_it_should_be_has_no_warning() -> None:
    reply = await stage().call("POST", PURGE, {"files": [A]}, headers=BEARER)
    assert not fields(reply, "Edgecache-Warning")
    assert (fields(reply, "Edgecache-Position"), fields(reply, "Edgecache-Matched")) == (["1"], ["1"])


@pytest.mark.parametrize(
    "method, target, status, code",
    [
        ("GET", PURGE, 405, 405),
        ("PATCH", f"/client/v4/zones/{ZONE}", 405, 405),
        ("GET", "/client/v4/", 404, 7003),
        ("GET", "/client/v4/accounts", 404, 7003),
        ("POST", f"/client/v4/zones/{ZONE}/purge_cache/", 404, 7003),
        ("POST", f"/client/v4//zones/{ZONE}/purge_cache", 404, 7003),
        ("POST", "/client/v4/zones//purge_cache", 404, 7003),
        ("POST", "/v4/nothing", 404, 7003),
    ],
)
async def test_paths_that_are_not_there(method: str, target: str, status: int, code: int) -> None:
    found = error(await stage().call(method, target, {"purge_everything": True}, headers=BEARER))
    assert found[:2] == (status, code)
    if code == 7003:
        assert found[2] == f"Could not route to {target}, perhaps your object identifier is invalid?"


# -- Zones --------------------------------------------------------------------------------------------------------------------------------

TWO = [{"id": ZONE, "name": "example.com", "site": "default"}, {"id": "z2", "name": "example.net", "plan": "free"}]


async def test_zones_once_there_are_some() -> None:
    on = stage(ids=TWO)
    assert (await on.call("POST", PURGE, {"purge_everything": True}, headers=BEARER)).status == 200
    assert on.appended == [("all", "everything", "default", False)]
    reply = await on.call("POST", "/client/v4/zones/other/purge_cache", {"purge_everything": True}, headers=BEARER)
    assert error(reply)[:2] == (404, 7003)
    assert error(await on.call("GET", "/client/v4/zones/other", headers=BEARER))[:2] == (404, 7003)
    assert body(await on.call("GET", "/client/v4/zones/z2", headers=BEARER))["result"]["name"] == "example.net"
    assert len(on.appended) == 1


@pytest.mark.parametrize("content", [{"files": ["https://other.org/"]}, {"hosts": ["other.org"]}, {"prefixes": ["notexample.com/a"]}])
async def test_what_is_outside_of_the_zone(content: Any) -> None:
    reply = await stage(ids=TWO).call("POST", PURGE, content, headers=BEARER)
    assert "outside of the zone example.com" in fields(reply, "Edgecache-Warning")[0]


@pytest.mark.parametrize(
    "content", [{"files": [A]}, {"hosts": ["example.com"]}, {"prefixes": ["www.example.com/a"]}, {"tags": ["other.org"]}]
)
async def test_what_is_inside(content: Any) -> None:
    assert not fields(await stage(ids=TWO).call("POST", PURGE, content, headers=BEARER), "Edgecache-Warning")


@pytest.mark.parametrize(
    "ids, query, names, info",
    [
        (TWO, "", ["example.com", "example.net"], (1, 2, 2, 1)),
        (TWO, "?name=example.net", ["example.net"], (1, 1, 1, 1)),
        (TWO, "?name=example.org", [], (1, 0, 0, 0)),
        (TWO, "?per_page=1&page=2", ["example.net"], (2, 1, 2, 2)),
        (TWO, "?page=2", [], (2, 0, 2, 1)),  # clients ask until a page is empty
        (TWO, "?page=x&per_page=-1", ["example.com", "example.net"], (1, 2, 2, 1)),
        ([], "?name=any.example", ["any.example"], (1, 1, 1, 1)),
        ([], "?name=any.example&page=2", [], (2, 0, 1, 1)),
        ([], "", [], (1, 0, 0, 0)),
    ],
)
async def test_the_list_of_zones(ids: Any, query: str, names: list[str], info: tuple[int, ...]) -> None:
    value = body(await stage(ids=ids).call("GET", f"/client/v4/zones{query}", headers=BEARER))
    assert [zone["name"] for zone in value["result"]] == names
    assert tuple(value["result_info"][name] for name in ("page", "count", "total_count", "total_pages")) == info
    assert all(zone["id"] and zone["status"] == "active" for zone in value["result"])


async def test_a_zone_that_is_made_up_keeps_its_id() -> None:
    on = stage()
    ids = {body(await on.call("GET", "/client/v4/zones?name=example.com"))["result"][0]["id"] for _ in range(2)}
    assert len(ids) == 1
    assert len(ids.pop()) == 32


async def test_analytics_are_ours_and_say_so() -> None:
    reply = await stage().call("GET", f"/client/v4/zones/{ZONE}/analytics/dashboard?since=-10080", headers=BEARER)
    assert body(reply)["result"]["totals"]["requests"] == {"all": 0, "cached": 0, "uncached": 0, "http_status": {}}
    assert "taken this call away" in fields(reply, "Edgecache-Hint")[0]


# -- Credentials --------------------------------------------------------------------------------------------------------------------------

SECRETS = [{"secret": "t0ken"}, {"id": "user@example.com", "secret": "k3y"}]


@pytest.mark.parametrize(
    "headers, outcome",
    [
        ({"Authorization": "Bearer t0ken"}, 200),
        ({"Authorization": "bearer  t0ken "}, 200),
        ({"X-Auth-Email": "user@example.com", "X-Auth-Key": "k3y"}, 200),
        ({"X-Auth-User-Service-Key": "t0ken"}, 200),
        ({"Authorization": "Bearer wrong", "X-Auth-Email": "user@example.com", "X-Auth-Key": "k3y"}, 200),
        ({}, (401, 10000)),
        ({"Authorization": "Bearer wrong"}, (401, 10000)),
        ({"Authorization": "Bearer k3y"}, (401, 10000)),  # a key is no token
        ({"Authorization": "Bearer t0ken\udcff"}, (401, 10000)),
        ({"X-Auth-Email": "other@example.com", "X-Auth-Key": "k3y"}, (401, 10000)),
        ({"X-Auth-Key": "t0ken"}, (401, 10000)),  # without an email
        ({"X-Auth-Email": "", "X-Auth-Key": "t0ken"}, (401, 10000)),
        ({"X-Auth-User-Service-Key": "k3y"}, (401, 10000)),
        ({"Authorization": "t0ken"}, (400, 6003, 6111)),
        ({"Authorization": "Bearer"}, (400, 6003, 6111)),
        ({"Authorization": "Basic t0ken"}, (400, 6003, 6111)),
        ({"X-Auth-Email": "user@example.com", "X-Auth-Key": "k3y k3y"}, (400, 6003, 6103)),
        ({"X-Auth-Email": "user@example.com", "X-Auth-Key": ""}, (400, 6003, 6103)),
    ],
)
async def test_credentials(headers: dict[str, str], outcome: int | tuple[int, ...]) -> None:
    on = stage(credentials=SECRETS)
    for method, target, content in (("POST", PURGE, {"files": [A]}), ("GET", "/client/v4/zones", b"")):
        reply = await on.call(method, target, content, headers=headers)
        if outcome == 200:
            assert reply.status == 200
            continue
        (one,) = body(reply)["errors"]
        assert (reply.status, one["code"], *(inner["code"] for inner in one.get("error_chain", ()))) == outcome
        assert "t0ken" not in reply.content.decode()
    assert on.log.head == (1 if outcome == 200 else 0)
    assert not any(secret in str(on.journal) for secret in ("t0ken", "k3y"))


async def test_other_machines_need_credentials() -> None:
    assert error(await stage().call("POST", PURGE, {"files": [A]}, headers=BEARER, who="10.0.0.9"))[:2] == (401, 10000)


async def test_verify() -> None:
    value = body(await stage().call("GET", "/client/v4/user/tokens/verify", headers=BEARER))
    assert value["result"]["status"] == "active"
    assert value["messages"] == [{"code": 10000, "message": "This API Token is valid and active", "type": None}]
    key = {"X-Auth-Email": "u@example.com", "X-Auth-Key": "k"}
    assert error(await stage().call("GET", "/client/v4/user/tokens/verify", headers=key)) == (400, 1001, 'Missing "Authorization" header')


# -- Limits -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plan, at_once, wait_s",
    [("free", 25, 12), ("pro", 25, 0.2), ("business", 50, 0.1), ("enterprise", 500, 0.02)],
)
async def test_calls_per_plan(plan: str, at_once: int, wait_s: float) -> None:
    on = stage(ids=[{"id": ZONE, "plan": plan}])
    for number in range(at_once):
        path = (PURGE, INVALIDATE)[number % 2]  # they share the limit
        assert (await on.call("POST", path, {"tags": ["t"]}, headers=BEARER)).status == 200
    reply = await on.call("POST", PURGE, {"hosts": ["h"]}, headers=BEARER)
    assert error(reply)[:2] == (429, 429)
    assert fields(reply, "Retry-After") == [str(max(1, round(wait_s)))]
    assert (await on.call("POST", PURGE, {"files": [A]}, headers=BEARER)).status == 200, "URLs have a limit of their own"
    assert (await on.call("GET", "/client/v4/zones", headers=BEARER)).status == 200
    on.clock.advance(wait_s)
    assert (await on.call("POST", PURGE, {"tags": ["t"]}, headers=BEARER)).status == 200
    assert (await on.call("POST", PURGE, {"tags": ["t"]}, headers=BEARER)).status == 429
    assert on.log.head == at_once + 2


@pytest.mark.parametrize(
    "plan, at_once, per_call", [("free", 800, 30), ("pro", 1500, 30), ("business", 1500, 30), ("enterprise", 3000, 500)]
)
async def test_urls_per_plan(plan: str, at_once: int, per_call: int) -> None:
    on = stage(ids=[{"id": ZONE, "plan": plan}])
    urls = [f"https://www.example.com/{number}" for number in range(per_call)]
    calls = 0
    while (reply := await on.call("POST", PURGE, {"files": urls}, headers=BEARER)).status == 200:
        calls += 1
    assert (reply.status, calls) == (429, at_once // per_call)
    on.clock.advance(1)
    assert (await on.call("POST", PURGE, {"files": urls}, headers=BEARER)).status == 200
    assert error(await on.call("POST", PURGE, {"files": [*urls, A]}, headers=BEARER))[1] == 1016


async def test_zones_have_limits_of_their_own_and_reset_fills_them() -> None:
    on = stage(ids=[{"id": ZONE, "plan": "free"}, {"id": "z2", "plan": "free"}])

    async def purge(zone: str) -> int:
        return (await on.call("POST", f"/client/v4/zones/{zone}/purge_cache", {"tags": ["t"]}, headers=BEARER)).status

    assert [await purge(ZONE) for _ in range(26)] == [200] * 25 + [429]
    assert await purge("z2") == 200
    on.desk.forget()
    assert await purge(ZONE) == 200


@pytest.mark.parametrize(
    "refused, taken",
    [
        ({"tags": [1]}, {"tags": ["t"]}),
        ({"hosts": ["*.example.com"]}, {"tags": ["t"]}),  # found out by the doors, when the bucket was already asked
        ({"prefixes": ["a b/"]}, {"tags": ["t"]}),
        ({"files": ["/a"] * 30}, {"files": [A] * 30}),
    ],
)
async def test_calls_that_are_refused_use_nothing(refused: Any, taken: Any) -> None:
    on = stage(ids=[{"id": ZONE, "plan": "free"}])
    for _ in range(60):
        assert (await on.call("POST", PURGE, refused, headers=BEARER)).status == 400
    assert (await on.call("POST", PURGE, taken, headers=BEARER)).status == 200


def test_there_are_limits_for_every_plan() -> None:
    from edgecache.config.vendors import VENDOR_SETTINGS

    (plan,) = [row for row in VENDOR_SETTINGS if row.name == "plan"]
    assert set(plan.choices) == set(PLANS)


# -- Faults and codes ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted, status, code, after",
    [
        (Wanted(Fault.RATE_LIMIT, wait_s=3), 429, 429, ["3"]),
        (Wanted(Fault.ERROR), 500, 500, []),
        (Wanted(Fault.UNAVAILABLE, wait_s=0.2), 503, 503, ["1"]),
        (Wanted(Fault.ERROR_IN_BODY), 200, 500, []),
    ],
)
async def test_faults_in_cloudflares_words(wanted: Wanted, status: int, code: int, after: list[str]) -> None:
    on = stage()
    on.faults.add(wanted, on.clock.now())
    reply = await on.call("POST", PURGE, {"files": [A]}, headers=BEARER)
    assert error(reply)[:2] == (status, code)
    assert fields(reply, "Retry-After") == after
    assert on.log.head == 0


async def test_a_delayed_purge_is_acknowledged_at_once() -> None:
    on = stage()
    on.faults.add(Wanted(Fault.DELAY, "cloudflare", "purge_cache", wait_s=5), on.clock.now())
    reply = await on.call("POST", PURGE, {"files": [A]}, headers=BEARER)
    assert body(reply)["success"] is True
    assert not fields(reply, "Edgecache-Position")
    on.clock.advance(5)
    await on.delays.append_due()
    assert on.appended == [("url", "http://www.example.com/a", "", False)]


def test_every_refusal_has_a_code() -> None:
    assert set(CODE_OF) == set(Refused)
    for code in Code:
        assert (code.number == code.status) == (code.number_known is Evidence.OURS), code
