"""Trouble with the store folder: damaged, foreign, unusable, full. The edge serves on, says one sentence, never gives out a wrong byte."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import sqlite3

import pytest
from durabilitykit import content
from wirekit import Cut, fresh
from wirestage import advance, api, purge, settled

from edgecache.app import StartError
from edgecache.config import ConfigError
from edgecache.store.files import Files

MIB = 1024 * 1024
LARGE = {"/file": 100_000, "/larger": 3 * MIB + 77}
ALL = {"/small": 1000, "/row": 30_000, **LARGE}


async def filled(lives, **settings):
    """A life in which content of all sizes was stored."""
    kit = await lives.start(**settings)
    for name, size in ALL.items():
        lives.origin.answer(name, fresh(content(name, size), 'ETag: "1"', max_age=600))
        assert (await kit.get(name)).body == content(name, size)
    return kit


async def hits(kit) -> dict[str, bool]:
    """Which of it is a hit? All of it is right, byte for byte."""
    found = {}
    for name, size in ALL.items():
        reply = await kit.get(name)
        assert (reply.status, reply.body == content(name, size)) == (200, True), name
        found[name] = reply.hit
    return found


NONE = dict.fromkeys(ALL, False)
EVERYTHING = dict.fromkeys(ALL, True)


def flip(path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x20
    path.write_bytes(data)


# the database


def garbage(path):
    path.write_bytes(random.Random(1).randbytes(50_000))


def garbage_after_the_head(path):
    data = path.read_bytes()
    path.write_bytes(data[:100] + random.Random(1).randbytes(len(data) - 100))


def text(path):
    path.write_bytes(b"this is no database\n" * 1000)


def short(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    os.truncate(path, 0)


def gone(path):
    path.unlink()


def folder(path):
    path.unlink()
    path.mkdir()


def no_tables(path):
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE Cache (number)")
    connection.close()


def strange_setting(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE Settings SET key = 'disk_nonsense' WHERE key = 'disk_min_file_size'")
    connection.close()


def strange_row(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE Cache SET value = 5, mode = 'nonsense', size = 'much', tag = x'ff00', filename = '/etc/passwd'")
    connection.close()


@pytest.mark.parametrize(
    "damage", [garbage, garbage_after_the_head, text, short, empty, gone, folder, no_tables, strange_setting, strange_row]
)
async def test_a_damaged_database_is_begun_anew(lives, said, damage):
    kit = await filled(lives)
    await purge(kit, "/small")
    await lives.stop()
    damage(lives.database)
    kit = await lives.start()
    assert await hits(kit) == NONE
    if damage not in (empty, gone):  # then it is a new one, and nothing is wrong with it
        assert len(said().about(str(lives.folder))) == 1
    assert (await kit.request("PURGE", "/small")).get("edgecache-position") == b"2"
    kit = await lives.start()
    if damage not in (folder, no_tables):  # these were not given up yet: that comes when they are tried again
        assert await hits(kit) == {**EVERYTHING, "/small": False}


@pytest.mark.parametrize("damage", [garbage, text, short, empty, gone])
@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
async def test_damage_beside_the_database_is_never_wrong_content(lives, tmp_path, damage, suffix):
    await filled(lives)
    await lives.freeze(tmp_path / "after the kill")
    path = lives.database.with_name(f"cache.db{suffix}")
    if path.exists():
        damage(path)
    kit = await lives.start()
    await hits(kit)
    await settled(kit)
    assert await hits(kit) == EVERYTHING


@pytest.mark.parametrize("seed", range(12))
async def test_flipped_bytes_anywhere_in_the_database_are_never_wrong_content(lives, seed):
    kit = await filled(lives)
    await purge(kit, "/row")
    lives.origin.answer("/row", fresh(content("/row", 30_000), "X-New: yes", max_age=600))
    await lives.stop()
    rng = random.Random(seed)
    data = bytearray(lives.database.read_bytes())
    for _ in range(rng.choice([1, 3, 30, 300])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    lives.database.write_bytes(data)
    kit = await lives.start()
    await hits(kit)
    assert (await kit.get("/row")).get("x-new") == b"yes"
    await api(kit, "/api/v1/objects")
    await purge(kit, "/small")
    kit = await lives.start()
    await hits(kit)


async def test_a_database_that_breaks_while_it_is_used(lives, said):
    """Another program overwrites it. What is in memory is served on, all else is fetched again."""
    kit = await filled(lives, memory_bytes=60_000)
    await settled(kit)
    garbage(lives.database)
    lives.database.with_name("cache.db-wal").write_bytes(b"")
    for _ in range(3):
        await hits(kit)
        await settled(kit)
    assert (await kit.request("PURGE", "/small")).status == 200
    assert len(said().about(str(lives.folder), "damaged", "emptied")) == 1
    kit = await lives.start()
    await hits(kit)
    await settled(kit)
    assert await hits(kit) == EVERYTHING


@pytest.mark.parametrize("whole", [False, True], ids=["what is in it", "the folder"])
async def test_a_folder_that_is_removed_while_it_is_used(lives, said, whole):
    """As people empty caches. The edge serves on, and the next one begins with nothing."""
    kit = await filled(lives, memory_bytes=60_000)
    await settled(kit)
    if whole:
        shutil.rmtree(lives.folder)
    else:
        for path in lives.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for _ in range(3):
        await hits(kit)
        await settled(kit)
    assert (await kit.request("PURGE", "/small")).status == 200
    lives.origin.answer("/small", fresh(content("/small", 1000), "X-New: yes"))
    kit = await lives.start()
    assert await hits(kit) == NONE
    assert (await kit.get("/small")).get("x-new") == b"yes"
    kit = await lives.start()
    assert await hits(kit) == EVERYTHING


async def test_what_could_not_be_read_for_a_while_does_not_come_back(lives, tmp_path):
    """It may be older than what was served meanwhile."""
    kit = await lives.start()
    lives.origin.answer("/a", fresh(b"old", max_age=600))
    await kit.get("/a")
    await lives.stop()
    database, aside = lives.database, tmp_path / "aside"
    database.rename(aside)
    database.mkdir()
    lives.origin.answer("/a", fresh(b"new", max_age=600))
    kit = await lives.start()
    assert (await kit.get("/a")).body == b"new"
    await lives.stop()
    database.rmdir()
    aside.rename(database)
    kit = await lives.start()
    assert (await kit.get("/a")).body == b"new"


# files with content


def cut_short(path):
    os.truncate(path, path.stat().st_size - 1)


def grown(path):
    with path.open("ab") as file:
        file.write(b"x")


def other_content(path):
    path.write_bytes(bytes(path.stat().st_size))


def first_byte(path):
    flip(path, 0)


@pytest.mark.parametrize("damage", [cut_short, grown, other_content, first_byte, gone, folder, empty])
async def test_a_damaged_file_is_fetched_again(lives, said, damage):
    kit = await filled(lives)
    await lives.stop()
    for path in lives.bodies:
        damage(path)
    kit = await lives.start()
    assert await hits(kit) == {"/small": True, "/row": True, "/file": False, "/larger": False}
    assert len(said().about(str(lives.folder), "damaged", "dropped")) == 1
    await settled(kit)
    assert await hits(kit) == EVERYTHING
    kit = await lives.start()
    assert await hits(kit) == EVERYTHING


async def test_damage_behind_the_beginning_cuts_the_answer(lives, said):
    """A good head and two good MiB have gone out: what is left to say is that the answer is not whole."""
    kit = await filled(lives)
    await lives.stop()
    flip(lives.bodies[0], 2 * MIB + 1000)
    kit = await lives.start()
    client = await kit.connect()
    with pytest.raises(Cut) as cut:
        await client.get("/larger")
    assert cut.value.got == content("/larger", 2 * MIB)
    reply = await kit.get("/larger")
    assert (reply.hit, reply.body == content("/larger", ALL["/larger"])) == (False, True)
    assert len(said().about(str(lives.folder), "damaged", "dropped")) == 1
    await settled(kit)
    assert (await kit.get("/larger")).hit


async def test_a_range_of_what_is_damaged_elsewhere_is_right(lives):
    kit = await filled(lives)
    await lives.stop()
    flip(lives.bodies[0], 2 * MIB + 1000)
    kit = await lives.start()
    body = content("/larger", ALL["/larger"])
    reply = await kit.get("/larger", "Range: bytes=10-999999")
    assert (reply.status, reply.hit, reply.body == body[10:1_000_000]) == (206, True, True)
    lives.origin.answer("/larger", fresh(body))
    reply = await kit.get("/larger", f"Range: bytes={2 * MIB}-{2 * MIB + 10}")
    assert (reply.hit, reply.body == body) == (False, True)


async def test_files_exchanged_with_each_other(lives):
    """Each is in order by itself, and none is what its row says."""
    for name in ("/x", "/y"):
        lives.origin.answer(name, fresh(content(name, 100_000)))
    kit = await lives.start()
    for name in ("/x", "/y"):
        await kit.get(name)
    await lives.stop()
    one, other = lives.bodies
    one.rename(one.with_suffix(".z"))
    other.rename(one)
    one.with_suffix(".z").rename(other)
    kit = await lives.start()
    for name in ("/x", "/y"):
        reply = await kit.get(name)
        assert (reply.hit, reply.body == content(name, 100_000)) == (False, True)


async def test_a_damaged_row_is_fetched_again(lives, said):
    kit = await filled(lives)
    await lives.stop()
    at = lives.database.read_bytes().find(content("/row", 30_000)[:200])
    assert at > 0
    flip(lives.database, at + 100)
    kit = await lives.start()
    assert await hits(kit) == {**EVERYTHING, "/row": False}
    assert len(said().about(str(lives.folder), "damaged", "dropped")) == 1
    kit = await lives.start()
    assert await hits(kit) == EVERYTHING


async def test_files_without_a_row_are_removed(lives):
    kit = await filled(lives)
    await lives.stop()
    strays = [lives.generation / "bodies" / "ab" / f"rab{number}.{number}" for number in range(200)]
    strays[0].parent.mkdir(parents=True, exist_ok=True)
    for stray in strays:
        stray.write_bytes(b"x")
    kit = await lives.start()
    await kit.until(lambda: not any(stray.exists() for stray in strays), "the strays to go")
    assert await hits(kit) == EVERYTHING


# a folder that cannot be one


async def test_a_file_in_the_place_of_the_folder_is_refused(lives):
    lives.folder.write_text("not a folder")
    with pytest.raises(ConfigError, match="is not a folder"):
        await lives.start()
    assert lives.folder.read_text() == "not a folder"


async def test_a_folder_that_cannot_be_made(lives, tmp_path, said):
    """Everything is kept in memory; once the folder can be made it is used, without anybody's help."""
    (tmp_path / "file").write_text("not a folder")
    lives.folder = tmp_path / "file" / "store"
    kit = await filled(lives)
    assert len(said().about(str(lives.folder), "cannot be used now", "memory only")) == 1
    assert len(said().about(str(lives.folder), "invalidation log", "in memory")) == 1
    in_memory = {**EVERYTHING, "/larger": False}  # what would go to a file while it arrives cannot be kept
    assert await hits(kit) == in_memory
    assert (await kit.request("PURGE", "/small")).get("edgecache-matched") == b"1"
    assert await hits(kit) == {**in_memory, "/small": False}
    assert len((await api(kit, "/api/v1/objects"))[1]["objects"]) == 3
    (tmp_path / "file").unlink()
    kit.pass_time(31)
    await purge(kit, "/small")
    assert not (await kit.get("/small")).hit
    await settled(kit)
    assert lives.database.exists()
    kit = await lives.start()
    assert await hits(kit) == NONE  # what that life purged nobody knows any more
    kit = await lives.start()
    assert await hits(kit) == EVERYTHING


