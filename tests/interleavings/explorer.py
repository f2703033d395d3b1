"""Every order in which the open choices of a world can be taken, up to those that differ only in steps which commute.

Stateless: a run begins with a new world and takes choices until none is open; the next one takes the same choices up to where it is to go
another way. Which other ways there are is found by source-DPOR with sleep sets (Abdulla, Aronis, Jonsson, Sagonas, POPL 2014): after each
step, the earlier ones that it is in a race with are looked for, and where they could be taken the other way round that is noted for later.
So of all orders that differ only in the order of steps with nothing in common exactly one is run, and none is left out. `reduce=False`
runs every single one, which tests use to see that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from interleavings.awaiting import WRITE, Accesses, Awaits, Noting, commute
from interleavings.watching import Constants


class Explorable(Protocol):
    """What is explored. A new one is made for every run, and must come to the same when the same choices are taken."""

    awaits: Awaits

    def take(self, name: str) -> None:
        """Take an open choice."""

    def stepped(self) -> None:
        """A choice was taken; called where an earlier run has not been already, and once before all."""

    def over(self) -> list[str]:
        """No choice is open any more: what is wrong with what happened?"""

    def close(self) -> None:
        """The world is not needed any more."""


@dataclass
class Found:
    """What exploring came to.

    orders    runs to the end
    blocked   runs that were given up, because all that was left to take had been taken elsewhere
    longest   how many steps the longest run had
    wrong     what was wrong, each with the choices that led there
    complete  whether all orders were run, and not only the first so many
    """

    orders: int = 0
    blocked: int = 0
    longest: int = 0
    steps: int = 0
    wrong: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    complete: bool = True


@dataclass
class _Node:
    """A state on the path of the current run, and the step that was taken from there."""

    open: tuple[str, ...]
    asleep: dict[str, Accesses]
    wanted: list[str]  # what is to be taken from here, in this or another run
    taken: str = ""
    accesses: Accesses = field(default_factory=dict)
    before: int = 0  # the steps that happened before it, as bits
    opened_in: int = -1


def explore(make: Callable[[], Explorable], *, most: int = 1_000_000, wrong_most: int = 1, reduce: bool = True) -> Found:
    """Run every order; stop after `most` of them, or after so many were wrong."""
    found = Found()
    path: list[_Node] = []
    Constants.changing.clear()  # so that the outcome does not depend on what was explored before
    Constants.wrong = False
    while True:
        world = make()
        try:
            for node in path[:-1]:
                world.take(node.taken)
            _run_to_the_end(world, path, found, reduce)
        finally:
            world.close()
        if Constants.wrong and reduce:
            Constants.wrong = False
            found, path = Found(), []
            continue
        while path:
            node = path[-1]
            if node.taken:
                node.asleep[node.taken] = node.accesses
                node.taken = ""
            if any(name not in node.asleep for name in node.wanted):
                break
            path.pop()
        if not path:
            return found
        if len(found.wrong) >= wrong_most or found.orders >= most:
            found.complete = False
            return found


def _run_to_the_end(world: Explorable, path: list[_Node], found: Found, reduce: bool) -> None:
    """Go on from the last node of `path`, or from the beginning."""
    touched = _Touched(path[:-1])
    if not path:
        world.stepped()  # before the first
    while True:
        if not path or path[-1].taken:
            node = _Node(tuple(world.awaits.choices), _still_asleep(path[-1]) if path and reduce else {}, [])
            first = next((name for name in node.open if name not in node.asleep), None)
            if first is None:
                break
            node.wanted = [first] if reduce else list(node.open)
            path.append(node)
        node = path[-1]
        node.taken = next(name for name in node.wanted if name not in node.asleep)
        node.opened_in = world.awaits.opened_in[node.taken]
        Noting.touched = {}
        try:
            world.take(node.taken)
        finally:
            node.accesses, Noting.touched = Noting.touched, None
        found.steps += 1
        if reduce:
            # What this step has withdrawn is never taken in this run, so no race with it would be seen: here it is to be tried instead.
            node.wanted += [one for one in node.open if one not in world.awaits.choices and one not in node.wanted]
            touched.add(path)
        world.stepped()
    if node.open:
        found.blocked += 1
        return
    found.orders += 1
    found.longest = max(found.longest, len(path))
    taken = tuple(one.taken for one in path)
    found.wrong.extend((what, taken) for what in world.over())


def _still_asleep(node: _Node) -> dict[str, Accesses]:
    """What was taken elsewhere, and need not be taken after this step either, as it would come to the same."""
    return {name: accesses for name, accesses in node.asleep.items() if name != node.taken and commute(accesses, node.accesses)}


class _Touched:
    """Who touched what last, in the run so far: of each resource the last step that wrote it, and those that read or added since."""

    def __init__(self, path: list[_Node]) -> None:
        self._last: dict[str, int] = {}  # step of each choice
        self._written: dict[Any, int] = {}
        self._since: dict[Any, list[tuple[int, str]]] = {}
        for index in range(len(path)):
            self._note(path, index)

    def add(self, path: list[_Node]) -> None:
        """The last step was taken: what happened before it, and where would it have to be taken earlier to see what comes of that?"""
        last = len(path) - 1
        step = path[last]
        causes = {self._last[step.taken]} if step.taken in self._last else set()
        if step.opened_in >= 0:
            causes.add(step.opened_in)
        conflicts: set[int] = set()
        for resource, kind in step.accesses.items():
            if resource in self._written:
                conflicts.add(self._written[resource])
            for index, other in self._since.get(resource, ()):
                if kind == WRITE or kind != other:
                    conflicts.add(index)
        before = 0
        for index in causes | conflicts:
            before |= path[index].before | 1 << index
        step.before = before
        earlier = 0
        for index in causes | conflicts:
            earlier |= path[index].before
        self._note(path, last)
        for index in conflicts - causes:
            if not earlier >> index & 1:  # else it comes before this one whatever else is done
                _want_other_way(path, index, last)

    def _note(self, path: list[_Node], index: int) -> None:
        step = path[index]
        self._last[step.taken] = index
        for resource, kind in step.accesses.items():
            if kind == WRITE:
                self._written[resource] = index
                self._since.pop(resource, None)
            else:
                self._since.setdefault(resource, []).append((index, kind))


def _want_other_way(path: list[_Node], earlier: int, later: int) -> None:
    """See to it that some run takes `later` before `earlier`: from there begin what does not depend on `earlier`, up to `later`."""
    between = [index for index in range(earlier + 1, later) if not path[index].before >> earlier & 1]
    between.append(later)
    bits = 0
    first: dict[str, None] = {}
    for index in between:
        if not path[index].before & bits:
            first[path[index].taken] = None
        bits |= 1 << index
    node = path[earlier]
    if not any(name in first for name in node.wanted):
        node.wanted.append(next(name for name in first if name in node.open))
