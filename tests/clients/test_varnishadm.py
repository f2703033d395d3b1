"""Debian's own varnishadm against the edge, unmodified, and the edge's answers beside those of Debian's varnishd."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from adminkit import NOW, PATIENCE_S, SECRET, Admin, Client, Reply, running_admin
from originkit import until
from ports import free_port
from wirekit import Origin, ok, running_kit

from edgecache.control.varnish_cli import Command

INSTALL = "apt-get install varnish"


class Ended(NamedTuple):
    """How a run of varnishadm ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Awaitable[Ended]]


@pytest.fixture
async def admin() -> AsyncIterator[Admin]:
    async with running_admin(secret=SECRET) as running:
        yield running


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_bytes(SECRET)
    return file


@pytest.fixture
def varnishadm(system_program, secret: Path) -> Run:
    """`await varnishadm(admin, "ban", …)`: with the right secret, unless another file is named."""
    program = system_program("varnishadm", INSTALL)

    async def run(admin: Admin, *arguments: str, file: Path | None = secret) -> Ended:
        flags = ["-T", admin.address, *(["-S", str(file)] if file else [])]
        process = await asyncio.create_subprocess_exec(
            program, *flags, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        return Ended(process.returncode, out.decode(), err.decode())

    return run


# -- varnishadm --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["ban req.url ~ ^/a"], "req.url ~ ^/a"),
        (["ban", "req.url", "~", "^/a"], "req.url ~ ^/a"),
        (["ban", "req.url ~ ^/a && obj.status == 200"], "req.url ~ ^/a && obj.status == 200"),
        (["ban", "req.http.host == a.example && req.url ~ \\\\.png$"], r'req.http.host == a.example && req.url ~ "\\.png$"'),
        (["ban", 'req.http.host ~ a && req.url ~ "^/b"'], "req.http.host ~ a && req.url ~ ^/b"),  # Drupal quotes so
        (["ban", "obj.http.x-tags", "~", "(^|,)a(,|$)"], "obj.http.x-tags ~ (^|,)a(,|$)"),
        (["ban obj.age > 1h"], "obj.age > 1h"),
    ],
)
async def test_a_ban(admin: Admin, varnishadm: Run, arguments: list[str], text: str) -> None:
    assert await varnishadm(admin, *arguments) == (0, "\n", "")
    assert admin.bans.asked == [(text, "127.0.0.1")]
    assert await varnishadm(admin, "ban.list") == (0, f"Present bans:\n{NOW:.6f}     0 -  {text}\n\n", "")


async def test_what_it_prints(admin: Admin, varnishadm: Run) -> None:
    assert await varnishadm(admin, "ping") == (0, f"PONG {int(NOW)} 1.0\n", "")
    assert await varnishadm(admin, "status") == (0, "Child in state running\n", "")
    assert (await varnishadm(admin, "help")).out == "".join(f"{command.syntax}\n" for command in Command) + "\n"
    assert "Varnish Cache CLI 1.0" in (await varnishadm(admin, "banner")).out
    assert json.loads((await varnishadm(admin, "ping", "-j")).out)[3] == "PONG"
    assert (await varnishadm(admin, "-p", "ping")).out == f"200 19      \nPONG {int(NOW)} 1.0"


@pytest.mark.parametrize(
    "arguments, status",
    [
        (["nonsense"], 101),
        (["vcl.list"], 102),
        (["ban", "req.url"], 104),
        (["ping", "1", "2"], 105),
        (["ban", "nope ~ /"], 106),
        (["ban", "req.url ~ a\\.b"], 100),
        (["quit"], 500),
    ],
)
async def test_what_fails_has_its_exit_code(admin: Admin, varnishadm: Run, arguments: list[str], status: int) -> None:
    ended = await varnishadm(admin, *arguments)
    assert (ended.code, ended.err) == (1, f"Command failed with error code {status}\n")
    assert ended.out.strip()


