"""The errors of CloudFront's API: one closed list of codes, with how sure we are of each."""

from __future__ import annotations

import enum

from edgecache.control.dialects.call import Refusal, Refused
from edgecache.control.dialects.evidence import Evidence

DOCUMENTED, SEEN, UNCONFIRMED, OURS = Evidence.DOCUMENTED, Evidence.SEEN, Evidence.UNCONFIRMED, Evidence.OURS

INVALID_PATHS = "Your request contains one or more invalid invalidation paths."


class Code(enum.Enum):
    """One error: code, status, evidence for both, what the client is told unless the call has something better to say, and when it is."""

    ACCESS_DENIED = (
        "AccessDenied",
        403,
        DOCUMENTED,
        "Access denied.",
        "no key is configured and the caller is on another machine, or the request comes from a web page",
    )
    NO_SUCH_DISTRIBUTION = (
        "NoSuchDistribution",
        404,
        DOCUMENTED,
        "The specified distribution does not exist.",
        "the id is none of the settings, which name some",
    )
    ENTITY_NOT_FOUND = (
        "EntityNotFound",
        404,
        DOCUMENTED,
        "The specified distribution tenant does not exist.",
        "the same for a distribution tenant",
    )
    NO_SUCH_INVALIDATION = (
        "NoSuchInvalidation",
        404,
        DOCUMENTED,
        "The specified invalidation does not exist.",
        "it is of another distribution, or was forgotten: with a reset, a restart, or for newer ones",
    )
    INVALID_ARGUMENT = (
        "InvalidArgument",
        400,
        DOCUMENTED,
        "The argument is invalid.",
        "a path without a leading slash, too long, or with what no URL has; a tag that none can be; a page of a list that there is not",
    )
    INCONSISTENT_QUANTITIES = (
        "InconsistentQuantities",
        400,
        DOCUMENTED,
        "The value of Quantity and the number of Items do not match.",
        "a Quantity is not the number of items beside it",
    )
    MISSING_BODY = ("MissingBody", 400, DOCUMENTED, "This operation requires a body.", "the content is empty")
    MALFORMED_XML = (
        "MalformedXML",
        400,
        UNCONFIRMED,
        "The XML you provided was not well-formed or is not what this operation takes.",
        "the content is no XML, has a document type, or lacks an element",
    )
    BATCH_TOO_LARGE = (
        "BatchTooLarge",
        413,
        DOCUMENTED,
        "The invalidation batch is too large.",
        "the content is longer than the setting api_body_bytes",
    )
    TOO_MANY_IN_PROGRESS = (
        "TooManyInvalidationsInProgress",
        400,
        SEEN,
        "Processing your request will cause you to exceed the maximum number of in-progress invalidations.",
        "more than 3,000 paths or 15 wildcards, with those of other invalidations that a fault delays",
    )
    BATCH_ALREADY_EXISTS = (
        "InvalidationBatchAlreadyExists",
        400,
        DOCUMENTED,
        "The caller reference was used before, for an invalidation of other paths.",
        "the CallerReference was used for other paths",
    )
    INVALID_IF_MATCH = (
        "InvalidIfMatchVersion",
        400,
        DOCUMENTED,
        "The If-Match version is missing or is not valid for the resource.",
        "an update has no If-Match",
    )
    PRECONDITION_FAILED = (
        "PreconditionFailed",
        412,
        DOCUMENTED,
        "The version in If-Match is not the current one.",
        "an update has the ETag of an older configuration",
    )
    ILLEGAL_UPDATE = (
        "IllegalUpdate",
        400,
        DOCUMENTED,
        "The update contains modifications that are not allowed.",
        "an update has another CallerReference",
    )
    THROTTLING = ("Throttling", 400, SEEN, "Rate exceeded", "a fault (`rate-limit`); it is 400 here, not 429")
    MISSING_AUTHENTICATION_TOKEN = (
        "MissingAuthenticationToken",
        403,
        UNCONFIRMED,
        "Request is missing Authentication Token",
        "keys are configured, and the request is not signed",
    )
    INCOMPLETE_SIGNATURE = (
        "IncompleteSignature",
        400,
        UNCONFIRMED,
        "The Authorization field is not one of Signature Version 4.",
        "Authorization is something else, or lacks a part",
    )
    INVALID_CLIENT_TOKEN_ID = (
        "InvalidClientTokenId",
        403,
        UNCONFIRMED,
        "The security token included in the request is invalid.",
        "the access key id is none of the settings",
    )
    SIGNATURE_DOES_NOT_MATCH = (
        "SignatureDoesNotMatch",
        403,
        UNCONFIRMED,
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        "the secret is another, the request was changed, a field that has to be signed is not, or X-Amz-Date is more than 5 minutes off",
    )
    NO_SUCH_RESOURCE = ("NoSuchResource", 404, OURS, "There is no such resource.", "edgecache knows no call at this path")
    METHOD_NOT_ALLOWED = ("MethodNotAllowed", 405, OURS, "The resource does not take this method.", "nor with this method")
    REQUEST_TIMEOUT = ("RequestTimeout", 408, OURS, "The request took too long to arrive.", "the content did not come in time")
    INTERNAL_ERROR = (
        "InternalError",
        500,
        UNCONFIRMED,
        "An internal error has occurred.",
        "a fault (`error`, `error-in-body`), or a defect",
    )
    SERVICE_UNAVAILABLE = (
        "ServiceUnavailable",
        503,
        UNCONFIRMED,
        "The service is not available.",
        "a fault (`unavailable`), or the invalidation log cannot be written",
    )

    def __init__(self, token: str, status: int, evidence: Evidence, message: str, when: str) -> None:
        self.token = token
        self.status = status
        self.evidence = evidence
        self.message = message
        self.when = when

    @property
    def type(self) -> str:
        """Whose fault it is, in the vendor's words."""
        return "Receiver" if self.status >= 500 else "Sender"


