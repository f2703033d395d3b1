"""The doors to the log: every invalidation, whoever asks for it, is read, appended, counted, noted in the journal and answered here.

The native API, the methods on the data plane, Varnish's management protocol, the purge APIs of CDNs, unsafe requests, clock and reset all
come through `Doors`; they differ only in how they are asked and how they answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edgecache.caching.stored import Key, StoredResponse
from edgecache.caching.verdict import HardCovered
from edgecache.clock import Clock
from edgecache.invalidation.commit import GroupCommit
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.hints import Hints
from edgecache.invalidation.journal import Came, Journal, Noted
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.logfile import LogUnwritable
from edgecache.invalidation.reading import BadItem, Item, Reader
from edgecache.invalidation.selectors import BanSelector, PrefixSelector, Selector
from edgecache.invalidation.tally import Tally, url_of
from edgecache.invalidation.unsafe import as_it_is, selectors_after_unsafe

COUNT_S = 10.0  # how long a call waits for the store to be walked
READ_BUDGET_S = 0.002  # how long a list is read before others get their turn
MOST_LISTED = 1000  # stored responses that a dry run lists, and that one call has fetched again


class WalksStore(Protocol):
    """A store that can be searched."""

    def objects(self) -> AsyncIterator[StoredResponse]:
        """Every stored response; gives way to the loop."""
        ...

    async def count_urls(self, urls: Iterable[tuple[bytes, bytes]], predicate: Callable[[StoredResponse], bool]) -> int:
        """How many stored responses of these URLs (host, target), of any variant and of both schemes, satisfy `predicate`?"""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody asks for an invalidation; whether he may was judged before.

    door      how it came in: "api", "PURGE", "varnishadm", …; for the journal
    who       from where: an address, never a credential
    items     what is to be invalidated: read here, or selectors already
    soft      it stays in the store, stale from now on
    dry_run   only look what it would cover
    refetch   fetch again what was covered
    count     wait until what it covers is counted, also where that means to walk the store
    site      only what is stored for the site of this name; "" for all
    """

    door: str
    who: str
    items: Sequence[Item | Selector]
    soft: bool = False
    dry_run: bool = False
    refetch: bool = False
    count: bool = False
    site: str = ""
    cause: Cause = Cause.API
    vendor: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an invalidation did.

    position   of its last entry: a response fetched at or above it is not covered; for a dry run the head of the log
    selectors  normalised, each once, in the order given
    matched    stored responses that it covers and that no hard entry covered before; None when that was not counted
    each       the same for each selector, in their order; empty when that was not counted
    hints      what was probably meant, when nothing was matched
    responses  for a dry run: the first of those that it would cover
    """

    position: int
    selectors: tuple[Selector, ...]
    matched: int | None
    each: tuple[int, ...] = ()
    hints: tuple[str, ...] = ()
    responses: tuple[StoredResponse, ...] = field(default=())


class Doors:
    """Appends to the log on behalf of whoever is allowed to.

    refetch   starts fetching stored responses again, and URLs of which none is stored; set by who can
    """

    def __init__(
        self,
        log: InvalidationLog,
        store: WalksStore,
        clock: Clock,
        reader: Reader,
        journal: Journal,
        commit: GroupCommit | None = None,
    ) -> None:
        self.journal = journal
        self.refetch: Callable[[Sequence[StoredResponse], Sequence[Key]], None] = _nothing_refetched
        self.appended: Callable[[], None] = _nothing  # told of every append, for who sweeps
        self.bans = log.bans
        self._commit = commit
        self._log = log
        self._store = store
        self._clock = clock
        self._reader = reader
        self._hints = Hints(store.objects, self._exists, clock.monotonic)

    async def call(self, call: Call) -> Outcome:
        """Do what is asked for, and note it in the journal.

        Acknowledge to the outside only after this returned: the entries would survive the end of the process, or with log_sync = disk a
        power cut. They count as soon as all of them are read; what they cover is counted afterwards, for a disk may be slow and a purge
        must not be.

        Raises BadItem: nothing was appended. Raises LogUnwritable: not acknowledged, but with log_sync = disk it may count all the same.
        """
        noted = self._noted(call)
        try:
            selectors = await self._read_in_turn(call)
        except BadItem as bad:
            self._note(noted, Came.REFUSED, sentence=bad.sentence)
            raise
        noted.selectors = selectors
        if call.dry_run:
            outcome = await self._dry_run(selectors)
            self._note(noted, Came.DRY_RUN, matched=outcome.matched)
            return outcome
        to_fetch = (await self._find(selectors))[0] if call.refetch else []
        now = self._clock.now()
        try:
            position = await self._append(selectors, soft=call.soft, cause=call.cause, now=now)
        except LogUnwritable as failure:
            self._note(noted, Came.FAILED, sentence=str(failure))
            raise
        noted.first_position, noted.position = position - len(selectors) + 1, position
        self._note(noted, Came.DONE)  # before it is counted: whoever reads the journal meanwhile finds it
        matched, each = await self._count(selectors, position, now, everything=call.count)
        if matched is not None:  # else the sweeper counts, or has done so
            noted.matched, noted.at_least = matched, False
        if matched == 0:
            noted.hints = tuple(await self._hints.about(selectors))
        elif matched is None and call.vendor:  # an API that cannot be asked to count
            first = noted.first_position
            noted.hints = tuple(await self._hints.about_uncounted(selectors, lambda stored: self._log.existed(stored, first)))
        if call.refetch:
            if len(to_fetch) == MOST_LISTED:
                noted.hints = (*noted.hints, f"only {MOST_LISTED} of the stored responses are fetched again")
            known = {(stored.key.host, stored.key.target) for stored in to_fetch}
            named = dict.fromkeys(url_of(one) for one in selectors)
            self.refetch(to_fetch, [Key(b"http", *one) for one in named if one is not None and one not in known])
        return Outcome(position, selectors, matched, each, tuple(noted.hints))

    async def invalidate(self, selectors: Sequence[Selector], *, soft: bool, cause: Cause) -> Outcome:
        """Invalidate on the edge's own account: clock, reset. Raises LogUnwritable where it need not happen."""
        once = tuple(dict.fromkeys(selectors))
        position = await self._append(once, soft=soft, cause=cause, now=self._clock.now())
        self._note_own(once, soft, cause, position)
        return Outcome(position, once, None)

    def invalidate_now(self, selectors: Sequence[Selector], *, soft: bool, cause: Cause) -> Outcome:
        """Invalidate in this very step, without counting. For what the edge does by itself: nobody is told how much was hit."""
        once = tuple(dict.fromkeys(selectors))
        position = self._log.append(once, soft=soft, now=self._clock.now(), cause=cause)
        self.appended()
        self._note_own(once, soft, cause, position)
        return Outcome(position, once, None)

    def invalidate_after_unsafe(
        self, key: Key, status: int, references: Iterable[bytes], groups: Iterable[str] = (), held_under: Callable[[Key], Key] = as_it_is
    ) -> Outcome | None:
        """Invalidate what a successful request with an unsafe or unknown method changed; None when it changed nothing.

        Must be called before the first byte of that response goes to the client, who may read what it wrote right afterwards.
        """
        selectors = selectors_after_unsafe(key, status, references, groups, held_under)
        return self.invalidate_now(selectors, soft=False, cause=Cause.RESPONSE) if selectors else None

    def check(self, call: Call) -> None:
        """Could this be done? Raises BadItem, and notes it, if not; for calls of which one may not be done without the others."""
        try:
            self._read(call)
        except BadItem as bad:
            self.refuse(call, bad.sentence)
            raise

    def refuse(self, call: Call, sentence: str) -> None:
        """Note a call that was turned away before it came here: not allowed, or not understood."""
        self._note(self._noted(call), Came.REFUSED, sentence=sentence)

    def read(self, call: Call) -> tuple[Selector, ...]:
        """What a call would append, without doing it. Raises BadItem, and notes that."""
        try:
            return self._read(call)
        except BadItem as bad:
            self.refuse(call, bad.sentence)
            raise

    def note_elsewhere(self, call: Call, selectors: tuple[Selector, ...], sentence: str) -> None:
        """Note a call about something that this edge has none of; nothing was appended."""
        noted = self._noted(call)
        noted.selectors = selectors
        self._note(noted, Came.ELSEWHERE, sentence=sentence)

    def note_faulted(self, call: Call, selectors: tuple[Selector, ...], sentence: str) -> None:
        """Note a call of which a fault made something else than its client was told, and nothing was appended."""
        noted = self._noted(call)
        noted.selectors = selectors
        self._note(noted, Came.FAULTED, sentence=sentence)

    # reading

    def _read(self, call: Call) -> tuple[Selector, ...]:
        found: dict[Selector, None] = {}
        for selectors in self._reading(call):
            found.update(dict.fromkeys(selectors))
        return tuple(found)

    async def _read_in_turn(self, call: Call) -> tuple[Selector, ...]:
        """The same for a list that may be long: ten thousand expressions take a second, and nobody else should have to wait for that."""
        found: dict[Selector, None] = {}
        until = self._clock.monotonic() + READ_BUDGET_S
        for selectors in self._reading(call):
            found.update(dict.fromkeys(selectors))
            if self._clock.monotonic() >= until:
                await asyncio.sleep(0)
                until = self._clock.monotonic() + READ_BUDGET_S
        return tuple(found)

    def _reading(self, call: Call) -> Iterator[Sequence[Selector]]:
        """What each item selects. Raises BadItem."""
        self._reader.check_site(call.site)
        for item in call.items:
            selectors: Sequence[Selector] = self._reader.read(item, call.site) if isinstance(item, Item) else (item,)
            for selector in selectors:
                if call.refetch and isinstance(selector, BanSelector | PrefixSelector):
                    said = f"refetch cannot be had with a {selector.kind.value}: nobody knows which URLs it stands for"
                    raise BadItem(item if isinstance(item, Item) else Item(selector.kind, selector.value), said)
            yield selectors

    # appending

    async def _append(self, selectors: tuple[Selector, ...], *, soft: bool, cause: Cause, now: float) -> int:
        position = self._log.append(selectors, soft=soft, now=now, cause=cause)
        self.appended()  # now: whoever waits for the disk may leave
        if self._commit is not None:
            try:
                await self._commit.durable(position)
            except LogUnwritable as failure:
                if not cause.must_happen:
                    raise
                self._log.on_unwritten(failure)  # as when the write fails: it counts, and the next start drops the store
        return position

    # looking

    def _exists(self, stored: StoredResponse) -> bool:
        return not isinstance(self._log.judge(stored), HardCovered)

    def _meant(self, selector: Selector, stored: StoredResponse, now: float) -> bool:
        return selector.selects(stored, now) and selector.site in ("", self._log.site_of(stored.key.host))

    async def _dry_run(self, selectors: tuple[Selector, ...]) -> Outcome:
        found, total, each = await self._find(selectors)
        hints = () if found else tuple(await self._hints.about(selectors))
        return Outcome(self._log.head, selectors, total, each, hints, tuple(found))

    async def _find(self, selectors: tuple[Selector, ...]) -> tuple[list[StoredResponse], int | None, tuple[int, ...]]:
        """The first stored responses that these would cover now, and how many there are, as `_look` has it."""
        found: list[StoredResponse] = []
        tally = self._tally(selectors, self._clock.now())

        def is_meant(stored: StoredResponse) -> bool:
            meant = tally.count(stored, self._exists)
            if meant and len(found) < MOST_LISTED:
                found.append(stored)
            return meant

        total = await self._look(selectors, is_meant, everything=True)
        return found, total, () if total is None else tally.each

    def _tally(self, selectors: tuple[Selector, ...], now: float) -> Tally:
        return Tally(selectors, lambda one, stored: self._meant(one, stored, now))

    async def _count(
        self, selectors: tuple[Selector, ...], position: int, now: float, *, everything: bool
    ) -> tuple[int | None, tuple[int, ...]]:
        """How many responses that existed before does this write, at `now` and up to `position`, cover, and how many does each selector?

        None and () when that was not counted.
        """
        first = position - len(selectors) + 1
        tally = self._tally(selectors, now)

        def existed(stored: StoredResponse) -> bool:
            return self._log.existed(stored, first)

        def is_covered(stored: StoredResponse) -> bool:
            return stored.position < first and tally.count(stored, existed)

        total = await self._look(selectors, is_covered, everything=everything)
        return total, () if total is None else tally.each

    async def _look(self, selectors: tuple[Selector, ...], predicate: Callable[[StoredResponse], bool], *, everything: bool) -> int | None:
        """How many stored responses satisfy `predicate`, which is true of none that `selectors` do not name?

        URLs are looked up. For all else the store is walked if `everything`, within a bounded time; None when that was not enough.
        """
        named = dict.fromkeys(url_of(one) for one in selectors)
        if None not in named:
            return await self._store.count_urls([one for one in named if one is not None], predicate)
        if not everything:
            return None
        give_up = self._clock.monotonic() + COUNT_S
        total = 0
        async for stored in self._store.objects():
            total += predicate(stored)
            if self._clock.monotonic() > give_up:
                return None
        return total

    # the journal

    def _noted(self, call: Call) -> Noted:
        given = [(one.kind.value, one.value) for one in call.items]
        return Noted(
            self.journal.next_number(),
            self._clock.now(),
            call.door,
            call.who,
            given,
            Came.REFUSED,
            soft=call.soft,
            refetch=call.refetch,
            vendor=call.vendor,
        )

    def _note(self, noted: Noted, came: Came, *, matched: int | None = None, sentence: str = "") -> None:
        noted.came, noted.matched, noted.sentence = came, matched, sentence
        self.journal.note(noted)

    def _note_own(self, selectors: tuple[Selector, ...], soft: bool, cause: Cause, position: int) -> None:
        given = [(one.kind.value, one.value) for one in selectors]
        noted = Noted(self.journal.next_number(), self._clock.now(), cause.value, "", given, Came.DONE, soft=soft, own=True)
        noted.selectors, noted.position, noted.first_position = selectors, position, position - len(selectors) + 1
        self.journal.note(noted)


def _nothing_refetched(stored: Sequence[StoredResponse], urls: Sequence[Key]) -> None:
    """Nobody fetches."""


def _nothing() -> None:
    """Nobody sweeps."""
