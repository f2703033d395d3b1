"""Every page of the demo, once: routes, index, header fields and tests come from this list. Add a row and it is served and listed.

The sentence of a row says what to watch and stays true whether the edge is there or not.
"""

from __future__ import annotations

from email.utils import formatdate

from edgecache.lab.pages import answers, motion
from edgecache.lab.pages.page import Ask, Computed, Group, Page

MINUTE = ("Cache-Control", "max-age=60")
NO_STORE = ("Cache-Control", "no-store")
# Long in the edge, which can be purged; not at all in browsers, which cannot.
HOUR_AT_THE_EDGE = ("Cache-Control", "max-age=0, s-maxage=3600")
YEAR = ("Cache-Control", "max-age=31536000, immutable")
JSON = ("Content-Type", "application/json")
# These two name a version of the page, which lasts until somebody has it changed.
ETAG = ("ETag", Computed('"number-time"', lambda visit: visit.version.entity_tag))
LAST_MODIFIED = ("Last-Modified", Computed("when it was made", lambda visit: formatdate(visit.version.at, usegmt=True)))
CHANGED_TODAY = ("Last-Modified", Computed("Date - 10 h", lambda visit: formatdate(visit.at - 36_000, usegmt=True)))
GROUP = '"demo"'
RANGES = (("The second line", "64-127"), ("The last line", "-64"), ("Two of them", "0-63,640-703"))

_FRESHNESS = (
    Page(
        Group.FRESHNESS,
        "/fresh/max-age",
        "A minute for everyone",
        (MINUTE,),
        "Ask twice: the second answer is a hit, Age counts up, and time and number stay as they are until 60 seconds are over.",
        answers.plain,
    ),
    Page(
        Group.FRESHNESS,
        "/fresh/s-maxage",
        "Five seconds here, a minute at the edge",
        (("Cache-Control", "max-age=5, s-maxage=60"),),
        "After five seconds the browser asks again, and the edge still answers by itself: s-maxage is for shared caches and wins there.",
        answers.plain,
    ),
    Page(
        Group.FRESHNESS,
        "/fresh/expires",
        "Until a date",
        (("Expires", Computed("Date + 60 s", lambda visit: formatdate(visit.at + 60, usegmt=True))),),
        "No Cache-Control at all: the lifetime is Expires minus Date, so that it behaves as max-age=60 does.",
        answers.plain,
    ),
    Page(
        Group.FRESHNESS,
        "/fresh/no-store",
        "Never kept",
        (NO_STORE,),
        "Every request reaches the origin: the number grows each time.",
        answers.plain,
    ),
    Page(
        Group.FRESHNESS,
        "/fresh/private",
        "For the browser only",
        (("Cache-Control", "private, max-age=60"),),
        "The browser may keep it for a minute and the edge may not: by links it stays the same page, with curl the number grows.",
        answers.plain,
    ),
    Page(
        Group.FRESHNESS,
        "/fresh/nothing",
        "Nothing said",
        (),
        "There is no lifetime and no Last-Modified to guess one from, so the edge asks each time.",
        answers.plain,
    ),
    Page(
        Group.FRESHNESS,
        "/fresh/heuristic",
        "A lifetime that is guessed",
        (CHANGED_TODAY,),
        "Last modified ten hours ago, and nothing else said: a cache may guess, and takes a tenth of that time, so that it is fresh for "
        "an hour.",
        answers.plain,
    ),
    Page(
        Group.FRESHNESS,
        "/fresh/cdn",
        "A field for CDNs alone",
        (("Cache-Control", "no-store"), ("CDN-Cache-Control", "max-age=60")),
        "CDN-Cache-Control counts in the place of Cache-Control: kept for a minute in the edge, and in no browser.",
        answers.plain,
    ),
)

