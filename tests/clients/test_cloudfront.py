"""boto3, awscli and Wagtail's backend, unmodified, against a running edge: the content changes, or the client gets the error."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
import re
import shlex
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError
from wirekit import Kit, fresh, running_kit

from edgecache.config import CredentialSettings, VendorSettings
from edgecache.control.dialects.faults import Fault, Wanted

ID = "E1234567890ABC"
KEY, SECRET = "AKIDEXAMPLE", "wJalr/XUtn+FEMI"
PATIENCE_S = 60.0


def vendor(**row: Any) -> VendorSettings:
    return VendorSettings(vendor="cloudfront", **row)


@pytest.fixture
async def kit() -> AsyncIterator[Kit]:
    async with running_kit({}) as running:
        yield running


async def fill(kit: Kit, *targets: str, fields: Mapping[str, tuple[str, ...]] | None = None) -> None:
    """Have these stored; the origin has something newer."""
    for target in targets:
        lines = (fields or {}).get(target, ())
        kit.origin.answer(target, fresh(b"old", *lines))
        assert (await kit.get(target)).body == b"old"
        kit.origin.answer(target, fresh(b"new", *lines))


async def changed(kit: Kit, *targets: str) -> list[str]:
    """Of which of these the newer content comes now."""
    return [target for target in targets if (await kit.get(target)).body == b"new"]


@contextlib.contextmanager
def client(kit: Kit, service: str = "cloudfront", token: str | None = None, **config: Any) -> Iterator[Any]:
    """A client of boto3, without a second attempt unless asked for."""
    made = boto3.session.Session().client(
        service,
        endpoint_url=kit.edge.control_url,
        region_name=config.pop("region", "us-east-1"),
        aws_access_key_id=KEY,
        aws_secret_access_key=config.pop("secret", SECRET),
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": config.pop("attempts", 1), "mode": "standard"}, **config),
    )
    try:
        yield made
    finally:
        made.close()


def batch(*paths: str, reference: str = "r1", quantity: int | None = None) -> dict[str, Any]:
    return {"Paths": {"Quantity": len(paths) if quantity is None else quantity, "Items": list(paths)}, "CallerReference": reference}


async def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What boto3 returns, without the edge waiting for it."""
    return await asyncio.wait_for(asyncio.to_thread(function, *args, **kwargs), PATIENCE_S)


async def error_of(function: Callable[..., Any], **kwargs: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        await call(function, **kwargs)
    return caught.value


# -- boto3 ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "paths, gone",
    [
        (["/a"], ["/a"]),
        (["/a?x=1"], ["/a?x=1"]),
        (["/images/*"], ["/images/", "/images/b"]),
        (["/images*"], ["/images", "/images/", "/images/b"]),
        (["/*"], ["/a", "/a?x=1", "/A", "/images", "/images/", "/images/b", "/%C3%BC"]),
        (["/ü"], ["/%C3%BC"]),
        (["/%C3%BC"], ["/%C3%BC"]),
        (["#product:electronics"], ["/a"]),
        (["#NEWS", "/images"], ["/a", "/images", "/images/b"]),
        (["/i*s/b"], []),
    ],
)
async def test_boto3_invalidates(kit: Kit, paths: list[str], gone: list[str]) -> None:
    every = ["/a", "/a?x=1", "/A", "/images", "/images/", "/images/b", "/%C3%BC"]
    await fill(kit, *every, fields={"/a": ("Cache-Tag: product:electronics,news",), "/images/b": ("Cache-Tag: news",)})
    with client(kit) as cloudfront:
        made = await call(cloudfront.create_invalidation, DistributionId=ID, InvalidationBatch=batch(*paths))
        assert made["Invalidation"]["Status"] == "InProgress"
        assert made["Invalidation"]["InvalidationBatch"] == batch(*paths)
        assert made["Location"].endswith(f"/invalidation/{made['Invalidation']['Id']}")
        assert await changed(kit, *every) == gone
        waiter = cloudfront.get_waiter("invalidation_completed")
        await call(waiter.wait, DistributionId=ID, Id=made["Invalidation"]["Id"])
        got = await call(cloudfront.get_invalidation, DistributionId=ID, Id=made["Invalidation"]["Id"])
        assert got["Invalidation"]["Status"] == "Completed"
        assert got["Invalidation"]["CreateTime"] == datetime.datetime.fromtimestamp(kit.clock.now(), datetime.UTC)


