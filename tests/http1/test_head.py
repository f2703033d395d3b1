"""The head parser: what it takes, and for what it does not, the status and the byte, field or limit that the Problem names."""

from __future__ import annotations

import pytest

from edgecache.http1 import head as parser
from edgecache.http1.head import HeadLimits, judge_unfinished, lower_name, parse_fields, parse_request_head, parse_response_head
from edgecache.http1.problem import Problem
from edgecache.semantics.message import RequestHead, ResponseHead
from edgecache.semantics.proxy_status import ProxyError
from tests.http1.connections import Message, answered, cut_up, served

LIMITS = HeadLimits()
SMALL = HeadLimits(target_bytes=20, head_bytes=100, fields=3)
LINE = b"GET / HTTP/1.1\r\n"
HOST = b"\r\nHost: a"
STATUS = b"HTTP/1.1 200 OK\r\n"


def request(head: bytes, limits: HeadLimits = LIMITS) -> RequestHead:
    parsed = parse_request_head(head, limits)
    assert isinstance(parsed, RequestHead), parsed
    return parsed


def request_problem(head: bytes, limits: HeadLimits = LIMITS) -> Problem:
    parsed = parse_request_head(head, limits)
    assert isinstance(parsed, Problem), parsed
    return parsed


def response(head: bytes) -> ResponseHead:
    parsed = parse_response_head(head, LIMITS)
    assert isinstance(parsed, ResponseHead), parsed
    return parsed


def response_problem(head: bytes, limits: HeadLimits = LIMITS) -> Problem:
    parsed = parse_response_head(head, limits)
    assert isinstance(parsed, Problem), parsed
    return parsed


# requests


REQUEST_LINES = [
    (b"GET / HTTP/1.1", b"GET", b"/", 1),
    (b"GET / HTTP/1.0", b"GET", b"/", 0),
    (b"GET / HTTP/1.2", b"GET", b"/", 1),
    (b"GET / HTTP/1.9", b"GET", b"/", 1),
    (b"get / HTTP/1.1", b"get", b"/", 1),
    (b"BAN / HTTP/1.1", b"BAN", b"/", 1),
    (b"PURGEKEYS / HTTP/1.1", b"PURGEKEYS", b"/", 1),
    (b"M-SEARCH * HTTP/1.1", b"M-SEARCH", b"*", 1),
    (b"!#$%&'*+-.^_`|~09azAZ / HTTP/1.1", b"!#$%&'*+-.^_`|~09azAZ", b"/", 1),
    (b"X" * 40 + b" / HTTP/1.1", b"X" * 40, b"/", 1),
    (b"OPTIONS * HTTP/1.1", b"OPTIONS", b"*", 1),
    (b"CONNECT example.com:443 HTTP/1.1", b"CONNECT", b"example.com:443", 1),
    (b"GET http://example.com/a?b HTTP/1.1", b"GET", b"http://example.com/a?b", 1),
    (b"GET /? HTTP/1.1", b"GET", b"/?", 1),
    (b"GET //a//../%2f%zz;x=y?a=b&&c#d HTTP/1.1", b"GET", b"//a//../%2f%zz;x=y?a=b&&c#d", 1),
    (b"GET /'\"<>[\\]^`{|} HTTP/1.1", b"GET", b"/'\"<>[\\]^`{|}", 1),
    (b"GET /\x80\xe9\xff HTTP/1.1", b"GET", b"/\x80\xe9\xff", 1),
    (b"GET /caf\xc3\xa9 HTTP/1.1", b"GET", b"/caf\xc3\xa9", 1),
    (b"GET nonsense HTTP/1.1", b"GET", b"nonsense", 1),  # edge.target has an opinion on it
]


@pytest.mark.parametrize("line, method, target, minor", REQUEST_LINES)
def test_request_line(line: bytes, method: bytes, target: bytes, minor: int) -> None:
    parsed = request(line + HOST)
    assert (parsed.method, parsed.target, parsed.minor) == (method, target, minor)
    assert parsed.fields == [(b"Host: a", b"host", b"a")]


