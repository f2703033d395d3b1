"""Who does what: the words in which scenarios are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from interleavings.peers import SITE

from edgecache.invalidation.selectors import Kind


@dataclass(frozen=True)
class Client:
    """A request. `after`: it is sent once that client or purge is done; `may_leave`: at any moment the client may be gone."""

    name: str
    method: str = "GET"
    target: str = "/a"
    fields: tuple[str, ...] = ()
    after: str = ""
    may_leave: bool = False


@dataclass(frozen=True)
class Purge:
    """An invalidation, sent once the origin has its next generation.

    method     by PURGE on the data plane, not through the doors' API
    elsewhere  it is for something else, and the origin's content stays as it is
    refetch    what it covers is fetched again
    back_s     not an invalidation, but edge time is moved back by so much: nothing becomes fresh by that
    """

    name: str
    kind: Kind = Kind.URL
    value: str = f"{SITE}/a"
    soft: bool = False
    method: bool = False
    after: str = ""
    elsewhere: bool = False
    refetch: bool = False
    back_s: float = 0.0


@dataclass(frozen=True)
class Origin:
    """What the origin says. A POST makes the next generation.

    fails     from this generation on it answers 503
    deaths    so many connections may die under an answer; `reused`: they have been used before, so that they may have been dead all along
    retagged  fields of a 304, instead of `fields`
    at_once   head and content come together
    """

    cache_control: str = "max-age=1000"
    fields: tuple[str, ...] = ("Cache-Tag: t",)
    vary: str = ""
    fails: int = 1_000_000
    deaths: int = 0
    reused: bool = False
    retagged: tuple[str, ...] | None = None
    at_once: bool = False


@dataclass(frozen=True)
class Scenario:
    """What may happen, in any order.

    warm       asked for before all else, and how old what is stored then is
    passes_s   so much time may pass at any moment
    sweeps     how often the sweeper of the store may come
    timers     names of choices: a timer that is set in one of these may fire
    disk       the store has one, and at any moment the process may end and another one begin with what it left
    restarted  what is stored is on the disk only
    evicts     at any moment memory may have to make room for something else
    asks       how often the origin may be asked at most
    orders     how many orders there are at least, when of steps that commute only one order counts
    """

    name: str
    clients: tuple[Client, ...] = ()
    purges: tuple[Purge, ...] = ()
    origin: Origin = Origin()
    warm: tuple[Client, ...] = ()
    warm_age_s: float = 0.0
    passes_s: float = 0.0
    sweeps: int = 0
    timers: tuple[str, ...] = ()
    disk: bool = False
    restarted: bool = False
    evicts: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    asks: int = 1_000
    orders: int = 1
