"""Akamai's dialect: what each call appends, what it answers, what it refuses, and how EdgeGrid signatures are judged."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

import pytest
import requests
from akamai.edgegrid.edgegrid import EdgeGridAuthHeaders
from dialectkit import Stage, fields
from hypothesis import given
from hypothesis import strategies as st
from invalidationkit import stored_at

from edgecache.config import Vendor
from edgecache.control.dialects.akamai import Akamai
from edgecache.control.dialects.akamai.edgegrid import HASHED_BYTES, SKEW_S, Nonces, Signed, parse_authorization, signature_of
from edgecache.control.dialects.akamai.errors import PROBLEM_OF
from edgecache.control.dialects.call import Refusal, Refused, Reply
from edgecache.control.dialects.faults import Fault, Wanted

JSON = {"Content-Type": "application/json", "Authorization": "EG1-HMAC-SHA256 made-up"}
A, B = "https://www.example.com/a", "http://www.example.com/b?x=1"
URL, TAG, CPCODE = "/ccu/v3/invalidate/url", "/ccu/v3/invalidate/tag", "/ccu/v3/invalidate/cpcode"


def stage(**configured: Any) -> Stage:
    return Stage(Vendor.AKAMAI, Akamai, stored_at(0, A), **configured)


def problem(reply: Reply) -> tuple[int, str, str]:
    """Status, title and detail; the form is checked."""
    assert reply.content_type == "application/problem+json"
    value = json.loads(reply.content)
    assert {"supportId", "title", "httpStatus", "detail", "describedBy"} <= set(value)
    assert value["httpStatus"] == reply.status
    return reply.status, value["title"], value["detail"]


@pytest.mark.parametrize(
    "kind, content, appended",
    [
        ("url", {"objects": [A, B]}, [("url", "http://www.example.com/a"), ("url", "http://www.example.com/b?x=1")]),
        ("url", {"objects": ["https://www.example.com/ü"]}, [("url", "http://www.example.com/%C3%BC")]),
        ("url", {"objects": ["HTTPS://WWW.EXAMPLE.COM"]}, [("url", "http://www.example.com/")]),
        ("url", {"objects": ["https://www.example.com//a?"]}, [("url", "http://www.example.com//a?")]),
        (
            "url",
            {"hostname": "www.example.com", "objects": ["/a", "/b?x=1"]},
            [("url", "http://www.example.com/a"), ("url", "http://www.example.com/b?x=1")],
        ),
        ("url", {"hostname": "www.example.com:8080", "objects": ["/"]}, [("url", "http://www.example.com:8080/")]),
        ("url", {"hostname": "", "objects": [A]}, [("url", "http://www.example.com/a")]),
        ("tag", {"objects": ["One", "t2"]}, [("tag", "one"), ("tag", "t2")]),
        ("tag", {"objects": ["x" * 128]}, [("tag", "x" * 128)]),
        ("cpcode", {"objects": [12345]}, [("all", "everything")]),
        ("cpcode", {"objects": ["12345", 2]}, [("all", "everything")]),
    ],
)
@pytest.mark.parametrize("action, soft", [("invalidate", True), ("delete", False)])
@pytest.mark.parametrize("network", ["", "/production"])
@pytest.mark.parametrize("query", ["", "?accountSwitchKey=1-5C0YLB:1-8BYUX"])
async def test_what_is_purged(
    action: str, soft: bool, network: str, query: str, kind: str, content: Any, appended: list[tuple[str, str]]
) -> None:
    on = stage()
    reply = await on.call("POST", f"/ccu/v3/{action}/{kind}{network}{query}", content, headers=JSON)
    said = json.loads(reply.content)
    assert (reply.status, reply.content_type, said["httpStatus"], said["detail"]) == (201, "application/json", 201, "Request accepted")
    assert said["estimatedSeconds"] == 5
    assert all(isinstance(said[name], str) and said[name] for name in ("purgeId", "supportId"))
    assert on.appended == [(kind, value, "", soft) for kind, value in appended]
    assert not fields(reply, "Edgecache-Warning")


async def test_ids_differ() -> None:
    on = stage()
    said = [json.loads((await on.call("POST", URL, {"objects": [A]}, headers=JSON)).content) for _ in range(3)]
    assert len({one["purgeId"] for one in said}) == len({one["supportId"] for one in said}) == 3


@pytest.mark.parametrize(
    "path, content, status, title, words",
    [
        (URL, b"", 400, "bad request", "no JSON"),
        (URL, b"{", 400, "bad request", "no JSON"),
        (URL, b"\xff", 400, "bad request", "no JSON"),
        (URL, b"[" * 49_000, 400, "bad request", "no JSON"),
        (URL, [A], 400, "bad request", "no object"),
        (URL, {}, 400, "bad request", "objects"),
        (URL, {"objects": []}, 400, "bad request", "objects"),
        (URL, {"objects": A}, 400, "bad request", "objects"),
        (URL, {"objects": {"a": 1}}, 400, "bad request", "objects"),
        (URL, {"urls": [A]}, 400, "bad request", "objects"),
        (URL, {"objects": [A, 5]}, 400, "bad URL", "objects[1]"),
        (URL, {"objects": [A, None]}, 400, "bad URL", "objects[1]"),
        (URL, {"objects": [A, "/a"]}, 400, "bad URL", "'/a'"),
        (URL, {"objects": ["www.example.com/a"]}, 400, "bad URL", "full URL"),
        (URL, {"objects": ["ftp://www.example.com/a"]}, 400, "bad URL", "only http and https"),
        (URL, {"objects": [A, "https://www.example.com/a b"]}, 400, "bad URL", "a space"),
        (URL, {"objects": ["https://www.example.com/a\n"]}, 400, "bad URL", ""),
        (URL, {"objects": [""]}, 400, "bad URL", "empty"),
        (URL, {"objects": ["https://u@www.example.com/a"]}, 400, "bad URL", "user name"),
        (URL, {"objects": ["https:///a"]}, 400, "bad URL hostname", ""),
        (URL, {"objects": ["https://a b/"]}, 400, "bad URL", ""),
        (URL, {"objects": ["https://www.example.com:99999/"]}, 400, "bad URL hostname", ""),
        (URL, {"hostname": "www.example.com/x", "objects": ["/a"]}, 400, "bad URL hostname", "www.example.com/x"),
        (URL, {"hostname": "https://www.example.com", "objects": ["/a"]}, 400, "bad URL hostname", ""),
        (URL, {"hostname": "a b", "objects": ["/a"]}, 400, "bad URL hostname", "a b"),
        (URL, {"hostname": 5, "objects": ["/a"]}, 400, "bad URL hostname", ""),
        (URL, {"hostname": None, "objects": ["/a"]}, 400, "bad URL hostname", ""),
        (URL, {"hostname": "www.example.com", "objects": ["/a", "b"]}, 400, "bad URL", "begin with /"),
        (URL, {"hostname": "www.example.com", "objects": [A]}, 400, "bad URL", "begin with /"),
        (TAG, {"objects": [5]}, 400, "bad tag", "objects[0]"),
        (TAG, {"objects": ["t", ""]}, 400, "bad tag", "objects[1]"),
        (TAG, {"objects": ["t", "x" * 129]}, 400, "bad tag", "128"),
        (TAG, {"objects": ["t", "a b"]}, 400, "bad tag", "objects[1]"),
        (TAG, {"objects": ["t", "a,b"]}, 400, "bad tag", "objects[1]"),
        (TAG, b'{"objects":["\\ud800"]}', 400, "bad request", "no JSON"),
        (CPCODE, {"objects": ["12345", "x"]}, 400, "bad CP code", "objects[1]"),
        (CPCODE, {"objects": [1.5]}, 400, "bad CP code", ""),
        (CPCODE, {"objects": [True]}, 400, "bad CP code", ""),
        (CPCODE, {"objects": [-1]}, 400, "bad CP code", ""),
        (CPCODE, {"objects": [""]}, 400, "bad CP code", ""),
        (CPCODE, {"objects": ["１２"]}, 400, "bad CP code", ""),
        (CPCODE, {"objects": [[1]]}, 400, "bad CP code", ""),
        (CPCODE, {"objects": ["1" * 19]}, 400, "bad CP code", ""),
        (URL, {"objects": [A + "?" + "x" * 50_000]}, 413, "request body too large", "50000"),
        (f"{URL}/development", {"objects": [A]}, 400, "bad network", "production, staging"),
        (f"{URL}/Production", {"objects": [A]}, 400, "bad network", ""),
    ],
)
async def test_one_bad_object_fails_the_whole_call(path: str, content: Any, status: int, title: str, words: str) -> None:
    on = stage()
    reply = await on.call("POST", path, content, headers=JSON)
    found = problem(reply)
    assert found[:2] == (status, title)
    assert words in found[2]
    assert on.log.head == 0
    assert [came for came, _ in on.journal] == ["refused"]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(st.sampled_from((URL, TAG, CPCODE)), ANY | st.fixed_dictionaries({"objects": ANY | st.lists(st.text()), "hostname": ANY}))
async def test_whatever_json_says_there_is_an_answer(path: str, content: Any) -> None:
    on = stage()
    reply = await on.call("POST", path, json.dumps(content), headers=JSON)
    assert reply.status in (201, 400)
    assert (reply.status == 201) is (on.log.head > 0)


async def test_exactly_as_much_as_is_taken() -> None:
    on = stage()
    room = 50_000 - len(json.dumps({"objects": [A]}, separators=(",", ":")))
    assert (await on.call("POST", URL, {"objects": [A + "x" * room]}, headers=JSON)).status == 201
    assert (await on.call("POST", URL, {"objects": [A + "x" * (room + 1)]}, headers=JSON)).status == 413


@pytest.mark.parametrize(
    "content_type, status",
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("Application/JSON", 201),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("application/problem+json", 415),
        ("", 415),
        (None, 201),
    ],
)
async def test_content_types(content_type: str | None, status: int) -> None:
    on = stage()
    headers = {**JSON, "Content-Type": content_type} if content_type is not None else {"Authorization": JSON["Authorization"]}
    reply = await on.call("POST", URL, {"objects": [A]}, headers={name: value for name, value in headers.items() if value is not None})
    assert reply.status == status
    if status == 415:
        assert problem(reply)[1] == "unsupported media type"
    assert [("no Content-Type" in one) for one in fields(reply, "Edgecache-Warning")] == ([True] if content_type is None else [])
    assert on.log.head == (status == 201)


@pytest.mark.parametrize(
    "path, content, headers, words",
    [
        (URL, {"objects": [A]}, {"Content-Type": "application/json"}, "no EdgeGrid signature"),
        (URL, {"objects": [A]}, {"Content-Type": "application/json", "Authorization": "Bearer x"}, "no EdgeGrid signature"),
        (URL, {"objects": ["https://www.example.com/*"]}, JSON, "stands for itself"),
        (URL, {"objects": [A], "action": "remove"}, JSON, "'action' is no member"),
        (TAG, {"objects": ["t"], "hostname": "www.example.com"}, JSON, "hostname"),
        (CPCODE, {"objects": [1], "hostname": "www.example.com"}, JSON, "hostname"),
    ],
)
async def test_warnings(path: str, content: Any, headers: dict[str, str], words: str) -> None:
    reply = await stage().call("POST", path, content, headers=headers)
    (warning,) = fields(reply, "Edgecache-Warning")
    assert (reply.status, words in warning) == (201, True)


@pytest.mark.parametrize(
    "method, target, status",
    [
        ("GET", URL, 405),
        ("PUT", f"{URL}/staging", 405),
        ("POST", f"{URL}/", 404),
        ("POST", f"{URL}/production/", 404),
        ("POST", "/ccu/v3/invalidate", 404),
        ("POST", "/ccu/v3/invalidate/arl", 404),
        ("POST", "/ccu/v3/remove/url", 404),
        ("POST", "/ccu/v3//invalidate/url", 404),
        ("GET", "/ccu/v3/status/e535071c", 404),
        ("GET", "/ccu/v3/rate-limit-status/url", 405),
        ("POST", "/ccu/v3/rate-limit-status/arl", 404),
        ("POST", "/ccu/v2/queues/default", 404),
        ("GET", "/ccu/v2/purges/57799d8b", 404),
    ],
)
async def test_paths_that_are_not_there(method: str, target: str, status: int) -> None:
    reply = await stage().call(method, target, {"objects": [A]}, headers=JSON)
    assert problem(reply)[0] == status
    assert bool(fields(reply, "Allow")) is (status == 405)


@pytest.mark.parametrize("path, content", [(URL, {"objects": [A]}), (TAG, {"objects": ["t"]}), (CPCODE, {"objects": [1]})])
async def test_staging_is_another_network(path: str, content: Any) -> None:
    """A script that purges staging by mistake has to see production unchanged here, too."""
    on = stage()
    for action in ("invalidate", "delete"):
        reply = await on.call("POST", f"{path.replace('invalidate', action)}/staging", content, headers=JSON)
        assert (reply.status, json.loads(reply.content)["detail"]) == (201, "Request accepted")
        assert "no staging network" in fields(reply, "Edgecache-Warning")[0]
    assert [came for came, _ in on.journal] == ["elsewhere", "elsewhere"]
    assert on.log.head == 0
    assert (await on.call("POST", f"{URL}/staging", {"objects": ["nonsense"]}, headers=JSON)).status == 400


async def test_cp_codes_once_some_are_configured() -> None:
    on = stage(ids=[{"id": "12345", "site": "default"}, {"id": "7"}])
    for content in ({"objects": [12345]}, {"objects": ["12345"]}, {"objects": [7, 12345]}):
        assert (await on.call("POST", CPCODE, content, headers=JSON)).status == 201
    assert [site for _, _, site, _ in on.appended] == ["default", "default", "", "default"]
    assert problem(await on.call("POST", CPCODE, {"objects": [12345, 999]}, headers=JSON)) == (403, "unauthorized cpcode", "999")
    assert (await on.call("POST", URL, {"objects": [A]}, headers=JSON)).status == 201  # URLs and tags are of no CP code
    assert len(on.appended) == 5


# -- Limits -------------------------------------------------------------------------------------------------------------------------------


def rate(reply: Reply, name: str) -> str:
    (value,) = fields(reply, f"X-Ratelimit-{name}")
    return value


async def test_the_limit_of_calls() -> None:
    on = stage()
    for n in range(100):
        reply = await on.call("POST", URL, {"objects": [A]}, headers=JSON)
        assert (reply.status, rate(reply, "Limit"), rate(reply, "Remaining")) == (201, "100", str(99 - n))
    assert (rate(reply, "Limit-Per-Second"), rate(reply, "Seconds-To-Refresh-Limit")) == ("50", "2")
    reply = await on.call("POST", TAG, {"objects": ["t"]}, headers=JSON)  # calls of all kinds are counted together
    assert problem(reply)[:2] == (429, "Rate Limit exceeded")
    value = json.loads(reply.content)
    assert (value["rateLimit"], value["rateLimitCurrentRequestSize"], value["rateLimitRemaining"]) == (100, 1, 0)
    assert (rate(reply, "Remaining"), rate(reply, "Remaining-Objects")) == ("0", "5000")
    assert not fields(reply, "Retry-After")
    assert on.log.head == 100
    on.clock.advance(0.02)
    assert (await on.call("POST", TAG, {"objects": ["t"]}, headers=JSON)).status == 201
    assert (await on.call("POST", TAG, {"objects": ["t"]}, headers=JSON)).status == 429
    on.desk.forget()
    assert (await on.call("POST", TAG, {"objects": ["t"]}, headers=JSON)).status == 201


@pytest.mark.parametrize(
    "kind, objects, times, title, most",
    [
        ("tag", [str(n) for n in range(2500)], 2, "TAG Rate Limit exceeded", 5000),
        ("cpcode", list(range(1, 301)), 1, "CPCODE Rate Limit exceeded", 300),
        ("url", [f"http://a/{n}" for n in range(2500)], 4, "URL Rate Limit exceeded", 10_000),
    ],
)
async def test_the_limits_of_objects(kind: str, objects: list[Any], times: int, title: str, most: int) -> None:
    on = stage()
    path = f"/ccu/v3/delete/{kind}"
    for n in range(times):
        reply = await on.call("POST", path, {"objects": objects}, headers=JSON)
        assert (reply.status, rate(reply, "Limit-Objects")) == (201, str(most))
        assert rate(reply, "Remaining-Objects") == str(most - (n + 1) * len(objects))
    before = on.log.head
    reply = await on.call("POST", path, {"objects": objects[:2]}, headers=JSON)
    assert problem(reply)[:2] == (429, title)
    value = json.loads(reply.content)
    assert (value["rateLimit"], value["rateLimitCurrentRequestSize"], value["rateLimitRemaining"]) == (most, 2, 0)
    assert rate(reply, "Remaining") == str(100 - times)  # what is denied takes nothing
    assert on.log.head == before
    for other in {"url", "tag", "cpcode"} - {kind}:
        assert (await on.call("POST", f"/ccu/v3/rate-limit-status/{other}", headers=JSON)).status == 201
    content = {"objects": {"url": [A], "tag": ["t"], "cpcode": [1]}[kind]}
    on.clock.advance(60)
    assert (await on.call("POST", path, content, headers=JSON)).status == 201


async def test_more_objects_than_there_ever_are() -> None:
    on = stage()
    reply = await on.call("POST", "/ccu/v3/delete/cpcode", {"objects": list(range(301))}, headers=JSON)
    assert problem(reply)[:2] == (429, "CPCODE Rate Limit exceeded")
    assert on.log.head == 0


@pytest.mark.parametrize("kind, most", [("url", "10000"), ("tag", "5000"), ("cpcode", "300")])
async def test_asking_for_the_limits_takes_nothing(kind: str, most: str) -> None:
    on = stage()
    for _ in range(3):
        reply = await on.call("POST", f"/ccu/v3/rate-limit-status/{kind}", headers=JSON)
        assert (reply.status, rate(reply, "Remaining"), rate(reply, "Remaining-Objects")) == (201, "100", most)
        assert json.loads(reply.content)["httpStatus"] == 201
    assert on.journal == []


@pytest.mark.parametrize("why", Refused)
async def test_whatever_is_refused_is_a_problem(why: Refused) -> None:
    on = stage()
    reply = await on.call("POST", CPCODE, {"objects": [1]}, headers=JSON, refusal=Refusal(why, "because"))
    assert problem(reply) == (PROBLEM_OF[why].status, PROBLEM_OF[why].title, "because")
    assert on.log.head == 0


@pytest.mark.parametrize(
    "wanted, status, retry",
    [(Wanted(Fault.RATE_LIMIT, wait_s=7), 429, ["7"]), (Wanted(Fault.UNAVAILABLE, wait_s=2), 503, ["2"]), (Wanted(Fault.ERROR), 500, [])],
)
async def test_faults(wanted: Wanted, status: int, retry: list[str]) -> None:
    on = stage()
    on.faults.add(wanted, on.clock.now())
    reply = await on.call("POST", URL, {"objects": [A]}, headers=JSON)
    assert (problem(reply)[0], fields(reply, "Retry-After")) == (status, retry)


# -- EdgeGrid -----------------------------------------------------------------------------------------------------------------------------

CREDENTIAL = {"id": "akab-client", "secret": "s3cret+/=", "access_token": "akab-access"}


def signed(
    url: str,
    content: bytes | str = b"",
    *,
    at: float,
    method: str = "POST",
    nonce: str = "84bc7a9f-1952-49e7-9c41-6664b16cc4af",
    **differently: str,
) -> str:
    """What Akamai's own Python package puts into Authorization."""
    with_it = {**CREDENTIAL, **differently}
    request = requests.Request(method, url, data=content).prepare()
    timestamp = datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y%m%dT%H:%M:%S+0000")
    return EdgeGridAuthHeaders(with_it["id"], with_it["secret"], with_it["access_token"]).make_auth_header(request, timestamp, nonce)


