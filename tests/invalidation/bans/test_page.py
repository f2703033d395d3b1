"""docs/bans.md: its examples are bans, and its table has every field with its operators."""

import re
from pathlib import Path

from edgecache.invalidation.bans import MAX_CHARACTERS, MAX_CONDITIONS, Ban, parse_ban
from edgecache.invalidation.bans.fields import Kind, Op

PAGE = (Path(__file__).parents[3] / "docs" / "bans.md").read_text("utf-8")
EXAMPLES, ERROR = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_examples_are_bans():
    for text in EXAMPLES.splitlines():
        assert isinstance(parse_ban(text), Ban), text


def test_the_error_is_one():
    assert parse_ban("req.url ~ /a || req.url ~ /b").message == ERROR.strip()


def test_the_table_has_every_field_and_its_operators():
    rows = dict(re.findall(r"^\| `([a-z.]+(?:NAME)?)` \|.*\| ([^|]+) \|$", PAGE, re.MULTILINE))
    assert rows == {
        kind.value + ("NAME" if kind.takes_name else ""): "all" if kind.ops == tuple(Op) else " ".join(f"`{op.value}`" for op in kind.ops)
        for kind in Kind
    }


def test_the_bounds_are_those_of_the_code():
    assert f"at most {MAX_CHARACTERS} characters and {MAX_CONDITIONS} conditions" in PAGE
