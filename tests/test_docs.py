"""What README and docs/ say is so: pages made from the code are up to date, what is shown being typed has that outcome, names exist."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from docs import picture
from edgecache.caching.reasons import Reason
from edgecache.cli import COMMANDS, main
from edgecache.config import SETTINGS
from edgecache.control.api import DOCUMENT, OPERATIONS
from edgecache.control.problems import Kind
from edgecache.docs import PAGES, example_request
from edgecache.edge.purging.forms import FORMS, KNOWN_FIELDS, METHODS
from edgecache.edge.purging.request import shown
from edgecache.record import Flag, Handled
from edgecache.semantics.proxy_status import ProxyError

ROOT = Path(__file__).parent.parent
EVERY_PAGE = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
OWN_PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md")]
OWN_PAGES += [
    ROOT / f"docs/{name}.md" for name in ("architecture", "api", "cache-status", "purge-apis", "purge-cloudflare", "purge-transparent-edge")
]
SOURCE = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "edgecache").rglob("*.py")) if path.name != "docs.py")

by_name = {"ids": lambda path: path.name}


def read(path: Path | str) -> str:
    return (ROOT / path).read_text("utf-8")


def code_of(text: str) -> Iterator[str]:
    """Every line of code in a page: of its blocks, without the prompt, and what stands between backticks."""
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from (line.removeprefix("$ ").strip() for line in block.splitlines())
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


# -- Pages made from the code ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_what_the_code_makes_of_them(path: str) -> None:
    assert read(path) == PAGES[path](), f"{path} is older than the code: make docs"


def test_every_word_has_its_row() -> None:
    text = read("docs/cache-status.md")
    rows = [(reason.token, reason.sentence.replace("*", "\\*"), reason.source) for reason in Reason]
    rows += [(error.token, str(error.status), error.sentence) for error in ProxyError]
    rows += [(handled.name.lower(), handled.sentence) for handled in Handled]
    for name, *rest in rows:
        assert text.count(f"| `{name}` | {' | '.join(rest)} |\n") == 1
    for flag in Flag:
        assert f"| `{flag.name.lower()}` | " in text


# -- What is shown being typed --------------------------------------------------------------------------------------------------------


def session(text: str) -> list[tuple[str, str]]:
    """The commands in a page's console blocks, in order, each with what is shown below it."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", "".join(blocks), re.MULTILINE)


