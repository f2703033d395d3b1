"""Answers that name the origin, or the site's public name, are mapped to the name that this client used: at delivery, never in the store.

Otherwise a redirect leads past the edge, and a cookie's Domain keeps it from coming back.
"""

from __future__ import annotations

import re

from edgecache.edge.sites import Placed, without_port
from edgecache.semantics.message import Field, Fields
from edgecache.semantics.urls import normalise_authority

NAMING = frozenset((b"location", b"content-location", b"refresh", b"set-cookie"))
_URL = re.compile(rb"(?:(https?):)?//([^/?#\s;,]*)", re.IGNORECASE)
_REFRESH = re.compile(rb"(\s*\d+(?:\.\d*)?\s*[;,]\s*(?:url\s*=\s*)?['\"]?)(https?://.*)", re.IGNORECASE)
_DOMAIN = re.compile(rb";\s*domain\s*=\s*\.?([^;\s]*)\s*(?=;|$)", re.IGNORECASE)


class NameMap:
    """Maps the fields of one answer for one client. `unneeded` when the client used the only name there is."""

    __slots__ = ("_names", "_used", "_used_host", "unneeded")

    def __init__(self, placed: Placed) -> None:
        site = placed.site
        names = set(site.origin_names)
        if site.public is not None:
            names.add(site.public.host)
        self._names = names
        self._used = b"%s://%s" % (placed.used_scheme, placed.used_host)
        self._used_host = placed.used_host
        self.unneeded = names <= {placed.used_host}

    def mapped(self, fields: Fields) -> Fields:
        """The fields as this client gets them; the same list when none of them names the site otherwise."""
        if self.unneeded or not any(one[1] in NAMING for one in fields):
            return fields
        return [self._mapped(one) if one[1] in NAMING else one for one in fields]

    def _mapped(self, one: Field) -> Field:
        line, name, value = one
        match name:
            case b"set-cookie":
                new = self.cookie(value)
            case b"refresh":
                found = _REFRESH.fullmatch(value)
                new = found[1] + self.url(found[2]) if found else value
            case _:
                new = self.url(value)
        return one if new == value else (line.partition(b":")[0] + b": " + new, name, new)

    def url(self, value: bytes) -> bytes:
        """An absolute URL of the site with the name that the client used; any other value as it is."""
        found = _URL.match(value)
        if found is None or normalise_authority(found[2], (found[1] or b"http").lower()) not in self._names:
            return value
        used = self._used if found[1] else b"//" + self._used_host
        return used + value[found.end() :]

    def cookie(self, value: bytes) -> bytes:
        """A Set-Cookie whose Domain is the site's, but not one that the client's name is in, without it: then the cookie is for just that
        name (RFC 6265 5.3), which is the one the client will come back to. The cookie's value is not looked at."""
        pair, semicolon, attributes = value.partition(b";")
        found = _DOMAIN.search(semicolon + attributes)
        if found is None:
            return value
        domain = found[1].lower()
        used = without_port(self._used_host)
        if used == domain or used.endswith(b"." + domain):
            return value
        if not any(without_port(name) == domain or without_port(name).endswith(b"." + domain) for name in self._names):
            return value
        rest = semicolon + attributes
        return pair + rest[: found.start()] + rest[found.end() :]
