"""Which fault strikes which call: a table over a pure list."""

from __future__ import annotations

import pytest

from edgecache.config import Vendor
from edgecache.control.dialects.faults import MOST, Fault, Faults, Wanted, complaint

CF, FASTLY = Vendor.CLOUDFLARE, Vendor.FASTLY
LIMIT, LOST, ERROR = Fault.RATE_LIMIT, Fault.LOST, Fault.ERROR

# A call: at this time, of this vendor, by this name, and whether it invalidates.
PURGE = (0.0, CF, "purge_cache", True)
VERIFY = (0.0, CF, "verify", False)


@pytest.mark.parametrize(
    "wanted, calls, struck",
    [
        ([], [PURGE], [None]),
        ([Wanted(LIMIT)], [PURGE, VERIFY, PURGE], [1, None, 1]),  # those that invalidate
        ([Wanted(LIMIT, "cloudflare", "verify")], [PURGE, VERIFY], [None, 1]),
        ([Wanted(LIMIT, "fastly", "verify")], [PURGE, VERIFY], [None, None]),
        ([Wanted(LIMIT, vendor="fastly")], [PURGE, (0, FASTLY, "purge_all", True)], [None, 1]),
        ([Wanted(LIMIT, after=2)], [PURGE] * 4, [None, None, 1, 1]),
        ([Wanted(LIMIT, after=1)], [VERIFY, PURGE, PURGE], [None, None, 1]),  # only those that are meant are counted
        ([Wanted(LIMIT, count=2)], [PURGE] * 3, [1, 1, None]),
        ([Wanted(LIMIT, after=1, count=1)], [PURGE] * 3, [None, 1, None]),
        ([Wanted(LIMIT, for_s=5)], [PURGE, (4.9, *PURGE[1:]), (5, *PURGE[1:])], [1, 1, None]),
        ([Wanted(LIMIT, count=0)], [PURGE], [None]),
        ([Wanted(LIMIT, count=1), Wanted(LOST)], [PURGE] * 2, [1, 2]),  # one after the other
        ([Wanted(LIMIT, after=1), Wanted(LOST)], [PURGE] * 2, [2, 1]),  # the oldest that strikes, alone
    ],
)
def test_strikes(wanted: list[Wanted], calls: list[tuple[float, Vendor, str, bool]], struck: list[int | None]) -> None:
    faults = Faults()
    for one in wanted:
        assert faults.add(one, 0.0) is not None
    found = [faults.strike(vendor, call, purges, now) for now, vendor, call, purges in calls]
    assert [one and one.number for one in found] == struck
    assert faults.struck == len([number for number in struck if number])


def test_they_say_when_they_begin_and_end() -> None:
    said: list[str] = []
    faults = Faults(said.append)
    faults.add(Wanted(Fault.DELAY, "fastly", "purge_all", after=2, count=3, for_s=60, wait_s=5), 0.0)
    faults.add(Wanted(LOST, count=1), 0.0)
    faults.strike(CF, "purge_cache", True, 0.0)
    faults.active(60.0)
    assert said == [
        "fault 1 is ON: delay for fastly/purge_all: acknowledged at once, in effect after 5 s of edge time, after 2 calls, 3 times, "
        "for 60 s; `edgecache faults off 1` ends it",
        "fault 2 is ON: lost for every vendor's purges: acknowledged, and nothing is invalidated, 1 times; "
        "`edgecache faults off 2` ends it",
        "fault 1 is off (delay); it struck 0 calls",
        "fault 2 is off (lost); it struck 1 call",
    ]


def test_they_are_listed_ended_and_bounded() -> None:
    faults = Faults()
    for _ in range(MOST):
        faults.add(Wanted(LOST), 0.0)
    assert faults.add(Wanted(LOST), 0.0) is None
    assert faults.end(1, 0.0)
    assert not faults.end(1, 0.0)
    added = faults.add(Wanted(LIMIT, for_s=1), 0.0)
    assert added is not None
    assert added.number == MOST + 1
    assert added in faults.active(0.9)
    assert added not in faults.active(1.0)
    faults.clear()
    assert not faults.active(0.0)


@pytest.mark.parametrize(
    "wanted, words",
    [
        (Wanted(LIMIT), None),
        (Wanted(LIMIT, "cloudflare", "verify"), None),
        (Wanted(LOST, "cloudflare", "purge_cache"), None),
        (Wanted(LIMIT, "fastly", "purge_all"), None),
        (Wanted(LIMIT, "fasly"), "no vendor 'fasly'; there are: cloudflare, fastly"),
        (Wanted(LIMIT, "cloudflare", "purge_all"), "no call 'purge_all' of cloudflare"),
        (Wanted(LIMIT, "cloudflare", "x" * 100), "there are: purge_cache, verify"),
        (Wanted(LOST, "cloudflare", "verify"), "invalidates nothing"),
        (Wanted(Fault.DELAY, "cloudflare", "verify"), "invalidates nothing"),
    ],
)
def test_what_cannot_be_asked_for(wanted: Wanted, words: str | None) -> None:
    said = complaint(wanted, {CF: {"purge_cache": True, "verify": False}, FASTLY: {"purge_all": True}})
    assert (said is None) if words is None else (said is not None and words in said)
