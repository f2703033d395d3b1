"""Names and sites on the wire: what is one key, which origin gets what, and what answers call the site (docs/architecture.md)."""

from __future__ import annotations

import json

import pytest
import pytest_asyncio
from wirekit import Origin, Reply, fresh, ok, running_kit
from wirestage import HeldOrigin, all_wait, api, replies, start

from edgecache.config import SiteSettings

PUBLIC = "www.example.com"
ALIAS = "example.com"


async def public(start_kit, origin=None, **settings: object):
    return await start_kit(origin, public_url=f"https://{PUBLIC}", aliases=[ALIAS, "cdn.example.net:8443"], **settings)


def names(kit) -> list[str]:
    """All that a client may call the site."""
    return [PUBLIC, ALIAS, "cdn.example.net:8443", f"127.0.0.1:{kit.port}", f"localhost:{kit.port}", f"[::1]:{kit.port}"]


async def get_as(kit, host: str, target: str = "/a", *lines: str) -> Reply:
    return await kit.get(target, f"Host: {host}", *lines)


# one key


async def test_all_names_of_the_site_are_one_key(start_kit):
    kit = await public(start_kit)
    kit.origin.answer("/a", fresh())
    assert not (await get_as(kit, ALIAS)).hit
    for name in [*names(kit), "WWW.Example.COM", "www.example.com.", "Example.com:80"]:
        assert (await get_as(kit, name)).hit, name
    assert len(kit.origin.seen) == 1


@pytest.mark.parametrize("other", ["other.test", "127.0.0.1:1", "localhost", "sub.www.example.com", "www.example.com:8080", "127.0.0.2"])
async def test_other_names_are_keys_of_their_own(start_kit, other):
    kit = await public(start_kit)
    kit.origin.answer("/a", fresh())
    await get_as(kit, PUBLIC)
    assert not (await get_as(kit, other)).hit
    assert (await get_as(kit, other)).hit


async def test_without_a_public_name_every_host_is_a_key_of_its_own(kit):
    kit.origin.answer("/a", fresh())
    for host in (f"127.0.0.1:{kit.port}", f"localhost:{kit.port}", "one.test"):
        assert not (await get_as(kit, host)).hit
        assert (await get_as(kit, host)).hit


async def test_an_absolute_target_names_the_site_and_host_is_not_looked_at(start_kit):
    kit = await public(start_kit)
    kit.origin.answer("/a", fresh())
    await get_as(kit, PUBLIC)
    assert (await kit.get(f"http://{ALIAS}/a", "Host: other.test")).hit


# what the origin gets


@pytest.mark.parametrize("number", range(6))
async def test_the_origin_gets_its_own_name_whatever_the_client_said(start_kit, number):
    kit = await public(start_kit)
    kit.origin.answer("/a", ok())
    await get_as(kit, names(kit)[number], "/a", "X-Forwarded-Host: evil.test", "X-Forwarded-Proto: gopher")
    (seen,) = kit.origin.seen
    assert seen.all("host") == [f"127.0.0.1:{kit.origin.port}".encode()]
    assert (seen.all("x-forwarded-host"), seen.all("x-forwarded-proto")) == ([PUBLIC.encode()], [b"https"])


async def test_origin_host_is_what_is_said(start_kit):
    kit = await public(start_kit, origin_host="inner.test")
    kit.origin.answer("/a", ok())
    await get_as(kit, ALIAS)
    assert kit.origin.seen[0].all("host") == [b"inner.test"]


async def test_without_a_public_name_the_origin_gets_the_clients(kit):
    kit.origin.answer("/a", ok())
    await get_as(kit, "dev.test:81")
    (seen,) = kit.origin.seen
    assert (seen.all("host"), seen.all("x-forwarded-host"), seen.all("x-forwarded-proto")) == (
        [b"dev.test:81"],
        [b"dev.test:81"],
        [b"http"],
    )


# purging


async def by_method(kit, name: str) -> int | None:
    reply = await kit.request("PURGE", "/a", f"Host: {name}", "Accept: application/json")
    return json.loads(reply.body)["matched"]


async def by_api(kit, name: str) -> int | None:
    status, body = await api(kit, "/api/v1/invalidations", {"url": f"http://{name}/a"})
    assert (status, body["selectors"][0]["value"]) == (201, f"http://{PUBLIC}/a")
    return body["matched"]


