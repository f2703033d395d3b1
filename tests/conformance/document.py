"""docs/conformance.md: how many tests pass, beside other caches, and why each of the others does not.

The page is made from results, REASONS and PEERS. MARKS is what must not be lost again: raise it with every test that is won.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tests.conformance.outcome import KINDS, Kind, Outcome, Published, Standing, Suite, Test

# How many tests passed last; fewer make the tests fail.
MARKS: Mapping[Kind, int] = {"required": 144, "optimal": 79}
WANTED: tuple[Kind, ...] = ("required", "optimal")  # a `check` has no right answer, so it cannot be failed

_AGE = "RFC 9111 5.1, newer than the test: the first member of a list counts, and a value that is no number of seconds is ignored."
_GONE = (
    "The test cannot be passed: it wants a field that only the origin sets, and the origin hung up. The edge answers 502, and does not use "
    "the stale response, which is what was to be shown."
)
_SURROGATE = "Surrogate-Control never became a standard, and caches disagree about it. RFC 9213 took its place."
_CUT_SHORT = "The origin's Content-Range names six bytes and its content has five: what was cut short is not stored."

# Why a test that fails is to go on failing. Whoever adds one says what is right instead, and where that is written.
REASONS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "age-parse-nonnumeric",
            "age-parse-negative",
            "age-parse-float",
            "age-parse-prefix-twoline",
            "age-parse-dup-0",
            "age-parse-dup-0-twoline",
            "age-parse-dup-old",
            "age-parse-parameter",
            "age-parse-numeric-parameter",
        ),
        _AGE,
    ),
    **dict.fromkeys(
        ("stale-close-must-revalidate", "stale-close-proxy-revalidate", "stale-close-no-cache", "stale-close-s-maxage=2"),
        _GONE,
    ),
    "headers-store-Transfer-Encoding": (
        "The origin sends a transfer coding that does not exist, so nobody can tell where its content ends (RFC 9112 6.1, 6.3): 502."
    ),
    **dict.fromkeys(
        (
            "surrogate-max-age",
            "surrogate-max-age-max",
            "surrogate-max-age-max-plus",
            "surrogate-max-age-me-target",
            "surrogate-no-store-cc-fresh",
            "surrogate-fresh-cc-nostore",
        ),
        _SURROGATE,
    ),
    **dict.fromkeys(
        (
            "partial-store-partial-reuse-partial",
            "partial-store-partial-reuse-partial-byterange",
            "partial-store-partial-reuse-partial-absent",
            "partial-store-partial-reuse-partial-suffix",
        ),
        _CUT_SHORT,
    ),
    "vary-normalise-lang-order": (
        "Many origins take the first of equal weights as the preferred one (RFC 9110 12.5.4 knows of it). The setting sort_languages "
        "has the order ignored."
    ),
    "vary-normalise-lang-select": "Which language the origin would choose for other weights, only the origin knows.",
    "conditional-lm-fresh-no-lm": (
        "Date stands in for a missing Last-Modified (RFC 9111 4.3.2). Here it is later than what the client names: its copy may be old."
    ),
}
_NOT_YET = "not yet"


class Peer(NamedTuple):
    """What another cache passes of the suite's state of July 2026."""

    name: str
    required: int
    optimal: int


_PEER_REQUIRED, _PEER_OPTIMAL = 160, 105
PEERS = (
    Peer("Apache Traffic Server 9.2", 134, 73),
    Peer("Apache httpd 2.4.71", 131, 68),
    Peer("Squid 5.7", 121, 58),
    Peer("Caddy with Souin 0.16 (published)", 121, 44),
    Peer("Varnish 7.1", 119, 45),
    Peer("nginx 1.22", 100, 58),
    Peer("Fastly, December 2025 (published)", 96, 49),
    Peer("HAProxy 3.0 (published)", 89, 40),
)

_HEAD = """\
# Conformance

How edgecache, with its profile `standard`, does in [http-cache-tests](https://cache-tests.fyi/) 0.4.5, the public tests that HTTP caches
are compared by. They are no certificate, but the best description of how caches behave that caches share.

- **required**: the RFCs demand it. **optimal**: a good cache does it. **check**: it only shows what a cache does, there is no right answer.
- A test that builds on others counts as neither passed nor failed unless those passed.
- The suite is run twice against one edge, since a second that passes while an Age is worked out can turn a result. A test passed if it
  did in either run, and failed if it failed in both.

This page is made by `python -m tests.conformance --write`. `python -m tests.conformance --id TEST` runs one test and shows what goes over
the wire.
"""


