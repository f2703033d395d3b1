"""docs/purge-guide.md, typed: every command with its own program against a running edge, and what a visitor gets afterwards.

A block of commands is in groups, and below each stands what comes of it:

    # → 200, anew: /a /b, stale: /c, says "part of what is written"

Which group needs which settings, what is stored and what it is called is read from the page, too.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from wirekit import Kit, Reply, fresh, running_kit
from wirestage import settled

from edgecache.config import load
from edgecache.control.dialects.faults import Fault, Wanted

PAGE = (Path(__file__).parents[2] / "docs" / "purge-guide.md").read_text("utf-8")
PUBLIC = "https://www.example.com"
PATIENCE_S = 60
MAX_AGE_S = 7200


# -- What the page says -------------------------------------------------------------------------------------------------------------------


class Group(NamedTuple):
    """Commands that are run one after the other, and what comes of them.

    status   of the last answer that curl got, or "done" or "fails" of the last program
    changed  names of what is stored, with how: "anew" or "stale"
    """

    chapter: str
    settings: str
    commands: str
    status: str
    changed: dict[str, str]
    says: str

    def __str__(self) -> str:
        return f"{self.chapter}: {self.commands[:60]}"


def chapters() -> Iterator[tuple[str, str]]:
    """The page's chapters: heading and text."""
    for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        yield part.partition("\n")[::2]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


CHAPTERS = dict(chapters())
(BASE,) = blocks(CHAPTERS["How to read this page"], "toml")
STORED = {
    name: re.findall(r"`([\w-]+: [^`]+)`", sent) if "[" not in name else []
    for name, sent in re.findall(r"^\| `(/[^`]*)` \|(.*)\|$", CHAPTERS["How to read this page"], re.MULTILINE)
}
OUTCOME = re.compile(
    r'# → (?P<status>\w+)(?:, anew: (?P<anew>[^,]+))?(?:, stale: (?P<stale>[^,]+))?(?:, says "(?P<says>.*)")?',
)


def groups() -> Iterator[Group]:
    for chapter, text in CHAPTERS.items():
        settings = "\n".join(blocks(text, "toml")) if chapter != "How to read this page" else ""
        for block in blocks(text, "sh"):
            for group in block.strip().split("\n\n"):
                commands, _, outcome = group.rpartition("\n")
                found = OUTCOME.fullmatch(outcome)
                if found is None:
                    assert group.startswith("export "), group
                    continue
                changed = {}
                for how in ("anew", "stale"):
                    names = (found[how] or "").split()
                    changed |= dict.fromkeys(STORED if names == ["everything"] else names, how)
                yield Group(chapter, settings, commands, found["status"], changed, (found["says"] or "").replace('\\"', '"'))


GROUPS = list(groups())
(EXPORTED,) = [block for block in blocks(PAGE, "sh") if block.startswith("export ")]


# -- The edge that it is about ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def edge_of(settings: str, stored: bool = True, **more: Any) -> AsyncIterator[Kit]:
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:
        file.write(f"{BASE}\n{settings}")
        file.flush()
        read = load(Path(file.name), {})
    given = {
        "public_url": read.public_url,
        "varnishadm": "127.0.0.1:0",
        "rule": read.rule,
        "vendor": read.vendor,
        "credential": read.credential,
    }
    async with running_kit({**given, **more}) as kit:
        if stored:
            await fill(kit)
        yield kit


def request_of(name: str) -> tuple[str, list[str]]:
    """Target and fields of the request for what the page calls so."""
    target, _, who = name.partition("[")
    fields = {"": [], "ES]": ["CF-IPCountry: ES"]}.get(who, [f"CF-Device-Type: {who[:-1]}"])
    return target, ["Host: www.example.com", *fields]


async def look(kit: Kit, name: str) -> Reply:
    target, fields = request_of(name)
    return await kit.get(target, *fields)


async def fill(kit: Kit) -> None:
    """Store what the page's table has, and let the origin have something newer."""
    for body in (b"old", b"new"):
        for name, fields in STORED.items():
            for target in (
                request_of(name)[0],
                *(f"{name}?iv={number}" for number in (1, 2)),
            ):  # as Comet Cache has it
                kit.origin.answer(target, fresh(body, *fields, max_age=MAX_AGE_S))
        for name in STORED:
            reply = await look(kit, name)
            assert (reply.body, reply.hit) == (b"old", body == b"new"), name


