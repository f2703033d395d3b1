"""An origin whose every answer is sent by the test, so that it decides what happens before what; and what tests ask of an edge."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import http_sf
from wirekit import Client, Cut, Kit, Origin, Peer, Reply, Seen, until

HOST = "example.test"


@dataclass
class Asked:
    """One request that the origin has got, and the connection to answer it on."""

    seen: Seen
    peer: Peer
    closed: bool = False  # the edge has closed the connection

    async def send(self, raw: bytes) -> None:
        await self.peer.send(raw)

    async def fail(self) -> None:
        """Begin an answer and break it off: a connection that only closes may have been idle for too long, and is tried once more."""
        await self.peer.send(b"HTTP/1.1 200 OK\r\nX-Half: ")
        self.peer.close()


class HeldOrigin(Origin):
    """Answers nothing by itself: `asked` holds the requests in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Asked] = []
        self.script = self.hold

    async def hold(self, peer: Peer) -> None:
        mine: list[Asked] = []
        try:
            while True:
                seen = await peer.request()
                mine.append(Asked(seen, peer))
                self.asked.append(mine[-1])
                self.seen.append(seen)
        except Cut:
            for one in mine:
                one.closed = True
            raise

    async def nth(self, number: int) -> Asked:
        """The request with this number, counted from 0, once it is there."""
        await until(lambda: len(self.asked) > number, f"origin request {number}; there are {[one.seen.line for one in self.asked]}")
        return self.asked[number]


def question(target: str, *lines: str, method: str = "GET") -> bytes:
    """The bytes of a request without content."""
    host = [] if any(line.lower().startswith("host:") for line in lines) else [f"Host: {HOST}"]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *host, *lines]).encode("latin-1") + b"\r\n\r\n"


async def start(kit: Kit, target: str = "/a", *lines: str, method: str = "GET") -> Client:
    """A client that has sent a request; its reply is for the test to take."""
    client = await kit.connect()
    await client.send(question(target, *lines, method=method))
    return client


async def several(kit: Kit, count: int, target: str = "/a", *lines: str) -> list[Client]:
    """So many clients that have each sent the same request."""
    return [await start(kit, target, *lines) for _ in range(count)]


async def replies(clients: list[Client]) -> list[Reply]:
    """What each client gets."""
    return list(await asyncio.gather(*(client.reply() for client in clients)))


def waiting(kit: Kit) -> int:
    """How many requests wait for somebody else's fetch."""
    return sum(len(flight.waiters) for flight in kit.edge.flights._flying.values())


async def all_wait(kit: Kit, count: int) -> None:
    await until(lambda: waiting(kit) == count, f"{count} to wait")


async def rounds(kit: Kit, count: int = 12) -> None:
    """Let everything that can happen by itself happen: whole conversations with the edge, and turns of the loop between them."""
    for _ in range(count):
        await kit.request("OPTIONS", "*", "Max-Forwards: 0")
        for _ in range(20):
            await asyncio.sleep(0)


def told(reply: Reply) -> dict[str, Any]:
    """The parameters of our member of Cache-Status, as a parser of structured fields reads them."""
    members = http_sf.parse(b", ".join(reply.all("cache-status")), tltype="list")
    name, parameters = members[-1]
    assert str(name) == "edgecache"
    return {key: str(value) if isinstance(value, str) else value for key, value in parameters.items()}


def conditions(seen: Seen) -> list[bytes]:
    """The lines of a request that make it conditional on what somebody has, in order of name."""
    return sorted(line for line in seen.lines if line.partition(b":")[0].lower() in (b"if-none-match", b"if-modified-since"))


async def api(kit: Kit, path: str, body: object = None) -> tuple[int, Any]:
    """A call to the control plane: POST with JSON when there is something to say, else GET."""
    client = await ask_control(kit, path, body)
    reply = await client.reply()
    client.close()
    return reply.status, json.loads(reply.body)


async def ask_control(kit: Kit, path: str, body: object = None) -> Client:
    """A call to the control plane whose answer is still to be taken."""
    host, port = kit.edge.control_url.removeprefix("http://").rsplit(":", 1)
    client = Client(*await asyncio.open_connection(host, int(port)))
    kit.clients.append(client)
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    await client.send(head.encode() + b"\r\n" + content)
    return client


async def purge(kit: Kit, target: str = "/a") -> None:
    reply = await kit.request("PURGE", target)
    assert reply.status == 200


async def soft_purge(kit: Kit, target: str = "/a") -> None:
    assert (await api(kit, "/api/v1/invalidations", {"url": f"http://{HOST}{target}", "soft": True}))[0] == 201


async def advance(kit: Kit, by: str) -> None:
    """Move edge time; real time stands still."""
    assert (await api(kit, "/api/v1/clock", {"advance": by}))[0] == 200


async def settled(kit: Kit) -> None:
    assert await api(kit, "/api/v1/settled?timeout=20s") == (200, {"settled": True})
