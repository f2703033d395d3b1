"""Ban expressions: which texts are bans and what their normal form is, and where the others stop being one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.invalidation.bans import MAX_CHARACTERS, MAX_CONDITIONS, Ban, BanError, parse_ban, quoted
from edgecache.invalidation.bans.amounts import format_duration, format_size
from edgecache.invalidation.bans.fields import Field, Kind, Op, field_named


def ban(text: str, **how: bool) -> Ban:
    parsed = parse_ban(text, **how)
    assert isinstance(parsed, Ban), parsed
    assert parse_ban(parsed.text, **how) == parsed
    return parsed


def wrong(text: str) -> BanError:
    parsed = parse_ban(text)
    assert isinstance(parsed, BanError), parsed
    assert 1 <= parsed.column <= len(text) + 1
    assert parsed.message.startswith(f"column {parsed.column}: found ")
    assert f"expected {parsed.expected}" in parsed.message
    assert "\n" not in parsed.message
    return parsed


@pytest.mark.parametrize(
    "text, normal",
    [
        # Words, quotes and white space.
        ("req.url ~ ^/a", 'req.url ~ "^/a"'),
        ('req.url ~ "^/a"', 'req.url ~ "^/a"'),
        (" \treq.url\n~  ^/a ", 'req.url ~ "^/a"'),
        ('req.url == "a b"', 'req.url == "a b"'),
        ('req.url == ""', 'req.url == ""'),
        ('req.url "==" a', 'req.url == "a"'),
        ('req.url == "&&"', 'req.url == "&&"'),
        ('req.url == "a"&& obj.status == 200', 'req.url == "a" && obj.status == 200'),
        ("req.url == a#b'c;d", 'req.url == "a#b\'c;d"'),
        ("req.url == a\xa0b", 'req.url == "a\xa0b"'),  # not what C calls white space
        ("req.url == /日本", 'req.url == "/日本"'),
        # Escapes.
        (r'req.url == "a\"b\\c"', r'req.url == "a\"b\\c"'),
        (r"req.url == a\"b\\c", r'req.url == "a\"b\\c"'),
        (r"req.url == \x41\102", 'req.url == "AB"'),
        (r'req.url == "\t\n\r\x00\x7f"', r'req.url == "\x09\x0a\x0d\x00\x7f"'),
        (r'req.url == "\xe9\351"', 'req.url == "éé"'),
        (r"req.url ~ \\.png$", r'req.url ~ "\\.png$"'),
        (r'req.url ~ "\\.png$"', r'req.url ~ "\\.png$"'),
        (r"req.url ~ \.png$", r'req.url ~ "\\.png$"'),
        (r'req.url ~ "\.png$"', r'req.url ~ "\\.png$"'),
        (r"req.url ~ a\ b", r'req.url ~ "a\\ b"'),
        (r"req.url ~ \x2e", 'req.url ~ "."'),  # carried out before it is an expression, as for Varnish
        (r"obj.tags ~ (^|,)(tag\-1|a_b|x\.y)(,|$)", r'obj.tags ~ "(^|,)(tag\\-1|a_b|x\\.y)(,|$)"'),
        # Fields.
        ("req.method != GET", 'req.method != "GET"'),
        ("req.http.Accept-Language == de", 'req.http.accept-language == "de"'),
        ("obj.http.X_Y.z !~ a", 'obj.http.x_y.z !~ "a"'),
        ("req.http.host == WWW.Example.com.", 'req.http.host == "www.example.com"'),
        ("req.http.Host == bücher.example:8080", 'req.http.host == "xn--bcher-kva.example:8080"'),
        ('req.http.host == "no host"', 'req.http.host == "no host"'),
        ("req.http.host == a/b", 'req.http.host == "a/b"'),
        ("req.http.host == a#", 'req.http.host == "a#"'),
        ("req.http.host ~ ^WWW", 'req.http.host ~ "^WWW"'),
        ("obj.tags == Node-1", 'obj.tags == "node-1"'),
        ("obj.tags == É", 'obj.tags == "É"'),
        # Numbers.
        ("obj.status == 200", "obj.status == 200"),
        ('obj.status >= "099"', "obj.status >= 099"),
        ("obj.status ~ ^5", 'obj.status ~ "^5"'),
        ("obj.age > 60s", "obj.age > 1m"),
        ("obj.ttl <= -0.5s", "obj.ttl <= -500ms"),
        ("obj.size < 64KB", "obj.size < 64KiB"),
        # Several.
        ("req.url ~ a && req.url ~ b && obj.age > 1d", 'req.url ~ "a" && req.url ~ "b" && obj.age > 1d'),
        ('obj.http.content-type ~ "^image/" && req.url ~ "^/a"', 'obj.http.content-type ~ "^image/" && req.url ~ "^/a"'),
    ],
)
def test_bans_and_their_normal_form(text, normal):
    assert ban(text).text == normal


def test_a_profile_whose_tags_have_case():
    assert ban("obj.tags == Node-1", tags_ignore_case=False).text == 'obj.tags == "Node-1"'


def test_bans_are_the_same_when_their_normal_form_is():
    one, other = ban("obj.age > 60s && req.url ~ /a"), ban('obj.age  > 1m && req.url ~ "/a"')
    assert one == other
    assert len({one, other, ban("obj.age > 61s && req.url ~ /a")}) == 2
    assert one != one.text
    assert repr(one) == '<Ban obj.age > 1m && req.url ~ "/a">'


FIELDS = "a field: req.url, req.method, req.http.NAME, obj.http.NAME, obj.status, obj.age, obj.ttl, obj.size, obj.tags"
TEXT_OPS = "==, !=, ~ or !~"
NUMBER_OPS = "==, !=, <, <=, > or >="
REGEX = "a regular expression"
AND = "&& or the end"


@pytest.mark.parametrize(
    "text, column, expected, said",
    [
        # Something is missing.
        ("", 1, FIELDS, "found the end"),
        ("  ", 3, FIELDS, "found the end"),
        ("req.url", 8, TEXT_OPS, "found the end"),
        ("obj.age ", 9, NUMBER_OPS, "found the end"),
        ("req.url ~", 10, REGEX, "found the end"),
        ("req.url ==", 11, "a value", "found the end"),
        ("req.url ~ a &&", 15, FIELDS, "found the end"),
        ("req.url ~ a && req.url", 23, TEXT_OPS, "found the end"),
        ('req.url ~ "a', 13, "a closing double quote", "the one in column 11 is still open"),
        ('req.url ~ "a\\"', 15, "a closing double quote", "column 11"),
        ('req.url ~ "a\\', 14, "a closing double quote", "column 11"),
        # Something else is there.
        ("req.url ~ a b", 13, AND, "white space is in double quotes"),
        ('req.url ~ "a"b', 14, AND, "found 'b'"),
        ("req.url ~ a || req.url ~ b", 13, AND, "there is no or"),
        ("req.url ~ a or req.url ~ b", 13, AND, "there is no or"),
        ("req.url ~ a and req.url ~ b", 13, AND, "found 'and'"),
        ("req.url ~ a&& req.url ~ b", 15, AND, "found 'req.url'"),
        ("&& req.url ~ b", 1, FIELDS, "found '&&'"),
        ("req.url ~ && && req.url ~ b", 11, REGEX, '"&&", it is a value'),
        ("req.url == ||", 12, "a value", '"||", it is a value'),
        ("req.url == 'a'", 12, "a value", "quotes are double ones"),
        ('req.url == a"b', 13, "white space", 'inside a word a double quote is \\"'),
        ('req.url == {"a"}', 13, "white space", "found a double quote"),
        # Operators.
        ("req.url = /a", 9, TEXT_OPS, "== is probably meant"),
        ("req.url =~ /a", 9, TEXT_OPS, "~ is probably meant"),
        ("req.url < /a", 9, TEXT_OPS, "< compares numbers, which req.url is not"),
        ("obj.tags >= a", 10, TEXT_OPS, ">= compares numbers, which obj.tags is not"),
        ("obj.size ~ 1", 10, NUMBER_OPS, "~ is for text, which obj.size is not"),
        ("obj.age =~ 1", 9, NUMBER_OPS, "found '=~'"),
        ("req.url ~/a", 9, TEXT_OPS, "white space stands on both sides"),
        ("req.url ! ~ a", 9, TEXT_OPS, "!= is probably meant"),
        ("obj.status contains 4", 12, "==, !=, ~, !~, <, <=, > or >=", "found 'contains'"),
        # Fields.
        ("req.url~/a", 1, FIELDS, "white space stands on both sides"),
        ("req.xid == 1", 1, FIELDS, "req.* is the request that a response was stored for"),
        ("req.restarts == 1", 1, FIELDS, "req.* is the request that a response was stored for"),
        ("client.ip == 1", 1, FIELDS, "req.* is the request that a response was stored for"),
        ("req.host == a", 1, FIELDS, "nearest is req.http.host; req.*"),
        ("bereq.http.x == a", 1, FIELDS, "nearest is req.http.x; req.*"),
        ("beresp.status == 200", 1, FIELDS, "nearest is obj.status; obj.*"),
        ("beresp.http.X-Y ~ a", 1, FIELDS, "nearest is obj.http.x-y; obj.*"),
        ("resp.ttl > 1s", 1, FIELDS, "nearest is obj.ttl; obj.*"),
        ("obj.tag == a", 1, FIELDS, "nearest is obj.tags"),
        ("obj.grace > 1s", 1, FIELDS, "nearest is obj.ttl"),
        ("url ~ a", 1, FIELDS, "nearest is req.url"),
        ("host == a", 1, FIELDS, "nearest is req.http.host"),
        ("REQ.URL ~ a", 1, FIELDS, "fields are in lower case, as req.url"),
        ("Obj.Http.X ~ a", 1, FIELDS, "fields are in lower case, as obj.http.x"),
        ("xyzzy == 1", 1, FIELDS, "found 'xyzzy'"),
        ("req.http == a", 1, FIELDS, "as in req.http.host"),
        ("obj.http. == a", 1, FIELDS, "as in obj.http.content-type"),
        ("obj.http.ä == a", 1, FIELDS, "a name of a header field has"),
        ("req.url ~ a && obj.http.a:b ~ c", 16, FIELDS, "a name of a header field has"),
        # Values.
        ("obj.age > 10", 11, "a duration up to 1000y, a number with ms, s, m, h, d, w or y", "it lacks its unit, as in '10s'"),
        ("obj.ttl > 1h30m", 11, "a duration up to 1000y, a number with ms, s, m, h, d, w or y", "found '1h30m'"),
        ("obj.size > -1", 12, "a size up to 500TB, a number of bytes, or one with KB, MB, GB or TB, of 1024 each", "found '-1'"),
        ("obj.status == 20", 15, "a status code of three digits", "found '20'"),
        ("obj.status == 4xx", 15, "a status code of three digits", "obj.status ~ ^4"),
        ('obj.status == ""', 16, "a status code of three digits", "found ''"),
        (r'req.url == "a\.b"', 14, 'an escape: \\n, \\r, \\t, \\", \\\\, \\ooo or \\xhh', r"a backslash itself is \\"),
        (r"req.url == a\1", 13, 'an escape: \\n, \\r, \\t, \\", \\\\, \\ooo or \\xhh', r"a backslash itself is \\"),
        # Regular expressions: the column is the text's, whatever escapes stand before it.
        ("req.url ~ x(?=a)", 12, "a regular expression of RE2", "found a look-ahead"),
        ('req.url ~ "x(?=a)"', 13, "a regular expression of RE2", "found a look-ahead"),
        (r'req.url ~ "\\.\x41\"é(?!a)"', 22, "a regular expression of RE2", "found a negative look-ahead"),
        (r"req.url ~ (a)\1", 14, "a regular expression of RE2", "a back reference"),
        (r"req.url ~ (a)\\1", 14, "a regular expression of RE2", "a back reference"),
        ("obj.age > 1s && req.url ~ (a", 29, "a closing parenthesis", "found the end"),
        ('req.url ~ "[a" && req.url ~ b', 14, "a closing ]", "found the end"),
        ("req.url ~ a) && req.url ~ b", 12, "no closing parenthesis", "none is open"),
        ("req.url ~ *.png", 11, "something to repeat", "found '*'"),
        ("req.url ~ a\\", 13, "a character after the backslash", "found the end"),
        # Bounds.
        ("req.url ~ a" + "\ud800", 12, "a character", "half of a surrogate pair"),
        ("req.url ~ " + "a" * MAX_CHARACTERS, MAX_CHARACTERS + 1, f"at most {MAX_CHARACTERS}", "found 8202 characters"),
        (
            " && ".join(["req.url ~ a"] * (MAX_CONDITIONS + 1)),
            15 * MAX_CONDITIONS + 1,
            f"at most {MAX_CONDITIONS}",
            "found one more condition",
        ),
        ("req.url ~ " + r"\-" * (MAX_CHARACTERS // 2 - 5), 1, f"at most {MAX_CHARACTERS}", "in its normal form"),
    ],
)
def test_errors_and_their_columns(text, column, expected, said):
    found = wrong(text)
    assert (found.column, found.expected) == (column, expected)
    assert said in found.message


def test_the_largest_bans():
    ban("req.url ~ " + "a" * (MAX_CHARACTERS - len('req.url ~ ""')))
    ban(" && ".join(["req.url ~ a"] * MAX_CONDITIONS))
    ban('req.url ~ "' + "|".join(f"((^|,)cat_p_{number}(,|$))" for number in range(100_000, 100_320)) + '"')


def test_every_kind_of_field_is_reached_by_its_name():
    for kind in Kind:
        name = "x-y" if kind.takes_name else ""
        assert field_named(kind.value + name) == Field(kind, name)
        assert kind.value in FIELDS


# ---- From conditions to text and back ----

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
REGEXES = st.one_of(
    st.sampled_from(["", ".*", r"^/a/.*\.png$", r"(^|,)(tag\-1|a_b)(,|$)", "é+", "(?i)ä", '"', r"\\"]), st.text("ab/^$.|é", max_size=8)
)
FIELD_NAMES = st.text("abz019!#$%&'*+-.^_`|~", min_size=1, max_size=8)
AMOUNTS = {
    Kind.AGE: st.integers(-(10**15), 10**15).map(format_duration),
    Kind.TTL: st.integers(-(10**15), 10**15).map(format_duration),
    Kind.SIZE: st.integers(0, 500 * 2**40).map(format_size),
    Kind.STATUS: st.integers(0, 999).map("{:03d}".format),
}


@st.composite
def conditions(draw: st.DrawFn) -> tuple[str, str, str]:
    kind = draw(st.sampled_from(Kind))
    op = draw(st.sampled_from(kind.ops))
    name = draw(FIELD_NAMES) if kind.takes_name else ""
    value = draw(REGEXES if op.is_regex else AMOUNTS.get(kind, TEXTS.map(str.lower)))
    return kind.value + name, op.value, value


def spelled(draw: st.DrawFn, value: str) -> str:
    """One of the ways to write a value."""
    plain = value not in ("", "&&", "||") and not any(character in ' \t\n\v\f\r"\\' for character in value) and value[0] != "'"
    ways = [quoted(value), '"' + "".join(f"\\x{ord(one):02x}" if ord(one) < 256 else one for one in value) + '"']
    return draw(st.sampled_from([*ways, value] if plain else ways))


@given(st.data())
def test_a_ban_means_what_it_was_written_for(data):
    wanted = data.draw(st.lists(conditions(), min_size=1, max_size=4))
    # What hosts become has rows above.
    wanted = [one for one in wanted if one[0] != "req.http.host"] or [("req.url", "==", "/")]
    words = [word for field, op, value in wanted for word in (field, op, spelled(data.draw, value), "&&")][:-1]
    text = "".join(word + data.draw(st.sampled_from([" ", "  ", "\t", "\n "])) for word in words)
    parsed = ban(text)
    number = {kind.value for kind in AMOUNTS}
    assert parsed.text == " && ".join(
        f"{field} {op} {value if field in number and not Op(op).is_regex else quoted(value)}" for field, op, value in wanted
    )
    assert parsed.moves_with_time == any(field in ("obj.age", "obj.ttl") for field, _, _ in wanted)
    assert parsed.needs_response == any(field not in ("req.url", "req.method") for field, _, _ in wanted)


@given(TEXTS)
def test_quoted_stands_for_exactly_its_value(value):
    assert ban(f"req.url == {quoted(value)}").text == f"req.url == {quoted(value)}"
    assert quoted(value).isprintable() or not value.isprintable()


WORDS = [
    "req.url",
    "obj.age",
    "obj.http.",
    "x",
    "==",
    "~",
    "!~",
    "<",
    "&&",
    "||",
    '"',
    "\\",
    "\\x",
    "(",
    "[",
    "*",
    "1s",
    "10",
    "é",
    " ",
    " ",
]


@settings(max_examples=500)
@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from(WORDS), max_size=15).map("".join), st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)
    )
)
def test_garbage_is_an_error_or_a_ban_and_never_raises(text):
    parsed = parse_ban(text)
    if isinstance(parsed, BanError):
        wrong(text)
    else:
        ban(text)
