"""Rules for some URLs on the wire: how long, whether at all, and under which key."""

from __future__ import annotations

import json

import pytest
import pytest_asyncio
from wirekit import Origin, fresh, ok
from wirestage import HeldOrigin, all_wait, api, replies, start, told

from edgecache.config import RuleSettings, SiteSettings


async def with_rules(start_kit, *rules: RuleSettings, origin=None, **settings: object):
    return await start_kit(origin, rule=list(rules), **settings)


def one_rule(**says: object) -> RuleSettings:
    return RuleSettings(path="/*", **says)  # type: ignore[arg-type]


# how long


@pytest.mark.parametrize(
    ("rule", "lines", "status", "age_s", "hit"),
    [
        ({"ttl_s": 100.0}, [], 200, 99, True),
        ({"ttl_s": 100.0}, [], 200, 100, False),
        ({"ttl_s": 100.0}, [], 404, 99, True),
        ({"ttl_s": 100.0}, [], 500, 1, False),
        ({"ttl_s": 100.0}, ["Cache-Control: max-age=10"], 200, 11, False),
        ({"ttl_s": 100.0}, ["Cache-Control: no-store"], 200, 1, False),
        ({"ttl_s": 100.0}, ["Cache-Control: private"], 200, 1, False),
        ({"ttl_s": 100.0}, ["Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT"], 200, 101, False),
        ({"ttl_s": 100.0, "force": True}, ["Cache-Control: max-age=10"], 200, 99, True),
        ({"ttl_s": 100.0, "force": True}, ["Cache-Control: max-age=1000"], 200, 100, False),
        ({"ttl_s": 100.0, "force": True}, ["Cache-Control: no-store, private"], 200, 99, True),
        ({"ttl_s": 100.0, "force": True}, ["CDN-Cache-Control: no-store"], 200, 99, True),
        ({"ttl_s": 100.0, "force": True}, ["Cache-Control: no-cache"], 200, 99, True),
        ({"ttl_s": 100.0, "force": True}, [], 302, 99, True),
        ({"ttl_s": 100.0, "force": True}, [], 500, 1, False),
        ({"ttl_s": 100.0, "force": True}, ["Cache-Control: max-age=10"], 500, 5, True),
        ({"ttl_s": 0.0, "force": True}, ["Cache-Control: max-age=1000"], 200, 1, False),
    ],
)
async def test_how_long_by_a_rule(start_kit, rule, lines, status, age_s, hit):
    kit = await with_rules(start_kit, one_rule(**rule))
    kit.origin.answer("/a", ok(b"x", *lines, status=f"{status} X"))
    await kit.get("/a")
    kit.clock.pass_time(age_s)
    assert (await kit.get("/a")).hit is hit


async def test_force_does_not_give_one_users_answer_to_others(start_kit):
    kit = await with_rules(start_kit, one_rule(ttl_s=100.0, force=True))
    kit.origin.answer("/a", [ok(b"for alice"), ok(b"for anybody")])
    await kit.get("/a", "Authorization: Basic YWxpY2U6eA==")
    assert (await kit.get("/a")).body == b"for anybody"


async def test_bypass(start_kit):
    kit = await with_rules(start_kit, RuleSettings(path="/admin/*", bypass=True))
    for target in ("/admin/a", "/a"):
        kit.origin.answer(target, fresh(b"x", 'ETag: "a"'))
        await kit.get(target)
    reply = await kit.get("/admin/a", 'If-None-Match: "mine"')
    assert (told(reply)["fwd"], told(reply)["detail"]) == ("bypass", "rule-bypass")
    assert kit.origin.seen[-1].get("if-none-match") == b'"mine"'  # the origin's affair altogether
    assert (await kit.get("/a")).hit


async def test_bypassed_requests_do_not_wait_for_each_other(start_kit):
    origin = HeldOrigin()
    kit = await with_rules(start_kit, one_rule(bypass=True), origin=origin)
    clients = [await start(kit) for _ in range(3)]
    await origin.nth(2)
    for one in origin.asked:
        await one.send(fresh())
    await replies(clients)


