"""Accept-Encoding (RFC 9110 12.5.3) in one spelling.

Browsers say the same thing in many ways, and every way would be a variant of its own. What origins and caches tell apart is which of a few
codings a client takes.
"""

from __future__ import annotations

from functools import lru_cache

from edgecache.semantics.fields import split_list

_KNOWN = (b"br", b"gzip", b"zstd")  # in the order in which they are written
_USUAL_BYTES = 200  # longer values are not remembered
_ALIASES = {b"x-gzip": b"gzip"}  # RFC 9110 8.4.1.3


def normalise_accept_encoding(value: bytes) -> bytes:
    """The known codings that this Accept-Encoding takes, in one order and without weights; `identity` when it takes none of them.

    Which of the acceptable codings is sent is the origin's choice, so weights other than 0 say nothing that it must obey. Where the
    uncompressed form is refused (`identity;q=0`, `*;q=0`) the value stays as it is: that wish has no shorter form.
    """
    return _normalise(value) if len(value) <= _USUAL_BYTES else _normalise.__wrapped__(value)


@lru_cache(maxsize=1024)  # there are as many spellings as kinds of client
def _normalise(value: bytes) -> bytes:
    accepted: dict[bytes, bool] = {}
    for member in split_list(value):
        coding, _, parameters = member.partition(b";")
        name = coding.strip(b" \t").lower()
        if name:
            accepted[_ALIASES.get(name, name)] = not _is_zero(parameters)
    if accepted.get(b"identity", accepted.get(b"*", True)) is False:
        return value
    return b", ".join(coding for coding in _KNOWN if accepted.get(coding)) or b"identity"


def _is_zero(parameters: bytes) -> bool:
    """Is the weight 0, which means "not acceptable" (RFC 9110 12.4.2)?"""
    name, _, weight = parameters.replace(b" ", b"").replace(b"\t", b"").partition(b"=")
    return name.lower() == b"q" and weight.strip(b"0") in (b"", b".") and weight != b""
