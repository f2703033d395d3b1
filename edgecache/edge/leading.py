"""A fetch whose answer may be stored: what is asked, what the answer comes to, what is kept, and what those who wait for it are told.

The same for a client's miss, a validation and a refresh in the background; only who reads the answer differs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from edgecache.caching.conclude import conclude
from edgecache.caching.conclusion import (
    Answer,
    Combine,
    Conclusion,
    Failure,
    Forward,
    Freshen,
    Keep,
    RepeatUnconditionally,
    ServeStale,
    Store,
)
from edgecache.caching.decide import Miss, Validate
from edgecache.caching.freshness import Derived
from edgecache.caching.keeping import combined, freshened, stored_response, with_soft
from edgecache.caching.parts import completed_head
from edgecache.caching.profile import Profile
from edgecache.caching.reasons import Reason
from edgecache.caching.request import PresentedRequest
from edgecache.caching.stand_in import ERROR_STATUSES
from edgecache.caching.stored import Content, StoredResponse
from edgecache.caching.tags import every_tag
from edgecache.caching.vary import normalised_for_origin, vary_matches
from edgecache.caching.verdict import Clean, HardCovered, SoftCovered, Verdict
from edgecache.edge.activity import Activity
from edgecache.edge.collapse import Alone, Failed, Flight, FlightKey, Flights, Joinable, LookAgain, StandIn
from edgecache.edge.fetch import Fetch, FetchParts
from edgecache.edge.forward import without_conditions
from edgecache.edge.order import Order, Underway
from edgecache.edge.parts import content_of, joined
from edgecache.http1.incoming import Incoming
from edgecache.http1.pool import Pool
from edgecache.http1.problem import Problem
from edgecache.invalidation.log import InvalidationLog
from edgecache.semantics.groups import groups_of
from edgecache.semantics.message import Fields, RequestHead, ResponseHead
from edgecache.store.tiers import Store as StoreTiers

# Reasons for not sharing an answer that lie in this one request: another one's answer may well be shared, so nobody is kept from waiting.
_PERSONAL = frozenset((Reason.AUTHORIZATION, Reason.HEAD_NOT_STORED, Reason.OVERTAKEN))


@dataclass(frozen=True, slots=True)
class LeadParts:
    """What every lead of an edge works with."""

    profile: Profile
    log: InvalidationLog
    store: StoreTiers
    flights: Flights
    fetch: FetchParts
    activity: Activity
    arriving: set[StoredResponse]  # what is being stored just now, for the sweeper
    order: Order = field(default_factory=Order)


class ArrivingContent:
    """Stands for content that is still arriving, in a response that is being stored. Its length is negative when nobody has said it."""

    def __init__(self, length: int) -> None:
        self.length = length


class Lead:
    """One question to the origin on behalf of `wanted`. `ask` returns when its head is there and everything has been decided.

    fetch       the latest fetch: a 304 that says nothing is asked again without conditions
    conclusion  what its answer came to
    refreshed   for Freshen: the stored response as it is after it
    whole       the head of the answer, where that is the rest of a stored part and the content in the spool is the whole; else None
    """

    def __init__(
        self,
        parts: LeadParts,
        request: PresentedRequest,
        wanted: Validate | Miss,
        flight: Flight | None,
        key: FlightKey | None,
        pool: Pool,
        framing: int = 0,
        content: Incoming | None = None,
        on_interim: Callable[[ResponseHead], None] | None = None,
    ) -> None:
        self._parts = parts
        self._request = request
        self._wanted = wanted
        self._selected = wanted.stored if isinstance(wanted, Validate) else wanted.selected
        self._flight = flight
        self._key = key
        self._pool = pool
        self._framing = framing
        self._content = content
        self._on_interim = on_interim
        self.fetch: Fetch | None = None
        self.conclusion: Conclusion = Forward(Reason.ORIGIN_FAILED)
        self.refreshed: StoredResponse | None = None
        self.whole: ResponseHead | None = None
        self.left = False
        self._completing = False  # only the rest of what is selected was asked for
        self._supersedes = False  # the answer is not stored, and shows that what is older is out of date
        self._counted = False
        self._arriving: StoredResponse | None = None
        self._asking: int | None = None  # position at which the log is held back for us
        self._underway: Underway | None = None

    async def ask(self) -> ResponseHead | Problem:
        """Ask, and again without conditions and for the whole when the answer is of no use."""
        wanted = self._wanted
        additions = wanted.conditions if isinstance(wanted, Validate) else wanted.rest
        self._completing = isinstance(wanted, Miss) and bool(wanted.rest)
        while True:
            fetch = self._begin(additions)
            answer = await fetch.arrived
            if isinstance(answer, Problem):
                self._failed(answer)
                return answer
            if not isinstance(self.conclusion, RepeatUnconditionally):
                if self._supersedes:
                    await self._drop_older()  # before anybody sees what is newer
                return answer
            fetch.client_left()
            self._selected = None
            self._completing = False
            additions = []

    def client_left(self) -> None:
        """Nobody reads the answer; the fetch goes on as long as it is of use to others."""
        self.left = True
        fetch, flight = self.fetch, self._flight
        if fetch is None:
            return
        if flight is not None and fetch.connection is None and not fetch.arrived.done() and not flight.waiters:
            # It has asked nothing yet and nobody else waits for it: it gives its place back. Newcomers make a flight of their own.
            self._parts.flights.end(flight)
            fetch.shared = False
        fetch.client_left()

    # asking

    def _begin(self, additions: Fields) -> Fetch:
        request = self._request
        fields = [*normalised_for_origin(without_conditions(request.fields)), *additions]
        head = RequestHead(request.method, request.target, 1, fields)
        position = self._parts.log.head
        if self._flight is not None:
            self._flight.position = position
        fetch = Fetch(self._parts.fetch, self._pool, position, head, self._framing, self._content, self._on_interim)
        self.fetch = fetch
        self.conclusion = Forward(Reason.ORIGIN_FAILED)
        self._answer_known()
        self._asking = position
        self._parts.log.begin_asking(position)
        self._put_in_order(fetch)
        fetch.shared = self._flight is not None
        fetch.on_head = self._on_head
        fetch.spooling = self._spooling
        fetch.all_came = self._all_came
        fetch.completed = self._completed
        fetch.ended = lambda: self._ended(fetch)
        if not self._counted:
            self._counted = True
            self._parts.activity.begin()
        fetch.begin()
        return fetch

    def _put_in_order(self, fetch: Fetch) -> None:
        parts = self._parts
        if self._underway is not None:
            parts.order.end(self._underway)
        place = (fetch.position, fetch.start)
        self._underway = Underway(self._request.key, place, parts.profile, lambda: fetch.spool.give_up())
        parts.order.begin(self._underway)

    # what the answer comes to, in the step in which it arrives

    def _on_head(self, head: ResponseHead) -> bool:
        """Decide; returns whether the content is to be kept."""
        self.conclusion = conclusion = self._conclude(self._answer)
        match conclusion:
            case Store():
                self._parts.flights.note_vary(self._request.key, conclusion.vary)
                self._mark(unless=_is_reusable(conclusion.derived))
                return True
            case Combine():
                if self._completing:
                    self._complete(conclusion, head)
                return True
            case Freshen():
                self._freshen(conclusion)
                self._outdate()
                self._mark(unless=_is_reusable(conclusion.derived))
                self._land(LookAgain(overtaken=False))
            case ServeStale():
                self._land(StandIn(self._answer))
            case RepeatUnconditionally():  # those who wait go on waiting: the next fetch is for them as well
                if self._completing and self._selected is not None:
                    self._parts.store.discard(self._selected)  # so that its rest is asked for once
            case Forward():
                self._forward(conclusion)
            case _:
                assert_never(conclusion)
        return False

    def _spooling(self) -> None:
        """The fetch's spool is ready: those who wait may read along, if the content is being kept after all."""
        conclusion, spool = self.conclusion, self._fetch.spool
        complete = isinstance(conclusion, Store) or self.whole is not None
        if complete and spool.storable:
            self._note_arriving()
        if complete or not isinstance(conclusion, Combine):
            self._answer_known()
        if spool.storable:
            spool.on_given_up = self._given_up
        elif not isinstance(conclusion, RepeatUnconditionally):
            self._uncount()
        if not complete:
            return
        arriving, underway = self._arriving, self._underway
        assert underway is not None
        if not spool.storable:
            self._supersedes = isinstance(conclusion, Store)
            self.conclusion = Forward(Reason.TOO_LARGE)
            self._not_shared(Reason.TOO_LARGE)
        elif arriving is None or underway.is_outdated(arriving):
            self.conclusion = Forward(Reason.OVERTAKEN if arriving is None else Reason.OUTDATED)
            spool.give_up()
            self._land(LookAgain(overtaken=True))
        elif arriving.part is None:
            self._land(Joinable(arriving, self._fetch))

    def _note_arriving(self) -> None:
        """The response that is being stored, all but its content. Not when the rest of a part has brought a name that was purged since."""
        plan, fetch = self.conclusion, self._fetch
        if isinstance(plan, Combine):
            arriving = self._combined(plan, ArrivingContent(fetch.framing))
            if arriving is None:
                self._parts.store.discard(plan.stored)
        else:
            assert isinstance(plan, Store)
            length = fetch.framing if plan.part is None else plan.part.last - plan.part.first + 1
            arriving = stored_response(plan, self._request, self._answer, ArrivingContent(length), fetch.position, fetch.start)
        assert self._underway is not None
        self._underway.arriving = self._arriving = arriving
        if arriving is not None:
            self._parts.arriving.add(arriving)

    def _complete(self, plan: Combine, head: ResponseHead) -> None:
        """The rest of the selected part is coming: what goes into the spool is the whole, and all is done with it that is with a whole."""
        length = plan.answered.last + 1
        self.whole = completed_head(plan.stored, head, length)
        self._fetch.goes_behind(content_of(plan.stored, self._parts.store), length)
        self._parts.flights.note_vary(self._request.key, plan.stored.vary)
        self._mark(unless=_is_reusable(plan.derived))

    def _conclude(self, outcome: Answer | Failure) -> Conclusion:
        parts = self._parts
        request = self._request
        selected = None if self._selected is None else (self._selected, self._verdict(self._selected))
        verdict = parts.log.verdict(request.key, self._fetch.position)
        return conclude(request, selected, outcome, verdict, parts.profile, parts.fetch.clock.now(), completing=self._completing)

    def _verdict(self, stored: StoredResponse) -> Verdict:
        return self._parts.log.judge(stored)

    def _freshen(self, plan: Freshen) -> None:
        """The stored response holds: it takes the place of what it was, unless that is gone by now."""
        new = freshened(plan, self._answer, self._fetch.position, self._fetch.start)
        self._parts.log.inherit(plan.stored, new)
        verdict = self._verdict(new)
        if isinstance(verdict, HardCovered):  # by a name that it has only now
            if plan.keep is not Keep.UNCHANGED:
                self._parts.store.discard(plan.stored)
            return
        if isinstance(verdict, SoftCovered):
            new = with_soft(new, verdict)  # a sweep that is under way may have been here
        self.refreshed = new
        match plan.keep:
            case Keep.UPDATED:
                self._parts.store.replace(plan.stored, new)
            case Keep.UNCHANGED:
                pass
            case Keep.DROPPED:
                self._parts.store.discard(plan.stored)
            case _:
                assert_never(plan.keep)

    def _forward(self, conclusion: Forward) -> None:
        if conclusion.update is not None:
            self._freshen(conclusion.update)
        if conclusion.outdated is not None:
            self._parts.store.discard(conclusion.outdated)
        self._supersedes = conclusion.supersedes
        self._not_shared(conclusion.reason)

    async def _drop_older(self) -> None:
        """Whatever is stored for such a request, or may come to be, and was asked for before this: nobody is to see it after this one."""
        parts, request, underway = self._parts, self._request, self._underway
        assert underway is not None
        for stored in await parts.store.load(request.key):
            if (stored.position, stored.start) < underway.place and vary_matches(stored, request.fields, parts.profile):
                parts.store.discard(stored)
        parts.order.outdate(request.key, underway.place, request.fields)

    def _outdate(self) -> None:
        """Clients get this answer: what was asked for before it, and is still on its way, is only for those who read it already.

        The store would not let it take the place of this one, as long as that is there. But it may be purged by a tag of its own.
        """
        assert self._underway is not None
        self._parts.order.outdate(self._request.key, self._underway.place, self._request.fields)

    def _given_up(self) -> None:
        """What was being stored will not be. When it goes on all the same, or has come to its end, it is seen, and what is older is not."""
        self._uncount()
        if isinstance(self.conclusion, Store) and not self._fetch.torn:
            self._parts.fetch.tasks.start(self._drop_older(), "drop older")

    def _not_shared(self, reason: Reason) -> None:
        if reason not in _PERSONAL and self._answer.head.status not in ERROR_STATUSES:  # an error says nothing about what comes after it
            self._mark(unless=False)
        self._land(LookAgain(overtaken=True) if reason is Reason.OVERTAKEN else Alone(reason))

    def _mark(self, *, unless: bool) -> None:
        """Nobody is to wait for the next fetch, unless its answer can be shared as this one can."""
        flights, key = self._parts.flights, self._key
        if key is not None and unless:
            flights.unmark(key)
        elif key is not None:
            fields = self._answer.head.fields
            flights.mark(key, self._fetch.position, groups_of(fields), every_tag(fields, self._parts.profile))

    def _failed(self, problem: Problem) -> None:
        """No answer came: whether something stale stands in is decided for everyone who waited by himself."""
        self.conclusion = self._conclude(Failure())
        self._land(Failed(problem))

    def _land(self, landing: Joinable | LookAgain | Alone | StandIn | Failed) -> None:
        flight = self._flight
        if flight is None:
            return
        if not isinstance(landing, Joinable):
            self._parts.flights.end(flight)
        flight.land(landing)

    # what is kept

    def _all_came(self) -> None:
        """All of the content has come, and who reads along may have it: from now on nobody is to see an older one."""
        if isinstance(self.conclusion, Store) and self._arriving is not None:
            self._outdate()
            if not self._fetch.spool.is_filed:
                self._parts.store.outdate(self._arriving)

    def _completed(self, head: ResponseHead) -> None:
        """All of the content is there and can be stored: from now on it is found in the store."""
        conclusion, body = self.conclusion, self._fetch.spool.body()
        match conclusion:
            case Store():
                stored = self._stored(conclusion, body)
            case Combine():
                stored = self._combined(conclusion, body)
            case _:
                return
        assert self._underway is not None
        if stored is not None and not self._underway.is_outdated(stored):
            self._parts.store.put(stored)
        elif isinstance(conclusion, Store) and self._arriving is not None:
            self._parts.store.outdate(self._arriving)  # it was purged by then, and yet clients have got it

    def _stored(self, plan: Store, body: Content) -> StoredResponse | None:
        """The response to store; None when an invalidation covers it by now, or its content is not what it claimed to be."""
        fetch = self._fetch
        stored = stored_response(plan, self._request, self._answer, body, fetch.position, fetch.start)
        if stored is None:
            return None
        if self._arriving is not None:  # what it was tested against while it arrived may be forgotten by now
            stored.tested, stored.standing = self._arriving.tested, self._arriving.standing
        verdict = self._verdict(stored)
        if isinstance(verdict, HardCovered):
            return None
        return with_soft(stored, verdict) if isinstance(verdict, SoftCovered) else stored

    def _combined(self, plan: Combine, body: Content) -> StoredResponse | None:
        """Both parts as one, if neither was purged or made stale meanwhile. `body` is that of the newer one, or the whole already."""
        fetch, first = self._fetch, plan.stored
        if not isinstance(self._verdict(first), Clean) or first.soft_since is not None:
            return None  # something came in between; the newer part is not worth the doubt
        if self.whole is None:
            assert first.part is not None
            both = joined(first.body, first.part, body, plan.answered)
            if both is None:
                return None
            body = both
        stored = combined(plan, self._answer, body, fetch.position, fetch.start)
        if stored is None:
            return None
        if self._arriving is None:
            self._parts.log.inherit(first, stored)
        else:
            stored.tested, stored.standing = self._arriving.tested, self._arriving.standing
        return stored if isinstance(self._verdict(stored), Clean) else None  # by a name that only the newer part has

    def _ended(self, fetch: Fetch) -> None:
        if fetch is not self.fetch or isinstance(self.conclusion, RepeatUnconditionally):
            return  # it is being asked again, or will be in a moment
        self._answer_known()
        if self._arriving is not None:
            # Who waited for the head may not have had his turn yet. He asks the log about this, which forgets what it was not asked by now.
            self._verdict(self._arriving)
            self._parts.arriving.discard(self._arriving)
        if self._underway is not None:
            self._parts.order.end(self._underway)
        if self._flight is not None:
            self._parts.flights.end(self._flight)
        self._uncount()

    def _answer_known(self) -> None:
        """What is being stored is among what arrives, or nothing is: the log need not wait for it."""
        if self._asking is not None:
            self._parts.log.end_asking(self._asking)
            self._asking = None

    def _uncount(self) -> None:
        """Nothing that the store will hold can come of it any more: it does not keep `settled` waiting."""
        if self._counted:
            self._counted = False
            self._parts.activity.end()

    @property
    def _fetch(self) -> Fetch:
        assert self.fetch is not None
        return self.fetch

    @property
    def _answer(self) -> Answer:
        fetch = self._fetch
        assert fetch.head is not None
        return Answer(fetch.head, fetch.request_time, fetch.response_time, fetch.offset_s)


def _is_reusable(derived: Derived) -> bool:
    """Could another request be answered with this at once, fresh or within its window? Else each has to ask the origin anyway."""
    if derived.terms.must_validate:
        return False
    window_s = 0.0 if derived.terms.forbids_stale else derived.terms.swr_s
    return derived.initial_age_s < derived.lifetime_s + window_s
