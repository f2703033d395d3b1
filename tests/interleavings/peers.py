"""The edge's peers without sockets: what it writes they read, and what they send is given to its connections' `data_received`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from interleavings.awaiting import Awaits

HOST = "edge.test"
SITE = f"http://{HOST}"


class Transport:
    """One end of a connection. `wrote` hears of everything that is written, `closed` when it is closed from this side."""

    def __init__(self, awaits: Awaits, wrote: Callable[[bytes], None]) -> None:
        self._awaits = awaits
        self._wrote = wrote
        self._closing = False
        self.protocol: Any = None

    def write(self, data: bytes) -> None:
        if not self._closing:
            self._wrote(bytes(data))

    def writelines(self, pieces: tuple[bytes, ...]) -> None:
        self.write(b"".join(pieces))

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._awaits.call_soon(self.protocol.connection_lost, None)

    abort = close

    def lose(self) -> None:
        """The peer is gone."""
        self._closing = True
        self.protocol.connection_lost(None)

    def is_closing(self) -> bool:
        return self._closing

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 40000) if name == "peername" else None

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def write_eof(self) -> None:
        pass


class Message:
    """A head with its fields, read by other means than the edge's."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        self.line, *lines = head.split(b"\r\n")
        self.fields = [(name.lower().decode(), value.strip().decode()) for name, _, value in (line.partition(b":") for line in lines)]

    def get(self, name: str) -> str:
        return ", ".join(value for own, value in self.fields if own == name)

    @property
    def status(self) -> int:
        return int(self.line.split(b" ")[1])


def whole_answer(raw: bytes, method: str) -> tuple[Message, bytes] | None:
    """The answer in `raw` and its content, once it is complete; an answer that only the end of the connection completes never is."""
    if b"\r\n\r\n" not in raw:
        return None
    message = Message(raw)
    if method == "HEAD" or message.status in (204, 304):
        return message, b""
    if message.get("transfer-encoding") == "chunked":
        if not message.body.endswith(b"0\r\n\r\n"):
            return None
        content, rest = b"", message.body
        while (size := int(rest.partition(b"\r\n")[0], 16)) > 0:
            start = rest.index(b"\r\n") + 2
            content, rest = content + rest[start : start + size], rest[start + size + 2 :]
        return message, content
    length = int(message.get("content-length"))
    return (message, message.body[:length]) if len(message.body) >= length else None


def request(method: str, target: str, fields: tuple[str, ...] = ()) -> bytes:
    """A request as clients send it."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {HOST}", *fields, "", ""]
    return "\r\n".join(lines).encode()


def content(generation: int, variant: str = "") -> bytes:
    """What the origin has in its nth generation; two halves that can be told apart."""
    return f"<{generation}{variant} first half><{generation}{variant} second half>".encode()


def generation_of(message: Message) -> int:
    """Which generation of the origin's content is this answer about?"""
    found = re.fullmatch(r'"g(\d+)[a-z]*"', message.get("etag"))
    assert found is not None, message.fields
    return int(found[1])
