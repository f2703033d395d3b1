"""Connections to one origin: kept for reuse, limited in number, with a queue whose wait is bounded.

Rules of this file
- The connection used last is used next (the others grow old and are closed by their idle deadline).
- Connecting is a life of its own: a client that leaves meanwhile does not end it; the connection goes to the next who asks.
- There are as many attempts to connect as requests wait, as far as the limit allows. Who waits is served in order of arrival, by whatever
  becomes free first; only the second try of a request goes before the others, and only to a connection that was never used.
- State changes without awaiting in between; what waits is a future in `_waiting`, and the sweeper looks at its deadline.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import ssl
from dataclasses import dataclass

from edgecache.http1.head import HeadLimits
from edgecache.http1.origin import OriginConnection, OriginLimits
from edgecache.http1.problem import Broken, Problem, failed
from edgecache.http1.sweeper import NEVER, Sweeper
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


@dataclass(slots=True, eq=False)
class _Waiter:
    """A request that waits for a connection, until `give_up_at` (monotonic seconds). `fresh`: for one that was never used."""

    given: asyncio.Future[OriginConnection]
    fresh: bool
    give_up_at: float


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
        self._attempts: dict[asyncio.Task[None], float] = {}  # to connect; until when each may take
        self._waiting: list[_Waiter] = []
        sweeper.watch(self)

    def __repr__(self) -> str:
        return f"<Pool {self.address} {self.figures()}>"

    @property
    def connections(self) -> frozenset[OriginConnection]:
        """All that are open, also those that do not count against the limit."""
        return frozenset(self._open)

    def figures(self) -> dict[str, int]:
        """Open, idle, connecting and queued, for stats."""
        return {"open": len(self._open), "idle": len(self._idle), "connecting": len(self._attempts), "queued": len(self._waiting)}

    async def acquire(self, fresh: bool = False) -> OriginConnection:
        """A connection to send one request on; `fresh`: one that was never used. Raises Broken with the reason when there is none.

        Waits at most `connect_timeout_s`, then fails: with connection_timeout when the origin does not take a connection, with
        connection_limit_reached (503) when all that it may have are in use.
        """
        if not fresh:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_quiet:
                    return connection
                connection.abort()
        waiter = _Waiter(self._loop.create_future(), fresh, self._sweeper.monotonic() + self.limits.connect_timeout_s)
        self._waiting.insert(0 if fresh else len(self._waiting), waiter)
        self._connect_for_waiting()
        try:
            return await waiter.given
        except asyncio.CancelledError:
            given = waiter.given
            if given.done() and not given.cancelled() and given.exception() is None:
                self.release(given.result())
            raise
        finally:
            if waiter.given.cancelled() or not waiter.given.done():  # it left; who was given something is out of the queue already
                self._waiting.remove(waiter)

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
            connection.reused = True  # the origin may close it at any moment, also just before it is used again
            connection.rest(connection.idle_timeout_s)
            self._offer(connection)
        else:
            connection.abort()

    def discount(self, connection: OriginConnection) -> None:
        """This connection no longer counts against the limit: it carries another protocol or a stream of events, perhaps for hours."""
        if connection.counted:
            connection.counted = False
            self._counted -= 1
            self._connect_for_waiting()

    def close(self) -> None:
        """Close all connections and fail who waits."""
        self._sweeper.forget(self)
        self._idle.clear()
        for connection in list(self._open):
            connection.abort()
        for waiter in list(self._waiting):
            self._fail(waiter, failed(ProxyError.DESTINATION_UNAVAILABLE))

    @property
    def deadline(self) -> float:
        """For the sweeper: as long as anything waits, it is to look at each."""
        return -NEVER if self._attempts or self._waiting else NEVER

    def deadline_passed(self, now: float) -> None:
        """The sweeper: end what has waited for too long."""
        for place, waiter in enumerate(list(self._waiting)):
            if waiter.give_up_at < now:
                self._fail(waiter, self._connect_timeout() if place < len(self._attempts) else self._limit_reached())
        for attempt, until in list(self._attempts.items()):
            if until < now:
                attempt.cancel()

    # how connections come and go

    def _offer(self, connection: OriginConnection) -> None:
        """A connection is free: for the first who can use it, else for later."""
        if self._waiting and connection.reused and not connection.is_quiet:
            connection.abort()
            return
        for waiter in self._waiting:
            if not waiter.given.done() and not (waiter.fresh and connection.reused):
                self._waiting.remove(waiter)
                waiter.given.set_result(connection)
                return
        connection.reused = True  # it gets old before its first request
        self._idle.append(connection)
        self._connect_for_waiting()

    def _closed(self, connection: OriginConnection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if connection.counted:
            connection.counted = False
            self._counted -= 1
        self._connect_for_waiting()

    def _connect_for_waiting(self) -> None:
        """Connect for those who wait, unless an attempt is under way for each or the limit is reached.

        Where only idle connections stand in the way, of those who want a fresh one, the oldest is closed.
        """
        while len(self._waiting) > len(self._attempts) and self._counted < self.limits.connections:
            self._counted += 1
            attempt = self._tasks.spawn(self._connect(), f"connect to {self.address}")
            self._attempts[attempt] = self._sweeper.monotonic() + self.limits.connect_timeout_s
            attempt.add_done_callback(self._attempted)
        if len(self._waiting) > len(self._attempts) and self._idle:
            self._idle.pop(0).abort()

    async def _connect(self) -> None:
        try:
            connection = await self._make()
        except asyncio.CancelledError:
            return  # took too long; who waited for it has a deadline of its own
        except (OSError, UnicodeError) as error:
            self._fail_first(connect_problem(error, str(self.address)))
            return
        if connection.closed:  # in the turn between being made and being handed over here
            self._fail_first(failed(ProxyError.CONNECTION_TERMINATED))
            return
        connection.on_closed = self._closed
        self._open.add(connection)
        self._counted += 1  # the attempt ends, and its place is the connection's
        connection.set_read_by(self.limits.idle_timeout_s)
        self._offer(connection)

    def _attempted(self, attempt: asyncio.Task[None]) -> None:
        """An attempt has ended, one way or the other."""
        del self._attempts[attempt]
        self._counted -= 1
        self._connect_for_waiting()

    def _fail_first(self, problem: Problem) -> None:
        """An attempt failed: so has the request that it was made for."""
        for waiter in self._waiting:
            if not waiter.given.done():
                return self._fail(waiter, problem)

    def _fail(self, waiter: _Waiter, problem: Problem) -> None:
        if not waiter.given.done():  # else it has left and is about to take itself out of the queue
            self._waiting.remove(waiter)
            waiter.given.set_exception(Broken(problem))

    def _connect_timeout(self) -> Problem:
        limit = self.limits.connect_timeout_s
        detail = f"{self.address} did not take the connection within {limit:g} s (connect_timeout_s)"
        return failed(ProxyError.CONNECTION_TIMEOUT, detail)

    def _limit_reached(self) -> Problem:
        detail = f"all {self.limits.connections} connections to the origin are in use (origin_connections)"
        return failed(ProxyError.CONNECTION_LIMIT_REACHED, detail)

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
