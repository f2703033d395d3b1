"""An answer that is not stored shows that older ones are out of date, wherever they are: nobody sees the newer one and then an older."""

from __future__ import annotations

import asyncio

import pytest
from wirekit import fresh, ok
from wirestage import HeldOrigin, all_wait, settled, start, told

RELOAD = "Cache-Control: no-cache"
HALF = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 6\r\n\r\nold"
NEWS = [
    ok(b"new", "Cache-Control: private"),
    ok(b"new", "Cache-Control: no-store"),
    ok(b"new"),
    ok(b"new", "Cache-Control: max-age=60", "Vary: *"),
    ok(b"new", status="404 X"),
    ok(b"new", status="302 X"),
    fresh(b"new" * 1000),  # too large
]


async def two_asked(start_kit, *lines: str, **settings: object):
    """The older answer has arrived by half, and a newer one has been asked for."""
    origin = HeldOrigin()
    kit = await start_kit(origin, object_bytes=1000, **settings)
    older = await start(kit)
    await (await origin.nth(0)).send(HALF)
    await older.until(b"old")
    newer = await start(kit, "/a", RELOAD, *lines)
    await origin.nth(1)
    return kit, origin, older, newer


async def is_asked_for(kit, origin) -> bool:
    """Does the next GET go to the origin?"""
    count = len(origin.asked)
    client = await start(kit)
    reading = asyncio.ensure_future(client.reply())
    await kit.until(lambda: len(origin.asked) > count or reading.done(), "an answer, or a request to the origin")
    if reading.done():
        assert reading.result().body == b"oldold"
        return False
    await origin.asked[count].send(ok(b"newest"))
    assert (await reading).body == b"newest"
    return True


@pytest.mark.parametrize("news", NEWS)
async def test_what_is_stored_meanwhile_is_dropped(start_kit, news):
    kit, origin, older, newer = await two_asked(start_kit)
    await origin.asked[0].send(b"old")
    assert await older.exactly(3) == b"old"
    assert not await is_asked_for(kit, origin)
    await origin.asked[1].send(news)
    await newer.reply()
    assert await is_asked_for(kit, origin)


async def test_what_is_only_on_disk_is_dropped_before_anybody_sees_what_is_newer(start_kit, tmp_path):
    kit, origin, older, newer = await two_asked(start_kit, store=str(tmp_path))
    await origin.asked[0].send(b"old")
    assert await older.exactly(3) == b"old"
    await kit.until(lambda: kit.edge.store.responses == 1 and not kit.edge.store.unwritten, "it to be written")
    kit.edge.store.memory.clear()
    await origin.asked[1].send(NEWS[0])
    await newer.reply()
    assert await is_asked_for(kit, origin)


@pytest.mark.parametrize("news", NEWS)
async def test_what_is_still_arriving_is_not_stored_and_nobody_joins_it(start_kit, news):
    kit, origin, older, newer = await two_asked(start_kit)
    await origin.asked[1].send(news)
    await newer.reply()
    assert await is_asked_for(kit, origin)
    await origin.asked[0].send(b"old")
    assert await older.exactly(3) == b"old"
    await settled(kit)
    assert await is_asked_for(kit, origin)


async def test_what_has_no_head_yet_is_for_who_asked(start_kit):
    origin = HeldOrigin()
    kit = await start_kit(origin, collapse_wait_s=0.001)
    older = await start(kit)
    await origin.nth(0)
    newer = await start(kit)
    await (await origin.nth(1)).send(NEWS[0])
    assert (await newer.reply()).body == b"new"
    await origin.asked[0].send(fresh(b"oldold"))
    reply = await older.reply()
    assert (reply.body, told(reply)["detail"], "stored" in told(reply)) == (b"oldold", "outdated", False)
    assert await is_asked_for(kit, origin)


async def test_those_who_wait_for_its_head_share_the_next_one(start_kit):
    origin = HeldOrigin()
    kit = await start_kit(origin)
    older = await start(kit)
    followers = [await start(kit) for _ in range(3)]
    await origin.nth(0)
    await all_wait(kit, 3)
    kit.edge.flights._wait_s = 0.001  # for who comes now
    newer = await start(kit)
    await (await origin.nth(1)).send(ok(b"new", status="404 X"))
    assert (await newer.reply()).body == b"new"
    kit.edge.flights._wait_s = 30.0
    await origin.asked[0].send(fresh(b"oldold"))
    assert (await older.reply()).body == b"oldold"
    await (await origin.nth(2)).send(fresh(b"newest"))
    assert [(await client.reply()).body for client in followers] == [b"newest"] * 3
    assert len(origin.asked) == 3


async def test_another_variant_stays(start_kit):
    origin = HeldOrigin()
    kit = await start_kit(origin)
    for number, language in enumerate(("de", "fr")):
        client = await start(kit, "/a", f"Accept-Language: {language}")
        await (await origin.nth(number)).send(fresh(language.encode(), "Vary: Accept-Language"))
        await client.reply()
    client = await start(kit, "/a", "Accept-Language: fr", RELOAD)
    await (await origin.nth(2)).send(NEWS[0])
    assert (await client.reply()).body == b"new"
    assert (await kit.get("/a", "Accept-Language: de")).hit
    client = await start(kit, "/a", "Accept-Language: fr")
    await (await origin.nth(3)).send(ok(b"newest"))
    assert (await client.reply()).body == b"newest"


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (["Authorization: Basic eDp5"], ok(b"new", "Cache-Control: private")),
        ([], ok(b"new", status="500 X")),
        ([], ok(b"new", status="403 X")),
        (["Range: bytes=0-0"], ok(b"n", "Content-Range: bytes 0-0/3", "Cache-Control: private", status="206 P")),
    ],
)
async def test_what_is_one_users_affair_or_an_error_shows_nothing(start_kit, lines, answer):
    kit, origin, older, newer = await two_asked(start_kit, *lines)
    await origin.asked[1].send(answer)
    await newer.reply()
    await origin.asked[0].send(b"old")
    assert await older.exactly(3) == b"old"
    await settled(kit)
    assert not await is_asked_for(kit, origin)


async def test_what_outgrows_the_limit_has_been_seen(start_kit):
    kit, origin, older, newer = await two_asked(start_kit)
    await origin.asked[0].send(b"old")
    await older.exactly(3)
    await origin.asked[1].send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\n" + b"x" * 900)
    await newer.until(b"x" * 900)
    assert not await is_asked_for(kit, origin)
    await origin.asked[1].send(b"y" * 900)
    await newer.until(b"y" * 900)
    assert await is_asked_for(kit, origin)


async def test_what_breaks_off_shows_nothing(start_kit):
    """When the origin dies in the middle of it, what is stored is all there is."""
    kit, origin, older, newer = await two_asked(start_kit)
    await origin.asked[0].send(b"old")
    await older.exactly(3)
    await origin.asked[1].send(HALF.replace(b"old", b"new"))
    await newer.until(b"new")
    origin.asked[1].peer.close()
    assert await newer.ended()
    await settled(kit)
    assert not await is_asked_for(kit, origin)


async def test_a_later_answer_stays(start_kit):
    """The order is that of the questions: an answer that took long says nothing about what was asked for after it."""
    kit, origin, older, newer = await two_asked(start_kit)
    latest = await start(kit, "/a", RELOAD)
    await (await origin.nth(2)).send(fresh(b"oldold"))
    await latest.reply()
    await origin.asked[1].send(NEWS[0])
    await newer.reply()
    await origin.asked[0].send(b"old")
    await older.exactly(3)
    assert not await is_asked_for(kit, origin)