async def test_boto3_tenants(kit: Kit) -> None:
    await fill(kit, "/a")
    with client(kit) as cloudfront:
        made = await call(cloudfront.create_invalidation_for_distribution_tenant, Id="dt_1", InvalidationBatch=batch("/a"))
        assert await changed(kit, "/a") == ["/a"]
        id = made["Invalidation"]["Id"]
        await call(cloudfront.get_waiter("invalidation_for_distribution_tenant_completed").wait, DistributionTenantId="dt_1", Id=id)
        listed = await call(cloudfront.list_invalidations_for_distribution_tenant, Id="dt_1")
        assert [one["Id"] for one in listed["InvalidationList"]["Items"]] == [id]


async def test_boto3_lists_in_pages(kit: Kit) -> None:
    with client(kit) as cloudfront:
        ids = []
        for number in range(5):
            made = await call(cloudfront.create_invalidation, DistributionId=ID, InvalidationBatch=batch("/a", reference=str(number)))
            ids.append(made["Invalidation"]["Id"])

        def every() -> list[str]:
            pages = cloudfront.get_paginator("list_invalidations").paginate(DistributionId=ID, PaginationConfig={"PageSize": 2})
            return [one["Id"] for page in pages for one in page["InvalidationList"].get("Items", [])]

        assert await call(every) == ids[::-1]
        assert "Items" not in (await call(cloudfront.list_invalidations, DistributionId="E2"))["InvalidationList"]


async def test_boto3_waits_for_what_is_delayed(kit: Kit) -> None:
    await fill(kit, "/a")
    kit.edge.desk.faults.add(Wanted(Fault.DELAY, wait_s=30.0), kit.clock.now())
    with client(kit) as cloudfront:
        made = await call(cloudfront.create_invalidation, DistributionId=ID, InvalidationBatch=batch("/a"))
        waiter = cloudfront.get_waiter("invalidation_completed")
        asked = {"DistributionId": ID, "Id": made["Invalidation"]["Id"]}
        with pytest.raises(WaiterError, match="Max attempts"):
            await call(waiter.wait, **asked, WaiterConfig={"Delay": 0, "MaxAttempts": 3})
        assert await changed(kit, "/a") == []
        kit.clock.pass_time(31.0)
        await kit.edge.desk.delays.append_due()
        await call(waiter.wait, **asked)
        assert await changed(kit, "/a") == ["/a"]


