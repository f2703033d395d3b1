"""The desk: in which order a vendor's call is judged, what the doors get, what the client hears and what the journal says."""

from __future__ import annotations

import re

import pytest
from dialectkit import Plain, Stage, fields
from invalidationkit import stored_at

from edgecache.config import Vendor
from edgecache.control.dialects.call import Refusal, Refused
from edgecache.control.dialects.faults import Fault, Wanted
from edgecache.control.dialects.registry import DIALECTS
from edgecache.invalidation.logfile import LogUnwritable

URL = "http://h/a"


def stage(**configured: object) -> Stage:
    return Stage(Vendor.FASTLY, Plain, stored_at(0, URL), **configured)  # type: ignore[arg-type]


async def test_a_purge_goes_through_the_doors_and_says_what_it_did() -> None:
    on = stage()
    reply = await on.call("POST", f"/plain/any/purge/{URL}")
    assert (reply.status, reply.content) == (200, b'{"ok":true,"delayed":false}')
    assert fields(reply, "Edgecache-Position") == ["1"]
    assert fields(reply, "Edgecache-Matched") == ["1"]
    assert fields(reply, "Edgecache-Warning") == [r"w\xf6rning\r\n"]
    assert on.appended == [("url", URL, "", False)]
    noted = next(iter(on.doors.journal.newest_first()))
    assert (noted.door, noted.vendor, noted.who) == ("fastly", "fastly", "127.0.0.1")


async def test_hints_are_fields_too() -> None:
    reply = await stage().call("POST", "/plain/any/purge/http://h/a/")
    assert fields(reply, "Edgecache-Matched") == ["0"]
    assert "slash" in fields(reply, "Edgecache-Hint")[0]


@pytest.mark.parametrize(
    "method, target, error, status",
    [
        ("GET", "/plain/", "NO_SUCH_PATH", 404),
        ("GET", "/plain/a/b/c", "NO_SUCH_PATH", 404),
        ("POST", "/plain//purge/http://h/a", "NO_SUCH_PATH", 404),  # an empty id
        ("DELETE", "/plain/a/purge/http://h/a", "NO_SUCH_METHOD", 405),
        ("POST", "/plain/a/purge/nonsense", "BAD_REQUEST", 400),
        ("POST", f"/plain/a/purge/{URL},nonsense", "BAD_REQUEST", 400),
        ("GET", "/plain/break/it", "DEFECT", 500),
    ],
)
async def test_errors_are_in_the_vendors_words_and_nothing_is_appended(method: str, target: str, error: str, status: int) -> None:
    on = stage()
    reply = await on.call(method, target)
    assert reply.status == status
    assert f'"error":"{error}"'.encode() in reply.content
    assert on.log.head == 0


@pytest.mark.parametrize(
    "method, target, known",
    [("POST", "/", True), ("GET", "/", False), ("GET", "/plain/", True), ("PUT", "/plain/x", True), ("GET", "/other", False)],
)
def test_whose_path_it_is(method: str, target: str, known: bool) -> None:
    assert (stage().desk.dialect_of(method, target) is not None) is known


async def test_ids_stand_for_sites_once_there_are_some() -> None:
    on = stage(ids=[{"id": "one", "site": "default"}])
    assert (await on.call("POST", f"/plain/one/purge/{URL}")).status == 200
    assert (await on.call("POST", f"/plain/two/purge/{URL}")).status == 404
    assert on.appended == [("url", URL, "default", False)]


