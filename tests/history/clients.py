"""Clients: they read in every way that a cache treats in a way of its own, change things, invalidate, and move the clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from random import Random
from typing import Any

from edgecache.lab.history.events import By, Invalidation, Moment, Read, Selector, Stale
from tests.history.connection import Connection, Gone, Reply
from tests.history.origin import Site
from tests.history.pages import TAGS, USERS, Place, choose_selector
from tests.history.stamps import UNIT, read_content
from tests.history.world import World

PLURALS = {
    "url": "urls",
    "key": "keys",
    "path": "paths",
    "prefix": "prefixes",
    "host": "hosts",
    "tag": "tags",
    "group": "groups",
    "ban": "bans",
}
STALE = {one.value: one for one in Stale} | {"request-max-stale": Stale.ASKED_FOR}
DIRECTIVES = (*["no-cache"] * 3, "no-store", "max-stale", "max-stale=10", "only-if-cached", "max-age=5", "stale-if-error=100")
FURTHEST_S = 3000.0  # that the clock is moved: what lasts for an hour goes on lasting


class Client:
    """Somebody with a connection to one of the edge's ports, who goes on after the edge was ended. `act` is done again and again."""

    def __init__(self, world: World, site: Site, number: int, port: Callable[[], int]) -> None:
        self.world = world
        self.site = site
        self.number = number
        self.rng = Random(world.rng.random())
        self._port = port
        self._connection: Connection | None = None

    async def run(self) -> None:
        """Go on until there has been enough."""
        while not self.world.done:
            await self.world.up.wait()
            life = self.world.life
            try:
                await self.act()
            except (Gone, ConnectionError):
                self.leave()
                if life == self.world.life and self.world.up.is_set():
                    await asyncio.sleep(0)  # the origin broke off, or the edge is ending
        self.leave()

    async def act(self) -> None:
        raise NotImplementedError

    def leave(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def ask(self, method: str, target: str, lines: list[str], body: bytes = b"") -> Reply:
        """One request on the connection, which is opened when there is none."""
        if self._connection is None or self._connection.closed:
            self._connection = await Connection.open(self._port())
        return await self._connection.ask(method, target, lines, body)


class Reader(Client):
    """Reads, most of the time."""

    def __init__(self, world: World, site: Site, number: int) -> None:
        super().__init__(world, site, number, lambda: world.port)
        self._editions: dict[Place, int] = {}
        self._last: Place | None = None

    async def act(self) -> None:
        place = self._last = self._choose()
        chance = self.rng.random()
        if chance < 0.01:
            await self._post(place)
        elif chance < 0.03:
            await self._purge(place)
        else:
            await self._read(place)

    def _choose(self) -> Place:
        """What was invalidated just now, or is being asked for, more than anything else."""
        world, chance = self.world, self.rng.random()
        if self._last is not None and self.rng.random() < 0.2:
            return self._last
        if world.young and chance < 0.6:
            return self.rng.choice(world.places)  # as much as possible of what earlier lives have left
        if world.hot and chance < 0.5:
            return self.rng.choice(world.hot)
        if world.held and chance < 0.7:
            return self.rng.choice(world.held).place
        return self.rng.choice(world.places)

    async def _read(self, place: Place) -> None:
        world, rng = self.world, self.rng
        method, lines, user = self._how(place)
        asked_for = any("stale" in line for line in lines)
        life, began = world.life, world.moment()
        if rng.random() < 0.5:
            lines.append(f"X-Ask: {began}")
        try:
            reply = await self.ask(method, place.page.target, [f"Host: {place.page.host}", *place.fields, *lines])
        except Gone as gone:
            excused = life != world.life or not world.up.is_set()
            if gone.reply is not None or not excused:
                self._note(place, user, began, gone.reply or Reply(0, "no answer", {}), False, excused, asked_for)
            raise
        self._note(place, user, began, reply, True, False, asked_for)

    def _how(self, place: Place) -> tuple[str, list[str], str]:
        """Method, fields, and who asks."""
        rng, chance = self.rng, self.rng.random()
        if place.policy.personal and chance < 0.4:
            user = rng.choice(USERS)
            return "GET", [f"Authorization: User {user}"], user
        if rng.random() < place.policy.ranged:
            return "GET", [f"Range: {self._range()}"], ""
        edition = self._editions.get(place)
        if edition is not None and chance < 0.08:
            return rng.choice(["GET", "HEAD"]), [f'If-None-Match: "e{edition}"'], ""
        if chance < 0.14:
            return "HEAD", [], ""
        if chance < 0.22:
            said = rng.choice(DIRECTIVES)
            return "GET", [f"Cache-Control: {said}"], ""
        return "GET", [], ""

    def _range(self) -> str:
        rng = self.rng
        step = 50 * UNIT
        first = rng.randrange(8) * step
        last = first + rng.randrange(1, 5) * step
        chance = rng.random()
        if chance < 0.1:
            return f"bytes=-{rng.randint(1, 50) * UNIT}"
        if chance < 0.2:
            return f"bytes={first}-"
        if chance < 0.3:
            return f"bytes=0-{10 * UNIT - 1},{20 * UNIT}-{30 * UNIT - 1}"
        return f"bytes={first}-{last - 1}"

    def _note(self, place: Place, user: str, began: Moment, reply: Reply, whole: bool, excused: bool, asked_for: bool) -> None:
        world = self.world
        status = reply.get("cache-status")
        detail = status.rpartition("detail=")[2]
        edition = int(reply.get("etag").strip('"')[1:]) if reply.get("etag") else 0
        if edition:
            self._editions[place] = edition
        content, flaw = self._content(reply, whole)
        hit = "; hit" in status
        read = Read(
            world.number(),
            self.number,
            place.page,
            began,
            world.moment(),
            place.variant,
            user,
            content,
            reply.number("x-brought"),
            reply.number("x-vouched"),
            reply.number("x-state"),
            edition,
            Stale.ASKED_FOR if asked_for and detail in STALE else STALE.get(detail, Stale.NO),
            "fwd-status=304" in status,
            hit or "; stored" in status or "; collapsed" in status,
            whole,
            excused,
            flaw,
            f"{reply.status} {status}",
        )
        world.read(read)
        world.count(read, reply, hit)

    def _content(self, reply: Reply, whole: bool) -> tuple[tuple[int, ...], str]:
        """Which answers brought what came, and what is wrong with it."""
        if reply.status == 206 and reply.get("content-type").startswith("multipart/"):
            return self._parts(reply) if whole else ((), "")
        if reply.status not in (200, 206) or not reply.body:
            return (), ""
        if len(reply.body) < 10 and not whole:
            return (), ""
        if not reply.body[:10].isdigit():
            return (), f"the content is none of the origin's: {reply.body[:40]!r}"
        units = self.site.units.get(int(reply.body[:10]), 0)
        first, last = 0, units * UNIT - 1
        if reply.status == 206:
            span, _, length = reply.get("content-range").removeprefix("bytes ").partition("/")
            first, last = (int(one) for one in span.split("-"))
            if length != str(units * UNIT):
                return (), f"its length is said to be {length}, and is {units * UNIT}"
        numbers, flaw = read_content(reply.body, first, units)
        if whole and not flaw and len(reply.body) != last - first + 1:
            flaw = f"{len(reply.body)} bytes and a clean end, where {last - first + 1} were to come"
        return numbers, flaw

    def _parts(self, reply: Reply) -> tuple[tuple[int, ...], str]:
        boundary = reply.get("content-type").partition("boundary=")[2].strip('"').encode()
        numbers: dict[int, None] = {}
        for part in reply.body.split(b"--" + boundary)[1:-1]:
            head, _, body = part.removesuffix(b"\r\n").partition(b"\r\n\r\n")
            span = next(line for line in head.decode().split("\r\n") if line.lower().startswith("content-range"))
            first = int(span.partition("bytes ")[2].partition("-")[0])
            found, flaw = read_content(body, first, self.site.units.get(int(body[:10]), 0))
            if flaw:
                return (), flaw
            numbers.update(dict.fromkeys(found))
        return tuple(numbers), ""

    async def _post(self, place: Place) -> None:
        """Something is changed: what was asked for before the origin said so is covered."""
        world, number = self.world, self.world.number()
        reply = await self.ask("POST", place.page.target, [f"Host: {place.page.host}", f"X-Post: {number}"])
        answered, selectors = world.posts.pop(number)
        if reply.status == 200:
            world.invalidated(Invalidation(number, selectors, answered, world.moment(), False, "POST"), place)

    async def _purge(self, place: Place) -> None:
        """By a method, on the site's own port."""
        world, page = self.world, place.page
        method, target, line, selector, soft = self._method(place)
        number, sent = world.number(), world.moment()
        reply = await self.ask(method, target, [f"Host: {page.host}", *([line] if line else [])])
        assert reply.status == 200, (method, target, line, reply)
        world.tally[f"by method {method}"] += 1
        world.invalidated(Invalidation(number, (selector,), sent, world.moment(), soft, f"{method} {line}".rstrip()), place)

    def _method(self, place: Place) -> tuple[str, str, str, Selector, bool]:
        """Method, target, a field line, what that is about, and whether it is soft."""
        rng, page = self.rng, place.page
        said = [answer for answer in self.world.latest.get(place, ()) if answer.tags]
        tag = rng.choice(sorted(rng.choice(said).tags)) if said else rng.choice(TAGS)
        ban = f"req.url ~ ^/{place.policy.name}/"
        url, by_tag, by_ban = Selector(By.URL, (page.host, page.target)), Selector(By.TAG, (tag,)), Selector(By.BAN, (ban,))
        table = [
            (6, ("PURGE", page.target, "", url, False)),
            (2, ("PURGE", page.target, "Fastly-Soft-Purge: 1", url, True)),
            (2, ("SOFTPURGE", page.target, "", url, True)),
            (3, ("REFRESH", page.target, "", url, True)),
            (3, ("PURGE", "/", f"Surrogate-Key: {tag}", by_tag, False)),
            (2, ("PURGEKEYS", "/", f"xkey-purge: {tag}", by_tag, False)),
            (2, ("PURGEKEYS", "/", f"xkey-softpurge: {tag}", by_tag, True)),
            (2, ("PURGETAGS", "/", f"X-Cache-Tags: {tag}", by_tag, False)),
            (1, ("BAN", "/", f"X-Ban: {ban}", by_ban, False)),
            (1, ("BAN", "/", f"X-Url: ^/{place.policy.name}/", by_ban, False)),
            (0.3, ("PURGE", "/.*", "", Selector(By.HOST, (page.host,)), False)),
        ]
        return rng.choices([way for _, way in table], [weight for weight, _ in table])[0]


class Controller(Client):
    """Somebody at the control plane."""

    def __init__(self, world: World, site: Site, number: int) -> None:
        super().__init__(world, site, number, lambda: world.control)

    async def call(self, method: str, path: str, asked: dict[str, Any] | None = None) -> tuple[int, Any]:
        """One call of the native API: status and JSON."""
        lines = ["Host: 127.0.0.1", *(["Content-Type: application/json"] if asked is not None else [])]
        reply = await self.ask(method, path, lines, b"" if asked is None else json.dumps(asked).encode())
        return reply.status, json.loads(reply.body)


class Invalidator(Controller):
    """Invalidates what is on its way, or what was read lately, by every selector that there is."""

    async def act(self) -> None:
        await self.world.wait_to_invalidate()
        await self.world.up.wait()
        world, rng = self.world, self.rng
        held = rng.choice(world.held) if world.held and rng.random() < 0.8 else None
        place = rng.choice(world.places) if held is None else held.place
        said = list(world.latest.get(place, ()))[-2:]
        selector, asked = choose_selector(rng, place, said if held is None else [*said, held.answer])
        selectors = [selector]
        (member, value), *_ = asked.items()
        if member in PLURALS and rng.random() < 0.15:
            others = [choose_selector(rng, rng.choice(world.places), []) for _ in range(8)]
            alike = [(other, one[member]) for other, one in others if member in one]
            selectors.extend(other for other, _ in alike)
            asked = {PLURALS[member]: [value, *(one for _, one in alike)]}
        soft = rng.random() < 0.4
        options: dict[str, Any] = {"soft": True} if soft else {}
        if rng.random() < 0.1:
            options["site"] = place.page.site
            selectors = [Selector(one.by, one.value, place.page.site) for one in selectors]
        if rng.random() < 0.1 and not {By.PREFIX, By.BAN} & {one.by for one in selectors}:
            options["refetch"] = True
        if rng.random() < 0.03:
            options["count"] = True
        if rng.random() < 0.03:
            status, told = await self.call("POST", "/api/v1/invalidations", {**asked, **options, "dry_run": True})
            assert status == 200, told
        number, sent = world.number(), world.moment()
        status, told = await self.call("POST", "/api/v1/invalidations", {**asked, **options})
        assert status == 201, told
        world.invalidated(Invalidation(number, tuple(dict.fromkeys(selectors)), sent, world.moment(), soft, "api"), place)


class ClockMover(Controller):
    """Moves edge time, forwards more than backwards."""

    def __init__(self, world: World, site: Site, number: int, every: int) -> None:
        super().__init__(world, site, number)
        self._every = every
        self._next = every
        self._offset_s = 0.0
        self._life = 0

    async def act(self) -> None:
        world, rng = self.world, self.rng
        if self._life != world.life:
            self._life = world.life
            await self._look()
        if world.tally["reads"] < self._next:
            return await asyncio.sleep(0.01)
        self._next += self._every
        step = rng.choice([1, 3, 6, 15, 30, 90, -10])
        if rng.random() < 0.15 or not 0 <= self._offset_s + step < FURTHEST_S:
            step = -self._offset_s
        world.clock_moving(self._offset_s + step)
        number, sent = world.number(), world.moment()
        asked = {"reset": True} if self._offset_s + step == 0 else {"advance": f"{step:g}s"}
        status, said = await self.call("POST", "/api/v1/clock", asked)
        assert status == 200, said
        world.tally["clock moves"] += 1
        self._offset_s = said["offset_s"]
        if step < 0:
            world.invalidated(Invalidation(number, (Selector(By.ALL),), sent, world.moment(), True, "clock"), None)
        world.clock_known(self._offset_s)

    async def _look(self) -> None:
        """What time an edge has that was started again."""
        _, said = await self.call("GET", "/api/v1/clock")
        self._offset_s = said["offset_s"]
        self.world.clock_known(self._offset_s)
