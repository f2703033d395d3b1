"""Hosts, addresses to listen on, and what a site answers to."""

from __future__ import annotations

import re

import pytest

from edgecache.config import ConfigError, is_loopback, parse_listen
from edgecache.config.hosts import authority, host_pattern


@pytest.mark.parametrize(
    "text, host, port",
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("localhost:0", "localhost", 0),
        ("LocalHost:80", "localhost", 80),
        ("[::1]:8080", "::1", 8080),
        ("[::]:65535", "::", 65535),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("dev_box.lan:8080", "dev_box.lan", 8080),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert parse_listen(text) == (host, port)


@pytest.mark.parametrize(
    "text, hint",
    [
        ("127.0.0.1", "such as 127.0.0.1:8080"),
        ("8080", "127.0.0.1:8080 (this machine only) or 0.0.0.0:8080 (every network)"),
        (":9000", "127.0.0.1:9000 (this machine only) or 0.0.0.0:9000 (every network)"),
        ("::1", "such as [::1]:8080"),
        ("[::1]", "such as [::1]:8080"),
        ("::1:8080", "HOST:PORT"),
        ("localhost:65536", "HOST:PORT"),
        ("localhost:-1", "HOST:PORT"),
        ("localhost:http", "HOST:PORT"),
        ("localhost:", "HOST:PORT"),
        ("http://localhost:8080", "HOST:PORT"),
        ("a..b:80", "HOST:PORT"),
        (f"{'a' * 64}.example:80", "HOST:PORT"),
        ("local host:80", "HOST:PORT"),
        ("localhost:80\n", "HOST:PORT"),
        ("[zz::1]:80", "HOST:PORT"),
        ("", "HOST:PORT"),
    ],
)
def test_no_addresses(text: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(hint)):
        parse_listen(text)


@pytest.mark.parametrize(
    "host, loopback",
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("app.localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("example.com", False),
        ("notlocalhost", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    "text, name",
    [
        ("www.example.com", "www.example.com"),
        ("WWW.Example.COM.", "www.example.com"),
        ("localhost:80", "localhost"),
        ("localhost:8080", "localhost:8080"),
        ("[::0001]:8080", "[::1]:8080"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_authorities_in_their_one_spelling(text: str, name: str) -> None:
    assert authority(text) == host_pattern(text) == name


@pytest.mark.parametrize("text", ["", "a b", "http://a", "a/b", "a:99999", "a@b", "[fe80::1%eth0]"])
def test_no_authorities(text: str) -> None:
    for read in (authority, host_pattern):
        with pytest.raises(ConfigError, match="is not a host; write HOST or HOST:PORT"):
            read(text)


@pytest.mark.parametrize("text, pattern", [("*", "*"), ("*.Example.com", "*.example.com"), ("*.bücher.example", "*.xn--bcher-kva.example")])
def test_host_patterns(text: str, pattern: str) -> None:
    assert host_pattern(text) == pattern


@pytest.mark.parametrize(
    "text, hint",
    [
        ("www.*.com", "has a star in another place than its beginning; write *.example.com, or * for any host"),
        ("*example.com", "has a star in another place"),
        ("*.", "is not a host pattern"),
        ("*.*.com", "is not a host pattern"),
        ("*.[::1]", "is not a host pattern"),
        ("*.example.com:8080", "has a port, but patterns with a star are for every port; write *.example.com"),
    ],
)
def test_no_host_patterns(text: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(hint)):
        host_pattern(text)
