"""Who may talk to the control plane? Purge APIs are not for web pages.

The control plane listens on a developer's machine, where every page in the browser can send requests to it. Four rules, each of which
stops one way in:

- Host must be a name of this control plane, or a page could point its own name at 127.0.0.1 and read everything (DNS rebinding).
- A foreign Origin, or Sec-Fetch-Site saying so, is refused, or a page could send what it cannot read (cross-site request forgery).
- What changes state must be `application/json`, which a page cannot send without a preflight that nobody here answers.
- With a token configured, nothing but health is answered without it.

`refusal` is a function of the head alone, so that the table in the tests is the whole of the rule.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDictProxy

from edgecache.config import is_loopback
from edgecache.control.problems import Kind, Problem

SAFE_METHODS = frozenset({"GET", "HEAD"})
OPEN_PATHS = frozenset({"/healthz", "/readyz"})  # what probes ask, without credentials
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{0,5})?", re.ASCII)

HEADERS = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "no-referrer"}


@dataclass(frozen=True, slots=True)
class Guard:
    """What the rules need to know of the configuration: the host names beside loopback, and the token ("" for none)."""

    hosts: frozenset[str]
    token: str

    @classmethod
    def of(cls, listen_host: str, hosts: Sequence[str], token: str) -> Guard:
        """The guard for a control plane that listens on `listen_host` and is also reached as `hosts`."""
        return cls(frozenset(_bare(name) for name in (listen_host, *hosts) if name), token)


def host_of(authority: str) -> str | None:
    """The host in a Host field: lower case, without port, brackets and trailing dot. None when it is not a host at all."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return None
    return _bare(match["v6"] or match["name"])


def _bare(host: str) -> str:
    return host.strip("[]").lower().removesuffix(".")


def refusal(method: str, path: str, headers: CIMultiDictProxy[str], guard: Guard, scheme: str = "http") -> Problem | None:
    """Why is this request refused before anyone looks at what it asks for? None when it is not.

    The content type is judged apart (`wrong_type`), after routing: 404 and 405 say more than 415.
    """
    authority = headers.get("Host", "")
    host = host_of(authority)
    if host is None or not (is_loopback(host) or host in guard.hosts):
        return Problem(
            Kind.HOST_REFUSED,
            f"Host {authority!r} is neither loopback nor a configured name; to allow it, add it to the setting control_hosts.",
        )
    # Browsers send Origin with everything that is not a plain GET or HEAD, and with what CORS guards; "null" is a foreign one.
    for origin in headers.getall("Origin", ()):
        if origin.lower() != f"{scheme}://{authority}".lower():
            return Problem(Kind.ORIGIN_REFUSED, f"Origin {origin!r} is another site; the control plane answers no web pages but its own.")
    site = headers.get("Sec-Fetch-Site", "none").lower()
    if site not in ("none", "same-origin") and not _followed_link(method, headers):
        return Problem(Kind.ORIGIN_REFUSED, f"The browser says that a {site} page sent this; the control plane answers only its own.")
    if guard.token and path not in OPEN_PATHS and not _has_token(headers, guard.token):
        return Problem(
            Kind.TOKEN_REQUIRED,
            "Send the setting control_token as `Authorization: Bearer …` (edgecache commands read it from EDGECACHE_TOKEN).",
            {"WWW-Authenticate": 'Bearer realm="edgecache"'},
        )
    return None


def wrong_type(method: str, headers: CIMultiDictProxy[str]) -> Problem | None:
    """Is the content of a state-changing request anything but JSON? Asked also when there is no content."""
    if method in SAFE_METHODS:
        return None
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    if coding != "identity":
        # RFC 9110 15.5.16: say what would be taken. Decoding would let a small request become a large one.
        return Problem(Kind.UNSUPPORTED_MEDIA_TYPE, f"Content coding {coding!r} is not read here.", {"Accept-Encoding": "identity"})
    given = headers.get("Content-Type", "")
    if given.partition(";")[0].strip().lower() == "application/json":
        return None
    said = f"Content-Type is {given!r}" if given else "Content-Type is missing"
    return Problem(Kind.UNSUPPORTED_MEDIA_TYPE, f"{said}; whatever changes state must be sent as application/json.")


def _followed_link(method: str, headers: CIMultiDictProxy[str]) -> bool:
    """Did a person follow a link to here? Reading in a tab of its own gives the other page nothing."""
    return method in SAFE_METHODS and headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"


def _has_token(headers: CIMultiDictProxy[str], token: str) -> bool:
    scheme, _, given = headers.get("Authorization", "").partition(" ")
    # Bytes, because compare_digest refuses text beyond ASCII; surrogateescape, because the field may hold any byte.
    same = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token.encode("utf-8", "surrogateescape"))
    return same and scheme.lower() == "bearer"


def guarded(guard: Guard) -> Middleware:
    """The middleware that applies the rules to every request of the control plane, known path or not."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.raw_path.startswith("/"):
            # In absolute-form the target and not Host would name the host (RFC 9112 3.2.2); this is an origin server, no proxy.
            raise Problem(Kind.BAD_REQUEST, "The request target must be a path.")
        problem = refusal(request.method, request.path, request.headers, guard, request.scheme)
        if problem is None and request.match_info.http_exception is None:
            problem = wrong_type(request.method, request.headers)
        if problem is not None:
            raise problem
        return await handler(request)

    return middleware


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler for every response: no guessing of types, no reading by other origins, nothing kept by caches."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "edgecache"  # aiohttp would name itself and Python with their versions
    response.headers.setdefault("Cache-Control", "no-store")
