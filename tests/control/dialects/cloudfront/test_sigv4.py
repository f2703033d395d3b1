"""Signature Version 4, as botocore makes it and as the documentation of other SDKs says: what is verified, and what is not judged."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cloudfrontkit import INVALIDATION, PATH, batch, code, stage
from dialectkit import Stage, fields
from wirekit import StandingClock

from edgecache.control.dialects.call import Reply

KEYS = [{"id": "AKIDEXAMPLE", "secret": "wJalr/XUtn+FEMI"}, {"id": "AKIDOTHER", "secret": "other"}]
HOST = "127.0.0.1:8081"


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: datetime.datetime.fromtimestamp(StandingClock.START, datetime.UTC))
    return stage(credentials=KEYS)


def signed(
    method: str,
    target: str,
    content: str = "",
    *,
    key: tuple[str, str] = ("AKIDEXAMPLE", "wJalr/XUtn+FEMI"),
    token: str | None = None,
    region: str = "us-east-1",
    service: str = "cloudfront",
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The fields of a request as botocore signs it."""
    request = AWSRequest(method=method, url=f"http://{HOST}{target}", data=content.encode(), headers=dict(headers or {}))
    botocore.auth.SigV4Auth(Credentials(*key, token), service, region).add_auth(request)
    return {"Host": HOST, **dict(request.headers.items())}


BATCH = batch("/a")
OTHER_CONTENT = hashlib.sha256(b"other").hexdigest()


@pytest.mark.parametrize(
    "method, target, content, how",
    [
        ("POST", INVALIDATION, BATCH, {}),
        ("POST", INVALIDATION, BATCH, {"key": ("AKIDOTHER", "other")}),
        ("POST", INVALIDATION, BATCH, {"token": "a/session+token=="}),
        ("POST", INVALIDATION, BATCH, {"region": "eu-west-1"}),
        ("POST", INVALIDATION, BATCH, {"region": ""}),
        ("POST", INVALIDATION, batch("/ü"), {}),
        ("POST", INVALIDATION, BATCH, {"headers": {"X-Amz-Content-SHA256": hashlib.sha256(BATCH.encode()).hexdigest()}}),
        (
            "POST",
            INVALIDATION,
            BATCH,
            {
                "headers": {
                    "content-type": "application/xml",
                    "content-length": str(len(BATCH)),
                    "x-amz-user-agent": "  aws-sdk-js/3   api/x ",
                    "amz-sdk-invocation-id": "1",
                    "amz-sdk-request": "attempt=1; max=3",
                    "x-amz-content-sha256": hashlib.sha256(BATCH.encode()).hexdigest(),
                }
            },
        ),
        ("POST", "/2020-05-31/distribution/E1%20%2Fx/invalidation", BATCH, {}),
        ("GET", INVALIDATION, "", {}),
        ("GET", INVALIDATION + "?MaxItems=2&Marker=", "", {}),
        ("GET", INVALIDATION + "?MaxItems=2", "", {}),
        ("GET", INVALIDATION + "?b=%2F&a=x%20y&MaxItems=1", "", {}),
        ("GET", PATH, "", {}),
    ],
)
async def test_what_is_taken(on: Stage, method: str, target: str, content: str, how: dict[str, object]) -> None:
    headers = signed(method, target, content, **how)  # type: ignore[arg-type]
    reply = await on.call(method, target, content, headers=headers)
    assert reply.status in (200, 201), reply.content


async def test_a_call_of_cloudwatch_is_scoped_to_its_service(on: Stage) -> None:
    content = "{}"
    headers = {"X-Amz-Target": "GraniteServiceVersion20100801.GetMetricStatistics", "Content-Type": "application/x-amz-json-1.0"}
    taken = await on.call("POST", "/", content, headers=signed("POST", "/", content, service="monitoring", headers=headers))
    assert b"MissingRequiredParameter" in taken.content  # it was read
    refused = await on.call("POST", "/", content, headers=signed("POST", "/", content, headers=headers))
    assert (refused.status, b"SignatureDoesNotMatch" in refused.content) == (403, True)
    assert dict(refused.headers)["x-amzn-query-error"] == "SignatureDoesNotMatch;Sender"


Change = Callable[[dict[str, str]], None]


def without(name: str) -> Change:
    return lambda headers: headers.__delitem__(name)


def having(name: str, value: str) -> Change:
    return lambda headers: headers.__setitem__(name, value)


def replaced(old: str, new: str) -> Change:
    def change(headers: dict[str, str]) -> None:
        assert old in headers["Authorization"]
        headers["Authorization"] = headers["Authorization"].replace(old, new)

    return change


