"""Log, sweeper and doors against a cache that looks at everything it holds for every entry, in any order of events.

What is stored comes by fetches that take their time, is freshened, is read from disk again, and swept in steps that anything can come
between; the clock goes back, the log reaches its limits, the edge starts anew with what the log file has. The model is never covered where
the real one is not, and as long as the log has forgotten nothing before its time they are the same.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from invalidationkit import reader, stored_at
from plainmodel import GatedStore, Name, Plain, Steps, again, means, name_of, pause, same, site_of, standing

from edgecache.caching.conclusion import Answer, Freshen, Keep
from edgecache.caching.freshness import Derived
from edgecache.caching.keeping import freshened, with_soft
from edgecache.caching.reasons import Reason
from edgecache.caching.stored import PLAIN_TERMS, Key, StoredResponse
from edgecache.caching.verdict import HardCovered, SoftCovered
from edgecache.clock import Clock
from edgecache.invalidation.bans import Ban, parse_ban
from edgecache.invalidation.doors import Call, Doors
from edgecache.invalidation.entry import Cause, Entry
from edgecache.invalidation.journal import Journal, Noted
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.logfile import LogFile, open_log
from edgecache.invalidation.selectors import (
    AllSelector,
    BanSelector,
    GroupSelector,
    HostSelector,
    KeySelector,
    PathSelector,
    PrefixSelector,
    Selector,
    TagSelector,
    UrlSelector,
)
from edgecache.invalidation.sweeping import StoreSweeper
from edgecache.semantics.message import ResponseHead, field

SEEDS = int(os.environ.get("EDGECACHE_TEST_SEEDS", "300"))  # tens of thousands run well
STEPS = 80

HOSTS = (b"h", b"g")
TARGETS = (b"/", b"/a", b"/a?x=1", b"/a/", b"/a/b", b"/ab")
KEYS = [Key(b"http", host, target) for host in HOSTS for target in TARGETS]
KEYS += [Key(b"https", b"h", b"/a"), Key(b"http", b"h", b"/a", b"\nx: 1")]
NAMES = ((), ("news",), ("front",), ("news", "front"))


def ban(text: str) -> Ban:
    found = parse_ban(text)
    assert isinstance(found, Ban)
    return found


BANS = tuple(map(ban, ('req.url ~ "^/a"', "req.http.host == g", "obj.tags == news", "obj.http.x == 2", "obj.age > 30s", "obj.ttl < 30s")))

PLACES = (b"", b"/", b"/a", b"/a/", b"/a/b")
UNSCOPED: tuple[Selector, ...] = (
    *(UrlSelector(host, target) for host in HOSTS for target in TARGETS),
    *map(KeySelector, KEYS),
    *(PathSelector(target, wildcard) for target in TARGETS for wildcard in (False, True)),
    *(PrefixSelector(host, path) for host in (b"", *HOSTS) for path in PLACES if host or path),
    *(each for each in (HostSelector(b"h"), HostSelector(b"g"), AllSelector()) for _ in range(4)),
    *(TagSelector(tag) for tag in ("news", "front") for _ in range(6)),
    *(GroupSelector(b"http", host, "scripts") for host in HOSTS for _ in range(4)),
    *(BanSelector(one) for one in BANS for _ in range(3)),
)
SELECTORS = [replace(each, site=site) for each in UNSCOPED for site in ("", "", "", "shop", "blog")]
FACTS = [
    {"tags": tags, "groups": groups, "fields": [field(b"X", value)]}
    for tags in NAMES
    for groups in ((), ("scripts",))
    for value in (b"1", b"2")
]


class MovedClock(Clock):
    """Stands where it was put."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return 0.0


@dataclass
class Asking:
    """A fetch whose head is not there; `about`: what it validates, and what the model knew of that as the real one selected it."""

    key: Key
    position: int
    start: int
    about: StoredResponse | None = None
    plain: Plain | None = None
    method: bytes = b"GET"


