"""The site behind the edge: its pages, what is said about them, and every way to name them in an invalidation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import Any

from edgecache.lab.history.coverage import BanMeaning, prefixes
from edgecache.lab.history.events import Answer, AnswerKind, By, Page, Selector

HOSTS = {"a.test": "one", "b.test": "two"}  # and the site of each
KINDS = ("red", "green", "blue")
LANGUAGES = ("de", "fr")
TAGS = tuple(f"t{number}" for number in range(60))
GROUPS = tuple(f"g{number}" for number in range(20))
CLASSES = tuple(f"c{number}" for number in range(8))
USERS = ("ann", "bob")


@dataclass(frozen=True)
class Terms:
    """What an answer says about its use, as its Cache-Control and as the checker is told."""

    cache_control: str
    swr_s: float = 0.0
    sie_s: float | None = None
    never_stale: bool = False


NOT_TO_BE_STORED = Terms("no-store")


@dataclass(frozen=True)
class Policy:
    """How pages of one sort behave.

    terms      one of these is said with each answer
    named      has a strong entity tag, so that it can be validated, and parts of it can be put together
    changes    how often a request finds another edition than the last one did
    units      sizes
    ranged     how often it is asked for in part
    weight     how much it is asked for
    """

    name: str
    terms: tuple[Terms, ...]
    named: bool = True
    changes: float = 0.4
    units: tuple[int, ...] = (20, 50)
    ranged: float = 0.05
    weight: int = 1
    varies: bool = False
    keyed: bool = False
    personal: bool = False
    chunked: bool = False


LASTING = (Terms("max-age=3600"), Terms("max-age=3600, stale-while-revalidate=60", 60), Terms("s-maxage=3600", never_stale=True))
POLICIES = (
    Policy("lasting", LASTING),
    Policy("nameless", (Terms("max-age=3600"), Terms("max-age=3600, stale-if-error=30", sie_s=30)), named=False),
    Policy(
        "brief",
        (
            Terms("max-age=20, stale-while-revalidate=20, stale-if-error=600", 20, 600),
            Terms("max-age=20, must-revalidate", never_stale=True),
            Terms("max-age=20"),
        ),
    ),
    Policy(
        "stale", (Terms("max-age=0, stale-while-revalidate=60", 60), Terms("max-age=0, stale-while-revalidate=5, stale-if-error=60", 5, 60))
    ),
    Policy("checked", (Terms("no-cache", never_stale=True),), changes=0.2),
    Policy("ranged", (Terms("max-age=3600"), Terms("max-age=20")), units=(200, 700), ranged=0.7, changes=0.15, weight=3),
    Policy("large", (Terms("max-age=3600"), Terms("max-age=20, stale-while-revalidate=60", 60)), units=(1500, 6000), chunked=True),
    Policy("varied", LASTING, varies=True),
    Policy("keyed", LASTING, keyed=True),
    Policy("own", (Terms("max-age=3600"), Terms("public, max-age=3600")), personal=True),
)


@dataclass(frozen=True)
class Place:
    """A page as a client asks for it: a URL with the fields that choose among what is stored for it."""

    page: Page
    policy: Policy
    variant: str = ""

    @property
    def fields(self) -> list[str]:
        """The request's fields that choose."""
        found = [f"X-Kind: {self.variant}"] if self.variant else []
        return [*found, f"X-Lang: {self.page.extra}"] if self.page.extra else found


def places() -> list[Place]:
    """All there are. The same paths on both hosts, for selectors that name no host."""
    found = []
    for host, site in HOSTS.items():
        for policy in POLICIES:
            for target in (f"/{policy.name}/1", f"/{policy.name}/below/2?x=1", f"/{policy.name}/below/2?x=2"):
                for extra in LANGUAGES if policy.keyed else ("",):
                    page = Page(host, target, extra, site)
                    found.extend(Place(page, policy, kind) for kind in (KINDS if policy.varies else ("",)))
    return found


def policy_of(target: str) -> Policy:
    """The policy of a page, by its first segment."""
    name = target.split("/")[1]
    return next(policy for policy in POLICIES if policy.name == name)


