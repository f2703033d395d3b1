"""The profiles that there are."""

from __future__ import annotations

from edgecache.caching.profile import Separators
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


def test_standard_reads_every_tag_field_in_one_way() -> None:
    rules = STANDARD.tags
    assert {separators for _, separators in rules.fields} == {Separators.EITHER}
    assert {name.decode() for name, _ in rules.fields} == {
        *("surrogate-key", "surrogate-keys", "cache-tag", "cache-tags", "purge-cache-tags", "xkey", "x-cache-tags", "x-magento-tags"),
        "edge-cache-tag",
    }
    assert (rules.ignores_case, rules.count, rules.size_bytes) == (True, 1000, 16 * 1024)
