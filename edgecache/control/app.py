"""The control plane as one aiohttp application: the rules of safety around the native API and the index page."""

from __future__ import annotations

from aiohttp import web

from edgecache.config import parse_listen
from edgecache.control.api import routes
from edgecache.control.dialects.mount import vendor_paths
from edgecache.control.index import index_page
from edgecache.control.parts import ControlParts
from edgecache.control.problems import render_problems
from edgecache.control.safety import Guard, add_headers, guarded


def control_app(parts: ControlParts) -> web.Application:
    """The application that app.py runs at the setting `control`."""
    settings = parts.settings
    listen_host, _ = parse_listen(settings.control)
    guard = Guard.of(listen_host, settings.control_hosts, settings.control_token)
    # Outermost first: what the guard refuses is rendered like every other problem.
    vendors = vendor_paths(parts.desk, parts.clock, settings.body_timeout_s)  # they have rules of their own
    app = web.Application(middlewares=[render_problems, vendors, guarded(guard)], client_max_size=settings.api_body_bytes)
    app.on_response_prepare.append(add_headers)
    app.add_routes([web.get("/", index_page(settings)), *routes(parts)])
    return app
