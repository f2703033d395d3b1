"""Ports on loopback for tests: one that a program may take, and one that nobody answers on.

The system gives connections and port 0 a port of its ephemeral range. A port of that range that was free a moment ago may be anybody's by
now, so ports that are to be taken later come from below it.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Iterator

BELOW_EPHEMERAL = range(12_000, 32_000)  # Linux begins at 32768, macOS at 49152


def free_port() -> int:
    """A port that was free a moment ago, for programs that cannot be told to take any."""
    while True:
        port = secrets.choice(BELOW_EPHEMERAL)  # not from `random`, which tests seed: two runs would take the same
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses connections for as long as the context lasts: it is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
