"""XML as AWS's APIs have it: elements and text. No attributes, no documents types, no entities but XML's own, all of it bounded.

Expat is given the content as UTF-8, whatever the document says about itself, and stopped at the first thing that is not allowed; nothing
is ever fetched or expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from xml.parsers import expat

CLOUDFRONT = "http://cloudfront.amazonaws.com/doc/2020-05-31/"
CLOUDWATCH = "http://monitoring.amazonaws.com/doc/2010-08-01/"

MOST_DEEP = 20
MOST_ELEMENTS = 50_000

_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class Node:
    """An element: its name without namespace, and what it holds, which is text or elements."""

    name: str
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def child(self, name: str) -> Node | None:
        """The first child of this name."""
        return next((child for child in self.children if child.name == name), None)

    def at(self, *names: str) -> Node | None:
        """The element that these names lead to."""
        found: Node | None = self
        for name in names:
            found = found.child(name) if found is not None else None
        return found

    def text_at(self, *names: str) -> str:
        """The text of the element that these names lead to; "" without one."""
        found = self.at(*names)
        return "" if found is None else found.text

    def all(self) -> Iterator[Node]:
        """Itself and everything in it."""
        yield self
        for child in self.children:
            yield from child.all()


class NotXml(Exception):
    """It cannot be read. The text says why."""


def node(name: str, content: str | int | bool | Sequence[Node] = "") -> Node:
    """An element with text, a number, a truth value, or elements."""
    match content:
        case bool():
            return Node(name, "true" if content else "false")
        case int():
            return Node(name, str(content))
        case str():
            return Node(name, content)
        case _:
            return Node(name, children=list(content))


def quantified(name: str, items: Sequence[Node], *before: Node) -> Node:
    """A list as CloudFront has it: how many, and which, where there are any."""
    return node(name, [*before, node("Quantity", len(items)), *([node("Items", items)] if items else [])])


def read_xml(content: bytes) -> Node:
    """The document's element. Raises NotXml."""
    reader = _Reader()
    try:
        reader.parser.Parse(content, True)
    except expat.ExpatError as error:
        raise NotXml(f"line {error.lineno}, column {error.offset + 1}: {expat.ErrorString(error.code)}") from None
    assert reader.root is not None  # expat takes no document without an element
    return reader.root


def write_xml(root: Node, namespace: str) -> bytes:
    """A document."""
    out = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    _write(root, out, f' xmlns="{namespace}"')
    return "".join(out).encode()


class _Reader:
    """Builds nodes from what expat finds."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[tuple[Node, list[str]]] = []
        self._elements = 0
        self.parser = expat.ParserCreate("utf-8", " ")  # namespace and name are told with a space between them
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def _doctype(self, *_: object) -> None:
        raise NotXml("a document type is not taken")

    def _begin(self, name: str, _: object) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise NotXml(f"it has more than {MOST_ELEMENTS} elements")
        if len(self._open) == MOST_DEEP:
            raise NotXml(f"elements are more than {MOST_DEEP} deep")
        made = Node(name.rpartition(" ")[2])
        if self._open:
            self._open[-1][0].children.append(made)
        else:
            self.root = made
        self._open.append((made, []))

    def _characters(self, text: str) -> None:
        self._open[-1][1].append(text)

    def _end(self, _: str) -> None:
        done, texts = self._open.pop()
        if not done.children:
            done.text = "".join(texts)


def _write(one: Node, out: list[str], attributes: str = "") -> None:
    if not one.children and not one.text:
        out.append(f"<{one.name}{attributes}/>")
        return
    out.append(f"<{one.name}{attributes}>")
    out.append(_escaped(one.text))
    for child in one.children:
        _write(child, out)
    out.append(f"</{one.name}>")


def _escaped(text: str) -> str:
    text = _NO_CHARACTER.sub("\ufffd", text)  # a name in a path may have been percent-encoded bytes of any kind
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
