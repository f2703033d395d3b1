"""The life of a request, in the order in which things happen. What each step decides comes from caching/; here it is carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from edgecache.caching.cache_status import cache_status
from edgecache.caching.conclude import conclude
from edgecache.caching.conclusion import Answer, Combine, Failure, Forward, Freshen, RepeatUnconditionally, ServeStale, Store
from edgecache.caching.decide import Fwd, Hit, Miss, Pass, Refuse, StaleHit, Validate, decide
from edgecache.caching.freshness import freshness
from edgecache.caching.keeping import stored_response
from edgecache.caching.key import cache_key
from edgecache.caching.reasons import Reason
from edgecache.caching.request import PresentedRequest
from edgecache.caching.rules import RuleSet
from edgecache.caching.stored import StoredResponse
from edgecache.caching.tags import every_tag, tag_field_names
from edgecache.caching.vary import vary_of
from edgecache.caching.verdict import Clean, HardCovered, Verdict
from edgecache.edge.answers import own_answer, proxy_status, server_timing
from edgecache.edge.collapse import Alone, Failed, Flight, FlightKey, Full, Joinable, LookAgain, StandIn, WaitedTooLong, WaiterGone
from edgecache.edge.deliver import Withheld, deliver_arriving, deliver_stored, interim, switching
from edgecache.edge.fetch import Fetch, is_event_stream
from edgecache.edge.forward import Forwarder, wanted_upgrade
from edgecache.edge.hops import answer_last_hop, next_hop
from edgecache.edge.leading import Lead, LeadParts
from edgecache.edge.names import NameMap
from edgecache.edge.purging.answers import acknowledge
from edgecache.edge.purging.door import PurgeDoor, is_preflight, preflight_refused
from edgecache.edge.sites import Placed, Site, Sites
from edgecache.edge.target import Located, has_been_here, locate
from edgecache.http1.exchange import Exchange
from edgecache.http1.pool import Pool
from edgecache.http1.problem import PeerGone, Problem, failed, refused
from edgecache.invalidation.doors import Doors
from edgecache.record import Flag, Handled, Records, Row
from edgecache.semantics.cache_control import parse_cache_control
from edgecache.semantics.groups import groups_of, invalidated_groups
from edgecache.semantics.message import Fields, RequestHead, ResponseHead, combined, values
from edgecache.semantics.proxy_status import ProxyError
from edgecache.semantics.urls import Key
from edgecache.store.body import BrokenStored

SAFE = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"QUERY", b"PROPFIND", b"REPORT", b"SEARCH"))  # RFC 9110 9.2.1, IANA registry
LOOKS = 8  # how often a request looks into the store before it asks for itself: each look follows a change that others made


@dataclass(frozen=True, slots=True)
class SiteParts:
    """What the flow needs of one site's origin."""

    pool: Pool
    forwarder: Forwarder
    origin_name: str  # as people write it, for pages
    rules: RuleSet


@dataclass(frozen=True, slots=True)
class FlowParts:
    """What the flow works with; built by app.py."""

    lead: LeadParts
    sites: Sites
    site_parts: Mapping[str, SiteParts]
    keyed: Callable[[Key], Key]  # the key under which a URL is held: public names and key rules applied
    doors: Doors
    purge_door: PurgeDoor
    purge_not_stored_status: int
    records: Records
    default_host: bytes  # for HTTP/1.0 requests without Host
    scheme: bytes  # under which the listener is known
    pseudonym: bytes
    tunnel_idle_timeout_s: float
    refreshes: int
    ranges: int
    sees_debug: Callable[[str], bool]  # does this peer get what debug adds: the cache key, and fields that are meant for the edge?
    report: Callable[[str, BaseException], None]
    write_line: Callable[[Row], None]


