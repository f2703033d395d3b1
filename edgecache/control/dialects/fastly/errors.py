"""Fastly's errors: one closed list, with the words and status of each, and how sure we are of them."""

from __future__ import annotations

import enum

from edgecache.control.dialects.call import Refusal, Refused
from edgecache.control.dialects.evidence import Evidence

SEEN, OURS, UNCONFIRMED, DOCUMENTED = Evidence.SEEN, Evidence.OURS, Evidence.UNCONFIRMED, Evidence.DOCUMENTED


class Problem(enum.Enum):
    """One error: its `msg`, its status, how sure we are of either, and when it comes. `detail` is always of our making."""

    NOT_AUTHENTICATED = (
        "Provided credentials are missing or invalid",
        401,
        SEEN,
        SEEN,
        "Fastly-Key is missing, or is none that is configured",
    )
    NO_SERVICE = ("Record not found", 404, UNCONFIRMED, UNCONFIRMED, "services are configured, and this is none of them")
    TOO_MANY_KEYS = (
        "at most 256 surrogate keys",
        400,
        OURS,
        DOCUMENTED,
        "more than 256 keys in one call; the content is `status` and `reason`, not `msg` and `detail`",
    )
    KEY_TOO_LONG = ("Bad request", 400, OURS, UNCONFIRMED, "a key is longer than 1,024 bytes")
    NO_KEYS = ("Bad request", 400, OURS, OURS, "no key is given: neither in the path, nor as surrogate_keys, nor in Surrogate-Key")
    MALFORMED = ("Bad request", 400, OURS, OURS, "the content is no JSON object, or surrogate_keys is no array of texts")
    BAD_URL = ("Bad request", 400, OURS, OURS, "what follows /purge/ is no URL")
    BAD_REQUEST = ("Bad request", 400, OURS, OURS, "something else cannot be used; `detail` says what")
    RATE_LIMITED = ("Too many requests", 429, OURS, DOCUMENTED, "more writes than an hour allows, or a fault that was asked for")
    NO_PATH = ("Not found", 404, OURS, OURS, "nothing that edgecache knows is at the path")
    WRONG_METHOD = ("Method not allowed", 405, OURS, OURS, "the path does not take the method")
    WEB_PAGE = ("Forbidden", 403, OURS, OURS, "the request has Origin or Sec-Fetch-Site")
    TOO_SLOW = ("Request timeout", 408, OURS, OURS, "the setting body_timeout_s")
    TOO_LARGE = ("Content too large", 413, OURS, OURS, "the setting api_body_bytes")
    CODED = ("Unsupported media type", 415, OURS, OURS, "the content has a coding")
    ERROR = ("Internal server error", 500, OURS, OURS, "a fault that was asked for, or a defect")
    UNAVAILABLE = ("Service unavailable", 503, OURS, OURS, "a fault that was asked for, or the invalidation log cannot be written")

    def __init__(self, message: str, status: int, known: Evidence, status_known: Evidence, when: str) -> None:
        self.message = message
        self.status = status
        self.known = known
        self.status_known = status_known
        self.when = when


class FastlyRefusal(Refusal):
    """A refusal with its error; `detail` says what is wrong with this very call."""

    def __init__(self, problem: Problem, detail: str = "", *, why: Refused = Refused.BAD_REQUEST) -> None:
        super().__init__(why, detail or problem.message)
        self.problem = problem
        self.detail = detail


# What the desk refuses by itself.
PROBLEM_OF: dict[Refused, Problem] = {
    Refused.WEB_PAGE: Problem.WEB_PAGE,
    Refused.NO_SUCH_PATH: Problem.NO_PATH,
    Refused.NO_SUCH_METHOD: Problem.WRONG_METHOD,
    Refused.CONTENT_TOO_SLOW: Problem.TOO_SLOW,
    Refused.CONTENT_TOO_LARGE: Problem.TOO_LARGE,
    Refused.CONTENT_CODED: Problem.CODED,
    Refused.NOT_AUTHENTICATED: Problem.NOT_AUTHENTICATED,
    Refused.NOT_ALLOWED: Problem.NOT_AUTHENTICATED,
    Refused.NO_SUCH_ID: Problem.NO_SERVICE,
    Refused.BAD_REQUEST: Problem.BAD_REQUEST,
    Refused.RATE_LIMITED: Problem.RATE_LIMITED,
    Refused.ERROR: Problem.ERROR,
    Refused.UNAVAILABLE: Problem.UNAVAILABLE,
    Refused.UNWRITABLE: Problem.UNAVAILABLE,
    Refused.DEFECT: Problem.ERROR,
}
