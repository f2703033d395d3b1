"""Which site and which path is a request for (RFC 9110 7.1, RFC 9112 3.2, 3.3)?"""

from __future__ import annotations

from typing import NamedTuple

from edgecache.http1.problem import Problem, failed, refused
from edgecache.semantics.fields import list_members
from edgecache.semantics.message import RequestHead, values
from edgecache.semantics.proxy_status import ProxyError
from edgecache.semantics.urls import normalise_authority, split_target


class Located(NamedTuple):
    """The target URI of a request. `host` is normalised; `path` is path and query byte for byte, or `*`."""

    scheme: bytes
    host: bytes
    path: bytes


def locate(head: RequestHead, scheme: bytes, default_host: bytes) -> Located | Problem:
    """The target URI, with the scheme under which this listener is known.

    An absolute-form target wins over Host (RFC 9112 3.2.2) but never makes the edge a forward proxy: it picks the site, and sites have
    one origin. HTTP/1.0 requests without Host are for `default_host`. 400 when Host is missing, repeated or malformed.
    """
    hosts = values(head.fields, b"host")
    if len(hosts) > 1:
        return refused(400, "Host is given more than once (RFC 9112 3.2)")
    if not hosts and head.minor >= 1:
        return refused(400, "Host is missing: HTTP/1.1 asks for it in every request (RFC 9112 3.2)")
    target = split_target(head.method, head.target)
    if target is None:
        shown = head.target[:40].decode("latin-1")
        return refused(400, f"the request target {shown!a} is no path, no http URL and not * for OPTIONS (RFC 9112 3.2)")
    named = hosts[0] if hosts else default_host
    host = normalise_authority(named, scheme)
    if host is None:
        return refused(400, f"Host {named[:60].decode('latin-1')!a} is not a host name or address with an optional port (RFC 9110 7.2)")
    if target.authority is not None:
        host = normalise_authority(target.authority, scheme)
        if host is None:
            shown = target.authority[:60].decode("latin-1")
            return refused(400, f"{shown!a} in the request target is not a host with an optional port (RFC 9112 3.2.2)")
    return Located(scheme, host, target.path)


def has_been_here(head: RequestHead, pseudonym: bytes) -> Problem | None:
    """Does Via name this very edge (RFC 9110 7.6.3)? Then the origin leads back to us, and forwarding would never end."""
    for member in list_members(values(head.fields, b"via")):
        parts = member.split(None, 2)
        if len(parts) > 1 and parts[1] == pseudonym:
            return failed(ProxyError.PROXY_LOOP_DETECTED)
    return None