FIELD_LINES = [
    (b"Host: a", b"host", b"a"),
    (b"HOST:a", b"host", b"a"),
    (b"X-A:", b"x-a", b""),
    (b"X-A: ", b"x-a", b""),
    (b"X-A: \t \t", b"x-a", b""),
    (b"X-A: \t a \t ", b"x-a", b"a"),
    (b"X-A: a\tb  c", b"x-a", b"a\tb  c"),
    (b"X-A: :", b"x-a", b":"),
    (b"X-A:: b", b"x-a", b": b"),
    (b"X-A: a: b", b"x-a", b"a: b"),
    (b"X-A: caf\xe9 \xe2\x82\xac", b"x-a", b"caf\xe9 \xe2\x82\xac"),
    (b"X-A: \xa0a\x85", b"x-a", b"\xa0a\x85"),  # no white space in bytes: obs-text
    (b"X-A: \"'(),/:;<=>?@[\\]{}", b"x-a", b"\"'(),/:;<=>?@[\\]{}"),
    (b"!#$%&'*+-.^_`|~09azAZ: a", b"!#$%&'*+-.^_`|~09azaz", b"a"),
    (b"0: a", b"0", b"a"),
    (b"X" * 300 + b": a", b"x" * 300, b"a"),
]


@pytest.mark.parametrize("line, name, value", FIELD_LINES)
def test_field_line(line: bytes, name: bytes, value: bytes) -> None:
    assert request(LINE + line).fields == [(line, name, value)]
    assert response(STATUS + line).fields == [(line, name, value)]


def test_lines_case_order_and_repetition_stay() -> None:
    lines = [b"Set-Cookie: a", b"B: 1", b"set-cookie:b", b"B: 1", b"b: 2"]
    assert [line for line, _, _ in request(LINE + b"\r\n".join(lines)).fields] == lines


def test_no_fields() -> None:
    assert request(b"GET / HTTP/1.1").fields == []
    assert response(b"HTTP/1.1 200 OK").fields == []


