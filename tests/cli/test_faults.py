"""`edgecache faults` against a real control plane: what it turns on and off, what it shows, what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgecache.config import Vendor
from edgecache.control.dialects.faults import Fault, Wanted


@pytest.mark.parametrize(
    "arguments, wanted",
    [
        (["delay", "5s"], Wanted(Fault.DELAY, wait_s=5)),
        (["rate-limit"], Wanted(Fault.RATE_LIMIT, wait_s=1)),
        (["rate-limit", "250ms", "--after", "10"], Wanted(Fault.RATE_LIMIT, wait_s=0.25, after=10)),
        (["error", "--count", "3", "--call", "cloudflare"], Wanted(Fault.ERROR, "cloudflare", count=3)),
        (["unavailable", "2", "--for", "1m"], Wanted(Fault.UNAVAILABLE, wait_s=2, for_s=60)),
        (["error-in-body", "--call", "cloudflare/purge_cache"], Wanted(Fault.ERROR_IN_BODY, "cloudflare", "purge_cache")),
        (["lost"], Wanted(Fault.LOST)),
        (["partial", "2"], Wanted(Fault.PARTIAL, keep=2)),
    ],
)
async def test_on(invoke: Any, plane: Any, arguments: list[str], wanted: Wanted) -> None:
    result = await invoke("faults", "on", *arguments, edge=plane.url)
    assert result.exit_code == 0, result.output
    (active,) = plane.desk.faults.active(plane.clock.now())
    assert active.wanted == wanted
    assert result.stdout == f"Fault 1 is on: {active.sentence}.\n"


async def test_what_is_on_is_shown_everywhere(invoke: Any, plane: Any) -> None:
    assert "No fault is on." in (await invoke("faults", edge=plane.url)).stdout
    assert "FAULT" not in (await invoke("stats", edge=plane.url)).stdout
    await invoke("faults", "on", "lost", edge=plane.url)
    await invoke("faults", "on", "delay", "1h", "--call", "cloudflare", edge=plane.url)
    plane.desk.faults.strike(Vendor.CLOUDFLARE, "purge_cache", True, plane.clock.now())
    shown = (await invoke("faults", edge=plane.url)).stdout.splitlines()
    assert [line.split()[:2] for line in shown[1:]] == [["1", "lost"], ["2", "delay"]]
    stats = (await invoke("stats", edge=plane.url)).stdout
    assert stats.splitlines()[1].startswith("FAULT IS ON")
    assert "calls struck by faults" in stats
    answer = json.loads((await invoke("faults", "--json", edge=plane.url)).stdout)
    assert [one["struck"] for one in answer["faults"]] == [1, 0]


async def test_off(invoke: Any, plane: Any) -> None:
    for _ in range(3):
        await invoke("faults", "on", "lost", edge=plane.url)
    assert (await invoke("faults", "off", "2", edge=plane.url)).stdout == "1 fault is off.\n"
    assert (await invoke("faults", "off", edge=plane.url)).stdout == "2 faults are off.\n"
    result = await invoke("faults", "off", "2", edge=plane.url)
    assert (result.exit_code, "No fault 2 is on" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["on"], 2, "Say which fault: delay, rate-limit"),
        (["on", "late"], 2, "no fault 'late'"),
        (["on", "delay"], 2, "on delay 5s"),
        (["on", "partial"], 2, "on partial 2"),
        (["on", "partial", "some"], 2, "on partial 2"),
        (["on", "lost", "5s"], 2, "takes nothing more"),
        (["on", "lost", "--count", "0"], 2, "--count"),
        (["off", "1", "2"], 2, "too much"),
        (["off", "all"], 2, "no number of a fault"),
        (["off", "--count", "1"], 2, "--count is for a fault to turn on"),
        (["maybe"], 2, "maybe"),
        (["on", "delay", "soon"], 1, "'soon' is not a duration"),
        (["on", "delay", "2000d"], 1, "at most a year"),
        (["on", "lost", "--for", "soon"], 1, "'soon' is not a duration"),
        (["on", "lost", "--call", "clodflare"], 1, "no vendor 'clodflare'"),
        (["on", "lost", "--call", "cloudflare/purge"], 1, "no call 'purge' of cloudflare"),
        (["on", "lost", "--call", "cloudflare/zones"], 1, "invalidates nothing"),
    ],
)
async def test_what_is_refused(invoke: Any, plane: Any, arguments: list[str], code: int, words: str) -> None:
    result = await invoke("faults", *arguments, edge=plane.url)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert not plane.desk.faults.active(plane.clock.now())
