"""Which directives count, in a request and in a response."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cachingkit import fields, request

from edgecache.caching.directives import Directives, request_directives, response_directives
from edgecache.profiles.standard import STANDARD
from edgecache.semantics.cache_control import CacheControl

VENDOR = replace(STANDARD, name="vendor", targeted_fields=(b"vendor-cache-control", b"cdn-cache-control"))
OWN, CDN, ALL = "Vendor-Cache-Control: max-age=1", "CDN-Cache-Control: max-age=2", "Cache-Control: max-age=3"


@pytest.mark.parametrize(
    "lines, own, standard",
    [
        ([OWN, CDN, ALL], (b"1", True), (b"2", True)),
        ([CDN, ALL], (b"2", True), (b"2", True)),
        ([OWN, ALL], (b"1", True), (b"3", False)),
        ([ALL], (b"3", False), (b"3", False)),
        (["Vendor-Cache-Control: max-age=x", CDN, ALL], (b"2", True), (b"2", True)),
        (["Vendor-Cache-Control:", "CDN-Cache-Control:", ALL], (b"3", False), (b"3", False)),
    ],
)
def test_the_first_valid_target(lines: list[str], own: tuple[bytes, bool], standard: tuple[bytes, bool]) -> None:
    for profile, (max_age, targeted) in ((VENDOR, own), (STANDARD, standard)):
        assert response_directives(fields(*lines), profile) == Directives(CacheControl({b"max-age": max_age}), targeted)


def test_nothing_said() -> None:
    assert response_directives([], STANDARD) == Directives(CacheControl(), False)


@pytest.mark.parametrize(
    "lines, directives",
    [
        ([], {}),
        (["Cache-Control: max-age=1"], {b"max-age": b"1"}),
        (["Pragma: no-cache"], {b"no-cache": None}),
        (["Pragma: NO-CACHE, x"], {b"no-cache": None}),
        (["Pragma: x"], {}),
        (["Pragma: no-cache", "Cache-Control: max-age=1"], {b"max-age": b"1"}),
    ],
)
def test_what_a_request_says(lines: list[str], directives: dict[bytes, bytes | None]) -> None:
    assert request_directives(request(*lines), STANDARD) == directives
    assert request_directives(request(*lines), replace(STANDARD, obeys_request_directives=False)) == {}