_STALENESS = (
    Page(
        Group.STALENESS,
        "/validate/etag",
        "Still the same?",
        (("Cache-Control", "max-age=5"), ETAG),
        "After five seconds the edge asks with If-None-Match; the origin answers 304 without content, and the stored page is fresh for "
        "another five.",
        answers.validated,
    ),
    Page(
        Group.STALENESS,
        "/validate/change",
        "Change the pages that are validated",
        (NO_STORE,),
        "From then on the origin answers with new pages in the place of 304.",
        answers.change,
        method="POST",
        asks=(Ask("Change them"),),
        part_of="/validate/etag",
    ),
    Page(
        Group.STALENESS,
        "/validate/modified",
        "Changed since?",
        (("Cache-Control", "max-age=5"), LAST_MODIFIED),
        "The same with a date: the edge asks with If-Modified-Since, which is exact to a second.",
        answers.validated,
    ),
    Page(
        Group.STALENESS,
        "/fresh/no-cache",
        "Kept, but never trusted",
        (("Cache-Control", "no-cache"), ETAG),
        "The name misleads: a cache may keep it, but asks the origin before each use. The page stays the same, and Demo-Answer counts the "
        "304s.",
        answers.validated,
    ),
    Page(
        Group.STALENESS,
        "/stale/revalidate",
        "The old one now, a new one next time",
        (("Cache-Control", "max-age=5, stale-while-revalidate=60"),),
        "The first answer takes two seconds. Ask again after five: the old page comes at once, and a new one is fetched in the background "
        "for whoever is next.",
        motion.slow,
    ),
    Page(
        Group.STALENESS,
        "/stale/error",
        "Better old than broken",
        (("Cache-Control", "max-age=5, stale-if-error=600"),),
        "Ask, break it, and ask again after five seconds: for ten minutes the stored page stands in for the error.",
        answers.breakable,
    ),
    Page(
        Group.STALENESS,
        "/stale/switch",
        "Break it, and repair it",
        (NO_STORE,),
        "Once broken, the page above answers 503 until it is repaired. This has a URL of its own: a POST to the page would invalidate it.",
        answers.switch,
        method="POST",
        asks=(Ask("Break it", body="broken"), Ask("Repair it", body="well")),
        part_of="/stale/error",
    ),
)

_KEY = (
    Page(
        Group.KEY,
        "/vary/language",
        "A copy for each language",
        (MINUTE, ("Vary", "Accept-Language"), ("Content-Language", Computed("the chosen one", answers.chosen_language))),
        "Vary names a request field: each of its values has a copy of its own, with its own time and its own Age.",
        answers.language,
        asks=tuple(
            Ask(name, fields=(("Accept-Language", tag),))
            for name, tag in (("English", "en"), ("Deutsch", "de"), ("Français", "fr"), ("Español", "es"))
        ),
    ),
    Page(
        Group.KEY,
        "/vary/accept",
        "HTML for people, JSON for programs",
        (MINUTE, ("Vary", "Accept"), ("Content-Type", Computed("text/html or application/json", answers.chosen_type))),
        "One URL, two formats: without Vary, whoever came first would decide what everybody gets.",
        answers.html_or_json,
        asks=(Ask("HTML", fields=(("Accept", "text/html"),)), Ask("JSON", fields=(("Accept", "application/json"),))),
    ),
    Page(
        Group.KEY,
        "/vary/any",
        "A copy that suits nobody",
        (MINUTE, ("Vary", "*")),
        "Vary: * matches no request, so that nothing is reused, whatever max-age says: the number grows each time.",
        answers.plain,
    ),
    Page(
        Group.KEY,
        "/query",
        "Each query is another page",
        (MINUTE,),
        "The query belongs to the key as it was written: every spelling is stored by itself, also with a parameter that means nothing.",
        answers.query,
        asks=tuple(Ask(f"?{query}", target=f"/query?{query}") for query in ("page=1", "page=2", "page=1&from=mail")),
    ),
    Page(
        Group.KEY,
        "/head",
        "HEAD out of a stored GET",
        (MINUTE,),
        "Ask with GET, then with HEAD: the head comes from the store, with the length of the content that is left out.",
        answers.plain,
        asks=(Ask("GET"), Ask("HEAD", method="HEAD")),
    ),
)

_AUDIENCE = (
    Page(
        Group.AUDIENCE,
        "/auth/private",
        "Behind a password",
        (MINUTE,),
        "Name and password are demo. What was asked for with Authorization is kept out of shared caches: max-age alone does not allow it.",
        answers.password,
        asks=(Ask("With password", user=answers.USER), Ask("Without", status=401)),
    ),
    Page(
        Group.AUDIENCE,
        "/auth/public",
        "Behind a password, but public",
        (("Cache-Control", "public, max-age=60"),),
        "public lets the edge store it, and then anybody gets it: ask with the password, then without, and see what that word gives away.",
        answers.password,
        asks=(Ask("With password", user=answers.USER), Ask("Without", status=401)),
    ),
    Page(
        Group.AUDIENCE,
        "/cookie",
        "A cookie for everybody",
        (MINUTE, ("Set-Cookie", Computed("visitor=number; Path=/cookie; SameSite=Lax", lambda visit: cookie(visit.number)))),
        "The RFC lets a shared cache store a response that sets a cookie, and then all visitors are the same one; "
        "Cloudflare, Fastly and Varnish would not store it.",
        answers.plain,
    ),
)

