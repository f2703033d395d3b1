"""Varnish's management protocol over real sockets: statuses and words, who gets in, what is bounded, and bytes that make no sense."""

from __future__ import annotations

import asyncio
import json
import os
import re
import struct
import sys

import pytest
from adminkit import LOOPBACK, NOW, SECRET, Admin, Client, Reply, response, running_admin
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.control.varnish_bans import LiveBan
from edgecache.control.varnish_cli import ELSEWHERE, UNIMPLEMENTED, Command, Status
from edgecache.control.varnishadm import CLOSE_S, PROVE_S
from edgecache.invalidation.logfile import LogUnwritable

UNKNOWN = "Unknown request.\nType 'help' for more info.\n"


@pytest.fixture
async def admin():
    async with running_admin() as running:
        yield running


@pytest.fixture
async def locked():
    async with running_admin(secret=SECRET) as running:
        yield running


async def is_closed(client: Client) -> bool:
    return await client.reply() is None


# -- Commands ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line, status, text",
    [
        ("ping", 200, "PONG 1700000000 1.0"),
        ("ping 123", 200, "PONG 1700000000 1.0"),
        (' \t"ping"', 200, "PONG 1700000000 1.0"),
        ("ping\r", 200, "PONG 1700000000 1.0"),
        ("ping 1 2", 105, "Too many parameters\n"),
        ("PING", 101, UNKNOWN + "all commands are in lower-case.\n"),
        ("pong", 101, UNKNOWN),
        ("#", 101, UNKNOWN),
        ('""', 101, UNKNOWN),
        ("\x1b[2J", 101, UNKNOWN),
        ('ping "', 100, UNKNOWN + "Syntax Error: Missing '\"'\n"),
        (r"ping \d", 100, UNKNOWN + "Syntax Error: Invalid backslash sequence\n"),
        ("status", 200, "Child in state running"),
        ("status 1", 105, "Too many parameters\n"),
        ("pid", 200, "Master: {pid:10}\nWorker: {pid:10}\n"),
        ("help ping", 200, "ping [-j] [<timestamp>]\nKeep connection alive.\n"),
        ("help quit", 200, "quit\nClose connection.\n"),
        ("help pong", 101, UNKNOWN),
        ("help ping status", 105, "Too many parameters\n"),
        ("help -d", 200, ""),
        ("auth", 104, "Too few parameters\n"),
        ("auth 00", 300, "Secret file not configured\n"),
        ("quit -j", 102, "JSON unimplemented\n"),
        ("banner 1", 105, "Too many parameters\n"),
        ("ban", 104, "Too few parameters\n"),
        ("ban req.url ~", 104, "Too few parameters\n"),
        ('ban req.url ~ ""', 104, "Too few parameters\n"),
        ("ban req.url ~ /", 200, ""),
        ("ban req.url ~ / && obj.status == 200", 200, ""),
        ("ban -j req.url ~ /", 102, "JSON unimplemented\n"),
        ("ban req.url ~ /a || obj.status == 200", 106, 'Found "||" expected &&'),
        ("ban nope ~ /", 106, "There is no field nope.\nnope ~ /\n^"),
        ("ban req.url ~ / && nope == 1", 106, "There is no field nope.\nreq.url ~ / && nope == 1\n               ^"),
        (r"ban obj.http.\x1b ~ / && nope == 1", 106, "There is no field nope.\n" + r"obj.http.\x1b ~ / && nope == 1" + f"\n{'':21}^"),
        (f"ban req.url ~ {'x' * 500} && nope == 1", 106, "There is no field nope."),
        (r"ban req.url ~ \xff", 106, r"The expression is not UTF-8; in a regular expression \\xNN stands for a byte."),
        ("ban.list", 200, "Present bans:\n"),
        ("ban.list all", 105, "Too many parameters\n"),
        ("vcl.load a /b", 102, f"vcl.load is Varnish's and not implemented here. {UNIMPLEMENTED['vcl.load']}\n"),
        ("help param.set", 102, f"param.set is Varnish's and not implemented here. {UNIMPLEMENTED['param.set']}\n"),
        ("vcl.nonsense", 101, UNKNOWN),
    ],
)
async def test_commands(admin: Admin, line: str, status: int, text: str) -> None:
    client = await admin.greeted()
    text = text.replace("{pid:10}", f"{os.getpid():10}")  # which is another in each process that runs tests
    assert await client.ask(line) == Reply(status, text, b"%-3d %-8d\n" % (status, len(text.encode())))
    assert (await client.ask("ping")).status == 200


