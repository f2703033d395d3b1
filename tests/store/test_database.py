"""The database holds text names and bytes, and loads nothing else whatever lies there."""

from __future__ import annotations

import pickle
import sqlite3

import diskcache
import pytest
import storekit

from edgecache.store import row
from edgecache.store.database import META, Damaged, Database, Meta, PlainDisk, Refused, Value

LOADED = []


class Bomb:
    """What a pickle may do when it is loaded."""

    def __reduce__(self):
        return LOADED.append, (1,)


@pytest.fixture
def database(tmp_path):
    database = Database(str(tmp_path / "db"))
    yield database
    database.close()


@pytest.fixture
def plant(tmp_path, database):
    """A function that changes the database behind its back."""

    def plant(statement: str, *values: object) -> None:
        connection = sqlite3.connect(tmp_path / "db" / "cache.db")
        connection.execute(statement, values)
        connection.commit()
        connection.close()

    return plant


def value(content: bytes = b"content") -> bytes:
    stored = storekit.stored(length=0)
    stored.fields = [(content, content, b"")]
    return row.encode(stored, storekit.LOG, stored.body)


def test_what_is_put_is_found(database):
    database.put("ra", value(), 100, "s")
    found = database.find("ra")
    assert (found.name, found.value, found.cost, found.queue, found.uses) == ("ra", value(), 100, "s", 0)
    assert found.frame is not None
    assert database.find("rb") is None
    assert (database.bytes, database.rows) == (100, 1)
    database.put("ra", value(b"other"), 50, "m")
    assert (database.find("ra").value, database.find("ra").queue) == (value(b"other"), "m")
    assert (database.bytes, database.rows) == (50, 1)
    database.delete("ra")
    assert (database.find("ra"), database.bytes, database.rows) == (None, 0, 0)


def test_names_that_begin_alike_are_found_in_one_query(database):
    for name in ("ra1", "rb1", "rb2", "rb", "rc1"):
        database.put(name, value(), 1, "s")
    asked = []
    database._cache._con.set_trace_callback(asked.append)
    assert [found.name for found in database.below("rb")] == ["rb", "rb1", "rb2"]
    assert len(asked) == 1
    database._cache._con.set_trace_callback(None)
    assert database.count_below("rb") == 3
    assert [found.name for found in database.after("ra1", 2)] == ["rb", "rb1"]


def test_a_transaction_happens_whole_or_not_at_all(database):
    database.put("ra", value(), 1, "s")

    def fail() -> None:
        with database.transaction():
            database.put("rb", value(), 1, "s")
            database.delete("ra")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert database.find("ra") is not None
    assert database.find("rb") is None
    with database.transaction():
        database.put("rb", value(), 1, "s")
    assert database.rows == 2


def test_queues_are_in_order_of_arrival_and_a_row_can_go_round(database):
    for name in ("ra", "rb", "rc"):
        database.put(name, value(), 10, "s")
    database.put("ra", value(b"new"), 10, "s")  # keeps its turn
    first = database.first_of("s")
    assert first.name == "ra"
    database.to_end(first, "m", 2)
    assert (database.first_of("s").name, database.first_of("m").name, database.first_of("m").uses) == ("rb", "ra", 2)
    assert (database.queue_bytes("s"), database.queue_bytes("m")) == (20, 10)
    for _ in range(5):
        database.add_uses("rb", 1)
    assert database.find("rb").uses == 3


def test_meta_data_is_kept_and_is_no_response(database):
    assert database.meta() == Meta()
    for durable in (False, True):
        meta = Meta(storekit.LOG, 500, 3600.0 + durable)
        database.write_meta(meta, durable=durable)
        assert database.meta() == meta
    assert database.bytes == 0
    assert database.after(row.NAMES_FROM, 10) == []
    assert database._cache._con.execute("PRAGMA synchronous").fetchone() == (1,)


def test_meta_data_that_makes_no_sense_is_that_of_a_new_store(database, plant):
    plant("INSERT INTO Cache(key, raw, mode, value) VALUES (?, 1, 1, ?)", META, b"\xff\xff")
    assert database.meta() == Meta()


