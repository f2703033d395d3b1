"""What Varnish's management protocol needs of the invalidation: to ban, and to list the bans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgecache.invalidation.doors import Call, Doors
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.reading import BadItem, Item
from edgecache.invalidation.selectors import Kind


@dataclass(frozen=True, slots=True)
class BanOutcome:
    """A ban that counts: its position in the log, and the expression in its one spelling."""

    position: int
    text: str


@dataclass(frozen=True, slots=True)
class LiveBan:
    """A ban in force, made at edge time `time`. `tested`: how many stored responses were tested against it."""

    position: int
    time: float
    soft: bool
    text: str
    tested: int


class BanRefused(Exception):
    """The expression cannot be understood.

    sentence  what was found in which column, and what would be right
    column    where in the text that was given, 1 for its first character
    """

    def __init__(self, sentence: str, column: int) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.column = column


class BanDoor(Protocol):
    """Bans, as far as this protocol asks for them."""

    async def ban(self, text: str, who: str) -> BanOutcome:
        """Append a hard ban; acknowledge it only after this returned. Raises BanRefused or LogUnwritable."""

    def bans(self) -> Sequence[LiveBan]:
        """The bans in force, newest first."""


class DoorForBans:
    """The edge's doors, as this protocol sees them."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def ban(self, text: str, who: str) -> BanOutcome:
        """Append a hard ban; acknowledge it only after this returned. Raises BanRefused or LogUnwritable."""
        try:
            outcome = await self._doors.call(Call("varnishadm", who, [Item(Kind.BAN, text)], cause=Cause.ADMIN))
        except BadItem as bad:
            raise BanRefused(bad.sentence, bad.column or 1) from None
        return BanOutcome(outcome.position, outcome.selectors[0].value)

    def bans(self) -> Sequence[LiveBan]:
        """The bans in force, newest first."""
        return [LiveBan(one.position, one.time, one.soft, one.selector.value, one.tested) for one in reversed(self._doors.bans)]
