"""Distributions: what is shown of them, which updates are taken, and the one thing in a configuration that has an effect."""

from __future__ import annotations

import re

import pytest
from cloudfrontkit import INVALIDATION, NAMESPACE, PATH, batch, code, stage, text, texts
from dialectkit import Stage, fields
from invalidationkit import stored_at

from edgecache.control.dialects.call import Reply
from edgecache.control.dialects.cloudfront.distributions import CONFIG_BYTES, MOST_UPDATED

CONFIG = PATH + "/config"


async def config_of(on: Stage, target: str = CONFIG) -> tuple[str, str]:
    """The configuration and its ETag."""
    reply = await on.call("GET", target)
    return reply.content.decode(), fields(reply, "ETag")[0]


async def update(on: Stage, old: str, new: str) -> Reply:
    """The configuration with something in it replaced."""
    config, etag = await config_of(on)
    assert old in config
    return await on.call("PUT", CONFIG, config.replace(old, new, 1), headers={"If-Match": etag})


async def name_tag_field(on: Stage, name: str) -> Reply:
    return await update(
        on, "</DistributionConfig>", f"<CacheTagConfig><HeaderName>{name}</HeaderName></CacheTagConfig></DistributionConfig>"
    )


IDS = [{"id": "E1", "name": "the shop", "hosts": ("www.example.com", "example.com"), "site": "default"}, {"id": "E2"}, {"id": "E3"}]


async def test_what_is_listed_are_those_of_the_settings() -> None:
    on = stage(ids=IDS)
    reply = await on.call("GET", "/2020-05-31/distribution")
    assert texts(reply, "Items/DistributionSummary/Id") == ["E1", "E2", "E3"]
    assert texts(reply, "Items/DistributionSummary/Aliases/Items/CNAME") == ["www.example.com", "example.com"]
    assert texts(reply, "Items/DistributionSummary/Comment")[0] == "the shop"
    page = await on.call("GET", "/2020-05-31/distribution?MaxItems=1&Marker=E1")
    assert (texts(page, "Items/DistributionSummary/Id"), text(page, "NextMarker")) == (["E2"], "E2")
    none = await stage().call("GET", "/2020-05-31/distribution")
    assert (none.status, text(none, "Quantity")) == (200, "0")
    assert "[[vendor]]" in fields(none, "Edgecache-Warning")[0]


async def test_a_distribution_and_its_configuration() -> None:
    on = stage(ids=IDS)
    reply = await on.call("GET", PATH)
    config, etag = await config_of(on)
    assert (text(reply, "Id"), text(reply, "Status")) == ("E1", "Deployed")
    assert text(reply, "DomainName") == "127.0.0.1:8080"
    assert texts(reply, "DistributionConfig/Origins/Items/Origin/DomainName") == ["localhost"]
    assert fields(reply, "ETag") == [etag]
    assert re.fullmatch("E[0-9A-F]{13}", etag)
    inner = re.search("<DistributionConfig>.*</DistributionConfig>", reply.content.decode())
    assert inner is not None
    assert inner[0] in config.replace(f' xmlns="{NAMESPACE}"', "")
    assert code(await on.call("GET", "/2020-05-31/distribution/E9")) == "NoSuchDistribution"
    assert code(await on.call("GET", "/2020-05-31/distribution/E9/config")) == "NoSuchDistribution"


async def test_an_update_is_kept_and_shown() -> None:
    on = stage(ids=IDS)
    before, etag = await config_of(on)
    on.clock.pass_time(3600)
    reply = await update(on, "<Comment>the shop</Comment>", "<Comment>ours</Comment>")
    assert (reply.status, text(reply, "DistributionConfig", "Comment")) == (200, "ours")
    assert text(reply, "LastModifiedTime") == "2030-03-17T18:46:40.000Z"
    after, new_etag = await config_of(on)
    assert after == before.replace("the shop", "ours")
    assert fields(reply, "ETag") == [new_etag] != [etag]
    assert fields(reply, "Edgecache-Warning") == [
        "Comment: the change is kept and shown, and without effect here; what edgecache does is in its settings file"
    ]
    listed = await on.call("GET", "/2020-05-31/distribution")
    assert texts(listed, "Items/DistributionSummary/Comment")[0] == "ours"
    on.desk.forget()
    assert await config_of(on) == (before, etag)


async def test_an_update_of_what_has_changed_meanwhile() -> None:
    on = stage()
    config, etag = await config_of(on)
    assert (await update(on, "<Enabled>true", "<Enabled>false")).status == 200
    for if_match, status, error in [
        (etag, 412, "PreconditionFailed"),
        (None, 400, "InvalidIfMatchVersion"),
        ("", 400, "InvalidIfMatchVersion"),
    ]:
        headers = {} if if_match is None else {"If-Match": if_match}
        reply = await on.call("PUT", CONFIG, config, headers=headers)
        assert (reply.status, code(reply)) == (status, error)
    _, now = await config_of(on)
    assert (await on.call("PUT", CONFIG, config, headers={"If-Match": f'"{now}"'})).status == 200


