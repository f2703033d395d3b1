"""The invalidation log on disk: one file of records, written before anybody is told that an invalidation has happened.

Rules of this file
- A list of entries is one record: all of it is there after a crash, or none of it.
- A record has its length and a checksum for each of head and payload. What a dying process or a full disk leaves at the end, a part of a
  record, was never acknowledged and is cut off. Any other damage means that entries may be missing: then nothing that was stored under
  this log can be trusted, and a new log with a new id begins.
- A write that fails is cut back before the next one. If that fails too, the log is closed and takes nothing more.
- The file is bounded: when it has grown far beyond what the log still remembers, it is written anew beside the old one and renamed.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edgecache.invalidation.entry import Cause, Entry
from edgecache.invalidation.packing import pack, unpack

MAGIC = b"EDGELOG\n"
VERSION = 2
_HEAD = struct.Struct("<8sHxx16sQQI")  # magic, version, log id, base, dropped, checksum of what is before it
_RECORD = struct.Struct("<III")  # length of the payload, its checksum, checksum of these eight bytes
DAMAGED = "is damaged"
RECORD_BYTES = 16 * 1024 * 1024  # no record is longer; one that says so is damaged


class LogUnwritable(Exception):
    """The entry could not be written, so it has not happened; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found in a log file.

    base      head of the log when the file was begun; older entries in it are what was still remembered then
    swept     what is stored was tested up to there, see InvalidationLog
    dropped   what is below counts as covered, see InvalidationLog
    sentence  what had to be done about the file, for the terminal; None when nothing had
    fresh     the log begins anew: no stored response belongs to it
    """

    log_id: bytes
    base: int
    dropped: int
    entries: list[Entry]
    fresh: bool
    sentence: str | None
    swept: int = 0


class Files:
    """The system calls of a log file, in one place so that a test can let them fail."""

    def write(self, handle: int, data: bytes, at: int) -> int:
        """os.pwrite."""
        return os.pwrite(handle, data, at)

    def truncate(self, handle: int, size: int) -> None:
        """os.ftruncate."""
        os.ftruncate(handle, size)

    def sync(self, handle: int) -> None:
        """os.fsync."""
        os.fsync(handle)


class LogFile:
    """An open log file. `open_log` makes one; `write` appends a record."""

    def __init__(self, path: Path, handle: int, size: int, files: Files) -> None:
        self.path = path
        self.size = size
        self._handle = handle
        self._files = files
        self._closed_because = ""
        self._swapping = threading.Lock()

    def write(self, entries: Sequence[Entry]) -> None:
        """Append these entries as one record. Raises LogUnwritable; then the file is as it was before."""
        self._append(_record(entries))

    def note_swept(self, position: int) -> None:
        """Append that what is stored was tested up to `position`. Raises LogUnwritable, and then a later start tests it once more."""
        self._append(_framed(msgspec.msgpack.encode(position)))

    def _append(self, record: bytes) -> None:
        if self._closed_because:
            raise LogUnwritable(self._closed_because)
        if len(record) > RECORD_BYTES:
            raise LogUnwritable(
                f"one record of the invalidation log would have {len(record)} bytes, and {RECORD_BYTES} are the most; make it several"
            )
        try:
            written = self._files.write(self._handle, record, self.size)
        except OSError as error:
            self._cut_back()
            raise LogUnwritable(f"the invalidation log {self.path} cannot be written: {error.strerror}") from None
        if written != len(record):
            self._cut_back()
            raise LogUnwritable(f"the invalidation log {self.path} cannot be written: no space left")
        self.size += len(record)

    def sync(self) -> None:
        """Return when what was written will survive a power cut. Called in a thread; raises OSError."""
        with self._swapping:
            handle = os.dup(self._handle)  # `replace` closes its own
        try:
            self._files.sync(handle)
        finally:
            os.close(handle)

    def replace(self, log_id: bytes, base: int, dropped: int, swept: int, entries: Iterable[Entry]) -> None:
        """Write the log anew, with these entries only, and go on with the new file. Raises LogUnwritable; then the old one goes on."""
        beside = self.path.with_suffix(".new")
        try:
            handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                size = 0
                for data in _pieces(_head(log_id, base, dropped), swept, entries):
                    if self._files.write(handle, data, size) != len(data):
                        raise OSError(28, "no space left")
                    size += len(data)
                self._files.sync(handle)
                os.replace(beside, self.path)
            except BaseException:
                os.close(handle)
                raise
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise LogUnwritable(f"the invalidation log {self.path} cannot be written anew: {error.strerror}") from None
        with self._swapping:
            os.close(self._handle)
            self._handle, self.size = handle, size

    def close(self) -> None:
        """Nothing more is written."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
            self._closed_because = f"the invalidation log {self.path} is closed"

    def _cut_back(self) -> None:
        try:
            self._files.truncate(self._handle, self.size)
        except OSError as error:
            # Half a record may stand there: an append behind it could not be read again.
            self._closed_because = f"the invalidation log {self.path} is damaged and takes nothing more: {error.strerror}"


