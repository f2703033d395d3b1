"""The ready file: there while the edge runs, whole, and nobody else's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from edgecache.cli.ready import ready_file, remove_stale

URLS = ("http://127.0.0.1:8080", "http://[::1]:8081")


def pid_of_a_process_that_ended() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_it_is_there_for_the_time_of_the_run(tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    with ready_file(str(file), *URLS):
        assert json.loads(file.read_text()) == {
            "pid": os.getpid(),
            "listen": URLS[0],
            "control": URLS[1],
            "ports": {"listen": 8080, "control": 8081},
        }
        assert [path.name for path in tmp_path.iterdir()] == ["ready.json"]
    assert list(tmp_path.iterdir()) == []


def test_it_names_varnishadm_when_that_is_on(tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    with ready_file(str(file), *URLS, "[::1]:6082"):
        content = json.loads(file.read_text())
    assert content["varnishadm"] == "[::1]:6082"
    assert content["ports"] == {"listen": 8080, "control": 8081, "varnishadm": 6082}


def test_no_name_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ready_file("", *URLS):
        assert list(tmp_path.iterdir()) == []


def test_a_relative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ready_file("ready.json", *URLS):
        assert (tmp_path / "ready.json").exists()


def test_the_file_of_another_edge_is_left(tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    with ready_file(str(file), *URLS):
        file.write_text('{"pid": 1}')
    assert file.exists()


@pytest.mark.parametrize("name", ["no/such/folder", ""])
def test_it_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(click.ClickException, match="cannot be written"), ready_file(str(tmp_path / name), *URLS):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ('{"pid": %d}', False),
        ('{"pid": 1}', True),
        ('{"pid": 0}', True),
        ('{"pid": -1}', True),
        ('{"pid": "x"}', True),
        ("[]", True),
        ("some notes", True),
        ("\x00", True),
    ],
)
def test_only_what_a_dead_edge_left_is_removed(tmp_path: Path, content: str, kept: bool) -> None:
    file = tmp_path / "ready.json"
    file.write_text(content % pid_of_a_process_that_ended() if "%d" in content else content)
    remove_stale(str(file))
    assert file.exists() is kept


def test_nothing_to_remove(tmp_path: Path) -> None:
    remove_stale("")
    remove_stale(str(tmp_path / "none"))
