"""Is a request signed by one of the configured keys? AWS Signature Version 4, as the SDKs make it for services other than S3.

What is signed is the method, path, query, chosen fields and content, as received: Host too, which is this machine's when a client's
endpoint was changed. The region is part of what is signed and never judged, since the client's own stays in force then; it may even be
empty. A session token is not judged either: it belongs to the key, and has to be signed.

The content's hash is always taken from the content. A client that says another one in x-amz-content-sha256 signed that.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from edgecache.control.dialects.call import Asked
from edgecache.control.dialects.cloudfront.codes import CloudFrontRefusal, Code
from edgecache.control.dialects.credentials import Credentials, same

SKEW_S = 300.0

_ALGORITHM = "AWS4-HMAC-SHA256"
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z", re.ASCII)
# What has to be signed where it is there: a request that could be given another of these would be another request.
_SIGNED_IF_THERE = ("x-amz-security-token", "x-amz-target", "x-amz-content-sha256")


@dataclass(frozen=True, slots=True)
class Signed:
    """What the field Authorization says. `scope`: date, region and service."""

    key_id: str
    scope: tuple[str, str, str]
    names: tuple[str, ...]
    signature: str


def check_signature(asked: Asked, credentials: Credentials, service: str, real_now: float) -> None:
    """Is it signed for this service by one of these keys, and now? `real_now`: seconds since the epoch, not edge time.

    Raises CloudFrontRefusal.
    """
    given = asked.headers.getall("Authorization", [])
    if not given:
        raise CloudFrontRefusal(Code.MISSING_AUTHENTICATION_TOKEN, "the request is not signed")
    signed = _read(given[0]) if len(given) == 1 else "the request has the field Authorization twice"
    if isinstance(signed, str):
        raise CloudFrontRefusal(Code.INCOMPLETE_SIGNATURE, signed)
    credential = credentials.of(signed.key_id)
    if credential is None or not signed.key_id:
        raise CloudFrontRefusal(Code.INVALID_CLIENT_TOKEN_ID, "no [[credential]] of cloudfront has this access key id")
    date = ",".join(asked.headers.getall("X-Amz-Date", []))
    wrong = _wrong(asked, signed, service, date, real_now)
    if wrong is not None:
        raise CloudFrontRefusal(Code.SIGNATURE_DOES_NOT_MATCH, wrong, message=wrong)
    if not same(signed.signature, signature(asked, credential.secret, signed.scope, signed.names, date)):
        raise CloudFrontRefusal(Code.SIGNATURE_DOES_NOT_MATCH, "the signature is not that of this request and the secret access key")


def signature(asked: Asked, secret: str, scope: tuple[str, str, str], names: Sequence[str], date: str) -> str:
    """The signature of a request: in hexadecimal digits, over the fields of these names."""
    text = "\n".join((_ALGORITHM, date, "/".join((*scope, "aws4_request")), hashlib.sha256(_canonical(asked, names)).hexdigest()))
    key = b"AWS4" + secret.encode("utf-8", "surrogateescape")
    for part in (*scope, "aws4_request"):
        key = hmac.digest(key, part.encode("utf-8", "surrogateescape"), "sha256")
    return hmac.digest(key, text.encode("utf-8", "surrogateescape"), "sha256").hex()


def _read(value: str) -> Signed | str:
    """The field Authorization, or what is wrong with it."""
    algorithm, _, rest = value.strip().partition(" ")
    if algorithm != _ALGORITHM:
        return f"Authorization begins with {algorithm[:40]!r}; {_ALGORITHM} is what can be verified here"
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    lacking = next((name for name in ("Credential", "SignedHeaders", "Signature") if not parts.get(name)), None)
    if lacking is not None:
        return f"Authorization has no {lacking}"
    scope = parts["Credential"].rsplit("/", 4)
    if len(scope) != 5 or scope[4] != "aws4_request":
        return "the Credential in Authorization is not KEY/DATE/REGION/SERVICE/aws4_request"
    names = tuple(parts["SignedHeaders"].split(";"))
    return Signed(scope[0], (scope[1], scope[2], scope[3]), names, parts["Signature"])


def _wrong(asked: Asked, signed: Signed, service: str, date: str, real_now: float) -> str | None:
    """What is wrong with what was signed, whatever its signature; None when nothing is."""
    for name in ("host", "x-amz-date", *(one for one in _SIGNED_IF_THERE if one in asked.headers)):
        if name not in signed.names:
            return f"'{name}' must be a SignedHeader in the Authorization field"
    absent = next((name for name in signed.names if name not in asked.headers), None)
    if absent is not None:
        return f"the SignedHeader '{absent[:80]}' is not in the request"
    if not _DATE.fullmatch(date):
        return "X-Amz-Date is not a time such as 20260102T030405Z"
    try:
        at = calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return "X-Amz-Date is not a time such as 20260102T030405Z"
    day, _, scoped_to = signed.scope
    if day != date[:8]:
        return "the date in Credential is not that of X-Amz-Date"
    if scoped_to != service:
        return f"Credential should be scoped to correct service: '{service}'"
    if at < real_now - SKEW_S:
        return f"Signature expired: {date} is more than {SKEW_S / 60:g} minutes ago by this machine's clock"
    if at > real_now + SKEW_S:
        return f"Signature not yet current: {date} is more than {SKEW_S / 60:g} minutes ahead of this machine's clock"
    return None


def _canonical(asked: Asked, names: Sequence[str]) -> bytes:
    """The request in the one form in which it is signed."""
    fields = [f"{name}:{','.join(' '.join(value.split()) for value in asked.headers.getall(name))}\n" for name in names]
    content = hashlib.sha256(asked.content).hexdigest()
    parts = (asked.method, _path(asked.path), _query(asked.query), "".join(fields), ";".join(names), content)
    return "\n".join(parts).encode("utf-8", "surrogateescape")


def _path(path: str) -> str:
    """Without empty and dot segments; what is percent-encoded is so once more."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    joined = "/" + "/".join(kept) + ("/" if path.endswith("/") and kept else "")
    return quote(joined, safe="/~", errors="surrogateescape")


def _query(query: str) -> str:
    """Parameters in order of their encoded names, and then values."""
    pairs = []
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        pairs.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encoded(text: str) -> str:
    """As the SDKs percent-encode, whatever the client left as it is."""
    return quote(unquote_to_bytes(text.encode("utf-8", "surrogateescape")), safe="-_.~")
