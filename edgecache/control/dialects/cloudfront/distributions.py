"""Distributions and their configuration: what the settings say of them, and what update-distribution changed since the edge began.

A configuration is kept and shown as it was sent. Of all that is in it one thing has an effect here: CacheTagConfig.HeaderName says which
response field carries the tags that `#tag` means.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgecache.config import Settings, VendorSettings, parse_origin, parse_public_url, sites_of
from edgecache.control.dialects.cloudfront.batch import read_document
from edgecache.control.dialects.cloudfront.codes import CloudFrontRefusal, Code
from edgecache.control.dialects.cloudfront.xml import CLOUDFRONT, Node, node, quantified, read_xml, write_xml
from edgecache.control.dialects.ids import Ids
from edgecache.semantics.fields import is_token

CONFIG_BYTES = 256 * 1024
MOST_UPDATED = 100
HEADER_CHARACTERS = 256

_EFFECTLESS = "is kept and shown, and without effect here"
_NEEDED = ("CallerReference", "Origins", "DefaultCacheBehavior", "Comment", "Enabled")
# What a summary has of the configuration, in its order.
_SUMMARISED = (
    "Aliases",
    "Origins",
    "DefaultCacheBehavior",
    "CacheBehaviors",
    "CustomErrorResponses",
    "Comment",
    "PriceClass",
    "Enabled",
    "ViewerCertificate",
    "Restrictions",
    "WebACLId",
    "HttpVersion",
    "IsIPV6Enabled",
    "Staging",
)


@dataclass(frozen=True, slots=True)
class Distribution:
    """One distribution. `modified`: edge time of the last update, or when the edge began."""

    id: str
    site: str
    config: Node
    etag: str
    modified: float
    domain: str

    @property
    def tag_field(self) -> str:
        """The response field that alone carries the tags of `#tag`; "" when none is named."""
        return self.config.text_at("CacheTagConfig", "HeaderName").strip()

    @property
    def arn(self) -> str:
        """Its name in AWS."""
        return f"arn:aws:cloudfront::123456789012:distribution/{self.id}"


class Distributions:
    """The distributions of one edge."""

    def __init__(self, settings: Settings, ids: Ids, now: float) -> None:
        self._ids = ids
        self._settings = settings
        self._since = now
        self._updated: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    def get(self, id: str) -> Distribution | None:
        """The distribution of this id; None when there is none."""
        row = self._ids.get(id)
        if row is None:
            return None
        updated = self._updated.get(id)
        config, modified = (self._config(row), self._since) if updated is None else (read_xml(updated[0]), updated[1])
        return Distribution(id, row.site, config, _etag(config), modified, self._domain(row))

    def all(self) -> Sequence[Distribution]:
        """Those of the settings."""
        found = (self.get(row.id) for row in self._ids.known)
        return [one for one in found if one is not None]

    def update(self, current: Distribution, if_match: str, content: bytes, now: float, warnings: list[str]) -> Distribution:
        """The distribution with the configuration that the content is. Raises CloudFrontRefusal."""
        if not if_match:
            raise CloudFrontRefusal(Code.INVALID_IF_MATCH, "send the ETag of get-distribution-config in If-Match")
        if if_match.strip('"') != current.etag:
            raise CloudFrontRefusal(Code.PRECONDITION_FAILED, f"the ETag of the distribution is {current.etag}")
        if len(content) > CONFIG_BYTES:
            raise _invalid(f"the configuration has {len(content)} bytes; at most {CONFIG_BYTES} are kept here")
        config = read_document(content, "DistributionConfig")
        _check(config, current.config)
        warnings.extend(_without_effect(config, current.config))
        self._updated[current.id] = (write_xml(config, CLOUDFRONT), now)
        self._updated.move_to_end(current.id)
        if len(self._updated) > MOST_UPDATED:
            self._updated.popitem(last=False)
        updated = self.get(current.id)
        assert updated is not None
        return updated

    def clear(self) -> None:
        """Forget all updates."""
        self._updated.clear()

    def _config(self, row: VendorSettings) -> Node:
        """What the settings say of a distribution."""
        origin = next((parse_origin(one.origin) for one in sites_of(self._settings) if row.site in ("", one.name)), None)
        host = origin.host if origin is not None and origin.host else "localhost"
        port = origin.port if origin is not None and origin.port else 80
        https = origin is not None and origin.scheme == "https"
        ssl = quantified("OriginSslProtocols", [node("SslProtocol", "TLSv1.2")])
        custom = [
            node("HTTPPort", 80 if https else port),
            node("HTTPSPort", port if https else 443),
            node("OriginProtocolPolicy", "https-only" if https else "http-only"),
            ssl,
        ]
        shield = node("OriginShield", [node("Enabled", False)])
        one = node(
            "Origin",
            [
                node("Id", "origin"),
                node("DomainName", host),
                node("OriginPath"),
                quantified("CustomHeaders", []),
                node("CustomOriginConfig", custom),
                shield,
            ],
        )
        cached = quantified("CachedMethods", [node("Method", name) for name in ("GET", "HEAD")])
        methods = [node("Method", name) for name in ("GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE")]
        allowed = quantified("AllowedMethods", methods)
        allowed.children.append(cached)
        behaviour = [
            node("TargetOriginId", "origin"),
            quantified("TrustedSigners", [], node("Enabled", False)),
            quantified("TrustedKeyGroups", [], node("Enabled", False)),
            node("ViewerProtocolPolicy", "allow-all"),
            allowed,
            node("SmoothStreaming", False),
            node("Compress", False),
            quantified("LambdaFunctionAssociations", []),
            quantified("FunctionAssociations", []),
            node("FieldLevelEncryptionId"),
        ]
        certificate = [node("CloudFrontDefaultCertificate", True), node("MinimumProtocolVersion", "TLSv1")]
        restriction = node("GeoRestriction", [node("RestrictionType", "none"), node("Quantity", 0)])
        return node(
            "DistributionConfig",
            [
                node("CallerReference", row.id),
                quantified("Aliases", [node("CNAME", host) for host in row.hosts]),
                node("DefaultRootObject"),
                quantified("Origins", [one]),
                quantified("OriginGroups", []),
                node("DefaultCacheBehavior", behaviour),
                quantified("CacheBehaviors", []),
                quantified("CustomErrorResponses", []),
                node("Comment", row.name),
                node("PriceClass", "PriceClass_All"),
                node("Enabled", True),
                node("ViewerCertificate", certificate),
                node("Restrictions", [restriction]),
                node("WebACLId"),
                node("HttpVersion", "http1.1"),
                node("IsIPV6Enabled", False),
                node("ContinuousDeploymentPolicyId"),
                node("Staging", False),
            ],
        )

    def _domain(self, row: VendorSettings) -> str:
        """Where it is asked: the public name of its site, or this edge."""
        public = next((one.public_url for one in sites_of(self._settings) if one.public_url and row.site in ("", one.name)), "")
        return parse_public_url(public).host.decode() if public else self._settings.listen


def distribution(one: Distribution, in_progress: int, modified: str) -> Node:
    """A distribution as get-distribution shows it."""
    return node(
        "Distribution",
        [
            node("Id", one.id),
            node("ARN", one.arn),
            node("Status", "Deployed"),
            node("LastModifiedTime", modified),
            node("InProgressInvalidationBatches", in_progress),
            node("DomainName", one.domain),
            quantified("ActiveTrustedSigners", [], node("Enabled", False)),
            quantified("ActiveTrustedKeyGroups", [], node("Enabled", False)),
            one.config,
        ],
    )


def summary(one: Distribution, modified: str) -> Node:
    """A distribution as list-distributions shows it."""
    head = [
        node("Id", one.id),
        node("ARN", one.arn),
        node("ETag", one.etag),
        node("Status", "Deployed"),
        node("LastModifiedTime", modified),
        node("DomainName", one.domain),
    ]
    return node("DistributionSummary", [*head, *(one.config.child(name) or node(name) for name in _SUMMARISED)])


def _check(config: Node, current: Node) -> None:
    """May this configuration follow the current one? Raises CloudFrontRefusal."""
    lacking = next((name for name in _NEEDED if config.child(name) is None), None)
    if lacking is not None:
        raise _invalid(f"the configuration has no {lacking}; send all of what get-distribution-config returned, changed")
    if config.text_at("CallerReference") != current.text_at("CallerReference"):
        raise CloudFrontRefusal(Code.ILLEGAL_UPDATE, "the CallerReference of a distribution cannot be changed")
    tags = config.child("CacheTagConfig")
    name = config.text_at("CacheTagConfig", "HeaderName").strip()
    if tags is not None and (len(name) > HEADER_CHARACTERS or not is_token(name.encode())):
        raise _invalid(f"HeaderName {name[:80]!r} of CacheTagConfig is no name of a response field")
    for shield in _shields(config):
        enabled = shield.text_at("Enabled")
        if enabled not in ("true", "false"):
            raise _invalid(f"Enabled of OriginShield is {enabled[:80]!r}, neither true nor false")
        if enabled == "true" and not shield.text_at("OriginShieldRegion"):
            raise _invalid("an OriginShield that is enabled has an OriginShieldRegion")


def _without_effect(config: Node, current: Node) -> Iterator[str]:
    """Warnings about what was changed and changes nothing here."""
    if any(shield.text_at("Enabled") == "true" for shield in _shields(config)):
        yield f"OriginShield {_EFFECTLESS}: there is no cache between this edge and its origin"
    known = dict.fromkeys(one.name for one in (*current.children, *config.children))
    before, after = _without_shields(current), _without_shields(config)
    changed = [name for name in known if name != "CacheTagConfig" and before.child(name) != after.child(name)]
    if changed:
        yield f"{', '.join(changed)[:400]}: the change {_EFFECTLESS}; what edgecache does is in its settings file"


def _shields(config: Node) -> list[Node]:
    return [one for one in config.all() if one.name == "OriginShield"]


def _without_shields(one: Node) -> Node:
    return Node(one.name, one.text, [_without_shields(child) for child in one.children if child.name != "OriginShield"])


def _etag(config: Node) -> str:
    return "E" + hashlib.sha256(write_xml(config, CLOUDFRONT)).hexdigest()[:13].upper()


def _invalid(sentence: str) -> CloudFrontRefusal:
    return CloudFrontRefusal(Code.INVALID_ARGUMENT, sentence, message=sentence)
