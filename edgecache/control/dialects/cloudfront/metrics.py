"""CloudWatch's GetMetricStatistics about a distribution, from what the edge counted for each minute of edge time.

Every point stands for minutes that were counted; where nothing was asked for, or nothing was kept, there is no point. What is not known per
minute is not made up: no figures of one site among several, and none from before the edge began.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from edgecache.control.dialects.call import Asked, Refusal, Refused, Reply
from edgecache.control.dialects.cloudfront.xml import CLOUDWATCH, Node, node, write_xml
from edgecache.record import Minute

NAMESPACE = "AWS/CloudFront"
TARGET = "GraniteServiceVersion20100801."
ACTION = "GetMetricStatistics"
MOST_POINTS = 1440
STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
MOST_PARAMETERS = 200

_PERCENT = "Percent"


def _share(part: int, whole: int) -> float:
    return 100.0 * part / whole


class Metric(enum.Enum):
    """A metric: its name, its unit, what it is here, and its value for some minutes; None where there is none."""

    REQUESTS = ("Requests", "None", "requests of clients that are over, invalidation methods left out", lambda m: m.requests)
    BYTES_DOWNLOADED = (
        "BytesDownloaded",
        "None",
        "content bytes of answers to GET and HEAD, without heads and framing",
        lambda m: m.bytes_out,
    )
    ERRORS_4XX = ("4xxErrorRate", _PERCENT, "the share of requests that were answered 4xx", lambda m: _share(m.errors_4xx, m.requests))
    ERRORS_5XX = ("5xxErrorRate", _PERCENT, "the share of requests that were answered 5xx", lambda m: _share(m.errors_5xx, m.requests))
    ERRORS = (
        "TotalErrorRate",
        _PERCENT,
        "the share of requests that were answered 4xx or 5xx",
        lambda m: _share(m.errors_4xx + m.errors_5xx, m.requests),
    )
    HITS = (
        "CacheHitRate",
        _PERCENT,
        "the share of GET and HEAD, errors left out, that the store answered",
        lambda m: _share(m.hits, m.cacheable) if m.cacheable else None,
    )

    def __init__(self, token: str, unit: str, meaning: str, of: Callable[[Minute], float | None]) -> None:
        self.token = token
        self.unit = unit
        self.meaning = meaning
        self.of = of

    @property
    def is_rate(self) -> bool:
        """Is it a share? Of several minutes it is the share in all of them, and they have no sum."""
        return self.unit == _PERCENT


METRICS = {metric.token: metric for metric in Metric}


class WatchCode(enum.Enum):
    """An error of CloudWatch: its code in XML, its type in JSON, its status."""

    INVALID_VALUE = ("InvalidParameterValue", "InvalidParameterValueException", 400)
    INVALID_COMBINATION = ("InvalidParameterCombination", "InvalidParameterCombinationException", 400)
    MISSING = ("MissingParameter", "MissingRequiredParameterException", 400)
    NO_SUCH_ACTION = ("InvalidAction", "UnknownOperationException", 400)
    NOT_READABLE = ("MalformedInput", "SerializationException", 400)

    def __init__(self, code: str, type: str, status: int) -> None:
        self.code = code
        self.type = type
        self.status = status


class WatchRefusal(Refusal):
    """A refusal with its code."""

    def __init__(self, code: WatchCode, sentence: str) -> None:
        super().__init__(Refused.BAD_REQUEST, sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for. Times in seconds since the epoch, whole minutes; `end` is not in it any more."""

    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    start: int
    end: int
    period: int
    statistics: tuple[str, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class Point:
    """The figures of one period; `values` by statistic."""

    at: int
    values: Mapping[str, float]


def is_json(asked: Asked) -> bool:
    """Is it asked in JSON, and to be answered so? Else it is a form, and the answer XML."""
    return "X-Amz-Target" in asked.headers


def read_question(asked: Asked) -> Question:
    """What a call asks for. Raises WatchRefusal."""
    given = _read_json(asked) if is_json(asked) else _read_form(asked)
    lacking = next((name for name in ("Namespace", "MetricName", "StartTime", "EndTime", "Period") if given.get(name) in (None, "")), None)
    if lacking is not None:
        raise WatchRefusal(WatchCode.MISSING, f"The parameter {lacking} is required.")
    statistics = tuple(dict.fromkeys(_texts(given.get("Statistics"), "Statistics")))
    if not statistics:
        said = "At least one of the parameters Statistics and ExtendedStatistics must be specified."
        raise WatchRefusal(WatchCode.MISSING, said + (" edgecache has no ExtendedStatistics." if given.get("ExtendedStatistics") else ""))
    strange = next((one for one in statistics if one not in STATISTICS), None)
    if strange is not None:
        raise WatchRefusal(WatchCode.INVALID_VALUE, f"The parameter Statistics has {strange[:40]!r}; there are {', '.join(STATISTICS)}.")
    period = _whole(given["Period"], "Period")
    if period < 60 or period % 60:
        raise WatchRefusal(WatchCode.INVALID_VALUE, f"The parameter Period is {period}; it must be a multiple of 60.")
    start, end = (_minute(_time(given[name], name)) for name in ("StartTime", "EndTime"))
    if end <= start:
        raise WatchRefusal(WatchCode.INVALID_VALUE, "The parameter StartTime must be less than the parameter EndTime.")
    points = math.ceil((end - start) / period)
    if points > MOST_POINTS:
        said = f"You have requested up to {points} datapoints, more than {MOST_POINTS}. Increase Period or decrease the range."
        raise WatchRefusal(WatchCode.INVALID_COMBINATION, said)
    return Question(
        namespace=_text(given["Namespace"], "Namespace"),
        metric=_text(given["MetricName"], "MetricName"),
        dimensions=_dimensions(given.get("Dimensions")),
        start=start,
        end=end,
        period=period,
        statistics=statistics,
        unit=_text(given.get("Unit") or "", "Unit"),
    )


def points_of(question: Question, metric: Metric, minutes: Sequence[tuple[int, Minute]]) -> list[Point]:
    """A point for each period in which there is something to say."""
    if question.unit not in ("", metric.unit):
        return []
    by_period: dict[int, list[Minute]] = {}
    for at, minute in minutes:
        by_period.setdefault((at - question.start) // question.period, []).append(minute)
    points = []
    for number, found in by_period.items():
        values = _values(metric, found)
        if values:
            kept = {name: values[name] for name in question.statistics if name in values}
            points.append(Point(question.start + number * question.period, kept))
    return points


def answer(asked: Asked, request_id: str, metric: str, unit: str, points: Sequence[Point]) -> Reply:
    """The points as the caller asked for them."""
    if is_json(asked):
        rows = [{"Timestamp": point.at, **point.values, "Unit": unit} for point in points]
        return Reply.json({"Label": metric, "Datapoints": rows}, content_type="application/x-amz-json-1.0")
    members = []
    for point in points:
        figures = [node(name, f"{value:.10g}" if value % 1 else f"{value:.1f}") for name, value in point.values.items()]
        members.append(node("member", [node("Timestamp", _shown(point.at)), *figures, node("Unit", unit)]))
    result = node(f"{ACTION}Result", [node("Label", metric), node("Datapoints", members)])
    root = node(f"{ACTION}Response", [result, node("ResponseMetadata", [node("RequestId", request_id)])])
    return Reply(200, write_xml(root, CLOUDWATCH), "text/xml")


def error(asked: Asked, request_id: str, status: int, code: str, type: str, message: str) -> Reply:
    """An error as the caller asked."""
    whose = "Receiver" if status >= 500 else "Sender"
    if is_json(asked):
        value = {"__type": f"com.amazonaws.cloudwatch#{type}", "message": message}
        return Reply.json(value, status, [("x-amzn-query-error", f"{code};{whose}")], "application/x-amz-json-1.0")
    return Reply(status, write_xml(error_document(whose, code, message, request_id), CLOUDWATCH), "text/xml")


def error_document(whose: str, code: str, message: str, request_id: str) -> Node:
    """An error as AWS's XML has it."""
    told = node("Error", [node("Type", whose), node("Code", code), node("Message", message)])
    return node("ErrorResponse", [told, node("RequestId", request_id)])


def _values(metric: Metric, minutes: Sequence[Minute]) -> dict[str, float]:
    """All statistics of one period; empty when no minute has a value."""
    each = [value for value in map(metric.of, minutes) if value is not None]
    if not each:
        return {}
    of_all = metric.of(Minute(*(sum(figures) for figures in zip(*map(dataclasses.astuple, minutes), strict=True))))
    assert of_all is not None  # some minute had one
    values = {"SampleCount": float(len(each)), "Minimum": float(min(each)), "Maximum": float(max(each))}
    if metric.is_rate:
        return {**values, "Average": of_all}
    return {**values, "Sum": float(of_all), "Average": of_all / len(each)}


# -- Reading --------------------------------------------------------------------------------------------------------------------------


def _read_json(asked: Asked) -> Mapping[str, Any]:
    target = asked.headers["X-Amz-Target"]
    if target != TARGET + ACTION:
        raise WatchRefusal(WatchCode.NO_SUCH_ACTION, f"edgecache knows {TARGET}{ACTION}, not {target[:100]!r}.")
    try:
        given = msgspec.json.decode(asked.content)
    except msgspec.DecodeError as error:
        raise WatchRefusal(WatchCode.NOT_READABLE, f"The content is no JSON: {error}.") from None
    if not isinstance(given, dict):
        raise WatchRefusal(WatchCode.NOT_READABLE, "The content is no JSON object.")
    return given


_MEMBER = re.compile(r"(Dimensions|Statistics|ExtendedStatistics)\.member\.([0-9]{1,3})(?:\.(Name|Value))?", re.ASCII)


def _read_form(asked: Asked) -> Mapping[str, Any]:
    try:
        pairs = parse_qsl(asked.content.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:  # UnicodeDecodeError is one
        said = f"The content is no form of at most {MOST_PARAMETERS} parameters."
        raise WatchRefusal(WatchCode.NOT_READABLE, said) from None
    given: dict[str, Any] = {}
    lists: dict[str, dict[int, Any]] = {}
    for name, value in pairs:
        member = _MEMBER.fullmatch(name)
        if member is None:
            given[name] = value
        elif member[3]:
            row = lists.setdefault(member[1], {}).setdefault(int(member[2]), {})
            if isinstance(row, dict):
                row[member[3]] = value
        else:
            lists.setdefault(member[1], {})[int(member[2])] = value
    if given.get("Action") != ACTION:
        raise WatchRefusal(WatchCode.NO_SUCH_ACTION, f"edgecache knows the Action {ACTION}, not {str(given.get('Action', ''))[:100]!r}.")
    return {**given, **{name: [rows[at] for at in sorted(rows)] for name, rows in lists.items()}}


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise WatchRefusal(WatchCode.INVALID_VALUE, f"The parameter {name} must be a text.")
    return value


def _texts(value: Any, name: str) -> list[str]:
    if not isinstance(value, list | None):
        raise WatchRefusal(WatchCode.INVALID_VALUE, f"The parameter {name} must be a list.")
    return [_text(one, name) for one in value or ()]


def _whole(value: Any, name: str) -> int:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not re.fullmatch("[0-9]{1,9}", text, re.ASCII):
        raise WatchRefusal(WatchCode.INVALID_VALUE, f"The parameter {name} must be a number of seconds.")
    return int(text)


def _time(value: Any, name: str) -> float:
    """Seconds since the epoch, from a number or from a time as ISO 8601 has it; UTC where it does not say."""
    seconds = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        try:
            at = datetime.datetime.fromisoformat(value)
            seconds = (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).timestamp()
        except (ValueError, OverflowError):
            pass
    if not 0 <= seconds < 1e11:
        raise WatchRefusal(WatchCode.INVALID_VALUE, f"The parameter {name} must be a time such as 2026-01-02T03:04:05Z.")
    return seconds


def _minute(seconds: float) -> int:
    return int(seconds // 60) * 60


def _dimensions(value: Any) -> Mapping[str, str]:
    if not isinstance(value, list | None) or not all(isinstance(one, dict) for one in value or ()):
        raise WatchRefusal(WatchCode.INVALID_VALUE, "The parameter Dimensions must be a list of Name and Value.")
    return {_text(one.get("Name"), "Dimensions"): _text(one.get("Value"), "Dimensions") for one in value or ()}


def _shown(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
