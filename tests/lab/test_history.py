"""The checker of histories against histories written by hand: what is wrong in each, or nothing. Times are in milliseconds."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from edgecache.lab.history.checker import Wrong, check
from edgecache.lab.history.coverage import BanMeaning, prefixes
from edgecache.lab.history.events import (
    Answer,
    AnswerKind,
    By,
    ClockKnown,
    ClockMoving,
    Event,
    Invalidation,
    Page,
    Read,
    Restarted,
    Selector,
    Stale,
)
from edgecache.lab.history.explained import explained, shortest

COVERED, NOT_MARKED, TOO_STALE, CROSSED = Wrong.COVERED, Wrong.NOT_MARKED, Wrong.TOO_STALE, Wrong.CROSSED
TORN, CUT, INVENTED, BACKWARDS = Wrong.TORN, Wrong.CUT, Wrong.INVENTED, Wrong.BACKWARDS
MS = 1_000_000
PAGE = Page("a.test", "/x/y?q", site="one")
OTHER = Page("a.test", "/z")
URL = Selector(By.URL, ("a.test", "/x/y?q"))
TAG = Selector(By.TAG, ("red",))
NEW_TAG = Selector(By.TAG, ("blue",))
BAN = Selector(By.BAN, ("obj.http.x-class == 1",))
BANS = {
    "obj.http.x-class == 1": BanMeaning(False, lambda page, answer: answer.told.get("x-class") == "1"),
    "req.url ~ ^/x": BanMeaning(True, lambda page, answer: page.target.startswith("/x")),
}


def answer(number: int, arrived: int, answered: int = 0, kind: AnswerKind = AnswerKind.WHOLE, tags: str = "red", **more: object) -> Answer:
    """An answer of edition 1 that has the tag red."""
    given = {"page": PAGE, "edition": 1, "tags": frozenset(tags.split()), **more}
    return Answer(number, kind, arrived=arrived * MS, answered=(answered or arrived + 1) * MS, **given)  # type: ignore[arg-type]


def vouch(number: int, arrived: int, answered: int = 0, **more: object) -> Answer:
    """A 304."""
    return answer(number, arrived, answered, AnswerKind.NOT_MODIFIED, **more)  # type: ignore[arg-type]


def hard(sent: int, acknowledged: int, *selectors: Selector) -> Invalidation:
    """A purge of the page, or of these."""
    return Invalidation(7, selectors or (URL,), sent * MS, acknowledged * MS, door="api")


def soft(sent: int, acknowledged: int, *selectors: Selector) -> Invalidation:
    """A soft purge of the page, or of these."""
    return replace(hard(sent, acknowledged, *selectors), soft=True)


def read(began: int, content: int = 1, vouched: int = 0, state: int = 0, **more: object) -> Read:
    """A read of what one answer brought and another one, perhaps, vouched for."""
    vouched = vouched or content
    given = {"content": (content,), "brought": content, "vouched": vouched, "state": state or vouched, "kept": True, **more}
    return Read(100, 1, PAGE, began * MS, (began + 1) * MS, **given)  # type: ignore[arg-type]


def stale(began: int) -> Read:
    """A read of answer 1 while that is refreshed."""
    return read(began, stale=Stale.WHILE_REVALIDATE)


def head(number: int, arrived: int, **more: object) -> Answer:
    """An answer to HEAD."""
    return answer(number, arrived, 0, AnswerKind.HEAD, **more)  # type: ignore[arg-type]


def part(number: int, arrived: int, **more: object) -> Answer:
    """Some of the content."""
    return answer(number, arrived, 0, AnswerKind.PART, **more)  # type: ignore[arg-type]


def moved(at: int, offset_s: float) -> list[Event]:
    """Somebody moves the clock within a millisecond."""
    return [ClockMoving(at * MS, offset_s), ClockKnown((at + 1) * MS, offset_s)]


def parts(began: int, *content: int) -> Read:
    """A read of what several answers brought."""
    return replace(read(began), content=content, brought=0, vouched=0, state=content[-1])


A = answer(1, 10)
SWR = answer(1, 10, swr_s=2.0)
BLUE_304 = vouch(2, 19, 26, tags="blue")
NEWER = answer(2, 20, asked=19 * MS)

HISTORIES: list[tuple[str, list[Event], Wrong | None]] = [
    # Hard entries.
    ("no invalidation", [A, read(20)], None),
    ("a read after the acknowledgement", [A, hard(20, 25), read(30)], COVERED),
    ("a read that began before it", [A, hard(20, 25), read(24)], None),
    ("asked before the purge was sent, and answered after it", [answer(1, 19, 40), hard(20, 25), read(41)], COVERED),
    ("the origin was asked after it was sent: nobody can tell which was first", [answer(1, 21, 40), hard(20, 25), read(41)], None),
    ("a purge of something else", [A, hard(20, 25, Selector(By.URL, ("a.test", "/z"))), read(30)], None),
    ("the second of two in one entry", [A, hard(20, 25, Selector(By.HOST, ("b.test",)), URL), read(30)], COVERED),
    ("a purge for another site", [A, hard(20, 25, Selector(By.ALL, (), "two")), read(30)], None),
    ("a purge for its site", [A, hard(20, 25, Selector(By.ALL, (), "one")), read(30)], COVERED),
    ("an earlier purge that was acknowledged late", [A, hard(20, 25), hard(5, 28), read(30)], COVERED),
    ("cut off, but what came is covered", [replace(A, broken_off=True), hard(20, 25), read(30, whole=False)], COVERED),
    ("after a restart", [A, hard(20, 25), Restarted(27 * MS), read(30)], COVERED),
    ("a HEAD, of which only the fields are known", [A, hard(20, 25), replace(read(30), content=())], COVERED),
    # … and 304s.
    ("nobody can vouch for what was purged", [A, hard(20, 25), vouch(2, 40), read(50, vouched=2)], COVERED),
    ("vouched for and then purged", [A, vouch(2, 15), hard(20, 25), read(50, vouched=2)], COVERED),
    # … by what answers say of themselves.
    ("by tag", [A, hard(20, 25, TAG), read(30)], COVERED),
    ("by a tag that it has not", [A, hard(20, 25, NEW_TAG), read(30)], None),
    ("by its old tag, while a 304 with another comes", [A, hard(20, 25, TAG), BLUE_304, read(30, vouched=2)], COVERED),
    ("by its old tag, which a 304 has taken away perhaps", [A, vouch(2, 15, tags="blue"), hard(20, 25, TAG), read(30, vouched=2)], None),
    ("by its new tag, while the 304 comes", [A, hard(20, 25, NEW_TAG), BLUE_304, read(30, vouched=2)], COVERED),
    ("by its new tag, before the origin gave it that", [A, hard(20, 25, NEW_TAG), vouch(2, 26, tags="blue"), read(30, vouched=2)], None),
    ("by a tag that an answer to HEAD gave it", [A, head(2, 15, tags="blue"), hard(20, 25, NEW_TAG), read(30, state=2)], COVERED),
    ("by a tag that an answer to HEAD gave it later", [A, hard(20, 25, NEW_TAG), head(2, 26, tags="blue"), read(30, state=2)], None),
    ("a ban on a field", [replace(A, told={"x-class": "1"}), hard(20, 25, BAN), read(30)], COVERED),
    ("a ban on a field that is another now", [replace(A, told={"x-class": "2"}), hard(20, 25, BAN), read(30)], None),
    (
        "a ban on the URL, whatever a 304 said",
        [A, hard(20, 25, Selector(By.BAN, ("req.url ~ ^/x",))), vouch(2, 19, 26), read(30, vouched=2)],
        COVERED,
    ),
    # Parts: all of them count.
    ("two parts, one of them covered", [part(1, 10), hard(20, 25), part(2, 30), parts(40, 1, 2)], COVERED),
    ("two parts, neither covered", [hard(2, 5), part(1, 10), part(2, 30), parts(40, 1, 2)], None),
    ("two parts, the tag of one of them purged", [part(1, 10), hard(20, 25, TAG), part(2, 30, tags="blue"), parts(40, 1, 2)], COVERED),
    # Soft entries.
    ("soft, and served as fresh", [SWR, soft(20, 25), read(30)], NOT_MARKED),
    ("soft, and marked as stale", [SWR, soft(20, 25), stale(30)], None),
    ("soft, and marked as stale without a window", [A, soft(20, 25), stale(30)], TOO_STALE),
    ("soft, and marked as stale for too long", [SWR, soft(20, 25), stale(2125)], TOO_STALE),
    ("soft, and marked as stale just in time", [SWR, soft(20, 25), stale(2015)], None),
    ("a second soft entry extends no window", [SWR, soft(20, 25), soft(1000, 1001), stale(2125)], TOO_STALE),
    ("soft, and vouched for since", [SWR, soft(20, 25), vouch(2, 30), read(40, vouched=2)], None),
    ("vouched for, and soft since", [SWR, vouch(2, 15), soft(20, 25), read(40, vouched=2)], NOT_MARKED),
    ("soft by its old tag, while a 304 with another comes", [A, soft(20, 25, TAG), BLUE_304, read(30, vouched=2)], NOT_MARKED),
    (
        "soft, and the origin vouched for it meanwhile",
        [A, soft(20, 25), vouch(2, 31), replace(read(30), ended=33 * MS, validated=True)],
        None,
    ),
    ("the same, and the origin was never asked", [A, soft(20, 25), replace(read(30), validated=True)], NOT_MARKED),
    ("soft, forbidden to be stale", [replace(SWR, never_stale=True), soft(20, 25), stale(30)], TOO_STALE),
    ("soft, the origin is dead and nothing limits it", [A, soft(20, 25), read(90_000, stale=Stale.UNREACHABLE)], None),
    ("soft, the origin is dead, too long", [replace(A, sie_s=5.0), soft(20, 25), read(90_000, stale=Stale.UNREACHABLE)], TOO_STALE),
    ("soft, the origin fails, and nothing was said of that", [A, soft(20, 25), read(30, stale=Stale.IF_ERROR)], TOO_STALE),
    ("soft, and the client wants it so", [A, soft(20, 25), read(30, stale=Stale.ASKED_FOR)], None),
    ("hard and then soft", [SWR, hard(15, 18), soft(20, 25), stale(30)], COVERED),
    # The clock.
    ("the clock was moved beyond the window", [SWR, soft(20, 25), *moved(26, 60.0), stale(30)], TOO_STALE),
    ("the clock is being moved beyond the window, perhaps", [SWR, soft(20, 25), ClockMoving(26 * MS, 60.0), stale(30)], None),
    ("the clock was moved before", [SWR, *moved(5, 60.0), soft(20, 25), stale(30)], None),
    ("a clock that was moved back makes everything stale", [A, soft(20, 25, Selector(By.ALL)), read(30)], NOT_MARKED),
    # Whose it is.
    ("of another URL", [replace(A, page=OTHER), read(30)], CROSSED),
    ("of another key of the URL", [replace(A, page=replace(PAGE, extra="de")), read(30)], CROSSED),
    ("of another variant", [replace(A, variant="red"), replace(read(30), variant="blue")], CROSSED),
    ("for another user", [replace(A, user="ann"), replace(read(30), user="bob")], CROSSED),
    ("for one user, and for nobody in particular", [replace(A, user="ann"), read(30)], CROSSED),
    ("for everybody, and got by a user", [A, replace(read(30), user="ann")], None),
    ("of two editions", [part(1, 10), part(2, 11, edition=2), parts(30, 1, 2)], CROSSED),
    ("with the entity tag of another edition", [A, replace(read(30), edition=2)], CROSSED),
    ("fields of another one, where nothing names editions", [answer(1, 10, edition=0), head(2, 12, edition=0), read(30, state=2)], None),
    ("with the fields of another answer", [A, answer(2, 12), replace(read(30), brought=2, vouched=2, state=2)], CROSSED),
    # Whole or not.
    ("wrong bytes", [A, replace(read(30), flaw="wrong bytes")], TORN),
    ("what never was", [A, read(30, content=5)], INVENTED),
    ("broken off, and a clean end", [replace(A, broken_off=True), read(30)], TORN),
    ("broken off, and cut off", [replace(A, broken_off=True), read(30, whole=False)], None),
    ("cut off for no reason", [A, read(30, whole=False)], CUT),
    ("cut off by the end of the edge", [A, read(30, whole=False, excused=True)], None),
    ("no answer at all", [Read(100, 1, PAGE, 30 * MS, 31 * MS, whole=False)], CUT),
    (
        "an error of the origin",
        [Answer(1, AnswerKind.ERROR, PAGE, 0, 10 * MS, 11 * MS), Read(100, 1, PAGE, 9 * MS, 31 * MS, state=1)],
        None,
    ),
    # New, old.
    ("the older one after the newer", [A, NEWER, read(30, content=2), read(40)], BACKWARDS),
    ("nobody knows who asked for the newer one", [A, answer(2, 20), read(30, content=2), read(40)], None),
    (
        "they overlapped, and may have been sent in the other order",
        [answer(1, 19), answer(2, 20, asked=15 * MS), read(30, content=2), read(40)],
        None,
    ),
    ("the older one, vouched for since", [A, NEWER, read(30, content=2), vouch(3, 35), read(40, vouched=3)], None),
    ("another client", [A, NEWER, read(30, content=2), replace(read(40), client=2)], None),
    ("the newer one was not kept", [A, NEWER, read(30, content=2, kept=False), read(40)], None),
    ("the edge was ended in between", [A, NEWER, read(30, content=2), Restarted(35 * MS), read(40)], None),
]


@pytest.mark.parametrize("events, wrong", [pytest.param(events, wrong, id=title) for title, events, wrong in HISTORIES])
def test_what_is_wrong_in_a_history(events, wrong):
    found = [violation.wrong for violation in check(events, BANS)]
    assert found == ([] if wrong is None else [wrong])


@pytest.mark.parametrize("events", [events for _, events, _ in HISTORIES])
def test_the_order_in_which_events_are_given_does_not_matter(events):
    shuffled = Random(1).sample(events, len(events))
    assert list(check(shuffled, BANS)) == list(check(events, BANS))


@pytest.mark.parametrize(
    "selector, covers",
    [
        (Selector(By.ALL), True),
        (Selector(By.HOST, ("a.test",)), True),
        (Selector(By.HOST, ("b.test",)), False),
        (Selector(By.KEY, ("a.test", "/x/y?q", "")), True),
        (Selector(By.KEY, ("a.test", "/x/y?q", "de")), False),
        (Selector(By.PATH, ("/x/y?q",)), True),
        (Selector(By.PATH, ("/x/y",)), False),
        (Selector(By.BELOW, ("/x/y",)), True),
        (Selector(By.BELOW, ("/x/y?q",)), True),
        (Selector(By.BELOW, ("/x/y?q=",)), False),
        (Selector(By.PREFIX, ("a.test", "/x")), True),
        (Selector(By.PREFIX, ("", "/x/")), True),
        (Selector(By.PREFIX, ("", "/x/y")), True),
        (Selector(By.PREFIX, ("a.test", "")), True),
        (Selector(By.PREFIX, ("b.test", "/x")), False),
        (Selector(By.PREFIX, ("", "/x/y/")), False),
        (Selector(By.PREFIX, ("", "/")), True),
        (Selector(By.GROUP, ("a.test", "g")), True),
        (Selector(By.GROUP, ("b.test", "g")), False),
        (Selector(By.TAG, ("red",)), True),
        (Selector(By.TAG, ("re",)), False),
    ],
)
def test_what_a_selector_covers(selector, covers):
    history = [replace(A, groups=frozenset({"g"})), hard(20, 25, selector), read(30)]
    assert bool(list(check(history))) is covers


def test_prefixes_are_whole_segments():
    assert prefixes("/a/bc") == ["", "/", "/a", "/a/", "/a/bc"]
    assert prefixes("/a/") == ["", "/", "/a", "/a/"]
    assert prefixes("/") == ["", "/"]


def test_a_violation_is_told_by_the_events_that_prove_it():
    events = [answer(1, 10, 22), answer(2, 11, page=OTHER, edition=3), hard(3, 4), hard(20, 25, TAG), replace(read(30), head="200 hit")]
    (violation,) = check(events)
    assert explained(violation).splitlines() == [
        "a read after the acknowledgement of a hard entry got what that covers",
        "       0.000 ms  the origin is asked for answer 1 (content, edition 1, http://a.test/x/y?q, tags red)",
        "      10.000 ms  invalidation 7 is sent: hard, tag red (api)",
        "      12.000 ms  the origin sends answer 1",
        "      15.000 ms  invalidation 7 is acknowledged",
        "      20.000 ms  client 1 asks for http://a.test/x/y?q (read 100)",
        "      21.000 ms  client 1 has got content of 1: 200 hit",
    ]


def test_a_step_back_is_told_with_both_reads():
    (violation,) = check([A, NEWER, read(30, content=2), read(40)])
    told = explained(violation).splitlines()
    assert told[0] == "a client got what is older than what it got before"
    assert told[-2:] == [
        "      30.000 ms  client 1 asks for http://a.test/x/y?q (read 100)",
        "      31.000 ms  client 1 has got content of 1",
    ]


def test_of_several_violations_the_one_with_the_shortest_story_is_told():
    long = [A, hard(20, 25), read(400)]
    short = [
        replace(one, page=OTHER) if isinstance(one, Answer | Read) else one for one in (answer(2, 500), replace(read(520), content=(2,)))
    ]
    found = list(check([*long, *short, hard(505, 506, Selector(By.ALL)), replace(short[1], brought=2, vouched=2, state=2)]))
    assert len(found) >= 2
    shown = shortest(found)
    assert shown is not None
    assert shown.read.began == 520 * MS
    assert shortest([]) is None
