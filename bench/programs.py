"""Programs that a benchmark starts: each kept to one core, waited for within bounds, and ended by its id whatever happens.

Pinning and CPU time need Linux. Elsewhere programs run where the system puts them, and CPU time is not known.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

START_S = 15.0  # how long a program may take until it listens
END_S = 5.0  # how long it may take to end when it is told to
SYSTEM_PATH = "/usr/sbin:/usr/local/sbin:/sbin"  # where Debian keeps servers, and where few users look


class Failed(Exception):
    """Nothing can be measured, or what was measured means nothing; one sentence says why."""


class Cores(NamedTuple):
    """Where the measured server runs, and where the load and the origin run; None: wherever the system likes."""

    server: int | None
    load: int | None


def choose_cores() -> Cores:
    """Two cores of those that this process may use, the first and one that is not the same core under another name.

    One core only: both share it, and figures say less.
    """
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, None)
    server, *others = sorted(os.sched_getaffinity(0))
    threads = _threads_of_core(server)
    return Cores(server, next((core for core in others if core not in threads), others[0] if others else server))


def _threads_of_core(core: int) -> set[int]:
    """The numbers under which the hardware core behind `core` is known."""
    found = {core}
    with contextlib.suppress(OSError, ValueError):
        for part in Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").read_text().strip().split(","):
            first, _, last = part.partition("-")
            found.update(range(int(first), int(last or first) + 1))
    return found


@contextlib.contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """This thread, and what it starts meanwhile, stays on this core."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of the system, and the Debian package that has it."""

    name: str
    package: str

    @property
    def path(self) -> str | None:
        """Where it is installed; None: it is not."""
        return shutil.which(self.name) or shutil.which(self.name, path=SYSTEM_PATH)

    @property
    def missing(self) -> str | None:
        """How to install it, as a sentence; None when it is there."""
        return None if self.path else f"{self.name} is missing; on Debian: apt-get install {self.package}"

    def needed(self) -> str:
        """Its path. Raises Failed when it is missing."""
        path = self.path
        if path is None:
            raise Failed(self.missing or "")
        return path


@contextlib.contextmanager
def running(command: Sequence[str], core: int | None, said: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program on a core, for the time of the context. What it prints goes to the file `said`.

    In a session of its own: Ctrl-C reaches the benchmark alone, which then ends its programs one by one.
    """
    with said.open("wb") as output, pinned(core):
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    try:
        yield program
    finally:
        end(program)


def end(program: subprocess.Popen[bytes]) -> None:
    """Tell a program to end, and end it when it does not."""
    if program.poll() is None:
        program.terminate()
        try:
            program.wait(END_S)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()


def wait_until(condition: Callable[[], bool], program: subprocess.Popen[bytes], said: Path, name: str) -> None:
    """Return once a program that was started is up. Raises Failed with its last words when it ends instead, or takes too long."""
    give_up = time.monotonic() + START_S
    while not condition():
        words = said.read_text(errors="replace").strip().splitlines() if said.exists() else []
        last = f": {' '.join(words[-3:])}" if words else ""
        if program.poll() is not None:
            raise Failed(f"{name} ended with status {program.returncode} instead of starting{last}")
        if time.monotonic() > give_up:
            raise Failed(f"{name} did not start within {START_S:g} s{last}")
        time.sleep(0.01)


def listens(port: int) -> bool:
    """Does somebody take connections on this port of loopback?"""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def free_port() -> int:
    """A port that was free a moment ago, for programs that cannot be told to take any.

    From below the range out of which the system gives connections theirs: one of those may be anybody's by the time it is used.
    """
    while True:
        port = secrets.choice(range(12_000, 32_000))
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            return port


def children(pid: int) -> list[int] | None:
    """Ids of the processes that a process has started; None where the system does not say."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return None


def cpu_s(pid: int) -> float | None:
    """Seconds of CPU that a process has used so far, its own and the kernel's for it; None where the system does not say."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    numbers = text.rpartition(")")[2].split()  # proc(5): the name, in parentheses, may hold anything
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")
