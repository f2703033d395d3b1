"""A shared cache as RFC 9110, 9111, 5861, 9213 and 9875 describe it, slow and without a look at the one under test.

It keeps everything that the origin ever sent and every invalidation, and derives from them, for each request, what had to be asked of the
origin and what the client had to get. Sections are those of RFC 9111 unless another RFC is named; "here:" is what docs/architecture.md and
docs/cache-status.md say where the RFCs leave a choice. One request at a time: who waits for whom is for other tests.
"""

from __future__ import annotations

from math import floor, inf

from tests.machine.judging import (
    answers,
    asking_for_the_rest,
    belong_together,
    completes,
    is_shareable,
    is_unwanted,
    may_be_kept_at_all,
    may_be_stored,
    post_may_be_stored,
    said_by,
    touch,
    wanted,
)
from tests.machine.kept import TAG_FIELDS, Entry, Kept, Part, Role, dated, groups, tags, updated
from tests.machine.messages import (
    Asked,
    Directives,
    Sent,
    end_to_end,
    holds,
    lines,
    members,
    one,
    only,
    seconds,
    without,
)
from tests.machine.outcomes import (
    CONDITIONS,
    Ask,
    Completed,
    Expected,
    Failed,
    Forwarded,
    HandOn,
    Outcome,
    Question,
    Refuse,
    StandsIn,
    Use,
    Validated,
    no_question,
    the_answer,
)

SAFE = ("GET", "HEAD", "OPTIONS")  # RFC 9110 9.2.1; unknown methods may be unsafe (4.4)
ERRORS = (500, 502, 503, 504)  # RFC 5861 4


