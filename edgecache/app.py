"""One edge, built from its configuration: the only module that knows every part. Starts them, and stops them in the right order.

Nothing is global: a test, and later a worker or a simulated PoP, is each simply another `Edge`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import ipaddress
import logging
import resource
import secrets
import socket
import ssl
import sys
import traceback
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from aiohttp import web

from edgecache.caching.profile import Profile, SetCookie
from edgecache.caching.rules import Rule, RuleSet
from edgecache.caching.stored import StoredResponse
from edgecache.caching.tags import every_tag, normalised_tag, tag_field_names
from edgecache.clock import Clock
from edgecache.config import (
    ConfigError,
    Origin,
    RuleSettings,
    Settings,
    SiteSettings,
    parse_listen,
    parse_origin,
    parse_public_url,
    read_secret,
    sites_of,
    store_folder,
)
from edgecache.control.app import control_app
from edgecache.control.dialects.desk import Desk
from edgecache.control.dialects.faults import Faults
from edgecache.control.dialects.registry import DIALECTS
from edgecache.control.parts import ControlParts
from edgecache.control.raw_targets import RawTargets
from edgecache.control.varnish_bans import DoorForBans
from edgecache.control.varnishadm import AdminParts, VarnishAdmin
from edgecache.edge.activity import Activity
from edgecache.edge.collapse import Flights
from edgecache.edge.fetch import FetchParts
from edgecache.edge.flow import Flow, FlowParts, SiteParts
from edgecache.edge.forward import Forwarder, is_within
from edgecache.edge.leading import LeadParts
from edgecache.edge.naming import Naming
from edgecache.edge.purging.door import Permission, PurgeDoor
from edgecache.edge.purging.request import PurgeRules
from edgecache.edge.refetch import Refetch
from edgecache.edge.sites import PublicName, Site, Sites, loopback_names
from edgecache.http1.head import HeadLimits
from edgecache.http1.origin import OriginLimits
from edgecache.http1.pool import OriginAddress, Pool, is_near
from edgecache.http1.server import Server, ServerLimits
from edgecache.http1.sweeper import Sweeper
from edgecache.http1.tasks import Tasks
from edgecache.invalidation.commit import GroupCommit
from edgecache.invalidation.delayfile import open_delays
from edgecache.invalidation.delays import Delays
from edgecache.invalidation.doors import Doors
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.journal import Journal
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.logfile import LogUnwritable, open_log
from edgecache.invalidation.reading import KeyRules, Reader
from edgecache.invalidation.reserve import Reserve, note_closed, note_opened, nothing_lost
from edgecache.invalidation.selectors import AllSelector
from edgecache.invalidation.sweeping import StoreSweeper
from edgecache.logline import LogMode, LogWriter, TextStream
from edgecache.profiles import PROFILES
from edgecache.record import Records
from edgecache.store.database import Meta
from edgecache.store.files import Files
from edgecache.store.folder import FolderError
from edgecache.store.tiers import Store, StoreLimits

BACKLOG = 1024
PROBE_S = 1.0
SWEEP_BUDGET = 0.1  # of the time, for the sweep of the store behind invalidations


class StartError(Exception):
    """The edge cannot start; the message is one sentence that says why and what to do."""


class Edge:
    """A caching edge in front of one origin. `start`, then `url` and `control_url` say where it listens; `drain` or `stop` ends it."""

    # made by `start`, because they belong to a running loop
    tasks: Tasks
    sweeper: Sweeper
    pools: dict[str, Pool]
    store: Store
    doors: Doors
    delays: Delays
    desk: Desk
    activity: Activity
    flow: Flow
    server: Server

    def __init__(
        self, settings: Settings, clock: Clock | None = None, log_stream: TextStream | None = None, files: Files | None = None
    ) -> None:
        self.settings = settings
        self.clock = clock or Clock()
        self.sites = sites_of(settings)
        self.rules = {site.name: RuleSet([rule_of(one) for one in settings.rule if one.site in ("", site.name)]) for site in self.sites}
        self.profile = profile_of(settings)
        self.records = Records(settings.records)
        self.log = InvalidationLog(settings.log_entries, file_bytes=settings.log_bytes, limit_bans=settings.bans)
        self.origin_reachable = False
        self.url = ""
        self.control_url = ""
        self.varnishadm = ""  # HOST:PORT, as varnishadm -T takes it; "" when it is off
        self._log_stream = log_stream
        self._files = files  # the store's; tests let them fail
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
        admin_socket = self._bind("varnishadm", settings.varnishadm) if settings.varnishadm else None
        lines = LogWriter(LogMode(settings.log), self._log_stream or sys.stdout, settings.log_lines)
        self._ending.callback(lines.close)
        self.places = Sites([self._site(one) for one in self.sites], loopback_names(int(self.url.rpartition(":")[2])))
        self.naming = Naming(self.places, self.rules, self.profile)
        self.log.site_of = self.naming.site_of
        self.tasks = Tasks(loop, self._report)
        self._ending.push_async_callback(self.tasks.cancel_all)
        self.sweeper = Sweeper(loop, self.clock.monotonic)
        await self._open_store()
        self.pools = {site.name: self._pool(loop, parse_origin(site.origin)) for site in self.sites}
        for pool in self.pools.values():
            self._ending.callback(pool.close)
        self._ending.push_async_callback(self.tasks.cancel_all)  # once more, before the pools close
        self.flow = self._flow(loop, lines)
        self.server = Server(loop, self.sweeper, self.tasks, self._head_limits(), self._server_limits(), self.flow.serve, self.flow.reject)
        self._ending.callback(self.server.abort)
        self.refetch = Refetch(self.flow, self.tasks)
        self.doors.refetch = self.refetch.begin
        self.desk = Desk(settings, self.clock, self.doors, self.records, Faults(self._say), self.delays, DIALECTS)
        control = web.AppRunner(
            self._control(),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=1.0,
            logger=_quiet(),
            max_line_size=3 * settings.target_bytes + 1024,  # URLs stand in targets, where a raw byte becomes three
            max_field_size=settings.head_bytes,
        )
        await control.setup()
        self._ending.push_async_callback(control.cleanup)
        make = control.server
        assert make is not None
        self._listeners.append(await loop.create_server(self.server.accept, sock=sockets[0], backlog=BACKLOG))
        self._listeners.append(await loop.create_server(lambda: RawTargets(make(), self._head_limits()), sock=sockets[1]))
        if admin_socket is not None:
            admin = self._varnishadm()
            self._ending.callback(admin.abort)
            self._listeners.append(await loop.create_server(admin.accept, sock=admin_socket))
            self.varnishadm = _url(admin_socket).removeprefix("http://")
        self.sweeper.watch(self.delays)
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

    @property
    def pool(self) -> Pool:
        """The connections to the first site's origin, most often the only one."""
        return next(iter(self.pools.values()))

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
        trusted = _networks(settings.trusted_proxies)
        site_parts = {}
        for site in self.sites:
            origin = parse_origin(site.origin)
            forwarder = Forwarder(pseudonym, trusted, origin_host(origin, site))
            site_parts[site.name] = SiteParts(self.pools[site.name], forwarder, origin.url, self.rules[site.name])
        self.flights = Flights(
            self.log,
            loop,
            self.clock.now,
            wait_s=settings.collapse_wait_s,
            waiters=settings.waiters,
            hit_for_miss_s=settings.hit_for_miss_s,
        )
        fetch = FetchParts(
            self.tasks,
            self.clock,
            loop,
            self.sweeper,
            settings.object_bytes,
            settings.stall_s,
            lambda storable: self.store.spool(storable=storable),
        )
        shown_to = _networks(settings.debug_allow) if settings.debug else []
        parts = FlowParts(
            lead=LeadParts(self.profile, self.log, self.store, self.flights, fetch, self.activity, self.arriving),
            sites=self.places,
            site_parts=site_parts,
            keyed=self.naming.keyed,
            ranges=settings.ranges,
            doors=self.doors,
            purge_door=PurgeDoor(
                self.doors,
                Permission(_networks(settings.purge_allow), settings.purge_token),
                PurgeRules(
                    self.naming.keyed, tag_field_names(self.profile), settings.purge_get.encode("ascii"), most_items=settings.api_items
                ),
            ),
            purge_not_stored_status=settings.purge_not_stored_status,
            records=self.records,
            default_host=self.url.removeprefix("http://").encode(),
            scheme=b"http",
            pseudonym=pseudonym,
            tunnel_idle_timeout_s=settings.tunnel_idle_timeout_s,
            refreshes=settings.refreshes,
            sees_debug=lambda peer_ip: bool(shown_to) and is_within(peer_ip, shown_to),
            report=self._report,
            write_line=lines.line,
        )
        return Flow(parts)

    async def _open_store(self) -> None:
        """Store, log and clock as the last run left them; FolderError and what the log could not recover become one sentence."""
        settings = self.settings
        folder = store_folder(settings)
        limits = StoreLimits(
            memory_bytes=settings.memory_bytes,
            disk_bytes=settings.disk_bytes,
            variants=settings.variants,
            object_bytes=settings.object_bytes,
            buffer_bytes=settings.buffer_bytes,
            spool_memory_bytes=settings.spool_bytes,
            backlog_bytes=settings.memory_bytes // 4,
        )
        self.store = Store(
            str(folder) if folder else None,
            limits,
            self.clock,
            self._say,
            self._report,
            self._files,
            tags_of=lambda fields: every_tag(fields, self.profile),  # limits are for what comes to be stored
        )
        try:
            meta = await self.store.open()
        except FolderError as error:
            raise StartError(str(error)) from None
        self._ending.push_async_callback(self.store.close)
        if meta.offset_s:
            self.clock.advance(meta.offset_s)
            self._say(f"edge time is {meta.offset_s:+g} s from the wall clock, as it was left; `edgecache clock reset` ends that")
        commit = None if folder is None else await self._open_log(folder, meta)
        self.activity = Activity()
        self.arriving: set[StoredResponse] = set()
        self.journal = Journal(settings.journal, settings.journal_bytes)
        naming = self.naming
        sites = [site.name for site in self.sites]
        tag = partial(normalised_tag, profile=self.profile)
        tags = self.profile.tags
        reader = Reader(KeyRules(naming.keyed, naming.keyed_with, naming.paths, tag, sites, tags.ignores_case, tags.size_bytes))
        self.doors = Doors(self.log, self.store, self.clock, reader, self.journal, commit)
        self.delays = self._open_delays(folder)
        self.store_sweeper = StoreSweeper(
            self.log,
            self.store,
            self.journal,
            lambda: self.arriving,
            self.clock.monotonic,
            delay_s=settings.sweep_delay_s,
            budget=SWEEP_BUDGET,
        )
        self.doors.appended = self.store_sweeper.wake
        sweeping = Tasks(asyncio.get_running_loop(), self._report)  # apart from those that come to an end by themselves
        self._ending.push_async_callback(sweeping.cancel_all)
        sweeping.spawn(self.store_sweeper.run(), "store sweeper")

    async def _open_log(self, folder: Path, meta: Meta) -> GroupCommit | None:
        """The invalidation log beside the store: what it holds counts before the first request is answered."""
        note = folder / "log.run"
        try:
            file, recovered = open_log(folder / "invalidations.log")
        except OSError as error:
            self._say(
                f"the invalidation log in {folder} cannot be used ({error.strerror}): it is in memory only, and what is stored is dropped"
            )
            self.log.log_id = secrets.token_bytes(16)
            await self.store.use_log(self.log.log_id)
            return None
        if recovered.sentence:
            self._say(recovered.sentence)
        self.log.recover(recovered)
        self.log.write_to(file)
        self.log.on_unwritten = self._unwritten
        self._ending.callback(file.close)
        await self.store.use_log(self.log.log_id)
        if meta.log_id == self.log.log_id:
            self._take_up_positions(meta, note)
        note_opened(note)

        def closed() -> None:
            with contextlib.suppress(OSError):  # then the note stays that of a log in use
                file.sync()
                note_closed(note)

        self._ending.callback(closed)
        await Reserve(self.store.reserve_positions, self._in_background).begin(self.log)
        return GroupCommit(file.sync, lambda: self.log.head) if self.settings.log_sync == "disk" else None

    def _open_delays(self, folder: Path | None) -> Delays:
        """Invalidations that were acknowledged and wait for their time, as the last run left them."""
        if folder is None:
            return Delays(self.doors, self.clock, spawn=self.tasks.spawn)
        path = folder / "delayed.log"
        try:
            file, waiting, wrong = open_delays(path)
        except OSError as error:
            self._say(f"{path} cannot be used ({error.strerror}): delayed invalidations are in memory only")
            return Delays(self.doors, self.clock, spawn=self.tasks.spawn)
        self._ending.callback(file.close)
        if wrong is not None:
            self.doors.invalidate_now([AllSelector()], soft=False, cause=Cause.RECOVERY)
            self._say(f"{path} {wrong}: everything stored before counts as purged, since nobody knows which invalidations were delayed")
        sync = self.settings.log_sync == "disk"
        return Delays(self.doors, self.clock, file=file, waiting=waiting, sync=sync, spawn=self.tasks.spawn)

    def _take_up_positions(self, meta: Meta, note: Path) -> None:
        """Go on with positions that were never used, also after a power cut (docs/architecture.md, The log)."""
        if not nothing_lost(note) and self.log.continue_above(meta.reserved, self.clock.now()):
            self._say("the end of the invalidation log may have been lost with the power: everything stored before counts as purged")

    def _in_background(self, work: Awaitable[object]) -> None:
        async def run() -> None:
            await work

        self.tasks.spawn(run(), "store note")

    def _unwritten(self, failure: LogUnwritable) -> None:
        """An invalidation counts that the log could not take: this run knows it, the next must not trust the store."""
        with contextlib.suppress(OSError):
            self.store.keep_unsure()
        self._say(f"{failure}; what is stored now is dropped at the next start")

    async def _moved(self) -> None:
        """Edge time was moved: the offset is kept for the next start before anybody is told.

        A start without it would be a step backwards, and what was stale could become fresh; so then it begins with an empty store.
        """
        if not await self.store.keep_offset(self.clock.offset_s):
            with contextlib.suppress(OSError):
                self.store.keep_unsure()
            self._say("the clock's offset cannot be kept: the next start begins at wall-clock time and with an empty store")
        await self.delays.append_due()

    def _say(self, sentence: str) -> None:
        print(f"edgecache: {sentence}", file=sys.stderr)

    def _site(self, site: SiteSettings) -> Site:
        public = parse_public_url(site.public_url) if site.public_url else None
        return Site(
            name=site.name,
            hosts=tuple(host.encode() for host in site.hosts),
            public=None if public is None else PublicName(public.scheme, public.host),
            aliases=frozenset(alias.encode() for alias in site.aliases),
            origin_names=frozenset((parse_origin(site.origin).authority,)),
        )

    def _pool(self, loop: asyncio.AbstractEventLoop, origin: Origin) -> Pool:
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
        tls = _tls(settings) if origin.scheme == "https" else None
        address = OriginAddress(origin.host, origin.port, origin.path, tls)
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
            keyed=self.naming.keyed,
            tag=partial(normalised_tag, profile=self.profile),
            moved=self._moved,
            settled=self._settled,
            cleared=self._forget,
            desk=self.desk,
        )
        return control_app(parts)

    def _forget(self) -> None:
        """The edge was reset: what was learnt beside the store goes too."""
        self.flights.forget()
        self.desk.forget()

    def _varnishadm(self) -> VarnishAdmin:
        settings = self.settings
        try:
            secret = read_secret(settings.varnishadm_secret) if settings.varnishadm_secret else None
        except ConfigError as error:
            raise StartError(f"varnishadm_secret: {error}") from None
        allowed = _networks(settings.purge_allow)
        parts = AdminParts(
            door=DoorForBans(self.doors),
            now=self.clock.now,
            secret=secret,
            allows=lambda peer_ip: is_within(peer_ip, allowed),
            line_bytes=settings.head_bytes,
            connections=settings.varnishadm_connections,
            idle_timeout_s=settings.varnishadm_idle_timeout_s,
            tasks=self.tasks,
            sweeper=self.sweeper,
            report=self._report,
        )
        return VarnishAdmin(parts)

    # what others ask

    async def _settled(self, timeout_s: float) -> bool:
        """Is nothing in flight, within `timeout_s`: no fetch, no refresh, no write?"""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + timeout_s
        while True:
            if not await self.activity.settled(give_up - loop.time()):
                return False
            await self.store.settled()
            if not self.activity.busy and not self.store.unwritten:
                return True

    def _origins(self) -> Sequence[Mapping[str, object]]:
        return [{"site": one.name, "origin": one.origin, "connections": self.pools[one.name].figures()} for one in self.sites]

    def _report(self, name: str, defect: BaseException) -> None:
        print(f"edgecache: a defect in {name}, please report it:", file=sys.stderr)
        traceback.print_exception(defect, file=sys.stderr)