@pytest.mark.parametrize(
    "line, words, content",
    [
        ("ping -j", ["ping", "-j"], ["PONG"]),
        ("ping -j 12", ["ping", "-j", "12"], ["PONG"]),
        ("status -j", ["status", "-j"], ["running"]),
        ("ban.list -j", ["ban.list", "-j"], []),
        (r"ping -j \x1b\xff", ["ping", "-j", "\x1b\udcff"], ["PONG"]),
    ],
)
async def test_json(admin: Admin, line: str, words: list[str], content: list[object]) -> None:
    reply = await (await admin.greeted()).ask(line)
    assert reply.status == 200
    assert json.loads(reply.text) == [2, words, NOW, *content]


async def test_the_process_id(admin: Admin) -> None:
    reply = await (await admin.greeted()).ask("pid -j")
    assert json.loads(reply.text)[3:] == [{"master": os.getpid(), "worker": os.getpid()}]


async def test_help_lists_what_there_is(admin: Admin) -> None:
    client = await admin.greeted()
    lines = (await client.ask("help")).text.splitlines()
    assert lines == sorted(lines)
    assert lines == [command.syntax for command in Command]
    described = json.loads((await client.ask("help -j")).text)[3:]
    assert [one["request"] for one in described] == [command.word for command in Command]
    assert {"request": "ban", "minarg": 3, "maxarg": -1, "json": False}.items() <= described[1].items()
    assert "how many stored responses were tested" in (await client.ask("help ban.list")).text


def test_what_is_not_there_is_listed_once() -> None:
    assert sum(len(names) for names in ELSEWHERE.values()) == len(UNIMPLEMENTED)
    assert not set(UNIMPLEMENTED) & {command.word for command in Command}


async def test_quit_closes(admin: Admin) -> None:
    client = await admin.greeted()
    await client.send(b"ping", b"quit", b"ban req.url ~ .")
    assert [(await client.reply()).status for _ in range(2)] == [200, 500]
    assert await is_closed(client)
    assert admin.bans.asked == []


async def test_commands_may_be_sent_at_once_and_end_with_the_connection(admin: Admin) -> None:
    client = await admin.greeted()
    await client.send(b"ban req.url ~ /a", b"", b"  ", b"ban req.url ~ /b")
    client.writer.write(b"ban req.url ~ /unfinished")
    client.writer.write_eof()
    assert [(await client.reply()).status for _ in range(2)] == [200, 200]
    assert await is_closed(client)
    assert admin.bans.asked == [("req.url ~ /a", "127.0.0.1"), ("req.url ~ /b", "127.0.0.1")]


# -- Bans --------------------------------------------------------------------------------------------------------------------------------


async def test_the_list_of_bans(admin: Admin) -> None:
    admin.bans.live = [
        LiveBan(12, NOW + 60, True, "obj.age > 1h", 0),
        LiveBan(7, NOW, False, "req.url ~ a\x1b[2Jb\n1 2 - forged", 123456),
    ]
    client = await admin.greeted()
    assert (await client.ask("ban.list")).text == (
        "Present bans:\n1700000060.250000     0 S  obj.age > 1h\n"
        r"1700000000.250000 123456 -  req.url ~ a\x1b[2Jb\n1 2 - forged" + "\n"
    )
    listed = json.loads((await client.ask("ban.list -j")).text)[3:]
    assert listed == [
        {"time": NOW + 60, "refs": 0, "completed": False, "spec": "obj.age > 1h", "soft": True, "position": 12},
        {"time": NOW, "refs": 123456, "completed": False, "spec": admin.bans.live[1].text, "soft": False, "position": 7},
    ]


