"""What a stored response comes to as the answer to one request: the whole of it, a part, or only word that the client has it already.

Preconditions and ranges are judged in the order of RFC 9110 13.2.2. If-Match and If-Unmodified-Since never come here: only the origin can
judge them (RFC 9111 4.3.2), and `decide` passes such requests on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecache.caching.request import PresentedRequest
from edgecache.caching.stored import StoredResponse
from edgecache.semantics.conditional import fields_of_304, not_modified
from edgecache.semantics.fields import without
from edgecache.semantics.message import Fields, combined, field, first
from edgecache.semantics.ranges import (
    RangeSpec,
    Span,
    coalesced,
    format_content_range,
    format_unsatisfied,
    parse_range,
    satisfiable,
)
from edgecache.semantics.validators import if_range_holds


@dataclass(frozen=True, slots=True)
class Whole:
    """The stored response as it is: its status, its fields, all of its content (none of it for HEAD)."""


@dataclass(frozen=True, slots=True)
class NotModified:
    """304, with these fields."""

    fields: Fields


@dataclass(frozen=True, slots=True)
class Partial:
    """206 with one part. `fields` are complete but for Content-Length; `offset` and `length` are those of the part in the held content."""

    fields: Fields
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Multipart:
    """206 with several parts. `fields` are complete but for Content-Length, which is `length`.

    `pieces`, one after the other, are the content: delimiters as they are, and (offset, length) of what is taken from the held content.
    """

    fields: Fields
    pieces: tuple[bytes | tuple[int, int], ...]
    length: int


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """416: nothing of what was asked for is there. `fields` are complete but for the description of the error, if there is one."""

    fields: Fields


FromStore = Whole | NotModified | Partial | Multipart | Unsatisfiable

WHOLE = Whole()

# Without any of these fields a request is for the whole; with If-Range alone too.
_ASKING = frozenset({b"if-none-match", b"if-modified-since", b"range"})


def answer_from_store(request: PresentedRequest, stored: StoredResponse, boundary: bytes) -> FromStore:
    """What is sent to the client when it is answered with `stored`, for which `decide` or `conclude` chose it?

    `boundary` delimits the parts of a multipart answer, and must not occur in the content: a random one does not. For a stored part
    the request must be one that `can_answer`.
    """
    if not any(name in _ASKING for _, name, _ in request.fields):
        return WHOLE
    if not_modified(request.fields, _representation_status(stored), stored.fields):
        return NotModified(fields_of_304(stored.fields))
    specs = _ranges(request, stored)
    if specs is None:
        return WHOLE
    complete_length = stored.complete_length
    if complete_length is None:
        spans = [Span(first, last) for first, last in specs if first is not None and last is not None]
    else:
        spans = satisfiable(specs, complete_length)
        if not spans:
            return _unsatisfiable(specs, stored, complete_length)
    spans = coalesced(spans)
    start = 0 if stored.part is None else stored.part.first
    if len(spans) == 1:
        return _partial(stored, spans[0], start, complete_length)
    return _multipart(stored, spans, start, complete_length, boundary)


def can_answer(request: PresentedRequest, stored: StoredResponse) -> bool:
    """Does `stored` hold all that this GET or HEAD asks for? Always, but for parts (RFC 9111 3.3)."""
    part = stored.part
    if part is None:
        return True
    specs = _ranges(request, stored)
    if specs is None:
        return False
    if part.complete_length is None:
        return all(first is not None and last is not None and part.first <= first and last <= part.last for first, last in specs)
    return all(part.first <= span.first and span.last <= part.last for span in satisfiable(specs, part.complete_length))


def _representation_status(stored: StoredResponse) -> int:
    """A part is one of a representation that came, or would have come, with 200."""
    return stored.status if stored.part is None else 200


def _ranges(request: PresentedRequest, stored: StoredResponse) -> Sequence[RangeSpec] | None:
    """What the request's Range asks for; None when it counts for nothing and the whole is asked for (RFC 9110 14.2, 13.1.5)."""
    if request.method != b"GET" or _representation_status(stored) != 200:
        return None
    value = combined(request.fields, b"range")
    specs = None if value is None else parse_range(value)
    if specs is None or len(specs) > request.ranges_max:
        return None
    if_range = combined(request.fields, b"if-range")
    if if_range is not None and not if_range_holds(if_range, stored.fields):
        return None
    return specs


def _unsatisfiable(specs: Sequence[RangeSpec], stored: StoredResponse, complete_length: int) -> Whole | Unsatisfiable:
    """416, but for the last bytes of an empty representation, which are all of it (RFC 9110 14.1.2)."""
    if complete_length == 0 and any(first is None and last for first, last in specs):
        return WHOLE
    kept = [own for own in stored.fields if own[1] in _IN_416]
    return Unsatisfiable([*kept, field(b"Content-Range", format_unsatisfied(complete_length))])


# What a 416 keeps of the stored fields. Not Cache-Control and its like: a cache behind us would store the error in the place of the whole.
_IN_416 = frozenset({b"date", b"etag", b"vary"})
_OF_THE_CONTENT = frozenset({b"content-length", b"content-range"})


def _partial(stored: StoredResponse, span: Span, start: int, complete_length: int | None) -> Partial:
    fields = [*without(stored.fields, _OF_THE_CONTENT), field(b"Content-Range", format_content_range(span, complete_length))]
    return Partial(fields, span.first - start, span.length)


def _multipart(stored: StoredResponse, spans: Sequence[Span], start: int, complete_length: int | None, boundary: bytes) -> Multipart:
    """RFC 9110 14.6: each part with the type of the whole and its own Content-Range; the type of the answer is multipart/byteranges."""
    kind = first(stored.fields, b"content-type")
    line = b"" if kind is None else b"Content-Type: %s\r\n" % kind
    pieces: list[bytes | tuple[int, int]] = []
    for number, span in enumerate(spans):
        place = format_content_range(span, complete_length)
        delimiter = b"%s--%s\r\n%sContent-Range: %s\r\n\r\n" % (b"\r\n" if number else b"", boundary, line, place)
        pieces += [delimiter, (span.first - start, span.length)]
    pieces.append(b"\r\n--%s--\r\n" % boundary)
    fields = [
        *without(stored.fields, _OF_THE_CONTENT | {b"content-type"}),
        field(b"Content-Type", b"multipart/byteranges; boundary=" + boundary),
    ]
    return Multipart(fields, tuple(pieces), sum(len(piece) if isinstance(piece, bytes) else piece[1] for piece in pieces))
