"""CreateInvalidation and what follows it: what is invalidated, what is refused, what is remembered."""

from __future__ import annotations

import asyncio

import pytest
from cloudfrontkit import INVALIDATION, NAMESPACE, PATH, TENANT, batch, code, stage, text, texts
from dialectkit import Stage, fields
from invalidationkit import stored_at

from edgecache.control.dialects.call import Refusal, Refused
from edgecache.control.dialects.cloudfront.batch import Batch
from edgecache.control.dialects.cloudfront.codes import CODES, Code
from edgecache.control.dialects.cloudfront.invalidations import Invalidations
from edgecache.control.dialects.faults import Fault, Wanted
from edgecache.invalidation.logfile import LogUnwritable


async def create(on: Stage, *paths: str, reference: str = "r1", target: str = INVALIDATION):
    return await on.call("POST", target, batch(*paths, reference=reference))


@pytest.mark.parametrize(
    "path, kind, value, warns",
    [
        ("/a", "path", "/a", None),
        ("/a?x=1&y=<2>", "path", "/a?x=1&y=<2>", None),
        ("/A/b", "path", "/A/b", None),
        ("/*", "path", "/*", None),
        ("/images/*", "path", "/images/*", None),
        ("/im*", "path", "/im*", None),
        ("/a?x=*", "path", "/a?x=*", None),
        ("/a*b", "path", "/a*b", "wildcard only"),
        ("/a*b*", "path", "/a*b*", "wildcard only"),
        ("/ü", "path", "/%C3%BC", "percent-encoded"),
        ("/%C3%BC", "path", "/%C3%BC", None),
        ("/a%2Fb", "path", "/a%2Fb", None),
        ("//a", "path", "//a", None),
        ("/" + "x" * 3999, "path", "/" + "x" * 3999, None),
        ("#product:electronics", "tag", "product:electronics", "CacheTagConfig"),
        ("#News", "tag", "news", "CacheTagConfig"),
        ("#a*", "tag", "a*", "wildcard only"),
        ("#" + "t" * 256, "tag", "t" * 256, "CacheTagConfig"),
        ("##", "tag", "#", "CacheTagConfig"),
    ],
)
@pytest.mark.parametrize("target", [INVALIDATION, TENANT])
async def test_what_a_path_invalidates(target: str, path: str, kind: str, value: str, warns: str | None) -> None:
    on = stage()
    reply = await create(on, path, target=target)
    assert reply.status == 201, reply.content
    assert on.appended == [(kind, value, "", False)]
    warnings = fields(reply, "Edgecache-Warning")
    assert any(warns in one for one in warnings) if warns else not warnings
    assert fields(reply, "Edgecache-Position") == ["1"]


async def test_a_batch_is_one_write_and_is_shown_as_it_was_sent() -> None:
    on = stage(ids=[{"id": "E1", "site": "default"}])
    reply = await on.call("POST", INVALIDATION, batch("/ü", "#T", "/b*"), headers={"Host": "127.0.0.1:8081"})
    assert on.appended == [("path", "/%C3%BC", "default", False), ("tag", "t", "default", False), ("path", "/b*", "default", False)]
    assert texts(reply, "InvalidationBatch/Paths/Items/Path") == ["/ü", "#T", "/b*"]
    assert text(reply, "InvalidationBatch", "Paths", "Quantity") == "3"
    assert text(reply, "InvalidationBatch", "CallerReference") == "r1"
    assert text(reply, "Status") == "InProgress"
    assert text(reply, "CreateTime") == "2030-03-17T17:46:40.000Z"
    assert fields(reply, "Location") == [f"http://127.0.0.1:8081{INVALIDATION}/{text(reply, 'Id')}"]
    assert len(fields(reply, "x-amzn-RequestId")) == 1
    assert reply.content_type == "text/xml"
    noted = next(iter(on.doors.journal.newest_first()))
    assert (noted.vendor, noted.given) == ("cloudfront", [("path", "/ü"), ("tag", "T"), ("path", "/b*")])


WRAPPED = f'<InvalidationBatch xmlns="{NAMESPACE}">{{}}</InvalidationBatch>'
REFERENCE = "<CallerReference>r</CallerReference>"
ONE = "<Paths><Quantity>1</Quantity><Items><Path>/a</Path></Items></Paths>"


