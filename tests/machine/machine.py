"""One whole edge, driven one step at a time and held against the model after each: requests, changes at the origin, time, invalidations."""

from __future__ import annotations

import contextlib
from typing import Any

import uvloop
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from ports import free_port
from wirekit import Cut, Kit, Reply, running_kit
from wirestage import api, settled

from tests.machine.checking import as_fields, differences
from tests.machine.drawing import (
    TROUBLES,
    URLS,
    Url,
    as_asked_for,
    conditions,
    cookies,
    encodings,
    languages,
    methods,
    mostly,
    often,
    over_s,
    pages,
    persons,
    places,
    selectors,
    spans,
    steps_s,
    terms,
    troubles,
    wishes,
    writes,
)
from tests.machine.kept import Kept, groups, tags
from tests.machine.messages import Asked, Fields, date, http_date, one, only
from tests.machine.model import Cache
from tests.machine.outcomes import Wrong
from tests.machine.world import Mode, Page, Terms, World, Written


class EdgeMachine(RuleBasedStateMachine):
    """Rules are what may happen next; after each the edge is settled.

    passes_over  situations in which it is known to be wrong (test_found.py)
    """

    passes_over = True

    def __init__(self) -> None:
        super().__init__()
        self.loop = uvloop.new_event_loop()
        self.stack = contextlib.AsyncExitStack()
        self.model = Cache()
        self.seen: dict[Url, list[Fields]] = {url: [] for url in URLS}
        self.last = Asked("GET", *URLS[0])
        self.kit, self.world = self.run(self.begin())

    def run(self, step: Any) -> Any:
        return self.loop.run_until_complete(step)

    async def begin(self) -> tuple[Kit, World]:
        world = World(free_port())
        await world.start(world.fixed_port)
        kit = await self.stack.enter_async_context(running_kit({}, world))
        world.clock = kit.clock
        return kit, world

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.world.free()
        self.loop.close()

    # Requests.

    def ask(self, asked: Asked, trouble: str = "") -> None:
        """Send a request, and hold what comes of it against the model."""
        now = self.kit.clock.now()
        got, listed = self.run(self.exchange(asked, trouble))
        mode, _ = TROUBLES[trouble]
        questions = None if mode is Mode.REFUSES else self.world.asked
        self.world.asked = []
        expected = self.model.answer(asked, now, questions)
        wrong = differences(asked, expected, got, mode.value)
        if wrong:
            raise Wrong(f"{asked}: " + "; ".join(wrong) + f"\nit got {got}")
        if isinstance(got, Reply):
            self.seen[asked.url].append(as_fields(got))
        self.last = asked
        self.compare(listed)

    async def exchange(self, asked: Asked, trouble: str) -> tuple[Reply | Cut, Any]:
        """What the client gets, and what is stored afterwards."""
        await self.world.become(*TROUBLES[trouble])
        raw = [f"Host: {asked.host}", *(f"{name}: {value}" for name, value in asked.fields)]
        got: Reply | Cut
        try:
            got = await self.kit.request(asked.method, asked.target, *raw, body=b"content" if asked.has_content else b"")
        except Cut as cut:
            got = cut
        if self.kit.edge.activity.busy:
            await settled(self.kit)
        await self.world.become(Mode.UP, Terms())
        return got, (await api(self.kit, "/api/v1/objects"))[1]

    @initialize(pages=st.tuples(*(pages for _ in URLS)), terms=st.tuples(*(terms for _ in URLS)))
    def first_pages(self, pages: tuple[Page, ...], terms: tuple[Terms, ...]) -> None:
        for url, page, said in zip(URLS, pages, terms, strict=True):
            self.world.publish(url, page, said)

    @rule(url=places, language=languages, encoding=encodings)
    def get(self, url: Url, language: Fields, encoding: Fields) -> None:
        self.ask(Asked("GET", *url, (*language, *encoding)))

    @rule(
        url=places,
        method=methods,
        language=languages,
        cookie=cookies,
        person=persons,
        wish=often((), *wishes),
        condition=mostly("", *conditions),
        trouble=troubles,
    )
    def get_with(
        self, url: Url, method: str, language: Fields, cookie: Fields, person: Fields, wish: Fields, condition: str, trouble: str
    ) -> None:
        self.ask(Asked(method, *url, (*language, *cookie, *person, *wish, *self.conditional(url, condition))), trouble)

    @rule(
        url=places,
        language=languages,
        span=st.sampled_from(spans),
        if_range=often("", "etag", "last-modified"),
        condition=mostly("", *conditions),
        wish=mostly((), *wishes),
        trouble=troubles,
        anew=mostly(False, True),
    )
    def get_range(
        self, url: Url, language: Fields, span: Fields, if_range: str, condition: str, wish: Fields, trouble: str, anew: bool
    ) -> None:
        if anew:
            self.change(url, None, None)
        value = one(self.seen[url][-1], if_range) if self.seen[url] else None
        own = (("if-range", value),) if value else ()
        self.ask(Asked("GET", *url, (*language, *span, *own, *self.conditional(url, condition), *wish)), trouble)

    @rule(trouble=troubles)
    def the_same_again(self, trouble: str) -> None:
        self.ask(self.last, trouble)

    @rule(method=methods, number=st.integers(0, 3), over=over_s, wish=often((), *wishes), trouble=troubles)
    def get_around_the_end(self, method: str, number: int, over: int, wish: Fields, trouble: str) -> None:
        """Ask for something stored, so many seconds after it became stale."""
        if self.model.existing:
            kept = self.model.existing[number % len(self.model.existing)]
            now = self.kit.clock.now()
            self.kit.pass_time(max(0, int(over + kept.lifetime - kept.age(now))))
            self.ask(
                Asked(method, *kept.url, (*only(kept.last.asked.fields, "accept-encoding", "accept-language", "cookie"), *wish)), trouble
            )

    def conditional(self, url: Url, condition: str) -> Fields:
        """A condition by what clients have seen of this URL."""
        if not condition:
            return ()
        last = self.seen[url][-1] if self.seen[url] else ()
        tags = [tag for tag in (one(fields, "etag") for fields in self.seen[url]) if tag] or ['"none"']
        modified = one(last, "last-modified") or one(last, "date") or http_date(0)
        moment = date(modified) or 0
        return {
            "seen": (("if-none-match", tags[-1]),),
            "older": (("if-none-match", tags[0]),),
            "weak": (("if-none-match", "W/" + tags[-1].removeprefix("W/")),),
            "several": (("if-none-match", f'"x", {tags[-1]}, "y, z"'),),
            "*": (("if-none-match", "*"),),
            "other": (("if-none-match", '"other"'),),
            "since": (("if-modified-since", modified),),
            "since the day before": (("if-modified-since", http_date(moment - 86400)),),
            "both": (("if-none-match", '"other"'), ("if-modified-since", modified)),
            "since Date": (("if-modified-since", one(last, "date") or http_date(0)),),
            "if-match": (("if-match", tags[-1]),),
            "unmodified": (("if-unmodified-since", modified),),
        }[condition]

    @rule(
        url=places,
        method=st.sampled_from(("POST", "POST", "PUT", "DELETE", "FROB", "OPTIONS", "GET")),
        written=writes,
        person=persons,
        changes=st.booleans(),
        trouble=troubles,
    )
    def write(self, url: Url, method: str, written: Written, person: Fields, changes: bool, trouble: str) -> None:
        self.world.written = written
        if changes:
            place = self.world.places[url]
            self.world.publish(url, place.page, place.terms)
        self.ask(Asked(method, *url, person, method != "DELETE"), trouble)

    # The origin, time and invalidations.

    @rule(url=places, page=st.one_of(st.none(), pages), terms=st.one_of(st.none(), terms))
    def change(self, url: Url, page: Page | None, terms: Terms | None) -> None:
        """Another page; or another version of the same one; or the same version, of which something else is said."""
        place = self.world.places[url]
        if page is None and terms is not None:
            place.terms = terms
        else:
            self.world.publish(url, page or place.page, terms or place.terms)

    @rule(seconds=steps_s, how=mostly("", "advance", "back", "reset"))
    def pass_time(self, seconds: int, how: str) -> None:
        """Time goes by, or the clock is moved.

        Here: nothing becomes fresh by going back, nor has a window left: all is stale as from the moment that is left behind.
        """
        if how == "":
            self.kit.pass_time(seconds)
            return
        if self.passes_over and how != "advance" and self.has_left_something_behind:
            return
        if how == "back" or (how == "reset" and self.kit.clock.offset_s > 0):
            self.model.invalidate("all", soft=True, at=self.kit.clock.now())
        asked = {"advance": {"advance": f"{seconds}s"}, "back": {"advance": f"-{seconds}s"}, "reset": {"reset": True}}
        self.control("/api/v1/clock", asked[how])
        self.look()

    @rule(what=selectors, how=st.sampled_from(("soft", "hard", "PURGE")), then_sweep=mostly(False, True))
    def invalidate(self, what: tuple[str, ...], how: str, then_sweep: bool) -> None:
        """Here: what is covered is counted by the URL, or when the caller asks for it; the store is swept from time to time, and nothing
        depends on that."""
        if self.passes_over and how == "soft" and self.has_left_something_behind:
            return
        covered = self.model.invalidate(*what, soft=how == "soft", at=self.kit.clock.now())
        if how == "PURGE" and what[0] == "url":
            reply = self.run(self.kit.request("PURGE", what[2], f"Host: {what[1]}"))
            matched = int(reply.get("edgecache-matched") or b"-1")
        else:
            asked = {**as_asked_for(what), "soft": how == "soft", "count": True}
            matched = self.control("/api/v1/invalidations", asked)["matched"]
        if matched != covered:
            raise Wrong(f"invalidating {what} matched {covered}, and the answer is {matched}")
        if then_sweep:
            self.run(self.kit.edge.store_sweeper.sweep())
            self.look()

    @property
    def has_left_something_behind(self) -> bool:
        """Was the clock moved back, and has not caught up yet?"""
        return any(self.kit.clock.now() < entry.at for entry in self.model.entries)

    # A look at the store.

    def look(self) -> None:
        self.compare(self.control("/api/v1/objects"))

    def compare(self, listed: Any) -> None:
        """Is stored what should be, and does it stand as it should?"""
        got = sorted(
            (one["key"], one["status"], one["age"], one["ttl"], one["state"], sorted(one["tags"]), one["groups"])
            for one in listed["objects"]
        )
        for kept, instead in self.model.doubtful:
            if self.listing(kept) not in got:
                self.model.kept.remove(kept)
                if instead is not None and self.listing(instead) in got:
                    self.model.kept.append(instead)
        self.model.doubtful.clear()
        wanted = sorted(map(self.listing, self.model.existing))
        if got != wanted:
            raise Wrong(f"stored are {got}, and should be {wanted}")

    def listing(self, kept: Kept) -> tuple[Any, ...]:
        """A stored response as the API has to show it."""
        now, entries = self.kit.clock.now(), self.model.entries
        state = "fresh" if kept.staleness(entries, now) is None else "stale"
        where = f"http://{kept.url[0]}{kept.url[1]}"
        return where, kept.status, int(kept.age(now)), kept.ttl(entries, now), state, sorted(tags(kept.fields)), groups(kept.fields)

    def control(self, path: str, content: object = None) -> Any:
        status, answer = self.run(api(self.kit, path, content))
        assert status in (200, 201), answer
        return answer