CONFIG = """
[[site]]
name = "one"
origin = "{origin}"
hosts = ["a.test"]

[[site]]
name = "two"
origin = "{origin}"
hosts = ["b.test"]

[[rule]]
path = "/keyed/*"
key_headers = ["x-lang"]
"""


def _by_page(test: str) -> BanMeaning:
    return BanMeaning(True, lambda page, answer: bool(re.search(test, page.target)))


BANS: dict[str, BanMeaning] = {
    **{f"req.url ~ ^/{policy.name}/": _by_page(f"^/{policy.name}/") for policy in POLICIES},
    **{f"obj.age >= 0s && req.url ~ /below/2.x={number}$": _by_page(rf"/below/2\?x={number}$") for number in (1, 2)},
    "req.http.host == b.test && obj.status < 400 && req.url ~ /1$": BanMeaning(
        True, lambda page, answer: page.host == "b.test" and page.target.endswith("/1")
    ),
    **{f"req.http.x-kind == {kind}": BanMeaning(True, lambda page, answer, kind=kind: answer.variant == kind) for kind in KINDS},  # type: ignore[misc]
    **{f"obj.http.x-class == {one}": BanMeaning(False, lambda page, answer, one=one: answer.told.get("x-class") == one) for one in CLASSES},  # type: ignore[misc]
    **{f"obj.tags == {tag}": BanMeaning(False, lambda page, answer, tag=tag: tag in answer.tags) for tag in TAGS},  # type: ignore[misc]
}


# How often an invalidation names its target in each of these ways.
WAYS = {By.URL: 14, By.KEY: 6, By.PATH: 6, By.BELOW: 4, By.PREFIX: 5, By.HOST: 1, By.TAG: 22, By.GROUP: 10, By.ALL: 0.5, By.BAN: 12}


def choose_selector(rng: Random, place: Place, answers: list[Answer]) -> tuple[Selector, dict[str, Any]]:
    """A selector that covers `place`, or what one of these answers says of it; and how the API takes it: kind and value."""
    page = place.page
    by = rng.choices(list(WAYS), list(WAYS.values()))[0]
    names = rng.choice(answers) if answers else None
    if names is not None and names.kind is AnswerKind.NOT_MODIFIED and rng.random() < 0.5:
        by = By.TAG  # while it is on its way, the names of what it is about count as well as its own
    url = f"http://{page.host}{page.target}"
    match by:
        case By.URL:
            return Selector(by, (page.host, page.target)), {"url": url}
        case By.KEY:
            headers = {"headers": {"X-Lang": page.extra}} if page.extra else {}
            return Selector(by, (page.host, page.target, page.extra)), {"key": {"url": url, **headers}}
        case By.PATH:
            return Selector(by, (page.target,)), {"path": page.target}
        case By.BELOW:
            begin = page.target[: rng.randrange(page.target.index("/", 1), len(page.target) + 1)]
            return Selector(by, (begin,)), {"path": begin + "*"}
        case By.PREFIX:
            path = rng.choice([one for one in prefixes(page.path) if one not in ("", "/")])
            host = rng.choice([page.host, ""])
            return Selector(by, (host, path)), {"prefix": host + path}
        case By.HOST:
            return Selector(by, (page.host,)), {"host": page.host}
        case By.TAG:
            tag = rng.choice(sorted(names.tags)) if names is not None and names.tags else rng.choice(TAGS)
            return Selector(by, (tag,)), {"tag": tag}
        case By.GROUP:
            group = rng.choice(sorted(names.groups)) if names is not None and names.groups else rng.choice(GROUPS)
            return Selector(by, (page.host, group)), {"group": {"origin": f"http://{page.host}", "name": group}}
        case By.ALL:
            return Selector(by), {"all": True}
        case By.BAN:
            true = [text for text, ban in BANS.items() if names is not None and ban.is_true(page, names)]
            text = rng.choice(true or list(BANS))
            return Selector(by, (text,)), {"ban": text}
