"""Where content ends: each sentence of RFC 9112 6.3, for both directions, and what each Problem names."""

from __future__ import annotations

import pytest

from edgecache.http1.framing import CHUNKED, UNTIL_CLOSE, keeps_alive, request_framing, response_framing
from edgecache.http1.problem import Problem
from edgecache.semantics.message import Fields, RequestHead, ResponseHead
from edgecache.semantics.proxy_status import ProxyError


def fields(*lines: str) -> Fields:
    """Fields as the parser gives them."""
    split = [(line.encode("latin-1"), *line.encode("latin-1").partition(b":")) for line in lines]
    return [(line, name.lower(), value.strip(b" \t")) for line, name, _, value in split]


def of_request(lines: tuple[str, ...], minor: int = 1) -> int | Problem:
    return request_framing(RequestHead(b"POST", b"/", minor, fields("Host: a", *lines)))


def of_response(lines: tuple[str, ...], status: int = 200, method: bytes = b"GET", minor: int = 1) -> int | Problem:
    return response_framing(method, ResponseHead(status, b"", minor, fields("Server: a", *lines)))


LENGTHS = [
    ("0", 0),
    ("5", 5),
    ("00005", 5),
    (" \t5\t ", 5),
    ("9" * 18, 10**18 - 1),
    ("0" * 17 + "5", 5),
]
BAD_LENGTHS = [
    ("", "Content-Length '' is not a number"),
    ("+5", "Content-Length '+5' is not a number"),
    ("-5", "is not a number"),
    ("-0", "is not a number"),
    ("0x5", "is not a number"),
    ("5_0", "is not a number"),
    ("5 5", "is not a number"),
    ("5,5", "is not a number"),
    ("5, 5", "Content-Length '5, 5' is not a number"),
    ("5, 6", "is not a number"),
    ("5,", "is not a number"),
    ("5;a=b", "is not a number"),
    ("5.0", "is not a number"),
    ("1e1", "is not a number"),
    ("five", "is not a number"),
    ('"5"', "is not a number"),
    ("\xb2", "Content-Length '\\xb2' is not a number"),
    ("\xd9\xa5", "is not a number"),  # ARABIC-INDIC DIGIT FIVE in UTF-8
    ("\xa05", "is not a number"),
    ("9" * 19, "Content-Length has 19 digits, where at most 18 are taken"),
    ("0" * 18 + "5", "has 19 digits"),
    ("9" * 60000, "has 60000 digits"),
    ("x" * 60000, "is not a number"),
]
CODINGS = ["chunked", "Chunked", "CHUNKED", " \tchunked\t "]
# in a request: 400 where the end is in doubt, 501 where only the decoding is missing
BAD_CODINGS = [
    ("", 400),
    (",", 400),
    ("identity", 400),
    ("gzip", 400),
    ("xchunked", 400),
    ("chunkedx", 400),
    ("chunked chunked", 400),
    ("chunked;a=b", 400),
    ('"chunked"', 400),
    ("chunked, chunked", 400),
    ("chunked, gzip", 400),
    ("chunked, gzip, chunked", 400),
    (",chunked", 400),
    ("chunked,", 400),
    ("gzip,,chunked", 400),
    ("\xa0chunked", 400),
    ("gzip, chunked", 501),
    ("gzip;q=1, chunked", 501),
    ("identity, chunked", 501),
    ("a, b, CHUNKED", 501),
    ("x" * 60000 + ", chunked", 501),
]


@pytest.mark.parametrize("value, length", LENGTHS)
def test_a_length(value: str, length: int) -> None:
    assert of_request((f"Content-Length:{value}",)) == length
    assert of_response((f"content-length:{value}",)) == length