@pytest.mark.parametrize(
    "content, status, error, said",
    [
        ("", 400, "MissingBody", ""),
        (" \n", 400, "MissingBody", ""),
        ("{}", 400, "MalformedXML", "cannot be read"),
        ("<html>", 400, "MalformedXML", "cannot be read"),
        ("<!DOCTYPE a><InvalidationBatch/>", 400, "MalformedXML", "document type"),
        ("<Invalidation/>", 400, "MalformedXML", "where InvalidationBatch is expected"),
        (WRAPPED.format(REFERENCE), 400, "MalformedXML", "Paths"),
        (WRAPPED.format(ONE), 400, "MalformedXML", "CallerReference"),
        (WRAPPED.format("<Paths><Items><Path>/a</Path></Items></Paths>" + REFERENCE), 400, "MalformedXML", "Quantity"),
        (WRAPPED.format(ONE.replace("1", "one") + REFERENCE), 400, "MalformedXML", "no number"),
        (WRAPPED.format(ONE.replace("1", "-1") + REFERENCE), 400, "MalformedXML", "no number"),
        (WRAPPED.format(ONE.replace("1", "9" * 40) + REFERENCE), 400, "MalformedXML", "no number"),
        (
            WRAPPED.format(ONE.replace("Path>/", "Item>/").replace("/Path>", "/Item>", 1) + REFERENCE),
            400,
            "MalformedXML",
            "where Path is expected",
        ),
        (batch("/a", quantity=5), 400, "InconsistentQuantities", "Quantity 5 and 1"),
        (batch("/a", "/b", quantity=1), 400, "InconsistentQuantities", ""),
        (batch(quantity=1), 400, "InconsistentQuantities", ""),
        (batch("/a", reference=""), 400, "InvalidArgument", "CallerReference"),
        (batch(), 400, "InvalidArgument", "at least one"),
        (batch("a"), 400, "InvalidArgument", "does not begin with /"),
        (batch("/a", "b"), 400, "InvalidArgument", "path 2"),
        (batch(""), 400, "InvalidArgument", "does not begin with /"),
        (batch("https://www.example.com/a"), 400, "InvalidArgument", "does not begin with /"),
        (batch("*"), 400, "InvalidArgument", "does not begin with /"),
        (batch("/" + "x" * 4000), 400, "InvalidArgument", "4000"),
        (batch("/a b"), 400, "InvalidArgument", "a space"),
        (batch("/a#b"), 400, "InvalidArgument", "fragment"),
        (batch("#"), 400, "InvalidArgument", "at least one character"),
        (batch("#a,b"), 400, "InvalidArgument", "commas"),
        (batch("#a b"), 400, "InvalidArgument", "white space"),
        (batch("#" + "t" * 257), 400, "InvalidArgument", "256"),
        (batch(*(f"/{n}" for n in range(3001))), 400, "TooManyInvalidationsInProgress", "3001"),
        (batch(*(f"/{n}*" for n in range(16))), 400, "TooManyInvalidationsInProgress", "16 wildcards"),
    ],
    ids=lambda value: value[-60:] if isinstance(value, str) else None,
)
async def test_what_is_refused_and_nothing_is_appended(content: str, status: int, error: str, said: str) -> None:
    on = stage()
    reply = await on.call("POST", INVALIDATION, content)
    assert (reply.status, code(reply)) == (status, error)
    assert on.log.head == 0
    assert said in " ".join(fields(reply, "Edgecache-Warning"))
    assert said in on.journal[-1][1]
    assert on.journal[-1][0] == "refused"
    listed = await on.call("GET", INVALIDATION)
    assert text(listed, "Quantity") == "0"
    if error == "InvalidArgument" and "Reference" not in said:
        assert text(reply, "Error", "Message") == "Your request contains one or more invalid invalidation paths."


async def test_as_many_as_may_be_in_progress() -> None:
    on = stage()
    paths = [f"/{n}*" for n in range(15)] + [f"/{n}" for n in range(2985)]
    assert (await create(on, *paths)).status == 201
    assert (await create(on, "/a*", reference="r2")).status == 201  # the others are complete


