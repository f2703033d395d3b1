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
) -> bytes:
    """The value of our member. It goes behind the members that came with the response: the nearest to the origin is first (RFC 9211 2).

    reason      why; its token becomes `detail`
    fwd         why the request was forwarded; None: it is answered from the store, which is a hit (RFC 9211 2.2: never both)
    fwd_status  the status that the origin answered with; None: it was not asked, or gave none
    ttl_s       what is left of the freshness lifetime, negative once it is over; None: nothing to say
    stored      the answer is being stored
    """
    parts = [CACHE_NAME, "hit" if fwd is None else f"fwd={fwd}"]
    if fwd_status is not None:
        parts.append(f"fwd-status={fwd_status}")
    if ttl_s is not None:
        parts.append(f"ttl={ttl_s}")
    if stored:
        parts.append("stored")
    parts.append(f"detail={reason.token}")
    return "; ".join(parts).encode("ascii")
