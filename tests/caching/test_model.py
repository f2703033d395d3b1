"""The decisions against a slow reading of the RFCs (model.py), over generated requests, responses, times and purges."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st

from edgecache.caching.conclude import conclude
from edgecache.caching.conclusion import Answer, Failure, ServeStale, Store
from edgecache.caching.decide import Decision, Hit, Miss, Pass, Refuse, StaleHit, Validate, decide
from edgecache.caching.freshness import derive
from edgecache.caching.request import PresentedRequest
from edgecache.caching.stored import Key, StoredResponse
from edgecache.caching.storing import dated
from edgecache.caching.vary import vary_of
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered, Verdict
from edgecache.profiles.standard import STANDARD
from edgecache.semantics.cache_control import parse_cache_control
from edgecache.semantics.dates import format_http_date
from edgecache.semantics.message import Fields, ResponseHead, field, values

_spec = importlib.util.spec_from_file_location("caching_model", Path(__file__).with_name("model.py"))
assert _spec is not None
assert _spec.loader is not None
model: Any = importlib.util.module_from_spec(_spec)
sys.modules["caching_model"] = model  # dataclasses look their module up
_spec.loader.exec_module(model)

T = 1_800_000_000  # all times are near it
KEY = Key(b"http", b"h", b"/a")

SECONDS = (0, 1, 10, 30, 60, 100, 300)
RESPONSE_FLAGS = ("public", "private", "no-store", "no-cache", "must-revalidate", "proxy-revalidate", "must-understand", "ext=1")
REQUEST_FLAGS = ("no-cache", "no-store", "max-stale", "only-if-cached", "ext")


class Dice(Random):
    """Draws requests and stored responses that have something to do with each other. Each is made of one seed, so that all are likely."""

    def rarely(self, one_in: int, *either: tuple[str, str]) -> list[tuple[str, str]]:
        return [self.choice(either)] if self.randrange(one_in) == 0 else []

    def directives(self, windows: tuple[str, ...], flags: tuple[str, ...]) -> str:
        chosen = self.sample(windows, self.choice((0, 1, 2, 2)))
        found = [f"{one}={self.choice(SECONDS)}" for one in chosen] + ([self.choice(flags)] if self.randrange(6) == 0 else [])
        self.shuffle(found)
        return ", ".join({one.partition("=")[0]: one for one in found}.values())

    def request(self, method: str = "GET") -> Any:
        fields = []
        if self.randrange(4) == 0:
            fields.append(("cache-control", self.directives(("max-age", "min-fresh", "max-stale", "stale-if-error"), REQUEST_FLAGS)))
        fields += self.rarely(20, ("pragma", "no-cache"))
        fields += self.rarely(15, ("authorization", "x"))
        fields += self.rarely(40, ("if-match", '"a"'))
        fields += self.rarely(3, ("foo", "1"), ("foo", "2"), ("foo", "1, 2"))
        fields += self.rarely(3, ("foo", "2"), ("bar", "1"))
        return model.Asked(method, fields, self.randrange(30) == 0)

    def response(self) -> Any:
        arrived = self.randint(-30, 5)
        windows = ("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error")
        fields = []
        if self.randrange(6):
            own = windows if self.randrange(4) == 0 else ("max-age", "stale-while-revalidate", "stale-if-error")
            fields.append(("cache-control", self.directives(own, RESPONSE_FLAGS)))
        if self.randrange(8) == 0:
            fields.append(("cdn-cache-control", self.directives(windows, RESPONSE_FLAGS)))
        fields += self.rarely(2, ("date", http_date(arrived + self.randint(-20, 5))))
        fields += self.rarely(5, ("expires", http_date(arrived + self.randint(-20, 100))))
        fields += self.rarely(4, ("last-modified", http_date(arrived + self.randint(-1500, 20))))
        fields += self.rarely(6, ("age", str(self.choice(SECONDS))))
        fields += self.rarely(3, ("etag", '"a"'))
        fields += self.rarely(6, ("vary", "foo"), ("vary", "foo, bar"), ("vary", "*"))
        return model.Kept(
            status=self.choice((200,) * 6 + (203, 204, 301, 302, 404, 410, 500, 503, 599)),
            fields=fields,
            for_request=model.Asked("GET", self.rarely(3, ("foo", "1"), ("foo", "2"), ("foo", "1,2")) + self.rarely(5, ("bar", "1"))),
            request_time=T + arrived - self.choice((0, 0, 2)),
            response_time=T + arrived,
            order=(self.randrange(4), self.randrange(10**6)),
            soft=sorted(T + self.randint(-30, 100) for _ in range(self.choice((0, 0, 0, 1, 2)))),
            gone=self.randrange(10) == 0,
        )

    def moment(self) -> int:
        return T + self.randint(-10, 100)


def http_date(offset: int) -> str:
    return format_http_date(T + offset).decode()


seeds = st.integers(0, 2**64 - 1)


def as_fields(own: list[tuple[str, str]]) -> Fields:
    return [field(name.encode(), value.encode()) for name, value in own]


def as_request(asked: Any) -> PresentedRequest:
    own = as_fields(asked.fields)
    return PresentedRequest(asked.method.encode(), KEY, own, asked.has_content, parse_cache_control(values(own, b"cache-control")))


class Nothing:
    length = 0


def as_stored(kept: Any) -> StoredResponse | None:
    """As it would be in the store; None for one that cannot be there."""
    own = dated(as_fields(kept.fields), kept.response_time, 0.0)
    vary = vary_of(own, as_fields(kept.for_request.fields), STANDARD)
    if vary is None:
        return None
    derived = derive(own, kept.status, STANDARD, request_time=kept.request_time, response_time=kept.response_time, offset_s=0.0)
    # half of a soft purge may be written into the response already
    written = kept.soft[0] if len(kept.soft) == 2 else None
    return StoredResponse(
        key=KEY,
        status=kept.status,
        reason=b"",
        fields=own,
        vary=vary,
        body=Nothing(),
        request_time=kept.request_time,
        response_time=kept.response_time,
        offset_s=0.0,
        position=kept.order[0],
        start=kept.order[1],
        lifetime_s=derived.lifetime_s,
        initial_age_s=derived.initial_age_s,
        terms=derived.terms,
        soft_since=written,
        soft_position=5 if written is not None else 0,
    )


def verdict_of(kept: Any) -> Verdict:
    if kept.gone:
        return HardCovered(9)
    return SoftCovered(9, kept.soft[-1]) if kept.soft else CLEAN


def described(decision: Decision) -> str:
    match decision:
        case Hit():
            return "fresh"
        case StaleHit(refresh=refresh):
            return "stale" if refresh is None else "stale and refresh"
        case Validate():
            return "validate"
        case Miss():
            return "ask"
        case Pass():
            return "pass"
        case Refuse():
            return "unavailable"


@settings(max_examples=1500, deadline=None)
@given(seeds)
def test_what_may_be_reused(seed: int) -> None:
    dice = Dice(seed)
    asked, now = dice.request(dice.choice(("GET",) * 8 + ("HEAD", "POST"))), dice.moment()
    held = [dice.response() for _ in range(dice.choice((1, 1, 2, 3)))]
    note(f"{asked}\n{held}\n{now}")
    pairs = [(kept, stored) for kept in held if (stored := as_stored(kept)) is not None]
    expected, about = model.reuse(asked, [kept for kept, _ in pairs], now)
    decision = decide(as_request(asked), [(stored, verdict_of(kept)) for kept, stored in pairs], STANDARD, now)
    assert described(decision) == expected
    chosen = {Hit: "stored", StaleHit: "stored", Validate: "stored", Miss: "selected"}.get(type(decision))
    if chosen is not None:
        assert getattr(decision, chosen) is next((stored for kept, stored in pairs if kept is about), None)


@settings(max_examples=1500, deadline=None)
@given(seeds, st.booleans())
def test_what_may_stand_in(seed: int, error: bool) -> None:
    dice = Dice(seed)
    asked, kept, now = dice.request(), dice.response(), dice.moment()
    note(f"{asked}\n{kept}\n{now}")
    stored = as_stored(kept)
    if stored is None:
        return
    outcome = Answer(ResponseHead(503, b"", 1, []), now, now, 0.0) if error else Failure()
    conclusion = conclude(as_request(asked), (stored, verdict_of(kept)), outcome, CLEAN, STANDARD, now)
    assert isinstance(conclusion, ServeStale) is model.stands_in(asked, kept, now, error=error)


@settings(max_examples=1500, deadline=None)
@given(seeds)
def test_what_may_be_stored(seed: int) -> None:
    dice = Dice(seed)
    asked, kept = dice.request(dice.choice(("GET",) * 8 + ("HEAD",))), replace(dice.response(), soft=[], gone=False)
    note(f"{asked}\n{kept}")
    answer = Answer(ResponseHead(kept.status, b"", 1, as_fields(kept.fields)), kept.request_time, kept.response_time, 0.0)
    conclusion = conclude(as_request(asked), None, answer, CLEAN, STANDARD, kept.response_time)
    assert isinstance(conclusion, Store) is model.may_be_stored(asked, kept, kept.response_time)
