"""The invalidation methods on real sockets: what goes, what stays, what is answered, and who may not."""

from __future__ import annotations

import json
import re

import pytest
from wirekit import Kit, Origin, fresh, running_kit
from wirestage import settled

from edgecache.config import SiteSettings
from edgecache.invalidation.journal import Came, Noted
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.logfile import LogUnwritable

# What is stored before each of these tests, by a letter: host, target, and fields of the answer.
STOCK = {
    "a": ("example.test", "/a", ("Surrogate-Key: post-1 all", "Content-Type: text/html")),
    "q": ("example.test", "/a?x=1", ("X-Cache-Tags: post-2,all", "Content-Type: text/html; charset=utf-8")),
    "n": ("example.test", "/news/1", ("Cache-Tags: node:1 all",)),
    "p": ("example.test", "/img/p.png", ("X-Magento-Tags: cat_p_1,all", "Content-Type: image/png")),
    "o": ("other.test", "/a", ("xkey: post-1 all",)),
    "i": ("other.test", "/img/news/i.png", ("Content-Type: image/png",)),
}


async def stocked(start_kit, **settings: object) -> Kit:
    kit: Kit = await start_kit(**settings)
    for host, target, fields in STOCK.values():
        kit.origin.answer(target, fresh(b"old", *fields))
        assert (await kit.get(target, f"Host: {host}")).status == 200
    for host, target, _ in STOCK.values():
        assert (await kit.get(target, f"Host: {host}")).hit
    kit.origin.seen.clear()
    return kit


async def gone(kit: Kit) -> str:
    """What is not answered from the store any more, by its letters. (What is asked for here is stored again.)"""
    return "".join([letter for letter, (host, target, _) in STOCK.items() if not (await kit.get(target, f"Host: {host}")).hit])


def calls(kit: Kit) -> list[Noted]:
    """The journal, newest first."""
    return list(kit.edge.journal.newest_first())


METHODS = [
    ("PURGE /a", "a"),
    ("PURGE /a?x=1", "q"),
    ("PURGE /a?", ""),
    ("PURGE /a · Host: other.test", "o"),
    ("PURGE http://other.test/a · Host: example.test", "o"),
    ("SOFTPURGE /a", "a"),
    ("REFRESH /a", ""),  # gone, and there again
    ("PURGE /.*", "aqnp"),
    ("PURGE /.* · Host: other.test · X-Purge-Method: regex", "oi"),
    ("PURGE /news/.* · X-Purge-Method: regex", "n"),
    ("PURGE /news/.* · X-Purge-Method: regex · Host: other.test", "i"),  # not anchored
    ("PURGE /.*", "aqnp"),
    ("PURGE / · Clear-Cache: true", "aqnpoi"),
    ("PURGE / · Surrogate-Key: post-1", "ao"),
    ("PURGE / · xkey: POST-1 post-2", "aqo"),
    ("PURGE / · Cache-Tag: node:1,cat_p_1", "np"),
    ("PURGE / · X-Magento-Tags-Pattern: ((^|,)cat_p_1(,|$))|((^|,)cat_p_2(,|$))", "p"),
    ("PURGE / · X-Magento-Tags-Pattern: cat_p_.", "p"),
    ("PURGE / · X-Magento-Tags-Pattern: .*", "aqnpoi"),
    ("PURGEKEYS / · xkey-purge: post-1", "ao"),
    ("PURGEKEYS / · xkey-softpurge: post-2", "q"),
    ("PURGEKEYS / · xkey-softpurge: post-2 · xkey-purge: node:1", "qn"),
    ("PURGETAGS / · X-Cache-Tags: post-2,cat_p_1", "qp"),
    ("BAN / · X-Ban: req.url ~ ^/img/ && obj.http.content-type == image/png", "pi"),
    ("BAN / · Ban-Expression: obj.tags == all && req.http.host != other.test", "aqnp"),
    ("BAN / · X-Host: .* · X-Url: .* · X-Content-Type: .*", "aqnpoi"),
    ("BAN / · X-Host: ^example\\.test$ · X-Url: .* · X-Content-Type: .*", "aqnp"),
    ("BAN / · X-Host: ^(a|other.test)$ · X-Url: ^/a · X-Content-Type: .*", "o"),
    ("BAN / · X-Host: .* · X-Url: \\.png$ · X-Content-Type: .*", "pi"),
    ("BAN / · X-Content-Type: text/html", "aq"),
    ("BAN / · X-Host: .* · X-Cache-Tags: (^|,)(post\\-2|post\\-9)(,|$)", "q"),
    ("BAN / · X-Host: ^other · X-Cache-Tags: (^|,)(all)(,|$)", "o"),
    ("BAN / · X-Cache-Tags: post", "q"),  # an expression for the field: others have that tag elsewhere
    ("BAN /tags · Cache-Tags: node:1 post-2", "qn"),
    ("BAN / · Cache-Tags: node:1|node:2", "n"),
]


