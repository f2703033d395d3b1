"""Cloudflare's purge API (api.cloudflare.com/client/v4)."""

from edgecache.control.dialects.cloudflare.dialect import Cloudflare

__all__ = ["Cloudflare"]