class Visit:
    """One request on its way through the flow, and what its record will say."""

    __slots__ = (
        "began",
        "debug",
        "exchange",
        "flags",
        "handled",
        "located",
        "looked_again",
        "names",
        "origin_s",
        "placed",
        "reason",
        "request_id",
        "site",
        "started",
        "waited",
    )

    def __init__(self, exchange: Exchange, request_id: int, started: float, began: float, debug: bool) -> None:
        self.exchange = exchange
        self.debug = debug  # the client gets what is kept from others
        self.request_id = request_id
        self.started = started
        self.began = began
        self.located: Located | None = None
        self.placed: Placed | None = None
        self.site: SiteParts | None = None
        self.names: NameMap | None = None
        self.handled = Handled.OWN
        self.reason: Reason | None = None
        self.origin_s = 0.0
        self.flags = 0
        self.waited = False  # for somebody else's fetch, whose answer could not be shared: not again
        self.looked_again = False  # after a fetch that was for another variant, or was soft purged: once is enough


class Flow:
    """Answers the requests of one edge."""

    def __init__(self, parts: FlowParts) -> None:
        self.parts = parts
        self.clock = parts.lead.fetch.clock
        self.log = parts.lead.log
        self.store = parts.lead.store
        self.flights = parts.lead.flights
        self.withheld = Withheld.of(tag_field_names(parts.lead.profile), usual=True)
        self.withheld_from_debug = Withheld.of(frozenset(), usual=False)
        self.refreshing: dict[FlightKey, int] = {}  # position of each refresh in the background

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request, and record it."""
        visit = self._visit(exchange)
        try:
            await self._answer(visit)
        except PeerGone:
            visit.flags |= Flag.CLIENT_LEFT
            exchange.abandon()
        except Exception as defect:  # a bug: the client gets a 500 or a visible cut, the terminal the details
            self.parts.report("flow", defect)
            self._break_off(visit)
        finally:
            self._record(visit)

    def reject(self, exchange: Exchange, problem: Problem) -> None:
        """Answer what could not be understood as a request."""
        visit = self._visit(exchange)
        self._own_answer(visit, problem)
        self._record(visit)

    # the story

    async def _answer(self, visit: Visit) -> None:
        exchange = visit.exchange
        head = exchange.request
        parts = self.parts
        problem = self._place(visit)
        invalidates = visit.located is not None and parts.purge_door.takes(head, visit.located.path)
        if problem is None or invalidates:  # what is invalidated need not be of a site, and Host may be the edge's address
            problem = self._turned_away(head)
        if problem is not None:
            return self._own_answer(visit, problem)
        if invalidates:
            return await self._invalidate(visit)
        hop = next_hop(head)
        if hop is None:
            return self._last_hop(visit)

        placed, site = visit.placed, visit.site
        assert placed is not None
        assert site is not None
        upgrade = wanted_upgrade(head)
        fields = site.forwarder.fields(hop, placed.located, exchange.peer_ip, exchange.connection.request_framing, upgrade)
        request = self._present(exchange, placed, fields)
        for _ in range(LOOKS):
            candidates = await self.candidates(request)
            now = self.clock.now()
            decision = decide(request, candidates, parts.lead.profile, now)
            match decision:
                case Hit(stored, reason):
                    if await self._deliver_hit(visit, request, stored, Handled.HIT, reason, now):
                        return
                case StaleHit(stored, reason, refresh):
                    if refresh is not None:
                        self._refresh_later(request, refresh, site)
                    if await self._deliver_hit(visit, request, stored, Handled.STALE, reason, now):
                        return
                case Validate() | Miss():
                    if await self._fetch_or_join(visit, request, decision):
                        return
                case Pass():
                    return await self._pass(visit, request, decision, upgrade)
                case Refuse(status, reason):
                    visit.reason = reason
                    return self._own_answer(visit, Problem(ProxyError.PROXY_INTERNAL_RESPONSE, reason.sentence, status))
                case _:
                    assert_never(decision)
        await self._pass(visit, request, Pass(Reason.NO_STORED_RESPONSE, "miss"), upgrade)

    async def _deliver_hit(
        self, visit: Visit, request: PresentedRequest, stored: StoredResponse, handled: Handled, reason: Reason, now: float
    ) -> bool:
        """Answer from the store; False when what was stored turned out to be damaged, and nothing has been sent yet."""
        visit.handled, visit.reason = handled, reason
        stored.hits += 1
        age_s, ttl_s = freshness(stored, self._verdict(stored), now)
        ours = [self._status_line(visit, request, reason, ttl_s=ttl_s)]
        return await self._from_store(visit, request, stored, age_s, ours)

    async def _fetch_or_join(self, visit: Visit, request: PresentedRequest, wanted: Validate | Miss) -> bool:
        """Nothing stored will do: read along with a fetch that is under way, or ask the origin. False: look into the store again."""
        key = self.flight_key(request)
        # What answers HEAD, or a Range, is no answer to others, while they may well be answered by what answers a GET for the whole.
        shareable = request.method == b"GET" and not _asks_for_part(request)
        waits = not visit.waited and not self.flights.is_marked(key)
        flight = self.flights.find(key) if waits else None
        if flight is not None:
            return await self._join(visit, request, wanted, flight)
        if shareable and waits:
            flight = self.flights.begin(key, self.log.head)
        await self._lead(visit, request, wanted, flight, key if shareable else None)
        return True

    async def _join(self, visit: Visit, request: PresentedRequest, wanted: Validate | Miss, flight: Flight) -> bool:
        """Wait for somebody else's answer, and take it if it may be ours.

        Parts are taken out of what is stored. So who wants one waits, beyond the head, only for content that has arrived and is on its way
        into the store: what is still to come may be far behind the place that is asked for.
        """
        exchange = visit.exchange

        def on_gone(tell: Callable[[], None]) -> None:
            exchange.connection.on_gone = tell

        began = self.clock.monotonic()
        landing = await self.flights.wait(flight, on_gone)
        visit.origin_s = self.clock.monotonic() - began
        match landing:
            case Joinable(arriving, fetch) if not _asks_for_part(request):
                return await self._read_along(visit, request, wanted, arriving, fetch)
            case Joinable(fetch=fetch):
                visit.waited = True
                if fetch.all_arrived and isinstance(await self.flights.over(flight, on_gone), WaiterGone):
                    raise PeerGone
                return False
            case LookAgain(overtaken):
                visit.waited = not overtaken  # a 304 that made nothing fresh for this request: the next one would not either
                return False
            case Alone() | WaitedTooLong():
                visit.waited = True
                return False
            case StandIn(answer):
                return await self._stand_in(visit, request, wanted, answer)
            case Failed(problem):
                await self._deliver_failure(visit, request, wanted, problem)
                return True
            case WaiterGone():
                raise PeerGone
            case Full():
                self._own_answer(visit, failed(ProxyError.CONNECTION_LIMIT_REACHED, "too many requests wait for this answer (waiters)"))
                return True
            case _:
                assert_never(landing)

    async def _read_along(
        self, visit: Visit, request: PresentedRequest, wanted: Validate | Miss, arriving: StoredResponse, fetch: Fetch
    ) -> bool:
        """Take the answer that is arriving for somebody else, if it would be reused for this request and nothing has covered it."""
        selected = wanted.stored if isinstance(wanted, Validate) else wanted.selected
        if selected is not None and (arriving.position, arriving.start) < (selected.position, selected.start):
            visit.waited = True  # what is arriving there is older than what this request found, stale as it is: new, then old
            return False
        verdict = self._verdict(arriving)
        decision = decide(request, [(arriving, verdict)], self.parts.lead.profile, self.clock.now())
        overtaken = not isinstance(verdict, Clean)  # by a soft entry, too: whoever came after that would get it unmarked
        if overtaken or not isinstance(decision, (Hit, StaleHit)) or not fetch.spool.joinable or fetch.head is None:
            # Another variant flies apart from now on, and what was overtaken on its way is asked for anew for all: worth one more look.
            worth = overtaken or (isinstance(decision, Miss) and decision.reason is Reason.VARY_MISMATCH)
            visit.waited = visit.looked_again or not worth
            visit.looked_again = True
            return False
        visit.handled, visit.reason = Handled.MISS, wanted.reason
        reader = fetch.spool.reader()
        connection = visit.exchange.connection
        connection.on_gone = reader.leave
        status = self._status_line(visit, request, wanted.reason, fwd=wanted.fwd, fwd_status=fetch.head.status, collapsed=True)
        ours = [status, server_timing("collapsed", visit.origin_s)[0]]
        try:
            # The fields as they are stored: what is for one user alone, such as a cookie that is stripped, is for the one who asked.
            head = ResponseHead(arriving.status, arriving.reason, fetch.head.minor, arriving.fields)
            names, withheld = self._names(visit), self._withheld(visit)
            if not await deliver_arriving(visit.exchange, fetch, reader, head, ours, names, withheld, own_conditions=True):
                visit.flags |= Flag.BODY_BROKEN
                visit.reason = Reason.INCOMPLETE
        finally:
            reader.leave()
        return True

    async def _lead(
        self, visit: Visit, request: PresentedRequest, wanted: Validate | Miss, flight: Flight | None, key: FlightKey | None
    ) -> None:
        """Ask the origin for a response that may be stored, and answer with what it comes to."""
        visit.handled, visit.reason = Handled.MISS, wanted.reason
        exchange = visit.exchange
        site = visit.site
        assert site is not None
        lead = Lead(self.parts.lead, request, wanted, flight, key, site.pool, 0, None, self._on_interim(visit, request.fields))
        exchange.connection.on_gone = lead.client_left
        answer = await lead.ask()
        fetch = lead.fetch
        assert fetch is not None
        self._note_origin(visit, fetch)
        if exchange.connection.closed:
            lead.client_left()
            raise PeerGone
        if isinstance(answer, Problem):
            if isinstance(lead.conclusion, ServeStale):
                return await self._deliver_stale(visit, request, lead.conclusion.stored, lead.conclusion.reason, wanted.fwd, answer)
            visit.reason = lead.conclusion.reason
            return self._own_answer(visit, answer)
        try:
            await self._deliver_conclusion(visit, request, wanted, lead, fetch, answer)
        finally:
            lead.client_left()  # nobody reads any more; what may be stored goes on

    async def _deliver_conclusion(
        self, visit: Visit, request: PresentedRequest, wanted: Validate | Miss, lead: Lead, fetch: Fetch, answer: ResponseHead
    ) -> None:
        conclusion = lead.conclusion
        match conclusion:
            case Freshen(stored=old, reason=reason):
                refreshed = lead.refreshed
                if refreshed is None:  # purged by a name that it got only now: the origin has just said that it holds, for this request
                    refreshed = old
                age_s, ttl_s = freshness(refreshed, self._verdict(refreshed), self.clock.now())
                status = self._status_line(visit, request, wanted.reason, fwd=wanted.fwd, fwd_status=answer.status, ttl_s=ttl_s)
                ours = [status, server_timing("validated", fetch.origin_s)[0]]
                visit.reason = reason
                if not await self._from_store(visit, request, refreshed, age_s, ours):
                    self._own_answer(visit, failed(ProxyError.PROXY_INTERNAL_ERROR, "what is stored is damaged; ask again"))
            case ServeStale(stored, reason):
                await self._deliver_stale(visit, request, stored, reason, wanted.fwd, None, answer.status)
            case Store() | Combine():
                status = self._status_line(visit, request, wanted.reason, fwd=wanted.fwd, fwd_status=answer.status, stored=True)
                await self._pass_on(visit, fetch, lead.whole or answer, status, "miss", own_conditions=True)
            case Forward(reason=reason):
                status = self._status_line(visit, request, reason, fwd=wanted.fwd, fwd_status=answer.status)
                await self._pass_on(visit, fetch, lead.whole or answer, status, "miss", own_conditions=True)
            case RepeatUnconditionally():
                raise AssertionError("Lead.ask repeats by itself")
            case _:
                assert_never(conclusion)

    async def _pass(self, visit: Visit, request: PresentedRequest, passed: Pass, upgrade: bytes | None) -> None:
        """The origin's affair altogether. Its answer to an unsafe method invalidates before anybody sees it."""
        visit.handled, visit.reason = Handled.PASS, passed.reason
        exchange = visit.exchange
        site = visit.site
        assert site is not None
        head = RequestHead(request.method, request.target, 1, request.fields)
        framing = exchange.connection.request_framing
        on_interim = self._on_interim(visit, request.fields)
        fetch = Fetch(self.parts.lead.fetch, site.pool, self.log.head, head, framing, exchange.content, on_interim)
        if request.method not in SAFE:
            assert visit.placed is not None
            self._watch_unsafe(request, fetch, visit.placed.site)
        exchange.connection.on_gone = fetch.client_left
        fetch.begin()
        answer = await fetch.arrived
        self._note_origin(visit, fetch)
        if exchange.connection.closed:
            fetch.client_left()
            raise PeerGone
        if isinstance(answer, Problem):
            return self._own_answer(visit, answer)
        if answer.status == 101:
            return self._open_tunnel(visit, fetch, answer, upgrade)
        try:
            status = self._status_line(visit, request, passed.reason, fwd=passed.fwd, fwd_status=answer.status, stored=fetch.spool.storable)
            await self._pass_on(visit, fetch, answer, status, "pass", own_conditions=False)
        finally:
            fetch.client_left()

    def _watch_unsafe(self, request: PresentedRequest, fetch: Fetch, site: Site) -> None:
        """What the request changed, it changed; also when its client left before it saw the answer (RFC 9111 4.4, RFC 9875 3).

        The answer itself may be storable (RFC 9110 9.3.3); it then carries the position of the entries that it caused.
        """
        plan: list[Store] = []

        def held_under(named: Key) -> Key:
            """The key of a URL that the answer names, by whichever of the site's names: the origin's own is the one it knows best."""
            if site.is_called(named.host):
                named = named._replace(scheme=request.key.scheme, host=request.key.host)
            return self.parts.keyed(named)

        def on_head(head: ResponseHead) -> bool:
            # Before its own entries are appended: who purged while the origin worked on this must not get what it brings.
            tags = every_tag(head.fields, self.parts.lead.profile)
            standing = self.log.verdict(request.key, fetch.position, groups_of(head.fields), tags, unknown_covers=True)
            if fetch.position < self.log.swept:
                standing = HardCovered(self.log.swept)  # what covers it may be forgotten: it held nothing back
            named = [value for name in (b"location", b"content-location") for value in values(head.fields, name)]
            own = request.key._replace(target=request.target, extra=b"")
            self.parts.doors.invalidate_after_unsafe(own, head.status, named, invalidated_groups(head.fields), held_under)
            answer = Answer(head, fetch.request_time, fetch.response_time, fetch.offset_s)
            fetch.position = max(fetch.position, self.log.head)
            verdict = self.log.verdict(request.key, fetch.position)
            outcome = conclude(request, None, answer, verdict, self.parts.lead.profile, self.clock.now())
            if isinstance(outcome, Store) and isinstance(standing, Clean):
                plan.append(outcome)
                self.log.begin_asking(fetch.position)  # until it is stored: there are few of these
                fetch.ended = partial(self.log.end_asking, fetch.position)
            return bool(plan)

        def completed(head: ResponseHead) -> None:
            answer = Answer(head, fetch.request_time, fetch.response_time, fetch.offset_s)
            stored = stored_response(plan[0], request, answer, fetch.spool.body(), fetch.position, fetch.start)
            if stored is not None and not isinstance(self._verdict(stored), HardCovered):
                self.store.put(stored)

        fetch.on_head, fetch.completed = on_head, completed

    def _refresh_later(self, request: PresentedRequest, wanted: Validate | Miss, site: SiteParts) -> None:
        """Validate or fetch in the background what was just served stale: once per key and variant, unless a purge came in between."""
        key = self.flight_key(request)
        running = self.refreshing.get(key)
        if running is not None and isinstance(self.log.verdict(request.key, running), type(self.log.verdict(request.key, self.log.head))):
            return
        if len(self.refreshing) >= self.parts.refreshes or self.flights.find(key) is not None:
            return
        self.refreshing[key] = self.log.head
        keeps_range = isinstance(wanted, Miss) and wanted.selected is not None and wanted.selected.part is not None
        dropped = frozenset() if keeps_range else frozenset((b"range", b"if-range"))
        fields = [one for one in request.fields if one[1] not in dropped and one[1] != b"expect"]
        anew = PresentedRequest(b"GET", request.key, fields, False, request.cache_control, target=request.target, rule=request.rule)
        flight = None if keeps_range else self.flights.begin(key, self.log.head)
        self.parts.lead.fetch.tasks.start(self._refresh(anew, wanted, flight, site, key), "refresh")

    async def _refresh(
        self, request: PresentedRequest, wanted: Validate | Miss, flight: Flight | None, site: SiteParts, key: FlightKey
    ) -> None:
        lead = Lead(self.parts.lead, request, wanted, flight, None if flight is None else key, site.pool)
        try:
            await lead.ask()
        finally:
            lead.client_left()
            self.refreshing.pop(key, None)

    # steps of the story

    def _place(self, visit: Visit) -> Problem | None:
        """Which site, which URL, and what the client calls it."""
        exchange = visit.exchange
        head = exchange.request
        first = next(iter(self.parts.site_parts.values()))
        scheme = first.forwarder.scheme(head, exchange.peer_ip, self.parts.scheme)
        located = locate(head, scheme, self.parts.default_host)
        if isinstance(located, Problem):
            return located
        visit.located = located
        placed = self.parts.sites.place(located)
        if placed is None:
            known = ", ".join(self.parts.sites.hosts())
            return Problem(ProxyError.HTTP_REQUEST_ERROR, f"no site answers to {located.host.decode()!a}; there are: {known}", 404)
        visit.placed = placed
        visit.site = self.parts.site_parts[placed.site.name]
        return None

    def _turned_away(self, head: RequestHead) -> Problem | None:
        """Requests that get no further, whatever is stored."""
        if head.method == b"CONNECT":
            return refused(405, "CONNECT is not for a gateway: the edge is no forward proxy")
        if is_preflight(head):
            return preflight_refused()
        return has_been_here(head, self.parts.pseudonym)

    def _present(self, exchange: Exchange, placed: Placed, fields: Fields) -> PresentedRequest:
        scheme, host, path = placed.located
        rule = self.parts.site_parts[placed.site.name].rules.match(host, path)
        key = cache_key(scheme, host, path, fields, self.parts.lead.profile, rule)
        directives = parse_cache_control(values(fields, b"cache-control"))
        return PresentedRequest(
            exchange.method, key, fields, exchange.content is not None, directives, target=path, rule=rule, ranges_max=self.parts.ranges
        )

    async def candidates(self, request: PresentedRequest) -> Sequence[tuple[StoredResponse, Verdict]]:
        """What is stored under the request's key, each with what the log says about it; covered for good is thrown away in passing."""
        if request.method not in (b"GET", b"HEAD"):
            return ()
        found = self.store.candidates(request.key)
        if found is None:
            found = await self.store.load(request.key)
        judged = [(stored, self._verdict(stored)) for stored in found]
        for stored, verdict in judged:
            if isinstance(verdict, HardCovered):
                self.store.discard(stored)
        return judged

    def _verdict(self, stored: StoredResponse) -> Verdict:
        return self.log.judge(stored)

    def flight_key(self, request: PresentedRequest) -> FlightKey:
        """Requests for variants that are known to differ fly apart."""
        names = self.flights.nominated(request.key)
        if not names:
            return request.key, ()
        variant = vary_of([(b"", b"vary", b", ".join(names))], request.fields, self.parts.lead.profile)
        return request.key, variant or ()

    def _names(self, visit: Visit) -> NameMap:
        if visit.names is None:
            assert visit.placed is not None
            visit.names = NameMap(visit.placed)
        return visit.names

    def _withheld(self, visit: Visit) -> Withheld:
        return self.withheld_from_debug if visit.debug else self.withheld

    def _status_line(
        self,
        visit: Visit,
        request: PresentedRequest,
        reason: Reason,
        *,
        fwd: Fwd | None = None,
        fwd_status: int | None = None,
        ttl_s: int | None = None,
        stored: bool = False,
        collapsed: bool = False,
    ) -> bytes:
        key = request.key.url if visit.debug else None
        value = cache_status(reason, fwd=fwd, fwd_status=fwd_status, ttl_s=ttl_s, stored=stored, collapsed=collapsed, key=key)
        return b"Cache-Status: " + value

    def _on_interim(self, visit: Visit, fields: Fields) -> Callable[[ResponseHead], None]:
        exchange, withheld = visit.exchange, self._withheld(visit)
        expects = any(name == b"expect" for _, name, _ in fields)

        def on_interim(head: ResponseHead) -> None:
            if head.status != 100 or expects:  # a 100 is for who waits for it (RFC 9110 15.2.1)
                exchange.write_interim(interim(head, withheld))

        return on_interim

    def _note_origin(self, visit: Visit, fetch: Fetch) -> None:
        visit.origin_s = self.clock.monotonic() - fetch.began
        if fetch.reused:
            visit.flags |= Flag.ORIGIN_REUSED

    async def _from_store(
        self, visit: Visit, request: PresentedRequest, stored: StoredResponse, age_s: float, ours: Sequence[bytes]
    ) -> bool:
        try:
            names, withheld = self._names(visit), self._withheld(visit)
            whole = await deliver_stored(visit.exchange, request, stored, age_s, ours, names, withheld)
        except BrokenStored as broken:
            self.store.broken(stored, broken)
            if not visit.exchange.started:
                return False
            whole = False
        if not whole:
            self.store.discard(stored)
            visit.flags |= Flag.BODY_BROKEN
            visit.reason = Reason.INCOMPLETE
        return True

    async def _pass_on(self, visit: Visit, fetch: Fetch, answer: ResponseHead, status: bytes, decision: str, own_conditions: bool) -> None:
        if is_event_stream(answer.fields):
            visit.exchange.connection.close_when_client_ends()
        ours = [status, server_timing(decision, fetch.origin_s)[0]]
        names, withheld = self._names(visit), self._withheld(visit)
        if not await deliver_arriving(visit.exchange, fetch, fetch.reader, answer, ours, names, withheld, own_conditions):
            visit.flags |= Flag.BODY_BROKEN
            visit.reason = Reason.INCOMPLETE

    def _conclude_for_waiter(self, request: PresentedRequest, wanted: Validate | Miss, outcome: Answer | Failure) -> ServeStale | None:
        """Somebody else's question got an error or no answer: what this request selected, if it may stand in for it."""
        selected = wanted.stored if isinstance(wanted, Validate) else wanted.selected
        judged = None if selected is None else (selected, self._verdict(selected))
        verdict = self.log.verdict(request.key, self.log.head)
        conclusion = conclude(request, judged, outcome, verdict, self.parts.lead.profile, self.clock.now())
        return conclusion if isinstance(conclusion, ServeStale) else None

    async def _stand_in(self, visit: Visit, request: PresentedRequest, wanted: Validate | Miss, answer: Answer) -> bool:
        stale = self._conclude_for_waiter(request, wanted, answer)
        if stale is None:
            visit.waited = True
            return False
        await self._deliver_stale(visit, request, stale.stored, stale.reason, wanted.fwd, None, answer.head.status)
        return True

    async def _deliver_failure(self, visit: Visit, request: PresentedRequest, wanted: Validate | Miss, problem: Problem) -> None:
        stale = self._conclude_for_waiter(request, wanted, Failure())
        if stale is not None:
            return await self._deliver_stale(visit, request, stale.stored, stale.reason, wanted.fwd, problem)
        visit.reason = wanted.reason
        self._own_answer(visit, problem)

    async def _deliver_stale(
        self,
        visit: Visit,
        request: PresentedRequest,
        stored: StoredResponse,
        reason: Reason,
        fwd: Fwd,
        problem: Problem | None,
        fwd_status: int | None = None,
    ) -> None:
        """What is stored stands in for an answer: no `hit`, for the request was forwarded (RFC 9211 2.1); Proxy-Status says what failed."""
        visit.handled, visit.reason = Handled.STALE, reason
        age_s, ttl_s = freshness(stored, self._verdict(stored), self.clock.now())
        ours = [self._status_line(visit, request, reason, fwd=fwd, fwd_status=fwd_status, ttl_s=ttl_s)]
        if problem is not None:
            ours.append(b"Proxy-Status: " + proxy_status(problem))
        if not await self._from_store(visit, request, stored, age_s, ours):
            self._own_answer(visit, problem or failed(ProxyError.PROXY_INTERNAL_ERROR, "what is stored is damaged; ask again"))

    def _open_tunnel(self, visit: Visit, fetch: Fetch, answer: ResponseHead, upgrade: bytes | None) -> None:
        """The origin switches protocols: from now on bytes pass both ways, and nobody looks at them."""
        origin = fetch.connection
        assert origin is not None
        if upgrade is None:
            origin.abort()
            return self._own_answer(visit, failed(ProxyError.HTTP_UPGRADE_FAILED))
        visit.handled = Handled.TUNNEL
        exchange = visit.exchange
        exchange.status = 101
        exchange.started = True
        client = exchange.connection
        client.transport.write(switching(answer, self._withheld(visit)))
        client.join_tunnel(origin, self.parts.tunnel_idle_timeout_s)

    async def _invalidate(self, visit: Visit) -> None:
        visit.handled = Handled.INVALIDATION
        exchange = visit.exchange
        assert visit.located is not None
        done = await self.parts.purge_door.purge(exchange.request, Key(*visit.located), exchange.peer_ip)
        if isinstance(done, Problem):
            return self._own_answer(visit, done)
        acknowledge(exchange, done, self.parts.purge_not_stored_status, self.clock.now() - self.clock.offset_s)

    def _last_hop(self, visit: Visit) -> None:
        lines, body = answer_last_hop(visit.exchange.request)
        visit.exchange.write_head(200, lines, len(body), (body,) if body else ())
        visit.exchange.finish()

    # answers of our own, and the record

    def _own_answer(self, visit: Visit, problem: Problem) -> None:
        exchange = visit.exchange
        if visit.handled is not Handled.INVALIDATION:
            visit.handled = Handled.OWN
        if exchange.content is not None and not exchange.content.complete:
            exchange.keep_alive = False
        real_now = self.clock.now() - self.clock.offset_s
        origin = visit.site.origin_name if visit.site is not None else ""
        lines, body = own_answer(problem, exchange.request, origin, real_now)
        if exchange.method == b"HEAD":
            exchange.write_head(problem.status, lines, 0)
        else:
            exchange.write_head(problem.status, lines, len(body), (body,))
        exchange.finish()

    def _break_off(self, visit: Visit) -> None:
        visit.flags |= Flag.BODY_BROKEN
        if visit.exchange.started:
            visit.exchange.cut()
        else:
            self._own_answer(visit, failed(ProxyError.PROXY_INTERNAL_ERROR))

    def _visit(self, exchange: Exchange) -> Visit:
        clock = self.clock
        return Visit(exchange, self.parts.records.next_id(), clock.now(), clock.monotonic(), self.parts.sees_debug(exchange.peer_ip))

    def _record(self, visit: Visit) -> None:
        exchange = visit.exchange
        placed = visit.placed
        row = Row(
            request_id=visit.request_id,
            started=visit.started,
            duration_us=int((self.clock.monotonic() - visit.began) * 1e6),
            origin_us=int(visit.origin_s * 1e6),
            status=exchange.status,
            handled=visit.handled,
            reason=visit.reason,
            method=exchange.method,
            host=placed.used_host if placed is not None else combined(exchange.request.fields, b"host") or b"",
            target=placed.located.path if placed is not None else exchange.request.target,
            bytes_in=exchange.content.total_bytes if exchange.content is not None else 0,
            bytes_out=exchange.bytes_out,
            flags=visit.flags | (Flag.KEPT_ALIVE if exchange.keep_alive else 0),
        )
        self.parts.records.add(row)
        self.parts.write_line(row)


def _asks_for_part(request: PresentedRequest) -> bool:
    return any(name == b"range" or name == b"if-range" for _, name, _ in request.fields)