async def changes(kit: Kit) -> dict[str, str]:
    """What is not as it was, and how it came to be."""
    found = {}
    for name in STORED:
        reply = await look(kit, name)
        if reply.body == b"new":
            found[name] = "stale" if "soft-purged" in reply.cache_status else "anew"
    return found


# -- Typing it ----------------------------------------------------------------------------------------------------------------------------

# curl says what it got, also where it is not asked to; others are run with the interpreter that runs the tests.
SHELL = r"""
curl() { command curl -sS --max-time 30 --dump-header last-head "$@"; }
aws() { "$PYTHON" -W ignore -m awscli "$@"; }
edgecache() { "$PYTHON" -m edgecache "$@"; }
"""


async def type_it(kit: Kit, commands: str, folder: Path) -> tuple[str, str]:
    """How commands end in a shell: the status as the page says it, and all that was written and answered."""
    here = {
        "http://127.0.0.1:8080": kit.edge.url,
        "http://127.0.0.1:8081": kit.edge.control_url,
        "http://localhost:3000": f"http://127.0.0.1:{kit.origin.port}",
        "127.0.0.1:6082": kit.edge.varnishadm,
    }
    script = EXPORTED + commands
    for shown, real in here.items():
        script = script.replace(shown, real)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "EDGECACHE_"))}
    env |= {
        "PYTHON": sys.executable,
        "HOME": str(folder),
        "EDGECACHE_URL": kit.edge.control_url,
        "AWS_MAX_ATTEMPTS": "1",
        "LC_ALL": "C.UTF-8",
    }
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", SHELL + script, cwd=folder, env=env,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    head = folder / "last-head"
    said = out.decode("utf-8", "replace") + "\n" + (head.read_text("latin-1") if head.exists() else "")
    answers = re.findall(r"^HTTP/\S+ (\d+)", said, re.MULTILINE)
    if answers and not commands.startswith("aws"):
        assert process.returncode == 0, said
        return answers[-1], said
    return "fails" if process.returncode else "done", said


@pytest.fixture
def programs(system_program: Callable[[str, str], str]) -> None:
    for name, package in (("curl", "curl"), ("jq", "jq"), ("varnishadm", "varnish")):
        system_program(name, f"apt-get install {package}")


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("group", GROUPS, ids=str)
async def test_what_is_typed_comes_to_what_the_page_says(group: Group, tmp_path: Path) -> None:
    async with edge_of(group.settings) as kit:
        status, said = await type_it(kit, group.commands, tmp_path)
        await settled(kit)
        assert status == group.status, said
        assert group.says in said, said
        assert await changes(kit) == group.changed, said


def test_the_page_is_read_as_a_whole() -> None:
    """Nothing that looks like a command or an outcome is left out."""
    assert len(STORED) == 10
    assert PAGE.count("# → ") == len(GROUPS)
    for block in blocks(PAGE, "sh"):
        assert block.startswith("export ") or block.rstrip().splitlines()[-1].startswith("# → ")
    named = {name for group in GROUPS for name in group.changed}
    assert named == set(STORED)
    for program in ("curl", "aws cloudfront", "aws cloudwatch", "varnishadm", "edgecache purge", "edgecache ban"):
        assert any(program in group.commands for group in GROUPS), program


# -- Retrying -----------------------------------------------------------------------------------------------------------------------------


def function_of_the_page() -> Callable[..., list[str]]:
    (source,) = blocks(CHAPTERS["Too many purges"], "python")
    names: dict[str, Any] = {}
    exec(compile(source, "purge-guide.md", "exec"), names)
    function: Callable[..., list[str]] = names["purge_urls"]
    return function


def doubling(api: str, zone: str, token: str, urls: list[str], sleep: Callable[[float], None]) -> list[str]:
    """As scripts often have it: 65 seconds after a 429, then twice as many, whatever Retry-After says, and three tries."""
    left: list[str] = []
    for at in range(0, len(urls), 30):
        for delay in (65, 130, 260):
            keys = {"X-Auth-Email": "user@example.com", "X-Auth-Key": token}
            reply = requests.post(f"{api}/zones/{zone}/purge_cache", headers=keys, json={"files": urls[at : at + 30]}, timeout=30)
            if reply.status_code != 429:
                break
            sleep(delay)
        if reply.status_code != 200:
            left += urls[at : at + 30]
    return left