REFUSED_REQUEST_LINES = [
    (b"", 400, "the request line '' is not METHOD, one space, target"),
    (b"GET", 400, "the request line 'GET' is not METHOD"),
    (b"GET /", 400, "HTTP/0.9 is not spoken here"),
    (b"GET HTTP/1.1", 400, "the request line 'GET HTTP/1.1' is not METHOD"),
    (b"/ HTTP/1.1", 400, "the request line '/ HTTP/1.1' is not METHOD"),
    (b"GET / ", 400, "'' is no HTTP version"),
    (b"GET  / HTTP/1.1", 400, "one space"),
    (b"GET /  HTTP/1.1", 400, "one space"),
    (b" GET / HTTP/1.1", 400, "one space"),
    (b"GET / HTTP/1.1 ", 400, "one space"),
    (b"GET /a b HTTP/1.1", 400, "one space"),
    (b"GET\t/ HTTP/1.1", 400, "is not METHOD"),
    (b"GET /\tHTTP/1.1", 400, "HTTP/0.9 is not spoken here"),
    (b"GET / HTTP/1.1\t", 400, "'HTTP/1.1\\t' is no HTTP version"),
    (b"GET / HTTP/0.9", 505, "'HTTP/0.9' is not spoken here; HTTP/1.1 is"),
    (b"GET / HTTP/2.0", 505, "'HTTP/2.0' is not spoken here"),
    (b"PRI * HTTP/2.0", 505, "'HTTP/2.0' is not spoken here"),
    (b"GET / HTTP/2", 400, "'HTTP/2' is no HTTP version"),
    (b"GET / http/1.1", 400, "'http/1.1' is no HTTP version"),
    (b"GET / HTTP/1.10", 400, "is no HTTP version"),
    (b"GET / HTTP/11", 400, "is no HTTP version"),
    (b"GET / HTTP/1,1", 400, "is no HTTP version"),
    (b"GET / HTTP/1.\xb2", 400, "'HTTP/1.\\xb2' is no HTTP version"),
    (b"GET / HTTP/+1.1", 400, "is no HTTP version"),
    (b"GET / HTTPS/1.1", 400, "is no HTTP version"),
    (b"GET / ICY", 400, "'ICY' is no HTTP version"),
    (b"G\xe9T / HTTP/1.1", 400, "the method 'G\\xe9T' is not a token"),
    (b"GET: / HTTP/1.1", 400, "the method 'GET:' is not a token"),
    (b"G(T / HTTP/1.1", 400, "the method 'G(T' is not a token"),
    (b"GE\0T / HTTP/1.1", 400, "the method 'GE\\x00T' is not a token"),
    (b"\nGET / HTTP/1.1", 400, "the method '\\nGET' is not a token"),
    (b"\rGET / HTTP/1.1", 400, "the method '\\rGET' is not a token"),
    (b"\xef\xbb\xbfGET / HTTP/1.1", 400, "is not a token"),
    (b"\x16\x03\x01\x02\0 / HTTP/1.1", 400, "is not a token"),  # TLS
    (b" / HTTP/1.1", 400, "the method '' is not a token"),
    (b"GET  HTTP/1.1", 400, "the request target is empty"),
    (b"GET /\0 HTTP/1.1", 400, "a NUL byte in the line 'GET /\\x00 HTTP/1.1'"),
    (b"GET /\t HTTP/1.1", 400, "a TAB in the request target '/\\t'"),
    (b"GET /\x0b HTTP/1.1", 400, "the control byte 0x0b"),
    (b"GET /\x7f HTTP/1.1", 400, "the control byte 0x7f"),
    (b"GET /a\rb HTTP/1.1", 400, "a bare CR in the line 'GET /a\\rb HTTP/1.1'"),
    (b"GET /a\nb HTTP/1.1", 400, "a bare LF"),
    (b"GET /a HTTP/1.1\nHost: b", 400, "is not METHOD"),
    (b"GET /" + b"x" * 300 + b"\0 HTTP/1.1", 400, "a NUL byte in the line …'" + "x" * 20 + "\\x00 HTTP/1.1'"),  # the byte itself is shown
    (b"GET /" + b"x" * 20 * 1024 + b" HTTP/1.1", 414, "the request target has 20481 bytes, where at most 16384 are taken"),
]


@pytest.mark.parametrize("line, status, detail", REFUSED_REQUEST_LINES)
def test_refused_request_line(line: bytes, status: int, detail: str) -> None:
    problem = request_problem(line + HOST)
    assert problem.status == status
    assert detail in problem.detail
    assert problem.error is ProxyError.HTTP_REQUEST_ERROR


REFUSED_FIELD_LINES = [
    (b"X-A : b", "white space before the colon in 'X-A : b'"),
    (b"X-A\t: b", "white space before the colon"),
    (b" X-A: b", "the line ' X-A: b' continues the one before it (obs-fold)"),
    (b"\tb", "continues the one before it (obs-fold)"),
    (b" ", "obs-fold"),
    (b"X-A", "the field line 'X-A' has no colon"),
    (b"X-A b", "has no colon"),
    (b"", "the field line '' has no colon"),
    (b": b", "the field name '' is not a token"),
    (b"X A: b", "the field name 'X A' is not a token"),
    (b"(X): b", "the field name '(X)' is not a token"),
    (b"X\xe9: b", "the field name 'X\\xe9' is not a token"),
    (b"X\0: b", "a NUL byte in the line 'X\\x00: b'"),
    (b"X-A: b\0c", "a NUL byte in the line 'X-A: b\\x00c'"),
    (b"X-A: b\rc", "a bare CR in the line 'X-A: b\\rc'"),
    (b"X-A: b\r", "a bare CR"),
    (b"X-A: b\nX-B: c", "a bare LF in the line 'X-A: b\\nX-B: c'"),
    (b"\nX-A: b", "a bare LF"),
    (b"X-A: \x01", "the control byte 0x01"),
    (b"X-A: \x0bb", "the control byte 0x0b"),
    (b"X-A: b\x0c", "the control byte 0x0c"),
    (b"X-A: \x1f", "the control byte 0x1f"),
    (b"X-A: \x7f", "the control byte 0x7f"),
    (b"X-A: " + b"b" * 100 + b"\0", "a NUL byte in the line …'" + "b" * 20 + "\\x00'"),
]


