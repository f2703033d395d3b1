"""curl as the client: what it sends in its many ways reaches a scripted origin, and what comes back is what curl shows."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from originkit import EdgeProcess
from wirekit import Cut, Origin, Peer, ok

PATIENCE_S = "20"


@dataclasses.dataclass
class Shown:
    """What curl showed: its exit code, the heads of all responses (and trailers), the content, and what it complained about."""

    code: int
    heads: str
    body: bytes
    complaint: str

    @property
    def statuses(self) -> list[int]:
        return [int(line.split(" ")[1]) for line in self.heads.splitlines() if line.startswith("HTTP/")]


@pytest_asyncio.fixture
async def origin() -> AsyncIterator[Origin]:
    one = Origin()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
def edge(edge_before, origin) -> EdgeProcess:
    return edge_before(f"http://127.0.0.1:{origin.port}")


Curl = Callable[..., Awaitable[Shown]]


@pytest.fixture
def curl(system_program, tmp_path) -> Curl:
    """`await curl(…)` with arguments as in a terminal. Heads go to a file, content to its stdout."""
    program = system_program("curl", "apt-get install curl")
    heads = tmp_path / "heads"

    async def run(*arguments: str, given: bytes = b"") -> Shown:
        command = [program, "--silent", "--show-error", "--noproxy", "", "--max-time", PATIENCE_S, "--dump-header", str(heads), *arguments]
        heads.write_bytes(b"")
        ended = await asyncio.to_thread(subprocess.run, command, input=given, capture_output=True)
        return Shown(ended.returncode, heads.read_text(), ended.stdout, ended.stderr.decode())

    return run


async def test_http_1_0(curl, edge, origin):
    origin.answer("/a", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
    shown = await curl("--http1.0", f"{edge.url}/a")
    assert (shown.code, shown.body) == (0, b"hello world")
    assert "transfer-encoding" not in shown.heads.lower()
    assert origin.seen[0].line == b"GET /a HTTP/1.1"
    assert origin.seen[0].get("via").startswith(b"1.0 edgecache-")


async def test_an_upgrade_to_http_2_is_not_taken_up(curl, edge, origin):
    """RFC 9113 3.1 withdrew h2c upgrades; the answer is HTTP/1.1, and the origin is not asked for another protocol either."""
    origin.answer("/a", ok(b"hello"))
    shown = await curl("--http2", f"{edge.url}/a", f"{edge.url}/a")
    assert (shown.code, shown.statuses, shown.body) == (0, [200, 200], b"hellohello")
    for seen in origin.seen:
        assert (seen.get("upgrade"), seen.get("http2-settings"), seen.get("connection")) == (None, None, None)


async def test_http_2_without_asking_first(curl, edge, origin):
    shown = await curl("--http2-prior-knowledge", f"{edge.url}/a")
    assert shown.code != 0
    assert (await curl(f"{edge.url}/a")).statuses == [404]
    assert len(origin.seen) == 1


async def test_an_upload_that_waits_for_100(curl, edge, origin, tmp_path):
    """The origin's 100 lets it go on. curl would wait 60 s for it."""
    content = bytes(range(256)) * 8000
    (tmp_path / "file").write_bytes(content)
    got = []

    async def script(peer: Peer) -> None:
        head = await peer.head()
        assert head.get("expect") == b"100-continue"
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        got.append(await peer.exactly(int(head.get("content-length"))))
        await peer.send(ok(b"taken", status="201 Created"))

    origin.script = script
    shown = await curl("-H", "Expect: 100-continue", "--expect100-timeout", "60", "-T", str(tmp_path / "file"), f"{edge.url}/file")
    assert (shown.code, shown.statuses, shown.body) == (0, [100, 201], b"taken")
    assert got == [content]


async def test_an_upload_that_is_refused_instead_of_100(curl, edge, origin, tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 5_000_000)
    origin.script = _refuse
    shown = await curl("-H", "Expect: 100-continue", "--expect100-timeout", "60", "-T", str(tmp_path / "file"), f"{edge.url}/file")
    assert shown.statuses == [413]
    assert shown.body == b"too large"


async def _refuse(peer: Peer) -> None:
    await peer.head()
    await peer.send(ok(b"too large", "Connection: close", status="413 Content Too Large"))
    with contextlib.suppress(Cut):
        await peer.to_end()


async def test_an_upload_of_unknown_length_goes_on_as_it_comes(edge, origin, system_program):
    """`curl -T -`: the origin has the first part before the second exists."""
    arrived, parts = asyncio.Event(), []

    async def script(peer: Peer) -> None:
        head = await peer.head()
        assert (head.get("transfer-encoding"), head.get("content-length")) == (b"chunked", None)
        first = await peer.until(b"first")
        parts.append(first)
        arrived.set()
        parts.append(await peer.until(b"0\r\n\r\n"))
        await peer.send(ok(b"taken"))

    origin.script = script
    command = [system_program("curl", "apt-get install curl"), "-sS", "--max-time", PATIENCE_S, "-N", "-T", "-", f"{edge.url}/up"]
    running = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    running.stdin.write(b"first")
    await running.stdin.drain()
    await asyncio.wait_for(arrived.wait(), 20)
    running.stdin.write(b"second")
    running.stdin.close()
    out, _ = await running.communicate()
    assert out == b"taken"
    assert parts[0].endswith(b"first")
    assert b"second" in parts[1]


