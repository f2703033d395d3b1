"""The origin: stamps what it sends, remembers when it was asked, and holds answers back until something else has happened."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field, replace
from random import Random

from edgecache.lab.history.events import Answer, AnswerKind, By, Moment, Page, Selector
from tests.history.pages import CLASSES, GROUPS, HOSTS, NOT_TO_BE_STORED, TAGS, Place, Policy, Terms, policy_of
from tests.history.stamps import UNIT, content
from tests.history.world import Held, World

HOLD_HEAD = 0.3  # how often an answer is held back as a whole
HOLD_304 = 0.6  # … or a 304
HOLD_REST = 0.25  # … or the second half of its content
ERRORS = 0.03
BROKEN_OFF = 0.02
SILENT = 0.004


@dataclass
class Asked:
    """A request as the origin got it."""

    method: str
    target: str
    fields: dict[str, str]
    arrived: Moment

    def get(self, name: str) -> str:
        return self.fields.get(name, "")


@dataclass
class State:
    """What there is at one place now."""

    edition: int
    units: int


@dataclass
class Reply:
    """An answer before it is sent: lines of its head, content, and what it means."""

    lines: list[str]
    answer: Answer | None
    body: bytes = b""
    chunked: bool = False
    broken_off: bool = False


@dataclass
class Site:
    """All of the origin's places, and how it answers."""

    world: World
    rng: Random
    states: dict[Place, State] = field(default_factory=dict)
    units: dict[int, int] = field(default_factory=dict)  # of each answer that brings content: how many there are in all

    def __post_init__(self) -> None:
        self._editions = itertools.count(1)

    def reply(self, asked: Asked) -> tuple[Place, Reply]:
        """What this request gets."""
        rng = self.rng
        policy = policy_of(asked.target)
        host = asked.get("host")
        extra = asked.get("x-lang") if policy.keyed else ""
        page = Page(host, asked.target, extra, HOSTS[host])
        place = Place(page, policy, asked.get("x-kind") if policy.varies else "")
        if asked.method == "POST":
            return place, self._posted(asked, place)
        if rng.random() < ERRORS:
            number = self.world.number()
            answer = Answer(number, AnswerKind.ERROR, page, 0, asked.arrived, 0, place.variant, status=503)
            return place, Reply(["HTTP/1.1 503 Service Unavailable", f"X-State: {number}", "Cache-Control: no-store"], answer, b"error\n")
        return place, self._content(asked, place)

    def _content(self, asked: Asked, place: Place) -> Reply:
        rng, policy = self.rng, place.policy
        state = self.states.get(place)
        if state is None or (asked.method == "GET" and rng.random() < policy.changes):
            state = self.states[place] = State(next(self._editions) if policy.named else 0, rng.randint(*policy.units))
        tag = f'"e{state.edition}"' if policy.named else ""
        user = asked.get("authorization").removeprefix("User ") if policy.personal else ""
        terms = rng.choice(policy.terms) if rng.random() > 0.05 else NOT_TO_BE_STORED
        span = _span(asked, tag, state.units)
        if asked.method == "HEAD":
            kind = AnswerKind.HEAD
        elif tag and tag in asked.get("if-none-match"):
            kind = AnswerKind.NOT_MODIFIED
        else:
            kind = AnswerKind.WHOLE if span is None else AnswerKind.PART
        number = self.world.number()
        answer = Answer(
            number,
            kind,
            place.page,
            state.edition,
            asked.arrived,
            0,
            place.variant,
            user if "public" not in terms.cache_control else "",
            int(asked.get("x-ask") or 0),
            {AnswerKind.NOT_MODIFIED: 304, AnswerKind.PART: 206}.get(kind, 200),
            frozenset(rng.sample(TAGS, 2)),
            frozenset([rng.choice(GROUPS)]),
            {"x-class": rng.choice(CLASSES)},
            terms.swr_s,
            terms.sie_s,
            terms.never_stale,
        )
        return self._rendered(answer, state, policy, tag, terms, span)

    def _rendered(self, answer: Answer, state: State, policy: Policy, tag: str, terms: Terms, span: tuple[int, int] | None) -> Reply:
        number, kind = answer.number, answer.kind
        reason = {200: "OK", 206: "Partial Content", 304: "Not Modified"}[answer.status]
        lines = [f"HTTP/1.1 {answer.status} {reason}", f"Cache-Control: {terms.cache_control}", f"X-State: {number}"]
        if kind is AnswerKind.WHOLE:
            lines.append(f"X-Brought: {number}")
        if kind in (AnswerKind.WHOLE, AnswerKind.NOT_MODIFIED):
            lines.append(f"X-Vouched: {number}")
        if tag:
            lines.append(f"ETag: {tag}")
        if policy.varies:
            lines.append("Vary: X-Kind")
        lines.append(f"Surrogate-Key: {' '.join(sorted(answer.tags))}")
        lines.append("Cache-Groups: " + ", ".join(f'"{group}"' for group in sorted(answer.groups)))
        lines.append(f"X-Class: {answer.told['x-class']}")
        if not kind.brings:
            if kind is AnswerKind.HEAD:
                lines.append(f"Content-Length: {state.units * UNIT}")
            return Reply(lines, answer)
        self.units[number] = state.units
        body = content(number, state.units)
        if span is not None:
            body = body[span[0] : span[1] + 1]
            lines.append(f"Content-Range: bytes {span[0]}-{span[1]}/{state.units * UNIT}")
        return Reply(lines, answer, body, policy.chunked and span is None, self.rng.random() < BROKEN_OFF)

    def _posted(self, asked: Asked, place: Place) -> Reply:
        """Something is changed: by this answer more than its URL may become invalid."""
        rng, page = self.rng, place.page
        selectors = [Selector(By.URL, (page.host, page.target))]
        for other in [one for one in self.states if one.page.target == page.target and one.page.host == page.host]:
            self.states.pop(other)
        lines = ["HTTP/1.1 200 OK", f"X-Post: {asked.get('x-post')}"]
        if rng.random() < 0.3:
            other = rng.choice([one for one in self.world.places if one.page.host == page.host]).page
            lines.append(f"{rng.choice(['Location', 'Content-Location'])}: {other.target}")
            selectors.append(Selector(By.URL, (other.host, other.target)))
        if rng.random() < 0.5:
            group = rng.choice(GROUPS)
            lines.append(f'Cache-Group-Invalidation: "{group}"')
            selectors.append(Selector(By.GROUP, (page.host, group)))
        self.world.posts[int(asked.get("x-post"))] = (0, tuple(selectors))
        return Reply(lines, None, b"done\n")


