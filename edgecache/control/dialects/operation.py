"""Operations: which method at which path is what call. Paths are matched as bytes came, so that a URL can stand inside one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from edgecache.control.dialects.call import Asked, Purge, Reply


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of a vendor's API.

    name     what faults and the documentation call it, a word of the vendor's
    methods  that it takes; GET takes HEAD too
    path     segments between slashes: literal, {name} for one that is not empty, {name*} at the end for all that is left, which may be
             empty and hold slashes. A slash at the end counts
    handle   reads what was asked, and answers or says what is to be invalidated. Nothing is awaited in it. Raises Refusal
    meaning  a line for the documentation
    purges   does it invalidate? Only such calls are noted in the journal, and faults that name no call are for these
    open     is it answered without credentials?
    """

    name: str
    methods: tuple[str, ...]
    path: str
    handle: Callable[[Asked], Reply | Purge]
    meaning: str
    purges: bool = False
    open: bool = False

    def takes(self, method: str) -> bool:
        """Is this method one of its?"""
        return method in self.methods or (method == "HEAD" and "GET" in self.methods)


def match_path(pattern: str, path: str) -> Mapping[str, str] | None:
    """The parameters of `path`, if it is one of `pattern`; None if it is not."""
    parameters: dict[str, str] = {}
    wanted = pattern.split("/")
    given = path.split("/")
    if wanted[-1].endswith("*}"):
        last = len(wanted) - 1
        if len(given) <= last:
            return None
        parameters[wanted.pop()[1:-2]] = "/".join(given[last:])
        del given[last:]
    if len(wanted) != len(given):
        return None
    for want, segment in zip(wanted, given, strict=True):
        if want.startswith("{"):
            if not segment:
                return None
            parameters[want[1:-1]] = unquote(segment, errors="replace")  # answers repeat them, and are text
        elif want != segment:
            return None
    return parameters


@dataclass(frozen=True, slots=True)
class Found:
    """Which operation is called, with the parameters of its path. Without one: the methods that the path takes, none where nothing is."""

    operation: Operation | None
    parameters: Mapping[str, str]
    allowed: tuple[str, ...] = ()


def find(operations: Sequence[Operation], method: str, path: str) -> Found:
    """Which operation is called by this method at this path? The first one that fits."""
    allowed: dict[str, None] = {}
    for operation in operations:
        parameters = match_path(operation.path, path)
        if parameters is None:
            continue
        if operation.takes(method):
            return Found(operation, parameters)
        allowed.update(dict.fromkeys(operation.methods))
    return Found(None, {}, tuple(allowed))
