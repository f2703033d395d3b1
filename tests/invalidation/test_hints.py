"""Hints: what is stored that was probably meant, when nothing was matched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from invalidationkit import ListStore, stored_at

from edgecache.caching.stored import Key, StoredResponse
from edgecache.invalidation.hints import BUDGET_S, MOST_HINTS, REST, Hints
from edgecache.invalidation.selectors import HostSelector, KeySelector, PathSelector, PrefixSelector, Selector, TagSelector, UrlSelector


class Ticking:
    """Real time that goes on by `step_s` whenever it is asked."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.now, self.step_s, self.walks = 0.0, step_s, 0

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


def url(text: str) -> UrlSelector:
    host, _, rest = text.partition("/")
    return UrlSelector(host.encode(), b"/" + rest.encode())


def key(text: str, extra: bytes = b"") -> KeySelector:
    scheme, _, rest = text.partition("://")
    named = url(rest)
    return KeySelector(Key(scheme.encode(), named.host, named.target, extra))


async def about(selectors: list[Selector], stored: list[StoredResponse], ticking: Ticking | None = None) -> list[str]:
    store = ListStore(*stored)
    return await Hints(store.objects, lambda one: one.position >= 0, ticking or Ticking()).about(selectors)


@pytest.mark.parametrize(
    "selector, stored, said",
    [
        (url("h/a"), "http://h/a?q", "nothing is stored for http://h/a; stored is http://h/a?q (other query)"),
        (url("h/a?"), "http://h/a", "(other query)"),
        (url("h/a/"), "http://h/a", "(other slash at the end)"),
        (url("h/A"), "http://h/a", "(other upper and lower case)"),
        (url("h/A/"), "http://h/a", "(other spelling)"),
        (url("h/~a"), "http://h/%7ea", "(other percent-encoding)"),
        (url("h/caf%C3%A9"), "http://h/caf%c3%a9", "(other upper and lower case)"),
        (url("h/caf%C3%A9"), "http://h/café", "(other percent-encoding); it was asked for with bytes beyond ASCII as they are"),
        (url("h/A"), "http://h/a?q", "(other upper and lower case and query)"),
        (url("www.h/a"), "http://localhost:8080/a", "(other host); with --public-url http://www.h the edge keeps it under the host"),
        (url("www.h/a"), "http://localhost:8080/a?q", "(other host and query)"),
        (key("https://h/a"), "http://h/a", "nothing is stored for https://h/a; stored is http://h/a (other scheme)"),
        (key("http://h/a", b"\nx: 1"), "http://h/a", "(other fields in the key)"),
    ],
)
async def test_what_differs_in_a_detail(selector: Selector, stored: str, said: str) -> None:
    (hint,) = await about([selector], [stored_at(0, "http://h/other"), stored_at(0, stored)])
    assert said in hint


@pytest.mark.parametrize("selector", [url("h/a"), HostSelector(b"h"), TagSelector("t"), PathSelector(b"/a")])
async def test_nothing_is_stored(selector: Selector) -> None:
    assert await about([selector], []) == ["nothing at all is stored"]
    assert await about([selector], [stored_at(-1)]) == ["nothing at all is stored"]  # covered: it does not exist


@pytest.mark.parametrize(
    "selectors, stored, said",
    [
        ([url("h/a")], ["http://h/b"], []),
        ([url("www.h/a")], ["http://h/b"], ["nothing is stored under the host www.h; stored hosts: h (see --public-url http://www.h)"]),
        ([HostSelector(b"x")], ["http://h/", "http://g/"], ["nothing is stored under the host x; stored hosts: h, g"]),
        ([PrefixSelector(b"x", b"/a")], ["http://h/"], ["nothing is stored under the host x"]),
        ([PrefixSelector(b"", b"/a")], ["http://h/"], []),
        (
            [HostSelector(b"x")],
            [f"http://h{n}/" for n in range(5)],
            ["nothing is stored under the host x; stored hosts: h0, h1, h2, h3, h4 ("],
        ),
        (
            [HostSelector(b"x")],
            [f"http://h{n}/" for n in range(9)],
            ["nothing is stored under the host x; stored hosts: h0, h1, h2, h3, h4, and oth"],
        ),
        ([HostSelector(b"h8")], [f"http://h{n}/" for n in range(9)], []),
        ([TagSelector("t")], ["http://h/"], ["no stored response has a tag"]),
        ([PathSelector(b"/a")], ["http://h/"], []),
    ],
)
async def test_what_can_be_said_in_general(selectors: list[Selector], stored: list[str], said: list[str]) -> None:
    hints = await about(selectors, [stored_at(0, one) for one in stored])
    assert len(hints) == len(said)
    for hint, beginning in zip(hints, said, strict=True):
        assert hint.startswith(beginning)


