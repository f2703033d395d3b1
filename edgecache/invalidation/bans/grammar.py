"""From text to a ban: `field operator value && field operator value …`, or the column where it stops being one and what was expected there.

There is no `||`, as in Varnish: two bans say that, or a regular expression does.
"""

from __future__ import annotations

import re
from typing import NamedTuple, assert_never

from edgecache.invalidation.bans.amounts import DURATION, SIZE, STATUS, parse_duration, parse_size, parse_status
from edgecache.invalidation.bans.ban import Ban, Condition
from edgecache.invalidation.bans.fields import FIELD, HOST, Field, Kind, Op, field_named, what_was_meant
from edgecache.invalidation.bans.regex import BadRegex, compile_regex
from edgecache.invalidation.bans.words import BanError, Value, Word, error, shown, split_words, unescaped
from edgecache.semantics.urls import parse_url

MAX_CHARACTERS = 8192  # of the text, and of its normal form
MAX_CONDITIONS = 64

_AND = "&& or the end"
_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_ban(text: str, *, tags_ignore_case: bool = True) -> Ban | BanError:
    """The ban that a text says, or where it is none.

    Bytes may have been decoded as UTF-8 or as Latin-1: what is compared is compared with both (see bans.regex). `tags_ignore_case` as the
    profile has it that makes the tags: then `==` has them in lower case, and an expression finds them in any. Never raises for a text.
    """
    words = _words(text)
    if isinstance(words, BanError):
        return words
    end = len(text) + 1
    conditions: list[Condition] = []
    for at in range(0, max(len(words), 1), 4):
        if len(conditions) == MAX_CONDITIONS:
            return error(words[at].column, "one more condition", f"at most {MAX_CONDITIONS}")
        condition = _condition(words[at : at + 3], end, tags_ignore_case)
        if isinstance(condition, BanError):
            return condition
        conditions.append(condition)
        wrong = _conjunction(words[at + 2 : at + 5], end)
        if wrong is not None:
            return wrong
    ban = Ban(tuple(conditions))
    if len(ban.text) > MAX_CHARACTERS:
        return error(1, f"a ban that has {len(ban.text)} characters in its normal form", f"at most {MAX_CHARACTERS}")
    return ban


def _words(text: str) -> list[Word] | BanError:
    if len(text) > MAX_CHARACTERS:
        return error(MAX_CHARACTERS + 1, f"{len(text)} characters", f"at most {MAX_CHARACTERS}")
    bad = _SURROGATE.search(text)
    if bad is not None:
        return error(bad.start() + 1, f"{bad[0]!r}", "a character", "half of a surrogate pair is none")
    return split_words(text)


def _conjunction(words: list[Word], end: int) -> BanError | None:
    """What is wrong after a condition, given its value and the next two words."""
    if len(words) == 1:
        return None
    value, word = words[:2]
    if word.raw != "&&":
        if word.raw in ("||", "or", "OR"):
            hint = "there is no or: make one ban for each alternative, or use a regular expression with |"
        else:
            hint = "a value with white space is in double quotes" if not value.quoted else ""
        return error(word.column, shown(word.raw), _AND, hint)
    if len(words) == 2:
        return error(end, "the end", FIELD, "a condition follows &&")
    return None


class _Operand(NamedTuple):
    """The third word of a condition, and what the first two say that it is to be."""

    field: Field
    op: Op
    word: Word


def _condition(words: list[Word], end: int, tags_ignore_case: bool) -> Condition | BanError:
    """The condition that up to three words are. Columns are right even where words are missing: that is at the end."""
    if not words:
        return error(end, "the end", FIELD)
    field = field_named(words[0].raw)
    if field is None:
        return error(words[0].column, shown(words[0].raw), FIELD, _misnamed(words[0].raw))
    op = _operator(words[1:2], field, end)
    if isinstance(op, BanError):
        return op
    if len(words) < 3:
        return error(end, "the end", _expected(field, op))
    word = words[2]
    if not word.quoted and word.raw in ("&&", "||"):
        return error(word.column, shown(word.raw), _expected(field, op), f'in double quotes, "{word.raw}", it is a value')
    if not word.quoted and len(word.raw) > 1 and word.raw[0] == "'" == word.raw[-1]:
        return error(word.column, shown(word.raw), _expected(field, op), "single quotes are part of a value; quotes are double ones")
    return _compared(_Operand(field, op, word), tags_ignore_case)


