"""Who does what to the edge, for every order in which it can happen. `orders` says how many of them there are at least."""

from __future__ import annotations

from interleavings.scenario import Client, Origin, Purge, Scenario

from edgecache.invalidation.selectors import Kind

A, B, C = Client("A"), Client("B"), Client("C")
A_LEAVES, B_LEAVES = Client("A", may_leave=True), Client("B", may_leave=True)
A_THEN_B = (A, Client("B", after="A"))
HEAD, POST = Client("B", "HEAD"), Client("B", "POST")
PART, OTHER_PART = Client("W", fields=("Range: bytes=0-9",)), Client("B", fields=("Range: bytes=8-14",))
ENGLISH, GERMAN = Client("A", fields=("Accept-Language: en",)), Client("B", fields=("Accept-Language: de",))
W = (Client("W"),)  # what is stored before

URL, TAG = Purge("P"), Purge("P", Kind.TAG, "t")
SOFT_URL, SOFT_TAG = Purge("P", soft=True), Purge("P", Kind.TAG, "t", soft=True)
BAN = Purge("P", Kind.BAN, "obj.http.cache-tag == t")
ELSEWHERE = Purge("Q", value="http://elsewhere.test/", after="P", elsewhere=True)  # so that the log is written once more

# In most of these the content comes with the head, which leaves fewer steps; those called "split" have it come in two pieces.
AT_ONCE, SPLIT = Origin(at_once=True), Origin()
STALE = Origin("max-age=10", at_once=True)
RETAGGED = Origin("max-age=10", retagged=("Cache-Tag: u",), at_once=True)
SWR = Origin("max-age=10, stale-while-revalidate=1000", at_once=True)
SWR_RETAGGED = Origin("max-age=10, stale-while-revalidate=1000", retagged=("Cache-Tag: u",), at_once=True)
SWR_SPLIT = Origin("max-age=10, stale-while-revalidate=1000")
SIE = Origin("max-age=10, stale-if-error=1000", at_once=True, fails=0)
SIE_LATER = Origin("max-age=10, stale-if-error=1000", at_once=True, fails=1)
LANGUAGES, LANGUAGES_SPLIT = Origin(vary="Accept-Language", at_once=True), Origin(vary="Accept-Language")
SYNC = {"log_sync": "disk"}

