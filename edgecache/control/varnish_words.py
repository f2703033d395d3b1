r"""A line of Varnish's management protocol as words, and the words of a `ban` as one expression.

As the varnishd of 7.1 takes them, which tests/clients/test_varnishadm.py compares: white space separates words, quotes keep it inside of
one, and a backslash begins an escape in quotes and outside of them. So a regular expression's own backslash has to be doubled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from edgecache.invalidation.bans import quoted

WHITE = b" \t\n\v\f\r"
_ESCAPE = re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|([0-7]{1,3})|([nrt"\\]))')
_BARE = re.compile(rb'[^\\" \t\n\v\f\r]+')
_QUOTED = re.compile(rb'[^\\"]+')
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
# What a value needs quotes and escapes for, to stand in an expression for what it is: its own escapes were carried out already.
_SPECIAL = re.compile(r'[\\"\s\x00-\x1f\x7f]')


class WordsError(Exception):
    """The line cannot be split into words; the message says why, in Varnish's words."""


class WrongCount(Exception):
    """The words of a ban are no conditions with && between them; the message begins with Varnish's words."""


def split(line: bytes) -> list[bytes]:
    """Which words does a line consist of? Raises WordsError."""
    words: list[bytes] = []
    at = 0
    while True:
        while at < len(line) and line[at] in WHITE:
            at += 1
        if at == len(line):
            return words
        in_quotes = line[at : at + 1] == b'"'
        word, at = _word(line, at + in_quotes, in_quotes)
        words.append(word)
        if in_quotes and line[at : at + 1] == b'"':
            raise WordsError("Missing separator between arguments")


def _word(line: bytes, at: int, in_quotes: bool) -> tuple[bytes, int]:
    """The word that begins at `at`, and where its rest of the line begins."""
    pieces: list[bytes] = []
    plain = _QUOTED if in_quotes else _BARE
    while at < len(line):
        if run := plain.match(line, at):
            pieces.append(run[0])
            at = run.end()
        elif line[at : at + 1] == b"\\":
            escape = _ESCAPE.match(line, at)
            if escape is None:
                raise WordsError("Invalid backslash sequence")
            pieces.append(_meant(escape))
            at = escape.end()
        elif line[at : at + 1] == b'"':
            if not in_quotes:
                raise WordsError("Invalid '\"'")
            return b"".join(pieces), at + 1
        else:
            return b"".join(pieces), at  # white space
    if in_quotes:
        raise WordsError("Missing '\"'")
    return b"".join(pieces), at


def _meant(escape: re.Match[bytes]) -> bytes:
    hexadecimal, octal, letter = escape.groups()
    if hexadecimal:
        return bytes((int(hexadecimal, 16),))
    if octal:
        return bytes((int(octal, 8) & 0xFF,))
    return _LETTERS.get(letter, letter)


def here_document(words: Sequence[bytes]) -> bytes | None:
    """The line that ends the document which these words announce (`vcl.inline name << END`); None when they announce none."""
    return words[-1] if len(words) >= 3 and words[-2] == b"<<" else None


def respaced(arguments: Iterable[str]) -> list[str]:
    """The arguments of `ban`, split at their spaces once more.

    Varnish does that, so that the whole may come in one pair of quotes, and no value can hold a space.
    """
    return [word for argument in arguments for word in argument.split(" ") if word]


def expression(words: Sequence[str]) -> str:
    """The respaced arguments of `ban` as one expression. Raises WrongCount.

    A value that an expression would read otherwise is put in quotes; nothing else is changed.
    """
    if len(words) % 4 != 3:
        raise WrongCount(
            f"Wrong number of arguments\n{len(words)} of them; each condition has three, with && between two. "
            r"A space ends an argument even in quotes: \\s matches one."
        )
    for word in words[3::4]:
        if word != "&&":
            raise WrongCount(f'Found "{word}" expected &&')
    return " ".join(_valued(word) if number % 4 == 2 else word for number, word in enumerate(words))


def _valued(value: str) -> str:
    return quoted(value) if value in ("&&", "||") or _SPECIAL.search(value) else value
