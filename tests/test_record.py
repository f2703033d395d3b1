"""The request record: what is packed comes back, the ring keeps the latest, and every counter is what the rows say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.caching.reasons import Reason
from edgecache.record import HOST_BYTES, METHOD_BYTES, MINUTES, TARGET_BYTES, Flag, Handled, Records, Row

REASON = next(iter(Reason))


def add(records: Records, **changes: object) -> None:
    row = {
        "request_id": records.next_id(),
        "started": 1000.25,
        "duration_us": 1500,
        "origin_us": 1200,
        "status": 200,
        "handled": Handled.HIT,
        "reason": REASON,
        "method": b"GET",
        "host": b"localhost:8080",
        "target": b"/a?b",
        "bytes_in": 0,
        "bytes_out": 10,
        "flags": 0,
        **changes,
    }
    records.add(Row(**row))


def test_what_is_added_comes_back():
    records = Records(10)
    row = {
        "request_id": 2**40,
        "started": 1_700_000_000.125,
        "duration_us": 2**36,  # nineteen hours: a tunnel
        "origin_us": 7,
        "status": 599,
        "handled": Handled.TUNNEL,
        "reason": None,
        "method": b"PROPPATCH",
        "host": b"[::1]:8080",
        "target": b"/caf\xc3\xa9?\xff",
        "bytes_in": 2**33,
        "bytes_out": 2**34,
        "flags": Flag.KEPT_ALIVE | Flag.CLIENT_LEFT,
    }
    records.add(Row(**row))
    (view,) = records.recent(5)
    assert {name: getattr(view, name) for name in row} == row


@pytest.mark.parametrize("reason", [None, *Reason])
def test_every_reason_has_its_place(reason):
    records = Records(1)
    add(records, reason=reason)
    assert records.recent(1)[0].reason is reason
    assert records.stats()["reasons"] == ({reason.token: 1} if reason else {})


@pytest.mark.parametrize("name, room", [("method", METHOD_BYTES), ("host", HOST_BYTES), ("target", TARGET_BYTES)])
def test_what_does_not_fit_is_cut_and_says_so(name, room):
    records = Records(2)
    for length in (room, room + 1):
        add(records, **{name: b"x" * length})
    cut, whole = records.recent(2)
    assert (getattr(whole, name), whole.flags & Flag.CUT) == (b"x" * room, 0)
    assert (getattr(cut, name), cut.flags & Flag.CUT) == (b"x" * room, Flag.CUT)


def test_recent_is_newest_first_and_the_ring_keeps_the_latest():
    records = Records(3)
    assert records.recent(5) == []
    for number in range(5):
        add(records, status=200 + number)
        latest = [200 + other for other in range(number, -1, -1)][:3]
        assert [view.status for view in records.recent(99)] == latest
        assert [view.status for view in records.recent(2)] == latest[:2]


def test_request_ids_count_on_over_a_reset():
    records = Records(3)
    assert [records.next_id(), records.next_id()] == [1, 2]
    add(records)
    records.reset()
    assert records.next_id() == 4
    assert records.recent(3) == []
    assert records.stats() == Records(3).stats()


@pytest.mark.parametrize(
    "rows, hit_ratio",
    [
        ([], None),
        ([Handled.OWN, Handled.INVALIDATION, Handled.TUNNEL], None),
        ([Handled.HIT], 1.0),
        ([Handled.STALE, Handled.MISS], 0.5),
        ([Handled.HIT, Handled.PASS, Handled.MISS, Handled.MISS, Handled.OWN], 0.25),
    ],
)
def test_hit_ratio_is_among_what_could_have_come_from_the_store(rows, hit_ratio):
    records = Records(2)
    for handled in rows:
        add(records, handled=handled)
    assert records.stats()["hit_ratio"] == hit_ratio


@pytest.mark.parametrize(
    "changes, errors",
    [
        ({"handled": Handled.OWN, "status": 502}, 1),
        ({"handled": Handled.OWN, "status": 404}, 0),
        ({"handled": Handled.MISS, "status": 500}, 0),  # the origin's own answer
        ({"handled": Handled.MISS, "flags": Flag.BODY_BROKEN}, 1),
        ({"handled": Handled.OWN, "status": 504, "flags": Flag.BODY_BROKEN | Flag.KEPT_ALIVE}, 1),
        ({"flags": Flag.CLIENT_LEFT}, 0),
    ],
)
def test_errors_are_what_the_edge_could_not_answer_well(changes, errors):
    records = Records(1)
    add(records, **changes)
    assert records.stats()["errors"] == errors


@given(st.lists(st.tuples(st.sampled_from(Handled), st.sampled_from([0, 101, 200, 304, 404, 502, 999]), st.integers(0, 10**6))))
def test_counters_are_what_the_rows_say(rows):
    records = Records(1000)
    for handled, status, size in rows:
        add(records, handled=handled, status=status, bytes_in=size, bytes_out=2 * size)
    stats, views = records.stats(), records.recent(1000)
    assert stats["requests"] == len(views) == len(rows)
    assert stats["handled"] == {one.name.lower(): sum(view.handled is one for view in views) for one in Handled}
    assert stats["status"].get("none", 0) == sum(view.status == 0 for view in views)
    assert stats["status"].get("2xx", 0) == sum(view.status == 200 for view in views)
    assert sum(stats["status"].values()) == len(rows)
    assert (stats["bytes_in"], stats["bytes_out"]) == (sum(view.bytes_in for view in views), sum(view.bytes_out for view in views))


def test_closed_lists_say_what_they_mean():
    assert all(handled.sentence for handled in Handled)
    assert sum(Flag) == 2 ** len(Flag) - 1  # each a bit of its own


@given(
    st.lists(
        st.tuples(
            st.floats(0, 400),
            st.sampled_from([0, 101, 200, 304, 404, 503]),
            st.sampled_from(Handled),
            st.sampled_from([b"GET", b"POST", b"OPTIONS"]),
        ),
        max_size=40,
    )
)
def test_minutes_are_what_the_rows_say(rows):
    records = Records(1)
    for started, status, handled, method in rows:
        add(records, started=started, status=status, handled=handled, method=method)
    rows = [row for row in rows if row[2] is not Handled.INVALIDATION]
    found = dict(records.minutes(60, 360))
    assert list(found) == sorted({int(row[0] // 60) * 60 for row in rows if 60 <= row[0] < 360})
    for start, minute in found.items():
        of_it = [row for row in rows if start <= row[0] < start + 60]
        cacheable = [row for row in of_it if row[3] == b"GET" and 0 < row[1] < 400 and row[2] <= Handled.PASS]
        assert minute.requests == len(of_it)
        assert minute.errors_4xx == sum(row[1] == 404 for row in of_it)
        assert minute.errors_5xx == sum(row[1] == 503 for row in of_it)
        assert minute.bytes_out == sum(10 for row in of_it if row[3] == b"GET")
        assert (minute.cacheable, minute.hits) == (len(cacheable), sum(row[2] <= Handled.STALE for row in cacheable))


def test_minutes_are_bounded_and_forgotten():
    records = Records(1)
    for minute in range(MINUTES + 10):
        add(records, started=60.0 * minute)
    add(records, started=60.0 * 20)  # time was moved back
    found = dict(records.minutes(0, 1e9))
    assert (len(found), min(found), found[1200].requests) == (MINUTES, 600, 2)
    records.reset()
    assert not list(records.minutes(0, 1e9))
