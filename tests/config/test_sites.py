"""[[site]] and [[rule]] in a file: what they become, and the sentence for everything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecache.config import ConfigError, RuleSettings, Settings, SiteSettings, load, sites_of

SHOP = '[[site]]\nname = "shop"\norigin = "http://localhost:4000"\nhosts = ["shop.localhost"]\n'
Toml = Callable[[str], Path]


def test_a_site_with_everything(toml: Toml) -> None:
    path = toml(
        """
        [[site]]
        name = "shop"
        origin = "http://localhost:4000"
        hosts = ["Shop.localhost", "*.shop.localhost", "shop.test:80"]
        public_url = "https://shop.example.com"
        aliases = ["WWW.shop.example.com"]
        origin_host = "localhost:4000"
        """
    )
    assert load(path, {}).site == (
        SiteSettings(
            name="shop",
            origin="http://localhost:4000",
            hosts=("shop.localhost", "*.shop.localhost", "shop.test"),
            public_url="https://shop.example.com",
            aliases=("www.shop.example.com",),
            origin_host="localhost:4000",
        ),
    )


def test_rules_with_everything_and_with_nothing(toml: Toml) -> None:
    path = toml(
        """
        [[rule]]
        path = "/images/*"
        site = "default"
        ttl_s = "1h"
        force = true
        ignore_query = ["utm_*", "fbclid"]
        sort_query = true
        key_headers = ["X-Device"]
        key_cookies = ["Theme"]

        [[rule]]
        path = "/admin"
        bypass = true

        [[rule]]
        path = "/*"
        """
    )
    assert load(path, {}).rule == (
        RuleSettings(
            path="/images/*",
            site="default",
            ttl_s=3600.0,
            force=True,
            ignore_query=("utm_*", "fbclid"),
            sort_query=True,
            key_headers=("x-device",),
            key_cookies=("Theme",),
        ),
        RuleSettings(path="/admin", bypass=True),
        RuleSettings(path="/*"),
    )


def test_the_setting_origin_is_the_default_site(toml: Toml) -> None:
    flags = {"origin": "http://localhost:3000", "public_url": "https://a.example", "aliases": "b.example", "origin_host": "c"}
    default = SiteSettings(
        name="default",
        origin="http://localhost:3000",
        hosts=("*",),
        public_url="https://a.example",
        aliases=("b.example",),
        origin_host="c",
    )
    assert sites_of(load(None, flags)) == (default,)
    both = load(toml(SHOP), flags)
    assert sites_of(both) == (default, *both.site)
    alone = load(toml(SHOP), {})
    assert [site.name for site in sites_of(alone)] == ["shop"]
    assert sites_of(Settings()) == ()


@pytest.mark.parametrize(
    "content, sentence",
    [
        ("[site]\nname = 'shop'", ": [site] is one table, but there may be several; write [[site]]"),
        ("[sites]\nname = 'shop'", ": there is no setting 'sites'; did you mean [[site]]?"),
        ("[[rules]]\npath = '/'", ": there is no setting 'rules'; did you mean [[rule]]?"),
        ("[edge]\nlog = 'off'", ": 'edge' is a table, but settings stand on their own"),
        ("site = 'shop'", ", site: 'shop' is not a table; write [[site]], and its keys below that"),
        ("rule = ['/']", ", rule: a list is not a table; write [[rule]], and its keys below that"),
        ("[[site]]", ', [[site]] 1: name is missing; write name = "shop" or the like'),
        ("[[site]]\nname = ''", ", [[site]] 1, name: '' is not enough; write name = \"shop\" or the like"),
        ("[[site]]\nname = 'a shop'", ", [[site]] 1 'a shop', name: 'a shop' is not one word"),
        ("[[site]]\nname = 7", ", [[site]] 1, name: 7 is not a text; write it in quotes"),
        ("[[site]]\nname = 'shop'", ", [[site]] 1 'shop': origin is missing; write origin = \"http://localhost:3000\" or the like"),
        (
            "[[site]]\nname = 'shop'\norigin = 'localhost:4000'",
            ", [[site]] 1 'shop', origin: 'localhost:4000' is not an origin URL; write http://localhost:4000",
        ),
        (
            "[[site]]\nname = 'shop'\norigin = 'unix:/s'",
            ", [[site]] 1 'shop': nothing leads to it; write hosts = [\"shop.localhost\"] or the like, or set public_url",
        ),
        (SHOP + "hots = []", ", [[site]] 1 'shop': there is no 'hots' in a site; did you mean hosts?"),
        (SHOP + "zzz = 1", ", [[site]] 1 'shop': there is no 'zzz' in a site; write one of name, origin, hosts,"),
        (SHOP + "aliases = ['a']", ", [[site]] 1 'shop', aliases: they are further names beside public_url, which is not set"),
        (SHOP + "public_url = 'shop'", ", [[site]] 1 'shop', public_url: 'shop' is not a public URL; write https://shop"),
        (SHOP.replace("shop.localhost", "shop.*"), ", [[site]] 1 'shop', hosts: 'shop.*' has a star in another place than its beginning"),
        (
            SHOP.replace('"shop"', '"default"'),
            ", [[site]] 1 'default', name: default is the name of the site that the setting origin describes",
        ),
        (SHOP + SHOP, "[[site]] 1 'shop' has this name too; choose another"),
        (
            SHOP + SHOP.replace('"shop"', '"shop2"'),
            ", [[site]] 2 'shop2', hosts: 'shop.localhost' belongs to site shop already; one host has one site",
        ),
        (
            SHOP + "[[site]]\nname = 'b'\norigin = 'unix:/b'\npublic_url = 'http://shop.localhost:80'",
            ", [[site]] 2 'b', public_url: 'shop.localhost' belongs to site shop already",
        ),
        (
            "origin = 'unix:/a'\n" + SHOP.replace("shop.localhost", "*"),
            ", [[site]] 1 'shop', hosts: '*' belongs to site default already; one host has one site",
        ),
        (
            "public_url = 'https://a.example'\n" + SHOP,
            ", public_url: public_url is for the site of origin, which is not set; write public_url below a [[site]]",
        ),
        ("origin_host = 'a'\n" + SHOP, ", origin_host: origin_host is for the site of origin, which is not set"),
        ("[[rule]]", ', [[rule]] 1: path is missing; write path = "/images/*" or the like'),
        ("[[rule]]\npath = 'images'", ", [[rule]] 1 'images', path: 'images' is not a path; write it as in URLs and without a query"),
        ("[[rule]]\npath = '/a?b'", ", [[rule]] 1 '/a?b', path: '/a?b' is not a path"),
        ("[[rule]]\npath = '/ä'", ", [[rule]] 1 '/ä', path: '/ä' is not a path"),
        ("[[rule]]\npath = '/'\n[[rule]]\npath = '/a'\nttl = 5", ", [[rule]] 2 '/a': there is no 'ttl' in a rule; did you mean ttl_s?"),
        ("[[rule]]\npath = '/'\nttl_s = 'soon'", ", [[rule]] 1 '/', ttl_s: 'soon' is not a duration"),
        ("[[rule]]\npath = '/'\nttl_s = -1", ", [[rule]] 1 '/', ttl_s: -1 seconds is too little; write 0 or more"),
        ("[[rule]]\npath = '/'\nforce = true", ", force: it makes ttl_s count in any case, and that is not set; set ttl_s"),
        ("[[rule]]\npath = '/'\nbypass = true\nttl_s = 0", ", bypass: then nothing is stored, so ttl_s says nothing"),
        ("[[rule]]\npath = '/'\nbypass = true\nkey_cookies = ['a']", ", bypass: then nothing is stored, so key_cookies says nothing"),
        ("[[rule]]\npath = '/'\nignore_query = ['a=b']", ", ignore_query: 'a=b' is not the name of a query parameter"),
        ("[[rule]]\npath = '/'\nkey_headers = ['X-A: b']", ", key_headers: 'X-A: b' is not the name of a request field"),
        ("[[rule]]\npath = '/'\nkey_headers = ['Cookie']", "write the cookies that matter in key_cookies"),
        ("[[rule]]\npath = '/'\nkey_cookies = ['a=b']", ", key_cookies: 'a=b' is not the name of a cookie"),
        ("[[rule]]\npath = '/'\nsite = 'shop'", ", site: there is no site 'shop'; write default, or leave it out"),
        (SHOP + "[[rule]]\npath = '/'\nsite = 'shp'", ", [[rule]] 1 '/', site: there is no site 'shp'; did you mean shop?"),
        (SHOP + "[[rule]]\npath = '/'\nsite = 'default'", ", site: there is no site 'default'"),
    ],
)
def test_errors_name_table_key_value_and_what_would_be_right(toml: Toml, content: str, sentence: str) -> None:
    path = toml(content)
    with pytest.raises(ConfigError, match=re.escape(sentence)) as caught:
        load(path, {})
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()


def test_tables_are_no_flags() -> None:
    with pytest.raises(ConfigError, match="flags: there is no setting 'site'"):
        load(None, {"site": "shop"})
