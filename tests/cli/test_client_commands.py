"""stats and clock, and what all client commands say when they cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from ports import closed_port


@pytest.mark.parametrize(
    "arguments",
    [
        ["clock", "advance"],
        ["clock", "reset", "1h"],
        ["clock", "1h"],
        ["clock", "--egde"],
        ["clock", "advance", "1h", "--egde"],
        ["nonsense"],
    ],
)
async def test_misuse_is_2(invoke: Any, plane: Any, arguments: list[str]) -> None:
    result = await invoke(*arguments, edge=plane.url)
    assert result.exit_code == 2
    assert plane.log.head == 0


async def test_stats(invoke: Any, plane: Any) -> None:
    plane.put(b"a.example", b"/x")
    result = await invoke("stats", edge=plane.url)
    assert result.exit_code == 0, result.output
    shown = dict(line.rsplit("  ", 1) for line in result.stdout.splitlines())
    shown = {name.strip(): value.strip() for name, value in shown.items()}
    assert shown["stored responses"] == "1"
    assert shown["origin"] == "http://localhost:3000"
    assert shown["hit ratio"] == "-"
    assert "handled: hit" not in shown, "zeros are left out"
    assert shown["origin connections idle"] == "1"
    answer = json.loads((await invoke("stats", "--json", edge=plane.url)).stdout)
    assert answer["store"]["responses"] == 1


async def test_clock(invoke: Any, plane: Any) -> None:
    assert "none: edge time is wall-clock time" in (await invoke("clock", edge=plane.url)).stdout
    assert "+1:30:00 (+5400 s)" in (await invoke("clock", "advance", "1h30m", edge=plane.url)).stdout
    assert "+1:29:50 (+5390 s)" in (await invoke("clock", "advance", "-10s", edge=plane.url)).stdout
    assert plane.log.head == 1
    assert json.loads((await invoke("clock", "--json", edge=plane.url)).stdout)["offset_s"] == 5390
    assert json.loads((await invoke("clock", "--json", "reset", edge=plane.url)).stdout)["offset_s"] == 0
    assert json.loads((await invoke("clock", "advance", "90", "--json", edge=plane.url)).stdout)["offset_s"] == 90
    assert plane.clock.offset_s == 90


async def test_clock_refuses_what_is_no_duration(invoke: Any, plane: Any) -> None:
    result = await invoke("clock", "advance", "soon", edge=plane.url)
    assert result.exit_code == 1
    assert "'soon' is not a duration" in result.stderr


async def test_the_token_comes_from_the_environment(invoke: Any, make_plane: Any) -> None:
    plane = await make_plane(control_token="s3cret")
    result = await invoke("stats", edge=plane.url)
    assert result.exit_code == 1
    assert "EDGECACHE_TOKEN" in result.stderr
    assert (await invoke("stats", edge=plane.url, env={"EDGECACHE_TOKEN": "s3cret"})).exit_code == 0


async def test_nothing_listens(invoke: Any) -> None:
    with closed_port() as port:
        url = f"http://127.0.0.1:{port}"
        for command in (["stats"], ["clock"], ["purge", "--all"]):
            result = await invoke(*command, edge=url)
            assert result.exit_code == 1
            assert result.stdout == ""
            assert result.stderr.count("\n") == 1
            assert url in result.stderr
            assert "edgecache run" in result.stderr


@pytest.mark.parametrize("url", ["", "127.0.0.1:8081", "ftp://a", "http://", "http://a:99999", "http://a:x", "http://a/?b", "http://[::1"])
async def test_an_address_that_is_none(invoke: Any, url: str) -> None:
    result = await invoke("stats", "--edge", url)
    assert result.exit_code == 2
    assert "http://127.0.0.1:8081" in result.stderr


async def plain(request: web.Request) -> web.Response:
    return web.Response(text="<h1>my site</h1>", content_type="text/html")


async def broken_json(request: web.Request) -> web.Response:
    return web.Response(text="{", content_type="application/json")


async def cut_off(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize(
    ("handler", "words"),
    [(plain, "not as a control plane"), (broken_json, "not as a control plane"), (cut_off, "cannot be asked")],
)
async def test_something_else_answers(invoke: Any, handler: Any, words: str) -> None:
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    async with TestServer(app) as server:
        result = await invoke("stats", edge=f"http://127.0.0.1:{server.port}")
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
