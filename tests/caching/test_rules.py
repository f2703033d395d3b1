"""Rules for some URLs: which one applies, and what it makes of a target."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.caching.rules import NO_RULES, Rule, RuleSet, cookies_named, normalised_target


@pytest.mark.parametrize(
    "pattern, host, target, matches",
    [
        ("/a", b"h", b"/a", True),
        ("/a", b"h", b"/ab", False),
        ("/a", b"h", b"/a?b=1", True),  # the query is not looked at
        ("/a", b"h", b"/A", False),
        ("/a*", b"h", b"/a", True),
        ("/a*", b"h", b"/a/b/c", True),
        ("/*.jpg", b"h", b"/a/b.jpg", True),
        ("/*.jpg", b"h", b"/a/b.jpg.html", False),
        ("/*.jpg", b"h", b"/a?b.jpg", False),
        ("/a/*/c", b"h", b"/a/b/c", True),
        ("/a/*/c", b"h", b"/a/c", False),
        ("/a/*b*/c", b"h", b"/a/xbx/c", True),
        ("/aa*aa", b"h", b"/aaa", False),  # pieces do not overlap
        ("*", b"h", b"/a", True),
        ("/", b"h", b"/", True),
        ("h/a", b"h", b"/a", True),
        ("h/a", b"other", b"/a", False),
        ("h", b"h", b"/anything", True),
        ("h/*", b"h:8080", b"/a", False),
        ("*.h/*", b"www.h", b"/a", True),
        ("*.h/*", b"h", b"/a", False),
        ("*/a", b"h", b"/a", True),
        ("/ä", b"h", "/ä".encode(), True),
    ],
)
def test_patterns(pattern: str, host: bytes, target: bytes, matches: bool) -> None:
    rule = Rule(pattern)
    assert RuleSet([rule]).match(host, target) is (rule if matches else None)


def test_the_first_that_matches_applies_alone() -> None:
    first, second, third = Rule("/a/b", ttl_s=1), Rule("/a/*", bypass=True), Rule("*", sort_query=True)
    rules = RuleSet([first, second, third])
    assert rules.match(b"h", b"/a/b") is first
    assert rules.match(b"h", b"/a/c") is second
    assert rules.match(b"h", b"/d") is third
    assert NO_RULES.match(b"h", b"/a") is None


@pytest.mark.parametrize(
    "ignored, sort, target, normalised",
    [
        (("utm_*",), False, "/a", "/a"),
        (("utm_*",), False, "/a?", "/a?"),
        (("utm_*",), False, "/a?b=1", "/a?b=1"),
        (("utm_*",), False, "/a?utm_source=x", "/a"),
        (("utm_*",), False, "/a?b=1&utm_source=x&c=2", "/a?b=1&c=2"),
        (("utm_*",), False, "/a?utm=1", "/a?utm=1"),
        (("utm_*",), False, "/a?UTM_source=1", "/a?UTM_source=1"),
        (("*",), False, "/a?b=1&c", "/a"),
        (("b",), False, "/a?b&b=1&b=2&c=3", "/a?c=3"),
        (("b",), False, "/a?x=b=1", "/a?x=b=1"),
        (("b",), False, "/a?b=1?b=2", "/a"),
        ((), True, "/a?c=1&b=2", "/a?b=2&c=1"),
        ((), True, "/a?b=2&a=1&b=1", "/a?a=1&b=2&b=1"),  # those of one name keep their order
        ((), True, "/a?b&a&&", "/a?&&a&b"),
        (("c",), True, "/a?c=1&b=2&a=3", "/a?a=3&b=2"),
        ((), False, "/a?c=1&b=2", "/a?c=1&b=2"),
    ],
)
def test_targets(ignored: tuple[str, ...], sort: bool, target: str, normalised: str) -> None:
    rule = Rule("*", ignore_query=ignored, sort_query=sort)
    assert normalised_target(target.encode(), rule) == normalised.encode()
    assert normalised_target(normalised.encode(), rule) == normalised.encode()
    assert normalised_target(target.encode(), None) == target.encode()


@given(st.binary(max_size=30), st.lists(st.sampled_from(["a", "b*", "*", ""]), max_size=2), st.booleans())
def test_any_target_is_normalised_once(query: bytes, ignored: list[str], sort: bool) -> None:
    rule = Rule("*", ignore_query=tuple(ignored), sort_query=sort)
    once = normalised_target(b"/a?" + query, rule)
    assert normalised_target(once, rule) == once


@pytest.mark.parametrize(
    "lines, found",
    [
        ([], {}),
        (["a=1"], {b"a": b"1"}),
        (["a=1; b=2; c=3"], {b"a": b"1", b"b": b"2"}),
        (["a=1", "b=2"], {b"a": b"1", b"b": b"2"}),
        (["a=1; a=2"], {b"a": b"1"}),
        (["a"], {}),
        (["a=x=y"], {b"a": b"x=y"}),
        (['a="1;2"'], {b"a": b'"1'}),  # a cookie's value has no semicolon, quoted or not (RFC 6265 4.1.1)
    ],
)
def test_cookies(lines: list[str], found: dict[bytes, bytes]) -> None:
    assert cookies_named([line.encode() for line in lines], ("a", "b")) == found


@pytest.mark.parametrize(
    "rule, problem",
    [
        (Rule("/a"), None),
        (Rule("h/a", ttl_s=0, force=True), None),
        (Rule("/a", force=True), "force"),
        (Rule("/a", ttl_s=-1), "ttl"),
        (Rule(""), "pattern"),
        (Rule("/a?b"), "query"),
        (Rule("http://h/a"), "scheme"),
        (Rule("H/a"), "lower case"),
        (Rule("/a", bypass=True, ttl_s=5), "bypass"),
        (Rule("/a", key_headers=("a b",)), "key_headers"),
        (Rule("/a", key_headers=("Accept",)), "key_headers"),
        (Rule("/a", key_cookies=("a=b",)), "key_cookies"),
        (Rule("/a", ignore_query=("",)), "ignore_query"),
    ],
)
def test_what_is_wrong_with_a_rule(rule: Rule, problem: str | None) -> None:
    said = rule.problem()
    if problem is None:
        assert said is None
    else:
        assert said is not None
        assert problem in said
