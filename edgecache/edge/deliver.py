"""How answers reach clients: heads rendered from stored responses and from the origin's, and their content written with backpressure."""

from __future__ import annotations

from edgecache.caching.stored import StoredResponse
from edgecache.edge.answers import server_timing
from edgecache.edge.fetch import Fetch
from edgecache.http1.exchange import Exchange
from edgecache.http1.framing import CHUNKED, UNTIL_CLOSE
from edgecache.http1.problem import Broken
from edgecache.semantics.conditional import fields_of_304, not_modified
from edgecache.semantics.dates import format_http_date
from edgecache.semantics.fields import end_to_end
from edgecache.semantics.message import Fields, ResponseHead

AT_ONCE_BYTES = 64 * 1024  # up to here head and content go out in one write
NO_CONTENT = frozenset((204, 205, 304))


async def deliver_stored(exchange: Exchange, stored: StoredResponse, age_s: float, cache_status: bytes) -> None:
    """Answer with a stored response (RFC 9111 4, 5.1): its fields, our Age and Cache-Status, and 304 when the client has it already."""
    tail = b"Age: %d\r\nCache-Status: %s\r\n" % (max(0, int(age_s)), cache_status)
    if not_modified(exchange.request.fields, stored.status, stored.fields):
        exchange.write_head(304, [b"HTTP/1.1 304 Not Modified\r\n", *_lines(fields_of_304(stored.fields), b"age"), tail], 0)
        exchange.finish()
        return
    if stored.head is None:
        stored.head = _render_stored(stored)
    head = [stored.head, tail]
    length = stored.body_bytes
    if exchange.method == b"HEAD":
        exchange.write_head(stored.status, head, 0)
    elif length <= AT_ONCE_BYTES:
        exchange.write_head(stored.status, head, length, tuple(stored.body))
    else:
        exchange.write_head(stored.status, head, length)
        for piece in stored.body:
            exchange.write(piece)
            await exchange.drain()
    exchange.finish()


async def deliver_fetched(
    exchange: Exchange, fetch: Fetch, head: ResponseHead, cache_status: bytes, decision: str, own_conditions: bool
) -> bool:
    """Pass on what the origin answers, as it comes. True when it reached the client whole, False when it was cut off.

    `own_conditions`: the client's If-None-Match and If-Modified-Since were not forwarded and are answered here. Raises PeerGone.
    """
    fields = end_to_end(head.fields)
    extra = [b"Cache-Status: %s\r\n" % cache_status, server_timing(decision, fetch.origin_s)[0] + b"\r\n"]
    if not any(name == b"date" for _, name, _ in fields):  # RFC 9110 6.6.1: whoever forwards a response without Date adds one
        extra.append(b"Date: %s\r\n" % format_http_date(fetch.response_time - fetch.offset_s))
    if own_conditions and not_modified(exchange.request.fields, head.status, fields):
        exchange.write_head(304, [b"HTTP/1.1 304 Not Modified\r\n", *_lines(fields_of_304(fields)), *extra], 0)
        exchange.finish()
        return True
    without = b"content-length" if head.status == 204 else b""  # RFC 9110 8.6: no Content-Length in a 204
    lines = [b"HTTP/1.1 %d %s\r\n" % (head.status, head.reason), *_lines(fields, without), *extra]
    framing = fetch.framing
    if framing in (CHUNKED, UNTIL_CLOSE):
        framing = CHUNKED if exchange.chunks_understood else UNTIL_CLOSE
    spool = fetch.spool
    at_hand = spool.take() if framing > 0 else b""
    exchange.write_head(head.status, lines, framing, (at_hand,) if at_hand else ())
    try:
        await exchange.drain()
        while piece := await spool.read():
            exchange.write(piece)
            await exchange.drain()
    except Broken:
        exchange.cut()
        return False
    exchange.finish(spool.trailers)
    return True


def interim(head: ResponseHead) -> bytes:
    """A 1xx response as it is forwarded (RFC 9110 15.2)."""
    return b"".join((b"HTTP/1.1 %d %s\r\n" % (head.status, head.reason), *_lines(end_to_end(head.fields)), b"\r\n"))


def switching(head: ResponseHead) -> bytes:
    """A 101 response as it is forwarded: the one response whose Upgrade is meant for the client (RFC 9110 7.8)."""
    upgrade = [line + b"\r\n" for line, name, _ in head.fields if name == b"upgrade"]
    fields = _lines(end_to_end(head.fields))
    return b"".join((b"HTTP/1.1 101 %s\r\n" % head.reason, *fields, b"Connection: Upgrade\r\n", *upgrade, b"\r\n"))


def _render_stored(stored: StoredResponse) -> bytes:
    """What no two answers from this stored response differ in. A stored response is complete, so its length is known, however it came."""
    lines = [b"HTTP/1.1 %d %s\r\n" % (stored.status, stored.reason)]
    lines.extend(line + b"\r\n" for line, name, _ in stored.fields if name not in (b"age", b"content-length"))
    if not any(name == b"date" for _, name, _ in stored.fields):
        lines.append(b"Date: %s\r\n" % format_http_date(stored.response_time - stored.offset_s))
    if stored.status not in NO_CONTENT:
        lines.append(b"Content-Length: %d\r\n" % stored.body_bytes)
    return b"".join(lines)


def _lines(fields: Fields, without: bytes = b"") -> list[bytes]:
    return [line + b"\r\n" for line, name, _ in fields if name != without]
