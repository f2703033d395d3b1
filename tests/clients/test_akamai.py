"""Akamai's own signer for requests, and curl, against an edge: what they purge is new for the next visitor, and nothing else is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from akamai.edgegrid import EdgeGridAuth
from vendorkit import PAGES, PUBLIC, Capture, Shop, captures, covers, running_shop

from edgecache.clock import Clock
from edgecache.config import CredentialSettings, Vendor, VendorSettings
from edgecache.control.dialects.faults import Fault, Wanted

EVERYTHING = set(PAGES)
CLIENT = {"client_token": "akab-client-token", "client_secret": "c1ient-s3cret+/=", "access_token": "akab-access-token"}
CREDENTIAL = CredentialSettings(
    vendor=Vendor.AKAMAI, id=CLIENT["client_token"], secret=CLIENT["client_secret"], access_token=CLIENT["access_token"]
)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """With a credential: every call has to be signed."""
    async with running_shop(credential=[CREDENTIAL]) as running:
        running.kit.clock.wall = Clock().now()  # clients sign their own machine's time
        await running.fill("Edge-Cache-Tag")
        yield running


async def post(
    shop: Shop, path: str, content: Any = None, auth: EdgeGridAuth | None = None, method: str = "POST", **how: Any
) -> requests.Response:
    """A signed call, as anybody would send it here. requests knows no asyncio, so it has a thread."""

    def run() -> requests.Response:
        with requests.Session() as session:
            session.auth = auth or EdgeGridAuth(**CLIENT)
            return session.request(method, shop.api + path, json=content, timeout=20, **how)

    return await asyncio.to_thread(run)


@pytest.mark.parametrize(
    "path, content, changed",
    [
        ("url", {"objects": [f"{PUBLIC}/a"]}, {"/a"}),
        ("url/production", {"objects": [f"{PUBLIC}/a?x=1", "http://www.example.com/b"]}, {"/a?x=1", "/b"}),
        ("url", {"objects": [f"{PUBLIC}/ü"]}, {"/%C3%BC"}),
        ("url", {"hostname": "www.example.com", "objects": ["/a", "/news/1"]}, {"/a", "/news/1"}),
        ("url", {"objects": ["https://other.example.com/a"]}, set()),
        ("url/staging", {"objects": [f"{PUBLIC}/a"]}, set()),
        ("tag", {"objects": ["t1"]}, {"/a", "/a?x=1"}),
        ("tag/production", {"objects": ["t2", "home"]}, {"/", "/b", "/news/2"}),
        ("tag", {"objects": ["nobody"]}, set()),
        ("tag/staging", {"objects": ["t1"]}, set()),
        ("tag?accountSwitchKey=1-5C0YLB:1-8BYUX", {"objects": ["t1"]}, {"/a", "/a?x=1"}),
        ("cpcode", {"objects": [12345]}, EVERYTHING),
        ("cpcode/production", {"objects": ["12345"]}, EVERYTHING),
        ("cpcode/staging", {"objects": [12345]}, set()),
    ],
)
async def test_delete(shop: Shop, path: str, content: Any, changed: set[str]) -> None:
    reply = await post(shop, f"/ccu/v3/delete/{path}", content)
    assert (reply.status_code, reply.json()["detail"], reply.json()["httpStatus"]) == (201, "Request accepted", 201)
    assert await shop.changed() == changed


@pytest.mark.parametrize(
    "kind, content", [("url", {"objects": [f"{PUBLIC}/a"]}), ("tag", {"objects": ["t1"]}), ("cpcode", {"objects": [1]})]
)
async def test_invalidate_makes_stale(shop: Shop, kind: str, content: Any) -> None:
    """The content stays: the origin is asked, and if it is away the old content stands in."""
    assert (await post(shop, f"/ccu/v3/invalidate/{kind}", content)).status_code == 201
    await shop.kit.origin.stop()
    kept = await shop.get("/a")
    assert (kept.body, "fwd=stale" in kept.cache_status) == (b"old", True)
    assert (await post(shop, f"/ccu/v3/delete/{kind}", content)).status_code == 201
    assert (await shop.get("/a")).status == 502


async def test_credentials_from_a_file(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "edgerc"
    file.write_text("[default]\nhost = unused\n" + "".join(f"{name} = {value}\n" for name, value in CLIENT.items()))
    assert (await post(shop, "/ccu/v3/delete/tag", {"objects": ["t1"]}, EdgeGridAuth.from_edgerc(str(file)))).status_code == 201
    assert await shop.changed() == {"/a", "/a?x=1"}


async def test_content_without_a_type(shop: Shop) -> None:
    def run() -> requests.Response:
        with requests.Session() as session:
            session.auth = EdgeGridAuth(**CLIENT)
            content = json.dumps({"objects": [f"{PUBLIC}/ü"]}, ensure_ascii=False).encode()
            return session.post(f"{shop.api}/ccu/v3/delete/url/production", data=content, timeout=20)

    reply = await asyncio.to_thread(run)
    assert (reply.status_code, "no Content-Type" in reply.headers["Edgecache-Warning"]) == (201, True)
    assert await shop.changed() == {"/%C3%BC"}


@pytest.mark.parametrize(
    "how, detail",
    [
        ({"client_secret": "wrong"}, "The signature does not match"),
        ({"client_token": "other"}, "Invalid client_token or access_token"),
        ({"access_token": "other"}, "Invalid client_token or access_token"),
    ],
)
async def test_wrong_signatures(shop: Shop, how: dict[str, str], detail: str) -> None:
    reply = await post(shop, "/ccu/v3/delete/tag", {"objects": ["t1"]}, EdgeGridAuth(**{**CLIENT, **how}))
    assert (reply.status_code, reply.headers["Content-Type"]) == (401, "application/problem+json")
    assert reply.json()["detail"] == detail
    assert await shop.changed() == set()


async def test_a_call_from_long_ago(shop: Shop) -> None:
    shop.kit.clock.pass_time(60)
    reply = await post(shop, "/ccu/v3/delete/tag", {"objects": ["t1"]})
    assert (reply.status_code, reply.json()["detail"].startswith("Invalid timestamp")) == (401, True)
    shop.kit.clock.pass_time(-60)
    shop.kit.clock.advance(3600)  # moving edge time is no skew
    assert (await post(shop, "/ccu/v3/delete/tag", {"objects": ["t1"]})).status_code == 201


async def test_the_same_bytes_again(shop: Shop) -> None:
    """What was recorded on its way cannot be sent by somebody else once more."""
    content = b'{"objects":["t1"]}'
    request = requests.Request("POST", f"{shop.api}/ccu/v3/delete/tag", data=content, auth=EdgeGridAuth(**CLIENT)).prepare()
    host = shop.api.removeprefix("http://")
    lines = f"Host: {host}\r\nAuthorization: {request.headers['Authorization']}\r\nContent-Length: {len(content)}\r\n\r\n"
    raw = f"POST /ccu/v3/delete/tag HTTP/1.1\r\n{lines}".encode() + content
    assert [(await shop.send(raw)).status for _ in range(2)] == [201, 401]


@pytest.mark.parametrize(
    "path, content, status, title",
    [
        ("delete/url", {"objects": [f"{PUBLIC}/a", "/b"]}, 400, "bad URL"),
        ("delete/url", {"hostname": "a b", "objects": ["/a"]}, 400, "bad URL hostname"),
        ("delete/tag", {"objects": ["t1", "a b"]}, 400, "bad tag"),
        ("delete/tag", {"objects": ["t1", "x" * 129]}, 400, "bad tag"),
        ("delete/cpcode", {"objects": [999]}, 403, "unauthorized cpcode"),
        ("delete/url", {"objects": [f"{PUBLIC}/{'x' * 50_000}"]}, 413, "request body too large"),
        ("delete/url/development", {"objects": [f"{PUBLIC}/a"]}, 400, "bad network"),
        ("status/e535071c", {"objects": [f"{PUBLIC}/a"]}, 404, "Not found"),
    ],
)
async def test_errors_change_nothing(path: str, content: Any, status: int, title: str) -> None:
    async with running_shop(credential=[CREDENTIAL], vendor=[VendorSettings(vendor=Vendor.AKAMAI, id="12345")]) as shop:
        shop.kit.clock.wall = Clock().now()
        await shop.fill("Edge-Cache-Tag")
        reply = await post(shop, f"/ccu/v3/{path}", content)
        assert (reply.status_code, reply.json()["title"]) == (status, title)
        assert await shop.changed() == set()


async def test_the_limit_and_its_end(shop: Shop) -> None:
    sent = await post(shop, "/ccu/v3/delete/cpcode/staging", {"objects": list(range(1, 301))})
    assert (sent.status_code, sent.headers["X-Ratelimit-Remaining-Objects"]) == (201, "0")
    denied = await post(shop, "/ccu/v3/delete/cpcode", {"objects": [1]})
    assert (denied.status_code, denied.json()["title"], denied.json()["rateLimitRemaining"]) == (429, "CPCODE Rate Limit exceeded", 0)
    assert await shop.changed() == set()
    shop.kit.clock.advance(2)
    assert (await post(shop, "/ccu/v3/rate-limit-status/cpcode")).headers["X-Ratelimit-Remaining-Objects"] == "1"
    assert (await post(shop, "/ccu/v3/delete/cpcode", {"objects": [1]})).status_code == 201
    assert await shop.changed() == EVERYTHING


@pytest.mark.parametrize(
    "wanted, status", [(Wanted(Fault.RATE_LIMIT, count=1), 429), (Wanted(Fault.ERROR, count=1), 500), (Wanted(Fault.LOST, count=1), 201)]
)
async def test_faults(shop: Shop, wanted: Wanted, status: int) -> None:
    shop.kit.edge.desk.faults.add(wanted, shop.kit.clock.now())
    assert (await post(shop, "/ccu/v3/delete/tag", {"objects": ["t1"]})).status_code == status
    assert await shop.changed() == set()
    assert (await post(shop, "/ccu/v3/delete/tag", {"objects": ["t1"]})).status_code == 201
    assert await shop.changed() == {"/a", "/a?x=1"}


# -- curl ---------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path, arguments, status, changed",
    [
        ("invalidate/url/production", ["-H", "Content-Type: application/json", "-d", f'{{"objects":["{PUBLIC}/a"]}}'], 201, {"/a"}),
        ("delete/tag", ["--json", '{"objects":["t1"]}'], 201, {"/a", "/a?x=1"}),
        ("delete/tag", ["-H", "Host: akab-host.luna.akamaiapis.net", "--json", '{"objects":["t1"]}'], 201, {"/a", "/a?x=1"}),
        ("delete/tag", ["-d", '{"objects":["t1"]}'], 415, set()),  # as application/x-www-form-urlencoded
        ("invalidate/url/development", ["--json", f'{{"objects":["{PUBLIC}/a"]}}'], 400, set()),
        ("status/ESTIMATE", ["-X", "GET"], 404, set()),
    ],
)
async def test_curl(system_program: Callable[[str, str], str], path: str, arguments: list[str], status: int, changed: set[str]) -> None:
    """Without a credential in the settings, and so with a signature that nobody looks at."""
    program = system_program("curl", "apt-get install curl")
    async with running_shop() as shop:
        await shop.fill("Edge-Cache-Tag")
        command = [program, "-s", "-i", "-m", "20", f"{shop.api}/ccu/v3/{path}", "-H", "Authorization: EG1-HMAC-SHA256 x", *arguments]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        head, _, content = out.decode().rpartition("\r\n\r\n")
        assert f" {status} " in head.split("\r\n")[0]
        assert json.loads(content)["httpStatus"] == status
        stale = {target for target in PAGES if "fwd=stale" in (await shop.get(target)).cache_status} if "invalidate" in path else set()
        assert stale | await shop.changed() == changed


# -- What was captured of real clients ----------------------------------------------------------------------------------------------------

CONFIGURED = {
    "CCU v2 queue": 404,  # of the second version nothing is here
    "CCU v2 status": 404,
}
STALE = {"url": {"/a"}, "tag": {"/a", "/a?x=1", "/b", "/news/2"}, "cpcode": EVERYTHING}


@pytest.mark.parametrize("capture", captures("akamai"), ids=lambda capture: capture.name)
async def test_what_real_clients_sent(capture: Capture) -> None:
    """Their signatures are of a secret that nobody knows any more, so no credential is configured."""
    async with running_shop() as shop:
        await shop.fill("Edge-Cache-Tag")
        reply = await shop.send(capture.raw, capture.method)
        said = json.loads(reply.body)
        assert reply.status == CONFIGURED.get(capture.scenario, 201)
        if reply.status == 201 and capture.answer["httpStatus"] == 201:
            covers(said, capture.answer)
        segments = capture.target.partition("?")[0].split("/")
        covered = STALE[segments[4]] if reply.status == 201 and "staging" not in segments else set()
        objects = json.loads(capture.body).get("objects") if capture.body else None
        if objects == ["t"]:
            covered = set()
        elif objects == ["/a", "/b?x=1"]:
            covered = {"/a"}
        elif objects == [f"{PUBLIC}/ü"]:
            covered = {"/%C3%BC"}
        stale = {target for target in PAGES if "fwd=stale" in (await shop.get(target)).cache_status}
        if segments[3] == "invalidate":
            assert stale == covered
        else:
            assert (stale, await shop.changed()) == (set(), covered)
