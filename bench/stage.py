"""One run of the benchmark: everything is started, each case is checked and then measured in rounds, everything is ended."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.load import Origin, Round, check, measure
from bench.peers import ORIGIN, Peer, Running
from bench.programs import Cores, Failed
from bench.report import Row

WARM_S = 0.5  # of load before the first round, at most
MEMORY = Path("/dev/shm")  # where there is one, nginx too caches in memory


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running."""

    origin: Origin
    servers: dict[str, Running]  # by the peer's name
    cores: Cores

    def measure_case(self, rows: Sequence[Row], rounds: int, duration_s: float, step: Callable[[str], None]) -> None:
        """Fill the rows of one case. A peer that fails is measured no further, and its row says why; `step` hears of each round."""
        for row in rows:
            with _noted(row):
                check(row.case, row.peer, self.servers[row.peer.name], self.origin)
                self._load(row, min(WARM_S, duration_s))
        for number in range(rounds):
            for row in _rotated(rows, number):
                step(f"{row.case.name}, round {number + 1} of {rounds}: {row.peer.name}")
                if row.problem is None:
                    with _noted(row):
                        row.rounds.append(self._load(row, duration_s))

    def _load(self, row: Row, duration_s: float) -> Round:
        return measure(row.case, row.peer, self.servers[row.peer.name], self.origin, self.cores.load, duration_s)


@contextlib.contextmanager
def started(peers: Sequence[Peer], cores: Cores) -> Iterator[Stage]:
    """The origin and all peers, each in a folder of its own that is removed with it. Raises Failed when one does not start."""
    with contextlib.ExitStack() as stack:
        home = MEMORY if MEMORY.is_dir() else None
        top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgecache-bench-", dir=home)))

        def start(peer: Peer, folder: str, origin_port: int, core: int | None) -> Running:
            (top / folder).mkdir()
            return stack.enter_context(peer.start(top / folder, origin_port, core))

        origin = start(ORIGIN, "the-origin", 0, cores.load)
        servers = {peer.name: start(peer, peer.name, origin.port, cores.server) for peer in peers}
        yield Stage(Origin(origin), servers, cores)


def _rotated(rows: Sequence[Row], number: int) -> list[Row]:
    """Another peer comes first in each round: none is always measured just after the same one."""
    first = number % len(rows)
    return [*rows[first:], *rows[:first]]


@contextlib.contextmanager
def _noted(row: Row) -> Iterator[None]:
    """A failure is the row's, not the run's."""
    try:
        yield
    except Failed as failed:
        row.problem = str(failed)
