"""Cache keys: what is one thing, and what is two."""

from __future__ import annotations

from edgecache.caching.key import cache_key
from edgecache.profiles.standard import STANDARD


def test_scheme_host_and_target_tell_keys_apart() -> None:
    keys = {
        cache_key(scheme, host, target, STANDARD)
        for scheme in (b"http", b"https")
        for host in (b"a", b"a:8080")
        for target in (b"/", b"/?", b"/a", b"/A", b"//a", b"/a?b=1&c=2", b"/a?c=2&b=1", b"/%41", b"/\xff")
    }
    assert len(keys) == 2 * 2 * 9