@pytest.mark.parametrize(
    "asked, code, status",
    [
        ({"DistributionId": "E9"}, "NoSuchDistribution", 404),
        ({"InvalidationBatch": batch("a")}, "InvalidArgument", 400),
        ({"InvalidationBatch": batch("/" + "x" * 4000)}, "InvalidArgument", 400),
        ({"InvalidationBatch": batch("/a", reference="")}, "InvalidArgument", 400),
        ({"InvalidationBatch": batch("/a", quantity=5)}, "InconsistentQuantities", 400),
        ({"InvalidationBatch": batch(*(f"/{n}" for n in range(3001)))}, "TooManyInvalidationsInProgress", 400),
        ({"InvalidationBatch": batch(*(f"/{n}*" for n in range(16)))}, "TooManyInvalidationsInProgress", 400),
        ({"InvalidationBatch": batch("/" + "x" * 2**20)}, "BatchTooLarge", 413),
        ({"InvalidationBatch": batch("/b", reference="used")}, "InvalidationBatchAlreadyExists", 400),
    ],
)
async def test_boto3_errors(asked: dict[str, Any], code: str, status: int) -> None:
    async with running_kit({"vendor": [vendor(id=ID)]}) as kit:
        await fill(kit, "/a", "/c")
        with client(kit) as cloudfront:
            await call(cloudfront.create_invalidation, DistributionId=ID, InvalidationBatch=batch("/c", reference="used"))
            error = await error_of(cloudfront.create_invalidation, **{"DistributionId": ID, "InvalidationBatch": batch("/a"), **asked})
            assert (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
            assert error.response["ResponseMetadata"]["RequestId"]
            assert code == "InvalidationBatchAlreadyExists" or isinstance(error, getattr(cloudfront.exceptions, code))  # no class for it
            missing = await error_of(cloudfront.get_invalidation, DistributionId=ID, Id="I0")
            assert isinstance(missing, cloudfront.exceptions.NoSuchInvalidation)
        assert await changed(kit, "/a") == []


@pytest.mark.parametrize(
    "fault, code, status, attempts",
    [
        (Fault.RATE_LIMIT, "Throttling", 400, 3),
        (Fault.UNAVAILABLE, "ServiceUnavailable", 503, 3),
        (Fault.ERROR, "InternalError", 500, 3),
    ],
)
async def test_boto3_tries_again(kit: Kit, fault: Fault, code: str, status: int, attempts: int) -> None:
    await fill(kit, "/a")
    active = kit.edge.desk.faults.add(Wanted(fault), kit.clock.now())
    assert active is not None
    with client(kit, attempts=attempts) as cloudfront:
        error = await error_of(cloudfront.create_invalidation, DistributionId=ID, InvalidationBatch=batch("/a"))
        assert (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
        assert (active.struck, await changed(kit, "/a")) == (attempts, [])
        kit.edge.desk.faults.clear()
        kit.edge.desk.faults.add(Wanted(fault, count=1), kit.clock.now())
        await call(cloudfront.create_invalidation, DistributionId=ID, InvalidationBatch=batch("/a"))
    assert await changed(kit, "/a") == ["/a"]


async def test_boto3_distributions_and_the_field_of_tags() -> None:
    rows = [vendor(id=ID, name="shop", hosts=("www.example.com",)), vendor(id="E2")]
    async with running_kit({"vendor": rows}) as kit:
        await fill(kit, "/a", "/b", fields={"/a": ("Edge-Tags: news, sport",), "/b": ("Cache-Tag: news",)})
        with client(kit) as cloudfront:
            listed = (await call(cloudfront.list_distributions))["DistributionList"]["Items"]
            assert [(one["Id"], one["Aliases"].get("Items")) for one in listed] == [(ID, ["www.example.com"]), ("E2", None)]
            await call(cloudfront.get_waiter("distribution_deployed").wait, Id=ID)
            got = await call(cloudfront.get_distribution_config, Id=ID)
            config = {**got["DistributionConfig"], "CacheTagConfig": {"HeaderName": "edge-tags"}}
            config["Origins"]["Items"][0]["OriginShield"] = {"Enabled": True, "OriginShieldRegion": "us-east-1"}
            updated = await call(cloudfront.update_distribution, Id=ID, IfMatch=got["ETag"], DistributionConfig=config)
            assert updated["Distribution"]["DistributionConfig"] == config
            again = await call(cloudfront.get_distribution_config, Id=ID)
            assert (again["DistributionConfig"], again["ETag"]) == (config, updated["ETag"])
            stale = await error_of(cloudfront.update_distribution, Id=ID, IfMatch=got["ETag"], DistributionConfig=config)
            assert isinstance(stale, cloudfront.exceptions.PreconditionFailed)
            none = await error_of(cloudfront.update_distribution, Id=ID, DistributionConfig=config)
            assert isinstance(none, cloudfront.exceptions.InvalidIfMatchVersion)
            await call(cloudfront.create_invalidation, DistributionId=ID, InvalidationBatch=batch("#News"))
            assert await changed(kit, "/a", "/b") == ["/a"]  # the field that is named, alone
            await call(cloudfront.create_invalidation, DistributionId="E2", InvalidationBatch=batch("#News"))
            assert await changed(kit, "/a", "/b") == ["/a", "/b"]


@pytest.mark.parametrize(
    "how, code",
    [
        ({}, None),
        ({"token": "a/session+token=="}, None),
        ({"region": "eu-west-1"}, None),
        ({"secret": "another"}, "SignatureDoesNotMatch"),
        ({"signature_version": UNSIGNED}, "MissingAuthenticationToken"),
    ],
)
async def test_boto3_with_keys(how: dict[str, Any], code: str | None) -> None:
    keys = [CredentialSettings(vendor="cloudfront", id=KEY, secret=SECRET)]
    async with running_kit({"credential": keys, "vendor": [vendor(id="E1 /ü")]}) as kit:
        kit.clock.wall = time.time()
        await fill(kit, "/a")
        with client(kit, **how) as cloudfront:
            asked = {"DistributionId": "E1 /ü", "InvalidationBatch": batch("/a", "/ü")}
            if code is None:
                await call(cloudfront.create_invalidation, **asked)
                await call(cloudfront.list_invalidations, DistributionId="E1 /ü", MaxItems="1")
            else:
                assert (await error_of(cloudfront.create_invalidation, **asked)).response["Error"]["Code"] == code
        assert await changed(kit, "/a") == ([] if code else ["/a"])
        with client(kit, "cloudwatch", **how) as cloudwatch:
            asked = {"Namespace": "AWS/CloudFront", "MetricName": "Requests", "Period": 60, "Statistics": ["Sum"]}
            times = {"StartTime": time.time() - 600, "EndTime": time.time() + 600}
            if code is None:
                await call(cloudwatch.get_metric_statistics, **asked, **times)
            else:
                assert (await error_of(cloudwatch.get_metric_statistics, **asked, **times)).response["Error"]["Code"] == code


async def test_boto3_figures(kit: Kit) -> None:
    await fill(kit, "/a")  # a miss and
    await kit.get("/a")  # a hit
    await kit.get("/none")
    dimensions = [{"Name": "DistributionId", "Value": ID}, {"Name": "Region", "Value": "Global"}]
    now = kit.clock.now()
    asked = {"Namespace": "AWS/CloudFront", "Dimensions": dimensions, "StartTime": now - 600, "EndTime": now + 600, "Period": 300}
    with client(kit, "cloudwatch") as cloudwatch:
        for metric, statistic, expected in [
            ("Requests", "Sum", 3.0),
            ("BytesDownloaded", "Sum", 6.0 + len("no such page")),
            ("4xxErrorRate", "Average", pytest.approx(100 / 3)),
            ("5xxErrorRate", "Average", 0.0),
            ("CacheHitRate", "Average", 50.0),
        ]:
            got = await call(cloudwatch.get_metric_statistics, **asked, MetricName=metric, Statistics=[statistic])
            (point,) = got["Datapoints"]
            assert (got["Label"], point[statistic]) == (metric, expected)
            assert abs(point["Timestamp"].timestamp() - now) < 300
        error = await error_of(cloudwatch.get_metric_statistics, **{**asked, "Period": 90}, MetricName="Requests", Statistics=["Sum"])
        assert error.response["Error"]["Code"] == "InvalidParameterValue"
        assert isinstance(error, cloudwatch.exceptions.InvalidParameterValueException)


# -- awscli ---------------------------------------------------------------------------------------------------------------------------


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(kit: Kit, home: Path) -> dict[str, str]:
    """Variables as somebody would set them who points AWS's clients here."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "HOME": str(home),
        "AWS_ENDPOINT_URL": kit.edge.control_url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


async def run(env: Mapping[str, str], *arguments: str) -> Ended:
    """Run this Python with these arguments."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


Aws = Callable[..., Any]


@pytest.fixture
def aws(kit: Kit, tmp_path: Path) -> Aws:
    """`await aws("cloudfront", "create-invalidation", …)`."""
    return lambda *arguments: run(environment(kit, tmp_path), "-m", "awscli", *arguments)


async def test_awscli_from_create_to_completed(kit: Kit, aws: Aws) -> None:
    await fill(kit, "/static/app.js", "/static/style.css", "/b", fields={"/b": ("Cache-Tag: product:electronics",)})
    of = ("--distribution-id", ID)
    made = await aws("cloudfront", "create-invalidation", *of, "--paths", "/static/app.js", "#product:electronics")
    assert (made.code, made.err) == (0, "")
    assert await changed(kit, "/static/app.js", "/static/style.css", "/b") == ["/static/app.js", "/b"]
    id = made.json["Invalidation"]["Id"]
    waited = await aws("cloudfront", "wait", "invalidation-completed", *of, "--id", id)
    assert waited == (0, "", "")
    got = await aws("cloudfront", "get-invalidation", *of, "--id", id)
    assert got.json["Invalidation"]["Status"] == "Completed"
    assert got.json["Invalidation"]["InvalidationBatch"]["Paths"]["Items"] == ["/static/app.js", "#product:electronics"]
    all_of_it = await aws("cloudfront", "create-invalidation", *of, "--paths", "/*", "--query", "Invalidation.Id", "--output", "text")
    assert await changed(kit, "/static/style.css") == ["/static/style.css"]
    listed = await aws("cloudfront", "list-invalidations", *of, "--page-size", "1", "--query", "InvalidationList.Items[].Id")
    assert listed.json == [all_of_it.out.strip(), id]


async def test_awscli_as_the_page_says(kit: Kit, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "purge-cloudfront.md").read_text("utf-8")
    (block,) = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line.replace("http://127.0.0.1:8081", kit.edge.control_url)) for line in block.splitlines()]
    exported = dict(word.split("=", 1) for line in lines if line[0] == "export" for word in line[1:])
    env = {name: value for name, value in environment(kit, tmp_path).items() if not name.startswith("AWS_")} | exported
    await fill(kit, "/static/app.js", "/b", fields={"/b": ("Cache-Tag: product:electronics",)})
    (command,) = [line[1:] for line in lines if line[0] == "aws"]
    ended = await run(env, "-m", "awscli", *command)
    assert (ended.code, ended.err) == (0, "")
    assert await changed(kit, "/static/app.js", "/b") == ["/static/app.js", "/b"]


