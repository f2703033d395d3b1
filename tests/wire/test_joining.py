"""HEAD, and requests for parts, while the whole is on its way for somebody else: one question to the origin where its answer is theirs."""

from __future__ import annotations

import errno
import os
import threading

import pytest
from wirekit import fresh, ok
from wirestage import HeldOrigin, all_wait, purge, replies, rounds, settled, soft_purge, start, told

from edgecache.store.files import Files

TEN = b"0123456789"
TAG = 'ETag: "a"'
HEAD = b'HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: "a"\r\nContent-Length: 10\r\n\r\n'
PART = "Range: bytes=2-4"


async def leading(start_kit, **settings: object):
    """An edge whose first client's GET for the whole is at the origin."""
    origin = HeldOrigin()
    kit = await start_kit(origin, **settings)
    leader = await start(kit)
    await origin.nth(0)
    return kit, origin, leader


# HEAD


@pytest.mark.parametrize(
    ("framing", "length"), [(b"Content-Length: 10\r\n\r\n01234", b"10"), (b"Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n", None)]
)
async def test_a_head_is_answered_as_soon_as_the_head_is_there(start_kit, framing, length):
    kit, origin, _ = await leading(start_kit)
    clients = [await start(kit, method="HEAD") for _ in range(3)]
    await all_wait(kit, 3)
    await origin.asked[0].send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nX-Own: 1\r\n" + framing)
    for client in [*clients, await start(kit, method="HEAD")]:
        reply = await client.reply("HEAD")
        assert (reply.status, reply.get("x-own"), reply.get("content-length"), reply.get("transfer-encoding")) == (200, b"1", length, None)
        assert told(reply) == {"fwd": "uri-miss", "fwd-status": 200, "collapsed": True, "detail": "no-stored-response"}
    assert len(origin.asked) == 1
    await clients[0].send(b"OPTIONS * HTTP/1.1\r\nHost: example.test\r\nMax-Forwards: 0\r\n\r\n")
    assert (await clients[0].reply()).status == 200  # nothing of the content is on the connection


async def test_a_head_with_a_condition(start_kit):
    kit, origin, _ = await leading(start_kit)
    client = await start(kit, "/a", 'If-None-Match: "a"', method="HEAD")
    await all_wait(kit, 1)
    await origin.asked[0].send(HEAD)
    assert (await client.reply("HEAD")).status == 304


async def test_a_head_of_what_cannot_be_shared_is_asked_for_itself(start_kit):
    kit, origin, leader = await leading(start_kit)
    client = await start(kit, method="HEAD")
    await all_wait(kit, 1)
    await origin.asked[0].send(ok(b"secret", "Cache-Control: private", "X-User: leader"))
    await leader.reply()
    one = await origin.nth(1)
    assert one.seen.method == b"HEAD"
    await one.send(ok(b"")[:-2] + b"X-User: follower\r\n\r\n")
    assert (await client.reply("HEAD")).get("x-user") == b"follower"


async def test_one_failure_is_the_answer_to_head_too(start_kit):
    kit, origin, _ = await leading(start_kit)
    client = await start(kit, method="HEAD")
    await all_wait(kit, 1)
    await origin.asked[0].fail()
    assert (await client.reply("HEAD")).status == 502
    assert len(origin.asked) == 1


@pytest.mark.parametrize(("method", "lines"), [("HEAD", []), ("GET", [PART])])
async def test_nobody_waits_for_what_answers_a_head_or_a_part(start_kit, method, lines):
    origin = HeldOrigin()
    kit = await start_kit(origin)
    clients = [await start(kit, "/a", *lines, method=method) for _ in range(2)]
    whole = await start(kit)
    await origin.nth(2)
    for one in origin.asked:
        await one.send(fresh(TEN) if one.seen.method == b"GET" else fresh(TEN)[: -len(TEN)])
    assert [(await client.reply(method)).status for client in clients] == [200, 200]
    assert (await whole.reply()).body == TEN


