"""What the tests of the store share: stored responses whose content follows from what they are, and file operations that fail on demand."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Sequence

from edgecache.caching.stored import Key, StoredResponse, Variant
from edgecache.semantics.message import Fields, field
from edgecache.store.body import Body, FileBody, MemoryBody
from edgecache.store.files import Files
from edgecache.store.tiers import StoreLimits

LOG = b"the log's own id"
PLAIN: Variant = ()
GERMAN: Variant = ((b"accept-language", b"de"),)
FRENCH: Variant = ((b"accept-language", b"fr"),)
ABSENT: Variant = ((b"accept-language", None),)


def key(number: int = 0, extra: bytes = b"", scheme: bytes = b"http") -> Key:
    return Key(scheme, b"h", b"/%d" % number, extra)


def content(of: Key, vary: Variant, position: int, start: int, length: int) -> bytes:
    """Bytes that only this response has, so that a test that sees any of them knows whose they are."""
    seed = hashlib.blake2b(repr((tuple(of), vary, position, start)).encode(), digest_size=32).digest()
    return b"".join(hashlib.blake2b(seed + block.to_bytes(8, "big")).digest() for block in range(length // 64 + 1))[:length]


def stored(
    of: Key | None = None,
    position: int = 0,
    start: int = 0,
    vary: Variant = PLAIN,
    length: int = 100,
    *,
    body: Body | None = None,
    fields: Fields | None = None,
    **more: object,
) -> StoredResponse:
    """A stored response; its content is `content`, unless `body` is given."""
    of = key() if of is None else of
    return StoredResponse(
        key=of,
        status=200,
        reason=b"OK",
        fields=[field(b"Content-Type", b"text/plain")] if fields is None else fields,
        vary=vary,
        body=MemoryBody((content(of, vary, position, start, length),)) if body is None else body,
        request_time=1.0,
        response_time=2.0,
        offset_s=0.0,
        position=position,
        start=start,
        lifetime_s=60.0,
        initial_age_s=0.0,
        **more,  # type: ignore[arg-type]
    )


async def all_of(body: Body, first: int = 0, last: int | None = None) -> bytes:
    return b"".join([piece async for piece in body.read(first, last)])


async def is_whole(one: StoredResponse) -> bool:
    """Is its content, read from wherever it is, what `stored` gave it?"""
    assert isinstance(one.body, MemoryBody | FileBody)
    return await all_of(one.body) == content(one.key, one.vary, one.position, one.start, one.body.length)


def limits(**changed: int) -> StoreLimits:
    usual = {
        "memory_bytes": 10**8,
        "disk_bytes": 10**9,
        "variants": 100,
        "object_bytes": 10**8,
        "buffer_bytes": 1000,
        "spool_memory_bytes": 2**20,
        "backlog_bytes": 10**8,
    }
    return StoreLimits(**{**usual, **changed})


class FaultyFiles(Files):
    """File operations of which some fail: those named in `failing`, each with its errno."""

    def __init__(self) -> None:
        self.failing: dict[str, int] = {}
        self.room: int | None = None  # bytes that can still be written; then the disk is full

    def _fail(self, name: str) -> None:
        if name in self.failing:
            raise OSError(self.failing[name], os.strerror(self.failing[name]))

    def create(self, path: str) -> int:
        self._fail("create")
        return super().create(path)

    def open(self, path: str) -> int:
        self._fail("open")
        return super().open(path)

    def write(self, fd: int, pieces: Sequence[bytes]) -> None:
        self._fail("write")
        if self.room is None:
            super().write(fd, pieces)
            return
        for piece in pieces:
            super().write(fd, [piece[: self.room]])
            if len(piece) > self.room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.room -= len(piece)

    def read(self, fd: int, length: int, offset: int) -> bytes:
        self._fail("read")
        return super().read(fd, length, offset)

    def rename(self, old: str, new: str) -> None:
        self._fail("rename")
        super().rename(old, new)

    def unlink(self, path: str) -> None:
        self._fail("unlink")
        super().unlink(path)

    def make_folder(self, path: str) -> None:
        self._fail("make_folder")
        super().make_folder(path)
