"""The demo origin, asked directly: every row of the table keeps its promise, and what people type into it breaks nothing."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import shlex
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from html import unescape
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from edgecache.clock import Clock
from edgecache.lab.demo import DemoOrigin, demo_app, start_demo
from edgecache.lab.pages.answers import COMMENT_CHARACTERS, FORM_BYTES, LINES, SAMPLE_RATE, SCALE_S
from edgecache.lab.pages.motion import CUT_AFTER, EVENTS, MIB, STREAM_LINES
from edgecache.lab.pages.page import COUNTED_URLS, KEPT_COMMENTS, Ask, Page
from edgecache.lab.pages.table import PAGES

NOON = 1_800_014_400.25  # 12:00:00.250 UTC
EDGE = "http://edge.test:8080"
PASSWORD = {"Authorization": "Basic ZGVtbzpkZW1v"}
# Fields by which caches are told something: what a row does not list is not sent.
TELLING = (
    "Cache-Control",
    "CDN-Cache-Control",
    "Cache-Groups",
    "Cache-Group-Invalidation",
    "Expires",
    "Pragma",
    "Age",
    "ETag",
    "Last-Modified",
    "Vary",
    "Set-Cookie",
    "Location",
    "Link",
    "WWW-Authenticate",
)
ASKS = [pytest.param(page, ask, id=f"{page.method} {page.path} {ask.label}") for page in PAGES for ask in page.asks or (Ask(),)]
GETS = [pytest.param(page, id=page.path) for page in PAGES if page.method == "GET"]


class NoonClock(Clock):
    """A clock that stands at noon until it is moved."""

    def now(self) -> float:
        return NOON + self.offset_s


@asynccontextmanager
async def serving(clock: Clock | None = None, **settings: Any) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of a demo that waits for nothing."""
    app = demo_app(clock or NoonClock(), **{"edge_url": lambda: EDGE, "pace_s": 0, **settings})
    async with TestClient(TestServer(app), auto_decompress=False) as client:
        yield client


@pytest.fixture
async def client() -> AsyncIterator[TestClient[Any, Any]]:
    async with serving() as client:
        yield client


def ask_for(client: TestClient[Any, Any], page: Page, ask: Ask) -> Any:
    fields = dict(ask.fields)
    chunked = fields.pop("Transfer-Encoding", "") == "chunked"
    if ask.body and page.path == "/comments":
        fields["Content-Type"] = "application/x-www-form-urlencoded"
    if ask.user:
        fields |= PASSWORD
    return client.request(
        ask.method or page.method,
        ask.target or page.path,
        headers=fields,
        data=ask.body.encode() or None,
        chunked=chunked or None,
        allow_redirects=False,
    )


@asynccontextmanager
async def listening(pace_s: float = 0) -> AsyncIterator[DemoOrigin]:
    """A demo on a port of its own, stopped at the end."""
    demo = await start_demo(NoonClock(), pace_s=pace_s)
    try:
        yield demo
    finally:
        await demo.stop()


