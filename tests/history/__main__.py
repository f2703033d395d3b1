"""`python -m tests.history`: read, invalidate and kill for as long as it takes, and tell what went wrong; `make torture`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import randrange

from edgecache.lab.history.explained import explained, shortest
from tests.history.edges import Spawner
from tests.history.run import Outcome, Plan, run
from tests.history.switches import SWITCHES


def main() -> int:
    """0 when nothing was wrong; 1 with what was."""
    options = _options()
    plan = Plan(options.reads, options.kills, options.seed, options.violations, options.switch)
    print(
        f"{plan.reads} reads and {plan.kills} kills, --seed {plan.seed}" + (f", broken: {plan.switch}" if plan.switch else ""), flush=True
    )
    spawner = Spawner()
    try:
        with tempfile.TemporaryDirectory(prefix="edgecache-torture-") as folder:
            outcome = asyncio.run(run(plan, spawner, Path(folder), Progress(plan)))
    finally:
        spawner.close()
    return _tell(outcome)


class Progress:
    """Says how far it is: in one line that is written again on a terminal, in a line every few seconds elsewhere."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._began = time.monotonic()
        self._last = 0.0

    def __call__(self, tally: Counter[str]) -> None:
        now = time.monotonic()
        terminal = sys.stdout.isatty()
        if now - self._last < (0.2 if terminal else 10.0):
            return
        self._last = now
        passed_s = now - self._began
        reads, kills = tally["reads"], min(tally["kills"], self._plan.kills)
        left_s = (self._plan.reads - reads) * passed_s / max(reads, 1)
        line = (
            f"{reads:7d} of {self._plan.reads} reads, {kills:2d} of {self._plan.kills} kills, "
            f"{tally['hard']} hard and {tally['soft']} soft invalidations, {passed_s:.0f} s, about {left_s:.0f} s to go"
        )
        print(f"\r{line}\x1b[K" if terminal else line, end="" if terminal else "\n", flush=True)


def _tell(outcome: Outcome) -> int:
    if sys.stdout.isatty():
        print()
    for what, number in sorted(outcome.tally.items()):
        print(f"{number:8d}  {what}")
    defects = [line for line in outcome.said.splitlines() if "Traceback" in line or "defect" in line]
    for line in defects:
        print(line, file=sys.stderr)
    found = shortest(outcome.violations)
    if found is not None:
        kinds = Counter(violation.wrong.value for violation in outcome.violations)
        for what, number in kinds.items():
            print(f"{number} times {what}", file=sys.stderr)
        print(f"\nThe one with the shortest story: {explained(found)}", file=sys.stderr)
    elif not defects:
        print("nothing was served that an acknowledged invalidation covers")
    return 1 if found is not None or defects else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.history", description=__doc__)
    parser.add_argument("--reads", type=int, default=200_000, help="how many reads (default: 200000)")
    parser.add_argument("--kills", type=int, default=50, help="how often the edge is killed meanwhile (default: 50)")
    parser.add_argument("--seed", type=int, default=randrange(2**32), help="of what is left to chance; what happens when is not")
    parser.add_argument("--violations", type=int, default=1, help="go on until there are so many (default: 1)")
    parser.add_argument("--switch", default="", choices=["", *SWITCHES], help="break a guarantee, to see that it is noticed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