PLANTED = {
    "pickled value": ("ra", 1, 4, None, pickle.dumps(Bomb())),
    "pickled value in a file": ("ra", 1, 4, "bomb.val", None),
    "pickled key": (pickle.dumps(Bomb()), 0, 1, None, b"x"),
    "value in a file": ("ra", 1, 2, "../../elsewhere", None),
    "text in a file": ("ra", 1, 3, "../../elsewhere", None),
    "bytes that also name a file": ("ra", 1, 1, "../../elsewhere", b"x"),
    "a number": ("ra", 1, 1, None, 5),
    "a text": ("ra", 1, 1, None, "x"),
    "a key that is bytes": (b"ra", 1, 1, None, b"x"),
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_what_was_planted_is_never_loaded_and_can_be_removed(tmp_path, database, plant, planted):
    (tmp_path / "db" / "bomb.val").write_bytes(pickle.dumps(Bomb()))
    (tmp_path / "elsewhere").write_bytes(b"not ours")
    plant("INSERT INTO Cache(key, raw, mode, filename, value, size, tag) VALUES (?, ?, ?, ?, ?, 1, 's')", *planted)
    found = [*database.below("r"), *database.after("q", 10), *filter(None, [database.find("ra"), database.first_of("s")])]
    assert all(one.frame is None and one.value == b"" for one in found)
    with database.transaction():
        database.put("ra", value(), 1, "s")
    assert database.find("ra").value == value()
    database.delete("ra")
    assert database.find("ra") is None
    assert LOADED == []
    assert (tmp_path / "elsewhere").read_bytes() == b"not ours"


@pytest.mark.parametrize("column, planted", [("size", "much"), ("access_count", None), ("tag", b"s")])
def test_a_row_that_makes_no_sense_is_damage(database, plant, column, planted):
    database.put("ra", value(), 1, "s")
    plant(f"UPDATE Cache SET {column} = ?", planted)
    with pytest.raises(Damaged):
        database.find("ra")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE Settings SET value = 'much' WHERE key = 'size'",
        "UPDATE Settings SET key = 'disk_nonsense' WHERE key = 'disk_min_file_size'",
    ],
)
def test_settings_that_make_no_sense_are_damage(tmp_path, database, plant, statement):
    plant(statement)
    with pytest.raises(Damaged):
        assert Database(str(tmp_path / "db")).bytes == database.bytes


def test_settings_that_were_planted_do_not_count(tmp_path, database, plant):
    for name, setting in {"statistics": 1, "eviction_policy": "least-recently-used", "cull_limit": 10}.items():
        plant("UPDATE Settings SET value = ? WHERE key = ?", setting, name)
    again = Database(str(tmp_path / "db"))
    assert (again._cache.statistics, again._cache.eviction_policy, again._cache.cull_limit) == (0, "none", 0)
    again.close()


@pytest.mark.parametrize("stored", [b"bytes", "text", 1, 1.0, None, ["list"], Bomb()], ids=str)
def test_nothing_but_our_values_is_written(tmp_path, stored):
    cache = diskcache.Cache(str(tmp_path / "db"), disk=PlainDisk)
    with pytest.raises(Refused):
        cache.set("name", stored)
    with pytest.raises(Refused):
        cache.set(stored if type(stored) is not str else b"", Value(b""))
    cache.close()


def test_no_file_is_written_for_a_value(tmp_path, database):
    database.put("ra", b"x" * 200_000, 1, "s")
    assert {path.name.partition("-")[0] for path in (tmp_path / "db").iterdir()} == {"cache.db"}


def test_unused_pages_are_given_back(database):
    for number in range(200):
        database.put(f"r{number}", b"x" * 30_000, 1, "s")
    for number in range(200):
        database.delete(f"r{number}")
    pages = database._number("PRAGMA page_count")
    database.free_pages(most=100)
    assert database._number("PRAGMA page_count") == pages - 100