# parts


@pytest.mark.parametrize(
    ("lines", "status", "content"),
    [
        ([PART], 206, b"234"),
        (["Range: bytes=-1"], 206, b"9"),
        (["Range: bytes=10-"], 416, None),
        (["Range: items=1"], 200, TEN),
        ([PART, 'If-Range: "a"'], 206, b"234"),
        ([PART, 'If-Range: "b"'], 200, TEN),
        ([PART, 'If-None-Match: "a"'], 304, b""),
    ],
)
async def test_a_part_is_taken_out_of_what_is_stored_when_all_of_it_came_at_once(start_kit, lines, status, content):
    kit, origin, leader = await leading(start_kit)
    clients = [await start(kit, "/a", *lines) for _ in range(3)]
    await all_wait(kit, 3)
    await origin.asked[0].send(HEAD + TEN)
    for reply in await replies(clients):
        assert (reply.status, reply.hit) == (status, True)
        assert content is None or reply.body == content
    assert (await leader.reply()).body == TEN
    assert len(origin.asked) == 1


async def test_a_part_of_what_is_still_coming_is_asked_for(start_kit):
    """What it wants may be far behind what has come, or before it: the one who asked for the whole sets no pace for others."""
    kit, origin, leader = await leading(start_kit)
    early = await start(kit, "/a", PART)
    await all_wait(kit, 1)
    await origin.asked[0].send(HEAD + b"01234")
    await leader.until(b"01234")
    late = await start(kit, "/a", PART)
    await origin.nth(2)
    for one in origin.asked[1:]:
        assert one.seen.get("range") == b"bytes=2-4"
        await one.send(ok(b"234", "Content-Range: bytes 2-4/10", status="206 P"))
    assert [reply.body for reply in await replies([early, late])] == [b"234", b"234"]
    await origin.asked[0].send(b"56789")
    assert await leader.exactly(5) == b"56789"


async def test_a_part_of_another_variant(start_kit):
    kit, origin, _ = await leading(start_kit)
    client = await start(kit, "/a", PART, "X-Kind: other")
    await all_wait(kit, 1)
    await origin.asked[0].send(fresh(TEN, "Vary: X-Kind"))
    await (await origin.nth(1)).send(ok(b"cde", "Content-Range: bytes 2-4/10", status="206 P"))
    assert (await client.reply()).body == b"cde"


@pytest.mark.parametrize("invalidate", [purge, soft_purge])
@pytest.mark.parametrize(("method", "lines"), [("HEAD", []), ("GET", [PART])])
async def test_who_comes_after_a_purge_does_not_wait_for_what_was_asked_for_before_it(start_kit, invalidate, method, lines):
    kit, origin, _ = await leading(start_kit)
    await invalidate(kit)
    client = await start(kit, "/a", *lines, method=method)
    await (await origin.nth(1)).send(ok(b"new" if method == "GET" else b"", "X-New: 1"))
    assert (await client.reply(method)).get("x-new") == b"1"


@pytest.mark.parametrize("invalidate", [purge, soft_purge])
@pytest.mark.parametrize(("method", "lines"), [("HEAD", []), ("GET", [PART])])
async def test_who_waits_when_the_purge_comes_may_get_either(start_kit, invalidate, method, lines):
    kit, origin, leader = await leading(start_kit)
    client = await start(kit, "/a", *lines, method=method)
    await all_wait(kit, 1)
    await invalidate(kit)
    await origin.asked[0].send(fresh(TEN))
    assert (await leader.reply()).body == TEN
    one = await origin.nth(1)
    assert one.seen.method == method.encode()
    await one.send(ok(b"new" if method == "GET" else b"", "X-New: 1"))
    assert (await client.reply(method)).get("x-new") == b"1"


# between the last byte and the store

