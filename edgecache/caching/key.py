"""Cache keys (RFC 9111 2): which requests ask for the same thing."""

from __future__ import annotations

from edgecache.caching.profile import Profile
from edgecache.caching.rules import Rule, cookies_named, normalised_target
from edgecache.caching.stored import Key
from edgecache.semantics.message import Fields, combined, values


def cache_key(scheme: bytes, host: bytes, target: bytes, fields: Fields, profile: Profile, rule: Rule | None = None) -> Key:
    """Under which key is a request for this URL looked up and its answer stored?

    `host` as semantics.urls.normalise_authority gives it, `target` byte for byte, `fields` those of the request, `rule` what
    RuleSet.match gave for host and target. A profile may leave out parts of the URL or add fields, which is why it is asked; `standard`
    does neither: RFC 9111 4 compares the target URI as it is.
    """
    if rule is None:
        return Key(scheme, host, target)
    return Key(scheme, host, normalised_target(target, rule), _extra(fields, rule))


def _extra(fields: Fields, rule: Rule) -> bytes:
    """What `rule` adds: one line for its digest and one for each field and cookie. Absent is not the same as empty."""
    lines = [rule.key_digest]
    for name in sorted(rule.key_headers):
        value = combined(fields, name.encode("latin-1"))
        lines.append(name.encode("latin-1") + (b"" if value is None else b": " + value))
    found = cookies_named(values(fields, b"cookie"), rule.key_cookies) if rule.key_cookies else {}
    lines.extend(b"cookie %s=%s" % pair for pair in sorted(found.items()))
    return b"\n".join(lines) if lines != [b""] else b""
