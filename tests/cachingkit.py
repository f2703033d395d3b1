"""What tests of the decisions are made of: fields, requests, stored responses and answers, all around one moment."""

from __future__ import annotations

import re
from typing import Any

from edgecache.caching.conclusion import Answer
from edgecache.caching.freshness import derive
from edgecache.caching.profile import Profile
from edgecache.caching.request import PresentedRequest
from edgecache.caching.rules import Rule
from edgecache.caching.stored import Key, StoredResponse
from edgecache.profiles.standard import STANDARD
from edgecache.semantics.cache_control import parse_cache_control
from edgecache.semantics.dates import format_http_date
from edgecache.semantics.message import Fields, ResponseHead, field, values

NOW = 1_800_000_000.0  # when what is stored arrived, or the answer that is concluded
KEY = Key(b"http", b"h", b"/a")
DATE = "Date: {0}"


class Held:
    """Content of some length."""

    def __init__(self, length: int) -> None:
        self.length = length


def fields(*lines: str) -> Fields:
    """Field lines; {-10} in one is the HTTP date ten seconds before NOW."""
    made = []
    for line in lines:
        name, _, value = line.partition(":")
        value = re.sub(r"\{(-?\d+)\}", lambda found: format_http_date(NOW + int(found[1])).decode(), value.strip())
        made.append(field(name.strip().encode("latin-1"), value.encode("latin-1")))
    return made


def request(*lines: str, method: bytes = b"GET", has_content: bool = False, rule: Rule | None = None, key: Key = KEY) -> PresentedRequest:
    own = fields("Host: h", *lines)
    return PresentedRequest(method, key, own, has_content, parse_cache_control(values(own, b"cache-control")), rule=rule)


def stored(*lines: str, status: int = 200, profile: Profile = STANDARD, length: int = 10, **differently: Any) -> StoredResponse:
    """A response with these fields that arrived at NOW, with what the profile derives of them."""
    own = fields(*lines)
    offset_s = differently.get("offset_s", 0.0)
    derived = derive(own, status, profile, request_time=NOW, response_time=NOW, offset_s=offset_s)
    what: dict[str, Any] = {
        "key": KEY,
        "status": status,
        "reason": b"OK",
        "fields": own,
        "vary": (),
        "body": Held(length),
        "request_time": NOW,
        "response_time": NOW,
        "offset_s": offset_s,
        "position": 1,
        "start": 1,
        "lifetime_s": derived.lifetime_s,
        "initial_age_s": derived.initial_age_s,
        "terms": derived.terms,
    }
    return StoredResponse(**{**what, **differently})


def answer(*lines: str, status: int = 200, at: float = NOW, delay_s: float = 0.0, offset_s: float = 0.0) -> Answer:
    """The head of an answer that arrived at edge time `at` plus the offset."""
    return Answer(ResponseHead(status, b"", 1, fields(*lines)), at + offset_s - delay_s, at + offset_s, offset_s)