async def test_what_is_delayed_is_in_progress_and_counts() -> None:
    on = stage()
    on.faults.add(Wanted(Fault.DELAY, wait_s=30.0, count=2), on.clock.now())
    first = await create(on, *(f"/{n}*" for n in range(10)), reference="r1")
    id = text(first, "Id")
    assert text(await on.call("GET", f"{INVALIDATION}/{id}"), "Status") == "InProgress"
    assert text(await on.call("GET", PATH), "InProgressInvalidationBatches") == "1"
    assert text(await create(on, *(f"/{n}*" for n in range(10)), reference="r1"), "Status") == "InProgress"
    refused = await create(on, *(f"/{n}*" for n in range(6)), reference="r2")
    assert code(refused) == "TooManyInvalidationsInProgress"
    assert (await create(on, *(f"/{n}*" for n in range(6)), reference="r2", target=INVALIDATION.replace("E1", "E2"))).status == 201
    on.clock.pass_time(31.0)
    await on.delays.append_due()
    assert text(await on.call("GET", f"{INVALIDATION}/{id}"), "Status") == "Completed"
    assert (await create(on, *(f"/{n}*" for n in range(6)), reference="r2")).status == 201


async def test_the_same_reference_again() -> None:
    on = stage()
    first = await create(on, "/a", "/b")
    again = await create(on, "/a", "/b")
    assert (again.status, text(again, "Id"), text(again, "Status")) == (201, text(first, "Id"), "Completed")
    assert on.log.head == 2
    assert "nothing was invalidated again" in fields(again, "Edgecache-Warning")[0]
    assert fields(again, "Edgecache-Position") == fields(first, "Edgecache-Position")
    other = await create(on, "/a")
    assert (other.status, code(other)) == (400, "InvalidationBatchAlreadyExists")
    assert (await create(on, "/c", target=INVALIDATION.replace("E1", "E2"))).status == 201  # of another distribution
    assert (await create(on, "/c", target=TENANT)).status == 201


async def test_two_calls_with_the_same_reference_at_once() -> None:
    """The second must not be told of an invalidation that may still fail."""
    on = stage()
    one, other = await asyncio.gather(create(on, "/a"), create(on, "/a"))
    assert text(one, "Id") == text(other, "Id")
    assert text(await on.call("GET", INVALIDATION), "Quantity") == "1"


async def test_what_cannot_be_written_was_never_there(monkeypatch: pytest.MonkeyPatch) -> None:
    on = stage()

    def full(*_: object, **__: object) -> int:
        raise LogUnwritable("no space left on the device")

    with monkeypatch.context() as broken:
        broken.setattr(on.log, "append", full)
        reply = await create(on, "/a")
        assert (reply.status, code(reply)) == (503, "ServiceUnavailable")
    assert text(await on.call("GET", INVALIDATION), "Quantity") == "0"
    assert (await create(on, "/b")).status == 201  # with the same reference


async def test_get_and_its_errors() -> None:
    on = stage(ids=[{"id": "E1"}, {"id": "dt_1"}])
    id = text(await create(on, "/a"), "Id")
    got = await on.call("GET", f"{INVALIDATION}/{id}")
    assert (got.status, text(got, "Id"), text(got, "Status")) == (200, id, "Completed")
    assert fields(got, "Edgecache-Position") == ["1"]
    for target, error in [
        (f"{INVALIDATION}/I0", "NoSuchInvalidation"),
        (f"{TENANT}/{id}", "NoSuchInvalidation"),
        (f"{INVALIDATION.replace('E1', 'E2')}/{id}", "NoSuchDistribution"),
        (f"{TENANT.replace('dt_1', 'dt_2')}/{id}", "EntityNotFound"),
        ("/2020-05-31/invalidation", "NoSuchResource"),
        ("/2020-05-31/distribution/", "NoSuchResource"),
    ]:
        reply = await on.call("GET", target)
        assert (reply.status, code(reply)) == (404, error), target
    unknown = await create(on, "/a", target=INVALIDATION.replace("E1", "E2"))
    assert (unknown.status, code(unknown), on.log.head) == (404, "NoSuchDistribution", 1)
    wrong = await on.call("DELETE", INVALIDATION)
    assert (wrong.status, code(wrong), fields(wrong, "Allow")) == (405, "MethodNotAllowed", ["POST, GET"])


@pytest.mark.parametrize("host", ["", "[::1]:1", "h\udcff", "ü"])
async def test_any_host_is_taken(host: str) -> None:
    reply = await stage().call("POST", INVALIDATION, batch("/a"), headers={"Host": host} if host else {})
    assert reply.status == 201
    assert fields(reply, "Location")[0].isascii()


