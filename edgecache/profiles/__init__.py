"""How the caches that edgecache stands for decide: one module of data each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edgecache.caching.profile import Profile
from edgecache.profiles.standard import STANDARD

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in (STANDARD,)})
