"""What this edge calls things: under which key it holds what people call by a URL, and which site a host belongs to.

Whoever invalidates goes through the same rules as a request: public names, and query parameters that are left out or sorted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgecache.caching.key import cache_key
from edgecache.caching.profile import Profile
from edgecache.caching.rules import RuleSet, normalised_target
from edgecache.edge.sites import Sites
from edgecache.edge.target import Located
from edgecache.semantics.message import Fields
from edgecache.semantics.urls import Key


class Naming:
    """The names of one edge. `rules`: those of each site, by its name."""

    def __init__(self, places: Sites, rules: Mapping[str, RuleSet], profile: Profile) -> None:
        self._places = places
        self._rules = rules
        self._profile = profile

    def keyed(self, key: Key) -> Key:
        """The key under which the edge holds what people call by this URL, less what request fields add to it."""
        placed = self._places.place(Located(key.scheme, key.host, key.target))
        if placed is None:
            return key
        scheme, host, target = placed.located
        return Key(scheme, host, normalised_target(target, self._rules[placed.site.name].match(host, target)))

    def keyed_with(self, key: Key, fields: Fields) -> Key:
        """The key of a request for this URL with these fields."""
        placed = self._places.place(Located(key.scheme, key.host, key.target))
        if placed is None:
            return key
        scheme, host, target = placed.located
        return cache_key(scheme, host, target, fields, self._profile, self._rules[placed.site.name].match(host, target))

    def paths(self, target: bytes, site: str) -> Sequence[bytes]:
        """What this path and query of any host is in keys: by the rules of one site, or of each."""
        found = []
        for one in self._places.sites:
            if site in ("", one.name):
                host = one.public.host if one.public is not None else b""
                found.append(normalised_target(target, self._rules[one.name].match(host, target)))
        return list(dict.fromkeys(found)) or [target]

    def site_of(self, host: bytes) -> str:
        """The name of the site that a host of a key belongs to; "" when to none."""
        placed = self._places.place(Located(b"http", host, b"/"))
        return "" if placed is None else placed.site.name
