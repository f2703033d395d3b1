"""What must not have happened: reads of what an acknowledged invalidation covers, and what else no cache may do.

What can be known from outside. For a request of the edge's own it notes the head of the log before the origin sees that request, and an
entry is appended after it was sent for and before it is acknowledged. So an entry that was sent after an answer's request had arrived
covers what that answer brought, for every read that began after the acknowledgement. It does not matter how long the answer was on its way,
who waited for it, or what happened to the edge meanwhile.

A 304 makes content current again at the moment at which the origin was asked for it. Against soft entries that is enough. Against a hard
one it is not: what it covered does not exist, and nobody can vouch for it. The names of an answer (tags, groups, fields that bans look at)
count until a later answer gives others; so entries by name are held against an answer only where it surely had that name.

Each check is a few bisections, so a history of n events takes O(n log n).
"""

from __future__ import annotations

import enum
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from edgecache.lab.history.clocks import EdgeTime
from edgecache.lab.history.coverage import BanMeaning, Entries, Line
from edgecache.lab.history.events import (
    NEVER,
    Answer,
    AnswerKind,
    ClockKnown,
    ClockMoving,
    Event,
    Invalidation,
    Moment,
    Page,
    Read,
    Restarted,
    Stale,
)

TOLERANCE_S = 0.05  # of windows: the wall clock is adjusted now and then, the moments are not


