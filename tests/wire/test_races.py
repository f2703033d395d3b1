"""Requests, answers, purges and time in any order: what must hold whatever the order is.

The origin counts its versions up. Each of its answers says the version that it had when the request came in (the oldest that is honest),
in each of its parts, and the language that was asked for; a POST makes a new version. The test chooses which of the waiting requests is
answered next, wholly or by halves.
"""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass

import pytest
from wirekit import Client, Cut, Kit, Reply, until
from wirestage import Asked, HeldOrigin, advance, purge, question, rounds, settled, soft_purge

SEEDS = int(os.environ.get("EDGECACHE_TEST_SEEDS", "16"))  # thousands run well, and found what sixteen would not
STEPS = 60
LENGTH = 12  # of the content
PART = 6  # bytes of it that those ask for who do not want the whole: up to the version, when that is said for the first time
LANGUAGES = ("de", "fr")
CACHE = (
    "max-age=60",
    "max-age=60, stale-while-revalidate=600",
    "max-age=60, stale-if-error=600",
    "max-age=0",
    "no-cache",
    "private",
    "s-maxage=5",
)


@dataclass
class Visitor:
    """A client, what it has asked, and what it may get."""

    client: Client
    language: str
    least: int  # the oldest version that it may get: what the origin had when the last hard purge was acknowledged
    seen: int  # the newest version that it has got itself
    reading: asyncio.Task[Reply] | None = None
    lines: tuple[str, ...] = ()
    method: str = "GET"  # a POST makes a new version


