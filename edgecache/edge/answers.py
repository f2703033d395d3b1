"""Answers that the edge makes itself: one page and one line of text, always with Proxy-Status (RFC 9209) and never stored."""

from __future__ import annotations

import html
from http import HTTPStatus

from edgecache.http1.problem import Problem
from edgecache.semantics.dates import format_http_date
from edgecache.semantics.message import Field, RequestHead, combined
from edgecache.semantics.proxy_status import ProxyError

NAME = "edgecache"

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{status} {phrase}</title>{reload}
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 12vh auto; padding: 0 1.5rem; color: #1c2430; background: #f7f8fa }}
h1 {{ font-size: 1.4rem }} h1 small {{ color: #8a94a3; font-weight: normal; display: block; font-size: .9rem }}
code {{ background: #e8ebf0; padding: .1em .35em; border-radius: 4px; overflow-wrap: anywhere }} .hint {{ color: #5b6675 }}
@media (prefers-color-scheme: dark) {{ body {{ color: #dfe5ee; background: #14181f }} code {{ background: #262d38 }}
  .hint {{ color: #98a3b3 }} }}
</style></head><body>
<h1><small>edgecache · {status} {phrase}</small>{detail}</h1>
{hint}
</body></html>
"""

_ORIGIN_HINT = """<p>The edge runs and asks <code>{origin}</code>. Start the origin there{again}.</p>
<p class="hint">Another address? Run <code>edgecache run http://localhost:PORT</code> with the one that your dev server prints.</p>"""
_RELOAD = '<meta http-equiv="refresh" content="2">'
# The page waits only for what can come right by itself.
_WORTH_WAITING = frozenset(
    (
        ProxyError.CONNECTION_REFUSED,
        ProxyError.CONNECTION_TIMEOUT,
        ProxyError.CONNECTION_TERMINATED,
        ProxyError.DNS_ERROR,
        ProxyError.DESTINATION_IP_UNROUTABLE,
    )
)


def own_answer(problem: Problem, request: RequestHead, origin: str, now: float) -> tuple[list[bytes], bytes]:
    """The lines (with CRLF) and the content of the answer to `request` that says `problem`.

    A browser gets a page, everyone else one line of text. `origin` is the address the page names; `now` is real time for Date.
    """
    phrase = reason_phrase(problem.status).decode("ascii")
    wants_page = b"text/html" in (combined(request.fields, b"accept") or b"").lower()
    if wants_page:
        waits = problem.error in _WORTH_WAITING and request.method in (b"GET", b"HEAD")
        again = ": this page tries again every two seconds" if waits else ""
        hint = _ORIGIN_HINT.format(origin=html.escape(origin), again=again) if problem.error in _WORTH_WAITING else ""
        detail = html.escape(problem.detail[:1].upper() + problem.detail[1:])
        page = _PAGE.format(status=problem.status, phrase=phrase, detail=detail, hint=hint, reload=_RELOAD if waits else "")
        body = page.encode("utf-8", "backslashreplace")
        kind = b"text/html; charset=utf-8"
    else:
        body = f"{problem.status} {phrase}: {problem.detail}\n".encode("utf-8", "backslashreplace")
        kind = b"text/plain; charset=utf-8"
    lines = [
        b"HTTP/1.1 %d %s\r\n" % (problem.status, reason_phrase(problem.status)),
        b"Date: %s\r\n" % format_http_date(now),
        b"Proxy-Status: %s\r\n" % proxy_status(problem),
        b"Cache-Control: no-store\r\n",
        b"Content-Type: %s\r\n" % kind,
        b"Content-Length: %d\r\n" % len(body),
    ]
    if problem.status == 405:
        lines.append(b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE\r\n")  # RFC 9110 15.5.6 asks for Allow
    return lines, body


def proxy_status(problem: Problem) -> bytes:
    """The value of Proxy-Status for this problem (RFC 9209 2): our member, the error type, and the detail as an sf-string."""
    detail = "".join(character if " " <= character <= "~" else "?" for character in problem.detail)
    escaped = detail.replace("\\", "\\\\").replace('"', '\\"')
    return f'{NAME}; error={problem.error.token}; details="{escaped}"'.encode("ascii")


def reason_phrase(status: int) -> bytes:
    """The usual reason phrase of a status code, or an empty one."""
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""


def server_timing(decision: str, origin_s: float | None) -> Field:
    """Server-Timing with what was decided and how long the origin took for its head (W3C Server Timing; durations in milliseconds)."""
    value = b'edge;desc="%s"' % decision.encode("ascii")
    if origin_s is not None:
        value += b", origin;dur=%.1f" % (origin_s * 1000)
    return b"Server-Timing: " + value, b"server-timing", value
