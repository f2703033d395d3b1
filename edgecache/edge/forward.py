"""What the origin gets to see of a request: end-to-end fields byte for byte, and what a gateway says of itself (RFC 9110 7.6)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from edgecache.edge.target import Located
from edgecache.http1.framing import CHUNKED
from edgecache.semantics.fields import connection_options, end_to_end, list_members
from edgecache.semantics.message import Fields, RequestHead, combined, field, values

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CHUNKED_FIELD = field(b"Transfer-Encoding", b"chunked")
# Set by the edge for the origin: whoever may not be believed does not get to say them.
FORWARDED = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto", b"x-forwarded-server")
)
# A client's own validators: a storable miss asks for the whole response, and the edge answers the condition itself.
CONDITIONS = frozenset((b"if-modified-since", b"if-none-match"))


class Forwarder:
    """Makes the fields that go to the origin. One per edge, from its configuration."""

    def __init__(self, pseudonym: bytes, trusted: Sequence[Network], origin_host: bytes | None) -> None:
        self.pseudonym = pseudonym
        self._via = (field(b"Via", b"1.0 " + pseudonym), field(b"Via", b"1.1 " + pseudonym))
        self._trusted = tuple(trusted)
        self._origin_host = origin_host  # None: as the client named it

    def believes(self, peer_ip: str) -> bool:
        """May this peer say for whom it asks (X-Forwarded-*)? Nobody may unless configured, loopback neither."""
        return bool(self._trusted) and is_within(peer_ip, self._trusted)

    def scheme(self, head: RequestHead, peer_ip: str, own: bytes) -> bytes:
        """The scheme the client used: a trusted X-Forwarded-Proto, else the listener's own."""
        if self._trusted and self.believes(peer_ip):
            said = (combined(head.fields, b"x-forwarded-proto") or b"").split(b",")[0].strip().lower()
            if said in (b"http", b"https"):
                return said
        return own

    def fields(self, head: RequestHead, located: Located, peer_ip: str, framing: int, upgrade: bytes | None) -> Fields:
        """The fields of the request as the origin will get them; Vary compares these, too."""
        address = peer_ip.encode("ascii", "replace")
        believed = self.believes(peer_ip)
        out: Fields = [field(b"Host", self._origin_host or located.host)]
        for one in end_to_end(head.fields):
            name = one[1]
            if name == b"host" or (name in FORWARDED and not believed) or name == b"x-forwarded-for":
                continue
            if name == b"expect" and head.minor == 0:
                continue  # RFC 9110 10.1.1: an expectation in an HTTP/1.0 request is ignored
            out.append(one)
        chain = combined(head.fields, b"x-forwarded-for") if believed else None
        out.append(field(b"X-Forwarded-For", b"%s, %s" % (chain, address) if chain else address))
        if not believed or combined(head.fields, b"x-forwarded-proto") is None:
            out.append(field(b"X-Forwarded-Proto", located.scheme))
        if not believed or combined(head.fields, b"x-forwarded-host") is None:
            out.append(field(b"X-Forwarded-Host", located.host))
        out.append(self._via[head.minor])
        _add_hop_by_hop(out, head, framing, upgrade)
        return out


def _add_hop_by_hop(out: Fields, head: RequestHead, framing: int, upgrade: bytes | None) -> None:
    """Our own hop's fields: the framing is kept, trailers are welcome if they are to the client, and an upgrade is passed on."""
    if framing == CHUNKED:
        out.append(CHUNKED_FIELD)
    options = []
    if any(member.lower() == b"trailers" for member in list_members(values(head.fields, b"te"))):
        options.append(b"TE")
        out.append(field(b"TE", b"trailers"))
    if upgrade is not None:
        options.append(b"Upgrade")
        out.append(field(b"Upgrade", upgrade))
    if options:
        out.append(field(b"Connection", b", ".join(options)))


def wanted_upgrade(head: RequestHead) -> bytes | None:
    """The protocols a client wants to switch to (RFC 9110 7.8), or None.

    h2c is left out: the edge does not speak it, and passing it on would let a client talk to the origin past the edge (RFC 9113 3.1
    has withdrawn it).
    """
    asked = values(head.fields, b"upgrade")
    if not asked or head.minor == 0 or b"upgrade" not in connection_options(head.fields):
        return None
    protocols = [protocol for protocol in list_members(asked) if protocol.lower() != b"h2c"]
    return b", ".join(protocols) if protocols else None


def without_conditions(fields: Fields) -> Fields:
    """The fields for a fetch whose answer may be stored: it must bring the whole response, not a 304 for somebody's own copy."""
    return [one for one in fields if one[1] not in CONDITIONS]


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Is this IP address in one of the networks? IPv4 addresses that arrive mapped into IPv6 count as IPv4."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    ip = mapped or ip
    return any(ip.version == network.version and ip in network for network in networks)