def ask(text: str) -> tuple[str, str, list[str]]:
    first, *lines = text.split(" · ")
    method, _, target = first.partition(" ")
    return method, target, lines


@pytest.mark.parametrize(("request_", "expected"), METHODS)
async def test_what_goes(start_kit, request_, expected):
    kit = await stocked(start_kit)
    method, target, lines = ask(request_)
    reply = await kit.request(method, target, *lines)
    assert (reply.status, reply.get("cache-status"), reply.get("proxy-status")) == (200, None, None)
    assert int(reply.get("edgecache-position") or b"") == kit.edge.log.head > 0
    await settled(kit)
    assert [seen.method for seen in kit.origin.seen] == ([b"GET"] if method == "REFRESH" else [])
    assert await gone(kit) == expected


@pytest.mark.parametrize(
    "request_",
    ["SOFTPURGE /a", "PURGE /a · Fastly-Soft-Purge: 0", "PURGEKEYS / · xkey-softpurge: post-1", "PURGE /.* · Fastly-Soft-Purge: 1"],
)
async def test_what_was_purged_softly_stands_in_for_a_dead_origin(start_kit, request_):
    kit = await stocked(start_kit)
    method, target, lines = ask(request_)
    assert (await kit.request(method, target, *lines)).reason == b"Soft purged"
    await kit.origin.stop()
    reply = await kit.get("/a")
    assert (reply.body, reply.cache_status) == (b"old", "edgecache; fwd=stale; ttl=0; detail=origin-unreachable")


async def test_a_key_that_is_to_go_and_to_be_stale_goes(start_kit):
    kit = await stocked(start_kit)
    assert (await kit.request("PURGEKEYS", "/", "xkey-softpurge: post-1", "xkey-purge: post-1")).reason == b"Purged"
    await kit.origin.stop()
    assert (await kit.get("/a")).status == 502


async def test_refresh_fetches_again(start_kit):
    kit = await stocked(start_kit)
    kit.origin.answer("/a", fresh(b"new"))
    reply = await kit.request("REFRESH", "/a")
    assert (reply.status, reply.reason, reply.get("edgecache-matched")) == (200, b"Refreshing", b"1")
    await settled(kit)
    reply = await kit.get("/a")
    assert (reply.body, reply.hit) == (b"new", True)


async def test_refresh_of_what_is_not_stored_fetches_it(kit):
    kit.origin.answer("/a", fresh(b"new"))
    assert (await kit.request("REFRESH", "/a")).status == 200
    await settled(kit)
    assert (await kit.get("/a")).hit


# what is answered


async def test_the_answer_is_a_page_as_from_a_varnish(start_kit):
    kit = await stocked(start_kit)
    reply = await kit.request("PURGE", "/a", "Accept: */*")
    assert reply.head.startswith(b"HTTP/1.1 200 Purged\r\n")
    assert (reply.get("content-type"), reply.get("cache-control")) == (b"text/html; charset=utf-8", b"no-store")
    assert (reply.get("edgecache-position"), reply.get("edgecache-matched")) == (b"1", b"1")
    text = reply.body.decode()
    assert "<title>200 Purged</title>" in text
    assert re.findall("<p>(.*)</p>", text) == ["url http://example.test/a", "position 1, matched 1"]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ("PURGE /a", b"Purged"),
        ("SOFTPURGE /a", b"Soft purged"),
        ("BAN / · X-Ban: req.url == /a", b"Ban added"),
        ("PURGEKEYS / · xkey-purge: a", b"Purged"),
        ("PURGETAGS / · X-Cache-Tags: a", b"Purged"),
        ("REFRESH /a", b"Refreshing"),
    ],
)
async def test_reason_phrases(kit, request_, reason):
    method, target, lines = ask(request_)
    reply = await kit.request(method, target, *lines)
    assert (reply.status, reply.reason) == (200, reason)


