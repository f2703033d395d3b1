"""What requests with invalidation methods ask for: from the bytes of a head to what is to be invalidated, or to a sentence."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.caching.tags import normalised_tag
from edgecache.edge.purging.forms import FORMS, KNOWN_FIELDS, METHODS, Asked, is_purge, read_purge
from edgecache.edge.purging.readers import EXPRESSIONS
from edgecache.edge.purging.request import PurgeRules
from edgecache.http1.problem import Problem
from edgecache.invalidation.reading import BadItem, Item, KeyRules, Reader
from edgecache.invalidation.selectors import Kind
from edgecache.profiles import PROFILES
from edgecache.profiles.standard import TAG_FIELDS
from edgecache.semantics.message import RequestHead, field
from edgecache.semantics.urls import Key

STANDARD = PROFILES["standard"]


def keyed(key: Key) -> Key:
    """One site is known by a public name, and ignores the parameter t."""
    host = b"www.example.com" if key.host == b"localhost:8080" else key.host
    return key._replace(host=host, target=key.target.removesuffix(b"?t=1"))


RULES = PurgeRules(keyed, frozenset(TAG_FIELDS), b"/purge", most_items=20)
READER = Reader(KeyRules(keyed, lambda key, fields: key, lambda target, site: [target], lambda tag: normalised_tag(tag, STANDARD), ()))


def read(request: str, rules: PurgeRules = RULES) -> Asked | Problem:
    """A request written as `METHOD /target`, then fields, each on a line of its own. The host is h unless Host says otherwise."""
    line, *lines = [one.strip() for one in request.strip().splitlines()]
    method, _, target = line.encode("latin-1").partition(b" ")
    fields = [field(name, value.strip()) for name, _, value in (one.encode("latin-1").partition(b":") for one in lines)]
    host = next((value for _, name, value in fields if name == b"host"), b"h")
    return read_purge(RequestHead(method, target, 1, fields), Key(b"http", host, target), rules)


def said(asked: Asked | Problem) -> list[str]:
    """Each step as `hard kind value · kind value`; every item can be read."""
    assert isinstance(asked, Asked), asked
    found = []
    for step in asked.steps:
        selectors = [one for item in step.items for one in (READER.read(item, "") if isinstance(item, Item) else [item])]
        found.append(" · ".join([("soft" if step.soft else "hard"), *(f"{one.kind.value} {one.value}" for one in selectors)]))
    return found


PURGES = [
    ("PURGE /a?x=1", "hard · url http://h/a?x=1"),
    ("PURGE /a?", "hard · url http://h/a?"),  # python-varnish always writes the question mark
    ("PURGE //x/../y", "hard · url http://h//x/../y"),
    ("PURGE /\xfc", "hard · url http://h/%FC"),
    ("PURGE /a?t=1\nHost: localhost:8080", "hard · url http://www.example.com/a"),  # as a request for it is keyed
    ("PURGE /a\nX-Foo: bar", "hard · url http://h/a"),
    ("PURGE /a\nX-Purge-Method: default", "hard · url http://h/a"),
    ("PURGE /a.*\nX-Purge-Method: exact", "hard · url http://h/a.*"),
    ("PURGE /blog/.*\nX-Purge-Method: exact", "hard · url http://h/blog/.*"),
    # soft
    ("PURGE /a\nFastly-Soft-Purge: 1", "soft · url http://h/a"),
    ("PURGE /a\nFastly-Soft-Purge: 0", "soft · url http://h/a"),  # its presence counts
    ("PURGE /a\nFastly-Soft-Purge:", "soft · url http://h/a"),
    ("SOFTPURGE /a", "soft · url http://h/a"),
    ("SOFTPURGE /.*", "soft · host h"),
    ("SOFTPURGE /\nSurrogate-Key: a", "soft · tag a"),
    ("REFRESH /a?t=1\nHost: localhost:8080", "soft · url http://www.example.com/a"),
    # expressions for targets
    ("PURGE /.*", "hard · host h"),
    ("PURGE /.*\nX-Purge-Method: regex\nHost: localhost:8080", "hard · host www.example.com"),
    ("PURGE /\nX-Purge-Method: REGEX", "hard · host h"),
    ("PURGE /blog/.*", 'hard · ban req.http.host == "h" && req.url ~ "/blog/.*"'),
    ("PURGE /b\\.c$\nX-Purge-Method: regex", 'hard · ban req.http.host == "h" && req.url ~ "/b\\\\.c$"'),
    ('PURGE /"x"\nX-Purge-Method: regex', 'hard · ban req.http.host == "h" && req.url ~ "/\\"x\\""'),
    ("PURGE /\xc3\xbc\nX-Purge-Method: regex", 'hard · ban req.http.host == "h" && req.url ~ "/ü"'),
    ("PURGE /\xfc\nX-Purge-Method: regex", 'hard · ban req.http.host == "h" && req.url ~ "/ü"'),  # a ban looks for both
    ("PURGE /a.*\nX-Purge-Method: regex\nHost: localhost:8080", 'hard · ban req.http.host == "www.example.com" && req.url ~ "/a.*"'),
    # nginx
    ("GET /purge/a?x=1", "hard · url http://h/a?x=1"),
    ("PURGE /purge/a?x=1", "hard · url http://h/a?x=1"),
    ("PURGE /purge/", "hard · url http://h/"),
    ("PURGE /purge", "hard · url http://h/purge"),
    ("PURGE /purgeall", "hard · host h"),
    ("REFRESH /purge/a", "soft · url http://h/a"),
    # tags
    ("PURGE /\nSurrogate-Key: a b", "hard · tag a · tag b"),
    ("PURGE /\nCache-Tag: A,b, A", "hard · tag a · tag b"),  # case says nothing in this profile
    ("PURGE /\nxkey: a\nxkey: b\nSurrogate-Key: c", "hard · tag c · tag a · tag b"),
    ("PURGE /\nEdge-Cache-Tag: a", "hard · tag a"),
    ("PURGE /\nSurrogate-Key: \xc3\xbc", "hard · tag ü"),
    ("PURGE /\nX-Magento-Tags-Pattern: ((^|,)cat_p_1(,|$))|((^|,)cat_c(,|$))", "hard · tag cat_p_1 · tag cat_c"),
    ("PURGE /\nX-Magento-Tags-Pattern: .*\nX-Pool: default", "hard · all everything"),
    ("PURGE /\nX-Magento-Tags-Pattern: ((^|,)cat_.(,|$))", 'hard · ban obj.http.x-magento-tags ~ "((^|,)cat_.(,|$))"'),
    ("PURGE /\nClear-Cache: true", "hard · all everything"),
    ("PURGETAGS /\nX-Cache-Tags: t1,t2", "hard · tag t1 · tag t2"),
    ("PURGETAGS /\nSurrogate-Key: t1", "hard · tag t1"),
    ("PURGEKEYS /\nxkey-purge: t1 t2", "hard · tag t1 · tag t2"),
    ("PURGEKEYS /\nxkey-softpurge: t1, t2", "soft · tag t1 · tag t2"),
]

BANS = [
    ('BAN /\nX-Ban: req.url ~ "^/a" && obj.status == 200', 'hard · ban req.url ~ "^/a" && obj.status == 200'),
    ("BAN /\nBan-Expression: req.url ~ ^/a", 'hard · ban req.url ~ "^/a"'),
    ("BAN /\nX-Ban: req.url == /a\nX-Ban: req.url == /b", 'hard · ban req.url == "/a" · ban req.url == "/b"'),
    # FOSHttpCache
    (
        "BAN /\nX-Host: ^www\\.example\\.com$\nX-Url: ^/news/.*\nX-Content-Type: .*",
        'hard · ban req.http.host ~ "^www\\\\.example\\\\.com$" && req.url ~ "^/news/.*"',
    ),
    (
        "BAN /\nX-Host: ^(www.example.com|b.example.com)$\nX-Url: ^/img/.*\\.png$\nX-Content-Type: image/png",
        'hard · ban req.http.host ~ "^(www.example.com|b.example.com)$" && req.url ~ "^/img/.*\\\\.png$" '
        '&& obj.http.content-type ~ "image/png"',
    ),
    ("BAN /\nX-Host: .*\nX-Url: .*\nX-Content-Type: .*", "hard · all everything"),
    ("BAN /\nX-Url: /", "hard · all everything"),
    ("BAN /\nX-Url:", "hard · all everything"),
    ("BAN /\nX-Content-Type: text/html", 'hard · ban obj.http.content-type ~ "text/html"'),
    ("BAN /\nX-Host: .*\nX-Url: .*\nX-Content-Type: .*\nX-Cache-Tags: (^|,)(tag\\-1|x\\.y)(,|$)", "hard · tag tag-1 · tag x.y"),
    (
        "BAN /\nX-Host: ^a$\nX-Cache-Tags: (^|,)(tag\\-1|x\\.y)(,|$)",
        'hard · ban req.http.host ~ "^a$" && obj.tags ~ "^(?:tag-1|x[.]y)$"',
    ),
    ("BAN /\nX-Cache-Tags: post", 'hard · ban obj.http.x-cache-tags ~ "post"'),
    ("BAN /\nX-Cache-Tags: .*", 'hard · ban obj.http.x-cache-tags ~ ".*"'),
    # Drupal
    ("BAN /tags\nCache-Tags: node:1 node_list", "hard · tag node:1 · tag node_list"),
    ("BAN /\nCache-Tags: node:1|node:2", "hard · tag node:1 · tag node:2"),
    ("BAN /\nPurge-Cache-Tags: node:1", "hard · tag node:1"),
    ("BAN /\nCache-Tags: (^|\\s)node:1(\\s|$)", 'hard · ban obj.http.cache-tags ~ "(^|\\\\s)node:1(\\\\s|$)"'),
    ("BAN /\nX-Host: ^a$\nCache-Tags: node:1", 'hard · ban req.http.host ~ "^a$" && obj.tags ~ "^(?:node:1)$"'),
    (
        "BAN /\nX-Cache-Tags: (^|,)a(,|$)\nCache-Tags: b c",
        'hard · ban obj.tags ~ "^(?:a)$" && obj.tags ~ "^(?:b|c)$"',
    ),
]


@pytest.mark.parametrize("request_, expected", PURGES + BANS)
def test_what_is_asked(request_: str, expected: str) -> None:
    assert said(read(request_)) == [expected]


def test_keys_to_purge_and_keys_to_make_stale_are_two_steps() -> None:
    """As in the VCL that FOSHttpCache's documentation has. What is in both is purged first, and hard beats soft."""
    asked = read("PURGEKEYS /\nxkey-softpurge: b c\nxkey-purge: a b")
    assert said(asked) == ["hard · tag a · tag b", "soft · tag b · tag c"]


