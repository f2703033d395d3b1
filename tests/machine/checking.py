"""What a client got, held against what it had to get."""

from __future__ import annotations

from wirekit import Cut, Reply
from wirestage import told

from tests.machine.messages import Asked, Fields, content_range, lines, one, without
from tests.machine.outcomes import Expected

# What a cache writes itself, and is looked at by itself.
OWN = ("age", "cache-status", "connection", "content-length", "proxy-status", "server-timing", "transfer-encoding")
IN_304 = ("cache-control", "cdn-cache-control", "content-location", "date", "etag", "expires", "vary")  # RFC 9110 15.4.5, RFC 9213


def differences(asked: Asked, expected: Expected, got: Reply | Cut, error: str) -> list[str]:
    """What is wrong with what the client got. `error`: the error type that Proxy-Status has to name where no answer came."""
    if isinstance(got, Cut):
        if not expected.cut:
            return [f"the answer breaks off: {got}"]
        return [] if expected.content.startswith(got.got) else [f"the content begins with {got.got!r}, not as {expected.content!r}"]
    if expected.cut:
        return ["the answer ends as if it were complete, and the origin's was cut short"]
    fields = as_fields(got)
    found = []
    if got.status != expected.status:
        found.append(f"the status is {got.status}, not {expected.status}")
    own = None if expected.status_line is None else own_line(got)
    if own is not None and expected.may_be_stored:
        own["stored"] = True
    if own != expected.status_line:
        found.append(f"Cache-Status is {got.cache_status!r}, not {expected.status_line}")
    named = got.error if expected.failed else lines(fields, "proxy-status")
    if expected.failed and not (named == error or (expected.status == 504 and named)):
        found.append(f"Proxy-Status is {one(fields, 'proxy-status')}, and should name {error}")
    if not expected.failed and named:
        found.append(f"Proxy-Status is {named}, and nothing failed")
    if found or expected.status_line is None:
        return found
    age = lines(expected.fields, "age") if expected.age is None else [str(expected.age)]
    if lines(fields, "age") != age:
        found.append(f"Age is {lines(fields, 'age')}, not {age}")
    return found + wrong_fields(expected, fields) + wrong_content(asked, expected, got, fields)


def wrong_fields(expected: Expected, fields: Fields) -> list[str]:
    """All fields of the response and no others; of a 304, and of a 416 from the store, some, and some have to be there."""
    got, wanted = sorted(without(fields, *OWN)), sorted(without(expected.fields, *OWN))
    if expected.spans is not None:  # those are looked at with the content
        got, wanted = ([own for own in side if own[0] not in ("content-type", "content-range")] for side in (got, wanted))
    if expected.status == 304 or is_refused_range(expected):
        needed = IN_304 if expected.status == 304 else ("content-range",)
        missing = [own for own in wanted if own[0] in needed and own not in got]
        strange = [own for own in got if own not in wanted]
        return [f"fields are missing: {missing}, or are not those of the response: {strange}"] if missing or strange else []
    return [] if got == wanted else [f"the fields are {got}, not {wanted}"]


def is_refused_range(expected: Expected) -> bool:
    """A 416 that the edge makes of a stored response; one of the origin's has no Age of the edge's."""
    return expected.status == 416 and expected.age is not None


def wrong_content(asked: Asked, expected: Expected, got: Reply, fields: Fields) -> list[str]:
    if is_refused_range(expected):
        return []  # a sentence of the edge's own
    if expected.spans is not None:
        return wrong_spans(expected, got, fields)
    length = one(fields, "content-length")
    if asked.method == "HEAD":
        return [] if not got.body else [f"an answer to HEAD has content: {got.body!r}"]
    if got.body != expected.content:
        return [f"the content is {got.body!r}, not {expected.content!r}"]
    if length is not None and int(length) != len(expected.content):
        return [f"Content-Length is {length}"]
    return []


def wrong_spans(expected: Expected, got: Reply, fields: Fields) -> list[str]:
    """RFC 9110 15.3.7: one part, or several in a multipart; ranges that overlap or touch may have been made one."""
    place = one(fields, "content-range")
    kind = one(fields, "content-type") or ""
    if place is not None:
        parts = [(place, got.body)]
    else:
        boundary = kind.partition("boundary=")[2]
        pieces = got.body.split(f"--{boundary}".encode())[1:-1]
        parts = [(told_place(head), body.removesuffix(b"\r\n")) for head, _, body in (piece.partition(b"\r\n\r\n") for piece in pieces)]
    covered: set[int] = set()
    for where, body in parts:
        span, length = content_range(where)
        if length != len(expected.content) or body != expected.content[span.start : span.stop]:
            return [f"the part {where} is {body!r}, and the whole {expected.content!r}"]
        covered.update(span)
    return (
        [] if covered == expected.spans else [f"the parts are {[where for where, _ in parts]}, not all of {sorted(expected.spans or ())}"]
    )


def told_place(head: bytes) -> str:
    found = [line.partition(b":")[2].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"content-range:")]
    return found[0].decode()


def as_fields(got: Reply) -> Fields:
    pairs = [line.decode("latin-1").partition(":") for line in got.lines]
    return tuple((name.lower(), value.strip()) for name, _, value in pairs)


def own_line(got: Reply) -> dict[str, object] | None:
    """Our member of Cache-Status, without the reason."""
    if not got.all("cache-status"):
        return None
    return {name: value for name, value in told(got).items() if name != "detail"}