async def test_who_asks_for_json_gets_it(start_kit):
    kit = await stocked(start_kit)
    reply = await kit.request("PURGE", "/A", "Accept: text/html, application/json")
    assert reply.get("content-type") == b"application/json"
    assert json.loads(reply.body) == {
        "status": "ok",
        "position": 1,
        "matched": 0,
        "selectors": [{"kind": "url", "value": "http://example.test/A"}],
        "hints": [
            "nothing is stored for http://example.test/A; stored is http://example.test/a (other upper and lower case)",
            "nothing is stored for http://example.test/A; stored is http://example.test/a?x=1 (other upper and lower case and query)",
            "nothing is stored for http://example.test/A; stored is http://other.test/a (other host and upper and lower case)",
        ],
    }
    reply = await kit.request("BAN", "/", "X-Ban: obj.status == 999", "Accept: application/json")
    assert (reply.get("edgecache-matched"), json.loads(reply.body)["matched"]) == (b"null", None)


async def test_hints_are_on_the_page(start_kit):
    kit = await stocked(start_kit)
    text = (await kit.request("PURGE", "/a/")).body.decode()
    assert "<p>nothing is stored for http://example.test/a/; stored is http://example.test/a (other slash at the end)</p>" in text


async def test_a_page_does_not_believe_what_it_shows(kit):
    text = (await kit.request("PURGE", "/<script>alert(1)</script>\xfc")).body.decode()
    assert "<script>" not in text
    assert "url http://example.test/&lt;script&gt;alert(1)&lt;/script&gt;%FC" in text
    text = (await kit.request("BAN", "/", 'X-Ban: req.url == "<b>"')).body.decode()
    assert '<p>ban req.url == "&lt;b&gt;"</p>' in text


async def test_a_page_does_not_show_thousands_of_tags(kit):
    tags = " ".join(f"t{number}" for number in range(1000))
    reply = await kit.request("PURGE", "/", f"Surrogate-Key: {tags}")
    text = reply.body.decode()
    assert (text.count("<p>tag "), "and 980 more" in text) == (20, True)
    reply = await kit.request("PURGE", "/", f"Surrogate-Key: {tags}", "Accept: application/json")
    assert len(json.loads(reply.body)["selectors"]) == 1000


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("PURGE /nothing", 404),
        ("SOFTPURGE /nothing", 404),
        ("PURGE /a", 200),
        ("PURGE / · Surrogate-Key: nothing", 200),  # nobody counted
        ("PURGE /nothing/.*", 200),
        ("BAN / · X-Url: /nothing", 200),
        ("REFRESH /nothing", 200),
    ],
)
async def test_not_stored_can_be_404(start_kit, request_, status):
    kit = await stocked(start_kit, purge_not_stored_status=404)
    method, target, lines = ask(request_)
    reply = await kit.request(method, target, *lines)
    assert (reply.status, reply.get("proxy-status")) == (status, None)
    assert status == 200 or reply.reason == b"Not in cache"
    assert kit.edge.log.head == 1  # what is on its way is covered all the same


# connections


@pytest.mark.parametrize(
    ("raw", "connection"),
    [
        (b"PURGE /a HTTP/1.1\r\nHost: example.test\r\nConnection: Close\r\n\r\n", b"close"),
        (b"PURGE /a HTTP/1.0\r\nHost: example.test\r\n\r\n", b"close"),
        (b"PURGE /a HTTP/1.0\r\nHost: example.test\r\nConnection: keep-alive\r\n\r\n", b"keep-alive"),
        (b"PURGE /a HTTP/1.1\r\nHost: example.test\r\n\r\n", None),
    ],
)
async def test_the_connection_ends_when_the_client_wants_it(start_kit, raw, connection):
    kit = await stocked(start_kit)
    reply = await kit.raw(raw)  # sees to it that the edge closes when it says so
    assert (reply.status, reply.get("connection"), reply.get("edgecache-matched")) == (200, connection, b"1")


