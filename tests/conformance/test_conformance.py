"""The live edge against http-cache-tests: no test that was won is lost again, and docs/conformance.md says what is so.

The suite pauses for three seconds here and there, in the origin's time and the client's: nothing can be moved. It runs many tests at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import cache

import pytest

from tests.conformance import document, suite
from tests.conformance.outcome import Kind, Outcome


@cache
def measured(node: str, npm: str) -> Outcome:
    """What two runs come to; measured once for all tests here."""
    suite.install(npm)
    tests = suite.load(node)
    return Outcome(tests, suite.run(node, times=2))


@pytest.fixture
def outcome(system_program: Callable[[str, str], str]) -> Outcome:
    return measured(system_program("node", "apt-get install nodejs"), system_program("npm", "apt-get install npm"))


def test_every_test_has_a_result_in_both_runs(outcome: Outcome) -> None:
    assert [results.keys() - outcome.suite.tests.keys() for results in outcome.runs] == [set(), set()]
    assert [outcome.suite.tests.keys() - results.keys() for results in outcome.runs] == [set(), set()]


@pytest.mark.parametrize("kind", document.WANTED)
def test_no_fewer_pass_than_before(outcome: Outcome, kind: Kind) -> None:
    score = outcome.score(kind)
    assert score.passed >= document.MARKS[kind], f"{score} {kind} tests passed; `python -m tests.conformance --failed` lists the others"


def test_the_page_says_what_does_not_pass(outcome: Outcome) -> None:
    page = suite.REPOSITORY / "docs" / "conformance.md"
    said, seen = document.failures_in(page.read_text()), document.failures(outcome)
    differences = difflib.unified_diff(said.splitlines(), seen.splitlines(), "docs/conformance.md", "seen now", lineterm="", n=0)
    assert said == seen, "\n".join(["run `python -m tests.conformance --write`, and raise MARKS where more passes:", *differences])


def test_reasons_are_given_for_tests_that_fail_and_no_others(outcome: Outcome) -> None:
    failed = {test.id for kind in document.WANTED for test in outcome.failed(kind)}
    assert document.REASONS.keys() - failed == set()


@pytest.mark.parametrize(
    "test_id, wants",
    [
        ("heuristic-599-not_cached", "must not reuse a `599 Unknown` response with `Last-Modified` based upon heuristic freshness when"),
        ("cc-resp-private-shared", "must not store a response with `Cache-Control: private`"),
        ("surrogate-max-age-case-insensitive", "reuses a response with a positive `Surrogate-Control: MaX-aGe`"),
        ("other-age-gen", "must generate an `Age` header when using a stored response"),
        ("query-args-different", "Different query arguments must be different cache keys"),
    ],
)
def test_what_a_test_wants_in_a_few_words(outcome: Outcome, test_id: str, wants: str) -> None:
    assert document.wants(outcome.suite.tests[test_id]).startswith(wants)
