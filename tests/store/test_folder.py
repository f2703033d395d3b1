"""The store folder: ours or not, ours alone, of our format, and to be believed or not."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys

import pytest
import storekit

from edgecache.store.folder import LOCK, MARKER, Folder, FolderError, FolderTaken, default_folder


@pytest.fixture
def folder(tmp_path):
    """A function that makes a Folder; all are released."""
    made = []

    def folder(name: str = "store", files=None) -> Folder:
        made.append(Folder(str(tmp_path / name), files or storekit.FaultyFiles()))
        return made[-1]

    yield folder
    for one in made:
        one.release()


@pytest.mark.parametrize(
    "environment, platform, expected",
    [
        ({"HOME": "/home/me"}, "linux", "/home/me/.cache/edgecache/"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "/fast"}, "linux", "/fast/edgecache/"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "relative"}, "linux", "/home/me/.cache/edgecache/"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": ""}, "freebsd14", "/home/me/.cache/edgecache/"),
        ({"HOME": "/Users/me", "XDG_CACHE_HOME": "/fast"}, "darwin", "/Users/me/Library/Caches/edgecache/"),
    ],
)
def test_by_default_it_is_below_the_users_cache_folder(environment, platform, expected):
    path = default_folder("http://localhost:3000", environment, platform)
    assert path.startswith(expected + "http-localhost-3000-")


def test_each_origin_has_its_own():
    origins = ["http://a:1", "http://a-1", "https://a:1", "unix:/run/a:1", "http://[::1]:80", "unix:/../../etc"]
    paths = {default_folder(origin, {"HOME": "/h"}, "linux") for origin in origins}
    assert len(paths) == len(origins)
    assert all(os.path.dirname(path) == "/h/.cache/edgecache" for path in paths)


def test_a_new_one_is_private_and_holds_nothing_to_believe(folder, tmp_path):
    one = folder("a/b/c")
    one.take()
    assert stat.S_IMODE((tmp_path / "a/b/c").stat().st_mode) == 0o700
    assert (one.believed(), one.begun()) == (None, [])


def test_one_that_others_could_read_is_made_private(folder, tmp_path):
    one = folder()
    one.take()
    one.release()
    (tmp_path / "store").chmod(0o755)
    folder().take()
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700


def test_the_second_edge_says_who_holds_it(folder):
    folder().take()
    with pytest.raises(FolderTaken, match=rf"in use by another edge \(process {os.getpid()}\).*--store"):
        folder().take()


def test_a_folder_is_free_when_its_process_has_ended(folder, tmp_path):
    path = str(tmp_path / "store")
    program = f"""
from edgecache.store.files import Files
from edgecache.store.folder import Folder
Folder({path!r}, Files()).take()
print('took')
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=os.getcwd()).stdout == b"took\n"
    folder().take()


@pytest.mark.parametrize("names", [["letter.txt"], [MARKER, "letter.txt"], [".bashrc"]])
def test_a_folder_of_somebody_elses_is_left_alone(folder, tmp_path, names):
    (tmp_path / "store").mkdir()
    for name in names:
        (tmp_path / "store" / name).write_text("mine")
    with pytest.raises(FolderError, match="choose"):
        folder().take()
    assert {path.name: path.read_text() for path in (tmp_path / "store").iterdir()} == dict.fromkeys(names, "mine")


@pytest.mark.parametrize("left", [[], [LOCK], [LOCK, f".{MARKER}.new"], ["clean", "invalidations.log"]])
def test_a_start_that_was_cut_off_does_not_stand_in_the_way(folder, tmp_path, left):
    (tmp_path / "store").mkdir()
    for name in left:
        (tmp_path / "store" / name).write_text("")
    one = folder()
    one.take()
    assert one.taken
    assert one.believed() is None


def test_a_start_that_fails_gives_the_folder_back(folder):
    files = storekit.FaultyFiles()
    files.failing["write"] = errno.ENOSPC
    one = folder(files=files)
    with pytest.raises(OSError, match="No space"):
        one.take()
    assert not one.taken
    files.failing.clear()
    one.take()
    assert one.taken


@pytest.mark.parametrize("written, name", [("2", "2"), ("0.9-beta", "0.9-beta"), ("../../x", "..-..-x")])
def test_another_format_is_set_aside_with_all_it_has(folder, tmp_path, written, name):
    for number in ("", "-2"):
        (tmp_path / "store").mkdir()
        (tmp_path / "store" / MARKER).write_text(f"edgecache store, format {written}\n")
        (tmp_path / "store" / "precious").write_text("kept")
        one = folder()
        one.take()
        assert one.set_aside == str(tmp_path / f"store.format-{name}{number}")
        assert (tmp_path / f"store.format-{name}{number}" / "precious").read_text() == "kept"
        assert not (tmp_path / "store" / "precious").exists()
        with pytest.raises(FolderTaken):
            folder().take()
        one.release()
        for path in (tmp_path / "store").iterdir():
            path.unlink()
        (tmp_path / "store").rmdir()


def test_another_format_that_cannot_be_set_aside_is_left_alone(folder, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / MARKER).write_text("edgecache store, format 2\n")
    files = storekit.FaultyFiles()
    files.failing["rename"] = errno.EBUSY
    with pytest.raises(FolderError, match=r"format 2.*cannot be renamed"):
        folder(files=files).take()


def test_a_name_that_the_library_would_change_is_refused(folder, monkeypatch):
    monkeypatch.setenv("SOMETHING", "else")
    with pytest.raises(FolderError, match=r"\$"):
        folder("a$SOMETHING").take()


def test_one_generation_is_believed_until_another_is_or_none_may_be(folder):
    one = folder()
    one.take()
    first, second = one.begin(), one.begin()
    assert (one.believed(), set(one.begun())) == (None, {first, second})
    for generation in (first, second):
        one.mark_clean(generation)
        assert one.believed() == generation
        one.release()
        one = folder()
        one.take()
        assert one.believed() == generation
    assert one.leftovers(second) == [f"{one.path}/{first}"]
    one.mark_unsure()
    one.mark_unsure()
    one.release()
    again = folder()
    again.take()
    assert again.believed() is None


@pytest.mark.parametrize("written", ["", "..", "kept-nowhere", "lock", "kept-\0"])
def test_a_generation_that_is_not_there_is_not_believed(folder, tmp_path, written):
    one = folder()
    one.take()
    one.begin()
    (tmp_path / "store" / "clean").write_text(written)
    assert one.believed() is None


def test_what_was_arriving_is_to_be_removed(folder, tmp_path):
    one = folder()
    one.take()
    one.discard_arriving()
    assert one.leftovers(None) == []
    (tmp_path / "store" / "spool").mkdir()
    one.discard_arriving()
    assert len(one.leftovers(None)) == 1
    assert not (tmp_path / "store" / "spool").exists()