def plain(text: str) -> list[str]:
    """Lines as they compare: without colours, numbers, empty lines, and the width of tables."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text.replace("\xa0", " "))
    text = re.sub(r" --edge \S+", "", text)  # said only when the control plane is not at its usual address, as in tests
    text = re.sub(r"\d+(\.\d+)?", "#", text)
    text = re.sub(r"# (µs|ms|s)\b", "# s", text)
    text = re.sub(r"(#:)+# \(\+# s\)", "# (# s)", text)
    return [re.sub(r"─+", "─", " ".join(line.split())) for line in text.splitlines() if line.strip()]


def shape(value: object) -> object:
    """A JSON value as it compares: names and types, texts without numbers."""
    match value:
        case dict():
            return {name: shape(inner) for name, inner in value.items()}
        case list():
            return [shape(inner) for inner in value]
        case bool() | None:
            return value
        case int() | float():
            return "a number"
        case _:
            return plain(str(value))


@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_what_is_typed_has_the_outcome_that_is_shown(page: str) -> None:
    shown = session(read(page))
    assert len(shown) > 5
    with picture.demo("127.0.0.1:0", "127.0.0.1:0") as (edge, env):
        for command, expected in shown:
            here = command.replace("127.0.0.1:8080", picture.listens_at(edge)).replace("http://127.0.0.1:8081", env["EDGECACHE_URL"])
            outcome = picture.run(here, env)
            if expected.startswith("{"):
                assert shape(json.loads(outcome)) == shape(json.loads(expected)), command
            else:
                assert plain(outcome) == plain(expected), command


def test_readme_shows_a_miss_and_then_a_hit_on_its_first_screen() -> None:
    (first, miss), (second, hit) = session(read("README.md"))[:2]
    assert first == second
    assert "fwd=uri-miss" in miss
    assert "; hit;" in hit
    assert read("README.md").index("; hit;") < 3000


def test_the_picture_shows_what_the_programs_show() -> None:
    with picture.demo("127.0.0.1:0", "127.0.0.1:0") as (edge, env):
        recorded = picture.record(edge, env)
    expected = plain("".join(f"$ {command}\n{said}\n" for command, said in recorded))
    drawn = [line for line in plain(text_of(picture.FILE)) if not line.startswith("─")]
    assert [line for line in expected if line != "─"] == drawn, "docs/picture.svg is older than the code: make picture"


def text_of(svg: Path) -> str:
    """What is written in a terminal that rich has drawn, line by line. Gaps between parts, which it leaves out, become a space."""
    lines: dict[float, str] = {}
    ends: dict[float, float] = {}
    for group in ET.parse(svg).iter("{http://www.w3.org/2000/svg}g"):
        if group.get("class") == "session-matrix":
            for part in group:
                x, y = float(part.attrib["x"]), float(part.attrib["y"])
                gap = " " if x > ends.get(y, 0) + 1 else ""
                lines[y] = lines.get(y, "") + gap + (part.text or "").strip("\n")
                ends[y] = x + float(part.attrib.get("textLength", 0))
    return "\n".join(line for _, line in sorted(lines.items()))


# -- Names that are mentioned ---------------------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", EVERY_PAGE, **by_name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.is_relative_to(ROOT), target
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", OWN_PAGES, **by_name)
def test_names_in_code_type_are_names_of_the_code(page: Path) -> None:
    settings = {setting.name for setting in SETTINGS}
    for code in code_of(page.read_text("utf-8")):
        if re.fullmatch(r"[a-z]+(_[a-z]+)+", code):
            assert code in settings or re.search(rf"\b{code}\b", SOURCE, re.IGNORECASE), code


@pytest.mark.parametrize("page", OWN_PAGES, **by_name)
def test_files_that_are_named_exist(page: Path) -> None:
    for code in code_of(page.read_text("utf-8")):
        if re.fullmatch(r"[\w./-]*/|[\w./-]+\.py", code) and not code.startswith("/"):
            assert any((ROOT / start / code).exists() for start in ("", "edgecache")), code


def options() -> set[str]:
    """Every option of every command."""
    found = {"--help", "--version"}
    commands = [main.get_command(click.Context(main), name) for name, _, _ in COMMANDS]
    for command in commands:
        assert command is not None
        found |= {flag for parameter in command.params for flag in parameter.opts}
    return found


@pytest.mark.parametrize("page", OWN_PAGES, **by_name)
def test_commands_exist(page: Path) -> None:
    known = options()
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    for code in code_of(page.read_text("utf-8")):
        if code.startswith(("aws ", "curl ")):
            continue  # they have flags of their own; tests/clients runs them
        if found := re.match(r"edgecache ([a-z]+)", code):
            assert found[1] in {name for name, _, _ in COMMANDS}, code
        if found := re.match(r"make ([a-z]+)", code):
            assert found[1] in targets, code
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", code):
            assert flag in known, code


def test_what_the_code_refers_to_is_there() -> None:
    """Comments say: docs/architecture.md, and which of its chapters."""
    chapters = re.findall(r"^## (.+)$", read("docs/architecture.md"), re.MULTILINE)
    references = re.findall(r'docs/architecture\.md, "?([^\n]+)', SOURCE)
    assert references
    for reference in references:
        assert any(reference.startswith(chapter) for chapter in chapters), reference


# -- The API --------------------------------------------------------------------------------------------------------------------------


def test_the_api_page_has_every_resource() -> None:
    headings = " ".join(re.findall(r"^## (.+)$", read("docs/api.md"), re.MULTILINE))
    assert len(OPERATIONS) > 6
    for operation in OPERATIONS:
        path = re.escape(operation.path.partition("/{")[0])
        assert re.search(rf"\b{operation.method}\b[^·]*{path}\b", headings), (operation.method, operation.path)


def test_the_api_page_has_every_error() -> None:
    text = read("docs/api.md")
    for kind in Kind:
        assert f"| `{kind.token}` | {kind.status} | {kind.title} |\n" in text
    assert len(re.findall(r"^\| `[\w-]+` \| [45]\d\d \| ", text, re.MULTILINE)) == len(Kind)


def test_the_api_page_has_every_member_and_parameter() -> None:
    text = read("docs/api.md")
    names = {parameter.name for operation in OPERATIONS for parameter in operation.parameters}
    for operation in OPERATIONS:
        if operation.body is not None:
            names |= {member.name for member in (*operation.body.exactly_one, *operation.body.options)}
    names |= {name for schema in DOCUMENT["components"]["schemas"].values() for name in schema.get("properties", {})}
    assert {"url", "urls", "all", "soft", "advance", "reset", "limit", "came", "hit_ratio"} <= names
    for name in names:
        assert f"`{name}`" in text or f'"{name}"' in text, name
    for method in METHODS - {b"PURGE"}:
        assert f"`{method.decode()}`" in text


# -- The invalidation methods -----------------------------------------------------------------------------------------------------------


def test_the_page_of_purge_methods_has_every_method_and_field() -> None:
    text = read("docs/purge-methods.md")
    for method in METHODS:
        assert re.search(rf"^## .*\b{method.decode()}\b", text, re.MULTILINE), method
    for name in KNOWN_FIELDS:
        assert re.search(rf"\b{shown(name)}\b", text), name
    assert sum(len(form.examples) for form in FORMS) + 1 == len(re.findall("^curl .*http://127.0.0.1:8080", text, re.MULTILINE))


def test_examples_come_to_their_own_form() -> None:
    for form in FORMS:
        for example in form.examples:
            assert example_request(example).form is form
