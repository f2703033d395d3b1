"""What each of Cloudflare's plans allows: items in a call, and calls and URLs per second, as token buckets of a zone."""

from __future__ import annotations

from typing import NamedTuple

from edgecache.control.dialects.buckets import Rate

TAG_CHARACTERS = 1024
PREFIX_SLASHES = 31
ITEMS = 100  # tags, hosts or prefixes in a call, on every plan


class Plan(NamedTuple):
    """The limits of one plan.

    files  URLs in one call. The documentation says 100 for all but Enterprise; users get 30, and clients send 30
    calls  calls by tags, hosts, prefixes or purge_everything; hard and soft ones share them
    urls   URLs per second, over all calls by files. What may come at once is not documented: as much as in a second
    """

    files: int
    calls: Rate
    urls: Rate


PLANS: dict[str, Plan] = {
    "free": Plan(30, Rate(25, 5 / 60), Rate(800, 800)),
    "pro": Plan(30, Rate(25, 5), Rate(1500, 1500)),
    "business": Plan(30, Rate(50, 10), Rate(1500, 1500)),
    "enterprise": Plan(500, Rate(500, 50), Rate(3000, 3000)),
}
