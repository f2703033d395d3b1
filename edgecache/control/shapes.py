"""The shapes of what is asked: how a member or parameter is checked, what is said when it is wrong, and its JSON Schema.

Check and schema stand side by side, so that the OpenAPI document says what the handlers do. What a schema cannot say (whether a text is a
URL, or a ban) is named as a format and checked where it is used.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from edgecache.control.problems import Kind, Problem, clipped, did_you_mean

Schema = dict[str, Any]


class Format(enum.Enum):
    """What a text has to be beyond being one: its name in the document, what is meant, and an example."""

    URL = ("http-url", "a URL in full, as clients ask the edge for it, by any name of its site", "https://www.example.com/news?page=2")
    HOST = ("host", "a name or address, with its port when that is not its scheme's", "www.example.com")
    PREFIX = ("url-prefix", "a host and a path, or a path alone, of whole segments; without scheme and query", "www.example.com/news")
    PATH = ("path", "a path with its query, or all that begin so when it ends in *", "/news/*")
    TAG = ("tag", "one tag: no white space and no comma", "product-42")
    BAN = ("ban", "a ban expression", 'obj.http.content-type ~ "^image/" && req.url ~ "^/a"')
    SITE = ("site", "the name of one of the edge's sites", "default")
    DURATION = ("time-span", "seconds, or a number with ms, s, m, h or d", "5s")
    STEP = ("signed-time-span", "a time span, with - in front to go back", "1h30m")
    CALL = ("vendor-call", "a vendor whose purge API is spoken, or with a slash one of its calls", "cloudflare/purge_cache")
    CURSOR = ("cursor", "what `next` said on the page before", "aHR0cDovL2EvCjAw")

    def __init__(self, token: str, meaning: str, example: str) -> None:
        self.token = token
        self.meaning = meaning
        self.example = example


class Shape(Protocol):
    """A JSON value of one kind."""

    @property
    def words(self) -> str:
        """What it is, for the sentence about a wrong one: "a string"."""
        ...

    def check(self, name: str, given: object) -> None:
        """Is `given`, which the client calls `name`, of this shape? Raises Problem."""
        ...

    def schema(self) -> Schema:
        """Its JSON Schema."""
        ...


class Readable(Protocol):
    """A value that a query or a path can hold."""

    def read(self, name: str, text: str) -> Any:
        """The value that `text` stands for. Raises Problem that names the parameter."""
        ...

    def schema(self) -> Schema:
        """The JSON Schema of the value."""
        ...


class Member(NamedTuple):
    """A member of an object: its name, what it may be, and what it means."""

    name: str
    shape: Shape
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A string. `pattern`: a regular expression that the whole of it matches, for the document; checked where the text is used."""

    format: Format | None = None
    pattern: str = ""
    filled: bool = False
    words = "a string"

    def check(self, name: str, given: object) -> None:
        """Any string, and not an empty one where it must be filled."""
        if not isinstance(given, str):
            raise wrong_type(name, self.words, given)
        if self.filled and not given:
            raise Problem(Kind.BAD_VALUE, f"Member {name!r} cannot be empty.", member=name)

    def read(self, name: str, text: str) -> str:
        """The text as it is."""
        return text

    def schema(self) -> Schema:
        """A string, with what is known of it."""
        found: Schema = {"type": "string"}
        if self.format is not None:
            found |= {"format": self.format.token, "examples": [self.format.example]}
        if self.pattern:
            found["pattern"] = f"^{self.pattern}$"
        if self.filled:
            found["minLength"] = 1
        return found


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false; with `only_true`, false is refused: who sends that may have meant something else."""

    only_true: bool = False
    words = "true or false"

    def check(self, name: str, given: object) -> None:
        """A boolean; 0 and 1 are none."""
        if not isinstance(given, bool):
            raise wrong_type(name, self.words, given)
        if self.only_true and not given:
            raise Problem(Kind.BAD_VALUE, f"Member {name!r} can only be true; leave it out instead of false.", member=name)

    def read(self, name: str, text: str) -> bool:
        """The words true and false."""
        if text not in ("true", "false"):
            raise Problem(Kind.BAD_VALUE, f"Parameter {name!r} must be true or false, not {clipped(text)!r}.")
        return text == "true"

    def schema(self) -> Schema:
        """A boolean."""
        return {"type": "boolean", "const": True} if self.only_true else {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class TextMap:
    """An object with any names, and strings."""

    words = "an object of strings"

    def check(self, name: str, given: object) -> None:
        """Every value is a string."""
        if not isinstance(given, dict):
            raise wrong_type(name, self.words, given)
        for inner, value in given.items():
            if not isinstance(value, str):
                raise wrong_type(f"{name}.{clipped(inner)}", "a string", value)

    def schema(self) -> Schema:
        """An object of strings."""
        return {"type": "object", "additionalProperties": {"type": "string"}}


@dataclass(frozen=True, slots=True)
class Record:
    """An object with these members."""

    members: tuple[Member, ...]

    @property
    def words(self) -> str:
        """Its members, for whoever gave something else."""
        return f"an object of {' and '.join(member.name for member in self.members)}"

    def check(self, name: str, given: object) -> None:
        """Every member is known and of its shape, and what is required is there."""
        if not isinstance(given, dict):
            raise wrong_type(name, self.words, given)
        check_members(given, self.members, f"{name}.")

    def schema(self) -> Schema:
        """An object with nothing else in it."""
        return object_schema(self.members)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of one shape, with something in it."""

    inner: Shape

    @property
    def words(self) -> str:
        """ "a list of strings"."""
        return "a list of strings" if isinstance(self.inner, Text) else "a list of objects"

    def check(self, name: str, given: object) -> None:
        """Every item is of the shape; sentences call it name[0]."""
        if not isinstance(given, list):
            raise wrong_type(name, self.words, given)
        if not given:
            raise Problem(Kind.BAD_VALUE, f"Member {name!r} is empty: there is nothing to invalidate.", member=name)
        for index, item in enumerate(given):
            self.inner.check(f"{name}[{index}]", item)

    def schema(self) -> Schema:
        """An array."""
        return {"type": "array", "items": self.inner.schema(), "minItems": 1}


