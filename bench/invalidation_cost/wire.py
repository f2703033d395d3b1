"""Invalidations over HTTP: how many in a second, one by one and in lists, and what hits cost while bans are in force. Varnish beside it.

One client that speaks just enough HTTP asks both, so that what it costs is the same for both.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.load import WRK
from bench.programs import Failed, Tool, free_port, listens, pinned, running, wait_until

VARNISH = Tool("varnishd", "varnish")
XKEY = Path("/usr/lib")  # where Debian's varnish-modules put libvmod_xkey.so, below a folder for the architecture
PATIENCE_S = 30.0

VCL = """
vcl 4.1;
import std;
%(xkey)s
backend default { .host = "127.0.0.1"; .port = "%(origin)d"; }
sub vcl_recv {
    if (req.method == "PURGE") {
        %(by_key)s
        return (purge);
    }
    if (req.method == "BAN") { ban("obj.http.x-url ~ " + req.http.x-url); return (synth(200, "Ban added")); }
}
sub vcl_backend_response { set beresp.ttl = 1h; set beresp.http.x-url = bereq.url; }
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that was started. `control`: the port of edgecache's API, 0 where there is none."""

    port: int
    pid: int
    control: int = 0


class Wire:
    """One kept connection on which requests are sent one by one."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def close(self) -> None:
        """Nothing more is asked."""
        self._file.close()
        self._socket.close()

    def ask(self, request: bytes) -> None:
        """Send one request and take its answer. Raises Failed unless it is 2xx."""
        self._socket.sendall(request)
        status = self._file.readline()
        if not status.startswith(b"HTTP/1.1 2"):
            raise Failed(_answered(request, status))
        length = 0
        while (line := self._file.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line[15:])
        self._file.read(length)


def _answered(request: bytes, status: bytes) -> str:
    line = request.partition(b"\r\n")[0].decode()
    return f"{line} was answered with {status.decode('latin-1').strip()!r}"


def per_second(port: int, request: Callable[[int], bytes], duration_s: float) -> float:
    """How many requests are answered in a second on one connection, one after the other."""
    wire = Wire(port)
    try:
        for number in range(50):
            wire.ask(request(number))
        began, count = time.perf_counter(), 0
        while (now := time.perf_counter()) - began < duration_s:
            wire.ask(request(1000 + count))
            count += 1
        return count / (now - began)
    finally:
        wire.close()


def head(method: str, target: str, *lines: str, body: bytes = b"") -> bytes:
    """A request."""
    fields = [f"{method} {target} HTTP/1.1", "Host: bench.example.com", *lines]
    if body:
        fields.append(f"Content-Length: {len(body)}")
    return "".join(f"{line}\r\n" for line in (*fields, "")).encode() + body


def api(body: object) -> bytes:
    """A call of the native API."""
    content = json.dumps(body).encode()
    return head("POST", "/api/v1/invalidations", "Content-Type: application/json", body=content).replace(
        b"Host: bench.example.com", b"Host: 127.0.0.1"
    )


@contextlib.contextmanager
def edgecache(folder: Path, origin_port: int, core: int | None, log_sync: str = "os", store: str = "") -> Iterator[Server]:
    """An edge with a store in `folder`, so that its log is a file."""
    ready, said = folder / f"ready-{log_sync}.json", folder / f"said-{log_sync}"
    command = [
        *(
            sys.executable,
            "-m",
            "edgecache",
            "run",
            f"http://127.0.0.1:{origin_port}",
            "--store",
            store or str(folder / f"store-{log_sync}"),
        ),
        *("--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--ready-file", str(ready), "--log", "off", "--log-sync", log_sync),
        *("--drain-timeout-s", "1s"),
    ]
    with running(command, core, said) as program:
        wait_until(ready.exists, program, said, "edgecache")
        found = json.loads(ready.read_text())
        yield Server(found["ports"]["listen"], found["pid"], found["ports"]["control"])


def has_xkey() -> bool:
    """Are Debian's varnish-modules installed?"""
    return any(XKEY.glob("*/varnish/vmods/libvmod_xkey.so"))


@contextlib.contextmanager
def varnish(folder: Path, origin_port: int, core: int | None) -> Iterator[Server]:
    """varnishd with memory storage and purging by URL, ban and, where the module is there, xkey."""
    port = free_port()
    by_key = 'if (req.http.xkey) { set req.http.n-gone = xkey.purge(req.http.xkey); return (synth(200, "Purged")); }'
    words = {"origin": origin_port, "xkey": "import xkey;" if has_xkey() else "", "by_key": by_key if has_xkey() else ""}
    vcl, said = folder / "bench.vcl", folder / "varnish-said"
    vcl.write_text(VCL % words)
    folder.chmod(0o755)  # started by root, varnishd reads it as another user
    command = [
        *(VARNISH.needed(), "-F", "-n", str(folder / "varnish"), "-a", f"127.0.0.1:{port}", "-f", str(vcl), "-s", "malloc,4g"),
        *("-p", "thread_pools=1", "-p", "thread_pool_min=10"),
    ]
    with running(command, core, said) as program:
        wait_until(lambda: listens(port), program, said, "varnishd")
        yield Server(port, program.pid)


def fill(port: int, count: int) -> None:
    """Have so many URLs stored."""
    wire = Wire(port)
    try:
        for number in range(count):
            wire.ask(head("GET", f"/page/{number}"))
    finally:
        wire.close()


def hits_per_s(port: int, count: int, core: int | None, duration_s: float) -> float:
    """Hits in a second on `count` URLs that are stored, by wrk."""
    script = (
        f"local n = 0\nfunction request() n = (n + 1) % {count} return wrk.format('GET', '/page/' .. n, "
        "{Host = 'bench.example.com'}) end\n"
        'function done(s) print(string.format(\'{"requests": %d, "us": %d, "bad": %d}\', s.requests, s.duration, s.errors.status)) end\n'
    )
    with tempfile.TemporaryDirectory(prefix="edgecache-bench-") as folder:
        file = Path(folder) / "load.lua"
        file.write_text(script)
        command = [WRK.needed(), "-t1", "-c16", f"-d{max(1, round(duration_s))}s", "-s", str(file), f"http://127.0.0.1:{port}"]
        with pinned(core):
            output = subprocess.run(command, capture_output=True, text=True, timeout=duration_s + PATIENCE_S, check=False).stdout
    last = json.loads(output.strip().rpartition("\n")[2])
    if last["bad"] or not last["requests"]:
        raise Failed(f"of {last['requests']} answers {last['bad']} had an error status")
    return float(last["requests"] / (last["us"] / 1e6))
