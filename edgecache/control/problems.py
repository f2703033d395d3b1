"""What the control plane refuses, as one closed list, and the one place where a refusal becomes `application/problem+json` (RFC 9457).

Handlers raise `Problem`; the middleware here renders it, together with what aiohttp itself raises (404, 405, 413) and with defects, whose
stack goes to the log and never to the client.
"""

from __future__ import annotations

import difflib
import enum
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:problem-type:edgecache:"
CLIPPED = 80
_SURROGATE = re.compile("[\ud800-\udfff]")


class Kind(enum.Enum):
    """One kind of refusal: the end of its type URI, its status, and a title that is the same every time (RFC 9457 3.1)."""

    BAD_REQUEST = ("bad-request", 400, "The request cannot be understood")
    MALFORMED_JSON = ("malformed-json", 400, "The content is not a JSON object")
    UNKNOWN_MEMBER = ("unknown-member", 400, "The object has a member that is not known here")
    MISSING_MEMBER = ("missing-member", 400, "The object lacks a member")
    WRONG_TYPE = ("wrong-type", 400, "A member has the wrong type")
    BAD_VALUE = ("bad-value", 400, "A value is not acceptable")
    UNKNOWN_PARAMETER = ("unknown-parameter", 400, "The query has a parameter that is not known here")
    TOKEN_REQUIRED = ("token-required", 401, "A bearer token is required")
    HOST_REFUSED = ("host-refused", 403, "The Host field names no host of this control plane")
    ORIGIN_REFUSED = ("origin-refused", 403, "The request comes from a page of another site")
    NOT_FOUND = ("not-found", 404, "There is nothing here")
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "The method is not allowed here")
    CONTENT_TIMEOUT = ("content-timeout", 408, "The content took too long to arrive")
    CONTENT_TOO_LARGE = ("content-too-large", 413, "The content is too large")
    TOO_MANY_ITEMS = ("too-many-items", 413, "The list is too long")
    UNSUPPORTED_MEDIA_TYPE = ("unsupported-media-type", 415, "The content is not of a type that is read here")
    NOT_READY = ("not-ready", 503, "The edge takes no requests")
    NOT_SETTLED = ("not-settled", 504, "Something is still in flight")
    LOG_UNWRITABLE = ("log-unwritable", 507, "The invalidation log cannot be written")
    DEFECT = ("defect", 500, "A defect in edgecache")

    def __init__(self, token: str, status: int, title: str) -> None:
        self.token = token
        self.status = status
        self.title = title


class Problem(Exception):
    """A refusal on its way to the client: which kind, and a sentence about this very request.

    `member`: which member of the object it is about, as in urls[3]; `column`: where in that member's text, counted from 1.
    """

    def __init__(
        self, kind: Kind, detail: str, headers: Mapping[str, str] | None = None, *, member: str = "", column: int | None = None
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.member = member
        self.column = column


class ProblemDocument(msgspec.Struct, omit_defaults=True):
    """Why a request was refused (RFC 9457)."""

    type: Annotated[str, msgspec.Meta(description="A URN for the kind of problem.")]
    title: Annotated[str, msgspec.Meta(description="What that kind is, in the same words every time.")]
    status: Annotated[int, msgspec.Meta(description="The status of the response.")]
    detail: Annotated[str, msgspec.Meta(description="A sentence about this very request.")]
    member: Annotated[str, msgspec.Meta(description="The member that it is about, such as `urls[3]`; absent when it is about none.")] = ""
    column: Annotated[
        int | None, msgspec.Meta(description="Where in that member's text, counted from 1; absent when that says nothing.")
    ] = None


def clipped(text: str) -> str:
    """The beginning of what somebody sent, for a sentence about it."""
    return text if len(text) <= CLIPPED else text[:CLIPPED] + "…"


def readable(text: str) -> str:
    """`text` as JSON can hold it: bytes that were no UTF-8, kept as surrogates (PEP 383), are shown as \\xNN."""
    return _SURROGATE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number - 0xDC00:02x}" if 0xDC80 <= number <= 0xDCFF else f"\\u{number:04x}"


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Which valid name was probably meant by `name`? A clause to end a sentence with: the nearest one, or all of them."""
    names = sorted(valid)
    near = difflib.get_close_matches(clipped(name), names, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"valid are {', '.join(names)}" if names else "none is known here"


def problem_response(problem: Problem) -> web.Response:
    """The response that says `problem` (RFC 9457 3)."""
    kind = problem.kind
    said = ProblemDocument(
        TYPE_PREFIX + kind.token, kind.title, kind.status, readable(problem.detail), readable(problem.member), problem.column
    )
    return web.Response(status=kind.status, body=msgspec.json.encode(said), content_type=CONTENT_TYPE, headers=problem.headers)


@web.middleware
async def render_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever went wrong into one response. Outermost middleware; cancellation passes through."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem_response(problem)
    except web.HTTPException as raised:
        return problem_response(_from_aiohttp(request, raised))
    except ConnectionError:
        raise  # the client left while its request was read: nobody is there to be told
    except Exception:
        logger.exception("defect while answering %s %s", request.method, request.path)
        return problem_response(Problem(Kind.DEFECT, "The edge made a mistake; its terminal has the details."))


def _from_aiohttp(request: web.Request, raised: web.HTTPException) -> Problem:
    """The same refusal in our words. aiohttp raises these for routing and for the size limit of the content."""
    if isinstance(raised, web.HTTPNotFound):
        known = {str(resource.canonical) for resource in request.app.router.resources()}
        return Problem(Kind.NOT_FOUND, f"Nothing is at {clipped(request.path)!r}: {did_you_mean(request.path, known)}")
    if isinstance(raised, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(raised.allowed_methods))
        return Problem(Kind.METHOD_NOT_ALLOWED, f"{request.path} takes {allowed}, not {raised.method}.", {"Allow": allowed})
    if isinstance(raised, web.HTTPRequestEntityTooLarge):
        return Problem(Kind.CONTENT_TOO_LARGE, too_large(request.client_max_size))
    return Problem(Kind.BAD_REQUEST, raised.reason or raised.text or "The request cannot be understood.")


def too_large(limit_bytes: int) -> str:
    """The sentence about content beyond the limit."""
    return f"The content is longer than {limit_bytes} bytes (setting api_body_bytes)."
