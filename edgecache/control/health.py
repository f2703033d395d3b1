"""What probes ask: is the process alive, does the edge take requests?"""

from __future__ import annotations

from edgecache.control.operations import Asked, Operation
from edgecache.control.parts import ControlParts
from edgecache.control.problems import Kind, Problem

ALIVE = Operation("GET", "/healthz", "alive", "200 while the process is alive", {200: str})
READY = Operation("GET", "/readyz", "ready", "200 while the edge takes requests, else 503 and why", {200: str}, refusals=(Kind.NOT_READY,))


async def alive(parts: ControlParts, asked: Asked) -> str:
    """200 as long as the process answers at all."""
    return "alive\n"


async def ready(parts: ControlParts, asked: Asked) -> str:
    """200 when the edge takes requests, otherwise 503 with the reason."""
    why_not = parts.ready()
    if why_not is not None:
        raise Problem(Kind.NOT_READY, why_not)
    return "ready\n"
