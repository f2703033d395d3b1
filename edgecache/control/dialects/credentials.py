"""Who may call a vendor's API? Everything that is secret is compared in constant time, and nothing of it is ever shown or kept."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from edgecache.config import CredentialSettings, Vendor


def same(given: str, secret: str) -> bool:
    """Are these the same? The time that it takes says nothing about how far they agree."""
    # Bytes, because compare_digest refuses text beyond ASCII; surrogateescape, because a field may hold any byte.
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode("utf-8", "surrogateescape"))


class Credentials:
    """The credentials of one vendor. Without any, callers on this machine are trusted whatever they bring, and others refused."""

    def __init__(self, vendor: Vendor, rows: Sequence[CredentialSettings]) -> None:
        self.known = tuple(row for row in rows if row.vendor == vendor)

    def of(self, id: str) -> CredentialSettings | None:
        """The credential with this id, which is no secret; None when there is none."""
        return next((row for row in self.known if row.id == id), None)

    def has(self, secret: str, id: str = "") -> bool:
        """Is there a credential with this id, "" for those without one, and with this secret?"""
        found = False
        for row in self.known:
            found |= same(secret, row.secret) and row.id == id  # no short cut: every secret is compared
        return found
