"""The store: a memory tier over a disk tier, or the memory tier alone.

Every change is made in memory at once and written behind it, in order. What is asked for is answered from memory when memory knows all
that is stored for the key, or knows that nothing is; else the key has to be loaded. It is loaded behind the changes of the key that are not
written yet, and later ones are laid over what is found, so that nobody reads the past.

Known is a key from when it was loaded until one of its responses has to leave the memory tier.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

import msgspec

from edgecache.caching.stored import Key, StoredResponse, Variant
from edgecache.clock import Clock
from edgecache.store import changes
from edgecache.store.body import BrokenStored, FileBody, MemoryBody
from edgecache.store.changes import Change, Load
from edgecache.store.database import Meta
from edgecache.store.disk import DiskParts, DiskTier, Written
from edgecache.store.files import Files, Shelf
from edgecache.store.folder import Folder
from edgecache.store.keeper import Keeper, KeeperParts
from edgecache.store.memory import MemoryStore, Name, age_order
from edgecache.store.queues import Queues
from edgecache.store.row import NAMES_FROM, TagsOf, same
from edgecache.store.spool import Spool, SpoolFiles
from edgecache.store.trouble import Say, Teller, Trouble, kind_of
from edgecache.store.workers import Report, Workers

T = TypeVar("T")

READERS = 4  # threads
NOTHING_KNOWN = 32_768  # keys for which nothing is stored that are remembered
PROMOTED_BYTES = 1024 * 1024  # content up to here is taken into memory when its response is loaded
PROMOTIONS = 16  # at once
MOST_UNWRITTEN = 10_000  # changes; beyond them the disk is given up until it has caught up
WALK_BUDGET_S = 0.002
WALK_ROWS = 64
COUNTED_AT_ONCE = 200  # URLs


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """memory_bytes        for stored responses in memory
    disk_bytes          for stored responses in the folder, content and all
    variants            responses of one key
    object_bytes        content of one stored response
    buffer_bytes        how far a fetch may be ahead of its slowest reader when its content is not stored
    spool_memory_bytes  content of one arriving response in memory; the rest goes to a file, if there is a folder
    backlog_bytes       stored responses that wait to be written; beyond it they are kept in memory only
    """

    memory_bytes: int
    disk_bytes: int
    variants: int
    object_bytes: int
    buffer_bytes: int
    spool_memory_bytes: int
    backlog_bytes: int


class Store:
    """Keeps the responses of one edge. `open`, then `use_log`, then all the rest; `close` at the end.

    folder  where on disk; None: in memory only
    memory  the memory tier
    disk    the disk tier, or None
    loaded, disk_evicted   responses that came from disk, or had to make room there, since the start
    """

    def __init__(
        self,
        folder: str | None,
        limits: StoreLimits,
        clock: Clock,
        say: Say,
        report: Report,
        files: Files | None = None,
        tags_of: TagsOf = lambda fields: (),
    ) -> None:
        self.folder = folder
        self.limits = limits
        self.memory = MemoryStore(limits.memory_bytes, limits.variants, self._evicted_from_memory)
        self.disk: DiskTier | None = None
        self.loaded = 0
        self.disk_evicted = 0
        self._clock = clock
        self._say = say
        self._report = report
        self._files = files or Files()
        self._tags_of = tags_of  # of what is read from disk, by the profile in force; without it that has none
        self._spool_files: SpoolFiles | None = None
        self._partial: set[Key] = set()  # keys of which memory holds some responses and not all
        self._nothing: OrderedDict[int, None] = OrderedDict()  # keys, by their hash, for which nothing is stored
        self._only_here: set[Name] = set()  # what is in memory and could not be written
        self._unwritten: dict[Key, list[Change]] = {}
        self._backlog_bytes = 0
        self._waiting = 0  # changes that the writer has not made yet
        self._overrun = False  # too many of them: no more are written, and what is on disk goes
        self._clearing = 0
        self._loads: dict[Key, Load] = {}
        self._promotions = 0

    # Life.

    async def open(self) -> Meta:
        """Take the folder; what it holds beside responses is the answer. Raises FolderError with a sentence for who started the edge."""
        if self.folder is None:
            return Meta()
        loop = asyncio.get_running_loop()
        limits, files = self.limits, self._files
        teller = self._teller = Teller(self.folder, lambda sentence: _on_loop(loop, partial(self._say, sentence)))
        writer = self._writer = Workers("store-writer", 1, self._report, lambda: keeper.close())
        readers = self._readers = Workers("store-reader", READERS, self._report, lambda: keeper.leave())
        shelf, queues = Shelf(self.folder, files, writer.post), Queues(limits.disk_bytes)
        keeper = self._keeper = Keeper(
            KeeperParts(
                Folder(self.folder, files),
                shelf,
                writer,
                readers,
                teller,
                queues,
                self._clock.monotonic,
                lost=lambda generation: writer.tell_loop(partial(self._disk_lost, generation)),
            )
        )
        self.disk = DiskTier(
            DiskParts(
                keeper,
                queues,
                shelf,
                writer,
                readers,
                teller,
                limit_bytes=limits.disk_bytes,
                variants=limits.variants,
                tags_of=self._tags_of,
                uses=self._uses,
                evicted=lambda gone: writer.tell_loop(lambda: self._evicted_from_disk(gone)),
            )
        )
        self._spool_files = SpoolFiles(shelf, writer, readers, limits.spool_memory_bytes, self._not_filed)
        try:
            return await writer.call(keeper.open)
        except BaseException:
            await self.close()
            raise

    async def use_log(self, log_id: bytes) -> None:
        """Positions are those of the log with this id. What was stored with another one's does not exist."""
        if self.disk is not None:
            await self._writer.call(lambda: self._keeper.use_log(log_id))
            self._writer.post(self.disk.tidy)

    async def close(self) -> None:
        """Write what is waiting, and give the folder back."""
        if self.disk is not None:
            self.disk = None
            self._spool_files = None
            self._keeper.ending = True
            await self._readers.stop()
            await self._writer.stop()

    async def settled(self) -> None:
        """Return when all that was changed so far is written."""
        if self.disk is not None:
            await self._writer.call(lambda: None)

    # What is stored.

    def candidates(self, key: Key) -> Sequence[StoredResponse] | None:
        """What is stored for `key`, newest first by (position, start); None when only `load` can say. Covered or not, fresh or not."""
        held = self.memory.candidates(key)
        if self.disk is None:
            return held
        if held:
            return None if self._partial and key in self._partial else held
        return held if hash(key) in self._nothing else None

    async def load(self, key: Key) -> Sequence[StoredResponse]:
        """What is stored for `key`, wherever it is. True in the step in which it returns: await nothing before what depends on it."""
        known = self.candidates(key)
        if known is not None:
            return known
        load = self._loads.get(key) or self._begin_load(key)
        load.waiting += 1
        try:
            while not load.taken:
                with contextlib.suppress(Exception):  # a defect, which _take_in reports: nothing was found then
                    await asyncio.shield(load.future)
                self._take_in(key, load)
        finally:
            load.waiting -= 1
            self._end_load(key, load)
        known = self.candidates(key)
        return self._newest(key, load.found()) if known is None else known

    def put(self, stored: StoredResponse) -> bool:
        """Keep `stored` in the place of an older one of its variant; False when it is known to be older itself.

        Its content is what `Spool.body` gave.
        """
        key = stored.key
        if self._knows(stored):
            if self.memory.outdated(stored):
                return False
            self._hold(stored)
        if self.disk is None:
            return self.memory.find(key, stored.vary) is stored
        cost = stored.size_bytes if isinstance(stored.body, MemoryBody) else 0
        job = self.disk.put
        if self._backlog_bytes + cost > self.limits.backlog_bytes:
            self._teller.tell(Trouble.BEHIND)
            job, cost = self.disk.leave_out, 0
        self._write(key, changes.put(stored), partial(job, stored), stored, cost)
        return True

    def replace(self, old: StoredResponse, new: StoredResponse) -> bool:
        """Keep `new`, which has the content of `old` and other fields, in its place; False when `old` is known not to be stored."""
        key = old.key
        known = self._knows(old)
        if known:
            current = self.memory.find(key, old.vary)
            if current is None or not same(current, old):
                return False
            new.body = current.body  # the same content, which may have been taken into memory since
            if new.vary != old.vary or not self.memory.swap(current, new):
                self.memory.discard(current)
                self._hold(new)
        if self.disk is not None:
            self._write(key, changes.replace(old, new), partial(self.disk.replace, old, new, in_memory=known), new, 0)
        return True

    def discard(self, stored: StoredResponse) -> bool:
        """Remove exactly `stored`; False when it is known not to be stored."""
        key = stored.key
        if self._knows(stored):
            current = self.memory.find(key, stored.vary)
            if current is None or not same(current, stored):
                return False
            self._drop(current)
        if self.disk is not None:
            self._write(key, changes.discard(stored), partial(self.disk.remove, stored), None, 0)
        return True

    def outdate(self, stored: StoredResponse) -> None:
        """Remove what is older than `stored` and of its variant: clients have got all of `stored`, which is not kept yet, or not at all."""
        key = stored.key
        if self._knows(stored):
            twin = self.memory.find(key, stored.vary)
            if twin is None or age_order(twin) >= age_order(stored):
                return
            self._drop(twin)
        if self.disk is not None:
            self._write(key, changes.outdate(stored), partial(self.disk.leave_out, stored), None, 0)

    def broken(self, stored: StoredResponse, error: BrokenStored) -> None:
        """Reading the content of `stored` raised `error`: remove it, and say so once."""
        if self.disk is not None:
            self._teller.tell(Trouble.BODY, error)
        self.discard(stored)

    def clear(self) -> None:
        """Remove everything. Not an invalidation: a fetch that is under way may store again."""
        self.memory.clear()
        for forgotten in (self._partial, self._nothing, self._only_here, self._unwritten):
            forgotten.clear()
        for load in self._loads.values():
            load.changes.append(changes.clear())  # whatever it finds
        if self.disk is not None:
            self._clearing += 1
            self._writer.call(self.disk.remove_all).add_done_callback(self._cleared)

    def spool(self, *, storable: bool) -> Spool:
        """Where the content of an answer goes while it arrives."""
        return Spool(self.limits.buffer_bytes, self.limits.object_bytes, storable=storable, files=self._spool_files if storable else None)

    # Walks.

    async def objects(self) -> AsyncIterator[StoredResponse]:
        """Every stored response. What is stored throughout comes once; changes meanwhile do no harm. Gives way to the loop every 2 ms."""
        until = self._clock.monotonic() + WALK_BUDGET_S
        async for stored in self._walk():
            yield stored
            if self._clock.monotonic() >= until:
                await asyncio.sleep(0)
                until = self._clock.monotonic() + WALK_BUDGET_S

    async def _walk(self) -> AsyncIterator[StoredResponse]:
        disk = self.disk
        if disk is None:
            for stored in self.memory.objects():
                yield stored
            return
        # What is not on disk, or not yet: a walk does not wait for a slow disk.
        apart = self._apart(list(self._unwritten), list(self._only_here))
        for stored in apart.values():
            yield stored
        after: str | None = NAMES_FROM
        while after is not None:
            rows, after = await self._readers.call(partial(disk.walk, after, WALK_ROWS))
            for row in rows:
                current = self._current(row)
                if current is not None and (row.key, row.vary) not in apart:
                    yield current

    async def count_url(self, host: bytes, target: bytes, predicate: Callable[[StoredResponse], bool]) -> int:
        """How many stored responses of this URL, of any variant and of both schemes, satisfy `predicate`?"""
        return await self.count_urls([(host, target)], predicate)

    async def count_urls(self, urls: Iterable[tuple[bytes, bytes]], predicate: Callable[[StoredResponse], bool]) -> int:
        """How many stored responses of these URLs (host, target), each given once, satisfy `predicate`?"""
        left = iter(urls)
        total = 0
        while some := dict.fromkeys(islice(left, COUNTED_AT_ONCE)):
            disk = self.disk
            rows = None if disk is None else await self._readers.call(partial(disk.load_urls, some))
            found = {(stored.key, stored.vary): stored for url in some for stored in self.memory.of_url(*url)}
            found.update(self._apart([key for key in self._unwritten if (key.host, key.target) in some], ()))
            for row in rows or ():
                current = self._current(row)
                if current is not None:
                    found.setdefault((row.key, row.vary), current)
            total += sum(map(predicate, found.values()))
        return total

    def _apart(self, unwritten: Iterable[Key], only_here: Iterable[Name]) -> dict[Name, StoredResponse]:
        """What is stored and perhaps not on disk: of keys with changes that are not written yet, and what could not be written."""
        apart = {}
        for key in unwritten:
            known = self.candidates(key)
            put = changes.lay_over([], self._unwritten[key]) if known is None else ()
            for stored in (*put, *self.memory.candidates(key)):  # where both have a variant, memory has the later one
                apart[key, stored.vary] = stored
        for name in only_here:
            held = self.memory.find(*name)
            if held is not None:
                apart[name] = held
        return apart

    def _current(self, row: StoredResponse) -> StoredResponse | None:
        """What is stored now for the variant that `row` was read for."""
        held = self.memory.find(row.key, row.vary)
        if held is not None:
            return held
        if self._clearing or self._knows(row):
            return None
        left = changes.lay_over([row], self._unwritten.get(row.key, ()))
        return next((stored for stored in left if stored.vary == row.vary), None)

    @property
    def responses(self) -> int:
        """How many responses are stored."""
        return self.memory.responses if self.disk is None else self._keeper.rows + len(self._only_here)

    @property
    def disk_bytes(self) -> int:
        """What is stored in the folder, content and all; 0 without one."""
        return 0 if self.disk is None else self._keeper.bytes

    @property
    def unwritten(self) -> int:
        """How many changes wait to be written."""
        return self._waiting

    # What is kept beside responses.

    async def reserve_positions(self, up_to: int) -> bool:
        """No position above `up_to` is handed out before the next call: returns when a power cut cannot undo that. False: not written."""
        return await self._write_meta(durable=True, reserved=up_to)

    async def keep_offset(self, offset_s: float) -> bool:
        """The clock's offset, for the next start. False when it could not be written."""
        return await self._write_meta(durable=False, offset_s=offset_s)

    def keep_unsure(self) -> None:
        """Empty the store at the next start: something was invalidated that the log could not take. Raises OSError.

        In this very step, one unlink, for the process may end in the next; and once more behind what the writer has in hand, which may be
        marking the folder clean just now.
        """
        if self.disk is not None:
            self._writer.post(self._keeper.keep_unsure)
            self._keeper.keep_unsure()

    async def _write_meta(self, *, durable: bool, **changed: object) -> bool:
        if self.disk is None:
            return True
        keeper = self._keeper
        return await self._writer.call(lambda: keeper.write_meta(msgspec.structs.replace(keeper.meta, **changed), durable=durable))

    # Loading.

    def _begin_load(self, key: Key) -> Load:
        load = self._loads[key] = Load()
        if self._clearing:
            # Nothing is there but what came since, and none of that is written yet.
            load.changes += self._unwritten.get(key, ())
            load.future = asyncio.get_running_loop().create_future()
            load.future.set_result([])
        else:
            load.ordered = key in self._unwritten
            self._read(key, load)
        return load

    def _read(self, key: Key, load: Load) -> None:
        disk = self.disk
        assert disk is not None
        workers = self._writer if load.ordered else self._readers
        load.future = workers.call(lambda: disk.load(key))
        load.future.add_done_callback(lambda future: self._take_in(key, load))

    def _take_in(self, key: Key, load: Load) -> None:
        """What was on disk goes to memory, if there is room. The first to hear of it does that, which may be somebody who came last."""
        if load.taken or not load.future.done():
            return
        if load.again and self.disk is not None:
            load.again, load.ordered, load.changes = False, True, []
            self._read(key, load)
            return
        load.taken = True
        rows = self._result("load", load.future)
        if rows is None and not self._keeper.usable:
            rows = []
        if rows is not None and self.disk is not None:
            load.rows = rows
            self.loaded += len(rows)
            self._hold_all(key, self._newest(key, load.found()))
        self._end_load(key, load)

    def _end_load(self, key: Key, load: Load) -> None:
        """Once it is in memory and nobody waits for it, changes need not be laid over it. By then there may be another load of the key."""
        if load.taken and not load.waiting and self._loads.get(key) is load:
            del self._loads[key]

    def _hold_all(self, key: Key, found: list[StoredResponse]) -> None:
        """Hold in memory all that is stored for `key`, or as much as there is room for."""
        for stored in reversed(found):  # the newest last: it stays longest
            if self.memory.find(key, stored.vary) is not stored:
                self.memory.put(stored)
        held = self.memory.candidates(key)
        if len(held) < len(found):
            self._not_all_here(key)
            return
        self._partial.discard(key)
        if not held:
            self._remember_nothing(key)
        for stored in held:
            self._promote(stored)

    def _newest(self, key: Key, loaded: list[StoredResponse]) -> list[StoredResponse]:
        """All that is stored for a key, of what was loaded and what is in memory: where both have a variant, memory is never behind."""
        found = {stored.vary: stored for stored in loaded}
        found.update((stored.vary, stored) for stored in self.memory.candidates(key))
        return sorted(found.values(), key=age_order, reverse=True)

    def _promote(self, stored: StoredResponse) -> None:
        """Take content that is not too long into memory, behind the first answer."""
        body = stored.body
        if not isinstance(body, FileBody) or body.length > PROMOTED_BYTES or self._promotions >= PROMOTIONS:
            return
        self._promotions += 1

        def taken(future: asyncio.Future[tuple[bytes, ...]]) -> None:
            self._promotions -= 1
            if future.cancelled() or self.memory.find(stored.key, stored.vary) is not stored:
                return
            error = future.exception()
            if isinstance(error, BrokenStored):
                self.broken(stored, error)
            elif (pieces := self._result("promote", future)) is not None:
                stored.body = MemoryBody(pieces)
                self.memory.weigh(stored)

        self._readers.call(body.load).add_done_callback(taken)

    # Writing.

    def _write(self, key: Key, change: Change, job: Callable[[], Written | None], stored: StoredResponse | None, cost: int) -> None:
        """Make a change on disk, some time; until then it is laid over what is loaded. `stored` is what is to be there afterwards."""
        if self._waiting >= MOST_UNWRITTEN and not self._overrun:
            self._give_up_writing()
        if self._overrun:
            if stored is not None and self.memory.find(key, stored.vary) is stored:
                self._only_here.add((key, stored.vary))
            return
        self._waiting += 1
        self._unwritten.setdefault(key, []).append(change)
        if key in self._loads:
            self._loads[key].change(change)
        self._backlog_bytes += cost
        self._writer.call(job).add_done_callback(lambda future: self._written(key, change, stored, cost, future))

    def _written(self, key: Key, change: Change, stored: StoredResponse | None, cost: int, future: asyncio.Future[Written | None]) -> None:
        self._backlog_bytes -= cost
        self._waiting -= 1
        waiting = self._unwritten.get(key, [])
        if change in waiting:
            waiting.remove(change)
            if not waiting:
                del self._unwritten[key]
        outcome = self._result("write", future)
        if stored is None or self.memory.find(key, stored.vary) is not stored:
            return
        match outcome:
            case Written.KEPT:
                self._only_here.discard((key, stored.vary))
            case Written.OLDER:  # memory was behind, which cannot be; the disk is right
                self.memory.discard(stored)
                self._not_all_here(key)
            case _:
                self._only_here.add((key, stored.vary))

    def _give_up_writing(self) -> None:
        """More waits to be written than may. All that is on disk is given up: what is not written now would be missing there."""
        assert self.disk is not None
        self._teller.tell(Trouble.BEHIND)
        self._overrun = True
        self._readers.post(self._keeper.doubt)  # at once: the writer is busy
        self._unwritten.clear()
        self._partial.clear()
        for load in self._loads.values():
            load.change(changes.clear())
        self._disk_lost(self._keeper.generation)
        self._clearing += 1
        self._writer.call(self.disk.remove_all).add_done_callback(self._writing_again)

    def _writing_again(self, future: asyncio.Future[None]) -> None:
        self._overrun = False
        self._cleared(future)

    def _cleared(self, future: asyncio.Future[None]) -> None:
        self._clearing -= 1
        self._result("clear", future)

    def _not_filed(self, error: OSError) -> None:
        self._teller.tell(kind_of(error), error)

    def _result(self, name: str, future: asyncio.Future[T]) -> T | None:
        """What a thread came to; None after a defect, which is reported."""
        if future.cancelled():
            return None
        defect = future.exception()
        if defect is not None:
            self._report(f"store: {name}", defect)
            return None
        return future.result()

    # What memory knows.

    def _knows(self, stored: StoredResponse) -> bool:
        """Does memory know what is stored for this variant? When it holds one it does, even if it does not know all of the key."""
        return self.candidates(stored.key) is not None or self.memory.find(stored.key, stored.vary) is not None

    def _hold(self, stored: StoredResponse) -> None:
        """Hold in memory what is to be stored, if there is room."""
        self._nothing.pop(hash(stored.key), None)
        if not self.memory.put(stored):
            self._not_all_here(stored.key)

    def _drop(self, held: StoredResponse) -> None:
        """Remove from memory what is not stored any more."""
        known = self.candidates(held.key) is not None
        self.memory.discard(held)
        self._only_here.discard((held.key, held.vary))
        if self.memory.candidates(held.key):
            return
        if known:
            self._remember_nothing(held.key)
        else:
            self._partial.discard(held.key)

    def _not_all_here(self, key: Key) -> None:
        """Something is stored for `key` that memory does not hold."""
        self._nothing.pop(hash(key), None)
        if self.disk is not None and self.memory.candidates(key):
            self._partial.add(key)
        else:
            self._partial.discard(key)

    def _remember_nothing(self, key: Key) -> None:
        if self.disk is not None:
            self._nothing[hash(key)] = None
            self._nothing.move_to_end(hash(key))
            if len(self._nothing) > NOTHING_KNOWN:
                self._nothing.popitem(last=False)

    def _evicted_from_memory(self, stored: StoredResponse) -> None:
        self._only_here.discard((stored.key, stored.vary))
        self._not_all_here(stored.key)

    def _evicted_from_disk(self, gone: list[StoredResponse]) -> None:
        self.disk_evicted += len(gone)
        for stored in gone:
            held = self.memory.find(stored.key, stored.vary)
            if held is not None and stored.key not in self._unwritten and same(held, stored):
                self._drop(held)

    def _disk_lost(self, generation: str) -> None:
        """What is in memory is all that there is; less what has its content in a file that goes with the rest of this generation."""
        for stored in list(self.memory.objects()):
            if isinstance(stored.body, FileBody) and stored.body.place.startswith(f"{generation}/"):
                self._drop(stored)
            else:
                self._only_here.add((stored.key, stored.vary))

    def _uses(self, key: Key, vary: Variant) -> int:
        """In the writer's thread: a look at a dictionary and at a number."""
        held = self.memory.find(key, vary)
        return 0 if held is None else held.hits


def _on_loop(loop: asyncio.AbstractEventLoop, told: Callable[[], object]) -> None:
    """Run `told` on the loop, from whatever thread; at once when the loop is gone."""
    try:
        loop.call_soon_threadsafe(told)
    except RuntimeError:
        told()
