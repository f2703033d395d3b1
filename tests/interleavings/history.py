"""What happened in a run, as peers could see it, and what may never be seen: a small pure checker.

The origin's content has generations, counted from 0. An invalidation is sent once the origin has the next generation; so whatever was asked
of the origin after it was sent is of that generation or a later one, also when the origin said 304.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass
class Read:
    """A request and its answer. Times are numbers of steps.

    generation  of the origin's content that the answer has or is about; None for an answer of the edge's own and for errors
    brought_by  which of the edge's questions to the origin, in the order in which they began, brought or last validated it
    stale       the answer says that it is not fresh
    whole       it ended cleanly and was what it should be, byte for byte
    answers     how many final answers came
    """

    name: str
    asked: int
    ended: int | None = None
    status: int = 0
    generation: int | None = None
    brought_by: int = 0
    stale: bool = False
    whole: bool = True
    answers: int = 0
    detail: str = ""
    left: bool = False  # the client did not wait for it


@dataclass
class Invalidation:
    """`generation` is the origin's when it was sent; `soft`: what is older may be served, but not as fresh."""

    name: str
    generation: int
    soft: bool
    acknowledged: int | None = None


@dataclass
class History:
    """One run."""

    reads: list[Read] = field(default_factory=list)
    invalidations: list[Invalidation] = field(default_factory=list)
    origin_failed: bool = False  # by an error, or because it broke off an answer: then clients may see that

    def known(self) -> History:
        """What counts for a process that begins now: not what was seen, for what was stored last may not have been written yet."""
        return History([], list(self.invalidations), self.origin_failed)

    def look(self) -> tuple[object, ...]:
        """For comparing: what the future may not contradict."""
        return tuple((one.generation, one.soft) for one in self.invalidations if one.acknowledged is not None)

    def wrong(self) -> list[str]:
        """Every promise that was broken, as a sentence."""
        return [*self._torn(), *self._stale(), *self._back()]

    def _torn(self) -> Iterator[str]:
        for read in self.reads:
            if read.left:
                continue
            if read.answers != 1:
                yield f"{read.name} got {read.answers} answers"
            elif not read.whole and not self.origin_failed:
                yield f"{read.name} got a torn answer, and the origin had not broken off"
            elif read.status >= 500 and not self.origin_failed:
                yield f"{read.name} got {read.status}, and the origin had not failed"

    def _stale(self) -> Iterator[str]:
        for read in _seen(self.reads):
            for one in self.invalidations:
                if one.acknowledged is None or read.asked < one.acknowledged or read.generation >= one.generation:
                    continue
                if not one.soft:
                    yield f"{read.name} began after {one.name} was acknowledged and got generation {read.generation} ({read.detail})"
                elif not read.stale:
                    yield f"{read.name} began after the soft {one.name} and got generation {read.generation} as fresh ({read.detail})"

    def _back(self) -> Iterator[str]:
        """No client sees new, then old. Of two questions that were under way at once the edge takes the one that began later for newer."""
        for one in _seen(self.reads):
            for later in _seen(self.reads):
                if one.ended is None or one.ended >= later.asked or later.generation >= one.generation:
                    continue
                if later.brought_by <= one.brought_by:
                    yield f"{one.name} got generation {one.generation}, and {later.name} after it {later.generation} ({later.detail})"


@dataclass
class Seen(Read):
    """A read that showed content of the origin."""

    generation: int


def _seen(reads: Sequence[Read]) -> Iterator[Seen]:
    return (read for read in reads if read.generation is not None)  # type: ignore[misc]
