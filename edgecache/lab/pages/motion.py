"""Pages that take their time: streams, events, WebSockets, uploads, a download, early hints, and an answer that breaks off.

A stream is written here piece by piece, so each looks at the method itself: aiohttp would send content in answer to HEAD. Every wait
ends early when the site closes.
"""

from __future__ import annotations

import json
from hashlib import sha256

from aiohttp import WSMsgType, web

from edgecache.lab.pages import render
from edgecache.lab.pages.answers import HTML, TEXT, html, refusal, whole
from edgecache.lab.pages.page import Visit, clock_time

STREAM_LINES = 5
EVENTS = 60
MIB = 1024 * 1024
BLOCK = b"A line of the demo download: 64 bytes with a newline at its end\n" * 1024
CUT_AFTER = 500
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </assets/demo-paint.css>; rel=preload; as=style\r\n\r\n"


async def early_hints(visit: Visit) -> web.StreamResponse:
    """A 103 with a link to preload (RFC 8297), a beat of thinking, then the page."""
    transport = visit.request.transport
    # To HTTP/1.0 no 1xx may be sent (RFC 9110 15.2). aiohttp has no call for it, but lets a handler write before it prepares.
    if transport is not None and visit.request.version >= (1, 1):
        transport.write(EARLY_HINTS)
    await visit.site.pause()
    done = visit.now()
    painted = '<section><p class="painted"></p></section>'
    return html(done, render.page(done, painted, '<link rel="stylesheet" href="/assets/demo-paint.css">\n'))


async def slow(visit: Visit) -> web.StreamResponse:
    """Two beats of nothing, then the page."""
    await visit.site.pause(2)
    done = visit.now()
    return html(done, render.page(done))


async def stream(visit: Visit) -> web.StreamResponse:
    """A page in chunks: all but its lines at once, then a line a beat."""
    response = web.StreamResponse(headers=visit.fields(HTML))
    await response.prepare(visit.request)
    if visit.request.method == "HEAD":
        return response
    start = render.opening(visit.site, visit.page.title) + render.preface(visit) + render.stamp(visit)
    await response.write(f'{start}<section><ol class="log">\n'.encode())
    for number in range(1, STREAM_LINES + 1):
        if not await visit.site.pause():
            break
        await response.write(f"<li>Line {number} of {STREAM_LINES}, made at {clock_time(visit.site.clock.now())}</li>\n".encode())
    await response.write(f"</ol></section>{render.ways_to_ask(visit)}</div>{render.closing()}".encode())
    return response


async def event_page(visit: Visit) -> web.StreamResponse:
    """A page that listens to the feed."""
    return html(visit, render.page(visit, render.package_text("events.html")))


async def feed(visit: Visit) -> web.StreamResponse:
    """An event a beat, numbered on from Last-Event-ID; after EVENTS of them it ends and the browser comes back."""
    response = web.StreamResponse(headers=visit.fields())
    await response.prepare(visit.request)
    if visit.request.method == "HEAD":
        return response
    last = visit.request.headers.get("Last-Event-ID", "")
    first = int(last) + 1 if last.isascii() and last.isdigit() and len(last) <= 9 else 1
    await response.write(b"retry: 1000\n\n")
    for number in range(first, first + EVENTS):
        await response.write(f"id: {number}\ndata: made at {clock_time(visit.site.clock.now())}\n\n".encode())
        if not await visit.site.pause():
            break
    return response


async def socket_page(visit: Visit) -> web.StreamResponse:
    """A page that talks to the echo."""
    return html(visit, render.page(visit, render.package_text("websocket.html")))


async def echo(visit: Visit) -> web.StreamResponse:
    """Every message comes back as it went (RFC 6455)."""
    socket = web.WebSocketResponse(max_msg_size=64 * 1024)
    if not socket.can_prepare(visit.request).ok:
        return whole(visit, "Here a WebSocket is spoken: ask with Connection: Upgrade.\n", TEXT)
    await socket.prepare(visit.request)
    visit.site.sockets.add(socket)
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
    finally:
        visit.site.sockets.discard(socket)
    return socket


async def upload_page(visit: Visit) -> web.StreamResponse:
    """A form for a file. Its script sends the file alone, so that the hashes of both ends can be compared."""
    return html(visit, render.page(visit, render.package_text("upload.html")))


async def upload(visit: Visit) -> web.StreamResponse:
    """Length and SHA-256 of the content as it arrived, read piece by piece and kept nowhere."""
    digest, length = sha256(), 0
    async for piece in visit.request.content.iter_any():
        digest.update(piece)
        length += len(piece)
    framing = "Content-Length" if visit.request.content_length is not None else "chunked"
    return whole(visit, json.dumps({"length": length, "sha256": digest.hexdigest(), "framing": framing}) + "\n", "")


async def download(visit: Visit) -> web.StreamResponse:
    """As many MiB as asked for (64 without `mib`), made while they are sent."""
    asked = visit.request.query.get("mib", "64")
    if not (asked.isascii() and asked.isdigit() and len(asked) <= 4 and 1 <= int(asked) <= 1024):
        return refusal(400, "mib is a number from 1 to 1024.")
    response = web.StreamResponse(headers=visit.fields(TEXT))
    response.content_length = int(asked) * MIB
    await response.prepare(visit.request)
    if visit.request.method != "HEAD":
        for _ in range(int(asked) * MIB // len(BLOCK)):
            await response.write(BLOCK)
    return response


async def cut(visit: Visit) -> web.StreamResponse:
    """A head that announces more than comes: the connection is closed half way."""
    response = web.StreamResponse(headers=visit.fields(TEXT))
    await response.prepare(visit.request)
    transport = visit.request.transport
    if visit.request.method != "HEAD" and transport is not None:
        await response.write(BLOCK[:CUT_AFTER])
        transport.close()  # what was written still goes out
    return response
