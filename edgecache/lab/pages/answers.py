"""What the origin answers: one coroutine for each kind of page, a visit in, a response out.

Header fields come from the page's row in the table (`visit.fields`), never from here, except where a refusal needs others.
A HEAD request runs the same coroutine: aiohttp keeps the content of whole responses back. What is written piece by piece is in `motion`.
"""

from __future__ import annotations

import hmac
import json
import math
import shlex
import struct
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from urllib.parse import parse_qs

from aiohttp import web

from edgecache.lab.pages import render
from edgecache.lab.pages.page import Comment, Page, Visit, clock_time

HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
USER = "demo:demo"
LANGUAGES = {
    "en": "Good day. You asked for English, and this copy is for English only.",
    "de": "Guten Tag. Sie haben um Deutsch gebeten, und diese Kopie ist nur für Deutsch.",
    "fr": "Bonjour. Vous avez demandé le français, et cette copie n’est que pour le français.",
    "es": "Buenos días. Ha pedido español, y esta copia es solo para el español.",
}
COMMENT_CHARACTERS = 280
FORM_BYTES = 16 * 1024
SCALE_S = 30
SAMPLE_RATE = 8000
LINES = 1000
# The edge's own purge command finds this address by itself.
DEFAULT_CONTROL = "http://127.0.0.1:8081"
# Values that a page about request fields does not repeat.
HIDDEN = frozenset({"authorization", "cookie", "proxy-authorization"})


def html(visit: Visit, text: str, status: int | None = None) -> web.Response:
    """The page's own answer with an HTML document."""
    return whole(visit, text, HTML, status)


def whole(visit: Visit, text: str, content_type: str, status: int | None = None) -> web.Response:
    """A response of known length with the page's fields and, unless another is given, its status."""
    return web.Response(body=text.encode(), status=status or visit.page.status, headers=visit.fields(content_type))


def refusal(status: int, sentence: str, **fields: str) -> web.Response:
    """What a request gets that cannot be answered; not to be stored, and without the page's fields."""
    return web.Response(text=sentence + "\n", status=status, headers={"Cache-Control": "no-store", **fields})


async def plain(visit: Visit) -> web.StreamResponse:
    """A page that needs nothing but its fields."""
    return html(visit, render.page(visit))


async def validated(visit: Visit) -> web.StreamResponse:
    """A page that stays the same until it is changed, and 304 for who has it (RFC 9110 13.1.2, 13.1.3)."""
    version, request = visit.version, visit.request
    named, since = request.if_none_match, request.if_modified_since
    fields = visit.fields(HTML)
    if named is not None:
        unchanged = "ETag" in fields and any(tag.value in ("*", version.entity_tag.strip('"')) for tag in named)
    else:
        unchanged = "Last-Modified" in fields and since is not None and since.timestamp() >= int(version.at)
    if unchanged:
        return web.Response(status=304, headers=fields)
    text = render.page(replace(visit, number=version.number, at=version.at))
    return web.Response(text=text, headers=fields)


async def change(visit: Visit) -> web.StreamResponse:
    """Pages that are validated are new from now on."""
    visit.site.versions.clear()
    return await changed(visit)


async def changed(visit: Visit) -> web.StreamResponse:
    """Says so; what follows from it is in the fields."""
    return whole(visit, "Changed.\n", TEXT)


async def breakable(visit: Visit) -> web.StreamResponse:
    """A page, or an error while it is broken."""
    if visit.site.broken:
        return refusal(503, "It is broken: POST well to /stale/switch.")
    return html(visit, render.page(visit))


async def switch(visit: Visit) -> web.StreamResponse:
    """Break what stale-if-error is shown with, or repair it: the content says which, by its first bytes."""
    visit.site.broken = await visit.request.content.read(6) == b"broken"
    return whole(visit, "Broken.\n" if visit.site.broken else "Repaired.\n", TEXT)


async def language(visit: Visit) -> web.StreamResponse:
    """A greeting in the language that Accept-Language prefers."""
    chosen = chosen_language(visit)
    return html(visit, render.page(visit, f'<section lang="{chosen}"><p class="lead"><b>{LANGUAGES[chosen]}</b></p></section>'))


def chosen_language(visit: Visit) -> str:
    """The one of LANGUAGES with the highest weight in Accept-Language (RFC 9110 12.5.4), by primary subtag; English without one."""
    best, weight = "en", 0.0
    for member in ",".join(visit.request.headers.getall("Accept-Language", ())).split(","):
        tag, _, parameter = member.partition(";")
        name, _, number = parameter.strip().partition("=")
        try:
            q = float(number) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        primary = tag.strip().lower().partition("-")[0]
        if primary in LANGUAGES and math.isfinite(q) and q > weight:
            best, weight = primary, q
    return best


