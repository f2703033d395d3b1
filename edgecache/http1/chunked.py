"""The chunked transfer coding (RFC 9112 7.1): a decoder fed with any pieces of bytes, and the encoder's few lines.

Chunk extensions are checked and dropped (RFC 9112 7.1.1 asks recipients to ignore unknown ones, and none is known). Trailers are kept
apart from the head's fields for good: nothing in them can change how a message is framed, routed or stored.
"""

from __future__ import annotations

import re

from edgecache.http1.head import parse_fields
from edgecache.semantics.message import Fields

SIZE_LINE_BYTES = 4096
# hex digits bounded before any conversion; extensions as RFC 9112 7.1.1 writes them, white space before CRLF tolerated as h11 does
_SIZE_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,15})"
    rb"(?:[ \t]*;[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
    rb'(?:[ \t]*=[ \t]*(?:[!#$%&\'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"))?)*'
    rb"[ \t]*\Z"
)
# RFC 9110 6.5.1: a trailer must not say how the message is framed or routed
FORBIDDEN_TRAILERS = frozenset(
    (b"connection", b"content-length", b"host", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
_SIZE, _DATA, _DATA_END, _TRAILERS, _DONE = range(5)

LAST_CHUNK = b"0\r\n\r\n"


class ChunkedDecoder:
    """Takes a chunked message apart. After `done`, `trailers` holds its trailer fields and `rest` the bytes behind the message."""

    __slots__ = ("_held", "_left", "_state", "_trailer_bytes", "_trailer_fields", "rest", "trailers")

    def __init__(self, trailer_bytes: int, trailer_fields: int) -> None:
        self._state = _SIZE
        self._left = 0
        self._held = bytearray()
        self._trailer_bytes = trailer_bytes
        self._trailer_fields = trailer_fields
        self.rest = b""
        self.trailers: Fields = []

    @property
    def done(self) -> bool:
        """Has the end of the message come?"""
        return self._state == _DONE

    def feed(self, data: bytes, pieces: list[bytes]) -> str | None:
        """Decode `data`, appending pieces of content to `pieces`. Returns what is wrong with it, or None.

        Not to be called once it is done, or has said what is wrong.
        """
        if self._state == _TRAILERS:
            return self._take_trailers(data)
        if self._held:
            self._held += data
            data = bytes(self._held)
            self._held.clear()
        at = 0
        size = len(data)
        while True:
            if self._state == _DATA:
                if size - at < self._left:
                    if at < size:
                        pieces.append(data[at:] if at else data)
                        self._left -= size - at
                    return None
                end = at + self._left
                pieces.append(data[at:end])
                at = end
                self._state = _DATA_END
            if self._state == _DATA_END:
                if data[at : at + 2] != b"\r\n":
                    if size - at < 2 and data[at:] in (b"", b"\r"):
                        self._held += data[at:]
                        return None
                    return "a chunk is not followed by CRLF (RFC 9112 7.1)"
                at += 2
                self._state = _SIZE
            if self._state == _SIZE:
                end = data.find(b"\n", at, at + SIZE_LINE_BYTES)
                if end < 0:
                    if size - at >= SIZE_LINE_BYTES:
                        return f"a chunk size line has more than {SIZE_LINE_BYTES} bytes"
                    self._held += data[at:]
                    return None
                if end == at or data[end - 1] != 0x0D:
                    return "a chunk size line ends with a bare LF (RFC 9112 7.1)"
                match = _SIZE_LINE.match(data, at, end - 1)
                if match is None:
                    return f"the chunk size line {data[at : min(end - 1, at + 40)].decode('latin-1')!a} is malformed (RFC 9112 7.1)"
                at = end + 1
                self._left = int(match[1], 16)
                if not self._left:
                    self._state = _TRAILERS
                    return self._take_trailers(data[at:])
                self._state = _DATA

    def _take_trailers(self, data: bytes) -> str | None:
        held = self._held  # the trailers from their beginning; what was searched before is not searched again
        seen = len(held)
        held += data
        if held.startswith(b"\r\n"):
            self._finish([], 2)
            return None
        end = held.find(b"\r\n\r\n", max(0, seen - 3))
        if end < 0 or end > self._trailer_bytes:
            if len(held) > self._trailer_bytes + 3:  # three bytes of the empty line may be here already
                return f"the trailers have more than {self._trailer_bytes} bytes"
            if held.count(b"\n", seen) != held.count(b"\r\n", max(0, seen - 1)):
                return "a trailer line ends with a bare LF (RFC 9112 2.2)"
            return None
        fields = parse_fields(bytes(held[:end]).split(b"\r\n"), self._trailer_fields)
        if isinstance(fields, str):
            return f"in the trailers: {fields}"
        for line, name, _ in fields:
            if name in FORBIDDEN_TRAILERS:
                shown = line.partition(b":")[0].decode("ascii")
                return f"{shown} may not come as a trailer: it says how a message is framed or routed (RFC 9110 6.5.1)"
        self._finish(fields, end + 4)
        return None

    def _finish(self, trailers: Fields, end: int) -> None:
        self.trailers = trailers
        self.rest = bytes(self._held[end:])
        self._held.clear()
        self._state = _DONE


def chunk(piece: bytes) -> tuple[bytes, bytes, bytes]:
    """`piece` (not empty) as one chunk, in parts so that its bytes are not copied."""
    return b"%x\r\n" % len(piece), piece, b"\r\n"


def last_chunk(trailers: Fields) -> bytes:
    """The end of a chunked message, with its trailers."""
    if not trailers:
        return LAST_CHUNK
    return b"0\r\n" + b"".join(line + b"\r\n" for line, _, _ in trailers) + b"\r\n"
