"""How sure are we that a vendor does what its dialect does? Tables of dialects say it of each row, and docs/purge-apis.md shows it."""

from __future__ import annotations

import enum


class Evidence(enum.Enum):
    """Where a vendor's words, numbers and limits come from."""

    SEEN = "seen in answers of the real service that users have shown"
    DOCUMENTED = "from the vendor's documentation or its own client libraries"
    UNCONFIRMED = "not confirmed: remembered, or taken from secondary texts"
    OURS = "of our own making, where nothing is known of what the vendor does"
