"""What h11 and llhttp read otherwise than we do, each with its reason. A difference that no entry explains is a defect: ours or theirs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from edgecache.semantics.urls import split_target
from tests.http1.messages import Case
from tests.http1.parsers import PEERS, Outcome, by_us

# Who takes more: a head, or a message to its end, that the other refuses. "other": both take it, and read something else.
Aspect = Literal["head", "start", "fields", "keep-alive", "end", "content", "trailers", "rest"]
More = Literal["ours", "theirs", "other"]
Where = tuple[str, Aspect, More]


class Difference(NamedTuple):
    """A difference that is meant. `explains` looks at the message and at both outcomes (ours, theirs)."""

    name: str
    explains: Callable[[Case, Outcome, Outcome], bool]
    reason: str


def differing(ours: Outcome, theirs: Outcome) -> Iterator[tuple[Aspect, More]]:
    """In what, and to whose side, do two outcomes differ? Of what both refuse nothing is compared: when they notice is their affair."""
    if ours.taken != theirs.taken:
        yield "head", "ours" if ours.taken else "theirs"
    if not ours.taken or not theirs.taken:
        return
    if ours.start != theirs.start:
        yield "start", "other"
    if ours.fields != theirs.fields:
        yield "fields", "other"
    if theirs.keep_alive is not None and ours.keep_alive != theirs.keep_alive:
        yield "keep-alive", "ours" if ours.keep_alive else "theirs"
    if (ours.end == "complete") != (theirs.end == "complete"):
        yield "end", "ours" if ours.end == "complete" else "theirs"
    elif ours.end == "complete":
        if ours.content != theirs.content:
            yield "content", "other"
        if ours.trailers != theirs.trailers:
            yield "trailers", "other"
        if ours.rest != theirs.rest:
            yield "rest", "other"


def compared(case: Case) -> Iterator[tuple[Where, list[str]]]:
    """Each difference that a case shows, with the names of the entries that explain it: none is a finding."""
    ours = by_us(case)
    for peer, read in PEERS.items():
        theirs = read(case)
        for aspect, more in differing(ours, theirs):
            where = (peer, aspect, more)
            yield where, [entry.name for entry in DIFFERENCES.get(where, ()) if entry.explains(case, ours, theirs)]


def findings(case: Case) -> list[str]:
    """What has no entry, told so that it can be looked into."""
    return [f"{where}\n  {case}\n  ours   {by_us(case)}\n  theirs {PEERS[where[0]](case)}" for where, names in compared(case) if not names]


def _we_say(*parts: str) -> Callable[[Case, Outcome, Outcome], bool]:
    return lambda case, ours, theirs: any(part in ours.why for part in parts)


def _they_say(*parts: str) -> Callable[[Case, Outcome, Outcome], bool]:
    return lambda case, ours, theirs: any(part in theirs.why for part in parts)


def _bare_lf_in_head(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    head = re.search(rb"(?s)\A[\r\n]*(.*?)\n\r?\n", case.data)
    return head is not None and (b"\n" in head[1].replace(b"\r\n", b"") or re.search(rb"[^\r]\n", head[0]) is not None)


def _other_version(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    version = rb"[^ ]+ [^ ]+ HTTP/[02-9]\.[0-9]\Z" if case.is_request else rb"HTTP/[02-9]\.[0-9] "
    return re.match(version, case.start_line) is not None


def _begins_with_half_an_empty_line(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return re.match(rb"(?:\r\n)*(?:\n|\r[^\n])", case.data) is not None


def _empty_line_before_a_response(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return not case.is_request and case.data.startswith(b"\r\n")


def _no_version(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return case.is_request and re.match(rb"(?:\r\n)*[^ \r\n]+ +[^ \r\n]+\r?\n", case.data) is not None


def _more_spaces(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return case.is_request and re.match(rb"[^ ]+ +[^ ]* +", case.start_line) is not None and b"  " in case.start_line


def _no_content_by_rule(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    no_content = case.method == b"HEAD" or ours.start[0] in (204, 304) or _interim(case, ours, theirs)
    return case.method is not None and no_content and re.search("Content-Length|Transfer-Encoding", theirs.why) is not None


def _target_not_for_us(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """A raw byte, or a form of target that is refused elsewhere."""
    if not case.is_request or "url" not in theirs.why:
        return False
    method, target, _ = ours.start
    assert isinstance(method, bytes)
    assert isinstance(target, bytes)
    return max(target) > 0x7F or method == b"CONNECT" or split_target(method, target) is None


def _white_space_in_size_line(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return re.search(rb"\r\n[0-9A-Fa-f]+(?:[ \t]|;[ \t]|;[^\r\n]*?(?:[ \t][;=\r]|[;=][ \t]))", case.data) is not None


def _extension_is_odd(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return re.match(r"the chunk size line [\"'][0-9A-Fa-f]{1,15}[ \t;]", ours.why.replace("\\t", "\t")) is not None


def _size_is_long(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return re.match(r"the chunk size line '[0-9A-Fa-f]{16,}", ours.why) is not None


def _fields_with_white_space(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return ours.fields == [(name, value.strip(b" \t")) for name, value in theirs.fields]


def _trailers_with_white_space(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return ours.trailers == [(name, value.strip(b" \t")) for name, value in theirs.trailers]


def _proxy_connection(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    option = b"keep-alive" if theirs.keep_alive else b"close"
    return option in b",".join(case.values(b"proxy-connection")).lower()


def _same_but_case_of_coding(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return theirs.fields == [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in ours.fields]


def _ows_behind_coding(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return re.search(rb"(?i)\r\nTransfer-Encoding:[ \t]*chunked[ \t]+\r\n", case.data) is not None


def _length_of_a_1xx(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """Nobody looks at it, so that it is a list does not matter; h11 shortens it."""
    short = [(name, value.split(b",")[0].strip() if name == b"content-length" else value) for name, value in ours.fields]
    return _interim(case, ours, theirs) and theirs.fields == list(dict.fromkeys(short))


def _reason_is_odd(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return re.match(rb"HTTP/1\.. \d{3}[^\r\n]*?[\0-\x08\x0b\x0c\x0e-\x1f\x7f]", case.data) is not None


def _interim(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return case.method is not None and int(str(ours.start[0])) < 200


_upgrade = _they_say("upgrade")

DIFFERENCES: dict[Where, list[Difference]] = {
    ("h11", "head", "theirs"): [
        Difference(
            "lines that end with LF", _bare_lf_in_head, "RFC 9112 2.2: LF may be taken; readers that differ in it let requests be smuggled"
        ),
        Difference("obs-fold", _we_say("obs-fold"), "RFC 9112 5.2: to be refused or unfolded"),
        Difference("control bytes", _we_say("the control byte 0x"), "RFC 9110 5.5: invalid, may be retained"),
        Difference("length and coding", _we_say("both Content-Length and Transfer-Encoding"), "RFC 9112 6.3: to be handled as an error"),
        Difference("equal lengths", _we_say("given more than once", "is not a number"), "RFC 9110 8.6: may be refused"),
        Difference("long lengths", _we_say("digits, where at most 18"), "10**18 bytes is our limit (RFC 9110 8.6 asks for some limit)"),
        Difference("other versions", _other_version, "RFC 9110 15.6.6: what is not spoken is refused"),
        Difference("coding in HTTP/1.0", _we_say("in an HTTP/1.0"), "RFC 9112 6.1: to be treated as faulty framing"),
    ],
    ("h11", "head", "ours"): [
        Difference("host", _they_say("Missing mandatory Host", "multiple Host"), "RFC 9112 3.2: judged by edge.target"),
        Difference("empty lines in front", _they_say("no request line received"), "RFC 9112 2.2: a server should ignore them"),
        Difference(
            "raw bytes in the target",
            lambda case, ours, theirs: case.is_request and max(case.start_line) > 0x7F,
            "RFC 9112 3.2: a proxy passes targets on",
        ),
        Difference("fields that cannot matter", _no_content_by_rule, "RFC 9112 6.3: no content, whatever the fields say"),
    ],
    ("h11", "fields", "other"): [
        Difference("coding in lower case", _same_but_case_of_coding, "RFC 9112 7: codings are case-insensitive; h11 rewrites them"),
        Difference("equal lengths in a 1xx", _length_of_a_1xx, "RFC 9110 8.6: h11 writes them once"),
    ],
    ("h11", "end", "theirs"): [
        Difference("extension syntax", _extension_is_odd, "RFC 9112 7.1.1: h11 takes anything up to the line's end"),
        Difference(
            "size line limit",
            _we_say("a chunk size line has more than"),
            "RFC 9112 7.1.1: the total length of extensions should be limited",
        ),
        Difference("size digits", _size_is_long, "RFC 9112 7.1: large sizes must be anticipated; 2**60 is our limit"),
        Difference("forbidden trailers", _we_say("may not come as a trailer"), "RFC 9110 6.5.1"),
        Difference("LF in trailers", _we_say("bare LF"), "RFC 9112 2.2, as in heads"),
        Difference("obs-fold in trailers", _we_say("obs-fold"), "RFC 9112 5.2, as in heads"),
        Difference("control bytes in trailers", _we_say("the control byte 0x"), "RFC 9110 5.5, as in heads"),
    ],
    ("h11", "end", "ours"): [
        Difference("white space in size lines", _white_space_in_size_line, "RFC 9112 7.1.1: BWS"),
    ],
    ("llhttp", "head", "theirs"): [
        Difference("half empty lines in front", _begins_with_half_an_empty_line, "RFC 9112 2.2: only CRLF is an empty line"),
        Difference("empty lines before a response", _empty_line_before_a_response, "RFC 9112 2.2 has them for requests only"),
        Difference("several spaces", _more_spaces, "RFC 9112 3: may be taken"),
        Difference("HTTP/0.9 and 2.0", _other_version, "RFC 9110 15.6.6, as for h11"),
        Difference("no version", _no_version, "RFC 9112 3: there must be one; llhttp takes it for HTTP/0.9"),
        Difference("other protocols", lambda case, *_: re.search(rb"(?:RTSP|ICE)/", case.start_line) is not None, "RFC 9112 2.3"),
        Difference("coding in HTTP/1.0", _we_say("in an HTTP/1.0"), "RFC 9112 6.1: to be treated as faulty framing"),
        Difference(
            "codings before chunked",
            _we_say("is not understood", "only chunked is understood"),
            "RFC 9112 6.1: 501 for what is not understood",
        ),
        Difference(
            "empty member before chunked",
            _we_say("does not end with chunked, once"),
            "RFC 9110 5.6.1: lists may have them; framing ought not",
        ),
        Difference("long lengths", _we_say("digits, where at most 18"), "as for h11"),
        Difference("control bytes in the reason", _reason_is_odd, "RFC 9112 4: a reason phrase has none"),
        Difference("status below 100", _we_say("instead of three digits from 100 on"), "RFC 9110 15: invalid"),
    ],
    ("llhttp", "head", "ours"): [
        Difference(
            "unknown methods",
            _they_say("Invalid method", "Expected space after method", "HTTP/2 Connection Preface"),
            "RFC 9110 9.1: any token",
        ),
        Difference("targets", _target_not_for_us, "RFC 9112 3.2: judged by edge.target, passed on byte for byte"),
        Difference("minor versions", _they_say("Invalid HTTP version"), "RFC 9110 2.5: HTTP/1.2 is read as HTTP/1.1"),
        Difference(
            "white space behind the coding",
            _they_say("Request has invalid `Transfer-Encoding`"),
            "RFC 9112 5.1: OWS around a value is not part of it",
        ),
        Difference("fields that cannot matter", _no_content_by_rule, "RFC 9112 6.3, as for h11"),
    ],
    ("llhttp", "fields", "other"): [
        Difference("white space behind values", _fields_with_white_space, "RFC 9112 5.1: OWS is not part of the value"),
    ],
    ("llhttp", "keep-alive", "ours"): [
        Difference("Proxy-Connection", _proxy_connection, "RFC 9112 C.2.2: not a field of HTTP/1.1; it is dropped"),
        Difference("white space behind the coding", _ows_behind_coding, "RFC 9112 5.1, as above: llhttp does not see that it is chunked"),
    ],
    ("llhttp", "keep-alive", "theirs"): [
        Difference("Proxy-Connection", _proxy_connection, "as above"),
        Difference(
            "close and keep-alive",
            lambda case, ours, theirs: b"close" in b",".join(case.values(b"connection")).lower(),
            "RFC 9112 9.3: close wins",
        ),
    ],
    ("llhttp", "trailers", "other"): [
        Difference("white space behind trailers", _trailers_with_white_space, "RFC 9112 5.1, as in heads"),
        Difference("trailers of a 1xx", _interim, "RFC 9112 6.3, as below"),
        Difference("trailers behind an upgrade", _upgrade, "llhttp ends the message at the head of an upgrade request"),
    ],
    ("llhttp", "content", "other"): [
        Difference("content of a 1xx", _interim, "RFC 9112 6.3: it has none"),
        Difference("content behind an upgrade", _upgrade, "as above; RFC 9110 7.8: the upgrade comes after the request's content"),
    ],
    ("llhttp", "rest", "other"): [
        Difference("rest of a 1xx", _interim, "as above"),
        Difference("rest behind an upgrade", _upgrade, "as above"),
    ],
    ("llhttp", "end", "theirs"): [
        Difference("end of an upgrade", _upgrade, "as above"),
        Difference("extension syntax", _extension_is_odd, "RFC 9112 7.1.1"),
        Difference("size line limit", _we_say("a chunk size line has more than"), "RFC 9112 7.1.1, as for h11"),
        Difference("size digits", _size_is_long, "RFC 9112 7.1, as for h11"),
        Difference("forbidden trailers", _we_say("may not come as a trailer"), "RFC 9110 6.5.1"),
    ],
    ("llhttp", "end", "ours"): [
        Difference("white space in size lines", _white_space_in_size_line, "RFC 9112 7.1.1: BWS"),
        Difference("white space behind the coding", _ows_behind_coding, "as above"),
        Difference("end of a 1xx", _interim, "as above"),
    ],
}
