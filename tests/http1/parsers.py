"""Three readers of the same bytes: ours, driven as the product drives it, h11, and llhttp. Each says what it made of them.

The bytes are all that comes: then the peer ends its side. A response that nothing else ends is complete then.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import h11
import httptools

from edgecache.http1.chunked import ChunkedDecoder
from edgecache.http1.framing import CHUNKED, UNTIL_CLOSE, keeps_alive, request_framing, response_framing
from edgecache.http1.head import HeadLimits, parse_request_head, parse_response_head
from edgecache.http1.problem import Problem
from edgecache.semantics.message import Fields, RequestHead, ResponseHead
from tests.http1.messages import Case

LIMITS = HeadLimits()
PLENTY = 1 << 20

Pairs = list[tuple[bytes, bytes]]
End = Literal["complete", "open", "refused"]


@dataclasses.dataclass
class Outcome:
    """What a parser made of a case. `start` is (method, target, minor) or (status, reason, minor); names in `fields` are lower case."""

    taken: bool = False  # is there a head, with a framing that is not in doubt?
    why: str = ""  # what was wrong, if anything
    start: tuple[object, ...] = ()
    fields: Pairs = dataclasses.field(default_factory=list)
    keep_alive: bool | None = None  # None: this parser does not say
    end: End = "open"
    content: bytes = b""
    trailers: Pairs = dataclasses.field(default_factory=list)
    rest: bytes = b""  # what lies behind the message


# Ours


def by_us(case: Case) -> Outcome:
    """What the functions of http1/ make of it, called as the connections call them."""
    data = case.data
    while case.is_request and data[:2] == b"\r\n":
        data = data[2:]
    text, empty_line, rest = data.partition(b"\r\n\r\n")
    if not empty_line:
        return Outcome(why="no empty line")
    head: RequestHead | ResponseHead | Problem
    framing: int | Problem
    if case.method is None:
        head = parse_request_head(text, LIMITS)
        framing = head if isinstance(head, Problem) else request_framing(head)
    else:
        head = parse_response_head(text, LIMITS)
        framing = head if isinstance(head, Problem) else 0 if head.status < 200 else response_framing(case.method, head)
    if isinstance(framing, Problem):
        return Outcome(why=framing.detail, end="refused")
    assert not isinstance(head, Problem)
    outcome = Outcome(taken=True, fields=_pairs(head.fields), keep_alive=keeps_alive(head.minor, head.fields) and framing != UNTIL_CLOSE)
    outcome.start = (head.method, head.target, head.minor) if isinstance(head, RequestHead) else (head.status, head.reason, head.minor)
    _our_content(outcome, framing, rest)
    return outcome


def _our_content(outcome: Outcome, framing: int, data: bytes) -> None:
    if framing == UNTIL_CLOSE:
        outcome.content, outcome.end = data, "complete"
    elif framing == CHUNKED:
        decoder = ChunkedDecoder(LIMITS.head_bytes, LIMITS.fields)
        pieces: list[bytes] = []
        wrong = decoder.feed(data, pieces)
        outcome.content = b"".join(pieces)
        outcome.why = wrong or ""
        outcome.end = "refused" if wrong else "complete" if decoder.done else "open"
        outcome.trailers = _pairs(decoder.trailers)
        outcome.rest = decoder.rest
    else:
        outcome.content, outcome.rest = data[:framing], data[framing:]
        outcome.end = "complete" if len(data) >= framing else "open"


def _pairs(fields: Fields) -> Pairs:
    return [(name, value) for _, name, value in fields]


# h11


def by_h11(case: Case) -> Outcome:
    """What h11 makes of it."""
    if case.method is None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=PLENTY)
    else:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=PLENTY)
        upgrade = [("Host", "a"), ("Connection", "upgrade"), ("Upgrade", "x")]  # or h11 takes no 101
        connection.send(h11.Request(method=case.method, target="/", headers=upgrade))
        connection.send(h11.EndOfMessage())
    if case.data:
        connection.receive_data(case.data)
    outcome = Outcome()
    content: list[bytes] = []
    try:
        _h11_events(connection, outcome, content)
        if outcome.end == "open" and case.method is not None and outcome.taken:
            connection.receive_data(b"")  # the end of the stream
            _h11_events(connection, outcome, content)
    except h11.RemoteProtocolError as error:
        outcome.why = str(error)
        outcome.end = "open" if "peer closed connection" in outcome.why else "refused"
    outcome.content = b"".join(content)
    return outcome


def _h11_events(connection: h11.Connection, outcome: Outcome, content: list[bytes]) -> None:
    while outcome.end == "open":
        match connection.next_event():
            case h11.Request() as head:
                outcome.taken = True
                outcome.start = (bytes(head.method), bytes(head.target), _minor(head.http_version))
                outcome.fields = [(bytes(name), bytes(value)) for name, value in head.headers]
            case h11.Response() | h11.InformationalResponse() as head:
                outcome.taken = True
                outcome.start = (head.status_code, bytes(head.reason), _minor(head.http_version))
                outcome.fields = [(bytes(name), bytes(value)) for name, value in head.headers]
                if isinstance(head, h11.InformationalResponse):
                    outcome.end = "complete"
                    outcome.rest = connection.trailing_data[0]
            case h11.Data() as data:
                content.append(bytes(data.data))
            case h11.EndOfMessage() as end:
                outcome.end = "complete"
                outcome.trailers = [(bytes(name), bytes(value)) for name, value in end.headers]
                outcome.rest = connection.trailing_data[0]
            case _:
                return


def _minor(version: bytes) -> object:
    """As our parser counts: a higher minor version is read as 1."""
    major, _, minor = bytes(version).partition(b".")
    return min(int(minor), 1) if major == b"1" else bytes(version)


# llhttp


class _Listener:
    """Takes down what httptools tells."""

    def __init__(self) -> None:
        self.url = b""
        self.reason = b""
        self.head_fields: Pairs = []
        self.trailers: Pairs = []
        self.content: list[bytes] = []
        self.head_complete = False
        self.complete = False
        self.keep_alive = False
        self.parser: httptools.HttpRequestParser | httptools.HttpResponseParser

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        (self.trailers if self.head_complete else self.head_fields).append((name.lower(), value or b""))

    def on_headers_complete(self) -> None:
        self.head_complete = True
        self.keep_alive = self.parser.should_keep_alive()  # right only in here

    def on_body(self, piece: bytes) -> None:
        self.content.append(piece)

    def on_message_complete(self) -> None:
        self.complete = True


def by_llhttp(case: Case) -> Outcome:
    """What llhttp makes of it, as strict as it comes. Fed byte by byte: nothing else tells where a message ends."""
    listener = _Listener()
    parser = httptools.HttpRequestParser(listener) if case.is_request else httptools.HttpResponseParser(listener)
    listener.parser = parser
    outcome = Outcome()
    for at in range(len(case.data)):
        before = listener.head_complete
        try:
            parser.feed_data(case.data[at : at + 1])
        except httptools.HttpParserUpgrade:
            outcome.why = "upgrade"
            outcome.end = "complete"
        except httptools.HttpParserError as error:
            outcome.why = str(error) or type(error).__name__
            if "Pause on CONNECT/Upgrade" in outcome.why:  # how it takes a 101
                outcome.end = "complete"
            else:
                outcome.end = "refused"
                listener.head_complete = before  # it tells of the head's end, and in the same breath refuses what the head says of framing
        else:
            if listener.complete or (listener.head_complete and case.method == b"HEAD"):
                outcome.end = "complete"
        if outcome.end != "open":
            outcome.rest = case.data[at + 1 :]
            break
    outcome.taken = listener.head_complete
    if outcome.taken:
        version = _minor(parser.get_http_version().encode())
        if isinstance(parser, httptools.HttpRequestParser):
            outcome.start = (parser.get_method(), listener.url, version)
        else:
            outcome.start = (parser.get_status_code(), listener.reason, version)
            codings = [value for name, value in listener.head_fields if name == b"transfer-encoding"]
            lengths = [value for name, value in listener.head_fields if name == b"content-length"]
            if outcome.end == "open" and not lengths and (not codings or not codings[-1].lower().rstrip().endswith(b"chunked")):
                outcome.end = "complete"  # httptools has no way to tell llhttp of the end of the stream
    outcome.fields = listener.head_fields
    outcome.trailers = listener.trailers
    outcome.keep_alive = listener.keep_alive if case.method != b"HEAD" else None  # it knows of no requests, and so waits for content
    outcome.content = b"".join(listener.content)
    return outcome


PEERS = {"h11": by_h11, "llhttp": by_llhttp}
