"""What a request comes to in the model, what the client then has to get, and what the origin may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from tests.machine.kept import Kept
from tests.machine.messages import Asked, Fields, Sent, codings, lines, only


class Wrong(AssertionError):
    """The cache did what it may not do."""


# Before anything is sent (RFC 9111 4).


@dataclass(frozen=True)
class Use:
    """Answer with `kept`; with `refresh`, the origin is asked as well."""

    kept: Kept
    refresh: Ask | None = None


@dataclass(frozen=True)
class Ask:
    """Ask the origin; `kept` is what its answer may be about, or what may stand in for it. `why`: RFC 9211 2.2.

    more  fields that are added to the request: conditions, or what asks only for the rest of the part `kept`
    """

    kept: Kept | None
    more: Fields
    why: str


@dataclass(frozen=True)
class HandOn:
    """The origin's affair altogether."""

    why: str


@dataclass(frozen=True)
class Refuse:
    """RFC 9111 5.2.1.7: only-if-cached, and nothing can be used."""


# What an answer of the origin comes to (RFC 9111 3, 4.3.3).


@dataclass(frozen=True)
class Forwarded:
    """It goes to the client, and is being stored or not."""

    stored: bool


@dataclass(frozen=True)
class Completed:
    """The rest of the part `kept` came: the client gets the whole, and it is being stored."""

    kept: Kept


@dataclass(frozen=True)
class Validated:
    """A 304: the client gets `kept`, as it is since."""

    kept: Kept


@dataclass(frozen=True)
class StandsIn:
    """`kept` in the place of an error, or of an answer that did not come."""

    kept: Kept


@dataclass(frozen=True)
class Failed:
    """Nothing stands in for the answer that did not come."""


Outcome = Forwarded | Completed | Validated | StandsIn | Failed


@dataclass
class Expected:
    """What the client has to get.

    fields       those of the response, without those that every cache writes itself; of a 304 only some have to be there
    content      all of it; for a 206 from the store the whole, of which `spans` says what has to be there
    age          of the Age field; None: the origin's own, if there is one
    status_line  our member of Cache-Status, without the reason; None: an answer of the edge's own
    failed       Proxy-Status says what failed
    cut          the content ends before it is complete, in a way that the client can tell
    may_be_stored  it says `stored` or not: the model has its doubts
    """

    status: int
    fields: Fields = ()
    content: bytes = b""
    spans: set[int] | None = None
    age: int | None = None
    status_line: dict[str, object] | None = None
    failed: bool = False
    cut: bool = False
    may_be_stored: bool = False


# What the origin is asked: each question with its answer, or None where none came.

Question = tuple[Asked, Sent | None]

CONDITIONS = ("if-none-match", "if-modified-since")
_TELLING = (
    *CONDITIONS,
    "authorization",
    "accept-language",
    "cache-control",
    "cookie",
    "if-match",
    "if-range",
    "if-unmodified-since",
    "pragma",
    "range",
)


def the_answer(
    questions: list[Question] | None, decision: object, allowed: list[Asked], more: Fields = (), *, number: int = 0, last: bool = True
) -> Sent | None:
    """The answer to a question: it has to be one of `allowed`, with `more` fields, and if it is the `last` there may be no other.

    `questions` None: the origin took no connection, so nobody knows what it would have been asked. Raises Wrong.
    """
    if questions is None:
        return None
    if len(questions) <= number or (last and len(questions) > number + 1):
        raise Wrong(f"the origin was asked {len(questions)} times and not {number + 1}: {questions}; for the model it is {decision}")
    asked, sent = questions[number]
    if _told(asked) not in [_told(one, more) for one in allowed]:
        raise Wrong(f"the origin was asked {_told(asked)} and not {[_told(one, more) for one in allowed]}")
    return sent


def no_question(questions: list[Question] | None, decision: object) -> None:
    """Raises Wrong when the origin was asked although it need not be."""
    if questions:
        raise Wrong(f"the origin was asked {questions}; for the model it is {decision}")


def _told(asked: Asked, more: Fields = ()) -> tuple[object, ...]:
    """What counts of a question. Here: Accept-Encoding in some spelling of its own."""
    taken = codings(asked.fields) if lines(asked.fields, "accept-encoding") else None
    return asked.method, asked.host, asked.target, sorted((*only(asked.fields, *_TELLING), *more)), taken
