"""A ban: conditions on stored responses, all of which have to hold. A pure function of a response and the ban's own time.

For a field that is absent `!=` holds, and `==`, `~` and `!~` do not: there `!~` is not the opposite of `~`. Varnish does it so, and a test
asks it. Tags are a list, which may be empty but is never absent: there `!=` and `!~` are the opposites.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

from edgecache.caching.stored import Key, Variant
from edgecache.invalidation.bans.amounts import format_duration, format_size
from edgecache.invalidation.bans.fields import HOST, Field, Kind, Op
from edgecache.invalidation.bans.regex import Regex
from edgecache.invalidation.bans.words import quoted
from edgecache.semantics.message import Fields, combined


class BanSubject(Protocol):
    """What of a stored response a ban looks at; as in caching.stored.StoredResponse."""

    @property
    def key(self) -> Key: ...
    @property
    def status(self) -> int: ...
    @property
    def fields(self) -> Fields: ...
    @property
    def vary(self) -> Variant: ...
    @property
    def tags(self) -> tuple[str, ...]:
        """Normalised, as the profile in force reads them from the fields: UTF-8, other bytes as surrogates (PEP 383)."""
        ...

    @property
    def body_bytes(self) -> int: ...
    @property
    def complete_length(self) -> int | None: ...
    @property
    def response_time(self) -> float: ...
    @property
    def initial_age_s(self) -> float: ...
    @property
    def lifetime_s(self) -> float: ...


KeyTest = Callable[[Key], bool]
Test = Callable[[BanSubject, float], bool]


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. `value` is a Regex for `~` and `!~`; else microseconds, bytes or a status code, or text for what is text."""

    field: Field
    op: Op
    value: str | int | Regex

    def __str__(self) -> str:
        return f"{self.field} {self.op.value} {self._value()}"

    def _value(self) -> str:
        match self.value:
            case Regex(pattern):
                return quoted(pattern)
            case str(text):
                return quoted(text)
            case int(number) if self.field.kind is Kind.SIZE:
                return format_size(number)
            case int(number) if self.field.kind is Kind.STATUS:
                return f"{number:03d}"
            case int(number):
                return format_duration(number)
            case _:
                assert_never(self.value)


class Ban:
    """Conditions on stored responses, all of which have to hold. Bans are the same when their normal form is.

    text             the normal form: parse_ban gives an equal ban for it
    needs_response   some condition looks at obj.*, or at a field of the request other than Host
    moves_with_time  some condition looks at obj.age or obj.ttl
    """

    __slots__ = ("_key_tests", "_tests", "moves_with_time", "needs_response", "text")

    def __init__(self, conditions: tuple[Condition, ...]) -> None:
        self.text = " && ".join(map(str, conditions))
        self.needs_response = not all(condition.field.is_of_key for condition in conditions)
        self.moves_with_time = any(condition.field.kind in (Kind.AGE, Kind.TTL) for condition in conditions)
        # Order says nothing, so what costs least is asked first: a regular expression is ten comparisons.
        by_cost = sorted(conditions, key=lambda condition: condition.op.is_regex + 2 * (condition.field.kind in _SEARCHED))
        self._key_tests = tuple(_key_test(condition) for condition in by_cost if condition.field.is_of_key)
        self._tests = tuple(_test(condition) for condition in by_cost if not condition.field.is_of_key)

    def matches(self, subject: BanSubject, at: float) -> bool:
        """Is the ban about this response? `at` is the ban's own time, edge time: what obj.age and obj.ttl were then."""
        if self._key_tests:
            key = subject.key
            for of_key in self._key_tests:
                if not of_key(key):
                    return False
        for test in self._tests:  # noqa: SIM110  # all() would make a generator, for every response and ban
            if not test(subject, at):
                return False
        return True

    def matches_request(self, key: Key) -> bool | None:
        """Is the ban about every response stored under this key, or about none? None when that depends on the response."""
        for of_key in self._key_tests:
            if not of_key(key):
                return False
        return None if self.needs_response else True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ban) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"<Ban {self.text}>"


# What is looked for in a list.
_SEARCHED = (Kind.REQUEST_FIELD, Kind.RESPONSE_FIELD, Kind.TAGS)

_COMPARISONS: dict[Op, Callable[[float, float], bool]] = {
    Op.EQUAL: operator.eq,
    Op.UNEQUAL: operator.ne,
    Op.LESS: operator.lt,
    Op.AT_MOST: operator.le,
    Op.GREATER: operator.gt,
    Op.AT_LEAST: operator.ge,
}


def _key_test(condition: Condition) -> KeyTest:
    holds = _holds(condition)
    if condition.field == HOST:
        return lambda key: holds(key.host)
    if condition.field.kind is Kind.METHOD:
        always = holds(b"GET")  # whatever is stored, it answers GET
        return lambda key: always
    return lambda key: holds(key.target)


