"""What an InvalidationBatch asks for: paths, paths that end in a wildcard, and cache tags."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgecache.control.dialects.cloudfront.codes import INVALID_PATHS, CloudFrontRefusal, Code
from edgecache.control.dialects.cloudfront.xml import Node, NotXml, read_xml
from edgecache.invalidation.bans import quoted
from edgecache.invalidation.reading import Item
from edgecache.invalidation.selectors import Kind

MOST_PATHS = 3000  # in progress at once, for one distribution
MOST_WILDCARDS = 15
PATH_CHARACTERS = 4000
TAG_CHARACTERS = 256

_TEXT = re.compile("[^\x00-\x20\x7f,]+")


@dataclass(frozen=True, slots=True)
class Batch:
    """What a client wants invalidated, in its own words."""

    reference: str
    paths: tuple[str, ...]

    @property
    def wildcards(self) -> int:
        """How many of its paths end in a wildcard."""
        return sum(path.startswith("/") and path.endswith("*") for path in self.paths)


def read_document(content: bytes, name: str) -> Node:
    """The content as an element of this name, whose numbers of items are right. Raises CloudFrontRefusal."""
    if not content.strip():
        raise CloudFrontRefusal(Code.MISSING_BODY)
    try:
        root = read_xml(content)
    except NotXml as error:
        raise CloudFrontRefusal(Code.MALFORMED_XML, f"the content cannot be read: {error}") from None
    if root.name != name:
        raise CloudFrontRefusal(Code.MALFORMED_XML, f"the content is {root.name[:80]!r}, where {name} is expected")
    for one in root.all():
        quantity = one.child("Quantity")
        if quantity is not None:
            if not re.fullmatch("[0-9]{1,9}", quantity.text.strip(), re.ASCII):
                raise CloudFrontRefusal(Code.MALFORMED_XML, f"the Quantity of {one.name[:80]} is no number: {quantity.text[:80]!r}")
            items = one.child("Items")
            found = 0 if items is None else len(items.children)
            if int(quantity.text) != found:
                said = f"{one.name[:80]} has Quantity {int(quantity.text)} and {found} items"
                raise CloudFrontRefusal(Code.INCONSISTENT_QUANTITIES, said)
    return root


def read_batch(content: bytes) -> Batch:
    """The batch that the content is. Raises CloudFrontRefusal."""
    root = read_document(content, "InvalidationBatch")
    paths = root.child("Paths")
    if paths is None or paths.child("Quantity") is None:
        raise CloudFrontRefusal(Code.MALFORMED_XML, "an InvalidationBatch has Paths, and these a Quantity")
    items = paths.child("Items")
    found = [] if items is None else items.children
    strange = next((one.name for one in found if one.name != "Path"), None)
    if strange is not None:
        raise CloudFrontRefusal(Code.MALFORMED_XML, f"an item of Paths is {strange[:80]!r}, where Path is expected")
    if root.child("CallerReference") is None:
        raise CloudFrontRefusal(Code.MALFORMED_XML, "an InvalidationBatch has a CallerReference")
    reference = root.text_at("CallerReference")
    if not reference.strip():
        raise CloudFrontRefusal(Code.INVALID_ARGUMENT, "the CallerReference is empty; any text that is new each time will do")
    if not found:
        raise CloudFrontRefusal(Code.INVALID_ARGUMENT, "a batch names at least one path", message=INVALID_PATHS)
    return Batch(reference, tuple(one.text for one in found))


def items_of(batch: Batch, tag_field: str, warnings: list[str]) -> Sequence[Item]:
    """What the batch is for the doors. `tag_field`: the response field that alone carries tags; "": those of the profile.

    Warns of what is taken and does something else than it seems to. Raises CloudFrontRefusal.
    """
    items = [_tag(path, at, tag_field) if path.startswith("#") else _path(path, at) for at, path in enumerate(batch.paths)]
    stars = [path for path in batch.paths if "*" in path[:-1] or (path.startswith("#") and path.endswith("*"))]
    if stars:
        warnings.append(f"* is a wildcard only as the last character of a path; elsewhere, as in {stars[0]}, it stands for itself")
    if any(not path.isascii() for path in batch.paths if path.startswith("/")):
        warnings.append("characters beyond ASCII were percent-encoded as UTF-8; CloudFront asks callers to do that")
    if not tag_field and any(path.startswith("#") for path in batch.paths):
        warnings.append(
            "CloudFront finds tags only in the response field that CacheTagConfig.HeaderName of the distribution names; none is named, "
            "so all fields in which edgecache knows tags counted"
        )
    return items


def _path(path: str, at: int) -> Item:
    if not path.startswith("/"):
        raise _invalid(f"path {at + 1}, {path[:80]!r}, does not begin with /")
    if len(path) > PATH_CHARACTERS:
        raise _invalid(f"path {at + 1}, {path[:80]!r}…, is longer than {PATH_CHARACTERS} characters")
    return Item(Kind.PATH, path, member=f"path {at + 1}")


def _tag(path: str, at: int, tag_field: str) -> Item:
    tag = path[1:]
    if not _TEXT.fullmatch(tag):
        raise _invalid(f"path {at + 1}, {path[:80]!r}: a tag has at least one character, and neither white space nor commas")
    if len(tag) > TAG_CHARACTERS:
        raise _invalid(f"path {at + 1}, {path[:80]!r}…: a tag has at most {TAG_CHARACTERS} characters")
    if not tag_field:
        return Item(Kind.TAG, tag, member=f"path {at + 1}")
    # The tags of what is stored are those of all fields of the profile. Which field it was only the field itself can tell.
    return Item(Kind.BAN, tag_in_field(tag, tag_field), member=f"path {at + 1}")


def tag_in_field(tag: str, name: str) -> str:
    """The ban on what has this tag in this response field, between commas and in any case."""
    literal = "".join(f"\\{one}" if one.isascii() and not one.isalnum() else one for one in tag)
    pattern = quoted(rf"(?i)(^|,)[ \t]*{literal}[ \t]*(,|$)")
    return f"obj.http.{name.lower()} ~ {pattern}"


def _invalid(sentence: str) -> CloudFrontRefusal:
    return CloudFrontRefusal(Code.INVALID_ARGUMENT, sentence, message=INVALID_PATHS)
