"""Regular expressions in bans: bytes and characters, what RE2 refuses and where, its bounds, and that the short ways say what RE2 says."""

import pytest
import re2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgecache.invalidation.bans.regex import BadRegex, Regex, compile_regex


def found(pattern: str, text: bytes, **how: bool) -> bool:
    regex = compile_regex(pattern, **how)
    assert isinstance(regex, Regex), regex
    return regex.found_in(text)


@pytest.mark.parametrize(
    "pattern, text, expected",
    [
        # Unanchored, and case counts.
        ("b", b"abc", True),
        ("^b", b"abc", False),
        ("c$", b"abc", True),
        ("B", b"abc", False),
        ("(?i)B", b"abc", True),
        ("", b"", True),
        # $ is the end of all, also before a last line feed; ^ the beginning of all.
        ("a$", b"a\n", False),
        ("^b", b"a\nb", False),
        ("(?m)^b", b"a\nb", True),
        # What preg_quote and the like escape.
        (r"^tag\-1\#\ \/\:\=\!\<\>\_$", b"tag-1# /:=!<>_", True),
        # An expression in ASCII is about bytes, whether or not they are UTF-8.
        ("^/caf.$", b"/caf\xe9", True),
        ("^/caf.$", b"/caf\xc3\xa9", False),
        ("^/caf..$", b"/caf\xc3\xa9", True),
        (r"^/caf\xe9$", b"/caf\xe9", True),
        (r"^/caf\xc3\xa9$", b"/caf\xc3\xa9", True),
        ("^/[^/]*/$", b"/\xff\xfe/", True),
        # One with other characters is about both encodings.
        ("é$", b"/caf\xc3\xa9", True),
        ("é$", b"/caf\xe9", True),
        ("é", b"/caf%C3%A9", False),
        ("^[àé]+$", b"\xc3\xa9\xc3\xa0", True),
        ("^[àé]+$", b"\xe9\xe0", True),
        ("^.é$", b"\xe2\x82\xac\xc3\xa9", True),
        ("(?i)É", b"\xc3\xa9", True),
        ("日", b"\xe6\x97\xa5", True),
        ("^[^é]$", b"a", True),
        # Read as Latin-1 from what was UTF-8, it is right all the same.
        ("Ã©$", b"/caf\xc3\xa9", True),
        ("^/caf\xc3\xa9+$", b"/caf\xc3\xa9", True),
    ],
)
def test_found(pattern, text, expected):
    assert found(pattern, text) is expected


@pytest.mark.parametrize(
    "pattern, text, expected",
    [
        ("^WWW", b"www.example.com", True),
        ("Example", b"www.example.com", True),
        (r"\.COM$", b"www.example.com", True),
        ("^WWW.*COM$", b"www.example.com", True),
        (r"^W\D+$", b"www.example.com", True),
        ("^(?:WWW|ftp)", b"www.example.com", True),
        ("^É", b"\xc3\xa9", True),
    ],
)
def test_case_that_counts_for_nothing(pattern, text, expected):
    assert found(pattern, text, ignores_case=True) is expected


@pytest.mark.parametrize(
    "pattern, at, word",
    [
        ("a(?=b)", 1, "a look-ahead"),
        ("(?i)a(?!b)", 5, "a negative look-ahead"),
        ("(?<=b)", 0, "a look-behind"),
        ("é(?<!b)", 1, "a negative look-behind"),
        (r"(a)\1", 3, "a back reference"),
        (r"\1(?=a)", 0, "a back reference"),
        (r"(?P<n>a)(?P=n)", 8, "a back reference"),
        (r"\k<n>", 0, "a back reference"),
        (r"\g{1}", 0, "a back reference"),
        ("a(?>b)", 1, "an atomic group"),
        ("ab++", 2, "a possessive repetition"),
        ("a{2}+", 1, "a possessive repetition"),
        ("(?R)", 0, "a recursion"),
        ("(?1)", 0, "a recursion"),
        ("(?&n)", 0, "a recursion"),
        ("(a)?(?(1)b)", 4, "a conditional group"),
        ("(?|a)", 0, "a branch reset"),
        ("a(?#b)", 1, "a comment"),
        ("(?x)a", 0, "the flag x"),
        ("(?ix)a", 0, "the flag x"),
        (r"a\h", 1, "a class of spaces and tabs"),
        (r"a\Z", 1, "an end of text"),
        (r"a\x{20ac}", 1, "a number that is no byte's"),
        (r"a\K", 1, "an escape of PCRE"),
        (r"\Q(?=\E(?=a)", 7, "a look-ahead"),
        (r"[(?=](?=a)", 5, "a look-ahead"),
    ],
)
def test_what_pcre_knows_and_re2_does_not_is_named(pattern, at, word):
    bad = compile_regex(pattern)
    assert isinstance(bad, BadRegex)
    assert (bad.at, bad.found) == (at, word)
    assert "RE2" in bad.expected
    assert "RE2 does not know it" in bad.hint