HOST = "akab-host.luna.akamaiapis.net"


@pytest.mark.parametrize(
    "url",
    [
        f"http://{HOST}/ccu/v3/invalidate/url",
        f"https://{HOST}/ccu/v3/invalidate/url/production",
        "http://127.0.0.1:8081/ccu/v3/invalidate/tag",
        f"http://{HOST}/ccu/v3/delete/tag?accountSwitchKey=1-5C0YLB:1-8BYUX",
        f"http://{HOST}/ccu/v3/delete/tag?a=b%20c&d=%C3%BC",
        f"http://{HOST}/a;b=c/d;e?f",
        f"http://{HOST}/a?",
    ],
)
@pytest.mark.parametrize(
    "method, content", [("POST", b'{"objects":["t"]}'), ("POST", b""), ("POST", b"x" * (HASHED_BYTES + 9)), ("GET", b"")]
)
def test_signatures_are_those_of_akamais_own_package(url: str, method: str, content: bytes) -> None:
    at = 1_900_000_000.0
    scheme, _, rest = url.partition("://")
    host, slash, target = rest.partition("/")
    found = parse_authorization(signed(url, content, at=at, method=method))
    assert isinstance(found, Signed)
    assert (found.client_token, found.access_token, found.at) == ("akab-client", "akab-access", at)
    target = (slash + target).removesuffix("?")
    ours = signature_of(CREDENTIAL["secret"], found, method=method, scheme=scheme, host=host, target=target, content=content)
    assert ours == found.signature


