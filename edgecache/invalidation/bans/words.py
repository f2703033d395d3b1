"""A ban's text as words, the way Varnish's command line takes it apart: white space separates, double quotes keep it.

Escapes are Varnish's: backslash and n, r, t, a double quote, a backslash, three octal digits, or x and two hexadecimal ones. They are
carried out in quotes and outside. Varnish refuses every other backslash; in a regular expression it stays here, so that `\\.png$` and
`\\\\.png$` mean the same and what Varnish's VCL takes, which knows no escapes, can be given as it is. One or two octal digits are no escape
either: who writes `\\1` means a back reference, which is then refused by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_WHITE_SPACE = " \t\n\v\f\r"  # isspace() of C; what Unicode adds is part of a word
_SHOWN_CHARACTERS = 60

_ESCAPE = re.compile(r"""\\(?:(?P<named>[nrt"\\])|(?P<octal>[0-3][0-7]{2})|x(?P<hex>[0-9A-Fa-f]{2}))""")
_NAMED = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True)
class BanError:
    """Why is a text no ban?

    column    where, in characters of the text, the first one being 1; one beyond the last where something is missing at the end
    expected  what would have been right there
    message   a sentence for people: column, what was found, what would be right
    """

    column: int
    expected: str
    message: str


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the text. `raw` is without its quotes, and its first character is in `column`; escapes are still in it."""

    column: int
    raw: str
    quoted: bool = False

    @property
    def end(self) -> int:
        """The column after its last character."""
        return self.column + len(self.raw)


@dataclass(frozen=True, slots=True)
class Value:
    """A word with its escapes carried out, and for each character of it the column where that came from."""

    text: str
    columns: tuple[int, ...]
    end: int

    def column(self, index: int) -> int:
        """The column of the character with this index, or the one after the word."""
        return self.columns[index] if index < len(self.columns) else self.end


def error(column: int, found: str, expected: str, hint: str = "") -> BanError:
    """The error of a text that has something else in `column` than was expected; `hint` says more about what was found."""
    return BanError(column, expected, f"column {column}: found {found}, expected {expected}{'; ' if hint else ''}{hint}")


def shown(text: str) -> str:
    """Some of a text as errors show it: on one line, and not endless."""
    return repr(text) if len(text) <= _SHOWN_CHARACTERS else repr(text[:_SHOWN_CHARACTERS]) + "…"


def split_words(text: str) -> list[Word] | BanError:
    """The words of a ban's text, in order. An error is a quote that never closes, or one inside a word that began without."""
    words: list[Word] = []
    at = 0
    while True:
        while at < len(text) and text[at] in _WHITE_SPACE:
            at += 1
        if at == len(text):
            return words
        quotes = text[at] == '"'
        start = at = at + quotes
        while at < len(text) and text[at] != '"' and (quotes or text[at] not in _WHITE_SPACE):
            at += 2 if text[at] == "\\" else 1
        at = min(at, len(text))
        if quotes and at == len(text):
            return error(at + 1, "the end", "a closing double quote", f"the one in column {start} is still open")
        if not quotes and text[at : at + 1] == '"':
            return error(at + 1, "a double quote", "white space", 'inside a word a double quote is \\"')
        words.append(Word(start + 1, text[start:at], quotes))
        at += quotes


def unescaped(word: Word, *, keeps_others: bool) -> Value | BanError:
    """What a word stands for. A backslash that begins no escape stays with `keeps_others`, for regular expressions; else it is an error."""
    pieces: list[str] = []
    columns: list[int] = []
    at = 0
    while at < len(word.raw):
        found = _ESCAPE.match(word.raw, at)
        if found is None and word.raw[at] == "\\" and not keeps_others:
            return error(word.column + at, shown(word.raw[at : at + 2]), _ESCAPES, "a backslash itself is \\\\")
        # Both at once, or the second backslash would begin an escape: none of those that stay is followed by one.
        pieces.append(word.raw[at] if found is None else _meant(found))
        columns.append(word.column + at)
        at = at + 1 if found is None else found.end()
    return Value("".join(pieces), tuple(columns), word.end)


_ESCAPES = 'an escape: \\n, \\r, \\t, \\", \\\\, \\ooo or \\xhh'


def quoted(value: str) -> str:
    """The value as a word that stands for exactly it, whatever it contains: to put a ban's text together."""
    return '"' + "".join(map(_escaped, value)) + '"'


def _meant(found: re.Match[str]) -> str:
    if found["named"]:
        return _NAMED[found["named"]]
    return chr(int(found["octal"], 8) if found["octal"] else int(found["hex"], 16))


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    # Control characters, of which terminals make something; beyond U+00FF no escape exists.
    return character if character >= "\xa0" or " " <= character <= "~" else f"\\x{ord(character):02x}"
