"""Lines as words, and the words of a ban as an expression: as varnishd takes them, see tests/clients/test_varnishadm.py."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgecache.control.varnish_words import WordsError, WrongCount, expression, here_document, respaced, split
from edgecache.invalidation.bans import Ban, parse_ban, quoted


@pytest.mark.parametrize(
    "line, words",
    [
        (b"", []),
        (b" \t\r", []),
        (b"ping", [b"ping"]),
        (b"  ping\t1 \r", [b"ping", b"1"]),
        (b'"a b" c', [b"a b", b"c"]),
        (b'""', [b""]),
        (b'"a"b', [b"a", b"b"]),
        (b'"a" "b"', [b"a", b"b"]),
        (b"'a b'", [b"'a", b"b'"]),
        (rb"a\\.b", [rb"a\.b"]),
        (rb'"a\"b"', [b'a"b']),
        (rb"a\"b", [b'a"b']),
        (rb"\n\r\t", [b"\n\r\t"]),
        (rb"\x41\x2E\101\7", [b"A.A\x07"]),
        (rb"\1234", [b"S4"]),
        (rb"a\x20b", [b"a b"]),
        (b"\xff\x00", [b"\xff\x00"]),
    ],
)
def test_words(line: bytes, words: list[bytes]) -> None:
    assert split(line) == words


@pytest.mark.parametrize(
    "line, complaint",
    [
        (b'"a', "Missing '\"'"),
        (b'"', "Missing '\"'"),
        (b'a"b"', "Invalid '\"'"),
        (rb"a\.b", "Invalid backslash sequence"),
        (rb'"a\-"', "Invalid backslash sequence"),
        (rb"a\x4", "Invalid backslash sequence"),
        (b"a\\", "Invalid backslash sequence"),
        (b'"a""b"', "Missing separator between arguments"),
    ],
)
def test_what_is_no_words(line: bytes, complaint: str) -> None:
    with pytest.raises(WordsError) as caught:
        split(line)
    assert str(caught.value) == complaint


@given(st.lists(st.binary(max_size=20), max_size=6))
def test_what_was_quoted_is_read_back(words: list[bytes]) -> None:
    line = b" ".join(b'"' + b"".join(b"\\x%02x" % byte for byte in word) + b'"' for word in words)
    assert split(line) == words


@pytest.mark.parametrize(
    "line, end",
    [(b"a << X", b"X"), (b"a b << X", b"X"), (b"<< X", None), (b"a <<", None), (b"a << X b", None), (b"a <<X", None), (b"a", None)],
)
def test_here_documents_are_announced(line: bytes, end: bytes | None) -> None:
    assert here_document(split(line)) == end


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["req.url", "~", "^/a"], "req.url ~ ^/a"),
        (["req.url ~ ^/a"], "req.url ~ ^/a"),
        (["req.url", "~ ^/a"], "req.url ~ ^/a"),
        (["req.url ~ /a && obj.status", "==", "200"], "req.url ~ /a && obj.status == 200"),
        (["req.url", "~", "a && obj.status == 200"], "req.url ~ a && obj.status == 200"),
        (["req.url", "~", r"a\.b"], r'req.url ~ "a\\.b"'),
        (["req.url", "~", r"\x2e"], r'req.url ~ "\\x2e"'),
        (["req.url", "~", "é$"], "req.url ~ é$"),
        (["obj.http.etag", "==", '"x"'], r'obj.http.etag == "\"x\""'),
        (["req.url", "~", "it's"], "req.url ~ it's"),
        (["req.url", "==", "a\tb\0"], r'req.url == "a\x09b\x00"'),
        (["req.url", "==", "a\xa0b"], 'req.url == "a\xa0b"'),
        (["req.url", "~", "&&"], 'req.url ~ "&&"'),
        (["req.url", "~", "|||"], "req.url ~ |||"),
    ],
)
def test_expressions(arguments: list[str], text: str) -> None:
    assert expression(respaced(arguments)) == text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters=" "), min_size=1, max_size=30))
def test_values_stand_for_themselves(value: str) -> None:
    assume(not (len(value) > 1 and value[0] == "'" == value[-1]))  # taken for a slip, and refused
    ban = parse_ban(expression(["obj.http.x", "==", value]))
    assert isinstance(ban, Ban)
    assert ban.text == f"obj.http.x == {quoted(value)}"


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["req.url", "~", "a b"], "Wrong number of arguments\n4 of them;"),
        (["req.url", "~", "a", "&&"], "Wrong number of arguments\n4 of them;"),
        (["req.url ~ a || obj.status == 200"], 'Found "||" expected &&'),
    ],
)
def test_what_is_no_expression(arguments: list[str], complaint: str) -> None:
    with pytest.raises(WrongCount) as caught:
        expression(respaced(arguments))
    assert str(caught.value).startswith(complaint)
