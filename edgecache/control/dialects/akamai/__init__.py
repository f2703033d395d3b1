"""Akamai's Fast Purge API (CCU v3)."""

from edgecache.control.dialects.akamai.dialect import Akamai

__all__ = ["Akamai"]