@pytest.mark.parametrize("line, detail", REFUSED_FIELD_LINES)
def test_refused_field_line(line: bytes, detail: str) -> None:
    for lines in (line, b"Host: a\r\n" + line, line + HOST):
        problem = request_problem(LINE + lines)
        assert (problem.status, problem.error) == (400, ProxyError.HTTP_REQUEST_ERROR)
        assert detail in problem.detail
        problem = response_problem(STATUS + lines)
        assert (problem.status, problem.error) == (502, ProxyError.HTTP_PROTOCOL_ERROR)
        assert problem.detail.startswith("origin: ")
        assert detail in problem.detail


def test_details_are_bounded_and_printable() -> None:
    for line in (b"\x1b[2J" * 1000 + b": b", b"X" * 9000, b" " * 9000, b"X-A: \x1b" + b"b" * 9000):
        detail = request_problem(LINE + line).detail
        assert len(detail) < 400
        assert detail.isprintable()


# limits


def test_target_at_its_limit() -> None:
    assert request(b"GET /%s HTTP/1.1" % (b"x" * 19), SMALL).target == b"/" + b"x" * 19
    problem = request_problem(b"GET /%s HTTP/1.1" % (b"x" * 20), SMALL)
    assert (problem.status, problem.detail) == (414, "the request target has 21 bytes, where at most 20 are taken")


def test_fields_at_their_limit() -> None:
    assert len(request(LINE + b"\r\n".join([b"A: b"] * 3), SMALL).fields) == 3
    problem = request_problem(LINE + b"\r\n".join([b"A: b"] * 4), SMALL)
    assert (problem.status, problem.detail) == (431, "4 fields, where at most 3 are taken")
    problem = response_problem(STATUS + b"\r\n".join([b"A: b"] * 4), SMALL)
    assert (problem.status, problem.error) == (502, ProxyError.HTTP_RESPONSE_HEADER_SECTION_SIZE)


UNFINISHED = [
    (b"", None, ""),
    (b"GET / HT", None, ""),
    (b"GET / HTTP/1.1\r", None, ""),
    (b"GET / HTTP/1.1\r\nHost: a\r\n", None, ""),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r", None, ""),
    (b"\n", 400, "ends with a bare LF"),
    (b"GET / HTTP/1.1\n", 400, "ends with a bare LF"),
    (b"GET / HTTP/1.1\r\nHost: a\n", 400, "ends with a bare LF"),
    (b"GET / HTTP/1.1\n\r", 400, "ends with a bare LF"),
    (b"GET / HTTP/1.1\r\nA: " + b"b" * 84, None, ""),  # 103 bytes: the last three may be the beginning of the empty line
    (b"GET / HTTP/1.1\r\nA: " + b"b" * 85, 431, "the head has more than 100 bytes"),
    (b"GET / HTTP/1.1\r\nA: \n" + b"b" * 85, 400, "ends with a bare LF"),
    (b"GET / HTTP/1.1\r\nA: " + b"b" * 85 + b"\n", 431, "the head has more than 100 bytes"),
    (b"GET /" + b"x" * 103, 414, "the request target has more than 20 bytes"),
    (b"GET /" + b"x" * 30 + b" HTTP/1.1\r\nA: " + b"b" * 85, 414, "the request target has more than 20 bytes"),
    (b"X" * 104, 414, "the request line has more than 100 bytes"),
    (b"X" * 95 + b" / HTTP/1.1\r\n" + b"b" * 85, 414, "the request line has more than 100 bytes"),
]


@pytest.mark.parametrize("start, status, detail", UNFINISHED)
def test_unfinished_head(start: bytes, status: int | None, detail: str) -> None:
    problem = judge_unfinished(start, SMALL)
    assert (problem and problem.status) == status
    assert detail in (problem.detail if problem is not None else "")


