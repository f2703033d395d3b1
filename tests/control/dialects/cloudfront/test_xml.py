"""XML in and out: what is not plain elements and text is refused, and soon."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.control.dialects.cloudfront.xml import MOST_DEEP, MOST_ELEMENTS, NotXml, node, read_xml, write_xml

BOMB = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>'


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "no element"),
        (b"{}", "line 1"),
        (b"<a>", "no element"),
        (b"<a></b>", "mismatched"),
        (b"<a/><b/>", "junk"),
        (b"<a>&nbsp;</a>", "undefined entity"),
        (b"<x:a/>", "prefix"),
        (b"<a>\xff</a>", "not well-formed"),
        (b"<a>\x00</a>", "not well-formed"),
        (b'<?xml version="1.0" encoding="utf-16"?><a>', "line 1"),
        (b"<!DOCTYPE a><a/>", "document type"),
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>', "document type"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "document type"),
        (BOMB, "document type"),
        (b"<a>" * (MOST_DEEP + 1) + b"</a>" * (MOST_DEEP + 1), "deep"),
        (b"<a>" * 100_000, "deep"),
        (b"<a>" + b"<b/>" * MOST_ELEMENTS + b"</a>", "elements"),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_what_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(NotXml, match=said):
        read_xml(content)


@pytest.mark.parametrize(
    "content",
    [
        b"<a><b>1</b><c/></a>",
        b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\n<a xmlns="urn:x">\n <b>1</b>\n <c></c>\n</a>\n',
        b'<n:a xmlns:n="urn:x"><n:b x="y"><![CDATA[1]]></n:b><c/><!-- no --><?pi?></n:a>',
        b"<a><b>&#49;</b><c/></a>",
    ],
)
def test_the_same_in_several_spellings(content: bytes) -> None:
    assert read_xml(content) == node("a", [node("b", 1), node("c")])


@given(st.text(), st.text())
def test_any_text_is_written_so_that_everybody_reads_it(one: str, other: str) -> None:
    written = write_xml(node("a", [node("b", one), node("c", other)]), "urn:x")
    kept = [found.text or "" for found in ET.fromstring(written)]
    assert [len(found) for found in kept] == [len(one), len(other)]  # what XML cannot say is replaced
    assert [found.text for found in read_xml(written).children] == kept
