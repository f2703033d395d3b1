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
    STALE_WHILE_REVALIDATE = (
        "stale-while-revalidate",
        "the stored response is stale, and may be used while it is refreshed in the background",
        "RFC 5861 3",
    )
    REQUEST_MAX_STALE = ("request-max-stale", "the request's max-stale takes a response as stale as the stored one", "RFC 9111 5.2.1.2")

    # … or is not, and the origin is asked for one that can be stored, or whether the stored one still holds …
    NO_STORED_RESPONSE = ("no-stored-response", "nothing is stored under this key", "RFC 9111 4")
    VARY_MISMATCH = ("vary-mismatch", "what is stored was for other values of the fields that Vary names", "RFC 9111 4.1")
    EXPIRED = ("expired", "the stored response is older than its freshness lifetime", "RFC 9111 4.2")
    SOFT_PURGED = ("soft-purged", "a soft purge made the stored response stale", "edgecache: invalidation")
    PURGED = ("purged", "the stored response was purged", "edgecache: invalidation")
    CLOCK_MOVED_BACK = ("clock-moved-back", "the stored response arrived later than the clock now shows", "edgecache: clock")
    NO_CACHE = (
        "no-cache",
        "no-cache wants a validation before each use, for which it needs a validator",
        "RFC 9111 5.2.2.4",
    )
    PART_NOT_STORED = ("part-not-stored", "only a part is stored, and more than that was asked for", "RFC 9111 3.3")
    REQUEST_NO_CACHE = ("request-no-cache", "the request's no-cache wants an answer from the origin", "RFC 9111 5.2.1.4")
    REQUEST_MAX_AGE = ("request-max-age", "the stored response is older than the request's max-age", "RFC 9111 5.2.1.1")
    REQUEST_MIN_FRESH = ("request-min-fresh", "the stored response is not fresh for as long as the request's min-fresh", "RFC 9111 5.2.1.3")

    # … or the cache takes no part in this request at all.
    METHOD = ("method", "only GET and HEAD are answered from the store, and only what answers a GET is stored", "RFC 9111 3")
    REQUEST_CONTENT = ("request-content", "the request has content, and what it means is the origin's affair", "RFC 9110 9.3.1")
    PRECONDITION = ("precondition", "only the origin can judge If-Match and If-Unmodified-Since", "RFC 9111 4.3.2")
    UPGRADE = ("upgrade", "the client asks for another protocol on this connection", "RFC 9110 7.8")
    REQUEST_NO_STORE = ("request-no-store", "the request's no-store forbids to store anything of this exchange", "RFC 9111 5.2.1.5")
    FRAGMENT = ("fragment", "the target has a #, and no purge could name it, since a URL's fragment is never sent", "RFC 9110 7.1")
    RULE_BYPASS = ("rule-bypass", "a rule for this URL passes its requests to the origin", "edgecache: rules")
    ONLY_IF_CACHED = ("only-if-cached", "the request wants a stored response and none can be used", "RFC 9111 5.2.1.7")

    # What conclude finds: the answer is stored, fresh for as long as one of these says …
    S_MAXAGE = ("s-maxage", "s-maxage says how long shared caches may use it", "RFC 9111 5.2.2.10")
    MAX_AGE = ("max-age", "max-age says how long it may be used", "RFC 9111 5.2.2.1")
    EXPIRES = ("expires", "Expires says until when it may be used", "RFC 9111 5.3")
    HEURISTIC = ("heuristic", "it says nothing, so a fraction of the time since its last modification counts", "RFC 9111 4.2.2")
    RULE_TTL = ("rule-ttl", "it says nothing, so the ttl of a rule for this URL counts", "edgecache: rules")
    RULE_FORCED = ("rule-forced", "a rule for this URL has it stored, whatever it says itself", "edgecache: rules")
    COOKIE_STORED = (
        "cookie-stored",
        "it is stored although it sets a cookie, which no RFC forbids; Cloudflare, Fastly and Varnish would not store it",
        "edgecache: profile",
    )
    COOKIE_STRIPPED = ("cookie-stripped", "it is stored without its Set-Cookie, as the profile has it", "edgecache: profile")

    # … or says that what is stored still holds, or adds to it …
    VALIDATED = ("validated", "the origin says that the stored response still holds", "RFC 9111 4.3.4")
    COMBINED = ("combined", "the part that came and the stored one are parts of the same representation", "RFC 9111 3.4")
    HEAD_UPDATED = ("head-updated", "an answer to HEAD agrees with the stored response, and updates its fields", "RFC 9111 4.3.5")
    HEAD_OUTDATED = ("head-outdated", "an answer to HEAD differs from the stored response, which is out of date", "RFC 9111 4.3.5")

    # … or says so of something else, so that the whole has to be asked for …

    # … or is not stored …
    HEAD_NOT_STORED = ("head-not-stored", "an answer to HEAD has no content that could be stored for GET", "RFC 9110 9.3.2")
    INTERIM = ("interim", "a 1xx status is not a final answer", "RFC 9111 3")
    PARTIAL = ("partial", "it is not one part, of a known place and the length that it claims, of what was asked for", "RFC 9111 3.3")
    PARTIAL_ALONE = ("partial-alone", "an answer to If-Range lacks fields that only a client with the other parts has", "RFC 9110 15.3.7")
    RANGE_REFUSED = ("range-refused", "it is about the range or precondition of this one request", "RFC 9110 15.5.17")
    NOT_MODIFIED = ("not-modified", "a 304 has no content of its own", "RFC 9111 3")
    MUST_UNDERSTAND = ("must-understand", "must-understand leaves storing to caches that know this status code", "RFC 9111 5.2.2.3")
    NO_STORE = ("no-store", "the response's no-store forbids it", "RFC 9111 5.2.2.5")
    PRIVATE = ("private", "private reserves it for the user's own cache", "RFC 9111 5.2.2.7")
    AUTHORIZATION = ("authorization", "the request had Authorization and no directive makes the answer shareable", "RFC 9111 3.5")
    SET_COOKIE = ("set-cookie", "it sets a cookie, and the profile does not store such answers", "edgecache: profile")
    VARY_ANY = ("vary-any", "Vary says * or something that names no field, so that no other request can match", "RFC 9111 4.1")
    NO_EXPLICIT_FRESHNESS = ("no-explicit-freshness", "nothing says for how long it is fresh, or how to validate it", "RFC 9111 3")
    INVALID_FRESHNESS = ("invalid-freshness", "s-maxage, max-age or Expires is not valid, which counts as stale", "RFC 9111 4.2.1")
    STALE_ON_ARRIVAL = ("stale-on-arrival", "it had used up its freshness lifetime when it arrived", "RFC 9111 4.2")
    ERROR_KEPT_OUT = ("error-kept-out", "an error does not take the place of a stored response that can still stand in", "RFC 9111 4.3.3")
    OVERTAKEN = ("overtaken", "an invalidation came while the answer was on its way", "edgecache: invalidation")
    OUTDATED = ("outdated", "a newer answer, which is not stored itself, shows that it is out of date", "edgecache: positions")
    TOO_LARGE = ("too-large", "its content exceeds the limit for stored responses", "edgecache: limits")
    TOO_MANY_TAGS = (
        "too-many-tags",
        "it has more cache tags than the limits allow, and a purge would miss it by one that was left out",
        "edgecache: limits",
    )
    INCOMPLETE = ("incomplete", "the origin ended it before it was complete", "RFC 9111 3.3")

    # … or there was none, or none that helps.
    STALE_ORIGIN_UNREACHABLE = (
        "origin-unreachable",
        "the origin gave no answer, so the stored response stands in",
        "RFC 9111 4.2.4",
    )
    STALE_IF_ERROR = ("stale-if-error", "the origin answered with an error, for which the stored response may stand in", "RFC 5861 4")
    STALE_FORBIDDEN = ("stale-forbidden", "the origin gave no answer, and the stored response may not be used stale", "RFC 9111 4.2.4")
    STALE_TOO_LONG = ("stale-too-long", "the origin gave no answer, and stale-if-error no longer covers the stored response", "RFC 5861 4")
    ORIGIN_FAILED = ("origin-failed", "the origin gave no answer, and nothing is stored that could stand in", "RFC 9111 4.2.4")

    def __init__(self, token: str, sentence: str, source: str) -> None:
        self.token = token
        self.sentence = sentence
        self.source = source
