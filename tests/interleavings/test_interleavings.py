"""Every order in which the steps of a few requests, invalidations, their origin, the sweeper and a crash can be taken, up to steps that
commute; each history is judged. With EDGECACHE_INTERLEAVINGS=deep also those that take minutes.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from interleavings import mutants
from interleavings.building import no_loop_runs
from interleavings.explorer import Found, explore
from interleavings.scenario import Origin, Purge, Scenario
from interleavings.scenarios import A_LEAVES, AT_ONCE, DEEP, RETAGGED, SCENARIOS, SOFT_TAG, SPLIT, SWR, TAG, URL, A, B, W
from interleavings.watching import in_place_of
from interleavings.world import World, replayed

IS_DEEP = os.environ.get("EDGECACHE_INTERLEAVINGS") == "deep"
BY_NAME = {scenario.name: scenario for scenario in [*SCENARIOS, *DEEP]}


def explored(scenario: Scenario, *, reduce: bool = True) -> tuple[Found, set[str]]:
    """All orders of a scenario, and what the runs came to."""
    crashes: dict[object, list[str]] = {}
    outcomes: set[str] = set()

    class Noted(World):
        def over(self) -> list[str]:
            wrong = super().over()
            outcomes.add(repr(self.outcome()))
            return wrong

    def make() -> World:
        world = Noted(scenario)
        world.crashes = crashes
        return world

    with no_loop_runs(scenario):
        return explore(make, reduce=reduce), outcomes


def told(found: Found) -> str:
    """What was wrong, each with the choices that lead there."""
    return "".join(f"\n{what}\n    " + "\n    ".join(choices) for what, choices in found.wrong)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_order(scenario, record_property):
    judge_every_order(scenario, record_property)


@pytest.mark.skipif(not IS_DEEP, reason="takes minutes: EDGECACHE_INTERLEAVINGS=deep")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("scenario", DEEP, ids=lambda scenario: scenario.name)
def test_every_order_of_more(scenario, record_property):
    judge_every_order(scenario, record_property)


def judge_every_order(scenario: Scenario, record_property: Callable[[str, object], None]) -> None:
    found, _ = explored(scenario)
    print(f"{scenario.name}: {found.orders} orders of up to {found.longest} steps, {found.steps} steps taken")
    record_property("orders", found.orders)
    assert not found.wrong, told(found)
    assert found.complete
    # Fewer than there were before: the scenario does not do any more what it was made for, or steps are taken to commute that do not.
    assert found.orders >= scenario.orders


# Small enough to take every single order: what the reduction leaves out comes to nothing else.
UNREDUCED = [
    Scenario("a purge and a soft purge", (A,), (URL, Purge("S", soft=True)), AT_ONCE),
    Scenario("a split answer and a purge", (A,), (URL,), SPLIT),
    Scenario("a dying origin", (A,), (URL,), Origin(deaths=1)),
    Scenario("a client that leaves", (A_LEAVES,), (URL,), AT_ONCE),
    Scenario("time", (A,), (Purge("P", soft=True),), SWR, W, passes_s=15),
]


UNREDUCED_DEEP = [
    Scenario("two clients", (A, B), (), AT_ONCE),
    Scenario("a validation", (A,), (TAG,), RETAGGED, W, 20),
    Scenario("a sweep", (A,), (SOFT_TAG,), SWR, W, sweeps=1),
    Scenario("a split answer and a client that leaves", (A_LEAVES,), (URL,), SPLIT),
]


@pytest.mark.parametrize("scenario", UNREDUCED + UNREDUCED_DEEP * IS_DEEP, ids=lambda scenario: scenario.name)
def test_orders_that_are_left_out_come_to_nothing_else(scenario):
    reduced, outcomes = explored(scenario)
    every, all_outcomes = explored(scenario, reduce=False)
    assert every.complete
    assert every.orders > 3 * reduced.orders
    assert outcomes == all_outcomes


NOTICED_IN = [
    (mutants.position_when_the_head_comes, "purge"),
    (mutants.joining_after_a_purge, "purge, split"),
    (mutants.followers_take_what_is_covered, "purge by tag"),
    (mutants.followers_take_what_is_covered, "soft purge by tag"),
    (mutants.followers_take_what_is_stale, "soft purge by tag with a window"),
    (mutants.a_304_is_not_judged, "validation"),
    (mutants.acknowledged_before_it_counts, "validation, URL"),
    (mutants.acknowledged_before_it_is_written, "disk, restarted"),
    (mutants.acknowledged_before_it_is_durable, "group commit of two"),
    (mutants.swept_before_rows_are_written, "disk, sweep"),
    (mutants.arriving_is_not_swept, "sweep, split"),
    (mutants.what_waiters_hold_is_not_judged, "sweep"),
    (mutants.what_is_asked_for_does_not_hold_the_log, "sweep, split"),
    (mutants.older_replaces_newer, "soft purge with a window"),
    (mutants.nobody_is_woken, "three clients"),
    (mutants.everyone_asks_for_himself, "purge by tag, three clients"),
    (mutants.a_torn_answer_is_stored, "dying origin, split"),
]


@pytest.mark.parametrize("mutant, name", NOTICED_IN, ids=lambda one: one if isinstance(one, str) else one.__name__)
def test_a_broken_edge_is_noticed(mutant, name):
    with in_place_of(*mutant()):
        found, _ = explored(BY_NAME[name])
    assert found.wrong


# What the explorer has found: the order that showed it, as it was found then. Choices that are not open any more are left out.
FOUND = {
    "the log forgot what one who waited for the head was about to ask it: he read along what had been purged": (
        "sweep",
        "start/store sweeper | A | A/origin: connects | A/fetch GET | P | B | A/origin: answers | start/store sweeper | A/fetch GET | "
        "start/store sweeper/timer | A/exchange | start/store sweeper | B/exchange",
    ),
    "what was soft purged by tag on its way was read along as fresh, where it could be served stale": (
        "soft purge by tag with a window",
        "A | A/origin: connects | A/fetch GET | P | B | A/origin: answers | A/fetch GET | B/exchange | A/exchange",
    ),
    "after a purge by tag each of those who waited asked the origin for himself": (
        "purge by tag, three clients",
        "A | B | C | A/origin: connects | A/fetch GET | P | A/origin: answers | A/fetch GET | B/exchange | C/exchange",
    ),
}


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_does_not_come_back(what):
    name, choices = FOUND[what]
    scenario = BY_NAME[name]
    with no_loop_runs(scenario):
        assert replayed(scenario, choices.split(" | ")) == []
