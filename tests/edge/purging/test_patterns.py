"""Expressions as purge plug-ins write them: when the tags in them are known exactly, and when not."""

from __future__ import annotations

import re

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from edgecache.edge.purging.patterns import (
    is_for_all,
    is_for_all_paths,
    pattern_of_tags,
    tags_of_either,
    tags_of_list,
    tags_of_pattern,
)


@pytest.mark.parametrize(
    "pattern, tags",
    [
        (r"(^|,)(tag\-1|a_b|x\.y)(,|$)", ["tag-1", "a_b", "x.y"]),  # FOSHttpCache
        ("(^|,)(t)(,|$)", ["t"]),
        ("(^|,)t(,|$)", ["t"]),
        ("((^|,)cat_p_1(,|$))", ["cat_p_1"]),  # Magento
        ("((^|,)cat_p_1(,|$))|((^|,)cat_p(,|$))|((^|,)cat_p_1(,|$))", ["cat_p_1", "cat_p"]),
        (r"(^|,)(node\:1|a\=b|c\#d|e\+f)(,|$)", ["node:1", "a=b", "c#d", "e+f"]),
        (r"(^|,)(a\|b|c\(d\)|e\\f)(,|$)", ["a|b", "c(d)", "e\\f"]),
        ("(^|,)(über|北京)(,|$)", ["über", "北京"]),
        (r"(^|,)(a.b)(,|$)", None),  # also finds a-b
        (r"(^|,)(a\d)(,|$)", None),
        (r"(^|,)(a\Eb)(,|$)", None),
        ("(^|,)(a|)(,|$)", None),  # finds what has no tag
        ("(^|,)()(,|$)", None),
        (r"(^|,)(a b)(,|$)", None),  # two tags where white space separates
        (r"(^|,)(a\,b)(,|$)", None),
        ("(^|,)(a*)(,|$)", None),
        ("(^|,)(a[bc])(,|$)", None),
        ("(^|,)(a(b|c))(,|$)", None),
        ("(^|,)(a)(,|$)|b", None),
        ("(^|,)(a)(,|$)(^|,)(b)(,|$)", None),
        ("(^|,)(a)", None),
        ("((^|,)a(,|$)", None),
        ("a", None),
        (".*", None),
        ("", None),
        ("(^|,)(a)(,|$)\n", None),
    ],
)
def test_tags_of_a_pattern(pattern: str, tags: list[str] | None) -> None:
    assert tags_of_pattern(pattern) == tags


TAG = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"], exclude_characters=","), min_size=1, max_size=6)
TAGS = st.lists(TAG, min_size=1, max_size=4)


def escaped(tag: str) -> str:
    """As PHP's preg_quote does it."""
    return re.sub(r"[.\\+*?\[^\]$(){}=!<>|:\-#/]", r"\\\g<0>", tag)


@given(TAGS, TAGS)
def test_a_pattern_of_tags_finds_what_has_one_of_them(wanted: list[str], there: list[str]) -> None:
    """Over a field without spaces the expression says what the tags that were read from it say."""
    for pattern in (
        f"(^|,)({'|'.join(map(escaped, wanted))})(,|$)",
        "|".join(f"((^|,){escaped(tag)}(,|$))" for tag in wanted),
    ):
        assert tags_of_pattern(pattern) == list(dict.fromkeys(wanted))
        assert (re2.search(pattern, ",".join(there)) is not None) == bool(set(wanted) & set(there))


@given(st.text("(^|,)$ab\\.-* ", max_size=40), TAGS)
def test_a_pattern_that_is_read_as_tags_finds_nothing_else(pattern: str, there: list[str]) -> None:
    wanted = tags_of_pattern(pattern)
    if wanted is not None:
        assert (re2.search(pattern, ",".join(there)) is not None) == bool(set(wanted) & set(there))


@given(TAGS, TAG)
def test_the_pattern_made_of_tags_finds_each_of_them_and_no_other(tags: list[str], other: str) -> None:
    pattern = pattern_of_tags(tags)
    for tag in (*tags, other, tags[0] + other, other + tags[0]):
        assert (re2.search(pattern, tag) is not None) == (tag in tags)


def test_a_long_pattern_is_read_in_linear_time() -> None:
    many = [f"tag\\-{number}" for number in range(5000)]
    assert len(tags_of_pattern(f"(^|,)({'|'.join(many)})(,|$)") or ()) == 5000
    for hostile in ("(^|,)(" + "a|" * 30_000, "((^|,)a(,|$))|" * 4000, "(^|,)(" + "\\-" * 30_000, "(^|,)(" + "(" * 60_000):
        assert tags_of_pattern(hostile) is None


@pytest.mark.parametrize(
    "text, tags",
    [
        ("a b", ["a", "b"]),
        ("a,b", ["a", "b"]),
        (" a ,\tb, ,a", ["a", "b"]),
        ("", []),
        (" , ", []),
    ],
)
def test_tags_of_a_list(text: str, tags: list[str]) -> None:
    assert tags_of_list(text) == tags


@pytest.mark.parametrize(
    "text, tags",
    [
        ("node:1 node_list", ["node:1", "node_list"]),
        ("node:1|node_list", ["node:1", "node_list"]),
        ("config:user.role.anonymous 4xx-response", ["config:user.role.anonymous", "4xx-response"]),  # dots are in names
        ("(^|\\s)node:1(\\s|$)", None),
        ("node:.*", None),
        ("^node", None),
        ("node:[12]", None),
    ],
)
def test_tags_of_a_list_or_an_expression(text: str, tags: list[str] | None) -> None:
    assert tags_of_either(text) == tags


@pytest.mark.parametrize(
    "pattern, everything, every_path",
    [
        (".*", True, True),
        ("", True, True),
        ("^.*$", True, True),
        ("/", False, True),
        ("/.*", False, True),
        ("^/", False, True),
        (".+", False, False),  # a value may be empty
        ("^/.", False, False),
        ("/a.*", False, False),
    ],
)
def test_what_restricts_nothing(pattern: str, everything: bool, every_path: bool) -> None:
    assert (is_for_all(pattern), is_for_all_paths(pattern)) == (everything, every_path)
