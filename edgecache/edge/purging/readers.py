"""How each form of an invalidation request is read: from its target and fields to what is to be invalidated. Pure.

What names a URL is about the request's own host. Tags, bans and "everything" are for all sites, whatever Host says: so it is in a Varnish,
and programs that send them often name the cache there, or the first host that they know.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgecache.edge.purging.patterns import (
    is_for_all,
    is_for_all_paths,
    pattern_of_tags,
    tags_of_either,
    tags_of_pattern,
)
from edgecache.edge.purging.request import PurgeRequest, Step, Steps, shown
from edgecache.http1.problem import Problem, refused
from edgecache.invalidation.bans import quoted
from edgecache.invalidation.reading import Item
from edgecache.invalidation.selectors import AllSelector, HostSelector, Kind, Selector, UrlSelector
from edgecache.profiles.standard import TAG_FIELDS

SOFT, HOW = b"fastly-soft-purge", b"x-purge-method"
MAGENTO = b"x-magento-tags-pattern"
CLEAR = b"clear-cache"
HARD_KEYS, SOFT_KEYS = b"xkey-purge", b"xkey-softpurge"
EXPRESSIONS = (b"x-ban", b"ban-expression")
RESTRICTIONS = (
    (b"x-host", "req.http.host", is_for_all),
    (b"x-url", "req.url", is_for_all_paths),
    (b"x-content-type", "obj.http.content-type", is_for_all),
)
TAGS_OR_PATTERN = (b"cache-tags", b"purge-cache-tags")
TAG_CONDITIONS = (b"x-cache-tags", *TAGS_OR_PATTERN)
TAG_LISTS = tuple(dict.fromkeys((b"surrogate-key", b"cache-tag", b"xkey", *TAG_FIELDS)))  # those that are best known first


def is_soft(request: PurgeRequest) -> bool:
    """Is it to stay in the store, stale? Fastly-Soft-Purge says so by being there, whatever its value, as at Fastly."""
    return request.method == b"SOFTPURGE" or request.has(SOFT)


def is_for_host(request: PurgeRequest) -> bool:
    """Does nginx-helper mean everything? For one of nginx's modules it sends PURGE for a path beside the prefix, /purgeall."""
    prefix = request.rules.prefix
    return bool(prefix) and request.method != b"GET" and request.whole_target == prefix + b"all"


def has_pattern_as_target(request: PurgeRequest) -> bool:
    """Is the target an expression? `PURGE /.*` is one also without X-Purge-Method: no page has such a name, and plug-ins send it."""
    how = request.lines(HOW)
    return how[0].lower() == "regex" if how else request.url.target.endswith(b"/.*")


def read_url(request: PurgeRequest) -> Steps:
    """The URL itself, in all its variants and under both schemes."""
    return [Step([_url(request)], is_soft(request))]


def read_refresh(request: PurgeRequest) -> Steps:
    """As SOFTPURGE; who carries it out fetches the URL again."""
    return [Step([_url(request)], soft=True)]


def read_host(request: PurgeRequest) -> Steps:
    """Everything of the request's host."""
    return [Step([_host(request)], is_soft(request))]


def read_target_pattern(request: PurgeRequest) -> Steps:
    """What the target finds, as an expression, anywhere in targets of the request's host: a Varnish does not anchor it either."""
    raw = request.url.target
    try:
        pattern = raw.decode()
    except UnicodeDecodeError:
        pattern = raw.decode("latin-1")
    host = _host(request)
    if is_for_all_paths(pattern):
        return [Step([host], is_soft(request))]
    condition = f"req.http.host == {quoted(host.value)} && req.url ~ {quoted(pattern)}"
    return [Step(_selected([], [condition], "the request target"), is_soft(request))]


def read_magento(request: PurgeRequest) -> Steps:
    """Magento's tags; `.*` is its word for everything."""
    pattern = request.one(MAGENTO)
    if isinstance(pattern, Problem):
        return pattern
    if not pattern:
        return _nothing_named(MAGENTO)
    if is_for_all(pattern):
        return [Step([AllSelector()], is_soft(request))]
    tags, conditions = _tags_or_condition(request, b"x-magento-tags", tags_of_pattern(pattern), pattern)
    return [Step(_selected(tags, conditions, shown(MAGENTO)), is_soft(request))]