async def purge(kit: Kit, function: Callable[..., list[str]], urls: list[str]) -> tuple[list[str], list[float]]:
    """What it could not purge, and how long it slept each time: that moves the edge's clock."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        kit.clock.advance(seconds)

    api = f"{kit.edge.control_url}/client/v4"
    return await asyncio.to_thread(function, api, "ZONE_ID", "API_TOKEN", urls, sleep=sleep), slept


@pytest.mark.parametrize("function, pauses", [(function_of_the_page(), [7, 7]), (doubling, [65, 130])])
async def test_retrying_survives_429(function: Callable[..., list[str]], pauses: list[float]) -> None:
    async with edge_of("") as kit:
        kit.edge.desk.faults.add(Wanted(Fault.RATE_LIMIT, "cloudflare", count=2, wait_s=7), kit.clock.now())
        assert await purge(kit, function, [f"{PUBLIC}/static/app.js", f"{PUBLIC}/products/123"]) == ([], pauses)
        assert await changes(kit) == {"/static/app.js": "anew", "/products/123": "anew"}


@pytest.mark.parametrize("function, pauses", [(function_of_the_page(), [1, 1]), (doubling, [65, 65])])
async def test_retrying_survives_the_limit_of_the_free_plan(function: Callable[..., list[str]], pauses: list[float]) -> None:
    """800 URLs a second: of 60 calls with 30 each the 27th and the 53rd come too soon."""
    urls = [f"{PUBLIC}/{number}" for number in range(60 * 30 - 1)] + [f"{PUBLIC}/static/app.js"]
    async with edge_of('[[vendor]]\nvendor = "cloudflare"\nid = "ZONE_ID"\nplan = "free"') as kit:
        assert await purge(kit, function, urls) == ([], pauses)
        assert kit.edge.log.head == len(urls)
        assert await changes(kit) == {"/static/app.js": "anew"}


@pytest.mark.parametrize(
    "wanted, pauses",
    [
        (Wanted(Fault.RATE_LIMIT, wait_s=3), [3] * 5),  # in the end it gives up
        (Wanted(Fault.ERROR, count=2), [1, 2]),
        (Wanted(Fault.UNAVAILABLE, count=1, wait_s=4), [4]),
        (Wanted(Fault.ERROR_IN_BODY), []),
    ],
)
async def test_the_function_of_the_page_says_what_it_could_not_purge(wanted: Wanted, pauses: list[float]) -> None:
    urls = [f"{PUBLIC}/static/app.js"]
    async with edge_of("") as kit:
        kit.edge.desk.faults.add(wanted, kit.clock.now())
        left, slept = await purge(kit, function_of_the_page(), urls)
        assert slept == pauses
        assert left == ([] if wanted.count else urls)
        assert await changes(kit) == ({"/static/app.js": "anew"} if wanted.count else {})


# -- What it says without showing it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ignore, kept", [("", [b"one", b"two"]), ('ignore_query = ["iv"]', [b"one", b"one"])])
async def test_a_new_iv_is_a_new_object_unless_a_rule_ignores_it(ignore: str, kept: list[bytes]) -> None:
    """As Comet Cache counts it up."""
    async with edge_of(f'[[rule]]\npath = "/*"\n{ignore}', stored=False) as kit:
        for number, body in ((1, b"one"), (2, b"two")):
            kit.origin.answer(f"/wp-content/style.css?iv={number}", fresh(body))
        seen = [(await kit.get(f"/wp-content/style.css?iv={number}", "Host: www.example.com")).body for number in (1, 2)]
        assert seen == kept
        for number, body in zip((1, 2), kept, strict=True):
            again = await kit.get(f"/wp-content/style.css?iv={number}", "Host: www.example.com")
            assert (again.hit, again.body) == (True, body)


async def test_removing_the_files_of_the_store_is_no_purge(tmp_path: Path) -> None:
    async with edge_of("", store=str(tmp_path / "store")) as kit:
        await settled(kit)
        for path in sorted((tmp_path / "store").rglob("*"), reverse=True):
            path.unlink() if not path.is_dir() else path.rmdir()
        assert await changes(kit) == {}