def render(outcome: Outcome) -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_scores(outcome), *_others(outcome), failures(outcome)])


def failures(outcome: Outcome) -> str:
    """The last part of the page: what does not pass. The same tests make it the same text, whatever else moved between two runs."""
    return "\n".join(line for kind in WANTED for line in _failures(outcome, kind)).rstrip("\n") + "\n"


def failures_in(page: str) -> str:
    """That part of a page as it was written."""
    return page[page.find(_failed(WANTED[0])) :]


def reason(test_id: str) -> str:
    """Why a failed test fails: for good, or only as yet."""
    return REASONS.get(test_id, _NOT_YET)


def wants(test: Test) -> str:
    """What a test is about in a few words: its title without what all titles have, nor the links and bars that a table cannot hold."""
    title = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", test.title)
    title = re.sub(r"^(An? )?(optimal |shared )?((HTTP|surr?ogate) )?(cache )", "", title, flags=re.IGNORECASE)
    return title.strip().rstrip(".?").replace("|", "\\|")


def _scores(outcome: Outcome) -> Iterable[str]:
    yield "## Score\n"
    yield "| | " + " | ".join(KINDS) + " |"
    yield "|---|" + "---|" * len(KINDS)
    together = [f"**{outcome.score(kind)}**" for kind in KINDS]
    yield f"| **edgecache** | {' | '.join(together)} |"
    for number, results in enumerate(outcome.runs, 1):
        alone = Outcome(outcome.suite, [results])
        yield f"| run {number} alone | {' | '.join(str(alone.score(kind)) for kind in KINDS)} |"
    yield ""
    yield f"Tests fail below {' and '.join(f'{MARKS[kind]} {kind}' for kind in WANTED)}.\n"


def _others(outcome: Outcome) -> Iterable[str]:
    yield "## Beside other caches\n"
    yield "The same tests, with the results of older releases that their package brings.\n"
    yield "| cache | required | optimal |"
    yield "|---|---|---|"
    yield f"| **edgecache** | **{outcome.score('required')}** | **{outcome.score('optimal')}** |"
    suite = outcome.suite
    for other, alone in sorted(_published(suite), key=lambda pair: -sum(pair[1].score(kind).passed for kind in WANTED)):
        missing = len(suite.tests.keys() - other.results.keys())
        note = f", {missing} of {len(suite.tests)} tests without result" if missing else ""
        yield f"| {other.name} ({other.version}{note}) | {alone.score('required')} | {alone.score('optimal')} |"
    yield ""
    yield "Newer releases, in the suite's state of July 2026. npm does not have it; tests were added and others corrected, so these rows"
    yield "compare with the first one only roughly. Each ran twice on one machine, unless its numbers were published.\n"
    yield "| cache | required | optimal |"
    yield "|---|---|---|"
    yield f"| **edgecache**, as above | **{outcome.score('required')}** | **{outcome.score('optimal')}** |"
    for peer in PEERS:
        yield f"| {peer.name} | {peer.required} of {_PEER_REQUIRED} | {peer.optimal} of {_PEER_OPTIMAL} |"
    yield ""


def _failed(kind: Kind) -> str:
    return f"## Failed: {kind}"


def _failures(outcome: Outcome, kind: Kind) -> Iterable[str]:
    failed, neither = outcome.failed(kind), outcome.neither(kind)
    yield f"{_failed(kind)}\n"
    if failed:
        yield "| test | it wants | others that pass | why not |"
        yield "|---|---|---|---|"
        for test in failed:
            yield f"| `{test.id}` | {wants(test)} | {_passing(outcome.suite, test)} | {reason(test.id)} |"
    else:
        yield "None."
    yield ""
    if neither:
        count = sum(len(tests) for tests in neither.values())
        yield f"Neither passed nor failed: {count}, for want of\n"
        for base, tests in neither.items():
            yield f"- `{base}`: {', '.join(f'`{test.id}`' for test in tests)}"
        yield ""


def _passing(suite: Suite, test: Test) -> str:
    """How many of those with published results pass a test."""
    standings = [alone.standing(test.id) for _, alone in _published(suite)]
    return f"{standings.count(Standing.PASSED)} of {len(standings)}"


def _published(suite: Suite) -> list[tuple[Published, Outcome]]:
    return [(other, Outcome(suite, [other.results])) for other in suite.published]