async def test_a_long_list_is_cut_at_a_whole_ban(admin: Admin) -> None:
    admin.bans.live = [LiveBan(number, NOW, False, f"req.url ~ /{number}/{'é' * 50}", 0) for number in range(10_000, 0, -1)]
    client = await admin.greeted()
    reply = await client.ask("ban.list")
    assert reply.status == Status.TRUNCATED
    assert 47 * 1024 < len(reply.text.encode()) < 48 * 1024
    *lines, last = reply.text.splitlines()
    assert lines[-1].endswith("é")
    assert last == f"... and {10_000 - len(lines) + 1} older ones"
    in_json = await client.ask("ban.list -j")
    assert in_json.status == Status.TRUNCATED
    assert json.loads(in_json.text)[3]["position"] == 10_000


async def test_what_the_log_cannot_take_is_not_acknowledged(admin: Admin) -> None:
    client = await admin.greeted()
    admin.bans.failure = LogUnwritable("the disk is full")
    assert await client.ask("ban req.url ~ /") == Reply(300, "Not banned: the disk is full", b"300 28      \n")
    admin.bans.failure = None
    assert (await client.ask("ban req.url ~ /")).status == 200


async def test_a_ban_is_acknowledged_when_it_is_durable_however_long_that_takes(admin: Admin) -> None:
    client = await admin.greeted()
    admin.bans.gate = asyncio.Event()
    await client.send(b"ban req.url ~ /")
    await admin.until(lambda: not client.writer.transport.get_write_buffer_size() and admin.bans.gate._waiters)
    admin.pass_time(10_000)
    assert not client.reader.at_eof()
    assert not client.reader._buffer
    admin.bans.gate.set()
    assert (await client.reply()).status == 200


async def test_a_defect_shows_nothing_to_the_client() -> None:
    async with running_admin() as admin:
        client = await admin.greeted()
        admin.bans.failure = RuntimeError("secret insides")
        reply = await client.ask("ban req.url ~ /")
        assert (reply.status, reply.text) == (300, "A defect in edgecache; its terminal shows more, please report it.")
        assert (await client.ask("ping")).status == 200
        assert [name for name, _ in admin.defects] == ["varnishadm ban"]
        admin.defects.clear()


# -- Here documents ----------------------------------------------------------------------------------------------------------------------


async def test_a_here_document_is_the_last_argument(admin: Admin) -> None:
    client = await admin.greeted()
    assert (await client.ask("ping << END", "ban req.url ~ .", "", "END")).text.startswith("PONG")
    assert (await client.ask("vcl.inline x << EOF", "vcl 4.1;", "quit", "EOF")).status == 102
    assert (await client.ask("ban req.url ~ <<")).status == 200
    assert [text for text, _ in admin.bans.asked] == ["req.url ~ <<"]


@pytest.mark.parametrize("document", [[b"x" * 300] * 20, [b"x" * 5000], [b""] * 5000, [b"x" * 4090]])
async def test_a_here_document_that_is_too_long_is_read_over(admin: Admin, document: list[bytes]) -> None:
    client = await admin.greeted()
    reply = await client.ask(b"ping << END", *document, b"END")
    assert reply.status == 106
    assert "longer than 4096 bytes" in reply.text
    assert (await client.ask("status")).text == "Child in state running"


# -- Authentication ----------------------------------------------------------------------------------------------------------------------


async def test_the_secret_opens(locked: Admin) -> None:
    client = await locked.connect()
    greeting = await client.reply()
    assert greeting.status == 107
    assert re.fullmatch(r"[a-z]{32}\n\nAuthentication required\.\n", greeting.text)
    reply = await client.ask(f"auth {response(greeting).upper()}")
    assert reply.status == 200
    assert "Varnish Cache CLI 1.0" in reply.text
    assert (await client.ask("ban req.url ~ /")).status == 200
    assert (await client.ask("banner")).text == reply.text
    assert (await client.ask("nonsense")).status == 101
    assert (await client.ask("auth 00")).status == 500
    assert await is_closed(client)


@pytest.mark.parametrize("answer", ["", "0" * 64, "x", "é", r"\xff", '""', "x" * 1000])
async def test_a_wrong_answer_closes(locked: Admin, answer: str) -> None:
    client = await locked.connect()
    await client.reply()
    assert (await client.ask(f"auth {answer}")).status == (500 if answer else 104)
    assert await is_closed(client)


