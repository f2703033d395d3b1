"""Ban expressions: `obj.http.content-type ~ "^image/" && req.url ~ "^/a"`. Pure: text in, a value out, and time is an argument.

    ban      what a ban is, and whether it is about a response
    grammar  from text to a ban, or to the column where it is none
    words    text as words: quotes, escapes
    fields   what a condition can look at, and what a name that is none of them may have meant
    amounts  durations and sizes
    regex    regular expressions, in linear time

The language is Varnish's, as `varnishadm ban` takes it, and what is different is one table in the tests.
"""

from edgecache.invalidation.bans.ban import Ban, BanSubject
from edgecache.invalidation.bans.grammar import MAX_CHARACTERS, MAX_CONDITIONS, parse_ban
from edgecache.invalidation.bans.words import BanError, quoted

__all__ = ["MAX_CHARACTERS", "MAX_CONDITIONS", "Ban", "BanError", "BanSubject", "parse_ban", "quoted"]