@pytest.mark.parametrize(
    "arguments, code",
    [
        (("create-invalidation", "--distribution-id", ID, "--paths", "a"), "InvalidArgument"),
        (("create-invalidation", "--distribution-id", ID, "--paths", *(f"/{n}*" for n in range(16))), "TooManyInvalidationsInProgress"),
        (("wait", "invalidation-completed", "--distribution-id", ID, "--id", "I0"), "NoSuchInvalidation"),
    ],
)
async def test_awscli_errors(kit: Kit, aws: Aws, arguments: tuple[str, ...], code: str) -> None:
    ended = await aws("cloudfront", *arguments)
    assert (ended.code, ended.out) == (255, "")
    assert f"An error occurred ({code})" in ended.err
    assert kit.edge.log.head == 0


async def test_awscli_changes_a_distribution(kit: Kit, aws: Aws, tmp_path: Path) -> None:
    got = await aws("cloudfront", "get-distribution-config", "--id", ID)
    config = {**got.json["DistributionConfig"], "CacheTagConfig": {"HeaderName": "Edge-Tags"}}
    file = tmp_path / "dist-config.json"
    file.write_text(json.dumps(config))
    etag = got.json["ETag"]
    updated = await aws("cloudfront", "update-distribution", "--id", ID, "--if-match", etag, "--distribution-config", f"file://{file}")
    assert updated.json["Distribution"]["DistributionConfig"] == config