_INVALIDATION = (
    Page(
        Group.INVALIDATION,
        "/comments",
        "A page that a form changes",
        (HOUR_AT_THE_EDGE,),
        "Kept for an hour, and yet your comment is there at once: a POST that succeeds invalidates what is stored under its URL.",
        answers.comments,
    ),
    Page(
        Group.INVALIDATION,
        "/comments",
        "The form's POST",
        (("Location", "/comments"),),
        "Passes to the origin, and its answer takes the stored page out of the edge before it comes back.",
        answers.post_comment,
        status=303,
        method="POST",
        asks=(Ask("Post a comment", body="text=Hello"),),
        part_of="/comments",
    ),
    Page(
        Group.INVALIDATION,
        "/purge",
        "A page to purge",
        (HOUR_AT_THE_EDGE,),
        "Stays for an hour in the edge, and in no browser, where nobody could purge it: after a purge the next answer has a new number.",
        answers.purge,
    ),
    Page(
        Group.INVALIDATION,
        "/groups/one",
        "Two pages in a group",
        (HOUR_AT_THE_EDGE, ("Cache-Groups", GROUP)),
        "Each is kept for an hour. Ask for both, post the change below, and ask again: both come from the origin.",
        answers.plain,
    ),
    Page(
        Group.INVALIDATION,
        "/groups/two",
        "The other one",
        (HOUR_AT_THE_EDGE, ("Cache-Groups", GROUP)),
        "Another URL, and the same group.",
        answers.plain,
        part_of="/groups/one",
    ),
    Page(
        Group.INVALIDATION,
        "/groups/change",
        "A change to what both show",
        (NO_STORE, ("Cache-Group-Invalidation", GROUP)),
        "Names the group in its answer, and the edge invalidates whatever is in it.",
        answers.changed,
        method="POST",
        asks=(Ask("Change it"),),
        part_of="/groups/one",
    ),
)

_ASSETS = (
    Page(
        Group.ASSETS,
        "/assets",
        "A page with three files",
        (NO_STORE,),
        "The page is new each time; picture, style sheet and script keep the time at which they were first made, for a year.",
        answers.assets,
    ),
    Page(
        Group.ASSETS,
        "/assets/demo-clock.svg",
        "The picture",
        (YEAR, ("Content-Type", "image/svg+xml")),
        "The clock stands still while the copy lives.",
        answers.clock_image,
        part_of="/assets",
    ),
    Page(
        Group.ASSETS,
        "/assets/demo-paint.css",
        "The style sheet",
        (YEAR, ("Content-Type", "text/css; charset=utf-8")),
        "Another colour each time the origin makes it.",
        answers.paint,
        part_of="/assets",
    ),
    Page(
        Group.ASSETS,
        "/assets/demo-stamp.js",
        "The script",
        (YEAR, ("Content-Type", "text/javascript; charset=utf-8")),
        "Writes its own number into the page.",
        answers.stamp_script,
        part_of="/assets",
    ),
    Page(
        Group.ASSETS,
        "/ranges",
        "A file in parts",
        (NO_STORE,),
        "The origin sends files whole and knows nothing of ranges. Once one is stored, the edge answers for any part of it: move the "
        "player's handle.",
        answers.ranges,
    ),
    Page(
        Group.ASSETS,
        "/ranges/scale.wav",
        "The sound",
        (YEAR, ("Content-Type", "audio/wav")),
        "Half a minute, and each second is a little higher, so that one can hear which part came.",
        answers.scale,
        asks=(Ask(options="-o /dev/null", script=False),),
        part_of="/ranges",
    ),
    Page(
        Group.ASSETS,
        "/ranges/lines.txt",
        "The text",
        (YEAR, ("Content-Type", "text/plain; charset=utf-8")),
        "Lines of 64 bytes. Ask for all of it first; then 206 comes from the edge, and several parts as multipart/byteranges.",
        answers.lines,
        asks=(
            Ask("All of it", options="-o /dev/null", script=False),
            *(Ask(name, fields=(("Range", f"bytes={spec}"),)) for name, spec in RANGES),
        ),
        part_of="/ranges",
    ),
)

