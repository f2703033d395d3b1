"""Fastly's purge API as edgecache answers it: by URL, by surrogate key, by many keys, and everything; services, credentials, limits.

Rules of this file
- What follows /purge/ is a URL, and what follows /service/{id}/purge/ is a surrogate key, whatever it looks like.
- Hard is the default. Fastly-Soft-Purge makes it soft by being there, whatever its value; purge_all is never soft.
- Clients were seen to need `id` as a text, and every key of a call by many in the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import parse_qs

from edgecache.config import Vendor, VendorSettings
from edgecache.control.dialects.buckets import Bucket, Rate
from edgecache.control.dialects.call import Asked, Purge, Purged, Refusal, Refused, Reply
from edgecache.control.dialects.dialect import DialectParts
from edgecache.control.dialects.fastly import services
from edgecache.control.dialects.fastly.errors import PROBLEM_OF, FastlyRefusal, Problem
from edgecache.control.dialects.fastly.reading import given_keys, key_item, path_key, url_item
from edgecache.control.dialects.operation import Operation
from edgecache.invalidation.reading import Item
from edgecache.invalidation.selectors import Kind

# 1,000 writes an hour, in which purges by URL and key do not count. Whether it is a bucket or a window is not known.
WRITES = Rate(1000, 1000 / 3600)

SOFT = "Fastly-Soft-Purge"
ENVIRONMENT = "Fastly-Purge-Environment"
NO_STAGING = "edgecache has no staging environment: the call was acknowledged, and nothing was invalidated"


class Fastly:
    """One edge's answers to Fastly's clients."""

    vendor = Vendor.FASTLY
    prefixes: Sequence[str] = ("/purge/", "/service/", "/tokens/", "/realms/fastly/")

    def __init__(self, parts: DialectParts) -> None:
        self._parts = parts
        self._purges = 0
        self.operations: Sequence[Operation] = tuple(self._operations())

    def _operations(self) -> Iterable[Operation]:
        # By the names that they have in Fastly's own client libraries.
        purging: tuple[tuple[str, str, Callable[[Asked], Purge], str], ...] = (
            ("purge_single_url", "/purge/{url*}", self._purge_url, "Purge one URL."),
            ("bulk_purge_tag", "/service/{id}/purge", self._purge_keys, "Purge by many surrogate keys."),
            ("purge_tag", "/service/{id}/purge/{key*}", self._purge_key, "Purge by one surrogate key."),
            ("purge_all", "/service/{id}/purge_all", self._purge_all, "Purge everything of a service."),
        )
        for name, path, handle, meaning in purging:
            yield Operation(name, ("POST", "PURGE"), path, handle, meaning, purges=True)
        yield Operation("list_services", ("GET",), "/service", self._list, "The services, page by page.")
        yield Operation("search_service", ("GET",), "/service/search", self._search, "The service of a name.")
        yield Operation("get_service", ("GET",), "/service/{id}", self._get, "One service.")
        yield Operation("get_service_detail", ("GET",), "/service/{id}/details", self._details, "One service with its active version.")
        yield Operation("get_token_current", ("GET",), "/tokens/self", self._token, "The token that was used.")
        yield Operation(
            "openid_configuration",
            ("GET",),
            "/realms/fastly/.well-known/openid-configuration",
            self._openid,
            "What Fastly's command line asks for before every command.",
            open=True,
        )

    # purging

    def _purge_url(self, asked: Asked) -> Purge:
        self._warn(asked)
        if ENVIRONMENT in asked.headers:
            asked.warnings.append(f"{ENVIRONMENT} means nothing in a purge by URL, and was ignored")
        return Purge([url_item(asked)], self._one_purged, soft=_is_soft(asked))

    def _purge_key(self, asked: Asked) -> Purge:
        service = self._service(asked)
        self._warn(asked)
        items = [key_item(path_key(asked), service.site, asked.warnings.append)]
        return Purge(items, self._one_purged, soft=_is_soft(asked), site=service.site, elsewhere=_elsewhere(asked))

    def _purge_keys(self, asked: Asked) -> Purge:
        service = self._service(asked)
        self._warn(asked)
        keys = given_keys(asked)
        items = [key_item(key, service.site, asked.warnings.append) for key in keys]

        def purged(purged: Purged) -> Reply:
            return self._answer({_text(key): self._id() for key in keys})

        return Purge(items, purged, soft=_is_soft(asked), site=service.site, elsewhere=_elsewhere(asked))

    def _purge_all(self, asked: Asked) -> Purge:
        service = self._service(asked)
        self._warn(asked)
        if SOFT in asked.headers:
            asked.warnings.append(f"{SOFT} means nothing in purge_all, which is always hard; it was ignored")
        if self._writes().take(1, asked.now) is not None:
            raise FastlyRefusal(Problem.RATE_LIMITED, f"at most {WRITES.size:g} writes an hour", why=Refused.RATE_LIMITED)
        return Purge([Item(Kind.ALL)], lambda purged: self._answer({"status": "ok"}), site=service.site, elsewhere=_elsewhere(asked))

    def _one_purged(self, purged: Purged) -> Reply:
        return self._answer({"status": "ok", "id": self._id()})

    def _answer(self, value: dict[str, str]) -> Reply:
        return Reply.json(value, headers=self._rate_fields())

    def _id(self) -> str:
        """The id of a purge: of three numbers, as Fastly's are. Nothing can be asked by it."""
        self._purges += 1
        return f"108-{int(self._parts.clock.now())}-{self._purges:06}"

    def _writes(self) -> Bucket:
        now = self._parts.clock.now()
        return self._parts.buckets.get((self.vendor, "writes"), WRITES, now)

    def _rate_fields(self) -> list[tuple[str, str]]:
        """What is left of the writes, and from when on (seconds since the epoch) all of them are there again."""
        now = self._parts.clock.now()
        bucket = self._writes()
        left, reset = int(bucket.left(now)), math.ceil(now + bucket.full_in(now))
        return [("Fastly-RateLimit-Remaining", str(max(0, left))), ("Fastly-RateLimit-Reset", str(reset))]

    # looking

    def _list(self, asked: Asked) -> Reply:
        if not self._parts.ids.known:
            asked.warnings.append("no [[vendor]] of fastly is in the settings: every service id is taken, and means all sites")
        rows = services.services(self._parts.ids, self._parts.settings)
        return Reply.json([services.listed(row) for row in services.page_of(rows, asked)])

    def _search(self, asked: Asked) -> Reply:
        name = parse_qs(asked.query).get("name", [""])[0]
        found = services.service_by_name(name, self._parts.ids)
        if found is None:
            raise FastlyRefusal(Problem.NO_SERVICE, f"there is no service of the name {name[:80]!r}", why=Refused.NO_SUCH_ID)
        return Reply.json(services.shown(found))

    def _get(self, asked: Asked) -> Reply:
        return Reply.json(services.shown(self._service(asked)))

    def _details(self, asked: Asked) -> Reply:
        return Reply.json(services.detailed(self._service(asked)))

    def _token(self, asked: Asked) -> Reply:
        return Reply.json(services.token(asked.now))

    def _openid(self, asked: Asked) -> Reply:
        return Reply.json(services.openid_configuration(asked))

    def _service(self, asked: Asked) -> VendorSettings:
        id = asked.parameters["id"]
        row = self._parts.ids.get(id)
        if row is None:
            raise FastlyRefusal(Problem.NO_SERVICE, f"there is no service {id[:80]!r}", why=Refused.NO_SUCH_ID)
        return row

    # who may

    def authenticate(self, asked: Asked) -> None:
        """Fastly-Key is one of the tokens."""
        if not self._parts.credentials.has(asked.headers.get("Fastly-Key", "")):
            raise FastlyRefusal(Problem.NOT_AUTHENTICATED, why=Refused.NOT_AUTHENTICATED)

    def _warn(self, asked: Asked) -> None:
        """What the real API would not take, or takes otherwise than one might think."""
        if "Fastly-Key" not in asked.headers:
            asked.warnings.append("there is no Fastly-Key in this call; Fastly's API refuses it")
        if asked.method == "PURGE":
            asked.warnings.append("Fastly's clients send POST here; whether its API takes PURGE is not known")

    # answering

    def refused(self, refusal: Refusal, asked: Asked) -> Reply:
        """An error as Fastly has them."""
        if isinstance(refusal, FastlyRefusal):
            problem, detail = refusal.problem, refusal.detail
        else:
            problem = PROBLEM_OF[refusal.why]
            detail = refusal.sentence
        headers: list[tuple[str, str]] = []
        if refusal.why is Refused.RATE_LIMITED:
            headers += self._rate_fields()
        if refusal.retry_after_s is not None and refusal.retry_after_s < math.inf:
            headers.append(("Retry-After", str(math.ceil(refusal.retry_after_s))))
        if refusal.allowed:
            headers.append(("Allow", ", ".join(refusal.allowed)))
        if problem is Problem.TOO_MANY_KEYS:
            return Reply.json({"status": "fail", "reason": _text(detail)}, problem.status, headers)
        return Reply.json({"msg": problem.message, **({"detail": _text(detail)} if detail else {})}, problem.status, headers)

    def forget(self) -> None:
        """Nothing is remembered here."""


def _is_soft(asked: Asked) -> bool:
    if asked.headers.get(SOFT, "1").strip().lower() in ("0", "false", "no", ""):
        asked.warnings.append(f"{SOFT} makes a purge soft by being there, whatever its value; leave it out for a hard one")
    return SOFT in asked.headers


def _elsewhere(asked: Asked) -> str:
    """What is to be said of the staging environment, if it is about that."""
    environment = asked.headers.get(ENVIRONMENT, "").strip().lower()
    if environment == "staging":
        return NO_STAGING
    if environment not in ("", "production"):
        asked.warnings.append(f"{ENVIRONMENT} is {environment[:40]!r}, and Fastly documents only staging; it was ignored")
    return ""


def _text(text: str) -> str:
    """A text that JSON can have: of what is no UTF-8, and of halves of surrogate pairs, only a ? is left."""
    return text.encode("utf-8", "replace").decode()
