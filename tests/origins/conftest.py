"""Origins and clients that nobody here wrote, and `edgecache run` between them as a process of its own.

Each program comes from the system (`system_program`) or from the standard library. Its configuration is written by the test, its port is a
free one, and it ends with the test. Waiting is for a state (`until`): a file that is there, a port that answers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PATIENCE_S = 30.0  # how long a test waits for what must come; a failure then says what it waited for


def until(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as `condition` holds."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, f"waited in vain for {what}"
        time.sleep(0.005)  # between two looks; nothing depends on its length


def answers(port: int) -> bool:
    """Does a port on loopback take connections?"""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def free_port() -> int:
    """A port that was free a moment ago, for programs that cannot be told to take any."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclasses.dataclass
class Response:
    """An answer as the standard library's client got it. `fields` are its lines in order, names as they were written."""

    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for own, value in self.fields if own.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        found = self.all(name)
        return found[0] if found else None

    @property
    def hit(self) -> bool:
        return "; hit" in (self.get("cache-status") or "")


class Site:
    """Something on a port of loopback, and ways to ask it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.host = f"127.0.0.1:{port}"
        self.url = f"http://{self.host}"

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def ask(
        self, method: str, target: str, fields: dict[str, str] | None = None, body: object = None, *, on: http.client.HTTPConnection | None = None
    ) -> Response:
        """One request on a connection of its own, or on one that is open. `body` is anything that http.client sends."""
        with contextlib.closing(self.connect()) if on is None else contextlib.nullcontext(on) as connection:
            connection.request(method, target, body, fields or {}, encode_chunked=body is not None and not hasattr(body, "__len__"))
            answer = connection.getresponse()
            return Response(answer.status, answer.reason, answer.getheaders(), answer.read())

    def get(self, target: str, **fields: str) -> Response:
        """GET; `If_None_Match="…"` is the field If-None-Match."""
        return self.ask("GET", target, {name.replace("_", "-"): value for name, value in fields.items()})


class EdgeProcess(Site):
    """An edge that runs as a process, so that its memory is its own."""

    def __init__(self, program: subprocess.Popen[bytes], port: int, control: Site, log: Path) -> None:
        super().__init__(port)
        self.program = program
        self.pid = program.pid
        self.control = control
        self._log = log

    def stats(self) -> dict[str, object]:
        return json.loads(self.control.get("/api/v1/stats").body)

    def records(self) -> list[dict[str, object]]:
        """What its log says of each request that is over."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]


@pytest.fixture
def edge_before(tmp_path: Path) -> Iterator[Callable[..., EdgeProcess]]:
    """A function that runs an edge in front of an origin (a URL) and gives it once it listens; more flags as on the command line.

    When the test is over it is told to end; it must then have ended cleanly, without a word about a defect.
    """
    running: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(origin: str, *flags: str) -> EdgeProcess:
        folder = tmp_path / f"edge-{len(running)}"
        folder.mkdir()
        ready, log, said = folder / "ready.json", folder / "log", folder / "said"
        with log.open("wb") as out, said.open("wb") as err:
            program = subprocess.Popen(
                [
                    *(sys.executable, "-m", "edgecache", "run", origin, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"),
                    *("--ready-file", str(ready), "--log", "json", "--drain-timeout-s", "1s", *flags),
                ],
                stdout=out,
                stderr=err,
            )
        running.append((program, said))
        until(lambda: ready.exists() or program.poll() is not None, "the edge's ready file")
        assert program.poll() is None, said.read_text()
        ports = json.loads(ready.read_text())["ports"]
        return EdgeProcess(program, ports["listen"], Site(ports["control"]), log)

    yield start
    for program, _ in running:
        program.terminate()
    for program, said in running:
        try:
            status = program.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            program.kill()
            status = program.wait(PATIENCE_S)
        words = said.read_text()
        assert status == 0, words
        assert "defect" not in words, words
        assert "Traceback" not in words, words
