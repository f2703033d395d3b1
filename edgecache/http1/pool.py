"""Connections to one origin: kept for reuse, limited in number, with a queue whose wait is bounded.

Rules of this file
- The connection used last is used next (the others grow old and are closed by their idle deadline).
- Connecting is a life of its own: a client that leaves meanwhile does not end it; the connection goes to the next who asks.
- State changes without awaiting in between; what waits is a future in `_queue`.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import ssl
from collections import deque
from dataclasses import dataclass

from edgecache.http1.head import HeadLimits
from edgecache.http1.origin import OriginConnection, OriginLimits
from edgecache.http1.problem import Broken, Problem, failed
from edgecache.http1.sweeper import Sweeper
from edgecache.http1.tasks import Tasks
from edgecache.semantics.proxy_status import ProxyError


@dataclass(frozen=True, slots=True)
class OriginAddress:
    """Where an origin listens: a host (name or IP address) and port, or the path of a UNIX socket; with TLS or without."""

    host: str
    port: int
    unix_path: str = ""
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"unix:{self.unix_path}" if self.unix_path else f"{self.host}:{self.port}"


class Pool:
    """The connections to one origin."""

    def __init__(
        self,
        address: OriginAddress,
        loop: asyncio.AbstractEventLoop,
        sweeper: Sweeper,
        tasks: Tasks,
        head_limits: HeadLimits,
        limits: OriginLimits,
    ) -> None:
        self.address = address
        self.limits = limits
        self._loop = loop
        self._sweeper = sweeper
        self._tasks = tasks
        self._head_limits = head_limits
        self._idle: list[OriginConnection] = []
        self._open: set[OriginConnection] = set()
        self._counted = 0  # connections in use, idle or being made, less those that do not count
        self._connecting = 0
        self._queue: deque[asyncio.Future[OriginConnection]] = deque()

    def __repr__(self) -> str:
        return (
            f"<Pool {self.address} open={len(self._open)} idle={len(self._idle)} connecting={self._connecting} queued={len(self._queue)}>"
        )

    def figures(self) -> dict[str, int]:
        """Open, idle, connecting and queued, for stats."""
        return {"open": len(self._open), "idle": len(self._idle), "connecting": self._connecting, "queued": len(self._queue)}

    async def acquire(self, fresh: bool = False) -> OriginConnection:
        """A connection to send one request on; `fresh`: not one that was used before. Raises Broken with the reason when there is none.

        Waits for a free one at most `connect_timeout_s`, then fails with connection_limit_reached (503).
        """
        if fresh:
            self._close_one_idle()
        else:
            while self._idle:
                connection = self._idle.pop()
                if not connection.transport.is_closing():
                    return connection
        waiter: asyncio.Future[OriginConnection] = self._loop.create_future()
        self._queue.append(waiter)
        timer: asyncio.TimerHandle | None = None
        if self._counted < self.limits.connections:
            self._connect(waiter if fresh else None)
        else:
            timer = self._loop.call_later(self.limits.connect_timeout_s, self._waited_too_long, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release(waiter.result())
            raise
        finally:
            if timer is not None:
                timer.cancel()
            if not waiter.done():
                waiter.cancel()

    async def answers(self, timeout_s: float) -> bool:
        """Does the origin take a connection within `timeout_s`? It is closed at once: this is only a look."""
        try:
            connection = await asyncio.wait_for(self._make(), timeout_s)
        except (OSError, ssl.CertificateError, UnicodeError):
            return False
        connection.abort()
        return True

    def release(self, connection: OriginConnection) -> None:
        """Give a connection back: kept when both messages ended cleanly, closed otherwise."""
        if connection.is_clean and connection.counted and connection.idle_timeout_s > 0:
            connection.rest(connection.idle_timeout_s)
            self._offer(connection)
        else:
            connection.abort()

    def discount(self, connection: OriginConnection) -> None:
        """This connection no longer counts against the limit: it carries another protocol or a stream of events, perhaps for hours."""
        if connection.counted:
            connection.counted = False
            self._counted -= 1
            self._feed_queue()

    def close(self) -> None:
        """Close the idle connections and fail who waits."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        for connection in list(self._open):
            connection.abort()
        self._fail_queue(failed(ProxyError.DESTINATION_UNAVAILABLE))

    # how connections come and go

    def _offer(self, connection: OriginConnection) -> None:
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        connection.reused = True  # from here on the origin may close it at any moment, also before its first request
        self._idle.append(connection)

    def _closed(self, connection: OriginConnection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if connection.counted:
            connection.counted = False
            self._counted -= 1
        self._feed_queue()

    def _feed_queue(self) -> None:
        """A place became free: make a connection for the first who waits, unless one is already on its way."""
        while self._queue and self._queue[0].done():
            self._queue.popleft()
        if len(self._queue) > self._connecting and self._counted < self.limits.connections:
            self._connect(None)

    def _close_one_idle(self) -> None:
        """Make room for a fresh connection, so that a retry does not wait for connections that nobody uses."""
        if self._counted >= self.limits.connections and self._idle:
            self._idle.pop(0).abort()

    def _waited_too_long(self, waiter: asyncio.Future[OriginConnection]) -> None:
        if not waiter.done():
            limit = self.limits.connections
            detail = f"all {limit} connections to the origin are in use (origin_connections)"
            waiter.set_exception(Broken(failed(ProxyError.CONNECTION_LIMIT_REACHED, detail)))

    def _connect(self, only_for: asyncio.Future[OriginConnection] | None) -> None:
        self._counted += 1
        self._connecting += 1
        task = self._tasks.spawn(self._connected(only_for), f"connect to {self.address}")
        timer = self._loop.call_later(self.limits.connect_timeout_s, task.cancel)
        task.add_done_callback(lambda _: timer.cancel())

    async def _connected(self, only_for: asyncio.Future[OriginConnection] | None) -> None:
        problem: Problem | None = None
        try:
            connection = await self._make()
        except asyncio.CancelledError:
            limit = self.limits.connect_timeout_s
            problem = failed(
                ProxyError.CONNECTION_TIMEOUT, f"{self.address} did not take the connection within {limit:g} s (connect_timeout_s)"
            )
        except Exception as error:  # whatever it is, somebody waits for the connection
            problem = connect_problem(error, str(self.address))
        self._connecting -= 1
        if problem is not None:
            self._counted -= 1
            self._fail_first(only_for, problem)
            self._feed_queue()
            return
        connection.on_closed = self._closed
        self._open.add(connection)
        if only_for is not None and not only_for.done():
            only_for.set_result(connection)
            self._queue = deque(waiter for waiter in self._queue if waiter is not only_for)
        else:
            connection.set_read_by(self.limits.idle_timeout_s)
            self._offer(connection)

    def _fail_first(self, only_for: asyncio.Future[OriginConnection] | None, problem: Problem) -> None:
        """One attempt failed: so has the request that it was made for."""
        waiters = [only_for] if only_for is not None else list(self._queue)
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(Broken(problem))
                return

    def _fail_queue(self, problem: Problem) -> None:
        for waiter in self._queue:
            if not waiter.done():
                waiter.set_exception(Broken(problem))
        self._queue.clear()

    async def _make(self) -> OriginConnection:
        def protocol() -> OriginConnection:
            return OriginConnection(self._loop, self._sweeper, self._head_limits, self.limits)

        address = self.address
        if address.unix_path:
            _, connection = await self._loop.create_unix_connection(protocol, address.unix_path)
            return connection
        last: OSError | None = None
        # One address after the other, by hand: `localhost` has two, dev servers listen on either, and the loop's own error for
        # several failures has lost its errno.
        for *_, sockaddr in await self._loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM):
            try:
                _, connection = await self._loop.create_connection(
                    protocol,
                    str(sockaddr[0]),
                    address.port,
                    ssl=address.tls,
                    server_hostname=address.host if address.tls else None,
                )
            except ssl.SSLError:
                raise
            except OSError as error:
                last = error
            else:
                return connection
        raise last or OSError(errno.EADDRNOTAVAIL, "the name has no address")