@pytest.mark.parametrize(
    "change, status, error",
    [
        (without("Authorization"), 403, "MissingAuthenticationToken"),
        (having("Authorization", "Basic abc"), 400, "IncompleteSignature"),
        (having("Authorization", "AWS4-HMAC-SHA256"), 400, "IncompleteSignature"),
        (having("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0"), 400, "IncompleteSignature"),
        (replaced("SignedHeaders", "Signed"), 400, "IncompleteSignature"),
        (replaced("Signature=", "Signatura="), 400, "IncompleteSignature"),
        (replaced("AKIDEXAMPLE", "AKIDUNKNOWN"), 403, "InvalidClientTokenId"),
        (replaced("AKIDEXAMPLE", ""), 403, "InvalidClientTokenId"),
        (replaced("AKIDEXAMPLE", "AKIDOTHER"), 403, "SignatureDoesNotMatch"),
        (replaced("us-east-1", "eu-west-1"), 403, "SignatureDoesNotMatch"),
        (replaced("/cloudfront/", "/s3/"), 403, "SignatureDoesNotMatch"),
        (replaced("/20300317/", "/20300318/"), 403, "SignatureDoesNotMatch"),
        (replaced("host;", ""), 403, "SignatureDoesNotMatch"),
        (replaced(";x-amz-date", ""), 403, "SignatureDoesNotMatch"),
        (replaced(";x-amz-date", ";x-amz-date;x-other"), 403, "SignatureDoesNotMatch"),
        (replaced("Signature=", "Signature=f"), 403, "SignatureDoesNotMatch"),
        (replaced("Signature=", "Signature=ü"), 403, "SignatureDoesNotMatch"),
        (having("Host", "localhost:8081"), 403, "SignatureDoesNotMatch"),
        (without("Host"), 403, "SignatureDoesNotMatch"),
        (without("X-Amz-Date"), 403, "SignatureDoesNotMatch"),
        (having("X-Amz-Date", "20300317T174641Z"), 403, "SignatureDoesNotMatch"),
        (having("X-Amz-Date", "20300399T999999Z"), 403, "SignatureDoesNotMatch"),
        (having("X-Amz-Date", "now"), 403, "SignatureDoesNotMatch"),
        (having("X-Amz-Security-Token", "one that was not signed"), 403, "SignatureDoesNotMatch"),
        (having("X-Amz-Content-SHA256", OTHER_CONTENT), 403, "SignatureDoesNotMatch"),
    ],
)
async def test_what_is_refused(on: Stage, change: Change, status: int, error: str) -> None:
    headers = signed("POST", INVALIDATION, BATCH)
    change(headers)
    await is_refused(on, await on.call("POST", INVALIDATION, BATCH, headers=headers), status, error)


async def is_refused(on: Stage, reply: Reply, status: int, error: str) -> None:
    assert (reply.status, code(reply)) == (status, error)
    assert on.log.head == 0
    assert "wJalr" not in repr(reply)
    assert "wJalr" not in repr(on.journal)


@pytest.mark.parametrize(
    "method, target, content",
    [
        ("POST", INVALIDATION, batch("/b")),
        ("POST", INVALIDATION.replace("E1", "E2"), BATCH),
        ("POST", INVALIDATION + "?a=b", BATCH),
        ("GET", INVALIDATION, BATCH),
    ],
)
async def test_another_request_than_the_signed_one(on: Stage, method: str, target: str, content: str) -> None:
    reply = await on.call(method, target, content, headers=signed("POST", INVALIDATION, BATCH))
    await is_refused(on, reply, 403, "SignatureDoesNotMatch")


async def test_another_content_with_the_hash_of_the_signed_one(on: Stage) -> None:
    headers = signed("POST", INVALIDATION, BATCH, headers={"X-Amz-Content-SHA256": hashlib.sha256(BATCH.encode()).hexdigest()})
    await is_refused(on, await on.call("POST", INVALIDATION, batch("/b"), headers=headers), 403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("seconds, taken", [(0, True), (299, True), (301, False), (-299, True), (-301, False)])
async def test_skew_is_in_real_time(on: Stage, seconds: float, taken: bool) -> None:
    headers = signed("POST", INVALIDATION, BATCH)
    on.clock.advance(86400.0)  # edge time is not asked
    on.clock.wall += seconds
    reply = await on.call("POST", INVALIDATION, BATCH, headers=headers)
    assert reply.status == (201 if taken else 403)
    if not taken:
        assert "5 minutes" in reply.content.decode()


async def test_authorization_twice(on: Stage) -> None:
    headers = signed("POST", INVALIDATION, BATCH)
    twice = [*headers.items(), ("Authorization", headers["Authorization"])]
    await is_refused(on, await on.call("POST", INVALIDATION, BATCH, headers=twice), 400, "IncompleteSignature")


async def test_without_keys_everything_is_taken_from_this_machine_and_nothing_from_others() -> None:
    on = stage()
    assert (await on.call("POST", INVALIDATION, BATCH, headers={"Authorization": "AWS4-HMAC-SHA256 nonsense"})).status == 201
    reply = await on.call("POST", INVALIDATION, batch("/a", reference="r2"), who="192.0.2.1")
    assert (reply.status, code(reply)) == (403, "AccessDenied")
    assert not fields(reply, "Edgecache-Position")
