"""Futures, tasks and timers for which no event loop runs: whatever could go on is an *open choice*, and the test says which one does.

A choice is a name and what happens when it is taken: a coroutine goes on, a callback is called, a timer fires, a thread does a job, a peer
sends something. `Awaits` takes the place of the loop in the edge's own code, so that code is what runs; it only makes futures. A
coroutine that waits is driven with `send(None)`, by a `Driven`, when what it waits for is done and its turn has come.

While a step runs, `touch` notes what of the shared state it read and changed. Two steps that touch nothing in common may be taken in
either order with the same outcome: that is what the explorer saves.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import Any, ClassVar

from edgecache.http1.tasks import _Resumed

READ, ADD, WRITE = "r", "a", "w"  # two reads commute, and two additions to a counter do; nothing else does

Accesses = dict[Any, str]


class Noting:
    """What the step that is being taken has touched so far, None while nobody wants to know; and who takes it."""

    touched: Accesses | None = None
    step = -1  # its number
    running = "start"  # the name of the choice that is being taken
    made: ClassVar[Counter[str]] = Counter()  # how many shared objects each choice has made


def identity() -> str:
    """What to call an object that is being made: by who makes it, so that steps of others make no difference."""
    Noting.made[Noting.running] += 1
    return f"{Noting.running}.{Noting.made[Noting.running]}"


def touch(resource: Any, kind: str) -> None:
    """The step reads or changes this."""
    touched = Noting.touched
    if touched is not None and touched.setdefault(resource, kind) != kind:
        touched[resource] = WRITE


def commute(one: Accesses, other: Accesses) -> bool:
    """Would two steps with these accesses come to the same in either order?"""
    if len(other) < len(one):
        one, other = other, one
    return all(resource not in other or kind == other[resource] != WRITE for resource, kind in one.items())


class Awaits:
    """Stands where the edge's code wants a loop. `choices` are what could happen now, in the order in which they came up.

    fires  of which tasks do timers fire, and how often at most? Those of others never do
    """

    def __init__(self, fires: Mapping[str, int] | None = None) -> None:
        self.choices: dict[str, Callable[[], object]] = {}
        self.opened_in: dict[str, int] = {}  # the step in which each choice came up; -1 before the first
        Noting.step = -1
        Noting.running = "start"
        Noting.made.clear()
        self.fires = dict(fires or {})
        self.defects: list[str] = []
        self.driven: list[Driven] = []
        self._made: Counter[str] = Counter()

    def begin(self) -> None:
        """What was done so far counts as the beginning."""
        Noting.step = -1
        self.opened_in = dict.fromkeys(self.choices, -1)

    def close(self) -> None:
        """Nothing goes on any more: what still waits ends here."""
        for driven in self.driven:
            driven.end()
        self.driven.clear()
        self.choices.clear()
        self._made.clear()
        Noting.running = "start"

    # choices

    def name(self, what: str) -> str:
        """A name that is the same in whatever order steps that commute are taken: who made it, and which of his it is."""
        made = f"{Noting.running}/{what}"
        self._made[made] += 1
        number = self._made[made]
        return made if number == 1 else f"{made}#{number}"

    def open(self, name: str, happens: Callable[[], object]) -> None:
        """From now on this may happen."""
        assert name not in self.choices, f"{name} is open already"
        self.choices[name] = happens
        self.opened_in[name] = Noting.step

    def withdraw(self, name: str) -> None:
        """It will not happen."""
        touch(("choice", name), WRITE)
        self.choices.pop(name, None)

    def take(self, name: str) -> None:
        """Let it happen."""
        happens = self.choices.pop(name)
        Noting.running = name
        touch(("choice", name), WRITE)
        happens()

    # what the edge's code asks of a loop

    def create_future(self) -> Future:
        return Future(self)

    def create_task(self, work: Coroutine[Any, Any, Any], *, name: str = "task", context: object = None) -> Driven:
        driven = Driven(self, work, self.name(name))
        self.driven.append(driven)
        return driven

    def call_soon(self, callback: Callable[..., object], *args: Any, context: object = None) -> Timer:
        name = self.name("callback")
        self.open(name, lambda: callback(*args))
        return Timer(self, name)

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: object = None) -> Timer:
        name = self.name("timer")
        if self.fires.get(Noting.running):
            self.fires[Noting.running] -= 1
            self.open(name, lambda: callback(*args))
        return Timer(self, name)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: object = None) -> Timer:
        return self.call_later(when, callback, *args)

    def run_in_executor(self, executor: object, work: Callable[..., Any], *args: Any) -> Future:
        done = self.create_future()

        def job() -> None:
            try:
                result = work(*args)
            except Exception as error:
                failed = error
                self.call_soon(lambda: done.done() or done.set_exception(failed))
            else:
                self.call_soon(lambda: done.done() or done.set_result(result))

        self.open(self.name("thread"), job)
        return done

    def time(self) -> float:
        return 0.0

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, told: dict[str, Any]) -> None:
        self.defects.append(f"{told}")


class Timer:
    """A handle as loops give them."""

    def __init__(self, awaits: Awaits, name: str) -> None:
        self._awaits = awaits
        self._name = name

    def cancel(self) -> None:
        self._awaits.withdraw(self._name)


class Future:
    """As much of asyncio.Future as code that is given one may use."""

    _asyncio_future_blocking = False  # asyncio.shield and asyncio.wait know a future by this

    def __init__(self, awaits: Awaits) -> None:
        self._awaits = awaits
        self._name = identity()
        self._state = ""
        self._result: Any = None
        self._failure: BaseException | None = None
        self._callbacks: list[Callable[[Any], object]] = []
        self._waiting: list[Driven] = []

    def get_loop(self) -> Awaits:
        return self._awaits

    def done(self) -> bool:
        touch(self._name, READ)
        return self._state != ""

    def cancelled(self) -> bool:
        touch(self._name, READ)
        return self._state == "cancelled"

    def result(self) -> Any:
        touch(self._name, READ)
        if self._state == "cancelled":
            raise asyncio.CancelledError
        if self._failure is not None:
            raise self._failure
        assert self._state == "done", "no result yet"
        return self._result

    def exception(self) -> BaseException | None:
        touch(self._name, READ)
        if self._state == "cancelled":
            raise asyncio.CancelledError
        assert self._state == "done", "no result yet"
        return self._failure

    def set_result(self, result: Any) -> None:
        self._end("done", result, None)

    def set_exception(self, failure: BaseException | type[BaseException]) -> None:
        self._end("done", None, failure() if isinstance(failure, type) else failure)

    def cancel(self, msg: object = None) -> bool:
        if self.done():
            return False
        self._end("cancelled", None, None)
        return True

    def add_done_callback(self, callback: Callable[[Any], object], *, context: object = None) -> None:
        touch(self._name, WRITE)
        if self._state:
            self._awaits.call_soon(callback, self)
        else:
            self._callbacks.append(callback)

    def remove_done_callback(self, callback: Callable[[Any], object]) -> int:
        touch(self._name, WRITE)
        left = [one for one in self._callbacks if one != callback]
        removed, self._callbacks = len(self._callbacks) - len(left), left
        return removed

    def _end(self, state: str, result: Any, failure: BaseException | None) -> None:
        touch(self._name, WRITE)
        if self._state:
            raise asyncio.InvalidStateError("a future ends once")
        self._state, self._result, self._failure = state, result, failure
        for waiting in self._waiting:
            waiting.may_go_on()
        callbacks, self._callbacks, self._waiting = self._callbacks, [], []
        for callback in callbacks:
            self._awaits.call_soon(callback, self)

    def __await__(self) -> Generator[Any, None, Any]:
        if not self.done():
            yield self
        return self.result()

    __iter__ = __await__


class Driven(Future):
    """A coroutine that goes on when its choice is taken; what asyncio.Task is to a loop."""

    def __init__(self, awaits: Awaits, work: Coroutine[Any, Any, Any], name: str) -> None:
        super().__init__(awaits)
        self._work = work
        self._name = name
        self._awaited: Future | None = None
        self._cancel_at_next = False
        if isinstance(work, _Resumed):  # it only tells what a coroutine that was begun by hand waits for
            self._wait_for(work.send(None))
        else:
            awaits.open(name, self._go_on)

    def get_name(self) -> str:
        return self._name

    def may_go_on(self) -> None:
        """What it waited for is done."""
        self._awaits.open(self._name, self._go_on)

    def end(self) -> None:
        """It will not go on."""
        self._work.close()

    def cancel(self, msg: object = None) -> bool:
        if self.done():
            return False
        touch(self._name, WRITE)
        if self._awaited is None or not self._awaited.cancel():
            self._cancel_at_next = True
        return True

    def _go_on(self) -> None:
        touch(self._name, WRITE)
        self._awaited = None
        cancelled, self._cancel_at_next = self._cancel_at_next, False
        try:
            awaited = self._work.throw(asyncio.CancelledError()) if cancelled else self._work.send(None)
        except StopIteration as end:
            self.set_result(end.value)
        except asyncio.CancelledError:
            super().cancel()
        except Exception as defect:
            self.set_exception(defect)
        else:
            self._wait_for(awaited)

    def _wait_for(self, awaited: Future | None) -> None:
        if awaited is None or awaited._state:  # a bare yield: asyncio.sleep(0); or it ended while somebody held it for us
            self.may_go_on()
            return
        touch(awaited._name, READ)
        self._awaited = awaited
        awaited._waiting.append(self)
        if self._cancel_at_next and awaited.cancel():
            self._cancel_at_next = False
