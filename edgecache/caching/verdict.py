"""What the invalidation log says about one stored response."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clean:
    """No entry above the response's position covers it."""


@dataclass(frozen=True, slots=True)
class HardCovered:
    """A hard entry covers it: the response does not exist any more."""

    position: int


@dataclass(frozen=True, slots=True)
class SoftCovered:
    """Only soft entries cover it: it has been stale since `since` (edge time of the first of them), whatever its lifetime says."""

    position: int
    since: float


Verdict = Clean | HardCovered | SoftCovered
CLEAN = Clean()
