"""Cache tags: which a response has, how many it may have, and that a purge names them the same way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cachingkit import DATE, NOW, Held, answer, fields, request, stored
from hypothesis import given
from hypothesis import strategies as st

from edgecache.caching.conclude import conclude
from edgecache.caching.conclusion import Combine, Forward, Freshen, Keep, Store
from edgecache.caching.keeping import combined, freshened, stored_response
from edgecache.caching.profile import Profile, Separators, TagRules
from edgecache.caching.reasons import Reason
from edgecache.caching.stored import Part
from edgecache.caching.tags import TooManyTags, every_tag, normalised_tag, tag_field_names, tags_of
from edgecache.caching.verdict import CLEAN
from edgecache.profiles.standard import STANDARD, TAG_FIELDS
from edgecache.semantics.message import field

ETAG = 'ETag: "a"'
MINUTE = "Cache-Control: max-age=60"


def vendor(separators: Separators, *, ignores_case: bool = True, count: int = 1000, size_bytes: int = 1000) -> Profile:
    """A profile with one tag field."""
    rules = TagRules(((b"tags", separators),), ignores_case, count, size_bytes)
    return Profile(name="vendor", obeys_request_directives=False, set_cookie="refuse", tags=rules)


@pytest.mark.parametrize(
    "lines, tags",
    [
        ([], ()),
        (["X-Tag: a"], ()),
        (["Cache-Tag: a"], ("a",)),
        (["Cache-Tag: a,b"], ("a", "b")),
        (["Cache-Tag: a b"], ("a", "b")),
        (["Cache-Tag: a,\tb  c ,, ,d"], ("a", "b", "c", "d")),
        (["Cache-Tag:"], ()),
        (["Cache-Tag: , ,"], ()),
        (["Cache-Tag: b, a", "Cache-Tag: c a"], ("b", "a", "c")),
        (["cache-tag: a", "Surrogate-Key: b a", "XKEY: c"], ("a", "b", "c")),
        (["Cache-Tag: A, a, aBc"], ("a", "abc")),
        (["Cache-Tag: Ä ä"], ("Ä", "ä")),  # only the case of ASCII counts for nothing
        (['Cache-Tag: "a,b"'], ('"a', 'b"')),  # tags are not quoted
        (["Cache-Tag: node:1 a/b cat_p_1 x=y;z #p *"], ("node:1", "a/b", "cat_p_1", "x=y;z", "#p", "*")),
        (['Cache-Groups: "g"', "CDN-Cache-Control: max-age=1"], ()),
    ],
)
def test_tags(lines: list[str], tags: tuple[str, ...]) -> None:
    own = [field(name, value.decode("latin-1").encode("utf-8")) for _, name, value in fields(*lines)]
    assert tags_of(own, STANDARD) == tags


@pytest.mark.parametrize("name", TAG_FIELDS)
def test_every_known_field_counts_in_standard(name: bytes) -> None:
    assert tags_of([field(name.title(), b"a, b c")], STANDARD) == ("a", "b", "c")
    assert name in tag_field_names(STANDARD)


@pytest.mark.parametrize(
    "separators, tags",
    [
        (Separators.COMMA, ("a b", "c", "d\te")),
        (Separators.SPACE, ("a", "b,", "c,d", "e,,")),
        (Separators.EITHER, ("a", "b", "c", "d", "e")),
    ],
)
def test_a_profile_says_what_separates(separators: Separators, tags: tuple[str, ...]) -> None:
    profile = vendor(separators)
    assert tags_of(fields("Tags: a b, c,d\te,,", "Cache-Tag: x"), profile) == tags
    assert tag_field_names(profile) == {b"tags"}


def test_a_profile_says_whether_case_counts() -> None:
    profile = vendor(Separators.COMMA, ignores_case=False)
    assert tags_of(fields("Tags: A,a"), profile) == ("A", "a")
    assert normalised_tag("A", profile) == "A"


def test_a_profile_without_tags() -> None:
    assert tags_of(fields("Cache-Tag: a"), replace(STANDARD, tags=TagRules())) == ()


@pytest.mark.parametrize(
    "raw, text, same",
    [
        (b"\xc3\xbc", "ü", True),
        (b"\xc3\x9c", "Ü", True),
        (b"\xc3\x9c", "ü", False),
        (b"\xfc", "ü", False),
        (b"News", "nEWS", True),
        (b"news", " news\t", True),
        (b"k", "\u212a", False),  # KELVIN SIGN, which str.lower makes a k
        (b"\xe2\x84\xaa", "\u212a", True),
        (b"a", "\ud800", False),
        (b"a", "", False),
    ],
)
def test_a_purge_names_a_tag_as_it_is(raw: bytes, text: str, same: bool) -> None:
    assert (normalised_tag(text, STANDARD) in tags_of([field(b"Cache-Tag", raw)], STANDARD)) is same  # type: ignore[operator]


@given(st.lists(st.binary().filter(lambda raw: raw and not set(raw) & set(b", \t\r\n\v\f\0")), unique_by=bytes.lower))
def test_no_two_tags_become_one(raw: list[bytes]) -> None:
    tags = tags_of([field(b"Cache-Tag", b",".join(raw))], STANDARD)
    assert isinstance(tags, tuple)
    assert [tag.encode("utf-8", "surrogateescape") for tag in tags] == [one.lower() for one in raw]
    assert [normalised_tag(one.decode("utf-8", "surrogateescape"), STANDARD) for one in raw] == list(tags)


@given(st.text().filter(lambda text: text.strip(" \t") == text and text and not set(text) & set(", \r\n\v\f\x1c\x1d\x1e\x1f\x85")))
def test_what_is_written_as_json_finds_what_is_sent_as_utf_8(text: str) -> None:
    assert tags_of([field(b"Cache-Tag", text.encode())], vendor_of_all()) == (normalised_tag(text, vendor_of_all()),)


def vendor_of_all() -> Profile:
    return replace(STANDARD, tags=TagRules(((b"cache-tag", Separators.COMMA),)))


@pytest.mark.parametrize(
    "lines, stored",
    [
        (["Tags: a, b, c"], True),
        (["Tags: a, b, c, A, B", "Tags: c"], True),  # each counts once
        (["Tags: a, b", "Tags: c, d"], False),
        (["Tags: 0123456789"], True),
        (["Tags: 01234567, 89"], True),  # separators aside
        (["Tags: 01234567, 89a"], False),
        (["Tags: 0123456789a"], False),
        (["Tags: 012345678ü"], True),
        (["Tags: 0123456789ü"], False),
    ],
)
def test_limits(lines: list[str], stored: bool) -> None:
    profile = vendor(Separators.COMMA, count=3, size_bytes=10)
    found = tags_of(fields(*lines), profile)
    assert isinstance(found, tuple) is stored
    assert isinstance(found, TooManyTags) is not stored
    if isinstance(found, TooManyTags):
        assert found.tags == every_tag(fields(*lines), profile)


def test_the_limits_of_standard() -> None:
    assert len(tags_of(fields("Cache-Tag: " + ",".join(map(str, range(1000)))), STANDARD)) == 1000  # type: ignore[arg-type]
    assert isinstance(tags_of(fields("Cache-Tag: " + ",".join(map(str, range(1001)))), STANDARD), TooManyTags)
    assert isinstance(tags_of(fields("Cache-Tag: " + "x" * 16_384), STANDARD), tuple)
    assert isinstance(tags_of(fields("Cache-Tag: " + "x" * 16_385), STANDARD), TooManyTags)


# In what is stored.


def test_a_response_is_stored_with_its_tags() -> None:
    came = answer(MINUTE, DATE, "Surrogate-Key: A b", 'Cache-Groups: "A"')
    plan = conclude(request(), None, came, CLEAN, STANDARD, NOW)
    assert isinstance(plan, Store)
    own = stored_response(plan, request(), came, Held(7), 1, 1)
    assert own is not None
    assert (own.tags, own.groups) == (("a", "b"), ("A",))
    assert fields("Surrogate-Key: A b")[0] in own.fields, "the fields are kept as they came"


@pytest.mark.parametrize(
    "newer, tags",
    [
        ([], ("a", "b")),
        (["Cache-Tag: c"], ("c",)),
        (["Surrogate-Key: c"], ("a", "b", "c")),
        (["Cache-Tag:"], ()),
    ],
)
@pytest.mark.parametrize("method, status", [(b"GET", 304), (b"HEAD", 200)])
def test_a_validation_may_bring_other_tags(newer: list[str], tags: tuple[str, ...], method: bytes, status: int) -> None:
    own = stored(MINUTE, ETAG, "Cache-Tag: a, b", tags=("a", "b"))
    came = answer(MINUTE, ETAG, *newer, status=status)
    concluded = conclude(request(method=method), (own, CLEAN), came, CLEAN, STANDARD, NOW)
    plan = concluded.update if isinstance(concluded, Forward) else concluded
    assert isinstance(plan, Freshen)
    new = freshened(plan, came, 1, 1)
    assert (new.tags, plan.keep) == (tags, Keep.UPDATED)
    assert own.tags == ("a", "b")


@pytest.mark.parametrize("newer, tags", [([], ("a",)), (["Cache-Tag: c"], ("c",)), (["Surrogate-Key: c"], ("a", "c"))])
def test_what_is_combined_has_the_tags_of_its_fields(newer: list[str], tags: tuple[str, ...]) -> None:
    own = stored(MINUTE, ETAG, "Cache-Tag: a", status=206, part=Part(0, 4, 10), length=5, tags=("a",))
    came = answer(MINUTE, ETAG, "Content-Range: bytes 5-9/10", *newer, status=206)
    plan = conclude(request("Range: bytes=5-"), (own, CLEAN), came, CLEAN, STANDARD, NOW)
    assert isinstance(plan, Combine)
    new = combined(plan, came, Held(10), 1, 1)
    assert new is not None
    assert new.tags == tags


FEW = replace(STANDARD, tags=replace(STANDARD.tags, count=2))


def test_too_many_tags_are_not_stored() -> None:
    came = answer(MINUTE, "Cache-Tag: a b c")
    own = stored("Cache-Control: max-age=0", ETAG)
    for selected in (None, (own, CLEAN)):
        assert conclude(request(), selected, came, CLEAN, FEW, NOW) == Forward(Reason.TOO_MANY_TAGS, supersedes=True)


def test_too_many_tags_after_an_update_are_not_kept() -> None:
    own = stored(MINUTE, ETAG, "Cache-Tag: a, b", tags=("a", "b"))
    came = answer(MINUTE, ETAG, "Surrogate-Key: c", status=304)
    plan = conclude(request(), (own, CLEAN), came, CLEAN, FEW, NOW)
    assert isinstance(plan, Freshen)
    assert plan.keep is Keep.DROPPED
    assert plan.tags == ("a", "b", "c"), "a purge that came meanwhile is held against all of them"


def test_too_many_tags_of_both_parts_are_not_stored() -> None:
    own = stored(MINUTE, ETAG, "Cache-Tag: a, b", status=206, part=Part(0, 4, 10), length=5, tags=("a", "b"))
    came = answer(MINUTE, ETAG, "Content-Range: bytes 5-9/10", "Surrogate-Key: c", status=206)
    assert conclude(request("Range: bytes=5-"), (own, CLEAN), came, CLEAN, FEW, NOW) == Forward(Reason.TOO_MANY_TAGS)


def test_tags_and_groups_cost_something() -> None:
    plain, named = stored(MINUTE), stored(MINUTE, tags=("ab", "c"), groups=("d",))
    assert named.size_bytes > plain.size_bytes + 4
