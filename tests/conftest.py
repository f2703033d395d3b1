"""Fixtures for all tests."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess

import pytest
import uvloop
from hypothesis import HealthCheck, settings

# How long an example takes says more about what else the machine does than about what is tested. In CI the same examples each time: a run
# that fails there has to fail again.
settings.register_profile("edgecache", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("edgecache"), derandomize=True)
settings.load_profile("ci" if os.environ.get("EDGECACHE_TEST_ALL") == "1" else "edgecache")


def pytest_asyncio_loop_factories(config, item):
    """Tests on real sockets run on both loops, uvloop as `edgecache run` has it and asyncio's own; the others need only one."""
    if "wire" in item.path.parts:
        return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture(autouse=True, scope="session")
def own_cache_folder(tmp_path_factory):
    """No test writes into the user's cache folder, where an edge keeps its store by default."""
    folder = str(tmp_path_factory.mktemp("cache"))
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = folder
    yield folder
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture
def system_program():
    """A function that gives the path of a program from the system, or skips the test and says how to install it.

    With EDGECACHE_TEST_ALL=1 a missing program is a failure: then nothing may be left untested.
    """

    def find(name: str, install: str) -> str:
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
        if path is None:
            sentence = f"{name} is missing; install it with: {install}"
            if os.environ.get("EDGECACHE_TEST_ALL") == "1":
                pytest.fail(sentence)
            pytest.skip(sentence)
        return path

    return find


@pytest.fixture
def process():
    """A function that starts a program and ends it, by its id, when the test ends."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **options: object) -> subprocess.Popen[bytes]:
        program = subprocess.Popen(command, **options)  # type: ignore[call-overload]
        started.append(program)
        return program

    yield start
    for program in started:
        if program.poll() is None:
            program.terminate()
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait(10)
        for stream in (program.stdin, program.stdout, program.stderr):
            if stream is not None:
                stream.close()
