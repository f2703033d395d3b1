"""The commands of Varnish's management protocol: what each takes, and what is answered.

Commands, statuses and wording are Varnish's where the edge does the same thing. What Varnish can do and the edge cannot is refused with a
sentence that says where the same is done here. Nothing in this file knows of connections.
"""

from __future__ import annotations

import enum
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from edgecache import __version__
from edgecache.control.varnish_bans import BanDoor, BanRefused, LiveBan
from edgecache.control.varnish_words import WrongCount, expression, respaced
from edgecache.invalidation.logfile import LogUnwritable

LIST_BYTES = 48 * 1024  # Varnish's parameter cli_limit
SHOWN_CHARACTERS = 500  # of an expression that was refused; a longer one is not repeated
_UNUSUAL = re.compile(r"[^ -~]")


class Status(enum.IntEnum):
    """How a command ended, in Varnish's numbers."""

    SYNTAX = 100  # the line cannot be split into words
    UNKNOWN = 101  # no such command, or not before authentication
    UNIMPLEMENTED = 102  # Varnish has it, the edge has not
    TOO_FEW = 104
    TOO_MANY = 105
    PARAMETER = 106  # an argument cannot be used
    AUTHENTICATE = 107  # first of all
    OK = 200
    TRUNCATED = 201  # as OK, but not all is there
    CANNOT = 300  # understood, and not done
    CLOSE = 500  # and the connection is closed


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status, and text that may have several lines."""

    status: Status
    text: str = ""

    def encoded(self) -> bytes:
        """The bytes on the wire. Nothing in them but line breaks and tabs controls a terminal."""
        body = escaped(self.text, "\n\t").encode()
        return b"%-3d %-8d\n%b\n" % (self.status, len(body), body)


def escaped(text: str, kept: str = "") -> str:
    """The text with what is not printable, but for the characters of `kept`, as Python writes it: it may come from the network."""

    def shown(found: re.Match[str]) -> str:
        one = found[0]
        return one if one.isprintable() or one in kept else one.encode("unicode_escape").decode()

    return _UNUSUAL.sub(shown, text)


class Command(enum.Enum):
    """Commands that the edge has: name, arguments for `help`, how many (None: any number), whether -j gives JSON, what it does."""

    AUTH = ("auth", "<response>", 1, 1, False, "Authenticate.")
    BAN = (
        "ban",
        "<field> <operator> <arg> [&& <field> <oper> <arg> ...]",
        3,
        None,
        False,
        "Mark obsolete all objects where all the conditions match.",
    )
    BAN_LIST = (
        "ban.list",
        "[-j]",
        0,
        0,
        True,
        "List the active bans.\n"
        "Newest first: when it was made, in edge time; how many stored responses were tested against it so far, where Varnish counts\n"
        "those that refer to it; - for a hard ban and S for a soft one (C, completed, is never shown: such a ban is listed no more);\n"
        "its expression. In JSON these are time, refs, completed and soft, and spec; position is its place in the edge's log.",
    )
    BANNER = ("banner", "", 0, 0, False, "Print welcome banner.")
    HELP = ("help", "[-j|<command>]", 0, 1, True, "Show command/protocol help.")
    PID = ("pid", "[-j]", 0, 0, True, "Show the pid of the edge's process, which is master and worker in one.")
    PING = ("ping", "[-j] [<timestamp>]", 0, 1, True, "Keep connection alive.")
    QUIT = ("quit", "", 0, 0, False, "Close connection.")
    STATUS = ("status", "[-j]", 0, 0, True, "Check status of the edge, which runs as long as it answers here.")

    def __init__(self, word: str, arguments: str, least: int, most: int | None, has_json: bool, help: str) -> None:
        self.word = word
        self.arguments = arguments
        self.least = least
        self.most = most
        self.has_json = has_json
        self.help = help

    @property
    def syntax(self) -> str:
        """The command and its arguments, as `help` shows it."""
        return f"{self.word} {self.arguments}".rstrip()


# What Varnish has and the edge has not, and what to do instead.
ELSEWHERE = {
    "Origins are settings of the edge, and GET /api/v1/stats of its control plane shows them.": ("backend.list", "backend.set_health"),
    "This is for the inside of varnishd.": (
        *("debug.fragfetch", "debug.listen_address", "debug.panic.master", "debug.panic.worker", "debug.reqpool.fail"),
        *("debug.shutdown.delay", "debug.srandom", "debug.vmod", "debug.xid"),
    ),
    "A defect shows itself in the terminal in which the edge runs.": ("panic.clear", "panic.show"),
    "The edge has settings instead of parameters: see docs/settings.md.": ("param.reset", "param.set", "param.show"),
    "The edge starts with `edgecache run` and ends with SIGTERM.": ("start", "stop"),
    "`edgecache stats` shows what is stored.": ("storage.list",),
    "The edge has no VCL: its settings, sites and rules stand in the file of --config.": (
        *("vcl.deps", "vcl.discard", "vcl.inline", "vcl.label", "vcl.list", "vcl.load", "vcl.show", "vcl.state", "vcl.symtab", "vcl.use"),
    ),
}
UNIMPLEMENTED = {name: sentence for sentence, names in ELSEWHERE.items() for name in names}
_COMMANDS = {command.word: command for command in Command}


@dataclass(frozen=True, slots=True)
class Call:
    """A command that may be carried out: its arguments are as many as it takes, without the -j that asks for JSON."""

    command: Command
    arguments: tuple[str, ...]
    json: bool


def understand(words: Sequence[str]) -> Call | Reply:
    """What is asked for, or the refusal."""
    name, *arguments = words
    command = _COMMANDS.get(name)
    if command is None:
        return _not_there(name)
    in_json = arguments[:1] == ["-j"]
    if in_json and not command.has_json:
        return Reply(Status.UNIMPLEMENTED, "JSON unimplemented\n")
    arguments = arguments[in_json:]
    if command is Command.BAN:
        arguments = respaced(arguments)
    if len(arguments) < command.least:
        return Reply(Status.TOO_FEW, "Too few parameters\n")
    if command.most is not None and len(arguments) > command.most:
        return Reply(Status.TOO_MANY, "Too many parameters\n")
    return Call(command, tuple(arguments), in_json)


def unknown(remark: str = "") -> Reply:
    """There is no such command, or not now."""
    return Reply(Status.UNKNOWN, f"Unknown request.\nType 'help' for more info.\n{remark}")


def _not_there(name: str) -> Reply:
    if name in UNIMPLEMENTED:
        return Reply(Status.UNIMPLEMENTED, f"{name} is Varnish's and not implemented here. {UNIMPLEMENTED[name]}\n")
    return unknown("all commands are in lower-case.\n" if name[:1].isupper() else "")


class Cli:
    """Carries out the commands that need no connection. `now` gives edge time."""

    def __init__(self, door: BanDoor, now: Callable[[], float]) -> None:
        self._door = door
        self._now = now

    async def answer(self, call: Call, who: str) -> Reply:
        """The reply to a command from `who`."""
        match call.command:
            case Command.BAN:
                return await self._ban(call.arguments, who)
            case Command.BAN_LIST:
                return self._ban_list(call)
            case Command.BANNER:
                return banner()
            case Command.HELP:
                return self._json(call, map(_described, Command)) if call.json else _help(call.arguments)
            case Command.PID:
                pid = os.getpid()
                if call.json:
                    return self._json(call, [{"master": pid, "worker": pid}])
                return Reply(Status.OK, f"Master: {pid:10}\nWorker: {pid:10}\n")
            case Command.PING:
                return self._json(call, ["PONG"]) if call.json else Reply(Status.OK, f"PONG {int(self._now())} 1.0")
            case Command.STATUS:
                return self._json(call, ["running"]) if call.json else Reply(Status.OK, "Child in state running")
            case Command.AUTH | Command.QUIT:
                raise AssertionError(f"{call.command.word} is the connection's own")
            case _:
                assert_never(call.command)

    async def _ban(self, arguments: Sequence[str], who: str) -> Reply:
        try:
            text = expression(arguments)
            text.encode()
            await self._door.ban(text, who)
        except UnicodeEncodeError:
            return Reply(Status.PARAMETER, r"The expression is not UTF-8; in a regular expression \\xNN stands for a byte.")
        except WrongCount as refusal:
            return Reply(Status.PARAMETER, str(refusal))
        except BanRefused as refusal:
            return Reply(Status.PARAMETER, _pointed(text, refusal))
        except LogUnwritable as failure:
            return Reply(Status.CANNOT, f"Not banned: {failure}")
        return Reply(Status.OK)

    def _ban_list(self, call: Call) -> Reply:
        bans = self._door.bans()
        pieces = [] if call.json else ["Present bans:\n"]
        room = LIST_BYTES - 200  # for what stands around them
        for ban in bans:
            piece = _listed(ban) if call.json else _line(ban)
            room -= len(piece.encode())
            if room < 0:
                break
            pieces.append(piece)
        else:
            return self._bans(Status.OK, call, pieces)
        left = len(bans) - (len(pieces) - (not call.json))
        return self._bans(Status.TRUNCATED, call, pieces if call.json else [*pieces, f"... and {left} older ones\n"])

    def _bans(self, status: Status, call: Call, pieces: Sequence[str]) -> Reply:
        return Reply(status, self._envelope(call, pieces) if call.json else "".join(pieces))

    def _json(self, call: Call, items: Iterable[object]) -> Reply:
        return Reply(Status.OK, self._envelope(call, map(json.dumps, items)))

    def _envelope(self, call: Call, items: Iterable[str]) -> str:
        """Version, command and time, then the items, each JSON already."""
        words = json.dumps([call.command.word, "-j", *call.arguments])
        return f"[ 2, {words}, {self._now():.3f}" + "".join(f",\n  {item}" for item in items) + "\n]\n"


def banner() -> Reply:
    """What a client is greeted with. The second line and the last two are what programs look for."""
    line = "-----------------------------\n"
    return Reply(
        Status.OK,
        f"{line}Varnish Cache CLI 1.0\n{line}edgecache {__version__}\n\nType 'help' for command list.\nType 'quit' to close CLI session.\n",
    )


def _help(arguments: Sequence[str]) -> Reply:
    """All commands, or one of them. -a adds Varnish's commands for debugging, -d shows them alone: the edge has none."""
    name = arguments[0] if arguments else "-a"
    if name in ("-a", "-d"):
        return Reply(Status.OK, "".join(f"{command.syntax}\n" for command in Command if name == "-a"))
    command = _COMMANDS.get(name)
    return Reply(Status.OK, f"{command.syntax}\n{command.help}\n") if command else _not_there(name)


def _described(command: Command) -> dict[str, object]:
    """A command as `help -j` has it."""
    return {
        "request": command.word,
        "syntax": command.syntax,
        "help": command.help,
        "minarg": command.least,
        "maxarg": -1 if command.most is None else command.most,
        "flags": "",
        "json": command.has_json,
    }


def _line(ban: LiveBan) -> str:
    """A ban in Varnish's columns: time, refs, flag, expression."""
    return f"{ban.time:10.6f} {ban.tested:5} {'S' if ban.soft else '-'}  {escaped(ban.text)}\n"


def _listed(ban: LiveBan) -> str:
    return json.dumps(
        {"time": round(ban.time, 6), "refs": ban.tested, "completed": False, "spec": ban.text, "soft": ban.soft, "position": ban.position}
    )


def _pointed(text: str, refusal: BanRefused) -> str:
    """Why an expression was refused, with a mark below the column in question."""
    if len(text) > SHOWN_CHARACTERS:
        return refusal.sentence
    before = escaped(text[: refusal.column - 1])
    return f"{refusal.sentence}\n{escaped(text)}\n{'':{len(before)}}^"
