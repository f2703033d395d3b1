"""An edge as users run it, `edgecache run`, as a process of its own between origins and clients that nobody here wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from originkit import PATIENCE_S, EdgeProcess, Site, until


@pytest.fixture
def program(process: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> Callable[..., Path]:
    """A function that starts a program and returns when it is ready; what it says goes to the file that is returned."""

    def start(*command: str, ready: Callable[[str], bool], **options: object) -> Path:
        said = tmp_path / f"{Path(command[0]).name}-{len(list(tmp_path.glob('*.said')))}.said"
        with said.open("wb") as file:
            running = process(*command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options)
        until(lambda: running.poll() is not None or ready(said.read_text(errors="replace")), f"{command[0]} to be ready")
        assert running.poll() is None, said.read_text(errors="replace")
        return said

    return start


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
