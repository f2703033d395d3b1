"""Draws docs/picture.svg: a session with the demo, recorded from the programs themselves in terminals of their own.

    make picture        (ports 8080 and 8081 have to be free, since the picture shows them)

tests/test_docs.py records the same session again and compares what it says, numbers apart.
"""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).parent.parent
FILE = ROOT / "docs" / "picture.svg"
COLUMNS = 101
PAGE = "http://127.0.0.1:8080/fresh/max-age"
SHOWN = f"curl -so /dev/null -D- {PAGE} | grep -e ^Age -e ^Cache-Status"
# What is typed into the second terminal, and how many lines the first one shows for it.
COMMANDS = (
    (SHOWN, 1),
    ("edgecache clock advance 20s", 0),
    (SHOWN, 1),
    (f"edgecache purge {PAGE}", 0),
    (SHOWN, 1),
)
THEME = TerminalTheme(
    (20, 24, 31),
    (214, 222, 235),
    [(20, 24, 31), (239, 83, 80), (111, 207, 151), (242, 201, 76), (86, 156, 214), (197, 134, 192), (86, 194, 214), (214, 222, 235)],
    [(99, 119, 119), (239, 83, 80), (111, 207, 151), (255, 224, 102), (130, 170, 255), (199, 146, 234), (127, 219, 202), (255, 255, 255)],
)
# Rich's own frame loads fonts from elsewhere, which an <img> may not do; this one takes what the reader has.
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>A session with edgecache: a miss, a hit, time travel, a purge, and the lines that the edge writes</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px }}
.{unique_id}-title {{ font: bold 18px system-ui, sans-serif }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class Terminal:
    """A program in a terminal of its own, and what it writes there, as text with the terminal's colour codes."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self._handle, program_side = pty.openpty()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=program_side, stderr=program_side, env=env, cwd=ROOT)
        os.close(program_side)
        self.said = ""

    def read_until(self, pattern: str) -> None:
        """Read on until what was said matches."""
        while not re.search(pattern, self.said):
            if not self._read():
                raise RuntimeError(f"{pattern!r} was not said, but: {self.said}")

    def read_to_end(self) -> str:
        """All that it says until it ends."""
        while self._read():
            pass
        self.process.wait()
        return self.said

    def close(self) -> None:
        """End the program, if it has not ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.read_to_end()
        os.close(self._handle)

    def _read(self) -> bool:
        data = b""
        with suppress(OSError):  # Linux's word for: nobody has the other side open any more
            data = os.read(self._handle, 65536)
        self.said += data.decode().replace("\r", "")  # the terminal's own, and those that end curl's lines
        return data != b""


@contextmanager
def demo(listen: str, control: str) -> Iterator[tuple[Terminal, dict[str, str]]]:
    """`edgecache demo` in a terminal, ready, and the environment for commands that talk to it."""
    own = os.path.dirname(sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        ready = os.path.join(folder, "ready.json")
        env = {**os.environ, "PATH": f"{own}{os.pathsep}{os.environ['PATH']}", "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
        for name in ("EDGECACHE_URL", "EDGECACHE_TOKEN", "NO_COLOR"):
            env.pop(name, None)
        edge = Terminal(["edgecache", "demo", "--listen", listen, "--control", control, "--ready-file", ready], env)
        try:
            edge.read_until("Ctrl-C ends it")
            yield edge, {**env, "EDGECACHE_URL": json.loads(Path(ready).read_bytes())["control"]}
        finally:
            edge.close()


def run(command: str, env: dict[str, str]) -> str:
    """What a shell command writes into a terminal."""
    terminal = Terminal(["bash", "-c", command], env)
    try:
        return terminal.read_to_end()
    finally:
        terminal.close()


def listens_at(edge: Terminal) -> str:
    """The address of the data plane, host and port, as the banner has it."""
    found = re.search(r"data plane.*http://([\w.:]+)", edge.said)
    assert found
    return found[1]


def record(edge: Terminal, env: dict[str, str]) -> list[tuple[str, str]]:
    """The session: what is typed, and what is answered, in the order in which the picture shows it."""
    typed = []
    lines = 0
    for command, shown in COMMANDS:
        typed.append((command, run(command.replace("127.0.0.1:8080", listens_at(edge)), env)))
        lines += shown
        edge.read_until(r"(?s)Ctrl-C ends it" + r".*\n\d\d:\d\d:\d\d GET" * lines + r"[^\n]*\n$")
    return [("edgecache demo", edge.said), *typed]


def draw(session: list[tuple[str, str]]) -> str:
    """The session as an SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor", legacy_windows=False)
    prompt = Style(color="bright_black")
    for index, (command, said) in enumerate(session):
        if index < 2:
            title = ("one terminal", "another one")[index]
            console.print(Rule(title, style="bright_black"))
        console.print(Text.assemble(("$ ", prompt), (command, Style(bold=True))))
        if index:
            said = re.sub(r"\n\s*\n", "\n", said)  # room is dear here, and the edge's own terminal shows its empty lines
        answer = Text.from_ansi(said.strip("\n"))
        answer.highlight_regex(r"(?m)^(Age|Cache-Status):.*", Style(color="cyan"))
        answer.highlight_regex(r"(?<=; )(hit|stored|detail=[\w-]+)", Style(color="green", bold=True))
        console.print(answer)
        console.print()
    return console.export_svg(title="edgecache", theme=THEME, code_format=FORMAT, unique_id="session", font_aspect_ratio=0.6)


if __name__ == "__main__":
    with demo("127.0.0.1:8080", "127.0.0.1:8081") as (edge, env):
        FILE.write_text(draw(record(edge, env)), "utf-8")
