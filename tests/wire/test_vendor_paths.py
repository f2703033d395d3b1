"""Vendors' paths on the control plane's port: what real clients put on the wire arrives as they sent it, and pages stay out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from dialectkit import Plain
from wirekit import Client, Kit, Reply, fresh, running_kit

from edgecache.config import Vendor


@pytest.fixture
async def kit(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kit]:
    """An edge with one plain dialect, whose purges name URLs in the path."""
    monkeypatch.setattr("edgecache.app.DIALECTS", {Vendor.FASTLY: Plain})
    async with running_kit({"api_body_bytes": 2048, "control_token": "for-the-native-api"}) as running:
        yield running


@contextlib.asynccontextmanager
async def connected(kit: Kit) -> AsyncIterator[Client]:
    """A connection to the control plane."""
    client = Client(*await asyncio.open_connection("127.0.0.1", int(kit.edge.control_url.rpartition(":")[2])))
    try:
        yield client
    finally:
        client.close()


async def send(kit: Kit, raw: bytes, method: str = "POST") -> Reply:
    async with connected(kit) as client:
        await client.send(raw)
        return await client.reply(method)


async def fill(kit: Kit, target: str) -> None:
    kit.origin.answer(target, fresh(b"old"))
    await kit.get(target)
    kit.origin.answer(target, fresh(b"new"))
    assert (await kit.get(target)).body == b"old"


@pytest.mark.parametrize(
    "url, stored",
    [
        ("http://example.test/a", "/a"),
        ("http://example.test//a//b", "//a//b"),  # slashes are neither collapsed nor redirected
        ("http://example.test/a/../b", "/a/../b"),
        ("http://example.test/a?x=1&y=2", "/a?x=1&y=2"),
        ("http://example.test/a?", "/a?"),
        ("http://example.test/a%2Fb%20c", "/a%2Fb%20c"),
        ('http://example.test/a{b}|c"d^e`', '/a{b}|c"d^e`'),
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "api.fastly.com", "www.example.com:1", "_odd_"])
async def test_the_url_in_a_path_arrives_as_it_was_sent(kit: Kit, url: str, stored: str, host: str) -> None:
    await fill(kit, stored)
    reply = await send(kit, f"POST /plain/s/purge/{url} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n".encode())
    assert (reply.status, reply.get("edgecache-matched")) == (200, b"1"), reply.body
    assert (await kit.get(stored)).body == b"new"


async def test_raw_bytes_in_a_target_are_percent_encoded(kit: Kit) -> None:
    await fill(kit, "/%FC")
    reply = await send(kit, b"POST /plain/s/purge/http://example.test/\xfc HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
    assert (reply.status, reply.get("edgecache-matched")) == (200, b"1")
    assert (await kit.get("/%FC")).body == b"new"


async def test_a_long_url_in_a_path(kit: Kit) -> None:
    target = "/" + "x" * 16_000
    await fill(kit, target)
    assert (await send(kit, f"POST /plain/s/purge/http://example.test{target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())).status == 200
    assert (await kit.get(target)).body == b"new"


@pytest.mark.parametrize("content_type", ["", "Content-Type: application/x-www-form-urlencoded\r\n", "Content-Type: text/plain\r\n"])
async def test_the_content_type_is_not_judged_and_no_token_of_ours_is_asked_for(kit: Kit, content_type: str) -> None:
    reply = await send(kit, f"POST /plain/s HTTP/1.1\r\nHost: h\r\n{content_type}Content-Length: 2\r\n\r\n{{}}".encode())
    assert reply.status == 405  # it came as far as the operations
    assert (await send(kit, f"GET /plain/s HTTP/1.1\r\nHost: h\r\n{content_type}\r\n".encode(), "GET")).status == 200


@pytest.mark.parametrize(
    "line",
    ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"],
)
async def test_web_pages_are_refused_in_the_vendors_words(kit: Kit, line: str) -> None:
    await fill(kit, "/a")
    reply = await send(kit, f"POST /plain/s/purge/http://example.test/a HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n".encode())
    assert (reply.status, b"WEB_PAGE" in reply.body) == (403, True)
    assert not reply.all("access-control-allow-origin")
    assert (await kit.get("/a")).body == b"old"


@pytest.mark.parametrize(
    "head, content, status, error",
    [
        ("GET /plain/a/b/c HTTP/1.1", b"", 404, b"NO_SUCH_PATH"),
        ("DELETE /plain/a HTTP/1.1", b"", 405, b"NO_SUCH_METHOD"),
        ("POST /plain/s/purge/http://h/ HTTP/1.1\r\nContent-Length: 4000", b"", 413, b"CONTENT_TOO_LARGE"),
        (
            "POST /plain/s/purge/http://h/ HTTP/1.1\r\nTransfer-Encoding: chunked",
            b"bb8\r\n" + b"x" * 3000 + b"\r\n0\r\n\r\n",
            413,
            b"LARGE",
        ),
        ("POST /plain/s/purge/http://h/ HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 1", b"x", 415, b"CONTENT_CODED"),
    ],
)
async def test_errors_are_the_vendors_too(kit: Kit, head: str, content: bytes, status: int, error: bytes) -> None:
    reply = await send(kit, f"{head}\r\nHost: h\r\n\r\n".encode() + content)
    assert reply.status == status
    assert error in reply.body
    assert reply.get("content-type") == b"application/json"


@pytest.mark.parametrize(
    "framing, rest", [("Transfer-Encoding: chunked", b"zz\r\n"), ("Content-Length: 5", b"{"), ("Content-Length: 5", b"")]
)
async def test_content_that_does_not_come_is_answered_after_a_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, framing: str, rest: bytes
) -> None:
    """Also chunks that are none, which aiohttp waits for when the head came before them."""
    monkeypatch.setattr("edgecache.app.DIALECTS", {Vendor.FASTLY: Plain})
    async with running_kit({"body_timeout_s": 0.05}) as kit, connected(kit) as client:
        await client.send(f"POST /plain/s/purge/http://example.test/a HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n".encode())
        await kit.turns(20)
        await client.send(rest)
        reply = await client.reply("POST")
        assert (reply.status, b"CONTENT_TOO_SLOW" in reply.body) == (408, True)
        assert kit.edge.log.head == 0
    assert not caplog.records


async def test_a_client_that_leaves_purges_nothing(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(kit) as client:
        await client.send(b"POST /plain/s/purge/http://example.test/a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n{")
        await kit.turns(20)
        client.reset()
    assert (await send(kit, b"GET /plain/s HTTP/1.1\r\nHost: h\r\n\r\n", "GET")).status == 200
    assert kit.edge.log.head == 0
    assert not caplog.records


@pytest.mark.parametrize(
    "version, line, stays",
    [("1.1", "Connection: close", False), ("1.1", "Connection: Close", False), ("1.0", "X: y", False), ("1.1", "X: y", True)],
)
async def test_connections_end_as_clients_ask(kit: Kit, version: str, line: str, stays: bool) -> None:
    async with connected(kit) as client:
        await client.send(f"GET /plain/s HTTP/{version}\r\nHost: h\r\n{line}\r\n\r\n".encode())
        assert (await client.reply()).status == 200
        if stays:
            await client.send(b"GET /plain/s HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await client.reply()).status == 200
        else:
            assert await client.ended()


async def test_the_native_api_keeps_its_rules(kit: Kit) -> None:
    assert (await send(kit, b"GET /api/v1/stats HTTP/1.1\r\nHost: api.fastly.com\r\n\r\n", "GET")).status == 403
    assert (await send(kit, b"GET /api/v1/stats HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "GET")).status == 401
    assert (await send(kit, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "GET")).status == 401
    assert (await send(kit, b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).status == 200  # a vendor's, by its method
