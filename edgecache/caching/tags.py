"""Cache tags: names that an origin gives to what it sends, in fields of the CDNs' own, so that a purge can name many responses at once.

Which fields, what separates their tags, whether case counts and how many there may be is the profile's affair. Tags are derived from the
stored fields, by the profile in force.

A field's bytes are taken as UTF-8, like the JSON in which a purge names a tag. Bytes that are no UTF-8 stay what they are, as surrogates
(PEP 383), so that no two tags become one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from edgecache.caching.profile import Profile, Separators
from edgecache.semantics.message import Fields

# Not str.lower: that also changes what is not ASCII, which bytes.lower does not.
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True, slots=True)
class TooManyTags:
    """The tags of a response that exceeds the profile's limits: all of them, and it is not to be stored."""

    tags: tuple[str, ...]


def tags_of(fields: Fields, profile: Profile) -> tuple[str, ...] | TooManyTags:
    """Which tags does a response with these fields have, normalised, each once, in order of appearance; or has it too many to be stored?

    Nothing is left out to stay within the limits: a purge of what was left out would miss the response.
    """
    tags = every_tag(fields, profile)
    rules = profile.tags
    if len(tags) > rules.count or sum(len(_bytes(tag)) for tag in tags) > rules.size_bytes:
        return TooManyTags(tags)
    return tags


def every_tag(fields: Fields, profile: Profile) -> tuple[str, ...]:
    """The tags of a response with these fields as `tags_of` has them, however many: for what is stored already, or never will be."""
    table = dict(profile.tags.fields)
    found: dict[str, None] = {}
    for _, name, value in fields:
        separators = table.get(name)
        if separators is not None:
            for raw in _split(value, separators):
                found[_text(raw.lower() if profile.tags.ignores_case else raw)] = None
    return tuple(found)


def normalised_tag(text: str, profile: Profile) -> str:
    """The tag that somebody purges who writes `text`, as `tags_of` has it: without white space around it, and without case if that is so.

    What has separators inside stays as it is; no response has such a tag.
    """
    tag = text.strip(" \t")
    return tag.translate(_ASCII_LOWER) if profile.tags.ignores_case else tag


def tag_field_names(profile: Profile) -> frozenset[bytes]:
    """The names, in lower case, of all fields that carry tags."""
    return frozenset(name for name, _ in profile.tags.fields)


def _split(value: bytes, separators: Separators) -> list[bytes]:
    """The tags in one field line, none of them empty."""
    match separators:
        case Separators.COMMA:
            return [tag for member in value.split(b",") if (tag := member.strip(b" \t"))]
        case Separators.SPACE:
            return value.split()  # of all that this takes for white space, a field value has only space and tab
        case Separators.EITHER:
            return value.replace(b",", b" ").split()
        case _:
            assert_never(separators)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _bytes(tag: str) -> bytes:
    return tag.encode("utf-8", "surrogateescape")
