"""Where a site is, and under which URL the world knows it."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import NamedTuple

from edgecache.config.hosts import host_port, joined
from edgecache.config.values import ConfigError, shown
from edgecache.semantics.urls import normalise_authority


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where the site is: what to connect to, and what it calls itself.

    scheme     http, https or unix
    host       name or address to connect to, without brackets; empty for unix
    port       port to connect to; 0 for unix
    path       the socket's path for unix; empty otherwise
    authority  its own name as Host carries it, default port left out (RFC 9110 4.2.3); b"localhost" for unix
    """

    scheme: str
    host: str
    port: int
    path: str
    authority: bytes

    @property
    def url(self) -> str:
        """The origin as people write it."""
        return f"unix:{self.path}" if self.scheme == "unix" else f"{self.scheme}://{self.authority.decode()}"


_DEFAULT_PORTS = {"http": 80, "https": 443}
_SOCKET_PATH_BYTES = 107  # what sockaddr_un holds on Linux; macOS takes 103 and says so itself


def parse_origin(text: str) -> Origin:
    """Which origin does "http://localhost:3000", "https://example.com" or "unix:/run/app.sock" name?

    ConfigError for everything else. An origin has no path: targets are forwarded byte for byte, so there is no place for a prefix.
    """
    if text.startswith("unix:"):
        return _unix_origin(text)
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator:
        plain = re.sub(r"[/?#].*", "", text, flags=re.DOTALL)
        meant = f"localhost:{plain}" if re.fullmatch(r":?[0-9]+", plain) else plain
        hint = f"http://{meant.replace('::', ':')}" if host_port(meant.replace("::", ":")) else "http://localhost:3000"
        raise ConfigError(f"{shown(text)} is not an origin URL; write {hint}")
    if scheme not in _DEFAULT_PORTS:
        raise ConfigError(f"{shown(text)} is not an origin that can be used; write http://HOST:PORT, https://HOST or unix:/PATH")
    authority, beyond = re.fullmatch(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    found = host_port(re.sub(r":$", "", authority.rpartition("@")[2]))
    if not found or found[1] == 0:
        raise ConfigError(
            f"{shown(text)} has no usable host and port; write {scheme}://HOST or {scheme}://HOST:PORT, ports from 1 to 65535"
        )
    host, port = found[0], found[1] or _DEFAULT_PORTS[scheme]
    name = f"[{host.partition('%')[0]}]" if ":" in host else host
    origin = Origin(scheme, host, port, "", (name if port == _DEFAULT_PORTS[scheme] else f"{name}:{port}").encode())
    if "@" in authority:
        raise ConfigError(f"{shown(text)} holds credentials, which the edge does not send; write {origin.url}")
    if beyond not in ("", "/"):
        raise ConfigError(f"{shown(text)} goes on after the host, but paths are forwarded as clients send them; write {origin.url}")
    return origin


def _unix_origin(text: str) -> Origin:
    path = re.sub(r"^//(?=/)", "", text.removeprefix("unix:"))  # unix:///run/app.sock is as common as unix:/run/app.sock
    if not path.startswith("/") or path.startswith("//") or "\0" in path:
        raise ConfigError(f"{shown(text)} has no absolute path; write unix:/PATH, such as unix:/run/app.sock")
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        raise ConfigError(f"{shown(text)} is longer than a socket's path can be; use one of at most {_SOCKET_PATH_BYTES} bytes")
    return Origin("unix", "", 0, path, b"localhost")


class PublicUrl(NamedTuple):
    """The name that the world knows a site by: scheme, and host as semantics.urls.normalise_authority gives it."""

    scheme: bytes
    host: bytes


def parse_public_url(text: str) -> PublicUrl:
    """Which public name is "https://www.example.com"? ConfigError if it is none, or has more than scheme, host and port."""
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        name = re.sub(r"^[^/]*//|[/?#].*|.*@", "", text, flags=re.DOTALL)
        hint = f"https://{name}" if host_port(name) else "https://www.example.com"
        raise ConfigError(f"{shown(text)} is not a public URL; write {hint}")
    named, beyond = re.fullmatch(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    found = host_port(re.sub(r":$", "", named.rpartition("@")[2]))
    host = normalise_authority(joined(*found), scheme.encode()) if found and found[1] != 0 else None
    if host is None:
        raise ConfigError(
            f"{shown(text)} has no usable host and port; write {scheme}://HOST or {scheme}://HOST:PORT, ports from 1 to 65535"
        )
    if "@" in named:
        raise ConfigError(f"{shown(text)} holds credentials, which are no part of a name; write {scheme}://{host.decode()}")
    if beyond not in ("", "/"):
        raise ConfigError(f"{shown(text)} goes on after the host, but a site is known by its host; write {scheme}://{host.decode()}")
    return PublicUrl(scheme.encode(), host)
