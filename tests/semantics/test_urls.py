"""Authorities, request targets and URLs as people type them (RFC 3986, RFC 9112 3.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.semantics.urls import Key, Target, normalise_authority, parse_url, resolve_reference, split_target


@pytest.mark.parametrize(
    "value, scheme, normalised",
    [
        (b"example.com", b"http", b"example.com"),
        (b"EXAMPLE.com:8080", b"http", b"example.com:8080"),
        (b"example.com:80", b"http", b"example.com"),
        (b"example.com:443", b"https", b"example.com"),
        (b"example.com:443", b"http", b"example.com:443"),
        (b"example.com:80", b"https", b"example.com:80"),
        (b"example.com:", b"http", b"example.com"),
        (b"example.com:0080", b"http", b"example.com"),
        (b"example.com.", b"http", b"example.com"),
        (b"example.com.:81", b"http", b"example.com:81"),
        (b"example.com..", b"http", b"example.com."),  # one dot, no more
        (b"127.0.0.1:8080", b"http", b"127.0.0.1:8080"),
        (b"my_host-1", b"http", b"my_host-1"),
        (b"a%2Db", b"http", b"a%2db"),
        (b"[::1]", b"http", b"[::1]"),
        (b"[::1]:80", b"http", b"[::1]"),
        (b"[::1]:81", b"http", b"[::1]:81"),
        (b"[2001:DB8:0:0:0:0:0:1]", b"http", b"[2001:db8::1]"),
        (b"h:65535", b"http", b"h:65535"),
    ],
)
def test_one_spelling_of_an_authority(value: bytes, scheme: bytes, normalised: bytes) -> None:
    assert normalise_authority(value, scheme) == normalised


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b".",
        b":80",
        b"h:65536",
        b"h:-1",
        b"h:+80",
        b"h:8a",
        b"h:80:80",
        b"h:999999999999999999",
        b"user@h",
        b"user:pw@h",
        b"h h",
        b" h",
        b"h\t",
        b"h\0",
        b"h\x7f",
        b"h/",
        b"h?",
        b"h#",
        b"h\\",
        b"b\xc3\xbccher.de",
        b"%zz",
        b"[::1",
        b"::1",
        b"[]",
        b"[1.2.3.4]",
        b"[::1]x",
        b"[::1]80",
        b"[fe80::1%25eth0]",
        b"[fe80::1%eth0]",
        b"[v1.fe]",
        b"[::g]",
        b"a" * 262,
    ],
)
def test_no_authority(value: bytes) -> None:
    assert normalise_authority(value, b"http") is None


@given(st.binary(max_size=30))
def test_normalising_twice_changes_nothing(value: bytes) -> None:
    once = normalise_authority(value, b"http")
    if once is not None and not once.split(b":")[0].endswith(b"."):
        assert normalise_authority(once, b"http") == once


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/a?b",
        b"//x//y",
        b"/..",
        b"/a/../b",
        b"/?",
        b"/#f",
        b"/%zz",
        b"/%2F",
        b"/caf\xc3\xa9",
        b"/\xff",
        b"/;a",
        b"/[]|^",
        b"/http://x/",
    ],
)
def test_paths_stay_byte_for_byte(path: bytes) -> None:
    assert split_target(b"GET", path) == Target(None, None, path)
    assert split_target(b"GET", b"http://h" + path) == Target(b"http", b"h", path)


@pytest.mark.parametrize(
    "method, target, split",
    [
        (b"GET", b"http://h", Target(b"http", b"h", b"/")),
        (b"GET", b"HTTPS://H:8443/a", Target(b"https", b"H:8443", b"/a")),
        (b"GET", b"http://h?x", Target(b"http", b"h", b"/?x")),
        (b"GET", b"http://h#x", Target(b"http", b"h", b"/#x")),
        (b"GET", b"http://[::1]:80/", Target(b"http", b"[::1]:80", b"/")),
        (b"GET", b"http://h/a@b", Target(b"http", b"h", b"/a@b")),
        (b"OPTIONS", b"*", Target(None, None, b"*")),
        (b"OPTIONS", b"http://h", Target(b"http", b"h", b"*")),
        (b"OPTIONS", b"http://h/", Target(b"http", b"h", b"/")),
        (b"OPTIONS", b"http://h?", Target(b"http", b"h", b"/?")),
        (b"CONNECT", b"h:443", Target(None, b"h:443", b"")),
        (b"CONNECT", b"[::1]:443", Target(None, b"[::1]:443", b"")),
        (b"PURGE", b"http://h/a", Target(b"http", b"h", b"/a")),
    ],
)
def test_targets(method: bytes, target: bytes, split: Target) -> None:
    assert split_target(method, target) == split


@pytest.mark.parametrize(
    "method, target",
    [
        (b"GET", b""),
        (b"GET", b"*"),
        (b"get", b"*"),
        (b"GET", b"a"),
        (b"GET", b"a/b"),
        (b"GET", b"?a"),
        (b"GET", b"h:443"),
        (b"GET", b"http:/a"),
        (b"GET", b"http:a"),
        (b"GET", b"http://"),
        (b"GET", b"http:///a"),
        (b"GET", b"http://:80/"),
        (b"GET", b"http://u@h/"),
        (b"GET", b"http://u:p@h/"),
        (b"GET", b"http://h:99999/"),
        (b"GET", b"http://h\\@x/"),
        (b"GET", b"ftp://h/"),
        (b"GET", b"ws://h/"),
        (b"OPTIONS", b"**"),
        (b"CONNECT", b"/"),
        (b"CONNECT", b"h"),
        (b"CONNECT", b"h:"),
        (b"CONNECT", b"[::1]"),
        (b"CONNECT", b"http://h:443"),
        (b"CONNECT", b"u@h:443"),
    ],
)
def test_no_target(method: bytes, target: bytes) -> None:
    assert split_target(method, target) is None


@pytest.mark.parametrize(
    "text, key",
    [
        ("http://example.com", Key(b"http", b"example.com", b"/")),
        ("https://EXAMPLE.com:443/A?b=1", Key(b"https", b"example.com", b"/A?b=1")),
        ("HTTP://h:8080/a/../b//c", Key(b"http", b"h:8080", b"/a/../b//c")),
        ("http://h?q", Key(b"http", b"h", b"/?q")),
        ("http://h/a#top", Key(b"http", b"h", b"/a")),
        ("http://h#top", Key(b"http", b"h", b"/")),
        ("http://h/a?", Key(b"http", b"h", b"/a?")),
        ("http://h/a%20b%zz", Key(b"http", b"h", b"/a%20b%zz")),
        ("http://h/café?é", Key(b"http", b"h", b"/caf%C3%A9?%C3%A9")),
        ("http://bücher.example/", Key(b"http", b"xn--bcher-kva.example", b"/")),
        ("http://BÜCHER.example:8080/", Key(b"http", b"xn--bcher-kva.example:8080", b"/")),
        ("http://[::1]:8080/", Key(b"http", b"[::1]:8080", b"/")),
        ("http://h/http://x/@", Key(b"http", b"h", b"/http://x/@")),
    ],
)
def test_urls_that_people_type(text: str, key: Key) -> None:
    assert parse_url(text) == key


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "is empty"),
        ("/app.js", "begins with http:// or https://"),
        ("example.com/app.js", "begins with http:// or https://"),
        ("localhost:8080/app.js", "begins with http:// or https://"),
        ("//h/a", "begins with http:// or https://"),
        ("http:/h/a", "two slashes"),
        ("ftp://h/a", "only http and https"),
        ("http://h/a b", "a space"),
        (" http://h/", "a space"),
        ("http://h/\n", r"the character '\n'"),
        ("http://h/\x7f", r"the character '\x7f'"),
        ("http://h/\udce9", r"the character '\udce9'"),
        ("http://user:pw@h/", "a user name"),
        ("http:///a", "no usable host"),
        ("http://h:99999/", "65535"),
        ("http://a..b.ü/", "no usable host"),
        ("http://[::1/", "no usable host"),
        ("http://h／x/ü", "no usable host"),  # a slash that is none until the name is made ASCII
    ],
)
def test_what_is_wrong_with_a_url(text: str, says: str) -> None:
    sentence = parse_url(text)
    assert isinstance(sentence, str)
    assert says in sentence
    sentence.encode()  # can be printed, whatever was typed


def test_a_sentence_does_not_repeat_an_endless_url() -> None:
    assert len(str(parse_url("x" * 1_000_000))) < 500


@given(st.text(max_size=40))
def test_no_text_raises(text: str) -> None:
    parse_url(text)
    parse_url("http://" + text)


def test_key_as_url() -> None:
    assert Key(b"http", b"h:8080", b"/a\xff?b").url == "http://h:8080/a%FF?b"


BASE = Key(b"http", b"h", b"/a/b?c=1", b"more")


@pytest.mark.parametrize(
    "reference, url",
    [
        (b"", b"http://h/a/b?c=1"),
        (b"#x", b"http://h/a/b?c=1"),
        (b"?d", b"http://h/a/b?d"),
        (b"?", b"http://h/a/b?"),
        (b"x", b"http://h/a/x"),
        (b"./x", b"http://h/a/x"),
        (b"../x", b"http://h/x"),
        (b"../../../x", b"http://h/x"),
        (b"..", b"http://h/"),
        (b"/x/./y/../z", b"http://h/x/z"),
        (b"/x//y", b"http://h/x//y"),
        (b"//other/x", b"http://other/x"),
        (b"https://OTHER:443", b"https://other/"),
        (b"HTTP://h:80/x?y#z", b"http://h/x?y"),
        (b"/\xff", b"http://h/\xff"),
        (b"mailto:a@h", None),
        (b"http:x", None),
        (b"ftp://h/x", None),
        (b"http://a b/x", None),
        (b"http:///x", None),
    ],
)
def test_references(reference: bytes, url: bytes | None) -> None:
    found = resolve_reference(BASE, reference)
    assert (None if found is None else b"%s://%s%s" % found[:3]) == url
    assert found is None or found.extra == b""
