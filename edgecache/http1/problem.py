"""What is wrong with a message, or with the way to the origin: a value with a reason, translated into an answer once, in edge/."""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.semantics.proxy_status import ProxyError


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no usable message: RFC 9209's error type, a detail that names the byte, field or limit, and the status to answer."""

    error: ProxyError
    detail: str
    status: int


def refused(status: int, detail: str) -> Problem:
    """The client's request cannot be taken: `status` is 4xx, 501 or 505."""
    return Problem(ProxyError.HTTP_REQUEST_ERROR, detail, status)


def failed(error: ProxyError, detail: str = "") -> Problem:
    """The origin's side failed; the status follows from the error type."""
    return Problem(error, detail or error.sentence, error.status)


class Broken(Exception):
    """The message being read ended before it was complete, for the reason in `problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class PeerGone(Exception):
    """The peer that was being written to has left; there is nobody to tell."""
