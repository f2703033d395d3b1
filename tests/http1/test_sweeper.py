"""Deadlines: each is acted on once it has passed, whatever the others do then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from edgecache.http1.sweeper import INTERVAL_S, NEVER, Sweeper


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Watched:
    def __init__(self, deadline: float, act: Callable[[Watched], None] | None = None) -> None:
        self.deadline = deadline
        self.passed: list[float] = []
        self._act = act

    def deadline_passed(self, now: float) -> None:
        self.passed.append(now)
        self.deadline = NEVER
        if self._act is not None:
            self._act(self)


class Loop:
    """As much of a loop as the sweeper uses."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.defects: list[BaseException] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        timer = (delay, callback)
        self.timers.append(timer)
        loop = self

        class Handle:
            def cancel(self) -> None:
                loop.timers.remove(timer)

        return Handle()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.defects.append(context["exception"])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def sweeper(clock: Clock, loop: Loop) -> Sweeper:
    return Sweeper(loop, clock)  # type: ignore[arg-type]


def test_only_what_has_passed(sweeper: Sweeper, clock: Clock) -> None:
    early, now, late, never = watched = [Watched(99.9), Watched(100.0), Watched(100.1), Watched(NEVER)]
    for one in watched:
        sweeper.watch(one)
    sweeper.sweep()
    assert [one.passed for one in watched] == [[100.0], [], [], []]
    clock.now = 100.05
    sweeper.sweep()
    assert [one.passed for one in (early, now, late, never)] == [[100.0], [100.05], [], []]


def test_a_new_deadline_counts_again(sweeper: Sweeper, clock: Clock) -> None:
    def later(one: Watched) -> None:
        one.deadline = clock.now + 5

    watched = Watched(99, later)
    sweeper.watch(watched)
    for clock.now in (100, 104, 105, 105.5, 200):
        sweeper.sweep()
    assert watched.passed == [100, 105.5, 200]


def test_what_is_forgotten_is_left_alone(sweeper: Sweeper) -> None:
    watched = Watched(99)
    sweeper.watch(watched)
    sweeper.forget(watched)
    sweeper.forget(watched)
    sweeper.sweep()
    assert watched.passed == []


def test_acting_on_one_may_end_others(sweeper: Sweeper) -> None:
    """The two sides of a tunnel share a deadline, and the one that is acted on closes the other."""
    everyone: list[Watched] = []

    def end_the_others(one: Watched) -> None:
        for other in everyone:
            if other is not one:
                sweeper.forget(other)

    everyone += [Watched(99, end_the_others) for _ in range(5)]
    for one in everyone:
        sweeper.watch(one)
    sweeper.sweep()
    assert sum(len(one.passed) for one in everyone) == 1


def test_acting_on_one_may_put_others_off(sweeper: Sweeper) -> None:
    everyone: list[Watched] = []

    def put_the_others_off(one: Watched) -> None:
        for other in everyone:
            other.deadline = 101

    everyone += [Watched(99, put_the_others_off) for _ in range(5)]
    for one in everyone:
        sweeper.watch(one)
    sweeper.sweep()
    assert sum(len(one.passed) for one in everyone) == 1


def test_a_defect_in_one_takes_no_deadline_from_the_others(sweeper: Sweeper, loop: Loop) -> None:
    def fail(one: Watched) -> None:
        raise ValueError("x")

    everyone = [Watched(99, fail if number % 2 else None) for number in range(10)]
    for one in everyone:
        sweeper.watch(one)
    sweeper.run()
    assert [one.passed for one in everyone] == [[100.0]] * 10
    assert [str(defect) for defect in loop.defects] == ["x"] * 5
    assert [delay for delay, _ in loop.timers] == [INTERVAL_S]  # and it goes on


def test_runs_until_it_is_stopped(sweeper: Sweeper, loop: Loop, clock: Clock) -> None:
    watched = Watched(100.1)
    sweeper.watch(watched)
    sweeper.run()
    assert watched.passed == []
    for _ in range(3):
        clock.now += INTERVAL_S
        _, again = loop.timers.pop()
        again()
    assert watched.passed == [100.25]
    assert len(loop.timers) == 1
    sweeper.stop()
    sweeper.stop()
    assert loop.timers == []


def test_may_be_stopped_by_what_it_calls(sweeper: Sweeper, loop: Loop) -> None:
    sweeper.watch(Watched(99, lambda one: sweeper.stop()))
    sweeper.run()
    assert loop.timers == []


async def test_on_a_real_loop() -> None:
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    sweeper = Sweeper(loop, loop.time)
    sweeper.watch(Watched(loop.time() + 0.01, lambda one: passed.set_result(None)))
    sweeper.run()
    await asyncio.wait_for(passed, 5)
    sweeper.stop()
