"""URLs as a gateway meets them: Host values, request targets, and what people type (RFC 3986, RFC 9110 4.2, RFC 9112 3.2).

Paths and queries are never normalised: `//x//y`, `/..`, `?`, `%zz` and bytes above 0x7f mean to the origin whatever it says they mean.
Only scheme and authority have one spelling.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

DEFAULT_PORTS = {b"http": 80, b"https": 443}
AUTHORITY_BYTES = 255 + len(":65535")  # RFC 3986 3.2.2 asks for names of at most 255 characters

_REG_NAME = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_ABSOLUTE = re.compile(rb"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):(?P<rest>.*)", re.DOTALL)


class Key(NamedTuple):
    """A cache key (RFC 9111 2).

    scheme, host   host as `normalise_authority` gives it
    target         path and query byte for byte, less what a rule leaves out of the key
    extra          what a rule adds: values of fields and cookies, and a digest of what the rule says about keys; empty without one
    """

    scheme: bytes
    host: bytes
    target: bytes
    extra: bytes = b""

    @property
    def url(self) -> str:
        """The key as a URL for people and JSON; bytes beyond ASCII are shown percent-encoded."""
        raw = b"%s://%s%s" % (self.scheme, self.host, self.target)
        return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw)


class Target(NamedTuple):
    """A request target taken apart (RFC 9112 3.2).

    scheme     lower case, of the absolute form; None in the others
    authority  as received, of the absolute form and of CONNECT; None in the others
    path       path and query byte for byte; `*` for the whole server; empty for CONNECT
    """

    scheme: bytes | None
    authority: bytes | None
    path: bytes


def normalise_authority(value: bytes, scheme: bytes) -> bytes | None:
    """The one spelling of a `host[:port]` (RFC 3986 3.2, 6.2.2.1, 6.2.3), or None when it is not one.

    Lower case, without the default port of `scheme` and without one trailing dot; IPv6 in its shortest form (RFC 5952). User information,
    an empty host, a port that is no number up to 65535, anything beyond ASCII and more than 261 bytes are None.
    """
    if len(value) > AUTHORITY_BYTES:
        return None
    return _normalise_authority(value, scheme)


@lru_cache(maxsize=4096)  # every request has a Host, and nearly all have the same few; at most 261 bytes an entry
def _normalise_authority(value: bytes, scheme: bytes) -> bytes | None:
    if value[:1] == b"[":
        literal, bracket, rest = value[1:].partition(b"]")
        host = _ipv6(literal) if bracket else None
        if rest and not rest.startswith(b":"):
            return None
        port = rest[1:]
    else:
        name, _, port = value.partition(b":")
        host = name[:-1] if name.endswith(b".") else name
        host = host.lower() if _REG_NAME.fullmatch(host) else None
    if host is None:
        return None
    if not port:
        return host
    if not port.isdigit() or len(port) > 8 or int(port) > 65535:
        return None
    if int(port) == DEFAULT_PORTS.get(scheme):
        return host
    return b"%s:%d" % (host, int(port))


def split_target(method: bytes, target: bytes) -> Target | None:
    """Which resource does this request line ask for (RFC 9112 3.2)? None when the target is in no form that the method may have.

    Origin form for all methods but CONNECT; absolute form with http or https, an empty path becoming `/`; `*` for OPTIONS, also from an
    absolute form with neither path nor query (RFC 9112 3.2.4); `host:port` for CONNECT.
    """
    if method == b"CONNECT":
        port = target.rpartition(b":")[2]  # not optional here: it has no default (RFC 9110 9.3.6)
        if not port.isdigit() or normalise_authority(target, b"") is None:
            return None
        return Target(None, target, b"")
    if target[:1] == b"/":
        return Target(None, None, target)
    if target == b"*":
        return Target(None, None, target) if method == b"OPTIONS" else None
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        return None
    scheme, authority, rest = absolute["scheme"].lower(), absolute["authority"], absolute["rest"]
    if normalise_authority(authority, scheme) is None:
        return None
    if not rest and method == b"OPTIONS":
        return Target(scheme, authority, b"*")
    return Target(scheme, authority, rest if rest[:1] == b"/" else b"/" + rest)


def parse_url(text: str) -> Key | str:
    """The key that a URL as people type it leads to, or a sentence that says what is wrong with it.

    http and https only, written in full. A name beyond ASCII becomes its IDNA form, other characters beyond ASCII are percent-encoded as
    UTF-8 (RFC 3987 3.1), a fragment is dropped. Everything else stays as it is.
    """
    if not text:
        return "the URL is empty"
    bad = next((character for character in text if character <= " " or character == "\x7f" or "\ud800" <= character <= "\udfff"), None)
    if bad is not None:
        return f"{_shown(text)} contains {_named(bad)}; a URL has it percent-encoded"
    found = _SCHEME.fullmatch(text)
    if found is None or not found["rest"].startswith("//"):
        if found is not None and found["scheme"].lower() in ("http", "https"):
            return f"{_shown(text)} lacks the two slashes after the scheme"
        return f"{_shown(text)} is not a full URL; it begins with http:// or https://"
    scheme = found["scheme"].lower().encode()
    if scheme not in DEFAULT_PORTS:
        return f"{_shown(text)} has the scheme {_shown(found['scheme'])}; only http and https are cached"
    authority, rest = _authority_and_rest(found["rest"][2:])
    if "@" in authority:
        return f"{_shown(text)} contains a user name; nothing is stored under one"
    host = _ascii_authority(authority)
    normalised = None if host is None else normalise_authority(host, scheme)
    if normalised is None:
        return f"{_shown(text)} has no usable host: {_shown(authority)} is not a name or address with an optional port up to 65535"
    target = "".join(character if character < "\x80" else _percent_encoded(character) for character in rest.partition("#")[0])
    return Key(scheme, normalised, (target if target.startswith("/") else "/" + target).encode())


def resolve_reference(base: Key, reference: bytes) -> Key | None:
    """The URL that `reference`, absolute or relative to `base`, leads to (RFC 3986 5.2.2, strict); None when it is no http or https URL.

    Not urllib.parse.urljoin, which drops an empty query, empty parameters and empty segments: a target is byte for byte.
    """
    match = _REFERENCE.fullmatch(reference)
    assert match is not None  # each part may be absent: any bytes are a reference
    scheme, authority, path, query = match.groups()
    if authority is not None:
        scheme = (scheme or base.scheme).lower()
        host = normalise_authority(authority, scheme) if scheme in DEFAULT_PORTS else None
        return None if host is None else Key(scheme, host, _without_dots(path) + (query or b""))
    if scheme is not None:
        return None  # mailto:… and the like, and http:path, which names no host
    own_path, mark, own_query = base.target.partition(b"?")
    if not path:
        return Key(base.scheme, base.host, own_path + (mark + own_query if query is None else query))
    if not path.startswith(b"/"):
        path = (own_path[: own_path.rfind(b"/") + 1] or b"/") + path
    return Key(base.scheme, base.host, _without_dots(path) + (query or b""))


# RFC 3986 appendix B, without the fragment: scheme, authority, path, and the query with its question mark.
_REFERENCE = re.compile(rb"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(\?[^#]*)?(?:#.*)?", re.DOTALL)


def _without_dots(path: bytes) -> bytes:
    """An absolute path with its "." and ".." segments carried out (RFC 3986 5.2.4); "/" for an empty one."""
    segments = path.split(b"/")
    kept: list[bytes] = []
    for segment in segments[1:]:
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)


def _ipv6(literal: bytes) -> bytes | None:
    """The address in its shortest form; None when it is none. A zone (`%eth0`) means nothing to anybody but its own machine."""
    try:
        return b"[%s]" % str(IPv6Address(literal.decode("ascii"))).encode() if b"%" not in literal else None
    except (AddressValueError, UnicodeDecodeError):
        return None


def _authority_and_rest(after_slashes: str) -> tuple[str, str]:
    end = next((index for index, character in enumerate(after_slashes) if character in "/?#"), len(after_slashes))
    return after_slashes[:end], after_slashes[end:]


def _ascii_authority(authority: str) -> bytes | None:
    """The authority with its name in IDNA form; None when the name has none."""
    if authority.isascii():
        return authority.encode()
    name, colon, port = authority.partition(":")
    try:
        return name.encode("idna") + (colon + port).encode("ascii")
    except UnicodeError:
        return None


def _percent_encoded(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def _shown(text: str) -> str:
    """What the user wrote, on one line and not endless."""
    return repr(text) if len(text) <= 200 else repr(text[:200]) + "…"


def _named(character: str) -> str:
    return "a space" if character == " " else f"the character {character!r}"