@pytest.mark.parametrize(
    "configured, who, key, target, status",
    [
        (False, "127.0.0.1", None, "/plain/x", 200),
        (False, "127.0.0.1", "anything", "/plain/x", 200),
        (False, "10.0.0.1", "anything", "/plain/x", 401),
        (False, "10.0.0.1", None, "/plain/token", 200),
        (True, "127.0.0.1", None, "/plain/x", 401),
        (True, "127.0.0.1", "s3cret\udcff", "/plain/x", 401),
        (True, "127.0.0.1", "s3cret", "/plain/x", 200),
        (True, "10.0.0.1", "s3cret", "/plain/x", 200),
        (True, "10.0.0.1", "other", "/plain/x", 200),
    ],
)
async def test_credentials(configured: bool, who: str, key: str | None, target: str, status: int) -> None:
    on = stage(credentials=[{"secret": "s3cret"}, {"secret": "other"}] if configured else [])
    method = "POST" if target.endswith("token") else "GET"
    reply = await on.call(method, target, headers={"key": key} if key is not None else {}, who=who)
    assert reply.status == status
    assert b"s3cret" not in reply.content


async def test_refused_purges_are_in_the_journal_once() -> None:
    on = stage(credentials=[{"secret": "s3cret"}])
    await on.call("POST", f"/plain/a/purge/{URL}")
    await on.call("POST", "/plain/a/purge/nonsense", headers={"key": "s3cret"})
    await on.call("POST", f"/plain/a/purge/{URL}", headers={"key": "s3cret"}, refusal=Refusal(Refused.WEB_PAGE, "a page"))
    await on.call("GET", "/plain/a")
    assert [came for came, _ in on.journal] == ["refused"] * 3
    assert "s3cret" not in str(on.journal)


async def test_a_log_that_cannot_be_written_is_the_vendors_error(monkeypatch: pytest.MonkeyPatch) -> None:
    on = stage()

    def full(*_: object, **__: object) -> int:
        raise LogUnwritable("no space left")

    monkeypatch.setattr(on.log, "append", full)
    reply = await on.call("POST", f"/plain/a/purge/{URL}")
    assert (reply.status, b"no space left" in reply.content) == (503, True)
    assert on.desk.dialects[0].undone == 1  # type: ignore[attr-defined]
    assert [came for came, _ in on.journal] == ["failed"]


async def test_what_is_about_something_else_is_read_noted_and_acknowledged() -> None:
    on = stage()
    reply = await on.call("POST", f"/plain/a/purge/{URL}", headers={"elsewhere": "there is no staging here"})
    assert (reply.status, b'"ok":true' in reply.content) == (200, True)
    assert fields(reply, "Edgecache-Matched") == ["0"]
    assert not fields(reply, "Edgecache-Position")
    assert fields(reply, "Edgecache-Warning")[-1] == "there is no staging here"
    assert on.journal == [("elsewhere", "there is no staging here")]
    assert (await on.call("POST", f"/plain/a/purge/{URL},nonsense", headers={"elsewhere": "x"})).status == 400
    on.faults.add(Wanted(Fault.LOST), on.clock.now())
    await on.call("POST", f"/plain/a/purge/{URL}", headers={"elsewhere": "x"})
    assert [came for came, _ in on.journal] == ["elsewhere", "refused", "elsewhere"]
    assert on.log.head == 0


# -- Faults -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted, status, content, appended, came",
    [
        (Wanted(Fault.RATE_LIMIT, wait_s=7), 429, b"RATE_LIMITED", 0, ["faulted"]),
        (Wanted(Fault.ERROR), 500, b'"ERROR"', 0, ["faulted"]),
        (Wanted(Fault.UNAVAILABLE), 503, b"UNAVAILABLE", 0, ["faulted"]),
        (Wanted(Fault.ERROR_IN_BODY), 200, b'"ERROR"', 0, ["faulted"]),
        (Wanted(Fault.LOST), 200, b'"ok":true', 0, ["faulted"]),
        (Wanted(Fault.PARTIAL, keep=1), 200, b'"ok":true', 1, ["faulted", "done"]),
        (Wanted(Fault.PARTIAL, keep=2), 200, b'"ok":true', 2, ["faulted", "done"]),
        (Wanted(Fault.PARTIAL, keep=9), 200, b'"ok":true', 2, ["faulted", "done"]),  # at least one is lost
        (Wanted(Fault.PARTIAL, keep=0), 200, b'"ok":true', 0, ["faulted"]),
        (Wanted(Fault.DELAY, wait_s=5), 200, b'"delayed":true', 0, ["faulted"]),
    ],
)
async def test_what_a_fault_makes_of_a_call(wanted: Wanted, status: int, content: bytes, appended: int, came: list[str]) -> None:
    on = stage()
    on.faults.add(wanted, on.clock.now())
    reply = await on.call("POST", "/plain/a/purge/http://h/a,http://h/b,http://h/c")
    assert reply.status == status
    assert content in reply.content
    assert fields(reply, "Edgecache-Fault") == [f"{wanted.fault}; number=1"]
    assert fields(reply, "Retry-After") == (
        ["7"] if wanted.fault is Fault.RATE_LIMIT else ["1"] if wanted.fault is Fault.UNAVAILABLE else []
    )
    assert len(on.appended) == appended
    assert [how for how, _ in on.journal] == came


