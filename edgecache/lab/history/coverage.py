"""Which entries cover a response? Said once more, for the checker: not by the code whose outcome it judges.

Entries are filed under what they name. Those of one selector are in the order in which they were acknowledged, each with the latest `sent`
so far: "was anything sent after this moment, and acknowledged before that one?" is one bisection.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from edgecache.lab.history.events import Answer, By, Invalidation, Moment, Page, Selector


@dataclass(frozen=True, slots=True)
class BanMeaning:
    """What a ban expression is true of. `of_request`: it looks at nothing that an answer could change."""

    of_request: bool
    is_true: Callable[[Page, Answer], bool]


class Line:
    """The acknowledged entries of one selector."""

    __slots__ = ("_acknowledged", "_entries", "_latest")

    def __init__(self) -> None:
        self._acknowledged: list[Moment] = []
        self._latest: list[Invalidation] = []  # of those up to here, the one that was sent last
        self._entries: list[Invalidation] = []

    def add(self, entry: Invalidation) -> None:
        """Entries come in the order of their acknowledgements."""
        assert not self._acknowledged or self._acknowledged[-1] <= entry.acknowledged
        latest = self._latest[-1] if self._latest and self._latest[-1].sent > entry.sent else entry
        self._acknowledged.append(entry.acknowledged)
        self._latest.append(latest)
        self._entries.append(entry)

    def between(self, after: Moment, before: Moment) -> Invalidation | None:
        """An entry that was sent after one moment and acknowledged before the other: the one sent last; None when there is none."""
        at = bisect_left(self._acknowledged, before)
        if at and self._latest[at - 1].sent > after:
            return self._latest[at - 1]
        return None

    def first_between(self, after: Moment, before: Moment) -> Invalidation | None:
        """The same: the one acknowledged first."""
        for at in range(bisect_right(self._acknowledged, after), len(self._entries)):
            if self._acknowledged[at] >= before:
                return None
            if self._entries[at].sent > after:
                return self._entries[at]
        return None


class Entries:
    """Acknowledged entries of one kind, hard or soft, by what they name. `bans`: what each expression means that is used."""

    def __init__(self, bans: Mapping[str, BanMeaning]) -> None:
        self._meanings = bans
        self._lines: dict[Selector, Line] = {}
        self._beginnings: set[int] = set()  # lengths of what path* selectors name
        self._bans: set[Selector] = set()
        self._of_page: dict[Page, list[Line]] = {}  # found before; a new selector may be about any page

    def add(self, entry: Invalidation) -> None:
        """File an entry under each of its selectors."""
        for selector in entry.selectors:
            line = self._lines.get(selector)
            if line is None:
                line = self._lines[selector] = Line()
                self._of_page.clear()
                if selector.by is By.BELOW:
                    self._beginnings.add(len(selector.value[0]))
                elif selector.by is By.BAN:
                    self._bans.add(selector)
            line.add(entry)

    def about_page(self, page: Page, answer: Answer) -> Iterator[Line]:
        """Entries that cover everything of this page, whatever an answer said about it. `answer`: any of the page."""
        found = self._of_page.get(page)
        if found is None:
            named = [self._lines.get(selector) for selector in self._naming(page)]
            found = self._of_page[page] = [line for line in named if line is not None]
        yield from found
        yield from self._banning(page, answer, of_request=True)

    def about_fields(self, page: Page, answer: Answer) -> Iterator[Line]:
        """Entries that cover what has the fields of this answer, because of them."""
        for site in _sites(page):
            for tag in answer.tags:
                yield from self._at(By.TAG, (tag,), site)
            for group in answer.groups:
                yield from self._at(By.GROUP, (page.host, group), site)
        yield from self._banning(page, answer, of_request=False)

    def _at(self, by: By, value: tuple[str, ...], site: str) -> Iterator[Line]:
        line = self._lines.get(Selector(by, value, site))
        if line is not None:
            yield line

    def _naming(self, page: Page) -> Iterator[Selector]:
        for site in _sites(page):
            yield Selector(By.ALL, (), site)
            yield Selector(By.HOST, (page.host,), site)
            yield Selector(By.URL, (page.host, page.target), site)
            yield Selector(By.KEY, (page.host, page.target, page.extra), site)
            yield Selector(By.PATH, (page.target,), site)
            for length in self._beginnings:
                if length <= len(page.target):
                    yield Selector(By.BELOW, (page.target[:length],), site)
            for path in prefixes(page.path):
                yield Selector(By.PREFIX, (page.host, path), site)
                yield Selector(By.PREFIX, ("", path), site)

    def _banning(self, page: Page, answer: Answer, *, of_request: bool) -> Iterator[Line]:
        for selector in self._bans:
            meaning = self._meanings[selector.value[0]]
            if meaning.of_request is of_request and selector.site in ("", page.site) and meaning.is_true(page, answer):
                yield self._lines[selector]


def prefixes(path: str) -> list[str]:
    """The prefixes that cover a path, in whole segments: those of /a/b are "" (the host), /, /a, /a/ and /a/b."""
    beginnings = [path[:end] for end in range(len(path))]
    return [one for one in beginnings if path.startswith(one if one.endswith("/") else one + "/")] + [path]


def _sites(page: Page) -> tuple[str, ...]:
    return ("", page.site) if page.site else ("",)
