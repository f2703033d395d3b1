"""Every setting of an edge: one table, from which --help, conf/edgecache.toml and docs/settings.md are made.

A setting is a field of `Settings` whose annotation says what it is; name, type, default, unit, limits and help stand together and
nowhere else.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from edgecache.config.sites import DEFAULT_SITE, RuleSettings, SiteSettings
from edgecache.config.table import TIB, Group, Kind, Setting, choice, count, rows_of, seconds, size
from edgecache.config.vendors import CredentialSettings, VendorSettings

RUN, ORIGIN, NAMES, CACHING, STORE, CLIENTS, LIMITS, SAFETY = Group


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What one edge was told. Never changes; seconds are floats, sizes whole bytes, an empty text means "not set".

    Only `load` checks values: a test that builds Settings by hand may choose any. `site`, `rule`, `vendor` and `credential` are tables of
    the file; all others are flags too. Origin, origin_host, public_url and aliases describe the site named default; `sites_of` gives it
    with the others.
    """

    listen: Annotated[str, Setting(RUN, Kind.ADDRESS, "Where clients connect: the site behind the edge. Port 0 takes any free port.")] = (
        "127.0.0.1:8080"
    )
    control: Annotated[
        str,
        Setting(RUN, Kind.ADDRESS, "Where the control plane listens: API, health and statistics. Beyond loopback it needs control_token."),
    ] = "127.0.0.1:8081"
    varnishadm: Annotated[
        str,
        Setting(
            RUN,
            Kind.ADDRESS,
            "Where Varnish's management protocol is spoken, for varnishadm and its like; 127.0.0.1:6082 is usual. Beyond loopback it "
            "needs varnishadm_secret. Empty: nowhere.",
        ),
    ] = ""
    origin: Annotated[
        str,
        Setting(
            RUN,
            Kind.ORIGIN,
            "The site to put behind the edge: http://HOST:PORT, https://HOST or unix:/PATH. It need not be up when the edge starts; "
            "until it is, clients get 502.",
        ),
    ] = ""
    profile: Annotated[
        str, choice(RUN, "Whose caching behaviour is followed; standard is what the RFCs say of a shared cache.", "standard")
    ] = "standard"
    log: Annotated[
        str, choice(RUN, "What the terminal shows of each request: nothing, a short line, or a JSON object.", "off", "short", "json")
    ] = "short"
    ready_file: Annotated[
        str,
        Setting(
            RUN, Kind.FILE, "File to write, as JSON with both ports and the process id, once the edge accepts connections. Empty: none."
        ),
    ] = ""

    connect_timeout_s: Annotated[
        float,
        seconds(
            ORIGIN,
            "Time to get a connection to the origin, TLS included; beyond it the client gets 504, or 503 if it waited for one of "
            "origin_connections.",
        ),
    ] = 5.0
    first_byte_timeout_s: Annotated[
        float, seconds(ORIGIN, "Time from the end of the request to the first byte of the origin's answer; beyond it the client gets 504.")
    ] = 60.0
    between_bytes_timeout_s: Annotated[
        float,
        seconds(
            ORIGIN,
            "Longest silence inside the origin's answer; beyond it the answer is broken off and not stored. Event streams "
            "(text/event-stream) may be silent for longer.",
        ),
    ] = 60.0
    origin_idle_timeout_s: Annotated[
        float, seconds(ORIGIN, "How long an unused connection to the origin waits for the next request; then it is closed.", 0)
    ] = 30.0
    origin_connections: Annotated[
        int,
        count(
            ORIGIN,
            "connections",
            "Connections to the origin at a time, upgraded ones and event streams not counted; beyond them requests queue, and get "
            "503 after connect_timeout_s.",
        ),
    ] = 64
    origin_host: Annotated[
        str,
        Setting(
            ORIGIN,
            Kind.AUTHORITY,
            "Host sent to the origin. Empty: as the client sent it when the origin is on loopback, in a private network or on a unix "
            "socket and public_url is empty; the origin's own otherwise.",
        ),
    ] = ""
    origin_verify: Annotated[
        bool,
        Setting(ORIGIN, Kind.SWITCH, "Whether an https origin must show a certificate trusted for its name; without one clients get 502."),
    ] = True
    origin_ca_file: Annotated[
        str,
        Setting(ORIGIN, Kind.FILE, "PEM file of the authorities trusted for an https origin. Empty: those that the system trusts."),
    ] = ""

    public_url: Annotated[
        str,
        Setting(
            NAMES,
            Kind.PUBLIC_URL,
            "The URL under which the world knows the site, without a path. Requests under this machine's names and under aliases then "
            "count as requests under it, and so do purges. Empty: every Host is kept apart.",
        ),
    ] = ""
    aliases: Annotated[
        tuple[str, ...], Setting(NAMES, Kind.AUTHORITIES, "Further names of the site; what is stored under public_url is theirs too.")
    ] = ()

    set_cookie: Annotated[
        str,
        choice(
            CACHING,
            "What becomes of a storable response that sets cookies: stored with them, not stored, or stored without them (whoever "
            "caused the fetch still gets them). Most CDNs refuse.",
            "store",
            "refuse",
            "strip",
        ),
    ] = "store"
    sort_languages: Annotated[
        bool,
        Setting(
            CACHING,
            Kind.SWITCH,
            "Whether the order of the languages in Accept-Language is ignored, and only their weights tell variants apart.",
        ),
    ] = False
    collapse_wait_s: Annotated[
        float,
        seconds(
            CACHING, "How long a request waits for the answer to another one's fetch of the same URL; then it goes to the origin itself.", 0
        ),
    ] = 30.0
    hit_for_miss_s: Annotated[
        float,
        seconds(
            CACHING,
            "How long requests for a URL do not wait for each other after its response turned out not to be storable.",
            0,
        ),
    ] = 120.0
    stall_s: Annotated[
        float,
        seconds(
            CACHING,
            "How long a client may lag behind a response that is read at the slowest one's pace, because it cannot be stored after all; "
            "then that client is disconnected.",
        ),
    ] = 30.0

    store: Annotated[
        str,
        Setting(
            STORE,
            Kind.STORE,
            "Where responses are kept: memory (gone when the edge ends), or a folder, of one edge at a time. Empty: a folder for "
            "this origin below the user's cache folder.",
        ),
    ] = ""
    memory_bytes: Annotated[
        int,
        size(STORE, "Memory for stored responses; beyond it those that are used least make room, and stay on disk if the store is there."),
    ] = 256 * 1024 * 1024
    disk_bytes: Annotated[
        int,
        size(STORE, "Room for stored responses in the store's folder; beyond it those that are used least make room.", 2**20, 64 * TIB),
    ] = 4 * 2**30
    spool_bytes: Annotated[
        int, size(STORE, "Memory for one response while it arrives to be stored on disk; beyond it, it goes on in a file.", 0, 2**30)
    ] = 1024 * 1024
    log_entries: Annotated[
        int,
        count(
            STORE,
            "entries",
            "Entries of the invalidation log kept in memory; beyond them the oldest go, and everything that was asked for before "
            "those counts as purged.",
        ),
    ] = 100_000
    bans: Annotated[
        int,
        count(
            STORE,
            "expressions",
            "Ban expressions in force at once; beyond them the oldest go, and everything that was asked for before those counts as purged.",
        ),
    ] = 10_000
    journal: Annotated[
        int, count(STORE, "calls", "Invalidations that /api/v1/invalidations and people can look up; beyond them the oldest go.")
    ] = 10_000
    journal_bytes: Annotated[
        int,
        size(STORE, "Memory for them, about; beyond it the oldest go, too, for a call may name as many URLs as api_items says.", 64 * 1024),
    ] = 32 * 1024 * 1024
    sweep_delay_s: Annotated[
        float, seconds(STORE, "How long after an invalidation the sweeper looks for what it covers, to free its room.", 0)
    ] = 10.0
    log_bytes: Annotated[
        int, size(STORE, "Size at which the file of the invalidation log is written anew, with the entries that still matter.", 64 * 1024)
    ] = 64 * 1024 * 1024
    log_sync: Annotated[
        str,
        choice(
            STORE,
            "When a purge is acknowledged: once the system has it, so that it survives the end of any program, or once it is on the disk "
            "and survives a power cut too.",
            "os",
            "disk",
        ),
    ] = "os"

    head_timeout_s: Annotated[
        float, seconds(CLIENTS, "Time for a whole request head, from its first byte; slower clients get 408 and are disconnected.")
    ] = 30.0
    body_timeout_s: Annotated[
        float, seconds(CLIENTS, "Longest pause between two pieces of a request's content; slower clients get 408 and are disconnected.")
    ] = 60.0
    idle_timeout_s: Annotated[
        float, seconds(CLIENTS, "How long a connection stays open without a request; then it is closed, without an answer.")
    ] = 75.0
    send_timeout_s: Annotated[
        float, seconds(CLIENTS, "How long a client may take nothing of an answer that waits for it; then it is disconnected.")
    ] = 60.0
    tunnel_idle_timeout_s: Annotated[
        float, seconds(CLIENTS, "How long a WebSocket or other upgraded connection may be silent both ways; then both ends are closed.")
    ] = 3600.0
    client_connections: Annotated[
        int, count(CLIENTS, "connections", "Client connections at a time; beyond them the one that has been idle longest is closed.")
    ] = 20_000
    varnishadm_idle_timeout_s: Annotated[
        float,
        seconds(CLIENTS, "How long a connection of varnishadm stays open without a command; then it is closed, without an answer."),
    ] = 600.0
    varnishadm_connections: Annotated[
        int, count(CLIENTS, "connections", "Connections of varnishadm at a time; more are refused with status 300.", 1, 10_000)
    ] = 16
    drain_timeout_s: Annotated[
        float,
        seconds(
            CLIENTS,
            "Time for requests in progress to end after SIGTERM or Ctrl-C; then they are cut off. A second signal ends the edge at once.",
            0,
        ),
    ] = 10.0
    linger_s: Annotated[
        float,
        seconds(
            CLIENTS,
            "How long the edge reads on and drops what it reads after it refused a request, so that the client sees the answer and "
            "not a reset; then it disconnects.",
            0,
        ),
    ] = 1.0
    linger_bytes: Annotated[
        int, size(CLIENTS, "How much the edge reads and drops after it refused a request; then it disconnects, even before linger_s.")
    ] = 256 * 1024
    purge_get: Annotated[
        str,
        Setting(
            CLIENTS,
            Kind.PREFIX,
            "Path below which a GET purges, as with nginx: with /purge, GET /purge/news/ purges /news/, and so does PURGE. "
            "Empty: GET never does.",
        ),
    ] = ""
    purge_not_stored_status: Annotated[
        int,
        Setting(
            CLIENTS,
            Kind.STATUS,
            "Status that acknowledges PURGE of a URL under which nothing was stored: 200 as from Varnish, 404 as from Squid and nginx.",
            unit="status code",
            most=404,
            choices=("200", "404"),
        ),
    ] = 200

    target_bytes: Annotated[int, size(LIMITS, "Longest request target (path and query); beyond it the client gets 414.", 64, 2**24)] = (
        16 * 1024
    )
    head_bytes: Annotated[
        int,
        size(
            LIMITS,
            "Largest head of a request (431 beyond it) or of the origin's answer (502 beyond it), and longest command of varnishadm (106).",
            256,
            2**24,
        ),
    ] = 64 * 1024
    head_fields: Annotated[
        int, count(LIMITS, "fields", "Field lines in the head of a request (431 beyond them) or of the origin's answer (502).", 1, 100_000)
    ] = 200
    buffer_bytes: Annotated[
        int,
        size(
            LIMITS,
            "What is held for one direction of a connection whose reader is slow; beyond it the edge reads no more from the sender.",
            4096,
            2**30,
        ),
    ] = 256 * 1024
    object_bytes: Annotated[
        int,
        size(
            LIMITS,
            "Largest response that is stored; larger ones, and those larger than disk_bytes (memory_bytes, when the store is memory), "
            "are only forwarded.",
        ),
    ] = 64 * 1024 * 1024
    variants: Annotated[
        int, count(LIMITS, "responses", "Stored responses of one URL that differ by Vary; beyond them the oldest goes.", 1, 100_000)
    ] = 100
    tags: Annotated[
        int,
        count(LIMITS, "tags", "Cache tags of one response, each counted once; a response with more is not stored.", 0, 100_000),
    ] = 1000
    tag_bytes: Annotated[
        int,
        size(LIMITS, "Cache tags of one response together, separators aside; a response with more is not stored.", 0, 2**24),
    ] = 16 * 1024
    waiters: Annotated[int, count(LIMITS, "requests", "Requests that may wait for one fetch; beyond them requests get 503.")] = 10_000
    refreshes: Annotated[
        int,
        count(
            LIMITS,
            "fetches",
            "Fetches in the background at a time, for stale responses that were already served; beyond them they are skipped, and stale "
            "responses are still served.",
            0,
        ),
    ] = 64
    ranges: Annotated[int, count(LIMITS, "ranges", "Ranges in one request; beyond them the whole content is sent.", 1, 10_000)] = 16
    records: Annotated[
        int, count(LIMITS, "requests", "Latest requests whose record is kept; each further one replaces the oldest.", 1, 1_000_000)
    ] = 4096
    log_lines: Annotated[
        int, count(LIMITS, "lines", "Lines that may wait for a slow terminal; beyond them lines are dropped, and how many is said.")
    ] = 10_000
    api_body_bytes: Annotated[
        int, size(LIMITS, "Largest content of a call to the control plane; beyond it the call gets 413.", 1024, 2**30)
    ] = 1024 * 1024
    api_items: Annotated[
        int, count(LIMITS, "items", "Items in one invalidation call; beyond them the call gets 413 and none is carried out.")
    ] = 10_000

    trusted_proxies: Annotated[
        tuple[str, ...],
        Setting(SAFETY, Kind.NETWORKS, "Networks of the proxies whose X-Forwarded-* fields are believed; what others send is replaced."),
    ] = ()
    purge_allow: Annotated[
        tuple[str, ...],
        Setting(
            SAFETY,
            Kind.NETWORKS,
            "Networks from which PURGE and its like are taken on the site's own port (others get 403), and connections of varnishadm.",
        ),
    ] = ("127.0.0.0/8", "::1/128")
    purge_token: Annotated[
        str,
        Setting(
            SAFETY,
            Kind.SECRET,
            "Token that PURGE and its like must bring besides (Authorization: Bearer TOKEN, or X-Invalidate-Token or Fastly-Key with the "
            "token alone); others get 403. Empty: none. Better in the file: flags can be seen by other users of the machine.",
        ),
    ] = ""
    control_hosts: Annotated[
        tuple[str, ...],
        Setting(SAFETY, Kind.HOSTS, "Names under which the control plane answers, besides those of loopback; other Host values get 403."),
    ] = ()
    control_token: Annotated[
        str,
        Setting(
            SAFETY,
            Kind.SECRET,
            "Token that calls to the control plane must bring (Authorization: Bearer TOKEN); others get 401. Empty: none, and the control "
            "plane then listens on loopback only. Better in the file: flags can be seen by other users of the machine.",
        ),
    ] = ""
    varnishadm_secret: Annotated[
        str,
        Setting(
            SAFETY,
            Kind.FILE,
            "File whose content whoever connects to varnishadm must know, as with `varnishd -S`; it is read once, at the start. "
            "Empty: none, and whoever connects may ban.",
        ),
    ] = ""
    debug: Annotated[
        bool,
        Setting(
            SAFETY,
            Kind.SWITCH,
            "Whether clients in debug_allow also get the key under which a response is stored, in the field Cache-Status, and the "
            "fields with its tags, which are kept from all others.",
        ),
    ] = False
    debug_allow: Annotated[tuple[str, ...], Setting(SAFETY, Kind.NETWORKS, "Networks whose clients see what debug adds.")] = (
        "127.0.0.0/8",
        "::1/128",
    )
    via: Annotated[
        str,
        Setting(
            SAFETY,
            Kind.PSEUDONYM,
            "The edge's name in Via (RFC 9110 7.6.3); a request that already carries it is a loop and gets 508. Empty: edgecache- "
            "and a random part.",
        ),
    ] = ""

    site: tuple[SiteSettings, ...] = ()
    rule: tuple[RuleSettings, ...] = ()
    vendor: tuple[VendorSettings, ...] = ()
    credential: tuple[CredentialSettings, ...] = ()

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What may be shown: tokens are masked. (msgspec brings both reprs; its own would show them.)"""
        shown = [(setting, getattr(self, setting.name)) for setting in SETTINGS]
        flat = [(setting.name, "***" if value and setting.kind is Kind.SECRET else value) for setting, value in shown]
        return [*flat, *((table, getattr(self, table)) for table in ("site", "rule", "vendor", "credential"))]

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


SETTINGS = rows_of(Settings)


def sites_of(settings: Settings) -> tuple[SiteSettings, ...]:
    """All sites: first the one of the setting origin, which answers to any host, if that is set; then those of the tables, in order."""
    if not settings.origin:
        return settings.site
    default = SiteSettings(
        name=DEFAULT_SITE,
        origin=settings.origin,
        hosts=("*",),
        public_url=settings.public_url,
        aliases=settings.aliases,
        origin_host=settings.origin_host,
    )
    return (default, *settings.site)