async def html_or_json(visit: Visit) -> web.StreamResponse:
    """The same facts as a page, or as JSON for who accepts that and no HTML."""
    if chosen_type(visit) == HTML:
        return html(visit, render.page(visit))
    return whole(visit, json.dumps({"made_at": visit.time, "asked": visit.number}) + "\n", "")


def chosen_type(visit: Visit) -> str:
    """The Content-Type that suits Accept."""
    accept = visit.request.headers.get("Accept", "").lower()
    return "application/json" if "application/json" in accept and "text/html" not in accept else HTML


async def query(visit: Visit) -> web.StreamResponse:
    """A page that shows its query."""
    shown = escape(visit.request.rel_url.raw_query_string or "no query")
    links = " · ".join(f'<a href="/query?{q}">?{q}</a>' for q in ("page=1", "page=2", "page=1&amp;from=mail"))
    return html(visit, render.page(visit, f'<section><p class="lead"><b>{shown}</b></p><p>{links}</p></section>'))


async def password(visit: Visit) -> web.StreamResponse:
    """A page behind Basic authentication (RFC 7617)."""
    given = visit.request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    if not hmac.compare_digest(given, b"Basic " + b64encode(USER.encode())):
        return refusal(401, "Name and password are: demo, demo.", **{"WWW-Authenticate": 'Basic realm="demo, demo"'})
    return html(visit, render.page(visit))


async def comments(visit: Visit) -> web.StreamResponse:
    """The comments, newest first, and a form."""
    site = visit.site
    rows = "".join(f"<tr><th>{clock_time(comment.at)}</th><td>{escape(comment.text)}</td></tr>" for comment in reversed(site.comments))
    content = f"""<section><form method="post" action="{visit.page.path}">
<textarea name="text" rows="2" maxlength="{COMMENT_CHARACTERS}" required placeholder="Say something" aria-label="Comment"></textarea>
<button class="go">Post</button></form></section>
<section><h2>{len(site.comments)} kept</h2><table>{rows}</table></section>"""
    return html(visit, render.page(visit, content))


async def post_comment(visit: Visit) -> web.StreamResponse:
    """Keep a comment, and send the browser back to the list."""
    if visit.request.content_type != "application/x-www-form-urlencoded":
        return refusal(415, "Send a form: text=… as application/x-www-form-urlencoded.")
    received = bytearray()
    async for piece in visit.request.content.iter_any():
        received += piece
        if len(received) > FORM_BYTES:
            return refusal(413, f"A comment's form has at most {FORM_BYTES} bytes.")
    try:
        text = parse_qs(received.decode("utf-8", "replace"), max_num_fields=10).get("text", [""])[0]
    except ValueError:
        return refusal(400, "The form has more than 10 fields; text is the one that counts.")
    if not (text := text.strip()[:COMMENT_CHARACTERS]):
        return refusal(400, "There is no text in it.")
    visit.site.comments.append(Comment(text, visit.at))
    return whole(visit, "Kept.\n", TEXT)


async def purge(visit: Visit) -> web.StreamResponse:
    """A page to purge, with the commands that do it."""
    edge, control = visit.site.edge(visit.request), visit.site.control()
    url = f"{edge}{visit.page.path}"
    ours = ["edgecache", "purge", *([] if control == DEFAULT_CONTROL else ["--edge", control])]
    api = ["curl", "-X", "POST", "-H", "Content-Type: application/json", "-d"]
    lines = [
        ("Purge it where it was asked for:", shlex.join(["curl", "-X", "PURGE", url])),
        ("Purge it from a script:", shlex.join([*ours, url])),
        ("Make it stale, so that the origin is asked again before the copy is reused:", shlex.join([*ours, "--soft", url])),
        (
            "The same without edgecache installed:",
            shlex.join([*api, json.dumps({"url": url, "soft": True}), f"{control}/api/v1/invalidations"]),
        ),
        ("Purge everything:", shlex.join([*ours, "--all"])),
    ]
    return html(visit, render.page(visit, f"<section><h2>Take it back</h2>{render.commands(lines)}</section>"))


async def assets(visit: Visit) -> web.StreamResponse:
    """A page that is made anew each time, from three files that are not."""
    content = """<section class="sample"><img src="/assets/demo-clock.svg" alt="a clock showing when it was drawn" width="192" height="192">
<div><p class="painted"></p><p id="stamped">The script has not run.</p></div></section>
<script src="/assets/demo-stamp.js"></script>"""
    return html(visit, render.page(visit, content, '<link rel="stylesheet" href="/assets/demo-paint.css">\n'))


