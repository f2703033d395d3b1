"""The tables of a settings file that are about CDNs' purge APIs: what their ids stand for here, and who may call."""

from __future__ import annotations

import enum
from typing import Annotated, Any

import msgspec

from edgecache.config.table import Group, Kind, Setting, choice, rows_of


class Vendor(enum.StrEnum):
    """The CDNs whose purge APIs the control plane speaks; the value is what settings, journal and faults call them."""

    CLOUDFLARE = "cloudflare"
    FASTLY = "fastly"
    CLOUDFRONT = "cloudfront"
    AKAMAI = "akamai"
    TRANSPARENT_EDGE = "transparent_edge"


class VendorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One [[vendor]]: what an id of a vendor stands for. Texts as in Settings; an empty one means "not set"."""

    vendor: Annotated[str, choice(Group.SAFETY, "Whose id it is.", *Vendor)]
    id: Annotated[
        str,
        Setting(
            Group.SAFETY,
            Kind.ID,
            "The id as calls have it: of a zone (Cloudflare), a service (Fastly), a distribution (CloudFront), a CP code (Akamai) or a "
            "company (Transparent Edge).",
        ),
    ]
    site: Annotated[
        str,
        Setting(
            Group.NAMES, Kind.PSEUDONYM, "Name of the one site whose responses it invalidates; default is the one of origin. Empty: all."
        ),
    ] = ""
    name: Annotated[
        str, Setting(Group.SAFETY, Kind.ID, "What the vendor's lists call it: the domain of a zone, the name of a service.")
    ] = ""
    hosts: Annotated[
        tuple[str, ...],
        Setting(Group.SAFETY, Kind.AUTHORITIES, "Hosts that the vendor's lists show with it: the aliases of a distribution."),
    ] = ()
    plan: Annotated[
        str,
        choice(
            Group.SAFETY,
            "The plan whose limits a zone of Cloudflare has; others ignore it.",
            "free",
            "pro",
            "business",
            "enterprise",
        ),
    ] = "business"


class CredentialSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One [[credential]]: who may call a vendor's API. Its secrets are never shown."""

    vendor: Annotated[str, choice(Group.SAFETY, "Whose API it opens.", *Vendor)]
    id: Annotated[
        str,
        Setting(
            Group.SAFETY,
            Kind.ID,
            "What names it beside its secret: the email (Cloudflare; empty for a token or service key), the access key id (CloudFront), "
            "the client token (Akamai), the client id (Transparent Edge). Empty for Fastly.",
        ),
    ] = ""
    secret: Annotated[
        str,
        Setting(
            Group.SAFETY,
            Kind.SECRET,
            "The token or key itself: API token, service key or API key (Cloudflare), API token (Fastly), secret access key (CloudFront), "
            "client secret (Akamai, Transparent Edge).",
        ),
    ]
    access_token: Annotated[str, Setting(Group.SAFETY, Kind.SECRET, "The access token, for Akamai only.")] = ""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What may be shown. (msgspec brings both reprs; its own would show the secrets.)"""
        return [("vendor", self.vendor), ("id", self.id), ("secret", "***"), ("access_token", "***" if self.access_token else "")]

    def __repr__(self) -> str:
        return f"CredentialSettings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


VENDOR_SETTINGS = rows_of(VendorSettings)
CREDENTIAL_SETTINGS = rows_of(CredentialSettings)
