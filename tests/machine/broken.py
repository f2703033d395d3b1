"""Edges that break one promise each: what the machine has to notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edgecache.caching import answer, conclude, decide, directives, freshness, keeping, stand_in, storing
from edgecache.caching.conclusion import Forward, Freshen, ServeStale
from edgecache.caching.reasons import Reason
from edgecache.caching.verdict import CLEAN, HardCovered, SoftCovered
from edgecache.edge import flow, leading
from edgecache.edge.flow import Flow
from edgecache.invalidation import coverage, doors, log
from edgecache.invalidation.entry import Cause
from edgecache.semantics import conditional
from edgecache.semantics.cache_control import CacheControl

Patch = pytest.MonkeyPatch
Break = Callable[[Patch], None]
BROKEN: dict[str, Break] = {}
HARD_TO_NOTICE: dict[str, Break] = {}  # what it takes hundreds of examples to meet


def broken(break_it: Break) -> Break:
    BROKEN[break_it.__name__] = break_it
    return break_it


def hard_to_notice(break_it: Break) -> Break:
    HARD_TO_NOTICE[break_it.__name__] = break_it
    return break_it


def wrap(patch: Patch, where: Any, name: str, changed: Callable[..., Any]) -> None:
    """`changed(old, *arguments)` in the place of a function."""
    old = getattr(where, name)
    patch.setattr(where, name, lambda *arguments, **named: changed(old, *arguments, **named))


def without_directive(patch: Patch, *names: bytes) -> None:
    """Responses' directives with these names count nowhere."""

    def changed(old: Any, *arguments: Any) -> Any:
        said, targeted = old(*arguments)
        return directives.Directives(CacheControl({name: value for name, value in said.items() if name not in names}), targeted)

    wrap(patch, freshness, "response_directives", changed)
    wrap(patch, conclude, "response_directives", changed)


# What is stored.


@broken
def private_is_stored(patch: Patch) -> None:
    without_directive(patch, b"private")


@broken
def no_store_is_stored(patch: Patch) -> None:
    without_directive(patch, b"no-store")


@broken
def answers_to_authorization_are_stored(patch: Patch) -> None:
    for where in (storing, conclude):
        patch.setattr(where, "is_shareable", lambda request, said: True)


@broken
def any_vary_is_stored(patch: Patch) -> None:
    wrap(patch, conclude, "vary_of", lambda old, *arguments: old(*arguments) or ())


@broken
def named_fields_are_stored(patch: Patch) -> None:
    patch.setattr(CacheControl, "field_names", lambda self, directive: ())
    patch.setattr(CacheControl, "unqualified", lambda self, directive: directive in self and not self[directive])


@broken
def any_answer_to_post_is_stored(patch: Patch) -> None:
    patch.setattr(storing, "_answers_get", lambda request, head: 200 <= head.status < 300)


@broken
def errors_take_the_place_of_what_is_stored(patch: Patch) -> None:
    patch.setattr(conclude, "ERROR_STATUSES", frozenset())


@hard_to_notice
def parts_of_different_versions_are_put_together(patch: Patch) -> None:
    patch.setattr(conclude, "same_representation", lambda stored, fields: True)


@hard_to_notice
def any_part_completes_another(patch: Patch) -> None:
    patch.setattr(conclude, "completes", lambda *arguments: True)
    patch.setattr(conclude, "same_representation", lambda stored, fields: True)


# How long it is fresh.


@broken
def s_maxage_is_ignored(patch: Patch) -> None:
    without_directive(patch, b"s-maxage")


@broken
def cdn_cache_control_is_ignored(patch: Patch) -> None:
    patch.setattr(directives, "parse_targeted", lambda lines: None)


@broken
def expires_is_ignored(patch: Patch) -> None:
    wrap(patch, freshness, "first", lambda old, fields, name: None if name == b"expires" else old(fields, name))


@broken
def age_is_not_counted(patch: Patch) -> None:
    patch.setattr(freshness, "_age", lambda fields: 0)


@broken
def the_delay_is_not_counted(patch: Patch) -> None:
    wrap(
        patch,
        freshness,
        "initial_age",
        lambda old, fields, request_time, response_time, offset_s: old(fields, response_time, response_time, offset_s),
    )