@pytest.mark.parametrize("value, detail", BAD_LENGTHS)
def test_a_length_that_is_none(value: str, detail: str) -> None:
    problem = of_request((f"Content-Length:{value}",))
    assert isinstance(problem, Problem)
    assert (problem.status, problem.error) == (400, ProxyError.HTTP_REQUEST_ERROR)
    assert detail in problem.detail
    assert len(problem.detail) < 200
    problem = of_response((f"Content-Length:{value}",))
    assert isinstance(problem, Problem)
    assert (problem.status, problem.error) == (502, ProxyError.HTTP_PROTOCOL_ERROR)
    assert problem.detail.startswith("origin: ")
    assert detail in problem.detail


@pytest.mark.parametrize("values", [("5", "5"), ("5", "6"), ("5", ""), ("", "5"), ("0", "0"), ("5", "5", "5")])
def test_lengths_given_more_than_once(values: tuple[str, ...]) -> None:
    lines = tuple(f"Content-Length: {value}" for value in values)
    for problem, status in ((of_request(lines), 400), (of_response(lines), 502)):
        assert isinstance(problem, Problem)
        assert problem.status == status
        assert "Content-Length is given more than once" in problem.detail


@pytest.mark.parametrize("value", CODINGS)
def test_chunked(value: str) -> None:
    assert of_request((f"Transfer-Encoding:{value}",)) == CHUNKED
    assert of_response((f"transfer-encoding:{value}",)) == CHUNKED


@pytest.mark.parametrize("value, status", BAD_CODINGS)
def test_codings_of_a_request(value: str, status: int) -> None:
    problem = of_request((f"Transfer-Encoding: {value}",))
    assert isinstance(problem, Problem)
    assert problem.status == status
    assert problem.error is ProxyError.HTTP_REQUEST_ERROR
    assert ("is not understood; only chunked is" if status == 501 else "does not end with chunked, once") in problem.detail
    assert ascii(value[:30])[1:-1] in problem.detail
    assert len(problem.detail) < 300


@pytest.mark.parametrize("value", [value for value, _ in BAD_CODINGS])
def test_codings_of_a_response(value: str) -> None:
    problem = of_response((f"Transfer-Encoding: {value}",))
    assert isinstance(problem, Problem)
    assert (problem.status, problem.error) == (502, ProxyError.HTTP_RESPONSE_TRANSFER_CODING)
    assert ascii(value[:30])[1:-1] in problem.detail
    assert len(problem.detail) < 300


@pytest.mark.parametrize(
    "values, status",
    [(("gzip", "chunked"), 501), (("chunked", "chunked"), 400), (("chunked", "gzip"), 400), (("chunked", ""), 400), (("", "chunked"), 400)],
)
def test_codings_in_several_lines_are_one_list(values: tuple[str, ...], status: int) -> None:
    lines = tuple(f"Transfer-Encoding: {value}" for value in values)
    problem = of_request(lines)
    assert isinstance(problem, Problem)
    assert problem.status == status
    assert isinstance(of_response(lines), Problem)


@pytest.mark.parametrize("coding", ["chunked", "gzip, chunked", "identity", ""])
@pytest.mark.parametrize("length", ["5", "0", "x"])
def test_length_and_coding(length: str, coding: str) -> None:
    lines = (f"Content-Length: {length}", f"Transfer-Encoding: {coding}")
    for order in (lines, lines[::-1]):
        problem = of_request(order)
        assert isinstance(problem, Problem)
        assert (problem.status, problem.detail[:46]) == (400, "both Content-Length and Transfer-Encoding: the")
        problem = of_response(order)
        assert isinstance(problem, Problem)
        assert (problem.error, "both" in problem.detail) == (ProxyError.HTTP_RESPONSE_TRANSFER_CODING, True)


@pytest.mark.parametrize("coding", ["chunked", "gzip", ""])
def test_coding_in_http_1_0(coding: str) -> None:
    problem = of_request((f"Transfer-Encoding: {coding}",), minor=0)
    assert isinstance(problem, Problem)
    assert (problem.status, "HTTP/1.0" in problem.detail) == (400, True)
    problem = of_response((f"Transfer-Encoding: {coding}",), minor=0)
    assert isinstance(problem, Problem)
    assert (problem.error, "HTTP/1.0" in problem.detail) == (ProxyError.HTTP_RESPONSE_TRANSFER_CODING, True)


