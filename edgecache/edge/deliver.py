"""How answers reach clients: heads rendered from stored responses and from the origin's, and their content written with backpressure."""

from __future__ import annotations

import secrets
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import assert_never

from edgecache.caching.answer import Multipart, NotModified, Partial, Unsatisfiable, Whole, answer_from_store
from edgecache.caching.request import PresentedRequest
from edgecache.caching.stored import StoredResponse
from edgecache.edge.fetch import Fetch
from edgecache.edge.names import NameMap
from edgecache.http1.exchange import Exchange
from edgecache.http1.framing import CHUNKED, UNTIL_CLOSE
from edgecache.http1.problem import Broken, PeerGone
from edgecache.semantics.conditional import fields_of_304, not_modified
from edgecache.semantics.dates import format_http_date
from edgecache.semantics.fields import end_to_end, without
from edgecache.semantics.message import Fields, ResponseHead
from edgecache.store.body import Body, BrokenStored
from edgecache.store.spool import Lagging, Reader, ReaderGone

AT_ONCE_BYTES = 64 * 1024  # up to here head and content go out in one write
NO_CONTENT = frozenset((204, 205, 304))
NOT_STORED = frozenset((b"age", b"content-length", b"trailer"))  # written anew, or, as trailers are, not kept


@dataclass(frozen=True, slots=True)
class Withheld:
    """Which fields do clients of one kind not get? Names in lower case.

    arriving   of an answer that comes from the origin, its trailers included: what is meant for the edge
    stored     of one from the store: that, and NOT_STORED
    usual      nearly all clients are of this kind: heads rendered for it are kept with the stored response
    """

    arriving: frozenset[bytes]
    stored: frozenset[bytes]
    usual: bool

    @classmethod
    def of(cls, names: Set[bytes], *, usual: bool) -> Withheld:
        """What is withheld from clients that do not get the fields of these names."""
        return cls(frozenset(names), NOT_STORED | names, usual)


async def deliver_stored(
    exchange: Exchange,
    request: PresentedRequest,
    stored: StoredResponse,
    age_s: float,
    ours: Sequence[bytes],
    names: NameMap,
    withheld: Withheld,
) -> bool:
    """Answer with a stored response, as far as the client wants it (RFC 9111 4, 5.1; RFC 9110 13, 14). False when it was cut off.

    `ours` are lines of ours without CRLF. Raises PeerGone; and BrokenStored before anything was written, when its content turns out to be
    damaged.
    """
    tail = b"".join((b"Age: %d\r\n" % max(0, int(age_s)), *(line + b"\r\n" for line in ours)))
    several = any(name == b"range" for _, name, _ in request.fields)  # only then parts have to be told apart
    match answer_from_store(request, stored, boundary=secrets.token_hex(16).encode() if several else b""):
        case Whole():
            mapped = names.mapped(stored.fields)
            if mapped is stored.fields and withheld.usual:
                head = stored.head
                if head is None:
                    head = stored.head = _render_stored(stored, mapped, withheld.stored)
            else:
                head = _render_stored(stored, mapped, withheld.stored)
            return await _write_body(exchange, stored.status, [head, tail], stored.body, [(0, stored.body_bytes)], stored.body_bytes)
        case NotModified(fields):
            exchange.write_head(304, [b"HTTP/1.1 304 Not Modified\r\n", *_lines(names.mapped(fields), withheld.stored), tail], 0)
            exchange.finish()
            return True
        case Partial(fields, offset, length):
            head_lines = _partial_head(_lines(names.mapped(fields), withheld.stored), length, tail)
            return await _write_body(exchange, 206, head_lines, stored.body, [(offset, length)], length)
        case Multipart(fields, pieces, length):
            head_lines = _partial_head(_lines(names.mapped(fields), withheld.stored), length, tail)
            return await _write_body(exchange, 206, head_lines, stored.body, pieces, length)
        case Unsatisfiable(fields):
            text = b"416: the response has no such range\n"
            head_lines = [b"HTTP/1.1 416 Range Not Satisfiable\r\n", *_lines(fields), b"Content-Length: %d\r\n" % len(text), tail]
            exchange.write_head(416, head_lines, len(text), (text,))
            exchange.finish()
            return True
        case never:
            assert_never(never)


