"""The demo origin: a small site, with a page for each thing that an edge does, to be looked at through one.

It is an ordinary origin: it imports nothing of the edge, and its time does not travel with an edge's (hand it a Clock of its own). The
pages are rows of one table (pages.table); all that it remembers is in the `Site` of its application.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import ClientPayloadError, WSCloseCode, web

from edgecache.clock import Clock
from edgecache.lab.pages.answers import DEFAULT_CONTROL, refusal
from edgecache.lab.pages.page import Page, Site, Visit
from edgecache.lab.pages.table import INDEX, LOST, PAGES

# How long `stop` waits for answers that are on their way; streams, events and sockets end by themselves when they are told.
SHUTDOWN_S = 2.0


def demo_app(
    clock: Clock,
    edge_url: Callable[[], str] | None = None,
    *,
    control_url: str | Callable[[], str] = DEFAULT_CONTROL,
    pace_s: float = 1.0,
) -> web.Application:
    """What serves the demo: an application with all pages of the table.

    edge_url     says where people reach the site, once that is known; without it the Host of each request does
    control_url  the edge's control plane, for links and commands; a callable when it is not known yet
    pace_s       seconds to the beat of everything that waits: the slow page takes two, streams and events one a line; 0 waits for nothing
    """
    site = Site(clock, edge_url, control_url, pace_s)
    app = web.Application()
    for page in (INDEX, *PAGES, LOST):
        for method in page.methods:
            app.router.add_route(method, page.path, _handler(site, page))

    async def name_server(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Server"] = "edgecache-demo"

    async def end_streams(app: web.Application) -> None:
        site.closing.set()
        for socket in tuple(site.sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)

    app.on_response_prepare.append(name_server)
    app.on_shutdown.append(end_streams)
    return app


def _handler(site: Site, page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """What aiohttp calls for `page`: counts the visit, and turns content that cannot be read into a refusal."""

    async def handle(request: web.Request) -> web.StreamResponse:
        number = 0 if page is LOST else site.count(f"{page.method} {request.path_qs}")
        try:
            return await page.answer(Visit(site, page, request, number, site.clock.now()))
        except ClientPayloadError:
            return refusal(400, "The content ended early, or its framing is broken.")

    return handle


class DemoOrigin:
    """A demo origin that listens. `url` is its own address, without a slash at the end."""

    def __init__(self, runner: web.AppRunner, url: str) -> None:
        self.url = url
        self._runner = runner

    async def stop(self) -> None:
        """End it: streams end cleanly, other answers have SHUTDOWN_S seconds."""
        await self._runner.cleanup()


async def start_demo(
    clock: Clock,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    edge_url: Callable[[], str] | None = None,
    control_url: str | Callable[[], str] = DEFAULT_CONTROL,
    pace_s: float = 1.0,
) -> DemoOrigin:
    """Serve the demo at `host` and `port` (0: any free one). Raises OSError when the address cannot be had."""
    app = demo_app(clock, edge_url, control_url=control_url, pace_s=pace_s)
    # Uploads are hashed as they were sent, so content codings stay; a client that left ends its handler.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, auto_decompress=False, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except BaseException:
        await runner.cleanup()
        raise
    address = runner.addresses[0]
    name = f"[{address[0]}]" if ":" in address[0] else address[0]
    return DemoOrigin(runner, f"http://{name}:{address[1]}")
