"""Settings that can be used one by one, but not together."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping

from edgecache.config.hosts import is_loopback, parse_listen
from edgecache.config.origin import parse_public_url
from edgecache.config.secret_file import read_secret
from edgecache.config.settings import Settings, sites_of
from edgecache.config.sites import DEFAULT_SITE, RULE_SETTINGS, RuleSettings, SiteSettings
from edgecache.config.store import store_folder
from edgecache.config.tables import Placed
from edgecache.config.values import ConfigError, shown
from edgecache.config.vendors import Vendor


def check_together(settings: Settings, places: Mapping[str, str], tables: Placed) -> None:
    """ConfigError with one sentence when an edge cannot be run with these settings. `places` says where each setting was given."""
    _check_listeners(settings, places)
    _check_paths(settings, places)
    _check_sites(settings, places, tables)
    for rule, place in zip(settings.rule, tables.rule_places, strict=True):
        _check_rule(rule, place, settings)
    _check_vendors(settings, tables)


def _check_listeners(settings: Settings, places: Mapping[str, str]) -> None:
    control = parse_listen(settings.control)
    if control[1] and control == parse_listen(settings.listen):
        place = places.get("control") or places.get("listen", "control")
        raise ConfigError(f"{place}: listen and control are both {settings.control}; give each a port of its own")
    if not settings.control_token and not is_loopback(control[0]):
        raise ConfigError(
            f"{places.get('control', 'control')}: other machines can reach {settings.control}; "
            f"set control_token, or let control listen on 127.0.0.1:{control[1]}"
        )
    if settings.varnishadm:
        _check_varnishadm(settings, places)


def _check_varnishadm(settings: Settings, places: Mapping[str, str]) -> None:
    admin = parse_listen(settings.varnishadm)
    for other in ("listen", "control"):
        if admin[1] and admin == parse_listen(getattr(settings, other)):
            raise ConfigError(f"{places['varnishadm']}: {other} and varnishadm are both {settings.varnishadm}; give each a port of its own")
    if not settings.varnishadm_secret and not is_loopback(admin[0]):
        raise ConfigError(
            f"{places['varnishadm']}: other machines can reach {settings.varnishadm}; "
            f"set varnishadm_secret, or let varnishadm listen on 127.0.0.1:{admin[1]}"
        )


def _check_paths(settings: Settings, places: Mapping[str, str]) -> None:
    ca_file = settings.origin_ca_file
    if ca_file and not (os.path.isfile(ca_file) and os.access(ca_file, os.R_OK)):
        raise ConfigError(f"{places['origin_ca_file']}: {shown(ca_file)} cannot be read; name a PEM file")
    if settings.varnishadm_secret:
        try:
            read_secret(settings.varnishadm_secret)
        except ConfigError as error:
            raise ConfigError(f"{places['varnishadm_secret']}: {error}") from None
    folder = store_folder(settings)
    if folder is not None and os.path.lexists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"{places.get('store', 'store')}: {shown(str(folder))} is not a folder; name one, or write memory")


def _check_sites(settings: Settings, places: Mapping[str, str], tables: Placed) -> None:
    if settings.aliases and not settings.public_url:
        raise ConfigError(f"{places['aliases']}: aliases are further names beside public_url, which is not set; set it too")
    if settings.site and not settings.origin:
        for name in ("public_url", "aliases", "origin_host"):
            if getattr(settings, name):
                raise ConfigError(f"{places[name]}: {name} is for the site of origin, which is not set; write {name} below a [[site]]")
    by_name = {DEFAULT_SITE: places.get("origin", "origin")}
    for site, place in zip(settings.site, tables.site_places, strict=True):
        if site.name == DEFAULT_SITE:
            raise ConfigError(f"{place}, name: {DEFAULT_SITE} is the name of the site that the setting origin describes; choose another")
        if site.name in by_name:
            raise ConfigError(f"{place}, name: {by_name[site.name]} has this name too; choose another")
        if not site.hosts and not site.public_url:
            raise ConfigError(f'{place}: nothing leads to it; write hosts = ["shop.localhost"] or the like, or set public_url')
        if site.aliases and not site.public_url:
            raise ConfigError(f"{place}, aliases: they are further names beside public_url, which is not set; set it too")
        by_name[site.name] = place
    answering: dict[str, str] = {}
    for site in sites_of(settings):
        for key, host in _names(site):
            if answering.setdefault(host, site.name) != site.name:
                place = by_name[site.name]
                raise ConfigError(f"{place}, {key}: {shown(host)} belongs to site {answering[host]} already; one host has one site")


def _names(site: SiteSettings) -> Iterator[tuple[str, str]]:
    """What leads to a site, and the key that says so."""
    yield from (("hosts", host) for host in site.hosts)
    yield from (("aliases", host) for host in site.aliases)
    if site.public_url:
        yield "public_url", parse_public_url(site.public_url).host.decode()


def _check_site_name(name: str, place: str, settings: Settings) -> None:
    # Without tables, the origin may still come as the command's argument.
    names = [site.name for site in sites_of(settings)] if settings.site else [DEFAULT_SITE]
    if name and name not in names:
        near = difflib.get_close_matches(name, names, 1, 0.5)
        hint = f"did you mean {near[0]}?" if near else f"write {' or '.join(names)}, or leave it out"
        raise ConfigError(f"{place}, site: there is no site {shown(name)}; {hint}")


def _check_vendors(settings: Settings, tables: Placed) -> None:
    by_id: dict[tuple[str, str], str] = {}
    for vendor, place in zip(settings.vendor, tables.vendor_places, strict=True):
        _check_site_name(vendor.site, place, settings)
        first = by_id.setdefault((vendor.vendor, vendor.id), place)
        if first is not place:
            raise ConfigError(f"{place}, id: {first} has this id too; an id stands for one site, or without site for all of them")
    for credential, place in zip(settings.credential, tables.credential_places, strict=True):
        akamai = credential.vendor == Vendor.AKAMAI
        if credential.access_token and not akamai:
            raise ConfigError(f"{place}, access_token: it is for akamai; {credential.vendor} has none, leave it out")
        if akamai and not (credential.id and credential.access_token):
            raise ConfigError(f"{place}: akamai knows a client by three texts; write id (the client token), secret and access_token")
        if not credential.id and credential.vendor in (Vendor.CLOUDFRONT, Vendor.TRANSPARENT_EDGE):
            raise ConfigError(f"{place}: id is missing, by which {credential.vendor} knows whose secret it is; write it too")


def _check_rule(rule: RuleSettings, place: str, settings: Settings) -> None:
    _check_site_name(rule.site, place, settings)
    if rule.force and rule.ttl_s is None:
        raise ConfigError(f"{place}, force: it makes ttl_s count in any case, and that is not set; set ttl_s, or leave force out")
    if rule.bypass:
        for row in RULE_SETTINGS:
            if row.name not in ("path", "site", "bypass") and getattr(rule, row.name) != row.default:
                raise ConfigError(f"{place}, bypass: then nothing is stored, so {row.name} says nothing; leave one of them out")