async def raw(url: str, request: bytes) -> bytes:
    """All that comes back for `request` until the origin closes."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received


# ---- The table ----


@pytest.mark.parametrize("page, ask", ASKS)
async def test_a_page_sends_exactly_what_its_row_says(client: TestClient[Any, Any], page: Page, ask: Ask) -> None:
    async with ask_for(client, page, ask) as response:
        assert response.status == (ask.status or page.status)
        assert response.headers["Server"] == "edgecache-demo"
        if ask.status:  # a refusal has fields of its own
            assert response.headers["Cache-Control"] == "no-store"
            return
        for name, value in page.fields:
            assert len(response.headers.getall(name)) == 1
            if isinstance(value, str):
                assert response.headers[name] == value
        assert {name for name in TELLING if name in response.headers} <= {name for name, _ in page.fields}
        assert response.headers["Date"] == formatdate(NOON, usegmt=True)
        assert response.headers["Demo-Answer"] == "1 at 12:00:00.250 UTC"


@pytest.mark.parametrize(
    "path, name, value",
    [
        ("/fresh/expires", "Expires", formatdate(NOON + 60, usegmt=True)),
        ("/fresh/heuristic", "Last-Modified", formatdate(NOON - 36_000, usegmt=True)),
        ("/validate/etag", "ETag", '"1-1800014400250"'),
        ("/validate/modified", "Last-Modified", formatdate(NOON, usegmt=True)),
        ("/cookie", "Set-Cookie", "visitor=1; Path=/cookie; SameSite=Lax"),
        ("/redirect/kept", "Location", "/query?redirect=1"),
        ("/redirect/asked", "Location", "/query?redirect=1"),
        ("/vary/language", "Content-Language", "en"),
        ("/vary/accept", "Content-Type", "text/html; charset=utf-8"),
    ],
)
async def test_fields_that_are_computed(client: TestClient[Any, Any], path: str, name: str, value: str) -> None:
    async with client.get(path, allow_redirects=False) as response:
        assert response.headers[name] == value


@pytest.mark.parametrize("page", GETS)
async def test_head_has_the_fields_and_no_content(page: Page) -> None:
    async with serving() as client:
        async with client.head(page.path, allow_redirects=False) as response:
            assert response.status in (page.status, 401)
            assert await response.read() == b""
        async with client.get("/fresh/max-age") as response:  # nothing was left over on the connection
            assert response.status == 200


def test_rows_are_told_apart() -> None:
    assert len({(page.method, page.path) for page in PAGES}) == len(PAGES)
    assert len({page.anchor for page in PAGES}) == len(PAGES)
    parents = {page.path for page in PAGES if not page.part_of}
    assert {page.part_of for page in PAGES if page.part_of} <= parents


async def test_the_index_lists_every_row_and_every_link_leads_somewhere(client: TestClient[Any, Any]) -> None:
    async with client.get("/") as response:
        assert response.headers["Cache-Control"] == "no-store"
        text = await response.text()
    links = set(re.findall(r'<a [^>]*href="([^"]*)"', text))
    for page in PAGES:
        assert f'id="{page.anchor}"' in text
        assert page.watch in unescape(text)
        assert page.method != "GET" or page.path in links
        for ask in page.asks:
            assert page.curl(ask, EDGE) in unescape(text)
    assert {link for link in links if link.startswith("http")} == {
        "http://127.0.0.1:8081/api/v1/stats",
        "http://127.0.0.1:8081/api/v1/objects",
    }
    promised = {page.path: page for page in PAGES if page.method == "GET"}
    for link in links:
        if link.startswith("#"):
            assert f'id="{link[1:]}"' in text
        elif link.startswith("/") and link != "/":
            async with client.get(link, headers=PASSWORD, allow_redirects=False) as response:
                assert response.status == promised[link].status


@pytest.mark.parametrize("page", GETS)
async def test_pages_load_nothing_from_elsewhere_and_show_when_they_were_made(client: TestClient[Any, Any], page: Page) -> None:
    async with client.get(page.path, headers=PASSWORD, allow_redirects=False) as response:
        if response.content_type != "text/html":
            return
        text = await response.text()
    assert set(re.findall(r'(?:src|<link[^>]*href)="(?!data:)([^"]*)"', text)) <= {page.path for page in PAGES}
    assert "12:00:00.250" in text
    assert "asked <b>once</b>" in text
    assert text.rstrip().endswith("</html>")


async def test_the_curl_commands_work(system_program: Callable[[str, str], str]) -> None:
    system_program("curl", "apt-get install curl")
    async with listening() as demo:
        for page in PAGES:
            for ask in page.asks:
                command = shlex.split(page.curl(ask, demo.url))
                process = await asyncio.create_subprocess_exec(
                    *command, "-s", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", stdout=asyncio.subprocess.PIPE
                )
                printed, _ = await process.communicate()
                assert printed.decode() == str(ask.status or page.status), command
                assert process.returncode == (18 if page.path == "/cut" else 0), command  # 18: the content broke off


# ---- Counting and time ----


async def test_number_and_time_change_with_each_answer() -> None:
    clock = NoonClock()
    async with serving(clock) as client:
        for number, time in ((1, "12:00:00.250"), (2, "12:01:30.250")):
            async with client.get("/fresh/expires") as response:
                assert response.headers["Demo-Answer"] == f"{number} at {time} UTC"
                assert response.headers["Expires"] == formatdate(clock.now() + 60, usegmt=True)
                assert time in await response.text()
            clock.advance(90)
        async with client.get("/fresh/expires") as response:
            assert "asked <b>3 times</b>" in await response.text()


async def test_queries_are_counted_apart_and_not_without_end(client: TestClient[Any, Any]) -> None:
    async def number(query: str) -> str:
        async with client.head(f"/query?{query}") as response:
            return response.headers["Demo-Answer"].split()[0]

    assert [await number("a"), await number("a"), await number("b")] == ["1", "2", "1"]
    for other in range(COUNTED_URLS):
        await number(str(other))
    assert await number("a") == "1"


# ---- Validation and errors ----


@pytest.mark.parametrize(
    "path, condition, status",
    [
        ("/validate/etag", ("If-None-Match", '"1-1800014400250"'), 304),
        ("/validate/etag", ("If-None-Match", '"x", W/"1-1800014400250"'), 304),
        ("/validate/etag", ("If-None-Match", "*"), 304),
        ("/validate/etag", ("If-None-Match", '"2-1800014400250"'), 200),
        ("/validate/etag", ("If-None-Match", "1-1800014400250"), 200),
        ("/validate/etag", ("If-Modified-Since", formatdate(NOON, usegmt=True)), 200),
        ("/validate/modified", ("If-Modified-Since", formatdate(NOON, usegmt=True)), 304),
        ("/validate/modified", ("If-Modified-Since", formatdate(NOON + 60, usegmt=True)), 304),
        ("/validate/modified", ("If-Modified-Since", formatdate(NOON - 1, usegmt=True)), 200),
        ("/validate/modified", ("If-Modified-Since", "soon"), 200),
        ("/validate/modified", ("If-None-Match", '"1-1800014400250"'), 200),
        ("/fresh/no-cache", ("If-None-Match", '"1-1800014400250"'), 304),
    ],
)
async def test_who_has_the_page_gets_304(client: TestClient[Any, Any], path: str, condition: tuple[str, str], status: int) -> None:
    async with client.get(path) as response:
        first = await response.text()
    async with client.get(path, headers=[condition]) as response:
        assert response.status == status
        assert response.headers["Demo-Answer"].startswith("2 at ")
        assert await response.text() == (first if status == 200 else "")


async def test_a_change_makes_a_new_version() -> None:
    clock = NoonClock()
    async with serving(clock) as client:
        async with client.get("/validate/etag") as response:
            tag = response.headers["ETag"]
        clock.advance(90)
        async with client.get("/validate/etag") as response:
            assert response.headers["ETag"] == tag
            assert "12:00:00.250" in await response.text()
        async with client.post("/validate/change") as response:
            assert await response.text() == "Changed.\n"
        async with client.get("/validate/etag", headers={"If-None-Match": tag}) as response:
            assert response.status == 200
            assert response.headers["ETag"] != tag
            assert "12:01:30.250" in await response.text()


async def test_a_page_that_fails_on_demand(client: TestClient[Any, Any]) -> None:
    for told, status in (("broken", 503), ("broken", 503), ("well", 200), ("", 200), ("x" * 100_000, 200)):
        async with client.post("/stale/switch", data=told) as response:
            assert response.status == 200
        async with client.get("/stale/error") as response:
            assert response.status == status


# ---- Files to ask for in parts ----


async def test_the_lines_are_where_the_commands_look_for_them(client: TestClient[Any, Any]) -> None:
    async with client.get("/ranges/lines.txt", headers={"Range": "bytes=64-127"}) as response:
        assert response.status == 200  # the origin knows no ranges
        content = await response.read()
    assert len(content) == 64 * LINES
    assert content[64:128].startswith(b"Line    2, which begins at byte 64 ")
    assert content[-64:].startswith(b"Line 1000, ")


async def test_the_scale_is_a_sound(client: TestClient[Any, Any]) -> None:
    async with client.get("/ranges/scale.wav") as response:
        content = await response.read()
    with wave.open(io.BytesIO(content)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 1, SAMPLE_RATE)
        assert sound.getnframes() == SCALE_S * SAMPLE_RATE


# ---- Choosing ----


@pytest.mark.parametrize(
    "accepted, language",
    [
        (None, "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("fr;q=0.4, es;q=0.8", "es"),
        ("fr;q=0, es;q=0.1", "es"),
        ("tlh, fr;q=0.2", "fr"),
        ("de;q=nan, es;q=x, fr;q=inf", "en"),
        (";;,,=;q", "en"),
    ],
)
async def test_language(client: TestClient[Any, Any], accepted: str | None, language: str) -> None:
    async with client.get("/vary/language", headers={"Accept-Language": accepted} if accepted else {}) as response:
        assert response.headers["Content-Language"] == language


async def test_json_for_programs(client: TestClient[Any, Any]) -> None:
    async with client.get("/vary/accept", headers={"Accept": "application/json"}) as response:
        assert await response.json() == {"made_at": "12:00:00.250", "asked": 1}


@pytest.mark.parametrize("given", ["", "Basic", "Basic ZGVtbzp4", "Bearer x", "Basic ZGVtbzpkZW1vé"])
async def test_other_passwords_are_refused(client: TestClient[Any, Any], given: str) -> None:
    async with client.get("/auth/public", headers={"Authorization": given}) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic ")
        assert response.headers["Cache-Control"] == "no-store"


# ---- Comments and purging ----


async def test_a_comment_is_kept_and_shown_as_text(client: TestClient[Any, Any]) -> None:
    async with client.post("/comments", data={"text": " <b>&</b> "}) as response:
        assert response.url.path == "/comments"
        assert "<td>&lt;b&gt;&amp;&lt;/b&gt;</td>" in await response.text()


async def test_comments_are_bounded(client: TestClient[Any, Any]) -> None:
    for number in range(KEPT_COMMENTS + 5):
        async with client.post("/comments", data={"text": f"{number:x<{COMMENT_CHARACTERS + 9}}"}, allow_redirects=False) as response:
            assert response.status == 303
    async with client.get("/comments") as response:
        shown = re.findall("<td>(.*?)</td>", await response.text())
    assert len(shown) == KEPT_COMMENTS
    assert {len(text) for text in shown} == {COMMENT_CHARACTERS}
    assert shown[0].startswith("24x")


@pytest.mark.parametrize(
    "content_type, content, status",
    [
        ("application/x-www-form-urlencoded", b"", 400),
        ("application/x-www-form-urlencoded", b"text=+", 400),
        ("application/x-www-form-urlencoded", b"&".join([b"a=b"] * 11), 400),
        ("application/x-www-form-urlencoded", b"text=%ff%zz\xff", 303),
        ("application/x-www-form-urlencoded; charset=nonsense", b"text=a", 303),
        ("application/x-www-form-urlencoded", b"text=" + b"a" * FORM_BYTES, 413),
        ("multipart/form-data", b"text=a", 415),
        ("text/plain", b"text=a", 415),
    ],
)
async def test_forms(client: TestClient[Any, Any], content_type: str, content: bytes, status: int) -> None:
    async with client.post("/comments", data=content, headers={"Content-Type": content_type}, allow_redirects=False) as response:
        assert response.status == status


@pytest.mark.parametrize(
    "control, command",
    [
        ("http://127.0.0.1:8081", f"edgecache purge --soft {EDGE}/purge"),
        ("http://127.0.0.1:9999/", f"edgecache purge --edge http://127.0.0.1:9999 --soft {EDGE}/purge"),
        (lambda: "http://127.0.0.1:7777", f"edgecache purge --edge http://127.0.0.1:7777 {EDGE}/purge"),
    ],
)
async def test_purge_commands_name_the_running_edge(control: Any, command: str) -> None:
    async with serving(control_url=control) as client, client.get("/purge") as response:
        text = unescape(await response.text())
    assert command in text
    assert f"curl -X PURGE {EDGE}/purge" in text


async def test_without_an_edge_the_host_of_the_request_is_shown_as_text() -> None:
    async with serving(edge_url=None) as client, client.get("/purge", headers={"Host": "a<b>;c"}) as response:
        text = await response.text()
    assert "<b>;c" not in text
    assert "curl -X PURGE 'http://a<b>;c/purge'" in unescape(text)


# ---- In motion ----


async def test_the_stream_is_chunked(client: TestClient[Any, Any]) -> None:
    async with client.get("/stream") as response:
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert len(re.findall("<li>Line", await response.text())) == STREAM_LINES


@pytest.mark.parametrize("last, first", [(None, 1), ("7", 8), ("x", 1), ("-3", 1), ("²", 1), ("9" * 10, 1)])
async def test_events_go_on_where_they_ended(client: TestClient[Any, Any], last: str | None, first: int) -> None:
    async with client.get("/events/feed", headers={"Last-Event-ID": last} if last else {}) as response:
        assert re.findall(r"^id: (\d+)$", await response.text(), re.M) == [str(first + n) for n in range(EVENTS)]


async def test_the_echo(client: TestClient[Any, Any]) -> None:
    async with client.ws_connect("/websocket/echo") as socket:
        await socket.send_str("Grüße")
        assert await socket.receive_str() == "Grüße"
        await socket.send_bytes(b"\x00\xff")
        assert await socket.receive_bytes() == b"\x00\xff"


@pytest.mark.parametrize("chunked, framing", [(None, "Content-Length"), (True, "chunked")])
async def test_an_upload_is_counted_and_hashed_as_it_was_sent(chunked: bool | None, framing: str) -> None:
    content = b"not gzip at all " * 100_000
    fields = {"Content-Encoding": "gzip"}
    async with (
        listening() as demo,
        aiohttp.ClientSession() as session,
        session.post(f"{demo.url}/upload", data=io.BytesIO(content), headers=fields, chunked=chunked) as response,
    ):
        assert await response.json() == {"length": len(content), "sha256": hashlib.sha256(content).hexdigest(), "framing": framing}


async def test_an_upload_with_broken_framing_is_refused() -> None:
    async with listening() as demo:
        answer = await raw(demo.url, b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")
    assert answer.split(b"\r\n")[0].split()[1] == b"400"


async def test_download(client: TestClient[Any, Any]) -> None:
    async with client.get("/download?mib=2") as response:
        assert response.content_length == 2 * MIB
        assert len(await response.read()) == 2 * MIB
    async with client.head("/download") as response:
        assert response.content_length == 64 * MIB


@pytest.mark.parametrize("mib", ["0", "1025", "-1", "1.5", "", "²", "00001", "9" * 5000])
async def test_downloads_that_cannot_be(client: TestClient[Any, Any], mib: str) -> None:
    async with client.get("/download", params={"mib": mib}) as response:
        assert response.status == 400


@pytest.mark.parametrize("version, statuses", [(b"1.1", [b"103", b"200"]), (b"1.0", [b"200"])])
async def test_early_hints_come_before_the_page(version: bytes, statuses: list[bytes]) -> None:
    async with listening() as demo:
        answer = await raw(demo.url, b"GET /early-hints HTTP/" + version + b"\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert re.findall(rb"^HTTP/1\.\d (\d+)", answer, re.M) == statuses
    assert answer.count(b"Link: </assets/demo-paint.css>; rel=preload; as=style\r\n") == len(statuses)


async def test_cut_breaks_off_half_way() -> None:
    async with listening() as demo:
        answer = await raw(demo.url, b"GET /cut HTTP/1.1\r\nHost: a\r\n\r\n")
        async with aiohttp.ClientSession() as session, session.get(f"{demo.url}/cut") as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
    head, _, content = answer.partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: 1000\r\n" in head
    assert len(content) == CUT_AFTER


async def test_the_request_is_shown_without_its_secrets(client: TestClient[Any, Any]) -> None:
    async with client.get("/request?<i>", headers={"X-A": "<i>", "Cookie": "k=secret1", "Authorization": "Basic secret2"}) as response:
        text = await response.text()
    assert "<th>X-A</th><td><code>&lt;i&gt;</code></td>" in text
    assert "secret" not in text


# ---- What is not there, and the end ----


@pytest.mark.parametrize(
    "method, path, status, allow",
    [
        ("GET", "/nope/%3Ci%3E", 404, None),
        ("POST", "/nope", 404, None),
        ("DELETE", "/comments", 405, "GET, HEAD, POST"),
        ("PURGE", "/purge", 405, "GET, HEAD"),
        ("POST", "/slow", 405, "GET, HEAD"),
    ],
)
async def test_other_paths_and_methods(client: TestClient[Any, Any], method: str, path: str, status: int, allow: str | None) -> None:
    async with client.request(method, path) as response:
        assert (response.status, response.headers.get("Allow")) == (status, allow)
        assert response.headers["Cache-Control"] == "no-store"
        assert "<i>" not in await response.text()


async def test_stop_ends_what_would_go_on_for_long() -> None:
    demo = await start_demo(NoonClock(), pace_s=3600)
    async with aiohttp.ClientSession() as session:
        stream = await session.get(f"{demo.url}/stream")
        events = await session.get(f"{demo.url}/events/feed")
        socket = await session.ws_connect(f"{demo.url}/websocket/echo")
        slow = asyncio.ensure_future(session.get(f"{demo.url}/slow"))
        await events.content.readuntil(b"id: 1\n")  # both have begun, and wait an hour for the next line
        await stream.content.readuntil(b'<ol class="log">')
        stopping = asyncio.ensure_future(demo.stop())
        assert (await socket.receive()).data == aiohttp.WSCloseCode.GOING_AWAY
        assert (await stream.text()).rstrip().endswith("</html>")
        await events.read()
        await socket.close()
        slow.cancel()
        await stopping


async def test_an_address_that_is_taken_is_an_os_error() -> None:
    async with listening() as demo:
        with pytest.raises(OSError, match="address already in use"):
            await start_demo(NoonClock(), port=int(demo.url.rpartition(":")[2]))
