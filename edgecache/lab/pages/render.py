"""How the demo looks: HTML made of a few parts, with style and script inline so that a page is one response.

Text from outside (query strings, comments, field values) is escaped here and nowhere else: parts take plain text, and give HTML.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from importlib.resources import files

from edgecache.lab.pages.page import ANSWER_FIELD, Ask, Group, Page, Site, Visit

ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%230b6e63'/%3E"
    "%3Cpath d='M4 11V5h8M4 8h6' stroke='white' stroke-width='2' fill='none'/%3E%3C/svg%3E"
)


@cache
def package_text(name: str) -> str:
    """A file of this package as text; the same for every site in the process, so it is read once."""
    return files("edgecache.lab.pages").joinpath(name).read_text("utf-8")


def document(site: Site, title: str, body: str, head: str = "") -> str:
    """A whole page; `body` and `head` are HTML."""
    return opening(site, title, head) + body + closing()


def opening(site: Site, title: str, head: str = "") -> str:
    """A page up to its content, so that a stream can send it first."""
    control = escape(site.control())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · edgecache demo</title>
<link rel="icon" href="{ICON}">
<style>
{package_text("site.css")}</style>
{head}</head>
<body>
<nav class="top"><a class="name" href="/">edge<b>cache</b> demo</a>
<a href="{control}/api/v1/stats">counters</a><a href="{control}/api/v1/objects">store</a></nav>
<main>
"""


def closing() -> str:
    """The end of every page."""
    return f"""
<footer>Answered by the demo origin, which speaks plain HTTP and knows nothing of the edge in front of it.</footer>
</main>
<script>
{package_text("site.js")}</script>
</body>
</html>
"""


def page(visit: Visit, content: str = "", head: str = "") -> str:
    """One page of the table: its sentence, its stamp, `content` (HTML), and the ways to ask for it."""
    return document(visit.site, visit.page.title, preface(visit) + stamp(visit) + content + ways_to_ask(visit) + "</div>", head)


def preface(visit: Visit) -> str:
    """Heading, sentence and fields of a page; opens the element that `page` closes."""
    return f"""<div class="page">
<h1>{escape(visit.page.title)}</h1>
<p class="lead">{escape(visit.page.watch)}</p>
{_fields(visit.page)}
"""


def stamp(visit: Visit) -> str:
    """When the origin made this page and how often it was asked: what does not change on a hit."""
    times = "once" if visit.number == 1 else f"{visit.number} times"
    return f"""<div class="stamp"><p>Made by the origin<span data-at="{visit.at * 1000:.0f}"></span> at</p>
<span class="when">{visit.time} <small>UTC</small></span>
<p>The origin has been asked <b>{times}</b> for this page.</p></div>
"""


def ways_to_ask(visit: Visit) -> str:
    """Buttons and curl commands for the page, with room for the answers; empty for a page that has none."""
    return f'<section class="asks"><h2>Ask the edge</h2>{_asks(visit, visit.page)}</section>' if visit.page.asks else ""


def commands(lines: Iterable[tuple[str, str]]) -> str:
    """Commands to copy, each under what it does: (words, command line)."""
    return "".join(f"<p>{escape(words)}</p>{_command(line)}" for words, line in lines)


def index(visit: Visit, pages: Sequence[Page]) -> str:
    """The list of everything: a card for each page, its parts inside."""
    edge = escape(visit.site.edge(visit.request))
    links = "".join(f'<a href="#{group.name.lower()}">{escape(group.title)}</a>' for group in Group)
    chapters = "".join(_chapter(visit, group, pages) for group in Group)
    hero = f"""<h1>Watch a cache decide</h1>
<p class="lead">Each page below sends header fields that tell a cache what to do, and shows when the origin made it. The edge in front
of it is <b>{edge}</b>: what it stored keeps its time and its number, what it fetched is new.</p>
<ul class="tips">
<li><b>In every response</b><code>Cache-Status</code> says what the edge did, <code>Age</code> how long it has kept the response,
<code>{ANSWER_FIELD}</code> which answer of the origin it is.</li>
<li><b>Browsers keep copies too</b>And Reload asks for a fresh answer from everybody. To watch the edge alone, use
the Ask buttons, or curl.</li>
<li><b>Look inside</b>The control plane lists the <a href="{escape(visit.site.control())}/api/v1/objects">stored responses</a>
and <a href="{escape(visit.site.control())}/api/v1/stats">counters</a>.</li>
</ul>
<nav class="chapters">{links}</nav>
{chapters}"""
    return document(visit.site, "Watch a cache decide", hero)


def _chapter(visit: Visit, group: Group, pages: Sequence[Page]) -> str:
    cards = "".join(_card(visit, page, pages) for page in pages if page.group is group and not page.part_of)
    return f"""<section class="chapter" id="{group.name.lower()}">
<header><h2>{escape(group.title)}</h2><p>{escape(group.sentence)}</p></header>
<div class="cards">{cards}</div></section>
"""


def _card(visit: Visit, page: Page, pages: Sequence[Page]) -> str:
    parts = "".join(f'<div class="part" id="{part.anchor}">{_entry(visit, part)}</div>' for part in pages if part.part_of == page.path)
    return f'<article class="card" id="{page.anchor}">{_entry(visit, page)}{parts}</article>\n'


def _entry(visit: Visit, page: Page) -> str:
    title = f'<a href="{page.path}">{escape(page.title)}</a>' if page.method == "GET" else escape(page.title)
    status = f" → {page.status}" if page.status != 200 else ""
    return f"""<h3>{title}</h3>
<p class="path">{page.method} {page.path}{status}</p>
{_fields(page)}
<p class="watch">{escape(page.watch)}</p>
<div class="asks">{_asks(visit, page)}</div>"""


def _fields(page: Page) -> str:
    if not page.fields:
        return '<pre class="fields"><i>no field about caching</i></pre>'
    lines = (
        f"{escape(name)}: {escape(value) if isinstance(value, str) else f'<i>{escape(value.shown)}</i>'}" for name, value in page.fields
    )
    return f'<pre class="fields">{chr(10).join(lines)}</pre>'


def _asks(visit: Visit, page: Page) -> str:
    edge = visit.site.edge(visit.request)
    rows = "".join(_command(page.curl(ask, edge), _button(page, ask)) for ask in page.asks)
    return f'{rows}<ol class="answers" aria-live="polite"></ol>'


def _command(line: str, button: str = "") -> str:
    return f'<div class="ask">{button}<code class="curl">{escape(line)}</code><button class="js" data-copy>Copy</button></div>'


def _button(page: Page, ask: Ask) -> str:
    """A button for the inline script; empty for what a page's script may not do."""
    if not ask.script:
        return ""
    headers = dict(ask.fields)
    if ask.user:
        headers["Authorization"] = "Basic " + b64encode(ask.user.encode()).decode()
    told = {"url": ask.target or page.path, "method": ask.method or page.method, "headers": headers, "body": ask.body}
    return f'<button class="go js" data-ask="{escape(json.dumps(told))}">{escape(ask.label)}</button>'
