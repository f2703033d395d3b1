"""The origin's side: connections that come, answer and die when their choice is taken. An answer is settled when the request is there."""

from __future__ import annotations

from collections.abc import Iterable

from interleavings.awaiting import READ, WRITE, Awaits, Future, touch
from interleavings.history import History, Invalidation
from interleavings.peers import Message, Transport, content
from interleavings.scenario import Origin

from edgecache.http1.head import HeadLimits
from edgecache.http1.origin import OriginConnection, OriginLimits

LIMITS = OriginLimits(1.0, 1.0, 1.0, 1.0, 1.0, 100_000, 64)


class StillSweeper:
    """Deadlines never pass."""

    def monotonic(self) -> float:
        return 0.0

    def watch(self, watched: object) -> None:
        pass

    forget = watch


class OriginSide:
    """The origin of one world, and in place of the edge's pool: whoever asks for a connection gets one of his own, for one request.

    generation  of the content that it has now
    asked       how many requests came
    out         connections that were handed out and not given back
    """

    def __init__(self, awaits: Awaits, said: Origin, history: History, generation: int = 0) -> None:
        self.generation = generation
        self.asked = 0
        self.out: set[OriginConnection] = set()
        self._awaits = awaits
        self._said = said
        self._history = history
        self._deaths = said.deaths
        self._questions = 0

    def publish(self) -> int:
        """From now on it has the next generation."""
        touch("generation", WRITE)
        self.generation += 1
        return self.generation

    def lives(self) -> None:
        """No connection dies any more."""
        self._deaths = 0

    # as the edge's pool

    async def acquire(self, fresh: bool = False) -> OriginConnection:
        awaits = self._awaits
        given: Future = awaits.create_future()
        name = awaits.name("origin")
        touch("questions", WRITE)
        self._questions = number = self._questions + 1

        def connects() -> None:
            if not given.done():  # else who wanted it has gone
                given.set_result(self._connect(name, number))

        awaits.open(f"{name}: connects", connects)
        made: OriginConnection = await given
        made.reused = self._said.reused and not fresh
        self.out.add(made)
        made.on_closed = self.out.discard
        return made

    def release(self, connection: OriginConnection) -> None:
        if not connection.is_clean:
            self._awaits.defects.append("a connection was given back in the middle of a message")
        self.out.discard(connection)
        connection.abort()

    def discount(self, connection: OriginConnection) -> None:
        pass

    # one connection

    def _connect(self, name: str, number: int) -> OriginConnection:
        awaits = self._awaits

        def asked(data: bytes) -> None:
            self.asked += 1
            head, rest = self._answer(Message(data), number)
            awaits.open(f"{name}: answers", lambda: answers(head, rest))
            if self._deaths:
                awaits.open(f"{name}: dies", dies)

        def answers(head: bytes, rest: bytes) -> None:
            if rest and not self._said.at_once:
                awaits.open(f"{name}: ends", lambda: ends(rest))
                arrives(head)
            else:
                ends(head + rest)

        def ends(rest: bytes) -> None:
            touch("deaths", READ)
            awaits.withdraw(f"{name}: dies")
            arrives(rest)

        def arrives(data: bytes) -> None:
            if not connection.closed:
                connection.data_received(data)

        def dies() -> None:
            touch("deaths", WRITE)
            self._deaths -= 1
            self._history.origin_failed = True
            awaits.withdraw(f"{name}: answers")
            awaits.withdraw(f"{name}: ends")
            if not self._deaths:
                for other in [one for one in awaits.choices if one.endswith(": dies")]:
                    awaits.withdraw(other)
            if not connection.closed:
                transport.lose()

        transport = Transport(awaits, asked)
        connection = OriginConnection(awaits, StillSweeper(), HeadLimits(), LIMITS)  # type: ignore[arg-type]
        transport.protocol = connection
        connection.connection_made(transport)  # type: ignore[arg-type]
        return connection

    def _answer(self, asked: Message, number: int) -> tuple[bytes, bytes]:
        """The answer to this request: head with half of the content, and the other half."""
        said = self._said
        method = asked.line.split(b" ")[0]
        if method == b"POST":
            self._history.invalidations.append(Invalidation("POST", self.publish(), False))
            return b"HTTP/1.1 204 No Content\r\n\r\n", b""
        touch("generation", READ)
        if self.generation >= said.fails:
            self._history.origin_failed = True
            return b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", b""
        variant = variant_of(asked.fields) if said.vary else ""
        tag = f'"g{self.generation}{variant}"'
        lines = [f"Cache-Control: {said.cache_control}", f"ETag: {tag}", f"Question: {number}"]
        if said.vary:
            lines.append(f"Vary: {said.vary}")
        if asked.get("if-none-match") == tag:
            lines += said.fields if said.retagged is None else said.retagged
            return "\r\n".join(["HTTP/1.1 304 Not Modified", *lines, "", ""]).encode(), b""
        lines += said.fields
        body, status = content(self.generation, variant), "200 OK"
        if asked.get("range") and method == b"GET" and asked.get("if-range") in ("", tag):
            named = asked.get("range").removeprefix("bytes=").split("-")
            first, last = int(named[0]), int(named[1] or len(body) - 1)
            lines.append(f"Content-Range: bytes {first}-{last}/{len(body)}")
            body, status = body[first : last + 1], "206 Partial Content"
        head = "\r\n".join([f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}", "", ""]).encode()
        if method == b"HEAD":
            return head, b""
        return head + body[: len(body) // 2], body[len(body) // 2 :]


def variant_of(fields: Iterable[tuple[str, str]]) -> str:
    """The language that a request wants, or none."""
    return next((value for name, value in fields if name.lower() == "accept-language"), "")
