"""`/`: what this port is, the edge's figures at a glance, and where everything else is. No more than a signpost."""

from __future__ import annotations

import base64
import hashlib
import html

from aiohttp import web
from aiohttp.typedefs import Handler

from edgecache import __version__
from edgecache.config import Settings
from edgecache.control.api import OPERATIONS
from edgecache.control.operations import Operation, read_query

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: 0 } h2 { font-size: 1.1rem; margin-top: 2rem }
code, td:first-child, dd { font-family: ui-monospace, monospace }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: 1rem; margin: 1.5rem 0 }
dl div { border: 1px solid #8886; border-radius: .5rem; padding: .5rem 1rem }
dt { opacity: .75; font-size: .9rem } dd { margin: 0; font-size: 1.5rem }
td { padding: .15rem 1rem .15rem 0; vertical-align: top } pre { overflow-x: auto }
#note { min-height: 1.5em; opacity: .75 }
"""

SCRIPT = """
const show = (id, text) => { document.getElementById(id).textContent = text };
async function refresh() {
  try {
    const reply = await fetch("/api/v1/stats");
    if (!reply.ok) throw new Error("the edge answered " + reply.status);
    const { requests, hit_ratio, store } = await reply.json();
    show("requests", requests.toLocaleString());
    show("ratio", hit_ratio === null ? "-" : (100 * hit_ratio).toFixed(1) + " %");
    show("responses", store.responses.toLocaleString());
    show("bytes", (store.folder ? store.disk_bytes : store.memory_bytes).toLocaleString());
    show("note", "");
  } catch (error) { show("note", "No figures: " + error.message) }
  setTimeout(refresh, 2000);
}
refresh();
"""


def _hash(content: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"


# Exactly this style and this script run; nothing is loaded from elsewhere, and no page may frame this one (its buttons to come included).
POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src {_hash(STYLE)}",
        f"script-src {_hash(SCRIPT)}",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def index_page(settings: Settings) -> Handler:
    """The handler of `/` for an edge with these settings."""
    page = render(settings)

    async def index(request: web.Request) -> web.Response:
        read_query(request, ())
        return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    return index


def render(settings: Settings) -> str:
    """The page as HTML. Everything that comes from the configuration is escaped."""
    figures = (("requests", "requests"), ("hit ratio", "ratio"), ("stored responses", "responses"), ("bytes stored", "bytes"))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>edgecache: control plane</title>
<style>{STYLE}</style>
</head>
<body>
<h1>edgecache {html.escape(__version__)}</h1>
<p>This is the control plane of a caching edge in front of <code>{html.escape(settings.origin)}</code>
(profile {html.escape(settings.profile)}). The site itself is on the edge's other port, the data plane.</p>
<dl>
{"".join(f'<div><dt>{name}</dt><dd id="{where}">-</dd></div>' for name, where in figures)}
</dl>
<p id="note" role="status"></p>
<noscript><p>The figures need JavaScript; <a href="/api/v1/stats">/api/v1/stats</a> has them too.</p></noscript>
<h2>To read</h2>
<table>{"".join(_row(operation) for operation in OPERATIONS if operation.method == "GET")}</table>
<h2>To send, with Content-Type: application/json</h2>
<table>{"".join(_row(operation) for operation in OPERATIONS if operation.method != "GET")}</table>
<h2>From a terminal</h2>
<pre>edgecache stats
edgecache purge URL
edgecache ban 'obj.status == 404'
edgecache clock advance 1h</pre>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _row(operation: Operation) -> str:
    """What can be asked, and what that does. What needs no more than its address is a link."""
    path = html.escape(operation.path)
    if operation.method != "GET":
        path = f"{operation.method} {path}"
    elif "{" not in path:
        path = f'<a href="{path}">{path}</a>'
    return f"<tr><td>{path}</td><td>{html.escape(operation.summary)}</td></tr>"