SIZE = 200_000
LARGE = b"".join(n.to_bytes(4, "big") for n in range(SIZE // 4))


class HeldDisk:
    """Files are written while `go` is set; with `error` they are not written even then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.go.set()
        self.error = 0
        write = Files.write

        def held(files: Files, fd: int, pieces: list[bytes]) -> None:
            assert self.go.wait(20)
            if self.error:
                raise OSError(self.error, os.strerror(self.error))
            write(files, fd, pieces)

        monkeypatch.setattr(Files, "write", held)


@pytest.fixture
def disk(monkeypatch):
    disk = HeldDisk(monkeypatch)
    yield disk
    disk.go.set()


async def filing(start_kit, disk, tmp_path, **settings: object):
    """An edge whose first client has got every byte of what is still on its way to a file."""
    kit, origin, leader = await leading(start_kit, store=str(tmp_path), spool_bytes=65536, **settings)
    disk.go.clear()
    await origin.asked[0].send(fresh(LARGE, TAG))
    assert (await leader.reply()).body == LARGE
    return kit, origin


def waiting_for_all(kit) -> int:
    return sum(len(flight.waiters_for_all) for flight in kit.edge.flights._flying.values())


async def test_nobody_asks_for_what_is_on_its_way_to_a_file(start_kit, disk, tmp_path):
    kit, origin = await filing(start_kit, disk, tmp_path)
    parts = [await start(kit, "/a", "Range: bytes=150000-150999") for _ in range(3)]
    await kit.until(lambda: waiting_for_all(kit) == 3, "the parts to be waited for")
    assert (await kit.request("HEAD", "/a")).get("content-length") == b"200000"
    assert (await kit.get("/a")).body == LARGE
    await rounds(kit)
    assert waiting_for_all(kit) == 3
    disk.go.set()
    for reply in await replies(parts):
        assert (reply.status, reply.body == LARGE[150_000:151_000], reply.hit) == (206, True, True)
    assert len(origin.asked) == 1


async def test_when_the_disk_is_full_parts_are_asked_for(start_kit, disk, tmp_path):
    kit, origin = await filing(start_kit, disk, tmp_path)
    client = await start(kit, "/a", PART)
    await kit.until(lambda: waiting_for_all(kit) == 1, "the part to be waited for")
    disk.error = errno.ENOSPC
    disk.go.set()
    await (await origin.nth(1)).send(ok(b"own", "Content-Range: bytes 2-4/10", status="206 P"))
    assert (await client.reply()).body == b"own"


async def test_who_has_waited_too_long_for_the_disk_asks_for_himself(start_kit, disk, tmp_path):
    kit, origin = await filing(start_kit, disk, tmp_path, collapse_wait_s=0.001)
    client = await start(kit, "/a", PART)
    await (await origin.nth(1)).send(ok(b"own", "Content-Range: bytes 2-4/10", status="206 P"))
    assert (await client.reply()).body == b"own"


async def test_one_who_waits_for_the_disk_leaves(start_kit, disk, tmp_path):
    kit, origin = await filing(start_kit, disk, tmp_path)
    client = await start(kit, "/a", PART)
    await kit.until(lambda: waiting_for_all(kit) == 1, "the part to be waited for")
    client.reset()
    await kit.until(lambda: waiting_for_all(kit) == 0, "nobody to wait")
    disk.go.set()
    await settled(kit)
    assert (len(origin.asked), (await kit.get("/a")).hit) == (1, True)


async def test_purged_while_the_disk_is_waited_for(start_kit, disk, tmp_path):
    """Who came before the purge may get either; here the look into the store comes after it."""
    kit, origin = await filing(start_kit, disk, tmp_path)
    client = await start(kit, "/a", PART)
    await kit.until(lambda: waiting_for_all(kit) == 1, "the part to be waited for")
    await purge(kit)
    disk.go.set()
    await (await origin.nth(1)).send(ok(b"own", "Content-Range: bytes 2-4/10", status="206 P"))
    assert (await client.reply()).body == b"own"
