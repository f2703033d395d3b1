"""What a request with an invalidation method can ask for: a closed table, from which requests are read and the documentation is made. Pure.

A request has exactly one form. What belongs to two of them, to another method, or to none is refused with a sentence and never guessed: a
purge that silently does less than was meant is found by the visitors of a site.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgecache.edge.purging.readers import (
    CLEAR,
    EXPRESSIONS,
    HARD_KEYS,
    HOW,
    MAGENTO,
    RESTRICTIONS,
    SOFT,
    SOFT_KEYS,
    TAG_CONDITIONS,
    TAG_LISTS,
    has_pattern_as_target,
    is_for_host,
    read_clear,
    read_conditions,
    read_expressions,
    read_host,
    read_keys,
    read_magento,
    read_refresh,
    read_tag_lists,
    read_target_pattern,
    read_url,
)
from edgecache.edge.purging.request import PurgeRequest, PurgeRules, Step, Steps, below_prefix, shown
from edgecache.http1.problem import Problem, refused
from edgecache.semantics.message import RequestHead
from edgecache.semantics.urls import Key

HOWS = ("default", "exact", "regex")


@dataclass(frozen=True, slots=True)
class Form:
    """One way to ask.

    methods   those that have it
    when      what makes a request one of this form, for people; "" for what a method means when nothing else is said
    fields    those that say it; one is enough
    read      what it comes to
    phrase    the reason phrase of the answer
    meaning   what is invalidated, a sentence for people
    senders   who sends such requests
    examples  for the documentation: arguments for curl, the last of them the request target
    is_asked  for what is not said by fields
    one_url   is it about one URL, so that it can be told whether that was stored?
    refetch   is it fetched again?
    """

    methods: tuple[bytes, ...]
    when: str
    fields: tuple[bytes, ...]
    read: Callable[[PurgeRequest], Steps]
    phrase: str
    meaning: str
    senders: str
    examples: tuple[tuple[str, ...], ...]
    is_asked: Callable[[PurgeRequest], bool] | None = None
    one_url: bool = False
    refetch: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request comes to. Most often one step: only who names keys of both kinds in one PURGEKEYS asks for two."""

    form: Form
    steps: tuple[Step, ...]


_PURGES = (b"PURGE", b"SOFTPURGE")

FORMS = (
    Form(
        (*_PURGES, b"GET"),
        "",
        (SOFT, HOW),
        read_url,
        "Purged",
        "The URL of the request with its query, byte for byte, in every variant and under both schemes. A full URL in the request line "
        "wins over Host.",
        "Wagtail, FOSHttpCache, Proxy Cache Purge and W3 Total Cache for WordPress, Drupal, squidclient, curl; nginx-helper with GET",
        (
            ("-X", "PURGE", "/news/?page=2"),
            ("-X", "PURGE", "-H", "Host: www.example.com", "/news/"),
            ("-X", "PURGE", "--request-target", "http://www.example.com/news/", "/"),
            ("-X", "PURGE", "-H", "Fastly-Soft-Purge: 1", "/news/"),
            ("-X", "SOFTPURGE", "/news/"),
        ),
        one_url=True,
    ),
    Form(
        _PURGES,
        "X-Purge-Method: regex or a path that ends in /.*",
        (),
        read_target_pattern,
        "Purged",
        "What the request target, as a regular expression, finds anywhere in paths and queries of the request's host. `/.*` is all of it.",
        "Proxy Cache Purge and W3 Total Cache for WordPress",
        (("-X", "PURGE", "/.*"), ("-X", "PURGE", "-H", "X-Purge-Method: regex", "/blog/.*")),
        is_asked=has_pattern_as_target,
    ),
    Form(
        _PURGES,
        "the path of purge_get with all behind it",
        (),
        read_host,
        "Purged",
        "All of the request's host. Only with the setting `purge_get`.",
        "nginx-helper for WordPress",
        (("-X", "PURGE", "/purgeall"),),
        is_asked=is_for_host,
    ),
    Form(
        _PURGES,
        "X-Magento-Tags-Pattern",
        (MAGENTO,),
        read_magento,
        "Purged",
        "What has one of the tags in the expression; with `.*` everything.",
        "Magento 2",
        (
            ("-X", "PURGE", "-H", "X-Magento-Tags-Pattern: ((^|,)cat_p_1(,|$))|((^|,)cat_p_2(,|$))", "/"),
            ("-X", "PURGE", "-H", "X-Magento-Tags-Pattern: .*", "/"),
        ),
    ),
    Form(
        _PURGES,
        "tags in a tag field, such as Surrogate-Key, Cache-Tag or xkey",
        TAG_LISTS,
        read_tag_lists,
        "Purged",
        "What has one of these tags. Spaces and commas separate them.",
        "those who write VCL for vmod xkey",
        (
            ("-X", "PURGE", "-H", "Surrogate-Key: post-1 post-2", "/"),
            ("-X", "PURGE", "-H", "Cache-Tag: post-1,post-2", "-H", "Fastly-Soft-Purge: 1", "/"),
            ("-X", "SOFTPURGE", "-H", "xkey: post-1", "/"),
        ),
    ),
    Form(
        _PURGES,
        "Clear-Cache: true",
        (CLEAR,),
        read_clear,
        "Purged",
        "Everything.",
        "FOSHttpCache for Symfony's cache",
        (("-X", "PURGE", "-H", "Clear-Cache: true", "/"),),
    ),
    Form(
        (b"BAN",),
        "a ban expression in X-Ban or Ban-Expression",
        EXPRESSIONS,
        read_expressions,
        "Ban added",
        "What the expression is true of. Several field lines are several bans.",
        "curl, and those who write VCL",
        (("-X", "BAN", "-H", 'X-Ban: req.url ~ "^/news/" && obj.status == 200', "/"),),
    ),
    Form(
        (b"BAN",),
        "any of X-Host, X-Url, X-Content-Type, X-Cache-Tags and Cache-Tags",
        (*(name for name, *_ in RESTRICTIONS), *TAG_CONDITIONS),
        read_conditions,
        "Ban added",
        "What all of these regular expressions are found in: host, path and query, Content-Type, the tag field. `.*` restricts nothing; "
        "with nothing else that is everything. An expression that is made of tags, and a list of tags in Cache-Tags, are these tags.",
        "FOSHttpCache; Drupal's purgers with Cache-Tags",
        (
            ("-X", "BAN", "-H", "X-Host: ^www[.]example[.]com$", "-H", "X-Url: ^/news/", "-H", "X-Content-Type: .*", "/"),
            ("-X", "BAN", "-H", "X-Content-Type: ^image/", "/"),
            ("-X", "BAN", "-H", "X-Host: .*", "-H", "X-Url: .*", "-H", r"X-Cache-Tags: (^|,)(post\-1|post\-2)(,|$)", "/"),
            ("-X", "BAN", "-H", "X-Host: ^www[.]", "-H", r"X-Cache-Tags: (^|,)(post\-1|post\-2)(,|$)", "/"),
            ("-X", "BAN", "-H", "Cache-Tags: node:1 node_list", "/tags"),
        ),
    ),
    Form(
        (b"PURGEKEYS",),
        "xkey-purge or xkey-softpurge",
        (HARD_KEYS, SOFT_KEYS),
        read_keys,
        "Purged",
        "What has one of these tags; those of xkey-softpurge stay in the store, stale. Both may be given.",
        "FOSHttpCache in its xkey mode, Ibexa",
        (
            ("-X", "PURGEKEYS", "-H", "xkey-purge: post-1 post-2", "/"),
            ("-X", "PURGEKEYS", "-H", "xkey-softpurge: post-1", "/"),
        ),
    ),
    Form(
        (b"PURGETAGS",),
        "tags in a tag field, such as X-Cache-Tags or Surrogate-Key",
        TAG_LISTS,
        read_tag_lists,
        "Purged",
        "What has one of these tags. Spaces and commas separate them.",
        "FOSHttpCache for Symfony's cache",
        (("-X", "PURGETAGS", "-H", "X-Cache-Tags: post-1,post-2", "/"),),
    ),
    Form(
        (b"REFRESH",),
        "",
        (),
        read_refresh,
        "Refreshing",
        "The URL of the request becomes stale and is fetched again at once, in all variants that are stored. When the origin cannot be "
        "reached, the stale ones are still there.",
        "curl, warm-up scripts",
        (("-X", "REFRESH", "/news/"),),
        refetch=True,
    ),
)

