"""Varnish's management protocol, so that `varnishadm` and the programs that speak it can ban here as they do there.

A client connects, and is challenged when there is a secret: it shows with a hash that it knows the secret, which itself never travels.
Then it sends commands, each a line, and gets an answer to each, in order. Words are in varnish_words.py, commands in varnish_cli.py.

The port is no HTTP, but web pages can make a browser connect to it and send lines of their choice further down. So whoever has not proved
itself yet is disconnected at the first line that has no success: a request line has none, whatever its method. With a secret, to prove
oneself is to authenticate; without one, a command that succeeds does it. Varnish holds it so before authentication.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass

from edgecache.control.varnish_bans import BanDoor
from edgecache.control.varnish_cli import Call, Cli, Command, Reply, Status, banner, understand, unknown
from edgecache.control.varnish_words import WordsError, here_document, split
from edgecache.http1.sweeper import NEVER, Sweeper
from edgecache.http1.tasks import Tasks

CHALLENGE_LETTERS = 32
PROVE_S = 30.0  # for a client to prove itself; who never does shall not hold one of the connections for long
CLOSE_S = 5.0  # for a client to take the last answer
BEFORE_AUTHENTICATION = frozenset({Command.AUTH, Command.HELP, Command.PING, Command.QUIT})


@dataclass(frozen=True, slots=True)
class AdminParts:
    """What the listener needs.

    secret        the content of the secret file; None: nobody is challenged
    allows        may this address connect?
    line_bytes    longest command, here documents included; a longer one is read over and refused
    connections   at a time; more are refused
    idle_timeout_s  time for the next whole command, and for taking an answer; then the connection is closed
    report        hears of defects
    """

    door: BanDoor
    now: Callable[[], float]
    secret: bytes | None
    allows: Callable[[str], bool]
    line_bytes: int
    connections: int
    idle_timeout_s: float
    tasks: Tasks
    sweeper: Sweeper
    report: Callable[[str, BaseException], None]


class VarnishAdmin:
    """The connections of one listener: `accept` is for loop.create_server, `abort` ends them all."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts
        self._cli = Cli(parts.door, parts.now)
        self._open: set[Session] = set()

    def accept(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        reader = asyncio.StreamReader(limit=self._parts.line_bytes)
        return asyncio.StreamReaderProtocol(reader, self._connected)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = self._parts
        address = (writer.get_extra_info("peername") or ("",))[0]
        if not parts.allows(address):
            _refuse(writer, f"Connections from {address} are not taken; the setting purge_allow says from where they are.")
        elif len(self._open) >= parts.connections:
            _refuse(writer, f"{len(self._open)} connections are open already, as many as the setting varnishadm_connections allows.")
        else:
            session = Session(parts, self._cli, reader, writer, address)
            self._open.add(session)
            parts.tasks.spawn(self._run(session), "varnishadm")

    async def _run(self, session: Session) -> None:
        try:
            await session.run()
        finally:
            self._open.discard(session)

    def abort(self) -> None:
        """Disconnect everybody at once."""
        for session in list(self._open):
            session.abort()


def _refuse(writer: asyncio.StreamWriter, sentence: str) -> None:
    writer.write(Reply(Status.CANNOT, sentence + "\n").encoded())
    writer.close()


class _End(Exception):
    """The client is gone."""


class Session:
    """One connection, from the greeting to its end."""

    def __init__(self, parts: AdminParts, cli: Cli, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str) -> None:
        self.deadline = NEVER
        self._parts = parts
        self._cli = cli
        self._reader = reader
        self._writer = writer
        self._address = address
        self._challenge = "".join(secrets.choice(string.ascii_lowercase) for _ in range(CHALLENGE_LETTERS))
        self._proved = False  # see the top of this file
        self._prove_by = parts.sweeper.monotonic() + PROVE_S
        self._locked = parts.secret is not None

    async def run(self) -> None:
        """Greet, then answer one command after the other, until either side ends it."""
        self._parts.sweeper.watch(self)
        try:
            reply = Reply(Status.AUTHENTICATE, f"{self._challenge}\n\nAuthentication required.\n") if self._locked else banner()
            await self._send(reply)
            while not self._is_over(reply):
                reply = await self._next_reply()
                await self._send(reply)
            await self._close()
        except (_End, OSError):
            pass
        except Exception as defect:
            self._parts.report("varnishadm", defect)
        finally:
            self._parts.sweeper.forget(self)
            self.abort()

    def _is_over(self, reply: Reply) -> bool:
        return reply.status is Status.CLOSE or not (self._proved or reply.status in (Status.OK, Status.AUTHENTICATE))

    async def _next_reply(self) -> Reply:
        words = await self._next_words()
        self.deadline = NEVER  # the disk may be slow
        if isinstance(words, Reply):
            return words
        call = understand(words)
        reply = await self._answer(call) if isinstance(call, Call) and self._is_open_to(call) else self._refusal(call)
        self._proved |= reply.status is Status.OK and not self._locked
        return reply

    def _is_open_to(self, call: Call) -> bool:
        return not self._locked or call.command in BEFORE_AUTHENTICATION

    def _refusal(self, call: Call | Reply) -> Reply:
        """Of a command that does not exist or may not be used: before authentication one is told of no difference."""
        if isinstance(call, Call) or (self._locked and call.status is Status.UNIMPLEMENTED):
            return unknown()
        return call

    async def _answer(self, call: Call) -> Reply:
        match call.command:
            case Command.AUTH:
                return self._authenticate(call.arguments[0])
            case Command.QUIT:
                return Reply(Status.CLOSE, "Closing CLI connection")
            case _:
                try:
                    return await self._cli.answer(call, self._address)
                except Exception as defect:
                    self._parts.report(f"varnishadm {call.command.word}", defect)
                    return Reply(Status.CANNOT, "A defect in edgecache; its terminal shows more, please report it.")

    def _authenticate(self, response: str) -> Reply:
        secret = self._parts.secret
        if secret is None:
            return Reply(Status.CANNOT, "Secret file not configured\n")
        challenge = self._challenge.encode()
        right = hashlib.sha256(challenge + b"\n" + secret + challenge + b"\n").hexdigest()
        # Bytes, because compare_digest refuses text beyond ASCII.
        if not hmac.compare_digest(response.lower().encode("utf-8", "surrogateescape"), right.encode()):
            return Reply(Status.CLOSE)
        self._locked = False
        return banner()

    # -- Lines ----------------------------------------------------------------------------------------------------------------------------

    async def _next_words(self) -> list[str] | Reply:
        """The words of the next command, or why they are none. Empty lines are passed over."""
        while (line := await self._line()) is not None:
            try:
                words = split(line)
            except WordsError as error:
                return Reply(Status.SYNTAX, f"Unknown request.\nType 'help' for more info.\nSyntax Error: {error}\n")
            end = here_document(words)
            if end is not None:
                text = await self._here(end, self._parts.line_bytes - len(line))
                if text is None:
                    break
                words[-2:] = [text]
            if words:
                return [word.decode("utf-8", "surrogateescape") for word in words]
        return Reply(Status.PARAMETER, f"The command is longer than {self._parts.line_bytes} bytes, which the setting head_bytes allows.\n")

    async def _here(self, end: bytes, room: int) -> bytes | None:
        """A here document, up to the line `end`; None when it is longer than `room`. All of it is read, or its rest would be commands."""
        lines: list[bytes] = []
        while (line := await self._line()) != end:
            room -= self._parts.line_bytes if line is None else len(line) + 1
            if line is not None and room >= 0:
                lines.append(line + b"\n")
        return b"".join(lines) if room >= 0 else None

    async def _line(self) -> bytes | None:
        """The next line; None for one that is too long, once all of it was read. Raises _End."""
        await asyncio.sleep(0)  # who sends many at once must not keep the others waiting
        too_long = False
        while True:
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as overrun:
                too_long = True
                await self._reader.readexactly(overrun.consumed)
            except asyncio.IncompleteReadError:
                raise _End from None
            else:
                return None if too_long else line[:-1]

    async def _send(self, reply: Reply) -> None:
        self._still_there()
        self._set_deadline()
        self._writer.write(reply.encoded())
        await self._writer.drain()

    def _still_there(self) -> None:
        """Raises _End where the client left while its command was carried out: uvloop takes no writes after a reset."""
        if self._writer.transport.is_closing():
            raise _End

    # -- Ends -----------------------------------------------------------------------------------------------------------------------------

    def _set_deadline(self) -> None:
        idle_until = self._parts.sweeper.monotonic() + self._parts.idle_timeout_s
        self.deadline = idle_until if self._proved else min(idle_until, self._prove_by)

    def deadline_passed(self, now: float) -> None:
        """No command came in time, or the client does not take what it asked for."""
        self.deadline = NEVER
        self.abort()

    async def _close(self) -> None:
        """Let the client have the last answer: what it still sends is read and dropped, or the kernel would reset the connection."""
        self._still_there()
        self.deadline = self._parts.sweeper.monotonic() + CLOSE_S
        with contextlib.suppress(NotImplementedError):
            self._writer.write_eof()
        left = self._parts.line_bytes
        while left > 0 and (dropped := await self._reader.read(left)):
            left -= len(dropped)

    def abort(self) -> None:
        """Disconnect at once."""
        self._writer.transport.abort()
