"""Cloudflare's purge API as edgecache answers it: zones, credentials, limits, and what goes back.

Rules of this file
- What is sent is what real clients were seen to need: `success` says the same as the status, and `result` is there in every answer.
- Nothing is passed off as Cloudflare's that is not known to be: codes.py and limits.py say of each row how sure it is.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from edgecache.config import Vendor, VendorSettings, sites_of
from edgecache.control.dialects.buckets import Rate
from edgecache.control.dialects.call import Asked, Purge, Purged, Refusal, Refused, Reply
from edgecache.control.dialects.cloudflare.codes import CODE_OF, CloudflareRefusal, Code
from edgecache.control.dialects.cloudflare.limits import PLANS
from edgecache.control.dialects.cloudflare.reading import items_of, json_object, selector_of
from edgecache.control.dialects.dialect import DialectParts
from edgecache.control.dialects.operation import Operation
from edgecache.invalidation.reading import Item
from edgecache.invalidation.selectors import Kind, Selector

PER_PAGE = 20
SINCE = "2020-01-01T00:00:00Z"  # clients want a date there, and none of them looks at it


class Cloudflare:
    """One edge's answers to Cloudflare's clients."""

    vendor = Vendor.CLOUDFLARE
    prefixes: Sequence[str] = ("/client/v4/", "/v4/")

    def __init__(self, parts: DialectParts) -> None:
        self._parts = parts
        self.operations: Sequence[Operation] = tuple(self._operations())

    def _operations(self) -> Iterable[Operation]:
        for base in ("/client/v4", "/v4"):
            zone = f"{base}/zones/{{zone}}"
            for where in (zone, f"{zone}/environments/{{environment}}"):
                # Old clients send DELETE with the same content.
                yield Operation("purge_cache", ("POST", "DELETE"), f"{where}/purge_cache", self.purge, "Purge, hard.", purges=True)
                yield Operation("invalidate_cache", ("POST",), f"{where}/invalidate_cache", self.purge, "Make stale, soft.", purges=True)
            yield Operation("zones", ("GET",), f"{base}/zones", self.zones, "The zones, filtered by name, page by page.")
            yield Operation("zone", ("GET",), zone, self.zone, "One zone.")
            yield Operation("verify", ("GET",), f"{base}/user/tokens/verify", self.verify, "Is the token valid?")
            yield Operation(
                "analytics",
                ("GET",),
                f"{zone}/analytics/dashboard",
                self.analytics,
                "Requests and bytes of the whole edge since its start.",
            )

    # purging

    def purge(self, asked: Asked) -> Purge:
        """purge_cache and invalidate_cache, of a zone or an environment of it."""
        zone = self._zone(asked)
        self._warn(asked)
        if "environment" in asked.parameters:
            asked.warnings.append("edgecache knows no environments: this is about the whole zone")
        plan = PLANS[zone.plan]
        given = json_object(asked.content)
        member = selector_of(given, asked.warnings.append)
        items = items_of(member, given[member], plan.files, asked.warnings.append)
        _warn_of_strangers(zone, items, asked)
        if member == "files":
            give_back = self._take(asked, zone, "urls", plan.urls, len(items))
        else:
            give_back = self._take(asked, zone, "calls", plan.calls, 1)
        soft = asked.path.endswith("/invalidate_cache")
        return Purge(items, lambda purged: self._purged(zone, purged), soft=soft, site=zone.site, failed=give_back)

    def _purged(self, zone: VendorSettings, purged: Purged) -> Reply:
        return _success({"id": zone.id})

    def _take(self, asked: Asked, zone: VendorSettings, what: str, rate: Rate, n: int) -> Callable[[], None]:
        """Take from the zone's bucket; what comes back puts it there again. Raises Refusal when there is not enough in it."""
        bucket = self._parts.buckets.get((self.vendor, zone.id, what), rate, asked.now)
        wait = bucket.take(n, asked.now)
        if wait is not None:
            raise CloudflareRefusal(Code.RATE_LIMITED, why=Refused.RATE_LIMITED, retry_after_s=wait)
        return lambda: bucket.give_back(n, asked.now)  # the doors refuse what the dialect lets pass: hosts and URLs that are none

    # looking

    def zones(self, asked: Asked) -> Reply:
        """The zones that are configured; without any, one for the name that is asked for, or for each public host."""
        query = parse_qs(asked.query)
        name = query.get("name", [""])[0]
        rows = self._parts.ids.known or tuple(_made_up(one) for one in ([name] if name else self._public_hosts()))
        found = [row for row in rows if name in ("", row.name)]
        page, per_page = (_number(query, key, default) for key, default in (("page", 1), ("per_page", PER_PAGE)))
        shown = found[(page - 1) * per_page : page * per_page]
        info = {
            "page": page,
            "per_page": per_page,
            "count": len(shown),
            "total_count": len(found),
            "total_pages": math.ceil(len(found) / per_page),
        }
        return _success([_zone(row) for row in shown], result_info=info)

    def zone(self, asked: Asked) -> Reply:
        """One zone."""
        return _success(_zone(self._zone(asked)))

    def verify(self, asked: Asked) -> Reply:
        """Whether the token is valid: it has come this far. A key is none."""
        if "Authorization" not in asked.headers:
            raise CloudflareRefusal(Code.NO_AUTHORIZATION)
        said = {"code": 10000, "message": "This API Token is valid and active", "type": None}
        return _success({"id": _id("token"), "status": "active"}, messages=[said])

    def analytics(self, asked: Asked) -> Reply:
        """The dashboard of old, with what the edge has counted since its start."""
        self._zone(asked)
        counted = self._parts.records.stats()
        handled = counted["handled"]
        totals = {
            "requests": {
                "all": counted["requests"],
                "cached": handled["hit"] + handled["stale"],
                "uncached": counted["requests"] - handled["hit"] - handled["stale"],
                "http_status": counted["status"],
            },
            "bandwidth": {"all": counted["bytes_out"]},
        }
        reply = _success({"totals": totals, "timeseries": [totals]})
        hint = "Cloudflare has taken this call away (GraphQL Analytics is in its place); these are all the edge's figures since its start"
        reply.headers.append(("Edgecache-Hint", hint))
        return reply

    def _zone(self, asked: Asked) -> VendorSettings:
        row = self._parts.ids.get(asked.parameters["zone"])
        if row is None:
            raise CloudflareRefusal(Code.NO_ROUTE, why=Refused.NO_SUCH_ID)
        return row

    def _public_hosts(self) -> list[str]:
        return [urlsplit(site.public_url).hostname or "" for site in sites_of(self._parts.settings) if site.public_url]

    # who may

    def authenticate(self, asked: Asked) -> None:
        """A bearer token, email and key, or a service key; one of those that are given has to be right."""
        headers, credentials = asked.headers, self._parts.credentials
        authorization, key = headers.get("Authorization"), headers.get("X-Auth-Key")
        right = False
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise _invalid_headers(Code.INVALID_AUTHORIZATION_FORMAT)
            right |= credentials.has(token.strip())
        if key is not None:
            if not key.strip() or " " in key.strip():
                raise _invalid_headers(Code.INVALID_KEY_FORMAT)
            email = headers.get("X-Auth-Email", "")
            right |= bool(email) and credentials.has(key, email)
        right |= credentials.has(headers.get("X-Auth-User-Service-Key", ""))
        if not right:
            raise CloudflareRefusal(Code.NOT_AUTHENTICATED, why=Refused.NOT_AUTHENTICATED)

    def _warn(self, asked: Asked) -> None:
        """What the real API would not take."""
        if not {"authorization", "x-auth-key", "x-auth-user-service-key"} & {name.lower() for name in asked.headers}:
            asked.warnings.append("there are no credentials in this call; Cloudflare refuses it")
        if asked.path.startswith("/v4/"):
            asked.warnings.append("Cloudflare's API begins with /client/v4/, not /v4/")

    # answering

    def refused(self, refusal: Refusal, asked: Asked) -> Reply:
        """The envelope of an error."""
        if not isinstance(refusal, CloudflareRefusal):
            code = CODE_OF[refusal.why]
            detail = "" if refusal.why in (Refused.NO_SUCH_PATH, Refused.RATE_LIMITED) else refusal.sentence
            refusal = CloudflareRefusal(code, detail, why=refusal.why, retry_after_s=refusal.retry_after_s)
        error: dict[str, Any] = {"code": refusal.code.number, "message": refusal.sentence.replace("{path}", asked.path[:200])}
        if refusal.chain:
            error["error_chain"] = [{"code": one.number, "message": one.message} for one in refusal.chain]
        headers = []
        if refusal.retry_after_s is not None and refusal.retry_after_s < math.inf:
            headers.append(("Retry-After", str(math.ceil(refusal.retry_after_s))))
        if refusal.allowed:
            headers.append(("Allow", ", ".join(refusal.allowed)))
        envelope = {"success": False, "errors": [error], "messages": [], "result": None}
        return Reply.json(envelope, refusal.code.status, headers)

    def forget(self) -> None:
        """Nothing is remembered here."""


