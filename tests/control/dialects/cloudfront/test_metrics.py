"""GetMetricStatistics: from what was counted, in points of time; nothing where nothing is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from cloudfrontkit import stage, text, texts
from dialectkit import Stage, fields
from wirekit import StandingClock

from edgecache.control.dialects.call import Reply
from edgecache.record import Handled, Row

NOW = int(StandingClock.START // 60) * 60
TARGET = {"X-Amz-Target": "GraniteServiceVersion20100801.GetMetricStatistics"}
ASKED = {
    "Namespace": "AWS/CloudFront",
    "MetricName": "Requests",
    "Dimensions": [{"Name": "DistributionId", "Value": "E1"}, {"Name": "Region", "Value": "Global"}],
    "StartTime": NOW - 3600,
    "EndTime": NOW + 3600,
    "Period": 60,
    "Statistics": ["Sum"],
}


def add(on: Stage, at: float, status: int = 200, handled: Handled = Handled.HIT, method: bytes = b"GET", size: int = 10) -> None:
    on.records.add(Row(on.records.next_id(), at, 1, 0, status, handled, None, method, b"h", b"/", 5, size, 0))


async def ask(on: Stage, **changes: Any) -> Reply:
    asked = {name: value for name, value in {**ASKED, **changes}.items() if value is not None}
    return await on.call("POST", "/", asked, headers=TARGET)


def points(reply: Reply) -> list[Mapping[str, Any]]:
    assert reply.status == 200, reply.content
    assert reply.content_type == "application/x-amz-json-1.0"
    found: list[Mapping[str, Any]] = msgspec.json.decode(reply.content)["Datapoints"]
    return found


def filled() -> Stage:
    """Three minutes, the middle one of them empty."""
    on = stage()
    add(on, NOW)
    add(on, NOW + 59.9, 404, Handled.MISS)
    add(on, NOW + 1, 200, Handled.MISS, size=30)
    add(on, NOW + 2, 200, Handled.PASS, b"POST", size=1000)
    add(on, NOW + 3, 200, Handled.INVALIDATION, b"PURGE")
    add(on, NOW + 120, 500, Handled.OWN)
    add(on, NOW + 120, 200, Handled.STALE)
    return on


@pytest.mark.parametrize(
    "metric, statistics, expected",
    [
        ("Requests", ["Sum"], [(0, [4.0]), (120, [2.0])]),
        ("Requests", ["SampleCount", "Average", "Minimum", "Maximum"], [(0, [1.0, 4.0, 4.0, 4.0]), (120, [1.0, 2.0, 2.0, 2.0])]),
        ("BytesDownloaded", ["Sum"], [(0, [50.0]), (120, [20.0])]),
        ("4xxErrorRate", ["Average"], [(0, [25.0]), (120, [0.0])]),
        ("5xxErrorRate", ["Average"], [(0, [0.0]), (120, [50.0])]),
        ("TotalErrorRate", ["Average"], [(0, [25.0]), (120, [50.0])]),
        ("CacheHitRate", ["Average"], [(0, [50.0]), (120, [100.0])]),
        ("CacheHitRate", ["Sum"], [(0, []), (120, [])]),  # shares have no sum
    ],
)
async def test_a_point_for_each_minute(metric: str, statistics: list[str], expected: list[tuple[int, list[float]]]) -> None:
    reply = await ask(filled(), MetricName=metric, Statistics=statistics)
    assert [(one["Timestamp"] - NOW, [one[name] for name in statistics if name in one]) for one in points(reply)] == expected
    assert {one["Unit"] for one in points(reply)} == {"Percent" if metric.endswith("Rate") else "None"}
    assert not fields(reply, "Edgecache-Warning")
    assert len(fields(reply, "x-amzn-RequestId")) == 1


async def test_longer_periods_are_of_all_their_minutes() -> None:
    on = filled()
    (one,) = points(await ask(on, Period=3600, StartTime=NOW, Statistics=["Sum", "Average", "Minimum", "Maximum", "SampleCount"]))
    assert one == {"Timestamp": NOW, "Sum": 6.0, "Average": 3.0, "Minimum": 2.0, "Maximum": 4.0, "SampleCount": 2.0, "Unit": "None"}
    (rate,) = points(await ask(on, Period=3600, StartTime=NOW, MetricName="TotalErrorRate", Statistics=["Average"]))
    assert rate["Average"] == pytest.approx(100 / 3)  # of requests, not of minutes


async def test_periods_begin_with_the_time_asked_for() -> None:
    found = points(await ask(filled(), Period=120, StartTime=NOW - 60.5, EndTime=NOW + 121))
    assert [(one["Timestamp"] - NOW, one["Sum"]) for one in found] == [(0, 4.0)]


@pytest.mark.parametrize(
    "changes, warns",
    [
        ({"Namespace": "AWS/S3"}, "AWS/CloudFront"),
        ({"MetricName": "OriginLatency"}, "CacheHitRate"),
        ({"Dimensions": None}, "DistributionId"),
        ({"Dimensions": [{"Name": "DistributionId", "Value": "E9"}]}, "no such distribution"),
        ({"Unit": "Bytes"}, None),
        ({"EndTime": NOW}, None),
    ],
)
async def test_no_points(changes: dict[str, Any], warns: str | None) -> None:
    on = stage(ids=[{"id": "E1"}])
    add(on, NOW)
    reply = await ask(on, **changes)
    assert points(reply) == []
    assert [warns in one for one in fields(reply, "Edgecache-Warning")] == ([True] if warns else [])  # type: ignore[operator]


async def test_without_the_region_there_is_a_warning() -> None:
    reply = await ask(filled(), Dimensions=ASKED["Dimensions"][:1])  # type: ignore[index]
    assert len(points(reply)) == 2
    assert "Region=Global" in fields(reply, "Edgecache-Warning")[0]
    old = await ask(filled(), StartTime=NOW - 7 * 86400, Period=3600)
    assert "1440 minutes" in fields(old, "Edgecache-Warning")[0]


@pytest.mark.parametrize(
    "changes, type, code",
    [
        ({"Namespace": None}, "MissingRequiredParameterException", "MissingParameter"),
        ({"Statistics": []}, "MissingRequiredParameterException", "MissingParameter"),
        ({"Statistics": None, "ExtendedStatistics": ["p99"]}, "MissingRequiredParameterException", "MissingParameter"),
        ({"Statistics": ["Median"]}, "InvalidParameterValueException", "InvalidParameterValue"),
        ({"Statistics": "Sum"}, "InvalidParameterValueException", "InvalidParameterValue"),
        ({"Period": 30}, "InvalidParameterValueException", "InvalidParameterValue"),
        ({"Period": 90}, "InvalidParameterValueException", "InvalidParameterValue"),
        ({"Period": "9" * 5000}, "InvalidParameterValueException", "InvalidParameterValue"),
        ({"Period": True}, "InvalidParameterValueException", "InvalidParameterValue"),
        ({"StartTime": "yesterday"}, "InvalidParameterValueException", "InvalidParameterValue"),
        ({"StartTime": -1}, "InvalidParameterValueException", "InvalidParameterValue"),
        ({"StartTime": 1e300}, "InvalidParameterValueException", "InvalidParameterValue"),
        ({"StartTime": []}, "InvalidParameterValueException", "InvalidParameterValue"),
        ({"StartTime": NOW, "EndTime": NOW}, "InvalidParameterValueException", "InvalidParameterValue"),
        ({"StartTime": 0}, "InvalidParameterCombinationException", "InvalidParameterCombination"),
        ({"Dimensions": {"a": "b"}}, "InvalidParameterValueException", "InvalidParameterValue"),
        ({"Dimensions": [{"Name": 1}]}, "InvalidParameterValueException", "InvalidParameterValue"),
        ({"MetricName": 1}, "InvalidParameterValueException", "InvalidParameterValue"),
    ],
)
async def test_errors(changes: dict[str, Any], type: str, code: str) -> None:
    reply = await ask(stage(), **changes)
    error = msgspec.json.decode(reply.content)
    assert (reply.status, error["__type"].partition("#")[2]) == (400, type)
    assert fields(reply, "x-amzn-query-error") == [f"{code};Sender"]
    assert error["message"]
    assert len(fields(reply, "x-amzn-RequestId")) == 1


FORM = {
    "Action": "GetMetricStatistics",
    "Version": "2010-08-01",
    "Namespace": "AWS/CloudFront",
    "MetricName": "Requests",
    "Dimensions.member.1.Name": "DistributionId",
    "Dimensions.member.1.Value": "E1",
    "Dimensions.member.2.Name": "Region",
    "Dimensions.member.2.Value": "Global",
    "StartTime": "2030-03-17T17:46:00Z",
    "EndTime": "2030-03-17T17:50:00Z",
    "Period": "60",
    "Statistics.member.1": "Sum",
    "Statistics.member.2": "Average",
}


async def test_a_form_is_answered_in_xml() -> None:
    reply = await filled().call("POST", "/", urlencode(FORM))
    assert reply.content_type == "text/xml"
    assert text(reply, "GetMetricStatisticsResult", "Label") == "Requests"
    member = "GetMetricStatisticsResult/Datapoints/member"
    assert texts(reply, f"{member}/Timestamp") == ["2030-03-17T17:46:00Z", "2030-03-17T17:48:00Z"]
    assert texts(reply, f"{member}/Sum") == ["4.0", "2.0"]
    assert texts(reply, f"{member}/Unit") == ["None", "None"]
    assert text(reply, "ResponseMetadata", "RequestId") == fields(reply, "x-amzn-RequestId")[0]


@pytest.mark.parametrize(
    "content, error",
    [
        (urlencode({**FORM, "Action": "ListMetrics"}), "InvalidAction"),
        ("", "InvalidAction"),
        (urlencode({**FORM, "Period": "x"}), "InvalidParameterValue"),
        (urlencode({**FORM, "Dimensions.member.1": "x"}), "InvalidParameterValue"),
        (urlencode({name: value for name, value in FORM.items() if name != "EndTime"}), "MissingParameter"),
        ("\xff", "MalformedInput"),
        ("&".join("a=b" for _ in range(201)), "MalformedInput"),
    ],
)
async def test_errors_of_a_form(content: str, error: str) -> None:
    reply = await stage().call("POST", "/", content)
    assert (reply.status, text(reply, "Error", "Code")) == (400, error)


@pytest.mark.parametrize(
    "headers, content, error",
    [
        ({"X-Amz-Target": "GraniteServiceVersion20100801.ListMetrics"}, "{}", "UnknownOperationException"),
        ({"X-Amz-Target": "\udcff"}, "{}", "UnknownOperationException"),
        (TARGET, "[]", "SerializationException"),
        (TARGET, '{"MetricName": "\\ud800"}', "SerializationException"),
        (TARGET, "{", "SerializationException"),
    ],
)
async def test_errors_of_json(headers: dict[str, str], content: str, error: str) -> None:
    reply = await stage().call("POST", "/", content, headers=headers)
    assert (reply.status, msgspec.json.decode(reply.content)["__type"].partition("#")[2]) == (400, error)