def test_neither() -> None:
    for minor in (0, 1):
        assert of_request((), minor) == 0
        assert of_response((), minor=minor) == UNTIL_CLOSE


@pytest.mark.parametrize("lines", [(), ("Content-Length: 5",), ("Transfer-Encoding: chunked",), ("Transfer-Encoding: gzip",)])
@pytest.mark.parametrize(
    "method, status",
    [(b"HEAD", 200), (b"HEAD", 404), (b"GET", 100), (b"GET", 103), (b"GET", 199), (b"GET", 204), (b"GET", 304), (b"POST", 204)],
)
def test_no_content_by_rule(method: bytes, status: int, lines: tuple[str, ...]) -> None:
    assert of_response(lines, status, method) == 0
    assert of_response(lines, status, method, minor=0) == 0


@pytest.mark.parametrize("method, status", [(b"HEAD", 200), (b"GET", 304), (b"GET", 204)])
@pytest.mark.parametrize("lines", [("Content-Length: +5",), ("Content-Length: 5, 6",), ("Content-Length: 5", "Content-Length: 6")])
def test_a_length_that_is_none_is_not_forwarded(method: bytes, status: int, lines: tuple[str, ...]) -> None:
    """Here it does not frame anything, but the client would get it (RFC 9110 8.6)."""
    problem = of_response(lines, status, method)
    assert isinstance(problem, Problem)
    assert problem.error is ProxyError.HTTP_PROTOCOL_ERROR


@pytest.mark.parametrize("status", [200, 201, 205, 206, 301, 404, 500, 999])
@pytest.mark.parametrize("method", [b"GET", b"POST", b"head", b"PURGE"])  # methods are case-sensitive: `head` is another one
def test_content_in_all_others(method: bytes, status: int) -> None:
    assert of_response(("Content-Length: 5",), status, method) == 5
    assert of_response(("Transfer-Encoding: chunked",), status, method) == CHUNKED
    assert of_response((), status, method) == UNTIL_CLOSE


@pytest.mark.parametrize("name", ["Content-Length2", "X-Content-Length", "Content_Length", "Transfer-Encodin", "TE", "Trailer"])
def test_other_fields_do_not_frame(name: str) -> None:
    assert of_request((f"{name}: chunked",)) == 0
    assert of_response((f"{name}: 5",)) == UNTIL_CLOSE


@pytest.mark.parametrize(
    "minor, lines, alive",
    [
        (1, (), True),
        (0, (), False),
        (1, ("Connection: close",), False),
        (1, ("Connection: CLOSE",), False),
        (1, ("connection:close",), False),
        (1, ("Connection: keep-alive",), True),
        (0, ("Connection: keep-alive",), True),
        (0, ("Connection: Keep-Alive",), True),
        (0, ("Connection: upgrade, keep-alive",), True),
        (0, ("Connection: upgrade", "Connection: keep-alive"), True),
        (0, ("Connection: close",), False),
        (1, ("Connection: keep-alive, close",), False),
        (0, ("Connection: close, keep-alive",), False),
        (0, ("Connection: keep-alive", "Connection: close"), False),
        (1, ("Connection: x ,\tclose\t, y",), False),
        (1, ("Connection: ,,close,",), False),
        (1, ("Connection: closed",), True),
        (1, ("Connection: not close",), True),
        (0, ("Connection: keep-alive2",), False),
        (1, ("Connection:",), True),
        (0, ("Connection:",), False),
        (0, ("Keep-Alive: timeout=5",), False),
        (0, ("Proxy-Connection: keep-alive",), False),
        (1, ("Proxy-Connection: close",), True),
    ],
)
def test_keeps_alive(minor: int, lines: tuple[str, ...], alive: bool) -> None:
    assert keeps_alive(minor, fields("Host: a", *lines)) is alive
