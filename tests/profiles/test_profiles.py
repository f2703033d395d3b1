"""The profiles that there are."""

from __future__ import annotations

from edgecache.profiles import PROFILES
from edgecache.profiles.standard import STANDARD


def test_profiles_are_found_by_their_name() -> None:
    assert PROFILES["standard"] is STANDARD
    assert all(profile.name == name for name, profile in PROFILES.items())


def test_standard_does_what_the_rfcs_say() -> None:
    assert STANDARD.obeys_request_directives
    assert STANDARD.set_cookie == "store"
    assert STANDARD.targeted_fields == (b"cdn-cache-control",)
    assert (STANDARD.heuristic_fraction, STANDARD.heuristic_cap_s) == (0.1, 86400.0)
    assert not STANDARD.sorts_languages
