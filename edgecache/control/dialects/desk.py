"""The desk that every vendor's call comes to: one story for all dialects, from the request to the reply.

Faults, credentials, then the dialect's own reading (limits, ids, items), then the doors. Each answer says in fields of ours what it came
to: `Edgecache-Position`, `Edgecache-Matched`, `Edgecache-Hint`, `Edgecache-Warning` and `Edgecache-Fault`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from edgecache.clock import Clock
from edgecache.config import Settings, Vendor
from edgecache.control.dialects.buckets import Buckets
from edgecache.control.dialects.call import Asked, Purge, Purged, Refusal, Refused, Reply
from edgecache.control.dialects.credentials import Credentials
from edgecache.control.dialects.dialect import Dialect, DialectParts, MakeDialect
from edgecache.control.dialects.faults import Active, Fault, Faults
from edgecache.control.dialects.ids import Ids
from edgecache.control.dialects.operation import Operation, find
from edgecache.invalidation.delays import Delays
from edgecache.invalidation.doors import Call, Doors
from edgecache.invalidation.logfile import LogUnwritable
from edgecache.invalidation.reading import BadItem
from edgecache.record import Records

logger = logging.getLogger(__name__)

FIELD_CHARACTERS = 1000
MOST_FIELDS = 20  # of hints, and of warnings


class Desk:
    """All dialects of one edge."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        doors: Doors,
        records: Records,
        faults: Faults,
        delays: Delays,
        dialects: Mapping[Vendor, MakeDialect],
    ) -> None:
        self._clock = clock
        self._doors = doors
        self.delays = delays
        self.faults = faults
        self.buckets = Buckets()
        self.dialects: list[Dialect] = []
        for vendor, make in dialects.items():
            ids, credentials = Ids(vendor, settings.vendor), Credentials(vendor, settings.credential)
            self.dialects.append(make(DialectParts(settings, clock, doors, records, ids, credentials, self.buckets, delays.is_pending)))
        self._credentials = {vendor: Credentials(vendor, settings.credential) for vendor in dialects}

    def dialect_of(self, method: str, path: str) -> Dialect | None:
        """Whose path is this? None when it is no vendor's."""
        for dialect in self.dialects:
            if path.startswith(tuple(dialect.prefixes)):
                return dialect
        # Elsewhere a path is a vendor's for the methods that it takes there: / is also the page of the control plane.
        return next((one for one in self.dialects if find(one.operations, method, path).operation is not None), None)

    @property
    def calls(self) -> Mapping[Vendor, Mapping[str, bool]]:
        """The calls of each vendor by their names, and whether they invalidate."""
        return {one.vendor: {operation.name: operation.purges for operation in one.operations} for one in self.dialects}

    def forget(self) -> None:
        """The edge was reset: no faults, full buckets, nothing delayed, and no dialect remembers a call."""
        self.faults.clear()
        self.delays.clear()
        self.buckets.clear()
        for dialect in self.dialects:
            dialect.forget()

    async def answer(self, dialect: Dialect, asked: Asked, refusal: Refusal | None = None) -> Reply:
        """The life of one call. `refusal`: why it was refused before it could be read."""
        operation: Operation | None = None
        fault: Active | None = None
        try:
            operation, asked = _route(dialect, asked)
            if refusal is not None:
                raise refusal
            fault = self.faults.strike(dialect.vendor, operation.name, operation.purges, asked.now)
            if fault is not None and fault.wanted.fault.refuses:
                raise _fault_refusal(fault)
            if not operation.open:
                self._authenticate(dialect, asked)
            result = operation.handle(asked)
            reply = result if isinstance(result, Reply) else await self._purge(dialect, result, asked, fault)
        except Refusal as why:
            reply = self._refused(dialect, operation, asked, refusal or why, fault)
        except Exception:
            logger.exception("defect while answering %s %s", asked.method, asked.path)
            reply = dialect.refused(Refusal(Refused.DEFECT, "The edge made a mistake; its terminal has the details."), asked)
        reply.headers += [("Edgecache-Warning", _text(warning)) for warning in asked.warnings[:MOST_FIELDS]]
        if fault is not None:
            reply.headers.append(("Edgecache-Fault", fault.field))
        return reply

    def _authenticate(self, dialect: Dialect, asked: Asked) -> None:
        if self._credentials[dialect.vendor].known:
            dialect.authenticate(asked)
        elif not asked.loopback:
            said = f"no [[credential]] of {dialect.vendor} is configured, so only callers on the edge's own machine may"
            raise Refusal(Refused.NOT_AUTHENTICATED, said)

    async def _purge(self, dialect: Dialect, purge: Purge, asked: Asked, fault: Active | None) -> Reply:
        """Have it done by the doors, as far as no fault prevents it."""
        call = Call(dialect.vendor, asked.who, purge.items, soft=purge.soft, refetch=purge.refetch, site=purge.site, vendor=dialect.vendor)
        try:
            if purge.elsewhere:
                purged = self._do_nothing(call, purge.elsewhere, asked)
            else:
                purged = await (self._do(call) if fault is None else self._misdo(call, fault))
        except BadItem as bad:
            purge.failed()
            raise Refusal(Refused.BAD_REQUEST, f"{bad.item.member}: {bad.sentence}" if bad.item.member else bad.sentence) from bad
        except LogUnwritable as failure:
            purge.failed()
            raise Refusal(Refused.UNWRITABLE, f"Nothing was invalidated: {failure}.") from failure
        except BaseException:
            purge.failed()
            raise
        reply = purge.reply(purged)
        if purged.position is not None:
            reply.headers.append(("Edgecache-Position", str(purged.position)))
        if purged.matched is not None:
            reply.headers.append(("Edgecache-Matched", str(purged.matched)))
        reply.headers += [("Edgecache-Hint", _text(hint)) for hint in purged.hints[:MOST_FIELDS]]
        return reply

    async def _do(self, call: Call) -> Purged:
        outcome = await self._doors.call(call)
        return Purged(outcome.position, outcome.matched, outcome.selectors, outcome.hints)

    def _do_nothing(self, call: Call, sentence: str, asked: Asked) -> Purged:
        """It is not about this edge: only say so."""
        selectors = self._doors.read(call)
        self._doors.note_elsewhere(call, selectors, sentence)
        asked.warnings.append(sentence)
        return Purged(None, 0, selectors)

    async def _misdo(self, call: Call, fault: Active) -> Purged:
        """Do as much of it as the fault leaves; what the client hears is another matter."""
        wanted = fault.wanted
        match wanted.fault:
            case Fault.DELAY:
                selectors = self._doors.read(call)
                try:
                    number = await self.delays.add(replace(call, items=selectors), wanted.wait_s)
                except LogUnwritable as failure:
                    self._doors.note_faulted(call, selectors, str(failure))
                    raise
                self._doors.note_faulted(call, selectors, f"delayed by {wanted.wait_s:g} s of edge time")
                return Purged(None, None, selectors, delayed=number)
            case Fault.PARTIAL:
                keep = min(wanted.keep, max(0, len(call.items) - 1))
                self._doors.read(call)  # the lost ones, too, have to be what the vendor would take
                lost = replace(call, items=call.items[keep:])
                self._doors.note_faulted(lost, self._doors.read(lost), f"acknowledged and lost: all but the first {keep} items")
                return await self._do(replace(call, items=call.items[:keep])) if keep else Purged(None, None, ())
            case _:
                selectors = self._doors.read(call)
                self._doors.note_faulted(call, selectors, "acknowledged and lost")
                return Purged(None, None, selectors)

    def _refused(self, dialect: Dialect, operation: Operation | None, asked: Asked, why: Refusal, fault: Active | None) -> Reply:
        reply = dialect.refused(why, asked)
        if operation is not None and operation.purges and not isinstance(why.__cause__, BadItem | LogUnwritable):  # those the doors noted
            call = Call(dialect.vendor, asked.who, (), vendor=dialect.vendor)
            if fault is not None and fault.wanted.fault.refuses:
                self._doors.note_faulted(call, (), why.sentence)
            else:
                self._doors.refuse(call, why.sentence)
        if fault is not None and fault.wanted.fault is Fault.ERROR_IN_BODY:
            reply.status = 200
        return reply


