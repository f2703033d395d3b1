"""Accept-Encoding in one spelling (RFC 9110 12.5.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.semantics.codings import normalise_accept_encoding


@pytest.mark.parametrize(
    "value, normalised",
    [
        ("gzip", "gzip"),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br", "br, gzip"),
        ("gzip, deflate, br, zstd", "br, gzip, zstd"),
        ("br,gzip", "br, gzip"),
        ("GZIP;Q=0.5 , br ; q=1.0", "br, gzip"),
        ("x-gzip", "gzip"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0.000, br", "br"),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=", "gzip"),
        ("deflate", "identity"),
        ("identity", "identity"),
        ("", "identity"),
        ("*", "identity"),
        ("dcb, dcz, gzip", "gzip"),
        ("identity;q=0.5, gzip", "gzip"),
        ("*;q=0, identity, gzip", "gzip"),
        # uncompressed is refused: left as it is
        ("gzip, identity;q=0", "gzip, identity;q=0"),
        ("gzip;q=1.0, *;q=0", "gzip;q=1.0, *;q=0"),
    ],
)
def test_normalised(value: str, normalised: str) -> None:
    assert normalise_accept_encoding(value.encode()) == normalised.encode()


@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from([b"gzip", b"br", b"*", b"identity", b";q=0", b", "])).map(b"".join)))
def test_what_is_normalised_stays(value: bytes) -> None:
    once = normalise_accept_encoding(value)
    assert normalise_accept_encoding(once) == once