@pytest.mark.parametrize("kind", [url("h/a"), key("http://h/a")])
async def test_what_is_stored_is_never_said_not_to_be(kind: UrlSelector | KeySelector) -> None:
    """A purge for another site matched nothing; and one matched nothing of what was stored since."""
    stored = [stored_at(0, "http://h/a")]
    assert await about([replace(kind, site="shop")], stored) == ["http://h/a is stored, and not for the site shop"]
    assert await about([kind], stored) == []


async def test_other_tags_are_no_reason_to_doubt_the_origin() -> None:
    assert await about([TagSelector("t")], [stored_at(0, tags=("u",))]) == []


async def test_hints_are_few() -> None:
    hints = await about([url("h/a")], [stored_at(0, f"http://h/a?{number}") for number in range(100)])
    assert len(hints) == MOST_HINTS


@pytest.mark.parametrize("selector", [url("x/a"), TagSelector("t"), HostSelector(b"x")])
async def test_who_has_not_seen_everything_denies_nothing(selector: Selector) -> None:
    """The first responses of a large store are covered, or of another host, or without tags; time is up before the others."""
    for first in (-1, 0):
        stored = [stored_at(first, f"http://h/{number}") for number in range(3)] + [stored_at(0, "http://x/b", tags=("u",))]
        assert await about([selector], stored, Ticking(BUDGET_S)) == []


async def test_a_script_that_purges_what_is_not_there_does_not_walk_the_store_each_time() -> None:
    walks = 0
    ticking = Ticking()

    async def objects() -> AsyncIterator[StoredResponse]:
        nonlocal walks
        walks += 1
        ticking.now += 0.01
        yield stored_at(0, "http://h/a?q")

    hints = Hints(objects, lambda one: True, ticking)
    for _ in range(1000):
        await hints.about([url("h/a")])
    assert walks == 1
    ticking.now += 0.011 * REST
    assert len(await hints.about([url("h/a")])) == 1
    assert walks == 2


HOST, PREFIX, TAG = HostSelector(b"h"), PrefixSelector(b"h", b"/a"), TagSelector("t")
STRANGER = "nothing is stored under the host h; stored hosts: other (see --public-url http://h)"
UNTAGGED = "no stored response has a tag: does the origin send a tag field, such as Surrogate-Key or Cache-Tag?"


@pytest.mark.parametrize(
    "selectors, stored, said",
    [
        ([HOST], ["http://h/x"], []),
        ([PREFIX], ["http://h/x"], []),  # whether anything is below /a, nobody looked
        ([HOST, PREFIX], ["http://other/x"], [STRANGER]),
        ([HOST, HostSelector(b"other")], ["http://other/x"], [STRANGER]),
        ([HOST], [f"http://{number}/" for number in range(9)], [STRANGER.replace("other (", "0, 1, 2, 3, 4, and others (")]),
        ([TAG], ["http://h/x"], [UNTAGGED]),
        ([TAG, PREFIX], ["http://other/x"], [STRANGER, UNTAGGED]),
        ([TAG], [], ["nothing at all is stored"]),
        ([url("h/a"), PathSelector(b"/a")], [], []),
    ],
)
async def test_hosts_and_tags_that_can_match_nothing(selectors: list[Selector], stored: list[str], said: list[str]) -> None:
    store = ListStore(*[stored_at(0, one) for one in stored], stored_at(-1, "http://h/gone", tags=("t",)))
    hints = Hints(store.objects, lambda one: False, Ticking())
    assert await hints.about_uncounted(selectors, lambda one: one.position >= 0) == said


async def test_a_walk_for_hosts_and_tags_ends_when_all_are_seen() -> None:
    store = ListStore(*[stored_at(0, f"http://h/{number}", tags=("u",)) for number in range(1000)])
    ticking = Ticking(BUDGET_S / 100)
    assert await Hints(store.objects, lambda one: True, ticking).about_uncounted([HOST, TAG], lambda one: True) == []
    assert ticking.now < BUDGET_S / 10
