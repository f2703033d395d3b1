"""How the client commands talk to a running edge: its control plane over HTTP/1.1, with errors as one sentence.

http.client and not aiohttp: one request needs no event loop, and importing it costs a tenth. Proxies from the environment are not asked:
the edge is on this machine, or named by --edge.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import SplitResult, urlsplit

import click

DEFAULT_EDGE = "http://127.0.0.1:8081"
TIMEOUT_S = 30.0


class EdgeRefused(click.ClickException):
    """The edge understood and refused. `problem`: its own words, as `application/problem+json` has them; `more`: what a command adds."""

    def __init__(self, status: int, problem: dict[str, Any], hint: str = "") -> None:
        super().__init__(f"the edge refused ({status}): {printable(problem['detail'])}{hint}")
        self.status = status
        self.problem = problem
        self.more = ""

    def format_message(self) -> str:
        """What stands on stderr."""
        return self.message + self.more


class EdgeClient:
    """Asks one running edge. `base` is the control plane's URL, `token` its control_token or "".

    Raises click.ClickException with one sentence when the edge cannot be asked or refuses.
    """

    def __init__(self, base: str, token: str = "") -> None:
        self.base = base.rstrip("/")
        self.token = token
        self._url = self._split(self.base)

    def get(self, path: str) -> Any:
        """The JSON at `path`."""
        return self._ask("GET", path, None)

    def post(self, path: str, content: dict[str, Any]) -> Any:
        """The JSON that answers `content` at `path`."""
        return self._ask("POST", path, json.dumps(content).encode())

    def delete(self, path: str) -> Any:
        """The JSON that answers a DELETE of `path`."""
        return self._ask("DELETE", path, b"{}")

    @staticmethod
    def _split(base: str) -> SplitResult:
        try:
            url = urlsplit(base)
            usable = url.scheme in ("http", "https") and url.hostname and not url.query and not url.fragment
            _ = url.port  # raises when it is no number
        except ValueError:
            usable = False
        if not usable:
            raise click.UsageError(f"{base!r} is no address of an edge: write it like {DEFAULT_EDGE}.")
        return url

    def _ask(self, method: str, path: str, content: bytes | None) -> Any:
        headers = {"Accept": "application/json"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        connection = self._connection()
        try:
            connection.request(method, self._url.path + path, body=content, headers=headers)
            response = connection.getresponse()
            status, media_type, answer = response.status, response.headers.get_content_type(), response.read()
        except ConnectionRefusedError:
            raise click.ClickException(
                f"nothing listens at {self.base}: start an edge with `edgecache run ORIGIN` or `edgecache demo`, "
                "or name the control plane of a running one with --edge URL or EDGECACHE_URL."
            ) from None
        except TimeoutError:
            raise click.ClickException(f"{self.base} did not answer within {TIMEOUT_S:g} s.") from None
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise click.ClickException(f"{self.base} cannot be asked: {str(error) or type(error).__name__}.") from None
        finally:
            connection.close()
        return self._judge(status, media_type, answer)

    def _connection(self) -> http.client.HTTPConnection:
        assert self._url.hostname is not None
        if self._url.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._url.hostname, self._url.port, timeout=TIMEOUT_S, context=context)
        return http.client.HTTPConnection(self._url.hostname, self._url.port, timeout=TIMEOUT_S)

    def _judge(self, status: int, media_type: str, answer: bytes) -> Any:
        """The answer's JSON, or a sentence: the edge's own words when it refused, ours when it was no edge that answered."""
        if media_type in ("application/json", "application/problem+json"):
            try:
                value = json.loads(answer)
            except ValueError:
                value = None
            if media_type == "application/json" and status < 300 and value is not None:
                return value
            if isinstance(value, dict) and isinstance(value.get("detail"), str):
                hint = " Set EDGECACHE_TOKEN to the edge's control_token." if status == 401 and not self.token else ""
                raise EdgeRefused(status, value, hint)
        raise click.ClickException(
            f"{self.base} answered {status}, but not as a control plane of edgecache: "
            "--edge takes the address that the edge's banner calls control plane."
        )


def client_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorator: --edge and --json for a client command, which gets `edge: EdgeClient` and `as_json: bool`."""

    @click.option(
        "--edge",
        "base",
        metavar="URL",
        envvar="EDGECACHE_URL",
        default=DEFAULT_EDGE,
        show_default=True,
        show_envvar=True,
        help="Control plane of the running edge.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print the edge's answer as JSON.")
    @wraps(command)
    def wrapped(*args: Any, base: str, **kwargs: Any) -> None:
        # The token comes from the environment only: what stands on a command line, every user of the machine can read.
        command(*args, edge=EdgeClient(base, os.environ.get("EDGECACHE_TOKEN", "")), **kwargs)

    return wrapped


def print_json(value: Any) -> None:
    """`value` as JSON on stdout, indented when a person reads it, on one line in a pipe."""
    click.echo(json.dumps(value, indent=2 if sys.stdout.isatty() else None))


def printable(text: str) -> str:
    """`text` without what a terminal would obey: control characters are shown as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def is_number(cell: str) -> bool:
    """Is a cell a number as people read it, 12,345.6?"""
    return cell.removeprefix("-").replace(",", "").replace(".", "").isdigit()


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """A table on stdout: drawn by rich on a terminal, aligned plain text in a pipe. Columns that hold only numbers are right-aligned."""
    shown = [[printable(cell) for cell in row] for row in rows]
    numeric = [all(is_number(row[index]) for row in shown) for index in range(len(columns))]
    if sys.stdout.isatty():
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name, right in zip(columns, numeric, strict=True):
            table.add_column(name, justify="right" if right else "left", overflow="fold")
        for row in shown:
            table.add_row(*(Text(cell) for cell in row))  # Text: square brackets in a URL are not markup
        Console().print(table)
        return
    widths = [max(len(row[index]) for row in [columns, *shown]) for index in range(len(columns))]
    for row in [columns, *shown]:
        cells = (cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(row, widths, numeric, strict=True))
        click.echo("  ".join(cells).rstrip())
