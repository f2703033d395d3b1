"""`python -m bench.invalidation_cost` runs as a whole, with little of everything. Nothing here looks at how fast anything is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from edgecache.invalidation.selectors import Kind

ROOT = Path(__file__).parents[2]


def test_it_measures_every_selector_each_way_and_draws_it(system_program: Callable[[str, str], str], tmp_path: Path) -> None:
    for program, package in (("nginx", "nginx-light"), ("wrk", "wrk"), ("varnishd", "varnish")):
        system_program(program, f"apt-get install {package}")
    figures, plot = tmp_path / "figures.json", tmp_path / "plot.svg"
    flags = [
        "--few",
        "200",
        "--many",
        "400",
        "--bans",
        "100",
        "--rounds",
        "1",
        "--duration",
        "0.1",
        "--json",
        str(figures),
        "--plot",
        str(plot),
    ]
    command = [sys.executable, "-m", "bench.invalidation_cost", *flags]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(figures.read_text())
    assert set(found["cost_us"]) == {kind.value for kind in Kind}
    assert all(set(costs) == {"200", "400"} for costs in found["cost_us"].values())
    assert {name.partition(",")[0].partition(":")[0] for name in found["per_second"]} == {"edgecache", "Varnish"}
    assert set(found["hits"]) == {"edgecache", "Varnish"}
    assert "Hits per second" in ended.stdout
    assert ElementTree.fromstring(plot.read_text()).tag.endswith("svg")
