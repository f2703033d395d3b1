"""Sites, public names, and what is mapped back for each client."""

import pytest

from edgecache.edge.names import NameMap
from edgecache.edge.sites import Placed, PublicName, Site, Sites, loopback_names
from edgecache.edge.target import Located
from edgecache.semantics.message import field

LOOPBACK = loopback_names(8080)


def site(name="main", hosts=(b"*",), public=None, aliases=(), origin=b"localhost:3000"):
    return Site(name, tuple(hosts), public, frozenset(aliases), frozenset((origin,)))


SHOP = PublicName(b"https", b"www.shop.test")


@pytest.mark.parametrize(
    ("host", "scheme", "keyed"),
    [
        (b"127.0.0.1:8080", b"http", (b"https", b"www.shop.test")),
        (b"localhost:8080", b"http", (b"https", b"www.shop.test")),
        (b"[::1]:8080", b"http", (b"https", b"www.shop.test")),
        (b"www.shop.test", b"http", (b"https", b"www.shop.test")),
        (b"shop.local:8080", b"http", (b"https", b"www.shop.test")),
        (b"127.0.0.1:9999", b"http", (b"http", b"127.0.0.1:9999")),
        (b"other.test", b"http", (b"http", b"other.test")),
    ],
)
def test_what_a_request_is_keyed_under(host, scheme, keyed):
    sites = Sites([site(public=SHOP, aliases=(b"shop.local:8080",))], LOOPBACK)
    placed = sites.place(Located(scheme, host, b"/a?b"))
    assert placed.located == Located(*keyed, b"/a?b")
    assert (placed.used_scheme, placed.used_host) == (scheme, host)


def test_without_a_public_name_every_host_is_its_own_key():
    sites = Sites([site()], LOOPBACK)
    for host in (b"127.0.0.1:8080", b"localhost:8080", b"any.test"):
        assert sites.place(Located(b"http", host, b"/")).located.host == host


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"a.test", "exact"),
        (b"a.test:8080", "exact"),
        (b"b.a.test", "below"),
        (b"c.b.a.test:81", "below"),
        (b"nowhere.test", None),
        (b"127.0.0.1:8080", "exact"),
    ],
)
def test_the_closest_site_answers(host, name):
    sites = Sites([site("exact", [b"a.test"]), site("below", [b"*.a.test"])], LOOPBACK)
    placed = sites.place(Located(b"http", host, b"/"))
    assert (placed and placed.site.name) == name


def test_an_ipv6_host_with_a_port():
    sites = Sites([site("six", [b"[::1]"]), site("rest", [b"*"])], frozenset())
    assert sites.place(Located(b"http", b"[::1]:8080", b"/")).site.name == "six"


def test_any_host_comes_last():
    sites = Sites([site("rest"), site("exact", [b"a.test"])], LOOPBACK)
    assert sites.place(Located(b"http", b"a.test", b"/")).site.name == "exact"
    assert sites.place(Located(b"http", b"b.test", b"/")).site.name == "rest"


def name_map(used=b"127.0.0.1:8080", public=SHOP):
    return NameMap(Placed(site(public=public), Located(b"https", b"www.shop.test", b"/"), b"http", used))


@pytest.mark.parametrize(
    ("name", "value", "mapped"),
    [
        (b"Location", b"https://www.shop.test/cart?x#y", b"http://127.0.0.1:8080/cart?x#y"),
        (b"Location", b"http://localhost:3000/cart", b"http://127.0.0.1:8080/cart"),
        (b"location", b"HTTP://LOCALHOST:3000", b"http://127.0.0.1:8080"),
        (b"Location", b"/cart", b"/cart"),
        (b"Location", b"//www.shop.test/cart", b"//127.0.0.1:8080/cart"),
        (b"Location", b"https://www.shop.test.evil.test/", b"https://www.shop.test.evil.test/"),
        (b"Location", b"https://www.shop.test@evil.test/", b"https://www.shop.test@evil.test/"),
        (b"Location", b"https://login.test/?back=https://www.shop.test/", b"https://login.test/?back=https://www.shop.test/"),
        (b"Content-Location", b"https://www.shop.test:443/a", b"http://127.0.0.1:8080/a"),
        (b"Refresh", b"5; url=https://www.shop.test/a", b"5; url=http://127.0.0.1:8080/a"),
        (b"Refresh", b"5", b"5"),
        (b"Set-Cookie", b"a=1; Domain=www.shop.test; Path=/", b"a=1; Path=/"),
        (b"Set-Cookie", b"a=1; Path=/; domain=.shop.test", b"a=1; Path=/"),
        (b"Set-Cookie", b"a=1; Domain=localhost", b"a=1"),
        (b"Set-Cookie", b"a=Domain=www.shop.test; Path=/", b"a=Domain=www.shop.test; Path=/"),
        (b"Set-Cookie", b"a=1; Domain=ads.test", b"a=1; Domain=ads.test"),
        (b"Link", b"<https://www.shop.test/a>; rel=next", b"<https://www.shop.test/a>; rel=next"),
    ],
)
def test_answers_use_the_clients_name(name, value, mapped):
    assert name_map().mapped([field(name, value)])[0][2] == mapped


def test_the_public_name_itself_needs_no_mapping_of_itself():
    fields = [field(b"Location", b"https://www.shop.test/a"), field(b"Set-Cookie", b"a=1; Domain=shop.test")]
    mapped = name_map(used=b"www.shop.test").mapped(fields)
    assert mapped[1] == fields[1]
    assert mapped[0][2] == b"http://www.shop.test/a"
    assert name_map(used=b"localhost:3000", public=None).unneeded


def test_fields_that_name_nothing_are_the_same_list():
    fields = [field(b"Content-Type", b"text/plain")]
    assert name_map().mapped(fields) is fields
