"""How many calls and objects Akamai takes, as token buckets: one for all calls, and one for the objects of each kind."""

from __future__ import annotations

import math
from collections.abc import Mapping

from edgecache.config import Vendor
from edgecache.control.dialects.akamai.errors import AkamaiRefusal, Problem
from edgecache.control.dialects.buckets import ROUNDING, Bucket, Buckets, Rate
from edgecache.control.dialects.call import Refused

CALLS = Rate(100, 50)
OBJECTS: Mapping[str, Rate] = {"url": Rate(10_000, 200), "cpcode": Rate(300, 30 / 60), "tag": Rate(5_000, 500 / 60)}


class Limits:
    """The buckets of one edge."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def take(self, kind: str, objects: int, now: float) -> None:
        """Take a call with so many objects. A call that is denied takes nothing. Raises AkamaiRefusal."""
        calls, of_kind = self._calls(now), self._objects(kind, now)
        for bucket, n, title in ((of_kind, objects, f"{kind.upper()} {Problem.RATE_LIMITED.title}"), (calls, 1, "")):
            if n - bucket.left(now) > ROUNDING:
                raise _refusal(bucket, n, title, now)
        calls.take(1, now)
        of_kind.take(objects, now)

    def fields(self, kind: str, now: float) -> list[tuple[str, str]]:
        """What is left, and in how many seconds all of it is there again; of calls, and of objects of this kind."""
        return [*_fields(self._calls(now), "", now), *_fields(self._objects(kind, now), "-Objects", now)]

    def _calls(self, now: float) -> Bucket:
        return self._buckets.get((Vendor.AKAMAI, "calls"), CALLS, now)

    def _objects(self, kind: str, now: float) -> Bucket:
        return self._buckets.get((Vendor.AKAMAI, kind), OBJECTS[kind], now)


def _refusal(bucket: Bucket, n: int, title: str, now: float) -> AkamaiRefusal:
    left = _left(bucket, now)
    more = {"rateLimit": int(bucket.rate.size), "rateLimitCurrentRequestSize": n, "rateLimitRemaining": left}
    problem = Problem.OBJECTS_LIMITED if title else Problem.RATE_LIMITED
    said = f"{n} asked for, and {left} left"
    return AkamaiRefusal(problem, said, why=Refused.RATE_LIMITED, title=title, more=more)


def _fields(bucket: Bucket, suffix: str, now: float) -> list[tuple[str, str]]:
    return [
        (f"X-Ratelimit-Limit{suffix}", f"{bucket.rate.size:g}"),
        (f"X-Ratelimit-Remaining{suffix}", str(_left(bucket, now))),
        (f"X-Ratelimit-Limit-Per-Second{suffix}", f"{bucket.rate.per_s:.4g}"),
        (f"X-Ratelimit-Seconds-To-Refresh-Limit{suffix}", str(math.ceil(bucket.full_in(now)))),
    ]


def _left(bucket: Bucket, now: float) -> int:
    return max(0, math.floor(bucket.left(now) + ROUNDING))