async def test_a_folder_with_somebody_elses_files_is_refused(lives):
    lives.folder.mkdir()
    (lives.folder / "thesis.txt").write_text("years of work")
    with pytest.raises(StartError, match=r"holds files and is no store of edgecache; choose an empty or new folder with --store"):
        await lives.start()
    assert [path.name for path in lives.folder.iterdir()] == ["thesis.txt"]


async def test_a_store_of_another_format_is_set_aside(lives, said):
    kit = await filled(lives)
    await purge(kit, "/small")
    await lives.stop()
    (lives.folder / "edgecache-store").write_text("edgecache store, format 99\n")
    kit = await lives.start()
    aside = lives.folder.with_name("store.format-99")
    assert len(said().about(str(lives.folder), "another version", str(aside))) == 1
    assert list(aside.glob("kept-*/db/cache.db"))
    assert (aside / "invalidations.log").exists()
    assert await hits(kit) == NONE
    await purge(kit, "/row")
    kit = await lives.start()
    assert await hits(kit) == {**EVERYTHING, "/row": False}
    assert len(said().lines) == 1


async def test_a_store_that_is_unsure_is_emptied(lives, said):
    await filled(lives)
    await lives.stop()
    (lives.folder / "clean").unlink()
    kit = await lives.start()
    assert len(said().about(str(lives.folder), "emptied")) == 1
    assert await hits(kit) == NONE
    kit = await lives.start()
    assert await hits(kit) == EVERYTHING
    assert len(said().lines) == 1


