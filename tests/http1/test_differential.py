"""Ours against h11 and llhttp: they agree, or the difference is in the table of differences. Each entry of it is shown by an example."""

from __future__ import annotations

import collections
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http1.differences import DIFFERENCES, Where, compared, findings
from tests.http1.messages import Case, request, response
from tests.http1.parsers import by_us

ROUNDS = 6000  # of each kind; a few seconds

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKS = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
UPGRADE = b"Upgrade: x\r\nConnection: upgrade\r\n"


def req(*parts: bytes) -> Case:
    return Case(b"".join(parts))


def resp(*parts: bytes, method: bytes = b"GET") -> Case:
    return Case(b"".join(parts), method)


EXAMPLES: list[tuple[Where, str, Case]] = [
    (("h11", "head", "theirs"), "lines that end with LF", req(b"GET / HTTP/1.1\nHost: a\n\n")),
    (("h11", "head", "theirs"), "lines that end with LF", req(GET, b"\n")),
    (("h11", "head", "theirs"), "obs-fold", req(GET, b"A: b\r\n c\r\n\r\n")),
    (("h11", "head", "theirs"), "obs-fold", resp(OK, b"A: b\r\n\tc\r\n\r\n")),
    (("h11", "head", "theirs"), "control bytes", req(GET, b"A: \x01\r\n\r\n")),
    (("h11", "head", "theirs"), "control bytes", resp(b"HTTP/1.1 200 \x7f\r\n\r\n")),
    (("h11", "head", "theirs"), "length and coding", req(POST, b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
    (("h11", "head", "theirs"), "length and coding", resp(OK, b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
    (("h11", "head", "theirs"), "equal lengths", req(POST, b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na")),
    (("h11", "head", "theirs"), "equal lengths", resp(OK, b"Content-Length: 1, 1\r\n\r\na")),
    (("h11", "head", "theirs"), "long lengths", req(POST, b"Content-Length: 0000000000000000001\r\n\r\na")),
    (("h11", "head", "theirs"), "other versions", req(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n")),
    (("h11", "head", "theirs"), "other versions", resp(b"HTTP/2.0 200 OK\r\n\r\n")),
    (("h11", "head", "theirs"), "coding in HTTP/1.0", req(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
    (("h11", "head", "theirs"), "coding in HTTP/1.0", resp(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
    (("h11", "head", "ours"), "host", req(b"GET / HTTP/1.1\r\n\r\n")),
    (("h11", "head", "ours"), "host", req(GET, b"Host: b\r\n\r\n")),
    (("h11", "head", "ours"), "empty lines in front", req(b"\r\n", GET, b"\r\n")),
    (("h11", "head", "ours"), "raw bytes in the target", req(b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n")),
    (("h11", "head", "ours"), "fields that cannot matter", resp(OK, b"Transfer-Encoding: gzip\r\n\r\n", method=b"HEAD")),
    (("h11", "head", "ours"), "fields that cannot matter", resp(b"HTTP/1.1 103 a\r\nContent-Length: x\r\n\r\n")),
    (("h11", "fields", "other"), "coding in lower case", req(POST, b"Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n")),
    (("h11", "fields", "other"), "equal lengths in a 1xx", resp(b"HTTP/1.1 103 a\r\nContent-Length: 5, 5\r\n\r\n")),
    (("h11", "end", "theirs"), "extension syntax", req(CHUNKS, b"0;a b\r\n\r\n")),
    (("h11", "end", "theirs"), "extension syntax", req(CHUNKS, b"0;\xe9\r\n\r\n")),
    (("h11", "end", "theirs"), "size line limit", req(CHUNKS, b"0;", b"a" * 5000, b"\r\n\r\n")),
    (("h11", "end", "theirs"), "size digits", req(CHUNKS, b"0" * 16, b"\r\n\r\n")),
    (("h11", "end", "theirs"), "forbidden trailers", req(CHUNKS, b"0\r\nHost: b\r\n\r\n")),
    (("h11", "end", "theirs"), "LF in trailers", req(CHUNKS, b"0\r\nA: b\n\r\n")),
    (("h11", "end", "theirs"), "obs-fold in trailers", req(CHUNKS, b"0\r\nA: b\r\n c\r\n\r\n")),
    (("h11", "end", "theirs"), "control bytes in trailers", req(CHUNKS, b"0\r\nA: \x01\r\n\r\n")),
    (("h11", "end", "ours"), "white space in size lines", req(CHUNKS, b"1 ; a = b\r\na\r\n0\r\n\r\n")),
    (("llhttp", "head", "theirs"), "half empty lines in front", req(b"\n", GET, b"\r\n")),
    (("llhttp", "head", "theirs"), "half empty lines in front", resp(b"\r", OK, b"\r\n")),
    (("llhttp", "head", "theirs"), "empty lines before a response", resp(b"\r\n", OK, b"\r\n")),
    (("llhttp", "head", "theirs"), "several spaces", req(b"GET  /  HTTP/1.1\r\nHost: a\r\n\r\n")),
    (("llhttp", "head", "theirs"), "HTTP/0.9 and 2.0", req(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n")),
    (("llhttp", "head", "theirs"), "HTTP/0.9 and 2.0", resp(b"HTTP/0.9 200 OK\r\n\r\n")),
    (("llhttp", "head", "theirs"), "no version", req(b"GET /HTTP/1.1\r\nHost: a\r\n\r\n")),
    (("llhttp", "head", "theirs"), "no version", req(b"GET /\nHost: a\r\n\r\n")),
    (("llhttp", "head", "theirs"), "other protocols", req(b"GET / RTSP/1.0\r\nHost: a\r\n\r\n")),
    (("llhttp", "head", "theirs"), "other protocols", resp(b"RTSP/1.0 200 OK\r\n\r\n")),
    (("llhttp", "head", "theirs"), "coding in HTTP/1.0", req(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
    (("llhttp", "head", "theirs"), "codings before chunked", req(POST, b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")),
    (("llhttp", "head", "theirs"), "codings before chunked", resp(OK, b"Transfer-Encoding: gzip\r\n\r\n")),
    (("llhttp", "head", "theirs"), "empty member before chunked", req(POST, b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n")),
    (("llhttp", "head", "theirs"), "long lengths", req(POST, b"Content-Length: 0000000000000000001\r\n\r\na")),
    (("llhttp", "head", "theirs"), "control bytes in the reason", resp(b"HTTP/1.1 200 a\0b\r\n\r\n")),
    (("llhttp", "head", "theirs"), "status below 100", resp(b"HTTP/1.1 099 OK\r\n\r\n")),
    (("llhttp", "head", "ours"), "unknown methods", req(b"BAN / HTTP/1.1\r\nHost: a\r\n\r\n")),
    (("llhttp", "head", "ours"), "unknown methods", req(b"get / HTTP/1.1\r\nHost: a\r\n\r\n")),
    (("llhttp", "head", "ours"), "targets", req(b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n")),
    (("llhttp", "head", "ours"), "targets", req(b"GET nonsense HTTP/1.1\r\nHost: a\r\n\r\n")),
    (("llhttp", "head", "ours"), "minor versions", req(b"GET / HTTP/1.2\r\nHost: a\r\n\r\n")),
    (("llhttp", "head", "ours"), "minor versions", resp(b"HTTP/1.2 200 OK\r\n\r\n")),
    (("llhttp", "head", "ours"), "white space behind the coding", req(POST, b"Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n")),
    (("llhttp", "head", "ours"), "fields that cannot matter", resp(b"HTTP/1.1 103 a\r\nContent-Length: x\r\n\r\n")),
    (("llhttp", "fields", "other"), "white space behind values", req(GET, b"A: b \r\n\r\n")),
    (("llhttp", "keep-alive", "ours"), "Proxy-Connection", req(GET, b"Proxy-Connection: close\r\n\r\n")),
    (("llhttp", "keep-alive", "theirs"), "Proxy-Connection", req(b"GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n")),
    (("llhttp", "keep-alive", "ours"), "white space behind the coding", resp(OK, b"Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n")),
    (
        ("llhttp", "keep-alive", "theirs"),
        "close and keep-alive",
        req(b"GET / HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n"),
    ),
    (("llhttp", "trailers", "other"), "white space behind trailers", req(CHUNKS, b"0\r\nA: b \r\n\r\n")),
    (("llhttp", "trailers", "other"), "trailers of a 1xx", resp(b"HTTP/1.1 199 a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n")),
    (("llhttp", "trailers", "other"), "trailers behind an upgrade", req(POST, UPGRADE, CHUNKS[26:], b"0\r\nA: b\r\n\r\n")),
    (("llhttp", "content", "other"), "content of a 1xx", resp(b"HTTP/1.1 199 a\r\nContent-Length: 1\r\n\r\na")),
    (("llhttp", "content", "other"), "content behind an upgrade", req(POST, UPGRADE, b"Content-Length: 1\r\n\r\na")),
    (("llhttp", "rest", "other"), "rest of a 1xx", resp(b"HTTP/1.1 199 a\r\nContent-Length: 1\r\n\r\na")),
    (("llhttp", "rest", "other"), "rest behind an upgrade", req(POST, UPGRADE, b"Content-Length: 1\r\n\r\na")),
    (("llhttp", "end", "theirs"), "end of an upgrade", req(POST, UPGRADE, b"Content-Length: 1\r\n\r\n")),
    (("llhttp", "end", "theirs"), "extension syntax", req(CHUNKS, b"0;a=\r\n\r\n")),
    (("llhttp", "end", "theirs"), "size line limit", req(CHUNKS, b"0;", b"a" * 5000, b"\r\n\r\n")),
    (("llhttp", "end", "theirs"), "size digits", req(CHUNKS, b"0" * 16, b"\r\n\r\n")),
    (("llhttp", "end", "theirs"), "forbidden trailers", req(CHUNKS, b"0\r\nConnection: close\r\n\r\n")),
    (("llhttp", "end", "ours"), "white space in size lines", req(CHUNKS, b"1 ; a = b\r\na\r\n0\r\n\r\n")),
    (("llhttp", "end", "ours"), "white space behind the coding", resp(OK, b"Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n")),
    (("llhttp", "end", "ours"), "end of a 1xx", resp(b"HTTP/1.1 199 a\r\nContent-Length: 1\r\n\r\n")),
]


@pytest.mark.parametrize("where, name, case", EXAMPLES, ids=[f"{' '.join(where)}: {name}" for where, name, _ in EXAMPLES])
def test_an_example_shows_its_difference(where: Where, name: str, case: Case) -> None:
    differences = dict(compared(case))
    assert differences[where] == [name]
    assert all(differences.values())


def test_each_entry_has_an_example() -> None:
    assert {(where, name) for where, name, _ in EXAMPLES} == {
        (where, entry.name) for where, entries in DIFFERENCES.items() for entry in entries
    }


@pytest.mark.parametrize(
    "case",
    [
        req(GET, b"\r\n"),
        req(POST, b"Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n\r\n"),
        req(CHUNKS, b"5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        req(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        resp(OK, b"\r\nhello"),
        resp(OK, b"Content-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n"),
        resp(OK, b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\nrest"),
        resp(OK, b"Content-Length: 5\r\n\r\nrest", method=b"HEAD"),
        resp(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nrest"),
        resp(b"HTTP/1.1 204 No Content\r\n\r\nrest"),
        resp(b"HTTP/1.1 101 Switching Protocols\r\n", UPGRADE, b"\r\nrest"),
        resp(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
    ],
)
def test_all_three_agree(case: Case) -> None:
    assert by_us(case).end == "complete"
    assert list(compared(case)) == []


# generated


@pytest.mark.parametrize("make", [request, response])
def test_a_fixed_corpus(make: object) -> None:
    """The same messages each time: no difference without an entry. And the messages are worth it: half are taken, all faults occur."""
    rng = Random(20)
    ends: collections.Counter[str] = collections.Counter()
    agreed = 0
    reasons: set[str] = set()
    for _ in range(ROUNDS):
        case = request(rng) if make is request else response(rng)
        assert findings(case) == []
        ours = by_us(case)
        ends[ours.end if ours.taken else "no head"] += 1
        agreed += not list(compared(case))
        reasons.update(fault for fault in FAULTS if fault in ours.why)
    assert ends["complete"] > 0.45 * ROUNDS
    assert ends["no head"] > 0.2 * ROUNDS
    assert ends["refused"] > 0.03 * ROUNDS
    assert ends["open"] > 0.005 * ROUNDS
    assert agreed > 0.5 * ROUNDS
    assert reasons == FAULTS - (NOT_IN_REQUESTS if make is request else NOT_IN_RESPONSES)


# every kind of refusal that the parsers know, but for the limits of a head (test_head.py)
FAULTS = {
    "is not METHOD, one space, target",
    "HTTP/0.9 is not spoken here",
    "is not spoken here; HTTP/1.1 is",
    "is no HTTP version",
    "the method",
    "the request target is empty",
    "a TAB in the request target",
    "a bare CR in the line",
    "a bare LF in the line",
    "a NUL byte in the line",
    "the control byte 0x",
    "obs-fold",
    "has no colon",
    "white space before the colon",
    "the field name",
    "the origin's status line begins with",
    "the origin's status code is",
    "Content-Length is given more than once",
    "is not a number",
    "digits, where at most 18 are taken",
    "both Content-Length and Transfer-Encoding",
    "in an HTTP/1.0",
    "does not end with chunked, once",
    "is not understood; only chunked is",
    "only chunked is understood",
    "a chunk size line ends with a bare LF",
    "a chunk size line has more than",
    "the chunk size line",
    "a chunk is not followed by CRLF",
    "a trailer line ends with a bare LF",
    "in the trailers: ",
    "may not come as a trailer",
}
NOT_IN_REQUESTS = {"the origin's status line begins with", "the origin's status code is", "only chunked is understood"}
NOT_IN_RESPONSES = {
    "is not METHOD, one space, target",
    "HTTP/0.9 is not spoken here",
    "is not spoken here; HTTP/1.1 is",
    "is no HTTP version",
    "the method",
    "the request target is empty",
    "a TAB in the request target",
    "does not end with chunked, once",
    "is not understood; only chunked is",
}


@settings(derandomize=True, max_examples=400, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([request, response]))
def test_generated_messages(rng: Random, make: object) -> None:
    assert findings(request(rng) if make is request else response(rng)) == []


@settings(derandomize=True, max_examples=400, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from([None, b"GET", b"HEAD"]),
    st.sampled_from([b"", GET, POST, CHUNKS, OK, OK + b"Transfer-Encoding: chunked\r\n\r\n"]),
)
def test_any_bytes(data: bytes, method: bytes | None, before: bytes) -> None:
    assert findings(Case(before + data, method)) == []
