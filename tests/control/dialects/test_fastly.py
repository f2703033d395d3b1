"""Fastly's dialect: what each call appends, what it answers, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dialectkit import Stage, fields
from hypothesis import given
from hypothesis import strategies as st
from invalidationkit import stored_at

from edgecache.config import Vendor
from edgecache.control.dialects.call import Refusal, Refused, Reply
from edgecache.control.dialects.fastly import Fastly
from edgecache.control.dialects.fastly.errors import PROBLEM_OF
from edgecache.control.dialects.faults import Fault, Wanted

SERVICE = "SU1Z0isxPaozGVKXdv0eY"
KEYS = f"/service/{SERVICE}/purge"
ALL = f"/service/{SERVICE}/purge_all"
KEY = {"Fastly-Key": "made-up"}
SOFT = {**KEY, "Fastly-Soft-Purge": "1"}


def stage(**configured: Any) -> Stage:
    return Stage(Vendor.FASTLY, Fastly, stored_at(0, "https://www.example.com/a"), **configured)


def body(reply: Reply) -> Any:
    assert reply.content_type == "application/json"
    return json.loads(reply.content)


def error(reply: Reply) -> tuple[int, str, str]:
    """Status, msg and detail."""
    value = body(reply)
    assert set(value) <= {"msg", "detail"}
    return reply.status, value["msg"], value.get("detail", "")


# -- By URL -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url, value",
    [
        ("www.example.com/a", "http://www.example.com/a"),
        ("https://www.example.com/a", "http://www.example.com/a"),
        ("http://www.example.com/a", "http://www.example.com/a"),
        ("HTTPS://WWW.example.com/A", "http://www.example.com/A"),
        ("www.example.com/a?x=1&y=z%20z", "http://www.example.com/a?x=1&y=z%20z"),
        ("www.example.com/a?", "http://www.example.com/a?"),
        ("www.example.com//a//b", "http://www.example.com//a//b"),
        ("https://www.example.com//a", "http://www.example.com//a"),
        ("www.example.com/a/../b", "http://www.example.com/a/../b"),
        ("www.example.com/%C3%BC", "http://www.example.com/%C3%BC"),
        ("www.example.com/a?u=https://o.example/b", "http://www.example.com/a?u=https://o.example/b"),
        ("www.example.com", "http://www.example.com/"),
        ("www.example.com:8080/a", "http://www.example.com:8080/a"),
        ("[::1]:8080/a", "http://[::1]:8080/a"),
        ("purge/service", "http://purge/service"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PURGE"])
@pytest.mark.parametrize("headers, soft", [(KEY, False), (SOFT, True)])
async def test_a_url(method: str, url: str, value: str, headers: dict[str, str], soft: bool) -> None:
    on = stage()
    reply = await on.call(method, f"/purge/{url}", headers=headers)
    said = body(reply)
    assert (reply.status, said.pop("status"), list(said)) == (200, "ok", ["id"])
    assert isinstance(said["id"], str)
    assert on.appended == [("url", value, "", soft)]


@pytest.mark.parametrize(
    "url, words",
    [
        ("", "no URL follows /purge/"),
        ("/a", "no usable host"),
        ("https:/www.example.com/a", "lacks a slash"),
        ("ftp://www.example.com/a", "only http and https"),
        ("https:///a", "no usable host"),
        ("user@www.example.com/a", "user name"),
        ("www.example.com:99999/a", "no usable host"),
        ("?x=1", "no usable host"),
    ],
)
async def test_what_is_no_url(url: str, words: str) -> None:
    on = stage()
    status, said, detail = error(await on.call("POST", f"/purge/{url}", headers=KEY))
    assert (status, said) == (400, "Bad request")
    assert words in detail
    assert on.log.head == 0
    assert [came for came, _ in on.journal] == ["refused"]


async def test_ids_of_purges_differ() -> None:
    on = stage()
    said = [body(await on.call("POST", "/purge/www.example.com/a", headers=KEY))["id"] for _ in range(3)]
    assert len(set(said)) == 3


# -- By key -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path, value",
    [
        ("key1", "key1"),
        ("Key1", "key1"),  # the profile takes upper and lower case for one
        ("key/1", "key/1"),
        ("key%2F1", "key/1"),
        ("key//1/", "key//1/"),
        ("%C3%BC", "ü"),
        ("k%25", "k%"),
        ("purge", "purge"),
        ("..", ".."),
        ("v1.2/item", "v1.2/item"),
        ("x" * 1024, "x" * 1024),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PURGE"])
@pytest.mark.parametrize("headers, soft", [(KEY, False), (SOFT, True)])
async def test_a_key(method: str, path: str, value: str, headers: dict[str, str], soft: bool) -> None:
    on = stage()
    reply = await on.call(method, f"{KEYS}/{path}", headers=headers)
    assert (reply.status, body(reply)["status"]) == (200, "ok")
    assert isinstance(body(reply)["id"], str)
    assert on.appended == [("tag", value, "", soft)]
    assert [one for one in fields(reply, "Edgecache-Warning") if "PURGE" not in one] == []


@pytest.mark.parametrize(
    "content, headers, values",
    [
        ({"surrogate_keys": ["k1", "k2"]}, {}, ["k1", "k2"]),
        ({"surrogate_keys": ["k1", "k1"]}, {}, ["k1"]),
        ({"surrogate_keys": ["k1"], "more": 1}, {}, ["k1"]),
        ('{"surrogate_keys":["k1"]}', {"Content-Type": "application/x-www-form-urlencoded"}, ["k1"]),
        (b"", {"Surrogate-Key": "k1 k2"}, ["k1", "k2"]),
        (b"", {"surrogate-key": "  k1   k2\tk3 "}, ["k1", "k2", "k3"]),
        ({}, {"Surrogate-Key": "k1"}, ["k1"]),
        ({"surrogate_keys": []}, {"Surrogate-Key": "k1"}, ["k1"]),
        ({"surrogate_keys": [f"k{n}" for n in range(256)]}, {}, [f"k{n}" for n in range(256)]),
    ],
)
@pytest.mark.parametrize("more, soft", [(KEY, False), (SOFT, True)])
async def test_many_keys(content: Any, headers: dict[str, str], values: list[str], more: dict[str, str], soft: bool) -> None:
    on = stage()
    reply = await on.call("POST", KEYS, content, headers={**headers, **more})
    assert reply.status == 200
    said = body(reply)
    assert list(said) == values
    assert all(isinstance(one, str) for one in said.values())
    assert len(set(said.values())) == len(said)
    assert on.appended == [("tag", value, "", soft) for value in values]
    assert not fields(reply, "Edgecache-Warning")


async def test_keys_of_several_lines_and_of_both_places() -> None:
    on = stage()
    await on.call("POST", KEYS, headers=[("Surrogate-Key", "k1"), ("Surrogate-Key", "k2"), *KEY.items()])
    reply = await on.call("POST", KEYS, {"surrogate_keys": ["k3"]}, headers={"Surrogate-Key": "k4", **KEY})
    assert [value for _, value, _, _ in on.appended] == ["k1", "k2", "k3", "k4"]
    assert "not known" in fields(reply, "Edgecache-Warning")[0]


@pytest.mark.parametrize(
    "path, content, headers, words",
    [
        (KEYS, b"", {}, "there are no keys"),
        (KEYS, {}, {}, "there are no keys"),
        (KEYS, {"surrogate_keys": []}, {}, "there are no keys"),
        (KEYS, {"keys": ["k1"]}, {}, "there are no keys"),
        (KEYS, b"", {"Surrogate-Key": " "}, "there are no keys"),
        (KEYS, {"surrogate_keys": "k1"}, {}, "surrogate_keys is no array"),
        (KEYS, {"surrogate_keys": None}, {}, "surrogate_keys is no array"),
        (KEYS, {"surrogate_keys": {"k1": 1}}, {}, "surrogate_keys is no array"),
        (KEYS, {"surrogate_keys": ["k1", 2]}, {}, "surrogate_keys[1]"),
        (KEYS, {"surrogate_keys": ["k1", ""]}, {}, "surrogate_keys[1]"),
        (KEYS, {"surrogate_keys": [["k1"]]}, {}, "surrogate_keys[0]"),
        (KEYS, ["k1"], {}, "no object"),
        (KEYS, b"{", {}, "no JSON"),
        (KEYS, b"\xff", {}, "no JSON"),
        (KEYS, b"[" * 100_000, {}, "no JSON"),
        (KEYS, b'{"surrogate_keys":["\\ud800"]}', {}, ""),
        (KEYS, {"surrogate_keys": ["k1", "x" * 1025]}, {}, "1024"),
        (KEYS, b"", {"Surrogate-Key": "k1 " + "x" * 1025}, "1024"),
        (f"{KEYS}/{'x' * 1025}", b"", {}, "1024"),
        (f"{KEYS}/{'%C3%BC' * 513}", b"", {}, "1024"),
        (f"{KEYS}/", b"", {}, "no key follows"),
    ],
)
async def test_what_are_no_keys(path: str, content: Any, headers: dict[str, str], words: str) -> None:
    on = stage()
    status, said, detail = error(await on.call("POST", path, content, headers={**headers, **KEY}))
    assert (status, said) == (400, "Bad request")
    assert words in detail
    assert on.log.head == 0
    assert [came for came, _ in on.journal] == ["refused"]


@pytest.mark.parametrize(
    "content, headers",
    [({"surrogate_keys": [f"k{n}" for n in range(257)]}, {}), (b"", {"Surrogate-Key": "k " * 257})],
)
async def test_too_many_keys_have_an_error_of_their_own(content: Any, headers: dict[str, str]) -> None:
    on = stage()
    reply = await on.call("POST", KEYS, content, headers={**headers, **KEY})
    assert reply.status == 400
    assert body(reply) == {"status": "fail", "reason": "257 surrogate keys, where a call takes 256 at most"}
    assert on.log.head == 0


@pytest.mark.parametrize(
    "key, right",
    [
        ("https://www.example.com/a", "POST /purge/https://www.example.com/a"),
        ("www.example.com/a", "POST /purge/www.example.com/a"),
        ("/a/b", "POST /purge/www.example.com/a/b"),
        ("localhost.test:8080/a", "POST /purge/localhost.test:8080/a"),
        ("app.js", "POST /purge/www.example.com/app.js"),
        ("static/App.CSS", "POST /purge/www.example.com/static/App.CSS"),
    ],
)
async def test_a_url_as_a_key_is_a_key_and_covers_no_url(key: str, right: str) -> None:
    """Fastly takes it and answers as ever, and users find out late that nothing was purged."""
    on = stage()
    for reply in (
        await on.call("POST", f"{KEYS}/{key}?x=1", headers=KEY),
        await on.call("POST", KEYS, {"surrogate_keys": [key]}, headers=KEY),
    ):
        assert reply.status == 200
        (warning,) = fields(reply, "Edgecache-Warning")
        assert warning.endswith(right)
    assert [kind for kind, _, _, _ in on.appended] == ["tag", "tag"]
    assert on.log.judge(on.store.stored[0]) == on.log.verdict(on.store.stored[0].key, on.log.head)


@pytest.mark.parametrize("path", ["key%201", "key/1%20a", "a,b", "%0A", "%00", "%7F"])
async def test_a_key_that_nothing_can_have_is_taken_and_selects_nothing(path: str) -> None:
    on = stage()
    on.store.stored.append(stored_at(0, "https://h/b", tags=frozenset(("key", "1", "a", "b", "key/1"))))
    reply = await on.call("POST", f"{KEYS}/{path}", headers=KEY)
    assert reply.status == 200
    assert "selects nothing" in fields(reply, "Edgecache-Warning")[0]
    (selector,) = next(iter(on.doors.journal.newest_first())).selectors
    assert not any(selector.selects(one, on.clock.now()) for one in on.store.stored)


async def test_bytes_that_are_no_utf8_are_a_key_too() -> None:
    on = stage()
    reply = await on.call("POST", KEYS, headers={"Surrogate-Key": "k\udcfc", **KEY})
    assert (reply.status, list(body(reply))) == (200, ["k?"])
    assert on.appended == [("tag", "k\udcfc", "", False)]
    await on.call("POST", f"{KEYS}/k%FC", headers=KEY)
    assert on.appended[1] == on.appended[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(JSON | st.fixed_dictionaries({"surrogate_keys": JSON | st.lists(st.text())}))
async def test_whatever_json_says_there_is_an_answer(content: Any) -> None:
    on = stage()
    reply = await on.call("POST", KEYS, json.dumps(content), headers=KEY)
    assert reply.status in (200, 400)
    assert (reply.status == 200) is (on.log.head > 0)
    assert isinstance(body(reply), dict)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60))
async def test_whatever_a_path_says_there_is_an_answer(text: str) -> None:
    on = stage()
    for start in ("/purge/", f"{KEYS}/"):
        before = on.log.head
        reply = await on.call("POST", start + text, headers=KEY)
        assert reply.status in (200, 400)
        assert (reply.status == 200) is (on.log.head > before)


# -- Everything ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PURGE"])
async def test_everything(method: str) -> None:
    on = stage()
    reply = await on.call(method, ALL, headers=KEY)
    assert (reply.status, body(reply)) == (200, {"status": "ok"})
    assert on.appended == [("all", "everything", "", False)]


@pytest.mark.parametrize("value", ["1", "0", ""])
async def test_everything_is_never_soft(value: str) -> None:
    on = stage()
    reply = await on.call("POST", ALL, headers={"Fastly-Soft-Purge": value, **KEY})
    assert on.appended == [("all", "everything", "", False)]
    (warning,) = fields(reply, "Edgecache-Warning")
    assert "always hard" in warning


@pytest.mark.parametrize("value, warned", [("1", False), ("true", False), ("0", True), ("false", True), ("", True)])
async def test_soft_by_being_there(value: str, warned: bool) -> None:
    on = stage()
    for path in ("/purge/www.example.com/a", f"{KEYS}/k"):
        reply = await on.call("POST", path, headers={"fastly-soft-purge": value, **KEY})
        assert [warning for warning in fields(reply, "Edgecache-Warning") if "whatever its value" in warning] != [] or not warned
        assert len(fields(reply, "Edgecache-Warning")) == warned
    assert [soft for _, _, _, soft in on.appended] == [True, True]


# -- Environments -------------------------------------------------------------------------------------------------------------------------

STAGING = {"Fastly-Purge-Environment": "staging", **KEY}


@pytest.mark.parametrize("path, content", [(f"{KEYS}/k", b""), (KEYS, {"surrogate_keys": ["k", "l"]}), (ALL, b"")])
async def test_the_staging_environment_is_another_one(path: str, content: Any) -> None:
    on = stage()
    reply = await on.call("POST", path, content, headers=STAGING)
    assert reply.status == 200
    assert "no staging environment" in fields(reply, "Edgecache-Warning")[0]
    assert [came for came, _ in on.journal] == ["elsewhere"]
    assert on.log.head == 0


@pytest.mark.parametrize(
    "path, value, words",
    [(f"{KEYS}/k", "production", []), (f"{KEYS}/k", "stagging", ["'stagging'"]), ("/purge/www.example.com/a", "staging", ["by URL"])],
)
async def test_other_environments(path: str, value: str, words: list[str]) -> None:
    on = stage()
    reply = await on.call("POST", path, headers={"Fastly-Purge-Environment": value, **KEY})
    found = fields(reply, "Edgecache-Warning")
    assert len(found) == len(words)
    assert all(word in one for word, one in zip(words, found, strict=True))
    assert len(on.appended) == 1


# -- Who, where, how often ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method, target, headers, words",
    [
        ("POST", "/purge/www.example.com/a", {}, "no Fastly-Key"),
        ("PURGE", "/purge/www.example.com/a", KEY, "PURGE"),
        ("POST", "/purge/www.example.com/*", KEY, "stands for itself"),
        ("POST", "/purge/https%3A%2F%2Fwww.example.com%2Fa", KEY, "/purge/https://www.example.com/a"),
        ("POST", f"{KEYS}/k?x=1", KEY, "no part of the key"),
    ],
)
async def test_warnings(method: str, target: str, headers: dict[str, str], words: str) -> None:
    (warning,) = fields(await stage().call(method, target, headers=headers), "Edgecache-Warning")
    assert words in warning


async def test_a_call_as_it_should_be_has_no_warning() -> None:
    reply = await stage().call("POST", "/purge/www.example.com/a", headers=KEY)
    assert not fields(reply, "Edgecache-Warning")
    assert (fields(reply, "Edgecache-Position"), fields(reply, "Edgecache-Matched")) == (["1"], ["1"])


CONFIGURED = [{"id": SERVICE, "name": "shop", "site": "default"}, {"id": "S2", "name": "blog"}]


async def test_services_once_some_are_configured() -> None:
    on = stage(ids=CONFIGURED)
    assert (await on.call("POST", f"{KEYS}/k", headers=KEY)).status == 200
    assert (await on.call("POST", KEYS, {"surrogate_keys": ["k"]}, headers=KEY)).status == 200
    assert (await on.call("POST", f"{KEYS}/a%20b", headers=KEY)).status == 200
    assert (await on.call("POST", ALL, headers=KEY)).status == 200
    assert (await on.call("POST", "/service/S2/purge_all", headers=KEY)).status == 200
    assert [site for _, _, site, _ in on.appended] == ["default"] * 4 + [""]
    for target in ("/service/other/purge_all", "/service/other/purge/k", "/service/other/purge", "/service/%20/purge_all"):
        assert error(await on.call("POST", target, headers=KEY))[:2] == (404, "Record not found")
    assert len(on.appended) == 5


async def test_looking_at_services() -> None:
    on = stage(ids=CONFIGURED)
    listed = body(await on.call("GET", "/service?page=1&per_page=100", headers=KEY))
    assert [(one["id"], one["name"], one["type"]) for one in listed] == [(SERVICE, "shop", "vcl"), ("S2", "blog", "vcl")]
    assert [one["id"] for one in body(await on.call("GET", "/service?page=2&per_page=1", headers=KEY))] == ["S2"]
    assert body(await on.call("GET", "/service?page=3&per_page=1", headers=KEY)) == []
    assert len(body(await on.call("GET", "/service?page=x&per_page=-1", headers=KEY))) == 2
    assert body(await on.call("GET", "/service/S2", headers=KEY))["name"] == "blog"
    assert body(await on.call("GET", "/service/S2/details", headers=KEY))["active_version"]["number"] == 1
    assert body(await on.call("GET", "/service/search?name=blog", headers=KEY))["id"] == "S2"
    assert error(await on.call("GET", "/service/search?name=other", headers=KEY))[0] == 404
    assert error(await on.call("GET", "/service/other", headers=KEY))[0] == 404
    assert on.journal == []


async def test_without_services_there_is_one_of_every_name() -> None:
    on = stage()
    reply = await on.call("GET", "/service", headers=KEY)
    assert body(reply) == []
    assert "every service id is taken" in fields(reply, "Edgecache-Warning")[0]
    found = body(await on.call("GET", "/service/search?name=shop", headers=KEY))
    assert (found["name"], found["id"]) == ("shop", body(await on.call("GET", "/service/search?name=shop", headers=KEY))["id"])
    assert body(await on.call("GET", "/service/any", headers=KEY))["id"] == "any"
    assert error(await on.call("GET", "/service/search", headers=KEY))[0] == 404


@pytest.mark.parametrize(
    "headers, status", [({}, 401), ({"Fastly-Key": ""}, 401), ({"Fastly-Key": "wrong"}, 401), ({"Fastly-Key": "t0ken"}, 200)]
)
@pytest.mark.parametrize("who", ["127.0.0.1", "192.0.2.1"])
async def test_credentials(headers: dict[str, str], status: int, who: str) -> None:
    on = stage(credentials=[{"secret": "t0ken"}])
    for method, target in (("POST", "/purge/www.example.com/a"), ("POST", ALL), ("GET", "/service"), ("GET", "/tokens/self")):
        reply = await on.call(method, target, headers=headers, who=who)
        assert reply.status == status
        if status == 401:
            assert body(reply) == {"msg": "Provided credentials are missing or invalid"}
        assert b"t0ken" not in reply.content
    assert len(on.appended) == (2 if status == 200 else 0)


async def test_what_the_command_line_asks_for_is_open() -> None:
    on = stage(credentials=[{"secret": "t0ken"}])
    target = "/realms/fastly/.well-known/openid-configuration"
    said = body(await on.call("GET", target, headers={"Host": "127.0.0.1:8081"}))
    assert set(said) == {"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"}
    assert said["issuer"] == "http://127.0.0.1:8081/realms/fastly"


async def test_the_token() -> None:
    said = body(await stage().call("GET", "/tokens/self", headers=KEY))
    assert (said["scope"], said["services"]) == ("global", [])
    assert "made-up" not in json.dumps(said)


@pytest.mark.parametrize(
    "method, target, status",
    [
        ("GET", "/purge/www.example.com/a", 405),
        ("DELETE", ALL, 405),
        ("GET", KEYS, 405),
        ("POST", f"/service/{SERVICE}", 405),
        ("POST", "/service//purge_all", 404),
        ("POST", f"{ALL}/", 404),
        ("GET", f"/service/{SERVICE}/version/1", 404),
        ("GET", "/service/", 404),
        ("GET", "/tokens/other", 404),
        ("GET", "/realms/fastly/", 404),
    ],
)
async def test_paths_that_are_not_there(method: str, target: str, status: int) -> None:
    reply = await stage().call(method, target, headers=KEY)
    assert error(reply)[0] == status
    assert bool(fields(reply, "Allow")) is (status == 405)


async def test_a_thousand_writes_an_hour() -> None:
    """Purges by URL and key do not count; purge_all does. Time that is moved fills it again."""
    on = stage()

    def left(reply: Reply) -> tuple[int, int]:
        (remaining,), (reset,) = fields(reply, "Fastly-RateLimit-Remaining"), fields(reply, "Fastly-RateLimit-Reset")
        return int(remaining), int(reset) - int(on.clock.now())

    for target in ("/purge/www.example.com/a", f"{KEYS}/k"):
        assert left(await on.call("POST", target, headers=KEY)) == (1000, 0)
    assert left(await on.call("POST", KEYS, {"surrogate_keys": ["k"]}, headers=KEY)) == (1000, 0)
    for n in range(1000):
        assert left(await on.call("POST", ALL, headers=KEY))[0] == 999 - n
    reply = await on.call("POST", ALL, headers=KEY)
    assert error(reply)[0] == 429
    assert left(reply) == (0, 3600)
    assert not fields(reply, "Retry-After")
    assert on.log.head == 1003
    assert (await on.call("POST", "/purge/www.example.com/a", headers=KEY)).status == 200
    on.clock.advance(3.6)
    assert (await on.call("POST", ALL, headers=KEY)).status == 200
    assert (await on.call("POST", ALL, headers=KEY)).status == 429
    on.desk.forget()
    assert (await on.call("POST", ALL, headers=KEY)).status == 200


@pytest.mark.parametrize("why", Refused)
async def test_whatever_is_refused_is_refused_in_fastlys_words(why: Refused) -> None:
    on = stage()
    reply = await on.call("POST", ALL, headers=KEY, refusal=Refusal(why, "because"))
    assert error(reply) == (PROBLEM_OF[why].status, PROBLEM_OF[why].message, "because")
    assert on.log.head == 0


@pytest.mark.parametrize(
    "wanted, status, retry",
    [(Wanted(Fault.RATE_LIMIT, wait_s=7), 429, ["7"]), (Wanted(Fault.UNAVAILABLE, wait_s=2), 503, ["2"]), (Wanted(Fault.ERROR), 500, [])],
)
async def test_faults(wanted: Wanted, status: int, retry: list[str]) -> None:
    on = stage()
    on.faults.add(wanted, on.clock.now())
    reply = await on.call("POST", "/purge/www.example.com/a", headers=KEY)
    assert (error(reply)[0], fields(reply, "Retry-After")) == (status, retry)
