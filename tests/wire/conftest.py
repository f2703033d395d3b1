"""Fixtures for tests on real sockets. Each runs on both event loops (see ../conftest.py)."""

from __future__ import annotations

import contextlib
import gc
import itertools
import logging

import pytest
import pytest_asyncio
from wirekit import running_kit

_TESTS = itertools.count()


@pytest.fixture(autouse=True)
def _no_defect(capsys, caplog):
    """Whatever a peer sends, nothing in the edge may raise: a traceback in the terminal or a complaint of the loop fails the test."""
    if next(_TESTS) % 50 == 0:
        gc.unfreeze()  # what the tests before have left behind, which would otherwise never go
        gc.collect()
    gc.freeze()  # what lives already need not be looked at again: 1 ms instead of 25
    yield
    gc.collect()  # "exception was never retrieved" is said when the future goes
    assert "a defect in" not in capsys.readouterr().err
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING] == []


@pytest_asyncio.fixture
async def start_kit():
    """A function that starts an edge with the given settings in front of a scripted origin."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(origin=None, **settings):
            return await stack.enter_async_context(running_kit(settings, origin))

        yield start


@pytest_asyncio.fixture
async def kit(start_kit):
    """An edge with default settings in front of a scripted origin."""
    return await start_kit()