@pytest.mark.parametrize("start, status, detail", UNFINISHED)
def test_unfinished_head_in_pieces(start: bytes, status: int | None, detail: str) -> None:
    """What was judged before is not looked at again; the verdict is the same, and comes at the byte that decides."""
    problem = None
    for seen in range(len(start)):
        problem = judge_unfinished(bytearray(start[: seen + 1]), SMALL, seen)
        if problem is not None:
            break
    assert (problem and problem.status) == status


async def test_head_at_its_limit_in_one_piece_and_in_two() -> None:
    for more, taken in ((0, True), (1, False)):
        head = LINE + b"A: " + b"b" * (100 - len(LINE) - 3 + more)
        assert len(head) == 100 + more
        for cut in range(len(head) - 5, len(head) + 5):
            seen = await served(cut_up(head + b"\r\n\r\n", [cut]), SMALL)
            assert [message.end for message in seen.messages] == ["complete" if taken else "431"]


# responses


STATUS_LINES = [
    (b"HTTP/1.1 200 OK", 200, b"OK", 1),
    (b"HTTP/1.0 200 OK", 200, b"OK", 0),
    (b"HTTP/1.2 200 OK", 200, b"OK", 1),
    (b"HTTP/1.1 200 ", 200, b"", 1),
    (b"HTTP/1.1 200", 200, b"", 1),
    (b"HTTP/1.1 200  ", 200, b" ", 1),
    (b"HTTP/1.1 404 Not  Found ", 404, b"Not  Found ", 1),
    (b"HTTP/1.1 100 Continue", 100, b"Continue", 1),
    (b"HTTP/1.1 299 200 OK", 299, b"200 OK", 1),
    (b"HTTP/1.1 999 caf\xe9\t\xff", 999, b"caf\xe9\t\xff", 1),
]


@pytest.mark.parametrize("line, status, reason, minor", STATUS_LINES)
def test_status_line(line: bytes, status: int, reason: bytes, minor: int) -> None:
    parsed = response(line + b"\r\nA: b")
    assert (parsed.status, parsed.reason, parsed.minor) == (status, reason, minor)


REFUSED_STATUS_LINES = [
    (b"", "the origin's status line begins with '' instead of HTTP/1.1"),
    (b"hello", "begins with 'hello'"),
    (b"ICY 200 OK", "begins with 'ICY'"),
    (b"HTTP/2.0 200 OK", "begins with 'HTTP/2.0'"),
    (b"HTTP/2 200", "begins with 'HTTP/2'"),
    (b"HTTP/0.9 200 OK", "begins with 'HTTP/0.9'"),
    (b"HTTP/1.x 200 OK", "begins with 'HTTP/1.x'"),
    (b"HTTP/1.11 200 OK", "begins with 'HTTP/1.11'"),
    (b"http/1.1 200 OK", "begins with 'http/1.1'"),
    (b" HTTP/1.1 200 OK", "begins with ''"),
    (b"HTTP/1.1\t200 OK", "begins with 'HTTP/1.1\\t200'"),
    (b"HTTP/1.1", "status code is '' instead of three digits"),
    (b"HTTP/1.1  200 OK", "status code is ''"),
    (b"HTTP/1.1 20 OK", "status code is '20'"),
    (b"HTTP/1.1 2000 OK", "status code is '2000'"),
    (b"HTTP/1.1 099 OK", "status code is '099'"),
    (b"HTTP/1.1 000 OK", "status code is '000'"),
    (b"HTTP/1.1 +20 OK", "status code is '+20'"),
    (b"HTTP/1.1 -20 OK", "status code is '-20'"),
    (b"HTTP/1.1 2x0 OK", "status code is '2x0'"),
    (b"HTTP/1.1 200OK", "status code is '200OK'"),
    (b"HTTP/1.1 200\tOK", "status code is '200\\tOK'"),
    (b"HTTP/1.1 \xb2\xb2\xb2 OK", "status code is '\\xb2\\xb2\\xb2'"),
    (b"HTTP/1.1 200 O\0K", "a NUL byte in the line 'HTTP/1.1 200 O\\x00K'"),
    (b"HTTP/1.1 200 O\rK", "a bare CR"),
    (b"HTTP/1.1 200 OK\nA: b", "a bare LF"),
    (b"HTTP/1.1 200 \x7f", "the control byte 0x7f"),
]