@pytest.mark.parametrize(
    "pattern, at, expected",
    [
        ("(a", 2, "a closing parenthesis"),
        ("((a)", 4, "a closing parenthesis"),
        ("é(", 2, "a closing parenthesis"),
        ("a)b", 1, "no closing parenthesis"),
        ("(a))(", 3, "no closing parenthesis"),
        ("a[b", 3, "a closing ]"),
        ("[", 1, "a closing ]"),
        ("a\\", 2, "a character after the backslash"),
        ("*a", 0, "something to repeat"),
        ("ab|+", 3, "something to repeat"),
        ("(*UTF8)a", 1, "something to repeat"),
        ("ab**", 2, "one repetition, not two"),
        ("a{1001}", 1, "at most 1000 repetitions, the least first"),
        ("ab{3,2}", 2, "at most 1000 repetitions, the least first"),
        ("a[z-a]", 2, "a regular expression of RE2"),
        ("[[:foo:]]", 1, "a regular expression of RE2"),
        (r"a\y", 1, "a regular expression of RE2"),
        (r"\xg", 0, "a regular expression of RE2"),
        ("a(?P<n", 1, "a regular expression of RE2"),
        (r"\p{Foo}", 0, "a regular expression of RE2"),
        ("(" * 4000, 4000, "a closing parenthesis"),
        (r"((\pL\pN){20}){20}é", 0, "a smaller one"),
    ],
)
def test_what_is_no_regular_expression_at_all(pattern, at, expected):
    bad = compile_regex(pattern)
    assert isinstance(bad, BadRegex)
    assert (bad.at, bad.expected) == (at, expected)


def test_nothing_is_written_anywhere(capfd):
    """What RE2 refuses, what does not fit into its memory, and what outgrows its automaton on the way."""
    assert isinstance(compile_regex("("), BadRegex)
    assert isinstance(compile_regex(r"((\pL\pN){20}){20}é"), BadRegex)
    alternatives = "|".join(f"((^|,)cat_p_{number}(,|$))" for number in range(1000, 1366))
    assert found(alternatives, b"cat_p_5," * 200 + b"cat_p_1365")
    assert not found("(x.{0,40}y){3}z", b"xy" * 2000)
    assert capfd.readouterr() == ("", "")


def test_time_is_linear():
    assert not found("^(a+)+$", b"a" * 16_000 + b"b")
    assert not found("(a|aa)+$", b"a" * 16_000 + b"b")


PIECES = [
    *"abA/.",
    r"\.",
    r"\-",
    r"\\",
    r"\/",
    r"\d",
    r"\D",
    r"\Q",
    r"\E",
    r"\|",
    r"\[",
    *"^$|()[]*+?{}",
    "{2}",
    "[:",
    ":]",
    "[^/]",
    "(?i)",
    "(?:",
    ".*",
]


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(PIECES), max_size=8), st.text("abA/.-\\|[1\n", max_size=6), st.booleans())
@example(["^", "a", "|", "b"], "b", False)
@example(["^", "a", "(", "b", "|", "A", ")"], "aA", False)
@example(["^", "a", "b", "*"], "a", False)
@example(["^", "a", "[", "[:", ":]", "(", "]", "|", "b"], "b", False)
@example(["^", "a", r"\Q", "(", r"\E", "|", "b"], "b", True)
@example([r"\\", "a"], "\\a", False)
@example(["a", "$"], "a\n", False)
@example(["^", ".*", "$"], "\n", False)
def test_the_short_ways_say_the_same_as_re2(pieces, text, ignores_case):
    pattern = "".join(pieces)
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = not ignores_case
    raw = (text.lower() if ignores_case else text).encode()
    try:
        expected = re2.compile(pattern.encode(), options).search(raw) is not None
    except re2.error:
        assert isinstance(compile_regex(pattern), BadRegex)
    else:
        assert found(pattern, raw, ignores_case=ignores_case) is expected


@given(st.text(max_size=12), st.binary(max_size=12))
def test_any_text_is_an_expression_or_says_why_not(pattern, text):
    regex = compile_regex(pattern)
    if isinstance(regex, BadRegex):
        assert 0 <= regex.at <= len(pattern)
    else:
        assert regex.found_in(text) in (True, False)