async def test_a_store_that_is_emptied_does_not_forget_the_clock(lives):
    kit = await lives.start()
    await advance(kit, "1h")
    await lives.stop()
    (lives.folder / "clean").unlink()
    assert [(await lives.start()).clock.offset_s for _ in range(2)] == [3600, 3600]


# a full disk


class FullFiles(Files):
    """A disk with room for so many bytes; None: as much as there is."""

    def __init__(self, room: int | None) -> None:
        self.room = room
        self.refused = 0

    def create(self, path):
        if self.room == 0:
            self._refuse()
        return super().create(path)

    def write(self, fd, pieces):
        if self.room is None:
            return super().write(fd, pieces)
        for piece in pieces:
            super().write(fd, [piece[: self.room]] if self.room else [])
            left = self.room - len(piece)
            self.room = max(0, left)
            if left < 0:
                self._refuse()
        return None

    def _refuse(self):
        self.refused += 1
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_disk_that_is_full_when_something_is_to_be_stored(lives, said):
    files = FullFiles(0)
    kit = await lives.start(files=FullFiles(None))
    await lives.stop()
    kit = await lives.start(files=files)
    for name, size in ALL.items():
        lives.origin.answer(name, fresh(content(name, size), max_age=600))
    assert await hits(kit) == NONE
    await settled(kit)
    assert files.refused
    assert len(said().about(str(lives.folder), "full", "memory only")) == 1
    # What fits into memory while it arrives is kept there; the rest was forwarded.
    assert await hits(kit) == {**EVERYTHING, "/larger": False}
    await purge(kit, "/file")
    assert not (await kit.get("/file")).hit
    files.room = None
    await hits(kit)
    await settled(kit)
    assert (await kit.get("/larger")).hit
    kit = await lives.start()
    found = await hits(kit)
    assert found["/larger"]
    assert len(said().lines) == 1


