"""Operations of the API: each declared once, as a value, from which its route, its checks and its part of the OpenAPI document are made.

A handler gets what was asked already read, and answers with a value whose type says the status. It can see nothing that is not declared.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from edgecache.control.asked import json_object
from edgecache.control.problems import Kind, Problem, clipped, did_you_mean
from edgecache.control.shapes import Member, Readable, Schema, check_members, object_schema


class Parameter(NamedTuple):
    """A parameter of the query, or of the path. `default`: the text that stands for its absence; None where absence is something else."""

    name: str
    shape: Readable
    meaning: str
    default: str | None = None
    in_path: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The JSON object that is sent.

    options      members that may be there
    exactly_one  members of which one must be there, and no two
    not_with     names among `options` that can only be false together with one of these
    """

    options: tuple[Member, ...] = ()
    exactly_one: tuple[Member, ...] = ()
    not_with: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def read(self, given: dict[str, Any]) -> str:
        """Which of `exactly_one` is there? "" when there is nothing to choose. Raises Problem for whatever is wrong."""
        check_members(given, (*self.exactly_one, *self.options))
        if not self.exactly_one:
            return ""
        names = [member.name for member in self.exactly_one]
        found = [name for name in names if name in given]
        if len(found) == 1:
            return found[0]
        said = f"it has {', '.join(found)}" if found else "it has none of them"
        said = f"The object needs exactly one of {', '.join(names)}; {said}."
        raise Problem(Kind.BAD_VALUE if found else Kind.MISSING_MEMBER, said)

    def schema(self) -> Schema:
        """One object, or one alternative for each member of which there must be one."""
        if not self.exactly_one:
            return object_schema(self.options)
        return {"oneOf": [self._alternative(member) for member in self.exactly_one]}

    def _alternative(self, chosen: Member) -> Schema:
        schema = object_schema((chosen._replace(required=True), *self.options))
        for option, others in self.not_with.items():
            if chosen.name in others:
                schema["properties"][option] |= {"const": False}
        return {"title": chosen.name, **schema}


@dataclass(frozen=True, slots=True)
class Operation:
    """What can be asked of a resource.

    summary    what it does, in a line: for the document, the index page and whoever reads this
    answers    the type of each answer that is no refusal, by its status; str is plain text
    refusals   what it may be refused with, beside what any request may be
    """

    method: str
    path: str
    name: str
    summary: str
    answers: Mapping[int, Any]
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    refusals: tuple[Kind, ...] = ()

    def status_of(self, answer: object) -> int:
        """The status that an answer of this type has."""
        return next(status for status, type_ in self.answers.items() if isinstance(answer, type_))


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked.

    who         the client's address
    parameters  those that were given, or have a default
    members     those that were given
    chosen      which of the members of which there must be one; "" where there are none
    """

    who: str
    parameters: Mapping[str, Any]
    members: Mapping[str, Any]
    chosen: str


Handler = Callable[[Asked], Awaitable[Any]]
Refused = Callable[[str, Problem], None]


def route(operation: Operation, handler: Handler, body_timeout_s: float, refused: Refused | None = None) -> web.RouteDef:
    """The route of an operation. `refused` is told who asked for what could not be read, and why not."""

    async def answer(request: web.Request) -> web.Response:
        try:
            asked = await _read(operation, request, body_timeout_s)
        except Problem as problem:
            if refused is not None:
                refused(str(request.remote), problem)
            raise
        said = await handler(asked)
        status = operation.status_of(said)
        if isinstance(said, str):
            return web.Response(status=status, text=said)
        return web.Response(status=status, body=msgspec.json.encode(said), content_type="application/json")

    if operation.method == "GET":
        return web.get(operation.path, answer)  # and HEAD
    return web.route(operation.method, operation.path, answer)


async def _read(operation: Operation, request: web.Request, body_timeout_s: float) -> Asked:
    parameters = read_query(request, operation.parameters)
    for parameter in operation.parameters:
        if parameter.in_path:
            parameters[parameter.name] = parameter.shape.read(parameter.name, request.match_info[parameter.name])
    if operation.body is None:
        return Asked(str(request.remote), parameters, {}, "")
    members = await json_object(request, body_timeout_s)
    return Asked(str(request.remote), parameters, members, operation.body.read(members))


def read_query(request: web.Request, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    """The parameters of the query, each known, given once and readable, and the defaults of others. Raises Problem."""
    known = {parameter.name: parameter for parameter in parameters if not parameter.in_path}
    texts = {parameter.name: parameter.default for parameter in known.values() if parameter.default is not None}
    seen: set[str] = set()
    for name, value in request.query.items():
        if name not in known:
            raise Problem(Kind.UNKNOWN_PARAMETER, f"Parameter {clipped(name)!r} is not known: {did_you_mean(name, known)}")
        if name in seen:
            raise Problem(Kind.BAD_VALUE, f"Parameter {name!r} is given twice.")
        seen.add(name)
        texts[name] = value
    return {name: known[name].shape.read(name, text) for name, text in texts.items()}