def read_tag_lists(request: PurgeRequest) -> Steps:
    """The tags that fields list which also have tags in responses."""
    return _listed(request, [name for name in TAG_LISTS if request.has(name)], is_soft(request))


def read_clear(request: PurgeRequest) -> Steps:
    """Everything, if the field says true."""
    value = request.one(CLEAR)
    if isinstance(value, Problem):
        return value
    if value is None or value.lower() != "true":
        return refused(400, f"Clear-Cache is {value!a}; the one value that means something is true")
    return [Step([AllSelector()], is_soft(request))]


def read_keys(request: PurgeRequest) -> Steps:
    """Keys to purge, keys to make stale, or both; first the former."""
    steps: list[Step] = []
    for name in (HARD_KEYS, SOFT_KEYS):
        if request.has(name):
            listed = _listed(request, [name], name == SOFT_KEYS)
            if isinstance(listed, Problem):
                return listed
            steps += listed
    return steps


def read_expressions(request: PurgeRequest) -> Steps:
    """Ban expressions, one in each field line."""
    return [Step([Item(Kind.BAN, line, member=shown(name)) for name in EXPRESSIONS for line in request.lines(name)])]


def read_conditions(request: PurgeRequest) -> Steps:
    """What all the fields that are given restrict. Tags alone are exact selectors; beside anything else they are one more condition."""
    conditions: list[str] = []
    tags: list[list[str]] = []
    for name, field, matches_all in RESTRICTIONS:
        pattern = request.one(name)
        if isinstance(pattern, Problem):
            return pattern
        if pattern is not None and not matches_all(pattern):
            conditions.append(f"{field} ~ {quoted(pattern)}")
    for name in TAG_CONDITIONS:
        pattern = request.one(name)
        if isinstance(pattern, Problem):
            return pattern
        if pattern is None:
            continue
        known = tags_of_either(pattern) if name in TAGS_OR_PATTERN else tags_of_pattern(pattern)
        if not pattern or known == []:
            return _nothing_named(name)
        exact, condition = _tags_or_condition(request, name, known, pattern)
        tags += [exact] if exact else []
        conditions += condition
    named = ", ".join(map(shown, request.fields))
    if len(tags) == 1 and not conditions:
        return [Step(_selected(tags[0], [], named))]
    conditions += [f"obj.tags ~ {quoted(pattern_of_tags(some))}" for some in tags]
    return [Step(_selected([], conditions, named) or [AllSelector()])]


def _url(request: PurgeRequest) -> UrlSelector:
    keyed = request.rules.keyed(request.url)
    return UrlSelector(keyed.host, keyed.target)


def _host(request: PurgeRequest) -> HostSelector:
    return HostSelector(request.rules.keyed(request.url._replace(target=b"/")).host)


def _tags_or_condition(request: PurgeRequest, name: bytes, known: list[str] | None, pattern: str) -> tuple[list[str], list[str]]:
    """The tags, where they are known and what the field has are tags here; else what the field has to look like."""
    if known is not None and (name in request.rules.tag_fields or name in TAGS_OR_PATTERN):
        return known, []
    return [], [f"obj.http.{name.decode()} ~ {quoted(pattern)}"]


def _selected(tags: Sequence[str], conditions: Sequence[str], member: str) -> Sequence[Item | Selector]:
    """`member` is where these come from, for sentences about what is wrong with them."""
    if conditions:
        return [Item(Kind.BAN, " && ".join(conditions), member=member)]
    return [Item(Kind.TAG, tag, member=member) for tag in tags]


def _listed(request: PurgeRequest, names: Sequence[bytes], soft: bool) -> Steps:
    tags = request.tags(*names)
    return [Step(_selected(tags, [], ", ".join(map(shown, names))), soft)] if tags else _nothing_named(*names)


def _nothing_named(*names: bytes) -> Problem:
    return refused(400, f"{', '.join(map(shown, names))} is empty; it names what is to be invalidated")
