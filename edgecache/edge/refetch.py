"""Refetch: what was invalidated is asked for again, before a client has to wait for it.

A refetch is the flow's own fetch with the request fields that are known of a stored response: those that Vary named and those in its key.
It asks only sites of this edge, and it goes the way of a miss: whoever asks meanwhile waits for the same fetch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecache.caching.decide import Miss, StaleHit, Validate, decide
from edgecache.caching.key import cache_key
from edgecache.caching.request import PresentedRequest
from edgecache.caching.stored import Key, StoredResponse, Variant
from edgecache.edge.leading import Lead
from edgecache.edge.target import Located
from edgecache.http1.tasks import Tasks
from edgecache.semantics.cache_control import parse_cache_control
from edgecache.semantics.message import Fields, RequestHead, field, first

if TYPE_CHECKING:
    from edgecache.edge.flow import Flow

AT_ONCE = 8  # fetches
MOST_WAITING = 10_000  # beyond them the oldest are not fetched: the next client that asks will have them fetched
ADDRESS = "127.0.0.1"  # who asks: the edge itself


class Refetch:
    """Fetches again, a few at a time, in the background."""

    def __init__(self, flow: Flow, tasks: Tasks) -> None:
        self._flow = flow
        self._tasks = tasks
        self._waiting: deque[tuple[Key, Variant]] = deque(maxlen=MOST_WAITING)
        self._running = 0

    @property
    def left(self) -> int:
        """How many are to be fetched yet."""
        return len(self._waiting) + self._running

    def begin(self, stored: Sequence[StoredResponse], urls: Sequence[Key]) -> None:
        """Fetch what these stored responses answer, every variant of them, and URLs of which nothing is stored."""
        self._waiting.extend(dict.fromkeys((one.key, one.vary) for one in stored))
        self._waiting.extend((url, ()) for url in urls)
        while self._running < AT_ONCE and self._waiting:
            self._running += 1
            self._flow.parts.lead.activity.begin()
            self._tasks.spawn(self._work(), "refetch")

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._fetch(*self._waiting.popleft())
        finally:
            self._running -= 1
            self._flow.parts.lead.activity.end()

    async def _fetch(self, key: Key, vary: Variant) -> None:
        flow = self._flow
        asked = self._request(key, vary)
        if asked is None:
            return
        request, site = asked
        flight_key = flow.flight_key(request)
        if flow.flights.find(flight_key) is not None:
            return  # somebody has asked since, and this is the answer that is wanted
        wanted = decide(request, await flow.candidates(request), flow.parts.lead.profile, flow.clock.now())
        if isinstance(wanted, StaleHit):
            wanted = wanted.refresh  # type: ignore[assignment]
        if not isinstance(wanted, Validate | Miss) or flow.flights.find(flight_key) is not None:
            return  # it has been fetched by now, or is not for the store at all
        flight = flow.flights.begin(flight_key, flow.log.head)
        lead = Lead(flow.parts.lead, request, wanted, flight, flight_key, flow.parts.site_parts[site].pool)
        try:
            await lead.ask()
        finally:
            lead.client_left()
        if lead.fetch is not None:
            await lead.fetch.over()

    def _request(self, key: Key, vary: Variant) -> tuple[PresentedRequest, str] | None:
        """The request, and the site that is asked; None when no site answers to that host."""
        flow = self._flow
        placed = flow.parts.sites.place(Located(key.scheme, key.host, key.target))
        if placed is None:
            return None
        name = placed.site.name
        site = flow.parts.site_parts[name]
        scheme, host, path = placed.located
        known: Fields = [field(b"Host", host), *_key_fields(key)]
        known += [field(one, value) for one, value in vary if value is not None and first(known, one) is None]
        fields = site.forwarder.fields(RequestHead(b"GET", path, 1, known), placed.located, ADDRESS, 0, None)
        rule = site.rules.match(host, path)
        asked = cache_key(scheme, host, path, fields, flow.parts.lead.profile, rule)
        return PresentedRequest(b"GET", asked, fields, False, parse_cache_control(()), target=path, rule=rule), name


def _key_fields(key: Key) -> Fields:
    """The fields and cookies that are in a key, as its request had them (caching.key)."""
    found: Fields = []
    cookies = []
    for line in key.extra.split(b"\n")[1:]:
        name, colon, value = line.partition(b": ")
        if line.startswith(b"cookie "):
            cookies.append(line[7:])
        elif colon:
            found.append(field(name, value))
    if cookies:
        found.append(field(b"Cookie", b"; ".join(cookies)))
    return found
