"""Transparent Edge's API as edgecache answers it: tokens, invalidation of URLs and tags, and fetching in advance.

Rules of this file
- Success is 200 and nothing else: the vendor's WordPress plug-in counts 201 and 202 as failures.
- What nobody could confirm is done as the vendor's own plug-ins expect it, and errors.py and reading.py say so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from edgecache.config import Vendor, VendorSettings
from edgecache.control.dialects.call import Asked, Purge, Refusal, Refused, Reply
from edgecache.control.dialects.dialect import DialectParts
from edgecache.control.dialects.operation import Operation
from edgecache.control.dialects.transparent_edge.errors import ERRORS, OAUTH_STATUS
from edgecache.control.dialects.transparent_edge.reading import (
    INVALIDATE,
    PREFETCH,
    TAG_INVALIDATE,
    bad,
    below,
    members_of,
    options_of,
    texts_of,
    urls_of,
)
from edgecache.control.dialects.transparent_edge.tokens import ACCESS, TokenRefusal, Tokens
from edgecache.invalidation.bans import MAX_CHARACTERS
from edgecache.invalidation.doors import Call
from edgecache.invalidation.reading import BadItem, Item
from edgecache.invalidation.selectors import Kind, PrefixSelector, Selector, UrlSelector

Handle = Callable[[Asked], Reply | Purge]


class TransparentEdge:
    """One edge's answers to Transparent Edge's clients."""

    vendor = Vendor.TRANSPARENT_EDGE
    prefixes: Sequence[str] = ("/v1/companies/", "/v1/oauth2/")

    def __init__(self, parts: DialectParts) -> None:
        self._parts = parts
        self.operations: Sequence[Operation] = tuple(self._operations())

    def _operations(self) -> Iterable[Operation]:
        company = "/v1/companies/{company}"
        calls: tuple[tuple[str, str, Handle, str, bool], ...] = (
            ("invalidate", f"{company}/invalidate", self.invalidate, "Invalidate URLs, or with a ban all that is below them.", True),
            ("tag_invalidate", f"{company}/tag_invalidate", self.tag_invalidate, "Invalidate what has one of these tags.", True),
            ("prefetch", f"{company}/prefetch", self.prefetch, "Fetch URLs that are not stored, or not fresh.", False),
            ("access_token", "/v1/oauth2/access_token", self.access_token, "A token, for client id and secret.", False),
        )
        for slash in ("/", ""):
            for name, path, handle, meaning, purges in calls:
                yield Operation(name, ("POST",), path + slash, handle, meaning, purges=purges, open=name == "access_token")

    # invalidating

    def invalidate(self, asked: Asked) -> Purge:
        """URLs, each with all of its variants; with a ban everything whose host and path begin so."""
        company = self._company(asked)
        members = members_of(asked.content, INVALIDATE, asked.warnings.append)
        options = options_of(members, asked.warnings.append)
        urls = list(urls_of(self._texts(members, "urls"), company, asked.warnings.append))
        items: list[Item | Selector] = [Item(Kind.URL, url, member=f"urls: {url[:80]}") for url in urls]
        if options.ban:
            items = self._below(items, company, asked)
        return Purge(
            items,
            lambda purged: Reply.json({"urls": urls, "urls_to_send": urls}),
            soft=options.soft,
            refetch=options.refetch,
            site=company.site,
        )

    def tag_invalidate(self, asked: Asked) -> Purge:
        """What has one of these tags."""
        company = self._company(asked)
        members = members_of(asked.content, TAG_INVALIDATE, asked.warnings.append)
        options = options_of(members, asked.warnings.append)
        tags = self._texts(members, "tags")
        items = [Item(Kind.TAG, tag, member=f"tags[{index}]") for index, tag in enumerate(tags)]
        return Purge(items, lambda purged: Reply.json({"tags": tags}), soft=options.soft, refetch=options.refetch, site=company.site)

    def prefetch(self, asked: Asked) -> Reply:
        """URLs to be fetched in the background, as far as what is stored of them is not fresh."""
        company = self._company(asked)
        members = members_of(asked.content, PREFETCH, asked.warnings.append)
        urls = urls_of(self._texts(members, "urls"), company, asked.warnings.append)
        self._parts.doors.refetch([], list(urls.values()))
        return Reply.json({"urls": list(urls), "urls_to_send": list(urls)})

    def _below(self, items: Iterable[Item | Selector], company: VendorSettings, asked: Asked) -> list[Item | Selector]:
        """What a ban of these URLs covers. They are read as URLs first, for the names and parameters that keys have."""
        call = Call(self.vendor, asked.who, tuple(items), site=company.site, vendor=self.vendor)
        try:
            read = self._parts.doors.read(call)
        except BadItem as item:
            raise bad(item.sentence) from item
        found: list[Item | Selector] = []
        for one in read:
            assert isinstance(one, UrlSelector)
            if one.target.endswith(b"*"):
                asked.warnings.append(f"{one.value[:200]}: the * stands for itself; a ban covers all that begins so without it")
            if one.target.endswith(b"/") and b"?" not in one.target:
                found.append(PrefixSelector(one.host, one.target, company.site))  # as good, and no response is asked for its URL
                continue
            ban = below(one.host, one.target)
            if len(ban) > MAX_CHARACTERS:
                raise bad(
                    f"{one.value[:80]}… is too long for a ban: as an expression it has {len(ban)} characters, of {MAX_CHARACTERS} at most."
                )
            found.append(Item(Kind.BAN, ban))
        return found

    def _texts(self, members: dict[str, object], name: str) -> list[str]:
        return texts_of(members, name, self._parts.settings.api_items)

    def _company(self, asked: Asked) -> VendorSettings:
        self._warn(asked)
        row = self._parts.ids.get(asked.parameters["company"])
        if row is None:
            raise Refusal(Refused.NO_SUCH_ID, f"There is no company {asked.parameters['company'][:80]!r} in the settings.")
        return row

    def _warn(self, asked: Asked) -> None:
        """What the real API would not take, or perhaps not."""
        if not asked.headers.get("Authorization"):
            asked.warnings.append("there is no token in this call; Transparent Edge refuses it")
        if not asked.path.endswith("/"):
            asked.warnings.append("the paths of Transparent Edge's API end in a slash; whether they are taken without it is not known")

    # who may

    @property
    def _tokens(self) -> Tokens:
        return Tokens(self._parts.credentials, self._parts.clock.real_ns)

    def access_token(self, asked: Asked) -> Reply:
        """A token for a client id and its secret; for anybody on this machine while there are none."""
        if not asked.path.endswith("/"):
            asked.warnings.append("the paths of Transparent Edge's API end in a slash; whether they are taken without it is not known")
        if not self._parts.credentials.known and not asked.loopback:
            raise Refusal(Refused.NOT_AUTHENTICATED, "No [[credential]] is configured, so only callers on the edge's own machine may.")
        headers = [("Cache-Control", "no-store")]  # RFC 6749 5.1
        try:
            return Reply.json(self._tokens.grant(asked), headers=headers)
        except TokenRefusal as why:
            return Reply.json({"error": why.code, "error_description": why.sentence}, OAUTH_STATUS[why.code], headers)

    def authenticate(self, asked: Asked) -> None:
        """A token of ours that has not ended."""
        scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or self._tokens.holder(token.strip(), ACCESS) is None:
            raise Refusal(
                Refused.NOT_AUTHENTICATED, "The token is missing, wrong, or has ended; POST /v1/oauth2/access_token/ gives a new one."
            )

    # answering

    def refused(self, refusal: Refusal, asked: Asked) -> Reply:
        """A sentence in `detail`; what the vendor's errors look like is not known."""
        status = ERRORS[refusal.why][0]
        headers = [("WWW-Authenticate", "Bearer")] if status == 401 else []
        if refusal.allowed:
            headers.append(("Allow", ", ".join(refusal.allowed)))
        if refusal.retry_after_s is not None and refusal.retry_after_s < math.inf:
            headers.append(("Retry-After", str(max(1, math.ceil(refusal.retry_after_s)))))
        return Reply.json({"detail": refusal.sentence}, status, headers)

    def forget(self) -> None:
        """Nothing is remembered of earlier calls."""