class Cache:
    """The model.

    sent      everything that the origin ever sent
    entries   every invalidation, in the order of their numbers
    kept      what is stored, also what a hard invalidation covers
    doubtful  of these, what may just as well not be there, and what may be there instead: see `_freshen`
    """

    def __init__(self) -> None:
        self.doubtful: list[tuple[Kept, Kept | None]] = []
        self.sent: list[Sent] = []
        self.entries: list[Entry] = []
        self.kept: list[Kept] = []
        self.number = 0

    def next_number(self) -> int:
        self.number += 1
        return self.number

    def invalidate(self, *what: str, soft: bool, at: float) -> int:
        """Returns how many stored responses that covers which existed until then."""
        entry = Entry(self.next_number(), at, soft, what)
        covered = sum(kept.is_covered_by(entry) for kept in self.existing)
        self.entries.append(entry)
        return covered

    @property
    def existing(self) -> list[Kept]:
        """What a hard invalidation covers does not exist."""
        return [kept for kept in self.kept if not kept.is_gone(self.entries)]

    def staleness(self, kept: Kept, now: float) -> float | None:
        return kept.staleness(self.entries, now)

    # 4: Constructing Responses from Caches

    def decide(self, asked: Asked, now: float) -> Use | Ask | HandOn | Refuse:
        decision = self._decide(asked, now)
        if "only-if-cached" in said_by(asked) and not isinstance(decision, Use):
            return Refuse()
        return decision

    def _decide(self, asked: Asked, now: float) -> Use | Ask | HandOn:
        said = said_by(asked)
        if asked.method not in ("GET", "HEAD"):
            return HandOn("method")
        if asked.has_content or "no-store" in said:  # 5.2.1.5; here: nor answered from the store
            return HandOn("bypass")
        if only(asked.fields, "if-match", "if-unmodified-since"):  # 4.3.2
            return HandOn("bypass")
        of_url = [kept for kept in self.existing if kept.url == asked.url]
        matching = [kept for kept in of_url if kept.is_for(asked)]
        if not matching:
            return Ask(None, (), "vary-miss" if of_url else "uri-miss")
        kept = max(matching, key=lambda one: one.place)  # "the most recent"; here: by positions, Date being the origin's word
        stale_s = self.staleness(kept, now)
        if not answers(kept, asked):  # 3.3
            usable = stale_s is None and not kept.must_be_validated and not is_unwanted(said, kept, now)
            whole = asked.method == "GET" and not only(asked.fields, "authorization", "range", "if-range")
            wants_rest = whole and kept.soft_since(self.entries) is None
            return Ask(kept, asking_for_the_rest(kept, usable=usable) if wants_rest else (), "partial" if stale_s is None else "stale")
        if stale_s is not None:
            return self._decide_stale(asked, said, kept, stale_s, now)
        if kept.must_be_validated:
            return self._ask(asked, kept, "stale")
        if is_unwanted(said, kept, now):
            return self._ask(asked, kept, "request")
        return Use(kept)

    def _decide_stale(self, asked: Asked, said: Directives, kept: Kept, stale_s: float, now: float) -> Use | Ask:
        """4.2.4, RFC 5861 3, 5.2.1.2."""
        if not kept.forbids_stale and "no-cache" not in said:
            wants_fresh = "max-age" in said or "min-fresh" in said  # 5.2.1.1: "unless the max-stale request directive is also present"
            if stale_s < (kept.window("stale-while-revalidate") or 0) and not wants_fresh:
                return Use(kept, self._ask(Asked("GET", *asked.url, asked.fields), kept, "stale"))
            if "max-stale" in said and not is_unwanted(said, kept, now):
                limit = said["max-stale"]
                if stale_s != inf if limit is None else stale_s <= (seconds(limit) or 0):
                    return Use(kept)
        return self._ask(asked, kept, "stale")

    def _ask(self, asked: Asked, kept: Kept, why: str) -> Ask:
        """4.3.1. A HEAD is asked as it is (4.3.5)."""
        tag, modified = one(kept.fields, "etag"), one(kept.fields, "last-modified")
        conditions = []
        if tag is not None and asked.method == "GET":
            conditions.append(("if-none-match", tag))
        if modified is not None and asked.method == "GET":
            conditions.append(("if-modified-since", modified))
        return Ask(kept, tuple(conditions), why)

    # The answer.

    def answer(self, asked: Asked, now: float, questions: list[Question] | None) -> Expected:
        """What the client has to get, by what is stored at `now` and what the origin was asked and said since.

        `questions` None: it took no connection, so nobody knows. Raises Wrong for a question too many, too few, or not as it had to be.
        """
        self.sent += [sent for _, sent in questions or [] if sent is not None]
        decision = self.decide(asked, now)
        match decision:
            case Refuse():
                no_question(questions, decision)
                return Expected(504, failed=True)
            case HandOn(why):
                return self._handed_on(asked, why, the_answer(questions, decision, [asked]))
            case Use(kept, refresh):
                line: dict[str, object] = {"hit": True, "ttl": kept.ttl(self.entries, now)}
                expected = self.from_store(asked, kept, now, line)
                if refresh is None:
                    no_question(questions, decision)
                else:
                    self._refresh(asked, kept, refresh, questions)
                return expected
            case Ask():
                return self._asked(asked, decision, now, questions)

    def _refresh(self, asked: Asked, kept: Kept, ask: Ask, questions: list[Question] | None) -> None:
        """RFC 5861 3: the origin is asked after the client was answered, for the whole; for the same part, where only that is stored."""
        part = Asked("GET", *asked.url, without(asked.fields, *CONDITIONS))
        whole = Asked("GET", *asked.url, without(part.fields, "range", "if-range"))
        sent = the_answer(questions, ask, [whole] if kept.is_whole else [whole, part], ask.more, last=kept.is_whole)
        question = part if questions and lines(questions[0][0].fields, "range") else whole
        if not kept.is_whole and question is whole and sent is not None and sent.status == 304:
            # Here: the whole was asked for, and that the part holds is not the whole.
            sent = the_answer(questions, ask, [whole], number=1)
            self.conclude(whole, None, self.next_number(), sent, in_background=True)
        else:
            self.conclude(question, ask.kept, self.next_number(), sent, in_background=True)

    def _asked(self, asked: Asked, ask: Ask, now: float, questions: list[Question] | None) -> Expected:
        kept = ask.kept
        question = Asked(asked.method, *asked.url, without(asked.fields, *CONDITIONS))
        rest = kept is not None and bool(lines(ask.more, "range"))
        sent = the_answer(questions, ask, [question], ask.more, last=not rest)
        number = self.next_number()
        if kept is not None and rest and sent is not None and sent.status in (206, 416):
            if sent.status == 206 and may_be_stored(asked, sent) and belong_together(kept, sent, asked) and completes(kept, sent):
                the_answer(questions, ask, [question], ask.more)  # the only one
                self._put_together(kept, Part(number, sent, Role.CONTENT, asked))
                expected = self._expected(asked, ask.why, sent, Completed(kept), now)
                expected.may_be_stored = bool(self.doubtful)
                return expected
            self.kept.remove(kept)
            sent = the_answer(questions, ask, [question], number=1)  # it was of no use: now the whole
            kept, number = None, self.next_number()
        return self._expected(asked, ask.why, sent, self.conclude(asked, kept, number, sent, now=now), now)

    def _expected(self, asked: Asked, why: str, sent: Sent | None, outcome: Outcome, now: float) -> Expected:
        line: dict[str, object] = {"fwd": why}
        if sent is not None:
            line["fwd-status"] = sent.status
            now = sent.at
        match outcome:
            case Forwarded(stored):
                assert sent is not None
                if stored:
                    line["stored"] = True
                return forwarded(asked, sent, line, own_conditions=True)
            case Completed(kept):
                assert sent is not None
                line["stored"] = True
                return completed(asked, kept, sent, line)
            case Validated(kept) | StandsIn(kept):
                line["ttl"] = kept.ttl(self.entries, now)
                expected = self.from_store(asked, kept, now, line)
                expected.failed = sent is None
                return expected
            case Failed():
                return Expected(502, failed=True)

    def from_store(self, asked: Asked, kept: Kept, now: float, line: dict[str, object]) -> Expected:
        """RFC 9110 13.2.2: preconditions, then ranges; RFC 9111 4.3.2."""
        fields = without(kept.fields, "age", "content-length", *TAG_FIELDS)
        held = kept.bytes_held
        content = bytes(held[place] for place in sorted(held))
        expected = Expected(kept.status, fields, content, age=floor(kept.age(now)), status_line=line)
        ranged = kept.status in (200, 206)  # a part is one of what would have come with 200
        if ranged and holds(asked.fields, tag=one(fields, "etag"), modified=one(fields, "last-modified") or one(fields, "date")):
            expected.status, expected.content = 304, b""
            return expected
        spans = wanted(kept, asked)
        if spans is None:
            return expected
        if not spans:
            expected.status, expected.content = 416, b""
            expected.fields = (*only(fields, "date", "etag", "vary"), ("content-range", f"bytes */{kept.length}"))
            return expected
        expected.status = 206
        expected.spans = {place for span in spans for place in span}
        whole = bytearray(kept.length)
        for place, byte in held.items():
            whole[place] = byte
        expected.content = bytes(whole)
        return expected

    def _handed_on(self, asked: Asked, why: str, sent: Sent | None) -> Expected:
        number = self.next_number()
        if sent is None:
            return Expected(502, failed=True)
        line: dict[str, object] = {"fwd": why, "fwd-status": sent.status}
        if asked.method not in SAFE:
            self._invalidate_after_unsafe(asked, sent)
            if post_may_be_stored(asked, sent):
                line["stored"] = True
                self._keep(Kept(asked.url, [Part(number, sent, Role.CONTENT, asked)], self.number), sent)
        return forwarded(asked, sent, line, own_conditions=False)

    # 4.4: Invalidating Stored Responses; RFC 9875 3

    def _invalidate_after_unsafe(self, asked: Asked, sent: Sent) -> None:
        if 200 <= sent.status < 400:
            self.invalidate("url", *asked.url, soft=False, at=sent.at)
            for value in lines(sent.fields, "location") + lines(sent.fields, "content-location"):
                if value.startswith(f"http://{asked.host}/"):
                    value = value.removeprefix(f"http://{asked.host}")
                if value.startswith("/"):  # of the same origin
                    self.invalidate("url", asked.host, value, soft=False, at=sent.at)
        for group in members(sent.fields, "cache-group-invalidation"):
            self.invalidate("group", asked.host, group.strip('"'), soft=False, at=sent.at)

    # What the origin's answer comes to.

    def conclude(
        self, asked: Asked, kept: Kept | None, number: int, sent: Sent | None, *, now: float = 0.0, in_background: bool = False
    ) -> Outcome:
        """4.3.3. `kept` is what was selected; what the answer changes about what is stored is done here."""
        # A refresh is the cache's own question: what the client's request said about freshness is over with its answer.
        said = {} if in_background else said_by(asked)
        if sent is None:
            stands_in = kept is not None and self._may_stand_in(asked, said, kept, now)
            return StandsIn(kept) if stands_in and kept is not None else Failed()
        if kept is not None and sent.status == 304:
            return Validated(self._freshen(kept, Part(number, sent, Role.VALIDATED, asked)))
        if kept is not None and asked.method == "HEAD" and sent.status == 200:
            self._described(asked, kept, Part(number, sent, Role.DESCRIBED, asked))
            return Forwarded(False)
        if kept is not None and sent.status in ERRORS and kept.status not in ERRORS and self._may_stand_in(asked, said, kept, sent.at):
            windows = [kept.window("stale-if-error"), seconds(said.get("stale-if-error"))]
            if not kept.forbids_stale and windows != [None, None]:
                return StandsIn(kept)  # RFC 5861 4
            return Forwarded(False)  # here: an error does not take the place of what can stand in when the origin dies
        return Forwarded(self._judge(asked, kept, Part(number, sent, Role.CONTENT, asked)))

    def _may_stand_in(self, asked: Asked, said: Directives, kept: Kept, now: float) -> bool:
        """4.2.4: a cache that is disconnected; RFC 5861 4 says for how long, where it is used. Here: not for who said no-cache."""
        if "no-cache" in said or kept.must_be_validated or not answers(kept, asked):
            return False
        stale_s = self.staleness(kept, now)
        if stale_s is None:
            return True
        windows = [window for window in (kept.window("stale-if-error"), seconds(said.get("stale-if-error"))) if window is not None]
        return not kept.forbids_stale and (not windows or stale_s < max(windows))

    def _freshen(self, kept: Kept, part: Part) -> Kept:
        """4.3.4, and what then may be kept (3).

        Here: entries are forgotten once all that is stored was tested. What has other names only now, or might be what a ban is about, and
        is no newer than an entry, counts as covered then.
        """
        new = kept.with_part(part)
        self.kept.remove(kept)
        if may_be_kept_at_all(new.status, new.fields):
            if is_shareable(part.asked, new.fields):
                self._keep(new, part.sent)
                if new in self.existing and self._may_be_covered(kept, new):
                    self.doubtful.append((new, None))
            else:
                self.kept.append(kept)  # 3.5: the update was for this user
        return new

    def _may_be_covered(self, kept: Kept, new: Kept) -> bool:
        """Has it names that it had not, or fields that a ban may look at, and may an entry about these be forgotten?"""
        names, known = ({*tags(one.fields), *groups(one.fields)} for one in (new, kept))
        newer = any(entry.number > new.place for entry in self.entries)
        return newer and (not names <= known or any(entry.what[0] == "status" for entry in self.entries))

    def _described(self, asked: Asked, kept: Kept, part: Part) -> None:
        """4.3.5: a HEAD that agrees updates what is stored, any other invalidates it; neither when it is for one user (3.5)."""
        fields, known = part.sent.fields, kept.fields
        agrees = all(one(fields, name) in (None, one(known, name)) for name in ("etag", "last-modified"))
        agrees = agrees and kept.status in (200, 206) and one(fields, "content-length") in (None, str(kept.length))
        if agrees:
            self._freshen(kept, part)
        elif is_shareable(asked, fields):
            self.kept.remove(kept)

    def _judge(self, asked: Asked, kept: Kept | None, part: Part) -> bool:
        """3: is the answer stored? Alone, or together with a part of the same (3.4)."""
        sent = part.sent
        if not may_be_stored(asked, sent):
            self._shows(asked, part.number, sent)
            return False
        if sent.status == 206:
            if kept is not None and kept.soft_since(self.entries) is None and belong_together(kept, sent, asked):
                if kept.is_whole:
                    self._freshen(kept, Part(part.number, sent, Role.DESCRIBED, asked))
                    return False
                if touch(kept, sent):
                    self._put_together(kept, part)
                    return True
            if lines(asked.fields, "if-range"):
                return False  # RFC 9110 15.3.7: it may lack fields that the client has
        self._keep(Kept(asked.url, [part]), sent)
        return True

    def _put_together(self, kept: Kept, part: Part) -> None:
        """3.4. Here: where the newer part brings names that entries may be about, which are no older, nothing is put together."""
        new = kept.with_part(part)
        self._keep(new, part.sent)
        if new in self.kept and self._may_be_covered(kept, new):
            self.doubtful.append((new, kept))

    def _shows(self, asked: Asked, number: int, sent: Sent) -> None:
        """Here: an answer for everybody that is not stored shows that what is older is out of date; clients never see new, old, new."""
        moved_on = (200 <= sent.status < 400 and sent.status not in (206, 304)) or sent.status in (404, 410)
        if moved_on and asked.method == "GET" and not lines(asked.fields, "authorization"):
            self.kept = [kept for kept in self.kept if kept.url != asked.url or not kept.is_for(asked) or kept.place > number]

    def _keep(self, new: Kept, sent: Sent) -> None:
        """In the place of an older one of its variant. What was cut short is not stored."""
        twins = [kept for kept in self.existing if kept.url == new.url and kept.variant == new.variant]
        if any(twin.place > new.place for twin in twins) or (sent.cut and new.last.role is Role.CONTENT):
            return
        self.kept = [kept for kept in self.kept if kept not in twins and kept.parts[0] is not new.parts[0]]
        self.kept.append(new)


