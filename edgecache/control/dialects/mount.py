"""The vendors' paths on the control plane: from aiohttp's request to the desk, and back.

Vendors' clients send any Host and any Content-Type, and bring credentials of their vendor instead of control_token. What none of them sends
is Origin or Sec-Fetch-Site: those come from web pages, which may not purge (docs/architecture.md, Safety).
"""

from __future__ import annotations

import asyncio
import ipaddress

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from edgecache.clock import Clock
from edgecache.control.dialects.call import Asked, Refusal, Refused, Reply
from edgecache.control.dialects.desk import Desk


def vendor_paths(desk: Desk, clock: Clock, timeout_s: float) -> Middleware:
    """The middleware that answers calls of vendors' APIs, before the rules of the native API are asked.

    A middleware and not routes: targets are taken as they came, with // inside and whatever is percent-encoded. `timeout_s` is for content.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        dialect = desk.dialect_of(request.method, request.raw_path.partition("?")[0])
        if dialect is None:
            return await handler(request)
        content = b""
        refusal = _refusal_of_head(request)
        if refusal is None:
            try:
                async with asyncio.timeout(timeout_s):
                    content = await request.read()
            except TimeoutError:
                refusal = Refusal(Refused.CONTENT_TOO_SLOW, f"The content did not arrive within {timeout_s:g} s.")
            except web.HTTPRequestEntityTooLarge:
                refusal = _too_large(request)
        who = request.remote or ""
        asked = Asked(
            method=request.method,
            target=request.raw_path,
            headers=request.headers,
            content=content,
            who=who,
            loopback=_is_loopback(who),
            scheme=request.scheme,
            now=clock.now(),
        )
        return _response(await desk.answer(dialect, asked, refusal))

    return middleware


def _refusal_of_head(request: web.Request) -> Refusal | None:
    for name in ("Origin", "Sec-Fetch-Site"):
        if name in request.headers:
            return Refusal(Refused.WEB_PAGE, f"A request with {name} comes from a web page, and purge APIs are not for web pages.")
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding != "identity":  # decoding would let a small request become a large one, and signatures are made over what was sent
        return Refusal(Refused.CONTENT_CODED, f"Content coding {coding[:40]!r} is not read here.")
    if (request.content_length or 0) > request.client_max_size:
        return _too_large(request)  # at once: the client need not send it first
    return None


def _too_large(request: web.Request) -> Refusal:
    return Refusal(Refused.CONTENT_TOO_LARGE, f"The content is longer than {request.client_max_size} bytes (setting api_body_bytes).")


def _is_loopback(who: str) -> bool:
    try:
        address = ipaddress.ip_address(who)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _response(reply: Reply) -> web.Response:
    response = web.Response(status=reply.status, body=reply.content)
    response.headers["Content-Type"] = reply.content_type
    for name, value in reply.headers:
        response.headers.add(name, value)
    return response
