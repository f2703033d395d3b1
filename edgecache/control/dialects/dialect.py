"""What a dialect is: one vendor's purge API, translated into what the doors take, and what comes of it into that vendor's words.

A dialect knows the vendor and nothing of sockets, of aiohttp or of the proxy. It is made from `DialectParts`, and its methods are called on
the loop and wait for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgecache.clock import Clock
from edgecache.config import Settings, Vendor
from edgecache.control.dialects.buckets import Buckets
from edgecache.control.dialects.call import Asked, Refusal, Reply
from edgecache.control.dialects.credentials import Credentials
from edgecache.control.dialects.ids import Ids
from edgecache.control.dialects.operation import Operation
from edgecache.invalidation.doors import Doors
from edgecache.record import Records


@dataclass(frozen=True, slots=True)
class DialectParts:
    """What a dialect is made from.

    ids          what this vendor's ids stand for
    credentials  who may call this vendor's API
    buckets      for its limits; keys begin with the vendor's name, since all dialects share them
    pending      is the delayed invalidation of this number still to come? (Purged.delayed)
    doors        for what is no invalidation, such as fetching in advance. Invalidations are returned as a `Purge`
    """

    settings: Settings
    clock: Clock
    doors: Doors
    records: Records
    ids: Ids
    credentials: Credentials
    buckets: Buckets
    pending: Callable[[int], bool]


class Dialect(Protocol):
    """One vendor's purge API.

    prefixes    every path that begins with one of these is the vendor's, also those where nothing is. Exact paths of operations are, too
    operations  its calls
    """

    vendor: Vendor
    prefixes: Sequence[str]
    operations: Sequence[Operation]

    def authenticate(self, asked: Asked) -> None:
        """May this caller? Asked only when the vendor has credentials configured. Raises Refusal."""
        ...

    def refused(self, refusal: Refusal, asked: Asked) -> Reply:
        """The refusal in the vendor's words, with its status. Gets what it raised itself, and every member of `Refused`."""
        ...

    def forget(self) -> None:
        """The edge was reset: forget what earlier calls left here."""
        ...


MakeDialect = Callable[[DialectParts], Dialect]
