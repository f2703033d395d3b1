"""An edge is stopped, or killed, and started again on the same folder: what was stored is there, and what was purged is still gone."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from pathlib import Path

import pytest
from durabilitykit import content
from wirekit import fresh, ok
from wirestage import HOST, advance, api, conditions, purge, settled, soft_purge, told

from edgecache.app import StartError
from edgecache.config import load
from edgecache.config.store import store_folder
from edgecache.invalidation.logfile import Files as LogFiles

MIB = 1024 * 1024


async def stopped(lives, tmp_path):
    await lives.stop()


async def killed(lives, tmp_path):
    await lives.freeze(tmp_path / "after the kill")


ENDS = [stopped, killed]


# stored responses


@pytest.mark.parametrize("end", ENDS)
async def test_a_stored_response_is_a_hit_in_the_next_life_and_has_aged(lives, tmp_path, end):
    kit = await lives.start()
    lives.origin.answer("/a", fresh(b"hello", "X-Own: 1", max_age=60))
    await kit.get("/a")
    kit.pass_time(5)
    await end(lives, tmp_path)
    kit = await lives.start(after_s=20)
    reply = await kit.get("/a")
    assert (reply.body, reply.get("x-own"), reply.get("age")) == (b"hello", b"1", b"25")
    assert reply.cache_status == "edgecache; hit; ttl=35; detail=fresh"
    assert len(lives.origin.seen) == 1
    kit.pass_time(35)
    assert told(await kit.get("/a"))["fwd"] == "stale"


async def test_hundreds_of_responses_survive(lives, tmp_path):
    kit = await lives.start()
    for number in range(300):
        lives.origin.answer(f"/{number}", fresh(b"%d" % number))
    client = await kit.connect()
    for number in range(300):
        await client.get(f"/{number}")
    kit = await lives.start(settle=False)  # what was answered is written, however soon the end comes
    client = await kit.connect()
    for number in range(300):
        reply = await client.get(f"/{number}")
        assert (reply.body, reply.hit) == (b"%d" % number, True)
    assert len(lives.origin.seen) == 300


async def test_what_memory_has_no_room_for_is_on_disk_all_the_same(lives):
    kit = await lives.start(memory_bytes=100_000)
    for number in range(50):
        lives.origin.answer(f"/{number}", fresh(content(str(number), 20_000)))
        await kit.get(f"/{number}")
        await settled(kit)
    for _ in range(2):
        for number in range(50):
            reply = await kit.get(f"/{number}")
            assert (reply.body == content(str(number), 20_000), reply.hit) == (True, True)
        kit = await lives.start(memory_bytes=100_000)
    assert len(lives.origin.seen) == 50


@pytest.mark.parametrize("end", ENDS)
async def test_variants_stay_apart(lives, tmp_path, end):
    kit = await lives.start()
    lives.origin.answer(
        "/a",
        [fresh(b"english", "Vary: Accept-Language"), fresh(b"deutsch", "Vary: Accept-Language"), fresh(b"none", "Vary: Accept-Language")],
    )
    await kit.get("/a", "Accept-Language: en")
    await kit.get("/a", "Accept-Language: de")
    await end(lives, tmp_path)
    kit = await lives.start()
    for language, body in (("de", b"deutsch"), ("en", b"english")):
        reply = await kit.get("/a", f"Accept-Language: {language}")
        assert (reply.body, reply.hit) == (body, True)
    reply = await kit.get("/a")
    assert (reply.body, told(reply)["fwd"]) == (b"none", "vary-miss")
    for language, body in (("de", b"deutsch"), ("en", b"english")):
        assert (await kit.get("/a", f"Accept-Language: {language}")).body == body
    assert len(lives.origin.seen) == 3


SIZES = [0, 1, 32 * 1024, 32 * 1024 + 1, 256 * 1024 + 1, MIB, MIB + 1, 5 * MIB + 7]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("size", [5, 100_000])
async def test_tags_survive_and_are_kept_from_clients(lives, tmp_path, size, end):
    kit = await lives.start()
    lives.origin.answer("/a", fresh(content("a", size), "Surrogate-Key: One \u00fc", 'Cache-Groups: "g"', "Cache-Tag: two"))
    await kit.get("/a")
    [before] = kit.edge.store.memory.objects()
    await end(lives, tmp_path)
    kit = await lives.start(tags=1)  # a limit is for what comes to be stored: a purge still finds the rest by all of its tags
    reply = await kit.get("/a")
    assert (reply.hit, reply.body, reply.get("cache-groups")) == (True, content("a", size), b'"g"')
    assert (reply.get("surrogate-key"), reply.get("cache-tag")) == (None, None)
    [found] = kit.edge.store.memory.objects()
    assert found.tags == before.tags == ("one", "\udcfc", "two")
    assert found.groups == before.groups == ("g",)
    kit = await lives.start(debug=True)
    assert (await kit.get("/a")).all("surrogate-key") == [b"One \xfc"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
async def test_content_is_the_same_byte_for_byte(lives, tmp_path, chunked, end):
    kit = await lives.start()
    for size in SIZES:
        body = content(f"/{size}", size)
        raw = fresh(body, 'ETag: "1"')
        if chunked:
            pieces = [body[at : at + 70_000] for at in range(0, size, 70_000)]
            framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
            raw = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"
        lives.origin.answer(f"/{size}", raw)
        assert (await kit.get(f"/{size}")).body == body
    await end(lives, tmp_path)
    for _ in range(2):
        kit = await lives.start()
        for size in SIZES:
            reply = await kit.get(f"/{size}")
            assert (reply.hit, reply.get("content-length"), reply.body == content(f"/{size}", size)) == (True, b"%d" % size, True)
            if size > 100:
                reply = await kit.get(f"/{size}", f"Range: bytes={size // 2}-{size - 2}")
                assert (reply.status, reply.body == content(f"/{size}", size)[size // 2 : size - 1]) == (206, True)
                reply = await kit.request("HEAD", f"/{size}")
                assert (reply.hit, reply.get("content-length"), reply.body) == (True, b"%d" % size, b"")
    assert len(lives.origin.seen) == len(SIZES)


def part(body: bytes, first: int, last: int) -> bytes:
    lines = [f"Content-Range: bytes {first}-{last}/{len(body)}", 'ETag: "1"', "Cache-Control: max-age=60"]
    return ok(body[first : last + 1], *lines, status="206 Partial Content")


@pytest.mark.parametrize("end", ENDS)
async def test_parts_survive_and_are_combined(lives, tmp_path, end):
    kit = await lives.start()
    body = content("/a", 1000)
    lives.origin.answer("/a", part(body, 0, 499))
    assert (await kit.get("/a", "Range: bytes=0-499")).body == body[:500]
    await end(lives, tmp_path)
    kit = await lives.start()
    reply = await kit.get("/a", "Range: bytes=100-199")
    assert (reply.status, reply.hit, reply.body) == (206, True, body[100:200])
    lives.origin.answer("/a", part(body, 500, 999))
    reply = await kit.get("/a", "Range: bytes=500-999")
    assert (reply.hit, reply.body) == (False, body[500:])
    await settled(kit)
    for _ in range(2):
        reply = await kit.get("/a", "Range: bytes=400-599")
        assert (reply.status, reply.hit, reply.body) == (206, True, body[400:600])
        reply = await kit.get("/a")
        assert (reply.status, reply.hit, reply.body) == (200, True, body)
        kit = await lives.start()
    assert len(lives.origin.seen) == 2


@pytest.mark.parametrize("end", ENDS)
async def test_a_long_part_survives(lives, tmp_path, end):
    kit = await lives.start()
    body = content("/a", 3 * MIB)
    lives.origin.answer("/a", part(body, MIB, 3 * MIB - 1))
    assert (await kit.get("/a", f"Range: bytes={MIB}-{3 * MIB - 1}")).body == body[MIB:]
    await end(lives, tmp_path)
    kit = await lives.start()
    reply = await kit.get("/a", f"Range: bytes={2 * MIB - 5}-{2 * MIB + 5}")
    assert (reply.status, reply.hit, reply.body) == (206, True, body[2 * MIB - 5 : 2 * MIB + 6])
    lives.origin.answer("/a", fresh(body))
    assert not (await kit.get("/a", "Range: bytes=0-9")).hit  # not in the part


@pytest.mark.parametrize("end", ENDS)
async def test_the_latest_of_several_answers_is_what_comes_back(lives, tmp_path, end):
    kit = await lives.start()
    lives.origin.answer("/a", [fresh(content(f"{number}", size), max_age=10) for number, size in enumerate([100, 40_000, 50_000, 200])])
    for _ in range(4):
        await kit.get("/a")
        await settled(kit)
        kit.pass_time(20)
    kit.pass_time(-12)
    await end(lives, tmp_path)
    reply = await (await lives.start()).get("/a")
    assert (reply.body, reply.hit) == (content("3", 200), True)
    assert lives.bodies == []


@pytest.mark.parametrize("end", ENDS)
async def test_what_a_304_renewed_is_renewed_in_the_next_life(lives, tmp_path, end):
    kit = await lives.start()
    body = content("/a", 50_000)
    renewed = b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nCache-Control: max-age=600\r\nX-New: yes\r\n\r\n'
    lives.origin.answer("/a", [fresh(body, 'ETag: "1"', max_age=10), renewed])
    await kit.get("/a")
    kit.pass_time(20)
    assert (await kit.get("/a")).body == body
    assert conditions(lives.origin.seen[-1]) == [b'If-None-Match: "1"']
    await end(lives, tmp_path)
    reply = await (await lives.start(after_s=30)).get("/a")
    assert (reply.hit, reply.body == body, reply.get("x-new"), reply.get("age")) == (True, True, b"yes", b"30")


@pytest.mark.parametrize("end", ENDS)
async def test_what_was_stored_stale_validates_in_the_next_life(lives, tmp_path, end):
    kit = await lives.start()
    body = content("/a", 2 * MIB)
    lives.origin.answer("/a", [fresh(body, 'ETag: "1"', max_age=10), b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n'])
    await kit.get("/a")
    await end(lives, tmp_path)
    kit = await lives.start(after_s=100)
    reply = await kit.get("/a")
    assert (reply.body == body, told(reply)["fwd-status"]) == (True, 304)
    assert conditions(lives.origin.seen[-1]) == [b'If-None-Match: "1"']
    assert (await kit.get("/a")).hit


async def test_a_dead_origin_is_no_dead_edge_in_the_next_life_either(lives):
    kit = await lives.start()
    lives.origin.answer("/a", fresh(b"hello", "Cache-Control: stale-if-error=1000", max_age=10))
    await kit.get("/a")
    await lives.stop()
    await lives.origin.stop()
    kit = await lives.start(after_s=100)
    assert not kit.edge.origin_reachable
    reply = await kit.get("/a")
    assert (reply.status, reply.body, reply.get("age"), reply.error) == (200, b"hello", b"100", "connection_refused")


async def test_a_fetch_that_the_end_cut_short_leaves_nothing(lives):
    """Half a response, of a length that goes to a file, has arrived: the next life knows nothing of it."""
    kit = await lives.start()
    body = content("/a", 4 * MIB)
    half = fresh(body)[: 2 * MIB]

    async def send_half(peer):
        await peer.request()
        await peer.send(half)
        await peer.more()

    lives.origin.script = send_half
    client = await kit.connect()
    await client.send(b"GET /a HTTP/1.1\r\nHost: example.test\r\n\r\n")
    await client.until(b"\r\n\r\n")
    await client.exactly(MIB)
    await kit.until(lambda: any(lives.folder.glob("spool/*")), "a file")
    lives.origin.script = lives.origin.follow
    lives.origin.answer("/a", fresh(body))
    kit = await lives.start(settle=False)
    reply = await kit.get("/a")
    assert (reply.hit, reply.body == body) == (False, True)
    await settled(kit)
    assert (await kit.get("/a")).hit


# invalidations


async def purge_by_method(kit):
    await purge(kit)


async def purge_by_api(kit):
    assert (await api(kit, "/api/v1/invalidations", {"urls": [f"http://{HOST}/b", f"http://{HOST}/a"]}))[0] == 201


async def purge_all(kit):
    assert (await api(kit, "/api/v1/invalidations", {"all": True}))[0] == 201


async def purge_group(kit):
    kit.origin.answer("/write", ok(b"", 'Cache-Group-Invalidation: "scripts"'))
    assert (await kit.request("POST", "/write")).status == 200


async def write(kit):
    kit.origin.answer("/write", ok(b"", "Location: /a", status="303 See Other"))
    assert (await kit.request("POST", "/write")).status == 303


async def reset(kit):
    assert (await api(kit, "/api/v1/reset", {}))[0] == 200


async def soft_purge_url(kit):
    await soft_purge(kit)


async def soft_purge_all(kit):
    assert (await api(kit, "/api/v1/invalidations", {"all": True, "soft": True}))[0] == 201


async def clock_back(kit):
    await advance(kit, "1h")
    await advance(kit, "-1h")


HARD = [purge_by_method, purge_by_api, purge_all, purge_group, write, reset]
SOFT = [soft_purge_url, soft_purge_all, clock_back]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("again", [False, True], ids=["in the first life", "in the second life"])
@pytest.mark.parametrize("invalidate", HARD + SOFT)
async def test_what_was_invalidated_stays_so(lives, tmp_path, invalidate, again, end):
    kit = await lives.start()
    lives.origin.answer("/a", [fresh(b"old", 'Cache-Groups: "scripts"'), fresh(b"new")])
    await kit.get("/a")
    await settled(kit)
    if again:
        kit = await lives.start()
    await invalidate(kit)
    await end(lives, tmp_path)
    kit = await lives.start()
    reply = await kit.get("/a")
    assert (reply.body, told(reply)["fwd"]) == (b"new", "stale" if invalidate in SOFT else "uri-miss")
    reply = await (await lives.start()).get("/a")
    assert (reply.body, reply.hit) == (b"new", True)


async def test_a_purge_of_what_was_never_loaded_stays_for_many_lives(lives):
    kit = await lives.start()
    lives.origin.answer("/a", [fresh(b"old"), fresh(b"new")])
    await kit.get("/a")
    kit = await lives.start()
    await purge(kit)
    for _ in range(3):
        kit = await lives.start()
    assert (await kit.get("/a")).body == b"new"


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("soften", SOFT[:2])
async def test_stale_since_the_first_soft_purge_for_ever(lives, tmp_path, soften, end):
    """The window for stale use began with the first soft purge; neither a later one nor a restart begins it anew."""
    kit = await lives.start()
    lives.origin.answer("/a", [fresh(b"old", "Cache-Control: stale-while-revalidate=100", max_age=1000), ok(b"", status="500 Oops")])
    await kit.get("/a")
    kit.pass_time(10)
    await soften(kit)
    await end(lives, tmp_path)
    kit = await lives.start(after_s=50)
    await soften(kit)
    await lives.stop()
    kit = await lives.start(after_s=49)
    reply = await kit.get("/a")
    assert (reply.body, told(reply)["ttl"], told(reply)["detail"]) == (b"old", -99, "stale-while-revalidate")
    await settled(kit)
    kit.pass_time(2)
    assert (await kit.get("/a")).status == 500


async def test_hard_beats_soft_across_lives(lives):
    kit = await lives.start()
    lives.origin.answer("/a", [fresh(b"old", "Cache-Control: stale-while-revalidate=100"), fresh(b"new")])
    await kit.get("/a")
    await purge(kit)
    kit = await lives.start()
    await soft_purge(kit)
    kit = await lives.start()
    assert (await kit.get("/a")).body == b"new"


@pytest.mark.parametrize("end", ENDS)
async def test_positions_go_on(lives, tmp_path, end):
    kit = await lives.start()
    for expected in (b"1", b"2", b"3"):
        assert (await kit.request("PURGE", "/a")).get("edgecache-position") == expected
    await end(lives, tmp_path)
    kit = await lives.start()
    status, answer = await api(kit, "/api/v1/invalidations", {"urls": [f"http://{HOST}/{name}" for name in "abc"]})
    assert (status, answer["position"]) == (201, 6)
    await lives.stop()
    kit = await lives.start()
    assert (await kit.request("PURGE", "/a")).get("edgecache-position") == b"7"


async def test_a_purge_says_how_much_of_what_is_only_on_disk_it_matched(lives):
    kit = await lives.start()
    lives.origin.answer("/a", [fresh(b"1", "Vary: X"), fresh(b"2", "Vary: X")])
    lives.origin.answer("/b", fresh(content("/b", 2 * MIB)))
    for line in ("X: 1", "X: 2"):
        await kit.get("/a", line)
    await kit.get("/b")
    kit = await lives.start()
    assert (await kit.request("PURGE", "/a")).get("edgecache-matched") == b"2"
    assert (await kit.request("PURGE", "/a")).get("edgecache-matched") == b"0"
    kit = await lives.start()
    _, answer = await api(kit, "/api/v1/invalidations", {"urls": [f"http://{HOST}/{name}" for name in "abc"]})
    assert answer["matched"] == 1


async def test_a_new_response_is_not_covered_by_the_purges_of_earlier_lives(lives):
    kit = await lives.start()
    lives.origin.answer("/a", [fresh(b"old"), fresh(b"new")])
    await kit.get("/a")
    await purge(kit)
    await api(kit, "/api/v1/invalidations", {"all": True})
    kit = await lives.start()
    await kit.get("/a")
    for _ in range(2):
        kit = await lives.start()
        reply = await kit.get("/a")
        assert (reply.body, reply.hit) == (b"new", True)


# the log acknowledges


async def test_with_log_sync_disk_a_purge_counts_at_once_and_is_acknowledged_when_it_is_on_disk(lives, monkeypatch):
    sync, began, go = LogFiles.sync, threading.Event(), threading.Event()

    def held(self, handle):
        began.set()
        assert go.wait(20)
        sync(self, handle)

    monkeypatch.setattr(LogFiles, "sync", held)
    kit = await lives.start(log_sync="disk")
    lives.origin.answer("/a", [fresh(b"old"), fresh(b"new")])
    await kit.get("/a")
    client = await kit.connect()
    await client.send(b"PURGE /a HTTP/1.1\r\nHost: example.test\r\n\r\n")
    acknowledged = asyncio.create_task(client.reply())
    await kit.until(began.is_set, "fsync")
    assert (await kit.get("/a")).body == b"new"
    assert not acknowledged.done()
    go.set()
    assert (await acknowledged).get("edgecache-position") == b"1"


async def test_with_log_sync_disk_many_purges_share_an_fsync(lives, monkeypatch):
    syncs = []
    sync = LogFiles.sync
    monkeypatch.setattr(LogFiles, "sync", lambda self, handle: (syncs.append(handle), sync(self, handle))[1])
    kit = await lives.start(log_sync="disk")
    replies = await asyncio.gather(*(kit.request("PURGE", f"/{number}") for number in range(50)))
    assert sorted(int(reply.get("edgecache-position")) for reply in replies) == list(range(1, 51))
    assert 1 <= len(syncs) < 50
    kit = await lives.start(log_sync="disk")
    assert kit.edge.log.head == 50


# the clock


async def clock_of(kit) -> float:
    _, answer = await api(kit, "/api/v1/clock")
    return answer["offset_s"]


@pytest.mark.parametrize("end", ENDS)
async def test_the_clock_stays_where_it_was_moved_to_and_says_so(lives, tmp_path, said, end):
    kit = await lives.start()
    lives.origin.answer("/old", [fresh(b"1", max_age=4000), fresh(b"2")])
    await kit.get("/old")
    await advance(kit, "1h")
    await end(lives, tmp_path)
    assert said().about("edge time") == []
    kit = await lives.start(after_s=60)
    assert len(said().about("edge time", "+3600 s", "edgecache clock reset")) == 1
    assert await clock_of(kit) == 3600
    reply = await kit.get("/old")
    assert (reply.body, reply.hit, reply.get("age")) == (b"1", True, b"3660")
    lives.origin.answer("/new", fresh(b"new", max_age=60))
    assert [(await kit.get("/new")).hit for _ in range(2)] == [False, True]
    kit = await lives.start(after_s=50)
    reply = await kit.get("/new")
    assert (reply.hit, reply.get("age")) == (True, b"50")
    kit.pass_time(20)
    assert told(await kit.get("/new"))["fwd"] == "stale"


@pytest.mark.parametrize("end", ENDS)
async def test_going_back_makes_nothing_fresh_in_the_next_life(lives, tmp_path, said, end):
    kit = await lives.start()
    lives.origin.answer("/a", [fresh(b"old", max_age=60), fresh(b"new")])
    await kit.get("/a")
    await advance(kit, "1h")
    kit = await lives.start()
    assert (await api(kit, "/api/v1/clock", {"reset": True}))[0] == 200
    await end(lives, tmp_path)
    said().lines.clear()
    kit = await lives.start()
    assert said().about("edge time") == []
    assert await clock_of(kit) == 0
    reply = await kit.get("/a")
    assert (reply.body, told(reply)["fwd"]) == (b"new", "stale")


async def test_what_was_stored_in_a_time_to_come_is_not_fresh(lives):
    kit = await lives.start()
    await advance(kit, "1h")
    lives.origin.answer("/a", [fresh(b"old", max_age=7200), fresh(b"new")])
    await kit.get("/a")
    await api(kit, "/api/v1/clock", {"reset": True})
    kit = await lives.start()
    assert not (await kit.get("/a")).hit


@pytest.mark.parametrize("end", ENDS)
async def test_after_a_reset_nothing_is_there(lives, tmp_path, end):
    kit = await lives.start()
    for name in ("/a", "/b"):
        lives.origin.answer(name, [fresh(content(name, 100_000)), fresh(b"new")])
        await kit.get(name)
    await advance(kit, "1h")
    kit = await lives.start()
    await kit.get("/a")
    await reset(kit)
    await end(lives, tmp_path)
    kit = await lives.start()
    assert (await api(kit, "/api/v1/objects"))[1]["objects"] == []
    assert await clock_of(kit) == 0
    for name in ("/a", "/b"):
        reply = await kit.get(name)
        assert (reply.body, reply.hit) == (b"new", False)


# what is shown


async def test_objects_lists_what_is_only_on_disk(lives):
    kit = await lives.start()
    lives.origin.answer("/a", [fresh(b"1", "Vary: X"), fresh(b"2", "Vary: X")])
    lives.origin.answer("/b", fresh(content("/b", 2 * MIB), max_age=600))
    lives.origin.answer("/c", fresh(b"c"))
    for name, line in (("/a", "X: 1"), ("/a", "X: 2"), ("/b", "X: 1"), ("/c", "X: 1")):
        await kit.get(name, line)
    kit = await lives.start(after_s=70)
    await purge(kit, "/c")
    _, answer = await api(kit, "/api/v1/objects")
    shown = [(one["key"], one["variant"], one["age"], one["ttl"], one["state"]) for one in answer["objects"]]
    assert sorted(shown, key=repr) == [
        (f"http://{HOST}/a", {"x": "1"}, 70, -10, "stale"),
        (f"http://{HOST}/a", {"x": "2"}, 70, -10, "stale"),
        (f"http://{HOST}/b", {}, 70, 530, "fresh"),
    ]
    assert {one["size"] >= 2 * MIB for one in answer["objects"] if one["key"].endswith("/b")} == {True}
    _, stats = await api(kit, "/api/v1/stats")
    assert stats["store"]["folder"] == str(lives.folder)
    assert stats["store"]["responses"] >= 3
    assert 2 * MIB < stats["store"]["disk_bytes"] < 2 * MIB + 20_000


# whose folder


async def test_a_second_edge_is_refused_and_told_who_is_there(lives):
    kit = await lives.start()
    first = lives.kit
    lives.kit = None
    with pytest.raises(StartError) as refused:
        await lives.start()
    lives.kit = first
    sentence = str(refused.value)
    assert str(lives.folder) in sentence
    assert f"process {os.getpid()}" in sentence
    assert "--store" in sentence
    lives.origin.answer("/a", fresh(b"hello"))
    assert (await kit.get("/a")).status == 200
    assert (await kit.request("PURGE", "/a")).status == 200
    kit = await lives.start()  # and after its end another one may
    assert kit.edge.log.head == 1


async def test_the_folder_is_below_the_users_cache_folder_one_for_each_origin(lives, own_cache_folder):
    kit = await lives.start(store="")
    folder = Path(kit.edge.store.folder)
    assert folder.parent == Path(own_cache_folder) / "edgecache"
    assert folder == store_folder(load(None, {"origin": f"http://127.0.0.1:{lives.origin.port}"}))
    assert folder != store_folder(load(None, {"origin": f"http://127.0.0.1:{lives.origin.port + 1}"}))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    lives.origin.answer("/a", fresh(b"hello"))
    await kit.get("/a")
    assert (await (await lives.start(store="")).get("/a")).hit


async def test_another_origin_on_the_same_folder_is_the_users_choice(lives):
    """A folder that was named belongs to who named it: keys are those of the clients' URLs, whatever origin stands behind them."""
    kit = await lives.start()
    lives.origin.answer("/a", fresh(b"hello"))
    await kit.get("/a")
    await lives.origin.stop()
    lives.origin.port = 0
    assert (await (await lives.start()).get("/a")).hit


async def test_nobody_else_may_read_what_is_stored(lives):
    kit = await lives.start()
    lives.origin.answer("/a", fresh(content("/a", 100_000)))
    await kit.get("/a")
    await purge(kit, "/b")
    await settled(kit)
    assert stat.S_IMODE(lives.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(lives.log.stat().st_mode) & 0o077 == 0


async def test_a_life_in_memory_leaves_nothing(lives, tmp_path):
    kit = await lives.start(store="memory")
    lives.origin.answer("/a", fresh(b"hello"))
    await kit.get("/a")
    await purge(kit)
    await kit.get("/a")
    kit = await lives.start(store="memory")
    assert not (await kit.get("/a")).hit
    assert list(tmp_path.iterdir()) == []
