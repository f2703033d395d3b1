"""One request on a client's connection, and the way to answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecache.http1.chunked import last_chunk
from edgecache.http1.framing import CHUNKED, UNTIL_CLOSE
from edgecache.http1.incoming import Incoming
from edgecache.semantics.message import Fields, RequestHead

if TYPE_CHECKING:
    from edgecache.http1.server import ServerConnection


class Exchange:
    """One request on a client's connection, and the way to answer it. Every request ends in exactly one of finish, cut and abandon."""

    __slots__ = ("_framing", "_left", "bytes_out", "connection", "content", "keep_alive", "method", "request", "started", "status")

    def __init__(self, connection: ServerConnection, request: RequestHead, content: Incoming | None, keep_alive: bool) -> None:
        self.connection = connection
        self.request = request
        self.method = request.method
        self.content = content
        self.keep_alive = keep_alive
        self.started = False  # has the head of the final response been written?
        self.status = 0
        self.bytes_out = 0
        self._framing = 0
        self._left = 0

    @property
    def stays_open(self) -> bool:
        """May the connection carry another request after this answer? Not when content of this one is still to come that nobody takes."""
        taken = self.content is None or self.content.complete or self.content.wanted
        return self.keep_alive and taken and not self.connection.server.draining

    @property
    def chunks_understood(self) -> bool:
        """Can the client read a chunked answer? HTTP/1.0 clients cannot (RFC 9112 6.1)."""
        return self.request.minor >= 1

    def write_interim(self, head: bytes) -> None:
        """A 1xx response, complete with its empty line. HTTP/1.0 clients must not get any (RFC 9110 15.2)."""
        if not self.started and self.request.minor >= 1 and not self.connection.closed:
            self.connection.transport.write(head)
            if head.startswith(b"HTTP/1.1 100 "):
                self.connection.content_asked_for()

    def write_head(self, status: int, head: list[bytes], framing: int, body: tuple[bytes, ...] = ()) -> None:
        """The final response's head (status line and lines with CRLF, without the empty line), and content that is at hand, in one write.

        `framing` is that of the content which is really sent: 0 for an answer without any, whatever Content-Length it shows (HEAD, 304).
        """
        keep = self.stays_open and framing != UNTIL_CLOSE
        self.keep_alive = keep
        if framing == CHUNKED:
            head.append(b"Transfer-Encoding: chunked\r\n")
        if not keep:
            head.append(b"Connection: close\r\n")
        elif self.request.minor == 0:
            head.append(b"Connection: keep-alive\r\n")
        head.append(b"\r\n")
        self.started = True
        self.status = status
        self._framing = framing
        self._left = framing
        if self.connection.closed:
            return
        if not body:
            self.connection.transport.write(b"".join(head))
        else:
            self.bytes_out = sum(map(len, body))
            self._left -= self.bytes_out
            self.connection.transport.writelines((b"".join(head), *body))

    def write(self, piece: bytes) -> None:
        """A piece of the content, not empty. The caller drains."""
        self.bytes_out += len(piece)
        if self.connection.closed:
            return
        if self._framing == CHUNKED:
            self.connection.transport.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))
        else:
            self._left -= len(piece)
            self.connection.transport.write(piece)

    async def drain(self) -> None:
        """Wait until the client has taken enough. Raises PeerGone when it has left."""
        if not self.connection.can_write or self.connection.closed or self.connection.transport.is_closing():
            await self.connection.drain()

    def finish(self, trailers: Fields | None = None) -> None:
        """The answer is complete: the connection goes on with the next request, or closes."""
        if self._framing == CHUNKED and not self.connection.closed:
            self.connection.transport.write(last_chunk(trailers or []))
        self.connection.exchange_over(self)

    @property
    def ends_with_connection(self) -> bool:
        """Is this an answer under way that a clean end of the connection would complete?"""
        return self.started and self._framing == UNTIL_CLOSE

    def cut(self) -> None:
        """The answer cannot be completed: end it so that the client can tell (RFC 9112 8). What has come so far still goes out."""
        if self.ends_with_connection:
            self.connection.reset()
        else:
            self.connection.close()

    def abandon(self) -> None:
        """The client has left: nobody is there to be told."""
        self.connection.abort()

    @property
    def peer_ip(self) -> str:
        """The address of the client's end of the connection."""
        return self.connection.peer_ip
