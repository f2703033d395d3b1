"""A call of a vendor's API as it came, what a dialect makes of it, and what goes back. Plain values: no test of a dialect needs a socket.

Asked ──► an operation of the dialect ──► Reply   (it only asked for something)
                                      └─► Purge   (what is to be invalidated) ──► Purged ──► Reply
Refusal, raised anywhere on the way, is rendered by the dialect in its vendor's words.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from multidict import CIMultiDict, CIMultiDictProxy

from edgecache.invalidation.reading import Item
from edgecache.invalidation.selectors import Selector


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for one of a vendor's paths.

    target      as it came: percent-encodings, empty segments and empty queries are as the client sent them, raw bytes percent-encoded
    content     all of it, within the limit api_body_bytes
    who         the peer's address
    loopback    does the peer run on this machine?
    now         edge time, in seconds since the epoch
    parameters  of the operation's path: {name} percent-decoded, {name*} as it came
    warnings    of ours, for calls that the real CDN takes and that do something else there than one might think; may be added to
    """

    method: str
    target: str
    headers: CIMultiDictProxy[str] = field(default_factory=lambda: CIMultiDictProxy(CIMultiDict()))
    content: bytes = b""
    who: str = "127.0.0.1"
    loopback: bool = True
    scheme: str = "http"
    now: float = 0.0
    parameters: Mapping[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query without its question mark; "" also where there is none."""
        return self.target.partition("?")[2]


@dataclass(slots=True)
class Reply:
    """What a client gets. `headers` may repeat a name."""

    status: int
    content: bytes = b""
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Sequence[tuple[str, str]] = (), content_type: str = "application/json") -> Reply:
        """`value` as JSON."""
        return cls(status, msgspec.json.encode(value), content_type, list(headers))


@dataclass(frozen=True, slots=True)
class Purged:
    """What came of a `Purge`.

    position   in the log, of its last entry; None where nothing was appended: it is delayed, or a fault had it lost
    matched    how many stored responses it covers; None when nobody counted
    selectors  normalised
    hints      what was probably meant, when nothing was matched
    delayed    the number of the delayed invalidation (Delays.pending), or None
    """

    position: int | None
    matched: int | None
    selectors: tuple[Selector, ...]
    hints: tuple[str, ...] = ()
    delayed: int | None = None


def _nothing() -> None:
    """Nothing has to be undone."""


@dataclass(frozen=True, slots=True)
class Purge:
    """What is to be invalidated, and how it is answered. One write, all or nothing.

    site       only what is stored for the site of this name; "" for all. Items that are selectors already have a scope of their own
    elsewhere  a sentence when it is about something that an edge has none of, such as a staging network. Then it is read as any other,
               noted in the journal and acknowledged with the sentence as a warning, and nothing is invalidated
    reply      called once it is done, in the order in which calls came to be done
    failed     called when it is not, for whoever has remembered the call
    """

    items: Sequence[Item | Selector]
    reply: Callable[[Purged], Reply]
    soft: bool = False
    refetch: bool = False
    site: str = ""
    elsewhere: str = ""
    failed: Callable[[], None] = _nothing


class Refused(enum.Enum):
    """Why a call comes to nothing, wherever it is found out; the number is the status for vendors that have no other."""

    WEB_PAGE = ("a web page sent it", 403)
    NO_SUCH_PATH = ("nothing is at this path", 404)
    NO_SUCH_METHOD = ("the path does not take this method", 405)
    CONTENT_TOO_SLOW = ("the content took too long to arrive", 408)
    CONTENT_TOO_LARGE = ("the content is too large", 413)
    CONTENT_CODED = ("the content is compressed", 415)
    NOT_AUTHENTICATED = ("the credentials are missing or wrong", 401)
    NOT_ALLOWED = ("the credentials do not allow it", 403)
    NO_SUCH_ID = ("there is no zone, service, distribution, … of this id", 404)
    BAD_REQUEST = ("the content or a parameter cannot be used", 400)
    RATE_LIMITED = ("too many calls", 429)
    ERROR = ("the vendor's API has an internal error", 500)
    UNAVAILABLE = ("the vendor's API is not available", 503)
    UNWRITABLE = ("the invalidation log cannot be written", 503)
    DEFECT = ("a defect in edgecache", 500)

    def __init__(self, meaning: str, status: int) -> None:
        self.meaning = meaning
        self.status = status


class Refusal(Exception):
    """A call that comes to nothing. A dialect makes subclasses with the codes of its vendor.

    retry_after_s  when to come again, for RATE_LIMITED and UNAVAILABLE
    allowed        the methods that the path takes, for NO_SUCH_METHOD
    """

    def __init__(self, why: Refused, sentence: str, *, retry_after_s: float | None = None, allowed: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.why = why
        self.sentence = sentence
        self.retry_after_s = retry_after_s
        self.allowed = tuple(allowed)
