"""What people ask to be invalidated: into which selectors it is read, and what is said about what is none."""

from __future__ import annotations

import pytest
from invalidationkit import reader, stored_at

from edgecache.caching.rules import Rule, normalised_target
from edgecache.caching.tags import normalised_tag, tags_of
from edgecache.invalidation.packing import pack, unpack
from edgecache.invalidation.reading import BadItem, Item, KeyRules, Reader
from edgecache.invalidation.selectors import (
    AllSelector,
    GroupSelector,
    HostSelector,
    KeySelector,
    Kind,
    PathSelector,
    PrefixSelector,
    Selector,
    TagSelector,
    UrlSelector,
)
from edgecache.profiles import PROFILES
from edgecache.semantics.message import Fields, field
from edgecache.semantics.urls import Key

STANDARD = PROFILES["standard"]
RULE = Rule(pattern="/", ignore_query=("utm_*",), sort_query=True, key_headers=("X-Country",))


@pytest.mark.parametrize(
    "item, selector",
    [
        (Item(Kind.URL, "http://h/a"), UrlSelector(b"h", b"/a")),
        (Item(Kind.URL, "https://H.:443"), UrlSelector(b"h", b"/")),
        (Item(Kind.URL, "http://h/a?b=1&a#part"), UrlSelector(b"h", b"/a?b=1&a")),
        (Item(Kind.URL, "http://bücher.example/ü?"), UrlSelector(b"xn--bcher-kva.example", b"/%C3%BC?")),
        (Item(Kind.URL, "http://h/a*"), UrlSelector(b"h", b"/a*")),
        (Item(Kind.KEY, "https://h/a"), KeySelector(Key(b"https", b"h", b"/a"))),
        (Item(Kind.KEY, "http://h/a", {"X-Country": " de\t"}), KeySelector(Key(b"http", b"h", b"/a", b"\nX-Country: de"))),
        (Item(Kind.PATH, "/a?b=1"), PathSelector(b"/a?b=1")),
        (Item(Kind.PATH, "/a*"), PathSelector(b"/a", wildcard=True)),
        (Item(Kind.PATH, "/*"), PathSelector(b"/", wildcard=True)),
        (Item(Kind.PATH, "/a*b"), PathSelector(b"/a*b")),
        (Item(Kind.PATH, "/a?x=*"), PathSelector(b"/a?x=", wildcard=True)),
        (Item(Kind.PATH, "/ü"), PathSelector(b"/%C3%BC")),
        (Item(Kind.PATH, "//a"), PathSelector(b"//a")),
        (Item(Kind.PREFIX, "/a"), PrefixSelector(b"", b"/a")),
        (Item(Kind.PREFIX, "/"), PrefixSelector(b"", b"/")),
        (Item(Kind.PREFIX, "//a/"), PrefixSelector(b"", b"//a/")),
        (Item(Kind.PREFIX, "H.example:80/a/"), PrefixSelector(b"h.example", b"/a/")),
        (Item(Kind.PREFIX, "h"), PrefixSelector(b"h", b"")),
        (Item(Kind.PREFIX, "[::1]:81/ü"), PrefixSelector(b"[::1]:81", b"/%C3%BC")),
        (Item(Kind.HOST, "H.example."), HostSelector(b"h.example")),
        (Item(Kind.HOST, "127.0.0.1:8080"), HostSelector(b"127.0.0.1:8080")),
        (Item(Kind.HOST, "[0:0::1]"), HostSelector(b"[::1]")),
        (Item(Kind.TAG, "News"), TagSelector("news")),
        (Item(Kind.TAG, "a/b:c*|[x]"), TagSelector("a/b:c*|[x]")),
        (Item(Kind.TAG, "ÄPFEL"), TagSelector("Äpfel")),
        (Item(Kind.TAG, "no\u00a0break\u200d👩\u200d🔧"), TagSelector("no\u00a0break\u200d👩\u200d🔧")),
        (Item(Kind.TAG, "latin\udce9"), TagSelector("latin\udce9")),
        (Item(Kind.TAG, "x" * 16384), TagSelector("x" * 16384)),
        (Item(Kind.GROUP, "Scripts, all", origin="https://H:443/ignored"), GroupSelector(b"https", b"h", "Scripts, all")),
        (Item(Kind.ALL), AllSelector()),
    ],
)
@pytest.mark.parametrize("site", ["", "default"])
def test_read(item: Item, selector: Selector, site: str) -> None:
    expected = unpack([pack(selector)[0], site, *pack(selector)[2:]])
    assert list(reader().read(item, site)) == [expected]


