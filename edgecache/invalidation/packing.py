"""A selector as the log file keeps it, and back."""

from __future__ import annotations

from typing import assert_never

from edgecache.caching.stored import Key
from edgecache.invalidation.bans import Ban, parse_ban
from edgecache.invalidation.selectors import (
    AllSelector,
    BanSelector,
    GroupSelector,
    HostSelector,
    KeySelector,
    PathSelector,
    PrefixSelector,
    Selector,
    TagSelector,
    UrlSelector,
)

Packed = list[str | bytes | bool]


def pack(selector: Selector) -> Packed:
    """A selector as the log file keeps it: kind, scope, and what makes it one."""
    match selector:
        case UrlSelector(host, target, site):
            return ["url", site, host, target]
        case KeySelector(key, site):
            return ["key", site, *key]
        case PathSelector(target, wildcard, site):
            return ["path", site, target, wildcard]
        case PrefixSelector(host, path, site):
            return ["prefix", site, host, path]
        case HostSelector(host, site):
            return ["host", site, host]
        case TagSelector(tag, site):
            return ["tag", site, tag.encode("utf-8", "surrogateescape")]  # bytes that were no UTF-8 are surrogates
        case GroupSelector(scheme, host, name, site):
            return ["group", site, scheme, host, name]
        case AllSelector(site):
            return ["all", site]
        case BanSelector(ban, site):
            return ["ban", site, ban.text]
        case _:
            assert_never(selector)


def unpack(packed: Packed) -> Selector:
    """The selector that `pack` made this of. ValueError when it is none."""
    match packed:
        case ["url", str(site), bytes(host), bytes(target)]:
            return UrlSelector(host, target, site)
        case ["key", str(site), bytes(scheme), bytes(host), bytes(target), bytes(extra)]:
            return KeySelector(Key(scheme, host, target, extra), site)
        case ["path", str(site), bytes(target), bool(wildcard)]:
            return PathSelector(target, wildcard, site)
        case ["prefix", str(site), bytes(host), bytes(path)]:
            return PrefixSelector(host, path, site)
        case ["host", str(site), bytes(host)]:
            return HostSelector(host, site)
        case ["tag", str(site), bytes(tag)]:
            return TagSelector(tag.decode("utf-8", "surrogateescape"), site)
        case ["group", str(site), bytes(scheme), bytes(host), str(name)]:
            return GroupSelector(scheme, host, name, site)
        case ["all", str(site)]:
            return AllSelector(site)
        case ["ban", str(site), str(text)]:
            ban = parse_ban(text)
            if isinstance(ban, Ban):
                return BanSelector(ban, site)
    raise ValueError(f"no selector: {packed[:1]}")