@pytest.mark.parametrize("room", [1, 70_000, MIB, 2 * MIB, 3 * MIB])
async def test_a_disk_that_fills_while_content_arrives(lives, said, room):
    """Whoever reads gets all of it, with a clean end; it is not stored, and nothing of it is left."""
    files = FullFiles(None)
    kit = await lives.start(files=files, spool_bytes=64 * 1024)
    files.room = room
    size = 4 * MIB
    lives.origin.answer("/a", fresh(content("/a", size)))
    replies = [await kit.get("/a") for _ in range(2)]
    assert [(reply.hit, reply.body == content("/a", size)) for reply in replies] == [(False, True)] * 2
    assert len(said().about(str(lives.folder), "full", "memory only")) == 1
    await settled(kit)
    assert lives.bodies == []
    await kit.until(lambda: not os.listdir(lives.folder / "spool"), "the spool to be empty")
    files.room = None
    await kit.get("/a")
    await settled(kit)
    assert (await kit.get("/a")).hit
    kit = await lives.start()
    assert (await kit.get("/a")).hit


async def test_a_full_database(lives, said, monkeypatch):
    """The rows have no room, files do. What is new is in memory, and nothing outdated is left on disk."""
    kit = await lives.start()
    lives.origin.answer("/a", [fresh(content("1", 30_000)), fresh(content("2", 30_000)), fresh(content("3", 30_000))])
    await kit.get("/a")
    await lives.stop()
    pages = lives.database.stat().st_size // 4096
    monkeypatch.setattr("edgecache.store.database.SETTINGS", {**_settings(), "sqlite_max_page_count": pages + 4})
    kit = await lives.start()
    for number in range(30):
        lives.origin.answer(f"/{number}", fresh(content(str(number), 20_000)))
        assert (await kit.get(f"/{number}")).body == content(str(number), 20_000)
    await purge(kit, "/a")
    assert (await kit.get("/a")).body == content("2", 30_000)
    await settled(kit)
    assert len(said().about(str(lives.folder), "full", "memory only")) == 1
    for number in range(30):
        reply = await kit.get(f"/{number}")
        assert (reply.hit, reply.body) == (True, content(str(number), 20_000))
    assert (await kit.get("/a")).body == content("2", 30_000)
    await purge(kit, "/a")
    monkeypatch.undo()
    kit = await lives.start()
    assert (await kit.get("/a")).body == content("3", 30_000)
    for number in range(30):
        assert (await kit.get(f"/{number}")).body == content(str(number), 20_000)


