"""The journal by the native API: what came through any door, filtered, page by page; emptied, and never the log with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgecache.caching.verdict import HardCovered
from edgecache.invalidation.doors import Call
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.selectors import AllSelector, TagSelector, UrlSelector

JOURNAL = "/api/v1/invalidations"


@pytest.fixture
async def told(client: Any, plane: Any) -> Any:
    """A journal with one of each; its entries, oldest first."""
    plane.put("http://a.example/x")
    await client.post(JOURNAL, json={"urls": ["http://A.example/x", "http://a.example/y"]})  # 1: positions 1 and 2
    await client.post(JOURNAL, json={"tag": "News", "soft": True})  # 2: position 3
    await client.post(JOURNAL, json={"url": "http://a.example/none", "dry_run": True})  # 3
    await client.post(JOURNAL, json={"tag": "a b"})  # 4
    await client.post(JOURNAL, json={"tagg": "a"})  # 5
    await plane.doors.call(Call("PURGE", "10.0.0.1", [UrlSelector(b"b.example", b"/")], cause=Cause.METHOD))  # 6: position 4
    plane.doors.invalidate_now([AllSelector()], soft=True, cause=Cause.CLOCK)  # 7: position 5
    plane.doors.refuse(Call("PURGE", "10.0.0.2", ()), "not allowed")  # 8
    return client


async def entries(client: Any, query: str = "") -> list[dict[str, Any]]:
    response = await client.get(JOURNAL + query)
    assert response.status == 200, await response.text()
    return (await response.json())["invalidations"]


async def test_all_members(told: Any, plane: Any) -> None:
    answer = await (await told.get(JOURNAL + "?since=1&kind=url&door=api")).json()
    assert answer == {
        "invalidations": [
            {
                "number": 1,
                "time": plane.clock.now(),
                "door": "api",
                "who": "127.0.0.1",
                "given": [{"kind": "url", "value": "http://A.example/x"}, {"kind": "url", "value": "http://a.example/y"}],
                "came": "done",
                "sentence": "",
                "soft": False,
                "refetch": False,
                "selectors": [
                    {"kind": "url", "value": "http://a.example/x", "site": None},
                    {"kind": "url", "value": "http://a.example/y", "site": None},
                ],
                "position": 2,
                "matched": 1,
                "at_least": False,
                "hints": [],
                "own": False,
            }
        ],
        "total": 1,
        "next": None,
    }


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [8, 6, 5, 4, 3, 2, 1]),
        ("?own=true", [8, 7, 6, 5, 4, 3, 2, 1]),
        ("?own=false", [8, 6, 5, 4, 3, 2, 1]),
        ("?own=true&door=clock", [7]),
        ("?door=PURGE", [8, 6]),
        ("?door=purge", []),
        ("?who=10.0.0.1", [6]),
        ("?kind=tag", [4, 2]),
        ("?kind=all&own=true", [7]),
        ("?q=a.example", [3, 1]),
        ("?q=News", [2]),
        ("?q=news", [2]),
        ("?came=refused", [8, 5, 4]),
        ("?came=dry-run", [3]),
        ("?came=failed", []),
        ("?soft=true", [2]),
        ("?soft=false&came=done", [6, 1]),
        ("?since=0", [6, 2, 1]),
        ("?since=2", [6, 2]),
        ("?since=4", []),
        ("?limit=2", [8, 6]),
        ("?after=6&limit=2", [5, 4]),
        ("?after=1", []),
    ],
)
async def test_filters(told: Any, query: str, numbers: list[int]) -> None:
    assert [one["number"] for one in await entries(told, query)] == numbers


async def test_refused_ones_say_why(told: Any) -> None:
    by_number = {one["number"]: one for one in await entries(told)}
    assert "contains ' '" in by_number[4]["sentence"]
    assert by_number[4]["given"] == [{"kind": "tag", "value": "a b"}]
    assert "did you mean 'tag" in by_number[5]["sentence"]
    assert by_number[5]["given"] == []
    assert by_number[8]["sentence"] == "not allowed"
    assert all(by_number[number]["position"] is None for number in (3, 4, 5, 8))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?limit=0", "from 1 to 1000"),
        ("?since=-1", "'since' must be a whole number"),
        ("?since=1.5", "'since' must be a whole number"),
        ("?soft=yes", "'soft' must be true or false"),
        ("?own=1", "'own' must be true or false"),
        ("?kind=urls", "did you mean 'url'"),
        ("?came=refuse", "did you mean 'refused'"),
        ("?after=x", "'after'"),
        ("?after=", "'after'"),
        ("?after=%D9%A3", "'after'"),
        ("?dor=api", "did you mean 'door'"),
        ("?q=a&q=b", "given twice"),
        ("/0", "'position' must be a whole number from 1"),
        ("/x", "'position' must be a whole number from 1"),
        ("/1?own=true", "'own' is not known"),
    ],
)
async def test_refusals(client: Any, query: str, words: str) -> None:
    response = await client.get(JOURNAL + query)
    assert response.status == 400
    assert words in (await response.json(content_type="application/problem+json"))["detail"]


async def test_pages_hold_every_call_once_while_more_come(client: Any) -> None:
    for number in range(1, 24):
        await client.post(JOURNAL, json={"tag": f"t{number}"})
    seen: list[int] = []
    query = "?limit=5"
    while True:
        answer = await (await client.get(JOURNAL + query)).json()
        seen += [one["number"] for one in answer["invalidations"]]
        if answer["next"] is None:
            break
        query = f"?limit=5&after={answer['next']}"
        await client.post(JOURNAL, json={"tag": "another"})
    assert seen == list(range(23, 0, -1))


async def test_long_lists_make_short_pages(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecache.control.journal.PAGE_ITEMS", 10)
    for length in (1, 6, 4, 30, 2, 8):
        await client.post(JOURNAL, json={"tags": [f"t{number}" for number in range(length)]})
    pages, query = [], "?limit=5&q=t0"
    while query:
        answer = await (await client.get(JOURNAL + query)).json()
        pages.append([len(one["given"]) for one in answer["invalidations"]])
        query = answer["next"] and f"?limit=5&q=t0&after={answer['next']}"
    assert pages == [[8, 2], [30], [4, 6], [1]]


@pytest.mark.parametrize(("position", "number"), [(1, 1), (2, 1), (3, 2), (4, 6), (5, 7), (6, None), (10**12, None)])
async def test_one_of_them(told: Any, position: int, number: int | None) -> None:
    response = await told.get(f"{JOURNAL}/{position}")
    answer = await response.json(content_type=None)
    if number is None:
        assert (response.status, answer["type"]) == (404, "urn:problem-type:edgecache:not-found")
        assert f"position {position}" in answer["detail"]
    else:
        assert (response.status, answer["number"]) == (200, number)


async def test_emptying_the_journal_leaves_the_log(told: Any, plane: Any) -> None:
    (stored,) = plane.store.memory.objects()
    response = await told.delete(JOURNAL, headers={"Content-Type": "application/json"})
    assert (response.status, await response.json()) == (200, {"emptied": 8})
    assert await entries(told, "?own=true") == []
    assert (await told.get(f"{JOURNAL}/1")).status == 404
    assert plane.log.head == 5
    assert isinstance(plane.log.judge(stored), HardCovered)
    await told.post(JOURNAL, json={"tag": "a"})
    assert [one["number"] for one in await entries(told)] == [9], "numbers go on"


async def test_a_page_elsewhere_cannot_empty_it(told: Any) -> None:
    assert (await told.delete(JOURNAL)).status == 415
    assert (await told.delete(JOURNAL, headers={"Origin": "http://evil.example", "Content-Type": "application/json"})).status == 403
    assert len(await entries(told)) == 7


async def test_a_reset_empties_it_too(told: Any) -> None:
    await told.post("/api/v1/reset", json={})
    assert await entries(told, "?own=true") == []


async def test_bytes_that_are_no_text_are_shown_as_json_can(client: Any, plane: Any) -> None:
    await plane.doors.call(Call("PURGE", "10.0.0.1", [TagSelector("p\udcff")]))
    plane.doors.refuse(Call("PURGE", "10.0.0.1", [TagSelector("p\udcff\ud800")]), "p\udcff is none")
    response = await client.get(JOURNAL)
    refused, done = json.loads((await response.read()).decode("utf-8", "strict"))["invalidations"]
    assert done["selectors"][0]["value"] == "p\\xff"
    assert (refused["given"][0]["value"], refused["sentence"]) == ("p\\xff\\ud800", "p\\xff is none")
    assert len(await entries(client, "?q=p%5Cxff")) == 2
