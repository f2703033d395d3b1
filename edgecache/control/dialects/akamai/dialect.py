"""Akamai's Fast Purge API (CCU v3) as edgecache answers it: invalidate and delete, by URL, tag and CP code.

Rules of this file
- invalidate is soft, delete is hard. Without a network it is production.
- A staging network is another network: a purge there changes nothing of what production holds, so it changes nothing here.
- There is no call for the status of a purge, in CCU v3 as here.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from edgecache.config import Vendor
from edgecache.control.dialects.akamai.edgegrid import SCHEME, SKEW_S, Nonces, parse_authorization, signature_of
from edgecache.control.dialects.akamai.errors import CONTENT_TYPE, PROBLEM_OF, AkamaiRefusal, Problem
from edgecache.control.dialects.akamai.limits import OBJECTS, Limits
from edgecache.control.dialects.akamai.reading import Given, cpcodes, tags, urls
from edgecache.control.dialects.call import Asked, Purge, Purged, Refusal, Refused, Reply
from edgecache.control.dialects.credentials import same
from edgecache.control.dialects.dialect import DialectParts
from edgecache.control.dialects.operation import Operation
from edgecache.invalidation.reading import Item
from edgecache.invalidation.selectors import Selector

BASE = "/ccu/v3"
PURGES = {
    "invalidate_url": "Make URLs stale",
    "invalidate_tag": "Make stale what has these tags",
    "invalidate_cpcode": "Make stale what is of these CP codes",
    "delete_url": "Purge URLs",
    "delete_tag": "Purge what has these tags",
    "delete_cpcode": "Purge what is of these CP codes",
}
RATE_LIMITS = {
    "rate_limit_url": "What is left of the limits of calls and URLs, in fields.",
    "rate_limit_tag": "The same of calls and tags.",
    "rate_limit_cpcode": "The same of calls and CP codes.",
}
NETWORKS = ("production", "staging")
NO_STAGING = "edgecache has no staging network: the call was acknowledged, and nothing was invalidated"
ESTIMATED_S = 5  # what Akamai says; here it is in effect at once


class Akamai:
    """One edge's answers to Akamai's clients."""

    vendor = Vendor.AKAMAI
    prefixes: Sequence[str] = ("/ccu/",)

    def __init__(self, parts: DialectParts) -> None:
        self._parts = parts
        self._limits = Limits(parts.buckets)
        self._nonces = Nonces()
        self.operations: Sequence[Operation] = tuple(self._operations())

    def _operations(self) -> Iterable[Operation]:
        for name, meaning in PURGES.items():
            action, _, kind = name.partition("_")
            path, handle = f"{BASE}/{action}/{kind}", partial(self._purge, kind, action == "invalidate")
            yield Operation(name, ("POST",), path, handle, f"{meaning}, in production.", purges=True)
            yield Operation(name, ("POST",), f"{path}/{{network}}", handle, f"{meaning}, in this network.", purges=True)
        for name, meaning in RATE_LIMITS.items():
            kind = name.rpartition("_")[2]
            yield Operation(name, ("POST",), f"{BASE}/rate-limit-status/{kind}", partial(self._rate_limit, kind), meaning)

    # purging

    def _purge(self, kind: str, soft: bool, asked: Asked) -> Purge:
        network = asked.parameters.get("network", "production")
        if network not in NETWORKS:
            raise AkamaiRefusal(Problem.BAD_NETWORK, f"the network is {network[:40]!r}; there are: {', '.join(NETWORKS)}")
        if not asked.headers.get("Authorization", "").startswith(f"{SCHEME} "):
            asked.warnings.append("there is no EdgeGrid signature in this call; Akamai refuses it")
        items = self._items(kind, Given(asked), asked)
        self._limits.take(kind, len(items), asked.now)

        def purged(purged: Purged) -> Reply:
            return self._accepted(kind, {"estimatedSeconds": ESTIMATED_S, "purgeId": str(uuid.uuid4())})

        return Purge(items, purged, soft=soft, elsewhere=NO_STAGING if network == "staging" else "")

    def _items(self, kind: str, given: Given, asked: Asked) -> Sequence[Item | Selector]:
        match kind:
            case "url":
                return urls(given, asked.warnings.append)
            case "tag":
                return tags(given, asked.warnings.append)
            case _:
                return cpcodes(given, asked.warnings.append, self._parts.ids)

    def _rate_limit(self, kind: str, asked: Asked) -> Reply:
        return self._accepted(kind, {})

    def _accepted(self, kind: str, more: dict[str, Any]) -> Reply:
        said = {"httpStatus": 201, "detail": "Request accepted", **more, "supportId": self._support_id()}
        return Reply.json(said, 201, self._limits.fields(kind, self._parts.clock.now()))

    def _support_id(self) -> str:
        """An id in the form of Akamai's. Nobody can be asked about it."""
        return f"17PY{self._parts.clock.real_ns() // 1000}-{uuid.uuid4().int % 10**9:09}"

    # who may

    def authenticate(self, asked: Asked) -> None:
        """Is it signed with a client's secret, now, and for the first time? Raises AkamaiRefusal."""
        signed = parse_authorization(asked.headers.get("Authorization", ""))
        if isinstance(signed, str):
            raise _not_authorized(signed)
        row = self._parts.credentials.of(signed.client_token)
        if row is None or not same(signed.access_token, row.access_token):
            raise _not_authorized("Invalid client_token or access_token")
        # Behind a proxy that ends TLS, clients sign https and http arrives. An empty query is signed without its question mark.
        forms = [(scheme, target) for scheme in ("http", "https") for target in {asked.target, asked.target.removesuffix("?")}]
        host = asked.headers.get("Host", "")
        right = False
        for scheme, target in forms:
            expected = signature_of(row.secret, signed, method=asked.method, scheme=scheme, host=host, target=target, content=asked.content)
            right |= same(signed.signature, expected)
        if not right:
            raise _not_authorized("The signature does not match")
        now = self._parts.clock.real_ns() / 1e9  # clients sign real time, whatever the edge's clock was moved to
        if abs(signed.at - now) > SKEW_S:
            raise _not_authorized(f"Invalid timestamp: it is {signed.at - now:+.0f} s off, and {SKEW_S:g} s are allowed")
        if not self._nonces.use(signed.client_token, signed.nonce, now):
            raise _not_authorized("The nonce was used before")

    # answering

    def refused(self, refusal: Refusal, asked: Asked) -> Reply:
        """A problem as Akamai has them."""
        if isinstance(refusal, AkamaiRefusal):
            problem, title, more = refusal.problem, refusal.title, refusal.more
        else:
            problem = self._problem_of(refusal, asked)
            title, more = problem.title, {}
        said = {
            "supportId": self._support_id(),
            "title": title,
            "httpStatus": problem.status,
            "detail": refusal.sentence.encode("utf-8", "replace").decode(),
            "describedBy": f"urn:edgecache:akamai:{problem.name.lower().replace('_', '-')}",
            **more,
        }
        headers: list[tuple[str, str]] = []
        kind = self._kind(asked)
        if problem.status == 429 and kind:
            headers += self._limits.fields(kind, self._parts.clock.now())
        if refusal.retry_after_s is not None and refusal.retry_after_s < math.inf:
            headers.append(("Retry-After", str(math.ceil(refusal.retry_after_s))))
        if refusal.allowed:
            headers.append(("Allow", ", ".join(refusal.allowed)))
        return Reply.json(said, problem.status, headers, CONTENT_TYPE)

    def _problem_of(self, refusal: Refusal, asked: Asked) -> Problem:
        if refusal.why is Refused.BAD_REQUEST:  # an object that the doors could not read
            return {"url": Problem.BAD_URL, "tag": Problem.BAD_TAG}.get(self._kind(asked), Problem.BAD_REQUEST)
        return PROBLEM_OF[refusal.why]

    def _kind(self, asked: Asked) -> str:
        """What the path is about; "" when that is none of the kinds."""
        segments = asked.path.split("/")
        return segments[4] if len(segments) > 4 and segments[4] in OBJECTS else ""

    def forget(self) -> None:
        """The edge was reset: nonces may be used again."""
        self._nonces.clear()


def _not_authorized(said: str) -> AkamaiRefusal:
    return AkamaiRefusal(Problem.NOT_AUTHORIZED, said, why=Refused.NOT_AUTHENTICATED)
