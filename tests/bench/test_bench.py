"""`python -m bench` runs, checks what it measures, and reports it. Nothing here looks at how fast anything is."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.cases import CASES, Expect, Heads, request_head
from bench.load import Round, check
from bench.peers import EDGECACHE, NGINX, PEERS
from bench.programs import Cores, Failed, Tool, choose_cores
from bench.report import Report, Row, Terms
from bench.stage import started

ROOT = Path(__file__).parents[2]
TERMS = Terms(1, 1.0, 64, Cores(0, 1), 0.0, {})


@pytest.fixture
def tools(system_program: Callable[[str, str], str]) -> None:
    system_program("nginx", "apt-get install nginx-light")
    system_program("wrk", "apt-get install wrk")


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


# end to end


@pytest.mark.usefixtures("tools")
def test_one_tiny_case_gives_a_row_for_each_peer(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = bench("--case", "miss-1k", "--rounds", "1", "--duration", "0.2", "--json", str(file))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [["miss-1k", peer.name] for peer in PEERS]
    assert "\x1b" not in done.stdout + done.stderr
    assert [line for line in done.stderr.splitlines() if "round 1 of 1" in line] == [
        f"miss-1k, round 1 of 1: {peer.name}" for peer in PEERS
    ]
    figures = json.loads(file.read_text())
    assert [(one["peer"], one["problem"], one["rounds"][0]["requests"] > 0) for one in figures["rows"]] == [
        (peer.name, None, True) for peer in PEERS
    ]


@pytest.mark.usefixtures("tools")
def test_every_case_is_answered_rightly_by_every_peer() -> None:
    with started(PEERS, choose_cores()) as stage:
        for case in CASES:
            for peer in PEERS:
                check(case, peer, stage.servers[peer.name], stage.origin)


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"path": "/miss/1k"}, "the origin was asked 3 times in 3 requests that should all be hits"),
        ({"expect": Expect.MISS}, "the origin was asked only 0 times in 3 requests that should all reach it"),
        ({"size_bytes": 1000}, "GET /hit/1k was answered with 1024 bytes of other content than the origin's 1000"),
        ({"path": "/nowhere"}, "GET /nowhere was answered with status 404"),
    ],
)
def test_what_is_answered_otherwise_is_not_measured(wrong: dict[str, Any], sentence: str) -> None:
    case = dataclasses.replace(CASES[0], **wrong)
    row = Row(case, EDGECACHE)
    with started([EDGECACHE], choose_cores()) as stage:
        stage.measure_case([row], 1, 0.1, lambda _: None)
    assert (row.problem, row.rounds) == (sentence, [])
    report = Report([row], TERMS)
    assert report.problems == [f"hit-1k, edgecache: {sentence}"]


# pieces


def test_list_needs_nothing_installed() -> None:
    done = bench("--list")
    assert done.returncode == 0
    for name in [case.name for case in CASES] + [peer.name for peer in PEERS]:
        assert name in done.stdout


def test_unknown_case_is_misuse() -> None:
    assert bench("--case", "hit-1g").returncode == 2


def test_missing_tool_says_how_to_install_it() -> None:
    tool = Tool("no-such-program", "no-such-package")
    assert tool.missing == "no-such-program is missing; on Debian: apt-get install no-such-package"
    with pytest.raises(Failed, match="apt-get install no-such-package"):
        tool.needed()


@pytest.mark.parametrize("heads", Heads)
def test_heads_are_whole_and_differ_where_they_should(heads: Heads) -> None:
    case = dataclasses.replace(CASES[0], heads=heads)
    one, two = (request_head(case, "127.0.0.1:80", number) for number in ("1", "2"))
    assert one.endswith("\r\n\r\n")
    assert one.count("\r\n") == (15 if heads is Heads.BROWSER else 3)  # 13 fields, or Host alone
    assert (one != two) is (heads is Heads.BROWSER)


def test_medians_ratios_and_spread() -> None:
    ours = Row(CASES[0], EDGECACHE, [Round(100, 1.0, 0.5), Round(300, 1.0, 0.9), Round(220, 1.1, 1.1)])
    theirs = Row(CASES[0], NGINX, [Round(400, 1.0, 0.2)])
    report = Report([ours, theirs], TERMS)
    assert (ours.requests_per_s, ours.spread, ours.cpu_us, ours.busy) == pytest.approx((200, 1.0, 5000, 0.9))
    assert (report.ratios(ours).rate, report.ratios(ours).cpu) == pytest.approx((0.5, 0.1))


def test_without_the_baseline_or_cpu_times_figures_stay_and_ratios_are_absent() -> None:
    row = Row(CASES[0], EDGECACHE, [Round(100, 1.0, None)])
    report = Report([row], TERMS)
    shown = io.StringIO()
    report.show(Console(file=shown))
    assert shown.getvalue().splitlines()[1].split() == ["hit-1k", "edgecache", "100", "-", "0%", "-", "-", "-"]
    assert json.loads(report.as_json())["rows"][0]["ratio"] is None


def test_a_terminal_gets_a_table() -> None:
    shown = io.StringIO()
    Report([Row(CASES[0], NGINX, [Round(100, 1.0, 0.5)])], TERMS).show(Console(file=shown, force_terminal=True, width=120))
    assert "━" in shown.getvalue() or "─" in shown.getvalue()
