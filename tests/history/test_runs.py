"""The edge under clients that read and invalidate at once, killed again and again: nothing that an acknowledged invalidation covers is
served. And the same with one guarantee broken: that is noticed.

`make torture` does more of it.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import randrange

import pytest

from edgecache.lab.history.events import By
from edgecache.lab.history.explained import explained, shortest
from tests.history.edges import Spawner
from tests.history.run import Outcome, Plan, run
from tests.history.switches import SWITCHES

READS = 8_000
KILLS = 5
MOST_READS = (
    200_000  # within which a broken guarantee is noticed; most often it takes a few hundred, on a machine with nothing else to do more
)


@pytest.fixture(scope="module")
def spawner():
    one = Spawner()
    yield one
    one.close()


def told(outcome: Outcome) -> str:
    """The violation that is told in the fewest words."""
    found = shortest(outcome.violations)
    return "" if found is None else explained(found)


async def test_no_client_gets_what_was_invalidated_before_it_asked(spawner: Spawner, tmp_path: Path) -> None:
    seed = int(os.environ.get("EDGECACHE_SEED") or randrange(2**32))
    print(f"EDGECACHE_SEED={seed}")  # shown when it fails
    outcome = await run(Plan(READS, KILLS, seed), spawner, tmp_path)
    tally = outcome.tally
    print(tally)
    assert told(outcome) == ""
    assert "Traceback" not in outcome.said
    assert "defect" not in outcome.said
    # What did not happen was not tested.
    assert tally["hits"] > READS / 5
    assert tally["kills"] == KILLS + 1
    assert tally["clock moves"] > 5
    for what in ("collapsed", "marked stale", "vouched for by a 304", "hard", "soft", "status 206", "status 304", "status 503"):
        assert tally[what] > 50, what
    assert all(tally[f"by {one.value}"] for one in By), tally
    assert all(tally[f"by method {method}"] for method in ("PURGE", "SOFTPURGE", "BAN", "PURGEKEYS", "PURGETAGS", "REFRESH")), tally


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", list(SWITCHES))
async def test_a_broken_guarantee_is_noticed(name: str, spawner: Spawner, tmp_path: Path) -> None:
    switch = SWITCHES[name]
    outcome = await run(Plan(MOST_READS, switch.kills, 1, switch=name, clock_every=switch.clock_every), spawner, tmp_path)
    assert "Traceback" not in outcome.said
    assert any(violation.wrong in switch.noticed_as for violation in outcome.violations), told(outcome)
