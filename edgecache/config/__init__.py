"""What an edge was told: every setting, how it is read from files and flags, and how it is shown. Nothing here reads time."""

from edgecache.config.hosts import is_loopback, parse_listen
from edgecache.config.load import load
from edgecache.config.origin import Origin, PublicUrl, parse_origin, parse_public_url
from edgecache.config.render import render_markdown, render_toml
from edgecache.config.secret_file import read_secret
from edgecache.config.settings import SETTINGS, Settings, sites_of
from edgecache.config.sites import DEFAULT_SITE, RULE_SETTINGS, SITE_SETTINGS, RuleSettings, SiteSettings
from edgecache.config.store import default_store, store_folder
from edgecache.config.table import Group, Kind, Setting
from edgecache.config.values import ConfigError, parse_bytes, parse_duration
from edgecache.config.vendors import CREDENTIAL_SETTINGS, VENDOR_SETTINGS, CredentialSettings, Vendor, VendorSettings

__all__ = [
    "CREDENTIAL_SETTINGS",
    "DEFAULT_SITE",
    "RULE_SETTINGS",
    "SETTINGS",
    "SITE_SETTINGS",
    "VENDOR_SETTINGS",
    "ConfigError",
    "CredentialSettings",
    "Group",
    "Kind",
    "Origin",
    "PublicUrl",
    "RuleSettings",
    "Setting",
    "Settings",
    "SiteSettings",
    "Vendor",
    "VendorSettings",
    "default_store",
    "is_loopback",
    "load",
    "parse_bytes",
    "parse_duration",
    "parse_listen",
    "parse_origin",
    "parse_public_url",
    "read_secret",
    "render_markdown",
    "render_toml",
    "sites_of",
    "store_folder",
]
