"""Cache keys (RFC 9111 2): which requests ask for the same thing."""

from __future__ import annotations

from edgecache.caching.profile import Profile
from edgecache.caching.stored import Key


def cache_key(scheme: bytes, host: bytes, target: bytes, profile: Profile) -> Key:
    """Under which key is a request for this URL looked up and its answer stored?

    `host` as semantics.urls.normalise_authority gives it, `target` byte for byte. A profile may leave out parts of
    the URL or add fields, which is why it is asked; `standard` does neither: RFC 9111 4 compares the target URI as it is.
    """
    return Key(scheme, host, target)
