"""What is measured: the closed list of cases, and the heads that the load sends."""

from __future__ import annotations

import enum
from dataclasses import dataclass

CONTENT = b"0123456789abcde\n"  # repeated: what the origin answers with


class Expect(enum.Enum):
    """What has to become of every request of a case; a measurement of anything else is thrown away."""

    HIT = "from the store: the origin is not asked"
    MISS = "from the origin: it is asked every time"


class Heads(enum.Enum):
    """What the load's requests look like."""

    SMALL = "only Host, the same bytes every time"
    BROWSER = "13 fields as a browser sends them, one with another value every time"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure. `path` is that of the one URL asked for; the origin answers it with `size_bytes` of content."""

    name: str
    measures: str
    path: str
    size_bytes: int
    heads: Heads
    expect: Expect

    @property
    def content(self) -> bytes:
        """The content that every answer has to have."""
        return (CONTENT * (self.size_bytes // len(CONTENT) + 1))[: self.size_bytes]


CASES = (
    Case("hit-1k", "hits of 1 KiB", "/hit/1k", 1024, Heads.SMALL, Expect.HIT),
    Case("hit-64k", "hits of 64 KiB", "/hit/64k", 64 * 1024, Heads.SMALL, Expect.HIT),
    Case("hit-browser", "hits of 1 KiB, no two requests with the same bytes", "/hit/1k", 1024, Heads.BROWSER, Expect.HIT),
    Case("miss-1k", "1 KiB that may not be stored, heads as a browser's", "/miss/1k", 1024, Heads.BROWSER, Expect.MISS),
)

# The field that differs is in the middle, where cookies are: whoever compares heads cannot tell early, and nobody may leave it out.
VARYING = "Cookie"
BROWSER_FIELDS = (
    ("Connection", "keep-alive"),
    ("sec-ch-ua", '"Chromium";v="128", "Not;A=Brand";v="24"'),
    ("sec-ch-ua-mobile", "?0"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("Referer", "http://www.example.com/articles/index.html"),
    (VARYING, "theme=dark; visit="),  # a number follows
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Dest", "document"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
)


def request_head(case: Case, host: str, number: str) -> str:
    """The head of one request, with its empty line; `number` makes it differ from the others where the case wants that."""
    lines = [f"GET {case.path} HTTP/1.1", f"Host: {host}"]
    if case.heads is Heads.BROWSER:
        lines += [f"{name}: {value}{number if name == VARYING else ''}" for name, value in BROWSER_FIELDS]
    return "".join(f"{line}\r\n" for line in (*lines, ""))