async def clock_image(visit: Visit) -> web.StreamResponse:
    """A clock face with the time at which it was drawn (UTC)."""
    seconds = visit.at % 86400
    hands = "".join(
        f'<line x1="100" y1="100" x2="100" y2="{100 - length}" stroke="{colour}" stroke-width="{width}" stroke-linecap="round"'
        f' transform="rotate({360 * seconds / turn % 360:.2f} 100 100)"/>'
        for turn, length, width, colour in ((43200, 45, 6, "#1d2126"), (3600, 66, 4, "#1d2126"), (60, 72, 2, "#d0481c"))
    )
    marks = "".join(f'<circle cx="100" cy="18" r="2.5" fill="#5d6570" transform="rotate({30 * hour} 100 100)"/>' for hour in range(12))
    return whole(
        visit,
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200"><circle cx="100" cy="100" r="96" fill="#fbfaf6" stroke="#0b6e63"'
        f' stroke-width="5"/>{marks}<text x="100" y="146" font-family="monospace" font-size="15" text-anchor="middle"'
        f' fill="#5d6570">{visit.time}</text>{hands}</svg>\n',
        "",
    )


async def paint(visit: Visit) -> web.StreamResponse:
    """A style sheet in another colour each time that it is made."""
    hue = visit.number * 67 % 360
    return whole(
        visit,
        f".painted {{ padding: .8rem 1rem; border-radius: .5rem; color: #14171a; background: hsl({hue} 70% 72%); }}\n"
        f'.painted::before {{ content: "Style sheet number {visit.number}, made at {visit.time}"; }}\n',
        "",
    )


async def stamp_script(visit: Visit) -> web.StreamResponse:
    """A script that says when it was made."""
    text = f"Script number {visit.number}, made at {visit.time}"
    return whole(visit, f'document.getElementById("stamped").textContent = {json.dumps(text)};\n', "")


async def ranges(visit: Visit) -> web.StreamResponse:
    """A page with a player, which asks for parts."""
    player = '<section><audio controls preload="metadata" src="/ranges/scale.wav"></audio></section>'
    return html(visit, render.page(visit, player))


async def scale(visit: Visit) -> web.StreamResponse:
    """A scale as a sound: eight bits, mono, a tone a second. A period is a whole number of samples, so it is made once and repeated."""
    tones = []
    for second in range(SCALE_S):
        period = 48 - second
        samples = bytes(round(128 + 60 * math.sin(2 * math.pi * place / period)) for place in range(period))
        tones.append((samples * (SAMPLE_RATE // period + 1))[:SAMPLE_RATE])
    sound = b"".join(tones)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(sound), b"WAVE", b"fmt ", 16, 1, 1, SAMPLE_RATE, SAMPLE_RATE, 1, 8, b"data", len(sound)
    )
    return web.Response(body=head + sound, headers=visit.fields())


async def lines(visit: Visit) -> web.StreamResponse:
    """Numbered lines of 64 bytes."""
    text = "".join(f"Line {number:4}, which begins at byte {64 * (number - 1)}".ljust(63) + "\n" for number in range(1, LINES + 1))
    return whole(visit, text, "")


async def received(visit: Visit) -> web.StreamResponse:
    """The request as it reached the origin."""
    request = visit.request
    rows = [("", f"{request.method} {request.raw_path} HTTP/{request.version.major}.{request.version.minor}")]
    for raw_name, raw_value in request.raw_headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("utf-8", "replace")
        rows.append((name, "(not repeated here)" if name.lower() in HIDDEN else value))
    table = "".join(f"<tr><th>{escape(name)}</th><td><code>{escape(value)}</code></td></tr>" for name, value in rows)
    return html(visit, render.page(visit, f"<section><h2>What reached the origin</h2><table>{table}</table></section>"))


async def moved(visit: Visit) -> web.StreamResponse:
    """A redirect to a page whose query tells which answer sent the browser there."""
    return whole(visit, "", TEXT)


async def lost(visit: Visit, allowed: Sequence[str]) -> web.StreamResponse:
    """What paths get that are not in the table; or methods, where `allowed` names those that the path has."""
    path = escape(visit.request.path)
    if allowed:
        return refusal(405, f"{path} answers {', '.join(allowed)}.", Allow=", ".join(allowed))
    body = f'<h1>Nothing here</h1><p class="lead">The origin has no page <b>{path}</b>. <a href="/">All pages</a></p>'
    return html(visit, render.document(visit.site, visit.page.title, body))


async def index(visit: Visit, pages: Sequence[Page]) -> web.StreamResponse:
    """The list of everything."""
    return html(visit, render.index(visit, pages))
