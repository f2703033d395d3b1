"""Fastly's purge API (api.fastly.com)."""

from edgecache.control.dialects.fastly.dialect import Fastly

__all__ = ["Fastly"]
