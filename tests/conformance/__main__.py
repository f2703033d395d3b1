"""`python -m tests.conformance`: how conformant is the edge, and what happens in a single test?"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import shutil
import sys
from itertools import groupby

from tests.conformance import document, suite
from tests.conformance.outcome import KINDS, Outcome, Suite, Test

PAGE = suite.REPOSITORY / "docs" / "conformance.md"
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_UNINTERESTING = ("name", "id", "dump")


def main() -> int:
    """0 when all went well; 1 with a sentence when it did not, and when the test of --id did not pass."""
    options = _options()
    try:
        node, npm = _program("node"), _program("npm")
        suite.install(npm)
        tests = suite.load(node)
        if options.id:
            return _show(node, _find(tests, options.id))
        outcome = Outcome(tests, suite.run(node, options.runs))
    except suite.SuiteError as error:
        print(error, file=sys.stderr)
        return 1
    if options.failed:
        _list_failed(outcome)
    if options.write:
        PAGE.write_text(document.render(outcome))
    print(", ".join(f"{kind} {outcome.score(kind)}" for kind in KINDS))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description="Run http-cache-tests against an edge.")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true", help="write docs/conformance.md")
    action.add_argument("--failed", action="store_true", help="list the tests that failed, by the suite's groups")
    action.add_argument("--id", metavar="TEST", help="run this test alone; show what it asks for, and what goes over the wire")
    parser.add_argument("--runs", type=int, choices=(1, 2), default=2, help="how often all tests run; 2 is what the page is made from")
    options = parser.parse_args()
    if options.write and options.runs != 2:
        parser.error("--write needs both runs")
    return options


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise suite.SuiteError(f"{name} is missing; the suite needs node 20 or newer with npm")
    return path


def _find(tests: Suite, test_id: str) -> Test:
    if test_id in tests.tests:
        return tests.tests[test_id]
    near = difflib.get_close_matches(test_id, tests.tests, n=3, cutoff=0.4)
    raise suite.SuiteError(f"there is no test {test_id}" + (f"; there are {', '.join(near)}" if near else ""))


def _list_failed(outcome: Outcome) -> None:
    failed = {test.id for kind in document.WANTED for test in outcome.failed(kind)}
    wanted = [test for test in outcome.suite.tests.values() if test.id in failed]
    for group, tests in groupby(wanted, key=lambda test: test.group):
        print(group)
        for test in tests:
            print(f"  {test.id} ({test.kind})")
            print(f"    wants: {document.wants(test)}")
            print(f"    {': '.join(outcome.failure(test.id))}")
            print(f"    {document.reason(test.id)}")
        print()


def _show(node: str, test: Test) -> int:
    exchange = suite.run_one(node, test.id)
    print(f"{test.id} ({test.kind}, {test.group})\n{test.title}")
    if test.depends_on:
        print(f"builds on {', '.join(test.depends_on)}")
    for number, request in enumerate(test.requests, 1):
        print(f"\nRequest {number}")
        for name, value in request.items():
            if name not in _UNINTERESTING:
                print(f"    {name}: {json.dumps(value, ensure_ascii=False)}")
    print("\nBetween edge and origin:\n")
    print(_plain(exchange.origin.partition("\n")[2]))  # the first line says where it listens
    print("Between client and edge:\n")
    print(_plain(exchange.client))
    last = _COLOUR.sub("", exchange.client).rstrip().splitlines()[-1]
    return 0 if last.startswith(("✅", "Y ")) else 1


def _plain(text: str) -> str:
    """Colours are for terminals only."""
    return text if sys.stdout.isatty() else _COLOUR.sub("", text)


if __name__ == "__main__":
    raise SystemExit(main())
