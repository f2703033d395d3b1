"""purge and ban: what they send, what they print, and where they point when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered
from edgecache.cli import invalidated
from edgecache.cli import purge as purging
from edgecache.cli.ban import pointed


def given(plane: Any) -> list[list[tuple[str, str]]]:
    """What was asked of the doors, call by call, the latest last."""
    return [list(noted.given) for noted in plane.doors.journal.newest_first()][::-1]


async def test_what_was_hit(invoke: Any, plane: Any) -> None:
    plane.put(b"a.example", b"/x")
    result = await invoke("purge", "http://a.example/x", "http://a.example/y", edge=plane.url)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "selector  value               matched",
        "url       http://a.example/x        1",
        "url       http://a.example/y        0",
        "Invalidated at log position 2: 1 stored response is gone now.",
    ]
    (stored,) = plane.store.memory.objects()
    assert isinstance(plane.log.judge(stored), HardCovered)


async def test_soft(invoke: Any, plane: Any) -> None:
    plane.put(b"a.example", b"/x")
    result = await invoke("purge", "--soft", "http://a.example/x", edge=plane.url)
    assert "1 stored response is stale now" in result.stdout
    (stored,) = plane.store.memory.objects()
    assert isinstance(plane.log.judge(stored), SoftCovered)


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (["http://a.example/x", "http://b.example"], [("url", "http://a.example/x"), ("url", "http://b.example")]),
        (["--tag", "a", "--tag", "b"], [("tag", "a"), ("tag", "b")]),
        (["--prefix", "a.example/x", "--prefix", "/y"], [("prefix", "a.example/x"), ("prefix", "/y")]),
        (["--host", "a.example"], [("host", "a.example")]),
        (["--path", "/x*"], [("path", "/x*")]),
        (["--key", "http://a.example/x", "-H", "Dpr: 2", "--header", "Cookie:s=1"], [("key", "http://a.example/x")]),
        (["--group", "http://a.example", "g 1"], [("group", "g 1")]),
        (["--all"], [("all", "")]),
        (["--all", "--site", "default"], [("all", "")]),
    ],
)
@pytest.mark.parametrize("options", [[], ["--soft"], ["--count"], ["--dry-run"]])
async def test_each_kind(invoke: Any, plane: Any, arguments: list[str], sent: list[tuple[str, str]], options: list[str]) -> None:
    plane.put(b"a.example", b"/x")
    result = await invoke("purge", *arguments, *options, edge=plane.url)
    assert result.exit_code == 0, result.output
    assert given(plane) == [sent]
    (noted,) = plane.doors.journal.newest_first()
    assert noted.soft == ("--soft" in options)
    assert noted.came.value == ("dry-run" if "--dry-run" in options else "done")
    assert {one.site for one in noted.selectors} == ({"default"} if "--site" in arguments else {""})
    assert plane.log.head == (0 if "--dry-run" in options else len(sent))


async def test_a_key_is_made_of_its_fields(invoke: Any, plane: Any) -> None:
    result = await invoke("purge", "--key", "http://a.example/x", "-H", "Dpr: 2", edge=plane.url)
    assert "key       http://a.example/x (Dpr: 2)        0" in result.stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["http://a.example/none"], "no stored response matched"),
        (["http://a.example/x?y"], "Hint: nothing is stored for http://a.example/x?y; stored is http://a.example/x (other query)."),
        (["--all"], "whatever was stored under it is gone now"),
        (["--all", "--count"], "1 stored response is gone now"),
        (["--host", "a.example", "--count", "--soft"], "1 stored response is stale now"),
        (["--all", "--dry-run"], "Nothing was changed: 1 stored response would be covered."),
        (["--tag", "none", "--dry-run"], "Nothing was changed: no stored response would be covered."),
    ],
)
async def test_it_says_what_it_knows(invoke: Any, plane: Any, arguments: list[str], words: str) -> None:
    plane.put(b"a.example", b"/x")
    result = await invoke("purge", *arguments, edge=plane.url)
    assert result.exit_code == 0
    assert words in result.stdout


async def test_a_dry_run_lists(invoke: Any, plane: Any) -> None:
    plane.put(b"a.example", b"/x", tags=("news", "p\udcff\x1b"), vary=((b"dpr", None), (b"save-data", b"on")))
    result = await invoke("purge", "--host", "a.example", "--dry-run", edge=plane.url)
    assert (
        result.stdout.splitlines()
        == [
            "key                                                 status  age  ttl  state  tags",
            "http://a.example/x (dpr: (absent), save-data: on)     200    0   60  fresh  news p\\xff\\x1b",
            "Nothing was changed: 1 stored response would be covered.",
        ]
        or "\x1b" not in result.stdout
    )
    (stored,) = plane.store.memory.objects()
    assert plane.log.judge(stored) == CLEAN


async def test_json_is_the_answer(invoke: Any, plane: Any) -> None:
    plane.put(b"a.example", b"/")
    result = await invoke("purge", "--json", "http://a.example/", "--edge", plane.url)
    assert json.loads(result.stdout) == {
        "position": 1,
        "selectors": [{"kind": "url", "value": "http://a.example/", "site": None, "matched": 1}],
        "matched": 1,
        "hints": [],
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["purge"],
        ["purge", "--egde"],
        ["purge", "--all", "http://a.example/"],
        ["purge", "--tag", "a", "--host", "a"],
        ["purge", "--tag", "a", "--all"],
        ["purge", "--group", "http://a"],
        ["purge", "-H", "a: b", "http://a.example/"],
        ["purge", "--key", "http://a.example/", "-H", "nonsense"],
        ["purge", "--file", "/nonexistent/urls.txt"],
        ["ban"],
        ["ban", "obj.status", "==", "404"],
    ],
)
async def test_misuse_is_2(invoke: Any, plane: Any, arguments: list[str]) -> None:
    result = await invoke(*arguments, edge=plane.url)
    assert result.exit_code == 2
    assert plane.log.head == 0
    assert len(plane.doors.journal) == 0


async def test_what_the_edge_refuses_is_one_sentence(invoke: Any, plane: Any) -> None:
    result = await invoke("purge", "http://a.example/", "a.example/\x1b[2J", edge=plane.url)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "urls[1]" in result.stderr
    assert "\x1b" not in result.stderr
    assert plane.log.head == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tag", "a b"], "'tags[0]'"),
        (["--prefix", "a?b"], "has a query"),
        (["--prefix", "/a", "--refetch"], "refetch cannot be had with a prefix"),
        (["--all", "--site", "defalt"], "did you mean 'default'"),
    ],
)
async def test_refusals(invoke: Any, plane: Any, arguments: list[str], words: str) -> None:
    result = await invoke("purge", *arguments, edge=plane.url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert words in result.stderr
    assert plane.log.head == 0


# ---- URLs from a file ----


LIST = "\ufeffhttp://a.example/1\r\n\n  # a comment\n  http://a.example/2  \nhttp://a.example/3#top\n"
URLS = [("url", "http://a.example/1"), ("url", "http://a.example/2"), ("url", "http://a.example/3#top")]


async def test_urls_from_a_file_and_from_stdin(invoke: Any, plane: Any, tmp_path: Path) -> None:
    path = tmp_path / "urls.txt"
    path.write_bytes(LIST.encode())
    assert (await invoke("purge", "--file", str(path), edge=plane.url)).exit_code == 0
    assert (await invoke("purge", "--file", "-", edge=plane.url, stdin=LIST)).exit_code == 0
    assert (await invoke("purge", "http://b.example/", "--file", "-", edge=plane.url, stdin=LIST)).exit_code == 0
    assert given(plane) == [URLS, URLS, [("url", "http://b.example/"), *URLS]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no URL"),
        (b"# nothing\n\n", "has no URL"),
        (b"http://a.example/\nhttp://b.example/\xff\n", "is not UTF-8"),
        (b"http://a.example/1\n\nnonsense\n", "(line 3 of "),
    ],
)
async def test_files_that_cannot_be_used(invoke: Any, plane: Any, tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "urls.txt"
    path.write_bytes(content)
    result = await invoke("purge", "--file", str(path), edge=plane.url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert words in result.stderr
    assert plane.log.head == 0


def many(number: int) -> str:
    return "".join(f"http://a.example/{index:04}\n" for index in range(number))


async def test_a_long_list_goes_in_batches(invoke: Any, plane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH_ITEMS", 10)
    plane.put(b"a.example", b"/0003")
    plane.put(b"a.example", b"/0021")
    result = await invoke("purge", "--file", "-", edge=plane.url, stdin=many(25))
    assert [len(call) for call in given(plane)] == [10, 10, 5]
    assert [item for call in given(plane) for item in call] == [("url", line) for line in many(25).split()]
    assert len(result.stdout.splitlines()) == 1 + 25 + 1
    assert "Invalidated at log position 25: 2 stored responses are gone now." in result.stdout
    assert result.stderr == ""
    lines = (await invoke("purge", "--json", "--file", "-", edge=plane.url, stdin=many(25))).stdout.splitlines()
    assert [json.loads(line)["position"] for line in lines] == [35, 45, 50]


async def test_batches_fit_into_the_content_that_is_taken(invoke: Any, plane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH_BYTES", 400)
    assert (await invoke("purge", "--file", "-", edge=plane.url, stdin=many(25))).exit_code == 0
    assert sum(len(call) for call in given(plane)) == 25
    assert max(len(call) for call in given(plane)) == 400 // (len("'http://a.example/0000'") + 8)


@pytest.mark.parametrize("settings", [{"api_items": 7}, {"api_body_bytes": 1024}])
async def test_an_edge_that_takes_less_gets_less_at_once(invoke: Any, make_plane: Any, settings: dict[str, int]) -> None:
    plane = await make_plane(**settings)
    result = await invoke("purge", "--file", "-", edge=plane.url, stdin=many(100))
    assert result.exit_code == 0, result.stderr
    done = [noted for noted in plane.doors.journal.newest_first() if noted.came.value == "done"]
    assert plane.log.head == sum(len(noted.given) for noted in done) == 100


async def test_one_that_is_too_large_by_itself(invoke: Any, make_plane: Any) -> None:
    plane = await make_plane(api_body_bytes=1024)
    result = await invoke("purge", "http://a.example/" + "x" * 2000, edge=plane.url)
    assert result.exit_code == 1
    assert "1024 bytes" in result.stderr


async def test_a_later_batch_that_is_refused_says_what_was_done(invoke: Any, plane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH_ITEMS", 10)
    result = await invoke("purge", "--file", "-", edge=plane.url, stdin=many(15) + "nonsense\n" + many(3))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "(line 16 of <stdin>)" in result.stderr
    assert "The first 10 of 19 were carried out before that." in result.stderr
    assert result.stderr.count("\n") == 1
    assert plane.log.head == 10


def test_a_table_on_a_terminal_is_not_endless(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    selectors = [{"kind": "tag", "value": f"t{number}", "site": None, "matched": None} for number in range(1000)]
    answer = {"position": 1000, "selectors": selectors, "matched": None, "hints": []}
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    invalidated.show(answer, soft=False, dry_run=False)
    shown = capsys.readouterr().out
    assert "… and 980 more" in shown
    assert "t19" in shown
    assert "t20" not in shown


def test_progress_is_for_who_watches(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for long, watched in ((True, False), (False, True), (True, True)):
        monkeypatch.setattr("sys.stderr.isatty", lambda watched=watched: watched)
        with purging._progress(20, long) as advance:
            advance(10)
        printed = capsys.readouterr()
        assert printed.out == ""
        assert ("invalidating" in printed.err) == (long and watched)


# ---- bans ----


async def test_a_ban(invoke: Any, plane: Any) -> None:
    plane.put(b"a.example", b"/x", status=404)
    plane.put(b"a.example", b"/y")
    result = await invoke("ban", "obj.status  ==  404", "--dry-run", edge=plane.url)
    assert "Nothing was changed: 1 stored response would be covered." in result.stdout
    assert plane.log.head == 0
    result = await invoke("ban", "obj.status  ==  404", "--count", edge=plane.url)
    assert result.stdout.splitlines() == [
        "selector  value              matched",
        "ban       obj.status == 404        1",
        "Invalidated at log position 1: 1 stored response is gone now.",
    ]
    result = await invoke("ban", "--soft", "req.url ~ ^/y", edge=plane.url)
    assert "whatever was stored under it is stale now" in result.stdout
    x, y = sorted(plane.store.memory.objects(), key=lambda stored: stored.key.target)
    assert isinstance(plane.log.judge(x), HardCovered)
    assert isinstance(plane.log.judge(y), SoftCovered)
    assert json.loads((await invoke("ban", "--json", "obj.age > 1h", edge=plane.url)).stdout)["position"] == 3


async def test_a_ban_that_is_none_is_pointed_at(invoke: Any, plane: Any) -> None:
    result = await invoke("ban", "obj.status = 404", edge=plane.url)
    assert (result.exit_code, result.stdout) == (1, "")
    sentence, expression, caret = result.stderr.splitlines()
    assert "column 12" in sentence
    assert expression == "  obj.status = 404"
    assert caret == "             ^"
    assert expression[caret.index("^")] == "="
    assert plane.log.head == 0


async def test_words_without_quotes_are_shown_with_them(invoke: Any, plane: Any) -> None:
    result = await invoke("ban", "obj.status", "==", "404", edge=plane.url)
    assert result.exit_code == 2
    assert "'obj.status == 404'" in result.stderr


@pytest.mark.parametrize(
    ("expression", "column", "line", "caret_at"),
    [
        ("abc", 1, "abc", 0),
        ("abc", 3, "abc", 2),
        ("abc", 4, "abc", 3),
        ("", 1, "", 0),
        ("a\x1bb", 3, "a\\x1bb", 5),
        ("a\nb", 3, "a\\nb", 3),
        ("日本b", 3, "日本b", 4),
        ("x" * 300, 150, "…" + "x" * 120 + "…", 61),
        ("x" * 300, 301, "…" + "x" * 60, 61),
        ("x" * 300, 1, "x" * 60 + "…", 0),
    ],
)
def test_pointed(expression: str, column: int, line: str, caret_at: int) -> None:
    assert pointed(expression, column) == f"  {line}\n  {' ' * caret_at}^"
