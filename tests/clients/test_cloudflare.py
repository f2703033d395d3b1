"""Cloudflare's own Python SDK and curl against an edge: what they purge is new for the next visitor, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import cloudflare
import pytest
from clientkit import curl
from cloudflare import AsyncCloudflare
from vendorkit import PAGES, PUBLIC, Capture, Shop, captures, covers, running_shop

from edgecache.config import CredentialSettings, Vendor, VendorSettings
from edgecache.control.dialects.faults import Fault, Wanted

ZONE = "023e105f4ecef8ad9ca31a8372d0c353"
EVERYTHING = set(PAGES)

Call = Callable[[AsyncCloudflare], Awaitable[Any]]


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with running_shop() as running:
        await running.fill()
        yield running


def sdk(shop: Shop, **how: Any) -> AsyncCloudflare:
    """The SDK as anybody would point it here: only the base URL is another one."""
    return AsyncCloudflare(base_url=f"{shop.api}/client/v4", **{"api_token": "made-up", **how})


@pytest.mark.parametrize(
    "content, changed",
    [
        ({"files": [f"{PUBLIC}/a"]}, {"/a"}),
        ({"files": [f"{PUBLIC}/a?x=1", "http://www.example.com/b"]}, {"/a?x=1", "/b"}),
        ({"files": [f"{PUBLIC}/ü"]}, {"/%C3%BC"}),
        ({"files": [{"url": f"{PUBLIC}/a", "headers": {}}]}, {"/a"}),
        ({"files": [{"url": f"{PUBLIC}/a", "headers": {"Origin": "https://o.example"}}]}, {"/a"}),  # no field is in a key here
        ({"tags": ["T1"]}, {"/a", "/a?x=1"}),
        ({"tags": ["t2", "home"]}, {"/", "/b", "/news/2"}),
        ({"tags": ["nobody"]}, set()),
        ({"hosts": ["www.example.com"]}, EVERYTHING),
        ({"hosts": ["other.example.com"]}, set()),
        ({"prefixes": ["www.example.com/news"]}, {"/news/1", "/news/2"}),
        ({"prefixes": ["www.example.com/a"]}, {"/a", "/a?x=1"}),
        ({"prefixes": ["https://www.example.com/news"]}, set()),  # taken and ignored, with a warning
        ({"purge_everything": True}, EVERYTHING),
    ],
)
async def test_purge(shop: Shop, content: dict[str, Any], changed: set[str]) -> None:
    async with sdk(shop) as client:
        said = await client.cache.purge(zone_id=ZONE, **content)
        assert said is not None
        assert said.id == ZONE
    assert await shop.changed() == changed


@pytest.mark.parametrize("how", [{"api_token": "t"}, {"api_token": None, "api_email": "u@example.com", "api_key": "k"}])
async def test_every_way_to_purge_everything(shop: Shop, how: dict[str, Any]) -> None:
    async with sdk(shop, **how) as client:
        await client.cache.purge_environment(zone_id=ZONE, environment_id="e1", purge_everything=True)
    assert await shop.changed() == EVERYTHING


async def test_invalidate_makes_stale(shop: Shop) -> None:
    """The content stays: the origin is asked, and if it is away the old content stands in."""
    async with sdk(shop) as client:
        assert await client.cache.invalidate(zone_id=ZONE, tags=["t1"]) is not None
        await shop.kit.origin.stop()
        kept = await shop.get("/a")
        assert (kept.body, "fwd=stale" in kept.cache_status) == (b"old", True)
        await client.cache.purge(zone_id=ZONE, tags=["t1"])
        assert (await shop.get("/a")).status == 502


async def test_looking(shop: Shop) -> None:
    async with sdk(shop) as client:
        verified = await client.user.tokens.verify()
        assert verified is not None
        assert verified.status == "active"
        zones = [zone async for zone in client.zones.list(name="example.com")]
        assert [zone.name for zone in zones] == ["example.com"]
        zone = await client.zones.get(zone_id=zones[0].id)
        assert zone is not None
        assert zone.id == zones[0].id


CONFIGURED = {
    "vendor": [VendorSettings(vendor=Vendor.CLOUDFLARE, id=ZONE, name="example.com", plan="free")],
    "credential": [CredentialSettings(vendor=Vendor.CLOUDFLARE, secret="t0ken")],
}


@pytest.mark.parametrize(
    "error, code, call, how",
    [
        (cloudflare.BadRequestError, 1012, lambda c: c.cache.purge(zone_id=ZONE), {}),
        (cloudflare.BadRequestError, 1012, lambda c: c.cache.purge(zone_id=ZONE, tags=["x"], purge_everything=True), {}),
        (cloudflare.BadRequestError, 1016, lambda c: c.cache.purge(zone_id=ZONE, files=["/a"]), {}),
        (cloudflare.BadRequestError, 1016, lambda c: c.cache.purge(zone_id=ZONE, files=[f"{PUBLIC}/a"] * 31), {}),
        (cloudflare.BadRequestError, 1100, lambda c: c.cache.purge(zone_id=ZONE, tags=["x" * 1025]), {}),
        (cloudflare.BadRequestError, 1315, lambda c: c.cache.purge(zone_id=ZONE, tags=["\t"]), {}),
        (cloudflare.AuthenticationError, 10000, lambda c: c.cache.purge(zone_id=ZONE, tags=["t1"]), {"api_token": "wrong"}),
        (cloudflare.NotFoundError, 7003, lambda c: c.cache.purge(zone_id="other", tags=["t1"]), {}),
        (cloudflare.NotFoundError, 7003, lambda c: c.zones.settings.get(setting_id="x", zone_id=ZONE), {}),
    ],
)
async def test_errors_are_the_sdks_own(error: type[cloudflare.APIStatusError], code: int, call: Call, how: dict[str, Any]) -> None:
    async with running_shop(**CONFIGURED) as shop:
        await shop.fill()
        async with sdk(shop, **{"api_token": "t0ken", **how}) as client:
            with pytest.raises(error) as raised:
                await call(client)
        assert [one.code for one in raised.value.errors] == [code]
        assert await shop.changed() == set()


async def test_the_sdk_survives_the_limit_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sleeps as long as Retry-After says; that moves the edge's clock instead of ours."""
    async with running_shop(**CONFIGURED) as shop:
        await shop.fill()
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            shop.kit.clock.advance(seconds)

        monkeypatch.setattr("anyio.sleep", sleep)
        async with sdk(shop, api_token="t0ken") as client:
            for _ in range(25):
                await client.cache.purge(zone_id=ZONE, tags=["nobody"])
            assert slept == []
            await client.cache.purge(zone_id=ZONE, tags=["t1"])
        assert slept == [12]
        assert await shop.changed() == {"/a", "/a?x=1"}


