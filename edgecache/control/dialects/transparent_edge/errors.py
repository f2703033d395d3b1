"""Errors of Transparent Edge's API: one closed list. Nothing is known of their contents, and little of their statuses."""

from __future__ import annotations

from edgecache.control.dialects.call import Refused
from edgecache.control.dialects.evidence import Evidence

OURS, UNCONFIRMED = Evidence.OURS, Evidence.UNCONFIRMED

# Why a call comes to nothing: the status, where that is known from, and when it happens.
ERRORS: dict[Refused, tuple[int, Evidence, str]] = {
    Refused.BAD_REQUEST: (
        400,
        UNCONFIRMED,
        "the content or a member of it cannot be used, or none of the URLs is one of the company's hosts",
    ),
    Refused.NOT_AUTHENTICATED: (401, UNCONFIRMED, "credentials are configured, and the token is missing, wrong, or older than ten hours"),
    Refused.NOT_ALLOWED: (403, UNCONFIRMED, "not sent here"),
    Refused.NO_SUCH_ID: (404, UNCONFIRMED, "companies are configured, and this is none of them"),
    Refused.NO_SUCH_PATH: (404, UNCONFIRMED, "edgecache knows no call at this path"),
    Refused.NO_SUCH_METHOD: (405, OURS, "nor with this method"),
    Refused.WEB_PAGE: (403, OURS, "the request has Origin or Sec-Fetch-Site"),
    Refused.CONTENT_TOO_SLOW: (408, OURS, "longer than the setting body_timeout_s"),
    Refused.CONTENT_TOO_LARGE: (413, OURS, "longer than the setting api_body_bytes, or more items than api_items"),
    Refused.CONTENT_CODED: (415, OURS, "the content has a coding"),
    Refused.RATE_LIMITED: (429, OURS, "a fault (rate-limit); limits of the real API are not known, and there are none here"),
    Refused.ERROR: (500, UNCONFIRMED, "a fault (error, error-in-body)"),
    Refused.DEFECT: (500, UNCONFIRMED, "a defect in edgecache"),
    Refused.UNAVAILABLE: (503, OURS, "a fault (unavailable)"),
    Refused.UNWRITABLE: (503, OURS, "the invalidation log cannot be written"),
}

# Errors of the token call have codes of RFC 6749 5.2; that the real API has them too is not known.
OAUTH_STATUS = {"invalid_request": 400, "invalid_grant": 400, "unsupported_grant_type": 400, "invalid_client": 401}
