"""Selectors: which responses each covers, as the selector says it and as the log finds it, and what people see of them."""

import pytest
from invalidationkit import stored_at

from edgecache.caching.stored import Key
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.log import InvalidationLog
from edgecache.invalidation.packing import pack, unpack
from edgecache.invalidation.selectors import (
    AllSelector,
    GroupSelector,
    HostSelector,
    KeySelector,
    Kind,
    PathSelector,
    PrefixSelector,
    TagSelector,
    UrlSelector,
)

NEWS = {"tags": ("news", "front"), "groups": ("scripts",)}

# selector · what it covers · what it does not
COVERS = [
    (UrlSelector(b"h", b"/a"), ["http://h/a", "https://h/a"], ["http://h/a?", "http://h/A", "http://h:81/a", "http://h/a/", "http://g/a"]),
    (KeySelector(Key(b"http", b"h", b"/a")), ["http://h/a"], ["https://h/a", "http://h/a?q"]),
    (PathSelector(b"/a?b=1"), ["http://h/a?b=1", "https://g/a?b=1"], ["http://h/a", "http://h/a?b=12"]),
    (PathSelector(b"/a", wildcard=True), ["http://h/a", "http://h/abc?q", "http://g/a/b"], ["http://h/", "http://h/b/a"]),
    (PathSelector(b"/", wildcard=True), ["http://h/", "http://g/x?y"], []),
    (
        PrefixSelector(b"h", b"/a"),
        ["http://h/a", "http://h/a?q", "http://h/a/", "https://h/a/b/c"],
        ["http://h/ab", "http://g/a", "http://h/"],
    ),
    (
        PrefixSelector(b"", b"/a/b"),
        ["http://h/a/b", "http://g/a/b/c"],
        ["http://h/a", "http://h/a/bc", "http://h/x/a/b", "http://h/a?/a/b"],
    ),
    (PrefixSelector(b"h", b"/a/"), ["http://h/a/", "http://h/a/b"], ["http://h/a", "http://h/a?/"]),
    (PrefixSelector(b"h", b""), ["http://h/", "http://h/a"], ["http://g/"]),
    (PrefixSelector(b"h", b"/"), ["http://h/", "http://h/a", "http://h//a"], ["http://g/"]),
    (PrefixSelector(b"h", b"//a"), ["http://h//a", "http://h//a/b"], ["http://h/a", "http://h//", "http://h///a"]),
    (HostSelector(b"h"), ["http://h/", "https://h/a?b"], ["http://h:81/", "http://www.h/"]),
    (TagSelector("news"), ["http://h/a"], []),
    (TagSelector("new"), [], ["http://h/a"]),
    (GroupSelector(b"http", b"h", "scripts"), ["http://h/a"], ["https://h/a", "http://g/a"]),
    (GroupSelector(b"http", b"h", "Scripts"), [], ["http://h/a"]),
    (AllSelector(), ["http://h/", "https://g/a"], []),
]


@pytest.mark.parametrize("selector, covered, others", COVERS, ids=lambda value: value.value if hasattr(value, "value") else "")
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_what_a_selector_covers(selector, covered, others, soft):
    log = InvalidationLog(100)
    log.append([UrlSelector(b"elsewhere", b"/")], soft=False, now=1.0, cause=Cause.API)
    log.append([selector], soft=soft, now=2.0, cause=Cause.API)
    for url in (*covered, *others):
        stored = stored_at(1, url, **NEWS)
        assert selector.selects(stored, 2.0) is (url in covered), url
        expected = (SoftCovered(2, 2.0) if soft else HardCovered(2)) if url in covered else CLEAN
        assert log.judge(stored) == expected, url
        assert log.verdict(stored.key, 1, stored.groups, stored.tags) == expected, url
        assert log.judge(stored_at(2, url, **NEWS)) == CLEAN, url


@pytest.mark.parametrize("selector", [row[0] for row in COVERS], ids=lambda one: one.value)
def test_a_selector_for_one_site_covers_nothing_of_another(selector):
    scoped = unpack([pack(selector)[0], "shop", *pack(selector)[2:]])
    log = InvalidationLog(100, site_of=lambda host: "shop" if host == b"h" else "blog")
    log.append([scoped], soft=False, now=1.0, cause=Cause.API)
    for url in ("http://h/a", "http://h/a?b=1", "http://h/", "http://h//a", "http://h/a/b"):
        ours, theirs = stored_at(0, url, **NEWS), stored_at(0, url.replace("//h", "//g"), **NEWS)
        assert log.judge(ours) == (HardCovered(1) if selector.selects(ours, 0.0) else CLEAN)
        assert log.judge(theirs) == CLEAN


@pytest.mark.parametrize("selector", [row[0] for row in COVERS], ids=lambda one: one.value)
def test_a_selector_comes_back_from_the_log_file_as_it_was(selector):
    assert unpack(pack(selector)) == selector


@pytest.mark.parametrize(
    "host, target, shown",
    [
        (b"example.com", b"/", "http://example.com/"),
        (b"example.com:8080", b"/a?b=%20c", "http://example.com:8080/a?b=%20c"),
        (b"[::1]:8080", b"/a", "http://[::1]:8080/a"),
        (b"example.com", b"/caf\xc3\xa9?", "http://example.com/caf%C3%A9?"),
    ],
)
def test_url_selector_shows_its_url(host, target, shown):
    selector = UrlSelector(host, target)
    assert (selector.kind, selector.value) == (Kind.URL, shown)


def test_selectors_are_values():
    assert len({UrlSelector(b"h", b"/a"), UrlSelector(b"h", b"/a"), UrlSelector(b"h", b"/b"), AllSelector(), AllSelector()}) == 3


@pytest.mark.parametrize(
    "extra, shown_as",
    [
        (b"", "http://h/a"),
        (b"digest", "http://h/a"),
        (b"digest\ndpr: 2\nsave-data", "http://h/a (dpr: 2, save-data)"),
        (b"digest\nAuthorization: Basic s3cret", "http://h/a (Authorization:(not shown))"),
        (b"digest\ncookie: a=s3cret\ncookie plan=s3cret", "http://h/a (cookie:(not shown), cookie plan=(not shown))"),
        (b"digest\nauthorization\nauthorization-hint: x=y", "http://h/a (authorization, authorization-hint: x=y)"),
    ],
)
def test_a_key_is_shown_without_what_people_log_in_with(extra, shown_as):
    assert KeySelector(Key(b"http", b"h", b"/a", extra)).value == shown_as
