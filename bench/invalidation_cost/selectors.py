"""One purge by each selector, with few and with many stored responses, inside one process: no socket, no client, only the edge's own work.

The store is in memory and filled directly. Each purge is of something that is stored and was not purged before, and goes through the doors
like every other: it is read, appended, and counted where that is a look-up. The log has its file, in memory where there is /dev/shm.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edgecache.app import Edge
from edgecache.caching.stored import Key, StoredResponse
from edgecache.config import load
from edgecache.invalidation.doors import Call
from edgecache.invalidation.logfile import open_log
from edgecache.invalidation.reading import Item
from edgecache.invalidation.selectors import Kind
from edgecache.semantics.message import field
from edgecache.store.body import MemoryBody

PURGES = 100  # of each kind
PER_TAG = 100  # stored responses that share a tag, a section (prefix) and a host: a purge hits as many, however many there are in all
MEMORY_BYTES = 64 * 2**30  # nothing is to be evicted

# kind · what the purge with this number asks for
ASKED: tuple[tuple[Kind, Callable[[int], Item]], ...] = (
    (Kind.URL, lambda number: Item(Kind.URL, url(number * PER_TAG))),
    (Kind.KEY, lambda number: Item(Kind.KEY, url(number * PER_TAG + 1))),
    (Kind.PATH, lambda number: Item(Kind.PATH, f"/section-{number}/*")),
    (Kind.PREFIX, lambda number: Item(Kind.PREFIX, f"/section-{number}")),
    (Kind.HOST, lambda number: Item(Kind.HOST, f"www{number}.example.com")),
    (Kind.TAG, lambda number: Item(Kind.TAG, f"tag-{number}")),
    (Kind.GROUP, lambda number: Item(Kind.GROUP, f"group-{number}", origin=f"http://www{number}.example.com")),
    (Kind.BAN, lambda number: Item(Kind.BAN, f'obj.http.content-type == "text/x-{number}" && req.url ~ ^/section-{number}/')),
    (Kind.ALL, lambda number: Item(Kind.ALL)),
)


def url(number: int) -> str:
    """The URL of the stored response with this number."""
    section = number // PER_TAG
    return f"http://www{section}.example.com/section-{section}/page-{number}"


def responses(count: int) -> Iterator[StoredResponse]:
    """So many small responses, each with a tag, a group, a host and a section that it shares with others."""
    body = MemoryBody((b"0123456789abcdef" * 4,))
    for number in range(count):
        section = number // PER_TAG
        target = f"/section-{section}/page-{number}".encode()
        fields = [field(b"Content-Type", b"text/x-%d" % section), field(b"Surrogate-Key", b"tag-%d" % section)]
        yield StoredResponse(
            key=Key(b"http", b"www%d.example.com" % section, target),
            status=200,
            reason=b"OK",
            fields=fields,
            vary=(),
            body=body,
            request_time=0.0,
            response_time=0.0,
            offset_s=0.0,
            position=0,
            start=number,
            lifetime_s=1e9,
            initial_age_s=0.0,
            tags=(f"tag-{section}",),
            groups=(f"group-{section}",),
        )


async def cost_s(count: int, step: Callable[[str], None]) -> dict[str, float]:
    """Median seconds of one purge by each kind of selector with `count` stored responses."""
    home = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="edgecache-bench-", dir=home if home.is_dir() else None) as folder:
        plain = {
            "store": "memory",
            "origin": "http://127.0.0.1:1",
            "listen": "127.0.0.1:0",
            "control": "127.0.0.1:0",
            "log": "off",
            "memory_bytes": str(MEMORY_BYTES),
            "sweep_delay_s": "1h",  # the sweep behind it is no part of what a purge costs
        }
        edge = Edge(load(None, plain))
        await edge.start()
        try:
            file, recovered = open_log(Path(folder) / "invalidations.log")
            edge.log.recover(recovered)
            edge.log.write_to(file)
            step(f"storing {count:,} responses")
            for stored in responses(count):
                edge.store.put(stored)
            gc.collect()
            gc.freeze()  # what is stored is no garbage; a collection in between would be counted as a purge's cost
            try:
                return {kind.value: await _median_s(edge, asked, step, kind) for kind, asked in ASKED}
            finally:
                gc.unfreeze()
                file.close()
        finally:
            await edge.stop()


async def _median_s(edge: Edge, asked: Callable[[int], Item], step: Callable[[str], None], kind: Kind) -> float:
    step(f"{PURGES} purges by {kind.value}")
    found = []
    for number in range(PURGES):
        item = asked(number % (edge.store.responses // PER_TAG))
        began = time.perf_counter()
        await edge.doors.call(Call("bench", "127.0.0.1", [item]))
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def run(count: int, step: Callable[[str], None]) -> dict[str, float]:
    """The same, in a loop of its own."""
    return asyncio.run(cost_s(count, step))
