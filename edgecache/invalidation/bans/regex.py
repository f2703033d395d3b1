"""Regular expressions in bans: RE2, so that no expression takes more than linear time, and unanchored, as Varnish has it.

**Bytes.** Targets and fields are bytes, and what an expression says in ASCII is said about bytes: `.` is any one byte, as for Varnish's
PCRE. An expression with other characters stands for both encodings that these can have had on the wire: it matches where it does so
character by character in UTF-8, or byte by byte in Latin-1. That also makes it right when it was itself read as Latin-1 from bytes that
were UTF-8.

**Bounds.** What an expression may hold in memory, program and states of its automaton, grows with its length; one that comes to more is
refused, or runs without the states, slower and still linear. RE2 writes nothing anywhere.

**Speed.** A ban is tested against every stored response, and most expressions are little more than the beginning, the end or a part of what
they look for. bytes.startswith, endswith and `in` say that ten times faster; what needs RE2 mostly begins with `^` and some text, without
which it need not be asked.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import re2  # type: ignore[import-untyped]

Finder = Callable[[bytes], bool]

# 4 MiB for the longest one: as much as alternatives over 8 KiB, as Magento sends them, need to be an automaton.
_MEMORY_BYTES = 64 * 1024
_MEMORY_BYTES_PER_CHARACTER = 512

# What Perl and PCRE know and RE2 does not: how it begins, what it is, and what says the same.
_UNKNOWN_TO_RE2 = tuple(
    (re.compile(begins), what, instead)
    for begins, what, instead in (
        (r"\(\?=", "a look-ahead", "a condition of its own with ~ can often say it"),
        (r"\(\?!", "a negative look-ahead", "a condition of its own with !~ can often say it"),
        (r"\(\?<=", "a look-behind", "a condition of its own with ~ can often say it"),
        (r"\(\?<!", "a negative look-behind", "a condition of its own with !~ can often say it"),
        (r"\\[1-9]|\\[gk]|\(\?P=", "a back reference", ""),
        (r"\(\?>", "an atomic group", "(?:…) finds the same or more"),
        (r"(?:[*+?]|\{[0-9,]+\})\+", "a possessive repetition", "without the second + it finds the same or more"),
        (r"\(\?(?:R|[0-9+-]*[0-9]|&|P>)", "a recursion", ""),
        (r"\(\?\(", "a conditional group", ""),
        (r"\(\?\|", "a branch reset", "(?:…) finds the same"),
        (r"\(\?#", "a comment", ""),
        (r"\(\?[a-zA-Z-]*x", "the flag x", ""),
        (r"\\[hH]", "a class of spaces and tabs", "[ \\t] is the same, and [^ \\t] its opposite"),
        (r"\\Z", "an end of text", "\\z is one"),
        (r"\\x\{", "a number that is no byte's", "the character itself stands for its bytes"),
        (r"\\[KGRXNVec]", "an escape of PCRE", ""),
    )
)


class BadRegex(NamedTuple):
    """Why is a text no regular expression? `at` is the index of the character where it stops being one, `found` what is there."""

    at: int
    found: str
    expected: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression; two are the same when their text is. `found_in` says whether it matches anywhere in some bytes."""

    pattern: str
    found_in: Finder = field(compare=False, repr=False)


def compile_regex(pattern: str, *, ignores_case: bool = False) -> Regex | BadRegex:
    """The regular expression that the text is, or where it is none.

    With `ignores_case` case counts for nothing; whoever asks then gives bytes whose ASCII letters are in lower case.
    """
    if pattern.isascii():
        in_bytes = _compiled(pattern, "latin-1", ignores_case)
        if isinstance(in_bytes, str):
            return _located(pattern, "latin-1", in_bytes)
        return Regex(pattern, _shortened(pattern, in_bytes, ignores_case))
    in_utf_8, in_latin_1 = (_compiled(pattern, encoding, ignores_case) for encoding in ("utf-8", "latin-1"))
    if isinstance(in_utf_8, str):
        return _located(pattern, "utf-8", in_utf_8)
    if isinstance(in_latin_1, str):
        return Regex(pattern, in_utf_8)
    return Regex(pattern, _either(in_utf_8, in_latin_1))


def _compiled(pattern: str, encoding: str, ignores_case: bool) -> Finder | str:
    """A finder that asks RE2, or what RE2 says against the expression. Latin-1 cannot say every character."""
    options = re2.Options()
    options.log_errors = False  # it would write to stderr
    options.never_capture = True
    options.case_sensitive = not ignores_case
    options.max_mem = _MEMORY_BYTES + _MEMORY_BYTES_PER_CHARACTER * len(pattern)
    options.encoding = re2.Options.Encoding.UTF8 if encoding == "utf-8" else re2.Options.Encoding.LATIN1
    try:
        search = re2.compile(pattern.encode(encoding), options).search
    except UnicodeEncodeError:
        return "not a character of Latin-1"
    except re2.error as failure:
        said = failure.args[0]
        return said.decode(encoding, "replace") if isinstance(said, bytes) else str(said)
    return lambda text: search(text) is not None


