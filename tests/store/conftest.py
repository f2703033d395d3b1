"""Stores that are closed again, and whose threads may not fail unheard."""

from __future__ import annotations

import pytest
import storekit

from edgecache.clock import Clock
from edgecache.store.tiers import Store


class MovableClock(Clock):
    """Real time is what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.real_s = 1000.0

    def monotonic(self) -> float:
        return self.real_s


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
async def open_store(tmp_path, clock):
    """A function that opens a store in a folder of the test's, or in memory; `said` is what the terminal got, `meta` what was found."""
    opened: list[Store] = []
    defects: list[tuple[str, BaseException]] = []

    async def open_store(folder="store", log_id=storekit.LOG, files=None, **limits: int) -> Store:
        said: list[str] = []
        path = None if folder is None else str(tmp_path / folder)
        store = Store(path, storekit.limits(**limits), clock, said.append, lambda *defect: defects.append(defect), files)
        store.said = said  # type: ignore[attr-defined]
        store.meta = await store.open()  # type: ignore[attr-defined]
        opened.append(store)
        if log_id is not None:
            await store.use_log(log_id)
        return store

    yield open_store
    for store in opened:
        await store.close()
    assert defects == []