async def by_api_with_https(kit, name: str) -> int | None:
    return (await api(kit, "/api/v1/invalidations", {"url": f"https://{name}/a"}))[1]["matched"]


@pytest.mark.parametrize("invalidate", [by_method, by_api])
@pytest.mark.parametrize("number", range(6))
async def test_a_purge_by_any_name_purges_it(start_kit, invalidate, number):
    kit = await public(start_kit)
    kit.origin.answer("/a", fresh())
    await get_as(kit, names(kit)[(number + 3) % 6])
    assert await invalidate(kit, names(kit)[number]) == 1
    assert not (await get_as(kit, PUBLIC)).hit


async def test_a_purge_with_the_public_url_purges_it(start_kit):
    kit = await public(start_kit)
    kit.origin.answer("/a", fresh())
    await get_as(kit, f"127.0.0.1:{kit.port}")
    assert await by_api_with_https(kit, PUBLIC) == 1
    assert not (await get_as(kit, f"127.0.0.1:{kit.port}")).hit


@pytest.mark.parametrize(
    "reference",
    [
        "/a",
        "https://www.example.com/a",
        "//www.example.com/a",
        "http://127.0.0.1:{origin}/a",
        "//127.0.0.1:{origin}/a",
        "https://example.com/a",
    ],
)
@pytest.mark.parametrize("field", ["Location", "Content-Location"])
async def test_what_an_unsafe_answer_names_is_invalidated_under_any_name_of_the_site(start_kit, reference, field):
    """An origin that gets its own name makes its redirects from it: that is the site as well, and the client is sent there."""
    kit = await public(start_kit)
    kit.origin.answer("/a", fresh())
    kit.origin.answer("/post", ok(b"", f"{field}: {reference.format(origin=kit.origin.port)}", status="303 See Other"))
    await get_as(kit, PUBLIC)
    await kit.request("POST", "/post", f"Host: localhost:{kit.port}")
    assert not (await get_as(kit, PUBLIC)).hit


@pytest.mark.parametrize("reference", ["https://other.test/a", "//other.test/a", "http://127.0.0.1:1/a"])
async def test_what_an_unsafe_answer_names_elsewhere_is_left_alone(start_kit, reference):
    kit = await public(start_kit)
    kit.origin.answer("/a", fresh())
    kit.origin.answer("/post", ok(b"", f"Location: {reference}"))
    await get_as(kit, PUBLIC)
    await get_as(kit, "other.test")
    await kit.request("POST", "/post", f"Host: {PUBLIC}")
    assert (await get_as(kit, PUBLIC)).hit
    assert (await get_as(kit, "other.test")).hit


# what answers call the site

EDGE = "127.0.0.1:{edge}"