def _span(asked: Asked, tag: str, units: int) -> tuple[int, int] | None:
    """First and last byte of the one range that is asked for; None when all of it is to be sent."""
    first, _, last = asked.get("range").removeprefix("bytes=").partition("-")
    if not first.isdigit() or not (last.isdigit() or not last) or asked.get("if-range") not in ("", tag):
        return None
    end = min(int(last), units * UNIT - 1) if last else units * UNIT - 1
    return (int(first), end) if int(first) <= end else None


class OriginConnection(asyncio.Protocol):
    """One connection from the edge: one request at a time."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._world = site.world
        self._buffer = b""
        self._transport: asyncio.Transport
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._busy:
            self._next()

    def _next(self) -> None:
        head, mark, rest = self._buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        line, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        fields = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
        length = int(fields.get("content-length", "0"))
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        self._busy = True
        asked = Asked(method, target, fields, self._world.moment())
        rng = self._site.rng
        if method != "POST" and rng.random() < SILENT:
            self._transport.abort()
            return
        place, reply = self._site.reply(asked)
        if self._world.overtake(place) and rng.random() < 0.7:
            self._send(asked, place, reply)
        elif reply.answer is not None and rng.random() < (HOLD_304 if reply.answer.kind is AnswerKind.NOT_MODIFIED else HOLD_HEAD):
            self._world.hold(Held(place, reply.answer, lambda: self._send(asked, place, reply), rng.randrange(5, 120)))
        else:
            self._send(asked, place, reply)

    def _send(self, asked: Asked, place: Place, reply: Reply) -> None:
        if self._transport.is_closing():
            return
        world, rng = self._world, self._site.rng
        answered = world.moment()
        if reply.answer is not None:
            reply.answer = replace(reply.answer, answered=answered, broken_off=reply.broken_off)
            world.answered(place, reply.answer)
        else:
            number = int(asked.get("x-post"))
            world.posts[number] = (answered, world.posts[number][1])
        lines = reply.lines
        body = b"" if asked.method == "HEAD" else reply.body
        if reply.chunked and body:
            lines.append("Transfer-Encoding: chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in _pieces(body)) + b"0\r\n\r\n"
        elif body:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        half = rng.randrange(len(body)) if body else 0
        if reply.broken_off:
            self._transport.write(head + body[:half])
            asyncio.get_running_loop().call_soon(self._transport.abort if rng.random() < 0.5 else self._transport.close)
        elif body and reply.answer is not None and rng.random() < HOLD_REST:
            self._transport.write(head + body[:half])
            world.hold(Held(place, reply.answer, lambda: self._end(body[half:]), rng.randrange(5, 120)))
        else:
            self._end(head + body)

    def _end(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self._transport.write(data)
        self._busy = False
        self._next()


def _pieces(body: bytes) -> list[bytes]:
    return [body[at : at + 10_000] for at in range(0, len(body), 10_000)]
