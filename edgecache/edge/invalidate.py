"""The invalidation methods on the data plane: who may use them, what they select, and the answer.

They never reach the origin, whatever comes of them: a purge that an origin sees is a purge that the cache has missed. Web pages may not
use them (docs/architecture.md, Safety): a request with Origin is refused, and so is its preflight.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from edgecache.edge.forward import Network, is_within
from edgecache.http1.exchange import Exchange
from edgecache.http1.problem import Problem, refused
from edgecache.invalidation.doors import Call, Doors, Outcome
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.logfile import LogUnwritable
from edgecache.invalidation.selectors import UrlSelector
from edgecache.semantics.dates import format_http_date
from edgecache.semantics.message import RequestHead, combined, first
from edgecache.semantics.proxy_status import ProxyError
from edgecache.semantics.urls import Key

METHODS = frozenset((b"PURGE", b"SOFTPURGE", b"BAN", b"PURGEKEYS", b"PURGETAGS", b"REFRESH"))


class PurgeDoor:
    """PURGE of one URL, for peers in the allow list and with the token, if one is set."""

    def __init__(self, doors: Doors, allow: Sequence[Network], token: str) -> None:
        self._doors = doors
        self._allow = tuple(allow)
        self._token = token.encode()

    async def purge(self, request: RequestHead, key: Key, peer_ip: str) -> Outcome | Problem:
        """Invalidate the request's own target URI, held under `key`, hard; or the reason why not: 403 for who may not, 501 for methods
        without a door, 507 when the log cannot be written. Returns when it may be acknowledged."""
        problem = self._judge(request, peer_ip)
        if problem is not None:
            return problem
        if request.method != b"PURGE":
            return refused(501, f"{request.method.decode('ascii')} is not understood yet; PURGE invalidates the URL that it is sent to")
        try:
            return await self._doors.call(Call("PURGE", peer_ip, [UrlSelector(key.host, key.target)], cause=Cause.METHOD))
        except LogUnwritable as failure:
            return Problem(ProxyError.PROXY_INTERNAL_ERROR, f"not purged: {failure}", 507)

    def _judge(self, request: RequestHead, peer_ip: str) -> Problem | None:
        method = request.method.decode("ascii")
        if first(request.fields, b"origin") is not None:
            return _denied(f"{method} from a web page (the request has Origin) is not allowed")
        if peer_ip != "unix" and not is_within(peer_ip, self._allow):
            return _denied(f"{method} is not allowed from {peer_ip} (purge_allow)")
        if self._token:
            given = combined(request.fields, b"authorization") or b""
            if not hmac.compare_digest(given, b"Bearer " + self._token):
                return _denied(f"{method} needs the token: Authorization: Bearer … (purge_token)")
        return None


def is_preflight(request: RequestHead) -> bool:
    """Does a browser ask whether a page may use an invalidation method (Fetch, CORS-preflight request)?"""
    if request.method != b"OPTIONS":
        return False
    return (first(request.fields, b"access-control-request-method") or b"").upper() in METHODS


def preflight_refused() -> Problem:
    """The answer to such a preflight: no page may. The origin is not asked, for it might say yes."""
    return _denied("invalidation methods are not for web pages")


def answer_purge(exchange: Exchange, outcome: Outcome, now: float) -> int:
    """Acknowledge a purge: 200, whether or not anything was stored. Position and number come as fields and as JSON. `now`: real time."""
    matched = b"null" if outcome.matched is None else b"%d" % outcome.matched
    body = b'{"status": "ok", "position": %d, "matched": %s}\n' % (outcome.position, matched)
    lines = [
        b"HTTP/1.1 200 Purged\r\n",
        b"Date: %s\r\n" % format_http_date(now),
        b"Content-Type: application/json\r\n",
        b"Cache-Control: no-store\r\n",
        b"Edgecache-Position: %d\r\n" % outcome.position,
        b"Edgecache-Matched: %s\r\n" % matched,
        b"Content-Length: %d\r\n" % len(body),
    ]
    exchange.write_head(200, lines, len(body), (body,))
    exchange.finish()
    return 200


def _denied(detail: str) -> Problem:
    return Problem(ProxyError.HTTP_REQUEST_DENIED, detail, 403)
