"""Transparent Edge's dialect: what each call appends, what it answers, what it refuses, and its tokens."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from dialectkit import Stage, fields
from hypothesis import given
from hypothesis import strategies as st
from invalidationkit import stored_at

from edgecache.caching.stored import Key
from edgecache.config import Vendor
from edgecache.control.dialects.call import Refused, Reply
from edgecache.control.dialects.faults import Fault, Wanted
from edgecache.control.dialects.transparent_edge import TransparentEdge
from edgecache.control.dialects.transparent_edge.errors import ERRORS
from edgecache.control.dialects.transparent_edge.reading import below
from edgecache.control.dialects.transparent_edge.tokens import LIFETIME_S, REFRESH_LIFETIME_S
from edgecache.invalidation.bans import Ban, parse_ban
from edgecache.invalidation.selectors import BanSelector

COMPANY = "/v1/companies/42"
INVALIDATE, TAGS, PREFETCH = f"{COMPANY}/invalidate/", f"{COMPANY}/tag_invalidate/", f"{COMPANY}/prefetch/"
TOKEN = "/v1/oauth2/access_token/"
BEARER = {"Authorization": "Bearer made-up"}
A, B = "https://www.example.com/a", "https://www.example.com/b?x=1"
URL_A, URL_B = ("url", "http://www.example.com/a"), ("url", "http://www.example.com/b?x=1")


def stage(**configured: Any) -> Stage:
    return Stage(Vendor.TRANSPARENT_EDGE, TransparentEdge, stored_at(0, A), **configured)


def body(reply: Reply) -> Any:
    assert reply.content_type == "application/json"
    return json.loads(reply.content)


def error(reply: Reply) -> tuple[int, str]:
    """Status and sentence."""
    value = body(reply)
    assert list(value) == ["detail"]
    return reply.status, value["detail"]


# -- What is invalidated ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content, appended, soft",
    [
        ({"urls": [A, B]}, [URL_A, URL_B], False),
        ({"urls": ["http://WWW.example.com:80/a"]}, [URL_A], False),
        ({"urls": [A], "soft": True}, [URL_A], True),
        ({"urls": [A], "soft": False, "refetch": False, "ban": "0"}, [URL_A], False),
        ({"urls": [A], "soft": True, "refetch": True}, [URL_A], True),
        ({"urls": ["https://www.example.com/blog/"], "ban": "1"}, [("prefix", "www.example.com/blog/")], False),
        ({"urls": ["https://www.example.com"], "ban": "1"}, [("prefix", "www.example.com/")], False),
        ({"urls": ["https://www.example.com/blog/"], "type": "ban"}, [("prefix", "www.example.com/blog/")], False),
        ({"urls": ["https://h/a/", "https://h/b/"], "ban": 1}, [("prefix", "h/a/"), ("prefix", "h/b/")], False),
        ({"urls": [A], "ban": True}, [("ban", 'req.http.host == "www.example.com" && req.url ~ "^/a"')], False),
        ({"urls": ["https://h/a.b?x=(1)/"], "ban": "1"}, [("ban", 'req.http.host == "h" && req.url ~ "^/a[.]b[?]x=[(]1[)]/"')], False),
        ({"urls": [A], "ban": "1", "soft": True}, [("ban", 'req.http.host == "www.example.com" && req.url ~ "^/a"')], False),
    ],
)
@pytest.mark.parametrize("target", [INVALIDATE, INVALIDATE.rstrip("/")])
async def test_urls(target: str, content: Any, appended: list[tuple[str, str]], soft: bool) -> None:
    on = stage()
    reply = await on.call("POST", target, content, headers=BEARER)
    assert (reply.status, body(reply)) == (200, {"urls": content["urls"], "urls_to_send": content["urls"]})
    assert on.appended == [(kind, value, "", soft) for kind, value in appended]
    noted = next(iter(on.doors.journal.newest_first()))
    assert noted.refetch is content.get("refetch", False)


@pytest.mark.parametrize(
    "content, appended, soft",
    [
        ({"tags": ["One", "t2"]}, ["one", "t2"], False),
        ({"tags": ["one"], "soft": True}, ["one"], True),
        ({"tags": ["one"], "soft_purge": True, "refetch": True}, ["one"], True),
        ({"tags": ["one"], "soft": False, "soft_purge": True}, ["one"], True),
        ({"tags": ["one"], "ban": "1"}, ["one"], False),  # not known there
    ],
)
async def test_tags(content: Any, appended: list[str], soft: bool) -> None:
    on = stage()
    reply = await on.call("POST", TAGS, content, headers=BEARER)
    assert (reply.status, body(reply)) == (200, {"tags": content["tags"]})
    assert on.appended == [("tag", tag, "", soft) for tag in appended]


SEGMENT = st.text("ab.*+?()[]{}^$|\\/%=&\"'-", max_size=8)


@given(SEGMENT, SEGMENT, st.sampled_from([b"h", b"other"]))
def test_a_ban_covers_what_begins_so_and_nothing_else(prefix: str, rest: str, host: bytes) -> None:
    """Whatever is a character of regular expressions or of bans stands for itself."""
    ban = parse_ban(below(b"h", b"/" + prefix.encode()))
    assert isinstance(ban, Ban)
    for target in (b"/" + (prefix + rest).encode(), b"/" + rest.encode()):
        stored = stored_at(0, key=Key(b"http", host, target))
        wanted = host == b"h" and target.startswith(b"/" + prefix.encode())
        assert BanSelector(ban).selects(stored, 0.0) is wanted


async def test_prefetch() -> None:
    on = stage()
    begun: list[Any] = []
    on.doors.refetch = lambda stored, urls: begun.append((list(stored), list(urls)))
    reply = await on.call("POST", PREFETCH, {"urls": [A, "http://h/x"]}, headers=BEARER)
    assert (reply.status, body(reply)["urls"]) == (200, [A, "http://h/x"])
    assert begun == [([], [Key(b"https", b"www.example.com", b"/a"), Key(b"http", b"h", b"/x")])]
    assert on.log.head == 0
    assert (await on.call("POST", PREFETCH, {"urls": ["/a"]}, headers=BEARER)).status == 400
    assert len(begun) == 1


# -- What is refused ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target, content, status, words",
    [
        (INVALIDATE, b"", 400, "no JSON"),
        (INVALIDATE, b"{", 400, "no JSON"),
        (INVALIDATE, b"\xff", 400, "no JSON"),
        (INVALIDATE, b"[" * 100_000, 400, "no JSON"),
        (INVALIDATE, [A], 400, "no JSON object"),
        (INVALIDATE, {}, 400, "'urls' is missing"),
        (INVALIDATE, {"tags": ["t"]}, 400, "'urls' is missing"),
        (INVALIDATE, {"urls": []}, 400, "'urls' is empty"),
        (INVALIDATE, {"urls": A}, 400, "'urls' is no array"),
        (INVALIDATE, {"urls": {"a": A}}, 400, "'urls' is no array"),
        (INVALIDATE, {"urls": [A, 1]}, 400, "urls[1]"),
        (INVALIDATE, {"urls": [""]}, 400, "urls[0]"),  # how one plug-in tests its connection
        (INVALIDATE, {"urls": [A, "www.example.com/a"]}, 400, "urls[1]: 'www.example.com/a' is not a full URL"),
        (INVALIDATE, {"urls": ["ftp://h/a"]}, 400, "only http and https"),
        (INVALIDATE, {"urls": [A], "ban": "1", "refetch": True}, 400, "exclude each other"),
        (INVALIDATE, {"urls": [A], "type": "ban", "refetch": "1"}, 400, "exclude each other"),
        (INVALIDATE, {"urls": [A], "soft": "perhaps"}, 400, "'soft' is 'perhaps'"),
        (INVALIDATE, {"urls": [A], "ban": []}, 400, "'ban' is '[]'"),
        (INVALIDATE, {"urls": [A], "refetch": 2}, 400, "'refetch' is '2'"),
        (INVALIDATE, {"urls": ["https://h/" + "x" * 9000], "ban": "1"}, 400, "too long for a ban"),
        (INVALIDATE, {"urls": [A] * 10_001}, 413, "api_items"),
        (TAGS, {"urls": [A]}, 400, "'tags' is missing"),
        (TAGS, {"tags": "t"}, 400, "'tags' is no array"),
        (TAGS, {"tags": ["t", None]}, 400, "tags[1]"),
        (TAGS, {"tags": ["a b"]}, 400, "separates tags"),
        (TAGS, {"tags": ["x" * 20_000]}, 400, "longer than"),
        (PREFETCH, {"urls": 1}, 400, "'urls' is no array"),
    ],
)
async def test_what_is_refused(target: str, content: Any, status: int, words: str) -> None:
    on = stage()
    found = error(await on.call("POST", target, content, headers=BEARER))
    assert found[0] == status
    assert words in found[1]
    assert on.log.head == 0
    assert [came for came, _ in on.journal] == ([] if target == PREFETCH else ["refused"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([A, "t1", "1", "ban"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)


@given(st.sampled_from([INVALIDATE, TAGS]), st.dictionaries(st.sampled_from(["urls", "tags", "soft", "ban", "type", "refetch"]), JSON))
async def test_any_content_comes_to_an_answer_and_never_to_a_defect(target: str, content: Any) -> None:
    on = stage()
    reply = await on.call("POST", target, json.dumps(content).encode(), headers=BEARER)
    assert reply.status in (200, 400)
    assert (on.log.head > 0) is (reply.status == 200)


@pytest.mark.parametrize(
    "method, target, status",
    [
        ("GET", INVALIDATE, 405),
        ("DELETE", TAGS, 405),
        ("GET", TOKEN, 405),
        ("POST", "/v1/companies/", 404),
        ("POST", "/v1/companies//invalidate/", 404),
        ("POST", f"{COMPANY}/", 404),
        ("POST", f"{INVALIDATE}/", 404),
        ("POST", "/v1/oauth2/other/", 404),
    ],
)
async def test_paths_that_are_not_there(method: str, target: str, status: int) -> None:
    reply = await stage().call(method, target, {"urls": [A]}, headers=BEARER)
    assert error(reply)[0] == status
    assert fields(reply, "Allow") == (["POST"] if status == 405 else [])


# -- Warnings -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target, content, headers, words",
    [
        (INVALIDATE, {"urls": [A]}, {}, "no token"),
        (INVALIDATE.rstrip("/"), {"urls": [A]}, BEARER, "end in a slash"),
        (INVALIDATE, {"urls": [A], "type": "ban"}, BEARER, '"ban": "1"'),
        (INVALIDATE, {"urls": [A], "ban": "1", "soft": True}, BEARER, "'soft' was ignored"),
        (INVALIDATE, {"urls": [A + "/*"], "ban": "1"}, BEARER, "stands for itself"),
        (INVALIDATE, {"urls": [A], "soft_purge": True}, BEARER, "'soft_purge' is no member of this call"),
        (INVALIDATE, {"urls": [A], "tags": ["t"]}, BEARER, "'tags' is no member"),
        (TAGS, {"tags": ["t"], "soft": True}, BEARER, "WordPress plug-in sends soft"),
        (TAGS, {"tags": ["t"], "soft_purge": True}, BEARER, "Magento module sends soft_purge"),
        (TAGS, {"tags": ["t"], "ban": "1"}, BEARER, "'ban' is no member"),
        (PREFETCH, {"urls": [A], "soft": True}, BEARER, "'soft' is no member"),
        (f"{TOKEN}?grant_type=client_credentials&client_id=c&client_secret=s", b"", {}, "in the query"),
        (TOKEN, {"grant_type": "client_credentials"}, {}, "is JSON"),
        (TOKEN.rstrip("/"), b"grant_type=client_credentials", {}, "end in a slash"),
    ],
)
async def test_warnings(target: str, content: Any, headers: dict[str, str], words: str) -> None:
    reply = await stage().call("POST", target, content, headers=headers)
    assert reply.status == 200
    (warning,) = fields(reply, "Edgecache-Warning")
    assert words in warning


async def test_type_is_only_known_as_ban() -> None:
    on = stage()
    reply = await on.call("POST", INVALIDATE, {"urls": [A], "type": "purge"}, headers=BEARER)
    assert "only 'ban' is known" in fields(reply, "Edgecache-Warning")[1]
    assert on.appended == [(*URL_A, "", False)]


async def test_a_call_as_it_should_be_has_no_warning() -> None:
    reply = await stage().call("POST", INVALIDATE, {"urls": [A], "soft": True, "refetch": True}, headers=BEARER)
    assert not fields(reply, "Edgecache-Warning")
    assert (fields(reply, "Edgecache-Position"), fields(reply, "Edgecache-Matched")) == (["1"], ["1"])


# -- Companies ----------------------------------------------------------------------------------------------------------------------------

TWO = [{"id": "42", "site": "default", "hosts": ("www.example.com",)}, {"id": "43"}]


async def test_companies_once_there_are_some() -> None:
    on = stage(ids=TWO)
    assert (await on.call("POST", TAGS, {"tags": ["t"]}, headers=BEARER)).status == 200
    assert on.appended == [("tag", "t", "default", False)]
    for call in ("invalidate", "tag_invalidate", "prefetch"):
        assert error(await on.call("POST", f"/v1/companies/7/{call}/", {"urls": [A], "tags": ["t"]}, headers=BEARER))[0] == 404
    assert len(on.appended) == 1


async def test_urls_of_others_are_left_out() -> None:
    on = stage(ids=TWO)
    reply = await on.call("POST", INVALIDATE, {"urls": ["https://other.org/", A]}, headers=BEARER)
    assert (reply.status, body(reply)) == (200, {"urls": [A], "urls_to_send": [A]})
    assert "other.org is no host of company 42" in fields(reply, "Edgecache-Warning")[0]
    assert on.appended == [(*URL_A, "default", False)]
    assert error(await on.call("POST", INVALIDATE, {"urls": ["https://other.org/"]}, headers=BEARER))[0] == 400
    assert (await on.call("POST", "/v1/companies/43/invalidate/", {"urls": ["https://other.org/"]}, headers=BEARER)).status == 200


# -- Tokens -------------------------------------------------------------------------------------------------------------------------------

SECRETS = [{"id": "c1ient", "secret": "s3cret"}, {"id": "ünï:code", "secret": "other & one"}]
RIGHT = {"grant_type": "client_credentials", "client_id": "c1ient", "client_secret": "s3cret"}


def basic(id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{id}:{secret}".encode()).decode()}


@pytest.mark.parametrize(
    "query, content, headers, outcome",
    [
        ("", urlencode(RIGHT), {}, 200),
        ("?" + urlencode(RIGHT), b"", {}, 200),
        ("", RIGHT, {}, 200),
        ("", "grant_type=client_credentials", basic("c1ient", "s3cret"), 200),
        ("", urlencode({**RIGHT, "client_id": "ünï:code", "client_secret": "other & one"}), {}, 200),
        ("", urlencode({**RIGHT, "client_secret": "wrong"}), {}, (401, "invalid_client")),
        ("", urlencode({**RIGHT, "client_secret": "other & one"}), {}, (401, "invalid_client")),
        ("", urlencode({**RIGHT, "client_id": "who"}), {}, (401, "invalid_client")),
        ("", "grant_type=client_credentials", {}, (401, "invalid_client")),
        ("", "grant_type=client_credentials", basic("c1ient", "no"), (401, "invalid_client")),
        ("", "grant_type=client_credentials", {"Authorization": "Basic !"}, (401, "invalid_client")),
        ("", "grant_type=client_credentials", {"Authorization": "Basic /w=="}, (401, "invalid_client")),
        ("", b"", {}, (400, "invalid_request")),
        ("", b"{", {}, (400, "invalid_request")),
        ("", b'{"grant_type": 1}', {}, (400, "invalid_request")),
        ("", b"\xff\x00=%ff", {}, (400, "invalid_request")),
        ("", urlencode({**RIGHT, "grant_type": "password"}), {}, (400, "unsupported_grant_type")),
        ("", urlencode({**RIGHT, "grant_type": "refresh_token"}), {}, (400, "invalid_grant")),
        ("", urlencode({**RIGHT, "grant_type": "refresh_token", "refresh_token": "r.9.x.y"}), {}, (400, "invalid_grant")),
    ],
)
async def test_the_token_call(query: str, content: Any, headers: dict[str, str], outcome: Any) -> None:
    on = stage(credentials=SECRETS)
    reply = await on.call("POST", TOKEN + query, content, headers=headers)
    value = body(reply)
    if outcome == 200:
        assert (reply.status, value["token_type"], value["expires_in"]) == (200, "Bearer", 36_000)
        purged = await on.call("POST", INVALIDATE, {"urls": [A]}, headers={"Authorization": f"Bearer {value['access_token']}"})
        assert purged.status == 200
    else:
        assert (reply.status, value["error"]) == outcome
    assert not any(secret in reply.content.decode() + str(on.journal) for secret in ("s3cret", "other & one"))


async def token(on: Stage, **differently: str) -> dict[str, Any]:
    reply = await on.call("POST", TOKEN, urlencode({**RIGHT, **differently}))
    assert reply.status == 200
    value: dict[str, Any] = body(reply)
    return value


async def status(on: Stage, access_token: str) -> int:
    reply = await on.call("POST", INVALIDATE, {"urls": [A]}, headers={"Authorization": f"Bearer {access_token}"})
    assert (fields(reply, "WWW-Authenticate") == ["Bearer"]) is (reply.status == 401)
    return reply.status


async def test_a_token_ends_in_real_time_and_not_in_edge_time() -> None:
    on = stage(credentials=SECRETS)
    given = (await token(on))["access_token"]
    on.clock.advance(10 * LIFETIME_S)
    assert await status(on, given) == 200
    on.clock.pass_time(LIFETIME_S - 1)
    assert await status(on, given) == 200
    on.clock.pass_time(1)
    assert await status(on, given) == 401
    assert on.log.head == 2


async def test_a_token_can_be_renewed() -> None:
    on = stage(credentials=SECRETS)
    given = await token(on)
    on.clock.pass_time(LIFETIME_S)
    again = await token(on, grant_type="refresh_token", refresh_token=given["refresh_token"])
    assert await status(on, again["access_token"]) == 200
    others = urlencode({"grant_type": "refresh_token", "client_id": "ünï:code", "client_secret": "other & one", **given})
    assert body(await on.call("POST", TOKEN, others))["error"] == "invalid_grant"
    on.clock.pass_time(REFRESH_LIFETIME_S)
    reply = await on.call("POST", TOKEN, urlencode({**RIGHT, "grant_type": "refresh_token", "refresh_token": given["refresh_token"]}))
    assert (reply.status, body(reply)["error"]) == (400, "invalid_grant")


async def test_a_token_outlives_a_reset_and_another_edge_but_not_its_secret() -> None:
    on = stage(credentials=SECRETS)
    given = (await token(on))["access_token"]
    on.desk.forget()
    assert await status(on, given) == 200
    assert await status(stage(credentials=SECRETS), given) == 200
    assert await status(stage(credentials=[{"id": "c1ient", "secret": "changed"}]), given) == 401


async def test_tokens_that_are_none() -> None:
    on = stage(credentials=SECRETS)
    given = await token(on)
    right = given["access_token"]
    kind, ends, name, signature = right.split(".")
    forged = [
        "", "x", "a.b.c", "a.b.c.d", ".".join((kind, str(int(ends) + 1), name, signature)), ".".join((kind, ends, "", signature)),
        ".".join((kind, "9" * 13, name, signature)), ".".join((kind, "²", name, signature)), ".".join((kind, ends, "!", signature)),
        ".".join((kind, ends, "ü", signature)), ".".join((kind, ends, name, "ü")), right + "0", right[:-1], given["refresh_token"],
        "s3cret", right.replace("a.", "r.", 1),
    ]  # fmt: skip
    assert {await status(on, one) for one in forged} == {401}
    reply = await on.call("POST", INVALIDATE, {"urls": [A]}, headers=basic("c1ient", "s3cret"))
    assert reply.status == 401
    assert on.log.head == 0


async def test_without_credentials_anybody_on_this_machine_gets_a_token() -> None:
    on = stage()
    given = await token(on, client_id="anybody")
    assert await status(on, given["access_token"]) == 200
    await token(on, grant_type="refresh_token", refresh_token=given["refresh_token"])
    assert error(await on.call("POST", TOKEN, urlencode(RIGHT), who="10.0.0.9"))[0] == 401
    assert error(await on.call("POST", INVALIDATE, {"urls": [A]}, headers=BEARER, who="10.0.0.9"))[0] == 401


# -- Faults and errors --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted, status, after",
    [
        (Wanted(Fault.RATE_LIMIT, wait_s=3), 429, ["3"]),
        (Wanted(Fault.ERROR), 500, []),
        (Wanted(Fault.UNAVAILABLE, "transparent_edge", wait_s=0.2), 503, ["1"]),
        (Wanted(Fault.ERROR_IN_BODY), 200, []),
        (Wanted(Fault.RATE_LIMIT, "transparent_edge", "access_token"), 429, ["1"]),
    ],
)
async def test_faults(wanted: Wanted, status: int, after: list[str]) -> None:
    on = stage()
    on.faults.add(wanted, on.clock.now())
    reply = await on.call("POST", TOKEN if wanted.call else INVALIDATE, {"urls": [A]}, headers=BEARER)
    assert error(reply)[0] == status
    assert fields(reply, "Retry-After") == after
    assert on.log.head == 0


async def test_a_fault_loses_all_but_the_first_and_the_answer_does_not_say_so() -> None:
    on = stage()
    on.faults.add(Wanted(Fault.PARTIAL, keep=1), on.clock.now())
    reply = await on.call("POST", INVALIDATE, {"urls": [A, B]}, headers=BEARER)
    assert (reply.status, body(reply)["urls"]) == (200, [A, B])
    assert on.appended == [(*URL_A, "", False)]


def test_every_refusal_has_a_status() -> None:
    assert set(ERRORS) == set(Refused)
