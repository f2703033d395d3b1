"""The control plane as one aiohttp application: the rules of safety around the native API, health and the index page."""

from __future__ import annotations

from aiohttp import web

from edgecache.config import parse_listen
from edgecache.control.api import Api
from edgecache.control.index import index_page
from edgecache.control.parts import ControlParts
from edgecache.control.problems import Kind, Problem, render_problems
from edgecache.control.safety import Guard, add_headers, guarded


def control_app(parts: ControlParts) -> web.Application:
    """The application that app.py runs at the setting `control`."""
    settings = parts.settings
    listen_host, _ = parse_listen(settings.control)
    guard = Guard.of(listen_host, settings.control_hosts, settings.control_token)
    # Outermost first: what the guard refuses is rendered like every other problem.
    app = web.Application(middlewares=[render_problems, guarded(guard)], client_max_size=settings.api_body_bytes)
    app.on_response_prepare.append(add_headers)
    app.add_routes([*Health(parts).routes(), web.get("/", index_page(settings)), *Api(parts).routes()])
    return app


class Health:
    """What probes ask: is the process alive, does the edge take requests?"""

    def __init__(self, parts: ControlParts) -> None:
        self.parts = parts

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each resource."""
        return [web.get("/healthz", self.alive), web.get("/readyz", self.ready)]

    async def alive(self, request: web.Request) -> web.Response:
        """GET /healthz: 200 as long as the process answers at all."""
        return web.Response(text="alive\n")

    async def ready(self, request: web.Request) -> web.Response:
        """GET /readyz: 200 when the edge takes requests, otherwise 503 with the reason."""
        why_not = self.parts.ready()
        if why_not is not None:
            raise Problem(Kind.NOT_READY, why_not)
        return web.Response(text="ready\n")