_MOTION = (
    Page(
        Group.MOTION,
        "/slow",
        "Two seconds of thinking",
        (MINUTE,),
        "The first answer takes two seconds, and whoever asks meanwhile waits for the same one (collapsed); for a minute all others take "
        "none.",
        motion.slow,
    ),
    Page(
        Group.MOTION,
        "/stream",
        "A line a second",
        (MINUTE,),
        "Chunks come through one by one as the origin sends them, also to whoever joins meanwhile; later the whole page is there at once.",
        motion.stream,
        asks=(Ask(options="-N"),),
    ),
    Page(
        Group.MOTION,
        "/events",
        "Server-sent events",
        (NO_STORE,),
        "A new line each second: the edge hands every event on when it comes and holds nothing back.",
        motion.event_page,
        asks=(),
    ),
    Page(
        Group.MOTION,
        "/events/feed",
        "The feed",
        (NO_STORE, ("Content-Type", "text/event-stream")),
        "The stream itself, a minute long; then a browser comes back and says where it was.",
        motion.feed,
        asks=(Ask(options="-N", script=False),),
        part_of="/events",
    ),
    Page(
        Group.MOTION,
        "/websocket",
        "WebSocket",
        (NO_STORE,),
        "After the upgrade the edge is a tunnel: what you type comes back.",
        motion.socket_page,
        asks=(),
    ),
    Page(
        Group.MOTION,
        "/websocket/echo",
        "The echo",
        (NO_STORE,),
        "Speaks WebSocket; a request without the upgrade gets this.",
        motion.echo,
        status=400,
        part_of="/websocket",
    ),
    Page(
        Group.MOTION,
        "/upload",
        "Upload",
        (NO_STORE,),
        "Any size goes through as it comes; the origin answers with length and SHA-256, to compare with your own.",
        motion.upload_page,
        asks=(),
    ),
    Page(
        Group.MOTION,
        "/upload",
        "What takes the upload",
        (NO_STORE, JSON),
        "Counts what arrives and keeps nothing; also says whether the length was known or the content came in chunks.",
        motion.upload,
        method="POST",
        asks=(Ask("Send 5 bytes", body="hello"), Ask(body="hello", fields=(("Transfer-Encoding", "chunked"),), script=False)),
        part_of="/upload",
    ),
    Page(
        Group.MOTION,
        "/download",
        "64 MiB",
        (NO_STORE, ("Content-Disposition", 'attachment; filename="demo.txt"')),
        "Comes at the pace of the slower side while the edge's memory stays flat; ?mib=1024 for a gibibyte.",
        motion.download,
        asks=(Ask(options="-o /dev/null", script=False),),
    ),
    Page(
        Group.MOTION,
        "/early-hints",
        "Early hints",
        (NO_STORE, ("Link", "</assets/demo-paint.css>; rel=preload; as=style")),
        "A 103 with the same Link comes a second before the page, so that a client can start on it; curl shows both heads.",
        motion.early_hints,
    ),
    Page(
        Group.MOTION,
        "/request",
        "What reaches the origin",
        (NO_STORE,),
        "Your fields as you sent them, with Via and X-Forwarded-* added, and without those that Connection names.",
        answers.received,
        asks=(Ask(), Ask(fields=(("Connection", "X-Hop"), ("X-Hop", "stays"), ("X-End", "arrives")), script=False)),
    ),
)

_OUTCOMES = (
    Page(
        Group.OUTCOMES,
        "/redirect/kept",
        "A redirect that is kept",
        (MINUTE, ("Location", Computed("/query?redirect=number", lambda visit: f"/query?redirect={visit.number}"))),
        "A redirect is a response like any other: for a minute it leads to the same number.",
        answers.moved,
        status=302,
        asks=(Ask(script=False),),
    ),
    Page(
        Group.OUTCOMES,
        "/redirect/asked",
        "A redirect that is not",
        (("Location", Computed("/query?redirect=number", lambda visit: f"/query?redirect={visit.number}")),),
        "Without a lifetime a 302 is asked for again each time: the number grows.",
        answers.moved,
        status=302,
        asks=(Ask(script=False),),
    ),
    Page(
        Group.OUTCOMES,
        "/status/404",
        "Not found, for a minute",
        (MINUTE,),
        "Absence is kept as well, which spares an origin that is asked for missing files.",
        answers.plain,
        status=404,
    ),
    Page(
        Group.OUTCOMES,
        "/status/500",
        "The origin fails",
        (),
        "An error passes as it is and is not stored: the number grows each time.",
        answers.plain,
        status=500,
    ),
    Page(
        Group.OUTCOMES,
        "/cut",
        "An answer that breaks off",
        (MINUTE, ("Content-Length", "1000")),
        "The origin announces 1000 bytes and closes after 500: the client can tell, and nothing is stored in spite of max-age.",
        motion.cut,
    ),
)

PAGES: tuple[Page, ...] = _FRESHNESS + _STALENESS + _KEY + _AUDIENCE + _INVALIDATION + _ASSETS + _MOTION + _OUTCOMES

# Not listed: the list itself, and what is not in it.
INDEX = Page(Group.FRESHNESS, "/", "Watch a cache decide", (NO_STORE,), "", lambda visit: answers.index(visit, PAGES), asks=())
LOST = Page(
    Group.OUTCOMES,
    "/{rest:.*}",
    "Nothing here",
    (NO_STORE,),
    "",
    lambda visit: answers.lost(visit, [method for page in PAGES if page.path == visit.request.path for method in page.methods]),
    status=404,
    method="*",
    asks=(),
)


def cookie(number: int) -> str:
    """A cookie that names its visitor by the answer's number."""
    return f"visitor={number}; Path=/cookie; SameSite=Lax"
