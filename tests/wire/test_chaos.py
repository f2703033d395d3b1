"""Everything at once: clients and an origin that do what they like, in an order that a seed decides.

Whatever happens, a reply that looks complete is complete and is the one that was asked for, a cut one is a beginning of it, nobody is
asked for the same POST twice, and when all have left nothing is left.
"""

from __future__ import annotations

import asyncio
import random

import pytest
from wirekit import EMPTY_POOL, Cut, Kit

OWN = (400, 408, 502, 503, 504)  # the edge's own answers; the content of all others is the page's


def page(target: bytes) -> bytes:
    """The one true content of a page: /17-3 is 3 kB of b"<17>", so that no piece of another can pass for it."""
    name, _, size = target[1:].partition(b"-")
    return b"<%s>" % name * (int(size) * 1000 // (len(name) + 2))


def wild_origin(kit: Kit, dice: random.Random, posts: list[bytes]):
    """One request after the other, mostly well."""

    async def content(peer, body: bytes, framing: str, behind: bytes) -> None:
        pieces = [body[at : at + 5000] for at in range(0, len(body), 5000)]
        if framing == "chunked":
            pieces = [b"%x\r\n" % len(piece) + piece + b"\r\n" for piece in pieces] + [b"0\r\n\r\n"]
        for piece in pieces[:-1]:
            await peer.send(piece)
            await kit.turns(dice.randint(0, 2))
        await peer.send((pieces[-1] if pieces else b"") + behind)

    async def script(peer):
        while True:
            mood = dice.random()
            if mood < 0.1:  # answers before it has read everything
                seen = await peer.head()
            else:
                seen = await peer.request()
            if seen.method == b"POST":
                posts.append(seen.target)
            await kit.turns(dice.randint(0, 10))
            body = page(seen.target)
            framing = dice.choice(["length", "length", "chunked", "close"])
            head = b"HTTP/1.1 200 OK\r\n" + dice.choice([b"", b"Cache-Control: max-age=60\r\n", b"Connection: close\r\n"])
            head += {"length": b"Content-Length: %d\r\n" % len(body), "chunked": b"Transfer-Encoding: chunked\r\n", "close": b""}[framing]
            if mood > 0.98:
                return await peer.send(b"garbage")
            if mood > 0.96:
                return peer.reset()
            await peer.send(head + b"\r\n")
            if mood > 0.92:  # breaks off
                await peer.send(body[: dice.randint(0, max(0, len(body) - 1))] if framing == "length" else b"")
                return peer.reset() if framing == "close" else None
            ends = mood < 0.1 or framing == "close" or b"close" in head
            behind = (
                b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
                if mood > 0.85 and not ends and body and seen.method != b"HEAD"
                else b""
            )
            if seen.method != b"HEAD":
                await content(peer, body, framing, behind)
            if ends:
                return None

    return script


async def wild_client(kit: Kit, dice: random.Random, number: int) -> None:
    """Connects, asks, pipelines, leaves when it likes."""
    for turn in range(6):
        client = await kit.connect()
        asked = []
        for _ in range(dice.randint(1, 4)):
            shared = dice.random() < 0.5
            name = dice.randint(0, 9) if shared else 1000 + number * 1000 + turn * 10 + len(asked)
            target = b"/%d-%d" % (name, name % 7 * 12)
            method = dice.choice([b"GET", b"GET", b"GET", b"HEAD", b"POST"])
            lines = b"Host: a.test\r\n"
            body = b""
            if method == b"POST":
                target = b"/%d-1" % (100_000 + number * 1000 + turn * 10 + len(asked))
                body = b"x" * dice.choice([0, 10, 100_000])
                lines += b"Content-Length: %d\r\n" % len(body)
            raw = method + b" " + target + b" HTTP/1.1\r\n" + lines + b"\r\n" + body
            asked.append((method, target))
            cut = dice.randint(1, len(raw))
            client.writer.write(raw[:cut])
            await kit.turns(dice.randint(0, 3))
            client.writer.write(raw[cut:])
        await read_replies(kit, dice, client, asked)


async def read_replies(kit: Kit, dice: random.Random, client, asked) -> None:
    if dice.random() < 0.2:
        client.half_close()
    for method, target in asked:
        if dice.random() < 0.1:
            await kit.turns(dice.randint(0, 20))
            return dice.choice([client.close, client.reset])()
        try:
            reply = await client.reply(method.decode())
        except Cut as cut:
            torn = cut.got
        else:
            torn = None
        if torn is not None:
            in_its_head = torn[:9] == b"HTTP/1.1 "[: len(torn)]
            assert in_its_head or page(target).startswith(torn), (target, torn[:50])
            return client.close()
        if reply.status in OWN:
            assert reply.error
        else:
            assert reply.status == 200
            assert reply.body == (b"" if method == b"HEAD" else page(target)), (target, reply.body[:50])
        if reply.get("connection") == b"close":
            break
    return client.close()


@pytest.mark.parametrize("connections", [64, 2])
@pytest.mark.parametrize("seed", range(6))
async def test_chaos(start_kit, seed, connections):
    kit = await start_kit(origin_connections=connections, memory_bytes=300_000)
    dice = random.Random(seed)
    posts: list[bytes] = []
    kit.origin.script = wild_origin(kit, dice, posts)
    await asyncio.gather(*(wild_client(kit, random.Random(seed * 1000 + number), number) for number in range(25)))
    assert len(posts) == len(set(posts)), "a POST came twice"

    def all_gone() -> bool:
        return not kit.edge.server.connections and len(kit.edge.tasks) == 0 and kit.edge.pool.figures() == EMPTY_POOL

    for _ in range(10):  # clients that went without a word, answers that outlive their client, idle connections to the origin
        if not all_gone():
            kit.pass_time(70)
            await kit.settled()
    assert all_gone(), (kit.edge.server.connections, len(kit.edge.tasks), kit.edge.pool)
