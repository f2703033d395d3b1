"""In which folder are responses kept?"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from edgecache.config.settings import Settings, sites_of
from edgecache.config.values import ConfigError


def store_folder(settings: Settings) -> Path | None:
    """The folder that the setting store means; None for memory. Need not exist yet. ConfigError when the user has no home for one."""
    if settings.store == "memory":
        return None
    if settings.store:
        try:
            return Path(settings.store).expanduser()
        except RuntimeError:
            raise ConfigError(f"store: nobody knows the home folder of {settings.store}; write the folder in full") from None
    return default_store(*(site.origin for site in sites_of(settings)))


def default_store(*origins: str, environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """The folder for these origins below the user's cache folder: what may be lost, and takes no backup (XDG base directories, macOS).

    One for each set of origins, so that no site is ever answered with what another one sent. ConfigError when the user has no home.
    """
    first = re.sub(r"[^a-z0-9.]+", "-", origins[0].lower()).strip("-.")[:60] if origins else "none"
    digest = hashlib.blake2b("\n".join(sorted(set(origins))).encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    return _user_cache(environment, platform) / "edgecache" / f"{first}-{digest}"


def _user_cache(environment: Mapping[str, str], platform: str) -> Path:
    named = environment.get("XDG_CACHE_HOME", "")
    if os.path.isabs(named):  # relative ones are to be ignored, says the specification
        return Path(named)
    try:
        home = Path(environment["HOME"]) if environment.get("HOME") else Path.home()
    except RuntimeError:
        raise ConfigError("store: there is no home folder to keep responses below; set store to a folder, or to memory") from None
    return home / "Library" / "Caches" if platform == "darwin" else home / ".cache"
