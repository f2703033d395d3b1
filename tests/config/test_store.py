"""In which folder responses are kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgecache.config import Settings, SiteSettings, default_store, store_folder

ORIGIN = "http://localhost:3000"


@pytest.mark.parametrize(
    "environment, platform, folder",
    [
        ({"HOME": "/home/me"}, "linux", "/home/me/.cache/edgecache"),
        ({"HOME": "/Users/me"}, "darwin", "/Users/me/Library/Caches/edgecache"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "/fast"}, "linux", "/fast/edgecache"),
        ({"HOME": "/Users/me", "XDG_CACHE_HOME": "/fast"}, "darwin", "/fast/edgecache"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "relative"}, "linux", "/home/me/.cache/edgecache"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": ""}, "linux", "/home/me/.cache/edgecache"),
    ],
)
def test_below_the_users_cache_folder(environment: dict[str, str], platform: str, folder: str) -> None:
    found = default_store(ORIGIN, environment=environment, platform=platform)
    assert found.parent == Path(folder)
    assert re.fullmatch(r"http-localhost-3000-[0-9a-f]{8}", found.name)


def test_one_folder_for_each_set_of_origins() -> None:
    names = [
        default_store(*origins).name
        for origins in (
            [ORIGIN],
            ["https://localhost:3000"],
            ["unix:/a-b"],
            ["unix:/a/b"],
            [ORIGIN, "unix:/a/b"],
            ["unix:/" + "a" * 100],
            [],
        )
    ]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,80}", name) for name in names)
    assert default_store(ORIGIN) == default_store(ORIGIN)


def test_what_the_setting_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert store_folder(Settings(store="memory")) is None
    assert store_folder(Settings(store="/var/cache/edge")) == Path("/var/cache/edge")
    assert store_folder(Settings(store="./edge")) == Path("edge")
    assert store_folder(Settings(store="~/edge")) == Path("/home/me/edge")
    assert store_folder(Settings(origin=ORIGIN)) == default_store(ORIGIN)
    site = SiteSettings(name="shop", origin="unix:/shop", hosts=("shop.localhost",))
    assert store_folder(Settings(origin=ORIGIN, site=(site,))) == default_store(ORIGIN, "unix:/shop")
