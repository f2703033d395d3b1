"""The suite at work: http-cache-tests from npm, its origin, an edge in front of it as users run it, and its client.

Programs are given by their paths. The suite's own defaults come from npm's environment variables, so those are set here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, TypeVar

from tests.conformance.outcome import Results, Suite, read_results, read_suite

FOLDER = Path(__file__).resolve().parent
REPOSITORY = FOLDER.parents[1]
PACKAGE = FOLDER / "node_modules" / "http-cache-tests"

START_S = 30.0  # how long origin and edge may take to listen
RUN_S = 60.0  # how long one run may take; most of it are the suite's pauses of three seconds
END_S = 20.0  # how long they may take to end

_LISTENING = re.compile(r"^Listening on .*:(\d+)/$", re.MULTILINE)


Found = TypeVar("Found")


class SuiteError(Exception):
    """The suite cannot be run; says in one sentence why."""


class Exchange(NamedTuple):
    """What the suite's client and its origin printed about a single test: each message as it came there, and the client's outcome."""

    client: str
    origin: str


class _Live(NamedTuple):
    edge_url: str
    origin_said: Path


def install(npm: str) -> None:
    """Install the package as package-lock.json has it, unless it is there already."""
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    done = subprocess.run([npm, "ci"], cwd=FOLDER, capture_output=True, text=True)
    if done.returncode:
        raise SuiteError(f"npm ci in {FOLDER} failed: {done.stderr.strip()}")


def load(node: str) -> Suite:
    """What the installed suite consists of."""
    done = subprocess.run([node, FOLDER / "definitions.mjs", PACKAGE], capture_output=True, text=True)
    if done.returncode:
        raise SuiteError(f"the tests in {PACKAGE} cannot be read: {done.stderr.strip()}")
    return read_suite(json.loads(done.stdout))


def run(node: str, times: int) -> list[Results]:
    """The results of so many runs, one after the other, against one edge: a run uses URLs that no other does."""
    with _live(node) as live:
        return [_read(_client(node, live, "")) for _ in range(times)]


def run_one(node: str, test_id: str) -> Exchange:
    """Run one test, and tell what went over the wire."""
    with _live(node) as live:
        client = _client(node, live, test_id)
        return Exchange(client, live.origin_said.read_text())


def _client(node: str, live: _Live, test_id: str) -> str:
    """What the suite's client prints; "" runs all tests."""
    environment = {**os.environ, "npm_config_base": live.edge_url, "npm_config_id": "", "npm_package_config_id": test_id}
    command = [node, "--no-warnings", "cli.mjs"]
    try:
        done = subprocess.run(command, cwd=PACKAGE, env=environment, capture_output=True, text=True, timeout=RUN_S)
    except subprocess.TimeoutExpired:
        raise SuiteError(f"the suite's client did not end within {RUN_S:.0f} s") from None
    if done.returncode or not done.stdout:
        raise SuiteError(f"the suite's client failed: {done.stderr.strip()}")
    return done.stdout


def _read(printed: str) -> Results:
    try:
        return read_results(json.loads(printed))
    except ValueError:
        raise SuiteError(f"the suite's client printed no results: {printed[:500]}") from None


@contextlib.contextmanager
def _live(node: str) -> Iterator[_Live]:
    """The suite's origin with an edge in front of it, for the time of the context. The edge has to end as cleanly as it ran."""
    with tempfile.TemporaryDirectory(prefix="edgecache-conformance-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        origin_said, edge_said, ready = folder / "origin", folder / "edge", folder / "ready.json"
        settings = {"npm_config_protocol": "http", "npm_config_port": "0", "npm_config_pidfile": str(folder / "pid")}
        origin = _start(stack, [node, "server/server.mjs"], origin_said, cwd=PACKAGE, env={**os.environ, **settings})
        listening = _wait(lambda: _LISTENING.search(origin_said.read_text()), "the suite's origin", origin, origin_said)
        command = [sys.executable, "-m", "edgecache", "run", f"http://127.0.0.1:{listening[1]}", "--ready-file", str(ready)]
        command += ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--log", "off", "--drain-timeout-s", "1s"]
        command += ["--profile", "standard", "--store", "memory"]
        edge = _start(stack, command, edge_said, cwd=REPOSITORY, env=dict(os.environ))
        _wait(ready.exists, "the edge", edge, edge_said)
        yield _Live(json.loads(ready.read_text())["listen"], origin_said)
        if edge.poll() is not None:
            raise SuiteError(f"the edge ended by itself: {edge_said.read_text()}")
        edge.terminate()
        status, said = _end(edge), edge_said.read_text()
        if status or "defect" in said or "Traceback" in said:
            raise SuiteError(f"the edge did not do its work well, and ended with status {status}: {said}")


def _start(stack: contextlib.ExitStack, command: list[str], said: Path, cwd: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """A program that ends with the context at the latest; what it prints goes to a file."""
    out: IO[bytes] = stack.enter_context(said.open("wb"))
    program = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    stack.callback(_end, program)
    stack.callback(program.terminate)
    return program


def _end(program: subprocess.Popen[bytes]) -> int:
    try:
        return program.wait(END_S)
    except subprocess.TimeoutExpired:
        program.kill()
        return program.wait(END_S)


def _wait(look: Callable[[], Found | None], what: str, program: subprocess.Popen[bytes], said: Path) -> Found:
    """What `look` finds as soon as it finds something; `what` is looked for in what `program` does."""
    give_up = time.monotonic() + START_S
    while not (found := look()):
        if program.poll() is not None or time.monotonic() > give_up:
            raise SuiteError(f"{what} does not listen: {said.read_text()}")
        time.sleep(0.02)  # between two looks; nothing depends on its length
    return found