REFUSED = [
    # says nothing
    ("BAN /a", 400, "BAN says by its fields what it is about: a ban expression in X-Ban or Ban-Expression, or any of X-Host, X-Url"),
    ("PURGEKEYS /", 400, "PURGEKEYS says by its fields what it is about: xkey-purge or xkey-softpurge"),
    ("PURGETAGS /", 400, "PURGETAGS says by its fields what it is about: tags in a tag field, such as X-Cache-Tags"),
    ("PURGE /\nSurrogate-Key:", 400, "Surrogate-Key is empty"),
    ("PURGE /\nxkey: ,\nCache-Tag: ", 400, "Cache-Tag, xkey is empty"),
    ("PURGEKEYS /\nxkey-purge: a\nxkey-softpurge:", 400, "xkey-softpurge is empty"),
    ("PURGETAGS /\nX-Cache-Tags: ,", 400, "X-Cache-Tags is empty"),
    ("BAN /\nCache-Tags: |", 400, "Cache-Tags is empty"),
    ("BAN /\nX-Cache-Tags:", 400, "X-Cache-Tags is empty"),
    ("PURGE /\nX-Magento-Tags-Pattern:", 400, "X-Magento-Tags-Pattern is empty"),
    # says two things
    (
        "PURGE /\nSurrogate-Key: a\nClear-Cache: true",
        400,
        "PURGE has tags in a tag field, such as Surrogate-Key, Cache-Tag or xkey and also",
    ),
    ("PURGE /.*\nSurrogate-Key: a", 400, "PURGE has X-Purge-Method: regex or a path that ends in /.* and also tags in a tag field"),
    ("BAN /\nX-Ban: req.url == /a\nX-Url: /a", 400, "BAN has a ban expression in X-Ban or Ban-Expression and also any of X-Host"),
    ("BAN /\nX-Url: /a\nX-Url: /b", 400, "X-Url is given more than once"),
    ("PURGE /\nX-Magento-Tags-Pattern: .*\nX-Magento-Tags-Pattern: .*", 400, "X-Magento-Tags-Pattern is given more than once"),
    ("PURGE /\nClear-Cache: true\nClear-Cache: true", 400, "Clear-Cache is given more than once"),
    ("PURGE /a\nX-Purge-Method: regex\nX-Purge-Method: exact", 400, "X-Purge-Method is given more than once"),
    # says what is not understood
    ("PURGE /a\nX-Purge-Method: wildcard", 400, "X-Purge-Method is 'wildcard'; it is default, exact or regex"),
    ("PURGE /\nClear-Cache: yes", 400, "Clear-Cache is 'yes'; the one value that means something is true"),
    ("PURGE /\nSurrogate-Key: \xfc", 400, "Surrogate-Key has the byte 0xfc, which is no UTF-8"),
    ("BAN /\nX-Url: /\xfc", 400, "X-Url has the byte 0xfc, which is no UTF-8"),
    # belongs elsewhere
    ("PURGE /\nX-Ban: req.url == /a", 400, "X-Ban does not go with PURGE; it goes with BAN"),
    ("PURGE /\nxkey-purge: a", 400, "xkey-purge does not go with PURGE; it goes with PURGEKEYS"),
    ("PURGEKEYS /\nxkey: a", 400, "xkey does not go with PURGEKEYS; it goes with PURGE and SOFTPURGE and PURGETAGS"),
    ("BAN /\nX-Url: /a\nFastly-Soft-Purge: 1", 400, "Fastly-Soft-Purge does not go with BAN; it goes with PURGE"),
    ("REFRESH /a\nFastly-Soft-Purge: 1", 400, "Fastly-Soft-Purge does not go with REFRESH"),
    ("REFRESH /a\nSurrogate-Key: a", 400, "Surrogate-Key does not go with REFRESH"),
    ("GET /purge/a\nSurrogate-Key: a", 400, "Surrogate-Key does not go with GET"),
    # is too much
    ("PURGE /\nSurrogate-Key: " + " ".join(map(str, range(21))), 413, "21 items in one request are too many; 20 may be (api_items)"),
]


