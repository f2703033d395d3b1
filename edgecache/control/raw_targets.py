"""Raw bytes in request targets, made readable for aiohttp.

Real clients send URLs inside paths as they are (fastly-js sends a raw 0xFC), and aiohttp's parser answers 400 to any byte from 0x80 on in a
target, before any code of ours runs. So this protocol stands before aiohttp's own on each connection of the control plane, and writes such
bytes in request lines as percent-encodings. Nothing else is changed, and it uses nothing of aiohttp but its being a protocol.

To find the request lines it has to know where each request ends. That is decided by the strict parser of the data plane. Where that parser
is not sure, nothing more is touched on this connection: aiohttp gets the bytes as they came, and judges them by itself.
"""

from __future__ import annotations

import asyncio

from edgecache.http1.chunked import ChunkedDecoder
from edgecache.http1.framing import CHUNKED, request_framing
from edgecache.http1.head import HeadLimits, judge_unfinished, parse_request_head
from edgecache.http1.problem import Problem
from edgecache.semantics.message import first


class RawTargets(asyncio.Protocol):
    """Passes on everything to `inner`, with request targets in ASCII."""

    def __init__(self, inner: asyncio.Protocol, limits: HeadLimits) -> None:
        self._inner = inner
        self._limits = limits
        self._held = b""  # of a head whose end has not come
        self._left = 0  # bytes of content, before the next head
        self._chunks: ChunkedDecoder | None = None  # content until it is done
        self._untouched = False  # for good

    def data_received(self, data: bytes) -> None:
        """Bytes of the client, any number of them."""
        out: list[bytes] = []
        while data:
            data = self._take(data, out)
        if passed := b"".join(out):
            self._inner.data_received(passed)

    def _take(self, data: bytes, out: list[bytes]) -> bytes:
        """Pass on what the current part of a request has of `data`; the rest."""
        if self._untouched:
            out.append(data)
            return b""
        if self._left:
            out.append(data[: self._left])
            rest = data[self._left :]
            self._left -= len(out[-1])
            return rest
        if self._chunks is not None:
            wrong = self._chunks.feed(data, [])
            self._untouched = wrong is not None
            done = self._chunks.done
            rest = self._chunks.rest if done else b""
            out.append(data[: len(data) - len(rest)])
            if done:
                self._chunks = None
            return rest
        return self._take_head(data, out)

    def _take_head(self, data: bytes, out: list[bytes]) -> bytes:
        seen = len(self._held)
        held = self._held + data
        if not seen:
            start = held.lstrip(b"\r\n")  # empty lines before a request (RFC 9112 2.2)
            out.append(held[: len(held) - len(start)])
            held = start
        end = held.find(b"\r\n\r\n", max(0, seen - 3))
        if end < 0 or end > self._limits.head_bytes:
            self._held = held
            if end > 0 or judge_unfinished(held, self._limits, seen) is not None:
                self._give_up(out)
            return b""
        self._held = b""
        out.append(self._head(held[:end]))
        out.append(b"\r\n\r\n")
        return held[end + 4 :]

    def _head(self, head: bytes) -> bytes:
        """The head with its target in ASCII; where the request ends is known then."""
        parsed = parse_request_head(head, self._limits)
        framing = parsed if isinstance(parsed, Problem) else request_framing(parsed)
        if isinstance(parsed, Problem) or isinstance(framing, Problem):
            self._untouched = True
            return head
        if parsed.method == b"CONNECT" or first(parsed.fields, b"upgrade") is not None:
            self._untouched = True  # what follows may not be HTTP
        elif framing == CHUNKED:
            self._chunks = ChunkedDecoder(self._limits.head_bytes, self._limits.fields)
        else:
            self._left = framing
        if parsed.target.isascii():
            return head
        encoded = b"".join(b"%%%02X" % byte if byte >= 0x80 else bytes((byte,)) for byte in parsed.target)
        return head.replace(parsed.target, encoded, 1)  # the method before it is ASCII

    def _give_up(self, out: list[bytes]) -> None:
        self._untouched = True
        out.append(self._held)
        self._held = b""

    # what is between the transport and aiohttp

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The inner protocol writes to the transport by itself."""
        self._inner.connection_made(transport)

    def eof_received(self) -> bool | None:
        """The client has closed its sending side; half a head is aiohttp's to judge."""
        if self._held:
            self._inner.data_received(self._held)
            self._held = b""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._held = b""
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It has read."""
        self._inner.resume_writing()
