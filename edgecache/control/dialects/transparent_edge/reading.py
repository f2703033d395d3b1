"""The content of a call, read: which members it has, what they mean, and which URLs are the company's.

What the vendor's documentation has is taken as it says. What only the vendor's own plug-ins send is taken as they mean it, with a warning,
since nobody here knows what becomes of it there. Anything else is ignored, with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from edgecache.config import VendorSettings
from edgecache.control.dialects.call import Refusal, Refused
from edgecache.invalidation.bans import quoted
from edgecache.semantics.urls import Key, parse_url

SHOWN = 80

Warn = Callable[[str], None]

# Members of each call, and what is said of those that the vendor's documentation does not have.
DOCUMENTED = ""
INVALIDATE: Mapping[str, str] = {
    "urls": DOCUMENTED,
    "soft": DOCUMENTED,
    "refetch": DOCUMENTED,
    "ban": DOCUMENTED,
    "type": 'the vendor\'s documentation has "ban": "1" for a recursive invalidation; only its WordPress plug-in sends "type": "ban"',
}
TAG_INVALIDATE: Mapping[str, str] = {
    "tags": DOCUMENTED,
    "refetch": DOCUMENTED,
    "soft": "the vendor's documentation has no soft member for tags; its WordPress plug-in sends soft, its Magento module soft_purge",
    "soft_purge": "the vendor's documentation has no soft member for tags; its Magento module sends soft_purge, its WordPress plug-in soft",
}
PREFETCH: Mapping[str, str] = {"urls": DOCUMENTED}


def bad(sentence: str) -> Refusal:
    """The refusal of content that cannot be used."""
    return Refusal(Refused.BAD_REQUEST, sentence)


@dataclass(frozen=True, slots=True)
class Given:
    """What a call says, beside its URLs or tags."""

    soft: bool
    refetch: bool
    ban: bool


def members_of(content: bytes, known: Mapping[str, str], warn: Warn) -> dict[str, Any]:
    """The members of the object that the content is, less what nobody knows. Raises Refusal."""
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad(f"The content is no JSON: {str(error) or 'it is nested too deeply'}.") from error
    if not isinstance(value, dict):
        raise bad("The content is no JSON object.")
    for name in value:
        said = known.get(name)
        if said is None:
            warn(f"{name[:SHOWN]!r} is no member of this call, and was ignored; it knows {', '.join(known)}")
        elif said:
            warn(f"{name}: {said}")
    return {name: inner for name, inner in value.items() if name in known}


def options_of(members: Mapping[str, Any], warn: Warn) -> Given:
    """How it is to be invalidated. Raises Refusal."""
    ban = _flag(members, "ban", '"1"')
    kind = members.get("type")
    if kind == "ban":
        ban = True
    elif kind is not None:
        warn(f"'type' is {str(kind)[:SHOWN]!r}, where only 'ban' is known; it was ignored")
    soft = _flag(members, "soft", "true") | _flag(members, "soft_purge", "true")
    refetch = _flag(members, "refetch", "true")
    if ban and refetch:
        raise bad("'refetch' and 'ban' exclude each other: nobody knows which URLs are below a prefix.")
    if ban and soft:
        warn("'soft' was ignored: a ban is hard, as bans are in a Varnish; what the real API makes of both is not known")
        soft = False
    return Given(soft, refetch, ban)


def texts_of(members: Mapping[str, Any], name: str, most: int) -> list[str]:
    """The array of texts that is what is to be invalidated. Raises Refusal."""
    value = members.get(name)
    if not isinstance(value, list):
        raise bad(f"'{name}' is missing; it is an array of texts." if name not in members else f"'{name}' is no array.")
    if not value:
        raise bad(f"'{name}' is empty.")
    if len(value) > most:
        raise Refusal(Refused.CONTENT_TOO_LARGE, f"'{name}' has {len(value)} items, where {most} are taken (setting api_items).")
    for index, one in enumerate(value):
        if not isinstance(one, str) or not one:
            raise bad(f"{name}[{index}] is no text, or an empty one.")
    return value


def urls_of(texts: Sequence[str], company: VendorSettings, warn: Warn) -> dict[str, Key]:
    """The URLs that are the company's, as they were given, and what they are. Raises Refusal when one is no URL, or none is left."""
    found: dict[str, Key] = {}
    for index, text in enumerate(texts):
        key = parse_url(text)
        if isinstance(key, str):
            raise bad(f"urls[{index}]: {key}")
        if company.hosts and key.host.decode() not in company.hosts:
            warn(f"urls[{index}]: {key.host.decode()} is no host of company {company.id[:SHOWN]}; left out, of the answer too")
        else:
            found[text] = key
    if not found:
        raise bad(f"None of the URLs has a host of company {company.id[:SHOWN]}: {', '.join(company.hosts[:20])}.")
    return found


def below(host: bytes, target: bytes) -> str:
    """The ban expression for everything of a host whose path and query begin with these bytes."""
    pattern = _META.sub(_literally, target.decode("ascii", "replace"))
    return f"req.http.host == {quoted(host.decode())} && req.url ~ {quoted('^' + pattern)}"


_META = re.compile(r"[\\.^$|?*+()\[\]{}]")


def _literally(meta: re.Match[str]) -> str:
    """In a class rather than escaped, as far as that goes: in a ban's quotes backslashes are doubled."""
    return f"[{meta[0]}]" if meta[0] not in "\\^]" else f"\\{meta[0]}"


def _flag(members: Mapping[str, Any], name: str, documented: str) -> bool:
    """A member that is on or off, in any of the spellings of the vendor's clients. Raises Refusal."""
    value = members.get(name)
    if value in (None, False, 0, "0", "false", ""):
        return False
    if value in (True, 1, "1", "true"):
        return True
    raise bad(f"{name!r} is {str(value)[:SHOWN]!r}, where {documented} means yes and leaving it out no.")