async def test_a_client_that_closes_its_side_gets_its_answer(start_kit):
    kit = await stocked(start_kit)
    client = await kit.connect()
    await client.send(b"PURGE /a HTTP/1.1\r\nHost: example.test\r\n\r\n")
    client.half_close()
    assert (await client.reply()).status == 200


async def test_many_on_one_connection(start_kit):
    kit = await stocked(start_kit)
    client = await kit.connect()
    one = b"PURGE /a HTTP/1.1\r\nHost: example.test\r\n\r\n"
    await client.send(one * 20)
    assert [(await client.reply()).get("edgecache-position") for _ in range(20)] == [b"%d" % number for number in range(1, 21)]


@pytest.mark.parametrize(
    ("framing", "content"),
    [
        (b"Content-Length: 5", b"hello"),
        (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
    ],
)
async def test_content_is_not_looked_at(start_kit, framing, content):
    kit = await stocked(start_kit)
    client = await kit.connect()
    await client.send(b"PURGE /a HTTP/1.1\r\nHost: example.test\r\n" + framing + b"\r\n\r\n" + content)
    reply = await client.reply()
    assert (reply.status, reply.get("edgecache-matched")) == (200, b"1")
    if reply.get("connection") is None:
        assert (await client.request("PURGE", "/a?x=1")).status == 200  # its bytes are not taken for a request
    assert [seen.method for seen in kit.origin.seen] == []


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
async def test_content_that_does_not_come_holds_nothing_up(start_kit, expect):
    kit = await stocked(start_kit)
    client = await kit.connect()
    await client.send(b"PURGE /a HTTP/1.1\r\nHost: example.test\r\n" + expect + b"Content-Length: 1000000\r\n\r\n")
    reply = await client.reply()
    assert (reply.status, reply.get("connection"), reply.interims) == (200, b"close", [])


# what is refused


@pytest.mark.parametrize(
    ("request_", "status", "sentence"),
    [
        ("BAN /", 400, "BAN says by its fields what it is about"),
        ("BAN / · X-Ban: req.url =~ /a", 400, "X-Ban: column 9: found '=~', expected ==, !=, ~ or !~"),
        ("BAN / · X-Url: ( · X-Host: a", 400, "X-Url, X-Host: column 36: found the end, expected a closing parenthesis"),
        ("BAN / · X-Url: ^/(?=a)", 400, "X-Url: column 14: found a look-ahead"),
        ("PURGE /( · X-Purge-Method: regex", 400, "the request target: column"),
        ("PURGE / · X-Ban: req.url == /a", 400, "X-Ban does not go with PURGE; it goes with BAN"),
        ("PURGE / · Surrogate-Key: " + "x" * 16385, 400, "Surrogate-Key: '" + "x" * 40 + "'… is longer than 16384 bytes"),
        ("PURGEKEYS / · xkey-purge: a · xkey-softpurge: " + "x" * 16385, 400, "xkey-softpurge: '"),
        ("PURGE / · Surrogate-Key: \xfc", 400, "Surrogate-Key has the byte 0xfc"),
        ("PURGE / · Surrogate-Key: a b c", 413, "3 items in one request are too many; 2 may be (api_items)"),
        ("BAN * · X-Url: /a", 400, "the request target '*' is no path"),
    ],
)
async def test_what_is_not_understood_does_nothing(start_kit, request_, status, sentence):
    kit = await stocked(start_kit, api_items=2)
    method, target, lines = ask(request_)
    reply = await kit.request(method, target, *lines)
    assert (reply.status, reply.error, reply.get("cache-status")) == (status, "http_request_error", None)
    assert reply.body.decode().partition(": ")[2].startswith(sentence)
    assert (kit.edge.log.head, await gone(kit), kit.origin.seen) == (0, "", [])
    if target != "*":
        assert (calls(kit)[0].came, calls(kit)[0].door, calls(kit)[0].who) == (Came.REFUSED, method, "127.0.0.1")
        assert calls(kit)[0].sentence


@pytest.mark.parametrize(
    "lines",
    [
        ["Origin: http://evil.test"],
        ["Origin: null"],
        ["Origin: http://example.test"],  # a page of the very site, too
        ["Sec-Fetch-Site: none"],
        ["Host: rebound.evil.test", "Origin: http://rebound.evil.test"],  # a name that was pointed at 127.0.0.1: same origin to a browser
    ],
)
@pytest.mark.parametrize("method", ["PURGE", "SOFTPURGE", "BAN", "PURGEKEYS", "PURGETAGS", "REFRESH"])
async def test_pages_may_not(start_kit, method, lines):
    kit = await stocked(start_kit)
    about = {"BAN": "X-Url: .*", "PURGEKEYS": "xkey-purge: all", "PURGETAGS": "X-Cache-Tags: all"}.get(method, "X-Nothing: 1")
    reply = await kit.request(method, "/a", about, *lines)
    assert (reply.status, reply.error) == (403, "http_request_denied")
    name = lines[-1].partition(":")[0]
    assert f"{method} from a web page (the request has {name}) is not allowed" in reply.body.decode()
    assert [line for line in reply.lines if line.lower().startswith(b"access-control-")] == []
    assert (kit.edge.log.head, await gone(kit)) == (0, "")
    assert (calls(kit)[0].came, calls(kit)[0].door) == (Came.REFUSED, method)
    preflight = await kit.request("OPTIONS", "/a", "Origin: http://evil.test", f"Access-Control-Request-Method: {method.lower()}")
    assert (preflight.status, kit.origin.seen) == (403, [])
    assert [line for line in preflight.lines if line.lower().startswith(b"access-control-")] == []


@pytest.mark.parametrize(
    "hosts",
    [[], [b"Host: a", b"Host: b"], [b"Host: "], [b"Host: evil.test/"], [b"Host: user@example.test"], [b"Host: example.test:http"]],
)
async def test_a_host_that_is_none_is_refused(start_kit, hosts):
    kit = await stocked(start_kit)
    reply = await kit.raw(b"\r\n".join([b"PURGE /.* HTTP/1.1", *hosts, b"", b""]))
    assert (reply.status, kit.edge.log.head) == (400, 0)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("X-Nothing: 1", 403),
        ("Authorization: Bearer secret", 200),
        ("Authorization: Basic secret", 403),
        ("Authorization: secret", 403),
        ("X-Invalidate-Token: secret", 200),
        ("X-Invalidate-Token: Secret", 403),
        ("Fastly-Key: secret", 200),
        ("Fastly-Key:", 403),
    ],
)
async def test_the_token(start_kit, line, status):
    kit = await stocked(start_kit, purge_token="secret")
    reply = await kit.request("PURGEKEYS", "/", "xkey-purge: all", line)
    assert (reply.status, kit.edge.log.head > 0) == (status, status == 200)
    assert "secret" not in repr([(call.given, call.sentence) for call in calls(kit)])


