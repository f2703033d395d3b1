"""The load: wrk with one thread and 64 connections, each asking again as soon as it has its answer. And the look whether answers are right.

That a hit is a hit and a miss a miss is asked of the origin, which counts its requests; what a proxy says about itself is not believed.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.cases import Case, Expect, Heads, request_head
from bench.peers import Peer, Running
from bench.programs import Failed, Tool, cpu_s, end, pinned

WRK = Tool("wrk", "wrk")
CONNECTIONS = 64
PATIENCE_S = 5.0  # for one answer, and for wrk to end
CHECKS = 3  # requests that must be answered right before a case is measured
HOST_WORD, NUMBER_WORD = "@HOST@", "@NUMBER@"

# One line of JSON at the end: wrk's own summary rounds its figures, and says nothing in numbers about errors that did not happen.
_SUMMARY = """
function done(summary, latency, requests)
  local errors = summary.errors
  print(string.format('{"requests": %d, "duration_us": %d, "bytes": %d, "statuses": %d, "errors": %d}', summary.requests, summary.duration,
    summary.bytes, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""
# Texts are joined, not formatted: what this costs, the load's core has less for asking.
_VARYING = """
local before, after, number = %s, %s, 0
function request()
  number = number + 1
  return before .. number .. after
end
"""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of load found. `cpu_s`: what the server's process used meanwhile; None where the system does not say."""

    requests: int
    seconds: float
    cpu_s: float | None

    @property
    def requests_per_s(self) -> float:
        """Answers in a second."""
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float | None:
        """Microseconds of CPU for each answer."""
        return None if self.cpu_s is None else self.cpu_s / self.requests * 1e6

    @property
    def busy(self) -> float | None:
        """Which part of its core the server used, from 0 to 1."""
        return None if self.cpu_s is None else min(1.0, self.cpu_s / self.seconds)


class Origin:
    """The origin as who checks looks at it."""

    def __init__(self, running: Running) -> None:
        self._port = running.port
        self._looks = 0

    def asked(self) -> int:
        """How many requests reached it since it started, these questions not counted."""
        self._looks += 1
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)) as connection:
            connection.request("GET", "/asked")
            text = connection.getresponse().read().decode()
        found = re.search(r"^ *\d+ +\d+ +(\d+) *$", text, re.MULTILINE)  # accepts, handled, requests
        if found is None:
            raise Failed("the origin does not count its requests: this nginx was built without its stub_status module")
        return int(found[1]) - self._looks


def check(case: Case, peer: Peer, running: Running, origin: Origin) -> None:
    """Does the peer answer as the case wants it? What may be stored is stored afterwards. Raises Failed."""
    _ask(case, running, 0)
    before = origin.asked()
    for number in range(1, CHECKS + 1):
        _ask(case, running, number)
    if peer.proxies:
        _judge(case, CHECKS, origin.asked() - before)


def measure(case: Case, peer: Peer, running: Running, origin: Origin, core: int | None, duration_s: float) -> Round:
    """One round of load. Raises Failed when it did not measure what the case says."""
    asked, cpu_before = origin.asked(), cpu_s(running.pid)
    found = _wrk(case, running, core, duration_s)
    cpu_after, asked = cpu_s(running.pid), origin.asked() - asked
    requests = found["requests"]
    if not requests or found["errors"] or found["statuses"]:
        raise Failed(f"of {requests} answers {found['statuses']} had an error status, and {found['errors']} connections failed")
    if found["bytes"] < requests * case.size_bytes:
        raise Failed(f"{requests} answers of {case.size_bytes} bytes cannot be in {found['bytes']} bytes")
    if peer.proxies:
        _judge(case, requests, asked)
    used = None if cpu_before is None or cpu_after is None else cpu_after - cpu_before
    return Round(requests, found["duration_us"] / 1e6, used)


def _judge(case: Case, requests: int, asked: int) -> None:
    if case.expect is Expect.HIT and asked:
        raise Failed(f"the origin was asked {asked} times in {requests} requests that should all be hits")
    if case.expect is Expect.MISS and asked < requests:
        raise Failed(f"the origin was asked only {asked} times in {requests} requests that should all reach it")


def _ask(case: Case, running: Running, number: int) -> None:
    """One request with the very head that the load sends; status and content have to be right."""
    try:
        with socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE_S) as connection:
            connection.sendall(request_head(case, running.host, str(number)).encode())
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"no answer to GET {case.path}: {error}") from None
    if answer.status != 200:
        raise Failed(f"GET {case.path} was answered with status {answer.status}")
    if content != case.content:
        raise Failed(f"GET {case.path} was answered with {len(content)} bytes of other content than the origin's {case.size_bytes}")


def _wrk(case: Case, running: Running, core: int | None, duration_s: float) -> dict[str, int]:
    """Run wrk for `duration_s`. It counts in whole seconds; an interrupt ends it in time, and it takes the time by itself."""
    with tempfile.TemporaryDirectory(prefix="edgecache-bench-") as folder:
        script = Path(folder) / "load.lua"
        script.write_text(_script(case, running))
        url = f"http://{running.host}{case.path}"
        command = [WRK.needed(), "-t1", f"-c{CONNECTIONS}", f"-d{int(duration_s) + 2}s", "-s", str(script), url]
        with pinned(core):
            program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(duration_s)
            if program.poll() is None:
                program.send_signal(signal.SIGINT)
            output = program.communicate(timeout=PATIENCE_S)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            raise Failed(f"wrk did not end within {PATIENCE_S:g} s") from None
        finally:
            end(program)
            if program.stdout is not None:
                program.stdout.close()
    last = output.strip().rpartition("\n")[2]
    if not last.startswith("{"):
        raise Failed(f"wrk failed: {last}")
    summary: dict[str, int] = json.loads(last)
    return summary


def _script(case: Case, running: Running) -> str:
    if case.heads is Heads.SMALL:
        return _SUMMARY  # wrk's own request is just this
    before, after = request_head(case, running.host, NUMBER_WORD).split(NUMBER_WORD)
    return _SUMMARY + _VARYING % (json.dumps(before), json.dumps(after))  # JSON's escapes of ASCII text mean the same in Lua
