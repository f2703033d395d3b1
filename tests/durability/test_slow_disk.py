"""A disk that is slow holds up what is stored, and nobody who asks."""

from __future__ import annotations

from durabilitykit import BusyFiles, content
from wirekit import fresh
from wirestage import settled


async def test_the_older_one_is_not_served_while_the_newer_one_is_on_its_way_to_a_file(lives):
    """Who has got all of the newer one would see new, old, new."""
    files = BusyFiles()
    kit = await lives.start(files=files, spool_bytes=10_000)
    old, new = content("old", 50_000), content("new", 50_000)
    lives.origin.answer("/a", [fresh(old), fresh(new), fresh(new)])
    assert (await kit.get("/a")).body == old
    await settled(kit)
    files.go.clear()
    assert (await kit.get("/a", "Cache-Control: no-cache")).body == new
    assert (await kit.get("/a")).body == new
    files.go.set()
    await settled(kit)
    reply = await kit.get("/a")
    assert (reply.body, reply.hit) == (new, True)
