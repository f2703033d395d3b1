"""Akamai's errors: one closed list, with the title and status of each, and how sure we are of them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from edgecache.control.dialects.call import Refusal, Refused
from edgecache.control.dialects.evidence import Evidence

OURS, UNCONFIRMED, DOCUMENTED = Evidence.OURS, Evidence.UNCONFIRMED, Evidence.DOCUMENTED

# The published description of the API has this one; older pages say application/api-problem+json. Its clients look at neither.
CONTENT_TYPE = "application/problem+json"


class Problem(enum.Enum):
    """One error: its title, its status, how sure we are of either, and when it comes."""

    BAD_URL = ("bad URL", 400, DOCUMENTED, DOCUMENTED, "an object is no URL that the call takes; one of them fails the whole call")
    BAD_HOSTNAME = ("bad URL hostname", 400, DOCUMENTED, DOCUMENTED, "the host of an object, or `hostname`, is none")
    BAD_TAG = ("bad tag", 400, OURS, OURS, "an object is no tag that a response could have, or has more than 128 characters")
    BAD_CPCODE = ("bad CP code", 400, OURS, OURS, "an object is neither a number nor a text of digits")
    BAD_NETWORK = ("bad network", 400, OURS, OURS, "the network is neither `production` nor `staging`")
    BAD_CONTENT = ("bad request", 400, OURS, OURS, "the content is no JSON object with `objects`, an array that is not empty")
    BAD_REQUEST = ("bad request", 400, OURS, OURS, "something else cannot be used; `detail` says what")
    NOT_AUTHORIZED = (
        "Not authorized",
        401,
        UNCONFIRMED,
        DOCUMENTED,
        "the EdgeGrid signature is missing or wrong, its time is off by more than 30 seconds, or its nonce was used before",
    )
    UNAUTHORIZED_CPCODE = ("unauthorized cpcode", 403, UNCONFIRMED, DOCUMENTED, "CP codes are configured, and this is none of them")
    WEB_PAGE = ("Forbidden", 403, OURS, OURS, "the request has Origin or Sec-Fetch-Site")
    NO_PATH = ("Not found", 404, OURS, OURS, "nothing of CCU v3 is at the path; there is no call for the status of a purge")
    WRONG_METHOD = ("Method not allowed", 405, OURS, OURS, "the path does not take the method")
    TOO_SLOW = ("Request timeout", 408, OURS, OURS, "the setting body_timeout_s")
    TOO_LARGE = (
        "request body too large",
        413,
        OURS,
        DOCUMENTED,
        "the content is longer than 50,000 bytes, or than the setting api_body_bytes",
    )
    WRONG_TYPE = ("unsupported media type", 415, OURS, DOCUMENTED, "the content has another type than application/json, or a coding")
    RATE_LIMITED = ("Rate Limit exceeded", 429, DOCUMENTED, DOCUMENTED, "too many calls, or a fault that was asked for")
    OBJECTS_LIMITED = ("{kind} Rate Limit exceeded", 429, DOCUMENTED, DOCUMENTED, "too many objects; kind is `URL`, `TAG` or `CPCODE`")
    ERROR = ("internal error", 500, DOCUMENTED, DOCUMENTED, "a fault that was asked for, or a defect")
    UNAVAILABLE = ("service unavailable", 503, OURS, DOCUMENTED, "a fault that was asked for")
    UNWRITABLE = ("insufficient storage", 507, OURS, DOCUMENTED, "the invalidation log cannot be written")

    def __init__(self, title: str, status: int, known: Evidence, status_known: Evidence, when: str) -> None:
        self.title = title
        self.status = status
        self.known = known
        self.status_known = status_known
        self.when = when


class AkamaiRefusal(Refusal):
    """A refusal with its problem; `title` where the problem's has a blank, `more` are members beside those that all have."""

    def __init__(
        self,
        problem: Problem,
        detail: str,
        *,
        why: Refused = Refused.BAD_REQUEST,
        title: str = "",
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(why, detail)
        self.problem = problem
        self.title = title or problem.title
        self.more = more or {}


# What the desk refuses by itself.
PROBLEM_OF: dict[Refused, Problem] = {
    Refused.WEB_PAGE: Problem.WEB_PAGE,
    Refused.NO_SUCH_PATH: Problem.NO_PATH,
    Refused.NO_SUCH_METHOD: Problem.WRONG_METHOD,
    Refused.CONTENT_TOO_SLOW: Problem.TOO_SLOW,
    Refused.CONTENT_TOO_LARGE: Problem.TOO_LARGE,
    Refused.CONTENT_CODED: Problem.WRONG_TYPE,
    Refused.NOT_AUTHENTICATED: Problem.NOT_AUTHORIZED,
    Refused.NOT_ALLOWED: Problem.NOT_AUTHORIZED,
    Refused.NO_SUCH_ID: Problem.UNAUTHORIZED_CPCODE,
    Refused.BAD_REQUEST: Problem.BAD_REQUEST,
    Refused.RATE_LIMITED: Problem.RATE_LIMITED,
    Refused.ERROR: Problem.ERROR,
    Refused.UNAVAILABLE: Problem.UNAVAILABLE,
    Refused.UNWRITABLE: Problem.UNWRITABLE,
    Refused.DEFECT: Problem.ERROR,
}
