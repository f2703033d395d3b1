"""Fastly's own Python SDK and curl against an edge: what they purge is new for the next visitor, and nothing else is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import fastly
import pytest
from fastly.api.purge_api import PurgeApi
from fastly.api.service_api import ServiceApi
from fastly.api.tokens_api import TokensApi
from fastly.model.purge_response import PurgeResponse
from vendorkit import PAGES, Capture, Shop, captures, covers, running_shop

from edgecache.config import CredentialSettings, Vendor, VendorSettings
from edgecache.control.dialects.faults import Fault, Wanted

SERVICE = "SU1Z0isxPaozGVKXdv0eY"
EVERYTHING = set(PAGES)

Call = Callable[[PurgeApi], Any]


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with running_shop() as running:
        await running.fill("Surrogate-Key", " ")
        yield running


async def sdk(shop: Shop, call: Callable[[fastly.ApiClient], Any], token: str = "made-up") -> Any:
    """What a call of the SDK gives; only the host is another one. The SDK knows no asyncio, so it has a thread."""

    def run() -> Any:
        configuration = fastly.Configuration(host=shop.api)
        configuration.api_token = token
        with fastly.ApiClient(configuration) as client:
            return call(client)

    return await asyncio.to_thread(run)


async def purge(shop: Shop, call: Call, token: str = "made-up") -> Any:
    return await sdk(shop, lambda client: call(PurgeApi(client)), token)


@pytest.mark.parametrize(
    "url, changed",
    [
        ("www.example.com/a", {"/a"}),
        ("https://www.example.com/a", {"/a"}),
        ("http://www.example.com/a?x=1", {"/a?x=1"}),
        ("www.example.com/ü", {"/%C3%BC"}),
        ("www.example.com/%C3%BC", {"/%C3%BC"}),
        ("www.example.com", {"/"}),
        ("www.example.com/news", set()),
        ("other.example.com/a", set()),
    ],
)
async def test_one_url(shop: Shop, url: str, changed: set[str]) -> None:
    said = await purge(shop, lambda api: api.purge_single_url(cached_url=url))
    assert (said.status, isinstance(said.id, str)) == ("ok", True)
    assert await shop.changed() == changed


@pytest.mark.parametrize(
    "call, changed",
    [
        (lambda api: api.purge_tag(service_id=SERVICE, surrogate_key="t1"), {"/a", "/a?x=1"}),
        (lambda api: api.purge_tag(service_id=SERVICE, surrogate_key="nobody"), set()),
        (lambda api: api.purge_tag(service_id=SERVICE, surrogate_key="t1 t2"), set()),
        (lambda api: api.purge_tag(service_id=SERVICE, surrogate_key="www.example.com/a"), set()),  # a key, whatever it looks like
        (lambda api: api.bulk_purge_tag(service_id=SERVICE, surrogate_key="t1 home"), {"/", "/a", "/a?x=1"}),
        (
            lambda api: api.bulk_purge_tag(service_id=SERVICE, purge_response=PurgeResponse(surrogate_keys=["t2", "umlaut"])),
            {"/b", "/news/2", "/%C3%BC"},
        ),
        (lambda api: api.purge_all(service_id=SERVICE), EVERYTHING),
        (lambda api: api.purge_tag(service_id=SERVICE, surrogate_key="t1", fastly_purge_environment="staging"), set()),
        (lambda api: api.purge_all(service_id=SERVICE, fastly_purge_environment="staging"), set()),
    ],
)
async def test_keys_and_everything(shop: Shop, call: Call, changed: set[str]) -> None:
    assert await purge(shop, call) is not None
    assert await shop.changed() == changed


async def test_the_answer_to_many_keys_has_each_of_them(shop: Shop) -> None:
    said = await purge(shop, lambda api: api.bulk_purge_tag(service_id=SERVICE, surrogate_key="k1 k2"))
    assert set(said.to_dict()) == {"k1", "k2"}


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.purge_single_url(cached_url="www.example.com/a", fastly_soft_purge=1),
        lambda api: api.purge_tag(service_id=SERVICE, surrogate_key="t1", fastly_soft_purge=1),
        lambda api: api.bulk_purge_tag(service_id=SERVICE, surrogate_key="t1 t2", fastly_soft_purge=1),
        lambda api: api.purge_tag(service_id=SERVICE, surrogate_key="t1", fastly_soft_purge=0),
    ],
)
async def test_soft_makes_stale(shop: Shop, call: Call) -> None:
    """The content stays: the origin is asked, and if it is away the old content stands in."""
    await purge(shop, call)
    await shop.kit.origin.stop()
    kept = await shop.get("/a")
    assert (kept.body, "fwd=stale" in kept.cache_status) == (b"old", True)
    await purge(shop, lambda api: api.purge_tag(service_id=SERVICE, surrogate_key="t1"))
    assert (await shop.get("/a")).status == 502


CONFIGURED = {
    "vendor": [VendorSettings(vendor=Vendor.FASTLY, id=SERVICE, name="shop")],
    "credential": [CredentialSettings(vendor=Vendor.FASTLY, secret="t0ken")],
}


async def test_looking() -> None:
    async with running_shop(**CONFIGURED) as shop:
        found = await sdk(shop, lambda client: ServiceApi(client).list_services(page=1, per_page=100), "t0ken")
        assert [(one.id, one.name) for one in found] == [(SERVICE, "shop")]
        assert (await sdk(shop, lambda client: ServiceApi(client).get_service(SERVICE), "t0ken")).name == "shop"
        assert (await sdk(shop, lambda client: ServiceApi(client).search_service("shop"), "t0ken")).id == SERVICE
        assert (await sdk(shop, lambda client: ServiceApi(client).get_service_detail(SERVICE), "t0ken")).active_version["number"] == 1
        assert (await sdk(shop, lambda client: TokensApi(client).get_token_current(), "t0ken")).scope == "global"


@pytest.mark.parametrize(
    "error, status, words, call, token",
    [
        (fastly.exceptions.UnauthorizedException, 401, "missing or invalid", lambda a: a.purge_all(service_id=SERVICE), "wrong"),
        (fastly.exceptions.UnauthorizedException, 401, "missing or invalid", lambda a: a.purge_single_url(cached_url="h/a"), "wrong"),
        (fastly.exceptions.NotFoundException, 404, "Record not found", lambda a: a.purge_all(service_id="other"), "t0ken"),
        (fastly.exceptions.ApiException, 400, "fail", lambda a: a.bulk_purge_tag(service_id=SERVICE, surrogate_key="k " * 257), "t0ken"),
        (fastly.exceptions.ApiException, 400, "1024", lambda a: a.purge_tag(service_id=SERVICE, surrogate_key="k" * 1025), "t0ken"),
        (fastly.exceptions.ApiException, 400, "no keys", lambda a: a.bulk_purge_tag(service_id=SERVICE), "t0ken"),
        (fastly.exceptions.ApiException, 400, "no usable host", lambda a: a.purge_single_url(cached_url="/a"), "t0ken"),
    ],
)
async def test_errors_are_the_sdks_own(error: type[Exception], status: int, words: str, call: Call, token: str) -> None:
    async with running_shop(**CONFIGURED) as shop:
        await shop.fill("Surrogate-Key", " ")
        with pytest.raises(error) as raised:
            await purge(shop, call, token)
        assert raised.value.status == status  # type: ignore[attr-defined]
        assert words in raised.value.body  # type: ignore[attr-defined]
        assert await shop.changed() == set()


@pytest.mark.parametrize(
    "wanted, status",
    [(Wanted(Fault.RATE_LIMIT, count=1), 429), (Wanted(Fault.ERROR, count=1), 500), (Wanted(Fault.UNAVAILABLE, count=1), 503)],
)
async def test_faults_are_not_repeated_by_the_sdk(shop: Shop, wanted: Wanted, status: int) -> None:
    faults = shop.kit.edge.desk.faults
    faults.add(wanted, shop.kit.clock.now())
    call: Call = lambda api: api.purge_tag(service_id=SERVICE, surrogate_key="t1")  # noqa: E731
    with pytest.raises(fastly.ApiException) as raised:
        await purge(shop, call)
    assert (raised.value.status, faults.struck) == (status, 1)
    assert await shop.changed() == set()
    await purge(shop, call)
    assert await shop.changed() == {"/a", "/a?x=1"}


@pytest.mark.parametrize(
    "wanted, changed",
    [(Wanted(Fault.LOST), set()), (Wanted(Fault.PARTIAL, keep=1), {"/a", "/a?x=1"}), (Wanted(Fault.DELAY, wait_s=30), set())],
)
async def test_acknowledged_is_not_done(shop: Shop, wanted: Wanted, changed: set[str]) -> None:
    shop.kit.edge.desk.faults.add(wanted, shop.kit.clock.now())
    said = await purge(shop, lambda api: api.bulk_purge_tag(service_id=SERVICE, surrogate_key="t1 t2"))
    assert set(said.to_dict()) == {"t1", "t2"}
    assert await shop.changed() == changed


# -- curl ---------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method, path, arguments, changed, warned",
    [
        ("POST", "/purge/www.example.com/a", [], {"/a"}, False),
        ("POST", "/purge/https://www.example.com/a?x=1", [], {"/a?x=1"}, False),
        ("PURGE", "/purge/www.example.com/a", [], {"/a"}, True),
        ("POST", f"/service/{SERVICE}/purge/t1", [], {"/a", "/a?x=1"}, False),
        ("POST", f"/service/{SERVICE}/purge", ["-H", "Surrogate-Key: t1 home"], {"/", "/a", "/a?x=1"}, False),
        ("POST", f"/service/{SERVICE}/purge", ["-d", '{"surrogate_keys":["t1"]}'], {"/a", "/a?x=1"}, False),
        ("POST", f"/service/{SERVICE}/purge_all", [], EVERYTHING, False),
        ("POST", f"/service/{SERVICE}/purge_all", ["-H", "Fastly-Soft-Purge: 1"], EVERYTHING, True),
        ("POST", f"/service/{SERVICE}/purge_all", ["-H", "Host: api.fastly.com"], EVERYTHING, False),
        # As guides have it: the name of a file where a key belongs, and PURGE.
        ("PURGE", f"/service/{SERVICE}/purge/a.js", [], set(), True),
        ("PURGE", f"/service/{SERVICE}/purge_all", [], EVERYTHING, True),
    ],
)
async def test_curl(
    shop: Shop,
    system_program: Callable[[str, str], str],
    method: str,
    path: str,
    arguments: list[str],
    changed: set[str],
    warned: bool,
) -> None:
    program = system_program("curl", "apt-get install curl")
    command = [program, "-s", "-i", "-m", "20", "-X", method, shop.api + path, "-H", "Fastly-Key: made-up", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    head, _, content = out.decode().rpartition("\r\n\r\n")
    assert " 200 " in head.split("\r\n")[0]
    said = json.loads(content)
    assert said.get("status", "ok") == "ok"
    assert ("edgecache-warning" in head.lower()) is warned
    assert await shop.changed() == changed


async def test_bytes_as_the_javascript_sdk_sends_them(shop: Shop) -> None:
    """It does not escape what is beyond ASCII, and sends ISO 8859-1: no browser asks for that URL in these bytes."""
    shop.kit.origin.answer("/%FC", shop.kit.origin.answers[b"/a"])  # type: ignore[arg-type]
    await shop.get("/%FC")
    reply = await shop.send(b"POST /purge/www.example.com/\xfc HTTP/1.1\r\nHost: h\r\nFastly-Key: k\r\nContent-Length: 0\r\n\r\n")
    assert (reply.status, reply.get("edgecache-matched")) == (200, b"1")
    assert await shop.changed() == set()


# -- What was captured of real clients ----------------------------------------------------------------------------------------------------

# Errors that the recording server was told to answer with, and the faults that are the same here.
AS_FAULTS = {429: Fault.RATE_LIMIT, 500: Fault.ERROR, 503: Fault.UNAVAILABLE}
COVERED = {
    "/purge/www.example.com/a": {"/a"},
    "/purge/www.example.com/%C3%BC": {"/%C3%BC"},
    f"/service/{SERVICE}/purge_all": EVERYTHING,
    "/service/SID/purge_all": EVERYTHING,
}
COVERED_IN = {"fastly_tags_hard": {"/a", "/a?x=1"}}
STALE_IN = {"fastly_tags": {"/a", "/a?x=1", "/b", "/news/2"}}


@pytest.mark.parametrize("capture", captures("fastly"), ids=lambda capture: capture.name)
async def test_what_real_clients_sent(shop: Shop, capture: Capture) -> None:
    recorded = (capture.reply or {}).get("status")
    if recorded in AS_FAULTS:
        shop.kit.edge.desk.faults.add(Wanted(AS_FAULTS[recorded]), shop.kit.clock.now())
    reply = await shop.send(capture.raw, capture.method)
    said = json.loads(reply.body)
    assert reply.status == (recorded if recorded in AS_FAULTS else 200)
    # Answers that were wrong on purpose are no measure for ours; and purge_all was answered as if it were one URL.
    if recorded == reply.status and not capture.scenario.startswith("reply") and isinstance(capture.answer, dict):
        covers(said, {name: value for name, value in capture.answer.items() if name != "id" or not capture.target.endswith("purge_all")})
    if capture.scenario in STALE_IN:
        assert {target for target in PAGES if "fwd=stale" in (await shop.get(target)).cache_status} == STALE_IN[capture.scenario]
    elif reply.status == 200:
        assert await shop.changed() == COVERED_IN.get(capture.scenario, COVERED.get(capture.target, set()))