@pytest.mark.parametrize("request_, status, sentence", REFUSED)
def test_what_is_refused(request_: str, status: int, sentence: str) -> None:
    problem = read(request_)
    assert isinstance(problem, Problem), problem
    assert problem.status == status
    assert problem.detail.startswith(sentence)


@pytest.mark.parametrize(
    "request_, expected",
    [
        ("PURGE /purge/a", "hard · url http://h/purge/a"),
        ("PURGE /purgeall", "hard · url http://h/purgeall"),
        ("PURGE /purge/.*", 'hard · ban req.http.host == "h" && req.url ~ "/purge/.*"'),
    ],
)
def test_without_a_prefix_a_path_is_what_it_says(request_: str, expected: str) -> None:
    assert said(read(request_, PurgeRules(keyed, frozenset(TAG_FIELDS)))) == [expected]


def test_a_tag_field_that_the_profile_does_not_read_is_searched() -> None:
    rules = PurgeRules(keyed, frozenset({b"surrogate-key"}))
    assert said(read("BAN /\nX-Cache-Tags: (^|,)(a)(,|$)", rules)) == ['hard · ban obj.http.x-cache-tags ~ "(^|,)(a)(,|$)"']
    pattern = "X-Magento-Tags-Pattern: ((^|,)a(,|$))"
    assert said(read(f"PURGE /\n{pattern}", rules)) == ['hard · ban obj.http.x-magento-tags ~ "((^|,)a(,|$))"']


