"""Counting for several selectors at once says the same as asking each of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from invalidationkit import stored_at

from edgecache.invalidation.selectors import AllSelector, HostSelector, KeySelector, PathSelector, Selector, TagSelector, UrlSelector
from edgecache.invalidation.tally import Tally
from edgecache.semantics.urls import Key

SELECTORS: list[Selector] = [
    *(UrlSelector(host, target) for host in (b"a", b"b") for target in (b"/", b"/x")),
    KeySelector(Key(b"http", b"a", b"/x")),
    HostSelector(b"a"),
    PathSelector(b"/x"),
    TagSelector("t"),
    AllSelector(),
]
RESPONSES = st.builds(
    lambda url, tags: stored_at(0, url, tags=tags),
    st.sampled_from(["http://a/", "https://a/", "http://a/x", "https://a/x", "http://b/x", "http://c/"]),
    st.sampled_from([(), ("t",)]),
)


@given(st.lists(st.sampled_from(SELECTORS), unique=True), st.lists(RESPONSES), st.booleans())
def test_each_is_what_a_selector_says_by_itself(selectors, responses, https_counts):
    tally = Tally(selectors, lambda one, stored: one.selects(stored, 0.0))

    def counts(stored):
        return https_counts or stored.key.scheme == b"http"

    counted = [tally.count(stored, counts) for stored in responses]
    for stored, was in zip(responses, counted, strict=True):
        assert was == (counts(stored) and any(one.selects(stored, 0.0) for one in selectors))
    assert tally.each == tuple(sum(counts(stored) and one.selects(stored, 0.0) for stored in responses) for one in selectors)
