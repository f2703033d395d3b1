"""What real purge clients put on the wire, replayed byte for byte: what it invalidates here, and whether they take the answer.

`captures.jsonl` has requests as the clients sent them to a recording server, one in a line: client and version, scenario, the number of the
request in it, method, target, version, fields in order, content, and the status that was answered then (null where the connection was
dropped). WordPress's plug-ins ran with a stand-in for its HTTP functions, so that User-Agent and Accept are not theirs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from wirekit import Client, Kit, Reply, fresh, running_kit
from wirestage import settled

Exchange = dict[str, Any]

CAPTURES: list[Exchange] = [json.loads(line) for line in (Path(__file__).parent / "captures.jsonl").read_text("utf-8").splitlines()]
SCENARIOS = {key: list(group) for key, group in groupby(CAPTURES, key=lambda one: (one["client"], one["scenario"]))}

WWW = "www.example.com"
# What is stored before a scenario: a name for it, host, target, fields of the answer.
STOCK = {
    "root": (WWW, "/", ()),
    "a": (WWW, "/a", ()),
    "a?x": (WWW, "/a?x=1", ()),
    "b": (WWW, "/a/b", ()),
    "b?x": (WWW, "/a/b?x=1", ()),
    "news": (WWW, "/news/", ()),
    "news?x": (WWW, "/news/?x=1", ()),
    "blog": (WWW, "/blog/post", ()),
    "deblog": (WWW, "/de/blog/post", ()),
    "jpg": (WWW, "/image.jpg", ("Content-Type: image/jpeg",)),
    "png": ("b.example.com", "/img/x.png", ("Content-Type: image/png",)),
    "webp": ("b.example.com", "/img/x.png?as=webp", ("Content-Type: image/webp",)),
    "other": ("other.example.com", "/a", ()),
    "8443": (f"{WWW}:8443", "/a", ()),
    "8443b": (f"{WWW}:8443", "/a%20b/%C3%BC?x=1&y=2", ()),
    "1": ("a.example", "/1", ()),
    "2": ("a.example", "/2", ()),
    "ngx": (f"{WWW}:45725", "/news/?a=1", ()),
    "ngx-feed": (f"{WWW}:45725", "/news/feed/", ()),
    "ngx-atom": (f"{WWW}:45725", "/news/feed/atom/", ()),
    "ngx-rdf": (f"{WWW}:45725", "/news/feed/rdf/", ()),
    "tag-1": (WWW, "/tagged/1", ("X-Cache-Tags: tag-1,z",)),
    "tag-2": (WWW, "/tagged/2", ("xkey: tag-2 z",)),
    "a_b": (WWW, "/tagged/3", ("X-Cache-Tags: a_b",)),
    "x.y": (WWW, "/tagged/4", ("X-Cache-Tags: z, x.y",)),
    "x-y": (WWW, "/tagged/5", ("X-Cache-Tags: x-y,tag-10",)),
    "t1": (WWW, "/tagged/6", ("X-Cache-Tags: t1,z",)),
    "t2": ("other.example.com", "/tagged/7", ("X-Cache-Tags: t2",)),
    "aaaaaaaa": (WWW, "/tagged/8", ("X-Cache-Tags: tag-aaaaaaaa",)),
    "dddddddd": (WWW, "/tagged/9", ("X-Cache-Tags: tag-dddddddd",)),
}
OF_WWW = [name for name, (host, _, _) in STOCK.items() if host == WWW]


class Expected(NamedTuple):
    """What a scenario does. `gone`: what is not answered from the store afterwards; `fetched`: what the origin was asked for by it."""

    gone: list[str]
    fetched: tuple[bytes, ...] = ()
    settings: Mapping[str, object] = MappingProxyType({})


GET = {"purge_get": "/purge"}
WAGTAIL, FOS = "wagtail-8.0.1", "FOSHttpCache-2.15.3-32-gf116f61"
PLUGIN, HELPER, CURL = "varnish-http-purge 5.2.2", "nginx-helper 2.3.5", "curl-7.88.1"
FEEDS = ["ngx", "ngx-feed", "ngx-atom", "ngx-rdf"]
AGAIN = ("reply 204", "reply 301", "reply 400", "reply 403", "reply 404", "reply 405", "reply 500", "reply 503", "dropped")

EXPECTED: dict[tuple[str, str], Expected] = {
    (WAGTAIL, "HTTP purge 200"): Expected(["8443b"]),
    (WAGTAIL, "HTTP purge plain"): Expected(["news"]),
    (WAGTAIL, "HTTP purge root without path"): Expected(["root"]),
    (WAGTAIL, "HTTP purge_batch"): Expected(["1", "2"]),
    **{(WAGTAIL, f"HTTP purge {how}"): Expected(["news"]) for how in AGAIN if how not in ("reply 400", "reply 503")},
    (FOS, "purge"): Expected(["b?x"]),
    (FOS, "purge_abs"): Expected(["other"]),
    (FOS, "refresh"): Expected([], (b"GET /a/b",)),
    (FOS, "ban"): Expected(["news", "news?x"]),
    (FOS, "banpath"): Expected(["png"]),
    (FOS, "tags_ban"): Expected(["tag-1", "a_b", "x.y"]),
    (FOS, "tags_xkey"): Expected(["tag-1", "tag-2"]),
    (FOS, "tags_xkey_hard"): Expected(["tag-1", "tag-2"]),
    (FOS, "tags_custom"): Expected(list(STOCK)),  # tags in a field that is not known, and .* for all else: that is everything
    (FOS, "tags_chunk"): Expected(["aaaaaaaa", "dddddddd"]),
    (FOS, "nginx_purge"): Expected(["a"]),
    (FOS, "nginx_purge_loc"): Expected(["a"], settings=GET),
    (FOS, "nginx_purge_loc_abs"): Expected(["a?x"], settings=GET),
    (FOS, "nginx_refresh"): Expected([]),  # X-Refresh is a field like any other
    (FOS, "symfony_purge"): Expected(["a"]),
    (FOS, "symfony_tags"): Expected(["t1", "t2"]),
    (FOS, "symfony_clear"): Expected(list(STOCK)),
    (FOS, "symfony_refresh"): Expected([], (b"GET /a",)),
    (FOS, "fastly_purge"): Expected(["a"]),
    (FOS, "fastly_refresh"): Expected(["a"], (b"HEAD /a",)),
    **{(FOS, f"purge {how}"): Expected(["b?x"]) for how in AGAIN},
    (PLUGIN, "https://www.example.com/news/?x=1"): Expected(["news?x"]),
    (PLUGIN, "https://www.example.com:8443/a"): Expected(["8443"]),
    (PLUGIN, "https://www.example.com/?vhp-regex"): Expected(OF_WWW),
    (PLUGIN, "https://www.example.com/blog/?vhp-regex"): Expected(["blog", "deblog"]),
    **{(HELPER, f"purge_url reply {status}"): Expected(FEEDS, settings=GET) for status in (200, 404, 405)},
    (CURL, "PURGE url"): Expected(["jpg"]),
    (CURL, "forward-proxy form (squidclient style)"): Expected(["a?x"]),
}

# When each client takes an answer for a success, as was seen when it got others.
TAKES: dict[str, Callable[[int], bool]] = {
    WAGTAIL: lambda status: 200 <= status < 300,
    FOS: lambda status: status < 400,
    PLUGIN: lambda status: True,
    HELPER: lambda status: status == 200,  # 404 is "not cached", all else a warning
    CURL: lambda status: True,
}


def raw(exchange: Exchange) -> bytes:
    """The request as it was sent."""
    lines = [
        f"{exchange['method']} {exchange['target']} {exchange['version']}",
        *(f"{name}: {value}" for name, value in exchange["headers"]),
    ]
    return "\r\n".join([*lines, "", exchange["body"]]).encode()


async def replay(kit: Kit, exchange: Exchange) -> Reply:
    client = await kit.connect()
    await client.send(raw(exchange))
    reply = await client.reply(exchange["method"])
    if any(name == "Connection" for name, _ in exchange["headers"]):  # all that say it say close
        assert await client.ended(), "who reads until the end would wait for long"
    client.close()
    return reply


async def store(kit: Kit, client: Client) -> None:
    for host, target, fields in STOCK.values():
        kit.origin.answer(target, fresh(b"old", *fields))
        assert (await client.get(target, f"Host: {host}")).status == 200


@pytest.mark.parametrize("key", SCENARIOS, ids=" ".join)
async def test_a_scenario(key: tuple[str, str]) -> None:
    expected = EXPECTED[key]
    async with running_kit(expected.settings) as kit:
        client = await kit.connect()
        await store(kit, client)
        kit.origin.seen.clear()
        for exchange in SCENARIOS[key]:
            reply = await replay(kit, exchange)
            assert TAKES[key[0]](reply.status), reply.head
            invalidates = exchange["method"] not in ("GET", "HEAD") or bool(expected.settings)
            assert (reply.status == 200, reply.get("edgecache-position") is not None) == (True, invalidates)
        await settled(kit)
        assert tuple(b"%s %s" % (seen.method, seen.target) for seen in kit.origin.seen) == expected.fetched
        gone = [name for name, (host, target, _) in STOCK.items() if not (await client.get(target, f"Host: {host}")).hit]
        assert gone == expected.gone


@pytest.mark.parametrize("key", [(FOS, "tags_xkey"), (FOS, "fastly_purge")], ids=" ".join)
async def test_what_clients_mean_softly_stays(key: tuple[str, str]) -> None:
    async with running_kit({}) as kit:
        client = await kit.connect()
        await store(kit, client)
        for exchange in SCENARIOS[key]:
            await replay(kit, exchange)
        await kit.origin.stop()
        for name in EXPECTED[key].gone:
            host, target, _ = STOCK[name]
            reply = await kit.get(target, f"Host: {host}")
            assert (reply.body, reply.cache_status) == (b"old", "edgecache; fwd=stale; ttl=0; detail=origin-unreachable")


@pytest.mark.parametrize("key", [key for key in SCENARIOS if EXPECTED[key].gone], ids=" ".join)
async def test_what_is_not_stored_is_no_failure(key: tuple[str, str]) -> None:
    """Wagtail and FOSHttpCache report 404 as an error. nginx-helper knows it, and a setting has it for who wants to see it."""
    async with running_kit(EXPECTED[key].settings) as kit:
        for exchange in SCENARIOS[key]:
            if exchange["method"] != "HEAD":
                reply = await replay(kit, exchange)
                assert TAKES[key[0]](reply.status), reply.head
    if key[0] == HELPER:
        async with running_kit({**EXPECTED[key].settings, "purge_not_stored_status": 404}) as kit:
            assert [(await replay(kit, exchange)).status for exchange in SCENARIOS[key]] == [404] * 4


def test_every_scenario_is_expected_to_do_something() -> None:
    assert set(EXPECTED) == set(SCENARIOS)
    assert len(CAPTURES) == 61
