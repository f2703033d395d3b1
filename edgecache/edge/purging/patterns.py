"""Regular expressions in request fields, as purge plug-ins write them, and lists of tags. Pure.

Plug-ins that know tags mostly have no other way to say them to a Varnish than by an expression over the whole tag field:
`(^|,)(post\\-1|post\\-2)(,|$)`. Where an expression has such a shape, and nothing in it is more than literal text, the tags are known
exactly, and nobody has to search the fields of all that is stored. Anything else stays the expression that it is.
"""

from __future__ import annotations

import re

_SEPARATORS = re.compile(r"[ \t,]+")

# One tag inside an expression: characters that stand for themselves, and escaped punctuation (PHP's preg_quote escapes - and : as well).
# No separators: what has one inside is not one tag where commas and white space both separate.
_LITERAL = r"(?:[^\\.^$|?*+()\[\]{}\s,]|\\[!-+\--/:-@\[-`{-~])+"
_LITERALS = rf"{_LITERAL}(?:\|{_LITERAL})*"
_ONE_IN_COMMAS = rf"\(\^\|,\)(?:{_LITERAL}|\({_LITERALS}\))\(,\|\$\)"  # (^|,)(a|b)(,|$), FOSHttpCache
_TAGS = (
    re.compile(_ONE_IN_COMMAS),
    re.compile(rf"\({_ONE_IN_COMMAS}\)(?:\|\({_ONE_IN_COMMAS}\))*"),  # ((^|,)a(,|$))|((^|,)b(,|$)), Magento
)

_ANYTHING = frozenset({"", ".*", "^.*", ".*$", "^.*$"})
_ANY_PATH = frozenset({"/", "^/", "/.*", "^/.*", "/.*$", "^/.*$"})  # every path begins with a slash

_NOT_LISTED = re.compile(r"[\\^$*+?()\[\]{}]")  # dots are in names of tags, and | stands between them in what Drupal's purger makes
_META = re.compile(r"[\\.^$|?*+()\[\]{}]")


def is_for_all(pattern: str) -> bool:
    """Is the expression found in any text? FOSHttpCache sends `.*` for what it does not mean to restrict."""
    return pattern in _ANYTHING


def is_for_all_paths(pattern: str) -> bool:
    """Is the expression found in the path of any URL?"""
    return pattern in _ANYTHING or pattern in _ANY_PATH


def tags_of_pattern(pattern: str) -> list[str] | None:
    """The tags that an expression over a comma-separated tag field is about, each once; None when it could be about others, too."""
    if not any(shape.fullmatch(pattern) for shape in _TAGS):
        return None
    return list(dict.fromkeys(re.sub(r"\\(.)", r"\1", one) for one in re.findall(_LITERAL, pattern)))  # the frame has no literals


def tags_of_list(text: str) -> list[str]:
    """The tags of a list, each once. Commas and white space separate, as in tag fields of responses."""
    return list(dict.fromkeys(tag for tag in _SEPARATORS.split(text) if tag))


def tags_of_either(text: str) -> list[str] | None:
    """The tags of a list that may also have | between them; None when it is another expression.

    Drupal's purgers send `Cache-Tags: node:1 node:2`, or `node:1|node:2` for a VCL that takes it as an expression. Both mean these tags.
    """
    return None if _NOT_LISTED.search(text) else tags_of_list(text.replace("|", " "))


def pattern_of_tags(tags: list[str]) -> str:
    """The expression that finds exactly these, each as a whole. In classes, not escaped: in a ban's quotes backslashes are doubled."""
    return f"^(?:{'|'.join(_META.sub(_in_class, tag) for tag in tags)})$"


def _in_class(meta: re.Match[str]) -> str:
    return f"[{meta[0]}]" if meta[0] not in "\\^]" else f"\\{meta[0]}"