@pytest.mark.parametrize(
    ("path", "target", "matches"),
    [
        ("/a", "/a", True),
        ("/a", "/a?x=1", True),
        ("/a", "/a/", False),
        ("/a", "/A", False),
        ("/a/*", "/a/b/c", True),
        ("/a/*", "/a", False),
        ("*.css", "/a/b.css", True),
        ("/*/b/*.js", "/a/x/b/y.js?v=2", True),
        ("/*", "/", True),
    ],
)
async def test_which_urls(start_kit, path, target, matches):
    kit = await with_rules(start_kit, RuleSettings(path=path if path.startswith("/") else "/" + path, bypass=True))
    kit.origin.answer(target, fresh())
    await kit.get(target)
    assert (await kit.get(target)).hit is not matches


async def test_the_first_rule_that_matches_counts_alone(start_kit):
    kit = await with_rules(start_kit, RuleSettings(path="/a/*", ttl_s=10.0), RuleSettings(path="/*", ttl_s=100.0, ignore_query=("x",)))
    for target in ("/a/b?x=1", "/b?x=1"):
        kit.origin.answer(target, ok())
        await kit.get(target)
    kit.clock.pass_time(50)
    assert not (await kit.get("/a/b?x=1")).hit
    assert not (await kit.get("/a/b")).hit
    assert (await kit.get("/b")).hit


@pytest_asyncio.fixture
async def shop():
    origin = Origin()
    await origin.start()
    yield origin
    await origin.stop()


@pytest.mark.parametrize(("name", "hits"), [("", {"default", "shop"}), ("default", {"default"}), ("shop", {"shop"})])
async def test_a_rule_for_one_site(start_kit, shop, name, hits):
    site = SiteSettings(name="shop", origin=f"http://127.0.0.1:{shop.port}", hosts=("shop.test",))
    kit = await with_rules(start_kit, RuleSettings(path="/*", site=name, ttl_s=100.0), site=[site])
    shop.answer("/a", ok())
    kit.origin.answer("/a", ok())
    found = set()
    for called, host in (("default", "other.test"), ("shop", "shop.test")):
        await kit.get("/a", f"Host: {host}")
        if (await kit.get("/a", f"Host: {host}")).hit:
            found.add(called)
    assert found == hits


# under which key


@pytest.mark.parametrize(
    ("rule", "one", "other", "same"),
    [
        ({"ignore_query": ("utm_*",)}, "/a?utm_source=x", "/a", True),
        ({"ignore_query": ("utm_*",)}, "/a?utm_source=x&id=1", "/a?id=1&utm_medium=y", True),
        ({"ignore_query": ("utm_*",)}, "/a?utm_source", "/a?utm_=", True),
        ({"ignore_query": ("utm_*",)}, "/a?id=1", "/a?id=2", False),
        ({"ignore_query": ("utm_*",)}, "/a?Utm_source=x", "/a", False),
        ({"ignore_query": ("utm_*",)}, "/a?xutm_source=x", "/a", False),
        ({"ignore_query": ("utm_*",)}, "/a?b=1&c=2", "/a?c=2&b=1", False),
        ({"ignore_query": ("*",)}, "/a?b=1&c=2", "/a", True),
        ({"ignore_query": ("gclid", "fbclid")}, "/a?gclid=1&fbclid=2", "/a", True),
        ({"sort_query": True}, "/a?b=1&c=2", "/a?c=2&b=1", True),
        ({"sort_query": True}, "/a?b=1&b=2", "/a?b=2&b=1", False),
        ({"sort_query": True, "ignore_query": ("u",)}, "/a?c=1&u=9&b=2", "/a?b=2&c=1", True),
    ],
)
async def test_parameters_that_make_no_difference(start_kit, rule, one, other, same):
    kit = await with_rules(start_kit, one_rule(**rule))
    for target in (one, other):
        kit.origin.answer(target, fresh(target.encode()))
    await kit.get(one)
    reply = await kit.get(other)
    assert (reply.hit, reply.body) == (same, (one if same else other).encode())
    assert kit.origin.seen[0].target == one.encode()  # the origin gets them as the client sent them


