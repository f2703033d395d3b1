"""Who may use the invalidation methods, and what comes of it.

They never reach the origin, whatever comes of them: a purge that an origin sees is a purge that the cache has missed. Web pages may not use
them (docs/architecture.md, Safety): what a browser sends for a page is refused, and so is its preflight.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from edgecache.edge.forward import Network, is_within
from edgecache.edge.purging.forms import METHODS, Form, is_purge, read_purge
from edgecache.edge.purging.request import PurgeRules
from edgecache.http1.problem import Problem, refused
from edgecache.invalidation.doors import Call, Doors, Outcome
from edgecache.invalidation.entry import Cause
from edgecache.invalidation.logfile import LogUnwritable
from edgecache.invalidation.reading import BadItem, Item
from edgecache.invalidation.selectors import Kind
from edgecache.semantics.message import RequestHead, combined, first
from edgecache.semantics.proxy_status import ProxyError
from edgecache.semantics.urls import Key

_USUAL_PREFIX = b"/purge"
# Fields in which known clients bring a secret: the usual one, Ibexa's, and what FOSHttpCache and curl send to a Fastly.
_TOKENS = ((b"authorization", b"Bearer "), (b"x-invalidate-token", b""), (b"fastly-key", b""))


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may: peers in these networks, with the token if it is not empty."""

    allow: Sequence[Network]
    token: str


@dataclass(frozen=True, slots=True)
class Done:
    """An invalidation that may be acknowledged.

    soft     what it covers stays, stale
    outcome  position of its last step; selectors, hints and numbers of all
    """

    form: Form
    soft: bool
    outcome: Outcome

    @property
    def phrase(self) -> str:
        """The reason phrase that says it."""
        return "Soft purged" if self.soft and self.form.phrase == "Purged" else self.form.phrase


class PurgeDoor:
    """Carries out what requests with invalidation methods ask for."""

    def __init__(self, doors: Doors, permission: Permission, rules: PurgeRules) -> None:
        self._doors = doors
        self._permission = permission
        self._rules = rules

    def takes(self, request: RequestHead, target: bytes) -> bool:
        """Is this request for the edge, and never for the origin? `target`: path and query, without the host that absolute form has."""
        return is_purge(request.method, target, self._rules.prefix)

    async def purge(self, request: RequestHead, url: Key, peer_ip: str) -> Done | Problem:
        """Do what the request, whose target URI is `url`, asks for; or the reason why not: 403 for who may not, 400 or 413 for what is not
        understood, 507 when the log cannot be written. Returns when it may be acknowledged."""
        method = request.method.decode()
        asked = self._forbidden(request, peer_ip) or read_purge(request, url, self._rules)
        if isinstance(asked, Problem):
            self._doors.refuse(Call(method, peer_ip, [Item(Kind.URL, url.url)], cause=Cause.METHOD), asked.detail)
            return asked
        calls = [Call(method, peer_ip, step.items, soft=step.soft, refetch=asked.form.refetch, cause=Cause.METHOD) for step in asked.steps]
        outcomes: list[Outcome] = []
        try:
            for later in calls[1:]:
                self._doors.check(later)  # what is refused is refused as a whole, before anything is done
            for call in calls:
                outcomes.append(await self._doors.call(call))
        except BadItem as bad:
            return refused(400, _sentence(bad))
        except LogUnwritable as failure:
            done = f" (what was to be gone for good is gone, at position {outcomes[0].position})" if outcomes else ""
            return Problem(ProxyError.PROXY_INTERNAL_ERROR, f"not purged: {failure}{done}", 507)
        outcome = _together(outcomes, self._prefix_hints(asked.form, url, outcomes[-1]))
        return Done(asked.form, all(step.soft for step in asked.steps), outcome)

    def _prefix_hints(self, form: Form, url: Key, outcome: Outcome) -> Sequence[str]:
        """Programs for nginx purge /a by asking for /purge/a, which is a page like any other unless a setting says so."""
        if not form.one_url or outcome.matched != 0 or self._rules.prefix or not url.target.startswith(_USUAL_PREFIX + b"/"):
            return ()
        return (f'with the setting purge_get = "{_USUAL_PREFIX.decode()}" this would mean {url.url.replace("/purge/", "/", 1)}',)

    def _forbidden(self, request: RequestHead, peer_ip: str) -> Problem | None:
        method = request.method.decode()
        for name in (b"origin", b"sec-fetch-site", *((b"referer",) if request.method == b"GET" else ())):
            if first(request.fields, name) is not None:
                return _denied(f"{method} from a web page (the request has {name.decode().title()}) is not allowed")
        if peer_ip != "unix" and not is_within(peer_ip, self._permission.allow):
            return _denied(f"{method} is not allowed from {peer_ip} (purge_allow)")
        if self._permission.token and not self._has_token(request):
            return _denied(f"{method} needs the token: Authorization: Bearer … (purge_token)")
        return None

    def _has_token(self, request: RequestHead) -> bool:
        token = self._permission.token.encode()
        right = [hmac.compare_digest(combined(request.fields, name) or b"", prefix + token) for name, prefix in _TOKENS]
        return any(right)


def is_preflight(request: RequestHead) -> bool:
    """Does a browser ask whether a page may use an invalidation method (Fetch, CORS-preflight request)?"""
    if request.method != b"OPTIONS":
        return False
    return (first(request.fields, b"access-control-request-method") or b"").upper() in METHODS


def preflight_refused() -> Problem:
    """The answer to such a preflight: no page may. The origin is not asked, for it might say yes."""
    return _denied("invalidation methods are not for web pages")


def _denied(detail: str) -> Problem:
    return Problem(ProxyError.HTTP_REQUEST_DENIED, detail, 403)


def _sentence(bad: BadItem) -> str:
    """What is wrong, and with which field; where a ban was put together of several, the column is one of the whole."""
    item = bad.item
    whole = f"; this is the ban {item.value[:200]}" if bad.column is not None else ""
    return f"{item.member}: {bad.sentence}{whole}" if item.member else bad.sentence


def _together(outcomes: Sequence[Outcome], hints: Sequence[str]) -> Outcome:
    numbers = [outcome.matched for outcome in outcomes]
    return Outcome(
        outcomes[-1].position,
        tuple(selector for outcome in outcomes for selector in outcome.selectors),
        None if None in numbers else sum(number for number in numbers if number is not None),
        hints=tuple(dict.fromkeys((*hints, *(hint for outcome in outcomes for hint in outcome.hints)))),
    )