@pytest.mark.parametrize(
    "method, target, prefix, expected",
    [
        *((method, b"/a", b"", True) for method in sorted(METHODS)),
        (b"GET", b"/purge/a", b"/purge", True),
        (b"GET", b"/purge/", b"/purge", True),
        (b"GET", b"/purge/a", b"", False),
        (b"GET", b"/purge", b"/purge", False),
        (b"GET", b"/purgeall", b"/purge", False),
        (b"GET", b"/purgery/a", b"/purge", False),
        (b"GET", b"/a/purge/a", b"/purge", False),
        (b"HEAD", b"/purge/a", b"/purge", False),
        (b"POST", b"/purge/a", b"/purge", False),
        (b"purge", b"/a", b"/purge", False),  # methods are case-sensitive
        (b"DELETE", b"/a", b"", False),
    ],
)
def test_which_requests_are_for_the_edge(method: bytes, target: bytes, prefix: bytes, expected: bool) -> None:
    assert is_purge(method, target, prefix) is expected


def test_the_table_is_whole() -> None:
    assert {b"PURGE", b"SOFTPURGE", b"BAN", b"PURGEKEYS", b"PURGETAGS", b"REFRESH"} == METHODS
    for form in FORMS:
        assert form.meaning.endswith(".")
        assert form.examples
        assert form.when or {other.when for other in FORMS if other.methods == form.methods and other is not form} != {""}
    assert {name for name in KNOWN_FIELDS if name != name.lower()} == set()


