"""What an edge says in the terminal when it starts and when it ends."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

import click

from edgecache import __version__
from edgecache.cli.client import DEFAULT_EDGE, printable
from edgecache.config import Settings, store_folder

DEMO_PAGE = "/fresh/max-age"  # a page of the demo that is stored; its index is not


def banner(
    settings: Settings, url: str, control_url: str, origin_answers: bool, *, varnishadm: str = "", delayed: int = 0, demo: bool = False
) -> str:
    """What runs, where to look, what to try. `url` is the data plane's, `varnishadm` HOST:PORT, or "" when it is off.

    `delayed`: invalidations of an earlier run that have yet to take effect.
    """
    answers = "answers" if origin_answers else "does not answer yet; until it does, clients get 502 and a page that reloads itself"
    rows = [
        *([("origin", f"{_address(settings.origin)}  ({'brought by the demo' if demo else answers})")] if settings.origin else []),
        *((f"site {site.name}", f"{_address(site.origin)}  ({', '.join(site.hosts) or site.public_url})") for site in settings.site),
        ("data plane", f"{_address(url)}  (open this instead of the origin)"),
        ("control plane", f"{_address(control_url)}  (figures and API)"),
        *([("varnishadm", f"{_address(varnishadm)}  (-T {printable(varnishadm)}{_secret(settings)})")] if varnishadm else []),
        ("profile", settings.profile),
        ("store", _store(settings)),
        *([("delayed", _delayed(delayed))] if delayed else []),
    ]
    width = max(len(name) for name, _ in rows)
    elsewhere = "" if control_url == DEFAULT_EDGE else f"--edge {control_url} "
    program = own_name()
    page = url + (DEMO_PAGE if demo else "/")
    trials = [
        # GET, not curl -I: what answers a HEAD is not stored, so a second one would not be a hit.
        (f"curl -so /dev/null -D- {page}", "twice, and compare Cache-Status"),
        (f"{program} purge {elsewhere}{page}", "then curl again"),
        (f"{program} clock advance 1h {elsewhere}".rstrip(), "nobody waits for a TTL"),
    ]
    left = max(len(command) for command, _ in trials)
    lines = [click.style(f"edgecache {__version__}", bold=True), ""]
    lines += [f"  {name:<{width}}  {value}" for name, value in rows]
    lines += ["", "Try" + (" (with EDGECACHE_TOKEN set to control_token)" if settings.control_token else "") + ":"]
    lines += [f"  {command:<{left}}  # {what}" for command, what in trials]
    lines += ["", "Ctrl-C ends it."]
    return "\n".join(lines)


def own_name() -> str:
    """How this program is called from a shell: by its name when that is found, else as it was started (`make run` has it in .venv/bin)."""
    started = sys.argv[0]
    return started if os.path.basename(started) == "edgecache" and not shutil.which("edgecache") else "edgecache"


def _store(settings: Settings) -> str:
    """Where responses are kept, and how much of them."""
    folder = store_folder(settings)
    if folder is None:
        return f"memory, at most {size(settings.memory_bytes)}"
    return f"{printable(str(folder))}, at most {size(settings.disk_bytes)}, {size(settings.memory_bytes)} of it in memory too"


def _delayed(count: int) -> str:
    """What still waits since an earlier run."""
    what = "1 invalidation of an earlier run has" if count == 1 else f"{count:,} invalidations of an earlier run have"
    return f"{what} yet to take effect (edgecache faults)"


def _secret(settings: Settings) -> str:
    """How varnishadm is told the secret; nothing when there is none."""
    return f" -S {printable(settings.varnishadm_secret)}" if settings.varnishadm_secret else ", without a secret"


def _address(text: str) -> str:
    return click.style(printable(text), fg="cyan")


def size(number: int) -> str:
    """`number` bytes for people: 256 MiB, 1.5 GiB."""
    power = min(max(number.bit_length() - 1, 0) // 10, 4)
    return f"{number / 1024**power:.4g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"


def totals(stats: dict[str, Any]) -> str:
    """What the edge did, in a line; `stats` is what Records.stats says."""
    requests = stats["requests"]
    handled = stats["handled"]
    ratio = "" if stats["hit_ratio"] is None else f" (hit ratio {stats['hit_ratio']:.0%})"
    return (
        f"Ended. {requests:,} request{'' if requests == 1 else 's'}: {handled['hit'] + handled['stale']:,} from the store{ratio}, "
        f"{handled['miss'] + handled['pass']:,} to the origin; {size(stats['bytes_out'])} sent."
    )
