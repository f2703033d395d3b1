"""--help, --version, config check, and what `run` says before it runs anything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from edgecache import __version__
from edgecache.cli import COMMANDS, main
from edgecache.cli.banner import banner, size, totals
from edgecache.config import SETTINGS, Group, Settings, SiteSettings
from edgecache.record import Records

EVERY_COMMAND = [[name] for name, _, _ in COMMANDS] + [["config", "check"]]


async def test_version(invoke: Any) -> None:
    assert (await invoke("--version")).stdout == f"edgecache {__version__}\n"


async def test_the_first_help_names_every_command(invoke: Any) -> None:
    result = await invoke("--help")
    assert result.exit_code == 0
    for name, _, sentence in COMMANDS:
        assert f"  {name} " in result.stdout
        assert sentence.split()[0] in result.stdout


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=" ".join)
async def test_each_help_teaches_with_an_example(invoke: Any, command: list[str]) -> None:
    result = await invoke(*command, "--help")
    assert result.exit_code == 0
    assert f"  edgecache {' '.join(command)}" in result.stdout
    assert "  -h, --help" in result.stdout


@pytest.mark.parametrize("command", ["run", "demo"])
async def test_every_setting_is_a_flag(invoke: Any, command: str) -> None:
    text = (await invoke(command, "--help")).stdout
    words = " ".join(text.split())
    for group in Group:
        assert f"\n{group.value}:\n" in text
    for setting in SETTINGS:
        if command == "demo" and setting.name == "origin":
            assert f"\n  {setting.flag} " not in text
            continue
        assert f"\n  {setting.flag} {setting.placeholder}\n" in text
        assert " ".join(setting.help.split()) in words
        if setting.unit:
            assert setting.unit in words
    assert text.index("edgecache " + command + " ") < text.index("--listen")


async def test_the_command_names_in_the_table_are_right() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name


def test_help_imports_nothing_heavy() -> None:
    """Imports decide how quick --help is; time would depend on the machine."""
    code = (
        "import sys; from edgecache.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('aiohttp', 'asyncio', 'rich', 'yarl', 'msgspec', 'uvloop') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


# ---- config check ----


async def test_a_usable_file(invoke: Any, tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text('origin = "http://localhost:3000"\ndrain_timeout_s = "1m"\ncontrol_token = "s3cret"\nlog = "short"\n')
    result = await invoke("config", "check", str(file))
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == f"{file}: ok, 3 settings differ from the defaults"
    assert [line.split() for line in lines[1:]] == [
        ["setting", "value", "default"],
        ["origin", '"http://localhost:3000"', '""'],
        ["drain_timeout_s", "60", "10"],
        ["control_token", "(set)", '""'],
    ]
    assert "s3cret" not in result.output


async def test_a_file_that_changes_nothing_or_one_thing(invoke: Any, tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text("")
    assert (await invoke("config", "check", str(file))).stdout == f"{file}: ok, 0 settings differ from the defaults\n"
    file.write_text("variants = 7")
    assert "ok, 1 setting differs from the defaults\n" in (await invoke("config", "check", str(file))).stdout


async def test_sites_and_rules_are_shown(invoke: Any, tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text(
        '[[site]]\nname = "shop"\norigin = "unix:/s"\nhosts = ["s.localhost"]\npublic_url = "https://s.example"\n'
        '[[rule]]\npath = "/a/*"\nttl_s = "1m"\nforce = true\n[[rule]]\npath = "/b"\nsite = "shop"\n'
    )
    result = await invoke("config", "check", str(file))
    assert [re.split(r" {2,}", line) for line in result.stdout.splitlines()] == [
        [f"{file}: ok, 0 settings differ from the defaults"],
        [""],
        ["site", "origin", "answers to"],
        ["shop", "unix:/s", "https://s.example, s.localhost"],
        [""],
        ["rule", "site", "what holds"],
        ["/a/*", "(all)", "ttl_s = 60, force = true"],
        ["/b", "shop", "nothing special"],
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("drain_timeout = 5", "did you mean drain_timeout_s?"),
        ("variants = true", "variants"),
        ("variants = ", "not valid TOML"),
        (None, "no such file"),
    ],
)
async def test_an_unusable_file(invoke: Any, tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "edge.toml"
    if content is not None:
        file.write_text(content)
    for command in (["config", "check", str(file)], ["run", "--config", str(file), "http://localhost:3000"]):
        result = await invoke(*command)
        assert result.exit_code == 1
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""


# ---- run, before it runs ----


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run"], 1, "edgecache demo"),
        (["run", "localhost:3000"], 1, "http://localhost:3000"),
        (["run", "ftp://a"], 1, "not an origin"),
        (["run", "http://a/path"], 1, "goes on after the host"),
        (["run", "--listen", "8080", "http://a"], 1, "--listen"),
        (["run", "--store", "memroy", "http://a"], 1, "memory"),
        (["run", "--log", "loud", "http://a"], 1, "--log"),
        (["run", "--control", "0.0.0.0:8081", "http://a"], 1, "control_token"),
        (["run", "--origin", "http://b", "http://a"], 2, "say it once"),
        (["run", "--lisen", "8080", "http://a"], 2, "--listen"),
        (["run", "http://a", "http://b"], 2, "unexpected extra argument"),
        (["demo", "http://a"], 2, "unexpected extra argument"),
        (["demo", "--origin", "http://a"], 2, "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
async def test_what_run_refuses(invoke: Any, arguments: list[str], code: int, words: str) -> None:
    result = await invoke(*arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert code == 2 or result.stderr.count("\n") == 1


# ---- what is said at the start and the end ----


def test_the_banner_says_what_runs_and_what_to_try() -> None:
    settings = Settings(origin="http://localhost:3000")
    text = click.unstyle(banner(settings, "http://127.0.0.1:8080", "http://127.0.0.1:8081", True))
    for words in (
        __version__, "http://localhost:3000  (answers)", "http://127.0.0.1:8080", "http://127.0.0.1:8081", "standard",
        "store          ", "/edgecache/http-localhost-3000-", "at most 4 GiB, 256 MiB of it in memory too",
        "curl -so /dev/null -D- http://127.0.0.1:8080/", "edgecache purge http://127.0.0.1:8080/", "Ctrl-C",
    ):  # fmt: skip
        assert words in text


def test_the_banner_when_things_are_otherwise() -> None:
    settings = Settings(origin="http://localhost:3000", control_token="s3cret", store="memory")
    text = click.unstyle(banner(settings, "http://127.0.0.1:1", "http://127.0.0.1:2", False))
    assert "does not answer yet" in text
    assert "memory, at most 256 MiB" in text
    assert "edgecache purge --edge http://127.0.0.1:2 http://127.0.0.1:1/" in text
    assert "edgecache clock advance 1h --edge http://127.0.0.1:2" in text
    assert "EDGECACHE_TOKEN" in text
    assert "s3cret" not in text
    assert "varnishadm" not in text


def test_the_banner_says_how_varnishadm_is_called() -> None:
    urls = ("http://127.0.0.1:1", "http://127.0.0.1:2", True)
    settings = Settings(origin="http://localhost:3000", varnishadm="127.0.0.1:0", store="memory")
    assert "varnishadm     127.0.0.1:6082  (-T 127.0.0.1:6082, without a secret)" in click.unstyle(
        banner(settings, *urls, varnishadm="127.0.0.1:6082")
    )
    settings = msgspec.structs.replace(settings, varnishadm_secret="/etc/varnish/secret")
    assert "(-T [::1]:6082 -S /etc/varnish/secret)" in click.unstyle(banner(settings, *urls, varnishadm="[::1]:6082"))


def test_the_banner_names_every_site() -> None:
    site = SiteSettings(name="shop", origin="http://localhost:4000", hosts=("shop.localhost", "*.shop.localhost"))
    text = click.unstyle(banner(Settings(site=(site,)), "http://127.0.0.1:1", "http://127.0.0.1:2", False))
    assert re.search(r"^  site shop +http://localhost:4000  \(shop\.localhost, \*\.shop\.localhost\)$", text, re.MULTILINE)
    assert "  origin" not in text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (2**28, "256 MiB"), (2**40, "1 TiB"), (2**52, "4096 TiB")],
)
def test_size(number: int, text: str) -> None:
    assert size(number) == text


def test_totals_of_nothing() -> None:
    assert totals(Records(1).stats()) == "Ended. 0 requests: 0 from the store, 0 to the origin; 0 B sent."
