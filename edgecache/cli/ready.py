"""The ready file: how a script learns that an edge takes connections, and on which ports."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click


@contextlib.contextmanager
def ready_file(name: str, listen: str, control: str, varnishadm: str = "") -> Iterator[None]:
    """Let the file `name` say, for the time of the context, where this process listens; "" for no file.

    `listen` and `control` are the URLs of data plane and control plane, `varnishadm` is HOST:PORT, "" when it is off. Raises click's error
    when the file cannot be written.
    """
    if not name:
        yield
        return
    path = Path(name)
    where = {"listen": listen, "control": control, **({"varnishadm": varnishadm} if varnishadm else {})}
    content = {"pid": os.getpid(), **where, "ports": {name: int(address.rpartition(":")[2]) for name, address in where.items()}}
    try:
        _write(path, content)
    except OSError as error:
        raise click.ClickException(f"the ready file {name} cannot be written ({error.strerror}); name another with --ready-file.") from None
    try:
        yield
    finally:
        _remove(path)


def remove_stale(name: str) -> None:
    """Remove what an edge that was killed left there, before a script takes it for the word of the one that starts now."""
    pid = _pid(Path(name)) if name else None
    if pid is not None and not _runs(pid):
        with contextlib.suppress(OSError):
            Path(name).unlink()


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write in one step: who waits for the file never reads half of it."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(content, file)
            file.write("\n")
        os.chmod(temporary, 0o644)  # mkstemp's 0600 would hide the ports from other users' scripts; there is nothing secret in it
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _remove(path: Path) -> None:
    """Remove the file if it is still ours: another edge may have been started with the same name."""
    if _pid(path) == os.getpid():
        with contextlib.suppress(OSError):
            path.unlink()


def _runs(pid: int) -> bool:
    """Does a process of that number exist? Then the file may well be right, and is left alone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _pid(path: Path) -> int | None:
    """The process that wrote the ready file at `path`; None when there is none, or something else."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    pid = content.get("pid") if isinstance(content, dict) else None
    return pid if isinstance(pid, int) and pid > 0 else None
