"""One edge, built from its configuration: the only module that knows every part. Starts them, and stops them in the right order.

Nothing is global: a test, and later a worker or a simulated PoP, is each simply another `Edge`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import resource
import secrets
import socket
import ssl
import sys
import traceback
from collections.abc import Mapping, Sequence

from aiohttp import web

from edgecache.clock import Clock
from edgecache.config import Origin, Settings, parse_listen, parse_origin
from edgecache.control.app import control_app
from edgecache.control.parts import ControlParts
from edgecache.edge.fetch import FetchParts
from edgecache.edge.flow import Flow, FlowParts
from edgecache.edge.forward import Forwarder
from edgecache.edge.invalidate import PurgeDoor
from edgecache.http1.head import HeadLimits
from edgecache.http1.origin import OriginLimits
from edgecache.http1.pool import OriginAddress, Pool, is_near
from edgecache.http1.server import Server, ServerLimits
from edgecache.http1.sweeper import Sweeper
from edgecache.http1.tasks import Tasks
from edgecache.invalidation.doors import Doors
from edgecache.invalidation.log import InvalidationLog
from edgecache.logline import LogMode, LogWriter, TextStream
from edgecache.profiles import PROFILES
from edgecache.record import Records
from edgecache.store.memory import MemoryStore

BACKLOG = 1024
PROBE_S = 1.0


class StartError(Exception):
    """The edge cannot start; the message is one sentence that says why and what to do."""


class Edge:
    """A caching edge in front of one origin. `start`, then `url` and `control_url` say where it listens; `drain` or `stop` ends it."""

    # made by `start`, because they belong to a running loop
    tasks: Tasks
    sweeper: Sweeper
    pool: Pool
    flow: Flow
    server: Server

    def __init__(self, settings: Settings, clock: Clock | None = None, log_stream: TextStream | None = None) -> None:
        self.settings = settings
        self.clock = clock or Clock()
        self.origin = parse_origin(settings.origin)
        self.records = Records(settings.records)
        self.log = InvalidationLog(settings.log_entries)
        self.store = MemoryStore(settings.memory_bytes, settings.variants)
        self.doors = Doors(self.log, self.store, self.clock)
        self.origin_reachable = False
        self.url = ""
        self.control_url = ""
        self._log_stream = log_stream
        self._ending = contextlib.AsyncExitStack()  # what `stop` has to undo, last made first
        self._listeners: list[asyncio.Server] = []

    async def start(self) -> None:
        """Listen. Raises StartError; then nothing is left running."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        settings = self.settings
        _raise_file_limit()
        sockets = [self._bind("listen", settings.listen), self._bind("control", settings.control)]
        self.url, self.control_url = (_url(one) for one in sockets)
        lines = LogWriter(LogMode(settings.log), self._log_stream or sys.stdout, settings.log_lines)
        self._ending.callback(lines.close)
        self.tasks = Tasks(loop, self._report)
        self.sweeper = Sweeper(loop, self.clock.monotonic)
        self.pool = self._pool(loop)
        self._ending.callback(self.pool.close)
        self._ending.push_async_callback(self.tasks.cancel_all)
        self.flow = self._flow(loop, lines)
        self.server = Server(loop, self.sweeper, self.tasks, self._head_limits(), self._server_limits(), self.flow.serve, self.flow.reject)
        self._ending.callback(self.server.abort)
        control = web.AppRunner(self._control(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await control.setup()
        self._ending.push_async_callback(control.cleanup)
        assert control.server is not None
        self._listeners.append(await loop.create_server(self.server.accept, sock=sockets[0], backlog=BACKLOG))
        self._listeners.append(await loop.create_server(control.server, sock=sockets[1]))
        self.sweeper.run()
        self._ending.callback(self.sweeper.stop)
        self.origin_reachable = await self.pool.answers(PROBE_S)

    async def drain(self) -> None:
        """Take nothing new, finish what is being answered within `drain_timeout_s`, then close."""
        self._listeners[0].close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.server.drain(), self.settings.drain_timeout_s)
        await self.stop()

    async def stop(self) -> None:
        """Close everything at once."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        await self._ending.aclose()

    # how the parts are made

    def _bind(self, setting: str, where: str) -> socket.socket:
        """A listening address, taken; closed again by `stop` in case nobody listens on it by then."""
        host, port = parse_listen(where)
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            bound = socket.create_server(address[:2], family=family, backlog=BACKLOG)
        except OSError as error:
            raise StartError(_why_not_bound(error, setting, host, port)) from None
        bound.setblocking(False)
        self._ending.callback(bound.close)
        return bound

    def _flow(self, loop: asyncio.AbstractEventLoop, lines: LogWriter) -> Flow:
        settings = self.settings
        pseudonym = (settings.via or f"edgecache-{secrets.token_hex(4)}").encode()
        parts = FlowParts(
            clock=self.clock,
            profile=PROFILES[settings.profile],
            log=self.log,
            store=self.store,
            doors=self.doors,
            purge_door=PurgeDoor(self.doors, _networks(settings.purge_allow), settings.purge_token),
            forwarder=Forwarder(pseudonym, _networks(settings.trusted_proxies), origin_host(self.origin, settings.origin_host)),
            fetch=FetchParts(self.pool, self.tasks, self.clock, loop, settings.buffer_bytes, settings.object_bytes),
            records=self.records,
            origin_name=self.origin.url,
            default_host=self.url.removeprefix("http://").encode(),
            scheme=b"http",
            tunnel_idle_timeout_s=settings.tunnel_idle_timeout_s,
            report=self._report,
            write_line=lines.line,
        )
        return Flow(parts)

    def _pool(self, loop: asyncio.AbstractEventLoop) -> Pool:
        settings = self.settings
        limits = OriginLimits(
            connect_timeout_s=settings.connect_timeout_s,
            first_byte_timeout_s=settings.first_byte_timeout_s,
            between_bytes_timeout_s=settings.between_bytes_timeout_s,
            send_timeout_s=settings.send_timeout_s,
            idle_timeout_s=settings.origin_idle_timeout_s,
            buffer_bytes=settings.buffer_bytes,
            connections=settings.origin_connections,
        )
        tls = _tls(settings) if self.origin.scheme == "https" else None
        address = OriginAddress(self.origin.host, self.origin.port, self.origin.path, tls)
        return Pool(address, loop, self.sweeper, self.tasks, self._head_limits(), limits)

    def _head_limits(self) -> HeadLimits:
        return HeadLimits(self.settings.target_bytes, self.settings.head_bytes, self.settings.head_fields)

    def _server_limits(self) -> ServerLimits:
        settings = self.settings
        return ServerLimits(
            head_timeout_s=settings.head_timeout_s,
            body_timeout_s=settings.body_timeout_s,
            idle_timeout_s=settings.idle_timeout_s,
            send_timeout_s=settings.send_timeout_s,
            linger_s=settings.linger_s,
            linger_bytes=settings.linger_bytes,
            buffer_bytes=settings.buffer_bytes,
            connections=settings.client_connections,
        )

    def _control(self) -> web.Application:
        parts = ControlParts(
            settings=self.settings,
            clock=self.clock,
            log=self.log,
            doors=self.doors,
            store=self.store,
            records=self.records,
            origins=self._origins,
            ready=lambda: "the edge is shutting down" if self.server.draining else None,
        )
        return control_app(parts)

    # what others ask

    def _origins(self) -> Sequence[Mapping[str, object]]:
        return [{"origin": self.origin.url, "connections": self.pool.figures(), "client_connections": len(self.server.connections)}]

    def _report(self, name: str, defect: BaseException) -> None:
        print(f"edgecache: a defect in {name}, please report it:", file=sys.stderr)
        traceback.print_exception(defect, file=sys.stderr)


def origin_host(origin: Origin, setting: str) -> bytes | None:
    """Which Host does the origin get? None: the one that the client named, for an origin that does not know a public name of its own.

    Dev servers compare Host with Origin and make links from it; a public origin routes by it and must get its own.
    """
    if setting:
        return setting.encode()
    return None if origin.scheme == "unix" or is_near(origin.host) else origin.authority


def _why_not_bound(error: OSError, setting: str, host: str, port: int) -> str:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    match error:
        case socket.gaierror():
            return f"{host} is no name or address of this machine (--{setting})"
        case OSError(errno=errno.EADDRINUSE):
            return f"{where} is taken by another program: end it, or choose another port, as in --{setting} {where.rpartition(':')[0]}:0"
        case OSError(errno=errno.EACCES):
            return f"{where} needs privileges, as all ports below 1024 do; choose another, as in --{setting} {host}:8080"
        case OSError(errno=errno.EADDRNOTAVAIL):
            return f"{host} is no address of this machine (--{setting})"
        case _:
            return f"cannot listen on {where} (--{setting}): {error.strerror or error}"


def _url(bound: socket.socket) -> str:
    """Where a client on this machine reaches the socket."""
    host, port = bound.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _networks(texts: Sequence[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(text) for text in texts]


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.origin_ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"origin_ca_file {settings.origin_ca_file} holds no certificate: {error}") from None
    if not settings.origin_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _raise_file_limit() -> None:
    """Every client and origin connection is a file; the default of 1,024 would end the edge long before its own limits do."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
