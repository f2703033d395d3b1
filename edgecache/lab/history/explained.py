"""A violation in words: the events that prove it, and nothing else, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Iterable

from edgecache.lab.history.checker import Violation
from edgecache.lab.history.events import Answer, Moment, Read


def shortest(violations: Iterable[Violation]) -> Violation | None:
    """The one that is told in the fewest lines, and of these in the shortest time."""
    return min(violations, key=lambda one: (len(story := _story(one)), story[-1][0] - story[0][0]), default=None)


def explained(violation: Violation) -> str:
    """What happened, a line for each event with the milliseconds since the first."""
    story = _story(violation)
    began = story[0][0]
    lines = [violation.wrong.value + (f": {violation.detail}" if violation.detail else "")]
    lines.extend(f"{(at - began) / 1e6:12.3f} ms  {what}" for at, what in story)
    return "\n".join(lines)


def _story(violation: Violation) -> list[tuple[Moment, str]]:
    read, entry, before = violation.read, violation.entry, violation.before
    told: list[tuple[Moment, str]] = []
    for answer in violation.answers:
        told.append((answer.arrived, f"the origin is asked for {_name(answer)}"))
        if entry is not None and answer.answered > entry.sent:
            told.append((answer.answered, f"the origin sends answer {answer.number}"))
    if entry is not None:
        names = ", ".join(map(str, entry.selectors))
        told.append((entry.sent, f"invalidation {entry.number} is sent: {'soft' if entry.soft else 'hard'}, {names} ({entry.door})"))
        told.append((entry.acknowledged, f"invalidation {entry.number} is acknowledged"))
    if before is not None:
        told.append((violation.answers[-1].asked, f"a client asks for what becomes answer {violation.answers[-1].number}"))
        told.append((before.ended, f"client {before.client} has got {_got(before)}"))
    what = f" as user {read.user}" if read.user else f" as {read.variant}" if read.variant else ""
    told.append((read.began, f"client {read.client} asks for {read.page}{what} (read {read.number})"))
    ending = "" if read.whole else ", which is cut off"
    told.append((read.ended, f"client {read.client} has got {_got(read)}{ending}"))
    return sorted(told)


def _name(answer: Answer) -> str:
    names = [f"{what} {' '.join(sorted(those))}" for what, those in (("tags", answer.tags), ("groups", answer.groups)) if those]
    names += [f"{name} {value}" for name, value in answer.told.items()]
    return f"answer {answer.number} ({', '.join([answer.kind.value, f'edition {answer.edition}', str(answer.page), *names])})"


def _got(read: Read) -> str:
    content = "content of " + " and ".join(map(str, read.content)) if read.content else "no content"
    parts = [content]
    if read.vouched and read.vouched not in read.content:
        parts.append(f"vouched for by {read.vouched}")
    if read.state and read.state not in (*read.content, read.vouched):
        parts.append(f"fields of {read.state}")
    return f"{', '.join(parts)}: {read.head}" if read.head else ", ".join(parts)