async def test_what_is_delayed_comes_when_it_is_due_in_edge_time() -> None:
    on = stage()
    on.faults.add(Wanted(Fault.DELAY, wait_s=5), on.clock.now())
    await on.call("POST", f"/plain/a/purge/{URL}", headers={"soft": "1"})
    on.clock.advance(4.9)
    await on.delays.append_due()
    assert on.log.head == 0
    on.clock.advance(0.1)
    await on.delays.append_due()
    assert on.appended == [("url", URL, "", True)]
    assert [how for how, _ in on.journal] == ["faulted", "done"]


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.PARTIAL, Fault.DELAY])
async def test_what_the_vendor_would_refuse_is_refused_under_a_fault_too(fault: Fault) -> None:
    on = stage()
    on.faults.add(Wanted(fault), on.clock.now())
    assert (await on.call("POST", f"/plain/a/purge/{URL},nonsense")).status == 400
    assert on.log.head == 0


async def test_faults_come_before_credentials_and_reset_ends_them() -> None:
    on = stage(credentials=[{"secret": "s3cret"}])
    on.faults.add(Wanted(Fault.RATE_LIMIT), on.clock.now())
    assert (await on.call("POST", f"/plain/a/purge/{URL}")).status == 429
    on.desk.forget()
    assert (await on.call("POST", f"/plain/a/purge/{URL}")).status == 401


@pytest.mark.parametrize("vendor", DIALECTS)
async def test_ids_that_are_no_text_are_ids_like_others(vendor: Vendor) -> None:
    on = Stage(vendor, DIALECTS[vendor])
    content = {"tags": ["t"], "objects": ["1"], "surrogate_keys": ["k"], "urls": ["https://www.example.com/a"]}  # each takes what it knows
    for operation in on.desk.dialects[0].operations:
        for given in (content, b"grant_type=client_credentials&client_id=%ff&client_secret=\xff"):
            reply = await on.call(operation.methods[0], re.sub(r"\{\w+\*?\}", "%ff", operation.path), given)
            assert reply.status < 500, operation.name


@pytest.mark.parametrize(
    "content, hint",
    [
        ({"hosts": ["www.example.com"]}, ""),
        ({"hosts": ["shop.example.com"]}, "nothing is stored under the host shop.example.com; stored hosts: www.example.com"),
        ({"prefixes": ["shop.example.com/a"]}, "nothing is stored under the host shop.example.com"),
        ({"tags": ["t"]}, "no stored response has a tag"),
        ({"purge_everything": True}, ""),
    ],
)
async def test_what_is_not_counted_is_hinted_at_all_the_same(content: dict[str, object], hint: str) -> None:
    on = Stage(Vendor.CLOUDFLARE, DIALECTS[Vendor.CLOUDFLARE], stored_at(0, "https://www.example.com/a"))
    reply = await on.call("POST", "/client/v4/zones/z/purge_cache", content)
    assert fields(reply, "Edgecache-Matched") == []
    said = fields(reply, "Edgecache-Hint")
    assert hint in said[0] if hint else said == []
