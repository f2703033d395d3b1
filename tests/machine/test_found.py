"""What the machine found. What is still open is expected to fail, and says so when it does not any more; the machine passes over some of it
(EdgeMachine.pass_time, invalidate), which is then to be taken out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.machine.drawing import URLS
from tests.machine.machine import EdgeMachine
from tests.machine.messages import Asked
from tests.machine.world import Page, Terms, Written

A, B, _ = URLS


@pytest.fixture
def machine() -> Iterator[EdgeMachine]:
    machine = EdgeMachine()
    machine.passes_over = False
    yield machine
    machine.teardown()


def begin(machine: EdgeMachine, terms: Terms) -> None:
    """One page, stored under these terms."""
    machine.first_pages((Page(), Page(), Page()), (terms, Terms(), Terms()))
    machine.ask(Asked("GET", *A))


def validating_head(machine: EdgeMachine) -> None:
    machine.ask(Asked("HEAD", *A, (("cache-control", "no-cache"),)))


def test_head_brings_a_group_that_was_purged(machine: EdgeMachine) -> None:
    """A hard entry for a group that a response has only since an update covers it as any other does; the old response was used on."""
    begin(machine, Terms("max-age=60"))
    machine.write(B, "POST", Written(404, terms=Terms(invalidates='"h"')), (), changes=False, trouble="")
    machine.change(A, None, Terms("max-age=60", groups='"h"'))
    validating_head(machine)
    machine.get(A, (), ())


def test_head_brings_a_tag_after_a_sweep(machine: EdgeMachine) -> None:
    """The update was lost, and no purge of the tag found the response that was used on."""
    begin(machine, Terms("max-age=60"))
    machine.invalidate(("url", *B), "hard", then_sweep=True)
    machine.change(A, None, Terms("max-age=60", tags="t"))
    validating_head(machine)
    machine.invalidate(("tag", "t"), "hard", then_sweep=False)
    machine.get(A, (), ())


def test_a_purge_of_everything_does_not_match_what_was_purged_before(machine: EdgeMachine) -> None:
    """It forgot the entries before it, and counted what they had covered."""
    begin(machine, Terms("max-age=60"))
    machine.invalidate(("url", *A), "PURGE", then_sweep=False)
    machine.invalidate(("all",), "hard", then_sweep=False)


def test_a_refresh_does_not_go_by_pragma_beside_cache_control(machine: EdgeMachine) -> None:
    """RFC 9111 5.4: Pragma counts only where there is no Cache-Control. Here an error takes the place of what could still stand in."""
    begin(machine, Terms("max-age=10, stale-while-revalidate=60"))
    machine.pass_time(20, "")
    machine.ask(Asked("GET", *A, (("cache-control", "max-stale"), ("pragma", "no-cache"))), "fails for a minute")


def test_a_soft_purge_opens_no_window_that_a_clock_moved_back_has_closed(machine: EdgeMachine) -> None:
    """What counts is the first soft entry, and its time has not come yet. It does count when somebody looked at the response in between."""
    begin(machine, Terms("max-age=10, stale-while-revalidate=100"))
    machine.kit.pass_time(50)
    machine.model.invalidate("all", soft=True, at=machine.kit.clock.now())
    machine.control("/api/v1/clock", {"advance": "-30s"})
    machine.invalidate(("url", *A), "soft", then_sweep=False)
    machine.get(A, (), ())
