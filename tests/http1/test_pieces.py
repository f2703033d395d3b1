"""However bytes are cut up on their way, the same comes out of a connection. And no bytes at all make it raise, hang or lose its place."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.http1.chunked import ChunkedDecoder
from edgecache.http1.framing import CHUNKED, UNTIL_CLOSE, keeps_alive, request_framing, response_framing
from edgecache.http1.head import HeadLimits, judge_unfinished, lower_name, parse_fields, parse_request_head, parse_response_head
from edgecache.http1.problem import Problem
from tests.http1.connections import Message, Seen, answered, cut_up, findings_in_pieces, served
from tests.http1.messages import Case, request, response
from tests.http1.parsers import LIMITS, by_us

SMALL = HeadLimits(target_bytes=60, head_bytes=150, fields=4)
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
GET = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


async def every_way(case: Case, limits: HeadLimits = LIMITS) -> Seen:
    """In one piece, in every two, byte by byte, with much and with little buffer: always the same, which is returned."""

    async def through(pieces: list[bytes], buffer_bytes: int) -> Seen:
        if case.method is None:
            return await served(pieces, limits, buffer_bytes)
        return await answered(case.method, pieces, limits, buffer_bytes)

    data = case.data
    whole = await through([data], 1 << 20)
    for at in range(1, len(data)):
        assert await through([data[:at], data[at:]], 1 << 20) == whole
    for buffer_bytes in (1, 1 << 20):
        assert await through(cut_up(data, range(len(data))), buffer_bytes) == whole
    return whole


def starts(seen: Seen) -> list[object]:
    return [message.start[:2] for message in seen.messages]


@pytest.mark.parametrize(
    "data, ends, clean",
    [
        (GET, ["complete"], True),
        (GET + GET, ["complete"] * 2, True),
        (b"\r\n" + GET + b"\r\n\r\n" + GET + b"\r\n", ["complete"] * 2, True),
        (POST + b"Content-Length: 5\r\n\r\nhello" + GET, ["complete"] * 2, True),
        (POST + b"Content-Length: 5\r\n\r\nhell", ["cut"], False),
        (POST + b"Content-Length: 5\r\n\r\nhello\r\n" + GET, ["complete"] * 2, True),  # CRLF behind content, as some clients once sent
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n" + GET, ["complete"] * 2, True),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n", ["cut"], False),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n" + GET, ["400"], False),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nHost: b\r\n\r\n" + GET, ["400"], False),
        (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET, ["400"], False),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + GET, ["501"], False),
        (POST + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello" + GET, ["complete"], False),
        (b"GET / HTTP/1.0\r\n\r\n" + GET, ["complete"], False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + GET, ["complete"] * 2, True),
        (GET + b"GET  / HTTP/1.1\r\n\r\n" + GET, ["complete", "400"], False),
        (GET + b"GET / HTTP/2.0\r\n\r\n" + GET, ["complete", "505"], False),
        (GET + b"GET / HTTP/1.1\nHost: a\n\n" + GET, ["complete", "400"], False),
        (GET + b"GET / HTTP/1.1\r\nA : b\r\n\r\n" + GET, ["complete", "400"], False),
        (GET + b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n" + GET, ["complete", "400"], False),
        (GET + b"GET / HTT", ["complete"], False),
        (GET + b"\n", ["complete", "400"], False),
        (GET + b"\r\n\r", ["complete"], False),
        (b"", [], True),
    ],
)
async def test_requests(data: bytes, ends: list[str], clean: bool) -> None:
    seen = await every_way(Case(data))
    assert [message.end for message in seen.messages] == ends
    assert seen.clean is clean


@pytest.mark.parametrize(
    "method, data, ends, clean",
    [
        (b"GET", OK + b"Content-Length: 5\r\n\r\nhello", ["complete"], True),
        (b"GET", OK + b"Content-Length: 5\r\n\r\nhell", ["http_response_incomplete"], False),
        (b"GET", OK + b"Content-Length: 5\r\n\r\nhello\r\n", ["complete"], False),  # bytes that nobody asked for: never used again
        (b"GET", OK + b"Content-Length: 0\r\n\r\n", ["complete"], True),
        (b"GET", OK + b"Content-Length: 0\r\n\r\n" + OK + b"\r\n", ["complete"], False),
        (b"GET", OK + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello", ["complete"], False),
        (b"GET", OK + b"\r\nhello", ["complete"], False),
        (b"GET", OK + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n", ["complete"], True),
        (b"GET", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n0", ["complete"], False),
        (b"GET", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", ["http_response_incomplete"], False),
        (b"GET", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n", ["http_response_transfer_coding"], False),
        (b"GET", OK + b"Transfer-Encoding: gzip\r\n\r\nhello", ["http_response_transfer_coding"], False),
        (b"HEAD", OK + b"Content-Length: 5\r\n\r\n", ["complete"], True),
        (b"HEAD", OK + b"Content-Length: 5\r\n\r\nhello", ["complete"], False),
        (b"GET", b"HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", ["complete"], True),
        (b"GET", b"HTTP/1.1 204 \r\n\r\n", ["complete"], True),
        (b"GET", b"HTTP/1.1 204 \r\n\r\nhello", ["complete"], False),
        (b"GET", b"HTTP/1.1 103 \r\nLink: a\r\n\r\nHTTP/1.1 100 \r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n", ["complete"] * 3, True),
        (b"GET", b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", ["complete"], False),
        (b"GET", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", ["http_protocol_error"], False),
        (b"GET", OK + b"A : b\r\n\r\n", ["http_protocol_error"], False),
        (b"GET", b"hello", ["http_protocol_error"], False),
        (b"GET", b"\r\n" + OK + b"\r\n", ["http_protocol_error"], False),
        (b"GET", b"HTTP/1.1 200", ["http_response_incomplete"], False),
    ],
)
async def test_responses(method: bytes, data: bytes, ends: list[str], clean: bool) -> None:
    seen = await every_way(Case(data, method))
    assert [message.end for message in seen.messages] == ends
    assert seen.clean is clean


async def test_what_looks_like_a_request_inside_content_is_content() -> None:
    framed = b"Content-Length: %d\r\n\r\n%b" % (len(GET), GET)
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(GET), GET)
    for framing in (framed, chunked):
        seen = await every_way(Case(POST + framing + b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n"))
        assert starts(seen) == [(b"POST", b"/"), (b"GET", b"/last")]
        assert seen.messages[0].content == GET


async def test_reading_goes_on_for_what_a_request_waits_for() -> None:
    """Reading stops when much waits behind a request. When its turn comes, the last of what waits may be a head whose content is missing:
    once nobody read on, and the client was told after a minute that it was slow."""
    waiting = GET * 5 + POST + b"Transfer-Encoding: chunked\r\n\r\n"
    assert len(waiting) > SMALL.head_bytes
    seen = await served([POST + b"Content-Length: 1\r\n\r\n", b"a" + waiting, b"0\r\nA: b\r\n", b"\r\n"], SMALL)
    assert [message.end for message in seen.messages] == ["complete"] * 7


async def test_an_origins_head_of_just_the_permitted_size() -> None:
    head = OK + b"A: " + b"b" * (SMALL.head_bytes - len(OK) - 3)
    for data, end in ((head, "complete"), (head + b"b", "http_response_header_section_size")):
        seen = await every_way(Case(data + b"\r\n\r\n", b"HEAD"), SMALL)
        assert [message.end for message in seen.messages] == [end]


# generated


@pytest.mark.parametrize("limits", [LIMITS, SMALL])
async def test_a_fixed_corpus_in_random_pieces(limits: HeadLimits) -> None:
    rng = Random(21)
    for _ in range(1500):
        assert await findings_in_pieces(rng.choice((request, response))(rng), rng, limits) == []


async def test_a_connection_makes_of_a_message_what_the_functions_make_of_it() -> None:
    """What the comparison with other parsers shows, it shows of the functions; here for the product."""
    rng = Random(22)
    for _ in range(1500):
        case = rng.choice((request, response))(rng)
        ours = by_us(case)
        seen = await (served([case.data], LIMITS) if case.method is None else answered(case.method, [case.data], LIMITS))
        first = seen.messages[0] if seen.messages else Message(end="nothing")
        if ours.end == "complete":
            assert first == Message(ours.start, ours.fields, ours.content, ours.trailers)
        elif ours.taken and ours.end == "open" and case.method is None:
            assert first == Message(ours.start, ours.fields, ours.content, end="cut")
        else:
            assert first.end not in ("complete", "cut")


# garbage


WORDS = (
    *(b"\r\n", b"\n", b"\r", b":", b" ", b"\t", b"\0", b";", b'"', b"\xff", b"5", b"0", b"A", b"/"),
    *(b"GET", b"HTTP/1.1", b"HTTP/1.1 200 OK", b"Host: a", b"Transfer-Encoding: chunked", b"Content-Length: 5"),
)
bytes_like_http = st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(WORDS), max_size=40).map(b"".join))


@settings(derandomize=True, max_examples=500, deadline=None)
@given(bytes_like_http, st.sampled_from([LIMITS, SMALL]), st.sampled_from([b"GET", b"HEAD"]))
def test_any_bytes_as_a_head(data: bytes, limits: HeadLimits, method: bytes) -> None:
    asked = parse_request_head(data, limits)
    if isinstance(asked, Problem):
        assert asked.status in (400, 414, 431, 505)
        assert asked.detail.isprintable()
    else:
        framing = request_framing(asked)
        assert isinstance(framing, Problem) or framing >= 0 or framing == CHUNKED
        keeps_alive(asked.minor, asked.fields)
    answer = parse_response_head(data, limits)
    if isinstance(answer, Problem):
        assert answer.status == 502
        assert answer.detail.isprintable()
    else:
        framing = response_framing(method, answer)
        assert isinstance(framing, Problem) or framing >= 0 or framing in (CHUNKED, UNTIL_CLOSE)
    parse_fields(data.split(b"\r\n"), limits.fields)
    lower_name(data)
    for seen in (0, len(data) // 2, len(data)):
        judge_unfinished(data, limits, seen)


@settings(derandomize=True, max_examples=500, deadline=None)
@given(bytes_like_http, st.lists(st.integers(0, 300), max_size=6))
def test_any_bytes_as_chunks(data: bytes, cuts: list[int]) -> None:
    results = []
    for pieces in ([data], cut_up(data, cuts), cut_up(data, range(len(data)))):
        decoder = ChunkedDecoder(SMALL.head_bytes, SMALL.fields)
        content: list[bytes] = []
        wrong = None
        behind = b""
        for at, piece in enumerate(pieces):
            wrong = decoder.feed(piece, content)
            if wrong is not None or decoder.done:
                behind = b"".join(pieces[at + 1 :])
                break
        results.append((wrong is None, b"".join(content), decoder.trailers, decoder.done and decoder.rest + behind))
    assert results[0] == results[1] == results[2]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.sampled_from([b"", GET, POST, POST + b"Transfer-Encoding: chunked\r\n\r\n", OK, OK + b"\r\n"]),
    bytes_like_http,
    st.randoms(use_true_random=False),
)
def test_any_bytes_through_connections(before: bytes, data: bytes, rng: Random) -> None:
    for method in (None, b"GET"):
        assert asyncio.run(findings_in_pieces(Case(before + data, method), rng)) == []
