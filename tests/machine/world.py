"""The origin: pages that change, by an honest server that can also fail. It remembers what it was asked and what it answered."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
from dataclasses import dataclass

from wirekit import Cut, Origin, Peer, Seen, StandingClock

from tests.machine.messages import Asked, Fields, Sent, holds, http_date, is_strong, lines, one, ranges


class Mode(enum.Enum):
    """How the origin is. The value is the error type of Proxy-Status (RFC 9209) that a cache has to give for it, or ""."""

    UP = ""
    FAILING = "503"
    BREAKS = "http_response_incomplete"
    REFUSES = "connection_refused"
    CUTS = "cuts"


@dataclass(frozen=True)
class Terms:
    """What a page says about how it may be kept. Numbers are seconds; `expires` counts from Date, None there is a value that is no date."""

    cache_control: str = ""
    cdn: str = ""
    expires: int | str = ""
    age: int = 0
    skew: int | None = 0  # of Date, from the origin's clock; None: no Date
    groups: str = ""
    tags: str = ""
    invalidates: str = ""

    def __repr__(self) -> str:
        return _short(self)


@dataclass(frozen=True)
class Page:
    """What is to be seen under a URL."""

    status: int = 200
    etag: str = "strong"  # "strong": differs for each variant; "weak": one for all of them; "": none
    modified: int | None = None  # for so long it had not been changed when it was published
    vary: str = ""
    personal: bool = False
    conditional: bool = True  # whether conditions are understood
    ranges: bool = True
    cookie: bool = False
    length: int = 40
    delay: int = 0
    chunked: bool = False
    names_a_field: bool = False  # in Connection

    def __repr__(self) -> str:
        return _short(self)


def _short(thing: Page | Terms) -> str:
    shown = [f"{name}={getattr(thing, name)!r}" for name, default in vars(type(thing)()).items() if getattr(thing, name) != default]
    return f"{type(thing).__name__}({', '.join(shown)})"


@dataclass(frozen=True)
class Written:
    """What an unsafe request is answered with."""

    status: int = 200
    location: str = ""
    content_location: str = ""
    terms: Terms = Terms()
    etag: bool = False

    def fields(self) -> list[tuple[str, str]]:
        named = [("Location", self.location), ("Content-Location", self.content_location), ("ETag", '"written"' if self.etag else "")]
        return [own for own in named if own[1]]


@dataclass
class Place:
    """A page, its version, and when that was published, by the origin's clock."""

    page: Page
    terms: Terms
    version: int
    published: float


