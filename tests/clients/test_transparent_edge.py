"""Transparent Edge's API with curl, and with what the vendor's own plug-ins send: what was purged is new for the next visitor.

captures/transparent_edge.jsonl has requests built from the source of the plug-ins for WordPress, PrestaShop, Magento and W3 Total Cache,
and from the vendor's documentation; another program sent them to a recording server, so that User-Agent and Accept are not theirs.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from clientkit import curl
from vendorkit import PAGES, PUBLIC, Capture, Shop, captures, covers, running_shop
from wirekit import fresh
from wirestage import settled

from edgecache.config import CredentialSettings, Vendor, VendorSettings

EVERYTHING = set(PAGES)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with running_shop() as running:
        await running.fill("Surrogate-Keys", " ")
        yield running


@pytest.mark.parametrize(
    "call, content, changed",
    [
        ("invalidate", {"urls": [f"{PUBLIC}/a"]}, {"/a"}),
        ("invalidate", {"urls": ["http://www.example.com/a?x=1", f"{PUBLIC}/b"]}, {"/a?x=1", "/b"}),
        ("invalidate", {"urls": [f"{PUBLIC}/%C3%BC"], "refetch": True}, {"/%C3%BC"}),
        ("invalidate", {"urls": [f"{PUBLIC}/news/"], "ban": "1"}, {"/news/1", "/news/2"}),
        ("invalidate", {"urls": [f"{PUBLIC}/news"], "ban": "1"}, {"/news/1", "/news/2", "/newsletter"}),
        ("invalidate", {"urls": [f"{PUBLIC}/a"], "type": "ban"}, {"/a", "/a?x=1"}),
        ("invalidate", {"urls": [PUBLIC], "ban": "1"}, EVERYTHING),
        ("invalidate", {"urls": ["https://other.example.com/a"]}, set()),
        ("tag_invalidate", {"tags": ["T1"]}, {"/a", "/a?x=1"}),
        ("tag_invalidate", {"tags": ["t2", "home"], "refetch": True}, {"/", "/b", "/news/2"}),
    ],
)
async def test_curl(shop: Shop, system_program: Callable[[str, str], str], call: str, content: Any, changed: set[str]) -> None:
    program = system_program("curl", "apt-get install curl")
    _, given = await curl(program, f"{shop.api}/v1/oauth2/access_token/", "-d", "grant_type=client_credentials&client_id=c&client_secret=s")
    url, bearer = f"{shop.api}/v1/companies/42/{call}/", f"Authorization: Bearer {given['access_token']}"
    head, said = await curl(program, url, "-H", bearer, "-d", json.dumps(content))
    assert " 200 " in head[""]
    assert said == ({"urls": content["urls"], "urls_to_send": content["urls"]} if "urls" in content else {"tags": content["tags"]})
    assert head["edgecache-position"] == str(len(content.get("urls", content.get("tags"))))
    assert await shop.changed() == changed


async def test_soft_makes_stale_and_refetch_fetches(shop: Shop) -> None:
    async def call(name: str, **content: Any) -> int:
        raw = json.dumps(content).encode()
        head = f"POST /v1/companies/42/{name}/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Length: {len(raw)}\r\n\r\n"
        return (await shop.send(head.encode() + raw)).status

    assert await call("invalidate", urls=[f"{PUBLIC}/a"], soft=True, refetch=True) == 200
    await settled(shop.kit)
    seen = len(shop.kit.origin.seen)
    assert (await shop.get("/a")).body == b"new"
    shop.kit.origin.answer("/later", fresh(b"new"))
    assert await call("prefetch", urls=[f"{PUBLIC}/later", f"{PUBLIC}/b"]) == 200
    await settled(shop.kit)
    assert [one.target for one in shop.kit.origin.seen[seen:]] == [b"/later"], "what is fresh is not fetched"
    assert (await shop.get("/later")).hit

    assert await call("tag_invalidate", tags=["t2"], soft=True) == 200
    await shop.kit.origin.stop()
    kept = await shop.get("/b")
    assert (kept.body, "fwd=stale" in kept.cache_status) == (b"old", True)
    assert await call("tag_invalidate", tags=["t2"]) == 200
    assert (await shop.get("/b")).status == 502


async def test_credentials_are_asked_for_once_there_are_some(system_program: Callable[[str, str], str]) -> None:
    program = system_program("curl", "apt-get install curl")
    settings = {
        "vendor": [VendorSettings(vendor=Vendor.TRANSPARENT_EDGE, id="42", hosts=("www.example.com",))],
        "credential": [CredentialSettings(vendor=Vendor.TRANSPARENT_EDGE, id="c", secret="s")],
    }
    async with running_shop(**settings) as shop:
        await shop.fill("Surrogate-Keys", " ")
        token, purge = f"{shop.api}/v1/oauth2/access_token/", f"{shop.api}/v1/companies/42/invalidate/"
        head, said = await curl(program, token, "-d", "grant_type=client_credentials&client_id=c&client_secret=wrong")
        assert (" 401 " in head[""], said["error"]) == (True, "invalid_client")
        head, _ = await curl(program, purge, "-H", "Authorization: Bearer made-up", "-d", json.dumps({"urls": [f"{PUBLIC}/a"]}))
        assert " 401 " in head[""]
        assert await shop.changed() == set()
        _, given = await curl(program, token, "-d", "grant_type=client_credentials&client_id=c&client_secret=s")
        bearer = f"Authorization: Bearer {given['access_token']}"
        head, said = await curl(program, purge, "-H", bearer, "-d", json.dumps({"urls": [f"{PUBLIC}/a", "https://other.org/"]}))
        assert (" 200 " in head[""], said["urls"]) == (True, [f"{PUBLIC}/a"])
        head, _ = await curl(program, purge.replace("42", "7"), "-H", bearer, "-d", json.dumps({"urls": [f"{PUBLIC}/b"]}))
        assert " 404 " in head[""]
        assert await shop.changed() == {"/a"}


# -- What was captured --------------------------------------------------------------------------------------------------------------------

# What is stored for these: targets, and their tags.
STOCK = {"/a/": "post-1", "/blog/": "te-all", "/blog/post": "site-1", "/other": "none"}
GONE = {
    "wordpress soft+refetch": {"/a/"},
    "wordpress ban": {"/blog/", "/blog/post"},
    "docs ban": {"/blog/", "/blog/post"},
    "wordpress tags soft": {"/a/", "/blog/post"},
    "magento tags soft_purge+refetch": {"/blog/"},
    "w3tc connection test (urls: [''])": set[str](),
}


@pytest.mark.parametrize("capture", captures("transparent_edge"), ids=lambda capture: capture.scenario)
async def test_what_plug_ins_send(capture: Capture) -> None:
    scenario = capture.scenario.removeprefix("replay: ")
    async with running_shop() as shop:
        for target, tags in STOCK.items():
            shop.kit.origin.answer(target, fresh(b"old", f"Surrogate-Keys: {tags}", max_age=3600))
            await shop.get(target)
            shop.kit.origin.answer(target, fresh(b"new", max_age=3600))
        reply = await shop.send(capture.raw, capture.method)
        if "connection test" in scenario:
            assert reply.status == 400, "to this client that is the sign that all is well"
        else:
            assert reply.status == 200
            covers(json.loads(reply.body), capture.answer)
        await settled(shop.kit)
        gone = {target for target in STOCK if (await shop.get(target)).body == b"new"}
        assert gone == GONE.get(scenario, set())


def test_every_scenario_has_its_effect() -> None:
    names = {capture.scenario.removeprefix("replay: ") for capture in captures("transparent_edge")}
    assert {name for name in names if "token" not in name} == set(GONE)