class Race:
    """One run. `version` is what the origin has now, `purged` what it had at the last hard purge."""

    def __init__(self, kit: Kit, origin: HeldOrigin, seed: int) -> None:
        self.kit = kit
        self.origin = origin
        self.random = random.Random(seed)
        self.version = 1
        self.purged = 0
        self.received: dict[int, int] = {}  # request to the origin -> version when it came
        self.open: list[int] = []  # not answered yet
        self.halves: dict[int, bytes] = {}  # answered by half
        self.visitors: list[Visitor] = []
        self.story: list[str] = []

    async def run(self) -> None:
        acts = {
            self.ask: 10,
            self.answer: 8,
            self.finish_half: 6,
            self.change: 3,
            self.purge: 2,
            self.soft_purge: 1,
            self.pass_time: 2,
            self.leave: 1,
        }
        for _ in range(STEPS):
            (act,) = self.random.choices(list(acts), list(acts.values()))
            await act()
            await self.look()
        await self.end()

    async def look(self) -> None:
        """Note what has come to the origin, and judge what has come to clients."""
        for _ in range(self.random.choice((0, 1, 30))):
            await asyncio.sleep(0)
        for number in range(len(self.received), len(self.origin.asked)):
            self.received[number] = self.version
            self.open.append(number)
        for visitor in self.visitors:
            if visitor.reading is not None and visitor.reading.done():
                self.judge(visitor)

    def judge(self, visitor: Visitor) -> None:
        reading, visitor.reading = visitor.reading, None
        assert reading is not None
        error = reading.exception()
        if error is not None:
            assert isinstance(error, (Cut, ConnectionError)), self.told(repr(error))
            self.visitors.remove(visitor)
            return
        reply = reading.result()
        if reply.status >= 500:
            return
        assert reply.status in (200, 206, 304), self.told(f"{reply.head!r}")
        if reply.status == 304:
            return
        tag, body = reply.get("etag"), reply.body
        assert tag is not None
        language, _, number = tag.strip(b'"').decode().partition("-")
        version = int(number)
        expected = content(language, version)
        expected = b"" if visitor.method == "HEAD" else expected[:PART] if reply.status == 206 else expected
        assert (language, body) == (visitor.language, expected), self.told(f"{visitor} got {body!r}: {reply.head!r}")
        assert version >= visitor.least, self.told(f"{visitor} got version {version}: {reply.head!r}")
        assert version >= visitor.seen, self.told(f"{visitor} got version {version} after a newer one: {reply.head!r}")
        if visitor.method == "POST":
            self.purged = max(self.purged, version)
        visitor.seen = version

    # what may happen

    async def ask(self) -> None:
        waiting = [visitor for visitor in self.visitors if visitor.reading is None]
        if waiting and self.random.random() < 0.5:
            visitor = self.random.choice(waiting)
        else:
            visitor = Visitor(await self.kit.connect(), self.random.choice(LANGUAGES), 0, 0)
            self.visitors.append(visitor)
        visitor.method = self.random.choices(("POST", "HEAD", "GET"), (8, 8, 84))[0]
        part = f"Range: bytes=0-{PART - 1}"
        extra: tuple[str, ...] = ()
        if visitor.method == "POST":
            extra = ("Content-Length: 0",)
        elif visitor.method == "GET":
            extra = self.random.choice(((), (), (), (), (part,), (part,), ("Cache-Control: no-cache",), ('If-None-Match: "none"',)))
        visitor.lines = (f"Accept-Language: {visitor.language}", *extra)
        visitor.least = self.purged
        self.story.append(f"{visitor.method} {visitor.lines} least {visitor.least}")
        await visitor.client.send(question("/a", *visitor.lines, method=visitor.method))
        visitor.reading = asyncio.ensure_future(visitor.client.reply(visitor.method))

    async def answer(self) -> None:
        if not self.open:
            return
        number = self.open.pop(self.random.randrange(len(self.open)))
        asked = self.origin.asked[number]
        if asked.closed:
            return
        if self.random.random() < 0.08:
            self.story.append(f"fail {number}")
            await asked.fail()
            return
        head, body = self.answered(asked, self.version_for(number))
        self.story.append(f"answer {number} {head!r} {body[:10]!r}")
        if body and self.random.random() < 0.4:
            self.halves[number] = body[3:]
            await asked.send(head + body[:3])
        else:
            await asked.send(head + body)

    def version_for(self, number: int) -> int:
        """Which version does this request see? The one that was there when it came; a POST makes the next one."""
        if self.origin.asked[number].seen.method == b"POST":
            self.version += 1
            return self.version
        return self.received[number]

    def answered(self, asked: Asked, version: int) -> tuple[bytes, bytes]:
        language = (asked.seen.get("accept-language") or b"none").decode()
        tag = b'"%s-%d"' % (language.encode(), version)
        fields = b"Vary: Accept-Language\r\nETag: %s\r\nCache-Control: %s\r\n" % (tag, self.random.choice(CACHE).encode())
        if asked.seen.method == b"POST":
            fields += b"Content-Location: /a\r\n"  # stored, if it may be
        elif self.random.random() < 0.1:
            return b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", b""
        if asked.seen.get("if-none-match") == tag:
            return b"HTTP/1.1 304 Not Modified\r\n" + fields + b"\r\n", b""
        first, end = 0, LENGTH
        if asked.seen.get("range") == b"bytes=0-%d" % (PART - 1):
            end = PART
        elif asked.seen.get("range") == b"bytes=%d-" % PART and asked.seen.get("if-range") == tag:
            first = PART
        status = b"200 OK"
        if end - first < LENGTH:
            status = b"206 P"
            fields += b"Content-Range: bytes %d-%d/%d\r\n" % (first, end - 1, LENGTH)
        body = b"" if asked.seen.method == b"HEAD" else content(language, version)[first:end]
        return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n" % (status, fields, end - first), body

    async def finish_half(self) -> None:
        if self.halves:
            number = self.random.choice(list(self.halves))
            rest = self.halves.pop(number)
            if self.random.random() < 0.1:
                self.story.append(f"cut {number}")
                self.origin.asked[number].peer.close()
            else:
                self.story.append(f"rest of {number}")
                await self.origin.asked[number].send(rest)

    async def change(self) -> None:
        self.version += 1
        self.story.append(f"version {self.version}")

    async def purge(self) -> None:
        """The page has changed, and whoever changed it says so."""
        await self.look()
        self.version += 1
        least = self.version
        self.story.append(f"purge {least}")
        await purge(self.kit)
        self.purged = least

    async def soft_purge(self) -> None:
        self.story.append("soft purge")
        await soft_purge(self.kit)

    async def pass_time(self) -> None:
        seconds = self.random.choice((1, 30, 100, 1000))
        self.story.append(f"{seconds} s")
        if self.random.random() < 0.5:
            self.kit.clock.pass_time(seconds % 10)
        else:
            await advance(self.kit, f"{seconds}s")

    async def leave(self) -> None:
        reading = [visitor for visitor in self.visitors if visitor.reading is not None]
        if reading:
            visitor = self.random.choice(reading)
            assert visitor.reading is not None
            self.story.append(f"leave {visitor.lines}")
            visitor.client.reset()
            visitor.reading.cancel()
            await asyncio.gather(visitor.reading, return_exceptions=True)
            self.visitors.remove(visitor)

    async def end(self) -> None:
        """Everything is answered: then everybody has an answer, and nothing is left."""
        self.story.append("the end")
        while True:
            await rounds(self.kit, 1)
            await self.look()
            if self.halves:
                number, rest = self.halves.popitem()
                await self.origin.asked[number].send(rest)
            elif self.open:
                asked = self.origin.asked[number := self.open.pop(0)]
                head, body = self.answered(asked, self.version_for(number))
                await asked.send(head + body)
            elif all(visitor.reading is None for visitor in self.visitors):
                break
            else:
                await until(
                    lambda: (
                        len(self.origin.asked) > len(self.received)
                        or any(visitor.reading is not None and visitor.reading.done() for visitor in self.visitors)
                    ),
                    self.told("somebody has no answer"),
                )
        await settled(self.kit)
        flights = self.kit.edge.flights
        assert (len(flights), self.kit.edge.flow.refreshing) == (0, {}), self.told("something is left")

    def told(self, what: str) -> str:
        return "\n".join([what, *self.story])


def content(language: str, version: int) -> bytes:
    return f"{language} {version:03} {version:03}".encode().ljust(LENGTH, b".")


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_the_order(start_kit, seed):
    """Nobody gets what was purged before he asked, nobody another's language, and everybody gets an answer."""
    origin = HeldOrigin()
    kit = await start_kit(origin, collapse_wait_s=30.0 if seed % 4 else 0.0, origin_connections=500)
    await Race(kit, origin, seed).run()