class World(Origin):
    """An origin with pages. `asked` is what it was asked since somebody last took it, with what it answered."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.clock = StandingClock()  # until the edge is there, whose clock it then goes by
        self.mode = Mode.UP
        self.error_terms = Terms()
        self.places: dict[tuple[str, str], Place] = {}
        self.written = Written()
        self.asked: list[tuple[Asked, Sent | None]] = []
        self.versions = 0
        self.serial = 0
        self.fixed_port = port
        self._taken: socket.socket | None = None
        self.script = self.serve

    def publish(self, url: tuple[str, str], page: Page, terms: Terms) -> None:
        self.versions += 1
        self.places[url] = Place(page, terms, self.versions, self.clock.wall)

    async def become(self, mode: Mode, terms: Terms) -> None:
        """Whoever refuses connections has none, and nobody else may listen on its port meanwhile."""
        self.error_terms = terms
        if mode is Mode.REFUSES and self.mode is not Mode.REFUSES:
            await self.stop()
            await asyncio.sleep(0)  # uvloop closes the listening socket in its next turn
            self._taken = socket.socket()
            self._taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._taken.bind(("127.0.0.1", self.fixed_port))
        if self.mode is Mode.REFUSES and mode is not Mode.REFUSES:
            self.free()
            await self.start(self.fixed_port)
        self.mode = mode

    def free(self) -> None:
        if self._taken is not None:
            self._taken.close()
            self._taken = None

    async def serve(self, peer: Peer) -> None:
        with contextlib.suppress(Cut):
            while True:
                seen = await peer.request()
                question = as_asked(seen)
                if self.mode is Mode.BREAKS:
                    self.asked.append((question, None))
                    await peer.send(b"HTTP/1.1 200 OK\r\nX-Half: ")
                    return
                asked_at = self.clock.now()
                status, head, content = self.reply_to(question)
                has_content = bool(content) and question.method != "HEAD" and status not in (204, 304)
                cut = self.mode is Mode.CUTS and has_content and len(content) > 1
                chunked = status not in (204, 304) and ("Transfer-Encoding", "chunked") in head
                if status not in (204, 304) and not chunked:
                    head.append(("Content-Length", str(len(content))))
                if not has_content:
                    content = b""
                if cut:
                    content = content[: len(content) // 2]
                framed = content
                if chunked and question.method != "HEAD":
                    framed = b"".join(b"1\r\n%c\r\n" % byte for byte in content) + (b"" if cut else b"0\r\n\r\n")
                fields = tuple((name.lower(), value) for name, value in head)
                sent = Sent(question, status, fields, content, asked_at, self.clock.now(), self.clock.offset_s, cut)
                self.asked.append((question, sent))
                raw = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in head)]
                await peer.send("\r\n".join(raw).encode() + b"\r\n\r\n" + framed)
                if cut:
                    return

    def reply_to(self, asked: Asked) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, fields and content."""
        place = self.places.get(asked.url)
        if place is not None:
            self.clock.pass_time(place.page.delay)
        self.serial += 1
        if self.mode is Mode.FAILING:
            return 503, [*self.said(self.error_terms), ("X-Serial", str(self.serial))], f"error {self.serial}".encode()
        if asked.method not in ("GET", "HEAD"):
            content = f"{asked.method} {asked.url} {self.serial}".encode()
            return self.written.status, [*self.said(self.written.terms), *self.written.fields(), ("X-Serial", str(self.serial))], content
        if place is None:
            return 404, [("Date", http_date(self.clock.wall)), ("X-Serial", str(self.serial))], b"no such page"
        return self.shown(asked, place)

    def shown(self, asked: Asked, place: Place) -> tuple[int, list[tuple[str, str]], bytes]:
        """A page, for this request: as a whole, in part, or only that the client has it."""
        page = place.page
        told = [value for name in page.vary.lower().split(", ") for value in lines(asked.fields, name)]
        told += [one(asked.fields, "authorization") or "nobody"] if page.personal else []
        who = "/".join(told).lower().replace(" ", "")  # what is equal to caches is the same page; an entity tag has no spaces
        tag = {"strong": f'"{place.version}-{who}"', "weak": f'W/"{place.version}"', "": None}[page.etag]
        modified = None if page.modified is None else http_date(place.published - page.modified)
        head = [*self.said(place.terms), ("X-Serial", str(self.serial)), ("X-User", who or "all")]
        head += [("ETag", tag)] if tag else []
        head += [("Last-Modified", modified)] if modified else []
        head += [("Vary", page.vary)] if page.vary else []
        head += [("Set-Cookie", f"id={self.serial}")] if page.cookie else []
        head += [("Connection", "x-hop"), ("X-Hop", str(self.serial))] if page.names_a_field else []
        if page.conditional and page.status == 200 and holds(asked.fields, tag=tag, modified=modified):
            return 304, head, b""
        content = f"{asked.host}{asked.target} version {place.version} for {who or 'all'}; ".encode()
        content = (content + bytes(range(97, 123)) * 2)[: page.length]
        head.append(("Content-Type", "text/plain"))
        if page.chunked and page.status != 204:
            head.append(("Transfer-Encoding", "chunked"))
        if page.status in (301, 303):
            head.append(("Location", "/elsewhere"))
        value = one(asked.fields, "range")
        if page.ranges and value and asked.method == "GET" and page.status == 200 and self.if_range(asked.fields, tag, modified):
            spans = ranges(value, len(content))
            if spans == []:
                return 416, [*head, ("Content-Range", f"bytes */{len(content)}")], b"no such range"
            if spans is not None and len(spans) == 1:
                span = spans[0]
                return (
                    206,
                    [*head, ("Content-Range", f"bytes {span.start}-{span.stop - 1}/{len(content)}")],
                    content[span.start : span.stop],
                )
        return page.status, head, content

    def if_range(self, fields: Fields, tag: str | None, modified: str | None) -> bool:
        condition = one(fields, "if-range")
        return condition is None or condition == (tag if is_strong(tag) else modified)

    def said(self, terms: Terms) -> list[tuple[str, str]]:
        now = self.clock.wall
        found = []
        if terms.skew is not None:
            found.append(("Date", http_date(now + terms.skew)))
        if terms.expires != "":
            found.append(
                ("Expires", terms.expires if isinstance(terms.expires, str) else http_date(now + (terms.skew or 0) + terms.expires))
            )
        named = [("Cache-Control", terms.cache_control), ("CDN-Cache-Control", terms.cdn), ("Age", str(terms.age or ""))]
        named += [("Surrogate-Key", terms.tags), ("Cache-Groups", terms.groups), ("Cache-Group-Invalidation", terms.invalidates)]
        return [*found, *(own for own in named if own[1])]


def as_asked(seen: Seen) -> Asked:
    """A request as it came over the wire."""
    pairs = [line.decode("latin-1").partition(":") for line in seen.lines]
    fields = tuple((name.lower(), value.strip()) for name, _, value in pairs)
    method, target, _ = seen.line.decode("latin-1").split(" ")
    return Asked(method, one(fields, "host") or "", target, fields, bool(seen.body))
