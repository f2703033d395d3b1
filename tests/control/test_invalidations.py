"""Invalidating by the native API: every selector, soft, dry run, count; what is refused appends nothing and says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiohttp import FormData

from edgecache.caching.stored import Key, StoredResponse
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.logfile import LogUnwritable

JSON = {"Content-Type": "application/json"}
INVALIDATIONS = "/api/v1/invalidations"


async def test_a_url_is_invalidated(client: Any, plane: Any) -> None:
    stored = plane.put("http://a.example/x")
    plane.put("https://a.example/x")
    other = plane.put("http://a.example/y")
    response = await client.post(INVALIDATIONS, json={"url": "HTTP://A.example:80/x"})
    assert response.status == 201
    assert await response.json() == {
        "position": 1,
        "selectors": [{"kind": "url", "value": "http://a.example/x", "site": None, "matched": 2}],
        "matched": 2,
        "hints": [],
    }
    assert plane.log.judge(stored) == HardCovered(1)
    assert plane.log.judge(other) == CLEAN
    assert plane.log.by_cause[Cause.API] == 1


@pytest.mark.parametrize(
    ("what", "normalised", "covered"),
    [
        ({"url": "http://a.example/x"}, [("url", "http://a.example/x")], "x"),
        ({"urls": ["http://a.example/x", "http://B.example"]}, [("url", "http://a.example/x"), ("url", "http://b.example/")], "x b"),
        ({"urls": ["http://a.example/x", "HTTP://a.example/x"]}, [("url", "http://a.example/x")], "x"),
        ({"key": {"url": "http://a.example/x"}}, [("key", "http://a.example/x")], "x"),
        ({"key": {"url": "http://a.example/x", "headers": {}}}, [("key", "http://a.example/x")], "x"),
        ({"key": {"url": "http://a.example/x", "headers": {"Dpr": "2"}}}, [("key", "http://a.example/x (Dpr: 2)")], ""),
        ({"keys": [{"url": "http://a.example/x"}, {"url": "http://b.example/"}]}, None, "x b"),
        ({"host": "A.EXAMPLE"}, [("host", "a.example")], "x y?q news news/1"),
        ({"hosts": ["a.example", "b.example"]}, None, "x y?q news news/1 b"),
        ({"prefix": "a.example/news"}, [("prefix", "a.example/news")], "news news/1"),
        ({"prefix": "/news"}, [("prefix", "/news")], "news news/1"),
        ({"prefixes": ["/news/", "b.example"]}, [("prefix", "/news/"), ("prefix", "b.example")], "news/1 b"),
        ({"path": "/y?q"}, [("path", "/y?q")], "y?q"),
        ({"path": "/n*"}, [("path", "/n*")], "news news/1"),
        ({"paths": ["/", "/x"]}, [("path", "/"), ("path", "/x")], "x b"),
        ({"tag": "Hot"}, [("tag", "hot")], "x b"),
        ({"tags": ["hot", "cold"]}, [("tag", "hot"), ("tag", "cold")], "x b"),
        ({"group": {"origin": "http://a.example", "name": "G 1"}}, [("group", "http://a.example G 1")], "news"),
        ({"groups": [{"origin": "http://b.example", "name": "G 1"}]}, [("group", "http://b.example G 1")], ""),
        ({"all": True}, [("all", "everything")], "x y?q news news/1 b"),
        ({"ban": "obj.status == 404"}, [("ban", "obj.status == 404")], "y?q"),
        ({"bans": ["obj.status == 404", "req.url ~ ^/news"]}, None, "y?q news news/1"),
    ],
)
@pytest.mark.parametrize("soft", [False, True])
async def test_every_selector(client: Any, plane: Any, what: dict[str, Any], normalised: Any, covered: str, soft: bool) -> None:
    stored = {
        "x": plane.put("http://a.example/x", tags=("hot",)),
        "y?q": plane.put("http://a.example/y?q", status=404),
        "news": plane.put("http://a.example/news", groups=("G 1",)),
        "news/1": plane.put("http://a.example/news/1"),
        "b": plane.put("http://b.example/", tags=("hot", "new")),
    }
    looked = await (await client.post(INVALIDATIONS, json={**what, "soft": soft, "dry_run": True})).json()
    assert plane.log.head == 0
    response = await client.post(INVALIDATIONS, json={**what, "soft": soft, "count": True})
    answer = await response.json()
    assert response.status == 201, answer
    assert answer["position"] == plane.log.head == len(answer["selectors"])
    assert looked["selectors"] == answer["selectors"]
    if normalised is not None:
        assert [(one["kind"], one["value"]) for one in answer["selectors"]] == normalised
    expected = covered.split()
    assert looked["matched"] == answer["matched"] == len(expected)
    assert {one["key"] for one in looked["responses"]} == {stored[name].key.url for name in expected}
    hit = SoftCovered if soft else HardCovered
    assert [name for name, one in stored.items() if isinstance(plane.log.judge(one), hit)] == expected


async def test_what_cannot_be_counted_cheaply_is_null(client: Any, plane: Any) -> None:
    plane.put("http://a.example/x")
    answer = await (await client.post(INVALIDATIONS, json={"all": True, "soft": False})).json()
    assert (answer["position"], answer["matched"], answer["selectors"][0]["matched"]) == (1, None, None)


@pytest.mark.parametrize("options", [{}, {"count": True}, {"dry_run": True}])
async def test_each_selector_is_counted(client: Any, plane: Any, options: dict[str, Any]) -> None:
    for url in ("http://a.example/x", "https://a.example/x", "http://a.example/y"):
        plane.put(url)
    urls = ["http://a.example/x", "http://a.example/none", "http://a.example/y"]
    answer = await (await client.post(INVALIDATIONS, json={"urls": urls, **options})).json()
    assert [one["matched"] for one in answer["selectors"]] == [2, 0, 1]
    assert answer["matched"] == 3


async def test_what_two_selectors_cover_counts_once(client: Any, plane: Any) -> None:
    plane.put("http://a.example/x", tags=("a", "b"))
    answer = await (await client.post(INVALIDATIONS, json={"tags": ["a", "b", "c"], "count": True})).json()
    assert (answer["matched"], [one["matched"] for one in answer["selectors"]]) == (1, [1, 1, 0])


async def test_only_one_site(client: Any, plane: Any) -> None:
    answer = await (await client.post(INVALIDATIONS, json={"all": True, "site": "default"})).json()
    assert answer["selectors"] == [{"kind": "all", "value": "everything", "site": "default", "matched": None}]


@pytest.mark.parametrize("options", [{}, {"dry_run": True}])
async def test_what_matched_nothing_has_hints(client: Any, plane: Any, options: dict[str, Any]) -> None:
    plane.put("http://a.example/x?q")
    answer = await (await client.post(INVALIDATIONS, json={"url": "http://a.example/x", **options})).json()
    assert answer["matched"] == 0
    (hint,) = answer["hints"]
    assert "http://a.example/x?q" in hint


async def test_a_dry_run_lists_and_changes_nothing(client: Any, plane: Any) -> None:
    stored = plane.put("http://a.example/x", tags=("p\udcff",))
    plane.put("http://a.example/y")
    response = await client.post(INVALIDATIONS, json={"host": "a.example", "dry_run": True})
    assert response.status == 200
    answer = json.loads((await response.read()).decode("utf-8", "strict"))
    assert answer["matched"] == 2
    shown = (await (await client.get("/api/v1/objects")).json())["objects"]
    assert sorted(answer["responses"], key=lambda one: one["key"]) == shown
    assert plane.log.head == 0
    assert plane.log.judge(stored) == CLEAN


async def test_refetch_is_asked_of_who_can(client: Any, plane: Any) -> None:
    asked: list[tuple[list[str], list[str]]] = []

    def refetch(stored: Sequence[StoredResponse], urls: Sequence[Key]) -> None:
        asked.append(([one.key.url for one in stored], [key.url for key in urls]))

    plane.doors.refetch = refetch
    plane.put("http://a.example/x")
    response = await client.post(INVALIDATIONS, json={"urls": ["http://a.example/x", "http://a.example/y"], "refetch": True})
    assert response.status == 201
    assert asked == [(["http://a.example/x"], ["http://a.example/y"])]


# content · status · words of the detail · the member that is named
REFUSED = [
    ("", 400, "exactly one of url, key, host", None),
    ("{}", 400, "it has none of them", None),
    ('{"soft": true}', 400, "it has none of them", None),
    ('{"url": "http://a/", "all": true}', 400, "it has url, all", None),
    ('{"url": "http://a/", "urls": ["http://a/"]}', 400, "it has url, urls", None),
    ('{"tag": "a", "ban": "obj.status == 200"}', 400, "it has tag, ban", None),
    ('{"url": "http://a/", "sof": true}', 400, "did you mean 'soft'", "sof"),
    ('{"uri": "http://a/"}', 400, "did you mean 'url'", "uri"),
    ('{"surrogate": "a"}', 400, "is not known", "surrogate"),
    ('{"' + "z" * 5000 + '": 1}', 400, "…", None),
    ('{"all": false}', 400, "only be true", "all"),
    ('{"all": {}}', 400, "not an object", "all"),
    # wrong types
    ('{"url": 1}', 400, "must be a string, not a number", "url"),
    ('{"url": null}', 400, "must be a string, not null", "url"),
    ('{"url": ["http://a/"]}', 400, "must be a string, not a list", "url"),
    ('{"urls": "http://a/"}', 400, "must be a list of strings, not a string", "urls"),
    ('{"urls": ["http://a/", 2]}', 400, "must be a string, not a number", "urls[1]"),
    ('{"key": "http://a/"}', 400, "must be an object of url and headers, not a string", "key"),
    ('{"key": {}}', 400, "is missing", "key.url"),
    ('{"key": {"url": "http://a/", "heders": {}}}', 400, "did you mean 'headers'", "key.heders"),
    ('{"key": {"url": "http://a/", "headers": ["a"]}}', 400, "an object of strings, not a list", "key.headers"),
    ('{"key": {"url": "http://a/", "headers": {"a": 1}}}', 400, "a string, not a number", "key.headers.a"),
    ('{"keys": ["http://a/"]}', 400, "an object of url and headers, not a string", "keys[0]"),
    ('{"group": {"origin": "http://a"}}', 400, "is missing", "group.name"),
    ('{"group": {"origin": "http://a", "name": ""}}', 400, "cannot be empty", "group.name"),
    ('{"groups": [{"origin": "http://a", "name": "g"}, {"name": "g"}]}', 400, "is missing", "groups[1].origin"),
    ('{"url": "http://a/", "soft": 1}', 400, "must be true or false, not a number", "soft"),
    ('{"url": "http://a/", "soft": "true"}', 400, "must be true or false, not a string", "soft"),
    ('{"url": "http://a/", "dry_run": null}', 400, "must be true or false, not null", "dry_run"),
    ('{"url": "http://a/", "site": 1}', 400, "must be a string, not a number", "site"),
    # values that are no such thing
    ('{"urls": []}', 400, "is empty", "urls"),
    ('{"tags": []}', 400, "is empty", "tags"),
    ('{"url": ""}', 400, "the URL is empty", "url"),
    ('{"url": "/x"}', 400, "not a full URL", "url"),
    ('{"url": "ftp://a/x"}', 400, "only http and https", "url"),
    ('{"urls": ["http://a/", "nonsense"]}', 400, "'nonsense' is not a full URL", "urls[1]"),
    ('{"host": "http://a"}', 400, "leave out scheme and path", "host"),
    ('{"hosts": ["a", "b/c"]}', 400, "leave out scheme and path", "hosts[1]"),
    ('{"host": ""}', 400, "is no host", "host"),
    ('{"prefix": "a/b?c"}', 400, "has a query", "prefix"),
    ('{"prefixes": ["a/b", "http://a/b"]}', 400, "has a scheme", "prefixes[1]"),
    ('{"prefix": "/a*"}', 400, "ends in *", "prefix"),
    ('{"prefix": ""}', 400, "cannot be empty", "prefix"),
    ('{"path": "x"}', 400, "begins with /", "path"),
    ('{"path": "/a#b"}', 400, "fragment", "path"),
    ('{"tag": ""}', 400, "cannot be empty", "tag"),
    ('{"tag": "a b"}', 400, "contains ' '", "tag"),
    ('{"tags": ["a", "b,c"]}', 400, "contains ','", "tags[1]"),
    ('{"tag": "' + "t" * 16385 + '"}', 400, "longer than 16384 bytes", "tag"),
    ('{"key": {"url": "x"}}', 400, "not a full URL", "key.url"),
    ('{"key": {"url": "http://a/", "headers": {"a b": ""}}}', 400, "no field name", "key.headers"),
    ('{"group": {"origin": "a", "name": "g"}}', 400, "not a full URL", "group.origin"),
    ('{"group": {"origin": "http://a", "name": "é"}}', 400, "printable ASCII", "group.name"),
    ('{"all": true, "site": "defaul"}', 400, "did you mean 'default'", "site"),
    ('{"prefix": "/a", "refetch": true}', 400, "refetch cannot be had with a prefix", "prefix"),
    ('{"bans": ["obj.status == 404"], "refetch": true}', 400, "refetch cannot be had with a ban", "bans[0]"),
    # content that is none
    ('["http://a/"]', 400, "must be a JSON object, not a list", None),
    ('"all"', 400, "must be a JSON object, not a string", None),
    ("{", 400, "not JSON", None),
    ("{'all': true}", 400, "not JSON", None),
    (b'{"url": "\xff"}', 400, "not JSON", None),
    ('{"url": "\\ud800"}', 400, "not JSON", None),
    ("[" * 100_000, 400, "nested too deeply", None),
    # limits
    ('{"urls": ["http://a/1", "http://a/2", "http://a/3", "http://a/4"]}', 413, "at most 3", "urls"),
    ('{"tags": ["a", "a", "a", "a"]}', 413, "at most 3", "tags"),
    ('{"url": "http://a/' + "x" * 200_000 + '"}', 413, "200000 bytes", None),
]


@pytest.mark.parametrize(("content", "status", "words", "member"), REFUSED)
async def test_what_is_refused(
    serve: Any, make_plane: Callable[..., Any], content: str | bytes, status: int, words: str, member: str | None
) -> None:
    plane = make_plane(api_items=3, api_body_bytes=200_000)
    client = await serve(plane)
    response = await client.post(INVALIDATIONS, data=content, headers=JSON)
    problem = await response.json(content_type="application/problem+json")
    assert (response.status, problem["status"]) == (status, status)
    assert words in problem["detail"]
    assert problem["type"].startswith("urn:")
    assert problem["title"]
    if member is not None:
        assert problem["member"] == member
        assert f"'{member}'" in problem["detail"]
    assert len(problem["detail"]) < 600
    assert plane.log.head == 0, "all or nothing"
    (noted,) = plane.doors.journal.newest_first()
    assert (noted.came.value, noted.door, noted.position) == ("refused", "api", None)
    assert noted.sentence.rstrip(".") in problem["detail"]


async def test_content_without_a_length_that_outgrows_the_limit(serve: Any, make_plane: Callable[..., Any]) -> None:
    plane = make_plane(api_body_bytes=2000)
    client = await serve(plane)

    async def pieces() -> Any:
        for _ in range(30):
            yield b" " * 100

    response = await client.post(INVALIDATIONS, data=pieces(), headers=JSON)
    assert response.status == 413
    assert "2000 bytes" in (await response.json(content_type="application/problem+json"))["detail"]
    assert len(plane.doors.journal) == 1


async def test_a_ban_that_is_none_names_the_column(client: Any, plane: Any) -> None:
    response = await client.post(INVALIDATIONS, json={"bans": ["obj.status == 404", "obj.status = 404"]})
    problem = await response.json(content_type="application/problem+json")
    assert (response.status, problem["member"], problem["column"]) == (400, "bans[1]", 12)
    assert "column 12" in problem["detail"]
    assert plane.log.head == 0


async def test_a_form_is_no_invalidation(client: Any, plane: Any) -> None:
    response = await client.post(INVALIDATIONS, data=FormData({"all": "true"}))
    assert response.status == 415
    assert plane.log.head == 0


class Full:
    """A log file on a full disk."""

    size = 0

    def write(self, entries: Any) -> None:
        raise LogUnwritable("no space left")


@pytest.mark.parametrize("what", [{"all": True}, {"url": "http://a.example/"}, {"tags": ["a", "b"], "soft": True}])
async def test_what_the_log_cannot_take_is_not_acknowledged(client: Any, plane: Any, what: dict[str, Any]) -> None:
    stored = plane.put("http://a.example/", tags=("a",))
    plane.log.write_to(Full())
    response = await client.post(INVALIDATIONS, json=what)
    assert (response.status, plane.log.head) == (507, 0)
    assert "no space left" in (await response.json(content_type="application/problem+json"))["detail"]
    assert plane.log.judge(stored) == CLEAN
    (noted,) = plane.doors.journal.newest_first()
    assert noted.came.value == "failed"
    assert "no space left" in noted.sentence
    assert (await client.post(INVALIDATIONS, json={**what, "dry_run": True})).status == 200, "looking needs no log"


@pytest.mark.parametrize("content", ['{"tag": "a", "tag": "b"}', '{"key": {"url": "http://h/a", "url": "http://h/b"}}'])
async def test_a_member_that_is_given_twice_is_refused(client: Any, plane: Any, content: str) -> None:
    """Decoders take one of them, and what the other asked for would be acknowledged without having been done."""
    response = await client.post(INVALIDATIONS, data=content, headers={"Content-Type": "application/json"})
    assert (response.status, plane.log.head) == (400, 0)
    assert "given twice" in (await response.json())["detail"]