async def sent(on: Stage, authorization: str | None, content: bytes = b'{"objects":["t"]}', target: str = TAG, host: str = HOST) -> Reply:
    headers: Mapping[str, str] = {"Host": host, "Content-Type": "application/json"}
    return await on.call("POST", target, content, headers=headers if authorization is None else {**headers, "Authorization": authorization})


CONTENT = b'{"objects":["t"]}'
WHERE = f"http://{HOST}{TAG}"


async def test_a_right_signature_once() -> None:
    on = stage(credentials=[CREDENTIAL, {"id": "other", "secret": "x", "access_token": "y"}])
    right = signed(WHERE, CONTENT, at=on.clock.now())
    assert (await sent(on, right)).status == 201
    assert problem(await sent(on, right)) == (401, "Not authorized", "The nonce was used before")
    assert (await sent(on, signed(WHERE, CONTENT, at=on.clock.now(), nonce="n2"))).status == 201
    on.desk.forget()
    assert (await sent(on, right)).status == 201
    assert len(on.appended) == 3


async def test_tls_may_have_been_ended_before() -> None:
    on = stage(credentials=[CREDENTIAL])
    assert (await sent(on, signed(f"https://{HOST}{TAG}", CONTENT, at=on.clock.now()))).status == 201


@pytest.mark.parametrize(
    "how, words",
    [
        ({"secret": "wrong"}, "signature does not match"),
        ({"id": "other"}, "client_token"),
        ({"access_token": "other"}, "access_token"),
        ({"access_token": ""}, "access_token"),
        ({"nonce": ""}, "nonce"),
    ],
)
async def test_wrong_signatures(how: dict[str, str], words: str) -> None:
    on = stage(credentials=[CREDENTIAL])
    found = problem(await sent(on, signed(WHERE, CONTENT, at=on.clock.now(), **how)))
    assert found[:2] == (401, "Not authorized")
    assert words in found[2]
    assert "s3cret" not in found[2]
    assert on.log.head == 0
    assert [came for came, _ in on.journal] == ["refused"]