@pytest.mark.parametrize("secret", [b"", SECRET.strip(), SECRET + b"\n", b"wrong"])
async def test_every_byte_of_the_secret_counts(locked: Admin, secret: bytes) -> None:
    client = await locked.connect()
    assert (await client.authenticate(secret)).status == 500
    assert await is_closed(client)


async def test_an_answer_is_good_for_one_connection(locked: Admin) -> None:
    first, second = await locked.connect(), await locked.connect()
    answer = response(await first.reply())
    assert (await second.reply()).status == 107
    assert (await second.ask(f"auth {answer}")).status == 500
    assert (await first.ask(f"auth {answer}")).status == 200
    third = await locked.connect()
    await third.reply()
    assert (await third.ask(f"auth {answer}")).status == 500


@pytest.mark.parametrize(
    "line", ["ban req.url ~ .", "ban.list", "banner", "status", "pid", "vcl.load a b", "nonsense", 'ping "', "ping 1 2"]
)
async def test_nothing_is_done_before_it(locked: Admin, line: str) -> None:
    client = await locked.connect()
    greeting = await client.reply()
    await client.send(line.encode(), f"auth {response(greeting)}".encode(), b"ban req.url ~ .")
    assert (await client.reply()).status in (100, 101, 105)
    assert await is_closed(client)
    assert locked.bans.asked == []


async def test_what_may_be_asked_before_it(locked: Admin) -> None:
    client = await locked.connect()
    greeting = await client.reply()
    assert (await client.ask("ping")).status == 200
    assert (await client.ask("help ban")).status == 200
    assert (await client.ask(f"auth {response(greeting)}")).status == 200


# -- Who gets in -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "BAN", *(command.word for command in Command), *UNIMPLEMENTED])
@pytest.mark.parametrize("target", ["/", "/x", "*", "evil.example:80", "http://evil.example/"])
async def test_a_web_page_gets_nowhere(admin: Admin, method: str, target: str) -> None:
    client = await admin.connect()
    assert (await client.reply()).status == 200
    await client.send(f"{method} {target} HTTP/1.1\r".encode(), b"Host: 127.0.0.1:6082\r", b"\r", b"ping", b"ban req.url ~ .")
    assert (await client.reply()).status != 200
    assert await is_closed(client)
    assert admin.bans.asked == []


async def test_a_tls_client_gets_nowhere(admin: Admin) -> None:
    client = await admin.connect()
    await client.reply()
    await client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"ping", b"ban req.url ~ .")
    assert (await client.reply()).status in (100, 101)
    assert await is_closed(client)
    assert admin.bans.asked == []


async def test_who_is_not_allowed_is_told_so() -> None:
    async with running_admin(allows=lambda address: address == "127.0.0.2") as admin:
        refused = await admin.connect()
        reply = await refused.reply()
        assert (reply.status, "127.0.0.1" in reply.text, "purge_allow" in reply.text) == (300, True, True)
        assert await is_closed(refused)
        if sys.platform == "linux":  # elsewhere loopback is one address
            assert (await (await admin.connect("127.0.0.2")).reply()).status == 200
    assert LOOPBACK[0].version == 4


# -- Bounds ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length, status", [(4096, 200), (4097, 106), (4098, 106), (9000, 106), (300_000, 106)])
async def test_a_line_has_a_limit(admin: Admin, length: int, status: int) -> None:
    client = await admin.greeted()
    reply = await client.ask(b"ban req.url ~ ".ljust(length, b"x"))
    assert reply.status == status
    assert status == 200 or "head_bytes" in reply.text
    assert (await client.ask("ping")).status == 200
    assert len(admin.bans.asked) == (status == 200)


async def test_connections_have_a_limit(admin: Admin) -> None:
    clients = [await admin.greeted() for _ in range(4)]
    refused = await admin.connect()
    reply = await refused.reply()
    assert (reply.status, "varnishadm_connections" in reply.text) == (300, True)
    assert await is_closed(refused)
    await clients[0].ask("quit")
    clients[0].writer.close()
    await admin.until(lambda: len(admin.listener._open) < 4)
    await admin.greeted()


