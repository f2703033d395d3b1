"""Questions that the model asks about one request, one answer, one stored response. Sections are those of RFC 9111 unless another RFC is
named."""

from __future__ import annotations

from tests.machine.kept import BY_DEFAULT, UNDERSTOOD, Kept, Part, Role, said_to_caches, unqualified
from tests.machine.messages import (
    Asked,
    Directives,
    Fields,
    Sent,
    content_range,
    date,
    directives,
    is_strong,
    lines,
    members,
    one,
    ranges,
    seconds,
)

SHAREABLE = ("must-revalidate", "public", "s-maxage")  # 3.5

# 5.2.1: requests


def said_by(asked: Asked) -> Directives:
    found = directives(asked.fields, "cache-control")
    return {"no-cache": None} if not found and "no-cache" in lines(asked.fields, "pragma") else found  # 5.4


def is_unwanted(said: Directives, kept: Kept, now: float) -> bool:
    """Does the request not want what is stored, fresh or not?"""
    age = kept.age(now)
    max_age, min_fresh = seconds(said.get("max-age")), seconds(said.get("min-fresh"))
    return (
        "no-cache" in said
        or (max_age is not None and age > max_age)  # 5.2.1.1
        or (min_fresh is not None and kept.lifetime - age < min_fresh)  # 5.2.1.3
    )


# 3: storing


def may_be_kept_at_all(status: int, fields: Fields) -> bool:
    said, _ = said_to_caches(fields)
    if "must-understand" in said:  # 5.2.2.3
        if status not in UNDERSTOOD:
            return False
    elif "no-store" in said:
        return False
    return not unqualified(said, "private") and "*" not in members(fields, "vary")


def is_shareable(asked: Asked, fields: Fields) -> bool:
    """3.5."""
    said, _ = said_to_caches(fields)
    return not lines(asked.fields, "authorization") or any(directive in said for directive in SHAREABLE)


def may_be_stored(asked: Asked, sent: Sent) -> bool:
    """May it, and here: could it ever be used if it were?"""
    answer = Kept(asked.url, [Part(0, sent, Role.CONTENT, asked)])
    if asked.method == "HEAD" or sent.status in (304, 412, 416) or "no-store" in said_by(asked):
        return False
    if not may_be_kept_at_all(sent.status, sent.fields) or not is_shareable(asked, sent.fields):
        return False
    if not (says_for_how_long(sent.fields) or "public" in answer.said or sent.status in BY_DEFAULT):
        return False
    if lines(answer.fields, "etag") or lines(answer.fields, "last-modified"):
        return True
    if answer.must_be_validated:
        return False
    stale_s = answer.staleness([], sent.at)
    if stale_s is None:
        return True
    windows = [answer.window("stale-while-revalidate") or 0, answer.window("stale-if-error") or 0]
    return not answer.forbids_stale and stale_s < max(windows)


def says_for_how_long(fields: Fields) -> bool:
    said, targeted = said_to_caches(fields)
    return "max-age" in said or "s-maxage" in said or (not targeted and bool(lines(fields, "expires")))


def post_may_be_stored(asked: Asked, sent: Sent) -> bool:
    """RFC 9110 9.3.3: with explicit freshness, which is to be valid, and its own URL as Content-Location."""
    if asked.method != "POST" or not 200 <= sent.status < 300:
        return False
    if one(sent.fields, "content-location") not in (asked.target, f"http://{asked.host}{asked.target}"):
        return False
    said, targeted = said_to_caches(sent.fields)
    numbers = [seconds(said[name]) for name in ("s-maxage", "max-age") if name in said]
    if numbers:
        return numbers[0] is not None and may_be_stored(asked, sent)
    return not targeted and date(one(sent.fields, "expires")) is not None and may_be_stored(asked, sent)


# Ranges: RFC 9110 14, 13.1.5; RFC 9111 3.3, 3.4


def wanted(kept: Kept, asked: Asked) -> list[range] | None:
    """The ranges of `kept` that are asked for, as far as they are there; None: all of it."""
    value, condition = one(asked.fields, "range"), one(asked.fields, "if-range")
    if value is None or asked.method != "GET" or kept.status not in (200, 206):
        return None
    if condition is not None:
        modified, generated = (date(one(kept.fields, name)) for name in ("last-modified", "date"))
        if condition.startswith(('"', "W/")):
            if not is_strong(condition) or condition != one(kept.fields, "etag"):
                return None
        elif condition != one(kept.fields, "last-modified") or modified is None or generated is None or generated - modified < 1:
            return None  # RFC 9110 8.8.2.2: no strong validator
    return ranges(value, kept.length)


def answers(kept: Kept, asked: Asked) -> bool:
    """Is all there that is asked for?"""
    if kept.is_whole:
        return True
    spans = wanted(kept, asked)
    return spans is not None and all(place in kept.bytes_held for span in spans for place in span)


def touch(kept: Kept, sent: Sent) -> bool:
    """3.4: do the part that is stored and the one that came leave nothing out between them, and are they of one length?"""
    span, length = content_range(one(sent.fields, "content-range") or "")
    held = kept.bytes_held
    return length == kept.length and span.start <= max(held) + 1 and min(held) <= span.stop


def belong_together(kept: Kept, sent: Sent, asked: Asked) -> bool:
    """3.4: is the 206 of the representation that `kept` is of? Only a strong entity tag proves it."""
    tag = one(sent.fields, "etag")
    return (
        is_strong(tag) and one(kept.fields, "etag") == tag and Kept(kept.url, [Part(0, sent, Role.CONTENT, asked)]).variant == kept.variant
    )


def completes(kept: Kept, sent: Sent) -> bool:
    """Is the 206 all that the part lacks, and nothing else?"""
    span, length = content_range(one(sent.fields, "content-range") or "")
    return length == kept.length == span.stop and span.start == len(kept.bytes_held)


def asking_for_the_rest(kept: Kept, *, usable: bool) -> Fields:
    """Here: of a part from the first byte on, when the whole is wanted, only what it lacks is asked for; where nothing could prove that
    they belong together, only of one that is `usable` as it is and has no validator at all."""
    held = kept.bytes_held
    if min(held) > 0:
        return ()
    tag = one(kept.fields, "etag")
    rest = ("range", f"bytes={len(held)}-")
    if tag is not None and is_strong(tag):
        return rest, ("if-range", tag)
    return (rest,) if usable and tag is None and not lines(kept.fields, "last-modified") else ()