def origin_host(origin: Origin, site: SiteSettings) -> bytes | None:
    """Which Host does the origin get? None: the one that the client named, for an origin that does not know a public name of its own.

    Dev servers compare Host with Origin and make links from it; a public origin routes by it and must get its own. Names that share a key
    must not make a difference to the origin, so with a public name it always gets one and the same.
    """
    if site.origin_host:
        return site.origin_host.encode()
    if site.public_url:
        return origin.authority
    return None if origin.scheme == "unix" or is_near(origin.host) else origin.authority


def profile_of(settings: Settings) -> Profile:
    """The profile that is named, with what the settings say about it."""
    profile = PROFILES[settings.profile]
    return dataclasses.replace(
        profile,
        set_cookie=cast(SetCookie, settings.set_cookie),
        sorts_languages=settings.sort_languages,
        tags=dataclasses.replace(profile.tags, count=settings.tags, size_bytes=settings.tag_bytes),
    )


def rule_of(rule: RuleSettings) -> Rule:
    """A rule of the configuration as the caching layer takes it."""
    return Rule(
        pattern=rule.path,
        ttl_s=rule.ttl_s,
        force=rule.force,
        bypass=rule.bypass,
        ignore_query=rule.ignore_query,
        sort_query=rule.sort_query,
        key_headers=rule.key_headers,
        key_cookies=rule.key_cookies,
    )


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


def _quiet() -> logging.Logger:
    """For the control plane's server, which would log a traceback for every request that it cannot parse. Defects have their own way."""
    logger = logging.Logger("edgecache.control.wire")  # not from the registry: nothing global is changed
    logger.addHandler(logging.NullHandler())
    return logger
