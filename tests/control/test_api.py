"""The native API over real parts: what is answered, and what is refused with which sentence."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from edgecache.caching.verdict import HardCovered, SoftCovered
from edgecache.invalidation.entry import Cause
from edgecache.record import Handled, Row

JSON = {"Content-Type": "application/json"}
CLOCK = "/api/v1/clock"


# ---- paths and content ----


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/api/v1/stat", 404, "did you mean '/api/v1/stats'?"),
        ("GET", "/api/v1/stats/", 404, "did you mean '/api/v1/stats'?"),
        ("POST", "/api/v2", 404, "Nothing is at '/api/v2'"),
        ("GET", "/%0a%1b", 404, "'/\\n\\x1b'"),
        ("GET", "/api/v1/reset", 405, "takes POST, not GET"),
        ("PUT", "/api/v1/clock", 405, "takes GET, HEAD, POST, not PUT"),
        ("DELETE", "/api/v1/objects", 405, "takes GET, HEAD, not DELETE"),
        ("OPTIONS", "/api/v1/stats", 405, "takes GET, HEAD, not OPTIONS"),
        ("GET", "/api/v1/stats?verbose=1", 400, "'verbose' is not known"),
        ("GET", "/api/v1/objects?lmit=1", 400, "did you mean 'limit'"),
        ("GET", "/api/v1/objects?limit=1&limit=2", 400, "given twice"),
        ("GET", "/?x=1", 400, "'x' is not known"),
    ],
)
async def test_paths_methods_and_parameters(client: Any, method: str, path: str, status: int, words: str) -> None:
    response = await client.request(method, path)
    problem = await response.json(content_type="application/problem+json")
    assert (response.status, problem["status"]) == (status, status)
    assert words in problem["detail"]
    assert status != 405 or response.headers["Allow"] in problem["detail"]


async def test_content_that_is_announced_too_large_is_not_waited_for(serve: Any, make_plane: Callable[..., Any]) -> None:
    client = await serve(make_plane())
    head = b"POST /api/v1/reset HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(head)
    assert (await reader.readline()).split()[1] == b"413"
    writer.close()


async def test_content_that_does_not_arrive_is_not_waited_for_long(serve: Any, make_plane: Callable[..., Any]) -> None:
    client = await serve(make_plane(body_timeout_s=0.01))
    head = b"POST /api/v1/reset HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(head + b"{")
    assert (await reader.readline()).split()[1] == b"408"
    writer.close()


@pytest.mark.parametrize("target", ["http://evil.example/api/v1/stats", "http://localhost/api/v1/stats", "*"])
async def test_the_target_must_be_a_path(client: Any, target: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    method = "OPTIONS" if target == "*" else "GET"
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] == b"400"
    writer.close()


async def test_a_defect_is_logged_and_not_shown(client: Any, plane: Any, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("the very secret cause")

    plane.records.stats = broken
    response = await client.get("/api/v1/stats")
    assert response.status == 500
    assert response.content_type == "application/problem+json"
    assert "secret" not in await response.text()
    assert "the very secret cause" in caplog.text


async def test_head_is_answered_where_get_is(client: Any) -> None:
    response = await client.head("/api/v1/stats")
    assert response.status == 200
    assert await response.read() == b""


# ---- clock ----


async def test_the_clock_is_moved(client: Any, plane: Any) -> None:
    start = plane.clock.now()
    assert await (await client.get(CLOCK)).json() == {"now": start, "offset_s": 0.0}
    response = await client.post(CLOCK, json={"advance": "1h30m"})
    assert response.status == 200
    assert await response.json() == {"now": start + 5400, "offset_s": 5400.0}
    assert plane.log.head == 0, "going ahead invalidates nothing"


@pytest.mark.parametrize(("back", "offset"), [({"advance": "-10s"}, 3590.0), ({"reset": True}, 0.0)])
async def test_nothing_becomes_fresh_by_going_back(client: Any, plane: Any, back: dict[str, Any], offset: float) -> None:
    plane.clock.advance(3600)
    stored = plane.put("http://a.example/")
    response = await client.post(CLOCK, json=back)
    assert (await response.json())["offset_s"] == offset
    assert isinstance(plane.log.verdict(stored.key, stored.position), SoftCovered)
    assert plane.log.by_cause[Cause.CLOCK] == 1


async def test_a_reset_of_an_unmoved_clock_invalidates_nothing(client: Any, plane: Any) -> None:
    assert (await client.post(CLOCK, json={"reset": True})).status == 200
    assert plane.log.head == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "exactly one of advance, reset"),
        ('{"advance": "1h", "reset": true}', "it has advance, reset"),
        ('{"advance": 3600}', "'advance' must be a string, not a number"),
        ('{"advance": "soon"}', "'soon' is not a duration"),
        ('{"advance": ""}', "not a duration"),
        ('{"advance": "--5s"}', "not a duration"),
        ('{"advance": "nan"}', "not a duration"),
        ('{"advance": "999999d"}', "100 years"),
        ('{"advance": "-999999d"}', "100 years"),
        ('{"reset": false}', "only be true"),
        ('{"advence": "1h"}', "did you mean 'advance'"),
    ],
)
async def test_what_the_clock_refuses(client: Any, plane: Any, content: str, words: str) -> None:
    response = await client.post(CLOCK, data=content, headers=JSON)
    assert response.status == 400
    assert words in (await response.json(content_type="application/problem+json"))["detail"]
    assert plane.clock.offset_s == 0
    assert plane.log.head == 0


# ---- stats, reset, health, index ----


def record(plane: Any, handled: Handled) -> None:
    row = Row(
        request_id=plane.records.next_id(), started=0.0, duration_us=1, origin_us=0, status=200, handled=handled, reason=None,
        method=b"GET", host=b"a", target=b"/", bytes_in=0, bytes_out=5, flags=0,
    )  # fmt: skip
    plane.records.add(row)


async def test_stats(client: Any, plane: Any) -> None:
    plane.put("http://a.example/")
    for handled in (Handled.MISS, Handled.HIT, Handled.HIT, Handled.HIT):
        record(plane, handled)
    stats = await (await client.get("/api/v1/stats")).json()
    assert stats["edge"]["origin"] == "http://localhost:3000"
    assert (stats["requests"], stats["hit_ratio"], stats["handled"]["hit"]) == (4, 0.75, 3)
    memory = plane.store.memory
    assert stats["store"] == {
        "responses": 1, "memory_bytes": memory.bytes, "memory_limit_bytes": plane.settings.memory_bytes, "evicted": 0,
        "folder": None, "disk_bytes": 0, "disk_limit_bytes": 0, "disk_evicted": 0,
    }  # fmt: skip
    assert stats["invalidations"] == {"position": 0, "by_cause": {cause.value: 0 for cause in Cause}}
    assert stats["clock"]["offset_s"] == 0
    assert [(one["site"], one["connections"]["open"]) for one in stats["origins"]] == [("default", 2)]


@pytest.mark.parametrize("content", ["", "{}"])
async def test_reset_leaves_what_a_start_would(client: Any, plane: Any, content: str) -> None:
    stored = plane.put("http://a.example/")
    record(plane, Handled.MISS)
    plane.clock.advance(60)
    response = await client.post("/api/v1/reset", data=content, headers=JSON)
    assert (response.status, await response.json()) == (200, {"position": 1})
    assert plane.log.verdict(stored.key, 0) == HardCovered(1), "what is on its way is covered as well"
    assert plane.log.by_cause[Cause.RESET] == 1
    assert (plane.store.responses, plane.store.memory.bytes, plane.clock.offset_s) == (0, 0, 0)
    assert (plane.moved, plane.cleared) == ([0.0], 1)
    assert plane.records.stats()["requests"] == 0


@pytest.mark.parametrize(
    ("query", "status"), [("", 200), ("?timeout=250ms", 200), ("?timeout=1s", 504), ("?timeout=1h", 400), ("?wait=1s", 400)]
)
async def test_settled(client: Any, query: str, status: int) -> None:
    assert (await client.get("/api/v1/settled" + query)).status == status


async def test_reset_takes_no_members(client: Any, plane: Any) -> None:
    response = await client.post("/api/v1/reset", json={"store": True})
    assert response.status == 400
    assert plane.log.head == 0


async def test_health(client: Any, plane: Any) -> None:
    assert (await client.get("/healthz")).status == 200
    assert (await client.get("/readyz")).status == 200
    plane.why_not_ready = "The edge is draining."
    assert (await client.get("/healthz")).status == 200
    response = await client.get("/readyz")
    assert response.status == 503
    assert (await response.json(content_type="application/problem+json"))["detail"] == "The edge is draining."


async def test_probes_need_no_token_and_the_rest_does(serve: Any, make_plane: Callable[..., Any]) -> None:
    client = await serve(make_plane(control_token="s3cret"))
    assert (await client.get("/readyz")).status == 200
    response = await client.get("/api/v1/stats")
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="edgecache"'
    assert (await client.get("/api/v1/stats", headers={"Authorization": "Bearer s3cret"})).status == 200


async def test_the_index_leads_to_every_resource_and_loads_nothing(client: Any) -> None:
    response = await client.get("/")
    page = await response.text()
    assert response.content_type == "text/html"
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    for resource in client.app.router.resources():
        assert resource.canonical in page
    assert "src=" not in page
    assert "//" not in page.replace("http://localhost:3000", "").replace("http://…", "")


async def test_the_policy_lets_exactly_the_page_s_own_style_and_script_run(client: Any) -> None:
    response = await client.get("/")
    page = await response.text()
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in response.headers["Content-Security-Policy"]


async def test_the_index_escapes_what_comes_from_the_configuration(serve: Any, make_plane: Callable[..., Any]) -> None:
    client = await serve(make_plane(profile="<script>alert(1)</script>"))
    assert "<script>alert" not in await (await client.get("/")).text()


def test_every_title_is_a_sentence_of_its_own() -> None:
    from edgecache.control.problems import Kind

    assert len({kind.title for kind in Kind}) == len({kind.token for kind in Kind}) == len(Kind)
    json.dumps([kind.title for kind in Kind])
