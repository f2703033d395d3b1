"""What is measured side by side: edgecache, what people would use instead, and the origin all of them ask.

Every peer has one worker on the server's core and the same origin on the other. Configurations are in conf/, written to be fair: each peer
as somebody would set it up who wants it fast.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import edgecache
from bench.cases import CASES
from bench.programs import Tool, children, free_port, listens, running, wait_until

CONF = Path(__file__).parent / "conf"
NGINX_TOOL = Tool("nginx", "nginx-light")


@dataclass(frozen=True, slots=True)
class Running:
    """A server that was started: where it listens, and the id of the process that answers requests."""

    port: int
    pid: int

    @property
    def host(self) -> str:
        """Host of its URLs."""
        return f"127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Peer:
    """One of those that are compared.

    tool       what must be installed; None: nothing
    proxies    does it stand before the origin? Then it has to hit and miss as the case says
    start      runs it: a context with (folder of its own, port of the origin, core)
    """

    name: str
    what: str
    tool: Tool | None
    proxies: bool
    start: Callable[[Path, int, int | None], contextlib.AbstractContextManager[Running]]

    @property
    def missing(self) -> str | None:
        """How to install what is missing, as a sentence; None when nothing is."""
        return self.tool.missing if self.tool else None


@contextlib.contextmanager
def start_edgecache(folder: Path, origin_port: int, core: int | None) -> Iterator[Running]:
    """edgecache as `edgecache run` starts it, without a line per request."""
    ready, said = folder / "ready.json", folder / "said"
    command = [
        *(sys.executable, "-m", "edgecache", "run", f"http://127.0.0.1:{origin_port}"),
        *("--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--ready-file", str(ready), "--log", "off", "--drain-timeout-s", "1s"),
    ]
    with running(command, core, said) as program:
        wait_until(ready.exists, program, said, "edgecache")
        found = json.loads(ready.read_text())
        yield Running(found["ports"]["listen"], found["pid"])


@contextlib.contextmanager
def start_nginx_cache(folder: Path, origin_port: int, core: int | None) -> Iterator[Running]:
    """nginx as a caching proxy; see conf/cache.nginx.conf."""
    with nginx_with("cache.nginx.conf", folder, core, ORIGIN=str(origin_port)) as nginx:
        yield nginx


@contextlib.contextmanager
def start_origin(folder: Path, _: int, core: int | None) -> Iterator[Running]:
    """nginx with files, the origin of all cases; see conf/origin.nginx.conf."""
    site = folder / "site"
    for case in CASES:
        file = site / case.path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(case.content)
    with nginx_with("origin.nginx.conf", folder, core, SITE=str(site)) as nginx:
        yield nginx


EDGECACHE = Peer("edgecache", "this project: one process", None, True, start_edgecache)
NGINX = Peer("nginx", "proxy_cache for hits, proxy_pass for what is never stored", NGINX_TOOL, True, start_nginx_cache)
ORIGIN = Peer("origin", "bare nginx, no proxy: the most that the load can get out of this machine", NGINX_TOOL, False, start_origin)

PEERS = (EDGECACHE, NGINX, ORIGIN)
BASELINE = NGINX


@contextlib.contextmanager
def nginx_with(template: str, folder: Path, core: int | None, **words: str) -> Iterator[Running]:
    """nginx with a configuration of conf/, in which `words` are put in; one worker."""
    port = free_port()
    # A master that runs as root would give its worker to a user who may not read the folder.
    words |= {"FOLDER": str(folder), "PORT": str(port), "USER": "user root;" if os.geteuid() == 0 else ""}
    text = (CONF / template).read_text()
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    configuration, said = folder / "nginx.conf", folder / "said"
    configuration.write_text(text)
    with running([NGINX_TOOL.needed(), "-p", str(folder), "-c", str(configuration)], core, said) as program:
        # nginx listens before it has a worker, and connections then wait for one.
        wait_until(lambda: listens(port) and _worker(program) is not None, program, said, "nginx")
        yield Running(port, _worker(program) or program.pid)


def _worker(nginx: subprocess.Popen[bytes]) -> int | None:
    """The one process of an nginx that answers requests, once there is one; the others look after the cache."""
    started = children(nginx.pid)
    if started is None:
        return nginx.pid
    for pid in started:
        with contextlib.suppress(OSError):
            if b"worker process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    return None


def version_of(peer: Peer) -> str:
    """What a peer calls its version."""
    if peer.tool is None:
        return edgecache.__version__
    output = subprocess.run([peer.tool.needed(), "-v"], capture_output=True, text=True, timeout=10, check=False)
    return (output.stderr or output.stdout).strip().rpartition("/")[2]
