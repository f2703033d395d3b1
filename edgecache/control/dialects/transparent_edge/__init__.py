"""Transparent Edge's API (api.transparentcdn.com)."""

from edgecache.control.dialects.transparent_edge.dialect import TransparentEdge

__all__ = ["TransparentEdge"]
