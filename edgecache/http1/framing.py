"""Where a message's content ends (RFC 9112 6.3), decided in one place for both directions. Pure functions over parsed heads.

A framing is one integer: a length in bytes, or CHUNKED, or UNTIL_CLOSE. Whatever leaves the end in doubt is a Problem, never a guess:
the peer before or behind us may guess otherwise, and the difference is a smuggled request.
"""

from __future__ import annotations

from edgecache.http1.problem import Problem, failed, refused
from edgecache.semantics.message import Fields, RequestHead, ResponseHead
from edgecache.semantics.proxy_status import ProxyError

CHUNKED = -1
UNTIL_CLOSE = -2
LENGTH_DIGITS = 18  # below 2**63, checked before any conversion


def request_framing(head: RequestHead) -> int | Problem:
    """How the content of this request is framed: its length (0: none) or CHUNKED; 400 or 501 when that is in doubt."""
    lengths, codings = _framing_fields(head.fields)
    if codings:
        if head.minor == 0:
            return refused(400, "Transfer-Encoding in an HTTP/1.0 request (RFC 9112 6.1)")
        if lengths:
            return refused(400, "both Content-Length and Transfer-Encoding: the end of the request is in doubt (RFC 9112 6.3)")
        return _request_coding(codings)
    if not lengths:
        return 0
    length = _length(lengths)
    return refused(400, length) if isinstance(length, str) else length


def response_framing(method: bytes, head: ResponseHead) -> int | Problem:
    """How the content of this answer to `method` is framed; a Problem when the origin contradicts itself.

    A length that is none is refused also where no content follows (HEAD, 304): it must not be forwarded (RFC 9110 8.6).
    """
    status = head.status
    lengths, codings = _framing_fields(head.fields)
    if method == b"HEAD" or status < 200 or status == 204 or status == 304:
        wrong = _length(lengths) if lengths else 0
        return failed(ProxyError.HTTP_PROTOCOL_ERROR, f"origin: {wrong}") if isinstance(wrong, str) else 0
    if codings:
        if lengths:
            return failed(ProxyError.HTTP_RESPONSE_TRANSFER_CODING, "the origin sent both Content-Length and Transfer-Encoding")
        if head.minor == 0:
            return failed(ProxyError.HTTP_RESPONSE_TRANSFER_CODING, "the origin sent Transfer-Encoding in an HTTP/1.0 answer")
        if len(codings) == 1 and codings[0].lower() == b"chunked":
            return CHUNKED
        shown = b", ".join(codings)[:60].decode("latin-1")
        return failed(
            ProxyError.HTTP_RESPONSE_TRANSFER_CODING, f"the origin used the transfer coding {shown!a}; only chunked is understood"
        )
    if not lengths:
        return UNTIL_CLOSE
    length = _length(lengths)
    if isinstance(length, str):
        return failed(ProxyError.HTTP_PROTOCOL_ERROR, f"origin: {length}")
    return length


def keeps_alive(minor: int, fields: Fields) -> bool:
    """Does this message leave its connection open (RFC 9112 9.3)?"""
    options = b",".join(value for _, name, value in fields if name == b"connection").lower()
    if not options:
        return minor == 1
    members = [member.strip() for member in options.split(b",")]
    return b"close" not in members and (minor == 1 or b"keep-alive" in members)


def _framing_fields(fields: Fields) -> tuple[list[bytes], list[bytes]]:
    lengths: list[bytes] = []
    codings: list[bytes] = []
    for _, name, value in fields:
        if name == b"content-length":
            lengths.append(value)
        elif name == b"transfer-encoding":
            codings.append(value)
    return lengths, codings


def _length(lengths: list[bytes]) -> int | str:
    if len(lengths) > 1:
        return "Content-Length is given more than once (RFC 9112 6.3)"
    digits = lengths[0]
    if not digits.isdigit():  # of bytes: ASCII digits only, no sign, no blank, no underscore
        return f"Content-Length {digits[:40].decode('latin-1')!a} is not a number (RFC 9110 8.6)"
    if len(digits) > LENGTH_DIGITS:
        return f"Content-Length has {len(digits)} digits, where at most {LENGTH_DIGITS} are taken"
    return int(digits)


def _request_coding(codings: list[bytes]) -> int | Problem:
    if len(codings) == 1 and codings[0].lower() == b"chunked":
        return CHUNKED
    members = [member.strip().lower() for member in b",".join(codings).split(b",")]
    shown = b", ".join(codings)[:60].decode("latin-1")
    if members.count(b"chunked") != 1 or members[-1] != b"chunked" or b"" in members:
        return refused(
            400, f"Transfer-Encoding {shown!a} does not end with chunked, once: the end of the request is in doubt (RFC 9112 6.3)"
        )
    return refused(501, f"the transfer coding {shown!a} is not understood; only chunked is (RFC 9112 6.1)")