@pytest.mark.parametrize(
    ("rule", "one", "other", "same"),
    [
        ({"key_headers": ("x-device",)}, ["X-Device: phone"], ["X-Device: desk"], False),
        ({"key_headers": ("x-device",)}, ["X-Device: phone"], ["x-device: phone"], True),
        ({"key_headers": ("x-device",)}, ["X-Device: "], [], False),
        ({"key_headers": ("x-device",)}, ["X-Other: 1"], ["X-Other: 2"], True),
        ({"key_cookies": ("theme",)}, ["Cookie: theme=dark"], ["Cookie: theme=light"], False),
        ({"key_cookies": ("theme",)}, ["Cookie: session=1; theme=dark"], ["Cookie: theme=dark; session=2"], True),
        ({"key_cookies": ("theme",)}, ["Cookie: session=1"], [], True),
        ({"key_cookies": ("theme",)}, ["Cookie: theme=dark"], [], False),
        ({"key_cookies": ("theme",)}, ["Cookie: xtheme=dark"], [], True),
        ({"key_cookies": ("theme", "lang")}, ["Cookie: theme=a; lang=b"], ["Cookie: lang=b; theme=a"], True),
    ],
)
async def test_fields_and_cookies_that_do(start_kit, rule, one, other, same):
    kit = await with_rules(start_kit, one_rule(**rule))
    kit.origin.answer("/a", fresh())
    await kit.get("/a", *one)
    assert (await kit.get("/a", *other)).hit is same
    assert (await kit.get("/a", *one)).hit


async def test_only_those_who_ask_for_one_key_wait_for_each_other(start_kit):
    origin = HeldOrigin()
    kit = await with_rules(start_kit, one_rule(key_headers=("x-device",), ignore_query=("utm_*",)), origin=origin)
    clients = [await start(kit, "/a", "X-Device: phone"), await start(kit, "/a?utm_x=1", "X-Device: phone"), await start(kit, "/a")]
    await origin.nth(1)
    await all_wait(kit, 1)
    for one in origin.asked:
        await one.send(fresh(one.seen.get("x-device") or b"none"))
    assert [reply.body for reply in await replies(clients)] == [b"phone", b"phone", b"none"]


# purging


@pytest.mark.parametrize("written", ["/a?id=1", "/a?id=1&utm_source=mail", "/a?utm_source=other&id=1"])
@pytest.mark.parametrize("door", ["method", "api"])
async def test_a_purge_with_or_without_the_ignored_parameters(start_kit, written, door):
    kit = await with_rules(start_kit, one_rule(ignore_query=("utm_*",)))
    kit.origin.answer("/a?utm_source=x&id=1", fresh())
    await kit.get("/a?utm_source=x&id=1")
    if door == "method":
        matched = json.loads((await kit.request("PURGE", written, "Accept: application/json")).body)["matched"]
    else:
        status, body = await api(kit, "/api/v1/invalidations", {"url": f"http://example.test{written}"})
        assert (status, body["selectors"][0]["value"]) == (201, "http://example.test/a?id=1")
        matched = body["matched"]
    assert matched == 1
    assert not (await kit.get("/a?utm_source=x&id=1")).hit


async def test_a_purge_goes_to_every_value_of_a_key_field(start_kit):
    kit = await with_rules(start_kit, one_rule(key_headers=("x-device",)))
    kit.origin.answer("/a", fresh())
    for device in ("phone", "desk"):
        await kit.get("/a", f"X-Device: {device}")
    assert (await kit.request("PURGE", "/a")).get("edgecache-matched") == b"2"
    assert not (await kit.get("/a", "X-Device: phone")).hit


@pytest.mark.parametrize("location", ["/a?utm_source=post&id=1", "http://example.test/a?id=1", "?id=1&utm_x=y"])
async def test_what_an_unsafe_answer_names_is_invalidated_whatever_it_adds(start_kit, location):
    kit = await with_rules(start_kit, one_rule(ignore_query=("utm_*",)))
    kit.origin.answer("/a?id=1", fresh())
    kit.origin.answer("/post" if not location.startswith("?") else "/a", ok(b"", f"Location: {location}", status="303 See Other"))
    await kit.get("/a?id=1")
    await kit.request("POST", "/post" if not location.startswith("?") else "/a")
    assert not (await kit.get("/a?id=1")).hit


async def test_an_unsafe_request_invalidates_its_url_whatever_it_adds(start_kit):
    kit = await with_rules(start_kit, one_rule(ignore_query=("utm_*",)))
    kit.origin.answer("/a", fresh())
    kit.origin.answer("/a?utm_source=x", ok(b""))
    await kit.get("/a")
    await kit.request("POST", "/a?utm_source=x")
    assert not (await kit.get("/a")).hit
