"""Which stored responses a ban is about: a table around one response, what is decided without one, and a naive model."""

from __future__ import annotations

import operator
import re

import pytest
from cachingkit import NOW, stored
from hypothesis import given
from hypothesis import strategies as st

from edgecache.caching.stored import Key, Part, StoredResponse
from edgecache.invalidation.bans import Ban, BanSubject, parse_ban, quoted
from edgecache.semantics.message import field

URL = Key(b"https", b"www.example.com:8443", b"/news/caf\xc3\xa9.html?x=1&y=%20")
LATIN_1 = Key(b"https", b"www.example.com:8443", b"/news/caf\xe9.html")


def page(key: Key = URL, length: int = 2048, **differently: object) -> BanSubject:
    """A response that was 10 s old when it arrived at NOW, and fresh until it is 60 s old."""
    lines = ("Date: {-10}", "Cache-Control: max-age=60", "Content-Type: text/html", "X-Two: one", "X-Two: two", "X-Empty:", "Vary: x")
    what: dict[str, object] = {
        "key": key,
        "vary": ((b"accept-language", b"de"), (b"x-absent", None)),
        "tags": ("news", "node-1", "größe", "\udce9t"),
        "length": length,
    }
    return stored(*lines, **{**what, **differently})


def ban(text: str, **how: bool) -> Ban:
    parsed = parse_ban(text, **how)
    assert isinstance(parsed, Ban), parsed
    return parsed


MATCHES = [
    # The URL: path and query, byte for byte.
    ("req.url ~ ^/news/", True),
    ("req.url ~ news", True),
    ("req.url ~ ^news", False),
    ("req.url !~ ^/a", True),
    ("req.url !~ ^/news", False),
    (r"req.url ~ \?x=1&y=%20$", True),
    ("req.url ~ https", False),
    ("req.url == /news/café.html?x=1&y=%20", True),
    ("req.url == /news/cafÃ©.html?x=1&y=%20", True),  # the same bytes, read as Latin-1
    ("req.url != /news/café.html?x=1&y=%20", False),
    ("req.url == /news/caf%C3%A9.html?x=1&y=%20", False),
    ("req.url ~ café", True),
    ("req.url ~ cafÃ©", True),
    ("req.url ~ caf..[.]html", True),
    ("req.url !~ café", False),
    ("req.url ~ Café", False),
    ("req.url ~ (?i)CAFÉ", True),
    # The rest of the request.
    ("req.method == GET", True),
    ("req.method ~ HEAD", False),
    ("req.http.host == www.example.com:8443", True),
    ("req.http.Host == WWW.Example.COM:8443", True),
    ("req.http.host == www.example.com", False),
    ("req.http.host != www.example.com", True),
    (r"req.http.host ~ ^WWW\.example\.com(:\d+)?$", True),
    ("req.http.host !~ example", False),
    ("req.http.Accept-Language == de", True),
    ("req.http.accept-language ~ ^d", True),
    ("req.http.accept-language != de", False),
    ("req.http.accept-language !~ fr", True),
    # The response.
    ("obj.http.content-type == text/html", True),
    ("obj.http.Content-Type ~ ^text/", True),
    ("obj.http.content-type ~ ^image/", False),
    ("obj.http.content-type !~ ^image/", True),
    ('obj.http.x-two == "one, two"', True),
    ("obj.http.x-two == one", False),
    ("obj.http.x-two ~ two$", True),
    ('obj.http.x-empty == ""', True),
    ("obj.http.x-empty ~ .*", True),
    ("obj.http.x-empty !~ .*", False),
    ("obj.status == 200", True),
    ("obj.status != 200", False),
    ("obj.status < 300", True),
    ("obj.status >= 201", False),
    ("obj.status ~ ^2", True),
    ("obj.status ~ ^0", False),
    ("obj.status !~ ^2", False),
    ("obj.size == 2048", True),
    ("obj.size == 2KB", True),
    ("obj.size > 2KB", False),
    ("obj.size <= 2KB", True),
    # Tags: one that is so, or none that is so.
    ("obj.tags == news", True),
    ("obj.tags == NEWS", True),
    ("obj.tags == new", False),
    ("obj.tags != news", False),
    ("obj.tags != new", True),
    ("obj.tags ~ ^node-", True),
    ("obj.tags ~ ^NODE-", True),
    ("obj.tags ~ (^|,)(a|node-1)(,|$)", True),
    ("obj.tags ~ news.node", False),
    ("obj.tags !~ ^node-", False),
    ("obj.tags !~ ^x", True),
    ("obj.tags == größe", True),
    ("obj.tags == GRößE", True),
    ("obj.tags ~ ^grö", True),
    ("obj.tags == grÃ¶Ã\x9fe", True),
    ("obj.tags == ét", True),
    ("obj.tags ~ ^ét$", True),
    # Five seconds after it arrived.
    ("obj.age == 15s", True),
    ("obj.age > 15s", False),
    ("obj.age >= 15s", True),
    ("obj.age > 14999ms", True),
    ("obj.ttl == 45s", True),
    ("obj.ttl < 0s", False),
    ("obj.ttl != 45s", False),
    # All conditions.
    ("req.url ~ ^/news/ && obj.status == 200", True),
    ("req.url ~ ^/news/ && obj.status == 404", False),
    ("obj.status == 200 && req.url ~ ^/a", False),
    ("obj.age > 10s && obj.age > 20s", False),
]


