"""Starts `edgecache run` again and again without the time that the imports take: each edge is a process forked from this one.

One command a line on stdin, JSON: a list of arguments starts an edge, {"kill": pid} ends one with SIGKILL. The answer is the process id,
once the process is there, or gone. At the end of stdin all that is left is killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys

import edgecache.cli.run
import edgecache.cli.serve  # noqa: F401
from edgecache.cli import main


def serve() -> None:
    running: set[int] = set()
    try:
        for line in sys.stdin:
            command = json.loads(line)
            if isinstance(command, dict):
                end(command["kill"])
                running.discard(command["kill"])
                print(command["kill"], flush=True)
            else:
                pid = os.fork()
                if pid == 0:
                    sys.stdin.close()
                    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
                    main(command, prog_name="edgecache")
                    return
                running.add(pid)
                print(pid, flush=True)
    finally:
        for pid in running:
            end(pid)


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    serve()