async def test_ids_are_percent_decoded() -> None:
    on = stage(ids=[{"id": "E1 /x"}])
    assert (await create(on, "/a", target="/2020-05-31/distribution/E1%20%2Fx/invalidation")).status == 201
    strange = await stage().call("GET", "/2020-05-31/distribution/%00%FF")
    assert (strange.status, text(strange, "Id")) == (200, "\ufffd\ufffd")


async def test_a_list_in_pages() -> None:
    on = stage()
    ids = [text(await create(on, "/a", reference=f"r{n}"), "Id") for n in range(5)]
    await create(on, "/a", target=TENANT)
    whole = await on.call("GET", INVALIDATION)
    assert texts(whole, "Items/InvalidationSummary/Id") == ids[::-1]
    assert (text(whole, "MaxItems"), text(whole, "IsTruncated"), text(whole, "NextMarker")) == ("100", "false", None)
    found: list[str | None] = []
    marker = ""
    for _ in range(3):
        page = await on.call("GET", f"{INVALIDATION}?MaxItems=2&Marker={marker}")
        assert (text(page, "Marker") or "") == marker
        found += texts(page, "Items/InvalidationSummary/Id")
        marker = text(page, "NextMarker") or ""
        assert text(page, "IsTruncated") == ("true" if marker else "false")
    assert found == ids[::-1]


@pytest.mark.parametrize("query", ["MaxItems=0", "MaxItems=x", "MaxItems=-1", "MaxItems=" + "9" * 5000, "Marker=I0"])
async def test_what_a_list_refuses(query: str) -> None:
    reply = await stage().call("GET", f"{INVALIDATION}?{query}")
    assert (reply.status, code(reply)) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    "fault, status, error, entries",
    [
        (Fault.RATE_LIMIT, 400, "Throttling", 0),
        (Fault.ERROR, 500, "InternalError", 0),
        (Fault.UNAVAILABLE, 503, "ServiceUnavailable", 0),
        (Fault.ERROR_IN_BODY, 200, "InternalError", 0),
        (Fault.LOST, 201, None, 0),
        (Fault.PARTIAL, 201, None, 1),
    ],
)
async def test_faults(fault: Fault, status: int, error: str | None, entries: int) -> None:
    on = stage(stored_at(0))
    on.faults.add(Wanted(fault, count=1), on.clock.now())
    reply = await create(on, "/a", "/b")
    assert (reply.status, on.log.head) == (status, entries)
    assert text(reply, "Error", "Code") == error
    assert fields(reply, "Edgecache-Fault")
    if error is None:
        assert text(await on.call("GET", f"{INVALIDATION}/{text(reply, 'Id')}"), "Status") == "Completed"


@pytest.mark.parametrize("why", Refused)
async def test_whatever_the_desk_refuses_has_a_code(why: Refused) -> None:
    reply = await stage().call("POST", INVALIDATION, batch("/a"), refusal=Refusal(why, "because"))
    assert (reply.status, code(reply)) == (CODES[why].status, CODES[why].token)


async def test_a_reset_forgets() -> None:
    on = stage()
    id = text(await create(on, "/a"), "Id")
    on.desk.forget()
    assert code(await on.call("GET", f"{INVALIDATION}/{id}")) == "NoSuchInvalidation"
    assert (await create(on, "/b")).status == 201


def test_what_is_remembered_is_bounded() -> None:
    scope = ("distribution", "E1")
    kept = Invalidations(lambda number: False, most=3, most_characters=3000)
    made = []
    for number in range(5):
        made.append(kept.begin(scope, Batch(f"r{number}", ("/a",)), 0.0))
        kept.done(made[-1], number, None)
    assert [one.id for one in kept.newest_first(scope)] == [one.id for one in made[:1:-1]]
    long = kept.begin(scope, Batch("long", ("/" + "x" * 5000,)), 0.0)
    kept.done(long, 9, None)
    assert [one.id for one in kept.newest_first(scope)] == [long.id]
    assert kept.begin(scope, Batch("r4", ("/b",)), 0.0) is not made[4]  # forgotten, reference too


def test_codes_have_one_row_each() -> None:
    assert len({code.token for code in Code}) == len(Code)
