"""The file of delayed invalidations, beside the log: what was acknowledged and is not in the log yet survives the end of the process.

Records are appended, each with its length and a checksum: one for an invalidation that begins to wait, one with its number alone when it
has been appended to the log, or dropped. As soon as nothing waits, the file is empty again. A torn end was never acknowledged, or is a
number that comes again; any other damage may have taken invalidations away, and then everything has to count as purged.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edgecache.invalidation.logfile import Files, LogUnwritable
from edgecache.invalidation.packing import Packed, pack, unpack
from edgecache.invalidation.selectors import Selector

MAGIC = b"EDGEWAIT\x00\x01"  # with the version of the format
_RECORD = struct.Struct("<III")  # length of the payload, its checksum, checksum of these eight bytes
SPARE_BYTES = 256 * 1024  # by so much may the file grow before it is written anew, without what waits no longer


class Waiting(NamedTuple):
    """A delayed invalidation as the file keeps it; times in edge time."""

    number: int
    since: float
    wait_s: float
    door: str
    who: str
    vendor: str
    soft: bool
    refetch: bool
    selectors: tuple[Selector, ...]


class DelayFile:
    """The open file. `open_delays` makes one."""

    def __init__(self, path: Path, handle: int, size: int, files: Files) -> None:
        self.path = path
        self._handle = handle
        self._size = size
        self._files = files
        self._rewrite_at = size + SPARE_BYTES

    def add(self, waiting: Waiting) -> None:
        """Keep it. Raises LogUnwritable; then it is not kept."""
        record = _record(_row(waiting))
        try:
            complete = self._files.write(self._handle, record, self._size) == len(record)
        except OSError as error:
            self._cut_back()
            raise LogUnwritable(f"{self.path} cannot be written: {error.strerror}") from None
        if not complete:
            self._cut_back()
            raise LogUnwritable(f"{self.path} cannot be written: no space left")
        self._size += len(record)

    def done(self, number: int, left: Callable[[], Sequence[Waiting]], last: bool) -> None:
        """It waits no longer; `left` do, and none if it was the `last`.

        What cannot be written comes again after a restart, which purges too much and never too little.
        """
        try:
            if last:
                self._empty()
                return
            record = _record([number])
            if self._files.write(self._handle, record, self._size) != len(record):
                self._cut_back()
                return
            self._size += len(record)
            if self._size > self._rewrite_at:
                self._rewrite(left())
        except OSError:
            self._cut_back()

    def clear(self) -> None:
        """Nothing waits any longer."""
        try:
            self._empty()
        except OSError:
            self._cut_back()

    def sync(self) -> None:
        """Return when what was written will survive a power cut. Called in a thread; raises OSError."""
        self._files.sync(self._handle)

    def close(self) -> None:
        """Nothing more is written."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _empty(self) -> None:
        self._files.truncate(self._handle, len(MAGIC))
        self._size, self._rewrite_at = len(MAGIC), SPARE_BYTES

    def _rewrite(self, left: Sequence[Waiting]) -> None:
        beside = self.path.with_suffix(".new")
        data = MAGIC + b"".join(_record(_row(one)) for one in left)
        handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if self._files.write(handle, data, 0) != len(data):
                raise OSError(28, "no space left")
            self._files.sync(handle)
            os.replace(beside, self.path)
        except BaseException:
            os.close(handle)
            raise
        os.close(self._handle)
        self._handle, self._size = handle, len(data)
        self._rewrite_at = 2 * self._size + SPARE_BYTES

    def _cut_back(self) -> None:
        with contextlib.suppress(OSError):  # what stands there then is overwritten by the next record, or found at the next start
            self._files.truncate(self._handle, self._size)


def open_delays(path: Path, files: Files | None = None) -> tuple[DelayFile, list[Waiting], str | None]:
    """The file at `path`, made when it is missing; what waits in it; and what is wrong with it: then nobody knows what waited.

    Raises OSError when the folder cannot be used.
    """
    files = files or Files()
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    wrong: str | None = None
    waiting: dict[int, Waiting] = {}
    end = len(MAGIC)
    if data[:end] != MAGIC[: len(data)]:
        wrong = "is damaged, or of another format"
    elif len(data) > end:
        found = _read(data)
        if isinstance(found, str):
            wrong = found
        else:
            waiting, end = found
    if wrong is not None:
        os.replace(path, path.with_suffix(".aside"))
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        begins = wrong is not None or len(data) < len(MAGIC)
        if begins and files.write(handle, MAGIC, 0) != len(MAGIC):
            raise OSError(28, "no space left")
        files.truncate(handle, end)
    except OSError:
        os.close(handle)
        raise
    return DelayFile(path, handle, end, files), list(waiting.values()), wrong


def _read(data: bytes) -> tuple[dict[int, Waiting], int] | str:
    """What waits, and where the sound part ends; or what is wrong."""
    waiting: dict[int, Waiting] = {}
    at = len(MAGIC)
    while at < len(data):
        if len(data[at : at + 256].rstrip(b"\0")) < _RECORD.size and not data[at + 256 :].strip(b"\0"):  # torn inside its head, or zeros
            break
        length, checksum, own_checksum = _RECORD.unpack_from(data, at)
        if zlib.crc32(data[at : at + 8]) != own_checksum:
            return "is damaged"
        payload = data[at + _RECORD.size : at + _RECORD.size + length]
        if len(payload) < length:
            break
        if zlib.crc32(payload) != checksum:
            return "is damaged"
        try:
            row = _decode(payload)
            if len(row) == 1:
                waiting.pop(row[0], None)
            else:
                number, since, wait_s, door, who, vendor, soft, refetch, selectors = row
                found = tuple(unpack(packed) for packed in selectors)
                waiting[number] = Waiting(number, since, wait_s, door, who, vendor, soft, refetch, found)
        except (msgspec.MsgspecError, ValueError, TypeError):
            return "is damaged"
        at += _RECORD.size + length
    return waiting, at


def _row(waiting: Waiting) -> list[Any]:
    packed: list[Packed] = [pack(selector) for selector in waiting.selectors]
    return [*waiting[:-1], packed]


def _record(row: list[Any]) -> bytes:
    payload = msgspec.msgpack.encode(row)
    head = struct.pack("<II", len(payload), zlib.crc32(payload))
    return head + struct.pack("<I", zlib.crc32(head)) + payload


_decode = msgspec.msgpack.Decoder(list[Any]).decode
