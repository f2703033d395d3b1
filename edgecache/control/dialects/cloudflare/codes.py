"""Cloudflare's error codes: one closed list, with the sentence and status of each, and how sure we are of them."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from edgecache.control.dialects.call import Refusal, Refused
from edgecache.control.dialects.evidence import Evidence

SEEN, OURS, UNCONFIRMED, DOCUMENTED = Evidence.SEEN, Evidence.OURS, Evidence.UNCONFIRMED, Evidence.DOCUMENTED


class Code(enum.Enum):
    """One error: its number, message and status, each with where it is known from, and when it is sent here.

    Where no number is known, the status stands in its place, so that nobody takes it for one of Cloudflare's.
    """

    NOTHING_GIVEN = (
        (1012, SEEN),
        ('Request must contain one of "purge_everything", "files", "tags", "hosts" or "prefixes"', SEEN),
        (400, UNCONFIRMED),
        "none of them is given, several are, or what is given is empty",
    )
    NO_ARRAY = (
        (1014, SEEN),
        ('"files", "tags", or "hosts" must be an array', SEEN),
        (400, UNCONFIRMED),
        "one of them, or prefixes, is something else",
    )
    PURGE_ERRORS = (
        (1016, SEEN),
        ("one or more purge errors", UNCONFIRMED),
        (400, UNCONFIRMED),
        "an item cannot be used, or there are too many",
    )
    TAG_TOO_LONG = ((1100, SEEN), ("tag is too long", OURS), (400, UNCONFIRMED), "a tag has more than 1,024 characters")
    TAG_NOT_PRINTABLE = (
        (1315, SEEN),
        ("tag contains non-printable characters", OURS),
        (400, UNCONFIRMED),
        "a tag has other characters than printable ASCII",
    )
    NO_AUTHORIZATION = (
        (1001, SEEN),
        ('Missing "Authorization" header', SEEN),
        (400, UNCONFIRMED),
        "tokens/verify is asked without a token",
    )
    INVALID_HEADERS = (
        (6003, SEEN),
        ("Invalid request headers", SEEN),
        (400, SEEN),
        "credentials have a form that none has; error_chain says which",
    )
    INVALID_KEY_FORMAT = ((6103, SEEN), ("Invalid format for X-Auth-Key header", SEEN), (400, SEEN), "in the error_chain of 6003")
    INVALID_AUTHORIZATION_FORMAT = (
        (6111, SEEN),
        ("Invalid format for Authorization header", SEEN),
        (400, SEEN),
        "in the error_chain of 6003",
    )
    NOT_AUTHENTICATED = (
        (10000, UNCONFIRMED),
        ("Authentication error", UNCONFIRMED),
        (401, UNCONFIRMED),
        "the credentials are missing, or none that is configured",
    )
    NO_ROUTE = (
        (7003, SEEN),
        ("Could not route to {path}, perhaps your object identifier is invalid?", SEEN),
        (404, UNCONFIRMED),
        "nothing is at the path, or zones are configured and this is none of them",
    )
    RATE_LIMITED = (
        (429, OURS),
        ("Rate limit enforced. Please wait and consider throttling your request speed", UNCONFIRMED),
        (429, DOCUMENTED),
        "more calls than the plan allows",
    )
    WRONG_METHOD = ((405, OURS), ("Method not allowed", OURS), (405, OURS), "the path does not take the method")
    MALFORMED = ((400, OURS), ("Malformed JSON in request body", OURS), (400, OURS), "the content is no JSON object")
    WEB_PAGE = ((403, OURS), ("Requests of web pages are refused", OURS), (403, OURS), "the request has Origin or Sec-Fetch-Site")
    TOO_SLOW = ((408, OURS), ("The content took too long to arrive", OURS), (408, OURS), "longer than the setting body_timeout_s")
    TOO_LARGE = ((413, OURS), ("The content is too large", OURS), (413, OURS), "longer than the setting api_body_bytes")
    CODED = ((415, OURS), ("Compressed content is not read here", OURS), (415, OURS), "the content has a coding")
    ERROR = ((500, OURS), ("Internal server error", OURS), (500, OURS), "a fault that was asked for, or a defect")
    UNAVAILABLE = (
        (503, OURS),
        ("Service unavailable", OURS),
        (503, OURS),
        "a fault that was asked for, or the invalidation log cannot be written",
    )

    def __init__(self, number: tuple[int, Evidence], message: tuple[str, Evidence], status: tuple[int, Evidence], when: str) -> None:
        self.number, self.number_known = number
        self.message, self.message_known = message
        self.status, self.status_known = status
        self.when = when


class CloudflareRefusal(Refusal):
    """A refusal with its code. `detail` is put behind the code's message; `chain` are the codes in error_chain."""

    def __init__(
        self,
        code: Code,
        detail: str = "",
        *,
        why: Refused = Refused.BAD_REQUEST,
        chain: Sequence[Code] = (),
        retry_after_s: float | None = None,
    ) -> None:
        message = f"{code.message}: {detail}" if detail else code.message
        super().__init__(why, message, retry_after_s=retry_after_s)
        self.code = code
        self.chain = tuple(chain)


# What the desk refuses by itself.
CODE_OF: dict[Refused, Code] = {
    Refused.WEB_PAGE: Code.WEB_PAGE,
    Refused.NO_SUCH_PATH: Code.NO_ROUTE,
    Refused.NO_SUCH_METHOD: Code.WRONG_METHOD,
    Refused.CONTENT_TOO_SLOW: Code.TOO_SLOW,
    Refused.CONTENT_TOO_LARGE: Code.TOO_LARGE,
    Refused.CONTENT_CODED: Code.CODED,
    Refused.NOT_AUTHENTICATED: Code.NOT_AUTHENTICATED,
    Refused.NOT_ALLOWED: Code.NOT_AUTHENTICATED,
    Refused.NO_SUCH_ID: Code.NO_ROUTE,
    Refused.BAD_REQUEST: Code.PURGE_ERRORS,
    Refused.RATE_LIMITED: Code.RATE_LIMITED,
    Refused.ERROR: Code.ERROR,
    Refused.UNAVAILABLE: Code.UNAVAILABLE,
    Refused.UNWRITABLE: Code.UNAVAILABLE,
    Refused.DEFECT: Code.ERROR,
}
