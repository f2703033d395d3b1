"""Cache keys: what is one thing, and what is two."""

from __future__ import annotations

import pytest
from cachingkit import fields

from edgecache.caching.key import cache_key
from edgecache.caching.rules import Rule
from edgecache.caching.stored import Key
from edgecache.profiles.standard import STANDARD


def key(*lines: str, target: bytes = b"/a", rule: Rule | None = None) -> Key:
    return cache_key(b"http", b"h", target, fields(*lines), STANDARD, rule)


def test_scheme_host_and_target_tell_keys_apart() -> None:
    keys = {
        cache_key(scheme, host, target, [], STANDARD)
        for scheme in (b"http", b"https")
        for host in (b"a", b"a:8080")
        for target in (b"/", b"/?", b"/a", b"/A", b"//a", b"/a?b=1&c=2", b"/a?c=2&b=1", b"/%41", b"/\xff")
    }
    assert len(keys) == 2 * 2 * 9


@pytest.mark.parametrize("rule", [None, Rule("/a"), Rule("/a", ttl_s=5, force=True), Rule("/*", bypass=True)])
def test_a_rule_that_says_nothing_of_keys_leaves_them(rule: Rule | None) -> None:
    assert key("Cookie: a=1", rule=rule, target=b"/a?utm_x=1") == Key(b"http", b"h", b"/a?utm_x=1")


LANGUAGE = Rule("/a", key_headers=("accept-language",))
COOKIE = Rule("/a", key_cookies=("shop", "cart"))


@pytest.mark.parametrize(
    "rule, one, other, same",
    [
        (LANGUAGE, [], [], True),
        (LANGUAGE, ["A: 1"], ["A: 2"], True),
        (LANGUAGE, ["Accept-Language: en"], ["Accept-Language: en"], True),
        (LANGUAGE, ["Accept-Language: en"], ["Accept-Language: de"], False),
        (LANGUAGE, ["Accept-Language: en"], [], False),
        (LANGUAGE, ["Accept-Language:"], [], False),  # empty is not absent
        (COOKIE, ["Cookie: shop=1; other=2"], ["Cookie: other=3; shop=1"], True),
        (COOKIE, ["Cookie: shop=1"], ["Cookie: shop=2"], False),
        (COOKIE, ["Cookie: shop=1; cart=2"], ["Cookie: cart=2;shop=1"], True),
        (COOKIE, ["Cookie: shop=1"], ["Cookie: cart=1"], False),
        (COOKIE, ["Cookie: shop="], [], False),
        (COOKIE, ["Cookie: Shop=1"], [], True),
    ],
)
def test_fields_and_cookies_in_the_key(rule: Rule, one: list[str], other: list[str], same: bool) -> None:
    assert (key(*one, rule=rule) == key(*other, rule=rule)) is same


def test_what_a_rule_says_of_keys_is_part_of_them() -> None:
    said = [
        None,
        Rule("/a", ignore_query=("utm_*",)),
        Rule("/a", ignore_query=("utm_*", "fbclid")),
        Rule("/a", sort_query=True),
        Rule("/a", key_headers=("a",)),
        Rule("/a", key_cookies=("a",)),
    ]
    assert len({key(rule=rule) for rule in said}) == len(said)
    # while what it is called, and what else it says, may change and leave them warm
    assert key(rule=Rule("/a", sort_query=True)) == key(rule=Rule("/*", sort_query=True, ttl_s=9, force=True))


def test_the_target_in_the_key_lacks_what_is_ignored() -> None:
    rule = Rule("/a", ignore_query=("utm_*",), sort_query=True)
    assert key(target=b"/a?utm_x=1&c=2&b=1", rule=rule) == key(target=b"/a?b=1&c=2", rule=rule)
    assert key(target=b"/a?utm_x=1", rule=rule).target == b"/a"
