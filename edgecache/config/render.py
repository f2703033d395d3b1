"""The table as files: conf/edgecache.toml and docs/settings.md."""

from __future__ import annotations

import textwrap

from edgecache.config.settings import SETTINGS
from edgecache.config.sites import RULE_SETTINGS, SITE_SETTINGS
from edgecache.config.table import Group, Setting
from edgecache.config.vendors import CREDENTIAL_SETTINGS, VENDOR_SETTINGS

_TABLES = (
    (
        "site",
        "Several sites behind one edge: one table for each, in the file only. The setting origin, if it is given too, is one more site, "
        "named default, for every host that no other site answers to.",
        SITE_SETTINGS,
        (
            "[[site]]",
            'name = "shop"',
            'origin = "http://localhost:4000"',
            'hosts = ["shop.localhost", "*.shop.localhost"]',
            'public_url = "https://shop.example.com"',
            'aliases = ["www.shop.example.com"]',
            'origin_host = "localhost:4000"',
            "",
            "[[site]]",
            'name = "api"',
            'origin = "unix:/run/api.sock"',
            'hosts = ["api.localhost"]',
        ),
    ),
    (
        "rule",
        "What holds for some URLs only: one table for each rule, in the file only. The first rule that matches a URL applies, and "
        "no other.",
        RULE_SETTINGS,
        (
            "[[rule]]",
            'path = "/admin/*"',
            "bypass = true",
            "",
            "[[rule]]",
            'site = "shop"',
            'path = "/images/*"',
            'ttl_s = "1d"',
            "force = true",
            "",
            "[[rule]]",
            'path = "/*"',
            'ignore_query = ["utm_*", "fbclid"]',
            "sort_query = true",
            'key_headers = ["X-Device"]',
            'key_cookies = ["theme"]',
        ),
    ),
    (
        "vendor",
        "Which ids calls to the purge APIs of CDNs may name, and which site each stands for: one table for each id, in the file only. "
        "While there is none for a vendor, all ids are taken and mean all sites; once there is one, any other gets what that vendor "
        "answers to an id that does not exist.",
        VENDOR_SETTINGS,
        (
            "[[vendor]]",
            'vendor = "cloudflare"',
            'id = "023e105f4ecef8ad9ca31a8372d0c353"',
            'name = "example.com"',
            'site = "shop"',
            'plan = "pro"',
            "",
            "[[vendor]]",
            'vendor = "fastly"',
            'id = "SU1Z0isxPaozGVKXdv0eY"',
            'name = "shop"',
        ),
    ),
    (
        "credential",
        "Who may call the purge API of a CDN: one table for each, in the file only. While there is none for a vendor, callers on this "
        "machine may, whatever credentials they bring, and others get what that vendor answers to wrong ones.",
        CREDENTIAL_SETTINGS,
        (
            "[[credential]]",
            'vendor = "cloudflare"',
            'secret = "an-api-token"',
            "",
            "[[credential]]",
            'vendor = "akamai"',
            'id = "akab-client-token"',
            'secret = "client-secret"',
            'access_token = "akab-access-token"',
        ),
    ),
)


def render_toml() -> str:
    """conf/edgecache.toml: every setting with its default, so that the file changes nothing until it is edited."""
    lines = [
        "# Every setting of edgecache, with its default. Copy the file, keep the lines that you change, and start with",
        "#     edgecache run --config FILE http://localhost:3000",
        '# A flag wins over the file. Durations are seconds or texts such as "250ms" and "1h"; sizes are bytes or texts such as "64KiB".',
        "# Made from the table in edgecache/config/ by `make settings`.",
    ]
    for group in Group:
        lines += ["", "", f"# ---- {group.value} ----"]
        for setting in SETTINGS:
            if setting.group is group:
                choices = f" One of: {', '.join(setting.choices)}." if setting.choices else ""
                lines += ["", *_wrapped(setting.help + choices)]
                lines.append(f"# {f'Unit: {setting.unit}. ' if setting.unit else ''}Default: {setting.default_text}.")
                lines.append(f"{setting.name} = {setting.default_text}")
    for table, explained, rows, example in _TABLES:
        lines += ["", "", f"# ---- [[{table}]] ----", "", *_wrapped(explained), "#"]
        for row in rows:
            choices = f" One of: {', '.join(row.choices)}." if row.choices else ""
            lines += _wrapped(f"{row.name}: {row.help}{choices} {_facts(row)}.", "    ")
        lines += ["", *(f"#{line}" if line else "" for line in example)]
    return "\n".join(lines) + "\n"


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, 120, initial_indent="# ", subsequent_indent=f"# {indent}")


def _facts(row: Setting) -> str:
    """Unit and default of a key of a table."""
    default = "Must be given" if row.required else f"Default: {row.default_text}" if row.default is not None else ""
    return ". ".join(fact for fact in (row.unit and f"Unit: {row.unit}", default) if fact)


def render_markdown() -> str:
    """docs/settings.md: the table for people who read before they run."""
    lines = [
        "# Settings",
        "",
        "Every setting has one name. It is a flag of `edgecache run` (`--connect-timeout-s 2`; the origin is also the command's argument)",
        "and a key of the TOML file given with `--config` (`connect_timeout_s = 2`). A flag wins over the file, the file over the default.",
        "[conf/edgecache.toml](../conf/edgecache.toml) holds them all; `edgecache config check FILE` says what is wrong with a file.",
        "",
        "- **Durations** are seconds (`5`, `0.25`) or texts with a unit: `250ms`, `5s`, `10m`, `1h30m`, `2d`.",
        "- **Sizes** are bytes (`65536`) or texts with a unit: `64KiB`, `16 MiB`, `1GiB`; `kB`, `MB` and `GB` count by 1000.",
        "- **Lists** are arrays in the file and have commas in a flag: `--trusted-proxies 10.0.0.0/8,fd00::/8`.",
        '- An empty text means "not set".',
        "",
        "A setting that does not exist or cannot be used stops the edge before it starts, with one sentence and exit code 1.",
        "",
        "This page is made from the table in `edgecache/config/` by `make settings`.",
    ]
    for group in Group:
        lines += ["", f"## {group.value}", "", "| setting | default | unit | meaning |", "|---|---|---|---|"]
        for setting in SETTINGS:
            if setting.group is group:
                choices = f" One of {', '.join(f'`{choice}`' for choice in setting.choices)}." if setting.choices else ""
                lines.append(f"| `{setting.name}` | `{setting.default_text}` | {setting.unit} | {_cell(setting.help)}{choices} |")
    for table, explained, rows, example in _TABLES:
        lines += ["", f"## `[[{table}]]`", "", explained, "", "| key | default | unit | meaning |", "|---|---|---|---|"]
        for row in rows:
            default = "must be given" if row.required else f"`{row.default_text}`" if row.default is not None else ""
            choices = f" One of {', '.join(f'`{choice}`' for choice in row.choices)}." if row.choices else ""
            lines.append(f"| `{row.name}` | {default} | {row.unit} | {_cell(row.help)}{choices} |")
        lines += ["", "```toml", *example, "```"]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")
