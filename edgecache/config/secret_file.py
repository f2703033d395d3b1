"""The secret that varnishadm shares with whoever it talks to."""

from __future__ import annotations

import os

from edgecache.config.values import ConfigError, shown

SECRET_BYTES = 64 * 1024


def read_secret(name: str) -> bytes:
    """The content of a secret file, as `varnishd -S` and `varnishadm -S` take it: every byte counts. ConfigError when it is of no use."""
    try:
        if not os.path.isfile(name):
            raise ConfigError(f"{shown(name)} is no file; name the one that varnishadm -S gets too")
        with open(name, "rb") as file:
            secret = file.read(SECRET_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{shown(name)} cannot be read ({error.strerror}); name the file that varnishadm -S gets too") from None
    if not secret:
        raise ConfigError(f"{shown(name)} is empty; write a secret into it that nobody can guess")
    if len(secret) > SECRET_BYTES:
        raise ConfigError(f"{shown(name)} has more than {SECRET_BYTES} bytes; name the file that varnishadm -S gets too")
    return secret
