"""The table of settings is shown whole, and the same, wherever users look for it."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgecache.cli import main
from edgecache.config import (
    RULE_SETTINGS,
    SETTINGS,
    SITE_SETTINGS,
    Group,
    Kind,
    Setting,
    Settings,
    load,
    render_markdown,
    render_toml,
)

ROOT = Path(__file__).parent.parent.parent
each_setting = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)


@pytest.fixture(scope="module")
def run_help() -> str:
    result = CliRunner().invoke(main, ["run", "--help"], terminal_width=400, max_content_width=400)
    assert result.exit_code == 0, result.output
    return result.output


@each_setting
def test_help_shows_every_setting(run_help: str, setting: Setting) -> None:
    shown = "ORIGIN" if setting.kind is Kind.ORIGIN else setting.flag  # the origin is the command's argument
    assert re.search(rf"(?<![\w-]){re.escape(shown)}(?![\w-])", run_help)


@pytest.mark.parametrize("path, render", [("conf/edgecache.toml", render_toml), ("docs/settings.md", render_markdown)])
def test_files_are_made_from_the_table(path: str, render) -> None:
    assert (ROOT / path).read_text("utf-8") == render(), f"{path} is older than the table in edgecache/config/: make settings"


def test_the_shipped_file_changes_nothing() -> None:
    assert load(ROOT / "conf/edgecache.toml", {}) == Settings()


def test_the_examples_in_the_shipped_file_can_be_uncommented(tmp_path: Path) -> None:
    """Comments begin with "# ", examples with "#"."""
    file = tmp_path / "edge.toml"
    file.write_text(re.sub(r"^#(?=\S)", "", (ROOT / "conf/edgecache.toml").read_text("utf-8"), flags=re.MULTILINE))
    settings = load(file, {})
    for tables, rows in ((settings.site, SITE_SETTINGS), (settings.rule, RULE_SETTINGS)):
        shown = {row.name for table in tables for row in rows if getattr(table, row.name) != row.default}
        assert shown == {row.name for row in rows}


@pytest.mark.parametrize("row", SITE_SETTINGS + RULE_SETTINGS, ids=lambda row: row.name)
def test_keys_of_tables_are_explained(row: Setting) -> None:
    assert row.help.endswith(".")
    assert row.name.endswith("_s") == (row.kind is Kind.SECONDS)
    assert f"# {row.name}: {row.help[:20]}" in (ROOT / "conf/edgecache.toml").read_text("utf-8")
    assert re.search(rf"^\| `{row.name}` \|", (ROOT / "docs/settings.md").read_text("utf-8"), re.MULTILINE)


@each_setting
def test_the_shipped_file_explains_every_setting(setting: Setting) -> None:
    toml = (ROOT / "conf/edgecache.toml").read_text("utf-8")
    found = re.search(rf"((?:^# .*\n)+)^{setting.name} = (.*)$", toml, re.MULTILINE)
    assert found
    assert f"Default: {setting.default_text}." in found[1]
    assert setting.unit in found[1]
    assert found[2] == setting.default_text


@each_setting
def test_the_table_is_complete(setting: Setting) -> None:
    assert setting.help.endswith(".")
    assert isinstance(setting.group, Group)
    if isinstance(setting.default, int | float) and not isinstance(setting.default, bool):
        assert setting.unit
        assert setting.least <= setting.default <= setting.most
    # Names say their unit where the type is silent.
    assert setting.name.endswith("_s") == (setting.kind is Kind.SECONDS)
    assert setting.name.endswith("_bytes") == (setting.kind is Kind.BYTES)


def test_the_rows_stand_group_by_group() -> None:
    order = [setting.group for setting in SETTINGS]
    assert order == sorted(order, key=list(Group).index)
