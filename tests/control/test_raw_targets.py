"""Raw bytes in targets: what aiohttp would get, however the bytes arrive; and nothing else is ever changed."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.control.raw_targets import RawTargets
from edgecache.http1.head import HeadLimits


class Inner(asyncio.Protocol):
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.got = b""
        self.ended = False

    def data_received(self, data: bytes) -> None:
        assert data
        self.got += data

    def eof_received(self) -> bool | None:
        self.ended = True
        return None


def passed(data: bytes, size: int = 10**6, *, eof: bool = True) -> bytes:
    inner = Inner()
    outer = RawTargets(inner, HeadLimits())
    for at in range(0, len(data), size):
        outer.data_received(data[at : at + size])
    if eof:
        outer.eof_received()
        assert inner.ended
    return inner.got


HEAD = b"POST /purge/www.example.com/\xfc?q=\xff HTTP/1.1\r\nHost: h\xfc\r\n"
ASCII = b"POST /purge/www.example.com/%FC?q=%FF HTTP/1.1\r\nHost: h\xfc\r\n"
BODY = b"GET /\xfc HTTP/1.1\r\n\r\n"  # content that looks like a request


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    "data, expected",
    [
        (HEAD + b"\r\n", ASCII + b"\r\n"),
        (b"\r\n\r\n" + HEAD + b"\r\n", b"\r\n\r\n" + ASCII + b"\r\n"),
        (HEAD + b"\r\n" + HEAD + b"\r\n", ASCII + b"\r\n" + ASCII + b"\r\n"),  # pipelined
        (
            HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY + HEAD + b"\r\n",
            ASCII + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY + ASCII + b"\r\n",
        ),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY) + BODY + b"\r\n0\r\nT: \xfc\r\n\r\n" + HEAD + b"\r\n",
            ASCII + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY) + BODY + b"\r\n0\r\nT: \xfc\r\n\r\n" + ASCII + b"\r\n",
        ),
        (HEAD.replace(b"1.1", b"1.0") + b"\r\n", ASCII.replace(b"1.1", b"1.0") + b"\r\n"),
        # Whatever is behind an upgrade is not read as HTTP.
        (HEAD + b"Upgrade: x\r\n\r\n" + HEAD + b"\r\n", ASCII + b"Upgrade: x\r\n\r\n" + HEAD + b"\r\n"),
    ],
)
def test_targets_become_ascii_and_nothing_else_changes(data: bytes, expected: bytes, size: int) -> None:
    assert passed(data, size) == expected


@pytest.mark.parametrize("size", [1, 5, 100_000])
@pytest.mark.parametrize(
    "data",
    [
        b"GET /\xfc HTTP/1.1\nHost: h\n\n",  # bare LF
        b"GET /\xfc\r\n\r\n",  # HTTP/0.9
        b"GET /\xfc HTTP/1.1\r\n Host: h\r\n\r\n",  # obs-fold
        b"GET /\xfc HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /\xfc HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        b"GET /\xfc HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\xfc",  # TLS
    ],
)
def test_what_is_in_doubt_is_left_as_it_is_to_the_end(data: bytes, size: int) -> None:
    assert passed(data + HEAD + b"\r\n", size) == data + HEAD + b"\r\n"


def test_half_a_head_is_left_as_it_is() -> None:
    assert passed(HEAD, 3) == HEAD
    assert passed(HEAD, 3, eof=False) == b""


def test_a_broken_chunk_ends_it() -> None:
    data = HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n" + HEAD + b"\r\n"
    assert passed(data) == data.replace(HEAD, ASCII, 1)


@given(st.lists(st.binary(max_size=30)), st.integers(1, 9))
def test_no_byte_is_lost_or_added(pieces: list[bytes], size: int) -> None:
    data = b"\r\n".join([*pieces, b"", b""])
    got = passed(data, size)
    # A request line could come out of such bytes; but for its percent-encodings they are the same.
    assert re.sub(rb"%([89A-F][0-9A-F])", lambda found: bytes.fromhex(found[1].decode()), got) == re.sub(
        rb"%([89A-F][0-9A-F])", lambda found: bytes.fromhex(found[1].decode()), data
    )