@pytest.mark.parametrize(
    ("field", "said", "used", "mapped"),
    [
        ("Location", "https://www.example.com/x?y#z", EDGE, "http://127.0.0.1:{edge}/x?y#z"),
        ("Location", "http://127.0.0.1:{origin}/x", EDGE, "http://127.0.0.1:{edge}/x"),
        ("Location", "HTTP://127.0.0.1:{origin}", EDGE, "http://127.0.0.1:{edge}"),
        ("Location", "http://www.example.com/x", "localhost:{edge}", "http://localhost:{edge}/x"),
        ("Location", "http://127.0.0.1:{origin}/x", "example.com", "http://example.com/x"),
        ("Location", "//www.example.com/x", EDGE, "//127.0.0.1:{edge}/x"),
        ("Location", "/x", EDGE, "/x"),
        ("Location", "x?u=https://www.example.com/", EDGE, "x?u=https://www.example.com/"),
        ("Location", "https://other.test/x", EDGE, "https://other.test/x"),
        ("Location", "https://www.example.com.evil.test/", EDGE, "https://www.example.com.evil.test/"),
        ("Location", "https://www.example.com@evil.test/", EDGE, "https://www.example.com@evil.test/"),
        ("Location", "mailto:a@www.example.com", EDGE, "mailto:a@www.example.com"),
        ("Content-Location", "http://127.0.0.1:{origin}/x", EDGE, "http://127.0.0.1:{edge}/x"),
        ("Refresh", "5; url=https://www.example.com/x", EDGE, "5; url=http://127.0.0.1:{edge}/x"),
        ("Refresh", "0;URL='http://127.0.0.1:{origin}/x'", EDGE, "0;URL='http://127.0.0.1:{edge}/x'"),
        ("Refresh", "5", EDGE, "5"),
        ("Refresh", "5; url=/x", EDGE, "5; url=/x"),
        ("Set-Cookie", "a=1; Domain=example.com; Path=/", EDGE, "a=1; Path=/"),
        ("Set-Cookie", "a=1; Path=/; domain=.www.example.com", EDGE, "a=1; Path=/"),
        ("Set-Cookie", "a=1; Domain=example.com", "www.example.com", "a=1; Domain=example.com"),
        ("Set-Cookie", "a=1; Domain=other.test", EDGE, "a=1; Domain=other.test"),
        ("Set-Cookie", "a=domain=example.com; Secure", EDGE, "a=domain=example.com; Secure"),
        ("Link", "<https://www.example.com/x>; rel=preload", EDGE, "<https://www.example.com/x>; rel=preload"),
    ],
)
@pytest.mark.parametrize("how", ["miss", "hit", "pass"])
async def test_answers_name_the_site_as_the_client_does(start_kit, field, said, used, mapped, how):
    kit = await public(start_kit)

    def filled(text: str) -> str:
        return text.format(edge=kit.port, origin=kit.origin.port)

    kit.origin.answer("/a", fresh(b"x", f"{field}: {filled(said)}"))
    if how == "hit":
        await get_as(kit, PUBLIC)
    reply = await kit.request("POST" if how == "pass" else "GET", "/a", f"Host: {filled(used)}")
    assert (reply.hit, reply.all(field)) == (how == "hit", [filled(mapped).encode()])


async def test_the_store_keeps_what_the_origin_said_and_each_client_gets_its_own(start_kit):
    kit = await public(start_kit)
    kit.origin.answer("/a", ok(b"", f"Location: https://{PUBLIC}/x", "Cache-Control: max-age=60", 'ETag: "a"', status="301 Moved"))
    for _ in range(2):
        for name in (f"127.0.0.1:{kit.port}", ALIAS, f"localhost:{kit.port}"):
            assert (await get_as(kit, name)).get("location") == f"http://{name}/x".encode()
    assert len(kit.origin.seen) == 1


async def test_those_who_read_along_get_their_own_names_too(start_kit):
    origin = HeldOrigin()
    kit = await public(start_kit, origin)
    hosts = [f"127.0.0.1:{kit.port}", ALIAS, f"localhost:{kit.port}"]
    clients = [await start(kit, "/a", f"Host: {host}") for host in hosts]
    await origin.nth(0)
    await all_wait(kit, 2)
    await origin.asked[0].send(fresh(b"x", f"Content-Location: https://{PUBLIC}/x"))
    got = await replies(clients)
    assert [reply.get("content-location") for reply in got] == [f"http://{host}/x".encode() for host in hosts]


async def test_behind_a_trusted_proxy_the_name_is_the_one_that_its_client_used(start_kit):
    kit = await public(start_kit, trusted_proxies=["127.0.0.1/32"])
    kit.origin.answer("/a", ok(b"", f"Location: http://127.0.0.1:{kit.origin.port}/x", "Cache-Control: max-age=60", status="301 Moved"))
    reply = await get_as(kit, ALIAS, "/a", "X-Forwarded-Proto: https")
    assert reply.get("location") == b"https://example.com/x"
    assert (await get_as(kit, ALIAS)).get("location") == b"http://example.com/x"


async def test_without_a_public_name_the_origins_own_name_is_mapped(kit):
    kit.origin.answer("/a", ok(b"", f"Location: http://127.0.0.1:{kit.origin.port}/x", status="302 Found"))
    assert (await get_as(kit, "dev.test:81")).get("location") == b"http://dev.test:81/x"


@pytest.mark.parametrize("line", ["Range: bytes=0-0", 'If-None-Match: "a"'])
async def test_parts_and_304s_name_the_site_as_the_client_does(start_kit, line):
    kit = await public(start_kit)
    kit.origin.answer("/a", fresh(b"xyz", f"Content-Location: https://{PUBLIC}/x", 'ETag: "a"'))
    await get_as(kit, PUBLIC)
    reply = await get_as(kit, ALIAS, "/a", line)
    assert (reply.status in (206, 304), reply.get("content-location")) == (True, b"http://example.com/x")