def connect_problem(error: Exception, address: str) -> Problem:
    """The Problem for an exception that connecting to `address` raised."""
    match error:
        case ssl.SSLCertVerificationError():
            why = error.verify_message.rstrip(".")
            detail = f"the certificate of {address} is not trusted: {why} (origin_ca_file, origin_verify)"
            return failed(ProxyError.TLS_CERTIFICATE_ERROR, detail)
        case ssl.CertificateError() | ssl.SSLError():
            return failed(ProxyError.TLS_PROTOCOL_ERROR, f"TLS with {address} failed: {error.reason or error}")
        case socket.gaierror() | UnicodeError():  # a label that IDNA cannot encode is no name either
            return failed(ProxyError.DNS_ERROR, f"the name in {address} could not be resolved")
        case TimeoutError():
            return failed(ProxyError.CONNECTION_TIMEOUT, f"{address} did not take the connection in time")
        case ConnectionRefusedError() | FileNotFoundError():
            return failed(ProxyError.CONNECTION_REFUSED, f"nothing listens at {address}")
        case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH):
            return failed(ProxyError.DESTINATION_IP_UNROUTABLE, f"there is no route to {address}")
        case ConnectionResetError() | ConnectionAbortedError() | BrokenPipeError():
            return failed(ProxyError.CONNECTION_TERMINATED, f"{address} closed the connection while it was being made")
        case _:
            return failed(ProxyError.CONNECTION_REFUSED, f"no connection to {address}: {error}")


def is_near(host: str) -> bool:
    """Is this the host of a loopback or private origin, one that does not know its public name?"""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_private or address.is_link_local


__all__ = ["OriginAddress", "Pool", "connect_problem", "is_near"]
