"""`edgecache run` and `demo` as processes: start, ready file, requests, signals, and what cannot start."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


class Origin:
    """An origin whose answer to /slow waits for `gate`, having told through `asked` that it was asked."""

    def __init__(self) -> None:
        gate, asked = threading.Event(), threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path == "/slow":
                    asked.set()
                    gate.wait()
                with contextlib.suppress(ConnectionError):
                    self.send_response(200)
                    self.send_header("Cache-Control", "max-age=60")
                    self.send_header("Content-Length", "5")
                    self.end_headers()
                    self.wfile.write(b"hello")

            def log_message(self, *_: object) -> None:
                """Nothing on stderr."""

        self.gate, self.asked = gate, asked
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def origin() -> Iterator[Origin]:
    running = Origin()
    yield running
    running.close()


class Running:
    """An edge as a process of its own."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edgecache", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "default", **(env or {})},
        )

    def read_until(self, words: str) -> str:
        """What it says on stderr, up to and including the line with `words`."""
        said = ""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            said += line
            if words in line:
                return said
        raise AssertionError(f"{words!r} was not said, but: {said}")

    def end(self) -> tuple[int, str, str]:
        """Exit code, and the rest of stdout and stderr, once it has ended by itself."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[Running, dict[str, Any], str]]]:
    """`running, ports, banner = start("run", origin.url)`: on free ports, ready."""
    started = []

    def run(*arguments: str) -> tuple[Running, dict[str, Any], str]:
        file = tmp_path / "ready.json"
        free = ("--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--ready-file", str(file))
        running = Running(*arguments, *free)
        started.append(running)
        banner = running.read_until("Ctrl-C ends it.")
        return running, json.loads(file.read_text()), banner

    yield run
    for running in started:
        running.close()


def ask(url: str, path: str) -> tuple[int, str, bytes]:
    """Status, Cache-Status and content."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.headers.get("Cache-Status", ""), response.read()


def test_a_site_runs_behind_the_edge(start: Any, origin: Origin, tmp_path: Path) -> None:
    running, ready, banner = start("run", origin.url, "--log", "json")
    assert ready["pid"] == running.process.pid
    assert ready["listen"] == f"http://127.0.0.1:{ready['ports']['listen']}"
    assert ready["control"] == f"http://127.0.0.1:{ready['ports']['control']}"
    for words in (f"{origin.url}  (answers)", ready["listen"], ready["control"]):
        assert words in banner
    assert "\x1b" not in banner

    assert "fwd=" in ask(ready["listen"], "/a")[1]
    status, cache_status, content = ask(ready["listen"], "/a")
    assert (status, content) == (200, b"hello")
    assert "hit" in cache_status
    assert ask(ready["control"], "/readyz")[0] == 200

    stats = subprocess.run(
        [sys.executable, "-m", "edgecache", "stats", "--json", "--edge", ready["control"]], capture_output=True, text=True, check=True
    )
    assert json.loads(stats.stdout)["handled"]["hit"] == 1
    purge = [sys.executable, "-m", "edgecache", "purge", "--edge", ready["control"], ready["listen"] + "/a"]
    assert "1 stored response is gone now" in subprocess.run(purge, capture_output=True, text=True, check=True).stdout
    assert "fwd=" in ask(ready["listen"], "/a")[1]

    running.process.send_signal(signal.SIGTERM)
    code, out, err = running.end()
    assert code == 0, err
    assert err.splitlines()[0].startswith("Ending: requests in progress have 10 s")
    assert re.search(r"^Ended\. 3 requests: 1 from the store \(hit ratio 33%\), 2 to the origin", err, re.MULTILINE)
    assert len(err.splitlines()) == 2, err
    assert [json.loads(line)["status"] for line in out.splitlines()] == [200, 200, 200]
    assert not (tmp_path / "ready.json").exists()