@broken
def dates_are_not_moved_with_the_clock(patch: Patch) -> None:
    wrap(
        patch,
        freshness,
        "initial_age",
        lambda old, fields, request_time, response_time, offset_s: old(fields, request_time, response_time, 0.0),
    )


@broken
def heuristics_are_bolder(patch: Patch) -> None:
    wrap(patch, freshness, "_heuristic_lifetime", lambda old, *arguments: old(*arguments) and 2 * old(*arguments))


# When it is used.


@broken
def vary_is_ignored(patch: Patch) -> None:
    patch.setattr(decide, "vary_matches", lambda *arguments: True)


@broken
def hosts_are_one(patch: Patch) -> None:
    wrap(patch, flow, "cache_key", lambda old, *arguments: old(*arguments)._replace(host=b"example.test"))


@broken
def an_older_variant_wins(patch: Patch) -> None:
    wrap(patch, keeping, "StoredResponse", lambda old, **named: old(**{**named, "start": -named["start"]}))


@broken
def no_cache_is_not_validated(patch: Patch) -> None:
    wrap(patch, freshness, "reuse_terms", lambda old, said: old(said)._replace(must_validate=False))


@broken
def must_revalidate_is_ignored(patch: Patch) -> None:
    patch.setattr(freshness, "_FORBID_STALE", (b"proxy-revalidate", b"s-maxage"))


@broken
def stale_while_revalidate_never_ends(patch: Patch) -> None:
    wrap(patch, freshness, "reuse_terms", lambda old, said: old(said)._replace(swr_s=1e9 if old(said).swr_s else 0.0))


@broken
def nobody_refreshes(patch: Patch) -> None:
    patch.setattr(Flow, "_refresh_later", lambda *arguments: None)


@broken
def stale_if_error_never_ends(patch: Patch) -> None:
    for where in (stand_in, conclude):
        wrap(patch, where, "error_window", lambda old, *arguments: None if old(*arguments) is None else 1e9)


@broken
def errors_are_forwarded_in_any_case(patch: Patch) -> None:
    patch.setattr(conclude, "error_window", lambda *arguments: None)


@broken
def a_dead_origin_is_a_dead_edge(patch: Patch) -> None:
    wrap(
        patch,
        conclude,
        "after_failure",
        lambda old, *arguments: Forward(Reason.ORIGIN_FAILED) if isinstance(old(*arguments), ServeStale) else old(*arguments),
    )


# What requests say.


@broken
def a_request_s_no_cache_is_ignored(patch: Patch) -> None:
    wrap(
        patch,
        decide,
        "request_directives",
        lambda old, *arguments: CacheControl({name: value for name, value in old(*arguments).items() if name != b"no-cache"}),
    )


@broken
def max_stale_has_no_limit(patch: Patch) -> None:
    wrap(
        patch,
        decide,
        "request_directives",
        lambda old, *arguments: CacheControl({name: None if name == b"max-stale" else value for name, value in old(*arguments).items()}),
    )


@broken
def min_fresh_is_ignored(patch: Patch) -> None:
    wrap(
        patch,
        decide,
        "request_directives",
        lambda old, *arguments: CacheControl({name: value for name, value in old(*arguments).items() if name != b"min-fresh"}),
    )


@broken
def if_modified_since_counts_beside_if_none_match(patch: Patch) -> None:
    def changed(old: Any, fields: Any, status: int, known: Any) -> bool:
        return bool(old(fields, status, known) or old([one for one in fields if one[1] != b"if-none-match"], status, known))

    wrap(patch, answer, "not_modified", changed)


@hard_to_notice
def weak_tags_are_not_compared_weakly(patch: Patch) -> None:
    patch.setattr(conditional, "same_weakly", lambda one, other: one == other)


@broken
def conditions_of_clients_go_to_the_origin(patch: Patch) -> None:
    patch.setattr(leading, "without_conditions", lambda fields: fields)


@broken
def ranges_are_one_too_short(patch: Patch) -> None:
    wrap(
        patch,
        answer,
        "satisfiable",
        lambda old, *arguments: [span._replace(last=max(span.first, span.last - 1)) for span in old(*arguments)],
    )