@dataclass(frozen=True, slots=True)
class WholeNumber:
    """A whole number from `low` to `high`; in texts, in ASCII digits."""

    low: int
    high: int
    words = "a whole number"

    def check(self, name: str, given: object) -> None:
        """A whole number within the bounds, also one that is written as 3.0 (JSON Schema's integer); true and false are none."""
        if isinstance(given, bool) or not (isinstance(given, int) or (isinstance(given, float) and given.is_integer())):
            raise wrong_type(name, self.words, given)
        if not self.low <= given <= self.high:
            raise Problem(Kind.BAD_VALUE, f"Member {name!r} must be from {self.low} to {self.high}.", member=name)

    def read(self, name: str, text: str) -> int:
        """The number."""
        # Bounded length and ASCII before conversion: int() takes other digits, and time for long ones.
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(self.high))) or not self.low <= int(text) <= self.high:
            said = f"Parameter {name!r} must be a whole number from {self.low} to {self.high}, not {clipped(text)!r}."
            raise Problem(Kind.BAD_VALUE, said)
        return int(text)

    def schema(self) -> Schema:
        """An integer with its bounds."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, name: str, text: str) -> str:
        """The word; a wrong one is told the nearest."""
        if text not in self.words:
            raise Problem(Kind.BAD_VALUE, f"Parameter {name!r} cannot be {clipped(text)!r}: {did_you_mean(text, self.words)}")
        return text

    def schema(self) -> Schema:
        """A string of a closed list."""
        return {"type": "string", "enum": list(self.words)}


def check_members(given: dict[str, object], members: Collection[Member], inside: str = "") -> None:
    """Is every member of the object known and of its shape, and is what is required there? `inside` stands before their names."""
    known = {member.name: member for member in members}
    for name, value in given.items():
        if name not in known:
            called = inside + clipped(name)
            raise Problem(Kind.UNKNOWN_MEMBER, f"Member {called!r} is not known: {did_you_mean(name, known)}", member=called)
        known[name].shape.check(inside + name, value)
    for member in members:
        if member.required and member.name not in given:
            raise Problem(Kind.MISSING_MEMBER, f"Member {inside + member.name!r} is missing.", member=inside + member.name)


def object_schema(members: Iterable[Member]) -> Schema:
    """The schema of an object with these members and no others."""
    listed = list(members)
    schema: Schema = {
        "type": "object",
        "properties": {member.name: {**member.shape.schema(), "description": member.meaning} for member in listed},
        "additionalProperties": False,
    }
    required = [member.name for member in listed if member.required]
    return {**schema, "required": required} if required else schema


def wrong_type(name: str, wanted: str, given: object) -> Problem:
    """The refusal of a value that is something else altogether."""
    return Problem(Kind.WRONG_TYPE, f"Member {name!r} must be {wanted}, not {word_for(given)}.", member=name)


def word_for(value: object) -> str:
    """What a JSON value is, for a sentence."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"
