"""Files of settings."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def toml(tmp_path: Path):
    """Writes a file of settings and says where it is."""

    def write(text: str | bytes) -> Path:
        path = tmp_path / "edge.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write