# several sites


@pytest_asyncio.fixture
async def shop():
    """A second origin."""
    origin = Origin()
    await origin.start()
    yield origin
    await origin.stop()


async def two_sites(start_kit, shop: Origin, **settings: object):
    """The default site, which takes any host, and another with an origin of its own."""
    site = SiteSettings(name="shop", origin=f"http://127.0.0.1:{shop.port}", hosts=("shop.test", "*.shop.test", "only.test:8080"))
    kit = await start_kit(site=[site], **settings)
    for origin, body in ((kit.origin, b"default"), (shop, b"shop")):
        origin.answer("/a", fresh(body))
    return kit


@pytest.mark.parametrize(
    ("host", "body"),
    [
        ("shop.test", b"shop"),
        ("SHOP.test.", b"shop"),
        ("shop.test:8080", b"shop"),
        ("a.shop.test", b"shop"),
        ("b.a.shop.test:99", b"shop"),
        ("only.test:8080", b"shop"),
        ("only.test", b"default"),
        ("notshop.test", b"default"),
        ("other.test", b"default"),
    ],
)
async def test_the_host_picks_the_site(start_kit, shop, host, body):
    kit = await two_sites(start_kit, shop)
    assert (await get_as(kit, host)).body == body
    assert (await get_as(kit, host)).hit
    assert (await kit.get(f"http://{host}/a", "Host: whatever.test")).body == body


async def test_the_edges_own_name_is_the_first_site(start_kit, shop):
    kit = await two_sites(start_kit, shop)
    assert (await get_as(kit, f"127.0.0.1:{kit.port}")).body == b"default"


async def test_sites_share_no_keys(start_kit, shop):
    kit = await two_sites(start_kit, shop)
    await get_as(kit, "other.test")
    await get_as(kit, "shop.test")
    assert (await kit.request("PURGE", "/a", "Host: shop.test")).get("edgecache-matched") == b"1"
    assert (await get_as(kit, "other.test")).hit
    assert not (await get_as(kit, "shop.test")).hit


async def test_a_site_whose_origin_is_dead_does_not_hurt_the_other(start_kit, shop):
    kit = await two_sites(start_kit, shop)
    await shop.stop()
    assert (await get_as(kit, "other.test")).status == 200
    reply = await get_as(kit, "shop.test")
    assert (reply.status, reply.error) == (502, "connection_refused")
    assert str(shop.port).encode() in reply.body


async def test_a_host_of_no_site(shop):
    sites = [
        SiteSettings(name="one", origin=f"http://127.0.0.1:{shop.port}", hosts=("one.test",)),
        SiteSettings(name="two", origin=f"http://127.0.0.1:{shop.port}", hosts=("two.test",), public_url="https://two.example.com"),
    ]
    shop.answer("/a", fresh())
    async with running_kit({"origin": "", "site": sites}, shop) as kit:
        reply = await get_as(kit, "three.test")
        assert (reply.status, reply.error, reply.get("cache-status"), shop.seen) == (404, "http_request_error", None, [])
        assert b"three.test" in reply.body
        assert (await get_as(kit, "one.test")).status == 200
        assert not (await get_as(kit, f"127.0.0.1:{kit.port}")).hit
        assert (await get_as(kit, "two.example.com")).hit  # the edge's own name is the site that has a public one


async def test_each_site_has_its_own_public_name(start_kit, shop):
    site = SiteSettings(
        name="shop", origin=f"http://127.0.0.1:{shop.port}", public_url="https://shop.example.com", aliases=("shop.localhost",)
    )
    kit = await public(start_kit, site=[site])
    shop.answer("/a", fresh(b"shop", "Content-Location: https://shop.example.com/x"))
    kit.origin.answer("/a", fresh(b"default", "Content-Location: https://shop.example.com/x"))
    reply = await get_as(kit, "shop.localhost")
    assert (reply.body, reply.get("content-location")) == (b"shop", b"http://shop.localhost/x")
    assert (await get_as(kit, "shop.example.com")).hit
    reply = await get_as(kit, ALIAS)
    assert (reply.body, reply.get("content-location")) == (b"default", b"https://shop.example.com/x")
    assert shop.seen[0].get("x-forwarded-host") == b"shop.example.com"
    assert shop.seen[0].get("host") == f"127.0.0.1:{shop.port}".encode()
