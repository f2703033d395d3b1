"""/api/v1/faults: what can be asked for, what it strikes, and how loudly it is said."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.control.dialects.faults import Fault
from edgecache.control.faulting import FAULTS

FAULT_PATH = "/api/v1/faults"
ZONE = "/client/v4/zones/z/purge_cache"
JSON = {"Content-Type": "application/json"}


async def test_a_fault_from_on_to_off(client: Any, plane: Any) -> None:
    plane.put("http://a.example/x")
    response = await client.post(FAULT_PATH, json={"rate_limit": "2s", "call": "cloudflare/purge_cache", "after": 1})
    assert response.status == 201
    on = await response.json()
    assert (on["number"], on["fault"], on["call"], on["struck"]) == (1, "rate-limit", "cloudflare/purge_cache", 0)
    purge = {"files": ["http://a.example/x"]}
    assert (await client.post(ZONE, json=purge)).status == 200
    struck = await client.post(ZONE, json=purge)
    assert (struck.status, struck.headers["Retry-After"], struck.headers["Edgecache-Fault"]) == (429, "2", "rate-limit; number=1")
    listed = await (await client.get(FAULT_PATH)).json()
    assert (listed["struck"], listed["faults"][0]["struck"], listed["delayed"], listed["next_due"]) == (1, 1, 0, None)
    stats = await (await client.get("/api/v1/stats")).json()
    assert stats["faults"] == {"active": [on["sentence"]], "struck": 1, "delayed": 0}
    journal = await (await client.get("/api/v1/invalidations?came=faulted")).json()
    assert [(call["door"], call["position"]) for call in journal["invalidations"]] == [("cloudflare", None)]
    assert "number 1" in journal["invalidations"][0]["sentence"]
    ended = await client.delete(f"{FAULT_PATH}/1", headers=JSON)
    assert await ended.json() == {"ended": 1}
    assert (await client.post(ZONE, json=purge)).status == 200


async def test_what_is_delayed_comes_with_the_clock_and_goes_with_a_reset(client: Any, plane: Any) -> None:
    plane.put("http://a.example/x")
    await client.post(FAULT_PATH, json={"delay": "1h"})
    await client.post(ZONE, json={"files": ["http://a.example/x"]})
    listed = await (await client.get(FAULT_PATH)).json()
    assert (listed["delayed"], listed["next_due"]) == (1, plane.clock.now() + 3600)
    assert plane.log.head == 0
    await client.post("/api/v1/clock", json={"advance": "1h"})
    assert plane.log.head == 1
    await client.post(ZONE, json={"files": ["http://a.example/x"]})
    await client.post("/api/v1/reset", json={})
    head = plane.log.head
    await client.post("/api/v1/clock", json={"advance": "2h"})
    assert plane.log.head == head
    assert (await (await client.get(FAULT_PATH)).json())["faults"] == []


async def test_all_off(client: Any) -> None:
    for _ in range(2):
        await client.post(FAULT_PATH, json={"lost": True})
    assert await (await client.delete(FAULT_PATH, headers=JSON)).json() == {"ended": 2}
    assert (await client.delete(f"{FAULT_PATH}/1", headers=JSON)).status == 404


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "exactly one of delay, rate_limit"),
        ({"lost": True, "error": True}, "it has error, lost"),
        ({"lost": False}, "can only be true"),
        ({"delay": 5}, "'delay' must be a string"),
        ({"delay": "soon"}, "'soon' is not a duration"),
        ({"delay": "1000d"}, "at most a year"),
        ({"partial": -1}, "'partial' must be from 0"),
        ({"partial": True}, "'partial' must be a whole number"),
        ({"lost": True, "count": 0}, "'count' must be from 1"),
        ({"lost": True, "after": 1.5}, "'after' must be a whole number"),
        ({"lost": True, "for": "x"}, "'for'"),
        ({"lost": True, "call": "azure"}, "no vendor 'azure'"),
        ({"lost": True, "call": "cloudflare/purge_all"}, "no call 'purge_all' of cloudflare"),
        ({"lost": True, "call": "cloudflare/verify"}, "invalidates nothing"),
        ({"lost": True, "vendor": "fastly"}, "'vendor' is not known"),
    ],
)
async def test_what_is_refused(client: Any, plane: Any, content: dict[str, Any], words: str) -> None:
    response = await client.post(FAULT_PATH, json=content)
    assert response.status == 400
    assert words in (await response.json())["detail"]
    assert not plane.parts.desk.faults.active(plane.clock.now())


async def test_there_is_a_bound(client: Any) -> None:
    for _ in range(100):
        assert (await client.post(FAULT_PATH, json={"lost": True})).status == 201
    response = await client.post(FAULT_PATH, json={"lost": True})
    assert (response.status, "100 faults are on" in (await response.json())["detail"]) == (400, True)


def test_every_fault_can_be_asked_for() -> None:
    assert set(FAULTS) == set(Fault)