def _misnamed(raw: str) -> str:
    """What to say of a word that is no field."""
    glued = re.match(r"([a-z]+\.[A-Za-z.-]+)[!=~<>]", raw)
    if glued is not None and field_named(glued[1]) is not None:
        return "white space stands on both sides of an operator"
    return what_was_meant(raw)


def _operator(words: list[Word], field: Field, end: int) -> Op | BanError:
    expected = ", ".join(op.value for op in field.kind.ops[:-1]) + f" or {field.kind.ops[-1].value}"
    if not words:
        return error(end, "the end", expected)
    raw = words[0].raw
    op = next((op for op in field.kind.ops if op.value == raw), None)
    if op is not None:
        return op
    hint = ""
    if any(op.value == raw for op in Op):
        hint = f"{raw} {'is for text' if Op(raw).is_regex else 'compares numbers'}, which {field} is not"
    elif raw in ("=", "=~", "<>", "!", "eq", "is"):
        meant = {"=": "==", "=~": "~", "<>": "!=", "!": "!="}.get(raw, "==")
        hint = f"{meant} is probably meant" if any(op.value == meant for op in field.kind.ops) else ""
    elif any(raw.startswith(op.value) for op in Op):
        hint = "white space stands on both sides of an operator"
    return error(words[0].column, shown(raw), expected, hint)


def _expected(field: Field, op: Op) -> str:
    """What the value of a condition is to be."""
    if op.is_regex:
        return "a regular expression"
    match field.kind:
        case Kind.STATUS:
            return STATUS
        case Kind.AGE | Kind.TTL:
            return DURATION
        case Kind.SIZE:
            return SIZE
        case Kind.URL | Kind.METHOD | Kind.REQUEST_FIELD | Kind.RESPONSE_FIELD | Kind.TAGS:
            return "a value"
        case _:
            assert_never(field.kind)


def _compared(operand: _Operand, tags_ignore_case: bool) -> Condition | BanError:
    field, op, word = operand
    value = unescaped(word, keeps_others=op.is_regex)
    if isinstance(value, BanError):
        return value
    if op.is_regex:
        return _matched(operand, value, tags_ignore_case)
    match field.kind:
        case Kind.STATUS:
            number = parse_status(value.text)
        case Kind.AGE | Kind.TTL:
            number = parse_duration(value.text)
        case Kind.SIZE:
            number = parse_size(value.text)
        case Kind.URL | Kind.METHOD | Kind.REQUEST_FIELD | Kind.RESPONSE_FIELD | Kind.TAGS:
            return Condition(field, op, _normalised(field, value.text, tags_ignore_case))
        case _:
            assert_never(field.kind)
    if number is None:
        return error(word.column, shown(word.raw), _expected(field, op), _misnumbered(field, value.text))
    return Condition(field, op, number)


def _misnumbered(field: Field, text: str) -> str:
    """What to say of a word that is no number of the field's."""
    if field.kind in (Kind.AGE, Kind.TTL) and re.fullmatch(r"-?[0-9]+", text):
        return f"it lacks its unit, as in {shown(text + 's')}"
    if field.kind is Kind.STATUS and re.fullmatch(r"[1-9](xx|XX|\*|\.\.)", text):
        return f"a class of status codes is {field} ~ ^{text[0]}"
    return ""


def _matched(operand: _Operand, value: Value, tags_ignore_case: bool) -> Condition | BanError:
    field, op, _ = operand
    ignores_case = field == HOST or (field.kind is Kind.TAGS and tags_ignore_case)
    regex = compile_regex(value.text, ignores_case=ignores_case)
    if isinstance(regex, BadRegex):
        return error(value.column(regex.at), regex.found, regex.expected, regex.hint)
    return Condition(field, op, regex)


def _normalised(field: Field, text: str, tags_ignore_case: bool) -> str:
    """A value as what it is compared with has it: hosts as in keys, tags without case where it says nothing; everything else as it is."""
    if field == HOST and not any(character in text for character in "/?#"):
        key = parse_url(f"http://{text}")
        return text if isinstance(key, str) else key.host.decode()
    if field.kind is Kind.TAGS and tags_ignore_case:
        return "".join(character.lower() if character.isascii() else character for character in text)
    return text