# Two clients, or three, and one invalidation, of each kind and through each door.
COLD = [
    Scenario("three clients", (A, B, C), (), AT_ONCE, asks=1, orders=80),
    Scenario("two clients, split", (A, B), (), SPLIT, asks=1, orders=30),
    Scenario("purge", (A, B), (URL,), AT_ONCE, asks=2, orders=30),
    Scenario("purge, split", (A, B), (URL,), SPLIT, asks=2, orders=500),
    Scenario("soft purge", (A, B), (SOFT_URL,), AT_ONCE, asks=2, orders=30),
    Scenario("soft purge with a window", (A, B), (SOFT_URL,), SWR, asks=2, orders=30),
    Scenario("purge by method", (A, B), (Purge("P", method=True),), AT_ONCE, asks=2, orders=30),
    Scenario("purge by tag", (A, B), (TAG,), AT_ONCE, asks=2, orders=30),
    Scenario("purge by tag, split", (A, B), (TAG,), SPLIT, asks=2, orders=570),
    Scenario("purge by tag, three clients", (A, B, C), (TAG,), AT_ONCE, asks=2, orders=1020),
    Scenario("soft purge by tag", (A, B), (SOFT_TAG,), AT_ONCE, asks=2, orders=30),
    Scenario("soft purge by tag with a window", (A, B), (SOFT_TAG,), SWR, asks=2, orders=30),
    Scenario("purge of all", (A, B), (Purge("P", Kind.ALL, ""),), AT_ONCE, asks=2, orders=30),
    Scenario("ban by URL", (A, B), (Purge("P", Kind.BAN, "req.url == /a"),), AT_ONCE, asks=2, orders=30),
    Scenario("ban by field", (A, B), (BAN,), AT_ONCE, asks=2, orders=30),
    Scenario("soft, and hard by tag", (A, B), (Purge("S", soft=True), Purge("H", Kind.TAG, "t")), SWR, orders=330),
    Scenario("one client after the other", A_THEN_B, (TAG,), SPLIT, orders=30),
]
# Something is stored, and stale: it is validated, or served while it is.
WARM = [
    Scenario("validation", (A, B), (TAG,), RETAGGED, W, 20, orders=40),
    Scenario("validation, soft", (A, B), (SOFT_TAG,), RETAGGED, W, 20, orders=30),
    Scenario("validation, URL", (A, B), (URL,), STALE, W, 20, orders=50),
    Scenario("validation, split", (A, B), (TAG,), Origin("max-age=10"), W, 20, orders=310),
    Scenario("refresh", (A, B), (TAG,), SWR_RETAGGED, W, 20, orders=20),
    Scenario("refresh, soft", (A, B), (SOFT_TAG,), SWR_RETAGGED, W, 20, orders=20),
    Scenario("refresh, URL", (A, B), (URL,), SWR, W, 20, orders=30),
    Scenario("refresh, split", (A, B), (SOFT_TAG,), SWR_SPLIT, W, 20, orders=70),
    Scenario("refresh, one client after the other", (*A_THEN_B, C), (TAG,), SWR_RETAGGED, W, 20, orders=130),
    Scenario("soft purge of what is fresh", (A, B), (SOFT_URL,), SWR, W, orders=7),
    Scenario("time passes", (A, B), (SOFT_URL,), SWR, W, passes_s=15, orders=70),
    Scenario("time passes, purge by tag", (A, B), (TAG,), SWR_RETAGGED, W, 5, passes_s=10, orders=80),
    Scenario("time goes back", (A, B), (Purge("P", back_s=15),), STALE, W, 20, orders=40),
    Scenario("time goes back, window", (A, B), (Purge("P", back_s=15),), SWR, W, 20, orders=20),
    Scenario("refetch", (A,), (Purge("P", refetch=True),), AT_ONCE, W, orders=70),
]
# Errors, and peers that leave.
TROUBLE = [
    Scenario("stale if error", (A, B), (URL,), SIE, W, 20, orders=40),
    Scenario("stale if error, soft", (A, B), (SOFT_URL,), SIE, W, orders=40),
    Scenario("stale if error, later", (A, B), (TAG,), SIE_LATER, W, 20, orders=30),
    Scenario("dying origin", (A, B), (TAG,), Origin(at_once=True, deaths=1), orders=100),
    Scenario("dying origin, split", (A, B), (), Origin(deaths=1), orders=100),
    Scenario("dying origin, stale", (A, B), (SOFT_TAG,), Origin("max-age=10", at_once=True, deaths=1), W, 20, orders=120),
    Scenario("dead connections", (A, B), (TAG,), Origin(deaths=2, reused=True, at_once=True), orders=200),
    Scenario("a client leaves", (A_LEAVES, B), (TAG,), AT_ONCE, orders=190),
    Scenario("a client leaves, split", (A_LEAVES, B), (), SPLIT, orders=180),
    Scenario("both clients may leave, dying origin", (A_LEAVES, B_LEAVES), (), Origin(deaths=1, at_once=True), orders=330),
    Scenario("waiting too long", (A, B), (TAG,), AT_ONCE, timers=("B",), orders=70),
]
# Other requests.
KINDS = [
    Scenario("HEAD", (A, HEAD), (TAG,), AT_ONCE, orders=40),
    Scenario("HEAD about what is stored", (A, HEAD), (TAG,), RETAGGED, W, 20, orders=40),
    Scenario("range", (A, OTHER_PART), (TAG,), AT_ONCE, orders=40),
    Scenario("rest of a part", (A, OTHER_PART), (SOFT_TAG,), SWR, (PART,), orders=50),
    Scenario("variants", (ENGLISH, GERMAN), (TAG,), LANGUAGES, orders=40),
    Scenario("no-cache", (A, Client("B", fields=("Cache-Control: no-cache",))), (TAG,), AT_ONCE, W, orders=20),
    Scenario("unsafe", (A, POST, Client("C", after="B")), (), AT_ONCE, orders=30),
    Scenario("unsafe, purge", (A, POST), (TAG,), AT_ONCE, orders=90),
]
# The sweeper may come, so that the log forgets.
SWEPT = [
    Scenario("sweep", (A, B), (TAG,), AT_ONCE, sweeps=2, orders=540),
    Scenario("sweep, split", (A,), (TAG,), SPLIT, sweeps=2, orders=120),
    Scenario("sweep, soft", (A, B), (SOFT_TAG,), SWR, sweeps=2, orders=540),
    Scenario("sweep of a validation", (A,), (TAG,), RETAGGED, W, 20, sweeps=2, orders=20),
    Scenario("sweep of a refresh", (A, B), (TAG,), SWR_RETAGGED, W, 20, sweeps=2, orders=270),
    Scenario("sweep of a soft refresh", (A, B), (SOFT_TAG,), SWR_RETAGGED, W, 20, sweeps=2, orders=130),
    Scenario("sweep of a part", (A,), (TAG,), AT_ONCE, (PART,), sweeps=2, orders=20),
]
# A disk, and the process may end at any moment.
CRASHING = [
    Scenario("disk", (A,), (TAG,), AT_ONCE, disk=True, orders=10),
    Scenario("disk, restarted", (A, B), (TAG,), AT_ONCE, W, disk=True, restarted=True, orders=770),
    Scenario("disk, refresh", (A, B), (SOFT_TAG,), SWR_RETAGGED, W, 20, disk=True, restarted=True, orders=340),
    Scenario("disk, validation", (A,), (TAG,), RETAGGED, W, 20, disk=True, restarted=True, orders=30),
    Scenario("disk, split", (A,), (TAG,), SPLIT, disk=True, evicts=True, orders=100),
    Scenario("disk, sweep", (), (TAG, ELSEWHERE), AT_ONCE, W, disk=True, sweeps=2, orders=110),
    Scenario("disk, soft sweep", (), (SOFT_TAG, ELSEWHERE), SWR, W, disk=True, sweeps=2, orders=120),
    Scenario("group commit", (A,), (Purge("P"),), AT_ONCE, W, disk=True, settings=SYNC, orders=150),
    Scenario("group commit of two", (), (Purge("P"), Purge("Q", elsewhere=True)), AT_ONCE, W, disk=True, settings=SYNC, orders=20),
]
SCENARIOS = [*COLD, *WARM, *TROUBLE, *KINDS, *SWEPT, *CRASHING]