@pytest.mark.parametrize(
    "old, new, error, said",
    [
        ("<CallerReference>E1<", "<CallerReference>E2<", "IllegalUpdate", ""),
        ("<Comment/>", "", "InvalidArgument", "no Comment"),
        ("DistributionConfig xmlns", "Distribution xmlns", "MalformedXML", ""),
        ("<Origins><Quantity>1", "<Origins><Quantity>2", "InconsistentQuantities", "Origins"),
        ("<Enabled>false</Enabled></OriginShield>", "<Enabled>no</Enabled></OriginShield>", "InvalidArgument", "neither true nor false"),
        ("<Enabled>false</Enabled></OriginShield>", "<Enabled>true</Enabled></OriginShield>", "InvalidArgument", "OriginShieldRegion"),
        ("<Comment/>", "<Comment/><CacheTagConfig/>", "InvalidArgument", "no name of a response field"),
        ("<Comment/>", "<Comment/><CacheTagConfig><HeaderName>a b</HeaderName></CacheTagConfig>", "InvalidArgument", "'a b'"),
        ("<Comment/>", f"<Comment>{'x' * CONFIG_BYTES}</Comment>", "InvalidArgument", "at most"),
    ],
    ids=lambda value: value[:60],
)
async def test_what_an_update_refuses(old: str, new: str, error: str, said: str) -> None:
    on = stage()
    before = await config_of(on)
    reply = await update(on, old, new)
    assert (reply.status, code(reply)) == (400, error)
    assert said in reply.content.decode() + " ".join(fields(reply, "Edgecache-Warning")).replace("'", "'")
    assert await config_of(on) == before


async def test_an_empty_update() -> None:
    on = stage()
    _, etag = await config_of(on)
    assert code(await on.call("PUT", CONFIG, b"", headers={"If-Match": etag})) == "MissingBody"


async def test_an_origin_shield_is_kept_and_has_no_effect() -> None:
    on = stage()
    region = "<Enabled>true</Enabled><OriginShieldRegion>eu-west-1</OriginShieldRegion></OriginShield>"
    reply = await update(on, "<Enabled>false</Enabled></OriginShield>", region)
    assert texts(reply, "DistributionConfig/Origins/Items/Origin/OriginShield/OriginShieldRegion") == ["eu-west-1"]
    assert [one.partition(":")[0] for one in fields(reply, "Edgecache-Warning")] == [
        "OriginShield is kept and shown, and without effect here"
    ]
    off = await update(on, region, "<Enabled>false</Enabled></OriginShield>")
    assert not fields(off, "Edgecache-Warning")


@pytest.mark.parametrize(
    "value, tag, meant",
    [
        ("product:1, news", "news", True),
        ("product:1, news", "product:1", True),
        ("news", "news", True),
        ("News", "nEWS", True),
        ("a,news\t,b", "news", True),
        ("newsroom", "news", False),
        ("news room", "news", False),
        ("product:1 news", "news", False),  # only commas separate
        ("a.b", "a.b", True),
        ("axb", "a.b", False),
        ("a*", "a*", True),
        ("ab", "a*", False),
        ('q"\\|()[]{}^$+?', 'q"\\|()[]{}^$+?', True),
        ("grün", "grün", True),
    ],
)
async def test_the_named_field_alone_carries_tags(value: str, tag: str, meant: bool) -> None:
    on = stage()
    assert (await name_tag_field(on, "X-Amz-Meta-Tags")).status == 200
    kept = stored_at(0, "http://h/a", fields=[(b"x-amz-meta-tags",) * 2 + (value.encode(),)])
    elsewhere = stored_at(0, "http://h/b", fields=[(b"cache-tag", b"cache-tag", b"news")], tags=("news",))
    reply = await on.call("POST", INVALIDATION, batch(f"#{tag}"))
    assert (reply.status, fields(reply, "Edgecache-Warning")) == (201, [] if not tag.endswith("*") else fields(reply, "Edgecache-Warning"))
    judged = [type(on.log.judge(one)).__name__ for one in (kept, elsewhere)]
    assert judged == ["HardCovered" if meant else "Clean", "Clean"]


async def test_without_a_named_field_all_fields_of_the_profile_count() -> None:
    on = stage()
    await name_tag_field(on, "Edge-Tags")
    config, etag = await config_of(on)
    without = re.sub("<CacheTagConfig>.*</CacheTagConfig>", "", config)
    assert (await on.call("PUT", CONFIG, without, headers={"If-Match": etag})).status == 200
    await on.call("POST", INVALIDATION, batch("#news"))
    assert on.appended == [("tag", "news", "", False)]


async def test_a_name_is_of_one_distribution() -> None:
    on = stage(ids=[{"id": "E1", "site": "default"}, {"id": "E2", "site": ""}])
    await name_tag_field(on, "Tags")
    await on.call("POST", INVALIDATION, batch("#news"))
    await on.call("POST", INVALIDATION.replace("E1", "E2"), batch("#news"))
    assert [(kind, site) for kind, _, site, _ in on.appended] == [("ban", "default"), ("tag", "")]


async def test_updates_are_bounded() -> None:
    on = stage()
    for number in range(MOST_UPDATED + 1):
        target = f"/2020-05-31/distribution/D{number}/config"
        config, etag = await config_of(on, target)
        done = await on.call("PUT", target, config.replace("<Comment/>", "<Comment>x</Comment>"), headers={"If-Match": etag})
        assert done.status == 200
    comments = [(await on.call("GET", f"/2020-05-31/distribution/D{number}/config")).content.count(b"<Comment>x<") for number in (0, 1)]
    assert comments == [0, 1]
