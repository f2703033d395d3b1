"""Fixtures for tests on real sockets. Each runs on both event loops (see ../conftest.py)."""

from __future__ import annotations

import contextlib

import pytest_asyncio
from wirekit import running_kit


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