@pytest.mark.parametrize("text, expected", MATCHES)
def test_matches(text, expected):
    assert ban(text).matches(page(), NOW + 5) is expected


@pytest.mark.parametrize("name", ["obj.http.x-other", "req.http.x-absent", "req.http.cookie"])
@pytest.mark.parametrize(
    "rest, expected", [("== a", False), ("!= a", True), ("~ a", False), ("!~ a", False), ("~ .*", False), ('== ""', False)]
)
def test_what_is_absent(name, rest, expected):
    assert ban(f"{name} {rest}").matches(page(), NOW) is expected


@pytest.mark.parametrize("rest, expected", [("== a", False), ("!= a", True), ("~ a", False), ("!~ a", True)])
def test_tags_may_be_none_and_are_never_absent(rest, expected):
    assert ban(f"obj.tags {rest}").matches(page(tags=()), NOW) is expected


@pytest.mark.parametrize(
    "text, expected", [("obj.tags == News", True), ("obj.tags == news", False), ("obj.tags ~ ^N", True), ("obj.tags ~ ^n", False)]
)
def test_tags_whose_case_counts(text, expected):
    assert ban(text, tags_ignore_case=False).matches(page(tags=("News",)), NOW) is expected


@pytest.mark.parametrize("text, expected", [("req.url ~ café", True), ("req.url == /news/café.html", True), ("req.url ~ cafÃ©", False)])
def test_a_target_in_latin_1(text, expected):
    assert ban(text).matches(page(LATIN_1), NOW) is expected


@pytest.mark.parametrize(
    "text, at, expected",
    [
        # It was on its way when the ban came: as old as it was when it arrived.
        ("obj.age == 10s", NOW - 100, True),
        ("obj.ttl == 50s", NOW - 100, True),
        ("obj.age > 1h", NOW + 3600, True),
        ("obj.ttl == 0s", NOW + 50, True),
        ("obj.ttl < 0s", NOW + 51, True),
        ("obj.ttl >= -1s", NOW + 51, True),
    ],
)
def test_the_time_is_the_bans(text, at, expected):
    assert ban(text).matches(page(), at) is expected


def test_a_soft_purge_that_was_written_into_a_response_changes_nothing():
    assert ban("obj.ttl == 50s").matches(page(soft_since=NOW, soft_position=3), NOW)


@pytest.mark.parametrize("complete, expected", [(5000, True), (None, False)])
def test_the_size_is_that_of_the_whole_where_it_is_known(complete, expected):
    assert ban("obj.size > 4KB").matches(page(status=206, part=Part(0, 2047, complete)), NOW) is expected


@pytest.mark.parametrize(
    "text, without_a_response, needs, moves",
    [
        ("req.url ~ ^/news", True, False, False),
        ("req.url ~ ^/other", False, False, False),
        ("req.http.host ~ ^www && req.url ~ ^/news && req.method == GET", True, False, False),
        ("req.http.host ~ ^www && req.url ~ ^/other", False, False, False),
        ("req.method == POST", False, False, False),
        ("obj.status == 200", None, True, False),
        ("obj.age > 1s", None, True, True),
        ("obj.ttl > 1s", None, True, True),
        ("obj.tags == a", None, True, False),
        ("req.http.accept == a", None, True, False),
        ("req.url ~ ^/news && obj.status == 200", None, True, False),
        ("obj.status == 200 && req.url ~ ^/other", False, True, False),  # false and unknown is false
        ("req.http.host == a && obj.age > 1s", False, True, True),
    ],
)
def test_what_is_known_without_a_response(text, without_a_response, needs, moves):
    one = ban(text)
    assert one.matches_request(URL) is without_a_response
    assert (one.needs_response, one.moves_with_time) == (needs, moves)


