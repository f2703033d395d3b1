"""What RFC 9111 says about storing and reusing, read out sentence by sentence, slowly, and without a look at the code under test.

Times are whole seconds. Fields are (lower-case name, value) as text, and well-formed: what malformed ones mean is in the tables. Sections
are named; what the RFC leaves open is decided as docs and profile `standard` have it, and marked "here:".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

Fields = list[tuple[str, str]]
BY_DEFAULT = {200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501}  # RFC 9110 15.1


@dataclass
class Asked:
    """A request."""

    method: str
    fields: Fields
    has_content: bool = False


@dataclass
class Kept:
    """A stored response: of which request, when, and the times of the soft purges that cover it; `gone`: a hard one does."""

    status: int
    fields: Fields
    for_request: Asked
    request_time: int
    response_time: int
    order: tuple[int, int]
    soft: list[int] = field(default_factory=list)
    gone: bool = False


def lines(fields: Fields, name: str) -> list[str]:
    return [value for own, value in fields if own == name]


def directives(fields: Fields, name: str = "cache-control") -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for line in lines(fields, name):
        for member in line.split(","):
            directive, equals, argument = member.strip().partition("=")
            if directive:
                found.setdefault(directive.lower(), argument if equals else None)
    return found


def said_to_caches(fields: Fields) -> tuple[dict[str, str | None], bool]:
    """RFC 9213 2.2: a targeted field that is there counts alone, and neither Cache-Control nor Expires with it."""
    if directives(fields, "cdn-cache-control"):
        return directives(fields, "cdn-cache-control"), True
    return directives(fields), False


def said_by_request(asked: Asked) -> dict[str, str | None]:
    found = directives(asked.fields)
    if not found and "no-cache" in lines(asked.fields, "pragma"):  # 5.4
        return {"no-cache": None}
    return found


def date(fields: Fields, name: str) -> int | None:
    found = lines(fields, name)
    if not found:
        return None
    try:
        moment = datetime.strptime(found[0], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp())


# 4.2.1, 4.2.2


def freshness_lifetime(kept: Kept) -> float:
    said, targeted = said_to_caches(kept.fields)
    for directive in ("s-maxage", "max-age"):
        if directive in said:
            argument = said[directive]
            return int(argument) if argument and argument.isdigit() else 0  # "considered to be stale"
    sent = date(kept.fields, "date")
    if sent is None:
        sent = kept.response_time  # RFC 9110 6.6.1
    if not targeted and lines(kept.fields, "expires"):
        expires = date(kept.fields, "expires")
        return 0 if expires is None else max(0, expires - sent)  # 5.3: invalid is in the past
    if kept.status in BY_DEFAULT or "public" in said:
        modified = date(kept.fields, "last-modified")
        if modified is not None and sent > modified:
            return min((sent - modified) / 10, 86400)  # here: a tenth, a day at the most
    return 0


# 4.2.3


def current_age(kept: Kept, now: int) -> int:
    date_value = date(kept.fields, "date")
    age_value = int(lines(kept.fields, "age")[0]) if lines(kept.fields, "age") else 0
    apparent_age = max(0, kept.response_time - date_value) if date_value is not None else 0
    response_delay = kept.response_time - kept.request_time
    corrected_age_value = age_value + response_delay
    corrected_initial_age = max(apparent_age, corrected_age_value)
    resident_time = now - kept.response_time
    return corrected_initial_age + resident_time


# Here: a soft purge is an expiry, and nothing becomes fresh, or has a window left, by a clock that goes back.


def in_the_future(kept: Kept, now: int) -> bool:
    return now < kept.response_time or (bool(kept.soft) and now < min(kept.soft))


def stale_for(kept: Kept, now: int) -> float | None:
    """Seconds of staleness; None while fresh."""
    over = current_age(kept, now) - freshness_lifetime(kept)
    staleness = [over] if over >= 0 else []
    if kept.soft:
        staleness.append(now - min(kept.soft))
    return max(staleness) if staleness else None


# 4.2.4


def stale_is_prohibited(kept: Kept) -> bool:
    said, _ = said_to_caches(kept.fields)
    return any(directive in said for directive in ("must-revalidate", "proxy-revalidate", "s-maxage", "no-cache"))


# 4.1


def selecting_fields_match(kept: Kept, asked: Asked) -> bool:
    nominated = [name.strip().lower() for line in lines(kept.fields, "vary") for name in line.split(",") if name.strip()]

    def combined(request: Asked, name: str) -> list[str] | None:
        found = lines(request.fields, name)
        return [member.strip() for line in found for member in line.split(",")] if found else None

    return "*" not in nominated and all(combined(kept.for_request, name) == combined(asked, name) for name in nominated)


# 4: what may be done with a request


def reuse(asked: Asked, held: list[Kept], now: int) -> tuple[str, Kept | None]:
    """One of pass, fresh, stale and refresh, stale, validate, ask, unavailable; and the stored response that it is about."""
    said = said_by_request(asked)
    outcome, kept = _reuse(asked, held, said, now)
    if "only-if-cached" in said and not outcome.startswith(("fresh", "stale")):
        return "unavailable", None  # 5.2.1.7
    return outcome, kept


def _reuse(asked: Asked, held: list[Kept], said: dict[str, str | None], now: int) -> tuple[str, Kept | None]:
    if asked.method not in ("GET", "HEAD") or asked.has_content:
        return "pass", None
    if lines(asked.fields, "if-match") or lines(asked.fields, "if-unmodified-since"):
        return "pass", None  # 4.3.2: not applicable to a cache
    if "no-store" in said:
        return "pass", None  # 5.2.1.5; here: nor answered from the store
    matching = [kept for kept in held if not kept.gone and selecting_fields_match(kept, asked)]
    if not matching:
        return "ask", None
    kept = max(matching, key=lambda one: one.order)  # here: not by Date, which is the origin's word
    response, _ = said_to_caches(kept.fields)
    staleness = stale_for(kept, now)
    future = in_the_future(kept, now)
    wants = "no-cache" in said  # 5.2.1.4
    if "max-age" in said and current_age(kept, max(now, kept.response_time)) > int(said["max-age"] or 0):
        wants = True  # 5.2.1.1
    left = freshness_lifetime(kept) - current_age(kept, max(now, kept.response_time))
    if "min-fresh" in said and left < int(said["min-fresh"] or 0):
        wants = True  # 5.2.1.3
    if staleness is None and not future and "no-cache" not in response and not wants:
        return "fresh", kept
    if (staleness is not None or future) and not stale_is_prohibited(kept) and "no-cache" not in said and not future:
        assert staleness is not None
        window = int(response.get("stale-while-revalidate") or 0)  # RFC 5861 3
        if staleness < window and "max-age" not in said and "min-fresh" not in said:
            return "stale and refresh", kept
        if "max-stale" in said and not wants and (said["max-stale"] is None or staleness <= int(said["max-stale"])):
            return "stale", kept  # 5.2.1.2
    has_validator = bool(lines(kept.fields, "etag") or lines(kept.fields, "last-modified"))
    return ("validate" if has_validator and asked.method == "GET" else "ask"), kept


# 4.2.4, RFC 5861 4: what may be done when the origin gives no answer, or (`error`) one of 500, 502, 503, 504


def stands_in(asked: Asked, kept: Kept, now: int, *, error: bool) -> bool:
    said = said_by_request(asked)
    response, _ = said_to_caches(kept.fields)
    if kept.gone or "no-cache" in said or "no-cache" in response:
        return False
    windows = [int(argument) for argument in (response.get("stale-if-error"), said.get("stale-if-error")) if argument is not None]
    staleness = stale_for(kept, now)
    if in_the_future(kept, now):
        staleness = float("inf")
    if error and (not windows or stale_is_prohibited(kept) or kept.status in (500, 502, 503, 504)):
        return False  # 4.3.3: forwarded; here: unless stale-if-error asks for the other way, and what is stored is better
    if staleness is None:
        return True
    return not stale_is_prohibited(kept) and (not windows or staleness < max(windows))


# 3


def may_be_stored(asked: Asked, kept: Kept, now: int) -> bool:
    """May the answer `kept` be stored, and could it ever be used if it were?"""
    said, targeted = said_to_caches(kept.fields)
    if asked.method != "GET" or asked.has_content or "no-store" in said_by_request(asked):  # 5.2.1.5
        return False
    if "must-understand" in said:  # 5.2.2.3
        if kept.status not in {200, 201, 203, 204, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 500, 501, 502, 503, 504}:
            return False
    elif "no-store" in said:
        return False
    if "private" in said:
        return False
    if lines(asked.fields, "authorization") and not any(one in said for one in ("must-revalidate", "public", "s-maxage")):
        return False  # 3.5
    explicit = "max-age" in said or "s-maxage" in said or (not targeted and bool(lines(kept.fields, "expires")))
    if not (explicit or "public" in said or kept.status in BY_DEFAULT):
        return False
    if any("*" in line for line in lines(kept.fields, "vary")):
        return False
    # here: what could only be asked for anew is not stored
    if lines(kept.fields, "etag") or lines(kept.fields, "last-modified"):
        return True
    if "no-cache" in said:
        return False
    staleness = stale_for(kept, now)
    if staleness is None:
        return True
    windows = [int(said.get(one) or 0) for one in ("stale-while-revalidate", "stale-if-error")]
    return not stale_is_prohibited(kept) and staleness < max(windows)
