"""The native API, version 1: what an edge did, what it holds, what time it is, and invalidating.

Every handler reads what was asked against a closed list (asked.py), and answers JSON. There is one way to invalidate: the doors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from edgecache import __version__
from edgecache.config import ConfigError, parse_duration
from edgecache.control import objects
from edgecache.control.asked import json_object, query
from edgecache.control.parts import ControlParts
from edgecache.control.problems import Kind, Problem
from edgecache.invalidation.doors import Call
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.logfile import LogUnwritable
from edgecache.invalidation.selectors import AllSelector, Selector, UrlSelector
from edgecache.semantics.urls import parse_url

# How far edge time may be moved. A hundred years ahead is enough for any TTL, and every date can still be written (RFC 9110 5.6.7).
OFFSET_LIMIT_S = 100 * 365 * 86400.0
SETTLED_LIMIT_S = 300.0


def json_response(value: Any, status: int = 200) -> web.Response:
    """`value` as the content of a response."""
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


class Api:
    """The handlers of the native API, for one edge."""

    def __init__(self, parts: ControlParts) -> None:
        self.parts = parts

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each resource."""
        return [
            web.get("/api/v1/stats", self.stats),
            web.get("/api/v1/objects", self.objects),
            web.get("/api/v1/clock", self.clock),
            web.post("/api/v1/clock", self.move_clock),
            web.post("/api/v1/invalidations", self.invalidate),
            web.post("/api/v1/reset", self.reset),
            web.get("/api/v1/settled", self.settled),
        ]

    async def stats(self, request: web.Request) -> web.Response:
        """GET /api/v1/stats: every counter, and what runs."""
        query(request, ())
        parts = self.parts
        return json_response(
            {
                "edge": {
                    "version": __version__,
                    "origin": parts.settings.origin,
                    "profile": parts.settings.profile,
                    "store": parts.settings.store,
                },
                "clock": self._time(),
                **parts.records.stats(),
                "store": {
                    "responses": parts.store.responses,
                    "memory_bytes": parts.store.memory.bytes,
                    "memory_limit_bytes": parts.settings.memory_bytes,
                    "evicted": parts.store.memory.evicted,
                    "folder": parts.store.folder,
                    "disk_bytes": parts.store.disk_bytes,
                    "disk_limit_bytes": parts.settings.disk_bytes if parts.store.folder else 0,
                    "disk_evicted": parts.store.disk_evicted,
                },
                "invalidations": {
                    "position": parts.log.head,
                    "by_cause": {cause.value: number for cause, number in parts.log.by_cause.items()},
                },
                "origins": list(parts.origins()),
            }
        )

    async def objects(self, request: web.Request) -> web.Response:
        """GET /api/v1/objects: stored responses, filtered, page by page."""
        parts = self.parts
        filters = objects.Filters.of(request, parts.keyed)
        return json_response(await objects.page(parts.store.objects(), parts.log, parts.clock, filters))

    async def clock(self, request: web.Request) -> web.Response:
        """GET /api/v1/clock: edge time in seconds since the epoch, and how far it is from the wall clock."""
        query(request, ())
        return json_response(self._time())

    async def move_clock(self, request: web.Request) -> web.Response:
        """POST /api/v1/clock: {"advance": "1h"}, also "-10s", or {"reset": true}."""
        asked = await self._asked(request, {"advance": str, "reset": bool})
        clock = self.parts.clock
        match _exactly_one(asked, ("advance", "reset")):
            case "advance":
                step = _step(asked["advance"])
            case _:
                _must_be_true(asked, "reset")
                step = -clock.offset_s
        if abs(clock.offset_s + step) > OFFSET_LIMIT_S:
            raise Problem(Kind.BAD_VALUE, "Edge time cannot be more than 100 years from the wall clock.")
        if step < 0:
            # Nothing becomes fresh by going back: all that is stored now is stale since now, which the step makes a time to come.
            await self.parts.doors.invalidate([AllSelector()], soft=True, cause=Cause.CLOCK)
        clock.advance(step)
        await self.parts.moved()
        return json_response(self._time())

    async def invalidate(self, request: web.Request) -> web.Response:
        """POST /api/v1/invalidations: {"url"}, {"urls"} or {"all": true}, with "soft"; a list is one write, all or nothing."""
        asked = await self._asked(request, {"url": str, "urls": list, "all": bool, "soft": bool})
        selectors = self._selectors(asked)
        try:
            outcome = await self.parts.doors.call(Call("api", str(request.remote), selectors, soft=asked.get("soft", False)))
        except LogUnwritable as failure:
            raise Problem(Kind.LOG_UNWRITABLE, f"Nothing was invalidated: {failure}.") from failure
        return json_response(
            {
                "position": outcome.position,
                "selectors": [{"kind": selector.kind.value, "value": selector.value} for selector in outcome.selectors],
                "matched": outcome.matched,
            },
            201,
        )

    async def reset(self, request: web.Request) -> web.Response:
        """POST /api/v1/reset: store, clock and counters as after a start; one call between two tests."""
        await self._asked(request, {})
        parts = self.parts
        # The entry first: what is still on its way from the origin is covered by it, also when it arrives after the store was cleared.
        outcome = await parts.doors.invalidate([AllSelector()], soft=False, cause=Cause.RESET)
        parts.store.clear()
        parts.clock.reset()
        await parts.moved()
        parts.cleared()
        parts.records.reset()
        return json_response({"position": outcome.position})

    async def _asked(self, request: web.Request, members: Mapping[str, type]) -> dict[str, Any]:
        query(request, ())
        return await json_object(request, members, self.parts.settings.body_timeout_s)

    def _time(self) -> dict[str, float]:
        clock = self.parts.clock
        return {"now": clock.now(), "offset_s": clock.offset_s}

    def _selectors(self, asked: dict[str, Any]) -> list[Selector]:
        match _exactly_one(asked, ("url", "urls", "all")):
            case "all":
                _must_be_true(asked, "all")
                return [AllSelector()]
            case "url":
                return [self._url_selector("url", asked["url"])]
            case _:
                urls = asked["urls"]
                limit = self.parts.settings.api_items
                if not urls:
                    raise Problem(Kind.BAD_VALUE, "Member 'urls' is empty: there is nothing to invalidate.")
                if len(urls) > limit:
                    said = f"Member 'urls' has {len(urls)} items; at most {limit} are taken at once (setting api_items)."
                    raise Problem(Kind.TOO_MANY_ITEMS, said)
                return [self._url_selector(f"urls[{index}]", url) for index, url in enumerate(urls)]

    def _url_selector(self, member: str, text: str) -> UrlSelector:
        key = parse_url(text)
        if isinstance(key, str):
            raise Problem(Kind.BAD_VALUE, f"Member {member!r}: {key}")
        keyed = self.parts.keyed(key)
        return UrlSelector(keyed.host, keyed.target)

    async def settled(self, request: web.Request) -> web.Response:
        """GET /api/v1/settled?timeout=5s: returns when no fetch, refresh or write is in flight; 504 when that took longer."""
        asked = query(request, ("timeout",))
        try:
            timeout_s = parse_duration(asked.get("timeout", "5s"))
        except ConfigError as error:
            raise Problem(Kind.BAD_VALUE, f"Parameter 'timeout': {error}.") from error
        if timeout_s > SETTLED_LIMIT_S:
            raise Problem(Kind.BAD_VALUE, f"Parameter 'timeout': at most {SETTLED_LIMIT_S:g} s.")
        if not await self.parts.settled(timeout_s):
            raise Problem(Kind.NOT_SETTLED, f"Something is still in flight after {timeout_s:g} s.")
        return json_response({"settled": True})


def _exactly_one(asked: dict[str, Any], names: tuple[str, ...]) -> str:
    """Which of `names` does the object have? Raises Problem when none or several."""
    given = [name for name in names if name in asked]
    if len(given) == 1:
        return given[0]
    said = f"it has {', '.join(given)}" if given else "it has none of them"
    raise Problem(Kind.BAD_VALUE if given else Kind.MISSING_MEMBER, f"The object needs exactly one of {', '.join(names)}; {said}.")


def _must_be_true(asked: dict[str, Any], name: str) -> None:
    if asked[name] is not True:
        raise Problem(Kind.BAD_VALUE, f"Member {name!r} can only be true; leave it out instead of false.")


def _step(text: str) -> float:
    """Seconds by which "1h", "+90s" or "-10s" moves edge time."""
    sign = -1 if text.startswith("-") else 1
    try:
        return sign * parse_duration(text[1:] if text[:1] in ("+", "-") else text)
    except ConfigError as error:
        raise Problem(Kind.BAD_VALUE, f"Member 'advance': {error}.") from error