class Wrong(enum.Enum):
    """What must not happen."""

    COVERED = "a read after the acknowledgement of a hard entry got what that covers"
    NOT_MARKED = "a read after the acknowledgement of a soft entry got what that covers as fresh"
    TOO_STALE = "a read got what a soft entry covers, marked as stale, beyond the window for that"
    CROSSED = "a read got what was for another URL, variant, user or edition"
    TORN = "content that was broken off, or is not what the origin sent, came to a clean end"
    CUT = "an answer was cut off, and neither the origin nor the end of the edge was the cause"
    INVENTED = "a read got what the origin never sent"
    BACKWARDS = "a client got what is older than what it got before"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must not have happened, and the events that prove it."""

    wrong: Wrong
    read: Read
    detail: str = ""
    answers: tuple[Answer, ...] = ()
    entry: Invalidation | None = None
    before: Read | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """The newest that one client got of one page and variant: what was asked for at `asked` at the earliest."""

    asked: Moment
    read: Read
    answer: Answer


class Checker:
    """Takes events in the order in which they ended, and answers each read with what is wrong with it, or None.

    `bans`: what the ban expressions mean that come up in entries.
    """

    def __init__(self, bans: Mapping[str, BanMeaning] | None = None) -> None:
        self.answers: dict[int, Answer] = {}
        self._hard = Entries(bans or {})
        self._soft = Entries(bans or {})
        self._time = EdgeTime()
        self._updated: dict[object, list[Moment]] = {}  # for each edition, when answers were sent that may give it other fields
        self._vouched: dict[int, list[Answer]] = {}  # for each edition, the 304s in the order of their arrival
        self._newest: dict[tuple[int, Page, str], _Seen] = {}

    def take(self, event: Event) -> Violation | None:
        """One more event."""
        match event:
            case Answer():
                self._answered(event)
            case Invalidation():
                (self._soft if event.soft else self._hard).add(event)
            case Read():
                return self._judge(event)
            case ClockMoving():
                self._time.moving(event)
            case ClockKnown():
                self._time.known(event)
            case Restarted():
                # What was not written yet is gone with the memory that held it: a client may find the one before.
                self._newest.clear()
            case _:
                assert_never(event)
        return None

    def _answered(self, answer: Answer) -> None:
        self.answers[answer.number] = answer
        if answer.updates:
            insort(self._updated.setdefault(_updated_as(answer), []), answer.answered)
        if answer.kind is AnswerKind.NOT_MODIFIED:
            insort(self._vouched.setdefault(answer.edition, []), answer, key=_arrived)

    # one read

    def _judge(self, read: Read) -> Violation | None:
        if read.flaw:
            return Violation(Wrong.TORN, read, read.flaw)
        numbers = [*read.content, *(number for number in (read.brought, read.vouched, read.state) if number)]
        unknown = [number for number in numbers if number not in self.answers]
        if unknown:
            return Violation(Wrong.INVENTED, read, f"there is no answer {unknown[0]}")
        said = [self.answers[number] for number in dict.fromkeys(numbers)]
        if not read.whole and not read.excused and not any(answer.broken_off for answer in said):
            return Violation(Wrong.CUT, read)
        if not said or any(answer.kind is AnswerKind.ERROR for answer in said):
            return None
        for check in (self._crossed, self._torn, self._covered, self._unmarked):
            violation = check(read, said)
            if violation is not None:
                return violation
        return self._went_back(read)

    def _crossed(self, read: Read, said: Sequence[Answer]) -> Violation | None:
        for answer in said:
            for what, its, mine in (("URL", answer.page, read.page), ("variant", answer.variant, read.variant)):
                if its != mine:
                    return Violation(Wrong.CROSSED, read, f"its {what} is {its}, not {mine}", (answer,))
            if answer.user not in ("", read.user):
                return Violation(Wrong.CROSSED, read, f"it is for user {answer.user}, not {read.user or 'nobody'}", (answer,))
        editions = [edition for edition in dict.fromkeys((*(answer.edition for answer in said), read.edition)) if edition]
        if len(editions) > 1:
            return Violation(Wrong.CROSSED, read, f"of several editions: {', '.join(map(str, editions))}", tuple(said))
        if read.brought and read.content and read.content != (read.brought,):
            return Violation(Wrong.CROSSED, read, "the fields of one and the content of another", tuple(said))
        return None

    def _torn(self, read: Read, said: Sequence[Answer]) -> Violation | None:
        broken = next((self.answers[number] for number in read.content if self.answers[number].broken_off), None)
        return Violation(Wrong.TORN, read, "the origin broke it off", (broken,)) if broken is not None and read.whole else None

    def _covered(self, read: Read, said: Sequence[Answer]) -> Violation | None:
        """Is there a hard entry that covers it?"""
        brought, vouched, state = self._parts(read, said)
        oldest = min(brought, key=_arrived)
        entry = _between(self._hard.about_page(read.page, oldest), oldest.arrived, read.began)
        if entry is not None:
            return Violation(Wrong.COVERED, read, "", (oldest,), entry)
        entry = _between(self._hard.about_fields(read.page, state), max(vouched.arrived, state.arrived), read.began)
        if entry is not None:
            return Violation(Wrong.COVERED, read, "", tuple(dict.fromkeys((oldest, vouched, state))), entry)
        for one in brought:  # with the names that it came with, while nobody can have given it others
            if one is state and one is vouched:
                continue
            entry = _between(self._hard.about_fields(read.page, one), one.arrived, min(read.began, self._first_update(one)))
            if entry is not None:
                return Violation(Wrong.COVERED, read, "", tuple(dict.fromkeys((one, vouched, state))), entry)
        return None

    def _unmarked(self, read: Read, known: Sequence[Answer]) -> Violation | None:
        """Is there a soft entry that covers it, and is it marked as stale, and may it be used so?"""
        brought, vouched, state = self._parts(read, known)
        named = max(vouched.arrived, state.arrived)
        lines = [(line, vouched.arrived, read.began) for line in self._soft.about_page(read.page, state)]
        lines.extend((line, named, read.began) for line in self._soft.about_fields(read.page, state))
        for one in brought:
            if one is state and one is vouched:
                continue
            until = min(read.began, self._first_update(one))
            lines.extend((line, max(one.arrived, vouched.arrived), until) for line in self._soft.about_fields(read.page, one))
        entries = [entry for line, after, before in lines if (entry := line.first_between(after, before)) is not None]
        if not entries:
            return None
        proof = tuple(dict.fromkeys((min(brought, key=_arrived), vouched, state)))
        if read.stale is Stale.NO:
            return Violation(Wrong.NOT_MARKED, read, "", proof, min(entries, key=lambda entry: entry.acknowledged))
        if state.never_stale:
            return Violation(Wrong.TOO_STALE, read, "its origin forbids all stale use", proof, entries[0])
        window_s = _window_s(read, state)
        now_s, _ = self._time.bounds(read.began, read.ended)
        for entry in entries:
            _, since_s = self._time.bounds(entry.sent, entry.acknowledged)
            if not window_s or now_s - since_s >= window_s + TOLERANCE_S:
                said = f"stale for {max(0.0, now_s - since_s):.3f} s at least, and {window_s:g} s are allowed"
                return Violation(Wrong.TOO_STALE, read, said, proof, entry)
        return None

    def _parts(self, read: Read, said: Sequence[Answer]) -> tuple[list[Answer], Answer, Answer]:
        """What brought the content, what vouched for it last, and whose fields it has; as far as that was said, else the most harmless."""
        answers = self.answers
        state = answers[read.state] if read.state else said[-1]
        brought = [answers[number] for number in read.content or ((read.brought,) if read.brought else ())] or [state]
        oldest = min(brought, key=_arrived)
        vouched = max(oldest, answers[read.vouched], key=_arrived) if read.vouched else oldest
        if read.validated:
            vouched = self._validation(read, oldest) or vouched
        return brought, vouched, state

    def _validation(self, read: Read, answer: Answer) -> Answer | None:
        """The 304 that came for this read; its fields need not be those that the client got."""
        found = self._vouched.get(answer.edition, [])
        at = bisect_right(found, read.ended, key=_arrived) - 1
        return found[at] if at >= 0 and found[at].arrived > read.began else None

    def _first_update(self, answer: Answer) -> Moment:
        """Until when does what it brought surely have its names?"""
        moments = self._updated.get(_updated_as(answer), ())
        at = bisect_right(moments, answer.answered)
        return moments[at] if at < len(moments) else NEVER

    def _went_back(self, read: Read) -> Violation | None:
        """No client sees new, old, new. What a client got before this read began was asked for by a request that began at `asked`."""
        if not (read.kept and read.whole and read.vouched and len(read.content) == 1):
            return None
        vouched = max(self.answers[read.vouched], self.answers[read.content[0]], key=_arrived)
        whose = (read.client, read.page, read.variant)
        newest = self._newest.get(whose)
        if newest is not None and vouched.arrived < newest.asked:
            return Violation(Wrong.BACKWARDS, read, "", (vouched, newest.answer), None, newest.read)
        if vouched.asked and (newest is None or vouched.asked > newest.asked):
            self._newest[whose] = _Seen(vouched.asked, read, vouched)
        return None


def check(events: Iterable[Event], bans: Mapping[str, BanMeaning] | None = None) -> Iterator[Violation]:
    """What must not have happened in a history. `events` in any order; each is taken when it ended."""
    checker = Checker(bans)
    for event in sorted(events, key=_ended):
        violation = checker.take(event)
        if violation is not None:
            yield violation


def _ended(event: Event) -> Moment:
    match event:
        case Answer():
            return event.answered
        case Invalidation():
            return event.acknowledged
        case Read():
            return event.ended
        case ClockMoving() | ClockKnown() | Restarted():
            return event.at
        case _:
            assert_never(event)


def _updated_as(answer: Answer) -> object:
    return answer.edition or (answer.page, answer.variant)


def _window_s(read: Read, state: Answer) -> float:
    """How long may a response be stale that is used on the grounds that this one names?"""
    match read.stale:
        case Stale.WHILE_REVALIDATE:
            return state.swr_s
        case Stale.IF_ERROR:
            return state.sie_s or 0.0
        case Stale.UNREACHABLE:
            return float("inf") if state.sie_s is None else state.sie_s
        case Stale.ASKED_FOR:
            return float("inf")
        case Stale.NO:
            return 0.0
        case _:
            assert_never(read.stale)


def _between(lines: Iterable[Line], after: Moment, before: Moment) -> Invalidation | None:
    """An entry of these that was sent after one moment and acknowledged before the other."""
    return next((entry for line in lines if (entry := line.between(after, before)) is not None), None)


def _arrived(answer: Answer) -> Moment:
    return answer.arrived
