"""kill -9 at any moment: what is there afterwards is whole, and is what had been written last or something that came after it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import storekit

from edgecache.caching.stored import StoredResponse
from edgecache.store.row import INLINE_BYTES

KILLS = 50
KEYS, VARIANTS = 8, (storekit.PLAIN, storekit.GERMAN, storekit.FRENCH)  # as in storing.py


async def test_what_is_there_after_a_kill_is_what_was_stored(process, open_store, tmp_path):
    dice = random.Random(9)
    path = os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parents[1])])
    storing = process(
        sys.executable,
        str(Path(__file__).with_name("storing.py")),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    # For each variant, positions that may be found: what was written last, and all that was begun since. None: nothing.
    possible: dict[tuple[int, int], set[int | None]] = {(number, variant): {None} for number in range(KEYS) for variant in range(3)}
    found_in_all = torn_off = 0
    for kill in range(KILLS):
        storing.stdin.write(f"{tmp_path / 'store'} {kill} {kill * 1_000_000}\n")
        storing.stdin.flush()
        pid = int(storing.stdout.readline().split()[1])
        before_open = kill % 10 == 9
        if not before_open:
            assert storing.stdout.readline() == "open\n"
        time.sleep(dice.random() ** 2 * (0.05 if before_open else 0.3))
        os.kill(pid, signal.SIGKILL)
        begun: list[tuple[int, int, int | None]] = []
        written = 0
        while (line := storing.stdout.readline()) != "ended\n":
            match line.split():
                case ["begin", number, variant, position] if line.endswith("\n"):
                    begun.append((int(number), int(variant), None if position == "-" else int(position)))
                case ["done", count]:
                    written = int(count)
                case ["said" | "defect", *_]:
                    raise AssertionError(line)
        torn_off += len(begun) - written
        for number, variant, position in begun[:written]:
            possible[number, variant] = {position}
        for number, variant, position in begun[written:]:
            possible[number, variant].add(position)

        store = await open_store()
        files = 0
        for (number, variant), positions in possible.items():
            found = [one for one in await store.load(storekit.key(number)) if one.vary == VARIANTS[variant]]
            position = await whole(found)
            assert position in positions
            possible[number, variant] = {position}
            found_in_all += len(found)
            files += any(one.body.length > INLINE_BYTES for one in found)
        for _ in range(3):
            await store.settled()
        assert len(list((tmp_path / "store").glob("kept-*/bodies/*/*"))) == files
        await store.close()
        assert store.said == []
    assert found_in_all > 10 * KILLS
    assert torn_off > KILLS


async def whole(found: list[StoredResponse]) -> int | None:
    """The position of what was found, each byte of which is what it was made of; None when nothing was."""
    for one in found:
        assert await storekit.is_whole(one)
        return one.position
    return None
