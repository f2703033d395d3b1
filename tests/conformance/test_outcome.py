"""What results come to: a test counts only on passed bases, and as failed only when it failed in every run."""

from __future__ import annotations

import pytest

from tests.conformance.outcome import Failure, Outcome, Published, Results, Score, Standing, Suite, Test, read_results, read_suite

NO = Failure("Assertion", "Response 2 comes from cache")


def a_test(test_id: str, *depends_on: str) -> Test:
    return Test(test_id, "Group", "required", f"HTTP cache must {test_id}", depends_on, ())


# `top` builds on `middle`, and that on `base`.
SUITE = Suite({test.id: test for test in (a_test("base"), a_test("middle", "base"), a_test("top", "middle"))}, ())


def run(base: bool, middle: bool, top: bool) -> Results:
    return {name: None if passed else NO for name, passed in (("base", base), ("middle", middle), ("top", top))}


@pytest.mark.parametrize(
    "runs, standings",
    [
        ([run(True, True, True)], "passed passed passed"),
        ([run(True, True, False)], "passed passed failed"),
        ([run(True, False, True)], "passed failed neither"),
        ([run(False, True, True)], "failed neither neither"),
        # two runs: passed in either, failed in both
        ([run(True, True, True), run(True, True, False)], "passed passed passed"),
        ([run(True, True, False), run(True, True, False)], "passed passed failed"),
        ([run(True, True, False), run(True, False, True)], "passed passed neither"),
        ([run(True, False, True), run(True, True, False)], "passed passed neither"),
        ([run(False, True, True), run(True, False, True)], "passed neither neither"),
        # without a result
        ([{"base": None, "top": None}], "passed neither neither"),
    ],
)
def test_standings(runs: list[Results], standings: str) -> None:
    outcome = Outcome(SUITE, runs)
    assert [outcome.standing(name).value for name in SUITE.tests] == standings.split()
    assert outcome.score("required") == Score(standings.split().count("passed"), 3)
    assert outcome.score("optimal") == Score(0, 0)


@pytest.mark.parametrize(
    "runs, failed, neither",
    [
        ([run(False, False, False)], ["base"], {"base": ["middle", "top"]}),
        ([run(True, False, True)], ["middle"], {"middle": ["top"]}),
        ([run(True, True, False), run(False, True, True)], [], {"top": ["top"]}),
    ],
)
def test_what_is_neither_is_listed_under_its_base(runs: list[Results], failed: list[str], neither: dict[str, list[str]]) -> None:
    outcome = Outcome(SUITE, runs)
    assert [test.id for test in outcome.failed("required")] == failed
    assert {base: [test.id for test in tests] for base, tests in outcome.neither("required").items()} == neither


def test_reading_what_the_suite_prints() -> None:
    results = read_results({"a": True, "b": ["Setup", "retry"]})
    assert results == {"a": None, "b": Failure("Setup", "retry")}
    tests = [{"id": "a", "name": "A", "requests": [{}]}, {"id": "b", "name": "B", "kind": "check", "depends_on": ["a"], "requests": []}]
    suite = read_suite(
        {
            "groups": [{"name": "Group", "tests": [*tests, {"id": "c", "name": "C", "browser_only": True, "requests": []}]}],
            "published": [
                {"name": "One", "version": "1", "type": "rev-proxy", "results": {"a": True}},
                {"name": "Two", "version": "2", "type": "browser", "results": {"a": True}},
            ],
        }
    )
    assert list(suite.tests.values()) == [Test("a", "Group", "required", "A", (), ({},)), Test("b", "Group", "check", "B", ("a",), ())]
    assert suite.published == (Published("One", "1", {"a": None}),)
    assert Outcome(suite, [results]).failure("b") == Failure("Setup", "retry")
    assert Outcome(suite, [results]).standing("a") is Standing.PASSED