@hard_to_notice
def if_range_is_ignored(patch: Patch) -> None:
    patch.setattr(answer, "if_range_holds", lambda *arguments: True)


# What is learnt of the origin.


@broken
def a_304_updates_nothing(patch: Patch) -> None:
    patch.setattr(conclude, "merged", lambda stored, fields: stored.fields)


@broken
def a_304_is_no_newer_position(patch: Patch) -> None:
    wrap(patch, conclude, "_not_modified", lambda old, *arguments: replace(old(*arguments), raises_position=False))


@broken
def head_updates_nothing(patch: Patch) -> None:
    wrap(patch, conclude, "_after_head", lambda old, *arguments: replace(old(*arguments), update=None))


@broken
def head_shows_nothing_outdated(patch: Patch) -> None:
    wrap(patch, conclude, "_after_head", lambda old, *arguments: replace(old(*arguments), outdated=None))


@hard_to_notice
def head_raises_the_position(patch: Patch) -> None:
    def changed(old: Any, *arguments: Any, **named: Any) -> Freshen:
        return old(*arguments, **{**named, "raises_position": True})  # type: ignore[no-any-return]

    wrap(patch, conclude, "_freshen", changed)


@broken
def what_is_outdated_stays(patch: Patch) -> None:
    patch.setattr(conclude, "_supersedes", lambda *arguments: False)


# Invalidations.


def ignore_verdicts(patch: Patch, kind: type[HardCovered] | type[SoftCovered]) -> None:
    def changed(old: Any, *arguments: Any, **named: Any) -> Any:
        found = old(*arguments, **named)
        return CLEAN if isinstance(found, kind) else found

    for name in ("verdict", "judge"):
        wrap(patch, log.InvalidationLog, name, changed)


@broken
def purges_are_ignored(patch: Patch) -> None:
    ignore_verdicts(patch, HardCovered)


@broken
def soft_purges_are_ignored(patch: Patch) -> None:
    ignore_verdicts(patch, SoftCovered)


@broken
def soft_purges_are_hard(patch: Patch) -> None:
    wrap(patch, log.InvalidationLog, "append", lambda old, *arguments, **named: old(*arguments, **{**named, "soft": False}))


@broken
def a_second_soft_purge_extends_windows(patch: Patch) -> None:
    patch.setattr(
        coverage.Coverage, "first_soft", lambda self, above: self.soft[-1] if self.soft and self.soft[-1].position > above else None
    )
    wrap(
        patch, log.InvalidationLog, "judge", lambda old, self, stored: self.verdict(stored.key, stored.position, stored.groups, stored.tags)
    )


@broken
def tags_are_not_found(patch: Patch) -> None:
    patch.setattr(conclude, "tags_of", lambda fields, profile: ())


@hard_to_notice
def prefixes_cover_what_begins_alike(patch: Patch) -> None:
    """Not by whole segments: /a covers /ab."""
    patch.setattr(coverage, "prefixes", lambda path, depths: [path[:length] for length in range(1, len(path) + 1)])


def ignore_after_unsafe(patch: Patch, changed: Callable[..., Any]) -> None:
    wrap(patch, doors, "selectors_after_unsafe", changed)


@broken
def unsafe_requests_invalidate_nothing(patch: Patch) -> None:
    ignore_after_unsafe(patch, lambda old, key, status, references, groups, held_under: old(key, 400, references, groups, held_under))


@broken
def location_is_not_invalidated(patch: Patch) -> None:
    ignore_after_unsafe(patch, lambda old, key, status, references, groups, held_under: old(key, status, (), groups, held_under))


@broken
def failed_unsafe_requests_invalidate(patch: Patch) -> None:
    ignore_after_unsafe(patch, lambda old, key, status, references, groups, held_under: old(key, 200, references, groups, held_under))


@broken
def groups_are_not_invalidated(patch: Patch) -> None:
    patch.setattr(flow, "invalidated_groups", lambda fields: ())


@broken
def a_clock_that_goes_back_makes_fresh(patch: Patch) -> None:
    def changed(old: Any, self: Any, selectors: Any, *, soft: bool, cause: Cause) -> Any:
        return old(self, () if cause is Cause.CLOCK else selectors, soft=soft, cause=cause)

    wrap(patch, doors.Doors, "invalidate", changed)
