"""Hosts, addresses and networks as people write them (RFC 3986 3.2.2, RFC 9110 4.2)."""

from __future__ import annotations

import ipaddress
import re

import yarl

from edgecache.config.values import ConfigError, shown
from edgecache.semantics.urls import normalise_authority

_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)\]|([^\[\]:/?#@%\\\s]+))(?::([0-9]{1,5}))?")
_HOST_NAME = re.compile(r"(?=.{1,253}\.?\Z)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")


def host_port(text: str) -> tuple[str, int | None] | None:
    """Host in lower case without brackets, and port or None, of HOST, HOST:PORT, [IPV6] or [IPV6]:PORT; None if it is none of these."""
    found = _HOST_PORT.fullmatch(text)
    if not found or int(found[3] or 0) > 65535:
        return None
    port = int(found[3]) if found[3] else None
    try:
        if found[1]:
            return str(ipaddress.IPv6Address(found[1])), port
        # Names beyond ASCII become what is looked up and sent (IDNA). Labels are checked: the resolver would raise on a bad one.
        name = found[2] if found[2].isascii() else yarl.URL.build(scheme="http", host=found[2]).raw_host or ""
    except ValueError:
        return None
    return (name.lower(), port) if _HOST_NAME.fullmatch(name) else None


def is_loopback(host: str) -> bool:
    """Is the host this machine only? For addresses of IPv4 and IPv6, and localhost (RFC 6761 6.3); any other name counts as "no"."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def parse_listen(text: str) -> tuple[str, int]:
    """Which host and port are meant by "127.0.0.1:8080", "localhost:0" or "[::1]:8080"? ConfigError if none are."""
    found = host_port(text)
    if found and found[1] is not None:
        return found[0], found[1]
    hint = "127.0.0.1:8080"
    if re.fullmatch(r":?[0-9]{1,5}", text):
        hint = f"127.0.0.1:{text.lstrip(':')} (this machine only) or 0.0.0.0:{text.lstrip(':')} (every network)"
    elif found:
        hint = f"{text}:8080"
    elif host_port(f"[{text}]"):
        hint = f"[{text}]:8080"
    raise ConfigError(f"{shown(text)} is not an address to listen on; write HOST:PORT, such as {hint}")


def network(text: str) -> str:
    """An address or CIDR in its one spelling. ConfigError if it is none, or says more than its prefix holds."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ConfigError(f"{shown(text)} is not a network; write an address or a CIDR such as 10.0.0.0/8 or fd00::/8") from None
    raise ConfigError(f"{shown(text)} has bits beyond its prefix; write {meant}, or {text.partition('/')[0]} for one address")


def host(text: str) -> str:
    """A host without a port, in lower case and without brackets. ConfigError if it is none."""
    found = host_port(text) or host_port(f"[{text}]")
    if not found or found[1] is not None:
        raise ConfigError(f"{shown(text)} is not a host name; write it without scheme and port, such as edge.example.com")
    return found[0]


def authority(text: str) -> str:
    """HOST or HOST:PORT as a Host field's value is compared (semantics.urls.normalise_authority). ConfigError if it is neither."""
    found = host_port(text)
    name = found and normalise_authority(joined(*found), b"http")
    if not name:
        raise ConfigError(f"{shown(text)} is not a host; write HOST or HOST:PORT, such as www.example.com")
    return name.decode()


def host_pattern(text: str) -> str:
    """What a site answers to: HOST, HOST:PORT, *.HOST for all names below it, or * for any. ConfigError if it is none of these."""
    if text == "*":
        return text
    if not text.startswith("*."):
        if "*" not in text:
            return authority(text)
        raise ConfigError(f"{shown(text)} has a star in another place than its beginning; write *.example.com, or * for any host")
    found = host_port(text[2:])
    if not found or ":" in found[0]:
        raise ConfigError(f"{shown(text)} is not a host pattern; write HOST, HOST:PORT, *.example.com, or * for any host")
    if found[1] is not None:
        raise ConfigError(f"{shown(text)} has a port, but patterns with a star are for every port; write *.{found[0]}")
    return f"*.{found[0].rstrip('.')}"


def joined(name: str, port: int | None) -> bytes:
    """Host and port in one, with the brackets that IPv6 needs."""
    shown_name = f"[{name}]" if ":" in name else name
    return (shown_name if port is None else f"{shown_name}:{port}").encode()
