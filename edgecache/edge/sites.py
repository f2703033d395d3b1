"""Which site is a request for, and under which name is it keyed (docs/architecture.md, Names and sites)?

A site has one origin. Scripts purge https://www.example.com/app.js while the browser asks http://127.0.0.1:8080/app.js: with a public name
both are one key. What the client called the site is kept beside it, because answers that name the site must use that name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edgecache.edge.target import Located


@dataclass(frozen=True, slots=True)
class PublicName:
    """The name that the world knows a site by: scheme, and host as semantics.urls normalises it."""

    scheme: bytes
    host: bytes


@dataclass(frozen=True, slots=True)
class Site:
    """One site behind the edge.

    name         for people: in statistics, in purges that are for one site
    hosts        which Host it answers to: exact names, `*.example.com` for all names below, `*` for any
    public       its public name; None: every Host is a key of its own
    aliases      further names that are keyed under the public one
    origin_names what its origin calls itself, as authorities: answers that use these mean the site
    """

    name: str
    hosts: tuple[bytes, ...]
    public: PublicName | None
    aliases: frozenset[bytes]
    origin_names: frozenset[bytes]

    def is_called(self, host: bytes) -> bool:
        """Is this one of the site's names, the origin's own among them?"""
        return host in self.origin_names or host in self.aliases or (self.public is not None and host == self.public.host)

    def answers_to(self, host: bytes) -> int:
        """How closely does this site match a Host: 0 not at all, otherwise the more the closer."""
        if (self.public is not None and host == self.public.host) or host in self.aliases or host in self.hosts:
            return 1 << 20
        best = 0
        name = without_port(host)
        for pattern in self.hosts:
            if pattern == b"*":
                best = max(best, 1)
            elif pattern.startswith(b"*.") and name.endswith(pattern[1:]):
                best = max(best, len(pattern))
            elif pattern == name:  # a pattern without a port is for every port
                best = max(best, 1 << 19)
        return best


class Placed(NamedTuple):
    """A request's site, the target URI that it is keyed under, and the scheme and host that its client used."""

    site: Site
    located: Located
    used_scheme: bytes
    used_host: bytes


class Sites:
    """The sites of one edge. `loopback` are the names of the edge itself on this machine, with its port."""

    def __init__(self, sites: Sequence[Site], loopback: frozenset[bytes]) -> None:
        self.sites = tuple(sites)
        self._loopback = loopback
        self._known: dict[bytes, Site | None] = {}  # a bounded memo: there are few hosts, and each request asks

    def place(self, located: Located) -> Placed | None:
        """The site for a request and the URI it is keyed under; None when no site answers to that host."""
        host = located.host
        site = self._find(host)
        if site is None:
            return None
        public = site.public
        if public is not None and (host == public.host or host in site.aliases or host in self._loopback):
            return Placed(site, Located(public.scheme, public.host, located.path), located.scheme, host)
        return Placed(site, located, located.scheme, host)

    def hosts(self) -> list[str]:
        """What the sites answer to, for people."""
        return [host.decode() for site in self.sites for host in site.hosts]

    def _find(self, host: bytes) -> Site | None:
        if host in self._known:
            return self._known[host]
        if host in self._loopback:
            found: Site | None = next((site for site in self.sites if site.public is not None), self.sites[0])
            best = max(self.sites, key=lambda site: site.answers_to(host))
            if best.answers_to(host) > 1:  # somebody configured just this name
                found = best
        else:
            best = max(self.sites, key=lambda site: site.answers_to(host))
            found = best if best.answers_to(host) else None
        if len(self._known) < 4096:
            self._known[host] = found
        return found


def without_port(authority: bytes) -> bytes:
    """The host of an authority; an IPv6 address keeps its brackets."""
    return authority.rpartition(b"]")[0] + b"]" if authority.startswith(b"[") else authority.partition(b":")[0]


def loopback_names(port: int) -> frozenset[bytes]:
    """What the edge is called on its own machine when it listens on this port."""
    return frozenset(b"%s:%d" % (name, port) if port != 80 else name for name in (b"localhost", b"127.0.0.1", b"[::1]"))