@pytest.mark.parametrize(
    "wanted, error",
    [
        (Wanted(Fault.RATE_LIMIT, count=3), cloudflare.RateLimitError),
        (Wanted(Fault.ERROR, count=3), cloudflare.InternalServerError),
        (Wanted(Fault.UNAVAILABLE, count=3), cloudflare.InternalServerError),
        (Wanted(Fault.RATE_LIMIT, count=2), None),  # the third one of its tries gets through
        (Wanted(Fault.ERROR, count=2), None),
    ],
)
async def test_faults_and_retries(shop: Shop, monkeypatch: pytest.MonkeyPatch, wanted: Wanted, error: Any) -> None:
    async def sleep(seconds: float) -> None:
        shop.kit.clock.advance(seconds)

    monkeypatch.setattr("anyio.sleep", sleep)
    faults = shop.kit.edge.desk.faults
    faults.add(wanted, shop.kit.clock.now())
    async with sdk(shop) as client:
        if error is None:
            await client.cache.purge(zone_id=ZONE, tags=["t1"])
        else:
            with pytest.raises(error):
                await client.cache.purge(zone_id=ZONE, tags=["t1"])
    assert faults.struck == wanted.count
    assert await shop.changed() == (set() if error else {"/a", "/a?x=1"})


async def test_an_error_in_the_body_of_a_success_is_not_noticed_by_the_sdk(shop: Shop) -> None:
    shop.kit.edge.desk.faults.add(Wanted(Fault.ERROR_IN_BODY), shop.kit.clock.now())
    async with sdk(shop) as client:
        assert await client.cache.purge(zone_id=ZONE, tags=["t1"]) is None
    assert await shop.changed() == set()


