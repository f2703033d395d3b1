"""The strict head parser (RFC 9112 2-5): bytes of a head in, a head or a Problem out. No I/O, no state but a bounded memo of names.

Rules of this file
- Strict both ways. What two parsers could read differently (bare CR or LF, obs-fold, space before the colon, control bytes) is refused:
  it is how requests are smuggled, and RFC 9112 2.2, 5.1 and 5.2 allow the refusal.
- Methods are any token, targets any bytes but controls and space: a proxy has no list of either.
- Speed comes from one translate() over all lines for every forbidden byte at once, and a dictionary from exact name bytes to lower
  case, so that the token check of a field name is a look-up.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.http1.problem import Problem, failed, refused
from edgecache.semantics.message import Field, Fields, RequestHead, ResponseHead
from edgecache.semantics.proxy_status import ProxyError

TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # RFC 9110 5.6.2
LINE_BYTES = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))  # field-content and obs-text, RFC 9110 5.5
NAMES_KEPT = 4096  # in the memo, of at most NAME_BYTES each: together less than 1 MiB, whatever names clients invent
NAME_BYTES = 64

_names: dict[bytes, bytes] = {}


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """How large a head may be: bytes of the target, bytes of the whole head, number of fields."""

    target_bytes: int = 16 * 1024
    head_bytes: int = 64 * 1024
    fields: int = 200


def lower_name(name: bytes) -> bytes | None:
    """The field name in lower case, or None when it is no token (RFC 9110 5.1)."""
    known = _names.get(name)
    if known is not None:
        return known
    if not name or name.translate(None, TOKEN):
        return None
    lower = name.lower()
    if len(name) <= NAME_BYTES and len(_names) < NAMES_KEPT:  # once it is full, new names cost a little more
        _names[name] = lower
    return lower


def parse_fields(lines: list[bytes], limit: int) -> Fields | str:
    """Field lines (without CRLF) as fields, or a sentence that names the first bad one. At most `limit` of them."""
    if len(lines) > limit:
        return f"{len(lines)} fields, where at most {limit} are taken"
    if b"".join(lines).translate(None, LINE_BYTES):
        return _name_forbidden_byte(lines)
    fields: list[Field] = []
    known = _names.get
    for line in lines:
        name, colon, value = line.partition(b":")
        lower = known(name) or lower_name(name)
        if lower is None or not colon:
            return _name_bad_line(line)
        fields.append((line, lower, value.strip(b" \t")))
    return fields


def parse_request_head(head: bytes, limits: HeadLimits) -> RequestHead | Problem:
    """The bytes of a request head, without the empty line that ends it, as a RequestHead.

    A Problem carries the status: 400, 414 for a target or 431 for fields above the limits, 505 for a major version other than 1.
    Host and the framing fields are judged elsewhere (edge.target, framing).
    """
    lines = head.split(b"\r\n")
    start_line = lines.pop(0)
    parts = start_line.split(b" ")
    if len(parts) != 3:
        return _bad_request_line(start_line, parts)
    method, target, version = parts
    if not method or method.translate(None, TOKEN):
        return refused(400, f"the method {_shown(method)} is not a token (RFC 9110 9.1)")
    if version == b"HTTP/1.1":
        minor = 1
    elif version == b"HTTP/1.0":
        minor = 0
    else:
        known = _minor_version(version)
        if isinstance(known, Problem):
            return known
        minor = known
    if len(target) > limits.target_bytes:
        return refused(414, f"the request target has {len(target)} bytes, where at most {limits.target_bytes} are taken")
    if not target:
        return refused(400, "the request target is empty")
    if start_line.translate(None, LINE_BYTES):
        return refused(400, _name_forbidden_byte([start_line]))
    if b"\t" in target:
        return refused(400, f"a TAB in the request target {_shown(target)} (RFC 9112 3.2)")
    fields = parse_fields(lines, limits.fields)
    if isinstance(fields, str):
        return refused(431 if len(lines) > limits.fields else 400, fields)
    return RequestHead(method, target, minor, fields)


def parse_response_head(head: bytes, limits: HeadLimits) -> ResponseHead | Problem:
    """The bytes of a response head, without the empty line, as a ResponseHead; any status from 100 to 999, any reason phrase."""
    lines = head.split(b"\r\n")
    start_line = lines.pop(0)
    version, _, rest = start_line.partition(b" ")
    digits, _, reason = rest.partition(b" ")
    if version == b"HTTP/1.1":
        minor = 1
    elif version == b"HTTP/1.0":
        minor = 0
    elif len(version) == 8 and version[:7] == b"HTTP/1." and version[7:].isdigit():
        minor = 1  # RFC 9110 2.5: a higher minor version is answered, and read, as the highest one known
    else:
        return failed(ProxyError.HTTP_PROTOCOL_ERROR, f"the origin's status line begins with {_shown(version)} instead of HTTP/1.1")
    # isdigit() of bytes is ASCII only, unlike that of str
    if len(digits) != 3 or not digits.isdigit() or digits[0] == 0x30:
        return failed(ProxyError.HTTP_PROTOCOL_ERROR, f"the origin's status code is {_shown(digits)} instead of three digits from 100 on")
    if start_line.translate(None, LINE_BYTES):
        return failed(ProxyError.HTTP_PROTOCOL_ERROR, "origin: " + _name_forbidden_byte([start_line]))
    fields = parse_fields(lines, limits.fields)
    if isinstance(fields, str):
        too_many = len(lines) > limits.fields
        error = ProxyError.HTTP_RESPONSE_HEADER_SECTION_SIZE if too_many else ProxyError.HTTP_PROTOCOL_ERROR
        return failed(error, f"origin: {fields}")
    return ResponseHead(int(digits), reason, minor, fields)


def judge_unfinished(data: bytes | bytearray, limits: HeadLimits, seen: int = 0) -> Problem | None:
    """What can be said about a head whose end has not come yet: over a limit, or already hopeless. None: wait for more.

    The first `seen` bytes were judged before. Without the look for a bare LF, a client that ends its lines with LF alone would wait for
    the time-out instead of an answer.
    """
    most = limits.head_bytes + 4  # the empty line's own bytes follow a head of just the permitted size
    if data.count(b"\n", seen, most) != data.count(b"\r\n", max(seen - 1, 0), most):
        return refused(400, "a line of the head ends with a bare LF instead of CRLF (RFC 9112 2.2)")
    if len(data) >= most:
        return _too_large(bytes(data[:most]), limits)
    return None


def _too_large(start: bytes, limits: HeadLimits) -> Problem:
    line, line_end, _ = start.partition(b"\r\n")
    target = line.split(b" ", 2)[1:2]
    if target and len(target[0]) > limits.target_bytes:
        return refused(414, f"the request target has more than {limits.target_bytes} bytes")
    if not line_end:
        return refused(414, f"the request line has more than {limits.head_bytes} bytes")
    return refused(431, f"the head has more than {limits.head_bytes} bytes")


def _minor_version(version: bytes) -> int | Problem:
    if len(version) == 8 and version[:5] == b"HTTP/" and version[6:7] == b"." and version[5:6].isdigit() and version[7:].isdigit():
        if version[5:6] == b"1":
            return 1  # RFC 9110 2.5: HTTP/1.2 is taken as the highest minor version that is known
        return refused(505, f"{_shown(version)} is not spoken here; HTTP/1.1 is")
    return refused(400, f"{_shown(version)} is no HTTP version; the request line ends with HTTP/1.1")


def _bad_request_line(line: bytes, parts: list[bytes]) -> Problem:
    if len(parts) == 2 and all(parts) and not parts[1].startswith(b"HTTP/"):
        return refused(400, "the request line has no version: HTTP/0.9 is not spoken here; it ends with HTTP/1.1")
    return refused(400, f"the request line {_shown(line)} is not METHOD, one space, target, one space, HTTP/1.1 (RFC 9112 3)")


def _name_forbidden_byte(lines: list[bytes]) -> str:
    for line in lines:
        found = line.translate(None, LINE_BYTES)
        if found:
            what = {0x0D: "a bare CR", 0x0A: "a bare LF", 0x00: "a NUL byte"}.get(found[0], f"the control byte 0x{found[0]:02x}")
            at = max(0, line.index(found[:1]) - 20)  # the byte itself is shown, however long the line
            return f"{what} in the line {'…' if at else ''}{_shown(line[at:])} (RFC 9110 5.5)"
    raise AssertionError("called without a forbidden byte")


def _name_bad_line(line: bytes) -> str:
    if line[:1] in (b" ", b"\t"):
        return f"the line {_shown(line)} continues the one before it (obs-fold), which RFC 9112 5.2 deprecates"
    name, colon, _ = line.partition(b":")
    if not colon:
        return f"the field line {_shown(line)} has no colon (RFC 9112 5)"
    if name.rstrip(b" \t") != name:
        return f"white space before the colon in {_shown(line)} (RFC 9112 5.1)"
    return f"the field name {_shown(name)} is not a token (RFC 9110 5.1)"


def _shown(data: bytes) -> str:
    """A piece of the input, safe to print and bounded."""
    text = ascii(data[:40].decode("latin-1"))
    return text + ("…" if len(data) > 40 else "")
