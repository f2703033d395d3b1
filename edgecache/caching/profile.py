"""What a cache may do one way or the other, as data: a profile says how one CDN, or the plain RFCs, do it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """How to decide where the RFCs leave a choice or a CDN departs from them.

    name                       as users write it
    obeys_request_directives   Cache-Control and Pragma of requests count (RFC 9111 5.2.1 allows either; CDNs ignore them)
    stores_set_cookie          answers that set cookies are stored like others (no RFC forbids it; several CDNs do not)
    """

    name: str
    obeys_request_directives: bool
    stores_set_cookie: bool
