"""The tables of a settings file that may stand there several times: sites, and rules for some of their URLs."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edgecache.config.table import Group, Kind, Setting, rows_of, seconds

DEFAULT_SITE = "default"


class SiteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One [[site]]: its own origin, and the hosts that it answers to. Texts as in Settings; an empty one means "not set"."""

    name: Annotated[str, Setting(Group.NAMES, Kind.PSEUDONYM, "What the site is called in statistics, rules and purges.")]
    origin: Annotated[str, Setting(Group.NAMES, Kind.ORIGIN, "Where it is: http://HOST:PORT, https://HOST or unix:/PATH.")]
    hosts: Annotated[
        tuple[str, ...],
        Setting(
            Group.NAMES,
            Kind.PATTERNS,
            "Which Host it answers to: HOST for every port, HOST:PORT, *.HOST for all names below it, or * for any. The closest one "
            "of all sites counts. The host of public_url and the aliases need not be repeated.",
        ),
    ] = ()
    public_url: Annotated[
        str, Setting(Group.NAMES, Kind.PUBLIC_URL, "The URL under which the world knows it, as the setting public_url says it.")
    ] = ""
    aliases: Annotated[
        tuple[str, ...], Setting(Group.NAMES, Kind.AUTHORITIES, "Further names; what is stored under public_url is theirs too.")
    ] = ()
    origin_host: Annotated[
        str, Setting(Group.NAMES, Kind.AUTHORITY, "Host sent to its origin; empty means what it means for the setting origin_host.")
    ] = ""


class RuleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One [[rule]]: what is special about the URLs whose path it matches. The first rule that matches a URL applies, alone."""

    path: Annotated[
        str,
        Setting(
            Group.CACHING,
            Kind.PATH,
            "Which URLs, by their path as it stands in them: all of it, * standing for any characters, slashes too. The query is not "
            "looked at.",
        ),
    ]
    site: Annotated[
        str, Setting(Group.CACHING, Kind.PSEUDONYM, "Name of the one site that it is for; default is the one of origin. Empty: all.")
    ] = ""
    ttl_s: Annotated[
        float | None,
        seconds(Group.CACHING, "How long a response is fresh that does not say it itself. Left out: as the profile has it.", 0),
    ] = None
    force: Annotated[
        bool, Setting(Group.CACHING, Kind.SWITCH, "Whether ttl_s counts whatever a response says itself about being stored and fresh.")
    ] = False
    bypass: Annotated[bool, Setting(Group.CACHING, Kind.SWITCH, "Whether requests go to the origin and nothing is stored.")] = False
    ignore_query: Annotated[
        tuple[str, ...],
        Setting(Group.CACHING, Kind.PARAMETERS, "Query parameters that make no difference; * stands for any characters, as in utm_*."),
    ] = ()
    sort_query: Annotated[bool, Setting(Group.CACHING, Kind.SWITCH, "Whether the order of the query parameters makes no difference.")] = (
        False
    )
    key_headers: Annotated[
        tuple[str, ...], Setting(Group.CACHING, Kind.FIELDS, "Request fields by whose values responses are kept apart.")
    ] = ()
    key_cookies: Annotated[
        tuple[str, ...], Setting(Group.CACHING, Kind.COOKIES, "Cookies of requests by whose values responses are kept apart.")
    ] = ()


SITE_SETTINGS = rows_of(SiteSettings)
RULE_SETTINGS = rows_of(RuleSettings)