def test_a_ban_is_read_in_its_normal_form() -> None:
    (selector,) = reader().read(Item(Kind.BAN, "req.url  ~  ^/a\\.png && obj.status == 200"), "")
    assert selector.value == 'req.url ~ "^/a\\\\.png" && obj.status == 200'
    assert unpack(pack(selector)) == selector


@pytest.mark.parametrize(
    "item, said",
    [
        (Item(Kind.URL, ""), "the URL is empty"),
        (Item(Kind.URL, "/a"), "'/a' is not a full URL; it begins with http:// or https://"),
        (Item(Kind.URL, "ftp://h/a"), "'ftp'; only http and https"),
        (Item(Kind.URL, "http://h/a b"), "a space"),
        (Item(Kind.URL, "http://u@h/"), "user name"),
        (Item(Kind.URL, "http://h:99999/"), "no usable host: 'h:99999'"),
        (Item(Kind.KEY, "h/a"), "not a full URL"),
        (Item(Kind.KEY, "http://h/", {"X Y": "1"}), "'X Y' is no field name"),
        (Item(Kind.KEY, "http://h/", {"": "1"}), "'' is no field name"),
        (Item(Kind.KEY, "http://h/", {"x" * 257: "1"}), "is no field name"),
        (Item(Kind.KEY, "http://h/", {"X": "1\r\nY: 2"}), "the value of X has a byte"),
        (Item(Kind.PATH, ""), "'' is no path: a path begins with /, as in /news/* or /a?b=1"),
        (Item(Kind.PATH, "*"), "'*' is no path"),
        (Item(Kind.PATH, "a/b"), "'a/b' is no path: a path begins with /"),
        (Item(Kind.PATH, "http://h/a"), "a full URL is a url"),
        (Item(Kind.PATH, "/a b"), "'/a b' contains a space"),
        (Item(Kind.PATH, "/a#b"), "'/a#b' has a fragment"),
        (Item(Kind.PREFIX, ""), "a prefix cannot be empty"),
        (Item(Kind.PREFIX, "http://h/a"), "'http://h/a' has a scheme; a prefix is a host and a path"),
        (Item(Kind.PREFIX, "h/a?b=1"), "'h/a?b=1' has a query"),
        (Item(Kind.PREFIX, "h/a/*"), "'h/a/*' ends in *"),
        (Item(Kind.PREFIX, "h/a#b"), "'/a#b' has a fragment"),
        (Item(Kind.PREFIX, "h/a b"), "contains a space"),
        (Item(Kind.PREFIX, "u@h/a"), "'u@h' is no host: it is a name or address with an optional port"),
        (Item(Kind.PREFIX, "*.h/a"), "* stands for nothing"),
        (Item(Kind.HOST, ""), "'' is no host"),
        (Item(Kind.HOST, "h/a"), "'h/a' is no host: leave out scheme and path"),
        (Item(Kind.HOST, "http://h"), "leave out scheme and path, as in www.example.com"),
        (Item(Kind.HOST, "h?x"), "'h?x' is no host"),
        (Item(Kind.HOST, "h#x"), "'h#x' is no host"),
        (Item(Kind.HOST, "*.example.com"), "'*.example.com' is no host: * stands for nothing"),
        (Item(Kind.HOST, "h:http"), "'h:http' is no host: it is a name or address with an optional port"),
        (Item(Kind.HOST, "a b"), "'a b' is no host"),
        (Item(Kind.TAG, ""), "a tag cannot be empty"),
        (Item(Kind.TAG, "a b"), "'a b' contains ' ', which separates tags or is in none; give several tags as a list"),
        (Item(Kind.TAG, " a"), "contains ' '"),
        (Item(Kind.TAG, "a,b"), "'a,b' contains ','"),
        (Item(Kind.TAG, "a\tb"), "contains '\\t'"),
        (Item(Kind.TAG, "a\x00"), "contains '\\x00'"),
        (Item(Kind.TAG, "a\x7f"), "contains '\\x7f'"),
        (Item(Kind.TAG, "a\ud800"), "half of a surrogate pair"),
        (Item(Kind.TAG, "x" * 16385), "is longer than 16384 bytes; no tag is"),
        (Item(Kind.TAG, "é" * 8193), "is longer than 16384 bytes"),
        (Item(Kind.GROUP, "g"), "the URL is empty"),
        (Item(Kind.GROUP, "g", origin="h"), "'h' is not a full URL"),
        (Item(Kind.GROUP, "", origin="http://h"), "the name of a group cannot be empty"),
        (Item(Kind.GROUP, "a\ud800", origin="http://h"), "is the name of no group: these are of printable ASCII"),
        (Item(Kind.GROUP, "a\n", origin="http://h"), "'a\\n' is the name of no group"),
        (Item(Kind.GROUP, "é", origin="http://h"), "'é' is the name of no group"),
        (Item(Kind.BAN, ""), "column 1"),
        (Item(Kind.BAN, "req.url = x"), "column 9"),
        (Item(Kind.BAN, "req.http.cookie ~ x && obj.status = 200"), "column "),
    ],
)
def test_refused(item: Item, said: str) -> None:
    with pytest.raises(BadItem) as refused:
        reader().read(item, "")
    assert said in refused.value.sentence
    assert refused.value.item is item
    assert (refused.value.column is not None) is (item.kind is Kind.BAN)
    assert len(refused.value.sentence) < 600


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.ALL])
def test_what_is_too_long_for_a_line_is_not_repeated(kind: Kind) -> None:
    with pytest.raises(BadItem) as refused:
        reader().read(Item(kind, "/" * 5000 + " ?,\x00*"), "")
    assert len(refused.value.sentence) < 600


