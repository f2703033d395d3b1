"""Which dialects there are: one line for each vendor."""

from __future__ import annotations

from collections.abc import Mapping

from edgecache.config import Vendor
from edgecache.control.dialects.akamai import Akamai
from edgecache.control.dialects.cloudflare import Cloudflare
from edgecache.control.dialects.cloudfront import CloudFront
from edgecache.control.dialects.dialect import MakeDialect
from edgecache.control.dialects.fastly import Fastly
from edgecache.control.dialects.transparent_edge import TransparentEdge

DIALECTS: Mapping[Vendor, MakeDialect] = {
    Vendor.CLOUDFLARE: Cloudflare,
    Vendor.CLOUDFRONT: CloudFront,
    Vendor.FASTLY: Fastly,
    Vendor.AKAMAI: Akamai,
    Vendor.TRANSPARENT_EDGE: TransparentEdge,
}
