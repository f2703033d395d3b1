"""What the machine draws: what an origin may say, what clients may ask, what may be invalidated.

What is usual comes first in each, so that a failure is shown with as little that is unusual as it needs.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.machine.messages import Fields
from tests.machine.world import Mode, Page, Terms, Written

Url = tuple[str, str]

URLS: tuple[Url, ...] = (("example.test", "/a"), ("example.test", "/ab?x=1"), ("other.test", "/a"))


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """`usual` in three of four cases."""
    return st.sampled_from((usual,) * 3 * len(others) + others)


def often(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """`usual` in half of the cases."""
    return st.sampled_from((usual,) * len(others) + others)


def field(name: str, *values: str) -> tuple[Fields, ...]:
    return tuple(((name, value),) for value in values)


def joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda found: ", ".join(one for one in found if one))


# What the origin may say. Times are such that they meet: lifetimes, windows and what goes by are made of the same few numbers.

lifetimes = st.sampled_from(
    ("max-age=10", "max-age=60", "max-age=60", "max-age=0", "s-maxage=10", "max-age=60, s-maxage=10", "max-age=oops", "", "")
)
windows = often(
    "", "stale-while-revalidate=10", "stale-while-revalidate=60", "stale-if-error=20", "stale-while-revalidate=5, stale-if-error=60"
)
flags = often(
    "",
    "must-revalidate",
    "must-revalidate",
    "proxy-revalidate",
    "no-cache",
    "no-cache",
    'no-cache="x-serial"',
    "private",
    'private="x-user"',
    "no-store",
    "no-store, must-understand",
    "public",
)
said = joined(lifetimes, windows, flags)
terms = st.builds(
    Terms,
    cache_control=said,
    cdn=mostly("", "max-age=5", "max-age=60, stale-while-revalidate=10", "no-store", "max-age=oops"),
    expires=mostly("", 10, 60, -10, "0"),
    age=mostly(0, 5, 100),
    skew=mostly(0, None, -20, 20),
    groups=often("", '"g"', '"g", "h"', '"h"'),
    tags=often("", "t", "t, u", "T v", "u"),
)
pages = st.builds(
    Page,
    status=mostly(200, 404, 301, 204, 410, 500, 503, 299),
    etag=st.sampled_from(("strong", "strong", "weak", "")),
    modified=st.sampled_from((None, 0, 100, 1000)),
    vary=often("", "Accept-Language", "Accept-Language", "Accept-Language, Cookie", "Accept-Encoding", "*"),
    personal=mostly(False, True),
    conditional=mostly(True, False),
    ranges=mostly(True, False),
    cookie=mostly(False, True),
    length=mostly(40, 0, 1),
    delay=mostly(0, 3, 12),
    chunked=mostly(False, True),
    names_a_field=mostly(False, True),
)
TROUBLES = {
    "": (Mode.UP, Terms()),
    "fails": (Mode.FAILING, Terms()),
    "fails for a minute": (Mode.FAILING, Terms("max-age=60")),
    "breaks off in the head": (Mode.BREAKS, Terms()),
    "breaks off in the content": (Mode.CUTS, Terms()),
    "refuses connections": (Mode.REFUSES, Terms()),
}
troubles = mostly(*TROUBLES)
writes = st.builds(
    Written,
    status=often(200, 204, 303, 404, 500),
    location=often("", "/ab?x=1", "http://other.test/a", "http://example.test/a"),
    content_location=often("/a", "", "/ab?x=1", "http://example.test/a"),
    terms=st.builds(Terms, cache_control=said, groups=often("", '"g"'), invalidates=often("", '"g"', '"h", "nobody"')),
    etag=st.booleans(),
)

# What clients may ask.

places = often(*URLS)
methods = mostly("GET", "HEAD")
languages = often((), *field("accept-language", "en", "EN", "de", "de,en", "de, en"))
cookies = mostly((), *field("cookie", "a=1", "a=2"))
encodings = mostly((), *field("accept-encoding", "gzip, br", "br,gzip;q=0.5", "gzip", "identity", "br;q=0, gzip"))
persons = mostly((), *field("authorization", "Basic one", "Basic two"))
wishes = (
    *field("cache-control", "max-age=0", "max-age=5", "max-age=20", "min-fresh=5", "min-fresh=100", "max-stale", "max-stale=5"),
    *field("cache-control", "max-stale=60", "max-stale, max-age=20", "no-cache", "no-store", "only-if-cached"),
    *field("cache-control", "only-if-cached, max-stale", "stale-if-error=60", "stale-if-error=5"),
    *field("pragma", "no-cache"),
)
several = ("0-1,5-6", "5-6,0-1", "0-4,3-8,20-22", "0-0,90-")
spans = field("range", *(f"bytes={value}" for value in ("0-9", "0-9", "0-4", "10-19", "20-", "2-9", "-5", "0-", "90-", *several)))
conditions = (
    "seen",
    "older",
    "weak",
    "several",
    "*",
    "other",
    "since",
    "since the day before",
    "both",
    "since Date",
    "if-match",
    "unmodified",
)
steps_s = st.sampled_from((1, 4, 5, 6, 9, 10, 11, 20, 50, 60, 100))
over_s = st.sampled_from((-9, -5, -1, 0, 1, 4, 5, 6, 9, 10, 11, 19, 20, 21, 59, 60, 61))

# What may be invalidated, as the model has it and as the API is asked for it.

selectors = st.sampled_from(
    (
        *(("url", *url) for url in URLS),
        ("all",),
        ("host", "example.test"),
        ("prefix", "example.test", "/ab"),
        ("prefix", "", "/a"),
        ("path", "/a"),
        ("path", "/ab*"),
        ("tag", "t"),
        ("tag", "u"),
        ("group", "example.test", "g"),
        ("status", "404"),
    )
)


def as_asked_for(what: tuple[str, ...]) -> dict[str, object]:
    match what:
        case ("all",):
            return {"all": True}
        case ("url", host, target):
            return {"url": f"http://{host}{target}"}
        case ("prefix", host, path):
            return {"prefix": host + path}
        case ("tag", tag):
            return {"tag": tag.upper()}
        case ("group", host, name):
            return {"group": {"origin": f"http://{host}", "name": name}}
        case ("status", status):
            return {"ban": f"obj.status == {status}"}
        case (kind, value):
            return {kind: value}
    raise AssertionError(what)
