"""A client's connection: one request at a time, and the answer as a value. It uses none of the edge's parsers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


class Gone(Exception):
    """The connection ended before the answer did. `reply`: what came of it, None when not even the head did."""

    def __init__(self, reply: Reply | None) -> None:
        super().__init__("the connection ended")
        self.reply = reply


@dataclass
class Reply:
    """A response."""

    status: int
    line: str
    fields: dict[str, str]
    body: bytes = b""
    length: int | None = None  # None: in chunks
    whole: bool = False
    rest: bytes = field(default=b"", repr=False)  # of the chunks, what is not read yet

    def get(self, name: str) -> str:
        return self.fields.get(name, "")

    def number(self, name: str) -> int:
        """The value of a field that is a number; 0 without it."""
        return int(self.fields.get(name, "0"))

    def feed(self, data: bytes) -> bytes:
        """More of the content; returns what does not belong to it."""
        if self.length is not None:
            missing = self.length - len(self.body)
            self.body += data[:missing]
            self.whole = len(self.body) == self.length
            return data[missing:]
        self.rest += data
        while not self.whole:
            size, mark, after = self.rest.partition(b"\r\n")
            if not mark or (need := int(size, 16) + 2) > len(after):
                break
            self.body += after[: need - 2]
            self.rest = after[need:]
            self.whole = need == 2
        return self.rest if self.whole else b""


class Connection(asyncio.Protocol):
    """Sends requests and takes responses."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._waiter: asyncio.Future[Reply] | None = None
        self._reply: Reply | None = None
        self._buffer = b""
        self._method = ""
        self.closed = False

    @classmethod
    async def open(cls, port: int) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    async def ask(self, method: str, target: str, lines: list[str], body: bytes = b"") -> Reply:
        """Send a request and take the answer. Raises Gone."""
        if self.closed:
            raise Gone(None)
        self._method, self._reply = method, None
        self._waiter = asyncio.get_running_loop().create_future()
        length = [f"Content-Length: {len(body)}"] if body or method == "POST" else []
        head = "\r\n".join((f"{method} {target} HTTP/1.1", *lines, *length)).encode("latin-1")
        self._transport.write(head + b"\r\n\r\n" + body)
        return await self._waiter

    def close(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._reply is None:
            head, mark, rest = self._buffer.partition(b"\r\n\r\n")
            if not mark:
                return
            self._reply, self._buffer = self._head(head.decode("latin-1")), rest
        if not self._reply.whole:
            self._buffer = self._reply.feed(self._buffer)
        if self._reply.whole and self._waiter is not None and not self._waiter.done():
            assert not self._buffer, self._buffer
            self._waiter.set_result(self._reply)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(Gone(self._reply))

    def _head(self, head: str) -> Reply:
        line, *lines = head.split("\r\n")
        fields: dict[str, str] = {}
        for one in lines:
            name, _, value = one.partition(": ")
            fields[name.lower()] = f"{fields[name.lower()]}, {value}" if name.lower() in fields else value
        status = int(line[9:12])
        reply = Reply(status, line, fields)
        if self._method == "HEAD" or status in (204, 304):
            reply.length = 0
        elif "chunked" not in reply.get("transfer-encoding"):
            reply.length = int(fields["content-length"])
        reply.whole = reply.length == 0
        return reply
