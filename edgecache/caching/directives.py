"""Which cache directives count: for a request its Cache-Control or Pragma, for a response a targeted field or Cache-Control."""

from __future__ import annotations

from typing import NamedTuple

from edgecache.caching.profile import Profile
from edgecache.caching.request import PresentedRequest
from edgecache.semantics.cache_control import CacheControl, parse_cache_control
from edgecache.semantics.message import Fields, combined, values
from edgecache.semantics.targeted import parse_targeted

NO_DIRECTIVES = CacheControl()
_NO_CACHE = CacheControl({b"no-cache": None})


class Directives(NamedTuple):
    """What a response says about caching. `targeted`: to this kind of cache, so that Expires does not count either (RFC 9213 2.2)."""

    cache_control: CacheControl
    targeted: bool


def response_directives(fields: Fields, profile: Profile) -> Directives:
    """The directives of a response with these fields: the first valid field of the profile's targets, else Cache-Control (RFC 9213 2.2)."""
    for name in profile.targeted_fields:
        targeted = parse_targeted(values(fields, name))
        if targeted is not None:
            return Directives(targeted, True)
    return Directives(parse_cache_control(values(fields, b"cache-control")), False)


def request_directives(request: PresentedRequest, profile: Profile) -> CacheControl:
    """The directives of a request, where the profile obeys them; Pragma: no-cache in the absence of any (RFC 9111 5.4)."""
    if not profile.obeys_request_directives:
        return NO_DIRECTIVES
    if request.cache_control:
        return request.cache_control
    pragma = combined(request.fields, b"pragma")
    return _NO_CACHE if pragma is not None and b"no-cache" in pragma.lower() else NO_DIRECTIVES
