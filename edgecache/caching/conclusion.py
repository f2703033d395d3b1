"""What the end of a fetch comes to: the closed list of outcomes of `conclude`, and what it is asked about."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from edgecache.caching.freshness import Derived
from edgecache.caching.reasons import Reason
from edgecache.caching.stored import Part, StoredResponse, Variant
from edgecache.caching.verdict import Verdict
from edgecache.semantics.message import Fields, ResponseHead


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of the origin's final answer.

    request_time, response_time   edge time; their difference is real time, so that a clock moved in between is no delay (RFC 9111 4.2.3)
    offset_s                      the clock's offset in force at response_time
    """

    head: ResponseHead
    request_time: float
    response_time: float
    offset_s: float


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer came: the origin could not be reached, fell silent, or sent no HTTP."""


Outcome = Answer | Failure
Selected = tuple[StoredResponse, Verdict]


@dataclass(frozen=True, slots=True)
class Store:
    """Forward the answer and store it once it is complete, with these properties of a StoredResponse; `reason` says what makes it fresh."""

    status: int
    phrase: bytes
    fields: Fields
    vary: Variant
    derived: Derived
    part: Part | None
    groups: tuple[str, ...]
    tags: tuple[str, ...]
    reason: Reason


class Keep(enum.Enum):
    """What becomes of a stored response that was used after its validation."""

    UPDATED = "updated"  # the freshened one takes its place
    UNCHANGED = "unchanged"  # it stays as it is: the update was for this request's user only
    DROPPED = "dropped"  # it may not be stored any more


@dataclass(frozen=True, slots=True)
class Freshen:
    """Answer with `stored` as it is after the update: the origin says that it still holds, and these are its new properties.

    verdict          what the log said of `stored` before the update
    keep             what becomes of it in the store
    raises_position  its position becomes that of the fetch, if that is higher; an answer to HEAD, or a part, never raises it
    """

    stored: StoredResponse
    verdict: Verdict
    fields: Fields
    vary: Variant
    derived: Derived
    groups: tuple[str, ...]
    tags: tuple[str, ...]
    keep: Keep
    raises_position: bool
    reason: Reason


@dataclass(frozen=True, slots=True)
class Combine:
    """Forward the answer, which is the part `answered`; once that is complete, store it together with `stored` as one response.

    Where the edge itself asked for the rest of `stored`, the whole is forwarded: first what is stored, then the answer.

    part  which part both come to; None: the whole
    """

    stored: StoredResponse
    answered: Part
    status: int
    phrase: bytes
    fields: Fields
    derived: Derived
    part: Part | None
    groups: tuple[str, ...]
    tags: tuple[str, ...]
    reason: Reason


@dataclass(frozen=True, slots=True)
class ServeStale:
    """Answer with `stored` in place of the answer that did not come, or was an error."""

    stored: StoredResponse
    reason: Reason


@dataclass(frozen=True, slots=True)
class RepeatUnconditionally:
    """Ask again without conditions and for the whole, and conclude that with nothing selected: the answer cannot be put to use.

    A 304 that says nothing about what is stored, or something else than the rest of a part.
    """

    reason: Reason


@dataclass(frozen=True, slots=True)
class Forward:
    """Forward the answer without storing it; after a Failure, answer with the error that it was.

    update      what the answer says about a stored response all the same: store it as freshened
    outdated    the stored response that the answer shows to be out of date: remove it
    supersedes  the answer shows that to be out of date which is stored for such a request and was asked for earlier: remove all of that
    """

    reason: Reason
    update: Freshen | None = None
    outdated: StoredResponse | None = None
    supersedes: bool = False


Conclusion = Store | Freshen | Combine | ServeStale | RepeatUnconditionally | Forward
