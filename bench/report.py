"""What came out: medians, ratios and spread, as a table for people and as JSON."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bench.cases import Case
from bench.load import Round
from bench.peers import BASELINE, Peer
from bench.programs import Cores

PIPE_WIDTH = 140


@dataclass(slots=True)
class Row:
    """One peer in one case: its rounds, or the sentence that says why there are none that count."""

    case: Case
    peer: Peer
    rounds: list[Round] = field(default_factory=list)
    problem: str | None = None

    @property
    def counts(self) -> bool:
        """Are there figures?"""
        return self.problem is None and bool(self.rounds)

    @property
    def requests_per_s(self) -> float:
        """The median of the rounds."""
        return statistics.median(one.requests_per_s for one in self.rounds)

    @property
    def spread(self) -> float:
        """How far the rounds lie apart: the best less the worst, as a part of the median."""
        rates = [one.requests_per_s for one in self.rounds]
        return (max(rates) - min(rates)) / self.requests_per_s

    @property
    def cpu_us(self) -> float | None:
        """CPU for each request, the median of the rounds."""
        return _median([one.cpu_us for one in self.rounds])

    @property
    def busy(self) -> float | None:
        """The part of its core that the server used, the median of the rounds."""
        return _median([one.busy for one in self.rounds])


@dataclass(frozen=True, slots=True)
class Ratios:
    """A peer against the baseline; above 1 it is better. None: one of the two has no figure."""

    rate: float | None  # requests per second
    cpu: float | None  # requests for the same CPU time


@dataclass(frozen=True, slots=True)
class Terms:
    """How the figures were taken. `load_average` is that of the minute before the first round."""

    rounds: int
    duration_s: float
    connections: int
    cores: Cores
    load_average: float
    versions: dict[str, str]


class Report:
    """All rows of a run, and the terms on which they came about."""

    def __init__(self, rows: Sequence[Row], terms: Terms) -> None:
        self.rows = rows
        self.terms = terms

    @property
    def problems(self) -> list[str]:
        """What could not be measured, a sentence each."""
        return [f"{row.case.name}, {row.peer.name}: {row.problem}" for row in self.rows if row.problem]

    def ratios(self, row: Row) -> Ratios:
        """How does this row stand against the baseline's in the same case?"""
        base = next((one for one in self.rows if one.case is row.case and one.peer is BASELINE), None)
        if base is None or not base.counts or not row.counts:
            return Ratios(None, None)
        cpu = base.cpu_us / row.cpu_us if base.cpu_us and row.cpu_us else None
        return Ratios(row.requests_per_s / base.requests_per_s, cpu)

    def show(self, console: Console) -> None:
        """The table and what one has to know about it; with rules and bold figures in a terminal, plain text elsewhere."""
        if not console.is_terminal:
            console.width = PIPE_WIDTH
        console.print(self._table(plain=not console.is_terminal))
        for sentence in (*self.problems, *self._notes()):
            console.print(sentence, markup=False, highlight=False, soft_wrap=not console.is_terminal)

    def as_json(self) -> str:
        """Everything, each round included."""
        return json.dumps(
            {
                "terms": dataclasses.asdict(self.terms) | {"cores": self.terms.cores._asdict()},
                "machine": machine(),
                "baseline": BASELINE.name,
                "rows": [self._row(row) for row in self.rows],
            },
            indent=2,
        )

    def _row(self, row: Row) -> dict[str, Any]:
        ratios = self.ratios(row)
        return {
            "case": row.case.name,
            "peer": row.peer.name,
            "problem": row.problem,
            "requests_per_s": row.requests_per_s if row.counts else None,
            "ratio": ratios.rate,
            "spread": row.spread if row.counts else None,
            "cpu_us": row.cpu_us if row.counts else None,
            "cpu_ratio": ratios.cpu,
            "busy": row.busy if row.counts else None,
            "rounds": [{"requests": one.requests, "seconds": one.seconds, "cpu_s": one.cpu_s} for one in row.rounds],
        }

    def _table(self, *, plain: bool) -> Table:
        table = Table(box=None if plain else box.SIMPLE_HEAD, pad_edge=not plain)
        table.add_column("case")
        table.add_column("peer")
        for name in ("requests/s", f"× {BASELINE.name}", "spread", "CPU µs/request", f"× {BASELINE.name} by CPU", "core busy"):
            table.add_column(name, justify="right")
        previous: Case | None = None
        for row in self.rows:
            if previous is not None and row.case is not previous:
                table.add_section()
            table.add_row(row.case.name, row.peer.name, *self._figures(row), style=None if plain or row.peer.proxies else "dim")
            previous = row.case
        return table

    def _figures(self, row: Row) -> list[str]:
        if not row.counts:
            return ["-"] * 6
        ratios = self.ratios(row)
        return [
            f"{row.requests_per_s:,.0f}",
            _text(ratios.rate, "{:.2f}"),
            f"{row.spread:.0%}",
            _text(row.cpu_us, "{:.1f}"),
            _text(ratios.cpu, "{:.2f}"),
            _text(row.busy, "{:.0%}"),
        ]

    def _notes(self) -> list[str]:
        terms = self.terms
        notes = [
            f"Medians of {terms.rounds} × {terms.duration_s:g} s with {terms.connections} connections; server on core "
            f"{_core(terms.cores.server)}, load and origin on core {_core(terms.cores.load)}. Both ratios: above 1 is better than "
            f"{BASELINE.name}. Where a core was not busy, the load, the origin or other programs were the limit: compare CPU."
        ]
        if terms.cores.server == terms.cores.load:
            notes.append("Server, load and origin share their cores here: requests per second say little.")
        if terms.load_average > 0.5:
            notes.append(f"Other programs were running before the first round (load average {terms.load_average:.1f}): figures are noisy.")
        return notes


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {"system": platform.platform(), "cpu": _cpu_model(), "cores": os.cpu_count(), "python": platform.python_version()}


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _core(number: int | None) -> str:
    return "any" if number is None else str(number)


def _median(figures: Sequence[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return statistics.median(known) if len(known) == len(figures) and known else None


def _text(figure: float | None, form: str) -> str:
    return "-" if figure is None else form.format(figure)