def forwarded(asked: Asked, sent: Sent, line: dict[str, object], *, own_conditions: bool) -> Expected:
    """What the origin sent, as it is. `own_conditions`: those of the client were kept from the origin, and are answered here."""
    fields = without(end_to_end(dated(sent.fields, sent)), *TAG_FIELDS)
    modified = one(fields, "last-modified") or one(sent.fields, "date")  # 4.3.2 lets the time of arrival count, which says little here
    if own_conditions and sent.status == 200 and holds(asked.fields, tag=one(fields, "etag"), modified=modified):
        return Expected(304, fields, status_line=line)
    return Expected(sent.status, fields, sent.content, status_line=line, cut=sent.cut and asked.method != "HEAD")


def completed(asked: Asked, kept: Kept, sent: Sent, line: dict[str, object]) -> Expected:
    """The whole, for the client whose request brought the rest of the part `kept` (RFC 9110 15.3.7.3)."""
    fields = without(dated(updated(kept.fields, without(sent.fields, "content-range")), sent), *TAG_FIELDS)
    if holds(asked.fields, tag=one(fields, "etag"), modified=one(fields, "last-modified") or one(sent.fields, "date")):
        return Expected(304, fields, status_line=line)
    held = kept.bytes_held
    return Expected(200, fields, bytes(held[place] for place in sorted(held)) + sent.content, status_line=line, cut=sent.cut)