class CloudFrontRefusal(Refusal):
    """A refusal with its code. `message` is what the client is told; `sentence`, ours, says more: for the journal, and in a field."""

    def __init__(self, code: Code, sentence: str = "", *, message: str = "") -> None:
        super().__init__(_WHY.get(code, Refused.BAD_REQUEST), sentence or message or code.message)
        self.code = code
        self.message = message or code.message


_WHY = {
    Code.ACCESS_DENIED: Refused.NOT_ALLOWED,
    Code.NO_SUCH_DISTRIBUTION: Refused.NO_SUCH_ID,
    Code.ENTITY_NOT_FOUND: Refused.NO_SUCH_ID,
    Code.MISSING_AUTHENTICATION_TOKEN: Refused.NOT_AUTHENTICATED,
    Code.INCOMPLETE_SIGNATURE: Refused.NOT_AUTHENTICATED,
    Code.INVALID_CLIENT_TOKEN_ID: Refused.NOT_AUTHENTICATED,
    Code.SIGNATURE_DOES_NOT_MATCH: Refused.NOT_AUTHENTICATED,
}

# What the desk refuses by itself.
CODES = {
    Refused.WEB_PAGE: Code.ACCESS_DENIED,
    Refused.NO_SUCH_PATH: Code.NO_SUCH_RESOURCE,
    Refused.NO_SUCH_METHOD: Code.METHOD_NOT_ALLOWED,
    Refused.CONTENT_TOO_SLOW: Code.REQUEST_TIMEOUT,
    Refused.CONTENT_TOO_LARGE: Code.BATCH_TOO_LARGE,
    Refused.CONTENT_CODED: Code.INVALID_ARGUMENT,
    Refused.NOT_AUTHENTICATED: Code.ACCESS_DENIED,
    Refused.NOT_ALLOWED: Code.ACCESS_DENIED,
    Refused.NO_SUCH_ID: Code.NO_SUCH_DISTRIBUTION,
    Refused.BAD_REQUEST: Code.INVALID_ARGUMENT,
    Refused.RATE_LIMITED: Code.THROTTLING,
    Refused.ERROR: Code.INTERNAL_ERROR,
    Refused.UNAVAILABLE: Code.SERVICE_UNAVAILABLE,
    Refused.UNWRITABLE: Code.SERVICE_UNAVAILABLE,
    Refused.DEFECT: Code.INTERNAL_ERROR,
}


def in_its_words(refusal: Refusal) -> tuple[Code, str]:
    """The code of any refusal, and what the client is told."""
    if isinstance(refusal, CloudFrontRefusal):
        return refusal.code, refusal.message
    code = CODES[refusal.why]
    match refusal.why:
        case Refused.BAD_REQUEST:  # an item that the doors could not read: a path or a tag
            return code, INVALID_PATHS
        case Refused.RATE_LIMITED | Refused.ERROR | Refused.UNAVAILABLE:
            return code, code.message
        case _:
            return code, refusal.sentence
