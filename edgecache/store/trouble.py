"""What can go wrong with a store folder, and the one sentence that the terminal gets for each kind. The edge goes on in every case."""

from __future__ import annotations

import enum
import errno
import sqlite3
from collections.abc import Callable, Iterator

import diskcache  # type: ignore[import-untyped]

Say = Callable[[str], None]

_FULL_DISK = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))

# What the store's work with files and the database may raise for a reason that lies outside.
OUTSIDE = (OSError, sqlite3.Error, diskcache.Timeout, UnicodeDecodeError)


class Trouble(enum.Enum):
    """A kind of trouble, and its sentence: `{folder}` is the store folder, `{detail}` what the system said."""

    FULL = "The disk with the store {folder} is full: what does not fit is kept in memory only, until there is room again."
    UNUSABLE = (
        "The store {folder} cannot be used now ({detail}): responses are kept in memory only, and it is tried again from time to time."
    )
    DAMAGED = "The store {folder} was damaged ({detail}): it is emptied, and responses are fetched again."
    BODY = "A stored response in {folder} was damaged ({detail}): it is dropped, and fetched again when it is asked for."
    BEHIND = "The disk with the store {folder} is slower than the origin sends: some responses are kept in memory only."
    OTHER_LOG = "The store {folder} belongs to another invalidation log: it is emptied, since nobody knows what was purged."
    UNSURE = "The store {folder} is emptied: when it was last used, something that had to be removed from it could not be."
    OTHER_FORMAT = "The store {folder} was written by another version of edgecache: it is now {detail}, and an empty one takes its place."


class Teller:
    """Says the sentence of each kind of trouble once, whatever happens how often. From any thread, if `say` allows that."""

    def __init__(self, folder: str, say: Say) -> None:
        self._folder = folder
        self._say = say
        self._said: set[Trouble] = set()

    def tell(self, trouble: Trouble, detail: object = "") -> None:
        """Say what happened, if that kind was not said before. `detail`: the error, or what else the sentence has a place for."""
        if trouble not in self._said:
            self._said.add(trouble)
            self._say(trouble.value.format(folder=self._folder, detail=_words(detail)))


def kind_of(error: BaseException) -> Trouble:
    """What kind of trouble is this error of a file or database operation?

    The database's wrapper raises others in its place; what SQLite said is then in the context.
    """
    codes = set()
    for one in _chain(error):
        if isinstance(one, (UnicodeDecodeError)):  # SQLite names what it cannot make sense of, in the bytes that stand there
            return Trouble.DAMAGED
        if isinstance(one, OSError):
            return Trouble.FULL if one.errno in _FULL_DISK else Trouble.UNUSABLE
        if isinstance(one, sqlite3.Error):
            codes.add(getattr(one, "sqlite_errorcode", 0) & 0xFF)  # the primary code
    if sqlite3.SQLITE_FULL in codes:
        return Trouble.FULL
    # A statement of ours that cannot be understood is one about a table that is not there any more.
    damaged = codes & {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or codes == {sqlite3.SQLITE_ERROR}
    return Trouble.DAMAGED if damaged else Trouble.UNUSABLE


def _words(detail: object) -> str:
    if not isinstance(detail, BaseException):
        return str(detail)
    told = [one for one in _chain(detail) if str(one)]
    last = told[-1] if told else detail  # what came first
    return (last.strerror or str(last)) if isinstance(last, OSError) else str(last) or type(last).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those during whose handling it came."""
    one: BaseException | None = error
    seen = 0
    while one is not None and seen < 10:
        yield one
        one = one.__context__
        seen += 1
