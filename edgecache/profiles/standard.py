"""`standard`: a shared cache as the RFCs describe it, so that one sees the rule and not a vendor's habit."""

from __future__ import annotations

from edgecache.caching.profile import Profile

STANDARD = Profile(name="standard", obeys_request_directives=True, set_cookie="store")
