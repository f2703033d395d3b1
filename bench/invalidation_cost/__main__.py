"""What does an invalidation cost, by each selector, over HTTP, and for the hits that come after it? Varnish in the same run."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench.invalidation_cost import selectors, wire
from bench.peers import nginx_with
from bench.plots import Bars, bars_svg
from bench.programs import Failed, Tool, choose_cores, pinned

LIST = 1000  # URLs in a call that takes a list
PAGES = 1000  # URLs that hits are measured on


@dataclass(slots=True)
class Figures:
    """What was measured.

    cost_us       microseconds of one purge by each kind of selector, by the number of stored responses
    per_second    invalidations in a second on one connection, by server and way
    hits          hits in a second, by server, without bans and with bans that do not match, each response having been tested
    """

    cost_us: dict[str, dict[int, float]] = field(default_factory=dict)
    per_second: dict[str, float] = field(default_factory=dict)
    hits: dict[str, tuple[float, float]] = field(default_factory=dict)


@click.command(context_settings={"max_content_width": 120})
@click.option("--few", default=1000, show_default=True, help="Stored responses of the first measurement by selector.")
@click.option("--many", default=1_000_000, show_default=True, help="Stored responses of the second; a million takes about 3 GB.")
@click.option("--bans", default=10_000, show_default=True, help="Bans that match nothing, for the hits under them.")
@click.option("--rounds", default=3, show_default=True, help="Rounds of what goes over HTTP; the table has medians.")
@click.option("--duration", "duration_s", default=2.0, show_default=True, help="Seconds of each round.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures to FILE.")
@click.option("--plot", "plot_file", type=click.Path(dir_okay=False, path_type=Path), help="Draw them into FILE, an SVG.")
def main(few: int, many: int, bans: int, rounds: int, duration_s: float, json_file: Path | None, plot_file: Path | None) -> None:
    """Measure what invalidating costs, on this machine and on loopback only.

    Example: python -m bench.invalidation_cost --many 100000 --rounds 1
    """
    words, console = Console(stderr=True), Console()
    figures = Figures()

    def step(text: str) -> None:
        words.print(text, markup=False, highlight=False, soft_wrap=True)

    try:
        _over_http(figures, bans, rounds, duration_s, step)
        for count in (few, many):
            for kind, seconds in selectors.run(count, step).items():
                figures.cost_us.setdefault(kind, {})[count] = seconds * 1e6
    except Failed as failed:
        raise click.ClickException(str(failed)) from None
    for table in _tables(figures, few, many, bans):
        console.print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    if plot_file is not None:
        plot_file.write_text(bars_svg(_plot(figures, few, many, bans)))


def _over_http(figures: Figures, bans: int, rounds: int, duration_s: float, step: Callable[[str], None]) -> None:
    cores = choose_cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgecache-bench-")))
        (folder / "origin").mkdir()
        origin = stack.enter_context(nginx_with("pages.nginx.conf", folder / "origin", cores.load))
        edge = stack.enter_context(wire.edgecache(folder, origin.port, cores.server))
        on_disk = stack.enter_context(wire.edgecache(folder, origin.port, cores.server, "disk"))
        varnish = None
        if wire.VARNISH.missing:
            step(f"Varnish is left out: {wire.VARNISH.missing}")
        else:
            varnish = stack.enter_context(wire.varnish(folder, origin.port, cores.server))
            if not wire.has_xkey():
                step(f"xkey is left out: {Tool('libvmod_xkey.so', 'varnish-modules').missing}")
        with pinned(cores.load):
            _rates(figures, edge, on_disk, varnish, rounds, duration_s, step)
            _hits(figures, edge, varnish, bans, cores.load, rounds, duration_s, step)


def _rates(
    figures: Figures,
    edge: wire.Server,
    on_disk: wire.Server,
    varnish: wire.Server | None,
    rounds: int,
    duration_s: float,
    step: Callable[[str], None],
) -> None:
    def urls(number: int) -> list[str]:
        return [f"http://bench.example.com/page/{number * LIST + one}" for one in range(LIST)]

    ways: list[tuple[str, int, Callable[[int], bytes], int]] = []
    for name, server in (("edgecache, log_sync os", edge), ("edgecache, log_sync disk", on_disk)):
        ways += [
            (f"{name}: PURGE", server.port, lambda number: wire.head("PURGE", f"/page/{number}"), 1),
            (f"{name}: API, one URL", server.control, lambda number: wire.api({"url": f"http://bench.example.com/page/{number}"}), 1),
            (f"{name}: API, one tag", server.control, lambda number: wire.api({"tag": f"tag-{number}"}), 1),
            (f"{name}: API, lists of {LIST} URLs", server.control, lambda number: wire.api({"urls": urls(number)}), LIST),
        ]
    if varnish is not None:
        ways += [
            ("Varnish: PURGE", varnish.port, lambda number: wire.head("PURGE", f"/page/{number}"), 1),
            ("Varnish: ban", varnish.port, lambda number: wire.head("BAN", "/", f"X-Url: ^/page/{number}$"), 1),
        ]
        if wire.has_xkey():
            ways.append(("Varnish: xkey", varnish.port, lambda number: wire.head("PURGE", "/", f"xkey: tag-{number}"), 1))
    found: dict[str, list[float]] = {name: [] for name, *_ in ways}
    for number in range(rounds):
        for name, port, request, each in ways:
            step(f"round {number + 1} of {rounds}: {name}")
            found[name].append(each * wire.per_second(port, request, duration_s))
    figures.per_second = {name: statistics.median(rates) for name, rates in found.items()}


def _hits(
    figures: Figures,
    edge: wire.Server,
    varnish: wire.Server | None,
    bans: int,
    core: int | None,
    rounds: int,
    duration_s: float,
    step: Callable[[str], None],
) -> None:
    """Hits before and after `bans` bans that match nothing. The rates of each server are taken one after the other."""
    for name, server in (("edgecache", edge), ("Varnish", varnish)):
        if server is None:
            continue
        wire.fill(server.port, PAGES)
        without, with_bans = [], []
        for number in range(rounds):
            step(f"hits without bans, round {number + 1} of {rounds}: {name}")
            without.append(wire.hits_per_s(server.port, PAGES, core, duration_s))
        step(f"{bans:,} bans that match nothing: {name}")
        with _connection(server.control or server.port) as connection:
            for start in range(0, bans, 1000):
                if server.control:
                    some = [f"obj.http.x-url ~ ^/nothing/{one}$" for one in range(start, min(start + 1000, bans))]
                    connection.ask(wire.api({"bans": some}))
                else:
                    for one in range(start, min(start + 1000, bans)):
                        connection.ask(wire.head("BAN", "/", f"X-Url: ^/nothing/{one}$"))
        wire.fill(server.port, PAGES)  # each response meets each ban once
        time.sleep(0.1)
        for number in range(rounds):
            step(f"hits with {bans:,} bans, round {number + 1} of {rounds}: {name}")
            with_bans.append(wire.hits_per_s(server.port, PAGES, core, duration_s))
        figures.hits[name] = (statistics.median(without), statistics.median(with_bans))


@contextmanager
def _connection(port: int) -> Iterator[wire.Wire]:
    connection = wire.Wire(port)
    try:
        yield connection
    finally:
        connection.close()


def _tables(figures: Figures, few: int, many: int, bans: int) -> Sequence[Table]:
    by_kind = Table("selector", f"{few:,} stored", f"{many:,} stored", "ratio", title="One purge inside the edge, median, µs")
    for kind, costs in figures.cost_us.items():
        by_kind.add_row(kind, f"{costs[few]:.1f}", f"{costs[many]:.1f}", f"{costs[many] / costs[few]:.2f}")
    rates = Table("way", "per second", title="Invalidations over HTTP, one connection, one after the other")
    for name, rate in figures.per_second.items():
        rates.add_row(name, f"{rate:,.0f}")
    hits = Table("server", "without bans", f"with {bans:,}", "ratio", title=f"Hits per second on {PAGES:,} URLs")
    for name, (without, with_bans) in figures.hits.items():
        hits.add_row(name, f"{without:,.0f}", f"{with_bans:,.0f}", f"{with_bans / without:.2f}")
    return by_kind, rates, hits


def _plot(figures: Figures, few: int, many: int, bans: int) -> Sequence[Bars]:
    return [
        Bars(
            "One purge inside the edge (µs)",
            [(f"{kind}, {count:,} stored", costs[count]) for kind, costs in figures.cost_us.items() for count in (few, many)],
        ),
        Bars("Invalidations per second over HTTP", list(figures.per_second.items())),
        Bars(
            "Hits per second",
            [
                (f"{name}, {what}", rate)
                for name, both in figures.hits.items()
                for what, rate in zip(("no bans", f"{bans:,} bans"), both, strict=True)
            ],
        ),
    ]


if __name__ == "__main__":
    main(prog_name="python -m bench.invalidation_cost")