async def test_awscli_figures(kit: Kit, aws: Aws) -> None:
    await kit.get("/none")
    at = datetime.datetime.fromtimestamp(kit.clock.now(), datetime.UTC)
    start, end = ((at + datetime.timedelta(hours=hours)).isoformat() for hours in (-1, 1))
    asked = ("--namespace", "AWS/CloudFront", "--metric-name", "Requests", "--start-time", start, "--end-time", end, "--period", "3600")
    got = await aws("cloudwatch", "get-metric-statistics", *asked, "--statistics", "Sum", "--dimensions", f"Name=DistributionId,Value={ID}")
    assert [(point["Sum"], point["Unit"]) for point in got.json["Datapoints"]] == [(1.0, "None")]


# -- Wagtail --------------------------------------------------------------------------------------------------------------------------

# In a process of its own: it has settings for the whole process, and logs what went wrong instead of raising it.
BACKEND = """
import json, logging, sys
from django.conf import settings
settings.configure()
logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
from wagtail.contrib.frontend_cache.backends.cloudfront import CloudfrontBackend
CloudfrontBackend({"DISTRIBUTION_ID": sys.argv[1]}).purge_batch(json.loads(sys.argv[2]))
"""


@pytest.mark.parametrize(
    "id, urls, gone, logged",
    [
        (ID, ["https://www.example.com/a/?q=1", "https://www.example.com"], ["/", "/a/?q=1"], ""),
        (
            "E9",
            ["https://www.example.com/a/"],
            [],
            "Couldn't purge path '/a/' from CloudFront (DistributionId=E9). ClientError: NoSuchDistribution",
        ),
    ],
)
async def test_wagtail(tmp_path: Path, id: str, urls: list[str], gone: list[str], logged: str) -> None:
    async with running_kit({"vendor": [vendor(id=ID)]}) as kit:
        await fill(kit, "/", "/a/", "/a/?q=1")
        env = {**environment(kit, tmp_path), "AWS_ENDPOINT_URL_CLOUDFRONT": kit.edge.control_url}
        ended = await run(env, "-W", "ignore", "-c", BACKEND, id, json.dumps(urls))
        assert (ended.code, ended.out, ended.err[: len(logged)], bool(ended.err)) == (0, "", logged, bool(logged)), ended.err
        assert await changed(kit, "/", "/a/", "/a/?q=1") == gone
