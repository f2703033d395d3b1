"""A shop behind an edge, for real clients of vendors' purge APIs: what is stored is old, the origin has something new; a purge shows."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from wirekit import Client, Kit, Reply, fresh, running_kit

PUBLIC = "https://www.example.com"
HOST = "Host: www.example.com"
CAPTURES = Path(__file__).parent / "clients" / "captures"

# What the shop has: targets, and the tags of each.
PAGES = {
    "/": "home",
    "/a": "t1,All",
    "/a?x=1": "t1,All",
    "/b": "t2,All",
    "/news/1": "news,All",
    "/news/2": "news,t2,All",
    "/newsletter": "All",
    "/%C3%BC": "umlaut",
}


class Shop:
    """The edge with its pages stored. `api` is the control plane's URL."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.api = kit.edge.control_url

    async def fill(self, tag_field: str = "Cache-Tag", tag_separator: str = ",") -> None:
        """Store what the origin has now, and let it have something new."""
        for target, tags in PAGES.items():
            self.kit.origin.answer(target, fresh(b"old", f"{tag_field}: {tags.replace(',', tag_separator)}", max_age=3600))
            assert (await self.get(target)).body == b"old"
            self.kit.origin.answer(target, fresh(b"new", max_age=3600))
            assert (await self.get(target)).body == b"old"

    async def get(self, target: str) -> Reply:
        """As a browser asks for it."""
        return await self.kit.get(target, HOST)

    async def changed(self) -> set[str]:
        """Which pages have new content now? Looking fetches them again."""
        return {target for target in PAGES if (await self.get(target)).body == b"new"}

    async def send(self, raw: bytes, method: str = "POST") -> Reply:
        """Bytes to the control plane, on a connection of their own."""
        client = Client(*await asyncio.open_connection("127.0.0.1", int(self.api.rpartition(":")[2])))
        try:
            await client.send(raw)
            return await client.reply(method)
        finally:
            client.close()


@contextlib.asynccontextmanager
async def running_shop(**settings: object) -> AsyncIterator[Shop]:
    """The shop as https://www.example.com, with nothing stored yet."""
    async with running_kit({"public_url": PUBLIC, **settings}) as kit:
        yield Shop(kit)


class Capture(NamedTuple):
    """A request as a real client sent it to a recording server, and what that answered."""

    client: str
    scenario: str
    method: str
    target: str
    version: str
    headers: list[list[str]]
    body: str
    reply: dict[str, Any] | None

    @property
    def name(self) -> str:
        """For test ids."""
        return f"{self.client}: {self.scenario}"

    @property
    def raw(self) -> bytes:
        """The bytes that were sent."""
        lines = [f"{self.method} {self.target} {self.version}", *(f"{name}: {value}" for name, value in self.headers)]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (self.body or "").encode()

    @property
    def answer(self) -> Any:
        """The JSON that the recording server answered with; None when it was none."""
        try:
            return json.loads((self.reply or {}).get("body") or "")
        except ValueError:
            return None


def captures(vendor: str) -> list[Capture]:
    """What real clients of this vendor sent."""
    lines = (CAPTURES / f"{vendor}.jsonl").read_text("utf-8").splitlines()
    return [Capture(**json.loads(line)) for line in lines]


def covers(ours: Any, theirs: Any, where: str = "$") -> None:
    """Has our answer all that the other has: every member, of the same kind? AssertionError says where it has not."""
    match theirs:
        case None:
            return
        case dict():
            assert isinstance(ours, dict), where
            for name, inner in theirs.items():
                assert name in ours, f"{where}.{name}"
                covers(ours[name], inner, f"{where}.{name}")
        case list():
            assert isinstance(ours, list), where
            if theirs and ours:
                covers(ours[0], theirs[0], f"{where}[0]")
        case bool():
            assert ours is theirs, where
        case _:
            assert isinstance(ours, type(theirs)), where
