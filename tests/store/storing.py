"""A program for test_killed.py: for each line it reads it forks a process that stores responses until somebody kills it.

    in   FOLDER SEED POSITION     where, what the dice begin with, the first position
    out  pid N · open · begin KEY VARIANT POSITION|- · done COUNT     `done`: so many of the changes begun are written

Forked, because starting Python takes longer than most of what is to be interrupted.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys

import storekit

from edgecache.caching.stored import StoredResponse
from edgecache.clock import Clock
from edgecache.store.tiers import Store

KEYS = 8
VARIANTS = (storekit.PLAIN, storekit.GERMAN, storekit.FRENCH)
LENGTHS = (0, 500, 20_000, 40_000, 150_000, 1_500_000)  # in the row, in a file, and spooled to a file


async def keep_storing(folder: str, dice: random.Random, position: int) -> None:
    limits = storekit.limits(spool_memory_bytes=100_000)
    store = Store(
        folder, limits, Clock(), lambda sentence: print("said", sentence), lambda name, defect: print("defect", name, repr(defect))
    )
    await store.open()
    await store.use_log(storekit.LOG)
    print("open", flush=True)
    last: dict[tuple[int, int], StoredResponse] = {}
    count = 0
    while True:
        for _ in range(dice.randrange(1, 10)):
            position += 1
            count += 1
            number, variant = dice.randrange(KEYS), dice.randrange(len(VARIANTS))
            key, vary = storekit.key(number), VARIANTS[variant]
            one = last.get((number, variant))
            if one is not None and dice.random() < 0.2:
                print("begin", number, variant, "-", flush=True)
                store.discard(one)
                del last[number, variant]
                continue
            content = storekit.content(key, vary, position, 0, dice.choice(LENGTHS))
            spool = store.spool(storable=True)
            for begin in range(0, len(content), 65_536):
                spool.append(content[begin : begin + 65_536])
                await spool.room()
            spool.finish([])
            await spool.filed()
            print("begin", number, variant, position, flush=True)
            one = last[number, variant] = storekit.stored(key, position, 0, vary, body=spool.body())
            if dice.random() < 0.5:
                await store.load(key)  # else memory does not know what is there
            store.put(one)
        if dice.random() < 0.5:
            await store.settled()
            print("done", count, flush=True)


for line in sys.stdin:
    folder, seed, position = line.split()
    child = os.fork()
    if not child:
        print("pid", os.getpid(), flush=True)
        asyncio.run(keep_storing(folder, random.Random(int(seed)), int(position)))
    os.waitpid(child, 0)
    print("\nended", flush=True)  # the line before may have been cut
