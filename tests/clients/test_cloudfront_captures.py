"""What awscli, boto3 and Wagtail were seen to send to CloudFront's API, sent again: the answers have the shape that the clients took.

Nothing is known of these replies but that the clients understand them. So status, code and elements are compared, and ours may say more.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from cloudfrontkit import INVALIDATION, batch, stage, text
from dialectkit import Stage
from vendorkit import Capture, captures

from edgecache.control.dialects.call import Refusal, Refused
from edgecache.control.dialects.faults import Fault, Wanted

CAPTURES = captures("cloudfront")
RECORDED_ID = "E1234567890ABC"


class Cause(NamedTuple):
    """What brings about an error: how the edge is, and what is done to a request that is right."""

    ids: tuple[Mapping[str, Any], ...] = ()
    credentials: tuple[Mapping[str, Any], ...] = ()
    fault: Fault | None = None
    before: str = ""  # a batch that was sent before, and is delayed
    body: tuple[str, str] = ("", "")  # what is replaced in the content
    refusal: Refused | None = None
    who: str = "127.0.0.1"
    code: str = ""  # where edgecache has another spelling of several


CAUSES = {
    "AccessDenied": Cause(who="192.0.2.1"),
    "NoSuchDistribution": Cause(ids=({"id": "E2"},)),
    "NoSuchInvalidation": Cause(),
    "TooManyInvalidationsInProgress": Cause(before=batch(*(f"/{n}" for n in range(3000)), reference="before")),
    "InvalidArgument": Cause(body=("<Path>/", "<Path>")),
    "InconsistentQuantities": Cause(body=("<Quantity>", "<Quantity>1")),
    "MissingBody": Cause(body=("<", "")),
    "MalformedXML": Cause(body=("</InvalidationBatch>", "")),
    "BatchTooLarge": Cause(refusal=Refused.CONTENT_TOO_LARGE),
    "InvalidationBatchAlreadyExists": Cause(before="same reference"),
    "InvalidClientTokenId": Cause(credentials=({"id": "AKIDOTHER", "secret": "s"},)),
    "SignatureDoesNotMatch": Cause(credentials=({"id": "AKIDEXAMPLE", "secret": "another"},)),
    "Throttling": Cause(fault=Fault.RATE_LIMIT),
    "ThrottlingException": Cause(fault=Fault.RATE_LIMIT, code="Throttling"),
    "TooManyRequestsException": Cause(fault=Fault.RATE_LIMIT, code="Throttling"),
    "ServiceUnavailable": Cause(fault=Fault.UNAVAILABLE),
    "InternalError": Cause(fault=Fault.ERROR),
}
AS_LISTED = Cause(ids=({"id": RECORDED_ID, "hosts": ("www.example.com",)},))
NEVER = {"ExpiredToken"}  # the keys in the settings do not expire
# Replies that were made to see what a client still takes, or no reply at all: only the request is of interest.
TRIALS = (
    "minimal",
    "JSON body",
    "empty 503",
    "html body",
    "without ns",
    "bare <Error>",
    "connection dropped",
    "quantity mismatch",
    "no items",
)


def shape(content: bytes) -> set[str]:
    """The elements that there are, each with the way to it."""

    def walk(one: ET.Element, before: str) -> set[str]:
        path = before + one.tag.rpartition("}")[2]
        return {path}.union(*(walk(child, path + "/") for child in one))

    return walk(ET.fromstring(content), "")


async def prepared(capture: Capture, cause: Cause) -> Stage:
    """An edge on which the recorded request has the recorded outcome."""
    on = stage(ids=cause.ids, credentials=cause.credentials)
    if cause.before == "same reference":
        await on.call("POST", capture.target, capture.body.replace("<Path>/a<", "<Path>/other<"))
    elif cause.before:
        on.faults.add(Wanted(Fault.DELAY, count=1, wait_s=60.0), on.clock.now())
        assert (await on.call("POST", capture.target, cause.before)).status == 201
    if "CacheTagConfig" in capture.scenario:
        config = await on.call("GET", capture.target)
        named = b"<CacheTagConfig><HeaderName>x-amz-meta-cache-tag</HeaderName></CacheTagConfig></DistributionConfig>"
        content = config.content.replace(b"</DistributionConfig>", named)
        assert (await on.call("PUT", capture.target, content, headers={"If-Match": dict(config.headers)["ETag"]})).status == 200
    if cause.fault is not None:
        on.faults.add(Wanted(cause.fault), on.clock.now())
    return on


async def target_on(on: Stage, capture: Capture) -> str:
    """The target, with an invalidation and a marker that are there."""
    target: str = capture.target
    for recorded in ("/I2J0I21PCUYOIK", "/I", "Marker=I2"):
        if target.endswith(recorded):
            made = [
                text(await on.call("POST", INVALIDATION.replace("E1", RECORDED_ID), batch("/a", reference=r)), "Id")
                for r in ("1", "2", "3")
            ]
            return target.removesuffix(recorded) + recorded[: recorded.index("I")] + str(made[1])
    if capture.scenario.startswith("list ") and "empty" not in capture.scenario:
        for number in range(3):
            await on.call("POST", INVALIDATION.replace("E1", RECORDED_ID), batch("/a", reference=str(number)))
    return target


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda one: f"{one.name}, {one.method} {one.target[-30:]}")
async def test_replay(capture: Capture) -> None:
    reply = capture.reply or {}
    code = reply.get("code")
    is_trial = any(trial in capture.scenario for trial in TRIALS)
    if code in NEVER:
        code, is_trial = None, True
    cause = CAUSES[code] if code and not is_trial else AS_LISTED if "list-distributions" in capture.scenario else Cause()
    on = await prepared(capture, cause)
    body = "" if cause.body[0] == "<" else capture.body.replace(*cause.body) if cause.body[0] else capture.body
    refusal = Refusal(cause.refusal, "") if cause.refusal else None
    got = await on.call(capture.method, await target_on(on, capture), body, headers=capture.headers, who=cause.who, refusal=refusal)
    if is_trial:
        assert got.status == (400 if any(one in capture.scenario for one in ("quantity", "no items")) else 201)
        return
    names = {name.lower() for name, _ in got.headers} | {"content-type"}
    assert got.content_type == "text/xml"
    assert "x-amzn-requestid" in names
    if cause.code:
        assert text(got, "Error", "Code") == cause.code
    else:
        assert (got.status, text(got, "Error", "Code")) == (reply["status"], code)
    # The recorded lists went on, however many were asked for; here NextMarker is only there when there is more.
    goes_on = "MaxItems=2" in capture.target and "Marker=" not in capture.target
    assert set(reply["shape"]) - shape(got.content) <= (set() if goes_on else {"InvalidationList/NextMarker"})
    recorded = {name.lower() for name in reply["fields"]}
    assert recorded <= names
    if capture.method == "POST" and not code:
        assert on.log.head == capture.body.count("<Path>")


def test_causes_are_used() -> None:
    seen = {capture.reply["code"] for capture in CAPTURES if capture.reply}
    assert seen - {None} == set(CAUSES) | NEVER
