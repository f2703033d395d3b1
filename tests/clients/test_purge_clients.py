"""Purge clients as they are, against an edge: curl with every command of docs/purge-methods.md, and Wagtail's HTTP backend."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from wirekit import PATIENCE_S, Kit, fresh, running_kit
from wirestage import settled

PAGE = (Path(__file__).parents[2] / "docs/purge-methods.md").read_text("utf-8")
COMMANDS = re.findall(r"^# (.+)\n(curl .+)$", PAGE, re.MULTILINE)


async def run(*command: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """How a program ended: exit code, and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=env
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.parametrize("said, command", COMMANDS, ids=[command for _, command in COMMANDS])
async def test_every_command_of_the_page(system_program, said: str, command: str) -> None:
    curl = system_program("curl", "apt-get install curl")
    async with running_kit({"purge_get": "/purge"}) as kit:
        here = f"127.0.0.1:{kit.port}"
        kit.origin.answer("/news/", fresh(b"x"))
        await kit.get("/news/", f"Host: {here}")
        arguments = [one.replace("127.0.0.1:8080", here) for one in shlex.split(command)[1:]]
        code, out, err = await run(curl, "-sS", "-H", "Accept: application/json", "-w", "%{http_code}", *arguments)
        assert (code, out[-3:], err) == (0, "200", "")
        selectors = json.loads(out[:-3])["selectors"]
        wanted = said.partition(": ")[2] if said.startswith("--") else re.sub("^(soft, )?(fetched again, )?", "", said)
        assert ", ".join(f"{one['kind']} {one['value']}" for one in selectors) == wanted.replace("127.0.0.1:8080", here)
        await settled(kit)
        entry = next(kit.edge.journal.newest_first())
        assert (entry.soft, entry.refetch) == (said.startswith("soft"), "fetched again" in said)
        assert [seen.method for seen in kit.origin.seen] == [b"GET"] * (2 if entry.refetch else 1)


# Wagtail in a process of its own: it has settings for the whole process, and logs what went wrong instead of raising it.
BACKEND = """
import json, logging, sys
from django.conf import settings
settings.configure()
logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
from wagtail.contrib.frontend_cache.backends import HTTPBackend
backend = HTTPBackend({"LOCATION": sys.argv[1]})
backend.purge_batch(json.loads(sys.argv[2]))
"""

WAGTAIL_URLS = {
    "http://www.example.com/news/": ("www.example.com", "/news/"),
    "https://www.example.com:8443/a%20b/%C3%BC?x=1&y=2": ("www.example.com:8443", "/a%20b/%C3%BC?x=1&y=2"),
    "http://www.example.com": ("www.example.com", "/"),
    "https://b.example.com/news/?page=2#part": ("b.example.com", "/news/?page=2"),
}


async def wagtail(kit: Kit, urls: list[str]) -> str:
    """What Wagtail logs when it purges these URLs; "" when all went well."""
    if importlib.util.find_spec("wagtail") is None:
        sentence = "wagtail is missing; install it with: pip install wagtail"
        if os.environ.get("EDGECACHE_TEST_ALL") == "1":
            pytest.fail(sentence)
        pytest.skip(sentence)
    code, out, err = await run(sys.executable, "-W", "ignore", "-c", BACKEND, f"http://127.0.0.1:{kit.port}", json.dumps(urls))
    assert (code, out) == (0, ""), err
    return err


async def stored_pages(kit: Kit) -> None:
    for host, target in WAGTAIL_URLS.values():
        kit.origin.answer(target, fresh())
        await kit.get(target, f"Host: {host}")


async def test_wagtail_purges_pages() -> None:
    async with running_kit({}) as kit:
        await stored_pages(kit)
        kit.origin.answer("/stays", fresh())
        await kit.get("/stays", "Host: www.example.com")
        assert await wagtail(kit, list(WAGTAIL_URLS)) == ""
        assert [call.matched for call in kit.edge.journal.newest_first()] == [1] * len(WAGTAIL_URLS)
        assert [(await kit.get(target, f"Host: {host}")).hit for host, target in WAGTAIL_URLS.values()] == [False] * len(WAGTAIL_URLS)
        assert (await kit.get("/stays", "Host: www.example.com")).hit


@pytest.mark.parametrize(
    "settings, logged",
    [
        ({}, ""),  # what is not stored is no error, unless the setting makes it one
        ({"purge_not_stored_status": 404}, "HTTPError: 404 Not in cache"),
        ({"purge_allow": ["10.0.0.0/8"]}, "HTTPError: 403 Forbidden"),
        ({"purge_token": "secret"}, "HTTPError: 403 Forbidden"),  # it cannot bring one
    ],
)
async def test_what_wagtail_says_of_a_page_that_is_not_stored(settings: dict[str, object], logged: str) -> None:
    async with running_kit(settings) as kit:
        err = await wagtail(kit, ["http://www.example.com/nothing"])
        assert (logged in err, bool(err)) == (True, bool(logged))


async def test_wagtail_and_a_public_name() -> None:
    """Editors purge the site's name while developers look at localhost."""
    async with running_kit({"public_url": "https://www.example.com"}) as kit:
        kit.origin.answer("/news/", fresh())
        await kit.get("/news/", f"Host: localhost:{kit.port}")
        assert await wagtail(kit, ["https://www.example.com/news/"]) == ""
        assert not (await kit.get("/news/", f"Host: localhost:{kit.port}")).hit
