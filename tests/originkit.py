"""What tests with origins and clients from elsewhere share: free ports, waiting for a state, plain requests, and an edge as a process.

Nothing here uses edgecache's own parsers: requests are the standard library's client's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

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
        self,
        method: str,
        target: str,
        fields: dict[str, str] | None = None,
        body: object = None,
        *,
        on: http.client.HTTPConnection | None = None,
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

    def records(self) -> list[dict[str, object]]:
        """What its log says so far of each request that is over. Lines come a moment after their answers."""
        whole, _, _ = self._log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]