async def _write_body(
    exchange: Exchange, status: int, head: list[bytes], body: object, pieces: Sequence[bytes | tuple[int, int]], length: int
) -> bool:
    """Head, then the pieces: bytes as they are, (offset, length) of the held content. At once when it is small and in memory."""
    content: Body = body  # type: ignore[assignment]  # the caching layer does not know where content is kept
    if exchange.method == b"HEAD" or not length:
        exchange.write_head(status, head, 0)
        exchange.finish()
        return True
    if content.pieces is not None and length <= AT_ONCE_BYTES:
        found: list[bytes] = []
        for piece in pieces:
            found.extend((piece,) if isinstance(piece, bytes) else content.cut(piece[0], piece[0] + piece[1] - 1))
        exchange.write_head(status, head, length, tuple(found))
        exchange.finish()
        return True
    started = False
    try:
        for piece in pieces:
            if isinstance(piece, bytes):
                if not started:
                    exchange.write_head(status, head, length)
                    started = True
                exchange.write(piece)
                continue
            async for data in content.read(piece[0], piece[0] + piece[1] - 1):
                if not started:  # only now: a damaged file mostly shows at its first piece
                    exchange.write_head(status, head, length)
                    started = True
                exchange.write(data)
                await exchange.drain()
    except BrokenStored:
        if started:
            exchange.cut()
        raise
    exchange.finish()
    return True


async def deliver_arriving(
    exchange: Exchange,
    fetch: Fetch,
    reader: Reader,
    head: ResponseHead,
    ours: Sequence[bytes],
    names: NameMap,
    withheld: Withheld,
    own_conditions: bool,
) -> bool:
    """Pass on what the origin answers, as it comes. True when it reached the client whole, False when it was cut off.

    `own_conditions`: the client's If-None-Match and If-Modified-Since were not forwarded and are answered here. Raises PeerGone.
    """
    fields = names.mapped(end_to_end(head.fields))
    extra = [line + b"\r\n" for line in ours]
    if not any(name == b"date" for _, name, _ in fields):  # RFC 9110 6.6.1: whoever forwards a response without Date adds one
        extra.append(b"Date: %s\r\n" % format_http_date(fetch.response_time - fetch.offset_s))
    if own_conditions and not_modified(exchange.request.fields, head.status, fields):
        exchange.write_head(304, [b"HTTP/1.1 304 Not Modified\r\n", *_lines(fields_of_304(fields), withheld.arriving), *extra], 0)
        exchange.finish()
        return True
    left_out = withheld.arriving | {b"content-length"} if head.status == 204 else withheld.arriving  # RFC 9110 8.6: none in a 204
    lines = [b"HTTP/1.1 %d %s\r\n" % (head.status, head.reason), *_lines(fields, left_out), *extra]
    if exchange.method == b"HEAD":
        exchange.write_head(head.status, lines, 0)
        exchange.finish()
        return True
    framing = fetch.framing
    if framing in (CHUNKED, UNTIL_CLOSE):
        framing = CHUNKED if exchange.chunks_understood else UNTIL_CLOSE
    at_hand = reader.take() if framing > 0 else b""
    exchange.write_head(head.status, lines, framing, (at_hand,) if at_hand else ())
    try:
        await exchange.drain()
        while piece := await reader.read():
            exchange.write(piece)
            await exchange.drain()
    except ReaderGone:
        raise PeerGone from None
    except (Broken, Lagging, OSError):
        exchange.cut()
        return False
    exchange.finish(without(fetch.spool.trailers, withheld.arriving))
    return True


def interim(head: ResponseHead, withheld: Withheld) -> bytes:
    """A 1xx response as it is forwarded (RFC 9110 15.2)."""
    fields = _lines(end_to_end(head.fields), withheld.arriving)
    return b"".join((b"HTTP/1.1 %d %s\r\n" % (head.status, head.reason), *fields, b"\r\n"))


def switching(head: ResponseHead, withheld: Withheld) -> bytes:
    """A 101 response as it is forwarded: the one response whose Upgrade is meant for the client (RFC 9110 7.8)."""
    upgrade = [line + b"\r\n" for line, name, _ in head.fields if name == b"upgrade"]
    fields = _lines(end_to_end(head.fields), withheld.arriving)
    return b"".join((b"HTTP/1.1 101 %s\r\n" % head.reason, *fields, b"Connection: Upgrade\r\n", *upgrade, b"\r\n"))


def _render_stored(stored: StoredResponse, fields: Fields, left_out: Set[bytes]) -> bytes:
    """What no two answers from this stored response differ in, for clients of one kind.

    A stored response is complete, so its length is known, however it came.
    """
    lines = [b"HTTP/1.1 %d %s\r\n" % (stored.status, stored.reason)]
    lines.extend(_lines(fields, left_out))
    if stored.status not in NO_CONTENT:
        lines.append(b"Content-Length: %d\r\n" % stored.body_bytes)
    return b"".join(lines)


def _partial_head(lines: list[bytes], length: int, tail: bytes) -> list[bytes]:
    return [b"HTTP/1.1 206 Partial Content\r\n", *lines, b"Content-Length: %d\r\n" % length, tail]


def _lines(fields: Fields, left_out: Set[bytes] = frozenset()) -> list[bytes]:
    return [line + b"\r\n" for line, name, _ in fields if name not in left_out]
