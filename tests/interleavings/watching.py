"""Notes what steps touch of the edge's shared objects, without these knowing: subclasses that say of each attribute when it is read or set.

An attribute that holds a dictionary, set, list or deque gets one that says when it is looked into and when it is changed. So nothing has
to be listed by hand, and code that comes later is watched as well. The granularity is an attribute of an object.

Most attributes are never set after the step in which their object was made. They are taken for constant, and reading them is not noted,
until one is seen to change: `Constants.wrong` then tells the explorer to begin again.
"""

from __future__ import annotations

import contextlib
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

from interleavings.awaiting import READ, WRITE, Noting, identity, touch

T = TypeVar("T")
_get, _set = object.__getattribute__, object.__setattr__

_READING = """
    __getitem__ __contains__ __iter__ __len__ __reversed__ __eq__ get keys values items index count copy most_common issubset union
    difference intersection
""".split()  # noqa: SIM905
_CHANGING = """
    __setitem__ __delitem__ __iadd__ __ior__ __isub__ pop popitem popleft setdefault clear update append appendleft add discard remove
    move_to_end extend insert sort reverse subtract difference_update
""".split()  # noqa: SIM905


class Constants:
    """Which attributes, by class and name, are known to change; `wrong` once another one turned out to."""

    changing: ClassVar[set[tuple[str, str]]] = set()
    wrong = False

    @classmethod
    def changes(cls, what: tuple[str, str]) -> None:
        """This attribute was set, in a step after the one in which its object was made."""
        if what not in cls.changing:
            cls.changing.add(what)
            cls.wrong = True


class _Where:
    """The attribute that a container belongs to."""

    __slots__ = ("born", "resource", "what")

    def __init__(self, resource: Any, what: tuple[str, str], born: int) -> None:
        self.resource = resource
        self.what = what
        self.born = born


def _reading(method: Callable[..., Any]) -> Callable[..., Any]:
    def noted(self: Any, *args: Any, **named: Any) -> Any:
        if Noting.touched is not None and self.where.what in Constants.changing:
            touch(self.where.resource, READ)
        return method(self, *args, **named)

    return noted


def _changing(method: Callable[..., Any]) -> Callable[..., Any]:
    def noted(self: Any, *args: Any, **named: Any) -> Any:
        where = self.where
        if Noting.touched is not None and where.born != Noting.step:
            Constants.changes(where.what)
            touch(where.resource, WRITE)
        return method(self, *args, **named)

    return noted


def _watched_container(kind: type[Any]) -> type[Any]:
    members: dict[str, Any] = {name: _reading(getattr(kind, name)) for name in _READING if hasattr(kind, name)}
    members.update((name, _changing(getattr(kind, name))) for name in _CHANGING if hasattr(kind, name))
    members.update(__hash__=None, where=None)
    return type(f"Watched{kind.__name__}", (kind,), members)


_CONTAINERS = {kind: _watched_container(kind) for kind in (dict, OrderedDict, Counter, set, list, deque)}


def watched_container(container: T, resource: Any, what: tuple[str, str], born: int = -1) -> T:
    """The same container, which says when it is read or changed."""
    kind = _CONTAINERS[type(container)]
    made = kind.__new__(kind)
    made.where = _Where(resource, what, Noting.step)  # filling it is no change
    made.__init__(container, container.maxlen) if isinstance(container, deque) else made.__init__(container)
    made.where.born = born
    return made  # type: ignore[no-any-return]


class _Kind(type):
    """Makes an object as what it is, at full speed, and has it watched from then on."""

    plain: type[Any]

    def __call__(cls, *args: Any, **named: Any) -> Any:
        plain = cls.plain
        made = plain.__new__(plain)
        plain.__init__(made, *args, **named)
        own, name = identity(), plain.__name__
        made._identity, made._born = own, Noting.step
        held = vars(made)
        for attribute, value in held.items():
            if type(value) in _CONTAINERS:
                held[attribute] = watched_container(value, (own, attribute), (name, attribute), Noting.step)
        made.__class__ = cls
        return made


def watched(kind: type[T]) -> type[T]:
    """A subclass of `kind` whose objects say when their attributes are read or set. Their classes have no slots, or `with_dict` is used."""
    name_of_kind = kind.__name__
    own = frozenset(name for base in kind.__mro__ for name in vars(base) if callable(getattr(base, name)) or name.startswith("__"))
    changing = Constants.changing

    def getattribute(self: Any, name: str) -> Any:
        if Noting.touched is not None and name not in own and (name_of_kind, name) in changing:
            touch((_get(self, "_identity"), name), READ)
        return _get(self, name)

    def setattribute(self: Any, name: str, value: Any) -> None:
        own, born = _get(self, "_identity"), _get(self, "_born")
        if type(value) in _CONTAINERS:
            value = watched_container(value, (own, name), (name_of_kind, name), born)
        if Noting.touched is not None and born != Noting.step:
            Constants.changes((name_of_kind, name))
            touch((own, name), WRITE)
        _set(self, name, value)

    plain = kind if hasattr(kind, "__dict__") and "__slots__" not in vars(kind) else type(name_of_kind, (kind,), {})
    members = {
        "__getattribute__": getattribute,
        "__setattr__": setattribute,
        "__module__": kind.__module__,
        "__slots__": (),
        "plain": plain,
    }
    return _Kind(name_of_kind, (plain,), members)  # type: ignore[return-value]


@contextlib.contextmanager
def in_place_of(*places: tuple[Any, str, Any]) -> Iterator[None]:
    """While this lasts, modules and classes have other values for these names."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    try:
        for owner, name, value in places:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