@pytest.mark.parametrize("request_", ["PURGE /a", "PURGEKEYS / · xkey-purge: post-1 · xkey-softpurge: post-2"])
async def test_when_the_log_cannot_be_written_nothing_is_acknowledged(start_kit, monkeypatch, request_):
    kit = await stocked(start_kit)

    def unwritable(*_: object, **__: object) -> int:
        raise LogUnwritable("no space left on device")

    monkeypatch.setattr(InvalidationLog, "append", unwritable)
    method, target, lines = ask(request_)
    reply = await kit.request(method, target, *lines)
    assert (reply.status, reply.body) == (507, b"507 Insufficient Storage: not purged: no space left on device\n")
    assert (await gone(kit), calls(kit)[0].came) == ("", Came.FAILED)


async def test_of_two_steps_the_first_may_be_done_when_the_second_fails(start_kit, monkeypatch):
    kit = await stocked(start_kit)
    append = InvalidationLog.append

    def once(log: InvalidationLog, selectors, *, soft, **rest) -> int:
        if soft:
            raise LogUnwritable("no space left on device")
        return append(log, selectors, soft=soft, **rest)

    monkeypatch.setattr(InvalidationLog, "append", once)
    reply = await kit.request("PURGEKEYS", "/", "xkey-purge: post-1", "xkey-softpurge: post-2")
    sentence = b"not purged: no space left on device (what was to be gone for good is gone, at position 1)"
    assert (reply.status, sentence in reply.body, await gone(kit)) == (507, True, "ao")


