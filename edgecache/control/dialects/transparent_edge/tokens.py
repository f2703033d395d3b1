"""Access tokens of the API (RFC 6749): given for a client id and secret, and valid for ten hours.

Rules of this file
- They end in real time, like signatures: a client renews its token by its own clock, and whoever moves the edge's must not log it out.
- Nothing of them is kept. A token says whose it is and when it ends, and is signed with that client's secret: it outlives a restart of the
  edge and a reset, and another secret ends it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from edgecache.config import CredentialSettings
from edgecache.control.dialects.call import Asked
from edgecache.control.dialects.credentials import Credentials, same

LIFETIME_S = 36_000
REFRESH_LIFETIME_S = 14 * 86_400  # not known
ACCESS, REFRESH = "a", "r"
DIGITS = 12


class TokenRefusal(Exception):
    """A token that is not given. `code` of RFC 6749 5.2."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Tokens:
    """The tokens of one edge. `real_ns`: real time, nanoseconds since the epoch."""

    def __init__(self, credentials: Credentials, real_ns: Callable[[], int]) -> None:
        self._credentials = credentials
        self._real_ns = real_ns

    def grant(self, asked: Asked) -> Mapping[str, object]:
        """What the token call answers. Raises TokenRefusal."""
        given = _parameters(asked)
        kind = given.get("grant_type", "")
        if kind not in ("client_credentials", "refresh_token"):
            code = "unsupported_grant_type" if kind else "invalid_request"
            raise TokenRefusal(
                code, f"grant_type is client_credentials or refresh_token, not {kind[:40]!r}" if kind else "grant_type is missing"
            )
        row = self._client(given)
        if kind == "refresh_token" and self._credentials.known:
            holder = self.holder(given.get("refresh_token", ""), REFRESH)
            if holder is None or holder.id != row.id:
                raise TokenRefusal("invalid_grant", "the refresh token is none of this client's, or has ended")
        return {
            "access_token": self.issue(row, ACCESS),
            "token_type": "Bearer",
            "expires_in": LIFETIME_S,
            "refresh_token": self.issue(row, REFRESH),
            "scope": "read write",
        }

    def issue(self, row: CredentialSettings, kind: str) -> str:
        """A new token for this client."""
        lifetime_s = LIFETIME_S if kind == ACCESS else REFRESH_LIFETIME_S
        claim = f"{kind}.{self._real_ns() // 10**9 + lifetime_s}.{_encoded(row.id.encode('utf-8', 'replace'))}"
        return f"{claim}.{_signature(row, claim)}"

    def holder(self, token: str, kind: str) -> CredentialSettings | None:
        """Whose token is this? None when it is nobody's, or has ended."""
        parts = token.split(".")
        if len(parts) != 4 or parts[0] != kind:
            return None
        _, ends, name, signature = parts
        if not (ends.isascii() and ends.isdigit() and len(ends) <= DIGITS):
            return None
        row = self._credentials.of(_decoded(name))
        if row is None or not same(signature, _signature(row, token.rpartition(".")[0])):
            return None
        return row if self._real_ns() < int(ends) * 10**9 else None

    def _client(self, given: Mapping[str, str]) -> CredentialSettings:
        """Who asks. Without credentials configured it may be anybody."""
        id, secret = given.get("client_id", ""), given.get("client_secret", "")
        if not self._credentials.known:
            return CredentialSettings(vendor="transparent_edge", id=id[:200], secret="anybody")
        row = self._credentials.of(id)
        if row is None or not same(secret, row.secret):
            raise TokenRefusal("invalid_client", "client_id or client_secret is wrong")
        return row


def _parameters(asked: Asked) -> dict[str, str]:
    """What the client says, in the query, in content (a form or JSON), or about itself in Authorization (RFC 6749 2.3.1).

    Content is told apart by how it begins: clients send any Content-Type. Raises TokenRefusal.
    """
    found = dict(parse_qsl(asked.query, keep_blank_values=True, errors="surrogateescape"))
    if "client_secret" in found:
        asked.warnings.append(
            "the client secret is in the query, where servers write it to their logs; a form in the content would not show it"
        )
    if asked.content.lstrip().startswith(b"{"):
        asked.warnings.append("the content is JSON; the vendor's documentation has a form, and whether JSON is taken there is not known")
        try:
            found |= msgspec.json.decode(asked.content, type=dict[str, str])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise TokenRefusal("invalid_request", f"the content is no form, and no JSON object of texts: {error}") from error
    else:
        found |= parse_qsl(asked.content.decode("utf-8", "surrogateescape"), keep_blank_values=True, errors="surrogateescape")
    scheme, _, value = asked.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, ValueError) as error:
            raise TokenRefusal("invalid_client", "Authorization is no Basic credential") from error
        found |= {"client_id": unquote_plus(id), "client_secret": unquote_plus(secret)}
    return found


def _signature(row: CredentialSettings, claim: str) -> str:
    return hmac.new(
        row.secret.encode("utf-8", "surrogateescape"), f"edgecache token {claim}".encode("ascii", "replace"), hashlib.sha256
    ).hexdigest()


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> str:
    """The id in a token; one that nobody has when it is none."""
    try:
        return base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return "\0"
