"""Python's HTTP libraries on either side of the edge: websockets, aiohttp, and h11 as the judge of what the edge sends."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Callable

import aiohttp
import h11
import pytest
import pytest_asyncio
from aiohttp import web
from originkit import EdgeProcess
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError, InvalidStatus

PATIENCE_S = 20

# websockets at both ends


async def echo(connection: ServerConnection) -> None:
    """Send back what comes; close when told to."""
    async for message in connection:
        if message == "close":
            await connection.close(4001, "as you like")
        elif message == "vanish":
            connection.transport.abort()
        else:
            await connection.send(message)


@pytest_asyncio.fixture
async def echoing(edge_before) -> AsyncIterator[EdgeProcess]:
    """An edge in front of a WebSocket server that echoes, for the subprotocols `chat` and `superchat`; /no is refused."""

    def refuse(connection, request):
        return connection.respond(403, "no") if request.path == "/no" else None

    async with serve(echo, "127.0.0.1", 0, subprotocols=["chat", "superchat"], process_request=refuse, max_size=None) as server:
        yield edge_before(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def test_messages_of_all_kinds_and_sizes_come_back(echoing):
    async with connect(f"ws://{echoing.host}/", subprotocols=["superchat"], max_size=None) as connection:
        assert connection.subprotocol == "superchat"
        assert "permessage-deflate" in connection.response.headers["Sec-WebSocket-Extensions"]
        for message in ("text: ä €", b"", b"\x00" * 65536, bytes(range(256)) * 20_000, "x" * 5_000_000):
            await connection.send(message)
            assert await connection.recv() == message
        waiter = await connection.ping(b"are you there")
        await asyncio.wait_for(waiter, PATIENCE_S)
        await connection.send(["in ", "three ", "frames"])
        assert await connection.recv() == "in three frames"


async def test_each_end_can_close_and_say_why(echoing):
    async with connect(f"ws://{echoing.host}/", subprotocols=["chat"]) as connection:
        await connection.send("close")
        with pytest.raises(ConnectionClosedError) as closed:
            await connection.recv()
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as you like")
    async with connect(f"ws://{echoing.host}/", subprotocols=["chat"]) as connection:
        await connection.close(4002, "enough")
        assert connection.close_code == 4002


async def test_a_server_that_vanishes_is_noticed(echoing):
    async with connect(f"ws://{echoing.host}/", subprotocols=["chat"]) as connection:
        await connection.send("vanish")
        with pytest.raises(ConnectionClosedError) as closed:
            await asyncio.wait_for(connection.recv(), PATIENCE_S)
        assert closed.value.rcvd is None


async def test_a_refused_handshake_is_the_servers_own_answer(echoing):
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://{echoing.host}/no"):
            pass
    assert (refused.value.response.status_code, refused.value.response.body) == (403, b"no")


async def test_150_connections_at_a_time(echoing):
    """More than the origin may have for plain requests: upgraded connections do not count."""
    async with contextlib.AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(connect(f"ws://{echoing.host}/", subprotocols=["chat"])) for _ in range(150)]
        for index, connection in enumerate(connections):
            await connection.send(f"I am {index}")
        assert [await connection.recv() for connection in connections] == [f"I am {index}" for index in range(150)]


# aiohttp at both ends


class Shop:
    """An aiohttp application whose handlers wait for the test."""

    def __init__(self) -> None:
        self.go_on = asyncio.Semaphore(0)
        self.left = asyncio.Event()
        self.uploads: list[bytes] = []
        self.app = web.Application(client_max_size=2**26)
        self.app.add_routes([web.get("/events", self.events), web.post("/upload", self.upload), web.get("/plain", self.plain)])
        self.app.add_routes([web.post("/deaf", self.deaf)])

    async def events(self, request: web.Request) -> web.StreamResponse:
        """One event each time that the test lets it go on."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        number = 0
        try:
            while True:
                await response.write(b"id: %d\ndata: tick\n\n" % number)
                number += 1
                await self.go_on.acquire()
        except (ConnectionError, asyncio.CancelledError):
            self.left.set()
            raise

    async def upload(self, request: web.Request) -> web.Response:
        self.uploads.append(await request.read())
        return web.json_response({"bytes": len(self.uploads[-1])})

    async def plain(self, request: web.Request) -> web.Response:
        return web.Response(text="plain", headers={"Cache-Control": "no-store"})

    async def deaf(self, request: web.Request) -> web.Response:
        """Answers without a look at the content."""
        return web.Response(status=401, text="who are you?")


