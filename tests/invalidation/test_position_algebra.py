"""Positions of what is made of several messages, with invalidations before, between and after them: a whole edge, one row for a case.

Time is in seconds since the beginning; position 0 is before any entry. What is stored at the end is written as version @position, the part
or language where there is one, and since when it is stale by a soft purge. What is not there, or covered hard, is not written.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from wirekit import Client, Kit, StandingClock, running_kit
from wirestage import HOST, Asked, HeldOrigin, question, rounds

from edgecache.caching.stored import Key, StoredResponse, soft_cover
from edgecache.caching.verdict import HardCovered
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.selectors import AllSelector, Selector, TagSelector, UrlSelector

LENGTH = 10
URL = Key(b"http", HOST.encode(), b"/a")

# what happens · what is stored then
CASES = {
    # A 304, or a fetch as a whole, and a purge
    "stored": (["a GET", "a: 200 v1"], ["v1 @0"]),
    "purged before it is asked for": (["purge url", "a GET", "a: 200 v1"], ["v1 @1"]),
    "purged on its way": (["a GET", "purge url", "a: 200 v1"], []),
    "purged by tag on its way": (["a GET", "purge news", "a: 200 v1 news"], []),
    "purged by a tag that it has not": (["a GET", "purge news", "a: 200 v1 front"], ["v1 @0"]),
    "purged while it arrives": (["a GET", "a: half v1", "purge url", "a: rest"], []),
    "purged by tag while it arrives": (["a GET", "a: half v1 news", "purge news", "a: rest"], []),
    "purged and swept while it arrives": (["a GET", "a: half v1 news", "purge news", "sweep", "a: rest"], []),
    "swept before its head is there": (["a GET", "purge news", "sweep", "a: 200 v1 news"], []),
    "a 304 from before a purge says nothing": (
        ["a GET", "a: 200 v1", "+61", "b GET", "purge url", "b: 304", "b asks again", "b: 200 v2"],
        ["v2 @1"],
    ),
    "a 304 from before a purge, swept": (
        ["a GET", "a: 200 v1", "+61", "b GET", "purge url", "sweep", "b: 304", "b asks again", "b: 200 v2"],
        ["v2 @1"],
    ),
    "a purge leaves nothing to validate": (["a GET", "a: 200 v1", "+61", "purge url", "b GET whole", "b: 200 v2"], ["v2 @1"]),
    "a 304 from after a purge of something else": (["a GET", "a: 200 v1", "+61", "purge front", "b GET", "b: 304"], ["v1 @1"]),
    "a 304 and a later purge": (["a GET", "a: 200 v1", "+61", "b GET", "b: 304", "purge url"], []),
    # Soft
    "stale on its way": (["a GET", "soft url", "a: 200 v1"], ["v1 @0 stale since 0"]),
    "stale while it arrives": (["a GET", "a: half v1", "+3", "soft url", "a: rest"], ["v1 @0 stale since 3"]),
    "stale by tag while it arrives, swept": (
        ["a GET", "a: half v1 news", "+3", "soft news", "sweep", "a: rest"],
        ["v1 @0 stale since 3"],
    ),
    "a second soft purge extends nothing": (["a GET", "a: 200 v1", "+5", "soft url", "+5", "soft url"], ["v1 @0 stale since 5"]),
    "nor does one by another name": (["a GET", "a: 200 v1 news", "+5", "soft news", "+5", "soft url"], ["v1 @0 stale since 5"]),
    "nor one after a sweep": (["a GET", "a: 200 v1", "+5", "soft url", "sweep", "+5", "soft url", "sweep"], ["v1 @0 stale since 5"]),
    "hard, then soft": (["a GET", "a: 200 v1", "purge url", "soft url"], []),
    "soft, then hard": (["a GET", "a: 200 v1", "soft url", "purge url"], []),
    "soft, then hard by another name": (["a GET", "a: 200 v1 news", "soft url", "sweep", "purge news"], []),
    "a 304 from after a soft purge ends it": (["a GET", "a: 200 v1", "soft url", "b GET", "b: 304"], ["v1 @1"]),
    "a 304 from before a soft purge does not": (
        ["a GET", "a: 200 v1", "+61", "b GET", "soft url", "b: 304"],
        ["v1 @0 stale since 61"],
    ),
    "a soft purge on each side of a validation": (  # since when is one number: the earlier one goes on to count
        ["a GET", "a: 200 v1", "+5", "soft url", "b GET", "+5", "soft url", "b: 304"],
        ["v1 @1 stale since 5"],
    ),
    "a soft purge after each of two validations": (
        ["a GET", "a: 200 v1", "soft url", "b GET", "b: 304", "+5", "soft url"],
        ["v1 @1 stale since 5"],
    ),
    # Tags that a 304 changed
    "a 304 with a tag that was purged on its way": (["a GET", "a: 200 v1 news", "+61", "b GET", "purge front", "b: 304 front"], []),
    "a 304 with a tag that was purged before": (["a GET", "a: 200 v1 news", "+61", "purge front", "b GET", "b: 304 front"], ["v1 @1"]),
    "a 304 without the tag that was purged on its way": (
        ["a GET", "a: 200 v1 news", "+61", "b GET", "purge news", "b: 304 front", "b asks again", "b: 200 v2 front"],
        ["v2 @1"],
    ),
    "a 304 without the tag that was purged softly": (
        ["a GET", "a: 200 v1 news", "+61", "b GET", "soft news", "b: 304 front"],
        ["v1 @0 stale since 61"],
    ),
    "a 304 with a tag that was purged softly": (
        ["a GET", "a: 200 v1 news", "+61", "b GET", "soft front", "b: 304 front", "sweep"],
        ["v1 @0 stale since 61"],
    ),
    "the tag that a 304 brought is purged later": (["a GET", "a: 200 v1 news", "+61", "b GET", "b: 304 front", "purge front"], []),
    "the tag that a 304 took away is purged later": (
        ["a GET", "a: 200 v1 news", "+61", "b GET", "b: 304 front", "purge news"],
        ["v1 @0"],
    ),
    # HEAD raises nothing
    "HEAD": (["a GET", "a: 200 v1", "+61", "purge news", "b HEAD", "b: head v1"], ["v1 @0"]),
    "HEAD, purged on its way": (["a GET", "a: 200 v1", "+61", "b HEAD", "purge url", "b: head v1"], []),
    "HEAD after a soft purge": (["a GET", "a: 200 v1", "+5", "soft url", "b HEAD", "b: head v1"], ["v1 @0 stale since 5"]),
    "HEAD with a tag that was purged before": (["a GET", "a: 200 v1 news", "+61", "purge front", "b HEAD", "b: head v1 front"], []),
    "HEAD with a tag that was purged before, swept": (
        ["a GET", "a: 200 v1 news", "+61", "purge front", "sweep", "b HEAD", "b: head v1 front"],
        [],
    ),
    "HEAD with the tags that it had, swept": (
        ["a GET", "a: 200 v1 news front", "+61", "purge other", "sweep", "b HEAD", "b: head v1 front"],
        ["v1 @0"],
    ),
    "HEAD with a tag that was purged softly": (
        ["a GET", "a: 200 v1 news", "+61", "soft front", "b HEAD", "b: head v1 front", "sweep"],
        ["v1 @0 stale since 61"],
    ),
    "HEAD of another version": (["a GET", "a: 200 v1", "+61", "b HEAD", "b: head v2"], []),
    # Who was faster
    "a later fetch overtakes one that a purge has overtaken": (
        ["a GET", "purge url", "b GET", "b: 200 v2", "a: 200 v1"],
        ["v2 @1"],
    ),
    "a later fetch overtakes one that is stale": (["a GET", "soft url", "b GET", "b: 200 v2", "a: 200 v1"], ["v2 @1"]),
    "and does so whatever is ready first": (["a GET", "soft url", "b GET", "a: 200 v1", "b: 200 v2"], ["v2 @1"]),
    "of one position, the later": (["a GET", "b GET", "b: 200 v2", "a: 200 v1"], ["v2 @0"]),
    "of one position, the later, in order": (["a GET", "b GET", "a: 200 v1", "b: 200 v2"], ["v2 @0"]),
    "a 304 about what was replaced": (
        ["a GET", "a: 200 v1", "+61", "b GET", "soft url", "c GET", "c: 200 v2", "b: 304"],
        ["v2 @1"],
    ),
    "a 304 that a later one overtook": (
        ["a GET", "a: 200 v1", "+61", "b GET", "soft url", "c GET", "c: 304", "b: 304"],
        ["v1 @1"],
    ),
    # Parts
    "two parts": (["a GET 0-4", "a: 206 v1 0-4", "b GET 5-9", "b: 206 v1 5-9"], ["v1 @0"]),
    "two parts, the second from after a purge of something else": (
        ["a GET 0-4", "a: 206 v1 0-4", "purge other", "b GET 5-7", "b: 206 v1 5-7"],
        ["v1 @0 0-7"],
    ),
    "two parts, the first purged": (["a GET 0-4", "a: 206 v1 0-4", "purge url", "b GET 5-9", "b: 206 v1 5-9"], ["v1 @1 5-9"]),
    "two parts, both purged": (["a GET 0-4", "a: 206 v1 0-4", "b GET 5-9", "purge url", "b: 206 v1 5-9"], []),
    "two parts, the first stale": (["a GET 0-4", "a: 206 v1 0-4", "soft url", "b GET 5-9", "b: 206 v1 5-9"], ["v1 @1 5-9"]),
    "two parts, stale while the second arrives": (
        ["a GET 0-4", "a: 206 v1 0-4", "b GET 5-9", "b: half v1 5-9", "soft url", "b: rest"],
        ["v1 @0 0-4 stale since 0"],
    ),
    "two parts, purged while the second arrives": (
        ["a GET 0-4", "a: 206 v1 0-4", "b GET 5-9", "b: half v1 5-9", "purge url", "sweep", "b: rest"],
        [],
    ),
    "two parts, the second with a tag that was purged between": (
        ["a GET 0-4", "a: 206 v1 0-4", "purge front", "b GET 5-9", "b: 206 v1 5-9 front"],
        ["v1 @0 0-4"],
    ),
    "two parts, the second with a tag that was purged between, swept": (
        ["a GET 0-4", "a: 206 v1 0-4", "purge front", "sweep", "b GET 5-9", "b: 206 v1 5-9 front"],
        ["v1 @0 0-4"],
    ),
    # Variants
    "a 304 is about the variant that was selected": (
        ["a GET de", "a: 200 v1", "b GET fr", "b: 200 v1", "+61", "purge other", "c GET de", "c: 304"],
        ["v1 @0 fr", "v1 @1 de"],
    ),
    "a purge by URL is about all": (["a GET de", "a: 200 v1", "b GET fr", "b: 200 v1", "purge url"], []),
    "a purge by tag is about those that have it": (
        ["a GET de", "a: 200 v1 news", "b GET fr", "b: 200 v1 front", "purge news"],
        ["v1 @0 fr"],
    ),
    "a soft purge on the way of one": (
        ["a GET de", "a: 200 v1", "b GET fr", "+3", "soft url", "b: 200 v1"],
        ["v1 @0 de stale since 3", "v1 @0 fr stale since 3"],
    ),
    # What the edge invalidates by itself
    "an unsafe request purges what is stored": (["a GET", "a: 200 v1", "b POST", "b: 204"], []),
    "and what is on its way": (["a GET", "b POST", "b: 204", "a: 200 v1"], []),
    "its answer, stored, is above its own entries": (["a GET", "a: 200 v1", "b POST", "b: stored v2"], ["v2 @1"]),
    "its answer, stored, is purged like others": (["b POST", "b: half stored v2", "purge url", "b: rest"], []),
    "a failed one purges nothing": (["a GET", "a: 200 v1", "b POST", "b: 500"], ["v1 @0"]),
    "a reset": (["a GET", "a: 200 v1", "+61", "b GET", "reset", "b: 200 v2"], []),
}


@dataclass
class Asking:
    """A client that has asked, and the request of it that the origin has."""

    client: Client
    asked: Asked
    language: str
    rest: bytes = b""


class Stage:
    """One edge, and the events of a row."""

    def __init__(self, kit: Kit, origin: HeldOrigin) -> None:
        self.kit = kit
        self.origin = origin
        self.asking: dict[str, Asking] = {}

    async def do(self, event: str) -> None:
        who, *words = event.split()
        match who, words:
            case _, []:
                await self._by_itself(who)
            case (("purge" | "soft"), [name]):
                selector: Selector = UrlSelector(URL.host, URL.target) if name == "url" else TagSelector(name)
                self.kit.edge.doors.invalidate_now([selector], soft=who == "soft", cause=Cause.API)
            case _, [("GET" | "HEAD" | "POST") as method, *how]:
                await self._ask(who, method, how)
            case _, ["asks", "again"]:
                asking = self.asking[who]
                asking.asked = await self.origin.nth(len(self.origin.asked) - 1)
                assert asking.asked.seen.get("if-none-match") is None
            case _, [status, *what]:
                await self._answer(self.asking[who.rstrip(":")], status, what)
        await rounds(self.kit, 2)

    async def _by_itself(self, what: str) -> None:
        edge = self.kit.edge
        match what:
            case "sweep":
                assert await edge.store_sweeper.sweep() <= edge.log.head
            case "reset":
                await edge.doors.invalidate([AllSelector()], soft=False, cause=Cause.RESET)
            case _:
                self.kit.pass_time(float(what))

    async def _ask(self, who: str, method: str, how: list[str]) -> None:
        lines, language = [], ""
        for word in how:
            if "-" in word:
                lines.append(f"Range: bytes={word}")
            elif word != "whole":
                lines.append(f"Accept-Language: {word}")
                language = word
        if method == "POST":
            lines.append("Content-Length: 0")
        before = len(self.origin.asked)
        client = await self.kit.connect()
        await client.send(question("/a", *lines, method=method))
        asked = await self.origin.nth(before)
        if "whole" in how:
            assert asked.seen.get("if-none-match") is None
        self.asking[who] = Asking(client, asked, language)

    async def _answer(self, asking: Asking, status: str, what: list[str]) -> None:
        if status == "rest":
            await asking.asked.send(asking.rest)
            return
        half = status == "half"
        stored = "stored" in (status, *what)
        words = [word for word in what if word != "stored"]
        version = words.pop(0) if words and words[0].startswith("v") else ""
        part = words.pop(0) if words and "-" in words[0] else ""
        fields = ["Cache-Control: private" if status == "403" else "Cache-Control: max-age=60"]
        if version:
            fields.append(f'ETag: "{version}"')
        if asking.language and version:
            fields.append("Vary: Accept-Language")
        if words:
            fields.append(f"Surrogate-Key: {' '.join(words)}")
        if stored:
            fields.append("Content-Location: /a")
        body = version.encode().ljust(LENGTH, b".")
        if part:
            first, last = map(int, part.split("-"))
            body = body[first : last + 1]
            fields.append(f"Content-Range: bytes {part}/{LENGTH}")
        code = "206" if part else "200" if half or stored or status == "head" else status
        if code not in ("204", "304"):
            body = body if version else b""
            fields.append(f"Content-Length: {len(body)}")
        else:
            body = b""
        raw = "\r\n".join([f"HTTP/1.1 {code} X", *fields]).encode() + b"\r\n\r\n"
        if status == "head":
            body = b""
        if half:
            asking.rest, body = body[1:], body[:1]
        await asking.asked.send(raw + body)

    def stored(self) -> list[str]:
        log = self.kit.edge.log
        held = [one for one in self.kit.edge.store.memory.candidates(URL) if not isinstance(log.judge(one), HardCovered)]
        return sorted(self._told(one) for one in held)

    def _told(self, stored: StoredResponse) -> str:
        etag = next(value for _, name, value in stored.fields if name == b"etag")
        told = [etag.decode().strip('"'), f"@{stored.position}"]
        told += [(value or b"").decode() for _, value in stored.vary]
        if stored.part is not None:
            told.append(f"{stored.part.first}-{stored.part.last}")
        soft = soft_cover(stored, self.kit.edge.log.judge(stored))
        if soft is not None:
            told.append(f"stale since {soft.since - StandingClock.START:g}")
        return " ".join(told)


@pytest.mark.parametrize("swept", [False, True], ids=["", "swept at the end"])
@pytest.mark.parametrize("case", CASES)
async def test_position(case: str, swept: bool, capsys: pytest.CaptureFixture[str]) -> None:
    events, expected = CASES[case]
    origin = HeldOrigin()
    # Nobody waits for another's fetch, and the sweeper comes when the row says so.
    async with running_kit({"collapse_wait_s": 0.0, "sweep_delay_s": 3600.0}, origin) as kit:
        stage = Stage(kit, origin)
        for event in events:
            await stage.do(event)
        if swept:
            await stage.do("sweep")
            assert all(entry.position > kit.edge.log.swept for entry in kit.edge.log.entries() if entry.selector != AllSelector())
        assert stage.stored() == expected
    assert "a defect in" not in capsys.readouterr().err


@pytest.mark.parametrize("swept", [False, True])
async def test_what_a_purge_ended_stays_ended_when_the_purge_is_forgotten(swept: bool) -> None:
    """Who comes after the purge joins no fetch from before it, and a hit-for-miss mark from before it keeps nobody from waiting."""
    origin = HeldOrigin()
    async with running_kit({"sweep_delay_s": 3600.0}, origin) as kit:
        stage = Stage(kit, origin)
        ended = ["purge url", *(["sweep"] if swept else [])]
        for event in ["a GET", "a: half v1", *ended, "b GET", "b: half v2"]:
            await stage.do(event)
        joined = await kit.connect()
        await joined.send(question("/a"))
        for event in ["a: rest", "b: rest"]:
            await stage.do(event)
        assert ((await joined.reply()).body[:2], len(origin.asked), stage.stored()) == (b"v2", 2, ["v2 @1"])

        for event in ["purge url", "c GET", "c: 403", *ended, "d GET"]:  # which is for c alone
            await stage.do(event)
        waiting = await kit.connect()
        await waiting.send(question("/a"))
        await stage.do("d: 200 v3")
        assert ((await waiting.reply()).body[:2], len(origin.asked)) == (b"v3", 4)