# ---- A naive model ----

OPS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
VALUES = st.sampled_from(["", "a", "b", "ab", "/a"])


def model(condition: tuple[str, str, str], subject: StoredResponse, at: float) -> bool:
    """One condition, with Python's own regular expressions and in the plainest way."""
    name, op, value = condition
    age_s = subject.initial_age_s + max(0.0, at - subject.response_time)
    number = {
        "obj.status": subject.status,
        "obj.age": age_s,
        "obj.ttl": subject.lifetime_s - age_s,
        "obj.size": subject.complete_length,
    }.get(name)
    if number is not None and op in OPS:
        return OPS[op](number, int(value.removesuffix("s")))
    if name == "obj.tags":
        some = any(tag == value if "=" in op else re.search(value, tag) for tag in subject.tags)
        return bool(some) is not op.startswith("!")
    if name == "req.http.host":
        texts = [subject.key.host]
    elif name.startswith("req.http."):
        texts = [text for own, text in subject.vary if own == name[9:].encode() and text is not None]
    elif name.startswith("obj.http."):
        texts = [text for _, own, text in subject.fields if own == name[9:].encode()]
    else:
        texts = [{"req.url": subject.key.target, "req.method": b"GET", "obj.status": b"%d" % subject.status}[name]]
    if not texts:
        return op == "!="
    text = b", ".join(texts).decode()
    return {"==": text == value, "!=": text != value, "~": bool(re.search(value, text)), "!~": not re.search(value, text)}[op]


TEXT = st.tuples(
    st.sampled_from(["req.url", "req.method", "req.http.host", "req.http.x", "req.http.y", "obj.http.x", "obj.http.y", "obj.tags"]),
    st.sampled_from(["==", "!=", "~", "!~"]),
    VALUES,
)
NUMBERS = st.one_of(
    st.tuples(st.sampled_from(["obj.age", "obj.ttl"]), st.sampled_from([*OPS]), st.integers(-5, 5).map("{}s".format)),
    st.tuples(st.just("obj.size"), st.sampled_from([*OPS]), st.integers(0, 5).map(str)),
    st.tuples(st.just("obj.status"), st.sampled_from([*OPS]), st.sampled_from(["200", "404"])),
    st.tuples(st.just("obj.status"), st.sampled_from(["~", "!~"]), st.sampled_from(["^2", "4$"])),
)
NAMED = st.lists(st.tuples(st.sampled_from([b"x", b"y"]), st.sampled_from([b"", b"a", b"ab"])), max_size=3)
SUBJECTS = st.builds(
    lambda host, target, named, vary, tags, status, length, lifetime_s, initial_age_s: stored(
        key=Key(b"http", host, target),
        fields=[field(*one) for one in named],
        vary=tuple(sorted(vary.items())),
        tags=tuple(tags),
        status=status,
        length=length,
        lifetime_s=float(lifetime_s),
        initial_age_s=float(initial_age_s),
    ),
    st.sampled_from([b"a", b"b"]),
    st.sampled_from([b"/", b"/a", b"/ab"]),
    NAMED,
    st.dictionaries(st.sampled_from([b"x", b"y"]), st.sampled_from([None, b"", b"a", b"ab"])),
    st.lists(st.sampled_from(["a", "b", "ab"]), unique=True),
    st.sampled_from([200, 404]),
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 5),
)


@given(st.lists(st.one_of(TEXT, NUMBERS), min_size=1, max_size=3), SUBJECTS, st.integers(-3, 5))
def test_bans_against_a_model(wanted, subject, after):
    at = NOW + after
    one = ban(" && ".join(f"{name} {op} {quoted(value)}" for name, op, value in wanted))
    expected = all(model(condition, subject, at) for condition in wanted)
    assert one.matches(subject, at) is expected
    assert one.matches_request(subject.key) in (expected, None)
    if not one.needs_response:
        assert one.matches_request(subject.key) is expected
