"""Origins and public names as people write them."""

from __future__ import annotations

import re

import pytest

from edgecache.config import ConfigError, Origin, parse_origin, parse_public_url


@pytest.mark.parametrize(
    "text, origin",
    [
        ("http://localhost:3000", Origin("http", "localhost", 3000, "", b"localhost:3000")),
        ("http://localhost:3000/", Origin("http", "localhost", 3000, "", b"localhost:3000")),
        ("HTTP://LocalHost:3000", Origin("http", "localhost", 3000, "", b"localhost:3000")),
        ("https://example.com", Origin("https", "example.com", 443, "", b"example.com")),
        ("https://example.com:443", Origin("https", "example.com", 443, "", b"example.com")),
        ("https://example.com:80", Origin("https", "example.com", 80, "", b"example.com:80")),
        ("http://example.com:", Origin("http", "example.com", 80, "", b"example.com")),
        ("http://[::1]:3000", Origin("http", "::1", 3000, "", b"[::1]:3000")),
        ("http://[fe80::1%eth0]:3000", Origin("http", "fe80::1%eth0", 3000, "", b"[fe80::1]:3000")),
        ("http://bücher.example", Origin("http", "xn--bcher-kva.example", 80, "", b"xn--bcher-kva.example")),
        ("unix:/run/app.sock", Origin("unix", "", 0, "/run/app.sock", b"localhost")),
        ("unix:///run/app.sock", Origin("unix", "", 0, "/run/app.sock", b"localhost")),
    ],
)
def test_origins(text: str, origin: Origin) -> None:
    assert parse_origin(text) == origin
    assert parse_origin(origin.url).authority == origin.authority


@pytest.mark.parametrize(
    "text, hint",
    [
        ("localhost:3000", "write http://localhost:3000"),
        ("localhost:3000/app", "write http://localhost:3000"),
        ("example.com", "write http://example.com"),
        ("3000", "write http://localhost:3000"),
        (":3000", "write http://localhost:3000"),
        ("", "write http://localhost:3000"),
        ("a b", "write http://localhost:3000"),
        ("ftp://example.com", "write http://HOST:PORT, https://HOST or unix:/PATH"),
        ("http://localhost:3000/app", "paths are forwarded as clients send them; write http://localhost:3000"),
        ("http://localhost?x=1", "write http://localhost"),
        ("http://localhost#top", "write http://localhost"),
        ("http://", "has no usable host and port"),
        ("http://:3000", "has no usable host and port"),
        ("http://localhost:0", "ports from 1 to 65535"),
        ("http://localhost:99999", "ports from 1 to 65535"),
        ("http://localhost:３000", "has no usable host and port"),
        ("http://a..b", "has no usable host and port"),
        ("http://local\thost", "has no usable host and port"),
        ("http://localhost\n", "has no usable host and port"),
        ("http://::1:3000", "has no usable host and port"),
        ("http://\udcff.example", "has no usable host and port"),
        ("unix:run/app.sock", "write unix:/PATH"),
        ("unix://host/app.sock", "write unix:/PATH"),
        ("unix:", "write unix:/PATH"),
        ("unix:/a\0b", "write unix:/PATH"),
        ("unix:/" + "a" * 107, "at most 107 bytes"),
    ],
)
def test_no_origins(text: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(hint)) as caught:
        parse_origin(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "http://me:hunter2@localhost:3000",
        "http://me:hunter2@localhost/x",
        "http://me:hun/ter2@localhost",
        "me:hunter2@localhost",
        "ftp://me:hunter2@x",
    ],
)
def test_credentials_in_an_origin_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError, match="…@") as caught:
        parse_origin(text)
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text, public",
    [
        ("https://www.example.com", (b"https", b"www.example.com")),
        ("https://www.example.com/", (b"https", b"www.example.com")),
        ("HTTPS://WWW.Example.com.:443", (b"https", b"www.example.com")),
        ("http://www.example.com:80", (b"http", b"www.example.com")),
        ("http://www.example.com:443", (b"http", b"www.example.com:443")),
        ("https://bücher.example:8443", (b"https", b"xn--bcher-kva.example:8443")),
        ("https://[2001:db8::0:1]", (b"https", b"[2001:db8::1]")),
    ],
)
def test_public_urls(text: str, public: tuple[bytes, bytes]) -> None:
    assert parse_public_url(text) == public


@pytest.mark.parametrize(
    "text, hint",
    [
        ("www.example.com", "is not a public URL; write https://www.example.com"),
        ("www.example.com/shop", "is not a public URL; write https://www.example.com"),
        ("unix:/run/app.sock", "is not a public URL; write https://www.example.com"),
        ("ftp://shop.example", "is not a public URL; write https://shop.example"),
        ("", "is not a public URL; write https://www.example.com"),
        ("https://", "has no usable host and port; write https://HOST"),
        ("https://a:0", "ports from 1 to 65535"),
        ("https://a..b", "has no usable host"),
        ("https://[fe80::1%eth0]", "has no usable host"),
        ("https://a/shop", "a site is known by its host; write https://a"),
        ("https://a?x", "a site is known by its host; write https://a"),
        ("https://me:hunter2@a", "holds credentials, which are no part of a name; write https://a"),
        ("me:hunter2@a", "is not a public URL; write https://a"),
    ],
)
def test_no_public_urls(text: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(hint)) as caught:
        parse_public_url(text)
    assert "hunter2" not in str(caught.value)
