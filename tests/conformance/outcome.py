"""What the results of the suite come to: which tests passed, failed, or say nothing because one that they build on did not pass.

Pure: results in, counts and lists out. The rules:

- A test is `required` (the RFCs demand it), `optimal` (a good cache does it) or `check` (it shows what is done; there is no right answer).
- A test that builds on others says nothing unless all of those passed: it counts as neither passed nor failed.
- The suite is run more than once, since a second that passes while an Age is worked out can turn a result. A test passed if it did in any
  run, and failed if it failed in every one; what is left (failed in one, without its base in the other) counts as neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, NamedTuple

Kind = Literal["required", "optimal", "check"]
KINDS: tuple[Kind, ...] = ("required", "optimal", "check")


class Failure(NamedTuple):
    """What the suite says of a test that did not pass. `name`: Assertion for what was tested, Setup for what goes before, or an error's."""

    name: str
    message: str


# Of one run: every test by id, None when it passed.
Results = Mapping[str, Failure | None]


class Standing(Enum):
    """What a test comes to."""

    PASSED = "passed"
    FAILED = "failed"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Test:
    """One test of the suite. `requests` are its requests with what the origin answers and what is expected, as the suite writes them."""

    __test__ = False  # not one of pytest's

    id: str
    group: str
    kind: Kind
    title: str
    depends_on: tuple[str, ...]
    requests: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Published:
    """The results of another cache that come with the suite; tests that were added later are missing in some."""

    name: str
    version: str
    results: Results


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests that are meant for proxies, by id in the suite's order, and what other caches made of them."""

    tests: Mapping[str, Test]
    published: tuple[Published, ...]


class Score(NamedTuple):
    """How many tests of one kind passed, and how many there are, those that count as neither included."""

    passed: int
    total: int

    def __str__(self) -> str:
        return f"{self.passed} of {self.total}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one or more runs of `suite` come to."""

    suite: Suite
    runs: Sequence[Results]

    def standing(self, test_id: str) -> Standing:
        """What does a test come to in all runs together?"""
        each = {standing_in(results, self.suite, test_id) for results in self.runs}
        if Standing.PASSED in each:
            return Standing.PASSED
        return Standing.FAILED if each == {Standing.FAILED} else Standing.NEITHER

    def score(self, kind: Kind) -> Score:
        """How many tests of this kind passed?"""
        mine = self._of(kind)
        return Score(sum(self.standing(test.id) is Standing.PASSED for test in mine), len(mine))

    def failed(self, kind: Kind) -> list[Test]:
        """The tests of this kind that failed, in the suite's order."""
        return [test for test in self._of(kind) if self.standing(test.id) is Standing.FAILED]

    def neither(self, kind: Kind) -> dict[str, list[Test]]:
        """The tests of this kind that say nothing, by the first test they build on that did not pass itself."""
        found: dict[str, list[Test]] = {}
        for test in self._of(kind):
            if self.standing(test.id) is Standing.NEITHER:
                found.setdefault(self._missing_base(test), []).append(test)
        return found

    def failure(self, test_id: str) -> Failure:
        """What the suite says about a test that did not pass, in the first run in which it did not."""
        return next(failure for failure in (results.get(test_id) for results in self.runs) if failure is not None)

    def _of(self, kind: Kind) -> list[Test]:
        return [test for test in self.suite.tests.values() if test.kind == kind]

    def _missing_base(self, test: Test) -> str:
        """The first test below `test` that failed; `test` itself when the runs disagree about all of them."""
        for base in test.depends_on:
            match self.standing(base):
                case Standing.FAILED:
                    return base
                case Standing.NEITHER:
                    return self._missing_base(self.suite.tests[base])
        return test.id


def standing_in(results: Results, suite: Suite, test_id: str) -> Standing:
    """What does a test come to in one run? One without a result counts as neither."""
    test = suite.tests[test_id]
    if test_id not in results or any(standing_in(results, suite, base) is not Standing.PASSED for base in test.depends_on):
        return Standing.NEITHER
    return Standing.PASSED if results[test_id] is None else Standing.FAILED


def read_results(results: Mapping[str, Any]) -> Results:
    """Results as the suite prints them, JSON: true, or a list of an error's name and message."""
    return {test_id: None if result is True else Failure(str(result[0]), str(result[1])) for test_id, result in results.items()}


def read_suite(definitions: Mapping[str, Any]) -> Suite:
    """The suite as definitions.mjs prints it; what is meant for browsers only is left out."""
    tests = {
        test["id"]: Test(
            id=test["id"],
            group=group["name"],
            kind=test.get("kind", "required"),
            title=test["name"],
            depends_on=tuple(test.get("depends_on", ())),
            requests=tuple(test["requests"]),
        )
        for group in definitions["groups"]
        for test in group["tests"]
        if not test.get("browser_only")
    }
    published = tuple(
        Published(other["name"], other["version"], read_results(other["results"]))
        for other in definitions["published"]
        if other["type"] != "browser"
    )
    return Suite(tests, published)
