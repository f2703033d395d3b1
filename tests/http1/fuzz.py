"""A long search for what the tests' few seconds do not find: `python -m tests.http1.fuzz [seconds] [seed]`, from the repository's root.

Each round makes a message, spoils it, compares the three parsers, and gives it to a connection in random pieces. What is found here becomes
a row in the tables of the tests.
"""

from __future__ import annotations

import asyncio
import collections
import sys
import time
from random import Random

from tests.http1.connections import findings_in_pieces
from tests.http1.differences import findings
from tests.http1.messages import request, response
from tests.http1.parsers import by_us


async def search(seconds: float, seed: int) -> int:
    """Search for so long; returns the number of findings, each of which was printed."""
    rng = Random(seed)
    until = time.monotonic() + seconds
    found = 0
    counts: collections.Counter[str] = collections.Counter()
    while time.monotonic() < until and found < 50:
        for _ in range(100):
            case = rng.choice((request, response))(rng)
            for finding in [*findings(case), *await findings_in_pieces(case, rng)]:
                found += 1
                print(finding)
            outcome = by_us(case)
            counts[outcome.end if outcome.taken else "no head"] += 1
    print(f"seed {seed}: {counts.total()} messages, {dict(counts)}: {found} findings")
    return found


if __name__ == "__main__":
    seconds, seed = [*map(int, sys.argv[1:]), *(60, 0)[len(sys.argv) - 1 :]]
    sys.exit(1 if asyncio.run(search(seconds, seed)) else 0)
