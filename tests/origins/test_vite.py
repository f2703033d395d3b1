"""A Vite dev server as the origin: modules, dependencies with a year of freshness, and hot reload, asked by scripts and by Chromium.

`vite/` holds the lock file for npm and the site, of which each test serves a copy of its own. Its modules are installed when they are
missing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from originkit import PATIENCE_S, EdgeProcess, Site, until
from ports import free_port
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

HERE = Path(__file__).parent / "vite"
INSTALL_NODE = "apt-get install nodejs npm (Node 20.19 or newer)"


class Vite(Site):
    """A running dev server, and the folder that it serves."""

    def __init__(self, port: int, folder: Path) -> None:
        super().__init__(port)
        self.folder = folder

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file as an editor does: what was read before is written whole."""
        path = self.folder / name
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new))


def installed(npm: Callable[[], str]) -> Path:
    """The modules that the lock file names; npm installs them when they are missing or older than it."""
    modules = HERE / "node_modules"
    done = modules / ".package-lock.json"
    lock = HERE / "package-lock.json"
    if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
        ended = subprocess.run([npm(), "ci"], cwd=HERE, capture_output=True, text=True)
        if ended.returncode:
            sentence = f"npm ci in tests/origins/vite failed: {ended.stderr[-2000:]}"
            pytest.fail(sentence) if os.environ.get("EDGECACHE_TEST_ALL") == "1" else pytest.skip(sentence)
        done.touch()
    return modules


@pytest.fixture
def vite(system_program, program, tmp_path) -> Vite:
    node = system_program("node", INSTALL_NODE)
    modules = installed(lambda: system_program("npm", INSTALL_NODE))
    folder = tmp_path / "site"
    shutil.copytree(HERE / "site", folder)
    (folder / "node_modules").mkdir()  # of the copy: Vite writes what it makes of dependencies there
    (folder / "node_modules/nanoid").symlink_to(modules / "nanoid")
    port = free_port()
    program(
        *(node, str(modules / "vite/bin/vite.js"), "--host", "127.0.0.1", "--port", str(port), "--strictPort", str(folder)),
        ready=lambda said: "ready in" in said,
        env={**os.environ, "NO_COLOR": "1", "CI": "true"},  # with CI it does not end when its stdin does
    )
    return Vite(port, folder)


@pytest.fixture
def edge(vite, edge_before) -> EdgeProcess:
    return edge_before(vite.url)


def imports(module: bytes) -> list[str]:
    """The targets that a module, as Vite rewrote it, imports."""
    return re.findall(r'(?:from |import |import\()"(/[^"]*)"', module.decode())


def test_every_module_of_the_page_comes_as_vite_sends_it(vite, edge):
    page = edge.get("/", Accept="text/html")
    assert b'<script type="module" src="/@vite/client">' in page.body
    waiting, seen = ["/@vite/client", "/main.js"], set()
    while waiting:
        target = waiting.pop()
        seen.add(target)
        direct, through = vite.get(target, Accept="*/*"), edge.get(target, Accept="*/*")
        assert through.status == 200
        assert through.body == direct.body
        for name in ("content-type", "etag", "cache-control"):
            assert through.get(name) == direct.get(name)
        waiting.extend(one for one in imports(through.body) if one not in seen)
    names = {target.rpartition("/")[2].partition("&")[0] for target in seen}
    assert {"client", "env.mjs", "main.js", "style.css", "message.js", "mark.svg?import", "note.txt?import", "late.js"} <= names


def test_modules_are_asked_for_each_time_and_dependencies_once(vite, edge):
    """Vite's own modules are `no-cache`; dependencies have a year, and a version in their query."""
    main = [edge.get("/main.js") for _ in range(2)]
    assert [answer.hit for answer in main] == [False, False]
    (dependency,) = (target for target in imports(main[0].body) if "nanoid" in target)
    replies = [edge.get(dependency) for _ in range(2)]
    assert replies[0].get("cache-control") == "max-age=31536000,immutable"
    assert [answer.hit for answer in replies] == [False, True]
    assert replies[1].body == vite.get(dependency).body
    validated = edge.get("/main.js", If_None_Match=main[0].get("etag"))
    assert (validated.status, validated.body) == (304, b"")


def test_vite_sees_the_host_that_the_client_named(vite, edge):
    """It serves names of loopback only, against DNS rebinding. What it refuses directly it refuses through the edge."""
    for host, status in [(edge.host, 200), (f"site.localhost:{edge.port}", 200), ("elsewhere.example", 403)]:
        for site in (vite, edge):
            assert site.ask("GET", "/main.js", {"Host": host}).status == status


def hot_reload(edge: EdgeProcess, **options: object) -> ClientConnection:
    """The connection that /@vite/client makes."""
    (token,) = re.findall(rb'const wsToken = "([^"]+)"', edge.get("/@vite/client").body)
    options = {"subprotocols": ["vite-hmr"], "origin": edge.url, **options}
    return connect(f"ws://{edge.host}/?token={token.decode()}", **options)


