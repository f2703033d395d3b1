"""What did somebody probably mean whose purge matched nothing? What is stored that differs only in a detail.

The store is walked, for at most `BUDGET_S`, and not at all when the walk before was too short a while ago: a script that purges ten
thousand URLs that are not stored must not walk the store ten thousand times.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Sequence
from urllib.parse import unquote_to_bytes

from edgecache.caching.stored import Key, StoredResponse
from edgecache.invalidation.selectors import HostSelector, KeySelector, PrefixSelector, Selector, TagSelector, UrlSelector, shown

BUDGET_S = 0.2
REST = 20  # walks take at most one part in so many of the time
MOST_ASKED = 100
MOST_HINTS = 10
MOST_HOSTS = 5

Asked = UrlSelector | KeySelector


class Hints:
    """Looks for what was probably meant. `objects` walks the store, `exists` says whether a stored response counts."""

    def __init__(
        self,
        objects: Callable[[], AsyncIterable[StoredResponse]],
        exists: Callable[[StoredResponse], bool],
        monotonic: Callable[[], float],
    ) -> None:
        self._objects = objects
        self._exists = exists
        self._monotonic = monotonic
        self._rest_until = float("-inf")

    async def about(self, selectors: Sequence[Selector]) -> list[str]:
        """Sentences about selectors that matched nothing; none when there is nothing to say, or it is too early to look again."""
        began = self._monotonic()
        if began < self._rest_until:
            return []
        asked: dict[bytes, list[Asked]] = {}
        for selector in selectors[:MOST_ASKED]:
            if isinstance(selector, UrlSelector | KeySelector):
                asked.setdefault(_folded(_key(selector)), []).append(selector)
        hosts: dict[bytes, None] = {}
        missing = dict.fromkeys(_host(selector) for selector in selectors)  # hosts that were named, less those that are stored
        missing.pop(b"", None)
        tags = 0
        found: dict[str, None] = {}
        saw_all = True
        async for stored in self._objects():
            if self._exists(stored):
                missing.pop(stored.key.host, None)
                if len(hosts) <= MOST_HOSTS:
                    hosts[stored.key.host] = None
                tags += bool(stored.tags)
                for selector in asked.get(_folded(stored.key), ()):
                    twin = _twin(selector, stored.key)
                    if twin is not None:
                        found[twin] = None
            if len(found) >= MOST_HINTS or self._monotonic() - began > BUDGET_S:
                saw_all = False
                break
        now = self._monotonic()
        self._rest_until = now + REST * (now - began)
        return [*found, *(_general(selectors, hosts, missing, tags, quiet=bool(found)) if saw_all else [])]

    async def about_uncounted(self, selectors: Sequence[Selector], existed: Callable[[StoredResponse], bool]) -> list[str]:
        """Sentences about hosts, prefixes and tags that can have matched nothing, where nobody counted what they matched.

        The walk ends as soon as something was seen under each host that is named, and something with a tag. `existed`: did a stored
        response count before?
        """
        named = [one for one in selectors if isinstance(one, HostSelector | PrefixSelector | TagSelector)]
        began = self._monotonic()
        if not named or began < self._rest_until:
            return []
        missing = dict.fromkeys(_host(one) for one in named)
        missing.pop(b"", None)
        needs_tag = any(isinstance(one, TagSelector) for one in named)
        hosts: dict[bytes, None] = {}
        tags = 0
        saw_all = True
        async for stored in self._objects():
            if existed(stored):
                missing.pop(stored.key.host, None)
                if len(hosts) <= MOST_HOSTS:
                    hosts[stored.key.host] = None
                tags += bool(stored.tags)
            if (hosts and not missing and (tags or not needs_tag)) or self._monotonic() - began > BUDGET_S:
                saw_all = False
                break
        now = self._monotonic()
        self._rest_until = now + REST * (now - began)
        return _general(named, hosts, missing, tags, quiet=False) if saw_all else []


def _key(selector: Asked) -> Key:
    return selector.key if isinstance(selector, KeySelector) else Key(b"http", selector.host, selector.target)


def _folded(key: Key) -> bytes:
    """What URLs have in common that one might take for another: the path without query and end slash, whatever its case and encoding."""
    return unquote_to_bytes(key.target.partition(b"?")[0].rstrip(b"/")).lower()


def _twin(asked: Asked, stored: Key) -> str | None:
    """What is stored instead, and in what it differs. None when it differs in nothing, and was stored since."""
    key = _key(asked)
    path, mark, query = key.target.partition(b"?")
    other_path, other_mark, other_query = stored.target.partition(b"?")
    differs = []
    if isinstance(asked, KeySelector) and key.scheme != stored.scheme:
        differs.append("scheme")
    if key.host != stored.host:
        differs.append("host")
    if path != other_path:
        if path.rstrip(b"/") == other_path.rstrip(b"/"):
            differs.append("slash at the end")
        elif path.lower() == other_path.lower():
            differs.append("upper and lower case")
        elif unquote_to_bytes(path) == unquote_to_bytes(other_path):
            differs.append("percent-encoding")
        else:
            differs.append("spelling")
    if (mark, query) != (other_mark, other_query):
        differs.append("query")
    if isinstance(asked, KeySelector) and not differs and key.extra != stored.extra:
        differs.append("fields in the key")
    if not differs:
        if not asked.site:
            return None
        return f"{key.url} is stored, and not for the site {asked.site}"
    what = " and ".join(differs)
    advice = ""
    if differs == ["host"]:
        advice = f"; with --public-url http://{shown(key.host)} the edge keeps it under the host that you named"
    if not stored.target.isascii():  # which a URL in text cannot say
        advice += "; it was asked for with bytes beyond ASCII as they are: PURGE, a path that ends in * or a ban can name it"
    return f"nothing is stored for {key.url}; stored is {stored.url} (other {what}){advice}"


def _general(selectors: Sequence[Selector], hosts: dict[bytes, None], missing: dict[bytes, None], tags: int, *, quiet: bool) -> list[str]:
    """What can be said without a twin: that nothing is stored at all, under other hosts only, or without tags."""
    if not hosts:
        return ["nothing at all is stored"]
    said = []
    if missing and not quiet:
        known = [shown(host) for host in hosts][:MOST_HOSTS] + (["and others"] if len(hosts) > MOST_HOSTS else [])
        first = shown(next(iter(missing)))
        said.append(f"nothing is stored under the host {first}; stored hosts: {', '.join(known)} (see --public-url http://{first})")
    if not tags and any(isinstance(one, TagSelector) for one in selectors):
        said.append("no stored response has a tag: does the origin send a tag field, such as Surrogate-Key or Cache-Tag?")
    return said


def _host(selector: Selector) -> bytes:
    match selector:
        case UrlSelector(host=host) | HostSelector(host=host) | PrefixSelector(host=host):
            return host
        case KeySelector(key=key):
            return key.host
        case _:
            return b""