def _settings():
    from edgecache.store.database import SETTINGS

    return SETTINGS


# any fault at any time


class FaultyFiles(Files):
    """Every operation may fail, now and then."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.share = 0.0

    def _maybe(self) -> None:
        if self.rng.random() < self.share:
            number = self.rng.choice([errno.ENOSPC, errno.EIO, errno.EMFILE, errno.EACCES])
            raise OSError(number, os.strerror(number))


def _faulty(name):
    def operation(self, *arguments):
        self._maybe()
        done = getattr(Files, name)(self, *arguments)
        if name in ("rename", "unlink", "write"):
            self._maybe()  # it was done, or a part of it, and says that it failed
        return done

    return operation


for _name in ("create", "open", "write", "read", "size", "rename", "unlink", "make_folder", "names"):
    setattr(FaultyFiles, _name, _faulty(_name))


@pytest.mark.parametrize("seed", range(15))
async def test_whatever_fails_what_is_served_is_right(lives, tmp_path, seed):
    """Reads, writes by the origin and purges, with files that fail; then lives in which they do not. Nothing old, torn or mixed."""
    rng = random.Random(seed)
    files = FaultyFiles(rng)
    version = dict.fromkeys(("/a", "/b", "/c"), 0)
    sizes = [100, 40_000, 300_000]

    def publish(name):
        version[name] += 1
        body = content(f"{name}{version[name]}", rng.choice(sizes))
        lives.origin.answer(name, fresh(body, f"X-Version: {version[name]}", max_age=600))
        return body

    current = {name: publish(name) for name in version}
    for life in range(4):
        kit = await lives.start(files=files, spool_bytes=50_000, memory_bytes=200_000)
        begun = []
        for _ in range(40):
            files.share = rng.choice([0.0, 0.0, 0.1, 0.5])
            name = rng.choice(list(version))
            if rng.random() < 0.3:
                current[name] = publish(name)
                await purge(kit, name)
            elif rng.random() < 0.1:
                await settled(kit)
                kit.pass_time(31)
            else:
                client = await kit.connect()
                try:
                    reply = await client.get(name)
                except Cut as error:  # a file that could not be read to its end
                    begun.append((current[name], error.got))
                    continue
                assert (reply.status, int(reply.get("x-version")), reply.body == current[name]) == (200, version[name], True)
        assert all(body.startswith(got) for body, got in begun)
        files.share = 0.0
        if rng.random() < 0.5:
            await lives.freeze(tmp_path / f"life {life}")
        await lives.stop()
    kit = await lives.start()
    for name in version:
        assert (await kit.get(name)).body == current[name]
        assert (await kit.get(name)).hit


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_fails_at_the_start_what_is_served_is_right(lives, seed):
    """The edge starts, or says in a sentence why not; when nothing fails any more it is as if nothing had been."""
    await filled(lives)
    rng = random.Random(seed)
    kit = await lives.start()
    await purge(kit, "/row")
    lives.origin.answer("/row", fresh(content("/row", 30_000), "X-New: yes", max_age=600))
    files = FaultyFiles(rng)
    for share in (0.05, 0.3, 1.0):
        await lives.stop()
        files.share = share
        try:
            kit = await lives.start(files=files)
        except StartError as error:
            assert str(lives.folder) in str(error)  # noqa: PT017
            continue
        for name, size in ALL.items():
            with contextlib.suppress(Cut):
                reply = await kit.get(name)
                assert reply.body == content(name, size)
                assert name != "/row" or reply.get("x-new")
        files.share = 0.0
    kit = await lives.start()
    await hits(kit)
    assert (await kit.get("/row")).get("x-new") == b"yes"
    kit = await lives.start()
    assert await hits(kit) == EVERYTHING