def _test(condition: Condition) -> Test:
    """The test of one condition, made once, so that nothing but the comparison is left for each response."""
    match condition.field.kind:
        case Kind.REQUEST_FIELD:
            return _request_field_test(condition)
        case Kind.RESPONSE_FIELD:
            return _response_field_test(condition)
        case Kind.STATUS:
            return _status_test(condition)
        case Kind.AGE | Kind.TTL:
            return _time_test(condition)
        case Kind.SIZE:
            return _size_test(condition)
        case Kind.TAGS:
            return _tags_test(condition)
        case Kind.URL | Kind.METHOD:
            raise AssertionError(f"{condition.field} is of the key")
        case _:
            assert_never(condition.field.kind)


def _request_field_test(condition: Condition) -> Test:
    """What a field of the request was that Vary named, normalised as variants are compared; any other is as good as absent."""
    name = condition.field.name.encode()
    holds, when_absent = _holds(condition), condition.op is Op.UNEQUAL

    def test(subject: BanSubject, at: float) -> bool:
        for own, value in subject.vary:
            if own == name:
                return when_absent if value is None else holds(value)
        return when_absent

    return test


def _response_field_test(condition: Condition) -> Test:
    """A field of the response, its lines combined (RFC 9110 5.3); Varnish looks at the first line only."""
    name = condition.field.name.encode()
    holds, when_absent = _holds(condition), condition.op is Op.UNEQUAL

    def test(subject: BanSubject, at: float) -> bool:
        value = combined(subject.fields, name)
        return when_absent if value is None else holds(value)

    return test


def _status_test(condition: Condition) -> Test:
    if isinstance(condition.value, int):
        compare, wanted = _COMPARISONS[condition.op], condition.value
        return lambda subject, at: compare(subject.status, wanted)
    holds = _holds(condition)
    return lambda subject, at: holds(b"%03d" % subject.status)


def _time_test(condition: Condition) -> Test:
    """Age (RFC 9111 4.2.3) or what is left of the lifetime, at the ban's time.

    A soft purge does not shorten the latter: it is written into responses by and by, and a ban must not depend on whether that was done.
    """
    assert isinstance(condition.value, int)
    compare, wanted_s = _COMPARISONS[condition.op], condition.value / 1_000_000

    def age_s(subject: BanSubject, at: float) -> float:
        return subject.initial_age_s + max(0.0, at - subject.response_time)

    if condition.field.kind is Kind.AGE:
        return lambda subject, at: compare(age_s(subject, at), wanted_s)
    return lambda subject, at: compare(subject.lifetime_s - age_s(subject, at), wanted_s)


def _size_test(condition: Condition) -> Test:
    """How long the whole content is, or what is held of it where nobody said that."""
    assert isinstance(condition.value, int)
    compare, wanted = _COMPARISONS[condition.op], condition.value

    def test(subject: BanSubject, at: float) -> bool:
        complete = subject.complete_length
        length = subject.body_bytes if complete is None else complete
        return length < 0 or compare(length, wanted)  # nobody knows yet: what is still arriving is rather fetched once more

    return test


def _tags_test(condition: Condition) -> Test:
    """Is there such a tag? The negations are about all tags: there is none such."""
    wants_some = condition.op in (Op.EQUAL, Op.MATCHES)
    if isinstance(condition.value, Regex):
        found_in = condition.value.found_in

        def matching(subject: BanSubject, at: float) -> bool:
            for tag in subject.tags:
                if found_in(tag.encode("utf-8", "surrogateescape")):
                    return wants_some
            return not wants_some

        return matching
    assert isinstance(condition.value, str)
    wanted = {encoded.decode("utf-8", "surrogateescape") for encoded in _encodings(condition.value)}
    return lambda subject, at: wanted.isdisjoint(subject.tags) is not wants_some


def _holds(condition: Condition) -> Callable[[bytes], bool]:
    """Does the comparison hold for a value that is there?"""
    if isinstance(condition.value, Regex):
        found_in = condition.value.found_in
        return found_in if condition.op is Op.MATCHES else lambda value: not found_in(value)
    assert isinstance(condition.value, str)
    wanted = _encodings(condition.value)
    if condition.op is Op.EQUAL:
        return lambda value: value in wanted
    return lambda value: value not in wanted


def _encodings(text: str) -> tuple[bytes, ...]:
    """The bytes that a text can have been on the wire: UTF-8, and Latin-1 where that can say it. As with regular expressions."""
    utf_8 = text.encode()
    if text.isascii():
        return (utf_8,)
    try:
        return (utf_8, text.encode("latin-1"))
    except UnicodeEncodeError:
        return (utf_8,)
