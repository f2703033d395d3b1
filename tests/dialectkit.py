"""A desk over doors of its own, for tests of dialects: no sockets, a clock that stands still, and a log to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from invalidationkit import ListStore, doors_of
from multidict import CIMultiDict, CIMultiDictProxy
from wirekit import StandingClock

from edgecache.caching.stored import StoredResponse
from edgecache.clock import Clock
from edgecache.config import CredentialSettings, Settings, Vendor, VendorSettings
from edgecache.control.dialects.call import Asked, Purge, Purged, Refusal, Refused, Reply
from edgecache.control.dialects.desk import Desk
from edgecache.control.dialects.dialect import DialectParts, MakeDialect
from edgecache.control.dialects.faults import Faults
from edgecache.control.dialects.operation import Operation
from edgecache.control.dialects.registry import DIALECTS
from edgecache.invalidation.delays import Delays
from edgecache.invalidation.doors import Doors
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.reading import Item
from edgecache.invalidation.selectors import Kind
from edgecache.record import Records


def desk_of(settings: Settings, clock: Clock, doors: Doors, records: Records, dialects: Mapping[Vendor, MakeDialect] = DIALECTS) -> Desk:
    """A desk with all dialects, or with these."""
    return Desk(settings, clock, doors, records, Faults(), Delays(doors, clock), dialects)


class Stage:
    """One dialect at a desk. `stored` is what the edge holds; vendor ids and credentials as in a settings file."""

    def __init__(
        self,
        vendor: Vendor,
        make: MakeDialect,
        *stored: StoredResponse,
        ids: Sequence[Mapping[str, Any]] = (),
        credentials: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.clock = StandingClock()
        self.log = InvalidationLog(1000)
        self.store = ListStore(*stored)
        self.doors = doors_of(self.log, self.store, self.clock)
        self.records = Records(16)
        settings = Settings(
            origin="http://localhost:3000",
            vendor=tuple(VendorSettings(vendor=vendor, **row) for row in ids),
            credential=tuple(CredentialSettings(vendor=vendor, **row) for row in credentials),
        )
        self.desk = desk_of(settings, self.clock, self.doors, self.records, {vendor: make})
        self.faults, self.delays = self.desk.faults, self.desk.delays

    async def call(
        self,
        method: str,
        target: str,
        content: Any = b"",
        *,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        who: str = "127.0.0.1",
        refusal: Refusal | None = None,
    ) -> Reply:
        """One call, and what its client gets. `content` other than bytes and text is sent as JSON."""
        dialect = self.desk.dialect_of(method, target.partition("?")[0])
        assert dialect is not None, f"{method} {target} is no vendor's"
        if isinstance(content, str):
            content = content.encode()
        elif not isinstance(content, bytes):
            content = msgspec.json.encode(content)
        asked = Asked(
            method=method,
            target=target,
            headers=CIMultiDictProxy(CIMultiDict(headers)),
            content=content,
            who=who,
            loopback=who == "127.0.0.1",
            now=self.clock.now(),
        )
        return await self.desk.answer(dialect, asked, refusal)

    @property
    def appended(self) -> list[tuple[str, str, str, bool]]:
        """What calls appended to the log, in order: kind, value, site, soft."""
        done = [noted for noted in reversed(list(self.doors.journal.newest_first())) if noted.position is not None]
        return [(one.kind.value, one.value, one.site, noted.soft) for noted in done for one in noted.selectors]

    @property
    def journal(self) -> list[tuple[str, str]]:
        """What became of each call, oldest first, and the sentence about it."""
        return [(noted.came.value, noted.sentence) for noted in reversed(list(self.doors.journal.newest_first()))]


def fields(reply: Reply, name: str) -> list[str]:
    """The values of a field of the reply."""
    return [value for key, value in reply.headers if key.lower() == name.lower()]


class Plain:
    """A vendor whose calls name URLs in the path, and whose errors are a word."""

    vendor = Vendor.FASTLY
    prefixes: Sequence[str] = ("/plain/",)

    def __init__(self, parts: DialectParts) -> None:
        self.parts = parts
        self.undone = 0
        self.operations = (
            Operation("purge", ("POST",), "/plain/{id}/purge/{urls*}", self.purge, "", purges=True),
            Operation("list", ("GET",), "/plain/{id}", self.list, ""),
            Operation("token", ("POST",), "/plain/token", self.list, "", open=True),
            Operation("root", ("POST",), "/", self.list, ""),
            Operation("break", ("GET",), "/plain/break/it", self.broken, ""),
        )

    def purge(self, asked: Asked) -> Purge:
        row = self.parts.ids.get(asked.parameters["id"])
        if row is None:
            raise Refusal(Refused.NO_SUCH_ID, "no such service")
        asked.warnings.append("wörning\r\n")
        urls = asked.target[asked.target.index(asked.parameters["urls"]) :]  # the query is theirs
        items = [Item(Kind.URL, url) for url in urls.split(",")]
        soft, elsewhere = asked.headers.get("soft") is not None, asked.headers.get("elsewhere", "")
        return Purge(items, self.purged, soft=soft, site=row.site, elsewhere=elsewhere, failed=self.undo)

    def purged(self, purged: Purged) -> Reply:
        return Reply.json({"ok": True, "delayed": purged.delayed is not None})

    def undo(self) -> None:
        self.undone += 1

    def list(self, asked: Asked) -> Reply:
        return Reply.json(dict(asked.parameters))

    def broken(self, asked: Asked) -> Reply:
        raise ValueError("a defect")

    def authenticate(self, asked: Asked) -> None:
        if not self.parts.credentials.has(asked.headers.get("key", "")):
            raise Refusal(Refused.NOT_AUTHENTICATED, "wrong key")

    def refused(self, refusal: Refusal, asked: Asked) -> Reply:
        after = [("Retry-After", f"{refusal.retry_after_s:g}")] if refusal.retry_after_s is not None else []
        return Reply.json({"error": refusal.why.name, "said": refusal.sentence}, refusal.why.status, after)

    def forget(self) -> None:
        pass