async def test_a_purge_that_takes_its_time(shop: Shop) -> None:
    shop.kit.edge.desk.faults.add(Wanted(Fault.DELAY, wait_s=30), shop.kit.clock.now())
    async with sdk(shop) as client:
        assert await client.cache.purge(zone_id=ZONE, tags=["t1"]) is not None
    assert await shop.changed() == set()
    shop.kit.pass_time(29)
    assert await shop.changed() == set()
    shop.kit.pass_time(1)
    await shop.kit.until(lambda: not len(shop.kit.edge.delays), "the delayed purge")
    assert await shop.changed() == {"/a", "/a?x=1"}


# -- curl ---------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, changed",
    [
        (["-X", "POST", "-H", "Content-Type: application/json", "--data", f'{{"files":["{PUBLIC}/a"]}}'], {"/a"}),
        (["--data", '{"tags":["t1"]}'], {"/a", "/a?x=1"}),  # as application/x-www-form-urlencoded
        (["-X", "DELETE", "-d", '{"purge_everything":true}'], EVERYTHING),
        (["--http1.0", "-d", '{"prefixes":["www.example.com/news"]}'], {"/news/1", "/news/2"}),
        (["-H", "Connection: close", "-d", '{"hosts":["www.example.com"]}'], EVERYTHING),
        (["-H", "Expect: 100-continue", "-d", '{"hosts":["www.example.com"]}'], EVERYTHING),
        (["-H", "Host: api.cloudflare.com", "-d", '{"purge_everything":true}'], EVERYTHING),
    ],
)
async def test_curl(shop: Shop, system_program: Callable[[str, str], str], arguments: list[str], changed: set[str]) -> None:
    program = system_program("curl", "apt-get install curl")
    url = f"{shop.api}/client/v4/zones/{ZONE}/purge_cache"
    fields, said = await curl(program, url, "-H", "Authorization: Bearer made-up", *arguments)
    assert " 200 " in fields[""]
    assert said == {"success": True, "errors": [], "messages": [], "result": {"id": ZONE}}
    assert fields["edgecache-position"] == "1"
    assert await shop.changed() == changed


# -- What was captured of real clients ----------------------------------------------------------------------------------------------------

# What the recording server let pass and Cloudflare does not take.
REFUSED_HERE = {"purge everything False": 1012, "purge two kinds": 1012, "purge nothing": 1012}
# Errors that it was told to answer with, and the faults that are the same here.
AS_FAULTS = {429: Fault.RATE_LIMIT, 500: Fault.ERROR}


@pytest.mark.parametrize("capture", captures("cloudflare"), ids=lambda capture: capture.name)
async def test_what_real_clients_sent(shop: Shop, capture: Capture) -> None:
    recorded = (capture.reply or {}).get("status")
    if recorded in AS_FAULTS:
        shop.kit.edge.desk.faults.add(Wanted(AS_FAULTS[recorded]), shop.kit.clock.now())
    reply = await shop.send(capture.raw, capture.method)
    said = json.loads(reply.body)
    if capture.scenario in REFUSED_HERE:
        assert (reply.status, said["errors"][0]["code"]) == (400, REFUSED_HERE[capture.scenario])
        assert await shop.changed() == set()
        return
    assert reply.status == (recorded if recorded in AS_FAULTS else 200)
    assert said["success"] is (reply.status == 200)
    # Answers that were wrong on purpose are no measure for ours.
    told = capture.answer if "extra" not in capture.scenario and recorded == reply.status else None
    if told and told.get("success") is said["success"]:
        covers(said, told)
    if reply.status == 200 and "/environments/" not in capture.target and "purge_everything" in (capture.body or ""):
        assert await shop.changed() == EVERYTHING