@pytest.mark.parametrize(
    "site, said",
    [
        ("", None),
        ("shop", None),
        ("Shop", "there is no site 'Shop'; did you mean 'shop'?"),
        ("shops", "did you mean 'shop'?"),
        ("xyz", "there is no site 'xyz'; there are: shop, blog"),
    ],
)
def test_sites(site: str, said: str | None) -> None:
    if said is None:
        reader(("shop", "blog")).check_site(site)
        return
    with pytest.raises(BadItem) as refused:
        reader(("shop", "blog")).check_site(site)
    assert said in refused.value.sentence
    assert refused.value.item.member == "site"


# ---- By the rules of the key ----


def with_rules() -> Reader:
    """A site whose public name is www, whose rules leave out and sort parameters, and with a country in the key."""

    def keyed(key: Key) -> Key:
        host = b"www" if key.host == b"localhost:8080" else key.host
        return Key(b"https" if host == b"www" else key.scheme, host, normalised_target(key.target, RULE))

    def keyed_with(key: Key, fields: Fields) -> Key:
        return keyed(key)._replace(extra=b"\n".join(line.lower() for line, _, _ in fields))

    paths = lambda target, site: [target, normalised_target(target, RULE)]  # noqa: E731
    return Reader(KeyRules(keyed, keyed_with, paths, lambda text: normalised_tag(text, STANDARD), ["default"], tag_bytes=10))


@pytest.mark.parametrize(
    "item, selectors",
    [
        (Item(Kind.URL, "http://localhost:8080/a?z=1&utm_x=2&b"), [UrlSelector(b"www", b"/a?b&z=1")]),
        (Item(Kind.KEY, "http://localhost:8080/a", {"X-Country": "de"}), [KeySelector(Key(b"https", b"www", b"/a", b"x-country: de"))]),
        (Item(Kind.PATH, "/a?utm_x=2"), [PathSelector(b"/a?utm_x=2"), PathSelector(b"/a")]),
        (Item(Kind.PATH, "/a"), [PathSelector(b"/a")]),
        (Item(Kind.PATH, "/a?utm_x=*"), [PathSelector(b"/a?utm_x=", wildcard=True)]),
        (Item(Kind.PREFIX, "localhost:8080/a"), [PrefixSelector(b"www", b"/a")]),
        (Item(Kind.HOST, "localhost:8080"), [HostSelector(b"www")]),
        (Item(Kind.GROUP, "g", origin="http://localhost:8080"), [GroupSelector(b"https", b"www", "g")]),
    ],
)
def test_names_go_through_the_rules_of_the_key(item: Item, selectors: list[Selector]) -> None:
    assert list(with_rules().read(item, "")) == selectors


def test_a_tag_may_be_as_long_as_the_profile_lets_it() -> None:
    assert with_rules().read(Item(Kind.TAG, "x" * 10), "")
    with pytest.raises(BadItem, match="longer than 10 bytes"):
        with_rules().read(Item(Kind.TAG, "x" * 11), "")


@pytest.mark.parametrize("raw", [b"news", b"N\xc3\x84", b"\xff\xfe", b"a\xc2\xa0b", b"\xe2\x80\x8b", b"x" * 2000, b"a\xc2\x85"])
def test_every_tag_that_a_response_can_have_can_be_named(raw: bytes) -> None:
    (tag,) = tags_of([field(b"Surrogate-Key", raw)], STANDARD)
    (selector,) = reader().read(Item(Kind.TAG, tag), "")
    assert selector.selects(stored_at(0, tags=(tag,)), 0.0)
    assert unpack(pack(selector)) == selector
