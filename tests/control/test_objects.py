"""Which responses are stored, and would they be used?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgecache.control import objects
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.selectors import AllSelector, UrlSelector

OBJECTS = "/api/v1/objects"


async def urls(client: Any, query: str = "") -> list[str]:
    response = await client.get(OBJECTS + query)
    assert response.status == 200, await response.text()
    return [shown["key"] for shown in (await response.json())["objects"]]


async def test_all_members(client: Any, plane: Any) -> None:
    stored = plane.put("http://a.example/x?y=1", vary=((b"accept-encoding", b"gzip"), (b"dpr", None)), initial_age_s=5.5)
    stored.hits = 3
    plane.clock.advance(10)
    answer = await (await client.get(OBJECTS)).json()
    assert answer == {
        "objects": [
            {
                "key": "http://a.example/x?y=1",
                "status": 200,
                "variant": {"accept-encoding": "gzip", "dpr": None},
                "tags": [],
                "groups": [],
                "age": 15,
                "ttl": 45,
                "size": stored.size_bytes,
                "hits": 3,
                "position": 0,
                "state": "fresh",
            }
        ],
        "total": 1,
        "next": None,
    }


async def test_tags_and_groups_are_shown_and_the_answer_is_json(client: Any, plane: Any) -> None:
    plane.put("http://a.example/", tags=("news", "caf\u00e9", "p\udcff", 'q"'), groups=("g 1",))
    response = await client.get(OBJECTS)
    (shown,) = json.loads((await response.read()).decode("utf-8", "strict"))["objects"]
    assert shown["tags"] == ["news", "caf\u00e9", "p\\xff", 'q"']
    assert shown["groups"] == ["g 1"]


async def test_an_empty_store(client: Any) -> None:
    assert await (await client.get(OBJECTS)).json() == {"objects": [], "total": 0, "next": None}


@pytest.mark.parametrize(
    ("advance", "soft", "state", "ttl"),
    [
        (0, False, "fresh", 60),
        (59, False, "fresh", 1),
        (60, False, "stale", 0),
        (100, False, "stale", -40),
        (0, True, "stale", 0),
        (100, True, "stale", -100),
    ],
)
async def test_states(client: Any, plane: Any, advance: int, soft: bool, state: str, ttl: int) -> None:
    plane.put("http://a.example/")
    if soft:
        plane.doors.invalidate_now([AllSelector()], soft=True, cause=Cause.API)
    plane.clock.advance(advance)
    (shown,) = (await (await client.get(OBJECTS)).json())["objects"]
    assert (shown["state"], shown["ttl"]) == (state, ttl)
    assert await urls(client, f"?state={state}") == ["http://a.example/"]
    assert await urls(client, f"?state={'stale' if state == 'fresh' else 'fresh'}") == []


async def test_what_a_hard_entry_covers_does_not_exist(client: Any, plane: Any) -> None:
    plane.put("http://a.example/gone")
    plane.put("http://a.example/here")
    plane.doors.invalidate_now([UrlSelector(b"a.example", b"/gone")], soft=False, cause=Cause.API)
    answer = await (await client.get(OBJECTS)).json()
    assert [shown["key"] for shown in answer["objects"]] == ["http://a.example/here"]
    assert answer["total"] == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["http://a.example/", "http://a.example/x", "http://a.example/xy", "https://a.example/x", "https://b.example/%C3%A4"]),
        ("?url=http://a.example/x", ["http://a.example/x", "https://a.example/x"]),
        ("?url=http://A.example", ["http://a.example/"]),
        ("?prefix=http://a.example/x", ["http://a.example/x", "http://a.example/xy"]),
        ("?q=a.example/x", ["http://a.example/x", "http://a.example/xy", "https://a.example/x"]),
        ("?q=%25C3%25A4", ["https://b.example/%C3%A4"]),
        ("?prefix=https:&q=x", ["https://a.example/x", "https://b.example/%C3%A4"]),
        ("?url=http://c.example/", []),
        ("?tag=news", ["http://a.example/x", "http://a.example/xy"]),
        ("?tag=NEWS&q=xy", ["http://a.example/xy"]),
        ("?tag=new", []),
        ("?tag=p%5Cxff", ["http://a.example/xy"]),
    ],
)
async def test_filters(client: Any, plane: Any, query: str, found: list[str]) -> None:
    for url in ("https://b.example/%C3%A4", "https://a.example/x", "http://a.example/"):
        plane.put(url)
    plane.put("http://a.example/x", tags=("news",))
    plane.put("http://a.example/xy", tags=("p\udcff", "news"))
    assert await urls(client, query) == found


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?url=nonsense", "'url'"),
        ("?state=fres", "did you mean 'fresh'"),
        ("?limit=0", "from 1 to 1000"),
        ("?limit=1001", "from 1 to 1000"),
        ("?limit=-1", "from 1 to 1000"),
        ("?limit=1e2", "from 1 to 1000"),
        ("?limit=%D9%A3", "from 1 to 1000"),
        ("?limit=" + "9" * 5000, "from 1 to 1000"),
        ("?limit=", "from 1 to 1000"),
        ("?after=nonsense", "'after'"),
        ("?after=%C3%A4", "'after'"),
        ("?after=gICA", "'after'"),
        ("?pefix=x", "did you mean 'prefix'"),
    ],
)
async def test_refusals(client: Any, query: str, words: str) -> None:
    response = await client.get(OBJECTS + query)
    assert response.status == 400
    assert words in (await response.json(content_type="application/problem+json"))["detail"]


async def test_pages_hold_everything_once_while_responses_come_and_go(client: Any, plane: Any) -> None:
    always = {f"http://a.example/{'long' * 300}/{number:03}" for number in range(50)}  # longer than what a cursor holds of a URL
    for url in sorted(always):
        plane.put(url)
    seen: list[str] = []
    query = "?limit=7"
    while True:
        answer = await (await client.get(OBJECTS + query)).json()
        seen += [shown["key"] for shown in answer["objects"]]
        if answer["next"] is None:
            break
        assert len(answer["objects"]) == 7
        query = f"?limit=7&after={answer['next']}"
        plane.put(f"http://a.example/new{len(seen)}")
        plane.put(sorted(always)[len(seen) % 50])  # replaced: stays where it was
    assert len(seen) == len(set(seen))
    assert always <= set(seen)


async def test_variants_of_one_url_are_listed_each(client: Any, plane: Any) -> None:
    for coding in (b"gzip", b"br", None):
        plane.put("http://a.example/", vary=((b"accept-encoding", coding),))
    seen = []
    query = "?limit=1"
    for _ in range(3):
        answer = await (await client.get(OBJECTS + query)).json()
        seen += [shown["variant"]["accept-encoding"] for shown in answer["objects"]]
        query = f"?limit=1&after={answer['next']}"
    assert sorted(seen, key=str) == [None, "br", "gzip"]
    assert answer["next"] is None
    assert answer["total"] == 3


async def test_who_someone_is_is_not_shown(client: Any, plane: Any) -> None:
    plane.put("http://a.example/", vary=((b"cookie", b"session=s3cret"), (b"authorization", b"Basic s3cret")))
    response = await client.get(OBJECTS)
    assert "s3cret" not in await response.text()


async def test_what_is_purged_during_the_walk_is_not_listed(plane: Any) -> None:
    stored = plane.put("http://a.example/")

    async def walk() -> Any:
        yield stored
        plane.doors.invalidate_now([AllSelector()], soft=False, cause=Cause.API)

    everything = objects.Filters(None, "", "", "", "", 10, None)
    assert (await objects.page(walk(), plane.log, plane.clock, everything)).objects == []
