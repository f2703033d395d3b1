"""The shortest way through the edge, and back."""

from __future__ import annotations

from wirekit import fresh, ok


async def test_a_page_comes_through_and_the_second_time_from_the_store(kit):
    kit.origin.answer("/a", fresh(b"hello"))
    first = await kit.get("/a")
    kit.clock.pass_time(7)
    second = await kit.get("/a")
    assert first.body == second.body == b"hello"
    assert first.cache_status == "edgecache; fwd=uri-miss; fwd-status=200; stored; detail=no-stored-response"
    assert second.cache_status == "edgecache; hit; ttl=53; detail=fresh"
    assert second.get("age") == b"7"
    assert len(kit.origin.seen) == 1


async def test_a_purge_makes_the_next_request_ask_the_origin(kit):
    kit.origin.answer("/a", [fresh(b"old"), fresh(b"new")])
    assert (await kit.get("/a")).body == b"old"
    purge = await kit.request("PURGE", "/a")
    assert (purge.status, purge.reason, purge.get("edgecache-matched")) == (200, b"Purged", b"1")
    assert (await kit.get("/a")).body == b"new"
    assert [seen.method for seen in kit.origin.seen] == [b"GET", b"GET"]


async def test_what_is_not_to_be_stored_is_asked_for_each_time(kit):
    kit.origin.answer("/a", ok(b"x", "Cache-Control: no-store"))
    replies = [await kit.get("/a"), await kit.get("/a")]
    assert [reply.cache_status for reply in replies] == ["edgecache; fwd=uri-miss; fwd-status=200; detail=no-store"] * 2
    assert len(kit.origin.seen) == 2
