"""The native API, version 1, as one table: which operation is carried out by which function. All the rest is made of it.

The routes, what they take and refuse, the OpenAPI document, and the index page. There is one way to invalidate: the doors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from edgecache.control import between, clock, faulting, health, invalidating, journal, objects, stats
from edgecache.control.openapi import document
from edgecache.control.operations import Asked, Operation, route
from edgecache.control.parts import ControlParts

CarriesOut = Callable[[ControlParts, Asked], Awaitable[Any]]

OPENAPI = Operation("GET", "/api/v1/openapi.json", "openapi", "This API as an OpenAPI 3.1 document", {200: dict})


async def openapi(parts: ControlParts, asked: Asked) -> dict[str, Any]:
    """The document of all operations."""
    return DOCUMENT


TABLE: tuple[tuple[Operation, CarriesOut], ...] = (
    (stats.STATS, stats.stats),
    (objects.OBJECTS, objects.objects),
    (invalidating.INVALIDATE, invalidating.invalidate),
    (journal.JOURNAL, journal.journal),
    (journal.ENTRY, journal.journal_entry),
    (journal.EMPTY, journal.empty_journal),
    (faulting.LIST, faulting.list_faults),
    (faulting.ADD, faulting.add_fault),
    (faulting.END, faulting.end_fault),
    (faulting.CLEAR, faulting.clear_faults),
    (clock.CLOCK, clock.show_clock),
    (clock.MOVE_CLOCK, clock.move_clock),
    (between.RESET, between.reset),
    (between.SETTLED, between.settled),
    (OPENAPI, openapi),
    (health.ALIVE, health.alive),
    (health.READY, health.ready),
)
OPERATIONS = tuple(operation for operation, _ in TABLE)
DOCUMENT = document(OPERATIONS)


def routes(parts: ControlParts) -> list[web.RouteDef]:
    """The routes of all operations, for one edge."""
    timeout_s = parts.settings.body_timeout_s
    noted = {invalidating.INVALIDATE.name: partial(invalidating.note_unread, parts)}
    return [route(operation, partial(carry_out, parts), timeout_s, noted.get(operation.name)) for operation, carry_out in TABLE]