VALUES = st.one_of(
    st.sampled_from([b"true", b"regex", b".*", b"", b"(^|,)(a|b)(,|$)", b"a b", b"req.url ~ x", b'"', b"\\", b"("]),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12).map(lambda text: text.strip().encode()),
    st.binary(max_size=8).map(lambda raw: re.sub(rb"[\x00-\x1f\x7f]", b"", raw).strip()),
)
FIELDS = st.lists(st.tuples(st.sampled_from(sorted(KNOWN_FIELDS)), VALUES), max_size=4)
QUOTED = r'"(?:[^"\\]|\\.)*"'
TARGETS = st.sampled_from([b"/", b"/.*", b"/a?b", b"/purge/a", b"/purgeall", b"/(", b"/\xfc.*", b'/".*'])


@given(st.sampled_from([*sorted(METHODS), b"GET"]), TARGETS, FIELDS)
def test_whatever_is_sent_comes_to_selectors_or_to_a_sentence(method: bytes, target: bytes, fields: list[tuple[bytes, bytes]]) -> None:
    """And nothing that is put together of several fields can be more than each of them says: quotes do not get out of their value."""
    head = RequestHead(method, target, 1, [field(name, value) for name, value in fields])
    asked = read_purge(head, Key(b"http", b"h", target), RULES)
    if isinstance(asked, Problem):
        assert (asked.status in (400, 413), bool(asked.detail)) == (True, True)
        return
    assert method in asked.form.methods
    for step in asked.steps:
        assert step.items
        for item in step.items:
            if isinstance(item, Item):
                assert item.member
                with contextlib.suppress(BadItem):  # an expression that is none, or no tag
                    (selector,) = READER.read(item, "")
                    if item.kind is Kind.BAN and asked.form.fields != EXPRESSIONS:
                        outside = re.sub(QUOTED, "", selector.value)
                        assert outside.count("&&") == len(re.findall(QUOTED, selector.value)) - 1