@pytest.mark.parametrize("line, detail", REFUSED_STATUS_LINES)
def test_refused_status_line(line: bytes, detail: str) -> None:
    problem = response_problem(line + b"\r\nA: b")
    assert (problem.status, problem.error) == (502, ProxyError.HTTP_PROTOCOL_ERROR)
    assert detail in problem.detail


# the same heads, through connections and in pieces


@pytest.mark.parametrize("line", [*(line + HOST for line, *_ in REQUEST_LINES), *(LINE + line for line, *_ in FIELD_LINES[:-1])])
async def test_taken_in_pieces(line: bytes) -> None:
    parsed = request(line)
    fields = [(name, value) for _, name, value in parsed.fields]
    expected = [Message((parsed.method, parsed.target, parsed.minor), fields)]
    data = line + b"\r\n\r\n"
    for cuts in ([], range(len(data)), *([at] for at in range(1, len(data)))):
        assert (await served(cut_up(data, cuts), LIMITS)).messages == expected


@pytest.mark.parametrize(
    "line",
    [*(line + HOST for line, *_ in REFUSED_REQUEST_LINES[1:-2]), *(LINE + line for line, _ in REFUSED_FIELD_LINES if line)],
)
async def test_refused_in_pieces(line: bytes) -> None:
    data = line + b"\r\n\r\n"
    for cuts in ([], range(len(data)), *([at] for at in range(1, len(data)))):
        seen = await served(cut_up(data, cuts), LIMITS)
        assert [message.end in ("400", "505") for message in seen.messages] == [True]
        assert not seen.clean


@pytest.mark.parametrize("line", [line for line, *_ in STATUS_LINES])
async def test_status_lines_in_pieces(line: bytes) -> None:
    parsed = response(line)
    data = line + b"\r\nContent-Length: 0\r\n\r\n"
    for cuts in ([], range(len(data)), *([at] for at in range(1, len(data)))):
        seen = await answered(b"GET", cut_up(data, cuts), LIMITS)
        message = seen.messages[0]
        assert message == Message((parsed.status, parsed.reason, parsed.minor), [(b"content-length", b"0")])


@pytest.mark.parametrize("line", [line for line, _ in REFUSED_STATUS_LINES])
async def test_refused_status_lines_in_pieces(line: bytes) -> None:
    data = line + b"\r\nContent-Length: 0\r\n\r\n"
    for cuts in ([], range(len(data)), *([at] for at in range(1, len(data)))):
        seen = await answered(b"GET", cut_up(data, cuts), LIMITS)
        assert [message.end for message in seen.messages] == ["http_protocol_error"]
        assert not seen.clean


# names


@pytest.mark.parametrize(
    "name, lower", [(b"Host", b"host"), (b"host", b"host"), (b"HOST", b"host"), (b"X_1", b"x_1"), (b"", None), (b"a b", None)]
)
def test_lower_name(name: bytes, lower: bytes | None) -> None:
    assert lower_name(name) == lower
    assert lower_name(name) == lower  # remembered or not


def test_what_is_remembered_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are invented by clients: neither their number nor their length may make the memo large."""
    names: dict[bytes, bytes] = {}
    monkeypatch.setattr(parser, "_names", names)
    for number in range(parser.NAMES_KEPT + 1000):
        assert lower_name(b"X-%d" % number) == b"x-%d" % number
    assert len(names) == parser.NAMES_KEPT
    names.clear()
    assert lower_name(b"X" * 65) == b"x" * 65
    assert names == {}


def test_fields_alone() -> None:
    assert parse_fields([], 0) == []
    assert parse_fields([b"A: b"], 1) == [(b"A: b", b"a", b"b")]
    assert parse_fields([b"A: b", b"C: d"], 1) == "2 fields, where at most 1 are taken"