# names


async def test_a_host_that_no_site_answers_to():
    """The purge succeeds, as at a cache that does not know the host; and tags and bans are not about the host at all."""
    origin = Origin()
    await origin.start()
    site = SiteSettings(name="shop", origin=f"http://127.0.0.1:{origin.port}", hosts=("shop.test",))
    async with running_kit({"origin": "", "site": [site]}, origin) as kit:
        origin.answer("/a", fresh(b"x", "Surrogate-Key: t"))
        assert not (await kit.get("/a", "Host: shop.test")).hit
        reply = await kit.request("PURGE", "/a", "Host: elsewhere.test")
        assert (reply.status, reply.get("edgecache-matched")) == (200, b"0")
        assert b"nothing is stored for http://elsewhere.test/a; stored is http://shop.test/a (other host)" in reply.body
        assert (await kit.get("/a", "Host: shop.test")).hit
        assert (await kit.request("PURGE", "/", "Host: 10.1.2.3", "Surrogate-Key: t")).status == 200
        assert not (await kit.get("/a", "Host: shop.test")).hit
        assert (await kit.get("/a", "Host: elsewhere.test")).status == 404


@pytest.mark.parametrize("request_", ["PURGE /a", "PURGE /.*", "PURGE /a.* · X-Purge-Method: regex"])
async def test_a_public_name_is_meant_by_all_its_names(start_kit, request_):
    kit = await start_kit(public_url="https://www.example.test")
    kit.origin.answer("/a", fresh())
    method, target, lines = ask(request_)
    for name in (f"localhost:{kit.port}", "www.example.test"):
        await kit.get("/a", "Host: www.example.test")
        assert (await kit.get("/a", "Host: www.example.test")).hit
        assert (await kit.request(method, target, f"Host: {name}", *lines)).status == 200
        assert not (await kit.get("/a", "Host: www.example.test")).hit


# GET


async def test_get_does_not_purge_unless_it_is_to(start_kit):
    kit = await stocked(start_kit)
    kit.origin.answer("/purge/a", fresh(b"a page"))
    assert (await kit.get("/purge/a")).body == b"a page"
    reply = await kit.request("PURGE", "/purge/b")
    assert b'with the setting purge_get = "/purge" this would mean http://example.test/b' in reply.body
    assert await gone(kit) == ""


@pytest.mark.parametrize(
    ("request_", "status", "expected"),
    [
        ("GET /purge/a", 200, "a"),
        ("GET /purge/a?x=1", 200, "q"),
        ("GET /purge/a · Host: other.test", 200, "o"),
        ("GET http://other.test/purge/a", 200, "o"),
        ("PURGE /purge/a", 200, "a"),
        ("PURGE /purgeall", 200, "aqnp"),
        ("PURGE /a", 200, "a"),
        ("GET /purge/a · Sec-Fetch-Site: none", 403, ""),
        ("GET /purge/a · Sec-Fetch-Site: cross-site", 403, ""),
        ("GET /purge/a · Origin: http://evil.test", 403, ""),
        ("GET /purge/a · Referer: http://evil.test/", 403, ""),
        ("GET /purge/a · Surrogate-Key: all", 400, ""),
        ("GET /purge/nothing", 200, ""),
    ],
)
async def test_get_below_the_prefix(start_kit, request_, status, expected):
    kit = await stocked(start_kit, purge_get="/purge")
    method, target, lines = ask(request_)
    reply = await kit.request(method, target, *lines)
    assert (reply.status, kit.origin.seen) == (status, [])
    assert await gone(kit) == expected


@pytest.mark.parametrize("target", ["/purge", "/purgeall", "/purges/a", "/x/purge/a"])
async def test_get_beside_the_prefix_is_for_the_origin(start_kit, target):
    kit = await start_kit(purge_get="/purge")
    kit.origin.answer(target, fresh(b"a page"))
    assert (await kit.get(target)).body == b"a page"
    assert (await kit.request("HEAD", "/purge/a")).status == 404  # asked of the origin: only GET purges
