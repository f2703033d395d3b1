"""Purge APIs are not for web pages: who is refused, with which status, and who is not."""

from __future__ import annotations

from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from edgecache.control.problems import Kind
from edgecache.control.safety import Guard, host_of, refusal, wrong_type

HERE = "127.0.0.1:8081"
GUARD = Guard.of("127.0.0.1", ["edge.example", "10.0.0.7"], "")
TOKEN_GUARD = Guard.of("127.0.0.1", [], "s3cret-é")


def head(*fields: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(fields))


@pytest.mark.parametrize(
    ("authority", "allowed"),
    [
        ("127.0.0.1:8081", True),
        ("127.0.0.1", True),
        ("127.9.9.9:1", True),
        ("localhost:8081", True),
        ("LocalHost.", True),
        ("[::1]:8081", True),
        ("[::1]", True),
        ("edge.example", True),
        ("EDGE.example.:8081", True),
        ("10.0.0.7:8081", True),
        # A page's own name that resolves to 127.0.0.1: DNS rebinding.
        ("evil.example:8081", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1:8081@evil.example", False),
        ("evil.example#127.0.0.1", False),
        ("10.0.0.8", False),
        ("[::2]:8081", False),
        ("[::1]evil", False),
        ("::1", False),
        ("2130706433", False),
        ("0x7f.1", False),
        ("127.1", False),
        ("0.0.0.0:8081", False),
        ("localhost:8081:80", False),
        ("localhost, evil.example", False),
        ("localhost evil.example", False),
        ("١٢٧.0.0.1", False),
        ("\udc80", False),
        ("[", False),
        (".", False),
        ("", False),
    ],
)
def test_host_must_be_loopback_or_configured(authority: str, allowed: bool) -> None:
    problem = refusal("GET", "/api/v1/stats", head(("Host", authority)), GUARD)
    assert (problem is None) is allowed
    if problem is not None:
        assert problem.kind is Kind.HOST_REFUSED
        assert "control_hosts" in problem.detail


def test_a_request_without_host_is_refused() -> None:
    problem = refusal("GET", "/healthz", head(), GUARD)
    assert problem is not None
    assert problem.kind is Kind.HOST_REFUSED


def test_the_address_it_listens_on_is_its_own_name() -> None:
    assert refusal("GET", "/", head(("Host", "192.0.2.1:8081")), Guard.of("192.0.2.1", [], "")) is None
    assert refusal("GET", "/", head(("Host", "[2001:db8::1]:8081")), Guard.of("2001:db8::1", [], "")) is None


def test_host_of_normalises() -> None:
    assert host_of("[2001:DB8::1]:80") == "2001:db8::1"
    assert host_of("Edge.Example.:80") == "edge.example"


@pytest.mark.parametrize(
    ("method", "fields", "allowed"),
    [
        ("POST", [("Origin", "http://127.0.0.1:8081")], True),
        ("POST", [("Origin", "HTTP://127.0.0.1:8081")], True),
        ("POST", [("Origin", "http://127.0.0.1:8081"), ("Sec-Fetch-Site", "same-origin")], True),
        ("POST", [("Sec-Fetch-Site", "none")], True),
        ("POST", [("Origin", "http://evil.example")], False),
        ("POST", [("Origin", "http://127.0.0.1:8080")], False),  # the site behind the edge
        ("POST", [("Origin", "http://localhost:8081")], False),  # another name is another origin
        ("POST", [("Origin", "https://127.0.0.1:8081")], False),
        ("POST", [("Origin", "null")], False),
        ("POST", [("Origin", "")], False),
        ("POST", [("Origin", "http://127.0.0.1:8081"), ("Origin", "http://evil.example")], False),
        ("POST", [("Sec-Fetch-Site", "cross-site")], False),
        ("POST", [("Sec-Fetch-Site", "same-site")], False),
        ("POST", [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")], False),
        ("DELETE", [("Origin", "http://evil.example")], False),
        ("OPTIONS", [("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")], False),
        ("GET", [("Origin", "http://evil.example")], False),
        ("GET", [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "script")], False),
        ("GET", [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")], False),
        ("GET", [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")], True),  # a link
        ("GET", [("Sec-Fetch-Site", "same-origin")], True),
        ("GET", [], True),
    ],
)
def test_pages_of_other_sites_are_refused(method: str, fields: list[tuple[str, str]], allowed: bool) -> None:
    problem = refusal(method, "/api/v1/stats", head(("Host", HERE), *fields), GUARD)
    assert (problem is None) is allowed
    assert problem is None or problem.kind is Kind.ORIGIN_REFUSED


@pytest.mark.parametrize(
    ("path", "authorization", "allowed"),
    [
        ("/api/v1/stats", "Bearer s3cret-é", True),
        ("/api/v1/stats", "bearer  s3cret-é ", True),
        ("/api/v1/stats", None, False),
        ("/api/v1/stats", "", False),
        ("/api/v1/stats", "s3cret-é", False),
        ("/api/v1/stats", "Bearer", False),
        ("/api/v1/stats", "Bearer s3cret", False),
        ("/api/v1/stats", "Bearer s3cret-é2", False),
        ("/api/v1/stats", "Basic s3cret-é", False),
        ("/api/v1/stats", "Bearer \udcff", False),
        ("/", None, False),
        ("/healthz/", None, False),
        ("/healthz", None, True),
        ("/readyz", "Bearer wrong", True),
    ],
)
def test_the_token(path: str, authorization: str | None, allowed: bool) -> None:
    fields = [("Host", HERE)] + ([("Authorization", authorization)] if authorization is not None else [])
    problem = refusal("GET", path, head(*fields), TOKEN_GUARD)
    assert (problem is None) is allowed
    if problem is not None:
        assert problem.kind is Kind.TOKEN_REQUIRED
        assert problem.headers["WWW-Authenticate"].startswith("Bearer")
        assert "s3cret" not in problem.detail


@pytest.mark.parametrize(
    ("method", "fields", "allowed"),
    [
        ("POST", [("Content-Type", "application/json")], True),
        ("POST", [("Content-Type", "Application/JSON; charset=utf-8")], True),
        ("POST", [("Content-Type", "application/json"), ("Content-Encoding", "identity")], True),
        ("GET", [], True),
        ("HEAD", [("Content-Type", "text/plain")], True),
        ("POST", [], False),
        ("DELETE", [], False),
        # What a page can send without a preflight.
        ("POST", [("Content-Type", "text/plain")], False),
        ("POST", [("Content-Type", "application/x-www-form-urlencoded")], False),
        ("POST", [("Content-Type", "multipart/form-data; boundary=application/json")], False),
        ("POST", [("Content-Type", "text/plain; application/json")], False),
        ("POST", [("Content-Type", "application/json, text/plain")], False),
        ("POST", [("Content-Type", "application/json"), ("Content-Encoding", "gzip")], False),
    ],
)
def test_what_changes_state_must_be_json(method: str, fields: list[tuple[str, str]], allowed: bool) -> None:
    problem = wrong_type(method, head(*fields))
    assert (problem is None) is allowed
    assert problem is None or problem.kind is Kind.UNSUPPORTED_MEDIA_TYPE


@pytest.mark.parametrize("path", ["/", "/api/v1/stats", "/api/v1/objects", "/api/v1/clock", "/healthz", "/nowhere"])
async def test_every_path_is_guarded(client: Any, path: str) -> None:
    response = await client.get(path, headers={"Host": "evil.example"})
    assert response.status == 403
    assert response.content_type == "application/problem+json"
    assert "evil.example" in (await response.json())["detail"]


@pytest.mark.parametrize("path", ["/api/v1/invalidations", "/api/v1/reset", "/api/v1/clock"])
async def test_nothing_changes_for_a_page(client: Any, plane: Any, path: str) -> None:
    plane.put("http://a.example/")
    for headers in ({"Origin": "http://evil.example", "Content-Type": "application/json"}, {"Content-Type": "text/plain"}):
        response = await client.post(path, data='{"all": true}', headers=headers)
        assert response.status in (403, 415)
    assert plane.log.head == 0
    assert plane.store.responses == 1


async def test_no_answer_invites_other_origins(client: Any) -> None:
    for path in ("/", "/api/v1/stats", "/nowhere"):
        response = await client.get(path)
        assert not any(name.lower().startswith("access-control-") for name in response.headers)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert response.headers["Cache-Control"] == "no-store"
