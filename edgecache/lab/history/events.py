"""What happens in a history: the origin answers, somebody invalidates, a client reads, somebody moves the clock, the edge ends.

A *moment* is an int: nanoseconds of one clock, for all events of a history, and no two events share one. Where something takes time there
are two, so that an order that is claimed is one that nobody could have seen otherwise: what ended before another began came first.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

Moment = int
NEVER: Moment = 2**63


class AnswerKind(enum.Enum):
    """What an answer of the origin says about what a cache holds."""

    WHOLE = "content"  # brings all of the content
    PART = "part of the content"  # brings some of it, and says that the rest of the same edition is current: but does not bring that
    NOT_MODIFIED = "304"  # vouches for content that was brought before
    HEAD = "HEAD"  # tells the fields
    ERROR = "error"  # nothing of the above

    @property
    def brings(self) -> bool:
        """Does it bring content?"""
        return self in (AnswerKind.WHOLE, AnswerKind.PART)


@dataclass(frozen=True, slots=True)
class Page:
    """A URL, and in `extra` what else the key is made of (a field that a rule names); "" where it is the URL alone."""

    host: str
    target: str
    extra: str = ""
    site: str = ""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def __str__(self) -> str:
        return f"http://{self.host}{self.target}" + (f" ({self.extra})" if self.extra else "")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the origin.

    number      in the order of arrival; its bytes and fields carry it
    variant     the value of the field that Vary names; "" when the content depends on none
    user        for whom alone it is; "" for everybody
    edition     which content: answers of one edition have the same bytes, a strong entity tag says so; 0: none does, and fields of one
                answer may be taken for those of another
    asked       when the client's request began that the edge sent on; 0 when that is not known
    arrived     when the request was there: what the edge noted of the log for it, it noted before
    answered    when the head of the answer was sent: what the edge does about it, it does afterwards
    tags, groups, told    the names and fields that it gives to what it brings or vouches for; a later answer replaces them all
    swr_s       for how long it may be used stale while it is refreshed
    sie_s       up to how much staleness it may stand in for an error; None: it does not say
    never_stale it forbids all stale use
    broken_off  the origin ended it early, on purpose
    """

    number: int
    kind: AnswerKind
    page: Page
    edition: int
    arrived: Moment
    answered: Moment
    variant: str = ""
    user: str = ""
    asked: Moment = 0
    status: int = 200
    tags: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    told: Mapping[str, str] = field(default_factory=dict, hash=False)
    swr_s: float = 0.0
    sie_s: float | None = None
    never_stale: bool = False
    broken_off: bool = False

    @property
    def updates(self) -> bool:
        """May it give other fields to content that was brought before?"""
        return self.kind in (AnswerKind.NOT_MODIFIED, AnswerKind.HEAD, AnswerKind.PART)


class By(enum.StrEnum):
    """What a selector selects by."""

    URL = "url"
    KEY = "key"
    PATH = "path"
    BELOW = "path*"
    PREFIX = "prefix"
    HOST = "host"
    TAG = "tag"
    GROUP = "group"
    ALL = "all"
    BAN = "ban"


@dataclass(frozen=True, slots=True)
class Selector:
    """What an entry is about.

    value  url: host, target · key: host, target, extra · path: target · path*: its beginning · prefix: host ("" any), path · host: host ·
           tag: tag · group: host, name · all: nothing · ban: the expression
    site   only what belongs to this site; "" for all
    """

    by: By
    value: tuple[str, ...] = ()
    site: str = ""

    def __str__(self) -> str:
        said = " ".join((self.by.value, *self.value))
        return f"{said} of site {self.site}" if self.site else said


@dataclass(frozen=True, slots=True)
class Invalidation:
    """An invalidation that was acknowledged. One that was not may have happened or not, and proves nothing.

    sent           when it was sent; for one that an answer of the origin caused, when that answer was
    acknowledged   when its answer was there
    door           how it was asked for
    """

    number: int
    selectors: tuple[Selector, ...]
    sent: Moment
    acknowledged: Moment
    soft: bool = False
    door: str = ""


class Stale(enum.Enum):
    """On what grounds is a response marked as stale?"""

    NO = "no"
    WHILE_REVALIDATE = "stale-while-revalidate"
    IF_ERROR = "stale-if-error"
    UNREACHABLE = "origin-unreachable"
    ASKED_FOR = "max-stale"


@dataclass(frozen=True, slots=True)
class Read:
    """What a client asked for, and what it got.

    began, ended  when the request was sent, and when the last byte of the answer was there, or the end of the connection
    content       numbers of the answers whose bytes came, each once; () for a HEAD, a 304 and the like
    brought       number, said in the fields, of the answer that brought the content; 0 when they do not say: parts
    vouched       … that brought it or vouched for it last; 0 for parts
    state         … whose fields these are; 0 when nothing was said at all
    edition       which the entity tag names; 0 without one
    stale         how it is marked
    validated     the edge says that the origin answered this read with a 304; the checker looks whether it did
    kept          the edge says that it is in the store, or on its way there
    whole         the answer came to its end
    excused       it was cut off, and the edge was ended meanwhile
    flaw          what is wrong with its bytes, in words; "" when nothing is
    head          the status line and what the edge said about it, for people
    """

    number: int
    client: int
    page: Page
    began: Moment
    ended: Moment
    variant: str = ""
    user: str = ""
    content: tuple[int, ...] = ()
    brought: int = 0
    vouched: int = 0
    state: int = 0
    edition: int = 0
    stale: Stale = Stale.NO
    validated: bool = False
    kept: bool = False
    whole: bool = True
    excused: bool = False
    flaw: str = ""
    head: str = ""


@dataclass(frozen=True, slots=True)
class ClockMoving:
    """Somebody asks for edge time to be `offset_s` from the wall clock: from now on it may be."""

    at: Moment
    offset_s: float


@dataclass(frozen=True, slots=True)
class ClockKnown:
    """Edge time is `offset_s` from the wall clock, since before now."""

    at: Moment
    offset_s: float


@dataclass(frozen=True, slots=True)
class Restarted:
    """The edge was ended, in whatever way, and another goes on with its store."""

    at: Moment


Event = Answer | Invalidation | Read | ClockMoving | ClockKnown | Restarted
