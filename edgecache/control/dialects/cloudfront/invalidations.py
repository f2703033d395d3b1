"""What was asked for before: the same CallerReference again, the status of an invalidation, and how much is in progress.

An invalidation is in progress while a fault delays it; all others are complete once they are acknowledged. The oldest are forgotten when
there are too many.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edgecache.control.dialects.cloudfront.batch import MOST_PATHS, MOST_WILDCARDS, Batch
from edgecache.control.dialects.cloudfront.codes import CloudFrontRefusal, Code

MOST = 10_000
MOST_CHARACTERS = 32 * 1024 * 1024  # of paths and references

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Scope = tuple[str, str]  # "distribution" or "tenant", and its id


@dataclass(slots=True)
class Invalidation:
    """One invalidation. Until it was acknowledged, nobody may be told of it.

    calls     how many calls are about to have it done: one, or more that have the same reference
    position  in the log; None when it has none
    delayed   the number of the delayed invalidation, if it is one
    """

    id: str
    scope: Scope
    batch: Batch
    created: float
    calls: int = 0
    acknowledged: bool = False
    position: int | None = None
    delayed: int | None = None

    @property
    def characters(self) -> int:
        """How much of the memory it takes."""
        return 200 + len(self.batch.reference) + sum(map(len, self.batch.paths)) + 60 * len(self.batch.paths)


class Invalidations:
    """The latest invalidations of all distributions. `pending`: is the delayed invalidation of this number still to come?"""

    def __init__(self, pending: Callable[[int], bool], most: int = MOST, most_characters: int = MOST_CHARACTERS) -> None:
        self._pending = pending
        self._most = most
        self._most_characters = most_characters
        self._characters = 0
        self._by_id: OrderedDict[str, Invalidation] = OrderedDict()
        self._by_reference: dict[tuple[Scope, str], Invalidation] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def begin(self, scope: Scope, batch: Batch, now: float) -> Invalidation:
        """The invalidation that a call is about: a new one, or an earlier one with the same reference and the same paths.

        Raises CloudFrontRefusal.
        """
        earlier = self._by_reference.get((scope, batch.reference))
        if earlier is not None:
            if earlier.batch.paths != batch.paths:
                raise CloudFrontRefusal(Code.BATCH_ALREADY_EXISTS)
            return earlier
        self._check_quota(scope, batch)
        made = Invalidation(_new_id(), scope, batch, now)
        self._by_id[made.id] = self._by_reference[scope, batch.reference] = made
        self._characters += made.characters
        while len(self._by_id) > self._most or (self._characters > self._most_characters and len(self._by_id) > 1):
            self._forget(next(iter(self._by_id.values())))
        return made

    def done(self, one: Invalidation, position: int | None, delayed: int | None) -> None:
        """It is acknowledged."""
        one.calls -= 1
        one.acknowledged, one.position, one.delayed = True, position, delayed

    def failed(self, one: Invalidation) -> None:
        """A call did not come to have it done. When no other does, there is no such invalidation."""
        one.calls -= 1
        if not one.calls and not one.acknowledged and one.id in self._by_id:
            self._forget(one)

    def get(self, scope: Scope, id: str) -> Invalidation | None:
        """The invalidation of this id."""
        found = self._by_id.get(id)
        return found if found is not None and found.scope == scope and found.acknowledged else None

    def newest_first(self, scope: Scope) -> Sequence[Invalidation]:
        """All of one distribution."""
        return [one for one in reversed(self._by_id.values()) if one.scope == scope and one.acknowledged]

    def in_progress(self, scope: Scope) -> Iterator[Invalidation]:
        """Those of one distribution that are still to take effect."""
        return (one for one in self._by_id.values() if one.scope == scope and self.is_in_progress(one))

    def is_in_progress(self, one: Invalidation) -> bool:
        """Is it still to take effect?"""
        return one.delayed is not None and self._pending(one.delayed)

    def clear(self) -> None:
        """Forget all of them."""
        self._by_id.clear()
        self._by_reference.clear()
        self._characters = 0

    def _check_quota(self, scope: Scope, batch: Batch) -> None:
        paths, wildcards = len(batch.paths), batch.wildcards
        for one in self.in_progress(scope):
            paths += len(one.batch.paths)
            wildcards += one.batch.wildcards
        if paths > MOST_PATHS or wildcards > MOST_WILDCARDS:
            said = f"with this {paths} paths would be in progress and {wildcards} wildcards; {MOST_PATHS} and {MOST_WILDCARDS} may be"
            raise CloudFrontRefusal(Code.TOO_MANY_IN_PROGRESS, said)

    def _forget(self, one: Invalidation) -> None:
        del self._by_id[one.id]
        del self._by_reference[one.scope, one.batch.reference]
        self._characters -= one.characters


def _new_id() -> str:
    return "I" + "".join(secrets.choice(_LETTERS) for _ in range(13))