async def test_a_wrong_secret(admin: Admin, varnishadm: Run, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_bytes(b"wrong\n")
    ended = await varnishadm(admin, "ban req.url ~ .", file=tmp_path / "wrong")
    assert ended.code == 2
    assert "Rejected 500" in ended.err
    assert (await varnishadm(admin, "ban req.url ~ .", file=None)).code == 2
    assert admin.bans.asked == []


async def test_without_a_secret_none_is_needed(varnishadm: Run) -> None:
    async with running_admin() as admin:
        for number, file in enumerate([None, Path("/nonexistent")], 1):
            assert (await varnishadm(admin, "ban req.url ~ ^/a", file=file)).code == 0
            assert len(admin.bans.asked) == number


async def test_refused_connections_are_explained(varnishadm: Run) -> None:
    async with running_admin(allows=lambda address: False) as admin:
        ended = await varnishadm(admin, "ping", file=None)
        assert ended.code == 2
        assert "purge_allow" in ended.err


async def test_a_session_through_a_pipe(admin: Admin, system_program, secret: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(system_program("varnishadm", INSTALL), "-T", admin.address, "-S", str(secret)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for line, answer in [
            ("status", b"Child in state running"),
            ("ban req.url ~ ^/a", b"\n"),
            ("ban a", b"Too few parameters"),
            ("ban.list", b"-  req.url ~ ^/a\n"),
            ("quit", b"Closing CLI connection"),
        ]:
            process.stdin.write(f"{line}\n".encode())
            await asyncio.wait_for(process.stdout.readuntil(answer), PATIENCE_S)
        await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == 0
    assert admin.bans.asked == [("req.url ~ ^/a", "127.0.0.1")]


# -- varnishd ----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def varnishd(system_program, process, secret: Path, tmp_path: Path) -> AsyncIterator[Callable[[], Awaitable[Client]]]:
    """A function that connects to a varnishd."""
    port = free_port()
    said = tmp_path / "said"
    with said.open("wb") as file:
        running = process(
            *(system_program("varnishd", INSTALL), "-j", "none", "-F", "-n", str(tmp_path / "varnishd"), "-b", "none"),
            *("-a", "127.0.0.1:0", "-T", f"127.0.0.1:{port}", "-S", str(secret)),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    await asyncio.to_thread(until, lambda: running.poll() is not None or b"Child starts" in said.read_bytes(), "varnishd to be ready")
    assert running.poll() is None, said.read_text()
    clients = []

    async def connect() -> Client:
        clients.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
        return clients[-1]

    yield connect
    for client in clients:
        client.writer.transport.abort()


# Commands to which both answer the same, each on a connection of its own that has authenticated.
SAME = r"""
ping | ping 12 | ping 1 2 | ping -j | ping -j -j | ping 1 -j | "ping" | "p\x69ng" | "p\151ng" | "ping"1 | PING | ping "" | ping 'a b'
ping "a\"b" | ping \n | ping \0 | ping \400 | ping \8 | ping \q | ping \x1 | ping \x12 | ping "a\ b" | ping " | ping a"b" | ping "a""b"
ping \ | "" | # | nonsense | nonsense -j | "nonsense | status | status 1 | status -j | status -j 1
banner 1 | banner -j | quit | quit 1 | quit -j
auth | auth 1 2 | auth 00 | help ping | help quit | help auth | help banner | help ban | help nonsense | help ping status | help ban.list -j
ban | ban a | ban req.url ~ | ban req.url ~ "" | ban "" ~ a | ban req.url ~/a | ban req.url ~ / | ban req.url ~ "/a"
ban "req.url ~ /a" | ban "req.url ~" /a | ban req.url "~ /a" | ban "req.url" ~ /a | ban req.url ~ "/c"x | ban req.url ~ <<
ban req.url ~ -j | ban req.url ~ /a && obj.status == 200 | ban "req.url ~ /a && obj.status == 200" | ban req.url ~ "/a && obj.status == 200"
ban req.url ~ /a && | ban req.url ~ /a obj.status == 200 | ban req.url ~ /a && obj.status | ban req.url ~ /a || obj.status == 200
ban req.url ~ a\tb | ban req.url ~ a\\.b | ban req.url ~ a\.b | ban req.url ~ a"b | ban req.url ~ a\"b | ban req.url ~ a#b
ban obj.age > 1h | ban obj.age > 1 h | ban req.url ~ a\x20b | ban req.url ~ "a b" | ban req.url ~ "\"a b\"" | ban -j req.url ~ /
ban.list x | ban.list -j -j
"""
SAME_BYTES = [
    "  ping  ",
    "\tping",
    "ping\r",
    "ping << X\n1\nX",
    "ping << X\nnonsense\nX",
    'ping << "a b"\n1\na b',
    "nonsense << X\nping\nX",
]

# Where the edge differs: the line, what varnishd says, what the edge says, and why.
DIFFERENT = [
    ('ping "a" "b"', 100, 105, "7.1 wants an unquoted word between two quoted ones, although it says that a separator is missing"),
    ("help status", 200, 200, "the edge has no process that could be in another state"),
    ("help pid", 200, 200, "the edge is one process"),
    ("help ban.list", 200, 200, "what the numbers mean here"),
    ("help", 200, 200, "the edge lists the commands that it has"),
    ("help -j", 200, 200, "the edge lists the commands that it has"),
    ("help -d", 200, 200, "the edge has no commands for debugging"),
    ("help vcl.load", 200, 102, "refused as the command itself is"),
    ("banner", 200, 200, "the edge names itself and its version"),
    ("pid", 200, 200, "other numbers"),
    ("ban.list", 200, 200, "Varnish begins with a ban of its own"),
    ("vcl.load", 104, 102, "arguments of commands that the edge has not are not counted"),
    ("vcl.list", 200, 102, "the edge has no VCL"),
    ("param.show nonsense", 106, 102, "the edge has no parameters"),
    ("start", 300, 102, "it starts with a command"),
    ("ban req.url ~ a\\xff", 200, 106, "expressions are text"),
    ("ping\0x", 200, 101, "for Varnish the line ends at the NUL"),
    ("stop", 200, 102, "it ends with a signal"),
]


def comparable(reply: Reply) -> tuple[int, object]:
    """Without the time. Of what refuses an expression only the first line counts, in which the edge says what Varnish says."""
    if reply.text.startswith("[ 2,"):
        version, words, _, *content = json.loads(reply.text)
        return reply.status, (version, words, content)
    text = re.sub(r"PONG \d+", "PONG", reply.text)
    return reply.status, text.splitlines()[:1] if reply.status == 106 else text


async def test_the_edge_answers_as_varnishd_does(admin: Admin, varnishd) -> None:
    async def both(line: str) -> tuple[Reply, Reply]:
        replies = []
        for connect in (varnishd, admin.connect):
            client = await connect()
            assert (await client.authenticate()).status == 200
            reply = await client.ask(line)
            assert reply is not None, line
            replies.append(reply)
            client.writer.transport.abort()
        await admin.until(lambda: not admin.listener._open)
        return replies[0], replies[1]

    same = [line for row in SAME.strip().splitlines() for line in row.split(" | ")] + SAME_BYTES
    assert len(same) > 90
    for line in same:
        theirs, ours = await both(line)
        assert comparable(ours) == comparable(theirs), line
    for line, their_status, own_status, why in DIFFERENT:
        theirs, ours = await both(line)
        assert (theirs.status, ours.status) == (their_status, own_status), (line, theirs, ours)
        assert comparable(ours) != comparable(theirs), f"{line} is no difference any more: {why}"


async def test_a_ban_by_varnishadm_covers_what_a_running_edge_has_stored(system_program, secret):
    program = system_program("varnishadm", INSTALL)
    origin = Origin()
    async with running_kit({"varnishadm": "127.0.0.1:0", "varnishadm_secret": str(secret)}, origin) as kit:
        for target in ("/a", "/b"):
            kit.origin.answer(target, ok(b"one", "Cache-Control: max-age=600"))
            await kit.get(target)
        assert (await kit.get("/a")).hit
        command = [program, "-T", kit.edge.varnishadm, "-S", str(secret), "ban req.url ~ ^/a && obj.status == 200"]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        assert process.returncode == 0, out
        assert not (await kit.get("/a")).hit
        assert (await kit.get("/b")).hit
        assert [noted.door for noted in kit.edge.journal.newest_first()] == ["varnishadm"]
        listed = await asyncio.create_subprocess_exec(*command[:-1], "ban.list", stdout=asyncio.subprocess.PIPE)
        out, _ = await asyncio.wait_for(listed.communicate(), PATIENCE_S)
        assert b'req.url ~ "^/a" && obj.status == 200' in out
