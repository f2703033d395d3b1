"""Max-Forwards (RFC 9110 7.6.2): OPTIONS and TRACE say how many hops they may still go, and the last one answers."""

from __future__ import annotations

from edgecache.edge.purging.forms import METHODS
from edgecache.semantics.message import RequestHead, field, values

# A TRACE shows its sender what arrived here; it must not show secrets to a script that could not read them otherwise (RFC 9110 9.3.8).
_SECRET = frozenset((b"authorization", b"cookie", b"proxy-authorization"))


def next_hop(head: RequestHead) -> RequestHead | None:
    """The request as it goes on, one hop older; None when it ends here. A Max-Forwards that is no number is passed on as it is."""
    if head.method not in (b"OPTIONS", b"TRACE"):
        return head
    given = values(head.fields, b"max-forwards")
    if len(given) != 1 or not given[0].isdigit() or len(given[0]) > 9:
        return head
    hops = int(given[0])
    if hops == 0:
        return None
    fields = [field(b"Max-Forwards", b"%d" % (hops - 1)) if one[1] == b"max-forwards" else one for one in head.fields]
    return RequestHead(head.method, head.target, head.minor, fields)


def answer_last_hop(head: RequestHead) -> tuple[list[bytes], bytes]:
    """Lines (with CRLF) and content of our own answer to an OPTIONS or TRACE that goes no further."""
    if head.method == b"OPTIONS":
        return [
            b"HTTP/1.1 200 OK\r\n",
            b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, %s\r\n" % b", ".join(sorted(METHODS)),
            b"Content-Length: 0\r\n",
        ], b""
    lines = [line for line, name, _ in head.fields if name not in _SECRET]
    body = b"\r\n".join((b"TRACE %s HTTP/1.%d" % (head.target, head.minor), *lines, b"", b""))
    return [b"HTTP/1.1 200 OK\r\n", b"Content-Type: message/http\r\n", b"Content-Length: %d\r\n" % len(body)], body