def message_after(connection: ClientConnection, change: Callable[[], None]) -> dict[str, object]:
    """What Vite says of a change."""
    change()
    while True:
        message = json.loads(connection.recv(timeout=PATIENCE_S))
        if message["type"] not in ("connected", "ping", "pong"):
            return message


def test_hot_reload_comes_through_and_the_next_request_gets_the_new_module(vite, edge):
    for target in ("/", "/main.js", "/message.js"):
        edge.get(target)
    with hot_reload(edge) as connection:
        assert connection.subprotocol == "vite-hmr"
        assert json.loads(connection.recv(timeout=PATIENCE_S)) == {"type": "connected"}

        update = message_after(connection, lambda: vite.edit("message.js", "first", "second"))
        assert update["type"] == "update"
        (one,) = update["updates"]
        assert (one["type"], one["path"], one["acceptedPath"]) == ("js-update", "/main.js", "/message.js")
        assert b"the second message" in edge.get(f"/message.js?t={one['timestamp']}").body
        assert b"the second message" in edge.get("/message.js").body

        reload = message_after(connection, lambda: vite.edit("index.html", "not loaded", "not loaded yet"))
        assert reload["type"] == "full-reload"
        assert b"not loaded yet" in edge.get("/", Accept="text/html").body
    until(lambda: 101 in [record["status"] for record in edge.records()], "the record of the tunnel")


def test_a_hot_reload_that_vite_refuses(vite, edge):
    """Who does not know the token that /@vite/client holds gets Vite's refusal, not one of the edge's."""
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://{edge.host}/?token=wrong", subprotocols=["vite-hmr"], origin=edge.url):
        pass
    assert refused.value.response.status_code == 400


class Browser:
    """A page in Chromium, driven over its DevTools protocol."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._calls = 0
        self.events: list[dict[str, object]] = []

    def call(self, method: str, **parameters: object) -> dict[str, object]:
        self._calls += 1
        self._connection.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=PATIENCE_S))
            if message.get("id") == self._calls:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def wait(self, condition: str) -> None:
        """Return when an expression of the page is true."""
        until(lambda: self.value(condition) is True, condition)

    def value(self, expression: str) -> object:
        """What an expression of the page is; None when it throws, or when the page is being loaded again."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value") if "exceptionDetails" not in result else None

    def of(self, method: str) -> list[dict[str, object]]:
        """The parameters of the events of one kind."""
        return [event["params"] for event in self.events if event["method"] == method]


@pytest.fixture
def browser(system_program, program, tmp_path):
    chromium = system_program("chromium", "apt-get install chromium")
    profile = tmp_path / "profile"
    said = program(
        *(chromium, "--headless", "--remote-debugging-port=0", f"--user-data-dir={profile}", "--no-sandbox", "--disable-gpu"),
        *("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--disable-dev-shm-usage", "--disable-extensions", "--no-proxy-server", "about:blank"),
        ready=lambda said: "DevTools listening on" in said,
    )
    port = int(re.search(r"DevTools listening on ws://127\.0\.0\.1:(\d+)/", said.read_text())[1])
    pages: list[str] = []

    def found() -> bool:
        pages[:] = [one["webSocketDebuggerUrl"] for one in json.loads(Site(port).get("/json/list").body) if one["type"] == "page"]
        return bool(pages)

    until(found, "the browser's first page")
    with connect(pages[0], max_size=None) as connection:
        yield Browser(connection)


SHOWN = "document.querySelector('#message')?.textContent === 'the {} message'"


def test_a_browser_loads_the_page_and_takes_a_hot_update(vite, edge, browser):
    browser.call("Network.enable")
    browser.call("Page.enable")
    browser.call("Page.navigate", url=f"{edge.url}/")
    browser.wait(f"{SHOWN.format('first')} && document.body.dataset.hotReload === 'connected' && document.body.dataset.late === 'arrived'")
    assert browser.value("document.querySelector('#note').textContent") == (HERE / "site/note.txt").read_text()
    assert browser.value("getComputedStyle(document.querySelector('#message')).color") == "rgb(1, 2, 3)"
    assert browser.value("document.querySelector('#mark').naturalWidth") == 16
    assert len(browser.value("document.body.dataset.id")) == 8

    browser.value("window.samePage = true")
    vite.edit("message.js", "first", "second")
    browser.wait(SHOWN.format("second"))
    assert browser.value("window.samePage") is True

    vite.edit("index.html", "<title>A", "<title>The other")
    browser.wait(f"document.title === 'The other site behind the edge' && {SHOWN.format('second')}")
    assert browser.value("window.samePage") is None

    asked = [event["request"]["url"] for event in browser.of("Network.requestWillBeSent")]
    sockets = [event["url"] for event in browser.of("Network.webSocketCreated")]
    assert {urlsplit(url).netloc for url in (*asked, *sockets) if not url.startswith("data:")} == {edge.host}  # never past the edge
    assert browser.of("Network.loadingFailed") == []