async def test_an_idle_connection_is_closed(admin: Admin) -> None:
    client = await admin.greeted()
    await admin.until(lambda: all(session.deadline < 1e9 for session in admin.listener._open))
    admin.pass_time(599)
    assert (await client.ask("ping")).status == 200
    await admin.until(lambda: all(session.deadline == admin.monotonic + 600 for session in admin.listener._open))
    admin.pass_time(599)
    client.writer.write(b"\n \nban req.url ~ /unfinish")  # is no command yet
    await admin.until(lambda: any(session._reader._buffer for session in admin.listener._open))
    admin.pass_time(2)
    assert await is_closed(client)
    assert admin.bans.asked == []


@pytest.mark.parametrize("secret", [None, SECRET])
async def test_who_does_not_prove_himself_is_disconnected(secret: bytes | None) -> None:
    async with running_admin(secret=secret) as admin:
        client = await admin.connect()
        await client.reply()
        if secret:
            assert (await client.ask("ping")).status == 200  # is no proof
            admin.pass_time(PROVE_S / 2)
            assert (await client.ask("ping")).status == 200
        await admin.until(lambda: all(session.deadline < 1e9 for session in admin.listener._open))
        admin.pass_time(PROVE_S + 1)
        assert await is_closed(client)


async def test_who_takes_no_answers_is_asked_for_no_more_and_disconnected(admin: Admin) -> None:
    admin.bans.live = [LiveBan(number, NOW, False, "req.url ~ /" + "x" * 100, 0) for number in range(400)]
    client = await admin.greeted()
    client.reader._transport.pause_reading()
    client.writer.write(b"ban.list\n" * 1000)  # 45 MiB of answers
    (session,) = admin.listener._open
    await admin.until(lambda: session._writer.transport.get_write_buffer_size() > 64 * 1024)
    for _ in range(100):
        await asyncio.sleep(0)
    assert session._writer.transport.get_write_buffer_size() < 256 * 1024
    admin.pass_time(601)
    await admin.until(lambda: not admin.listener._open)


async def test_the_last_answer_arrives_although_more_was_sent(admin: Admin) -> None:
    client = await admin.greeted()
    await client.send(b"quit", *[b"ping"] * 500)
    assert (await client.reply()).text == "Closing CLI connection"
    assert await is_closed(client)
    (session,) = admin.listener._open
    assert session.deadline == admin.monotonic + CLOSE_S
    admin.pass_time(CLOSE_S + 1)
    await admin.until(lambda: not admin.listener._open)


async def test_a_reset_is_an_end_like_another(admin: Admin) -> None:
    client = await admin.greeted()
    client.writer.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER
    client.writer.write(b"ban.list\n" * 100)
    client.writer.transport.abort()
    await admin.until(lambda: not admin.listener._open)


# -- Bytes that make no sense ------------------------------------------------------------------------------------------------------------

WORDS = st.sampled_from([b"ban", b"ban.list", b"help", b"ping", b"auth", b"-j", b"<<", b"X", b'"', b"\\", b"req.url", b"~", b"&&", b"\x00"])
LINES = st.lists(st.one_of(st.binary(max_size=200), st.lists(WORDS, max_size=6).map(b" ".join)), max_size=20)


@given(lines=LINES, secret=st.sampled_from([None, SECRET]), proved=st.booleans())
@settings(max_examples=150, deadline=None)
def test_garbage_gets_answers_or_an_end(lines: list[bytes], secret: bytes | None, proved: bool) -> None:
    async def run() -> None:
        async with running_admin(secret=secret) as admin:
            client = await admin.connect()
            if not proved:
                await client.reply()
            elif secret:
                await client.authenticate()
            else:
                await client.reply()
                await client.ask("ping")
            await client.send(*lines, b"X", b"ping")
            client.writer.write_eof()
            while (reply := await client.reply()) is not None:
                assert reply.status in iter(Status)
                assert all(one.isprintable() or one in "\n\t" for one in reply.text)
            if secret and not proved:
                assert admin.bans.asked == []
            other = await admin.connect()
            assert (await other.reply()).status in (107, 200)

    asyncio.run(run())
