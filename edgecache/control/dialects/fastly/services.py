"""What Fastly's clients look up besides purging: services, the token, and where its command line asks for OpenID Connect."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from edgecache.config import Settings, Vendor, VendorSettings, sites_of
from edgecache.control.dialects.call import Asked
from edgecache.control.dialects.ids import Ids

PER_PAGE = 20
CUSTOMER = "edgecache"


def services(ids: Ids, settings: Settings) -> Sequence[VendorSettings]:
    """The services that are configured; without any, one for each public host."""
    hosts = [urlsplit(site.public_url).hostname or "" for site in sites_of(settings) if site.public_url]
    return ids.known or [made_up(host) for host in hosts]


def service_by_name(name: str, ids: Ids) -> VendorSettings | None:
    """The service of this name; while none is configured there is one of every name."""
    if not ids.known:
        return made_up(name) if name else None
    return next((row for row in ids.known if row.name == name), None)


def made_up(name: str) -> VendorSettings:
    """A service of this name, always with the same id."""
    return VendorSettings(vendor=Vendor.FASTLY, id=hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=11).hexdigest(), name=name)


def page_of(rows: Sequence[VendorSettings], asked: Asked) -> Sequence[VendorSettings]:
    """Those that are asked for by page and per_page."""
    query = parse_qs(asked.query)
    page, per_page = _number(query, "page", 1), _number(query, "per_page", PER_PAGE)
    return rows[(page - 1) * per_page : page * per_page]


def listed(row: VendorSettings) -> dict[str, Any]:
    """A service in a list."""
    return {**_service(row), "version": 1}


def shown(row: VendorSettings) -> dict[str, Any]:
    """A service by itself."""
    return {**_service(row), "paused": False}


def detailed(row: VendorSettings) -> dict[str, Any]:
    """A service with the version that is active. Of what else a version has, edgecache knows nothing."""
    return {**shown(row), "active_version": _version(row), "version": _version(row)}


def token(now: float) -> dict[str, Any]:
    """The token that was used, as far as clients look: that it is there and may purge."""
    at = datetime.datetime.fromtimestamp(int(now), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"id": "edgecache", "name": "edgecache", "user_id": CUSTOMER, "services": [], "scope": "global", "last_used_at": at}


def openid_configuration(asked: Asked) -> dict[str, str]:
    """What Fastly's command line wants to see before every command. Nobody logs in here: there is nothing at these URLs."""
    base = f"{asked.scheme}://{asked.headers.get('Host', '')}/realms/fastly"
    return {
        "issuer": base,
        "authorization_endpoint": f"{base}/protocol/openid-connect/auth",
        "token_endpoint": f"{base}/protocol/openid-connect/token",
        "jwks_uri": f"{base}/protocol/openid-connect/certs",
    }


def _service(row: VendorSettings) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name or row.id,
        "type": "vcl",
        "comment": "",
        "customer_id": CUSTOMER,
        "created_at": None,
        "updated_at": None,
        "deleted_at": None,
        "versions": [_version(row)],
    }


def _version(row: VendorSettings) -> dict[str, Any]:
    return {"number": 1, "active": True, "locked": True, "service_id": row.id, "comment": ""}


def _number(query: Mapping[str, list[str]], name: str, default: int) -> int:
    """A number of the query; the default for what is none."""
    text = query.get(name, [""])[0]
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else default
