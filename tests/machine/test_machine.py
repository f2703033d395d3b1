"""The whole edge against the model, by state machines of hypothesis; and that they notice an edge that breaks a promise.

Hypothesis spends five of six examples on variations of one that it has tried, once it has seen ten of them. What is looked for here is rare
and needs variety, so there are many short runs, each from a seed of its own. The same seeds are always run, so the outcome is always the
same. EDGECACHE_MACHINE_S=600 goes on with further seeds for so many seconds; EDGECACHE_MACHINE_SEED=n runs that seed alone, and shrinks
what it finds, which takes minutes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.broken import BROKEN, HARD_TO_NOTICE, Break
from tests.machine.machine import EdgeMachine
from tests.machine.outcomes import Wrong

RUNS = 12
RUNS_TO_NOTICE = 60
SECONDS = float(os.environ.get("EDGECACHE_MACHINE_S", "0"))
SEED = os.environ.get("EDGECACHE_MACHINE_SEED")


def run(number: int, *, shrink: bool = False) -> None:
    """Ten examples from one seed. Raises what the first of them raises that fails."""
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    how = settings(
        max_examples=10,
        stateful_step_count=40,
        deadline=None,
        database=None,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    machine = type("EdgeMachine", (EdgeMachine,), {})
    run_state_machine_as_test(seed(number)(machine), settings=how)


def seeds() -> Iterator[int]:
    """Which runs are to be made."""
    if SEED is not None:
        yield int(SEED)
        return
    yield from range(RUNS)
    until = time.monotonic() + SECONDS
    for number in count(RUNS):
        if time.monotonic() >= until:
            return
        yield number


def first_wrong(numbers: Iterable[int], *, shrink: bool = False) -> str | None:
    """What the first run says that finds something, with its seed."""
    for number in numbers:
        try:
            run(number, shrink=shrink)
        except Wrong as wrong:
            notes = "\n".join(getattr(wrong, "__notes__", ()))
            return f"{wrong}\n{notes}\nEDGECACHE_MACHINE_SEED={number} finds it again and makes it short"
    return None


@pytest.mark.timeout(max(300, SECONDS + 120) if SEED is None else 1800)
def test_the_edge_does_what_the_model_says(capsys: pytest.CaptureFixture[str]) -> None:
    found = first_wrong(seeds(), shrink=SEED is not None)
    assert found is None, found
    assert "a defect in" not in capsys.readouterr().err


TO_NOTICE = BROKEN | HARD_TO_NOTICE if SECONDS else BROKEN


@pytest.mark.parametrize("break_it", TO_NOTICE.values(), ids=TO_NOTICE.keys())
def test_a_broken_promise_is_noticed(break_it: Break, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    break_it(monkeypatch)
    assert first_wrong(range(RUNS_TO_NOTICE)) is not None
    assert "a defect in" not in capsys.readouterr().err  # an edge that does not work at all would be noticed for that
