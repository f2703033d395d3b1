"""The OpenAPI 3.1 document of the native API, made of the operations that the routes are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from edgecache import __version__
from edgecache.control.operations import Operation, Parameter
from edgecache.control.problems import CONTENT_TYPE, Kind, ProblemDocument
from edgecache.control.shapes import Format, Schema

# What any request may be refused with, and what those with parameters or content may be in addition.
ALWAYS = (Kind.UNKNOWN_PARAMETER, Kind.BAD_VALUE, Kind.TOKEN_REQUIRED, Kind.HOST_REFUSED, Kind.ORIGIN_REFUSED, Kind.DEFECT)
WITH_CONTENT = (
    Kind.MALFORMED_JSON,
    Kind.UNKNOWN_MEMBER,
    Kind.MISSING_MEMBER,
    Kind.WRONG_TYPE,
    Kind.CONTENT_TIMEOUT,
    Kind.CONTENT_TOO_LARGE,
    Kind.UNSUPPORTED_MEDIA_TYPE,
)
OPEN = frozenset(("/healthz", "/readyz"))  # answered without the token

DESCRIPTION = """\
What a running edge did, what it holds, what time it is, and invalidating. GET resources answer HEAD as well. Whatever changes state must be
sent as application/json. Errors are application/problem+json (RFC 9457). Formats of strings: """

_REF = "#/components/schemas/{name}"


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The whole document, ready for JSON."""
    listed = list(operations)
    types = [answer for operation in listed for answer in operation.answers.values() if _is_struct(answer)]
    refs, components = msgspec.json.schema_components([*dict.fromkeys(types), ProblemDocument], ref_template=_REF)
    known = dict(zip([*dict.fromkeys(types), ProblemDocument], refs, strict=True))
    paths: dict[str, Any] = {}
    for operation in listed:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, known)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edgecache",
            "version": __version__,
            "description": DESCRIPTION + "; ".join(f"{one.token} is {one.meaning}" for one in Format) + ".",
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "The setting control_token, if it is set."}},
        },
    }


def _operation(operation: Operation, known: dict[Any, Schema]) -> Schema:
    found: Schema = {"operationId": operation.name, "summary": operation.summary}
    if operation.path in OPEN:
        found["security"] = [{}]
    if operation.parameters:
        found["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": operation.body.schema()}}}
    answers: Schema = {}
    for status, answer in sorted(operation.answers.items()):
        described = (answer.__doc__ or "").partition("\n")[0] if _is_struct(answer) else operation.summary
        answers[str(status)] = {"description": described, "content": _content(answer, known)}
    for status, kinds in _refusals(operation).items():
        said = "; ".join(f"{kind.token}: {kind.title}" for kind in kinds)
        answers[str(status)] = {"description": said, "content": {CONTENT_TYPE: {"schema": known[ProblemDocument]}}}
    return {**found, "responses": answers}


def _parameter(parameter: Parameter) -> Schema:
    schema = parameter.shape.schema()
    if parameter.default is not None:
        schema["default"] = parameter.shape.read(parameter.name, parameter.default)
    where = "path" if parameter.in_path else "query"
    return {
        "name": parameter.name,
        "in": where,
        "required": parameter.in_path,
        "description": parameter.meaning,
        "schema": schema,
    }


def _content(answer: Any, known: dict[Any, Schema]) -> Schema:
    if answer is str:
        return {"text/plain": {"schema": {"type": "string"}}}
    return {"application/json": {"schema": known[answer] if _is_struct(answer) else {"type": "object"}}}


def _refusals(operation: Operation) -> dict[int, list[Kind]]:
    """By status, in ascending order."""
    kinds = [*ALWAYS, *(WITH_CONTENT if operation.body is not None else ()), *operation.refusals]
    if operation.path in OPEN:
        kinds.remove(Kind.TOKEN_REQUIRED)
    found: dict[int, list[Kind]] = {}
    for kind in sorted(kinds, key=lambda kind: kind.status):
        found.setdefault(kind.status, []).append(kind)
    return found


def _is_struct(answer: Any) -> bool:
    return isinstance(answer, type) and issubclass(answer, msgspec.Struct)
