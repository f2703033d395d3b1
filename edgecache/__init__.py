"""edgecache: a CDN edge on your own machine."""

__version__ = "0.1.0"