def open_log(path: Path, files: Files | None = None) -> tuple[LogFile, Recovered]:
    """The log file at `path`, made when it is missing, and what it holds. Raises OSError when the folder cannot be used at all."""
    files = files or Files()
    found = _read(path)
    sentence: str | None = None
    if isinstance(found, str):
        aside = path.with_suffix(".aside")  # for whoever wants to look at it; only the latest such file stays
        os.replace(path, aside)
        sentence = f"the invalidation log {path} {found}; it was set aside as {aside.name}, and everything stored under it is dropped"
        found = None
    if found is None:
        log_id = secrets.token_bytes(16)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        data = _head(log_id, 0, 0)
        try:
            complete = files.write(handle, data, 0) == len(data)
        except OSError:
            os.close(handle)
            raise
        if not complete:
            os.close(handle)
            raise OSError(28, "no space left for the invalidation log")
        return LogFile(path, handle, len(data), files), Recovered(log_id, 0, 0, [], True, sentence)
    recovered, size, torn = found
    handle = os.open(path, os.O_RDWR)
    if torn:
        files.truncate(handle, size)
        sentence = f"the last record of the invalidation log {path} was torn and has been cut off; it had not been acknowledged"
        recovered = dataclasses.replace(recovered, sentence=sentence)
    return LogFile(path, handle, size, files), recovered


def _read(path: Path) -> tuple[Recovered, int, bool] | str | None:
    """What the file holds, how long its sound part is and whether a torn end follows; what is wrong with it; None when there is none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(data) < _HEAD.size or not data.strip(b"\0"):
        return None  # it was begun and nothing was ever acknowledged in it
    magic, version, log_id, base, dropped, checksum = _HEAD.unpack_from(data)
    if magic != MAGIC or zlib.crc32(data[: _HEAD.size - 4]) != checksum:
        return DAMAGED
    if version != VERSION:
        return f"has format version {version}, and this edgecache knows {VERSION}"
    entries: list[Entry] = []
    at = _HEAD.size
    last = swept = 0
    while at < len(data):
        if len(data[at : at + 256].rstrip(b"\0")) < _RECORD.size and not data[at + 256 :].strip(b"\0"):  # torn inside its head, or zeros
            return Recovered(log_id, base, dropped, entries, False, None, swept), at, True
        length, payload_checksum, own_checksum = _RECORD.unpack_from(data, at)
        if zlib.crc32(data[at : at + 8]) != own_checksum or length > RECORD_BYTES - _RECORD.size:
            return DAMAGED
        end = at + _RECORD.size + length
        if end > len(data):
            return Recovered(log_id, base, dropped, entries, False, None, swept), at, True
        payload = data[at + _RECORD.size : end]
        if zlib.crc32(payload) != payload_checksum:
            return DAMAGED  # all of it is there, so it was acknowledged, perhaps: a torn record is a short one
        try:
            record = _entries(payload)
            if isinstance(record, int):
                swept, record = max(swept, record), []
        except (msgspec.MsgspecError, ValueError, TypeError, KeyError):
            return DAMAGED
        for entry in record:
            if entry.position <= last:
                return DAMAGED
            last = entry.position
        entries.extend(record)
        at = end
    return Recovered(log_id, base, dropped, entries, False, None, swept), at, False


def _head(log_id: bytes, base: int, dropped: int) -> bytes:
    data = _HEAD.pack(MAGIC, VERSION, log_id, base, dropped, 0)[:-4]
    return data + struct.pack("<I", zlib.crc32(data))


def _pieces(head: bytes, swept: int, entries: Iterable[Entry]) -> Iterator[bytes]:
    """A whole file, in few pieces."""
    gathered = bytearray(head)
    if swept:
        gathered += _framed(msgspec.msgpack.encode(swept))
    for entry in entries:
        gathered += _record([entry])
        if len(gathered) >= _PIECE_BYTES:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


_PIECE_BYTES = 1024 * 1024


def _record(entries: Sequence[Entry]) -> bytes:
    return _framed(msgspec.msgpack.encode([[e.position, e.time, e.soft, e.cause.value, pack(e.selector)] for e in entries]))


def _framed(payload: bytes) -> bytes:
    head = struct.pack("<II", len(payload), zlib.crc32(payload))
    return head + struct.pack("<I", zlib.crc32(head)) + payload


_decode = msgspec.msgpack.Decoder(int | list[tuple[int, float, bool, str, list[Any]]]).decode


def _entries(payload: bytes) -> list[Entry] | int:
    """The entries of a record; or, of one that is a single number, up to where what is stored was tested."""
    rows = _decode(payload)
    if isinstance(rows, int):
        return rows
    return [Entry(position, time, soft, unpack(selector), Cause(cause)) for position, time, soft, cause, selector in rows]
