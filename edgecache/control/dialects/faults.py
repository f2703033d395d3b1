"""Purge APIs that misbehave on demand: which fault strikes which call. A pure list; what a fault does is done by the desk.

A fault is for calls that invalidate, of one vendor or of all, or for one call by its name, whatever that does. It lasts until somebody ends
it, for a number of calls, or for a time (edge time). Of several that are meant for a call, the oldest strikes, alone.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgecache.config import Vendor

MOST = 100


class Fault(enum.StrEnum):
    """What can go wrong."""

    DELAY = "delay"  # acknowledged at once; takes effect when its time of edge time has passed
    RATE_LIMIT = "rate-limit"  # refused with 429
    ERROR = "error"  # refused with 500
    UNAVAILABLE = "unavailable"  # refused with 503
    ERROR_IN_BODY = "error-in-body"  # the status is that of a success, and the content that of an error; nothing is invalidated
    LOST = "lost"  # acknowledged, and nothing is invalidated
    PARTIAL = "partial"  # acknowledged, and only the first items of it are invalidated

    @property
    def refuses(self) -> bool:
        """Does the client get an error? Else a success, which it is not."""
        return self in (Fault.RATE_LIMIT, Fault.ERROR, Fault.UNAVAILABLE, Fault.ERROR_IN_BODY)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A fault as somebody asks for it.

    vendor  whose calls; "" for all vendors
    call    which of the vendor's, by the name of an operation; "" for those that invalidate
    after   how many calls it lets pass first
    count   how many calls it strikes; None for all
    for_s   how long it lasts; None for as long as nobody ends it
    wait_s  for delay how long; for rate-limit and unavailable what the client is told in Retry-After
    keep    for partial: how many items are invalidated, always one less than all at most
    """

    fault: Fault
    vendor: str = ""
    call: str = ""
    after: int = 0
    count: int | None = None
    for_s: float | None = None
    wait_s: float = 1.0
    keep: int = 1


@dataclass(slots=True)
class Active:
    """A fault that is on. `seen` calls were meant by it, `struck` of them were struck; `since` edge time."""

    number: int
    wanted: Wanted
    since: float
    seen: int = 0
    struck: int = 0

    def is_over(self, now: float) -> bool:
        """Is there nothing more that it could strike?"""
        wanted = self.wanted
        return (wanted.count is not None and self.struck >= wanted.count) or (wanted.for_s is not None and now >= self.since + wanted.for_s)

    def is_for(self, vendor: Vendor, call: str, purges: bool) -> bool:
        """Is this call meant?"""
        wanted = self.wanted
        return wanted.vendor in ("", vendor) and (wanted.call == call if wanted.call else purges)

    @property
    def sentence(self) -> str:
        """What it does to which calls, for people."""
        wanted = self.wanted
        what = {
            Fault.DELAY: f"acknowledged at once, in effect after {wanted.wait_s:g} s of edge time",
            Fault.RATE_LIMIT: f"429, to come again after {wanted.wait_s:g} s",
            Fault.ERROR: "500",
            Fault.UNAVAILABLE: f"503, to come again after {wanted.wait_s:g} s",
            Fault.ERROR_IN_BODY: "200 with an error in the content",
            Fault.LOST: "acknowledged, and nothing is invalidated",
            Fault.PARTIAL: f"acknowledged, and only the first {wanted.keep} items are invalidated",
        }[wanted.fault]
        whose = "/".join(filter(None, (wanted.vendor, wanted.call))) or "every vendor's purges"
        after = f", after {wanted.after} calls" if wanted.after else ""
        count = f", {wanted.count} times" if wanted.count is not None else ""
        lasts = f", for {wanted.for_s:g} s" if wanted.for_s is not None else ""
        return f"{wanted.fault} for {whose}: {what}{after}{count}{lasts}"

    @property
    def field(self) -> str:
        """What the answer says about it, in Edgecache-Fault."""
        return f"{self.wanted.fault}; number={self.number}"


class Faults:
    """The faults of one edge. They end with it.

    struck  calls, since the start or the last reset
    say     told in a sentence of every fault that begins or ends: nobody is to wonder for long why an API misbehaves
    """

    def __init__(self, say: Callable[[str], None] = lambda sentence: None) -> None:
        self._active: list[Active] = []
        self._number = 0
        self._say = say
        self.struck = 0

    def strike(self, vendor: Vendor, call: str, purges: bool, now: float) -> Active | None:
        """Which fault strikes this call? None: it goes well."""
        for one in self.active(now):
            if one.is_for(vendor, call, purges):
                one.seen += 1
                if one.seen > one.wanted.after:
                    one.struck += 1
                    self.struck += 1
                    return one
        return None

    def active(self, now: float) -> list[Active]:
        """Those that are on, oldest first."""
        for one in [one for one in self._active if one.is_over(now)]:
            self._end(one)
        return list(self._active)

    def add(self, wanted: Wanted, now: float) -> Active | None:
        """Turn one on; None when there are too many already."""
        if len(self.active(now)) >= MOST:
            return None
        self._number += 1
        added = Active(self._number, wanted, now)
        self._active.append(added)
        self._say(f"fault {added.number} is ON: {added.sentence}; `edgecache faults off {added.number}` ends it")
        return added

    def end(self, number: int, now: float) -> bool:
        """Turn one off; False when there was none of this number."""
        found = [one for one in self.active(now) if one.number == number]
        for one in found:
            self._end(one)
        return bool(found)

    def clear(self) -> None:
        """Turn all off, and forget how many calls they struck."""
        for one in list(self._active):
            self._end(one)
        self.struck = 0

    def _end(self, one: Active) -> None:
        self._active.remove(one)
        self._say(f"fault {one.number} is off ({one.wanted.fault}); it struck {one.struck} call{'' if one.struck == 1 else 's'}")


def complaint(wanted: Wanted, calls: Mapping[Vendor, Mapping[str, bool]]) -> str | None:
    """What is wrong with a fault that is asked for? None: nothing. `calls`: the calls of each vendor, and whether they invalidate."""
    if wanted.vendor and wanted.vendor not in calls:
        return f"there is no vendor {wanted.vendor[:60]!r}; there are: {', '.join(calls)}"
    if wanted.call:
        known = calls[Vendor(wanted.vendor)]
        if wanted.call not in known:
            return f"there is no call {wanted.call[:60]!r} of {wanted.vendor}; there are: {', '.join(known)}"
        if not wanted.fault.refuses and not known[wanted.call]:
            return f"{wanted.call} invalidates nothing, so {wanted.fault} says nothing about it"
    return None