@dataclass
class Arriving:
    """A response whose content is under way."""

    real: StoredResponse
    plain: Plain


@dataclass
class Called:
    """A call at the doors: `truth` is how many stored responses there were that it was about, when it was appended."""

    steps: Steps
    noted: Noted
    truth: int
    selectors: tuple[Selector, ...]
    changes: int = 0  # in what was stored, since: who counts may come too late, or see what came later


class Invalidating(RuleBasedStateMachine):
    """One edge without sockets, and the model of what it may answer with."""

    @initialize(limit=st.sampled_from((3, 12, 1000)), limit_bans=st.sampled_from((2, 1000)), from_disk=st.booleans(), file=st.booleans())
    def begin(self, limit: int, limit_bans: int, from_disk: bool, file: bool) -> None:
        self.folder = tempfile.TemporaryDirectory() if file else None
        self.limits = (limit, limit_bans)
        self.store = GatedStore()
        self.store.from_disk = from_disk
        self.clock = MovedClock()
        self.entries: list[Entry] = []
        self.plain: dict[Name, Plain] = {}
        self.asking: list[Asking] = []
        self.arriving: list[Arriving] = []
        self.more_than_asked: set[Name] = set()  # covered for safety's sake, for a reason that is no purge
        self.start = 0
        self.calls: list[Called] = []
        self.journal = Journal(1000)
        self.file: LogFile | None = None
        self.dropped_before = False
        self._open()

    def _open(self) -> None:
        limit, limit_bans = self.limits
        self.log = InvalidationLog(limit, file_bytes=2000, limit_bans=limit_bans, site_of=site_of)
        if self.folder is not None:
            self.file, recovered = open_log(Path(self.folder.name) / "log")
            self.log.recover(recovered)
            self.log.write_to(self.file)
        self.sweep: Steps | None = None
        self.sweeper = StoreSweeper(
            self.log,
            self.store,
            self.journal,
            lambda: [one.real for one in self.arriving],
            lambda: 0.0,
            pause,
            delay_s=1.0,
            budget=0.1,
        )
        self.doors = Doors(self.log, self.store, self.clock, reader(("shop", "blog")), self.journal)

    def teardown(self) -> None:
        for one in self.calls:
            one.steps.abandon()
        if self.sweep is not None:
            self.sweep.abandon()
        if self.file is not None:
            self.file.close()
        if self.folder is not None:
            self.folder.cleanup()

    # invalidating

    @rule(
        chosen=st.lists(st.sampled_from(SELECTORS), min_size=1, max_size=3, unique=True),
        soft=st.booleans(),
        steps=st.sampled_from((0, 100)),
    )
    def invalidate(self, chosen: list[Selector], soft: bool, steps: int) -> None:
        now, first = self.clock.now(), self.log.head + 1
        there = [one for one in self.plain.values() if not one.gone]
        truth = sum(any(one.stored.position < first and means(each, one.stored, now) for each in chosen) for one in there)
        running = Steps(self.doors.call(Call("test", "", chosen, soft=soft)))
        running.step()
        assert self.log.head == first + len(chosen) - 1
        noted = self.journal.at(self.log.head)
        assert noted is not None
        self.calls.append(Called(running, noted, truth, tuple(chosen)))
        for number, selector in enumerate(chosen):
            entry = Entry(first + number, now, soft, selector, Cause.API)
            self.entries.append(entry)
            for one in (*self.plain.values(), *(each.plain for each in self.arriving)):
                one.apply(entry)
            for asking in self.asking:
                if asking.plain is not None:
                    asking.plain.apply(entry)
        if steps:
            running.finish()
            self._judge_call(self.calls[-1])

    @rule(which=st.integers(0, 99))
    def count(self, which: int) -> None:
        waiting = [one for one in self.calls if not one.steps.done]
        if waiting:
            chosen = waiting[which % len(waiting)]
            chosen.steps.finish()
            self._judge_call(chosen)

    def _judge_call(self, one: Called) -> None:
        matched = one.steps.result.matched
        if not all(isinstance(each, UrlSelector | KeySelector) for each in one.selectors):
            assert matched is None
        elif not one.changes and self._is_exact:
            assert matched == one.truth
        else:
            assert matched <= one.truth + one.changes

    @rule(seconds=st.sampled_from((-500, -20, 1, 40)))
    def move_clock(self, seconds: int) -> None:
        self.clock.at += seconds

    # fetching

    @rule(key=st.sampled_from(KEYS))
    def ask(self, key: Key) -> None:
        self._ask(Asking(key, self.log.head, self._next_start()))

    @rule(which=st.integers(0, 99), method=st.sampled_from((b"GET", b"HEAD")))
    def ask_about(self, which: int, method: bytes) -> None:
        there = [one for one in self.store.held.values() if standing(self.log, one) != "gone"]
        if there:
            chosen = there[which % len(there)]
            plain = self.plain.get(name_of(chosen))
            assert plain is not None
            self._ask(Asking(chosen.key, self.log.head, self._next_start(), chosen, plain, method))

    def _ask(self, asking: Asking) -> None:
        self.log.begin_asking(asking.position)
        self.asking.append(asking)

    def _next_start(self) -> int:
        self.start += 1
        return self.start

    @precondition(lambda self: self.asking)
    @rule(which=st.integers(0, 99), what=st.sampled_from(FACTS), fails=st.sampled_from((False, False, False, False, True)))
    def answer(self, which: int, what: dict[str, Any], fails: bool) -> None:
        asking = self.asking.pop(which % len(self.asking))
        if not fails and asking.about is not None:
            self._freshen(asking, what)
        elif not fails and not isinstance(self.log.verdict(asking.key, asking.position), HardCovered):
            what = {**what, "key": asking.key, "start": asking.start, "response_time": self.clock.now()}
            real = stored_at(asking.position, **what)
            plain = Plain(real)
            for entry in self.entries:
                plain.apply(entry)
            self.arriving.append(Arriving(real, plain))
        self.log.end_asking(asking.position)

    def _freshen(self, asking: Asking, what: dict[str, Any]) -> None:
        """A 304, or an answer to HEAD, as a lead takes it."""
        old, name = asking.about, name_of(asking.about)  # type: ignore[arg-type]
        assert old is not None
        assert asking.plain is not None
        verdict = self.log.judge(old)
        if asking.plain.gone:
            assert isinstance(verdict, HardCovered) or not same(self.store.held.get(name), old)
        if isinstance(verdict, HardCovered):
            return
        now = self.clock.now()
        plan = Freshen(
            stored=old,
            verdict=verdict,
            fields=what["fields"],
            vary=(),
            derived=Derived(old.lifetime_s, 0.0, Reason.MAX_AGE, PLAIN_TERMS),
            groups=what["groups"],
            tags=what["tags"],
            keep=Keep.UPDATED,
            raises_position=asking.method == b"GET",
            reason=Reason.VALIDATED,
        )
        new = freshened(plan, Answer(ResponseHead(304, b"", 1, []), now, now, 0.0), asking.position, asking.start)
        plain = Plain(new, [one for one in asking.plain.soft if one[0] > new.position])
        for entry in self.entries:
            plain.apply(entry)
        self.log.inherit(old, new)
        verdict = self.log.judge(new)
        if isinstance(verdict, HardCovered):
            if not plain.gone:
                assert self._may_be_careful or new.position < self.log.swept
            if self.store.discard(old):
                self.plain.pop(name, None)
                self._note_change()
            return
        if isinstance(verdict, SoftCovered):
            new = with_soft(new, verdict)
        if self.store.replace(old, new):
            self.plain[name] = plain
            self._note_change()
            if len(asking.plain.soft) > 1:
                self.more_than_asked.add(name)  # since when is one number: an older one counts on

    @precondition(lambda self: self.arriving)
    @rule(which=st.integers(0, 99))
    def complete(self, which: int) -> None:
        """All of the content is there, as a lead takes it."""
        arriving = self.arriving.pop(which % len(self.arriving))
        real = again(arriving.real)
        real.tested, real.standing = arriving.real.tested, arriving.real.standing
        verdict = self.log.judge(real)
        if isinstance(verdict, HardCovered):
            assert arriving.plain.gone or self._may_be_careful
            return
        assert not arriving.plain.gone
        if isinstance(verdict, SoftCovered):
            real = with_soft(real, verdict)
        name = name_of(real)
        if self.store.put(real):
            self._note_change()
            self.plain[name] = arriving.plain
            self.more_than_asked.discard(name)

    # the store

    @rule(which=st.integers(0, 99), evict=st.booleans())
    def read_again_or_evict(self, which: int, evict: bool) -> None:
        names = list(self.store.held)
        if not names:
            return
        name = names[which % len(names)]
        if evict:
            del self.store.held[name]
            self.plain.pop(name, None)
            self._note_change()
        else:
            self.store.held[name] = again(self.store.held[name])

    def _note_change(self) -> None:
        for one in self.calls:
            one.changes += 1

    # sweeping

    @rule(steps=st.sampled_from((1, 2, 5, 1000)))
    def sweep_some(self, steps: int) -> None:
        if self.sweep is None:
            self.sweep = Steps(self.sweeper.sweep())
        if self.store.held:
            self._note_change()
        for _ in range(steps):
            if self.sweep.step():
                self._swept(self.sweep.result)
                self.sweep = None
                return

    def _swept(self, target: int) -> None:
        log = self.log
        assert log.swept >= target
        for name, real in self.store.held.items():
            plain = self.plain.get(name)
            assert plain is not None or real.position >= target
            covering = [
                entry for entry in self.entries if real.position < entry.position <= target and means(entry.selector, real, entry.time)
            ]
            assert all(entry.soft for entry in covering), f"{real} is still there"
            if covering:
                assert real.soft_since is not None
        assert all(coverage.newest > log.swept for coverage in log._exact)
        assert all(one.position > log.swept for one in log.bans)
        for one in self.calls:
            if one.noted.at_least:
                assert one.noted.matched is not None
                assert one.noted.matched <= one.truth, f"{one.noted} has {one.truth}"
            elif one.noted.position is not None and one.noted.position <= target:
                assert one.noted.matched is not None

    @rule()
    def give_up_sweep(self) -> None:
        if self.sweep is not None:
            self.sweep.abandon()
            self.sweep = None

    # starting anew

    @precondition(lambda self: self.folder is not None)
    @rule()
    def restart(self) -> None:
        self.give_up_sweep()
        for one in self.calls:
            one.steps.abandon()
        self.calls = []
        self.journal = Journal(1000)
        self.asking, self.arriving = [], []
        assert self.file is not None
        self.file.close()
        self.dropped_before = self.dropped_before or self.log.dropped > 0
        self.store.held = {name: again(one) for name, one in self.store.held.items()}
        self._open()

    # what must hold

    @property
    def _is_exact(self) -> bool:
        return not self._may_be_careful and not self.more_than_asked

    @property
    def _may_be_careful(self) -> bool:
        """Were entries forgotten, or soft ones merged?"""
        soft: dict[Any, int] = {}
        for entry in self.entries:
            if entry.soft and not isinstance(entry.selector, BanSelector):
                soft[entry.selector] = soft.get(entry.selector, 0) + 1
        return self.dropped_before or self.log.dropped > 0 or max(soft.values(), default=0) > max(1, self.limits[0] // 4)

    @invariant()
    def covered_as_in_the_model(self) -> None:
        if not hasattr(self, "log"):
            return
        went_back = any(one.time > other.time for one, other in zip(self.entries, self.entries[1:], strict=False))
        for name in {*self.plain, *self.store.held}:
            plain, real = self.plain.get(name), self.store.held.get(name)
            was = "gone" if real is None else standing(self.log, again(real) if self.log.swept <= real.position else real)
            if plain is None or plain.gone:
                assert was == "gone", f"{name} is {was}"
            elif not plain.soft:
                assert was == "clean" or self._may_be_careful or name in self.more_than_asked, f"{name} is {was}"
            elif was != "gone":
                assert was != "clean", f"{name} is clean"
                # Of several soft entries the earliest time counts, which is that of the first unless the clock went back in between.
                assert was <= plain.soft[0][1] or went_back
                if self._is_exact and not went_back:
                    assert was == plain.soft[0][1]
            else:
                assert self._may_be_careful, f"{name} is gone"

    @invariant()
    def bounded(self) -> None:
        if hasattr(self, "log"):
            assert self.log.held <= self.limits[0]
            assert len(self.log.bans) <= self.limits[1]
            assert self.log.swept <= self.log.head
            assert self.log.dropped <= self.log.head


TestInvalidating = pytest.mark.timeout(600)(Invalidating.TestCase)
TestInvalidating.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


ACTS = {
    "ask": 12,
    "answer": 12,
    "complete": 10,
    "ask_about": 6,
    "invalidate": 12,
    "count": 3,
    "move_clock": 1,
    "read_again_or_evict": 4,
    "sweep_some": 12,
    "give_up_sweep": 1,
    "restart": 1,
}


class Run:
    """A long run of `Invalidating`, by chance: it gets further than Hypothesis, which for its part shows the shortest way to a failure."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.story: list[str] = []

    def run(self) -> None:
        chance, machine = self.random, Invalidating()
        machine.begin(chance.choice((3, 12, 1000)), chance.choice((2, 1000)), chance.random() < 0.5, chance.random() < 0.3)
        keys = chance.sample(KEYS, chance.choice((2, 5, len(KEYS))))
        selectors = chance.sample(SELECTORS, chance.choice((3, 10, len(SELECTORS))))
        try:
            for _ in range(STEPS):
                (act,) = chance.choices(list(ACTS), list(ACTS.values()))
                if (act in ("answer",) and not machine.asking) or (act == "complete" and not machine.arriving):
                    continue
                if act == "restart" and machine.folder is None:
                    continue
                arguments = self.arguments(act, keys, selectors)
                self.story.append(f"{act} {arguments}")
                getattr(machine, act)(**arguments)
                machine.covered_as_in_the_model()
                machine.bounded()
        except AssertionError as failure:
            raise AssertionError("\n".join([*self.story, str(failure)])) from failure
        finally:
            machine.teardown()

    def arguments(self, act: str, keys: list[Key], selectors: list[Selector]) -> dict[str, Any]:
        chance = self.random
        which = {"which": chance.randrange(100)}
        match act:
            case "ask":
                return {"key": chance.choice(keys)}
            case "answer":
                return {**which, "what": chance.choice(FACTS), "fails": chance.random() < 0.2}
            case "complete" | "count":
                return which
            case "ask_about":
                return {**which, "method": chance.choice((b"GET", b"HEAD"))}
            case "invalidate":
                chosen = list(dict.fromkeys(chance.choices(selectors, k=chance.choice((1, 1, 1, 3)))))
                return {"chosen": chosen, "soft": chance.random() < 0.6, "steps": chance.choice((0, 100))}
            case "move_clock":
                return {"seconds": chance.choice((-500, -20, 1, 40, 100, 500))}
            case "read_again_or_evict":
                return {**which, "evict": chance.random() < 0.3}
            case "sweep_some":
                return {"steps": chance.choice((1, 2, 5, 1000))}
            case _:
                return {}


@pytest.mark.parametrize("part", range(10))
def test_long_runs(part: int) -> None:
    for seed in range(part, SEEDS, 10):
        Run(seed).run()
