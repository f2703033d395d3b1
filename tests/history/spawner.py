"""Starts `edgecache run` again and again without the time that the imports take: each edge is a process forked from this one.

One command a line on stdin, JSON: {"start": arguments, "switch": name, "stderr": file} starts an edge, with a guarantee broken if a switch
is named; {"kill": pid} ends one with SIGKILL. The answer is the process id, once the process is there, or gone. At the end of stdin all
that is left is killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import edgecache.cli.run
import edgecache.cli.serve  # noqa: F401
from edgecache.cli import main
from tests.history.switches import SWITCHES


def serve() -> None:
    running: set[int] = set()
    try:
        for line in sys.stdin:
            command = json.loads(line)
            if "kill" in command:
                end(command["kill"])
                running.discard(command["kill"])
                print(command["kill"], flush=True)
            elif pid := os.fork():
                running.add(pid)
                print(pid, flush=True)
            else:
                running.clear()
                be_edge(command)
    finally:
        for pid in running:
            end(pid)


def be_edge(command: dict[str, Any]) -> None:
    """What the new process does, to its end."""
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(0, 1)
    os.dup2(os.open(command["stderr"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    if command["switch"]:
        SWITCHES[command["switch"]].throw()
    main(command["start"], prog_name="edgecache")


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    serve()
