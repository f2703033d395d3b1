"""Why a request or an answer was treated as it was: the closed list that Cache-Status, log, statistics and explanations are made from.

Each path through decide and conclude ends in one member. A member has a token (RFC 8941 3.3.4; the `detail` of Cache-Status), a sentence
for people that completes "because …", and the source of the rule: an RFC with its section, or a rule of edgecache's own.
"""

from __future__ import annotations

import enum


class Reason(enum.Enum):
    """One reason."""

    # What decide finds: the stored response is used …
    FRESH = ("fresh", "the stored response is still fresh", "RFC 9111 4.2")

    # … or is not, and the origin is asked for one that can be stored …
    NO_STORED_RESPONSE = ("no-stored-response", "nothing is stored under this key", "RFC 9111 4")
    VARY_MISMATCH = ("vary-mismatch", "what is stored was for other values of the fields that Vary names", "RFC 9111 4.1")
    EXPIRED = ("expired", "the stored response is older than its freshness lifetime", "RFC 9111 4.2")
    SOFT_PURGED = ("soft-purged", "a soft purge made the stored response stale", "edgecache: invalidation")
    PURGED = ("purged", "the stored response was purged", "edgecache: invalidation")
    CLOCK_MOVED_BACK = ("clock-moved-back", "the stored response arrived later than the clock now shows", "edgecache: clock")
    REQUEST_NO_CACHE = ("request-no-cache", "the request's no-cache wants an answer from the origin", "RFC 9111 5.2.1.4")
    REQUEST_MAX_AGE = ("request-max-age", "the stored response is older than the request's max-age", "RFC 9111 5.2.1.1")
    REQUEST_MIN_FRESH = ("request-min-fresh", "the stored response is not fresh for as long as the request's min-fresh", "RFC 9111 5.2.1.3")

    # … or the cache takes no part in this request at all.
    METHOD = ("method", "only responses to GET are stored, and only GET and HEAD are answered with them", "RFC 9111 3")
    REQUEST_CONTENT = ("request-content", "the request has content, and what it means is the origin's affair", "RFC 9110 9.3.1")
    RANGE = ("range", "a part was asked for, and parts come from the origin", "RFC 9110 14.2")
    PRECONDITION = ("precondition", "only the origin can judge If-Match, If-Unmodified-Since and If-Range", "RFC 9111 4.3.2")
    UPGRADE = ("upgrade", "the client asks for another protocol on this connection", "RFC 9110 7.8")
    REQUEST_NO_STORE = ("request-no-store", "the request's no-store forbids to store anything of this exchange", "RFC 9111 5.2.1.5")
    ONLY_IF_CACHED = ("only-if-cached", "the request wants a stored response and none can be used", "RFC 9111 5.2.1.7")

    # What conclude finds: the answer is stored, fresh for as long as one of these says …
    S_MAXAGE = ("s-maxage", "s-maxage says how long shared caches may use it", "RFC 9111 5.2.2.10")
    MAX_AGE = ("max-age", "max-age says how long it may be used", "RFC 9111 5.2.2.1")
    EXPIRES = ("expires", "Expires says until when it may be used", "RFC 9111 5.3")

    # … or is not stored …
    HEAD_NOT_STORED = ("head-not-stored", "an answer to HEAD has no content that could be stored for GET", "RFC 9110 9.3.2")
    INTERIM = ("interim", "a 1xx status is not a final answer", "RFC 9111 3")
    PARTIAL = ("partial", "a 206 carries only a part, and parts are not stored", "RFC 9111 3.3")
    NOT_MODIFIED = ("not-modified", "a 304 has no content of its own", "RFC 9111 3")
    MUST_UNDERSTAND = ("must-understand", "must-understand leaves storing to caches that know this status code", "RFC 9111 5.2.2.3")
    NO_STORE = ("no-store", "the response's no-store forbids it", "RFC 9111 5.2.2.5")
    PRIVATE = ("private", "private reserves it for the user's own cache", "RFC 9111 5.2.2.7")
    NO_CACHE = ("no-cache", "no-cache wants a validation before each use, and edgecache does not validate yet", "RFC 9111 5.2.2.4")
    AUTHORIZATION = ("authorization", "the request had Authorization and no directive makes the answer shareable", "RFC 9111 3.5")
    SET_COOKIE = ("set-cookie", "it sets a cookie, and the profile does not store such answers", "edgecache: profile")
    VARY_ANY = ("vary-any", "Vary says * or something that names no field, so that no other request can match", "RFC 9111 4.1")
    NO_EXPLICIT_FRESHNESS = ("no-explicit-freshness", "neither s-maxage, max-age nor Expires says how long it is fresh", "RFC 9111 3")
    INVALID_FRESHNESS = ("invalid-freshness", "s-maxage, max-age or Expires is not valid, which counts as stale", "RFC 9111 4.2.1")
    STALE_ON_ARRIVAL = ("stale-on-arrival", "it had used up its freshness lifetime when it arrived", "RFC 9111 4.2")
    OVERTAKEN = ("overtaken", "an invalidation came while the answer was on its way", "edgecache: invalidation")
    TOO_LARGE = ("too-large", "its content exceeds the limit for stored responses", "edgecache: limits")
    INCOMPLETE = ("incomplete", "the origin ended it before it was complete", "RFC 9111 3.3")

    # … or there was none.
    STALE_ORIGIN_UNREACHABLE = (
        "origin-unreachable",
        "the origin gave no answer, so the stored response stands in",
        "RFC 9111 4.2.4",
    )
    STALE_FORBIDDEN = ("stale-forbidden", "the origin gave no answer, and the stored response may not be used stale", "RFC 9111 4.2.4")
    ORIGIN_FAILED = ("origin-failed", "the origin gave no answer, and nothing is stored that could stand in", "RFC 9111 4.2.4")

    def __init__(self, token: str, sentence: str, source: str) -> None:
        self.token = token
        self.sentence = sentence
        self.source = source
