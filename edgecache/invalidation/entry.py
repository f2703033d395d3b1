"""An entry of the invalidation log, and why it was made."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from edgecache.invalidation.selectors import Selector


class Cause(enum.Enum):
    """Why an entry was appended."""

    API = "api"  # somebody asked for it on the control plane
    METHOD = "method"  # an invalidation method (PURGE) on the data plane
    ADMIN = "varnishadm"  # a ban by Varnish's management protocol
    RESPONSE = "response"  # an unsafe request succeeded (RFC 9111 4.4)
    CLOCK = "clock"  # edge time was moved backwards
    RESET = "reset"  # the whole edge was reset, as between two tests
    RECOVERY = "recovery"  # entries may have been lost with the power

    @property
    def must_happen(self) -> bool:
        """Is there nobody who could be told that it failed? Then it counts in memory even when it cannot be written."""
        return self in (Cause.RESPONSE, Cause.CLOCK, Cause.RESET, Cause.RECOVERY)


@dataclass(frozen=True, slots=True)
class Entry:
    """One invalidation of one selector: hard (covered responses do not exist) or soft (they are stale since `time`, edge time)."""

    position: int
    time: float
    soft: bool
    selector: Selector
    cause: Cause
