"""Fixtures for tests of what outlives an edge. They run on asyncio's loop only: what is tested is on the disk."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import pytest_asyncio
from durabilitykit import Heard, Lives


@pytest_asyncio.fixture
async def lives(tmp_path, said):
    """Lives of an edge on a new store folder. No defect may be reported in any of them."""
    lives = Lives(tmp_path / "store")
    yield lives
    await lives.close()
    defects = said().about("defect")
    assert not defects


@pytest.fixture
def said(capsys) -> Callable[[], Heard]:
    """A function that gives all that was said on stderr so far."""
    heard = Heard([])

    def so_far() -> Heard:
        heard.lines.extend(capsys.readouterr().err.splitlines())
        return heard

    return so_far