METHODS = frozenset(method for form in FORMS for method in form.methods) - {b"GET"}
KNOWN_FIELDS = frozenset(name for form in FORMS for name in form.fields)


def is_purge(method: bytes, target: bytes, prefix: bytes) -> bool:
    """Is a request with this method and target for the edge, and not for the origin? `prefix` as in PurgeRules."""
    return method in METHODS or (method == b"GET" and below_prefix(target, prefix) is not None)


def read_purge(head: RequestHead, url: Key, rules: PurgeRules) -> Asked | Problem:
    """What does this request ask for? `url` is its target URI; or 400 or 413 with a sentence why nothing can be done."""
    request = PurgeRequest(head, url, rules, KNOWN_FIELDS)
    forms = [form for form in FORMS if head.method in form.methods]
    form = _form(request, forms)
    if isinstance(form, Problem):
        return form
    steps = form.read(request)
    if isinstance(steps, Problem):
        return steps
    count = sum(len(step.items) for step in steps)
    if count > rules.most_items:
        return refused(413, f"{count} items in one request are too many; {rules.most_items} may be (api_items)")
    return Asked(form, tuple(steps))


def _form(request: PurgeRequest, forms: list[Form]) -> Form | Problem:
    """Which of its method's forms has the request?"""
    method = request.method.decode()
    problem = request.problem() or _how_problem(request)
    if problem is not None:
        return problem
    stray = next((name for name in request.fields if not any(name in form.fields for form in forms)), None)
    if stray is not None:
        others = dict.fromkeys(method.decode() for form in FORMS if stray in form.fields for method in form.methods)
        return refused(400, f"{shown(stray)} does not go with {method}; it goes with {' and '.join(others)}")
    asked = [form for form in forms if form.when and (request.has(*form.fields) if form.is_asked is None else form.is_asked(request))]
    if len(asked) > 1:
        return refused(400, f"{method} has {' and also '.join(form.when for form in asked)}; it can have one of these")
    for form in (*asked, *(form for form in forms if not form.when)):
        return form
    return refused(400, f"{method} says by its fields what it is about: {', or '.join(form.when for form in forms)}")


def _how_problem(request: PurgeRequest) -> Problem | None:
    how = request.one(HOW)
    if isinstance(how, Problem):
        return how
    if how is not None and how.lower() not in HOWS:
        return refused(400, f"X-Purge-Method is {how!a}; it is {', '.join(HOWS[:-1])} or {HOWS[-1]}")
    return None