def _success(result: Any, *, messages: Sequence[Any] = (), **more: Any) -> Reply:
    return Reply.json({"success": True, "errors": [], "messages": list(messages), "result": result, **more})


def _invalid_headers(inner: Code) -> CloudflareRefusal:
    return CloudflareRefusal(Code.INVALID_HEADERS, chain=[inner])


def _warn_of_strangers(zone: VendorSettings, items: Iterable[Item | Selector], asked: Asked) -> None:
    """Is something named that is no part of the zone's domain?"""
    named = [item for item in items if isinstance(item, Item) and item.kind in (Kind.URL, Kind.KEY, Kind.HOST, Kind.PREFIX)]
    for item in named if zone.name else ():
        text = item.value if "://" in item.value else f"//{item.value}"
        host = _host(text)
        if host and host != zone.name and not host.endswith(f".{zone.name}"):
            asked.warnings.append(f"{host} is outside of the zone {zone.name}: Cloudflare purges nothing there by this zone's id")
            return


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""  # the doors say what is wrong with it


def _zone(row: VendorSettings) -> dict[str, Any]:
    """A zone, as far as clients look at it."""
    return {
        "id": row.id,
        "name": row.name or row.id,
        "status": "active",
        "paused": False,
        "type": "full",
        "development_mode": 0,
        "name_servers": [],
        "account": {"id": _id("account"), "name": "edgecache"},
        "owner": {"id": _id("owner"), "type": "user"},
        "meta": {},
        **dict.fromkeys(("activated_on", "created_on", "modified_on"), SINCE),
        **dict.fromkeys(("original_dnshost", "original_name_servers", "original_registrar")),
        "plan": {"id": row.plan, "name": f"{row.plan.capitalize()} Website", "legacy_id": row.plan},
    }


def _made_up(name: str) -> VendorSettings:
    """While no zone is configured there is one for every name, always with the same id."""
    return VendorSettings(vendor=Vendor.CLOUDFLARE, id=_id(name), name=name)


def _id(text: str) -> str:
    """An id that looks like one of Cloudflare's."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    """A number of a page; the default for what is none."""
    text = query.get(name, [""])[0]
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else default