async def test_ranges_and_going_on_with_a_download(curl, edge, origin, tmp_path):
    content = b"0123456789"

    async def script(peer: Peer) -> None:
        while True:
            seen = await peer.request()
            asked = (seen.get("range") or b"").removeprefix(b"bytes=").decode()
            first, _, last = asked.partition("-")
            part = content[int(first) : int(last) + 1 if last else None]
            span = f"Content-Range: bytes {first}-{int(first) + len(part) - 1}/10"
            await peer.send(ok(part, span, "Cache-Control: max-age=60", status="206 Partial Content"))

    origin.script = script
    assert (await curl("-r", "2-5", f"{edge.url}/n")).body == b"2345"
    (tmp_path / "half").write_bytes(content[:4])
    shown = await curl("-C", "-", "-o", str(tmp_path / "half"), f"{edge.url}/n")
    assert (shown.code, (tmp_path / "half").read_bytes()) == (0, content)


async def test_trailers_and_interim_responses_are_shown(curl, edge, origin):
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    body = b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n"
    origin.answer("/a", hint + b"HTTP/1.1 200 OK\r\n" + body)
    shown = await curl("-H", "TE: trailers", "-H", "Connection: TE", f"{edge.url}/a")
    assert (shown.code, shown.statuses, shown.body) == (0, [103, 200], b"hello")
    assert "Link: </a.css>; rel=preload" in shown.heads
    assert "X-Sum: 5" in shown.heads
    assert origin.seen[0].get("te") == b"trailers"


async def test_a_transfer_coding_that_curl_offers_ends_at_the_edge(curl, edge, origin):
    origin.answer("/a", ok(b"hello"))
    shown = await curl("--tr-encoding", f"{edge.url}/a")
    assert shown.body == b"hello"
    assert (origin.seen[0].get("te"), origin.seen[0].get("connection")) == (None, None)


async def test_targets_arrive_byte_for_byte(curl, edge, origin):
    targets = ["/a/../b//c/./d", "/%zz?%", "/ä", "/a?b?c", "/*", "/a;b=c,d", '/[]{}|^`"<>', "?a", ""]
    for target in targets:
        assert (await curl("--globoff", "--path-as-is", "--request-target", f"/{target}", edge.url)).statuses == [404], target
    assert [seen.target for seen in origin.seen] == [f"/{target}".encode() for target in targets]


async def test_methods_arrive_as_they_are(curl, edge, origin):
    origin.answer("/a", ok(b"hello"))
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY", "FROB", "M-SEARCH", "a"]
    for method in methods:
        shown = await curl("-X", method, "-d", "a=b", f"{edge.url}/a")
        assert (shown.statuses, shown.body) == ([200], b"hello"), method
    assert [(seen.method, seen.body) for seen in origin.seen] == [(method.encode(), b"a=b") for method in methods]


async def test_50_requests_go_over_one_connection(curl, edge, origin):
    origin.answer("/a", ok(b""))
    shown = await curl("--write-out", "%{num_connects}", *[f"{edge.url}/a"] * 50)
    assert (shown.code, shown.statuses) == (0, [200] * 50)
    assert shown.body == b"1" + b"0" * 49
    assert len(origin.seen) == 50
    assert origin.connections <= 2  # the edge's look at its start is one


async def test_as_a_proxy_the_edge_picks_its_own_site(curl, edge, origin):
    """Absolute-form is for the site that the edge stands before, whatever it names; CONNECT is for nobody."""
    origin.answer("/a", ok(b"hello"))
    shown = await curl("--proxy", edge.url, "http://elsewhere.example/a")
    assert shown.body == b"hello"
    assert (origin.seen[0].line, origin.seen[0].get("host")) == (b"GET /a HTTP/1.1", b"elsewhere.example")
    assert origin.seen[0].get("proxy-connection") is None
    tunnel = await curl("--proxy", edge.url, "https://elsewhere.example/a")
    assert (tunnel.code != 0, tunnel.statuses) == (True, [405])


async def test_a_download_that_is_cut_off_is_an_error_for_curl(curl, edge, origin):
    async def short(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nCache-Control: max-age=60\r\n\r\nhalf")
        peer.close()

    async def open_ended(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=60\r\n\r\n4\r\nhalf\r\n")
        peer.close()

    for script in (short, open_ended):
        origin.script = script
        for flags in ([], ["--http1.0"]):
            shown = await curl(*flags, f"{edge.url}/a")
            assert shown.code in (18, 56), (shown.code, shown.complaint)  # partial file, or a reset
            assert shown.statuses == [200]


async def test_a_form_with_a_file(curl, edge, origin, tmp_path: Path):
    (tmp_path / "picture").write_bytes(bytes(range(256)) * 1000)
    origin.answer("/form", ok(b"taken"))
    shown = await curl("-F", "name=value", "-F", f"file=@{tmp_path / 'picture'}", f"{edge.url}/form")
    assert shown.body == b"taken"
    assert bytes(range(256)) * 1000 in origin.seen[0].body
