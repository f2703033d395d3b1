"""Selectors: values that tell each other apart, and what people see of them."""

import pytest

from edgecache.caching.stored import Key
from edgecache.invalidation.selectors import AllSelector, Kind, UrlSelector, url_index


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


def test_all_selector_is_one_value():
    assert AllSelector() == AllSelector()
    assert AllSelector().kind == "all"
    assert AllSelector().value == "everything"


@pytest.mark.parametrize(
    "key, covered",
    [
        (Key(b"http", b"h", b"/a"), True),
        (Key(b"https", b"h", b"/a"), True),
        (Key(b"http", b"h", b"/a?"), False),
        (Key(b"http", b"h", b"/A"), False),
        (Key(b"http", b"h:81", b"/a"), False),
        (Key(b"http", b"h/", b"a"), False),
    ],
)
def test_url_selector_covers_both_schemes_and_nothing_else(key, covered):
    assert (url_index(key) == UrlSelector(b"h", b"/a").index) is covered


def test_selectors_are_values():
    assert len({UrlSelector(b"h", b"/a"), UrlSelector(b"h", b"/a"), UrlSelector(b"h", b"/b"), AllSelector(), AllSelector()}) == 3
