"""The OpenAPI document is valid, and true: what it allows is accepted, what it forbids is refused, and every answer is as it says."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from edgecache.control.api import DOCUMENT, OPERATIONS
from edgecache.control.app import control_app
from edgecache.control.objects import cursor
from edgecache.control.shapes import Format
from tests.control.conftest import Plane, Settings

# What each format means, for whoever makes examples from the document.
NAMES = st.from_regex(r"[a-z0-9]{1,8}(\.[a-z0-9]{1,8}){0,2}", fullmatch=True)
PATHS = st.from_regex(r"(/[A-Za-z0-9._~%-]{0,5}){1,4}", fullmatch=True)
SPANS = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,3})?(ms|s)?", fullmatch=True)
MEANT = {
    Format.URL: st.builds("http://{}{}".format, NAMES, PATHS),
    Format.HOST: NAMES,
    Format.PREFIX: st.one_of(PATHS, NAMES, st.builds("{}{}".format, NAMES, PATHS)),
    Format.PATH: st.builds("{}{}".format, PATHS, st.sampled_from(["", "*", "?a=b"])),
    Format.TAG: st.from_regex(r"[!-+\--~]{1,20}", fullmatch=True),
    Format.BAN: st.sampled_from(["obj.status == 404", 'req.url ~ "^/a" && obj.http.x != y', "obj.age > 1h", Format.BAN.example]),
    Format.SITE: st.just("default"),
    Format.DURATION: SPANS,
    Format.STEP: st.builds("{}{}".format, st.sampled_from(["", "-", "+"]), SPANS),
    Format.CALL: st.sampled_from(["cloudflare", Format.CALL.example]),
    Format.CURSOR: st.builds(lambda text: cursor((text.encode(), b"00")), NAMES),
}
for meant, strategy in MEANT.items():
    schemathesis.openapi.format(meant.token, strategy)


@pytest.fixture(scope="module")
def edge() -> Iterator[str]:
    """The address of a live control plane, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="control plane")
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    async def start() -> TestServer:
        plane = Plane(Settings(origin="http://localhost:3000"))
        for number in range(3):
            plane.put(f"http://a.example/{number}", tags=("t",), vary=((b"dpr", None),))
        server = TestServer(control_app(dataclasses.replace(plane.parts, settled=settled)))
        await server.start_server()
        return server

    async def settled(timeout_s: float) -> bool:
        return True

    server = run(start())
    yield f"http://127.0.0.1:{server.port}"
    run(server.close())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_it_is_an_openapi_document() -> None:
    validate(DOCUMENT)


def test_it_has_every_route(plane: Any) -> None:
    app = control_app(plane.parts)
    routes = {(route.method, route.resource.canonical) for route in app.router.routes() if route.method != "HEAD" and route.resource}
    documented = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert documented == {(operation.method, operation.path) for operation in OPERATIONS}
    assert documented | {("GET", "/")} == routes
    names = [operation.name for operation in OPERATIONS]
    assert len(names) == len(set(names))


async def test_it_is_served(client: Any) -> None:
    response = await client.get("/api/v1/openapi.json")
    assert response.status == 200
    assert await response.json() == DOCUMENT


def test_every_format_has_a_meaning_and_examples() -> None:
    assert set(MEANT) == set(Format)
    for format_ in Format:
        assert f"{format_.token} is {format_.meaning}" in DOCUMENT["info"]["description"]


def calls(operation: Any, mode: GenerationMode, examples: int, check: Callable[[Any], None]) -> None:
    """Check so many cases of an operation, the same ones every time."""

    @seed(4)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        check(case)

    run()


SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig())
LISTED = [result.ok() for result in SCHEMA.get_all_operations()]
by_name = {"ids": lambda operation: f"{operation.method}-{operation.path}"}


@pytest.mark.parametrize("operation", LISTED, **by_name)
def test_what_it_allows_is_accepted(edge: str, operation: Any) -> None:
    calls(operation, GenerationMode.POSITIVE, 60, lambda case: case.call_and_validate(base_url=edge))


@pytest.mark.parametrize("operation", [one for one in LISTED if one.body or one.query or one.path_parameters], **by_name)
def test_what_it_forbids_is_refused(edge: str, operation: Any) -> None:
    calls(operation, GenerationMode.NEGATIVE, 60, lambda case: case.call_and_validate(base_url=edge))