@pytest.mark.parametrize(
    "what",
    [{"content": b'{"objects":["u"]}'}, {"target": "/ccu/v3/delete/tag"}, {"target": f"{TAG}?x=1"}, {"host": "other.akamaiapis.net"}],
)
async def test_what_was_signed_for_something_else(what: dict[str, Any]) -> None:
    on = stage(credentials=[CREDENTIAL])
    assert problem(await sent(on, signed(WHERE, CONTENT, at=on.clock.now()), **what))[2] == "The signature does not match"


@pytest.mark.parametrize(
    "value, words",
    [
        (None, "EG1-HMAC-SHA256"),
        ("", "EG1-HMAC-SHA256"),
        ("Bearer x", "EG1-HMAC-SHA256"),
        ("EG1-HMAC-SHA256", "client_token, access_token, timestamp, nonce, signature"),
        ("EG1-HMAC-SHA256 ", "client_token, access_token, timestamp, nonce, signature"),
        ("EG1-HMAC-SHA256 client_token=a;access_token=b;timestamp=20261120T06:07:17+0000;nonce=c;", "no signature"),
        ("EG1-HMAC-SHA256 client_token=a;access_token=b;timestamp=20261120T06:07:17+0000;nonce=c;signature=", "no signature"),
        ("EG1-HMAC-SHA256 client_token=a;access_token=b;timestamp=2026-11-20;nonce=c;signature=d", "Invalid timestamp"),
        ("EG1-HMAC-SHA256 client_token=a;access_token=b;timestamp=20261320T06:07:17+0000;nonce=c;signature=d", "Invalid timestamp"),
        ("EG1-HMAC-SHA256 client_token=a;access_token=b;timestamp=20261120T06:07:17+0000;nonce=c;signature=d", "client_token"),
        (
            "EG1-HMAC-SHA256 client_token=akab-client;access_token=\udcff;timestamp=20261120T06:07:17+0000;nonce=c;signature=ü",
            "access_token",
        ),
    ],
)
async def test_what_is_no_signature(value: str | None, words: str) -> None:
    on = stage(credentials=[CREDENTIAL])
    found = problem(await sent(on, value))
    assert found[:2] == (401, "Not authorized")
    assert words in found[2]


