"""Our member of Cache-Status (RFC 9211): what this cache did about a request, for whoever reads response fields."""

from __future__ import annotations

from edgecache.caching.decide import Fwd
from edgecache.caching.reasons import Reason

CACHE_NAME = "edgecache"


def cache_status(
    reason: Reason,
    *,
    fwd: Fwd | None = None,
    fwd_status: int | None = None,
    ttl_s: int | None = None,
    stored: bool = False,
    collapsed: bool = False,
    key: str | None = None,
) -> bytes:
    """The value of our member. It goes behind the members that came with the response: the nearest to the origin is first (RFC 9211 2).

    reason      why; its token becomes `detail`
    fwd         why the request was forwarded; None: it is answered from the store, which is a hit (RFC 9211 2.2: never both)
    fwd_status  the status that the origin answered with; None: it was not asked, or gave none
    ttl_s       what is left of the freshness lifetime, negative once it is over; None: nothing to say
    stored      the answer is being stored
    collapsed   the request did not go to the origin itself, but waited for another that did (RFC 9211 2.6)
    key         the key that it was looked up under, for whoever may know; None: not said
    """
    parts = [CACHE_NAME, "hit" if fwd is None else f"fwd={fwd}"]
    if fwd_status is not None:
        parts.append(f"fwd-status={fwd_status}")
    if ttl_s is not None:
        parts.append(f"ttl={ttl_s}")
    if stored:
        parts.append("stored")
    if collapsed:
        parts.append("collapsed")
    if key is not None:
        parts.append(f"key={_string(key)}")
    parts.append(f"detail={reason.token}")
    return "; ".join(parts).encode("ascii")


def _string(text: str) -> str:
    """An sf-string (RFC 9651 3.3.3): printable ASCII in quotes. What is not printable shows as a question mark."""
    printable = "".join(character if " " <= character <= "~" else "?" for character in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
