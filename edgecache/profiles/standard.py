"""`standard`: a shared cache as the RFCs describe it, so that one sees the rule and not a vendor's habit."""

from __future__ import annotations

from edgecache.caching.profile import Profile, Separators, TagRules

# No RFC knows tags, so every field counts in which a CDN or a framework has them: Fastly, Transparent Edge, Cloudflare, Drupal (two),
# Varnish's xkey, FOSHttpCache, Magento, Akamai. Some separate by commas and some by white space, but plug-ins write Cache-Tag with either.
TAG_FIELDS = (
    b"surrogate-key",
    b"surrogate-keys",
    b"cache-tag",
    b"cache-tags",
    b"purge-cache-tags",
    b"xkey",
    b"x-cache-tags",
    b"x-magento-tags",
    b"edge-cache-tag",
)

STANDARD = Profile(
    name="standard",
    obeys_request_directives=True,
    set_cookie="store",
    tags=TagRules(tuple((name, Separators.EITHER) for name in TAG_FIELDS)),
)