def _either(one: Finder, other: Finder) -> Finder:
    return lambda text: one(text) or other(text)


# ---- What is as good without RE2 ----

_LITERAL = r"[^\\.^$|?*+()\[\]{}]|\\[!-/:-@\[-`{-~]"  # escaped punctuation is itself; escaped letters and digits are something else
_PLAIN = re.compile(rf"(?P<start>\^?)(?P<text>(?:{_LITERAL})*)(?P<end>\$?)")
_BEGINNING = re.compile(rf"\^(?P<text>(?:(?:{_LITERAL})(?![?*{{]))*)")
_ALWAYS = frozenset({"", "^", "$", ".*", "^.*", ".*$"})


def _shortened(pattern: str, found_in: Finder, ignores_case: bool) -> Finder:
    """A finder that says the same as `found_in`, for a pattern in ASCII, and asks it only if it has to."""
    if pattern in _ALWAYS:
        return lambda text: True
    plain = _PLAIN.fullmatch(pattern)
    if plain is not None:
        wanted = _literal(plain["text"], ignores_case)
        if plain["start"] and plain["end"]:
            return lambda text: text == wanted
        if plain["start"]:
            return lambda text: text.startswith(wanted)
        if plain["end"]:
            return lambda text: text.endswith(wanted)
        return lambda text: wanted in text
    beginning = _BEGINNING.match(pattern)
    if beginning is None or not beginning["text"] or _has_alternatives(pattern):
        return found_in
    start = _literal(beginning["text"], ignores_case)
    return lambda text: text.startswith(start) and found_in(text)


def _literal(pattern: str, ignores_case: bool) -> bytes:
    text = re.sub(r"\\(.)", r"\1", pattern, flags=re.DOTALL).encode("ascii")
    return text.lower() if ignores_case else text


def _has_alternatives(pattern: str) -> bool:
    """May the whole pattern be alternatives, of which not all begin like the first? True also when that is not easily seen."""
    if "|" not in pattern:
        return False
    if "[:" in pattern or "\\Q" in pattern:
        return True
    depth = 0
    for part in re.findall(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]?|.", pattern, re.DOTALL):
        depth += (part == "(") - (part == ")")
        if part == "|" and depth == 0:
            return True
    return False


# ---- What is wrong, and where ----


def _located(pattern: str, encoding: str, said: str) -> BadRegex:
    """Where RE2's complaint comes from. It names a fragment and no place: the place is where the shortest beginning with it ends."""
    complaint, _, fragment = said.partition(": ")
    if complaint == "missing )":
        return BadRegex(len(pattern), "the end", "a closing parenthesis")
    if complaint == "missing ]":
        return BadRegex(len(pattern), "the end", "a closing ]", f"{fragment[:20]!r} is still open")
    if complaint.startswith("trailing"):
        return BadRegex(len(pattern), "the end", "a character after the backslash")
    if "too large" in complaint:
        return BadRegex(0, "a regular expression that needs too much memory", "a smaller one", "its repetitions may be too many")
    # Each beginning of the pattern has another fragment in this complaint, as all of it is one.
    said = complaint if complaint == "unexpected )" else said
    end = 1 + bisect_left(range(len(pattern)), True, key=lambda index: _says(pattern[: index + 1], encoding, said))
    start = max(end - 1 if said == complaint else pattern.rfind(fragment, 0, end), 0)
    for begins, what, instead in _UNKNOWN_TO_RE2:
        if begins.match(pattern, start):
            return BadRegex(start, what, _RE2, f"RE2 does not know it{'; ' if instead else ''}{instead}")
    found = f"{pattern[start:end]!r}"
    if complaint == "unexpected )":
        return BadRegex(start, found, "no closing parenthesis", "none is open; the character itself is \\)")
    if "repetition operator" in complaint:
        return BadRegex(start, found, "something to repeat" if complaint.startswith("no ") else "one repetition, not two")
    if "repetition size" in complaint:
        return BadRegex(start, found, "at most 1000 repetitions, the least first", "repetitions inside others count together")
    return BadRegex(start, found, _RE2, f"RE2 says: {complaint}")


def _says(pattern: str, encoding: str, complaint: str) -> bool:
    said = _compiled(pattern, encoding, False)
    return isinstance(said, str) and (said == complaint or said.partition(": ")[0] == complaint)


_RE2 = "a regular expression of RE2"