def test_a_signal_lets_requests_finish(start: Any, origin: Origin) -> None:
    running, ready, _ = start("run", origin.url, "--log", "off")
    answers: list[tuple[int, str, bytes]] = []
    client = threading.Thread(target=lambda: answers.append(ask(ready["listen"], "/slow")))
    client.start()
    assert origin.asked.wait(30)
    running.process.send_signal(signal.SIGINT)
    running.read_until("Ending:")
    origin.gate.set()
    client.join()
    code, out, err = running.end()
    assert (code, out) == (0, ""), err
    assert answers[0][0] == 200
    assert answers[0][2] == b"hello"


def test_the_drain_is_bounded(start: Any, origin: Origin) -> None:
    running, ready, _ = start("run", origin.url, "--drain-timeout-s", "50ms")
    with socket.create_connection(("127.0.0.1", ready["ports"]["listen"])) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert origin.asked.wait(30)
        running.process.send_signal(signal.SIGTERM)
        code, _, err = running.end()
    assert code == 0, err
    assert "50 ms" in err or "0.05 s" in err


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(start: Any, origin: Origin, tmp_path: Path, second: signal.Signals) -> None:
    running, ready, _ = start("run", origin.url, "--drain-timeout-s", "1h")
    with socket.create_connection(("127.0.0.1", ready["ports"]["listen"])) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert origin.asked.wait(30)
        running.process.send_signal(signal.SIGTERM)
        running.read_until("Ending:")
        running.process.send_signal(second)
        code, _, err = running.end()
    assert code == 1
    assert err.splitlines() == ["Error: ended at once; requests in progress were cut off."]
    assert not (tmp_path / "ready.json").exists()


def test_the_origin_may_be_absent(start: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused, and nobody else gets the port
        running, ready, banner = start("run", f"http://127.0.0.1:{unused.getsockname()[1]}")
        assert "does not answer yet" in banner
        assert ask(ready["listen"], "/")[0] == 502
        assert ask(ready["control"], "/healthz")[0] == 200
        running.process.send_signal(signal.SIGTERM)
        assert running.end()[0] == 0


def test_the_demo(start: Any) -> None:
    running, ready, banner = start("demo")
    assert "brought by the demo" in banner
    status, cache_status, content = ask(ready["listen"], "/")
    assert status == 200
    assert cache_status
    assert b"<html" in content.lower() or b"<!doctype html" in content.lower()
    (page,) = re.findall(r"curl .* http://[^/]+(/\S+)", banner)
    assert "fwd=" in ask(ready["listen"], page)[1]
    assert "hit" in ask(ready["listen"], page)[1], "what the banner tells people to try"
    running.process.send_signal(signal.SIGINT)
    code, _, err = running.end()
    assert code == 0, err
    assert err.splitlines()[-1].startswith("Ended. 3 requests: 1 from the store")


def test_varnishadm_listens_where_it_says(start: Any) -> None:
    running, ready, banner = start("demo", "--varnishadm", "127.0.0.1:0")
    address = f"127.0.0.1:{ready['ports']['varnishadm']}"
    assert ready["varnishadm"] == address
    assert f"(-T {address}, without a secret)" in banner
    with socket.create_connection(("127.0.0.1", ready["ports"]["varnishadm"]), timeout=30) as client:
        client.sendall(b"ping\nquit\n")
        said = client.makefile("rb").read()
    assert said.startswith(b"200 ")
    assert b"\nPONG " in said
    assert said.endswith(b"500 22      \nClosing CLI connection\n")
    running.process.send_signal(signal.SIGTERM)
    assert running.end()[0] == 0


@pytest.mark.parametrize("which", ["--listen", "--control", "--varnishadm"])
def test_a_taken_port_is_one_sentence(which: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        free = [word for flag in ("--listen", "--control") if flag != which for word in (flag, "127.0.0.1:0")]
        running = Running("run", "http://127.0.0.1:9", which, address, *free)
        code, out, err = running.end()
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1, err
    assert address in err


def test_a_ready_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    running = Running(
        "run", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--ready-file", str(tmp_path / "no" / "such")
    )
    code, out, err = running.end()
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1, err
    assert "--ready-file" in err