# What takes minutes.
DEEP = [
    Scenario("deep: disk, two clients", (A, B), (TAG,), AT_ONCE, disk=True),
    Scenario("deep: purge, three clients", (A, B, C), (URL,), AT_ONCE, asks=2),
    Scenario("deep: rest of a part, dying origin", (A, B), (TAG,), Origin(deaths=1), (PART,)),
    Scenario("deep: sweep of variants", (ENGLISH, GERMAN), (TAG,), LANGUAGES, sweeps=2),
    Scenario("deep: sweep of what is fetched again", (A,), (Purge("P", Kind.TAG, "t", refetch=True),), AT_ONCE, W, sweeps=2),
    Scenario("deep: disk, memory evicts", (A, B), (TAG,), AT_ONCE, W, disk=True, evicts=True),
    Scenario("deep: disk, refetch", (A,), (Purge("P", Kind.TAG, "t", refetch=True),), AT_ONCE, W, disk=True, restarted=True),
    Scenario("deep: purge, three clients, split", (A, B, C), (URL,), SPLIT, asks=2),
    Scenario("deep: purge by tag, three clients, split", (A, B, C), (TAG,), SPLIT, asks=2),
    Scenario("deep: soft purge by tag, three clients, split", (A, B, C), (SOFT_TAG,), SWR_SPLIT, asks=2),
    Scenario("deep: validation, three clients", (A, B, C), (TAG,), RETAGGED, W, 20),
    Scenario("deep: refresh, three clients", (A, B, C), (TAG,), SWR_RETAGGED, W, 20),
    Scenario("deep: dying origin, split, purge by tag", (A, B), (TAG,), Origin(deaths=1)),
    Scenario("deep: three clients, one leaves", (A_LEAVES, B, C), (TAG,), AT_ONCE),
    Scenario("deep: both clients may leave", (A_LEAVES, B_LEAVES), (TAG,), AT_ONCE),
    Scenario("deep: both clients may leave, split", (A_LEAVES, B_LEAVES), (), SPLIT),
    Scenario("deep: variants, three clients", (ENGLISH, GERMAN, C), (TAG,), LANGUAGES),
    Scenario("deep: variants, split", (ENGLISH, GERMAN), (TAG,), LANGUAGES_SPLIT),
    Scenario("deep: waiting too long, split", (A, B), (TAG,), SPLIT, timers=("B",)),
    Scenario("deep: sweep, split", (A, B), (TAG,), SPLIT, sweeps=2),
    Scenario("deep: sweep of a ban, split", (A, B), (BAN,), SPLIT, sweeps=2),
    Scenario("deep: sweep, three clients", (A, B, C), (TAG,), AT_ONCE, sweeps=1),
    Scenario("deep: sweep of two purges", (A, B), (TAG, Purge("Q", soft=True)), SWR, sweeps=2),
    Scenario("deep: sweep of parts, split", (A, OTHER_PART), (TAG,), SPLIT, (PART,), sweeps=2),
    Scenario("deep: sweep of HEAD", (A, HEAD), (TAG,), RETAGGED, W, 20, sweeps=2),
    Scenario("deep: disk, rest of a part", (A, B), (TAG,), SPLIT, (PART,), evicts=True, disk=True),
    Scenario("deep: disk, sweep of a part", (A,), (TAG, ELSEWHERE), AT_ONCE, (PART,), disk=True, sweeps=1),
    Scenario("deep: disk, memory evicts, refresh", (A, B), (SOFT_TAG,), SWR, W, 20, disk=True, evicts=True),
    Scenario("deep: disk, sweep of a refresh", (A,), (SOFT_TAG, ELSEWHERE), SWR_RETAGGED, W, 20, disk=True, restarted=True, sweeps=2),
    Scenario("deep: disk, sweep of a validation", (A,), (TAG, ELSEWHERE), RETAGGED, W, 20, disk=True, restarted=True, sweeps=2),
    Scenario("deep: disk, memory evicts, sweep", (A,), (TAG, ELSEWHERE), RETAGGED, W, 20, disk=True, evicts=True, sweeps=2),
    Scenario("deep: group commit of three", (A,), (Purge("P"), Purge("Q", elsewhere=True)), AT_ONCE, W, disk=True, settings=SYNC),
]
