"""`python -m bench`: edgecache beside what people would use instead, measured in one run on one machine."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bench.cases import CASES, Case
from bench.load import CONNECTIONS, WRK
from bench.peers import NGINX_TOOL, PEERS, Peer, version_of
from bench.programs import Failed, choose_cores, pinned
from bench.report import Report, Row, Terms
from bench.stage import started


@click.command(context_settings={"max_content_width": 120})
@click.option("--case", "names", multiple=True, type=click.Choice([case.name for case in CASES]), help="Only this one; may be repeated.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=3, show_default=True, help="Rounds of each case for each peer.")
@click.option("--duration", "duration_s", type=click.FloatRange(0.1, 600), default=2.0, show_default=True, help="Seconds of each round.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures, each round's too, to FILE.")
@click.option("--list", "only_list", is_flag=True, help="Say what there is to measure, and what is missing, and end.")
def main(names: tuple[str, ...], rounds: int, duration_s: float, json_file: Path | None, only_list: bool) -> None:
    """Measure edgecache side by side with nginx, on this machine and on loopback only."""
    figures, words = Console(), Console(stderr=True)
    if only_list:
        return show_list(figures)
    peers = present(words)
    cases = [case for case in CASES if not names or case.name in names]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    if json_file is not None:
        _write(json_file, "")  # whether it can be written is better known now than after minutes
    try:
        report = run(cases, peers, rounds, duration_s, words)
    except Failed as failed:
        raise click.ClickException(str(failed)) from None
    report.show(figures)
    if json_file is not None:
        _write(json_file, report.as_json() + "\n")
    if report.problems:
        sys.exit(1)


def run(cases: Sequence[Case], peers: Sequence[Peer], rounds: int, duration_s: float, console: Console) -> Report:
    """Measure. Raises Failed when something does not start."""
    cores = choose_cores()
    terms = Terms(rounds, duration_s, CONNECTIONS, cores, os.getloadavg()[0], {peer.name: version_of(peer) for peer in peers})
    rows = [Row(case, peer) for case in cases for peer in peers]
    # Our own work in between, showing the progress included, stays off the server's core.
    with pinned(cores.load), progress(len(rows) * rounds, console) as step, started(peers, cores) as stage:
        for case in cases:
            stage.measure_case([row for row in rows if row.case is case], rounds, duration_s, step)
    return Report(rows, terms)


def show_list(console: Console) -> None:
    """Cases and peers, and how to install what is missing."""
    lines = [f"case  {case.name:<12} {case.measures}; requests with {case.heads.value}" for case in CASES]
    lines += [f"peer  {peer.name:<12} {peer.missing or peer.what}" for peer in PEERS]
    lines += [f"load  {'wrk':<12} {WRK.missing or f'{CONNECTIONS} connections'}"]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def present(console: Console) -> list[Peer]:
    """The peers that are installed; says which are not. Raises click's error without the load's or the origin's program."""
    needed = [tool for tool in (WRK, NGINX_TOOL) if tool.missing]
    if needed:
        names, packages = " and ".join(tool.name for tool in needed), " ".join(tool.package for tool in needed)
        raise click.ClickException(f"nothing can be measured without {names}; on Debian: apt-get install {packages}")
    for peer in PEERS:
        if peer.missing:
            console.print(f"{peer.name} is left out: {peer.missing}", markup=False, highlight=False, soft_wrap=True)
    return [peer for peer in PEERS if not peer.missing]


@contextlib.contextmanager
def progress(steps: int, console: Console) -> Iterator[Callable[[str], None]]:
    """A function to be told what is measured now: a bar in a terminal, a line each elsewhere."""
    if not console.is_terminal:
        yield lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, refresh_per_second=2) as bar:
        task = bar.add_task("starting", total=steps)
        begun = itertools.count()
        yield lambda text: bar.update(task, completed=next(begun), description=text)


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from None


def _end(number: int, _: FrameType | None) -> None:
    """A signal that would end this process at once, and leave behind what it has started, ends it in order instead."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main(prog_name="python -m bench")
