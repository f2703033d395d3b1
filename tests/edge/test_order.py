"""Newer answers that are not stored, and what of the fetches under way they outdate."""

from __future__ import annotations

import pytest
from cachingkit import KEY, fields, stored

from edgecache.caching.stored import Key, StoredResponse, Variant
from edgecache.edge.order import Order, Underway
from edgecache.profiles.standard import STANDARD

OTHER = Key(b"http", b"h", b"/b")
GERMAN: Variant = ((b"accept-language", b"de"),)


class Fetch:
    """A fetch under way, and whether it was told to give up."""

    def __init__(self, order: Order, key: Key, place: tuple[int, int], arriving: StoredResponse | None = None) -> None:
        self.given_up = False
        self.underway = Underway(key, place, STANDARD, self._give_up)
        self.underway.arriving = arriving
        order.begin(self.underway)

    def _give_up(self) -> None:
        self.given_up = True


@pytest.mark.parametrize(
    "key, place, vary, outdated",
    [
        (KEY, (4, 10), (), True),
        (KEY, (5, 9), (), True),
        (KEY, (5, 10), (), False),  # itself
        (KEY, (5, 11), (), False),
        (KEY, (6, 1), (), False),
        (OTHER, (4, 10), (), False),
        (KEY, (4, 10), GERMAN, True),
        (KEY, (4, 10), ((b"accept-language", b"fr"),), False),
    ],
)
def test_what_is_older_and_for_such_a_request(key: Key, place: tuple[int, int], vary: Variant, outdated: bool) -> None:
    order, response = Order(), stored(key=key, vary=vary)
    arriving, unknown = Fetch(order, key, place, response), Fetch(order, key, place)
    order.outdate(KEY, (5, 10), fields("Accept-Language: de"))
    assert (arriving.given_up, arriving.underway.is_outdated(response)) == (outdated, outdated)
    assert (unknown.given_up, unknown.underway.is_outdated(response)) == (False, outdated)


def test_what_has_ended_or_begins_later_hears_nothing() -> None:
    order, response = Order(), stored()
    ended, stays = Fetch(order, KEY, (1, 1), response), Fetch(order, KEY, (1, 2), response)
    order.end(ended.underway)
    order.outdate(KEY, (2, 1), fields())
    later = Fetch(order, KEY, (1, 3), response)
    assert [one.given_up for one in (ended, stays, later)] == [False, True, False]
    for one in (stays, later):
        order.end(one.underway)
    assert order._underway == {}