@given(st.text() | st.text().map("EG1-HMAC-SHA256 ".__add__) | st.lists(st.text()).map("EG1-HMAC-SHA256 client_token=a;nonce=".join))
def test_whatever_authorization_says_is_parsed_or_has_a_sentence(value: str) -> None:
    assert isinstance(parse_authorization(value), Signed | str)


@pytest.mark.parametrize("off_s, status", [(0, 201), (SKEW_S, 201), (-SKEW_S, 201), (SKEW_S + 1, 401), (-SKEW_S - 1, 401), (-86400, 401)])
async def test_skew_is_of_real_time(off_s: float, status: int) -> None:
    on = stage(credentials=[CREDENTIAL])
    real = on.clock.wall
    on.clock.advance(7200)  # nobody's signature becomes wrong because somebody moved the edge's clock
    reply = await sent(on, signed(WHERE, CONTENT, at=real + off_s))
    assert reply.status == status
    if status == 401:
        assert "Invalid timestamp" in problem(reply)[2]


def test_nonces_are_bounded_and_forgotten_when_their_signatures_have_ended() -> None:
    nonces = Nonces(most=3)
    assert [nonces.use("c", nonce, 100.0) for nonce in ("a", "b", "a")] == [True, True, False]
    assert nonces.use("d", "a", 100.0)
    assert len(nonces) == 3
    assert nonces.use("c", "c", 100.0)  # the oldest goes
    assert (len(nonces), nonces.use("c", "b", 100.0 + 2 * SKEW_S)) == (3, False)
    assert nonces.use("c", "b", 100.1 + 2 * SKEW_S)
    assert len(nonces) == 1


async def test_a_call_that_was_refused_for_its_signature_uses_no_nonce() -> None:
    on = stage(credentials=[CREDENTIAL])
    assert (await sent(on, signed(WHERE, CONTENT, at=on.clock.now(), secret="wrong"))).status == 401
    assert (await sent(on, signed(WHERE, CONTENT, at=on.clock.now()))).status == 201
