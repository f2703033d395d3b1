"""The life of a request, in the order in which things happen. What each step decides comes from caching/; here it is carried out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from edgecache.caching.cache_status import cache_status
from edgecache.caching.conclude import Answer, Failure, Forward, ServeStale, Store, conclude
from edgecache.caching.decide import Hit, Miss, Pass, Refuse, decide
from edgecache.caching.freshness import freshness
from edgecache.caching.key import cache_key
from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.request import PresentedRequest
from edgecache.caching.stored import StoredResponse
from edgecache.caching.verdict import HardCovered, Verdict
from edgecache.clock import Clock
from edgecache.edge.answers import own_answer
from edgecache.edge.deliver import deliver_fetched, deliver_stored, interim, switching
from edgecache.edge.fetch import Fetch, FetchParts, is_event_stream
from edgecache.edge.forward import Forwarder, wanted_upgrade, without_conditions
from edgecache.edge.hops import answer_last_hop, next_hop
from edgecache.edge.invalidate import METHODS, PurgeDoor, answer_purge, is_preflight, preflight_refused
from edgecache.edge.target import Located, has_been_here, locate
from edgecache.http1.exchange import Exchange
from edgecache.http1.problem import PeerGone, Problem, failed, refused
from edgecache.invalidation.doors import Doors
from edgecache.invalidation.log import InvalidationLog
from edgecache.record import Flag, Handled, Records, Row
from edgecache.semantics.cache_control import parse_cache_control
from edgecache.semantics.message import Fields, RequestHead, ResponseHead, combined, values
from edgecache.semantics.proxy_status import ProxyError
from edgecache.store.memory import MemoryStore

SAFE = frozenset(
    (b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"QUERY", b"PROPFIND", b"REPORT", b"SEARCH")
)  # RFC 9110 9.2.1 and the IANA registry


@dataclass(frozen=True, slots=True)
class FlowParts:
    """What the flow works with; built by app.py."""

    clock: Clock
    profile: Profile
    log: InvalidationLog
    store: MemoryStore
    doors: Doors
    purge_door: PurgeDoor
    forwarder: Forwarder
    fetch: FetchParts
    records: Records
    origin_name: str  # as people write it, for pages
    default_host: bytes  # for HTTP/1.0 requests without Host
    scheme: bytes  # under which the listener is known
    tunnel_idle_timeout_s: float
    report: Callable[[str, BaseException], None]
    write_line: Callable[[Row], None]


class Visit:
    """One request on its way through the flow, and what its record will say."""

    __slots__ = ("began", "exchange", "flags", "handled", "located", "origin_s", "reason", "request_id", "started")

    def __init__(self, exchange: Exchange, request_id: int, started: float, began: float) -> None:
        self.exchange = exchange
        self.request_id = request_id
        self.started = started
        self.began = began
        self.located: Located | None = None
        self.handled = Handled.OWN
        self.reason: Reason | None = None
        self.origin_s = 0.0
        self.flags = 0


class Flow:
    """Answers the requests of one edge."""

    def __init__(self, parts: FlowParts) -> None:
        self.parts = parts

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
        scheme = parts.forwarder.scheme(head, exchange.peer_ip, parts.scheme)
        located = locate(head, scheme, parts.default_host)
        if isinstance(located, Problem):
            return self._own_answer(visit, located)
        visit.located = located
        problem = self._turned_away(head)
        if problem is not None:
            return self._own_answer(visit, problem)
        if head.method in METHODS:
            return self._invalidate(visit, located)
        hop = next_hop(head)
        if hop is None:
            return self._last_hop(visit)

        upgrade = wanted_upgrade(head)
        framing = 0 if exchange.content is None else exchange.connection.request_framing
        fields = parts.forwarder.fields(hop, located, exchange.peer_ip, framing, upgrade)
        request = self._present(exchange, located, fields)
        now = parts.clock.now()
        match decide(request, self._candidates(request), parts.profile, now):
            case Hit() as hit:
                await self._deliver_hit(visit, hit, now)
            case Miss() as miss:
                await self._fetch(visit, request, miss, framing)
            case Pass() as passed:
                await self._pass(visit, request, passed, framing, upgrade)
            case Refuse() as refusal:
                visit.reason = refusal.reason
                self._own_answer(visit, Problem(ProxyError.PROXY_INTERNAL_RESPONSE, refusal.reason.sentence, refusal.status))
            case never:
                assert_never(never)

    async def _deliver_hit(self, visit: Visit, hit: Hit, now: float) -> None:
        visit.handled, visit.reason = Handled.HIT, hit.reason
        hit.stored.hits += 1
        age_s, ttl_s = freshness(hit.stored, self._verdict(hit.stored), now)
        await deliver_stored(visit.exchange, hit.stored, age_s, cache_status(hit.reason, ttl_s=ttl_s))

    async def _fetch(self, visit: Visit, request: PresentedRequest, miss: Miss, framing: int) -> None:
        """Nothing stored will do: ask the origin for a response that may be stored, pass it on, and keep it if it may be kept."""
        visit.handled, visit.reason = Handled.MISS, miss.reason
        own_conditions = request.method == b"GET"
        fields = without_conditions(request.fields) if own_conditions else request.fields
        fetch = self._new_fetch(visit, request, fields, framing)
        plan: list[Store | Forward] = []

        def on_head(head: ResponseHead) -> bool:
            answer = Answer(head, fetch.request_time, fetch.response_time, fetch.offset_s)
            outcome = self._conclude(request, miss.selected, answer, fetch)
            assert not isinstance(outcome, ServeStale)
            plan.append(outcome)
            return isinstance(outcome, Store)

        def completed(head: ResponseHead, body: tuple[bytes, ...]) -> None:
            if isinstance(plan[0], Store):
                self._keep(request, plan[0], head, body, fetch)

        fetch.on_head, fetch.completed = on_head, completed
        answer = await self._begin(visit, fetch)
        if isinstance(answer, Problem):
            outcome = self._conclude(request, miss.selected, Failure(), fetch)
            if isinstance(outcome, ServeStale):
                return await self._deliver_stale(visit, outcome, miss)
            visit.reason = outcome.reason if miss.selected is not None else miss.reason
            return self._own_answer(visit, answer)
        if isinstance(plan[0], Store) and not fetch.spool.storable:
            plan[0] = Forward(Reason.TOO_LARGE)
        stored = isinstance(plan[0], Store)
        status = cache_status(miss.reason if stored else plan[0].reason, fwd=miss.fwd, fwd_status=answer.status, stored=stored)
        await self._pass_on(visit, fetch, answer, status, "miss", own_conditions)

    async def _pass(self, visit: Visit, request: PresentedRequest, passed: Pass, framing: int, upgrade: bytes | None) -> None:
        """The origin's affair altogether. Its answer to an unsafe method invalidates before anybody sees it."""
        visit.handled, visit.reason = Handled.PASS, passed.reason
        fetch = self._new_fetch(visit, request, request.fields, framing)
        if request.method not in SAFE:

            def invalidate(head: ResponseHead) -> bool:
                """What the request changed, it changed; also when its client left before it saw the answer."""
                named = [value for name in (b"location", b"content-location") for value in values(head.fields, name)]
                self.parts.doors.invalidate_after_unsafe(request.key, head.status, named)
                return False

            fetch.on_head = invalidate
        answer = await self._begin(visit, fetch)
        if isinstance(answer, Problem):
            return self._own_answer(visit, answer)
        if answer.status == 101:
            return self._open_tunnel(visit, fetch, answer, upgrade)
        await self._pass_on(visit, fetch, answer, cache_status(passed.reason, fwd=passed.fwd, fwd_status=answer.status), "pass", False)

    # steps of the story

    def _turned_away(self, head: RequestHead) -> Problem | None:
        """Requests that get no further, whatever is stored."""
        if head.method == b"CONNECT":
            return refused(405, "CONNECT is not for a gateway: the edge is no forward proxy")
        if is_preflight(head):
            return preflight_refused()
        return has_been_here(head, self.parts.forwarder.pseudonym)

    def _present(self, exchange: Exchange, located: Located, fields: Fields) -> PresentedRequest:
        key = cache_key(located.scheme, located.host, located.path, self.parts.profile)
        directives = parse_cache_control(values(fields, b"cache-control"))
        return PresentedRequest(exchange.method, key, fields, exchange.content is not None, directives)

    def _candidates(self, request: PresentedRequest) -> Sequence[tuple[StoredResponse, Verdict]]:
        """What is stored under the request's key, each with what the log says about it; covered for good is thrown away in passing."""
        if request.method not in (b"GET", b"HEAD"):
            return ()
        judged = [(stored, self._verdict(stored)) for stored in self.parts.store.candidates(request.key)]
        for stored, verdict in judged:
            if isinstance(verdict, HardCovered):
                self.parts.store.discard(stored)
        return judged

    def _verdict(self, stored: StoredResponse) -> Verdict:
        return self.parts.log.verdict(stored.key, stored.position)

    def _conclude(
        self, request: PresentedRequest, selected: StoredResponse | None, outcome: Answer | Failure, fetch: Fetch
    ) -> Store | ServeStale | Forward:
        """Judge the end of a fetch. What was selected may have been purged while the origin was asked."""
        if selected is not None and isinstance(self._verdict(selected), HardCovered):
            selected = None
        verdict = self.parts.log.verdict(request.key, fetch.position)
        return conclude(request, selected, outcome, verdict, self.parts.profile, self.parts.clock.now())

    def _new_fetch(self, visit: Visit, request: PresentedRequest, fields: Fields, framing: int) -> Fetch:
        exchange = visit.exchange
        expects = any(name == b"expect" for _, name, _ in fields)

        def on_interim(head: ResponseHead) -> None:
            if head.status != 100 or expects:  # a 100 is for who waits for it (RFC 9110 15.2.1)
                exchange.write_interim(interim(head))

        head = RequestHead(request.method, request.key.target, 1, fields)
        return Fetch(self.parts.fetch, self.parts.log.head, head, framing, exchange.content, on_interim)

    async def _begin(self, visit: Visit, fetch: Fetch) -> ResponseHead | Problem:
        """Ask the origin and wait for the head of its answer."""
        connection = visit.exchange.connection
        connection.on_gone = fetch.client_left
        fetch.begin()
        answer = await fetch.arrived
        visit.origin_s = self.parts.clock.monotonic() - fetch.began
        if fetch.reused:
            visit.flags |= Flag.ORIGIN_REUSED
        if connection.closed:
            fetch.client_left()
            raise PeerGone
        return answer

    async def _pass_on(self, visit: Visit, fetch: Fetch, answer: ResponseHead, status: bytes, decision: str, own_conditions: bool) -> None:
        if is_event_stream(answer.fields):
            visit.exchange.connection.close_when_client_ends()
        try:
            if not await deliver_fetched(visit.exchange, fetch, answer, status, decision, own_conditions):
                visit.flags |= Flag.BODY_BROKEN
                visit.reason = Reason.INCOMPLETE
        finally:
            fetch.client_left()  # nobody reads any more; what may be stored goes on

    def _keep(self, request: PresentedRequest, plan: Store, head: ResponseHead, body: tuple[bytes, ...], fetch: Fetch) -> None:
        stored = StoredResponse(
            key=request.key,
            status=head.status,
            reason=head.reason,
            fields=plan.fields,
            vary=plan.vary,
            body=body,
            request_time=fetch.request_time,
            response_time=fetch.response_time,
            offset_s=fetch.offset_s,
            position=fetch.position,
            start=fetch.start,
            lifetime_s=plan.lifetime_s,
            initial_age_s=plan.initial_age_s,
        )
        if not isinstance(self._verdict(stored), HardCovered):  # purged while its content was arriving
            self.parts.store.put(stored)

    async def _deliver_stale(self, visit: Visit, outcome: ServeStale, miss: Miss) -> None:
        """Nobody answered, and what is stored may stand in: no `hit`, for the request was forwarded (RFC 9211 2.1)."""
        visit.handled, visit.reason = Handled.STALE, outcome.reason
        stored = outcome.stored
        age_s, ttl_s = freshness(stored, self._verdict(stored), self.parts.clock.now())
        await deliver_stored(visit.exchange, stored, age_s, cache_status(outcome.reason, fwd=miss.fwd, ttl_s=ttl_s))

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
        client.transport.write(switching(answer))
        client.join_tunnel(origin, self.parts.tunnel_idle_timeout_s)

    def _invalidate(self, visit: Visit, located: Located) -> None:
        visit.handled = Handled.INVALIDATION
        exchange = visit.exchange
        outcome = self.parts.purge_door.purge(exchange.request, located, exchange.peer_ip)
        if isinstance(outcome, Problem):
            return self._own_answer(visit, outcome)
        answer_purge(exchange, outcome)

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
        real_now = self.parts.clock.now() - self.parts.clock.offset_s
        lines, body = own_answer(problem, exchange.request, self.parts.origin_name, real_now)
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
        clock = self.parts.clock
        return Visit(exchange, self.parts.records.next_id(), clock.now(), clock.monotonic())

    def _record(self, visit: Visit) -> None:
        exchange = visit.exchange
        located = visit.located
        host = located.host if located is not None else combined(exchange.request.fields, b"host") or b""
        row = Row(
            request_id=visit.request_id,
            started=visit.started,
            duration_us=int((self.parts.clock.monotonic() - visit.began) * 1e6),
            origin_us=int(visit.origin_s * 1e6),
            status=exchange.status,
            handled=visit.handled,
            reason=visit.reason,
            method=exchange.method,
            host=host,
            target=located.path if located is not None else exchange.request.target,
            bytes_in=exchange.content.total_bytes if exchange.content is not None else 0,
            bytes_out=exchange.bytes_out,
            flags=visit.flags | (Flag.KEPT_ALIVE if exchange.keep_alive else 0),
        )
        self.parts.records.add(row)
        self.parts.write_line(row)
