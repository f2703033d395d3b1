"""What a cache may do one way or the other, as data: a profile says how one CDN, or the plain RFCs, do it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal

SetCookie = Literal["store", "refuse", "strip"]


class Separators(enum.Enum):
    """What stands between the tags of one field line."""

    COMMA = "comma"  # and white space around it counts for nothing
    SPACE = "space"  # any white space
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class TagRules:
    """Where the tags of a response are, and when two are the same.

    fields        names in lower case of the response fields that carry tags, with what separates these; clients do not get the fields
    ignores_case  ASCII letters count alike in either case
    count         a response with more tags is not stored, each counted once;
    size_bytes    nor is one whose tags come to more bytes, separators aside
    """

    fields: tuple[tuple[bytes, Separators], ...] = ()
    ignores_case: bool = True
    count: int = 1000
    size_bytes: int = 16 * 1024


@dataclass(frozen=True, slots=True)
class Profile:
    """How to decide where the RFCs leave a choice or a CDN departs from them.

    name                       as users write it
    obeys_request_directives   Cache-Control and Pragma of requests count (RFC 9111 5.2.1 allows either; CDNs ignore them)
    set_cookie                 answers that set cookies are stored like others (no RFC forbids it), not at all (as several CDNs do it), or
                               stored without their Set-Cookie; the client whose request brought the answer gets it as it came in any case
    targeted_fields            response fields that count in the place of Cache-Control, lower case, the first valid one wins (RFC 9213 2.2)
    heuristic_fraction         of the time since its last modification, how much a response without a lifetime is fresh (RFC 9111 4.2.2);
    heuristic_cap_s            and at most for how long
    sorts_languages            the order of languages in Accept-Language tells no variants apart, only their weights
    tags                       which fields carry tags, and what the tags are
    """

    name: str
    obeys_request_directives: bool
    set_cookie: SetCookie
    targeted_fields: tuple[bytes, ...] = (b"cdn-cache-control",)
    heuristic_fraction: float = 0.1
    heuristic_cap_s: float = 86400.0
    sorts_languages: bool = False
    tags: TagRules = TagRules()
