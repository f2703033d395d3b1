"""Updating stored responses: which one a 304 or an answer to HEAD is about, and what its fields become (RFC 9111 3.2, 4.3.4, 4.3.5)."""

from __future__ import annotations

import pytest
from cachingkit import fields, stored

from edgecache.caching.freshen import agrees, merged
from edgecache.caching.stored import Part

A, WEAK_A, B = 'ETag: "a"', 'ETag: W/"a"', 'ETag: "b"'
OLD, OTHER = "Last-Modified: {-600}", "Last-Modified: {-500}"
DATE = "Date: {0}"


@pytest.mark.parametrize(
    "held, said, status, same",
    [
        ([], [], 200, True),
        ([A, OLD], [], 200, True),
        ([A, OLD], [A, OLD], 200, True),
        ([A], [B], 200, False),
        ([A], [WEAK_A], 200, False),
        ([], [A], 200, False),
        ([OLD], [OTHER], 200, False),
        ([], [OLD], 200, False),
        ([], ["Content-Length: 10"], 200, True),
        ([], ["Content-Length: 11"], 200, False),
        ([A], [A, "Content-Length: 11"], 200, False),
        ([A], [A], 404, False),
        ([A], [A], 304, False),
    ],
)
def test_what_an_answer_to_head_describes(held: list[str], said: list[str], status: int, same: bool) -> None:
    assert agrees(stored(*held), status, fields(*said)) is same


def test_head_is_about_the_whole_and_about_200() -> None:
    part = stored(A, status=206, part=Part(0, 4, 11), length=5)
    assert agrees(part, 200, fields(A, "Content-Length: 11"))
    assert not agrees(part, 200, fields(A, "Content-Length: 5"))
    assert agrees(stored(A, status=206, part=Part(0, 4, None), length=5), 200, fields(A, "Content-Length: 11"))
    assert not agrees(stored(A, status=404), 200, fields(A))


@pytest.mark.parametrize(
    "held, said, fresh",
    [
        (["A: 1", "B: 1"], ["B: 2"], ["A: 1", "B: 2"]),
        (["A: 1"], ["B: 2"], ["A: 1", "B: 2"]),
        (["A: 1", "A: 2", "B: 1"], ["a: 3"], ["B: 1", "a: 3"]),  # all lines of a field
        (["A: 1"], ["A: 2", "A: 3"], ["A: 2", "A: 3"]),
        (["Set-Cookie: a=1"], ["Set-Cookie: b=1"], ["Set-Cookie: b=1"]),
        (["Content-Type: text/plain"], ["Content-Type: text/html"], ["Content-Type: text/html"]),
        (["Content-Location: /a"], ["Content-Location: /b"], ["Content-Location: /b"]),
        # what the stored bytes depend on
        (["Content-Length: 10"], ["Content-Length: 0"], ["Content-Length: 10"]),
        (["Content-Encoding: gzip"], ["Content-Encoding: br"], ["Content-Encoding: gzip"]),
        ([], ["Content-Encoding: br"], []),
        (["Content-MD5: a"], ["Content-MD5: b"], ["Content-MD5: a"]),
        (["Repr-Digest: a"], ["Repr-Digest: b"], ["Repr-Digest: a"]),
        (["Content-Range: x"], ["Content-Range: y"], ["Content-Range: x"]),
        # what ends at the next hop
        (["A: 1"], ["Connection: x", "X: 1", "Keep-Alive: 1"], ["A: 1"]),
        # the stored tag may be the stronger one
        ([A], [WEAK_A], [A]),
        ([OLD], [A, OLD], [A, OLD]),
        # of one message only
        (["Age: 30", "Date: {-90}", "A: 1"], [], ["A: 1"]),
        (["Age: 30", "Date: {-90}"], ["Age: 5", "Date: {0}"], ["Age: 5", "Date: {0}"]),
    ],
)
def test_merged(held: list[str], said: list[str], fresh: list[str]) -> None:
    assert merged(stored(*held), fields(*said)) == fields(*fresh)