def _route(dialect: Dialect, asked: Asked) -> tuple[Operation, Asked]:
    """Which operation is called, and the request with that path's parameters. Raises Refusal."""
    found = find(dialect.operations, asked.method, asked.path)
    if found.operation is not None:
        return found.operation, replace(asked, parameters=found.parameters)
    if found.allowed:
        said = f"{asked.path[:200]} takes {', '.join(found.allowed)}, not {asked.method[:40]}."
        raise Refusal(Refused.NO_SUCH_METHOD, said, allowed=found.allowed)
    raise Refusal(Refused.NO_SUCH_PATH, f"Nothing of {dialect.vendor}'s API that edgecache knows is at {asked.path[:200]}.")


def _fault_refusal(fault: Active) -> Refusal:
    wanted = fault.wanted
    said = f"This is a fault that was asked for (edgecache faults, number {fault.number})."
    match wanted.fault:
        case Fault.RATE_LIMIT:
            return Refusal(Refused.RATE_LIMITED, said, retry_after_s=wanted.wait_s)
        case Fault.UNAVAILABLE:
            return Refusal(Refused.UNAVAILABLE, said, retry_after_s=wanted.wait_s)
        case _:
            return Refusal(Refused.ERROR, said)


def _text(sentence: str) -> str:
    """A sentence as the value of a field: visible ASCII, for it may name what came from the network."""
    shown = (char if " " <= char <= "~" else char.encode("unicode_escape", "backslashreplace").decode() for char in sentence)
    return "".join(shown)[:FIELD_CHARACTERS]
