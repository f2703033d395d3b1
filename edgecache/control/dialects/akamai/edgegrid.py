"""EdgeGrid signatures (EG1-HMAC-SHA256): what Akamai's clients put into Authorization, worked out again and compared.

The signature is made over method, scheme, host, path with query, some fields, a hash of the content, and the field itself up to the nonce.
Of fields, none: no client signs any for this API.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import re
from collections import OrderedDict
from typing import NamedTuple

SCHEME = "EG1-HMAC-SHA256"
HASHED_BYTES = 131_072  # of the content, its beginning
SKEW_S = 30.0  # how far the time in a signature may be from ours, either way
MOST_NONCES = 10_000  # calls within a minute; Akamai takes some 3,000

_TIMESTAMP = re.compile(r"[0-9]{8}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+0000")


class Signed(NamedTuple):
    """What Authorization has. `text` is all of it that is signed, `at` the time in seconds since the epoch."""

    client_token: str
    access_token: str
    at: float
    nonce: str
    text: str
    timestamp: str
    signature: str


def parse_authorization(value: str) -> Signed | str:
    """The parts of the field, or what is wrong with it."""
    scheme, _, rest = value.partition(" ")
    if scheme != SCHEME:
        return f"Authorization is none of EdgeGrid: it begins with {SCHEME}"
    text, mark, signature = value.rpartition("signature=")
    parts = dict(part.partition("=")[::2] for part in rest.removesuffix(f"{mark}{signature}").strip(";").split(";"))
    missing = [name for name in ("client_token", "access_token", "timestamp", "nonce") if not parts.get(name)]
    if missing or not mark or not signature:
        return f"Authorization has no {', '.join([*missing, *(() if mark and signature else ('signature',))])}"
    at = _seconds(parts["timestamp"])
    if at is None:
        return "Invalid timestamp: it is as in 20261120T06:07:17+0000"
    return Signed(parts["client_token"], parts["access_token"], at, parts["nonce"], text, parts["timestamp"], signature)


def signature_of(secret: str, signed: Signed, *, method: str, scheme: str, host: str, target: str, content: bytes) -> str:
    """The signature that this request has to have."""
    key = _hmac(secret, signed.timestamp)
    hashed = base64.b64encode(hashlib.sha256(content[:HASHED_BYTES]).digest()).decode() if method == "POST" and content else ""
    return _hmac(key, "\t".join((method, scheme, host, target, "", hashed, signed.text)))


class Nonces:
    """Nonces that were used while their signatures' times still hold. Bounded: beyond `most` the oldest is forgotten early."""

    def __init__(self, most: int = MOST_NONCES) -> None:
        self._most = most
        self._used: OrderedDict[bytes, float] = OrderedDict()  # digests, in the order of use, with the time that they were used at

    def __len__(self) -> int:
        return len(self._used)

    def use(self, client_token: str, nonce: str, now: float) -> bool:
        """Is this its first use?"""
        digest = hashlib.blake2b(f"{client_token};{nonce}".encode("utf-8", "surrogateescape"), digest_size=16).digest()
        # A signature is good from SKEW_S before its time to SKEW_S behind it, so a nonce need not be known for longer than both.
        while self._used and next(iter(self._used.values())) < now - 2 * SKEW_S:
            self._used.popitem(last=False)
        if digest in self._used:
            return False
        if len(self._used) >= self._most:
            self._used.popitem(last=False)
        self._used[digest] = now
        return True

    def clear(self) -> None:
        """None was used."""
        self._used.clear()


def _hmac(key: str, data: str) -> str:
    raw = hmac.digest(key.encode("utf-8", "surrogateescape"), data.encode("utf-8", "surrogateescape"), "sha256")
    return base64.b64encode(raw).decode()


def _seconds(timestamp: str) -> float | None:
    if not _TIMESTAMP.fullmatch(timestamp):  # strptime takes more
        return None
    try:
        return datetime.datetime.strptime(timestamp, "%Y%m%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return None