@pytest_asyncio.fixture
async def shop() -> Shop:
    return Shop()


@pytest_asyncio.fixture
async def shopping(shop: Shop, edge_before: Callable[..., EdgeProcess]) -> AsyncIterator[EdgeProcess]:
    """An edge in front of the application."""
    runner = web.AppRunner(shop.app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield edge_before(f"http://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()


async def test_events_come_one_by_one_and_the_origin_hears_when_the_client_leaves(shop, shopping):
    async with aiohttp.ClientSession() as session:
        response = await session.get(f"{shopping.url}/events", headers={"Accept": "text/event-stream"})
        assert response.headers["Content-Type"] == "text/event-stream"
        for number in range(20):
            event = await asyncio.wait_for(response.content.readuntil(b"\n\n"), PATIENCE_S)
            assert event == b"id: %d\ndata: tick\n\n" % number
            shop.go_on.release()  # only now does the next event exist
        response.close()
    await asyncio.wait_for(shop.left.wait(), PATIENCE_S)


async def test_100_event_streams_leave_room_for_a_request(shop, shopping):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        streams = [await session.get(f"{shopping.url}/events") for _ in range(100)]
        for stream in streams:
            assert await asyncio.wait_for(stream.content.readuntil(b"\n\n"), PATIENCE_S) == b"id: 0\ndata: tick\n\n"
        async with session.get(f"{shopping.url}/plain") as plain:
            assert await plain.text() == "plain"
        for stream in streams:
            stream.close()


@pytest.mark.parametrize("expect", [False, True], ids=["at once", "after 100"])
async def test_an_upload_in_pieces(shop, shopping, expect):
    content = bytes(range(256)) * 20_000

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(content), 50_000):
            yield content[at : at + 50_000]

    async with aiohttp.ClientSession() as session:
        async with session.post(f"{shopping.url}/upload", data=pieces(), expect100=expect) as answer:
            assert (answer.status, await answer.json()) == (200, {"bytes": len(content)})
        async with session.post(f"{shopping.url}/upload", data=io.BytesIO(content), expect100=expect) as answer:
            assert (answer.status, await answer.json()) == (200, {"bytes": len(content)})
    assert shop.uploads == [content, content]


async def test_an_answer_to_an_upload_that_nobody_reads(shopping):
    """The application answers from the head alone: the client gets that answer, whether or not it has sent everything."""
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.post(f"{shopping.url}/deaf", data=io.BytesIO(b"x" * 8_000_000)) as answer:
                assert (answer.status, await answer.text()) == (401, "who are you?")


# h11 at both ends: it raises an error on whatever RFC 9112 does not allow


class H11:
    """An h11 connection over a stream, for either role."""

    def __init__(self, role: type[h11.CLIENT] | type[h11.SERVER], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.state = h11.Connection(role, max_incomplete_event_size=2**17)
        self._reader = reader
        self._writer = writer

    async def send(self, *events: h11.Event) -> None:
        for event in events:
            self._writer.write(self.state.send(event) or b"")
        await self._writer.drain()

    async def event(self) -> h11.Event:
        while (event := self.state.next_event()) is h11.NEED_DATA:
            self.state.receive_data(await asyncio.wait_for(self._reader.read(65536), PATIENCE_S))
        assert event is not h11.PAUSED
        return event

    async def message(self) -> tuple[list[h11.Event], bytes, h11.EndOfMessage]:
        """The heads of the next message (interim ones first), its content, and its end."""
        heads, content = [], b""
        while not isinstance(event := await self.event(), h11.EndOfMessage):
            assert not isinstance(event, h11.ConnectionClosed), heads
            if isinstance(event, h11.Data):
                content += event.data
            else:
                heads.append(event)
        return heads, content, event

    def close(self) -> None:
        self._writer.close()


async def answer_with_h11(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An origin that answers each request with what it got, in chunks with trailers, after a 103."""
    server = H11(h11.SERVER, reader, writer)
    with contextlib.closing(server), contextlib.suppress(AssertionError):  # the edge closes its connections in the end
        while True:
            (request,), content, end = await server.message()
            digest = [("X-Trailer", dict(end.headers).get(b"x-trailer", b"none")), ("X-Length", str(len(content)))]
            await server.send(
                h11.InformationalResponse(status_code=103, headers=[("Link", "</a.css>; rel=preload")], reason=b"Early Hints")
            )
            if request.target == b"/nothing":
                await server.send(h11.Response(status_code=204, headers=[], reason=b"Nothing"), h11.EndOfMessage())
            else:
                fields = [
                    ("Transfer-Encoding", "chunked"),
                    ("X-Repeated", "one"),
                    ("X-Repeated", "two"),
                    ("Trailer", "X-Trailer, X-Length"),
                ]
                await server.send(h11.Response(status_code=299, headers=fields, reason=b"Quite Fine"))
                if request.method != b"HEAD":
                    await server.send(h11.Data(data=request.method + b" "), h11.Data(data=content))
                    await server.send(h11.EndOfMessage(headers=digest))
                else:
                    await server.send(h11.EndOfMessage())
            server.state.start_next_cycle()


@pytest_asyncio.fixture
async def judged(edge_before) -> AsyncIterator[H11]:
    """A client's connection to an edge; h11 at both of its ends."""
    connected: list[asyncio.Task[None]] = []

    def follow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(asyncio.create_task(answer_with_h11(reader, writer)))

    server = await asyncio.start_server(follow, "127.0.0.1", 0)
    edge = edge_before(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    client = H11(h11.CLIENT, *await asyncio.open_connection("127.0.0.1", edge.port))
    yield client
    client.close()
    server.close()
    for task in connected:
        task.cancel()
    for ended in await asyncio.gather(*connected, return_exceptions=True):  # h11's complaints in the origin's role come out here
        assert ended is None or isinstance(ended, asyncio.CancelledError), ended


async def test_h11_agrees_with_every_message_on_both_sides(judged):
    host = ("Host", "example.test")
    for _ in range(3):
        for method, target, fields, pieces, trailers, content in [
            ("GET", "/a", [("TE", "trailers")], [], [], b"GET "),
            ("HEAD", "/a", [], [], [], b""),
            ("POST", "/a", [("Content-Length", "5")], [b"he", b"llo"], [], b"POST hello"),
            ("POST", "/a", [("Transfer-Encoding", "chunked")], [b"x" * 70_000] * 3, [("X-Trailer", "at last")], b"POST " + b"x" * 210_000),
            ("FROB", "/a", [("Transfer-Encoding", "chunked")], [], [], b"FROB "),
            ("GET", "/nothing", [], [], [], b""),
        ]:
            await judged.send(h11.Request(method=method, target=target, headers=[host, *fields]))
            await judged.send(*(h11.Data(data=piece) for piece in pieces), h11.EndOfMessage(headers=trailers))
            heads, got, end = await judged.message()
            assert [head.status_code for head in heads] == [103, 204 if target == "/nothing" else 299]
            assert dict(heads[0].headers)[b"link"] == b"</a.css>; rel=preload"
            assert got == content
            if got:
                assert [value for name, value in heads[1].headers if name == b"x-repeated"] == [b"one", b"two"]
                assert heads[1].reason == b"Quite Fine"
                expected = dict(trailers).get("X-Trailer", "none").encode()
                assert dict(end.headers) == {b"x-trailer": expected, b"x-length": b"%d" % sum(map(len, pieces))}
            judged.state.start_next_cycle()
