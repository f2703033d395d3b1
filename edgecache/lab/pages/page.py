"""What a page of the demo is: one row of the table from which routes, index, header fields and tests are all made.

A row says what the origin sends; a visit is one request for it. Fields whose value is not the same every time are `Computed`:
they carry the words that the index shows in place of the value.
"""

from __future__ import annotations

import asyncio
import enum
import shlex
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import formatdate

from aiohttp import web
from multidict import CIMultiDict

from edgecache.clock import Clock

# Which answer of the origin this is, and when it was made: on a response from a store both stay as they were.
ANSWER_FIELD = "Demo-Answer"
# How many URLs are counted apart; beyond it the one counted first is forgotten. Query strings are free text, so there is no end to them.
COUNTED_URLS = 1000
KEPT_COMMENTS = 20


class Group(enum.Enum):
    """A chapter of the index: title and what its pages have in common."""

    FRESHNESS = ("How long", "Who may keep a response, and until when.")
    STALENESS = ("When time is up", "What a cache does with a response that is not fresh any more.")
    KEY = ("Which one", "What makes two requests the same for a cache, and what makes them different.")
    AUDIENCE = ("For whom", "Responses that are meant for one person.")
    INVALIDATION = ("Until it changes", "Taking back what was stored before its time is over.")
    ASSETS = ("Assets", "Files that a page loads, kept for a year.")
    MOTION = ("In motion", "Everything that is not one quick response passes through as well.")
    OUTCOMES = ("Other outcomes", "Redirects, errors, and an answer that breaks off.")

    def __init__(self, title: str, sentence: str) -> None:
        self.title = title
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Computed:
    """A field value that depends on the visit. `shown` is what the index prints in its place."""

    shown: str
    sent: Callable[[Visit], str]


@dataclass(frozen=True, slots=True)
class Ask:
    """One way to ask for a page: a button, a curl command and a test in one.

    target   path and query; None: the page's path
    method   None: the page's method
    user     name:password for Basic authentication
    options  further options for curl
    status   what the origin answers; None: the page's status
    script   whether a page's script can do it as well, by fetch()
    """

    label: str = "Ask"
    target: str | None = None
    method: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    body: str = ""
    user: str = ""
    options: str = ""
    status: int | None = None
    script: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """One row: what `method path` is for, what it sends, who answers it, and what to watch.

    fields   those that matter to caches and to the page's point, exactly as sent; Date, Server and the length come on top
    watch    one sentence for people
    part_of  path of the page that this one belongs to, under which the index lists it; empty: a page of its own
    """

    group: Group
    path: str
    title: str
    fields: tuple[tuple[str, str | Computed], ...]
    watch: str
    answer: Answer
    status: int = 200
    method: str = "GET"
    asks: tuple[Ask, ...] = (Ask(),)
    part_of: str = ""

    @property
    def anchor(self) -> str:
        """The page's id on the index."""
        return f"{self.method.lower()}{self.path.replace('/', '-')}"

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that the row answers: HEAD goes with GET."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    def curl(self, ask: Ask, edge: str) -> str:
        """The command line that does `ask` through the edge at `edge` (a URL without a path), quoted for a POSIX shell."""
        method = ask.method or self.method
        words = ["curl", "-I" if method == "HEAD" else "-i"]
        words += ask.options.split()
        if method not in ("GET", "HEAD") and not (method == "POST" and ask.body):
            words += ["-X", method]
        if ask.user:
            words += ["-u", ask.user]
        for name, value in ask.fields:
            words += ["-H", f"{name}: {value}"]
        if ask.body:
            words += ["-d", ask.body]
        return shlex.join([*words, edge + (ask.target or self.path)])


class Site:
    """All that one demo origin remembers: how often it was asked, the comments, versions of pages, what is broken, that it is closing."""

    def __init__(self, clock: Clock, edge_url: Callable[[], str] | None, control_url: str | Callable[[], str], pace_s: float) -> None:
        self.clock = clock
        self.pace_s = pace_s
        self.comments: deque[Comment] = deque(maxlen=KEPT_COMMENTS)
        self.versions: dict[str, Version] = {}  # by path, of the pages that are validated: there are few
        self.broken = False  # what stale-if-error is shown with
        self.sockets: set[web.WebSocketResponse] = set()
        self.closing = asyncio.Event()
        self._asked: dict[str, int] = {}
        self._edge_url = edge_url
        self._control_url = control_url

    def edge(self, request: web.Request) -> str:
        """The URL under which people reach this site: the edge's, or else the one that this request came by."""
        return self._edge_url().rstrip("/") if self._edge_url else f"{request.scheme}://{request.host}"

    def control(self) -> str:
        """The URL of the edge's control plane."""
        url = self._control_url if isinstance(self._control_url, str) else self._control_url()
        return url.rstrip("/")

    def count(self, url: str) -> int:
        """How often `url` (method, path and query) was asked for, this time included."""
        number = self._asked.get(url, 0) + 1
        self._asked[url] = number
        if len(self._asked) > COUNTED_URLS:
            del self._asked[next(iter(self._asked))]
        return number

    async def pause(self, beats: float = 1.0) -> bool:
        """Wait as many beats of `pace_s` seconds; False when the site closed meanwhile, so that streams end by themselves."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), beats * self.pace_s)
        return not self.closing.is_set()


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody posted: plain text, and when (seconds since the epoch)."""

    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a page: the answer that it was first sent with."""

    number: int
    at: float

    @property
    def entity_tag(self) -> str:
        """The same for this version only, also when the origin begins to count anew."""
        return f'"{self.number}-{self.at * 1000:.0f}"'


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page: the `number`-th for its URL, answered at `at` (seconds since the epoch)."""

    site: Site
    page: Page
    request: web.Request
    number: int
    at: float

    @property
    def time(self) -> str:
        """When this answer was made, to the millisecond, in UTC."""
        return clock_time(self.at)

    @property
    def version(self) -> Version:
        """The page's version, which begins with this visit when there is none."""
        return self.site.versions.setdefault(self.page.path, Version(self.number, self.at))

    def now(self) -> Visit:
        """The same visit, answered now: for pages that took their time."""
        return replace(self, at=self.site.clock.now())

    def fields(self, content_type: str = "") -> CIMultiDict[str]:
        """What every answer to this visit carries: the page's fields, Date, and which answer this is."""
        sent: CIMultiDict[str] = CIMultiDict()
        if content_type:
            sent["Content-Type"] = content_type
        for name, value in self.page.fields:
            sent[name] = value if isinstance(value, str) else value.sent(self)
        sent["Date"] = formatdate(self.at, usegmt=True)
        sent[ANSWER_FIELD] = f"{self.number} at {self.time} UTC"
        return sent


Answer = Callable[[Visit], Awaitable[web.StreamResponse]]


def clock_time(at: float) -> str:
    """`at` (seconds since the epoch) as HH:MM:SS.mmm in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]
